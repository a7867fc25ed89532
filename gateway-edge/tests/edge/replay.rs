//! Replay of a session's stream from any sequence, across connections and restarts.

use std::rc::Rc;

use crate::client::{accepted_sequence, enter};
use crate::rig::{Rig, config};

const ORDERS: u32 = 40;

fn trade(rig: &mut Rig) -> Vec<u8> {
    let mut client = rig.log_in("DEMO01", 1);
    for number in 1..=ORDERS {
        client.send_packet(b'U', &enter(number, b'B', 100, 1_000_000 + u64::from(number) * 100));
    }
    for _ in 0..=ORDERS {
        rig.message(&mut client);
    }
    client.received()[33..].to_vec()
}

/// Where each packet of a stream starts, and where the last one ends.
fn boundaries(stream: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    while starts[starts.len() - 1] < stream.len() {
        let at = starts[starts.len() - 1];
        starts.push(at + 2 + usize::from(u16::from_be_bytes([stream[at], stream[at + 1]])));
    }
    starts
}

fn replays_from_every_sequence(rig: &mut Rig, stream: &[u8]) {
    let boundaries = boundaries(stream);
    assert_eq!(boundaries.len() as u64, u64::from(ORDERS) + 2);
    for (sequence, from) in (1..).zip(boundaries) {
        let mut client = rig.connect();
        client.log_in("DEMO01", sequence);
        assert_eq!(accepted_sequence(&rig.packet(&mut client)), sequence);
        let expected = stream.len() - from;
        rig.until(|_| {
            client.pump();
            (client.received().len() >= 33 + expected).then_some(())
        });
        rig.turns(3);
        client.pump();
        assert_eq!(client.received()[33..], stream[from..], "from {sequence}");
    }
}

#[test]
fn the_same_bytes_come_again_from_every_sequence() {
    let mut rig = Rig::new();
    let stream = trade(&mut rig);
    replays_from_every_sequence(&mut rig, &stream);
}

#[test]
fn the_same_bytes_come_again_after_a_restart() {
    let mut rig = Rig::new();
    let stream = trade(&mut rig);
    let venue = Rc::clone(&rig.venue);
    drop(rig);
    let mut rig = Rig::over(venue, config(), 1 << 20);
    replays_from_every_sequence(&mut rig, &stream);
    let mut client = rig.log_in("DEMO01", 0);
    client.send_packet(b'U', &enter(ORDERS + 1, b'B', 100, 1_000_000));
    assert_eq!(rig.message(&mut client)[0], b'A');
}

#[test]
fn nothing_is_lost_between_replay_and_live() {
    let config = gateway_edge::EdgeConfig { write_bytes_per_turn: 50, ..config() };
    let mut rig = Rig::with(config, 1 << 20);
    trade(&mut rig);
    let mut client = rig.connect();
    client.log_in("DEMO01", 1);
    client.send_packet(b'U', &enter(ORDERS + 1, b'B', 100, 1_000_000));
    let mut numbers = Vec::new();
    assert_eq!(accepted_sequence(&rig.packet(&mut client)), 1);
    while numbers.len() <= ORDERS as usize + 1 {
        let message = rig.message(&mut client);
        numbers.push(if message[0] == b'A' { u32::from_be_bytes(message[9..13].try_into().unwrap()) } else { 0 });
    }
    assert!(numbers.iter().copied().eq(0..=ORDERS + 1), "{numbers:?}");
}

#[test]
fn answers_made_while_nobody_is_connected_wait_in_the_stream() {
    let mut rig = Rig::new();
    let mut maker = rig.log_in("DEMO01", 0);
    maker.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    assert_eq!(rig.message(&mut maker)[0], b'A');
    maker.send_packet(b'O', b"");
    rig.until_closed(&mut maker);
    let mut taker = rig.log_in("DEMO02", 0);
    taker.send_packet(b'U', &enter(1, b'S', 100, 1_000_000));
    assert_eq!(rig.message(&mut taker)[0], b'A');
    let mut maker = rig.log_in("DEMO01", 3);
    assert_eq!(rig.message(&mut maker)[0], b'E');
}

/// Numbers that look like chance and are the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What a client keeps of its session, whatever happens to its connections.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    messages: u64,
}

impl Log {
    /// Whole sequenced packets among what came behind the login accepted; a partial one is lost with its connection.
    fn keep(&mut self, received: &[u8]) {
        let mut rest = received.get(33..).unwrap_or_default();
        while let protocol::soupbin::Cut::Frame { frame, consumed } = protocol::soupbin::cut(rest) {
            if frame.packet_type == b'S' {
                self.bytes.extend_from_slice(&rest[..consumed]);
                self.messages += 1;
            }
            rest = &rest[consumed..];
        }
    }
}

/// Connections that break 10,000 times, at any byte, by either side, while orders go on: both ends hold the same log.
#[test]
fn ten_thousand_cuts_lose_and_double_nothing() {
    let limits = gateway_edge::EdgeConfig { write_bytes_per_turn: 97, ..config() };
    let mut rig = Rig::with(limits, 1 << 26);
    let mut chance = Chance(0x5eed);
    let mut log = Log::default();
    let mut number = 0;
    let (mut by_client, mut by_venue) = (0, 0);
    for _ in 0..10_000 {
        let mut client = rig.connect();
        client.log_in("DEMO01", log.messages + 1);
        for _ in 0..chance.below(4) {
            number += 1;
            client.send_packet(b'U', &enter(number, b'B', 100, 1_000_000));
        }
        rig.turns(u32::try_from(chance.below(6)).unwrap());
        if chance.below(2) == 0 {
            // The venue cuts, because the account logs in elsewhere; what was written before may still arrive.
            let mut other = rig.connect();
            other.log_in("DEMO01", 0);
            rig.until_closed(&mut client);
            by_venue += 1;
        }
        client.pump();
        let received = client.received();
        log.keep(&received[..usize::try_from(chance.below(received.len() as u64 + 1)).unwrap()]);
        by_client += 1;
        drop(client);
    }
    // The last connection takes what is left.
    let mut last = rig.connect();
    last.log_in("DEMO01", log.messages + 1);
    let sent = u64::from(number);
    rig.until(|rig| {
        let settled = !rig.edge.is_expecting() && rig.edge.is_drained();
        last.pump();
        (settled && !rig.edge.is_busy() && rig.edge.counters().connections_open == 1 && last.received().len() > 32)
            .then_some(())
    });
    rig.turns(10);
    last.pump();
    log.keep(last.received());
    // The venue's side, from the first message on.
    let mut whole = rig.connect();
    whole.log_in("DEMO01", 1);
    rig.until(|_| {
        whole.pump();
        (whole.received().len() >= 33 + log.bytes.len()).then_some(())
    });
    rig.turns(10);
    whole.pump();
    assert!(whole.received()[33..] == log.bytes, "both ends hold the same log");
    assert!(by_client == 10_000 && by_venue > 4_000 && log.messages > sent / 3, "{} of {sent}", log.messages);
}
