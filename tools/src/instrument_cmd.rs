//! `hft instrument`: lists instruments, adds one to a running venue, changes its trading state, calls auctions.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use engine::core::{Core, InstrumentView};
use protocol::operator::Scope;
use protocol::types::MatchingAlgorithm;
use protocol::{Amount, Price, TradingState};
use serde_json::json;

use crate::config::wire_units;
use crate::control::client::{Where, run as ask};
use crate::control::request::{Instrument, Request};
use crate::limits_cmd::{limit_lines, limits_object};
use crate::output::print_line;
use crate::units::InstrumentUnits;
use crate::venue::reading::newest_state;

/// Instruments: add, halt, resume, state, auction, reference, list.
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
    /// Put an instrument into a trading state; leaving a state that collects orders runs its cross
    #[command(after_help = "Examples:\n  hft instrument state AAPL pre-open\n  hft instrument state AAPL trading")]
    State(To),
    /// Collect orders from now on, and cross them after a time
    #[command(
        after_help = "Examples:\n  hft instrument auction AAPL pre-open --seconds 60\n  hft instrument auction AAPL paused --seconds 30 --reason LUDP"
    )]
    Auction(Auction),
    /// Set the static reference price: of price bands, of collars before the first trade, of crosses
    #[command(after_help = "Example:\n  hft instrument reference AAPL 150.25")]
    Reference(Reference),
    /// Show one instrument: state, prices, bands, limits
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
    /// For operational reasons: the feed says `h`, too
    #[arg(long, conflicts_with = "reason")]
    operational: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct To {
    /// Symbol
    symbol: String,
    /// State to enter
    #[arg(value_enum)]
    state: AnyState,
    /// ITCH reason code, up to 4 letters
    #[arg(long, value_name = "CODE", default_value = "")]
    reason: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Auction {
    /// Symbol
    symbol: String,
    /// State in which orders are collected
    #[arg(value_enum)]
    state: Collecting,
    /// Time until the cross
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// ITCH reason code, up to 4 letters
    #[arg(long, value_name = "CODE", default_value = "")]
    reason: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Reference {
    /// Symbol
    #[arg(value_parser = crate::units::symbol)]
    symbol: protocol::Symbol,
    /// A decimal, on any tick or none; 0 = no reference price
    price: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Collecting {
    PreOpen,
    PreClose,
    Quotation,
    Paused,
}

impl Collecting {
    fn state(self) -> TradingState {
        match self {
            Self::PreOpen => TradingState::PreOpen,
            Self::PreClose => TradingState::PreClose,
            Self::Quotation => TradingState::QuotationOnly,
            Self::Paused => TradingState::Paused,
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum AnyState {
    PreOpen,
    Trading,
    PreClose,
    Closed,
    Halted,
    Quotation,
    Paused,
}

impl AnyState {
    fn state(self) -> TradingState {
        match self {
            Self::PreOpen => TradingState::PreOpen,
            Self::Trading => TradingState::Trading,
            Self::PreClose => TradingState::PreClose,
            Self::Closed => TradingState::Closed,
            Self::Halted => TradingState::Halted,
            Self::Quotation => TradingState::QuotationOnly,
            Self::Paused => TradingState::Paused,
        }
    }
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
        What::State(to) => {
            let (symbol, reason) = (to.symbol.clone(), to.reason.clone());
            ask(&to.place, &Request::SetState { symbol, state: char::from(to.state.state().letter()), reason })
        }
        What::Auction(auction) => {
            let Auction { symbol, state, seconds, reason, place } = auction;
            let state = char::from(state.state().letter());
            let (symbol, reason) = (symbol.clone(), reason.clone());
            ask(place, &Request::StartAuction { symbol, state, reason, seconds: *seconds })
        }
        What::Reference(reference) => set_reference(reference),
        What::Show(named) => {
            let core = newest_state(&named.place.data_dir)?;
            let view = core.instruments().find(|view| view.listed.symbol == named.symbol);
            let view = view.with_context(|| format!("no instrument has the symbol {}", named.symbol))?;
            if named.place.json {
                print_line(&as_json(&core, &view).to_string());
            } else {
                print_line(&as_line(&view));
                for line in more_lines(&core, &view) {
                    print_line(&format!("  {line}"));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        What::List(place) => {
            let core = newest_state(&place.data_dir)?;
            for view in core.instruments() {
                print_line(&if place.json { as_json(&core, &view).to_string() } else { as_line(&view) });
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn set_reference(reference: &Reference) -> anyhow::Result<ExitCode> {
    let Reference { symbol, price, place } = reference;
    let core = newest_state(&place.data_dir)?;
    let view = core.instruments().find(|view| view.listed.symbol == *symbol);
    let view = view.with_context(|| format!("no instrument has the symbol {symbol}"))?;
    let decimals = i32::from(view.listed.price_decimals);
    let price = if price == "0" {
        0
    } else {
        wire_units(price, decimals, u64::from(Price::LIMIT_MAX.0))
            .map_err(|expected| anyhow::anyhow!("{price:?}: expected {expected}"))?
    };
    ask(place, &Request::ReferencePrice { symbol: symbol.to_string(), price })
}

fn set_state(state: &State, to: TradingState) -> anyhow::Result<ExitCode> {
    if state.operational {
        let is_halted = to == TradingState::Halted;
        return ask(&state.place, &Request::OperationalHalt { symbol: state.symbol.clone(), is_halted });
    }
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

fn as_json(core: &Core, view: &InstrumentView) -> serde_json::Value {
    let (listed, units) = (&view.listed, InstrumentUnits::from(&view.listed));
    let price = |price: Price| (price.0 != 0).then(|| units.price_text(price.0.into()));
    json!({
        "symbol": listed.symbol.to_string(), "instrument": listed.instrument.0,
        "state": char::from(view.state.letter()).to_string(),
        "price_decimals": listed.price_decimals, "qty_decimals": listed.qty_decimals,
        "tick": units.price_text(listed.tick.0.into()), "lot": units.quantity_text(listed.lot.0.into()),
        "max_qty": units.quantity_text(listed.max_qty.0.into()), "reference_price": price(listed.reference_price),
        "last_trade": price(view.last_trade), "algorithm": algorithm_word(view.algorithm),
        "static_percent": percent(view.static_ppm), "dynamic_percent": percent(view.dynamic_ppm),
        "collar_percent": percent(view.collar_ppm), "auction_s": view.auction_s,
        "killed": core.risk().is_instrument_killed(listed.instrument),
        "limits": limits_object(core, Scope::Instrument(listed.instrument)),
    })
}

fn as_line(view: &InstrumentView) -> String {
    let (listed, units) = (&view.listed, InstrumentUnits::from(&view.listed));
    format!(
        "{:<8} {:<9} tick {} lot {} max {}",
        listed.symbol,
        state_word(view.state),
        units.price_text(listed.tick.0.into()),
        units.quantity_text(listed.lot.0.into()),
        units.quantity_text(listed.max_qty.0.into()),
    )
}

/// What else there is to say of one instrument: prices, how it matches, bands, limits, its kill switch.
fn more_lines(core: &Core, view: &InstrumentView) -> Vec<String> {
    let (listed, units) = (&view.listed, InstrumentUnits::from(&view.listed));
    let price = |price: Price| if price.0 == 0 { "none".to_owned() } else { units.price_text(price.0.into()) };
    let mut lines = vec![
        format!("last trade {}, reference price {}", price(view.last_trade), price(listed.reference_price)),
        format!("matching by {}", algorithm_word(view.algorithm)),
    ];
    for (name, ppm) in [
        ("static band", view.static_ppm),
        ("dynamic band", view.dynamic_ppm),
        ("collar of market orders", view.collar_ppm),
    ] {
        if let Some(percent) = percent(ppm) {
            lines.push(format!("{name} {percent} %"));
        }
    }
    if view.auction_s != 0 {
        lines.push(format!("volatility auctions of {} s", view.auction_s));
    }
    lines.extend(limit_lines(core, Scope::Instrument(listed.instrument)));
    if core.risk().is_instrument_killed(listed.instrument) {
        lines.push("killed".to_owned());
    }
    lines
}

/// Parts per million as percent; `None` for 0, which is no band.
fn percent(ppm: u32) -> Option<String> {
    (ppm != 0).then(|| Amount(i128::from(ppm) * (Amount::ONE.0 / 10_000)).to_string())
}

fn algorithm_word(algorithm: MatchingAlgorithm) -> &'static str {
    match algorithm {
        MatchingAlgorithm::PriceTime => "price-time",
        MatchingAlgorithm::ProRata => "pro-rata",
        MatchingAlgorithm::TopThenProRata => "top-pro-rata",
    }
}

/// A state in the words of `hft instrument state`.
fn state_word(state: TradingState) -> &'static str {
    match state {
        TradingState::PreOpen => "pre-open",
        TradingState::Trading => "trading",
        TradingState::PreClose => "pre-close",
        TradingState::Closed => "closed",
        TradingState::Halted => "halted",
        TradingState::QuotationOnly => "quotation",
        TradingState::Paused => "paused",
    }
}
