//! What a venue leaves can be looked at, exported, copied while it runs, and started again from the copy.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;
use std::path::Path;

use protocol::SessionName;
use serde_json::Value;
use support::{Client, Venue, json, run, stderr, stdout};

/// Orders of two accounts that rest and trade; ends when all answers are there.
fn trade(venue: &Venue, first: u32) {
    let mut maker = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 0);
    let mut taker = Client::login_from(venue.order_port(), "DEMO02", SessionName::BLANK, 0);
    for number in 0..5 {
        maker.enter(first + number, b'B', 100, "AAPL", u64::from(1_503_400 - number * 100));
    }
    maker.messages(5);
    taker.enter(first, b'S', 150, "AAPL", 1_503_300);
    taker.messages(3);
}

fn replayed(dir: &str, more: &[&str]) -> Value {
    let output = run(&[&["replay", "--data-dir", dir, "--json"], more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    json(&output)
}

/// The feed's messages as they were sent: what the stream file says it holds.
fn feed_bytes(dir: &Path) -> Vec<u8> {
    let bytes = fs::read(support::stream_file(dir, "feed.stream")).unwrap();
    let mut end = 4096;
    while bytes.get(end..end + 2).is_some_and(|length| length != [0, 0]) {
        end += 2 + usize::from(u16::from_be_bytes([bytes[end], bytes[end + 1]]));
    }
    bytes[4096..end].to_vec()
}

#[test]
fn a_backup_taken_while_the_venue_runs_starts_with_the_same_hashes() {
    let temp = tempfile::tempdir().unwrap();
    let (live, copy) = (temp.path().join("data"), temp.path().join("copy"));
    let venue = Venue::start(&live);
    trade(&venue, 1);
    let to = copy.to_str().unwrap();
    let report = run(&["backup", to, "--data-dir", venue.dir(), "--json"]);
    assert!(report.status.success(), "{}", stderr(&report));
    let last = json(&report)["last_sequence"].as_u64().unwrap();
    trade(&venue, 100);
    let there = replayed(venue.dir(), &["--to", &last.to_string()]);
    let again = run(&["backup", to, "--data-dir", venue.dir()]);
    assert!(!again.status.success(), "a folder that exists is left alone");
    venue.stop("-INT");

    let mut restored = Venue::start(&copy);
    restored.printed.clear();
    let here = replayed(to, &["--to", &last.to_string()]);
    for key in ["last_sequence", "event_hash", "state_hash"] {
        assert_eq!(here[key], there[key], "{key}");
    }
    trade(&restored, 200);
    let stopped = restored.stop("-INT");
    assert_eq!(stopped["state_hash"], replayed(to, &[])["state_hash"]);
    assert!(stopped["last_sequence"].as_u64().unwrap() > last);
    let verified = json(&run(&["journal", "verify", "--data-dir", to, "--json"]));
    assert_eq!((&verified["ok"], &verified["chain"]["status"]), (&Value::Bool(true), &Value::from("ok")));
    assert_eq!(verified["chain"]["last_sequence"], verified["last_sequence"]);
}

#[test]
fn the_journal_is_counted_exported_and_travelled_through() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let venue = Venue::start(&dir);
    trade(&venue, 1);
    let path = venue.dir().to_owned();
    let stopped = venue.stop("-INT");
    let last = stopped["last_sequence"].as_u64().unwrap();

    let stats = json(&run(&["journal", "stats", "--data-dir", &path, "--json"]));
    assert_eq!((&stats["records"], &stats["commands"]["Enter"]), (&Value::from(last), &Value::from(6)));
    let summed: u64 = stats["commands"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(summed, last);

    let csv = temp.path().join("out.csv");
    assert!(
        run(&["journal", "export", "--format", "csv", "--out", csv.to_str().unwrap(), "--data-dir", &path])
            .status
            .success()
    );
    let text = fs::read_to_string(csv).unwrap();
    assert_eq!(text.lines().count() as u64, last + 1);
    let sells: Vec<_> =
        text.lines().filter(|line| line.contains(",Enter,") && line.contains(",S,1503300,150,")).collect();
    assert_eq!(sells.len(), 1, "{text}");

    let itch = temp.path().join("out.itch");
    assert!(
        run(&["journal", "export", "--format", "itch", "--out", itch.to_str().unwrap(), "--data-dir", &path])
            .status
            .success()
    );
    let exported = fs::read(itch).unwrap();
    assert!(exported == feed_bytes(&dir) && exported.len() > 500, "the export is what the feed sent");
    let parquet = temp.path().join("out.parquet");
    let parquet_path = parquet.to_str().unwrap();
    let exported = run(&["journal", "export", "--format", "parquet", "--out", parquet_path, "--data-dir", &path]);
    assert!(exported.status.success(), "{}", stderr(&exported));
    assert_eq!(json(&exported)["rows"], last);
    let bytes = fs::read(&parquet).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));

    assert_eq!(
        run(&["journal", "export", "--format", "xml", "--out", "x", "--data-dir", &path]).status.code(),
        Some(2)
    );

    let enter = sells[0].split(',').next().unwrap().parse::<u64>().unwrap();
    let before = json(&run(&["book", "AAPL", "--at", &(enter - 1).to_string(), "--data-dir", &path, "--json"]));
    let after = json(&run(&["book", "AAPL", "--data-dir", &path, "--json"]));
    assert_eq!(
        (&before["bids"][0]["price"], &before["bids"][0]["displayed"]),
        (&Value::from("150.34"), &Value::from("100"))
    );
    assert_eq!(
        (&after["bids"][0]["price"], &after["bids"][0]["displayed"]),
        (&Value::from("150.33"), &Value::from("50"))
    );
    assert_eq!(after["asks"], Value::Array(Vec::new()));
    assert!(stdout(&run(&["book", "AAPL", "--data-dir", &path])).contains("150.33"));

    let time = sells[0].split(',').nth(1).unwrap();
    let to_sell = replayed(&path, &["--to", &enter.to_string()]);
    assert_eq!(replayed(&path, &["--to-time", time])["state_hash"], to_sell["state_hash"]);
    assert_eq!(replayed(&path, &["--to-time", "2001-01-01T00:00:00Z"])["last_sequence"], 0);
}

#[test]
fn snapshots_are_listed_verified_and_compared() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let venue = Venue::start(&dir);
    trade(&venue, 1);
    let path = venue.dir().to_owned();
    let first = venue.stop("-INT")["last_sequence"].as_u64().unwrap().to_string();
    let venue = Venue::start(&dir);
    trade(&venue, 100);
    let second = venue.stop("-INT")["last_sequence"].as_u64().unwrap().to_string();
    let list = stdout(&run(&["snapshot", "list", "--data-dir", &path, "--json"]));
    assert!(
        list.contains(&format!("\"sequence\":{first}")) && list.contains(&format!("\"sequence\":{second}")),
        "{list}"
    );
    assert!(run(&["snapshot", "verify", "--data-dir", &path]).status.success());
    let diff = json(&run(&["snapshot", "diff", &first, &second, "--data-dir", &path, "--json"]));
    let changes = ["added", "removed", "changed"].map(|key| diff[key].as_u64().unwrap());
    assert!(changes[0] >= 3 && changes[2] >= 1, "{diff}");
    let same = json(&run(&["snapshot", "diff", &first, &first, "--data-dir", &path, "--json"]));
    assert_eq!(["added", "removed", "changed"].map(|key| same[key].as_u64().unwrap()), [0, 0, 0]);
}

/// A start begins at the newest snapshot and comes to what a replay of everything comes to, streams included; a snapshot that
/// cannot be used, for whatever reason, is passed over and costs nothing but time.
#[test]
fn a_start_begins_at_the_newest_snapshot_that_can_be_used() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let begins = |venue: &Venue| {
        let line = venue.printed.iter().find(|line| line.contains("recovered ")).cloned().unwrap();
        line.strip_prefix("from the snapshot of sequence ").map(|rest| rest.split(':').next().unwrap().to_owned())
    };
    let venue = Venue::start(&dir);
    trade(&venue, 1);
    let path = venue.dir().to_owned();
    let first = venue.stop("-INT")["last_sequence"].to_string();

    let venue = Venue::start(&dir);
    assert_eq!(begins(&venue), Some(first.clone()));
    trade(&venue, 100);
    venue.kill();
    let feed = feed_bytes(&dir);
    let venue = Venue::start(&dir);
    assert_eq!(begins(&venue), Some(first.clone()), "the kill left no snapshot of its own");
    assert!(feed_bytes(&dir).starts_with(&feed) && feed.len() > 500, "the feed goes on from what was sent");
    let mut client = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 1);
    assert_eq!(client.messages(3).len(), 3);
    drop(client);
    let stopped = venue.stop("-INT");
    let (second, whole) = (stopped["last_sequence"].to_string(), replayed(&path, &[]));
    assert_eq!((&stopped["state_hash"], &stopped["event_hash"]), (&whole["state_hash"], &whole["event_hash"]));
    assert!(run(&["snapshot", "verify", "--data-dir", &path]).status.success());

    // Without the streams that the snapshot counts on, all is made again from the first command.
    fs::rename(dir.join("streams"), temp.path().join("moved")).unwrap();
    let venue = Venue::start(&dir);
    assert_eq!(begins(&venue), None, "{:#?}", venue.printed);
    assert!(feed_bytes(&dir).starts_with(&feed), "and the feed is the same");
    let third = venue.stop("-INT");
    assert_eq!(third["event_hash"], replayed(&path, &[])["event_hash"]);

    // A newest snapshot that is damaged: an older one is good enough.
    let database = dir.join("snapshots.sqlite");
    let mut bytes = fs::read(&database).unwrap();
    let hash = hex(stopped["state_hash"].as_str().unwrap());
    let places: Vec<_> = (0..bytes.len() - 32).filter(|at| bytes[*at..at + 32] == hash).collect();
    assert!(!places.is_empty(), "the hash of snapshot {second} is found");
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(&database, bytes).unwrap();
    let venue = Venue::start(&dir);
    let begun = begins(&venue);
    assert!(begun.is_some() && begun != Some(second), "{begun:?}");
    let stopped = venue.stop("-INT");
    assert_eq!(stopped["event_hash"], replayed(&path, &[])["event_hash"]);

    // No database any more: from the first command, and the damaged one is kept aside.
    fs::write(&database, [7; 9_000]).unwrap();
    let venue = Venue::start(&dir);
    assert_eq!(begins(&venue), None, "{:#?}", venue.printed);
    let stopped = venue.stop("-INT");
    assert_eq!(stopped["event_hash"], replayed(&path, &[])["event_hash"]);
    assert_eq!(fs::read(dir.join("snapshots.sqlite.damaged")).unwrap(), [7; 9_000]);
    let venue = Venue::start(&dir);
    assert!(begins(&venue).is_some(), "the new database has a snapshot: {:#?}", venue.printed);
}

/// Old segments are not replayed when a start begins at a snapshot; the chain over them is checked all the same.
#[test]
fn a_record_changed_in_an_old_segment_stops_a_start() {
    let temp = tempfile::tempdir().unwrap();
    let (config, dir) = (temp.path().join("hft.toml"), temp.path().join("data"));
    let shipped = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    fs::write(&config, shipped.replacen("segment_mib = 64", "segment_mib = 1", 1)).unwrap();
    let config = config.to_str().unwrap();
    let venue = Venue::start_with(&dir, &["--config", config]);
    let mut client = Client::login(venue.order_port(), "DEMO01");
    for number in 1..=20_000 {
        client.enter_tif(number, b'B', 1, "AAPL", 1_000_000, b'3');
    }
    client.messages(20_001);
    venue.stop("-INT");
    let mut segments: Vec<_> = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    assert!(segments.len() > 1, "{segments:?}");
    let venue = Venue::start_with(&dir, &["--config", config]);
    assert!(venue.printed.iter().any(|line| line.contains("from the snapshot of sequence ")), "{:#?}", venue.printed);
    venue.stop("-INT");

    let mut bytes = fs::read(&segments[0]).unwrap();
    bytes[500_000] ^= 1;
    fs::write(&segments[0], bytes).unwrap();
    let offset = support::free_offset().to_string();
    let refused = run(&["serve", "--config", config, "--data-dir", dir.to_str().unwrap(), "--port-offset", &offset]);
    assert_eq!(refused.status.code(), Some(1));
    let name = segments[0].file_name().unwrap().to_str().unwrap();
    assert!(
        stderr(&refused).contains(name) && stderr(&refused).contains("not what was sealed"),
        "{}",
        stderr(&refused)
    );
}

/// The shipped configuration with some values replaced, in a file.
fn configured(dir: &Path, changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let path = dir.join("hft.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// So many orders that find nothing; each is a command and two events.
fn immediate_orders(venue: &Venue, first: u32, count: u32) {
    let mut client = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 0);
    for number in first..first + count {
        client.enter_tif(number, b'B', 1, "AAPL", 1_000_000, b'3');
    }
    client.messages(count as usize);
}

#[test]
fn the_follower_agrees_with_the_live_core() {
    let temp = tempfile::tempdir().unwrap();
    let config = configured(temp.path(), &[("compare_every = 65536", "compare_every = 16")]);
    let dir = temp.path().join("data");
    for start in 0..2 {
        let venue = Venue::start_with(&dir, &["--config", &config]);
        trade(&venue, 1 + start * 1_000);
        immediate_orders(&venue, 10 + start * 1_000, 300);
        let stopped = venue.stop("-INT");
        assert!(stopped["hashes_compared"].as_u64().unwrap() > 15, "{stopped}");
        assert_eq!(stopped["hashes_different"], 0, "{stopped}");
    }
}

/// A difference is made up: the alarm is in the log, snapshots that cannot be trusted are gone, and the venue stops or goes on
/// as it was told.
#[test]
fn a_follower_that_differs_is_told_and_stops_the_venue_where_that_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let (changed, dir) = (("compare_every = 65536", "compare_every = 16"), temp.path().join("data"));
    let drill = ("drill_at = 0", "drill_at = 100");
    let config = configured(temp.path(), &[changed, drill]);
    let venue = Venue::start_with(&dir, &["--config", &config]);
    immediate_orders(&venue, 1, 300);
    let path = venue.dir().to_owned();
    let stopped = venue.stop("-INT");
    assert_eq!(stopped["hashes_different"], 1, "{stopped}");
    let counted = json(&run(&["counters", "follower", "--data-dir", &path, "--json"]));
    assert_eq!(counted["values"]["follower.differences"], 1, "{counted}");
    assert!(counted["alarms"].to_string().contains("follower-difference"), "{counted}");
    assert_eq!(stdout(&run(&["snapshot", "list", "--data-dir", &path])), "", "nothing is written once they differ");

    let config = configured(temp.path(), &[changed, ("drill_at = 0", "drill_at = 400"), ("\"go-on\"", "\"stop\"")]);
    let offset = support::free_offset();
    let mut command = support::hft(&["serve", "--data-dir", &path, "--config", &config]);
    let command = command.args(["--port-offset", &offset.to_string()]).stderr(std::process::Stdio::piped());
    let child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut client = support::eventually("the venue listens", || {
        std::net::TcpStream::connect(("127.0.0.1", 9_001 + offset)).ok()?;
        Some(Client::login_from(9_001 + offset, "DEMO01", SessionName::BLANK, 0))
    });
    for number in 1_000..1_200 {
        client.try_ask(&support::enter(number, b'B', 1, "AAPL", 1_000_000, b'3'));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("the same up to sequence 384, another at 400"), "{said}");
    assert!(said.contains("the venue has stopped"), "{said}");
}

/// Segments before the oldest kept snapshot go to the archive; everything works with what is left, and all of it again once
/// they are back.
#[test]
fn old_segments_are_archived_and_everything_works_without_them() {
    let temp = tempfile::tempdir().unwrap();
    let one_mib = ("segment_mib = 64", "segment_mib = 1");
    let config = configured(
        temp.path(),
        &[one_mib, ("old_segments = \"keep\"", "old_segments = \"archive\""), ("keep = 3", "keep = 1")],
    );
    let (dir, copy) = (temp.path().join("data"), temp.path().join("copy"));
    let venue = Venue::start_with(&dir, &["--config", &config]);
    trade(&venue, 1);
    immediate_orders(&venue, 10, 20_000);
    let path = venue.dir().to_owned();
    let first = venue.stop("-INT");
    let archived = fs::read_dir(dir.join("archive")).unwrap().count();
    assert!(archived >= 1, "{archived}");
    let verified = json(&run(&["journal", "verify", "--data-dir", &path, "--json"]));
    assert_eq!(verified["ok"], true, "{verified}");
    assert!(verified["first_sequence"].as_u64().unwrap() > 5_000, "{verified}");
    assert_eq!(replayed(&path, &[])["event_hash"], first["event_hash"]);

    let venue = Venue::start_with(&dir, &["--config", &config]);
    assert!(venue.printed.iter().any(|line| line.contains("from the snapshot of sequence ")), "{:#?}", venue.printed);
    trade(&venue, 30_000);
    let backup = run(&["backup", copy.to_str().unwrap(), "--data-dir", &path]);
    assert!(backup.status.success(), "{}", stderr(&backup));
    let book = json(&run(&["book", "AAPL", "--data-dir", &path, "--json"]));
    assert_eq!(book["bids"][0]["price"], "150.33");
    let second = venue.stop("-INT");
    assert_eq!(replayed(&path, &[])["event_hash"], second["event_hash"]);
    assert!(json(&run(&["journal", "stats", "--data-dir", &path, "--json"]))["records"].as_u64() > Some(5));
    let dump = run(&["journal", "dump", "--data-dir", &path, "--to", "1"]);
    assert!(dump.status.success() && dump.stdout.is_empty(), "sequence 1 is in the archive");
    let out = temp.path().join("out.itch");
    let exported = run(&["journal", "export", "--format", "itch", "--data-dir", &path, "--out", out.to_str().unwrap()]);
    assert!(exported.status.success(), "{}", stderr(&exported));
    let venue = Venue::start_with(&copy, &["--config", &config]);
    trade(&venue, 40_000);
    venue.stop("-INT");

    // Streams that are gone cannot be made again from half a journal: that is said, and the archive helps.
    fs::rename(dir.join("streams"), temp.path().join("streams")).unwrap();
    let offset = support::free_offset().to_string();
    let refused = run(&["serve", "--config", &config, "--data-dir", &path, "--port-offset", &offset]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("the journal begins at sequence"), "{}", stderr(&refused));
    for entry in fs::read_dir(dir.join("archive")).unwrap().map(Result::unwrap) {
        fs::rename(entry.path(), dir.join("journal").join(entry.file_name())).unwrap();
    }
    let whole = replayed(&path, &[]);
    assert_eq!((&whole["event_hash"], &whole["records"]), (&second["event_hash"], &second["last_sequence"]));
    let venue = Venue::start_with(&dir, &["--config", &config]);
    assert_eq!(venue.stop("-INT")["event_hash"], second["event_hash"]);
}

#[test]
fn a_replay_begins_at_a_snapshot_and_keeps_its_pace() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let mut at = Vec::new();
    let mut path = String::new();
    for start in 0..2 {
        let venue = Venue::start(&dir);
        trade(&venue, 1 + start * 100);
        venue.dir().clone_into(&mut path);
        at.push(venue.stop("-INT"));
    }
    let sequences: Vec<_> = at.iter().map(|stopped| stopped["last_sequence"].as_u64().unwrap()).collect();
    for (arguments, from, stopped) in [
        (vec!["--from-snapshot".to_owned()], sequences[1], &at[1]),
        (vec!["--from-snapshot".to_owned(), sequences[0].to_string()], sequences[0], &at[1]),
        (vec!["--from-snapshot".to_owned(), "--to".to_owned(), sequences[0].to_string()], sequences[0], &at[0]),
    ] {
        let found = replayed(&path, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found["from_snapshot"], from, "{found}");
        assert_eq!((&found["event_hash"], &found["state_hash"]), (&stopped["event_hash"], &stopped["state_hash"]));
        assert_eq!(found["records"], stopped["last_sequence"].as_u64().unwrap() - from);
    }
    assert_eq!(run(&["replay", "--data-dir", &path, "--from-snapshot", "7"]).status.code(), Some(1));
    assert_eq!(run(&["replay", "--data-dir", &path, "--speed", "fast"]).status.code(), Some(2));
    let paced = replayed(&path, &["--speed", "1000000x"]);
    assert_eq!(paced["event_hash"], at[1]["event_hash"]);
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
