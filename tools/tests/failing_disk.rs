//! A disk that answers with an error under the real venue: no answer and no market data leave after it, nothing is tried
//! again, the venue ends by itself with a word, and the next start has all that was acknowledged.
//!
//! The error comes from a small library before libc (`failing_disk/shim.c`), made with the C compiler. Where there is none,
//! the test says so and ends. How long the end took is printed.

#![expect(clippy::unwrap_used, reason = "in a test, what should not happen fails it")]
#![expect(clippy::disallowed_methods, reason = "how long the venue takes to end is told")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::SessionName;
use support::{Client, PATIENCE, Venue, enter, eventually, free_offset, hft, json, run, workspace};
use tungstenite::Message;

const IOC: u8 = b'3';

/// What fails: the call, and how.
#[derive(Clone, Copy)]
struct Failure {
    call: &'static str,
    errno: i32,
    durability: &'static str,
    says: &'static str,
}

/// A venue on such a disk.
struct Failing {
    child: Child,
    offset: u16,
    trigger: PathBuf,
    log: PathBuf,
}

impl Failing {
    fn start(folder: &Path, shim: &Path, failure: Failure) -> Self {
        let offset = free_offset();
        let (config, data) = (folder.join("hft.toml"), folder.join("data"));
        let shipped = fs::read_to_string(workspace().join("configs/hft.toml")).unwrap();
        fs::write(&config, shipped.replacen("segment_mib = 64", "segment_mib = 1", 1)).unwrap();
        let (trigger, log) = (folder.join("trigger"), folder.join("log"));
        let mut command = hft(&["serve", "--durability", failure.durability, "--port-offset", &offset.to_string()]);
        command.args([Path::new("--config"), &config, Path::new("--data-dir"), &data]);
        command.env("LD_PRELOAD", shim).env("SHIM_CALL", failure.call).env("SHIM_ERRNO", failure.errno.to_string());
        command.env("SHIM_TRIGGER", &trigger).env("SHIM_LOG", &log);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "ready"), "the venue starts");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, offset, trigger, log }
    }

    /// Its exit code, what it said, the calls that failed, and how long after the first of them it was gone.
    fn end(mut self) -> (Option<i32>, String, Vec<String>, Duration) {
        let status = eventually("it ends by itself", || self.child.try_wait().unwrap());
        let gone = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let log = fs::read_to_string(&self.log).unwrap();
        let first: u64 = log.split(' ').next().unwrap().parse().unwrap();
        let failed = log.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
        (status.code(), said, failed, gone.saturating_sub(Duration::from_nanos(first)))
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The library; `None` where there is no C compiler.
fn shim(folder: &Path) -> Option<PathBuf> {
    let (source, made) = (workspace().join("tools/tests/failing_disk/shim.c"), folder.join("shim.so"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&made).arg(source).arg("-ldl");
    cc.status().is_ok_and(|status| status.success()).then_some(made)
}

/// Orders that end at once, and all that is told of them; ends when the venue does.
fn trade_to_the_end(client: &mut Client, told: &mut Vec<Vec<u8>>) {
    let mut number = 1_000;
    loop {
        for _ in 0..20 {
            number += 1;
            if !client.try_ask(&enter(number, b'B', 1, "AAPL", 1_000_000, IOC)) {
                break;
            }
        }
        for _ in 0..20 {
            let Some((packet_type, message)) = client.packet() else { return };
            assert_eq!(char::from(packet_type), 'S');
            told.push(message);
        }
    }
}

/// Packets of the feed with messages in them, until it ends.
fn feed_to_the_end(port: u16) -> std::thread::JoinHandle<usize> {
    let socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut socket, _) = tungstenite::client(format!("ws://127.0.0.1:{port}/itch?from=1"), socket).unwrap();
    std::thread::spawn(move || {
        let mut orders = 0;
        while let Ok(message) = socket.read() {
            if let Message::Binary(packet) = message {
                let mut blocks = packet.get(20..).unwrap_or_default();
                while let Some((length, rest)) = blocks.split_first_chunk() {
                    let (message, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
                    orders += usize::from(message[0] == b'A');
                    blocks = rest;
                }
            }
        }
        orders
    })
}

#[test]
fn after_an_error_of_the_disk_nothing_leaves_and_the_venue_ends_by_itself() {
    let temp = tempfile::tempdir().unwrap();
    let Some(shim) = shim(temp.path()) else {
        println!("skipped: no C compiler");
        return;
    };
    let flush = |errno| Failure { call: "fdatasync", errno, durability: "fdatasync", says: "cannot be flushed" };
    let write = |errno| Failure { call: "pwrite64", errno, durability: "fdatasync", says: "cannot be flushed" };
    let segment = |errno| Failure { call: "rename", errno, durability: "journal", says: "cannot be written" };
    let (no_space, input_output) = (28, 5);
    for failure in [flush, write, segment].into_iter().flat_map(|fails| [fails(input_output), fails(no_space)]) {
        let folder = temp.path().join(format!("{}-{}", failure.call, failure.errno));
        fs::create_dir(&folder).unwrap();
        let took = fails_once(&folder, &shim, failure);
        println!("{} with error {}: gone {} ms after it", failure.call, failure.errno, took.as_millis());
        assert!(took < Duration::from_secs(1), "gone within a second");
    }
}

/// How long after the error the venue was gone.
fn fails_once(folder: &Path, shim: &Path, failure: Failure) -> Duration {
    let venue = Failing::start(folder, shim, failure);
    let feed = feed_to_the_end(9_002 + venue.offset);
    let mut client = Client::login(9_001 + venue.offset, "DEMO01");
    let mut told = client.messages(1);
    for number in 1..=30 {
        client.enter(number, b'B', 1, "AAPL", 1_000_000);
        told.extend(client.messages(1));
    }
    fs::write(&venue.trigger, "").unwrap();
    let before = told.len();
    if failure.durability == "fdatasync" {
        // The flush for these fails: not one of them is answered.
        for number in 31..=40 {
            client.try_ask(&enter(number, b'B', 1, "AAPL", 1_000_000, b'0'));
        }
        assert!(client.is_closed(), "an answer came after the error");
    } else {
        trade_to_the_end(&mut client, &mut told);
        assert!(told.len() > before, "orders are answered until the segment is full");
    }
    let (status, said, failed, took) = venue.end();
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(failure.says) && said.contains("what it acknowledged is in the journal"), "{said}");
    let on_segments = failed.iter().filter(|path| path.contains(".seg")).count();
    assert_eq!(on_segments, 1, "never tried again: {failed:?}");
    assert_eq!(feed.join().unwrap(), 30, "market data of what was acknowledged, and of nothing else");

    let data = folder.join("data");
    let config = folder.join("hft.toml");
    let venue = Venue::start_with(&data, &["--config", config.to_str().unwrap()]);
    let mut client = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 1);
    assert!(client.messages(told.len()) == told, "what was told is there, in its place");
    let stopped = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", data.to_str().unwrap(), "--json"]));
    assert_eq!((&stopped["state_hash"], &stopped["event_hash"]), (&replayed["state_hash"], &replayed["event_hash"]));
    took
}
