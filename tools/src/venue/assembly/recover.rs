//! Brings back what the data directory holds: from the newest snapshot that can be used, or from the first command, with all
//! checks. Only the streams are written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use crossbeam_queue::ArrayQueue;
use gateway_edge::{Publisher, Reporter};
use journal::{DataDir, DataPaths, JournalReader, SnapshotStore, first_sequence};
use protocol::{Command, Event, Sequence, SessionName};

use super::MIB;
use super::chain_check::ChainCheck;
use super::identity::{Identity, beginning_is_gone, identity};
use crate::clock::monotonic;
use crate::config::{Config, DurabilityMode};
use crate::output::print_line;
use crate::venue::fault::Fault;
use crate::venue::ports::{FEED_FILE, FeedFiles, StreamFile, StreamFileReader, StreamFiles, StreamPreparers};
use crate::venue::recovery::{Replayed, Replica, introduce};
use crate::venue::restore_point::{self, RestorePoint};

/// Feed files opened one after the other that may wait for who follows them: the last one counts.
const FEED_READERS_MAX: usize = 4;

/// A venue between recovery and its first turn.
pub(super) struct Recovering<'a> {
    pub(super) replica: Replica,
    pub(super) reporter: Reporter<StreamFiles>,
    pub(super) publisher: Publisher<StreamFile>,
    watch: Watch<'a>,
}

/// Asked to stop before recovery was done. Nothing is lost by that: the next start recovers.
#[derive(Debug, thiserror::Error)]
#[error("stopped while recovering")]
pub struct StoppedEarly;

/// What a long recovery does beside: it tells how far it is, and ends when it is asked to.
struct Watch<'a> {
    asked_to_stop: &'a AtomicBool,
    told: Instant,
}

impl Watch<'_> {
    fn look(&mut self, records: u64) -> anyhow::Result<()> {
        if self.asked_to_stop.load(Ordering::Relaxed) {
            return Err(StoppedEarly.into());
        }
        if self.told.elapsed() >= Duration::from_secs(1) {
            self.told = monotonic();
            print_line(&format!("  {records} commands so far"));
        }
        Ok(())
    }
}

impl Recovering<'_> {
    fn told(
        reporter: &mut Reporter<StreamFiles>,
        publisher: &mut Publisher<StreamFile>,
        command: &Command,
        event: &Event,
    ) -> anyhow::Result<()> {
        reporter.replay(command, event)?;
        publisher.publish(event)?;
        Ok(())
    }

    /// Replays the journal from where the replica is.
    fn replay(&mut self, journal_dir: &Path) -> anyhow::Result<Replayed> {
        let Self { replica, reporter, publisher, watch } = self;
        let watch = |records| watch.look(records);
        replica.replay(journal_dir, None, watch, |command, event| Self::told(reporter, publisher, command, event))
    }

    /// Applies one more.
    pub(super) fn apply(&mut self, command: &Command) -> anyhow::Result<()> {
        let Self { replica, reporter, publisher, .. } = self;
        replica.apply(command, |command, event| Self::told(reporter, publisher, command, event))
    }

    /// Every message was made from the journal: a stream that has more was written before the journal lost its end. A torn
    /// tail is cut all the same, as nobody can bring it back, and is told; an end that is missing without a trace is not
    /// accepted in silence, as the files may lie elsewhere.
    fn explain_streams(&mut self, torn_bytes: u64) -> anyhow::Result<()> {
        let mut answers = 0;
        for stream in self.reporter.streams_mut() {
            answers += stream.unexplained_messages();
        }
        let messages = self.publisher.stream_mut().unexplained_messages();
        let last = self.replica.core.last_sequence();
        if answers + messages > 0 && torn_bytes > 0 {
            print_line(&format!(
                "WARNING: {answers} answers and {messages} feed messages had left that the torn journal cannot explain behind \
                 sequence {last}; their numbers will be used again: tell the clients that were connected"
            ));
            return Ok(());
        }
        ensure!(
            answers + messages == 0,
            "the streams hold {answers} answers and {messages} feed messages behind sequence {last}, where the journal ends: \
             it has lost its end; restore its newest segments, or move the folder streams/ away to go on without them"
        );
        Ok(())
    }

    /// From here on the streams grow by what is new.
    pub(super) fn end_rebuild(&mut self) -> anyhow::Result<()> {
        for stream in self.reporter.streams_mut() {
            stream.end_rebuild()?;
        }
        self.publisher.stream_mut().end_rebuild()?;
        Ok(())
    }
}

/// What a recovery has found.
pub(super) struct Recovered<'a> {
    pub(super) identity: Identity,
    pub(super) recovering: Recovering<'a>,
    pub(super) stream_preparers: StreamPreparers,
    pub(super) replayed: Replayed,
    pub(super) streams_dir: PathBuf,
    /// Session of the snapshot that it began at.
    pub(super) begins_in: Option<SessionName>,
    /// Readers of the feed's files.
    pub(super) feed_readers: Arc<ArrayQueue<StreamFileReader>>,
}

/// Brings everything back that the data directory holds, with all checks; nothing is added, and only the streams are written.
pub(super) fn recover<'a>(
    config: &Config,
    paths: &DataPaths,
    fault: &Arc<Fault>,
    is_live: &Arc<AtomicBool>,
    asked_to_stop: &'a AtomicBool,
) -> anyhow::Result<Recovered<'a>> {
    let memory = config.durability == DurabilityMode::Memory;
    let streams_dir = if memory { empty_memory_dir(paths)? } else { paths.streams_dir() };
    let point = if memory { None } else { restore_point(paths)? };
    let identity = identity(&paths.journal_dir(), point.as_ref())?;
    let chain = ChainCheck::begin(&paths.journal_dir())?;
    let opening = Opening {
        config,
        identity: &identity,
        streams_dir: &streams_dir,
        is_live: Arc::clone(is_live),
        fault,
        feed_readers: Arc::new(ArrayQueue::new(FEED_READERS_MAX)),
    };
    let begins_in = point.as_ref().and_then(|point| point.core.venue()).map(|venue| venue.session);
    let begins_at = first_sequence(&paths.journal_dir())?.unwrap_or(Sequence(1));
    let (mut recovering, stream_preparers) = match point.map(|point| opening.begin(Some(point), asked_to_stop)) {
        Some(Ok(begun)) => begun,
        Some(Err(error)) if begins_at > Sequence(1) => return Err(error.context(beginning_is_gone(begins_at))),
        Some(Err(error)) => {
            print_line(&format!("the newest snapshot is not used: {error:#}"));
            opening.begin(None, asked_to_stop)?
        }
        None => opening.begin(None, asked_to_stop)?,
    };
    let from = recovering.replica.core.last_sequence();
    let replayed = recovering.replay(&paths.journal_dir())?;
    let recovered_to = recovering.replica.core.last_sequence();
    chain.finish()?;
    let begun = if from == Sequence::ZERO { String::new() } else { format!("from the snapshot of sequence {from}: ") };
    print_line(&format!(
        "{begun}recovered {} commands, {} per second, last sequence {recovered_to}",
        replayed.records,
        replayed.commands_per_second()
    ));
    recovering.explain_streams(replayed.torn_bytes)?;
    let feed_readers = opening.feed_readers;
    Ok(Recovered { identity, recovering, stream_preparers, replayed, streams_dir, begins_in, feed_readers })
}

/// Recovers as a start does, and ends there: what a bench measures. The streams are left as they should be.
///
/// # Errors
/// As [`assemble`].
pub fn recover_only(config: &Config) -> anyhow::Result<(Replayed, [u8; 32])> {
    let data_dir = DataDir::open(&config.data_dir)?;
    let (fault, is_live, never) = (Arc::default(), Arc::default(), AtomicBool::new(false));
    let mut recovered = recover(config, data_dir.paths(), &fault, &is_live, &never)?;
    recovered.recovering.end_rebuild()?;
    Ok((recovered.replayed, recovered.recovering.replica.hasher.finish()))
}

/// What the streams and their makers are opened with.
struct Opening<'a> {
    config: &'a Config,
    identity: &'a Identity,
    streams_dir: &'a Path,
    is_live: Arc<AtomicBool>,
    fault: &'a Arc<Fault>,
    /// Readers of the feed's files as they are opened.
    feed_readers: Arc<ArrayQueue<StreamFileReader>>,
}

impl Opening<'_> {
    /// Opens the streams; with a restore point, as far as that says they are written.
    fn begin<'w>(
        &self,
        point: Option<RestorePoint>,
        asked_to_stop: &'w AtomicBool,
    ) -> anyhow::Result<(Recovering<'w>, StreamPreparers)> {
        let preparers = StreamPreparers::default();
        let keep = point.as_ref().map(|point| point.streams.clone()).unwrap_or_default();
        let kept = keep.get(FEED_FILE).map_or(0, |length| length.messages);
        let streams = self.config.streams();
        let store = StreamFiles {
            dir: self.streams_dir.to_owned(),
            venue_id: self.identity.venue_id,
            capacity_bytes: streams.account_mib_max * MIB,
            firm_capacity_bytes: streams.firm_mib_max * MIB,
            preparers: Arc::clone(&preparers),
            keep,
            session: SessionName::BLANK,
            forgets: self.config.durability == DurabilityMode::Memory,
            is_live: Arc::clone(&self.is_live),
            fault: Arc::clone(self.fault),
        };
        let feed_files = FeedFiles {
            dir: self.streams_dir.to_owned(),
            venue_id: self.identity.venue_id,
            capacity_bytes: streams.feed_mib_max * MIB,
            preparers: Arc::clone(&preparers),
            readers: Arc::clone(&self.feed_readers),
            is_live: Arc::clone(&self.is_live),
            fault: Arc::clone(self.fault),
        };
        let session =
            point.as_ref().and_then(|point| point.core.venue()).map_or(self.identity.session, |venue| venue.session);
        let feed_file = feed_files.open(session, kept)?;
        let mut reporter = Reporter::new(store);
        let mut publisher = Publisher::new(feed_file).with_next(move |session| feed_files.open(session, 0));
        publisher = publisher.with_names(self.config.names.clone());
        let mut replica = Replica::new();
        if let Some(point) = point {
            introduce(&point.core, &mut reporter, &mut publisher)?;
            replica.go_on_at(point.core, point.hasher);
        }
        let watch = Watch { asked_to_stop, told: monotonic() };
        Ok((Recovering { replica, reporter, publisher, watch }, preparers))
    }
}

/// The newest snapshot at which a start can begin: it is whole, this program can read it, and the journal has the command that
/// it was made at. Others are passed over, with a word.
fn restore_point(paths: &DataPaths) -> anyhow::Result<Option<RestorePoint>> {
    if !paths.snapshots().exists() {
        return Ok(None);
    }
    let opened = SnapshotStore::open_read_only(&paths.snapshots()).and_then(|store| Ok((store.list()?, store)));
    let (snapshots, store) = match opened {
        Err(error) if error.is_damage() => {
            print_line(&format!("no snapshot is used: {error}"));
            return Ok(None);
        }
        opened => opened?,
    };
    for meta in snapshots {
        match usable_point(&store, meta.sequence, &paths.journal_dir())? {
            Ok(point) => return Ok(Some(point)),
            Err(fault) => print_line(&format!("the snapshot of sequence {} is not used: {fault}", meta.sequence)),
        }
    }
    Ok(None)
}

/// The restore point of one snapshot, or why it is none.
fn usable_point(
    store: &SnapshotStore,
    sequence: Sequence,
    journal_dir: &Path,
) -> anyhow::Result<Result<RestorePoint, String>> {
    let snapshot = match store.snapshot(sequence) {
        Ok(snapshot) => snapshot,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut reader = JournalReader::open_after(journal_dir, Sequence(sequence.0.saturating_sub(1)))?;
    let is_in_journal =
        reader.next()?.is_some_and(|found| found.sequence == sequence && found.ingress == snapshot.meta.ingress);
    if !is_in_journal {
        return Ok(Err("the journal has no such command".to_owned()));
    }
    Ok(restore_point::decode(&snapshot))
}

/// Streams of a venue that keeps nothing: made anew at each start.
fn empty_memory_dir(paths: &DataPaths) -> anyhow::Result<PathBuf> {
    let dir = paths.root().join("memory-streams");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    std::fs::create_dir(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}
