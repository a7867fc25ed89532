//! Measures what one append costs: to the journal, to a stream, and reading the journal back. Prints nanoseconds per
//! record or message, median and spread over rounds, and a checksum of what was read.
//!
//! `cargo run --release -p journal --example append_speed -- [DIRECTORY] [RECORDS]`

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use journal::{JournalConfig, JournalReader, JournalWriter, StreamConfig, StreamWriter};
use protocol::{Nanos, Sequence, SessionName};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 5;
const BODY: [u8; 64] = [0x5A; 64];
const MESSAGE: [u8; 66] = {
    let mut framed = [0x5A; 66];
    (framed[0], framed[1]) = (0, 64);
    framed
};

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let records: u64 = arguments.next().map_or(Ok(2_000_000), |text| text.parse())?;
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("cpu {model}, kernel {}, directory {}, {records} records", kernel.trim(), root.display());
    let mut times: [Vec<f64>; 4] = Default::default();
    let mut sum = 0;
    for round in 0..ROUNDS {
        let dir = root.join(format!("append-speed-{}-{round}", std::process::id()));
        std::fs::create_dir(&dir)?;
        times[0].push(journal_round(&dir, records)?);
        let (nanos, read) = read_round(&dir, records)?;
        times[1].push(nanos);
        sum ^= read;
        times[2].push(stream_round(&dir.join("stream"), records)?);
        times[3].push(flush_round(&dir)?);
        std::fs::remove_dir_all(&dir)?;
    }
    for (name, nanos) in
        ["journal append 64 B", "journal read 64 B", "stream append 66 B", "append + flush"].iter().zip(&mut times)
    {
        nanos.sort_by(f64::total_cmp);
        println!("{name:20} {:9.1} ns  ({:.1} .. {:.1})", nanos[ROUNDS / 2], nanos[0], nanos[ROUNDS - 1]);
    }
    println!("checksum {sum:#x}");
    Ok(())
}

fn config() -> JournalConfig {
    JournalConfig {
        segment_bytes: 256 << 20,
        venue_id: [1; 16],
        configuration_hash: [0; 32],
        build_id: [0; 32],
        created: Nanos(0),
        flush_on_roll: false,
    }
}

fn journal_round(dir: &Path, records: u64) -> Outcome<f64> {
    let mut writer = JournalWriter::open(dir, &config(), Sequence(0))?;
    let helper = writer.preparer().spawn()?;
    let start = Instant::now();
    for sequence in 1..=records {
        writer.append(Sequence(sequence), Nanos(sequence), &BODY)?;
    }
    let nanos = per(start, records);
    writer.seal()?;
    drop(helper);
    Ok(nanos)
}

fn read_round(dir: &Path, records: u64) -> Outcome<(f64, u64)> {
    let start = Instant::now();
    let mut reader = JournalReader::open(dir)?;
    let (mut count, mut sum) = (0, 0);
    while let Some(record) = reader.next()? {
        count += 1;
        sum ^= record.ingress.0 ^ u64::from(record.body[7]);
    }
    if count != records {
        return Err(format!("{count} records were read, {records} were written").into());
    }
    Ok((per(start, records), sum))
}

fn stream_round(path: &Path, messages: u64) -> Outcome<f64> {
    let mut writer = StreamWriter::open(path, &StreamConfig::feed([1; 16], SessionName::BLANK))?;
    writer.end_rebuild()?;
    let preparer = writer.preparer();
    for _ in 0..16 {
        // What housekeeping has done by the time a stream is this busy.
        for _ in 0..1000 {
            writer.append(&MESSAGE)?;
        }
        preparer.prepare_ahead()?;
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                if preparer.prepare_ahead().is_err() {
                    return;
                }
                std::thread::park_timeout(std::time::Duration::from_millis(1));
            }
        });
        let start = Instant::now();
        let appended = (0..messages).try_for_each(|_| writer.append(&MESSAGE));
        let nanos = per(start, messages);
        done.store(true, Ordering::Release);
        appended?;
        Ok(nanos)
    })
}

/// One record per flush: the disk, for comparison.
fn flush_round(dir: &Path) -> Outcome<f64> {
    let folder = dir.join("flush");
    std::fs::create_dir(&folder)?;
    let mut writer = JournalWriter::open(&folder, &JournalConfig { segment_bytes: 1 << 20, ..config() }, Sequence(0))?;
    let start = Instant::now();
    for sequence in 1..=200 {
        writer.append(Sequence(sequence), Nanos(sequence), &BODY)?;
        writer.flush()?;
    }
    Ok(per(start, 200))
}

fn per(start: Instant, count: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}
