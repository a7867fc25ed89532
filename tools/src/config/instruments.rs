//! What is listed: from decimals as people write them to wire units.

use std::collections::BTreeSet;

use gateway_edge::FullNames;
use protocol::{Price, Qty, Symbol};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::LoadConfigError;
use super::check::Check;
use super::sections::File;

/// An instrument as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstrumentEntry {
    symbol: String,
    price_decimals: u8,
    qty_decimals: i8,
    tick: String,
    lot: String,
    max_qty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference_price: Option<String>,
}

/// One instrument, in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentConfig {
    /// Its name.
    pub symbol: Symbol,
    /// Decimals of a price, 0..=12.
    pub price_decimals: u8,
    /// Decimals of a quantity, −9..=12.
    pub qty_decimals: i8,
    /// Price step.
    pub tick: Price,
    /// Quantity step.
    pub lot: Qty,
    /// Largest order.
    pub max_qty: Qty,
    /// 0 = none.
    pub reference_price: Price,
}

impl Check<'_> {
    /// All instruments, in the order of the file.
    pub(super) fn instruments(&self, file: &File) -> Result<Vec<InstrumentConfig>, LoadConfigError> {
        let mut symbols = BTreeSet::new();
        let mut instruments = Vec::new();
        for entry in &file.instruments {
            let instrument = self.instrument(entry)?;
            if !symbols.insert(instrument.symbol) {
                return Err(self.bad("instruments.symbol", &entry.symbol, "each symbol once"));
            }
            instruments.push(instrument);
        }
        if instruments.is_empty() || instruments.len() > usize::from(file.limits.instruments_max) {
            return Err(self.bad(
                "instruments",
                instruments.len(),
                &format!("1 to {} instruments (limits.instruments_max)", file.limits.instruments_max),
            ));
        }
        Ok(instruments)
    }

    /// What instruments are called, those that are listed here or may be added later.
    pub(super) fn names(&self, file: &File) -> Result<FullNames, LoadConfigError> {
        const NAME_BYTES_MAX: usize = 128;
        let mut names = FullNames::new();
        for (symbol, name) in &file.names {
            let key = format!("names.{symbol}");
            let known = Symbol::from_text(symbol).filter(|_| !symbol.is_empty());
            let symbol = known.ok_or_else(|| self.bad(&key, symbol, "a symbol of 1 to 8 characters"))?;
            if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
                return Err(self.bad(&key, format!("{name:?}"), "1 to 128 bytes of text on one line"));
            }
            names.insert(symbol, name.clone());
        }
        Ok(names)
    }

    /// The listing check of widths.md, points 1 and 2.
    fn instrument(&self, entry: &InstrumentEntry) -> Result<InstrumentConfig, LoadConfigError> {
        let key = |field: &str| format!("instruments {} {field}", entry.symbol);
        let symbol = Symbol::from_text(&entry.symbol)
            .filter(|_| !entry.symbol.is_empty() && entry.symbol.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| self.bad(&key("symbol"), &entry.symbol, "1 to 8 printable characters without spaces"))?;
        let (price_decimals, qty_decimals) = (entry.price_decimals, entry.qty_decimals);
        if price_decimals > 12 || !(-9..=12).contains(&qty_decimals) {
            return Err(self.bad(
                &key("decimals"),
                format!("{price_decimals} and {qty_decimals}"),
                "price_decimals 0 to 12, qty_decimals -9 to 12",
            ));
        }
        if i16::from(price_decimals) + i16::from(qty_decimals) > 12 {
            return Err(self.bad(
                &key("decimals"),
                format!("{price_decimals} and {qty_decimals}"),
                "price_decimals + qty_decimals at most 12",
            ));
        }
        let price = |field: &str, text: &str| {
            wire_units(text, i32::from(price_decimals), u64::from(Price::LIMIT_MAX.0))
                .map_err(|expected| self.bad(&key(field), format!("{text:?}"), &expected))
        };
        let qty = |field: &str, text: &str| {
            wire_units(text, i32::from(qty_decimals), u64::from(u32::MAX))
                .map_err(|expected| self.bad(&key(field), format!("{text:?}"), &expected))
        };
        let tick = Price(price("tick", &entry.tick)?);
        let lot = Qty(qty("lot", &entry.lot)?);
        let max_qty = Qty(qty("max_qty", &entry.max_qty)?);
        let reference_price =
            Price(entry.reference_price.as_ref().map_or(Ok(0), |text| price("reference_price", text))?);
        if max_qty < lot {
            return Err(self.bad(&key("max_qty"), &entry.max_qty, "at least the lot"));
        }
        if !reference_price.0.is_multiple_of(tick.0) {
            return Err(self.bad(&key("reference_price"), reference_price, "a multiple of the tick"));
        }
        Ok(InstrumentConfig { symbol, price_decimals, qty_decimals, tick, lot, max_qty, reference_price })
    }
}

/// A positive decimal as an integer of `10^-decimals` units, at most `max`; else what was expected.
pub fn wire_units(text: &str, decimals: i32, max: u64) -> Result<u32, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value =
        plain.then(|| Decimal::from_str_exact(text).ok()).flatten().ok_or("a positive decimal number, as \"0.01\"")?;
    let power = Decimal::from(10_u64.pow(decimals.unsigned_abs()));
    let units = if decimals >= 0 { value.checked_mul(power) } else { value.checked_div(power) };
    let units = units.filter(|units| units.is_integer() && !units.is_zero());
    let units = units.and_then(|units| u64::try_from(units).ok()).filter(|&units| units <= max);
    units
        .and_then(|units| u32::try_from(units).ok())
        .ok_or_else(|| format!("1 to {max} units of 10^{} without a remainder", -decimals))
}
