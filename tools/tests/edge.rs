//! The edge of the real binary beside order port and feed: the directory document, order entry over WebSocket, and drop copy.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::PathBuf;

use protocol::moldudp64::{Header, Packet};
use protocol::ouch::appendage::Element;
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{self, Cut, LoginRequest};
use protocol::{AccountName, SessionName};
use support::{Client, PATIENCE, Venue, enter, eventually};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

fn data_dir() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("data");
    (temp, path)
}

/// The answer to a plain HTTP GET: head and body.
fn get(port: u16, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn the_directory_says_how_to_read_the_numbers() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let (head, body) = get(venue.feed_port(), "/directory.json");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    let session = support::Client::login(venue.order_port(), "DEMO01").session;
    assert_eq!(document["session"], session.as_text());
    let instruments = document["instruments"].as_array().unwrap();
    let symbols: Vec<_> = instruments.iter().map(|listed| listed["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["AAPL", "AMZN", "GOOG", "INTC", "MSFT", "BTC-USD", "ETH-BTC"]);
    let bitcoin = &instruments[5];
    assert_eq!((bitcoin["locate"].as_u64(), bitcoin["price_decimals"].as_i64()), (Some(6), Some(2)));
    assert_eq!(
        (&bitcoin["name"], &bitcoin["base"], &bitcoin["quote"]),
        (&"Bitcoin in US dollars".into(), &"BTC".into(), &"USD".into())
    );
    assert_eq!((&instruments[0]["base"], &instruments[0]["quote"]), (&"AAPL".into(), &"USD".into()));
    let expected: [(&str, u32, &str); 5] = [
        ("tick", 1, "0.01"),
        ("lot", 1, "0.00001"),
        ("min_qty", 1, "0.00001"),
        ("max_qty", 4_294_967_295, "42949.67295"),
        ("max_price", 1_999_999_900, "19999999"),
    ];
    for (key, wire, decimal) in expected {
        assert_eq!(bitcoin[key], serde_json::json!({ "wire": wire, "decimal": decimal }), "{key}");
    }
    // The same as a file; one that is added comes into both.
    let file = |wanted: &dyn Fn(&str) -> bool| {
        eventually("directory.json", || {
            std::fs::read_to_string(dir.join("directory.json")).ok().filter(|text| wanted(text))
        })
    };
    assert_eq!(file(&|_| true), body);
    let add = "instrument add EUR-GBP --price-decimals 4 --qty-decimals 2 --tick 0.0001 --lot 0.01 --max-qty 1000";
    let add = add.split(' ').chain(["--data-dir", venue.dir()]);
    assert!(support::run(&add.collect::<Vec<_>>()).status.success());
    let text = file(&|text| text.contains("EUR-GBP"));
    let added: serde_json::Value = serde_json::from_str(&text).unwrap();
    let added = &added["instruments"][7];
    assert_eq!((&added["name"], &added["base"], &added["quote"]), (&"EUR-GBP".into(), &"EUR".into(), &"GBP".into()));
    assert_eq!(get(venue.feed_port(), "/directory.json").1, text);
}

#[test]
fn a_drop_copy_holds_what_the_accounts_of_a_firm_are_told_also_after_a_kill() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let mut live = Client::login(9_003 + venue.offset, "DEMO02");
    let mut maker = Client::login(venue.order_port(), "DEMO01");
    maker.enter(1, b'B', 100, "AAPL", 1_503_400);
    maker.messages(2);
    let mut taker = Client::login(venue.order_port(), "DEMO03");
    taker.enter(1, b'S', 40, "AAPL", 1_503_400);
    taker.messages(3);
    let copied = live.messages(3);
    let read = |message: &[u8]| {
        let (_, appendage) = Outbound::decode(message).unwrap();
        (char::from(message[0]), appendage.and_then(|appendage| appendage.find(225)))
    };
    let account = Some(Element::Account(AccountName(*b"DEMO01")));
    assert_eq!([read(&copied[0]), read(&copied[1]), read(&copied[2])], [('S', None), ('A', account), ('E', account)]);
    let session = live.session;
    assert!(session.as_text().starts_with("DEMA"), "{session}");
    venue.kill();
    std::fs::remove_file(support::stream_file(&dir, "firm-DEMB.stream")).unwrap();
    let venue = Venue::start(&dir);
    let mut again = Client::login_from(9_003 + venue.offset, "DEMO01", session, 1);
    assert_eq!(again.messages(3), copied);
    let mut other = Client::login(9_003 + venue.offset, "DEMO03");
    assert_eq!(other.messages(3).iter().map(|message| char::from(message[0])).collect::<String>(), "SAE");
    other.enter(9, b'B', 1, "AAPL", 10_000);
    assert!(other.is_closed(), "read-only");
    venue.stop("-INT");
}

/// A session over WebSocket.
struct WsClient(WebSocket<MaybeTlsStream<TcpStream>>);

impl WsClient {
    fn login(port: u16, account: &str, next: u64) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let (websocket, _) =
            tungstenite::client(format!("ws://127.0.0.1:{port}/ouch"), MaybeTlsStream::Plain(socket)).unwrap();
        let mut client = Self(websocket);
        client.send(&LoginRequest::new(account, "demo-pass", SessionName::BLANK, next).unwrap().to_packet());
        assert_eq!(client.packet().0, b'A');
        client
    }

    fn send(&mut self, packet: &[u8]) {
        self.0.send(Message::binary(packet.to_vec())).unwrap();
    }

    fn ask(&mut self, message: &[u8]) {
        let mut packet = vec![0; message.len() + 3];
        soupbin::encode(soupbin::UNSEQUENCED, message, &mut packet).unwrap();
        self.send(&packet);
    }

    /// The packet of the next frame that is no heartbeat.
    fn packet(&mut self) -> (u8, Vec<u8>) {
        loop {
            let Message::Binary(bytes) = self.0.read().unwrap() else { continue };
            let Cut::Frame { frame, consumed } = soupbin::cut(&bytes) else { panic!("no packet: {bytes:?}") };
            assert_eq!(consumed, bytes.len(), "one packet per frame");
            if frame.packet_type != b'H' {
                return (frame.packet_type, frame.payload.to_vec());
            }
        }
    }

    fn outbound(&mut self) -> Outbound {
        let (packet_type, payload) = self.packet();
        assert_eq!(packet_type, b'S');
        Outbound::decode(&payload).unwrap().0
    }
}

#[test]
fn orders_over_websocket_are_those_of_any_session() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let mut maker = WsClient::login(venue.feed_port(), "DEMO01", 1);
    assert!(matches!(maker.outbound(), Outbound::SystemEvent(_)));
    maker.ask(&enter(1, b'B', 100, "AAPL", 1_503_400, b'0'));
    assert!(matches!(maker.outbound(), Outbound::Accepted(_)));
    let mut taker = Client::login(venue.order_port(), "DEMO02");
    taker.enter(1, b'S', 40, "AAPL", 1_503_400);
    let Outbound::Executed(executed) = maker.outbound() else { panic!("no execution") };
    assert_eq!(executed.quantity.0, 40);
    // The same session by TCP: the newest login wins, and the stream is one.
    let mut again = Client::login(venue.order_port(), "DEMO01");
    let messages = again.messages(3);
    assert!(matches!(Outbound::decode(&messages[2]).unwrap().0, Outbound::Executed(_)));
    assert!(maker.0.read().is_err(), "displaced");
    let mut replayed = WsClient::login(venue.feed_port(), "DEMO01", 1);
    for message in messages {
        assert_eq!(replayed.packet(), (b'S', message));
    }
    venue.stop("-INT");
}

#[test]
fn the_top_of_every_book_is_told_in_fixed_records() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let address = format!("ws://127.0.0.1:{}/bbo", venue.feed_port());
    let (mut socket, _) = tungstenite::connect(address).unwrap();
    let mut maker = Client::login(venue.order_port(), "DEMO01");
    maker.enter(1, b'B', 100, "MSFT", 4_001_200);
    maker.enter(2, b'S', 30, "MSFT", 4_001_500);
    let four = |record: &[u8], at: usize| u32::from_be_bytes(record[at..at + 4].try_into().unwrap());
    let mut seen = Vec::new();
    loop {
        let Message::Binary(frame) = socket.read().unwrap() else { panic!("no frame") };
        assert_eq!((frame[..2].to_vec(), frame[16..26].to_vec()), (vec![0, 1], maker.session.0.to_vec()));
        let count = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
        assert_eq!(frame.len(), 32 + 64 * count);
        let records = || frame[32..].chunks(64);
        seen.extend(records().map(|record| u16::from_be_bytes([record[0], record[1]])));
        if let Some(msft) = records().find(|record| record[..2] == [0, 5] && four(record, 28) > 0) {
            assert_eq!((msft[2], four(msft, 24), four(msft, 28)), (b'T', 4_001_200, 4_001_500));
            assert_eq!((msft[15], msft[23], four(msft, 32), four(msft, 36)), (100, 30, 1, 1));
            break;
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7], "it begins with every instrument");
}

#[test]
fn the_end_of_a_session_is_said_by_udp_and_its_messages_can_still_be_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let shipped = std::fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    let config = temp.path().join("hft.toml");
    let destination = format!("destinations = [\"{}\"]", socket.local_addr().unwrap());
    std::fs::write(&config, shipped.replacen("destinations = []", &destination, 1)).unwrap();
    let venue = Venue::start_with(&temp.path().join("data"), &["--config", config.to_str().unwrap()]);
    let mut trader = Client::login(venue.order_port(), "DEMO01");
    trader.enter(1, b'B', 1, "AAPL", 1_000_000);
    trader.messages(2);
    let rolled = support::run(&["roll", "--data-dir", venue.dir()]);
    assert!(rolled.status.success(), "{}", support::stderr(&rolled));
    let ended = trader.session;
    let receive = || {
        let mut room = [0; 2048];
        let bytes = socket.recv(&mut room).unwrap();
        let sequence = u64::from_be_bytes(room[10..18].try_into().unwrap());
        let count = u16::from_be_bytes([room[18], room[19]]);
        (room[..bytes].to_vec(), room[..10] == ended.0, sequence, count)
    };
    // Said at once and again each second; its number is one above the last message.
    let (mut next, mut said, mut begun) = (1, Vec::new(), false);
    while said.len() < 2 || !begun {
        let (bytes, is_ended, sequence, count) = receive();
        match (is_ended, count) {
            (true, u16::MAX) => {
                assert_eq!(bytes.len(), 20);
                said.push(sequence);
            }
            (true, count) => {
                assert!(said.is_empty(), "nothing of it follows its end");
                next = sequence + u64::from(count);
            }
            (false, _) => begun |= sequence == 1,
        }
    }
    assert!(next > 1 && said.iter().all(|sequence| *sequence == next), "{said:?}, {next}");
    // The re-request port still answers for it, up to its last message.
    let request = Header { session: ended, sequence: next - 1, count: 1 };
    socket.send_to(&request.to_bytes(), ("127.0.0.1", 9_004 + venue.offset)).unwrap();
    loop {
        let (bytes, is_ended, sequence, count) = receive();
        if is_ended && count != u16::MAX {
            assert_eq!((sequence, count), (next - 1, 1));
            assert!(Packet::decode(&bytes).unwrap().messages().count() == 1);
            break;
        }
    }
    venue.stop("-TERM");
}

#[test]
fn the_feed_goes_by_udp_and_what_is_lost_can_be_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let listener = |address: &str| {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let (unicast, multicast) = (listener("127.0.0.1:0"), listener("0.0.0.0:0"));
    let group = std::net::Ipv4Addr::new(239, 192, 77, 1);
    multicast.join_multicast_v4(&group, &std::net::Ipv4Addr::LOCALHOST).unwrap();
    let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
    let destinations = format!("[\"127.0.0.1:{}\", \"{group}:{}\"]", port(&unicast), port(&multicast));
    let shipped = std::fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    let config = temp.path().join("hft.toml");
    std::fs::write(&config, shipped.replacen("destinations = []", &format!("destinations = {destinations}"), 1))
        .unwrap();
    let venue = Venue::start_with(&temp.path().join("data"), &["--config", config.to_str().unwrap()]);
    let mut trader = Client::login(venue.order_port(), "DEMO01");
    for number in 1..=100 {
        trader.enter(number, b'B', 1, "AAPL", 1_000_000);
    }
    // Both get the same packets, of which none is lost here: the last message says how many there are.
    let follow = |socket: &UdpSocket| {
        let (mut blocks, mut orders) = (std::collections::BTreeMap::new(), 0);
        while orders < 100 {
            let mut room = [0; 2048];
            let bytes = socket.recv(&mut room).unwrap();
            assert!(bytes <= 1_400);
            let packet = Packet::decode(&room[..bytes]).unwrap();
            for (number, message) in packet.messages() {
                orders += usize::from(message[0] == b'A');
                blocks.insert(number, message.to_vec());
            }
        }
        blocks
    };
    let seen = follow(&unicast);
    assert_eq!(follow(&multicast), seen);
    // Everything again, from the first message of the session on, by request.
    let session = trader.session;
    let (last, _) = seen.last_key_value().unwrap();
    let mut next = 1;
    while next <= *last {
        let request = Header { session, sequence: next, count: 60_000 };
        unicast.send_to(&request.to_bytes(), ("127.0.0.1", 9_004 + venue.offset)).unwrap();
        let mut room = [0; 2048];
        let bytes = unicast.recv(&mut room).unwrap();
        let packet = Packet::decode(&room[..bytes]).unwrap();
        if packet.header.sequence != next || packet.is_heartbeat() {
            continue;
        }
        for (number, message) in packet.messages() {
            assert_eq!(number, next);
            assert!(seen.get(&number).is_none_or(|seen| seen == message));
            next += 1;
        }
    }
    venue.stop("-TERM");
}
