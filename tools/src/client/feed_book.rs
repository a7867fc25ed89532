//! The order-by-order book that the feed describes (itch50.md §6). It knows nothing but the messages it is given, never
//! panics, and names the message that contradicts the ones before.

use std::collections::BTreeMap;

use protocol::itch::{Header, Message, OrderReplace, StockDirectory, StockTradingAction};
use protocol::{InstrumentId, MatchNumber, OrderRef, Price, Qty, Symbol};

/// One order on the feed.
#[derive(Clone, Copy, Debug)]
struct Order {
    locate: InstrumentId,
    is_buy: bool,
    price: Price,
    shares: Qty,
    /// Its place in the queue.
    arrival: u64,
}

/// All orders at one price.
#[derive(Clone, Debug, Default)]
struct Level {
    quantity: u64,
    /// By arrival: the queue.
    orders: BTreeMap<u64, OrderRef>,
}

/// One level as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LevelView {
    /// Wire units.
    pub(crate) price: Price,
    /// Wire units.
    pub(crate) quantity: u64,
    /// Orders in the queue.
    pub(crate) orders: usize,
}

/// Both sides of one instrument.
#[derive(Clone, Debug, Default)]
struct Sides {
    symbol: Symbol,
    trading_state: u8,
    bids: BTreeMap<Price, Level>,
    asks: BTreeMap<Price, Level>,
}

/// One trade, as it would be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Print {
    /// Instrument.
    pub(crate) locate: InstrumentId,
    /// Number of the execution.
    pub(crate) match_number: MatchNumber,
    /// Wire units.
    pub(crate) price: Price,
    /// Wire units; 64 bits because a cross may be large.
    pub(crate) quantity: u64,
    /// The aggressor bought; `None` when the feed does not tell.
    pub(crate) aggressor_buys: Option<bool>,
    /// Nanoseconds since midnight.
    pub(crate) timestamp_ns: u64,
}

/// What a message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing that shows in a book.
    None,
    /// The book of this instrument changed.
    Book(InstrumentId),
    /// A trade; the book may have changed too.
    Trade(Print),
    /// An earlier print is void.
    Broken(MatchNumber),
}

/// A message that a correct feed does not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// It names an order that does not rest.
    #[error("order {0} does not rest")]
    UnknownOrder(OrderRef),
    /// It adds an order that rests already.
    #[error("order {0} rests already")]
    DuplicateOrder(OrderRef),
    /// It takes more off an order than rests, or nothing.
    #[error("{taken} taken off order {order_ref}, of which {rests} rests")]
    WrongQuantity {
        /// Which.
        order_ref: OrderRef,
        /// What the message takes.
        taken: Qty,
        /// What there is.
        rests: Qty,
    },
    /// It adds an order without quantity.
    #[error("order {0} has no quantity")]
    NoQuantity(OrderRef),
    /// It names an instrument that the directory does not.
    #[error("instrument {0} is not in the directory")]
    UnknownInstrument(InstrumentId),
}

/// Books of all instruments of one feed.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeedBook {
    orders: BTreeMap<OrderRef, Order>,
    books: BTreeMap<InstrumentId, Sides>,
    arrivals: u64,
}

impl FeedBook {
    /// Before the first message.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The number of an instrument on this feed, once the directory message came.
    pub(crate) fn locate(&self, symbol: Symbol) -> Option<InstrumentId> {
        self.books.iter().find(|(_, book)| book.symbol == symbol).map(|(locate, _)| *locate)
    }

    /// The letter of the instrument's trading state; `H` before one was announced.
    pub(crate) fn trading_state(&self, locate: InstrumentId) -> u8 {
        self.books.get(&locate).map_or(b'H', |book| book.trading_state)
    }

    /// True when no order of the instrument is displayed.
    pub(crate) fn is_empty(&self, locate: InstrumentId) -> bool {
        self.books.get(&locate).is_none_or(|book| book.bids.is_empty() && book.asks.is_empty())
    }

    /// Levels of one side, best first.
    pub(crate) fn levels(&self, locate: InstrumentId, is_buy: bool) -> impl Iterator<Item = LevelView> + '_ {
        let book = self.books.get(&locate);
        let bids = book.filter(|_| is_buy).into_iter().flat_map(|book| book.bids.iter().rev());
        let asks = book.filter(|_| !is_buy).into_iter().flat_map(|book| book.asks.iter());
        bids.chain(asks).map(|(price, level)| LevelView {
            price: *price,
            quantity: level.quantity,
            orders: level.orders.len(),
        })
    }

    /// Applies one message.
    ///
    /// # Errors
    /// The message contradicts the ones before; the book is as it was.
    pub(crate) fn apply(&mut self, message: &Message) -> Result<Change, Violation> {
        match message {
            Message::StockDirectory(listed) => Ok(self.list(listed)),
            Message::StockTradingAction(action) => self.set_state(action),
            Message::AddOrder(add) => {
                self.add(add.order_ref, (add.header.stock_locate, add.side == b'B', add.price), add.shares)
            }
            Message::AddOrderAttributed(add) => {
                self.add(add.order_ref, (add.header.stock_locate, add.side == b'B', add.price), add.shares)
            }
            Message::OrderExecuted(done) => {
                let order = self.take(done.order_ref, done.executed_shares)?;
                let at = (done.match_number, done.header.timestamp_ns);
                Ok(Change::Trade(print_of(&order, order.price, done.executed_shares, at)))
            }
            Message::OrderExecutedWithPrice(done) => {
                let order = self.take(done.order_ref, done.executed_shares)?;
                let at = (done.match_number, done.header.timestamp_ns);
                let print = print_of(&order, done.execution_price, done.executed_shares, at);
                Ok(if done.printable == b'Y' { Change::Trade(print) } else { Change::Book(order.locate) })
            }
            Message::OrderCancel(cancel) => {
                self.take(cancel.order_ref, cancel.canceled_shares).map(|order| Change::Book(order.locate))
            }
            Message::OrderDelete(delete) => self.remove(delete.order_ref).map(|order| Change::Book(order.locate)),
            Message::OrderReplace(replace) => self.replace(replace),
            Message::Trade(trade) => {
                let at = (trade.match_number, trade.header);
                Ok(Change::Trade(lone_print(trade.price, u64::from(trade.shares.0), at)))
            }
            Message::CrossTrade(cross) => {
                Ok(Change::Trade(lone_print(cross.cross_price, cross.shares, (cross.match_number, cross.header))))
            }
            Message::BrokenTrade(broken) => Ok(Change::Broken(broken.match_number)),
            Message::SystemEvent(_)
            | Message::ShortSaleTest(_)
            | Message::ParticipantPosition(_)
            | Message::MwcbDeclineLevel(_)
            | Message::MwcbStatus(_)
            | Message::IpoQuotingPeriod(_)
            | Message::LuldAuctionCollar(_)
            | Message::OperationalHalt(_)
            | Message::NetOrderImbalance(_)
            | Message::RetailInterest(_)
            | Message::DirectListing(_)
            | Message::EndOfSnapshot(_) => Ok(Change::None),
        }
    }

    fn list(&mut self, listed: &StockDirectory) -> Change {
        let book = self.books.entry(listed.header.stock_locate).or_default();
        book.symbol = listed.stock;
        book.trading_state = b'H';
        Change::Book(listed.header.stock_locate)
    }

    fn set_state(&mut self, action: &StockTradingAction) -> Result<Change, Violation> {
        let locate = action.header.stock_locate;
        let book = self.books.get_mut(&locate).ok_or(Violation::UnknownInstrument(locate))?;
        book.trading_state = action.trading_state;
        Ok(Change::Book(locate))
    }

    fn replace(&mut self, replace: &OrderReplace) -> Result<Change, Violation> {
        let old = self.orders.get(&replace.original_order_ref).copied();
        let old = old.ok_or(Violation::UnknownOrder(replace.original_order_ref))?;
        self.check_new(replace.new_order_ref, replace.shares)?;
        self.remove(replace.original_order_ref)?;
        self.add(replace.new_order_ref, (old.locate, old.is_buy, replace.price), replace.shares)
    }

    fn check_new(&self, order_ref: OrderRef, shares: Qty) -> Result<(), Violation> {
        if self.orders.contains_key(&order_ref) {
            return Err(Violation::DuplicateOrder(order_ref));
        }
        if shares == Qty::ZERO { Err(Violation::NoQuantity(order_ref)) } else { Ok(()) }
    }

    fn add(
        &mut self,
        order_ref: OrderRef,
        (locate, is_buy, price): (InstrumentId, bool, Price),
        shares: Qty,
    ) -> Result<Change, Violation> {
        self.check_new(order_ref, shares)?;
        let book = self.books.get_mut(&locate).ok_or(Violation::UnknownInstrument(locate))?;
        let arrival = self.arrivals;
        self.arrivals += 1;
        let level = if is_buy { &mut book.bids } else { &mut book.asks }.entry(price).or_default();
        level.quantity += u64::from(shares.0);
        level.orders.insert(arrival, order_ref);
        self.orders.insert(order_ref, Order { locate, is_buy, price, shares, arrival });
        Ok(Change::Book(locate))
    }

    /// Takes `taken` off an order, which goes when nothing is left; the order as it was before.
    fn take(&mut self, order_ref: OrderRef, taken: Qty) -> Result<Order, Violation> {
        let order = self.orders.get_mut(&order_ref).ok_or(Violation::UnknownOrder(order_ref))?;
        let before = *order;
        if taken == Qty::ZERO || taken > before.shares {
            return Err(Violation::WrongQuantity { order_ref, taken, rests: before.shares });
        }
        if taken == before.shares {
            return self.remove(order_ref);
        }
        order.shares -= taken;
        if let Some(level) = self.level(&before) {
            level.quantity -= u64::from(taken.0);
        }
        Ok(before)
    }

    fn remove(&mut self, order_ref: OrderRef) -> Result<Order, Violation> {
        let order = self.orders.remove(&order_ref).ok_or(Violation::UnknownOrder(order_ref))?;
        if let Some(level) = self.level(&order) {
            level.quantity -= u64::from(order.shares.0);
            level.orders.remove(&order.arrival);
            if level.orders.is_empty() {
                let book = self.books.entry(order.locate).or_default();
                if order.is_buy { &mut book.bids } else { &mut book.asks }.remove(&order.price);
            }
        }
        Ok(order)
    }

    fn level(&mut self, order: &Order) -> Option<&mut Level> {
        let book = self.books.get_mut(&order.locate)?;
        if order.is_buy { &mut book.bids } else { &mut book.asks }.get_mut(&order.price)
    }
}

/// A trade of a displayed order.
fn print_of(order: &Order, price: Price, shares: Qty, (match_number, timestamp_ns): (MatchNumber, u64)) -> Print {
    let (locate, quantity) = (order.locate, u64::from(shares.0));
    Print { locate, match_number, price, quantity, aggressor_buys: Some(!order.is_buy), timestamp_ns }
}

/// A trade that names no displayed order.
fn lone_print(price: Price, quantity: u64, (match_number, header): (MatchNumber, Header)) -> Print {
    let (locate, timestamp_ns) = (header.stock_locate, header.timestamp_ns);
    Print { locate, match_number, price, quantity, aggressor_buys: None, timestamp_ns }
}
