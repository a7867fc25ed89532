//! The naive model's stops: dormant orders that become active when a trigger price reaches them (ouch-extensions.md).

use super::naive_book::{Instrument, NaiveVenue, Order, price};
use super::naive_orders::Fate;
use super::naive_risk::Asked;
use protocol::command::{OrderTags, TagSet};
use protocol::event::Shown;
use protocol::types::{CancelReason, InstrumentId, OrderRef, TradingState};
use protocol::{EventBody, RejectReason};

#[derive(Clone, Debug)]
pub(super) struct Stop {
    /// The trigger price that elects it; `None` until a trailing stop has seen a price.
    pub(super) price: Option<u64>,
    /// Tag 201.
    pub(super) source: u8,
    /// Distance of a trailing stop; 0 = none.
    pub(super) trail: u64,
    /// It waits for its turn.
    pub(super) is_elected: bool,
}

impl Stop {
    pub(super) fn of(tags: &OrderTags) -> Option<Self> {
        let is_stop = tags.present.has(TagSet::STOP_PRICE) || tags.present.has(TagSet::TRAIL_OFFSET);
        is_stop.then(|| Self {
            price: (tags.stop_price.0 > 0).then(|| tags.stop_price.0.into()),
            source: tags.stop_trigger,
            trail: tags.trail_offset.0.into(),
            is_elected: false,
        })
    }
}

/// What the stop of this order looks at.
fn trigger_price(market: &Instrument, order: &Order) -> Option<u64> {
    match order.stop.as_ref()?.source {
        b'Q' => market.best(!order.is_buy()),
        b'M' => market.midpoint(),
        _ => (market.last > 0).then_some(market.last),
    }
}

fn is_reached(market: &Instrument, order: &Order) -> bool {
    let Some(stop) = &order.stop else { return false };
    match (trigger_price(market, order), stop.price) {
        (Some(seen), Some(at)) => !stop.is_elected && if order.is_buy() { seen >= at } else { seen <= at },
        (None, _) | (_, None) => false,
    }
}

impl NaiveVenue {
    /// Ends a command: elects what its changes have reached, on each instrument it touched.
    pub(super) fn elect_all(&mut self) {
        for instrument in std::mem::take(&mut self.touched) {
            self.elect_on(InstrumentId(instrument));
        }
    }

    /// Elects stops of one instrument, one after the other, as long as the bounds of a command allow.
    pub(super) fn elect_on(&mut self, instrument: InstrumentId) {
        let half = self.bound().div_ceil(2);
        // The events of a command have a bound, and so have its elections.
        let most = self.market(instrument).elections_max.min(self.bound() / 3 + 20);
        for elections in 0.. {
            if !self.is_trading(instrument) {
                return;
            }
            self.look_at_triggers(instrument);
            if self.market(instrument).elected.is_empty() || elections == most || self.budget < half {
                return;
            }
            self.elect(instrument);
        }
    }

    /// Lets trailing stops follow, and queues those that are reached: buys from the lowest stop price on, then sells from
    /// the highest on, older ones first.
    fn look_at_triggers(&mut self, instrument: InstrumentId) {
        let market = self.market(instrument);
        if market.aside.iter().all(|order| order.stop.is_none()) {
            return;
        }
        let seen: Vec<Option<u64>> = market.aside.iter().map(|order| trigger_price(market, order)).collect();
        for (order, seen) in self.market_mut(instrument).aside.iter_mut().zip(seen) {
            let buys = order.is_buy();
            if let (Some(seen), Some(stop)) =
                (seen, order.stop.as_mut().filter(|stop| stop.trail > 0 && !stop.is_elected))
            {
                let follows = if buys { Some(seen + stop.trail) } else { seen.checked_sub(stop.trail) };
                let follows = follows.filter(|price| *price > 0);
                stop.price = match (stop.price, follows) {
                    (Some(stop), Some(follows)) => Some(if buys { stop.min(follows) } else { stop.max(follows) }),
                    (stop, follows) => stop.or(follows),
                };
            }
        }
        let market = self.market(instrument);
        let mut reached: Vec<Order> = market.aside.iter().filter(|order| is_reached(market, order)).cloned().collect();
        reached.sort_by_key(|order| {
            let at = order.stop.as_ref().and_then(|stop| stop.price).and_then(|price| i64::try_from(price).ok());
            let at = at.unwrap_or(0);
            (!order.is_buy(), if order.is_buy() { at } else { -at }, order.order_ref)
        });
        for order in &reached {
            self.market_mut(instrument).elected.push(order.order_ref);
            self.change(order, |order| {
                if let Some(stop) = &mut order.stop {
                    stop.is_elected = true;
                }
            });
        }
    }

    /// Makes the first of the queue an active order and lets it do what it does.
    fn elect(&mut self, instrument: InstrumentId) {
        let first = self.market_mut(instrument).elected.remove(0);
        let found = self.market(instrument).aside.iter().find(|order| order.order_ref == first);
        let Some((owner, number)) = found.map(|order| (order.owner, order.number)) else { return };
        let refused = found.and_then(|order| self.risk_of_election(order));
        let Some(mut order) = self.take(owner, number) else { return };
        order.order_ref = self.next_ref();
        order.feed_ref = order.order_ref;
        order.stop = None;
        self.tell_details(&order, 0);
        self.tell(EventBody::PriorityUpdated {
            owner,
            user_ref_num: number,
            price: if order.price.is_some() { price(order.price) } else { protocol::Price::MARKET },
            display: order.display,
            order_ref: OrderRef(order.order_ref),
        });
        if let Some(reason) = refused {
            if reason == RejectReason::DayLossPassed {
                self.note_loss(owner.account());
            }
            let is_killed = matches!(reason, RejectReason::AccountKilled | RejectReason::InstrumentKilled);
            let reason = if is_killed { CancelReason::Supervisory } else { CancelReason::Collar };
            return self.tell_end(&order, reason);
        }
        let fate = self.fate(&order);
        if let Fate::Dies(pause) = fate {
            self.tell_end(&order, CancelReason::Immediate);
            self.pause(instrument, pause);
        } else {
            self.carry_out(order, fate, Shown::No);
        }
    }

    /// What the limits have against an order by the time that it is elected.
    fn risk_of_election(&self, order: &Order) -> Option<RejectReason> {
        self.risk_of(&Asked {
            owner: order.owner,
            instrument: order.instrument,
            side: order.side,
            quantity: order.open,
            price: if order.price.is_some() { price(order.price) } else { protocol::Price::MARKET },
            is_immediate: order.is_immediate(),
            tags: &OrderTags::NONE,
            replaces: Some(order.number),
            is_election: true,
        })
    }

    /// Leftover elections wait on an instrument that trades.
    pub(super) fn waits_for_elections(&self) -> Option<InstrumentId> {
        (1..).zip(&self.instruments).find_map(|(index, market)| {
            let waits = market.state == TradingState::Trading && !market.elected.is_empty();
            waits.then_some(InstrumentId(index))
        })
    }
}
