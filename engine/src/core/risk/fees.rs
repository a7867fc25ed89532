//! The fee table: what makers and takers pay, by tier. An account is in the highest tier whose threshold its notional of the
//! last 30 days reaches; it moves with the first trade of a UTC day.

use protocol::Amount;
use protocol::operator::{FEE_PPM_MAX, FEE_TIERS_MAX, SetFees};

/// What one tier pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    pub(crate) maker_ppm: i32,
    pub(crate) taker_ppm: i32,
    /// US dollars of 30 days; [`Amount::UNSET`] for a tier that is not used.
    pub(crate) threshold: Amount,
}

impl Tier {
    const UNUSED: Self = Self { maker_ppm: 0, taker_ppm: 0, threshold: Amount::UNSET };
    const FREE: Self = Self { maker_ppm: 0, taker_ppm: 0, threshold: Amount::ZERO };
}

/// All tiers. Until something is set nobody pays anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FeeTable([Tier; FEE_TIERS_MAX]);

impl FeeTable {
    /// Nobody pays.
    pub(super) const FREE: Self = {
        let mut tiers = [Tier::UNUSED; FEE_TIERS_MAX];
        tiers[0] = Tier::FREE;
        Self(tiers)
    };

    /// Sets a row. False when it is none that may be: fees out of range, or thresholds that do not rise. The venue never
    /// pays more to a maker than a taker of the same tier pays it.
    pub(super) fn set(&mut self, row: &SetFees) -> bool {
        let at = usize::from(row.tier);
        let bound = -FEE_PPM_MAX..=FEE_PPM_MAX;
        let fits = at < FEE_TIERS_MAX
            && bound.contains(&row.maker_ppm)
            && bound.contains(&row.taker_ppm)
            && row.threshold.is_in_range()
            && (at == 0) == (row.threshold == Amount::ZERO);
        if !fits {
            return false;
        }
        let used = |tier: &Tier| tier.threshold != Amount::UNSET;
        let rises = self.0[..at].iter().filter(|tier| used(tier)).all(|tier| tier.threshold < row.threshold)
            && self.0[at + 1..].iter().filter(|tier| used(tier)).all(|tier| tier.threshold > row.threshold);
        if rises {
            let SetFees { maker_ppm, taker_ppm, threshold, .. } = *row;
            self.0[at] = Tier { maker_ppm, taker_ppm, threshold };
        }
        rises
    }

    /// One tier.
    pub(super) fn tier(&self, at: u8) -> &Tier {
        &self.0[usize::from(at)]
    }

    /// The tier of this notional.
    pub(super) fn tier_of(&self, notional: Amount) -> u8 {
        let reached = |tier: &Tier| tier.threshold != Amount::UNSET && tier.threshold <= notional;
        let at = self.0.iter().rposition(reached).unwrap_or(0);
        u8::try_from(at).unwrap_or(0)
    }

    /// True when somebody pays, or is paid.
    pub(super) fn is_charging(&self) -> bool {
        self.0.iter().any(|tier| tier.maker_ppm != 0 || tier.taker_ppm != 0)
    }

    /// The most that anybody may be charged; at least 0.
    pub(super) fn highest_ppm(&self) -> i32 {
        self.0.iter().map(|tier| tier.maker_ppm.max(tier.taker_ppm)).max().unwrap_or(0).max(0)
    }

    /// The rows that are used, with their numbers.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u8, &Tier)> {
        (0..).zip(&self.0).filter(|(_, tier)| tier.threshold != Amount::UNSET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_reached_and_rise() {
        let mut table = FeeTable::FREE;
        assert!(!table.is_charging());
        let dollars = |count: i128| Amount(count * Amount::ONE.0);
        let row = |tier, maker_ppm, taker_ppm, threshold| SetFees { tier, maker_ppm, taker_ppm, threshold };
        for (tier, maker, taker, threshold) in [(0, 1_000, 2_000, 0), (1, 500, 1_000, 1_000), (3, 0, 500, 9_000)] {
            assert!(table.set(&row(tier, maker, taker, dollars(threshold))));
        }
        for (notional, tier) in [(0, 0), (999, 0), (1_000, 1), (8_999, 1), (9_000, 3), (1_000_000, 3)] {
            assert_eq!(table.tier_of(dollars(notional)), tier);
        }
        assert_eq!((table.highest_ppm(), table.is_charging()), (2_000, true));
        for wrong in [
            row(2, 0, 0, dollars(1_000)),
            row(2, 0, 0, dollars(9_000)),
            row(0, 0, 0, dollars(1)),
            row(2, 0, 0, dollars(0)),
            row(8, 0, 0, dollars(2_000)),
            row(2, 100_001, 0, dollars(2_000)),
            row(2, 0, -100_001, dollars(2_000)),
        ] {
            let before = table;
            assert!(!table.set(&wrong), "{wrong:?}");
            assert_eq!(table, before);
        }
        assert!(table.set(&row(2, -20, 800, dollars(2_000))));
    }
}
