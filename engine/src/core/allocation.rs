//! Pro-rata allocation of an aggressor over the orders of one price level: exact integers, in lots, to the last unit.
//!
//! Each order gets its share of the quantity, rounded down to whole lots; a share below the minimum is none. What the shares
//! leave over goes to the orders in time priority, to each as much as it still has open. With a top order, the oldest order
//! is filled first, and the rest of the quantity is shared among the others.

/// How one level is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// What the aggressor takes of the level, at most [`Shares::total`].
    pub(crate) quantity: u64,
    /// Open quantity of all orders that share.
    pub(crate) total: u64,
    /// A share below this is none.
    pub(crate) least: u64,
    /// Quantity step.
    pub(crate) lot: u64,
    /// What the shares leave over; [`Shares::leave`] sets it.
    left: u64,
}

impl Shares {
    /// Terms of one level. `total` is not 0, `lot` is not 0.
    pub(crate) fn new(quantity: u64, total: u64, least: u64, lot: u64) -> Self {
        assert!(total != 0 && lot != 0 && quantity <= total);
        Self { quantity, total, least, lot, left: quantity }
    }

    /// Share of an order with `open` of the total, before the remainder.
    fn share(&self, open: u64) -> u64 {
        let exact = u128::from(self.quantity) * u128::from(open) / u128::from(self.total);
        let share = u64::try_from(exact).unwrap_or(u64::MAX) / self.lot * self.lot;
        if share < self.least { 0 } else { share }
    }

    /// First walk over the orders, in any order: finds what the shares leave over.
    pub(crate) fn leave(mut self, open: impl Iterator<Item = u64>) -> Self {
        self.left = self.quantity - open.map(|open| self.share(open)).sum::<u64>();
        self
    }

    /// Second walk, in time priority: what the next order gets, at most `open`.
    pub(crate) fn give(&mut self, open: u64) -> u64 {
        let share = self.share(open);
        let more = self.left.min(open - share);
        self.left -= more;
        share + more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;

    /// The rule word by word, with a list.
    fn by_hand(open: &[u64], quantity: u64, least: u64, lot: u64) -> Vec<u64> {
        let total: u64 = open.iter().sum();
        let mut given: Vec<u64> = open.iter().map(|open| open * quantity / total / lot * lot).collect();
        given.iter_mut().filter(|given| **given < least).for_each(|given| *given = 0);
        while given.iter().sum::<u64>() < quantity {
            let next = given.iter().zip(open).position(|(given, open)| given < open).unwrap();
            given[next] += 1;
        }
        given
    }

    #[test]
    fn agrees_with_the_rule_by_hand() {
        let mut random = Random::new(0x5eed);
        for _ in 0..50_000 {
            let lot = random.pick(&[1, 1, 10]);
            let open: Vec<u64> = (0..random.between(1, 8)).map(|_| u64::from(lot * random.between(1, 40))).collect();
            let total: u64 = open.iter().sum();
            let lots = u32::try_from(total).unwrap() / lot;
            let quantity = u64::from(lot * random.between(1, lots));
            let least = u64::from(random.pick(&[0_u32, 1, 5, 100]));
            let mut shares = Shares::new(quantity, total, least, lot.into()).leave(open.iter().copied());
            let given: Vec<u64> = open.iter().map(|open| shares.give(*open)).collect();
            assert_eq!(given, by_hand(&open, quantity, least, lot.into()), "{open:?} {quantity} {least} {lot}");
            assert_eq!(given.iter().sum::<u64>(), quantity);
            assert!(given.iter().all(|given| given.is_multiple_of(lot.into())));
        }
    }

    #[test]
    fn the_largest_level_does_not_wrap() {
        let open = u64::from(u32::MAX);
        let total = open << 30;
        let mut shares = Shares::new(total - 1, total, 0, 1).leave((0..4).map(|_| open));
        assert_eq!(shares.give(open), open);
    }
}
