//! Starts the threads of the venue: which agent is on which, where it runs and how it waits. How they stop again is the job of
//! `running`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::event_hash::EventHasher;
use engine::runtime::agent::{Agent, Idle, run};
use engine::runtime::core_agent::CoreAgent;
use engine::runtime::memory;
use engine::runtime::plan::{Placement, Plan, Shape, Wait};
use engine::runtime::topology;
use gateway_edge::{DropCopy, Edge, Feed, Mailbox, SnapshotAgent};

use crate::venue::control::Control;
use crate::venue::fault::Fault;
use crate::venue::hot_loop::{HotLoop, TestStall};
use crate::venue::journal_agent::JournalAgent;
use crate::venue::metrics::{EdgePublished, FeedPublished, Metrics};
use crate::venue::port_agents::{
    DirectoryFileAgent, DropCopyAgent, EdgeAgent, FeedAgent, SnapshotBookAgent, StreamRoomAgent,
};
use crate::venue::ports::{StreamFileReader, StreamPreparers, VenueEdge, VenueFeed};
use crate::venue::projection::ProjectionAgent;
use crate::venue::running::{HotEnd, Running, Signals};
use crate::venue::scheduler::SchedulerAgent;
use crate::venue::space::SpaceAgent;
use crate::venue::timer::TimerAgent;
use crate::venue::watchdog::{self, Watchdog, Watched};

/// Everything that runs, before it runs.
#[derive(Debug)]
pub struct Agents {
    /// The order port.
    pub edge: Edge<VenueEdge>,
    /// The drop-copy port.
    pub drop_copy: DropCopy<VenueEdge>,
    /// The matching core.
    pub core: CoreAgent,
    /// The journal.
    pub journal: JournalAgent,
    /// The feed.
    pub feed: Feed<VenueFeed>,
    /// The event hash.
    pub projections: ProjectionAgent,
    /// The operator's socket.
    pub control: Control,
    /// The displayed book for snapshots.
    pub snapshots: SnapshotAgent<StreamFileReader>,
    /// What brings time to the core.
    pub timer: TimerAgent,
    /// Handles that keep room in every stream.
    pub stream_preparers: StreamPreparers,
    /// Where the feed leaves the directory document, for its file.
    pub directory: (Mailbox<String>, PathBuf),
    /// The trading schedule.
    pub scheduler: SchedulerAgent,
    /// The watch over the disk, where there is a journal.
    pub space: Option<SpaceAgent>,
    /// What the venue counts.
    pub metrics: Metrics,
}

/// What a thread does that waits so.
fn idle_of(wait: Wait) -> Idle {
    const SLEEP_MAX: Duration = Duration::from_millis(1);
    match wait {
        Wait::Spin => Idle::SPIN,
        Wait::Adaptive => Idle { spin_turns: 20_000, yield_turns: 200, sleep_max: SLEEP_MAX },
        Wait::Yield => Idle { spin_turns: 0, yield_turns: u32::MAX, sleep_max: Duration::ZERO },
        Wait::Share => Idle { spin_turns: 0, yield_turns: 20_000, sleep_max: SLEEP_MAX },
        Wait::Sleep => Idle { spin_turns: 0, yield_turns: 0, sleep_max: SLEEP_MAX },
    }
}

/// How every other thread waits.
const HOUSEKEEPING_IDLE: Idle = Idle { spin_turns: 0, yield_turns: 50, sleep_max: Duration::from_millis(1) };

/// Where the threads run, and what watches over them.
#[derive(Debug)]
pub struct Layout<'a> {
    /// Which agent runs where.
    pub plan: &'a Plan,
    /// Priority of the hot threads under `SCHED_FIFO`; 0 = the ordinary scheduler.
    pub fifo_priority: u8,
    /// What the watchdog is told.
    pub watchdog: watchdog::Orders,
    /// For tests: an agent that stands still.
    pub stall: Option<TestStall>,
    /// The data directory.
    pub data_dir: PathBuf,
}

/// Starts the threads.
///
/// # Errors
/// When a thread cannot be started or not be put on its cpu.
pub fn start(
    agents: Agents,
    layout: Layout<'_>,
    fault: &Arc<Fault>,
    hasher: Arc<Mutex<EventHasher>>,
) -> anyhow::Result<Running> {
    let signals = Arc::new(Signals::default());
    let wakers = [agents.edge.waker(), agents.feed.waker()];
    let metrics = agents.metrics.clone();
    let mut starter = Starter {
        signals: &signals,
        fault,
        metrics: &metrics,
        stall: layout.stall,
        fifo_priority: layout.fifo_priority,
        housekeeping: layout.plan.housekeeping.clone(),
        hot: Vec::new(),
        others: Vec::new(),
        watched: Vec::new(),
    };
    let control_stopping = agents.control.stopping();
    let others = start_hot(&mut starter, layout.plan, agents)?;
    start_others(&mut starter, others)?;
    let watched = std::mem::take(&mut starter.watched);
    let mut watchdog = Watchdog::new(&metrics, watched, layout.watchdog, Arc::clone(fault), layout.data_dir);
    let stop = Arc::clone(&signals);
    starter.other("watchdog", move |_| watchdog.run(&stop.stop))?;
    let Starter { hot, others, .. } = starter;
    Ok(Running { fault: Arc::clone(fault), control_stopping, hot, others, wakers, hasher, signals })
}

/// What runs off the hot threads.
struct Others {
    drop_copy: DropCopyAgent,
    feed: FeedAgent,
    projections: ProjectionAgent,
    control: Control,
    snapshots: SnapshotAgent<StreamFileReader>,
    timer: TimerAgent,
    stream_preparers: StreamPreparers,
    directory: DirectoryFileAgent,
    scheduler: SchedulerAgent,
    space: Option<SpaceAgent>,
}

fn start_hot(starter: &mut Starter<'_>, plan: &Plan, agents: Agents) -> anyhow::Result<Others> {
    let metrics = agents.metrics;
    let mut edge = EdgeAgent {
        published: EdgePublished::edge(&metrics, "edge"),
        sequence: metrics.gauge("edge.sequence"),
        edge: agents.edge,
        signals: Arc::clone(starter.signals),
        stopped: false,
    };
    let (mut core, mut journal) = (agents.core, agents.journal);
    match plan.shape {
        Shape::Shared if plan.journal == plan.core => {
            starter.hot("hot", plan.core, &["edge", "journal", "core"], move |hot| {
                hot.run(&mut [&mut edge, &mut journal, &mut core]);
                HotEnd { core: Some(core.into_core()), journal: journal.into_writer() }
            })?;
        }
        Shape::Shared => {
            starter.hot("journal", plan.journal, &["journal"], move |hot| journal_thread(journal, hot))?;
            starter.hot("hot", plan.core, &["edge", "core"], move |hot| {
                hot.run(&mut [&mut edge, &mut core]);
                HotEnd { core: Some(core.into_core()), journal: None }
            })?;
        }
        Shape::Spread if plan.journal_runs_beside_core() => {
            starter.hot("core", plan.core, &["journal", "core"], move |hot| {
                hot.run(&mut [&mut journal, &mut core]);
                HotEnd { core: Some(core.into_core()), journal: journal.into_writer() }
            })?;
            starter.hot("edge", plan.edge, &["edge"], move |hot| {
                hot.run(&mut [&mut edge]);
                HotEnd::default()
            })?;
        }
        Shape::Spread => {
            starter.hot("journal", plan.journal, &["journal"], move |hot| journal_thread(journal, hot))?;
            starter.hot("core", plan.core, &["core"], move |hot| {
                hot.run(&mut [&mut core]);
                HotEnd { core: Some(core.into_core()), journal: None }
            })?;
            starter.hot("edge", plan.edge, &["edge"], move |hot| {
                hot.run(&mut [&mut edge]);
                HotEnd::default()
            })?;
        }
    }
    Ok(Others {
        drop_copy: DropCopyAgent {
            published: EdgePublished::edge(&metrics, "drop_copy"),
            port: agents.drop_copy,
            signals: Arc::clone(starter.signals),
        },
        feed: FeedAgent {
            published: FeedPublished::feed(&metrics),
            feed: agents.feed,
            signals: Arc::clone(starter.signals),
            fault: Arc::clone(starter.fault),
            stopped: false,
        },
        projections: agents.projections,
        control: agents.control,
        snapshots: agents.snapshots,
        timer: agents.timer,
        stream_preparers: agents.stream_preparers,
        directory: DirectoryFileAgent { copies: agents.directory.0, path: agents.directory.1 },
        scheduler: agents.scheduler,
        space: agents.space,
    })
}

fn start_others(starter: &mut Starter<'_>, others: Others) -> anyhow::Result<()> {
    let mut feed = others.feed;
    starter.other("feed", move |stop| run(&mut [&mut feed], HOUSEKEEPING_IDLE, stop))?;
    let mut drop_copy = others.drop_copy;
    starter.background("drop-copy", move |stop| {
        run(&mut [&mut drop_copy], BACKGROUND_IDLE, stop);
        // Nobody writes streams any more: one turn finds what is left.
        drop_copy.turn();
    })?;
    let (mut projections, mut timer) = (others.projections, others.timer);
    starter.background("projections", move |stop| {
        run(&mut [&mut projections, &mut timer], BACKGROUND_IDLE, stop);
        // Whoever writes events has ended before this thread is waited for: what is there now is all.
        while projections.turn() > 0 {}
    })?;
    let mut control = others.control;
    starter.background("control", move |stop| run(&mut [&mut control], BACKGROUND_IDLE, stop))?;
    let mut snapshots = SnapshotBookAgent(others.snapshots);
    starter.background("snapshot-book", move |stop| run(&mut [&mut snapshots], BACKGROUND_IDLE, stop))?;
    let mut room = StreamRoomAgent { streams: others.stream_preparers, has_told: false };
    let (mut scheduler, mut directory, mut space) = (others.scheduler, others.directory, others.space);
    starter.background("stream-room", move |stop| match &mut space {
        Some(space) => run(&mut [&mut room, &mut scheduler, &mut directory, space], ROOM_IDLE, stop),
        None => run(&mut [&mut room, &mut scheduler, &mut directory], ROOM_IDLE, stop),
    })
}

/// How far a thread stands back that nobody waits for: it goes on, but does not push a client or the feed off a cpu that they share.
const BACKGROUND_NICE: u8 = 5;

/// How a thread waits that nobody waits for.
const BACKGROUND_IDLE: Idle = Idle { spin_turns: 0, yield_turns: 0, sleep_max: Duration::from_millis(2) };

/// Room is made half a step ahead of its use, and the schedule is one of people: a look now and then is enough.
const ROOM_IDLE: Idle = Idle { spin_turns: 0, yield_turns: 0, sleep_max: Duration::from_millis(10) };

fn journal_thread(mut journal: JournalAgent, hot: &mut HotLoop<'_>) -> HotEnd {
    hot.run(&mut [&mut journal]);
    // The stop may have been seen before the last commands: nobody submits any more, so one look is enough.
    while journal.turn() > 0 {}
    HotEnd { core: None, journal: journal.into_writer() }
}

struct Starter<'a> {
    signals: &'a Arc<Signals>,
    fault: &'a Arc<Fault>,
    metrics: &'a Metrics,
    stall: Option<TestStall>,
    fifo_priority: u8,
    housekeeping: Vec<usize>,
    hot: Vec<JoinHandle<HotEnd>>,
    others: Vec<JoinHandle<()>>,
    watched: Vec<Watched>,
}

impl Starter<'_> {
    fn hot(
        &mut self,
        name: &str,
        placement: Placement,
        agents: &[&'static str],
        body: impl FnOnce(&mut HotLoop<'_>) -> HotEnd + Send + 'static,
    ) -> anyhow::Result<()> {
        let signals = Arc::clone(self.signals);
        let fault = Arc::clone(self.fault);
        let cpus = placement.cpu.map_or_else(|| self.housekeeping.clone(), |cpu| vec![cpu]);
        let (pulse, beat) = self.metrics.pulse(name);
        self.watched.push(Watched { agents: agents.to_vec(), beat });
        let (stall, fifo_priority) = (self.stall.clone(), self.fifo_priority);
        let thread = std::thread::Builder::new().name(format!("hft-{name}")).spawn(move || {
            if let Err(error) = topology::run_on(&cpus) {
                fault.raise(error.to_string());
            }
            if fifo_priority > 0
                && let Err(error) = memory::schedule_fifo(fifo_priority)
            {
                fault.raise(format!(
                    "host.fifo_priority = {fifo_priority}: {error}; it takes CAP_SYS_NICE or ulimit -r {fifo_priority}"
                ));
            }
            body(&mut HotLoop { idle: idle_of(placement.wait), stop: &signals.stop, pulse, stall })
        })?;
        self.hot.push(thread);
        Ok(())
    }

    fn other(&mut self, name: &str, body: impl FnOnce(&AtomicBool) + Send + 'static) -> anyhow::Result<()> {
        let signals = Arc::clone(self.signals);
        let cpus = self.housekeeping.clone();
        let thread = std::thread::Builder::new().name(format!("hft-{name}")).spawn(move || {
            if let Err(error) = topology::run_on(&cpus) {
                tracing::warn!(%error, "a housekeeping thread runs anywhere");
            }
            body(&signals.stop_readers);
        })?;
        self.others.push(thread);
        Ok(())
    }

    /// One that gives way to the others.
    fn background(&mut self, name: &str, body: impl FnOnce(&AtomicBool) + Send + 'static) -> anyhow::Result<()> {
        self.other(name, move |stop| {
            if let Err(error) = memory::give_way(BACKGROUND_NICE) {
                tracing::debug!(%error, "a housekeeping thread has no lower priority");
            }
            body(stop);
        })
    }
}
