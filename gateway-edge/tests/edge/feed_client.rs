//! A subscriber that never waits: tungstenite's client over a non-blocking socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use protocol::moldudp64::{Header, Packet};
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use crate::feed_rig::FeedRig;

/// What a subscriber has received: one `MoldUDP64` packet per frame.
pub(crate) struct FeedClient {
    websocket: WebSocket<TcpStream>,
    pub(crate) closed_with: Option<CloseCode>,
    pub(crate) ended: bool,
    pub(crate) pongs: usize,
}

/// A packet: its header and its message blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) header: Header,
    pub(crate) blocks: Vec<u8>,
}

impl FeedClient {
    pub(crate) fn connect(rig: &mut FeedRig, path: &str) -> Self {
        Self::try_connect(rig, path).unwrap_or_else(|status| panic!("{path} was answered {status}"))
    }

    /// The HTTP status when the upgrade is refused.
    pub(crate) fn try_connect(rig: &mut FeedRig, path: &str) -> Result<Self, u16> {
        let address = rig.feed.address();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut handshake = tungstenite::client(format!("ws://{address}{path}"), socket);
        loop {
            match handshake {
                Ok((websocket, _)) => {
                    return Ok(Self { websocket, closed_with: None, ended: false, pongs: 0 });
                }
                Err(HandshakeError::Interrupted(mid)) => {
                    rig.turn();
                    handshake = mid.handshake();
                }
                Err(HandshakeError::Failure(Error::Http(response))) => return Err(response.status().as_u16()),
                Err(HandshakeError::Failure(error)) => panic!("{path}: {error}"),
            }
        }
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.websocket.send(message).unwrap();
    }

    /// Writes below the WebSocket.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.websocket.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn ask_again(&mut self, session: &[u8; 10], sequence: u64, count: u16) {
        let header = Header { session: protocol::SessionName(*session), sequence, count };
        self.send(Message::binary(header.to_bytes().to_vec()));
    }

    /// Begins to close.
    pub(crate) fn close(&mut self) {
        self.websocket.close(None).unwrap();
    }

    /// The next packet, if one has arrived.
    pub(crate) fn next(&mut self) -> Option<Received> {
        while !self.ended {
            match self.websocket.read() {
                Ok(Message::Binary(bytes)) => {
                    assert!(bytes.len() <= 64 << 10);
                    let packet = Packet::decode(&bytes).unwrap();
                    return Some(Received { header: packet.header, blocks: bytes[20..].to_vec() });
                }
                Ok(Message::Pong(_)) => self.pongs += 1,
                Ok(Message::Close(frame)) => self.closed_with = frame.map(|frame| frame.code),
                Ok(other) => panic!("expected a packet, found {other:?}"),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => self.ended = true,
                Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset => self.ended = true,
                Err(error) => panic!("cannot read: {error}"),
            }
        }
        None
    }

    /// The payload of the next binary frame, if one has arrived.
    pub(crate) fn next_frame(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.websocket.read() {
                Ok(Message::Binary(bytes)) => return Some(bytes.to_vec()),
                Ok(Message::Pong(_)) => self.pongs += 1,
                Ok(Message::Close(frame)) => self.closed_with = frame.map(|frame| frame.code),
                Ok(other) => panic!("expected a frame, found {other:?}"),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => {
                    assert!(!matches!(error, Error::Capacity(_)), "{error}");
                    self.ended = true;
                    return None;
                }
            }
        }
    }

    /// The bytes that have arrived, below the WebSocket.
    pub(crate) fn read_raw(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.websocket.get_mut().read(room)
    }
}

impl FeedRig {
    pub(crate) fn packet(&mut self, client: &mut FeedClient) -> Received {
        self.until(|_| {
            let packet = client.next();
            assert!(packet.is_some() || !client.ended, "closed instead, with {:?}", client.closed_with);
            packet
        })
    }

    /// Message blocks up to, not including, message `until`; packets must follow each other without gap, and must all be
    /// of the feed's session.
    pub(crate) fn blocks(&mut self, client: &mut FeedClient, from: u64, until: u64) -> Vec<u8> {
        let (mut next, mut blocks) = (from, Vec::new());
        while next < until {
            let packet = self.packet(client);
            assert_eq!(packet.header.session, crate::venue::SESSION);
            assert_eq!(packet.header.sequence, next);
            next += u64::from(packet.header.messages());
            blocks.extend(packet.blocks);
        }
        assert_eq!(next, until);
        blocks
    }

    /// How the venue ends the connection, when nothing more comes before that.
    pub(crate) fn close_code(&mut self, client: &mut FeedClient) -> Option<CloseCode> {
        self.until(|_| {
            assert_eq!(client.next(), None);
            client.ended.then_some(())
        });
        client.closed_with
    }
}

/// A raw HTTP exchange: sends, and collects until the venue closes.
pub(crate) fn exchange(rig: &mut FeedRig, address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.write_all(bytes).unwrap();
    let mut received = Vec::new();
    rig.until(|_| {
        let mut room = [0; 1024];
        loop {
            match socket.read(&mut room) {
                Ok(0) => return Some(()),
                Ok(read) => received.extend_from_slice(&room[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => panic!("cannot receive: {error}"),
            }
        }
    });
    String::from_utf8(received).unwrap()
}
