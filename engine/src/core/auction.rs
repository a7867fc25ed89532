//! The price of a cross: it executes most, then leaves the least imbalance, then is nearest to the reference; of two that are
//! equally near, the higher. Exact integers over the totals of price levels, in one walk over the levels that cross and
//! without memory of its own.
//!
//! The prices that execute most are one range `[low, high]`: from the ask level at which the offered total reaches what can
//! execute, to the bid level at which the wanted total does. In that range the wanted total falls and the offered one rises
//! with the price, and one of the two always is what executes; so the least imbalance is next to the marginal
//! levels, and only these are looked at.

/// Prices that a cross may have, all in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Lowest price, on the grid.
    pub(crate) low: u32,
    /// Highest price, on the grid.
    pub(crate) high: u32,
    /// Price step.
    pub(crate) tick: u32,
    /// The price to be near; 0 = none, then the lowest that is left to choose from.
    pub(crate) reference: u32,
}

/// The outcome of a cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clearing {
    /// Price of all executions.
    pub(crate) price: u32,
    /// Quantity executed; not 0.
    pub(crate) executed: u64,
    /// Quantity of the larger side that stays without a partner at this price.
    pub(crate) imbalance: u64,
    /// The larger side wants to buy. False when there is no imbalance.
    pub(crate) is_buy: bool,
}

/// One price range of equal imbalance.
#[derive(Clone, Copy, Debug)]
struct Segment {
    low: u32,
    high: u32,
    imbalance: u64,
    is_buy: bool,
}

impl Segment {
    fn nearest(&self, range: Range) -> u32 {
        let below = (range.reference / range.tick).saturating_mul(range.tick);
        let is_nearer_above = range.reference - below >= below.saturating_add(range.tick) - range.reference;
        let nearest = if is_nearer_above { below.saturating_add(range.tick) } else { below };
        nearest.clamp(self.low, self.high)
    }
}

/// Totals of one side, best level first, each level at its price moved into the range; those that no price in the range
/// fills are left out.
#[derive(Clone, Debug)]
struct Levels<I: Iterator<Item = (u32, u64)>> {
    levels: std::iter::Peekable<I>,
    total: u64,
}

impl<I: Iterator<Item = (u32, u64)>> Levels<I> {
    fn new(levels: I) -> Self {
        Self { levels: levels.peekable(), total: 0 }
    }

    /// The next level: its price, and the total with it.
    fn next_level(&mut self) -> Option<(u32, u64)> {
        let (price, quantity) = self.levels.next()?;
        self.total += quantity;
        while let Some((_, more)) = self.levels.next_if(|(next, _)| *next == price) {
            self.total += more;
        }
        Some((price, self.total))
    }

    /// The first level with which the total reaches `quantity`.
    fn reach(&mut self, quantity: u64) -> Option<(u32, u64)> {
        loop {
            let level = self.next_level()?;
            if level.1 >= quantity {
                return Some(level);
            }
        }
    }
}

/// The cross of two sides, each best price first with the total of each level; market orders come first, buys at
/// `u32::MAX`, sells at 0. `None` when nothing executes.
pub(crate) fn clearing(
    bids: impl Iterator<Item = (u32, u64)> + Clone,
    asks: impl Iterator<Item = (u32, u64)> + Clone,
    range: Range,
) -> Option<Clearing> {
    let bids = bids.take_while(|(price, _)| *price >= range.low).map(|(price, qty)| (price.min(range.high), qty));
    let asks = asks.take_while(|(price, _)| *price <= range.high).map(|(price, qty)| (price.max(range.low), qty));
    let executed = most(bids.clone(), asks.clone());
    if executed == 0 {
        return None;
    }
    let (mut bids, mut asks) = (Levels::new(bids), Levels::new(asks));
    let ((high, wanted), (low, offered)) = (bids.reach(executed)?, asks.reach(executed)?);
    let segment = least_imbalance((&mut bids, &mut asks), (low, high), (wanted, offered, executed), range);
    Some(Clearing { price: segment.nearest(range), executed, imbalance: segment.imbalance, is_buy: segment.is_buy })
}

/// What executes at the best price: the highest bids against the lowest asks as long as they cross.
fn most(mut bids: impl Iterator<Item = (u32, u64)>, mut asks: impl Iterator<Item = (u32, u64)>) -> u64 {
    let (mut bid, mut ask, mut executed) = (bids.next(), asks.next(), 0);
    while let (Some((buys_at, wanted)), Some((sells_at, offered))) = (bid, ask) {
        if buys_at < sells_at {
            break;
        }
        let quantity = wanted.min(offered);
        executed += quantity;
        bid = if wanted == quantity { bids.next() } else { Some((buys_at, wanted - quantity)) };
        ask = if offered == quantity { asks.next() } else { Some((sells_at, offered - quantity)) };
    }
    executed
}

/// The part of `[low, high]` with the least imbalance. The levels stand behind the marginal ones.
fn least_imbalance(
    (bids, asks): (&mut Levels<impl Iterator<Item = (u32, u64)>>, &mut Levels<impl Iterator<Item = (u32, u64)>>),
    (low, high): (u32, u32),
    (wanted, offered, executed): (u64, u64, u64),
    range: Range,
) -> Segment {
    let tick = range.tick;
    let below = bids.next_level().filter(|(price, _)| *price >= low);
    let above = asks.next_level().filter(|(price, _)| *price <= high);
    let over_bid = |bid: Option<(u32, u64)>| bid.map_or(low, |(price, _)| (price + tick).max(low));
    let under_ask = |ask: Option<(u32, u64)>| ask.map_or(high, |(price, _)| (price - tick).min(high));
    if wanted > executed {
        return Segment { low: over_bid(below), high, imbalance: wanted - executed, is_buy: true };
    }
    if offered > executed {
        return Segment { low, high: under_ask(above), imbalance: offered - executed, is_buy: false };
    }
    let even = Segment { low: over_bid(below), high: under_ask(above), imbalance: 0, is_buy: false };
    match (below, above) {
        (Some(bid), Some(ask)) if even.low > even.high => {
            // The next levels are neighbours: no price is even, one of the two it is.
            let lower = over_bid(bids.next_level());
            let upper = under_ask(asks.next_level());
            let buys = Segment { low: lower, high: bid.0, imbalance: bid.1 - executed, is_buy: true };
            let sells = Segment { low: ask.0, high: upper, imbalance: ask.1 - executed, is_buy: false };
            let (bid_at, ask_at) = (buys.nearest(range), sells.nearest(range));
            let is_nearer = bid_at.abs_diff(range.reference) < ask_at.abs_diff(range.reference);
            let is_less = buys.imbalance < sells.imbalance;
            if is_less || buys.imbalance == sells.imbalance && is_nearer { buys } else { sells }
        }
        _ => even,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;

    type Side = Vec<(u32, u64)>;

    /// Every price of the range is tried.
    fn brute(bids: &Side, asks: &Side, range: Range) -> Option<Clearing> {
        let mut best: Option<(Clearing, u32)> = None;
        for price in (range.low..=range.high).step_by(range.tick as usize) {
            let wanted: u64 = bids.iter().filter(|(at, _)| *at >= price).map(|(_, qty)| qty).sum();
            let offered: u64 = asks.iter().filter(|(at, _)| *at <= price).map(|(_, qty)| qty).sum();
            let executed = wanted.min(offered);
            let (imbalance, is_buy) = (wanted.abs_diff(offered), wanted > offered);
            let distance = price.abs_diff(range.reference);
            let clearing = Clearing { price, executed, imbalance, is_buy };
            let is_better = best.is_none_or(|(held, held_distance)| {
                (executed, std::cmp::Reverse(imbalance), std::cmp::Reverse(distance), price)
                    > (held.executed, std::cmp::Reverse(held.imbalance), std::cmp::Reverse(held_distance), held.price)
            });
            if executed > 0 && is_better {
                best = Some((clearing, distance));
            }
        }
        best.map(|(clearing, _)| clearing)
    }

    fn side(random: &mut Random, is_buy: bool, tick: u32) -> Side {
        let mut levels: Side = Vec::new();
        if random.chance(20) {
            levels.push((if is_buy { u32::MAX } else { 0 }, u64::from(random.between(1, 9))));
        }
        let mut prices: Vec<u32> = (0..random.below(7)).map(|_| tick * random.between(1, 14)).collect();
        prices.sort_unstable();
        prices.dedup();
        if is_buy {
            prices.reverse();
        }
        let most = random.pick(&[1, 3, 20]);
        levels.extend(prices.into_iter().map(|price| (price, u64::from(random.between(1, most)))));
        levels
    }

    #[test]
    fn agrees_with_trying_every_price() {
        let mut random = Random::new(0x5eed);
        let (mut crossed, mut even) = (0, 0);
        for _ in 0..300_000 {
            let tick = random.pick(&[1, 5, 7]);
            let bids = side(&mut random, true, tick);
            let asks = side(&mut random, false, tick);
            let low = random.pick(&[1, 1, 3, 6]);
            let high = random.pick(&[15, 15, 9, 6]);
            let range = Range { low: low * tick, high: high * tick, tick, reference: random.below(17 * tick) };
            let found = clearing(bids.iter().copied(), asks.iter().copied(), range);
            assert_eq!(found, brute(&bids, &asks, range), "{bids:?} {asks:?} {range:?}");
            crossed += u32::from(found.is_some());
            even += u32::from(found.is_some_and(|clearing| clearing.imbalance == 0));
        }
        assert!(crossed > 100_000 && even > 10_000, "{crossed} {even}");
    }

    #[test]
    fn the_ends_of_the_domain_do_not_wrap() {
        let huge = u64::from(u32::MAX) << 20;
        let range = Range { low: 1, high: 1_999_999_900, tick: 1, reference: u32::MAX };
        let bids = [(u32::MAX, huge), (1_999_999_900, huge)];
        let asks = [(0, huge), (1, huge), (1_999_999_900, huge)];
        let found = clearing(bids.into_iter(), asks.into_iter(), range);
        assert_eq!(found.map(|clearing| (clearing.executed, clearing.imbalance)), Some((2 * huge, 0)));
        assert_eq!(found.map(|clearing| clearing.price), Some(1_999_999_899));
    }
}
