//! `hft fees` and `hft rate`: what trading costs, and what currencies are worth in US dollars where limits and tiers count.

use std::process::ExitCode;

use clap::Subcommand;
use protocol::{Amount, Currency};
use serde_json::json;

use crate::control::amount;
use crate::control::client::{Where, run as ask};
use crate::control::request::Request;
use crate::output::print_line;
use crate::venue::reading::newest_state;

/// The fee table.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true, after_help = "Example:\n  hft fees show")]
pub struct FeesArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Set one tier. Fees are parts per million of the notional, rounded up; below zero they are paid to the client
    #[command(after_help = "Examples:\n  hft fees set 0 --maker-ppm 1000 --taker-ppm 2000\n  \
                      hft fees set 3 --maker-ppm 0 --taker-ppm 500 --threshold 100000000")]
    Set(Set),
    /// Set the usual table: 0.10/0.20 %, from 1 M dollars in 30 days 0.05/0.10, from 10 M 0.02/0.08, from 100 M 0.00/0.05
    #[command(after_help = "Example:\n  hft fees default")]
    Default(Where),
    /// Show the table, and what the venue has received
    #[command(after_help = "Example:\n  hft fees show --json")]
    Show(Where),
}

#[derive(Debug, clap::Args)]
struct Set {
    /// 0 is for everybody, up to 7
    tier: u8,
    /// What a maker pays
    #[arg(long, value_name = "PPM", allow_negative_numbers = true)]
    maker_ppm: i32,
    /// What a taker pays
    #[arg(long, value_name = "PPM", allow_negative_numbers = true)]
    taker_ppm: i32,
    /// US dollars traded in the last 30 days from which the tier holds; rising by tier, 0 for tier 0
    #[arg(long, value_name = "DOLLARS", value_parser = amount::amount, default_value = "0")]
    threshold: Amount,
    #[command(flatten)]
    place: Where,
}

/// Tier, maker, taker, threshold in dollars.
const DEFAULT_TABLE: [(u8, i32, i32, u32); 4] =
    [(0, 1_000, 2_000, 0), (1, 500, 1_000, 1_000_000), (2, 200, 800, 10_000_000), (3, 0, 500, 100_000_000)];

/// Sets or shows the fee table.
pub fn fees(args: &FeesArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Set(set) => {
            let Set { tier, maker_ppm, taker_ppm, threshold, place } = set;
            let (tier, maker_ppm, taker_ppm) = (*tier, *maker_ppm, *taker_ppm);
            ask(place, &Request::SetFees { tier, maker_ppm, taker_ppm, threshold: threshold.to_string() })
        }
        What::Default(place) => {
            let mut code = ExitCode::SUCCESS;
            for (tier, maker_ppm, taker_ppm, threshold) in DEFAULT_TABLE {
                let threshold = threshold.to_string();
                code = ask(place, &Request::SetFees { tier, maker_ppm, taker_ppm, threshold })?;
                if code != ExitCode::SUCCESS {
                    break;
                }
            }
            Ok(code)
        }
        What::Show(place) => show(place),
    }
}

fn show(place: &Where) -> anyhow::Result<ExitCode> {
    let core = newest_state(&place.data_dir)?;
    let received = Currency::ALL.iter().map(|currency| (currency, core.risk().fee_account(*currency)));
    let received = received.filter(|(_, amount)| *amount != Amount::ZERO);
    if place.json {
        let risk = core.risk();
        let tiers = risk.fees().map(|tier| {
            json!({
                "tier": tier.tier, "maker_ppm": tier.maker_ppm, "taker_ppm": tier.taker_ppm,
                "threshold": tier.threshold.to_string(),
            })
        });
        let received: serde_json::Map<_, _> =
            received.map(|(currency, amount)| (currency.code().to_owned(), amount.to_string().into())).collect();
        print_line(&json!({ "tiers": tiers.collect::<Vec<_>>(), "received": received }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for tier in core.risk().fees() {
        let (number, maker, taker, threshold) = (tier.tier, tier.maker_ppm, tier.taker_ppm, tier.threshold);
        print_line(&format!(
            "tier {number}: maker {maker} ppm, taker {taker} ppm, from {threshold} dollars in 30 days"
        ));
    }
    for (currency, amount) in received {
        print_line(&format!("received {amount} {currency}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reference rate of a currency; without arguments, those that are set.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hft rate BTC 104250.37\n  hft rate")]
pub struct RateArgs {
    /// Currency
    #[arg(requires = "rate")]
    currency: Option<String>,
    /// US dollars per unit
    #[arg(value_name = "DOLLARS", allow_negative_numbers = true, value_parser = amount::positive)]
    rate: Option<Amount>,
    #[command(flatten)]
    place: Where,
}

/// Sets a reference rate, or shows them all.
pub fn rate(args: &RateArgs) -> anyhow::Result<ExitCode> {
    if let (Some(currency), Some(rate)) = (args.currency.clone(), args.rate) {
        return ask(&args.place, &Request::SetRate { currency, rate: rate.to_string() });
    }
    let core = newest_state(&args.place.data_dir)?;
    let rates = Currency::ALL.iter().map(|currency| (currency.code(), core.risk().rate(*currency)));
    if args.place.json {
        let rates: serde_json::Map<_, _> =
            rates.map(|(code, rate)| (code.to_owned(), json!(rate.map(|rate| rate.to_string())))).collect();
        print_line(&serde_json::Value::Object(rates).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for (code, rate) in rates {
        print_line(&format!("{code:<5} {}", rate.map_or_else(|| "not set".to_owned(), |rate| format!("{rate} USD"))));
    }
    Ok(ExitCode::SUCCESS)
}
