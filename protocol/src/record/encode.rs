//! From a command to the bytes that [`super`] draws.

use super::{BODY_BYTES_MAX, ORDER_BYTES, venue};
use crate::command::{CommandBody, EnterOrder, EntrySwitch, MassCancel, ModifyOrder, OrderTags, ReplaceOrder, TagSet};
use crate::types::Side;
use crate::wire::put_at;

/// Writes `body` to the front of `out`; the bytes it takes. What is behind them in `out` is not touched.
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
        CommandBody::Operator(command) => super::operator::encode(command, out),
        CommandBody::Venue(command) => venue::encode(command, out),
    }
}

/// The first `N` bytes of `out`: the kind, and zeros.
#[inline]
pub(super) fn start<const N: usize>(out: &mut [u8; BODY_BYTES_MAX], kind: u8) -> &mut [u8] {
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
        | CommandBody::RefuseReplace(_)
        | CommandBody::Operator(_)
        | CommandBody::Venue(_) => 0,
    }
}
