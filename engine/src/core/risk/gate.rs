//! The short way through the checks. What was found out at the last close look at an account, and at what it holds of an
//! instrument, is kept as a few small numbers: an order that stays below all of them passes every check of `checks.rs`, and is
//! counted at once. What does not is looked at closely, and may pass all the same: nothing is decided here that is not decided
//! there.
//!
//! What limits in money leave is one budget in dollars: the least of what the open orders, the notional of the day, the credit and
//! the loss of the day leave, at the worst marks within the band of each instrument. Every order and every trade takes from it
//! what it could take from any of them; nothing is put back but by the next close look. A mark that leaves its band, a limit, a rate or a
//! switch that changes, and a new day shut all gates at once, by a number that gates were opened with.
//!
//! Gates are no state: a venue that was started again opens them anew, and answers the same.

use super::open_orders::OpenOrder;
use super::{Account, CASH, Instrument, KILLED, LIMITED, Restricted, Risk};
use crate::core::money::{Bucket, EVENT};
use protocol::money::{Amount, Currency};
use protocol::operator::LimitKind;
use protocol::types::{AccountId, InstrumentId, Nanos, Owner, Side, UserRefNum};

/// A gate that was opened with this number is shut.
const SHUT: u32 = 0;
/// Parts of a million.
const MILLION: u64 = 1_000_000;
/// Rounding of sums in eight currencies, each up to a part per step, is less than this.
const SLACK: i128 = 64;

/// What every order of an account reads and changes: two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(128))]
pub(super) struct Hot {
    pub(super) messages: Bucket,
    /// Messages, for the kill switch.
    pub(super) floods: Bucket,
    /// The number that its gate was opened with.
    epoch: u32,
    /// Open orders, when they are counted.
    pub(super) open_orders: u32,
    open_orders_max: u32,
    /// Per second; 0 = no limit.
    message_rate: u32,
    flood_rate: u32,
    /// The last order that was accepted.
    pub(super) last: LastOrder,
    /// Dollars that orders and trades may take before it is looked at closely again; not below 0.
    budget: i128,
    /// Notional of the open orders that are paid in dollars, when they are counted.
    pub(super) open_dollars: Amount,
    /// US dollars traded on `day`.
    pub(super) day_notional: Amount,
    pub(super) day: u32,
    /// It has a loss limit.
    pub(super) is_watched: bool,
    /// It is among the accounts that are looked at when the command ends.
    pub(super) is_noted: bool,
    /// Its orders are counted.
    pub(super) is_counted: bool,
    /// It trades with what it holds.
    pub(super) is_cash: bool,
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
        messages: Bucket::FULL,
        floods: Bucket::FULL,
        epoch: SHUT,
        open_orders: 0,
        open_orders_max: 0,
        message_rate: 0,
        flood_rate: 0,
        last: LastOrder { price: 0, quantity: 0, instrument: InstrumentId(0), is_buy: false },
        budget: 0,
        open_dollars: Amount::ZERO,
        day_notional: Amount::ZERO,
        day: 0,
        is_watched: false,
        is_noted: false,
        is_counted: false,
        is_cash: false,
    };

    /// It is looked at closely with its next order.
    pub(super) fn shut(&mut self) {
        self.epoch = SHUT;
    }
}

/// What a new order of one account in one instrument may be, in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Gate {
    notional_max: u64,
    long_max: i64,
    short_max: i64,
    /// The number that it was opened with.
    epoch: u32,
    quantity_max: u32,
    collar_ppm: u32,
    /// Orders per second, 0 = no limit; and [`Gate::SHORTS`], [`Gate::COMPARED`].
    terms: u32,
}

impl Gate {
    /// Nothing passes.
    pub(super) const SHUT: Self =
        Self { notional_max: 0, long_max: 0, short_max: 0, epoch: SHUT, quantity_max: 0, collar_ppm: 0, terms: 0 };

    /// Short sales pass, without a locate. Rates stay below this bit.
    const SHORTS: u32 = 1 << 31;
    /// Orders are compared with the last one.
    const COMPARED: u32 = 1 << 30;
    const RATE: u32 = Self::COMPARED - 1;
}

/// A limit order that wants to be accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrant {
    pub(crate) owner: Owner,
    pub(crate) number: UserRefNum,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) quantity: u32,
    pub(crate) price: u32,
}

/// `limit` in units of `unit`, rounded down; everything when it is not set.
fn units(limit: Option<Amount>, unit: i128) -> i128 {
    limit.map_or(i128::MAX, |limit| limit.0 / unit)
}

fn to_u64(value: i128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn to_i64(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn to_u32(value: i128) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
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

/// A bucket after one more event; as it is where there is no rate, and `None` where that is not allowed.
#[inline(always)]
#[expect(clippy::inline_always, reason = "three times for each order")]
fn taken(bucket: Bucket, rate: u32, now: Nanos) -> Option<Bucket> {
    if rate == 0 {
        return Some(bucket);
    }
    let level = bucket.level(rate.into(), now).checked_sub(EVENT)?;
    Some(Bucket { level, at: now })
}

impl Instrument {
    /// Works out what a wire unit of notional comes to in dollars at this rate, at most.
    pub(super) fn set_rate(&mut self, rate: Amount) {
        let unit = self
            .scale
            .notional
            .checked_mul(rate.0)
            .map(|unit| unit.unsigned_abs().div_ceil(Amount::ONE.0.unsigned_abs()));
        self.unit = unit.and_then(|unit| u64::try_from(unit).ok()).unwrap_or(0);
    }

    /// Dollars that a quantity may come to at a price and at every mark of the band, at most.
    #[inline]
    fn dollars_at_most(&self, quantity: u32, price: u32) -> u128 {
        let wire = u64::from(quantity) * u64::from(price.max(self.high));
        u128::from(wire) * u128::from(self.unit)
    }

    /// True when the mark left its band; then there is a new one around it.
    #[inline]
    pub(super) fn has_left_band(&mut self) -> bool {
        if (self.low..=self.high).contains(&self.mark) && self.mark != 0 {
            return false;
        }
        let wide = self.mark / 8 + 1;
        (self.low, self.high) = (self.mark.saturating_sub(wide), self.mark.saturating_add(wide));
        true
    }
}

impl Risk {
    /// Shuts all gates.
    pub(super) fn shut_all(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == SHUT {
            // Once in four billion times: a gate that was never asked for since must not look open.
            for at in 0..self.accounts.len() {
                self.hot.at_mut(at).shut();
            }
            self.positions.iter_mut().for_each(|position| position.gate = Gate::SHUT);
            self.epoch = SHUT + 1;
        }
    }

    /// Works out what notional comes to in dollars after a rate was set.
    pub(super) fn set_units(&mut self) {
        for instrument in &mut self.instruments {
            instrument.set_rate(self.rates[instrument.legs.quote.index()]);
        }
        self.shut_all();
    }

    /// Accepts a limit order of which it is known that it passes every check, and counts it. False says nothing, and nothing is
    /// done.
    #[inline]
    pub(crate) fn admit(&mut self, order: &Entrant, now: Nanos) -> bool {
        let Entrant { owner, number, instrument: id, side, quantity, price } = *order;
        let (account, is_buy) = (owner.account(), side.is_buy());
        let hot = self.hot.at_mut(account.0 as usize);
        let is_open = hot.epoch == self.epoch && now < self.day_end && hot.open_orders < hot.open_orders_max;
        if !is_open {
            return false;
        }
        let instrument = &self.instruments[usize::from(id.0) - 1];
        let Some(position) = self.positions.find_mut(account, id) else {
            return false;
        };
        let gate = &position.gate;
        let notional = u64::from(quantity) * u64::from(price);
        let fits = gate.epoch == self.epoch
            && quantity <= gate.quantity_max
            && notional <= gate.notional_max
            && u64::from(price.abs_diff(instrument.mark)) * MILLION
                <= u64::from(instrument.mark) * u64::from(gate.collar_ppm)
            && (matches!(side, Side::Buy | Side::Sell) || gate.terms & Gate::SHORTS != 0);
        let dollars = instrument.dollars_at_most(quantity, price);
        let last = LastOrder { price, quantity, instrument: id, is_buy };
        let is_compared = gate.terms & Gate::COMPARED != 0;
        if !fits || dollars > hot.budget.unsigned_abs() || is_compared && hot.last == last {
            return false;
        }
        let open = if is_buy { position.open_buy } else { position.open_sell };
        let (open, most) = (open + u64::from(quantity), if is_buy { gate.long_max } else { gate.short_max });
        let Ok(held) = i64::try_from(position.quantity) else {
            return false;
        };
        let held = if is_buy { held } else { held.wrapping_neg() };
        if i64::try_from(open).ok().and_then(|open| held.checked_add(open)).is_none_or(|after| after > most) {
            return false;
        }
        let (Some(messages), Some(floods), Some(orders)) = (
            taken(hot.messages, hot.message_rate, now),
            taken(hot.floods, hot.flood_rate, now),
            taken(position.orders, gate.terms & Gate::RATE, now),
        ) else {
            return false;
        };
        (hot.messages, hot.floods, position.orders) = (messages, floods, orders);
        // What is compared above is below 2^127.
        hot.budget = hot.budget.wrapping_sub_unsigned(dollars);
        if is_compared {
            hot.last = last;
        }
        hot.open_orders += 1;
        *(if is_buy { &mut position.open_buy } else { &mut position.open_sell }) = open;
        let paid = instrument.scale.notional_of(price, quantity).unwrap_or_default();
        if instrument.legs.quote == Currency::Usd {
            hot.open_dollars.0 += paid.0;
        } else {
            self.accounts[account.0 as usize].open_notional[instrument.legs.quote.index()].0 += paid.0;
        }
        self.flight = OpenOrder { owner, number, price, leaves: quantity, instrument: id, is_buy };
        true
    }

    /// An order was accepted after a close look: what it may take is taken from the budget.
    #[inline]
    pub(super) fn spend(&mut self, account: AccountId, id: InstrumentId, (quantity, price): (u32, u32), times: u128) {
        let instrument = &self.instruments[usize::from(id.0) - 1];
        let dollars = instrument.dollars_at_most(quantity, price).checked_mul(times);
        let hot = self.hot.at_mut(account.0 as usize);
        match dollars.and_then(|dollars| hot.budget.checked_sub_unsigned(dollars)) {
            Some(left) if left >= 0 && instrument.unit != 0 => hot.budget = left,
            Some(_) | None => hot.shut(),
        }
    }

    /// The gate of an account is open: it is known that no limit in money is passed.
    #[inline]
    pub(super) fn is_open(&self, account: AccountId, now: Nanos) -> bool {
        self.hot.at(account.0 as usize).epoch == self.epoch && now < self.day_end
    }

    /// The gates of an account, after it was looked at closely and passed: opens those that are shut.
    pub(super) fn open_gates(&mut self, account: AccountId, instrument: InstrumentId, now: Nanos) {
        self.open_account_gate(account, now);
        let position = self.positions.find(account, instrument);
        let is_shut = position.is_some_and(|position| position.gate.epoch != self.epoch);
        if is_shut
            && self.is_open(account, now)
            && let Some(gate) = self.gate_of(account, instrument)
            && let Some(position) = self.positions.find_mut(account, instrument)
        {
            position.gate = gate;
        }
    }

    /// Opens the gate of an account when it is shut.
    pub(super) fn open_account_gate(&mut self, account: AccountId, now: Nanos) {
        if self.is_open(account, now) {
            return;
        }
        let day_end = if self.day == 0 { (now.0 / Nanos::DAY + 1) * Nanos::DAY } else { u64::MAX };
        if day_end != self.day_end.0 {
            self.day_end = Nanos(day_end);
            self.shut_all();
        }
        let flags = self.flags[account.0 as usize];
        if flags & (LIMITED | CASH | KILLED) != LIMITED {
            return;
        }
        let Account { counts, .. } = &self.accounts[account.0 as usize];
        let (messages, floods) = (rate(counts.messages), rate(counts.floods));
        let open_orders_max = counts.open_orders.map_or(u32::MAX, |most| u32::try_from(most).unwrap_or(u32::MAX));
        let budget = self.budget(account, now).filter(|budget| *budget > 0);
        if let (Some(message_rate), Some(flood_rate), Some(budget)) = (messages, floods, budget) {
            let epoch = self.epoch;
            let hot = self.hot.at_mut(account.0 as usize);
            *hot = Hot { epoch, open_orders_max, message_rate, flood_rate, budget, ..*hot };
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
        let firm = self.firms[of.firm as usize].firm;
        let is_restricted = [Restricted::Account(account), Restricted::Firm(firm), Restricted::All]
            .into_iter()
            .any(|who| self.restrictions.has(who, id));
        if is_restricted || instrument.is_killed || self.venue_flags & KILLED != 0 || instrument.unit == 0 {
            return None;
        }
        let (limits, own) = (&of.limits, &instrument.own);
        let tighter = |kind| self.tighter(account, id, kind);
        let (unit, scale) = (i128::from(instrument.unit), instrument.scale);
        let is_set = |kind, value| limits.get(kind) == Some(value) || own.get(kind) == Some(value);
        let no_shorts = is_set(LimitKind::ShortSale, Amount::ZERO) || is_set(LimitKind::LocateRequired, Amount::ONE);
        let duplicates = super::limits::tighter(of.counts.duplicates, instrument.counts.duplicates);
        let symbol_rate = rate(super::limits::tighter(of.counts.symbol, instrument.counts.symbol))?;
        Some(Gate {
            notional_max: to_u64(units(tighter(LimitKind::OrderNotional), unit).min(Amount::MAX.0 / scale.notional)),
            long_max: to_i64(units(tighter(LimitKind::PositionLong), scale.quantity)),
            short_max: to_i64(units(tighter(LimitKind::PositionShort), scale.quantity)),
            epoch: self.epoch,
            quantity_max: to_u32(
                units(tighter(LimitKind::OrderQuantity), scale.quantity).min(Amount::MAX.0 / scale.quantity),
            ),
            collar_ppm: to_u32(units(tighter(LimitKind::PriceCollar), Amount::ONE.0 / i128::from(MILLION))),
            terms: symbol_rate
                | if no_shorts { 0 } else { Gate::SHORTS }
                | if duplicates.is_some() { Gate::COMPARED } else { 0 },
        })
    }
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
        Entrant { owner, number: UserRefNum(number), instrument: STOCK, side, quantity, price: 1_000_000 }
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
        assert!(!risk.admit(&order(5, Side::Buy, 941), NOW), "6,000 dollars are open, and 94,000 are left");
        assert!(risk.admit(&order(6, Side::Buy, 939), NOW));
        assert!(!risk.admit(&order(7, Side::Buy, 1), NOW));
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
}
