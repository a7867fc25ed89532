//! The operator's side of the real binary: the socket in the data directory, and what can be asked over it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use protocol::SessionName;
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::LoginRequest;
use support::{Client, Venue, hft, json, run, stderr, stdout};

fn data_dir() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("data");
    (temp, path)
}

/// Runs `hft` on this data directory with a line on standard input.
fn ask(venue: &Venue, args: &[&str], input: &str) -> Output {
    let mut command = hft(args);
    let mut child = command
        .args(["--data-dir", venue.dir(), "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{input}\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn done(venue: &Venue, args: &[&str]) -> serde_json::Value {
    let output = ask(venue, args, "");
    assert!(output.status.success(), "{args:?}: {} {}", stdout(&output), stderr(&output));
    json(&output)
}

fn refused(venue: &Venue, args: &[&str]) -> String {
    let output = ask(venue, args, "");
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stdout(&output));
    json(&output)["message"].as_str().unwrap().to_owned()
}

fn login_with(venue: &Venue, account: &str, password: &str) -> char {
    let mut client = Client::connect(venue.order_port());
    client.send(&LoginRequest::new(account, password, SessionName::BLANK, 1).unwrap().to_packet());
    char::from(client.packet().unwrap().0)
}

#[test]
fn an_account_is_opened_in_a_running_venue_and_stays() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let mode = fs::metadata(dir.join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(login_with(&venue, "ALPHA1", "s3cret"), 'J');
    let created = ask(&venue, &["account", "create", "alpha1", "--firm", "ALPH"], "s3cret");
    assert!(created.status.success(), "{} {}", stdout(&created), stderr(&created));
    assert_eq!(login_with(&venue, "ALPHA1", "s3cret"), 'A');
    assert_eq!(login_with(&venue, "ALPHA1", "wrong"), 'J');
    let again = ask(&venue, &["account", "create", "ALPHA1", "--firm", "ALPH"], "other");
    assert_eq!(again.status.code(), Some(1));
    assert!(stdout(&again).contains("taken"), "{}", stdout(&again));
    assert_eq!(login_with(&venue, "ALPHA1", "other"), 'J', "a refused request changes no password");
    let shown = done(&venue, &["account", "show", "ALPHA1"]);
    assert_eq!((shown["firm"].as_str(), shown["open_orders"].as_u64()), (Some("ALPH"), Some(0)));
    let journal = stdout(&run(&["journal", "dump", "--data-dir", venue.dir()]));
    assert!(journal.contains("ALPHA1") && !journal.contains("s3cret"), "{journal}");
    venue.kill();

    let venue = Venue::start(&dir);
    assert_eq!(login_with(&venue, "ALPHA1", "s3cret"), 'A', "it survives a kill");
    assert!(ask(&venue, &["account", "password", "ALPHA1"], "n3w").status.success());
    assert_eq!((login_with(&venue, "ALPHA1", "s3cret"), login_with(&venue, "ALPHA1", "n3w")), ('J', 'A'));
    let live = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", dir.to_str().unwrap(), "--json"]));
    assert_eq!((&replayed["state_hash"], &replayed["event_hash"]), (&live["state_hash"], &live["event_hash"]));
    assert!(!dir.join("control.sock").exists(), "an orderly stop takes it away");
}

#[test]
fn an_instrument_is_added_halted_and_resumed() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let add = |symbol: &str, more: &[&str]| {
        let terms =
            ["--price-decimals", "4", "--qty-decimals", "0", "--tick", "0.01", "--lot", "1", "--max-qty", "500"];
        ask(&venue, &[&["instrument", "add", symbol], &terms[..], more].concat(), "")
    };
    let added = add("TSLA", &["--reference-price", "250.00"]);
    assert!(added.status.success(), "{} {}", stdout(&added), stderr(&added));
    let mut client = Client::login(venue.order_port(), "DEMO01");
    client.message();
    client.enter(1, b'B', 10, "TSLA", 2_500_000);
    let Outbound::Rejected(rejected) = client.outbound() else { panic!("it is halted") };
    assert_eq!(rejected.reason, 0x0007);
    done(&venue, &["instrument", "resume", "TSLA"]);
    client.enter(2, b'B', 10, "TSLA", 2_500_000);
    assert!(matches!(client.outbound(), Outbound::Accepted(_)));
    done(&venue, &["instrument", "halt", "AAPL", "--reason", "T1"]);
    client.enter(3, b'B', 10, "AAPL", 1_500_000);
    assert!(matches!(client.outbound(), Outbound::Rejected(rejected) if rejected.reason == 0x0007));
    let shown = done(&venue, &["instrument", "show", "AAPL"]);
    assert_eq!((shown["state"].as_str(), shown["tick"].as_str()), (Some("H"), Some("0.01")));
    let listed = stdout(&ask(&venue, &["instrument", "list"], ""));
    assert!(listed.lines().count() == 8 && listed.contains("TSLA"), "{listed}");

    assert!(stdout(&add("TSLA", &[])).contains("taken"));
    assert!(refused(&venue, &["instrument", "halt", "NOPE"]).contains("NOPE"));
    for (field, value) in
        [("--tick", "1e-2"), ("--tick", "NaN"), ("--tick", "-1"), ("--tick", "0.00001"), ("--lot", "0")]
    {
        let mut terms =
            vec!["instrument", "add", "NEW", "--price-decimals", "4", "--qty-decimals", "0", "--max-qty", "5"];
        let others = [("--tick", "0.01"), ("--lot", "1")];
        let equal = format!("{field}={value}");
        terms.extend(others.iter().filter(|(name, _)| *name != field).flat_map(|(name, value)| [*name, *value]));
        terms.push(&equal);
        let output = ask(&venue, &terms, "");
        assert!(!output.status.success() && stderr(&output).contains(field), "{terms:?}: {}", stderr(&output));
    }
}

#[test]
fn the_operator_cancels_anybodys_order() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let mut client = Client::login(venue.order_port(), "DEMO02");
    client.message();
    client.enter(1, b'B', 10, "AAPL", 1_500_000);
    assert!(matches!(client.outbound(), Outbound::Accepted(_)));
    let reply = done(&venue, &["order", "cancel", "DEMO02", "1"]);
    assert_eq!((reply["ok"].as_bool(), reply["canceled"].as_u64()), (Some(true), Some(1)));
    let Outbound::Canceled(canceled) = client.outbound() else { panic!("it is cancelled") };
    assert_eq!((canceled.quantity.0, canceled.reason), (10, b'S'));
    assert!(refused(&venue, &["order", "cancel", "DEMO02", "1"]).contains("no such open order"));
    assert!(refused(&venue, &["order", "cancel", "NOBODY", "1"]).contains("NOBODY"));
    assert_eq!(run(&["order", "cancel", "DEMO02", "one", "--data-dir", venue.dir()]).status.code(), Some(2));
}

#[test]
fn wrong_words_are_bad_usage_and_a_missing_venue_is_named() {
    let (_temp, dir) = data_dir();
    let path = dir.to_str().unwrap();
    for amount in ["NaN", "1e5", "-1", "+1", "1.0000000000001", "1,5", "99999999999999999999", "0"] {
        let output = run(&["account", "deposit", "DEMO01", "USD", "--data-dir", path, "--", amount]);
        assert_eq!(output.status.code(), Some(2), "{amount}");
        assert!(stderr(&output).contains("AMOUNT"), "{amount}: {}", stderr(&output));
    }
    for args in
        [&["account"][..], &["kill"], &["instrument"], &["account", "limits", "DEMO01"], &["kill", "everything"]]
    {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
    let nobody = run(&["kill", "venue", "--data-dir", path]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("control.sock"), "{}", stderr(&nobody));
}
