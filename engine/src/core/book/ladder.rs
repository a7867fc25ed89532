//! The ladder: which price keys have a level, and which is the next one, for every side of every book.
//!
//! A 64-ary tree of bitmaps over pages of 32 ticks, with memory only where orders are. Its nodes live in one hash table,
//! found by (side, height, prefix of the key), so there is nothing to size per instrument. A page's node also names the
//! line of level slots of its 32 ticks. A side's tree is no higher than its pages need: one page is one node.
//!
//! A *key* is the tick of a price, mirrored on the ask side, so that on both sides a higher key is a better price
//! ([`key_of`]). Keys are 1 to 2^31 − 2; 0 is "no level".

/// Ticks of a page: 2^5.
const PAGE_BITS: u32 = 5;
const PAGE_TICKS: usize = 1 << PAGE_BITS;
/// Children of a node above: 2^6.
const FAN_BITS: u32 = 6;
/// Highest node: the prefix of every page has no more than 26 bits.
const HEIGHT_MAX: u32 = 5;
/// Mirror of ask ticks.
const ASK_MIRROR: u32 = 0x7fff_ffff;
/// Odd multiplier of the hash.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Name of one side of one book: twice the instrument's index, plus 1 for bids.
pub(crate) type SideId = u32;

/// The side of an instrument that buy (sell) orders rest on.
pub(crate) fn side_id(instrument: u16, is_buy: bool) -> SideId {
    u32::from(instrument) << 1 | u32::from(is_buy)
}

/// The instrument of a side.
pub(crate) fn instrument_of(side: SideId) -> u16 {
    let bytes = (side >> 1).to_le_bytes();
    u16::from_le_bytes([bytes[0], bytes[1]])
}

/// Key of a tick on a side.
pub(crate) fn key_of(side: SideId, tick: u32) -> u32 {
    tick ^ (ASK_MIRROR & (side & 1).wrapping_sub(1))
}

/// Tick of a key on a side.
pub(crate) fn tick_of(side: SideId, key: u32) -> u32 {
    key_of(side, key)
}

/// What a side knows of its tree.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Root {
    /// Pages with a level.
    pages: u32,
    /// Height of the top node: 0 is a page.
    height: u32,
    /// Prefix of the top node.
    prefix: u32,
}

/// A node: name, and for a page (height 0) 32 bits of ticks and the line of its level slots, above it 64 bits of
/// children.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Entry {
    name: u64,
    word: u64,
}

/// The trees of all sides.
#[derive(Debug)]
pub(crate) struct Ladder {
    entries: Vec<Entry>,
    shift: u32,
    /// Level slot of each tick of each page; 0 is none. The first one of a free page links to the next free page.
    lines: Vec<[u32; PAGE_TICKS]>,
    free_line: u32,
}

impl Ladder {
    /// Reserves for `levels_max` levels, wherever their prices are, on `instruments_max` instruments.
    pub(crate) fn new(levels_max: u32, instruments_max: u16) -> Self {
        let sides = 2 * u64::from(instruments_max);
        let nodes: u64 = (0..=HEIGHT_MAX)
            .map(|height| u64::from(levels_max).min(sides << (31 - PAGE_BITS).saturating_sub(FAN_BITS * height)))
            .sum();
        // At worst 80 % full, and only when every order has a page of its own, far from all others.
        let capacity = (nodes + nodes / 4 + 16).next_power_of_two();
        let free = Entry { name: 0, word: 0 };
        let mut lines = vec![[0; PAGE_TICKS]; levels_max as usize + 1];
        for line in 1..=levels_max {
            lines[line as usize][0] = if line == levels_max { 0 } else { line + 1 };
        }
        Self {
            entries: vec![free; usize::try_from(capacity).unwrap_or(usize::MAX)],
            shift: 64 - capacity.trailing_zeros(),
            lines,
            free_line: u32::from(levels_max != 0),
        }
    }

    /// Name of a node. A side is never 0, so neither is a name.
    fn name(side: SideId, height: u32, prefix: u32) -> u64 {
        u64::from(side) << 32 | u64::from(height) << 26 | u64::from(prefix)
    }

    /// Where a node belongs. Four neighbours share a line.
    fn home(&self, name: u64) -> usize {
        let hash = (name >> 2).wrapping_mul(MULTIPLIER) >> self.shift;
        usize::try_from(hash & !3 | name & 3).unwrap_or(0)
    }

    fn mask(&self) -> usize {
        self.entries.len() - 1
    }

    fn find(&self, name: u64) -> Option<usize> {
        let mask = self.mask();
        let mut place = self.home(name);
        loop {
            let found = self.entries[place & mask].name;
            if found == name {
                return Some(place & mask);
            }
            if found == 0 {
                return None;
            }
            place += 1;
        }
    }

    fn insert(&mut self, name: u64, word: u64) -> usize {
        let mask = self.mask();
        let mut place = self.home(name);
        while self.entries[place & mask].name != 0 {
            place += 1;
        }
        self.entries[place & mask] = Entry { name, word };
        place & mask
    }

    fn remove(&mut self, place: usize) {
        let mask = self.mask();
        let mut gap = place;
        let mut next = (gap + 1) & mask;
        loop {
            let entry = self.entries[next];
            if entry.name == 0 {
                break;
            }
            let displaced = next.wrapping_sub(self.home(entry.name)) & mask;
            if displaced >= (next.wrapping_sub(gap) & mask) {
                self.entries[gap] = entry;
                gap = next;
            }
            next = (next + 1) & mask;
        }
        self.entries[gap].name = 0;
    }

    /// The level slot at a key, if there is one.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn level(&self, side: SideId, key: u32) -> Option<u32> {
        let place = self.find(Self::name(side, 0, key >> PAGE_BITS))?;
        let line = line_of(self.entries[place].word);
        let level = self.lines[line as usize][tick_in_page(key)];
        (level != 0).then_some(level)
    }

    /// Enters a level at a key that has none.
    pub(crate) fn open(&mut self, root: &mut Root, side: SideId, key: u32, level: u32) {
        let prefix = key >> PAGE_BITS;
        let place = match self.find(Self::name(side, 0, prefix)) {
            Some(place) => place,
            None => self.add_page(root, side, prefix),
        };
        let entry = &mut self.entries[place];
        entry.word |= 1 << tick_in_page(key);
        self.lines[line_of(entry.word) as usize][tick_in_page(key)] = level;
    }

    /// Takes the level at a key out.
    pub(crate) fn close(&mut self, root: &mut Root, side: SideId, key: u32) {
        let prefix = key >> PAGE_BITS;
        let place = self.find(Self::name(side, 0, prefix));
        assert!(place.is_some(), "a level is on the ladder");
        let place = place.unwrap_or(0);
        let entry = &mut self.entries[place];
        entry.word &= !(1 << tick_in_page(key));
        let line = line_of(entry.word);
        self.lines[line as usize][tick_in_page(key)] = 0;
        if ticks_of(entry.word) == 0 {
            self.lines[line as usize][0] = self.free_line;
            self.free_line = line;
            self.remove(place);
            self.drop_page(root, side, prefix);
        }
    }

    fn add_page(&mut self, root: &mut Root, side: SideId, prefix: u32) -> usize {
        if root.pages == 0 {
            *root = Root { pages: 0, height: 0, prefix };
        }
        // Raise the top until it covers the page.
        while above(prefix, root.height) != root.prefix {
            let child = root.prefix & 63;
            root.height += 1;
            root.prefix >>= FAN_BITS;
            self.insert(Self::name(side, root.height, root.prefix), 1 << child);
        }
        root.pages += 1;
        for height in 1..=root.height {
            let child = 1 << (above(prefix, height - 1) & 63);
            let name = Self::name(side, height, above(prefix, height));
            if let Some(place) = self.find(name) {
                self.entries[place].word |= child;
                break;
            }
            self.insert(name, child);
        }
        let line = self.free_line;
        assert!(line != 0, "there is a page for each order");
        self.free_line = self.lines[line as usize][0];
        self.lines[line as usize][0] = 0;
        self.insert(Self::name(side, 0, prefix), u64::from(line) << 32)
    }

    fn drop_page(&mut self, root: &mut Root, side: SideId, prefix: u32) {
        root.pages -= 1;
        for height in 1..=root.height {
            let place = self.find(Self::name(side, height, above(prefix, height)));
            assert!(place.is_some(), "a page has all nodes above it");
            let place = place.unwrap_or(0);
            self.entries[place].word &= !(1 << (above(prefix, height - 1) & 63));
            if self.entries[place].word != 0 {
                break;
            }
            self.remove(place);
        }
    }

    /// The best key that is worse than `key`, which has a level; or 0.
    pub(crate) fn next_worse(&self, root: &Root, side: SideId, key: u32) -> u32 {
        let prefix = key >> PAGE_BITS;
        if let Some(place) = self.find(Self::name(side, 0, prefix)) {
            let ticks = ticks_of(self.entries[place].word) & below(u64::from(key) & 31);
            if ticks != 0 {
                return prefix << PAGE_BITS | ticks.ilog2();
            }
        }
        for height in 1..=root.height {
            if let Some(place) = self.find(Self::name(side, height, above(prefix, height))) {
                let children = self.entries[place].word & below(u64::from(above(prefix, height - 1) & 63));
                if children != 0 {
                    return self.best_under(side, height - 1, above(prefix, height) << FAN_BITS | children.ilog2());
                }
            }
        }
        0
    }

    /// The best key of a side, or 0; it descends from the top.
    pub(crate) fn best(&self, root: &Root, side: SideId) -> u32 {
        if root.pages == 0 { 0 } else { self.best_under(side, root.height, root.prefix) }
    }

    /// The worst key of a side, or 0; it descends from the top.
    pub(crate) fn worst(&self, root: &Root, side: SideId) -> u32 {
        if root.pages == 0 {
            return 0;
        }
        let mut prefix = root.prefix;
        for height in (1..=root.height).rev() {
            prefix = prefix << FAN_BITS | self.word(side, height, prefix).trailing_zeros();
        }
        prefix << PAGE_BITS | ticks_of(self.word(side, 0, prefix)).trailing_zeros()
    }

    /// The word of a node that is there.
    fn word(&self, side: SideId, height: u32, prefix: u32) -> u64 {
        let place = self.find(Self::name(side, height, prefix));
        assert!(place.is_some(), "a child that has a bit has a node");
        self.entries[place.unwrap_or(0)].word
    }

    fn best_under(&self, side: SideId, mut height: u32, mut prefix: u32) -> u32 {
        loop {
            let word = self.word(side, height, prefix);
            if height == 0 {
                return prefix << PAGE_BITS | ticks_of(word).ilog2();
            }
            prefix = prefix << FAN_BITS | word.ilog2();
            height -= 1;
        }
    }

    /// Nodes in use; it reads them all.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.name != 0).count()
    }
}

/// Prefix of the node at `height` above a page.
fn above(prefix: u32, height: u32) -> u32 {
    prefix >> (FAN_BITS * height)
}

fn tick_in_page(key: u32) -> usize {
    key as usize & (PAGE_TICKS - 1)
}

fn ticks_of(word: u64) -> u64 {
    word & 0xffff_ffff
}

fn line_of(word: u64) -> u32 {
    let bytes = word.to_le_bytes();
    u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])
}

/// All bits under one.
fn below(bit: u64) -> u64 {
    (1 << bit) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Levels at prices near and far, against a sorted map of each side.
    #[test]
    fn agrees_with_a_map() {
        let mut seed = 0x5eed_u64;
        let mut random = move |bound: u32| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(seed >> 33).unwrap() % bound
        };
        let mut ladder = Ladder::new(300, 2);
        let mut roots = [Root::default(); 6];
        let mut maps: [BTreeMap<u32, u32>; 6] = Default::default();
        let mut count = 0;
        for step in 0..200_000 {
            let side = 2 + random(4);
            let tick = match random(4) {
                0 => 1 + random(40),
                1 => 1_999_999_900 - random(40),
                2 => 1 << random(31),
                _ => 1 + random(1_999_999_900),
            };
            let key = key_of(side, tick);
            assert_eq!(tick_of(side, key), tick);
            let (root, map) = (&mut roots[side as usize], &mut maps[side as usize]);
            assert_eq!(ladder.level(side, key), map.get(&key).copied());
            let worse = map.range(..key).next_back().map_or(0, |(key, _)| *key);
            if map.contains_key(&key) {
                assert_eq!(ladder.next_worse(root, side, key), worse);
            }
            if map.remove(&key).is_some() {
                ladder.close(root, side, key);
                count -= 1;
            } else if count < 300 {
                ladder.open(root, side, key, step + 1);
                map.insert(key, step + 1);
                count += 1;
            } else if let Some((key, _)) = map.pop_last() {
                ladder.close(root, side, key);
                count -= 1;
            }
            assert_eq!(ladder.worst(root, side), map.first_key_value().map_or(0, |(key, _)| *key));
            assert_eq!(ladder.best(root, side), map.last_key_value().map_or(0, |(key, _)| *key));
        }
        for side in 2..6 {
            for key in maps[side as usize].keys() {
                ladder.close(&mut roots[side as usize], side, *key);
            }
        }
        assert_eq!(ladder.count(), 0);
    }
}
