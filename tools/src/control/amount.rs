//! Amounts as people write them, for the operator: plain decimals become integers of 10^−12, exactly, or a message that
//! says what is wrong.

use protocol::Amount;
use rust_decimal::Decimal;

/// Written for a limit that is to be removed.
pub const NONE: &str = "none";

/// A plain decimal number from 0 to 10^18 with at most 12 decimals: digits and one point, no sign, no exponent.
///
/// # Errors
/// What was written and what was expected.
pub fn amount(text: &str) -> Result<Amount, String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let points = text.bytes().filter(|byte| *byte == b'.').count();
    if digits == 0 || points > 1 || digits + points != text.len() {
        return Err(format!("{text:?} is no plain decimal number, as 150.34"));
    }
    let too_large = || format!("{text} is too large: at most {}", Amount::MAX);
    let value = Decimal::from_str_exact(text)
        .map_err(|_| format!("{text} has too many digits: at most {} before and 12 after the point", Amount::MAX))?
        .normalize();
    let missing =
        Amount::DECIMALS.checked_sub(value.scale()).ok_or_else(|| format!("{text} has more than 12 decimals"))?;
    let scaled = value.mantissa().checked_mul(10_i128.pow(missing)).map(Amount);
    scaled.filter(|amount| amount.is_in_range()).ok_or_else(too_large)
}

/// An amount above zero.
///
/// # Errors
/// As [`amount`], and for zero.
pub fn positive(text: &str) -> Result<Amount, String> {
    let amount = amount(text)?;
    if amount == Amount::ZERO { Err(format!("{text} must be above zero")) } else { Ok(amount) }
}

/// The value of a limit, or `none` to remove it.
///
/// # Errors
/// As [`amount`].
pub fn limit(text: &str) -> Result<Amount, String> {
    if text == NONE { Ok(Amount::UNSET) } else { amount(text) }
}

/// A limit that counts: a whole number, or `none`.
///
/// # Errors
/// As [`amount`], and for fractions.
pub fn count(text: &str) -> Result<Amount, String> {
    let value = limit(text)?;
    if value == Amount::UNSET || value.0 % Amount::ONE.0 == 0 {
        Ok(value)
    } else {
        Err(format!("{text} is no whole number"))
    }
}

/// The largest rate per second.
const RATE_MAX: i128 = 1_000_000_000;

/// A limit per second: a whole number up to 1,000,000,000, or `none`.
///
/// # Errors
/// As [`count`], and beyond that.
pub fn rate(text: &str) -> Result<Amount, String> {
    let value = count(text)?;
    if value == Amount::UNSET || value.0 <= RATE_MAX * Amount::ONE.0 {
        Ok(value)
    } else {
        Err(format!("{text} is too large: at most {RATE_MAX} per second"))
    }
}

/// The largest collar, in percent.
const PERCENT_MAX: i128 = 100_000;

/// A limit in percent, or `none`; 5 becomes 0.05.
///
/// # Errors
/// As [`amount`], for more than 10 decimals and for more than 100,000 percent.
pub fn percent(text: &str) -> Result<Amount, String> {
    let value = limit(text)?;
    if value == Amount::UNSET {
        return Ok(value);
    }
    if value.0 > PERCENT_MAX * Amount::ONE.0 {
        return Err(format!("{text} is too large: at most {PERCENT_MAX} percent"));
    }
    if value.0 % 100 == 0 {
        Ok(Amount(value.0 / 100))
    } else {
        Err(format!("{text} percent has more than 10 decimals"))
    }
}

/// A limit as it is written on the wire.
pub fn text(value: Amount) -> String {
    if value == Amount::UNSET { NONE.to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, units) in [
            ("1", 1_000_000_000_000),
            ("0", 0),
            ("150.34", 150_340_000_000_000),
            ("150.3400", 150_340_000_000_000),
            (".5", 500_000_000_000),
            ("5.", 5_000_000_000_000),
            ("0.000000000001", 1),
            ("007", 7_000_000_000_000),
            ("1.0000000000000", 1_000_000_000_000),
            ("1000000000000000000", Amount::MAX.0),
            ("999999999999999.999999999999", 999_999_999_999_999_999_999_999_999),
        ] {
            assert_eq!(amount(text), Ok(Amount(units)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            ".",
            "NaN",
            "nan",
            "inf",
            "-1",
            "+1",
            "1e5",
            "1E5",
            "1,5",
            "1.2.3",
            "0x10",
            " 1",
            "1 ",
            "1_000",
            "٣",
            "0.0000000000001",
            "1000000000000000000.1",
            "1000000000000000001",
            "99999999999999999999",
            "99999999999999999999999999999999999999999",
        ] {
            let error = amount(text).expect_err(text);
            assert!(error.contains(text.trim_matches('"')), "{text:?}: {error}");
        }
        assert!(positive("0.00").is_err());
        assert!(count("1.5").is_err());
        assert!(percent("0.00000000001").is_err());
        assert_eq!(percent("100000"), Ok(Amount(1_000 * Amount::ONE.0)));
        assert_eq!(percent("100000.01"), Err("100000.01 is too large: at most 100000 percent".to_owned()));
        assert_eq!(rate("1000000000"), Ok(Amount(RATE_MAX * Amount::ONE.0)));
        assert_eq!(rate("1000000001"), Err("1000000001 is too large: at most 1000000000 per second".to_owned()));
        assert!(rate("1.5").is_err() && rate("none") == Ok(Amount::UNSET));
    }

    #[test]
    fn limits_have_their_own_words() {
        assert_eq!(limit("none"), Ok(Amount::UNSET));
        assert_eq!(text(Amount::UNSET), "none");
        assert_eq!(percent("5"), Ok(Amount(50_000_000_000)));
        assert_eq!(percent("none"), Ok(Amount::UNSET));
        assert_eq!(count("10"), Ok(Amount(10_000_000_000_000)));
    }
}
