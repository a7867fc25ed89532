//! The WebSocket way in and out of one session: a `SoupBinTCP` packet per binary frame, both ways. Frames are made into a
//! fixed buffer from the same stream that a TCP connection is written from; the handshake is over before this is made.

use std::io::{self, Write};

use protocol::soupbin::{self, Cut};
use tungstenite::protocol::frame::coding::CloseCode;

use crate::buffers::Inbound;
use crate::connection::{Fill, Wrote};
use crate::feed::frame_log::frame_header;
use crate::feed::websocket::{Heard, Socket};
use crate::ports::StreamRead;
use crate::reactor::Readiness;
use crate::session::Ending;
use crate::wire::Wire;

/// Bytes of frames that are made ahead of the socket.
const OUT_BYTES: usize = 64 << 10;
/// With so many bytes taken in, reading ends for this time.
const INBOUND_ENOUGH: usize = 32 << 10;
/// Looked at in the stream at the least: room for any packet of ours.
const LOOK_BYTES_MIN: usize = 1024;

/// The link.
#[derive(Debug)]
pub(crate) struct WsLink {
    socket: Socket,
    /// Whole frames, of which the first may be written in part: `start..end`.
    out: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes came after the last whole message.
    pub(crate) is_partial: bool,
    /// The code to close with.
    code: CloseCode,
    is_closed: bool,
}

impl WsLink {
    /// Over a socket whose request was accepted; `response` says so, and goes out first.
    pub(crate) fn new(socket: Socket, response: &[u8]) -> Self {
        let mut link = Self {
            socket,
            out: vec![0; OUT_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            is_partial: false,
            code: CloseCode::Normal,
            is_closed: false,
        };
        link.put(response);
        link
    }

    pub(crate) fn tcp(&mut self) -> &mut Wire {
        &mut self.socket.pipe().socket
    }

    /// Takes messages in until there are no more, `limit` bytes are read, or enough is there.
    pub(crate) fn fill(&mut self, inbound: &mut Inbound, readiness: &mut Readiness, limit: usize) -> Fill {
        self.socket.pipe().readiness = *readiness;
        self.socket.begin_reading(limit);
        // What tungstenite has read ahead is announced by nobody: only when it has no more is the socket asked again.
        readiness.readable = true;
        let mut taken = 0;
        let read = |link: &Self, taken: usize| (limit - link.socket.share_left()).max(taken).clamp(1, limit);
        loop {
            match self.socket.hear() {
                Heard::Message(message) => {
                    let whole =
                        matches!(soupbin::cut(&message), Cut::Frame { consumed, .. } if consumed == message.len());
                    if !whole || !inbound.push(&message) {
                        return self.ended(CloseCode::Protocol, Ending::Violation);
                    }
                    self.is_partial = false;
                    taken += message.len();
                    if inbound.len() >= INBOUND_ENOUGH {
                        return Fill::Bytes(read(self, taken));
                    }
                }
                Heard::Share => return Fill::Bytes(read(self, taken)),
                Heard::Nothing => {
                    readiness.readable = false;
                    let came = self.socket.share_left() < limit;
                    self.is_partial |= came && taken == 0;
                    return if came || taken > 0 { Fill::Bytes(read(self, taken)) } else { Fill::Nothing };
                }
                Heard::Wrong(code) | Heard::Broken(code) => return self.ended(code, Ending::Violation),
                Heard::Closing => return self.ended(CloseCode::Normal, Ending::Logout),
                Heard::Ended => return Fill::Closed,
            }
        }
    }

    fn ended(&mut self, code: CloseCode, ending: Ending) -> Fill {
        self.code = code;
        Fill::Ended(ending)
    }

    /// Reads and drops. False when the peer is gone.
    pub(crate) fn discard(&mut self, readiness: &mut Readiness) -> bool {
        self.socket.pipe().readiness = *readiness;
        let there = self.socket.discard();
        readiness.readable = self.socket.is_readable();
        there
    }

    /// Queues one packet as a frame.
    pub(crate) fn push(&mut self, packet: &[u8]) -> bool {
        let Ok(payload) = u16::try_from(packet.len()) else { return false };
        let (header, len) = frame_header(payload);
        let fits = self.out.len() - self.end >= len + packet.len();
        if fits {
            self.put(header.get(..len).unwrap_or_default());
            self.put(packet);
        }
        fits
    }

    fn put(&mut self, bytes: &[u8]) {
        let to = self.end + bytes.len();
        if let Some(room) = self.out.get_mut(self.end..to) {
            room.copy_from_slice(bytes);
            self.end = to;
        }
    }

    /// True when nothing waits to be written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.start == self.end && !self.socket.has_control() && !self.socket.is_pending()
    }

    /// Makes frames of the stream from `cursor` on, which is moved, and writes once.
    pub(crate) fn write(
        &mut self,
        readiness: &mut Readiness,
        stream: &impl StreamRead,
        cursor: &mut u64,
        limit: usize,
    ) -> Wrote {
        self.make_room();
        self.take_control();
        let to = stream.end().min(cursor.saturating_add(limit.max(LOOK_BYTES_MIN) as u64));
        let mut bytes = if *cursor < to { stream.bytes(*cursor, to) } else { &[] };
        while let Cut::Frame { consumed, .. } = soupbin::cut(bytes) {
            let (packet, rest) = bytes.split_at(consumed.min(bytes.len()));
            if !self.push(packet) {
                break;
            }
            *cursor += packet.len() as u64;
            bytes = rest;
        }
        self.flush(readiness)
    }

    /// Writes what is made, once. After the close has gone out nothing follows.
    pub(crate) fn flush(&mut self, readiness: &mut Readiness) -> Wrote {
        self.make_room();
        self.take_control();
        let mut wrote = Wrote::Bytes(0, 0);
        if readiness.writable
            && let Err(error) = self.tcp().flush()
        {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Wrote::Closed;
            }
            readiness.writable = false;
        }
        if self.start < self.end && readiness.writable {
            let bytes = self.out.get(self.start..self.end).unwrap_or_default();
            match self.socket.pipe().socket.write(bytes) {
                Ok(written) => {
                    self.start += written;
                    wrote = Wrote::Bytes(written, 1);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => readiness.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Wrote::Closed,
            }
        }
        if self.is_closed && self.is_flushed() {
            // The peer may be gone already; then the next read tells.
            self.tcp().end();
        }
        wrote
    }

    /// Sends last words and a close behind what is made, as far as the socket takes them.
    pub(crate) fn close(&mut self, last_words: &[u8], readiness: &mut Readiness) {
        self.make_room();
        if !last_words.is_empty() {
            self.push(last_words);
        }
        self.socket.close(self.code, "");
        self.is_closed = true;
        // Whether the peer is gone, the next read tells.
        self.flush(readiness);
    }

    /// What the WebSocket protocol wants to say goes between two frames.
    fn take_control(&mut self) {
        let control = self.socket.control();
        if control.len() <= self.out.len() - self.end && !control.is_empty() {
            let to = self.end + control.len();
            if let Some(room) = self.out.get_mut(self.end..to) {
                room.copy_from_slice(control);
                self.end = to;
            }
            self.socket.clear_control();
        }
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.out.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }
}
