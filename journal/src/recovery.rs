//! What a start does to the segments that the last run left open: a torn tail is cut, what has records is sealed, what has
//! none is removed. Called by the writer before it begins a segment of its own; damage stops it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use protocol::Sequence;

use crate::chain::{self, ChainHash};
use crate::error::{FileError, OpenJournalError, OpenWriterError};
use crate::format::{HEADER_PAGE_BYTES, SEAL_AT, Seal, SegmentHeader};
use crate::reader::JournalReader;
use crate::segment::{self, Page};

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
pub(crate) fn close_open_segments(dir: &Path) -> Result<JournalEnd, OpenWriterError> {
    remove_prepared(dir)?;
    let segments = segment::list(dir)?;
    let Some(start) = first_open(dir, &segments)? else {
        return Ok(JournalEnd { last: Sequence::ZERO, header: None, torn_bytes: 0, chain: [0; 32] });
    };
    let mut reader = JournalReader::open_after(dir, Sequence(start.saturating_sub(1)))?;
    let mut tails: Vec<Content> = Vec::new();
    while let Some(record) = reader.next()? {
        let last = record.sequence.0;
        let Some((first, end)) = reader.position() else { continue };
        match tails.last_mut() {
            Some(tail) if tail.first == first => (tail.last, tail.end) = (last, end),
            Some(_) | None => tails.push(Content { first, last, end }),
        }
    }
    let mut chain = [0; 32];
    for tail in &tails {
        chain = close(dir, tail, &chain)?;
    }
    let last = reader.last_sequence();
    for empty in segments.iter().filter(|first| **first > last.0) {
        let path = segment::path(dir, *empty);
        fs::remove_file(&path).map_err(FileError::at(&path, "remove the empty segment"))?;
    }
    sync_dir(dir)?;
    let header = reader.newest_header().copied();
    Ok(JournalEnd { last, header, torn_bytes: reader.torn_bytes(), chain })
}

/// First sequence of the earliest segment to look at: the first of the run of open ones at the end, or the last sealed one.
fn first_open(dir: &Path, segments: &[u64]) -> Result<Option<u64>, OpenWriterError> {
    let mut start = None;
    for first in segments.iter().rev() {
        start = Some(*first);
        let path = segment::path(dir, *first);
        let file = File::open(&path).map_err(FileError::at(&path, "open the segment"))?;
        let page = segment::read_page(&file).map_err(FileError::at(&path, "read the header"))?;
        if matches!(page, Page::Good(_, Some(_))) {
            break;
        }
    }
    Ok(start)
}

/// Seals it unless it is; the chain over it.
fn close(dir: &Path, tail: &Content, before: &ChainHash) -> Result<ChainHash, OpenWriterError> {
    let path = segment::path(dir, tail.first);
    let open = OpenOptions::new().read(true).write(true).open(&path);
    let file = open.map_err(FileError::at(&path, "open the segment for writing"))?;
    let page = segment::read_page(&file).map_err(FileError::at(&path, "read the header"))?;
    if let Page::Good(_, Some(seal)) = page {
        return Ok(seal.chain);
    }
    Ok(seal_file(&file, &path, tail, before)?)
}

/// Cuts the file to its content and seals it: content on disk first, then the seal. A stop in between leaves an open
/// segment without a rest, which is good.
pub(crate) fn seal_file(
    file: &File,
    path: &Path,
    content: &Content,
    before: &ChainHash,
) -> Result<ChainHash, FileError> {
    let Content { first, last, end } = *content;
    assert!(end > HEADER_PAGE_BYTES as u64 && first <= last);
    let chain = chain::of_segment(file, before, end).map_err(FileError::at(path, "hash the segment"))?;
    let seal = Seal { end, last_sequence: last, records: last + 1 - first, chain_before: *before, chain };
    file.set_len(end).map_err(FileError::at(path, "cut the segment"))?;
    file.sync_data().map_err(FileError::at(path, "flush the segment"))?;
    file.write_all_at(&seal.encode(), SEAL_AT as u64).map_err(FileError::at(path, "seal the segment"))?;
    file.sync_all().map_err(FileError::at(path, "flush the seal"))?;
    Ok(chain)
}

/// Makes new, renamed and removed names durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), FileError> {
    let folder = File::open(dir).map_err(FileError::at(dir, "open the folder"))?;
    folder.sync_all().map_err(FileError::at(dir, "flush the folder"))
}

/// Deletes segments that were prepared and never used.
pub(crate) fn remove_prepared(dir: &Path) -> Result<(), OpenWriterError> {
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            return OpenWriterError::Open(OpenJournalError::Missing(dir.to_owned()));
        }
        OpenWriterError::File(FileError::at(dir, "list the folder")(error))
    };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("prepare-") && path.extension().is_some_and(|extension| extension == "tmp") {
            fs::remove_file(&path).map_err(FileError::at(&path, "remove the prepared segment"))?;
        }
    }
    Ok(())
}
