//! The naive model's Cancel, Modify, Mass Cancel and entry switches.

use super::features::Features;
use super::naive_book::{NaiveVenue, qty};
use super::naive_time::Filter;
use protocol::command::{CancelOrder, EntrySwitch, MassCancel, ModifyOrder};
use protocol::types::{CancelReason, Firm, OrderRef, Owner, Qty, Side, UserRefNum};
use protocol::{EventBody, RejectReason};

impl NaiveVenue {
    pub(super) fn cancel(&mut self, cancel: &CancelOrder) {
        let Some(order) = self.live(cancel.owner, cancel.user_ref_num).cloned() else {
            return;
        };
        let stays =
            if cancel.quantity == Qty::ZERO { 0 } else { u64::from(cancel.quantity.0).saturating_sub(order.done) };
        if stays == 0 {
            self.cancel_or_wait(&order, CancelReason::User);
        } else if stays < order.open && self.is_frozen(order.instrument) {
            self.tell_details(&order, 0);
            self.tell(EventBody::CancelRejected { owner: order.owner, user_ref_num: order.number });
        } else if stays < order.open {
            self.tell_details(&order, 0);
            let removed = order.open - stays;
            let mut reduced = order.clone();
            let concealed = reduced.reduce(removed);
            self.tell(EventBody::Canceled {
                owner: order.owner,
                user_ref_num: order.number,
                quantity: qty(removed),
                leaves: qty(stays),
                order_ref: OrderRef(order.feed_ref),
                concealed: qty(concealed),
                instrument: order.instrument,
                reason: CancelReason::User,
                shown: order.is_on_feed(),
            });
            self.change(&order, |found| *found = reduced);
        }
    }

    /// Cancels all that is open of a resting order.
    pub(super) fn cancel_rest(&mut self, owner: Owner, number: UserRefNum) {
        self.cancel_rest_for(owner, number, CancelReason::User);
    }

    /// The same for this reason.
    pub(super) fn cancel_rest_for(&mut self, owner: Owner, number: UserRefNum, reason: CancelReason) {
        if let Some(order) = self.take(owner, number) {
            self.tell_details(&order, 0);
            self.tell(EventBody::Canceled {
                owner,
                user_ref_num: number,
                quantity: qty(order.open),
                leaves: Qty::ZERO,
                order_ref: OrderRef(order.feed_ref),
                concealed: qty(if order.is_on_feed() { order.open - order.displayed } else { 0 }),
                instrument: order.instrument,
                reason,
                shown: order.is_on_feed(),
            });
        }
    }

    pub(super) fn modify(&mut self, modify: &ModifyOrder) {
        let Some(order) = self.live(modify.owner, modify.user_ref_num).cloned() else {
            return;
        };
        let stays = u64::from(modify.quantity.0).saturating_sub(order.done);
        let is_allowed = match (order.side, modify.side) {
            (Side::Sell, Side::SellShort | Side::SellShortExempt) | (Side::SellShortExempt, Side::SellShort) => true,
            (from, to) => from == to,
        };
        let is_allowed = is_allowed && (modify.side == order.side || self.may_be_marked(modify, order.instrument));
        let changes = stays < order.open || modify.side != order.side;
        if !is_allowed || !changes || stays > order.open || self.is_frozen(order.instrument) {
            return;
        }
        self.tell_details(&order, 0);
        let removed = order.open - stays;
        let mut reduced = order.clone();
        let concealed = reduced.reduce(removed);
        reduced.side = modify.side;
        self.tell(EventBody::Modified {
            owner: order.owner,
            user_ref_num: order.number,
            quantity: qty(stays),
            removed: qty(removed),
            concealed: qty(concealed),
            order_ref: OrderRef(order.feed_ref),
            instrument: order.instrument,
            side: modify.side,
            shown: order.is_on_feed(),
        });
        self.change(&order, |found| *found = reduced);
        if stays == 0 {
            self.take(order.owner, order.number);
        }
    }

    pub(super) fn mass_cancel(&mut self, mass: &MassCancel) {
        if !self.consume(mass.owner, mass.user_ref_num) {
            return;
        }
        let firm = self.account(mass.owner).firm;
        let own = self.orders().filter(|order| order.owner.account() == mass.owner.account()).count();
        let listed = 1..=self.instruments.len();
        let refusal = if mass.instrument.is_some_and(|instrument| !listed.contains(&usize::from(instrument.0))) {
            Some(RejectReason::SymbolUnknown)
        } else if mass.firm != Firm::BLANK && mass.firm != firm {
            Some(RejectReason::FirmNotAuthorized)
        } else if self.is_being_cancelled(mass.owner.account()) || self.are_cancels_full() {
            Some(RejectReason::CancelPending)
        } else if own as u64 > self.bound() && !self.knows(Features::MASS) {
            Some(RejectReason::NotSupported)
        } else {
            None
        };
        if let Some(reason) = refusal {
            return self.reject(mass.owner, mass.user_ref_num, reason);
        }
        self.tell(EventBody::MassCancelTaken { owner: mass.owner, user_ref_num: mass.user_ref_num, firm: mass.firm });
        self.begin_job(Some(mass.owner.account()), Filter::Asked(*mass));
    }

    pub(super) fn switch_entry(&mut self, switch: &EntrySwitch, disable: bool) {
        if !self.consume(switch.owner, switch.user_ref_num) {
            return;
        }
        let EntrySwitch { owner, user_ref_num, firm } = *switch;
        if firm != Firm::BLANK && firm != self.account(owner).firm {
            return self.reject(owner, user_ref_num, RejectReason::FirmNotAuthorized);
        }
        self.accounts[owner.account().0 as usize].is_disabled = disable;
        self.tell(if disable {
            EventBody::EntryDisabled { owner, user_ref_num, firm }
        } else {
            EventBody::EntryEnabled { owner, user_ref_num, firm }
        });
    }
}
