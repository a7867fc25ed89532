//! The ladder: which price keys have a level, and which is the next one, for every side of every book.
//!
//! Pages of 64 keys, each with a bitmap and the slots of its levels, linked in price order: the next worse level is in the
//! same word or at the top of the next page. A page is found by (side, prefix of the key) in one hash table; only when a
//! page comes or goes is its place in the order looked up, in a 64-ary tree of bitmaps whose nodes live in the same table.
//! The pages around the market are found without the table.
//! So there is memory only where orders are, and nothing to size per instrument. A side's tree is no higher than its pages
//! need: one page is one node.
//!
//! A *key* is the tick of a price, mirrored on the ask side, doubled, plus 1 for displayed orders ([`key_of`]): on both sides
//! a higher key trades first, and hidden orders are a level of their own just behind the displayed ones of their price.
//! Keys are 2 to 2^32 − 3; 0 is "no level".

use super::table::Table;
use crate::memory::Reserved;

/// Keys of a page: 2^6.
const PAGE_BITS: u32 = 6;
const PAGE_KEYS: usize = 1 << PAGE_BITS;
/// What stands where no level is. Not zero, so that a new page is written, and no memory is first touched later.
const NO_LEVEL: u32 = u32::MAX;
/// Children of a node above: 2^6.
const FAN_BITS: u32 = 6;
/// Highest node: the prefix of every page has no more than 26 bits.
const HEIGHT_MAX: u32 = 5;
/// No page has this prefix.
const NO_PREFIX: u32 = u32::MAX;
/// Pages of a side that are found without the table: 2^6, or 2,048 ticks around the market.
const NEAR_BITS: u32 = 6;
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

/// Key of the displayed (or hidden) orders at a tick of a side.
#[inline]
pub(crate) fn key_of(side: SideId, tick: u32, displayed: bool) -> u32 {
    (tick ^ (ASK_MIRROR & (side & 1).wrapping_sub(1))) << 1 | u32::from(displayed)
}

/// Tick of a key on a side.
#[inline]
pub(crate) fn tick_of(side: SideId, key: u32) -> u32 {
    key >> 1 ^ (ASK_MIRROR & (side & 1).wrapping_sub(1))
}

/// The worst key on the other side that an order with this key trades with: the hidden orders of its own price.
#[inline]
pub(crate) fn limit_against(key: u32) -> u32 {
    !key & !1
}

/// Displayed orders rest at this key.
pub(crate) fn is_displayed(key: u32) -> bool {
    key & 1 == 1
}

/// What a side knows of its pages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Root {
    /// Pages with a level.
    pages: u32,
    /// Height of the top node: 0 is a page.
    height: u32,
    /// Prefix of the top node.
    prefix: u32,
    /// The worst page; it counts only when there are pages.
    worst: u32,
}

impl Root {
    /// The side has no pages.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.pages == 0
    }
}

/// A node: its name, and the page (height 0) or the bits of its children.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Entry {
    name: u64,
    word: u64,
}

/// 64 neighbouring keys of a side.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
struct Page {
    /// Which keys have a level.
    keys: u64,
    /// Prefix of its keys.
    prefix: u32,
    /// Next page of the side with better prices; 0 is none.
    better: u32,
    /// Next page with worse prices; 0 is none. Of a free page: the next free one.
    worse: u32,
    reserved: [u32; 3],
    /// Level slots; one without a bit means nothing.
    levels: [u32; PAGE_KEYS],
}

const _: () = assert!(size_of::<Page>() == 288);

/// The pages and trees of all sides.
#[derive(Debug)]
pub(crate) struct Ladder {
    entries: Table<Entry>,
    shift: u32,
    pages: Reserved<Page>,
    free_page: u32,
    /// For each side and each of the last bits of a prefix a page, or 0: found without the table.
    near: Table<u32>,
}

impl Ladder {
    /// Reserves for `levels_max` levels, wherever their prices are, on `instruments_max` instruments.
    pub(crate) fn new(levels_max: u32, instruments_max: u16) -> Self {
        let sides = 2 * u64::from(instruments_max);
        let nodes: u64 = (0..=HEIGHT_MAX)
            .map(|height| u64::from(levels_max).min(sides << (32 - PAGE_BITS).saturating_sub(FAN_BITS * height)))
            .sum();
        // At worst 80 % full, and only when every order has a page of its own, far from all others.
        let capacity = (nodes + nodes / 4 + 16).next_power_of_two();
        let mut pages = Reserved::new(levels_max as usize + 1, Page::FREE);
        for page in 1..levels_max {
            pages[page as usize].worse = page + 1;
        }
        Self {
            entries: Table::new(usize::try_from(capacity).unwrap_or(usize::MAX), Entry { name: 0, word: 0 }),
            shift: 64 - capacity.trailing_zeros(),
            pages,
            free_page: u32::from(levels_max != 0),
            near: Table::new((2 * usize::from(instruments_max) + 2) << NEAR_BITS, 0),
        }
    }

    /// Name of a node. A side is never 0, so neither is a name.
    #[inline]
    fn name(side: SideId, height: u32, prefix: u32) -> u64 {
        u64::from(side) << 32 | u64::from(height) << 26 | u64::from(prefix)
    }

    /// Where a node belongs. Four neighbours share a line.
    #[inline]
    fn home(&self, name: u64) -> usize {
        let hash = (name >> 2).wrapping_mul(MULTIPLIER).wrapping_shr(self.shift);
        usize::try_from(hash & !3 | name & 3).unwrap_or(0)
    }

    #[inline]
    fn find(&self, name: u64) -> Option<usize> {
        let mask = self.entries.mask();
        let mut place = self.home(name);
        loop {
            let found = self.entries.at(place).name;
            if found == name {
                return Some(place);
            }
            if found == 0 {
                return None;
            }
            place = (place + 1) & mask;
        }
    }

    fn insert(&mut self, name: u64, word: u64) {
        let mask = self.entries.mask();
        let mut place = self.home(name);
        while self.entries.at(place).name != 0 {
            place = (place + 1) & mask;
        }
        *self.entries.at_mut(place) = Entry { name, word };
    }

    fn remove(&mut self, place: usize) {
        let mask = self.entries.mask();
        let mut gap = place;
        let mut next = (gap + 1) & mask;
        loop {
            let entry = *self.entries.at(next);
            if entry.name == 0 {
                break;
            }
            let displaced = next.wrapping_sub(self.home(entry.name)) & mask;
            if displaced >= (next.wrapping_sub(gap) & mask) {
                *self.entries.at_mut(gap) = entry;
                gap = next;
            }
            next = (next + 1) & mask;
        }
        self.entries.at_mut(gap).name = 0;
    }

    /// The level slot at a key whose page is at hand; or that page, without a level there; or 0, which says nothing.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn near_level(&self, side: SideId, key: u32) -> Result<u32, u32> {
        let prefix = key >> PAGE_BITS;
        let near = *self.near.at(near_place(side, prefix));
        let page = &self.pages[near as usize];
        if page.prefix != prefix {
            return Err(0);
        }
        if page.keys.wrapping_shr(key) & 1 == 1 { Ok(page.levels[key_in_page(key)]) } else { Err(near) }
    }

    /// The page of a key; 0 when it has none.
    #[inline]
    pub(crate) fn page(&self, side: SideId, key: u32) -> u32 {
        let prefix = key >> PAGE_BITS;
        let near = *self.near.at(near_place(side, prefix));
        if self.pages[near as usize].prefix == prefix { near } else { self.page_in_table(side, prefix) }
    }

    #[inline(never)]
    fn page_in_table(&self, side: SideId, prefix: u32) -> u32 {
        match self.find(Self::name(side, 0, prefix)) {
            Some(place) => half(self.entries.at(place).word),
            None => 0,
        }
    }

    /// The level slot at a key of a page that [`Ladder::page`] gave, if there is one.
    #[inline]
    pub(crate) fn level_on(&self, page: u32, key: u32) -> Option<u32> {
        let page = &self.pages[page as usize];
        (page.keys >> key_in_page(key) & 1 == 1).then_some(page.levels[key_in_page(key)])
    }

    /// The level slot at a key, if there is one.
    #[inline]
    pub(crate) fn level(&self, side: SideId, key: u32) -> Option<u32> {
        self.level_on(self.page(side, key), key)
    }

    /// The page of a key, made when there was none; it can be found at once until a page that shares its place with it is
    /// asked for.
    #[inline(never)]
    pub(crate) fn page_or_new(&mut self, root: &mut Root, side: SideId, key: u32) -> u32 {
        let prefix = key >> PAGE_BITS;
        let page = match self.page(side, key) {
            0 => self.add_page(root, side, prefix),
            page => page,
        };
        *self.near.at_mut(near_place(side, prefix)) = page;
        page
    }

    /// Enters a level at a key of a page that has none there.
    #[inline]
    pub(crate) fn open(&mut self, page: u32, key: u32, level: u32) {
        let page = &mut self.pages[page as usize];
        page.keys |= 1 << key_in_page(key);
        page.levels[key_in_page(key)] = level;
    }

    /// Takes the level at a key of a page out.
    #[inline]
    pub(crate) fn close(&mut self, root: &mut Root, (side, page): (SideId, u32), key: u32) {
        let at = &mut self.pages[page as usize];
        at.keys &= !(1 << key_in_page(key));
        if at.keys == 0 {
            self.drop_page(root, side, page);
        }
    }

    /// The best level that is worse than `key`, which is on `page`: its key and slot; (0, 0) when there is none.
    #[inline]
    pub(crate) fn next_worse(&self, page: u32, key: u32) -> (u32, u32) {
        let at = &self.pages[page as usize];
        let below = at.keys & ((1 << key_in_page(key)) - 1);
        if below != 0 {
            return at.topmost(below);
        }
        // Page 0 has no keys.
        let at = &self.pages[at.worse as usize];
        if at.keys == 0 { (0, 0) } else { at.topmost(at.keys) }
    }

    #[inline(never)]
    fn add_page(&mut self, root: &mut Root, side: SideId, prefix: u32) -> u32 {
        let page = self.free_page;
        assert!(page != 0, "there is a page for each order");
        self.free_page = self.pages[page as usize].worse;
        let worse = self.enter_tree(root, side, prefix);
        let better = match worse {
            0 if root.pages == 0 => 0,
            0 => root.worst,
            worse => self.pages[worse as usize].better,
        };
        let at = &mut self.pages[page as usize];
        (at.keys, at.prefix, at.better, at.worse) = (0, prefix, better, worse);
        if better != 0 {
            self.pages[better as usize].worse = page;
        }
        if worse == 0 {
            root.worst = page;
        } else {
            self.pages[worse as usize].better = page;
        }
        root.pages += 1;
        self.insert(Self::name(side, 0, prefix), u64::from(page));
        page
    }

    /// Enters a page into the tree; gives the next page with worse prices, or 0.
    fn enter_tree(&mut self, root: &mut Root, side: SideId, prefix: u32) -> u32 {
        if root.pages == 0 {
            (root.height, root.prefix) = (0, prefix);
            return 0;
        }
        // Raise the top until it covers the page.
        while above(prefix, root.height) != root.prefix {
            let child = root.prefix & 63;
            root.height += 1;
            root.prefix >>= FAN_BITS;
            self.insert(Self::name(side, root.height, root.prefix), 1 << child);
        }
        let mut worse = None;
        for height in 1..=root.height {
            let at = above(prefix, height - 1) & 63;
            let name = Self::name(side, height, above(prefix, height));
            let Some(place) = self.find(name) else {
                self.insert(name, 1 << at);
                continue;
            };
            let word = self.entries.at(place).word;
            let below = word & ((1 << at) - 1);
            if worse.is_none() && below != 0 {
                worse = Some((height - 1, above(prefix, height) << FAN_BITS | below.ilog2()));
            }
            self.entries.at_mut(place).word = word | 1 << at;
            // All nodes above have their bits already.
            if worse.is_some() {
                break;
            }
        }
        worse.map_or(0, |(height, prefix)| self.best_under(side, height, prefix))
    }

    #[inline(never)]
    fn drop_page(&mut self, root: &mut Root, side: SideId, page: u32) {
        let Page { prefix, better, worse, .. } = self.pages[page as usize];
        if better != 0 {
            self.pages[better as usize].worse = worse;
        }
        if worse == 0 {
            root.worst = better;
        } else {
            self.pages[worse as usize].better = better;
        }
        let near = self.near.at_mut(near_place(side, prefix));
        if *near == page {
            *near = 0;
        }
        (self.pages[page as usize].worse, self.pages[page as usize].prefix) = (self.free_page, NO_PREFIX);
        self.free_page = page;
        root.pages -= 1;
        let place = self.find(Self::name(side, 0, prefix));
        assert!(place.is_some(), "a page is in the table");
        self.remove(place.unwrap_or(0));
        for height in 1..=root.height {
            let place = self.find(Self::name(side, height, above(prefix, height)));
            assert!(place.is_some(), "a page has all nodes above it");
            let place = place.unwrap_or(0);
            let entry = self.entries.at_mut(place);
            entry.word &= !(1 << (above(prefix, height - 1) & 63));
            if entry.word != 0 {
                break;
            }
            self.remove(place);
        }
    }

    /// The best page under a node.
    fn best_under(&self, side: SideId, mut height: u32, mut prefix: u32) -> u32 {
        loop {
            let place = self.find(Self::name(side, height, prefix));
            assert!(place.is_some(), "a child that has a bit has a node");
            let word = self.entries.at(place.unwrap_or(0)).word;
            if height == 0 {
                return half(word);
            }
            prefix = prefix << FAN_BITS | word.ilog2();
            height -= 1;
        }
    }

    /// The best level of a side, key and slot, or (0, 0). It descends from the top: for checks.
    pub(crate) fn best(&self, root: &Root, side: SideId) -> (u32, u32) {
        if root.pages == 0 {
            return (0, 0);
        }
        let at = &self.pages[self.best_under(side, root.height, root.prefix) as usize];
        at.topmost(at.keys)
    }

    /// The worst key of a side, or 0.
    pub(crate) fn worst(&self, root: &Root) -> u32 {
        let at = &self.pages[root.worst as usize];
        if root.pages == 0 { 0 } else { at.prefix << PAGE_BITS | at.keys.trailing_zeros() }
    }

    /// Nodes in use; it reads them all.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.name != 0).count()
    }
}

impl Page {
    const FREE: Self =
        Self { keys: 0, prefix: NO_PREFIX, better: 0, worse: 0, reserved: [0; 3], levels: [NO_LEVEL; PAGE_KEYS] };

    /// Key and slot of the best of these keys.
    #[inline]
    fn topmost(&self, keys: u64) -> (u32, u32) {
        let key = self.prefix << PAGE_BITS | keys.ilog2();
        (key, self.levels[key_in_page(key)])
    }
}

#[inline]
fn near_place(side: SideId, prefix: u32) -> usize {
    (side << NEAR_BITS | prefix & ((1 << NEAR_BITS) - 1)) as usize
}

/// Prefix of the node at `height` above a page.
fn above(prefix: u32, height: u32) -> u32 {
    prefix >> (FAN_BITS * height)
}

#[inline]
fn key_in_page(key: u32) -> usize {
    key as usize & (PAGE_KEYS - 1)
}

/// The page of a word.
#[inline]
fn half(word: u64) -> u32 {
    let bytes = word.to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Levels at prices near and far, displayed and hidden, against a sorted map of each side.
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
            let displayed = random(2) == 0;
            let key = key_of(side, tick, displayed);
            assert_eq!(limit_against(key), key_of(side ^ 1, tick, false));
            assert_eq!((tick_of(side, key), is_displayed(key)), (tick, displayed));
            let (root, map) = (&mut roots[side as usize], &mut maps[side as usize]);
            assert_eq!(ladder.level(side, key), map.get(&key).copied());
            let is_there = map.get(&key).is_some();
            if is_there {
                let worse = map.range(..key).next_back().map_or((0, 0), |(key, level)| (*key, *level));
                let page = ladder.page(side, key);
                assert_eq!(ladder.next_worse(page, key), worse);
                map.remove(&key);
                ladder.close(root, (side, page), key);
                count -= 1;
            } else if count < 300 {
                let page = ladder.page_or_new(root, side, key);
                ladder.open(page, key, step + 1);
                map.insert(key, step + 1);
                count += 1;
            } else if let Some((key, _)) = map.pop_last() {
                ladder.close(root, (side, ladder.page(side, key)), key);
                count -= 1;
            }
            assert_eq!(ladder.worst(root), map.first_key_value().map_or(0, |(key, _)| *key));
            assert_eq!(ladder.best(root, side), map.last_key_value().map_or((0, 0), |(key, level)| (*key, *level)));
        }
        for side in 2..6 {
            for key in maps[side as usize].keys() {
                ladder.close(&mut roots[side as usize], (side, ladder.page(side, *key)), *key);
            }
        }
        assert_eq!(ladder.count(), 0);
    }
}
