//! The live orders of one session, kept from the messages of its stream alone.

use std::collections::BTreeMap;

use protocol::ouch::outbound::{Outbound, PriorityUpdate};
use protocol::{OrderRef, Qty, Symbol, UserRefNum};

/// One live order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnOrder {
    /// Its number, the one the next replace or cancel names.
    pub(crate) user_ref_num: UserRefNum,
    /// The venue's reference.
    pub(crate) order_ref: OrderRef,
    /// Instrument.
    pub(crate) symbol: Symbol,
    /// `B S T E`.
    pub(crate) side: u8,
    /// Wire units, or a market sentinel.
    pub(crate) price: u64,
    /// Time in force.
    pub(crate) time_in_force: u8,
    /// Display.
    pub(crate) display: u8,
    /// Open quantity.
    pub(crate) open: Qty,
    /// Executed, or removed by self-match prevention, over the whole chain of replaces.
    pub(crate) done: Qty,
    /// It came over the roll of the day, and what it is was told in a session before: symbol, side and quantities are not known.
    pub(crate) is_carried: bool,
}

/// All live orders of one session, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnOrders {
    live: BTreeMap<UserRefNum, OwnOrder>,
}

impl OwnOrders {
    /// The order with this number, when it is live.
    pub(crate) fn find(&self, user_ref_num: UserRefNum) -> Option<OwnOrder> {
        self.live.get(&user_ref_num).copied()
    }

    /// Every live order, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &OwnOrder> {
        self.live.values()
    }

    /// How many are live.
    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// Takes the next message of the stream; the order it is about, as it is afterwards (open 0 when it is gone).
    pub(crate) fn apply(&mut self, message: &Outbound) -> Option<OwnOrder> {
        match message {
            Outbound::Accepted(accepted) => Some(self.put(
                OwnOrder {
                    user_ref_num: accepted.user_ref_num,
                    order_ref: accepted.order_ref,
                    symbol: accepted.symbol,
                    side: accepted.side,
                    price: accepted.price,
                    time_in_force: accepted.time_in_force,
                    display: accepted.display,
                    open: accepted.quantity,
                    done: Qty::ZERO,
                    is_carried: false,
                },
                accepted.order_state,
            )),
            Outbound::Replaced(replaced) => {
                let done = self.live.remove(&replaced.orig_user_ref_num).map_or(Qty::ZERO, |order| order.done);
                Some(self.put(
                    OwnOrder {
                        user_ref_num: replaced.user_ref_num,
                        order_ref: replaced.order_ref,
                        symbol: replaced.symbol,
                        side: replaced.side,
                        price: replaced.price,
                        time_in_force: replaced.time_in_force,
                        display: replaced.display,
                        open: replaced.quantity,
                        done,
                        is_carried: false,
                    },
                    replaced.order_state,
                ))
            }
            Outbound::Executed(executed) => self.take(executed.user_ref_num, executed.quantity, executed.quantity),
            Outbound::Canceled(canceled) if canceled.reason == b'Q' => {
                self.take(canceled.user_ref_num, canceled.quantity, canceled.quantity)
            }
            Outbound::Canceled(canceled) => {
                let known = self.take(canceled.user_ref_num, canceled.quantity, Qty::ZERO)?;
                if known.is_carried {
                    self.live.remove(&known.user_ref_num);
                }
                Some(known)
            }
            Outbound::AiqCanceled(canceled) => {
                self.take(canceled.user_ref_num, canceled.decrement_shares, canceled.decrement_shares)
            }
            Outbound::Modified(modified) => {
                let order = self.live.get_mut(&modified.user_ref_num)?;
                order.side = modified.side;
                order.open = modified.quantity;
                Some(*order)
            }
            Outbound::PriorityUpdate(update) => Some(self.carry(update)),
            Outbound::SystemEvent(_)
            | Outbound::BrokenTrade(_)
            | Outbound::Rejected(_)
            | Outbound::CancelPending(_)
            | Outbound::CancelReject(_)
            | Outbound::Restated(_)
            | Outbound::MassCancelResponse(_)
            | Outbound::EntryDisabled(_)
            | Outbound::EntryEnabled(_)
            | Outbound::AccountQueryResponse(_)
            | Outbound::TradeCorrection(_) => None,
        }
    }

    /// An order that the last session left to this one, or a price that changed.
    fn carry(&mut self, update: &PriorityUpdate) -> OwnOrder {
        let order = self.live.entry(update.user_ref_num).or_insert(OwnOrder {
            user_ref_num: update.user_ref_num,
            order_ref: update.order_ref,
            symbol: Symbol::BLANK,
            side: b' ',
            price: update.price,
            time_in_force: b' ',
            display: update.display,
            open: Qty::ZERO,
            done: Qty::ZERO,
            is_carried: true,
        });
        order.order_ref = update.order_ref;
        order.price = update.price;
        *order
    }

    fn put(&mut self, mut order: OwnOrder, order_state: u8) -> OwnOrder {
        if order_state == b'L' {
            self.live.insert(order.user_ref_num, order);
        } else {
            order.open = Qty::ZERO;
        }
        order
    }

    fn take(&mut self, user_ref_num: UserRefNum, off: Qty, done: Qty) -> Option<OwnOrder> {
        let order = self.live.get_mut(&user_ref_num)?;
        order.open -= off.min(order.open);
        order.done = Qty(order.done.0.saturating_add(done.0));
        let order = *order;
        if order.open == Qty::ZERO && !order.is_carried {
            self.live.remove(&user_ref_num);
        }
        Some(order)
    }
}
