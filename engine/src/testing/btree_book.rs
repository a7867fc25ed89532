//! The yardstick of the benches: the textbook book. Per instrument and side a `BTreeMap` from price to a queue of orders,
//! and a `HashMap` from the name of an order to its side and price. It answers Enter, Replace and Cancel with the core's
//! events and checks nothing else: no accounts, no grid, no tags, no bounds.

#![expect(clippy::disallowed_types, reason = "the yardstick is what people write; nothing iterates over its map")]

use crate::core::EventSink;
use protocol::command::{CancelOrder, EnterOrder, ReplaceOrder};
use protocol::event::Shown;
use protocol::types::{
    CancelReason, Capacity, CrossType, Firm, InstrumentId, LiquidityFlag, MatchNumber, OrderRef, OrderState, Owner,
    Price, Qty, Side, UserRefNum,
};
use protocol::{Command, CommandBody, Event, EventBody};
use std::collections::{BTreeMap, HashMap, VecDeque};

#[derive(Debug)]
struct Order {
    instrument: InstrumentId,
    limit: Price,
    owner: Owner,
    number: UserRefNum,
    order_ref: OrderRef,
    side: Side,
    leaves: u32,
    done: u32,
    capacity: Capacity,
    cross_type: CrossType,
}

type Levels = BTreeMap<Price, VecDeque<Order>>;

#[derive(Debug, Default)]
struct Book {
    bids: Levels,
    asks: Levels,
}

/// The textbook venue.
#[derive(Debug)]
pub struct BTreeBook {
    books: Vec<Book>,
    names: HashMap<(Owner, UserRefNum), (InstrumentId, bool, Price)>,
    order_refs: u64,
    matches: u64,
}

/// Events of one command.
struct Out<'a, S> {
    sink: &'a mut S,
    command: &'a Command,
}

impl<S: EventSink> Out<'_, S> {
    fn push(&mut self, body: EventBody) {
        self.sink.push(Event { sequence: self.command.sequence, ingress: self.command.ingress, body });
    }
}

impl BTreeBook {
    /// An empty venue with instruments 1 to `instruments`.
    #[must_use]
    pub fn new(instruments: u16) -> Self {
        Self {
            books: (0..=instruments).map(|_| Book::default()).collect(),
            names: HashMap::default(),
            order_refs: 0,
            matches: 0,
        }
    }

    /// Applies Enter, Replace and Cancel; every other command does nothing.
    pub fn apply(&mut self, command: &Command, events: &mut impl EventSink) {
        let out = &mut Out { sink: events, command };
        match &command.body {
            CommandBody::Enter(enter) => self.enter(enter, out),
            CommandBody::Replace(replace) => self.replace(replace, out),
            CommandBody::Cancel(cancel) => self.cancel(cancel, out),
            CommandBody::Modify(_)
            | CommandBody::MassCancel(_)
            | CommandBody::DisableEntry(_)
            | CommandBody::EnableEntry(_)
            | CommandBody::Query(_)
            | CommandBody::Refuse(_)
            | CommandBody::RefuseReplace(_)
            | CommandBody::OpenVenue(_)
            | CommandBody::ListInstrument(_)
            | CommandBody::SetTradingState(_)
            | CommandBody::SetShortSaleTest(_)
            | CommandBody::OpenAccount(_)
            | CommandBody::SystemEvent(_)
            | CommandBody::Operator(_)
            | CommandBody::Venue(_) => {}
        }
    }

    fn levels(&mut self, instrument: InstrumentId, bids: bool) -> &mut Levels {
        let book = &mut self.books[usize::from(instrument.0)];
        if bids { &mut book.bids } else { &mut book.asks }
    }

    /// Price of the best order that one of this side and price would trade with.
    fn best(&mut self, instrument: InstrumentId, is_buy: bool, limit: Price) -> Option<Price> {
        let levels = self.levels(instrument, !is_buy);
        if is_buy {
            levels.first_key_value().map(|(price, _)| *price).filter(|price| *price <= limit)
        } else {
            levels.last_key_value().map(|(price, _)| *price).filter(|price| *price >= limit)
        }
    }

    fn enter(&mut self, enter: &EnterOrder, out: &mut Out<'_, impl EventSink>) {
        self.order_refs += 1;
        let order = Order {
            instrument: enter.instrument,
            limit: enter.price,
            owner: enter.owner,
            number: enter.user_ref_num,
            order_ref: OrderRef(self.order_refs),
            side: enter.side,
            leaves: enter.quantity.0,
            done: 0,
            capacity: enter.capacity,
            cross_type: enter.cross_type,
        };
        let immediate = enter.time_in_force.is_immediate();
        let crosses = self.best(enter.instrument, enter.side.is_buy(), enter.price).is_some();
        out.push(EventBody::Accepted {
            owner: enter.owner,
            user_ref_num: enter.user_ref_num,
            quantity: enter.quantity,
            price: enter.price,
            order_ref: order.order_ref,
            instrument: enter.instrument,
            side: enter.side,
            state: if immediate && !crosses { OrderState::Dead } else { OrderState::Live },
            shown: if crosses || immediate { Shown::No } else { Shown::Anonymous },
            firm: Firm::BLANK,
        });
        self.take_and_rest(order, immediate, out);
    }

    fn take_and_rest(&mut self, mut order: Order, immediate: bool, out: &mut Out<'_, impl EventSink>) {
        let (instrument, limit) = (order.instrument, order.limit);
        let entered = order.leaves;
        while order.leaves > 0 {
            let Some(price) = self.best(instrument, order.side.is_buy(), limit) else {
                break;
            };
            self.trade_at(&mut order, price, out);
        }
        if order.leaves == 0 {
            return;
        }
        if immediate {
            if order.leaves < entered {
                out.push(EventBody::Canceled {
                    owner: order.owner,
                    user_ref_num: order.number,
                    quantity: Qty(order.leaves),
                    leaves: Qty::ZERO,
                    order_ref: order.order_ref,
                    concealed: Qty::ZERO,
                    instrument,
                    reason: CancelReason::Immediate,
                    shown: false,
                });
            }
            return;
        }
        if order.leaves < entered {
            out.push(EventBody::Rested {
                order_ref: order.order_ref,
                quantity: Qty(order.leaves),
                price: limit,
                instrument,
                side: order.side,
                shown: Shown::Anonymous,
                firm: Firm::BLANK,
            });
        }
        self.names.insert((order.owner, order.number), (instrument, order.side.is_buy(), limit));
        let is_buy = order.side.is_buy();
        self.levels(instrument, is_buy).entry(limit).or_default().push_back(order);
    }

    fn trade_at(&mut self, order: &mut Order, price: Price, out: &mut Out<'_, impl EventSink>) {
        let instrument = order.instrument;
        let book = &mut self.books[usize::from(instrument.0)];
        let levels = if order.side.is_buy() { &mut book.asks } else { &mut book.bids };
        let Some(queue) = levels.get_mut(&price) else {
            return;
        };
        while order.leaves > 0 {
            let Some(maker) = queue.front_mut() else {
                break;
            };
            let quantity = maker.leaves.min(order.leaves);
            self.matches += 1;
            out.push(EventBody::Traded {
                match_number: MatchNumber(self.matches),
                maker_ref: maker.order_ref,
                quantity: Qty(quantity),
                price,
                maker: maker.owner,
                maker_user_ref_num: maker.number,
                taker: order.owner,
                taker_user_ref_num: order.number,
                instrument,
                maker_side: maker.side,
                maker_flag: LiquidityFlag::Added,
                taker_flag: LiquidityFlag::Removed,
                maker_shown: true,
            });
            order.leaves -= quantity;
            order.done += quantity;
            maker.leaves -= quantity;
            maker.done += quantity;
            if maker.leaves == 0 {
                let name = (maker.owner, maker.number);
                queue.pop_front();
                self.names.remove(&name);
            }
        }
        if queue.is_empty() {
            levels.remove(&price);
        }
    }

    /// Takes a live order out.
    fn take(&mut self, owner: Owner, number: UserRefNum) -> Option<(Order, InstrumentId)> {
        let (instrument, is_buy, price) = self.names.remove(&(owner, number))?;
        let levels = self.levels(instrument, is_buy);
        let queue = levels.get_mut(&price)?;
        let place = queue.iter().position(|order| order.owner == owner && order.number == number)?;
        let order = queue.remove(place)?;
        if queue.is_empty() {
            levels.remove(&price);
        }
        Some((order, instrument))
    }

    fn cancel(&mut self, cancel: &CancelOrder, out: &mut Out<'_, impl EventSink>) {
        let (owner, user_ref_num) = (cancel.owner, cancel.user_ref_num);
        if cancel.quantity != Qty::ZERO {
            return self.reduce(cancel, out);
        }
        if let Some((order, instrument)) = self.take(owner, user_ref_num) {
            out.push(EventBody::Canceled {
                owner,
                user_ref_num,
                quantity: Qty(order.leaves),
                leaves: Qty::ZERO,
                order_ref: order.order_ref,
                concealed: Qty::ZERO,
                instrument,
                reason: CancelReason::User,
                shown: true,
            });
        }
    }

    fn reduce(&mut self, cancel: &CancelOrder, out: &mut Out<'_, impl EventSink>) {
        let (owner, user_ref_num) = (cancel.owner, cancel.user_ref_num);
        let Some((instrument, is_buy, price)) = self.names.get(&(owner, user_ref_num)).copied() else {
            return;
        };
        let queue = self.levels(instrument, is_buy).get_mut(&price);
        let found =
            queue.and_then(|queue| queue.iter_mut().find(|order| order.owner == owner && order.number == user_ref_num));
        let Some(order) = found else {
            return;
        };
        let stays = cancel.quantity.0.saturating_sub(order.done);
        if stays == 0 {
            return self.cancel(&CancelOrder { quantity: Qty::ZERO, ..*cancel }, out);
        }
        if stays < order.leaves {
            let removed = order.leaves - stays;
            order.leaves = stays;
            out.push(EventBody::Canceled {
                owner,
                user_ref_num,
                quantity: Qty(removed),
                leaves: Qty(stays),
                order_ref: order.order_ref,
                concealed: Qty::ZERO,
                instrument,
                reason: CancelReason::User,
                shown: true,
            });
        }
    }

    fn replace(&mut self, replace: &ReplaceOrder, out: &mut Out<'_, impl EventSink>) {
        let Some((old, instrument)) = self.take(replace.owner, replace.orig_user_ref_num) else {
            return;
        };
        self.order_refs += 1;
        let leaves = replace.quantity.0.saturating_sub(old.done);
        let immediate = replace.time_in_force.is_immediate();
        let crosses = self.best(instrument, old.side.is_buy(), replace.price).is_some();
        let ends = leaves == 0 || immediate && !crosses;
        out.push(EventBody::Replaced {
            owner: replace.owner,
            orig_user_ref_num: replace.orig_user_ref_num,
            user_ref_num: replace.user_ref_num,
            quantity: Qty(leaves),
            price: replace.price,
            order_ref: OrderRef(self.order_refs),
            old_order_ref: old.order_ref,
            instrument,
            side: old.side,
            capacity: old.capacity,
            cross_type: old.cross_type,
            state: if ends { OrderState::Dead } else { OrderState::Live },
            shown: if ends || crosses { Shown::No } else { Shown::Anonymous },
            old_shown: true,
        });
        let order = Order {
            number: replace.user_ref_num,
            order_ref: OrderRef(self.order_refs),
            leaves,
            limit: replace.price,
            ..old
        };
        self.take_and_rest(order, immediate, out);
    }
}
