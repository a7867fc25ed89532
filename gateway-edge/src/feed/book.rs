//! The displayed book as the feed tells it (itch50.md §6), kept to make snapshots of it and to know its top. Reads nothing but feed messages.

use std::collections::BTreeMap;

use protocol::itch::{
    AddOrder, AddOrderAttributed, CrossTrade, Header, Message, StockDirectory, StockTradingAction, Trade,
};
use protocol::{Firm, InstrumentId, OrderRef, Price, Qty};

use crate::feed::bbo::{Quote, Top};

/// Where an order stands: instruments in their order, bids before asks, the best price first, first come first served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    instrument: InstrumentId,
    /// Bids first.
    is_ask: bool,
    /// Smaller is better on both sides: the price of an ask, the complement of that of a bid.
    price_key: u32,
    arrival: u64,
}

impl Place {
    fn new(order: &Order, arrival: u64) -> Self {
        let is_ask = order.side == b'S';
        let price = order.price.0;
        Self { instrument: order.header.stock_locate, is_ask, price_key: if is_ask { price } else { !price }, arrival }
    }
}

/// One displayed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    /// Of the message that added it.
    header: Header,
    side: u8,
    shares: Qty,
    price: Price,
    attribution: Option<Firm>,
}

/// The book of all instruments.
#[derive(Debug, Default)]
pub(crate) struct SnapshotBook {
    system_event: Option<Message>,
    directory: BTreeMap<InstrumentId, Message>,
    trading_action: BTreeMap<InstrumentId, Message>,
    short_sale_test: BTreeMap<InstrumentId, Message>,
    places: BTreeMap<OrderRef, Place>,
    orders: BTreeMap<Place, (OrderRef, Order)>,
    arrivals: u64,
    /// What is displayed at each price: quantity and orders.
    levels: BTreeMap<Level, (u64, u32)>,
    /// The last execution of each instrument: price and quantity.
    last: BTreeMap<InstrumentId, (Price, u64)>,
}

/// One price of one side.
type Level = (InstrumentId, bool, u32);

impl SnapshotBook {
    /// Takes the next message of the feed. What does not fit the book is as if it were not there. Answers the instrument whose
    /// top of book it may have changed, and its time.
    pub(crate) fn take(&mut self, message: &Message) -> Option<Header> {
        self.keep(message);
        header_of(message)
    }

    fn keep(&mut self, message: &Message) {
        match *message {
            Message::SystemEvent(_) => self.system_event = Some(*message),
            Message::StockDirectory(listed) => {
                self.directory.insert(listed.header.stock_locate, *message);
            }
            Message::StockTradingAction(action) => {
                self.trading_action.insert(action.header.stock_locate, *message);
            }
            Message::ShortSaleTest(test) => {
                self.short_sale_test.insert(test.header.stock_locate, *message);
            }
            Message::AddOrder(AddOrder { header, order_ref, side, shares, price, .. }) => {
                self.add(order_ref, Order { header, side, shares, price, attribution: None });
            }
            Message::AddOrderAttributed(added) => {
                let AddOrderAttributed { header, order_ref, side, shares, price, attribution, .. } = added;
                self.add(order_ref, Order { header, side, shares, price, attribution: Some(attribution) });
            }
            Message::OrderExecuted(executed) => {
                let price = self.price_of(executed.order_ref);
                self.reduce(executed.order_ref, executed.executed_shares);
                self.traded(executed.header, price, u64::from(executed.executed_shares.0));
            }
            Message::OrderExecutedWithPrice(executed) => {
                self.reduce(executed.order_ref, executed.executed_shares);
                if executed.printable == b'Y' {
                    let shares = u64::from(executed.executed_shares.0);
                    self.traded(executed.header, Some(executed.execution_price), shares);
                }
            }
            Message::Trade(trade) => self.traded(trade.header, Some(trade.price), u64::from(trade.shares.0)),
            Message::CrossTrade(cross) if cross.shares > 0 => {
                self.traded(cross.header, Some(cross.cross_price), cross.shares);
            }
            Message::OrderCancel(cancel) => self.reduce(cancel.order_ref, cancel.canceled_shares),
            Message::OrderDelete(delete) => {
                self.remove(delete.order_ref);
            }
            Message::OrderReplace(replace) => {
                if let Some(original) = self.remove(replace.original_order_ref) {
                    let header = replace.header;
                    let order = Order { header, shares: replace.shares, price: replace.price, ..original };
                    self.add(replace.new_order_ref, order);
                }
            }
            Message::ParticipantPosition(_)
            | Message::MwcbDeclineLevel(_)
            | Message::MwcbStatus(_)
            | Message::IpoQuotingPeriod(_)
            | Message::LuldAuctionCollar(_)
            | Message::OperationalHalt(_)
            | Message::CrossTrade(_)
            | Message::BrokenTrade(_)
            | Message::NetOrderImbalance(_)
            | Message::RetailInterest(_)
            | Message::DirectListing(_)
            | Message::EndOfSnapshot(_) => {}
        }
    }

    /// The messages of a snapshot, without the one that ends it: system event, directory, trading states, short-sale
    /// tests, then the orders per instrument, side, price and queue position with what is left of them.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> {
        let administrative = [&self.directory, &self.trading_action, &self.short_sale_test];
        let orders = self.orders.values().map(|(order_ref, order)| self.added(*order_ref, order));
        self.system_event
            .into_iter()
            .chain(administrative.into_iter().flat_map(BTreeMap::values).copied())
            .chain(orders)
    }

    /// What is shown at the top of an instrument's book.
    pub(crate) fn quote(&self, instrument: InstrumentId) -> Quote {
        let (last_price, last_shares) = self.last.get(&instrument).map_or((0, 0), |(price, shares)| (price.0, *shares));
        let state = match self.trading_action.get(&instrument) {
            Some(Message::StockTradingAction(action)) => action.trading_state,
            Some(_) | None => b' ',
        };
        let (bid, ask) = (self.top(instrument, false), self.top(instrument, true));
        Quote { instrument, state, bid, ask, last_price, last_shares, timestamp_ns: 0, sequence: 0 }
    }

    fn top(&self, instrument: InstrumentId, is_ask: bool) -> Top {
        let mut side = self.levels.range((instrument, is_ask, 0)..=(instrument, is_ask, u32::MAX));
        side.next().map_or_else(Top::default, |((_, _, key), (shares, orders))| Top {
            price: if is_ask { *key } else { !*key },
            shares: *shares,
            orders: *orders,
        })
    }

    fn price_of(&self, order_ref: OrderRef) -> Option<Price> {
        self.orders.get(self.places.get(&order_ref)?).map(|(_, order)| order.price)
    }

    fn traded(&mut self, header: Header, price: Option<Price>, shares: u64) {
        if let Some(price) = price {
            self.last.insert(header.stock_locate, (price, shares));
        }
    }

    /// Quantity and orders come to a price, or leave it.
    fn move_level(&mut self, place: Place, shares: i64, orders: i32) {
        let level = (place.instrument, place.is_ask, place.price_key);
        let there = self.levels.entry(level).or_default();
        *there = (there.0.saturating_add_signed(shares), there.1.saturating_add_signed(orders));
        if there.1 == 0 {
            self.levels.remove(&level);
        }
    }

    /// How many orders are displayed.
    pub(crate) fn orders(&self) -> usize {
        self.orders.len()
    }

    fn added(&self, order_ref: OrderRef, order: &Order) -> Message {
        let Order { header, side, shares, price, attribution } = *order;
        let stock = match self.directory.get(&header.stock_locate) {
            Some(Message::StockDirectory(listed)) => listed.stock,
            Some(_) | None => protocol::Symbol::BLANK,
        };
        match attribution {
            None => Message::AddOrder(AddOrder { header, order_ref, side, shares, stock, price }),
            Some(attribution) => Message::AddOrderAttributed(AddOrderAttributed {
                header,
                order_ref,
                side,
                shares,
                stock,
                price,
                attribution,
            }),
        }
    }

    fn add(&mut self, order_ref: OrderRef, order: Order) {
        self.arrivals += 1;
        let place = Place::new(&order, self.arrivals);
        self.remove(order_ref);
        self.places.insert(order_ref, place);
        self.orders.insert(place, (order_ref, order));
        self.move_level(place, i64::from(order.shares.0), 1);
    }

    fn reduce(&mut self, order_ref: OrderRef, by: Qty) {
        let Some(place) = self.places.get(&order_ref).copied() else { return };
        let Some((_, order)) = self.orders.get_mut(&place) else { return };
        let by = by.0.min(order.shares.0);
        order.shares = Qty(order.shares.0 - by);
        let is_gone = order.shares == Qty::ZERO;
        self.move_level(place, -i64::from(by), 0);
        if is_gone {
            self.remove(order_ref);
        }
    }

    fn remove(&mut self, order_ref: OrderRef) -> Option<Order> {
        let place = self.places.remove(&order_ref)?;
        let (_, order) = self.orders.remove(&place)?;
        self.move_level(place, -i64::from(order.shares.0), -1);
        Some(order)
    }
}

/// The header of a message that may change the top of a book: the book, its last trade, its state.
fn header_of(message: &Message) -> Option<Header> {
    if let Message::StockDirectory(StockDirectory { header, .. })
    | Message::StockTradingAction(StockTradingAction { header, .. })
    | Message::Trade(Trade { header, .. })
    | Message::CrossTrade(CrossTrade { header, .. }) = message
    {
        Some(*header)
    } else {
        message.book_header()
    }
}

#[cfg(test)]
mod tests {
    use protocol::Symbol;
    use protocol::itch::{OrderCancel, OrderDelete, OrderExecuted, OrderReplace, SystemEvent};

    use super::*;

    fn header(instrument: u16) -> Header {
        Header { stock_locate: InstrumentId(instrument), tracking_number: 0, timestamp_ns: 7 }
    }

    fn add(order_ref: u64, instrument: u16, side: u8, shares: u32, price: u32) -> Message {
        Message::AddOrder(AddOrder {
            header: header(instrument),
            order_ref: OrderRef(order_ref),
            side,
            shares: Qty(shares),
            stock: Symbol::BLANK,
            price: Price(price),
        })
    }

    /// Reference and remaining shares of each order, in the order of the snapshot.
    fn orders(book: &SnapshotBook) -> Vec<(u64, u32)> {
        let order = |message| if let Message::AddOrder(order) = message { Some(order) } else { None };
        book.messages().filter_map(order).map(|order| (order.order_ref.0, order.shares.0)).collect()
    }

    #[test]
    fn orders_come_by_instrument_side_price_and_arrival() {
        let mut book = SnapshotBook::default();
        for message in [
            add(1, 2, b'S', 10, 105),
            add(2, 1, b'B', 20, 100),
            add(3, 1, b'S', 30, 102),
            add(4, 1, b'B', 40, 101),
            add(5, 1, b'S', 50, 101),
            add(6, 1, b'B', 60, 100),
            add(7, 2, b'B', 70, 1),
        ] {
            book.take(&message);
        }
        assert_eq!(orders(&book), [(4, 40), (2, 20), (6, 60), (5, 50), (3, 30), (7, 70), (1, 10)]);
    }

    #[test]
    fn what_happens_to_orders_happens_to_the_book() {
        let mut book = SnapshotBook::default();
        for order_ref in 1..=4 {
            book.take(&add(order_ref, 1, b'B', 100, 50));
        }
        let (header, match_number) = (header(1), protocol::MatchNumber(1));
        let executed = |order_ref, shares| {
            let (order_ref, executed_shares) = (OrderRef(order_ref), Qty(shares));
            Message::OrderExecuted(OrderExecuted { header, order_ref, executed_shares, match_number })
        };
        book.take(&executed(1, 30));
        book.take(&Message::OrderCancel(OrderCancel { header, order_ref: OrderRef(2), canceled_shares: Qty(1) }));
        book.take(&Message::OrderDelete(OrderDelete { header, order_ref: OrderRef(3) }));
        assert_eq!(orders(&book), [(1, 70), (2, 99), (4, 100)]);
        book.take(&Message::OrderReplace(OrderReplace {
            header,
            original_order_ref: OrderRef(1),
            new_order_ref: OrderRef(9),
            shares: Qty(5),
            price: Price(50),
        }));
        assert_eq!(orders(&book), [(2, 99), (4, 100), (9, 5)]);
        book.take(&executed(4, 100));
        book.take(&executed(77, 100));
        assert_eq!(orders(&book), [(2, 99), (9, 5)]);
        assert_eq!((book.orders(), book.places.len()), (2, 2));
        let quote = book.quote(protocol::InstrumentId(1));
        assert_eq!((quote.bid, quote.ask), (Top { price: 50, shares: 104, orders: 2 }, Top::default()));
        assert_eq!((quote.last_price, quote.last_shares), (50, 100));
    }

    #[test]
    fn the_latest_state_of_each_instrument_is_kept() {
        let mut book = SnapshotBook::default();
        let event = |event_code| Message::SystemEvent(SystemEvent { header: header(0), event_code });
        let action = |instrument, trading_state| {
            let (header, stock) = (header(instrument), Symbol::BLANK);
            Message::StockTradingAction(StockTradingAction {
                header,
                stock,
                trading_state,
                reserved: b' ',
                reason: *b"    ",
            })
        };
        for message in [event(b'O'), action(2, b'T'), action(1, b'H'), event(b'S'), action(1, b'T')] {
            book.take(&message);
        }
        assert!(book.messages().eq([event(b'S'), action(1, b'T'), action(2, b'T')]));
    }
}
