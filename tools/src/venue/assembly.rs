//! Builds a venue from its configuration and its data directory: recovers, adds what the configuration adds, makes the
//! rings and the agents. Nothing runs yet when this is done.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use crossbeam_queue::ArrayQueue;
use engine::event_hash::EventHasher;
use engine::runtime::core_agent::CoreAgent;
use engine::runtime::cursor::Cursor;
use engine::runtime::pipeline::{input_ring, output_ring};
use gateway_edge::clock::SystemClock;
use gateway_edge::roster::SharedRoster;
use gateway_edge::{
    DropCopy, Edge, EdgeConfig, EdgePorts, Feed, FeedConfig, FeedPorts, PasswordTable, Publisher, Reporter,
};
use journal::{
    ChainError, ChainReport, DataDir, DataPaths, JournalConfig, JournalReader, JournalWriter, PreparerThread,
    PreparerWatch, SnapshotStore, check_chain, first_sequence,
};
use protocol::{Command, CommandBody, Event, Sequence, SessionName, record};

use crate::clock::{monotonic, utc_now};
use crate::config::{Config, DurabilityMode};
use crate::output::print_line;
use crate::reload::Knobs;
use crate::venue::bootstrap;
use crate::venue::control::{Control, ControlPorts, TOLD_MAX, ToldQueue};
use crate::venue::credentials::{Cost, PasswordPort, VenueCredentials};
use crate::venue::hash_marks::{MARKS_MAX, MarkQueue, Marker};
use crate::venue::journal_agent::JournalAgent;
use crate::venue::metrics::Metrics;
use crate::venue::ports::{
    FEED_FILE, FeedFiles, JournalCursor, RingCommands, RingEvents, StreamFile, StreamFileReader, StreamFiles,
    StreamPreparers, remove_sessions_before,
};
use crate::venue::projection::ProjectionAgent;
use crate::venue::recovery::{Replayed, Replica, introduce};
use crate::venue::registry::Registry;
use crate::venue::restore_point::{self, RestorePoint};
use crate::venue::scheduler::SchedulerAgent;
use crate::venue::space::{SpaceAgent, SpaceNeeds};
use crate::venue::threads::{Agents, Fault};
use crate::venue::timer::TimerAgent;

/// Operator commands that may wait for the edge.
const OPERATOR_QUEUE: usize = 1_024;
/// Feed files opened one after the other that may wait for who follows them: the last one counts.
const FEED_READERS_MAX: usize = 4;
/// A feed is one file for all instruments: it may grow by this much at a time.
const MIB: u64 = 1 << 20;

/// What outlives the agents: helpers, locks, and what recovery found.
#[derive(Debug)]
pub struct Venue {
    /// Hash over the events, also after recovery.
    pub hasher: Arc<Mutex<EventHasher>>,
    /// Last sequence when the venue was ready.
    pub ready_at: Sequence,
    /// Where everything is.
    pub paths: DataPaths,
    /// What the live side's event hash was, for the follower.
    pub marks: MarkQueue,
    /// What the venue counts.
    pub metrics: Metrics,
    /// What it can be told while it runs.
    pub knobs: Knobs,
    preparer: Option<PreparerThread>,
    _data_dir: DataDir,
}

impl Venue {
    /// True once a full journal segment could not be sealed.
    pub fn preparer_failed(&self) -> bool {
        self.preparer.as_ref().is_some_and(|preparer| preparer.watch().has_failed())
    }
}

/// Who this venue is: fixed when it is first opened.
struct Identity {
    venue_id: [u8; 16],
    session: SessionName,
}

/// A venue between recovery and its first turn.
struct Recovering<'a> {
    replica: Replica,
    reporter: Reporter<StreamFiles>,
    publisher: Publisher<StreamFile>,
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

    fn apply(&mut self, command: &Command) -> anyhow::Result<()> {
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

    fn end_rebuild(&mut self) -> anyhow::Result<()> {
        for stream in self.reporter.streams_mut() {
            stream.end_rebuild()?;
        }
        self.publisher.stream_mut().end_rebuild()?;
        Ok(())
    }
}

/// What a recovery has found.
struct Recovered<'a> {
    identity: Identity,
    recovering: Recovering<'a>,
    stream_preparers: StreamPreparers,
    replayed: Replayed,
    streams_dir: PathBuf,
    /// Session of the snapshot that it began at.
    begins_in: Option<SessionName>,
    /// Readers of the feed's files.
    feed_readers: Arc<ArrayQueue<StreamFileReader>>,
}

/// Brings everything back that the data directory holds, with all checks; nothing is added, and only the streams are written.
fn recover<'a>(
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

/// Does all of it.
///
/// # Errors
/// Each says what was expected, what was found and what to do.
pub fn assemble(config: &Config, fault: &Arc<Fault>, asked_to_stop: &AtomicBool) -> anyhow::Result<(Agents, Venue)> {
    let data_dir = DataDir::open(&config.data_dir)?;
    let paths = data_dir.paths().clone();
    let memory = config.durability == DurabilityMode::Memory;
    let is_live = Arc::new(AtomicBool::new(false));
    let recovered = recover(config, &paths, fault, &is_live, asked_to_stop)?;
    let Recovered { identity, mut recovering, stream_preparers, streams_dir, begins_in, feed_readers, .. } = recovered;
    let recovered_to = recovering.replica.core.last_sequence();
    ensure!(
        !memory || recovered_to == Sequence::ZERO,
        "{} holds a journal, and durability memory would not continue it; name an empty --data-dir",
        config.data_dir.display()
    );
    let mut writer = if memory { None } else { Some(open_writer(config, &paths, &identity, recovered_to)?) };
    let preparer = writer.as_ref().map(|writer| spawn_preparer(config, writer)).transpose()?;
    let credentials = credentials(config, paths.root())?;
    open_venue(config, &identity, &mut recovering, writer.as_mut(), &credentials)?;
    recovering.end_rebuild()?;
    is_live.store(true, Ordering::Release);
    let session = recovering.reporter.session();
    remove_sessions_before(&streams_dir, begins_in.map_or(session, |begun| begun.min(session)));

    let hasher = Arc::new(Mutex::new(recovering.replica.hasher.clone()));
    let ready_at = recovering.replica.core.last_sequence();
    let metrics = Metrics::open(config, &paths);
    let watch = preparer.as_ref().map(PreparerThread::watch);
    let marks: MarkQueue = Arc::new(ArrayQueue::new(MARKS_MAX));
    let for_agents = Arc::clone(&marks);
    let shared = Shared {
        hasher: &hasher,
        fault,
        stream_preparers,
        credentials,
        paths: &paths,
        preparer: watch,
        marks: for_agents,
        metrics: metrics.clone(),
        feed_readers,
    };
    let agents = agents(config, recovering, writer, shared)?;
    let knobs = knobs(config, &agents)?;
    Ok((agents, Venue { hasher, ready_at, paths, marks, metrics, knobs, preparer, _data_dir: data_dir }))
}

/// What the ports can be told while they run.
fn knobs(config: &Config, agents: &Agents) -> anyhow::Result<Knobs> {
    let knobs = Knobs {
        edge: agents.edge.mailbox(),
        drop_copy: agents.drop_copy.mailbox(),
        feed: agents.feed.mailbox(),
        tls: [
            (config.tls().order_entry, agents.edge.tls()),
            (config.tls().feed, agents.feed.tls()),
            (config.tls().drop_copy, agents.drop_copy.tls()),
        ]
        .into_iter()
        .filter_map(|(is_used, port)| is_used.then_some(port))
        .collect(),
    };
    knobs.certify(config.tls().read()?.as_ref());
    Ok(knobs)
}

/// The hash chain is checked on a thread of its own while the journal is replayed: it also covers what the replay does not
/// read, because a snapshot stands for it.
struct ChainCheck(JoinHandle<Result<ChainReport, ChainError>>);

impl ChainCheck {
    fn begin(journal_dir: &Path) -> anyhow::Result<Self> {
        let dir = journal_dir.to_owned();
        let thread = std::thread::Builder::new().name("hft-chain".into()).spawn(move || check_chain(&dir));
        Ok(Self(thread.context("cannot start the thread that checks the journal's chain")?))
    }

    fn finish(self) -> anyhow::Result<()> {
        let Ok(checked) = self.0.join() else {
            anyhow::bail!("the check of the journal's chain has ended without an answer")
        };
        match checked?.damage {
            Some(damage) => Err(anyhow::Error::new(damage).context("the journal is not what was sealed")),
            None => Ok(()),
        }
    }
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
        let mut replica = Replica::new();
        if let Some(point) = point {
            introduce(&point.core, &mut reporter, &mut publisher)?;
            replica.go_on_at(point.core, point.hasher);
        }
        let watch = Watch { asked_to_stop, told: monotonic() };
        Ok((Recovering { replica, reporter, publisher, watch }, preparers))
    }
}

/// The newest snapshot at which a start can begin: it is whole, and the journal has the command that it was made at. A
/// damaged one is passed over.
fn restore_point(paths: &DataPaths) -> anyhow::Result<Option<RestorePoint>> {
    if !paths.snapshots().exists() {
        return Ok(None);
    }
    let Some(snapshot) = SnapshotStore::open_read_only(&paths.snapshots())?.newest_valid()? else { return Ok(None) };
    let sequence = snapshot.meta.sequence;
    let mut reader = JournalReader::open_after(&paths.journal_dir(), Sequence(sequence.0.saturating_sub(1)))?;
    let is_in_journal =
        reader.next()?.is_some_and(|found| found.sequence == sequence && found.ingress == snapshot.meta.ingress);
    let point = if is_in_journal {
        restore_point::decode(&snapshot)
    } else {
        Err(format!("the journal has no such command {sequence}"))
    };
    match point {
        Ok(point) => Ok(Some(point)),
        Err(fault) => {
            print_line(&format!("the newest snapshot, of sequence {sequence}, is not used: {fault}"));
            Ok(None)
        }
    }
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

/// Why a start fails for which the snapshot is no good and the journal too short.
fn beginning_is_gone(begins_at: Sequence) -> String {
    format!(
        "the journal begins at sequence {begins_at} and no snapshot can be used that covers what is before; move the archived \
         segments back into the folder journal/, or start from a backup"
    )
}

/// From the first record and the newest segment; from the snapshot where the first records are not kept; made up for an empty
/// journal.
fn identity(journal_dir: &Path, point: Option<&RestorePoint>) -> anyhow::Result<Identity> {
    let mut reader = JournalReader::open_oldest(journal_dir)?;
    let first = reader.next()?;
    let sequence = first.map_or(Sequence(1), |first| first.sequence);
    let first = first.map(|first| record::decode(first.body)).transpose();
    let first = first.context("the first record of the journal is whole but no command")?;
    if sequence > Sequence(1) {
        let venue = point.and_then(|point| point.core.venue()).with_context(|| beginning_is_gone(sequence))?;
        let header = reader.newest_header().context("a record came from a segment without a header")?;
        return Ok(Identity { venue_id: header.venue_id, session: venue.session });
    }
    match (first, reader.newest_header()) {
        (Some(CommandBody::OpenVenue(open)), Some(header)) => {
            Ok(Identity { venue_id: header.venue_id, session: open.session })
        }
        (None, _) => {
            let now = utc_now();
            let seed = blake3::hash(format!("{} {} {}", now.0, std::process::id(), journal_dir.display()).as_bytes());
            let mut venue_id = [0; 16];
            venue_id.iter_mut().zip(seed.as_bytes()).for_each(|(place, byte)| *place = *byte);
            Ok(Identity { venue_id, session: bootstrap::session_name(now) })
        }
        (Some(other), _) => anyhow::bail!(
            "the journal in {} begins with {other:?}: expected the opening of a venue; it is no journal of this program",
            journal_dir.display()
        ),
    }
}

fn open_writer(
    config: &Config,
    paths: &DataPaths,
    identity: &Identity,
    after: Sequence,
) -> anyhow::Result<JournalWriter> {
    let mut build_id = [0; 32];
    build_id.iter_mut().zip(concat!("hft ", env!("CARGO_PKG_VERSION")).bytes()).for_each(|(place, byte)| *place = byte);
    let journal = JournalConfig {
        segment_bytes: config.journal().segment_mib * MIB,
        venue_id: identity.venue_id,
        configuration_hash: config.hash(),
        build_id,
        created: utc_now(),
        flush_on_roll: config.durability == DurabilityMode::Fdatasync,
    };
    let writer = JournalWriter::open(&paths.journal_dir(), &journal, after)?;
    if writer.torn_bytes() > 0 {
        print_line(&format!("cut a torn tail of {} bytes: nothing of it was acknowledged", writer.torn_bytes()));
    }
    Ok(writer)
}

fn spawn_preparer(config: &Config, writer: &JournalWriter) -> anyhow::Result<PreparerThread> {
    let preparer = writer.preparer();
    preparer.keep_free(config.journal().free_mib_min * MIB);
    preparer.spawn().context("cannot start the thread that allocates journal segments")
}

/// Journals and applies what the configuration adds.
fn open_venue(
    config: &Config,
    identity: &Identity,
    recovering: &mut Recovering<'_>,
    mut writer: Option<&mut JournalWriter>,
    credentials: &VenueCredentials,
) -> anyhow::Result<()> {
    for notice in bootstrap::notices(&recovering.replica.core, config, |name| credentials.knows(name)) {
        print_line(&format!("note: {notice}"));
    }
    let ingress = utc_now().max(recovering.replica.core.last_ingress());
    for body in bootstrap::commands(&recovering.replica.core, config, identity.session, ingress)? {
        let command = Command { sequence: recovering.replica.core.last_sequence().next(), ingress, body };
        if let Some(writer) = writer.as_deref_mut() {
            let mut bytes = [0; record::BODY_BYTES_MAX];
            let length = record::encode(&body, &mut bytes);
            writer.append(command.sequence, ingress, bytes.get(..length).unwrap_or_default())?;
        }
        recovering.apply(&command)?;
    }
    if let Some(writer) = writer {
        writer.flush()?;
    }
    Ok(())
}

/// What several agents hold.
struct Shared<'a> {
    hasher: &'a Arc<Mutex<EventHasher>>,
    fault: &'a Arc<Fault>,
    stream_preparers: StreamPreparers,
    credentials: VenueCredentials,
    paths: &'a DataPaths,
    preparer: Option<PreparerWatch>,
    marks: MarkQueue,
    metrics: Metrics,
    feed_readers: Arc<ArrayQueue<StreamFileReader>>,
}

fn agents(
    config: &Config,
    recovering: Recovering<'_>,
    writer: Option<JournalWriter>,
    shared: Shared<'_>,
) -> anyhow::Result<Agents> {
    let Recovering { replica, reporter, mut publisher, .. } = recovering;
    let last = replica.core.last_sequence();
    let (commands, journal_poller, core_poller) =
        input_ring(config.rings().commands as usize, last, replica.core.last_ingress());
    let (events, [edge_events, feed_events, projection_events]) = output_ring(config.rings().events as usize);
    let applied = Arc::new(Cursor::new(last));
    let durable = Arc::new(Cursor::new(last));
    let metrics = &shared.metrics;
    let (matched_stamps, durable_stamps, probe) = metrics.stages(config.rings().commands as usize * 2, last);
    let ring_events = |poller| RingEvents { poller, applied: Arc::clone(&applied) };
    let journal =
        JournalAgent::new(journal_poller, writer, config.durability, Arc::clone(&durable), Arc::clone(shared.fault))
            .watched_by(metrics.journal(durable_stamps, last));
    let snapshot_reader = publisher.stream_mut().reader();
    let feed_durable = JournalCursor(Arc::clone(&durable));
    let ports = FeedPorts { events: ring_events(feed_events), durable: feed_durable, clock: SystemClock::new() };
    let mut feed = Feed::new(feed_config(config), ports, publisher)?;
    let mut snapshots = feed.snapshot_agent(snapshot_reader);
    while shared.feed_readers.pop().is_some() {}
    snapshots.follow_next(shared.feed_readers);
    let operator = Arc::new(ArrayQueue::new(OPERATOR_QUEUE));
    let refusing = Arc::new(AtomicBool::new(false));
    let ports = EdgePorts {
        commands: RingCommands { publisher: commands, refusing: Arc::clone(&refusing) },
        events: ring_events(edge_events),
        durable: JournalCursor(Arc::clone(&durable)),
        clock: SystemClock::new(),
        credentials: shared.credentials.port(),
        operator: Arc::clone(&operator),
        probe,
    };
    let edge = Edge::new(edge_config(config), ports, reporter)?;
    feed.hand_orders_to(edge.doorway());
    let drop_copy = drop_copy(config, edge.reporter().roster(), shared.credentials.port())?;
    let told: ToldQueue = Arc::new(ArrayQueue::new(TOLD_MAX));
    let control = Control::open(
        shared.paths.root(),
        ControlPorts {
            commands: Arc::clone(&operator),
            waker: edge.waker(),
            told: Arc::clone(&told),
            durable,
            credentials: shared.credentials,
        },
        Registry::of(&replica.core),
    );
    let scheduler = SchedulerAgent::new(config.schedule.clone(), &replica.core, Arc::clone(&operator), edge.waker());
    let core = CoreAgent::new(replica.core, core_poller, events, Arc::clone(&applied), utc_now)
        .watched_by(metrics.core(matched_stamps, last));
    let timer = TimerAgent::new(core.due(), applied, operator, edge.waker());
    let marker = Marker::new(config.follower().compare_every, last, shared.marks);
    let hashed = metrics.counter("projections.events");
    let projections = ProjectionAgent::new(projection_events, Arc::clone(shared.hasher), told, marker).counted(hashed);
    let stream_preparers = shared.stream_preparers;
    let space = shared.preparer.map(|preparer| SpaceAgent::new(space_needs(config, shared.paths), preparer, refusing));
    Ok(Agents {
        edge,
        drop_copy,
        core,
        journal,
        feed,
        projections,
        control,
        snapshots,
        timer,
        stream_preparers,
        scheduler,
        space,
        metrics: shared.metrics,
    })
}

fn space_needs(config: &Config, paths: &DataPaths) -> SpaceNeeds {
    let section = config.journal();
    SpaceNeeds {
        dir: paths.journal_dir(),
        reserve_bytes: section.free_mib_min * MIB,
        segment_bytes: section.segment_mib * MIB,
    }
}

/// Bounds and times of the order port.
pub fn edge_config(config: &Config) -> EdgeConfig {
    let section = config.order_entry();
    EdgeConfig {
        listen: config.order_entry_address,
        connections_max: section.connections_max as usize,
        connections_per_address_max: section.connections_per_address_max as usize,
        login_ms: section.login_ms,
        logins_per_s_max: section.logins_per_s_max,
        login_backoff_ms_max: section.login_backoff_ms_max,
        silence_ms: section.silence_ms,
        frame_ms: section.frame_ms,
        frame_bytes_max: section.frame_bytes_max as usize,
        messages_per_s_max: section.messages_per_s_max,
        packets_per_turn: section.messages_per_turn_max as usize,
        backlog_bytes_max: section.unsent_mib_max * MIB,
        in_flight_max: config.rings().commands as usize * 2,
        ..EdgeConfig::default()
    }
}

/// Who may log in. An account of the configuration gets its first password from there; the demo accounts keep theirs.
fn credentials(config: &Config, data_dir: &Path) -> anyhow::Result<VenueCredentials> {
    let mut demo = PasswordTable::new();
    for account in config.accounts.iter().filter(|account| account.is_demo) {
        demo.insert(&account.name, &account.password);
    }
    let section = config.passwords();
    let cost = Cost { memory_kib: section.memory_kib, iterations: section.iterations };
    let credentials = VenueCredentials::open(demo, cost, data_dir)?;
    for account in config.accounts.iter().filter(|account| !account.is_demo) {
        if !credentials.knows(account.name) {
            credentials.set(account.name, &account.password)?;
        }
    }
    Ok(credentials)
}

fn drop_copy(
    config: &Config,
    roster: SharedRoster<StreamFileReader>,
    credentials: PasswordPort,
) -> anyhow::Result<DropCopy<crate::venue::ports::VenueEdge>> {
    Ok(DropCopy::new(drop_copy_config(config), SystemClock::new(), credentials, roster)?)
}

/// Bounds and times of the drop-copy port: those of the order port, but for its places.
pub fn drop_copy_config(config: &Config) -> EdgeConfig {
    EdgeConfig {
        listen: config.drop_copy_address,
        connections_max: config.drop_copy().connections_max as usize,
        ..edge_config(config)
    }
}

/// Bounds and times of the feed.
pub fn feed_config(config: &Config) -> FeedConfig {
    // What one turn can add must not pass a subscriber that was within its bound before.
    let frame_log_bytes = (config.feed().unsent_mib_max * MIB + 2 * MIB).next_power_of_two().max(16 * MIB);
    FeedConfig {
        packet_bytes_max: config
            .udp
            .as_ref()
            .map_or(FeedConfig::default().packet_bytes_max, |_| config.udp().packet_bytes_max as usize),
        udp: config.udp.clone(),
        frame_log_bytes: usize::try_from(frame_log_bytes).unwrap_or(1 << 29),
        handshake_ms: config.feed().handshake_ms,
        connections_per_address_max: config.feed().connections_per_address_max as usize,
        request_head_bytes_max: config.feed().request_bytes_max as usize,
        listen: config.feed_address,
        connections_max: config.feed().subscribers_max as usize,
        backlog_bytes_max: config.feed().unsent_mib_max * MIB,
        ..FeedConfig::default()
    }
}
