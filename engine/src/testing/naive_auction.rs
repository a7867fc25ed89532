//! The naive model's crosses: the price that executes most, who trades there, and what is told of it before.

use super::naive_book::{Instrument, NaiveVenue, Order, qty};
use super::naive_market::told;
use protocol::EventBody;
use protocol::types::{
    CrossType, Firm, ImbalanceDirection, InstrumentId, LiquidityFlag, MatchNumber, OrderRef, TradingState,
};

/// A cross that goes on: all orders of the instrument are frozen.
#[derive(Clone, Debug)]
pub(super) struct Crossing {
    pub(super) kind: CrossType,
    /// Price of all its executions; 0 when nothing is paired.
    pub(super) price: u64,
    /// Still to be paired at the price.
    pub(super) left: u64,
    pub(super) executed: u64,
    pub(super) phase: Phase,
    pub(super) from: TradingState,
    pub(super) next: TradingState,
    pub(super) reason: Firm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Buyers and sellers are paired.
    Pair,
    /// What is left on one side meets imbalance-only orders.
    Imbalance,
    /// Orders that were only for this cross are cancelled.
    Cancel,
    /// Icebergs show quantity again.
    Refill,
}

/// Where an instrument would cross.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clearing {
    pub(super) price: u64,
    volume: u64,
}

/// A part of an order that takes part.
#[derive(Clone, Debug)]
struct Entry {
    order: Order,
    is_displayed: bool,
    quantity: u64,
}

impl Entry {
    /// Market orders, then better prices, then what is displayed, then what is older.
    fn rank(&self) -> (i64, bool, u64) {
        let better = match self.order.price.and_then(|price| i64::try_from(price).ok()) {
            None => i64::MIN,
            Some(price) if self.order.is_buy() => -price,
            Some(price) => price,
        };
        let reference = if self.is_displayed { self.order.feed_ref } else { self.order.order_ref };
        (better, !self.is_displayed, reference)
    }
}

fn accepts(order: &Order, at: u64) -> bool {
    order.price.is_none_or(|limit| if order.is_buy() { limit >= at } else { limit <= at })
}

/// Which cross ends a state.
fn kind_of(state: TradingState) -> CrossType {
    match state {
        TradingState::PreOpen => CrossType::Opening,
        TradingState::PreClose => CrossType::Closing,
        TradingState::Halted
        | TradingState::Paused
        | TradingState::QuotationOnly
        | TradingState::Trading
        | TradingState::Closed => CrossType::Halt,
    }
}

/// Orders that make the price of a cross.
fn makes_price(order: &Order, kind: CrossType, with_book: bool) -> bool {
    let is_plain = order.stop.is_none() && order.peg.is_none() && order.min_qty == 0 && !order.imbalance_only;
    is_plain && (order.cross_type == kind || with_book && order.cross_type == CrossType::Continuous)
}

/// What would be bought and sold at a price.
fn at_price(market: &Instrument, kind: CrossType, with_book: bool, at: u64) -> (u64, u64) {
    let sum = |buys: bool| {
        let orders = market.orders().filter(|order| makes_price(order, kind, with_book) && order.is_buy() == buys);
        orders.filter(|order| accepts(order, at)).map(|order| order.open).sum()
    };
    (sum(true), sum(false))
}

impl Instrument {
    fn clearing(&self, kind: CrossType, with_book: bool) -> Option<Clearing> {
        let tick = self.tick();
        let reference = self.reference_now();
        let mut candidates = vec![reference / tick * tick, reference.div_ceil(tick) * tick];
        for order in self.orders().filter(|order| makes_price(order, kind, with_book)) {
            if let Some(limit) = order.price {
                candidates.extend([limit - tick, limit, limit + tick]);
            }
        }
        let in_cross = self.orders().filter(|order| makes_price(order, kind, with_book));
        let limits: Vec<u64> = in_cross.filter_map(|order| order.price).collect();
        let range = limits.iter().min().zip(limits.iter().max());
        candidates.retain(|price| (1..=1_999_999_900).contains(price));
        if reference == 0 {
            // Nothing says where the market is: only what the orders themselves span.
            candidates.retain(|price| range.is_some_and(|(lowest, highest)| (lowest..=highest).contains(&price)));
        }
        let best = candidates.into_iter().max_by_key(|price| {
            let (buys, sells) = at_price(self, kind, with_book, *price);
            let minus = |number: u64| -i64::try_from(number).unwrap_or(i64::MAX);
            (buys.min(sells), minus(buys.abs_diff(sells)), minus(price.abs_diff(reference)), *price)
        })?;
        let (buys, sells) = at_price(self, kind, with_book, best);
        let volume = buys.min(sells);
        (volume > 0).then_some(Clearing { price: best, volume })
    }
}

impl NaiveVenue {
    /// Where this instrument would cross now; `with_book`: with the orders of the book, not only those of the cross.
    pub(super) fn clearing(&self, instrument: InstrumentId, with_book: bool) -> Option<Clearing> {
        let market = self.market(instrument);
        market.clearing(kind_of(market.state), with_book)
    }

    /// Crosses, and enters the next state when that is done.
    pub(super) fn begin_cross(&mut self, instrument: InstrumentId, next: TradingState, reason: Firm) {
        let clearing = self.clearing(instrument, true);
        let market = self.market_mut(instrument);
        let kind = kind_of(market.state);
        let (price, left) = clearing.map_or((0, 0), |clearing| (clearing.price, clearing.volume));
        let phase = Phase::Pair;
        let from = market.state;
        market.crossing = Some(Crossing { kind, price, left, executed: 0, phase, from, next, reason });
        self.cross_on(instrument);
    }

    /// Goes on with a cross as far as one command may.
    pub(super) fn cross_on(&mut self, instrument: InstrumentId) {
        while let Some(crossing) = self.market(instrument).crossing.clone() {
            if !self.cross_step(instrument, &crossing) {
                self.next_phase(instrument, &crossing);
            } else if self.budget == 0 {
                return;
            } else {
                self.budget -= 1;
                self.do_cross_step(instrument, &crossing);
            }
        }
    }

    /// True when the phase has something left to do.
    fn cross_step(&self, instrument: InstrumentId, crossing: &Crossing) -> bool {
        match crossing.phase {
            Phase::Pair | Phase::Imbalance => self.next_pair(instrument, crossing).is_some(),
            Phase::Cancel => self.next_leftover(instrument, crossing).is_some(),
            Phase::Refill => self.next_empty(instrument).is_some(),
        }
    }

    fn do_cross_step(&mut self, instrument: InstrumentId, crossing: &Crossing) {
        match crossing.phase {
            Phase::Pair | Phase::Imbalance => {
                if let Some((buyer, seller)) = self.next_pair(instrument, crossing) {
                    let mut quantity = buyer.quantity.min(seller.quantity);
                    if crossing.phase == Phase::Pair {
                        quantity = quantity.min(crossing.left);
                    }
                    self.pair(crossing, &buyer, &seller, quantity);
                }
            }
            Phase::Cancel => {
                if let Some(order) = self.next_leftover(instrument, crossing) {
                    let reason = Self::end_of_cross_order(crossing.from);
                    self.cancel_rest_for(order.owner, order.number, reason);
                }
            }
            Phase::Refill => {
                if let Some(iceberg) = self.next_empty(instrument) {
                    self.refill(&iceberg);
                }
            }
        }
    }

    /// The first of each side. Imbalance-only orders come last, and only against what is left on the other side.
    fn next_pair(&self, instrument: InstrumentId, crossing: &Crossing) -> Option<(Entry, Entry)> {
        let first = |buys: bool, only: bool| self.entries(instrument, crossing, (buys, only)).into_iter().next();
        match crossing.phase {
            Phase::Pair if crossing.left > 0 => Some((first(true, false)?, first(false, false)?)),
            Phase::Imbalance if crossing.executed > 0 => {
                let of_buyers = first(true, false).zip(first(false, true));
                of_buyers.or_else(|| first(true, true).zip(first(false, false)))
            }
            Phase::Pair | Phase::Imbalance | Phase::Cancel | Phase::Refill => None,
        }
    }

    fn entries(&self, instrument: InstrumentId, crossing: &Crossing, which: (bool, bool)) -> Vec<Entry> {
        let (buys, only_imbalance) = which;
        let mut entries = Vec::new();
        for order in self.market(instrument).orders() {
            let is_wanted = if only_imbalance {
                order.imbalance_only && order.cross_type == crossing.kind
            } else {
                makes_price(order, crossing.kind, true)
            };
            if is_wanted && order.is_buy() == buys && accepts(order, crossing.price) {
                let mut add = |is_displayed, quantity| {
                    if quantity > 0 {
                        entries.push(Entry { order: order.clone(), is_displayed, quantity });
                    }
                };
                add(true, order.displayed);
                add(false, order.open - order.displayed);
            }
        }
        if only_imbalance {
            entries.sort_by_key(|entry| entry.order.order_ref);
        } else {
            entries.sort_by_key(Entry::rank);
        }
        entries
    }

    fn pair(&mut self, crossing: &Crossing, buyer: &Entry, seller: &Entry, quantity: u64) {
        self.matches += 1;
        let match_number = MatchNumber(self.matches);
        for entry in [buyer, seller] {
            let order = &entry.order;
            self.tell_details(order, 0);
            self.tell(EventBody::CrossExecuted {
                match_number,
                order_ref: OrderRef(if entry.is_displayed { order.feed_ref } else { order.order_ref }),
                quantity: qty(quantity),
                price: told(crossing.price),
                owner: order.owner,
                user_ref_num: order.number,
                instrument: order.instrument,
                side: order.side,
                flag: flag_of(crossing.kind),
                shown: entry.is_displayed,
            });
            self.change(order, |order| {
                order.open -= quantity;
                order.done += quantity;
                if entry.is_displayed {
                    order.displayed -= quantity;
                }
            });
            if self.live(order.owner, order.number).is_some_and(|order| order.open == 0) {
                self.take(order.owner, order.number);
            }
        }
        if let Some(crossing) = &mut self.market_mut(buyer.order.instrument).crossing {
            crossing.executed += quantity;
            crossing.left = crossing.left.saturating_sub(quantity);
        }
    }

    /// The oldest order that was only for this cross.
    fn next_leftover(&self, instrument: InstrumentId, crossing: &Crossing) -> Option<Order> {
        let aside = &self.market(instrument).aside;
        aside.iter().find(|order| order.cross_type == crossing.kind).cloned()
    }

    /// The oldest iceberg that shows nothing.
    fn next_empty(&self, instrument: InstrumentId) -> Option<Order> {
        let market = self.market(instrument);
        let book = market.bids.iter().chain(&market.asks);
        book.filter(|order| order.floor > 0 && order.displayed == 0).min_by_key(|order| order.order_ref).cloned()
    }

    fn next_phase(&mut self, instrument: InstrumentId, crossing: &Crossing) {
        let next = match crossing.phase {
            Phase::Pair => Some(Phase::Imbalance),
            Phase::Imbalance => {
                self.tell_crossed(instrument, crossing);
                Some(Phase::Cancel)
            }
            Phase::Cancel => Some(Phase::Refill),
            Phase::Refill => None,
        };
        let market = self.market_mut(instrument);
        if let (Some(next), Some(crossing)) = (next, &mut market.crossing) {
            crossing.phase = next;
        } else {
            market.crossing = None;
            self.arrive(instrument, crossing.next, crossing.reason);
        }
    }

    fn tell_crossed(&mut self, instrument: InstrumentId, crossing: &Crossing) {
        let is_silent = matches!(crossing.from, TradingState::Halted | TradingState::Closed);
        if crossing.executed == 0 && is_silent {
            return;
        }
        self.matches += 1;
        let price = if crossing.executed == 0 { 0 } else { crossing.price };
        self.tell(EventBody::Crossed {
            match_number: MatchNumber(self.matches),
            quantity: crossing.executed,
            price: told(price),
            instrument,
            cross_type: crossing.kind,
        });
        if crossing.executed > 0 {
            let market = self.market_mut(instrument);
            (market.last, market.reference) = (price, price);
        }
    }

    /// Says what the cross would do now.
    pub(super) fn tell_imbalance(&mut self, instrument: InstrumentId) {
        let market = self.market(instrument);
        let kind = kind_of(market.state);
        let near = market.clearing(kind, true).map_or(0, |clearing| clearing.price);
        let far = market.clearing(kind, false).map_or(0, |clearing| clearing.price);
        let reference = if market.reference_now() > 0 { market.reference_now() } else { near };
        let (buys, sells) = if reference > 0 { at_price(market, kind, true, reference) } else { (0, 0) };
        let paired = buys.min(sells);
        let direction = if near == 0 && paired == 0 {
            ImbalanceDirection::Insufficient
        } else {
            match buys.cmp(&sells) {
                std::cmp::Ordering::Greater => ImbalanceDirection::Buy,
                std::cmp::Ordering::Less => ImbalanceDirection::Sell,
                std::cmp::Ordering::Equal => ImbalanceDirection::Balanced,
            }
        };
        self.tell(EventBody::Imbalance {
            paired,
            imbalance: buys.abs_diff(sells),
            far: told(far),
            near: told(near),
            reference: told(reference),
            instrument,
            direction,
            cross_type: kind,
        });
    }
}

fn flag_of(kind: CrossType) -> LiquidityFlag {
    match kind {
        CrossType::Opening => LiquidityFlag::Opening,
        CrossType::Closing => LiquidityFlag::Closing,
        CrossType::Halt
        | CrossType::Continuous
        | CrossType::Supplemental
        | CrossType::Retail
        | CrossType::ExtendedLife
        | CrossType::AfterHoursClose => LiquidityFlag::Halt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::features::Features;
    use crate::testing::random::Random;
    use crate::testing::scenario::Scenario;
    use std::fmt::Write;

    /// The price by the words of the rule, looked for at every tick there is up to 60.
    fn by_the_rule(buys: &[(u32, u64)], sells: &[(u32, u64)], reference: u32) -> Option<(u32, u64)> {
        let mut best = None;
        for price in 1..=60 {
            let bought: u64 = buys.iter().filter(|(limit, _)| *limit >= price).map(|(_, quantity)| quantity).sum();
            let sold: u64 = sells.iter().filter(|(limit, _)| *limit <= price).map(|(_, quantity)| quantity).sum();
            let volume = bought.min(sold);
            let (left, distance) = (bought.abs_diff(sold), price.abs_diff(reference));
            let is_better = |(_, most, least, nearest): &(u32, u64, u64, u32)| {
                volume > *most
                    || (volume == *most && left < *least)
                    || (volume == *most && left == *least && distance <= *nearest)
            };
            if volume > 0 && best.as_ref().is_none_or(is_better) {
                best = Some((price, volume, left, distance));
            }
        }
        best.map(|(price, volume, ..)| (price, volume))
    }

    #[test]
    fn the_price_of_a_cross_is_the_best_of_all_ticks() {
        for seed in 0..3_000 {
            let mut random = Random::new(seed);
            let (spread, reference) = (random.pick(&[3, 8, 30]), random.below(50));
            let mut text = format!("venue halted reference={reference}\n> state pre-open\n");
            let (mut buys, mut sells) = (Vec::new(), Vec::new());
            for number in 1..=random.between(1, 12) {
                let (limit, quantity) = (20 + random.below(spread), random.between(1, 9));
                let is_buy = random.chance(50);
                if is_buy { &mut buys } else { &mut sells }.push((limit, u64::from(quantity)));
                let side = if is_buy { "buy" } else { "sell" };
                let cross = random.pick(&["", " cross=open", " hidden"]);
                writeln!(text, "> enter {number} {side} {quantity}@{limit}{cross}").unwrap();
            }
            let mut naive = NaiveVenue::with_features(Features::ALL);
            // What it says is not written down; only what it would do is asked.
            let scenario = Scenario::read("cross", &text).unwrap();
            drop(scenario.play(|command| naive.apply(command).to_vec()));
            let found = naive.clearing(InstrumentId(1), true);
            let found = found.map(|clearing| (u32::try_from(clearing.price).unwrap() / 100, clearing.volume));
            assert_eq!(found, by_the_rule(&buys, &sells, reference), "seed {seed}:\n{text}");
        }
    }
}
