//! One person's session: keeps the open orders, sends requests, and prints every message that arrives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::ouch::appendage::{AppendageBuffer, Element};
use protocol::ouch::inbound::{AccountQuery, CancelOrder, EnterOrder, Inbound, ReplaceOrder};
use protocol::ouch::outbound::Outbound;
use protocol::{ClOrdId, Price, Qty, Symbol, UserRefNum};

use super::command::{Cancel, CancelTarget, Enter, OrderCommand, PriceWord, Replace};
use super::words::Words;
use crate::client::{ClientError, Credentials, OrderClient, OwnOrder, OwnOrders};
use crate::clock::monotonic;
use crate::units::{InstrumentUnits, UnitsError};

/// How long a new session may be waited for, and how long between two logins.
const REJOIN_MAX: Duration = Duration::from_secs(10);
const REJOIN_PAUSE: Duration = Duration::from_millis(50);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The venue did it.
    Taken,
    /// The venue refused or ignored it, or it cannot be sent.
    Refused,
    /// It is no request.
    BadUsage,
}

/// The session.
#[derive(Debug)]
pub(super) struct Desk {
    address: SocketAddr,
    who: Credentials,
    client: OrderClient,
    /// What the venue has said of the request that goes on.
    verdict: Option<Outcome>,
    orders: OwnOrders,
    words: Words,
}

impl Desk {
    /// Logs in; with `history`, the session's stream is read from its start, so that its open orders are known.
    ///
    /// # Errors
    /// No venue, no login, a broken connection.
    pub(super) fn open(
        address: SocketAddr,
        who: &Credentials,
        words: Words,
        history: bool,
    ) -> Result<Self, ClientError> {
        // The end of the history has no mark in the stream: a login that asks for none of it tells its number.
        let mut client = OrderClient::login(address, who, 0)?;
        let mut orders = OwnOrders::default();
        let end = client.next_sequence();
        if history && end > 1 {
            client = OrderClient::login(address, who, 1)?;
            while client.next_sequence() < end {
                orders.apply(&client.expect("the history of the session")?);
            }
        }
        Ok(Self { address, who: who.clone(), client, verdict: None, orders, words })
    }

    /// Logs in to the session that follows one that has ended, and prints what it begins with.
    fn log_in_again(&mut self) -> Result<(), ClientError> {
        let deadline = monotonic() + REJOIN_MAX;
        loop {
            match self.try_log_in_again() {
                Ok(()) => return Ok(()),
                Err(error) if monotonic() >= deadline => return Err(error),
                Err(_) => std::thread::park_timeout(REJOIN_PAUSE),
            }
        }
    }

    fn try_log_in_again(&mut self) -> Result<(), ClientError> {
        let end = OrderClient::login(self.address, &self.who, 0)?.next_sequence();
        let mut client = OrderClient::login(self.address, &self.who, 1)?;
        self.words.new_session(client.session());
        while client.next_sequence() < end {
            let message = client.expect("the beginning of the session")?;
            let about = self.orders.apply(&message);
            self.words.say(&message, about);
        }
        self.client = client;
        Ok(())
    }

    /// Orders that are open.
    pub(super) fn open_orders(&self) -> usize {
        self.orders.len()
    }

    /// Prints what arrives within `wait`.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) fn listen(&mut self, wait: Duration) -> Result<(), ClientError> {
        loop {
            match self.client.receive(wait) {
                Ok(Some(message)) => {
                    let about = self.orders.apply(&message);
                    self.words.say(&message, about);
                }
                Ok(None) => return Ok(()),
                Err(ClientError::SessionEnded { .. }) => return self.log_in_again(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends one request and prints everything up to its last answer. When the session ends before the venue has said anything of
    /// it, it was not taken, and is asked again in the next one.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) fn run(&mut self, command: &OrderCommand) -> Result<Outcome, ClientError> {
        self.verdict = None;
        match self.ask(command) {
            Err(ClientError::SessionEnded { .. }) => {
                self.log_in_again()?;
                self.verdict.take().map_or_else(|| self.ask(command), Ok)
            }
            done => done,
        }
    }

    fn ask(&mut self, command: &OrderCommand) -> Result<Outcome, ClientError> {
        let sent = match command {
            OrderCommand::Buy(enter) => self.enter(enter, b'B')?,
            OrderCommand::Sell(enter) => self.enter(enter, b'S')?,
            OrderCommand::Replace(replace) => self.replace(replace)?,
            OrderCommand::Cancel(cancel) => self.cancel(cancel)?,
            OrderCommand::Query => {
                let next = self.client.query(|_| {})?;
                self.words.open_orders(self.orders.iter(), next);
                return Ok(Outcome::Taken);
            }
        };
        match sent {
            Ok(number) => self.follow(number),
            Err(Unsent::BadUsage(why)) => {
                self.words.complain(&why);
                Ok(Outcome::BadUsage)
            }
            Err(Unsent::Refused(why)) => {
                self.words.complain(&why);
                Ok(Outcome::Refused)
            }
        }
    }

    fn enter(&mut self, enter: &Enter, side: u8) -> Result<Result<UserRefNum, Unsent>, ClientError> {
        let ((quantity, price), tags) = match self.amounts(enter).and_then(|amounts| Ok((amounts, self.tags(enter)?))) {
            Ok(asked) => asked,
            Err(unsent) => return Ok(Err(unsent)),
        };
        let user_ref_num = self.next_number()?;
        let order = EnterOrder {
            user_ref_num,
            side,
            quantity,
            symbol: enter.symbol,
            price: u64::from(price.0),
            time_in_force: protocol::TimeInForce::from(enter.tif).letter(),
            display: enter.terms.display().letter(),
            capacity: b'P',
            intermarket_sweep: b'N',
            cross_type: enter.terms.cross_type().letter(),
            cl_ord_id: enter.cl_ord_id.unwrap_or(ClOrdId::BLANK),
        };
        self.client.send(&Inbound::EnterOrder(order), Some(tags.appendage()))?;
        Ok(Ok(user_ref_num))
    }

    fn tags(&self, enter: &Enter) -> Result<AppendageBuffer, Unsent> {
        let mut tags = AppendageBuffer::new();
        if enter.post_only {
            tags.push(Element::PostOnly(b'P'));
        }
        enter.terms.tags(&self.words.units(enter.symbol)?, enter.tif, &mut tags)?;
        Ok(tags)
    }

    fn amounts(&self, enter: &Enter) -> Result<(Qty, Price), Unsent> {
        let units = self.words.units(enter.symbol)?;
        let quantity = units.quantity("quantity", enter.quantity)?;
        match enter.price() {
            Some(PriceWord::Limit(price)) => Ok((quantity, units.price("price", price)?)),
            Some(PriceWord::Market) => Ok((quantity, Price::MARKET)),
            Some(PriceWord::At) | None => Err(Unsent::BadUsage("a price is due: `@ 150.34`, or `@ market`".to_owned())),
        }
    }

    fn replace(&mut self, replace: &Replace) -> Result<Result<UserRefNum, Unsent>, ClientError> {
        let request = self.known(replace.number).and_then(|order| {
            let units = self.units(&order)?;
            let quantity = match replace.change.quantity {
                Some(quantity) => units.quantity("quantity", quantity)?,
                None => Qty(order.open.0.saturating_add(order.done.0)),
            };
            let price = match replace.change.price {
                Some(price) => u64::from(units.price("price", price)?.0),
                None => order.price,
            };
            Ok((order, quantity, price))
        });
        let (order, quantity, price) = match request {
            Ok(request) => request,
            Err(unsent) => return Ok(Err(unsent)),
        };
        let user_ref_num = self.next_number()?;
        let replace = ReplaceOrder {
            orig_user_ref_num: order.user_ref_num,
            user_ref_num,
            quantity,
            price,
            time_in_force: order.time_in_force,
            display: order.display,
            intermarket_sweep: b'N',
            cl_ord_id: ClOrdId::BLANK,
        };
        self.client.send(&Inbound::ReplaceOrder(replace), None)?;
        Ok(Ok(user_ref_num))
    }

    fn cancel(&mut self, cancel: &Cancel) -> Result<Result<UserRefNum, Unsent>, ClientError> {
        let Some(CancelTarget::Own(number)) = cancel.target() else {
            return Ok(Err(Unsent::BadUsage("expected the number of an order of yours, as `cancel 1`".to_owned())));
        };
        let request = self.known(number).and_then(|order| {
            let units = |quantity| self.units(&order)?.quantity("quantity", quantity).map_err(Unsent::from);
            let quantity = cancel.quantity.map(units).transpose()?;
            Ok(CancelOrder { user_ref_num: order.user_ref_num, quantity: quantity.unwrap_or(Qty::ZERO) })
        });
        match request {
            Ok(request) => {
                self.client.send(&Inbound::CancelOrder(request), None)?;
                Ok(Ok(request.user_ref_num))
            }
            Err(unsent) => Ok(Err(unsent)),
        }
    }

    fn known(&self, number: u32) -> Result<OwnOrder, Unsent> {
        let order = self.orders.find(UserRefNum(number));
        order.ok_or_else(|| Unsent::Refused(format!("order {number} is not open; `query` lists the open ones")))
    }

    fn units(&self, order: &OwnOrder) -> Result<InstrumentUnits, Unsent> {
        if order.is_carried {
            let number = order.user_ref_num;
            let why =
                format!("what order {number} is was told in a session before: cancel it whole, and enter it anew");
            return Err(Unsent::Refused(why));
        }
        self.words.units(order.symbol)
    }

    fn next_number(&mut self) -> Result<UserRefNum, ClientError> {
        let Self { client, orders, words, .. } = self;
        client.query(|message| {
            let about = orders.apply(message);
            words.say(message, about);
        })
    }

    /// Prints until the answer to a query that was sent behind the request: then the request has said all that it will.
    fn follow(&mut self, number: UserRefNum) -> Result<Outcome, ClientError> {
        self.client.send(&Inbound::AccountQuery(AccountQuery {}), None)?;
        loop {
            let message = self.client.expect("the answer to a request")?;
            if let Outbound::AccountQueryResponse(_) = message {
                break;
            }
            let about = self.orders.apply(&message);
            self.words.say(&message, about);
            self.verdict = self.verdict.or_else(|| verdict(&message, number));
        }
        Ok(self.verdict.take().unwrap_or_else(|| {
            self.words.complain("the venue ignored the request: the order is gone, or it would not shrink");
            Outcome::Refused
        }))
    }
}

/// What a message says about the request that this number names.
fn verdict(message: &Outbound, number: UserRefNum) -> Option<Outcome> {
    let taken = matches!(message, Outbound::Accepted(accepted) if accepted.user_ref_num == number)
        || matches!(message, Outbound::Replaced(replaced) if replaced.user_ref_num == number)
        || matches!(message, Outbound::Canceled(canceled) if canceled.user_ref_num == number);
    let refused = matches!(message, Outbound::Rejected(rejected) if rejected.user_ref_num == number);
    if refused { Some(Outcome::Refused) } else { taken.then_some(Outcome::Taken) }
}

/// Why nothing was sent.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The words are no request.
    BadUsage(String),
    /// The request cannot be made.
    Refused(String),
}

impl From<UnitsError> for Unsent {
    fn from(error: UnitsError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Scales by symbol.
pub(super) type UnitsBySymbol = BTreeMap<Symbol, InstrumentUnits>;
