//! The segment files of a folder: which there are, and how one is opened for reading. Readers use read calls and never a
//! mapping, so that a file that is cut while they read is a short read and not a signal.

use std::io;
use std::path::{Path, PathBuf};

use protocol::Sequence;

use crate::error::{DamageKind, FileError, OpenJournalError};
use crate::format::{
    HEADER_PAGE_BYTES, SEAL_AT, SEAL_BYTES, Seal, SegmentHeader, decode_page, index, is_zero, parse_record,
    parse_segment_name, segment_name,
};
use crate::storage::{Disk, Storage, StorageFile};

/// How often a page that does not check is read again: the writer may be at it.
const READS_MAX: usize = 8;

/// First sequences of all segments in the folder, ascending.
pub(crate) fn list(storage: &impl Storage, dir: &Path) -> Result<Vec<u64>, OpenJournalError> {
    let failed = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            return OpenJournalError::Missing(dir.to_owned());
        }
        OpenJournalError::File(FileError::at(dir, "list the folder")(source))
    };
    let names = storage.list(dir).map_err(failed)?;
    let mut found: Vec<u64> = names.iter().filter_map(|name| parse_segment_name(name)).collect();
    found.sort_unstable();
    Ok(found)
}

/// Bytes of a record where there is no full segment to tell.
const USUAL_RECORD_BYTES: u64 = 96;

/// About the last sequence of the journal in this folder, from the names and lengths of its segments: for who shows how far a
/// reading has come. The last segment counts as full; `None` for an empty journal.
///
/// # Errors
/// When the folder is missing or cannot be listed.
pub fn about_last_sequence(dir: &Path) -> Result<Option<Sequence>, OpenJournalError> {
    let firsts = list(&Disk, dir)?;
    let content = |first: u64| {
        let bytes = std::fs::metadata(path(dir, first)).map_or(0, |found| found.len());
        bytes.saturating_sub(HEADER_PAGE_BYTES as u64)
    };
    let per_record = |before: u64, last: u64| (content(before) / (last - before).max(1)).max(1);
    Ok(match *firsts.as_slice() {
        [] => None,
        [last] => Some(Sequence(last + content(last) / USUAL_RECORD_BYTES)),
        [.., before, last] => Some(Sequence(last + content(last) / per_record(before, last))),
    })
}

/// Path of the segment that begins with this sequence.
pub(crate) fn path(dir: &Path, first_sequence: u64) -> PathBuf {
    dir.join(segment_name(first_sequence))
}

/// Reads until `bytes` is full or the file ends; how many there were.
pub(crate) fn read_at(file: &impl StorageFile, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What a header page turned out to be.
#[derive(Debug)]
pub(crate) enum Page {
    /// A good one.
    Good(SegmentHeader, Option<Seal>),
    /// Zero throughout.
    Blank,
    /// Neither.
    Bad(DamageKind),
}

/// Reads and checks the header page.
pub(crate) fn read_page(file: &impl StorageFile) -> io::Result<Page> {
    let mut last = Page::Blank;
    for _ in 0..READS_MAX {
        let mut page = [0; HEADER_PAGE_BYTES];
        let bytes = read_at(file, &mut page, 0)?;
        if is_zero(&page) {
            return Ok(if bytes < HEADER_PAGE_BYTES { Page::Bad(DamageKind::HeaderCut) } else { Page::Blank });
        }
        last = match decode_page(&page) {
            Ok((header, seal)) if bytes == HEADER_PAGE_BYTES => return Ok(Page::Good(header, seal)),
            Ok((header, None)) if bytes >= SEAL_AT + SEAL_BYTES => return Ok(Page::Good(header, None)),
            Ok(_) => Page::Bad(DamageKind::HeaderCut),
            Err(_) if bytes < HEADER_PAGE_BYTES => Page::Bad(DamageKind::HeaderCut),
            Err(fault) => Page::Bad(fault.into()),
        };
        std::hint::spin_loop();
    }
    Ok(last)
}

/// What lies behind the last good record of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Behind the last byte that is not zero; the start of the survey when there is none.
    pub(crate) used_to: u64,
    /// A whole record was found that cannot be there unless what is before it was on disk: see [`Reached`].
    pub(crate) later_record: bool,
}

/// How far the good records go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    /// Sequence of the last command.
    pub(crate) last: u64,
    /// Batch that the next record belongs to; 0 where there are none. The records of a batch reach the disk in any order,
    /// so that one of the same batch proves nothing; one of another batch was written after this one had been flushed.
    pub(crate) batch: u8,
}

const SURVEY_BYTES: usize = 1 << 20;

/// Looks through the file from `from` (a multiple of 8) to its end, at every eighth byte, for a record that proves that
/// something is missing before it.
pub(crate) fn survey(file: &impl StorageFile, from: u64, reached: Reached) -> io::Result<Survey> {
    let wanted = file.len()?.saturating_sub(from).min(SURVEY_BYTES as u64);
    let mut window = vec![0; index(wanted) + crate::format::RECORD_BYTES_MAX];
    let mut found = Survey { used_to: from, later_record: false };
    let mut at = from;
    loop {
        let bytes = read_at(file, &mut window, at)?;
        let here = &window[..bytes.min(SURVEY_BYTES)];
        if let Some(position) = here.iter().rposition(|byte| *byte != 0).filter(|_| !is_zero(here)) {
            found.used_to = at + position as u64 + 1;
            found.later_record |= (0..here.len()).step_by(8).any(|step| is_later(&window[step..bytes], reached));
        }
        if bytes <= SURVEY_BYTES {
            return Ok(found);
        }
        at += SURVEY_BYTES as u64;
    }
}

fn is_later(bytes: &[u8], reached: Reached) -> bool {
    parse_record(bytes).is_some_and(|record| {
        let follows = record.sequence > reached.last || (record.is_mark() && record.sequence == reached.last);
        follows && (reached.batch == 0 || record.batch != reached.batch)
    })
}
