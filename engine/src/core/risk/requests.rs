//! What an operator asks: limits, kill switches, money in and out, fees, rates. Checked, then done; cold.

use super::limits::{Counts, Restricted, is_of_instrument, is_value};
use super::open_orders::OpenOrder;
use super::{CASH, COUNTED, KILLED, Risk};
use protocol::EventBody;
use protocol::money::{Amount, Asset, Currency};
use protocol::operator::{AccountMode, KillCause, LimitKind, Outcome, Scope, SetFees, SetLimit};
use protocol::types::{AccountId, InstrumentId, Nanos};

impl Risk {
    /// Whether what a scope names exists.
    pub(crate) fn find(&self, scope: Scope) -> Outcome {
        match scope {
            Scope::Venue => Outcome::Done,
            Scope::Firm(firm) if self.firm_index(firm).is_some() => Outcome::Done,
            Scope::Firm(_) => Outcome::FirmUnknown,
            Scope::Account(account) if (account.0 as usize) < self.accounts.len() => Outcome::Done,
            Scope::Account(_) => Outcome::AccountUnknown,
            Scope::Instrument(instrument) if self.is_listed(instrument) => Outcome::Done,
            Scope::Instrument(_) => Outcome::InstrumentUnknown,
        }
    }

    pub(super) fn is_listed(&self, instrument: InstrumentId) -> bool {
        (1..=self.instruments.len()).contains(&usize::from(instrument.0))
    }

    /// Sets or removes a limit.
    pub(crate) fn set_limit(&mut self, set: &SetLimit) -> Outcome {
        let SetLimit { scope, limit, instrument, value } = *set;
        let known = self.find(scope);
        if known != Outcome::Done {
            return known;
        }
        if !is_value(limit, value) || (limit == LimitKind::Restricted) != (instrument != InstrumentId(0)) {
            return Outcome::BadValue;
        }
        if limit == LimitKind::Restricted {
            return self.restrict(scope, instrument, value == Amount::ONE);
        }
        match scope {
            Scope::Instrument(of) if is_of_instrument(limit) => {
                let instrument = &mut self.instruments[usize::from(of.0) - 1];
                instrument.own.set(limit, value);
                self.work_out_instrument(of);
                if self.note_counting() {
                    self.work_out_all(Scope::Venue);
                }
                return Outcome::Done;
            }
            Scope::Instrument(_) => return Outcome::NotSupported,
            Scope::Venue => self.defaults.set(limit, value),
            Scope::Firm(firm) => {
                if let Some(at) = self.firm_index(firm) {
                    self.firms[at].own.set(limit, value);
                }
            }
            Scope::Account(account) => self.accounts[account.0 as usize].own.set(limit, value),
        }
        self.work_out_all(scope);
        if limit == LimitKind::DayLoss {
            self.watch();
        }
        Outcome::Done
    }

    fn restrict(&mut self, scope: Scope, instrument: InstrumentId, is_restricted: bool) -> Outcome {
        if !self.is_listed(instrument) {
            return Outcome::InstrumentUnknown;
        }
        let who = match scope {
            Scope::Venue => Restricted::All,
            Scope::Firm(firm) => Restricted::Firm(firm),
            Scope::Account(account) => Restricted::Account(account),
            Scope::Instrument(_) => return Outcome::NotSupported,
        };
        if !self.restrictions.set(who, instrument, is_restricted) {
            return Outcome::Full;
        }
        self.work_out_all(scope);
        Outcome::Done
    }

    fn work_out_all(&mut self, scope: Scope) {
        for at in 0..self.accounts.len() {
            if self.is_in(scope, at) {
                self.work_out(at);
            }
        }
        self.shut_all();
    }

    pub(super) fn work_out_instrument(&mut self, id: InstrumentId) {
        let instrument = self.instrument(id);
        let counts = Counts::of(&instrument.own);
        let flags = u8::from(!instrument.own.is_none()) | if instrument.is_killed { KILLED } else { 0 };
        self.flags_changed();
        self.shut_all();
        self.markets.at_mut(id.0.into()).symbol_rate =
            counts.symbol.map_or(0, |rate| u32::try_from(rate).unwrap_or(u32::MAX));
        self.instrument_flags[usize::from(id.0)] = flags;
        self.instruments[usize::from(id.0) - 1].counts = counts;
    }

    /// Turns a kill switch on, for a reason and from a time on, or off. False when it was so already.
    pub(crate) fn switch(&mut self, scope: Scope, killed: Option<(KillCause, Nanos)>) -> bool {
        let is_killed = killed.is_some();
        let slot = match scope {
            Scope::Venue => {
                let before = self.venue_flags;
                self.venue_flags = if is_killed { before | KILLED } else { before & !KILLED };
                self.flags_changed();
                self.shut_all();
                return self.venue_flags != before;
            }
            Scope::Instrument(id) => &mut self.instruments[usize::from(id.0) - 1].is_killed,
            Scope::Account(account) => {
                let own = &mut self.accounts[account.0 as usize].killed;
                let changed = own.is_some() != is_killed;
                if changed {
                    *own = killed;
                    self.work_out(account.0 as usize);
                }
                return changed;
            }
            Scope::Firm(firm) => match self.firm_index(firm) {
                Some(at) => &mut self.firms[at].is_killed,
                None => return false,
            },
        };
        let changed = *slot != is_killed;
        *slot = is_killed;
        if let Scope::Instrument(id) = scope {
            self.work_out_instrument(id);
        } else {
            self.work_out_all(scope);
        }
        changed
    }

    /// Sets a row of the fee table.
    pub(crate) fn set_fees(&mut self, row: &SetFees) -> Outcome {
        if !self.fees.set(row) {
            return Outcome::BadValue;
        }
        self.is_charging = self.fees.is_charging();
        // Reservations hold the highest fee.
        self.is_recount_due = true;
        Outcome::Done
    }

    /// Sets a reference rate.
    pub(crate) fn set_rate(&mut self, currency: Currency, rate: Amount) -> Outcome {
        if rate <= Amount::ZERO || !rate.is_in_range() || (currency == Currency::Usd && rate != Amount::ONE) {
            return Outcome::BadValue;
        }
        self.rates[currency.index()] = rate;
        self.set_units();
        Outcome::Done
    }

    /// Changes how an account trades, while it holds nothing and nothing is open.
    pub(crate) fn set_mode(&mut self, id: AccountId, mode: AccountMode, open_orders: u32) -> Outcome {
        let Some(account) = self.accounts.get_mut(id.0 as usize) else {
            return Outcome::AccountUnknown;
        };
        let has_traded = self.positions.iter().any(|position| position.account == id);
        if open_orders != 0 || has_traded || account.balance.iter().any(|balance| *balance != Amount::ZERO) {
            return Outcome::InUse;
        }
        account.mode = mode;
        self.work_out(id.0 as usize);
        Outcome::Done
    }

    /// Pays in or out; what is told of it.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn move_funds(&mut self, id: AccountId, asset: Asset, amount: Amount) -> Result<EventBody, Outcome> {
        let account = self.accounts.get(id.0 as usize).ok_or(Outcome::AccountUnknown)?;
        if amount == Amount::ZERO || !(-Amount::MAX.0..=Amount::MAX.0).contains(&amount.0) {
            return Err(Outcome::BadValue);
        }
        let balance = match asset {
            Asset::Shares(instrument) => self.move_shares(id, instrument, amount)?,
            Asset::Currency(currency) => {
                let at = currency.index();
                let held = self.held(id, currency).ok_or(Outcome::BadValue)?;
                let after =
                    held.checked_add(amount).filter(|after| after.0 <= i128::MAX / 4).ok_or(Outcome::BadValue)?;
                if amount < Amount::ZERO && after < account.reserved[at] {
                    return Err(Outcome::NotAvailable);
                }
                self.accounts[id.0 as usize].balance[at].0 += amount.0;
                self.shut(id.0 as usize);
                after
            }
        };
        Ok(EventBody::BalanceMoved { account: id, asset, amount, balance })
    }

    /// What an account has of a currency: what it was paid, and in margin what its trades have paid.
    pub(super) fn held(&self, id: AccountId, currency: Currency) -> Option<Amount> {
        let account = &self.accounts[id.0 as usize];
        let balance = account.balance[currency.index()];
        if account.mode == AccountMode::Cash {
            return Some(balance);
        }
        self.positions.iter().filter(|position| position.account == id).try_fold(balance, |sum, position| {
            let instrument = self.instrument(position.instrument);
            if instrument.legs.quote == currency {
                sum.checked_add(instrument.scale.notional(position.flow())?)
            } else {
                Some(sum)
            }
        })
    }

    /// Shares of a cash account come in, or go out, at the mark: that makes no profit.
    fn move_shares(&mut self, id: AccountId, of: InstrumentId, amount: Amount) -> Result<Amount, Outcome> {
        if !self.is_listed(of) {
            return Err(Outcome::InstrumentUnknown);
        }
        let instrument = *self.instrument(of);
        if instrument.legs.base.is_some() || self.flags[id.0 as usize] & CASH == 0 {
            return Err(Outcome::NotSupported);
        }
        let quantity =
            instrument.scale.wire_quantity(amount).filter(|quantity| quantity.unsigned_abs() <= u64::MAX.into());
        let quantity = quantity.ok_or(Outcome::BadValue)?;
        let position = self.positions.find(id, of);
        if position.is_none() && self.positions.is_scarce() {
            return Err(Outcome::Full);
        }
        let (held, open) = position.map_or((0, 0), |position| (position.quantity, position.open[0]));
        let fits = (held + quantity).unsigned_abs() <= u128::from(u64::MAX >> 1);
        let after = instrument.scale.quantity(held + quantity).filter(|_| fits).ok_or(Outcome::BadValue)?;
        if quantity < 0 && held + quantity < i128::from(open) {
            return Err(Outcome::NotAvailable);
        }
        let mark = self.mark(of);
        let position = self.positions.entry(id, of);
        if quantity > 0 {
            position.cost += quantity * i128::from(mark);
            position.quantity += quantity;
        } else {
            position.give(-quantity);
        }
        self.note_scarcity();
        Ok(after)
    }

    /// True when the open orders must be told again.
    pub(crate) fn is_recount_due(&self) -> bool {
        self.is_recount_due
    }

    /// Forgets what is open: the core tells all open orders again, one by one.
    pub(crate) fn begin_recount(&mut self) {
        self.shut_all();
        for at in 0..self.accounts.len() {
            self.hot.at_mut(at).open_orders = 0;
        }
        for position in self.positions.iter_mut() {
            position.open_none();
        }
        for account in &mut self.accounts {
            account.reserved = [Amount::ZERO; Currency::COUNT];
        }
        self.is_recount_due = false;
    }

    /// The open orders of this account are counted.
    pub(crate) fn counts(&self, account: AccountId) -> bool {
        self.flags[account.0 as usize] & COUNTED != 0
    }

    /// Counts one open order, if its account's are counted.
    pub(crate) fn count(&mut self, order: &OpenOrder) {
        if self.is_counted(order.owner) {
            self.count_order(order);
        }
    }
}
