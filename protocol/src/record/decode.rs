//! From the bytes that [`super`] draws back to a command. Called for every record of a journal, good or damaged: it
//! must never panic and never make a value that no command can hold.

use super::{BODY_BYTES_MAX, ORDER_BYTES, venue};
use crate::command::{
    AccountQuery, CancelOrder, CommandBody, EnterOrder, EntrySwitch, ListInstrument, MassCancel, ModifyOrder,
    OpenAccount, OpenVenue, OrderTags, Refuse, RefuseReplace, ReplaceOrder, SetShortSaleTest, SetTradingState, TagSet,
};
use crate::decode_error::DecodeError;
use crate::limits::ACCOUNTS_MAX;
use crate::ouch::tags::{self, Terms};
use crate::reject::RejectReason;
use crate::types::{
    AccountId, AccountName, Capacity, ClOrdId, CrossType, Display, Firm, InstrumentId, Nanos, Owner, Price, Qty,
    SessionName, Side, Symbol, SystemEventCode, TimeInForce, TradingState, UserRefNum,
};
use crate::wire::array_at;

/// Reads a body of exactly the bytes that were written. Every value that comes out is one that [`super::encode()`] can have
/// been given: letters are known, ranges hold, and what must be zero is.
///
/// # Errors
/// Unknown kind, wrong length, a value out of its range, with its offset in the body.
pub fn decode(bytes: &[u8]) -> Result<CommandBody, DecodeError> {
    let from = Fields(bytes);
    match from.byte(0) {
        1 => decode_enter(from).map(CommandBody::Enter),
        2 => decode_replace(from).map(CommandBody::Replace),
        3 => decode_cancel(from).map(CommandBody::Cancel),
        4 => decode_modify(from).map(CommandBody::Modify),
        5 => decode_mass_cancel(from).map(CommandBody::MassCancel),
        6 => decode_switch(from).map(CommandBody::DisableEntry),
        7 => decode_switch(from).map(CommandBody::EnableEntry),
        8 => {
            from.exactly(8)?;
            from.zeros::<3>(1)?;
            Ok(CommandBody::Query(AccountQuery { owner: from.owner() }))
        }
        9 => decode_refuse(from).map(CommandBody::Refuse),
        10 => decode_refuse_replace(from).map(CommandBody::RefuseReplace),
        11 => decode_open_venue(from).map(CommandBody::OpenVenue),
        12 => decode_listing(from).map(CommandBody::ListInstrument),
        13 => {
            from.exactly(8)?;
            let state = from.letter(1, TradingState::from_letter)?;
            let instrument = from.instrument(2)?;
            Ok(CommandBody::SetTradingState(SetTradingState { instrument, state, reason: from.firm(4) }))
        }
        14 => {
            from.exactly(8)?;
            from.zeros::<4>(4)?;
            let action = from.letter(1, |letter| b"012".contains(&letter).then_some(letter))?;
            Ok(CommandBody::SetShortSaleTest(SetShortSaleTest { instrument: from.instrument(2)?, action }))
        }
        15 => decode_open_account(from).map(CommandBody::OpenAccount),
        16 => {
            from.exactly(8)?;
            from.zeros::<6>(2)?;
            Ok(CommandBody::SystemEvent(from.letter(1, SystemEventCode::from_letter)?))
        }
        17..=30 => venue::decode(from),
        super::operator::KIND => super::operator::decode(bytes).map(CommandBody::Operator),
        _ if bytes.is_empty() => Err(DecodeError::TooShort { message_type: 0, expected: 8, found: 0 }),
        other => Err(DecodeError::UnknownType(other)),
    }
}

/// A body being read. Offsets are those of the table above.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn byte(self, offset: usize) -> u8 {
        let [byte] = array_at(self.0, offset);
        byte
    }

    pub(super) fn u16(self, offset: usize) -> u16 {
        u16::from_le_bytes(array_at(self.0, offset))
    }

    pub(super) fn u32(self, offset: usize) -> u32 {
        u32::from_le_bytes(array_at(self.0, offset))
    }

    pub(super) fn u64(self, offset: usize) -> u64 {
        u64::from_le_bytes(array_at(self.0, offset))
    }

    fn owner(self) -> Owner {
        Owner::from_bits(self.u32(4))
    }

    pub(super) fn number(self, offset: usize) -> UserRefNum {
        UserRefNum(self.u32(offset))
    }

    pub(super) fn firm(self, offset: usize) -> Firm {
        Firm(array_at(self.0, offset))
    }

    pub(super) fn exactly(self, expected: usize) -> Result<(), DecodeError> {
        let (message_type, found) = (self.byte(0), self.0.len());
        match found.cmp(&expected) {
            core::cmp::Ordering::Less => Err(DecodeError::TooShort { message_type, expected, found }),
            core::cmp::Ordering::Equal => Ok(()),
            core::cmp::Ordering::Greater => Err(DecodeError::TooLong { message_type, expected, found }),
        }
    }

    fn bad(self, offset: usize) -> DecodeError {
        DecodeError::BadValue { offset, found: u64::from(self.byte(offset)) }
    }

    pub(super) fn check(self, offset: usize, holds: bool) -> Result<(), DecodeError> {
        if holds { Ok(()) } else { Err(self.bad(offset)) }
    }

    pub(super) fn zeros<const N: usize>(self, offset: usize) -> Result<(), DecodeError> {
        self.check(offset, array_at::<N>(self.0, offset) == [0; N])
    }

    pub(super) fn letter<T>(self, offset: usize, from_letter: impl Fn(u8) -> Option<T>) -> Result<T, DecodeError> {
        from_letter(self.byte(offset)).ok_or(self.bad(offset))
    }

    pub(super) fn flag(self, offset: usize) -> Result<bool, DecodeError> {
        self.letter(offset, |byte| match byte {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })
    }

    fn optional_side(self, offset: usize) -> Result<Option<Side>, DecodeError> {
        if self.byte(offset) == 0 { Ok(None) } else { self.letter(offset, Side::from_letter).map(Some) }
    }

    pub(super) fn instrument(self, offset: usize) -> Result<InstrumentId, DecodeError> {
        let instrument = InstrumentId(self.u16(offset));
        self.check(offset, instrument.0 != 0)?;
        Ok(instrument)
    }

    fn order_price(self, offset: usize) -> Result<Price, DecodeError> {
        let price = Price(self.u32(offset));
        self.check(offset, price.is_limit() || price.is_market())?;
        Ok(price)
    }

    pub(super) fn printable<const N: usize>(self, offset: usize) -> Result<[u8; N], DecodeError> {
        let text = array_at(self.0, offset);
        self.check(offset, text.iter().all(|byte| (0x20..0x7f).contains(byte)))?;
        Ok(text)
    }

    fn reason(self) -> Result<RejectReason, DecodeError> {
        RejectReason::from_number(self.u16(2)).ok_or(self.bad(2))
    }

    /// The optional fields of an order, none when the body ends before them.
    fn tags(self, terms: Terms, excluded: TagSet) -> Result<OrderTags, DecodeError> {
        if self.0.len() == ORDER_BYTES {
            return Ok(OrderTags::NONE);
        }
        self.exactly(BODY_BYTES_MAX)?;
        self.zeros::<1>(103)?;
        let tags = OrderTags {
            present: TagSet(self.u32(40)),
            firm: self.firm(44),
            min_qty: Qty(self.u32(48)),
            max_floor: Qty(self.u32(52)),
            peg_offset: i32::from_le_bytes(array_at(self.0, 56)),
            random_reserves: Qty(self.u32(60)),
            expire_time_s: self.u32(64),
            locate_broker: self.firm(68),
            stop_price: Price(self.u32(72)),
            trail_offset: Price(self.u32(76)),
            expire_at: Nanos(u64::from_le_bytes(array_at(self.0, 80))),
            group_id: self.u16(88),
            aiq_group_id: array_at(self.0, 90),
            customer_type: self.byte(92),
            price_type: self.byte(93),
            post_only: self.flag(94)?,
            trade_now: self.byte(95),
            handle_inst: self.byte(96),
            shares_located: self.byte(97),
            side: self.optional_side(98)?,
            aiq_strategy: self.byte(99),
            stop_trigger: self.byte(100),
            cancel_on_disconnect: self.byte(101),
            report_details: self.flag(102)?,
        };
        let known = TagSet::BY_TAG.iter().fold(TagSet::NONE, |all, (_, tag)| all.with(*tag));
        let allowed = TagSet(known.0 & !excluded.0);
        self.check(40, tags.present != TagSet::NONE && allowed.has(tags.present))?;
        // Taken through admission again: what is present must be valid there, what is absent must be the default.
        let mut admitted = OrderTags { present: TagSet(tags.present.0 & TagSet::USER_REF_IDX.0), ..OrderTags::NONE };
        let mut valid = true;
        tags::for_each(&tags, known, |element| valid &= tags::apply(&mut admitted, element, terms).is_ok());
        self.check(40, valid && admitted == tags)?;
        Ok(tags)
    }
}

fn decode_enter(from: Fields<'_>) -> Result<EnterOrder, DecodeError> {
    from.exactly(if from.0.len() > ORDER_BYTES { BODY_BYTES_MAX } else { ORDER_BYTES })?;
    from.zeros::<1>(1)?;
    let quantity = Qty(from.u32(12));
    from.check(12, quantity.0 > 0)?;
    let time_in_force = from.letter(21, TimeInForce::from_letter)?;
    let tags = from.tags(Terms { quantity, time_in_force }, TagSet::SIDE)?;
    from.check(40, !tags::expiry_is_missing(&tags, time_in_force))?;
    Ok(EnterOrder {
        owner: from.owner(),
        user_ref_num: from.number(8),
        quantity,
        price: from.order_price(16)?,
        instrument: from.instrument(2)?,
        side: from.letter(20, Side::from_letter)?,
        time_in_force,
        display: from.letter(22, Display::from_letter)?,
        capacity: from.letter(23, Capacity::from_letter)?,
        sweep: from.flag(24)?,
        cross_type: from.letter(25, CrossType::from_letter)?,
        cl_ord_id: ClOrdId(array_at(from.0, 26)),
        tags,
    })
}

fn decode_replace(from: Fields<'_>) -> Result<ReplaceOrder, DecodeError> {
    from.exactly(if from.0.len() > ORDER_BYTES { BODY_BYTES_MAX } else { ORDER_BYTES })?;
    from.zeros::<2>(38)?;
    let quantity = Qty(from.u32(16));
    let time_in_force = from.letter(1, TimeInForce::from_letter)?;
    from.check(1, time_in_force != TimeInForce::AfterHours)?;
    let inherited = TagSet::FIRM.with(TagSet::CUSTOMER_TYPE).with(TagSet::GROUP_ID);
    Ok(ReplaceOrder {
        owner: from.owner(),
        orig_user_ref_num: from.number(8),
        user_ref_num: from.number(12),
        quantity,
        price: from.order_price(20)?,
        time_in_force,
        display: from.letter(2, Display::from_letter)?,
        sweep: from.flag(3)?,
        cl_ord_id: ClOrdId(array_at(from.0, 24)),
        tags: from.tags(Terms { quantity, time_in_force }, inherited)?,
    })
}

fn decode_cancel(from: Fields<'_>) -> Result<CancelOrder, DecodeError> {
    from.exactly(16)?;
    from.zeros::<3>(1)?;
    Ok(CancelOrder { owner: from.owner(), user_ref_num: from.number(8), quantity: Qty(from.u32(12)) })
}

fn decode_modify(from: Fields<'_>) -> Result<ModifyOrder, DecodeError> {
    from.exactly(24)?;
    from.zeros::<1>(3)?;
    let modify = ModifyOrder {
        owner: from.owner(),
        user_ref_num: from.number(8),
        side: from.letter(1, Side::from_letter)?,
        quantity: Qty(from.u32(12)),
        present: TagSet(from.u32(16)),
        shares_located: from.letter(2, |letter| b"YN".contains(&letter).then_some(letter))?,
        locate_broker: from.firm(20),
    };
    let allowed = TagSet::SHARES_LOCATED.with(TagSet::LOCATE_BROKER).with(TagSet::USER_REF_IDX);
    from.check(16, allowed.has(modify.present))?;
    from.check(2, modify.shares_located == b'N' || modify.present.has(TagSet::SHARES_LOCATED))?;
    from.check(20, modify.locate_broker == Firm::BLANK || modify.present.has(TagSet::LOCATE_BROKER))?;
    Ok(modify)
}

fn decode_mass_cancel(from: Fields<'_>) -> Result<MassCancel, DecodeError> {
    from.exactly(32)?;
    from.zeros::<2>(30)?;
    let instrument = InstrumentId(from.u16(28));
    let request = MassCancel {
        owner: from.owner(),
        user_ref_num: from.number(8),
        firm: from.firm(12),
        symbol: Symbol(array_at(from.0, 16)),
        instrument: (instrument.0 != 0).then_some(instrument),
        side: from.optional_side(1)?,
        group_id: from.u16(2),
        present: TagSet(from.u32(24)),
    };
    let allowed = TagSet::GROUP_ID.with(TagSet::SIDE).with(TagSet::USER_REF_IDX);
    from.check(24, allowed.has(request.present))?;
    from.check(28, request.instrument.is_none() == (request.symbol == Symbol::BLANK))?;
    from.check(1, request.side.is_some() == request.present.has(TagSet::SIDE))?;
    from.check(2, request.group_id == 0 || request.present.has(TagSet::GROUP_ID))?;
    Ok(request)
}

fn decode_switch(from: Fields<'_>) -> Result<EntrySwitch, DecodeError> {
    from.exactly(16)?;
    from.zeros::<3>(1)?;
    Ok(EntrySwitch { owner: from.owner(), user_ref_num: from.number(8), firm: from.firm(12) })
}

fn decode_refuse(from: Fields<'_>) -> Result<Refuse, DecodeError> {
    from.exactly(32)?;
    from.zeros::<1>(1)?;
    from.zeros::<6>(26)?;
    let cl_ord_id = ClOrdId(array_at(from.0, 12));
    Ok(Refuse { owner: from.owner(), user_ref_num: from.number(8), reason: from.reason()?, cl_ord_id })
}

fn decode_refuse_replace(from: Fields<'_>) -> Result<RefuseReplace, DecodeError> {
    from.exactly(16)?;
    from.zeros::<1>(1)?;
    Ok(RefuseReplace {
        owner: from.owner(),
        orig_user_ref_num: from.number(8),
        user_ref_num: from.number(12),
        reason: from.reason()?,
    })
}

fn decode_open_venue(from: Fields<'_>) -> Result<OpenVenue, DecodeError> {
    from.exactly(32)?;
    from.zeros::<1>(1)?;
    from.zeros::<2>(30)?;
    Ok(OpenVenue {
        session: SessionName(from.printable(20)?),
        orders_max: from.u32(4),
        accounts_max: from.u32(8),
        channels_max: from.u32(12),
        instruments_max: from.u16(2),
        orders_per_command_max: from.u32(16),
    })
}

fn decode_listing(from: Fields<'_>) -> Result<ListInstrument, DecodeError> {
    from.exactly(32)?;
    from.zeros::<3>(29)?;
    let listing = ListInstrument {
        instrument: from.instrument(2)?,
        symbol: Symbol(from.printable(4)?),
        price_decimals: from.byte(1),
        qty_decimals: i8::from_le_bytes(array_at(from.0, 28)),
        tick: Price(from.u32(12)),
        lot: Qty(from.u32(16)),
        max_qty: Qty(from.u32(20)),
        reference_price: Price(from.u32(24)),
    };
    from.check(1, listing.price_decimals <= 12)?;
    from.check(28, (-9..=12).contains(&listing.qty_decimals))?;
    from.check(12, listing.tick.0 > 0)?;
    from.check(16, listing.lot.0 > 0)?;
    Ok(listing)
}

fn decode_open_account(from: Fields<'_>) -> Result<OpenAccount, DecodeError> {
    from.exactly(24)?;
    from.zeros::<3>(1)?;
    from.zeros::<6>(18)?;
    let account = AccountId(from.u32(4));
    from.check(4, account.0 < ACCOUNTS_MAX)?;
    Ok(OpenAccount { account, name: AccountName(from.printable(8)?), firm: Firm(from.printable(14)?) })
}
