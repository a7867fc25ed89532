//! Amounts of money and of assets, and what they are amounts of. Every balance, notional and fee of the venue is an
//! [`Amount`]; prices and quantities stay in the wire units of their instrument and become amounts by exact integers.

use core::fmt;

use crate::types::{InstrumentId, Symbol};

/// An amount of a currency, or of an asset, in 10^−12 of its unit. Signed; arithmetic on it is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Amount(pub i128);

impl Amount {
    /// Decimals of an amount.
    pub const DECIMALS: u32 = 12;
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One unit of a currency.
    pub const ONE: Self = Self(1_000_000_000_000);
    /// The most that one deposit, limit or order may come to, 10^18 units: so that more of them than there can be
    /// commands in a lifetime still add up within the integer.
    pub const MAX: Self = Self(1_000_000_000_000_000_000_000_000_000_000);
    /// In a limit: none is set here.
    pub const UNSET: Self = Self(i128::MIN);

    /// The sum; `None` when it does not fit.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference; `None` when it does not fit.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// True for 0 up to [`Amount::MAX`].
    pub const fn is_in_range(self) -> bool {
        self.0 >= 0 && self.0 <= Self::MAX.0
    }
}

/// Decimal notation, without trailing zeros.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = Self::ONE.0.unsigned_abs();
        let (whole, rest) = (self.0.unsigned_abs() / unit, self.0.unsigned_abs() % unit);
        let sign = if self.0 < 0 { "-" } else { "" };
        if rest == 0 {
            return f.pad(&format!("{sign}{whole}"));
        }
        let digits = format!("{rest:012}");
        f.pad(&format!("{sign}{whole}.{}", digits.trim_end_matches('0')))
    }
}

macro_rules! currencies {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $code:literal;)+) => {
        /// A currency in which accounts hold balances. The number is stable and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Currency { $($(#[$doc])* $name = $number),+ }

        impl Currency {
            /// Every currency, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its number, from 1.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// From its number; `None` for any other.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Its code.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code),+
                }
            }

            /// From its code, in capitals.
            pub fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

currencies! {
    /// US dollar: limits and tiers count in it.
    Usd = 1, "USD";
    /// Tether.
    Usdt = 2, "USDT";
    /// Euro.
    Eur = 3, "EUR";
    /// Pound sterling.
    Gbp = 4, "GBP";
    /// Yen.
    Jpy = 5, "JPY";
    /// Dirham.
    Aed = 6, "AED";
    /// Bitcoin.
    Btc = 7, "BTC";
    /// Ether.
    Eth = 8, "ETH";
}

impl Currency {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its place in a table of [`Currency::COUNT`].
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// What a trade of an instrument exchanges: `base` against `quote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Legs {
    /// What is bought and sold; `None` = shares of the instrument itself.
    pub base: Option<Currency>,
    /// What it is paid in.
    pub quote: Currency,
}

impl Legs {
    /// What a symbol says: `BTC-USD` is bitcoin paid in dollars; what names no two currencies is shares paid in dollars.
    pub fn of_symbol(symbol: &Symbol) -> Self {
        let pair = symbol.as_text().split_once('-');
        let known = pair.and_then(|(base, quote)| Currency::from_code(base).zip(Currency::from_code(quote)));
        match known {
            Some((base, quote)) => Self { base: Some(base), quote },
            None => Self { base: None, quote: Currency::Usd },
        }
    }
}

/// What an account holds an amount of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asset {
    /// A currency.
    Currency(Currency),
    /// Shares of an instrument that is no pair of currencies.
    Shares(InstrumentId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        for (amount, text) in [
            (0, "0"),
            (1, "0.000000000001"),
            (-1, "-0.000000000001"),
            (1_500_000_000_000, "1.5"),
            (-150_340_000_000_000, "-150.34"),
            (Amount::MAX.0, "1000000000000000000"),
            (i128::MIN, "-170141183460469231731687303.715884105728"),
        ] {
            assert_eq!(Amount(amount).to_string(), text);
        }
    }

    #[test]
    fn symbols_of_pairs_name_their_legs() {
        let legs = |text| Legs::of_symbol(&Symbol::from_text(text).unwrap());
        assert_eq!(legs("BTC-USD"), Legs { base: Some(Currency::Btc), quote: Currency::Usd });
        assert_eq!(legs("ETH-BTC"), Legs { base: Some(Currency::Eth), quote: Currency::Btc });
        assert_eq!(legs("BTC-USDT").quote, Currency::Usdt);
        for text in ["AAPL", "BRK-B", "-USD", "USD-", "XRP-USD", ""] {
            assert_eq!(legs(text), Legs { base: None, quote: Currency::Usd }, "{text}");
        }
    }

    #[test]
    fn currencies_go_by_number_and_by_code() {
        assert_eq!(Currency::ALL.len(), 8);
        for currency in Currency::ALL {
            assert_eq!(Currency::from_number(currency.number()), Some(*currency));
            assert_eq!(Currency::from_code(currency.code()), Some(*currency));
            assert_eq!(Currency::ALL[currency.index()], *currency);
        }
        assert_eq!((Currency::from_number(0), Currency::from_number(9)), (None, None));
        assert_eq!(Currency::from_code("usd"), None);
    }
}
