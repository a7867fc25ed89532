//! `hft book`: the ladder of one instrument as it was after any command, by replay. Read-only; works while the venue runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use engine::core::LevelView;
use protocol::command::ListInstrument;
use protocol::{Sequence, Symbol};
use rust_decimal::Decimal;
use serde_json::json;

use crate::output::print_line;
use crate::units;
use crate::venue::reading::{self, Begin};

/// Show the book of one instrument as it was after any command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hft book AAPL --at 1000 --levels 5")]
pub struct Args {
    /// Instrument
    #[arg(value_name = "SYMBOL", value_parser = units::symbol)]
    symbol: Symbol,
    /// After the command with this sequence; without it, the last one
    #[arg(long, value_name = "SEQ", allow_negative_numbers = true, value_parser = crate::units::whole::<u64>)]
    at: Option<u64>,
    /// Levels of each side
    #[arg(long, value_name = "N", default_value_t = 10)]
    levels: usize,
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints the ladder: offers above, bids below, best prices in the middle.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let to = args.at.map(Sequence);
    let mut replica = reading::replica(&args.data_dir, Begin::Newest, to)?;
    replica.replay(&args.data_dir.join("journal"), to, |_| Ok(()), |_, _| Ok(()))?;
    let last = replica.core.last_sequence();
    if let Some(at) = args.at {
        ensure!(last.0 == at, "the journal ends at sequence {last}; --at {at} is beyond it");
    }
    let listed = replica.core.instruments().map(|view| view.listed).find(|listed| listed.symbol == args.symbol);
    let listed = listed.with_context(|| format!("{} is not listed at sequence {last}", args.symbol))?;
    let side = |is_buy| replica.core.levels(listed.instrument, is_buy).take(args.levels).collect::<Vec<_>>();
    let (bids, asks) = (side(true), side(false));
    if args.json {
        let rows = |levels: &[LevelView]| levels.iter().map(|level| json_row(&listed, level)).collect::<Vec<_>>();
        let book = json!({
            "symbol": args.symbol.to_string(), "sequence": last.0, "ingress_ns": replica.core.last_ingress().0,
            "bids": rows(&bids), "asks": rows(&asks),
        });
        print_line(&book.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    print_line(&format!("{} after sequence {last}, {}", args.symbol, replica.core.last_ingress()));
    print_line(&format!("{:>14} {:>16} {:>14} {:>8}", "price", "displayed", "hidden", "orders"));
    for level in asks.iter().rev() {
        print_line(&text_row(&listed, level, "ask"));
    }
    for level in &bids {
        print_line(&text_row(&listed, level, "bid"));
    }
    Ok(ExitCode::SUCCESS)
}

fn price_text(listed: &ListInstrument, level: &LevelView) -> String {
    Decimal::new(i64::from(level.price.0), u32::from(listed.price_decimals)).to_string()
}

/// A negative number of decimals counts in tens, hundreds and so on.
fn quantity_text(listed: &ListInstrument, quantity: u64) -> String {
    let decimals = u32::from(listed.qty_decimals.unsigned_abs());
    let whole = i128::from(quantity);
    if listed.qty_decimals >= 0 {
        return Decimal::from_i128_with_scale(whole, decimals).to_string();
    }
    (whole * 10_i128.pow(decimals)).to_string()
}

fn json_row(listed: &ListInstrument, level: &LevelView) -> serde_json::Value {
    json!({
        "price": price_text(listed, level),
        "displayed": quantity_text(listed, level.displayed_qty),
        "hidden": quantity_text(listed, level.hidden_qty),
        "orders": level.orders,
    })
}

fn text_row(listed: &ListInstrument, level: &LevelView, side: &str) -> String {
    let (displayed, hidden) = (quantity_text(listed, level.displayed_qty), quantity_text(listed, level.hidden_qty));
    format!("{:>14} {displayed:>16} {hidden:>14} {:>8}  {side}", price_text(listed, level), level.orders)
}
