//! The pace of a replay: as recorded, ten times as fast, or as fast as it goes. The only place where a replay waits.

use std::str::FromStr;
use std::time::{Duration, Instant};

use protocol::Nanos;

use crate::clock::monotonic;

/// How fast recorded time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speed {
    /// As fast as it goes.
    #[default]
    Max,
    /// So many times as fast as it was, at least 1.
    Times(u32),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text
            .strip_suffix('x')
            .and_then(|digits| digits.parse().ok())
            .filter(|times| (1..=1_000_000).contains(times));
        times
            .map(Self::Times)
            .ok_or_else(|| format!("{text:?} is no speed; give 1x, 10x or another whole number of times, or max"))
    }
}

/// Holds a replay back to its speed.
#[derive(Debug)]
pub struct Pace {
    speed: Speed,
    /// When the first command was let through, and the time it had.
    began: Option<(Instant, Nanos)>,
    /// What is before this time passes at once.
    from: Nanos,
}

impl Pace {
    /// Before the first command.
    pub fn new(speed: Speed) -> Self {
        Self { speed, began: None, from: Nanos(0) }
    }

    /// What is before this time passes at once.
    pub fn from(self, from: Nanos) -> Self {
        Self { from, ..self }
    }

    /// True when nothing ever waits.
    pub fn is_max(&self) -> bool {
        self.speed == Speed::Max
    }

    /// How long the command of this time has still to wait.
    pub fn wait(&mut self, ingress: Nanos) -> Duration {
        let Speed::Times(times) = self.speed else { return Duration::ZERO };
        if ingress < self.from {
            return Duration::ZERO;
        }
        let (began, first) = *self.began.get_or_insert_with(|| (monotonic(), ingress));
        let due = Duration::from_nanos(ingress.0.saturating_sub(first.0) / u64::from(times));
        due.saturating_sub(began.elapsed())
    }

    /// Waits until its time has come.
    pub fn hold(&mut self, ingress: Nanos) {
        loop {
            let wait = self.wait(ingress);
            if wait.is_zero() {
                return;
            }
            std::thread::park_timeout(wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_whole_numbers_of_times_or_max() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("1x".parse(), Ok(Speed::Times(1)));
        assert_eq!("10x".parse(), Ok(Speed::Times(10)));
        for wrong in ["", "x", "0x", "1", "-1x", "1.5x", "fast", "1000001x"] {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_passes_as_many_times_as_fast() {
        let mut pace = Pace::new(Speed::Times(10));
        assert_eq!(pace.wait(Nanos(5_000_000_000)), Duration::ZERO);
        let wait = pace.wait(Nanos(15_000_000_000));
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
        let mut late = Pace::new(Speed::Times(1)).from(Nanos(7));
        assert_eq!(
            (late.wait(Nanos(1)), late.wait(Nanos(6)), late.wait(Nanos(7))),
            (Duration::ZERO, Duration::ZERO, Duration::ZERO)
        );
        assert!(late.wait(Nanos(90_000_000_007)) > Duration::from_secs(60));
        assert_eq!(Pace::new(Speed::Max).wait(Nanos(u64::MAX)), Duration::ZERO);
    }
}
