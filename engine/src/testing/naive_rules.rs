//! The refusals of the naive model: venue-rules.md and ouch50.md §5-§6 written down once more, as one list per step, in
//! the order of the reject reasons. Shares nothing with the core.

use protocol::RejectReason;
use protocol::command::{OrderTags, TagSet};
use protocol::types::{CrossType, Display, Nanos, Price, Qty, TimeInForce};

/// An order as it is asked for, new or by Replace.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) quantity: u64,
    pub(super) price: u64,
    pub(super) time_in_force: TimeInForce,
    pub(super) display: Display,
    pub(super) cross_type: CrossType,
    pub(super) post_only: bool,
    pub(super) tags: OrderTags,
    pub(super) now: Nanos,
}

/// The grid of an instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) tick: u64,
    pub(super) lot: u64,
    pub(super) max_qty: u64,
}

impl Wish {
    pub(super) fn is_market(&self) -> bool {
        self.price == 2_000_000_000 || self.price == 2_147_483_647
    }

    /// May not rest, whatever happens.
    pub(super) fn is_immediate(&self) -> bool {
        self.is_market() || self.time_in_force == TimeInForce::Ioc || self.time_in_force == TimeInForce::Fok
    }

    /// What is wrong with it in itself.
    pub(super) fn wrong_alone(&self) -> Option<RejectReason> {
        let tags = &self.tags;
        let sent = |tag: TagSet| tags.present.has(tag);
        let is_price = |price: Price| (1..=1_999_999_900).contains(&price.0);
        let is_gtt = self.time_in_force == TimeInForce::Gtt;
        let is_gtd = self.time_in_force == TimeInForce::Gtd;
        let list = [
            ((self.price == 0 || self.price > 1_999_999_900) && !self.is_market(), RejectReason::PriceOutOfRange),
            (b"OTQR".contains(&tags.handle_inst), RejectReason::HandleInstUnsupported),
            (sent(TagSet::STOP_PRICE) && !is_price(tags.stop_price), RejectReason::StopPriceOutOfRange),
            (sent(TagSet::TRAIL_OFFSET) && !is_price(tags.trail_offset), RejectReason::StopPriceOutOfRange),
            (u64::from(tags.min_qty.0) > self.quantity, RejectReason::MinQtyAboveQuantity),
            (is_gtt != sent(TagSet::EXPIRE_TIME), RejectReason::ExpiryInvalid),
            (is_gtt && tags.expire_time_s >= 86_400, RejectReason::ExpiryInvalid),
            (is_gtd != sent(TagSet::EXPIRE_AT), RejectReason::ExpiryInvalid),
            (is_gtd && tags.expire_at.0 <= self.now.0, RejectReason::ExpiryInvalid),
        ];
        first(&list)
    }

    /// What is wrong with it on this instrument and this venue.
    pub(super) fn wrong_on(&self, grid: &Grid) -> Option<RejectReason> {
        let tags = &self.tags;
        let sent = |tag: TagSet| tags.present.has(tag);
        let is_hidden = self.display == Display::Hidden;
        let off_grid = |price: u64| !price.is_multiple_of(grid.tick);
        let floor = u64::from(tags.max_floor.0);
        let is_stop = sent(TagSet::STOP_PRICE) || sent(TagSet::TRAIL_OFFSET) || sent(TagSet::STOP_TRIGGER);
        let is_timed = self.time_in_force == TimeInForce::Gtt || self.time_in_force == TimeInForce::Gtd;
        let has_min = tags.min_qty > Qty::ZERO;
        let list = [
            (self.quantity > grid.max_qty, RejectReason::QuantityAboveMax),
            (!self.quantity.is_multiple_of(grid.lot), RejectReason::QuantityNotOnLot),
            (!self.is_market() && off_grid(self.price), RejectReason::PriceNotOnTick),
            (off_grid(tags.stop_price.0.into()), RejectReason::StopPriceNotOnTick),
            (off_grid(tags.trail_offset.0.into()), RejectReason::StopPriceNotOnTick),
            (has_min && !is_hidden && !self.is_immediate(), RejectReason::MinQtyOnDisplayed),
            (floor > 0 && (floor >= self.quantity || is_hidden || self.is_immediate()), RejectReason::MaxFloorInvalid),
            (self.post_only && self.is_immediate(), RejectReason::PostOnlyInvalid),
            (is_stop, RejectReason::NotSupported),
            (floor > 0, RejectReason::NotSupported),
            (tags.handle_inst != b' ', RejectReason::NotSupported),
            (is_timed, RejectReason::NotSupported),
            (has_min && !self.is_immediate(), RejectReason::NotSupported),
            (!b"N*".contains(&tags.aiq_strategy), RejectReason::NotSupported),
            (tags.cancel_on_disconnect == b'Y', RejectReason::NotSupported),
            (tags.price_type != b'L', RejectReason::PegNotSupported),
            (self.cross_type != CrossType::Continuous, RejectReason::CrossNotSupported),
        ];
        first(&list)
    }
}

fn first(list: &[(bool, RejectReason)]) -> Option<RejectReason> {
    list.iter().find(|(is_wrong, _)| *is_wrong).map(|(_, reason)| *reason)
}
