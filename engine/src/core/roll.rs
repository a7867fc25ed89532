//! The roll: a trading day ends and the next one begins, while nothing is matched and nobody enters orders.
//!
//! | Phase | What happens | Streams |
//! |---|---|---|
//! | settling | unfinished work is done, then what does not outlive the day is cancelled | of the old session |
//! | the switch | every reference that lives is given anew, in the order of the old ones, so that all priorities stay | end, and begin |
//! | restating | instruments are told again, then each carried order with its new reference, oldest first | of the new session |
//!
//! Each phase goes on by `Tick` as far as one command may; the switch looks at every open order at once. While carried orders are
//! told they are frozen as in a cross: what somebody cancels meanwhile waits for the end of the roll.

use super::Core;
use super::bands::tell_collar;
use super::forest::NONE;
use super::instruments::unusual;
use super::jobs::Filter;
use super::matcher::shown;
use super::sink::{EventSink, Out};
use protocol::types::{
    AccountId, Firm, InstrumentId, Nanos, OrderRef, Price, Qty, SessionName, SystemEventCode, TradingState,
};
use protocol::{EventBody, RejectReason};

/// How far a roll is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roll {
    /// The session named here waits until nothing is unfinished.
    Settling(SessionName),
    /// The new session is there.
    Restating {
        /// Instruments told so far.
        instruments: u16,
        /// The last reference told so far; those of all orders up to the switch are lower.
        told: u64,
    },
}

/// The trading day.
#[derive(Debug)]
pub(super) struct Day {
    /// When its session began.
    pub(super) opened: Nanos,
    /// The schedule rolls it: time stamps count from the midnight before its session began.
    pub(super) rolls: bool,
    /// Its end has begun.
    pub(super) roll: Option<Roll>,
    /// While orders are restated: reference and slot of those that are not yet, the next one last.
    pub(super) carried: Vec<(u64, u32)>,
}

impl Day {
    /// Reserves a place for every order.
    pub(super) fn new(orders_max: u32) -> Self {
        Self { opened: Nanos(0), rolls: false, roll: None, carried: Vec::with_capacity(orders_max as usize) }
    }
}

impl Core {
    /// A roll goes on: nobody enters orders.
    pub(super) fn is_rolling(&self) -> bool {
        self.day.roll.is_some()
    }

    /// The new session is there, and not all of what it begins with.
    pub(super) fn is_restating(&self) -> bool {
        matches!(self.day.roll, Some(Roll::Restating { .. }))
    }

    /// Whether the schedule rolls the day, from now on.
    pub(super) fn set_day_rolls(&mut self, rolls: bool, out: &mut Out<'_, impl EventSink>) {
        self.day.rolls = rolls;
        out.push(EventBody::MidnightChanged { midnight: self.midnight() });
    }

    /// Begins the end of the day.
    pub(super) fn roll_day(
        &mut self,
        session: SessionName,
        out: &mut Out<'_, impl EventSink>,
    ) -> Result<(), RejectReason> {
        if self.is_rolling() {
            return Err(RejectReason::CancelPending);
        }
        if self.venue.is_none_or(|venue| venue.session == session) {
            return Err(RejectReason::NotSupported);
        }
        self.day.roll = Some(Roll::Settling(session));
        self.mark_rolling(true);
        self.begin_job(None, Filter::Roll, out);
        Ok(())
    }

    /// No order goes the short way while a roll goes on.
    pub(super) fn mark_rolling(&mut self, is_so: bool) {
        for id in (1..).take(self.instruments.count()).map(InstrumentId) {
            self.instruments.instrument_mut(id).set_unusual(unusual::ROLL, is_so);
        }
    }

    /// Goes on with a roll that has nothing to wait for.
    pub(super) fn roll_on(&mut self, out: &mut Out<'_, impl EventSink>) {
        match self.day.roll {
            Some(Roll::Settling(session)) => {
                self.switch_day(session, out);
                self.restate(out);
            }
            Some(Roll::Restating { .. }) => self.restate(out),
            None => {}
        }
    }

    /// Ends the old session and begins the new one.
    fn switch_day(&mut self, session: SessionName, out: &mut Out<'_, impl EventSink>) {
        let end = SystemEventCode::EndOfMessages;
        out.push(EventBody::SystemEvent { code: end });
        self.pass_of_day(end, out);
        self.risk.begin_day(out.ingress());
        if let Some(venue) = &mut self.venue {
            venue.session = session;
        }
        self.day.opened = out.ingress();
        out.push(EventBody::SessionRolled { session });
        out.push(EventBody::SystemEvent { code: SystemEventCode::StartOfMessages });
        let told = self.order_refs;
        self.collect(0);
        self.renumber();
        self.day.roll = Some(Roll::Restating { instruments: 0, told });
        // Cancels go the long way, where they find their order frozen.
        self.crossings += 1;
    }

    /// Notes every live reference above `told` with its slot: of orders and of displayed parts, the highest last.
    pub(super) fn collect(&mut self, told: u64) {
        self.day.carried.clear();
        for account in (0..).take(self.accounts.count()).map(AccountId) {
            let sentinel = self.books.slab.account_link(account);
            let mut slot = self.books.slab.link(sentinel).newer;
            while slot != sentinel {
                let feed_ref = self.books.slab.node(slot).order_ref().0;
                let own_ref = self.age_of(slot);
                if feed_ref > told {
                    self.day.carried.push((feed_ref, slot));
                }
                if own_ref != feed_ref && self.day.roll.is_none_or(|roll| matches!(roll, Roll::Settling(_))) {
                    self.day.carried.push((own_ref, self.specials.extra(slot).half));
                }
                slot = self.books.slab.link(slot).newer;
            }
        }
        self.day.carried.sort_unstable();
    }

    /// Gives every noted reference anew, in their order; what stays noted are orders, the oldest last.
    fn renumber(&mut self) {
        let mut carried = std::mem::take(&mut self.day.carried);
        for (noted, slot) in &mut carried {
            let new = self.take_order_ref();
            if self.is_reserve(*slot) {
                let whole = self.specials.extra(*slot).half;
                self.books.slab.set_order_ref(*slot, new);
                self.set_own_ref(whole, new);
                *noted = 0;
                continue;
            }
            let flags = self.books.slab.node(*slot).flags();
            self.books.slab.set_order_ref(*slot, new);
            if flags.special() && self.specials.extra(*slot).order_ref == *noted {
                self.set_own_ref(*slot, new);
                let half = self.specials.extra(*slot).half;
                if half != NONE {
                    self.books.slab.set_order_ref(half, new);
                }
            }
            *noted = new.0;
        }
        carried.retain(|(noted, _)| *noted != 0);
        carried.reverse();
        self.day.carried = carried;
    }

    fn set_own_ref(&mut self, slot: u32, order_ref: OrderRef) {
        let enlisted = self.enlisted(slot);
        self.specials.renumber(slot, enlisted, order_ref.0);
    }

    /// Tells what the new session begins with, as much of it as one command may.
    fn restate(&mut self, out: &mut Out<'_, impl EventSink>) {
        let Some(Roll::Restating { mut instruments, mut told }) = self.day.roll else { return };
        while usize::from(instruments) < self.instruments.count() {
            if !self.touch() {
                self.day.roll = Some(Roll::Restating { instruments, told });
                return;
            }
            instruments += 1;
            self.restate_instrument(InstrumentId(instruments), out);
        }
        while let Some((order_ref, slot)) = self.day.carried.last().copied() {
            if !self.touch() {
                self.day.roll = Some(Roll::Restating { instruments, told });
                return;
            }
            self.day.carried.pop();
            told = order_ref;
            self.restate_order(slot, out);
        }
        self.end_roll(out);
    }

    fn restate_instrument(&self, instrument: InstrumentId, out: &mut Out<'_, impl EventSink>) {
        let terms = self.instruments.terms(instrument);
        let listed = &terms.listed;
        out.push(EventBody::InstrumentListed {
            instrument,
            symbol: listed.symbol,
            price_decimals: listed.price_decimals,
            qty_decimals: listed.qty_decimals,
            tick: listed.tick,
            lot: listed.lot,
            max_qty: listed.max_qty,
            legs: self.risk.legs(instrument),
        });
        let (state, reason) = (self.instruments.instrument(instrument).state, Firm::BLANK);
        out.push(EventBody::TradingStateChanged { instrument, state, reason });
        out.push(EventBody::ShortSaleTestChanged { instrument, action: terms.short_sale_test });
        if let Some(collar) = &terms.collar {
            tell_collar(instrument, collar, out);
        }
    }

    fn restate_order(&self, slot: u32, out: &mut Out<'_, impl EventSink>) {
        let node = self.books.slab.node(slot);
        let flags = node.flags();
        let price = match self.specials.extra_of(slot, flags) {
            Some(extra) if extra.price.is_limit() => extra.price,
            Some(_) => Price::MARKET,
            None => self.price_of_order(slot),
        };
        let (owner, user_ref_num, order_ref) = (node.owner(), node.user_ref_num(), node.order_ref());
        out.details(flags.details(), || 0);
        out.push(EventBody::PriorityUpdated { owner, user_ref_num, price, display: flags.display(), order_ref });
        if self.is_shown(slot) {
            out.push(EventBody::Rested {
                order_ref,
                quantity: Qty(node.leaves),
                price,
                instrument: self.instrument_of(slot),
                side: flags.side(),
                shown: shown(flags.display()),
                firm: self.firm_shown(owner, flags.display()),
            });
        }
    }

    fn end_roll(&mut self, out: &mut Out<'_, impl EventSink>) {
        self.day.roll = None;
        self.crossings -= 1;
        self.mark_rolling(false);
        // Cancels that came meanwhile have looked at nothing yet.
        for job in &mut self.jobs {
            job.last_ref = self.order_refs;
        }
        out.push(EventBody::SystemEvent { code: SystemEventCode::StartOfSystemHours });
        let mut all = (1..).take(self.instruments.count()).map(InstrumentId);
        if all.any(|id| self.instruments.instrument(id).state == TradingState::Trading) {
            out.push(EventBody::SystemEvent { code: SystemEventCode::StartOfMarketHours });
        }
    }
}
