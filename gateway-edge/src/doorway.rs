//! How a session that began as a WebSocket on the feed's port comes to the order port: the feed answers the handshake, and
//! hands the connection over. Cold: once per connection.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::feed::websocket::Socket;
use crate::limits::Origin;
use crate::reactor::WakeHandle;

/// Connections that may wait to be taken.
const ARRIVALS_MAX: usize = 256;

/// A connection on its way.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) socket: Socket,
    pub(crate) origin: Origin,
    /// Says that the request is accepted; not sent yet.
    pub(crate) response: Vec<u8>,
}

/// The way to the order port for connections on `/ouch`, to be given to a feed.
#[derive(Clone, Debug)]
pub struct Doorway {
    pub(crate) arrivals: Arc<ArrayQueue<Arrival>>,
    waker: WakeHandle,
}

impl Doorway {
    pub(crate) fn new(waker: WakeHandle) -> Self {
        Self { arrivals: Arc::new(ArrayQueue::new(ARRIVALS_MAX)), waker }
    }

    /// Hands a connection over; false, and it is dropped, when too many wait.
    pub(crate) fn hand_over(&self, arrival: Arrival) -> bool {
        let taken = self.arrivals.push(arrival).is_ok();
        if taken {
            self.waker.wake();
        }
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.arrivals.is_empty()
    }
}
