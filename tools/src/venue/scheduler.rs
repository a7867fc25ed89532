//! Follows the trading schedule: when its time comes, what it says is asked of the core like any operator's command. What
//! should have happened while the venue was down is made up for at its start ([`missed`]).

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use engine::core::Core;
use engine::runtime::agent::Agent;
use gateway_edge::WakeHandle;
use protocol::command::SetTradingState;
use protocol::{CommandBody, Firm, InstrumentId, Nanos, Symbol, VenueCommand};

use crate::clock::utc_now;
use crate::schedule::{Happening, Schedule};
use crate::venue::bootstrap::session_name;

/// Waits for the next event of the schedule.
#[derive(Debug)]
pub struct SchedulerAgent {
    schedule: Schedule,
    instruments: Vec<(Symbol, InstrumentId)>,
    operator: Arc<ArrayQueue<CommandBody>>,
    edge: WakeHandle,
    next_at: Option<Nanos>,
    /// What is due and found no room in the queue yet.
    waiting: VecDeque<CommandBody>,
}

impl SchedulerAgent {
    /// For the instruments that `core` lists now; one that is listed later follows the schedule from the next start on.
    /// `operator` is the edge's queue of commands that no client sends.
    pub fn new(schedule: Schedule, core: &Core, operator: Arc<ArrayQueue<CommandBody>>, edge: WakeHandle) -> Self {
        let instruments = core.instruments().map(|view| (view.listed.symbol, view.listed.instrument)).collect();
        let next_at = schedule.next(utc_now()).map(|(at, _)| at);
        Self { schedule, instruments, operator, edge, next_at, waiting: VecDeque::new() }
    }

    fn take_due(&mut self, now: Nanos) {
        let Some(at) = self.next_at.filter(|at| *at <= now) else { return };
        if let Some((_, happenings)) = self.schedule.next(Nanos(at.0 - 1)) {
            for happening in happenings {
                self.waiting.extend(commands_of(happening, &self.instruments));
            }
        }
        self.next_at = self.schedule.next(at).map(|(at, _)| at);
    }
}

impl Agent for SchedulerAgent {
    fn name(&self) -> &'static str {
        "schedule"
    }

    fn turn(&mut self) -> usize {
        self.take_due(utc_now());
        let mut asked = 0;
        while let Some(body) = self.waiting.front() {
            if self.operator.push(*body).is_err() {
                break;
            }
            self.waiting.pop_front();
            asked += 1;
        }
        if asked > 0 {
            self.edge.wake();
        }
        asked
    }
}

fn commands_of(happening: &Happening, instruments: &[(Symbol, InstrumentId)]) -> Vec<CommandBody> {
    match happening {
        Happening::System(code) => vec![CommandBody::SystemEvent(*code)],
        Happening::Roll => vec![roll_day(utc_now())],
        Happening::State(state, of) => instruments
            .iter()
            .filter(|(symbol, _)| of.is_empty() || of.contains(symbol))
            .map(|(_, instrument)| set_state(*instrument, *state))
            .collect(),
    }
}

/// Ends the day and begins a session that is named after `now`.
pub fn roll_day(now: Nanos) -> CommandBody {
    CommandBody::Venue(VenueCommand::RollDay(session_name(now)))
}

fn set_state(instrument: InstrumentId, state: protocol::TradingState) -> CommandBody {
    CommandBody::SetTradingState(SetTradingState { instrument, state, reason: Firm::BLANK })
}

/// The states that the schedule has changed since the last command of `core`: where a change was missed, the last one
/// counts. System events are not made up for; of the rolls that were missed, one is.
pub fn missed(schedule: &Schedule, core: &Core, now: Nanos) -> Vec<CommandBody> {
    let last = core.last_ingress();
    let is_due = core.venue().is_some() && schedule.last_roll(now).is_some_and(|at| at > core.session_opened());
    let roll = (is_due && !core.is_day_ending()).then(|| roll_day(now));
    if schedule.next(last).is_none_or(|(at, _)| at > now) {
        return roll.into_iter().collect();
    }
    let wanted = core.instruments().filter_map(|view| {
        let symbol = view.listed.symbol;
        let state = schedule.state_at(now, symbol)?;
        let changed = schedule.state_at(last, symbol) != Some(state) && view.state != state;
        changed.then(|| set_state(view.listed.instrument, state))
    });
    wanted.chain(roll).collect()
}
