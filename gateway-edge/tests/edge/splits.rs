//! Bytes may come in any pieces: the venue must not notice.

use proptest::prelude::*;

use crate::client::{enter, login, packet};
use crate::rig::Rig;

/// A login, text, a heartbeat, three orders (one of them invalid), a query.
fn conversation() -> Vec<u8> {
    let mut bytes = packet(b'+', b"text");
    bytes.extend(login("DEMO01", 1));
    bytes.extend(packet(b'R', b""));
    bytes.extend(packet(b'U', &enter(1, b'B', 100, 1_000_000)));
    bytes.extend(packet(b'U', &enter(2, b'?', 100, 1_000_000)));
    bytes.extend(packet(b'U', &enter(3, b'B', 100, 1_000_000)));
    bytes.extend(packet(b'U', b"Q"));
    bytes
}

/// What the venue answers when the conversation comes in these pieces. Time stands still, so it is always the same.
fn answers(pieces: &[&[u8]]) -> Vec<u8> {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    rig.until(|rig| (rig.edge.counters().connections_open == 1).then_some(()));
    let mut sent = 0;
    for piece in pieces {
        client.send(piece);
        sent += piece.len() as u64;
        rig.until(|rig| (rig.edge.counters().bytes_in == sent).then_some(()));
    }
    rig.until(|rig| (rig.edge.counters().answers == 4).then_some(()));
    rig.until(|rig| {
        client.pump();
        (client.received().len() as u64 == rig.edge.counters().bytes_out && !rig.edge.is_busy()).then_some(())
    });
    client.received().to_vec()
}

#[test]
fn every_split_gives_the_same_answers() {
    let bytes = conversation();
    let whole = answers(&[&bytes]);
    assert!(whole.len() > 33 + 13);
    for at in 1..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(answers(&[head, tail]), whole, "split at {at}");
    }
}

#[test]
fn single_bytes_give_the_same_answers() {
    let bytes = conversation();
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(answers(&pieces), answers(&[&bytes]));
}

/// What a session answers to this packet in these pieces and to a query behind it, and whether it was closed.
fn exchange(packet_pieces: &[&[u8]], expected: Option<usize>) -> (Vec<u8>, bool) {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    client.send(&login("DEMO01", 1));
    for number in [1, 2] {
        client.send(&packet(b'U', &enter(number, b'B', 100, 1_000_000)));
    }
    rig.until(|rig| (rig.edge.counters().answers >= 2).then_some(()));
    let query = packet(b'U', b"Q");
    for piece in packet_pieces.iter().copied().chain([&query[..]]) {
        let _ = client.try_send(piece);
        rig.turns(2);
    }
    if let Some(expected) = expected {
        rig.until(|_| {
            client.pump();
            (client.received().len() >= expected).then_some(())
        });
    }
    // Nothing more comes.
    rig.turns(if expected.is_some() { 2 } else { 200 });
    client.pump();
    (client.received().to_vec(), client.is_closed())
}

#[test]
fn every_split_of_every_golden_packet_gives_the_same_answers() {
    let golden = crate::fuzz::golden();
    assert!(golden.len() > 15, "{}", golden.len());
    for packet in &golden {
        let whole = exchange(&[packet], None);
        assert!(whole.0.len() > 33, "logged in");
        for at in 1..packet.len() {
            let (head, tail) = packet.split_at(at);
            assert_eq!(exchange(&[head, tail], Some(whole.0.len())), whole, "{packet:?} split at {at}");
        }
        let single: Vec<&[u8]> = packet.chunks(1).collect();
        assert_eq!(exchange(&single, Some(whole.0.len())), whole, "{packet:?} byte by byte");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever comes, before or after a login: the venue lives, and an honest client is served.
    #[test]
    fn garbage_hurts_nobody(garbage in prop::collection::vec(any::<u8>(), 0..300), logged_in: bool) {
        let mut rig = Rig::new();
        let mut vandal = if logged_in { rig.log_in("DEMO01", 0) } else { rig.connect() };
        vandal.send(&garbage);
        rig.turns(5);
        let mut honest = rig.log_in("DEMO02", 0);
        honest.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
        prop_assert_eq!(rig.message(&mut honest)[0], b'A');
    }

    /// The same with packets that are well framed.
    #[test]
    fn well_framed_garbage_hurts_nobody(
        packets in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..80)), 0..8),
        logged_in: bool,
    ) {
        let mut rig = Rig::new();
        let mut vandal = if logged_in { rig.log_in("DEMO01", 0) } else { rig.connect() };
        for (packet_type, payload) in &packets {
            let packet_type = if packet_type % 2 == 0 { b'U' } else { *packet_type };
            let _ = vandal.send_some(&packet(packet_type, payload));
        }
        rig.turns(5);
        let mut honest = rig.log_in("DEMO02", 0);
        honest.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
        prop_assert_eq!(rig.message(&mut honest)[0], b'A');
    }
}
