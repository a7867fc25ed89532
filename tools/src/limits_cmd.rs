//! `hft limits`: limits of a firm, an instrument or the whole venue, and what is set for whom; the words for limits that
//! `hft account` and `hft instrument` share.

use std::process::ExitCode;

use clap::Subcommand;
use engine::core::Core;
use protocol::operator::{LimitKind, Scope};
use protocol::{Amount, Firm, InstrumentId};
use serde_json::{Map, Value, json};

use crate::control::amount;
use crate::control::client::{Where, run as ask};
use crate::control::request::{Limit, Request, Target};
use crate::output::print_line;
use crate::venue::reading::newest_state;

/// Limits of a firm, an instrument, or the defaults of the venue.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Examples:\n  hft limits firm DEMA --max-open-notional 5000000\n  hft limits instrument BTC-USD --price-collar 10\n  \
                  hft limits venue --max-message-rate 1000\n  hft limits show\n\nAn account has its own value, else its firm's, else the venue's. What is \
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
    /// Show every limit that is set, for whomever
    #[command(after_help = "Example:\n  hft limits show --json")]
    Show(Where),
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

/// Sets what is named, or shows what is set.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (target, limits, place) = match &args.what {
        What::Firm(named) => (Target::Firm(named.name.clone()), &named.limits, &named.place),
        What::Instrument(named) => (Target::Instrument(named.name.clone()), &named.limits, &named.place),
        What::Venue(unnamed) => (Target::Venue, &unnamed.limits, &unnamed.place),
        What::Show(place) => return show(place),
    };
    ask(place, &Request::SetLimits { target, limits: limits.list() })
}

/// Everything that is set: for the venue, then firms, instruments and accounts in the order in which they came.
fn show(place: &Where) -> anyhow::Result<ExitCode> {
    let core = newest_state(&place.data_dir)?;
    let mut firms: Vec<Firm> = Vec::new();
    for view in core.accounts() {
        if !firms.contains(&view.firm) {
            firms.push(view.firm);
        }
    }
    let venue = std::iter::once((Scope::Venue, "venue", String::new()));
    let firms = firms.into_iter().map(|firm| (Scope::Firm(firm), "firm", firm.to_string()));
    let instruments = core.instruments().map(|view| view.listed);
    let instruments =
        instruments.map(|listed| (Scope::Instrument(listed.instrument), "instrument", listed.symbol.to_string()));
    let accounts = core.accounts().map(|view| (Scope::Account(view.account), "account", view.name.to_string()));
    let mut is_any = false;
    for (scope, kind, name) in venue.chain(firms).chain(instruments).chain(accounts) {
        let lines = limit_lines(&core, scope);
        is_any |= !lines.is_empty();
        if place.json && !lines.is_empty() {
            let (limits, restricted) = (limits_object(&core, scope), restricted(&core, scope));
            let line = json!({ "scope": kind, "name": name, "limits": limits, "restricted": restricted });
            print_line(&line.to_string());
        } else {
            for line in lines {
                print_line(&format!("{kind:<10} {name:<8} {line}"));
            }
        }
    }
    if !is_any && !place.json {
        print_line("no limits are set; `hft limits venue --help` names them");
    }
    Ok(ExitCode::SUCCESS)
}

/// What is set for a scope, one limit a line.
pub fn limit_lines(core: &Core, scope: Scope) -> Vec<String> {
    let limits = core.risk().limits(scope).into_iter();
    let limits = limits.map(|limit| format!("{} {}", limit.limit.as_text(), as_typed(limit.limit, limit.value)));
    limits.chain(restricted(core, scope).into_iter().map(|symbol| format!("restricted {symbol}"))).collect()
}

/// The same as an object; restricted instruments apart.
pub fn limits_object(core: &Core, scope: Scope) -> Map<String, Value> {
    let limits = core.risk().limits(scope).into_iter();
    limits.map(|limit| (limit.limit.as_text().to_owned(), as_typed(limit.limit, limit.value).into())).collect()
}

/// Symbols of the instruments that are restricted for a scope itself.
pub fn restricted(core: &Core, scope: Scope) -> Vec<String> {
    core.risk().restricted(scope).map(|instrument| symbol_of(core, instrument)).collect()
}

/// The symbol of an instrument; its number when it is not listed.
pub fn symbol_of(core: &Core, instrument: InstrumentId) -> String {
    let found = core.instruments().find(|view| view.listed.instrument == instrument);
    found.map_or_else(|| instrument.to_string(), |view| view.listed.symbol.to_string())
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
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::rate)]
    max_message_rate: Option<Amount>,
    /// Orders and replaces per second in one instrument
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::rate)]
    max_symbol_rate: Option<Amount>,
    /// Messages per second above which the kill switch trips
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::rate)]
    kill_message_rate: Option<Amount>,
    /// Refused orders per second above which the kill switch trips
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::rate)]
    kill_reject_rate: Option<Amount>,
    /// Orders per second that are equal to the one before
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = amount::rate)]
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
fn as_typed(limit: LimitKind, value: Amount) -> String {
    if limit == LimitKind::PriceCollar {
        return value.0.checked_mul(100).map_or_else(|| value.to_string(), |percent| Amount(percent).to_string());
    }
    if [LimitKind::ShortSale, LimitKind::LocateRequired, LimitKind::MarketOrders].contains(&limit) {
        return (value != Amount::ZERO).to_string();
    }
    value.to_string()
}
