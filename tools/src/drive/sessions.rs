//! The two accounts through which a recorded day is played: one whose orders rest, one whose orders take.
//!
//! Requests about resting orders are pipelined; an aggressor waits until all of them are answered, since two connections have
//! no order among each other, and the next request waits until the aggressor is done.

use protocol::ouch::inbound::{CancelOrder, EnterOrder, Inbound};
use protocol::ouch::outbound::Outbound;
use protocol::{ClOrdId, Display, Price, Qty, Symbol, TimeInForce, UserRefNum};

use super::mirror::{Handle, Instruction};
use crate::client::{ClientError, OrderClient};

/// Requests on their way at most: their answers stay far below what the venue keeps for a slow reader.
const WINDOW_MAX: u32 = 2_048;

/// Why playing ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The conversation broke.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The venue refused a request.
    #[error("the venue rejected order {user_ref_num} with reason {reason:#06x}")]
    Rejected {
        /// Which.
        user_ref_num: UserRefNum,
        /// Reason of ouch50.md §5.
        reason: u16,
    },
    /// The venue says something that the requests do not call for.
    #[error("the venue sent {found} where {expected} was due; does somebody else trade here, or with this account?")]
    Unexpected {
        /// What was due.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// An aggressor did not fill.
    #[error("the venue filled {filled} of {quantity} of an aggressor; does somebody else trade here?")]
    NotFilled {
        /// Filled.
        filled: u64,
        /// Wanted.
        quantity: Qty,
    },
    /// User reference numbers are used up.
    #[error("the account has no user reference numbers left")]
    NumbersUsedUp,
}

/// One logged-in account and its next number.
#[derive(Debug)]
pub(crate) struct Seat {
    client: OrderClient,
    next: u32,
}

impl Seat {
    /// Asks the venue where the numbers of this account continue.
    ///
    /// # Errors
    /// The conversation broke.
    pub(crate) fn new(mut client: OrderClient) -> Result<Self, ClientError> {
        let next = client.query(|_| {})?.0;
        Ok(Self { client, next })
    }

    fn number(&self, ahead: u32) -> Result<UserRefNum, SessionError> {
        self.next.checked_add(ahead).map(UserRefNum).ok_or(SessionError::NumbersUsedUp)
    }
}

/// Both accounts.
#[derive(Debug)]
pub(crate) struct Sessions {
    symbol: Symbol,
    resting: Seat,
    taking: Seat,
    aggressors: u32,
    unanswered: u32,
    messages: u64,
}

impl Sessions {
    /// Plays `symbol` through two accounts.
    pub(crate) fn new(symbol: Symbol, resting: Seat, taking: Seat) -> Self {
        Self { symbol, resting, taking, aggressors: 0, unanswered: 0, messages: 0 }
    }

    /// Requests sent so far.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Aggressors sent so far.
    pub(crate) fn aggressors(&self) -> u32 {
        self.aggressors
    }

    /// Sends one request. The executions of an aggressor are added to `executed` in the order in which they happened.
    ///
    /// # Errors
    /// The conversation broke, or the venue answers otherwise than the request calls for.
    pub(crate) fn play(
        &mut self,
        instruction: &Instruction,
        executed: &mut Vec<(Handle, Qty)>,
    ) -> Result<(), SessionError> {
        self.messages += 1;
        match *instruction {
            Instruction::Rest { handle, is_buy, price, quantity } => {
                let number = self.resting.number(handle.0)?;
                let order = self.order(number, is_buy, price, (quantity, TimeInForce::Day));
                self.resting.client.send(&Inbound::EnterOrder(order), None)?;
            }
            Instruction::Reduce { handle, total } => {
                let cancel = CancelOrder { user_ref_num: self.resting.number(handle.0)?, quantity: total };
                self.resting.client.send(&Inbound::CancelOrder(cancel), None)?;
            }
            Instruction::Sweep { is_buy, price, quantity, .. } => {
                self.finish()?;
                return self.sweep(is_buy, price, quantity, executed);
            }
        }
        self.unanswered += 1;
        if self.unanswered >= WINDOW_MAX { self.answered(WINDOW_MAX / 2) } else { Ok(()) }
    }

    /// Sends what still waits to be sent, and heartbeats that are due.
    ///
    /// # Errors
    /// The conversation broke.
    pub(crate) fn flush(&mut self) -> Result<(), SessionError> {
        self.resting.client.flush()?;
        self.resting.client.heartbeat()?;
        self.taking.client.heartbeat()?;
        Ok(())
    }

    /// Waits until everything is answered.
    ///
    /// # Errors
    /// As [`play`](Self::play).
    pub(crate) fn finish(&mut self) -> Result<(), SessionError> {
        self.answered(0)
    }

    fn order(&self, number: UserRefNum, is_buy: bool, price: Price, how: (Qty, TimeInForce)) -> EnterOrder {
        EnterOrder {
            user_ref_num: number,
            side: if is_buy { b'B' } else { b'S' },
            quantity: how.0,
            symbol: self.symbol,
            price: u64::from(price.0),
            time_in_force: how.1.letter(),
            display: Display::Visible.letter(),
            capacity: b'P',
            intermarket_sweep: b'N',
            cross_type: b'N',
            cl_ord_id: ClOrdId::BLANK,
        }
    }

    /// Reads answers about resting orders until no more than `left` are due.
    fn answered(&mut self, left: u32) -> Result<(), SessionError> {
        while self.unanswered > left {
            let message = self.resting.client.expect("the answer to an order or a cancel")?;
            let rests = matches!(message, Outbound::Accepted(accepted) if accepted.order_state == b'L');
            if !rests && !matches!(message, Outbound::Canceled(_)) {
                return Err(unexpected("an acceptance or a cancel", &message));
            }
            self.unanswered -= 1;
        }
        Ok(())
    }

    fn sweep(
        &mut self,
        is_buy: bool,
        price: Price,
        quantity: Qty,
        executed: &mut Vec<(Handle, Qty)>,
    ) -> Result<(), SessionError> {
        let number = self.taking.number(self.aggressors)?;
        self.aggressors += 1;
        let order = self.order(number, is_buy, price, (quantity, TimeInForce::Ioc));
        self.taking.client.send(&Inbound::EnterOrder(order), None)?;
        let (mut filled, mut ended) = (0, false);
        while filled < u64::from(quantity.0) && !ended {
            let message = self.taking.client.expect("the executions of an aggressor")?;
            if let Outbound::Executed(done) = message {
                filled += u64::from(done.quantity.0);
            } else if let Outbound::Accepted(accepted) = message {
                ended = accepted.order_state != b'L';
            } else if let Outbound::Canceled(_) = message {
                ended = true;
            } else {
                return Err(unexpected("an execution", &message));
            }
        }
        if filled != u64::from(quantity.0) {
            return Err(SessionError::NotFilled { filled, quantity });
        }
        while filled > 0 {
            let message = self.resting.client.expect("the executions of resting orders")?;
            let Outbound::Executed(done) = message else { return Err(unexpected("an execution", &message)) };
            executed.push((Handle(done.user_ref_num.0.wrapping_sub(self.resting.next)), done.quantity));
            filled = filled.saturating_sub(u64::from(done.quantity.0));
        }
        Ok(())
    }
}

fn unexpected(expected: &'static str, found: &Outbound) -> SessionError {
    if let Outbound::Rejected(rejected) = found {
        return SessionError::Rejected { user_ref_num: rejected.user_ref_num, reason: rejected.reason };
    }
    SessionError::Unexpected { expected, found: format!("{found:?}") }
}
