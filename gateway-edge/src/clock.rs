//! Time for the edge: a clock that follows UTC without its steps, and the clamp that keeps time from going back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use protocol::Nanos;

use crate::ports::Clock;

/// UTC as it was when this clock was made, carried on by the monotonic clock: it never steps.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    base_utc: Duration,
    base: Instant,
}

impl SystemClock {
    /// Reads the wall clock once.
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    pub fn new() -> Self {
        let base = Instant::now();
        let base_utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { base_utc, base }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Nanos {
        let nanos = (self.base_utc + self.base.elapsed()).as_nanos();
        Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Any clock, kept from going back.
#[derive(Debug)]
pub(crate) struct Ratchet<K> {
    clock: K,
    last: Nanos,
}

impl<K: Clock> Ratchet<K> {
    pub(crate) fn new(clock: K) -> Self {
        let last = clock.now();
        Self { clock, last }
    }

    /// The time, never below an earlier answer.
    pub(crate) fn now(&mut self) -> Nanos {
        self.last = self.last.max(self.clock.now());
        self.last
    }

    /// The last answer, without reading the clock.
    pub(crate) fn last(&self) -> Nanos {
        self.last
    }
}

/// Milliseconds as the span between two [`Nanos`].
pub(crate) const fn millis(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

/// True when at least `ms` milliseconds lie between `since` and `now`.
pub(crate) fn passed(since: Nanos, now: Nanos, ms: u64) -> bool {
    now.0.saturating_sub(since.0) >= millis(ms)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Swinging(Cell<u64>);

    impl Clock for Swinging {
        fn now(&self) -> Nanos {
            Nanos(self.0.get())
        }
    }

    #[test]
    fn ratchet_never_goes_back() {
        let mut ratchet = Ratchet::new(Swinging(Cell::new(100)));
        ratchet.clock.0.set(90);
        assert_eq!(ratchet.now(), Nanos(100));
        ratchet.clock.0.set(101);
        assert_eq!(ratchet.now(), Nanos(101));
        assert_eq!(ratchet.last(), Nanos(101));
    }

    #[test]
    fn system_clock_is_in_this_century() {
        let now = SystemClock::new().now();
        assert!(now > Nanos(1_600_000_000_000_000_000) && now < Nanos(4_100_000_000_000_000_000));
    }
}
