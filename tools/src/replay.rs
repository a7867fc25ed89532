//! `hft replay`: replays the journal of a venue and prints what it comes to. Read-only; works while the venue runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use journal::JournalReader;
use protocol::{Nanos, Sequence};
use serde_json::json;

use crate::output::{hex, print_line};
use crate::venue::pace::{Pace, Speed};
use crate::venue::reading::{self, Begin};
use crate::venue::recovery::{Replayed, Replica};
use crate::{VenueArgs, counterfactual, replay_serve};

/// Replay the journal and print its hashes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hft replay --data-dir ./data --to 1000 --json\n  hft replay --from-snapshot --to-time 2026-11-21T09:30:00Z\n  hft replay --serve --speed 10x\n  hft replay --with-orders orders.csv"
)]
pub struct Args {
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// Stop after the command with this sequence; 0 is the empty venue
    #[arg(long, value_name = "SEQ", allow_negative_numbers = true, value_parser = crate::units::whole::<u64>)]
    to: Option<u64>,
    /// Stop after the last command at or before this time: ns since 1970 UTC, or 2026-11-21T09:30:00.5Z
    #[arg(long, value_name = "TIME", conflicts_with = "to", value_parser = time)]
    to_time: Option<Nanos>,
    /// Begin at a snapshot: the newest one that is not beyond the end, or the one of this sequence
    #[arg(long, value_name = "SEQ", value_parser = crate::units::whole::<u64>, num_args = 0..=1, default_missing_value = "0")]
    from_snapshot: Option<u64>,
    /// How fast recorded time passes: 1x as it was, 10x, or any other whole number of times; max does not wait
    #[arg(long, value_name = "SPEED", default_value = "max")]
    speed: Speed,
    /// With --speed: what was before this time passes at once
    #[arg(long, value_name = "TIME", value_parser = time)]
    from_time: Option<Nanos>,
    /// Serve the recorded feed on the WebSocket port, as if it were live, until a signal
    #[arg(long, conflicts_with_all = ["from_snapshot", "with_orders", "json"])]
    serve: bool,
    /// With --serve: configuration file
    #[arg(long, value_name = "PATH", default_value = "configs/hft.toml")]
    config: PathBuf,
    /// With --serve: added to the port
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = crate::units::whole::<u16>, default_value_t = 0)]
    port_offset: u16,
    /// Play these orders into the recorded day as well, and tell what differs: a CSV file with the columns
    /// `time,account,symbol,side,quantity,price,tif,cancel_at`
    #[arg(long, value_name = "FILE", conflicts_with = "from_snapshot")]
    with_orders: Option<PathBuf>,
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
    let journal_dir = args.data_dir.join("journal");
    let to = match args.to_time {
        Some(time) => Some(last_at(&journal_dir, time)?),
        None => args.to.map(Sequence),
    };
    let pace = Pace::new(args.speed).from(args.from_time.unwrap_or(Nanos(0)));
    if let Some(file) = &args.with_orders {
        return counterfactual::run(&args.data_dir, file, to, args.json);
    }
    if args.serve {
        let data_dir = Some(args.data_dir.clone());
        let venue = VenueArgs { config: args.config.clone(), data_dir, port_offset: args.port_offset };
        return replay_serve::run(&venue.load()?, &args.data_dir, to, pace);
    }
    let begin = match args.from_snapshot {
        None => Begin::First,
        Some(0) => Begin::Newest,
        Some(sequence) => Begin::At(Sequence(sequence)),
    };
    let mut replica = reading::replica(&args.data_dir, begin, to)?;
    let from = replica.core.last_sequence();
    replica.at_pace(pace);
    let replayed = replica.replay(&journal_dir, to, |_| Ok(()), |_, _| Ok(()))?;
    let last = replica.core.last_sequence();
    if let Some(to) = args.to {
        ensure!(last.0 == to, "the journal ends at sequence {last}; --to {to} is beyond it");
    }
    let mut summary = summary(&replica, replayed);
    if from > Sequence::ZERO
        && let Some(fields) = summary.as_object_mut()
    {
        fields.insert("from_snapshot".to_owned(), from.0.into());
    }
    if args.json {
        print_line(&summary.to_string());
    } else {
        for key in ["from_snapshot", "records", "last_sequence", "event_hash", "state_hash", "commands_per_second"] {
            let Some(value) = summary.get(key).map(ToString::to_string) else { continue };
            print_line(&format!("{key:<20} {}", value.trim_matches('"')));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sequence of the last command at or before `time`; times never fall.
fn last_at(journal_dir: &Path, time: Nanos) -> anyhow::Result<Sequence> {
    let mut reader = JournalReader::open_oldest(journal_dir)?;
    let mut last = Sequence::ZERO;
    while let Some(found) = reader.next()? {
        if found.ingress > time {
            break;
        }
        last = found.sequence;
    }
    Ok(last)
}

/// Nanoseconds since 1970 UTC, or a date and time of day in UTC with up to nine decimals of a second.
///
/// # Errors
/// What is expected.
pub fn time(text: &str) -> Result<Nanos, String> {
    let wrong = || format!("{text:?} is no time; give ns since 1970 UTC, or 2026-11-21T09:30:00.5Z");
    if let Ok(nanos) = text.parse() {
        return Ok(Nanos(nanos));
    }
    parse_utc(text).map(Nanos).ok_or_else(wrong)
}

fn parse_utc(text: &str) -> Option<u64> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let numbers = |text: &str, separator| {
        let parts: Option<Vec<u64>> = text.split(separator).map(|part| part.parse().ok()).collect();
        <[u64; 3]>::try_from(parts?).ok()
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(clock, ':')?);
    let in_range = (1970..=2400).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 59 || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    // Years are counted from March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000_000 + nanos)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_ns_or_utc() {
        for (text, nanos) in [
            ("17", 17),
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00.5Z", 951_825_600_500_000_000),
            ("2026-03-01T00:00:00.000000001Z", 1_772_323_200_000_000_001),
        ] {
            assert_eq!(time(text), Ok(Nanos(nanos)), "{text}");
        }
        for wrong in ["", "-1", "2026-03-01", "2026-13-01T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T00:00:00.Z"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
