//! `hft counters`: what the venue counts, while it runs and after it is gone.

pub mod alarms;
pub mod file;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::VenueArgs;
use crate::clock::utc_now;
use crate::output::print_line;
use crate::top::nanos;
use file::{SHARES, Snapshot, Times, Value};

/// What the venue counts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hft counters\n  hft counters stage --json\n  hft counters edge --watch")]
pub struct Args {
    /// Only entries whose name begins so
    #[arg(value_name = "PREFIX")]
    prefix: Option<String>,
    #[command(flatten)]
    venue: VenueArgs,
    /// Again every second, with what changed per second
    #[arg(long)]
    watch: bool,
    /// Also what is still 0; with a PREFIX, and as JSON, it always is there
    #[arg(long)]
    all: bool,
    /// One JSON object per look
    #[arg(long)]
    json: bool,
}

/// Prints once, or until the reader goes away.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    const EVERY: Duration = Duration::from_secs(1);
    let data_dir = args.venue.load()?.data_dir;
    let mut before: Option<Snapshot> = None;
    loop {
        let now = Snapshot::read(&data_dir)?;
        if args.json {
            print_line(&as_json(&now, args.prefix.as_deref()).to_string());
        } else {
            print_line(&table(&now, before.as_ref(), args));
        }
        if !args.watch || crate::output::is_closed() {
            return Ok(ExitCode::SUCCESS);
        }
        before = Some(now);
        std::thread::park_timeout(EVERY);
    }
}

fn wanted<'a>(now: &'a Snapshot, prefix: Option<&'a str>) -> impl Iterator<Item = (&'a String, &'a Value)> {
    now.values.iter().filter(move |(name, _)| prefix.is_none_or(|prefix| name.starts_with(prefix)))
}

fn table(now: &Snapshot, before: Option<&Snapshot>, args: &Args) -> String {
    let state = if now.is_live() { "runs" } else { "has ended" };
    let mut lines = vec![format!(
        "process {} {state}; clock {} MHz, {}.{:02} ns per reading",
        now.process,
        now.ticks_hz / 1_000_000,
        now.tick_cost_centinanos / 100,
        now.tick_cost_centinanos % 100
    )];
    let shows_all = args.all || args.prefix.is_some();
    let mut hidden = 0;
    for (name, value) in wanted(now, args.prefix.as_deref()) {
        if !shows_all && is_zero(value) {
            hidden += 1;
            continue;
        }
        let earlier = before.and_then(|before| before.values.get(name));
        lines.push(match (value, earlier) {
            (Value::Counter(number), Some(Value::Counter(earlier))) => {
                format!("{name:<40} {number:>20} {:>14}/s", number.saturating_sub(*earlier))
            }
            (Value::Counter(number) | Value::Gauge(number), _) => format!("{name:<40} {number:>20}"),
            (Value::Text(text), _) => format!("{name:<40} {text:>20}"),
            (Value::Times(times), Some(Value::Times(earlier))) => times_line(name, &times.since(earlier)),
            (Value::Times(times), _) => times_line(name, times),
            (Value::Row(row), _) => format!("{name:<40} {}", row_text(name, row)),
        });
    }
    if hidden > 0 {
        lines.push(format!("{hidden} more are 0 (--all shows them)"));
    }
    let found = alarms::alarms(now, utc_now().0);
    lines.extend(found.iter().map(|alarm| format!("ALARM {}: {}", alarm.name, alarm.found)));
    lines.join("\n")
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Counter(number) | Value::Gauge(number) => *number == 0,
        Value::Text(text) => text.is_empty(),
        Value::Times(times) => times.count == 0,
        Value::Row(_) => false,
    }
}

/// The top of a book as people write it.
fn row_text(name: &str, row: &[u64; 8]) -> String {
    let book = crate::top::book(name, row);
    let [bid, bid_qty, ask, ask_qty, last] = &book.cells;
    let side = |price: &str, quantity: &str| {
        if price.is_empty() { "-".to_owned() } else { format!("{price} x {quantity}") }
    };
    let last = if last.is_empty() { "-" } else { last };
    format!("bid {}  ask {}  last {last}  {}", side(bid, bid_qty), side(ask, ask_qty), book.state)
}

fn times_line(name: &str, times: &Times) -> String {
    let mut line = format!("{name:<40} {:>20}  mean {:>7}", times.count, nanos(times.mean()));
    line.extend(SHARES.iter().map(|(label, share)| format!("  {label} {:>7}", nanos(times.at(*share)))));
    line + &format!("  max {:>7}", nanos(times.greatest))
}

/// A look as JSON: numbers and texts by name, times as their percentiles in nanoseconds.
fn as_json(now: &Snapshot, prefix: Option<&str>) -> Json {
    let values: Map<String, Json> = wanted(now, prefix)
        .map(|(name, value)| {
            let value = match value {
                Value::Counter(number) | Value::Gauge(number) => json!(number),
                Value::Text(text) => json!(text),
                Value::Row(row) => json!(row),
                Value::Times(times) => times_json(times),
            };
            (name.clone(), value)
        })
        .collect();
    json!({
        "process": now.process,
        "live": now.is_live(),
        "started_utc_ns": now.started_utc_ns,
        "ticks_hz": now.ticks_hz,
        "tick_cost_centinanos": now.tick_cost_centinanos,
        "values": values,
        "alarms": alarms::alarms(now, utc_now().0).iter().map(|alarm| alarm.name).collect::<Vec<_>>(),
    })
}

/// Count, mean and percentiles.
pub fn times_json(times: &Times) -> Json {
    let mut object = Map::new();
    object.insert("count".into(), times.count.into());
    object.insert("mean".into(), times.mean().into());
    object.insert("sum".into(), times.sum.into());
    object.insert("min".into(), times.least.into());
    for (label, share) in SHARES {
        object.insert(label.into(), times.at(share).into());
    }
    object.insert("max".into(), times.greatest.into());
    object.into()
}
