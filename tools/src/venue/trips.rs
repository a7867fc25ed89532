//! Kill switches of accounts that tripped by themselves and are still on: counted by cause for `hft top`, from what the core
//! tells. The operator's socket keeps it; never on the way of an order.

use std::collections::BTreeMap;

use engine::core::Core;
use engine::runtime::counters::Counter;
use protocol::operator::{KillCause, Scope};
use protocol::{AccountId, EventBody};

use super::metrics::Metrics;

/// Every cause but the operator, and the name of its gauge.
pub const GAUGES: [(KillCause, &str); 4] = [
    (KillCause::DayLoss, "risk.tripped.loss"),
    (KillCause::MessageRate, "risk.tripped.message_rate"),
    (KillCause::Rejects, "risk.tripped.rejects"),
    (KillCause::Position, "risk.tripped.position"),
];

/// Which switches are on, and the gauges.
pub struct Trips {
    on: BTreeMap<AccountId, KillCause>,
    gauges: [Counter; GAUGES.len()],
}

impl Trips {
    /// Those of a core.
    pub fn of(core: &Core, metrics: &Metrics) -> Self {
        let on = core.accounts().filter_map(|view| Some((view.account, core.risk().killed(view.account)?.0))).collect();
        let mut trips = Self { on, gauges: GAUGES.map(|(_, name)| metrics.gauge(name)) };
        trips.count();
        trips
    }

    /// Takes what an event says.
    pub fn learn(&mut self, event: &EventBody) {
        if let EventBody::KillSwitched { scope: Scope::Account(account), is_killed, cause } = *event {
            if is_killed {
                self.on.insert(account, cause);
            } else {
                self.on.remove(&account);
            }
            self.count();
        }
    }

    fn count(&mut self) {
        for ((cause, _), gauge) in GAUGES.iter().zip(&mut self.gauges) {
            gauge.set(self.on.values().filter(|on| *on == cause).count() as u64);
        }
    }
}

impl std::fmt::Debug for Trips {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trips").field("on", &self.on).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_that_are_on_are_counted_by_cause() {
        let metrics = Metrics::private();
        let mut trips = Trips::of(&Core::new(), &metrics);
        let readers = trips.gauges.each_ref().map(Counter::reader);
        let counts = || readers.each_ref().map(engine::runtime::counters::CounterReader::load);
        let mut switch = |account, is_killed, cause| {
            let scope = Scope::Account(AccountId(account));
            trips.learn(&EventBody::KillSwitched { scope, is_killed, cause });
        };
        switch(1, true, KillCause::DayLoss);
        switch(2, true, KillCause::Position);
        switch(3, true, KillCause::Operator);
        assert_eq!(counts(), [1, 0, 0, 1]);
        switch(1, false, KillCause::Operator);
        switch(4, true, KillCause::Rejects);
        assert_eq!(counts(), [0, 0, 1, 1]);
    }
}
