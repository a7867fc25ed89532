//! The WebSocket protocol of one subscriber: tungstenite reads frames, answers pings and closes. It never touches the
//! socket's write side: what it wants to say is collected here, and goes out between two frames of the feed.

use std::io::{self, Read, Write};

use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Bytes, Error, Message, WebSocket};

use crate::reactor::Readiness;
use crate::wire::Wire;

/// Bytes that may wait to be said besides the feed: an HTTP response, pongs, a close.
const CONTROL_BYTES_MAX: usize = 1024;
/// Bytes of one message of a client, at the most.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Bytes read from one client per turn, at the most.
pub(crate) const READ_BYTES_PER_TURN: usize = 16 << 10;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A binary message.
    Message(Bytes),
    /// Something that it may not send: close with this code.
    Wrong(CloseCode),
    /// Something that makes no sense: close with this code, and listen no more.
    Broken(CloseCode),
    /// To close; the answer to it is on its way.
    Closing,
    /// Both sides have closed, or the connection is broken.
    Ended,
    /// Nothing more for now.
    Nothing,
    /// Its share of the turn is used up.
    Share,
}

/// The socket as tungstenite sees it.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) socket: Wire,
    pub(crate) readiness: Readiness,
    /// Bytes read but not taken: the HTTP head while it comes, then what came behind it.
    pub(crate) ahead: Vec<u8>,
    /// What waits to be said besides the feed.
    control: Vec<u8>,
    /// Bytes that may still be read in this turn.
    share: usize,
}

impl Pipe {
    fn new(socket: Wire) -> Self {
        let control = Vec::with_capacity(CONTROL_BYTES_MAX);
        Self { socket, readiness: Readiness::NEW, ahead: Vec::new(), control, share: 0 }
    }
}

impl Read for Pipe {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            let count = self.ahead.as_slice().read(room)?;
            self.ahead.drain(..count);
            return Ok(count);
        }
        if !self.readiness.readable || self.share == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let wanted = room.len().min(self.share);
        let outcome = self.socket.read(room.get_mut(..wanted).unwrap_or_default());
        match &outcome {
            Ok(read) => {
                self.share -= read;
                self.readiness.after_read(self.socket.may_have_more(*read, wanted));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readiness.readable = false,
            Err(_) => {}
        }
        outcome
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.control.len() + bytes.len() > CONTROL_BYTES_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.control.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One connection of the feed's port.
#[derive(Debug)]
pub(crate) struct Socket {
    websocket: WebSocket<Pipe>,
}

impl Socket {
    pub(crate) fn new(socket: Wire) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(MESSAGE_BYTES_MAX)
            .write_buffer_size(0)
            .max_write_buffer_size(CONTROL_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        Self { websocket: WebSocket::from_raw_socket(Pipe::new(socket), Role::Server, Some(config)) }
    }

    pub(crate) fn pipe(&mut self) -> &mut Pipe {
        self.websocket.get_mut()
    }

    /// Begins a turn's share of reading.
    pub(crate) fn begin_reading(&mut self, bytes: usize) {
        self.pipe().share = bytes;
    }

    /// What is left of that share.
    pub(crate) fn share_left(&self) -> usize {
        self.websocket.get_ref().share
    }

    /// True when there may be more to read now.
    pub(crate) fn is_readable(&self) -> bool {
        self.websocket.get_ref().readiness.readable
    }

    /// Reads bytes of the HTTP head behind those that are there, at most `bytes_max` altogether. `Ok(false)` when there
    /// are no more for now.
    pub(crate) fn read_ahead(&mut self, bytes_max: usize) -> io::Result<bool> {
        let pipe = self.pipe();
        let mut room = [0; 1024];
        let mut ahead = std::mem::take(&mut pipe.ahead);
        let room = room.get_mut(..bytes_max.saturating_sub(ahead.len()).min(1024)).unwrap_or_default();
        let outcome = pipe.read(room);
        if let Ok(read) = outcome {
            ahead.extend_from_slice(room.get(..read).unwrap_or_default());
        }
        pipe.ahead = ahead;
        match outcome {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads and drops. False when the peer is gone.
    pub(crate) fn discard(&mut self) -> bool {
        self.begin_reading(READ_BYTES_PER_TURN);
        let pipe = self.pipe();
        pipe.ahead.clear();
        let mut room = [0; 1024];
        loop {
            match pipe.read(&mut room) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    /// The next thing that the client wants. Pings are answered on the way.
    pub(crate) fn hear(&mut self) -> Heard {
        loop {
            return match self.websocket.read() {
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                Ok(Message::Binary(bytes)) => Heard::Message(bytes),
                Ok(Message::Text(_)) | Err(Error::Utf8(_)) => Heard::Wrong(CloseCode::Unsupported),
                Ok(Message::Close(_)) => Heard::Closing,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.is_readable() {
                        Heard::Share
                    } else {
                        Heard::Nothing
                    }
                }
                Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Heard::Ended,
                Err(Error::Protocol(_) | Error::Capacity(_)) => Heard::Broken(CloseCode::Protocol),
                Err(_) => Heard::Ended,
            };
        }
    }

    /// Queues a close.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &'static str) {
        // It is queued or, when a close is queued already, not needed.
        drop(self.websocket.close(Some(CloseFrame { code, reason: reason.into() })));
    }

    /// Queues bytes that are no frame: an HTTP response.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let queued = self.pipe().write(bytes);
        assert!(queued.is_ok(), "a response has room before anything else was said");
    }

    pub(crate) fn has_control(&self) -> bool {
        !self.websocket.get_ref().control.is_empty()
    }

    /// Bytes that were written wait for the socket.
    pub(crate) fn is_pending(&self) -> bool {
        self.websocket.get_ref().socket.is_pending()
    }

    /// What waits to be said besides the feed: whole frames.
    pub(crate) fn control(&self) -> &[u8] {
        &self.websocket.get_ref().control
    }

    /// It has been taken.
    pub(crate) fn clear_control(&mut self) {
        self.pipe().control.clear();
        // As after a write.
        drop(self.websocket.flush());
    }

    /// Writes what waits besides the feed; bytes written.
    pub(crate) fn write_control(&mut self) -> io::Result<usize> {
        let pipe = self.pipe();
        let written = pipe.socket.write(&pipe.control)?;
        pipe.control.drain(..written);
        if pipe.control.is_empty() {
            // A pong for which there was no room; whether the connection ends by it, the next read tells.
            drop(self.websocket.flush());
        }
        Ok(written)
    }
}
