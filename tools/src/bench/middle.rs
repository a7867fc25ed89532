//! The middle of many rounds and how sure it is: the median, and between which rounds the true one lies 95 times in 100. From
//! the order of the values alone, so that a moment in which the machine stood still counts as one round and no more.

#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]

use serde_json::{Value, json};

/// Median and its interval of 95 %.
#[derive(Clone, Copy, Debug)]
pub struct Middle {
    /// The middle value.
    pub median: f64,
    /// The interval's ends; with fewer than six rounds the least and the greatest value, which promise less.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Values.
    pub rounds: usize,
}

impl Middle {
    /// Of these values; not a number without any.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let rounds = values.len();
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        // Ranks at which a binomial of one half leaves 2.5 % on each side, by the normal distribution.
        let half = rounds as f64 / 2.0;
        let reach = 0.98 * (rounds as f64).sqrt();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ranks")]
        let low = (half - reach).floor().max(0.0) as usize;
        let last = rounds.saturating_sub(1);
        Self { median: at(rounds / 2), low: at(low), high: at(last.saturating_sub(low)), rounds }
    }

    /// A ratio as what it adds, in percent.
    pub fn percent(self) -> String {
        let percent = |ratio: f64| (ratio - 1.0) * 100.0;
        format!(
            "{:+.2} % [{:+.2} to {:+.2}, {} rounds]",
            percent(self.median),
            percent(self.low),
            percent(self.high),
            self.rounds
        )
    }

    /// True for a ratio that is surely another than 1.
    pub fn differs(self) -> bool {
        self.high < 1.0 || self.low > 1.0
    }

    /// For programs.
    pub fn json(self) -> Value {
        json!({ "median": self.median, "low": self.low, "high": self.high, "rounds": self.rounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_moment_moves_nothing() {
        let mut values: Vec<f64> = (0..100).map(|round| 1.0 + f64::from(round) / 1_000.0).collect();
        values[3] = 1_000.0;
        let middle = Middle::of(values);
        assert!((middle.median - 1.051).abs() < 0.0011, "{middle:?}");
        // 40th to 60th of 100, give or take one.
        assert!((1.040..=1.042).contains(&middle.low) && (1.059..=1.062).contains(&middle.high), "{middle:?}");
        assert!(middle.differs() && middle.percent().contains("100 rounds"));
    }

    #[test]
    fn few_rounds_promise_their_range() {
        let middle = Middle::of(vec![0.9, 1.2, 1.0]);
        assert!(
            [(middle.low, 0.9), (middle.median, 1.0), (middle.high, 1.2)]
                .iter()
                .all(|(is, due)| (is - due).abs() < 1e-9)
        );
        assert!(!middle.differs() && Middle::of(Vec::new()).median.is_nan());
    }
}
