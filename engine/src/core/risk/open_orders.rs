//! The open orders of those accounts whose orders are counted: what the checks need to know of each, as the events told it.

use super::map::Map;
use protocol::types::{AccountId, InstrumentId, Owner, UserRefNum};

/// An open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenOrder {
    pub(super) owner: Owner,
    pub(super) number: UserRefNum,
    /// Limit price; 0 for a market order.
    pub(super) price: u32,
    /// Open quantity, not 0.
    pub(super) leaves: u32,
    pub(super) instrument: InstrumentId,
    pub(super) is_buy: bool,
}

impl OpenOrder {
    pub(super) fn account(&self) -> AccountId {
        self.owner.account()
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct OpenOrders {
    index: Map,
    entries: Vec<OpenOrder>,
}

impl OpenOrders {
    /// Room for as many as the venue may have, and one on its way.
    pub(super) fn new(orders_max: usize) -> Self {
        Self { index: Map::new(orders_max + 2), entries: Vec::with_capacity(orders_max + 2) }
    }

    pub(super) fn find(&self, owner: Owner, number: UserRefNum) -> Option<&OpenOrder> {
        self.index.find(key(owner, number)).map(|at| &self.entries[at as usize])
    }

    pub(super) fn insert(&mut self, order: OpenOrder) {
        self.index.insert(key(order.owner, order.number), u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        self.entries.push(order);
    }

    /// Takes quantity off an order, and the order out when nothing is left; the order as it was.
    pub(super) fn reduce(&mut self, owner: Owner, number: UserRefNum, quantity: u32) -> Option<OpenOrder> {
        let at = self.index.find(key(owner, number))? as usize;
        let before = self.entries[at];
        if quantity < before.leaves {
            self.entries[at].leaves = before.leaves - quantity;
        } else {
            self.index.remove(key(owner, number));
            self.entries.swap_remove(at);
            if let Some(moved) = self.entries.get(at) {
                self.index.set(key(moved.owner, moved.number), u32::try_from(at).unwrap_or(u32::MAX));
            }
        }
        Some(before)
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.index.clear();
        self.entries.clear();
    }
}

/// A number is never 0 for an order that lives, so neither is the key.
fn key(owner: Owner, number: UserRefNum) -> u64 {
    u64::from(owner.to_bits()) << 32 | u64::from(number.0)
}
