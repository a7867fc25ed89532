//! `hft journal`: looks at the journal of a venue. Read-only; works while the venue runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use clap::Subcommand;
use journal::{ChainReport, JournalReader};
use protocol::record;
use serde_json::json;

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
struct DumpArgs {
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// First sequence
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from: u64,
    /// Last sequence
    #[arg(long, value_name = "SEQ", default_value_t = u64::MAX)]
    to: u64,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Verify(args) => verify(args),
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
            "{}: {} records in {} segments, last sequence {}, torn bytes {}, {}",
            if report.ok { "ok" } else { "DAMAGED" },
            report.records,
            report.segments,
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

fn dump(args: &DumpArgs) -> anyhow::Result<ExitCode> {
    let mut reader = JournalReader::open(&journal_of(&args.data_dir)?)?;
    while let Some(found) = reader.next()? {
        let sequence = found.sequence.0;
        if sequence < args.from {
            continue;
        }
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
