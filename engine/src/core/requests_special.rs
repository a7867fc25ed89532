//! Cancel and Modify of orders with a record: what waits beside the book is not on the feed, and what is taken off an iceberg
//! comes off its reserve first.

use super::Core;
use super::book::PARKED;
use super::sink::{EventSink, Out};
use protocol::EventBody;
use protocol::command::{CancelOrder, ModifyOrder};
use protocol::types::{CancelReason, Qty};

impl Core {
    /// It is on the feed.
    pub(super) fn is_shown(&self, slot: u32) -> bool {
        self.books.slab.node(slot).flags().shown() && self.books.key_of_order(slot) != PARKED
    }

    /// Reduces or cancels.
    #[inline(never)]
    pub(super) fn cancel_special(&mut self, cancel: &CancelOrder, slot: u32, out: &mut Out<'_, impl EventSink>) {
        let open = self.open_of(slot);
        let done = self.books.slab.cold(slot).done;
        let intended = cancel.quantity.0.saturating_sub(done);
        let is_frozen = self.is_frozen(self.instrument_of(slot));
        if intended == 0 && is_frozen {
            return self.cancel_or_wait(slot, CancelReason::User, out);
        }
        if intended < open && is_frozen {
            out.details(self.books.slab.node(slot).flags().details(), || 0);
            return out.push(EventBody::CancelRejected { owner: cancel.owner, user_ref_num: cancel.user_ref_num });
        }
        if intended < open {
            self.tell_taken_down(slot, open - intended, CancelReason::User, out);
            self.take_down(slot, open - intended, false);
        }
    }

    /// Takes all that is open off an order.
    pub(super) fn cancel_whole_special(&mut self, slot: u32, reason: CancelReason, out: &mut Out<'_, impl EventSink>) {
        self.tell_taken_down(slot, self.open_of(slot), reason, out);
        self.take_off(slot);
    }

    fn tell_taken_down(&mut self, slot: u32, quantity: u32, reason: CancelReason, out: &mut Out<'_, impl EventSink>) {
        let node = self.books.slab.node(slot);
        out.details(node.flags().details(), || 0);
        let canceled = EventBody::Canceled {
            owner: node.owner(),
            user_ref_num: node.user_ref_num(),
            quantity: Qty(quantity),
            leaves: Qty(self.open_of(slot) - quantity),
            order_ref: node.order_ref(),
            concealed: Qty(self.concealed(slot, quantity)),
            instrument: self.instrument_of(slot),
            reason,
            shown: self.is_shown(slot),
        };
        self.tell(canceled, out);
    }

    /// Changes the sell marking, or reduces, or both.
    #[inline(never)]
    pub(super) fn modify_special(&mut self, modify: &ModifyOrder, slot: u32, out: &mut Out<'_, impl EventSink>) {
        let node = *self.books.slab.node(slot);
        let side = node.flags().side();
        let open = self.open_of(slot);
        let intended = modify.quantity.0.saturating_sub(self.books.slab.cold(slot).done);
        if self.is_frozen(self.instrument_of(slot))
            || intended > open
            || !self.may_mark(modify, slot)
            || modify.side == side && intended == open
        {
            return;
        }
        out.details(node.flags().details(), || 0);
        let modified = EventBody::Modified {
            owner: modify.owner,
            user_ref_num: modify.user_ref_num,
            quantity: Qty(intended),
            removed: Qty(open - intended),
            order_ref: node.order_ref(),
            concealed: Qty(self.concealed(slot, open - intended)),
            instrument: self.instrument_of(slot),
            side: modify.side,
            shown: self.is_shown(slot),
        };
        self.tell(modified, out);
        if intended == 0 {
            return self.take_off(slot);
        }
        self.books.slab.set_side(slot, modify.side);
        let extra = self.specials.extra_of(slot, node.flags());
        let half = extra.map_or(super::forest::NONE, |extra| extra.half);
        if half != super::forest::NONE {
            self.books.slab.set_side(half, modify.side);
        }
        if intended < open {
            self.take_down(slot, open - intended, false);
        }
    }
}
