//! The naive model's Enter and Replace.

use super::features::Features;
use super::naive_book::{NaiveVenue, Order, price, qty};
use super::naive_market::Collar;
use super::naive_match::{Course, End};
use super::naive_pegs::Peg;
use super::naive_risk::Asked;
use super::naive_rules::Wish;
use super::naive_triggers::Stop;
use protocol::command::{EnterOrder, OrderTags, ReplaceOrder, TagSet};
use protocol::event::Shown;
use protocol::types::{
    CancelReason, CrossType, Display, Firm, OrderRef, OrderState, Owner, Side, TimeInForce, TradingState,
};
use protocol::{EventBody, RejectReason};

/// What becomes of an order.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// Ends without an execution; it may start a volatility auction.
    Dies(Option<Collar>),
    /// Rests or waits as it is; it may start a volatility auction.
    Rests(Option<Collar>),
    /// Is post-only and would take.
    IsPostOnly,
    /// Does something first.
    Goes(Course),
}

impl NaiveVenue {
    pub(super) fn enter(&mut self, enter: &EnterOrder) {
        if !self.consume(enter.owner, enter.user_ref_num) {
            return;
        }
        let wish = Wish {
            quantity: enter.quantity.0.into(),
            price: enter.price.0.into(),
            time_in_force: enter.time_in_force,
            display: enter.display,
            cross_type: enter.cross_type,
            tags: enter.tags,
            now: self.last_ingress,
            features: self.features,
        };
        if let Some(reason) = self.wrong(enter, &wish) {
            return self.reject(enter.owner, enter.user_ref_num, reason);
        }
        let order = self.new_order(enter, &wish);
        let fate = self.fate(&order);
        let told = look_at_once(&order, &fate);
        let ahead = if told == Shown::No { 0 } else { self.ahead(&order) };
        self.tell_details(&order, ahead);
        self.tell(EventBody::Accepted {
            owner: order.owner,
            user_ref_num: order.number,
            quantity: enter.quantity,
            price: enter.price,
            order_ref: OrderRef(order.order_ref),
            instrument: order.instrument,
            side: order.side,
            state: fate.state(&order),
            shown: told,
            firm: if told == Shown::Attributed { self.account(order.owner).firm } else { Firm::BLANK },
        });
        self.touch(order.instrument);
        self.carry_out(order, fate, told);
    }

    fn new_order(&mut self, enter: &EnterOrder, wish: &Wish) -> Order {
        let order_ref = self.next_ref();
        let is_fok = enter.time_in_force == TimeInForce::Fok;
        let tags = &enter.tags;
        let (strategy, group) = self.prevention_terms(enter.owner, tags);
        Order {
            owner: enter.owner,
            number: enter.user_ref_num,
            order_ref,
            feed_ref: order_ref,
            instrument: enter.instrument,
            side: enter.side,
            price: (!wish.is_market()).then_some(wish.price),
            open: wish.quantity,
            displayed: 0,
            done: 0,
            min_qty: if is_fok { wish.quantity } else { tags.min_qty.0.into() },
            floor: tags.max_floor.0.into(),
            random: tags.random_reserves.0.into(),
            display: enter.display,
            time_in_force: enter.time_in_force,
            deadline: self.deadline(enter.time_in_force, tags, None),
            capacity: enter.capacity,
            cross_type: enter.cross_type,
            imbalance_only: tags.handle_inst == b'I',
            peg: peg_of(tags),
            stop: Stop::of(tags),
            strategy,
            group,
            post_only: tags.post_only,
            details: tags.report_details,
            group_id: tags.group_id,
            tags: tags.present,
            cl_ord_id: enter.cl_ord_id,
            customer_type: tags.customer_type,
            cancel_on_disconnect: tags.cancel_on_disconnect,
            sweep: enter.sweep,
        }
    }

    /// Strategy and group of an order's tags, the account's where they say nothing.
    fn prevention_terms(&self, owner: Owner, tags: &OrderTags) -> (u8, [u8; 2]) {
        let account = self.account(owner);
        let strategy = if tags.aiq_strategy == b'*' { account.strategy } else { tags.aiq_strategy };
        let group = if tags.present.has(TagSet::AIQ_GROUP_ID) { tags.aiq_group_id } else { account.group };
        (strategy, group)
    }

    fn deadline(&self, time_in_force: TimeInForce, tags: &OrderTags, inherited: Option<u64>) -> Option<u64> {
        if time_in_force == TimeInForce::Gtt {
            let in_seconds = self.last_ingress.0 + u64::from(tags.expire_time_s) * 1_000_000_000;
            Some(inherited.filter(|_| !tags.present.has(TagSet::EXPIRE_TIME)).unwrap_or(in_seconds))
        } else if time_in_force == TimeInForce::Gtd {
            Some(inherited.filter(|_| !tags.present.has(TagSet::EXPIRE_AT)).unwrap_or(tags.expire_at.0))
        } else {
            None
        }
    }

    fn wrong(&self, enter: &EnterOrder, wish: &Wish) -> Option<RejectReason> {
        if wish.quantity == 0 {
            return Some(RejectReason::QuantityZero);
        }
        if let Some(reason) = wish.wrong_alone() {
            return Some(reason);
        }
        let Some(instrument) = usize::from(enter.instrument.0).checked_sub(1).and_then(|at| self.instruments.get(at))
        else {
            return Some(RejectReason::SymbolUnknown);
        };
        let account = self.account(enter.owner);
        if account.is_disabled || (enter.tags.firm != Firm::BLANK && enter.tags.firm != account.firm) {
            return Some(RejectReason::FirmNotAuthorized);
        }
        if self.is_being_cancelled(enter.owner.account()) {
            return Some(RejectReason::CancelPending);
        }
        if self.roll.is_some() {
            return Some(RejectReason::MarketClosed);
        }
        let state = instrument.state;
        let waits = wish.is_stop() || !wish.is_immediate();
        let frozen = instrument.crossing.is_some().then_some(RejectReason::TradingHalted);
        if let Some(reason) = self.closed_to(state, waits).or(frozen) {
            return Some(reason);
        }
        let is_full = self.places_left() < wish.places();
        let asked = Asked {
            owner: enter.owner,
            instrument: enter.instrument,
            side: enter.side,
            quantity: wish.quantity,
            price: enter.price,
            is_immediate: wish.is_immediate(),
            tags: &enter.tags,
            replaces: None,
            is_election: false,
        };
        wish.wrong_on(&instrument.grid(), Some(state))
            .or_else(|| self.risk_of(&asked))
            .or((is_full && waits).then_some(RejectReason::OrdersFull))
    }

    /// Why no order is taken in this state.
    fn closed_to(&self, state: TradingState, waits: bool) -> Option<RejectReason> {
        let collects = self.knows(Features::STATES) && waits;
        if state == TradingState::Trading {
            None
        } else if state == TradingState::Closed && self.knows(Features::STATES) {
            Some(RejectReason::MarketClosed)
        } else {
            (!collects).then_some(RejectReason::TradingHalted)
        }
    }

    fn places_left(&self) -> u64 {
        let taken: u64 = self.orders().map(Order::places).sum();
        self.venue.map_or(0, |venue| u64::from(venue.orders_max)).saturating_sub(taken)
    }

    pub(super) fn replace(&mut self, replace: &ReplaceOrder) {
        let Some(original) = self.live(replace.owner, replace.orig_user_ref_num).cloned() else {
            return;
        };
        if replace.user_ref_num.0 <= self.highest(replace.owner) {
            return;
        }
        let tags = inherit(replace, &original);
        let wish = Wish {
            quantity: replace.quantity.0.into(),
            price: replace.price.0.into(),
            time_in_force: replace.time_in_force,
            display: replace.display,
            cross_type: original.cross_type,
            tags,
            now: self.last_ingress,
            features: self.features,
        };
        let changes_side = tags.side.is_some_and(|side| (side == Side::Buy) != original.is_buy());
        let is_invalid = replace.time_in_force == TimeInForce::AfterHours || changes_side;
        let is_frozen = self.is_frozen(original.instrument);
        if (is_invalid || wish.wrong_alone().is_some()) && !is_frozen {
            return self.cancel_rest(replace.owner, replace.orig_user_ref_num);
        }
        let instrument = self.market(original.instrument);
        let waits = wish.is_stop() || !wish.is_immediate();
        let is_invalid = wish.wrong_on(&instrument.grid(), None).is_some();
        let too_many = self.places_left() + original.places() < wish.places();
        let refusal = if self.account(replace.owner).is_disabled {
            Some(RejectReason::FirmNotAuthorized)
        } else if self.is_being_cancelled(replace.owner.account()) || is_frozen {
            Some(RejectReason::CancelPending)
        } else if self.roll.is_some() {
            Some(RejectReason::MarketClosed)
        } else {
            let closed = self.closed_to(instrument.state, waits);
            closed.or((too_many && !is_invalid).then_some(RejectReason::OrdersFull))
        };
        if let Some(reason) = refusal {
            self.consumed.insert(replace.owner, replace.user_ref_num.0);
            return self.reject(replace.owner, replace.user_ref_num, reason);
        }
        if is_invalid {
            return self.cancel_rest(replace.owner, replace.orig_user_ref_num);
        }
        self.consumed.insert(replace.owner, replace.user_ref_num.0);
        let asked = Asked {
            owner: replace.owner,
            instrument: original.instrument,
            side: replace.tags.side.unwrap_or(original.side),
            quantity: wish.quantity.saturating_sub(original.done),
            price: replace.price,
            is_immediate: wish.is_immediate(),
            tags: &replace.tags,
            replaces: Some(replace.orig_user_ref_num),
            is_election: false,
        };
        if asked.quantity > 0
            && let Some(reason) = self.risk_of(&asked)
        {
            return self.reject(replace.owner, replace.user_ref_num, reason);
        }
        self.swap(replace, &original, &wish);
    }

    fn replacement(&mut self, replace: &ReplaceOrder, original: &Order, wish: &Wish) -> Order {
        let tags = wish.tags;
        let sent = |tag| replace.tags.present.has(tag);
        let open = wish.quantity.saturating_sub(original.done);
        let order_ref = self.next_ref();
        let (strategy, group) = self.prevention_terms(replace.owner, &replace.tags);
        let mut order = original.clone();
        order.number = replace.user_ref_num;
        order.order_ref = order_ref;
        order.feed_ref = order_ref;
        order.side = tags.side.unwrap_or(original.side);
        order.price = (!wish.is_market()).then_some(wish.price);
        order.open = open;
        order.displayed = 0;
        order.min_qty = if replace.time_in_force == TimeInForce::Fok { open } else { tags.min_qty.0.into() };
        order.floor = tags.max_floor.0.into();
        order.random = tags.random_reserves.0.into();
        order.display = replace.display;
        order.time_in_force = replace.time_in_force;
        order.deadline = self.deadline(replace.time_in_force, &replace.tags, original.deadline);
        order.post_only = tags.post_only;
        order.peg = peg_of(&tags);
        order.stop = Stop::of(&tags);
        order.imbalance_only = tags.handle_inst == b'I';
        if sent(TagSet::AIQ_STRATEGY) {
            order.strategy = strategy;
        }
        if sent(TagSet::AIQ_GROUP_ID) {
            order.group = group;
        }
        if sent(TagSet::REPORT_DETAILS) {
            order.details = tags.report_details;
        }
        if sent(TagSet::CANCEL_ON_DISCONNECT) {
            order.cancel_on_disconnect = tags.cancel_on_disconnect;
        }
        order.tags = replace.tags.present;
        order.cl_ord_id = replace.cl_ord_id;
        order.sweep = replace.sweep;
        order
    }

    fn swap(&mut self, replace: &ReplaceOrder, original: &Order, wish: &Wish) {
        let order = self.replacement(replace, original, wish);
        self.take(original.owner, original.number);
        let fate = self.fate(&order);
        let look = look_at_once(&order, &fate);
        let ahead = if look == Shown::No { 0 } else { self.ahead(&order) };
        // On the feed it is one message when the old and the new order are both there and look alike.
        let old_shown = original.is_on_feed();
        let is_one = old_shown && original.look() == look;
        let told = if is_one || !old_shown { look } else { Shown::No };
        self.tell_details(&order, ahead);
        self.tell(EventBody::Replaced {
            owner: order.owner,
            orig_user_ref_num: original.number,
            user_ref_num: order.number,
            quantity: qty(order.open),
            price: replace.price,
            order_ref: OrderRef(order.order_ref),
            old_order_ref: OrderRef(original.feed_ref),
            instrument: order.instrument,
            side: order.side,
            capacity: order.capacity,
            cross_type: order.cross_type,
            state: fate.state(&order),
            shown: told,
            old_shown,
        });
        self.carry_out(order, fate, if is_one { look } else { Shown::No });
    }

    /// What will become of an order that matches now.
    pub(super) fn fate(&self, order: &Order) -> Fate {
        if order.open == 0 {
            return Fate::Dies(None);
        }
        if order.stop.is_some() || order.cross_type != CrossType::Continuous || !self.matches_now(order) {
            return Fate::Rests(None);
        }
        if order.post_only && self.would_take(order) {
            return Fate::IsPostOnly;
        }
        let course = self.work_out(order);
        let at_least = if order.time_in_force == TimeInForce::Fok { order.open } else { order.min_qty };
        if course.traded() < at_least {
            return if order.is_immediate() { Fate::Dies(None) } else { Fate::Rests(None) };
        }
        if !course.steps.is_empty() {
            Fate::Goes(course)
        } else if order.is_immediate() {
            Fate::Dies(course.pause)
        } else {
            Fate::Rests(course.pause)
        }
    }

    /// Does what was foreseen. `told` says how its answer has put it on the feed.
    pub(super) fn carry_out(&mut self, order: Order, fate: Fate, told: Shown) {
        let instrument = order.instrument;
        match fate {
            Fate::Dies(pause) => self.pause(instrument, pause),
            Fate::Rests(pause) => {
                self.rest(order, told);
                self.pause(instrument, pause);
            }
            Fate::IsPostOnly => self.tell_end(&order, CancelReason::PostOnly),
            Fate::Goes(course) => self.go(order, &course),
        }
    }

    fn go(&mut self, mut order: Order, course: &Course) {
        self.run(&mut order, &course.steps);
        let aggressor = order.clone();
        match course.end {
            End::Filled => {}
            End::Open if order.is_immediate() => self.tell_end(&order, CancelReason::Immediate),
            End::Paused if order.is_immediate() => self.tell_end(&order, CancelReason::Collar),
            End::Open | End::Paused => self.rest(order, Shown::No),
            End::Collar => self.tell_end(&order, CancelReason::Collar),
            End::Prevented => self.tell_end(&order, CancelReason::SelfMatch),
        }
        self.refill_side(&aggressor, false);
        self.pause(aggressor.instrument, course.pause.clone());
    }

    /// Puts an order where it belongs, and on the feed unless that is told already.
    fn rest(&mut self, mut order: Order, told: Shown) {
        self.touch(order.instrument);
        let is_aside = order.stop.is_some() || order.peg.is_some() || order.cross_type != CrossType::Continuous;
        if is_aside {
            let aside = &mut self.market_mut(order.instrument).aside;
            aside.push(order);
            return aside.sort_by_key(|order| order.order_ref);
        }
        order.displayed = match (order.display, order.floor) {
            (Display::Hidden, _) => 0,
            (Display::Visible | Display::Attributable, 0) => order.open,
            (Display::Visible | Display::Attributable, floor) => floor.min(order.open),
        };
        let rested = (order.is_on_feed() && told == Shown::No).then(|| self.rested(&order));
        let side = self.side(order.instrument, order.is_buy());
        side.push(order);
        side.sort_by_key(Order::rank);
        if let Some(rested) = rested {
            self.tell(rested);
        }
    }

    fn rested(&self, order: &Order) -> EventBody {
        EventBody::Rested {
            order_ref: OrderRef(order.feed_ref),
            quantity: qty(order.displayed),
            price: price(order.price),
            instrument: order.instrument,
            side: order.side,
            shown: order.look(),
            firm: self.name_on_feed(order),
        }
    }

    pub(super) fn name_on_feed(&self, order: &Order) -> Firm {
        match order.display {
            Display::Attributable => self.account(order.owner).firm,
            Display::Visible | Display::Hidden => Firm::BLANK,
        }
    }

    /// Displayed quantity at an order's price on its side.
    pub(super) fn ahead(&self, order: &Order) -> u64 {
        let market = self.market(order.instrument);
        let side = if order.is_buy() { &market.bids } else { &market.asks };
        side.iter().filter(|other| other.price == order.price).map(|other| other.displayed).sum()
    }
}

impl Fate {
    fn state(&self, order: &Order) -> OrderState {
        match self {
            Self::Dies(_) => OrderState::Dead,
            Self::Rests(_) | Self::IsPostOnly | Self::Goes(_) => {
                assert!(order.open > 0);
                OrderState::Live
            }
        }
    }
}

/// How the whole order looks on the feed at once.
fn look_at_once(order: &Order, fate: &Fate) -> Shown {
    let in_book = order.stop.is_none() && order.peg.is_none() && order.cross_type == CrossType::Continuous;
    match fate {
        Fate::Rests(_) if in_book && order.floor == 0 => order.look(),
        Fate::Rests(_) | Fate::Dies(_) | Fate::IsPostOnly | Fate::Goes(_) => Shown::No,
    }
}

fn peg_of(tags: &OrderTags) -> Option<Peg> {
    (tags.price_type != b'L').then_some(Peg { kind: tags.price_type, offset: tags.peg_offset.into() })
}

/// What a Replace asks for, with what it leaves out taken from the original.
fn inherit(replace: &ReplaceOrder, original: &Order) -> OrderTags {
    let sent = &replace.tags;
    let mut tags = *sent;
    let stays = |time_in_force| original.time_in_force == time_in_force && replace.time_in_force == time_in_force;
    let mut fill = |tag: TagSet, holds: bool| {
        let fills = !sent.present.has(tag) && holds;
        if fills {
            tags.present = tags.present.with(tag);
        }
        fills
    };
    // That of a fill-or-kill order was its quantity.
    let keeps_min = original.min_qty > 0 && original.time_in_force != TimeInForce::Fok;
    let stop = original.stop.as_ref();
    let conditional = TagSet::STOP_PRICE.with(TagSet::TRAIL_OFFSET);
    let names_stop = sent.present.0 & conditional.0 != 0;
    let (min, floor) = (fill(TagSet::MIN_QTY, keeps_min), fill(TagSet::MAX_FLOOR, original.floor > 0));
    let random = fill(TagSet::RANDOM_RESERVES, original.floor > 0 && original.random > 0);
    let kind = fill(TagSet::PRICE_TYPE, original.peg.is_some());
    let offset = fill(TagSet::PEG_OFFSET, original.peg.is_some());
    let post = fill(TagSet::POST_ONLY, original.post_only);
    fill(TagSet::EXPIRE_TIME, stays(TimeInForce::Gtt));
    let dated = fill(TagSet::EXPIRE_AT, stays(TimeInForce::Gtd));
    let only = fill(TagSet::HANDLE_INST, original.imbalance_only);
    let stopped = fill(TagSet::STOP_PRICE, !names_stop && stop.is_some_and(|stop| stop.price.is_some()));
    let trails = fill(TagSet::TRAIL_OFFSET, !names_stop && stop.is_some_and(|stop| stop.trail > 0));
    let triggered = fill(TagSet::STOP_TRIGGER, stop.is_some());
    if min {
        tags.min_qty = qty(original.min_qty);
    }
    if floor {
        tags.max_floor = qty(original.floor);
    }
    if random {
        tags.random_reserves = qty(original.random);
    }
    if let Some(peg) = original.peg {
        tags.price_type = if kind { peg.kind } else { tags.price_type };
        tags.peg_offset = if offset { i32::try_from(peg.offset).unwrap_or(0) } else { tags.peg_offset };
    }
    tags.post_only |= post;
    if dated {
        tags.expire_at = protocol::Nanos(original.deadline.unwrap_or(0));
    }
    if only {
        tags.handle_inst = b'I';
    }
    if let Some(stop) = stop {
        tags.stop_price = if stopped { price(stop.price) } else { tags.stop_price };
        tags.trail_offset = if trails { price(Some(stop.trail)) } else { tags.trail_offset };
        tags.stop_trigger = if triggered { stop.source } else { tags.stop_trigger };
    }
    tags
}
