//! The naive model's Cancel, Modify, Mass Cancel and entry switches.

use super::naive_book::{NaiveVenue, Order, qty};
use protocol::command::{CancelOrder, EntrySwitch, MassCancel, ModifyOrder, TagSet};
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
            self.cancel_rest(cancel.owner, cancel.user_ref_num);
        } else if stays < order.open {
            self.tell_details(&order, 0);
            self.tell(EventBody::Canceled {
                owner: order.owner,
                user_ref_num: order.number,
                quantity: qty(order.open - stays),
                leaves: qty(stays),
                order_ref: OrderRef(order.order_ref),
                concealed: Qty::ZERO,
                instrument: order.instrument,
                reason: CancelReason::User,
                shown: order.is_shown(),
            });
            self.change(&order, |order| order.open = stays);
        }
    }

    /// Changes a resting order where it is.
    pub(super) fn change(&mut self, order: &Order, change: impl FnOnce(&mut Order)) {
        let order_ref = order.order_ref;
        if let Some(resting) = self.side(order, true).iter_mut().find(|resting| resting.order_ref == order_ref) {
            change(resting);
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
                order_ref: OrderRef(order.order_ref),
                concealed: Qty::ZERO,
                instrument: order.instrument,
                reason,
                shown: order.is_shown(),
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
        let changes = stays < order.open || modify.side != order.side;
        if !is_allowed || !changes || stays > order.open {
            return;
        }
        self.tell_details(&order, 0);
        self.tell(EventBody::Modified {
            owner: order.owner,
            user_ref_num: order.number,
            quantity: qty(stays),
            removed: qty(order.open - stays),
            order_ref: OrderRef(order.order_ref),
            concealed: Qty::ZERO,
            instrument: order.instrument,
            side: modify.side,
            shown: order.is_shown(),
        });
        self.change(&order, |order| {
            order.open = stays;
            order.side = modify.side;
        });
        if stays == 0 {
            self.take(order.owner, order.number);
        }
    }

    pub(super) fn mass_cancel(&mut self, mass: &MassCancel) {
        if !self.consume(mass.owner, mass.user_ref_num) {
            return;
        }
        let firm = self.account(mass.owner).firm;
        let mut own: Vec<Order> =
            self.sides().flatten().filter(|order| order.owner.account() == mass.owner.account()).cloned().collect();
        let listed = 1..=self.instruments.len();
        let refusal = if mass.instrument.is_some_and(|instrument| !listed.contains(&usize::from(instrument.0))) {
            Some(RejectReason::SymbolUnknown)
        } else if mass.firm != Firm::BLANK && mass.firm != firm {
            Some(RejectReason::FirmNotAuthorized)
        } else if own.len() as u64 > self.bound() {
            Some(RejectReason::NotSupported)
        } else {
            None
        };
        if let Some(reason) = refusal {
            return self.reject(mass.owner, mass.user_ref_num, reason);
        }
        self.tell(EventBody::MassCancelTaken { owner: mass.owner, user_ref_num: mass.user_ref_num, firm: mass.firm });
        own.retain(|order| mass.instrument.is_none_or(|instrument| instrument == order.instrument));
        own.retain(|order| mass.side.is_none_or(|side| side == order.side));
        own.retain(|order| !mass.present.has(TagSet::GROUP_ID) || order.group_id == mass.group_id);
        own.retain(|order| !mass.present.has(TagSet::USER_REF_IDX) || order.owner == mass.owner);
        own.sort_by_key(|order| order.order_ref);
        for order in own {
            self.cancel_rest(order.owner, order.number);
        }
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
