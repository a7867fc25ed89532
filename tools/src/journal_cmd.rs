//! `hft journal`: looks at the journal of a venue. Read-only; works while the venue runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use clap::Subcommand;
use journal::{ChainReport, JournalReader, first_sequence};
use protocol::{Sequence, record};
use serde_json::json;

use crate::export;
use crate::output::{hex, print_line};

/// Check and print the journal.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check every record: whole, in order, nothing between. Exit code 1 when damaged
    #[command(after_help = "Example:\n  hft journal verify --data-dir ./data --json")]
    Verify(VerifyArgs),
    /// Count the commands: by kind, by time, by size
    #[command(after_help = "Example:\n  hft journal stats --data-dir ./data --json")]
    Stats(StatsArgs),
    /// Write the commands as CSV or Parquet, or what the feed said as an ITCH 5.0 file
    #[command(after_help = "Example:\n  hft journal export --format itch --out day.itch --data-dir ./data")]
    Export(export::Args),
    /// Print the records, one line each
    #[command(after_help = "Example:\n  hft journal dump --data-dir ./data --from 100 --to 120")]
    Dump(DumpArgs),
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// Leave the hash chain out: faster, finds what a disk does but not what somebody did
    #[arg(long)]
    skip_chain: bool,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct StatsArgs {
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct DumpArgs {
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// First sequence
    #[arg(long, value_name = "SEQ", allow_negative_numbers = true, value_parser = crate::units::whole::<u64>, default_value_t = 1)]
    from: u64,
    /// Last sequence; without it, all that there are
    #[arg(long, value_name = "SEQ", allow_negative_numbers = true, value_parser = crate::units::whole::<u64>, default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Verify(args) => verify(args),
        What::Stats(args) => stats(args),
        What::Export(args) => export::run(args),
        What::Dump(args) => dump(args),
    }
}

fn journal_of(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let dir = data_dir.join("journal");
    ensure!(dir.is_dir(), "no journal at {}; name the data directory of a venue with --data-dir", dir.display());
    Ok(dir)
}

fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let dir = journal_of(&args.data_dir)?;
    let report = if args.skip_chain { journal::verify_records(&dir)? } else { journal::verify(&dir)? };
    let damage = report.damage.as_ref().map(ToString::to_string);
    if args.json {
        print_line(
            &json!({
                "ok": report.ok,
                "segments": report.segments,
                "records": report.records,
                "first_sequence": report.first_sequence.0,
                "last_sequence": report.last_sequence.0,
                "torn_bytes": report.torn_bytes,
                "sealed": report.sealed,
                "chain": chain_json(report.chain.as_ref()),
                "damage": damage,
            })
            .to_string(),
        );
    } else {
        print_line(&format!(
            "{}: {} records in {} segments, sequence {} to {}, torn bytes {}, {}",
            if report.ok { "ok" } else { "DAMAGED" },
            report.records,
            report.segments,
            report.first_sequence,
            report.last_sequence,
            report.torn_bytes,
            if report.sealed { "sealed" } else { "not sealed" },
        ));
        if let Some(chain) = &report.chain {
            print_line(&format!(
                "chain of {} sealed segments up to sequence {}: {}",
                chain.segments,
                chain.last_sequence,
                hex(&chain.head)
            ));
        }
        if let Some(damage) = damage {
            print_line(&damage);
        }
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chain_json(chain: Option<&ChainReport>) -> serde_json::Value {
    let Some(chain) = chain else { return json!({ "status": "skipped" }) };
    json!({
        "status": if chain.damage.is_some() { "broken" } else { "ok" },
        "segments": chain.segments,
        "last_sequence": chain.last_sequence.0,
        "head": hex(&chain.head),
    })
}

/// What a journal holds, in numbers.
#[derive(Debug, Default)]
struct Stats {
    records: u64,
    body_bytes: u64,
    first_ns: u64,
    last_ns: u64,
    /// Commands by kind.
    kinds: BTreeMap<&'static str, u64>,
    /// The second that is being counted, its commands, and the most of any second so far.
    second: u64,
    in_second: u64,
    peak_per_second: u64,
}

impl Stats {
    fn count(&mut self, ingress_ns: u64, body_bytes: usize, kind: &'static str) {
        if self.records == 0 {
            self.first_ns = ingress_ns;
        }
        if ingress_ns / 1_000_000_000 != self.second {
            (self.second, self.in_second) = (ingress_ns / 1_000_000_000, 0);
        }
        self.in_second += 1;
        self.peak_per_second = self.peak_per_second.max(self.in_second);
        self.records += 1;
        self.body_bytes += body_bytes as u64;
        self.last_ns = ingress_ns;
        *self.kinds.entry(kind).or_default() += 1;
    }
}

fn stats(args: &StatsArgs) -> anyhow::Result<ExitCode> {
    let mut reader = JournalReader::open_oldest(&journal_of(&args.data_dir)?)?;
    let mut stats = Stats::default();
    while let Some(found) = reader.next()? {
        let kind = record::decode(found.body).map_or("not a command", |body| export::kind(&body));
        stats.count(found.ingress.0, found.body.len(), kind);
    }
    let header = reader.newest_header();
    let report = json!({
        "records": stats.records,
        "last_sequence": reader.last_sequence().0,
        "segments": reader.segments(),
        "starts": header.map_or(0, |header| header.epoch),
        "body_bytes": stats.body_bytes,
        "first_ingress_ns": stats.first_ns,
        "last_ingress_ns": stats.last_ns,
        "peak_per_second": stats.peak_per_second,
        "commands": stats.kinds,
    });
    if args.json {
        print_line(&report.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for (key, value) in report.as_object().into_iter().flatten().filter(|(key, _)| *key != "commands") {
        print_line(&format!("{key:<20} {value}"));
    }
    for (kind, count) in &stats.kinds {
        print_line(&format!("  {kind:<18} {count}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn dump(args: &DumpArgs) -> anyhow::Result<ExitCode> {
    let dir = journal_of(&args.data_dir)?;
    let oldest = first_sequence(&dir)?.map_or(1, |first| first.0);
    let mut reader = JournalReader::open_after(&dir, Sequence(args.from.max(oldest) - 1))?;
    while let Some(found) = reader.next()? {
        let sequence = found.sequence.0;
        if sequence > args.to {
            break;
        }
        let body = record::decode(found.body);
        let text = match &body {
            Ok(body) => format!("{body:?}"),
            Err(error) => format!("not a command: {error}"),
        };
        if args.json {
            let line = json!({ "sequence": sequence, "ingress_ns": found.ingress.0, "command": text });
            print_line(&line.to_string());
        } else {
            print_line(&format!("{sequence:>12} {} {text}", found.ingress));
        }
    }
    Ok(ExitCode::SUCCESS)
}
