//! `hft bench core`: the matching core beside an ordered map and the naive model, on six markets, in one run.

use std::process::ExitCode;

use anyhow::ensure;
use benches::matching::{Figures, Options, REGIMES, Regime, Spread, host, measure};
use benches::risk::{RiskFigures, measure_risk};
use serde_json::{Value, json};

use crate::bench::section::{Bar, Section};
use crate::output::{print_line, rounds_bar};
use crate::top::nanos;

/// The matching core alone, handing events over, and from ring to ring.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One market only: static, normal, swing-25, swing-40, flash-crash or itch-mix
    #[arg(long, value_name = "NAME")]
    regime: Option<String>,
    /// Commands of each market
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    commands: u32,
    /// Rounds of each figure
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// Instruments, chosen at random by each new order
    #[arg(long, value_name = "N", default_value_t = 1)]
    instruments: u16,
    /// Accounts, chosen at random by each new order
    #[arg(long, value_name = "N", default_value_t = 4)]
    accounts: u32,
    /// Orders on the books when the clock starts, instead of the market's own number
    #[arg(long, value_name = "N")]
    standing: Option<u32>,
    /// Instead: what the risk checks add, every kind of limit set for every account
    #[arg(long)]
    limits: bool,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures and prints a table.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let chosen: Vec<&Regime> =
        REGIMES.iter().filter(|regime| args.regime.as_deref().is_none_or(|name| name == regime.name)).collect();
    ensure!(
        !chosen.is_empty(),
        "--regime {}: expected one of {}",
        args.regime.as_deref().unwrap_or_default(),
        REGIMES.map(|regime| regime.name).join(", ")
    );
    ensure!(args.commands > 0 && args.rounds > 0, "--commands and --rounds: expected at least 1");
    ensure!(args.instruments > 0 && args.accounts > 0, "--instruments and --accounts: expected at least 1");
    let mut options = Options { commands: args.commands as usize, rounds: args.rounds as usize, ..Options::full() };
    (options.scale.instruments, options.scale.accounts) = (args.instruments, args.accounts);
    if let Some(standing) = args.standing {
        options = options.standing(standing);
    }
    let bar = rounds_bar(chosen.len() as u64 * u64::from(args.rounds));
    if args.limits {
        let figures: Vec<RiskFigures> = chosen
            .into_iter()
            .map(|regime| {
                bar.set_message(regime.name);
                measure_risk(regime, &options, || bar.inc(1))
            })
            .collect();
        bar.finish_and_clear();
        return limits(&figures, args.json);
    }
    let figures: Vec<Figures> = chosen
        .into_iter()
        .map(|regime| {
            bar.set_message(regime.name);
            measure(regime, &options, || bar.inc(1))
        })
        .collect();
    bar.finish_and_clear();
    if args.json {
        let markets: Vec<Value> = figures.iter().map(as_json).collect();
        print_line(&json!({ "host": host(), "markets": markets }).to_string());
    } else {
        print_line(&host());
        print_line(&table(&figures));
    }
    all_equal(&figures)?;
    Ok(ExitCode::SUCCESS)
}

fn all_equal(figures: &[Figures]) -> anyhow::Result<()> {
    let is_equal = figures.iter().all(|market| market.is_equal);
    ensure!(is_equal, "the core and the ordered map told different events; one of them is wrong");
    Ok(())
}

/// All markets for a report.
pub fn section(args: &Args) -> anyhow::Result<Section> {
    let options = Options { commands: args.commands as usize, rounds: args.rounds as usize, ..Options::full() };
    let figures: Vec<Figures> = REGIMES.iter().map(|regime| measure(regime, &options, || ())).collect();
    all_equal(&figures)?;
    let heads =
        ["book (a)", "ordered map", "ratio", "handed over (b)", "ring to ring (c)", "p50", "p99", "p99.9", "max"];
    let mut section = Section::new("The matching core, per command", &heads);
    section.note.push_str(
        "Medians: (a) events counted, (b) handed to another thread, (c) from ring to ring; the ordered map (the mark) beside (a) with \
         the same events; p50 to max: single commands, the clock included.",
    );
    for market in &figures {
        let [p50, p99, p999, _, max] = market.latency.map(nanos);
        let mean = |ns: f64| format!("{ns:.1} ns");
        let [book, map] = [market.counted.median, market.btree.median];
        let [handed, path] = [market.handed.median, market.path.median].map(mean);
        let ratio = format!("{:.2}", market.ratio.median);
        section.row(market.regime, vec![mean(book), mean(map), ratio, handed, path, p50, p99, p999, max]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tens of nanoseconds")]
        section.bars.push(Bar {
            name: format!("{}, (a)", market.regime),
            took_ns: book.round() as u64,
            beside_ns: map.round() as u64,
        });
    }
    Ok(section)
}

/// What the limits add.
fn limits(figures: &[RiskFigures], is_json: bool) -> anyhow::Result<ExitCode> {
    if is_json {
        let spread = |spread: &Spread| json!({ "median": spread.median, "low": spread.low, "high": spread.high });
        let markets = figures.iter().map(|market| {
            json!({
                "market": market.regime, "without_ns": spread(&market.without), "with_ns": spread(&market.with),
                "added_ns": spread(&market.added), "equal": market.is_equal,
            })
        });
        print_line(&json!({ "host": host(), "markets": markets.collect::<Vec<_>>() }).to_string());
    } else {
        print_line(&host());
        print_line(&format!(
            "{:12} {:>24} {:>24} {:>24}",
            "market", "without limits ns", "with every limit ns", "added ns"
        ));
        for market in figures {
            let [without, with, added] = [&market.without, &market.with, &market.added].map(Spread::to_string);
            print_line(&format!("{:12} {without:>24} {with:>24} {added:>24}", market.regime));
        }
    }
    ensure!(figures.iter().all(|market| market.is_equal), "a limit refused something, which it should not");
    Ok(ExitCode::SUCCESS)
}

fn table(figures: &[Figures]) -> String {
    let mut lines = vec![format!(
        "{:12} {:>9} {:>8} {:>9} {:>7} {:>9} {:>9} {:>8} {:>9} {:>8} {:>6} {:>6} {:>7} {:>8}",
        "market",
        "(a) ns",
        "M/s",
        "map ns",
        "ratio",
        "naive ns",
        "(b) ns",
        "M/s",
        "(c) ns",
        "M/s",
        "p50",
        "p99",
        "p99.9",
        "max ns"
    )];
    for market in figures {
        let m = Spread::millions_per_second;
        let [p50, p99, p999, _, max] = market.latency;
        lines.push(format!(
            "{:12} {:9.1} {:8.1} {:9.1} {:7.2} {:9.0} {:9.1} {:8.1} {:9.1} {:8.1} {p50:6} {p99:6} {p999:7} {max:8}",
            market.regime,
            market.counted.median,
            m(&market.counted),
            market.btree.median,
            market.ratio.median,
            market.naive,
            market.handed.median,
            m(&market.handed),
            market.path.median,
            m(&market.path),
        ));
    }
    lines.push(
        "Medians, per command: (a) events counted, (b) handed to another thread, (c) from ring to ring; map = BTreeMap and \
         HashMap\nwith the same events, ratio = its time over (a); p50 to max: single commands, the clock included."
            .to_owned(),
    );
    lines.join("\n")
}

fn as_json(market: &Figures) -> Value {
    let spread = |spread: &Spread| json!({ "median": spread.median, "low": spread.low, "high": spread.high });
    let [p50, p99, p999, p9999, max] = market.latency;
    json!({
        "market": market.regime,
        "counted_ns": spread(&market.counted),
        "map_ns": spread(&market.btree),
        "ratio": spread(&market.ratio),
        "naive_ns": market.naive,
        "handed_ns": spread(&market.handed),
        "path_ns": spread(&market.path),
        "one_command_ns": { "p50": p50, "p99": p99, "p99.9": p999, "p99.99": p9999, "max": max },
        "live": [market.live.0, market.live.1],
        "levels": [market.levels.0, market.levels.1],
        "events_per_command": market.events_per_command,
        "event_hash": market.event_hash,
        "equal": market.is_equal,
    })
}
