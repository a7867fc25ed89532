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

/// The readings of a clock, kept from going back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratchet {
    last: Nanos,
}

impl Ratchet {
    pub(crate) fn new(clock: &impl Clock) -> Self {
        Self { last: clock.now() }
    }

    /// The time, never below an earlier answer.
    pub(crate) fn read(&mut self, clock: &impl Clock) -> Nanos {
        self.last = self.last.max(clock.now());
        self.last
    }

    /// The last answer, without reading the clock.
    pub(crate) fn last(self) -> Nanos {
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
        let clock = Swinging(Cell::new(100));
        let mut ratchet = Ratchet::new(&clock);
        clock.0.set(90);
        assert_eq!(ratchet.read(&clock), Nanos(100));
        clock.0.set(101);
        assert_eq!(ratchet.read(&clock), Nanos(101));
        assert_eq!(ratchet.last(), Nanos(101));
    }

    #[test]
    fn system_clock_is_in_this_century() {
        let now = SystemClock::new().now();
        assert!(now > Nanos(1_600_000_000_000_000_000) && now < Nanos(4_100_000_000_000_000_000));
    }
}
