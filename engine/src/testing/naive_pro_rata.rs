//! The naive model's sharing of an aggressor's quantity among the displayed orders of one price.

use protocol::types::MatchingAlgorithm;

/// What each order gets of a quantity, oldest first.
pub(super) fn allocate(quantity: u64, open: &[u64], algorithm: MatchingAlgorithm, terms: (u64, u64)) -> Vec<u64> {
    let (lot, minimum) = terms;
    if open.iter().sum::<u64>() <= quantity {
        return open.to_vec();
    }
    let mut shares = vec![0; open.len()];
    let mut left = quantity;
    let mut first = 0;
    if algorithm == MatchingAlgorithm::TopThenProRata {
        shares[0] = left.min(open[0]);
        left -= shares[0];
        first = 1;
    }
    let total: u128 = open[first..].iter().map(|open| u128::from(*open)).sum();
    let to_share = left;
    for at in first..open.len() {
        let exact = u128::from(to_share) * u128::from(open[at]) / total;
        let share = u64::try_from(exact).unwrap_or(0) / lot * lot;
        if share >= minimum {
            shares[at] += share;
            left -= share;
        }
    }
    for at in 0..open.len() {
        let more = left.min(open[at] - shares[at]);
        shares[at] += more;
        left -= more;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;

    /// Whatever is shared: nobody gets more than is open, all of it is given, and in proportion to within a lot and what
    /// the minimum and the remainder move.
    #[test]
    fn shares_add_up() {
        for seed in 0..20_000 {
            let mut random = Random::new(seed);
            let lot: u64 = random.pick(&[1, 1, 5, 100]);
            let open: Vec<u64> = (0..random.between(1, 8)).map(|_| u64::from(random.between(1, 50)) * lot).collect();
            let total: u64 = open.iter().sum();
            let quantity = u64::from(random.between(1, 300)) * lot;
            let minimum = u64::from(random.below(4)) * lot;
            let algorithm = random.pick(&[MatchingAlgorithm::ProRata, MatchingAlgorithm::TopThenProRata]);
            let shares = allocate(quantity, &open, algorithm, (lot, minimum));
            assert_eq!(shares.iter().sum::<u64>(), quantity.min(total), "seed {seed}");
            assert!(shares.iter().zip(&open).all(|(share, open)| share <= open), "seed {seed}: {shares:?} of {open:?}");
            if quantity >= total {
                assert_eq!(shares, open);
            } else if algorithm == MatchingAlgorithm::TopThenProRata {
                assert_eq!(shares[0], quantity.min(open[0]), "seed {seed}: the oldest is filled first");
            } else if minimum == 0 {
                for (share, open) in shares.iter().zip(&open) {
                    assert!(share + lot > quantity * open / total / lot * lot, "seed {seed}: at least its share");
                }
            }
        }
    }
}
