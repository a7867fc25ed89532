//! A client of the order port that never waits: it takes what is there.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use protocol::SessionName;
use protocol::soupbin::{self, Cut, Frame, LoginRequest, ServerPacket};

/// One connection.
pub(crate) struct Client {
    socket: TcpStream,
    received: Vec<u8>,
    taken: usize,
    closed: bool,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, received: Vec::new(), taken: 0, closed: false }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// Sends to a venue that may have closed; false when it has, or takes no more.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Says that nothing more will come, if the connection is still there.
    pub(crate) fn try_hang_up(&mut self) {
        drop(self.socket.shutdown(Shutdown::Write));
    }

    /// Sends as much as the sockets between take.
    pub(crate) fn send_some(&mut self, bytes: &[u8]) -> usize {
        match self.socket.write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("cannot send: {error}"),
        }
    }

    pub(crate) fn send_packet(&mut self, packet_type: u8, payload: &[u8]) {
        self.send(&packet(packet_type, payload));
    }

    pub(crate) fn log_in(&mut self, username: &str, sequence: u64) {
        self.send(&login(username, sequence));
    }

    pub(crate) fn hang_up(&mut self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Takes what has arrived.
    pub(crate) fn pump(&mut self) {
        let mut room = [0; 4096];
        while !self.closed {
            match self.socket.read(&mut room) {
                Ok(0) => self.closed = true,
                Ok(read) => self.received.extend_from_slice(&room[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => self.closed = true,
                Err(error) => panic!("cannot receive: {error}"),
            }
        }
    }

    /// Takes what has arrived; true once the venue has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.pump();
        self.closed
    }

    /// Everything received so far.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }

    /// The next whole packet: type and payload.
    pub(crate) fn next_packet(&mut self) -> Option<(u8, Vec<u8>)> {
        self.pump();
        match soupbin::cut(&self.received[self.taken..]) {
            Cut::Frame { frame: Frame { packet_type, payload }, consumed } => {
                let packet = (packet_type, payload.to_vec());
                self.taken += consumed;
                Some(packet)
            }
            Cut::Need => None,
            Cut::Bad => panic!("the venue has sent a packet of length 0"),
        }
    }
}

pub(crate) fn packet(packet_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; payload.len() + 3];
    let len = soupbin::encode(packet_type, payload, &mut out).unwrap();
    assert_eq!(len, out.len());
    out
}

pub(crate) fn login(username: &str, sequence: u64) -> Vec<u8> {
    LoginRequest::new(username, "demo-pass", SessionName::BLANK, sequence).unwrap().to_packet().to_vec()
}

/// An Enter Order message without its packet, all buy or sell orders of AAPL.
pub(crate) fn enter(user_ref_num: u32, side: u8, quantity: u32, price: u64) -> Vec<u8> {
    enter_with(user_ref_num, side, quantity, price, &[])
}

pub(crate) fn enter_with(user_ref_num: u32, side: u8, quantity: u32, price: u64, appendage: &[u8]) -> Vec<u8> {
    let mut message = vec![b'O'];
    message.extend_from_slice(&user_ref_num.to_be_bytes());
    message.push(side);
    message.extend_from_slice(&quantity.to_be_bytes());
    message.extend_from_slice(b"AAPL    ");
    message.extend_from_slice(&price.to_be_bytes());
    message.extend_from_slice(b"0YPNN");
    message.extend_from_slice(b"client-order  ");
    message.extend_from_slice(&u16::try_from(appendage.len()).unwrap().to_be_bytes());
    message.extend_from_slice(appendage);
    message
}

/// The sequence number in a Login Accepted.
pub(crate) fn accepted_sequence(packet: &(u8, Vec<u8>)) -> u64 {
    let frame = Frame { packet_type: packet.0, payload: &packet.1 };
    match ServerPacket::decode(frame) {
        Ok(ServerPacket::LoginAccepted(accepted)) => accepted.next_sequence,
        other => panic!("expected a login accepted, found {other:?}"),
    }
}
