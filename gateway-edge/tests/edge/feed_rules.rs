//! `/itch`: moldudp64.md §5 and venue-rules.md 20 and 21.

use std::rc::Rc;

use gateway_edge::{FeedConfig, StreamRead};
use protocol::Side;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::feed_client::FeedClient;
use crate::feed_rig::{FeedRig, feed_config};

const SESSION: &[u8; 10] = b"S000000001";

#[test]
fn without_from_the_next_message_is_the_first() {
    let mut rig = FeedRig::new();
    rig.rest(3);
    rig.turn();
    let mut client = FeedClient::connect(&mut rig, "/itch");
    let next = rig.stream.messages() + 1;
    rig.rest(2);
    let blocks = rig.blocks(&mut client, next, next + 2);
    assert_eq!(blocks, rig.blocks_from(next));
    assert_eq!(blocks[2], b'A');
}

#[test]
fn messages_of_one_turn_share_a_packet_that_is_made_once() {
    let mut rig = FeedRig::new();
    let mut clients: Vec<FeedClient> = (0..5).map(|_| FeedClient::connect(&mut rig, "/itch")).collect();
    let (packets, next) = (rig.feed.counters().packets, rig.stream.messages() + 1);
    rig.rest(10);
    for client in &mut clients {
        let packet = rig.packet(client);
        assert_eq!((packet.header.sequence, packet.header.count), (next, 10));
        assert_eq!(packet.blocks, rig.blocks_from(next));
    }
    assert_eq!(rig.feed.counters().packets, packets + 1);
}

#[test]
fn every_from_gives_the_stream_and_then_what_follows() {
    let config = FeedConfig { packet_bytes_max: 256, write_bytes_per_turn: 300, ..feed_config() };
    let mut rig = FeedRig::with(config);
    rig.rest(50);
    rig.turns(2);
    for from in 1..=rig.stream.messages() + 1 {
        let mut client = FeedClient::connect(&mut rig, &format!("/itch?from={from}"));
        rig.rest(1);
        rig.turn();
        rig.rest(1);
        rig.turn();
        let until = rig.stream.messages() + 1;
        assert_eq!(rig.blocks(&mut client, from, until), rig.blocks_from(from), "from {from}");
        rig.rest(1);
        assert_eq!(rig.blocks(&mut client, until, until + 1), rig.blocks_from(until), "from {from}");
    }
}

#[test]
fn numbers_that_are_no_place_in_the_stream_are_refused() {
    let mut rig = FeedRig::new();
    rig.rest(3);
    rig.turn();
    let beyond = rig.stream.messages() + 2;
    for from in ["0".to_owned(), "x".to_owned(), String::new(), beyond.to_string(), u64::MAX.to_string()] {
        assert_eq!(FeedClient::try_connect(&mut rig, &format!("/itch?from={from}")).err(), Some(400), "{from}");
    }
    for path in ["/", "/itch/", "/feed", "/glimpse2"] {
        assert_eq!(FeedClient::try_connect(&mut rig, path).err(), Some(404), "{path}");
    }
}

#[test]
fn a_heartbeat_goes_out_after_each_idle_second() {
    let mut rig = FeedRig::new();
    let mut live = FeedClient::connect(&mut rig, "/itch");
    let mut late = FeedClient::connect(&mut rig, "/itch?from=1");
    let next = rig.stream.messages() + 1;
    rig.blocks(&mut late, 1, next);
    rig.venue.advance_ms(900);
    rig.turns(5);
    assert_eq!((live.next(), late.next()), (None, None));
    for _ in 0..3 {
        rig.venue.advance_ms(1_000);
        for client in [&mut live, &mut late] {
            let packet = rig.packet(client);
            assert_eq!((packet.header.sequence, packet.header.count, packet.blocks.len()), (next, 0, 0));
        }
        rig.turns(5);
        assert_eq!((live.next(), late.next()), (None, None));
    }
    rig.venue.advance_ms(900);
    rig.rest(1);
    rig.blocks(&mut live, next, next + 1);
    rig.venue.advance_ms(900);
    rig.turns(5);
    assert_eq!(live.next(), None);
}

#[test]
fn a_re_request_is_answered_on_the_same_socket() {
    let mut rig = FeedRig::with(FeedConfig { packet_bytes_max: 256, ..feed_config() });
    rig.rest(40);
    rig.turn();
    let last = rig.stream.messages();
    let mut client = FeedClient::connect(&mut rig, "/itch");
    for (sequence, count, until) in [(1, 1, 2), (2, 30, 32), (last, 1, last + 1), (last - 2, u16::MAX - 1, last + 1)] {
        client.ask_again(SESSION, sequence, count);
        let blocks = rig.blocks(&mut client, sequence, until);
        assert!(rig.blocks_from(sequence).starts_with(&blocks));
    }
    rig.turns(5);
    assert_eq!(client.next(), None);
    assert_eq!(rig.feed.counters().rerequests, 4);
    rig.rest(1);
    rig.blocks(&mut client, last + 1, last + 2);
}

#[test]
fn re_requests_that_make_no_sense_are_ignored() {
    let mut rig = FeedRig::new();
    rig.rest(3);
    rig.turn();
    let last = rig.stream.messages();
    let mut client = FeedClient::connect(&mut rig, "/itch");
    client.ask_again(b"S000000002", 1, 1);
    client.ask_again(SESSION, 0, 1);
    client.ask_again(SESSION, last + 1, 1);
    client.ask_again(SESSION, 1, 0);
    rig.until(|rig| (rig.feed.counters().rerequests_ignored == 4).then_some(()));
    rig.rest(1);
    rig.blocks(&mut client, last + 1, last + 2);
}

#[test]
fn a_storm_of_re_requests_is_answered_in_order_and_live_goes_on() {
    let mut rig = FeedRig::new();
    rig.rest(20);
    rig.turn();
    let last = rig.stream.messages();
    let mut client = FeedClient::connect(&mut rig, "/itch");
    for _ in 0..300 {
        client.ask_again(SESSION, 2, 10);
    }
    for round in 0..300 {
        if round == 100 {
            rig.rest(1);
        }
        let packet = rig.until(|_| client.next().filter(|packet| packet.header.sequence <= last));
        assert_eq!((packet.header.sequence, packet.header.count), (2, 10));
    }
    rig.rest(1);
    rig.until(|_| client.next().filter(|packet| packet.header.sequence == last + 2));
}

#[test]
fn what_a_client_may_not_send_closes_with_the_code_of_the_sheet() {
    let mut rig = FeedRig::new();
    let table = [
        (Message::text("hello"), CloseCode::Unsupported),
        (Message::text(""), CloseCode::Unsupported),
        (Message::binary(vec![0; 19]), CloseCode::Protocol),
        (Message::binary(vec![0; 21]), CloseCode::Protocol),
        (Message::binary(vec![]), CloseCode::Protocol),
        (Message::binary(vec![0; 5_000]), CloseCode::Protocol),
    ];
    for (message, code) in table {
        let mut client = FeedClient::connect(&mut rig, "/itch");
        client.send(message.clone());
        assert_eq!(rig.close_code(&mut client), Some(code), "{message:?}");
    }
    for raw in [&[0x82, 20][..], &[0xF2, 0x80, 0, 0, 0, 0], &[0x83, 0x80, 0, 0, 0, 0], &[0x80, 0x80, 0, 0, 0, 0]] {
        let mut client = FeedClient::connect(&mut rig, "/itch");
        let raw = [raw, &[0; 100]].concat();
        client.send_raw(&raw);
        assert_eq!(rig.close_code(&mut client), Some(CloseCode::Protocol), "{raw:?}");
    }
    rig.venue.advance_ms(3_000);
    rig.until(|rig| (rig.feed.counters().connections_open == 0).then_some(()));
}

#[test]
fn pings_are_answered_between_frames() {
    let mut rig = FeedRig::new();
    rig.rest(200);
    rig.turn();
    let mut client = FeedClient::connect(&mut rig, "/itch?from=1");
    for _ in 0..3 {
        client.send(Message::Ping(vec![7; 10].into()));
        rig.rest(50);
        rig.turns(3);
    }
    let until = rig.stream.messages() + 1;
    assert_eq!(rig.blocks(&mut client, 1, until), rig.blocks_from(1));
    rig.until(|_| {
        assert_eq!(client.next(), None);
        (client.pongs > 0).then_some(())
    });
}

#[test]
fn a_client_that_closes_is_answered() {
    let mut rig = FeedRig::new();
    let mut client = FeedClient::connect(&mut rig, "/itch");
    client.close();
    rig.until(|_| {
        assert_eq!(client.next(), None);
        client.ended.then_some(())
    });
    drop(client);
    rig.until(|rig| (rig.feed.counters().connections_open == 0).then_some(()));
    assert_eq!(rig.feed.counters().protocol_violations, 0);
}

#[test]
fn a_client_that_goes_away_is_forgotten() {
    let mut rig = FeedRig::new();
    let client = FeedClient::connect(&mut rig, "/itch");
    drop(client);
    rig.until(|rig| (rig.feed.counters().connections_open == 0).then_some(()));
    rig.rest(1);
    rig.turns(3);
    assert!(rig.feed.is_drained());
}

#[test]
fn nothing_is_published_before_it_is_durable() {
    let mut rig = FeedRig::new();
    let mut client = FeedClient::connect(&mut rig, "/itch");
    let durable = rig.venue.journal.borrow().len() as u64;
    let next = rig.stream.messages() + 1;
    rig.venue.durable_limit.set(durable);
    rig.rest(3);
    for released in 0..=3 {
        rig.venue.durable_limit.set(durable + released);
        rig.turns(5);
        assert_eq!(rig.stream.messages() + 1, next + released);
    }
    rig.blocks(&mut client, next, next + 3);
}

#[test]
fn a_restart_makes_the_same_stream_and_goes_on() {
    let mut rig = FeedRig::new();
    for price in 0..20 {
        rig.enter(1, if price % 3 == 0 { Side::Sell } else { Side::Buy }, 100, 1_000 + price % 4);
    }
    rig.cancel(2);
    rig.turn();
    let blocks = rig.blocks_from(1);
    let venue = Rc::clone(&rig.venue);
    drop(rig);
    let mut rig = FeedRig::over(venue, feed_config(), 1 << 20);
    assert_eq!(rig.blocks_from(1), blocks);
    let next = rig.stream.messages() + 1;
    let mut client = FeedClient::connect(&mut rig, "/itch?from=1");
    assert_eq!(rig.blocks(&mut client, 1, next), blocks);
    rig.enter(1, Side::Buy, 5, 1);
    rig.blocks(&mut client, next, next + 1);
}

#[test]
fn a_full_stream_fails_the_feed_and_nothing_else() {
    let venue = crate::venue::Venue::new();
    venue.open();
    let mut rig = FeedRig::over(venue, feed_config(), 500);
    let mut client = FeedClient::connect(&mut rig, "/itch?from=1");
    rig.rest(20);
    rig.until(|rig| rig.feed.is_failed().then_some(()));
    let until = rig.stream.messages() + 1;
    assert_eq!(rig.blocks(&mut client, 1, until), rig.blocks_from(1));
}

#[test]
fn an_orderly_stop_sends_what_is_owed() {
    let mut rig = FeedRig::new();
    let mut client = FeedClient::connect(&mut rig, "/itch");
    let next = rig.stream.messages() + 1;
    let durable = rig.venue.journal.borrow().len() as u64;
    rig.venue.durable_limit.set(durable);
    rig.rest(3);
    rig.turns(3);
    rig.feed.stop();
    rig.turns(3);
    assert!(!rig.feed.is_drained());
    rig.venue.durable_limit.set(u64::MAX);
    rig.until(|rig| rig.feed.is_drained().then_some(()));
    assert!(std::net::TcpStream::connect(rig.feed.address()).is_err());
    rig.blocks(&mut client, next, next + 3);
}
