//! The hash chain (docs/journal-format.md §3): BLAKE3 over every byte of every segment, each block on top of the one before.
//! Checksums find what a disk does to a journal; the chain finds what somebody did to it: a record changed, removed, put
//! in or moved, its checksum made right again. Hashed where a segment is closed, never where records are appended.

use std::io;
use std::path::Path;

use protocol::Sequence;

use crate::error::{Damage, DamageKind, FileError, OpenJournalError};
use crate::format::{HEADER_BYTES, HEADER_PAGE_BYTES, index};
use crate::retention;
use crate::segment::{self, Page};
use crate::storage::{Disk, Storage, StorageFile};

/// Bytes of a block; the last one of a segment may be shorter.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;

/// A value of the chain; zero before the first segment.
pub type ChainHash = [u8; 32];

/// What [`check_chain`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// Sealed segments whose chain is right, from the first on.
    pub segments: u64,
    /// Sequence of the last record that the chain covers: records of a segment that is not sealed yet are not in it.
    pub last_sequence: Sequence,
    /// The chain's value behind that record. Kept elsewhere, it vouches for everything up to there.
    pub head: ChainHash,
    /// The first segment that is not what was sealed.
    pub damage: Option<Damage>,
}

/// The chain over one segment: its header block, then its content up to `end`, on top of `before`.
pub(crate) fn of_segment(file: &impl StorageFile, before: &ChainHash, end: u64) -> io::Result<ChainHash> {
    let mut block = vec![0; BLOCK_BYTES];
    let header = segment::read_at(file, &mut block[..HEADER_BYTES], 0)?;
    let mut chain = link(before, &block[..header]);
    let mut at = HEADER_PAGE_BYTES as u64;
    while at < end {
        let wanted = index((end - at).min(BLOCK_BYTES as u64));
        if segment::read_at(file, &mut block[..wanted], at)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        chain = link(&chain, &block[..wanted]);
        at += wanted as u64;
    }
    Ok(chain)
}

fn link(before: &ChainHash, block: &[u8]) -> ChainHash {
    *blake3::Hasher::new().update(before).update(block).finalize().as_bytes()
}

/// Checks the chain of all sealed segments in this folder, and that the segments hang together. Works while a venue writes;
/// a thread of its own keeps it off the way of whoever reads the records.
///
/// # Errors
/// When the folder is missing or a file cannot be read. Damage is not an error here.
pub fn check_chain(dir: &Path) -> Result<ChainReport, ChainError> {
    check_chain_on(&Disk, dir)
}

/// As [`check_chain`], on any storage.
///
/// # Errors
/// As [`check_chain`].
pub fn check_chain_on(storage: &impl Storage, dir: &Path) -> Result<ChainReport, ChainError> {
    let mut report = ChainReport { segments: 0, last_sequence: Sequence::ZERO, head: [0; 32], damage: None };
    let beginning = retention::beginning(storage, dir)?;
    for first in segment::list(storage, dir)? {
        if report.segments == 0
            && let Some(beginning) = beginning.filter(|beginning| beginning.first == first)
        {
            report.head = beginning.chain;
        }
        let path = segment::path(dir, first);
        match check_segment(storage, &path, &report) {
            Ok(Some((last, head))) => {
                report = ChainReport { segments: report.segments + 1, last_sequence: last, head, damage: None };
            }
            Ok(None) => break,
            // Released after it was listed.
            Err(Fault::Io(error)) if error.kind() == io::ErrorKind::NotFound => return check_chain_on(storage, dir),
            Err(Fault::Damage(kind)) => {
                let offset = HEADER_PAGE_BYTES as u64;
                report.damage = Some(Damage { file: path, offset, sequence: Sequence(first), kind });
                break;
            }
            Err(Fault::Io(error)) => return Err(FileError::at(&path, "read the segment")(error).into()),
        }
    }
    Ok(report)
}

enum Fault {
    Damage(DamageKind),
    Io(io::Error),
}

/// Last sequence and chain of a sealed segment; `None` when it is not sealed: whatever follows is not, either.
fn check_segment(
    storage: &impl Storage,
    path: &Path,
    so_far: &ChainReport,
) -> Result<Option<(Sequence, ChainHash)>, Fault> {
    let file = storage.open(path).map_err(Fault::Io)?;
    let seal = match segment::read_page(&file).map_err(Fault::Io)? {
        Page::Good(_, Some(seal)) => seal,
        Page::Good(_, None) | Page::Blank => return Ok(None),
        Page::Bad(kind) => return Err(Fault::Damage(kind)),
    };
    if seal.chain_before != so_far.head {
        return Err(Fault::Damage(DamageKind::ChainBefore));
    }
    match of_segment(&file, &seal.chain_before, seal.end) {
        Ok(chain) if chain == seal.chain => Ok(Some((Sequence(seal.last_sequence), chain))),
        Ok(_) => Err(Fault::Damage(DamageKind::Chain)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Fault::Damage(DamageKind::Chain)),
        Err(error) => Err(Fault::Io(error)),
    }
}

/// Why a chain cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The folder is missing or cannot be listed.
    #[error(transparent)]
    Open(#[from] OpenJournalError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}
