//! The timekeeper: asks for a `Tick` when the core has something due. The core reads no clock; this is where time enters it,
//! as a command in the journal, and only when there is something to do.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use engine::runtime::agent::Agent;
use engine::runtime::cursor::{Cursor, DueTime};
use gateway_edge::WakeHandle;
use protocol::{CommandBody, Sequence, VenueCommand};

use crate::clock::utc_now;

/// Watches the clock for the core.
#[derive(Debug)]
pub struct TimerAgent {
    due: Arc<DueTime>,
    applied: Arc<Cursor>,
    operator: Arc<ArrayQueue<CommandBody>>,
    edge: WakeHandle,
    /// Commands that the core had applied when a `Tick` was last asked for.
    asked_at: Option<Sequence>,
}

impl TimerAgent {
    /// `operator` is the edge's queue of commands that no client sends.
    pub fn new(
        due: Arc<DueTime>,
        applied: Arc<Cursor>,
        operator: Arc<ArrayQueue<CommandBody>>,
        edge: WakeHandle,
    ) -> Self {
        Self { due, applied, operator, edge, asked_at: None }
    }
}

impl Agent for TimerAgent {
    fn name(&self) -> &'static str {
        "timer"
    }

    fn turn(&mut self) -> usize {
        let applied = self.applied.load();
        // Not twice for the same state: the first one may still be on its way.
        if self.asked_at == Some(applied) || !self.due.is_due(utc_now()) {
            return 0;
        }
        if self.operator.push(CommandBody::Venue(VenueCommand::Tick)).is_err() {
            return 0;
        }
        self.asked_at = Some(applied);
        self.edge.wake();
        1
    }
}
