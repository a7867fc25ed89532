//! The rings of a recovered venue and the agents around them.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use crossbeam_queue::ArrayQueue;
use engine::event_hash::EventHasher;
use engine::runtime::core_agent::CoreAgent;
use engine::runtime::cursor::Cursor;
use engine::runtime::pipeline::{input_ring, output_ring};
use gateway_edge::clock::SystemClock;
use gateway_edge::roster::SharedRoster;
use gateway_edge::{DropCopy, Edge, EdgePorts, Feed, FeedPorts, Reporter};
use journal::{DataPaths, JournalWriter, PreparerWatch};
use protocol::AccountId;

use super::bounds::{drop_copy_config, edge_config, feed_config, space_needs};
use super::recover::Recovering;
use crate::clock::utc_now;
use crate::config::Config;
use crate::venue::control::{Control, ControlPorts, TOLD_MAX, ToldQueue};
use crate::venue::credentials::{PasswordPort, VenueCredentials};
use crate::venue::fault::Fault;
use crate::venue::hash_marks::{MarkQueue, Marker};
use crate::venue::journal_agent::JournalAgent;
use crate::venue::metrics::Metrics;
use crate::venue::ports::{
    JournalCursor, RingCommands, RingEvents, StreamFileReader, StreamFiles, StreamPreparers, VenueEdge,
};
use crate::venue::projection::ProjectionAgent;
use crate::venue::registry::Registry;
use crate::venue::scheduler::SchedulerAgent;
use crate::venue::space::{SpaceAgent, SpaceSeen};
use crate::venue::threads::Agents;
use crate::venue::timer::TimerAgent;
use crate::venue::trips::Trips;

/// Operator commands that may wait for the edge.
const OPERATOR_QUEUE: usize = 1_024;

/// What several agents hold.
pub(super) struct Shared<'a> {
    pub(super) hasher: &'a Arc<Mutex<EventHasher>>,
    pub(super) fault: &'a Arc<Fault>,
    pub(super) stream_preparers: StreamPreparers,
    pub(super) credentials: VenueCredentials,
    pub(super) paths: &'a DataPaths,
    pub(super) preparer: Option<PreparerWatch>,
    pub(super) marks: MarkQueue,
    pub(super) metrics: Metrics,
    pub(super) feed_readers: Arc<ArrayQueue<StreamFileReader>>,
}

/// The account whose orders alone are timed stage by stage, if one is named. One that is opened by this start comes behind those
/// that are there, in the order of the configuration.
fn followed(config: &Config, reporter: &Reporter<StreamFiles>) -> Option<AccountId> {
    let name = config.stages_of()?;
    let known = reporter.accounts().find(|(_, known, _)| *known == name).map(|(account, ..)| account);
    let listed = || config.accounts.iter().position(|account| account.name == name);
    known.or_else(|| u32::try_from(listed()?).ok().map(AccountId))
}

/// Makes the rings, and the agents around them.
pub(super) fn agents(
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
    let (applied, durable) = (Arc::new(Cursor::new(last)), Arc::new(Cursor::new(last)));
    let metrics = &shared.metrics;
    let (matched_stamps, durable_stamps, probe) =
        metrics.stages(config.rings().commands as usize * 2, last, followed(config, &reporter));
    let ring_events = |poller| RingEvents { poller, applied: Arc::clone(&applied) };
    let journal =
        JournalAgent::new(journal_poller, writer, config.durability, Arc::clone(&durable), Arc::clone(shared.fault))
            .watched_by(metrics.journal(durable_stamps, last));
    let feed_durable = JournalCursor(Arc::clone(&durable));
    let ports = FeedPorts { events: ring_events(feed_events), durable: feed_durable, clock: SystemClock::new() };
    let (snapshot_reader, directory_copies) = (publisher.stream_mut().reader(), publisher.directory_copies());
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
        (Registry::of(&replica.core), Trips::of(&replica.core, metrics)),
    );
    let scheduler = SchedulerAgent::new(config.schedule.clone(), &replica.core, Arc::clone(&operator), edge.waker());
    let core = CoreAgent::new(replica.core, core_poller, events, Arc::clone(&applied), utc_now)
        .watched_by(metrics.core(matched_stamps, last));
    let timer = TimerAgent::new(core.due(), applied, operator, edge.waker());
    let marker = Marker::new(config.follower().compare_every, last, shared.marks);
    let projections = ProjectionAgent::new(projection_events, Arc::clone(shared.hasher), told, marker)
        .counted(metrics.counter("projections.events"));
    let space = space_agent(config, shared.paths, shared.preparer, refusing, metrics);
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
        stream_preparers: shared.stream_preparers,
        directory: (directory_copies, shared.paths.directory()),
        scheduler,
        space,
        metrics: shared.metrics,
    })
}

fn drop_copy(
    config: &Config,
    roster: SharedRoster<StreamFileReader>,
    credentials: PasswordPort,
) -> anyhow::Result<DropCopy<VenueEdge>> {
    Ok(DropCopy::new(drop_copy_config(config), SystemClock::new(), credentials, roster)?)
}

/// `None` where there is no journal.
fn space_agent(
    config: &Config,
    paths: &DataPaths,
    preparer: Option<PreparerWatch>,
    refusing: Arc<AtomicBool>,
    metrics: &Metrics,
) -> Option<SpaceAgent> {
    let needs = space_needs(config, paths);
    preparer.map(|preparer| SpaceAgent::new(needs, preparer, refusing, SpaceSeen::new(metrics)))
}
