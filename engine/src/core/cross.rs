//! A cross: buyers and sellers are paired at one price, from the front of both sides; what is left on one side meets the
//! orders that want nothing else; the orders that were for this cross alone are cancelled; icebergs are filled up. One command
//! does as much as it may touch, the rest is done by `Tick`; in between all orders of the instrument are frozen.

use super::Core;
use super::forest::NONE;
use super::interest::{Entry, Interest};
use super::sink::{EventSink, Out};
use super::special::{Place, cross_set};
use protocol::EventBody;
use protocol::types::{
    CancelReason, CrossType, Firm, InstrumentId, LiquidityFlag, MatchNumber, Price, Qty, TradingState,
};

/// A cross that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crossing {
    pub(super) kind: CrossType,
    /// Price of all its executions; 0 when nothing is paired.
    pub(super) price: u32,
    /// Still to be paired.
    pub(super) left: u64,
    pub(super) executed: u64,
    pub(super) phase: Phase,
    pub(super) from: TradingState,
    pub(super) next: TradingState,
    pub(super) reason: Firm,
}

/// What a cross does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Buyers and sellers are paired.
    Pair = 0,
    /// What is left on one side meets imbalance-only orders.
    Imbalance = 1,
    /// Orders for this cross alone are cancelled.
    Cancel = 2,
    /// Icebergs are filled up.
    Refill = 3,
}

/// Which cross ends a state.
pub(super) fn kind_of(state: TradingState) -> CrossType {
    match state {
        TradingState::PreOpen => CrossType::Opening,
        TradingState::PreClose => CrossType::Closing,
        TradingState::Halted
        | TradingState::Paused
        | TradingState::QuotationOnly
        | TradingState::Trading
        | TradingState::Closed => CrossType::Halt,
    }
}

fn flag_of(kind: CrossType) -> LiquidityFlag {
    match kind {
        CrossType::Opening => LiquidityFlag::Opening,
        CrossType::Closing => LiquidityFlag::Closing,
        CrossType::Halt
        | CrossType::Continuous
        | CrossType::Supplemental
        | CrossType::Retail
        | CrossType::ExtendedLife
        | CrossType::AfterHoursClose => LiquidityFlag::Halt,
    }
}

impl Core {
    /// Begins the cross of the state that is left, and enters the next state when it is done.
    pub(super) fn begin_cross(
        &mut self,
        instrument: InstrumentId,
        (next, reason): (TradingState, Firm),
        out: &mut Out<'_, impl EventSink>,
    ) {
        let from = self.instruments.instrument(instrument).state;
        let kind = kind_of(from);
        let (price, left) = self.clearing(instrument, kind, true).map_or((0, 0), |found| (found.price, found.executed));
        let crossing = Crossing { kind, price, left, executed: 0, phase: Phase::Pair, from, next, reason };
        self.instruments.terms_mut(instrument).crossing = Some(crossing);
        self.crossings += 1;
        self.cross_on(instrument, out);
    }

    /// Goes on with a cross as far as the command may.
    pub(super) fn cross_on(&mut self, instrument: InstrumentId, out: &mut Out<'_, impl EventSink>) {
        while let Some(crossing) = self.instruments.terms(instrument).crossing {
            let is_done = match crossing.phase {
                Phase::Pair | Phase::Imbalance => self.pair_next(instrument, &crossing, out),
                Phase::Cancel => self.cancel_leftover(instrument, &crossing, out),
                Phase::Refill => self.refill_next(instrument, out),
            };
            match is_done {
                Some(true) => {}
                Some(false) => return,
                None => self.next_phase(instrument, &crossing, out),
            }
        }
    }

    /// Uses up one touch. False when there is none.
    pub(super) fn touch(&mut self) -> bool {
        if self.touches_left() == 0 {
            return false;
        }
        self.touched += 1;
        true
    }

    fn first_of(&self, instrument: InstrumentId, crossing: &Crossing, is_buy: bool) -> Option<Entry> {
        let accepts =
            |entry: &Entry| if is_buy { entry.price >= crossing.price } else { entry.price <= crossing.price };
        Interest::new(self, instrument, (crossing.kind, is_buy), true).next().filter(accepts)
    }

    /// The oldest imbalance-only order of a side that accepts the price.
    fn only_of(&self, instrument: InstrumentId, crossing: &Crossing, is_buy: bool) -> Option<Entry> {
        let set = self.specials.watch(instrument).only[cross_set(crossing.kind, is_buy)];
        let limit = |slot: &u32| self.specials.extra(*slot).price.0;
        let accepts = |slot: &u32| if is_buy { limit(slot) >= crossing.price } else { limit(slot) <= crossing.price };
        let slot = self.specials.waiting.members(set).find(accepts)?;
        Some(Entry::new(slot, limit(&slot)))
    }

    /// Pairs the first of each side. `None`: there is no more to pair in this phase; false: the command may touch no more.
    fn pair_next(
        &mut self,
        instrument: InstrumentId,
        crossing: &Crossing,
        out: &mut Out<'_, impl EventSink>,
    ) -> Option<bool> {
        let (buyer, seller) = match crossing.phase {
            Phase::Pair if crossing.left > 0 => {
                (self.first_of(instrument, crossing, true)?, self.first_of(instrument, crossing, false)?)
            }
            Phase::Imbalance if crossing.executed > 0 => {
                let of_buyers =
                    self.first_of(instrument, crossing, true).zip(self.only_of(instrument, crossing, false));
                of_buyers.or_else(|| {
                    self.only_of(instrument, crossing, true).zip(self.first_of(instrument, crossing, false))
                })?
            }
            Phase::Pair | Phase::Imbalance | Phase::Cancel | Phase::Refill => return None,
        };
        if !self.touch() {
            return Some(false);
        }
        let open = |entry: &Entry| self.books.slab.node(entry.slot).leaves;
        let mut quantity = open(&buyer).min(open(&seller));
        if crossing.phase == Phase::Pair {
            quantity = u32::try_from(crossing.left).unwrap_or(u32::MAX).min(quantity);
        }
        self.matches += 1;
        for entry in [buyer, seller] {
            self.execute_in_cross(instrument, crossing, (&entry, quantity), out);
        }
        if let Some(crossing) = &mut self.instruments.terms_mut(instrument).crossing {
            crossing.executed += u64::from(quantity);
            crossing.left = crossing.left.saturating_sub(u64::from(quantity));
        }
        Some(true)
    }

    fn execute_in_cross(
        &mut self,
        instrument: InstrumentId,
        crossing: &Crossing,
        (entry, quantity): (&Entry, u32),
        out: &mut Out<'_, impl EventSink>,
    ) {
        let node = *self.books.slab.node(entry.slot);
        out.details(node.flags().details(), || 0);
        let executed = EventBody::CrossExecuted {
            match_number: MatchNumber(self.matches),
            order_ref: node.order_ref(),
            quantity: Qty(quantity),
            price: Price(crossing.price),
            owner: node.owner(),
            user_ref_num: node.user_ref_num(),
            instrument,
            side: node.flags().side(),
            flag: flag_of(crossing.kind),
            shown: entry.is_shown,
        };
        self.tell(executed, out);
        self.take_in_cross(entry.slot, quantity);
    }

    /// Takes an executed quantity off: what is used up of an iceberg keeps its place until it is filled up.
    fn take_in_cross(&mut self, slot: u32, quantity: u32) {
        let node = *self.books.slab.node(slot);
        let half = self.specials.extra_of(slot, node.flags()).filter(|extra| extra.place == Place::Book);
        let half = half.map_or(NONE, |extra| extra.half);
        if half != NONE && quantity == node.leaves && self.books.slab.node(half).leaves != 0 {
            self.books.slab.cold_mut(slot).done += quantity;
            self.books.slab.use_up(slot);
            let instrument = self.instrument_of(slot);
            return self.specials.note_used_up(slot, instrument);
        }
        self.take(slot, quantity);
    }

    /// Cancels the oldest order that was only for this cross.
    fn cancel_leftover(
        &mut self,
        instrument: InstrumentId,
        crossing: &Crossing,
        out: &mut Out<'_, impl EventSink>,
    ) -> Option<bool> {
        let set = self.specials.watch(instrument).by_age[cross_set(crossing.kind, false) / 2];
        let slot = self.specials.trailing.first(set)?;
        if !self.touch() {
            return Some(false);
        }
        let closes = crossing.from == TradingState::PreClose;
        let reason = if closes { CancelReason::Closed } else { CancelReason::Immediate };
        self.cancel_whole(slot, reason, out);
        Some(true)
    }

    fn refill_next(&mut self, instrument: InstrumentId, out: &mut Out<'_, impl EventSink>) -> Option<bool> {
        if self.specials.watch(instrument).used_up.is_empty() {
            return None;
        }
        if !self.touch() {
            return Some(false);
        }
        self.fill_up_one(instrument, out);
        Some(true)
    }

    fn next_phase(&mut self, instrument: InstrumentId, crossing: &Crossing, out: &mut Out<'_, impl EventSink>) {
        let phase = match crossing.phase {
            Phase::Pair => Phase::Imbalance,
            Phase::Imbalance => {
                self.tell_crossed(instrument, crossing, out);
                Phase::Cancel
            }
            Phase::Cancel => Phase::Refill,
            Phase::Refill => {
                self.instruments.terms_mut(instrument).crossing = None;
                self.crossings -= 1;
                return self.arrive(instrument, (crossing.next, crossing.reason), out);
            }
        };
        self.instruments.terms_mut(instrument).crossing = Some(Crossing { phase, ..*crossing });
    }

    fn tell_crossed(&mut self, instrument: InstrumentId, crossing: &Crossing, out: &mut Out<'_, impl EventSink>) {
        let is_silent = matches!(crossing.from, TradingState::Halted | TradingState::Closed);
        if crossing.executed == 0 && is_silent {
            return;
        }
        self.matches += 1;
        let price = if crossing.executed == 0 { Price(0) } else { Price(crossing.price) };
        out.push(EventBody::Crossed {
            match_number: MatchNumber(self.matches),
            quantity: crossing.executed,
            price,
            instrument,
            cross_type: crossing.kind,
        });
        if crossing.executed > 0 {
            self.instruments.instrument_mut(instrument).last_trade = price;
            self.instruments.terms_mut(instrument).reference = price;
        }
    }

    /// Its instrument crosses: nothing of it may change.
    pub(super) fn is_frozen(&self, instrument: InstrumentId) -> bool {
        self.crossings != 0 && (self.is_restating() || self.instruments.terms(instrument).crossing.is_some())
    }

    /// Cancels all that is open of an order, after the cross when its instrument is frozen.
    pub(super) fn cancel_or_wait(&mut self, slot: u32, reason: CancelReason, out: &mut Out<'_, impl EventSink>) {
        if !self.is_frozen(self.instrument_of(slot)) {
            return self.cancel_whole(slot, reason, out);
        }
        let node = *self.books.slab.node(slot);
        let (owner, user_ref_num) = (node.owner(), node.user_ref_num());
        if self.waiting_cancels.contains(&(owner, user_ref_num)) {
            return;
        }
        out.details(node.flags().details(), || 0);
        if self.waiting_cancels.len() < protocol::limits::CANCELS_PENDING_MAX {
            self.waiting_cancels.push_back((owner, user_ref_num));
            out.push(EventBody::CancelPending { owner, user_ref_num });
        } else {
            out.push(EventBody::CancelRejected { owner, user_ref_num });
        }
    }

    /// Does the cancels that waited for a cross.
    pub(super) fn cancel_waiting(&mut self, out: &mut Out<'_, impl EventSink>) {
        while let Some((owner, number)) = self.waiting_cancels.front().copied() {
            if !self.touch() {
                return;
            }
            self.waiting_cancels.pop_front();
            if let Some(slot) = self.find(owner, number) {
                self.cancel_whole(slot, CancelReason::User, out);
            }
        }
    }
}
