//! `hft order` against the real binary: what is asked for arrives, what cannot be sent is said, and the exit code tells.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, what should not happen fails it"
)]

mod harness;

use serde_json::Value;

use harness::{Running, Venue, complaint, json_lines, run};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| text(line, "event")).collect()
}

#[test]
fn two_accounts_trade() {
    let venue = Venue::start();
    let bought = venue.json(&["order", "buy", "AAPL", "100", "@", "150.34", "--json"]);
    assert_eq!(events(&bought), ["accepted"]);
    assert_eq!((text(&bought[0], "price"), text(&bought[0], "open")), ("150.34", "100"));
    assert_eq!((text(&bought[0], "side"), text(&bought[0], "symbol")), ("buy", "AAPL"));
    let first = bought[0]["user_ref_num"].as_u64().unwrap();

    let sold = venue.json(&["order", "--account", "DEMO02", "sell", "AAPL", "40", "@150", "--tif", "ioc", "--json"]);
    assert_eq!(events(&sold), ["accepted", "executed"]);
    assert_eq!((text(&sold[1], "price"), text(&sold[1], "quantity"), text(&sold[1], "open")), ("150.34", "40", "0"));

    // The maker's history has the execution: 60 of 100 are open, and a replace of the price keeps the total.
    let number = first.to_string();
    let replaced = venue.json(&["order", "replace", &number, "--price", "150.35", "--json"]);
    assert_eq!(events(&replaced), ["replaced"]);
    assert_eq!((text(&replaced[0], "price"), text(&replaced[0], "open")), ("150.35", "60"));
    assert_eq!(replaced[0]["replaces"].as_u64(), Some(first));
    let second = replaced[0]["user_ref_num"].as_u64().unwrap();
    assert!(second > first);

    let open = venue.json(&["order", "query", "--json"]);
    assert_eq!(events(&open), ["open", "query"]);
    assert_eq!((open[0]["user_ref_num"].as_u64(), text(&open[0], "done")), (Some(second), "40"));
    assert_eq!(open[1]["next_user_ref_num"].as_u64(), Some(second + 1));

    // The total to leave counts what was executed: 70 leaves 30 open.
    let reduced = venue.json(&["order", "cancel", &second.to_string(), "--qty", "70", "--json"]);
    assert_eq!((events(&reduced), text(&reduced[0], "quantity")), (vec!["canceled"], "30"));
    assert_eq!(text(&reduced[0], "open"), "30");
    let canceled = venue.json(&["order", "cancel", &second.to_string(), "--json"]);
    assert_eq!((text(&canceled[0], "quantity"), text(&canceled[0], "open")), ("30", "0"));

    let gone = venue.run(&["order", "cancel", &second.to_string()]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(complaint(&gone).contains("is not open"));
}

#[test]
fn words_for_people_have_decimals() {
    let venue = Venue::start();
    let output = venue.run(&["order", "buy", "btc-usd", "0.5", "@", "104250.37"]);
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success() && said.contains("buy 0.5 BTC-USD @ 104250.37"), "{said}");
    let output = venue.run(&["order", "sell", "BTC-USD", "0.2", "@", "market", "--account", "DEMO02"]);
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(said.contains("sell 0.2 BTC-USD @ market"), "{said}");
    assert!(said.contains("executed: order") && said.contains("0.2 @ 104250.37"), "{said}");
    let output = venue.run(&["order", "sell", "ETH-BTC", "1", "@", "market"]);
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success() && said.contains("nothing to trade with"), "{said}");
    let output = venue.run(&["order", "buy", "AAPL", "1", "@", "10", "--post-only"]);
    assert!(output.status.success());
    let output = venue.run(&["order", "sell", "AAPL", "1", "@", "10", "--post-only"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("canceled") && said.contains("post only"), "{said}");
}

#[test]
fn what_cannot_be_asked_is_said() {
    let venue = Venue::start();
    for (args, code, expected) in [
        (&["order", "buy", "AAPL", "100", "@", "150.345"][..], 1, "multiple of 0.01"),
        (&["order", "buy", "AAPL", "0.5", "@", "150"], 1, "too many decimals"),
        (&["order", "buy", "AAPL", "1000000", "@", "150"], 1, "at most 999999"),
        (&["order", "buy", "NONE", "1", "@", "150"], 1, "does not list NONE"),
        (&["order", "cancel", "77"], 1, "order 77 is not open"),
        (&["order", "replace", "77", "--qty", "5"], 1, "order 77 is not open"),
        (&["order", "--account", "DEMO09", "query"], 1, "refused the login"),
        (&["order", "buy", "AAPL", "100", "@"], 2, "a price is due"),
    ] {
        let output = venue.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(complaint(&output).contains(expected), "{args:?}: {}", complaint(&output));
    }
    for args in [
        &["order", "buy", "AAPL"][..],
        &["order", "buy", "AAPL", "1e5", "@", "150"],
        &["order", "buy", "AAPL", "NaN", "@", "150"],
        &["order", "buy", "AAPL", "100", "@", "-150"],
        &["order", "buy", "AAPL", "100", "@", "150", "--tif", "never"],
        &["order", "replace", "7"],
        &["order", "cancel", "seven"],
        &["order", "dance"],
    ] {
        assert_eq!(venue.run(args).status.code(), Some(2), "{args:?}");
    }
    let refused = venue.run(&["order", "buy", "AAPL", "1", "@", "150.001", "--json"]);
    assert_eq!(events(&json_lines(&refused)), ["refused"]);
    let offset = harness::free_offset().to_string();
    let nobody = run(&["order", "query", "--port-offset", &offset]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(complaint(&nobody).contains("no venue at"));
}

#[test]
fn the_prompt_shows_what_others_do() {
    let venue = Venue::start();
    let mut prompt = Running::start(&mut venue.command(&["order"]));
    prompt.type_line("buy AAPL 100 @ 150.34");
    let accepted = prompt.line_with(|line| line.starts_with("accepted"));
    let number: String =
        accepted.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let sold = venue.run(&["order", "--account", "DEMO03", "sell", "AAPL", "30", "@", "150.34"]);
    assert!(sold.status.success());
    let executed = prompt.line_with(|line| line.starts_with("executed"));
    assert!(executed.contains("30 @ 150.34") && executed.ends_with("70 open"), "{executed}");
    prompt.type_line("");
    prompt.type_line("nonsense");
    prompt.type_line(&format!("replace {number} --price 150.30"));
    prompt.line_with(|line| line.starts_with("replaced"));
    prompt.type_line("query");
    prompt.line_with(|line| line.starts_with("open") && line.contains("buy 70 AAPL @ 150.30"));
    prompt.type_line("quit");
    let (code, stderr) = prompt.finish();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("unrecognized subcommand 'nonsense'; `help` lists the requests"), "{stderr}");

    // The end of the input ends it too, with the last request's exit code; orders stay.
    let mut prompt = Running::start(&mut venue.command(&["order", "--json"]));
    prompt.type_line("cancel 999");
    let (code, _) = prompt.finish();
    assert_eq!(code, Some(1));
    let open = venue.json(&["order", "query", "--json"]);
    assert_eq!(events(&open), ["open", "query"]);
}

#[test]
fn order_types_by_hand() {
    let venue = Venue::start();
    let of = |words: &[&str]| venue.json(&[&["order", "--json"], words].concat());

    // An iceberg shows 10; the other 5 come out of its reserve, and it is filled up again.
    let iceberg = of(&["sell", "AAPL", "30", "@", "150", "--max-floor", "10"]);
    assert_eq!(events(&iceberg), ["accepted"]);
    let bought = of(&["--account", "DEMO02", "buy", "AAPL", "15", "@", "150"]);
    assert_eq!(events(&bought), ["accepted", "executed", "executed"]);
    assert_eq!((text(&bought[1], "quantity"), text(&bought[2], "quantity")), ("10", "5"));

    // The last trade was at 150: a stop there is elected at once, and trades.
    let stop = of(&["--account", "DEMO02", "buy", "AAPL", "5", "@", "151", "--stop", "150"]);
    assert_eq!(events(&stop), ["accepted", "priority", "executed"]);
    assert!(stop[1]["order_reference"].as_u64() > stop[0]["order_reference"].as_u64());

    // A peg may not be displayed, which the words ensure; a cross order needs its time.
    let peg = of(&["--account", "DEMO02", "buy", "AAPL", "5", "@", "market", "--hidden", "--peg", "primary"]);
    assert_eq!((events(&peg), peg[0]["live"].as_bool()), (vec!["accepted"], Some(true)));
    let cross = venue.run(&["order", "sell", "AAPL", "5", "@", "140", "--cross", "open", "--json"]);
    assert_eq!(cross.status.code(), Some(1));
    assert_eq!(text(&json_lines(&cross)[0], "reason"), "0014");

    // Good till time: the venue itself lets time pass.
    let timed = of(&["buy", "AAPL", "5", "@", "100", "--tif", "gtt", "--for", "1"]);
    let number = timed[0]["user_ref_num"].as_u64();
    let is_open = |lines: &[Value]| lines.iter().any(|line| line["user_ref_num"].as_u64() == number);
    let mut rounds = 0;
    while is_open(&of(&["query"])) {
        rounds += 1;
        assert!(rounds < 2_000, "the order outlives its time");
    }
}

/// The prompt goes over to the next session by itself, and knows what it carried; who logs in later can still cancel it.
#[test]
fn the_prompt_goes_on_after_a_roll() {
    let venue = Venue::start();
    let mut prompt = Running::start(&mut venue.command(&["order"]));
    let mut number = |line: &str| -> String {
        prompt.type_line(line);
        let accepted = prompt.line_with(|line| line.starts_with("accepted"));
        accepted.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect()
    };
    let (carried, other) = (number("buy AAPL 100 @ 150.34 --tif gtc"), number("buy AAPL 7 @ 150.33 --tif gtc"));
    number("buy AAPL 5 @ 150 --tif day");
    for _ in 0..2 {
        venue.roll();
        prompt.line_with(|line| line.starts_with("the trading day was rolled"));
        prompt.line_with(|line| line.starts_with(&format!("new place: order {carried} @ 150.34")));
    }
    let sold = venue.run(&["order", "--account", "DEMO03", "sell", "AAPL", "30", "@", "150.34"]);
    assert!(sold.status.success(), "{}", complaint(&sold));
    let executed = prompt.line_with(|line| line.starts_with("executed"));
    assert!(executed.contains("30 @ 150.34") && executed.ends_with("70 open"), "{executed}");
    prompt.type_line(&format!("replace {carried} --price 150.30"));
    prompt.line_with(|line| line.starts_with("replaced") && line.contains("buy 70 AAPL @ 150.30"));
    prompt.type_line("quit");
    let (code, stderr) = prompt.finish();
    assert_eq!(code, Some(0), "{stderr}");

    let open = venue.run(&["order", "query"]);
    let said = String::from_utf8(open.stdout).unwrap();
    assert!(said.contains(&format!("order {other}: entered in a session before")), "{said}");
    let replaced = venue.run(&["order", "replace", &other, "--price", "150.30"]);
    assert!(replaced.status.code() == Some(1) && complaint(&replaced).contains("in a session before"));
    let canceled = venue.run(&["order", "cancel", &other]);
    let said = String::from_utf8(canceled.stdout.clone()).unwrap();
    assert!(canceled.status.success() && said.contains(&format!("order {other}")), "{said}{}", complaint(&canceled));
    assert!(!String::from_utf8(venue.run(&["order", "query"]).stdout).unwrap().contains("session before"));
}
