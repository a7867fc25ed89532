//! Keeps the slow parts of segments off the writer's thread: the next one is allocated and mapped before it is needed, the pages of the
//! one in use are kept in order, and full ones are unmapped, cut and sealed. The two sides meet in two small queues and never wait for each other.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;

use crate::chain::ChainHash;
use crate::error::FileError;
use crate::mmap::MapWindow;
use crate::recovery::{Content, seal_file};
use crate::storage::{Disk, Storage};
use crate::target::Target;

/// Full segments that may wait to be sealed; when as many wait, the writer seals the next one itself.
const RETIRED_MAX: usize = 4;
/// How long the helper thread sleeps when nobody wakes it.
const NAP: Duration = Duration::from_millis(20);
/// And while the writer makes way fast.
const SHORT_NAP: Duration = Duration::from_millis(1);

/// A segment without a name and a header yet.
#[derive(Debug)]
pub(crate) struct Prepared<S: Storage> {
    pub(crate) file: S::File,
    pub(crate) path: PathBuf,
    pub(crate) target: Target<S>,
}

/// A segment's file after its last record; shared until it is known to be on disk.
#[derive(Debug)]
pub(crate) struct Written<F> {
    pub(crate) file: F,
    pub(crate) path: PathBuf,
    pub(crate) is_synced: AtomicBool,
}

/// A full segment.
#[derive(Debug)]
pub(crate) struct Retired<S: Storage> {
    pub(crate) written: Arc<Written<S::File>>,
    pub(crate) target: Target<S>,
    pub(crate) content: Content,
}

impl<S: Storage> Retired<S> {
    /// Unmaps, cuts and seals it; afterwards it is on disk, and `chain` is the chain over it.
    fn close(self, chain: &mut ChainHash) -> Result<(), FileError> {
        drop(self.target);
        *chain = seal_file(&self.written.file, &self.written.path, &self.content, chain)?;
        self.written.is_synced.store(true, Ordering::Release);
        Ok(())
    }
}

/// What writer and helper share.
#[derive(Debug)]
pub(crate) struct Handover<S: Storage> {
    storage: S,
    dir: PathBuf,
    segment_bytes: u64,
    /// Answers wait for flushes: segments are prepared for that.
    flushes: bool,
    ready: ArrayQueue<Prepared<S>>,
    retired: ArrayQueue<Retired<S>>,
    /// Bytes of the disk that no segment allocated ahead may take; 0: all may be taken.
    reserve_bytes: AtomicU64,
    /// Numbers the prepared files, so that a name is used once per run.
    prepared: AtomicU64,
    /// Set by the writer when it ends; the helper then prepares no more.
    closed: AtomicBool,
    /// The chain over the segments that are sealed. Held by whoever prepares or seals, never by the appending path.
    work: Mutex<ChainHash>,
    helper: OnceLock<Thread>,
    /// The pages of the segment in use. Locked by the writer when it goes over to the next one, else by the helper only.
    window: Mutex<MapWindow>,
}

impl<S: Storage> Handover<S> {
    pub(crate) fn new(storage: S, dir: &Path, segment_bytes: u64, flushes: bool, chain: ChainHash) -> Self {
        Self {
            storage,
            dir: dir.to_owned(),
            segment_bytes,
            flushes,
            ready: ArrayQueue::new(1),
            retired: ArrayQueue::new(RETIRED_MAX),
            reserve_bytes: AtomicU64::new(0),
            prepared: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            work: Mutex::new(chain),
            helper: OnceLock::new(),
            window: Mutex::new(MapWindow::default()),
        }
    }

    /// The segment that was allocated ahead, if there is one.
    pub(crate) fn take_ready(&self) -> Option<Prepared<S>> {
        self.ready.pop()
    }

    /// Says that this segment is in use from now on.
    pub(crate) fn begin(&self, target: &Target<S>) {
        *lock(&self.window) = target.window();
    }

    /// Keeps the pages of the segment in use in order. True when the writer has moved on.
    fn follow(&self) -> bool {
        let window = lock(&self.window).clone();
        window.follow()
    }

    /// Gives a full segment away; when too many wait, all of them are closed here and now.
    pub(crate) fn retire(&self, retired: Retired<S>) -> Result<(), FileError> {
        let Err(retired) = self.retired.push(retired) else { return Ok(()) };
        let mut chain = lock(&self.work);
        self.seal_retired(&mut chain)?;
        retired.close(&mut chain)
    }

    /// Tells the helper thread, if there is one, that there is work.
    pub(crate) fn wake(&self) {
        if let Some(helper) = self.helper.get() {
            helper.unpark();
        }
    }

    /// Creates and allocates a segment of zeros.
    pub(crate) fn prepare(&self) -> Result<Prepared<S>, FileError> {
        let number = self.prepared.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("prepare-{number}.tmp"));
        let file = self.storage.create(&path).map_err(FileError::at(&path, "create the segment"))?;
        match Target::prepare(&self.storage, &file, self.segment_bytes, self.flushes) {
            Ok(target) => Ok(Prepared { file, path, target }),
            Err(error) => {
                self.discard(&path);
                Err(FileError::at(&path, "allocate the segment")(error))
            }
        }
    }

    /// Seals the full segments that wait. True when there were any.
    fn seal_retired(&self, chain: &mut ChainHash) -> Result<bool, FileError> {
        let mut sealed = false;
        while let Some(retired) = self.retired.pop() {
            retired.close(chain)?;
            sealed = true;
        }
        Ok(sealed)
    }

    /// Allocates the next segment unless one is ready or none is wanted any more. True when it did.
    fn prepare_next(&self) -> Result<bool, FileError> {
        if self.ready.is_full() || self.closed.load(Ordering::Acquire) {
            return Ok(false);
        }
        self.check_reserve()?;
        if let Err(surplus) = self.ready.push(self.prepare()?) {
            self.discard(&surplus.path);
        }
        Ok(true)
    }

    /// Refuses what would eat into the reserve, instead of trying: an allocation that fails takes all there is on its way.
    fn check_reserve(&self) -> Result<(), FileError> {
        let reserve = self.reserve_bytes.load(Ordering::Relaxed);
        if reserve == 0 {
            return Ok(());
        }
        let free = self.storage.free_bytes(&self.dir).map_err(FileError::at(&self.dir, "ask for the free space"))?;
        if free < reserve.saturating_add(self.segment_bytes) {
            return Err(FileError::at(&self.dir, "allocate the next segment")(io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    /// Ends the helper's work and does what it left: full segments are sealed, the unused one is deleted. The chain over
    /// all sealed segments.
    pub(crate) fn close(&self) -> Result<ChainHash, FileError> {
        self.closed.store(true, Ordering::Release);
        self.wake();
        let mut chain = lock(&self.work);
        self.seal_retired(&mut chain)?;
        if let Some(unused) = self.ready.pop() {
            self.discard(&unused.path);
        }
        Ok(*chain)
    }

    /// Deletes a prepared file. When that fails the next start does it.
    fn discard(&self, path: &Path) {
        if let Err(error) = self.storage.remove(path) {
            tracing::debug!(path = %path.display(), %error, "a prepared segment stays behind");
        }
    }
}

/// A poisoned lock only means that another thread died between two file calls; what it protects is set after the last of them.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does the slow work for one writer: called in turns by a housekeeping thread, or on a thread of its own. Dropping it is
/// harmless: the writer then does the work itself, and counts it.
#[derive(Debug)]
pub struct SegmentPreparer<S: Storage = Disk> {
    shared: Arc<Handover<S>>,
}

impl<S: Storage> SegmentPreparer<S> {
    pub(crate) fn new(shared: Arc<Handover<S>>) -> Self {
        Self { shared }
    }

    /// Keeps this many bytes of the disk free of segments that are allocated ahead, for whatever else has to grow. The writer
    /// itself may still take them when it needs a segment and none is ready.
    pub fn keep_free(&self, bytes: u64) {
        self.shared.reserve_bytes.store(bytes, Ordering::Relaxed);
    }

    /// One turn: seals the full segments, and allocates the next one if none is ready. True when there was something to
    /// do. Takes as long as the disk does; never from a hot thread.
    ///
    /// # Errors
    /// The disk is full or failing. The writer is not affected yet: it has the rest of its segment. Warn, and refuse new
    /// work before [`crate::JournalWriter::room_bytes`] runs out; a failed turn may be repeated, as nothing that was
    /// promised depends on it.
    pub fn turn(&self) -> Result<bool, FileError> {
        let has_moved = self.shared.follow();
        let mut chain = lock(&self.shared.work);
        let sealed = self.shared.seal_retired(&mut chain)?;
        Ok(self.shared.prepare_next()? || sealed || has_moved)
    }

    /// True when the next segment is allocated.
    pub fn is_ready(&self) -> bool {
        self.shared.ready.is_full()
    }

    /// Runs turns on a thread of its own, which inherits the caller's cpu mask and scheduling policy, until the writer
    /// ends. A segment that cannot be allocated is logged and tried again; one that cannot be sealed ends the thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(self) -> io::Result<PreparerThread<S>> {
        let told = PreparerWatch::default();
        let telling = told.clone();
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("segments".into()).spawn(move || self.run(&telling))?;
        Ok(PreparerThread { shared, told, thread: Some(thread) })
    }

    fn run(self, told: &PreparerWatch) {
        if self.shared.helper.set(thread::current()).is_err() {
            tracing::debug!("two threads prepare segments of one journal");
        }
        while !self.shared.closed.load(Ordering::Acquire) {
            let has_moved = self.shared.follow();
            let mut chain = lock(&self.shared.work);
            let sealed = self.shared.seal_retired(&mut chain);
            let prepared = self.shared.prepare_next();
            drop(chain);
            if let Err(error) = sealed {
                told.failed.store(true, Ordering::Release);
                tracing::error!(%error, "a full journal segment cannot be sealed");
                return;
            }
            if let (Err(error), false) = (&prepared, told.is_short()) {
                tracing::warn!(%error, "no journal segment is ready behind the one in use");
            }
            told.short.store(prepared.is_err(), Ordering::Release);
            if !prepared.unwrap_or(false) {
                thread::park_timeout(if has_moved { SHORT_NAP } else { NAP });
            }
        }
    }
}

/// What the helper thread tells; clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct PreparerWatch {
    /// Written by the helper thread with Release, read with Acquire; alone, each.
    short: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
}

impl PreparerWatch {
    /// True while the next segment cannot be allocated, most often because the disk is nearly full. The one in use has its
    /// room all the same.
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Acquire)
    }

    /// True for good once a full segment could not be sealed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// The helper thread of [`SegmentPreparer::spawn`]. Dropping it waits for its turn to end.
#[derive(Debug)]
pub struct PreparerThread<S: Storage = Disk> {
    shared: Arc<Handover<S>>,
    told: PreparerWatch,
    thread: Option<JoinHandle<()>>,
}

impl<S: Storage> PreparerThread<S> {
    /// What it tells, for other threads.
    pub fn watch(&self) -> PreparerWatch {
        self.told.clone()
    }
}

impl<S: Storage> Drop for PreparerThread<S> {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that prepares journal segments panicked");
        }
    }
}
