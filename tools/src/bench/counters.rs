//! `hft bench counters`: what the counters and the histograms of the stages cost, as ratios in one run: the round trip of an
//! order in one venue that records and does not in turns (A B B A), figure (c) of the core's bench with and without them,
//! and, with valgrind, the instructions of the latter. The bound is 2 % of each. Medians of many rounds, with an interval of 95 %.

#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]

use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use benches::matching::{Options, REGIMES, Regime, measure_only};
use benches::recording::{RecordingFigures, measure_recording};
use engine::runtime::topology::{self, Topology};
use serde_json::json;

use crate::bench::middle::Middle;
use crate::bench::report::rounded;
use crate::bench::round_trip::histogram;
use crate::bench::section::Section;
use crate::bench::trips::OrderLoop;
use crate::bench::venue::{BenchVenue, Template};
use crate::bench::wire::host;
use crate::config::DurabilityMode;
use crate::output::{print_line, rounds_bar};

/// What recording may cost, in percent.
const BOUND_PERCENT: f64 = 2.0;
/// The market of figure (c).
const MARKET: &str = "itch-mix";

/// What the counters cost.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rounds; in each, recording is off, on, on, off
    #[arg(long, value_name = "N", default_value_t = 24)]
    rounds: u32,
    /// Orders of each quarter of a round
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    orders: u32,
    /// Commands of a round of figure (c)
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    commands: u32,
    /// Count instructions, too (takes valgrind, and a minute)
    #[arg(long)]
    instructions: bool,
    #[command(flatten)]
    venue: Template,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// For a profiler: only this, on one thread
    #[arg(long, hide = true, value_name = "CANDIDATE")]
    only: Option<String>,
}

/// The round trips of orders: p50 of each quarter, ns.
struct Trips {
    without: Middle,
    with: Middle,
    ratio: Middle,
}

/// Measures and prints, with whether the medians are within the bound.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(
        args.rounds > 0 && args.orders > 0 && args.commands > 0,
        "--rounds, --orders and --commands: expected at least 1"
    );
    let market = REGIMES.iter().find(|market| market.name == MARKET).context("the bench has lost a market")?;
    if let Some(only) = &args.only {
        return profiled(only, market, args.commands);
    }
    let trips = trips(args)?;
    let core = core(market, args);
    let instructions = if args.instructions { Some(instructions(args.commands)?) } else { None };
    let core_ratio = Middle::of(core.ratios.clone());
    let is_kept = is_within(&[trips.ratio, core_ratio]);
    if args.json {
        print_line(&as_json(&trips, (&core, core_ratio), instructions, is_kept).to_string());
    } else {
        for (name, what) in host(&Topology::of_this_host()) {
            print_line(&format!("{name:<14} {what}"));
        }
        print_line(&section(&trips, (&core, core_ratio), instructions).text());
        print_line(match is_kept {
            Some(true) => "within the bound of 2 %",
            Some(false) => "ABOVE the bound of 2 %",
            None => "not decided here: an interval holds the bound of 2 %; take more rounds, or a quieter machine",
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether these ratios surely keep the bound, or one surely does not; `None` where that is not known.
fn is_within(ratios: &[Middle]) -> Option<bool> {
    let bound = 1.0 + BOUND_PERCENT / 100.0;
    if ratios.iter().any(|ratio| ratio.low > bound) {
        return Some(false);
    }
    ratios.iter().all(|ratio| ratio.high <= bound).then_some(true)
}

fn trips(args: &Args) -> anyhow::Result<Trips> {
    let topology = Topology::of_this_host();
    let hot = topology.plan(false).edge.cpu;
    let more = ["--bench-recording"];
    let mut venue = BenchVenue::start_with(&args.venue, DurabilityMode::Journal, &more)?;
    if let Some(cpu) = topology.allowed.iter().find(|cpu| Some(**cpu) != hot) {
        topology::run_on(&[*cpu])?;
    }
    let mut orders = OrderLoop::login(venue.address, false)?;
    orders.round(args.orders, &mut histogram()?)?;
    let mut quarter = |is_on: bool| {
        venue.say(if is_on { "recording on" } else { "recording off" })?;
        let mut times = histogram()?;
        // What was just switched is not counted.
        orders.round(args.orders / 10, &mut histogram()?)?;
        orders.round(args.orders, &mut times)?;
        // Between two values of a histogram lies less than what is looked for: their mean around the middle.
        let (low, high) = (times.value_at_quantile(0.45), times.value_at_quantile(0.55));
        let middle = times.iter_recorded().filter(|value| (low..=high).contains(&value.value_iterated_to()));
        let (sum, count) = middle.fold((0.0, 0.0), |(sum, count), value| {
            let times = value.count_at_value() as f64;
            (sum + value.value_iterated_to() as f64 * times, count + times)
        });
        anyhow::Ok(sum / count)
    };
    let bar = rounds_bar(args.rounds.into());
    bar.set_message("orders");
    let (mut without, mut with, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let [a, b, c, d] = [quarter(false)?, quarter(true)?, quarter(true)?, quarter(false)?];
        without.extend([a, d]);
        with.extend([b, c]);
        ratio.push((b + c) / (a + d));
        bar.inc(1);
    }
    bar.finish_and_clear();
    // What is measured next has threads on several cpus.
    topology::run_on(&topology.allowed)?;
    Ok(Trips { without: Middle::of(without), with: Middle::of(with), ratio: Middle::of(ratio) })
}

fn core(market: &Regime, args: &Args) -> RecordingFigures {
    let rounds = args.rounds.div_ceil(2);
    let bar = rounds_bar(rounds.into());
    bar.set_message("core (c)");
    let options = Options { commands: args.commands as usize, rounds: rounds as usize, ..Options::full() };
    let figures = measure_recording(market, &options, || bar.inc(1));
    bar.finish_and_clear();
    figures
}

/// Instructions per command without and with, by callgrind of the path on one thread.
fn instructions(commands: u32) -> anyhow::Result<[f64; 2]> {
    let commands = commands.min(200_000);
    let count = |candidate: &str| {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*apply_waiting*"]);
        command.arg(std::env::current_exe()?).args(["bench", "counters", "--only", candidate]);
        let output = command.args(["--commands", &commands.to_string()]).output();
        let output = output.context("valgrind cannot be started; leave --instructions away")?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let collected = told
            .lines()
            .find_map(|line| line.split_once("Collected :"))
            .and_then(|(_, count)| count.trim().parse::<u64>().ok());
        let collected =
            collected.filter(|count| *count > 0).with_context(|| format!("valgrind counted nothing: {told}"))?;
        anyhow::Ok(collected as f64 / f64::from(commands))
    };
    Ok([count("steps")?, count("steps-recorded")?])
}

fn profiled(candidate: &str, market: &Regime, commands: u32) -> anyhow::Result<ExitCode> {
    let options = Options { commands: commands as usize, rounds: 1, ..Options::full() };
    measure_only(candidate, market, &options).map_err(anyhow::Error::msg)?;
    Ok(ExitCode::SUCCESS)
}

fn section(trips: &Trips, (core, core_ratio): (&RecordingFigures, Middle), instructions: Option<[f64; 2]>) -> Section {
    let mut section = Section::new("What the counters and the histograms of the stages cost", &[]);
    section.row(
        "round trip of an order, p50",
        vec![format!(
            "{:.0} ns without, {:.0} ns with: {}",
            trips.without.median,
            trips.with.median,
            trips.ratio.percent()
        )],
    );
    section.row(
        &format!("core from ring to ring, (c), {}", core.regime),
        vec![format!("{} ns without, {} ns with: {}", core.without, core.with, core_ratio.percent())],
    );
    if let Some([without, with]) = instructions {
        let percent = (with / without - 1.0) * 100.0;
        section.row(
            "instructions per command of the same",
            vec![format!("{without:.1} without, {with:.1} with: {percent:+.2} %")],
        );
    }
    section
}

fn as_json(
    trips: &Trips,
    (core, core_ratio): (&RecordingFigures, Middle),
    instructions: Option<[f64; 2]>,
    is_kept: Option<bool>,
) -> serde_json::Value {
    json!({
        "round_trip_p50_without_ns": trips.without.json(),
        "round_trip_p50_with_ns": trips.with.json(),
        "round_trip_ratio": trips.ratio.json(),
        "core_without_ns": core.without.median,
        "core_with_ns": core.with.median,
        "core_ratio": core_ratio.json(),
        "instructions_per_command": instructions.map(|pair| pair.map(rounded)),
        "within_bound": is_kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_interval_on_one_side_of_the_bound_decides() {
        let ratio = |low, high| Middle { median: f64::midpoint(low, high), low, high, rounds: 60 };
        assert_eq!(is_within(&[ratio(0.99, 1.01), ratio(1.0, 1.02)]), Some(true));
        assert_eq!(is_within(&[ratio(0.99, 1.01), ratio(1.03, 1.05)]), Some(false));
        assert_eq!(is_within(&[ratio(0.99, 1.01), ratio(0.96, 1.11)]), None);
    }
}
