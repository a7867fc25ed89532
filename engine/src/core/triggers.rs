//! Conditional orders: which trigger price elects them, in which order, and what a trailing stop follows (ouch-extensions.md).
//!
//! Nothing here runs while no order waits. After a command, prices are looked at once per instrument it may have moved:
//! first trailing stops follow, then what is reached joins the queue of elections. Elected orders are processed one after the
//! other, each completely, with another look behind each; what one command may not elect any more waits for the next.

use super::Core;
use super::book::ladder::{key_of, side_id};
use super::forest::NONE;
use super::matcher::Incoming;
use super::orders_special::Fate;
use super::risk::{OpenOrder, Wish};
use super::sink::{EventSink, Out};
use super::special::{Enlisted, Extra, Place, Source, set_of};
use protocol::types::{CancelReason, InstrumentId, Nanos, Price};
use protocol::{CommandBody, EventBody, RejectReason};

/// Where prices may have moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// Nowhere.
    None,
    /// On one instrument.
    One(InstrumentId),
    /// Wherever something was noted to have changed.
    Changed,
}

impl Core {
    /// What conditional orders of this kind compare their stop price with. The middle is rounded down.
    pub(super) fn trigger_price(&self, instrument: InstrumentId, source: Source, is_buy: bool) -> Option<Price> {
        match source {
            Source::Last => Some(self.instruments.instrument(instrument).last_trade).filter(|price| price.0 != 0),
            Source::Quote => self.displayed_best(instrument, !is_buy),
            Source::Middle => {
                let (bid, ask) = (self.displayed_best(instrument, true)?, self.displayed_best(instrument, false)?);
                Some(Price(bid.0.midpoint(ask.0)))
            }
        }
    }

    /// Lets trailing stops follow, and puts what is reached into the queue of elections: buys by rising, then sells by
    /// falling stop price, each by age.
    pub(super) fn look_at_triggers(&mut self, instrument: InstrumentId) {
        for is_buy in [true, false] {
            let prices = Source::ALL.map(|source| self.trigger_price(instrument, source, is_buy));
            for (source, price) in Source::ALL.into_iter().zip(prices) {
                if let Some(price) = price {
                    self.follow(instrument, (source, is_buy), price);
                }
            }
            while let Some(slot) = self.next_reached(instrument, is_buy, prices) {
                let enlisted = self.enlisted(slot);
                self.specials.change(slot, enlisted, |extra| extra.place = Place::Elected);
            }
        }
    }

    fn follow(&mut self, instrument: InstrumentId, (source, is_buy): (Source, bool), price: Price) {
        let set = set_of(source, is_buy);
        while let Some(slot) = self.specials.trailing.first(self.specials.watch(instrument).trails[set]) {
            let mut extra = *self.specials.extra(slot);
            if !extra.follow(price, is_buy) {
                break;
            }
            let enlisted = self.enlisted(slot);
            self.specials.change(slot, enlisted, |record| *record = extra);
        }
    }

    /// Of all that is reached on a side, what was to be reached first.
    fn next_reached(&self, instrument: InstrumentId, is_buy: bool, prices: [Option<Price>; 3]) -> Option<u32> {
        let watch = self.specials.watch(instrument);
        let heads = Source::ALL.into_iter().zip(prices).filter_map(|(source, price)| {
            let slot = self.specials.waiting.first(watch.stops[set_of(source, is_buy)])?;
            self.specials.extra(slot).is_reached(price?, is_buy).then_some(slot)
        });
        heads.min_by_key(|slot| self.specials.waiting.key(*slot))
    }

    /// Before a command, while orders are conditional: the instrument of the order that it names.
    #[cold]
    pub(super) fn instrument_named(&mut self, body: &CommandBody) -> Option<InstrumentId> {
        self.changed.fill(0);
        let (owner, number) = match body {
            CommandBody::Cancel(cancel) => (cancel.owner, cancel.user_ref_num),
            CommandBody::Replace(replace) => (replace.owner, replace.orig_user_ref_num),
            CommandBody::Modify(modify) => (modify.owner, modify.user_ref_num),
            CommandBody::RefuseReplace(refuse) => (refuse.owner, refuse.orig_user_ref_num),
            CommandBody::Enter(_)
            | CommandBody::MassCancel(_)
            | CommandBody::DisableEntry(_)
            | CommandBody::EnableEntry(_)
            | CommandBody::Query(_)
            | CommandBody::Refuse(_)
            | CommandBody::OpenVenue(_)
            | CommandBody::ListInstrument(_)
            | CommandBody::SetTradingState(_)
            | CommandBody::SetShortSaleTest(_)
            | CommandBody::OpenAccount(_)
            | CommandBody::SystemEvent(_)
            | CommandBody::Venue(_)
            | CommandBody::Operator(_) => return None,
        };
        self.find(owner, number).map(|slot| self.instrument_of(slot))
    }

    /// After a command, while orders are conditional: `named` is the instrument of the order that it named, `refs` how many
    /// references had been given before it.
    #[cold]
    pub(super) fn look_after(
        &mut self,
        body: &CommandBody,
        before: (Option<InstrumentId>, u64),
        out: &mut Out<'_, impl EventSink>,
    ) {
        match self.touched_by(body, before, out.told()) {
            Touched::None => {}
            Touched::One(instrument) => self.look(instrument, out),
            Touched::Changed => self.look_everywhere(out),
        }
    }

    /// What a command touched that has told so many events.
    pub(super) fn touched_by(
        &self,
        body: &CommandBody,
        (named, refs): (Option<InstrumentId>, u64),
        told: u32,
    ) -> Touched {
        let touched = match body {
            CommandBody::Enter(enter) => (self.order_refs != refs).then_some(enter.instrument),
            CommandBody::Replace(replace) => {
                let is_there = self.find(replace.owner, replace.orig_user_ref_num).is_some();
                let new = self.find(replace.owner, replace.user_ref_num).map(|slot| self.instrument_of(slot));
                named.or(new).filter(|_| self.order_refs != refs || named.is_some() && !is_there)
            }
            CommandBody::Cancel(_) | CommandBody::Modify(_) | CommandBody::RefuseReplace(_) => {
                named.filter(|_| told != 0)
            }
            CommandBody::MassCancel(_)
            | CommandBody::SetTradingState(_)
            | CommandBody::SystemEvent(_)
            | CommandBody::Venue(_)
            | CommandBody::Operator(_) => return Touched::Changed,
            CommandBody::DisableEntry(_)
            | CommandBody::EnableEntry(_)
            | CommandBody::Query(_)
            | CommandBody::Refuse(_)
            | CommandBody::OpenVenue(_)
            | CommandBody::ListInstrument(_)
            | CommandBody::SetShortSaleTest(_)
            | CommandBody::OpenAccount(_) => None,
        };
        touched.map_or(Touched::None, Touched::One)
    }

    /// After a command that touched one instrument.
    #[cold]
    pub(super) fn look(&mut self, instrument: InstrumentId, out: &mut Out<'_, impl EventSink>) {
        let is_watched = self.specials.watch(instrument).conditional != 0;
        if is_watched && self.instruments.instrument(instrument).is_trading() {
            self.look_at_triggers(instrument);
            self.elect_some(instrument, out);
        }
    }

    /// After a command that touched what was noted.
    pub(super) fn look_everywhere(&mut self, out: &mut Out<'_, impl EventSink>) {
        for word in 0..self.changed.len() {
            // Elections change things too, but not what is looked at.
            let mut bits = std::mem::take(&mut self.changed[word]);
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let index = u16::try_from(word * 64).unwrap_or(0) + u16::try_from(bit).unwrap_or(0);
                self.look(InstrumentId(index), out);
            }
        }
    }

    /// Notes that a command changed something on an instrument, when anybody wants to know.
    pub(super) fn note_changed(&mut self, instrument: InstrumentId) {
        if self.specials.conditional != 0 {
            self.changed[usize::from(instrument.0) / 64] |= 1 << (instrument.0 % 64);
        }
    }

    /// Elects from the front of an instrument's queue, as many as one command may.
    pub(super) fn elect_some(&mut self, instrument: InstrumentId, out: &mut Out<'_, impl EventSink>) {
        // The events of a command have a bound, and so have its elections.
        let most = self.orders_per_command_max() / 3 + 20;
        for _ in 0..u32::from(self.instruments.terms(instrument).elections_max).min(most) {
            if !self.instruments.instrument(instrument).is_trading() {
                return;
            }
            let Some(slot) = self.specials.waiting.first(self.specials.watch(instrument).elected) else { return };
            if self.touches_left() < self.orders_per_command_max().div_ceil(2) {
                return;
            }
            self.elect(slot, out);
            if self.instruments.instrument(instrument).is_trading() {
                self.look_at_triggers(instrument);
            }
        }
    }

    /// Makes an order of a conditional one.
    fn elect(&mut self, slot: u32, out: &mut Out<'_, impl EventSink>) {
        let node = *self.books.slab.node(slot);
        let cold = *self.books.slab.cold(slot);
        let mut extra = *self.specials.extra(slot);
        let instrument = self.instrument_of(slot);
        let open = self.counted(slot);
        self.take_off(slot);
        if let Some(open) = open {
            self.risk.take_up(open);
        }
        let order_ref = self.take_order_ref();
        extra = Extra {
            order_ref: order_ref.0,
            stop_price: Price(0),
            trail_offset: Price(0),
            stop_trigger: b'L',
            place: Place::Book,
            half: NONE,
            ..extra
        };
        let flags = node.flags();
        out.details(flags.details(), || 0);
        out.push(EventBody::PriorityUpdated {
            owner: node.owner(),
            user_ref_num: node.user_ref_num(),
            price: if extra.price.is_limit() { extra.price } else { Price::MARKET },
            display: flags.display(),
            order_ref,
        });
        let side = side_id(instrument.0, flags.side().is_buy());
        let tick = self.instruments.instrument(instrument).tick_of(extra.price).filter(|_| extra.price.is_limit());
        let order = Incoming {
            owner: node.owner(),
            user_ref_num: node.user_ref_num(),
            order_ref,
            instrument,
            side,
            key: tick.map_or(0, |tick| key_of(side, tick, flags.shown())),
            limit_key: 0,
            quantity: node.leaves,
            min_qty: extra.min_qty,
            is_immediate: cold.time_in_force.is_immediate() || tick.is_none(),
            flags: flags.with_special(false),
        };
        if let Err(reason) = self.check_election(&order, (extra.price, open), out.ingress()) {
            if reason == RejectReason::DayLossPassed {
                self.risk.note_loss(order.owner.account());
            }
            let is_killed = matches!(reason, RejectReason::AccountKilled | RejectReason::InstrumentKilled);
            let reason = if is_killed { CancelReason::Supervisory } else { CancelReason::Collar };
            return self.tell_end(&order, order.quantity, reason, out);
        }
        let mut taker = self.taker(order, cold, extra);
        let fate = self.fate(&mut taker);
        if fate == Fate::Dies {
            self.tell_end(&order, order.quantity, CancelReason::Immediate, out);
            self.pause(instrument, taker.pause, out);
        } else {
            self.fulfil(fate, taker, true, out);
        }
    }

    /// The risk checks once more: much may have changed since the order was accepted. What they refuse is cancelled, by a kill
    /// switch as the venue staff would, else as what cannot be executed.
    fn check_election(
        &self,
        order: &Incoming,
        (price, open): (Price, Option<OpenOrder>),
        now: Nanos,
    ) -> Result<(), RejectReason> {
        if !self.risk.is_guarded(order.owner.account(), order.instrument) {
            return Ok(());
        }
        let wish = Wish {
            owner: order.owner,
            instrument: order.instrument,
            side: order.flags.side(),
            quantity: order.quantity,
            price: if price.is_limit() { price } else { Price::MARKET },
            is_immediate: order.is_immediate,
            // It was asked for when the order came.
            has_locate: true,
            replaces: open,
            is_election: true,
        };
        self.risk.check(&wish, now)
    }

    /// What the sets know of an order.
    pub(super) fn enlisted(&self, slot: u32) -> Enlisted {
        let node = self.books.slab.node(slot);
        Enlisted { instrument: self.instrument_of(slot), is_buy: node.flags().side().is_buy() }
    }
}

impl Extra {
    /// The trigger price reaches the stop price.
    pub(super) fn is_reached(&self, price: Price, is_buy: bool) -> bool {
        self.stop_price.0 != 0 && if is_buy { price >= self.stop_price } else { price <= self.stop_price }
    }

    /// A trailing stop sees a trigger price: false when that does not move its stop price.
    pub(super) fn follow(&mut self, price: Price, is_buy: bool) -> bool {
        let offset = self.trail_offset.0;
        if offset == 0 {
            return false;
        }
        let stop = if is_buy { price.0.saturating_add(offset) } else { price.0.saturating_sub(offset) };
        let is_better = stop != 0 && (self.stop_price.0 == 0 || (stop < self.stop_price.0) == is_buy);
        if is_better && stop != self.stop_price.0 {
            self.stop_price = Price(stop);
            return true;
        }
        false
    }
}
