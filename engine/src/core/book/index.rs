//! The table that leads from (owner, user reference number) to an order's slot.
//!
//! Open addressing over 8-byte entries, at most half full, with backward-shift deletion, which is needed only
//! behind entries that were passed over: nothing is left behind that would slow later look-ups. Eight consecutive numbers of an owner share a cache line, at the place their low bits name,
//! because clients count: the latest orders of an account lie side by side.

/// One entry: tag in the high half; in the low half slot + 1, and in its top bit whether an entry that belongs here or
/// before was put behind. 0 is free.
type Entry = u64;

/// Look-ups go on behind this entry.
const PASSED: u64 = 1 << 31;

/// Consecutive numbers that share a line.
const BLOCK_BITS: u32 = 3;
/// From one place of a search to the next: in the next line, so that what is displaced does not displace its neighbours'
/// siblings in turn; odd, so that a search comes to every place.
const STEP: usize = 9;
/// Its inverse modulo 2^64, and so modulo every power of two below.
const STEP_INVERSE: usize = 0x8e38_e38e_38e3_8e39;
const _: () = assert!(STEP.wrapping_mul(STEP_INVERSE) == 1);
/// Odd multiplier of the hash: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The table. It knows tags only; the caller compares the order's own record before it believes a hit.
#[derive(Debug)]
pub(crate) struct OrderIndex {
    entries: Vec<Entry>,
    /// Right shift that leaves the block number of a tag.
    block_shift: u32,
}

impl OrderIndex {
    /// Reserves a table for `orders_max` orders.
    pub(crate) fn new(orders_max: u32) -> Self {
        let bits = (2 * u64::from(orders_max)).next_power_of_two().trailing_zeros().max(BLOCK_BITS + 1);
        let mut entries = vec![1; 1 << bits];
        entries.fill(0);
        Self { entries, block_shift: 32 - (bits - BLOCK_BITS) }
    }

    /// 29 bits of hash of the block, and the place in the block. Equal keys have equal tags.
    pub(crate) fn tag(owner: u32, user_ref_num: u32) -> u32 {
        let block = u64::from(owner) << 29 | u64::from(user_ref_num >> BLOCK_BITS);
        let hash = block.wrapping_mul(MULTIPLIER).to_le_bytes();
        let high = u32::from_le_bytes([hash[4], hash[5], hash[6], hash[7]]);
        high & !7 | user_ref_num & 7
    }

    /// Where an entry with this tag belongs.
    fn home(&self, tag: u32) -> usize {
        ((tag >> self.block_shift) << BLOCK_BITS | tag & 7) as usize
    }

    fn mask(&self) -> usize {
        self.entries.len() - 1
    }

    /// Where the key's entry is if nothing displaced it, for a prefetch.
    pub(crate) fn home_entry(&self, owner: u32, user_ref_num: u32) -> &u64 {
        &self.entries[self.home(Self::tag(owner, user_ref_num))]
    }

    /// The slot of the entry there, if it has the key's tag; for a prefetch.
    pub(crate) fn guess(&self, owner: u32, user_ref_num: u32) -> Option<u32> {
        let tag = Self::tag(owner, user_ref_num);
        let entry = self.entries[self.home(tag)];
        (entry != 0 && high(entry) == tag).then(|| slot_of(entry))
    }

    /// The slot whose entry has the key's tag and that `is_it` confirms, and the place of that entry.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn find(&self, owner: u32, user_ref_num: u32, is_it: impl Fn(u32) -> bool) -> Option<(u32, usize)> {
        let tag = Self::tag(owner, user_ref_num);
        let mask = self.mask();
        let mut place = self.home(tag);
        loop {
            let entry = self.entries[place & mask];
            if high(entry) == tag && entry != 0 && is_it(slot_of(entry)) {
                return Some((slot_of(entry), place & mask));
            }
            if entry & PASSED == 0 {
                return None;
            }
            place = place.wrapping_add(STEP);
        }
    }

    /// Adds a key that is not there. The caller keeps the number of orders within what the table was made for.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn insert(&mut self, owner: u32, user_ref_num: u32, slot: u32) {
        let tag = Self::tag(owner, user_ref_num);
        let mask = self.mask();
        let mut place = self.home(tag);
        while self.entries[place & mask] != 0 {
            self.entries[place & mask] |= PASSED;
            place = place.wrapping_add(STEP);
        }
        self.entries[place & mask] = u64::from(tag) << 32 | u64::from(slot + 1);
    }

    /// Takes out the entry of this key and slot.
    #[inline]
    pub(crate) fn remove(&mut self, owner: u32, user_ref_num: u32, slot: u32) {
        let found = self.find(owner, user_ref_num, |found| found == slot);
        assert!(found.is_some(), "an order that rests is in the index");
        self.remove_at(found.map_or(0, |(_, place)| place));
    }

    /// Takes out the entry at a place that [`OrderIndex::find`] gave.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn remove_at(&mut self, place: usize) {
        if self.entries[place] & PASSED == 0 {
            self.entries[place] = 0;
        } else {
            self.close_gap(place);
        }
    }

    /// Moves entries behind a gap back, as far as their look-ups need it.
    #[cold]
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.mask();
        let mut next = gap.wrapping_add(STEP) & mask;
        loop {
            let entry = self.entries[next];
            if entry == 0 {
                break;
            }
            // An entry may move back to the gap when its home is not between the gap and where it is. What was passed
            // over there stays passed over.
            let steps = |from: usize| next.wrapping_sub(from).wrapping_mul(STEP_INVERSE) & mask;
            if steps(self.home(high(entry))) >= steps(gap) {
                self.entries[gap] = entry & !PASSED | self.entries[gap] & PASSED;
                gap = next;
            }
            if entry & PASSED == 0 {
                break;
            }
            next = next.wrapping_add(STEP) & mask;
        }
        self.entries[gap] = 0;
    }

    /// Entries in use; for checks, it reads them all.
    pub(crate) fn count(&self) -> usize {
        self.entries.iter().filter(|&&entry| entry != 0).count()
    }
}

fn high(entry: Entry) -> u32 {
    let bytes = entry.to_le_bytes();
    u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])
}

fn slot_of(entry: Entry) -> u32 {
    let bytes = (entry & 0x7fff_ffff).to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A small table under many inserts and removals, against a map: clusters form, wrap round the end and are closed.
    #[test]
    fn agrees_with_a_map() {
        let mut seed = 0x5eed_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(seed >> 33).unwrap()
        };
        let mut index = OrderIndex::new(64);
        let mut map: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        let mut keys = vec![(0, 0); 64];
        let mut free: Vec<u32> = (0..64).collect();
        for step in 0..200_000 {
            let key = (random() % 3, random() % 150);
            if let Some(slot) = map.get(&key).copied() {
                assert_eq!(index.find(key.0, key.1, |slot| keys[slot as usize] == key).map(first), Some(slot));
                index.remove(key.0, key.1, slot);
                map.remove(&key);
                free.push(slot);
            } else {
                assert_eq!(index.find(key.0, key.1, |slot| keys[slot as usize] == key), None);
                if let Some(slot) = free.pop() {
                    keys[slot as usize] = key;
                    index.insert(key.0, key.1, slot);
                    map.insert(key, slot);
                }
            }
            if step % 1_000 == 0 {
                assert_eq!(index.count(), map.len());
                for (key, slot) in &map {
                    assert_eq!(index.find(key.0, key.1, |slot| keys[slot as usize] == *key).map(first), Some(*slot));
                }
            }
        }
    }

    fn first(found: (u32, usize)) -> u32 {
        found.0
    }

    #[test]
    fn consecutive_numbers_share_a_line() {
        let index = OrderIndex::new(1 << 10);
        let home = |number| index.home(OrderIndex::tag(7 << 8, number));
        for number in 80..88 {
            assert_eq!(home(number), home(80) + (number - 80) as usize);
        }
    }
}
