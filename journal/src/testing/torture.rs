//! What is done to a journal on a [`SimDisk`], and what must hold afterwards: nothing that was acknowledged is lost, nothing
//! is invented, and a start needs nobody's help.

use std::io;
use std::path::{Path, PathBuf};

use protocol::{Nanos, Sequence};

use crate::chain::check_chain_on;
use crate::error::{DamageKind, JournalError};
use crate::format::{HEADER_PAGE_BYTES, segment_name};
use crate::reader::JournalReader;
use crate::testing::{Rng, SimDisk};
use crate::writer::{JournalConfig, JournalWriter};

pub(super) const SEGMENT_BYTES: u64 = 8192;
pub(super) const DIR: &str = "/journal";

/// What a torture came to. Who gets figures at all knows that every rule held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Cases tried.
    pub cases: u64,
    /// Commands that were acknowledged as durable, and found again after each case.
    pub acknowledged: u64,
    /// Commands that were appended, and neither acknowledged nor found again.
    pub lost_unacknowledged: u64,
    /// Cases after which a torn tail was cut.
    pub torn: u64,
    /// Cases in which a call to the disk failed.
    pub failed: u64,
    /// Cases in which damage was found.
    pub damaged: u64,
}

/// Why a torture ended: the rule that did not hold, with what repeats it.
pub(super) type Outcome<T> = Result<T, String>;

pub(super) fn config(flush_on_roll: bool, segment_bytes: u64) -> JournalConfig {
    JournalConfig {
        segment_bytes,
        venue_id: [0x7E; 16],
        configuration_hash: [1; 32],
        build_id: [2; 32],
        created: Nanos(5),
        flush_on_roll,
    }
}

/// A body that only this sequence has; of 8 to 120 bytes.
pub(super) fn body(sequence: u64) -> Vec<u8> {
    let mut rng = Rng(sequence);
    let words = 1 + rng.below(15);
    (0..words).flat_map(|_| rng.draw().to_le_bytes()).collect()
}

pub(super) fn ingress(sequence: u64) -> Nanos {
    Nanos(sequence * 7)
}

/// What the venue knows of its journal, and what it has promised.
#[derive(Clone, Copy, Debug, Default)]
struct Promised {
    acknowledged: u64,
    appended: u64,
}

/// Appends commands in batches, flushes after each, lets the kernel write when it likes. Ends at the first failure or when
/// the work is done; the writer is dropped without a farewell, as a kill or a power cut does, unless `seals`.
fn run(disk: &SimDisk, rng: &mut Rng, promised: &mut Promised, seals: bool) -> Result<(), String> {
    let after = Sequence(promised.appended);
    let opened = JournalWriter::open_on(disk.clone(), Path::new(DIR), &config(true, SEGMENT_BYTES), after);
    let mut writer = opened.map_err(|error| error.to_string())?;
    let preparer = writer.preparer();
    for _ in 0..4 + rng.below(24) {
        if rng.below(3) == 0 {
            preparer.turn().map_err(|error| error.to_string())?;
        }
        for _ in 0..=rng.below(8) * rng.below(8) {
            let next = promised.appended + 1;
            // Before the append: one that fails may still have left the record.
            promised.appended = next;
            writer.append(Sequence(next), ingress(next), &body(next)).map_err(|error| error.to_string())?;
            if rng.below(8) == 0 {
                disk.write_back_some();
            }
        }
        if !seals && rng.below(12) == 0 {
            cut_within_a_batch(disk, rng, &mut writer);
            return Ok(());
        }
        promised.acknowledged = writer.flush().map_err(|error| error.to_string())?.0;
    }
    if seals {
        writer.seal().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The power goes before a batch is written, while it is, or before what was written is on the disk.
fn cut_within_a_batch(disk: &SimDisk, rng: &mut Rng, writer: &mut JournalWriter<SimDisk>) {
    let calls = rng.below(3);
    if calls > 0 {
        disk.fail_at(disk.calls() + calls, io::ErrorKind::Other);
        drop(writer.flush());
        disk.heal();
    }
}

/// Reads the journal from its beginning: what is there must be what was appended. The last sequence, and the torn bytes.
pub(super) fn read(disk: &SimDisk) -> Result<(u64, u64), JournalError> {
    let opened = JournalReader::open_after_on(disk.clone(), Path::new(DIR), Sequence::ZERO);
    let mut reader = opened.map_err(|error| io::Error::other(error.to_string())).map_err(read_failed)?;
    while let Some(record) = reader.next()? {
        let sequence = record.sequence.0;
        if record.body != body(sequence) || record.ingress != ingress(sequence) {
            return Err(read_failed(io::Error::other(format!("record {sequence} was never written so"))));
        }
    }
    Ok((reader.last_sequence().0, reader.torn_bytes()))
}

fn read_failed(error: io::Error) -> JournalError {
    crate::error::FileError::at(Path::new(DIR), "read the journal")(error).into()
}

/// A start: reads everything, checks the promises, and forgets what was neither promised nor found.
fn recover(disk: &SimDisk, promised: &mut Promised, figures: &mut Figures) -> Outcome<()> {
    let (last, torn) = read(disk).map_err(|error| error.to_string())?;
    if last < promised.acknowledged {
        return Err(format!("{} was acknowledged, but the journal ends at {last}", promised.acknowledged));
    }
    if last > promised.appended {
        return Err(format!("{} was the last appended, but the journal ends at {last}", promised.appended));
    }
    figures.lost_unacknowledged += promised.appended - last;
    figures.torn += u64::from(torn > 0);
    promised.appended = last;
    Ok(())
}

pub(super) fn chain_holds(disk: &SimDisk) -> Outcome<()> {
    let chain = check_chain_on(disk, Path::new(DIR)).map_err(|error| error.to_string())?;
    chain.damage.map_or(Ok(()), |damage| Err(damage.to_string()))
}

/// Power cuts in the middle of work, and in the middle of the starts after them, once or more often per seed: unflushed
/// sectors and names are lost, kept and torn apart in any order.
///
/// # Errors
/// The first rule that did not hold, and the seed.
pub fn power_cuts(seeds: std::ops::Range<u64>) -> Outcome<Figures> {
    let mut figures = Figures::default();
    for seed in seeds {
        power_cut(seed, &mut figures).map_err(|error| format!("seed {seed}: {error}"))?;
    }
    Ok(figures)
}

fn power_cut(seed: u64, figures: &mut Figures) -> Outcome<()> {
    let disk = SimDisk::new(seed ^ 0x5EED);
    let mut rng = Rng(seed);
    let mut promised = Promised::default();
    for _ in 0..=rng.below(3) {
        run(&disk, &mut rng, &mut promised, false)?;
        disk.power_cut();
        if rng.below(4) == 0 {
            cut_the_start(&disk, &mut rng, &mut promised)?;
        }
        recover(&disk, &mut promised, figures)?;
        figures.cases += 1;
    }
    run(&disk, &mut rng, &mut promised, true)?;
    recover(&disk, &mut promised, figures)?;
    figures.acknowledged += promised.acknowledged;
    chain_holds(&disk)
}

/// A start that the power ends, too, after a few calls.
fn cut_the_start(disk: &SimDisk, rng: &mut Rng, promised: &mut Promised) -> Outcome<()> {
    recover(disk, promised, &mut Figures::default())?;
    disk.fail_at(disk.calls() + 1 + rng.below(60), io::ErrorKind::Other);
    drop(run(disk, rng, promised, false));
    disk.heal();
    disk.power_cut();
    Ok(())
}

/// The same work with the first call to the disk failing, then the second, and so on until it passes; after each failure
/// the process ends, or the power goes, and the next start must find all that was acknowledged.
///
/// # Errors
/// The first rule that did not hold, and the number of the call.
pub fn failing_calls(seed: u64, kind: io::ErrorKind) -> Outcome<Figures> {
    let mut figures = Figures::default();
    for call in 1.. {
        let mut is_reached = false;
        for power_goes in [false, true] {
            let reached = failing_call(seed, call, kind, power_goes, &mut figures);
            is_reached |= reached.map_err(|error| format!("seed {seed}, call {call}, {kind}: {error}"))?;
        }
        if !is_reached {
            break;
        }
    }
    Ok(figures)
}

/// True when there was a call of this number.
fn failing_call(seed: u64, call: u64, kind: io::ErrorKind, power_goes: bool, figures: &mut Figures) -> Outcome<bool> {
    let disk = SimDisk::new(seed ^ call);
    let mut rng = Rng(seed);
    let mut promised = Promised::default();
    disk.fail_at(call, kind);
    let done = run(&disk, &mut rng, &mut promised, true);
    let is_reached = disk.calls() >= call;
    disk.heal();
    if power_goes {
        disk.power_cut();
    }
    recover(&disk, &mut promised, figures)?;
    run(&disk, &mut rng, &mut promised, true)?;
    recover(&disk, &mut promised, figures)?;
    figures.cases += 1;
    figures.failed += u64::from(done.is_err());
    figures.acknowledged += promised.acknowledged;
    chain_holds(&disk)?;
    Ok(is_reached)
}

/// A journal of about this many bytes of segments; the last one is open when not `is_sealed`. Its files, each with the
/// sequence it begins with.
fn journal(disk: &SimDisk, segment_bytes: u64, bytes: u64, flushes: bool, is_sealed: bool) -> Outcome<Vec<u64>> {
    let opened = JournalWriter::open_on(disk.clone(), Path::new(DIR), &config(flushes, segment_bytes), Sequence::ZERO);
    let mut writer = opened.map_err(|error| error.to_string())?;
    let (mut next, mut written) = (0, 0);
    let mut firsts = vec![1];
    while written < bytes {
        next += 1;
        writer.append(Sequence(next), ingress(next), &body(next)).map_err(|error| error.to_string())?;
        written += 24 + body(next).len() as u64;
        if flushes && next % 5 == 0 {
            writer.flush().map_err(|error| error.to_string())?;
        }
        if writer.header().first_sequence == next && next > 1 {
            firsts.push(next);
            writer.preparer().turn().map_err(|error| error.to_string())?;
        }
    }
    if flushes {
        writer.flush().map_err(|error| error.to_string())?;
    }
    if is_sealed {
        writer.seal().map_err(|error| error.to_string())?;
    }
    Ok(firsts)
}

fn path(first: u64) -> PathBuf {
    Path::new(DIR).join(segment_name(first))
}

/// Flips every `step`th bit of a journal of `bytes` bytes, one at a time, and reads the segment that it is in, to the end of
/// the journal: every one must be found as damage, but for those in the last record of an open journal that does not
/// flush, and in the unused rest: these are a torn tail.
///
/// # Errors
/// The bit that was not found.
pub fn every_bit(bytes: u64, step: usize, flushes: bool, is_sealed: bool) -> Outcome<Figures> {
    let disk = SimDisk::new(1);
    let mut figures = Figures::default();
    let firsts = journal(&disk, (bytes + 4096).next_multiple_of(4096).min(65_536), bytes, flushes, is_sealed)?;
    let (last, _) = read(&disk).map_err(|error| error.to_string())?;
    for first in &firsts {
        let path = path(*first);
        let bits = disk.bytes(&path).len() * 8;
        for bit in (0..bits).step_by(step) {
            disk.flip(&path, bit);
            let found = judge(&disk, *first, last);
            disk.flip(&path, bit);
            figures.cases += 1;
            match found.map_err(|error| format!("{}, bit {bit}: {error}", path.display()))? {
                Judged::Damaged => figures.damaged += 1,
                Judged::Torn => figures.torn += 1,
            }
        }
    }
    Ok(figures)
}

enum Judged {
    Damaged,
    Torn,
}

/// Reads from the segment that begins with `first` on: damage, or all but at most the last record.
fn judge(disk: &SimDisk, first: u64, last: u64) -> Outcome<Judged> {
    let opened = JournalReader::open_after_on(disk.clone(), Path::new(DIR), Sequence(first - 1));
    let mut reader = opened.map_err(|error| error.to_string())?;
    loop {
        match reader.next() {
            Ok(Some(record)) if record.body == body(record.sequence.0) => {}
            Ok(Some(record)) => return Err(format!("record {} was never written so", record.sequence)),
            Err(JournalError::Damage(_)) => return Ok(Judged::Damaged),
            Err(JournalError::File(error)) => return Err(error.to_string()),
            Ok(None) => break,
        }
    }
    let end = reader.last_sequence().0;
    if reader.torn_bytes() > 0 && end + 1 >= last {
        return Ok(Judged::Torn);
    }
    Err(format!("not found: the journal ends at {end} of {last}, with {} torn bytes", reader.torn_bytes()))
}

/// Cuts an open journal of one segment at every byte: the longest valid prefix is left, or the header is cut, which is
/// damage. A start goes on from each.
///
/// # Errors
/// The byte at which something else was found.
pub fn every_cut(bytes: u64) -> Outcome<Figures> {
    let disk = SimDisk::new(1);
    let mut figures = Figures::default();
    let segment_bytes = (bytes + 8192).next_multiple_of(4096);
    journal(&disk, segment_bytes, bytes, false, false)?;
    let whole = disk.bytes(&path(1));
    let (mut records, mut end) = (0, HEADER_PAGE_BYTES);
    for cut in 0..whole.len() {
        let length = 24 + body(records + 1).len();
        if cut >= end + length && whole[end..end + length].iter().any(|byte| *byte != 0) {
            (records, end) = (records + 1, end + length);
        }
        let disk = SimDisk::new(1);
        disk.put(&path(1), &whole[..cut]);
        figures.cases += 1;
        match read(&disk) {
            Ok((last, torn)) if cut >= 640 && last == records => figures.torn += u64::from(torn > 0),
            Err(JournalError::Damage(damage)) if cut < 640 && damage.kind == DamageKind::HeaderCut => {
                figures.damaged += 1;
                continue;
            }
            Ok((last, _)) => return Err(format!("cut at {cut}: {last} records of {records}")),
            Err(error) => return Err(format!("cut at {cut}: {error}")),
        }
        if cut % 64 == 0 {
            let mut promised = Promised { acknowledged: records, appended: records };
            let went_on = run(&disk, &mut Rng(cut as u64), &mut promised, true);
            let read_on = went_on.and_then(|()| recover(&disk, &mut promised, &mut Figures::default()));
            read_on.map_err(|error| format!("cut at {cut}: {error}"))?;
        }
    }
    Ok(figures)
}
