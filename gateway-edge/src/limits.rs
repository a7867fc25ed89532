//! What keeps one client from hurting another: rates by the generic cell rate algorithm, and how many connections, logins and
//! wrong passwords come from one address. Nothing here refuses an honest client for good: who is too fast waits.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use protocol::Nanos;

use crate::clock::millis;

/// How far ahead of its schedule a rate may run: what a thread that sleeps for a millisecond or two needs so that nothing of
/// a rate is lost, and a hundredth of a second's messages at the most.
const TOLERANCE_NS: u64 = 10_000_000;
/// After so much time without a wrong password, an address is trusted one step more.
const FORGIVE_MS: u64 = 10_000;
/// The first step of waiting after a wrong password; each further one doubles it.
const BACKOFF_MS: u64 = 8;
/// Steps at the most; what the configuration allows bounds it further.
const BACKOFF_STEPS_MAX: u32 = 12;

/// So many per second, evenly. One division when it is made, two additions per use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Nanoseconds between two; 0 = no limit.
    interval_ns: u64,
}

/// How far a [`Rate`] is used up: when the next one would be due if all came evenly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meter {
    due: Nanos,
}

impl Rate {
    /// `per_second` = 0: no limit.
    pub(crate) fn new(per_second: u64) -> Self {
        Self { interval_ns: 1_000_000_000_u64.checked_div(per_second).unwrap_or(0) }
    }

    /// When the next one may come, if that is later than `now`.
    #[inline]
    pub(crate) fn early(self, meter: Meter, now: Nanos) -> Option<Nanos> {
        let at = meter.due.0.saturating_sub(TOLERANCE_NS);
        (at > now.0 && self.interval_ns > 0).then_some(Nanos(at))
    }

    /// Counts one.
    #[inline]
    pub(crate) fn count(self, meter: &mut Meter, now: Nanos) {
        meter.due = Nanos(meter.due.0.max(now.0) + self.interval_ns);
    }
}

/// Where connections come from: a whole IPv4 address, or the network part of an IPv6 one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin(u128);

impl Origin {
    pub(crate) fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => Self(u128::from(ip.to_bits())),
            IpAddr::V6(ip) => Self(ip.to_bits() >> 64 << 64),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    connections: usize,
    logins: Meter,
    wrong: u32,
    wrong_at: Nanos,
}

/// What is known of the addresses that connect. Bounded: those that are gone are forgotten.
#[derive(Debug)]
pub(crate) struct Origins {
    known: BTreeMap<Origin, Known>,
    max: usize,
}

impl Origins {
    /// For so many connections.
    pub(crate) fn new(connections_max: usize) -> Self {
        Self { known: BTreeMap::new(), max: connections_max.saturating_mul(4).max(64) }
    }

    /// Notes a connection; false when `max` others from there are open (0 = no limit).
    pub(crate) fn come(&mut self, origin: Origin, max: usize) -> bool {
        if self.known.len() >= self.max && !self.known.contains_key(&origin) {
            self.make_room();
        }
        let known = self.known.entry(origin).or_default();
        let fits = max == 0 || known.connections < max;
        known.connections += usize::from(fits);
        fits
    }

    /// A connection from there is gone.
    pub(crate) fn go(&mut self, origin: Origin) {
        if let Some(known) = self.known.get_mut(&origin) {
            known.connections = known.connections.saturating_sub(1);
        }
    }

    /// When a login from there may be looked at, if that is later than `now`; else it is counted.
    pub(crate) fn login(&mut self, origin: Origin, rate: Rate, now: Nanos) -> Option<Nanos> {
        let known = self.known.entry(origin).or_default();
        let early = rate.early(known.logins, now);
        if early.is_none() {
            rate.count(&mut known.logins, now);
        }
        early
    }

    /// A wrong password came from there.
    pub(crate) fn wrong(&mut self, origin: Origin, now: Nanos) {
        let known = self.known.entry(origin).or_default();
        known.wrong = (known.steps(now) + 1).min(BACKOFF_STEPS_MAX);
        known.wrong_at = now;
    }

    /// How long a login from there waits before it is looked at, ms. It is looked at then, however many others came: who
    /// guesses is slowed down, and the owner of the account waits this long at the most.
    pub(crate) fn backoff_ms(&self, origin: Origin, max_ms: u64, now: Nanos) -> u64 {
        let steps = self.known.get(&origin).map_or(0, |known| known.steps(now));
        if steps == 0 { 0 } else { (BACKOFF_MS << (steps - 1)).min(max_ms) }
    }

    /// Forgets those from whom nothing is held: no connection, no used-up rate, no wrong password.
    pub(crate) fn forget(&mut self, now: Nanos) {
        self.known.retain(|_, known| known.connections > 0 || known.logins.due > now || known.steps(now) > 0);
    }

    /// The table is full of addresses that came and went: those without a connection go.
    fn make_room(&mut self) {
        self.known.retain(|_, known| known.connections > 0);
    }
}

impl Known {
    fn steps(&self, now: Nanos) -> u32 {
        let forgiven = now.0.saturating_sub(self.wrong_at.0) / millis(FORGIVE_MS);
        self.wrong.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// How many come through in `ns`, when it is looked every `step_ns`, and as many come as may.
    fn through(per_second: u64, ns: u64, step_ns: u64) -> u64 {
        let (rate, mut meter, mut count) = (Rate::new(per_second), Meter::default(), 0);
        for now in (0..ns).step_by(usize::try_from(step_ns).unwrap()).map(|at| Nanos(SECOND + at)) {
            while rate.early(meter, now).is_none() {
                rate.count(&mut meter, now);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn rates_are_kept_within_a_hundredth() {
        for per_second in [100, 1_000, 7_777, 100_000, 1_000_000] {
            for step_ns in [500_000, 1_000_000, 3_300_000] {
                let (found, wanted) = (through(per_second, SECOND, step_ns), per_second);
                assert!(found.abs_diff(wanted) * 100 <= wanted + 100, "{found} of {wanted}, looked at every {step_ns}");
            }
        }
        assert_eq!(Rate::new(0).early(Meter { due: Nanos(u64::MAX) }, Nanos(0)), None);
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let (rate, mut meter) = (Rate::new(1_000), Meter::default());
        rate.count(&mut meter, Nanos(SECOND));
        let later = Nanos(100 * SECOND);
        let mut burst = 0;
        while rate.early(meter, later).is_none() {
            rate.count(&mut meter, later);
            burst += 1;
        }
        assert_eq!(burst, 11);
    }

    fn origin(text: &str) -> Origin {
        Origin::of(text.parse().unwrap())
    }

    #[test]
    fn connections_are_counted_per_address() {
        let mut origins = Origins::new(8);
        let (here, there) = (origin("10.0.0.1:1"), origin("10.0.0.2:1"));
        assert!(origins.come(here, 2) && origins.come(here, 2) && !origins.come(here, 2));
        assert!(origins.come(there, 2));
        origins.go(here);
        assert!(origins.come(here, 2) && !origins.come(here, 2) && origins.come(here, 0));
        assert_eq!(origin("[2001:db8::1]:5"), origin("[2001:db8::ffff]:6"));
        assert_ne!(origin("[2001:db8:0:1::1]:5"), origin("[2001:db8::1]:5"));
        assert_eq!(origin("[::ffff:10.0.0.1]:9"), here);
    }

    #[test]
    fn wrong_passwords_slow_down_and_are_forgiven() {
        let mut origins = Origins::new(8);
        let (here, there) = (origin("10.0.0.1:1"), origin("10.0.0.2:1"));
        assert_eq!(origins.backoff_ms(here, 1_000, Nanos(SECOND)), 0);
        let mut waits = Vec::new();
        for _ in 0..20 {
            origins.wrong(here, Nanos(SECOND));
            waits.push(origins.backoff_ms(here, 1_000, Nanos(SECOND)));
        }
        assert_eq!(waits[..9], [8, 16, 32, 64, 128, 256, 512, 1_000, 1_000]);
        assert_eq!(waits[19], 1_000);
        assert_eq!(origins.backoff_ms(there, 1_000, Nanos(SECOND)), 0, "who owns the account elsewhere does not wait");
        assert_eq!(origins.backoff_ms(here, 1_000, Nanos(121 * SECOND)), 0);
        origins.forget(Nanos(121 * SECOND));
        assert!(origins.known.is_empty());
    }

    #[test]
    fn addresses_that_come_and_go_do_not_pile_up() {
        let mut origins = Origins::new(1);
        for n in 0..10_000_u32 {
            let origin = Origin(u128::from(n));
            assert!(origins.come(origin, 1));
            origins.wrong(origin, Nanos(SECOND));
            origins.go(origin);
        }
        assert!(origins.known.len() <= 64);
    }
}
