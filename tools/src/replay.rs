//! `hft replay`: replays the journal of a venue and prints what it comes to. Read-only; works while the venue runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use protocol::Sequence;
use serde_json::json;

use crate::output::{hex, print_line};
use crate::venue::recovery::{Replayed, Replica};

/// Replay the journal and print its hashes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hft replay --data-dir ./data --to 1000 --json")]
pub struct Args {
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// Stop after the command with this sequence; 0 is the empty venue
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints the hashes.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(
        args.data_dir.is_dir(),
        "no data directory at {}; name the one that the venue was served from with --data-dir",
        args.data_dir.display()
    );
    let mut replica = Replica::new();
    let replayed = replica.replay(&args.data_dir.join("journal"), args.to.map(Sequence), |_| Ok(()), |_, _| Ok(()))?;
    let last = replica.core.last_sequence();
    if let Some(to) = args.to {
        ensure!(last.0 == to, "the journal ends at sequence {last}; --to {to} is beyond it");
    }
    let summary = summary(&replica, replayed);
    if args.json {
        print_line(&summary.to_string());
    } else {
        for key in ["records", "last_sequence", "event_hash", "state_hash", "commands_per_second"] {
            let value = summary.get(key).map(ToString::to_string).unwrap_or_default();
            print_line(&format!("{key:<20} {}", value.trim_matches('"')));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The object that an orderly stop of the venue prints too.
pub fn summary(replica: &Replica, replayed: Replayed) -> serde_json::Value {
    summary_of(replayed, replica.core.last_sequence(), &replica.hasher.finish(), &replica.core.state_hash())
}

/// The same from its parts.
pub fn summary_of(
    replayed: Replayed,
    last: Sequence,
    event_hash: &[u8; 32],
    state_hash: &[u8; 32],
) -> serde_json::Value {
    json!({
        "records": replayed.records,
        "last_sequence": last.0,
        "event_hash": hex(event_hash),
        "state_hash": hex(state_hash),
        "commands_per_second": replayed.commands_per_second(),
    })
}
