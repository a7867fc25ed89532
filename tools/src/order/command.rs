//! What can be asked for by hand, on the command line and at the prompt alike.

use clap::{Parser, Subcommand, ValueEnum};
use protocol::{Symbol, TimeInForce};
use rust_decimal::Decimal;

use super::terms::Terms;
use crate::units;

/// One line at the prompt.
#[derive(Debug, Parser)]
#[command(
    no_binary_name = true,
    multicall = false,
    disable_version_flag = true,
    help_template = "{subcommands}",
    arg_required_else_help = true
)]
#[expect(clippy::large_enum_variant, reason = "one line of a person at a time")]
pub(crate) enum Line {
    /// A request.
    #[command(flatten)]
    Order(OrderCommand),
    /// End; open orders stay.
    #[command(alias = "exit")]
    Quit,
}

/// One request.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// Buy: `buy AAPL 100 @ 150.34`, `buy AAPL 100 @ market`
    Buy(Enter),
    /// Sell: `sell AAPL 100 @ 150.34`
    Sell(Enter),
    /// Replace an order: `replace 1 --qty 200 --price 150.35`
    Replace(Replace),
    /// Cancel an order, or a part of it: `cancel 1`, `cancel 1 --qty 40`; as the operator: `cancel DEMO02 1`
    Cancel(Cancel),
    /// Show the open orders and the next number
    Query,
}

/// A new order.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Enter {
    /// Instrument
    #[arg(value_parser = units::symbol)]
    pub(crate) symbol: Symbol,
    /// Quantity, in decimals
    #[arg(value_name = "QTY", allow_negative_numbers = true, value_parser = units::decimal)]
    pub(crate) quantity: Decimal,
    /// Limit price in decimals, or `market`; an `@` may stand before it
    #[arg(value_name = "@ PRICE|market", required = true, num_args = 1..=2, allow_negative_numbers = true, value_parser = price_word)]
    pub(crate) price: Vec<PriceWord>,
    /// How long it stays
    #[arg(long, value_enum, default_value_t = Tif::Day)]
    pub(crate) tif: Tif,
    /// Refuse to take: cancelled instead of trading on entry
    #[arg(long)]
    pub(crate) post_only: bool,
    /// Order types
    #[command(flatten)]
    pub(crate) terms: Terms,
    /// Text of yours that comes back with the answers, at most 14 characters
    #[arg(long, value_name = "TEXT", value_parser = cl_ord_id)]
    pub(crate) cl_ord_id: Option<protocol::ClOrdId>,
}

impl Enter {
    /// The price, when the words are `PRICE`, `@ PRICE`, or the same with `market`.
    pub(crate) fn price(&self) -> Option<PriceWord> {
        match self.price.as_slice() {
            [PriceWord::At, price] | [price] if *price != PriceWord::At => Some(*price),
            _ => None,
        }
    }
}

/// A replacement.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Replace {
    /// Number of the order
    #[arg(value_name = "NUM", value_parser = units::whole::<u32>)]
    pub(crate) number: u32,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// What is new about a replacement: at least one of them.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Change {
    /// New total size in decimals, what was executed included; as it is when left out
    #[arg(long = "qty", value_name = "QTY", allow_negative_numbers = true, value_parser = units::decimal)]
    pub(crate) quantity: Option<Decimal>,
    /// New limit price in decimals; as it is when left out
    #[arg(long, value_name = "PRICE", allow_negative_numbers = true, value_parser = units::decimal)]
    pub(crate) price: Option<Decimal>,
}

/// A cancel.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Cancel {
    /// Number of the order; the operator of a venue on this host names the account before it
    #[arg(value_name = "[ACCOUNT] NUM", required = true, num_args = 1..=2)]
    pub(crate) words: Vec<String>,
    /// Channel of the order, for the operator
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) channel: u8,
    /// Total size to leave in decimals, what was executed included; nothing is left open when left out
    #[arg(long = "qty", value_name = "QTY", allow_negative_numbers = true, value_parser = units::decimal)]
    pub(crate) quantity: Option<Decimal>,
}

/// Whose order is to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CancelTarget<'a> {
    /// One's own.
    Own(u32),
    /// Anybody's, by the operator.
    Of(&'a str, u32),
}

impl Cancel {
    /// What the words mean; `None` when the last one is no number.
    pub(crate) fn target(&self) -> Option<CancelTarget<'_>> {
        match self.words.as_slice() {
            [number] => number.parse().ok().map(CancelTarget::Own),
            [account, number] => number.parse().ok().map(|number| CancelTarget::Of(account, number)),
            _ => None,
        }
    }
}

/// How long an order stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tif {
    /// Until the end of the day
    Day,
    /// Trade at once, cancel the rest
    Ioc,
    /// Trade all at once or nothing
    Fok,
    /// Until cancelled
    Gtc,
    /// Extended hours
    Gtx,
    /// Seconds to live, see `--for`
    Gtt,
    /// Until a time, see `--until`
    Gtd,
}

impl From<Tif> for TimeInForce {
    fn from(tif: Tif) -> Self {
        match tif {
            Tif::Day => Self::Day,
            Tif::Ioc => Self::Ioc,
            Tif::Fok => Self::Fok,
            Tif::Gtc => Self::Gtc,
            Tif::Gtx => Self::Gtx,
            Tif::Gtt => Self::Gtt,
            Tif::Gtd => Self::Gtd,
        }
    }
}

/// A word where a price is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PriceWord {
    /// The `@` before it.
    At,
    /// No limit.
    Market,
    /// A limit.
    Limit(Decimal),
}

fn price_word(text: &str) -> Result<PriceWord, units::UnitsError> {
    if text == "@" {
        return Ok(PriceWord::At);
    }
    let text = text.strip_prefix('@').unwrap_or(text);
    if text.eq_ignore_ascii_case("market") {
        return Ok(PriceWord::Market);
    }
    units::decimal(text).map(PriceWord::Limit)
}

fn cl_ord_id(text: &str) -> Result<protocol::ClOrdId, String> {
    protocol::ClOrdId::from_text(text).ok_or_else(|| "at most 14 printable ASCII characters".to_owned())
}
