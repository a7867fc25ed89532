//! The refusals of the naive model: venue-rules.md and ouch50.md §5-§6 written down once more, as one list per step, in
//! the order of the reject reasons. Shares nothing with the core.

use super::features::Features;
use super::naive_book::Instrument;
use protocol::RejectReason;
use protocol::command::{OrderTags, TagSet};
use protocol::types::{CrossType, Display, Nanos, Price, Qty, TimeInForce, TradingState};

/// An order as it is asked for, new or by Replace.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) quantity: u64,
    pub(super) price: u64,
    pub(super) time_in_force: TimeInForce,
    pub(super) display: Display,
    pub(super) cross_type: CrossType,
    pub(super) tags: OrderTags,
    pub(super) now: Nanos,
    pub(super) features: Features,
}

/// The grid of an instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) tick: u64,
    pub(super) lot: u64,
    pub(super) max_qty: u64,
}

impl Instrument {
    pub(super) fn grid(&self) -> Grid {
        Grid { tick: self.tick(), lot: self.lot(), max_qty: self.listed.max_qty.0.into() }
    }
}

impl Wish {
    pub(super) fn is_market(&self) -> bool {
        self.price == 2_000_000_000 || self.price == 2_147_483_647
    }

    /// Is for a cross.
    fn is_cross(&self) -> bool {
        self.cross_type != CrossType::Continuous
    }

    fn is_peg(&self) -> bool {
        self.tags.price_type != b'L'
    }

    /// Waits for a trigger.
    pub(super) fn is_stop(&self) -> bool {
        self.tags.present.has(TagSet::STOP_PRICE) || self.tags.present.has(TagSet::TRAIL_OFFSET)
    }

    /// May not rest once it is active, whatever happens.
    pub(super) fn is_immediate(&self) -> bool {
        let is_timed_out = self.time_in_force == TimeInForce::Ioc || self.time_in_force == TimeInForce::Fok;
        let waits = self.features != Features::NONE && (self.is_cross() || self.is_peg() && !is_timed_out);
        (self.is_market() || is_timed_out) && !waits
    }

    /// Places it takes of those of the venue.
    pub(super) fn places(&self) -> u64 {
        if self.tags.max_floor > Qty::ZERO { 2 } else { 1 }
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

    /// What is wrong with it on this instrument and this venue. A new order is judged by the state as well.
    pub(super) fn wrong_on(&self, grid: &Grid, state: Option<TradingState>) -> Option<RejectReason> {
        let tags = &self.tags;
        let is_hidden = self.display == Display::Hidden;
        let off_grid = |price: u64| !price.is_multiple_of(grid.tick);
        let floor = u64::from(tags.max_floor.0);
        let has_min = tags.min_qty > Qty::ZERO;
        let knows = |feature| self.features.has(feature);
        let off_lot = knows(Features::ICEBERGS)
            && (!floor.is_multiple_of(grid.lot) || tags.random_reserves > Qty::ZERO && floor == 0);
        let pegs_off_grid = knows(Features::PEGS) && off_grid(tags.peg_offset.unsigned_abs().into());
        let excludes_floor = floor >= self.quantity || is_hidden || self.is_immediate();
        let list = [
            (self.quantity > grid.max_qty, RejectReason::QuantityAboveMax),
            (!self.quantity.is_multiple_of(grid.lot), RejectReason::QuantityNotOnLot),
            (!self.is_market() && off_grid(self.price), RejectReason::PriceNotOnTick),
            (off_grid(tags.stop_price.0.into()), RejectReason::StopPriceNotOnTick),
            (off_grid(tags.trail_offset.0.into()), RejectReason::StopPriceNotOnTick),
            (self.is_peg() && pegs_off_grid, RejectReason::PegOffsetNotOnTick),
            (has_min && !is_hidden && !self.is_immediate(), RejectReason::MinQtyOnDisplayed),
            (floor > 0 && excludes_floor || off_lot, RejectReason::MaxFloorInvalid),
            (tags.post_only && self.is_immediate(), RejectReason::PostOnlyInvalid),
            (self.is_not_offered(), RejectReason::NotSupported),
            (self.is_peg() && !self.is_offered_peg(), RejectReason::PegNotSupported),
            (self.is_peg() && !is_hidden, RejectReason::PegDisplayed),
            (knows(Features::STATES) && self.is_bad_cross(state), RejectReason::CrossInvalid),
            (self.is_cross() && !self.is_offered_cross(), RejectReason::CrossNotSupported),
        ];
        first(&list)
    }

    fn is_not_offered(&self) -> bool {
        let tags = &self.tags;
        let knows = |feature| self.features.has(feature);
        let is_timed = self.time_in_force == TimeInForce::Gtt || self.time_in_force == TimeInForce::Gtd;
        let has_trigger = tags.present.has(TagSet::STOP_TRIGGER);
        let has_kept_min = tags.min_qty > Qty::ZERO && !self.is_immediate();
        let only_imbalance = tags.handle_inst == b'I' && knows(Features::STATES);
        (self.is_stop() && !knows(Features::STOPS))
            || (has_trigger && !(self.is_stop() && knows(Features::STOPS)))
            || (tags.max_floor > Qty::ZERO && !knows(Features::ICEBERGS))
            || (tags.handle_inst != b' ' && !only_imbalance)
            || (is_timed && !knows(Features::TIMED))
            || (has_kept_min && !knows(Features::HIDDEN_MIN))
            || (!b"N*".contains(&tags.aiq_strategy) && !knows(Features::SELF_MATCH))
            || (tags.cancel_on_disconnect == b'Y' && !knows(Features::DISCONNECT))
    }

    fn is_offered_peg(&self) -> bool {
        let is_known = b"PMR".contains(&self.tags.price_type);
        self.features.has(Features::PEGS) && is_known && !self.is_stop() && !self.is_cross()
    }

    fn is_offered_cross(&self) -> bool {
        let is_known = matches!(self.cross_type, CrossType::Opening | CrossType::Closing | CrossType::Halt);
        self.features.has(Features::STATES) && is_known
    }

    /// A cross order with terms that no cross order has, or in a state in which its cross takes none.
    fn is_bad_cross(&self, state: Option<TradingState>) -> bool {
        let only_imbalance = self.tags.handle_inst == b'I';
        if !self.is_offered_cross() {
            return only_imbalance;
        }
        let tags = &self.tags;
        let is_timed = !matches!(self.time_in_force, TimeInForce::Day | TimeInForce::Ioc);
        let has_more = tags.post_only || self.is_stop() || tags.max_floor > Qty::ZERO || tags.min_qty > Qty::ZERO;
        let cannot_balance = only_imbalance && (self.is_market() || self.cross_type == CrossType::Halt);
        let takes = |state: TradingState| match self.cross_type {
            CrossType::Opening => state == TradingState::PreOpen,
            CrossType::Halt => {
                matches!(state, TradingState::Halted | TradingState::Paused | TradingState::QuotationOnly)
            }
            CrossType::Closing
            | CrossType::Continuous
            | CrossType::Supplemental
            | CrossType::Retail
            | CrossType::ExtendedLife
            | CrossType::AfterHoursClose => true,
        };
        let is_late = !state.is_none_or(takes);
        is_timed || has_more || cannot_balance || is_late
    }
}

fn first(list: &[(bool, RejectReason)]) -> Option<RejectReason> {
    list.iter().find(|(is_wrong, _)| *is_wrong).map(|(_, reason)| *reason)
}
