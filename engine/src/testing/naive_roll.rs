//! The naive model's end of a trading day: what goes, what the next day begins with.

use super::naive_book::{NaiveVenue, Order, price, qty};
use super::naive_time::Filter;
use protocol::types::{
    Display, Firm, InstrumentId, Midnight, Nanos, OrderRef, Owner, Price, SessionName, SystemEventCode, TimeInForce,
    TradingState, UserRefNum,
};
use protocol::{EventBody, RejectReason};

/// How far the end of a day is.
#[derive(Clone, Debug)]
pub(super) enum Roll {
    /// The old session settles; the new one will have this name.
    Settling(SessionName),
    /// Of the new session these many instruments were told, the last reference told, and what is left to tell.
    Restating { instruments: usize, told: u64, left: Vec<(Owner, UserRefNum)> },
}

impl NaiveVenue {
    pub(super) fn is_restating(&self) -> bool {
        matches!(self.roll, Some(Roll::Restating { .. }))
    }

    /// Carried orders are being told to a new session: not all of them are there yet.
    pub fn is_day_beginning(&self) -> bool {
        self.is_restating()
    }

    /// The session; for generators.
    pub(super) fn session(&self) -> SessionName {
        self.venue.map_or(SessionName::BLANK, |venue| venue.session)
    }

    /// Where time stamps count from: the day on which the session began, when days are rolled.
    pub(super) fn set_day_rolls(&mut self, day_rolls: bool) {
        self.day_rolls = day_rolls;
        let midnight = if day_rolls { Midnight::of(Nanos(self.opened)) } else { Midnight::EACH };
        self.tell(EventBody::MidnightChanged { midnight });
    }

    pub(super) fn roll_day(&mut self, session: SessionName) -> Result<(), RejectReason> {
        if self.roll.is_some() {
            return Err(RejectReason::CancelPending);
        }
        if self.session() == session {
            return Err(RejectReason::NotSupported);
        }
        self.roll = Some(Roll::Settling(session));
        let ending = [TimeInForce::Day, TimeInForce::Gtx, TimeInForce::AfterHours, TimeInForce::Ioc, TimeInForce::Fok];
        self.begin_job(None, Filter::Day(ending.to_vec()));
        Ok(())
    }

    /// The old session ends, the new one begins.
    pub(super) fn switch_day(&mut self) {
        let Some(Roll::Settling(session)) = self.roll else { return };
        self.tell(EventBody::SystemEvent { code: SystemEventCode::EndOfMessages });
        self.pass_of_day(SystemEventCode::EndOfMessages);
        self.begin_day();
        if let Some(venue) = &mut self.venue {
            venue.session = session;
        }
        self.opened = self.now();
        self.tell(EventBody::SessionRolled { session });
        self.tell(EventBody::SystemEvent { code: SystemEventCode::StartOfMessages });
        let told = self.order_refs;
        self.renumber();
        let mut carried: Vec<Order> = self.orders().cloned().collect();
        carried.sort_by_key(|order| order.feed_ref);
        let left = carried.iter().map(|order| (order.owner, order.number)).collect();
        self.roll = Some(Roll::Restating { instruments: 0, told, left });
        self.restate();
    }

    /// New references, in the order of the old ones: of orders, and of displayed parts.
    fn renumber(&mut self) {
        let mut old: Vec<u64> = self.orders().flat_map(|order| [order.order_ref, order.feed_ref]).collect();
        old.sort_unstable();
        old.dedup();
        let before = self.order_refs;
        let new_of = |reference: u64| {
            let place = old.binary_search(&reference).unwrap_or(0);
            before + 1 + u64::try_from(place).unwrap_or(0)
        };
        for market in &mut self.instruments {
            for order in market.lists().into_iter().flatten() {
                order.order_ref = new_of(order.order_ref);
                order.feed_ref = new_of(order.feed_ref);
            }
            for elected in &mut market.elected {
                *elected = new_of(*elected);
            }
        }
        self.order_refs += u64::try_from(old.len()).unwrap_or(0);
    }

    /// Tells what the new session begins with, as much as one command may.
    pub(super) fn restate(&mut self) {
        let Some(Roll::Restating { mut instruments, mut told, mut left }) = self.roll.take() else { return };
        while self.budget > 0 && instruments < self.instruments.len() {
            self.budget -= 1;
            instruments += 1;
            self.restate_instrument(InstrumentId(u16::try_from(instruments).unwrap_or(u16::MAX)));
        }
        while self.budget > 0 && instruments == self.instruments.len() && !left.is_empty() {
            self.budget -= 1;
            let (owner, number) = left.remove(0);
            if let Some(order) = self.live(owner, number).cloned() {
                told = order.feed_ref;
                self.restate_order(&order);
            }
        }
        if instruments < self.instruments.len() || !left.is_empty() {
            self.roll = Some(Roll::Restating { instruments, told, left });
            return;
        }
        for job in &mut self.jobs {
            job.last_ref = self.order_refs;
        }
        self.tell(EventBody::SystemEvent { code: SystemEventCode::StartOfSystemHours });
        if self.instruments.iter().any(|market| market.state == TradingState::Trading) {
            self.tell(EventBody::SystemEvent { code: SystemEventCode::StartOfMarketHours });
        }
    }

    fn restate_instrument(&mut self, instrument: InstrumentId) {
        let market = self.market(instrument).clone();
        let listed = market.listed;
        self.tell(EventBody::InstrumentListed {
            instrument,
            symbol: listed.symbol,
            price_decimals: listed.price_decimals,
            qty_decimals: listed.qty_decimals,
            tick: listed.tick,
            lot: listed.lot,
            max_qty: listed.max_qty,
            legs: self.money.ledger.market(instrument).legs,
        });
        self.tell(EventBody::TradingStateChanged { instrument, state: market.state, reason: Firm::BLANK });
        self.tell(EventBody::ShortSaleTestChanged { instrument, action: market.short_sale_test });
        if let Some(collar) = &market.collar {
            self.tell_collar(instrument, collar);
        }
    }

    fn restate_order(&mut self, order: &Order) {
        self.tell_details(order, 0);
        self.tell(EventBody::PriorityUpdated {
            owner: order.owner,
            user_ref_num: order.number,
            price: if order.price.is_some() { price(order.price) } else { Price::MARKET },
            display: order.display,
            order_ref: OrderRef(order.feed_ref),
        });
        if order.display != Display::Hidden && order.is_on_feed() {
            self.tell(EventBody::Rested {
                order_ref: OrderRef(order.feed_ref),
                quantity: qty(order.displayed),
                price: price(order.price),
                instrument: order.instrument,
                side: order.side,
                shown: order.look(),
                firm: self.name_on_feed(order),
            });
        }
    }

    pub(super) fn encode_roll(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.opened.to_le_bytes());
        bytes.push(self.day_rolls.into());
        match &self.roll {
            None => bytes.push(0),
            Some(Roll::Settling(session)) => {
                bytes.push(1);
                bytes.extend(session.0);
            }
            Some(Roll::Restating { instruments, told, .. }) => {
                bytes.push(2);
                bytes.extend(u16::try_from(*instruments).unwrap_or(0).to_le_bytes());
                bytes.extend(told.to_le_bytes());
            }
        }
    }
}
