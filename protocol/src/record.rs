//! The bytes of a command on disk. The journal puts a header of its own in front (checksum, length, sequence, ingress
//! time) and otherwise does not look inside. All numbers little-endian; every length a multiple of 8; bytes marked `-`
//! are zero, and checked when read. Kind numbers are stable and never reused.
//!
//! ```text
//! kind                 bytes
//!  1 Enter           40, 104  1 -  2 instrument  4 owner  8 user_ref_num  12 quantity  16 price  20 side
//!                             21 time_in_force  22 display  23 capacity  24 sweep  25 cross_type  26 cl_ord_id
//!  2 Replace         40, 104  1 time_in_force  2 display  3 sweep  4 owner  8 orig_user_ref_num  12 user_ref_num
//!                             16 quantity  20 price  24 cl_ord_id  38 -
//!  3 Cancel               16  1 -  4 owner  8 user_ref_num  12 quantity
//!  4 Modify               24  1 side  2 shares_located  3 -  4 owner  8 user_ref_num  12 quantity  16 present
//!                             20 locate_broker
//!  5 MassCancel           32  1 side or 0  2 group_id  4 owner  8 user_ref_num  12 firm  16 symbol  24 present
//!                             28 instrument or 0  30 -
//!  6 DisableEntry         16  1 -  4 owner  8 user_ref_num  12 firm
//!  7 EnableEntry          16  as DisableEntry
//!  8 Query                 8  1 -  4 owner
//!  9 Refuse               32  1 -  2 reason  4 owner  8 user_ref_num  12 cl_ord_id  26 -
//! 10 RefuseReplace        16  1 -  2 reason  4 owner  8 orig_user_ref_num  12 user_ref_num
//! 11 OpenVenue            32  1 -  2 instruments_max  4 orders_max  8 accounts_max  12 channels_max
//!                             16 orders_per_command_max  20 session  30 -
//! 12 ListInstrument       32  1 price_decimals  2 instrument  4 symbol  12 tick  16 lot  20 max_qty
//!                             24 reference_price  28 qty_decimals  29 -
//! 13 SetTradingState       8  1 state  2 instrument  4 reason
//! 14 SetShortSaleTest      8  1 action  2 instrument  4 -
//! 15 OpenAccount          24  1 -  4 account  8 name  14 firm  18 -
//! 16 SystemEvent           8  1 code  2 -
//! ```
//!
//! The optional fields of Enter and Replace follow at 40 when the client sent any, else the record ends there:
//!
//! ```text
//! 40 present   44 firm   48 min_qty   52 max_floor   56 peg_offset   60 random_reserves   64 expire_time_s
//! 68 locate_broker   72 stop_price   76 trail_offset   80 expire_at (8)   88 group_id (2)   90 aiq_group_id (2)
//! 92 customer_type   93 price_type   94 post_only   95 trade_now   96 handle_inst   97 shares_located
//! 98 side or 0   99 aiq_strategy   100 stop_trigger   101 cancel_on_disconnect   102 report_details   103 -
//! ```

use crate::command::{
    AccountQuery, CancelOrder, CommandBody, EnterOrder, EntrySwitch, ListInstrument, MassCancel, ModifyOrder,
    OpenAccount, OpenVenue, OrderTags, Refuse, RefuseReplace, ReplaceOrder, SetShortSaleTest, SetTradingState, TagSet,
};
use crate::decode_error::DecodeError;
use crate::limits::{ACCOUNTS_MAX, COMMAND_RECORD_BYTES_MAX};
use crate::ouch::tags::{self, Terms};
use crate::reject::RejectReason;
use crate::types::{
    AccountId, AccountName, Capacity, ClOrdId, CrossType, Display, Firm, InstrumentId, Nanos, Owner, Price, Qty,
    SessionName, Side, Symbol, SystemEventCode, TimeInForce, TradingState, UserRefNum,
};
use crate::wire::{array_at, put_at};

/// The longest body.
pub const BODY_BYTES_MAX: usize = 104;

const _: () = assert!(BODY_BYTES_MAX + 24 == COMMAND_RECORD_BYTES_MAX);

/// Bytes of Enter and Replace up to the optional fields.
const ORDER_BYTES: usize = 40;

/// Writes `body` to the front of `out` and answers how many bytes it takes. What is behind them in `out` is not touched.
#[inline]
pub fn encode(body: &CommandBody, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    match body {
        CommandBody::Enter(order) => enter(order, out),
        CommandBody::Replace(order) => replace(order, out),
        CommandBody::Cancel(cancel) => {
            let to = start::<16>(out, 3);
            put_at(to, 4, cancel.owner.to_bits().to_le_bytes());
            put_at(to, 8, cancel.user_ref_num.0.to_le_bytes());
            put_at(to, 12, cancel.quantity.0.to_le_bytes());
            16
        }
        CommandBody::Modify(modify) => encode_modify(modify, out),
        CommandBody::MassCancel(request) => encode_mass_cancel(request, out),
        CommandBody::DisableEntry(switch) => entry_switch(6, switch, out),
        CommandBody::EnableEntry(switch) => entry_switch(7, switch, out),
        CommandBody::Query(query) => {
            put_at(start::<8>(out, 8), 4, query.owner.to_bits().to_le_bytes());
            8
        }
        CommandBody::Refuse(refuse) => {
            let to = start::<32>(out, 9);
            put_at(to, 2, refuse.reason.number().to_le_bytes());
            put_at(to, 4, refuse.owner.to_bits().to_le_bytes());
            put_at(to, 8, refuse.user_ref_num.0.to_le_bytes());
            put_at(to, 12, refuse.cl_ord_id.0);
            32
        }
        CommandBody::RefuseReplace(refuse) => {
            let to = start::<16>(out, 10);
            put_at(to, 2, refuse.reason.number().to_le_bytes());
            put_at(to, 4, refuse.owner.to_bits().to_le_bytes());
            put_at(to, 8, refuse.orig_user_ref_num.0.to_le_bytes());
            put_at(to, 12, refuse.user_ref_num.0.to_le_bytes());
            16
        }
        CommandBody::OpenVenue(_)
        | CommandBody::ListInstrument(_)
        | CommandBody::SetTradingState(_)
        | CommandBody::SetShortSaleTest(_)
        | CommandBody::OpenAccount(_)
        | CommandBody::SystemEvent(_) => encode_operator(body, out),
    }
}

/// The first `N` bytes of `out`: the kind, and zeros.
#[inline]
fn start<const N: usize>(out: &mut [u8; BODY_BYTES_MAX], kind: u8) -> &mut [u8] {
    put_at(out, 0, [0; N]);
    put_at(out, 0, [kind]);
    out
}

#[inline]
fn enter(order: &EnterOrder, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    let to = start::<ORDER_BYTES>(out, 1);
    put_at(to, 2, order.instrument.0.to_le_bytes());
    put_at(to, 4, order.owner.to_bits().to_le_bytes());
    put_at(to, 8, order.user_ref_num.0.to_le_bytes());
    put_at(to, 12, order.quantity.0.to_le_bytes());
    put_at(to, 16, order.price.0.to_le_bytes());
    put_at(to, 20, [order.side.letter(), order.time_in_force.letter(), order.display.letter()]);
    put_at(to, 23, [order.capacity.letter(), u8::from(order.sweep), order.cross_type.letter()]);
    put_at(to, 26, order.cl_ord_id.0);
    encode_tags(&order.tags, out)
}

#[inline]
fn replace(order: &ReplaceOrder, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    let to = start::<ORDER_BYTES>(out, 2);
    put_at(to, 1, [order.time_in_force.letter(), order.display.letter(), u8::from(order.sweep)]);
    put_at(to, 4, order.owner.to_bits().to_le_bytes());
    put_at(to, 8, order.orig_user_ref_num.0.to_le_bytes());
    put_at(to, 12, order.user_ref_num.0.to_le_bytes());
    put_at(to, 16, order.quantity.0.to_le_bytes());
    put_at(to, 20, order.price.0.to_le_bytes());
    put_at(to, 24, order.cl_ord_id.0);
    encode_tags(&order.tags, out)
}

/// Writes the optional fields when there are any; the bytes of the whole body.
#[inline]
fn encode_tags(tags: &OrderTags, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    if tags.present == TagSet::NONE {
        return ORDER_BYTES;
    }
    put_at(out, 40, tags.present.0.to_le_bytes());
    put_at(out, 44, tags.firm.0);
    put_at(out, 48, tags.min_qty.0.to_le_bytes());
    put_at(out, 52, tags.max_floor.0.to_le_bytes());
    put_at(out, 56, tags.peg_offset.to_le_bytes());
    put_at(out, 60, tags.random_reserves.0.to_le_bytes());
    put_at(out, 64, tags.expire_time_s.to_le_bytes());
    put_at(out, 68, tags.locate_broker.0);
    put_at(out, 72, tags.stop_price.0.to_le_bytes());
    put_at(out, 76, tags.trail_offset.0.to_le_bytes());
    put_at(out, 80, tags.expire_at.0.to_le_bytes());
    put_at(out, 88, tags.group_id.to_le_bytes());
    put_at(out, 90, tags.aiq_group_id);
    put_at(out, 92, [tags.customer_type, tags.price_type, u8::from(tags.post_only), tags.trade_now]);
    put_at(out, 96, [tags.handle_inst, tags.shares_located, tags.side.map_or(0, Side::letter), tags.aiq_strategy]);
    put_at(out, 100, [tags.stop_trigger, tags.cancel_on_disconnect, u8::from(tags.report_details), 0]);
    BODY_BYTES_MAX
}

fn encode_modify(modify: &ModifyOrder, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    let to = start::<24>(out, 4);
    put_at(to, 1, [modify.side.letter(), modify.shares_located]);
    put_at(to, 4, modify.owner.to_bits().to_le_bytes());
    put_at(to, 8, modify.user_ref_num.0.to_le_bytes());
    put_at(to, 12, modify.quantity.0.to_le_bytes());
    put_at(to, 16, modify.present.0.to_le_bytes());
    put_at(to, 20, modify.locate_broker.0);
    24
}

fn encode_mass_cancel(request: &MassCancel, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    let to = start::<32>(out, 5);
    put_at(to, 1, [request.side.map_or(0, Side::letter)]);
    put_at(to, 2, request.group_id.to_le_bytes());
    put_at(to, 4, request.owner.to_bits().to_le_bytes());
    put_at(to, 8, request.user_ref_num.0.to_le_bytes());
    put_at(to, 12, request.firm.0);
    put_at(to, 16, request.symbol.0);
    put_at(to, 24, request.present.0.to_le_bytes());
    put_at(to, 28, request.instrument.map_or(0, |instrument| instrument.0).to_le_bytes());
    32
}

fn entry_switch(kind: u8, switch: &EntrySwitch, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    let to = start::<16>(out, kind);
    put_at(to, 4, switch.owner.to_bits().to_le_bytes());
    put_at(to, 8, switch.user_ref_num.0.to_le_bytes());
    put_at(to, 12, switch.firm.0);
    16
}

/// [`encode`] for what no client sends.
fn encode_operator(body: &CommandBody, out: &mut [u8; BODY_BYTES_MAX]) -> usize {
    match body {
        CommandBody::OpenVenue(venue) => {
            let to = start::<32>(out, 11);
            put_at(to, 2, venue.instruments_max.to_le_bytes());
            put_at(to, 4, venue.orders_max.to_le_bytes());
            put_at(to, 8, venue.accounts_max.to_le_bytes());
            put_at(to, 12, venue.channels_max.to_le_bytes());
            put_at(to, 16, venue.orders_per_command_max.to_le_bytes());
            put_at(to, 20, venue.session.0);
            32
        }
        CommandBody::ListInstrument(listing) => {
            let to = start::<32>(out, 12);
            put_at(to, 1, [listing.price_decimals]);
            put_at(to, 2, listing.instrument.0.to_le_bytes());
            put_at(to, 4, listing.symbol.0);
            put_at(to, 12, listing.tick.0.to_le_bytes());
            put_at(to, 16, listing.lot.0.to_le_bytes());
            put_at(to, 20, listing.max_qty.0.to_le_bytes());
            put_at(to, 24, listing.reference_price.0.to_le_bytes());
            put_at(to, 28, listing.qty_decimals.to_le_bytes());
            32
        }
        CommandBody::SetTradingState(set) => {
            let to = start::<8>(out, 13);
            put_at(to, 1, [set.state.letter()]);
            put_at(to, 2, set.instrument.0.to_le_bytes());
            put_at(to, 4, set.reason.0);
            8
        }
        CommandBody::SetShortSaleTest(set) => {
            let to = start::<8>(out, 14);
            put_at(to, 1, [set.action]);
            put_at(to, 2, set.instrument.0.to_le_bytes());
            8
        }
        CommandBody::OpenAccount(open) => {
            let to = start::<24>(out, 15);
            put_at(to, 4, open.account.0.to_le_bytes());
            put_at(to, 8, open.name.0);
            put_at(to, 14, open.firm.0);
            24
        }
        CommandBody::SystemEvent(code) => {
            put_at(start::<8>(out, 16), 1, [code.letter()]);
            8
        }
        CommandBody::Enter(_)
        | CommandBody::Replace(_)
        | CommandBody::Cancel(_)
        | CommandBody::Modify(_)
        | CommandBody::MassCancel(_)
        | CommandBody::DisableEntry(_)
        | CommandBody::EnableEntry(_)
        | CommandBody::Query(_)
        | CommandBody::Refuse(_)
        | CommandBody::RefuseReplace(_) => 0,
    }
}

/// Reads a body of exactly the bytes that were written. Every value that comes out is one that [`encode`] can have been
/// given: letters are known, ranges hold, and what must be zero is.
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
        _ if bytes.is_empty() => Err(DecodeError::TooShort { message_type: 0, expected: 8, found: 0 }),
        other => Err(DecodeError::UnknownType(other)),
    }
}

/// A body being read. Offsets are those of the table above.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn byte(self, offset: usize) -> u8 {
        let [byte] = array_at(self.0, offset);
        byte
    }

    fn u16(self, offset: usize) -> u16 {
        u16::from_le_bytes(array_at(self.0, offset))
    }

    fn u32(self, offset: usize) -> u32 {
        u32::from_le_bytes(array_at(self.0, offset))
    }

    fn owner(self) -> Owner {
        Owner::from_bits(self.u32(4))
    }

    fn number(self, offset: usize) -> UserRefNum {
        UserRefNum(self.u32(offset))
    }

    fn firm(self, offset: usize) -> Firm {
        Firm(array_at(self.0, offset))
    }

    fn exactly(self, expected: usize) -> Result<(), DecodeError> {
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

    fn check(self, offset: usize, holds: bool) -> Result<(), DecodeError> {
        if holds { Ok(()) } else { Err(self.bad(offset)) }
    }

    fn zeros<const N: usize>(self, offset: usize) -> Result<(), DecodeError> {
        self.check(offset, array_at::<N>(self.0, offset) == [0; N])
    }

    fn letter<T>(self, offset: usize, from_letter: impl Fn(u8) -> Option<T>) -> Result<T, DecodeError> {
        from_letter(self.byte(offset)).ok_or(self.bad(offset))
    }

    fn flag(self, offset: usize) -> Result<bool, DecodeError> {
        self.letter(offset, |byte| match byte {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })
    }

    fn optional_side(self, offset: usize) -> Result<Option<Side>, DecodeError> {
        if self.byte(offset) == 0 { Ok(None) } else { self.letter(offset, Side::from_letter).map(Some) }
    }

    fn instrument(self, offset: usize) -> Result<InstrumentId, DecodeError> {
        let instrument = InstrumentId(self.u16(offset));
        self.check(offset, instrument.0 != 0)?;
        Ok(instrument)
    }

    fn order_price(self, offset: usize) -> Result<Price, DecodeError> {
        let price = Price(self.u32(offset));
        self.check(offset, price.is_limit() || price.is_market())?;
        Ok(price)
    }

    fn printable<const N: usize>(self, offset: usize) -> Result<[u8; N], DecodeError> {
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
