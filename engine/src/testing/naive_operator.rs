//! The naive model's operator: every request that a running venue may do or refuse.

use super::naive_book::{NaiveVenue, Order};
use protocol::command::ListInstrument;
use protocol::money::{Amount, Currency};
use protocol::operator::{AddInstrument, CreateAccount, OperatorAction, OperatorCommand, Outcome, Scope, SetLimit};
use protocol::types::{AccountId, CancelReason, InstrumentId, Owner, UserRefNum};
use protocol::{CommandBody, EventBody};

impl NaiveVenue {
    pub(super) fn answer(&mut self, request: &OperatorCommand) {
        let outcome = match &request.action {
            OperatorAction::CreateAccount(create) => self.create(create),
            OperatorAction::AddInstrument(add) => self.add(add),
            OperatorAction::SetState { instrument, state, reason } => {
                if instrument.0 == 0 || usize::from(instrument.0) > self.instruments.len() {
                    Outcome::InstrumentUnknown
                } else {
                    let entered = self.enter_state(*instrument, *state, *reason);
                    if entered.is_ok() { Outcome::Done } else { Outcome::More }
                }
            }
            OperatorAction::CancelOrder { owner, user_ref_num } => self.supervise(*owner, *user_ref_num),
            OperatorAction::SetMode { account, mode } => self.set_mode(*account, *mode),
            OperatorAction::MoveFunds { account, asset, amount } => self.move_funds(*account, *asset, *amount),
            OperatorAction::SetLimit(set) => {
                let outcome = self.set_limit(set);
                if outcome == Outcome::Done {
                    let SetLimit { scope, limit, instrument, value } = *set;
                    self.tell(EventBody::LimitChanged { scope, limit, instrument, value });
                }
                outcome
            }
            OperatorAction::Kill(scope) => self.kill(*scope),
            OperatorAction::Resume(scope) => self.switch(*scope, false),
            OperatorAction::SetFees(row) => {
                if self.money.ledger.set_fees(row) {
                    Outcome::Done
                } else {
                    Outcome::BadValue
                }
            }
            OperatorAction::SetRate { currency, rate } => {
                let is_dollar = *currency == Currency::Usd && *rate != Amount::ONE;
                if rate.0 <= 0 || *rate > Amount::MAX || is_dollar {
                    Outcome::BadValue
                } else {
                    self.money.ledger.rates.insert(*currency, rate.0);
                    Outcome::Done
                }
            }
        };
        self.count_again();
        self.tell(EventBody::Answered { request: request.request, outcome });
    }

    fn create(&mut self, create: &CreateAccount) -> Outcome {
        let plain = |text: &str| {
            !text.is_empty() && text.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
        };
        if !plain(create.name.as_text()) || !plain(create.firm.as_text()) {
            Outcome::BadValue
        } else if self.accounts.iter().any(|known| known.name == create.name) {
            Outcome::NameTaken
        } else if self.venue.is_none_or(|venue| self.accounts.len() >= venue.accounts_max as usize) {
            Outcome::Full
        } else {
            let account = AccountId(u32::try_from(self.accounts.len()).unwrap_or(u32::MAX));
            let (name, firm) = (create.name, create.firm);
            self.operate(&CommandBody::OpenAccount(protocol::command::OpenAccount { account, name, firm }));
            self.set_mode(account, create.mode)
        }
    }

    fn add(&mut self, add: &AddInstrument) -> Outcome {
        let name = add.symbol.as_text();
        let wrong = [
            name.is_empty() || name.contains(' ') || !name.bytes().all(|byte| (33..=126).contains(&byte)),
            add.price_decimals > 12,
            add.qty_decimals < -9 || add.qty_decimals > 12,
            i32::from(add.price_decimals) + i32::from(add.qty_decimals) > 12,
            add.tick.0 == 0 || add.tick.0 > 1_999_999_900,
            add.lot.0 == 0,
            add.max_qty < add.lot,
            add.reference_price.0 > 1_999_999_900,
        ];
        if wrong.contains(&true) || !add.reference_price.0.is_multiple_of(add.tick.0) {
            return Outcome::BadValue;
        }
        if add.legs.base == Some(add.legs.quote) {
            return Outcome::BadValue;
        }
        if self.instruments.iter().any(|known| known.listed.symbol == add.symbol) {
            return Outcome::NameTaken;
        }
        if self.venue.is_none_or(|venue| self.instruments.len() >= usize::from(venue.instruments_max)) {
            return Outcome::Full;
        }
        let listed = ListInstrument {
            instrument: InstrumentId(u16::try_from(self.instruments.len() + 1).unwrap_or(u16::MAX)),
            symbol: add.symbol,
            price_decimals: add.price_decimals,
            qty_decimals: add.qty_decimals,
            tick: add.tick,
            lot: add.lot,
            max_qty: add.max_qty,
            reference_price: add.reference_price,
        };
        self.list(&listed, add.legs);
        Outcome::Done
    }

    /// Blocks, then cancels account by account, oldest first.
    fn kill(&mut self, scope: Scope) -> Outcome {
        let outcome = self.switch(scope, true);
        if outcome != Outcome::Done {
            return outcome;
        }
        if self.is_restating() {
            return Outcome::More;
        }
        let is_meant = |order: &Order| match scope {
            Scope::Venue => true,
            Scope::Account(account) => order.owner.account() == account,
            Scope::Firm(firm) => self.account(order.owner).firm == firm,
            Scope::Instrument(instrument) => order.instrument == instrument,
        };
        let mut meant: Vec<_> = self.orders().filter(|order| is_meant(order)).collect();
        meant.sort_by_key(|order| (order.owner.account(), order.order_ref));
        let mut doomed: Vec<_> = meant.iter().map(|order| (order.owner, order.number)).collect();
        let most = usize::try_from(self.bound()).unwrap_or(usize::MAX);
        let is_all = doomed.len() <= most;
        doomed.truncate(most);
        for (owner, number) in doomed {
            self.cancel_rest_for(owner, number, CancelReason::Supervisory);
        }
        if is_all { Outcome::Done } else { Outcome::More }
    }

    fn supervise(&mut self, owner: Owner, number: UserRefNum) -> Outcome {
        if owner.account().0 as usize >= self.accounts.len() {
            return Outcome::AccountUnknown;
        }
        if self.live(owner, number).is_none() {
            return Outcome::OrderUnknown;
        }
        if self.is_restating() {
            return Outcome::More;
        }
        self.cancel_rest_for(owner, number, CancelReason::Supervisory);
        Outcome::Done
    }
}
