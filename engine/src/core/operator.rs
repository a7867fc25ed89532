//! Requests of the operator of a running venue: checked like those of clients, done or refused, and answered. Unlike the
//! commands of the configuration they may contradict the state, because somebody types them. Cold: nothing here is on the way
//! of an order.

use super::Core;
use super::sink::{EventSink, Out};
use protocol::EventBody;
use protocol::command::{ListInstrument, OpenVenue};
use protocol::money::Legs;
use protocol::operator::{AccountMode, AddInstrument, CreateAccount, OperatorAction, OperatorCommand, Outcome};
use protocol::types::{AccountId, CancelReason, Firm, InstrumentId, Owner, Price, Symbol, TradingState, UserRefNum};

impl Core {
    /// Does or refuses a request, and says which.
    #[cold]
    pub(super) fn answer(&mut self, request: &OperatorCommand, out: &mut Out<'_, impl EventSink>) {
        let outcome = match &request.action {
            OperatorAction::CreateAccount(create) => self.create_account(create, out),
            OperatorAction::AddInstrument(add) => self.add_instrument(add, out),
            OperatorAction::SetState { instrument, state, reason } => self.set_state(*instrument, *state, *reason, out),
            OperatorAction::CancelOrder { owner, user_ref_num } => self.cancel_for_operator(*owner, *user_ref_num, out),
            OperatorAction::SetMode { .. }
            | OperatorAction::MoveFunds { .. }
            | OperatorAction::SetLimit(_)
            | OperatorAction::Kill(_)
            | OperatorAction::Resume(_)
            | OperatorAction::SetFees(_)
            | OperatorAction::SetRate { .. }
            | OperatorAction::BustTrade(_) => Outcome::NotSupported,
        };
        out.push(EventBody::Answered { request: request.request, outcome });
    }

    fn create_account(&mut self, create: &CreateAccount, out: &mut Out<'_, impl EventSink>) -> Outcome {
        let CreateAccount { name, firm, mode } = *create;
        if !is_name(&name.0) || !is_name(&firm.0) {
            return Outcome::BadValue;
        }
        if mode == AccountMode::Cash {
            return Outcome::NotSupported;
        }
        if self.accounts().any(|known| known.name == name) {
            return Outcome::NameTaken;
        }
        let max = self.venue.as_ref().map_or(0, |venue: &OpenVenue| venue.accounts_max);
        let Some(account) = u32::try_from(self.accounts.count()).ok().filter(|count| *count < max) else {
            return Outcome::Full;
        };
        self.accounts.open(name, firm);
        out.push(EventBody::AccountOpened { account: AccountId(account), name, firm });
        Outcome::Done
    }

    fn add_instrument(&mut self, add: &AddInstrument, out: &mut Out<'_, impl EventSink>) -> Outcome {
        if !is_listable(add) {
            return Outcome::BadValue;
        }
        if add.legs != Legs::of_symbol(&add.symbol) {
            return Outcome::NotSupported;
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
        self.instruments.list(&ListInstrument {
            instrument,
            symbol,
            price_decimals,
            qty_decimals,
            tick,
            lot,
            max_qty,
            reference_price,
        });
        out.push(EventBody::InstrumentListed { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty });
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
        self.instruments.instrument_mut(instrument).set_state(state);
        out.push(EventBody::TradingStateChanged { instrument, state, reason });
        Outcome::Done
    }

    fn cancel_for_operator(&mut self, owner: Owner, number: UserRefNum, out: &mut Out<'_, impl EventSink>) -> Outcome {
        if owner.account().0 as usize >= self.accounts.count() {
            return Outcome::AccountUnknown;
        }
        let Some(slot) = self.find(owner, number) else {
            return Outcome::OrderUnknown;
        };
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
        && add.price_decimals <= 12
        && (-9..=12).contains(&add.qty_decimals)
        && decimals <= 12
        && add.tick.is_limit()
        && add.lot.0 >= 1
        && add.max_qty >= add.lot
        && add.reference_price.0 <= Price::LIMIT_MAX.0
        && add.reference_price.0.is_multiple_of(add.tick.0)
}
