//! What every order and every trade reads of an instrument, in one cache line: its mark, how far that may move before somebody
//! is looked at, and what a quantity comes to.

use super::Instrument;
use protocol::money::{Amount, Currency};

/// Budgets count in 2^40 of 10^-12 of a dollar, a little more than one dollar: 64 bits of that are beyond every amount.
const COARSE: u32 = 40;

/// One instrument.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Market {
    /// Last trade, else the reference price of the listing; 0 = none.
    pub(super) mark: u32,
    /// Where it may move without anybody being looked at, while somebody has limits; else 0.
    pub(super) low: u32,
    pub(super) high: u32,
    /// Where it may move within that without gates of this instrument being worked out anew.
    pub(super) near_low: u32,
    near_span: u32,
    /// Orders of one account per second that are set for the instrument; 0 = no limit.
    pub(super) symbol_rate: u32,
    /// How often it has left where it may move.
    pub(super) tag: u64,
    /// Dollars of a wire unit of notional, rounded up, at the rate of the currency that is paid; 0 = not known.
    pub(super) unit: u64,
    /// The same of a unit of quantity at `high`; 0 = not known, and nothing passes.
    pub(super) claim: u64,
    /// Amount of a wire unit of notional where dollars are paid; 0 elsewhere, and where it does not fit.
    pub(super) dollars: u64,
}

const _: () = assert!(size_of::<Market>() == 64);

/// What a budget of dollars is, rounded down.
pub(super) fn coarse(budget: i128) -> u64 {
    u64::try_from(budget >> COARSE).unwrap_or(if budget < 0 { 0 } else { u64::MAX })
}

impl Market {
    /// Of no instrument.
    pub(super) const NONE: Self = Self {
        mark: 0,
        low: 0,
        high: 0,
        near_low: 0,
        near_span: 0,
        symbol_rate: 0,
        tag: 0,
        unit: 0,
        claim: 0,
        dollars: 0,
    };

    /// The upper end of what is near.
    pub(super) fn near_high(&self) -> u32 {
        self.near_low.saturating_add(self.near_span)
    }

    /// Works out what things come to at this rate.
    pub(super) fn set_rate(&mut self, instrument: &Instrument, rate: Amount) {
        let unit = instrument.scale.notional.checked_mul(rate.0);
        let unit = unit.map(|unit| unit.unsigned_abs().div_ceil(Amount::ONE.0.unsigned_abs()));
        self.unit = unit.and_then(|unit| u64::try_from(unit).ok()).unwrap_or(0);
        self.claim = self.unit.checked_mul(self.high.into()).unwrap_or(0);
        self.dollars = if instrument.legs.quote == Currency::Usd { instrument.scale.narrow() } else { 0 };
    }

    /// What a quantity takes from a budget at the most, at every price and mark up to `high`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every order and trade of limited accounts")]
    pub(super) fn claim(&self, quantity: u32) -> u64 {
        let dollars = u128::from(quantity) * u128::from(self.claim);
        // 96 bits less 40.
        u64::try_from(dollars >> COARSE).unwrap_or(u64::MAX).wrapping_add(1)
    }

    /// The same at a price that may be beyond that; `None` when it is not known.
    pub(super) fn claim_at(&self, quantity: u32, price: u32) -> Option<u64> {
        let wire = u64::from(quantity) * u64::from(price.max(self.high));
        let dollars = u128::from(wire).checked_mul(u128::from(self.unit)).filter(|_| self.claim != 0)?;
        u64::try_from(dollars >> COARSE).ok()?.checked_add(1)
    }

    /// The mark is near where it was.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every trade")]
    pub(super) fn is_near(&self) -> bool {
        self.mark.wrapping_sub(self.near_low) <= self.near_span
    }

    /// Looks around the mark anew; true when it left where it may move at all.
    pub(super) fn follow(&mut self) -> bool {
        let has_left = !(self.low..=self.high).contains(&self.mark) || self.mark == 0;
        if has_left {
            self.centre();
        } else {
            self.follow_near();
        }
        has_left
    }

    /// Begins anew around the mark.
    pub(super) fn centre(&mut self) {
        let wide = self.mark / 8 + 1;
        (self.low, self.high) = (self.mark.saturating_sub(wide), self.mark.saturating_add(wide));
        self.claim = self.unit.checked_mul(self.high.into()).unwrap_or(0);
        self.follow_near();
    }

    fn follow_near(&mut self) {
        let near = self.mark / 128 + 1;
        self.near_low = self.mark.saturating_sub(near).max(self.low);
        self.near_span = self.mark.saturating_add(near).min(self.high) - self.near_low;
        self.tag += 1;
    }
}
