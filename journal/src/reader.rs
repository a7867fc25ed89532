//! Reads the journal in order, from its beginning or from any sequence; also behind a venue that is writing it. Recovery,
//! replay, the follower and `verify` all read through this one path. Nothing is ever written here.

use std::io;
use std::path::{Path, PathBuf};

use protocol::{Nanos, Sequence};

use crate::error::{Damage, DamageKind, FileError, JournalError, OpenJournalError};
use crate::format::{
    KIND_BATCH_END, KIND_COMMAND, MARK_BYTES, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, RecordHeader, Seal, SegmentHeader,
    index, next_batch, parse_record,
};
use crate::retention;
use crate::segment::{self, Page, Reached, Survey};
use crate::storage::{Disk, Storage, StorageFile};

/// What one read call fetches: little after the end was met, more and more while records keep coming.
const READ_BYTES_MIN: usize = 4096;
const READ_BYTES_MAX: usize = 256 * 1024;
/// How often a record that fails is read again before it counts as failing: the writer may be at it.
const READS_MAX: usize = 4;

const _: () = assert!(READ_BYTES_MIN >= RECORD_BYTES_MAX);

/// One command of the journal. `body` is what was appended; it borrows from the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the journal.
    pub sequence: Sequence,
    /// The venue's time at it.
    pub ingress: Nanos,
    /// The encoded command; a multiple of 8 bytes.
    pub body: &'a [u8],
}

/// Iterates over the records of a journal. At the end, [`JournalReader::next`] answers `None`, and may be asked again.
#[derive(Debug)]
pub struct JournalReader<S: Storage = Disk> {
    storage: S,
    dir: PathBuf,
    last: u64,
    /// Records up to here are read and checked, but not given out.
    skip_to: u64,
    /// Whoever writes the journal is running, and in this process.
    is_behind_writer: bool,
    /// Batch that the next record belongs to; 0 where there are none.
    batch: u8,
    open: Option<OpenSegment<S::File>>,
    /// The segment before: its first sequence and its end.
    left: Option<(u64, u64)>,
    newest: Option<(SegmentHeader, bool)>,
    window: Window,
    segments: u64,
    torn_bytes: u64,
    damage: Option<Damage>,
}

#[derive(Debug)]
struct OpenSegment<F> {
    file: F,
    path: PathBuf,
    header: SegmentHeader,
    seal: Option<Seal>,
    at: u64,
    /// What followed the end when it was last looked at, so that polling does not look again.
    settled: Option<[u8; RECORD_HEADER_BYTES]>,
}

#[derive(Debug)]
struct Window {
    /// As long as the longest read so far.
    bytes: Vec<u8>,
    start: u64,
    filled: usize,
    read_bytes: usize,
}

/// How a read at the end of a segment goes on.
enum Next {
    Record(RecordHeader),
    Segment,
    Nothing,
}

/// Sequence of the oldest record of the journal in this folder: 1, unless older ones were released. `None` for an empty journal.
///
/// # Errors
/// When the folder is missing or cannot be listed.
pub fn first_sequence(dir: &Path) -> Result<Option<Sequence>, OpenJournalError> {
    Ok(retention::first_of(&Disk, dir)?.map(Sequence))
}

impl JournalReader<Disk> {
    /// Opens the journal in this folder (`journal/` of a data directory) at its first record, sequence 1.
    ///
    /// # Errors
    /// When the folder is missing or cannot be listed. An empty folder is an empty journal.
    pub fn open(dir: &Path) -> Result<Self, OpenJournalError> {
        Self::open_after(dir, Sequence::ZERO)
    }

    /// Opens the journal at the oldest record that is left: sequence 1, unless what was before is archived.
    ///
    /// # Errors
    /// As [`JournalReader::open`].
    pub fn open_oldest(dir: &Path) -> Result<Self, OpenJournalError> {
        let first = first_sequence(dir)?.map_or(0, |first| first.0 - 1);
        Self::open_after(dir, Sequence(first))
    }

    /// Opens the journal so that the first record given out is the one behind `after`. Earlier segments are not read; the
    /// records before it in its own segment are checked and skipped.
    ///
    /// # Errors
    /// As [`JournalReader::open`].
    pub fn open_after(dir: &Path, after: Sequence) -> Result<Self, OpenJournalError> {
        Self::open_after_on(Disk, dir, after)
    }
}

impl<S: Storage> JournalReader<S> {
    /// As [`JournalReader::open_after`], on any storage.
    ///
    /// # Errors
    /// As [`JournalReader::open`].
    pub fn open_after_on(storage: S, dir: &Path, after: Sequence) -> Result<Self, OpenJournalError> {
        let segments = segment::list(&storage, dir)?;
        let first = segments.iter().rev().find(|first| **first <= after.0.saturating_add(1));
        Ok(Self {
            storage,
            dir: dir.to_owned(),
            last: first.map_or(0, |first| first.saturating_sub(1)),
            skip_to: after.0,
            is_behind_writer: false,
            batch: 0,
            open: None,
            left: None,
            newest: None,
            window: Window::new(),
            segments: 0,
            torn_bytes: 0,
            damage: None,
        })
    }

    /// Reads behind a writer that is running: a blank place is the end for now, and nobody looks each time at all that lies
    /// behind it. (The writer began behind everything that was there: what follows a blank place is not written yet.)
    #[must_use]
    pub fn behind_writer(self) -> Self {
        Self { is_behind_writer: true, ..self }
    }

    /// The next record; `None` at the end, which may be a torn tail ([`JournalReader::torn_bytes`]). Behind a running
    /// venue, ask again later.
    ///
    /// # Errors
    /// Damage, with file, offset and sequence, and every later call answers the same; or a file that cannot be read.
    #[expect(clippy::should_implement_trait, reason = "the record borrows from the reader, which Iterator cannot say")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        if let Some(damage) = &self.damage {
            return Err(damage.clone().into());
        }
        let found = loop {
            match self.advance() {
                Ok(Some(record)) if record.sequence <= self.skip_to => {}
                Ok(found) => break found,
                Err(error) => {
                    if let JournalError::Damage(damage) = &error {
                        self.damage = Some(damage.clone());
                    }
                    return Err(error);
                }
            }
        };
        let Some(record) = found else { return Ok(None) };
        let end = self.open.as_ref().map_or(0, |open| open.at);
        let from = end - record.body_bytes as u64;
        Ok(Some(Record {
            sequence: Sequence(record.sequence),
            ingress: Nanos(record.ingress_ns),
            body: &self.window.from(from)[..record.body_bytes],
        }))
    }

    /// Sequence of the last record read; 0 before the first. After `open_after` it can be below what was asked for when
    /// the journal ends earlier.
    pub fn last_sequence(&self) -> Sequence {
        Sequence(self.last)
    }

    /// Header of the newest segment entered so far: venue id, epoch, configuration hash, build.
    pub fn newest_header(&self) -> Option<&SegmentHeader> {
        self.newest.as_ref().map(|(header, _)| header)
    }

    /// True when the newest segment entered so far is sealed; false when there is none.
    pub fn is_sealed(&self) -> bool {
        self.newest.is_some_and(|(_, sealed)| sealed)
    }

    /// Segments entered so far.
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// Bytes of the torn tail that the last `None` ended at; 0 when it was a clean end. Behind a running venue, the record
    /// that is just being copied counts as torn, too, until it is whole.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// Where the reader is: first sequence of the segment, and the offset behind the last record read in it.
    pub(crate) fn position(&self) -> Option<(u64, u64)> {
        self.open.as_ref().map(|open| (open.header.first_sequence, open.at))
    }

    /// First sequence and end of the segment that was left last.
    pub(crate) fn left(&self) -> Option<(u64, u64)> {
        self.left
    }

    fn advance(&mut self) -> Result<Option<RecordHeader>, JournalError> {
        loop {
            let Some(open) = &self.open else {
                if self.enter()? {
                    continue;
                }
                return Ok(None);
            };
            let slice = within_seal(self.window.from(open.at), open);
            let next = match parse_record(slice) {
                Some(record) => Next::Record(record),
                None => self.at_end()?,
            };
            match next {
                Next::Record(record) => {
                    self.take(&record)?;
                    if !record.is_mark() {
                        return Ok(Some(record));
                    }
                }
                Next::Segment => {
                    self.left = self.position();
                    self.open = None;
                }
                Next::Nothing => return Ok(None),
            }
        }
    }

    /// Moves behind a whole record if it is the one that is due.
    fn take(&mut self, record: &RecordHeader) -> Result<(), JournalError> {
        let is_mark = record.is_mark() && self.batch != 0 && record.record_bytes() == MARK_BYTES;
        if record.kind != KIND_COMMAND && !is_mark {
            return Err(self.damage_here(DamageKind::UnknownKind(record.kind)).into());
        }
        if record.sequence != self.last + u64::from(!is_mark) {
            return Err(self.damage_here(DamageKind::OutOfSequence { found: record.sequence }).into());
        }
        if record.batch != self.batch {
            let kind = DamageKind::OtherBatch { expected: self.batch, found: record.batch };
            return Err(self.damage_here(kind).into());
        }
        if record.kind == KIND_BATCH_END {
            self.batch = next_batch(self.batch);
        }
        if let Some(open) = &mut self.open {
            open.at += record.record_bytes() as u64;
            open.settled = None;
        }
        self.last = record.sequence;
        self.torn_bytes = 0;
        Ok(())
    }

    fn reached(&self) -> Reached {
        Reached { last: self.last, batch: self.batch }
    }

    fn damage_here(&self, kind: DamageKind) -> Damage {
        let (file, offset) = self.open.as_ref().map_or((self.dir.clone(), 0), |open| (open.path.clone(), open.at));
        Damage { file, offset, sequence: Sequence(self.last + 1), kind }
    }

    /// Opens the segment that begins with the next sequence. False when the journal ends here.
    fn enter(&mut self) -> Result<bool, JournalError> {
        let first = self.last + 1;
        let path = segment::path(&self.dir, first);
        let file = match self.storage.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.no_such_segment(first, path),
            Err(error) => return Err(FileError::at(&path, "open the segment")(error).into()),
        };
        let page = segment::read_page(&file).map_err(FileError::at(&path, "read the header"))?;
        let damaged = |kind| Damage { file: path.clone(), offset: 0, sequence: Sequence(first), kind };
        let (header, seal) = match page {
            Page::Good(header, seal) => (header, seal),
            Page::Bad(kind) => return Err(damaged(kind).into()),
            Page::Blank if self.is_absent(&file, &path, first)? => return Ok(false),
            Page::Blank => return Err(damaged(DamageKind::HeaderChecksum).into()),
        };
        self.check_header(&header).map_err(damaged)?;
        let at = crate::format::HEADER_PAGE_BYTES as u64;
        let open = OpenSegment { file, path, header, seal, at, settled: None };
        check_length(&open, first)?;
        self.batch = header.first_batch;
        self.newest = Some((header, seal.is_some()));
        self.segments += 1;
        self.window.clear();
        self.open = Some(open);
        Ok(true)
    }

    fn check_header(&self, header: &SegmentHeader) -> Result<(), DamageKind> {
        if header.first_sequence != self.last + 1 {
            return Err(DamageKind::OutOfSequence { found: header.first_sequence });
        }
        let Some((before, _)) = &self.newest else { return Ok(()) };
        if header.venue_id != before.venue_id {
            return Err(DamageKind::OtherVenue);
        }
        if header.epoch < before.epoch {
            return Err(DamageKind::Epoch { before: before.epoch, found: header.epoch });
        }
        Ok(())
    }

    /// The end of the journal, unless a later segment exists. Looks for the file once more after the others were listed:
    /// a running venue may have begun it, and the one after it, in between.
    fn no_such_segment(&self, first: u64, path: PathBuf) -> Result<bool, JournalError> {
        let later = self.later_segment(first)?;
        match later {
            None => Ok(false),
            Some(_) if self.storage.exists(&path) => Ok(false),
            Some(next) => {
                let kind = DamageKind::MissingSegment { next };
                Err(Damage { file: path, offset: 0, sequence: Sequence(first), kind }.into())
            }
        }
    }

    /// First sequence of the earliest segment that begins after `first`.
    fn later_segment(&self, first: u64) -> Result<Option<u64>, JournalError> {
        match segment::list(&self.storage, &self.dir) {
            Ok(segments) => Ok(segments.into_iter().find(|found| *found > first)),
            Err(OpenJournalError::File(error)) => Err(error.into()),
            Err(OpenJournalError::Missing(dir)) => {
                Err(FileError::at(&dir, "list the folder")(io::Error::from(io::ErrorKind::NotFound)).into())
            }
        }
    }

    /// True for a segment that a power cut stopped at its birth: blank throughout, and the last one.
    fn is_absent(&self, file: &S::File, path: &Path, first: u64) -> Result<bool, JournalError> {
        let rest = segment::survey(file, 0, self.reached()).map_err(FileError::at(path, "read the segment"))?;
        Ok(rest.used_to == 0 && self.later_segment(first)?.is_none())
    }

    /// What is wrong, or next, where no record could be read. Everything is read afresh: what the window holds may be
    /// older than what the writer has done since.
    fn at_end(&mut self) -> Result<Next, JournalError> {
        let Some(open) = &mut self.open else { return Ok(Next::Nothing) };
        let failed = |error| FileError::at(&open.path, "read the segment")(error);
        for _ in 0..READS_MAX {
            self.window.load(&open.file, open.at).map_err(failed)?;
            if let Some(record) = parse_record(within_seal(self.window.from(open.at), open)) {
                return Ok(Next::Record(record));
            }
            if self.window.is_blank(open.at) {
                break;
            }
        }
        if open.seal.is_none() {
            let page = segment::read_page(&open.file).map_err(failed)?;
            match page {
                Page::Good(_, None) => return self.at_unsealed_end(),
                Page::Good(header, seal) => {
                    open.seal = seal;
                    self.newest = Some((header, true));
                    return self.at_end(); // what was appended between the read and the seal
                }
                Page::Blank => return Err(self.header_damage(DamageKind::HeaderChecksum).into()),
                Page::Bad(kind) => return Err(self.header_damage(kind).into()),
            }
        }
        self.at_sealed_end()
    }

    fn header_damage(&self, kind: DamageKind) -> Damage {
        Damage { offset: 0, ..self.damage_here(kind) }
    }

    fn at_sealed_end(&self) -> Result<Next, JournalError> {
        let Some(OpenSegment { seal: Some(seal), header, at, .. }) = &self.open else { return Ok(Next::Nothing) };
        if *at < seal.end {
            return Err(self.damage_here(DamageKind::Record).into());
        }
        let records = self.last + 1 - header.first_sequence;
        if *at != seal.end || self.last != seal.last_sequence || records != seal.records {
            return Err(self.damage_here(not_as_sealed(seal)).into());
        }
        Ok(Next::Segment)
    }

    fn at_unsealed_end(&mut self) -> Result<Next, JournalError> {
        let Some(open) = &self.open else { return Ok(Next::Nothing) };
        let first = open.header.first_sequence;
        let has_successor = first <= self.last && self.storage.exists(&segment::path(&self.dir, self.last + 1));
        let seen = self.window.head(open.at);
        let not_written_yet = self.is_behind_writer && self.window.is_blank(open.at);
        if !has_successor && (not_written_yet || open.settled.is_some_and(|settled| settled == seen)) {
            return Ok(Next::Nothing);
        }
        let failed = |error| FileError::at(&open.path, "read the segment")(error);
        let rest = segment::survey(&open.file, open.at, self.reached()).map_err(failed)?;
        let later = self.later_segment(first)?;
        // Read the place again: what the survey or the listing found may have been written after it.
        self.window.load(&open.file, open.at).map_err(failed)?;
        if let Some(record) = parse_record(self.window.from(open.at)) {
            return Ok(Next::Record(record));
        }
        self.judge(rest, later)
    }

    fn judge(&mut self, rest: Survey, later: Option<u64>) -> Result<Next, JournalError> {
        let damaged = self.damage_here(DamageKind::Record);
        let Some(open) = &mut self.open else { return Ok(Next::Nothing) };
        let used = rest.used_to > open.at;
        if rest.later_record || (used && later.is_some()) {
            return Err(damaged.into());
        }
        if later == Some(self.last + 1) {
            return Ok(Next::Segment);
        }
        if let Some(next) = later {
            return Err(Damage { kind: DamageKind::MissingSegment { next }, ..damaged }.into());
        }
        self.torn_bytes = rest.used_to - open.at;
        open.settled = Some(self.window.head(open.at));
        Ok(Next::Nothing)
    }
}

/// The bytes that records may be in: up to the end that the seal names.
fn within_seal<'a, F>(bytes: &'a [u8], open: &OpenSegment<F>) -> &'a [u8] {
    let Some(seal) = &open.seal else { return bytes };
    &bytes[..bytes.len().min(index(seal.end.saturating_sub(open.at)))]
}

fn not_as_sealed(seal: &Seal) -> DamageKind {
    DamageKind::NotAsSealed { end: seal.end, last_sequence: seal.last_sequence, records: seal.records }
}

/// A sealed file ends where its seal says; an open one is not longer than its header says.
fn check_length<F: StorageFile>(open: &OpenSegment<F>, first: u64) -> Result<(), JournalError> {
    let len = open.file.len().map_err(FileError::at(&open.path, "read the length"))?;
    let damaged = |offset, kind| Damage { file: open.path.clone(), offset, sequence: Sequence(first), kind };
    match &open.seal {
        Some(seal) if len != seal.end || seal.records == 0 => {
            Err(damaged(len.min(seal.end), not_as_sealed(seal)).into())
        }
        None if len > open.header.segment_bytes => {
            Err(damaged(open.header.segment_bytes, DamageKind::UnusedNotZero).into())
        }
        Some(_) | None => Ok(()),
    }
}

impl Window {
    fn new() -> Self {
        Self { bytes: vec![0; READ_BYTES_MIN], start: 0, filled: 0, read_bytes: READ_BYTES_MIN }
    }

    fn clear(&mut self) {
        self.filled = 0;
        self.read_bytes = READ_BYTES_MIN;
    }

    /// The bytes held from this offset of the file on; empty when it holds none.
    fn from(&self, at: u64) -> &[u8] {
        let skipped = at.checked_sub(self.start).map_or(self.filled, |skipped| index(skipped).min(self.filled));
        &self.bytes[skipped..self.filled]
    }

    /// The next 24 bytes; zero where the file ends.
    fn head(&self, at: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut head = [0; RECORD_HEADER_BYTES];
        let held = self.from(at);
        let count = held.len().min(head.len());
        head[..count].copy_from_slice(&held[..count]);
        head
    }

    fn is_blank(&self, at: u64) -> bool {
        self.head(at) == [0; RECORD_HEADER_BYTES]
    }

    /// Reads afresh from this offset on: four times as much as last time while the last read was used up, little
    /// otherwise.
    fn load(&mut self, file: &impl StorageFile, at: u64) -> io::Result<()> {
        let used_up = self.filled == self.read_bytes && at > self.start;
        self.read_bytes = if used_up { (self.read_bytes * 4).min(READ_BYTES_MAX) } else { READ_BYTES_MIN };
        if self.bytes.len() < self.read_bytes {
            self.bytes.resize(self.read_bytes, 0);
        }
        self.start = at;
        self.filled = segment::read_at(file, &mut self.bytes[..self.read_bytes], at)?;
        Ok(())
    }
}
