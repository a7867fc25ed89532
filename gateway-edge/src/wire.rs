//! The bytes of one connection: plain TCP, or TLS 1.3 over it. Never waits: what cannot go on now says `WouldBlock`, as a socket
//! does. With TLS, bytes that were taken may still wait here for the socket; `flush` hands them on.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, RwLock};

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::{ServerConfig, ServerConnection};

use crate::tls::Certificate;

/// Bytes that may wait for the socket, at the most, before they are sealed.
const PENDING_BYTES_MAX: usize = 64 << 10;

/// The TLS side of one port: its certificate can be changed for connections to come. Cheap to clone.
#[derive(Clone, Default)]
pub struct TlsSwitch(Arc<RwLock<Option<Arc<ServerConfig>>>>);

impl TlsSwitch {
    /// Connections that come from now on speak TLS with this; `None`: plain TCP. Those that are there go on as they are.
    pub fn set(&self, certificate: Option<Certificate>) {
        if let Ok(mut current) = self.0.write() {
            *current = certificate.map(|certificate| certificate.0);
        }
    }

    /// `socket` as this port speaks; `None` when TLS cannot begin.
    pub(crate) fn wrap(&self, socket: TcpStream) -> Option<Wire> {
        let config = self.0.read().ok()?.clone();
        let Some(config) = config else { return Some(Wire::Plain(socket)) };
        let mut session = ServerConnection::new(config).ok()?;
        session.set_buffer_limit(Some(PENDING_BYTES_MAX));
        Some(Wire::Tls(Box::new(Tls { socket, session })))
    }
}

impl fmt::Debug for TlsSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsSwitch")
    }
}

/// The connection.
#[derive(Debug)]
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

/// TLS over a socket.
#[derive(Debug)]
pub(crate) struct Tls {
    socket: TcpStream,
    session: ServerConnection,
}

impl Wire {
    fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &mut tls.socket,
        }
    }

    /// True when a read of `read` of `wanted` bytes may have left some behind: with TLS only `WouldBlock` says that there
    /// are none.
    pub(crate) fn may_have_more(&self, read: usize, wanted: usize) -> bool {
        matches!(self, Self::Tls(_)) || read == wanted
    }

    /// True when bytes that were taken wait for the socket.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.session.wants_write())
    }

    /// Says that nothing follows.
    pub(crate) fn end(&mut self) {
        if let Self::Tls(tls) = self {
            tls.session.send_close_notify();
            // The peer may be gone already; then the next read tells.
            drop(tls.flush());
        }
        drop(self.socket().shutdown(Shutdown::Write));
    }
}

impl Tls {
    /// Hands on what is sealed; `WouldBlock` while some of it waits.
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Gone without a farewell: gone all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                outcome => return outcome,
            }
            let read = self.session.read_tls(&mut self.socket)?;
            let processed = self.session.process_new_packets();
            // What the handshake answers, or why it ends; what finds no room goes with the next writable event.
            match self.flush() {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(()) | Err(_) => {}
            }
            processed.map_err(|wrong| io::Error::new(io::ErrorKind::InvalidData, wrong))?;
            if read == 0 {
                return Ok(0);
            }
        }
    }

    /// Takes bytes once everything before has left.
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        let taken = self.session.writer().write_vectored(parts)?;
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(room),
            Self::Tls(tls) => tls.read(room),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => tls.write(&[IoSlice::new(bytes)]),
        }
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write_vectored(parts),
            Self::Tls(tls) => tls.write(parts),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

impl Source for Wire {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.socket().deregister(registry)
    }
}
