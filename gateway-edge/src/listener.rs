//! A listening socket that survives what accepting can meet, and the handle that wakes a blocked poll.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

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
    pub(crate) fn new(registry: &Registry, token: Token) -> Result<Self, OpenError> {
        mio::Waker::new(registry, token).map(|waker| Self(Arc::new(waker))).map_err(OpenError::Poll)
    }

    /// Ends the current or the next blocking poll.
    pub fn wake(&self) {
        // The only failure is a counter that is full of unread wake-ups: then the poll wakes anyway.
        drop(self.0.wake());
    }
}

/// What one accept brought.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// A new connection, non-blocking, without Nagle's delay.
    Connection(TcpStream),
    /// One attempt failed; more may wait.
    Failed,
    /// Nobody waits.
    Nothing,
}

/// A bound socket. Readiness is edge-triggered, so the owner asks until [`Accepted::Nothing`] or remembers to ask again.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    /// Given up for a moment when the process has no file descriptor left, so that the waiting connection can be
    /// accepted and closed instead of blocking the queue.
    spare: Option<File>,
}

impl Listener {
    pub(crate) fn bind(address: SocketAddr, registry: &Registry, token: Token) -> Result<Self, OpenError> {
        let listen_error = |source| OpenError::Listen { address, source };
        let mut socket = TcpListener::bind(address).map_err(listen_error)?;
        let address = socket.local_addr().map_err(listen_error)?;
        registry.register(&mut socket, token, Interest::READABLE).map_err(OpenError::Poll)?;
        Ok(Self { socket, address, spare: spare_descriptor() })
    }

    /// The address that is really bound (the port is chosen by the system when 0 was asked for).
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn accept(&mut self) -> Accepted {
        match self.socket.accept() {
            Ok((stream, _)) => {
                // Only fails for a socket that is already broken, which the first read tells.
                drop(stream.set_nodelay(true));
                Accepted::Connection(stream)
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
