//! Instruments: the grid their orders must keep, and what is published of them.

use super::bands::{Bands, Collar};
use super::cross::Crossing;
use protocol::command::ListInstrument;
use protocol::limits::ELECTIONS_PER_COMMAND_MAX_DEFAULT;
use protocol::types::{InstrumentId, MatchingAlgorithm, Nanos, Price, Qty, TradingState};

/// Division by a number that is fixed at listing: multiply and shift instead of divide.
///
/// For all `n` and `d` of 32 bits, `n / d` is the high half of `(n + 1) × floor((2^64 − 1) / d)`: that is `(n + 1) / d`, which
/// is at least `1 / d` above `n / d` rounded down and at most 1, less an error above 0 and of at most `2^−32`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Divisor {
    factor: u64,
    divisor: u32,
}

impl Divisor {
    pub(crate) fn new(divisor: u32) -> Self {
        assert!(divisor != 0);
        Self { factor: u64::MAX / u64::from(divisor), divisor }
    }

    /// The number itself.
    pub(crate) fn get(self) -> u32 {
        self.divisor
    }

    /// `number / divisor` when nothing remains.
    pub(crate) fn exact(self, number: u32) -> Option<u32> {
        let product = (u128::from(number) + 1) * u128::from(self.factor);
        let bytes = product.to_le_bytes();
        let quotient = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        (quotient.wrapping_mul(self.divisor) == number).then_some(quotient)
    }
}

/// What every order reads. One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Instrument {
    /// Price step.
    pub(crate) tick: Divisor,
    /// Quantity step.
    pub(crate) lot: Divisor,
    /// Largest order.
    pub(crate) max_qty: u32,
    /// Trading state; changed by [`Instrument::set_state`].
    pub(crate) state: TradingState,
    /// Price of the last trade; 0 = none yet.
    pub(crate) last_trade: Price,
    /// Reasons why orders take the long way; 0 = none.
    unusual: u32,
}

/// Bits of [`Instrument::is_ordinary`].
pub(crate) mod unusual {
    /// It is not trading.
    pub(crate) const STATE: u32 = 1;
    /// Orders rest that only the slow matcher deals with.
    pub(crate) const RESTING: u32 = 1 << 1;
    /// Quantity is shared, not given to the oldest.
    pub(crate) const ALGORITHM: u32 = 1 << 2;
    /// Something is set for it, or for everybody: orders are checked against limits.
    pub(crate) const GUARDED: u32 = 1 << 3;
    /// Prices have bands, or market orders a collar.
    pub(crate) const BANDS: u32 = 1 << 4;
    /// The day is being rolled.
    pub(crate) const ROLL: u32 = 1 << 5;
}

const _: () = assert!(size_of::<Instrument>() == 64);

impl Instrument {
    /// Orders are matched.
    pub(crate) fn is_trading(&self) -> bool {
        self.state == TradingState::Trading
    }

    /// Nothing but limits is out of the ordinary: it is trading, and all that rests is plain.
    #[inline]
    pub(crate) fn is_ordinary(&self) -> bool {
        self.unusual & !unusual::GUARDED == 0
    }

    /// Orders are checked against limits of it, or of everybody.
    #[inline]
    pub(crate) fn is_guarded(&self) -> bool {
        self.unusual & unusual::GUARDED != 0
    }

    /// Sets or clears a reason of [`unusual`].
    pub(crate) fn set_unusual(&mut self, reason: u32, is_so: bool) {
        self.unusual = self.unusual & !reason | if is_so { reason } else { 0 };
    }

    /// Changes the trading state.
    pub(crate) fn set_state(&mut self, state: TradingState) {
        self.state = state;
        self.set_unusual(unusual::STATE, state != TradingState::Trading);
    }
}

/// What is asked rarely.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InstrumentTerms {
    /// As listed.
    pub(crate) listed: ListInstrument,
    /// Short-sale price test, as published.
    pub(crate) short_sale_test: u8,
    /// How quantity is shared at a price.
    pub(crate) algorithm: MatchingAlgorithm,
    /// Least pro-rata share.
    pub(crate) minimum: u32,
    /// Stops elected by one command at the most.
    pub(crate) elections_max: u16,
    /// Static reference price; 0 = none.
    pub(crate) reference: Price,
    pub(super) bands: Bands,
    /// When orders are crossed.
    pub(crate) until: Option<Nanos>,
    /// When the next imbalance message is due.
    pub(crate) imbalance_due: Option<Nanos>,
    /// Of a volatility auction.
    pub(super) collar: Option<Collar>,
    /// A cross that is not finished: the instrument is frozen.
    pub(super) crossing: Option<Crossing>,
}

/// All instruments. Index 0 is none, and never trades.
#[derive(Debug)]
pub(crate) struct Instruments {
    instruments: Vec<Instrument>,
    terms: Vec<InstrumentTerms>,
    instruments_max: u16,
}

impl Instruments {
    /// Reserves everything.
    pub(crate) fn new(instruments_max: u16) -> Self {
        let capacity = usize::from(instruments_max);
        Self { instruments: Vec::with_capacity(capacity), terms: Vec::with_capacity(capacity), instruments_max }
    }

    /// Adds an instrument, halted: a feed without a trading state for it says the same (itch50.md).
    pub(crate) fn list(&mut self, listed: &ListInstrument) {
        assert!(self.instruments.len() < usize::from(self.instruments_max), "instruments_max is reached");
        self.instruments.push(Instrument {
            tick: Divisor::new(listed.tick.0),
            lot: Divisor::new(listed.lot.0),
            max_qty: listed.max_qty.0,
            state: TradingState::Halted,
            last_trade: Price(0),
            unusual: unusual::STATE,
        });
        self.terms.push(InstrumentTerms {
            listed: *listed,
            short_sale_test: b'0',
            algorithm: MatchingAlgorithm::PriceTime,
            minimum: 0,
            elections_max: ELECTIONS_PER_COMMAND_MAX_DEFAULT,
            reference: listed.reference_price,
            bands: Bands::default(),
            until: None,
            imbalance_due: None,
            collar: None,
            crossing: None,
        });
    }

    /// How many there are: also the highest index.
    pub(crate) fn count(&self) -> usize {
        self.instruments.len()
    }

    /// One instrument, if it is listed.
    pub(crate) fn find(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(usize::from(id.0).wrapping_sub(1))
    }

    /// One that an order rests on.
    pub(crate) fn instrument(&self, id: InstrumentId) -> &Instrument {
        &self.instruments[usize::from(id.0) - 1]
    }

    /// One to change. It is listed: the operator's command names it by what the venue told.
    pub(crate) fn instrument_mut(&mut self, id: InstrumentId) -> &mut Instrument {
        &mut self.instruments[usize::from(id.0) - 1]
    }

    /// Terms of a listed instrument.
    pub(crate) fn terms(&self, id: InstrumentId) -> &InstrumentTerms {
        &self.terms[usize::from(id.0) - 1]
    }

    /// Terms to change.
    pub(crate) fn terms_mut(&mut self, id: InstrumentId) -> &mut InstrumentTerms {
        &mut self.terms[usize::from(id.0) - 1]
    }
}

impl Instrument {
    /// True when `quantity` is a multiple of the lot.
    pub(crate) fn is_on_lot(&self, quantity: Qty) -> bool {
        self.lot.get() == 1 || self.lot.exact(quantity.0).is_some()
    }

    /// The tick of a limit price, when it is on the grid.
    pub(crate) fn tick_of(&self, price: Price) -> Option<u32> {
        self.tick.exact(price.0)
    }

    /// The price of a tick that [`Instrument::tick_of`] gave.
    pub(crate) fn price_of(&self, tick: u32) -> Price {
        Price(tick * self.tick.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplying_divides() {
        let edges = [0, 1, 2, 3, 99, 100, 101, 1_999_999_900, 1_999_999_901, u32::MAX - 1, u32::MAX];
        let divisors = [1, 2, 3, 7, 10, 100, 10_000, 999_999, 1 << 16, 1_999_999_900, u32::MAX - 1, u32::MAX];
        let mut seed = 0x5eed_u64;
        for divisor in divisors {
            let fast = Divisor::new(divisor);
            for number in edges {
                assert_eq!(fast.exact(number), (number % divisor == 0).then_some(number / divisor));
            }
            for _ in 0..10_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let number = u32::try_from(seed >> 32).unwrap();
                assert_eq!(fast.exact(number), (number % divisor == 0).then_some(number / divisor));
                let multiple = number / divisor * divisor;
                assert_eq!(fast.exact(multiple), Some(number / divisor));
            }
        }
    }
}
