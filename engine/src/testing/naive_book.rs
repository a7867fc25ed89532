//! The naive model of the whole core: every order of the venue in plain vectors per instrument, kept in the order in which
//! they trade. Slow, and easy to believe. No code in common with the core.
//!
//! | File | Its part |
//! |---|---|
//! | `naive_book.rs` | the state, and which part answers a command |
//! | `naive_rules.rs` | refusals |
//! | `naive_orders.rs` | Enter and Replace |
//! | `naive_requests.rs` | Cancel, Modify and the other requests of clients |
//! | `naive_match.rs`, `naive_pro_rata.rs` | what an aggressor does |
//! | `naive_smp.rs`, `naive_pegs.rs`, `naive_triggers.rs` | self-match prevention, pegs, stops |
//! | `naive_auction.rs`, `naive_market.rs` | crosses; trading states, bands, halts |
//! | `naive_roll.rs` | the end of a trading day |
//! | `naive_time.rs` | ticks, expiry, disconnects, cancels in parts |
//! | `naive_operator.rs` | requests of an operator |
//! | `naive_risk.rs`, `naive_worth.rs`, `naive_ledger.rs` | limits and kill switches; what positions are worth; money |
//! | `naive_state.rs` | the state as bytes |

use super::features::Features;
use super::naive_auction::Crossing;
use super::naive_market::{Bands, Collar};
use super::naive_pegs::Peg;
use super::naive_risk::Money;
use super::naive_roll::Roll;
use super::naive_time::Job;
use super::naive_triggers::Stop;
use protocol::command::{ListInstrument, OpenVenue, TagSet};
use protocol::event::Shown;
use protocol::money::Legs;
use protocol::types::{
    AccountName, Capacity, Channel, ClOrdId, CrossType, Display, Firm, InstrumentId, MatchingAlgorithm, Nanos, Owner,
    Price, Qty, Sequence, Side, TimeInForce, TradingState, UserRefNum,
};
use protocol::{Command, CommandBody, Event, EventBody, RejectReason};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: AccountName,
    pub(super) firm: Firm,
    pub(super) is_disabled: bool,
    /// Strategy and group of orders that name none.
    pub(super) strategy: u8,
    pub(super) group: [u8; 2],
    /// Orders without tag 204 are cancelled on disconnect.
    pub(super) cancel_on_disconnect: bool,
    pub(super) grace_ns: u64,
    /// When the cancels of a disconnect are due.
    pub(super) disconnect_due: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Instrument {
    pub(super) listed: ListInstrument,
    pub(super) state: TradingState,
    pub(super) short_sale_test: u8,
    /// Best price first; at a price displayed before hidden, then oldest first.
    pub(super) bids: Vec<Order>,
    pub(super) asks: Vec<Order>,
    /// Stops, pegs and cross orders: they have no place in the book.
    pub(super) aside: Vec<Order>,
    pub(super) algorithm: MatchingAlgorithm,
    /// Least pro-rata share.
    pub(super) minimum: u64,
    pub(super) elections_max: u64,
    pub(super) bands: Bands,
    /// Static reference price; 0 = none.
    pub(super) reference: u64,
    /// Price of the last trade; 0 = none.
    pub(super) last: u64,
    /// When orders are crossed.
    pub(super) until: Option<u64>,
    /// When the next imbalance message is due.
    pub(super) imbalance_due: Option<u64>,
    /// Of a volatility auction.
    pub(super) collar: Option<Collar>,
    /// References of elected stops, in the order in which they are processed.
    pub(super) elected: Vec<u64>,
    /// A cross that is not finished: the instrument is frozen.
    pub(super) crossing: Option<Crossing>,
}

/// An order that rests, waits aside or is on its way.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four flags that a client sends")]
pub(super) struct Order {
    pub(super) owner: Owner,
    pub(super) number: UserRefNum,
    pub(super) order_ref: u64,
    /// Reference of the displayed part on the feed.
    pub(super) feed_ref: u64,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    /// Limit price; `None` for a market order.
    pub(super) price: Option<u64>,
    pub(super) open: u64,
    /// Of `open`, what is on the feed.
    pub(super) displayed: u64,
    pub(super) done: u64,
    pub(super) min_qty: u64,
    /// Displayed part of an iceberg when it is full; 0 = no iceberg.
    pub(super) floor: u64,
    pub(super) random: u64,
    pub(super) display: Display,
    pub(super) time_in_force: TimeInForce,
    pub(super) deadline: Option<u64>,
    pub(super) capacity: Capacity,
    pub(super) cross_type: CrossType,
    pub(super) imbalance_only: bool,
    pub(super) peg: Option<Peg>,
    pub(super) stop: Option<Stop>,
    pub(super) strategy: u8,
    pub(super) group: [u8; 2],
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
    pub(super) fn is_buy(&self) -> bool {
        self.side == Side::Buy
    }

    /// Nothing of it may rest.
    pub(super) fn is_immediate(&self) -> bool {
        let is_market = self.price.is_none() && self.peg.is_none();
        let is_timed_out = matches!(self.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        (is_market || is_timed_out) && self.cross_type == CrossType::Continuous
    }

    /// How it looks on the feed when it rests.
    pub(super) fn look(&self) -> Shown {
        match self.display {
            Display::Hidden => Shown::No,
            Display::Visible => Shown::Anonymous,
            Display::Attributable => Shown::Attributed,
        }
    }

    /// It is on the feed now.
    pub(super) fn is_on_feed(&self) -> bool {
        self.displayed > 0
    }

    /// Places it takes of those of the venue.
    pub(super) fn places(&self) -> u64 {
        if self.floor > 0 { 2 } else { 1 }
    }

    /// Lower trades first: better price, then displayed, then older.
    pub(super) fn rank(&self) -> (i64, bool, u64) {
        let price = i64::try_from(self.price.unwrap_or(0)).unwrap_or(0);
        (if self.is_buy() { -price } else { price }, self.display == Display::Hidden, self.feed_ref)
    }

    /// Takes quantity off without a trade, from the reserve first; what came off the reserve.
    pub(super) fn reduce(&mut self, quantity: u64) -> u64 {
        let concealed = if self.is_on_feed() { quantity.min(self.open - self.displayed) } else { 0 };
        self.open -= quantity;
        self.displayed = self.displayed.min(self.open);
        concealed
    }
}

/// The naive venue.
#[derive(Clone, Debug, Default)]
pub struct NaiveVenue {
    pub(super) features: Features,
    pub(super) last_sequence: Sequence,
    pub(super) last_ingress: Nanos,
    pub(super) venue: Option<OpenVenue>,
    pub(super) accounts: Vec<Account>,
    pub(super) consumed: BTreeMap<Owner, u32>,
    pub(super) instruments: Vec<Instrument>,
    pub(super) order_refs: u64,
    pub(super) matches: u64,
    pub(super) events: Vec<Event>,
    /// What the command may still touch.
    pub(super) budget: u64,
    /// Instruments whose orders or state the command has changed.
    pub(super) touched: BTreeSet<u16>,
    /// Cancels that are not finished, oldest first.
    pub(super) jobs: Vec<Job>,
    /// Cancels that wait for the end of a cross.
    pub(super) waiting_cancels: Vec<(Owner, UserRefNum)>,
    /// A market-wide halt that is not finished: its level, and the next instrument.
    pub(super) halting: Option<(u8, usize)>,
    /// Limits, switches and money.
    pub(super) money: Money,
    /// Trades broken today, and the last match number of the day before.
    pub(super) busts: BTreeSet<u64>,
    pub(super) busts_forgotten: u64,
    /// When the session began, and how far its end is.
    pub(super) opened: u64,
    /// The schedule rolls the days.
    pub(super) day_rolls: bool,
    pub(super) roll: Option<Roll>,
}

impl NaiveVenue {
    /// An empty venue that knows what the core knows.
    #[must_use]
    pub fn new() -> Self {
        Self::with_features(Features::CORE)
    }

    /// An empty venue that knows these rules.
    #[must_use]
    pub fn with_features(features: Features) -> Self {
        Self { features, ..Self::default() }
    }

    /// Applies a command and gives what it did.
    pub fn apply(&mut self, command: &Command) -> &[Event] {
        self.events.clear();
        self.touched.clear();
        self.last_sequence = command.sequence;
        self.last_ingress = command.ingress;
        self.budget = self.bound();
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
                    self.cancel_for_replace(refuse.owner, refuse.orig_user_ref_num, refuse.user_ref_num);
                }
            }
            CommandBody::OpenVenue(_)
            | CommandBody::ListInstrument(_)
            | CommandBody::SetTradingState(_)
            | CommandBody::SetShortSaleTest(_)
            | CommandBody::OpenAccount(_)
            | CommandBody::SystemEvent(_) => self.operate(&command.body),
            CommandBody::Operator(request) => self.answer(request),
            CommandBody::Venue(command) => self.obey(command),
        }
        self.look_at_noted();
        self.elect_all();
        self.look_at_noted();
        assert!(self.money.ledger.is_conserved(), "money was made or lost by {:?}", command.body);
        &self.events
    }

    pub(super) fn list(&mut self, listed: &ListInstrument, legs: Legs) {
        let mark = listed.reference_price.0.into();
        self.money.ledger.list(listed.price_decimals, listed.qty_decimals, legs, mark);
        self.instruments.push(Instrument::new(listed));
        self.tell(EventBody::InstrumentListed {
            instrument: listed.instrument,
            symbol: listed.symbol,
            price_decimals: listed.price_decimals,
            qty_decimals: listed.qty_decimals,
            tick: listed.tick,
            lot: listed.lot,
            max_qty: listed.max_qty,
            legs,
        });
    }

    pub(super) fn operate(&mut self, body: &CommandBody) {
        match body {
            CommandBody::OpenVenue(open) => {
                self.venue = Some(*open);
                self.opened = self.now();
                self.tell(EventBody::VenueOpened { session: open.session });
            }
            CommandBody::ListInstrument(listed) => self.list(listed, Legs::of_symbol(&listed.symbol)),
            CommandBody::SetTradingState(set) => self.change_state(set.instrument, set.state, set.reason),
            CommandBody::SetShortSaleTest(set) => {
                self.instruments[usize::from(set.instrument.0) - 1].short_sale_test = set.action;
                self.tell(EventBody::ShortSaleTestChanged { instrument: set.instrument, action: set.action });
            }
            CommandBody::OpenAccount(open) => {
                self.accounts.push(Account {
                    name: open.name,
                    firm: open.firm,
                    is_disabled: false,
                    strategy: b'N',
                    group: *b"  ",
                    cancel_on_disconnect: false,
                    grace_ns: 0,
                    disconnect_due: None,
                });
                let (account, name, firm) = (open.account, open.name, open.firm);
                self.tell(EventBody::AccountOpened { account, name, firm });
            }
            CommandBody::SystemEvent(code) => {
                self.tell(EventBody::SystemEvent { code: *code });
                self.pass_of_day(*code);
            }
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
            | CommandBody::Operator(_)
            | CommandBody::Venue(_) => {}
        }
    }

    pub(super) fn tell(&mut self, body: EventBody) {
        let (sequence, ingress) = (self.last_sequence, self.last_ingress);
        self.events.push(Event { sequence, ingress, body });
        if let Some(body) = self.learn(&body) {
            self.events.push(Event { sequence, ingress, body });
        }
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

    pub(super) fn knows(&self, feature: Features) -> bool {
        self.features.has(feature)
    }

    pub(super) fn account(&self, owner: Owner) -> &Account {
        &self.accounts[owner.account().0 as usize]
    }

    pub(super) fn market(&self, instrument: InstrumentId) -> &Instrument {
        &self.instruments[usize::from(instrument.0) - 1]
    }

    pub(super) fn market_mut(&mut self, instrument: InstrumentId) -> &mut Instrument {
        &mut self.instruments[usize::from(instrument.0) - 1]
    }

    pub(super) fn is_trading(&self, instrument: InstrumentId) -> bool {
        self.market(instrument).state == TradingState::Trading
    }

    /// A cross goes on.
    pub(super) fn is_frozen(&self, instrument: InstrumentId) -> bool {
        self.is_restating() || self.market(instrument).crossing.is_some()
    }

    pub(super) fn touch(&mut self, instrument: InstrumentId) {
        self.touched.insert(instrument.0);
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

    /// Every live order.
    pub(super) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.instruments.iter().flat_map(Instrument::orders)
    }

    /// The resting orders of one side of the book.
    pub(super) fn side(&mut self, instrument: InstrumentId, buys: bool) -> &mut Vec<Order> {
        let market = self.market_mut(instrument);
        if buys { &mut market.bids } else { &mut market.asks }
    }

    pub(super) fn live(&self, owner: Owner, number: UserRefNum) -> Option<&Order> {
        self.orders().find(|order| order.owner == owner && order.number == number)
    }

    pub(super) fn take(&mut self, owner: Owner, number: UserRefNum) -> Option<Order> {
        let lists = self.instruments.iter_mut().flat_map(Instrument::lists);
        let order = lists.into_iter().find_map(|list| {
            let place = list.iter().position(|order| order.owner == owner && order.number == number)?;
            Some(list.remove(place))
        })?;
        self.touch(order.instrument);
        self.market_mut(order.instrument).elected.retain(|elected| *elected != order.order_ref);
        Some(order)
    }

    /// Changes a live order where it is.
    pub(super) fn change(&mut self, order: &Order, change: impl FnOnce(&mut Order)) {
        self.touch(order.instrument);
        let order_ref = order.order_ref;
        let lists = self.market_mut(order.instrument).lists();
        if let Some(found) = lists.into_iter().flatten().find(|found| found.order_ref == order_ref) {
            change(found);
        }
    }

    pub(super) fn next_ref(&mut self) -> u64 {
        self.order_refs += 1;
        self.order_refs
    }

    /// Live orders: owner, number, open quantity, done. For generators that want to name them.
    pub fn open(&self) -> impl Iterator<Item = (Owner, UserRefNum, u64, u64)> {
        self.orders().map(|order| (order.owner, order.number, order.open, order.done))
    }
}

impl Instrument {
    fn new(listed: &ListInstrument) -> Self {
        Self {
            listed: *listed,
            state: TradingState::Halted,
            short_sale_test: b'0',
            bids: Vec::new(),
            asks: Vec::new(),
            aside: Vec::new(),
            algorithm: MatchingAlgorithm::PriceTime,
            minimum: 0,
            elections_max: protocol::limits::ELECTIONS_PER_COMMAND_MAX_DEFAULT.into(),
            bands: Bands::default(),
            reference: listed.reference_price.0.into(),
            last: 0,
            until: None,
            imbalance_due: None,
            collar: None,
            elected: Vec::new(),
            crossing: None,
        }
    }

    pub(super) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.bids.iter().chain(&self.asks).chain(&self.aside)
    }

    pub(super) fn lists(&mut self) -> [&mut Vec<Order>; 3] {
        [&mut self.bids, &mut self.asks, &mut self.aside]
    }

    pub(super) fn tick(&self) -> u64 {
        self.listed.tick.0.into()
    }

    pub(super) fn lot(&self) -> u64 {
        self.listed.lot.0.into()
    }

    /// Best displayed price of a side.
    pub(super) fn best(&self, buys: bool) -> Option<u64> {
        let side = if buys { &self.bids } else { &self.asks };
        side.iter().find(|order| order.is_on_feed()).and_then(|order| order.price)
    }

    /// Half way between the best displayed prices, rounded down to a wire unit.
    pub(super) fn midpoint(&self) -> Option<u64> {
        Some(u64::midpoint(self.best(true)?, self.best(false)?))
    }

    /// Price of the last trade, or the static reference; 0 = none.
    pub(super) fn reference_now(&self) -> u64 {
        if self.last == 0 { self.reference } else { self.last }
    }
}

/// A quantity of the model in wire units; it is never above what a client may send.
pub(super) fn qty(quantity: u64) -> Qty {
    Qty(u32::try_from(quantity).unwrap_or(u32::MAX))
}

pub(super) fn price(price: Option<u64>) -> Price {
    Price(price.and_then(|price| u32::try_from(price).ok()).unwrap_or(0))
}
