//! `MoldUDP64` 1.0 (moldudp64.md): packets of numbered messages, and what a receiver does with them. One packet is one
//! UDP payload or one binary WebSocket frame.
//!
//! ```text
//! offset size
//!      0   10  session
//!     10    8  sequence number of the first message; without messages, of the next one
//!     18    2  message count: 0 heartbeat, 1..=65,534, 65,535 end of session
//!     20       blocks: length u16, then that many bytes
//! ```

use crate::decode_error::DecodeError;
use crate::types::SessionName;
use crate::wire::{Wire, put_at};

/// Bytes of a header, and of a request.
pub const HEADER_BYTES: usize = 20;
/// The most messages in one packet.
pub const MESSAGES_MAX: u16 = u16::MAX - 1;
/// Message count of an end of session.
pub const END_OF_SESSION: u16 = u16::MAX;

/// The first 20 bytes of a packet, and all of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which stream.
    pub session: SessionName,
    /// Number of the first message; of the next one when there is none.
    pub sequence: u64,
    /// How many messages; in a request, how many are wanted.
    pub count: u16,
}

impl Header {
    /// Reads it.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Self {
        Self { session: SessionName::read(bytes, 0), sequence: u64::read(bytes, 10), count: u16::read(bytes, 18) }
    }

    /// The bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        self.session.write(&mut bytes, 0);
        self.sequence.write(&mut bytes, 10);
        self.count.write(&mut bytes, 18);
        bytes
    }

    /// A packet without messages that says which number is next.
    pub const fn heartbeat(session: SessionName, next_sequence: u64) -> Self {
        Self { session, sequence: next_sequence, count: 0 }
    }

    /// A packet that says that nothing follows; `next_sequence` is one above the last message.
    pub const fn end_of_session(session: SessionName, next_sequence: u64) -> Self {
        Self { session, sequence: next_sequence, count: END_OF_SESSION }
    }

    /// How many messages follow.
    pub const fn messages(&self) -> u16 {
        if self.count == END_OF_SESSION { 0 } else { self.count }
    }
}

/// What a receiver asks for: `count` messages from `sequence` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request(pub Header);

impl Request {
    /// Reads a request of exactly 20 bytes.
    ///
    /// # Errors
    /// Another length; sequence 0; a count of 0 or 65,535.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (header, rest) = split_header(bytes)?;
        if !rest.is_empty() {
            return Err(DecodeError::TooLong { message_type: 0, expected: HEADER_BYTES, found: bytes.len() });
        }
        if header.sequence == 0 {
            return Err(DecodeError::BadValue { offset: 10, found: 0 });
        }
        if header.messages() == 0 {
            return Err(DecodeError::BadValue { offset: 18, found: u64::from(header.count) });
        }
        Ok(Self(header))
    }
}

fn split_header(bytes: &[u8]) -> Result<(Header, &[u8]), DecodeError> {
    let (header, rest) = bytes.split_first_chunk().ok_or(DecodeError::TooShort {
        message_type: 0,
        expected: HEADER_BYTES,
        found: bytes.len(),
    })?;
    Ok((Header::read(header), rest))
}

/// One downstream packet, whose blocks are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The header.
    pub header: Header,
    blocks: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet and goes over its blocks once.
    ///
    /// # Errors
    /// Shorter than its header or its blocks, longer than its last block.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (header, blocks) = split_header(bytes)?;
        let mut messages = Messages { blocks, sequence: header.sequence, left: header.messages() };
        while messages.next().is_some() {}
        let gone_over = bytes.len() - messages.blocks.len();
        if messages.left > 0 {
            let expected = gone_over + 2 + messages.blocks.first_chunk().map_or(0, |length| block_bytes(*length));
            return Err(DecodeError::TooShort { message_type: 0, expected, found: bytes.len() });
        }
        if !messages.blocks.is_empty() {
            return Err(DecodeError::TooLong { message_type: 0, expected: gone_over, found: bytes.len() });
        }
        Ok(Self { header, blocks })
    }

    /// The messages with their numbers.
    pub const fn messages(&self) -> Messages<'a> {
        Messages { blocks: self.blocks, sequence: self.header.sequence, left: self.header.messages() }
    }

    /// True for a packet without messages that is not the end.
    pub const fn is_heartbeat(&self) -> bool {
        self.header.count == 0
    }

    /// True when the stream is complete.
    pub const fn is_end_of_session(&self) -> bool {
        self.header.count == END_OF_SESSION
    }
}

fn block_bytes(length: [u8; 2]) -> usize {
    usize::from(u16::from_be_bytes(length))
}

/// Goes over messages with their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages<'a> {
    blocks: &'a [u8],
    sequence: u64,
    left: u16,
}

impl<'a> Iterator for Messages<'a> {
    type Item = (u64, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(u64, &'a [u8])> {
        if self.left == 0 {
            return None;
        }
        let (length, rest) = self.blocks.split_first_chunk()?;
        let (message, rest) = rest.split_at_checked(block_bytes(*length))?;
        let numbered = (self.sequence, message);
        self.sequence = self.sequence.wrapping_add(1);
        self.left -= 1;
        self.blocks = rest;
        Some(numbered)
    }
}

/// Writes a packet into a buffer of the caller.
#[derive(Debug)]
pub struct PacketWriter<'a> {
    out: &'a mut [u8],
    len: usize,
    header: Header,
}

impl<'a> PacketWriter<'a> {
    /// Starts a packet at the front of `out`; `None` when a header does not fit.
    pub fn new(out: &'a mut [u8], session: SessionName, sequence: u64) -> Option<Self> {
        let fits = out.len() >= HEADER_BYTES;
        fits.then_some(Self { out, len: HEADER_BYTES, header: Header { session, sequence, count: 0 } })
    }

    /// Adds a message; `false` when it does not fit any more, and then nothing was added.
    pub fn push(&mut self, message: &[u8]) -> bool {
        let Ok(length) = u16::try_from(message.len()) else { return false };
        let rest = self.out.get_mut(self.len..).unwrap_or(&mut []);
        let Some((to, rest)) = rest.split_first_chunk_mut() else { return false };
        let Some(body) = rest.get_mut(..message.len()) else { return false };
        if self.header.count == MESSAGES_MAX {
            return false;
        }
        *to = length.to_be_bytes();
        body.copy_from_slice(message);
        self.len += 2 + message.len();
        self.header.count += 1;
        true
    }

    /// How many messages it has.
    pub const fn count(&self) -> u16 {
        self.header.count
    }

    /// Writes the header; the bytes of the packet. Without a message it is a heartbeat.
    pub fn finish(self) -> usize {
        put_at(self.out, 0, self.header.to_bytes());
        self.len
    }
}

/// The receiver of one stream (moldudp64.md §4): which messages are new, and what is missing. It keeps no packet: after
/// a gap the caller keeps what it likes, asks for what is missing, and offers the kept packets again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    session: Option<SessionName>,
    next: u64,
}

/// What a packet is to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// It belongs to another session.
    OtherSession,
    /// Nothing new; also a heartbeat when nothing is missing.
    Nothing,
    /// These are new, and now count as received.
    Messages(Messages<'a>),
    /// This many messages from `next` on are missing; nothing of the packet was taken.
    Gap {
        /// First that is missing.
        next: u64,
        /// How many.
        missing: u64,
    },
    /// Everything was received, nothing will follow.
    Finished,
}

impl Receiver {
    /// Of a session known by name, from `next` on.
    pub const fn new(session: SessionName, next: u64) -> Self {
        Self { session: Some(session), next }
    }

    /// Of the session and from the number of the first packet that comes.
    pub const fn adopting() -> Self {
        Self { session: None, next: 0 }
    }

    /// Number of the next message.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The session, once it is known.
    pub const fn session(&self) -> Option<SessionName> {
        self.session
    }

    /// What would close the gap, at most as many messages as one request may name.
    pub fn request(&self, missing: u64) -> Option<Request> {
        let count = u16::try_from(missing).map_or(MESSAGES_MAX, |count| count.min(MESSAGES_MAX));
        (count > 0).then_some(Request(Header { session: self.session?, sequence: self.next, count }))
    }

    /// Takes a packet.
    pub fn take<'a>(&mut self, packet: &Packet<'a>) -> Received<'a> {
        let Header { session, sequence, .. } = packet.header;
        if self.session.is_none() {
            (self.session, self.next) = (Some(session), sequence);
        }
        if self.session != Some(session) {
            return Received::OtherSession;
        }
        if sequence > self.next {
            return Received::Gap { next: self.next, missing: sequence - self.next };
        }
        if packet.is_end_of_session() && sequence == self.next {
            return Received::Finished;
        }
        let end = sequence.saturating_add(u64::from(packet.header.messages()));
        if end <= self.next {
            return Received::Nothing;
        }
        let mut messages = packet.messages();
        while messages.sequence < self.next && messages.next().is_some() {}
        self.next = end;
        Received::Messages(messages)
    }
}
