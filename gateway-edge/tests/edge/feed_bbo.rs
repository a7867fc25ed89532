//! `/bbo`: the latest value per instrument, conflated for those who are slow.

use gateway_edge::StreamRead;
use protocol::Side;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::feed_client::FeedClient;
use crate::feed_rig::{FeedRig, feed_config};

/// Instrument, bid price, bid quantity, bid orders, ask price, ask quantity, last price.
type Seen = (u16, u32, u64, u32, u32, u64, u32);

fn records(frame: &[u8]) -> Vec<Seen> {
    let four = |record: &[u8], at: usize| u32::from_be_bytes(record[at..at + 4].try_into().unwrap());
    let eight = |record: &[u8], at: usize| u64::from_be_bytes(record[at..at + 8].try_into().unwrap());
    assert_eq!(frame[..2], [0, 1]);
    assert_eq!(frame[16..26], *b"S000000001");
    let count = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
    assert_eq!(frame.len(), 32 + 64 * count);
    let seen = |record: &[u8]| {
        let instrument = u16::from_be_bytes([record[0], record[1]]);
        let bid = (four(record, 24), eight(record, 8), four(record, 32));
        (instrument, bid.0, bid.1, bid.2, four(record, 28), eight(record, 16), four(record, 4))
    };
    frame[32..].chunks(64).map(seen).collect()
}

fn frame(rig: &mut FeedRig, client: &mut FeedClient) -> Vec<Seen> {
    rig.until(|_| client.next_frame().map(|frame| records(&frame)))
}

/// Frames until the bid of AAPL is `price`; its record then, and how many frames it took.
fn until_bid(rig: &mut FeedRig, client: &mut FeedClient, price: u32) -> (Seen, u32) {
    for frames in 1.. {
        let found = frame(rig, client).into_iter().find(|seen| seen.0 == 1 && seen.1 == price);
        if let Some(found) = found {
            return (found, frames);
        }
    }
    unreachable!()
}

#[test]
fn it_begins_with_every_instrument_and_goes_on_with_what_changes() {
    let mut rig = FeedRig::new();
    rig.enter(1, Side::Buy, 100, 1_000_000);
    rig.enter(1, Side::Buy, 50, 1_000_000);
    rig.enter(1, Side::Sell, 30, 1_000_200);
    rig.turns(10);
    let mut client = FeedClient::connect(&mut rig, "/bbo");
    let first = frame(&mut rig, &mut client);
    assert_eq!(first, [(1, 1_000_000, 150, 2, 1_000_200, 30, 0), (2, 0, 0, 0, 0, 0, 0)]);
    rig.enter(2, Side::Sell, 7, 555);
    assert_eq!(frame(&mut rig, &mut client), [(2, 0, 0, 0, 555, 7, 0)]);
    // An order behind the best price changes nothing here.
    rig.enter(1, Side::Buy, 9, 999_900);
    rig.turns(5);
    rig.enter(1, Side::Sell, 100, 1_000_000);
    assert_eq!(frame(&mut rig, &mut client), [(1, 1_000_000, 50, 1, 1_000_200, 30, 1_000_000)]);
    rig.cancel(2);
    assert_eq!(frame(&mut rig, &mut client), [(1, 999_900, 9, 1, 1_000_200, 30, 1_000_000)]);
}

#[test]
fn all_who_keep_up_get_frames_that_are_made_once() {
    let mut rig = FeedRig::new();
    let mut clients: Vec<_> = (0..10).map(|_| FeedClient::connect(&mut rig, "/bbo")).collect();
    for client in &mut clients {
        frame(&mut rig, client);
    }
    for price in 1..=50 {
        rig.enter(1, Side::Buy, 1, price * 100);
        for client in &mut clients {
            assert_eq!(until_bid(&mut rig, client, price * 100).1, 1);
        }
    }
}

#[test]
fn a_slow_reader_conflates_and_nobody_else_notices() {
    let mut rig = FeedRig::with(gateway_edge::FeedConfig { write_bytes_per_turn: 1 << 20, ..feed_config() });
    let mut slow = FeedClient::connect(&mut rig, "/bbo");
    let mut quick = FeedClient::connect(&mut rig, "/bbo");
    let mut follower = FeedClient::connect(&mut rig, "/itch");
    let next = rig.stream.messages() + 1;
    frame(&mut rig, &mut quick);
    // So many frames that no socket holds them all.
    let rounds = 60_000;
    let (mut at, mut bytes) = (next, 0);
    for round in 1..=rounds {
        rig.enter(1, Side::Buy, 1, round * 100);
        bytes += 100;
        until_bid(&mut rig, &mut quick, round * 100);
        if round % 100 == 0 {
            let until = rig.stream.messages() + 1;
            rig.blocks(&mut follower, at, until);
            at = until;
        }
    }
    assert!(bytes > 5_000_000);
    let (found, frames) = until_bid(&mut rig, &mut slow, rounds * 100);
    assert_eq!(found.2, 1);
    assert!(frames < rounds, "{frames}");
    assert_eq!(rig.feed.counters().slow_subscribers_cut, 0);
}

#[test]
fn it_shows_that_it_lives_and_hears_nothing() {
    let mut rig = FeedRig::new();
    let mut client = FeedClient::connect(&mut rig, "/bbo");
    frame(&mut rig, &mut client);
    rig.turns(5);
    assert_eq!(client.next_frame(), None);
    rig.venue.advance_ms(1_001);
    assert_eq!(frame(&mut rig, &mut client), []);
    client.send(Message::binary(vec![0; 20]));
    assert_eq!(rig.close_code(&mut client), Some(CloseCode::Protocol));
    let mut client = FeedClient::connect(&mut rig, "/bbo");
    frame(&mut rig, &mut client);
    client.send(Message::text("hello"));
    assert_eq!(rig.close_code(&mut client), Some(CloseCode::Unsupported));
}
