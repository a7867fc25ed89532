//! What an event changes: positions at every trade, and for accounts whose orders are counted their orders, reservations
//! and rates.

use super::limits::tighter;
use super::open_orders::OpenOrder;
use super::{Account, CASH, COUNTED, Instrument, Risk, SCARCE, TIER_DAYS};
use crate::core::money::{fee, wire_notional};
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
    pub(crate) number: UserRefNum,
    pub(crate) is_buy: bool,
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
    /// Takes an event that the core tells. Gives what is to be told directly behind it: the fees of a trade.
    #[inline(never)]
    #[expect(clippy::too_many_lines, reason = "a flat list")]
    pub(crate) fn observe(&mut self, event: &EventBody, now: Nanos) -> Option<EventBody> {
        match *event {
            EventBody::Traded {
                match_number,
                quantity,
                price,
                maker,
                maker_user_ref_num,
                taker,
                taker_user_ref_num,
                instrument,
                maker_side,
                ..
            } => {
                let fill = Fill { instrument, quantity, price, now };
                let maker = Party { owner: maker, number: maker_user_ref_num, is_buy: maker_side.is_buy() };
                let taker = Party { owner: taker, number: taker_user_ref_num, is_buy: !maker.is_buy };
                self.traded(match_number, fill, maker, taker)
            }
            EventBody::CrossExecuted {
                match_number, quantity, price, owner, user_ref_num, instrument, side, ..
            } => {
                let fill = Fill { instrument, quantity, price, now };
                self.settle(Leg { account: owner.account(), is_buy: side.is_buy() }, fill);
                self.set_mark(instrument, price);
                self.reduce(owner, user_ref_num, quantity);
                // Both sides of a cross are makers.
                if self.is_charging { self.charge(match_number, fill, Some(owner), None) } else { None }
            }
            EventBody::Accepted { owner, user_ref_num, quantity, price, instrument, side, state, .. } => {
                self.accepted((owner, user_ref_num), (instrument, side), (quantity, price), (state, now));
                None
            }
            EventBody::Replaced {
                owner,
                orig_user_ref_num,
                user_ref_num,
                quantity,
                price,
                instrument,
                side,
                state,
                ..
            } => {
                if self.is_counted(owner) {
                    self.reduce(owner, orig_user_ref_num, Qty(u32::MAX));
                    self.accepted((owner, user_ref_num), (instrument, side), (quantity, price), (state, now));
                }
                None
            }
            EventBody::Canceled { owner, user_ref_num, quantity, .. }
            | EventBody::SelfMatchPrevented { owner, user_ref_num, quantity, .. } => {
                self.reduce(owner, user_ref_num, quantity);
                None
            }
            EventBody::Modified { owner, user_ref_num, removed, .. } => {
                self.reduce(owner, user_ref_num, removed);
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
        self.instruments[usize::from(fill.instrument.0) - 1].mark = price;
        self.note_scarcity();
        self.flags[maker.0 as usize] | self.flags[taker.0 as usize] != 0 || self.is_charging || self.is_watching
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
            self.note_moved();
        }
        for party in [maker, taker] {
            self.settle_counted(Leg { account: party.owner.account(), is_buy: party.is_buy }, fill);
        }
        for party in [maker, taker] {
            self.reduce(party.owner, party.number, fill.quantity);
        }
        if self.is_charging { self.charge(match_number, fill, Some(maker.owner), Some(taker.owner)) } else { None }
    }

    /// The last trade is the mark.
    #[inline]
    fn set_mark(&mut self, instrument: InstrumentId, price: Price) {
        self.instruments[usize::from(instrument.0) - 1].mark = price.0;
        if self.is_watching {
            self.note_moved();
        }
    }

    #[inline]
    fn is_counted(&self, owner: Owner) -> bool {
        self.flags[owner.account().0 as usize] & COUNTED != 0
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
        let account = &mut self.accounts[account.0 as usize];
        if let Some(rate) = account.counts.messages {
            account.messages.take(rate, now);
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
            self.positions.orders_mut(id, instrument).take(rate, now);
            self.note_scarcity();
        }
        if let Some(rate) = tighter(of_account.duplicates, of_instrument.duplicates) {
            let account = &mut self.accounts[id.0 as usize];
            let this = (instrument, side.is_buy(), price.0, quantity.0);
            if account.last_order == this {
                account.duplicates.take(rate, now);
            }
            account.last_order = this;
        }
        if state == OrderState::Live && quantity.0 != 0 {
            let price = if price.is_market() { 0 } else { price.0 };
            let is_buy = side.is_buy();
            self.count_order(OpenOrder { owner, number, price, leaves: quantity.0, instrument, is_buy });
        }
    }

    /// Counts an order of an account whose orders are counted.
    pub(super) fn count_order(&mut self, order: OpenOrder) {
        self.orders.insert(order);
        self.accounts[order.account().0 as usize].open_orders += 1;
        self.expose(&order, order.leaves, true);
    }

    /// Adds to what an account's open orders come to, or takes off.
    fn expose(&mut self, order: &OpenOrder, quantity: u32, adds: bool) {
        let Instrument { scale, legs, .. } = *self.instrument(order.instrument);
        let position = self.positions.entry(order.account(), order.instrument);
        let open = if order.is_buy { &mut position.open_buy } else { &mut position.open_sell };
        *open = if adds { *open + u64::from(quantity) } else { *open - u64::from(quantity) };
        self.note_scarcity();
        let sign = if adds { 1 } else { -1 };
        let notional = scale.notional(wire_notional(order.price, quantity)).unwrap_or_default();
        let is_cash = self.flags[order.account().0 as usize] & CASH != 0;
        let reserved =
            if is_cash { self.reservation(order.instrument, order.is_buy, order.price, quantity) } else { None };
        let account = &mut self.accounts[order.account().0 as usize];
        // All that is added here was checked to be countable, and adds up to less than the integer holds.
        account.open_notional[legs.quote.index()].0 += sign * notional.0;
        if let Some((currency, amount)) = reserved {
            account.reserved[currency.index()].0 += sign * amount.0;
        }
    }

    /// Quantity left an order, when it is counted.
    #[inline]
    pub(crate) fn reduce(&mut self, owner: Owner, number: UserRefNum, quantity: Qty) {
        if self.is_counted(owner) {
            self.reduce_counted(owner, number, quantity.0);
        }
    }

    #[cold]
    fn reduce_counted(&mut self, owner: Owner, number: UserRefNum, quantity: u32) {
        if let Some(order) = self.orders.reduce(owner, number, quantity) {
            self.expose(&order, quantity.min(order.leaves), false);
            if quantity >= order.leaves {
                self.accounts[owner.account().0 as usize].open_orders -= 1;
            }
        }
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
        let notional = scale.notional(wire_notional(fill.price.0, fill.quantity.0));
        self.move_legs(leg, fill);
        let dollars = notional.and_then(|notional| self.dollars(legs.quote, notional));
        let today = self.today(fill.now);
        let Self { fees, accounts, .. } = self;
        let account = &mut accounts[leg.account.0 as usize];
        account.roll(today, |volume| fees.tier_of(volume));
        if let Some(dollars) = dollars {
            account.add_volume(dollars);
        }
        self.note_loss(leg.account);
    }

    /// Undoes a trade of two accounts that exist: positions as if they had traded back at the same price, and the legs of cash
    /// accounts. Fees and volumes stay as they are.
    pub(crate) fn undo(&mut self, buyer: AccountId, seller: AccountId, fill: Fill) {
        for leg in [Leg { account: buyer, is_buy: false }, Leg { account: seller, is_buy: true }] {
            self.positions.entry(leg.account, fill.instrument).trade(leg.is_buy, fill.quantity.0, fill.price.0);
            self.move_legs(leg, fill);
            self.note_loss(leg.account);
            self.note_broken(leg.account, fill.instrument);
        }
        self.note_scarcity();
    }

    /// Both legs of a trade of a cash account.
    fn move_legs(&mut self, leg: Leg, fill: Fill) {
        if self.flags[leg.account.0 as usize] & CASH == 0 {
            return;
        }
        let Instrument { scale, legs, .. } = *self.instrument(fill.instrument);
        let sign = if leg.is_buy { 1 } else { -1 };
        // Its orders were checked to be countable.
        let notional = scale.notional(wire_notional(fill.price.0, fill.quantity.0)).unwrap_or_default();
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
        let notional = scale.notional(wire_notional(fill.price.0, fill.quantity.0));
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
    pub(super) fn roll(&mut self, day: u32, tier_of: impl Fn(Amount) -> u8) {
        if day <= self.day {
            return;
        }
        let passed = (day - self.day) as usize;
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
        self.day = day;
        self.day_notional = Amount::ZERO;
    }

    fn add_volume(&mut self, dollars: Amount) {
        let today = &mut self.volumes[self.day as usize % TIER_DAYS];
        today.0 = today.0.saturating_add(dollars.0);
        self.day_notional.0 = self.day_notional.0.saturating_add(dollars.0);
    }
}
