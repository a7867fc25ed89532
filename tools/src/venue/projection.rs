//! The projections: what is made of the events beside the answers and the feed. Here the event hash, off the core's thread.

use std::sync::{Arc, Mutex};

use engine::event_hash::EventHasher;
use engine::runtime::agent::Agent;
use engine::runtime::pipeline::EventRingPoller;

/// Events of one turn.
const BATCH_MAX: u64 = 4_096;

/// Hashes the events of the output ring.
#[derive(Debug)]
pub struct ProjectionAgent {
    events: EventRingPoller,
    hasher: Arc<Mutex<EventHasher>>,
}

impl ProjectionAgent {
    /// `hasher` has taken what recovery replayed; others may read it between turns.
    pub fn new(events: EventRingPoller, hasher: Arc<Mutex<EventHasher>>) -> Self {
        Self { events, hasher }
    }
}

impl Agent for ProjectionAgent {
    fn name(&self) -> &'static str {
        "projections"
    }

    fn turn(&mut self) -> usize {
        let Ok(mut hasher) = self.hasher.lock() else { return 0 };
        self.events.poll(BATCH_MAX, |event| hasher.push(event))
    }
}
