//! The open orders of those accounts whose orders are counted: what the checks need to know of each, as the events told it. One
//! table in memory reserved once, open addressing: an order is found with one look at memory, and orders
//! that an account enters one after the other lie side by side.

use crate::core::book::table::Table;
use protocol::types::{AccountId, Channel, InstrumentId, Owner, UserRefNum};

/// An open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
pub(super) struct OpenOrder {
    pub(super) owner: Owner,
    pub(super) number: UserRefNum,
    /// Limit price; 0 for a market order.
    pub(super) price: u32,
    /// Open quantity, not 0; 0 in a place that is free.
    pub(super) leaves: u32,
    pub(super) instrument: InstrumentId,
    pub(super) is_buy: bool,
}

const _: () = assert!(size_of::<OpenOrder>() == 32);

impl OpenOrder {
    pub(super) fn account(&self) -> AccountId {
        self.owner.account()
    }

    fn is(&self, owner: Owner, number: UserRefNum) -> bool {
        self.number == number && self.owner == owner
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct OpenOrders {
    places: Table<OpenOrder>,
    count: usize,
}

/// Orders of an account with numbers that differ in these bits only have their homes side by side.
const GROUP_BITS: u32 = 2;

impl OpenOrders {
    /// Room for as many as the venue may have, and one on its way.
    pub(super) fn new(orders_max: usize) -> Self {
        let free = OpenOrder {
            owner: Owner::new(AccountId(0), Channel(0)),
            number: UserRefNum(0),
            price: 0,
            leaves: 0,
            instrument: InstrumentId(0),
            is_buy: false,
        };
        // At most three quarters full.
        Self { places: Table::new((orders_max + 2).div_ceil(3) * 4, free), count: 0 }
    }

    pub(super) fn find(&self, owner: Owner, number: UserRefNum) -> Option<&OpenOrder> {
        Some(self.places.at(self.place(owner, number))).filter(|order| order.leaves != 0)
    }

    pub(super) fn insert(&mut self, order: OpenOrder) {
        assert!(self.count < self.places.mask(), "the table has room by the bounds of the venue");
        let place = self.place(order.owner, order.number);
        assert!(self.places.at(place).leaves == 0, "an order comes once");
        *self.places.at_mut(place) = order;
        self.count += 1;
    }

    /// Takes quantity off an order, and the order out when nothing is left; the order as it was.
    #[inline]
    pub(super) fn reduce(&mut self, owner: Owner, number: UserRefNum, quantity: u32) -> Option<OpenOrder> {
        let at = self.place(owner, number);
        let before = *self.places.at(at);
        if before.leaves == 0 {
            return None;
        }
        if quantity < before.leaves {
            self.places.at_mut(at).leaves = before.leaves - quantity;
        } else {
            self.remove(at);
        }
        Some(before)
    }

    fn remove(&mut self, at: usize) {
        let (mask, mut hole, mut next) = (self.places.mask(), at, at);
        loop {
            next = (next + 1) & mask;
            let order = *self.places.at(next);
            if order.leaves == 0 {
                break;
            }
            // What would rather be at the hole, or before it, moves there.
            let home = self.home(order.owner, order.number);
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                *self.places.at_mut(hole) = order;
                hole = next;
            }
        }
        self.places.at_mut(hole).leaves = 0;
        self.count -= 1;
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        if self.count != 0 {
            (0..=self.places.mask()).for_each(|at| self.places.at_mut(at).leaves = 0);
            self.count = 0;
        }
    }

    /// The place where an order would rather be: nearly always it is there, or goes there.
    #[inline]
    pub(super) fn home_place(&self, owner: Owner, number: UserRefNum) -> &OpenOrder {
        self.places.at(self.home(owner, number))
    }

    /// Where an order would rather be.
    #[inline]
    fn home(&self, owner: Owner, number: UserRefNum) -> usize {
        let group = u64::from(owner.to_bits()) << 32 | u64::from(number.0 >> GROUP_BITS);
        let hash = group.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        let group = u32::from_le_bytes([hash[4], hash[5], hash[6], hash[7]]) << GROUP_BITS;
        (group | number.0 & ((1 << GROUP_BITS) - 1)) as usize & self.places.mask()
    }

    /// Where an order is, or the free place where it would be.
    #[inline]
    fn place(&self, owner: Owner, number: UserRefNum) -> usize {
        let mask = self.places.mask();
        let mut place = self.home(owner, number);
        while self.places.at(place).leaves != 0 && !self.places.at(place).is(owner, number) {
            place = (place + 1) & mask;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn does_what_an_ordered_map_does() {
        for max in [1, 5, 60] {
            let (mut orders, mut model, mut seed) = (OpenOrders::new(max), BTreeMap::new(), 7_u64);
            for _ in 0..20_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let bits = u32::try_from(seed >> 33).unwrap();
                let owner = Owner::new(AccountId(bits & 1), Channel(0));
                let (number, leaves) = (UserRefNum(1 + (bits >> 1 & 31)), 1 + (bits >> 8 & 3));
                match model.get(&(owner, number)).copied() {
                    Some(open) => {
                        assert_eq!(orders.find(owner, number).map(|order| order.leaves), Some(open));
                        assert_eq!(orders.reduce(owner, number, leaves).map(|order| order.leaves), Some(open));
                        if leaves < open {
                            model.insert((owner, number), open - leaves);
                        } else {
                            model.remove(&(owner, number));
                        }
                    }
                    None if model.len() < max => {
                        assert_eq!(orders.find(owner, number), None);
                        orders.insert(OpenOrder {
                            owner,
                            number,
                            price: bits,
                            leaves,
                            instrument: InstrumentId(1),
                            is_buy: true,
                        });
                        model.insert((owner, number), leaves);
                    }
                    None => assert_eq!(orders.reduce(owner, number, 1), None),
                }
                assert_eq!(orders.count, model.len());
            }
            for ((owner, number), leaves) in &model {
                assert_eq!(orders.find(*owner, *number).map(|order| order.leaves), Some(*leaves));
            }
            orders.clear();
            assert!(model.keys().all(|(owner, number)| orders.find(*owner, *number).is_none()));
        }
    }
}
