//! One connection of the order port: its socket, its buffers, and the place in its account's stream up to which it has been
//! written.
//!
//! There is no output buffer: the stream is the queue. Only what is not in the stream (answers to a login, heartbeats)
//! goes through a few bytes of its own, and only between two packets of the stream.

use std::io::{self, Read, Write};

use protocol::soupbin;
use protocol::{AccountId, Nanos};

use crate::buffers::{Control, Inbound};
use crate::clock::passed;
use crate::limits::{Meter, Origin};
use crate::login::PendingLogin;
use crate::ports::StreamRead;
use crate::reactor::Readiness;
use crate::session::Ending;
use crate::wire::Wire;
use crate::ws_link::WsLink;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not logged in.
    Fresh,
    /// Logged in.
    LoggedIn(AccountId),
    /// We have sent our last byte; what still comes is read and dropped, so that closing does not destroy what we sent.
    Lingering {
        /// Since when.
        since: Nanos,
    },
}

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// This many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The peer is gone.
    Closed,
    /// The WebSocket protocol ends it.
    Ended(Ending),
}

/// What writing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// This many bytes in this many calls; 0 = the socket takes none, or there are none.
    Bytes(usize, u64),
    /// The peer is gone.
    Closed,
}

/// How its bytes travel.
#[derive(Debug)]
enum Link {
    Tcp(Wire),
    WebSocket(Box<WsLink>),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    pub(crate) inbound: Inbound,
    pub(crate) state: State,
    control: Control,
    /// Everything of the stream before this byte has been written.
    cursor: u64,
    /// Where the stream ended at the login: what lies before is history, and not held against a slow reader.
    joined_at: u64,
    pub(crate) readiness: Readiness,
    /// Its login is being looked at.
    pub(crate) login: Option<PendingLogin>,
    /// How far its rate of packets is used up.
    pub(crate) meter: Meter,
    /// It is left alone until then.
    pub(crate) parked_until: Option<Nanos>,
    /// Since when a part of a packet has been waiting for the rest.
    pub(crate) partial_since: Option<Nanos>,
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// Tells it from others that had its place before.
    pub(crate) guest: u64,
    /// It is on the list of those to be read.
    pub(crate) in_ready: bool,
    /// Its session was ended: it gets what is left of it, then the end.
    pub(crate) is_ending: bool,
    pub(crate) connected_at: Nanos,
    /// When bytes last came.
    pub(crate) heard_at: Nanos,
    /// When bytes last went out.
    pub(crate) sent_at: Nanos,
    /// When bytes last came, in ticks of the probe.
    pub(crate) read_at: u64,
}

impl Connection {
    pub(crate) fn new(socket: Wire, origin: Origin, now: Nanos) -> Self {
        Self::over(Link::Tcp(socket), origin, now)
    }

    /// One whose WebSocket handshake is over.
    pub(crate) fn on_websocket(link: WsLink, origin: Origin, now: Nanos) -> Self {
        Self::over(Link::WebSocket(Box::new(link)), origin, now)
    }

    fn over(link: Link, origin: Origin, now: Nanos) -> Self {
        Self {
            link,
            inbound: Inbound::new(),
            state: State::Fresh,
            control: Control::default(),
            cursor: 0,
            joined_at: 0,
            readiness: Readiness::NEW,
            login: None,
            meter: Meter::default(),
            parked_until: None,
            partial_since: None,
            origin,
            guest: 0,
            in_ready: false,
            read_at: 0,
            is_ending: false,
            connected_at: now,
            heard_at: now,
            sent_at: now,
        }
    }

    pub(crate) fn socket_mut(&mut self) -> &mut Wire {
        match &mut self.link {
            Link::Tcp(socket) => socket,
            Link::WebSocket(link) => link.tcp(),
        }
    }

    /// The account that is logged in here.
    pub(crate) fn account(&self) -> Option<AccountId> {
        match self.state {
            State::LoggedIn(account) => Some(account),
            State::Fresh | State::Lingering { .. } => None,
        }
    }

    /// True while it is to be left alone; the end of that time ends it.
    pub(crate) fn is_parked(&mut self, now: Nanos) -> bool {
        self.parked_until = self.parked_until.filter(|until| *until > now);
        self.parked_until.is_some()
    }

    /// True when nothing came for so long although it was read.
    pub(crate) fn is_silent(&self, now: Nanos, silence_ms: u64) -> bool {
        let is_read = !self.in_ready && self.parked_until.is_none();
        is_read && passed(self.heard_at, now, silence_ms)
    }

    /// True when a packet was begun so long ago and not ended.
    pub(crate) fn is_half(&self, now: Nanos, frame_ms: u64) -> bool {
        self.partial_since.is_some_and(|since| passed(since, now, frame_ms))
    }

    /// No whole packet is left: notes whether a part of one is.
    pub(crate) fn note_partial(&mut self, now: Nanos) {
        let partial = self.inbound.len() > 0 || matches!(&self.link, Link::WebSocket(link) if link.is_partial);
        self.partial_since = if partial { self.partial_since.or(Some(now)) } else { None };
    }

    /// One read of at most `limit` bytes. Notes when the socket has no more.
    pub(crate) fn fill(&mut self, limit: usize) -> Fill {
        let socket = match &mut self.link {
            Link::Tcp(socket) => socket,
            Link::WebSocket(link) => return link.fill(&mut self.inbound, &mut self.readiness, limit),
        };
        let room = self.inbound.room(limit);
        let wanted = room.len();
        if wanted == 0 {
            return Fill::Nothing;
        }
        match read_retrying(socket, room) {
            Ok(0) => Fill::Closed,
            Ok(read) => {
                self.inbound.grow(read);
                self.readiness.after_read(socket.may_have_more(read, wanted));
                Fill::Bytes(read)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readiness.readable = false;
                Fill::Nothing
            }
            Err(_) => Fill::Closed,
        }
    }

    /// Reads at most `limit` bytes, or a turn's share, and drops them.
    pub(crate) fn discard(&mut self, limit: usize) -> Fill {
        match &mut self.link {
            Link::WebSocket(link) => {
                if link.discard(&mut self.readiness) {
                    Fill::Nothing
                } else {
                    Fill::Closed
                }
            }
            Link::Tcp(_) => {
                let filled = self.fill(limit);
                self.inbound.clear();
                filled
            }
        }
    }

    /// Starts to write the stream of its account from byte `from` on, after `accepted`. The stream ends at `end` now.
    pub(crate) fn join(&mut self, account: AccountId, accepted: &[u8], from: u64, end: u64) {
        self.state = State::LoggedIn(account);
        self.cursor = from;
        self.joined_at = end;
        self.push_control(accepted);
    }

    fn push_control(&mut self, packet: &[u8]) {
        match &mut self.link {
            Link::Tcp(_) => self.control.push(packet),
            Link::WebSocket(link) => {
                link.push(packet);
            }
        }
    }

    /// Queues a heartbeat unless something else is on its way. True when it did.
    pub(crate) fn push_heartbeat(&mut self, end: u64) -> bool {
        let idle = self.is_flushed(end);
        if idle {
            self.push_control(&soupbin::SERVER_HEARTBEAT);
        }
        idle
    }

    /// Writes what is due: control bytes, then at most `limit` bytes of the stream in one call.
    pub(crate) fn write(&mut self, stream: &impl StreamRead, limit: usize) -> Wrote {
        if let Link::WebSocket(link) = &mut self.link {
            return link.write(&mut self.readiness, stream, &mut self.cursor, limit);
        }
        if self.flush() == Wrote::Closed {
            return Wrote::Closed;
        }
        let (mut bytes, mut calls) = (0, 0);
        while self.readiness.writable && !self.control.is_empty() {
            match self.write_some(Source::Control) {
                Ok(written) => (bytes, calls) = (bytes + written, calls + 1),
                Err(_) => return Wrote::Closed,
            }
        }
        let to = stream.end().min(self.cursor.saturating_add(limit as u64));
        if self.readiness.writable && self.control.is_empty() && self.cursor < to {
            match self.write_some(Source::Stream(stream.bytes(self.cursor, to))) {
                Ok(written) => (bytes, calls) = (bytes + written, calls + 1),
                Err(_) => return Wrote::Closed,
            }
        }
        Wrote::Bytes(bytes, calls)
    }

    /// Writes what is due without a stream: before the login, or after the last word.
    pub(crate) fn flush(&mut self) -> Wrote {
        match &mut self.link {
            Link::Tcp(socket) if self.readiness.writable => match socket.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.writable = false;
                    Wrote::Bytes(0, 0)
                }
                Err(_) => Wrote::Closed,
                Ok(()) => Wrote::Bytes(0, 0),
            },
            Link::Tcp(_) => Wrote::Bytes(0, 0),
            Link::WebSocket(link) => link.flush(&mut self.readiness),
        }
    }

    /// True when bytes wait that are not of the stream: of the WebSocket protocol, or of TLS.
    pub(crate) fn has_frames(&self) -> bool {
        match &self.link {
            Link::Tcp(socket) => socket.is_pending(),
            Link::WebSocket(link) => !link.is_flushed(),
        }
    }

    fn write_some(&mut self, source: Source<'_>) -> io::Result<usize> {
        let Link::Tcp(socket) = &mut self.link else { return Ok(0) };
        let bytes = match source {
            Source::Control => self.control.rest(),
            Source::Stream(bytes) => bytes,
        };
        match write_retrying(socket, bytes) {
            Ok(written) => {
                match source {
                    Source::Control => self.control.advance(written),
                    Source::Stream(_) => self.cursor += written as u64,
                }
                Ok(written)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readiness.writable = false;
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// True when nothing waits to be written.
    pub(crate) fn is_flushed(&self, end: u64) -> bool {
        self.cursor == end && self.control.is_empty() && !self.has_frames()
    }

    /// True while it is sent what its session was told before it logged in.
    pub(crate) fn is_replaying(&self) -> bool {
        self.cursor < self.joined_at
    }

    /// True when the stream has been written up to `end`.
    pub(crate) fn has_written(&self, end: u64) -> bool {
        self.cursor >= end && !self.has_frames()
    }

    /// Bytes that were produced since the login and not written.
    pub(crate) fn backlog(&self, end: u64) -> u64 {
        end.saturating_sub(self.cursor.max(self.joined_at))
    }

    /// Sends last words, says that nothing follows, and drops from now on what comes.
    pub(crate) fn linger(&mut self, last_words: &[u8], now: Nanos) {
        match &mut self.link {
            Link::Tcp(socket) => {
                // Best effort: the peer may be gone, or take no more; then the words are lost with the connection.
                drop(write_retrying(socket, last_words));
                socket.end();
            }
            Link::WebSocket(link) => link.close(last_words, &mut self.readiness),
        }
        self.state = State::Lingering { since: now };
        self.inbound.clear();
    }
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Control,
    Stream(&'a [u8]),
}

fn read_retrying(socket: &mut Wire, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn write_retrying(socket: &mut Wire, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
