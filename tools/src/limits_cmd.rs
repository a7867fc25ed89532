//! `hft limits`: limits of a firm, an instrument or the whole venue; and the words for limits that `hft account limits` shares.

use std::process::ExitCode;

use clap::Subcommand;
use protocol::Amount;
use protocol::operator::LimitKind;

use crate::control::amount;
use crate::control::client::{Where, run as ask};
use crate::control::request::{Limit, Request, Target};

/// Limits of a firm, an instrument, or the defaults of the venue.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Examples:\n  hft limits firm DEMA --max-open-notional 5000000\n  hft limits instrument BTC-USD --price-collar 10\n  \
                  hft limits venue --max-message-rate 1000\n\nAn account has its own value, else its firm's, else the venue's. What is \
                  set for an instrument holds besides."
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every account of a firm that has no value of its own
    Firm(Box<Named>),
    /// One instrument, whoever trades it: limits of one order, and of one account's position and rates there
    Instrument(Box<Named>),
    /// Every account for which nothing else is set
    Venue(Box<Unnamed>),
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Its name
    name: String,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Unnamed {
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    place: Where,
}

/// Sets what is named.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (target, limits, place) = match &args.what {
        What::Firm(named) => (Target::Firm(named.name.clone()), &named.limits, &named.place),
        What::Instrument(named) => (Target::Instrument(named.name.clone()), &named.limits, &named.place),
        What::Venue(unnamed) => (Target::Venue, &unnamed.limits, &unnamed.place),
    };
    ask(place, &Request::SetLimits { target, limits: limits.list() })
}

/// Every limit; at least one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct LimitArgs {
    /// Quantity of one order, in units of what is traded
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::limit)]
    max_order_quantity: Option<Amount>,
    /// Notional of one order, US dollars
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = amount::limit)]
    max_order_notional: Option<Amount>,
    /// Open orders
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::count)]
    max_open_orders: Option<Amount>,
    /// Notional of all open orders, US dollars
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = amount::limit)]
    max_open_notional: Option<Amount>,
    /// Position of an instrument if all open buys traded
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::limit)]
    max_position_long: Option<Amount>,
    /// Position below zero if all open sells traded
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::limit)]
    max_position_short: Option<Amount>,
    /// What the positions could be worth at the marks beyond what the account owns, US dollars; margin accounts
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = amount::limit)]
    credit: Option<Amount>,
    /// Loss of the day, US dollars; beyond it the kill switch trips
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = amount::limit)]
    loss_limit: Option<Amount>,
    /// Distance of a price from the reference price, percent
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = amount::percent)]
    price_collar: Option<Amount>,
    /// Messages per second
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::count)]
    max_message_rate: Option<Amount>,
    /// Orders and replaces per second in one instrument
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::count)]
    max_symbol_rate: Option<Amount>,
    /// Messages per second above which the kill switch trips
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::count)]
    kill_message_rate: Option<Amount>,
    /// Refused orders per second above which the kill switch trips
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::count)]
    kill_reject_rate: Option<Amount>,
    /// Orders per second that are equal to the one before
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::count)]
    max_duplicate_rate: Option<Amount>,
    /// Notional traded in a UTC day, US dollars
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = amount::limit)]
    max_day_notional: Option<Amount>,
    /// An instrument that may not be traded
    #[arg(long, value_name = "SYMBOL")]
    restrict: Vec<String>,
    /// An instrument that may be traded again
    #[arg(long, value_name = "SYMBOL")]
    unrestrict: Vec<String>,
    /// Whether it may sell short
    #[arg(long, value_name = "true|false")]
    short_sale: Option<bool>,
    /// Whether a short sale must name a locate
    #[arg(long, value_name = "true|false")]
    locate_required: Option<bool>,
    /// Whether it may send market orders
    #[arg(long, value_name = "true|false")]
    market_orders: Option<bool>,
}

impl LimitArgs {
    /// What is named, as it goes over the socket.
    pub fn list(&self) -> Vec<Limit> {
        let amounts = [
            ("max-order-quantity", self.max_order_quantity),
            ("max-order-notional", self.max_order_notional),
            ("max-open-orders", self.max_open_orders),
            ("max-open-notional", self.max_open_notional),
            ("max-position-long", self.max_position_long),
            ("max-position-short", self.max_position_short),
            ("credit", self.credit),
            ("loss-limit", self.loss_limit),
            ("price-collar", self.price_collar),
            ("max-message-rate", self.max_message_rate),
            ("max-symbol-rate", self.max_symbol_rate),
            ("kill-message-rate", self.kill_message_rate),
            ("kill-reject-rate", self.kill_reject_rate),
            ("max-duplicate-rate", self.max_duplicate_rate),
            ("max-day-notional", self.max_day_notional),
        ];
        let flags = [
            ("short-sale", self.short_sale),
            ("locate-required", self.locate_required),
            ("market-orders", self.market_orders),
        ];
        let plain = |name: &str, value: String| Limit { name: name.to_owned(), value, symbol: None };
        let restriction = |symbol: &String, value: &str| Limit {
            name: "restrict".to_owned(),
            value: value.to_owned(),
            symbol: Some(symbol.clone()),
        };
        let amounts = amounts.into_iter().filter_map(|(name, value)| Some(plain(name, amount::text(value?))));
        let flags = flags.into_iter().filter_map(|(name, value)| Some(plain(name, u8::from(value?).to_string())));
        let restricted = self.restrict.iter().map(|symbol| restriction(symbol, "1"));
        let freed = self.unrestrict.iter().map(|symbol| restriction(symbol, amount::NONE));
        amounts.chain(flags).chain(restricted).chain(freed).collect()
    }
}

/// The value of a limit as it is written on the command line: a collar in percent, a permission as `true` or `false`.
pub fn as_typed(limit: LimitKind, value: Amount) -> String {
    if limit == LimitKind::PriceCollar {
        return value.0.checked_mul(100).map_or_else(|| value.to_string(), |percent| Amount(percent).to_string());
    }
    if [LimitKind::ShortSale, LimitKind::LocateRequired, LimitKind::MarketOrders].contains(&limit) {
        return (value != Amount::ZERO).to_string();
    }
    value.to_string()
}
