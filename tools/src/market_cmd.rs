//! `hft market`: the market-wide circuit breaker.

use std::process::ExitCode;

use clap::Subcommand;
use rust_decimal::Decimal;

use crate::control::client::{Where, run as ask};
use crate::control::request::Request;

/// Units of a decline level (ITCH `V`): it has 8 decimals.
const UNITS: u64 = 100_000_000;

/// The market-wide circuit breaker: levels, breach.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Example:\n  hft market levels 5320.5 4976.75 4576.25"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell the decline levels of the day: 7, 13 and 20 %
    #[command(after_help = "Example:\n  hft market levels 5320.5 4976.75 4576.25")]
    Levels(Levels),
    /// Say that a level was breached: every instrument is halted
    #[command(after_help = "Example:\n  hft market breach 1")]
    Breach(Breach),
}

#[derive(Debug, clap::Args)]
struct Levels {
    /// Of the index, a decimal with up to 8 decimals
    level_1: String,
    /// Below the first
    level_2: String,
    /// Below the second
    level_3: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Breach {
    /// Which
    #[arg(value_parser = clap::value_parser!(u8).range(1..=3))]
    level: u8,
    #[command(flatten)]
    place: Where,
}

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Levels(Levels { level_1, level_2, level_3, place }) => {
            let levels: [u64; 3] = [units(level_1)?, units(level_2)?, units(level_3)?];
            anyhow::ensure!(
                levels.is_sorted_by(|one, next| one > next),
                "the levels fall: {level_1}, {level_2}, {level_3}"
            );
            ask(place, &Request::MarketLevels { levels })
        }
        What::Breach(Breach { level, place }) => ask(place, &Request::MarketBreach { level: *level }),
    }
}

fn units(text: &str) -> anyhow::Result<u64> {
    let value = Decimal::from_str_exact(text).ok().and_then(|value| value.checked_mul(Decimal::from(UNITS)));
    let units =
        value.filter(Decimal::is_integer).and_then(|units| u64::try_from(units).ok()).filter(|units| *units > 0);
    units.ok_or_else(|| anyhow::anyhow!("{text:?}: expected a decimal above 0 with up to 8 decimals"))
}
