//! The HTTP requests of the feed's port, good and bad, whole and in pieces.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use gateway_edge::FeedConfig;

use crate::feed_client::{FeedClient, exchange};
use crate::feed_rig::{FeedRig, feed_config};

const HEADERS: &str = "Host: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn requests_that_cannot_be_served_are_told_why() {
    let mut rig = FeedRig::with(FeedConfig { request_head_bytes_max: 1000, ..feed_config() });
    let long = format!("GET /itch HTTP/1.1\r\nX: {}\r\n{HEADERS}", "y".repeat(1000));
    let table = [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), "404"),
        (format!("GET /nope HTTP/1.1\r\n{HEADERS}"), "404"),
        (format!("GET /itch?from=0 HTTP/1.1\r\n{HEADERS}"), "400"),
        (format!("GET /itch?from=99 HTTP/1.1\r\n{HEADERS}"), "400"),
        (format!("POST /itch HTTP/1.1\r\n{HEADERS}"), "405"),
        ("GET /itch HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), "426"),
        ("GET /glimpse HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), "426"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        ("\r\n\r\n".to_owned(), "400"),
        (long, "431"),
        ("x".repeat(5000), "431"),
    ];
    for (request, status) in &table {
        let address = rig.feed.address();
        let response = exchange(&mut rig, address, request.as_bytes());
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{response}");
    }
    assert_eq!(rig.feed.counters().requests_refused, table.len() as u64);
    rig.until(|rig| (rig.feed.counters().connections_open == 0).then_some(()));
}

#[test]
fn the_directory_comes_by_plain_http_also_while_all_snapshots_are_taken() {
    let mut rig = FeedRig::with(FeedConfig { snapshots_max: 1, ..feed_config() });
    rig.agent_stands_still = true;
    let _waits = FeedClient::connect(&mut rig, "/glimpse");
    let address = rig.feed.address();
    for headers in ["Host: h\r\n\r\n", HEADERS] {
        let response = exchange(&mut rig, address, format!("GET /directory.json HTTP/1.1\r\n{headers}").as_bytes());
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/json"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        assert!(body.starts_with(r#"{"session":"S000000001","instruments":["#), "{body}");
        for wanted in [
            r#"{"symbol":"AAPL","locate":1,"name":"AAPL","base":"AAPL","quote":"USD","price_decimals":4,"qty_decimals":0,"tick":{"wire":100,"decimal":"0.01"}"#,
            r#""max_qty":{"wire":999999,"decimal":"999999"},"max_price":{"wire":1999999900,"decimal":"199999.99"}}"#,
            r#""symbol":"BTC-USD","locate":2,"name":"BTC-USD","base":"BTC","quote":"USD""#,
        ] {
            assert!(body.contains(wanted), "{wanted}: {body}");
        }
    }
    let instrument = crate::venue::instrument_named(3, "NEW");
    rig.submit(&protocol::CommandBody::ListInstrument(instrument));
    let response = exchange(&mut rig, address, b"GET /directory.json HTTP/1.0\r\n\r\n");
    assert!(response.contains(r#""symbol":"NEW","locate":3"#), "{response}");
    assert_eq!((rig.feed.counters().directories, rig.feed.counters().requests_refused), (3, 0));
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let mut rig = FeedRig::new();
    let request = format!("GET /itch?from=1 HTTP/1.1\r\n{HEADERS}");
    let mut socket = TcpStream::connect(rig.feed.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    for byte in request.as_bytes() {
        socket.write_all(&[*byte]).unwrap();
        rig.turns(2);
    }
    let mut received = Vec::new();
    rig.until(|_| {
        let mut room = [0; 1024];
        match socket.read(&mut room) {
            Ok(read) => received.extend_from_slice(&room[..read]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        received.windows(4).any(|window| window == b"\r\n\r\n").then_some(())
    });
    assert!(received.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn half_a_request_is_waited_for_five_seconds() {
    let mut rig = FeedRig::new();
    let mut mute = TcpStream::connect(rig.feed.address()).unwrap();
    let mut slow = TcpStream::connect(rig.feed.address()).unwrap();
    let mut victim = FeedClient::connect(&mut rig, "/itch");
    slow.write_all(b"GET /itch").unwrap();
    rig.until(|rig| (rig.feed.counters().connections_open == 3).then_some(()));
    rig.venue.advance_ms(4_900);
    rig.turns(5);
    assert_eq!(rig.feed.counters().connections_open, 3);
    rig.venue.advance_ms(200);
    rig.until(|rig| (rig.feed.counters().connections_open == 1).then_some(()));
    assert_eq!(rig.feed.counters().handshake_timeouts, 2);
    assert_eq!(mute.read(&mut [0; 10]).unwrap(), 0);
    assert!(!victim.ended && victim.next().is_some());
}

#[test]
fn connections_beyond_the_bound_are_closed() {
    let mut rig = FeedRig::with(FeedConfig { connections_max: 1, ..feed_config() });
    let client = FeedClient::connect(&mut rig, "/itch");
    let mut other = TcpStream::connect(rig.feed.address()).unwrap();
    rig.until(|rig| (rig.feed.counters().connections_refused == 1).then_some(()));
    assert_eq!(other.read(&mut [0; 10]).unwrap(), 0);
    drop(client);
    rig.until(|rig| (rig.feed.counters().connections_open == 0).then_some(()));
    FeedClient::connect(&mut rig, "/itch");
}
