//! An instrument that was added while the venue ran is one like the others: traded and watched by hand, exported, and there after a
//! restart. And what is said when something is asked for that cannot be.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use support::{Venue, hft, json, run, stderr, stdout, stream_file};

fn ask(venue: &Venue, args: &[&str]) -> Output {
    hft(args).args(["--data-dir", venue.dir()]).output().unwrap()
}

fn done(venue: &Venue, args: &[&str]) -> String {
    let output = ask(venue, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

/// By hand, over the ports.
fn by_hand(venue: &Venue, args: &[&str]) -> String {
    let output = hft(args).args(["--port-offset", &venue.offset.to_string()]).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

/// The feed's messages as they were sent, each behind its length.
fn feed_bytes(dir: &Path) -> Vec<u8> {
    let bytes = fs::read(stream_file(dir, "feed.stream")).unwrap();
    let mut end = 4096;
    while bytes.get(end..end + 2).is_some_and(|length| length != [0, 0]) {
        end += 2 + usize::from(u16::from_be_bytes([bytes[end], bytes[end + 1]]));
    }
    bytes[4096..end].to_vec()
}

fn exported(venue: &Venue, out: &Path) -> Vec<u8> {
    done(venue, &["journal", "export", "--format", "itch", "--out", out.to_str().unwrap()]);
    fs::read(out).unwrap()
}

const TERMS: [&str; 10] =
    ["--price-decimals", "2", "--qty-decimals", "1", "--tick", "0.05", "--lot", "0.1", "--max-qty", "500"];

#[test]
fn an_instrument_added_at_run_time_is_traded_watched_and_exported() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, out) = (temp.path().join("data"), temp.path().join("day.itch"));
    let venue = Venue::start(&dir);
    done(&venue, &[&["instrument", "add", "TSLA"], &TERMS[..]].concat());
    done(&venue, &["instrument", "resume", "TSLA"]);
    let bought = by_hand(&venue, &["order", "buy", "TSLA", "2.5", "@", "250.05"]);
    assert!(bought.starts_with("accepted: order 1: buy 2.5 TSLA @ 250.05"), "{bought}");
    let sold = by_hand(&venue, &["order", "sell", "TSLA", "1", "@", "250", "--account", "DEMO03"]);
    assert!(sold.contains("250.05"), "{sold}");
    let watched = by_hand(&venue, &["watch", "TSLA", "--once", "--json"]);
    assert!(watched.contains(r#""price":"250.05","quantity":"1.5""#), "{watched}");
    assert!(exported(&venue, &out) == feed_bytes(&dir), "the export is what the feed said");
    venue.kill();

    let venue = Venue::start(&dir);
    by_hand(&venue, &["order", "sell", "TSLA", "1.5", "@", "250.05", "--account", "DEMO03"]);
    done(&venue, &["instrument", "halt", "TSLA"]);
    assert!(exported(&venue, &out) == feed_bytes(&dir), "the export is what the feed said, also behind a restart");
    let live = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", dir.to_str().unwrap(), "--json"]));
    assert_eq!((&replayed["state_hash"], &replayed["event_hash"]), (&live["state_hash"], &live["event_hash"]));
}

#[test]
fn a_refusal_names_what_was_asked_and_what_was_expected() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let add = ["instrument", "add", "AAPL"];
    let add = [&add[..], &TERMS[..]].concat();
    for (args, code, expected) in [
        (&["account", "deposit", "DEMO01", "USD", "-5"][..], 2, "<AMOUNT>"),
        (&["account", "deposit", "DEMO01", "AAPL", "5"], 1, "AAPL cannot be paid in"),
        (&["account", "deposit", "DEMO01", "BTC-USD", "5"], 1, "a pair of currencies"),
        (&["account", "withdraw", "DEMO01", "USD", "5"], 1, "more than DEMO01 holds"),
        (&["account", "limits", "DEMO01", "--max-open-orders", "-1"], 2, "--max-open-orders"),
        (&["account", "limits", "DEMO01", "--max-message-rate", "2000000000"], 2, "at most 1000000000 per second"),
        (
            &["account", "limits", "DEMO01", "--price-collar", "100001"],
            2,
            "100001 is too large: at most 100000 percent",
        ),
        (&["limits", "instrument", "AAPL", "--max-open-orders", "5"], 1, "instrument AAPL"),
        (&["rate", "USD", "2"], 1, "USD itself is 1"),
        (&add, 1, "instrument AAPL: the name is taken"),
        (&["trade", "bust", "first"], 2, "a whole number"),
        (&["replay", "--to", "abc"], 2, "a whole number"),
        (&["replay", "--to", "18446744073709551616"], 2, "below 2^64"),
        (&["book", "AAPL", "--at", "-1"], 2, "a whole number"),
        (&["order", "cancel", "DEMO02", "1"], 1, "order 1 of DEMO02: no such open order"),
    ] {
        let output = ask(&venue, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{args:?}: {}", stderr(&output));
    }
    let offset = hft(&["serve", "--port-offset", "70000"]).output().unwrap();
    assert!(offset.status.code() == Some(2) && stderr(&offset).contains("below 2^16"), "{}", stderr(&offset));
    let nowhere = hft(&["serve", "--data-dir", "/proc/venue"]).output().unwrap();
    let said = stderr(&nowhere);
    assert!(nowhere.status.code() == Some(1) && said.contains("/proc/venue: cannot be written"), "{said}");
}

#[test]
fn limits_are_shown_as_they_are_typed() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let limits =
        ["--price-collar", "5.5", "--short-sale", "false", "--market-orders", "true", "--max-open-orders", "3"];
    done(&venue, &[&["account", "limits", "DEMO01"], &limits[..]].concat());
    let shown = done(&venue, &["account", "show", "DEMO01"]);
    for line in ["  price-collar 5.5", "  short-sale false", "  market-orders true", "  max-open-orders 3"] {
        assert!(shown.lines().any(|told| told == line), "{line}: {shown}");
    }
    let shown = done(&venue, &["account", "show", "DEMO01", "--json"]);
    assert!(shown.contains(r#""price-collar":"5.5""#) && shown.contains(r#""short-sale":"false""#), "{shown}");
}
