//! What an event changes: positions at every trade, and for accounts whose orders are counted their orders, reservations
//! and rates.

use super::gate::{Entrant, Hot, LastOrder, SHUT};
use super::limits::tighter;
use super::open_orders::OpenOrder;
use super::{Account, CASH, COUNTED, Instrument, Risk, SCARCE, TIER_DAYS};
use crate::core::money::fee;
use protocol::money::{Amount, Currency};
use protocol::types::{AccountId, InstrumentId, MatchNumber, Nanos, OrderState, Owner, Price, Qty, Side, UserRefNum};
use protocol::{EventBody, RejectReason};

/// The UTC day of a time, from 1970 on.
pub(super) fn day_of(now: Nanos) -> u32 {
    u32::try_from(now.0 / Nanos::DAY).unwrap_or(u32::MAX)
}

/// One side of a trade.
#[derive(Clone, Copy)]
struct Leg {
    account: AccountId,
    is_buy: bool,
}

/// One of the two orders of a trade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) owner: Owner,
    pub(crate) is_buy: bool,
    /// The order as it was, when it rests and its account's orders are counted.
    pub(crate) resting: Option<OpenOrder>,
}

/// What was traded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill {
    pub(crate) instrument: InstrumentId,
    pub(crate) quantity: Qty,
    pub(crate) price: Price,
    pub(crate) now: Nanos,
}

impl Risk {
    /// Takes an event that the core tells, with the one or two open orders that it is about, as they were before it; the order at work
    /// does not rest, and is known here. Gives what is to be told directly behind it: the fees of a trade.
    #[inline(never)]
    #[expect(clippy::too_many_lines, reason = "a flat list")]
    pub(crate) fn observe(
        &mut self,
        event: &EventBody,
        resting: [Option<OpenOrder>; 2],
        now: Nanos,
    ) -> Option<EventBody> {
        match *event {
            EventBody::Traded { match_number, quantity, price, maker, taker, instrument, maker_side, .. } => {
                let fill = Fill { instrument, quantity, price, now };
                let [of_maker, of_taker] = resting;
                let maker = Party { owner: maker, is_buy: maker_side.is_buy(), resting: of_maker };
                let taker = Party { owner: taker, is_buy: !maker.is_buy, resting: of_taker };
                self.traded(match_number, fill, maker, taker)
            }
            EventBody::CrossExecuted { match_number, quantity, price, owner, instrument, side, .. } => {
                let fill = Fill { instrument, quantity, price, now };
                self.set_mark(instrument, price);
                self.settle(Leg { account: owner.account(), is_buy: side.is_buy() }, fill);
                self.reduce(owner, resting[0], quantity);
                // Both sides of a cross are makers.
                if self.is_charging { self.charge(match_number, fill, Some(owner), None) } else { None }
            }
            EventBody::Accepted { owner, user_ref_num, quantity, price, instrument, side, state, .. } => {
                self.accepted((owner, user_ref_num), (instrument, side), (quantity, price), (state, now));
                None
            }
            EventBody::Replaced { owner, user_ref_num, quantity, price, instrument, side, state, .. } => {
                if let Some(original) = resting[0] {
                    self.reduce(owner, Some(original), Qty(original.leaves));
                }
                self.accepted((owner, user_ref_num), (instrument, side), (quantity, price), (state, now));
                None
            }
            EventBody::Canceled { owner, quantity, .. } | EventBody::SelfMatchPrevented { owner, quantity, .. } => {
                self.reduce(owner, resting[0], quantity);
                None
            }
            EventBody::Modified { owner, removed, .. } => {
                self.reduce(owner, resting[0], removed);
                None
            }
            EventBody::Rejected { owner, reason, .. } => {
                if self.is_counted(owner) {
                    self.refused(owner.account(), reason, now);
                }
                None
            }
            EventBody::Details { .. }
            | EventBody::Rested { .. }
            | EventBody::MassCancelTaken { .. }
            | EventBody::EntryDisabled { .. }
            | EventBody::EntryEnabled { .. }
            | EventBody::NextUserRefNum { .. }
            | EventBody::VenueOpened { .. }
            | EventBody::InstrumentListed { .. }
            | EventBody::TradingStateChanged { .. }
            | EventBody::ShortSaleTestChanged { .. }
            | EventBody::AccountOpened { .. }
            | EventBody::SystemEvent { .. }
            | EventBody::PriorityUpdated { .. }
            | EventBody::Restated { .. }
            | EventBody::CancelPending { .. }
            | EventBody::CancelRejected { .. }
            | EventBody::Crossed { .. }
            | EventBody::Imbalance { .. }
            | EventBody::AuctionCollar { .. }
            | EventBody::OperationalHaltChanged { .. }
            | EventBody::MarketWideLevels { .. }
            | EventBody::MarketWideBreached { .. }
            | EventBody::TradeBroken { .. }
            | EventBody::OperatorRefused { .. }
            | EventBody::SessionRolled { .. }
            | EventBody::MidnightChanged { .. }
            | EventBody::ReferenceChanged { .. }
            | EventBody::Answered { .. }
            | EventBody::BalanceMoved { .. }
            | EventBody::FeesCharged { .. }
            | EventBody::LimitChanged { .. }
            | EventBody::KillSwitched { .. } => None,
        }
    }

    /// A trade. Gives its fees, when there are any.
    fn traded(&mut self, match_number: MatchNumber, fill: Fill, maker: Party, taker: Party) -> Option<EventBody> {
        let is_more = self.trade(fill, (maker.owner.account(), maker.is_buy), taker.owner.account());
        if is_more { self.traded_counted(match_number, fill, maker, taker) } else { None }
    }

    /// A trade as far as every account has it: the positions of both, and the last price. True when that is not all of it:
    /// then [`Risk::traded_counted`] does the rest.
    #[inline]
    pub(crate) fn trade(&mut self, fill: Fill, (maker, maker_buys): (AccountId, bool), taker: AccountId) -> bool {
        let (quantity, price) = (fill.quantity.0, fill.price.0);
        self.positions.entry(maker, fill.instrument).trade(maker_buys, quantity, price);
        self.positions.entry(taker, fill.instrument).trade(!maker_buys, quantity, price);
        self.markets.at_mut(fill.instrument.0.into()).mark = price;
        self.note_scarcity();
        self.flags[maker.0 as usize] | self.flags[taker.0 as usize] != 0 || self.is_charging || self.is_watching
    }

    /// The rest of a trade of a plain order with another one, fees apart, where all accounts are far from their limits. False says
    /// nothing, and nothing is done; then [`Risk::traded_counted`] does it.
    #[inline]
    pub(crate) fn traded_far(&mut self, fill: Fill, maker: &OpenOrder, (taker, aggressor): (Owner, u64)) -> bool {
        let (id, quantity, price) = (fill.instrument, fill.quantity.0, fill.price.0);
        let (of_maker, of_taker) = (maker.account(), taker.account());
        let market = self.markets.at(id.0.into());
        // Twice: what a trade takes from any limit, and the fee on it. Twice more, because it may be one account.
        let claim = 2 * market.claim(quantity);
        let dollars =
            Amount((u128::from(u64::from(quantity) * u64::from(price)) * u128::from(market.dollars)).cast_signed());
        let now = (self.epoch, self.gate_day);
        let is_far = market.is_near() && market.dollars != 0 && market.claim != 0 && fill.now < self.day_end;
        // Who pays fees has a volume, too.
        let is_free = [of_maker, of_taker].map(|account| self.flags[account.0 as usize] == 0 && !self.is_charging);
        let affords = |account: AccountId, claim| self.hot.at(account.0 as usize).affords(now, claim, dollars);
        let can = is_far && (is_free[0] || affords(of_maker, 2 * claim)) && (is_free[1] || affords(of_taker, claim));
        if !can || !self.notes.pass_over(aggressor, of_maker, of_taker) {
            return false;
        }
        if !is_free[0] {
            self.hot.at_mut(of_maker.0 as usize).take(claim, dollars);
            self.leave(maker, quantity);
        }
        if !is_free[1] {
            self.hot.at_mut(of_taker.0 as usize).take(claim, dollars);
            self.reduce(taker, None, fill.quantity);
        }
        true
    }

    /// The fees of a trade, when there are any.
    #[inline]
    pub(crate) fn fees_of(
        &mut self,
        number: MatchNumber,
        fill: Fill,
        (maker, taker): (Owner, Owner),
    ) -> Option<EventBody> {
        if self.is_charging { self.charge(number, fill, Some(maker), Some(taker)) } else { None }
    }

    /// The rest of a trade where fees are charged, losses are watched, or an account has more than positions.
    #[cold]
    pub(crate) fn traded_counted(
        &mut self,
        match_number: MatchNumber,
        fill: Fill,
        maker: Party,
        taker: Party,
    ) -> Option<EventBody> {
        if self.is_watching {
            self.note_moved(fill.instrument);
        }
        for party in [maker, taker] {
            self.settle_counted(Leg { account: party.owner.account(), is_buy: party.is_buy }, fill);
        }
        for party in [maker, taker] {
            self.reduce(party.owner, party.resting, fill.quantity);
        }
        self.fees_of(match_number, fill, (maker.owner, taker.owner))
    }

    /// The last trade is the mark.
    #[inline]
    fn set_mark(&mut self, instrument: InstrumentId, price: Price) {
        self.markets.at_mut(instrument.0.into()).mark = price.0;
        if self.is_watching {
            self.note_moved(instrument);
        }
    }

    /// The orders of this account are counted.
    #[inline]
    pub(crate) fn is_counted(&self, owner: Owner) -> bool {
        self.hot.at(owner.account().0 as usize).is_counted
    }

    #[cold]
    fn refused(&mut self, account: AccountId, reason: RejectReason, now: Nanos) {
        if reason != RejectReason::MessageRate {
            self.count_message(account, now);
        }
        self.note_message(account, true, now);
        if reason == RejectReason::DayLossPassed {
            self.note_loss(account);
        }
    }

    /// A request was answered: it counts, whatever the answer.
    fn count_message(&mut self, account: AccountId, now: Nanos) {
        if let Some(rate) = self.accounts[account.0 as usize].counts.messages {
            let [messages, _] = self.hot.at_mut(account.0 as usize).buckets_mut();
            messages.take(rate, now);
        }
    }

    #[cold]
    pub(crate) fn accepted(
        &mut self,
        (owner, number): (Owner, UserRefNum),
        (instrument, side): (InstrumentId, Side),
        (quantity, price): (Qty, Price),
        (state, now): (OrderState, Nanos),
    ) {
        let id = owner.account();
        if self.flags[id.0 as usize] & COUNTED == 0 {
            return;
        }
        self.begin_day_of(id, now);
        self.count_message(id, now);
        self.note_message(id, false, now);
        let (of_account, of_instrument) = (self.accounts[id.0 as usize].counts, self.instrument(instrument).counts);
        if let Some(rate) = tighter(of_account.symbol, of_instrument.symbol) {
            self.positions.entry(id, instrument).orders.take(rate, now);
            self.note_scarcity();
        }
        if let Some(rate) = tighter(of_account.duplicates, of_instrument.duplicates) {
            let this = LastOrder { price: price.0, quantity: quantity.0, instrument, is_buy: side.is_buy() };
            let last = std::mem::replace(&mut self.hot.at_mut(id.0 as usize).last, this);
            if last == this {
                self.accounts[id.0 as usize].duplicates.take(rate, now);
            }
        }
        if state == OrderState::Live && quantity.0 != 0 {
            let price = if price.is_market() { 0 } else { price.0 };
            let is_buy = side.is_buy();
            let order = OpenOrder { owner, number, price, leaves: quantity.0, instrument, is_buy };
            self.count_order(&order);
            self.take_up(order);
            self.open_gate(id, now);
        }
    }

    /// Counts an order of an account whose orders are counted.
    pub(super) fn count_order(&mut self, order: &OpenOrder) {
        self.hot.at_mut(order.account().0 as usize).open_orders += 1;
        self.spend(order);
        self.expose(order, order.leaves, true);
        self.note_scarcity();
    }

    /// A plain order was admitted, and takes: it is counted once it rests.
    #[inline]
    pub(super) fn take_off_ground(&mut self, order: &Entrant) {
        let Entrant { owner, number, instrument, side, quantity, price, .. } = *order;
        self.flight = OpenOrder { owner, number, price, leaves: quantity, instrument, is_buy: side.is_buy() };
        self.is_flight_counted = false;
    }

    /// A plain order that took is done: what is left of it rests, and is counted if it was not.
    #[inline]
    pub(crate) fn land(&mut self) {
        if !self.is_flight_counted {
            self.land_admitted();
        }
    }

    fn land_admitted(&mut self) {
        let order = self.flight;
        self.is_flight_counted = true;
        if order.leaves != 0 {
            self.hot.at_mut(order.account().0 as usize).open_orders += 1;
            self.expose(&order, order.leaves, true);
            self.note_scarcity();
        }
        self.flight.leaves = 0;
    }

    /// Adds to what an account's open orders come to, or takes off.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "on the way of every order of a limited account, each time with another sign"
    )]
    fn expose(&mut self, order: &OpenOrder, quantity: u32, adds: bool) {
        if self.hot.at(order.account().0 as usize).is_cash {
            self.set_aside(order, quantity, adds);
        }
        // All that is added here was checked to be countable, and adds up to less than the integers hold.
        let position = self.positions.entry(order.account(), order.instrument);
        if adds {
            position.open_more(order.is_buy, quantity, order.price);
        } else {
            position.open_less(order.is_buy, quantity, order.price);
        }
    }

    /// What a cash account sets aside for an order, or frees.
    #[cold]
    fn set_aside(&mut self, order: &OpenOrder, quantity: u32, adds: bool) {
        if let Some((currency, amount)) = self.reservation(order.instrument, order.is_buy, order.price, quantity) {
            let reserved = &mut self.accounts[order.account().0 as usize].reserved[currency.index()];
            reserved.0 += if adds { amount.0 } else { -amount.0 };
        }
    }

    /// An order that rested is at work: elected.
    pub(crate) fn take_up(&mut self, order: OpenOrder) {
        (self.flight, self.is_flight_counted) = (order, true);
    }

    /// Quantity left an order, when it is counted; without one, the order at work.
    #[inline]
    pub(crate) fn reduce(&mut self, owner: Owner, resting: Option<OpenOrder>, quantity: Qty) {
        if !self.is_counted(owner) {
            return;
        }
        let order = resting.unwrap_or(self.flight);
        if resting.is_none() && order.owner == owner {
            self.flight.leaves = order.leaves.saturating_sub(quantity.0);
            if !self.is_flight_counted {
                return;
            }
        }
        if order.leaves != 0 && order.owner == owner {
            self.reduce_counted(&order, quantity.0);
        }
    }

    /// Quantity left a plain order that rests, at its price; nothing is done when the orders of its account are not counted.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of every cancel of a limited account")]
    pub(crate) fn leave(&mut self, order: &OpenOrder, quantity: u32) {
        let Self { hot, positions, .. } = self;
        let hot = hot.at_mut(order.account().0 as usize);
        match positions.at_mut(hot.position()) {
            Some(position) if position.instrument == order.instrument && hot.is_counted && !hot.is_cash => {
                hot.open_orders = hot.open_orders.wrapping_sub(u32::from(quantity == order.leaves));
                position.open_less(order.is_buy, quantity, order.price);
            }
            Some(_) | None => self.leave_elsewhere(*order, quantity),
        }
    }

    /// The same where it takes a look.
    #[cold]
    #[inline(never)]
    fn leave_elsewhere(&mut self, order: OpenOrder, quantity: u32) {
        if self.is_counted(order.owner) {
            self.look_for(order.account(), order.instrument);
            self.reduce_counted(&order, quantity);
        }
    }

    /// The same for an order that is counted, as it was.
    #[inline]
    pub(crate) fn reduce_counted(&mut self, order: &OpenOrder, quantity: u32) {
        self.hot.at_mut(order.account().0 as usize).open_orders -= u32::from(quantity >= order.leaves);
        self.expose(order, quantity.min(order.leaves), false);
    }

    /// One side of a trade: the position, and for cash accounts both legs at once.
    #[inline]
    fn settle(&mut self, leg: Leg, fill: Fill) {
        self.positions.entry(leg.account, fill.instrument).trade(leg.is_buy, fill.quantity.0, fill.price.0);
        self.note_scarcity();
        self.settle_counted(leg, fill);
    }

    #[inline]
    pub(super) fn note_scarcity(&mut self) {
        if self.positions.is_scarce() {
            self.note_scarce();
        }
    }

    #[cold]
    fn note_scarce(&mut self) {
        if self.venue_flags & SCARCE == 0 {
            self.flags_changed();
        }
        self.venue_flags |= SCARCE;
    }

    /// One side of a trade beyond the position, for accounts with more than that, and where fees are charged.
    #[cold]
    fn settle_counted(&mut self, leg: Leg, fill: Fill) {
        if self.flags[leg.account.0 as usize] == 0 && !self.is_charging {
            return;
        }
        let Instrument { scale, legs, .. } = *self.instrument(fill.instrument);
        let notional = scale.notional_of(fill.price.0, fill.quantity.0);
        if self.hot.at(leg.account.0 as usize).is_cash {
            self.move_legs(leg, fill);
        }
        let dollars = notional.and_then(|notional| self.dollars(legs.quote, notional));
        let today = self.today(fill.now);
        let Self { fees, accounts, hot, .. } = self;
        let hot = hot.at_mut(leg.account.0 as usize);
        if today > hot.day {
            accounts[leg.account.0 as usize].roll(hot, today, |volume| fees.tier_of(volume));
        }
        if let Some(dollars) = dollars {
            hot.day_notional.0 = hot.day_notional.0.saturating_add(dollars.0);
        }
        // Twice: what a trade takes from any limit, and the fee on it.
        self.spend_dollars(leg.account, fill.instrument, (fill.quantity.0, fill.price.0), 2);
        self.note_loss(leg.account);
    }

    /// Undoes a trade of two accounts that exist: positions as if they had traded back at the same price, and the legs of cash
    /// accounts; each gets back the fee beside it. Volumes stay as they are. What was charged with that: the buyer, then the seller.
    pub(crate) fn undo(
        &mut self,
        (buyer, buyer_fee): (AccountId, Amount),
        (seller, seller_fee): (AccountId, Amount),
        fill: Fill,
    ) -> Option<(Currency, [Amount; 2])> {
        let currency = self.instrument(fill.instrument).legs.quote;
        let charged = [(buyer, buyer_fee), (seller, seller_fee)].map(|(account, fee)| {
            let back = Amount::ZERO.checked_sub(fee).unwrap_or_default();
            self.pay(account, currency, back)
        });
        for leg in [Leg { account: buyer, is_buy: false }, Leg { account: seller, is_buy: true }] {
            self.positions.entry(leg.account, fill.instrument).trade(leg.is_buy, fill.quantity.0, fill.price.0);
            self.move_legs(leg, fill);
            self.shut(leg.account.0 as usize);
            self.positions.entry(leg.account, fill.instrument).stamp = SHUT;
            self.note_loss(leg.account);
            self.note_broken(leg.account, fill.instrument);
        }
        self.note_scarcity();
        (charged != [Amount::ZERO; 2]).then_some((currency, charged))
    }

    /// Both legs of a trade of a cash account.
    fn move_legs(&mut self, leg: Leg, fill: Fill) {
        if self.flags[leg.account.0 as usize] & CASH == 0 {
            return;
        }
        let Instrument { scale, legs, .. } = *self.instrument(fill.instrument);
        let sign = if leg.is_buy { 1 } else { -1 };
        // Its orders were checked to be countable.
        let notional = scale.notional_of(fill.price.0, fill.quantity.0).unwrap_or_default();
        let account = &mut self.accounts[leg.account.0 as usize];
        account.balance[legs.quote.index()].0 -= sign * notional.0;
        if let Some(base) = legs.base {
            let quantity = scale.quantity(fill.quantity.0.into()).unwrap_or_default();
            account.balance[base.index()].0 += sign * quantity.0;
        }
    }

    /// Takes the fees of a trade, and gives what is told of them.
    #[cold]
    fn charge(
        &mut self,
        match_number: MatchNumber,
        fill: Fill,
        maker: Option<Owner>,
        taker: Option<Owner>,
    ) -> Option<EventBody> {
        let Instrument { scale, legs, .. } = *self.instrument(fill.instrument);
        let currency = legs.quote;
        let notional = scale.notional_of(fill.price.0, fill.quantity.0);
        // What is beyond counting is free.
        let notional = notional.filter(|notional| notional.is_in_range())?;
        let mut fees = [Amount::ZERO; 2];
        for ((fee_of, side), is_maker) in fees.iter_mut().zip([maker, taker]).zip([true, false]) {
            if let Some(owner) = side {
                let tier = self.fees.tier(self.accounts[owner.account().0 as usize].tier);
                let ppm = if is_maker { tier.maker_ppm } else { tier.taker_ppm };
                *fee_of = self.pay(owner.account(), currency, fee(notional, ppm).unwrap_or_default());
            }
        }
        let [maker, taker] = fees;
        (fees != [Amount::ZERO; 2]).then_some(EventBody::FeesCharged { match_number, currency, maker, taker })
    }

    /// Moves a fee from an account to the fee account; what was moved.
    fn pay(&mut self, account: AccountId, currency: Currency, fee: Amount) -> Amount {
        let balance = &mut self.accounts[account.0 as usize].balance[currency.index()];
        let received = &mut self.fee_account[currency.index()];
        match balance.checked_sub(fee).zip(received.checked_add(fee)) {
            Some((left, got)) => {
                (*balance, *received) = (left, got);
                fee
            }
            None => Amount::ZERO,
        }
    }
}

impl Account {
    /// A new day: forgets what is too old, and moves to the tier of the 30 days before.
    pub(super) fn roll(&mut self, hot: &mut Hot, day: u32, tier_of: impl Fn(Amount) -> u8) {
        if day <= hot.day {
            return;
        }
        let passed = (day - hot.day) as usize;
        self.volumes[hot.day as usize % TIER_DAYS] = hot.day_notional;
        let before: i128 = if passed >= TIER_DAYS {
            self.volumes = [Amount::ZERO; TIER_DAYS];
            0
        } else {
            // The ring holds the last 30 days, today's place still the oldest of them: it counts once more, then goes.
            for back in 1..passed {
                self.volumes[(day as usize - back) % TIER_DAYS] = Amount::ZERO;
            }
            let sum = self.volumes.iter().fold(0_i128, |sum, volume| sum.saturating_add(volume.0));
            self.volumes[day as usize % TIER_DAYS] = Amount::ZERO;
            sum
        };
        self.tier = tier_of(Amount(before));
        (hot.day, hot.day_notional) = (day, Amount::ZERO);
    }
}
