//! From the bytes of a client to a command (ouch50.md §9, venue-rules.md Orders): every check that needs no instrument,
//! no account and no order, in the order of the fact sheet. What is found wrong travels as a command too, so that the
//! core can look at its number and answer; only what has no number is dropped here.
//!
//! Order of checks: lengths, appendage syntax and allowed tags; fixed fields from left to right; values of tags as they
//! come; a time tag that is missing; the symbol.

use super::appendage::{Element, Elements, tag_bit, tag_bits};
use super::inbound;
use super::tags::{self, Terms};
use crate::command::{
    AccountQuery, CancelOrder, CommandBody, EnterOrder, EntrySwitch, MassCancel, ModifyOrder, OrderTags, Refuse,
    RefuseReplace, ReplaceOrder,
};
use crate::reject::RejectReason;
use crate::types::{
    AccountId, Capacity, Channel, ClOrdId, CrossType, Display, Firm, InstrumentId, Owner, Price, Side, Symbol,
    TimeInForce, UserRefNum,
};
use crate::wire::{Wire, array_at};

/// What becomes of a client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A command for the core: what the client asks, or `Refuse` / `RefuseReplace`.
    Command(CommandBody),
    /// An invalid Cancel, Modify or Query: no answer is due.
    Ignore,
    /// Unknown type, or too short for a number: drop, count, keep the connection.
    Unreadable,
}

const ENTER_TAGS: u64 =
    tag_bits(&[2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 24, 25, 26, 28, 29, 30, 200, 201, 202, 203, 204, 205]);
const REPLACE_TAGS: u64 =
    tag_bits(&[3, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 25, 26, 27, 28, 29, 30, 200, 201, 202, 203, 204, 205]);
const MODIFY_TAGS: u64 = tag_bits(&[25, 26, 28]);
const MASS_CANCEL_TAGS: u64 = tag_bits(&[24, 27, 28]);
const CHANNEL_TAG: u64 = tag_bits(&[28]);

/// Judges one message of `account`. `resolve` says which instrument a symbol names; it is asked only for symbols of
/// messages that are right otherwise. Never allocates; cost is linear in the length of the appendage.
pub fn admit(bytes: &[u8], account: AccountId, resolve: impl Fn(Symbol) -> Option<InstrumentId>) -> Admission {
    match bytes.first() {
        Some(b'O') => numbered(bytes, |number| enter(bytes, number, account, resolve)),
        Some(b'U') => replace(bytes, account),
        Some(b'X') => numbered(bytes, |number| cancel(bytes, number, account)),
        Some(b'M') => numbered(bytes, |number| modify(bytes, number, account)),
        Some(b'C') => numbered(bytes, |number| mass_cancel(bytes, number, account, resolve)),
        Some(b'D') => numbered(bytes, |number| entry_switch(bytes, number, account, CommandBody::DisableEntry)),
        Some(b'E') => numbered(bytes, |number| entry_switch(bytes, number, account, CommandBody::EnableEntry)),
        Some(b'Q') => query(bytes, account),
        Some(_) | None => Admission::Unreadable,
    }
}

/// With the number after the type byte, when there is one.
#[inline]
fn numbered(bytes: &[u8], then: impl FnOnce(UserRefNum) -> Admission) -> Admission {
    if bytes.len() < 5 { Admission::Unreadable } else { then(UserRefNum::read(bytes, 1)) }
}

/// What follows the fixed fields.
struct Tail<'a> {
    /// The elements when lengths, tags, sizes and repeats are right.
    elements: Result<Elements<'a>, RejectReason>,
    /// Tag 28, as far as it can be read.
    channel: Channel,
}

/// Whether the appendage length must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Yes,
    No,
}

impl<'a> Tail<'a> {
    /// Looks at the tail of a message of `fixed` bytes, on which the tags in `allowed` may be.
    #[inline]
    fn read(bytes: &'a [u8], fixed: usize, allowed: u64, due: Due) -> Self {
        const EMPTY: &[u8] = &[];
        let broken = |channel| Self { elements: Err(RejectReason::Malformed), channel };
        let Some(rest) = bytes.get(fixed..) else { return broken(Channel(0)) };
        let Some((length, rest)) = rest.split_first_chunk() else {
            let absent = rest.is_empty() && due == Due::No;
            return if absent {
                Self { elements: Ok(Elements::of(EMPTY)), channel: Channel(0) }
            } else {
                broken(Channel(0))
            };
        };
        let length = usize::from(u16::from_be_bytes(*length));
        let elements = Elements::of(rest.get(..length).unwrap_or(rest));
        let (syntax_ok, channel) = syntax(elements.clone(), allowed);
        if syntax_ok && rest.len() == length { Self { elements: Ok(elements), channel } } else { broken(channel) }
    }
}

/// Whether every element is whole, allowed, of the right size and there once; and the first tag 28, when it is whole.
#[inline]
fn syntax(mut elements: Elements<'_>, allowed: u64) -> (bool, Channel) {
    let (mut ok, mut seen, mut channel) = (true, 0, Channel(0));
    for element in &mut elements {
        let bit = tag_bit(element.tag);
        if let (28, [value], true) = (element.tag, element.value, seen & bit == 0) {
            channel = Channel(*value);
        }
        ok &= bit & allowed & !seen != 0 && Element::value_bytes(element.tag) == Some(element.value.len());
        seen |= bit;
    }
    (ok && elements.rest().is_empty(), channel)
}

/// The elements, typed. After [`syntax`] each can be read.
fn typed(elements: Elements<'_>) -> impl Iterator<Item = Element> {
    elements.filter_map(|raw| Element::read(raw.tag, raw.value))
}

fn order_tags(elements: Elements<'_>, terms: Terms) -> Result<OrderTags, RejectReason> {
    let mut tags = OrderTags::NONE;
    for element in typed(elements) {
        tags::apply(&mut tags, element, terms)?;
    }
    Ok(tags)
}

fn limit_or_market(wire: u64) -> Result<Price, RejectReason> {
    u32::try_from(wire)
        .map(Price)
        .ok()
        .filter(|price| price.is_limit() || price.is_market())
        .ok_or(RejectReason::PriceOutOfRange)
}

fn yes_or_no(letter: u8) -> Result<bool, RejectReason> {
    match letter {
        b'Y' => Ok(true),
        b'N' => Ok(false),
        _ => Err(RejectReason::SweepUnknown),
    }
}

fn refuse(owner: Owner, user_ref_num: UserRefNum, reason: RejectReason, cl_ord_id: ClOrdId) -> Admission {
    Admission::Command(CommandBody::Refuse(Refuse { owner, user_ref_num, reason, cl_ord_id }))
}

fn enter(
    bytes: &[u8],
    number: UserRefNum,
    account: AccountId,
    resolve: impl Fn(Symbol) -> Option<InstrumentId>,
) -> Admission {
    let tail = Tail::read(bytes, inbound::EnterOrder::BYTES, ENTER_TAGS, Due::Yes);
    let owner = Owner::new(account, tail.channel);
    match valid_enter(bytes, owner, tail.elements, resolve) {
        Ok(order) => Admission::Command(CommandBody::Enter(order)),
        Err(reason) => {
            let long_enough = bytes.len() >= inbound::EnterOrder::BYTES;
            let cl_ord_id = if long_enough { ClOrdId(array_at(bytes, 31)) } else { ClOrdId::BLANK };
            refuse(owner, number, reason, cl_ord_id)
        }
    }
}

#[inline]
fn valid_enter(
    bytes: &[u8],
    owner: Owner,
    elements: Result<Elements<'_>, RejectReason>,
    resolve: impl Fn(Symbol) -> Option<InstrumentId>,
) -> Result<EnterOrder, RejectReason> {
    let elements = elements?;
    let fields = inbound::EnterOrder::read(bytes.first_chunk().ok_or(RejectReason::Malformed)?);
    let side = Side::from_letter(fields.side).ok_or(RejectReason::SideUnknown)?;
    if fields.quantity.0 == 0 {
        return Err(RejectReason::QuantityZero);
    }
    let price = limit_or_market(fields.price)?;
    let time_in_force = TimeInForce::from_letter(fields.time_in_force).ok_or(RejectReason::TimeInForceUnknown)?;
    let display = Display::from_letter(fields.display).ok_or(RejectReason::DisplayUnknown)?;
    let capacity = Capacity::from_letter(fields.capacity).ok_or(RejectReason::CapacityUnknown)?;
    let sweep = yes_or_no(fields.intermarket_sweep)?;
    let cross_type = CrossType::from_letter(fields.cross_type).ok_or(RejectReason::CrossTypeUnknown)?;
    let tags = order_tags(elements, Terms { quantity: fields.quantity, time_in_force })?;
    if tags::expiry_is_missing(&tags, time_in_force) {
        return Err(RejectReason::ExpiryInvalid);
    }
    let instrument = resolve(fields.symbol).ok_or(RejectReason::SymbolUnknown)?;
    Ok(EnterOrder {
        owner,
        user_ref_num: fields.user_ref_num,
        quantity: fields.quantity,
        price,
        instrument,
        side,
        time_in_force,
        display,
        capacity,
        sweep,
        cross_type,
        cl_ord_id: fields.cl_ord_id,
        tags,
    })
}

fn replace(bytes: &[u8], account: AccountId) -> Admission {
    if bytes.len() < 9 {
        return Admission::Unreadable;
    }
    let tail = Tail::read(bytes, inbound::ReplaceOrder::BYTES, REPLACE_TAGS, Due::Yes);
    let owner = Owner::new(account, tail.channel);
    Admission::Command(match valid_replace(bytes, owner, tail.elements) {
        Ok(order) => CommandBody::Replace(order),
        Err(reason) => CommandBody::RefuseReplace(RefuseReplace {
            owner,
            orig_user_ref_num: UserRefNum::read(bytes, 1),
            user_ref_num: UserRefNum::read(bytes, 5),
            reason,
        }),
    })
}

#[inline]
fn valid_replace(
    bytes: &[u8],
    owner: Owner,
    elements: Result<Elements<'_>, RejectReason>,
) -> Result<ReplaceOrder, RejectReason> {
    let elements = elements?;
    let fields = inbound::ReplaceOrder::read(bytes.first_chunk().ok_or(RejectReason::Malformed)?);
    let price = limit_or_market(fields.price)?;
    let time_in_force = TimeInForce::from_letter(fields.time_in_force)
        .filter(|time_in_force| *time_in_force != TimeInForce::AfterHours)
        .ok_or(RejectReason::TimeInForceUnknown)?;
    let display = Display::from_letter(fields.display).ok_or(RejectReason::DisplayUnknown)?;
    let sweep = yes_or_no(fields.intermarket_sweep)?;
    let tags = order_tags(elements, Terms { quantity: fields.quantity, time_in_force })?;
    Ok(ReplaceOrder {
        owner,
        orig_user_ref_num: fields.orig_user_ref_num,
        user_ref_num: fields.user_ref_num,
        quantity: fields.quantity,
        price,
        time_in_force,
        display,
        sweep,
        cl_ord_id: fields.cl_ord_id,
        tags,
    })
}

fn cancel(bytes: &[u8], number: UserRefNum, account: AccountId) -> Admission {
    let tail = Tail::read(bytes, inbound::CancelOrder::BYTES, CHANNEL_TAG, Due::No);
    let (Ok(_), Some(fixed)) = (tail.elements, bytes.first_chunk()) else { return Admission::Ignore };
    Admission::Command(CommandBody::Cancel(CancelOrder {
        owner: Owner::new(account, tail.channel),
        user_ref_num: number,
        quantity: inbound::CancelOrder::read(fixed).quantity,
    }))
}

fn modify(bytes: &[u8], number: UserRefNum, account: AccountId) -> Admission {
    let tail = Tail::read(bytes, inbound::ModifyOrder::BYTES, MODIFY_TAGS, Due::No);
    let (Ok(elements), Some(fixed)) = (tail.elements, bytes.first_chunk()) else { return Admission::Ignore };
    let fields = inbound::ModifyOrder::read(fixed);
    let terms = Terms { quantity: fields.quantity, time_in_force: TimeInForce::Day };
    match (Side::from_letter(fields.side), order_tags(elements, terms)) {
        (Some(side), Ok(tags)) => Admission::Command(CommandBody::Modify(ModifyOrder {
            owner: Owner::new(account, tail.channel),
            user_ref_num: number,
            side,
            quantity: fields.quantity,
            present: tags.present,
            shares_located: tags.shares_located,
            locate_broker: tags.locate_broker,
        })),
        (None, _) | (_, Err(_)) => Admission::Ignore,
    }
}

fn mass_cancel(
    bytes: &[u8],
    number: UserRefNum,
    account: AccountId,
    resolve: impl Fn(Symbol) -> Option<InstrumentId>,
) -> Admission {
    let tail = Tail::read(bytes, inbound::MassCancel::BYTES, MASS_CANCEL_TAGS, Due::Yes);
    let owner = Owner::new(account, tail.channel);
    match valid_mass_cancel(bytes, owner, tail.elements, resolve) {
        Ok(request) => Admission::Command(CommandBody::MassCancel(request)),
        Err(reason) => refuse(owner, number, reason, ClOrdId::BLANK),
    }
}

fn valid_mass_cancel(
    bytes: &[u8],
    owner: Owner,
    elements: Result<Elements<'_>, RejectReason>,
    resolve: impl Fn(Symbol) -> Option<InstrumentId>,
) -> Result<MassCancel, RejectReason> {
    let elements = elements?;
    let fields = inbound::MassCancel::read(bytes.first_chunk().ok_or(RejectReason::Malformed)?);
    let terms = Terms { quantity: crate::Qty::ZERO, time_in_force: TimeInForce::Day };
    let tags = order_tags(elements, terms)?;
    let instrument = if fields.symbol == Symbol::BLANK {
        None
    } else {
        Some(resolve(fields.symbol).ok_or(RejectReason::SymbolUnknown)?)
    };
    Ok(MassCancel {
        owner,
        user_ref_num: fields.user_ref_num,
        firm: fields.firm,
        symbol: fields.symbol,
        instrument,
        side: tags.side,
        group_id: tags.group_id,
        present: tags.present,
    })
}

fn entry_switch(
    bytes: &[u8],
    number: UserRefNum,
    account: AccountId,
    command: fn(EntrySwitch) -> CommandBody,
) -> Admission {
    let tail = Tail::read(bytes, inbound::DisableEntry::BYTES, CHANNEL_TAG, Due::Yes);
    let owner = Owner::new(account, tail.channel);
    match tail.elements {
        Ok(_) => Admission::Command(command(EntrySwitch { owner, user_ref_num: number, firm: Firm::read(bytes, 5) })),
        Err(reason) => refuse(owner, number, reason, ClOrdId::BLANK),
    }
}

fn query(bytes: &[u8], account: AccountId) -> Admission {
    let tail = Tail::read(bytes, inbound::AccountQuery::BYTES, CHANNEL_TAG, Due::No);
    match tail.elements {
        Ok(_) => Admission::Command(CommandBody::Query(AccountQuery { owner: Owner::new(account, tail.channel) })),
        Err(_) => Admission::Ignore,
    }
}
