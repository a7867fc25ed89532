//! The books of all instruments: price-time priority over the slab and the ladder.
//!
//! Called by the matcher and the requests; it knows quantities and priorities, not accounts, events or order types.
//!
//! A side with few levels is *small*: it lists them in its own record, best first. With more it is *paged*: its levels are on
//! the ladder. Ten thousand instruments with a handful of orders each so touch no page.

pub(crate) mod index;
pub(crate) mod ladder;
pub(crate) mod slab;
pub(crate) mod table;
mod verify;

use ladder::{Ladder, Root, SideId};
use slab::{Cold, NONE, Node, Slab};
use table::Table;

/// The key of what waits beside the book: on no level of the ladder, and below every key that is.
pub(crate) const PARKED: u32 = 0;

/// Most levels of a small side.
const SMALL_MAX: usize = 7;
/// Levels at which a paged side becomes small again: well below, so that it does not go to and fro.
const SMALL_AGAIN: u32 = 2;

/// One side of one book: a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(crate) struct BookSide {
    /// Keys of the levels of a small side, best first; of a paged one the best only. 0 where there is none.
    keys: [u32; SMALL_MAX],
    /// Their slots; 0 where there is none.
    slots: [u32; SMALL_MAX],
    /// Levels.
    levels: u32,
    /// Its levels are on the ladder.
    is_paged: bool,
}

impl BookSide {
    /// Key of the best level; 0 when there is none.
    #[inline]
    pub(crate) fn best_key(&self) -> u32 {
        self.keys[0]
    }

    /// Its slot.
    #[inline]
    pub(crate) fn best_level(&self) -> u32 {
        self.slots[0]
    }

    #[inline]
    fn is_small(&self) -> bool {
        !self.is_paged
    }

    fn set_best(&mut self, (key, level): (u32, u32)) {
        (self.keys[0], self.slots[0]) = (key, level);
    }

    /// How many levels of a small side are better than a key: the place of that key, should it be there. All are compared,
    /// because a branch that nobody can foretell costs more.
    #[inline]
    fn place(&self, key: u32) -> usize {
        self.keys.iter().map(|other| usize::from(*other > key)).sum()
    }

    /// The level at a place of a small side: key and slot, or (0, 0).
    #[inline]
    fn small(&self, place: usize) -> (u32, u32) {
        match (self.keys.get(place), self.slots.get(place)) {
            (Some(key), Some(slot)) => (*key, *slot),
            _ => (0, 0),
        }
    }

    /// Puts a level of a small side with room at its place.
    #[inline]
    fn insert(&mut self, place: usize, (key, level): (u32, u32)) {
        for at in (1..SMALL_MAX).rev() {
            let from = at - usize::from(at > place);
            (self.keys[at], self.slots[at]) = (self.keys[from], self.slots[from]);
        }
        (self.keys[place], self.slots[place]) = (key, level);
        self.levels += 1;
    }

    /// Takes the level at a place of a small side out.
    #[inline]
    fn remove(&mut self, place: usize) {
        for at in 0..SMALL_MAX - 1 {
            let from = at + usize::from(at >= place);
            (self.keys[at], self.slots[at]) = (self.keys[from], self.slots[from]);
        }
        (self.keys[SMALL_MAX - 1], self.slots[SMALL_MAX - 1]) = (0, 0);
    }
}

const _: () = assert!(size_of::<BookSide>() == 64);

/// All sides of all books.
#[derive(Debug)]
pub(crate) struct Books {
    sides: Table<BookSide>,
    /// What each side knows of its pages.
    roots: Table<Root>,
    /// Of each side, the FIFO of the orders that wait beside the book; [`NONE`] when there are none.
    parking: Vec<u32>,
    pub(crate) slab: Slab,
    pub(crate) ladder: Ladder,
}

impl Books {
    /// Reserves everything.
    pub(crate) fn new(orders_max: u32, instruments_max: u16, accounts_max: u32) -> Self {
        Self {
            sides: Table::new(2 * (usize::from(instruments_max) + 1), BookSide::default()),
            roots: Table::new(2 * (usize::from(instruments_max) + 1), Root::default()),
            parking: vec![NONE; 2 * (usize::from(instruments_max) + 1)],
            slab: Slab::new(orders_max, accounts_max),
            ladder: Ladder::new(orders_max, instruments_max),
        }
    }

    /// One side.
    #[inline]
    pub(crate) fn side(&self, side: SideId) -> &BookSide {
        self.sides.at(side as usize)
    }

    /// Quantity at a key.
    pub(crate) fn total_at(&self, side: SideId, key: u32) -> u64 {
        let at = self.side(side);
        let level = if at.is_small() {
            let (found, level) = at.small(at.place(key));
            (found == key).then_some(level)
        } else {
            self.ladder.level(side, key)
        };
        level.map_or(0, |level| self.slab.node(level).total())
    }

    /// Puts an order behind all others at `key`; gives its slot.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn rest(&mut self, side: SideId, key: u32, order: &Node, cold: impl FnOnce(&mut Cold)) -> u32 {
        let level = if self.side(side).is_small() {
            self.small_level_or_new(side, key)
        } else {
            match self.ladder.near_level(side, key) {
                Ok(level) => level,
                Err(0) => self.paged_level_or_new(side, key),
                Err(page) => self.open_paged(side, key, page),
            }
        };
        self.slab.rest(level, order, cold)
    }

    /// Takes an order off its side and frees its slot.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn remove(&mut self, slot: u32) {
        if let Some(level) = self.slab.remove(slot) {
            self.close_level(level);
        }
    }

    /// The oldest order of a level.
    #[inline]
    pub(crate) fn first(&self, level: u32) -> u32 {
        self.slab.node(level).next
    }

    #[inline(never)]
    fn paged_level_or_new(&mut self, side: SideId, key: u32) -> u32 {
        let page = self.ladder.page_or_new(self.roots.at_mut(side as usize), side, key);
        self.ladder.level_on(page, key).unwrap_or_else(|| self.open_paged(side, key, page))
    }

    #[inline]
    fn open_paged(&mut self, side: SideId, key: u32, page: u32) -> u32 {
        let level = self.slab.take_level(side, key, page);
        self.ladder.open(page, key, level);
        let at = self.sides.at_mut(side as usize);
        at.levels += 1;
        if key > at.best_key() {
            at.set_best((key, level));
        }
        level
    }

    #[inline(never)]
    fn small_level_or_new(&mut self, side: SideId, key: u32) -> u32 {
        let at = self.side(side);
        let place = at.place(key);
        let (found, level) = at.small(place);
        if found == key {
            return level;
        }
        if at.levels as usize == SMALL_MAX {
            self.make_paged(side);
            return self.paged_level_or_new(side, key);
        }
        let level = self.slab.take_level(side, key, NONE);
        self.sides.at_mut(side as usize).insert(place, (key, level));
        level
    }

    /// Puts the levels of a small side on the ladder.
    #[cold]
    fn make_paged(&mut self, side: SideId) {
        let at = self.sides.at_mut(side as usize);
        at.is_paged = true;
        for (key, level) in at.keys.into_iter().zip(at.slots).filter(|(key, _)| *key != 0) {
            let page = self.ladder.page_or_new(self.roots.at_mut(side as usize), side, key);
            self.slab.node_mut(level).level = page;
            self.ladder.open(page, key, level);
        }
        let best = at.small(0);
        (at.keys, at.slots) = ([0; SMALL_MAX], [0; SMALL_MAX]);
        at.set_best(best);
    }

    /// Takes the few levels of a paged side off the ladder.
    #[cold]
    fn make_small(&mut self, side: SideId) {
        let at = self.sides.at_mut(side as usize);
        let (mut place, mut level) = (0, at.small(0));
        at.is_paged = false;
        while level.0 != 0 {
            let page = self.slab.node(level.1).level;
            let worse = self.ladder.next_worse(page, level.0);
            self.ladder.close(self.roots.at_mut(side as usize), (side, page), level.0);
            (at.keys[place], at.slots[place]) = level;
            (place, level) = (place + 1, worse);
        }
    }

    #[inline(never)]
    fn close_level(&mut self, level: u32) {
        let node = self.slab.node(level);
        let (side, key, page) = (node.side(), node.key(), node.level);
        if key == PARKED {
            self.parking[side as usize] = NONE;
            return self.slab.free_level(level);
        }
        let at = self.sides.at_mut(side as usize);
        at.levels -= 1;
        if at.is_small() {
            let place = at.place(key);
            assert!(at.small(place) == (key, level), "a level is in the record of its side");
            at.remove(place);
        } else {
            if key == at.best_key() {
                at.set_best(self.ladder.next_worse(page, key));
            }
            self.ladder.close(self.roots.at_mut(side as usize), (side, page), key);
            if at.levels == SMALL_AGAIN {
                self.make_small(side);
            }
        }
        self.slab.free_level(level);
    }

    /// The next level of a side behind one of its levels: key and slot, or (0, 0).
    fn next_worse(&self, at: &BookSide, (key, level): (u32, u32)) -> (u32, u32) {
        if at.is_small() {
            at.small(at.place(key) + 1)
        } else {
            self.ladder.next_worse(self.slab.node(level).level, key)
        }
    }

    /// The level at a key, or the FIFO beside the book; made when there is none.
    fn level_at(&mut self, side: SideId, key: u32) -> u32 {
        if key != PARKED {
            return if self.side(side).is_small() {
                self.small_level_or_new(side, key)
            } else {
                self.paged_level_or_new(side, key)
            };
        }
        if self.parking[side as usize] == NONE {
            self.parking[side as usize] = self.slab.take_level(side, PARKED, NONE);
        }
        self.parking[side as usize]
    }

    /// Puts an order beside the book; gives its slot.
    pub(crate) fn park(&mut self, side: SideId, order: &Node, cold: Cold) -> u32 {
        let level = self.level_at(side, PARKED);
        self.slab.rest(level, order, |record| *record = cold)
    }

    /// Moves an order to another key of its side, or beside the book with [`PARKED`], behind those with a lower reference;
    /// its open quantity and reference may change while it is on its way.
    pub(crate) fn move_to(&mut self, slot: u32, key: u32, change: impl FnOnce(&mut Slab)) {
        let side = self.slab.node(self.slab.node(slot).level).side();
        if let Some(level) = self.slab.detach(slot) {
            self.close_level(level);
        }
        change(&mut self.slab);
        let level = self.level_at(side, key);
        self.slab.attach(level, slot);
    }

    /// Slots of the orders that wait beside the book.
    pub(crate) fn parked(&self, side: SideId) -> impl Iterator<Item = u32> {
        let level = self.parking[side as usize];
        (level != NONE).then_some(level).into_iter().flat_map(|level| self.fifo(level))
    }

    /// Key of an order; [`PARKED`] when it waits beside the book.
    pub(crate) fn key_of_order(&self, slot: u32) -> u32 {
        self.slab.node(self.slab.node(slot).level).key()
    }

    /// The level behind one on the ladder.
    pub(crate) fn level_behind(&self, level: u32) -> Option<u32> {
        let node = self.slab.node(level);
        let (key, behind) = self.next_worse(self.side(node.side()), (node.key(), level));
        (key != 0).then_some(behind)
    }

    /// Levels of a side, best first: key and slot.
    pub(crate) fn levels(&self, side: SideId) -> impl Iterator<Item = (u32, u32)> {
        let at = self.side(side);
        let exists = |level: (u32, u32)| (level.0 != 0).then_some(level);
        std::iter::successors(exists(at.small(0)), move |level| exists(self.next_worse(at, *level)))
    }

    /// Key of the worst level of a side; 0 when there is none.
    pub(crate) fn worst(&self, side: SideId) -> u32 {
        let at = self.side(side);
        if at.is_small() {
            return self.levels(side).last().map_or(0, |(key, _)| key);
        }
        self.ladder.worst(self.roots.at(side as usize))
    }

    /// Slots of the orders of a level, in priority order.
    pub(crate) fn fifo(&self, level: u32) -> impl Iterator<Item = u32> {
        let first = self.slab.node(level).next;
        std::iter::successors(Some(first), |slot| Some(self.slab.node(*slot).next))
            .take_while(move |slot| *slot != level)
    }

    /// Slots of all orders of a side: best price first, displayed before hidden, oldest first.
    pub(crate) fn orders(&self, side: SideId) -> impl Iterator<Item = u32> {
        self.levels(side).flat_map(|(_, level)| self.fifo(level))
    }
}
