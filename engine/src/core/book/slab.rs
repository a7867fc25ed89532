//! The slab: every resting order and every price level, in records of 32 bytes with 32-bit links.
//!
//! One table holds both kinds, so that a level can be the sentinel of the circular FIFO of its own orders: to link and to
//! unlink has no branch. The lower half of the slots holds orders, the upper half levels. What a fill or a cancel does
//! not read lies in tables beside it. Both kinds of slot are reused last in, first out.

use super::table::Table;
use protocol::types::{
    AccountId, Capacity, ClOrdId, CrossType, Display, OrderRef, Owner, Side, TimeInForce, UserRefNum,
};

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// An order or a level. 32 bytes; which field means what:
///
/// | Field | Order | Level |
/// |---|---|---|
/// | `next`, `prev` | neighbours in its FIFO | first and last order, or itself |
/// | `name` | `Owner` word above the client's number | side of the book above the key |
/// | `leaves` | open quantity | number of orders |
/// | `level` | its level | its page on the ladder; on a small side the next worse level, or 0 |
/// | `wide` | reference × 256 + flags | total open quantity |
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(crate) struct Node {
    pub(crate) next: u32,
    pub(crate) prev: u32,
    pub(crate) name: u64,
    pub(crate) leaves: u32,
    pub(crate) level: u32,
    pub(crate) wide: u64,
}

const _: () = assert!(size_of::<Node>() == 32);

/// What an order is called: its owner's word above the client's number.
#[inline]
pub(crate) fn name_of(owner: Owner, user_ref_num: UserRefNum) -> u64 {
    u64::from(owner.to_bits()) << 32 | u64::from(user_ref_num.0)
}

fn low_half(word: u64) -> u32 {
    let bytes = word.to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn high_half(word: u64) -> u32 {
    low_half(word >> 32)
}

impl Node {
    const FREE: Self = Self { next: NONE, prev: NONE, name: 0, leaves: 0, level: NONE, wide: 0 };

    /// An order that is not linked yet.
    #[inline]
    pub(crate) fn order(
        owner: Owner,
        user_ref_num: UserRefNum,
        leaves: u32,
        order_ref: OrderRef,
        flags: OrderFlags,
    ) -> Self {
        let wide = order_ref.0 << 8 | u64::from(flags.0);
        Self { name: name_of(owner, user_ref_num), leaves, wide, ..Self::FREE }
    }

    /// Of an order: who owns it.
    pub(crate) fn owner(&self) -> Owner {
        Owner::from_bits(high_half(self.name))
    }

    /// Of an order: the client's number.
    pub(crate) fn user_ref_num(&self) -> UserRefNum {
        UserRefNum(low_half(self.name))
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
        high_half(self.name)
    }

    /// Of a level: its key.
    pub(crate) fn key(&self) -> u32 {
        low_half(self.name)
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
/// post-only (5), special (6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderFlags(pub(crate) u8);

impl OrderFlags {
    /// Bits of the side.
    pub(crate) const SIDE: u8 = 3;
    const DETAILS: u8 = 1 << 4;
    const POST_ONLY: u8 = 1 << 5;
    const SPECIAL: u8 = 1 << 6;

    /// Packs them.
    pub(crate) fn new(side: Side, display: Display, details: bool, post_only: bool) -> Self {
        // The low three bits of the letters B S T E count from 2.
        let side = (side.letter() & 7).wrapping_sub(2);
        Self(side | Self::of_display(display) | (u8::from(details) << 4) | (u8::from(post_only) << 5))
    }

    /// Bits of the display.
    pub(crate) const fn of_display(display: Display) -> u8 {
        match display {
            Display::Hidden => 0,
            Display::Visible => 1 << 2,
            Display::Attributable => 2 << 2,
        }
    }

    /// From a byte that [`OrderFlags::new`] may have given.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        (bits >> 7 == 0 && (bits >> 2) & 3 != 3).then_some(Self(bits))
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

    /// It has a record of its own for what is out of the ordinary (`special.rs`).
    #[inline]
    pub(crate) fn special(self) -> bool {
        self.0 & Self::SPECIAL != 0
    }

    /// The same with another marking.
    pub(crate) fn with_side(self, side: Side) -> Self {
        Self(self.0 & !3 | ((side.letter() & 7) - 2))
    }

    /// The same, shown otherwise.
    pub(crate) fn with_display(self, display: Display) -> Self {
        Self(self.0 & !0b1100 | Self::of_display(display))
    }

    /// The same with a record of its own, or without.
    pub(crate) fn with_special(self, special: bool) -> Self {
        Self(self.0 & !Self::SPECIAL | if special { Self::SPECIAL } else { 0 })
    }
}

/// What a fill or a cancel of the whole does not need. 32 bytes; with the account links (8) well below the 96 that an
/// order may take beside its hot record. The fields stand as in `EnterOrder`, so that they are copied in a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Cold {
    /// Executed over the whole replace chain.
    pub(crate) done: u32,
    /// Tags of the request that made it, for the record.
    pub(crate) tags: u32,
    /// Time in force.
    pub(crate) time_in_force: TimeInForce,
    /// Capacity.
    pub(crate) capacity: Capacity,
    /// Cross type.
    pub(crate) cross_type: CrossType,
    /// Intermarket sweep.
    pub(crate) sweep: bool,
    /// Text of the client.
    pub(crate) cl_ord_id: ClOrdId,
    /// Tag 24.
    pub(crate) group_id: u16,
    /// Tag 4.
    pub(crate) customer_type: u8,
    /// Tag 204.
    pub(crate) cancel_on_disconnect: u8,
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

/// Neighbours in the circular list of an account's open orders, oldest first; the account itself is its sentinel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountLink {
    /// The order entered before; of an account: its newest order.
    pub(crate) older: u32,
    /// The order entered after; of an account: its oldest order.
    pub(crate) newer: u32,
}

/// All order and level slots of a venue.
#[derive(Debug)]
pub(crate) struct Slab {
    nodes: Table<Node>,
    cold: Table<Cold>,
    links: Table<AccountLink>,
    /// First slot of levels, and of the accounts' links.
    base: u32,
    free_order: u32,
    free_level: u32,
    orders: u32,
    orders_max: u32,
}

impl Slab {
    /// Most orders that a slab can be made for: two slots each, counted in 31 bits.
    pub(crate) const ORDERS_MAX: u32 = (1 << 29) - 1;

    /// Reserves everything for `orders_max` orders, each on a level of its own, of at most `accounts_max` accounts. Every
    /// record is written, so that no page of it is first touched later.
    pub(crate) fn new(orders_max: u32, accounts_max: u32) -> Self {
        assert!(orders_max <= Self::ORDERS_MAX);
        let base = orders_max.next_power_of_two();
        let mut nodes = Table::new(2 * base as usize, Node::FREE);
        for slot in 1..orders_max {
            nodes.at_mut(slot as usize - 1).next = slot;
            nodes.at_mut((base + slot) as usize - 1).next = base + slot;
        }
        let mut links = Table::new(base as usize + accounts_max as usize, AccountLink { older: NONE, newer: NONE });
        for account in base..base + accounts_max {
            *links.at_mut(account as usize) = AccountLink { older: account, newer: account };
        }
        Self {
            nodes,
            cold: Table::new(base as usize, Cold::BLANK),
            links,
            base,
            free_order: if orders_max == 0 { NONE } else { 0 },
            free_level: if orders_max == 0 { NONE } else { base },
            orders: 0,
            orders_max,
        }
    }

    /// Orders on the slab.
    pub(crate) fn orders(&self) -> u32 {
        self.orders
    }

    /// Order slots that are free.
    pub(crate) fn places_left(&self) -> u32 {
        self.orders_max - self.orders
    }

    /// True when no order slot is free.
    pub(crate) fn is_full(&self) -> bool {
        self.free_order == NONE
    }

    /// The record at `slot`.
    #[inline]
    pub(crate) fn node(&self, slot: u32) -> &Node {
        self.nodes.at(slot as usize)
    }

    /// The record at `slot`.
    #[inline]
    pub(crate) fn node_mut(&mut self, slot: u32) -> &mut Node {
        self.nodes.at_mut(slot as usize)
    }

    /// What an order keeps beside its hot record.
    #[inline]
    pub(crate) fn cold(&self, slot: u32) -> &Cold {
        self.cold.at(slot as usize)
    }

    /// What an order keeps beside its hot record.
    #[inline]
    pub(crate) fn cold_mut(&mut self, slot: u32) -> &mut Cold {
        self.cold.at_mut(slot as usize)
    }

    /// Neighbours of an order, or ends of the list of [`Slab::account_link`].
    #[inline]
    pub(crate) fn link(&self, slot: u32) -> &AccountLink {
        self.links.at(slot as usize)
    }

    /// The sentinel of an account's list.
    #[inline]
    pub(crate) fn account_link(&self, account: AccountId) -> u32 {
        self.base + account.0
    }

    /// Appends an order to an account's list.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn link_newest(&mut self, account: AccountId, slot: u32) {
        let sentinel = self.account_link(account);
        let newest = std::mem::replace(&mut self.links.at_mut(sentinel as usize).older, slot);
        *self.links.at_mut(slot as usize) = AccountLink { older: newest, newer: sentinel };
        self.links.at_mut(newest as usize).newer = slot;
    }

    /// Takes an order out of its account's list.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn unlink(&mut self, slot: u32) {
        let AccountLink { older, newer } = *self.links.at(slot as usize);
        self.links.at_mut(older as usize).newer = newer;
        self.links.at_mut(newer as usize).older = older;
    }

    /// Takes a level slot and makes it an empty FIFO. There is one per order slot, so one is free.
    pub(crate) fn take_level(&mut self, side: u32, key: u32, link: u32) -> u32 {
        let slot = self.free_level;
        assert!(slot != NONE);
        let name = u64::from(side) << 32 | u64::from(key);
        let level = self.nodes.at_mut(slot as usize);
        self.free_level = level.next;
        *level = Node { next: slot, prev: slot, name, leaves: 0, level: link, wide: 0 };
        slot
    }

    /// Gives a level slot back.
    pub(crate) fn free_level(&mut self, slot: u32) {
        self.nodes.at_mut(slot as usize).next = self.free_level;
        self.free_level = slot;
    }

    /// Takes a slot, writes the order into it and puts it at the end of a FIFO. `cold` writes the record beside it where it
    /// lies: built elsewhere and copied, it would be read back before it is out of the store buffer.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn rest(&mut self, level: u32, order: &Node, cold: impl FnOnce(&mut Cold)) -> u32 {
        let slot = self.free_order;
        assert!(slot != NONE);
        let sentinel = self.nodes.at_mut(level as usize);
        let last = std::mem::replace(&mut sentinel.prev, slot);
        sentinel.leaves += 1;
        sentinel.wide += u64::from(order.leaves);
        self.nodes.at_mut(last as usize).next = slot;
        let node = self.nodes.at_mut(slot as usize);
        self.free_order = node.next;
        *node = Node { next: level, prev: last, level, ..*order };
        cold(self.cold.at_mut(slot as usize));
        self.orders = self.orders.wrapping_add(1);
        slot
    }

    /// Takes an order out of its FIFO and frees its slot; what was open leaves the total. Gives its level when that is empty
    /// now.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn remove(&mut self, slot: u32) -> Option<u32> {
        let order = self.nodes.at_mut(slot as usize);
        let Node { next, prev, leaves, level, .. } = *order;
        order.next = self.free_order;
        self.free_order = slot;
        self.orders = self.orders.wrapping_sub(1);
        self.nodes.at_mut(prev as usize).next = next;
        self.nodes.at_mut(next as usize).prev = prev;
        let sentinel = self.nodes.at_mut(level as usize);
        sentinel.leaves -= 1;
        sentinel.wide -= u64::from(leaves);
        (sentinel.leaves == 0).then_some(level)
    }

    /// Takes an order out of its FIFO and keeps its slot. Gives its level when that is empty now.
    pub(crate) fn detach(&mut self, slot: u32) -> Option<u32> {
        let Node { next, prev, leaves, level, .. } = *self.node(slot);
        self.node_mut(prev).next = next;
        self.node_mut(next).prev = prev;
        let sentinel = self.node_mut(level);
        sentinel.leaves -= 1;
        sentinel.wide -= u64::from(leaves);
        (sentinel.leaves == 0).then_some(level)
    }

    /// Puts a detached order into a FIFO, behind all that have a lower reference. Takes longer the further from the end that is.
    pub(crate) fn attach(&mut self, level: u32, slot: u32) {
        let order = *self.node(slot);
        let mut last = self.node(level).prev;
        while last != level && self.node(last).order_ref() > order.order_ref() {
            last = self.node(last).prev;
        }
        let next = std::mem::replace(&mut self.node_mut(last).next, slot);
        self.node_mut(next).prev = slot;
        *self.node_mut(slot) = Node { next, prev: last, level, ..order };
        let sentinel = self.node_mut(level);
        sentinel.leaves += 1;
        sentinel.wide += u64::from(order.leaves);
    }

    /// Changes the reference of a detached order.
    pub(crate) fn set_order_ref(&mut self, slot: u32, order_ref: OrderRef) {
        let node = self.node_mut(slot);
        node.wide = order_ref.0 << 8 | u64::from(node.flags().0);
    }

    /// Takes all that is open off an order that keeps its place.
    pub(crate) fn use_up(&mut self, slot: u32) {
        let order = self.node_mut(slot);
        let (level, quantity) = (order.level, std::mem::take(&mut order.leaves));
        self.node_mut(level).wide -= u64::from(quantity);
    }

    /// Changes the sell marking of an order.
    pub(crate) fn set_side(&mut self, slot: u32, side: Side) {
        let node = self.node_mut(slot);
        node.wide = node.order_ref().0 << 8 | u64::from(node.flags().with_side(side).0);
    }

    /// Changes the open quantity of a detached order.
    pub(crate) fn set_leaves(&mut self, slot: u32, leaves: u32) {
        self.node_mut(slot).leaves = leaves;
    }

    /// Takes `quantity`, less than all, off an order and its level.
    pub(crate) fn reduce(&mut self, slot: u32, quantity: u32) {
        let order = self.nodes.at_mut(slot as usize);
        assert!(quantity < order.leaves);
        order.leaves -= quantity;
        let level = order.level;
        self.nodes.at_mut(level as usize).wide -= u64::from(quantity);
    }
}
