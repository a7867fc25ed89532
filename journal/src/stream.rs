//! Stream files: what one session has been sent, numbered and framed as it goes out (docs/journal-format.md §5). The
//! writer appends without system calls; readers on other threads send straight from the mapped file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::SessionName;

use crate::error::FileError;
use crate::format::{FORMAT_VERSION, HEADER_PAGE_BYTES, array, crc, is_zero, put, u32_at};
use crate::mmap::{AppendMap, ReadMap, allocate};
use crate::segment::read_at;
use crate::stream_index::{STRIDE, StreamIndex};

const HEADER: u64 = HEADER_PAGE_BYTES as u64;
const MAGIC: [u8; 8] = *b"TSSTREAM";
const CRC_AT: usize = 60;
const END_AT: usize = 64;
const MESSAGES_AT: usize = 72;
/// The first step of a file: an account that never trades costs this much disk.
pub const STREAM_FIRST_STEP_BYTES: u64 = 64 * 1024;

/// How a stream file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// The venue, as in the journal.
    pub venue_id: [u8; 16],
    /// The session whose messages these are.
    pub session: SessionName,
    /// The most bytes the file may come to; address space is set aside for all of it, disk space is not. A multiple of
    /// 4096, from 128 KiB to 2^40.
    pub capacity_bytes: u64,
    /// The most by which the file grows at a time. It grows by 64 KiB first, then doubles.
    pub step_bytes_max: u64,
}

impl StreamConfig {
    /// For an account: up to 4 GiB, in steps of up to 4 MiB.
    pub const fn account(venue_id: [u8; 16], session: SessionName) -> Self {
        Self { venue_id, session, capacity_bytes: 4 << 30, step_bytes_max: 4 << 20 }
    }

    /// For the feed: up to 64 GiB, in steps of up to 32 MiB.
    pub const fn feed(venue_id: [u8; 16], session: SessionName) -> Self {
        Self { venue_id, session, capacity_bytes: 64 << 30, step_bytes_max: 32 << 20 }
    }
}

/// Why a stream cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The configuration asks for what is not possible.
    #[error("a stream of up to {0} bytes is not possible; multiples of 4096 from 131072 to 2^40 are")]
    Capacity(u64),
    /// The file is not a stream of this session and venue.
    #[error("{}: not the stream file that is expected here: {what}", path.display())]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// The file has fewer messages than are known to have been in it.
    #[error("{}: {found} messages in the file, but {expected} are known to have been there", path.display())]
    MessagesMissing {
        /// The file.
        path: PathBuf,
        /// How many must be there.
        expected: u64,
        /// How many are.
        found: u64,
    },
    /// The bytes do not begin with their own length, or are longer than a message may be.
    #[error("a message of {0} bytes does not begin with its length")]
    Framing(usize),
    /// The file has come to its configured size.
    #[error("{}: the stream has reached its configured size", .0.display())]
    Full(PathBuf),
    /// The call is not possible now: see [`StreamWriter::begin_rebuild`].
    #[error("{}: a rebuild can only begin before anything is appended", .0.display())]
    NotAtStart(PathBuf),
    /// The operating system refused something; a full disk most often.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Says whether two messages of the same length, the one in the file and the one made again, are the same but for what
/// cannot be made again. Both are framed.
pub type SameMessage = fn(existing: &[u8], rebuilt: &[u8]) -> bool;

/// What a rebuild did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Messages that stayed as they were, those that were not looked at included.
    pub kept: u64,
    /// Of those, messages that the caller accepted although they differ.
    pub accepted: u64,
    /// Messages written because the file had none or another in their place.
    pub written: u64,
    /// Bytes of the file that were dropped: from the first message that differs, or behind the last one, up to the last
    /// byte that is not zero.
    pub dropped_bytes: u64,
}

#[derive(Debug)]
struct Rebuild {
    same: SameMessage,
    report: RebuildReport,
    /// Nothing of the earlier run is left behind the committed messages.
    is_cut: bool,
}

/// The writing end of a stream; one per file.
#[derive(Debug)]
pub struct StreamWriter {
    map: AppendMap,
    index: Arc<StreamIndex>,
    messages: u64,
    /// While the file holds what an earlier run has written and this one has not confirmed.
    rebuild: Option<Rebuild>,
    shared: Arc<Room>,
    path: PathBuf,
}

/// The reading end: sees each message once it is appended. Cheap to clone, and usable from any thread.
#[derive(Clone, Debug)]
pub struct StreamReader {
    map: ReadMap,
    index: Arc<StreamIndex>,
}

/// Keeps a stream's disk space ahead of its writer; for a housekeeping thread.
#[derive(Clone, Debug)]
pub struct StreamPreparer {
    shared: Arc<Room>,
    reader: StreamReader,
}

#[derive(Debug)]
struct Room {
    map: ReadMap,
    path: PathBuf,
    capacity_bytes: u64,
    step_bytes_max: u64,
    /// Times the writer had to make room itself. Written by the writer only; Relaxed, a counter.
    inline_growths: AtomicU64,
}

impl Room {
    /// Adds the next step: as much as there is, between the first step and the largest.
    fn grow(&self) -> Result<(), StreamError> {
        let allocated = self.map.allocated();
        if allocated >= self.capacity_bytes {
            return Err(StreamError::Full(self.path.clone()));
        }
        let step = (allocated - HEADER).clamp(STREAM_FIRST_STEP_BYTES, self.step_bytes_max);
        let grown = self.map.grow((allocated + step).next_multiple_of(HEADER));
        Ok(grown.map_err(FileError::at(&self.path, "make room in the stream"))?)
    }
}

impl StreamWriter {
    /// Opens the stream file, or creates it. What an earlier run left in it is not trusted: until [`end_rebuild`] each
    /// message appended is compared with the one in its place.
    ///
    /// # Errors
    /// The file belongs to another venue or session, or cannot be opened or made longer.
    ///
    /// [`end_rebuild`]: StreamWriter::end_rebuild
    pub fn open(path: &Path, config: &StreamConfig) -> Result<Self, StreamError> {
        let capacity = config.capacity_bytes;
        if !(2 * STREAM_FIRST_STEP_BYTES..=1 << 40).contains(&capacity) || !capacity.is_multiple_of(HEADER) {
            return Err(StreamError::Capacity(capacity));
        }
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(FileError::at(path, "open the stream"))?;
        settle_header(&file, path, config)?;
        settle_space(&file, capacity).map_err(FileError::at(path, "allocate the stream"))?;
        let map = AppendMap::new(file, capacity).map_err(FileError::at(path, "map the stream"))?;
        let room = Room {
            map: map.reader(),
            path: path.to_owned(),
            capacity_bytes: capacity,
            step_bytes_max: config.step_bytes_max.max(STREAM_FIRST_STEP_BYTES),
            inline_growths: AtomicU64::new(0),
        };
        let rebuild = Rebuild { same: |_, _| false, report: RebuildReport::default(), is_cut: false };
        let writer = Self {
            map,
            index: Arc::new(StreamIndex::new()),
            messages: 0,
            rebuild: Some(rebuild),
            shared: Arc::new(room),
            path: path.to_owned(),
        };
        if writer.shared.map.allocated() <= HEADER {
            writer.shared.grow()?;
        }
        Ok(writer)
    }

    /// Begins a rebuild other than the plain one that `open` began: the first `keep` messages stay without being made
    /// again, because a snapshot says that they are there; `same` accepts messages that cannot be made again exactly.
    ///
    /// # Errors
    /// Something was appended already, or the file has fewer messages than `keep`.
    pub fn begin_rebuild(&mut self, keep: u64, same: SameMessage) -> Result<(), StreamError> {
        if self.rebuild.is_none() || self.messages > 0 {
            return Err(StreamError::NotAtStart(self.path.clone()));
        }
        let report = RebuildReport { kept: keep, ..RebuildReport::default() };
        self.rebuild = Some(Rebuild { same, report, is_cut: false });
        while self.messages < keep {
            let bytes = message_bytes(self.map.uncommitted());
            let missing =
                || StreamError::MessagesMissing { path: self.path.clone(), expected: keep, found: self.messages };
            self.keep(bytes.ok_or_else(missing)?)?;
        }
        Ok(())
    }

    /// During a rebuild: whole messages that the file has behind the last one made again. Where every message comes from
    /// the journal, more than none at the end of a replay mean that the journal has lost its end.
    pub fn unexplained_messages(&self) -> u64 {
        let mut rest = self.map.uncommitted();
        let mut messages = 0;
        while let Some(following) = message_bytes(rest).and_then(|bytes| rest.get(bytes..)) {
            messages += 1;
            rest = following;
        }
        messages
    }

    /// Ends the rebuild: drops what the file has beyond the last message.
    ///
    /// # Errors
    /// The file cannot be made shorter or longer.
    pub fn end_rebuild(&mut self) -> Result<RebuildReport, StreamError> {
        let Some(mut rebuild) = self.rebuild.take() else { return Ok(RebuildReport::default()) };
        if !rebuild.is_cut {
            rebuild.report.dropped_bytes = self.cut()?;
        }
        Ok(rebuild.report)
    }

    /// Appends one message, which begins with its own length (u16, big-endian, of what follows). It is seen by readers
    /// when this returns, and survives the end of this process. No system call, unless [`StreamPreparer::prepare_ahead`]
    /// is late.
    ///
    /// # Errors
    /// The framing is wrong, the stream is full or the disk is: nothing was appended.
    #[inline]
    pub fn append(&mut self, framed: &[u8]) -> Result<(), StreamError> {
        if message_bytes(framed) != Some(framed.len()) {
            return Err(StreamError::Framing(framed.len()));
        }
        if self.rebuild.is_some() && self.confirm(framed)? {
            return Ok(());
        }
        let offset = self.map.committed() - HEADER;
        while !self.map.append(framed) {
            self.make_room(framed.len())?;
        }
        self.count(offset)
    }

    /// Messages so far: the number of the last one.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of all messages.
    pub fn end(&self) -> u64 {
        self.map.committed() - HEADER
    }

    /// A reading end.
    pub fn reader(&self) -> StreamReader {
        StreamReader { map: self.map.reader(), index: Arc::clone(&self.index) }
    }

    /// The handle with which another thread makes room ahead.
    pub fn preparer(&self) -> StreamPreparer {
        StreamPreparer { shared: Arc::clone(&self.shared), reader: self.reader() }
    }

    /// Times that `append` had to make room itself.
    pub fn inline_growths(&self) -> u64 {
        self.shared.inline_growths.load(Ordering::Relaxed)
    }

    #[inline]
    fn count(&mut self, offset: u64) -> Result<(), StreamError> {
        if !self.index.push(self.messages, offset) {
            return Err(StreamError::Full(self.path.clone()));
        }
        self.messages += 1;
        Ok(())
    }

    fn keep(&mut self, bytes: usize) -> Result<(), StreamError> {
        let offset = self.map.committed() - HEADER;
        assert!(self.map.keep(bytes as u64)); // found in the file just before
        self.count(offset)
    }

    #[cold]
    fn make_room(&mut self, bytes: usize) -> Result<(), StreamError> {
        if self.map.committed() + bytes as u64 > self.shared.capacity_bytes {
            return Err(StreamError::Full(self.path.clone()));
        }
        self.shared.inline_growths.fetch_add(1, Ordering::Relaxed);
        self.shared.grow()
    }

    /// During a rebuild: true when the file has this message in its place. Otherwise what it has there is dropped.
    #[cold]
    fn confirm(&mut self, framed: &[u8]) -> Result<bool, StreamError> {
        let Some(rebuild) = &mut self.rebuild else { return Ok(false) };
        if rebuild.is_cut {
            rebuild.report.written += 1;
            return Ok(false);
        }
        let existing = self.map.uncommitted().get(..framed.len()).filter(|existing| existing[..2] == framed[..2]);
        let is_equal = existing.is_some_and(|existing| existing == framed);
        let is_same = is_equal || existing.is_some_and(|existing| (rebuild.same)(existing, framed));
        if is_same {
            rebuild.report.kept += 1;
            rebuild.report.accepted += u64::from(!is_equal);
            self.keep(framed.len())?;
            return Ok(true);
        }
        // Everything that follows would be written over in any case, and is cut once: afterwards there are only zeros.
        let dropped_bytes = self.cut()?;
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.report.dropped_bytes = dropped_bytes;
            rebuild.report.written += 1;
            rebuild.is_cut = true;
        }
        Ok(false)
    }

    /// Drops what the file has beyond the committed messages, if it has anything; how many bytes.
    fn cut(&mut self) -> Result<u64, StreamError> {
        let rest = self.map.uncommitted();
        if is_zero(rest) {
            return Ok(0);
        }
        let used = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        self.map.cut().map_err(FileError::at(&self.path, "cut the stream"))?;
        self.shared.grow()?;
        Ok(used as u64)
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.preparer().store_hints();
    }
}

impl StreamReader {
    /// Messages so far: the number of the last one.
    #[inline]
    pub fn messages(&self) -> u64 {
        self.index.messages()
    }

    /// Bytes of all messages. Asked after [`StreamReader::messages`], it covers them.
    #[inline]
    pub fn end(&self) -> u64 {
        self.map.committed() - HEADER
    }

    /// Where message `number` (from 1) begins; for the number that comes next, the end of the last one. `None` for 0 and
    /// for later numbers. Walks over at most 63 messages.
    pub fn offset_of(&self, number: u64) -> Option<u64> {
        let messages = self.messages();
        let before = number.checked_sub(1).filter(|before| *before <= messages)?;
        if messages == 0 {
            return Some(0);
        }
        // The entry of the last message exists also where `before` is one beyond it.
        let entry = before.min(messages - 1) / STRIDE;
        let mut offset = self.index.offset(entry)?;
        for _ in entry * STRIDE..before {
            let length = self.bytes(offset, offset + 2).first_chunk::<2>()?;
            offset += 2 + u64::from(u16::from_be_bytes(*length));
        }
        Some(offset)
    }

    /// The bytes from one offset to another, straight from the file; fewer where the stream ends before.
    #[inline]
    pub fn bytes(&self, from: u64, to: u64) -> &[u8] {
        self.map.bytes(from.saturating_add(HEADER), to.saturating_add(HEADER))
    }
}

impl StreamPreparer {
    /// Makes room when less than half a step is left, and notes in the file how far it is. True when it made room.
    ///
    /// # Errors
    /// The disk is full or failing; the writer has what room is left. A stream at its configured size is not an error
    /// here.
    pub fn prepare_ahead(&self) -> Result<bool, StreamError> {
        self.reader.index.prepare_ahead();
        self.store_hints();
        self.shared.map.follow();
        let allocated = self.shared.map.allocated();
        let left = allocated.saturating_sub(self.shared.map.committed());
        let step = (allocated - HEADER).clamp(STREAM_FIRST_STEP_BYTES, self.shared.step_bytes_max);
        if left >= step / 2 || allocated >= self.shared.capacity_bytes {
            return Ok(false);
        }
        self.shared.grow()?;
        Ok(true)
    }

    /// Waits until every message that was appended before this call is on disk: before a snapshot that counts on them.
    ///
    /// # Errors
    /// The disk is failing.
    pub fn sync(&self) -> Result<(), StreamError> {
        Ok(self.shared.map.sync().map_err(FileError::at(&self.shared.path, "flush the stream"))?)
    }

    fn store_hints(&self) {
        self.shared.map.store_header_word(MESSAGES_AT, self.reader.messages());
        self.shared.map.store_header_word(END_AT, self.reader.end());
    }
}

/// Bytes of the message at the start of `bytes`, its length field included; `None` when it is not whole or has none.
#[inline]
fn message_bytes(bytes: &[u8]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk::<2>()?));
    (length > 0 && bytes.len() >= 2 + length).then_some(2 + length)
}

/// A copied file can have holes: every byte that will be mapped gets its disk space.
fn settle_space(file: &File, capacity: u64) -> std::io::Result<()> {
    allocate(file, 0, file.metadata()?.len().min(capacity))
}

/// Writes the header into a new file, or checks the one that is there.
fn settle_header(file: &File, path: &Path, config: &StreamConfig) -> Result<(), StreamError> {
    let mut expected = [0; HEADER_PAGE_BYTES];
    put(&mut expected, 0, &MAGIC);
    put(&mut expected, 8, &FORMAT_VERSION.to_le_bytes());
    put(&mut expected, 12, &4096_u32.to_le_bytes());
    put(&mut expected, 16, &config.venue_id);
    put(&mut expected, 32, &config.session.0);
    let sum = crc(&expected[..CRC_AT]);
    put(&mut expected, CRC_AT, &sum.to_le_bytes());

    let mut page = [0; HEADER_PAGE_BYTES];
    let bytes = read_at(file, &mut page, 0).map_err(FileError::at(path, "read the header of the stream"))?;
    if bytes < HEADER_PAGE_BYTES || is_zero(&page[..END_AT]) {
        // New, or stopped at birth: there can be no messages.
        let made = allocate(file, 0, HEADER).and_then(|()| file.write_all_at(&expected, 0));
        made.map_err(FileError::at(path, "write the header of the stream"))?;
        return Ok(());
    }
    let other = |what| StreamError::OtherFile { path: path.to_owned(), what };
    if page[..8] != MAGIC || crc(&page[..CRC_AT]) != u32_at(&page, CRC_AT) {
        return Err(other("it does not begin with the header of a stream"));
    }
    if array::<16>(&page, 16) != config.venue_id {
        return Err(other("it belongs to another venue"));
    }
    if array::<10>(&page, 32) != config.session.0 {
        return Err(other("it belongs to another session"));
    }
    if page[..END_AT] != expected[..END_AT] {
        return Err(other("it has another format version"));
    }
    Ok(())
}
