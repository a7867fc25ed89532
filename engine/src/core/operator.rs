//! Requests of the operator of a running venue: checked like those of clients, done or refused, and answered. Unlike the
//! commands of the configuration they may contradict the state, because somebody types them. Cold: nothing here is on the way
//! of an order.

use super::Core;
use super::instruments::unusual;
use super::jobs::Filter;
use super::sink::{EventSink, Out};
use protocol::EventBody;
use protocol::command::{ListInstrument, OpenVenue};
use protocol::operator::{
    AccountMode, AddInstrument, CreateAccount, KillCause, OperatorAction, OperatorCommand, Outcome, Scope, SetLimit,
};
use protocol::types::{
    AccountId, CancelReason, Firm, InstrumentId, Nanos, Owner, Price, Symbol, TradingState, UserRefNum,
};

impl Core {
    /// Does or refuses a request, and says which.
    #[cold]
    pub(super) fn answer(&mut self, request: &OperatorCommand, out: &mut Out<'_, impl EventSink>) {
        let outcome = match &request.action {
            OperatorAction::CreateAccount(create) => self.create_account(create, out),
            OperatorAction::AddInstrument(add) => self.add_instrument(add, out),
            OperatorAction::SetState { instrument, state, reason } => self.set_state(*instrument, *state, *reason, out),
            OperatorAction::CancelOrder { owner, user_ref_num } => self.cancel_for_operator(*owner, *user_ref_num, out),
            OperatorAction::SetMode { account, mode } => self.set_mode(*account, *mode),
            OperatorAction::MoveFunds { account, asset, amount } => {
                match self.risk.move_funds(*account, *asset, *amount) {
                    Ok(moved) => {
                        out.push(moved);
                        Outcome::Done
                    }
                    Err(outcome) => outcome,
                }
            }
            OperatorAction::SetLimit(set) => {
                let outcome = self.risk.set_limit(set);
                if outcome == Outcome::Done {
                    let SetLimit { scope, limit, instrument, value } = *set;
                    out.push(EventBody::LimitChanged { scope, limit, instrument, value });
                }
                outcome
            }
            OperatorAction::Kill(scope) => self.kill(*scope, out),
            OperatorAction::Resume(scope) => self.switch(*scope, false, out),
            OperatorAction::SetFees(row) => self.risk.set_fees(row),
            OperatorAction::SetRate { currency, rate } => self.risk.set_rate(*currency, *rate),
        };
        if self.risk.is_recount_due() {
            self.recount();
        }
        if self.risk.is_sync_due() {
            self.sync_guards();
        }
        out.push(EventBody::Answered { request: request.request, outcome });
    }

    /// Tells accounts and instruments whether their orders are checked: what the short way reads.
    #[cold]
    pub(super) fn sync_guards(&mut self) {
        self.has_noted = self.risk.has_noted();
        if !self.risk.take_sync() {
            return;
        }
        for account in (0..).take(self.accounts.count()).map(AccountId) {
            self.accounts.set_guarded(account, self.risk.is_account_guarded(account));
        }
        for instrument in (1..).take(self.instruments.count()).map(InstrumentId) {
            let is_guarded = self.risk.is_instrument_guarded(instrument);
            self.instruments.instrument_mut(instrument).set_unusual(unusual::GUARDED, is_guarded);
        }
    }

    /// Ends a command that gave the risk state something to look at: kill switches trip, and what they cancel follows. True
    /// when one did.
    #[cold]
    #[inline(never)]
    pub(super) fn look_at_noted(&mut self, out: &mut Out<'_, impl EventSink>) -> bool {
        self.has_noted = false;
        let mut has_tripped = false;
        while let Some((account, cause)) = self.risk.next_trip(out.ingress()) {
            has_tripped = true;
            out.push(EventBody::KillSwitched { scope: Scope::Account(account), is_killed: true, cause });
            // With as many unfinished cancels as there may be, one takes all accounts whose switch is on.
            if !self.begin_job(Some(account), Filter::Killed, out) {
                self.begin_job(None, Filter::Killed, out);
            }
        }
        if self.risk.is_sync_due() {
            self.sync_guards();
        }
        has_tripped
    }

    /// Looks at what was noted when nobody has to be looked at closely; false when somebody has.
    #[inline(never)]
    pub(super) fn look_in_passing(&mut self, now: Nanos) -> bool {
        let is_over = self.risk.look_in_passing(now);
        self.has_noted = !is_over;
        is_over
    }

    fn create_account(&mut self, create: &CreateAccount, out: &mut Out<'_, impl EventSink>) -> Outcome {
        let CreateAccount { name, firm, mode } = *create;
        if !is_name(&name.0) || !is_name(&firm.0) {
            return Outcome::BadValue;
        }
        if self.accounts().any(|known| known.name == name) {
            return Outcome::NameTaken;
        }
        let max = self.venue.as_ref().map_or(0, |venue: &OpenVenue| venue.accounts_max);
        let Some(account) = u32::try_from(self.accounts.count()).ok().filter(|count| *count < max) else {
            return Outcome::Full;
        };
        self.accounts.open(name, firm);
        self.risk.open_account(firm);
        self.risk.set_mode(AccountId(account), mode, 0);
        out.push(EventBody::AccountOpened { account: AccountId(account), name, firm });
        Outcome::Done
    }

    fn add_instrument(&mut self, add: &AddInstrument, out: &mut Out<'_, impl EventSink>) -> Outcome {
        if !is_listable(add) {
            return Outcome::BadValue;
        }
        if self.instruments().any(|known| known.listed.symbol == add.symbol) {
            return Outcome::NameTaken;
        }
        let max = self.venue.as_ref().map_or(0, |venue: &OpenVenue| venue.instruments_max);
        let next = u16::try_from(self.instruments.count()).ok().filter(|count| *count < max);
        let Some(instrument) = next.map(|count| InstrumentId(count + 1)) else {
            return Outcome::Full;
        };
        let AddInstrument { symbol, price_decimals, qty_decimals, tick, lot, max_qty, reference_price, .. } = *add;
        let listed =
            ListInstrument { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty, reference_price };
        self.instruments.list(&listed);
        self.risk.list(&listed, add.legs);
        if self.is_rolling() {
            self.mark_rolling(true);
        }
        let legs = add.legs;
        out.push(EventBody::InstrumentListed {
            instrument,
            symbol,
            price_decimals,
            qty_decimals,
            tick,
            lot,
            max_qty,
            legs,
        });
        Outcome::Done
    }

    fn set_state(
        &mut self,
        instrument: InstrumentId,
        state: TradingState,
        reason: Firm,
        out: &mut Out<'_, impl EventSink>,
    ) -> Outcome {
        if self.instruments.find(instrument).is_none() {
            return Outcome::InstrumentUnknown;
        }
        // A cross or a roll goes on: the same request again, when it is over.
        if self.enter_state(instrument, (state, reason), out).is_ok() { Outcome::Done } else { Outcome::More }
    }

    fn set_mode(&mut self, account: AccountId, mode: AccountMode) -> Outcome {
        if account.0 as usize >= self.accounts.count() {
            return Outcome::AccountUnknown;
        }
        self.risk.set_mode(account, mode, self.accounts.account(account).open_orders())
    }

    /// Blocks at once, and cancels up to the bound of a command, account by account, oldest first; the same request again goes
    /// on where this one ended.
    fn kill(&mut self, scope: Scope, out: &mut Out<'_, impl EventSink>) -> Outcome {
        let outcome = self.switch(scope, true, out);
        if outcome != Outcome::Done {
            return outcome;
        }
        if self.is_restating() {
            return Outcome::More;
        }
        for at in (0..).take(self.accounts.count()) {
            if !self.risk.is_in(scope, at as usize) {
                continue;
            }
            let sentinel = self.books.slab.account_link(AccountId(at));
            let mut slot = self.books.slab.link(sentinel).newer;
            while slot != sentinel {
                let newer = self.books.slab.link(slot).newer;
                if matches!(scope, Scope::Instrument(instrument) if instrument != self.instrument_of(slot)) {
                    slot = newer;
                    continue;
                }
                if self.touched == self.orders_per_command_max() {
                    return Outcome::More;
                }
                self.touched += 1;
                self.cancel_whole(slot, CancelReason::Supervisory, out);
                slot = newer;
            }
        }
        Outcome::Done
    }

    /// Turns a kill switch; what did not move is not told.
    fn switch(&mut self, scope: Scope, is_killed: bool, out: &mut Out<'_, impl EventSink>) -> Outcome {
        let outcome = self.risk.find(scope);
        let cause = KillCause::Operator;
        if outcome == Outcome::Done && self.risk.switch(scope, is_killed.then_some((cause, out.ingress()))) {
            out.push(EventBody::KillSwitched { scope, is_killed, cause });
        }
        outcome
    }

    /// Has the risk state count all open orders anew.
    pub(super) fn recount(&mut self) {
        self.risk.begin_recount();
        for account in (0..).take(self.accounts.count()).map(AccountId) {
            if !self.risk.counts(account) {
                continue;
            }
            let sentinel = self.books.slab.account_link(account);
            let mut slot = self.books.slab.link(sentinel).newer;
            while slot != sentinel {
                let order = self.open_order(slot);
                self.risk.count(&order);
                slot = self.books.slab.link(slot).newer;
            }
        }
    }

    fn cancel_for_operator(&mut self, owner: Owner, number: UserRefNum, out: &mut Out<'_, impl EventSink>) -> Outcome {
        if owner.account().0 as usize >= self.accounts.count() {
            return Outcome::AccountUnknown;
        }
        let Some(slot) = self.find(owner, number) else {
            return Outcome::OrderUnknown;
        };
        if self.is_restating() {
            return Outcome::More;
        }
        self.cancel_whole(slot, CancelReason::Supervisory, out);
        Outcome::Done
    }
}

/// Capitals and digits, then only padding.
fn is_name(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    let (name, padding) = text.split_at(end);
    !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && padding.iter().all(|byte| *byte == b' ')
}

/// The listing check (widths.md, decision 1 and 2).
fn is_listable(add: &AddInstrument) -> bool {
    let Symbol(symbol) = add.symbol;
    let end = symbol.iter().position(|byte| *byte == b' ').unwrap_or(symbol.len());
    let (name, padding) = symbol.split_at(end);
    let is_symbol =
        !name.is_empty() && name.iter().all(u8::is_ascii_graphic) && padding.iter().all(|byte| *byte == b' ');
    let decimals = i16::from(add.price_decimals) + i16::from(add.qty_decimals);
    is_symbol
        && add.legs.base != Some(add.legs.quote)
        && add.price_decimals <= 12
        && (-9..=12).contains(&add.qty_decimals)
        && decimals <= 12
        && add.tick.is_limit()
        && add.lot.0 >= 1
        && add.max_qty >= add.lot
        && add.reference_price.0 <= Price::LIMIT_MAX.0
        && add.reference_price.0.is_multiple_of(add.tick.0)
}
