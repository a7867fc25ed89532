//! The load of the benches against a venue of a few lines with known delays: what `hft bench wire` and `flight` send and count,
//! with the bot and the framing that they really use. The stall of 100 ms must show in the one, and cannot in the other.

#![expect(clippy::disallowed_methods, reason = "a stub waits by the clock")]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use protocol::soupbin::{self, Cut};

use crate::bench::load::{Offer, Outcome, Session, fly, offer};
use crate::bench::wire::{Bot, Mix};

/// The answers to one request: a heartbeat and an execution of somebody's resting order stand before and behind the answer, as
/// they may in a venue; only the answer counts.
fn answers(request: &[u8]) -> Vec<u8> {
    let answer = match request.first() {
        Some(b'O') => b'A',
        Some(b'X') => b'C',
        other => panic!("a bot sent {other:?}"),
    };
    let mut out = soupbin::SERVER_HEARTBEAT.to_vec();
    for kind in [answer, b'E'] {
        let mut packet = [0; 64];
        let bytes = soupbin::encode(soupbin::SEQUENCED, &[kind; 24], &mut packet).unwrap();
        out.extend_from_slice(&packet[..bytes]);
    }
    out
}

/// Accepts so many connections, answers each request `delay` after it came, and once, after so many requests, does nothing at all
/// for a while.
fn venue(connections: usize, delay: Duration, stall: Option<(usize, Duration)>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut peers: Vec<_> = (0..connections)
            .map(|_| {
                let (socket, _) = listener.accept().unwrap();
                socket.set_nodelay(true).unwrap();
                socket.set_nonblocking(true).unwrap();
                (socket, Vec::new(), VecDeque::<(Instant, Vec<u8>)>::new())
            })
            .collect();
        let (mut seen, mut stall, mut room) = (0, stall, [0; 4_096]);
        loop {
            for (socket, bytes, due) in &mut peers {
                match socket.read(&mut room) {
                    Ok(0) => return,
                    Ok(read) => bytes.extend_from_slice(&room[..read]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
                while let Cut::Frame { frame, consumed } = soupbin::cut(bytes) {
                    due.push_back((Instant::now() + delay, answers(frame.payload)));
                    bytes.drain(..consumed);
                    seen += 1;
                }
                if let Some((_, time)) = stall.take_if(|(at, _)| seen >= *at) {
                    std::thread::sleep(time);
                }
                while due.front().is_some_and(|(at, _)| *at <= Instant::now()) {
                    let (_, answers) = due.pop_front().unwrap();
                    if socket.write_all(&answers).is_err() {
                        return;
                    }
                }
            }
            std::thread::yield_now();
        }
    });
    address
}

fn sessions(address: SocketAddr, count: usize) -> Vec<Session<Bot>> {
    let one = |index: usize| {
        let mix = if index.is_multiple_of(2) { Mix::Rest } else { Mix::Trade };
        Session::over(TcpStream::connect(address).unwrap(), Bot::after(0, mix, false)).unwrap()
    };
    (0..count).map(one).collect()
}

fn offered(address: SocketAddr, count: usize) -> Outcome {
    let warm_up = Duration::from_millis(100);
    offer(&mut sessions(address, count), Offer { per_second: 1_000, warm_up, time: Duration::from_secs(1) }).unwrap()
}

#[test]
fn the_bots_of_wire_measure_a_known_delay_on_every_session() {
    let outcome = offered(venue(4, Duration::from_millis(3), None), 4);
    assert_eq!((outcome.times.len(), outcome.unanswered), (1_000, 0), "executions and heartbeats are no answers");
    // Never less than the delay; how much more is this machine's affair.
    assert!(outcome.times.min() >= 2_990_000, "{}", outcome.times.min());
}

#[test]
fn the_bots_of_wire_are_charged_for_a_stall() {
    let outcome = offered(venue(2, Duration::ZERO, Some((400, Duration::from_millis(100)))), 2);
    assert_eq!((outcome.times.len(), outcome.unanswered), (1_000, 0));
    // 100 of 1,000 waited 100, 99, ... 1 ms: the tenth longest is the 99th percentile.
    let at = |quantile| outcome.times.value_at_quantile(quantile) / 1_000_000;
    assert!(at(0.99) >= 88 && at(0.95) >= 48, "p99 {} ms, p95 {} ms", at(0.99), at(0.95));
    assert!(outcome.times.max() >= 99_000_000, "{}", outcome.times.max());
    let stalled = outcome.intervals.iter().filter(|interval| interval.times.max() >= 95_000_000).count();
    assert!(stalled >= 1, "it shows in the timeline");
}

#[test]
fn flight_keeps_as_many_on_their_way_as_it_says() {
    const DELAY: Duration = Duration::from_millis(5);
    let mut bots = sessions(venue(2, DELAY, None), 2);
    let flown = fly(&mut bots, 8, Duration::from_millis(500)).unwrap();
    // Two sessions with eight each, and none comes back before 5 ms are over.
    assert!(flown.times.min() >= 4_990_000, "{}", flown.times.min());
    assert!((1..=3_264).contains(&flown.per_second), "{} per second, at most 2 x 8 in 5 ms", flown.per_second);
    assert!(flown.spread[0] > 0 && flown.times.len() >= flown.spread.iter().sum::<u64>());
}

#[test]
fn a_closed_loop_tells_of_a_stall_only_by_what_was_on_its_way() {
    let mut bots = sessions(venue(1, Duration::ZERO, Some((100, Duration::from_millis(100)))), 1);
    let flown = fly(&mut bots, 2, Duration::from_millis(400)).unwrap();
    assert!(flown.times.max() >= 99_000_000, "{}", flown.times.max());
    assert!(
        flown.times.value_at_quantile(0.5) < 99_000_000,
        "why wire is no closed loop: the stall is one round of many"
    );
}
