//! The projections: what is made of the events beside the answers and the feed, off the core's thread. Here the event hash,
//! and what the operator's socket has to know.

use std::sync::{Arc, Mutex};

use engine::event_hash::EventHasher;
use engine::runtime::agent::Agent;
use engine::runtime::counters::Counter;
use engine::runtime::pipeline::EventRingPoller;
use protocol::types::CancelReason;
use protocol::{Event, EventBody, Sequence};

use crate::venue::control::{Told, ToldQueue};
use crate::venue::hash_marks::Marker;

/// Events of one turn.
const BATCH_MAX: u64 = 4_096;

/// Hashes the events of the output ring, and passes on what concerns the operator.
#[derive(Debug)]
pub struct ProjectionAgent {
    events: EventRingPoller,
    hasher: Arc<Mutex<EventHasher>>,
    operator: OperatorView,
    marker: Marker,
    hashed: Counter,
}

/// Picks what the operator's socket waits for.
#[derive(Debug)]
struct OperatorView {
    told: ToldQueue,
    /// The last command that cancelled for the operator, and how many orders.
    canceled: (Sequence, u32),
}

impl OperatorView {
    fn look(&mut self, event: &Event) {
        let before = if self.canceled.0 == event.sequence { self.canceled.1 } else { 0 };
        if matches!(event.body, EventBody::Canceled { reason: CancelReason::Supervisory, .. }) {
            self.canceled = (event.sequence, before + 1);
        }
        if matches!(
            event.body,
            EventBody::Answered { .. }
                | EventBody::AccountOpened { .. }
                | EventBody::InstrumentListed { .. }
                | EventBody::TradeBroken { .. }
                | EventBody::OperatorRefused { .. }
                | EventBody::SessionRolled { .. }
                | EventBody::MidnightChanged { .. }
                | EventBody::ReferenceChanged { .. }
                | EventBody::TradingStateChanged { .. }
                | EventBody::OperationalHaltChanged { .. }
                | EventBody::MarketWideLevels { .. }
                | EventBody::MarketWideBreached { .. }
                | EventBody::KillSwitched { .. }
        ) {
            // What is pushed out was waited for by nobody.
            self.told.force_push(Told { sequence: event.sequence, body: event.body, canceled: before });
        }
    }
}

impl ProjectionAgent {
    /// `hasher` has taken what recovery replayed; others may read it between turns. `marker` tells the follower.
    pub fn new(events: EventRingPoller, hasher: Arc<Mutex<EventHasher>>, told: ToldQueue, marker: Marker) -> Self {
        let operator = OperatorView { told, canceled: (Sequence::ZERO, 0) };
        Self { events, hasher, operator, marker, hashed: Counter::unseen() }
    }

    /// Counts the events here from now on.
    pub fn counted(self, hashed: Counter) -> Self {
        Self { hashed, ..self }
    }
}

impl Agent for ProjectionAgent {
    fn name(&self) -> &'static str {
        "projections"
    }

    fn turn(&mut self) -> usize {
        let Self { events, hasher, operator, marker, hashed } = self;
        let Ok(mut hasher) = hasher.lock() else { return 0 };
        let taken = events.poll(BATCH_MAX, |event| {
            marker.look(&hasher, event.sequence);
            hasher.push(event);
            operator.look(event);
        });
        hashed.add(taken as u64);
        taken
    }
}
