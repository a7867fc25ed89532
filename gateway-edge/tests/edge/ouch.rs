//! Sessions over WebSocket: the handshake on the feed's port, then the order port's rules, one packet per binary frame.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::rc::Rc;

use protocol::soupbin::{self, Cut, Frame};
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use crate::client::{accepted_sequence, enter, login, packet};
use crate::feed_rig::{FeedRig, feed_config};
use crate::rig::{Rig, config};
use crate::venue::Venue;

struct Rigs {
    orders: Rig,
    feed: FeedRig,
}

struct WsClient {
    websocket: WebSocket<TcpStream>,
    closed_with: Option<CloseCode>,
    ended: bool,
}

impl Rigs {
    fn new() -> Self {
        let venue = Venue::new();
        venue.open();
        let orders = Rig::over(Rc::clone(&venue), config(), 1 << 26);
        let mut feed = FeedRig::over(venue, feed_config(), 1 << 26);
        feed.feed.hand_orders_to(orders.edge.doorway());
        Self { orders, feed }
    }

    fn turn(&mut self) {
        self.feed.turn();
        self.orders.turn();
    }

    fn until<R>(&mut self, mut condition: impl FnMut(&mut Self) -> Option<R>) -> R {
        for _ in 0..200_000 {
            if let Some(found) = condition(self) {
                return found;
            }
            self.turn();
            std::thread::yield_now();
        }
        panic!("the condition never came true; {:?} {:?}", self.orders.edge, self.feed.feed)
    }

    fn connect(&mut self) -> WsClient {
        let address = self.feed.feed.address();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut handshake = tungstenite::client(format!("ws://{address}/ouch"), socket);
        loop {
            match handshake {
                Ok((websocket, _)) => return WsClient { websocket, closed_with: None, ended: false },
                Err(HandshakeError::Interrupted(mid)) => {
                    self.turn();
                    handshake = mid.handshake();
                }
                Err(HandshakeError::Failure(error)) => panic!("{error}"),
            }
        }
    }

    fn log_in(&mut self, username: &str, sequence: u64) -> WsClient {
        let mut client = self.connect();
        client.send(&login(username, sequence));
        accepted_sequence(&self.packet(&mut client));
        client
    }

    fn packet(&mut self, client: &mut WsClient) -> (u8, Vec<u8>) {
        self.until(|_| {
            let packet = client.next();
            assert!(packet.is_some() || !client.ended, "closed instead, with {:?}", client.closed_with);
            packet
        })
    }

    fn message(&mut self, client: &mut WsClient) -> Vec<u8> {
        let (packet_type, message) = self.packet(client);
        assert_eq!(char::from(packet_type), 'S');
        message
    }

    /// How the venue ends the connection, and the packets before that.
    fn ending(&mut self, client: &mut WsClient) -> (Vec<u8>, Option<CloseCode>) {
        let mut packets = Vec::new();
        self.until(|_| {
            packets.extend(client.next().map(|(packet_type, _)| packet_type));
            client.ended.then_some(())
        });
        (packets, client.closed_with)
    }
}

impl WsClient {
    fn send(&mut self, packet: &[u8]) {
        self.websocket.send(Message::binary(packet.to_vec())).unwrap();
    }

    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        while !self.ended {
            match self.websocket.read() {
                Ok(Message::Binary(bytes)) => {
                    let Cut::Frame { frame: Frame { packet_type, payload }, consumed } = soupbin::cut(&bytes) else {
                        panic!("no packet in {bytes:?}")
                    };
                    assert_eq!(consumed, bytes.len(), "one packet per frame");
                    return Some((packet_type, payload.to_vec()));
                }
                Ok(Message::Close(frame)) => self.closed_with = frame.map(|frame| frame.code),
                Ok(_) => return Some((b'p', Vec::new())),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => self.ended = true,
            }
        }
        None
    }
}

#[test]
fn a_session_over_websocket_is_a_session_like_any_other() {
    let mut rigs = Rigs::new();
    let mut client = rigs.log_in("DEMO01", 1);
    assert_eq!(rigs.message(&mut client)[0], b'S');
    let count = 3000;
    for number in 1..=count {
        client.send(&packet(b'U', &enter(number, b'B', 100, 1_000_000)));
        if number % 100 == 0 {
            rigs.turn();
        }
    }
    for number in 1..=count {
        let message = rigs.message(&mut client);
        assert_eq!((message[0], &message[9..13]), (b'A', &number.to_be_bytes()[..]));
    }
    assert_eq!((rigs.orders.edge.counters().websockets_accepted, rigs.feed.feed.counters().handed_over), (1, 1));
    assert_eq!(rigs.feed.feed.counters().connections_open, 0);
    // Replay by TCP, and over WebSocket once more.
    let mut tcp = rigs.orders.log_in("DEMO01", 2);
    let first = rigs.orders.message(&mut tcp);
    let mut again = rigs.log_in("DEMO01", 2);
    assert_eq!(rigs.message(&mut again), first);
    for _ in 1..count {
        rigs.message(&mut again);
    }
}

#[test]
fn heartbeats_pings_and_silence() {
    let mut rigs = Rigs::new();
    let mut client = rigs.log_in("DEMO01", 0);
    client.websocket.send(Message::Ping(vec![1, 2].into())).unwrap();
    assert_eq!(rigs.packet(&mut client).0, b'p');
    rigs.orders.venue.advance_ms(1_100);
    assert_eq!(rigs.packet(&mut client).0, b'H');
    rigs.orders.venue.advance_ms(15_100);
    let (_, code) = rigs.ending(&mut client);
    assert_eq!(code, None);
    assert_eq!(rigs.orders.edge.counters().silent_cut, 1);
}

#[test]
fn what_is_no_session_is_closed_with_a_code() {
    let whole = packet(b'U', &enter(1, b'B', 100, 1_000_000));
    let two = [packet(b'R', b""), packet(b'R', b"")].concat();
    let table = [
        (Message::binary(two), CloseCode::Protocol),
        (Message::binary(whole[..20].to_vec()), CloseCode::Protocol),
        (Message::binary(Vec::new()), CloseCode::Protocol),
        (Message::text("hello"), CloseCode::Unsupported),
        (Message::binary(vec![0; 5_000]), CloseCode::Protocol),
        (Message::binary(packet(b'O', b"")), CloseCode::Normal),
    ];
    for (message, code) in table {
        let mut rigs = Rigs::new();
        let mut client = rigs.log_in("DEMO01", 0);
        client.websocket.send(message.clone()).unwrap();
        let (packets, closed_with) = rigs.ending(&mut client);
        assert_eq!((packets.len(), closed_with), (0, Some(code)), "{message:?}");
        drop(client);
        rigs.until(|rigs| (rigs.orders.edge.counters().connections_open == 0).then_some(()));
    }
    let mut rigs = Rigs::new();
    let mut client = rigs.connect();
    client.send(&login("NOBODY", 1));
    let (packets, closed_with) = rigs.ending(&mut client);
    assert_eq!((packets, closed_with), (vec![b'J'], Some(CloseCode::Normal)));
    drop(client);
    let mut client = rigs.log_in("DEMO01", 0);
    client.websocket.close(None).unwrap();
    rigs.ending(&mut client);
    drop(client);
    rigs.until(|rigs| (rigs.orders.edge.counters().connections_open == 0).then_some(()));
}

#[test]
fn without_an_order_port_there_is_no_such_path() {
    let mut rig = FeedRig::new();
    assert_eq!(crate::feed_client::FeedClient::try_connect(&mut rig, "/ouch").err(), Some(404));
}
