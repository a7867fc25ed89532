//! The follower: a second core on a housekeeping thread that reads the journal behind the live one and writes snapshots. It
//! never touches the hot threads, and nothing waits for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use engine::runtime::topology;
use gateway_edge::{Publisher, Reporter};
use journal::{DataPaths, JournalReader, SnapshotStore};
use protocol::{Command, Sequence, SessionName, record};

use crate::clock;
use crate::config::{Config, DurabilityMode};
use crate::venue::counted_streams::{CountedStream, CountedStreams};
use crate::venue::ports::FEED_FILE;
use crate::venue::recovery::{Replica, introduce};
use crate::venue::{restore_point, snapshot_rows};

/// Commands read at once before the follower gives way.
const BATCH: u64 = 4_096;
/// How long it sleeps when it has caught up.
const NAP: Duration = Duration::from_millis(20);
/// How long an orderly stop waits for the last snapshot.
const FINISH_MAX: Duration = Duration::from_secs(30);

/// The thread, and what it is told.
#[derive(Debug)]
pub struct Follower {
    thread: JoinHandle<()>,
    stopping: Arc<AtomicBool>,
    until: Arc<AtomicU64>,
}

/// Starts it; `None` where there is no journal to follow.
///
/// # Errors
/// When the snapshot database cannot be opened or the thread not be started.
pub fn start(config: &Config, paths: &DataPaths, cpus: &[usize]) -> anyhow::Result<Option<Follower>> {
    if config.durability == DurabilityMode::Memory {
        return Ok(None);
    }
    let store = SnapshotStore::open(&paths.snapshots(), config.snapshots().keep)?;
    let every = config.snapshots().every_s;
    let every = if every == 0 { None } else { Some(Duration::from_secs(every)) };
    let journal_dir = paths.journal_dir();
    let (stopping, until) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(u64::MAX)));
    let told = (Arc::clone(&stopping), Arc::clone(&until));
    let cpus = cpus.to_vec();
    let thread = std::thread::Builder::new().name("hft-follower".into()).spawn(move || {
        if let Err(error) = topology::run_on(&cpus) {
            tracing::warn!(%error, "the follower runs anywhere");
        }
        let following = Following::begin(store, every);
        let ran = following.and_then(|mut following| following.run(&journal_dir, &told.0, &told.1));
        if let Err(error) = ran {
            tracing::error!(error = format!("{error:#}"), "the follower has ended: no more snapshots");
        }
    });
    Ok(Some(Follower { thread: thread.context("cannot start the follower")?, stopping, until }))
}

impl Follower {
    /// Lets it read up to `last` and write a last snapshot, then ends it.
    pub fn finish(self, last: Sequence) {
        self.until.store(last.0, Ordering::Relaxed);
        self.stopping.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the follower panicked: no last snapshot");
        }
    }
}

struct Following {
    replica: Replica,
    reporter: Reporter<CountedStreams>,
    publisher: Publisher<CountedStream>,
    streams: CountedStreams,
    store: SnapshotStore,
    every: Option<Duration>,
    last_snapshot: Sequence,
}

impl Following {
    /// Begins at the newest snapshot that a start could begin at, else at the first command.
    fn begin(store: SnapshotStore, every: Option<Duration>) -> anyhow::Result<Self> {
        let point = store.newest_valid()?.and_then(|snapshot| restore_point::decode(&snapshot).ok());
        let streams = CountedStreams::from(point.as_ref().map(|point| point.streams.clone()).unwrap_or_default());
        let mut reporter = Reporter::new(streams.clone());
        let mut publisher = Publisher::new(streams.open(FEED_FILE.to_owned(), SessionName::BLANK));
        let mut replica = Replica::new();
        if let Some(point) = point {
            introduce(&point.core, &mut reporter, &mut publisher)?;
            replica.go_on_at(point.core, point.hasher);
        }
        let last_snapshot = replica.core.last_sequence();
        Ok(Self { replica, reporter, publisher, streams, store, every, last_snapshot })
    }

    fn run(&mut self, journal_dir: &Path, stopping: &AtomicBool, until: &AtomicU64) -> anyhow::Result<()> {
        let mut reader = JournalReader::open_after(journal_dir, self.replica.core.last_sequence())?;
        let mut next_snapshot = self.every.map(|every| clock::monotonic() + every);
        let mut stopping_since: Option<Instant> = None;
        loop {
            let read = self.follow(&mut reader)?;
            if stopping.load(Ordering::Acquire) {
                let since = *stopping_since.get_or_insert_with(clock::monotonic);
                let caught_up = self.replica.core.last_sequence().0 >= until.load(Ordering::Relaxed);
                if caught_up || since.elapsed() > FINISH_MAX {
                    self.snapshot();
                    return Ok(());
                }
            } else if let (Some(every), Some(due)) = (self.every, next_snapshot)
                && clock::monotonic() >= due
            {
                self.snapshot();
                next_snapshot = Some(clock::monotonic() + every);
            }
            if read == 0 {
                std::thread::park_timeout(NAP);
            } else {
                std::thread::yield_now();
            }
        }
    }

    fn follow(&mut self, reader: &mut JournalReader) -> anyhow::Result<u64> {
        let mut read = 0;
        while read < BATCH {
            let Some(found) = reader.next()? else { break };
            let body = record::decode(found.body)?;
            let command = Command { sequence: found.sequence, ingress: found.ingress, body };
            let Self { replica, reporter, publisher, .. } = self;
            replica.apply(&command, |command, event| {
                reporter.replay(command, event)?;
                Ok(publisher.publish(event)?)
            })?;
            read += 1;
        }
        Ok(read)
    }

    /// One that cannot be written, for want of space most often, is tried again at its next time.
    fn snapshot(&mut self) {
        let at = self.replica.core.last_sequence();
        if at > self.last_snapshot {
            match snapshot_rows::write(&mut self.store, &self.replica, &self.streams) {
                Ok(()) => self.last_snapshot = at,
                Err(error) => tracing::error!(%error, "no snapshot of sequence {at} could be written"),
            }
        }
    }
}
