//! `hft snapshot`: looks at the snapshots of a venue. Read-only; works while the venue runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Subcommand;
use engine::core::Core;
use journal::SnapshotStore;
use protocol::Sequence;
use serde_json::json;

use crate::output::{hex, print_line, time_text};
use crate::venue::restore_point;

/// List, check and compare the snapshots.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One line each, the newest first
    #[command(after_help = "Example:\n  hft snapshot list --data-dir ./data")]
    List(Where),
    /// Check the database, each snapshot's hash, and that its state decodes to the hash it names. Exit code 1 when one fails
    #[command(after_help = "Example:\n  hft snapshot verify --data-dir ./data --json")]
    Verify(Where),
    /// What changed from one snapshot to another: orders, accounts, instruments
    #[command(after_help = "Example:\n  hft snapshot diff 1000 2000 --data-dir ./data")]
    Diff(Diff),
}

#[derive(Debug, clap::Args)]
struct Where {
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// As JSON, one object per line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Diff {
    /// Sequence of the one
    #[arg(value_name = "FROM", value_parser = crate::units::whole::<u64>)]
    from: u64,
    /// Sequence of the other
    #[arg(value_name = "TO", value_parser = crate::units::whole::<u64>)]
    to: u64,
    #[command(flatten)]
    place: Where,
}

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::List(place) => list(place),
        What::Verify(place) => verify(place),
        What::Diff(args) => diff(args),
    }
}

fn store(data_dir: &Path) -> anyhow::Result<SnapshotStore> {
    let path = data_dir.join("snapshots.sqlite");
    ensure!(path.exists(), "no snapshots at {}; name the data directory of a venue with --data-dir", path.display());
    Ok(SnapshotStore::open_read_only(&path)?)
}

fn list(place: &Where) -> anyhow::Result<ExitCode> {
    let metas = store(&place.data_dir)?.list()?;
    if metas.is_empty() {
        eprintln!(
            "none yet: a venue writes one from time to time, and when it stops ([snapshots] in the configuration)"
        );
    }
    for meta in metas {
        if place.json {
            let line = json!({
                "sequence": meta.sequence.0, "ingress_ns": meta.ingress.0, "created_ns": meta.created.0,
                "state_hash": hex(&meta.state_hash), "event_hash": hex(&meta.event_hash), "build": meta.build,
            });
            print_line(&line.to_string());
        } else {
            print_line(&format!(
                "{:>12} {} state {} events {} by {}",
                meta.sequence.0,
                time_text(meta.ingress),
                hex(&meta.state_hash),
                hex(&meta.event_hash),
                meta.build
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(place: &Where) -> anyhow::Result<ExitCode> {
    let store = store(&place.data_dir)?;
    let report = store.verify()?;
    let mut ok = report.integrity.is_empty();
    for complaint in &report.integrity {
        print_line(&json!({ "ok": false, "database": complaint }).to_string());
    }
    for check in report.snapshots {
        let fault = check.fault.or_else(|| state_fault(&store, check.sequence));
        ok &= fault.is_none();
        if place.json {
            let line = json!({ "sequence": check.sequence.0, "ok": fault.is_none(), "fault": fault });
            print_line(&line.to_string());
        } else {
            print_line(&format!("{:>12} {}", check.sequence.0, fault.unwrap_or_else(|| "ok".to_owned())));
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why a snapshot whose content is as it was written is of no use all the same.
fn state_fault(store: &SnapshotStore, sequence: Sequence) -> Option<String> {
    let snapshot = match store.snapshot(sequence) {
        Ok(snapshot) => snapshot,
        Err(fault) => return Some(fault),
    };
    let Some(state) = restore_point::core_state(&snapshot) else {
        return Some("it is no snapshot that this program knows".to_owned());
    };
    match Core::decode_state(state) {
        Err(error) => Some(format!("its state does not decode: {error}")),
        Ok(core) if core.state_hash() != snapshot.meta.state_hash => Some("its state has another hash".to_owned()),
        Ok(core) if core.last_sequence() != sequence => Some("its state is of another sequence".to_owned()),
        Ok(_) => None,
    }
}

fn load(store: &SnapshotStore, sequence: u64) -> anyhow::Result<Core> {
    let snapshot = store.snapshot(Sequence(sequence)).map_err(anyhow::Error::msg)?;
    let state = restore_point::core_state(&snapshot)
        .with_context(|| format!("snapshot {sequence} is none that this program knows"))?;
    Core::decode_state(state).with_context(|| format!("the state of snapshot {sequence} does not decode"))
}

fn diff(args: &Diff) -> anyhow::Result<ExitCode> {
    let store = store(&args.place.data_dir)?;
    let (from, to) = (load(&store, args.from)?, load(&store, args.to)?);
    let mut counts = [0_u64; 3];
    for (what, before, after) in [
        (
            "instrument",
            rows(from.instruments(), |row| row.listed.symbol),
            rows(to.instruments(), |row| row.listed.symbol),
        ),
        ("account", rows(from.accounts(), |row| row.name), rows(to.accounts(), |row| row.name)),
        ("order", rows(from.orders(), |row| row.order_ref), rows(to.orders(), |row| row.order_ref)),
    ] {
        tell_changes(what, &before, &after, args.place.json, &mut counts);
    }
    let [added, removed, changed] = counts;
    let summary = json!({ "from": args.from, "to": args.to, "added": added, "removed": removed, "changed": changed });
    if args.place.json {
        print_line(&summary.to_string());
    } else {
        print_line(&format!("{added} added, {removed} removed, {changed} changed"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Each row in words, under its name.
fn rows<T: std::fmt::Debug, K: ToString>(
    views: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> BTreeMap<String, String> {
    views.map(|view| (key(&view).to_string(), format!("{view:?}"))).collect()
}

fn tell_changes(
    what: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    as_json: bool,
    counts: &mut [u64; 3],
) {
    let mut tell = |change: usize, key: &str, text: &str| {
        let word = ["added", "removed", "changed"][change];
        counts[change] += 1;
        if as_json {
            print_line(&json!({ "change": word, "what": what, "key": key, "row": text }).to_string());
        } else {
            print_line(&format!("{} {what} {key}: {text}", ["+", "-", "~"][change]));
        }
    };
    for (key, text) in after {
        match before.get(key) {
            None => tell(0, key, text),
            Some(old) if old != text => tell(2, key, text),
            Some(_) => {}
        }
    }
    for (key, text) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        tell(1, key, text);
    }
}
