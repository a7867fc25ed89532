//! A disk that fills up under the real venue: new orders are refused, cancels go on; space returns, and so do the orders. On a
//! disk without a byte left it stops in order, and the next start has all that was acknowledged.
//!
//! The disk is a small tmpfs in a mount namespace of the venue's own. Where the kernel does not allow that, the test says so
//! and ends.

#![expect(clippy::unwrap_used, reason = "in a test, what should not happen fails it")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use protocol::ouch::inbound::{self, Inbound};
use protocol::ouch::outbound::Outbound;
use protocol::{SessionName, UserRefNum};
use support::{Client, Venue, enter, eventually, free_offset, json, run, workspace};

const DISK_MIB: u64 = 32;
const VENUE_CLOSING: u16 = 2;

/// A venue on a disk of its own.
struct OnSmallDisk {
    child: Child,
    offset: u16,
    /// The disk, as it looks from here.
    disk: PathBuf,
}

impl OnSmallDisk {
    /// `None` where namespaces are not to be had.
    fn start(mount_point: &Path, config: &Path) -> Option<Self> {
        let offset = free_offset();
        let (point, config) = (mount_point.to_str().unwrap(), config.to_str().unwrap());
        let script = format!(
            "mount -t tmpfs -o size={DISK_MIB}m none {point} && echo mounted && exec {} serve --config {config} \
             --data-dir {point}/data --port-offset {offset}",
            env!("CARGO_BIN_EXE_hft")
        );
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", &script]).current_dir(workspace());
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.ok()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        if lines.next().as_deref() != Some("mounted") {
            child.wait().unwrap();
            return None;
        }
        assert!(lines.any(|line| line == "ready"), "the venue starts on a small disk");
        std::thread::spawn(move || lines.for_each(drop));
        let disk = PathBuf::from(format!("/proc/{}/root{point}", child.id()));
        Some(Self { child, offset, disk })
    }

    fn order_port(&self) -> u16 {
        9_001 + self.offset
    }

    /// Fills the disk but for `left` bytes.
    fn fill(&self, left: u64) {
        let ballast = fs::File::create(self.disk.join("ballast")).unwrap();
        let mut bytes = 0;
        let free = || journal::free_bytes(&self.disk).unwrap();
        while free() > left {
            let more = vec![1; usize::try_from((free() - left).min(1 << 20)).unwrap()];
            std::os::unix::fs::FileExt::write_all_at(&ballast, &more, bytes).unwrap();
            bytes += more.len() as u64;
        }
    }

    fn empty(&self) {
        fs::remove_file(self.disk.join("ballast")).unwrap();
    }
}

impl Drop for OnSmallDisk {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends an order; the reason when it is refused.
fn order(client: &mut Client, number: u32) -> Option<u16> {
    client.enter(number, b'B', 1, "AAPL", 1_000_000);
    let answer = client.outbound();
    if let Outbound::Rejected(rejected) = &answer {
        return Some(rejected.reason);
    }
    assert!(matches!(answer, Outbound::Accepted(_)), "{answer:?}");
    None
}

fn cancel(client: &mut Client, number: u32) {
    let message =
        Inbound::CancelOrder(inbound::CancelOrder { user_ref_num: UserRefNum(number), quantity: protocol::Qty(0) });
    let mut bytes = [0; 16];
    let length = message.encode(None, &mut bytes).unwrap();
    client.ask(&bytes[..length]);
    let answer = client.outbound();
    assert!(matches!(answer, Outbound::Canceled(_)), "{answer:?}");
}

#[test]
fn a_full_disk_refuses_orders_takes_cancels_and_loses_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (config, point) = (temp.path().join("hft.toml"), temp.path().join("disk"));
    fs::create_dir(&point).unwrap();
    let shipped = fs::read_to_string(workspace().join("configs/hft.toml")).unwrap();
    let small = shipped.replacen("segment_mib = 64", "segment_mib = 1", 1);
    fs::write(&config, small.replacen("free_mib_min = 16", "free_mib_min = 4", 1)).unwrap();
    let Some(mut venue) = OnSmallDisk::start(&point, &config) else {
        println!("skipped: no mount namespace to be had here");
        return;
    };
    let mut client = Client::login(venue.order_port(), "DEMO01");
    client.message();
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    let first = next();
    assert_eq!(order(&mut client, first), None);

    venue.fill(2 << 20);
    let refused = eventually("orders are refused on a disk that is nearly full", || order(&mut client, next()));
    assert_eq!(refused, VENUE_CLOSING);
    cancel(&mut client, first);
    venue.empty();
    let taken = next();
    let mut last = taken;
    eventually("orders are taken again", || {
        last = next();
        order(&mut client, last).is_none().then_some(())
    });
    cancel(&mut client, last);

    // Not a byte is left, and the answers fill what the streams have: it stops, by itself and with a word.
    let kept = next();
    assert_eq!(order(&mut client, kept), None);
    venue.fill(0);
    // The disk lives as long as somebody has it open.
    let held = fs::File::open(&venue.disk).unwrap();
    let held = PathBuf::from(format!("/proc/{}/fd/{}/data", std::process::id(), held.as_raw_fd()));
    let mut status = None;
    let mut told = Vec::new();
    while status.is_none() {
        let burst: Vec<_> = (0..20).map(|_| enter(next(), b'B', 1, "AAPL", 1_000_000, b'0')).collect();
        let sent = burst.iter().all(|message| client.try_ask(message));
        if let Some(messages) = sent.then(|| client.try_messages(burst.len())).flatten() {
            told = messages;
            continue;
        }
        status = eventually("it ends", || venue.child.try_wait().unwrap()).code();
    }
    let mut said = String::new();
    venue.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status, Some(1), "no signal: {said}");
    assert!(said.contains("disk nearly full") && said.contains("cannot be written"), "{said}");
    assert!(said.contains("what it acknowledged is in the journal"), "{said}");

    let copy = temp.path().join("copy");
    assert!(Command::new("cp").args(["-r".as_ref(), held.as_os_str(), copy.as_os_str()]).status().unwrap().success());
    let venue = Venue::start_with(&copy, &["--config", config.to_str().unwrap()]);
    let end = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 0).next;
    let from = client.next - told.len() as u64;
    let mut client = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, from);
    assert!(client.messages(told.len()) == told, "what was told is there, in its place");
    while client.next < end {
        client.message();
    }
    cancel(&mut client, kept);
    let stopped = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", copy.to_str().unwrap(), "--json"]));
    assert_eq!((&stopped["state_hash"], &stopped["event_hash"]), (&replayed["state_hash"], &replayed["event_hash"]));
}
