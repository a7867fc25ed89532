//! `hft account`: lists accounts, opens one in a running venue, moves money, sets limits.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use engine::core::AccountView;
use protocol::{AccountName, Amount};
use serde_json::json;

use crate::control::amount;
use crate::control::client::{Where, run as ask};
use crate::control::request::{Limit, Mode, Request, Target};
use crate::output::print_line;
use crate::venue::reading::newest_state;
use crate::venue::registry::account_name;

/// Accounts: create, list, money, limits.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Open an account; its password is the first line of standard input
    #[command(after_help = "Example:\n  echo s3cret | hft account create ALPHA1 --firm ALPH --mode margin")]
    Create(Create),
    /// Give an account another password: the first line of standard input
    #[command(after_help = "Example:\n  echo n3w | hft account password ALPHA1")]
    Password(Named),
    /// Pay in: a currency, or shares of an instrument by its symbol
    #[command(after_help = "Example:\n  hft account deposit ALPHA1 USD 1000000.00")]
    Deposit(Funds),
    /// Pay out what is not reserved
    #[command(after_help = "Example:\n  hft account withdraw ALPHA1 USD 250.50")]
    Withdraw(Funds),
    /// Choose how an account trades, while it holds nothing
    #[command(after_help = "Example:\n  hft account mode ALPHA1 cash")]
    Mode(SetMode),
    /// Set limits; `none` removes one
    #[command(
        after_help = "Example:\n  hft account limits ALPHA1 --max-order-quantity 1000 --price-collar 5 --restrict INTC"
    )]
    Limits(Box<Limits>),
    /// Show one account
    #[command(after_help = "Example:\n  hft account show DEMO01 --json")]
    Show(Named),
    /// Show all accounts, one line each
    #[command(after_help = "Example:\n  hft account list")]
    List(Where),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Login name, 1 to 6 letters and digits
    name: String,
    /// Firm, 1 to 4 letters and digits
    #[arg(long, value_name = "FIRM")]
    firm: String,
    /// How it trades
    #[arg(long, value_enum, default_value_t = Mode::Margin)]
    mode: Mode,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Login name
    name: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Funds {
    /// Login name
    name: String,
    /// Currency, or the symbol of an instrument
    #[arg(value_name = "CURRENCY")]
    asset: String,
    /// A plain decimal above zero
    #[arg(value_name = "AMOUNT", value_parser = amount::positive)]
    amount: Amount,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct SetMode {
    /// Login name
    name: String,
    /// How it trades
    #[arg(value_enum)]
    mode: Mode,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Limits {
    /// Login name
    name: String,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    place: Where,
}

/// Every limit; at least one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct LimitArgs {
    /// Quantity of one order, in units of what is traded
    #[arg(long, value_name = "N", value_parser = amount::limit)]
    max_order_quantity: Option<Amount>,
    /// Notional of one order, US dollars
    #[arg(long, value_name = "X", value_parser = amount::limit)]
    max_order_notional: Option<Amount>,
    /// Open orders
    #[arg(long, value_name = "N", value_parser = amount::count)]
    max_open_orders: Option<Amount>,
    /// Notional of all open orders, US dollars
    #[arg(long, value_name = "X", value_parser = amount::limit)]
    max_open_notional: Option<Amount>,
    /// Position of an instrument if all open buys traded
    #[arg(long, value_name = "N", value_parser = amount::limit)]
    max_position_long: Option<Amount>,
    /// Position below zero if all open sells traded
    #[arg(long, value_name = "N", value_parser = amount::limit)]
    max_position_short: Option<Amount>,
    /// Distance of a price from the reference price, percent
    #[arg(long, value_name = "PERCENT", value_parser = amount::percent)]
    price_collar: Option<Amount>,
    /// New orders and replaces per second
    #[arg(long, value_name = "N", value_parser = amount::count)]
    max_message_rate: Option<Amount>,
    /// Orders per second that are equal to the one before
    #[arg(long, value_name = "N", value_parser = amount::count)]
    max_duplicate_rate: Option<Amount>,
    /// Notional traded in a UTC day, US dollars
    #[arg(long, value_name = "X", value_parser = amount::limit)]
    max_day_notional: Option<Amount>,
    /// Loss since the start of the UTC day, US dollars
    #[arg(long, value_name = "X", value_parser = amount::limit)]
    loss_limit: Option<Amount>,
    /// What a margin account may hold beyond what it owns, US dollars
    #[arg(long, value_name = "X", value_parser = amount::limit)]
    credit: Option<Amount>,
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
    fn list(&self) -> Vec<Limit> {
        let amounts = [
            ("max-order-quantity", self.max_order_quantity),
            ("max-order-notional", self.max_order_notional),
            ("max-open-orders", self.max_open_orders),
            ("max-open-notional", self.max_open_notional),
            ("max-position-long", self.max_position_long),
            ("max-position-short", self.max_position_short),
            ("price-collar", self.price_collar),
            ("max-message-rate", self.max_message_rate),
            ("max-duplicate-rate", self.max_duplicate_rate),
            ("max-day-notional", self.max_day_notional),
            ("loss-limit", self.loss_limit),
            ("credit", self.credit),
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

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Create(create) => {
            let password = password()?;
            let (name, firm, mode) = (create.name.clone(), create.firm.clone(), create.mode);
            ask(&create.place, &Request::CreateAccount { name, firm, mode, password })
        }
        What::Password(named) => {
            let password = password()?;
            ask(&named.place, &Request::SetPassword { name: named.name.clone(), password })
        }
        What::Deposit(funds) => {
            let (name, asset, amount) = (funds.name.clone(), funds.asset.clone(), funds.amount.to_string());
            ask(&funds.place, &Request::Deposit { name, asset, amount })
        }
        What::Withdraw(funds) => {
            let (name, asset, amount) = (funds.name.clone(), funds.asset.clone(), funds.amount.to_string());
            ask(&funds.place, &Request::Withdraw { name, asset, amount })
        }
        What::Mode(set) => ask(&set.place, &Request::SetMode { name: set.name.clone(), mode: set.mode }),
        What::Limits(set) => {
            let (target, limits) = (Target::Account(set.name.clone()), set.limits.list());
            ask(&set.place, &Request::SetLimits { target, limits })
        }
        What::Show(named) => {
            let name = account_name(&named.name).map_err(anyhow::Error::msg)?;
            show(Some(name), &named.place)
        }
        What::List(place) => show(None, place),
    }
}

/// One account, or all of them.
fn show(name: Option<AccountName>, place: &Where) -> anyhow::Result<ExitCode> {
    let core = newest_state(&place.data_dir)?;
    let mut shown = 0;
    for view in core.accounts().filter(|view| name.is_none_or(|name| name == view.name)) {
        shown += 1;
        print_line(&if place.json { as_json(&view).to_string() } else { as_text(&view) });
    }
    match name {
        Some(name) if shown == 0 => anyhow::bail!("no account has the name {name}; `hft account list` names them"),
        Some(_) | None => Ok(ExitCode::SUCCESS),
    }
}

fn as_json(view: &AccountView) -> serde_json::Value {
    json!({
        "name": view.name.to_string(), "account": view.account.0, "firm": view.firm.to_string(),
        "entry_disabled": view.entry_disabled, "open_orders": view.open_orders,
    })
}

fn as_text(view: &AccountView) -> String {
    let disabled = if view.entry_disabled { ", order entry disabled" } else { "" };
    format!("{:<6} firm {:<4} {} open orders{disabled}", view.name, view.firm, view.open_orders)
}

/// The first line of standard input.
fn password() -> anyhow::Result<String> {
    let input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("password: (1 to 10 characters; it is shown as you type)");
    }
    let mut line = String::new();
    input.lock().read_line(&mut line).context("no password on standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
