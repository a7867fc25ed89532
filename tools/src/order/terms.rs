//! What an order can be besides a limit or market order: the words of the command line, and the OUCH fields they become.

use clap::ValueEnum;
use jiff::Timestamp;
use protocol::ouch::appendage::{AppendageBuffer, Element};
use protocol::{CrossType, Display, Nanos, TimeInForce};
use rust_decimal::Decimal;

use super::command::Tif;
use crate::units::{self, InstrumentUnits, UnitsError};

/// Order types, in words.
#[derive(Clone, Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Terms {
    /// Not on the feed
    #[arg(long, conflicts_with_all = ["named", "max_floor"])]
    hidden: bool,
    /// On the feed with the firm's name
    #[arg(long)]
    named: bool,
    /// Trade at least this at once, or nothing
    #[arg(long, value_name = "QTY", value_parser = units::decimal)]
    min_qty: Option<Decimal>,
    /// Show only so much: an iceberg
    #[arg(long, value_name = "QTY", value_parser = units::decimal)]
    max_floor: Option<Decimal>,
    /// Spread of the size of an iceberg's refills
    #[arg(long, value_name = "QTY", requires = "max_floor", value_parser = units::decimal)]
    random_reserve: Option<Decimal>,
    /// Dormant until the trigger price reaches this
    #[arg(long, value_name = "PRICE", value_parser = units::decimal)]
    stop: Option<Decimal>,
    /// Stop that follows the best trigger price at this distance
    #[arg(long, value_name = "DISTANCE", value_parser = units::decimal)]
    trail: Option<Decimal>,
    /// What a stop looks at
    #[arg(long, value_enum, value_name = "PRICE")]
    trigger: Option<Trigger>,
    /// Follow this price; the limit caps it
    #[arg(long, value_enum, value_name = "PRICE", requires = "hidden")]
    peg: Option<Peg>,
    /// Added to the price that is followed; a `-` before it is below
    #[arg(long, value_name = "AMOUNT", requires = "peg", allow_hyphen_values = true, value_parser = signed)]
    peg_offset: Option<(bool, Decimal)>,
    /// Seconds to live; with `--tif gtt`
    #[arg(long = "for", value_name = "SECONDS", required_if_eq("tif", "gtt"))]
    seconds: Option<u32>,
    /// Time of its end, as 2026-11-21T16:00:00Z; with `--tif gtd`
    #[arg(long, value_name = "TIME", required_if_eq("tif", "gtd"))]
    until: Option<Timestamp>,
    /// Only for this cross
    #[arg(long, value_enum, value_name = "CROSS")]
    cross: Option<Cross>,
    /// In the cross, trade only against what is left over
    #[arg(long, requires = "cross")]
    imbalance_only: bool,
    /// Keep from trading with orders of the same firm that say so too
    #[arg(long, value_enum, value_name = "WHAT")]
    self_match: Option<SelfMatch>,
    /// Label for mass cancels
    #[arg(long, value_name = "N")]
    group: Option<u16>,
    /// Cancel it when the session ends
    #[arg(long)]
    cancel_on_disconnect: bool,
}

/// What elects a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Trigger {
    /// The last trade
    Last,
    /// The best displayed price of the other side
    Quote,
    /// Half way between the best displayed prices
    Midpoint,
}

/// What a pegged order follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peg {
    /// The best price of its own side
    Primary,
    /// Half way between the best prices
    Midpoint,
    /// The best price of the other side
    Market,
}

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Cross {
    /// The opening cross
    Open,
    /// The closing cross
    Close,
    /// The cross after a halt
    Halt,
}

/// What happens instead of a trade with oneself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SelfMatch {
    /// The newer order is cancelled
    Newest,
    /// The older order is cancelled
    Oldest,
    /// Both lose what would have traded
    Decrement,
}

impl Terms {
    /// How it is shown.
    pub(super) fn display(&self) -> Display {
        match (self.hidden, self.named) {
            (true, _) => Display::Hidden,
            (false, true) => Display::Attributable,
            (false, false) => Display::Visible,
        }
    }

    /// Which matching it is for.
    pub(super) fn cross_type(&self) -> CrossType {
        match self.cross {
            None => CrossType::Continuous,
            Some(Cross::Open) => CrossType::Opening,
            Some(Cross::Close) => CrossType::Closing,
            Some(Cross::Halt) => CrossType::Halt,
        }
    }

    /// Adds the fields of these terms, for an order of this instrument and life.
    ///
    /// # Errors
    /// An amount that the instrument cannot have.
    pub(super) fn tags(&self, units: &InstrumentUnits, tif: Tif, tags: &mut AppendageBuffer) -> Result<(), UnitsError> {
        let quantity = |field, amount: Option<Decimal>| amount.map(|amount| units.quantity(field, amount)).transpose();
        let price = |field, amount: Option<Decimal>| {
            amount.map(|amount| units.price(field, amount).map(|price| u64::from(price.0))).transpose()
        };
        let time_in_force = TimeInForce::from(tif);
        let offset = match self.peg_offset {
            None => None,
            Some((below, amount)) => {
                let offset = i32::try_from(units.price("peg offset", amount)?.0).unwrap_or(i32::MAX);
                Some(if below { -offset } else { offset })
            }
        };
        let in_time = |wanted| time_in_force == wanted;
        let elements = [
            quantity("minimum quantity", self.min_qty)?.map(Element::MinQty),
            quantity("max floor", self.max_floor)?.map(Element::MaxFloor),
            self.peg.map(|peg| Element::PriceType(peg.letter())),
            offset.map(Element::PegOffset),
            quantity("random reserve", self.random_reserve)?.map(Element::RandomReserves),
            self.seconds.filter(|_| in_time(TimeInForce::Gtt)).map(Element::ExpireTime),
            self.imbalance_only.then_some(Element::HandleInst(b'I')),
            self.group.map(Element::GroupId),
            self.self_match.map(|what| Element::AiqStrategy(what.letter())),
            price("stop price", self.stop)?.map(Element::StopPrice),
            self.trigger.map(|trigger| Element::StopTrigger(trigger.letter())),
            price("trail", self.trail)?.map(Element::TrailOffset),
            self.until.filter(|_| in_time(TimeInForce::Gtd)).map(|until| Element::ExpireAt(nanos(until))),
            self.cancel_on_disconnect.then_some(Element::CancelOnDisconnect(b'Y')),
        ];
        elements.into_iter().flatten().for_each(|element| tags.push(element));
        Ok(())
    }
}

/// A time as the venue counts it; times before 1970 are 0, and refused there.
fn nanos(at: Timestamp) -> Nanos {
    Nanos(u64::try_from(at.as_nanosecond()).unwrap_or(0))
}

impl Trigger {
    fn letter(self) -> u8 {
        match self {
            Self::Last => b'L',
            Self::Quote => b'Q',
            Self::Midpoint => b'M',
        }
    }
}

impl Peg {
    fn letter(self) -> u8 {
        match self {
            Self::Primary => b'R',
            Self::Midpoint => b'M',
            Self::Market => b'P',
        }
    }
}

impl SelfMatch {
    fn letter(self) -> u8 {
        match self {
            Self::Newest => b'W',
            Self::Oldest => b'O',
            Self::Decrement => b'D',
        }
    }
}

/// An amount with or without a `-`: (below, how much).
fn signed(text: &str) -> Result<(bool, Decimal), UnitsError> {
    let (below, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    Ok((below, units::decimal(digits)?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use protocol::{Qty, Symbol};

    use super::super::command::{Enter, Line, OrderCommand};
    use super::*;

    fn order(words: &str) -> Result<Enter, String> {
        match Line::try_parse_from(words.split_whitespace()) {
            Ok(Line::Order(OrderCommand::Buy(enter) | OrderCommand::Sell(enter))) => Ok(enter),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn fields(words: &str) -> (Display, CrossType, Vec<Element>) {
        let enter = order(words).unwrap();
        let symbol = Symbol::from_text("AAPL").unwrap();
        let units = InstrumentUnits { symbol, price_decimals: 4, qty_decimals: 0, tick: 100, lot: 1, max_qty: 999_999 };
        let mut tags = AppendageBuffer::new();
        enter.terms.tags(&units, enter.tif, &mut tags).unwrap();
        (enter.terms.display(), enter.terms.cross_type(), tags.appendage().elements().collect())
    }

    #[test]
    fn each_order_type_has_its_fields() {
        let cases: [(&str, Vec<Element>); 10] = [
            ("buy aapl 100 @ 10", vec![]),
            (
                "buy aapl 100 @ 10 --max-floor 20 --random-reserve 5",
                vec![Element::MaxFloor(Qty(20)), Element::RandomReserves(Qty(5))],
            ),
            ("sell aapl 100 @ market --stop 9.50", vec![Element::StopPrice(95_000)]),
            (
                "sell aapl 100 @ 9 --trail 0.25 --trigger quote",
                vec![Element::StopTrigger(b'Q'), Element::TrailOffset(2_500)],
            ),
            (
                "buy aapl 100 @ market --hidden --peg primary --peg-offset -0.02",
                vec![Element::PriceType(b'R'), Element::PegOffset(-200)],
            ),
            ("buy aapl 100 @ 10 --tif gtt --for 60", vec![Element::ExpireTime(60)]),
            ("buy aapl 100 @ 10 --tif gtd --until 1970-01-01T00:00:01Z", vec![Element::ExpireAt(Nanos(1_000_000_000))]),
            ("buy aapl 100 @ 10 --tif ioc --min-qty 50", vec![Element::MinQty(Qty(50))]),
            (
                "buy aapl 100 @ 10 --self-match oldest --group 7 --cancel-on-disconnect",
                vec![Element::GroupId(7), Element::AiqStrategy(b'O'), Element::CancelOnDisconnect(b'Y')],
            ),
            ("buy aapl 100 @ 10 --cross close --imbalance-only", vec![Element::HandleInst(b'I')]),
        ];
        for (words, expected) in cases {
            assert_eq!(fields(words).2, expected, "{words}");
        }
        assert_eq!(fields("buy aapl 1 @ 10 --named").0, Display::Attributable);
        assert_eq!(fields("buy aapl 1 @ 10 --hidden").0, Display::Hidden);
        assert_eq!(fields("buy aapl 1 @ market --cross open").1, CrossType::Opening);
    }

    #[test]
    fn words_that_do_not_go_together_are_no_request() {
        for words in [
            "buy aapl 1 @ 10 --tif gtt",
            "buy aapl 1 @ 10 --tif gtd",
            "buy aapl 1 @ 10 --random-reserve 5",
            "buy aapl 1 @ 10 --peg midpoint",
            "buy aapl 1 @ 10 --peg-offset 1",
            "buy aapl 1 @ 10 --hidden --max-floor 5",
            "buy aapl 1 @ 10 --imbalance-only",
            "buy aapl 1 @ 10 --stop -5",
            "buy aapl 1 @ 10 --tif gtd --until tomorrow",
        ] {
            assert!(order(words).is_err(), "{words}");
        }
    }
}
