//! A disk of any size fills up under a journal: it is known before the writer is refused, nothing that was acknowledged is lost,
//! and once there is space the same work goes on.

use std::path::Path;

use protocol::Sequence;

use crate::preparer::SegmentPreparer;
use crate::testing::SimDisk;
use crate::testing::torture::{DIR, Figures, Outcome, SEGMENT_BYTES, body, chain_holds, config, ingress, read};
use crate::writer::JournalWriter;

/// What the preparer leaves to others; as much as two segments.
const RESERVE_BYTES: u64 = 2 * SEGMENT_BYTES;
/// Commands between two flushes.
const BATCH: u64 = 7;

/// Fills disks of the sizes in `segments`, one after the other. `failed` counts the disks on which the preparer told in time,
/// that is all of them.
///
/// # Errors
/// The first rule that did not hold, and the size.
pub fn full_disks(segments: std::ops::Range<u64>) -> Outcome<Figures> {
    let mut figures = Figures::default();
    for count in segments {
        // Not a whole number of segments, so that each boundary is met somewhere.
        let bytes = count * SEGMENT_BYTES + count * 97 % SEGMENT_BYTES;
        full_disk(bytes, &mut figures).map_err(|error| format!("disk of {bytes} bytes: {error}"))?;
    }
    Ok(figures)
}

fn full_disk(bytes: u64, figures: &mut Figures) -> Outcome<()> {
    let disk = SimDisk::new(bytes);
    disk.set_capacity(bytes);
    let (mut writer, preparer) = open(&disk, 0)?;
    let (mut next, mut told_at, mut acknowledged) = (0, None, 0);
    let refused = loop {
        if preparer.turn().is_err() {
            told_at.get_or_insert(next);
        }
        next += 1;
        if let Err(error) = writer.append(Sequence(next), ingress(next), &body(next)) {
            break error;
        }
        if next % BATCH == 0 {
            acknowledged = writer.flush().map_err(|error| error.to_string())?.0;
        }
    };
    let told_at = told_at.ok_or("the writer was refused before the preparer told")?;
    // The reserve is as good as two segments for cancels, and the one in use may have been new.
    if next - told_at < 2 * SEGMENT_BYTES / 150 {
        return Err(format!("told at {told_at}, and refused at {next} already: {refused}"));
    }
    if writer.append(Sequence(next), ingress(next), &body(next)).is_ok() || writer.flush().is_ok() {
        return Err("a writer that was refused took more".to_owned());
    }
    drop(writer);
    let (last, torn) = read(&disk).map_err(|error| error.to_string())?;
    if last < acknowledged || last >= next || torn != 0 {
        return Err(format!(
            "{acknowledged} were acknowledged, {next} refused; the journal ends at {last}, {torn} torn"
        ));
    }
    disk.set_capacity(2 * bytes + 8 * SEGMENT_BYTES);
    let (mut writer, preparer) = open(&disk, last)?;
    preparer.turn().map_err(|error| error.to_string())?;
    for next in last + 1..=last + 100 {
        writer.append(Sequence(next), ingress(next), &body(next)).map_err(|error| error.to_string())?;
    }
    writer.seal().map_err(|error| error.to_string())?;
    let (end, _) = read(&disk).map_err(|error| error.to_string())?;
    if end != last + 100 {
        return Err(format!("after space returned, the journal ends at {end} instead of {}", last + 100));
    }
    figures.cases += 1;
    figures.failed += 1;
    figures.acknowledged += acknowledged;
    chain_holds(&disk)
}

fn open(disk: &SimDisk, after: u64) -> Outcome<(JournalWriter<SimDisk>, SegmentPreparer<SimDisk>)> {
    let (dir, config) = (Path::new(DIR), config(true, SEGMENT_BYTES));
    let opened = JournalWriter::open_on(disk.clone(), dir, &config, Sequence(after));
    let writer = opened.map_err(|error| error.to_string())?;
    let preparer = writer.preparer();
    preparer.keep_free(RESERVE_BYTES);
    Ok((writer, preparer))
}
