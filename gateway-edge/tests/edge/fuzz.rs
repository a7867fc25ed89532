//! The whole session state machine, and the feed's port, against clients that do anything in any order: connect, log in, send golden
//! packets changed, cut and joined, hang up, be silent, while the ring fills and the journal stops. Nothing may panic, hang or
//! grow, and an honest client is served afterwards. A short run with each `cargo test`; a long one by hand (docs/edge.md).

use gateway_edge::EdgeConfig;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use protocol::SessionName;
use protocol::soupbin::LoginRequest;

use crate::client::{Client, enter, packet};
use crate::feed_rig::FeedRig;
use crate::rig::{Rig, config};

/// Runs, unless `HFT_FUZZ_RUNS` says otherwise.
const RUNS: u32 = 300;
const CLIENTS_MAX: usize = 6;

/// What happens next; `u8`s choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Connect,
    /// Account, sequence, right password, current session.
    LogIn(u8, u8, u8, bool, bool),
    /// A golden packet with bytes changed and its tail cut off.
    Golden(u8, u8, Vec<(u8, u8)>, u8),
    /// Any bytes.
    Bytes(u8, Vec<u8>),
    /// A packet of any type.
    Framed(u8, u8, Vec<u8>),
    /// Orders back to back.
    Orders(u8, u8),
    HangUp(u8),
    Drop(u8),
    /// Time passes, up to 25 seconds at once.
    Pass(u8),
    /// So many commands fit the ring.
    Ring(u8),
    /// The journal stops, or goes on.
    Journal(bool),
    Turn,
}

fn runner() -> TestRunner {
    let runs = std::env::var("HFT_FUZZ_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    TestRunner::new(ProptestConfig { cases: runs, failure_persistence: None, ..ProptestConfig::default() })
}

fn step() -> impl Strategy<Value = Step> {
    let edits = prop::collection::vec(any::<(u8, u8)>(), 0..4);
    let bytes = prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        3 => Just(Step::Connect),
        4 => any::<(u8, u8, u8, bool, bool)>().prop_map(|(a, b, c, right, current)| {
            Step::LogIn(a, b, c % 8, right || a % 4 > 0, current || b % 4 > 0)
        }),
        6 => (any::<u8>(), any::<u8>(), edits, any::<u8>()).prop_map(|(a, b, edits, keep)| Step::Golden(a, b, edits, keep)),
        1 => (any::<u8>(), bytes.clone()).prop_map(|(a, bytes)| Step::Bytes(a, bytes)),
        2 => (any::<u8>(), any::<u8>(), bytes).prop_map(|(a, b, bytes)| Step::Framed(a, b, bytes)),
        4 => any::<(u8, u8)>().prop_map(|(a, b)| Step::Orders(a, b)),
        1 => any::<u8>().prop_map(Step::HangUp),
        1 => any::<u8>().prop_map(Step::Drop),
        2 => any::<u8>().prop_map(Step::Pass),
        2 => any::<u8>().prop_map(Step::Ring),
        2 => any::<bool>().prop_map(Step::Journal),
        3 => Just(Step::Turn),
    ]
}

/// Packets of a client, one of each kind and every golden message.
pub(crate) fn golden() -> Vec<Vec<u8>> {
    let mut packets =
        vec![LoginRequest::new("DEMO01", "demo-pass", SessionName::BLANK, 1).unwrap().to_packet().to_vec()];
    packets.extend([
        packet(b'R', b""),
        packet(b'O', b""),
        packet(b'+', b"debug"),
        packet(b'U', b""),
        packet(b'U', b"Q"),
    ]);
    packets.push(packet(b'U', &enter(1, b'B', 100, 1_000_000)));
    packets.push(packet(b'U', &enter(2, b'S', 100, 1_000_000)));
    packets.push(packet(b'U', &[b'X', 0, 0, 0, 1, 0, 0, 0, 0]));
    packets.push(packet(b'U', &[b'M', 0, 0, 0, 1, b'S', 0, 0, 0, 1]));
    let text = include_str!("../../../protocol/tests/golden/ouch_inbound.hex");
    let mut message: Vec<u8> = Vec::new();
    for line in text.lines().chain(["["]) {
        if line.starts_with('[') {
            if !message.is_empty() {
                packets.push(packet(b'U', &std::mem::take(&mut message)));
            }
        } else if let Some(digits) = line.split_whitespace().nth(1).filter(|_| !line.starts_with('#')) {
            message
                .extend((0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()));
        }
    }
    packets
}

/// The clients of one run.
struct Crowd {
    clients: Vec<Client>,
    number: u32,
}

impl Crowd {
    fn send(&mut self, which: u8, bytes: &[u8]) {
        let count = self.clients.len();
        if let Some(client) = self.clients.get_mut(usize::from(which) % count.max(1))
            && !client.is_closed()
        {
            let _ = client.try_send(bytes);
        }
    }

    fn step(&mut self, rig: &mut Rig, step: &Step, golden: &[Vec<u8>]) {
        match step {
            Step::Connect if self.clients.len() < CLIENTS_MAX => self.clients.push(rig.connect()),
            Step::Connect | Step::Turn => rig.turn(),
            Step::LogIn(which, account, sequence, right, current) => {
                let name = ["DEMO01", "DEMO02", "DEMO03", "DEMO04", "NOBODY", "DENIED"][usize::from(*account) % 6];
                let password = if *right { "demo-pass" } else { "guess" };
                let session = if *current { SessionName::BLANK } else { SessionName(*b"S000000009") };
                let login = LoginRequest::new(name, password, session, u64::from(*sequence)).unwrap();
                self.send(*which, &login.to_packet());
            }
            Step::Golden(which, index, edits, keep) => {
                let mut bytes = golden[usize::from(*index) % golden.len()].clone();
                for (at, value) in edits.iter().take(4) {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] = *value;
                }
                if *keep < 60 {
                    bytes.truncate(usize::from(*keep));
                }
                self.send(*which, &bytes);
            }
            Step::Bytes(which, bytes) => self.send(*which, bytes),
            Step::Framed(which, packet_type, payload) => self.send(*which, &packet(*packet_type, payload)),
            Step::Orders(which, count) => {
                let first = self.number;
                self.number += u32::from(*count);
                let order = |number| packet(b'U', &enter(number, b'B', 100, 1_000_000));
                self.send(*which, &(first..self.number).flat_map(order).collect::<Vec<u8>>());
            }
            Step::HangUp(which) => {
                let count = self.clients.len().max(1);
                if let Some(client) = self.clients.get_mut(usize::from(*which) % count) {
                    client.try_hang_up();
                }
            }
            Step::Drop(which) if !self.clients.is_empty() => {
                drop(self.clients.swap_remove(usize::from(*which) % self.clients.len()));
            }
            Step::Drop(_) => {}
            Step::Pass(tenths) => rig.venue.advance_ms(u64::from(*tenths) * 100),
            Step::Ring(slots) => rig.venue.input_max.set(usize::from(*slots)),
            Step::Journal(on) => {
                let written = rig.venue.journal.borrow().len() as u64;
                rig.venue.durable_limit.set(if *on { u64::MAX } else { written });
            }
        }
    }
}

#[test]
fn sessions() {
    let golden = golden();
    let run = |steps: Vec<Step>| {
        let limits = EdgeConfig {
            connections_max: CLIENTS_MAX + 2,
            in_flight_max: 64,
            pending_events_max: 64,
            messages_per_s_max: 1_000,
            logins_per_s_max: 50,
            login_backoff_ms_max: 100,
            frame_bytes_max: 2_000,
            ..config()
        };
        let mut rig = Rig::with(limits, 1 << 22);
        let mut crowd = Crowd { clients: Vec::new(), number: 1 };
        for step in &steps {
            crowd.step(&mut rig, step, &golden);
            rig.turn();
        }
        assert!(rig.edge.counters().connections_open <= 8);
        rig.venue.input_max.set(1 << 16);
        rig.venue.durable_limit.set(u64::MAX);
        drop(crowd);
        // All of them are gone, or idle: an honest client is served.
        rig.until(|rig| {
            rig.venue.advance_ms(100);
            (rig.edge.counters().connections_open == 0).then_some(())
        });
        let mut honest = rig.connect();
        honest.log_in("DEMO02", 0);
        rig.until(|rig| {
            rig.venue.advance_ms(1);
            honest.next_packet().map(|accepted| assert_eq!(accepted.0, b'A'))
        });
        honest.send_packet(b'U', &enter(u32::MAX, b'B', 100, 1_000_000));
        rig.until(|rig| {
            rig.turn();
            honest.next_packet().filter(|answer| answer.0 == b'S' && answer.1[0] == b'A')
        });
        Ok(())
    };
    runner().run(&prop::collection::vec(step(), 1..50), run).unwrap();
}

/// What comes to the feed's port: any bytes, or a request that is changed, then frames that are changed.
#[test]
fn feed_port() {
    const REQUEST: &str = "GET /itch?from=1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                           Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    type Input = (u8, Vec<(u8, u8)>, Vec<u8>, Vec<(u8, Vec<u8>)>);
    let paths = ["/itch?from=1", "/itch", "/glimpse", "/bbo", "/ouch", "/directory.json", "/itch?from=9"];
    let run = |(path, edits, bytes, frames): Input| {
        let mut rig = FeedRig::new();
        rig.rest(3);
        rig.turns(2);
        let path = paths[usize::from(path) % paths.len()];
        let mut request = REQUEST.replacen("/itch?from=1", path, 1).into_bytes();
        for (at, value) in edits.iter().take(usize::from(bytes.first().is_some_and(|byte| byte % 2 == 0)) * 3) {
            let at = usize::from(*at) % request.len();
            request[at] = *value;
        }
        request.extend_from_slice(&bytes);
        for (kind, payload) in frames.iter().take(4) {
            // A masked frame with a mask of zeros, of any kind and with any flags.
            let length = u8::try_from(payload.len().min(125)).unwrap();
            request.extend_from_slice(&[*kind, 0x80 | length, 0, 0, 0, 0]);
            request.extend_from_slice(&payload[..usize::from(length)]);
        }
        let mut vandal = Client::connect(rig.feed.address());
        let _ = vandal.try_send(&request);
        rig.turns(6);
        drop(vandal);
        let mut honest = crate::feed_client::FeedClient::connect(&mut rig, "/itch?from=1");
        assert_eq!(rig.packet(&mut honest).header.sequence, 1);
        rig.until(|rig| {
            rig.venue.advance_ms(500);
            (rig.feed.counters().connections_open <= 1).then_some(())
        });
        Ok(())
    };
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..max);
    let frames = prop::collection::vec((any::<u8>(), bytes(60)), 0..4);
    let input = (any::<u8>(), prop::collection::vec(any::<(u8, u8)>(), 0..3), bytes(6), frames);
    runner().run(&input, run).unwrap();
}
