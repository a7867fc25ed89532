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

use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};

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

/// Bytes ahead of a writer whose pages are kept in the page tables.
const AHEAD_BYTES: u64 = 4 << 20;
/// Pages behind a writer leave the page tables in pieces of this size.
const PIECE_BYTES: u64 = 1 << 20;
/// Bytes just ahead of a writer that are made writable again at every look; a stream is one of many.
const SEGMENT_AT_HAND_BYTES: u64 = 1 << 20;
const STREAM_AT_HAND_BYTES: u64 = 64 << 10;

/// Keeps few pages of a mapped file in the page tables: some ahead of its writer, and the ones just written.
///
/// When the kernel writes a mapped page to the disk, it takes write access away from it, which interrupts every cpu that runs a
/// thread of this process, once for each page; and the next append to it faults. A page that is in no page table costs neither. What
/// was written stays in the page cache, and whoever reads it through the mapping gets it back from there.
#[derive(Debug)]
struct Window {
    at_hand_bytes: u64,
    /// Only hints, all Relaxed: a wrong one costs a fault. Written by whoever keeps the window.
    looked_at: AtomicU64,
    let_go_to: AtomicU64,
    present_to: AtomicU64,
}

impl Window {
    const fn new(at_hand_bytes: u64) -> Self {
        Self {
            at_hand_bytes,
            looked_at: AtomicU64::new(0),
            let_go_to: AtomicU64::new(0),
            present_to: AtomicU64::new(0),
        }
    }

    /// Right after the pages up to `allocated` were made present: all but the next ones leave the page tables again.
    fn opened(&self, raw: &MmapRaw, written: u64, allocated: u64) {
        let present_to = (written + AHEAD_BYTES).next_multiple_of(PIECE_BYTES).min(allocated);
        let_go(raw, present_to.next_multiple_of(HEADER), allocated);
        self.present_to.store(present_to, Ordering::Relaxed);
    }

    /// Moves behind the writer. True when it has left a piece behind.
    fn follow(&self, raw: &MmapRaw, written: u64, allocated: u64) -> bool {
        let page = written - written % HEADER;
        if self.looked_at.swap(page, Ordering::Relaxed) == page {
            return false;
        }
        let piece = written - written % PIECE_BYTES;
        let let_go_to = self.let_go_to.swap(piece, Ordering::Relaxed);
        let_go(raw, let_go_to, piece);
        populate(raw, page, (page + self.at_hand_bytes).min(allocated));
        let ahead = (written + AHEAD_BYTES).next_multiple_of(PIECE_BYTES).min(allocated);
        let present_to = self.present_to.load(Ordering::Relaxed).max(page);
        if populate(raw, present_to, ahead) {
            self.present_to.store(ahead, Ordering::Relaxed);
        }
        piece > let_go_to
    }
}

/// Makes pages present and writable ahead of use. False where that is not possible, which is only slower: they come with the first write
/// to each (before Linux 5.14, or short of memory).
fn populate(raw: &MmapRaw, from: u64, to: u64) -> bool {
    if from >= to {
        return false;
    }
    let populated = raw.advise_range(Advice::PopulateWrite, index(from), index(to - from));
    if let Err(error) = &populated {
        tracing::debug!(%error, "pages are not made present ahead of use");
    }
    populated.is_ok()
}

/// Takes whole pages out of the page tables.
fn let_go(raw: &MmapRaw, from: u64, to: u64) {
    if from >= to {
        return;
    }
    // SAFETY: a shared mapping of a file: its pages stay in the page cache, with all that was written to them, and the next access
    // to one finds it there. No byte changes, so slices of it stay what they are.
    let done = unsafe { raw.unchecked_advise_range(UncheckedAdvice::DontNeed, index(from), index(to - from)) };
    if let Err(error) = done {
        tracing::debug!(%error, "pages stay in the page tables");
    }
}

/// A segment being written: the whole file, owned by its writer.
#[derive(Debug)]
pub struct SegmentMap {
    shared: Arc<Mapped>,
}

#[derive(Debug)]
struct Mapped {
    raw: MmapRaw,
    window: Window,
    /// Behind the last byte filled. Written by the `SegmentMap`, Relaxed: for the window only.
    written: AtomicU64,
}

impl SegmentMap {
    /// Maps `bytes` of a file that is allocated that far, and makes its first pages present.
    pub(crate) fn new(file: &File, bytes: u64) -> io::Result<Self> {
        if file.metadata()?.len() < bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let raw = MmapOptions::new().len(index(bytes)).map_raw(file)?;
        // All of them, so that what is let go comes back without the disk.
        if !populate(&raw, 0, bytes) {
            touch(&raw, index(bytes));
        }
        let window = Window::new(SEGMENT_AT_HAND_BYTES);
        window.opened(&raw, 0, bytes);
        Ok(Self { shared: Arc::new(Mapped { raw, window, written: AtomicU64::new(0) }) })
    }

    /// Has these bytes filled. Never used after the file is shortened: the owner drops the map first.
    #[inline]
    pub(crate) fn fill(&mut self, at: usize, bytes: usize, fill: impl FnOnce(&mut [u8])) {
        let raw = &self.shared.raw;
        assert!(at <= raw.len() && bytes <= raw.len() - at);
        // SAFETY: within the mapping, see above.
        let start = unsafe { raw.as_mut_ptr().add(at) };
        // SAFETY: the file was created by this process and is long enough; readers use read calls, no other mapping of it exists,
        // the lock of the data directory keeps other writers away, and `&mut self` other slices: a `MapWindow` touches no byte.
        fill(unsafe { slice::from_raw_parts_mut(start, bytes) });
        self.shared.written.store((at + bytes) as u64, Ordering::Relaxed);
    }

    /// What keeps its pages in order, from another thread.
    pub(crate) fn window(&self) -> MapWindow {
        MapWindow { shared: Some(Arc::clone(&self.shared)) }
    }
}

/// Keeps the pages of a mapped segment in order while it is written, off the thread that writes; of nothing, where nothing is mapped.
#[derive(Clone, Debug, Default)]
pub struct MapWindow {
    shared: Option<Arc<Mapped>>,
}

impl MapWindow {
    /// One look. True when the writer has moved on since the last one.
    pub(crate) fn follow(&self) -> bool {
        let Some(mapped) = &self.shared else { return false };
        mapped.window.follow(&mapped.raw, mapped.written.load(Ordering::Relaxed), mapped.raw.len() as u64)
    }
}

/// Reads one byte of each page: the pages are in memory, though the first write to each still faults.
fn touch(raw: &MmapRaw, bytes: usize) {
    for page in (0..bytes.min(raw.len())).step_by(HEADER_PAGE_BYTES) {
        // SAFETY: within the mapping.
        let first = unsafe { raw.as_ptr().add(page) };
        // SAFETY: the file covers the mapping, and nobody writes there yet.
        std::hint::black_box(unsafe { first.read() });
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
    window: Window,
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
            window: Window::new(STREAM_AT_HAND_BYTES),
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
        if populate(&self.shared.raw, page, to) {
            self.shared.window.opened(&self.shared.raw, self.committed(), to);
        }
        self.shared.allocated.store(to, Ordering::Release);
        Ok(())
    }

    /// Keeps the pages around the writer's place present, and lets go of the ones behind it.
    pub(crate) fn follow(&self) {
        self.shared.window.follow(&self.shared.raw, self.committed(), self.allocated());
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
