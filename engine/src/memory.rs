//! Large pages for the tables of the core. With ten million orders they take a quarter off the time of a command
//! (`docs/decisions/0001-order-book.md`); with tens of thousands they change nothing.

#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "advice about memory has no safe wrapper here"))]

/// Reserves room for `len` records that nobody has written yet, on large pages where the system gives them. That is only
/// advice: where there are none, or the system does not know them, nothing changes but the speed.
pub(crate) fn reserve_on_large_pages<T>(len: usize) -> Vec<T> {
    let mut items = Vec::with_capacity(len);
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4_096;
        let range = items.spare_capacity_mut().as_mut_ptr_range();
        let (start, end) = (range.start.addr().next_multiple_of(PAGE), range.end.addr() / PAGE * PAGE);
        if start < end {
            let first = range.start.with_addr(start).cast();
            // SAFETY: whole pages inside memory that is ours; the advice does not change what they hold.
            let _: libc::c_int = unsafe { libc::madvise(first, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_can_be_filled() {
        for len in [0, 1, 511, 1 << 20] {
            let mut items: Vec<u64> = reserve_on_large_pages(len);
            assert!(items.is_empty() && items.capacity() >= len);
            items.resize(len, 7);
            assert!(items.iter().all(|item| *item == 7));
        }
    }
}
