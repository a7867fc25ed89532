//! The naive model's operator: every request that a running venue may do or refuse.

use super::naive_book::NaiveVenue;
use protocol::command::ListInstrument;
use protocol::money::Legs;
use protocol::operator::{AccountMode, AddInstrument, CreateAccount, OperatorAction, OperatorCommand, Outcome};
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
                    self.change_state(*instrument, *state, *reason);
                    Outcome::Done
                }
            }
            OperatorAction::CancelOrder { owner, user_ref_num } => self.supervise(*owner, *user_ref_num),
            OperatorAction::SetMode { .. }
            | OperatorAction::MoveFunds { .. }
            | OperatorAction::SetLimit(_)
            | OperatorAction::Kill(_)
            | OperatorAction::Resume(_)
            | OperatorAction::SetFees(_)
            | OperatorAction::SetRate { .. }
            | OperatorAction::BustTrade(_) => Outcome::NotSupported,
        };
        self.tell(EventBody::Answered { request: request.request, outcome });
    }

    fn create(&mut self, create: &CreateAccount) -> Outcome {
        let plain = |text: &str| {
            !text.is_empty() && text.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
        };
        if !plain(create.name.as_text()) || !plain(create.firm.as_text()) {
            Outcome::BadValue
        } else if create.mode == AccountMode::Cash {
            Outcome::NotSupported
        } else if self.accounts.iter().any(|known| known.name == create.name) {
            Outcome::NameTaken
        } else if self.venue.is_none_or(|venue| self.accounts.len() >= venue.accounts_max as usize) {
            Outcome::Full
        } else {
            let account = AccountId(u32::try_from(self.accounts.len()).unwrap_or(u32::MAX));
            let (name, firm) = (create.name, create.firm);
            self.operate(&CommandBody::OpenAccount(protocol::command::OpenAccount { account, name, firm }));
            Outcome::Done
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
        if add.legs != Legs::of_symbol(&add.symbol) {
            return Outcome::NotSupported;
        }
        if self.instruments.iter().any(|known| known.listed.symbol == add.symbol) {
            return Outcome::NameTaken;
        }
        if self.venue.is_none_or(|venue| self.instruments.len() >= usize::from(venue.instruments_max)) {
            return Outcome::Full;
        }
        self.operate(&CommandBody::ListInstrument(ListInstrument {
            instrument: InstrumentId(u16::try_from(self.instruments.len() + 1).unwrap_or(u16::MAX)),
            symbol: add.symbol,
            price_decimals: add.price_decimals,
            qty_decimals: add.qty_decimals,
            tick: add.tick,
            lot: add.lot,
            max_qty: add.max_qty,
            reference_price: add.reference_price,
        }));
        Outcome::Done
    }

    fn supervise(&mut self, owner: Owner, number: UserRefNum) -> Outcome {
        if owner.account().0 as usize >= self.accounts.len() {
            return Outcome::AccountUnknown;
        }
        if self.live(owner, number).is_none() {
            return Outcome::OrderUnknown;
        }
        self.cancel_rest_for(owner, number, CancelReason::Supervisory);
        Outcome::Done
    }
}
