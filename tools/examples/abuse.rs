//! How well-behaved clients fare while others misbehave: `cargo run --release -p tools --example abuse -- ORDER_PORT [SECONDS]` against a
//! running venue on 127.0.0.1 (demo accounts). Prints the round trips of a victim (DEMO01), one at a time, without and with each
//! attack, and those of a bare echo server under the same load. Loopback only, bounded.

#![expect(clippy::print_stdout, clippy::disallowed_methods, clippy::expect_used, reason = "an example that measures")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use protocol::SessionName;
use protocol::soupbin::{self, Cut, LoginRequest};

const QUIT_AFTER: Duration = Duration::from_secs(20);

fn login(account: &str, password: &str) -> [u8; 49] {
    LoginRequest::new(account, password, SessionName::BLANK, 0).expect("texts fit").to_packet()
}

/// A Query, which the venue answers with one message.
fn query() -> Vec<u8> {
    vec![0, 2, b'U', b'Q']
}

fn connect(port: u16) -> Option<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_nodelay(true).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    Some(socket)
}

/// Whatever comes is sent back, by one thread for all.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("non-blocking");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let mut sockets: Vec<TcpStream> = Vec::new();
        let mut room = vec![0; 64 << 10];
        loop {
            if let Ok((socket, _)) = listener.accept() {
                drop((socket.set_nonblocking(true), socket.set_nodelay(true)));
                sockets.push(socket);
            }
            sockets.retain_mut(|socket| match socket.read(&mut room) {
                Ok(0) => false,
                Ok(read) => socket.write_all(room.get(..read).unwrap_or_default()).is_ok(),
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            });
            std::thread::yield_now();
        }
    });
    port
}

/// Round trips until the time is over, sorted, ns.
fn victim(port: u16, is_venue: bool, seconds: u64) -> Vec<u128> {
    let mut socket = connect(port).expect("the port accepts");
    let mut bytes = Vec::new();
    if is_venue {
        socket.write_all(&login("DEMO01", "demo-pass")).expect("to log in");
    }
    let mut packet = |socket: &mut TcpStream, wanted: u8| loop {
        if let Cut::Frame { frame, consumed } = soupbin::cut(&bytes) {
            let found = frame.packet_type;
            bytes.drain(..consumed);
            if found == wanted || !is_venue {
                return;
            }
            continue;
        }
        let mut room = [0; 4096];
        let read = socket.read(&mut room).expect("an answer");
        assert!(read > 0, "the victim was cut");
        bytes.extend_from_slice(room.get(..read).unwrap_or_default());
    };
    if is_venue {
        packet(&mut socket, b'A');
    }
    let (mut samples, end) = (Vec::new(), Instant::now() + Duration::from_secs(seconds));
    while Instant::now() < end {
        let begun = Instant::now();
        socket.write_all(&query()).expect("to send");
        packet(&mut socket, b'S');
        samples.push(begun.elapsed().as_nanos());
        std::thread::sleep(Duration::from_micros(200));
    }
    samples.sort_unstable();
    samples
}

/// One attacker's work, again and again until told to stop.
type Attack = fn(u16);

fn flood(port: u16) {
    drop(connect(port));
}

fn storm(port: u16) {
    let Some(mut socket) = connect(port) else { return };
    drop(socket.write_all(&login("DEMO04", "guess")));
    drop(socket.set_read_timeout(Some(Duration::from_millis(20))));
    drop(socket.read(&mut [0; 64]));
}

fn garbage(port: u16) {
    let Some(mut socket) = connect(port) else { return };
    drop(socket.write_all(&[0xA5; 4096]));
}

fn half(port: u16) {
    let Some(mut socket) = connect(port) else { return };
    for byte in login("DEMO04", "guess") {
        if socket.write_all(&[byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn fast(port: u16) {
    let Some(mut socket) = connect(port) else { return };
    drop(socket.write_all(&login("DEMO02", "demo-pass")));
    drop(socket.set_nonblocking(true));
    let (burst, begun, mut room) = (query().repeat(64), Instant::now(), vec![0; 64 << 10]);
    while begun.elapsed() < Duration::from_millis(500) {
        drop(socket.write(&burst));
        while matches!(socket.read(&mut room), Ok(read) if read > 0) {}
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn deaf(port: u16) {
    let Some(mut socket) = connect(port) else { return };
    drop(socket.write_all(&login("DEMO03", "demo-pass")));
    drop(socket.set_nonblocking(true));
    let (burst, begun) = (query().repeat(64), Instant::now());
    while begun.elapsed() < Duration::from_secs(1) {
        drop(socket.write(&burst));
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn measure(name: &str, port: u16, is_venue: bool, seconds: u64, attack: Option<(Attack, usize)>) -> [u128; 2] {
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..attack.map_or(0, |(_, threads)| threads))
        .filter_map(|_| {
            let (stop, (work, _)) = (Arc::clone(&stop), attack?);
            let begun = Instant::now();
            Some(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) && begun.elapsed() < QUIT_AFTER {
                    work(port);
                    std::thread::sleep(Duration::from_micros(500));
                }
            }))
        })
        .collect();
    let samples = victim(port, is_venue, seconds);
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        drop(thread.join());
    }
    let at = |share: usize| samples.get(samples.len() * share / 100).copied().unwrap_or_default();
    println!("{name:28} p50 {:8.1} us  p99 {:8.1} us  ({} round trips)", us(at(50)), us(at(99)), samples.len());
    [at(50), at(99)]
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a report")]
fn us(nanos: u128) -> f64 {
    nanos as f64 / 1_000.0
}

#[expect(clippy::float_arithmetic, reason = "a report")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok()).expect("ORDER_PORT, as 9001");
    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(3).clamp(1, 15);
    let echo = echo();
    let attacks: [(&str, Attack, usize); 6] = [
        ("connection flood", flood, 2),
        ("login storm", storm, 4),
        ("garbage frames", garbage, 2),
        ("slow login bytes", half, 16),
        ("one session too fast", fast, 1),
        ("a slow reader", deaf, 1),
    ];
    let calm = [measure("venue, calm", port, true, seconds, None), measure("echo, calm", echo, false, seconds, None)];
    for (name, attack, threads) in attacks {
        let venue = measure(&format!("venue, {name}"), port, true, seconds, Some((attack, threads)));
        let yardstick = measure(&format!("echo, {name}"), echo, false, seconds, Some((attack, threads)));
        let worse = |now: u128, before: u128| us(now) / us(before.max(1));
        println!(
            "  {name}: p99 x{:.2} in the venue, x{:.2} at the echo",
            worse(venue[1], calm[0][1]),
            worse(yardstick[1], calm[1][1])
        );
    }
}
