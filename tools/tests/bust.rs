//! `hft trade bust` against the real binary.

mod support;

use protocol::ouch::outbound::Outbound;
use support::{Client, Venue, json, run, stderr, stdout};

/// The next Broken Trade: number of the order, and of the execution.
fn broken(client: &mut Client) -> (u32, u64) {
    loop {
        if let Outbound::BrokenTrade(broken) = client.outbound() {
            return (broken.user_ref_num.0, broken.match_number.0);
        }
    }
}

#[test]
fn both_sides_hear_of_a_broken_trade_once() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let path = venue.dir().to_owned();
    let (mut maker, mut taker) =
        (Client::login(venue.order_port(), "DEMO01"), Client::login(venue.order_port(), "DEMO03"));
    maker.enter(7, b'S', 10, "AAPL", 1_000_000);
    maker.messages(2);
    taker.enter(9, b'B', 10, "AAPL", 1_000_000);
    taker.messages(3);
    let bust = |number: &str| run(&["trade", "bust", number, "--data-dir", &path, "--reason", "erroneous"]);
    let done = bust("1");
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!((broken(&mut maker), broken(&mut taker)), ((7, 1), (9, 1)));
    let again = bust("1");
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("broken already"), "{}", stderr(&again));
    let unknown = bust("2");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("no execution has the number 2"), "{}", stderr(&unknown));
    let stopped = venue.stop("-INT");
    assert_eq!(json(&run(&["replay", "--data-dir", &path, "--json"]))["state_hash"], stopped["state_hash"]);
}

/// Of a day before: told in the session of today, with the fees that were paid, and in the statement.
#[test]
fn a_trade_of_yesterday_is_broken_with_its_fees() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let path = venue.dir().to_owned();
    let done = |args: &[&str]| {
        let output = run(&[args, &["--data-dir", &path]].concat());
        assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
        stdout(&output)
    };
    done(&["fees", "set", "0", "--maker-ppm=-100", "--taker-ppm=200"]);
    let (mut maker, mut taker) =
        (Client::login(venue.order_port(), "DEMO01"), Client::login(venue.order_port(), "DEMO03"));
    maker.enter(7, b'S', 10, "AAPL", 1_000_000);
    maker.messages(2);
    taker.enter(9, b'B', 10, "AAPL", 1_000_000);
    taker.messages(3);
    done(&["roll"]);
    let (mut maker, mut taker) =
        (Client::login(venue.order_port(), "DEMO01"), Client::login(venue.order_port(), "DEMO03"));
    done(&["trade", "bust", "1"]);
    assert_eq!((broken(&mut maker), broken(&mut taker)), ((7, 1), (9, 1)));
    let statement = done(&["account", "statement", "DEMO03", "--csv"]);
    let fees: Vec<&str> = statement.lines().filter(|line| line.contains(",fee,")).collect();
    assert!(fees.len() == 2 && fees[0].contains(",-0.2,") && fees[1].contains(",0.2,"), "{statement}");
    assert!(statement.lines().any(|line| line.contains(",broken,AAPL,buy,10,")), "{statement}");
    let stopped = venue.stop("-INT");
    assert_eq!(json(&run(&["replay", "--data-dir", &path, "--json"]))["state_hash"], stopped["state_hash"]);
}
