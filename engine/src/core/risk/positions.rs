//! Positions: what each account holds of each instrument it has traded, at which average cost, and what it has made of it.
//! In wire units of the instrument throughout, so that a trade needs no scaling.

use super::gate::{Entrant, Gate, SHUT};
use super::map::Map;
use crate::core::money::{Bucket, wire_notional};
use crate::memory::advise_large;
use protocol::types::{AccountId, InstrumentId};

/// One account's position in one instrument: what trades change in one cache line, what orders are checked against in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(128))]
pub(crate) struct Position {
    /// Net quantity, below zero when sold short.
    pub(crate) quantity: i128,
    /// What the net quantity has cost, price × quantity; below zero for a short position.
    pub(crate) cost: i128,
    /// What closed quantity has made.
    pub(crate) realised: i128,
    /// Open quantity of orders to sell, and to buy, when the account's orders are counted.
    pub(crate) open: [u64; 2],
    /// Orders per second.
    pub(super) orders: Bucket,
    /// The number that the gate was opened with: [`Gate::stamp`]. What follows is of the gate, too.
    pub(super) stamp: u64,
    /// Price × quantity of the open orders, when they are counted, in 96 bits: 2^29 orders of 2^63 at the most.
    notional_low: u64,
    notional_high: u32,
    pub(super) price_low: u32,
    pub(super) price_span: u32,
    pub(super) room: [u32; 2],
    pub(super) quantity_max: u32,
    /// Whose.
    pub(crate) account: AccountId,
    /// Of what.
    pub(crate) instrument: InstrumentId,
    pub(super) terms: u8,
}

const _: () = assert!(size_of::<Position>() == 128);

impl Position {
    /// None yet.
    pub(crate) fn none(account: AccountId, instrument: InstrumentId) -> Self {
        Self {
            quantity: 0,
            cost: 0,
            realised: 0,
            open: [0; 2],
            orders: Bucket::FULL,
            stamp: SHUT,
            notional_low: 0,
            notional_high: 0,
            price_low: 0,
            price_span: 0,
            room: [0; 2],
            quantity_max: 0,
            account,
            instrument,
            terms: 0,
        }
    }

    /// Opens or shuts the gate.
    pub(super) fn set_gate(&mut self, gate: &Gate) {
        let Gate { stamp, price_low, price_span, quantity_max, room, terms } = *gate;
        (self.stamp, self.price_low, self.price_span) = (stamp, price_low, price_span);
        (self.quantity_max, self.room, self.terms) = (quantity_max, room, terms);
    }

    /// There is room for an order, as far as it is known.
    pub(super) fn has_room(&self, order: &Entrant) -> bool {
        self.room[usize::from(order.side.is_buy())] >= order.quantity
    }

    /// An order is open, or more of it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every order of a limited account")]
    pub(super) fn open_more(&mut self, is_buy: bool, quantity: u32, price: u32) {
        let open = &mut self.open[usize::from(is_buy)];
        *open = open.wrapping_add(quantity.into());
        let (low, carries) = self.notional_low.overflowing_add(u64::from(quantity) * u64::from(price));
        (self.notional_low, self.notional_high) = (low, self.notional_high.wrapping_add(carries.into()));
    }

    /// Less of an order is open, which was counted.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every order of a limited account")]
    pub(super) fn open_less(&mut self, is_buy: bool, quantity: u32, price: u32) {
        let open = &mut self.open[usize::from(is_buy)];
        *open = open.wrapping_sub(quantity.into());
        let (low, borrows) = self.notional_low.overflowing_sub(u64::from(quantity) * u64::from(price));
        (self.notional_low, self.notional_high) = (low, self.notional_high.wrapping_sub(borrows.into()));
    }

    /// Nothing is open.
    pub(super) fn open_none(&mut self) {
        (self.open, self.notional_low, self.notional_high) = ([0; 2], 0, 0);
    }

    /// Price × quantity of the open orders.
    pub(super) fn open_notional(&self) -> i128 {
        i128::from(self.notional_high) << 64 | i128::from(self.notional_low)
    }

    /// What the account has been paid for all its trades together, less what it has paid.
    pub(crate) fn flow(&self) -> i128 {
        self.realised - self.cost
    }

    /// One trade. Quantity that closes is taken out at the average cost, rounded towards zero; quantity that opens adds its
    /// price.
    #[inline]
    pub(super) fn trade(&mut self, is_buy: bool, quantity: u32, price: u32) {
        if self.trade_narrow(is_buy, quantity, price).is_none() {
            self.trade_wide(is_buy, quantity, price);
        }
    }

    /// The same where all of it fits 64 bits, as it nearly always does: a third of the instructions, and a division that is a
    /// tenth of the price. `None`, and nothing is done, where something does not fit.
    #[inline]
    fn trade_narrow(&mut self, is_buy: bool, quantity: u32, price: u32) -> Option<()> {
        // Seen from the side that trades: what it holds already is above zero, what it closes below.
        let turned = |value: i64| if is_buy { value } else { value.wrapping_neg() };
        let (held, cost) = (turned(narrow(self.quantity)?), turned(narrow(self.cost)?));
        let (quantity, price) = (i64::from(quantity), i64::from(price));
        // No product of two prices or quantities is beyond 64 bits without a sign, and neither sum wraps: both are small.
        let after = held.wrapping_add(quantity);
        if held >= 0 {
            let cost = cost.checked_add(price.checked_mul(quantity)?)?;
            (self.quantity, self.cost) = (turned(after).into(), turned(cost).into());
            return Some(());
        }
        let (closing, part, left) = if after < 0 {
            let part = cost.checked_mul(quantity)? / held.wrapping_neg();
            (quantity, part, cost.wrapping_sub(part))
        } else {
            (held.wrapping_neg(), cost, price.checked_mul(after)?)
        };
        let made = price.checked_mul(closing)?.checked_add(part)?;
        self.realised -= i128::from(turned(made));
        (self.quantity, self.cost) = (turned(after).into(), turned(left).into());
        Some(())
    }

    /// The same for figures of every size.
    #[inline(never)]
    fn trade_wide(&mut self, is_buy: bool, quantity: u32, price: u32) {
        let signed = |value: i128| if is_buy { value } else { -value };
        if self.quantity == 0 || (self.quantity > 0) == is_buy {
            self.quantity += signed(i128::from(quantity));
            self.cost += signed(wire_notional(price, quantity));
            return;
        }
        let held = self.quantity.abs();
        let closing = u32::try_from(held).map_or(quantity, |held| held.min(quantity));
        let cost = share(self.cost, i128::from(closing), held);
        self.realised -= signed(wire_notional(price, closing)) + cost;
        self.cost -= cost;
        self.quantity += signed(i128::from(closing));
        let opening = quantity - closing;
        if opening > 0 {
            self.quantity = signed(i128::from(opening));
            self.cost = signed(wire_notional(price, opening));
        }
    }

    /// Gives quantity of a long position away at its average cost: no profit, no loss.
    pub(super) fn give(&mut self, quantity: i128) {
        let cost = share(self.cost, quantity, self.quantity);
        self.cost -= cost;
        self.quantity -= quantity;
    }
}

/// A figure that is far from the ends of 64 bits, so that sums of two and turned signs fit.
#[inline]
fn narrow(value: i128) -> Option<i64> {
    const FAR: i64 = 1 << 62;
    i64::try_from(value).ok().filter(|value| (-FAR..FAR).contains(value))
}

/// `total × part / whole` towards zero, for `part` up to `whole`; a wide product is avoided.
fn share(total: i128, part: i128, whole: i128) -> i128 {
    if part == whole {
        return total;
    }
    match total.checked_mul(part) {
        Some(product) => product / whole,
        // The same in two steps. What is left of the second is below one part of the price, should it not fit either.
        None => total / whole * part + (total % whole).checked_mul(part).map_or(0, |product| product / whole),
    }
}

/// No position.
const NONE: u32 = u32::MAX;

/// All positions, in a table that is as large as the venue may need.
#[derive(Debug)]
pub(super) struct Positions {
    index: Map,
    entries: Vec<Position>,
    /// Beside each position: the one that its account had before.
    older: Vec<u32>,
    /// The newest position of each account.
    newest: Vec<u32>,
    /// New pairs of account and instrument are taken up to here; what lies above is kept for orders that rest.
    taken_max: usize,
    max: usize,
}

/// Positions that a venue keeps for each open order it may have, beside those it keeps in any case.
const PER_ORDER: usize = 1;
/// Positions that every venue keeps, or one for each account when those are more.
const ALWAYS: usize = 1 << 12;

impl Positions {
    /// Room for a venue with this many open orders.
    pub(super) fn new(orders_max: usize, accounts_max: usize) -> Self {
        let taken_max = ALWAYS.max(accounts_max) + PER_ORDER * orders_max;
        let max = taken_max + orders_max + 2;
        let (entries, older) = (Vec::with_capacity(max), Vec::with_capacity(max));
        advise_large(&entries);
        Self { index: Map::new(max), entries, older, newest: vec![NONE; accounts_max], taken_max, max }
    }

    /// No new pair may be taken: an order needs a position that is there already.
    pub(super) fn is_scarce(&self) -> bool {
        self.entries.len() >= self.taken_max
    }

    /// One more may be made.
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < self.entries.capacity().min(self.max)
    }

    /// The position of a pair, if it ever traded.
    pub(super) fn find(&self, account: AccountId, instrument: InstrumentId) -> Option<&Position> {
        let found = self.index.find(key(account, instrument))?;
        self.entries.get(found as usize)
    }

    /// The position of a pair; made when there is none.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "twice for each trade")]
    pub(super) fn entry(&mut self, account: AccountId, instrument: InstrumentId) -> &mut Position {
        let at = match self.index.find(key(account, instrument)) {
            Some(at) => at,
            None => self.add(account, instrument),
        };
        &mut self.entries[at as usize]
    }

    #[cold]
    #[inline(never)]
    fn add(&mut self, account: AccountId, instrument: InstrumentId) -> u32 {
        let next = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.index.insert(key(account, instrument), next);
        self.entries.push(Position::none(account, instrument));
        let older = std::mem::replace(&mut self.newest[account.0 as usize], next);
        self.older.push(older);
        next
    }

    /// The positions of an account, the newest first.
    pub(super) fn of(&self, account: AccountId) -> impl Iterator<Item = &Position> {
        let mut next = self.newest[account.0 as usize];
        std::iter::from_fn(move || {
            let at = next as usize;
            let position = self.entries.get(at)?;
            next = self.older[at];
            Some(position)
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Where the position of a pair is, if there is one.
    pub(super) fn place(&self, account: AccountId, instrument: InstrumentId) -> Option<u32> {
        self.index.find(key(account, instrument))
    }

    /// The position at a place; `None` beyond all.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every order of a limited account")]
    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut Position> {
        self.entries.get_mut(place as usize)
    }

    /// The position at a place.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every order of a limited account")]
    pub(super) fn at(&self, place: u32) -> Option<&Position> {
        self.entries.get(place as usize)
    }

    /// The position of a pair, to change; `None` when there is none.
    pub(super) fn find_mut(&mut self, account: AccountId, instrument: InstrumentId) -> Option<&mut Position> {
        let found = self.index.find(key(account, instrument))?;
        self.entries.get_mut(found as usize)
    }

    /// Calls `touch` with the place where the number of a pair is looked for first.
    #[inline]
    pub(super) fn touch_home(&self, account: AccountId, instrument: InstrumentId, touch: impl FnOnce(*const u8)) {
        touch(self.index.home_place(key(account, instrument)));
    }

    /// All positions, in the order in which they were made.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Position> {
        self.entries.iter()
    }

    /// All positions, to change.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Position> {
        self.entries.iter_mut()
    }
}

fn key(account: AccountId, instrument: InstrumentId) -> u64 {
    u64::from(account.0) << 16 | u64::from(instrument.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(trades: &[(bool, u32, u32)]) -> Position {
        let mut position = Position::none(AccountId(0), InstrumentId(1));
        for (is_buy, quantity, price) in trades {
            position.trade(*is_buy, *quantity, *price);
        }
        position
    }

    fn figures(trades: &[(bool, u32, u32)]) -> (i128, i128, i128) {
        let position = played(trades);
        (position.quantity, position.cost, position.realised)
    }

    #[test]
    fn average_cost_and_profit_by_hand() {
        let (buy, sell) = (true, false);
        assert_eq!(figures(&[(buy, 100, 10), (buy, 100, 20)]), (200, 3_000, 0));
        assert_eq!(figures(&[(buy, 100, 10), (buy, 100, 20), (sell, 50, 30)]), (150, 2_250, 750));
        assert_eq!(figures(&[(sell, 100, 30), (buy, 40, 20)]), (-60, -1_800, 400));
        assert_eq!(figures(&[(buy, 10, 5), (sell, 30, 8)]), (-20, -160, 30), "it turns over");
        assert_eq!(figures(&[(sell, 10, 5), (buy, 10, 8)]), (0, 0, -30));
        assert_eq!(
            figures(&[(buy, 3, 10), (buy, 1, 11), (sell, 1, 10), (sell, 3, 10)]),
            (0, 0, -1),
            "nothing is lost to rounding"
        );
    }

    #[test]
    fn the_flow_is_what_was_paid() {
        let trades = [(true, 7, 13), (false, 20, 11), (true, 9, 17), (true, 40, 3), (false, 1, 1_000)];
        for count in 0..=trades.len() {
            let paid: i128 = trades[..count]
                .iter()
                .map(|(is_buy, quantity, price)| wire_notional(*price, *quantity) * if *is_buy { -1 } else { 1 })
                .sum();
            assert_eq!(played(&trades[..count]).flow(), paid);
        }
    }

    #[test]
    fn the_narrow_way_does_what_the_wide_one_does() {
        let edges =
            [0, 1, 2, 99, i128::from(u32::MAX), i128::from(i64::MAX) - 1, i128::from(i64::MAX), 1 << 64, 1 << 80];
        let (mut narrow, mut compared) = (0, 0);
        for quantity in edges.iter().flat_map(|edge| [*edge, -*edge]) {
            for cost in edges.iter().map(|edge| if quantity < 0 { -*edge } else { *edge }) {
                for (traded, price) in
                    [(1, 1), (7, 13), (u32::MAX, 1), (3, u32::MAX), (u32::MAX, u32::MAX), (100, 1_503_400)]
                {
                    for is_buy in [true, false] {
                        let before = Position { quantity, cost, ..Position::none(AccountId(0), InstrumentId(1)) };
                        let (mut fast, mut slow) = (before, before);
                        slow.trade_wide(is_buy, traded, price);
                        if fast.trade_narrow(is_buy, traded, price).is_some() {
                            assert_eq!(fast, slow, "{before:?} {is_buy} {traded} {price}");
                            narrow += 1;
                        } else {
                            assert_eq!(fast, before, "nothing is done");
                        }
                        compared += 1;
                    }
                }
            }
        }
        assert!(narrow * 4 > compared, "both ways are compared: {narrow} of {compared}");
    }

    #[test]
    fn what_is_open_is_counted_beyond_64_bits() {
        let mut position = Position::none(AccountId(0), InstrumentId(1));
        let largest = wire_notional(1_999_999_900, u32::MAX);
        for count in 1..=40 {
            position.open_more(count % 2 == 0, u32::MAX, 1_999_999_900);
            assert_eq!(position.open_notional(), count * largest);
        }
        assert_eq!(position.open, [20 * u64::from(u32::MAX); 2]);
        for count in (0..40).rev() {
            position.open_less(count % 2 == 0, u32::MAX, 1_999_999_900);
            assert_eq!(position.open_notional(), count * largest);
        }
        assert_eq!(position.open, [0; 2]);
    }

    #[test]
    fn the_largest_trades_do_not_wrap() {
        let mut position = Position::none(AccountId(0), InstrumentId(1));
        position.quantity = i128::from(i64::MAX);
        position.cost = position.quantity * 1_999_999_900;
        let before = position.flow();
        position.trade(false, u32::MAX, 1_999_999_900);
        position.trade(true, u32::MAX, 1);
        assert_eq!(position.quantity, i128::from(i64::MAX));
        assert_eq!(position.flow() - before, wire_notional(1_999_999_900, u32::MAX) - wire_notional(1, u32::MAX));
    }
}
