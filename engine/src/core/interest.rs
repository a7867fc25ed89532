//! Who would take part in a cross: the orders of the book and those of the cross alone, best first, and the price at which they
//! cross.

use super::Core;
use super::auction::{Clearing, Range, clearing};
use super::book::ladder::{is_displayed, side_id};
use super::forest::NONE;
use super::special::cross_set;
use protocol::types::{CrossType, InstrumentId, Price};

/// One order, or the reserve of one, that takes part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) slot: u32,
    /// Its limit; of a market order the best price there is.
    pub(super) price: u32,
    pub(super) is_shown: bool,
    age: u64,
}

impl Entry {
    /// An order of a cross alone.
    pub(super) fn new(slot: u32, price: u32) -> Self {
        Self { slot, price, is_shown: false, age: 0 }
    }
}

/// The orders of one side, best first: market orders, better prices, what is displayed, what is older.
#[derive(Clone, Debug)]
pub(super) struct Interest<'a> {
    core: &'a Core,
    instrument: InstrumentId,
    kind: CrossType,
    is_buy: bool,
    /// Next on the ladder, and next of the cross.
    ladder: u32,
    cross: u32,
}

impl<'a> Interest<'a> {
    /// All of one side; without the book, only the orders of the cross.
    pub(super) fn new(
        core: &'a Core,
        instrument: InstrumentId,
        (kind, is_buy): (CrossType, bool),
        with_book: bool,
    ) -> Self {
        let best = core.books.side(side_id(instrument.0, is_buy));
        let ladder = if with_book && best.best_key() != 0 { core.books.first(best.best_level()) } else { NONE };
        let set = core.specials.watch(instrument).crosses[cross_set(kind, is_buy)];
        let cross = core.specials.waiting.first(set).unwrap_or(NONE);
        Self { core, instrument, kind, is_buy, ladder: core.next_in_cross(ladder), cross }
    }

    fn on_ladder(&self) -> Option<Entry> {
        let slot = (self.ladder != NONE).then_some(self.ladder)?;
        let key = self.core.books.key_of_order(slot);
        let price = self.core.price_at(self.instrument, side_id(self.instrument.0, self.is_buy), key).0;
        Some(Entry { slot, price, is_shown: is_displayed(key), age: self.core.books.slab.node(slot).order_ref().0 })
    }

    fn in_cross(&self) -> Option<Entry> {
        let slot = (self.cross != NONE).then_some(self.cross)?;
        let extra = self.core.specials.extra(slot);
        let market = if self.is_buy { u32::MAX } else { 0 };
        let price = if extra.price.is_limit() { extra.price.0 } else { market };
        Some(Entry { slot, price, is_shown: false, age: extra.order_ref })
    }
}

impl Iterator for Interest<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let better = |entry: &Entry| if self.is_buy { u32::MAX - entry.price } else { entry.price };
        let rank = |entry: &Entry| (better(entry), !entry.is_shown, entry.age);
        let (on_ladder, in_cross) = (self.on_ladder(), self.in_cross());
        let first = on_ladder.into_iter().chain(in_cross).min_by_key(rank)?;
        if first.slot == self.ladder {
            self.ladder = self.core.next_in_cross(self.core.next_on_ladder(self.ladder));
        } else {
            let set = self.core.specials.watch(self.instrument).crosses[cross_set(self.kind, self.is_buy)];
            let key = self.core.specials.waiting.key(self.cross);
            self.cross = self.core.specials.waiting.after(set, key).unwrap_or(NONE);
        }
        Some(first)
    }
}

impl Core {
    /// From here on, the first on the ladder that takes part in crosses: no minimum, and something open.
    fn next_in_cross(&self, mut slot: u32) -> u32 {
        while slot != NONE && (self.minimum_of(slot) != 0 || self.books.slab.node(slot).leaves == 0) {
            slot = self.next_on_ladder(slot);
        }
        slot
    }

    /// The least quantity that a resting order trades at once; 0 = any.
    fn minimum_of(&self, slot: u32) -> u32 {
        let flags = self.books.slab.node(slot).flags();
        self.specials.extra_of(slot, flags).map_or(0, |extra| extra.min_qty)
    }

    /// The last trade, or the static reference; 0 = none.
    pub(super) fn reference_now(&self, instrument: InstrumentId) -> Price {
        let last = self.instruments.instrument(instrument).last_trade;
        if last.0 == 0 { self.instruments.terms(instrument).reference } else { last }
    }

    /// Where an instrument would cross; without the book, with the orders of the cross alone.
    pub(super) fn clearing(&self, instrument: InstrumentId, kind: CrossType, with_book: bool) -> Option<Clearing> {
        let tick = self.instruments.instrument(instrument).tick.get();
        let reference = self.reference_now(instrument).0;
        let side = |is_buy| {
            let all = Interest::new(self, instrument, (kind, is_buy), with_book);
            all.map(|entry| (entry.price, u64::from(self.books.slab.node(entry.slot).leaves)))
        };
        let range = if reference == 0 {
            // Nothing says where the market is but the limits themselves.
            let is_limit = |price: &u32| Price(*price).is_limit();
            let limits = || side(true).chain(side(false)).map(|(price, _)| price).filter(is_limit);
            Range { low: limits().min()?, high: limits().max()?, tick, reference }
        } else {
            Range { low: tick, high: Price::LIMIT_MAX.0 / tick * tick, tick, reference }
        };
        clearing(side(true), side(false), range)
    }

    /// What would be bought and sold at a price.
    pub(super) fn at_price(&self, instrument: InstrumentId, kind: CrossType, price: u32) -> (u64, u64) {
        let sum = |is_buy: bool| {
            Interest::new(self, instrument, (kind, is_buy), true)
                .take_while(|entry| if is_buy { entry.price >= price } else { entry.price <= price })
                .map(|entry| u64::from(self.books.slab.node(entry.slot).leaves))
                .sum()
        };
        (sum(true), sum(false))
    }
}
