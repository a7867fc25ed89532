//! What a refusal of the core means to the operator who asked: which value it was, what was expected, what to do.

use protocol::operator::Outcome;

use crate::control::request::{Request, Target};

/// In words for people; what is done is `done`.
pub fn text(request: &Request, outcome: Outcome) -> String {
    explained(request, outcome).unwrap_or_else(|| outcome.as_text().to_owned())
}

fn explained(request: &Request, outcome: Outcome) -> Option<String> {
    Some(match (request, outcome) {
        (Request::CreateAccount { name, .. }, Outcome::NameTaken) => {
            format!("account {name}: the name is taken; `hft account list` names them")
        }
        (Request::AddInstrument(instrument), Outcome::NameTaken) => {
            format!("instrument {}: the name is taken; `hft instrument list` names them", instrument.symbol)
        }
        (Request::Deposit { asset, .. } | Request::Withdraw { asset, .. }, Outcome::NotSupported) => format!(
            "{asset} cannot be paid in or out: expected a currency, or for a cash account an instrument that is traded in shares \
             (what is traded as a pair of currencies is paid in those)"
        ),
        (Request::Deposit { asset, amount, .. } | Request::Withdraw { asset, amount, .. }, Outcome::BadValue) => {
            format!(
                "amount {amount} of {asset}: expected whole steps of its quantity, and a balance that stays in range"
            )
        }
        (Request::Withdraw { name, asset, amount }, Outcome::NotAvailable) => format!(
            "amount {amount} of {asset}: more than {name} holds and has not reserved; `hft account show {name}` says what that is"
        ),
        (Request::SetMode { name, .. }, Outcome::InUse) => {
            format!("{name} holds something, has traded, or has open orders: expected an account with nothing yet")
        }
        (Request::AddInstrument(instrument), Outcome::BadValue) => format!(
            "instrument {}: expected a max-qty of at least one lot, a reference price that is a multiple of the tick, and two \
             different currencies",
            instrument.symbol
        ),
        (Request::CancelOrder { account, number, .. }, Outcome::OrderUnknown) => {
            format!("order {number} of {account}: no such open order")
        }
        (Request::SetRate { currency, rate }, Outcome::BadValue) => {
            format!("rate {rate} of {currency}: expected US dollars per unit, above zero; USD itself is 1")
        }
        (Request::SetLimits { target: Target::Instrument(symbol), .. }, Outcome::NotSupported) => format!(
            "instrument {symbol}: expected limits of one order or of one account's position and rates there; \
             the others are set for accounts and firms"
        ),
        (Request::SetLimits { limits, .. }, Outcome::BadValue) => {
            let named: Vec<_> = limits.iter().map(|limit| format!("{} {}", limit.name, limit.value)).collect();
            format!(
                "{}: out of range: rates are at most 1000000000 per second, a collar at most 100000 percent",
                named.join(", ")
            )
        }
        _ => return None,
    })
}
