//! Trading states: what leads from one to the next, auctions with their end and their imbalance messages, halts, and the
//! end of the day.

use super::Core;
use super::bands::{SECOND, tell_collar};
use super::cross::kind_of;
use super::jobs::Filter;
use super::sink::{EventSink, Out};
use protocol::types::{Firm, ImbalanceDirection, InstrumentId, Nanos, Price, SystemEventCode, TradingState};
use protocol::venue_command::{SetOperationalHalt, StartAuction};
use protocol::{EventBody, RejectReason};

impl Core {
    /// Enters a state, after the cross of the one that is left where that is due.
    pub(super) fn enter_state(
        &mut self,
        instrument: InstrumentId,
        (state, reason): (TradingState, Firm),
        out: &mut Out<'_, impl EventSink>,
    ) -> Result<(), RejectReason> {
        if self.is_frozen(instrument) {
            return Err(RejectReason::CancelPending);
        }
        let left = self.instruments.instrument(instrument).state;
        self.drop_auction(instrument);
        let closes = left == TradingState::PreClose && state == TradingState::Closed;
        if closes || state == TradingState::Trading && left != TradingState::Trading {
            self.begin_cross(instrument, (state, reason), out);
        } else {
            self.arrive(instrument, (state, reason), out);
        }
        Ok(())
    }

    fn drop_auction(&mut self, instrument: InstrumentId) {
        self.set_until(instrument, None);
        self.set_imbalance_due(instrument, None);
        self.instruments.terms_mut(instrument).collar = None;
    }

    /// The state is there.
    pub(super) fn arrive(
        &mut self,
        instrument: InstrumentId,
        (state, reason): (TradingState, Firm),
        out: &mut Out<'_, impl EventSink>,
    ) {
        self.instruments.instrument_mut(instrument).set_state(state);
        let in_a_second = Nanos(out.ingress().0 + SECOND);
        let tells = match state {
            TradingState::PreOpen | TradingState::PreClose | TradingState::Paused | TradingState::QuotationOnly => true,
            TradingState::Halted | TradingState::Trading | TradingState::Closed => false,
        };
        self.set_imbalance_due(instrument, tells.then_some(in_a_second));
        self.note_changed(instrument);
        out.push(EventBody::TradingStateChanged { instrument, state, reason });
    }

    /// When the cross of an auction takes place.
    pub(super) fn set_until(&mut self, instrument: InstrumentId, until: Option<Nanos>) {
        let old = std::mem::replace(&mut self.instruments.terms_mut(instrument).until, until);
        self.auctions.set(u32::from(instrument.0), (old, until));
    }

    /// When the next imbalance message is due.
    pub(super) fn set_imbalance_due(&mut self, instrument: InstrumentId, due: Option<Nanos>) {
        let old = std::mem::replace(&mut self.instruments.terms_mut(instrument).imbalance_due, due);
        self.imbalances.set(u32::from(instrument.0), (old, due));
    }

    /// Orders are collected from now on, and crossed at a time.
    pub(super) fn start_auction(
        &mut self,
        auction: &StartAuction,
        out: &mut Out<'_, impl EventSink>,
    ) -> Result<(), RejectReason> {
        let instrument = self.listed(auction.instrument)?;
        self.enter_state(instrument, (auction.state, auction.reason), out)?;
        self.set_until(instrument, Some(auction.until));
        Ok(())
    }

    /// The time of an auction is over: its cross, or an extension.
    pub(super) fn end_auction(&mut self, instrument: InstrumentId, out: &mut Out<'_, impl EventSink>) {
        let state = self.instruments.instrument(instrument).state;
        let terms = self.instruments.terms(instrument);
        let found = self.clearing(instrument, kind_of(state), true);
        if let Some((mut collar, found)) = terms.collar.zip(found)
            && !collar.holds(found.price)
        {
            let seconds = u64::from(terms.bands.auction_s.max(1));
            collar.extension += 1;
            collar.upper = collar.upper.saturating_add(collar.step).min(Price::LIMIT_MAX.0);
            collar.lower = collar.lower.saturating_sub(collar.step);
            self.set_until(instrument, Some(Nanos(out.ingress().0 + seconds * SECOND)));
            tell_collar(instrument, &collar, out);
            self.instruments.terms_mut(instrument).collar = Some(collar);
            return;
        }
        self.drop_auction(instrument);
        let next = if state == TradingState::PreClose { TradingState::Closed } else { TradingState::Trading };
        self.begin_cross(instrument, (next, Firm::BLANK), out);
    }

    /// Says what the cross would do now.
    pub(super) fn tell_imbalance(&mut self, instrument: InstrumentId, out: &mut Out<'_, impl EventSink>) {
        self.set_imbalance_due(instrument, Some(Nanos(out.ingress().0 + SECOND)));
        let kind = kind_of(self.instruments.instrument(instrument).state);
        let price = |with_book| self.clearing(instrument, kind, with_book).map_or(0, |found| found.price);
        let (near, far) = (price(true), price(false));
        let known = self.reference_now(instrument).0;
        let reference = if known > 0 { known } else { near };
        let (buys, sells) = if reference > 0 { self.at_price(instrument, kind, reference) } else { (0, 0) };
        let paired = buys.min(sells);
        let direction = match buys.cmp(&sells) {
            _ if near == 0 && paired == 0 => ImbalanceDirection::Insufficient,
            std::cmp::Ordering::Greater => ImbalanceDirection::Buy,
            std::cmp::Ordering::Less => ImbalanceDirection::Sell,
            std::cmp::Ordering::Equal => ImbalanceDirection::Balanced,
        };
        out.push(EventBody::Imbalance {
            paired,
            imbalance: buys.abs_diff(sells),
            far: Price(far),
            near: Price(near),
            reference: Price(reference),
            instrument,
            direction,
            cross_type: kind,
        });
    }

    /// Halts an instrument for operational reasons, or lets it go on.
    pub(super) fn operational_halt(
        &mut self,
        set: SetOperationalHalt,
        out: &mut Out<'_, impl EventSink>,
    ) -> Result<(), RejectReason> {
        let instrument = self.listed(set.instrument)?;
        if self.is_frozen(instrument) {
            return Err(RejectReason::CancelPending);
        }
        out.push(EventBody::OperationalHaltChanged { instrument, is_halted: set.is_halted });
        let next =
            if set.is_halted { (TradingState::Halted, Firm(*b"O1  ")) } else { (TradingState::Trading, Firm::BLANK) };
        self.enter_state(instrument, next, out)
    }

    /// Halts instruments one after the other, as many as one command may touch.
    pub(super) fn halt_more(&mut self, out: &mut Out<'_, impl EventSink>) {
        let Some((level, from)) = self.halting else { return };
        let reason = Firm([b'M', b'W', b'C', b'0'.saturating_add(level)]);
        for index in from..u16::try_from(self.instruments.count()).unwrap_or(u16::MAX) {
            let instrument = InstrumentId(index + 1);
            if self.touches_left() == 0 {
                self.halting = Some((level, index));
                return;
            }
            self.touched += 1;
            let state = self.instruments.instrument(instrument).state;
            if let Some(crossing) = &mut self.instruments.terms_mut(instrument).crossing {
                (crossing.next, crossing.reason) = (TradingState::Halted, reason);
            } else if state != TradingState::Halted && state != TradingState::Closed {
                self.drop_auction(instrument);
                self.arrive(instrument, (TradingState::Halted, reason), out);
            }
        }
        self.halting = None;
    }

    /// What an event of the trading day does to orders and trades.
    pub(super) fn pass_of_day(&mut self, code: SystemEventCode, out: &mut Out<'_, impl EventSink>) {
        match code {
            SystemEventCode::EndOfMarketHours => {
                self.begin_job(None, Filter::Day(false), out);
            }
            SystemEventCode::EndOfSystemHours => {
                self.begin_job(None, Filter::Day(true), out);
            }
            SystemEventCode::EndOfMessages
            | SystemEventCode::StartOfMessages
            | SystemEventCode::StartOfSystemHours
            | SystemEventCode::StartOfMarketHours => {}
        }
    }
}
