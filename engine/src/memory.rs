//! Memory for the tables of the core, on large pages where the system gives them: explicit ones, where an operator has set
//! some aside (`/proc/sys/vm/nr_hugepages`), else transparent ones. With ten thousand instruments or ten million orders they take
//! a quarter off the time of a command (`docs/decisions/0001-order-book.md`).

#![expect(unsafe_code, reason = "no safe container takes the alignment of its memory from outside")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A large page, as this processor family and Linux have it; elsewhere an alignment that does no harm.
const LARGE_PAGE: usize = 2 << 20;
/// Tables from this size on begin on a large page of their own and fill the last one; smaller ones share ordinary memory.
const LARGE_FROM: usize = LARGE_PAGE / 4;

/// False: no large pages at all. Said before the first table is made.
static LARGE_PAGES: AtomicBool = AtomicBool::new(true);
/// Bytes of tables by what they are on. Relaxed: figures for people.
static EXPLICIT: AtomicU64 = AtomicU64::new(0);
static ADVISED: AtomicU64 = AtomicU64::new(0);
static ORDINARY: AtomicU64 = AtomicU64::new(0);

/// Whether tables that are made from now on ask for large pages. They do unless they are told not to.
pub fn use_large_pages(is_wanted: bool) {
    LARGE_PAGES.store(is_wanted, Ordering::Relaxed);
}

/// Bytes of the tables of all cores of this process, by the pages that they are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableBytes {
    /// Explicit huge pages, set aside by an operator.
    pub explicit: u64,
    /// Ordinary memory for which transparent huge pages were asked for.
    pub advised: u64,
    /// Ordinary memory: small tables, and all of them where large pages are not wanted.
    pub ordinary: u64,
}

impl TableBytes {
    /// As it is now.
    pub fn now() -> Self {
        let load = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
        Self { explicit: load(&EXPLICIT), advised: load(&ADVISED), ordinary: load(&ORDINARY) }
    }

    /// Of the tables that are worth large pages.
    pub const fn large(self) -> u64 {
        self.explicit + self.advised
    }
}

/// What the memory of a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Explicit huge pages, mapped for it alone.
    Explicit,
    /// The allocator's, with advice.
    Advised,
    /// The allocator's.
    Ordinary,
}

impl Origin {
    const fn bytes(self) -> &'static AtomicU64 {
        match self {
            Self::Explicit => &EXPLICIT,
            Self::Advised => &ADVISED,
            Self::Ordinary => &ORDINARY,
        }
    }
}

/// Records whose number never changes, all written when they are reserved, so that no page is first touched later.
#[derive(Debug)]
pub(crate) struct Reserved<T: Copy> {
    start: NonNull<T>,
    len: usize,
    layout: Layout,
    origin: Origin,
}

// SAFETY: it owns its records as a boxed slice does.
unsafe impl<T: Copy + Send> Send for Reserved<T> {}
// SAFETY: as above.
unsafe impl<T: Copy + Sync> Sync for Reserved<T> {}

impl<T: Copy> Reserved<T> {
    /// Reserves `len` records, at least one. Ends the process, as every collection does, where memory is not enough.
    pub(crate) fn new(len: usize, record: T) -> Self {
        const { assert!(size_of::<T>() > 0 && align_of::<T>() <= LARGE_PAGE) }
        assert!(len > 0, "a table has a record");
        let layout = layout_of::<T>(len);
        let (start, origin) = memory_for(layout);
        let start = start.cast::<T>();
        origin.bytes().fetch_add(layout.size() as u64, Ordering::Relaxed);
        for at in 0..len {
            // SAFETY: below `len` records from the start of memory laid out for as many.
            let place = unsafe { start.add(at) };
            // SAFETY: inside that memory, aligned by its layout.
            unsafe { place.write(record) };
        }
        Self { start, len, layout, origin }
    }
}

/// Memory for `len` records: whole large pages, unless it is little.
fn layout_of<T>(len: usize) -> Layout {
    let exact = Layout::array::<T>(len);
    let large = exact.clone().ok().filter(|layout| layout.size() >= LARGE_FROM).and_then(|layout| {
        Layout::from_size_align(layout.size().checked_next_multiple_of(LARGE_PAGE)?, LARGE_PAGE).ok()
    });
    match (large, exact) {
        (Some(layout), _) | (None, Ok(layout)) => layout,
        (None, Err(_)) => unreachable!("bounds of a venue are 32 bits wide, and so are its tables"),
    }
}

/// Explicit huge pages where there are enough, else the allocator's memory, for large tables with advice.
fn memory_for(layout: Layout) -> (NonNull<u8>, Origin) {
    let is_large = layout.align() == LARGE_PAGE && LARGE_PAGES.load(Ordering::Relaxed);
    if is_large && let Some(start) = explicit(layout.size()) {
        return (start, Origin::Explicit);
    }
    // SAFETY: the layout is not empty: there is a record, and it has a size.
    let start = unsafe { alloc(layout) };
    let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
    if is_large {
        advise(start, layout);
        return (start, Origin::Advised);
    }
    (start, Origin::Ordinary)
}

/// Whole huge pages of their own, all of them present: what is short is found out here, and not at the first touch.
#[cfg(target_os = "linux")]
fn explicit(bytes: usize) -> Option<NonNull<u8>> {
    /// Linux 5.14; an older kernel refuses, and then there are no explicit pages.
    const MADV_POPULATE_WRITE: libc::c_int = 23;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | libc::MAP_HUGE_2MB;
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping that the kernel places; nothing of ours is touched.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, rights, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: exactly the mapping made above; it has no content yet.
    if unsafe { libc::madvise(start, bytes, MADV_POPULATE_WRITE) } != 0 {
        unmap(NonNull::new(start.cast())?, bytes);
        return None;
    }
    NonNull::new(start.cast())
}

/// Not known elsewhere.
#[cfg(not(target_os = "linux"))]
fn explicit(_: usize) -> Option<NonNull<u8>> {
    None
}

fn unmap(start: NonNull<u8>, bytes: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: exactly what `explicit` has mapped, and nobody uses it any more.
    let _: libc::c_int = unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}

/// Asks for large pages. That is only advice: where there are none, or the system does not know them, nothing changes but the
/// speed.
fn advise(start: NonNull<u8>, layout: Layout) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: whole pages of memory that is ours; the advice does not change what they hold.
        let _: libc::c_int = unsafe { libc::madvise(start.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, layout);
}

/// Asks for large pages where the reserved memory of a vector holds whole ones, before anything is in it: for tables that are
/// filled as they are needed. Only advice, as above.
pub(crate) fn advise_large<T>(records: &Vec<T>) {
    let (start, bytes) = (records.as_ptr().addr(), records.capacity().saturating_mul(size_of::<T>()));
    let skipped = start.next_multiple_of(LARGE_PAGE) - start;
    let whole = bytes.saturating_sub(skipped) / LARGE_PAGE * LARGE_PAGE;
    let first = NonNull::new(records.as_ptr().wrapping_byte_add(skipped).cast_mut().cast::<u8>());
    if let (Some(first), Ok(layout)) = (first, Layout::from_size_align(whole, LARGE_PAGE))
        && whole != 0
    {
        advise(first, layout);
    }
}

impl<T: Copy> Deref for Reserved<T> {
    type Target = [T];

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "no instruction")]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` records were written there, and nobody else has the memory.
        unsafe { NonNull::slice_from_raw_parts(self.start, self.len).as_ref() }
    }
}

impl<T: Copy> DerefMut for Reserved<T> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "no instruction")]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; the borrow of the table is exclusive.
        unsafe { NonNull::slice_from_raw_parts(self.start, self.len).as_mut() }
    }
}

impl<T: Copy> Drop for Reserved<T> {
    fn drop(&mut self) {
        self.origin.bytes().fetch_sub(self.layout.size() as u64, Ordering::Relaxed);
        match self.origin {
            Origin::Explicit => unmap(self.start.cast(), self.layout.size()),
            // SAFETY: allocated with this layout; records that are `Copy` have nothing to drop.
            Origin::Advised | Origin::Ordinary => unsafe { dealloc(self.start.as_ptr().cast(), self.layout) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_written_and_can_be_changed() {
        for len in [1, 511, (1 << 16) - 1, 1 << 16, (1 << 18) + 3] {
            let mut items = Reserved::new(len, 7_u64);
            assert!(items.len() == len && items.iter().all(|item| *item == 7));
            items[len - 1] = 9;
            assert_eq!(items.iter().sum::<u64>(), 7 * len as u64 + 2);
        }
    }

    #[test]
    fn large_tables_begin_on_a_large_page_and_fill_the_last() {
        for (len, is_large) in [(1, false), ((1 << 16) - 1, false), (1 << 16, true), ((1 << 18) + 1, true)] {
            let items = Reserved::new(len, 7_u64);
            assert_eq!(items.origin == Origin::Ordinary, !is_large);
            assert!(items.origin.bytes().load(Ordering::Relaxed) >= items.layout.size() as u64, "it is counted");
            assert_eq!(items.layout.align() == LARGE_PAGE, is_large);
            if is_large {
                assert_eq!((items.as_ptr().addr() % LARGE_PAGE, items.layout.size() % LARGE_PAGE), (0, 0));
            }
        }
    }

    #[test]
    fn explicit_huge_pages_are_mapped_where_there_are_some() {
        let free = std::fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
        let free: u64 = free.ok().and_then(|free| free.trim().parse().ok()).unwrap_or(0);
        // More than there can be is refused, whatever is set aside.
        assert!(explicit(1 << 46).is_none());
        let Some(start) = explicit(2 * LARGE_PAGE) else {
            assert!(free < 2, "{free} huge pages are free");
            eprintln!("skipped: no huge pages are set aside here (/proc/sys/vm/nr_hugepages)");
            return;
        };
        assert_eq!(start.as_ptr().addr() % LARGE_PAGE, 0);
        unmap(start, 2 * LARGE_PAGE);
    }
}
