//! What becomes of segments that no kept snapshot needs any more: they stay, or are moved to a folder of their own, or are
//! deleted. The oldest go first, one at a time, and the file `released` says before each where the journal will begin: a
//! journal that begins anywhere else has lost its beginning.

use std::io;
use std::path::{Path, PathBuf};

use protocol::Sequence;

use crate::chain::ChainHash;
use crate::error::{FileError, OpenJournalError};
use crate::format::{array, crc, put, u32_at, u64_at};
use crate::segment::{self, Page};
use crate::storage::{Storage, StorageFile};

const NAME: &str = "released";
const MAGIC: [u8; 8] = *b"TSJ-GONE";
const BYTES: usize = 64;
const CRC_AT: usize = BYTES - 4;

/// Where a journal begins whose oldest segments were released (docs/journal-format.md §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// Sequence of the first record that is left.
    pub(crate) first: u64,
    /// The chain over everything before it.
    pub(crate) chain: ChainHash,
}

impl Beginning {
    fn encode(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &self.first.to_le_bytes());
        put(&mut bytes, 16, &self.chain);
        let sum = crc(&bytes[..CRC_AT]);
        put(&mut bytes, CRC_AT, &sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; BYTES]) -> Option<Self> {
        let is_whole = crc(&bytes[..CRC_AT]) == u32_at(bytes, CRC_AT) && bytes[..8] == MAGIC;
        is_whole.then(|| Self { first: u64_at(bytes, 8), chain: array(bytes, 16) })
    }
}

/// What the folder says about its beginning; `None` when nothing was released, or the file that says so is no good.
pub(crate) fn beginning(storage: &impl Storage, dir: &Path) -> Result<Option<Beginning>, FileError> {
    let path = dir.join(NAME);
    let file = match storage.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::at(&path, "open the file")(error)),
    };
    let mut bytes = [0; BYTES];
    let count = segment::read_at(&file, &mut bytes, 0).map_err(FileError::at(&path, "read the file"))?;
    Ok(Beginning::decode(&bytes).filter(|_| count == BYTES))
}

/// Writes where the journal begins, durably.
pub(crate) fn begin_at(storage: &impl Storage, dir: &Path, beginning: &Beginning) -> Result<(), FileError> {
    let (path, new) = (dir.join(NAME), dir.join("prepare-released.tmp"));
    let file = storage.create(&new).map_err(FileError::at(&new, "create the file"))?;
    file.write_all_at(&beginning.encode(), 0).map_err(FileError::at(&new, "write the file"))?;
    file.sync().map_err(FileError::at(&new, "flush the file"))?;
    storage.rename(&new, &path).map_err(FileError::at(&path, "name the file"))?;
    storage.sync_dir(dir).map_err(FileError::at(dir, "flush the folder"))
}

/// Sequence of the first record: 1, unless older ones were released. `None` for an empty journal.
pub(crate) fn first_of(storage: &impl Storage, dir: &Path) -> Result<Option<u64>, OpenJournalError> {
    let segments = segment::list(storage, dir)?;
    if segments.is_empty() || segments.contains(&1) {
        return Ok(segments.first().map(|_| 1));
    }
    Ok(Some(beginning(storage, dir)?.map_or(1, |beginning| beginning.first)))
}

/// What is done with a segment before the oldest kept snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OldSegments {
    /// It stays where it is.
    Keep,
    /// It is moved to this folder, on the same file system.
    Archive(PathBuf),
    /// It is deleted.
    Delete,
}

/// Why old segments stay.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The folder is missing or cannot be listed.
    #[error(transparent)]
    Open(#[from] OpenJournalError),
    /// A file cannot be moved or deleted.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Archives or deletes the sealed segments all of whose records are at or before `covered`, which a snapshot on disk stands
/// for. How many there were. Works while a venue writes the journal.
///
/// # Errors
/// The folder cannot be listed, or a file not be moved or deleted; those before it are gone.
pub fn release_before(
    storage: &impl Storage,
    dir: &Path,
    covered: Sequence,
    old: &OldSegments,
) -> Result<u64, ReleaseError> {
    if *old == OldSegments::Keep {
        return Ok(0);
    }
    let mut released = 0;
    for pair in segment::list(storage, dir)?.windows(2) {
        let &[first, next] = pair else { break };
        let path = segment::path(dir, first);
        let Some(chain) = chain_of(storage, &path)?.filter(|_| next <= covered.0.saturating_add(1)) else { break };
        begin_at(storage, dir, &Beginning { first: next, chain })?;
        match old {
            OldSegments::Keep => {}
            OldSegments::Archive(archive) => {
                let target = segment::path(archive, first);
                storage.rename(&path, &target).map_err(FileError::at(&path, "move the segment to the archive"))?;
                storage.sync_dir(archive).map_err(FileError::at(archive, "flush the folder"))?;
            }
            OldSegments::Delete => storage.remove(&path).map_err(FileError::at(&path, "delete the segment"))?,
        }
        storage.sync_dir(dir).map_err(FileError::at(dir, "flush the folder"))?;
        released += 1;
    }
    Ok(released)
}

/// The chain over a sealed segment and all before it; `None` when it is not sealed.
fn chain_of(storage: &impl Storage, path: &Path) -> Result<Option<ChainHash>, FileError> {
    let file = storage.open(path).map_err(FileError::at(path, "open the segment"))?;
    let page = segment::read_page(&file).map_err(FileError::at(path, "read the header"))?;
    match page {
        Page::Good(_, Some(seal)) => Ok(Some(seal.chain)),
        Page::Good(_, None) | Page::Blank | Page::Bad(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use protocol::Nanos;

    use super::*;
    use crate::{Disk, JournalConfig, JournalReader, JournalWriter, first_sequence, verify};

    fn write(dir: &Path) -> u64 {
        let config = JournalConfig {
            segment_bytes: 8192,
            venue_id: [1; 16],
            configuration_hash: [0; 32],
            build_id: [0; 32],
            created: Nanos(0),
            flush_on_roll: false,
        };
        let mut writer = JournalWriter::open(dir, &config, Sequence(0)).unwrap();
        for sequence in 1..=400 {
            writer.append(Sequence(sequence), Nanos(sequence), &[7; 48]).unwrap();
        }
        writer.seal().unwrap();
        400
    }

    #[test]
    fn what_a_snapshot_stands_for_goes_and_the_rest_is_a_good_journal() {
        for archives in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let (dir, archive) = (temp.path().join("journal"), temp.path().join("archive"));
            std::fs::create_dir(&dir).unwrap();
            std::fs::create_dir(&archive).unwrap();
            let last = write(&dir);
            let whole = verify(&dir).unwrap();
            let old = if archives { OldSegments::Archive(archive.clone()) } else { OldSegments::Delete };
            assert_eq!(release_before(&Disk, &dir, Sequence(last), &OldSegments::Keep).unwrap(), 0);
            assert_eq!(
                release_before(&Disk, &dir, Sequence(55), &old).unwrap(),
                0,
                "record 56 is in the first segment"
            );
            assert_eq!(release_before(&Disk, &dir, Sequence(56), &old).unwrap(), 1);
            assert_eq!(first_sequence(&dir).unwrap(), Some(Sequence(57)));
            assert_eq!(release_before(&Disk, &dir, Sequence(300), &old).unwrap(), 4);
            let left = verify(&dir).unwrap();
            assert_eq!((left.ok, left.first_sequence), (true, Sequence(281)), "{left:?}");
            assert_eq!((left.last_sequence, left.records), (Sequence(last), 120));
            assert_eq!(left.chain.unwrap().head, whole.chain.clone().unwrap().head);
            // A segment that was taken away by hand, and none that was released, is missing.
            let second = temp.path().join("second");
            std::fs::rename(segment::path(&dir, 281), &second).unwrap();
            assert!(!verify(&dir).unwrap().ok);
            std::fs::rename(&second, segment::path(&dir, 281)).unwrap();
            let (released, aside) = (dir.join(NAME), temp.path().join("aside"));
            std::fs::rename(&released, &aside).unwrap();
            assert!(!verify(&dir).unwrap().ok, "nothing says that it may begin there");
            std::fs::rename(&aside, &released).unwrap();
            // The newest stays whatever is covered.
            release_before(&Disk, &dir, Sequence(10 * last), &old).unwrap();
            assert_eq!(verify(&dir).unwrap().segments, 1);
            let mut reader = JournalReader::open_oldest(&dir).unwrap();
            assert!(reader.next().unwrap().is_some_and(|record| record.sequence > Sequence(300)));
            if archives {
                for entry in std::fs::read_dir(&archive).unwrap().map(Result::unwrap) {
                    std::fs::rename(entry.path(), dir.join(entry.file_name())).unwrap();
                }
                assert_eq!(verify(&dir).unwrap(), whole);
            }
        }
    }
}
