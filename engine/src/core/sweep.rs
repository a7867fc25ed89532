//! The matcher for what is out of the ordinary: aggressors that prevent self-matches or are pegged, resting orders with a
//! minimum, icebergs, pegs. Same laws as `matcher.rs`: best price first, executions at the resting order's price,
//! no recursion, at most `orders_per_command_max` orders touched by one command.
//!
//! What will happen is worked out before anything changes ([`Core::foresee`]), by the same steps as what then happens.

use super::Core;
use super::bands::{Collar, Limits};
use super::book::PARKED;
use super::book::slab::{Cold, Node};
use super::makers::{Cursor, Maker};
use super::matcher::{Incoming, shown};
use super::sink::{EventSink, Out};
use super::smp::{Prevention, prevented};
use super::special::{Extra, Place};
use protocol::EventBody;
use protocol::types::{CancelReason, InstrumentId, LiquidityFlag, MatchNumber, Nanos, OrderRef, Price, Qty};

/// An order out of the ordinary on its way to the book.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    pub(super) order: Incoming,
    /// The worst price that it trades at, wire units.
    pub(super) limit: u32,
    /// Displayed quantity at a price is shared.
    pub(super) is_shared: bool,
    /// The volatility auction that it starts.
    pub(super) pause: Option<Collar>,
    pub(super) cold: Cold,
    pub(super) extra: Extra,
}

/// Why a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing is left of the aggressor.
    Filled,
    /// Nothing is left that it may trade with.
    Empty,
    /// More orders than one command may touch.
    Bound,
    /// It was cancelled to prevent a self-match, and that was told.
    Prevented,
    /// Its next execution would leave a price band.
    Paused(Collar),
}

/// What an aggressor will meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    /// Quantity that trades.
    pub(super) traded: u32,
    /// Something is prevented.
    pub(super) is_prevented: bool,
    /// There is an order that it may trade with, or would be kept from trading with.
    pub(super) is_met: bool,
    /// The band that its next execution would leave.
    pub(super) pause: Option<Collar>,
}

/// What comes of an aggressor and the next resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    Trade,
    /// The resting order asks for more at once.
    TooSmall,
    Prevent(Prevention),
}

impl Core {
    pub(super) fn meeting(&self, taker: &Taker, leaves: u32, slot: u32) -> Meeting {
        let node = self.books.slab.node(slot);
        let Some(extra) = self.specials.extra_of(slot, node.flags()) else { return Meeting::Trade };
        if extra.min_qty.min(node.leaves) > leaves {
            return Meeting::TooSmall;
        }
        if taker.extra.aiq == b'N' || extra.aiq == b'N' {
            return Meeting::Trade;
        }
        let firm = |owner: protocol::types::Owner| self.accounts.names(owner.account()).firm;
        prevented((&taker.extra, firm(taker.order.owner)), (extra, firm(node.owner())))
            .map_or(Meeting::Trade, Meeting::Prevent)
    }

    fn limits_of(&self, taker: &Taker) -> Limits {
        let is_market = taker.order.key == 0 && !taker.extra.is_pegged();
        self.limits(taker.order.instrument, taker.order.flags.side().is_buy(), is_market)
    }

    /// Open quantity of a resting order, its reserve included.
    pub(super) fn open_of(&self, slot: u32) -> u32 {
        let node = self.books.slab.node(slot);
        match self.specials.extra_of(slot, node.flags()) {
            Some(extra) if extra.half != super::forest::NONE && extra.place != Place::Reserve => {
                node.leaves + self.books.slab.node(extra.half).leaves
            }
            _ => node.leaves,
        }
    }

    /// Works out what an aggressor will meet, until it is known that `enough` trades. Changes nothing but prices of pegs.
    pub(super) fn foresee(&mut self, taker: &Taker, enough: u32) -> Outlook {
        let mut cursor = self.begin(taker);
        let mut outlook = Outlook { traded: 0, is_prevented: false, is_met: false, pause: None };
        let limits = self.limits_of(taker);
        let mut leaves = taker.order.quantity;
        let mut touches = self.touches_left();
        while let Some(maker) = self.pick(cursor, taker) {
            cursor = maker.behind;
            let meeting = self.meeting(taker, leaves, maker.slot);
            if meeting == Meeting::TooSmall {
                continue;
            }
            outlook.is_met = true;
            if leaves == 0 || outlook.traded >= enough || limits.is_beyond_collar(maker.price) {
                break;
            }
            outlook.pause = limits.band_left_at(maker.price);
            if outlook.pause.is_some() {
                break;
            }
            if touches == 0 || leaves == 0 || outlook.traded >= enough {
                break;
            }
            if maker.is_shown && taker.is_shared {
                cursor = self.behind_level(&maker);
                if self.foresee_shared(taker, &maker, (&mut outlook, &mut leaves, &mut touches)) {
                    break;
                }
                continue;
            }
            match meeting {
                Meeting::Trade => {
                    let quantity = self.books.slab.node(maker.slot).leaves.min(leaves);
                    outlook.traded += quantity;
                    leaves -= quantity;
                }
                Meeting::Prevent(_) if self.is_reserve(maker.slot) => continue,
                Meeting::Prevent(prevention) => {
                    outlook.is_prevented = true;
                    match prevention {
                        Prevention::Newest | Prevention::Both => leaves = 0,
                        Prevention::Oldest => {}
                        Prevention::Decrement(_) => leaves -= self.open_of(maker.slot).min(leaves),
                    }
                }
                Meeting::TooSmall => {}
            }
            touches -= 1;
        }
        outlook
    }

    /// The reference of an order for its owner.
    pub(super) fn age_of(&self, slot: u32) -> u64 {
        let node = self.books.slab.node(slot);
        self.specials.extra_of(slot, node.flags()).map_or(node.order_ref().0, |extra| extra.order_ref)
    }

    /// Reserves on a side and beside it, for `verify`.
    pub(super) fn reserves(&self, side: u32) -> usize {
        self.books.orders(side).chain(self.books.parked(side)).filter(|slot| self.is_reserve(*slot)).count()
    }

    /// Orders that this command may still touch.
    pub(super) fn touches_left(&self) -> u32 {
        self.orders_per_command_max().saturating_sub(self.touched)
    }

    /// It is no order, but the reserve of one.
    pub(super) fn is_reserve(&self, slot: u32) -> bool {
        let flags = self.books.slab.node(slot).flags();
        self.specials.extra_of(slot, flags).is_some_and(|extra| extra.place == Place::Reserve)
    }

    /// Trades with the best resting orders that may trade with this one; lowers `taker.order.quantity` to what is left.
    pub(super) fn sweep_special(&mut self, taker: &mut Taker, out: &mut Out<'_, impl EventSink>) -> Ended {
        let mut cursor = self.begin(taker);
        let limits = self.limits_of(taker);
        loop {
            if taker.order.quantity == 0 {
                return Ended::Filled;
            }
            let Some(maker) = self.pick(cursor, taker) else { return Ended::Empty };
            let meeting = self.meeting(taker, taker.order.quantity, maker.slot);
            if meeting == Meeting::TooSmall {
                cursor = maker.behind;
                continue;
            }
            if limits.is_beyond_collar(maker.price) {
                return Ended::Bound;
            }
            if let Some(collar) = limits.band_left_at(maker.price) {
                return Ended::Paused(collar);
            }
            if self.touches_left() == 0 {
                return Ended::Bound;
            }
            if maker.is_shown && taker.is_shared {
                cursor = self.behind_level(&maker);
                if let Some(ended) = self.share(taker, (&maker, &mut cursor), out) {
                    return ended;
                }
                continue;
            }
            cursor = maker.behind;
            self.touched += 1;
            match meeting {
                Meeting::Trade => {
                    let quantity = self.books.slab.node(maker.slot).leaves.min(taker.order.quantity);
                    self.execute(taker, &maker, quantity, out);
                }
                Meeting::Prevent(prevention) => {
                    if self.prevent(taker, (&maker, &mut cursor), prevention, out) {
                        return Ended::Prevented;
                    }
                }
                Meeting::TooSmall => {}
            }
        }
    }

    pub(super) fn execute(
        &mut self,
        taker: &mut Taker,
        maker: &Maker,
        quantity: u32,
        out: &mut Out<'_, impl EventSink>,
    ) {
        let node = *self.books.slab.node(maker.slot);
        let (for_maker, for_owner) = (node.flags().details(), taker.order.flags.details());
        if for_maker || for_owner {
            out.push(EventBody::Details { matched: Nanos(0), quantity_ahead: 0, for_maker, for_owner });
        }
        self.matches += 1;
        let traded = EventBody::Traded {
            match_number: MatchNumber(self.matches),
            maker_ref: node.order_ref(),
            quantity: Qty(quantity),
            price: Price(maker.price),
            maker: node.owner(),
            maker_user_ref_num: node.user_ref_num(),
            taker: taker.order.owner,
            taker_user_ref_num: taker.order.user_ref_num,
            instrument: taker.order.instrument,
            maker_side: node.flags().side(),
            maker_flag: match maker.is_shown {
                true => LiquidityFlag::Added,
                false if self.is_reserve(maker.slot) => LiquidityFlag::AddedReserve,
                false => LiquidityFlag::AddedHidden,
            },
            taker_flag: LiquidityFlag::Removed,
            maker_shown: maker.is_shown,
        };
        self.tell(traded, out);
        self.instruments.instrument_mut(taker.order.instrument).last_trade = Price(maker.price);
        taker.order.quantity -= quantity;
        taker.cold.done += quantity;
        self.take(maker.slot, quantity);
    }

    /// Takes an executed quantity off a resting order, or off its reserve. What is used up of an iceberg waits to be filled
    /// up; an order that has nothing left is gone.
    pub(super) fn take(&mut self, slot: u32, quantity: u32) {
        let node = *self.books.slab.node(slot);
        let Some(extra) = self.specials.extra_of(slot, node.flags()).copied() else {
            return self.lower(slot, slot, quantity);
        };
        match extra.place {
            _ if extra.half == super::forest::NONE => self.lower(slot, slot, quantity),
            Place::Reserve => self.take_reserve((slot, extra.half), quantity),
            Place::Book | Place::Dormant | Place::Elected => self.take_displayed((slot, extra.half), quantity),
        }
    }

    /// Lowers `part` of `order`, which is gone when nothing is left.
    fn lower(&mut self, part: u32, order: u32, quantity: u32) {
        if quantity < self.books.slab.node(part).leaves {
            self.books.slab.reduce(part, quantity);
            self.books.slab.cold_mut(order).done += quantity;
        } else {
            self.take_off(order);
        }
    }

    fn take_reserve(&mut self, (half, slot): (u32, u32), quantity: u32) {
        let left = self.books.slab.node(half).leaves - quantity;
        if left != 0 {
            return self.lower(half, slot, quantity);
        }
        if self.books.slab.node(slot).leaves == 0 {
            return self.take_off(slot);
        }
        self.books.slab.cold_mut(slot).done += quantity;
        self.books.move_to(half, PARKED, |slab| slab.set_leaves(half, 0));
    }

    fn take_displayed(&mut self, (slot, half): (u32, u32), quantity: u32) {
        if quantity < self.books.slab.node(slot).leaves || self.books.slab.node(half).leaves == 0 {
            return self.lower(slot, slot, quantity);
        }
        self.books.slab.cold_mut(slot).done += quantity;
        self.books.move_to(slot, PARKED, |slab| slab.set_leaves(slot, 0));
        let instrument = self.instrument_of(slot);
        self.specials.note_used_up(slot, instrument);
    }

    /// Displays the next part of each iceberg of an instrument whose displayed part was used up, oldest first.
    pub(super) fn fill_up(&mut self, instrument: InstrumentId, out: &mut Out<'_, impl EventSink>) {
        while !self.specials.watch(instrument).used_up.is_empty() {
            self.fill_up_one(instrument, out);
        }
    }

    /// Displays the next part of the oldest of them: behind all others at its price, under a new reference.
    pub(super) fn fill_up_one(&mut self, instrument: InstrumentId, out: &mut Out<'_, impl EventSink>) {
        let Some(slot) = self.specials.next_used_up(instrument) else { return };
        let extra = *self.specials.extra(slot);
        let node = *self.books.slab.node(slot);
        let reserve = self.books.slab.node(extra.half).leaves;
        let lot = self.instruments.instrument(instrument).lot.get();
        let part = extra.next_part((out.ingress(), out.sequence()), lot).min(reserve);
        let key = self.books.key_of_order(extra.half) | 1;
        self.order_refs += 1;
        let order_ref = OrderRef(self.order_refs);
        let side = self.books.slab.node(node.level).side();
        let ahead = self.books.total_at(side, key);
        self.books.move_to(slot, key, |slab| {
            slab.set_leaves(slot, part);
            slab.set_order_ref(slot, order_ref);
        });
        self.lower_reserve(extra.half, part);
        out.details(node.flags().details(), || ahead);
        out.push(EventBody::Restated {
            owner: node.owner(),
            user_ref_num: node.user_ref_num(),
            order_ref,
            quantity: Qty(part),
            price: self.price_at(instrument, side, key),
            instrument,
            side: node.flags().side(),
            shown: shown(node.flags().display()),
            firm: self.firm_shown(node.owner(), node.flags().display()),
        });
    }

    /// Takes a quantity off a reserve, which waits beside the book when nothing is left of it.
    pub(super) fn lower_reserve(&mut self, half: u32, quantity: u32) {
        if quantity < self.books.slab.node(half).leaves {
            self.books.slab.reduce(half, quantity);
        } else {
            self.books.move_to(half, PARKED, |slab| slab.set_leaves(half, 0));
        }
    }

    /// Keeps a pair from trading. True when that is the end of the aggressor.
    pub(super) fn prevent(
        &mut self,
        taker: &mut Taker,
        (maker, cursor): (&Maker, &mut Cursor),
        prevention: Prevention,
        out: &mut Out<'_, impl EventSink>,
    ) -> bool {
        let slot = maker.slot;
        let node = *self.books.slab.node(slot);
        let half = self.specials.extra_of(slot, node.flags()).map_or(super::forest::NONE, |extra| extra.half);
        cursor.avoid(half, self);
        match prevention {
            Prevention::Newest => {}
            Prevention::Oldest | Prevention::Both => self.cancel_whole(slot, CancelReason::SelfMatch, out),
            Prevention::Decrement(with_details) => {
                let quantity = self.open_of(slot).min(taker.order.quantity);
                self.decrement(taker, maker, (quantity, with_details), out);
                return taker.order.quantity == 0;
            }
        }
        if prevention == Prevention::Oldest {
            return false;
        }
        self.tell_end(&taker.order, taker.order.quantity, CancelReason::SelfMatch, out);
        taker.order.quantity = 0;
        true
    }

    /// Takes what would have traded off both orders, the resting one first.
    fn decrement(
        &mut self,
        taker: &mut Taker,
        maker: &Maker,
        (quantity, with_details): (u32, bool),
        out: &mut Out<'_, impl EventSink>,
    ) {
        let node = *self.books.slab.node(maker.slot);
        let strategy = taker.extra.aiq;
        let concealed = self.concealed(maker.slot, quantity);
        let leaves = Qty(self.open_of(maker.slot) - quantity);
        let flag = if maker.is_shown { LiquidityFlag::Added } else { LiquidityFlag::AddedHidden };
        let prevented = EventBody::SelfMatchPrevented {
            owner: node.owner(),
            user_ref_num: node.user_ref_num(),
            quantity: Qty(quantity),
            leaves,
            price: Price(maker.price),
            order_ref: node.order_ref(),
            concealed: Qty(concealed),
            instrument: taker.order.instrument,
            flag,
            strategy,
            shown: maker.is_shown,
        };
        let canceled = EventBody::Canceled {
            owner: node.owner(),
            user_ref_num: node.user_ref_num(),
            quantity: Qty(quantity),
            leaves,
            order_ref: node.order_ref(),
            concealed: Qty(concealed),
            instrument: taker.order.instrument,
            reason: CancelReason::SelfMatch,
            shown: maker.is_shown,
        };
        out.details(node.flags().details(), || 0);
        self.tell(if with_details { prevented } else { canceled }, out);
        self.take_down(maker.slot, quantity, true);
        taker.order.quantity -= quantity;
        taker.cold.done += quantity;
        let order = &taker.order;
        out.details(order.flags.details(), || 0);
        let own = if with_details {
            EventBody::SelfMatchPrevented {
                owner: order.owner,
                user_ref_num: order.user_ref_num,
                quantity: Qty(quantity),
                leaves: Qty(order.quantity),
                price: Price(maker.price),
                order_ref: order.order_ref,
                concealed: Qty::ZERO,
                instrument: order.instrument,
                flag: LiquidityFlag::Removed,
                strategy,
                shown: false,
            }
        } else {
            EventBody::Canceled {
                owner: order.owner,
                user_ref_num: order.user_ref_num,
                quantity: Qty(quantity),
                leaves: Qty(order.quantity),
                order_ref: order.order_ref,
                concealed: Qty::ZERO,
                instrument: order.instrument,
                reason: CancelReason::SelfMatch,
                shown: false,
            }
        };
        self.tell(own, out);
    }

    /// How much of a quantity that is taken off an order without a trade comes off its reserve.
    pub(super) fn concealed(&self, slot: u32, quantity: u32) -> u32 {
        (self.open_of(slot) - self.books.slab.node(slot).leaves).min(quantity)
    }

    /// Takes a quantity off an order without a trade, off its reserve first; an order with nothing left is gone.
    pub(super) fn take_down(&mut self, slot: u32, quantity: u32, is_done: bool) {
        if quantity == self.open_of(slot) {
            return self.take_off(slot);
        }
        let concealed = self.concealed(slot, quantity);
        if concealed != 0 {
            let half = self.specials.extra(slot).half;
            self.lower_reserve(half, concealed);
        }
        if quantity > concealed {
            self.books.slab.reduce(slot, quantity - concealed);
        }
        if is_done {
            self.books.slab.cold_mut(slot).done += quantity;
        }
    }
}

impl Extra {
    /// How much of an iceberg is displayed next, before it is known how much there is.
    fn next_part(&self, (ingress, sequence): (Nanos, protocol::types::Sequence), lot: u32) -> u32 {
        if self.random_reserves == 0 {
            return self.max_floor;
        }
        let low = (self.max_floor.saturating_sub(self.random_reserves) / lot).max(1);
        let high = self.max_floor.saturating_add(self.random_reserves) / lot;
        let seed = ingress.0 ^ sequence.0.rotate_left(24) ^ self.order_ref.rotate_left(48);
        let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        let count = u64::from(high.saturating_sub(low)) + 1;
        let pick = u64::from(low) + (((z >> 32) * count) >> 32);
        u32::try_from(pick).unwrap_or(high).saturating_mul(lot)
    }
}

/// A record of a reserve: the other half of the order at `slot`.
pub(super) fn reserve_extra(extra: &Extra, slot: u32) -> Extra {
    Extra { place: Place::Reserve, half: slot, expire_at: Nanos(0), ..*extra }
}

/// The hot record of a reserve.
pub(super) fn reserve_node(node: &Node, leaves: u32, order_ref: u64) -> Node {
    Node::order(
        node.owner(),
        node.user_ref_num(),
        leaves,
        OrderRef(order_ref),
        node.flags().with_display(protocol::types::Display::Hidden),
    )
}
