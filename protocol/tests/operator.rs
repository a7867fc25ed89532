//! The bytes of operator requests on disk and of their events in the hash: written down by hand from the tables in the
//! docs, and taken through every damage of one byte.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use protocol::money::{Asset, Legs};
use protocol::operator::{
    AccountMode, AddInstrument, CreateAccount, KillCause, LimitKind, OperatorAction, OperatorCommand, Outcome, Scope,
    SetFees, SetLimit,
};
use protocol::record::{self, BODY_BYTES_MAX};
use protocol::{
    AccountId, AccountName, Amount, Channel, Command, CommandBody, Currency, DecodeError, Event, EventBody, Firm,
    InstrumentId, MatchNumber, Nanos, Owner, Price, Qty, RejectReason, Sequence, Symbol, TradingState, UserRefNum,
};

const ACCOUNT: AccountId = AccountId(0x01_02_03);
const INSTRUMENT: InstrumentId = InstrumentId(0x4142);
const AMOUNT: Amount = Amount(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
const AMOUNT_HEX: &str = "100f0e0d0c0b0a090807060504030201";
const ZEROS_16: &str = "00000000000000000000000000000000";

/// Each action with its number, its `number` field, and the bytes from 8 on.
#[expect(clippy::too_many_lines, reason = "a table")]
fn actions() -> Vec<(OperatorAction, String)> {
    let scoped = |scope| match scope {
        Scope::Venue => "00000000 00000000",
        Scope::Firm(_) => "01000000 44454d41",
        Scope::Account(_) => "02000000 03020100",
        Scope::Instrument(_) => "03000000 42410000",
    };
    let mut actions = vec![
        (
            OperatorAction::CreateAccount(CreateAccount {
                name: AccountName(*b"ALPHA1"),
                firm: Firm(*b"ALPH"),
                mode: AccountMode::Cash,
            }),
            "01 0000 R 414c50484131 414c5048 43 0000000000 00000000 00000000 00000000 00000000".to_owned(),
        ),
        (
            OperatorAction::AddInstrument(AddInstrument {
                symbol: Symbol(*b"BTC-EUR "),
                price_decimals: 2,
                qty_decimals: -3,
                tick: Price(0x0102_0304),
                lot: Qty(0x1112_1314),
                max_qty: Qty(0x2122_2324),
                reference_price: Price(0x3132_3334),
                legs: Legs { base: Some(Currency::Btc), quote: Currency::Eur },
            }),
            "02 0703 R 4254432d45555220 04030201 14131211 24232221 34333231 02 fd 000000000000".to_owned(),
        ),
        (
            OperatorAction::SetState { instrument: INSTRUMENT, state: TradingState::Halted, reason: Firm(*b"T1  ") },
            format!("03 4241 R 48000000 54312020 {ZEROS_16} 0000000000000000"),
        ),
        (
            OperatorAction::SetMode { account: ACCOUNT, mode: AccountMode::Margin },
            format!("04 0000 R 03020100 4d000000 {ZEROS_16} 0000000000000000"),
        ),
        (
            OperatorAction::MoveFunds { account: ACCOUNT, asset: Asset::Currency(Currency::Eth), amount: AMOUNT },
            format!("05 0000 R 03020100 08000000 {AMOUNT_HEX} 0000000000000000"),
        ),
        (
            OperatorAction::MoveFunds { account: ACCOUNT, asset: Asset::Shares(INSTRUMENT), amount: Amount(-1) },
            "05 4241 R 03020100 00000000 ffffffffffffffffffffffffffffffff 0000000000000000".to_owned(),
        ),
        (
            OperatorAction::SetLimit(SetLimit {
                scope: Scope::Firm(Firm(*b"DEMA")),
                limit: LimitKind::Restricted,
                instrument: INSTRUMENT,
                value: Amount::UNSET,
            }),
            "06 4241 R 01100000 44454d41 00000000000000000000000000000080 0000000000000000".to_owned(),
        ),
        (
            OperatorAction::SetFees(SetFees { tier: 3, maker_ppm: -2, taker_ppm: 0x0102_0304, threshold: AMOUNT }),
            format!("09 0300 R feffffff 04030201 {AMOUNT_HEX} 0000000000000000"),
        ),
        (
            OperatorAction::SetRate { currency: Currency::Aed, rate: AMOUNT },
            format!("0a 0000 R 06000000 00000000 {AMOUNT_HEX} 0000000000000000"),
        ),
        (
            OperatorAction::CancelOrder {
                owner: Owner::new(ACCOUNT, Channel(4)),
                user_ref_num: UserRefNum(0x1112_1314),
            },
            format!("0b 0000 R 04030201 14131211 {ZEROS_16} 0000000000000000"),
        ),
    ];
    for scope in scopes() {
        actions.push((OperatorAction::Kill(scope), format!("07 0000 R {} {ZEROS_16} 0000000000000000", scoped(scope))));
        let resume = format!("08 0000 R {} {ZEROS_16} 0000000000000000", scoped(scope));
        actions.push((OperatorAction::Resume(scope), resume));
    }
    actions
}

fn scopes() -> [Scope; 4] {
    [Scope::Venue, Scope::Firm(Firm(*b"DEMA")), Scope::Account(ACCOUNT), Scope::Instrument(INSTRUMENT)]
}

fn commands() -> Vec<(CommandBody, Vec<u8>)> {
    let body = |action| CommandBody::Operator(OperatorCommand { request: 0x5152_5354, action });
    let bytes = |text: &str| hex(&format!("40 {}", text.replace('R', "54535251")));
    actions().into_iter().map(|(action, text)| (body(action), bytes(&text))).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits")).collect()
}

#[test]
fn requests_have_the_bytes_of_the_table() {
    for (body, bytes) in commands() {
        assert_eq!(bytes.len(), 40, "{body:?}");
        let mut out = [0xAA; BODY_BYTES_MAX];
        let written = record::encode(&body, &mut out);
        assert_eq!(out[..written], bytes, "{body:?}");
        assert_eq!(record::decode(&bytes), Ok(body));
        for length in 0..40 {
            assert!(record::decode(&bytes[..length]).is_err(), "{body:?} cut to {length}");
        }
        assert!(matches!(record::decode(&[&bytes[..], &[0]].concat()), Err(DecodeError::TooLong { .. })));
    }
}

#[test]
fn what_no_request_can_hold_is_refused() {
    let [mut unknown, mut scope, mut account] = [[0; 40]; 3];
    (unknown[0], unknown[1]) = (64, 13);
    (scope[0], scope[1], scope[8]) = (64, 7, 4);
    (account[0], account[1], account[8], account[15]) = (64, 7, 2, 1);
    for bytes in [unknown, scope, account] {
        assert!(matches!(record::decode(&bytes), Err(DecodeError::BadValue { .. })), "{bytes:?}");
    }
}

#[test]
fn events_have_the_bytes_of_the_table() {
    let zeros = |bytes: usize| "00".repeat(bytes);
    let table = [
        (EventBody::Answered { request: 0x1112_1314, outcome: Outcome::NotAvailable }, "40 14131211 0a".to_owned()),
        (
            EventBody::BalanceMoved {
                account: ACCOUNT,
                asset: Asset::Currency(Currency::Usd),
                amount: Amount(-1),
                balance: AMOUNT,
            },
            format!("41 03020100 01 0000 {} {AMOUNT_HEX}", "ff".repeat(16)),
        ),
        (
            EventBody::BalanceMoved {
                account: ACCOUNT,
                asset: Asset::Shares(INSTRUMENT),
                amount: AMOUNT,
                balance: Amount(0),
            },
            format!("41 03020100 00 4241 {AMOUNT_HEX} {}", zeros(16)),
        ),
        (
            EventBody::FeesCharged {
                match_number: MatchNumber(7),
                currency: Currency::Btc,
                maker: Amount(-1),
                taker: AMOUNT,
            },
            format!("42 0700000000000000 07 {} {AMOUNT_HEX}", "ff".repeat(16)),
        ),
        (
            EventBody::LimitChanged {
                scope: Scope::Account(ACCOUNT),
                limit: LimitKind::Restricted,
                instrument: INSTRUMENT,
                value: AMOUNT,
            },
            format!("43 02 03020100 10 4241 {AMOUNT_HEX}"),
        ),
        (
            EventBody::KillSwitched {
                scope: Scope::Instrument(INSTRUMENT),
                is_killed: true,
                cause: KillCause::Operator,
            },
            "44 03 42410000 01 4f".to_owned(),
        ),
    ];
    for (body, text) in table {
        let event = Event { sequence: Sequence(1), ingress: Nanos(2), body };
        let mut expected = hex("0100000000000000 0200000000000000");
        expected.extend(hex(&text));
        expected.resize(64, 0);
        assert_eq!(event.encode().to_vec(), expected, "{body:?}");
    }
}

#[test]
fn the_ring_slots_keep_their_size() {
    assert_eq!((size_of::<Command>(), size_of::<Event>()), (128, 64));
}

#[test]
fn reasons_of_the_risk_checks_have_the_codes_of_their_table() {
    let codes: Vec<_> = (64..84).filter_map(RejectReason::from_number).map(RejectReason::ouch_code).collect();
    let expected = [
        0x31, 0x22, 0x30, 0x2B, 0x27, 0x26, 0x2C, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x29, 0x28, 0x25, 0x2A, 0x0C,
        0x07, 0x0A,
    ];
    assert_eq!(codes, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn damaged_requests_are_refused_or_canonical(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = which.get(&commands()).1.clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(body) = record::decode(&bytes) {
            let mut out = [0; BODY_BYTES_MAX];
            let written = record::encode(&body, &mut out);
            prop_assert_eq!(&out[..written], &bytes[..], "{:?}", body);
        }
    }
}
