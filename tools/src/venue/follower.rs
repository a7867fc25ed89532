//! The follower: a second core on a housekeeping thread that reads the journal behind the live one, compares its event hash with
//! the live one's, writes snapshots, and lets go of the journal's segments that no snapshot needs. It never touches the hot
//! threads, and nothing waits for it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use engine::runtime::{memory, topology};
use gateway_edge::{Publisher, Reporter};
use journal::{Disk, JournalReader, OldSegments, SnapshotStore, release_before};
use protocol::{Command, Sequence, SessionName, record};

use crate::clock;
use crate::config::{Config, DurabilityMode, OldSegmentsKey, OnDifference};
use crate::venue::assembly::Venue;
use crate::venue::counted_streams::{CountedStream, CountedStreams};
use crate::venue::fault::Fault;
use crate::venue::hash_marks::{Comparison, Difference, FollowerCounters, HashMark};
use crate::venue::metrics::FollowerSeen;
use crate::venue::ports::{FEED_FILE, remove_sessions_before};
use crate::venue::recovery::{Replica, introduce};
use crate::venue::{restore_point, snapshot_rows};

/// How far it stands back from the other housekeeping threads.
const NICE: u8 = 10;
/// Commands read at once before the follower gives way.
const BATCH: u64 = 4_096;
/// How long it sleeps when it has caught up.
const NAP: Duration = Duration::from_millis(20);
/// How long an orderly stop waits for the last snapshot.
const FINISH_MAX: Duration = Duration::from_secs(30);

/// The thread, and what it is told.
#[derive(Debug)]
pub struct Follower {
    thread: JoinHandle<Option<Following>>,
    stopping: Arc<AtomicBool>,
    until: Arc<AtomicU64>,
    counters: Arc<FollowerCounters>,
}

/// Starts it; `None` where there is no journal to follow.
///
/// # Errors
/// When the snapshot database or the archive cannot be opened, or the thread not be started.
pub fn start(config: &Config, venue: &Venue, fault: &Arc<Fault>, cpus: &[usize]) -> anyhow::Result<Option<Follower>> {
    if config.durability == DurabilityMode::Memory {
        return Ok(None);
    }
    let paths = &venue.paths;
    let store = open_store(&paths.snapshots(), config.snapshots().keep)?;
    let every = config.snapshots().every_s;
    let old_segments = old_segments(config.journal().old_segments, paths.root())?;
    let (stopping, until) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(u64::MAX)));
    let told = (Arc::clone(&stopping), Arc::clone(&until));
    let counters = Arc::new(FollowerCounters::default());
    let section = config.follower();
    let terms = Terms {
        journal_dir: paths.journal_dir(),
        streams_dir: paths.streams_dir(),
        keep: config.snapshots().keep as usize,
        every: if every == 0 { None } else { Some(Duration::from_secs(every)) },
        old_segments,
        stops: section.on_difference == OnDifference::Stop,
        fault: Arc::clone(fault),
        counters: Arc::clone(&counters),
        seen: FollowerSeen::new(&venue.metrics),
    };
    let comparison =
        Comparison::new(section.compare_every, Arc::clone(&venue.marks), section.drill_at, Arc::clone(&counters));
    let cpus = cpus.to_vec();
    let thread = std::thread::Builder::new().name("hft-follower".into()).spawn(move || {
        if let Err(error) = topology::run_on(&cpus) {
            tracing::warn!(%error, "the follower runs anywhere");
        }
        // Nobody waits for it: feed and projections come first where they share a cpu.
        if let Err(error) = memory::give_way(NICE) {
            tracing::debug!(%error, "the follower has no lower priority");
        }
        let ran = Following::begin(store, terms, comparison).and_then(|mut following| {
            following.run(&told.0, &told.1)?;
            Ok(following)
        });
        ran.inspect_err(|error| {
            tracing::error!(error = format!("{error:#}"), "the follower has ended: no more snapshots");
        })
        .ok()
    });
    let thread = thread.context("cannot start the follower")?;
    Ok(Some(Follower { thread, stopping, until, counters }))
}

/// Opens the database, in place of a damaged one if need be.
fn open_store(path: &Path, keep: u32) -> anyhow::Result<SnapshotStore> {
    let (store, moved) = SnapshotStore::open_or_replace(path, keep)?;
    if let Some(moved) = moved {
        tracing::error!("the snapshot database was damaged: it is {} now, and a new one is begun", moved.display());
    }
    Ok(store)
}

fn old_segments(key: OldSegmentsKey, data_dir: &Path) -> anyhow::Result<OldSegments> {
    Ok(match key {
        OldSegmentsKey::Keep => OldSegments::Keep,
        OldSegmentsKey::Delete => OldSegments::Delete,
        OldSegmentsKey::Archive => {
            let archive = data_dir.join("archive");
            std::fs::create_dir_all(&archive).with_context(|| format!("cannot create {}", archive.display()))?;
            OldSegments::Archive(archive)
        }
    })
}

impl Follower {
    /// Lets it read up to the last command of the live side, compares the hashes there, and writes a last snapshot; then it
    /// has ended. What it has come to.
    pub fn finish(self, last: HashMark) -> Arc<FollowerCounters> {
        self.until.store(last.sequence.0, Ordering::Relaxed);
        self.stopping.store(true, Ordering::Release);
        self.thread.thread().unpark();
        match self.thread.join() {
            Ok(Some(mut following)) => following.finish(last),
            Ok(None) => {}
            Err(_) => tracing::error!("the follower panicked: no last snapshot"),
        }
        self.counters
    }
}

/// What does not change while it runs.
#[derive(Debug)]
struct Terms {
    journal_dir: PathBuf,
    streams_dir: PathBuf,
    /// Snapshots that are kept.
    keep: usize,
    every: Option<Duration>,
    old_segments: OldSegments,
    /// A difference stops the venue.
    stops: bool,
    fault: Arc<Fault>,
    counters: Arc<FollowerCounters>,
    seen: FollowerSeen,
}

#[derive(Debug)]
struct Following {
    replica: Replica,
    reporter: Reporter<CountedStreams>,
    publisher: Publisher<CountedStream>,
    streams: CountedStreams,
    store: SnapshotStore,
    last_snapshot: Sequence,
    /// Sessions of the snapshots written last, as many as are kept.
    sessions: VecDeque<SessionName>,
    comparison: Comparison,
    /// The state here is not the live one: it is written no more.
    differs: bool,
    terms: Terms,
}

impl Following {
    /// Begins at the newest snapshot that a start could begin at, else at the first command.
    fn begin(store: SnapshotStore, terms: Terms, comparison: Comparison) -> anyhow::Result<Self> {
        let point = store.newest_valid()?.and_then(|snapshot| restore_point::decode(&snapshot).ok());
        let streams = CountedStreams::from(point.as_ref().map(|point| point.streams.clone()).unwrap_or_default());
        let mut reporter = Reporter::new(streams.clone());
        let next = streams.clone();
        let mut publisher = Publisher::new(streams.open(FEED_FILE.to_owned(), SessionName::BLANK))
            .with_next(move |session| Ok(next.open(FEED_FILE.to_owned(), session)));
        let mut replica = Replica::new();
        if let Some(point) = point {
            introduce(&point.core, &mut reporter, &mut publisher)?;
            replica.go_on_at(point.core, point.hasher);
        }
        let last_snapshot = replica.core.last_sequence();
        let sessions = VecDeque::new();
        Ok(Self {
            replica,
            reporter,
            publisher,
            streams,
            store,
            last_snapshot,
            sessions,
            comparison,
            differs: false,
            terms,
        })
    }

    fn run(&mut self, stopping: &AtomicBool, until: &AtomicU64) -> anyhow::Result<()> {
        let after = self.replica.core.last_sequence();
        let mut reader = JournalReader::open_after(&self.terms.journal_dir, after)?.behind_writer();
        let mut next_snapshot = self.terms.every.map(|every| clock::monotonic() + every);
        let mut stopping_since: Option<Instant> = None;
        loop {
            let read = self.follow(&mut reader)?;
            self.terms.seen.note(&self.replica.core, read < BATCH);
            if let Some(difference) = self.comparison.compare() {
                self.alarm(difference);
            }
            self.terms.seen.compared(&self.terms.counters);
            if stopping.load(Ordering::Acquire) {
                let since = *stopping_since.get_or_insert_with(clock::monotonic);
                let caught_up = self.replica.core.last_sequence().0 >= until.load(Ordering::Relaxed);
                if caught_up || since.elapsed() > FINISH_MAX {
                    return Ok(());
                }
            } else if let (Some(every), Some(due)) = (self.terms.every, next_snapshot)
                && clock::monotonic() >= due
            {
                self.snapshot();
                next_snapshot = Some(clock::monotonic() + every);
            }
            if read < BATCH {
                // Caught up: what comes is taken in one go, not command by command beside those who wait for the cpu.
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
            let Self { replica, reporter, publisher, comparison, .. } = self;
            replica.apply(&command, |command, event| {
                reporter.replay(command, event)?;
                Ok(publisher.publish(event)?)
            })?;
            comparison.applied(&replica.hasher, command.sequence);
            read += 1;
        }
        Ok(read)
    }

    /// The last comparison, and the last snapshot.
    fn finish(&mut self, last: HashMark) {
        let own = HashMark { sequence: self.replica.core.last_sequence(), hash: self.replica.hasher.finish() };
        if own.sequence == last.sequence
            && let Some(difference) = self.comparison.judge(own, last)
        {
            self.alarm(difference);
        }
        self.terms.seen.note(&self.replica.core, true);
        self.terms.seen.compared(&self.terms.counters);
        self.snapshot();
    }

    /// Told once; counted each time. What was written since the hashes were last the same cannot be trusted.
    fn alarm(&mut self, Difference { after, at }: Difference) {
        if std::mem::replace(&mut self.differs, true) {
            return;
        }
        let message = format!(
            "the follower's event hash differs from the live core's: the same up to sequence {after}, another at {at}; \
             no more snapshots are written: compare with `hft replay --to {at}`, and start again to follow anew"
        );
        tracing::error!("{message}");
        match self.store.remove_after(after) {
            Ok(count) => tracing::error!("{count} snapshots behind sequence {after} are dropped"),
            Err(error) => tracing::error!(%error, "the snapshots behind sequence {after} stay, and are not to be used"),
        }
        if self.terms.stops {
            self.terms.fault.raise(message);
        }
    }

    /// One that cannot be written, for want of space most often, is tried again at its next time.
    fn snapshot(&mut self) {
        let at = self.replica.core.last_sequence();
        if at <= self.last_snapshot || self.differs {
            return;
        }
        match snapshot_rows::write(&mut self.store, &self.replica, &self.streams) {
            Ok(()) => {
                self.last_snapshot = at;
                self.terms.seen.snapshot(at);
                self.release_segments();
                self.release_sessions();
            }
            Err(error) => tracing::error!(%error, "no snapshot of sequence {at} could be written"),
        }
    }

    /// A start makes messages again of the sessions that a kept snapshot was written in, and of later ones only.
    fn release_sessions(&mut self) {
        let session = self.replica.core.venue().map_or(SessionName::BLANK, |venue| venue.session);
        self.sessions.push_back(session);
        if self.sessions.len() > self.terms.keep.max(1) {
            self.sessions.pop_front();
        }
        if let Some(oldest) = self.sessions.front().filter(|_| self.sessions.len() == self.terms.keep.max(1)) {
            remove_sessions_before(&self.terms.streams_dir, *oldest);
        }
    }

    /// What the oldest kept snapshot stands for is wanted by no start any more.
    fn release_segments(&self) {
        if self.terms.old_segments == OldSegments::Keep {
            return;
        }
        let oldest = self.store.oldest_valid().inspect_err(|error| tracing::error!(%error, "old segments stay"));
        let Ok(Some(oldest)) = oldest else { return };
        match release_before(&Disk, &self.terms.journal_dir, oldest, &self.terms.old_segments) {
            Ok(0) => {}
            Ok(count) => tracing::info!("{count} journal segments before sequence {oldest} were released"),
            Err(error) => tracing::error!(%error, "old segments stay"),
        }
    }
}
