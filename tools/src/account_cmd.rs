//! `hft account`: lists accounts, opens one in a running venue, moves money, sets limits.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use engine::core::{AccountView, Core, FundsView, PositionView};
use protocol::operator::{AccountMode, Scope};
use protocol::{AccountName, Amount};
use serde_json::{Value, json};

use crate::control::amount;
use crate::control::client::{Where, run as ask};
use crate::control::request::{Mode, Request, Target};
use crate::limits_cmd::{LimitArgs, limit_lines, limits_object, restricted, symbol_of};
use crate::output::{print_line, time_text};
use crate::venue::reading::newest_state;
use crate::venue::registry::account_name;

/// Accounts: create, list, money, limits.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true, after_help = "Example:\n  hft account list")]
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
    #[command(visible_alias = "password", after_help = "Example:\n  echo n3w | hft account passwd ALPHA1")]
    Passwd(Named),
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
    /// Everything that happened to an account's money, and its balances now
    #[command(after_help = "Example:\n  hft account statement DEMO01 --csv")]
    Statement(Statement),
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
    #[arg(long, value_enum, default_value_t = Mode::Cash)]
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
struct Statement {
    /// Login name
    name: String,
    /// As CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
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
    #[arg(value_name = "AMOUNT", allow_negative_numbers = true, value_parser = amount::positive)]
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

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Create(create) => {
            let password = password()?;
            let (name, firm, mode) = (create.name.clone(), create.firm.clone(), create.mode);
            ask(&create.place, &Request::CreateAccount { name, firm, mode, password })
        }
        What::Passwd(named) => {
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
        What::Statement(statement) => {
            let name = account_name(&statement.name).map_err(anyhow::Error::msg)?;
            crate::statement::run(name, &statement.place, statement.csv)
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
        print_line(&match (place.json, name) {
            (true, _) => as_json(&core, &view).to_string(),
            (false, Some(_)) => as_text(&core, &view),
            (false, None) => as_line(&core, &view),
        });
    }
    match name {
        Some(name) if shown == 0 => anyhow::bail!("no account has the name {name}; `hft account list` names them"),
        Some(_) | None => Ok(ExitCode::SUCCESS),
    }
}

fn as_json(core: &Core, view: &AccountView) -> Value {
    let risk = core.risk();
    let funds = risk.funds(view.account).map(|funds| {
        json!({
            "currency": funds.currency.code(), "balance": funds.balance.to_string(),
            "reserved": funds.reserved.to_string(), "available": available(&funds),
        })
    });
    let symbol = |instrument| symbol_of(core, instrument);
    let text = |amount: Option<Amount>| amount.map(|amount| amount.to_string());
    let positions = risk.positions(view.account).into_iter().map(|position| {
        json!({
            "symbol": symbol(position.instrument), "quantity": text(position.quantity), "cost": text(position.cost),
            "average_price": average(&position).map(|price| price.to_string()), "realised": text(position.realised),
            "unrealised": text(position.unrealised), "currency": position.legs.quote.code(),
        })
    });
    let own = Scope::Account(view.account);
    let killed_by = risk.killed(view.account);
    json!({
        "killed_by": killed_by.map(|(cause, _)| cause.as_text()), "killed_at_ns": killed_by.map(|(_, since)| since.0),
        "lost_today": text(risk.loss(view.account, core.last_ingress())),
        "name": view.name.to_string(), "account": view.account.0, "firm": view.firm.to_string(),
        "mode": mode(core, view), "killed": risk.is_killed(view.account), "tier": risk.tier(view.account),
        "entry_disabled": view.entry_disabled, "open_orders": view.open_orders,
        "balances": funds.collect::<Vec<_>>(), "positions": positions.collect::<Vec<_>>(),
        "limits": limits_object(core, own), "restricted": restricted(core, own),
    })
}

fn mode(core: &Core, view: &AccountView) -> &'static str {
    match core.risk().mode(view.account) {
        Some(AccountMode::Cash) => "cash",
        Some(AccountMode::Margin) | None => "margin",
    }
}

fn available(funds: &FundsView) -> String {
    funds.balance.checked_sub(funds.reserved).map_or_else(|| funds.balance.to_string(), |free| free.to_string())
}

/// Cost per unit, rounded towards zero; none for a position of nothing.
fn average(position: &PositionView) -> Option<Amount> {
    let (cost, quantity) = (position.cost?, position.quantity?);
    let price = cost.0.checked_mul(Amount::ONE.0)?.checked_div(quantity.0)?;
    Some(Amount(price))
}

fn as_line(core: &Core, view: &AccountView) -> String {
    let disabled = if view.entry_disabled { ", order entry disabled" } else { "" };
    let killed = match core.risk().killed(view.account) {
        Some((cause, since)) => format!(", killed ({}, {})", cause.as_text(), time_text(since)),
        None if core.risk().is_killed(view.account) => ", killed (its firm)".to_owned(),
        None => String::new(),
    };
    let (name, firm, mode, open) = (view.name, view.firm, mode(core, view), view.open_orders);
    let orders = if open == 1 { "order" } else { "orders" };
    format!("{name:<6} firm {firm:<4} {mode:<6} {open} open {orders}{disabled}{killed}")
}

fn as_text(core: &Core, view: &AccountView) -> String {
    let risk = core.risk();
    let mut lines = vec![as_line(core, view)];
    for funds in risk.funds(view.account) {
        let (currency, balance, reserved) = (funds.currency, funds.balance, funds.reserved);
        lines.push(format!("  {currency:<5} {balance} of which {reserved} reserved"));
    }
    let text = |amount: Option<Amount>| amount.map_or_else(|| "?".to_owned(), |amount| amount.to_string());
    for position in risk.positions(view.account) {
        lines.push(format!(
            "  {:<8} {} at {}, realised {}, unrealised {} {}",
            symbol_of(core, position.instrument),
            text(position.quantity),
            average(&position).map_or_else(|| "-".to_owned(), |price| price.to_string()),
            text(position.realised),
            text(position.unrealised),
            position.legs.quote
        ));
    }
    if let Some(loss) = risk.loss(view.account, core.last_ingress()) {
        lines.push(format!("  lost today {loss} USD"));
    }
    lines.extend(limit_lines(core, Scope::Account(view.account)).into_iter().map(|line| format!("  {line}")));
    lines.join("\n")
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
