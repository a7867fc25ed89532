//! Trading states, auctions, halts and the circuit breaker from the command line, against the real binary.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;

use protocol::ouch::outbound::Outbound;
use support::{Client, Venue, eventually, json, run, stderr, stdout, stream_file};

fn done(venue: &Venue, args: &[&str]) {
    let output = run(&[args, &["--data-dir", venue.dir()]].concat());
    assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
}

fn refused(venue: &Venue, args: &[&str], code: i32, why: &str) {
    let output = run(&[args, &["--data-dir", venue.dir()]].concat());
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stdout(&output));
    assert!(stderr(&output).contains(why), "{args:?}: {}", stderr(&output));
}

/// An immediate order is rejected: nothing is matched.
fn is_halted(client: &mut Client, number: u32) -> bool {
    client.enter_tif(number, b'B', 1, "AAPL", 10_000, b'3');
    eventually("an answer", || {
        let answer = client.outbound();
        let is_rejected = matches!(answer, Outbound::Rejected(_));
        (is_rejected || matches!(answer, Outbound::Accepted(_))).then_some(is_rejected)
    })
}

/// Letters of the messages on the feed.
fn feed(venue: &Venue) -> String {
    let bytes = fs::read(stream_file(&venue.data_dir, "feed.stream")).unwrap();
    let (mut at, mut letters) = (4_096, String::new());
    while bytes.get(at..at + 2).is_some_and(|length| length != [0, 0]) {
        letters.push(char::from(bytes[at + 2]));
        at += 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    }
    letters
}

#[test]
fn an_operator_calls_an_auction() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let (mut buyer, mut seller) =
        (Client::login(venue.order_port(), "DEMO01"), Client::login(venue.order_port(), "DEMO03"));
    done(&venue, &["instrument", "reference", "AAPL", "100.5"]);
    done(&venue, &["instrument", "auction", "AAPL", "pre-open", "--seconds", "2"]);
    buyer.enter(1, b'B', 10, "AAPL", 1_010_000);
    seller.enter(1, b'S', 6, "AAPL", 1_000_000);
    buyer.messages(2);
    seller.messages(2);
    for client in [&mut buyer, &mut seller] {
        let answer = client.outbound();
        assert!(
            matches!(&answer, Outbound::Executed(done)
                if (done.quantity.0, done.price, done.liquidity_flag) == (6, 1_005_000, b'O')),
            "{answer:?}"
        );
    }
    eventually("the imbalance and the cross on the feed", || {
        let told = feed(&venue);
        (told.contains('I') && told.contains('Q')).then_some(())
    });
    let path = venue.dir().to_owned();
    let stopped = venue.stop("-INT");
    assert_eq!(json(&run(&["replay", "--data-dir", &path, "--json"]))["event_hash"], stopped["event_hash"]);
}

#[test]
fn an_operator_halts_and_lets_go() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let mut client = Client::login(venue.order_port(), "DEMO01");
    let mut number = 0;
    let mut ask = |client: &mut Client| {
        number += 1;
        is_halted(client, number)
    };
    assert!(!ask(&mut client));
    done(&venue, &["instrument", "halt", "AAPL", "--operational"]);
    assert!(ask(&mut client));
    done(&venue, &["instrument", "resume", "AAPL", "--operational"]);
    assert!(!ask(&mut client));
    done(&venue, &["instrument", "state", "AAPL", "closed"]);
    assert!(ask(&mut client));
    done(&venue, &["instrument", "state", "AAPL", "trading", "--reason", "T3"]);
    assert!(!ask(&mut client));
    done(&venue, &["market", "levels", "5320.5", "4976.75", "4576.25"]);
    refused(&venue, &["market", "levels", "1", "2", "3"], 1, "the levels fall");
    refused(&venue, &["market", "breach", "4"], 2, "4");
    refused(&venue, &["instrument", "state", "NONE", "halted"], 1, "NONE");
    refused(&venue, &["instrument", "auction", "AAPL", "trading", "--seconds", "1"], 2, "trading");
    refused(&venue, &["instrument", "reference", "AAPL", "-1"], 2, "-1");
    done(&venue, &["market", "breach", "1"]);
    assert!(ask(&mut client));
    eventually("all of it on the feed", || {
        let told = feed(&venue);
        "hHVW".chars().all(|letter| told.contains(letter)).then_some(())
    });
    let path = venue.dir().to_owned();
    let stopped = venue.stop("-INT");
    assert_eq!(json(&run(&["replay", "--data-dir", &path, "--json"]))["event_hash"], stopped["event_hash"]);
}
