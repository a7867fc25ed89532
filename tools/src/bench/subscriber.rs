//! A subscriber of the feed that costs its process as little as it can: benches have a thousand of them on one thread.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

/// Head of a WebSocket frame of more than 125 bytes, and of the packet in it.
pub const HEAD_BYTES: usize = 4 + 20;
/// A feed that has not answered by then never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// One subscriber: looks at the head of every packet, and passes over what is in it.
#[derive(Debug)]
pub struct Subscriber {
    socket: TcpStream,
    /// Bytes of a frame that have come and are not understood yet: less than a head.
    begun: VecDeque<u8>,
    /// Bytes of the packet under way that are still to come.
    skip: usize,
    next: Option<u64>,
}

impl Subscriber {
    /// Connects, and follows the feed from its next message on.
    ///
    /// # Errors
    /// The feed does not answer, or not so.
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let mut socket = TcpStream::connect(address).context("cannot connect to the feed")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let request = "GET /itch HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).context("the feed does not answer")?;
            head.push(byte[0]);
        }
        ensure!(head.starts_with(b"HTTP/1.1 101"), "the feed does not upgrade: {}", String::from_utf8_lossy(&head));
        socket.set_nonblocking(true)?;
        Ok(Self { socket, begun: VecDeque::new(), skip: 0, next: None })
    }

    /// Messages that have come whole or begun; 0 also when it was cut. `room` is what one read takes at the most.
    ///
    /// # Errors
    /// A message is missing.
    pub fn read(&mut self, room: &mut [u8]) -> anyhow::Result<u64> {
        let mut bytes = match self.socket.read(room) {
            Ok(read) => room.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(_) => return Ok(0),
        };
        let mut messages = 0;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let (_, rest) = bytes.split_at(self.skip.min(bytes.len()));
                self.skip -= bytes.len() - rest.len();
                bytes = rest;
                continue;
            }
            let (first, rest) = bytes.split_at(1);
            self.begun.extend(first);
            bytes = rest;
            let long = self.begun.get(1) == Some(&126);
            let head = if long { HEAD_BYTES } else { HEAD_BYTES - 2 };
            if self.begun.len() == head && self.begun.len() > 1 {
                let head = self.begun.make_contiguous();
                let (frame, packet) = head.split_at(head.len() - 20);
                let length = match frame {
                    [0x82, 126, high, low] => usize::from(u16::from_be_bytes([*high, *low])),
                    [0x82, short] => usize::from(*short),
                    _ => return Ok(messages),
                };
                let sequence = packet.get(10..18).and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
                let count = packet.get(18..20).and_then(|bytes| Some(u16::from_be_bytes(bytes.try_into().ok()?)));
                let (sequence, count) = (sequence.unwrap_or(0), u64::from(count.unwrap_or(0)));
                let due = self.next.unwrap_or(sequence);
                ensure!(sequence == due, "message {sequence} where {due} is due");
                self.next = Some(due + count);
                messages += count;
                self.skip = length.saturating_sub(20);
                self.begun.clear();
            }
        }
        Ok(messages)
    }
}
