//! The books of all instruments: price-time priority over the slab and the ladder.
//!
//! Called by the matcher and the requests; it knows quantities and priorities, not accounts, events or order types.

pub(crate) mod index;
pub(crate) mod ladder;
pub(crate) mod slab;
pub(crate) mod table;
mod verify;

use ladder::{Ladder, Root, SideId, tick_of};
use slab::{Cold, Node, Slab};
use table::Table;

/// One side of one book: 32 bytes, so that a book is a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
pub(crate) struct BookSide {
    /// Key of the best level; 0 when there is none.
    pub(crate) best_key: u32,
    /// Its slot.
    pub(crate) best_level: u32,
    root: Root,
}

const _: () = assert!(size_of::<BookSide>() == 32);

/// True when the best bid is at or above the best ask; each as (side, best key).
pub(crate) fn is_crossed(bids: (SideId, u32), asks: (SideId, u32)) -> bool {
    bids.1 != 0 && asks.1 != 0 && tick_of(bids.0, bids.1) >= tick_of(asks.0, asks.1)
}

/// All sides of all books.
#[derive(Debug)]
pub(crate) struct Books {
    sides: Table<BookSide>,
    pub(crate) slab: Slab,
    pub(crate) ladder: Ladder,
}

impl Books {
    /// Reserves everything.
    pub(crate) fn new(orders_max: u32, instruments_max: u16, accounts_max: u32) -> Self {
        Self {
            sides: Table::new(2 * (usize::from(instruments_max) + 1), BookSide::default()),
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
        self.ladder.level(side, key).map_or(0, |level| self.slab.node(level).total())
    }

    /// Puts an order behind all others at `key`; gives its slot.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn rest(&mut self, side: SideId, key: u32, order: &Node, cold: impl FnOnce() -> Cold) -> u32 {
        let level = match self.ladder.near_level(side, key) {
            Ok(level) => level,
            Err(0) => self.find_or_open(side, key),
            Err(page) => self.open_level(side, key, page),
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
    fn find_or_open(&mut self, side: SideId, key: u32) -> u32 {
        let page = self.ladder.page_or_new(&mut self.sides.at_mut(side as usize).root, side, key);
        self.ladder.level_on(page, key).unwrap_or_else(|| self.open_level(side, key, page))
    }

    #[inline]
    fn open_level(&mut self, side: SideId, key: u32, page: u32) -> u32 {
        let level = self.slab.take_level(side, key, page);
        self.ladder.open(page, key, level);
        let at = self.sides.at_mut(side as usize);
        if key > at.best_key {
            (at.best_key, at.best_level) = (key, level);
        }
        level
    }

    #[inline(never)]
    fn close_level(&mut self, level: u32) {
        let node = self.slab.node(level);
        let (side, key, page) = (node.side(), node.key(), node.level);
        let at = self.sides.at_mut(side as usize);
        if key == at.best_key {
            (at.best_key, at.best_level) = self.ladder.next_worse(page, key);
        }
        self.ladder.close(&mut at.root, (side, page), key);
        self.slab.free_level(level);
    }

    /// Levels of a side, best first: key and slot.
    pub(crate) fn levels(&self, side: SideId) -> impl Iterator<Item = (u32, u32)> {
        let at = self.side(side);
        let exists = |level: (u32, u32)| (level.0 != 0).then_some(level);
        std::iter::successors(exists((at.best_key, at.best_level)), move |(key, level)| {
            exists(self.ladder.next_worse(self.slab.node(*level).level, *key))
        })
    }

    /// Key of the worst level of a side; 0 when there is none.
    pub(crate) fn worst(&self, side: SideId) -> u32 {
        self.ladder.worst(&self.side(side).root)
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
