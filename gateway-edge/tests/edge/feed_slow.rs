//! Subscribers that do not read.

use std::io::ErrorKind;

use gateway_edge::FeedConfig;
use gateway_edge::StreamRead;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::feed_client::FeedClient;
use crate::feed_rig::{FeedRig, feed_config};

fn slow_config() -> FeedConfig {
    FeedConfig { backlog_bytes_max: 300_000, events_per_turn: 1024, frame_log_bytes: 1 << 19, ..feed_config() }
}

/// Publishes until a subscriber has been cut; `good` reads all the time and must miss nothing.
fn publish_until_cut(rig: &mut FeedRig, good: &mut FeedClient) {
    let mut next = rig.stream.messages() + 1;
    rig.until(|rig| {
        rig.rest(500);
        rig.turn();
        let until = rig.stream.messages() + 1;
        rig.blocks(good, next, until);
        next = until;
        (rig.feed.counters().slow_subscribers_cut == 1).then_some(())
    });
}

#[test]
fn a_slow_subscriber_is_closed_with_1008_and_the_others_are_not() {
    let mut rig = FeedRig::with(slow_config());
    let mut good = FeedClient::connect(&mut rig, "/itch");
    let mut slow = FeedClient::connect(&mut rig, "/itch");
    let mut next = rig.stream.messages() + 1;
    publish_until_cut(&mut rig, &mut good);
    // It reads at last: everything up to the cut is in order, no frame is cut, and the close says why.
    rig.until(|_| {
        while let Some(packet) = slow.next() {
            assert_eq!(packet.header.sequence, next);
            next += u64::from(packet.header.messages());
        }
        slow.ended.then_some(())
    });
    assert_eq!(slow.closed_with, Some(CloseCode::Policy));
    let mut back = FeedClient::connect(&mut rig, &format!("/itch?from={next}"));
    let until = rig.stream.messages() + 1;
    assert_eq!(rig.blocks(&mut back, next, until), rig.blocks_from(next));
}

#[test]
fn a_slow_subscriber_that_never_reads_is_dropped_in_the_end() {
    let mut rig = FeedRig::with(slow_config());
    let mut good = FeedClient::connect(&mut rig, "/itch");
    let mut slow = FeedClient::connect(&mut rig, "/itch");
    publish_until_cut(&mut rig, &mut good);
    assert_eq!(rig.feed.counters().connections_open, 2);
    rig.venue.advance_ms(2_100);
    rig.until(|rig| (rig.feed.counters().connections_open == 1).then_some(()));
    let mut room = [0; 4_096];
    rig.until(|_| match slow.read_raw(&mut room) {
        Ok(0) => Some(()),
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            Some(())
        }
    });
}

#[test]
fn one_who_catches_up_slowly_is_not_cut_for_history() {
    let mut rig = FeedRig::with(FeedConfig { write_bytes_per_turn: 2_000, packet_bytes_max: 1_000, ..slow_config() });
    for _ in 0..20 {
        rig.rest(1000);
        rig.turn();
    }
    let mut client = FeedClient::connect(&mut rig, "/itch?from=1");
    let until = rig.stream.messages() + 1;
    assert_eq!(rig.blocks(&mut client, 1, until), rig.blocks_from(1));
    assert_eq!(rig.feed.counters().slow_subscribers_cut, 0);
}

#[test]
fn what_is_said_besides_waits_for_the_end_of_a_frame() {
    let mut rig = FeedRig::with(FeedConfig { backlog_bytes_max: 8 << 20, frame_log_bytes: 16 << 20, ..slow_config() });
    let mut client = FeedClient::connect(&mut rig, "/itch");
    let from = rig.stream.messages() + 1;
    // Until the sockets between are full: then a frame has gone out in part.
    rig.until(|rig| {
        let before = rig.feed.counters().bytes_out;
        rig.rest(1_000);
        rig.turns(2);
        (rig.feed.counters().bytes_out == before).then_some(())
    });
    let until = rig.stream.messages() + 1;
    client.send(tungstenite::Message::Ping(vec![7; 10].into()));
    client.ask_again(b"S000000001", from, 3);
    rig.until(|rig| (rig.feed.counters().rerequests == 1).then_some(()));
    let (mut next, mut repaired) = (from, 0);
    rig.until(|_| {
        while let Some(packet) = client.next() {
            if packet.header.count == 3 {
                assert_eq!(packet.header.sequence, from);
                repaired += 1;
            } else {
                assert_eq!(packet.header.sequence, next);
                next += u64::from(packet.header.count);
            }
        }
        (next == until).then_some(())
    });
    assert_eq!((client.pongs, repaired), (1, 1));
}

#[test]
fn a_ping_flood_from_one_who_does_not_read_stays_bounded() {
    let mut rig = FeedRig::with(slow_config());
    let mut good = FeedClient::connect(&mut rig, "/itch");
    let mut flooder = FeedClient::connect(&mut rig, "/itch");
    let ping = [&[0x89, 0xFD, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    for _ in 0..200 {
        flooder.send_raw(&ping);
        rig.turns(2);
    }
    let next = rig.stream.messages() + 1;
    rig.rest(10);
    rig.blocks(&mut good, next, next + 10);
    rig.blocks(&mut flooder, next, next + 10);
    rig.until(|_| {
        assert_eq!(flooder.next(), None);
        (flooder.pongs >= 100).then_some(())
    });
}
