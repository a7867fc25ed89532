//! Measures what one append costs: to the journal, to a stream, and reading the journal back. Prints nanoseconds per
//! record or message, median and spread over rounds: wall time, and the time this thread was on a cpu (which other load on
//! the host does not inflate as much). Ends with a checksum of what was read.
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
    let mut times: [Vec<(f64, f64)>; 4] = Default::default();
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
        nanos.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (wall, low, high) = (nanos[ROUNDS / 2].0, nanos[0].0, nanos[ROUNDS - 1].0);
        nanos.sort_by(|one, other| one.1.total_cmp(&other.1));
        let (on_cpu, least) = (nanos[ROUNDS / 2].1, nanos[0].1);
        println!("{name:20} wall {wall:9.1} ns ({low:.1} .. {high:.1}), on cpu {on_cpu:.1} ns (least {least:.1})");
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

fn journal_round(dir: &Path, records: u64) -> Outcome<(f64, f64)> {
    let mut writer = JournalWriter::open(dir, &config(), Sequence(0))?;
    let helper = writer.preparer().spawn()?;
    let start = Start::now();
    for sequence in 1..=records {
        writer.append(Sequence(sequence), Nanos(sequence), &BODY)?;
    }
    let nanos = per(&start, records);
    writer.seal()?;
    drop(helper);
    Ok(nanos)
}

fn read_round(dir: &Path, records: u64) -> Outcome<((f64, f64), u64)> {
    let start = Start::now();
    let mut reader = JournalReader::open(dir)?;
    let (mut count, mut sum) = (0, 0);
    while let Some(record) = reader.next()? {
        count += 1;
        sum ^= record.ingress.0 ^ u64::from(record.body[7]);
    }
    if count != records {
        return Err(format!("{count} records were read, {records} were written").into());
    }
    Ok((per(&start, records), sum))
}

fn stream_round(path: &Path, messages: u64) -> Outcome<(f64, f64)> {
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
        let start = Start::now();
        let appended = (0..messages).try_for_each(|_| writer.append(&MESSAGE));
        let nanos = per(&start, messages);
        done.store(true, Ordering::Release);
        appended?;
        Ok(nanos)
    })
}

/// One record per flush: the disk, for comparison.
fn flush_round(dir: &Path) -> Outcome<(f64, f64)> {
    let folder = dir.join("flush");
    std::fs::create_dir(&folder)?;
    let mut writer = JournalWriter::open(&folder, &JournalConfig { segment_bytes: 1 << 20, ..config() }, Sequence(0))?;
    let start = Start::now();
    for sequence in 1..=200 {
        writer.append(Sequence(sequence), Nanos(sequence), &BODY)?;
        writer.flush()?;
    }
    Ok(per(&start, 200))
}

/// Wall clock, and nanoseconds that this thread has been on a cpu.
struct Start {
    wall: Instant,
    on_cpu: u64,
}

impl Start {
    fn now() -> Self {
        Self { on_cpu: on_cpu_ns(), wall: Instant::now() }
    }
}

/// From the scheduler's statistics; 0 where the kernel keeps none.
fn on_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// Nanoseconds per operation since `start`: wall time and time on a cpu.
fn per(start: &Start, count: u64) -> (f64, f64) {
    let wall = start.wall.elapsed().as_nanos() as f64 / count as f64;
    (wall, (on_cpu_ns() - start.on_cpu) as f64 / count as f64)
}
