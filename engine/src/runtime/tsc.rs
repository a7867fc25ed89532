//! The time stamp counter of the cpu: the cheapest clock there is, read where a system call or even the vdso would be felt.
//!
//! Ticks mean nothing alone: [`TickRate::calibrate`] compares them with the monotonic clock once, at start. The counter
//! must run at a constant rate, in step on all cpus (`constant_tsc nonstop_tsc`); `hft doctor` says when it does not. On
//! machines without one, ticks are nanoseconds of the monotonic clock.

#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the instruction has no safe wrapper"))]
#![expect(clippy::disallowed_methods, reason = "this is a clock module")]

use core::time::Duration;
use std::time::Instant;

/// The counter now.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 cpu has the instruction, and Linux lets user programs execute it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The counter now.
#[cfg(not(target_arch = "x86_64"))]
pub fn ticks() -> u64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// How long a tick is, in 2^-32 nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickRate(u64);

impl TickRate {
    /// One nanosecond per tick.
    pub const NANOSECOND: Self = Self(1 << 32);

    /// Counts ticks against the monotonic clock for 20 ms, spinning: the rate is right to some millionths.
    pub fn calibrate() -> Self {
        Self::calibrate_for(Duration::from_millis(20))
    }

    fn calibrate_for(time: Duration) -> Self {
        let (start_ticks, start) = both();
        let (mut end_ticks, mut end) = both();
        while end.duration_since(start) < time {
            core::hint::spin_loop();
            (end_ticks, end) = both();
        }
        let ticks = u128::from(end_ticks.saturating_sub(start_ticks)).max(1);
        let rate = (end.duration_since(start).as_nanos() << 32) / ticks;
        Self(u64::try_from(rate).unwrap_or(u64::MAX).max(1))
    }

    /// Nanoseconds that `ticks` ticks take.
    #[inline]
    pub fn nanos(self, ticks: u64) -> u64 {
        u64::try_from((u128::from(ticks) * u128::from(self.0)) >> 32).unwrap_or(u64::MAX)
    }

    /// Nanoseconds from one reading to another; 0 when the second is the earlier one, as cpus out of step can show.
    #[inline]
    pub fn between(self, from: u64, to: u64) -> u64 {
        self.nanos(to.saturating_sub(from))
    }

    /// Ticks per second.
    pub fn hertz(self) -> u64 {
        u64::try_from((1_000_000_000_u128 << 32) / u128::from(self.0)).unwrap_or(u64::MAX)
    }

    /// What reading the counter costs here, in hundredths of a nanosecond: the least of some rounds.
    pub fn cost_centinanos(self) -> u64 {
        const READINGS: u64 = 1_000;
        let round = || {
            let start = ticks();
            for _ in 0..READINGS {
                core::hint::black_box(ticks());
            }
            self.between(start, ticks()) * 100 / READINGS
        };
        (0..20).map(|_| round()).min().unwrap_or(0)
    }
}

/// Both clocks at the same moment, as nearly as three tries give it.
fn both() -> (u64, Instant) {
    let one = || {
        let before = ticks();
        let now = Instant::now();
        let after = ticks();
        (after.saturating_sub(before), before + after.saturating_sub(before) / 2, now)
    };
    let mut best = one();
    for _ in 0..2 {
        let next = one();
        if next.0 < best.0 {
            best = next;
        }
    }
    (best.1, best.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_nanoseconds() {
        let rate = TickRate((1 << 32) / 2);
        assert_eq!(rate.nanos(4_000_000_000), 2_000_000_000);
        assert_eq!((rate.between(10, 30), rate.between(30, 10)), (10, 0));
        assert_eq!(rate.hertz(), 2_000_000_000);
        assert_eq!(TickRate::NANOSECOND.nanos(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_calibrated_clock_agrees_with_the_monotonic_one() {
        let rate = TickRate::calibrate_for(Duration::from_millis(10));
        let (start_ticks, start) = both();
        while start.elapsed() < Duration::from_millis(10) {}
        let (end_ticks, end) = both();
        let (by_ticks, by_clock) = (rate.between(start_ticks, end_ticks), end.duration_since(start).as_nanos());
        // One part in a hundred: far more than the error of the rate, far less than a wrong unit.
        assert!(by_clock.abs_diff(by_ticks.into()) < by_clock / 100, "{by_ticks} ns by ticks, {by_clock} ns by clock");
        assert!(rate.cost_centinanos() < 1_000_000);
    }
}
