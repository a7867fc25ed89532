//! The short way through the checks. What was found out at the last close look at an account, and at what it holds of an
//! instrument, is kept as a few small numbers: an order that stays below all of them passes every check of `checks.rs`, and is
//! counted at once. What does not is looked at closely, and may pass all the same: nothing is decided here that is not decided
//! there.
//!
//! What limits in money leave is one budget in dollars: the least of what the open orders, the notional of the day, the credit and
//! the loss of the day leave, at the worst marks within the band of each instrument. Every order and every trade takes from it
//! what it could take from any of them; nothing is put back but by the next close look. What limits of a position leave is
//! room for quantity of each side, of which every order takes; what rates and the number of open orders leave is a number
//! of orders, for one millisecond. A mark that leaves its band, a limit, a rate or a switch that changes, and a new day shut
//! all gates at once, by a number that gates were opened with.
//!
//! Gates are no state: a venue that was started again opens them anew, and answers the same.

use super::market::{Market, coarse};
use super::open_orders::OpenOrder;
use super::positions::Position;
use super::{Account, CASH, KILLED, LIMITED, Restricted, Risk};
use crate::core::money::{Bucket, EVENT, STEP, step_of};
use protocol::money::Amount;
use protocol::operator::LimitKind;
use protocol::types::{AccountId, InstrumentId, Nanos, Owner, Side, UserRefNum};

/// A gate that was opened with this number is shut. Numbers count up from 1, in 64 bits: they do not come round.
pub(super) const SHUT: u64 = 0;
/// No position.
const NOWHERE: u32 = u32::MAX;
/// Rounding of sums in eight currencies, each up to a part per step, is less than this.
const SLACK: i128 = 64;

/// What every order of an account reads and changes in one cache line, and what that rests on in the next.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(128))]
pub(super) struct Hot {
    /// The end of the millisecond for which `left` counts; 0 when the gate is shut.
    until: Nanos,
    /// What orders and trades may take before the account is looked at closely again, as [`coarse`] counts.
    budget: u64,
    /// Orders that pass within the millisecond, whatever counts them.
    left: u32,
    /// Open orders, when they are counted.
    pub(super) open_orders: u32,
    /// Where what it holds of the instrument of its last order is.
    position: u32,
    pub(super) day: u32,
    /// US dollars traded on `day`.
    pub(super) day_notional: Amount,
    /// The last order that was accepted.
    pub(super) last: LastOrder,
    /// It has a loss limit.
    pub(super) is_watched: bool,
    /// It is among the accounts that are looked at when the command ends.
    pub(super) is_noted: bool,
    /// Its orders are counted.
    pub(super) is_counted: bool,
    /// It trades with what it holds.
    pub(super) is_cash: bool,
    /// Messages, those of the millisecond apart: [`Hot::messages`].
    messages: Bucket,
    /// The same for the kill switch.
    floods: Bucket,
    /// The number that its gate was opened with.
    epoch: u64,
    /// What `left` was at the beginning of the millisecond.
    leased: u32,
    /// Per second; 0 = no limit.
    message_rate: u32,
    flood_rate: u32,
    /// Orders per second in each instrument.
    symbol_rate: u32,
    open_orders_max: u32,
}

const _: () = assert!(size_of::<Hot>() == 128);

/// What makes two orders equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct LastOrder {
    pub(super) price: u32,
    pub(super) quantity: u32,
    pub(super) instrument: InstrumentId,
    pub(super) is_buy: bool,
}

impl Hot {
    /// Of a new account.
    pub(super) const NEW: Self = Self {
        until: Nanos(0),
        budget: 0,
        left: 0,
        open_orders: 0,
        position: NOWHERE,
        day: 0,
        day_notional: Amount::ZERO,
        last: LastOrder { price: 0, quantity: 0, instrument: InstrumentId(0), is_buy: false },
        is_watched: false,
        is_noted: false,
        is_counted: false,
        is_cash: false,
        messages: Bucket::FULL,
        floods: Bucket::FULL,
        epoch: SHUT,
        leased: 0,
        message_rate: 0,
        flood_rate: 0,
        symbol_rate: 0,
        open_orders_max: 0,
    };

    /// Where what it holds of the instrument of its last order is, if anywhere.
    pub(super) fn position(&self) -> u32 {
        self.position
    }

    /// A bucket with the orders of the millisecond taken out.
    fn less(&self, bucket: Bucket, rate: u32) -> Bucket {
        let passed = self.leased.wrapping_sub(self.left);
        if passed == 0 || rate == 0 {
            return bucket;
        }
        bucket.less(u64::from(passed) * EVENT, rate.into(), Nanos(self.until.0 - STEP))
    }

    /// Messages.
    pub(super) fn messages(&self) -> Bucket {
        self.less(self.messages, self.message_rate)
    }

    /// Messages, for the kill switch.
    pub(super) fn floods(&self) -> Bucket {
        self.less(self.floods, self.flood_rate)
    }

    /// Both, as they were kept.
    pub(super) fn set_buckets(&mut self, [messages, floods]: [Bucket; 2]) {
        (self.messages, self.floods) = (messages, floods);
        self.leased = self.left;
    }

    /// Both, to take from; no order passes until what is left is worked out anew.
    pub(super) fn buckets_mut(&mut self) -> [&mut Bucket; 2] {
        self.set_buckets([self.messages(), self.floods()]);
        (self.left, self.leased) = (0, 0);
        [&mut self.messages, &mut self.floods]
    }

    /// Works out how many orders pass in the millisecond of `now`.
    fn renew(&mut self, now: Nanos) {
        self.set_buckets([self.messages(), self.floods()]);
        let allowed = |bucket: Bucket, rate: u32| match rate {
            0 => u32::MAX,
            rate => u32::try_from(bucket.level(rate.into(), now) / EVENT).unwrap_or(u32::MAX),
        };
        let (messages, floods) = (allowed(self.messages, self.message_rate), allowed(self.floods, self.flood_rate));
        self.left = messages.min(floods).min(self.open_orders_max.saturating_sub(self.open_orders));
        self.leased = self.left;
        self.until = Nanos(step_of(now).0.saturating_add(STEP));
    }

    /// A trade of so much may be taken from the budget and from the day.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "twice for each trade of limited accounts")]
    pub(super) fn affords(&self, (epoch, day): (u64, u32), claim: u64, dollars: Amount) -> bool {
        self.epoch == epoch
            && self.day == day
            && self.budget >= claim
            && self.day_notional.checked_add(dollars).is_some()
    }

    /// Takes a trade that it affords.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "twice for each trade of limited accounts")]
    pub(super) fn take(&mut self, claim: u64, dollars: Amount) {
        self.budget = self.budget.wrapping_sub(claim);
        self.day_notional.0 = self.day_notional.0.wrapping_add(dollars.0);
    }
}

/// What a new order of one account in one instrument may be, in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// The number that it was opened with.
    pub(super) stamp: u64,
    pub(super) price_low: u32,
    /// Above that.
    pub(super) price_span: u32,
    pub(super) quantity_max: u32,
    /// Quantity that may still be sold, and bought.
    pub(super) room: [u32; 2],
    /// [`SHORTS`], [`COMPARED`], [`RATED`].
    pub(super) terms: u8,
}

/// Short sales pass, without a locate.
const SHORTS: u8 = 1;
/// Orders are compared with the last one.
const COMPARED: u8 = 2;
/// Orders are counted per second.
const RATED: u8 = 4;

/// A limit order that wants to be accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrant {
    pub(crate) owner: Owner,
    pub(crate) number: UserRefNum,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) quantity: u32,
    pub(crate) price: u32,
    /// It rests as it is; else it takes first.
    pub(crate) rests: bool,
}

/// `limit` in units of `unit`, rounded down; everything when it is not set.
fn units(limit: Option<Amount>, unit: i128) -> i128 {
    limit.map_or(i128::MAX, |limit| limit.0 / unit)
}

/// Within 32 bits, below 0 as 0.
fn to_u32(value: i128) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

/// A rate of a bucket as gates keep it: 0 = none. `None`: nothing may happen at all.
fn rate(limit: Option<u64>) -> Option<u32> {
    match limit {
        None => Some(0),
        Some(0) => None,
        // Limits of this kind are at most `Bucket::RATE_MAX`.
        Some(limit) => u32::try_from(limit).ok(),
    }
}

/// The smaller one of those that are not 0.
fn smaller([one, other]: [u32; 2]) -> u32 {
    if one == 0 || (other != 0 && other < one) { other } else { one }
}

/// What is in a bucket at the beginning of another millisecond.
#[cold]
#[inline(never)]
fn filled_up(bucket: Bucket, rates: [u32; 2], step: Nanos) -> u64 {
    bucket.level(smaller(rates).into(), step)
}

impl Risk {
    /// Shuts all gates.
    pub(super) fn shut_all(&mut self) {
        self.epoch += 1;
        self.notes.none_is_open();
    }

    /// An account is looked at closely with its next order.
    pub(super) fn shut(&mut self, at: usize) {
        let hot = self.hot.at_mut(at);
        if hot.epoch == self.epoch && hot.is_watched {
            self.notes.one_is_shut();
        }
        hot.buckets_mut();
        (hot.epoch, hot.until) = (SHUT, Nanos(0));
    }

    /// Works out what notional comes to in dollars after a rate was set.
    pub(super) fn set_units(&mut self) {
        for (at, instrument) in (1..).zip(&self.instruments) {
            self.markets.at_mut(at).set_rate(instrument, self.rates[instrument.legs.quote.index()]);
        }
        self.shut_all();
    }

    /// The number that the gates of an instrument are opened with: it grows with either part, and so never comes twice.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every order of a limited account")]
    fn stamp(&self, id: InstrumentId) -> u64 {
        self.epoch.wrapping_add(self.markets.at(id.0.into()).tag)
    }

    /// Where the position of an account in an instrument is: where that of its last order was, else it is looked for.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every order of a limited account")]
    pub(super) fn place_of(&mut self, account: AccountId, id: InstrumentId) -> Option<u32> {
        let place = self.hot.at(account.0 as usize).position;
        match self.positions.at(place) {
            Some(position) if position.instrument == id => Some(place),
            Some(_) | None => self.look_for(account, id),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn look_for(&mut self, account: AccountId, id: InstrumentId) -> Option<u32> {
        let place = self.positions.place(account, id)?;
        self.hot.at_mut(account.0 as usize).position = place;
        Some(place)
    }

    /// Accepts a limit order of which it is known that it passes every check, and counts it; one that takes is counted when
    /// what is left of it rests. False says nothing, and nothing is done.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every order of a limited account")]
    pub(crate) fn admit(&mut self, order: &Entrant, now: Nanos) -> bool {
        self.pass(order, now) || self.admit_anew(*order, now)
    }

    /// The same once numbers that are not of now are.
    #[cold]
    #[inline(never)]
    fn admit_anew(&mut self, order: Entrant, now: Nanos) -> bool {
        self.renew(&order, now) && self.pass(&order, now)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every order of a limited account")]
    fn pass(&mut self, order: &Entrant, now: Nanos) -> bool {
        let Entrant { owner, instrument: id, side, quantity, price, .. } = *order;
        let is_buy = side.is_buy();
        let Self { hot, markets, positions, epoch, .. } = self;
        let (hot, market) = (hot.at_mut(owner.account().0 as usize), markets.at(id.0.into()));
        let Some(position) = positions.at_mut(hot.position) else {
            return false;
        };
        let claim = market.claim(quantity);
        let room = position.room[usize::from(is_buy)];
        let fits = position.instrument == id
            && position.stamp == epoch.wrapping_add(market.tag)
            && now < hot.until
            && hot.left != 0
            && price.wrapping_sub(position.price_low) <= position.price_span
            && quantity <= position.quantity_max
            && quantity <= room
            && claim <= hot.budget
            && (matches!(side, Side::Buy | Side::Sell) || position.terms & SHORTS != 0);
        if !fits {
            return false;
        }
        let last = LastOrder { price, quantity, instrument: id, is_buy };
        let is_compared = position.terms & COMPARED != 0;
        if is_compared && hot.last == last {
            return false;
        }
        if position.terms & RATED != 0 {
            let step = Nanos(hot.until.0.wrapping_sub(STEP));
            let level = if position.orders.at == step {
                position.orders.level
            } else {
                filled_up(position.orders, [hot.symbol_rate, market.symbol_rate], step)
            };
            if level < EVENT {
                return false;
            }
            position.orders = Bucket { level: level.wrapping_sub(EVENT), at: step };
        }
        if is_compared {
            hot.last = last;
        }
        // None of these is below what is taken from it.
        hot.left = hot.left.wrapping_sub(1);
        hot.budget = hot.budget.wrapping_sub(claim);
        position.room[usize::from(is_buy)] = room.wrapping_sub(quantity);
        if order.rests {
            hot.open_orders = hot.open_orders.wrapping_add(1);
            position.open_more(is_buy, quantity, price);
        } else {
            self.take_off_ground(order);
        }
        true
    }

    /// Works out anew what depends on the time, and what may be held of the instrument; false where the account is to be looked
    /// at closely.
    fn renew(&mut self, order: &Entrant, now: Nanos) -> bool {
        let (account, id) = (order.owner.account(), order.instrument);
        if !self.is_open(account, now) {
            return false;
        }
        let Some(place) = self.place_of(account, id) else {
            return false;
        };
        let hot = self.hot.at_mut(account.0 as usize);
        if now >= hot.until || hot.left == 0 {
            hot.renew(now);
        }
        let stamp = self.stamp(id);
        let is_stale = |position: &Position| position.stamp != stamp || !position.has_room(order);
        if self.positions.at(place).is_some_and(is_stale) {
            let gate = self.gate_of(account, id).unwrap_or(Gate::SHUT);
            if let Some(position) = self.positions.at_mut(place) {
                position.set_gate(&gate);
            }
        }
        true
    }

    /// An order was accepted after a close look: what it may take is taken.
    #[inline]
    pub(super) fn spend(&mut self, order: &OpenOrder) {
        let (account, id) = (order.account(), order.instrument);
        self.spend_dollars(account, id, (order.leaves, order.price), 1);
        if let Some(position) = self.positions.find_mut(account, id) {
            let room = &mut position.room[usize::from(order.is_buy)];
            match room.checked_sub(order.leaves) {
                Some(left) => *room = left,
                None => position.stamp = SHUT,
            }
        }
    }

    /// Takes what a quantity comes to, several times, from the budget.
    #[inline]
    pub(super) fn spend_dollars(
        &mut self,
        account: AccountId,
        id: InstrumentId,
        (quantity, price): (u32, u32),
        times: u64,
    ) {
        let claim = self.markets.at(id.0.into()).claim_at(quantity, price).and_then(|claim| claim.checked_mul(times));
        let hot = self.hot.at_mut(account.0 as usize);
        match claim.and_then(|claim| hot.budget.checked_sub(claim)) {
            Some(left) => hot.budget = left,
            None => self.shut(account.0 as usize),
        }
    }

    /// The gate of an account is open: it is known that no limit in money is passed.
    #[inline]
    pub(super) fn is_open(&self, account: AccountId, now: Nanos) -> bool {
        self.hot.at(account.0 as usize).epoch == self.epoch && now < self.day_end
    }

    /// Opens the gate of an account when it is shut, after it was looked at closely and passed.
    pub(super) fn open_gate(&mut self, account: AccountId, now: Nanos) {
        if self.is_open(account, now) {
            return;
        }
        let day_end = if self.day == 0 { (now.0 / Nanos::DAY + 1) * Nanos::DAY } else { u64::MAX };
        let today = self.today(now);
        if (day_end, today) != (self.day_end.0, self.gate_day) {
            (self.day_end, self.gate_day) = (Nanos(day_end), today);
            self.shut_all();
        }
        let flags = self.flags[account.0 as usize];
        if flags & (LIMITED | CASH | KILLED) != LIMITED {
            return;
        }
        let Account { counts, .. } = &self.accounts[account.0 as usize];
        let rates = (rate(counts.messages), rate(counts.floods), rate(counts.symbol));
        let open_orders_max = counts.open_orders.map_or(u32::MAX, |most| u32::try_from(most).unwrap_or(u32::MAX));
        let budget = self.budget(account, now).map_or(0, coarse);
        if let (Some(message_rate), Some(flood_rate), Some(symbol_rate)) = rates
            && budget > 0
        {
            self.shut(account.0 as usize);
            let epoch = self.epoch;
            let hot = self.hot.at_mut(account.0 as usize);
            *hot = Hot { budget, epoch, message_rate, flood_rate, symbol_rate, open_orders_max, ..*hot };
            if hot.is_watched {
                self.notes.one_is_open();
            }
        }
    }

    /// What the limits in money leave an account, whatever the marks do within their bands; `None` when it cannot be counted.
    fn budget(&self, id: AccountId, now: Nanos) -> Option<i128> {
        let mut least = i128::MAX;
        let mut left = |limit: Amount, used: i128| least = least.min(limit.0.saturating_sub(used));
        if let Some(limit) = self.limit(id, LimitKind::OpenNotional) {
            left(limit, self.open_notional(id)?.0);
        }
        if let Some(limit) = self.limit(id, LimitKind::DayNotional) {
            let hot = self.hot.at(id.0 as usize);
            left(limit, if hot.day == self.today(now) { hot.day_notional.0 } else { 0 });
        }
        if let Some(limit) = self.limit(id, LimitKind::Credit) {
            left(limit, self.credit_at_worst(id)?.0);
        }
        if let Some(limit) = self.limit(id, LimitKind::DayLoss) {
            let (day, stood) = self.accounts[id.0 as usize].stood?;
            if day != self.today(now) {
                return None;
            }
            left(limit, stood.checked_sub(self.profit_at_worst(id)?)?.0);
        }
        least.checked_sub(SLACK)
    }

    /// What an order of this pair may be; `None` when each is to be looked at closely.
    fn gate_of(&self, account: AccountId, id: InstrumentId) -> Option<Gate> {
        let (of, instrument) = (&self.accounts[account.0 as usize], self.instrument(id));
        let market = self.markets.at(id.0.into());
        let firm = self.firms[of.firm as usize].firm;
        let is_restricted = [Restricted::Account(account), Restricted::Firm(firm), Restricted::All]
            .into_iter()
            .any(|who| self.restrictions.has(who, id));
        let is_killed = instrument.is_killed || self.venue_flags & KILLED != 0;
        if is_restricted || is_killed || market.claim == 0 || market.mark == 0 {
            return None;
        }
        let (limits, own) = (&of.limits, &instrument.own);
        let tighter = |kind| self.tighter(account, id, kind);
        let (claim, scale) = (i128::from(market.claim), instrument.scale);
        let is_set = |kind, value| limits.get(kind) == Some(value) || own.get(kind) == Some(value);
        let no_shorts = is_set(LimitKind::ShortSale, Amount::ZERO) || is_set(LimitKind::LocateRequired, Amount::ONE);
        let duplicates = super::limits::tighter(of.counts.duplicates, instrument.counts.duplicates);
        let symbol_rate = rate(super::limits::tighter(of.counts.symbol, instrument.counts.symbol))?;
        let (price_low, price_high) = prices(tighter(LimitKind::PriceCollar), market)?;
        let position = self.positions.find(account, id)?;
        let [open_sell, open_buy] = position.open;
        let room = |kind, held: i128, open: u64| {
            to_u32(units(tighter(kind), scale.quantity).saturating_sub(held).saturating_sub(open.into()))
        };
        let countable = (Amount::MAX.0 / scale.quantity).min(Amount::MAX.0 / scale.notional / i128::from(market.high));
        Some(Gate {
            stamp: self.stamp(id),
            price_low,
            price_span: price_high - price_low,
            quantity_max: to_u32(
                units(tighter(LimitKind::OrderQuantity), scale.quantity)
                    .min(units(tighter(LimitKind::OrderNotional), claim))
                    .min(countable),
            ),
            room: [
                room(LimitKind::PositionShort, position.quantity.saturating_neg(), open_sell),
                room(LimitKind::PositionLong, position.quantity, open_buy),
            ],
            terms: if symbol_rate == 0 { 0 } else { RATED }
                | if no_shorts { 0 } else { SHORTS }
                | if duplicates.is_some() { COMPARED } else { 0 },
        })
    }
}

/// The lowest and the highest price within a collar around every mark that is near, up to the end of the band.
fn prices(collar: Option<Amount>, market: &Market) -> Option<(u32, u32)> {
    let Some(Amount(parts)) = collar else {
        return Some((0, market.high));
    };
    let distance = |mark: u32| i128::from(mark) * parts / Amount::ONE.0;
    let (low, high) = (market.near_low, market.near_high());
    let lowest = to_u32(i128::from(high) - distance(high));
    let highest = to_u32(i128::from(low) + distance(low)).min(market.high);
    (lowest <= highest).then_some((lowest, highest))
}

impl Gate {
    /// Nothing passes.
    pub(super) const SHUT: Self =
        Self { stamp: SHUT, price_low: 0, price_span: 0, quantity_max: 0, room: [0; 2], terms: 0 };
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::command::{ListInstrument, OpenVenue};
    use protocol::money::Legs;
    use protocol::operator::{Scope, SetLimit};
    use protocol::types::{Channel, Firm, OrderState, Price, Qty, SessionName, Symbol};

    const ACCOUNT: AccountId = AccountId(0);
    const STOCK: InstrumentId = InstrumentId(1);
    const NOW: Nanos = Nanos(5 * Nanos::DAY);

    fn risk() -> Risk {
        let session = SessionName::from_text("TEST").unwrap();
        let mut risk = Risk::new(&OpenVenue {
            session,
            orders_max: 10,
            accounts_max: 2,
            channels_max: 1,
            instruments_max: 1,
            orders_per_command_max: 10,
        });
        let symbol = Symbol::from_text("AAPL").unwrap();
        let listed = ListInstrument {
            instrument: STOCK,
            symbol,
            price_decimals: 4,
            qty_decimals: 0,
            tick: Price(1),
            lot: Qty(1),
            max_qty: Qty(1_000_000),
            reference_price: Price(1_000_000),
        };
        risk.list(&listed, Legs::of_symbol(&symbol));
        risk.open_account(Firm::from_text("DEMA").unwrap());
        risk
    }

    fn set(risk: &mut Risk, limit: LimitKind, units: i128) {
        let value = Amount(units * Amount::ONE.0);
        risk.set_limit(&SetLimit { scope: Scope::Account(ACCOUNT), limit, instrument: InstrumentId(0), value });
    }

    fn order(number: u32, side: Side, quantity: u32) -> Entrant {
        let owner = Owner::new(ACCOUNT, Channel(0));
        Entrant { owner, number: UserRefNum(number), instrument: STOCK, side, quantity, price: 1_000_000, rests: true }
    }

    /// Looked at closely, and accepted.
    fn enter(risk: &mut Risk, number: u32, quantity: u32, now: Nanos) {
        let Entrant { owner, number, instrument, side, price, .. } = order(number, Side::Buy, 0);
        risk.accepted((owner, number), (instrument, side), (Qty(quantity), Price(price)), (OrderState::Live, now));
    }

    #[test]
    fn what_is_far_from_every_limit_passes_and_what_is_near_is_looked_at() {
        let mut risk = risk();
        set(&mut risk, LimitKind::OpenNotional, 100_000);
        set(&mut risk, LimitKind::DuplicateRate, 1);
        assert!(!risk.admit(&order(1, Side::Buy, 10), NOW), "nobody has looked yet");
        enter(&mut risk, 1, 10, NOW);
        assert!(risk.admit(&order(2, Side::Buy, 20), NOW));
        assert!(!risk.admit(&order(3, Side::Buy, 20), NOW), "the same once more may be a duplicate");
        assert!(risk.admit(&order(4, Side::SellShort, 30), NOW), "nothing is set for short sales");
        assert!(!risk.admit(&order(5, Side::Buy, 840), NOW), "94,000 dollars are left: 835 at the worst mark");
        assert!(risk.admit(&order(6, Side::Buy, 820), NOW));
        assert!(!risk.admit(&order(7, Side::Buy, 20), NOW));
    }

    #[test]
    fn limits_switches_and_days_shut_the_gates() {
        let mut risk = risk();
        set(&mut risk, LimitKind::OpenOrders, 100);
        enter(&mut risk, 1, 10, NOW);
        assert!(risk.admit(&order(2, Side::Buy, 20), NOW));
        let later = Nanos(NOW.0 + Nanos::DAY);
        assert!(!risk.admit(&order(3, Side::Buy, 21), later), "another day");
        enter(&mut risk, 4, 10, later);
        assert!(risk.admit(&order(5, Side::Buy, 22), later));
        set(&mut risk, LimitKind::ShortSale, 0);
        assert!(!risk.admit(&order(6, Side::Buy, 23), later), "a limit is new");
        enter(&mut risk, 7, 10, later);
        assert!(risk.admit(&order(8, Side::Buy, 24), later));
        assert!(!risk.admit(&order(9, Side::SellShort, 25), later), "it may not sell short");
        risk.switch(Scope::Venue, Some((protocol::operator::KillCause::Operator, later)));
        assert!(!risk.admit(&order(10, Side::Buy, 26), later));
        enter(&mut risk, 11, 10, later);
        assert!(!risk.admit(&order(12, Side::Buy, 27), later), "it stays shut while the switch is on");
        assert_eq!(risk.hot.at(0).open_orders, 7);
    }

    #[test]
    fn numbers_of_gates_do_not_come_round() {
        let mut risk = risk();
        set(&mut risk, LimitKind::OpenOrders, 100);
        risk.epoch = u64::from(u32::MAX) - 1;
        enter(&mut risk, 1, 10, NOW);
        assert!(risk.admit(&order(2, Side::Buy, 20), NOW));
        for number in 3..10 {
            risk.shut_all();
            assert!(!risk.admit(&order(number, Side::Buy, 20), NOW), "it was opened with another number");
        }
        let stamp = risk.stamp(STOCK);
        risk.markets.at_mut(1).follow();
        assert_eq!(risk.stamp(STOCK), stamp + 1, "a mark that left its band counts as well");
    }

    #[test]
    fn what_may_pass_in_a_millisecond_is_what_rates_and_open_orders_leave() {
        let mut risk = risk();
        set(&mut risk, LimitKind::MessageRate, 1_000);
        set(&mut risk, LimitKind::OpenOrders, 5);
        enter(&mut risk, 1, 10, NOW);
        for number in 2..6 {
            assert!(risk.admit(&order(number, Side::Buy, number), NOW), "order {number}");
        }
        assert!(!risk.admit(&order(6, Side::Buy, 6), NOW), "five are open");
        set(&mut risk, LimitKind::OpenOrders, 5_000);
        enter(&mut risk, 6, 10, NOW);
        let passes = |risk: &mut Risk, now| (7..2_000).take_while(|_| risk.admit(&order(7, Side::Buy, 1), now)).count();
        assert_eq!(passes(&mut risk, NOW), 994, "six of a thousand are gone");
        assert_eq!(passes(&mut risk, Nanos(NOW.0 + STEP - 1)), 0);
        assert_eq!(passes(&mut risk, Nanos(NOW.0 + STEP)), 1, "one comes back with each millisecond");
        assert_eq!(passes(&mut risk, Nanos(NOW.0 + 11 * STEP)), 10);
        assert_eq!(risk.hot.at(0).messages().level(1_000, Nanos(NOW.0 + 11 * STEP)), 0);
    }

    #[test]
    fn claims_at_the_ends_are_counted() {
        let mut market = Market::NONE;
        (market.claim, market.unit, market.high) = (u64::MAX, u64::MAX, u32::MAX);
        assert!(market.claim(u32::MAX) <= 1 << 56);
        assert_eq!(market.claim_at(u32::MAX, u32::MAX), None, "beyond 64 bits of what budgets count in");
        assert_eq!((coarse(-1), coarse(i128::MAX), coarse((1 << 40) - 1)), (0, u64::MAX, 0));
    }
}
