//! Balances, positions, limits and switches for whoever shows them. Never on the hot path.

use super::limits::{Limits, Restricted};
use super::{KILLED, Risk};
use crate::core::money::wire_notional;
use protocol::money::{Amount, Currency, Legs};
use protocol::operator::{AccountMode, KillCause, LimitKind, Scope};
use protocol::types::{AccountId, InstrumentId, Nanos, Price};

/// What an account has of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundsView {
    /// Which.
    pub currency: Currency,
    /// What it holds; in margin with what its trades have paid so far.
    pub balance: Amount,
    /// What its open orders may cost; cash accounts only.
    pub reserved: Amount,
}

/// A position, in amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionView {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub instrument: InstrumentId,
    /// Net quantity, in units of what is traded; `None` when it is beyond counting.
    pub quantity: Option<Amount>,
    /// What it has cost, in the currency that is paid.
    pub cost: Option<Amount>,
    /// What closed quantity has made.
    pub realised: Option<Amount>,
    /// What the net quantity would make at the mark; `None` without one.
    pub unrealised: Option<Amount>,
    /// The mark: last trade, else the reference price; 0 = none.
    pub mark: Price,
    /// Currencies.
    pub legs: Legs,
}

/// A limit that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitView {
    /// Whose.
    pub scope: Scope,
    /// Which.
    pub limit: LimitKind,
    /// Its value.
    pub value: Amount,
}

/// What one fee tier pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierView {
    /// Its number.
    pub tier: u8,
    /// Parts per million for makers.
    pub maker_ppm: i32,
    /// Parts per million for takers.
    pub taker_ppm: i32,
    /// US dollars of 30 days from which it holds.
    pub threshold: Amount,
}

/// Read access to accounts' money and limits.
#[derive(Clone, Copy, Debug)]
pub struct RiskView<'a>(pub(crate) &'a Risk);

impl RiskView<'_> {
    /// How an account trades; `None` when it does not exist.
    pub fn mode(&self, account: AccountId) -> Option<AccountMode> {
        self.0.accounts.get(account.0 as usize).map(|account| account.mode)
    }

    /// The fee tier of an account.
    pub fn tier(&self, account: AccountId) -> Option<u8> {
        self.0.accounts.get(account.0 as usize).map(|account| account.tier)
    }

    /// True when the kill switch of an account, or of its firm, is on.
    pub fn is_killed(&self, account: AccountId) -> bool {
        self.0.flags.get(account.0 as usize).is_some_and(|flags| flags & KILLED != 0)
    }

    /// Why and since when the account's own kill switch is on.
    pub fn killed(&self, account: AccountId) -> Option<(KillCause, Nanos)> {
        self.0.accounts.get(account.0 as usize).and_then(|account| account.killed)
    }

    /// What an account has lost today in US dollars, below zero what it has made; `None` when no loss limit is set, or when
    /// it cannot be counted.
    pub fn loss(&self, account: AccountId, now: Nanos) -> Option<Amount> {
        let is_known = (account.0 as usize) < self.0.accounts.len();
        let is_limited = is_known && self.0.limit(account, LimitKind::DayLoss).is_some();
        if is_limited { self.0.loss(account, now) } else { None }
    }

    /// True when the kill switch of an instrument is on.
    pub fn is_instrument_killed(&self, instrument: InstrumentId) -> bool {
        let found = usize::from(instrument.0).checked_sub(1).and_then(|at| self.0.instruments.get(at));
        found.is_some_and(|instrument| instrument.is_killed)
    }

    /// True when the kill switch of the venue is on.
    pub fn is_venue_killed(&self) -> bool {
        self.0.venue_flags & KILLED != 0
    }

    /// What an account has of each currency of which it has, or owes, something.
    pub fn funds(&self, account: AccountId) -> impl Iterator<Item = FundsView> {
        let known = self.0.accounts.get(account.0 as usize).is_some();
        Currency::ALL.iter().filter(move |_| known).filter_map(move |currency| {
            let reserved = self.0.accounts[account.0 as usize].reserved[currency.index()];
            let balance = self.0.held(account, *currency)?;
            let is_something = balance != Amount::ZERO || reserved != Amount::ZERO;
            is_something.then_some(FundsView { currency: *currency, balance, reserved })
        })
    }

    /// The positions of an account, by instrument. Time grows with all positions.
    pub fn positions(&self, account: AccountId) -> Vec<PositionView> {
        let own = self.0.positions.iter().filter(|position| position.account == account);
        let mut views: Vec<PositionView> = own
            .map(|position| {
                let instrument = self.0.instrument(position.instrument);
                let mark = self.0.mark(position.instrument);
                let value = position.quantity.checked_mul(wire_notional(mark, 1));
                let gain = value.and_then(|value| value.checked_sub(position.cost));
                let unrealised = gain.and_then(|gain| instrument.scale.notional(gain));
                PositionView {
                    account,
                    instrument: position.instrument,
                    quantity: instrument.scale.quantity(position.quantity),
                    cost: instrument.scale.notional(position.cost),
                    realised: instrument.scale.notional(position.realised),
                    unrealised: unrealised.filter(|_| mark != 0 || position.quantity == 0),
                    mark: Price(mark),
                    legs: instrument.legs,
                }
            })
            .collect();
        views.sort_unstable_by_key(|view| view.instrument);
        views
    }

    /// Every limit that is set for a scope.
    pub fn limits(&self, scope: Scope) -> Vec<LimitView> {
        let own = match scope {
            Scope::Venue => Some(&self.0.defaults),
            Scope::Firm(firm) => self.0.firms.iter().find(|known| known.firm == firm).map(|firm| &firm.own),
            Scope::Account(account) => self.0.accounts.get(account.0 as usize).map(|account| &account.own),
            Scope::Instrument(id) => usize::from(id.0)
                .checked_sub(1)
                .and_then(|at| self.0.instruments.get(at))
                .map(|instrument| &instrument.own),
        };
        own.into_iter().flat_map(Limits::set_values).map(|(limit, value)| LimitView { scope, limit, value }).collect()
    }

    /// The instruments that are restricted for a scope itself.
    pub fn restricted(&self, scope: Scope) -> impl Iterator<Item = InstrumentId> {
        let whom = match scope {
            Scope::Venue => Some(Restricted::All),
            Scope::Firm(firm) => Some(Restricted::Firm(firm)),
            Scope::Account(account) => Some(Restricted::Account(account)),
            Scope::Instrument(_) => None,
        };
        let own = self.0.restrictions.iter().filter(move |(who, _)| whom == Some(*who));
        own.map(|(_, instrument)| *instrument)
    }

    /// The fee table.
    pub fn fees(&self) -> impl Iterator<Item = TierView> {
        self.0.fees.rows().map(|(tier, row)| TierView {
            tier,
            maker_ppm: row.maker_ppm,
            taker_ppm: row.taker_ppm,
            threshold: row.threshold,
        })
    }

    /// US dollars per unit of a currency; `None` where nobody said.
    pub fn rate(&self, currency: Currency) -> Option<Amount> {
        Some(self.0.rates[currency.index()]).filter(|rate| *rate != Amount::ZERO)
    }

    /// What the venue received in fees.
    pub fn fee_account(&self, currency: Currency) -> Amount {
        self.0.fee_account[currency.index()]
    }
}
