//! [`OrderTags`] and the appendage elements they come from: what each tag of Enter and Replace may hold, and back to
//! the elements for the echo. Admission and the decoder of records judge by the same rules here.

use super::appendage::Element;
use crate::command::{OrderTags, TagSet};
use crate::reject::RejectReason;
use crate::types::{Price, Qty, Side, TimeInForce};

/// What the tags of an order are judged against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) quantity: Qty,
    pub(crate) time_in_force: TimeInForce,
}

/// Letters of the self-match prevention table (ouch50.md §5).
pub(crate) const AIQ_STRATEGIES: &[u8] = b"YyZ0DdE1OoP2WwX4RrS5N*";

fn one_of(letter: u8, letters: &[u8], otherwise: RejectReason) -> Result<u8, RejectReason> {
    if letters.contains(&letter) { Ok(letter) } else { Err(otherwise) }
}

fn flag(letter: u8, letters: &[u8]) -> Result<u8, RejectReason> {
    one_of(letter, letters, RejectReason::TagValueUnknown)
}

fn stop_distance(wire: u64) -> Result<Price, RejectReason> {
    u32::try_from(wire).map(Price).ok().filter(|price| price.is_limit()).ok_or(RejectReason::StopPriceOutOfRange)
}

fn require(holds: bool, otherwise: RejectReason) -> Result<(), RejectReason> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Takes one element into `tags`, or says what is wrong with its value.
#[inline]
#[expect(clippy::too_many_lines, reason = "a flat list: one arm per tag")]
pub(crate) fn apply(tags: &mut OrderTags, element: Element, terms: Terms) -> Result<(), RejectReason> {
    let taken = match element {
        Element::Firm(firm) => {
            tags.firm = firm;
            TagSet::FIRM
        }
        Element::MinQty(quantity) => {
            require(quantity <= terms.quantity, RejectReason::MinQtyAboveQuantity)?;
            tags.min_qty = quantity;
            TagSet::MIN_QTY
        }
        Element::CustomerType(letter) => {
            tags.customer_type = flag(letter, b"RN ")?;
            TagSet::CUSTOMER_TYPE
        }
        Element::MaxFloor(quantity) => {
            tags.max_floor = quantity;
            TagSet::MAX_FLOOR
        }
        Element::PriceType(letter) => {
            tags.price_type = one_of(letter, b"LPMRQm", RejectReason::PriceTypeUnknown)?;
            TagSet::PRICE_TYPE
        }
        Element::PegOffset(offset) => {
            tags.peg_offset = offset;
            TagSet::PEG_OFFSET
        }
        Element::PostOnly(letter) => {
            tags.post_only = flag(letter, b"PN")? == b'P';
            TagSet::POST_ONLY
        }
        Element::RandomReserves(quantity) => {
            tags.random_reserves = quantity;
            TagSet::RANDOM_RESERVES
        }
        Element::ExpireTime(seconds) => {
            require(terms.time_in_force == TimeInForce::Gtt && seconds < 86_400, RejectReason::ExpiryInvalid)?;
            tags.expire_time_s = seconds;
            TagSet::EXPIRE_TIME
        }
        Element::TradeNow(letter) => {
            tags.trade_now = flag(letter, b"YN ")?;
            TagSet::TRADE_NOW
        }
        Element::HandleInst(letter) => {
            require(!b"OTQR".contains(&letter), RejectReason::HandleInstUnsupported)?;
            tags.handle_inst = flag(letter, b" IBD")?;
            TagSet::HANDLE_INST
        }
        Element::GroupId(group) => {
            tags.group_id = group;
            TagSet::GROUP_ID
        }
        Element::SharesLocated(letter) => {
            tags.shares_located = flag(letter, b"YN")?;
            TagSet::SHARES_LOCATED
        }
        Element::LocateBroker(firm) => {
            tags.locate_broker = firm;
            TagSet::LOCATE_BROKER
        }
        Element::Side(letter) => {
            tags.side = Some(Side::from_letter(letter).ok_or(RejectReason::SideUnknown)?);
            TagSet::SIDE
        }
        Element::UserRefIdx(_) => TagSet::USER_REF_IDX,
        Element::AiqStrategy(letter) => {
            tags.aiq_strategy = one_of(letter, AIQ_STRATEGIES, RejectReason::AiqUnknown)?;
            TagSet::AIQ_STRATEGY
        }
        Element::AiqGroupId(group) => {
            require(group.iter().all(|letter| (0x20..0x7f).contains(letter)), RejectReason::AiqUnknown)?;
            tags.aiq_group_id = group;
            TagSet::AIQ_GROUP_ID
        }
        Element::StopPrice(wire) => {
            tags.stop_price = stop_distance(wire)?;
            TagSet::STOP_PRICE
        }
        Element::StopTrigger(letter) => {
            tags.stop_trigger = flag(letter, b"LQM")?;
            TagSet::STOP_TRIGGER
        }
        Element::TrailOffset(wire) => {
            tags.trail_offset = stop_distance(wire)?;
            TagSet::TRAIL_OFFSET
        }
        Element::ExpireAt(at) => {
            require(terms.time_in_force == TimeInForce::Gtd, RejectReason::ExpiryInvalid)?;
            tags.expire_at = at;
            TagSet::EXPIRE_AT
        }
        Element::CancelOnDisconnect(letter) => {
            tags.cancel_on_disconnect = flag(letter, b"YN")?;
            TagSet::CANCEL_ON_DISCONNECT
        }
        Element::ReportDetails(letter) => {
            tags.report_details = flag(letter, b"YN")? == b'Y';
            TagSet::REPORT_DETAILS
        }
        // Discretion orders are refused, not stored.
        Element::DiscretionPrice(_) | Element::DiscretionPriceType(_) | Element::DiscretionPegOffset(_) => {
            return Err(RejectReason::Malformed);
        }
        // From the venue only.
        Element::SecondaryOrdRefNum(_)
        | Element::Route(_)
        | Element::BboWeightIndicator(_)
        | Element::ReferencePrice(_)
        | Element::ReferencePriceType(_)
        | Element::DisplayQuantity(_)
        | Element::DisplayPrice(_)
        | Element::IngressTime(_)
        | Element::SequencedTime(_)
        | Element::MatchedTime(_)
        | Element::DurableTime(_)
        | Element::QuantityAhead(_)
        | Element::Account(_) => return Err(RejectReason::Malformed),
    };
    tags.present = tags.present.with(taken);
    Ok(())
}

/// True when a tag without which the time in force means nothing is missing. A Replace inherits it from the order.
pub(crate) fn expiry_is_missing(tags: &OrderTags, time_in_force: TimeInForce) -> bool {
    (time_in_force == TimeInForce::Gtt && !tags.present.has(TagSet::EXPIRE_TIME))
        || (time_in_force == TimeInForce::Gtd && !tags.present.has(TagSet::EXPIRE_AT))
}

/// The elements of those tags that are in `tags.present` and in `wanted`, ascending by tag. Tag 28 is not among them:
/// its value belongs to the owner.
#[inline]
pub(crate) fn for_each(tags: &OrderTags, wanted: TagSet, mut take: impl FnMut(Element)) {
    let mut left = tags.present.0 & wanted.0 & !TagSet::USER_REF_IDX.0;
    while left != 0 {
        let lowest = TagSet(left & left.wrapping_neg());
        left &= left - 1;
        if let Some(element) = element_of(tags, lowest) {
            take(element);
        }
    }
}

/// The element of one tag.
fn element_of(tags: &OrderTags, tag: TagSet) -> Option<Element> {
    Some(match tag {
        TagSet::FIRM => Element::Firm(tags.firm),
        TagSet::MIN_QTY => Element::MinQty(tags.min_qty),
        TagSet::CUSTOMER_TYPE => Element::CustomerType(tags.customer_type),
        TagSet::MAX_FLOOR => Element::MaxFloor(tags.max_floor),
        TagSet::PRICE_TYPE => Element::PriceType(tags.price_type),
        TagSet::PEG_OFFSET => Element::PegOffset(tags.peg_offset),
        TagSet::POST_ONLY => Element::PostOnly(if tags.post_only { b'P' } else { b'N' }),
        TagSet::RANDOM_RESERVES => Element::RandomReserves(tags.random_reserves),
        TagSet::EXPIRE_TIME => Element::ExpireTime(tags.expire_time_s),
        TagSet::TRADE_NOW => Element::TradeNow(tags.trade_now),
        TagSet::HANDLE_INST => Element::HandleInst(tags.handle_inst),
        TagSet::GROUP_ID => Element::GroupId(tags.group_id),
        TagSet::SHARES_LOCATED => Element::SharesLocated(tags.shares_located),
        TagSet::LOCATE_BROKER => Element::LocateBroker(tags.locate_broker),
        TagSet::SIDE => Element::Side(tags.side?.letter()),
        TagSet::AIQ_STRATEGY => Element::AiqStrategy(tags.aiq_strategy),
        TagSet::AIQ_GROUP_ID => Element::AiqGroupId(tags.aiq_group_id),
        TagSet::STOP_PRICE => Element::StopPrice(u64::from(tags.stop_price.0)),
        TagSet::STOP_TRIGGER => Element::StopTrigger(tags.stop_trigger),
        TagSet::TRAIL_OFFSET => Element::TrailOffset(u64::from(tags.trail_offset.0)),
        TagSet::EXPIRE_AT => Element::ExpireAt(tags.expire_at),
        TagSet::CANCEL_ON_DISCONNECT => Element::CancelOnDisconnect(tags.cancel_on_disconnect),
        TagSet::REPORT_DETAILS => Element::ReportDetails(if tags.report_details { b'Y' } else { b'N' }),
        _ => return None,
    })
}
