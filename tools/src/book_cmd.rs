//! `hft book`: the ladder of one instrument as it was after any command, by replay. Read-only; works while the venue runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use engine::core::LevelView;
use protocol::{Sequence, Symbol};
use serde_json::json;

use crate::output::{print_line, time_text};
use crate::units::{self, InstrumentUnits};
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
    let units = InstrumentUnits::from(&listed);
    let side = |is_buy| replica.core.levels(listed.instrument, is_buy).take(args.levels).collect::<Vec<_>>();
    let (bids, asks) = (side(true), side(false));
    if args.json {
        let rows = |levels: &[LevelView]| levels.iter().map(|level| json_row(&units, level)).collect::<Vec<_>>();
        let book = json!({
            "symbol": args.symbol.to_string(), "sequence": last.0, "ingress_ns": replica.core.last_ingress().0,
            "bids": rows(&bids), "asks": rows(&asks),
        });
        print_line(&book.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    print_line(&format!("{} after sequence {last}, {}", args.symbol, time_text(replica.core.last_ingress())));
    print_line(&format!("{:>14} {:>16} {:>14} {:>8}", "price", "displayed", "hidden", "orders"));
    for level in asks.iter().rev() {
        print_line(&text_row(&units, level, "ask"));
    }
    for level in &bids {
        print_line(&text_row(&units, level, "bid"));
    }
    Ok(ExitCode::SUCCESS)
}

fn json_row(units: &InstrumentUnits, level: &LevelView) -> serde_json::Value {
    json!({
        "price": units.price_text(level.price.0.into()),
        "displayed": units.quantity_text(level.displayed_qty),
        "hidden": units.quantity_text(level.hidden_qty),
        "orders": level.orders,
    })
}

fn text_row(units: &InstrumentUnits, level: &LevelView, side: &str) -> String {
    let (displayed, hidden) = (units.quantity_text(level.displayed_qty), units.quantity_text(level.hidden_qty));
    format!("{:>14} {displayed:>16} {hidden:>14} {:>8}  {side}", units.price_text(level.price.0.into()), level.orders)
}
