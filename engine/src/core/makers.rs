//! What a special aggressor may trade with, in order: the levels of the ladder with pegged orders merged in, best price first,
//! displayed before the rest, then by age. While an aggressor is at work nothing joins what is before it: icebergs are filled
//! up, and quotes followed, when it is done.

use super::Core;
use super::book::ladder::{is_displayed, side_id};
use super::forest::NONE;
use super::sweep::Taker;
use protocol::types::{InstrumentId, Price};

/// A pegged order with its price for one aggressor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peg {
    /// Wire units; not always on the grid.
    pub(super) price: u32,
    pub(super) age: u64,
    pub(super) slot: u32,
}

/// Where an aggressor is: the next order on the ladder, and the next pegged one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    ladder: u32,
    peg: usize,
}

/// The next one it may trade with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maker {
    pub(super) slot: u32,
    /// Execution price, wire units.
    pub(super) price: u32,
    /// It is on the feed.
    pub(super) is_shown: bool,
    /// The cursor behind it.
    pub(super) behind: Cursor,
}

impl Cursor {
    /// Steps over a slot that is about to go.
    pub(super) fn avoid(&mut self, slot: u32, core: &Core) {
        if slot != NONE && self.ladder == slot {
            self.ladder = core.next_on_ladder(slot);
        }
    }
}

impl Core {
    /// Begins: prices the pegged orders of the other side.
    pub(super) fn begin(&mut self, taker: &Taker) -> Cursor {
        let opposite = taker.order.side ^ 1;
        self.price_pegs(taker.order.instrument, opposite & 1 == 1);
        let best = self.books.side(opposite);
        Cursor { ladder: if best.best_key() == 0 { NONE } else { self.books.first(best.best_level()) }, peg: 0 }
    }

    /// The order at the cursor, when its price is within the limit.
    pub(super) fn pick(&self, cursor: Cursor, taker: &Taker) -> Option<Maker> {
        let instrument = taker.order.instrument;
        let opposite = taker.order.side ^ 1;
        let is_buy = opposite & 1 == 1;
        let on_ladder = (cursor.ladder != NONE).then(|| {
            let key = self.books.key_of_order(cursor.ladder);
            let age = self.books.slab.node(cursor.ladder).order_ref().0;
            (self.price_at(instrument, opposite, key).0, is_displayed(key), age)
        });
        let pegged = self.pegs.get(cursor.peg);
        let is_peg = match (on_ladder, pegged) {
            (None, None) => return None,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some((price, is_shown, age)), Some(peg)) if peg.price == price => !is_shown && peg.age < age,
            (Some((price, _, _)), Some(peg)) => (peg.price > price) == is_buy,
        };
        let maker = match (is_peg, on_ladder, pegged) {
            (true, _, Some(peg)) => {
                let behind = Cursor { peg: cursor.peg + 1, ..cursor };
                Maker { slot: peg.slot, price: peg.price, is_shown: false, behind }
            }
            (_, Some((price, is_shown, _)), _) => {
                let behind = Cursor { ladder: self.next_on_ladder(cursor.ladder), ..cursor };
                Maker { slot: cursor.ladder, price, is_shown, behind }
            }
            (_, None, _) => return None,
        };
        let is_within = if is_buy { maker.price >= taker.limit } else { maker.price <= taker.limit };
        is_within.then_some(maker)
    }

    /// The cursor behind all of the level of a maker on the ladder.
    pub(super) fn behind_level(&self, maker: &Maker) -> Cursor {
        let level = self.books.slab.node(maker.slot).level;
        let ladder = self.books.level_behind(level).map_or(NONE, |level| self.books.first(level));
        Cursor { ladder, ..maker.behind }
    }

    /// The order behind one on the ladder: in its level, or the first of the next.
    pub(super) fn next_on_ladder(&self, slot: u32) -> u32 {
        let node = self.books.slab.node(slot);
        if node.next != node.level {
            return node.next;
        }
        self.books.level_behind(node.level).map_or(NONE, |level| self.books.first(level))
    }

    /// Works out the prices of the pegged orders of a side, best first, then oldest.
    fn price_pegs(&mut self, instrument: InstrumentId, is_buy: bool) {
        self.pegs.clear();
        let set = self.specials.watch(instrument).pegs[usize::from(is_buy)];
        if set.is_empty() {
            return;
        }
        let mut pegs = std::mem::take(&mut self.pegs);
        pegs.extend(self.specials.waiting.members(set).filter_map(|slot| {
            let extra = self.specials.extra(slot);
            let price = self.peg_price(instrument, is_buy, (extra.price_type, extra.peg_offset, extra.price))?;
            Some(Peg { price: price.0, age: extra.order_ref, slot })
        }));
        let worse = |peg: &Peg| if is_buy { u32::MAX - peg.price } else { peg.price };
        pegs.sort_unstable_by_key(|peg| (worse(peg), peg.age));
        self.pegs = pegs;
    }

    /// The price of a pegged order (its kind, offset and limit) by the displayed quote; `None` where that has none for it.
    pub(super) fn peg_price(
        &self,
        instrument: InstrumentId,
        is_buy: bool,
        (kind, offset, limit): (u8, i32, Price),
    ) -> Option<Price> {
        let (own, other) = (self.displayed_best(instrument, is_buy), self.displayed_best(instrument, !is_buy));
        let reference = match kind {
            b'R' => own?.0,
            b'P' => other?.0,
            _ => own?.0.midpoint(other?.0),
        };
        let tick = i64::from(self.instruments.instrument(instrument).tick.get());
        let mut price = i64::from(reference) + i64::from(offset);
        if !limit.is_market() {
            let limit = i64::from(limit.0);
            price = if is_buy { price.min(limit) } else { price.max(limit) };
        }
        // One tick short of what would be taking.
        match other.map(|other| i64::from(other.0)) {
            Some(ask) if is_buy && price >= ask => price = ask - tick,
            Some(bid) if !is_buy && price <= bid => price = bid + tick,
            Some(_) | None => {}
        }
        u32::try_from(price).ok().map(Price).filter(|price| price.is_limit())
    }

    /// The best displayed price of a side.
    pub(super) fn displayed_best(&self, instrument: InstrumentId, is_buy: bool) -> Option<Price> {
        let side = side_id(instrument.0, is_buy);
        let (key, _) = self.books.levels(side).find(|(key, _)| is_displayed(*key))?;
        Some(self.price_at(instrument, side, key))
    }
}
