//! A fixed table for what the hot path indexes by links of our own: as many places as a power of two, and an index that is
//! masked instead of compared. A wrong link reads a wrong record, which `verify` finds; it never leaves the table.

#![expect(
    unsafe_code,
    reason = "an index below the length by construction; a compare and a branch for each of twenty loads per command is a fifth of the time"
)]

use crate::memory::Reserved;

/// A table whose length is a power of two and never changes.
#[derive(Debug)]
pub(crate) struct Table<T: Copy> {
    items: Reserved<T>,
    /// Length less one.
    mask: usize,
}

impl<T: Copy> Table<T> {
    /// Reserves `len` records, rounded up to a power of two, and writes each, so that no page is first touched later.
    pub(crate) fn new(len: usize, record: T) -> Self {
        let len = len.next_power_of_two();
        Self { items: Reserved::new(len, record), mask: len - 1 }
    }

    /// All records.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    /// Length less one.
    pub(crate) fn mask(&self) -> usize {
        self.mask
    }

    /// The record at `index`, which is below the length.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "two instructions")]
    pub(crate) fn at(&self, index: usize) -> &T {
        debug_assert!(index <= self.mask);
        // SAFETY: the mask is the length less one, so the masked index is below the length.
        unsafe { self.items.get_unchecked(index & self.mask) }
    }

    /// The record at `index`, which is below the length.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "two instructions")]
    pub(crate) fn at_mut(&mut self, index: usize) -> &mut T {
        debug_assert!(index <= self.mask);
        // SAFETY: the mask is the length less one, so the masked index is below the length.
        unsafe { self.items.get_unchecked_mut(index & self.mask) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_powers_of_two() {
        for (asked, len) in [(0, 1), (1, 1), (2, 2), (3, 4), (1_000, 1_024)] {
            let mut table = Table::new(asked, 7_u32);
            assert_eq!(table.mask(), len - 1);
            *table.at_mut(len - 1) = 9;
            assert_eq!(*table.at(len - 1), 9);
            assert_eq!(table.iter().filter(|record| **record == 7).count(), len - 1);
        }
    }
}
