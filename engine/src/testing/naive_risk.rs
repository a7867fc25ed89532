//! The naive model's limits, kill switches and reservations. Every check looks at all open orders again; nothing is carried
//! along. No code in common with the core.

use super::naive_book::{NaiveVenue, Order};
use super::naive_ledger::{Ledger, Side, Trade};
use protocol::command::{ModifyOrder, OrderTags};
use protocol::money::{Amount, Asset, Currency};
use protocol::operator::{AccountMode, KillCause, LimitKind, Outcome, Scope, SetLimit};
use protocol::types::{AccountId, Firm, InstrumentId, OrderState, Owner, Price, UserRefNum};
use protocol::venue_command::BustTrade;
use protocol::{EventBody, RejectReason};
use std::collections::{BTreeMap, BTreeSet};

const UNIT: i128 = 1_000_000_000_000;

/// Why an account is looked at when the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// It traded, or was refused for its loss.
    Loss(AccountId),
    /// It was too fast, or refused too often.
    Rate(AccountId, KillCause),
    /// A trade in the instrument was broken.
    Broken(AccountId, InstrumentId),
}

/// Limits, switches, rates per second, and the money.
#[derive(Clone, Debug)]
pub(super) struct Money {
    pub(super) ledger: Ledger,
    pub(super) limits: BTreeMap<(Scope, LimitKind), i128>,
    pub(super) restricted: BTreeSet<(Scope, u16)>,
    pub(super) killed: BTreeSet<Scope>,
    /// Level and time of the buckets: messages, duplicates.
    pub(super) messages: BTreeMap<u32, (u64, u64)>,
    pub(super) duplicates: BTreeMap<u32, (u64, u64)>,
    /// Messages and refusals, for the kill switch.
    pub(super) floods: BTreeMap<u32, (u64, u64)>,
    pub(super) rejects: BTreeMap<u32, (u64, u64)>,
    /// Orders by account and instrument.
    pub(super) symbols: BTreeMap<(u32, u16), (u64, u64)>,
    /// Why and since when the switch of an account is on.
    pub(super) causes: BTreeMap<u32, (u8, u64)>,
    /// What the profit of an account was when its day began: the day, dollars.
    pub(super) stood: BTreeMap<u32, (u64, i128)>,
    /// What is looked at when the command ends.
    pub(super) notes: Vec<Note>,
    /// A mark moved since accounts with a loss limit were looked at in turn, and the account that comes next.
    pub(super) has_moved: bool,
    pub(super) looks_next: u32,
    pub(super) last_orders: BTreeMap<u32, (u16, bool, u32, u32)>,
}

impl Default for Money {
    fn default() -> Self {
        Self {
            ledger: Ledger::new(),
            limits: BTreeMap::new(),
            restricted: BTreeSet::new(),
            killed: BTreeSet::new(),
            messages: BTreeMap::new(),
            duplicates: BTreeMap::new(),
            floods: BTreeMap::new(),
            rejects: BTreeMap::new(),
            symbols: BTreeMap::new(),
            causes: BTreeMap::new(),
            stood: BTreeMap::new(),
            notes: Vec::new(),
            has_moved: false,
            looks_next: 0,
            last_orders: BTreeMap::new(),
        }
    }
}

/// An order that wants to be accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) owner: Owner,
    pub(super) instrument: InstrumentId,
    pub(super) side: protocol::types::Side,
    pub(super) quantity: u64,
    pub(super) price: Price,
    pub(super) is_immediate: bool,
    pub(super) tags: &'a OrderTags,
    pub(super) replaces: Option<UserRefNum>,
    /// No message came for it: it is elected.
    pub(super) is_election: bool,
}

/// What a bucket of this rate holds: every millisecond that began since the last event has brought its share of the rate.
fn level(bucket: Option<&(u64, u64)>, rate: u64, now: u64) -> u64 {
    let full = rate * 1_000_000_000;
    let Some((level, at)) = bucket else { return full };
    let begun = (now / 1_000_000 - at / 1_000_000).min(1_000);
    full.min(level.saturating_add(begun * 1_000_000 * rate))
}

fn whole(limit: i128) -> u64 {
    u64::try_from(limit / UNIT).unwrap_or(0)
}

impl NaiveVenue {
    fn firm_of(&self, account: AccountId) -> Firm {
        self.accounts[account.0 as usize].firm
    }

    /// The value that holds for an account: its own, its firm's, the venue's.
    pub(super) fn limit(&self, account: AccountId, kind: LimitKind) -> Option<i128> {
        [Scope::Account(account), Scope::Firm(self.firm_of(account)), Scope::Venue]
            .into_iter()
            .find_map(|scope| self.money.limits.get(&(scope, kind)).copied())
    }

    /// The tighter of what holds for an account and for an instrument.
    pub(super) fn tighter(&self, account: AccountId, instrument: InstrumentId, kind: LimitKind) -> Option<i128> {
        let of_instrument = self.money.limits.get(&(Scope::Instrument(instrument), kind)).copied();
        match (self.limit(account, kind), of_instrument) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    pub(super) fn is_cash(&self, account: AccountId) -> bool {
        self.money.ledger.cash_accounts.contains(&account.0)
    }

    fn is_account_killed(&self, account: AccountId) -> bool {
        let killed = &self.money.killed;
        killed.contains(&Scope::Account(account)) || killed.contains(&Scope::Firm(self.firm_of(account)))
    }

    /// Something is set for the account: its orders are counted.
    fn is_counted(&self, account: AccountId) -> bool {
        let scopes = [Scope::Account(account), Scope::Firm(self.firm_of(account)), Scope::Venue];
        // These limits of an instrument are about everybody's orders.
        let of_everybody =
            [LimitKind::PositionLong, LimitKind::PositionShort, LimitKind::SymbolRate, LimitKind::DuplicateRate];
        let is_one =
            |(scope, kind): &(Scope, LimitKind)| matches!(scope, Scope::Instrument(_)) && of_everybody.contains(kind);
        self.is_cash(account)
            || self.money.limits.keys().any(is_one)
            || LimitKind::ALL.iter().any(|kind| self.limit(account, *kind).is_some())
            || self.money.restricted.iter().any(|(scope, _)| scopes.contains(scope))
    }

    fn is_guarded(&self, account: AccountId, instrument: InstrumentId) -> bool {
        let of_instrument = Scope::Instrument(instrument);
        self.is_counted(account)
            || self.is_account_killed(account)
            || self.money.killed.contains(&Scope::Venue)
            || self.money.killed.contains(&of_instrument)
            || LimitKind::ALL.iter().any(|kind| self.money.limits.contains_key(&(of_instrument, *kind)))
    }

    /// The first thing that the risk checks have against an order.
    pub(super) fn risk_of(&self, asked: &Asked<'_>) -> Option<RejectReason> {
        let account = asked.owner.account();
        if !self.is_guarded(account, asked.instrument) {
            return None;
        }
        let is_market = asked.price.is_market();
        let market = self.money.ledger.market(asked.instrument);
        let price = if is_market { market.mark } else { asked.price.0.into() };
        let fits = |amount: &i128| *amount <= Amount::MAX.0;
        let quantity = (i128::from(asked.quantity)).checked_mul(market.quantity_unit);
        let notional = self.money.ledger.notional(asked.instrument, price, asked.quantity).filter(fits);
        let dollars = notional.and_then(|notional| self.money.ledger.dollars(market.legs.quote, notional));
        let is_countable = notional.is_some() && quantity.as_ref().is_some_and(fits);
        let limit = |kind| self.limit(account, kind);
        let of_instrument = |kind| self.money.limits.get(&(Scope::Instrument(asked.instrument), kind)).copied();
        let needs_locate =
            limit(LimitKind::LocateRequired) == Some(UNIT) || of_instrument(LimitKind::LocateRequired) == Some(UNIT);
        let both = |kind| self.tighter(account, asked.instrument, kind);
        let above = |value: Option<i128>, limit: Option<i128>| {
            limit.is_some_and(|limit| value.is_none_or(|value| value > limit))
        };
        let is_short = matches!(asked.side, protocol::types::Side::SellShort | protocol::types::Side::SellShortExempt);
        let has_locate = asked.tags.shares_located == b'Y' || asked.tags.locate_broker != Firm::BLANK;
        let collar = both(LimitKind::PriceCollar);
        let is_collared = collar.is_some() && market.mark != 0;
        let distance = i128::from(price.abs_diff(market.mark)) * UNIT;
        let order_notional = both(LimitKind::OrderNotional);
        let unknown_market = order_notional.is_some() && is_market && market.mark == 0;
        let cost_is_open = self.is_cash(account) && asked.side.is_buy() || is_collared;
        let after_today = dollars.map(|more| more + self.money.ledger.traded_on(account, self.last_ingress.0));
        let list = [
            (above(quantity, both(LimitKind::OrderQuantity)), RejectReason::LimitOrderQuantity),
            (self.is_restricted(account, asked.instrument), RejectReason::InstrumentRestricted),
            (!is_countable || unknown_market || above(dollars, order_notional), RejectReason::LimitOrderNotional),
            (is_short && both(LimitKind::ShortSale) == Some(0), RejectReason::ShortSaleNotPermitted),
            (is_short && needs_locate && !has_locate && !asked.is_election, RejectReason::LocateMissing),
            // The distance is compared in parts of the mark, rounded down to whole units of price.
            (
                !is_market && is_collared && distance > i128::from(market.mark) * collar.unwrap_or(0) / UNIT * UNIT,
                RejectReason::PriceOutsideCollar,
            ),
            (
                is_market && (both(LimitKind::MarketOrders) == Some(0) || cost_is_open),
                RejectReason::MarketOrderNotPermitted,
            ),
            (self.has_too_many(asked), RejectReason::LimitOpenOrders),
            (self.is_too_much_open(asked, dollars), RejectReason::LimitOpenNotional),
            (self.is_beyond_position(asked), RejectReason::LimitPosition),
            (self.is_beyond_credit(asked), RejectReason::CreditExceeded),
            (self.cannot_pay(asked), RejectReason::BalanceTooLow),
            (self.has_lost_too_much(account), RejectReason::DayLossPassed),
            (self.is_too_fast(account) && !asked.is_election, RejectReason::MessageRate),
            (self.is_too_fast_on(account, asked.instrument) && !asked.is_election, RejectReason::SymbolRate),
            (above(after_today, limit(LimitKind::DayNotional)), RejectReason::LimitDayNotional),
            (self.is_duplicate(asked) && !asked.is_election, RejectReason::DuplicateRate),
            (self.is_account_killed(account), RejectReason::AccountKilled),
            (
                self.money.killed.contains(&Scope::Instrument(asked.instrument))
                    || self.money.killed.contains(&Scope::Venue),
                RejectReason::InstrumentKilled,
            ),
        ];
        list.iter().find(|(is_wrong, _)| *is_wrong).map(|(_, reason)| *reason)
    }

    /// The limits on short sales let an open order be marked anew.
    pub(super) fn may_be_marked(&self, modify: &ModifyOrder, instrument: InstrumentId) -> bool {
        let account = modify.owner.account();
        let values = |kind| {
            let of_instrument = self.money.limits.get(&(Scope::Instrument(instrument), kind)).copied();
            [self.limit(account, kind), of_instrument]
        };
        let is_forbidden = values(LimitKind::ShortSale).contains(&Some(0));
        let needs_locate = values(LimitKind::LocateRequired).contains(&Some(UNIT));
        let has_locate = modify.shares_located == b'Y' || modify.locate_broker != Firm::BLANK;
        let is_short = matches!(modify.side, protocol::types::Side::SellShort | protocol::types::Side::SellShortExempt);
        !is_short || !is_forbidden && (has_locate || !needs_locate)
    }

    fn is_restricted(&self, account: AccountId, instrument: InstrumentId) -> bool {
        let scopes = [Scope::Account(account), Scope::Firm(self.firm_of(account)), Scope::Venue];
        scopes.into_iter().any(|scope| self.money.restricted.contains(&(scope, instrument.0)))
    }

    /// The account's open orders, without the one that is replaced.
    fn others(&self, asked: &Asked<'_>) -> impl Iterator<Item = &Order> {
        let (owner, replaced) = (asked.owner, asked.replaces);
        self.orders().filter(move |order| {
            order.owner.account() == owner.account() && !(order.owner == owner && Some(order.number) == replaced)
        })
    }

    fn has_too_many(&self, asked: &Asked<'_>) -> bool {
        let limit = self.limit(asked.owner.account(), LimitKind::OpenOrders);
        !asked.is_immediate && limit.is_some_and(|limit| self.others(asked).count() as u64 >= whole(limit))
    }

    fn is_too_much_open(&self, asked: &Asked<'_>, dollars: Option<i128>) -> bool {
        let Some(limit) = self.limit(asked.owner.account(), LimitKind::OpenNotional) else {
            return false;
        };
        let ledger = &self.money.ledger;
        // By currency, as rates are applied to sums.
        let sums = |orders: &mut dyn Iterator<Item = &Order>| {
            let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
            for order in orders {
                let quote = ledger.market(order.instrument).legs.quote;
                let notional = ledger.notional(order.instrument, order.price.unwrap_or(0), order.open)?;
                let sum = sums.entry(quote).or_default();
                *sum = sum.checked_add(notional)?;
            }
            sums.into_iter()
                .filter(|(_, sum)| *sum != 0)
                .try_fold(0, |all, (currency, sum)| Some(all + ledger.dollars(currency, sum)?))
        };
        let account = asked.owner.account();
        let all = sums(&mut self.orders().filter(|order| order.owner.account() == account));
        let replaced = asked.replaces.and_then(|number| self.live(asked.owner, number));
        let freed = sums(&mut replaced.into_iter()).unwrap_or(0);
        all.zip(dollars).is_none_or(|(all, dollars)| all - freed + dollars > limit)
    }

    fn is_beyond_position(&self, asked: &Asked<'_>) -> bool {
        let is_buy = asked.side.is_buy();
        let kind = if is_buy { LimitKind::PositionLong } else { LimitKind::PositionShort };
        let Some(limit) = self.tighter(asked.owner.account(), asked.instrument, kind) else {
            return false;
        };
        let held = self.money.ledger.position(asked.owner.account(), asked.instrument).quantity;
        let open: u64 = self.open_on_side(asked).map(|order| order.open).sum();
        let after = if is_buy { held } else { -held } + i128::from(open) + i128::from(asked.quantity);
        let unit = self.money.ledger.market(asked.instrument).quantity_unit;
        after.checked_mul(unit).is_none_or(|after| after > limit)
    }

    fn open_on_side(&self, asked: &Asked<'_>) -> impl Iterator<Item = &Order> {
        let (instrument, is_buy) = (asked.instrument, asked.side.is_buy());
        self.others(asked).filter(move |order| order.instrument == instrument && order.is_buy() == is_buy)
    }

    /// What a cash account sets aside for an order, and of what.
    fn set_aside(&self, instrument: InstrumentId, is_buy: bool, price: u64, open: u64) -> Option<(Currency, i128)> {
        let market = self.money.ledger.market(instrument);
        if !is_buy {
            return Some((market.legs.base?, i128::from(open) * market.quantity_unit));
        }
        let highest = self.money.ledger.table.values().map(|(maker, taker, _)| *maker.max(taker)).max();
        let unit = i128::from(price).checked_mul(market.notional_unit)?;
        let parts = unit.checked_mul(i128::from(highest.unwrap_or(0).max(0)))?;
        let fee = parts / 1_000_000 + i128::from(parts % 1_000_000 != 0);
        Some((market.legs.quote, unit.checked_add(fee)?.checked_mul(i128::from(open))?))
    }

    /// What an account has set aside of a currency, for these orders.
    fn reserved<'a>(&self, currency: Currency, orders: impl Iterator<Item = &'a Order>) -> i128 {
        let each = orders
            .filter_map(|order| self.set_aside(order.instrument, order.is_buy(), order.price.unwrap_or(0), order.open));
        each.filter(|(of, _)| *of == currency).map(|(_, amount)| amount).sum()
    }

    fn cannot_pay(&self, asked: &Asked<'_>) -> bool {
        let account = asked.owner.account();
        if !self.is_cash(account) {
            return false;
        }
        let is_buy = asked.side.is_buy();
        if !is_buy && self.money.ledger.market(asked.instrument).legs.base.is_none() {
            let open: u64 = self.open_on_side(asked).map(|order| order.open).sum();
            let held = self.money.ledger.position(account, asked.instrument).quantity;
            return held - i128::from(open) < i128::from(asked.quantity);
        }
        let needed = self.set_aside(asked.instrument, is_buy, asked.price.0.into(), asked.quantity);
        needed.is_none_or(|(currency, needed)| {
            let held = self.money.ledger.balances.get(&(account.0, currency)).copied().unwrap_or(0);
            held - self.reserved(currency, self.others(asked)) < needed
        })
    }

    fn is_too_fast(&self, account: AccountId) -> bool {
        let Some(limit) = self.limit(account, LimitKind::MessageRate) else {
            return false;
        };
        level(self.money.messages.get(&account.0), whole(limit), self.last_ingress.0) < 1_000_000_000
    }

    fn is_too_fast_on(&self, account: AccountId, instrument: InstrumentId) -> bool {
        let Some(limit) = self.tighter(account, instrument, LimitKind::SymbolRate) else {
            return false;
        };
        let bucket = self.money.symbols.get(&(account.0, instrument.0));
        level(bucket, whole(limit), self.last_ingress.0) < 1_000_000_000
    }

    fn is_duplicate(&self, asked: &Asked<'_>) -> bool {
        let account = asked.owner.account();
        let Some(limit) = self.tighter(account, asked.instrument, LimitKind::DuplicateRate) else {
            return false;
        };
        let this = (asked.instrument.0, asked.side.is_buy(), asked.price.0, u32::try_from(asked.quantity).unwrap_or(0));
        self.money.last_orders.get(&account.0) == Some(&this)
            && level(self.money.duplicates.get(&account.0), whole(limit), self.last_ingress.0) < 1_000_000_000
    }

    /// One more of what a bucket counts; true when it was not allowed any more.
    fn spend<K: Ord>(buckets: &mut BTreeMap<K, (u64, u64)>, key: K, limit: Option<i128>, now: u64) -> bool {
        let Some(limit) = limit else { return false };
        let before = level(buckets.get(&key), whole(limit), now);
        buckets.insert(key, (before.saturating_sub(1_000_000_000), now / 1_000_000 * 1_000_000));
        before < 1_000_000_000
    }

    /// A message was answered.
    fn count_message(&mut self, account: AccountId, refused: Option<RejectReason>) {
        let now = self.last_ingress.0;
        if refused != Some(RejectReason::MessageRate) {
            let limit = self.limit(account, LimitKind::MessageRate);
            Self::spend(&mut self.money.messages, account.0, limit, now);
        }
        let limit = self.limit(account, LimitKind::KillMessageRate);
        if Self::spend(&mut self.money.floods, account.0, limit, now) {
            self.money.notes.push(Note::Rate(account, KillCause::MessageRate));
        }
        let limit = self.limit(account, LimitKind::KillRejectRate);
        if refused.is_some() && Self::spend(&mut self.money.rejects, account.0, limit, now) {
            self.money.notes.push(Note::Rate(account, KillCause::Rejects));
        }
        if refused == Some(RejectReason::DayLossPassed) {
            self.note_loss(account);
        }
    }

    /// What an event does to money and rates. Gives what is told behind it.
    pub(super) fn learn(&mut self, event: &EventBody) -> Option<EventBody> {
        if let EventBody::Traded { match_number, quantity, price, maker, taker, instrument, maker_side, .. } = *event {
            let trade = self.traded(instrument, quantity.0, price.0);
            let is_buy = maker_side.is_buy();
            self.settle(maker.account(), is_buy, trade);
            self.settle(taker.account(), !is_buy, trade);
            return self.money.ledger.charge(match_number, trade, Some(maker.account()), Some(taker.account()));
        }
        if let EventBody::CrossExecuted { match_number, quantity, price, owner, instrument, side, .. } = *event {
            let trade = self.traded(instrument, quantity.0, price.0);
            self.settle(owner.account(), side.is_buy(), trade);
            return self.money.ledger.charge(match_number, trade, Some(owner.account()), None);
        }
        if let EventBody::Accepted { owner, quantity, price, instrument, side, state, .. }
        | EventBody::Replaced { owner, quantity, price, instrument, side, state, .. } = *event
        {
            let is_live = state == OrderState::Live && quantity.0 > 0;
            self.accepted(owner.account(), (instrument.0, side.is_buy(), price.0, quantity.0), is_live);
        }
        if let EventBody::Rejected { owner, reason, .. } = *event
            && self.is_counted(owner.account())
        {
            self.count_message(owner.account(), Some(reason));
        }
        None
    }

    fn accepted(&mut self, account: AccountId, this: (u16, bool, u32, u32), is_live: bool) {
        if !self.is_counted(account) {
            return;
        }
        self.begin_day_of(account);
        self.count_message(account, None);
        let (now, instrument) = (self.last_ingress.0, InstrumentId(this.0));
        let limit = self.tighter(account, instrument, LimitKind::SymbolRate);
        Self::spend(&mut self.money.symbols, (account.0, this.0), limit, now);
        let is_known = limit.is_some();
        let limit = self.tighter(account, instrument, LimitKind::DuplicateRate);
        if limit.is_some() && self.money.last_orders.insert(account.0, this) == Some(this) {
            Self::spend(&mut self.money.duplicates, account.0, limit, now);
        }
        if is_live || is_known {
            self.money.ledger.positions.entry((account.0, this.0)).or_default();
        }
    }

    fn traded(&mut self, instrument: InstrumentId, quantity: u32, price: u32) -> Trade {
        self.money.ledger.markets[usize::from(instrument.0) - 1].mark = price.into();
        self.money.has_moved = true;
        Trade { instrument, quantity: quantity.into(), price: price.into(), now: self.last_ingress.0 }
    }

    /// The opposite of a trade that is void, at the same price; fees come back, volumes stay. What was given back, as charged.
    pub(super) fn trade_back(&mut self, bust: &BustTrade) -> Option<EventBody> {
        let fees = [bust.buyer_fee, bust.seller_fee].map(Amount::from);
        let currency = self.money.ledger.market(bust.instrument).legs.quote;
        for (party, fee) in [bust.buyer, bust.seller].iter().zip(fees) {
            self.money.ledger.give_back(party.owner.account(), currency, fee.0);
        }
        let (quantity, price) = (bust.quantity.0.into(), bust.price.0.into());
        let trade = Trade { instrument: bust.instrument, quantity, price, now: self.last_ingress.0 };
        for (party, is_buy) in [(bust.buyer, false), (bust.seller, true)] {
            let side = Side { account: party.owner.account(), is_buy, is_counted: false };
            self.money.ledger.settle(side, trade);
            self.note_loss(party.owner.account());
            self.money.notes.push(Note::Broken(party.owner.account(), bust.instrument));
        }
        let [maker, taker] = fees.map(|fee| Amount(-fee.0));
        let match_number = bust.match_number;
        (fees != [Amount::ZERO; 2]).then_some(EventBody::FeesCharged { match_number, currency, maker, taker })
    }

    fn settle(&mut self, account: AccountId, is_buy: bool, trade: Trade) {
        let is_counted = self.is_counted(account) || self.is_account_killed(account) || self.money.ledger.is_charging();
        self.money.ledger.settle(Side { account, is_buy, is_counted }, trade);
        self.note_loss(account);
    }

    /// Whether what a scope names exists.
    pub(super) fn exists(&self, scope: Scope) -> Outcome {
        let (is_there, otherwise) = match scope {
            Scope::Venue => (true, Outcome::Done),
            Scope::Firm(firm) => (self.accounts.iter().any(|known| known.firm == firm), Outcome::FirmUnknown),
            Scope::Account(account) => ((account.0 as usize) < self.accounts.len(), Outcome::AccountUnknown),
            Scope::Instrument(id) => {
                ((1..=self.instruments.len()).contains(&usize::from(id.0)), Outcome::InstrumentUnknown)
            }
        };
        if is_there { Outcome::Done } else { otherwise }
    }

    pub(super) fn set_limit(&mut self, set: &SetLimit) -> Outcome {
        let SetLimit { scope, limit, instrument, value } = *set;
        let known = self.exists(scope);
        if known != Outcome::Done {
            return known;
        }
        let is_unset = value == Amount::UNSET;
        let is_number = (0..=Amount::MAX.0).contains(&value.0);
        let flags = [LimitKind::ShortSale, LimitKind::LocateRequired, LimitKind::MarketOrders, LimitKind::Restricted];
        let rates = [
            LimitKind::MessageRate,
            LimitKind::SymbolRate,
            LimitKind::DuplicateRate,
            LimitKind::KillMessageRate,
            LimitKind::KillRejectRate,
        ];
        let most = if flags.contains(&limit) {
            UNIT
        } else if rates.contains(&limit) {
            1_000_000_000 * UNIT
        } else if limit == LimitKind::PriceCollar {
            1_000 * UNIT
        } else {
            Amount::MAX.0
        };
        let whole_only = most == UNIT || most == 1_000_000_000 * UNIT || limit == LimitKind::OpenOrders;
        let is_value = is_number && value.0 <= most && (!whole_only || value.0 % UNIT == 0);
        let names_one = instrument != InstrumentId(0);
        if !(is_unset || is_value) || names_one != (limit == LimitKind::Restricted) {
            return Outcome::BadValue;
        }
        let is_instrument = matches!(scope, Scope::Instrument(_));
        if limit == LimitKind::Restricted {
            let known = self.exists(Scope::Instrument(instrument));
            if known != Outcome::Done || is_instrument {
                return if known == Outcome::Done { Outcome::NotSupported } else { known };
            }
            if value.0 == UNIT {
                self.money.restricted.insert((scope, instrument.0));
            } else {
                self.money.restricted.remove(&(scope, instrument.0));
            }
            return Outcome::Done;
        }
        // What an account does in all instruments together is no limit of one.
        let of_account = [
            LimitKind::OpenOrders,
            LimitKind::OpenNotional,
            LimitKind::Credit,
            LimitKind::DayLoss,
            LimitKind::MessageRate,
            LimitKind::DayNotional,
            LimitKind::KillMessageRate,
            LimitKind::KillRejectRate,
        ];
        if is_instrument && of_account.contains(&limit) {
            return Outcome::NotSupported;
        }
        if is_unset {
            self.money.limits.remove(&(scope, limit));
        } else {
            self.money.limits.insert((scope, limit), value.0);
        }
        Outcome::Done
    }

    pub(super) fn set_mode(&mut self, account: AccountId, mode: AccountMode) -> Outcome {
        let ledger = &self.money.ledger;
        if account.0 as usize >= self.accounts.len() {
            Outcome::AccountUnknown
        } else if self.orders().any(|order| order.owner.account() == account)
            || ledger.positions.keys().any(|(owner, _)| *owner == account.0)
            || ledger.balances.iter().any(|((owner, _), balance)| *owner == account.0 && *balance != 0)
        {
            Outcome::InUse
        } else {
            if mode == AccountMode::Cash {
                self.money.ledger.cash_accounts.insert(account.0);
            } else {
                self.money.ledger.cash_accounts.remove(&account.0);
            }
            Outcome::Done
        }
    }

    pub(super) fn move_funds(&mut self, account: AccountId, asset: Asset, amount: Amount) -> Outcome {
        if account.0 as usize >= self.accounts.len() {
            return Outcome::AccountUnknown;
        }
        if amount.0 == 0 || amount.0.abs() > Amount::MAX.0 {
            return Outcome::BadValue;
        }
        let moved = match asset {
            Asset::Currency(currency) => self.move_currency(account, currency, amount.0),
            Asset::Shares(instrument) => self.move_shares(account, instrument, amount.0),
        };
        match moved {
            Ok(balance) => {
                self.tell(EventBody::BalanceMoved { account, asset, amount, balance: Amount(balance) });
                Outcome::Done
            }
            Err(outcome) => outcome,
        }
    }

    fn move_currency(&mut self, account: AccountId, currency: Currency, amount: i128) -> Result<i128, Outcome> {
        let held = self.money.ledger.held(account, currency).ok_or(Outcome::BadValue)?;
        let after = held.checked_add(amount).filter(|after| *after <= i128::MAX / 4).ok_or(Outcome::BadValue)?;
        let reserved = if self.is_cash(account) {
            self.reserved(currency, self.orders().filter(|order| order.owner.account() == account))
        } else {
            0
        };
        if amount < 0 && after < reserved {
            return Err(Outcome::NotAvailable);
        }
        self.money.ledger.pay_in(account, Asset::Currency(currency), amount);
        Ok(after)
    }

    fn move_shares(&mut self, account: AccountId, of: InstrumentId, amount: i128) -> Result<i128, Outcome> {
        if self.exists(Scope::Instrument(of)) != Outcome::Done {
            return Err(Outcome::InstrumentUnknown);
        }
        let market = self.money.ledger.market(of);
        if market.legs.base.is_some() || !self.is_cash(account) {
            return Err(Outcome::NotSupported);
        }
        let quantity = amount / market.quantity_unit;
        if amount % market.quantity_unit != 0 || quantity.abs() > i128::from(u64::MAX) {
            return Err(Outcome::BadValue);
        }
        let own = self.orders().filter(|order| order.owner.account() == account && order.instrument == of);
        let selling: u64 = own.filter(|order| !order.is_buy()).map(|order| order.open).sum();
        let held = self.money.ledger.position(account, of).quantity;
        if (held + quantity).abs() > i128::from(i64::MAX) {
            return Err(Outcome::BadValue);
        }
        let after = (held + quantity).checked_mul(market.quantity_unit).ok_or(Outcome::BadValue)?;
        if quantity < 0 && held + quantity < i128::from(selling) {
            return Err(Outcome::NotAvailable);
        }
        let position = self.money.ledger.positions.entry((account.0, of.0)).or_default();
        position.cost +=
            if quantity > 0 { quantity * i128::from(market.mark) } else { position.cost * quantity / held };
        position.quantity += quantity;
        self.money.ledger.pay_in(account, Asset::Shares(of), quantity);
        Ok(after)
    }

    /// Turns a switch; tells it when it moved.
    pub(super) fn switch(&mut self, scope: Scope, is_killed: bool) -> Outcome {
        let known = self.exists(scope);
        if known != Outcome::Done {
            return known;
        }
        let moved = if is_killed { self.money.killed.insert(scope) } else { self.money.killed.remove(&scope) };
        if let Scope::Account(account) = scope
            && moved
            && is_killed
        {
            self.money.causes.insert(account.0, (KillCause::Operator.letter(), self.last_ingress.0));
        }
        if moved {
            self.tell(EventBody::KillSwitched { scope, is_killed, cause: KillCause::Operator });
        }
        Outcome::Done
    }

    /// Positions of accounts whose orders are counted exist as soon as an order does.
    pub(super) fn count_again(&mut self) {
        let pairs: Vec<_> = self
            .orders()
            .filter(|order| self.is_counted(order.owner.account()))
            .map(|order| (order.owner.account().0, order.instrument.0))
            .collect();
        for pair in pairs {
            self.money.ledger.positions.entry(pair).or_default();
        }
    }
}
