//! An open order of an account whose orders are counted, as the core has it when something happens to it. Nothing is kept of
//! them here but sums: price and side are those of the order on the book.

use protocol::types::{AccountId, InstrumentId, Owner, UserRefNum};

/// An open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenOrder {
    pub(crate) owner: Owner,
    pub(crate) number: UserRefNum,
    /// Limit price; 0 for a market order.
    pub(crate) price: u32,
    /// Open quantity.
    pub(crate) leaves: u32,
    pub(crate) instrument: InstrumentId,
    pub(crate) is_buy: bool,
}

impl OpenOrder {
    /// None.
    pub(super) const NONE: Self = Self {
        owner: Owner::from_bits(0),
        number: UserRefNum(0),
        price: 0,
        leaves: 0,
        instrument: InstrumentId(0),
        is_buy: false,
    };

    pub(super) fn account(&self) -> AccountId {
        self.owner.account()
    }
}
