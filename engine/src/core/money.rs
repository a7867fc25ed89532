//! Exact arithmetic of money: notionals, fees, reference rates and rates per second. Integers only, checked everywhere: what
//! does not fit is `None`, never a wrapped number.

use protocol::Amount;
use protocol::types::Nanos;

/// Parts of a million.
const MILLION: i128 = 1_000_000;

/// How the wire units of an instrument become amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Amount of one wire unit of quantity.
    pub(crate) quantity: i128,
    /// Amount of one wire unit of price times one of quantity.
    pub(crate) notional: i128,
    /// The same where it fits, as it nearly always does; else 0.
    narrow: u64,
}

impl Scale {
    /// Of an instrument that was listed: decimals of a price 0..=12, of a quantity −9..=12, together at most 12. Amounts
    /// have 12, so both factors are whole.
    pub(crate) fn new(price_decimals: u8, qty_decimals: i8) -> Self {
        let quantity = 12 - i32::from(qty_decimals);
        let notional = quantity - i32::from(price_decimals);
        let power = |exponent: i32| u32::try_from(exponent).map_or(1, |exponent| 10_i128.pow(exponent));
        let narrow = u64::try_from(power(notional)).unwrap_or(0);
        Self { quantity: power(quantity), notional: power(notional), narrow }
    }

    /// Amount of one wire unit of notional where it fits; else 0.
    pub(crate) fn narrow(self) -> u64 {
        self.narrow
    }

    /// What a price times a quantity comes to: as [`Scale::notional`], with one product where the unit fits 64 bits.
    #[inline]
    pub(crate) fn notional_of(self, price: u32, quantity: u32) -> Option<Amount> {
        let wire = u64::from(price) * u64::from(quantity);
        if self.narrow == 0 {
            return self.notional(wire.into());
        }
        i128::try_from(u128::from(wire) * u128::from(self.narrow)).ok().map(Amount)
    }

    /// What a quantity comes to, in units of what is traded.
    pub(crate) fn quantity(self, quantity: i128) -> Option<Amount> {
        quantity.checked_mul(self.quantity).map(Amount)
    }

    /// What wire units of price × quantity come to, in the currency that is paid.
    pub(crate) fn notional(self, wire: i128) -> Option<Amount> {
        wire.checked_mul(self.notional).map(Amount)
    }

    /// The quantity of an amount, when it is a whole number of wire units.
    pub(crate) fn wire_quantity(self, amount: Amount) -> Option<i128> {
        (amount.0 % self.quantity == 0).then(|| amount.0 / self.quantity)
    }
}

/// Price times quantity, in wire units: below 2^63 × 2 for all prices and quantities, and signed.
pub(crate) fn wire_notional(price: u32, quantity: u32) -> i128 {
    i128::from(u64::from(price) * u64::from(quantity))
}

/// The fee on a notional of 0 or more: rounded up against the payer; below zero it is a rebate, and rounded down.
pub(crate) fn fee(notional: Amount, ppm: i32) -> Option<Amount> {
    notional.0.checked_mul(i128::from(ppm)).map(|parts| Amount(div_ceil(parts, MILLION)))
}

/// The smallest whole number that is not below `number / divisor`, for a divisor above 0.
fn div_ceil(number: i128, divisor: i128) -> i128 {
    let quotient = number / divisor;
    if number % divisor > 0 { quotient + 1 } else { quotient }
}

/// An amount at a reference rate, rounded towards zero; no intermediate result is larger than it must be.
#[inline]
pub(crate) fn at_rate(amount: Amount, rate: Amount) -> Option<Amount> {
    // Dollars: a division of 128 bits costs more than all other checks together.
    if rate == Amount::ONE {
        return Some(amount);
    }
    let (whole, rest) = (amount.0 / Amount::ONE.0, amount.0 % Amount::ONE.0);
    let part = rest.checked_mul(rate.0)? / Amount::ONE.0;
    whole.checked_mul(rate.0)?.checked_add(part).map(Amount)
}

/// True when a price has moved further from another one than `parts` of that one (an amount of 0.05 is 5 %); the
/// distance that is allowed is rounded down to whole units, and a division is not needed for that.
#[inline]
pub(crate) fn is_beyond(price: u32, mark: u32, parts: Amount) -> bool {
    let distance = i128::from(price.abs_diff(mark)) * Amount::ONE.0;
    i128::from(mark).checked_mul(parts.0).is_none_or(|most| distance > most)
}

/// Allows so many events per second: a bucket that holds those of one second and is filled up at every full millisecond. In
/// billionths of an event, so that every rate is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// What is in it at `at`.
    pub(crate) level: u64,
    /// The beginning of the millisecond of the last event.
    pub(crate) at: Nanos,
}

/// One event, as [`Bucket::level`] counts.
pub(crate) const EVENT: u64 = 1_000_000_000;
/// A second in nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// A millisecond: buckets are filled up at its beginning.
pub(crate) const STEP: u64 = 1_000_000;

/// The beginning of the millisecond of a time.
pub(crate) fn step_of(now: Nanos) -> Nanos {
    Nanos(now.0 - now.0 % STEP)
}

impl Bucket {
    /// Full, whatever the rate.
    pub(crate) const FULL: Self = Self { level: u64::MAX, at: Nanos(0) };
    /// The largest rate.
    pub(crate) const RATE_MAX: u64 = 1_000_000_000;

    /// What is in it now, for a rate of at most [`Bucket::RATE_MAX`].
    #[inline]
    pub(crate) fn level(self, rate: u64, now: Nanos) -> u64 {
        let elapsed = step_of(now).0.saturating_sub(self.at.0).min(SECOND);
        self.level.saturating_add(elapsed * rate).min(rate * EVENT)
    }

    /// One more event is allowed now.
    pub(crate) fn allows(self, rate: u64, now: Nanos) -> bool {
        self.level(rate, now) >= EVENT
    }

    /// After events of one millisecond that come to this.
    #[inline]
    pub(crate) fn less(self, events: u64, rate: u64, now: Nanos) -> Self {
        Self { level: self.level(rate, now).saturating_sub(events), at: step_of(now) }
    }

    /// One event happened; one that was not allowed empties it.
    pub(crate) fn take(&mut self, rate: u64, now: Nanos) {
        *self = self.less(EVENT, rate, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRICE_MAX: u32 = 1_999_999_900;

    #[test]
    fn the_largest_order_of_every_instrument_is_counted_or_refused() {
        for price_decimals in 0..=12_u8 {
            for qty_decimals in -9..=12_i8 {
                if i16::from(price_decimals) + i16::from(qty_decimals) > 12 {
                    continue;
                }
                let scale = Scale::new(price_decimals, qty_decimals);
                let wire = wire_notional(PRICE_MAX, u32::MAX);
                let exact = u128::from(PRICE_MAX) * u128::from(u32::MAX);
                assert_eq!(wire.unsigned_abs(), exact);
                let wanted =
                    exact.checked_mul(scale.notional.unsigned_abs()).filter(|wide| *wide <= i128::MAX.unsigned_abs());
                assert_eq!(scale.notional(wire).map(|amount| amount.0.unsigned_abs()), wanted);
                assert_eq!(scale.notional_of(PRICE_MAX, u32::MAX), scale.notional(wire));
                assert_eq!(scale.notional_of(1, 7), scale.notional(7));
            }
        }
    }

    #[test]
    fn units_come_to_what_people_say() {
        let equity = Scale::new(4, 0);
        assert_eq!(equity.notional(wire_notional(1_503_400, 100)).unwrap().to_string(), "15034");
        let bitcoin = Scale::new(2, 5);
        assert_eq!(bitcoin.notional(wire_notional(10_425_037, 150_000)).unwrap().to_string(), "156375.555");
        assert_eq!(bitcoin.quantity(150_000).unwrap().to_string(), "1.5");
        let token = Scale::new(12, -9);
        assert_eq!(token.quantity(3).unwrap().to_string(), "3000000000");
        assert_eq!(bitcoin.wire_quantity(Amount(1)), None);
        assert_eq!(bitcoin.wire_quantity(Amount(10_000_000)), Some(1));
    }

    #[test]
    fn fees_round_against_who_gets_the_better_of_it() {
        assert_eq!(fee(Amount(1_000_000), 1_000), Some(Amount(1_000)));
        assert_eq!(fee(Amount(1_000_001), 1_000), Some(Amount(1_001)));
        assert_eq!(fee(Amount(1_000_001), -1_000), Some(Amount(-1_000)));
        assert_eq!(fee(Amount(1), 1), Some(Amount(1)));
        assert_eq!(fee(Amount(1), -1), Some(Amount(0)));
        assert_eq!(fee(Amount(i128::MAX), 2), None);
        assert_eq!(fee(Amount::MAX, 100_000), Some(Amount(Amount::MAX.0 / 10)));
    }

    proptest! {
        #[test]
        fn a_fee_is_the_least_that_covers_the_rate(notional in 0..=Amount::MAX.0, ppm in -100_000..=100_000_i32) {
            let fee = fee(Amount(notional), ppm).unwrap().0;
            let exact = notional * i128::from(ppm);
            prop_assert!(fee * MILLION >= exact && (fee - 1) * MILLION < exact);
        }

        #[test]
        fn rates_lose_less_than_one_part(amount in 0..=Amount::MAX.0, rate in 1..=1_000_000_000_000_000_000_i128) {
            let converted = at_rate(Amount(amount), Amount(rate));
            match amount.checked_mul(rate) {
                Some(product) => prop_assert_eq!(converted, Some(Amount(product / Amount::ONE.0))),
                None => if let Some(converted) = converted {
                    prop_assert!(converted.0 / rate <= amount / Amount::ONE.0 + 1);
                },
            }
        }

        #[test]
        fn a_bucket_keeps_its_rate(rate in 1..5_000_000_u64, seed in any::<u64>()) {
            // Somebody who asks all the time gets what the rate says, and the second in the bucket at the start.
            let (mut bucket, mut now, mut allowed, mut steps) = (Bucket::FULL, 1_u64 << 60, 0_u64, seed);
            let start = now;
            while now < start + 5 * SECOND && allowed < 20_000 {
                steps = steps.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                now += (steps >> 33) % (SECOND / rate / 2 + 2);
                if bucket.allows(rate, Nanos(now)) {
                    bucket.take(rate, Nanos(now));
                    allowed += 1;
                }
            }
            let most = rate + (now - start + STEP) * rate / SECOND + 1;
            prop_assert!(allowed <= most, "{} of at most {}", allowed, most);
            prop_assert!(allowed * 100 >= most.min(20_000) * 99 - 100, "{} of {}", allowed, most);
        }

        #[test]
        fn nothing_panics(amount in any::<i128>(), rate in any::<i128>(), ppm in any::<i32>(), price in any::<u32>()) {
            let _ = fee(Amount(amount), ppm);
            let _ = at_rate(Amount(amount), Amount(rate));
            let _ = is_beyond(price, u32::MAX, Amount(amount));
            let _ = Scale::new(0, -9).notional(amount);
            let _ = Scale::new(0, -9).quantity(amount);
        }
    }

    #[test]
    fn rates_at_the_bounds() {
        let now = Nanos(u64::MAX);
        assert!(!Bucket::FULL.allows(0, now));
        let mut bucket = Bucket::FULL;
        for _ in 0..3 {
            assert!(bucket.allows(3, Nanos(5)));
            bucket.take(3, Nanos(5));
        }
        assert!(!bucket.allows(3, Nanos(5)));
        assert!(!bucket.allows(3, Nanos(334 * STEP - 1)), "333 ms are not enough");
        assert!(bucket.allows(3, Nanos(334 * STEP)), "it is filled up as a millisecond begins");
        assert!(Bucket::FULL.allows(Bucket::RATE_MAX, now));
    }
}
