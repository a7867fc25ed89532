//! Requests of an operator for the differential tests: every action, right and wrong.

use super::order_flow::STATES;
use super::random::Random;
use protocol::CommandBody;
use protocol::money::{Amount, Asset, Currency, Legs};
use protocol::operator::{
    AccountMode, AddInstrument, CreateAccount, LimitKind, OperatorAction, OperatorCommand, Scope, SetFees, SetLimit,
};
use protocol::types::{AccountId, AccountName, Firm, InstrumentId, Owner, Price, Qty, Symbol, UserRefNum};

/// A request; `owner` and `number` may name a live order.
pub(super) fn request(random: &mut Random, owner: Owner, number: UserRefNum) -> CommandBody {
    let action = action(random, owner, number);
    CommandBody::Operator(OperatorCommand { request: random.below(1_000), action })
}

fn action(random: &mut Random, owner: Owner, user_ref_num: UserRefNum) -> OperatorAction {
    let account = account(random);
    let instrument = instrument(random);
    match random.below(23) {
        0 => OperatorAction::CreateAccount(CreateAccount {
            name: AccountName::from_text(random.pick(&["ONE", "FOUR", "five", "", "A B"])).unwrap_or_default(),
            firm: firm(random),
            mode: random.pick(&[AccountMode::Cash, AccountMode::Margin]),
        }),
        1 => OperatorAction::AddInstrument(add_instrument(random)),
        2 | 3 => OperatorAction::SetState {
            instrument,
            state: random.pick(&STATES),
            reason: Firm::from_text(random.pick(&["", "T1"])).unwrap_or_default(),
        },
        4 => OperatorAction::SetMode { account, mode: random.pick(&[AccountMode::Cash, AccountMode::Margin]) },
        5..9 => OperatorAction::MoveFunds { account, asset: asset(random), amount: moved(random) },
        9..15 => OperatorAction::SetLimit(SetLimit {
            scope: scope(random),
            limit: random.pick(LimitKind::ALL),
            instrument: if random.chance(50) { InstrumentId(0) } else { instrument },
            value: limit_value(random),
        }),
        15 => OperatorAction::Kill(scope(random)),
        16..19 => OperatorAction::Resume(scope(random)),
        19 => OperatorAction::SetFees(SetFees {
            tier: u8::try_from(random.below(9)).unwrap_or(0),
            maker_ppm: random.pick(&[0, 1, -200, 1_000, 100_000, 100_001, -100_000, -100_001]),
            taker_ppm: random.pick(&[0, 1, -200, 2_000, 100_000, 100_001, -100_000, -100_001]),
            threshold: moved(random),
        }),
        20 => OperatorAction::SetRate { currency: random.pick(Currency::ALL), rate: moved(random) },
        _ => OperatorAction::CancelOrder { owner, user_ref_num },
    }
}

fn account(random: &mut Random) -> AccountId {
    AccountId(random.below(5))
}

fn instrument(random: &mut Random) -> InstrumentId {
    InstrumentId(random.pick(&[1, 2, 3, 4, 5]))
}

fn firm(random: &mut Random) -> Firm {
    Firm::from_text(random.pick(&["FRMA", "FRMB", "FRMC", "frm", ""])).unwrap_or_default()
}

fn scope(random: &mut Random) -> Scope {
    match random.below(8) {
        0 => Scope::Venue,
        1 => Scope::Firm(firm(random)),
        2 => Scope::Instrument(instrument(random)),
        _ => Scope::Account(account(random)),
    }
}

fn asset(random: &mut Random) -> Asset {
    if random.chance(70) {
        Asset::Currency(random.pick(&[Currency::Usd, Currency::Usd, Currency::Eur, Currency::Btc]))
    } else {
        Asset::Shares(instrument(random))
    }
}

/// An amount from nothing to the bounds of the domain and beyond.
fn moved(random: &mut Random) -> Amount {
    let unit = Amount::ONE.0;
    let sign = if random.chance(25) { -1 } else { 1 };
    let size = match random.below(8) {
        0 => 0,
        1 => 1,
        2 => Amount::MAX.0,
        3 => Amount::MAX.0 + 1,
        _ => i128::from(random.below(100_000)) * unit,
    };
    Amount(sign * size)
}

fn limit_value(random: &mut Random) -> Amount {
    match random.below(8) {
        0 => Amount::UNSET,
        1 => Amount::ZERO,
        2 => Amount::MAX,
        3 => moved(random),
        4 => Amount(i128::from(random.below(200)) * Amount::ONE.0 / 1_000),
        _ => Amount(i128::from(random.below(50)) * Amount::ONE.0),
    }
}

fn add_instrument(random: &mut Random) -> AddInstrument {
    let symbol = Symbol::from_text(random.pick(&["AAA", "BTC-USD", "ETH-BTC", "", "A B"])).unwrap_or_default();
    let tick = random.pick(&[0, 1, 7, 100]);
    AddInstrument {
        symbol,
        price_decimals: random.pick(&[0, 4, 12, 13]),
        qty_decimals: random.pick(&[-10, -9, 0, 5]),
        tick: Price(tick),
        lot: Qty(random.pick(&[0, 1, 10])),
        max_qty: Qty(random.pick(&[1, 1_000, u32::MAX])),
        reference_price: Price(random.pick(&[0, 700, 2_000_000_000])),
        legs: if random.chance(80) {
            Legs::of_symbol(&symbol)
        } else {
            Legs { base: Some(Currency::Eth), quote: Currency::Eur }
        },
    }
}
