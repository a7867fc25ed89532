//! The naive model of the whole core: every order of the venue in one vector per instrument and side, kept in the order in
//! which they trade. Slow, and easy to believe. It answers every command; `naive_requests.rs` has
//! what is not Enter and Replace, `naive_rules.rs` its refusals, `naive_state.rs` its state as bytes. No code in common with the core.

use super::naive_rules::{Grid, Wish};
use protocol::command::{EnterOrder, ListInstrument, OpenVenue, ReplaceOrder, TagSet};
use protocol::event::Shown;
use protocol::types::{
    AccountName, CancelReason, Capacity, Channel, ClOrdId, CrossType, Display, Firm, InstrumentId, LiquidityFlag,
    MatchNumber, Nanos, OrderRef, OrderState, Owner, Price, Qty, Sequence, Side, TimeInForce, TradingState, UserRefNum,
};
use protocol::{Command, CommandBody, Event, EventBody, RejectReason};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: AccountName,
    pub(super) firm: Firm,
    pub(super) is_disabled: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Instrument {
    pub(super) listed: ListInstrument,
    pub(super) state: TradingState,
    pub(super) short_sale_test: u8,
    pub(super) bids: Vec<Order>,
    pub(super) asks: Vec<Order>,
}

/// An order that rests or is on its way.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) owner: Owner,
    pub(super) number: UserRefNum,
    pub(super) order_ref: u64,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    /// Limit price; `None` for a market order.
    pub(super) price: Option<u64>,
    pub(super) open: u64,
    pub(super) done: u64,
    pub(super) min_qty: u64,
    pub(super) display: Display,
    pub(super) time_in_force: TimeInForce,
    pub(super) capacity: Capacity,
    pub(super) cross_type: CrossType,
    pub(super) post_only: bool,
    pub(super) details: bool,
    pub(super) group_id: u16,
    pub(super) tags: TagSet,
    pub(super) cl_ord_id: ClOrdId,
    pub(super) customer_type: u8,
    pub(super) cancel_on_disconnect: u8,
    pub(super) sweep: bool,
}

impl Order {
    fn is_immediate(&self) -> bool {
        self.price.is_none() || matches!(self.time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
    }

    pub(super) fn shown(&self) -> Shown {
        match self.display {
            Display::Hidden => Shown::No,
            Display::Visible => Shown::Anonymous,
            Display::Attributable => Shown::Attributed,
        }
    }

    pub(super) fn is_shown(&self) -> bool {
        self.display != Display::Hidden
    }

    /// Lower trades first: better price, then displayed, then older.
    fn rank(&self) -> (i64, bool, u64) {
        let price = i64::try_from(self.price.unwrap_or(0)).unwrap_or(0);
        (if self.side == Side::Buy { -price } else { price }, self.display == Display::Hidden, self.order_ref)
    }

    fn accepts(&self, resting: &Order) -> bool {
        match (self.price, resting.price) {
            (None, _) => true,
            (Some(limit), Some(price)) if self.side == Side::Buy => price <= limit,
            (Some(limit), Some(price)) => price >= limit,
            (Some(_), None) => false,
        }
    }
}

/// The naive venue.
#[derive(Clone, Debug, Default)]
pub struct NaiveVenue {
    pub(super) last_sequence: Sequence,
    pub(super) last_ingress: Nanos,
    pub(super) venue: Option<OpenVenue>,
    pub(super) accounts: Vec<Account>,
    pub(super) consumed: BTreeMap<Owner, u32>,
    pub(super) instruments: Vec<Instrument>,
    pub(super) order_refs: u64,
    pub(super) matches: u64,
    pub(super) events: Vec<Event>,
}

impl NaiveVenue {
    /// An empty venue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies a command and gives what it did.
    pub fn apply(&mut self, command: &Command) -> &[Event] {
        self.events.clear();
        self.last_sequence = command.sequence;
        self.last_ingress = command.ingress;
        match &command.body {
            CommandBody::Enter(enter) => self.enter(enter),
            CommandBody::Replace(replace) => self.replace(replace),
            CommandBody::Cancel(cancel) => self.cancel(cancel),
            CommandBody::Modify(modify) => self.modify(modify),
            CommandBody::MassCancel(mass) => self.mass_cancel(mass),
            CommandBody::DisableEntry(switch) => self.switch_entry(switch, true),
            CommandBody::EnableEntry(switch) => self.switch_entry(switch, false),
            CommandBody::Query(query) => {
                let next = UserRefNum(self.highest(query.owner).saturating_add(1));
                self.tell(EventBody::NextUserRefNum { owner: query.owner, next });
            }
            CommandBody::Refuse(refuse) => {
                if self.consume(refuse.owner, refuse.user_ref_num) {
                    self.reject(refuse.owner, refuse.user_ref_num, refuse.reason);
                }
            }
            CommandBody::RefuseReplace(refuse) => {
                let is_live = self.live(refuse.owner, refuse.orig_user_ref_num).is_some();
                if is_live && refuse.user_ref_num.0 > self.highest(refuse.owner) {
                    self.cancel_rest(refuse.owner, refuse.orig_user_ref_num);
                }
            }
            CommandBody::OpenVenue(_)
            | CommandBody::ListInstrument(_)
            | CommandBody::SetTradingState(_)
            | CommandBody::SetShortSaleTest(_)
            | CommandBody::OpenAccount(_)
            | CommandBody::SystemEvent(_)
            | CommandBody::Venue(_) => self.operate(&command.body),
            CommandBody::Operator(request) => self.answer(request),
        }
        &self.events
    }

    pub(super) fn operate(&mut self, body: &CommandBody) {
        match body {
            CommandBody::OpenVenue(open) => {
                self.venue = Some(*open);
                self.tell(EventBody::VenueOpened { session: open.session });
            }
            CommandBody::ListInstrument(listed) => {
                self.instruments.push(Instrument {
                    listed: *listed,
                    state: TradingState::Halted,
                    short_sale_test: b'0',
                    bids: Vec::new(),
                    asks: Vec::new(),
                });
                self.tell(EventBody::InstrumentListed {
                    instrument: listed.instrument,
                    symbol: listed.symbol,
                    price_decimals: listed.price_decimals,
                    qty_decimals: listed.qty_decimals,
                    tick: listed.tick,
                    lot: listed.lot,
                    max_qty: listed.max_qty,
                });
            }
            CommandBody::SetTradingState(set) => {
                self.instruments[usize::from(set.instrument.0) - 1].state = set.state;
                let (instrument, state, reason) = (set.instrument, set.state, set.reason);
                self.tell(EventBody::TradingStateChanged { instrument, state, reason });
            }
            CommandBody::SetShortSaleTest(set) => {
                self.instruments[usize::from(set.instrument.0) - 1].short_sale_test = set.action;
                self.tell(EventBody::ShortSaleTestChanged { instrument: set.instrument, action: set.action });
            }
            CommandBody::OpenAccount(open) => {
                self.accounts.push(Account { name: open.name, firm: open.firm, is_disabled: false });
                let (account, name, firm) = (open.account, open.name, open.firm);
                self.tell(EventBody::AccountOpened { account, name, firm });
            }
            CommandBody::SystemEvent(code) => self.tell(EventBody::SystemEvent { code: *code }),
            CommandBody::Venue(_) => self.tell(EventBody::OperatorRefused { reason: RejectReason::NotSupported }),
            CommandBody::Enter(_)
            | CommandBody::Replace(_)
            | CommandBody::Cancel(_)
            | CommandBody::Modify(_)
            | CommandBody::MassCancel(_)
            | CommandBody::DisableEntry(_)
            | CommandBody::EnableEntry(_)
            | CommandBody::Query(_)
            | CommandBody::Refuse(_)
            | CommandBody::RefuseReplace(_)
            | CommandBody::Operator(_) => {}
        }
    }

    pub(super) fn tell(&mut self, body: EventBody) {
        self.events.push(Event { sequence: self.last_sequence, ingress: self.last_ingress, body });
    }

    pub(super) fn tell_details(&mut self, order: &Order, quantity_ahead: u64) {
        if order.details {
            let matched = Nanos(0);
            self.tell(EventBody::Details { matched, quantity_ahead, for_maker: false, for_owner: true });
        }
    }

    pub(super) fn reject(&mut self, owner: Owner, user_ref_num: UserRefNum, reason: RejectReason) {
        self.tell(EventBody::Rejected { owner, user_ref_num, reason });
    }

    pub(super) fn bound(&self) -> u64 {
        self.venue.map_or(0, |venue| venue.orders_per_command_max.into())
    }

    pub(super) fn account(&self, owner: Owner) -> &Account {
        &self.accounts[owner.account().0 as usize]
    }

    pub(super) fn highest(&self, owner: Owner) -> u32 {
        self.consumed.get(&owner).copied().unwrap_or(0)
    }

    /// True when the number was fresh and is used up now; otherwise the request has been ignored or rejected.
    pub(super) fn consume(&mut self, owner: Owner, number: UserRefNum) -> bool {
        if number.0 <= self.highest(owner) {
            return false;
        }
        let others = self.consumed.keys().filter(|owner| owner.channel() != Channel(0)).count();
        let is_new = owner.channel() != Channel(0) && !self.consumed.contains_key(&owner);
        if is_new && others >= self.venue.map_or(0, |venue| venue.channels_max as usize) {
            self.reject(owner, number, RejectReason::ChannelsFull);
            return false;
        }
        self.consumed.insert(owner, number.0);
        true
    }

    pub(super) fn sides(&self) -> impl Iterator<Item = &Vec<Order>> {
        self.instruments.iter().flat_map(|instrument| [&instrument.bids, &instrument.asks])
    }

    pub(super) fn sides_mut(&mut self) -> impl Iterator<Item = &mut Vec<Order>> {
        self.instruments.iter_mut().flat_map(|instrument| [&mut instrument.bids, &mut instrument.asks])
    }

    /// The resting orders that `order` would rest with, or those it would trade with.
    pub(super) fn side(&mut self, order: &Order, own: bool) -> &mut Vec<Order> {
        let instrument = &mut self.instruments[usize::from(order.instrument.0) - 1];
        if (order.side == Side::Buy) == own { &mut instrument.bids } else { &mut instrument.asks }
    }

    pub(super) fn live(&self, owner: Owner, number: UserRefNum) -> Option<&Order> {
        self.sides().flatten().find(|order| order.owner == owner && order.number == number)
    }

    pub(super) fn take(&mut self, owner: Owner, number: UserRefNum) -> Option<Order> {
        self.sides_mut().find_map(|side| {
            let place = side.iter().position(|order| order.owner == owner && order.number == number)?;
            Some(side.remove(place))
        })
    }

    fn enter(&mut self, enter: &EnterOrder) {
        if !self.consume(enter.owner, enter.user_ref_num) {
            return;
        }
        let wish = Wish {
            quantity: enter.quantity.0.into(),
            price: enter.price.0.into(),
            time_in_force: enter.time_in_force,
            display: enter.display,
            cross_type: enter.cross_type,
            post_only: enter.tags.post_only,
            tags: enter.tags,
            now: self.last_ingress,
        };
        if let Some(reason) = self.wrong(enter, &wish) {
            return self.reject(enter.owner, enter.user_ref_num, reason);
        }
        self.order_refs += 1;
        let is_fok = enter.time_in_force == TimeInForce::Fok;
        let order = Order {
            owner: enter.owner,
            number: enter.user_ref_num,
            order_ref: self.order_refs,
            instrument: enter.instrument,
            side: enter.side,
            price: (!wish.is_market()).then_some(wish.price),
            open: wish.quantity,
            done: 0,
            min_qty: if is_fok { wish.quantity } else { enter.tags.min_qty.0.into() },
            display: enter.display,
            time_in_force: enter.time_in_force,
            capacity: enter.capacity,
            cross_type: enter.cross_type,
            post_only: enter.tags.post_only,
            details: enter.tags.report_details,
            group_id: enter.tags.group_id,
            tags: enter.tags.present,
            cl_ord_id: enter.cl_ord_id,
            customer_type: enter.tags.customer_type,
            cancel_on_disconnect: enter.tags.cancel_on_disconnect,
            sweep: enter.sweep,
        };
        let end = self.foresee(&order);
        let shown = if end == End::Rests { order.shown() } else { Shown::No };
        let ahead = if shown == Shown::No { 0 } else { self.ahead(&order) };
        self.tell_details(&order, ahead);
        self.tell(EventBody::Accepted {
            owner: order.owner,
            user_ref_num: order.number,
            quantity: enter.quantity,
            price: enter.price,
            order_ref: OrderRef(order.order_ref),
            instrument: order.instrument,
            side: order.side,
            state: if end == End::Dies { OrderState::Dead } else { OrderState::Live },
            shown,
            firm: if shown == Shown::Attributed { self.account(order.owner).firm } else { Firm::BLANK },
        });
        self.finish(order, end);
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
        if instrument.state != TradingState::Trading {
            return Some(RejectReason::TradingHalted);
        }
        let resting = self.sides().map(Vec::len).sum::<usize>();
        let is_full = self.venue.is_some_and(|venue| resting >= venue.orders_max as usize);
        wish.wrong_on(&instrument.grid()).or((is_full && !wish.is_immediate()).then_some(RejectReason::OrdersFull))
    }

    fn replace(&mut self, replace: &ReplaceOrder) {
        let Some(original) = self.live(replace.owner, replace.orig_user_ref_num).cloned() else {
            return;
        };
        if replace.user_ref_num.0 <= self.highest(replace.owner) {
            return;
        }
        let tags = replace.tags;
        let inherits_post = !tags.present.has(TagSet::POST_ONLY);
        let wish = Wish {
            quantity: replace.quantity.0.into(),
            price: replace.price.0.into(),
            time_in_force: replace.time_in_force,
            display: replace.display,
            cross_type: original.cross_type,
            post_only: if inherits_post { original.post_only } else { tags.post_only },
            tags,
            now: self.last_ingress,
        };
        let changes_side = tags.side.is_some_and(|side| (side == Side::Buy) != (original.side == Side::Buy));
        let is_invalid = replace.time_in_force == TimeInForce::AfterHours || changes_side;
        if is_invalid || wish.wrong_alone().is_some() {
            return self.cancel_rest(replace.owner, replace.orig_user_ref_num);
        }
        let instrument = &self.instruments[usize::from(original.instrument.0) - 1];
        let refusal = if self.account(replace.owner).is_disabled {
            Some(RejectReason::FirmNotAuthorized)
        } else if instrument.state == TradingState::Trading {
            None
        } else {
            Some(RejectReason::TradingHalted)
        };
        if let Some(reason) = refusal {
            self.consumed.insert(replace.owner, replace.user_ref_num.0);
            return self.reject(replace.owner, replace.user_ref_num, reason);
        }
        if wish.wrong_on(&instrument.grid()).is_some() {
            return self.cancel_rest(replace.owner, replace.orig_user_ref_num);
        }
        self.consumed.insert(replace.owner, replace.user_ref_num.0);
        self.swap(replace, &original, &wish);
    }

    fn swap(&mut self, replace: &ReplaceOrder, original: &Order, wish: &Wish) {
        let tags = replace.tags;
        let open = wish.quantity.saturating_sub(original.done);
        self.order_refs += 1;
        let mut order = original.clone();
        order.number = replace.user_ref_num;
        order.order_ref = self.order_refs;
        order.side = tags.side.unwrap_or(original.side);
        order.price = (!wish.is_market()).then_some(wish.price);
        order.open = open;
        order.min_qty = if replace.time_in_force == TimeInForce::Fok { open } else { tags.min_qty.0.into() };
        order.display = replace.display;
        order.time_in_force = replace.time_in_force;
        order.post_only = wish.post_only;
        if tags.present.has(TagSet::REPORT_DETAILS) {
            order.details = tags.report_details;
        }
        if tags.present.has(TagSet::CANCEL_ON_DISCONNECT) {
            order.cancel_on_disconnect = tags.cancel_on_disconnect;
        }
        order.tags = tags.present;
        order.cl_ord_id = replace.cl_ord_id;
        order.sweep = replace.sweep;
        self.take(original.owner, original.number);
        let end = if open == 0 { End::Dies } else { self.foresee(&order) };
        let rests_shown = end == End::Rests && order.is_shown();
        let ahead = if rests_shown { self.ahead(&order) } else { 0 };
        // On the feed it is one message when the old and the new order are both there and look alike.
        let is_one = rests_shown && original.shown() == order.shown();
        self.tell_details(&order, ahead);
        self.tell(EventBody::Replaced {
            owner: order.owner,
            orig_user_ref_num: original.number,
            user_ref_num: order.number,
            quantity: qty(open),
            price: replace.price,
            order_ref: OrderRef(order.order_ref),
            old_order_ref: OrderRef(original.order_ref),
            instrument: order.instrument,
            side: order.side,
            capacity: order.capacity,
            cross_type: order.cross_type,
            state: if end == End::Dies { OrderState::Dead } else { OrderState::Live },
            shown: if rests_shown && (is_one || !original.is_shown()) { order.shown() } else { Shown::No },
            old_shown: original.is_shown(),
        });
        let joins = (rests_shown && !is_one).then(|| self.rested(&order));
        self.finish(order, end);
        if let Some(rested) = joins {
            self.tell(rested);
        }
    }

    /// What will become of an order.
    fn foresee(&mut self, order: &Order) -> End {
        let most = usize::try_from(self.bound()).unwrap_or(usize::MAX);
        let reach: Vec<u64> =
            self.side(order, false).iter().filter(|other| order.accepts(other)).map(|other| other.open).collect();
        let at_once: u64 = reach.iter().take(most).sum::<u64>().min(order.open);
        if reach.is_empty() {
            if order.is_immediate() { End::Dies } else { End::Rests }
        } else if order.post_only {
            End::IsPostOnly
        } else if order.min_qty > at_once {
            End::Dies
        } else {
            End::Trades
        }
    }

    fn ahead(&mut self, order: &Order) -> u64 {
        let price = order.price;
        self.side(order, true).iter().filter(|other| other.price == price && other.is_shown()).map(|o| o.open).sum()
    }

    fn rested(&self, order: &Order) -> EventBody {
        EventBody::Rested {
            order_ref: OrderRef(order.order_ref),
            quantity: qty(order.open),
            price: price(order.price),
            instrument: order.instrument,
            side: order.side,
            shown: order.shown(),
            firm: match order.display {
                Display::Attributable => self.account(order.owner).firm,
                Display::Visible | Display::Hidden => Firm::BLANK,
            },
        }
    }

    fn finish(&mut self, order: Order, end: End) {
        match end {
            End::Dies => {}
            End::Rests => self.rest(order),
            End::IsPostOnly => self.tell_end(&order, CancelReason::PostOnly),
            End::Trades => self.trade(order),
        }
    }

    fn rest(&mut self, order: Order) {
        let side = self.side(&order, true);
        side.push(order);
        side.sort_by_key(Order::rank);
    }

    fn tell_end(&mut self, order: &Order, reason: CancelReason) {
        self.tell_details(order, 0);
        self.tell(EventBody::Canceled {
            owner: order.owner,
            user_ref_num: order.number,
            quantity: qty(order.open),
            leaves: Qty::ZERO,
            order_ref: OrderRef(order.order_ref),
            concealed: Qty::ZERO,
            instrument: order.instrument,
            reason,
            shown: false,
        });
    }

    fn trade(&mut self, mut order: Order) {
        let mut touched = 0;
        loop {
            let bound = self.bound();
            let best = self.side(&order, false).first().filter(|maker| order.accepts(maker)).cloned();
            let Some(maker) = best else {
                break;
            };
            if order.open == 0 {
                return;
            }
            if touched == bound {
                return self.tell_end(&order, CancelReason::Collar);
            }
            touched += 1;
            let quantity = maker.open.min(order.open);
            self.matches += 1;
            if maker.details || order.details {
                let (for_maker, for_owner) = (maker.details, order.details);
                self.tell(EventBody::Details { matched: Nanos(0), quantity_ahead: 0, for_maker, for_owner });
            }
            self.tell(EventBody::Traded {
                match_number: MatchNumber(self.matches),
                maker_ref: OrderRef(maker.order_ref),
                quantity: qty(quantity),
                price: price(maker.price),
                maker: maker.owner,
                maker_user_ref_num: maker.number,
                taker: order.owner,
                taker_user_ref_num: order.number,
                instrument: order.instrument,
                maker_side: maker.side,
                maker_flag: if maker.is_shown() { LiquidityFlag::Added } else { LiquidityFlag::AddedHidden },
                taker_flag: LiquidityFlag::Removed,
                maker_shown: maker.is_shown(),
            });
            order.open -= quantity;
            order.done += quantity;
            let side = self.side(&order, false);
            side[0].open -= quantity;
            side[0].done += quantity;
            side.retain(|resting| resting.open > 0);
        }
        if order.open == 0 {
            return;
        }
        if order.is_immediate() {
            return self.tell_end(&order, CancelReason::Immediate);
        }
        let rested = order.is_shown().then(|| self.rested(&order));
        self.rest(order);
        if let Some(rested) = rested {
            self.tell(rested);
        }
    }

    /// Live orders: owner, number, open quantity, done. For generators that want to name them.
    pub fn open(&self) -> impl Iterator<Item = (Owner, UserRefNum, u64, u64)> {
        self.sides().flatten().map(|order| (order.owner, order.number, order.open, order.done))
    }
}

/// What becomes of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Dies,
    Rests,
    IsPostOnly,
    Trades,
}

impl Instrument {
    fn grid(&self) -> Grid {
        Grid { tick: self.listed.tick.0.into(), lot: self.listed.lot.0.into(), max_qty: self.listed.max_qty.0.into() }
    }
}

/// A quantity of the model in wire units; it is never above what a client may send.
pub(super) fn qty(quantity: u64) -> Qty {
    Qty(u32::try_from(quantity).unwrap_or(u32::MAX))
}

pub(super) fn price(price: Option<u64>) -> Price {
    Price(price.and_then(|price| u32::try_from(price).ok()).unwrap_or(0))
}
