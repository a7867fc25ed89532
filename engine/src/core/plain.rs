//! The short way of most requests: a displayed limit order without attribution, conditions or wishes, entered or as a
//! replacement, that rests as it is; and one that takes.
//!
//! It decides nothing that the long way (`orders.rs`, `validate.rs`) would decide otherwise: what is not plain, or not
//! right, goes there, before anything has changed.

use super::Core;
use super::book::ladder::{key_of, limit_against, side_id};
use super::book::slab::{Cold, Node, OrderFlags};
use super::matcher::{Incoming, Plan};
use super::orders::{write_cold, write_cold_of_replacement};
use super::risk::Entrant;
use super::sink::{EventSink, Out};
use super::validate::RULED;
use crate::ORDER_TYPES;
use protocol::EventBody;
use protocol::command::{EnterOrder, OrderTags, ReplaceOrder, TagSet};
use protocol::event::Shown;
use protocol::types::{CrossType, Display, Firm, Nanos, OrderRef, OrderState, Qty, TimeInForce};

/// Tags that a plain order does not have.
const UNUSUAL: u32 = RULED | TagSet::FIRM.0 | TagSet::REPORT_DETAILS.0 | TagSet::SIDE.0;

/// Nothing of this makes an order more than a displayed one for some time or none.
#[inline]
fn is_plain(tags: &OrderTags, display: Display, time_in_force: TimeInForce) -> bool {
    tags.present.0 & UNUSUAL == 0
        && display == Display::Visible
        && !(ORDER_TYPES && matches!(time_in_force, TimeInForce::Gtt | TimeInForce::Gtd | TimeInForce::AfterHours))
}

/// Event: a plain order is live.
#[inline(always)]
#[expect(clippy::inline_always, reason = "on the way of nearly every command")]
fn accepted(enter: &EnterOrder, order_ref: OrderRef, shown: Shown) -> EventBody {
    EventBody::Accepted {
        owner: enter.owner,
        user_ref_num: enter.user_ref_num,
        quantity: enter.quantity,
        price: enter.price,
        order_ref,
        instrument: enter.instrument,
        side: enter.side,
        state: OrderState::Live,
        shown,
        firm: Firm::BLANK,
    }
}

impl Core {
    /// Something is set for the account, for the instrument, or for everybody.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(super) fn is_guarded(&self, enter: &EnterOrder) -> bool {
        let instrument = self.instruments.instrument(enter.instrument);
        self.accounts.account(enter.owner.account()).is_guarded() || instrument.is_guarded()
    }

    /// A plain order that is checked against limits: when it is far from all of them it goes on as any plain one.
    #[inline(never)]
    pub(super) fn enter_guarded(&mut self, enter: &EnterOrder, tick: u32, out: &mut Out<'_, impl EventSink>) {
        let side = side_id(enter.instrument.0, enter.side.is_buy());
        let key = key_of(side, tick, true);
        let crosses = self.books.side(side ^ 1).best_key() >= limit_against(key);
        // What it will do is known before it is counted.
        let is_decided =
            if crosses { enter.time_in_force != TimeInForce::Fok } else { !enter.time_in_force.is_immediate() };
        let entrant = Entrant {
            owner: enter.owner,
            number: enter.user_ref_num,
            instrument: enter.instrument,
            side: enter.side,
            quantity: enter.quantity.0,
            price: enter.price.0,
            rests: !crosses,
        };
        if !is_decided || !self.risk.admit(&entrant, out.ingress()) {
            self.enter_checked(enter, out);
        } else if crosses {
            self.take_plain(enter, tick, out);
            self.risk.land();
        } else {
            self.rest_decided(enter, (side, key), out);
        }
    }

    /// The tick of a plain limit order when nothing is wrong with it, limits apart. `None` says nothing.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(super) fn plain_tick(&self, enter: &EnterOrder) -> Option<u32> {
        let instrument = self.instruments.find(enter.instrument)?;
        let tick = instrument.tick_of(enter.price)?;
        let fits = is_plain(&enter.tags, enter.display, enter.time_in_force)
            && (!ORDER_TYPES || enter.cross_type == CrossType::Continuous)
            && enter.price.is_limit()
            && enter.quantity.0.wrapping_sub(1) < instrument.max_qty
            && instrument.is_on_lot(enter.quantity)
            && instrument.is_ordinary()
            && self.accounts.account(enter.owner.account()).is_ordinary()
            && !self.books.slab.is_full();
        fits.then_some(tick)
    }

    /// Rests a plain order, when it may rest and trades with nothing; else false, and nothing is done.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(super) fn rest_plain(&mut self, enter: &EnterOrder, tick: u32, out: &mut Out<'_, impl EventSink>) -> bool {
        let side = side_id(enter.instrument.0, enter.side.is_buy());
        let key = key_of(side, tick, true);
        if self.books.side(side ^ 1).best_key() >= limit_against(key) || enter.time_in_force.is_immediate() {
            return false;
        }
        self.rest_decided(enter, (side, key), out);
        true
    }

    /// Rests a plain order that may rest, and trades with nothing.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    fn rest_decided(&mut self, enter: &EnterOrder, (side, key): (u32, u32), out: &mut Out<'_, impl EventSink>) {
        let order_ref = self.take_order_ref();
        out.push(accepted(enter, order_ref, Shown::Anonymous));
        let flags = OrderFlags::new(enter.side, Display::Visible, false, false);
        let node = Node::order(enter.owner, enter.user_ref_num, enter.quantity.0, order_ref, flags);
        self.put(side, key, &node, |record| write_cold(enter, record));
    }

    /// Trades a plain order that crosses, and rests what is left if it may; false, and nothing is done, when it crosses
    /// nothing or must be filled whole.
    #[inline(never)]
    pub(super) fn take_plain(&mut self, enter: &EnterOrder, tick: u32, out: &mut Out<'_, impl EventSink>) -> bool {
        let side = side_id(enter.instrument.0, enter.side.is_buy());
        let key = key_of(side, tick, true);
        let limit_key = limit_against(key);
        if self.books.side(side ^ 1).best_key() < limit_key || enter.time_in_force == TimeInForce::Fok {
            return false;
        }
        let order_ref = self.take_order_ref();
        out.push(accepted(enter, order_ref, Shown::No));
        let order = Incoming {
            owner: enter.owner,
            user_ref_num: enter.user_ref_num,
            order_ref,
            instrument: enter.instrument,
            side,
            key,
            limit_key,
            quantity: enter.quantity.0,
            min_qty: 0,
            is_immediate: enter.time_in_force.is_immediate(),
            flags: OrderFlags::new(enter.side, Display::Visible, false, false),
        };
        self.carry_out(Plan::Trade, &order, |record| write_cold(enter, record), out);
        true
    }

    /// Replaces a plain order at `slot` by a plain one that rests; else false, and nothing is done. The number of the
    /// replacement is fresh.
    #[inline]
    pub(super) fn replace_plain(
        &mut self,
        replace: &ReplaceOrder,
        (slot, place): (u32, usize),
        out: &mut Out<'_, impl EventSink>,
    ) -> bool {
        let original = *self.books.slab.node(slot);
        let Some((side, key, open)) = self.plain_replacement(replace, slot, &original) else {
            return false;
        };
        if self.accounts.account(replace.owner.account()).is_guarded()
            || self.instruments.instrument(self.instrument_of(slot)).is_guarded()
        {
            let entrant = Entrant {
                owner: replace.owner,
                number: replace.user_ref_num,
                instrument: self.instrument_of(slot),
                side: original.flags().side(),
                quantity: open,
                price: replace.price.0,
                rests: true,
            };
            if !self.admit_replacement(&entrant, slot, out.ingress()) {
                return false;
            }
        }
        self.accounts.consume(replace.owner, replace.user_ref_num);
        let instrument = self.instrument_of(slot);
        let cold: Cold = *self.books.slab.cold(slot);
        let order_ref = self.take_order_ref();
        self.take_off_at(replace.owner, slot, place);
        out.push(EventBody::Replaced {
            owner: replace.owner,
            orig_user_ref_num: replace.orig_user_ref_num,
            user_ref_num: replace.user_ref_num,
            quantity: Qty(open),
            price: replace.price,
            order_ref,
            old_order_ref: original.order_ref(),
            instrument,
            side: original.flags().side(),
            capacity: cold.capacity,
            cross_type: cold.cross_type,
            state: OrderState::Live,
            shown: Shown::Anonymous,
            old_shown: true,
        });
        let node = Node::order(replace.owner, replace.user_ref_num, open, order_ref, original.flags());
        self.put(side, key, &node, |record| write_cold_of_replacement(replace, &cold, record));
        true
    }

    /// Counts a plain replacement instead of its original, when it may even stand beside it. False says nothing.
    #[inline(never)]
    fn admit_replacement(&mut self, entrant: &Entrant, slot: u32, now: Nanos) -> bool {
        let original = self.plain_order(slot);
        let is_admitted = self.risk.admit(entrant, now);
        if is_admitted {
            self.risk.leave(&original, original.leaves);
        }
        is_admitted
    }

    /// Side, key and open quantity of a plain replacement that rests.
    #[inline]
    fn plain_replacement(&self, replace: &ReplaceOrder, slot: u32, original: &Node) -> Option<(u32, u32, u32)> {
        /// Displayed without a name, no details, not post-only: the side is all that may differ.
        const PLAIN: u8 = OrderFlags::of_display(Display::Visible);
        let level = self.books.slab.node(original.level);
        let instrument = self.instruments.instrument(self.instrument_of(slot));
        let tick = instrument.tick_of(replace.price)?;
        let cold = self.books.slab.cold(slot);
        let (side, open) = (level.side(), replace.quantity.0.saturating_sub(cold.done));
        let key = key_of(side, tick, true);
        let fits = is_plain(&replace.tags, replace.display, replace.time_in_force)
            && original.flags().0 & !OrderFlags::SIDE == PLAIN
            && (!ORDER_TYPES || cold.cross_type == CrossType::Continuous)
            && !replace.time_in_force.is_immediate()
            && replace.price.is_limit()
            && open != 0
            && replace.quantity.0 <= instrument.max_qty
            && instrument.is_on_lot(replace.quantity)
            && instrument.is_ordinary()
            && self.accounts.account(replace.owner.account()).is_ordinary()
            && self.books.side(side ^ 1).best_key() < limit_against(key);
        fits.then_some((side, key, open))
    }
}
