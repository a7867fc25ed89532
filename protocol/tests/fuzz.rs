//! Every decoder against bytes of anybody: the golden ones, changed, cut and joined, and any others. A short run with each
//! `cargo test`; a long one by hand (docs/edge.md). Nothing may panic or run on, and what decodes must encode to what was read.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use protocol::itch::Message;
use protocol::moldudp64::{Packet, Received, Receiver, Request};
use protocol::ouch::inbound::Inbound;
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{self, ClientPacket, Cut, LoginRequest, ServerPacket};
use protocol::{AccountId, InstrumentId, record};

/// Runs of one target, unless `HFT_FUZZ_RUNS` says otherwise.
const RUNS: u32 = 20_000;

fn runner() -> TestRunner {
    let runs = std::env::var("HFT_FUZZ_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    TestRunner::new(ProptestConfig { cases: runs, failure_persistence: None, ..ProptestConfig::default() })
}

/// The messages written down in `golden/`.
fn golden(file: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with('[') {
            messages.push(Vec::new());
        } else if let Some(digits) = line.split_whitespace().nth(1) {
            let bytes = (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap());
            messages.last_mut().unwrap().extend(bytes);
        }
    }
    assert!(messages.len() > 2, "{file}");
    messages
}

/// A golden message with some bytes changed, the tail cut off, and others behind it.
type Change = (u8, Vec<(u8, u8)>, u8, Vec<u8>);

fn changed(golden: &[Vec<u8>], (which, edits, keep, more): &Change) -> Vec<u8> {
    let mut bytes = golden[usize::from(*which) % golden.len()].clone();
    for (at, value) in edits.iter().take(8) {
        let at = usize::from(*at) % bytes.len();
        bytes[at] = *value;
    }
    if *keep < 100 {
        bytes.truncate(usize::from(*keep));
    }
    bytes.extend_from_slice(more);
    bytes
}

fn run(file: &str, target: impl Fn(&[u8])) {
    let golden = golden(file);
    for message in &golden {
        // As it is, and cut at each byte.
        for end in 0..=message.len() {
            target(&message[..end]);
        }
    }
    let change = (
        any::<u8>(),
        prop::collection::vec(any::<(u8, u8)>(), 0..8),
        any::<u8>(),
        prop::collection::vec(any::<u8>(), 0..40),
    );
    runner()
        .run(&change, |change| {
            target(&changed(&golden, &change));
            Ok(())
        })
        .unwrap();
}

#[test]
fn soupbintcp() {
    run("soupbin.hex", |bytes| {
        let (mut rest, mut packets) = (bytes, 0);
        while let Cut::Frame { frame, consumed } = soupbin::cut(rest) {
            packets += 1;
            assert!(consumed >= 3 && consumed <= rest.len());
            let _decoded = ServerPacket::decode(frame);
            if let Ok(ClientPacket::Login(login)) = ClientPacket::decode(frame) {
                let again = login.to_packet();
                let Cut::Frame { frame, .. } = soupbin::cut(&again) else { panic!("a packet of ours") };
                assert_eq!(ClientPacket::decode(frame), Ok(ClientPacket::Login(login)));
                let _: (Option<u64>, LoginRequest) = (login.next_sequence(), login);
            }
            rest = &rest[consumed..];
        }
        assert!(packets <= bytes.len() / 3);
    });
}

#[test]
fn ouch_of_clients() {
    run("ouch_inbound.hex", |bytes| {
        if let Ok((message, appendage)) = Inbound::decode(bytes) {
            let mut again = [0; 1 << 12];
            if let Some(len) = message.encode(appendage, &mut again) {
                assert_eq!(Inbound::decode(&again[..len]), Ok((message, appendage)));
            }
        }
        let _listed = protocol::ouch::inbound::admit(bytes, AccountId(1), |_| Some(InstrumentId(1)));
        let _unknown = protocol::ouch::inbound::admit(bytes, AccountId(1), |_| None);
    });
}

#[test]
fn ouch_of_the_venue() {
    run("ouch_outbound.hex", |bytes| {
        let _decoded = Outbound::decode(bytes);
    });
}

#[test]
fn itch() {
    run("itch.hex", |bytes| {
        if let Ok(message) = Message::decode(bytes) {
            let mut again = [0; 256];
            let len = message.encode(&mut again).unwrap();
            assert_eq!(Message::decode(&again[..len]), Ok(message));
            assert_eq!(&again[..len], bytes);
        }
    });
}

#[test]
fn moldudp64() {
    run("moldudp64.hex", |bytes| {
        let _decoded = Request::decode(bytes);
        if let Ok(packet) = Packet::decode(bytes) {
            assert_eq!(packet.messages().count(), usize::from(packet.header.messages()));
            let mut receiver = Receiver::adopting();
            for _ in 0..2 {
                if let Received::Messages(messages) = receiver.take(&packet) {
                    assert!(messages.count() <= usize::from(packet.header.messages()));
                }
            }
        }
    });
}

#[test]
fn records_of_the_journal() {
    let bytes = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..record::BODY_BYTES_MAX));
    runner()
        .run(&bytes, |(kind, mut bytes)| {
            // The kind is its first byte; small ones are all in use.
            if let Some(first) = bytes.first_mut().filter(|_| kind < 200) {
                *first = kind % 70;
            }
            if let Ok(body) = record::decode(&bytes) {
                let mut again = [0; record::BODY_BYTES_MAX];
                let len = record::encode(&body, &mut again);
                prop_assert_eq!(record::decode(&again[..len]), Ok(body));
            }
            Ok(())
        })
        .unwrap();
}
