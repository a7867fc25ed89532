//! The small benches: rings, pauses of the cpus, market data after an order. And all of them in one go.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use engine::runtime::topology::{self, Topology};
use hdrhistogram::Histogram;

use crate::bench::report::{QUANTILES, Report, compare as compared, is_told};
use crate::bench::round_trip::histogram;
use crate::bench::section::Section;
use crate::bench::trips::OrderLoop;
use crate::bench::venue::{BenchVenue, Template};
use crate::bench::wire::host;
use crate::bench::yardstick;
use crate::client::{FeedClient, Progress};
use crate::clock::monotonic;
use crate::config::DurabilityMode;
use crate::output::print_line;
use crate::top::nanos;

/// Two hops through rings between two threads.
#[derive(Debug, clap::Args)]
pub struct RingArgs {
    /// Commands there and events back
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    trips: u32,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Pauses of a spinning thread on each cpu.
#[derive(Debug, clap::Args)]
pub struct JitterArgs {
    /// Seconds on each cpu
    #[arg(long, value_name = "N", default_value_t = 2)]
    seconds: u64,
    /// Shorter pauses are not counted, ns
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    from_ns: u64,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// From an order to the market data that tells of it.
#[derive(Debug, clap::Args)]
pub struct FeedArgs {
    /// Orders, one at a time
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    orders: u32,
    /// Durability of the venue
    #[arg(long, value_name = "MODE", default_value = "journal")]
    durability: DurabilityMode,
    #[command(flatten)]
    venue: Template,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Two reports.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// report.json of before
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// report.json of after
    #[arg(value_name = "AFTER")]
    after: PathBuf,
}

fn print_section(section: &Section, is_json: bool) -> ExitCode {
    let host = host(&Topology::of_this_host());
    if is_json {
        let host: serde_json::Map<_, _> = host.into_iter().map(|(name, what)| (name, what.into())).collect();
        print_line(&serde_json::json!({ "host": host, "found": section.json() }).to_string());
    } else {
        for (name, what) in host {
            print_line(&format!("{name:<14} {what}"));
        }
        print_line(&section.text());
    }
    ExitCode::SUCCESS
}

/// A section whose rows are distributions.
fn distributions(title: &str, count: &str) -> Section {
    let heads: Vec<&str> = [count].into_iter().chain(QUANTILES.map(|(name, _)| name)).collect();
    Section::new(title, &heads)
}

/// How many, and the quantiles that so many tell.
fn told(times: &Histogram<u64>) -> Vec<String> {
    let cell = |(_, at): (&str, f64)| {
        if is_told(at, times.len()) { nanos(times.value_at_quantile(at)) } else { "-".to_owned() }
    };
    [times.len().to_string()].into_iter().chain(QUANTILES.map(cell)).collect()
}

/// Measures the rings.
pub fn ring(args: &RingArgs) -> anyhow::Result<ExitCode> {
    Ok(print_section(&ring_section(args)?, args.json))
}

/// The same for a report.
pub fn ring_section(args: &RingArgs) -> anyhow::Result<Section> {
    ensure!(args.trips > 0, "--trips: expected at least 1");
    let mut section = distributions("Two hops through rings between two threads", "trips");
    let times = yardstick::two_ring_hops(args.trips, &Topology::of_this_host())?;
    section.row("command there and event back", told(&times));
    Ok(section)
}

/// Measures the pauses.
pub fn jitter(args: &JitterArgs) -> anyhow::Result<ExitCode> {
    Ok(print_section(&jitter_section(args)?, args.json))
}

/// The same for a report.
pub fn jitter_section(args: &JitterArgs) -> anyhow::Result<Section> {
    let title = format!("Pauses longer than {} of a thread that only spins", nanos(args.from_ns));
    let mut section = distributions(&title, "pauses");
    for cpu in &Topology::of_this_host().cpus {
        let found = yardstick::jitter(cpu.id, Duration::from_secs(args.seconds), args.from_ns)?;
        section.row(&format!("cpu {} in {} s", cpu.id, args.seconds), told(&found));
    }
    Ok(section)
}

/// Measures from the send of an order to its message on the feed.
pub fn feed(args: &FeedArgs) -> anyhow::Result<ExitCode> {
    Ok(print_section(&feed_section(args)?, args.json))
}

/// The same for a report.
pub fn feed_section(args: &FeedArgs) -> anyhow::Result<Section> {
    ensure!(args.orders > 0, "--orders: expected at least 1");
    let topology = Topology::of_this_host();
    let plan = topology.plan(args.durability == DurabilityMode::Fdatasync);
    let venue = BenchVenue::start(&args.venue, args.durability)?;
    if let Some(cpu) = topology.allowed.iter().find(|cpu| Some(**cpu) != plan.edge.cpu) {
        topology::run_on(&[*cpu])?;
    }
    let mut orders = OrderLoop::login(venue.address, false)?;
    let from = FeedClient::snapshot(venue.feed_address)?.next_sequence;
    let mut feed = FeedClient::itch(venue.feed_address, from)?;
    let mut times = histogram()?;
    for order in 0..args.orders {
        let sent = monotonic();
        orders.enter_only()?;
        wait_for(&mut feed)?;
        if order >= args.orders / 10 {
            times.saturating_record(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        orders.cancel_only()?;
        wait_for(&mut feed)?;
    }
    // Whoever comes next may run anywhere again.
    topology::run_on(&topology.allowed)?;
    let mut section = distributions("From an order to the market data that tells of it", "orders");
    section.row("order sent to its feed message read", told(&times));
    Ok(section)
}

/// Blocks until the feed has something new.
fn wait_for(feed: &mut FeedClient) -> anyhow::Result<()> {
    let end = monotonic() + Duration::from_secs(5);
    let mut is_there = false;
    while !is_there {
        let progress = feed.receive(Duration::from_millis(100), |_, _| is_there = true)?;
        ensure!(progress != Progress::Finished && monotonic() < end, "the feed has ended or says nothing");
    }
    Ok(())
}

/// Compares two reports.
pub fn compare(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let read = |path: &PathBuf| -> anyhow::Result<Report> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no report of hft bench wire", path.display()))
    };
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    print_line(&compared(&before, &after).join("\n"));
    Ok(ExitCode::SUCCESS)
}
