//! `kill -9` while accounts trade under limits: balances, reservations, positions, rates per second and tripped switches are
//! the same after the restart. What an independent reading of the journal says before it is compared with what the venue that
//! came back says, and at the end the whole state with that of a replay from the first command.

#![expect(clippy::unwrap_used, reason = "in a test, what should not happen fails it")]

mod support;

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use protocol::SessionName;
use support::{Client, Venue, enter, hft, json, run, stderr, stdout};

const ACCOUNTS: [&str; 3] = ["CASH01", "DEMO01", "DEMO03"];
const CYCLES: u32 = 6;

fn done(dir: &str, args: &[&str]) {
    let output = run(&[args, &["--data-dir", dir][..]].concat());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
}

/// A cash account with money, shares and limits; fees; a margin account that may lose little and be refused rarely.
fn set_up(dir: &str) {
    let mut create = hft(&["account", "create", "CASH01", "--firm", "CASH", "--data-dir", dir]);
    let mut child = create.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"demo-pass\n").unwrap();
    assert!(child.wait().unwrap().success());
    done(dir, &["fees", "set", "0", "--maker-ppm", "100", "--taker-ppm", "250"]);
    done(dir, &["account", "deposit", "CASH01", "USD", "1000000000"]);
    done(dir, &["account", "deposit", "CASH01", "AAPL", "50000"]);
    let rates = ["--max-message-rate", "5000", "--max-symbol-rate", "4000", "--max-duplicate-rate", "100"];
    done(dir, &[&["account", "limits", "CASH01"], &rates[..]].concat());
    let amounts = ["--loss-limit", "100000", "--credit", "100000000", "--kill-reject-rate", "20"];
    done(dir, &[&["account", "limits", "DEMO03"], &amounts[..]].concat());
}

/// All that can be seen of the accounts.
fn shown(dir: &str) -> Vec<serde_json::Value> {
    let show = |name: &&str| json(&run(&["account", "show", name, "--json", "--data-dir", dir]));
    ACCOUNTS.iter().map(show).collect()
}

/// Trades until the venue is gone; with `is_wrong` some orders are refused.
fn trade(mut client: Client, side: u8, first: u32, is_wrong: bool) {
    for number in first.. {
        let quantity = if is_wrong && number % 4 == 0 { 0 } else { 1 + number % 9 };
        let price = 1_000_000 + u64::from(number % 11) * 100;
        if !client.try_ask(&enter(number, side, quantity, "AAPL", price, b'0')) {
            return;
        }
    }
}

#[test]
fn money_and_limits_survive_every_kill() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("data");
    let dir = path.to_str().unwrap().to_owned();
    let (mut seed, mut before, mut trips) = (0xcafe_u64, None, 0);
    for cycle in 0..CYCLES {
        let venue = Venue::start(&path);
        if cycle == 0 {
            set_up(&dir);
        }
        if let Some(before) = before.take() {
            assert_eq!(shown(&dir), before, "cycle {cycle}");
        }
        let (port, first) = (venue.order_port(), 2 + cycle * 10_000_000);
        let bots = [("CASH01", b'B', false), ("DEMO01", b'S', false), ("DEMO03", b'S', cycle % 2 == 1)];
        let mut trading = Vec::new();
        if cycle == 0 {
            // A bid that nobody reaches, so that something is reserved whatever trades.
            let mut resting = Client::login_from(port, "CASH01", SessionName::BLANK, 0);
            resting.enter(1, b'B', 100, "AAPL", 10_000);
            resting.messages(1);
        }
        let clients = bots.map(|(account, ..)| Client::login_from(port, account, SessionName::BLANK, 0));
        for (client, (_, side, is_wrong)) in clients.into_iter().zip(bots) {
            trading.push(std::thread::spawn(move || trade(client, side, first, is_wrong)));
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::park_timeout(Duration::from_millis(40 + (seed >> 33) % 100));
        venue.kill();
        for bot in trading {
            bot.join().unwrap();
        }
        let now = shown(&dir);
        trips += u32::from(now[2]["killed_by"] == "rejected orders");
        before = Some(now);
    }
    let venue = Venue::start(&path);
    let last = before.unwrap();
    assert_eq!(shown(&dir), last);
    assert!(trips > 0, "the switch of the one that is refused trips: {}", last[2]);
    assert_ne!(last[0]["balances"][0]["reserved"], "0", "something is reserved: {}", last[0]);
    let stopped = venue.stop("-INT");
    let replayed = run(&["replay", "--data-dir", &dir, "--json"]);
    assert!(replayed.status.success(), "{}", stdout(&replayed));
    assert_eq!(json(&replayed)["state_hash"], stopped["state_hash"], "rates per second are in it, too");
}
