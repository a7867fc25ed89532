//! From a 64-bit key to a number, in memory reserved once: open addressing, at most half full. Key 0 is no key; none is
//! ever taken out.

use crate::core::book::table::Table;

/// The table.
#[derive(Debug)]
pub(super) struct Map {
    /// Key and number; key 0 is free.
    slots: Table<(u64, u32)>,
    count: usize,
}

impl Map {
    /// Room for `max` keys.
    pub(super) fn new(max: usize) -> Self {
        Self { slots: Table::new((2 * max).max(2), (0, 0)), count: 0 }
    }

    /// The number of a key.
    #[inline]
    pub(super) fn find(&self, key: u64) -> Option<u32> {
        let mut place = self.home(key);
        loop {
            let (found, number) = *self.slots.at(place);
            if found == key {
                return Some(number);
            }
            if found == 0 {
                return None;
            }
            place = (place + 1) & self.slots.mask();
        }
    }

    /// Where a key is looked for first.
    #[inline]
    pub(super) fn home_place(&self, key: u64) -> *const u8 {
        std::ptr::from_ref(self.slots.at(self.home(key))).cast()
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, key: u64, number: u32) {
        assert!(key != 0 && 2 * self.count <= self.slots.mask(), "the table has room by the bounds of the venue");
        let place = self.place(key);
        assert!(self.slots.at(place).0 == 0, "a key comes once");
        *self.slots.at_mut(place) = (key, number);
        self.count += 1;
    }

    fn home(&self, key: u64) -> usize {
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        u32::from_le_bytes([hash[4], hash[5], hash[6], hash[7]]) as usize & self.slots.mask()
    }

    /// Where a key is, or the free place where it would be.
    fn place(&self, key: u64) -> usize {
        let mask = self.slots.mask();
        let mut place = self.home(key);
        while ![0, key].contains(&self.slots.at(place).0) {
            place = (place + 1) & mask;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn does_what_an_ordered_map_does() {
        for max in [1, 3, 40] {
            let (mut map, mut model, mut seed) = (Map::new(max), BTreeMap::new(), 7_u64);
            for _ in 0..20_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (key, number) = (seed >> 60 | 1 | (seed >> 33 & 3) << 40, u32::try_from(seed >> 40).unwrap());
                match model.get(&key) {
                    Some(found) => assert_eq!(map.find(key), Some(*found)),
                    None if model.len() < max => {
                        assert_eq!(map.find(key), None);
                        map.insert(key, number);
                        model.insert(key, number);
                    }
                    None => assert_eq!(map.find(key), None),
                }
                assert_eq!(map.count, model.len());
            }
            for (key, number) in &model {
                assert_eq!(map.find(*key), Some(*number));
            }
        }
    }
}
