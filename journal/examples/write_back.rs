//! Counts what it costs the other threads of a process that the kernel writes a journal to the disk while it grows: interrupts on a
//! cpu that has nothing to do with it, and faults of the appending thread, for each MiB. Once as mode `journal` writes, where the kernel
//! is asked to write everything once a second; once as mode `fdatasync` does, with a flush for every 64 KiB.
//!
//! `cargo run --release -p journal --example write_back -- [DIRECTORY] [MIB]`. Needs two cpus; the other one must be idle but for this.

#![expect(clippy::print_stdout, clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a measurement")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journal::{JournalConfig, JournalWriter};
use protocol::{Nanos, Sequence};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const BODY: [u8; 64] = [0x5A; 64];
/// Records of 64 KiB: what is appended at a time.
const PORTION: u64 = 64 * 1024 / (64 + 24);

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mib: u64 = arguments.next().map_or(Ok(128), |text| text.parse())?;
    for flushes in [false, true] {
        let dir = root.join(format!("write-back-{}-{flushes}", std::process::id()));
        fs::create_dir(&dir)?;
        let counted = measure(&dir, mib, flushes);
        fs::remove_dir_all(&dir)?;
        let (interrupts, faults) = counted?;
        let each = |count: u64| count as f64 / mib as f64;
        println!(
            "{}: {:.1} interrupts of the other cpu and {:.1} faults of the appending thread for each MiB",
            if flushes { "appended and flushed" } else { "appended, written back once a second" },
            each(interrupts),
            each(faults)
        );
    }
    Ok(())
}

fn measure(dir: &Path, mib: u64, flushes: bool) -> Outcome<(u64, u64)> {
    let config = JournalConfig {
        segment_bytes: 64 << 20,
        venue_id: [1; 16],
        configuration_hash: [0; 32],
        build_id: [0; 32],
        created: Nanos(0),
        flush_on_roll: flushes,
    };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let bystander = scope.spawn(|| bystander(&stop));
        pin(0)?;
        let mut writer = JournalWriter::open(dir, &config, Sequence::ZERO)?;
        let helper = writer.preparer().spawn()?;
        let writes = scope.spawn(|| written_back(dir, !flushes, &stop));
        let faults = faults()?;
        let done = append(&mut writer, mib, flushes).and_then(|()| Ok(self::faults()? - faults));
        stop.store(true, Ordering::Release);
        drop(helper);
        writes.join().map_err(|_| "the thread that writes back panicked")??;
        let interrupts = bystander.join().map_err(|_| "the bystander panicked")??;
        Ok((interrupts, done?))
    })
}

fn append(writer: &mut JournalWriter, mib: u64, flushes: bool) -> Outcome<()> {
    for portion in 0..mib * 16 {
        for sequence in portion * PORTION + 1..=(portion + 1) * PORTION {
            writer.append(Sequence(sequence), Nanos(sequence), &BODY)?;
        }
        if flushes {
            writer.flush()?;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    Ok(())
}

/// Asks for all segments to be written, once a second, as the kernel does by itself now and then.
fn written_back(dir: &Path, is_asked: bool, stop: &AtomicBool) -> Outcome<()> {
    while !stop.load(Ordering::Acquire) {
        std::thread::park_timeout(Duration::from_secs(1));
        for entry in fs::read_dir(dir)?.filter(|_| is_asked) {
            match File::open(entry?.path()) {
                Ok(file) => file.sync_data()?,
                Err(error) => drop(error), // renamed meanwhile
            }
        }
    }
    Ok(())
}

/// A busy thread on the other cpu; how often it was interrupted to forget pages.
fn bystander(stop: &AtomicBool) -> Outcome<u64> {
    pin(1)?;
    let before = interrupts(1)?;
    while !stop.load(Ordering::Acquire) {
        std::hint::spin_loop();
    }
    Ok(interrupts(1)? - before)
}

/// TLB shootdowns of a cpu so far.
fn interrupts(cpu: usize) -> Outcome<u64> {
    let text = fs::read_to_string("/proc/interrupts")?;
    let line =
        text.lines().find_map(|line| line.trim_start().strip_prefix("TLB:")).ok_or("no TLB shootdowns are counted")?;
    Ok(line.split_whitespace().nth(cpu).ok_or("no such cpu")?.parse()?)
}

/// Minor faults of this thread so far.
fn faults() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/thread-self/stat")?;
    let after_name = text.rsplit_once(')').ok_or("no name")?.1;
    Ok(after_name.split_whitespace().nth(7).ok_or("too few fields")?.parse()?)
}

/// This thread runs on one cpu from now on, and so do those that it starts.
fn pin(cpu: usize) -> Outcome<()> {
    let thread = fs::read_link("/proc/thread-self")?;
    let id = thread.file_name().and_then(|name| name.to_str()).ok_or("no thread id")?.to_owned();
    let done = std::process::Command::new("taskset").args(["-pc", &cpu.to_string(), &id]).output()?;
    if done.status.success() { Ok(()) } else { Err("taskset failed".into()) }
}
