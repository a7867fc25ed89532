//! What the naive model thinks an account is worth, and which kill switches trip by that or by its rates.

use super::naive_book::NaiveVenue;
use super::naive_risk::{Asked, Note};
use super::naive_time::Filter;
use protocol::EventBody;
use protocol::money::Currency;
use protocol::operator::{KillCause, LimitKind, Scope};
use protocol::types::{AccountId, InstrumentId};
use std::collections::BTreeMap;

/// Sums by currency.
type Sums = BTreeMap<Currency, i128>;

fn add(sums: &mut Sums, currency: Currency, amount: i128) -> Option<()> {
    let sum = sums.entry(currency).or_default();
    *sum = sum.checked_add(amount)?;
    Some(())
}

impl NaiveVenue {
    fn today(&self) -> u64 {
        self.money.ledger.today(self.last_ingress.0)
    }

    /// The venue begins a day: tiers move, and what counts per day counts from nothing.
    pub(super) fn begin_day(&mut self) {
        self.money.ledger.begin_day(self.last_ingress.0);
        for account in (0..).take(self.accounts.len()) {
            self.money.ledger.roll(AccountId(account), self.last_ingress.0);
            self.begin_day_of(AccountId(account));
        }
    }

    fn dollars_of(&self, sums: &Sums) -> Option<i128> {
        let mut all = 0_i128;
        for (currency, sum) in sums.iter().filter(|(_, sum)| **sum != 0) {
            all = all.checked_add(self.money.ledger.dollars(*currency, *sum)?)?;
        }
        Some(all)
    }

    /// What an account would have made, by currency, if all its positions were closed at the marks.
    fn gains(&self, account: AccountId) -> Option<Sums> {
        let mut sums = Sums::new();
        for ((_, instrument), position) in self.money.ledger.positions.range((account.0, 0)..=(account.0, u16::MAX)) {
            let market = self.money.ledger.market(InstrumentId(*instrument));
            let value = position.quantity.checked_mul(market.mark.into())?;
            let gain = (position.realised - position.cost).checked_add(value)?;
            add(&mut sums, market.legs.quote, gain.checked_mul(market.notional_unit)?)?;
        }
        Some(sums)
    }

    fn profit(&self, account: AccountId) -> Option<i128> {
        self.dollars_of(&self.gains(account)?)
    }

    /// The first look at an account on a day says where its loss counts from.
    pub(super) fn begin_day_of(&mut self, account: AccountId) {
        let today = self.today();
        let is_begun = self.money.stood.get(&account.0).is_some_and(|(day, _)| *day == today);
        if self.limit(account, LimitKind::DayLoss).is_none() || is_begun {
            return;
        }
        match self.profit(account) {
            Some(profit) => self.money.stood.insert(account.0, (today, profit)),
            None => self.money.stood.remove(&account.0),
        };
    }

    fn loss(&self, account: AccountId) -> Option<i128> {
        let profit = self.profit(account)?;
        let stood = self.money.stood.get(&account.0).filter(|(day, _)| *day == self.today());
        stood.map_or(Some(0), |(_, stood)| stood.checked_sub(profit))
    }

    pub(super) fn has_lost_too_much(&self, account: AccountId) -> bool {
        let limit = self.limit(account, LimitKind::DayLoss);
        limit.is_some_and(|limit| self.loss(account).is_none_or(|loss| loss > limit))
    }

    /// Beyond the credit, with this order: all positions as large as open orders could make them, less what is owned.
    pub(super) fn is_beyond_credit(&self, asked: &Asked<'_>) -> bool {
        let account = asked.owner.account();
        let Some(limit) = self.limit(account, LimitKind::Credit).filter(|_| !self.is_cash(account)) else {
            return false;
        };
        self.credit_used(asked).is_none_or(|used| used > limit)
    }

    fn credit_used(&self, asked: &Asked<'_>) -> Option<i128> {
        let account = asked.owner.account();
        let ledger = &self.money.ledger;
        if ledger.market(asked.instrument).mark == 0 {
            return None;
        }
        let mut sums = Sums::new();
        for ((_, currency), balance) in ledger.balances.iter().filter(|((owner, _), _)| *owner == account.0) {
            add(&mut sums, *currency, -balance)?;
        }
        for (currency, gain) in self.gains(account)? {
            add(&mut sums, currency, -gain)?;
        }
        for (instrument, market) in (1..).map(InstrumentId).zip(&ledger.markets) {
            let held = ledger.position(account, instrument).quantity;
            let is_open = |order: &&super::naive_book::Order| {
                let is_replaced = order.owner == asked.owner && Some(order.number) == asked.replaces;
                order.owner.account() == account && order.instrument == instrument && !is_replaced
            };
            let (mut long, mut short) = (held, held);
            for order in self.orders().filter(is_open) {
                if order.is_buy() {
                    long += i128::from(order.open);
                } else {
                    short -= i128::from(order.open);
                }
            }
            if instrument == asked.instrument && asked.side.is_buy() {
                long += i128::from(asked.quantity);
            } else if instrument == asked.instrument {
                short -= i128::from(asked.quantity);
            }
            let most = long.abs().max(short.abs()).checked_mul(market.mark.into())?;
            add(&mut sums, market.legs.quote, most.checked_mul(market.notional_unit)?)?;
        }
        self.dollars_of(&sums)
    }

    pub(super) fn note_loss(&mut self, account: AccountId) {
        if self.limit(account, LimitKind::DayLoss).is_some() && !self.money.notes.contains(&Note::Loss(account)) {
            self.money.notes.push(Note::Loss(account));
        }
    }

    /// Ends a command, or the part of it before elections: trips the switches that what happened has earned.
    pub(super) fn look_at_noted(&mut self) {
        let mut notes = std::mem::take(&mut self.money.notes);
        if std::mem::take(&mut self.money.has_moved) {
            notes.extend(self.watched());
        }
        for note in notes {
            let (account, cause) = match note {
                Note::Rate(account, cause) => (account, Some(cause)),
                Note::Loss(account) => {
                    self.begin_day_of(account);
                    let limit = self.limit(account, LimitKind::DayLoss);
                    let is_passed = limit.zip(self.loss(account)).is_some_and(|(limit, loss)| loss > limit);
                    (account, is_passed.then_some(KillCause::DayLoss))
                }
                Note::Broken(account, instrument) => {
                    (account, self.is_beyond_after_bust(account, instrument).then_some(KillCause::Position))
                }
            };
            let scope = Scope::Account(account);
            if let Some(cause) = cause
                && self.money.killed.insert(scope)
            {
                self.money.causes.insert(account.0, (cause.letter(), self.last_ingress.0));
                self.tell(EventBody::KillSwitched { scope, is_killed: true, cause });
                if !self.begin_job(Some(account), Filter::Killed) {
                    self.begin_job(None, Filter::Killed);
                }
            }
        }
    }

    /// The next two accounts with a loss limit, in turn.
    fn watched(&mut self) -> Vec<Note> {
        let all = (0..).take(self.accounts.len()).map(AccountId);
        let limited: Vec<AccountId> = all.filter(|id| self.limit(*id, LimitKind::DayLoss).is_some()).collect();
        let from = limited.iter().position(|id| id.0 >= self.money.looks_next).unwrap_or(0);
        let (before, behind) = limited.split_at(from);
        let next: Vec<AccountId> = behind.iter().chain(before).take(2).copied().collect();
        if let Some(last) = next.last() {
            self.money.looks_next = last.0 + 1;
        }
        next.into_iter().map(Note::Loss).collect()
    }

    fn is_beyond_after_bust(&self, account: AccountId, instrument: InstrumentId) -> bool {
        let held = self.money.ledger.position(account, instrument).quantity;
        let long = self.tighter(account, instrument, LimitKind::PositionLong);
        let short = self.tighter(account, instrument, LimitKind::PositionShort);
        let limit = if held > 0 { long } else { short };
        let size = held.abs().checked_mul(self.money.ledger.market(instrument).quantity_unit);
        held != 0 && limit.is_some_and(|limit| size.is_none_or(|size| size > limit))
    }
}
