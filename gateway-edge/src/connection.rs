//! One connection of the order port: its socket, the fixed buffer that bytes are read into and packets are cut from in
//! place, and the place in its account's stream up to which it has been written.
//!
//! There is no output buffer: the stream is the queue. Only what is not in the stream (answers to a login, heartbeats)
//! goes through a few bytes of its own, and only between two packets of the stream.

use std::io::{self, Read, Write};

use protocol::limits::SOUP_PACKET_BYTES_MAX;
use protocol::soupbin::{self, Cut};
use protocol::{AccountId, Nanos};

use crate::clock::passed;
use crate::limits::{Meter, Origin};
use crate::login::PendingLogin;
use crate::ports::StreamRead;
use crate::reactor::Readiness;
use crate::session::Ending;
use crate::wire::Wire;
use crate::ws_link::WsLink;

/// Room for the longest packet and a little of what follows it.
const INBOUND_BYTES: usize = SOUP_PACKET_BYTES_MAX + 2048;
/// Room for a login accepted and a heartbeat behind it.
const CONTROL_BYTES: usize = 64;

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

/// What was read and not taken yet. Packets are cut in place; a partial one waits here for the rest.
#[derive(Debug)]
pub(crate) struct Inbound {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbound {
    fn new() -> Self {
        Self { bytes: vec![0; INBOUND_BYTES].into_boxed_slice(), start: 0, end: 0 }
    }

    /// The first packet.
    #[inline]
    pub(crate) fn cut(&self) -> Cut<'_> {
        soupbin::cut(self.bytes.get(self.start..self.end).unwrap_or_default())
    }

    /// How long the first packet is or will be, as far as it says.
    #[inline]
    pub(crate) fn announced(&self) -> Option<usize> {
        let length = self.bytes.get(self.start..self.end)?.first_chunk()?;
        Some(2 + usize::from(u16::from_be_bytes(*length)))
    }

    /// Drops the first `count` bytes.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    /// Bytes that are here.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Adds bytes behind what is here. False when there is no room.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let room = self.room(bytes.len());
        let fits = room.len() == bytes.len();
        if fits {
            room.copy_from_slice(bytes);
            self.grow(bytes.len());
        }
        fits
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Room behind what is here, at most `limit` bytes; moves what is here to the front for it.
    fn room(&mut self, limit: usize) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let to = self.bytes.len().min(self.end + limit);
        self.bytes.get_mut(self.end..to).unwrap_or_default()
    }

    fn grow(&mut self, count: usize) {
        self.end = self.bytes.len().min(self.end + count);
    }
}

/// The few bytes that are not in the stream.
#[derive(Debug)]
struct Control {
    bytes: [u8; CONTROL_BYTES],
    start: usize,
    end: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self { bytes: [0; CONTROL_BYTES], start: 0, end: 0 }
    }
}

impl Control {
    fn push(&mut self, packet: &[u8]) {
        let to = self.end + packet.len();
        let slot = self.bytes.get_mut(self.end..to);
        assert!(slot.is_some(), "only a login and one heartbeat are ever queued");
        if let Some(slot) = slot {
            slot.copy_from_slice(packet);
            self.end = to;
        }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn advance(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_cut_whole_whatever_the_pieces() {
        let packet = [0, 4, b'U', 1, 2, 3];
        let mut inbound = Inbound::new();
        for round in 0..100_000_usize {
            let (head, tail) = packet.split_at(round % packet.len());
            for piece in [head, tail] {
                assert!(matches!(inbound.cut(), Cut::Need));
                let room = inbound.room(piece.len());
                room.copy_from_slice(piece);
                inbound.grow(piece.len());
            }
            let Cut::Frame { frame, consumed } = inbound.cut() else { panic!("no packet in round {round}") };
            assert_eq!((frame.packet_type, frame.payload), (b'U', &[1, 2, 3][..]));
            inbound.consume(consumed);
        }
    }

    #[test]
    fn the_longest_packet_fits() {
        let mut inbound = Inbound::new();
        let mut packet = vec![b'+'; SOUP_PACKET_BYTES_MAX];
        packet[..2].copy_from_slice(&u16::MAX.to_be_bytes());
        let mut rest = &packet[..];
        while !rest.is_empty() {
            let room = inbound.room(1000);
            let count = room.len().min(rest.len());
            assert!(count > 0);
            room[..count].copy_from_slice(&rest[..count]);
            inbound.grow(count);
            rest = &rest[count..];
        }
        assert!(matches!(inbound.cut(), Cut::Frame { consumed, .. } if consumed == packet.len()));
    }
}
