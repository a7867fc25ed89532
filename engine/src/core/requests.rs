//! Cancel, Modify, Mass Cancel, the entry switches, Query and Refuse (ouch50.md §6).

use super::Core;
use super::book::ladder;
use super::book::slab::name_of;
use super::jobs::{Asked, Filter, JOBS_MAX};
use super::sink::{EventSink, Out};
use crate::ORDER_TYPES;
use protocol::command::{AccountQuery, CancelOrder, EntrySwitch, MassCancel, ModifyOrder, Refuse};
use protocol::types::{CancelReason, Firm, InstrumentId, Owner, Qty, Side, UserRefNum};
use protocol::{EventBody, RejectReason};

impl Core {
    /// Reduces or cancels. Unknown, finished or not smaller: ignored. What stays keeps its priority.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(super) fn cancel(&mut self, cancel: &CancelOrder, out: &mut Out<'_, impl EventSink>) {
        let Some((slot, place)) = self.find_at(cancel.owner, cancel.user_ref_num) else {
            return;
        };
        if ORDER_TYPES && (self.books.slab.node(slot).flags().special() || self.crossings != 0) {
            return self.cancel_special(cancel, slot, out);
        }
        if cancel.quantity == Qty::ZERO {
            self.tell_canceled(slot, self.books.slab.node(slot).leaves, CancelReason::User, out);
            return self.take_off_at(cancel.owner, slot, place);
        }
        self.reduce_to(cancel, slot, out);
    }

    /// Reduces an order to the size that its owner intends.
    #[inline(never)]
    fn reduce_to(&mut self, cancel: &CancelOrder, slot: u32, out: &mut Out<'_, impl EventSink>) {
        let leaves = self.books.slab.node(slot).leaves;
        let intended = cancel.quantity.0.saturating_sub(self.books.slab.cold(slot).done);
        if intended == 0 {
            self.cancel_whole(slot, CancelReason::User, out);
        } else if intended < leaves {
            self.tell_canceled(slot, leaves - intended, CancelReason::User, out);
            self.books.slab.reduce(slot, leaves - intended);
        }
    }

    /// Takes all that is open off an order.
    pub(super) fn cancel_whole(&mut self, slot: u32, reason: CancelReason, out: &mut Out<'_, impl EventSink>) {
        self.note_changed(self.instrument_of(slot));
        if ORDER_TYPES && self.books.slab.node(slot).flags().special() {
            return self.cancel_whole_special(slot, reason, out);
        }
        self.tell_canceled(slot, self.books.slab.node(slot).leaves, reason, out);
        self.take_off(slot);
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every cancel")]
    fn tell_canceled(&mut self, slot: u32, quantity: u32, reason: CancelReason, out: &mut Out<'_, impl EventSink>) {
        let node = self.books.slab.node(slot);
        out.details(node.flags().details(), || 0);
        out.push(EventBody::Canceled {
            owner: node.owner(),
            user_ref_num: node.user_ref_num(),
            quantity: Qty(quantity),
            leaves: Qty(node.leaves - quantity),
            order_ref: node.order_ref(),
            concealed: Qty::ZERO,
            instrument: self.instrument_of(slot),
            reason,
            shown: node.flags().shown(),
        });
        if self.accounts.account(node.owner().account()).is_guarded() {
            let order = self.plain_order(slot);
            self.risk.leave(&order, quantity);
        }
    }

    /// Changes the sell marking, or reduces, or both; ignored when a part of it is not allowed or nothing would change.
    pub(super) fn modify(&mut self, modify: &ModifyOrder, out: &mut Out<'_, impl EventSink>) {
        let Some(slot) = self.find(modify.owner, modify.user_ref_num) else {
            return;
        };
        let node = *self.books.slab.node(slot);
        if ORDER_TYPES && (node.flags().special() || self.crossings != 0) {
            return self.modify_special(modify, slot, out);
        }
        let side = node.flags().side();
        let intended = modify.quantity.0.saturating_sub(self.books.slab.cold(slot).done);
        let is_change = modify.side != side || intended < node.leaves;
        if intended > node.leaves || !self.may_mark(modify, slot) || !is_change {
            return;
        }
        out.details(node.flags().details(), || 0);
        let modified = EventBody::Modified {
            owner: modify.owner,
            user_ref_num: modify.user_ref_num,
            quantity: Qty(intended),
            removed: Qty(node.leaves - intended),
            order_ref: node.order_ref(),
            concealed: Qty::ZERO,
            instrument: self.instrument_of(slot),
            side: modify.side,
            shown: node.flags().shown(),
        };
        self.tell(modified, out);
        if intended == 0 {
            return self.take_off(slot);
        }
        let flags = node.flags().with_side(modify.side);
        self.books.slab.node_mut(slot).wide = node.order_ref().0 << 8 | u64::from(flags.0);
        if intended < node.leaves {
            self.books.slab.reduce(slot, node.leaves - intended);
        }
    }

    /// The marking of an order may become what a Modify asks: by the list of ouch50.md §6, and by the limits on short sales.
    pub(super) fn may_mark(&self, modify: &ModifyOrder, slot: u32) -> bool {
        let (from, to, account) = (self.books.slab.node(slot).flags().side(), modify.side, modify.owner.account());
        let instrument = self.instrument_of(slot);
        let has_locate = modify.shares_located == b'Y' || modify.locate_broker != Firm::BLANK;
        let is_listed = from == to
            || matches!(
                (from, to),
                (Side::Sell, Side::SellShort | Side::SellShortExempt) | (Side::SellShortExempt, Side::SellShort)
            );
        is_listed
            && (from == to
                || !self.risk.is_guarded(account, instrument)
                || self.risk.may_mark(account, instrument, (to, has_locate)))
    }

    /// Cancels what passes the filters, oldest first.
    pub(super) fn mass_cancel(&mut self, mass: &MassCancel, out: &mut Out<'_, impl EventSink>) {
        if !self.consume_or_answer(mass.owner, mass.user_ref_num, out) {
            return;
        }
        if let Err(reason) = self.check_mass_cancel(mass) {
            return self.reject(mass.owner, mass.user_ref_num, reason, out);
        }
        let MassCancel { owner, user_ref_num, firm, .. } = *mass;
        out.push(EventBody::MassCancelTaken { owner, user_ref_num, firm });
        self.begin_job(Some(owner.account()), Filter::Asked(Asked::of(mass)), out);
    }

    fn check_mass_cancel(&self, mass: &MassCancel) -> Result<(), RejectReason> {
        if mass.instrument.is_some_and(|instrument| self.instruments.find(instrument).is_none()) {
            return Err(RejectReason::SymbolUnknown);
        }
        self.own_firm(mass.owner, mass.firm)?;
        if self.accounts.defaults(mass.owner.account()).is_being_cancelled || self.jobs.len() >= JOBS_MAX {
            return Err(RejectReason::CancelPending);
        }
        Ok(())
    }

    /// Disables or enables order entry. The answer echoes the firm of the request.
    pub(super) fn switch_entry(&mut self, switch: &EntrySwitch, disable: bool, out: &mut Out<'_, impl EventSink>) {
        if !self.consume_or_answer(switch.owner, switch.user_ref_num, out) {
            return;
        }
        if let Err(reason) = self.own_firm(switch.owner, switch.firm) {
            return self.reject(switch.owner, switch.user_ref_num, reason, out);
        }
        self.accounts.set_disabled(switch.owner.account(), disable);
        let EntrySwitch { owner, user_ref_num, firm } = *switch;
        out.push(if disable {
            EventBody::EntryDisabled { owner, user_ref_num, firm }
        } else {
            EventBody::EntryEnabled { owner, user_ref_num, firm }
        });
    }

    /// A request names the account's own firm, or none; another firm's name is refused.
    fn own_firm(&self, owner: Owner, firm: Firm) -> Result<(), RejectReason> {
        let own = self.accounts.names(owner.account()).firm;
        if firm == Firm::BLANK || firm == own { Ok(()) } else { Err(RejectReason::FirmNotAuthorized) }
    }

    /// Answers with the next number of the channel. Once 2^32 − 1 is used up there is none, and the answer repeats it.
    pub(super) fn query(&self, query: AccountQuery, out: &mut Out<'_, impl EventSink>) {
        let next = UserRefNum(self.accounts.consumed(query.owner).0.saturating_add(1));
        out.push(EventBody::NextUserRefNum { owner: query.owner, next });
    }

    /// A request that the edge found invalid.
    pub(super) fn refuse(&mut self, refuse: &Refuse, out: &mut Out<'_, impl EventSink>) {
        if self.consume_or_answer(refuse.owner, refuse.user_ref_num, out) {
            self.reject(refuse.owner, refuse.user_ref_num, refuse.reason, out);
        }
    }

    /// The slot of a live order.
    pub(super) fn find(&self, owner: Owner, number: UserRefNum) -> Option<u32> {
        self.find_at(owner, number).map(|(slot, _)| slot)
    }

    /// The slot of a live order, and its place in the index.
    #[inline]
    pub(super) fn find_at(&self, owner: Owner, number: UserRefNum) -> Option<(u32, usize)> {
        self.index.find(&self.books.slab, name_of(owner, number))
    }

    /// The instrument that an order rests on.
    pub(super) fn instrument_of(&self, slot: u32) -> InstrumentId {
        let level = self.books.slab.node(slot).level;
        InstrumentId(ladder::instrument_of(self.books.slab.node(level).side()))
    }
}
