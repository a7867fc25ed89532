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
    // Most requests read nothing: they may have ended by now.
    drop(child.stdin.take().unwrap().write_all(format!("{input}\n").as_bytes()));
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
    client.enter_tif(1, b'B', 10, "TSLA", 2_500_000, b'3');
    let Outbound::Rejected(rejected) = client.outbound() else { panic!("it is halted") };
    assert_eq!(rejected.reason, 0x0007);
    done(&venue, &["instrument", "resume", "TSLA"]);
    client.enter(2, b'B', 10, "TSLA", 2_500_000);
    assert!(matches!(client.outbound(), Outbound::Accepted(_)));
    done(&venue, &["instrument", "halt", "AAPL", "--reason", "T1"]);
    client.enter_tif(3, b'B', 10, "AAPL", 1_500_000, b'3');
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
    let fields: [(&[&str], &str); 9] = [
        (&["account", "withdraw", "DEMO01", "USD", "--data-dir", path, "--"], "AMOUNT"),
        (&["account", "limits", "DEMO01", "--data-dir", path], "--max-order-notional"),
        (&["account", "limits", "DEMO01", "--data-dir", path], "--max-open-orders"),
        (&["account", "limits", "DEMO01", "--data-dir", path], "--price-collar"),
        (&["limits", "firm", "DEMA", "--data-dir", path], "--credit"),
        (&["limits", "instrument", "AAPL", "--data-dir", path], "--max-position-long"),
        (&["limits", "venue", "--data-dir", path], "--max-message-rate"),
        (&["fees", "set", "1", "--maker-ppm", "1", "--taker-ppm", "2", "--data-dir", path], "--threshold"),
        (&["rate", "EUR", "--data-dir", path, "--"], "DOLLARS"),
    ];
    for (words, field) in fields {
        for value in
            ["NaN", "inf", "1e5", "-1", "+1", "0x10", "1.0000000000001", "1,5", "1_000", "", "99999999999999999999"]
        {
            let last = if field.starts_with("--") { format!("{field}={value}") } else { value.to_owned() };
            let output = run(&[words, &[last.as_str()][..]].concat());
            assert_eq!(output.status.code(), Some(2), "{words:?} {last}");
            assert!(stderr(&output).contains(field), "{words:?} {last}: {}", stderr(&output));
        }
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

#[test]
fn what_is_set_is_shown() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let text = |args: &[&str]| stdout(&run(&[args, &["--data-dir", venue.dir()]].concat()));
    assert!(text(&["limits", "show"]).starts_with("no limits are set"));
    done(&venue, &["limits", "venue", "--max-message-rate", "1000"]);
    done(&venue, &["limits", "firm", "DEMB", "--credit", "5000000", "--restrict", "INTC"]);
    done(&venue, &["limits", "instrument", "BTC-USD", "--price-collar", "10"]);
    done(&venue, &["account", "limits", "DEMO03", "--short-sale", "false"]);
    let shown = text(&["limits", "show"]);
    let shown: Vec<String> = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "venue max-message-rate 1000",
        "firm DEMB credit 5000000",
        "firm DEMB restricted INTC",
        "instrument BTC-USD price-collar 10",
        "account DEMO03 short-sale false",
    ];
    assert_eq!(shown, expected);
    let lines = stdout(&ask(&venue, &["limits", "show"], ""));
    let firm: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        firm,
        serde_json::json!({ "scope": "firm", "name": "DEMB", "limits": { "credit": "5000000" }, "restricted": ["INTC"] })
    );
    done(&venue, &["rate", "BTC", "104250.37"]);
    let rates = done(&venue, &["rate"]);
    assert_eq!((&rates["BTC"], &rates["USD"], &rates["EUR"]), (&"104250.37".into(), &"1".into(), &().into()));
    assert!(text(&["rate"]).lines().any(|line| line == "BTC   104250.37 USD"));

    let mut client = Client::login(venue.order_port(), "DEMO01");
    client.message();
    assert_eq!(refusal(&mut client, (1, b'B', 7, "AAPL", 1_503_400)), None);
    client.enter(2, b'S', 7, "AAPL", 1_503_400);
    done(&venue, &["limits", "instrument", "AAPL", "--max-order-quantity", "50"]);
    done(&venue, &["kill", "instrument", "AAPL"]);
    let instrument = text(&["instrument", "show", "AAPL"]);
    for said in ["trading", "last trade 150.34", "price-time", "max-order-quantity 50", "killed"] {
        assert!(instrument.contains(said), "{said}: {instrument}");
    }
    let statement = text(&["account", "statement", "DEMO01"]);
    let (head, trade) = (statement.lines().next().unwrap(), statement.lines().nth(2).unwrap());
    assert!(head.starts_with("time ") && trade.contains("Z ") && trade.contains("  buy  7  150.34"), "{statement}");
}

/// Sends an order and answers the reason of its refusal; `None` when it was accepted.
fn refusal(client: &mut Client, order: (u32, u8, u32, &str, u64)) -> Option<u16> {
    let (number, side, quantity, symbol, price) = order;
    client.enter(number, side, quantity, symbol, price);
    loop {
        let answer = client.outbound();
        if let Outbound::Rejected(rejected) = answer {
            return Some(rejected.reason);
        }
        if let Outbound::Accepted(_) = answer {
            return None;
        }
    }
}

#[test]
fn limits_hold_from_one_command_to_the_next() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let mut client = Client::login(venue.order_port(), "DEMO01");
    client.message();
    assert_eq!(refusal(&mut client, (1, b'B', 500, "AAPL", 1_000_000)), None);
    done(&venue, &["account", "limits", "DEMO01", "--max-order-quantity", "100", "--max-open-orders", "3"]);
    assert_eq!(refusal(&mut client, (2, b'B', 100, "AAPL", 1_000_000)), None, "exactly at");
    assert_eq!(refusal(&mut client, (3, b'B', 101, "AAPL", 1_000_000)), Some(0x0031), "just outside");
    assert_eq!(refusal(&mut client, (4, b'B', 99, "AAPL", 1_000_000)), None, "just inside");
    assert_eq!(refusal(&mut client, (5, b'B', 1, "AAPL", 1_000_000)), Some(0x0020), "three are open");
    let limits =
        ["--max-order-notional", "2000", "--max-open-orders", "none", "--restrict", "INTC", "--short-sale", "false"];
    done(&venue, &[&["account", "limits", "DEMO01"], &limits[..]].concat());
    assert_eq!(refusal(&mut client, (6, b'B', 20, "AAPL", 1_000_000)), None);
    assert_eq!(refusal(&mut client, (7, b'B', 20, "AAPL", 1_000_100)), Some(0x0030));
    assert_eq!(refusal(&mut client, (8, b'B', 1, "INTC", 1_000_000)), Some(0x0022));
    assert_eq!(refusal(&mut client, (9, b'T', 1, "AAPL", 1_900_000)), Some(0x002B));
    let shown = done(&venue, &["account", "show", "DEMO01"]);
    assert_eq!(shown["limits"]["max-order-quantity"].as_str(), Some("100"));
    assert_eq!((shown["restricted"][0].as_str(), shown["mode"].as_str()), (Some("INTC"), Some("margin")));
    done(&venue, &["limits", "instrument", "MSFT", "--price-collar", "10"]);
    assert_eq!(refusal(&mut client, (10, b'B', 1, "MSFT", 1_000_000)), None, "without a reference there is no collar");
    let mut other = Client::login(venue.order_port(), "DEMO03");
    other.message();
    assert_eq!(refusal(&mut other, (1, b'S', 1, "MSFT", 1_000_000)), None);
    assert_eq!(refusal(&mut other, (2, b'S', 1, "MSFT", 1_100_000)), None, "10 % from the last trade");
    assert_eq!(refusal(&mut other, (3, b'S', 1, "MSFT", 1_100_100)), Some(0x0026));
    venue.kill();
    let venue = Venue::start(&dir);
    let mut client = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 0);
    assert_eq!(refusal(&mut client, (20, b'B', 101, "AAPL", 1_000_000)), Some(0x0031), "limits survive a kill");
}

/// The reasons that the other tests do not see, on the wire: a locate, a market order, the three rates, the notional of a day.
#[test]
fn every_refusal_has_its_reason_on_the_wire() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let mut client = Client::login(venue.order_port(), "DEMO01");
    let mut maker = Client::login(venue.order_port(), "DEMO03");
    client.message();
    maker.message();
    let limit = |words: &[&str]| done(&venue, &[&["account", "limits", "DEMO01"], words].concat());
    limit(&["--locate-required", "true", "--market-orders", "false"]);
    assert_eq!(refusal(&mut client, (1, b'T', 1, "AAPL", 1_000_000)), Some(0x0027));
    assert_eq!(refusal(&mut client, (2, b'B', 1, "AAPL", 2_000_000_000)), Some(0x002C));
    limit(&["--max-duplicate-rate", "0"]);
    assert_eq!(refusal(&mut client, (3, b'B', 1, "AAPL", 1_000_000)), None);
    assert_eq!(refusal(&mut client, (4, b'B', 1, "AAPL", 1_000_000)), Some(0x002A));
    limit(&["--max-day-notional", "150"]);
    assert_eq!(refusal(&mut maker, (1, b'S', 1, "AAPL", 1_000_000)), None, "a hundred dollars are traded");
    assert_eq!(refusal(&mut client, (5, b'B', 1, "AAPL", 500_100)), Some(0x0025));
    assert_eq!(refusal(&mut client, (6, b'B', 1, "AAPL", 500_000)), None);
    limit(&["--max-symbol-rate", "0"]);
    assert_eq!(refusal(&mut client, (7, b'B', 1, "AAPL", 400_000)), Some(0x0028));
    limit(&["--max-message-rate", "0"]);
    assert_eq!(refusal(&mut client, (8, b'B', 1, "AAPL", 400_000)), Some(0x0029));
    let nothing = ["--max-symbol-rate", "none", "--max-message-rate", "none", "--max-position-long", "2"];
    limit(&nothing);
    assert_eq!(refusal(&mut client, (9, b'B', 1, "AAPL", 400_000)), Some(0x0020), "one is held, and one is open");
    let shown = done(&venue, &["account", "show", "DEMO01"]);
    assert_eq!(shown["limits"]["max-position-long"].as_str(), Some("2"), "{shown}");
    assert!(shown["limits"]["max-symbol-rate"].is_null(), "{shown}");
}

#[test]
fn a_kill_switch_blocks_and_cancels_in_one_command() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let mut client = Client::login(venue.order_port(), "DEMO01");
    let mut other = Client::login(venue.order_port(), "DEMO03");
    client.message();
    other.message();
    for number in 1..=3 {
        assert_eq!(refusal(&mut client, (number, b'B', 10, "AAPL", 1_000_000)), None);
    }
    assert_eq!(refusal(&mut other, (1, b'B', 10, "AAPL", 1_000_000)), None);
    let killed = done(&venue, &["kill", "firm", "DEMA"]);
    assert_eq!((killed["ok"].as_bool(), killed["canceled"].as_u64()), (Some(true), Some(3)));
    for _ in 0..3 {
        assert!(matches!(client.outbound(), Outbound::Canceled(canceled) if canceled.reason == b'S'));
    }
    assert_eq!(refusal(&mut client, (4, b'B', 10, "AAPL", 1_000_000)), Some(0x000C));
    assert_eq!(refusal(&mut other, (2, b'B', 10, "AAPL", 1_000_000)), None, "another firm goes on");
    assert_eq!(done(&venue, &["account", "show", "DEMO02"])["killed"].as_bool(), Some(true));
    done(&venue, &["resume", "firm", "DEMA"]);
    assert_eq!(refusal(&mut client, (5, b'B', 10, "AAPL", 1_000_000)), None);
    let switches: [(&[&str], u16); 3] =
        [(&["account", "DEMO01"], 0x000C), (&["instrument", "AAPL"], 0x0007), (&["venue"], 0x0007)];
    for (number, (words, reason)) in (10..).zip(switches) {
        done(&venue, &[&["kill"], words].concat());
        assert_eq!(refusal(&mut client, (number, b'B', 10, "AAPL", 1_000_000)), Some(reason), "{words:?}");
        done(&venue, &[&["resume"], words].concat());
    }
    assert_eq!(refusal(&mut client, (500, b'B', 10, "AAPL", 1_000_000)), None);
    assert!(refused(&venue, &["kill", "account", "NOBODY"]).contains("NOBODY"));
}

/// Waits for the next message of this kind.
fn next_canceled(client: &mut Client) -> (u32, u8) {
    loop {
        if let Outbound::Canceled(canceled) = client.outbound() {
            return (canceled.user_ref_num.0, canceled.reason);
        }
    }
}

#[test]
fn a_kill_switch_trips_by_itself_and_says_why() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let mut client = Client::login(venue.order_port(), "DEMO01");
    let mut other = Client::login(venue.order_port(), "DEMO03");
    client.message();
    other.message();
    done(&venue, &["account", "limits", "DEMO01", "--loss-limit", "50", "--credit", "100000"]);
    // Ten bought at 100, a mark of 95 later: 50 lost is allowed, one cent more is not.
    assert_eq!(refusal(&mut other, (1, b'S', 1, "AAPL", 1_000_000)), None);
    client.enter(1, b'B', 1, "AAPL", 1_000_000);
    assert!(matches!(client.outbound(), Outbound::Rejected(rejected) if rejected.reason == 0x0020), "no mark yet");
    let mut third = Client::login(venue.order_port(), "DEMO02");
    third.message();
    assert_eq!(refusal(&mut third, (1, b'B', 1, "AAPL", 1_000_000)), None);
    assert_eq!(refusal(&mut other, (2, b'S', 10, "AAPL", 1_000_000)), None);
    assert_eq!(refusal(&mut client, (2, b'B', 10, "AAPL", 1_000_000)), None);
    assert_eq!(refusal(&mut client, (3, b'B', 7, "AAPL", 900_000)), None);
    assert_eq!(refusal(&mut client, (4, b'B', 1, "AAPL", 949_900)), None);
    assert_eq!(refusal(&mut other, (3, b'S', 1, "AAPL", 949_900)), None);
    assert_eq!(next_canceled(&mut client), (3, b'S'), "its own trade at 94.99 shows a loss of 50.10");
    assert_eq!(refusal(&mut client, (5, b'B', 1, "AAPL", 940_000)), Some(0x0020));
    let shown = done(&venue, &["account", "show", "DEMO01"]);
    assert_eq!((shown["killed"].as_bool(), shown["killed_by"].as_str()), (Some(true), Some("loss of the day")));
    assert_eq!(shown["lost_today"].as_str(), Some("50.1"));
    let statement = stdout(&run(&["account", "statement", "DEMO01", "--csv", "--data-dir", venue.dir()]));
    assert!(statement.contains("killed,loss of the day"), "{statement}");
    let has_alarm = |venue: &Venue| {
        let counters = json(&run(&["counters", "--json", "--data-dir", venue.dir()]));
        counters["alarms"].as_array().unwrap().iter().any(|alarm| alarm == "switch-tripped")
    };
    support::eventually("the alarm", || has_alarm(&venue).then_some(()));
    let top = stdout(&run(&["top", "--once", "--data-dir", venue.dir()]));
    assert!(top.contains("switch-tripped: kill switches of accounts: 1 by loss of the day"), "{top}");
    venue.kill();

    let venue = Venue::start(&dir);
    let shown = done(&venue, &["account", "show", "DEMO01"]);
    assert_eq!(shown["killed_by"].as_str(), Some("loss of the day"), "it survives a kill");
    assert!(has_alarm(&venue), "from the start");
    done(&venue, &["account", "limits", "DEMO01", "--loss-limit", "none"]);
    let mut client = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 0);
    assert_eq!(refusal(&mut client, (20, b'B', 1, "AAPL", 940_000)), Some(0x000C));
    done(&venue, &["resume", "account", "DEMO01"]);
    assert_eq!(refusal(&mut client, (21, b'B', 1, "AAPL", 940_000)), None);
    support::eventually("the alarm is over", || (!has_alarm(&venue)).then_some(()));
    done(&venue, &["account", "limits", "DEMO01", "--kill-reject-rate", "2"]);
    for number in 22..25 {
        assert_eq!(refusal(&mut client, (number, b'B', 0, "AAPL", 940_000)), Some(0x0013));
    }
    assert_eq!(next_canceled(&mut client), (21, b'S'));
    let shown = done(&venue, &["account", "show", "DEMO01"]);
    assert_eq!(shown["killed_by"].as_str(), Some("rejected orders"));
    let live = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", dir.to_str().unwrap(), "--json"]));
    assert_eq!((&replayed["state_hash"], &replayed["event_hash"]), (&live["state_hash"], &live["event_hash"]));
}

#[test]
fn a_cash_account_trades_with_what_it_holds() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    assert!(ask(&venue, &["account", "create", "CASH01", "--firm", "CASH"], "demo-pass").status.success());
    let mut client = Client::login(venue.order_port(), "CASH01");
    let mut maker = Client::login(venue.order_port(), "DEMO01");
    client.message();
    maker.message();
    assert_eq!(refusal(&mut client, (1, b'B', 1, "AAPL", 1_000_000)), Some(0x0020), "it holds nothing");
    done(&venue, &["account", "deposit", "CASH01", "USD", "1000.50"]);
    done(&venue, &["account", "deposit", "CASH01", "AAPL", "5"]);
    assert_eq!(refusal(&mut client, (2, b'B', 10, "AAPL", 1_000_000)), None);
    assert_eq!(refusal(&mut client, (3, b'B', 1, "AAPL", 1_000_000)), Some(0x0020));
    let shown = done(&venue, &["account", "show", "CASH01"]);
    let usd = &shown["balances"][0];
    assert_eq!((usd["balance"].as_str(), usd["available"].as_str()), (Some("1000.5"), Some("0.5")));
    assert!(refused(&venue, &["account", "withdraw", "CASH01", "USD", "0.51"]).contains("reserved"));
    done(&venue, &["account", "withdraw", "CASH01", "USD", "0.50"]);
    assert_eq!(refusal(&mut client, (4, b'S', 6, "AAPL", 2_000_000)), Some(0x0020), "five are there");
    assert_eq!(refusal(&mut client, (5, b'S', 5, "AAPL", 2_000_000)), None);
    done(&venue, &["fees", "set", "0", "--maker-ppm", "1000", "--taker-ppm", "2000"]);
    // It buys ten at 100.00 as the maker, and has 1000.00: the fee makes it owe nothing, as it was reserved.
    assert_eq!(refusal(&mut maker, (1, b'S', 4, "AAPL", 1_000_000)), None);
    assert!(matches!(client.outbound(), Outbound::Executed(_)));
    let shown = done(&venue, &["account", "show", "CASH01"]);
    assert_eq!(shown["balances"][0]["balance"].as_str(), Some("599.6"), "{shown}");
    assert_eq!(shown["positions"][0]["quantity"].as_str(), Some("9"), "{shown}");
    let received = done(&venue, &["fees", "show"]);
    assert_eq!(received["received"]["USD"].as_str(), Some("1.2"), "0.4 from the maker, 0.8 from the taker");
    let statement = stdout(&run(&["account", "statement", "CASH01", "--csv", "--data-dir", venue.dir()]));
    for said in ["deposit", "withdrawal", "trade", "fee", "-0.4", "buy,4,100"] {
        assert!(statement.contains(said), "{said}: {statement}");
    }
    let live = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", dir.to_str().unwrap(), "--json"]));
    assert_eq!((&replayed["state_hash"], &replayed["event_hash"]), (&live["state_hash"], &live["event_hash"]));
}
