//! A venue whose threads run, and how it stops: no more input, drain, then the threads end and give back core and journal. A
//! fault (journal, stream or feed cannot go on) stops it the same way without promising the rest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::core::Core;
use engine::event_hash::EventHasher;
use gateway_edge::WakeHandle;
use journal::JournalWriter;

use crate::venue::fault::Fault;

/// What the threads have to be told, and what they tell.
#[derive(Debug, Default)]
pub struct Signals {
    /// Edge and feed take nothing new.
    pub stopping: AtomicBool,
    /// The order port has written what it had.
    pub edge_drained: AtomicBool,
    /// The feed has written what it had.
    pub feed_drained: AtomicBool,
    /// Threads end that write commands and events.
    pub stop: AtomicBool,
    /// Threads end that read events.
    pub stop_readers: AtomicBool,
}

/// A venue whose threads run.
#[derive(Debug)]
pub struct Running {
    pub(super) signals: Arc<Signals>,
    pub(super) control_stopping: Arc<AtomicBool>,
    pub(super) fault: Arc<Fault>,
    pub(super) hot: Vec<JoinHandle<HotEnd>>,
    pub(super) others: Vec<JoinHandle<()>>,
    pub(super) wakers: [WakeHandle; 2],
    pub(super) hasher: Arc<Mutex<EventHasher>>,
}

/// What a hot thread gives back.
#[derive(Debug, Default)]
pub(super) struct HotEnd {
    pub(super) core: Option<Core>,
    pub(super) journal: Option<JournalWriter>,
}

/// What a stopped venue leaves.
#[derive(Debug)]
pub struct Stopped {
    /// The core, to hash its state.
    pub core: Option<Core>,
    /// The journal, to seal it.
    pub journal: Option<JournalWriter>,
    /// Hash over everything told.
    pub event_hash: [u8; 32],
    /// What went wrong, if anything.
    pub fault: Option<String>,
}

impl Running {
    /// The first fault, if any.
    pub fn fault(&self) -> Option<String> {
        self.fault.is_raised().then(|| self.fault.message()).flatten()
    }

    /// Stops orderly: what was taken is answered and published, for at most `limit`; then the threads end.
    pub fn stop(self, limit: Duration) -> Stopped {
        self.signals.stopping.store(true, Ordering::Relaxed);
        self.control_stopping.store(true, Ordering::Relaxed);
        let end = crate::clock::monotonic() + limit;
        let drained =
            || self.signals.edge_drained.load(Ordering::Acquire) && self.signals.feed_drained.load(Ordering::Acquire);
        while !drained() && !self.fault.is_raised() && crate::clock::monotonic() < end {
            self.wakers.iter().for_each(WakeHandle::wake);
            std::thread::park_timeout(Duration::from_millis(1));
        }
        self.signals.stop.store(true, Ordering::Relaxed);
        let mut stopped = Stopped { core: None, journal: None, event_hash: [0; 32], fault: None };
        for thread in self.hot {
            thread.thread().unpark();
            self.wakers.iter().for_each(WakeHandle::wake);
            let end = crate::clock::monotonic() + limit;
            while !thread.is_finished() && crate::clock::monotonic() < end {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            if !thread.is_finished() {
                // It stands still for good: nothing of it can be waited for, and what it acknowledged is in the journal.
                self.fault.raise("a hot thread did not end; the journal is recovered at the next start".into());
                break;
            }
            if let Ok(end) = thread.join() {
                stopped.core = stopped.core.or(end.core);
                stopped.journal = stopped.journal.or(end.journal);
            }
        }
        self.signals.stop_readers.store(true, Ordering::Relaxed);
        for thread in self.others {
            thread.thread().unpark();
            drop(thread.join());
        }
        stopped.event_hash = self.hasher.lock().map(|hasher| hasher.finish()).unwrap_or_default();
        stopped.fault = self.fault.message();
        stopped
    }
}
