//! What a start does to the segments that the last run left open: a torn tail is cut, what has records is sealed, what has
//! none is removed. Called by the writer before it begins a segment of its own; damage stops it.

use std::path::Path;

use protocol::Sequence;

use crate::chain::{self, ChainHash};
use crate::error::{FileError, OpenJournalError, OpenWriterError};
use crate::format::{HEADER_PAGE_BYTES, SEAL_AT, Seal, SegmentHeader};
use crate::reader::JournalReader;
use crate::segment::{self, Page};
use crate::storage::{Storage, StorageFile};

/// Where the journal ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JournalEnd {
    pub(crate) last: Sequence,
    /// Header of the last segment; `None` for an empty journal.
    pub(crate) header: Option<SegmentHeader>,
    /// Bytes that were cut off.
    pub(crate) torn_bytes: u64,
    /// The chain over all segments.
    pub(crate) chain: ChainHash,
}

/// What a segment holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Offset behind the last record.
    pub(crate) end: u64,
}

/// Closes whatever is open and tells where the journal ends.
pub(crate) fn close_open_segments<S: Storage>(storage: &S, dir: &Path) -> Result<JournalEnd, OpenWriterError> {
    remove_prepared(storage, dir)?;
    let segments = segment::list(storage, dir)?;
    let Some(start) = first_open(storage, dir, &segments)? else {
        return Ok(JournalEnd { last: Sequence::ZERO, header: None, torn_bytes: 0, chain: [0; 32] });
    };
    let mut reader = JournalReader::open_after_on(storage.clone(), dir, Sequence(start.saturating_sub(1)))?;
    let mut tails: Vec<Content> = Vec::new();
    while let Some(record) = reader.next()? {
        let last = record.sequence.0;
        let Some((first, end)) = reader.position() else { continue };
        match tails.last_mut() {
            Some(tail) if tail.first == first => (tail.last, tail.end) = (last, end),
            Some(_) | None => {
                settle_end(&mut tails, reader.left());
                tails.push(Content { first, last, end });
            }
        }
    }
    settle_end(&mut tails, reader.left());
    settle_end(&mut tails, reader.position());
    let mut chain = [0; 32];
    for tail in &tails {
        chain = close(storage, dir, tail, &chain)?;
    }
    let last = reader.last_sequence();
    for empty in segments.iter().filter(|first| **first > last.0) {
        let path = segment::path(dir, *empty);
        storage.remove(&path).map_err(FileError::at(&path, "remove the empty segment"))?;
    }
    sync_dir(storage, dir)?;
    let header = reader.newest_header().copied();
    Ok(JournalEnd { last, header, torn_bytes: reader.torn_bytes(), chain })
}

/// The marks behind the last command belong to the segment, too.
fn settle_end(tails: &mut [Content], position: Option<(u64, u64)>) {
    if let (Some(tail), Some((first, end))) = (tails.last_mut(), position)
        && tail.first == first
    {
        tail.end = end;
    }
}

/// First sequence of the earliest segment to look at: the first of the run of open ones at the end, or the last sealed one.
fn first_open(storage: &impl Storage, dir: &Path, segments: &[u64]) -> Result<Option<u64>, OpenWriterError> {
    let mut start = None;
    for first in segments.iter().rev() {
        start = Some(*first);
        let path = segment::path(dir, *first);
        let file = storage.open(&path).map_err(FileError::at(&path, "open the segment"))?;
        let page = segment::read_page(&file).map_err(FileError::at(&path, "read the header"))?;
        if matches!(page, Page::Good(_, Some(_))) {
            break;
        }
    }
    Ok(start)
}

/// Seals it unless it is; the chain over it.
fn close(storage: &impl Storage, dir: &Path, tail: &Content, before: &ChainHash) -> Result<ChainHash, OpenWriterError> {
    let path = segment::path(dir, tail.first);
    let file = storage.open_for_writing(&path).map_err(FileError::at(&path, "open the segment for writing"))?;
    let page = segment::read_page(&file).map_err(FileError::at(&path, "read the header"))?;
    if let Page::Good(_, Some(seal)) = page {
        return Ok(seal.chain);
    }
    Ok(seal_file(&file, &path, tail, before)?)
}

/// Cuts the file to its content and seals it: content on disk first, then the seal. A stop in between leaves an open
/// segment without a rest, which is good.
pub(crate) fn seal_file(
    file: &impl StorageFile,
    path: &Path,
    content: &Content,
    before: &ChainHash,
) -> Result<ChainHash, FileError> {
    let Content { first, last, end } = *content;
    assert!(end > HEADER_PAGE_BYTES as u64 && first <= last);
    let chain = chain::of_segment(file, before, end).map_err(FileError::at(path, "hash the segment"))?;
    let seal = Seal { end, last_sequence: last, records: last + 1 - first, chain_before: *before, chain };
    file.set_len(end).map_err(FileError::at(path, "cut the segment"))?;
    file.sync().map_err(FileError::at(path, "flush the segment"))?;
    file.write_all_at(&seal.encode(), SEAL_AT as u64).map_err(FileError::at(path, "seal the segment"))?;
    file.sync().map_err(FileError::at(path, "flush the seal"))?;
    Ok(chain)
}

/// Makes new, renamed and removed names durable.
pub(crate) fn sync_dir(storage: &impl Storage, dir: &Path) -> Result<(), FileError> {
    storage.sync_dir(dir).map_err(FileError::at(dir, "flush the folder"))
}

/// Deletes segments that were prepared and never used.
pub(crate) fn remove_prepared(storage: &impl Storage, dir: &Path) -> Result<(), OpenWriterError> {
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            return OpenWriterError::Open(OpenJournalError::Missing(dir.to_owned()));
        }
        OpenWriterError::File(FileError::at(dir, "list the folder")(error))
    };
    for name in storage.list(dir).map_err(failed)? {
        let path = dir.join(&name);
        if name.starts_with("prepare-") && path.extension().is_some_and(|extension| extension == "tmp") {
            storage.remove(&path).map_err(FileError::at(&path, "remove the prepared segment"))?;
        }
    }
    Ok(())
}
