//! `hft instrument`: lists instruments, adds one to a running venue, halts and resumes.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use engine::core::InstrumentView;
use protocol::{Price, TradingState};
use serde_json::json;

use crate::config::wire_units;
use crate::control::client::{Where, run as ask};
use crate::control::request::{Instrument, Request};
use crate::output::print_line;
use crate::units::InstrumentUnits;
use crate::venue::reading::newest_state;

/// Instruments: add, halt, resume, list.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Example:\n  hft instrument halt AAPL --reason T1"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List a new instrument; it is halted until it is resumed
    #[command(
        after_help = "Example:\n  hft instrument add TSLA --price-decimals 4 --qty-decimals 0 --tick 0.01 --lot 1 --max-qty 999999"
    )]
    Add(Add),
    /// Stop matching; resting orders stay
    #[command(after_help = "Example:\n  hft instrument halt AAPL --reason T1")]
    Halt(State),
    /// Match again
    #[command(after_help = "Example:\n  hft instrument resume AAPL")]
    Resume(State),
    /// Show one instrument
    #[command(after_help = "Example:\n  hft instrument show AAPL --json")]
    Show(Named),
    /// Show all instruments, one line each
    #[command(after_help = "Example:\n  hft instrument list")]
    List(Where),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Symbol, 1 to 8 printable characters
    symbol: String,
    /// Decimals of a price, 0 to 12
    #[arg(long, value_name = "N")]
    price_decimals: u8,
    /// Decimals of a quantity, -9 to 12; with those of the price at most 12
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    qty_decimals: i8,
    /// Price step, a decimal
    #[arg(long, value_name = "PRICE")]
    tick: String,
    /// Quantity step, a decimal
    #[arg(long, value_name = "QTY")]
    lot: String,
    /// Largest order, a decimal
    #[arg(long, value_name = "QTY")]
    max_qty: String,
    /// Reference price, a decimal
    #[arg(long, value_name = "PRICE")]
    reference_price: Option<String>,
    /// Currency that is bought and sold; what the symbol says when left out, else shares
    #[arg(long, value_name = "CURRENCY")]
    base: Option<String>,
    /// Currency that it is paid in; what the symbol says when left out, else USD
    #[arg(long, value_name = "CURRENCY")]
    quote: Option<String>,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct State {
    /// Symbol
    symbol: String,
    /// ITCH reason code, up to 4 letters
    #[arg(long, value_name = "CODE", default_value = "")]
    reason: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Symbol
    #[arg(value_parser = crate::units::symbol)]
    symbol: protocol::Symbol,
    #[command(flatten)]
    place: Where,
}

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Add(add) => ask(&add.place, &Request::AddInstrument(instrument(add)?)),
        What::Halt(state) => set_state(state, TradingState::Halted),
        What::Resume(state) => set_state(state, TradingState::Trading),
        What::Show(named) => {
            let core = newest_state(&named.place.data_dir)?;
            let view = core.instruments().find(|view| view.listed.symbol == named.symbol);
            let view = view.with_context(|| format!("no instrument has the symbol {}", named.symbol))?;
            print_line(&if named.place.json { as_json(&view).to_string() } else { as_text(&view) });
            Ok(ExitCode::SUCCESS)
        }
        What::List(place) => {
            for view in newest_state(&place.data_dir)?.instruments() {
                print_line(&if place.json { as_json(&view).to_string() } else { as_text(&view) });
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn set_state(state: &State, to: TradingState) -> anyhow::Result<ExitCode> {
    let (symbol, reason) = (state.symbol.clone(), state.reason.clone());
    ask(&state.place, &Request::SetState { symbol, state: char::from(to.letter()), reason })
}

fn instrument(add: &Add) -> anyhow::Result<Instrument> {
    let units = |field: &str, text: &str, decimals: i32, max: u32| {
        wire_units(text, decimals, u64::from(max))
            .map_err(|expected| anyhow::anyhow!("--{field} {text:?}: expected {expected}"))
    };
    let in_range = add.price_decimals <= 12 && (-9..=12).contains(&add.qty_decimals);
    anyhow::ensure!(
        in_range && i16::from(add.price_decimals) + i16::from(add.qty_decimals) <= 12,
        "--price-decimals {} and --qty-decimals {}: expected 0 to 12, -9 to 12, and together at most 12",
        add.price_decimals,
        add.qty_decimals
    );
    let (of_price, of_qty) = (i32::from(add.price_decimals), i32::from(add.qty_decimals));
    let max = Price::LIMIT_MAX.0;
    Ok(Instrument {
        symbol: add.symbol.clone(),
        price_decimals: add.price_decimals,
        qty_decimals: add.qty_decimals,
        tick: units("tick", &add.tick, of_price, max)?,
        lot: units("lot", &add.lot, of_qty, u32::MAX)?,
        max_qty: units("max-qty", &add.max_qty, of_qty, u32::MAX)?,
        reference_price: match &add.reference_price {
            Some(text) => units("reference-price", text, of_price, max)?,
            None => 0,
        },
        base: add.base.clone(),
        quote: add.quote.clone(),
    })
}

fn units_of(view: &InstrumentView) -> InstrumentUnits {
    let listed = &view.listed;
    InstrumentUnits {
        symbol: listed.symbol,
        price_decimals: listed.price_decimals,
        qty_decimals: listed.qty_decimals,
        tick: listed.tick.0,
        lot: listed.lot.0,
        max_qty: listed.max_qty.0,
    }
}

fn as_json(view: &InstrumentView) -> serde_json::Value {
    let (listed, units) = (&view.listed, units_of(view));
    let price = |price: Price| (price.0 != 0).then(|| units.price_text(price.0.into()));
    json!({
        "symbol": listed.symbol.to_string(), "instrument": listed.instrument.0,
        "state": char::from(view.state.letter()).to_string(),
        "price_decimals": listed.price_decimals, "qty_decimals": listed.qty_decimals,
        "tick": units.price_text(listed.tick.0.into()), "lot": units.quantity_text(listed.lot.0.into()),
        "max_qty": units.quantity_text(listed.max_qty.0.into()), "reference_price": price(listed.reference_price),
    })
}

fn as_text(view: &InstrumentView) -> String {
    let (listed, units) = (&view.listed, units_of(view));
    format!(
        "{:<8} {} tick {} lot {} max {}",
        listed.symbol,
        state_text(view.state),
        units.price_text(listed.tick.0.into()),
        units.quantity_text(listed.lot.0.into()),
        units.quantity_text(listed.max_qty.0.into()),
    )
}

fn state_text(state: TradingState) -> String {
    format!("{state:?}").to_lowercase()
}
