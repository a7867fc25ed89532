//! Copies a journal while a venue writes it: every record that is whole when the copy begins, and nothing half.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::Sequence;

use crate::error::{FileError, JournalError, OpenJournalError};
use crate::format::{HEADER_PAGE_BYTES, SEAL_AT, SEAL_BYTES, index};
use crate::reader::JournalReader;
use crate::retention;
use crate::segment::{self, Page};
use crate::storage::{Disk, Storage, StorageFile};

/// Bytes copied at once, beginning with the header page.
const COPY_BYTES: u64 = 1 << 20;

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalCopy {
    /// Segments.
    pub segments: u64,
    /// Sequence of the last record; 0 for an empty journal.
    pub last_sequence: Sequence,
}

/// Why a journal was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The folder is missing or cannot be listed.
    #[error(transparent)]
    Open(#[from] OpenJournalError),
    /// It is damaged, or cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file cannot be copied.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Copies the journal in `from` into the empty folder `to`, up to the last record that is there when this is called or a
/// little later. Every record is checked on the way; the copy is on disk when this returns. Its last segment is open, as a
/// killed venue leaves it.
///
/// # Errors
/// Damage in the journal; a full or failing disk.
pub fn copy_journal(from: &Path, to: &Path) -> Result<JournalCopy, CopyError> {
    let mut reader = JournalReader::open_oldest(from)?;
    let mut ends = BTreeMap::new();
    while reader.next()?.is_some() {
        ends.extend(reader.left());
        ends.extend(reader.position());
    }
    // What follows a segment's last command, marks of a flush, belongs to it as well.
    ends.extend(reader.left());
    ends.extend(reader.position());
    for (first, end) in &ends {
        copy_segment(&segment::path(from, *first), &segment::path(to, *first), *end)?;
    }
    if let Some(first) = ends.keys().next().filter(|first| **first > 1) {
        let beginning = retention::beginning(&Disk, from)?.filter(|beginning| beginning.first == *first);
        let gone = || FileError::at(from, "tell where the journal begins")(std::io::ErrorKind::NotFound.into());
        retention::begin_at(&Disk, to, &beginning.ok_or_else(gone)?)?;
    }
    Disk.sync_dir(to).map_err(FileError::at(to, "flush the folder"))?;
    Ok(JournalCopy { segments: ends.len() as u64, last_sequence: reader.last_sequence() })
}

/// Copies a segment up to `end`: what is before that never changes, except that a seal is added.
fn copy_segment(from: &Path, to: &Path, end: u64) -> Result<(), FileError> {
    let source = Disk.open(from).map_err(FileError::at(from, "open the segment"))?;
    let target = Disk.create(to).map_err(FileError::at(to, "create the copy"))?;
    let page = segment::read_page(&source).map_err(FileError::at(from, "read the header"))?;
    let keeps_seal = matches!(page, Page::Good(_, Some(seal)) if seal.end == end);
    let mut bytes = vec![0; index(COPY_BYTES.min(end))];
    let mut at = 0;
    while at < end {
        let wanted = index((end - at).min(COPY_BYTES));
        let count = segment::read_at(&source, &mut bytes[..wanted], at);
        let count = count.map_err(FileError::at(from, "read the segment"))?;
        if count < wanted {
            let short = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(FileError::at(from, "read the segment")(short));
        }
        if at == 0 && !keeps_seal && count >= HEADER_PAGE_BYTES {
            bytes[SEAL_AT..SEAL_AT + SEAL_BYTES].fill(0);
        }
        target.write_all_at(&bytes[..count], at).map_err(FileError::at(to, "write the copy"))?;
        at += count as u64;
    }
    target.sync().map_err(FileError::at(to, "flush the copy"))
}

#[cfg(test)]
mod tests {
    use protocol::Nanos;

    use super::*;
    use crate::{JournalConfig, JournalWriter, verify};

    #[test]
    fn a_copy_taken_while_the_writer_goes_on_is_a_journal_that_can_be_continued() {
        let (live, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = JournalConfig {
            segment_bytes: 8192,
            venue_id: [1; 16],
            configuration_hash: [0; 32],
            build_id: [0; 32],
            created: Nanos(0),
            flush_on_roll: true,
        };
        let mut writer = JournalWriter::open(live.path(), &config, Sequence(0)).unwrap();
        let mut last = 0;
        for round in 0..12 {
            for _ in 0..17 {
                last += 1;
                writer.append(Sequence(last), Nanos(last), &[7; 48]).unwrap();
            }
            writer.flush().unwrap();
            if round % 3 == 0 {
                writer.preparer().turn().unwrap();
            }
            let target = copy.path().join(round.to_string());
            std::fs::create_dir(&target).unwrap();
            let copied = copy_journal(live.path(), &target).unwrap();
            assert_eq!(copied.last_sequence, Sequence(last));
            let report = verify(&target).unwrap();
            assert_eq!((report.ok, report.records, report.torn_bytes), (true, last, 0), "{report:?}");
            assert_eq!(report.segments, copied.segments);
            JournalWriter::open(&target, &config, Sequence(last)).unwrap().seal().unwrap();
        }
        assert!(verify(live.path()).unwrap().segments > 3);
    }
}
