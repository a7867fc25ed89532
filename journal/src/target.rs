//! Where the records of the segment in use go first: into its mapping, so that they survive the process at once; or, where every answer
//! waits for a flush, into a buffer that one call writes before each flush.
//!
//! The buffer is there for the other threads: flushing a mapped file takes write access away from its pages, which interrupts every
//! thread of the process. Nothing is told of a command before its flush, so nothing is lost with the buffer that anyone knows of.

use std::io;

use crate::format::index;
use crate::mmap::MapWindow;
use crate::storage::{Storage, StorageFile, StorageMap};

/// Bytes that may wait for a flush. Of a larger batch, the first part is written earlier.
const BUFFER_BYTES: usize = 256 * 1024;
/// Bytes that one call writes when a segment is filled with zeros.
const ZEROS_BYTES: u64 = 1 << 20;

const _: () =
    assert!(BUFFER_BYTES >= crate::format::RECORD_BYTES_MAX && BUFFER_BYTES >= crate::format::HEADER_PAGE_BYTES);

/// Where records go.
#[derive(Debug)]
pub(crate) enum Target<S: Storage> {
    /// Into the mapped file.
    Mapped(S::Map),
    /// Into the buffer.
    Buffered(WriteBuffer),
}

impl<S: Storage> Target<S> {
    /// Allocates all `bytes` of an empty file and gives it the target it is to be written through. With `flushes`, its extents are
    /// on disk afterwards, so that a later flush writes records only.
    pub(crate) fn prepare(storage: &S, file: &S::File, bytes: u64, flushes: bool) -> io::Result<Self> {
        file.allocate(bytes)?;
        if !flushes {
            return Ok(Self::Mapped(storage.map(file, bytes)?));
        }
        let zeros = vec![0; index(bytes.min(ZEROS_BYTES))];
        for at in (0..bytes).step_by(index(ZEROS_BYTES)) {
            file.write_all_at(&zeros[..index((bytes - at).min(ZEROS_BYTES))], at)?;
        }
        file.sync()?;
        Ok(Self::Buffered(WriteBuffer { bytes: vec![0; index(bytes).min(BUFFER_BYTES)].into(), start: 0, filled: 0 }))
    }

    /// Has `bytes` bytes from offset `at` on filled, which is where the last ones ended, or the start of the file.
    ///
    /// # Errors
    /// A buffer was full and could not be written. Some of it may have been.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        file: &S::File,
        at: usize,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> io::Result<()> {
        match self {
            Self::Mapped(map) => {
                map.fill(at, bytes, fill);
                Ok(())
            }
            Self::Buffered(buffer) => buffer.fill(file, at, bytes, fill),
        }
    }

    /// Hands to the file what only the buffer has.
    ///
    /// # Errors
    /// The operating system's. Some of it may have been written; it must not be tried again.
    pub(crate) fn write_out(&mut self, file: &S::File) -> io::Result<()> {
        match self {
            Self::Mapped(_) => Ok(()),
            Self::Buffered(buffer) => buffer.write_out(file),
        }
    }

    /// What keeps the pages of a mapping in order.
    pub(crate) fn window(&self) -> MapWindow {
        match self {
            Self::Mapped(map) => map.window(),
            Self::Buffered(_) => MapWindow::default(),
        }
    }
}

/// Bytes on their way into a file, one behind the other.
#[derive(Debug)]
pub(crate) struct WriteBuffer {
    bytes: Box<[u8]>,
    /// Offset in the file of the first of them.
    start: usize,
    filled: usize,
}

impl WriteBuffer {
    #[inline]
    fn fill(
        &mut self,
        file: &impl StorageFile,
        at: usize,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> io::Result<()> {
        if self.bytes.len() - self.filled < bytes {
            self.write_out(file)?;
        }
        if self.filled == 0 {
            self.start = at;
        }
        assert!(self.start + self.filled == at);
        fill(&mut self.bytes[self.filled..self.filled + bytes]);
        self.filled += bytes;
        Ok(())
    }

    fn write_out(&mut self, file: &impl StorageFile) -> io::Result<()> {
        if self.filled > 0 {
            file.write_all_at(&self.bytes[..self.filled], self.start as u64)?;
            self.filled = 0;
        }
        Ok(())
    }
}
