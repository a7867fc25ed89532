//! The table that leads from (owner, user reference number) to an order's slot.
//!
//! Open addressing over entries of four bytes, at most half full, with backward-shift deletion, which is needed only
//! behind entries that were passed over: nothing is left behind that would slow later look-ups. Sixteen consecutive numbers
//! of an owner share a cache line, at the place their low bits name, because clients count: the latest orders of an account
//! lie side by side. Whose an entry is stands in the order's own record, which a hit reads next in any case.

use super::slab::Slab;
use super::table::Table;

/// One entry: slot + 1, and in its top bit whether an entry that belongs here or before was put behind. 0 is free.
type Entry = u32;

/// Look-ups go on behind this entry.
const PASSED: Entry = 1 << 31;

/// Consecutive numbers that share a line.
const BLOCK_BITS: u32 = 4;
/// From one place of a search to the next: in the next line, so that what is displaced does not displace its neighbours'
/// siblings in turn; odd, so that a search comes to every place.
const STEP: usize = 17;
/// Its inverse modulo 2^64, and so modulo every power of two below.
const STEP_INVERSE: usize = 0xf0f0_f0f0_f0f0_f0f1;
const _: () = assert!(STEP.wrapping_mul(STEP_INVERSE) == 1);
/// Odd multiplier of the hash. A name is owner above number, so the upper half (2^32 divided by the golden ratio) spreads the
/// blocks of one owner, and the lower (2^28 times the root of 2) sets owners apart from each other.
const MULTIPLIER: u64 = 0x9e37_79bb_66a0_9e67;

/// The table.
#[derive(Debug)]
pub(crate) struct OrderIndex {
    entries: Table<Entry>,
    /// Right shift that leaves the block number of a hash.
    block_shift: u32,
}

impl OrderIndex {
    /// Reserves a table for `orders_max` orders.
    pub(crate) fn new(orders_max: u32) -> Self {
        let bits = (2 * u64::from(orders_max)).next_power_of_two().trailing_zeros().max(BLOCK_BITS + 1);
        Self { entries: Table::new(1 << bits, 0), block_shift: 64 - (bits - BLOCK_BITS) }
    }

    /// Where the entry of a name belongs.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    fn home(&self, name: u64) -> usize {
        let block = (name >> BLOCK_BITS).wrapping_mul(MULTIPLIER).wrapping_shr(self.block_shift);
        let place = block << BLOCK_BITS | name & ((1 << BLOCK_BITS) - 1);
        usize::try_from(place).unwrap_or(0)
    }

    /// Where the name's entry is if nothing displaced it, for a prefetch.
    pub(crate) fn home_entry(&self, name: u64) -> &Entry {
        self.entries.at(self.home(name))
    }

    /// The slot of the entry at the name's home, whoever it belongs to; for a prefetch.
    pub(crate) fn guess(&self, name: u64) -> Option<u32> {
        let entry = *self.home_entry(name);
        (entry != 0).then(|| slot_of(entry))
    }

    /// The slot of the order with this name, and the place of its entry.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn find(&self, slab: &Slab, name: u64) -> Option<(u32, usize)> {
        let mut place = self.home(name);
        loop {
            let entry = *self.entries.at(place);
            if entry != 0 && slab.node(slot_of(entry)).name == name {
                return Some((slot_of(entry), place));
            }
            if entry & PASSED == 0 {
                return None;
            }
            place = place.wrapping_add(STEP) & self.entries.mask();
        }
    }

    /// Adds a name that is not there. The caller keeps the number of orders within what the table was made for.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn insert(&mut self, name: u64, slot: u32) {
        let mut place = self.home(name);
        loop {
            let entry = self.entries.at_mut(place);
            if *entry == 0 {
                *entry = slot + 1;
                return;
            }
            *entry |= PASSED;
            place = place.wrapping_add(STEP) & self.entries.mask();
        }
    }

    /// Takes out the entry of this order, whose record is still there.
    #[inline]
    pub(crate) fn remove(&mut self, slab: &Slab, slot: u32) {
        let mut place = self.home(slab.node(slot).name);
        loop {
            let entry = *self.entries.at(place);
            if entry & !PASSED == slot + 1 {
                return self.remove_at(slab, place);
            }
            assert!(entry & PASSED != 0, "an order that rests is in the index");
            place = place.wrapping_add(STEP) & self.entries.mask();
        }
    }

    /// Takes out the entry at a place that [`OrderIndex::find`] gave.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn remove_at(&mut self, slab: &Slab, place: usize) {
        let entry = self.entries.at_mut(place);
        if *entry & PASSED == 0 {
            *entry = 0;
        } else {
            self.close_gap(slab, place);
        }
    }

    /// Moves entries behind a gap back, as far as their look-ups need it.
    #[cold]
    fn close_gap(&mut self, slab: &Slab, mut gap: usize) {
        let mask = self.entries.mask();
        let mut next = gap.wrapping_add(STEP) & mask;
        loop {
            let entry = *self.entries.at(next);
            if entry == 0 {
                break;
            }
            // An entry may move back to the gap when its home is not between the gap and where it is. What was passed
            // over there stays passed over.
            let steps = |from: usize| next.wrapping_sub(from).wrapping_mul(STEP_INVERSE) & mask;
            if steps(self.home(slab.node(slot_of(entry)).name)) >= steps(gap) {
                *self.entries.at_mut(gap) = entry & !PASSED | *self.entries.at(gap) & PASSED;
                gap = next;
            }
            if entry & PASSED == 0 {
                break;
            }
            next = next.wrapping_add(STEP) & mask;
        }
        *self.entries.at_mut(gap) = 0;
    }

    /// Entries in use; for checks, it reads them all.
    pub(crate) fn count(&self) -> usize {
        self.entries.iter().filter(|&&entry| entry != 0).count()
    }
}

fn slot_of(entry: Entry) -> u32 {
    (entry & !PASSED).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::super::slab::{Cold, Node, OrderFlags};
    use super::*;
    use protocol::types::{Channel, Display, OrderRef, Owner, Side, UserRefNum};
    use std::collections::BTreeMap;

    fn order(account: u32, number: u32) -> Node {
        let owner = Owner::new(protocol::types::AccountId(account), Channel(0));
        let flags = OrderFlags::new(Side::Buy, Display::Visible, false, false);
        Node::order(owner, UserRefNum(number), 1, OrderRef(1), flags)
    }

    /// A small table under many inserts and removals, against a map: clusters form, wrap round the end and are closed.
    #[test]
    fn agrees_with_a_map() {
        let mut seed = 0x5eed_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(seed >> 33).unwrap()
        };
        let mut index = OrderIndex::new(64);
        let mut slab = Slab::new(64, 0);
        let level = slab.take_level(2, 1, 0);
        let mut map: BTreeMap<u64, u32> = BTreeMap::new();
        for step in 0..200_000 {
            let node = order(random() % 3, random() % 150);
            if let Some(slot) = map.get(&node.name).copied() {
                assert_eq!(index.find(&slab, node.name).map(|(slot, _)| slot), Some(slot));
                index.remove(&slab, slot);
                map.remove(&node.name);
                slab.remove(slot);
            } else {
                assert_eq!(index.find(&slab, node.name), None);
                if !slab.is_full() {
                    let slot = slab.rest(level, &node, |record| *record = Cold::BLANK);
                    index.insert(node.name, slot);
                    map.insert(node.name, slot);
                }
            }
            if step % 1_000 == 0 {
                assert_eq!(index.count(), map.len());
                for (name, slot) in &map {
                    assert_eq!(index.find(&slab, *name).map(|(slot, _)| slot), Some(*slot));
                }
            }
        }
    }

    #[test]
    fn consecutive_numbers_share_a_line() {
        let index = OrderIndex::new(1 << 10);
        let home = |number| index.home(order(7, number).name);
        for number in 80..96 {
            assert_eq!(home(number), home(80) + (number - 80) as usize);
        }
    }

    /// Accounts count from 1, all of them: that must not send them to the same lines.
    #[test]
    fn accounts_that_count_alike_do_not_meet() {
        let index = OrderIndex::new(1 << 14);
        let mut lines: Vec<usize> = (0..64)
            .flat_map(|account| (0..16).map(move |block| (account, block * 16)))
            .map(|(account, number)| index.home(order(account, number).name))
            .collect();
        lines.sort_unstable();
        lines.dedup();
        assert!(lines.len() > 640, "{} different lines for 1,024 blocks on 2,048 lines", lines.len());
    }
}
