//! The naive model's pegs: hidden orders whose price is worked out from the best displayed prices at the moment at which
//! another order begins to match, and stays as it is while that one matches.

use super::naive_book::{Instrument, Order};

#[derive(Clone, Copy, Debug)]
pub(super) struct Peg {
    /// Tag 6: `R` the best price of its own side, `P` of the other side, `M` the midpoint.
    pub(super) kind: u8,
    /// Tag 7, added for both sides.
    pub(super) offset: i64,
}

/// Price of a pegged order now; `None` when what it follows is not there.
pub(super) fn price_of(market: &Instrument, order: &Order) -> Option<u64> {
    let peg = order.peg?;
    let buys = order.is_buy();
    let followed = match peg.kind {
        b'R' => market.best(buys),
        b'P' => market.best(!buys),
        _ => market.midpoint(),
    };
    let mut price = i64::try_from(followed?).ok()? + peg.offset;
    if let Some(limit) = order.price.and_then(|limit| i64::try_from(limit).ok()) {
        price = if buys { price.min(limit) } else { price.max(limit) };
    }
    // One tick short of what would be taking.
    let tick = i64::try_from(market.tick()).ok()?;
    match market.best(!buys).and_then(|best| i64::try_from(best).ok()) {
        Some(ask) if buys && price >= ask => price = ask - tick,
        Some(bid) if !buys && price <= bid => price = bid + tick,
        Some(_) | None => {}
    }
    u64::try_from(price).ok().filter(|price| (1..=1_999_999_900).contains(price))
}
