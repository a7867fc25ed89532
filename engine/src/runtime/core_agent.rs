//! The agent that owns the matching core: takes commands from the input ring, applies them, puts their events into the
//! output ring. It takes no new command before the events of the last one are out, so a full output ring stops it and
//! nothing is lost.

use std::sync::Arc;

use crate::cache::touch_all;
use crate::core::{Core, EventBuffer};
use crate::runtime::agent::Agent;
use crate::runtime::counters::{Counter, Recording};
use crate::runtime::cursor::{Cursor, DueTime};
use crate::runtime::pipeline::{COMMANDS_AT_ONCE, CommandPoller, EventPublisher};
use crate::runtime::stages::StampWriter;
use protocol::{Command, Nanos};

/// So many commands ahead, the lines of a command are asked for that another cpu has written.
const AHEAD: usize = 6;
/// Events of a batch after which they are handed over before the next command is applied.
const EVENTS_HAND_OVER: usize = 256;

/// The matching core on its thread.
#[derive(Debug)]
pub struct CoreAgent {
    core: Core,
    commands: CommandPoller,
    publisher: EventPublisher,
    /// Commands taken from the ring that wait until the events of those before are handed over.
    batch: Vec<Command>,
    batch_at: usize,
    events: EventBuffer,
    events_at: usize,
    applied: Arc<Cursor>,
    due: Arc<DueTime>,
    now: fn() -> Nanos,
    watch: Option<CoreWatch>,
}

/// What the core's thread tells about itself.
#[derive(Debug)]
pub struct CoreWatch {
    /// Whether it tells anything.
    pub recording: Recording,
    /// When sampled commands were matched.
    pub matched: StampWriter,
    /// The last command applied.
    pub sequence: Counter,
    /// Events made.
    pub events: Counter,
    /// Turns in which the output ring had no room for all events.
    pub ring_full: Counter,
}

impl CoreAgent {
    /// `applied` is moved when all events of a command are in the output ring; `now` is read only for commands whose owner asked for details, never by the core.
    pub fn new(
        core: Core,
        commands: CommandPoller,
        publisher: EventPublisher,
        applied: Arc<Cursor>,
        now: fn() -> Nanos,
    ) -> Self {
        let orders_per_command_max = core.venue().map_or(0, |venue| venue.orders_per_command_max as usize);
        let events = EventBuffer::new(orders_per_command_max + EVENTS_HAND_OVER);
        let due = Arc::new(DueTime::default());
        due.store(core.next_due());
        Self {
            core,
            commands,
            publisher,
            batch: Vec::with_capacity(COMMANDS_AT_ONCE),
            batch_at: 0,
            events,
            events_at: 0,
            applied,
            due,
            now,
            watch: None,
        }
    }

    /// Tells `watch` from now on.
    #[must_use]
    pub fn watched_by(self, watch: CoreWatch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// When the core's next `Tick` is due, kept up to date from turn to turn.
    pub fn due(&self) -> Arc<DueTime> {
        Arc::clone(&self.due)
    }

    /// The core, after the venue has stopped.
    pub fn into_core(self) -> Core {
        self.core
    }

    /// The core, for reading between turns.
    pub const fn core(&self) -> &Core {
        &self.core
    }

    /// True when all events of all commands taken are in the output ring.
    fn hand_over(&mut self) -> bool {
        let waiting = self.events.as_slice().get(self.events_at..).unwrap_or_default();
        self.events_at += self.publisher.try_publish(waiting, self.now);
        if self.events_at < self.events.as_slice().len() {
            if let Some(watch) = self.watch.as_mut().filter(|watch| watch.recording.is_on()) {
                watch.ring_full.add(1);
            }
            return false;
        }
        self.events.clear();
        self.events_at = 0;
        self.due.store(self.core.next_due());
        self.applied.store(self.core.last_sequence());
        true
    }

    /// Applies what is left of the last batch.
    fn apply_left(&mut self) -> usize {
        let left = self.batch.get(self.batch_at..).unwrap_or_default();
        let applied = self.core.apply_some(left, &mut self.events, is_enough);
        self.batch_at += applied;
        applied
    }

    /// Applies the next batch in the ring, where it lies; what must wait until events are handed over is copied out.
    fn apply_next(&mut self) -> usize {
        let Self { core, commands, events, batch, .. } = self;
        let mut applied = 0;
        commands.poll_in_place(|commands| {
            core.prefetch_batch(commands);
            let mut later = commands.iter().skip(AHEAD);
            let each = commands.iter().map(|command| {
                if let Some(later) = later.next() {
                    touch_all(*later);
                }
                *command
            });
            applied = core.apply_some(each, events, is_enough);
            batch.clear();
            batch.extend(commands.iter().skip(applied).copied());
        });
        self.batch_at = 0;
        applied
    }
}

/// A batch ends here, so that its events do not wait for those of many more commands.
fn is_enough(events: &EventBuffer) -> bool {
    events.as_slice().len() >= EVENTS_HAND_OVER
}

impl Agent for CoreAgent {
    fn name(&self) -> &'static str {
        "core"
    }

    fn turn(&mut self) -> usize {
        if !self.events.as_slice().is_empty() && !self.hand_over() {
            return 0;
        }
        let applied = if self.batch_at < self.batch.len() { self.apply_left() } else { self.apply_next() };
        if applied > 0 {
            if let Some(watch) = self.watch.as_mut().filter(|watch| watch.recording.is_on()) {
                watch.sequence.set(self.core.last_sequence().0);
                watch.events.add(self.events.as_slice().len() as u64);
                watch.matched.done(self.core.last_sequence());
            }
            self.hand_over();
        }
        applied
    }
}
