//! Memory for the tables of the core, on large pages where the system gives them. With ten thousand instruments or ten million
//! orders they take a quarter off the time of a command (`docs/decisions/0001-order-book.md`).

#![expect(unsafe_code, reason = "no safe container takes the alignment of its memory from outside")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A large page, as this processor family and Linux have it; elsewhere an alignment that does no harm.
const LARGE_PAGE: usize = 2 << 20;
/// Tables from this size on begin on a large page of their own and fill the last one; smaller ones share ordinary memory.
const LARGE_FROM: usize = LARGE_PAGE / 4;

/// Records whose number never changes, all written when they are reserved, so that no page is first touched later.
#[derive(Debug)]
pub(crate) struct Reserved<T: Copy> {
    start: NonNull<T>,
    len: usize,
    layout: Layout,
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
        // SAFETY: the layout is not empty: there is a record, and it has a size.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start.cast::<T>()) else { handle_alloc_error(layout) };
        advise(start.cast(), layout);
        for at in 0..len {
            // SAFETY: below `len` records from the start of memory laid out for as many.
            let place = unsafe { start.add(at) };
            // SAFETY: inside that memory, aligned by its layout.
            unsafe { place.write(record) };
        }
        Self { start, len, layout }
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

/// Asks for large pages. That is only advice: where there are none, or the system does not know them, nothing changes but the
/// speed.
fn advise(start: NonNull<u8>, layout: Layout) {
    #[cfg(target_os = "linux")]
    if layout.align() == LARGE_PAGE {
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
        // SAFETY: allocated with this layout; records that are `Copy` have nothing to drop.
        unsafe { dealloc(self.start.as_ptr().cast(), self.layout) };
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
            assert_eq!(items.layout.align() == LARGE_PAGE, is_large);
            if is_large {
                assert_eq!((items.as_ptr().addr() % LARGE_PAGE, items.layout.size() % LARGE_PAGE), (0, 0));
            }
        }
    }
}
