//! Orders as bytes, in the form that the head of `snapshot.rs` gives.

use super::Core;
use super::book::ladder::{key_of, side_id};
use super::book::slab::{Cold, Node, OrderFlags};
use super::forest::NONE;
use super::snapshot::{DecodeStateError, Reader, put_count};
use super::special::{Extra, Place};
use protocol::types::{ClOrdId, CrossType, InstrumentId, Nanos, OrderRef, Owner, Price, UserRefNum};

/// One order of a snapshot.
struct Record {
    price: Price,
    open: u32,
    displayed: u32,
    feed_ref: u64,
    owner: Owner,
    number: UserRefNum,
    flags: OrderFlags,
    cold: Cold,
    extra: Extra,
}

impl Core {
    pub(super) fn encode_orders(&self, out: &mut Vec<u8>) {
        for id in (1..).take(self.instruments.count()) {
            for side in [side_id(id, true), side_id(id, false)] {
                let orders = || self.books.orders(side).filter(|slot| !self.is_reserve(*slot));
                put_count(out, orders().count());
                for slot in orders() {
                    self.encode_order(slot, out);
                }
            }
            let beside = self.beside(id);
            put_count(out, beside.len());
            for (_, slot) in beside {
                self.encode_order(slot, out);
            }
            let elected = self.specials.watch(InstrumentId(id)).elected;
            put_count(out, self.specials.waiting.members(elected).count());
            for slot in self.specials.waiting.members(elected) {
                out.extend_from_slice(&self.specials.extra(slot).order_ref.to_le_bytes());
            }
        }
    }

    /// References and slots of what waits beside the books of an instrument, by reference.
    pub(super) fn beside(&self, id: u16) -> Vec<(u64, u32)> {
        let sides = [side_id(id, true), side_id(id, false)];
        let parked = sides.into_iter().flat_map(|side| self.books.parked(side));
        let mut beside: Vec<(u64, u32)> = parked
            .filter(|slot| !self.is_reserve(*slot))
            .map(|slot| (self.specials.extra(slot).order_ref, slot))
            .collect();
        beside.sort_unstable();
        beside
    }

    fn encode_order(&self, slot: u32, out: &mut Vec<u8>) {
        let node = self.books.slab.node(slot);
        let cold = self.books.slab.cold(slot);
        let extra = match self.specials.extra_of(slot, node.flags()) {
            Some(extra) => *extra,
            None => Extra { price: self.price_of_order(slot), order_ref: node.order_ref().0, ..Extra::BLANK },
        };
        let price = if extra.price.is_limit() { extra.price.0 } else { 0 };
        let (owner, number) = (node.owner().to_bits(), node.user_ref_num().0);
        for number in [price, owner, number, self.open_of(slot), cold.done, cold.tags] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&extra.order_ref.to_le_bytes());
        out.extend_from_slice(&cold.group_id.to_le_bytes());
        out.extend_from_slice(&cold.cl_ord_id.0);
        out.extend_from_slice(&[
            node.flags().with_special(false).0,
            cold.time_in_force.letter(),
            cold.capacity.letter(),
            cold.cross_type.letter(),
            cold.customer_type,
            cold.cancel_on_disconnect,
            u8::from(cold.sweep),
        ]);
        out.extend_from_slice(&node.order_ref().0.to_le_bytes());
        let displayed = if self.is_shown(slot) { node.leaves } else { 0 };
        for number in [displayed, extra.min_qty, extra.max_floor, extra.random_reserves] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&extra.expire_at.0.to_le_bytes());
        out.extend_from_slice(&[extra.aiq, extra.aiq_group[0], extra.aiq_group[1], extra.price_type]);
        out.extend_from_slice(&extra.peg_offset.to_le_bytes());
        for number in [extra.stop_price.0, extra.trail_offset.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&[extra.stop_trigger, extra.handle_inst]);
    }

    pub(super) fn price_of_order(&self, slot: u32) -> Price {
        let level = self.books.slab.node(self.books.slab.node(slot).level);
        self.price_at(self.instrument_of(slot), level.side(), level.key())
    }

    pub(super) fn decode_orders(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeStateError> {
        let mut by_ref = Vec::new();
        for id in (1..).take(self.instruments.count()) {
            for is_buy in [true, false] {
                let mut worst = u32::MAX;
                for _ in 0..reader.u32()? {
                    let record = self.decode_order(reader)?;
                    reader.check(record.flags.side().is_buy() == is_buy, "side")?;
                    by_ref.push(self.decode_on_book(reader, id, &record, &mut worst)?);
                }
            }
            for _ in 0..reader.u32()? {
                let record = self.decode_order(reader)?;
                by_ref.push(self.decode_beside(reader, id, &record)?);
            }
            self.decode_elected(reader, id, &by_ref)?;
            reader.check(!self.is_crossed(id), "a book that is crossed")?;
        }
        by_ref.sort_unstable();
        reader.check(by_ref.windows(2).all(|pair| pair[0].0 < pair[1].0), "order reference")?;
        for (_, slot) in by_ref {
            let owner = self.books.slab.node(slot).owner();
            self.accounts.link(&mut self.books.slab, owner, slot);
        }
        Ok(())
    }

    fn decode_order(&self, reader: &mut Reader<'_>) -> Result<Record, DecodeStateError> {
        let price = Price(reader.u32()?);
        let owner = Owner::from_bits(reader.u32()?);
        let (number, open, done, tags) = (UserRefNum(reader.u32()?), reader.u32()?, reader.u32()?, reader.u32()?);
        let order_ref = reader.u64()?;
        let cold = Cold {
            done,
            tags,
            group_id: u16::from_le_bytes(reader.array()?),
            cl_ord_id: ClOrdId(reader.array()?),
            ..Cold::BLANK
        };
        let flags = OrderFlags::from_bits(reader.u8()?).filter(|flags| !flags.special());
        let cold = reader.letters(cold)?;
        let flags = reader.some(flags, "flags")?;
        let (feed_ref, displayed) = (reader.u64()?, reader.u32()?);
        let extra = Extra {
            order_ref,
            price: if price.0 == 0 { Price::MARKET } else { price },
            cross: cold.cross_type,
            ..reader.extra()?
        };
        let plain = Extra { order_ref: extra.order_ref, price: extra.price, ..Extra::BLANK };
        let says_what_counts = (extra.is_special() || extra == plain)
            && (extra.is_pegged() || extra.peg_offset == 0)
            && (extra.is_conditional() || extra.stop_trigger == plain.stop_trigger)
            && (extra.max_floor != 0 || extra.random_reserves == 0);
        reader.check(says_what_counts, "terms of an order")?;
        let known = (owner.account().0 as usize) < self.accounts.count();
        reader.check(known && number.0 != 0 && number <= self.accounts.consumed(owner), "owner or number")?;
        reader.check(self.find(owner, number).is_none(), "a number that is there twice")?;
        reader.check(open != 0 && displayed <= open && done.checked_add(open).is_some(), "quantity")?;
        for given in [order_ref, feed_ref] {
            reader.check(given != 0 && given <= self.order_refs && given >> 56 == 0, "order reference")?;
        }
        let places = if extra.max_floor == 0 { 1 } else { 2 };
        reader.check(self.books.slab.places_left() >= places, "number of orders")?;
        Ok(Record { price, open, displayed, feed_ref, owner, number, flags, cold, extra })
    }

    /// An order on the book; gives its reference and slot. `worst` is the key of the order of this side before it, and becomes
    /// its own.
    fn decode_on_book(
        &mut self,
        reader: &Reader<'_>,
        id: u16,
        record: &Record,
        worst: &mut u32,
    ) -> Result<(u64, u32), DecodeStateError> {
        let Record { flags, extra, .. } = record;
        let tick = self.instruments.instrument(InstrumentId(id)).tick_of(record.price);
        let tick = reader.some(tick.filter(|_| record.price.is_limit()), "price")?;
        let side = side_id(id, flags.side().is_buy());
        let key = key_of(side, tick, flags.shown());
        reader.check(key <= *worst, "order of the orders")?;
        *worst = key;
        let is_iceberg = extra.max_floor != 0;
        let displayed = if is_iceberg { record.displayed } else { record.open };
        let is_whole = if flags.shown() { record.displayed == displayed } else { record.displayed == 0 };
        let may_be_used_up = is_iceberg && self.instruments.terms(InstrumentId(id)).crossing.is_some();
        reader.check(
            is_whole && (displayed != 0 || may_be_used_up) && (flags.shown() || !is_iceberg),
            "displayed quantity",
        )?;
        let is_for_book = !extra.is_conditional() && !extra.is_pegged() && extra.cross == CrossType::Continuous;
        reader.check(is_for_book, "an order that waits, on the book")?;
        reader.check(is_iceberg || record.feed_ref == extra.order_ref, "order reference")?;
        let is_special = extra.is_special();
        let flags = flags.with_special(is_special);
        let node = Node::order(record.owner, record.number, displayed, OrderRef(record.feed_ref), flags);
        let slot = self.books.rest(side, key, &node, |cold| *cold = record.cold);
        if !flags.shown() {
            // To its place among the reserves of this price, which came with what is displayed.
            self.books.move_to(slot, key, |_| ());
        }
        self.index.insert(node.name, slot);
        if is_special {
            let mut extra = *extra;
            if is_iceberg {
                extra.half = self.rest_reserve(slot, &extra, record.open - displayed);
            }
            let enlisted = self.enlisted(slot);
            self.specials.enlist(slot, enlisted, extra);
            self.note_resting(InstrumentId(id));
            if is_iceberg && displayed == 0 {
                self.specials.note_used_up(slot, InstrumentId(id));
            }
        }
        Ok((extra.order_ref, slot))
    }

    /// An order that waits beside the book; gives its reference and slot.
    fn decode_beside(&mut self, reader: &Reader<'_>, id: u16, record: &Record) -> Result<(u64, u32), DecodeStateError> {
        let mut extra = record.extra;
        let waits = extra.is_conditional() || extra.is_pegged() || extra.cross != CrossType::Continuous;
        reader.check(waits && record.displayed == 0 && record.feed_ref == extra.order_ref, "what waits")?;
        extra.place = if extra.is_conditional() { Place::Dormant } else { Place::Book };
        let side = side_id(id, record.flags.side().is_buy());
        let flags = record.flags.with_special(true);
        let node = Node::order(record.owner, record.number, record.open, OrderRef(extra.order_ref), flags);
        let slot = self.books.park(side, &node, record.cold);
        self.index.insert(node.name, slot);
        if extra.max_floor != 0 {
            extra.half = self.rest_reserve(slot, &extra, 0);
        }
        let enlisted = self.enlisted(slot);
        self.specials.enlist(slot, enlisted, extra);
        self.note_resting(InstrumentId(id));
        Ok((extra.order_ref, slot))
    }

    fn decode_elected(
        &mut self,
        reader: &mut Reader<'_>,
        id: u16,
        by_ref: &[(u64, u32)],
    ) -> Result<(), DecodeStateError> {
        for _ in 0..reader.u32()? {
            let order_ref = reader.u64()?;
            let found = by_ref.iter().rev().find(|(found, _)| *found == order_ref).map(|(_, slot)| *slot);
            let is_dormant = |slot: &u32| {
                let flags = self.books.slab.node(*slot).flags();
                self.instrument_of(*slot) == InstrumentId(id)
                    && self.specials.extra_of(*slot, flags).is_some_and(|extra| extra.place == Place::Dormant)
            };
            let slot = reader.some(found.filter(is_dormant), "elected order")?;
            let enlisted = self.enlisted(slot);
            self.specials.change(slot, enlisted, |extra| extra.place = Place::Elected);
        }
        Ok(())
    }

    /// The best orders of both sides would trade. Orders with a minimum may stand crossed.
    pub(super) fn is_crossed(&self, id: u16) -> bool {
        let best = |side: u32| {
            let has_no_minimum = |slot: &u32| {
                let flags = self.books.slab.node(*slot).flags();
                self.specials.extra_of(*slot, flags).is_none_or(|extra| extra.min_qty == 0)
            };
            self.books.orders(side).find(has_no_minimum).map(|slot| self.price_of_order(slot))
        };
        let is_trading = self.instruments.instrument(InstrumentId(id)).is_trading();
        let (bid, ask) = (best(side_id(id, true)), best(side_id(id, false)));
        is_trading && bid.zip(ask).is_some_and(|(bid, ask)| bid >= ask)
    }
}

impl Reader<'_> {
    /// What an order out of the ordinary keeps.
    fn extra(&mut self) -> Result<Extra, DecodeStateError> {
        let (min_qty, max_floor, random_reserves) = (self.u32()?, self.u32()?, self.u32()?);
        let expire_at = Nanos(self.u64()?);
        let [aiq, first, second, price_type] = self.array()?;
        let peg_offset = i32::from_le_bytes(self.array()?);
        let (stop_price, trail_offset) = (Price(self.u32()?), Price(self.u32()?));
        let [stop_trigger, handle_inst] = self.array()?;
        self.check(matches!(price_type, b'L' | b'P' | b'M' | b'R'), "price type")?;
        self.check(matches!(stop_trigger, b'L' | b'Q' | b'M'), "trigger")?;
        Ok(Extra {
            expire_at,
            stop_price,
            trail_offset,
            min_qty,
            max_floor,
            random_reserves,
            half: NONE,
            peg_offset,
            aiq_group: [first, second],
            aiq,
            price_type,
            stop_trigger,
            handle_inst,
            ..Extra::BLANK
        })
    }
}
