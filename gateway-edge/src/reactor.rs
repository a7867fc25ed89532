//! The readiness queue of one thread with its listening socket: everything of mio that order port and feed have in common.
//! A listener survives what accepting can meet; a waker ends a blocked poll.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use crate::limits::Origin;

const WAKER: Token = Token(0);
const LISTENER: Token = Token(1);
/// Tokens from here on are connections: slot 0, 1, ...
const FIRST_SLOT: usize = 2;
/// Readiness events taken per turn, at the most; the rest is there in the next one.
const READINESS_PER_TURN: usize = 1024;

/// Why a port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Address and port asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no readiness queue.
    #[error("cannot create a readiness queue: {0}")]
    Poll(#[source] io::Error),
}

/// Wakes the thread that is blocked in the poll of an edge or a feed. Cheap to clone; safe to call from any thread.
#[derive(Clone, Debug)]
pub struct WakeHandle(Arc<mio::Waker>);

impl WakeHandle {
    /// Ends the current or the next blocking poll.
    pub fn wake(&self) {
        // The only failure is a counter that is full of unread wake-ups: then the poll wakes anyway.
        drop(self.0.wake());
    }
}

/// What a socket can do now, as far as the edge-triggered events told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    /// It may have bytes.
    pub(crate) readable: bool,
    /// The peer has sent its last byte: a short read does not mean that there are none left to see.
    pub(crate) read_closed: bool,
    /// It may take bytes.
    pub(crate) writable: bool,
}

impl Readiness {
    /// Of a new connection: all is worth a try.
    pub(crate) const NEW: Self = Self { readable: true, read_closed: false, writable: true };

    /// Adds what an event says.
    pub(crate) fn note(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.read_closed |= event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable();
    }

    /// After a read that may have left something behind, or has emptied the socket, unless the peer's end is behind it.
    pub(crate) fn after_read(&mut self, may_have_more: bool) {
        self.readable = may_have_more || self.read_closed;
    }
}

/// One readiness queue, one waker, one listener.
#[derive(Debug)]
pub(crate) struct Reactor {
    poll: Poll,
    events: Events,
    waker: WakeHandle,
    listener: Option<Listener>,
    address: SocketAddr,
    /// Connections may wait to be accepted.
    accept_due: bool,
    /// They do, and the last accept went well: the next turn does not wait.
    accept_busy: bool,
}

impl Reactor {
    pub(crate) fn open(listen: SocketAddr) -> Result<Self, OpenError> {
        let poll = Poll::new().map_err(OpenError::Poll)?;
        let waker = mio::Waker::new(poll.registry(), WAKER).map_err(OpenError::Poll)?;
        let (listener, address) = Listener::bind(listen, poll.registry())?;
        let waker = WakeHandle(Arc::new(waker));
        let events = Events::with_capacity(READINESS_PER_TURN);
        Ok(Self { poll, events, waker, listener: Some(listener), address, accept_due: false, accept_busy: false })
    }

    /// Waits at most `wait` for readiness (zero: only looks), and tells `each` of every slot with news. Answers how many
    /// there were, wake-ups included.
    pub(crate) fn wait(&mut self, wait: Duration, mut each: impl FnMut(usize, &mio::event::Event)) -> usize {
        if self.poll.poll(&mut self.events, Some(wait)).is_err() {
            // Interrupted by a signal: as if nothing were ready.
            self.events.clear();
        }
        let mut noted = 0;
        for event in &self.events {
            noted += 1;
            match event.token() {
                WAKER => {}
                LISTENER => self.accept_due = true,
                Token(token) => each(token - FIRST_SLOT, event),
            }
        }
        noted
    }

    /// Accepts what waits, at most `max` connections; `each` gets the connections. Answers (accepted, failed).
    pub(crate) fn accept(&mut self, max: usize, mut each: impl FnMut(TcpStream, Origin, &Registry)) -> (usize, u64) {
        let mut accepted = 0;
        self.accept_busy = false;
        while self.accept_due && accepted < max {
            let Some(listener) = &mut self.listener else { break };
            match listener.accept() {
                Accepted::Connection(socket, origin) => each(socket, origin, self.poll.registry()),
                Accepted::Nothing => self.accept_due = false,
                // Others may wait behind the one that failed; they are looked at in the next turn.
                Accepted::Failed => return (accepted, 1),
            }
            accepted += 1;
        }
        self.accept_busy = self.accept_due;
        (accepted, 0)
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.accept_busy && self.is_listening()
    }

    /// Takes no more connections.
    pub(crate) fn stop_listening(&mut self) {
        self.listener = None;
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.listener.is_some()
    }

    /// The address that is really bound (the system chooses the port when 0 was asked for).
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks for readiness of a socket that was made elsewhere. False when the system refuses.
    pub(crate) fn adopt(&self, socket: &mut impl Source, slot: usize) -> bool {
        register(socket, slot, self.poll.registry())
    }

    /// Lets go of a connection. False when the system refuses.
    pub(crate) fn release(&self, socket: &mut impl Source) -> bool {
        self.poll.registry().deregister(socket).is_ok()
    }

    pub(crate) fn waker(&self) -> WakeHandle {
        self.waker.clone()
    }
}

/// Asks for readiness of the connection at `slot`. False when the system refuses.
pub(crate) fn register(socket: &mut impl Source, slot: usize, registry: &Registry) -> bool {
    registry.register(socket, Token(slot + FIRST_SLOT), Interest::READABLE | Interest::WRITABLE).is_ok()
}

/// What one accept brought.
#[derive(Debug)]
enum Accepted {
    /// A new connection, non-blocking, without Nagle's delay.
    Connection(TcpStream, Origin),
    /// One attempt failed; more may wait.
    Failed,
    /// Nobody waits.
    Nothing,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    /// Given up for a moment when the process has no file descriptor left, so that the waiting connection can be
    /// accepted and closed instead of blocking the queue.
    spare: Option<File>,
}

impl Listener {
    fn bind(address: SocketAddr, registry: &Registry) -> Result<(Self, SocketAddr), OpenError> {
        let listen_error = |source| OpenError::Listen { address, source };
        let mut socket = TcpListener::bind(address).map_err(listen_error)?;
        let bound = socket.local_addr().map_err(listen_error)?;
        registry.register(&mut socket, LISTENER, Interest::READABLE).map_err(OpenError::Poll)?;
        Ok((Self { socket, spare: spare_descriptor() }, bound))
    }

    fn accept(&mut self) -> Accepted {
        match self.socket.accept() {
            Ok((stream, address)) => {
                // Only fails for a socket that is already broken, which the first read tells.
                drop(stream.set_nodelay(true));
                Accepted::Connection(stream, Origin::of(address))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Accepted::Nothing,
            Err(error) => {
                if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) {
                    self.shed_one();
                }
                Accepted::Failed
            }
        }
    }

    /// Accepts and closes one connection with the descriptor kept for this.
    fn shed_one(&mut self) {
        self.spare = None;
        drop(self.socket.accept());
        self.spare = spare_descriptor();
    }
}

fn spare_descriptor() -> Option<File> {
    File::open("/dev/null").ok()
}
