//! Enter and Replace: number, checks, answer, then the matcher (ouch50.md §3 and §6).

use super::Core;
use super::accounts::Freshness;
use super::book::ladder::{key_of, side_id};
use super::book::slab::{Cold, Node, OrderFlags};
use super::matcher::{Incoming, Plan, shown};
use super::risk::{OpenOrder, Wish};
use super::sink::{EventSink, Out};
use super::validate::{ReplaceRefusal, Terms, has_locate};
use crate::ORDER_TYPES;
use protocol::command::{EnterOrder, OrderTags, RefuseReplace, ReplaceOrder, TagSet};
use protocol::event::Shown;
use protocol::types::{CancelReason, Display, Firm, Nanos, OrderRef, OrderState, Owner, Qty, TimeInForce, UserRefNum};
use protocol::{EventBody, RejectReason};

impl Core {
    /// A new order. A number that is not fresh is ignored.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(super) fn enter(&mut self, enter: &EnterOrder, out: &mut Out<'_, impl EventSink>) {
        if !self.consume_or_answer(enter.owner, enter.user_ref_num, out) {
            return;
        }
        match self.plain_tick(enter) {
            Some(tick) if self.is_guarded(enter) => self.enter_guarded(enter, tick, out),
            Some(tick) if self.rest_plain(enter, tick, out) || self.take_plain(enter, tick, out) => {}
            Some(tick) => self.enter_any(enter, Some(tick), out),
            None => self.enter_checked(enter, out),
        }
    }

    /// A new order that may be anything.
    #[inline(never)]
    pub(super) fn enter_checked(&mut self, enter: &EnterOrder, out: &mut Out<'_, impl EventSink>) {
        match self.check_enter(enter, out.ingress()) {
            Err(reason) => self.reject(enter.owner, enter.user_ref_num, reason, out),
            Ok(tick) if ORDER_TYPES && self.is_special(enter) => self.enter_special(enter, tick, out),
            Ok(tick) => self.enter_any(enter, tick, out),
        }
    }

    /// A new order that passed the checks.
    #[inline(never)]
    fn enter_any(&mut self, enter: &EnterOrder, tick: Option<u32>, out: &mut Out<'_, impl EventSink>) {
        let order = self.incoming(enter, tick);
        let plan = self.plan(&order);
        out.details(order.flags.details(), || self.quantity_ahead(&order, plan));
        self.tell_accepted(enter, &order, plan, out);
        self.carry_out(plan, &order, |record| write_cold(enter, record), out);
    }

    #[inline]
    fn tell_accepted(&mut self, enter: &EnterOrder, order: &Incoming, plan: Plan, out: &mut Out<'_, impl EventSink>) {
        let shown = plan.shown(order.flags);
        let is_named = shown == Shown::Attributed;
        out.push(EventBody::Accepted {
            owner: enter.owner,
            user_ref_num: enter.user_ref_num,
            quantity: enter.quantity,
            price: enter.price,
            order_ref: order.order_ref,
            instrument: enter.instrument,
            side: enter.side,
            state: plan.state(),
            shown,
            firm: if is_named { self.firm_shown(enter.owner, enter.display) } else { Firm::BLANK },
        });
        if self.accounts.account(enter.owner.account()).is_guarded() {
            let (named, what) = ((enter.owner, enter.user_ref_num), (enter.instrument, enter.side));
            self.risk.accepted(named, what, (enter.quantity, enter.price), (plan.state(), out.ingress()));
            if self.risk.is_sync_due() {
                self.sync_guards();
            }
        }
    }

    #[inline]
    pub(super) fn incoming(&mut self, enter: &EnterOrder, tick: Option<u32>) -> Incoming {
        let side = side_id(enter.instrument.0, enter.side.is_buy());
        Incoming {
            owner: enter.owner,
            user_ref_num: enter.user_ref_num,
            order_ref: self.take_order_ref(),
            instrument: enter.instrument,
            side,
            key: tick.map_or(0, |tick| key_of(side, tick, enter.display != Display::Hidden)),
            limit_key: tick.map_or(1, |tick| key_of(side ^ 1, tick, false)),
            quantity: enter.quantity.0,
            min_qty: min_qty(enter.time_in_force, enter.tags.min_qty, enter.quantity),
            is_immediate: is_immediate(enter.time_in_force, tick, &enter.tags),
            flags: OrderFlags::new(enter.side, enter.display, enter.tags.report_details, enter.tags.post_only),
        }
    }

    /// A Replace: ignored, or one of the outcomes 2 to 4 of ouch50.md §6.
    pub(super) fn replace(&mut self, replace: &ReplaceOrder, out: &mut Out<'_, impl EventSink>) {
        let Some((slot, place)) = self.find_replaceable(replace.owner, replace.orig_user_ref_num, replace.user_ref_num)
        else {
            return;
        };
        if !self.replace_plain(replace, (slot, place), out) {
            self.replace_any(replace, slot, out);
        }
    }

    /// A Replace of a live order, with a number that may be used.
    #[inline(never)]
    fn replace_any(&mut self, replace: &ReplaceOrder, slot: u32, out: &mut Out<'_, impl EventSink>) {
        let original = *self.books.slab.node(slot);
        let cold = *self.books.slab.cold(slot);
        let instrument = self.instrument_of(slot);
        let tags = self.inherited(replace, slot);
        let terms = Terms {
            quantity: replace.quantity,
            price: replace.price,
            time_in_force: replace.time_in_force,
            display: replace.display,
            cross_type: cold.cross_type,
            tags: &tags,
        };
        let places = self.places_of(slot);
        let side = original.flags().side();
        let checked = self
            .check_replace(replace, &terms, (instrument, side, places), out.ingress())
            .and_then(|tick| self.check_replace_risk(replace, (slot, &terms), out.ingress()).map(|()| tick));
        match checked {
            Err(ReplaceRefusal::CancelsOriginal) => self.cancel_whole(slot, CancelReason::User, out),
            Err(ReplaceRefusal::Rejects(reason)) => {
                self.accounts.consume(replace.owner, replace.user_ref_num);
                self.reject(replace.owner, replace.user_ref_num, reason, out);
            }
            Ok(tick) => {
                self.accounts.consume(replace.owner, replace.user_ref_num);
                let order = self.replacement(replace, slot, &tags, tick);
                if ORDER_TYPES && (original.flags().special() || self.is_special_replacement(&tags, instrument)) {
                    self.swap_special(replace, slot, (order, &tags), out);
                } else {
                    self.swap(replace, slot, &order, out);
                }
            }
        }
    }

    /// The risk checks of a replacement; nothing of it open is nothing to check.
    fn check_replace_risk(
        &self,
        replace: &ReplaceOrder,
        (slot, terms): (u32, &Terms<'_>),
        now: Nanos,
    ) -> Result<(), ReplaceRefusal> {
        let instrument = self.instrument_of(slot);
        let open = replace.quantity.0.saturating_sub(self.books.slab.cold(slot).done);
        if open == 0 || !self.risk.is_guarded(replace.owner.account(), instrument) {
            return Ok(());
        }
        let wish = Wish {
            owner: replace.owner,
            instrument,
            side: replace.tags.side.unwrap_or(self.books.slab.node(slot).flags().side()),
            quantity: open,
            price: replace.price,
            is_immediate: terms.is_immediate(),
            has_locate: has_locate(&replace.tags),
            replaces: self.counted(slot),
            is_election: false,
        };
        self.risk.check(&wish, now).map_err(ReplaceRefusal::Rejects)
    }

    /// An open order as the risk state counts it, when it does.
    pub(super) fn counted(&self, slot: u32) -> Option<OpenOrder> {
        let owner = self.books.slab.node(slot).owner();
        self.risk.is_counted(owner).then(|| self.open_order(slot))
    }

    /// The replacement as an order of its own. What its tags leave out is inherited.
    fn replacement(&mut self, replace: &ReplaceOrder, slot: u32, tags: &OrderTags, tick: Option<u32>) -> Incoming {
        let node = *self.books.slab.node(slot);
        let cold = *self.books.slab.cold(slot);
        let instrument = self.instrument_of(slot);
        let flags = node.flags();
        let details = if tags.present.has(TagSet::REPORT_DETAILS) { tags.report_details } else { flags.details() };
        let side = side_id(instrument.0, flags.side().is_buy());
        let open = Qty(replace.quantity.0.saturating_sub(cold.done));
        Incoming {
            owner: replace.owner,
            user_ref_num: replace.user_ref_num,
            order_ref: self.take_order_ref(),
            instrument,
            side,
            key: tick.map_or(0, |tick| key_of(side, tick, replace.display != Display::Hidden)),
            limit_key: tick.map_or(1, |tick| key_of(side ^ 1, tick, false)),
            quantity: open.0,
            min_qty: min_qty(replace.time_in_force, tags.min_qty, open),
            is_immediate: is_immediate(replace.time_in_force, tick, tags),
            flags: OrderFlags::new(tags.side.unwrap_or(flags.side()), replace.display, details, tags.post_only),
        }
    }

    /// Takes the original off and lets the replacement do what it will.
    fn swap(&mut self, replace: &ReplaceOrder, slot: u32, order: &Incoming, out: &mut Out<'_, impl EventSink>) {
        let original = *self.books.slab.node(slot);
        let cold = *self.books.slab.cold(slot);
        let open = self.counted(slot);
        self.take_off(slot);
        let plan = if order.quantity == 0 { Plan::Die } else { self.plan(order) };
        let old_shown = original.flags().shown();
        let now_shown = plan.shown(order.flags);
        // ITCH U keeps the attribution: when that changes, the old order leaves the feed and the new one joins it.
        let joins = now_shown != Shown::No && (!old_shown || now_shown != shown(original.flags().display()));
        out.details(order.flags.details(), || self.quantity_ahead(order, plan));
        let told = if joins && old_shown { Shown::No } else { now_shown };
        let replaced = replaced(replace, order, (&original, &cold), (plan.state(), told, old_shown));
        self.tell_of(replaced, [open, None], out);
        self.carry_out(plan, order, |record| write_cold_of_replacement(replace, &cold, record), out);
        if joins {
            out.push(self.rested(order, order.quantity));
        }
    }

    /// A Replace that the edge found invalid.
    pub(super) fn refuse_replace(&mut self, refuse: &RefuseReplace, out: &mut Out<'_, impl EventSink>) {
        if let Some((slot, _)) = self.find_replaceable(refuse.owner, refuse.orig_user_ref_num, refuse.user_ref_num) {
            if self.is_frozen(self.instrument_of(slot)) {
                self.accounts.consume(refuse.owner, refuse.user_ref_num);
                return self.reject(refuse.owner, refuse.user_ref_num, RejectReason::CancelPending, out);
            }
            self.cancel_whole(slot, CancelReason::User, out);
        }
    }

    /// The live order that a Replace names, when the number of the replacement may be used.
    fn find_replaceable(&self, owner: Owner, original: UserRefNum, number: UserRefNum) -> Option<(u32, usize)> {
        let found = self.find_at(owner, original)?;
        (number > self.accounts.consumed(owner)).then_some(found)
    }

    /// Tells a refusal.
    #[cold]
    pub(super) fn reject(
        &mut self,
        owner: Owner,
        user_ref_num: UserRefNum,
        reason: RejectReason,
        out: &mut Out<'_, impl EventSink>,
    ) {
        self.tell(EventBody::Rejected { owner, user_ref_num, reason }, out);
    }

    /// Uses up the number of a request that creates something. False when the request ends here: ignored, because the
    /// number is not fresh, or rejected, because there is no room for another channel.
    pub(super) fn consume_or_answer(
        &mut self,
        owner: Owner,
        number: UserRefNum,
        out: &mut Out<'_, impl EventSink>,
    ) -> bool {
        match self.accounts.consume(owner, number) {
            Freshness::Consumed => true,
            Freshness::Stale => false,
            Freshness::ChannelsFull => {
                self.reject(owner, number, RejectReason::ChannelsFull, out);
                false
            }
        }
    }

    /// Displayed quantity before an order that is about to rest displayed; it is looked up only when it is asked for.
    fn quantity_ahead(&self, order: &Incoming, plan: Plan) -> u64 {
        if order.flags.details() && plan == Plan::Rest && order.flags.shown() {
            self.books.total_at(order.side, order.key)
        } else {
            0
        }
    }

    pub(super) fn take_order_ref(&mut self) -> OrderRef {
        self.order_refs += 1;
        OrderRef(self.order_refs)
    }
}

/// Event: an order took the place of another, which is gone with its records; how the new one looks on the feed at once, and
/// whether the old one was there.
pub(super) fn replaced(
    replace: &ReplaceOrder,
    order: &Incoming,
    (original, cold): (&Node, &Cold),
    (state, shown, old_shown): (OrderState, Shown, bool),
) -> EventBody {
    EventBody::Replaced {
        owner: replace.owner,
        orig_user_ref_num: replace.orig_user_ref_num,
        user_ref_num: replace.user_ref_num,
        quantity: Qty(order.quantity),
        price: replace.price,
        order_ref: order.order_ref,
        old_order_ref: original.order_ref(),
        instrument: order.instrument,
        side: order.flags.side(),
        capacity: cold.capacity,
        cross_type: cold.cross_type,
        state,
        shown,
        old_shown,
    }
}

/// What an order keeps beside its hot record.
pub(super) fn cold_of(enter: &EnterOrder) -> Cold {
    let mut cold = Cold::BLANK;
    write_cold(enter, &mut cold);
    cold
}

/// The same, written where it stays.
#[inline(always)]
#[expect(clippy::inline_always, reason = "on the way of nearly every command")]
pub(super) fn write_cold(enter: &EnterOrder, record: &mut Cold) {
    let Cold {
        done,
        tags,
        time_in_force,
        capacity,
        cross_type,
        sweep,
        cl_ord_id,
        group_id,
        customer_type,
        cancel_on_disconnect,
        reserved,
    } = record;
    *done = 0;
    *tags = enter.tags.present.0;
    *time_in_force = enter.time_in_force;
    *capacity = enter.capacity;
    *cross_type = enter.cross_type;
    *sweep = enter.sweep;
    *cl_ord_id = enter.cl_ord_id;
    *group_id = enter.tags.group_id;
    *customer_type = enter.tags.customer_type;
    *cancel_on_disconnect = enter.tags.cancel_on_disconnect;
    *reserved = [0; 2];
}

/// What a replacement keeps: its own text and terms, the rest inherited.
pub(super) fn cold_of_replacement(replace: &ReplaceOrder, original: &Cold) -> Cold {
    let mut cold = Cold::BLANK;
    write_cold_of_replacement(replace, original, &mut cold);
    cold
}

/// The same, written where it stays.
#[inline]
pub(super) fn write_cold_of_replacement(replace: &ReplaceOrder, original: &Cold, record: &mut Cold) {
    let tags = &replace.tags;
    *record = *original;
    record.tags = tags.present.0;
    record.cl_ord_id = replace.cl_ord_id;
    record.time_in_force = replace.time_in_force;
    record.sweep = replace.sweep;
    if tags.present.has(TagSet::CANCEL_ON_DISCONNECT) {
        record.cancel_on_disconnect = tags.cancel_on_disconnect;
    }
}

/// The quantity that must trade at once.
fn min_qty(time_in_force: TimeInForce, tag: Qty, quantity: Qty) -> u32 {
    if time_in_force == TimeInForce::Fok { quantity.0 } else { tag.0 }
}

/// Nothing of the order may rest once it is active.
fn is_immediate(time_in_force: TimeInForce, tick: Option<u32>, tags: &OrderTags) -> bool {
    time_in_force.is_immediate() || tick.is_none() && tags.price_type == b'L'
}
