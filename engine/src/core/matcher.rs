//! The matcher: what becomes of an order that passed the checks. Price-time priority, executions at the resting order's
//! price, no recursion, at most `orders_per_command_max` resting orders touched by one aggressor.

use super::Core;
use super::book::ladder::{SideId, tick_of};
use super::book::slab::{Cold, Node, OrderFlags};
use super::risk::{Fill, OpenOrder, Party};
use super::sink::{EventSink, Out};
use crate::ORDER_TYPES;
use protocol::EventBody;
use protocol::event::Shown;
use protocol::types::{
    CancelReason, Display, Firm, InstrumentId, LiquidityFlag, MatchNumber, Nanos, OrderRef, OrderState, Owner, Price,
    Qty, UserRefNum,
};

/// An order on its way to the book, new or as a replacement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) owner: Owner,
    pub(crate) user_ref_num: UserRefNum,
    pub(crate) order_ref: OrderRef,
    pub(crate) instrument: InstrumentId,
    /// The side it would rest on.
    pub(crate) side: SideId,
    /// Its key on that side; 0 for a market order.
    pub(crate) key: u32,
    /// The worst key on the other side that it trades with.
    pub(crate) limit_key: u32,
    /// Open quantity.
    pub(crate) quantity: u32,
    /// Least quantity that must trade at once, or nothing does; 0 = none.
    pub(crate) min_qty: u32,
    /// Nothing of it may rest.
    pub(crate) is_immediate: bool,
    pub(crate) flags: OrderFlags,
}

/// What an order will do, decided before the first change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Post-only that would take: accepted and cancelled.
    PostOnly,
    /// Ends without an execution.
    Die,
    /// Rests as it is.
    Rest,
    /// Takes first.
    Trade,
}

impl Plan {
    /// State in Accepted and Replaced.
    pub(crate) fn state(self) -> OrderState {
        match self {
            Self::Die => OrderState::Dead,
            Self::PostOnly | Self::Rest | Self::Trade => OrderState::Live,
        }
    }

    /// How the whole order looks on the feed after its Accepted or Replaced.
    pub(crate) fn shown(self, flags: OrderFlags) -> Shown {
        match self {
            Self::Rest => shown(flags.display()),
            Self::PostOnly | Self::Die | Self::Trade => Shown::No,
        }
    }
}

/// How a resting order looks on the feed.
pub(crate) fn shown(display: Display) -> Shown {
    match display {
        Display::Hidden => Shown::No,
        Display::Visible => Shown::Anonymous,
        Display::Attributable => Shown::Attributed,
    }
}

impl Core {
    /// Decides what an order will do.
    pub(super) fn plan(&self, order: &Incoming) -> Plan {
        let crosses = self.books.side(order.side ^ 1).best_key() >= order.limit_key;
        if !crosses {
            return if order.is_immediate { Plan::Die } else { Plan::Rest };
        }
        if order.flags.post_only() {
            return Plan::PostOnly;
        }
        if order.min_qty != 0 && !self.can_trade_at_once(order) {
            return Plan::Die;
        }
        Plan::Trade
    }

    /// True when the resting orders within the limit, at most as many as one command may touch, hold the minimum
    /// quantity together. Reads level totals, and single orders only on the level where the bound is reached.
    fn can_trade_at_once(&self, order: &Incoming) -> bool {
        if order.min_qty > order.quantity {
            return false;
        }
        let wanted = u64::from(order.min_qty);
        let (mut found, mut budget) = (0, self.orders_per_command_max());
        for (key, level) in self.books.levels(order.side ^ 1) {
            if key < order.limit_key {
                return false;
            }
            let node = self.books.slab.node(level);
            if node.orders() > budget {
                let first = self.books.fifo(level).take(budget as usize);
                found += first.map(|slot| u64::from(self.books.slab.node(slot).leaves)).sum::<u64>();
                return found >= wanted;
            }
            budget -= node.orders();
            found += node.total();
            if found >= wanted {
                return true;
            }
        }
        false
    }

    /// Does what was planned, after Accepted or Replaced was told.
    /// `cold` writes the record of what rests.
    #[inline]
    pub(super) fn carry_out(
        &mut self,
        plan: Plan,
        order: &Incoming,
        cold: impl FnOnce(&mut Cold),
        out: &mut Out<'_, impl EventSink>,
    ) {
        match plan {
            Plan::Die => {}
            Plan::Rest => self.rest(order, order.quantity, cold),
            Plan::PostOnly => self.tell_end(order, order.quantity, CancelReason::PostOnly, out),
            Plan::Trade => {
                let leaves = self.trade(order, out);
                if leaves != 0 {
                    self.rest(order, leaves, |record| {
                        cold(record);
                        record.done += order.quantity - leaves;
                    });
                    if order.flags.shown() {
                        out.push(self.rested(order, leaves));
                    }
                }
            }
        }
    }

    /// Takes what crosses; gives what is to rest.
    #[inline(never)]
    fn trade(&mut self, order: &Incoming, out: &mut Out<'_, impl EventSink>) -> u32 {
        let leaves = self.sweep(order, out);
        if self.risk.is_sync_due() {
            self.sync_guards();
        }
        if leaves == 0 {
            return 0;
        }
        if self.books.side(order.side ^ 1).best_key() >= order.limit_key {
            // The bound on one command is reached while more could trade: it must not rest crossed.
            self.tell_end(order, leaves, CancelReason::Collar, out);
            return 0;
        }
        if order.is_immediate {
            self.tell_end(order, leaves, CancelReason::Immediate, out);
            return 0;
        }
        leaves
    }

    /// Event: displayed quantity joined the book.
    pub(super) fn rested(&self, order: &Incoming, leaves: u32) -> EventBody {
        EventBody::Rested {
            order_ref: order.order_ref,
            quantity: Qty(leaves),
            price: self.price_at(order.instrument, order.side, order.key),
            instrument: order.instrument,
            side: order.flags.side(),
            shown: shown(order.flags.display()),
            firm: self.firm_shown(order.owner, order.flags.display()),
        }
    }

    /// Trades with the best resting orders, one after the other; gives what is left.
    fn sweep(&mut self, order: &Incoming, out: &mut Out<'_, impl EventSink>) -> u32 {
        let opposite = order.side ^ 1;
        let budget = self.orders_per_command_max().saturating_sub(self.touched);
        let tick = self.instruments.instrument(order.instrument).tick;
        let (mut leaves, mut touched, mut last) = (order.quantity, 0, None);
        while touched < budget {
            let best = self.books.side(opposite);
            let (key, level) = (best.best_key(), best.best_level());
            if key < order.limit_key {
                break;
            }
            touched += 1;
            let price = Price(tick_of(opposite, key) * tick.get());
            let slot = self.books.first(level);
            let maker = *self.books.slab.node(slot);
            let quantity = maker.leaves.min(leaves);
            self.tell_trade(order, (slot, &maker), (quantity, price), out);
            last = Some(price);
            leaves -= quantity;
            if quantity == maker.leaves {
                self.take_off(slot);
            } else {
                self.books.slab.reduce(slot, quantity);
                self.books.slab.cold_mut(slot).done += quantity;
            }
            if leaves == 0 {
                break;
            }
        }
        self.touched += touched;
        if let Some(price) = last.filter(|_| ORDER_TYPES) {
            self.instruments.instrument_mut(order.instrument).last_trade = price;
        }
        leaves
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "in the loop over the makers")]
    fn tell_trade(
        &mut self,
        order: &Incoming,
        (slot, maker): (u32, &Node),
        (quantity, price): (u32, Price),
        out: &mut Out<'_, impl EventSink>,
    ) {
        let flags = maker.flags();
        let (for_maker, for_owner) = (flags.details(), order.flags.details());
        if for_maker || for_owner {
            out.push(EventBody::Details { matched: Nanos(0), quantity_ahead: 0, for_maker, for_owner });
        }
        self.matches += 1;
        out.push(EventBody::Traded {
            match_number: MatchNumber(self.matches),
            maker_ref: maker.order_ref(),
            quantity: Qty(quantity),
            price,
            maker: maker.owner(),
            maker_user_ref_num: maker.user_ref_num(),
            taker: order.owner,
            taker_user_ref_num: order.user_ref_num,
            instrument: order.instrument,
            maker_side: flags.side(),
            maker_flag: if flags.shown() { LiquidityFlag::Added } else { LiquidityFlag::AddedHidden },
            taker_flag: LiquidityFlag::Removed,
            maker_shown: flags.shown(),
        });
        let fill = Fill { instrument: order.instrument, quantity: Qty(quantity), price, now: Nanos(0) };
        if self.risk.trade(fill, (maker.owner().account(), flags.side().is_buy()), order.owner.account()) {
            self.settle_rest(order, slot, (quantity, price), out);
        }
    }

    /// What a trade that was just told changes beyond positions.
    #[cold]
    #[inline(never)]
    fn settle_rest(
        &mut self,
        order: &Incoming,
        slot: u32,
        (quantity, price): (u32, Price),
        out: &mut Out<'_, impl EventSink>,
    ) {
        let maker = self.books.slab.node(slot);
        let fill = Fill { instrument: order.instrument, quantity: Qty(quantity), price, now: out.ingress() };
        let is_buy = maker.flags().side().is_buy();
        // It is a plain order: it trades at its own price.
        let resting = OpenOrder {
            owner: maker.owner(),
            number: maker.user_ref_num(),
            price: price.0,
            leaves: maker.leaves,
            instrument: order.instrument,
            is_buy,
        };
        let (number, owners) = (MatchNumber(self.matches), (maker.owner(), order.owner));
        // What a far trade leaves out may follow at its end: there must be nothing that could trade once more.
        let is_alone = self.instruments.instrument(order.instrument).is_ordinary();
        let fees = if is_alone && self.risk.traded_far(fill, &resting, (order.owner, order.order_ref.0)) {
            self.risk.fees_of(number, fill, owners)
        } else {
            self.risk.note_quiet(order.order_ref.0);
            let maker = Party { owner: owners.0, is_buy, resting: Some(resting) };
            let taker = Party { owner: owners.1, is_buy: !is_buy, resting: None };
            self.risk.traded_counted(number, fill, maker, taker)
        };
        if let Some(fees) = fees {
            out.push(fees);
        }
    }

    /// Puts an order on the book, behind all others at its price.
    #[inline]
    pub(super) fn rest(&mut self, order: &Incoming, leaves: u32, cold: impl FnOnce(&mut Cold)) {
        let node = Node::order(order.owner, order.user_ref_num, leaves, order.order_ref, order.flags);
        self.put(order.side, order.key, &node, cold);
    }

    /// Puts an order on the book, into the index and behind all others of its account.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(super) fn put(&mut self, side: SideId, key: u32, order: &Node, cold: impl FnOnce(&mut Cold)) {
        let slot = self.books.rest(side, key, order, cold);
        self.index.insert(order.name, slot);
        self.accounts.link(&mut self.books.slab, order.owner(), slot);
    }

    /// Takes an order off the book, the index and its account's list, and frees its slot.
    pub(super) fn take_off(&mut self, slot: u32) {
        let node = self.books.slab.node(slot);
        let owner = node.owner();
        if ORDER_TYPES && node.flags().special() {
            self.dismiss(slot);
        }
        self.index.remove(&self.books.slab, slot);
        self.accounts.unlink(&mut self.books.slab, owner, slot);
        self.books.remove(slot);
    }

    /// The same for an order whose place in the index is known.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(super) fn take_off_at(&mut self, owner: Owner, slot: u32, place: usize) {
        self.index.remove_at(&self.books.slab, place);
        self.accounts.unlink(&mut self.books.slab, owner, slot);
        self.books.remove(slot);
    }

    /// The price of a key.
    pub(super) fn price_at(&self, instrument: InstrumentId, side: SideId, key: u32) -> Price {
        self.instruments.instrument(instrument).price_of(tick_of(side, key))
    }

    /// The name that goes to the feed.
    pub(super) fn firm_shown(&self, owner: Owner, display: Display) -> Firm {
        match display {
            Display::Attributable => self.accounts.names(owner.account()).firm,
            Display::Visible | Display::Hidden => Firm::BLANK,
        }
    }

    /// Tells the end of an order that is not on the book.
    #[cold]
    pub(super) fn tell_end(
        &mut self,
        order: &Incoming,
        quantity: u32,
        reason: CancelReason,
        out: &mut Out<'_, impl EventSink>,
    ) {
        out.details(order.flags.details(), || 0);
        let canceled = EventBody::Canceled {
            owner: order.owner,
            user_ref_num: order.user_ref_num,
            quantity: Qty(quantity),
            leaves: Qty::ZERO,
            order_ref: order.order_ref,
            concealed: Qty::ZERO,
            instrument: order.instrument,
            reason,
            shown: false,
        };
        self.tell(canceled, out);
    }
}
