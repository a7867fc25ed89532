//! The only unsafe code of this crate: mapped files, and allocation ahead of use.
//!
//! Two rules keep every access inside allocated file space, so that a full disk is an error and never a signal: a
//! [`SegmentMap`] covers a file that was allocated in full before, and an [`AppendMap`] touches nothing at or above
//! `allocated`. Both rest on the lock of the data directory: no other process shortens these files.

#![expect(unsafe_code, reason = "memory mapped files")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memmap2::{Advice, MmapMut, MmapOptions, MmapRaw};

use crate::format::{HEADER_PAGE_BYTES, index};

const HEADER: u64 = HEADER_PAGE_BYTES as u64;

/// Makes sure that `from..to` of the file has disk space, and that the file is at least `to` long.
///
/// # Errors
/// The operating system's, `ENOSPC` when the disk is full.
pub(crate) fn allocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    let range = libc::off_t::try_from(from).and_then(|from| Ok((from, libc::off_t::try_from(to)? - from)));
    let (offset, len) = range.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    if len <= 0 {
        return Ok(());
    }
    loop {
        // SAFETY: the descriptor is open for as long as `file` is borrowed; the call touches no memory of ours.
        let code = unsafe { libc::posix_fallocate(file.as_raw_fd(), offset, len) };
        match code {
            0 => return Ok(()),
            libc::EINTR => {}
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// Bytes of the file system of `path` that files in it could still be given. One system call.
///
/// # Errors
/// The operating system's.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut found = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends with a zero and lives through the call; `found` has room for what the call writes.
    let code = unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed before, written by a call that succeeded; plain integers either way.
    let found = unsafe { found.assume_init() };
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// A segment being written: the whole file, owned by its writer.
#[derive(Debug)]
pub struct SegmentMap {
    map: MmapMut,
}

impl SegmentMap {
    /// Maps `bytes` of a file that is allocated that far, and makes its pages present.
    pub(crate) fn new(file: &File, bytes: u64) -> io::Result<Self> {
        if file.metadata()?.len() < bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let mut options = MmapOptions::new();
        options.len(index(bytes));
        // SAFETY: the file was created by this process and is long enough; readers use read calls, no other mapping
        // of it exists, and the lock of the data directory keeps other writers away.
        let map = unsafe { options.map_mut(file) }?;
        if map.advise(Advice::PopulateWrite).is_err() {
            touch(&map); // before Linux 5.14
        }
        Ok(Self { map })
    }

    /// All bytes, to be written. Never used after the file is shortened: the owner drops the map first.
    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map
    }
}

/// Reads one byte of each page: the pages are in memory, though the first write to each still faults.
fn touch(bytes: &[u8]) {
    for page in bytes.chunks(HEADER_PAGE_BYTES) {
        std::hint::black_box(page.first());
    }
}

/// A mapping larger than its file, in which one writer appends and any number of readers read what is behind it.
#[derive(Debug)]
struct Growing {
    raw: MmapRaw,
    /// Held while the file is made longer or shorter.
    file: Mutex<File>,
    /// Length of the file: nothing at or above it is touched. Written under `file`.
    allocated: AtomicU64,
    /// End of what readers may see. Written by the one `AppendMap` with Release after the bytes below it; readers load
    /// it with Acquire. It never falls, so bytes below it never change.
    committed: AtomicU64,
}

/// The writing end of a growing file. There is one per file and it is not `Clone`.
#[derive(Debug)]
pub(crate) struct AppendMap {
    shared: Arc<Growing>,
    committed: u64,
}

/// The reading end, and the one that makes room ahead.
#[derive(Clone, Debug)]
pub(crate) struct ReadMap {
    shared: Arc<Growing>,
}

impl AppendMap {
    /// Maps `capacity` bytes of address space over the file, which has a header page and whatever follows. Nothing is
    /// committed yet.
    pub(crate) fn new(file: File, capacity: u64) -> io::Result<Self> {
        let allocated = file.metadata()?.len().min(capacity);
        if allocated < HEADER {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let raw = MmapOptions::new().len(index(capacity)).no_reserve_swap().map_raw(&file)?;
        let shared = Growing {
            raw,
            file: Mutex::new(file),
            allocated: AtomicU64::new(allocated),
            committed: AtomicU64::new(HEADER),
        };
        Ok(Self { shared: Arc::new(shared), committed: HEADER })
    }

    /// A reading end.
    pub(crate) fn reader(&self) -> ReadMap {
        ReadMap { shared: Arc::clone(&self.shared) }
    }

    /// End of the committed bytes, as an offset in the file.
    #[inline]
    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// Copies `bytes` behind the committed ones and commits them. False when the file is not allocated that far:
    /// nothing happened.
    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) -> bool {
        let end = self.committed + bytes.len() as u64;
        if end > self.shared.allocated.load(Ordering::Acquire) {
            return false;
        }
        // SAFETY: `committed` is within the mapping, as it never passes `allocated`, which never passes the capacity.
        let target = unsafe { self.shared.raw.as_mut_ptr().add(index(self.committed)) };
        // SAFETY: `end` is below `allocated`, so the target is mapped file space. Only this writer (`&mut self`, one per
        // file) writes there, and no slice of it exists: readers stay below `committed`, `uncommitted` borrows self.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        self.commit(end);
        true
    }

    /// Commits the next `bytes` as they are in the file. False when the file does not reach that far.
    pub(crate) fn keep(&mut self, bytes: u64) -> bool {
        let end = self.committed.saturating_add(bytes);
        let within = end <= self.shared.allocated.load(Ordering::Acquire);
        if within {
            self.commit(end);
        }
        within
    }

    #[inline]
    fn commit(&mut self, end: u64) {
        self.committed = end;
        self.shared.committed.store(end, Ordering::Release);
    }

    /// What the file has behind the committed bytes.
    pub(crate) fn uncommitted(&self) -> &[u8] {
        let allocated = self.shared.allocated.load(Ordering::Acquire);
        let len = index(allocated.saturating_sub(self.committed));
        // SAFETY: `committed` is within the mapping (see `append`).
        let start = unsafe { self.shared.raw.as_mut_ptr().add(index(self.committed)) };
        // SAFETY: up to `allocated` it is mapped file space; only this writer changes it, which `&self` excludes.
        unsafe { slice::from_raw_parts(start, len) }
    }

    /// Shortens the file to the committed bytes: what was behind them reads as zero once allocated again.
    pub(crate) fn cut(&mut self) -> io::Result<()> {
        let file = lock(&self.shared.file);
        self.shared.allocated.store(self.committed, Ordering::Release);
        file.set_len(self.committed)
    }
}

impl ReadMap {
    /// End of the committed bytes, as an offset in the file.
    #[inline]
    pub(crate) fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::Acquire)
    }

    /// Length of the file.
    pub(crate) fn allocated(&self) -> u64 {
        self.shared.allocated.load(Ordering::Acquire)
    }

    /// The committed bytes from `from` to `to` (offsets in the file, header excluded); shorter or empty where the range
    /// reaches beyond them.
    #[inline]
    pub(crate) fn bytes(&self, from: u64, to: u64) -> &[u8] {
        let to = to.min(self.committed());
        let from = from.max(HEADER);
        if from >= to {
            return &[];
        }
        // SAFETY: `from` is below `committed`, hence within the mapping.
        let start = unsafe { self.shared.raw.as_mut_ptr().add(index(from)) };
        // SAFETY: below `committed`: mapped file space whose bytes were written before the Release store that the
        // Acquire load above saw, and never change again.
        unsafe { slice::from_raw_parts(start, index(to - from)) }
    }

    /// Makes the file at least `to` long, at most the capacity, with its space allocated and its pages present.
    /// Blocks while another thread does the same.
    pub(crate) fn grow(&self, to: u64) -> io::Result<()> {
        let file = lock(&self.shared.file);
        let from = self.shared.allocated.load(Ordering::Acquire);
        let to = to.min(self.shared.raw.len() as u64);
        if to <= from {
            return Ok(());
        }
        allocate(&file, from, to)?;
        let page = from - from % HEADER;
        let populated = self.shared.raw.advise_range(Advice::PopulateWrite, index(page), index(to - page));
        if let Err(error) = populated {
            // Only slower: the pages come with the first write to each (before Linux 5.14, or short of memory).
            tracing::debug!(%error, "pages are not made present ahead of use");
        }
        self.shared.allocated.store(to, Ordering::Release);
        Ok(())
    }

    /// Writes a word of the header page, at a multiple of 8. Readers' slices never cover the header page.
    pub(crate) fn store_header_word(&self, at: usize, value: u64) {
        assert!(at.is_multiple_of(8) && at + 8 <= HEADER_PAGE_BYTES);
        // SAFETY: within the header page, which every mapped file has.
        let word = unsafe { self.shared.raw.as_mut_ptr().add(at) };
        // SAFETY: aligned (pages are, and `at` is), alive while `shared` is, and only ever accessed through this function.
        let word = unsafe { AtomicU64::from_ptr(word.cast()) };
        word.store(value.to_le(), Ordering::Relaxed);
    }

    /// Waits until the file is on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let copy = lock(&self.shared.file).try_clone()?;
        copy.sync_data()
    }
}

/// A poisoned lock only means that another thread died between two file calls, which is no reason to stop here.
fn lock(file: &Mutex<File>) -> MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}
