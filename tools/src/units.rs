//! Amounts as people write them, and the integers on the wire (widths.md): exact both ways, or an error that names the field.

use protocol::command::ListInstrument;
use protocol::{Price, Qty, Symbol};
use rust_decimal::Decimal;

use crate::config::InstrumentConfig;

/// Why an amount cannot go on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitsError {
    /// No plain decimal number.
    #[error("{field} {text:?} is no plain decimal number, as 150.34")]
    NotDecimal {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// Zero or below.
    #[error("{field} {text} must be above zero")]
    NotPositive {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// More decimals than the instrument has.
    #[error("{field} {text} has too many decimals: {symbol} counts in steps of {step}")]
    TooFine {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
        /// Instrument.
        symbol: Symbol,
        /// Smallest step.
        step: String,
    },
    /// On the wire's scale, but not on the instrument's grid.
    #[error("{field} {text} is not on the grid of {symbol}: it must be a multiple of {step}")]
    OffGrid {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
        /// Instrument.
        symbol: Symbol,
        /// Tick or lot.
        step: String,
    },
    /// Larger than the field can hold.
    #[error("{field} {text} is too large: {symbol} takes at most {max}")]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
        /// Instrument.
        symbol: Symbol,
        /// Largest.
        max: String,
    },
}

/// The scale and the grid of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InstrumentUnits {
    /// Its name, for messages.
    pub(crate) symbol: Symbol,
    /// Decimals of a price, 0 to 12.
    pub(crate) price_decimals: u8,
    /// Decimals of a quantity, -9 to 12.
    pub(crate) qty_decimals: i8,
    /// Price step, wire units, not 0.
    pub(crate) tick: u32,
    /// Quantity step, wire units, not 0.
    pub(crate) lot: u32,
    /// Largest order, wire units.
    pub(crate) max_qty: u32,
}

impl From<&InstrumentConfig> for InstrumentUnits {
    fn from(config: &InstrumentConfig) -> Self {
        Self {
            symbol: config.symbol,
            price_decimals: config.price_decimals,
            qty_decimals: config.qty_decimals,
            tick: config.tick.0.max(1),
            lot: config.lot.0.max(1),
            max_qty: config.max_qty.0,
        }
    }
}

impl From<&ListInstrument> for InstrumentUnits {
    fn from(listed: &ListInstrument) -> Self {
        Self {
            symbol: listed.symbol,
            price_decimals: listed.price_decimals,
            qty_decimals: listed.qty_decimals,
            tick: listed.tick.0,
            lot: listed.lot.0,
            max_qty: listed.max_qty.0,
        }
    }
}

impl InstrumentUnits {
    /// A limit price, on the tick grid.
    ///
    /// # Errors
    /// [`UnitsError`], naming `field`.
    pub(crate) fn price(&self, field: &'static str, amount: Decimal) -> Result<Price, UnitsError> {
        let decimals = i32::from(self.price_decimals);
        let max = Price::LIMIT_MAX.0 - Price::LIMIT_MAX.0 % self.tick;
        self.units(field, amount, (decimals, self.tick, max)).map(Price)
    }

    /// The quantity of an order, on the lot grid.
    ///
    /// # Errors
    /// [`UnitsError`], naming `field`.
    pub(crate) fn quantity(&self, field: &'static str, amount: Decimal) -> Result<Qty, UnitsError> {
        self.units(field, amount, (i32::from(self.qty_decimals), self.lot, self.max_qty)).map(Qty)
    }

    /// A price as people write it; market sentinels as words.
    pub(crate) fn price_text(&self, price: u64) -> String {
        match u32::try_from(price) {
            Ok(price) if Price(price).is_market() => "market".to_owned(),
            _ => decimal_text(price, i32::from(self.price_decimals), i32::from(self.price_decimals).min(2)),
        }
    }

    /// A quantity as people write it.
    pub(crate) fn quantity_text(&self, quantity: u64) -> String {
        decimal_text(quantity, i32::from(self.qty_decimals), 0)
    }

    fn units(
        &self,
        field: &'static str,
        amount: Decimal,
        (decimals, grid, max): (i32, u32, u32),
    ) -> Result<u32, UnitsError> {
        let (text, symbol) = (amount.to_string(), self.symbol);
        if amount <= Decimal::ZERO {
            return Err(UnitsError::NotPositive { field, text });
        }
        let power = Decimal::from(10_u64.pow(decimals.unsigned_abs()));
        let scaled = if decimals >= 0 { amount.checked_mul(power) } else { amount.checked_div(power) };
        let plain = |units: u32| decimal_text(u64::from(units), decimals, 0);
        let too_large = || UnitsError::TooLarge { field, text: text.clone(), symbol, max: plain(max) };
        let scaled = scaled.ok_or_else(too_large)?;
        if !scaled.is_integer() {
            return Err(UnitsError::TooFine { field, text, symbol, step: plain(grid) });
        }
        let units = u32::try_from(scaled).ok().filter(|units| *units <= max).ok_or_else(too_large)?;
        if units % grid != 0 {
            return Err(UnitsError::OffGrid { field, text, symbol, step: plain(grid) });
        }
        Ok(units)
    }
}

/// `units` × 10^-`decimals`, with at least `shown_min` decimals and no further trailing zeros.
fn decimal_text(units: u64, decimals: i32, shown_min: i32) -> String {
    let scale = decimals.unsigned_abs();
    if decimals <= 0 {
        return (Decimal::from(units) * Decimal::from(10_u64.pow(scale))).to_string();
    }
    let mut value = Decimal::from(units);
    // A u64 with a scale of at most 12 always fits the 96 bits of a decimal.
    if value.set_scale(scale).is_err() {
        return units.to_string();
    }
    let mut value = value.normalize();
    if value.scale() < shown_min.unsigned_abs() {
        value.rescale(shown_min.unsigned_abs());
    }
    value.to_string()
}

/// A plain positive decimal number: digits and one point, nothing else. For the command line.
///
/// # Errors
/// [`UnitsError::NotDecimal`]: signs, exponents, words, more digits than exact arithmetic holds.
pub(crate) fn decimal(text: &str) -> Result<Decimal, UnitsError> {
    let wrong = || UnitsError::NotDecimal { field: "amount", text: text.to_owned() };
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let points = text.bytes().filter(|byte| *byte == b'.').count();
    if digits == 0 || points > 1 || digits + points != text.len() {
        return Err(wrong());
    }
    Decimal::from_str_exact(text).map_err(|_| wrong())
}

/// A whole number: digits and nothing else. For the command line.
///
/// # Errors
/// What was expected.
pub(crate) fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("expected a whole number, as 17".to_owned());
    }
    let number = text.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("expected a number below 2^{}", 8 * size_of::<T>()))
}

/// The name of an instrument, for the command line. Lower case is taken as upper case.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn symbol(text: &str) -> Result<Symbol, String> {
    let usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let symbol = Symbol::from_text(&text.to_ascii_uppercase()).filter(|_| usable);
    symbol.ok_or_else(|| format!("{text:?} is no symbol: 1 to 8 printable characters without spaces"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(price_decimals: u8, qty_decimals: i8, tick: u32, lot: u32, max_qty: u32) -> InstrumentUnits {
        let symbol = Symbol::from_text("TEST").unwrap();
        InstrumentUnits { symbol, price_decimals, qty_decimals, tick, lot, max_qty }
    }

    #[test]
    fn prices_are_exact() {
        let equity = units(4, 0, 100, 1, 999_999);
        for (text, wire) in
            [("150.34", 1_503_400), ("150.3400", 1_503_400), ("0.01", 100), ("199999.99", 1_999_999_900)]
        {
            assert_eq!(equity.price("price", decimal(text).unwrap()), Ok(Price(wire)), "{text}");
        }
        let token = units(12, 0, 1, 1, u32::MAX);
        assert_eq!(token.price("price", decimal("0.000000000012").unwrap()), Ok(Price(12)));
        let bitcoin = units(2, 5, 1, 1, u32::MAX);
        assert_eq!(bitcoin.price("price", decimal("104250.37").unwrap()), Ok(Price(10_425_037)));
        assert_eq!(bitcoin.quantity("quantity", decimal("42949.67295").unwrap()), Ok(Qty(u32::MAX)));
        let thousands = units(12, -3, 1, 1, u32::MAX);
        assert_eq!(thousands.quantity("quantity", decimal("5000000").unwrap()), Ok(Qty(5_000)));
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let equity = units(4, 0, 100, 1, 999_999);
        let price = |text: &str| equity.price("price", decimal(text).unwrap()).unwrap_err().to_string();
        let quantity = |text: &str| equity.quantity("quantity", decimal(text).unwrap()).unwrap_err().to_string();
        for (error, parts) in [
            (price("150.345"), ["price 150.345", "multiple of 0.01"]),
            (price("150.34001"), ["price 150.34001", "too many decimals"]),
            (price("0"), ["price 0", "above zero"]),
            (price("200000"), ["price 200000", "at most 199999.99"]),
            (price("9999999999999999999999999999"), ["too large", "199999.99"]),
            (quantity("1.5"), ["quantity 1.5", "steps of 1"]),
            (quantity("1000000"), ["quantity 1000000", "at most 999999"]),
            (quantity("0.00"), ["quantity 0.00", "above zero"]),
        ] {
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
        let thousands = units(12, -3, 1, 1, u32::MAX);
        let error = thousands.quantity("quantity", decimal("1500").unwrap()).unwrap_err();
        assert!(matches!(error, UnitsError::TooFine { .. }), "{error}");
    }

    #[test]
    fn only_plain_decimals_are_numbers() {
        for text in ["", ".", "1e5", "NaN", "inf", "-1", "+1", "1,5", "1.2.3", "0x10", " 1", "1_000", "٣"] {
            assert!(decimal(text).is_err(), "{text:?}");
        }
        assert!(decimal(&"9".repeat(40)).is_err());
        for text in ["1", "1.", ".5", "007", "0.000000000001"] {
            assert!(decimal(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn only_digits_are_whole_numbers() {
        for text in ["", "+5", "-1", " 1", "1.0", "x", "1e3"] {
            assert_eq!(whole::<u64>(text), Err("expected a whole number, as 17".to_owned()), "{text:?}");
        }
        assert_eq!((whole::<u64>("18446744073709551615"), whole::<u16>("65535")), (Ok(u64::MAX), Ok(65_535)));
        assert_eq!(whole::<u64>("18446744073709551616"), Err("expected a number below 2^64".to_owned()));
        assert_eq!(whole::<u16>("65536"), Err("expected a number below 2^16".to_owned()));
    }

    #[test]
    fn text_gives_the_same_units_back() {
        for (units, wire, text) in [
            (units(4, 0, 100, 1, 1), 1_503_400, "150.34"),
            (units(4, 0, 100, 1, 1), 1_500_000, "150.00"),
            (units(4, 0, 1, 1, 1), 1_500_001, "150.0001"),
            (units(6, 4, 1, 1, 1), 1, "0.000001"),
            (units(0, 0, 1, 1, 1), 150, "150"),
        ] {
            assert_eq!(units.price_text(wire), text);
            assert_eq!(units.price("price", decimal(text).unwrap()).map(|price| u64::from(price.0)), Ok(wire));
        }
        let bitcoin = units(2, 5, 1, 1, u32::MAX);
        assert_eq!(bitcoin.quantity_text(150_000), "1.5");
        assert_eq!(bitcoin.quantity_text(u64::MAX), "184467440737095.51615");
        assert_eq!(units(12, -3, 1, 1, 1).quantity_text(5), "5000");
        assert_eq!(bitcoin.price_text(2_000_000_000), "market");
    }

    #[test]
    fn symbols_fit_their_field() {
        assert_eq!(symbol("btc-usd"), Ok(Symbol::from_text("BTC-USD").unwrap()));
        for text in ["", "TOOLONGER", "A B", "ÄÖ"] {
            assert!(symbol(text).is_err(), "{text:?}");
        }
    }
}
