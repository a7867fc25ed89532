//! What may become an order: every refusal that needs no book, in the order of [`RejectReason`] (venue-rules.md).
//!
//! All checks come before the first change. An order without optional rules passes a handful of comparisons; the rest is
//! kept out of its way.

use super::Core;
use super::instruments::Instrument;
use super::risk::Wish;
use protocol::RejectReason;
use protocol::command::{EnterOrder, OrderTags, ReplaceOrder, TagSet};
use protocol::types::{
    CrossType, Display, Firm, InstrumentId, Nanos, Owner, Price, Qty, Side, TimeInForce, TradingState,
};

/// Tags whose presence calls for the long checks.
pub(super) const RULED: u32 = TagSet::MIN_QTY.0
    | TagSet::MAX_FLOOR.0
    | TagSet::PRICE_TYPE.0
    | TagSet::POST_ONLY.0
    | TagSet::EXPIRE_TIME.0
    | TagSet::HANDLE_INST.0
    | TagSet::STOP_PRICE.0
    | TagSet::STOP_TRIGGER.0
    | TagSet::TRAIL_OFFSET.0
    | TagSet::EXPIRE_AT.0
    | TagSet::RANDOM_RESERVES.0
    | TagSet::AIQ_STRATEGY.0
    | TagSet::AIQ_GROUP_ID.0
    | TagSet::CANCEL_ON_DISCONNECT.0;

/// Seconds of a day: `ExpireTime` is below.
const DAY_S: u32 = 86_400;

/// What Enter and Replace have in common, with the inherited values of a Replace filled in.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) quantity: Qty,
    pub(crate) price: Price,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) display: Display,
    pub(crate) cross_type: CrossType,
    pub(crate) tags: &'a OrderTags,
}

impl<'a> Terms<'a> {
    pub(crate) fn of_enter(enter: &'a EnterOrder) -> Self {
        Self {
            quantity: enter.quantity,
            price: enter.price,
            time_in_force: enter.time_in_force,
            display: enter.display,
            cross_type: enter.cross_type,
            tags: &enter.tags,
        }
    }

    /// Nothing of it may rest.
    pub(crate) fn is_immediate(&self) -> bool {
        let waits = self.cross_type != CrossType::Continuous;
        !waits && (self.time_in_force.is_immediate() || self.price.is_market() && !self.is_pegged())
    }

    /// Its price follows the quote.
    fn is_pegged(&self) -> bool {
        self.tags.price_type != b'L'
    }

    /// It waits for a trigger price.
    pub(crate) fn is_conditional(&self) -> bool {
        self.tags.present.has(TagSet::STOP_PRICE) || self.tags.present.has(TagSet::TRAIL_OFFSET)
    }

    /// It needs a place, at once or later: places of the venue that it takes.
    pub(crate) fn places(&self) -> u32 {
        if !self.is_conditional() && self.is_immediate() {
            return 0;
        }
        if self.tags.max_floor == Qty::ZERO { 1 } else { 2 }
    }

    /// None of the long checks can fail.
    fn is_plain(&self) -> bool {
        self.tags.present.0 & RULED == 0
            && !self.tags.post_only
            && self.cross_type == CrossType::Continuous
            && !matches!(self.time_in_force, TimeInForce::Gtt | TimeInForce::Gtd)
    }

    /// Checks that need neither account nor instrument.
    fn check_alone(&self, now: Nanos) -> Result<(), RejectReason> {
        if !self.price.is_limit() && !self.price.is_market() {
            return Err(RejectReason::PriceOutOfRange);
        }
        if self.is_plain() { Ok(()) } else { self.check_tags_alone(now) }
    }

    #[cold]
    fn check_tags_alone(&self, now: Nanos) -> Result<(), RejectReason> {
        let tags = self.tags;
        let has = |tag| tags.present.has(tag);
        if matches!(tags.handle_inst, b'O' | b'T' | b'Q' | b'R') {
            return Err(RejectReason::HandleInstUnsupported);
        }
        let trail_fits = tags.trail_offset.is_limit();
        if has(TagSet::STOP_PRICE) && !tags.stop_price.is_limit() || has(TagSet::TRAIL_OFFSET) && !trail_fits {
            return Err(RejectReason::StopPriceOutOfRange);
        }
        if tags.min_qty > self.quantity {
            return Err(RejectReason::MinQtyAboveQuantity);
        }
        let time_fits = has(TagSet::EXPIRE_TIME) == (self.time_in_force == TimeInForce::Gtt)
            && tags.expire_time_s < DAY_S
            && has(TagSet::EXPIRE_AT) == (self.time_in_force == TimeInForce::Gtd)
            && (!has(TagSet::EXPIRE_AT) || tags.expire_at > now);
        if time_fits { Ok(()) } else { Err(RejectReason::ExpiryInvalid) }
    }

    /// Checks against the instrument; gives the tick of a limit price.
    fn check_on(&self, instrument: &Instrument, state: Option<TradingState>) -> Result<Option<u32>, RejectReason> {
        if self.quantity.0 > instrument.max_qty {
            return Err(RejectReason::QuantityAboveMax);
        }
        if !instrument.is_on_lot(self.quantity) {
            return Err(RejectReason::QuantityNotOnLot);
        }
        let tick = if self.price.is_market() {
            None
        } else {
            Some(instrument.tick_of(self.price).ok_or(RejectReason::PriceNotOnTick)?)
        };
        if !self.is_plain() {
            self.check_tags_on(instrument, state)?;
        }
        Ok(tick)
    }

    #[cold]
    fn check_tags_on(&self, instrument: &Instrument, state: Option<TradingState>) -> Result<(), RejectReason> {
        let tags = self.tags;
        let off_tick = |price| instrument.tick_of(price).is_none();
        let is_hidden = self.display == Display::Hidden;
        if off_tick(tags.stop_price) || off_tick(tags.trail_offset) {
            return Err(RejectReason::StopPriceNotOnTick);
        }
        if self.is_pegged() && off_tick(Price(tags.peg_offset.unsigned_abs())) {
            return Err(RejectReason::PegOffsetNotOnTick);
        }
        if tags.min_qty != Qty::ZERO && !self.is_immediate() && !is_hidden {
            return Err(RejectReason::MinQtyOnDisplayed);
        }
        let excludes_floor = tags.max_floor >= self.quantity || is_hidden || self.is_immediate();
        let is_bad_floor = match tags.max_floor {
            Qty::ZERO => tags.random_reserves != Qty::ZERO,
            floor => excludes_floor || !instrument.is_on_lot(floor),
        };
        if is_bad_floor {
            return Err(RejectReason::MaxFloorInvalid);
        }
        if tags.post_only && self.is_immediate() {
            return Err(RejectReason::PostOnlyInvalid);
        }
        self.check_offered(state)
    }

    /// What the venue does not offer.
    fn check_offered(&self, state: Option<TradingState>) -> Result<(), RejectReason> {
        let tags = self.tags;
        let has_stray_trigger = tags.present.has(TagSet::STOP_TRIGGER) && !self.is_conditional();
        if has_stray_trigger || !matches!(tags.handle_inst, b' ' | b'I') {
            return Err(RejectReason::NotSupported);
        }
        if self.is_pegged() {
            let is_known = matches!(tags.price_type, b'P' | b'M' | b'R');
            if !is_known || self.is_conditional() || self.cross_type != CrossType::Continuous {
                return Err(RejectReason::PegNotSupported);
            }
            if self.display != Display::Hidden {
                return Err(RejectReason::PegDisplayed);
            }
        }
        self.check_cross(state)
    }

    /// What is asked of a cross order; `state`: of a new one.
    fn check_cross(&self, state: Option<TradingState>) -> Result<(), RejectReason> {
        let tags = self.tags;
        let only_imbalance = tags.handle_inst == b'I';
        let is_in_time = match (self.cross_type, state) {
            (CrossType::Opening, Some(state)) => state == TradingState::PreOpen,
            (CrossType::Halt, Some(state)) => {
                matches!(state, TradingState::Halted | TradingState::Paused | TradingState::QuotationOnly)
            }
            (CrossType::Opening | CrossType::Halt, None) | (CrossType::Closing, _) => true,
            (CrossType::Continuous, _) if !only_imbalance => return Ok(()),
            (
                CrossType::Continuous
                | CrossType::Supplemental
                | CrossType::Retail
                | CrossType::ExtendedLife
                | CrossType::AfterHoursClose,
                _,
            ) => {
                return Err(if only_imbalance { RejectReason::CrossInvalid } else { RejectReason::CrossNotSupported });
            }
        };
        let has_more =
            tags.post_only || self.is_conditional() || tags.max_floor != Qty::ZERO || tags.min_qty != Qty::ZERO;
        let cannot_balance = only_imbalance && (self.price.is_market() || self.cross_type == CrossType::Halt);
        let is_good = is_in_time && matches!(self.time_in_force, TimeInForce::Day | TimeInForce::Ioc);
        if is_good && !has_more && !cannot_balance { Ok(()) } else { Err(RejectReason::CrossInvalid) }
    }
}

/// Why no order of this kind is taken in a state.
fn closed_to(state: TradingState, terms: &Terms<'_>) -> Option<RejectReason> {
    match state {
        TradingState::Trading => None,
        TradingState::Closed => Some(RejectReason::MarketClosed),
        TradingState::Halted
        | TradingState::Paused
        | TradingState::QuotationOnly
        | TradingState::PreOpen
        | TradingState::PreClose => (terms.places() == 0).then_some(RejectReason::TradingHalted),
    }
}

/// Why a Replace of a live order is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplaceRefusal {
    /// The replacement is invalid: the original is cancelled (ouch50.md §6, outcome 2).
    CancelsOriginal,
    /// Not now or not by this account: Rejected, the original stays (outcome 3).
    Rejects(RejectReason),
}

impl From<RejectReason> for ReplaceRefusal {
    fn from(_: RejectReason) -> Self {
        Self::CancelsOriginal
    }
}

/// A locate is named.
pub(crate) fn has_locate(tags: &OrderTags) -> bool {
    tags.shares_located == b'Y' || tags.locate_broker != Firm::BLANK
}

/// What the risk checks look at.
fn wish(enter: &EnterOrder, terms: &Terms<'_>) -> Wish {
    Wish {
        owner: enter.owner,
        instrument: enter.instrument,
        side: enter.side,
        quantity: enter.quantity.0,
        price: enter.price,
        is_immediate: terms.is_immediate(),
        has_locate: has_locate(&enter.tags),
        replaces: None,
        is_election: false,
    }
}

impl Core {
    /// Checks a new order, its number apart; gives the tick of a limit price.
    #[cold]
    pub(super) fn check_enter(&self, enter: &EnterOrder, now: Nanos) -> Result<Option<u32>, RejectReason> {
        let terms = Terms::of_enter(enter);
        if enter.quantity == Qty::ZERO {
            return Err(RejectReason::QuantityZero);
        }
        terms.check_alone(now)?;
        let instrument = self.instruments.find(enter.instrument).ok_or(RejectReason::SymbolUnknown)?;
        self.check_firm(enter.owner, enter.tags.firm)?;
        if self.accounts.defaults(enter.owner.account()).is_being_cancelled {
            return Err(RejectReason::CancelPending);
        }
        if self.is_rolling() {
            return Err(RejectReason::MarketClosed);
        }
        if let Some(reason) = closed_to(instrument.state, &terms) {
            return Err(reason);
        }
        if self.is_frozen(enter.instrument) {
            return Err(RejectReason::TradingHalted);
        }
        let tick = terms.check_on(instrument, Some(instrument.state))?;
        if self.risk.is_guarded(enter.owner.account(), enter.instrument) {
            self.risk.check(&wish(enter, &terms), now)?;
        }
        if self.books.slab.places_left() < terms.places() {
            return Err(RejectReason::OrdersFull);
        }
        Ok(tick)
    }

    fn check_firm(&self, owner: Owner, firm: Firm) -> Result<(), RejectReason> {
        let is_own = firm == Firm::BLANK || firm == self.accounts.names(owner.account()).firm;
        if is_own && !self.accounts.account(owner.account()).is_disabled() {
            Ok(())
        } else {
            Err(RejectReason::FirmNotAuthorized)
        }
    }

    /// Checks the replacement of a live order; gives the tick of a limit price.
    pub(super) fn check_replace(
        &self,
        replace: &ReplaceOrder,
        terms: &Terms<'_>,
        original: (InstrumentId, Side, u32),
        now: Nanos,
    ) -> Result<Option<u32>, ReplaceRefusal> {
        let (instrument, side, places) = original;
        let is_frozen = self.is_frozen(instrument);
        let changes_side = replace.tags.side.is_some_and(|marked| marked.is_buy() != side.is_buy());
        let is_wrong = replace.time_in_force == TimeInForce::AfterHours || changes_side;
        if (is_wrong || terms.check_alone(now).is_err()) && !is_frozen {
            return Err(ReplaceRefusal::CancelsOriginal);
        }
        if self.accounts.account(replace.owner.account()).is_disabled() {
            return Err(ReplaceRefusal::Rejects(RejectReason::FirmNotAuthorized));
        }
        if is_frozen || self.accounts.defaults(replace.owner.account()).is_being_cancelled {
            return Err(ReplaceRefusal::Rejects(RejectReason::CancelPending));
        }
        if self.is_rolling() {
            return Err(ReplaceRefusal::Rejects(RejectReason::MarketClosed));
        }
        let instrument = self.instruments.instrument(instrument);
        if let Some(reason) = closed_to(instrument.state, terms) {
            return Err(ReplaceRefusal::Rejects(reason));
        }
        let tick = terms.check_on(instrument, None)?;
        if self.books.slab.places_left() + places < terms.places() {
            return Err(ReplaceRefusal::Rejects(RejectReason::OrdersFull));
        }
        Ok(tick)
    }
}
