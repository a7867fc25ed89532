//! The slab: every resting order and every price level, in records of 32 bytes with 32-bit links.
//!
//! One array holds both kinds, so that a level can be the sentinel of the circular FIFO of its own orders: to link and to
//! unlink has no branch. Slots `0..orders_max` hold orders; from the first even slot above on, levels come in pairs (displayed
//! orders at the even slot, hidden ones behind them at the odd slot), two to a cache line. What a fill or a cancel does
//! not read lies in arrays beside it. Both kinds of slot are reused last in, first out.

use protocol::types::{Capacity, ClOrdId, CrossType, Display, OrderRef, Owner, Side, TimeInForce, UserRefNum};

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// An order or a level. 32 bytes; which field means what:
///
/// | Field | Order | Level (each of the pair) |
/// |---|---|---|
/// | `next`, `prev` | neighbours in its FIFO | first and last order, or itself |
/// | `owner` | `Owner` word | side of the book |
/// | `user_ref_num` | client's number | price key |
/// | `leaves` | open quantity | number of orders |
/// | `level` | its level | - |
/// | `wide` | reference × 256 + flags | total open quantity |
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(crate) struct Node {
    pub(crate) next: u32,
    pub(crate) prev: u32,
    pub(crate) owner: u32,
    pub(crate) user_ref_num: u32,
    pub(crate) leaves: u32,
    pub(crate) level: u32,
    pub(crate) wide: u64,
}

const _: () = assert!(size_of::<Node>() == 32);

impl Node {
    const FREE: Self = Self { next: NONE, prev: NONE, owner: 0, user_ref_num: 0, leaves: 0, level: NONE, wide: 0 };

    /// An order that is not linked yet.
    pub(crate) fn order(
        owner: Owner,
        user_ref_num: UserRefNum,
        leaves: u32,
        order_ref: OrderRef,
        flags: OrderFlags,
    ) -> Self {
        Self {
            owner: owner.to_bits(),
            user_ref_num: user_ref_num.0,
            leaves,
            wide: order_ref.0 << 8 | u64::from(flags.0),
            ..Self::FREE
        }
    }

    /// Of an order: who owns it.
    pub(crate) fn owner(&self) -> Owner {
        Owner::from_bits(self.owner)
    }

    /// Of an order: the client's number.
    pub(crate) fn user_ref_num(&self) -> UserRefNum {
        UserRefNum(self.user_ref_num)
    }

    /// Of an order: the venue's reference.
    pub(crate) fn order_ref(&self) -> OrderRef {
        OrderRef(self.wide >> 8)
    }

    /// Of an order: its flags.
    pub(crate) fn flags(&self) -> OrderFlags {
        OrderFlags(self.wide.to_le_bytes()[0])
    }

    /// Of a level: which side of which book.
    pub(crate) fn side(&self) -> u32 {
        self.owner
    }

    /// Of a level: its price key.
    pub(crate) fn key(&self) -> u32 {
        self.user_ref_num
    }

    /// Of a level: how many orders.
    pub(crate) fn orders(&self) -> u32 {
        self.leaves
    }

    /// Of a level: their open quantity.
    pub(crate) fn total(&self) -> u64 {
        self.wide
    }
}

/// What the hot record keeps in one byte: side with marking (bits 0-1), how it is shown (2-3), details asked for (4),
/// post-only (5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderFlags(pub(crate) u8);

impl OrderFlags {
    const DETAILS: u8 = 1 << 4;
    const POST_ONLY: u8 = 1 << 5;

    /// Packs them.
    pub(crate) fn new(side: Side, display: Display, details: bool, post_only: bool) -> Self {
        // The low three bits of the letters B S T E count from 2.
        let side = (side.letter() & 7) - 2;
        let display = match display {
            Display::Hidden => 0,
            Display::Visible => 1 << 2,
            Display::Attributable => 2 << 2,
        };
        Self(side | display | (u8::from(details) << 4) | (u8::from(post_only) << 5))
    }

    /// From a byte that [`OrderFlags::new`] may have given.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        (bits >> 6 == 0 && (bits >> 2) & 3 != 3).then_some(Self(bits))
    }

    /// Side with marking.
    pub(crate) fn side(self) -> Side {
        const SIDES: [Side; 4] = [Side::Buy, Side::Sell, Side::SellShort, Side::SellShortExempt];
        SIDES[usize::from(self.0 & 3)]
    }

    /// How it is shown.
    pub(crate) fn display(self) -> Display {
        match (self.0 >> 2) & 3 {
            0 => Display::Hidden,
            1 => Display::Visible,
            _ => Display::Attributable,
        }
    }

    /// It is on the feed while it rests.
    pub(crate) fn shown(self) -> bool {
        (self.0 >> 2) & 3 != 0
    }

    /// Its owner asked for details.
    pub(crate) fn details(self) -> bool {
        self.0 & Self::DETAILS != 0
    }

    /// It was entered post-only; a replacement inherits that.
    pub(crate) fn post_only(self) -> bool {
        self.0 & Self::POST_ONLY != 0
    }

    /// The same with another marking.
    pub(crate) fn with_side(self, side: Side) -> Self {
        Self::new(side, self.display(), self.details(), self.post_only())
    }
}

/// What a fill or a cancel of the whole does not need. 32 bytes; with the account links (8) well below the 96 that an
/// order may take beside its hot record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Cold {
    /// Executed over the whole replace chain.
    pub(crate) done: u32,
    /// Tags of the request that made it, for the record.
    pub(crate) tags: u32,
    /// Tag 24.
    pub(crate) group_id: u16,
    /// Text of the client.
    pub(crate) cl_ord_id: ClOrdId,
    /// Time in force.
    pub(crate) time_in_force: TimeInForce,
    /// Capacity.
    pub(crate) capacity: Capacity,
    /// Cross type.
    pub(crate) cross_type: CrossType,
    /// Tag 4.
    pub(crate) customer_type: u8,
    /// Tag 204.
    pub(crate) cancel_on_disconnect: u8,
    /// Intermarket sweep.
    pub(crate) sweep: bool,
    /// Zero.
    pub(crate) reserved: [u8; 2],
}

const _: () = assert!(size_of::<Cold>() == 32);

impl Cold {
    /// Of a free slot.
    pub(crate) const BLANK: Self = Self {
        done: 0,
        tags: 0,
        group_id: 0,
        cl_ord_id: ClOrdId::BLANK,
        time_in_force: TimeInForce::Day,
        capacity: Capacity::Agency,
        cross_type: CrossType::Continuous,
        customer_type: b' ',
        cancel_on_disconnect: b' ',
        sweep: false,
        reserved: [0; 2],
    };
}

/// Neighbours of an order in the list of its account, oldest first; [`NONE`] at the ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountLink {
    pub(crate) older: u32,
    pub(crate) newer: u32,
}

/// All order and level slots of a venue.
#[derive(Debug)]
pub(crate) struct Slab {
    pub(crate) nodes: Vec<Node>,
    pub(crate) cold: Vec<Cold>,
    pub(crate) links: Vec<AccountLink>,
    free_order: u32,
    free_level: u32,
    orders: u32,
}

impl Slab {
    /// Most orders that a slab can be made for: three slots each, counted in 32 bits.
    pub(crate) const ORDERS_MAX: u32 = 1 << 30;

    /// Reserves everything for `orders_max` orders, each on a level of its own. Every record is written, so that no page
    /// of it is first touched later.
    pub(crate) fn new(orders_max: u32) -> Self {
        assert!(orders_max <= Self::ORDERS_MAX);
        let count = orders_max as usize;
        let base = Self::base(orders_max);
        let end = if orders_max == 0 { 0 } else { base + 2 * orders_max };
        let mut nodes = vec![Node::FREE; end as usize];
        for slot in 1..orders_max {
            nodes[slot as usize - 1].next = slot;
        }
        for pair in 1..orders_max {
            nodes[(base + 2 * (pair - 1)) as usize].next = base + 2 * pair;
        }
        Self {
            nodes,
            cold: vec![Cold::BLANK; count],
            links: vec![AccountLink { older: NONE, newer: NONE }; count],
            free_order: if orders_max == 0 { NONE } else { 0 },
            free_level: if orders_max == 0 { NONE } else { base },
            orders: 0,
        }
    }

    /// First level slot: even, so that a pair is `n` and `n ^ 1`, and never 0.
    fn base(orders_max: u32) -> u32 {
        orders_max.next_multiple_of(2).max(2)
    }

    /// Orders on the slab.
    pub(crate) fn orders(&self) -> u32 {
        self.orders
    }

    /// True when no order slot is free.
    pub(crate) fn is_full(&self) -> bool {
        self.free_order == NONE
    }

    /// The record at `slot`.
    pub(crate) fn node(&self, slot: u32) -> &Node {
        &self.nodes[slot as usize]
    }

    /// The record at `slot`.
    pub(crate) fn node_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }

    /// Takes a pair of level slots and makes both empty FIFOs. There is one pair per order slot, so one is free.
    pub(crate) fn take_level(&mut self, side: u32, key: u32) -> u32 {
        let slot = self.free_level;
        assert!(slot != NONE);
        self.free_level = self.nodes[slot as usize].next;
        for half in [slot, slot ^ 1] {
            self.nodes[half as usize] =
                Node { next: half, prev: half, owner: side, user_ref_num: key, leaves: 0, level: NONE, wide: 0 };
        }
        slot
    }

    /// Gives a pair of level slots back.
    pub(crate) fn free_level(&mut self, slot: u32) {
        self.nodes[slot as usize].next = self.free_level;
        self.free_level = slot;
    }

    /// Takes a slot, writes the order into it and puts it at the end of a FIFO.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn rest(&mut self, sentinel: u32, order: Node, cold: Cold) -> u32 {
        let nodes = self.nodes.as_mut_slice();
        let slot = self.free_order;
        assert!(slot != NONE);
        let level = &mut nodes[sentinel as usize];
        let last = level.prev;
        level.prev = slot;
        level.leaves += 1;
        level.wide += u64::from(order.leaves);
        nodes[last as usize].next = slot;
        let node = &mut nodes[slot as usize];
        self.free_order = node.next;
        *node = Node { next: sentinel, prev: last, level: sentinel, ..order };
        self.cold[slot as usize] = cold;
        self.orders += 1;
        slot
    }

    /// Takes an order out of its FIFO and frees its slot; what was open leaves the total. Gives its level when both FIFOs
    /// of that are empty now.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn remove(&mut self, slot: u32) -> Option<u32> {
        let nodes = self.nodes.as_mut_slice();
        let order = &mut nodes[slot as usize];
        let Node { next, prev, leaves, level: sentinel, .. } = *order;
        order.next = self.free_order;
        self.free_order = slot;
        self.orders -= 1;
        nodes[prev as usize].next = next;
        nodes[next as usize].prev = prev;
        let level = &mut nodes[sentinel as usize];
        level.leaves -= 1;
        level.wide -= u64::from(leaves);
        (level.leaves == 0 && nodes[(sentinel ^ 1) as usize].leaves == 0).then_some(sentinel & !1)
    }

    /// Takes `quantity`, less than all, off an order and its level.
    pub(crate) fn reduce(&mut self, slot: u32, quantity: u32) {
        let order = &mut self.nodes[slot as usize];
        assert!(quantity < order.leaves);
        order.leaves -= quantity;
        let level = order.level;
        self.nodes[level as usize].wide -= u64::from(quantity);
    }
}
