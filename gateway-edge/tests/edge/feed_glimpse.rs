//! `/glimpse`: itch50.md §7 and venue-rules.md 22. A snapshot and the live stream together give the whole book.

use std::collections::BTreeMap;

use gateway_edge::{FeedConfig, StreamRead};
use proptest::prelude::*;
use protocol::command::SetTradingState;
use protocol::itch::Message;
use protocol::moldudp64::{END_OF_SESSION, Packet};
use protocol::{CommandBody, Firm, InstrumentId, Side, SystemEventCode, TradingState};
use tungstenite::protocol::frame::coding::CloseCode;

use crate::feed_client::{FeedClient, Received};
use crate::feed_rig::{FeedRig, feed_config};

/// Orders by reference: instrument, side, price, shares. Knows nothing of the order of a queue.
type Book = BTreeMap<u64, (u16, u8, u32, u32)>;

fn apply(book: &mut Book, message: &Message) {
    let reduce = |book: &mut Book, order_ref: u64, by: u32| {
        let order = book.get_mut(&order_ref).unwrap();
        order.3 -= by;
        if order.3 == 0 {
            book.remove(&order_ref);
        }
    };
    if let Message::AddOrder(add) = message {
        let order = (add.header.stock_locate.0, add.side, add.price.0, add.shares.0);
        assert_eq!(book.insert(add.order_ref.0, order), None);
    } else if let Message::OrderExecuted(executed) = message {
        reduce(book, executed.order_ref.0, executed.executed_shares.0);
    } else if let Message::OrderDelete(delete) = message {
        assert!(book.remove(&delete.order_ref.0).is_some());
    }
}

fn messages(blocks: &[u8]) -> Vec<Message> {
    let mut rest = blocks;
    let mut messages = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk() {
        let (message, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
        messages.push(Message::decode(message).unwrap());
        rest = tail;
    }
    messages
}

/// A snapshot: its messages without the last, and the number that the last one names.
fn glimpse(rig: &mut FeedRig) -> (Vec<Message>, u64) {
    let stood_still = std::mem::take(&mut rig.agent_stands_still);
    let mut client = FeedClient::connect(rig, "/glimpse");
    let mut packets: Vec<Received> = Vec::new();
    rig.until(|_| {
        while let Some(packet) = client.next() {
            packets.push(packet);
        }
        client.ended.then_some(())
    });
    rig.agent_stands_still = stood_still;
    assert_eq!(client.closed_with, Some(CloseCode::Normal));
    let end = packets.pop().unwrap();
    let (mut next, mut all) = (1, Vec::new());
    for packet in &packets {
        assert_eq!((packet.header.session, packet.header.sequence), (end.header.session, next));
        assert_eq!(packet.header.session.0[0], b'G');
        next += u64::from(packet.header.messages());
        all.extend(messages(&packet.blocks));
    }
    assert_eq!((end.header.count, end.header.sequence), (END_OF_SESSION, next));
    let Some(Message::EndOfSnapshot(last)) = all.pop() else { panic!("the last message is no G") };
    let text = String::from_utf8(last.sequence.to_vec()).unwrap();
    assert_eq!(text.len(), 20);
    (all, text.trim_start().parse().unwrap())
}

fn types(messages: &[Message]) -> String {
    messages.iter().map(|message| char::from(message.message_type())).collect()
}

#[test]
fn a_snapshot_has_everything_in_the_order_of_the_sheet() {
    let mut rig = FeedRig::new();
    rig.submit(&CommandBody::SystemEvent(SystemEventCode::StartOfMessages));
    for instrument in [2, 1] {
        let instrument = InstrumentId(instrument);
        let set = SetTradingState { instrument, state: TradingState::Trading, reason: Firm::BLANK };
        rig.submit(&CommandBody::SetTradingState(set));
    }
    let worse_ask = rig.enter(1, Side::Sell, 10, 500);
    let ask = rig.enter(1, Side::Sell, 20, 400);
    let bid = rig.enter(1, Side::Buy, 30, 300);
    let same_bid = rig.enter(1, Side::Buy, 40, 300);
    let better_bid = rig.enter(1, Side::Buy, 50, 350);
    let other = rig.enter(2, Side::Sell, 60, 1);
    rig.turn();
    let (snapshot, next) = glimpse(&mut rig);
    assert_eq!(next, rig.stream.messages() + 1);
    assert_eq!(types(&snapshot), "SRRHHAAAAAA");
    let order = |message: &Message| if let Message::AddOrder(add) = message { Some(add.order_ref.0) } else { None };
    let orders: Vec<u64> = snapshot.iter().filter_map(order).collect();
    assert_eq!(orders, [better_bid, bid, same_bid, ask, worse_ask, other]);
    assert_eq!(rig.feed.counters().snapshots, 1);
}

#[test]
fn an_empty_book_has_a_snapshot_too() {
    let mut rig = FeedRig::new();
    let (snapshot, next) = glimpse(&mut rig);
    assert_eq!((types(&snapshot).as_str(), next), ("RR", 3));
}

#[test]
fn a_long_snapshot_takes_many_packets() {
    let mut rig = FeedRig::with(FeedConfig { packet_bytes_max: 500, write_bytes_per_turn: 700, ..feed_config() });
    for _ in 0..3 {
        rig.rest(1000);
        rig.turn();
    }
    let (snapshot, next) = glimpse(&mut rig);
    assert_eq!((snapshot.len(), next), (3002, 3003));
}

#[test]
fn a_snapshot_holds_all_that_its_requester_can_have_seen() {
    let mut rig = FeedRig::new();
    // More than the helper takes in one turn.
    rig.agent_stands_still = true;
    for _ in 0..40 {
        rig.rest(1_000);
        rig.turn();
    }
    let _live = FeedClient::connect(&mut rig, "/itch");
    let joined_at = rig.stream.messages() + 1;
    let (snapshot, next) = glimpse(&mut rig);
    assert_eq!((snapshot.len() as u64 + 1, next), (joined_at, joined_at));
}

#[test]
fn too_many_snapshots_at_once_are_refused() {
    let mut rig = FeedRig::with(FeedConfig { snapshots_max: 2, ..feed_config() });
    rig.agent_stands_still = true;
    let first = FeedClient::connect(&mut rig, "/glimpse");
    let mut second = FeedClient::connect(&mut rig, "/glimpse");
    assert_eq!(FeedClient::try_connect(&mut rig, "/glimpse").err(), Some(503));
    // One whose requester has gone frees its place, and its snapshot goes nowhere.
    drop(first);
    rig.until(|rig| (rig.feed.counters().connections_open < 3).then_some(()));
    rig.agent_stands_still = false;
    assert_eq!(rig.packet(&mut second).header.session.0[0], b'G');
    glimpse(&mut rig);
}

#[test]
fn a_re_request_during_a_snapshot_is_ignored() {
    let mut rig = FeedRig::new();
    let mut client = FeedClient::connect(&mut rig, "/glimpse");
    client.ask_again(b"S000000001", 1, 1);
    rig.until(|_| {
        while let Some(packet) = client.next() {
            assert_eq!(packet.header.session.0[0], b'G');
        }
        client.ended.then_some(())
    });
    assert_eq!(rig.feed.counters().rerequests, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// A client that joins the live stream, then takes a snapshot, then drops what the snapshot holds, has the book that a
    /// client has who followed from the beginning.
    #[test]
    fn snapshot_and_stream_join_without_a_gap(
        actions in prop::collection::vec((0_u8..10, 1_u16..3, any::<bool>(), 1_u32..4, 1_u32..6), 1..120),
        join_at in 0_usize..120,
        glimpse_at in 0_usize..40,
    ) {
        let mut rig = FeedRig::new();
        // The helper has slept through everything when it is asked.
        rig.agent_stands_still = true;
        let mut live = None;
        let mut snapshot = None;
        let mut wanted_from = 0;
        for (step, (action, instrument, is_buy, quantity, price)) in actions.iter().copied().enumerate() {
            if step == join_at.min(actions.len() - 1) {
                live = Some(FeedClient::connect(&mut rig, "/itch"));
                wanted_from = rig.stream.messages() + 1;
            }
            if live.is_some() && snapshot.is_none() && step >= join_at + glimpse_at {
                snapshot = Some(glimpse(&mut rig));
            }
            if action == 0 {
                rig.cancel(quantity * price);
            } else {
                rig.enter(instrument, if is_buy { Side::Buy } else { Side::Sell }, quantity, price);
            }
            if action % 2 == 0 {
                rig.turn();
            }
        }
        let mut live = live.unwrap();
        let (snapshot, next) = snapshot.unwrap_or_else(|| glimpse(&mut rig));
        rig.until(|rig| rig.feed.is_drained().then_some(()));
        prop_assert!(next >= wanted_from, "the snapshot ends at {next}, the stream begins at {wanted_from}");
        let mut joined = Book::new();
        for message in &snapshot {
            apply(&mut joined, message);
        }
        let end = rig.stream.messages() + 1;
        let blocks = if wanted_from < end { rig.blocks(&mut live, wanted_from, end) } else { Vec::new() };
        for (number, message) in (wanted_from..).zip(messages(&blocks)) {
            if number >= next {
                apply(&mut joined, &message);
            }
        }
        let mut whole = Book::new();
        for message in &messages(&rig.blocks_from(1)) {
            apply(&mut whole, message);
        }
        prop_assert_eq!(joined, whole);
    }
}

#[test]
fn packets_of_a_snapshot_decode_one_by_one() {
    let mut rig = FeedRig::new();
    rig.rest(3);
    rig.turn();
    let mut client = FeedClient::connect(&mut rig, "/glimpse");
    let packet = rig.packet(&mut client);
    let bytes = [&packet.header.to_bytes()[..], &packet.blocks].concat();
    assert_eq!(Packet::decode(&bytes).unwrap().messages().count(), 6);
}
