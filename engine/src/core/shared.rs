//! Levels whose displayed quantity is shared: what may not trade with the aggressor is dealt with first, in time order, then the
//! quantity is allocated among the others, as many as the command may still touch.

use super::Core;
use super::allocation::Shares;
use super::makers::{Cursor, Maker};
use super::sink::{EventSink, Out};
use super::smp::Prevention;
use super::sweep::{Ended, Meeting, Outlook, Taker};
use protocol::types::MatchingAlgorithm;

impl Core {
    /// Works out what a shared level does. True when the aggressor ends there.
    pub(super) fn foresee_shared(
        &self,
        taker: &Taker,
        maker: &Maker,
        (outlook, leaves, touches): (&mut Outlook, &mut u32, &mut u32),
    ) -> bool {
        let level = self.books.slab.node(maker.slot).level;
        let (mut sharing, mut total) = (0_u32, 0_u64);
        for slot in self.books.fifo(level) {
            let Meeting::Prevent(prevention) = self.meeting(taker, *leaves, slot) else {
                continue;
            };
            if *touches == 0 {
                return true;
            }
            *touches -= 1;
            outlook.is_prevented = true;
            match prevention {
                Prevention::Newest | Prevention::Both => return true,
                Prevention::Oldest => {}
                Prevention::Decrement(_) => *leaves -= self.open_of(slot).min(*leaves),
            }
            if *leaves == 0 {
                return true;
            }
        }
        for slot in self.books.fifo(level) {
            if matches!(self.meeting(taker, *leaves, slot), Meeting::Prevent(_)) {
                continue;
            }
            if sharing == *touches {
                outlook.traded += u32::try_from(total.min(u64::from(*leaves))).unwrap_or(0);
                return true;
            }
            sharing += 1;
            total += u64::from(self.books.slab.node(slot).leaves);
        }
        let traded = u32::try_from(total.min(u64::from(*leaves))).unwrap_or(0);
        outlook.traded += traded;
        *leaves -= traded;
        *touches -= sharing;
        *leaves == 0
    }

    /// Deals with a shared level: how the aggressor ends by it, if it does.
    pub(super) fn share(
        &mut self,
        taker: &mut Taker,
        (maker, cursor): (&Maker, &mut Cursor),
        out: &mut Out<'_, impl EventSink>,
    ) -> Option<Ended> {
        let level = self.books.slab.node(maker.slot).level;
        let mut slot = maker.slot;
        while slot != level {
            let next = self.books.slab.node(slot).next;
            if let Meeting::Prevent(prevention) = self.meeting(taker, taker.order.quantity, slot) {
                if self.touches_left() == 0 {
                    return Some(Ended::Bound);
                }
                self.touched += 1;
                let is_last = next == level && self.books.slab.node(level).orders() == 1;
                if self.prevent(taker, (&Maker { slot, ..*maker }, cursor), prevention, out) {
                    return Some(Ended::Prevented);
                }
                if is_last {
                    return None;
                }
            }
            slot = next;
        }
        self.allocate(taker, (maker, level), out)
    }

    fn allocate(
        &mut self,
        taker: &mut Taker,
        (maker, level): (&Maker, u32),
        out: &mut Out<'_, impl EventSink>,
    ) -> Option<Ended> {
        let orders = self.books.slab.node(level).orders();
        let count = orders.min(self.touches_left());
        let is_cut = orders > self.touches_left();
        let terms = self.instruments.terms(taker.order.instrument);
        let (is_top, least) = (terms.algorithm == MatchingAlgorithm::TopThenProRata, u64::from(terms.minimum));
        let lot = u64::from(self.instruments.instrument(taker.order.instrument).lot.get());
        let open = |core: &Self, slot: u32| u64::from(core.books.slab.node(slot).leaves);
        let total: u64 = self.books.fifo(level).take(count as usize).map(|slot| open(self, slot)).sum();
        let quantity = u64::from(taker.order.quantity);
        let (mut slot, mut left) = (self.books.first(level), count);
        let mut top = 0;
        if is_top && count != 0 && total > quantity {
            top = open(self, slot).min(quantity);
        }
        let rest_of_top = if top == 0 { 0 } else { open(self, slot) };
        let (to_share, shared) = (quantity.min(total) - top, total - rest_of_top);
        let mut shares = (shared != 0).then(|| {
            let skip = usize::from(top != 0);
            let members = self.books.fifo(level).take(count as usize).skip(skip).map(|slot| open(self, slot));
            Shares::new(to_share, shared, if total <= quantity { 0 } else { least }, lot).leave(members)
        });
        while left != 0 {
            let next = self.books.slab.node(slot).next;
            let given = match &mut shares {
                _ if top != 0 => std::mem::take(&mut top),
                Some(shares) => shares.give(open(self, slot)),
                None => 0,
            };
            if given != 0 {
                self.touched += 1;
                let given = u32::try_from(given).unwrap_or(0);
                self.execute(taker, &Maker { slot, ..*maker }, given, out);
            }
            (slot, left) = (next, left - 1);
        }
        match taker.order.quantity {
            0 => Some(Ended::Filled),
            _ => is_cut.then_some(Ended::Bound),
        }
    }
}
