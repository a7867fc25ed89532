//! What else a recorded day is good for: it is served as if it were live, asked what a few more orders would have come to, and
//! comes to the same hashes whatever plays it.

#![expect(clippy::unwrap_used, reason = "in a test, what should not happen fails it")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use protocol::SessionName;
use serde_json::Value;
use support::{Client, Venue, eventually, free_offset, hft, json, run, stderr, stdout, workspace};
use tungstenite::Message;

/// Five bids of DEMO01, an offer of DEMO02, which then sells into the bids.
fn trade(venue: &Venue) {
    let mut maker = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 0);
    let mut taker = Client::login_from(venue.order_port(), "DEMO02", SessionName::BLANK, 0);
    for number in 0..5 {
        maker.enter(1 + number, b'B', 100, "AAPL", u64::from(1_503_400 - number * 100));
    }
    maker.messages(5);
    taker.enter(1, b'S', 50, "AAPL", 1_504_000);
    // Answered before the next is sent, so that the two do not come at one time.
    taker.messages(1);
    taker.enter(2, b'S', 150, "AAPL", 1_503_300);
    taker.messages(3);
}

/// A recorded day: its data directory, and what the venue said at its end.
fn record(dir: &Path) -> (String, Value) {
    let venue = Venue::start(dir);
    trade(&venue);
    let path = venue.dir().to_owned();
    (path, venue.stop("-INT"))
}

/// All feed streams of a data directory, one after the other: what the feed has sent.
fn feed_bytes(dir: &Path) -> Vec<u8> {
    let mut files = Vec::new();
    let mut folders = vec![dir.join("streams")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == "feed.stream" {
                files.push(entry.path());
            }
        }
    }
    assert_eq!(files.len(), 1);
    let bytes = fs::read(&files[0]).unwrap();
    let mut end = 4096;
    while bytes.get(end..end + 2).is_some_and(|length| length != [0, 0]) {
        end += 2 + usize::from(u16::from_be_bytes([bytes[end], bytes[end + 1]]));
    }
    bytes[4096..end].to_vec()
}

#[test]
fn a_recorded_feed_is_served_as_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let (path, stopped) = record(&temp.path().join("data"));
    let offset = free_offset();
    let mut command = hft(&["replay", "--serve", "--data-dir", &path, "--port-offset", &offset.to_string()]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let at_end: Vec<String> = lines.take(2).collect();
    let summary: Value = serde_json::from_str(&at_end[1]).unwrap();
    assert_eq!(
        (&summary["last_sequence"], &summary["event_hash"]),
        (&stopped["last_sequence"], &stopped["event_hash"])
    );

    let wanted = feed_bytes(&temp.path().join("data"));
    let url = format!("ws://127.0.0.1:{}/itch?from=1", 9_002 + offset);
    let (mut socket, _) = eventually("the feed listens", || tungstenite::connect(url.as_str()).ok());
    let mut seen = Vec::new();
    while seen.len() < wanted.len() {
        if let Message::Binary(packet) = socket.read().unwrap() {
            seen.extend_from_slice(&packet[20..]);
        }
    }
    assert!(seen == wanted && wanted.len() > 500, "the same messages, byte for byte");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

/// The example of docs/replay.md, with the time at which the recorded sell order came.
#[test]
fn a_few_more_orders_change_what_the_page_says_they_change() {
    let temp = tempfile::tempdir().unwrap();
    let (path, _) = record(&temp.path().join("data"));
    let csv = temp.path().join("day.csv");
    let exported = run(&["journal", "export", "--format", "csv", "--out", csv.to_str().unwrap(), "--data-dir", &path]);
    assert!(exported.status.success());
    let day = fs::read_to_string(csv).unwrap();
    let sell = day.lines().find(|line| line.contains(",Enter,") && line.contains(",S,1503300,")).unwrap();
    let time: u64 = sell.split(',').nth(1).unwrap().parse().unwrap();

    let page = fs::read_to_string(workspace().join("docs/replay.md")).unwrap();
    let block = |kind: &str| {
        let (_, rest) = page.split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let orders = temp.path().join("orders.csv");
    fs::write(&orders, block("csv").replace("2026-11-21T09:30:00.5Z", &(time - 1).to_string())).unwrap();
    let orders = orders.to_str().unwrap();
    let told = run(&["replay", "--data-dir", &path, "--with-orders", orders]);
    assert!(told.status.success(), "{}", stderr(&told));
    let records = json(&run(&["journal", "stats", "--data-dir", &path, "--json"]))["records"].to_string();
    assert_eq!(stdout(&told), block("text").replace("NNN commands", &format!("{records} commands")));

    let report = json(&run(&["replay", "--data-dir", &path, "--with-orders", orders, "--json"]));
    let [bought, rested, sold] = [0, 1, 2].map(|at| report["orders"][at].clone());
    assert_eq!((&bought["filled"], &bought["average_price"]), (&Value::from("100"), &Value::from("150.35")));
    assert_eq!(bought["fills"][0]["price"], "150.35");
    assert_eq!(
        (&rested["queue"]["orders_ahead"], &rested["queue"]["quantity_ahead"]),
        (&Value::from(1), &Value::from("100"))
    );
    assert_eq!((&rested["open"], &rested["filled"]), (&Value::from("10"), &Value::from("0")));
    assert_eq!((&sold["filled"], &sold["slippage"]["to_best_opposite"]), (&Value::from("5"), &Value::from("0")));
    assert_eq!(report["others"]["orders_filled_less"], 2);
    assert_eq!(report["state_differs"], true);

    let wrong = temp.path().join("wrong.csv");
    fs::write(&wrong, "time,account,symbol,side,quantity,price,tif,cancel_at\n1,DEMO03,AAPL,hold,1,1,day,\n").unwrap();
    let refused = run(&["replay", "--data-dir", &path, "--with-orders", wrong.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("line 2: side"), "{}", stderr(&refused));
}

/// The same journal in this build and in the other one, from the first command and from a snapshot, on one cpu, on two and on
/// all. With `HFT_BOTH_BUILDS=1` nothing of that may be missing: `.ci/run` asks so once both are built.
#[test]
fn whatever_plays_a_journal_comes_to_the_same_hashes() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    record(&dir);
    let venue = Venue::start(&dir);
    let mut client = Client::login_from(venue.order_port(), "DEMO03", SessionName::BLANK, 0);
    for number in 1..=1_500 {
        let (side, price) = if number % 2 == 0 { (b'B', 1_503_000) } else { (b'S', 1_503_000) };
        client.enter(number, side, number, "AAPL", price);
    }
    eventually("all are answered", || (client.message()[0] == b'A').then_some(()));
    let path = venue.dir().to_owned();
    let stopped = venue.stop("-INT");
    let wanted = (&stopped["event_hash"], &stopped["state_hash"]);
    let is_whole = std::env::var_os("HFT_BOTH_BUILDS").is_some();
    let mine = env!("CARGO_BIN_EXE_hft");
    // The other profile's binary, where it has been built.
    let other = if mine.contains("/debug/") {
        mine.replace("/debug/", "/release/")
    } else {
        mine.replace("/release/", "/debug/")
    };
    let mut played = Vec::new();
    for binary in [mine, &other] {
        if !Path::new(binary).exists() {
            assert!(!is_whole, "{binary} is not built");
            println!("skipped: {binary} is not built");
            continue;
        }
        for (begin, more) in [("first command", &[][..]), ("snapshot", &["--from-snapshot"][..])] {
            for cpus in [None, Some("0"), Some("0,1")] {
                let arguments = [&["replay", "--data-dir", &path, "--json"], more].concat();
                let output = replay_on(cpus, binary, &arguments);
                let Some(output) = output.filter(|output| binary == mine || output.status.success()) else {
                    assert!(!is_whole, "{binary} from the {begin} on cpus {cpus:?} cannot be run");
                    println!("skipped: {binary} from the {begin} on cpus {cpus:?}");
                    continue;
                };
                let found = json(&output);
                let hashes = (&found["event_hash"], &found["state_hash"]);
                assert_eq!(hashes, wanted, "{binary} from the {begin} on cpus {cpus:?}");
                let build = if binary.contains("/debug/") { "debug" } else { "release" };
                played.push(format!("{build} from the {begin} on cpus {}", cpus.unwrap_or("as given")));
            }
        }
    }
    assert!(played.len() >= 2 && (!is_whole || played.len() == 12), "{played:?}");
    println!("{} replays, the same hashes: {}", played.len(), played.join("; "));
}

/// `None` where cpus cannot be chosen.
fn replay_on(cpus: Option<&str>, binary: &str, arguments: &[&str]) -> Option<std::process::Output> {
    let Some(cpus) = cpus else { return Command::new(binary).args(arguments).output().ok() };
    Command::new("taskset").args(["-c", cpus, binary]).args(arguments).output().ok()
}
