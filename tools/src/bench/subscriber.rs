//! A subscriber of `hft bench fanout`, as cheap as can be: it looks at the head of every packet, checks its number, and passes over
//! what is in it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

/// Head of a WebSocket frame of more than 125 bytes, and of the packet in it.
pub const HEAD_BYTES: usize = 4 + 20;
/// A feed that does not answer by then never will.
pub const PATIENCE: Duration = Duration::from_secs(10);

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
    /// Subscribes to all there is from now on.
    ///
    /// # Errors
    /// When the feed does not let it.
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

    /// Messages that have come whole or begun; 0 also when it was cut. Nothing is waited for.
    ///
    /// # Errors
    /// When a message is missing.
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A frame with a packet of `count` messages from `sequence` on, `bytes` long in all.
    fn frame(sequence: u64, count: u16, bytes: usize) -> Vec<u8> {
        let mut packet = b"S000000001".to_vec();
        packet.extend(sequence.to_be_bytes());
        packet.extend(count.to_be_bytes());
        packet.resize(bytes, 0x5a);
        let mut frame = vec![0x82];
        if let Ok(short @ ..126) = u8::try_from(bytes) {
            frame.push(short);
        } else {
            frame.push(126);
            frame.extend(u16::try_from(bytes).unwrap().to_be_bytes());
        }
        frame.extend(packet);
        frame
    }

    /// What a subscriber makes of these pieces, each sent once the one before it was read.
    fn read(pieces: &[&[u8]]) -> anyhow::Result<u64> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (mut feed, _) = listener.accept().unwrap();
        feed.set_nodelay(true).unwrap();
        let mut reader = Subscriber { socket, begun: VecDeque::new(), skip: 0, next: None };
        let mut messages = 0;
        for piece in pieces {
            feed.write_all(piece).unwrap();
            while reader.socket.peek(&mut [0]).is_err() {
                std::thread::yield_now();
            }
            messages += reader.read(&mut [0; 4_096])?;
        }
        Ok(messages)
    }

    #[test]
    fn every_message_is_counted_wherever_the_frames_are_cut() {
        let frames = [frame(7, 2, 98), frame(9, 10, 400), frame(19, 1, 20)].concat();
        for cut in 1..frames.len() {
            let (first, second) = frames.split_at(cut);
            assert_eq!(read(&[first, second]).unwrap(), 13, "cut at {cut}");
        }
    }

    #[test]
    fn a_message_that_is_missing_is_told() {
        let missing = read(&[&frame(7, 2, 98), &frame(10, 1, 60)]).unwrap_err();
        assert_eq!(missing.to_string(), "message 10 where 9 is due");
    }
}
