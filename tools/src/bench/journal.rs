//! `hft bench journal`: how fast a venue comes back, and what flushes cost. Every figure stands beside a yardstick of the same
//! run: recovery beside the core alone, an acknowledgement after a flush beside a bare flush of the same disk.

#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use benches::matching::{Options, REGIMES, host, measure_only};
use engine::testing::workload::{Regime, Scale, Workload, generate};
use journal::{JournalConfig, JournalWriter, SnapshotStore};
use protocol::{AccountName, Command, CommandBody, Firm, Nanos, Sequence, record};
use serde_json::{Value, json};

use crate::VenueArgs;
use crate::bench::section::Section;
use crate::bench::{beside, flush};
use crate::clock::monotonic;
use crate::output::{hex, print_line};
use crate::venue::counted_streams::CountedStreams;
use crate::venue::recovery::Replica;
use crate::venue::restore_point::StreamLengths;
use crate::venue::{assembly, restore_point, snapshot_rows};

/// Seed of the order flow.
const SEED: u64 = 0x5EED;

/// Recovery, replay, the load of a snapshot, flushes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Commands of the journal that is recovered
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    commands: u32,
    /// Open orders of the snapshot that is loaded
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    orders: u32,
    /// Acknowledgements after a flush, one order at a time
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    flushes: u32,
    /// Times that recovery and replay are measured; the fastest counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// An existing folder on the disk that is measured; a folder in it is made and removed
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Configuration file
    #[arg(long, value_name = "PATH", default_value = "configs/hft.toml")]
    config: PathBuf,
    /// Only this part
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Part>,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// What there is to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Recovery and replay
    Recovery,
    /// Writing and loading a snapshot
    Snapshot,
    /// Flushes, and answers after them
    Flushes,
    /// Matching beside the journal
    Beside,
}

/// Measures and prints.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let figures = figures(args)?;
    if args.json {
        print_line(&json!({ "host": host(), "figures": figures }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    print_line(&host());
    for (name, value) in figures.as_object().into_iter().flatten() {
        print_line(&format!("{name:<44} {value}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The same for a report.
pub fn section(args: &Args) -> anyhow::Result<Section> {
    let found = figures(args)?;
    Ok(as_section(&found))
}

/// The figures with their units; a name ends with that of its figure.
fn as_section(figures: &Value) -> Section {
    let mut section = Section::new("Recovery, replay, snapshots and flushes", &["p50", "p99", "p99.9", "max"]);
    for (name, value) in figures.as_object().into_iter().flatten() {
        let mut words: Vec<&str> = name.split('_').collect();
        let place = words.iter().position(|word| ["ns", "us", "ms"].contains(word));
        let unit = place.map(|at| match words.remove(at) {
            "ns" => 1.0,
            "us" => 1e3,
            _ => 1e6,
        });
        let nanos = |number: &Value| {
            let ns = number.as_f64().unwrap_or(0.0) * unit.unwrap_or(1.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time for people")]
            crate::top::nanos(ns.round() as u64)
        };
        let cells = match value {
            Value::Object(quantiles) => {
                let heads = &section.heads;
                heads.iter().map(|head| quantiles.get(head).map_or_else(|| "-".to_owned(), nanos)).collect()
            }
            Value::Number(_) if unit.is_some() => vec![nanos(value)],
            Value::String(text) => vec![text.chars().take(24).collect()],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => vec![value.to_string()],
        };
        section.row(&words.join(" "), cells);
    }
    section
}

fn figures(args: &Args) -> anyhow::Result<Value> {
    ensure!(args.commands > 0 && args.flushes > 0 && args.rounds > 0, "every count must be at least 1");
    let folder = args.dir.join(format!("hft-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let measured = measure(args, &folder);
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    measured
}

fn measure(args: &Args, folder: &Path) -> anyhow::Result<Value> {
    let regime = REGIMES.iter().find(|regime| regime.name == "itch-mix").context("the bench has lost a market")?;
    let mut figures = serde_json::Map::new();
    let mut tell = |name: &str, value: Value| {
        eprintln!("{name}: {value}");
        figures.insert(name.to_owned(), value);
    };
    let is_asked = |part| args.only.is_none_or(|only| only == part);
    if is_asked(Part::Recovery) {
        recovery(args, regime, &folder.join("data"), &mut tell)?;
    }
    if is_asked(Part::Snapshot) {
        snapshot(args, regime, &folder.join("snapshots.sqlite"), &mut tell)?;
    }
    if is_asked(Part::Flushes) {
        flush::measure(args.flushes, regime, folder, &mut tell)?;
    }
    if is_asked(Part::Beside) {
        beside::measure(regime, folder, &mut tell)?;
    }
    Ok(Value::Object(figures))
}

/// Takes a figure by its name.
pub type Tell<'a> = dyn FnMut(&str, Value) + 'a;

fn recovery(args: &Args, regime: &Regime, data_dir: &Path, tell: &mut Tell<'_>) -> anyhow::Result<()> {
    let mut workload = generate(regime, Scale::default(), SEED, args.commands as usize);
    give_names(&mut workload);
    std::fs::create_dir(data_dir)?;
    let journal_dir = data_dir.join("journal");
    std::fs::create_dir(&journal_dir)?;
    let appended = write(&journal_dir, &workload)?;
    let records = workload.opening.len() + workload.commands.len();
    tell("append_ns_per_command", per(appended, records as u64).into());
    drop(workload);

    let venue = VenueArgs { config: args.config.clone(), data_dir: Some(data_dir.to_owned()), port_offset: 0 };
    let config = venue.load()?;
    let (built, first_hash) = assembly::recover_only(&config)?;
    tell("recovery_streams_written_anew_per_second", built.commands_per_second().into());
    settle(data_dir)?;
    let (mut recovered, mut replayed) = (0, u64::MAX);
    for _ in 0..args.rounds {
        let (found, hash) = assembly::recover_only(&config)?;
        ensure!(hash == first_hash, "two recoveries came to different event hashes");
        recovered = recovered.max(found.commands_per_second());
        let mut replica = Replica::new();
        let found = replica.replay(&journal_dir, None, |_| Ok(()), |_, _| Ok(()))?;
        ensure!(replica.hasher.finish() == first_hash, "a replay came to another event hash");
        replayed = replayed.min(per(found.elapsed, found.records));
    }
    tell("recovery_commands", built.records.into());
    tell("recovery_all_checks_per_second", recovered.into());
    tell("replay_ns_per_command", replayed.into());
    let options = Options { commands: 500_000, rounds: args.rounds as usize, ..Options::full() };
    let path = measure_only("path", regime, &options).map_err(anyhow::Error::msg)?;
    let path = path.into_iter().fold(f64::INFINITY, f64::min);
    tell("core_ring_to_ring_ns_per_command", rounded(path));
    tell("replay_over_core_ring_to_ring", rounded(replayed as f64 / path));
    tell("event_hash", hex(&first_hash).into());
    Ok(())
}

/// Waits until all files of the folder are on the disk: what the kernel has still to write, it would write while a recovery is
/// timed, on the cpus that the recovery runs on.
fn settle(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            settle(&path)?;
        } else {
            std::fs::File::open(&path)?.sync_all()?;
        }
    }
    Ok(())
}

fn write(journal_dir: &Path, workload: &Workload) -> anyhow::Result<Duration> {
    let mut writer = JournalWriter::open(journal_dir, &journal_config(64 << 20, false), Sequence::ZERO)?;
    let helper = writer.preparer().spawn()?;
    let started = monotonic();
    for command in workload.opening.iter().chain(&workload.commands) {
        append(&mut writer, command)?;
    }
    let elapsed = started.elapsed();
    drop(helper);
    writer.seal()?;
    Ok(elapsed)
}

/// The flow's accounts are nameless; streams are files with names.
fn give_names(workload: &mut Workload) {
    for command in &mut workload.opening {
        if let CommandBody::OpenAccount(open) = &mut command.body {
            open.name = AccountName::from_text(&format!("B{:05}", open.account.0)).unwrap_or(open.name);
            open.firm = Firm::from_text("BNCH").unwrap_or(open.firm);
        }
    }
}

/// What the journals of a bench are written with.
pub fn journal_config(segment_bytes: u64, flush_on_roll: bool) -> JournalConfig {
    JournalConfig {
        segment_bytes,
        venue_id: *b"a bench's venue.",
        configuration_hash: [0; 32],
        build_id: [0; 32],
        created: Nanos(0),
        flush_on_roll,
    }
}

/// Appends one command.
///
/// # Errors
/// What the writer says.
pub fn append(writer: &mut JournalWriter, command: &Command) -> anyhow::Result<()> {
    let mut body = [0; record::BODY_BYTES_MAX];
    let bytes = record::encode(&command.body, &mut body);
    Ok(writer.append(command.sequence, command.ingress, body.get(..bytes).unwrap_or_default())?)
}

fn snapshot(args: &Args, regime: &Regime, path: &Path, tell: &mut Tell<'_>) -> anyhow::Result<()> {
    let orders_max = args.orders.saturating_add(1 << 16);
    let scale = Scale { orders_max, standing: Some(args.orders), ..Scale::default() };
    let workload = generate(regime, scale, SEED, 1);
    let mut replica = Replica::new();
    for command in &workload.opening {
        replica.apply(command, |_, _| Ok(()))?;
    }
    let mut store = SnapshotStore::open(path, 1)?;
    let started = monotonic();
    snapshot_rows::write(&mut store, &replica, &CountedStreams::from(StreamLengths::new()))?;
    tell("snapshot_orders", replica.core.open_orders().into());
    tell("snapshot_write_ms", millis(started.elapsed()));
    drop(store);
    let mut fastest = Duration::MAX;
    for _ in 0..args.rounds {
        let started = monotonic();
        let snapshot = SnapshotStore::open_read_only(path)?.newest_valid()?.context("the snapshot is gone")?;
        let point = restore_point::decode(&snapshot).map_err(anyhow::Error::msg)?;
        fastest = fastest.min(started.elapsed());
        ensure!(point.core.open_orders() == replica.core.open_orders(), "the snapshot came back another");
    }
    tell("snapshot_load_ms", millis(fastest));
    Ok(())
}

/// Nanoseconds each.
pub fn per(elapsed: Duration, count: u64) -> u64 {
    u64::try_from(elapsed.as_nanos() / u128::from(count.max(1))).unwrap_or(u64::MAX)
}

fn millis(elapsed: Duration) -> Value {
    rounded(elapsed.as_secs_f64() * 1e3)
}

/// Two decimals.
pub fn rounded(value: f64) -> Value {
    crate::bench::report::rounded(value).into()
}
