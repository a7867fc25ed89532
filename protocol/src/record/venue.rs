//! The bytes of [`VenueCommand`], both ways, as [`super`] draws them.

use super::decode::Fields;
use super::encode::start;
use super::{BODY_BYTES_MAX, KIND_TICK};
use crate::command::CommandBody;
use crate::decode_error::DecodeError;
use crate::limits::ACCOUNTS_MAX;
use crate::money::Amount;
use crate::ouch::tags::AIQ_STRATEGIES;
use crate::types::{
    AccountId, BustReason, ClOrdId, LiquidityFlag, MatchNumber, MatchingAlgorithm, Nanos, Owner, Price, Qty,
    SessionName, TradingState,
};
use crate::venue_command::{
    BustTrade, PackedAmount, Party, SetAccountDefaults, SetBands, SetMarketWideLevels, SetMatching, SetOperationalHalt,
    SetReferencePrice, StartAuction, VenueCommand,
};
use crate::wire::{array_at, put_at};

/// Parts of a whole.
const MILLION: u32 = 1_000_000;
const DAY_S: u32 = 86_400;
/// Length of a `BustTrade` that gives fees back.
const BUST_WITH_FEES: usize = 104;

#[inline(never)]
pub(super) fn encode(command: &VenueCommand, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    match command {
        VenueCommand::Tick => {
            start::<8>(out, KIND_TICK);
            8
        }
        VenueCommand::SetMatching(set) => {
            let to = start::<16>(out, 18);
            put_at(to, 1, [set.algorithm.letter()]);
            put_at(to, 2, set.instrument.0.to_le_bytes());
            put_at(to, 4, set.minimum.0.to_le_bytes());
            put_at(to, 8, set.elections_per_command_max.to_le_bytes());
            16
        }
        VenueCommand::SetBands(set) => {
            let to = start::<24>(out, 19);
            put_at(to, 2, set.instrument.0.to_le_bytes());
            put_at(to, 4, set.static_ppm.to_le_bytes());
            put_at(to, 8, set.dynamic_ppm.to_le_bytes());
            put_at(to, 12, set.collar_ppm.to_le_bytes());
            put_at(to, 16, set.auction_s.to_le_bytes());
            24
        }
        VenueCommand::SetReferencePrice(set) => {
            let to = start::<8>(out, 20);
            put_at(to, 2, set.instrument.0.to_le_bytes());
            put_at(to, 4, set.price.0.to_le_bytes());
            8
        }
        VenueCommand::StartAuction(auction) => {
            let to = start::<16>(out, 21);
            put_at(to, 1, [auction.state.letter()]);
            put_at(to, 2, auction.instrument.0.to_le_bytes());
            put_at(to, 4, auction.reason.0);
            put_at(to, 8, auction.until.0.to_le_bytes());
            16
        }
        VenueCommand::SetAccountDefaults(set) => encode_defaults(set, out),
        VenueCommand::Connected(account) => account_only(23, *account, out),
        VenueCommand::Disconnected(account) => account_only(24, *account, out),
        VenueCommand::SetOperationalHalt(set) => {
            let to = start::<8>(out, 25);
            put_at(to, 1, [u8::from(set.is_halted)]);
            put_at(to, 2, set.instrument.0.to_le_bytes());
            8
        }
        VenueCommand::SetMarketWideLevels(set) => {
            let to = start::<32>(out, 26);
            put_at(to, 8, set.level_1.to_le_bytes());
            put_at(to, 16, set.level_2.to_le_bytes());
            put_at(to, 24, set.level_3.to_le_bytes());
            32
        }
        VenueCommand::BreachMarketWide(level) => {
            put_at(start::<8>(out, 27), 1, [*level]);
            8
        }
        VenueCommand::BustTrade(bust) => encode_bust(bust, out),
        VenueCommand::RollDay(session) => {
            put_at(start::<16>(out, 29), 2, session.0);
            16
        }
        VenueCommand::SetDayRolls(is_so) => {
            put_at(start::<8>(out, 30), 1, [u8::from(*is_so)]);
            8
        }
    }
}

fn encode_defaults(set: &SetAccountDefaults, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    let to = start::<16>(out, 22);
    put_at(to, 1, [set.aiq_strategy]);
    put_at(to, 2, set.aiq_group_id);
    put_at(to, 4, set.account.0.to_le_bytes());
    put_at(to, 8, set.grace_ms.to_le_bytes());
    put_at(to, 12, [u8::from(set.cancel_on_disconnect)]);
    16
}

fn account_only(kind: u8, account: AccountId, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    put_at(start::<8>(out, kind), 4, account.0.to_le_bytes());
    8
}

fn encode_bust(bust: &BustTrade, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    let to = start::<BUST_WITH_FEES>(out, 28);
    put_at(to, 1, [bust.reason.letter()]);
    put_at(to, 2, bust.instrument.0.to_le_bytes());
    put_at(to, 4, bust.quantity.0.to_le_bytes());
    put_at(to, 8, bust.match_number.0.to_le_bytes());
    put_at(to, 16, bust.price.0.to_le_bytes());
    put_at(to, 20, bust.buyer.owner.to_bits().to_le_bytes());
    put_at(to, 24, bust.buyer.user_ref_num.0.to_le_bytes());
    put_at(to, 28, bust.buyer.cl_ord_id.0);
    put_at(to, 42, [bust.buyer.flag.letter(), bust.seller.flag.letter()]);
    put_at(to, 44, bust.seller.owner.to_bits().to_le_bytes());
    put_at(to, 48, bust.seller.user_ref_num.0.to_le_bytes());
    put_at(to, 52, bust.seller.cl_ord_id.0);
    let fees = [bust.buyer_fee, bust.seller_fee].map(Amount::from);
    if fees == [Amount::ZERO; 2] {
        return 72;
    }
    put_at(to, 66, fees[0].0.to_le_bytes());
    put_at(to, 82, fees[1].0.to_le_bytes());
    BUST_WITH_FEES
}

/// Reads a body whose kind is one of these.
pub(super) fn decode(from: Fields<'_>) -> Result<CommandBody, DecodeError> {
    let command = match from.byte(0) {
        KIND_TICK => {
            from.exactly(8)?;
            from.zeros::<7>(1)?;
            VenueCommand::Tick
        }
        18 => VenueCommand::SetMatching(decode_matching(from)?),
        19 => VenueCommand::SetBands(decode_bands(from)?),
        20 => {
            from.exactly(8)?;
            from.zeros::<1>(1)?;
            let price = Price(from.u32(4));
            from.check(4, price == Price(0) || price.is_limit())?;
            VenueCommand::SetReferencePrice(SetReferencePrice { instrument: from.instrument(2)?, price })
        }
        21 => {
            from.exactly(16)?;
            let state = from.letter(1, TradingState::from_letter)?;
            let collects = !matches!(state, TradingState::Trading | TradingState::Closed | TradingState::Halted);
            from.check(1, collects)?;
            let (instrument, until) = (from.instrument(2)?, Nanos(from.u64(8)));
            VenueCommand::StartAuction(StartAuction { instrument, state, reason: from.firm(4), until })
        }
        22 => VenueCommand::SetAccountDefaults(decode_defaults(from)?),
        23 => VenueCommand::Connected(decode_account(from)?),
        24 => VenueCommand::Disconnected(decode_account(from)?),
        25 => {
            from.exactly(8)?;
            from.zeros::<4>(4)?;
            let set = SetOperationalHalt { instrument: from.instrument(2)?, is_halted: from.flag(1)? };
            VenueCommand::SetOperationalHalt(set)
        }
        26 => {
            from.exactly(32)?;
            from.zeros::<7>(1)?;
            let (level_1, level_2, level_3) = (from.u64(8), from.u64(16), from.u64(24));
            VenueCommand::SetMarketWideLevels(SetMarketWideLevels { level_1, level_2, level_3 })
        }
        27 => {
            from.exactly(8)?;
            from.zeros::<6>(2)?;
            from.check(1, (1..=3).contains(&from.byte(1)))?;
            VenueCommand::BreachMarketWide(from.byte(1))
        }
        28 => VenueCommand::BustTrade(decode_bust(from)?),
        29 => {
            from.exactly(16)?;
            from.zeros::<1>(1)?;
            from.zeros::<4>(12)?;
            let session = SessionName(array_at(from.0, 2));
            from.check(2, session.0.iter().all(u8::is_ascii_alphanumeric))?;
            VenueCommand::RollDay(session)
        }
        30 => {
            from.exactly(8)?;
            from.zeros::<6>(2)?;
            VenueCommand::SetDayRolls(from.flag(1)?)
        }
        other => return Err(DecodeError::UnknownType(other)),
    };
    Ok(CommandBody::Venue(command))
}

fn decode_matching(from: Fields<'_>) -> Result<SetMatching, DecodeError> {
    from.exactly(16)?;
    from.zeros::<6>(10)?;
    Ok(SetMatching {
        instrument: from.instrument(2)?,
        algorithm: from.letter(1, MatchingAlgorithm::from_letter)?,
        minimum: Qty(from.u32(4)),
        elections_per_command_max: from.u16(8),
    })
}

fn decode_bands(from: Fields<'_>) -> Result<SetBands, DecodeError> {
    from.exactly(24)?;
    from.zeros::<1>(1)?;
    from.zeros::<4>(20)?;
    let set = SetBands {
        instrument: from.instrument(2)?,
        static_ppm: from.u32(4),
        dynamic_ppm: from.u32(8),
        collar_ppm: from.u32(12),
        auction_s: from.u32(16),
    };
    from.check(4, set.static_ppm <= MILLION)?;
    from.check(8, set.dynamic_ppm <= MILLION)?;
    from.check(12, set.collar_ppm <= MILLION)?;
    let has_bands = set.static_ppm != 0 || set.dynamic_ppm != 0;
    from.check(16, set.auction_s <= DAY_S && (set.auction_s > 0 || !has_bands))?;
    Ok(set)
}

fn decode_defaults(from: Fields<'_>) -> Result<SetAccountDefaults, DecodeError> {
    from.exactly(16)?;
    from.zeros::<3>(13)?;
    let known = |letter: u8| letter == b'B' || letter != b'*' && AIQ_STRATEGIES.contains(&letter);
    Ok(SetAccountDefaults {
        account: account_at(from)?,
        aiq_strategy: from.letter(1, |letter| known(letter).then_some(letter))?,
        aiq_group_id: from.printable(2)?,
        cancel_on_disconnect: from.flag(12)?,
        grace_ms: from.u32(8),
    })
}

fn account_at(from: Fields<'_>) -> Result<AccountId, DecodeError> {
    let account = AccountId(from.u32(4));
    from.check(4, account.0 < ACCOUNTS_MAX)?;
    Ok(account)
}

fn decode_account(from: Fields<'_>) -> Result<AccountId, DecodeError> {
    from.exactly(8)?;
    from.zeros::<3>(1)?;
    account_at(from)
}

fn decode_bust(from: Fields<'_>) -> Result<BustTrade, DecodeError> {
    let fees = if from.0.len() == BUST_WITH_FEES {
        from.zeros::<6>(98)?;
        let fees = [66, 82].map(|at| Amount(i128::from_le_bytes(array_at(from.0, at))));
        let in_range = |fee: &Amount| (-Amount::MAX.0..=Amount::MAX.0).contains(&fee.0);
        from.check(66, fees != [Amount::ZERO; 2] && fees.iter().all(in_range))?;
        fees
    } else {
        from.exactly(72)?;
        from.zeros::<6>(66)?;
        [Amount::ZERO; 2]
    };
    let [buyer_fee, seller_fee] = fees.map(PackedAmount::from);
    let party = |at: usize, flag_at: usize| {
        Ok(Party {
            owner: Owner::from_bits(from.u32(at)),
            user_ref_num: from.number(at + 4),
            cl_ord_id: ClOrdId(array_at(from.0, at + 8)),
            flag: from.letter(flag_at, LiquidityFlag::from_letter)?,
        })
    };
    Ok(BustTrade {
        match_number: MatchNumber(from.u64(8)),
        instrument: from.instrument(2)?,
        quantity: Qty(from.u32(4)),
        price: Price(from.u32(16)),
        reason: from.letter(1, BustReason::from_letter)?,
        buyer: party(20, 42)?,
        seller: party(44, 43)?,
        buyer_fee,
        seller_fee,
    })
}
