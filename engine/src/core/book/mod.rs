//! The books of all instruments: price-time priority over the slab and the ladder.
//!
//! Called by the matcher and the requests; it knows quantities and priorities, not accounts, events or order types.

pub(crate) mod index;
pub(crate) mod ladder;
pub(crate) mod slab;
mod verify;

use ladder::{Ladder, Root, SideId};
use slab::{Cold, Node, Slab};

/// One side of one book: 32 bytes, so that a book is a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
pub(crate) struct BookSide {
    /// Key of the best level; 0 when there is none.
    pub(crate) best_key: u32,
    /// Its slot.
    pub(crate) best_level: u32,
    /// Key of the second-best level; 0 when it is not known.
    second_key: u32,
    /// Its slot.
    second_level: u32,
    root: Root,
}

const _: () = assert!(size_of::<BookSide>() == 32);

/// All sides of all books.
#[derive(Debug)]
pub(crate) struct Books {
    sides: Vec<BookSide>,
    pub(crate) slab: Slab,
    pub(crate) ladder: Ladder,
}

impl Books {
    /// Reserves everything.
    pub(crate) fn new(orders_max: u32, instruments_max: u16) -> Self {
        Self {
            sides: vec![BookSide::default(); 2 * (usize::from(instruments_max) + 1)],
            slab: Slab::new(orders_max),
            ladder: Ladder::new(orders_max, instruments_max),
        }
    }

    /// One side.
    pub(crate) fn side(&self, side: SideId) -> &BookSide {
        &self.sides[side as usize]
    }

    /// Displayed quantity at a key.
    pub(crate) fn displayed_at(&self, side: SideId, key: u32) -> u64 {
        self.ladder.level(side, key).map_or(0, |level| self.slab.node(level).total())
    }

    /// Puts an order behind all others of its kind at `key`; gives its slot.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn rest(&mut self, side: SideId, key: u32, order: Node, cold: Cold) -> u32 {
        let hidden = u32::from(!order.flags().shown());
        let level = match self.ladder.level(side, key) {
            Some(level) => level,
            None => self.open_level(side, key),
        };
        self.slab.rest(level | hidden, order, cold)
    }

    /// Takes an order off its side and frees its slot.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn remove(&mut self, slot: u32) {
        if let Some(level) = self.slab.remove(slot) {
            self.close_level(level);
        }
    }

    /// The order with the highest priority of a level: the oldest displayed one, then the oldest hidden one.
    pub(crate) fn first(&self, level: u32) -> u32 {
        let first = self.slab.node(level).next;
        if first == level { self.slab.node(level | 1).next } else { first }
    }

    /// The level after `key` on a side, best to worst, and its slot.
    pub(crate) fn next_worse(&self, side: SideId, key: u32) -> Option<(u32, u32)> {
        let next = self.ladder.next_worse(&self.side(side).root, side, key);
        Some((next, self.ladder.level(side, next)?))
    }

    #[inline(never)]
    fn open_level(&mut self, side: SideId, key: u32) -> u32 {
        let level = self.slab.take_level(side, key);
        let at = &mut self.sides[side as usize];
        self.ladder.open(&mut at.root, side, key, level);
        if key > at.best_key {
            (at.second_key, at.second_level) = (at.best_key, at.best_level);
            (at.best_key, at.best_level) = (key, level);
        } else if at.second_key != 0 && key > at.second_key {
            (at.second_key, at.second_level) = (key, level);
        }
        level
    }

    #[inline(never)]
    fn close_level(&mut self, level: u32) {
        let node = self.slab.node(level);
        let (side, key) = (node.side(), node.key());
        let at = &mut self.sides[side as usize];
        if key == at.best_key {
            if at.second_key == 0 {
                at.best_key = self.ladder.next_worse(&at.root, side, key);
                at.best_level = self.ladder.level(side, at.best_key).unwrap_or(0);
            } else {
                (at.best_key, at.best_level) = (at.second_key, at.second_level);
                at.second_key = 0;
            }
        } else if key == at.second_key {
            at.second_key = 0;
        }
        self.ladder.close(&mut at.root, side, key);
        self.slab.free_level(level);
    }

    /// Levels of a side, best first: key and slot.
    pub(crate) fn levels(&self, side: SideId) -> impl Iterator<Item = (u32, u32)> {
        let at = *self.side(side);
        let first = (at.best_key != 0).then_some((at.best_key, at.best_level));
        std::iter::successors(first, move |(key, _)| self.next_worse(side, *key))
    }

    /// Key of the worst level of a side, and whether it has hidden orders. Descends from the top.
    pub(crate) fn last(&self, side: SideId) -> Option<(u32, bool)> {
        let key = self.ladder.worst(&self.side(side).root, side);
        let level = self.ladder.level(side, key)?;
        Some((key, self.slab.node(level | 1).orders() != 0))
    }

    /// Slots of the orders of one FIFO, in priority order.
    pub(crate) fn fifo(&self, sentinel: u32) -> impl Iterator<Item = u32> {
        let first = self.slab.node(sentinel).next;
        std::iter::successors(Some(first), |slot| Some(self.slab.node(*slot).next))
            .take_while(move |slot| *slot != sentinel)
    }

    /// Slots of all orders of a side: best level first, displayed before hidden, oldest first.
    pub(crate) fn orders(&self, side: SideId) -> impl Iterator<Item = u32> {
        self.levels(side).flat_map(|(_, level)| self.fifo(level).chain(self.fifo(level | 1)))
    }
}
