//! `hft backup`: copies a data directory while its venue runs, so that a venue started on the copy goes on from there.
//!
//! Snapshots first, then the journal, then the streams: no snapshot is beyond the journal's end, and what the streams have
//! beyond it is dropped by the first start on the copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use journal::{DataPaths, SnapshotStore, copy_journal};
use serde_json::json;

use crate::output::print_line;
use crate::venue::credentials::FILE as PASSWORDS;

/// Copy the data directory, also while the venue runs.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hft backup ./backup-1 --data-dir ./data\n  hft serve --data-dir ./backup-1 --port-offset 100"
)]
pub struct Args {
    /// New folder for the copy
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Copies, and says up to which sequence.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let from = DataPaths::existing(&args.data_dir)?;
    fs::create_dir(&args.to).with_context(|| {
        format!("cannot create {}; name a new folder in an existing one for the copy", args.to.display())
    })?;
    let to = DataPaths::existing(&args.to)?;
    if from.snapshots().exists() {
        SnapshotStore::open_read_only(&from.snapshots())?.copy_to(&to.snapshots())?;
    }
    fs::create_dir(to.journal_dir()).context("cannot create the folder of the copied journal")?;
    let copied = copy_journal(&from.journal_dir(), &to.journal_dir())?;
    let streams = copy_streams(&from.streams_dir(), &to.streams_dir())?;
    copy_passwords(&from, &to)?;
    ensure!(copied.segments > 0, "the journal in {} is empty: there is nothing to keep", args.data_dir.display());
    if args.json {
        let report = json!({
            "last_sequence": copied.last_sequence.0, "segments": copied.segments, "streams": streams,
        });
        print_line(&report.to_string());
    } else {
        print_line(&format!(
            "copied {} segments up to sequence {}, and {streams} streams, into {}",
            copied.segments,
            copied.last_sequence,
            args.to.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The passwords of accounts that the operator created, when there are any.
fn copy_passwords(from: &DataPaths, to: &DataPaths) -> anyhow::Result<()> {
    let (source, target) = (from.root().join(PASSWORDS), to.root().join(PASSWORDS));
    if source.exists() {
        fs::copy(&source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
    }
    Ok(())
}

/// Each as it is: the next start compares every message with what the journal says, and mends the rest.
fn copy_streams(from: &Path, to: &Path) -> anyhow::Result<u64> {
    fs::create_dir(to).context("cannot create the folder of the copied streams")?;
    let mut streams = 0;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            streams += copy_streams(&path, &copy)?;
            continue;
        }
        fs::copy(&path, &copy).with_context(|| format!("cannot copy {}", path.display()))?;
        fs::File::open(&copy).and_then(|file| file.sync_all()).context("cannot flush a copied stream")?;
        streams += 1;
    }
    fs::File::open(to).and_then(|folder| folder.sync_all()).context("cannot flush the folder of the copied streams")?;
    Ok(streams)
}
