//! The naive model's markets: trading states, collars, price bands and volatility auctions, halts, and the commands that
//! no client sends.

use super::features::Features;
use super::naive_book::{Instrument, NaiveVenue, Order, price, qty};
use protocol::event::Shown;
use protocol::types::{
    CancelReason, Firm, InstrumentId, Nanos, OrderRef, Price, SystemEventCode, TimeInForce, TradingState,
};
use protocol::venue_command::{BustTrade, SetAccountDefaults, SetBands, SetMatching, VenueCommand};
use protocol::{EventBody, RejectReason};

/// Distances in parts per million; 0 = none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bands {
    pub(super) static_ppm: u64,
    pub(super) dynamic_ppm: u64,
    pub(super) collar_ppm: u64,
    pub(super) auction_s: u64,
}

/// Between which prices a volatility auction may cross.
#[derive(Clone, Debug)]
pub(super) struct Collar {
    pub(super) reference: u64,
    pub(super) lower: u64,
    pub(super) upper: u64,
    /// What one extension adds on both sides.
    pub(super) step: u64,
    pub(super) extension: u32,
}

impl Collar {
    fn around(reference: u64, ppm: u64, tick: u64) -> Self {
        let distance = share(reference, ppm);
        let (lower, upper) = (reference - distance, reference + distance);
        Self { reference, lower, upper, step: distance.max(tick), extension: 0 }
    }

    fn holds(&self, price: u64) -> bool {
        (self.lower..=self.upper).contains(&price)
    }
}

/// Parts per million of a price, rounded down.
fn share(price: u64, ppm: u64) -> u64 {
    price * ppm / 1_000_000
}

/// What an aggressor may not pass besides its own limit.
pub(super) struct Limits {
    buys: bool,
    /// Of a market order.
    collar: Option<u64>,
    bands: Vec<Collar>,
}

impl Limits {
    pub(super) fn of(market: &Instrument, order: &Order) -> Self {
        let buys = order.is_buy();
        let Bands { static_ppm, dynamic_ppm, collar_ppm, .. } = market.bands;
        let (tick, now) = (market.tick(), market.reference_now());
        let is_market = order.price.is_none() && order.peg.is_none();
        let collar = (is_market && collar_ppm > 0 && now > 0).then(|| {
            let distance = share(now, collar_ppm);
            if buys { (now + distance) / tick * tick } else { (now - distance).div_ceil(tick) * tick }
        });
        let band = |reference: u64, ppm: u64| (reference > 0 && ppm > 0).then(|| Collar::around(reference, ppm, tick));
        let bands = [band(market.reference, static_ppm), band(now, dynamic_ppm)].into_iter().flatten().collect();
        Self { buys, collar, bands }
    }

    pub(super) fn is_beyond_collar(&self, price: u64) -> bool {
        self.collar.is_some_and(|collar| if self.buys { price > collar } else { price < collar })
    }

    /// The band that an execution at this price would leave.
    pub(super) fn band_left_at(&self, price: u64) -> Option<Collar> {
        self.bands.iter().find(|band| !band.holds(price)).cloned()
    }
}

impl NaiveVenue {
    pub(super) fn obey(&mut self, command: &VenueCommand) {
        if let Err(reason) = self.try_obey(command) {
            self.tell(EventBody::OperatorRefused { reason });
        }
    }

    fn try_obey(&mut self, command: &VenueCommand) -> Result<(), RejectReason> {
        match command {
            VenueCommand::Tick => {
                self.tick();
                Ok(())
            }
            VenueCommand::SetMatching(set) => self.set_matching(set),
            VenueCommand::SetBands(set) => self.set_bands(set),
            VenueCommand::SetReferencePrice(set) => {
                self.needs(Features::STATES)?;
                self.listed(set.instrument)?.reference = set.price.0.into();
                self.tell(EventBody::ReferenceChanged { instrument: set.instrument, price: set.price });
                Ok(())
            }
            VenueCommand::StartAuction(auction) => {
                self.needs(Features::STATES)?;
                self.listed(auction.instrument)?;
                self.enter_state(auction.instrument, auction.state, auction.reason)?;
                self.market_mut(auction.instrument).until = Some(auction.until.0);
                Ok(())
            }
            VenueCommand::SetAccountDefaults(set) => self.set_defaults(set),
            VenueCommand::Connected(account) => {
                self.needs(Features::DISCONNECT)?;
                let account = self.accounts.get_mut(account.0 as usize).ok_or(RejectReason::FirmNotAuthorized)?;
                account.disconnect_due = None;
                Ok(())
            }
            VenueCommand::Disconnected(account) => self.disconnect(*account),
            VenueCommand::SetOperationalHalt(set) => {
                self.needs(Features::STATES)?;
                self.listed(set.instrument)?;
                if self.is_frozen(set.instrument) {
                    return Err(RejectReason::CancelPending);
                }
                let (instrument, is_halted) = (set.instrument, set.is_halted);
                self.tell(EventBody::OperationalHaltChanged { instrument, is_halted });
                if is_halted {
                    self.enter_state(instrument, TradingState::Halted, Firm(*b"O1  "))
                } else {
                    self.enter_state(instrument, TradingState::Trading, Firm::BLANK)
                }
            }
            VenueCommand::SetMarketWideLevels(set) => {
                self.needs(Features::STATES)?;
                let (level_1, level_2, level_3) = (set.level_1, set.level_2, set.level_3);
                self.tell(EventBody::MarketWideLevels { level_1, level_2, level_3 });
                Ok(())
            }
            VenueCommand::BreachMarketWide(level) => {
                self.needs(Features::STATES)?;
                self.tell(EventBody::MarketWideBreached { level: *level });
                self.halting = Some((*level, 0));
                if !self.is_restating() {
                    self.halt_more();
                }
                Ok(())
            }
            VenueCommand::BustTrade(bust) => self.bust(bust),
            VenueCommand::SetDayRolls(rolls) => {
                self.needs(Features::ROLL)?;
                self.set_day_rolls(*rolls);
                Ok(())
            }
            VenueCommand::RollDay(session) => {
                self.needs(Features::ROLL)?;
                self.roll_day(*session)
            }
        }
    }

    pub(super) fn needs(&self, feature: Features) -> Result<(), RejectReason> {
        if self.knows(feature) { Ok(()) } else { Err(RejectReason::NotSupported) }
    }

    fn listed(&mut self, instrument: InstrumentId) -> Result<&mut Instrument, RejectReason> {
        let at = usize::from(instrument.0).checked_sub(1);
        at.and_then(|at| self.instruments.get_mut(at)).ok_or(RejectReason::SymbolUnknown)
    }

    fn set_matching(&mut self, set: &SetMatching) -> Result<(), RejectReason> {
        self.needs(Features::PRO_RATA)?;
        let market = self.listed(set.instrument)?;
        market.algorithm = set.algorithm;
        market.minimum = set.minimum.0.into();
        market.elections_max = match set.elections_per_command_max {
            0 => protocol::limits::ELECTIONS_PER_COMMAND_MAX_DEFAULT.into(),
            most => most.into(),
        };
        Ok(())
    }

    fn set_bands(&mut self, set: &SetBands) -> Result<(), RejectReason> {
        self.needs(Features::BANDS)?;
        self.listed(set.instrument)?.bands = Bands {
            static_ppm: set.static_ppm.into(),
            dynamic_ppm: set.dynamic_ppm.into(),
            collar_ppm: set.collar_ppm.into(),
            auction_s: set.auction_s.into(),
        };
        Ok(())
    }

    fn set_defaults(&mut self, set: &SetAccountDefaults) -> Result<(), RejectReason> {
        let prevents = set.aiq_strategy != b'N' && !self.knows(Features::SELF_MATCH);
        let cancels = set.cancel_on_disconnect && !self.knows(Features::DISCONNECT);
        if prevents || cancels || self.features == Features::NONE {
            return Err(RejectReason::NotSupported);
        }
        let account = self.accounts.get_mut(set.account.0 as usize).ok_or(RejectReason::FirmNotAuthorized)?;
        account.strategy = set.aiq_strategy;
        account.group = set.aiq_group_id;
        account.cancel_on_disconnect = set.cancel_on_disconnect;
        account.grace_ns = u64::from(set.grace_ms) * 1_000_000;
        Ok(())
    }

    fn bust(&mut self, bust: &BustTrade) -> Result<(), RejectReason> {
        self.needs(Features::BUSTS)?;
        let number = bust.match_number.0;
        if number <= self.busts_forgotten || number > self.matches || !self.busts.insert(number) {
            return Err(RejectReason::TradeUnknown);
        }
        if self.busts.len() > protocol::limits::BUSTS_MAX {
            let lowest = self.busts.pop_first().unwrap_or(0);
            if lowest == number {
                return Err(RejectReason::TradeUnknown);
            }
            self.busts_forgotten = lowest;
        }
        let mut given_back = None;
        let known = |owner: protocol::types::Owner| (owner.account().0 as usize) < self.accounts.len();
        let is_listed = (1..=self.instruments.len()).contains(&usize::from(bust.instrument.0));
        if known(bust.buyer.owner) && known(bust.seller.owner) && is_listed {
            given_back = self.trade_back(bust);
        }
        self.tell(EventBody::TradeBroken {
            match_number: bust.match_number,
            instrument: bust.instrument,
            reason: bust.reason,
            buyer: bust.buyer.owner,
            buyer_user_ref_num: bust.buyer.user_ref_num,
            seller: bust.seller.owner,
            seller_user_ref_num: bust.seller.user_ref_num,
        });
        if let Some(fees) = given_back {
            self.tell(fees);
        }
        Ok(())
    }

    /// `SetTradingState`: an operator's word, or the schedule's.
    pub(super) fn change_state(&mut self, instrument: InstrumentId, state: TradingState, reason: Firm) {
        if let Err(reason) = self.enter_state(instrument, state, reason) {
            self.tell(EventBody::OperatorRefused { reason });
        }
    }

    /// Enters a state, after the cross of the one that is left where that is due.
    pub(super) fn enter_state(
        &mut self,
        instrument: InstrumentId,
        state: TradingState,
        reason: Firm,
    ) -> Result<(), RejectReason> {
        if !self.knows(Features::STATES) {
            self.market_mut(instrument).state = state;
            self.tell(EventBody::TradingStateChanged { instrument, state, reason });
            return Ok(());
        }
        if self.is_frozen(instrument) {
            return Err(RejectReason::CancelPending);
        }
        let left = self.market(instrument).state;
        let market = self.market_mut(instrument);
        (market.until, market.imbalance_due, market.collar) = (None, None, None);
        let closes = left == TradingState::PreClose && state == TradingState::Closed;
        if closes || (state == TradingState::Trading && left != TradingState::Trading) {
            self.begin_cross(instrument, state, reason);
        } else {
            self.arrive(instrument, state, reason);
        }
        Ok(())
    }

    /// The state is there.
    pub(super) fn arrive(&mut self, instrument: InstrumentId, state: TradingState, reason: Firm) {
        let in_a_second = self.last_ingress.0 + 1_000_000_000;
        let market = self.market_mut(instrument);
        market.state = state;
        market.imbalance_due = match state {
            TradingState::PreOpen | TradingState::PreClose | TradingState::Paused | TradingState::QuotationOnly => {
                Some(in_a_second)
            }
            TradingState::Halted | TradingState::Trading | TradingState::Closed => None,
        };
        self.touch(instrument);
        self.tell(EventBody::TradingStateChanged { instrument, state, reason });
    }

    /// Starts a volatility auction when one is due.
    pub(super) fn pause(&mut self, instrument: InstrumentId, collar: Option<Collar>) {
        let Some(collar) = collar else { return };
        let until = self.last_ingress.0 + self.market(instrument).bands.auction_s * 1_000_000_000;
        self.arrive(instrument, TradingState::Paused, Firm(*b"LUDP"));
        self.tell_collar(instrument, &collar);
        let market = self.market_mut(instrument);
        market.until = Some(until);
        market.collar = Some(collar);
    }

    pub(super) fn tell_collar(&mut self, instrument: InstrumentId, collar: &Collar) {
        let Collar { reference, lower, upper, extension, .. } = *collar;
        let [reference, lower, upper] = [reference, lower, upper].map(|at| price(Some(at)));
        self.tell(EventBody::AuctionCollar { instrument, reference, upper, lower, extension });
    }

    /// The time of an auction is over: its cross, or an extension.
    pub(super) fn end_auction(&mut self, instrument: InstrumentId) {
        let clearing = self.clearing(instrument, true);
        let now = self.now();
        let market = self.market_mut(instrument);
        let outside = match (&market.collar, clearing) {
            (Some(collar), Some(clearing)) => !collar.holds(clearing.price),
            (None, _) | (_, None) => false,
        };
        if let Some(mut collar) = market.collar.clone().filter(|_| outside) {
            collar.extension += 1;
            collar.upper = (collar.upper + collar.step).min(1_999_999_900);
            collar.lower = collar.lower.saturating_sub(collar.step);
            let seconds = market.bands.auction_s.max(1);
            market.until = Some(now + seconds * 1_000_000_000);
            self.tell_collar(instrument, &collar);
            self.market_mut(instrument).collar = Some(collar);
            return;
        }
        (market.until, market.imbalance_due, market.collar) = (None, None, None);
        let closes = market.state == TradingState::PreClose;
        let next = if closes { TradingState::Closed } else { TradingState::Trading };
        self.begin_cross(instrument, next, Firm::BLANK);
    }

    /// Halts instruments one after the other, as many as one command may touch.
    pub(super) fn halt_more(&mut self) {
        let Some((level, from)) = self.halting else { return };
        let reason = Firm([b'M', b'W', b'C', b'0' + level]);
        for index in from..self.instruments.len() {
            let instrument = InstrumentId(u16::try_from(index + 1).unwrap_or(u16::MAX));
            if self.budget == 0 {
                self.halting = Some((level, index));
                return;
            }
            self.budget -= 1;
            let state = self.market(instrument).state;
            if let Some(crossing) = &mut self.market_mut(instrument).crossing {
                (crossing.next, crossing.reason) = (TradingState::Halted, reason);
            } else if state != TradingState::Halted && state != TradingState::Closed {
                let market = self.market_mut(instrument);
                (market.until, market.imbalance_due, market.collar) = (None, None, None);
                self.arrive(instrument, TradingState::Halted, reason);
            }
        }
        self.halting = None;
    }

    /// What an event of the trading day does to orders and trades.
    pub(super) fn pass_of_day(&mut self, code: SystemEventCode) {
        if !self.knows(Features::STATES) {
            return;
        }
        match code {
            SystemEventCode::EndOfMarketHours => self.end_day(&[TimeInForce::Day]),
            SystemEventCode::EndOfSystemHours => {
                self.end_day(&[TimeInForce::Day, TimeInForce::Gtx, TimeInForce::AfterHours]);
            }
            SystemEventCode::EndOfMessages
            | SystemEventCode::StartOfMessages
            | SystemEventCode::StartOfSystemHours
            | SystemEventCode::StartOfMarketHours => {}
        }
    }

    /// Reason for what a cross leaves of the orders that were only for it.
    pub(super) fn end_of_cross_order(state: TradingState) -> CancelReason {
        if state == TradingState::PreClose { CancelReason::Closed } else { CancelReason::Immediate }
    }

    /// Time of the command.
    pub(super) fn now(&self) -> u64 {
        self.last_ingress.0
    }

    /// What is displayed, by reference on the feed: instrument, letter of the side, price, quantity, name.
    pub fn displayed(&self) -> impl Iterator<Item = (OrderRef, (u16, u8, u32, u32, Option<Firm>))> {
        self.orders().filter(|order| order.is_on_feed()).map(|order| {
            let name = (order.look() == Shown::Attributed).then(|| self.name_on_feed(order));
            let side = if order.is_buy() { b'B' } else { b'S' };
            let (at, quantity) = (price(order.price).0, qty(order.displayed).0);
            (OrderRef(order.feed_ref), (order.instrument.0, side, at, quantity, name))
        })
    }

    /// Displayed orders of an instrument that trades could trade with each other: never.
    pub fn is_crossed(&self, instrument: InstrumentId) -> bool {
        let market = self.market(instrument);
        let crosses = market.best(true).zip(market.best(false)).is_some_and(|(bid, ask)| bid >= ask);
        crosses && market.state == TradingState::Trading && market.crossing.is_none()
    }

    /// When the venue next has something to do by itself; 0 = at once.
    pub fn next_due(&self) -> Option<Nanos> {
        let frozen = self.instruments.iter().any(|market| market.crossing.is_some());
        let at_once = frozen
            || self.roll.is_some()
            || self.waits_for_elections().is_some()
            || self.halting.is_some()
            || !self.jobs.is_empty()
            || !self.waiting_cancels.is_empty();
        if at_once {
            return Some(Nanos(0));
        }
        let orders = self.orders().filter_map(|order| order.deadline);
        let accounts = self.accounts.iter().filter_map(|account| account.disconnect_due);
        let markets = self.instruments.iter().flat_map(|market| [market.until, market.imbalance_due]).flatten();
        orders.chain(accounts).chain(markets).min().map(Nanos)
    }
}

/// A price that the model may have made of several.
pub(super) fn told(at: u64) -> Price {
    price(Some(at))
}
