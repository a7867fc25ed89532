//! Orders out of the ordinary: what becomes of a new one, of a replacement and of an elected stop, and how they come to rest.
//! The plain ones are in `orders.rs`.

use super::Core;
use super::book::slab::{Cold, Node};
use super::forest::NONE;
use super::instruments::unusual;
use super::matcher::{Incoming, shown};
use super::orders::{cold_of, cold_of_replacement, replaced};
use super::sink::{EventSink, Out};
use super::special::{Extra, Place};
use super::sweep::{Ended, Taker, reserve_extra, reserve_node};
use protocol::EventBody;
use protocol::command::{EnterOrder, OrderTags, ReplaceOrder, TagSet};
use protocol::event::Shown;
use protocol::types::{
    CancelReason, CrossType, Firm, InstrumentId, MatchingAlgorithm, Nanos, OrderState, Owner, Price, Qty, TimeInForce,
};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Tags of orders that go the long way.
const SPECIAL: u32 = TagSet::MIN_QTY.0
    | TagSet::MAX_FLOOR.0
    | TagSet::PRICE_TYPE.0
    | TagSet::STOP_PRICE.0
    | TagSet::TRAIL_OFFSET.0
    | TagSet::AIQ_STRATEGY.0
    | TagSet::AIQ_GROUP_ID.0;

/// What becomes of an order, decided before the first change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Ends without an execution.
    Dies,
    /// Post-only that would take: accepted and cancelled.
    PostOnly,
    /// Waits for its trigger price.
    Sleeps,
    /// Rests as it is.
    Rests,
    /// Takes, or is kept from taking, first.
    Takes,
}

impl Fate {
    /// How an order looks on the feed by its Accepted or Replaced alone.
    fn shown_at_once(self, taker: &Taker) -> Shown {
        let is_whole = self == Self::Rests && taker.extra.max_floor == 0 && !taker.extra.is_pegged();
        let is_whole = is_whole && taker.extra.cross == CrossType::Continuous;
        if is_whole { shown(taker.order.flags.display()) } else { Shown::No }
    }

    /// State in Accepted and Replaced.
    pub(super) fn state(self) -> OrderState {
        match self {
            Self::Dies => OrderState::Dead,
            Self::PostOnly | Self::Sleeps | Self::Rests | Self::Takes => OrderState::Live,
        }
    }
}

impl Core {
    /// A new order that passed the checks.
    #[inline(never)]
    pub(super) fn enter_special(&mut self, enter: &EnterOrder, tick: Option<u32>, out: &mut Out<'_, impl EventSink>) {
        let order = self.incoming(enter, tick);
        let extra = self.extra_of_enter(enter, &order, out.ingress());
        let mut taker = self.taker(order, cold_of(enter), extra);
        let fate = self.fate(&mut taker);
        let now_shown = fate.shown_at_once(&taker);
        out.details(order.flags.details(), || self.ahead_of(now_shown, &order));
        let accepted = EventBody::Accepted {
            owner: enter.owner,
            user_ref_num: enter.user_ref_num,
            quantity: enter.quantity,
            price: enter.price,
            order_ref: order.order_ref,
            instrument: enter.instrument,
            side: enter.side,
            state: fate.state(),
            shown: now_shown,
            firm: if now_shown == Shown::Attributed {
                self.firm_shown(enter.owner, enter.display)
            } else {
                Firm::BLANK
            },
        };
        self.tell(accepted, out);
        self.fulfil(fate, taker, now_shown == Shown::No, out);
    }

    /// Takes the original off and lets a replacement do what it will, when one of the two is out of the ordinary. `tags` are
    /// those of the request with what they leave out.
    #[inline(never)]
    pub(super) fn swap_special(
        &mut self,
        replace: &ReplaceOrder,
        slot: u32,
        (order, tags): (Incoming, &OrderTags),
        out: &mut Out<'_, impl EventSink>,
    ) {
        let original = *self.books.slab.node(slot);
        let cold = *self.books.slab.cold(slot);
        let old = self.specials.extra_of(slot, original.flags()).copied().unwrap_or(Extra::BLANK);
        let old_shown = self.is_shown(slot);
        let extra = self.extra_of_replacement(replace, (&order, tags), &old, out.ingress());
        let open = self.counted(slot);
        self.take_off(slot);
        let mut taker = self.taker(order, cold_of_replacement(replace, &cold), extra);
        let fate = if order.quantity == 0 { Fate::Dies } else { self.fate(&mut taker) };
        let now_shown = fate.shown_at_once(&taker);
        // ITCH U keeps the attribution: when that changes, the old order leaves the feed and the new one joins it.
        let is_one = old_shown && now_shown == shown(original.flags().display());
        let told = if is_one || !old_shown { now_shown } else { Shown::No };
        out.details(order.flags.details(), || self.ahead_of(now_shown, &order));
        let replaced = replaced(replace, &order, (&original, &cold), (fate.state(), told, old_shown));
        self.tell_of(replaced, [open, None], out);
        self.fulfil(fate, taker, !is_one, out);
    }

    fn extra_of_replacement(
        &self,
        replace: &ReplaceOrder,
        (order, tags): (&Incoming, &OrderTags),
        old: &Extra,
        now: Nanos,
    ) -> Extra {
        let sent = |tag| replace.tags.present.has(tag);
        let is_new_deadline = sent(TagSet::EXPIRE_TIME) || sent(TagSet::EXPIRE_AT) || old.expire_at.0 == 0;
        let deadline = deadline(replace.time_in_force, tags, now);
        let expire_at = if is_new_deadline || deadline.0 == 0 { deadline } else { old.expire_at };
        let extra = extra_of(tags, order, (replace.price, old.cross), expire_at);
        let asked = self.with_defaults(extra, &replace.tags, replace.owner);
        Extra {
            aiq: if sent(TagSet::AIQ_STRATEGY) { asked.aiq } else { old.aiq },
            aiq_group: if sent(TagSet::AIQ_GROUP_ID) { asked.aiq_group } else { old.aiq_group },
            ..asked
        }
    }

    /// Places of the venue that an order takes.
    pub(super) fn places_of(&self, slot: u32) -> u32 {
        let flags = self.books.slab.node(slot).flags();
        if self.specials.extra_of(slot, flags).is_some_and(|extra| extra.half != NONE) { 2 } else { 1 }
    }

    pub(super) fn ahead_of(&self, shown: Shown, order: &Incoming) -> u64 {
        if shown == Shown::No { 0 } else { self.books.total_at(order.side, order.key) }
    }

    /// An order with its record and the worst price that it trades at.
    pub(super) fn taker(&self, order: Incoming, cold: Cold, extra: Extra) -> Taker {
        let limit = match order.key {
            0 if order.flags.side().is_buy() => u32::MAX,
            0 => 0,
            key => self.price_at(order.instrument, order.side, key).0,
        };
        let is_shared = self.instruments.terms(order.instrument).algorithm != MatchingAlgorithm::PriceTime;
        Taker { order, limit, is_shared, pause: None, cold, extra }
    }

    fn extra_of_enter(&self, enter: &EnterOrder, order: &Incoming, now: Nanos) -> Extra {
        let tags = &enter.tags;
        let expire_at = deadline(enter.time_in_force, tags, now);
        let extra = extra_of(tags, order, (enter.price, enter.cross_type), expire_at);
        self.with_defaults(extra, tags, enter.owner)
    }

    /// Decides what an order will do.
    pub(super) fn fate(&mut self, taker: &mut Taker) -> Fate {
        let (instrument, is_buy) = (taker.order.instrument, taker.order.flags.side().is_buy());
        if taker.extra.is_conditional() {
            taker.extra.place = Place::Dormant;
            return Fate::Sleeps;
        }
        if taker.extra.cross != CrossType::Continuous || !self.instruments.instrument(instrument).is_trading() {
            return Fate::Rests;
        }
        if taker.extra.is_pegged() {
            let terms = (taker.extra.price_type, taker.extra.peg_offset, taker.extra.price);
            let Some(price) = self.peg_price(instrument, is_buy, terms) else {
                return if taker.order.is_immediate { Fate::Dies } else { Fate::Rests };
            };
            taker.limit = price.0;
        }
        let is_fok = taker.cold.time_in_force == TimeInForce::Fok;
        let least = if is_fok { taker.order.quantity } else { taker.order.min_qty };
        let outlook = self.foresee(taker, least.max(1));
        if outlook.is_met && taker.order.flags.post_only() {
            return Fate::PostOnly;
        }
        if outlook.traded >= least && (outlook.traded != 0 || outlook.is_prevented) {
            return Fate::Takes;
        }
        taker.pause = outlook.pause.filter(|_| least == 0);
        if taker.order.is_immediate { Fate::Dies } else { Fate::Rests }
    }

    /// Does what was decided, after it was told. `joins`: the feed has not heard of what is displayed.
    pub(super) fn fulfil(&mut self, fate: Fate, mut taker: Taker, joins: bool, out: &mut Out<'_, impl EventSink>) {
        match fate {
            Fate::Dies => self.pause(taker.order.instrument, taker.pause, out),
            Fate::PostOnly => self.tell_end(&taker.order, taker.order.quantity, CancelReason::PostOnly, out),
            Fate::Sleeps => {
                self.rest_beside(&taker);
            }
            Fate::Rests => {
                self.settle(&taker, joins, out);
                self.pause(taker.order.instrument, taker.pause, out);
            }
            Fate::Takes => {
                let ended = self.sweep_special(&mut taker, out);
                match ended {
                    Ended::Filled | Ended::Prevented => {}
                    Ended::Paused(_) if taker.order.is_immediate => {
                        self.tell_end(&taker.order, taker.order.quantity, CancelReason::Collar, out);
                    }
                    Ended::Bound => self.tell_end(&taker.order, taker.order.quantity, CancelReason::Collar, out),
                    Ended::Empty if taker.order.is_immediate => {
                        self.tell_end(&taker.order, taker.order.quantity, CancelReason::Immediate, out);
                    }
                    Ended::Empty | Ended::Paused(_) => self.settle(&taker, true, out),
                }
                self.fill_up(taker.order.instrument, out);
                if let Ended::Paused(collar) = ended {
                    self.pause(taker.order.instrument, Some(collar), out);
                }
            }
        }
    }

    /// Puts what is left of an order where it rests, and tells the feed.
    fn settle(&mut self, taker: &Taker, joins: bool, out: &mut Out<'_, impl EventSink>) {
        if taker.extra.is_pegged() || taker.extra.cross != CrossType::Continuous {
            self.rest_beside(taker);
            return;
        }
        let order = &taker.order;
        let displayed = match taker.extra.max_floor {
            0 => order.quantity,
            floor => floor.min(order.quantity),
        };
        let is_special = taker.extra.is_special();
        let flags = order.flags.with_special(is_special);
        let node = Node::order(order.owner, order.user_ref_num, displayed, order.order_ref, flags);
        let slot = self.books.rest(order.side, order.key, &node, |record| *record = taker.cold);
        self.index.insert(node.name, slot);
        self.accounts.link(&mut self.books.slab, order.owner, slot);
        if is_special {
            let mut extra = taker.extra;
            extra.place = Place::Book;
            if extra.max_floor != 0 {
                extra.half = self.rest_reserve(slot, &extra, order.quantity - displayed);
            }
            let enlisted = self.enlisted(slot);
            self.specials.enlist(slot, enlisted, extra);
            self.note_resting(order.instrument);
        }
        if joins && order.flags.shown() {
            out.push(self.rested(order, displayed));
        }
    }

    /// Rests the reserve of an iceberg behind what is displayed, or keeps a place for it when it is 0; gives its slot.
    pub(super) fn rest_reserve(&mut self, slot: u32, extra: &Extra, reserve: u32) -> u32 {
        let node = *self.books.slab.node(slot);
        let level = self.books.slab.node(node.level);
        let (side, key) = (level.side(), level.key());
        let half = self.books.park(side, &reserve_node(&node, reserve, extra.order_ref), Cold::BLANK);
        *self.specials.extra_mut(half) = reserve_extra(extra, slot);
        if reserve != 0 {
            self.books.move_to(half, key & !1, |_| ());
        }
        half
    }

    /// Lets an order wait beside the book: it is conditional, or pegged. Gives its slot.
    fn rest_beside(&mut self, taker: &Taker) -> u32 {
        let order = &taker.order;
        let flags = order.flags.with_special(true);
        let node = Node::order(order.owner, order.user_ref_num, order.quantity, order.order_ref, flags);
        let slot = self.books.park(order.side, &node, taker.cold);
        self.index.insert(node.name, slot);
        self.accounts.link(&mut self.books.slab, order.owner, slot);
        let mut extra = taker.extra;
        if extra.max_floor != 0 {
            extra.half = self.rest_reserve(slot, &extra, 0);
        }
        let enlisted = self.enlisted(slot);
        self.specials.enlist(slot, enlisted, extra);
        self.note_resting(order.instrument);
        slot
    }

    /// A new order that passed the checks goes the long way.
    pub(super) fn is_special(&self, enter: &EnterOrder) -> bool {
        let tags = &enter.tags;
        let is_timed = matches!(enter.time_in_force, TimeInForce::Gtt | TimeInForce::Gtd);
        tags.present.0 & SPECIAL != 0
            || is_timed
            || enter.cross_type != CrossType::Continuous
            || !self.instruments.instrument(enter.instrument).is_ordinary()
            || self.accounts.account(enter.owner.account()).is_unusual()
    }

    /// A replacement that passed the checks goes the long way.
    pub(super) fn is_special_replacement(&self, tags: &OrderTags, instrument: InstrumentId) -> bool {
        tags.present.0 & (SPECIAL | TagSet::EXPIRE_TIME.0 | TagSet::EXPIRE_AT.0) != 0
            || !self.instruments.instrument(instrument).is_ordinary()
    }

    /// Self-match prevention as the order asks for it, or as the account does where the order says nothing.
    fn with_defaults(&self, extra: Extra, tags: &OrderTags, owner: Owner) -> Extra {
        let defaults = self.accounts.defaults(owner.account());
        let aiq = if tags.aiq_strategy == b'*' { defaults.aiq } else { tags.aiq_strategy };
        let aiq_group = if tags.present.has(TagSet::AIQ_GROUP_ID) { tags.aiq_group_id } else { defaults.aiq_group };
        Extra { aiq_group, aiq, ..extra }
    }

    /// The tags of a Replace, with what they leave out taken from the original.
    pub(super) fn inherited(&self, replace: &ReplaceOrder, slot: u32) -> OrderTags {
        let node = self.books.slab.node(slot);
        let mut tags = replace.tags;
        if !tags.present.has(TagSet::POST_ONLY) && node.flags().post_only() {
            tags.present = tags.present.with(TagSet::POST_ONLY);
            tags.post_only = true;
        }
        if let Some(extra) = self.specials.extra_of(slot, node.flags()) {
            extra.hand_down(&mut tags, (self.books.slab.cold(slot).time_in_force, replace.time_in_force));
        }
        tags
    }

    /// Notes whether the slow matcher is needed on an instrument.
    pub(super) fn note_resting(&mut self, instrument: InstrumentId) {
        let is_so = self.specials.watch(instrument).resting != 0;
        self.instruments.instrument_mut(instrument).set_unusual(unusual::RESTING, is_so);
    }

    /// Takes an order with a record out of its sets, and frees the slot of its reserve.
    #[inline(never)]
    pub(super) fn dismiss(&mut self, slot: u32) {
        let extra = *self.specials.extra(slot);
        let enlisted = self.enlisted(slot);
        self.specials.dismiss(slot, enlisted);
        self.note_resting(enlisted.instrument);
        let node = self.books.slab.node(slot);
        if extra.half != NONE && extra.place == Place::Book && node.leaves == 0 {
            self.specials.forget_used_up(slot, enlisted.instrument);
        }
        if extra.half != NONE {
            self.books.remove(extra.half);
        }
    }
}

impl Extra {
    /// Fills in what a Replace left out. `(from, to)`: the time in force of the original and of the replacement.
    fn hand_down(&self, tags: &mut OrderTags, (from, to): (TimeInForce, TimeInForce)) {
        let sent = tags.present;
        let names_stop = sent.has(TagSet::STOP_PRICE) || sent.has(TagSet::TRAIL_OFFSET);
        let stays = |time_in_force| from == time_in_force && to == time_in_force;
        let mut fill = |tag: TagSet, holds: bool| {
            let fills = !sent.has(tag) && holds;
            if fills {
                tags.present = tags.present.with(tag);
            }
            fills
        };
        // That of a fill-or-kill order was its quantity.
        let min = fill(TagSet::MIN_QTY, self.min_qty != 0 && from != TimeInForce::Fok);
        let floor = fill(TagSet::MAX_FLOOR, self.max_floor != 0);
        let random = fill(TagSet::RANDOM_RESERVES, self.max_floor != 0 && self.random_reserves != 0);
        let kind = fill(TagSet::PRICE_TYPE, self.is_pegged());
        let offset = fill(TagSet::PEG_OFFSET, self.is_pegged());
        fill(TagSet::EXPIRE_TIME, stays(TimeInForce::Gtt));
        let dated = fill(TagSet::EXPIRE_AT, stays(TimeInForce::Gtd));
        let only = fill(TagSet::HANDLE_INST, self.handle_inst == b'I');
        let stop = fill(TagSet::STOP_PRICE, !names_stop && self.stop_price.0 != 0);
        let trail = fill(TagSet::TRAIL_OFFSET, !names_stop && self.trail_offset.0 != 0);
        let trigger = fill(TagSet::STOP_TRIGGER, self.is_conditional());
        tags.min_qty = if min { Qty(self.min_qty) } else { tags.min_qty };
        tags.max_floor = if floor { Qty(self.max_floor) } else { tags.max_floor };
        tags.random_reserves = if random { Qty(self.random_reserves) } else { tags.random_reserves };
        tags.price_type = if kind { self.price_type } else { tags.price_type };
        tags.peg_offset = if offset { self.peg_offset } else { tags.peg_offset };
        tags.expire_at = if dated { self.expire_at } else { tags.expire_at };
        tags.handle_inst = if only { b'I' } else { tags.handle_inst };
        tags.stop_price = if stop { self.stop_price } else { tags.stop_price };
        tags.trail_offset = if trail { self.trail_offset } else { tags.trail_offset };
        tags.stop_trigger = if trigger { self.stop_trigger } else { tags.stop_trigger };
    }
}

/// What an order keeps beside its cold record, new or as a replacement; the defaults of its account are not in it yet.
fn extra_of(tags: &OrderTags, order: &Incoming, (price, cross): (Price, CrossType), expire_at: Nanos) -> Extra {
    Extra {
        expire_at,
        order_ref: order.order_ref.0,
        price,
        stop_price: tags.stop_price,
        trail_offset: tags.trail_offset,
        min_qty: order.min_qty,
        max_floor: tags.max_floor.0,
        random_reserves: tags.random_reserves.0,
        peg_offset: if tags.price_type == b'L' { 0 } else { tags.peg_offset },
        price_type: tags.price_type,
        stop_trigger: tags.stop_trigger,
        handle_inst: tags.handle_inst,
        cross,
        ..Extra::BLANK
    }
}

/// When an order expires; 0 = by no time of its own.
pub(super) fn deadline(time_in_force: TimeInForce, tags: &OrderTags, now: Nanos) -> Nanos {
    match time_in_force {
        TimeInForce::Gtt => Nanos(now.0.saturating_add(u64::from(tags.expire_time_s) * SECOND)),
        TimeInForce::Gtd => tags.expire_at,
        TimeInForce::Day
        | TimeInForce::Ioc
        | TimeInForce::Gtx
        | TimeInForce::AfterHours
        | TimeInForce::Gtc
        | TimeInForce::Fok => Nanos(0),
    }
}
