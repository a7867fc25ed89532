//! Kind 64: the requests of an operator. One length for all of them; what an action does not use is zero.
//!
//! ```text
//!  0 kind (64)   1 action   2 number (u16)   4 request (u32)   8 word   12 word   16 amount (i128), or:
//!
//!  1 CreateAccount   8 name (6)   14 firm (4)   18 mode
//!  2 AddInstrument   2 base or 0, quote (u8 each)   8 symbol (8)   16 tick   20 lot   24 max_qty   28 reference_price
//!                    32 price_decimals   33 qty_decimals
//!  3 SetState        2 instrument   8 state   12 reason (4)
//!  4 SetMode         8 account   12 mode
//!  5 MoveFunds       2 instrument, or 0 for a currency   8 account   12 currency or 0   16 amount
//!  6 SetLimit        2 instrument or 0   8 scope: kind   9 limit   12 scope: who   16 value
//!  7 Kill            8 scope: kind   12 scope: who
//!  8 Resume          as Kill
//!  9 SetFees         2 tier   8 maker_ppm (i32)   12 taker_ppm (i32)   16 threshold
//! 10 SetRate         8 currency   16 rate
//! 11 CancelOrder     8 owner   12 user_ref_num
//! ```
//! Scope: kind 0 = venue (who 0), 1 = firm (4 letters), 2 = account, 3 = instrument.

use super::BODY_BYTES_MAX;
use crate::decode_error::DecodeError;
use crate::limits::ACCOUNTS_MAX;
use crate::money::{Amount, Asset, Currency, Legs};
use crate::operator::{
    AccountMode, AddInstrument, CreateAccount, LimitKind, OperatorAction, OperatorCommand, Scope, SetFees, SetLimit,
};
use crate::types::{AccountId, AccountName, Firm, InstrumentId, Owner, Price, Qty, Symbol, TradingState, UserRefNum};
use crate::wire::{array_at, put_at};

/// Kind of these records.
pub(super) const KIND: u8 = 64;

/// Bytes of each of them.
const BYTES: usize = 40;

/// The fields that most actions share.
#[derive(Clone, Copy, Default)]
struct Words {
    number: u16,
    first: [u8; 4],
    second: [u8; 4],
    amount: Amount,
}

impl Words {
    fn put(self, out: &mut [u8]) {
        put_at(out, 2, self.number.to_le_bytes());
        put_at(out, 8, self.first);
        put_at(out, 12, self.second);
        put_at(out, 16, self.amount.0.to_le_bytes());
    }

    fn get(bytes: &[u8]) -> Self {
        Self {
            number: u16::from_le_bytes(array_at(bytes, 2)),
            first: array_at(bytes, 8),
            second: array_at(bytes, 12),
            amount: Amount(i128::from_le_bytes(array_at(bytes, 16))),
        }
    }
}

/// Writes a request; the bytes it takes.
pub(super) fn encode(command: &OperatorCommand, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    put_at(out, 0, [0; BYTES]);
    let (action, words) = words(&command.action);
    words.put(out);
    put_at(out, 0, [KIND, action]);
    put_at(out, 4, command.request.to_le_bytes());
    match &command.action {
        OperatorAction::CreateAccount(create) => {
            put_at(out, 8, create.name.0);
            put_at(out, 14, create.firm.0);
            put_at(out, 18, [create.mode.letter()]);
        }
        OperatorAction::AddInstrument(add) => {
            put_at(out, 2, [add.legs.base.map_or(0, Currency::number), add.legs.quote.number()]);
            put_at(out, 8, add.symbol.0);
            put_at(out, 16, add.tick.0.to_le_bytes());
            put_at(out, 20, add.lot.0.to_le_bytes());
            put_at(out, 24, add.max_qty.0.to_le_bytes());
            put_at(out, 28, add.reference_price.0.to_le_bytes());
            put_at(out, 32, [add.price_decimals]);
            put_at(out, 33, add.qty_decimals.to_le_bytes());
        }
        OperatorAction::SetState { .. }
        | OperatorAction::SetMode { .. }
        | OperatorAction::MoveFunds { .. }
        | OperatorAction::SetLimit(_)
        | OperatorAction::Kill(_)
        | OperatorAction::Resume(_)
        | OperatorAction::SetFees(_)
        | OperatorAction::SetRate { .. }
        | OperatorAction::CancelOrder { .. } => {}
    }
    BYTES
}

/// Number of an action, and its shared fields.
fn words(action: &OperatorAction) -> (u8, Words) {
    let blank = Words::default();
    match *action {
        OperatorAction::CreateAccount(_) => (1, blank),
        OperatorAction::AddInstrument(_) => (2, blank),
        OperatorAction::SetState { instrument, state, reason } => {
            (3, Words { number: instrument.0, first: letter(state.letter()), second: reason.0, ..blank })
        }
        OperatorAction::SetMode { account, mode } => {
            (4, Words { first: account.0.to_le_bytes(), second: letter(mode.letter()), ..blank })
        }
        OperatorAction::MoveFunds { account, asset, amount } => {
            let (number, currency) = match asset {
                Asset::Currency(currency) => (0, currency.number()),
                Asset::Shares(instrument) => (instrument.0, 0),
            };
            (5, Words { number, first: account.0.to_le_bytes(), second: letter(currency), amount })
        }
        OperatorAction::SetLimit(SetLimit { scope, limit, instrument, value }) => {
            let (kind, who) = scope.to_words();
            (6, Words { number: instrument.0, first: [kind, limit.number(), 0, 0], second: who, amount: value })
        }
        OperatorAction::Kill(scope) => {
            let (kind, second) = scope.to_words();
            (7, Words { first: letter(kind), second, ..blank })
        }
        OperatorAction::Resume(scope) => {
            let (kind, second) = scope.to_words();
            (8, Words { first: letter(kind), second, ..blank })
        }
        OperatorAction::SetFees(SetFees { tier, maker_ppm, taker_ppm, threshold }) => {
            let (first, second) = (maker_ppm.to_le_bytes(), taker_ppm.to_le_bytes());
            (9, Words { number: tier.into(), first, second, amount: threshold })
        }
        OperatorAction::SetRate { currency, rate } => {
            (10, Words { first: letter(currency.number()), amount: rate, ..blank })
        }
        OperatorAction::CancelOrder { owner, user_ref_num } => {
            let (first, second) = (owner.to_bits().to_le_bytes(), user_ref_num.0.to_le_bytes());
            (11, Words { first, second, ..blank })
        }
    }
}

fn letter(letter: u8) -> [u8; 4] {
    [letter, 0, 0, 0]
}

/// Reads what [`encode`] wrote, and nothing else: what comes out encodes to the same bytes again.
///
/// # Errors
/// A wrong length, an unknown action, a value out of its range.
pub(super) fn decode(bytes: &[u8]) -> Result<OperatorCommand, DecodeError> {
    match bytes.len().cmp(&BYTES) {
        core::cmp::Ordering::Less => {
            return Err(DecodeError::TooShort { message_type: KIND, expected: BYTES, found: bytes.len() });
        }
        core::cmp::Ordering::Greater => {
            return Err(DecodeError::TooLong { message_type: KIND, expected: BYTES, found: bytes.len() });
        }
        core::cmp::Ordering::Equal => {}
    }
    let [number] = array_at(bytes, 1);
    let bad = |offset| DecodeError::BadValue { offset, found: number.into() };
    let action = action(number, bytes).ok_or(bad(8))?;
    let command = OperatorCommand { request: u32::from_le_bytes(array_at(bytes, 4)), action };
    let mut again = [0; BODY_BYTES_MAX];
    encode(&command, &mut again);
    if array_at::<BYTES>(&again, 0) == array_at::<BYTES>(bytes, 0) { Ok(command) } else { Err(bad(1)) }
}

fn action(number: u8, bytes: &[u8]) -> Option<OperatorAction> {
    let words = Words::get(bytes);
    let Words { first, second, amount, .. } = words;
    let word = u32::from_le_bytes;
    let [kind, detail, ..] = first;
    let account = || Some(AccountId(word(first))).filter(|account| account.0 < ACCOUNTS_MAX);
    match number {
        1 => create_account(bytes).map(OperatorAction::CreateAccount),
        2 => add_instrument(bytes).map(OperatorAction::AddInstrument),
        3 => {
            let (state, instrument) = (TradingState::from_letter(kind)?, some_instrument(words.number)?);
            Some(OperatorAction::SetState { instrument, state, reason: Firm(second) })
        }
        4 => Some(OperatorAction::SetMode { account: account()?, mode: AccountMode::from_letter(second[0])? }),
        5 => {
            let asset = match some_instrument(words.number) {
                Some(instrument) => Asset::Shares(instrument),
                None => Asset::Currency(Currency::from_number(second[0])?),
            };
            Some(OperatorAction::MoveFunds { account: account()?, asset, amount })
        }
        6 => {
            let (scope, limit) = (scope(kind, second)?, LimitKind::from_number(detail)?);
            let instrument = InstrumentId(words.number);
            Some(OperatorAction::SetLimit(SetLimit { scope, limit, instrument, value: amount }))
        }
        7 => scope(kind, second).map(OperatorAction::Kill),
        8 => scope(kind, second).map(OperatorAction::Resume),
        9 => {
            let (tier, maker_ppm) = (u8::try_from(words.number).ok()?, i32::from_le_bytes(first));
            let taker_ppm = i32::from_le_bytes(second);
            Some(OperatorAction::SetFees(SetFees { tier, maker_ppm, taker_ppm, threshold: amount }))
        }
        10 => Some(OperatorAction::SetRate { currency: Currency::from_number(kind)?, rate: amount }),
        11 => {
            let (owner, user_ref_num) = (Owner::from_bits(word(first)), UserRefNum(word(second)));
            Some(OperatorAction::CancelOrder { owner, user_ref_num })
        }
        _ => None,
    }
}

fn some_instrument(number: u16) -> Option<InstrumentId> {
    (number != 0).then_some(InstrumentId(number))
}

fn scope(kind: u8, who: [u8; 4]) -> Option<Scope> {
    let number = u32::from_le_bytes(who);
    match kind {
        0 => Some(Scope::Venue),
        1 => printable(who).map(|letters| Scope::Firm(Firm(letters))),
        2 => Some(Scope::Account(AccountId(number))).filter(|_| number < ACCOUNTS_MAX),
        3 => u16::try_from(number).ok().and_then(some_instrument).map(Scope::Instrument),
        _ => None,
    }
}

fn printable<const N: usize>(text: [u8; N]) -> Option<[u8; N]> {
    text.iter().all(|byte| (0x20..0x7f).contains(byte)).then_some(text)
}

fn create_account(bytes: &[u8]) -> Option<CreateAccount> {
    let [mode] = array_at(bytes, 18);
    Some(CreateAccount {
        name: AccountName(printable(array_at(bytes, 8))?),
        firm: Firm(printable(array_at(bytes, 14))?),
        mode: AccountMode::from_letter(mode)?,
    })
}

fn add_instrument(bytes: &[u8]) -> Option<AddInstrument> {
    let word = |offset| u32::from_le_bytes(array_at(bytes, offset));
    let [base, quote] = array_at(bytes, 2);
    let base = if base == 0 { None } else { Some(Currency::from_number(base)?) };
    let [price_decimals] = array_at(bytes, 32);
    Some(AddInstrument {
        symbol: Symbol(printable(array_at(bytes, 8))?),
        price_decimals,
        qty_decimals: i8::from_le_bytes(array_at(bytes, 33)),
        tick: Price(word(16)),
        lot: Qty(word(20)),
        max_qty: Qty(word(24)),
        reference_price: Price(word(28)),
        legs: Legs { base, quote: Currency::from_number(quote)? },
    })
}
