//! Appends commands to the journal. One writer per data directory, owned by the journal thread. Appending is a copy and a
//! checksum, into mapped memory or, where answers wait for flushes, into a buffer; the slow parts are with the preparer and in `flush`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::{Nanos, Sequence};

use crate::error::{AppendError, FileError, FlushError, OpenWriterError};
use crate::format::{
    HEADER_PAGE_BYTES, KIND_BATCH_END, KIND_COMMAND, KIND_FLUSHED, MARK_BYTES, RECORD_HEADER_BYTES, RecordHeader,
    SegmentHeader, encode_record, index, is_body_bytes, is_segment_bytes, next_batch,
};
use crate::preparer::{Handover, Prepared, Retired, SegmentPreparer, Written};
use crate::recovery::{Content, close_open_segments, seal_file, sync_dir};
use crate::segment;
use crate::storage::{Disk, Storage, StorageFile};
use crate::target::Target;

/// Full segments whose records may still be on their way to the disk; before one more, the oldest is flushed.
const UNSYNCED_MAX: usize = 8;

/// What a journal is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// Bytes of a segment: a multiple of 4096, from 8192 to 2^34.
    pub segment_bytes: u64,
    /// Random id of this venue, the same for the life of its journal; what is there already has it in
    /// [`crate::JournalReader::newest_header`].
    pub venue_id: [u8; 16],
    /// Hash of the configuration in force.
    pub configuration_hash: [u8; 32],
    /// Build of this program: text, zero-padded.
    pub build_id: [u8; 32],
    /// The venue's time at start. Later segments are stamped with the time of their first record.
    pub created: Nanos,
    /// True where `flush` is what an acknowledgement waits for: a full segment, and the header of the next one, are then
    /// flushed before a record goes into that, so that a power cut cannot keep the later without the earlier; records are
    /// gathered and written with one call before their flush, instead of through a mapping; and what was flushed is marked, so that a start after a power cut knows a batch that was not from damage.
    pub flush_on_roll: bool,
}

/// The writing end of the journal.
#[derive(Debug)]
pub struct JournalWriter<S: Storage = Disk> {
    storage: S,
    target: Target<S>,
    at: usize,
    segment_bytes: usize,
    last: Sequence,
    is_failed: bool,
    header: SegmentHeader,
    file: Arc<Written<S::File>>,
    flushed: Sequence,
    unsynced: Vec<Arc<Written<S::File>>>,
    is_dir_synced: bool,
    flush_on_roll: bool,
    /// The batch that the next record belongs to; 0 without marks.
    batch: u8,
    /// Bytes kept free for the mark that ends a batch.
    reserved: usize,
    /// The last command of the batch before.
    last_before: Sequence,
    dir: PathBuf,
    handover: Arc<Handover<S>>,
    inline_segments: u64,
    torn_bytes: u64,
}

impl JournalWriter<Disk> {
    /// Opens the journal in this folder behind `after`, the last sequence that recovery has read. A torn tail is cut,
    /// segments left open are sealed, and a new segment is begun. The caller holds the lock of the data directory.
    ///
    /// # Errors
    /// The journal ends elsewhere, is damaged at its end, or belongs to another venue; the disk is full or failing.
    pub fn open(dir: &Path, config: &JournalConfig, after: Sequence) -> Result<Self, OpenWriterError> {
        Self::open_on(Disk, dir, config, after)
    }
}

impl<S: Storage> JournalWriter<S> {
    /// As [`JournalWriter::open`], on any storage.
    ///
    /// # Errors
    /// As [`JournalWriter::open`].
    pub fn open_on(storage: S, dir: &Path, config: &JournalConfig, after: Sequence) -> Result<Self, OpenWriterError> {
        if !is_segment_bytes(config.segment_bytes) {
            return Err(OpenWriterError::SegmentBytes(config.segment_bytes));
        }
        let end = close_open_segments(&storage, dir)?;
        if end.last != after {
            return Err(OpenWriterError::NotAtEnd { end: end.last, recovered: after });
        }
        if end.header.is_some_and(|header| header.venue_id != config.venue_id) {
            return Err(OpenWriterError::OtherVenue(dir.to_owned()));
        }
        let header = SegmentHeader {
            venue_id: config.venue_id,
            epoch: end.header.map_or(0, |header| header.epoch) + 1,
            first_sequence: after.0 + 1,
            segment_bytes: config.segment_bytes,
            created_ns: config.created.0,
            configuration_hash: config.configuration_hash,
            build_id: config.build_id,
            first_batch: u8::from(config.flush_on_roll),
        };
        let handover = Handover::new(storage.clone(), dir, config.segment_bytes, config.flush_on_roll, end.chain);
        let handover = Arc::new(handover);
        let (target, file) = name(&storage, dir, handover.prepare()?, &header)?;
        handover.begin(&target);
        if config.flush_on_roll {
            sync(&file)?;
        }
        sync_dir(&storage, dir)?;
        Ok(Self {
            storage,
            target,
            at: HEADER_PAGE_BYTES,
            segment_bytes: index(config.segment_bytes),
            last: after,
            is_failed: false,
            header,
            file,
            flushed: after,
            unsynced: Vec::with_capacity(UNSYNCED_MAX),
            is_dir_synced: true,
            flush_on_roll: config.flush_on_roll,
            batch: header.first_batch,
            reserved: if config.flush_on_roll { MARK_BYTES } else { 0 },
            last_before: after,
            dir: dir.to_owned(),
            handover,
            inline_segments: 0,
            torn_bytes: end.torn_bytes,
        })
    }

    /// The helper that allocates ahead and seals behind; give it to a housekeeping thread.
    pub fn preparer(&self) -> SegmentPreparer<S> {
        SegmentPreparer::new(Arc::clone(&self.handover))
    }

    /// Appends one command. It survives a power cut after the next `flush`; and the end of this process from now on, unless
    /// [`JournalConfig::flush_on_roll`] is set: then after that flush, too. No system call, except once per segment or per full buffer.
    ///
    /// # Errors
    /// The sequence or the body is not possible; or the next segment cannot be begun, after which the writer takes no
    /// more. Nothing was written.
    #[inline]
    pub fn append(&mut self, sequence: Sequence, ingress: Nanos, body: &[u8]) -> Result<(), AppendError> {
        if sequence.0 != self.last.0 + 1 || !is_body_bytes(body.len()) || self.is_failed {
            return Err(self.refusal(sequence, body));
        }
        let bytes = RECORD_HEADER_BYTES + body.len();
        if self.segment_bytes - self.at < bytes + self.reserved {
            self.roll(sequence, ingress)?;
        }
        if let Err(error) = self.write(KIND_COMMAND, sequence, ingress, body) {
            return Err(self.failed(error).into());
        }
        self.last = sequence;
        Ok(())
    }

    /// Writes a record for which there is room.
    #[inline]
    fn write(&mut self, kind: u8, sequence: Sequence, ingress: Nanos, body: &[u8]) -> io::Result<()> {
        let (sequence, ingress_ns, batch, body_bytes) = (sequence.0, ingress.0, self.batch, body.len());
        let header = RecordHeader { sequence, ingress_ns, kind, batch, body_bytes };
        let bytes = header.record_bytes();
        self.target.fill(&self.file.file, self.at, bytes, |slot| encode_record(slot, &header, body))?;
        self.at += bytes;
        Ok(())
    }

    /// No more is taken: a second try could succeed without the data being there.
    #[cold]
    fn failed(&mut self, error: io::Error) -> FileError {
        self.is_failed = true;
        FileError::at(&self.file.path, "write the segment")(error)
    }

    /// Marks what is about to be flushed. There is room: [`JournalWriter::append`] keeps it.
    fn end_batch(&mut self) -> Result<(), FileError> {
        if self.batch != 0 && self.last != self.last_before {
            self.write(KIND_BATCH_END, self.last, Nanos(0), &[0; 8]).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// What was appended is on disk: what follows is another batch, and says so itself where there is room.
    fn begin_batch(&mut self) -> Result<(), FileError> {
        self.batch = next_batch(self.batch);
        self.last_before = self.last;
        if self.batch != 0 && self.segment_bytes - self.at >= 2 * MARK_BYTES {
            self.write(KIND_FLUSHED, self.last, Nanos(0), &[0; 8]).map_err(|error| self.failed(error))?;
            // At once, and not with the next batch: without it, damage in the batch before would pass as a torn tail.
            let written = self.write_out();
            self.is_failed = written.is_err();
            return written;
        }
        Ok(())
    }

    /// Waits until everything appended is on disk, and says up to which sequence that is. One `fdatasync` when a segment
    /// was not changed since the last flush, none when nothing was appended.
    ///
    /// # Errors
    /// The disk failed. The writer takes no more: a second try could succeed without the data being there.
    pub fn flush(&mut self) -> Result<Sequence, FlushError> {
        if self.is_failed {
            return Err(FlushError::Failed);
        }
        if self.flushed != self.last {
            self.is_failed = true; // until all of it has worked
            self.end_batch()?;
            self.flush_files()?;
            self.is_failed = false;
            self.flushed = self.last;
            self.begin_batch()?;
        }
        Ok(self.flushed)
    }

    /// A clean stop: flushes, cuts the segment to its content and seals it; a segment without records is removed.
    ///
    /// # Errors
    /// The disk failed, now or before. What was acknowledged is as safe as it was; the next start recovers.
    pub fn seal(mut self) -> Result<(), FlushError> {
        self.flush()?;
        let chain = self.handover.close()?;
        let path = &self.file.path;
        if self.at == HEADER_PAGE_BYTES {
            self.storage.remove(path).map_err(FileError::at(path, "remove the empty segment"))?;
        } else {
            seal_file(&self.file.file, path, &content_of(&self.header, self.at, self.last), &chain)?;
        }
        Ok(sync_dir(&self.storage, &self.dir)?)
    }

    /// Sequence of the last record appended.
    pub fn last_sequence(&self) -> Sequence {
        self.last
    }

    /// Bytes that still fit into the current segment.
    pub fn room_bytes(&self) -> usize {
        (self.segment_bytes - self.at).saturating_sub(self.reserved)
    }

    /// Segments that were allocated by `append` itself because none was ready.
    pub fn inline_segments(&self) -> u64 {
        self.inline_segments
    }

    /// Bytes of the torn tail that the opening cut off.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// The header of the current segment.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    #[cold]
    fn refusal(&self, found: Sequence, body: &[u8]) -> AppendError {
        let expected = self.last.next();
        if self.is_failed {
            AppendError::Failed
        } else if found != expected {
            AppendError::OutOfSequence { expected, found }
        } else {
            AppendError::BodyBytes(body.len())
        }
    }

    /// Goes on in the next segment, which is ready unless the helper is late.
    #[cold]
    fn roll(&mut self, first: Sequence, ingress: Nanos) -> Result<(), FileError> {
        self.is_failed = true; // until all of it has worked
        self.end_batch()?;
        self.settle_written()?;
        self.batch = next_batch(self.batch);
        self.last_before = self.last;
        let header =
            SegmentHeader { first_sequence: first.0, created_ns: ingress.0, first_batch: self.batch, ..self.header };
        let content = content_of(&self.header, self.at, self.last);
        let prepared = if let Some(prepared) = self.handover.take_ready() {
            prepared
        } else {
            self.inline_segments += 1;
            self.handover.prepare()?
        };
        let (target, file) = name(&self.storage, &self.dir, prepared, &header)?;
        self.handover.begin(&target);
        if self.flush_on_roll {
            sync(&file)?;
            sync_dir(&self.storage, &self.dir)?;
        }
        let full = std::mem::replace(&mut self.file, file);
        let full_target = std::mem::replace(&mut self.target, target);
        if !self.flush_on_roll {
            self.unsynced.push(Arc::clone(&full));
        }
        self.handover.retire(Retired { written: full, target: full_target, content })?;
        self.handover.wake();
        self.header = header;
        self.at = HEADER_PAGE_BYTES;
        self.is_dir_synced = self.flush_on_roll;
        self.is_failed = false;
        Ok(())
    }

    /// Before a segment is left: flushes it where that is asked for, and keeps the list of unflushed ones bounded.
    fn settle_written(&mut self) -> Result<(), FileError> {
        if self.flush_on_roll {
            self.write_out()?;
            return sync(&self.file);
        }
        self.unsynced.retain(|written| !written.is_synced.load(Ordering::Acquire));
        if self.unsynced.len() == UNSYNCED_MAX {
            sync(&self.unsynced.remove(0))?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), FileError> {
        self.target.write_out(&self.file.file).map_err(FileError::at(&self.file.path, "write the segment"))
    }

    fn flush_files(&mut self) -> Result<(), FileError> {
        for written in self.unsynced.drain(..) {
            if !written.is_synced.load(Ordering::Acquire) {
                sync(&written)?;
            }
        }
        self.write_out()?;
        sync(&self.file)?;
        if !self.is_dir_synced {
            sync_dir(&self.storage, &self.dir)?;
            self.is_dir_synced = true;
        }
        Ok(())
    }
}

fn sync<F: StorageFile>(written: &Written<F>) -> Result<(), FileError> {
    written.file.sync().map_err(FileError::at(&written.path, "flush the segment"))
}

fn content_of(header: &SegmentHeader, at: usize, last: Sequence) -> Content {
    Content { first: header.first_sequence, last: last.0, end: at as u64 }
}

/// A segment that is being written.
type Named<S> = (Target<S>, Arc<Written<<S as Storage>::File>>);

/// Gives a prepared segment its header, then its name: a named segment always has a header.
fn name<S: Storage>(
    storage: &S,
    dir: &Path,
    mut prepared: Prepared<S>,
    header: &SegmentHeader,
) -> Result<Named<S>, FileError> {
    let Prepared { file, target, .. } = &mut prepared;
    let filled = target.fill(file, 0, HEADER_PAGE_BYTES, |page| header.encode(page));
    let written = filled.and_then(|()| target.write_out(file));
    written.map_err(FileError::at(&prepared.path, "write the header"))?;
    let path = segment::path(dir, header.first_sequence);
    storage.rename(&prepared.path, &path).map_err(FileError::at(&path, "name the segment"))?;
    let written = Written { file: prepared.file, path, is_synced: AtomicBool::new(false) };
    Ok((prepared.target, Arc::new(written)))
}
