//! `hft watch` against the real binary: one picture, and a picture after each change. And the example bot, which quotes what is
//! watched.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, what should not happen fails it"
)]

mod harness;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use harness::{Running, Venue, complaint};

fn level(price: &str, quantity: &str, orders: u64) -> Value {
    json!({ "price": price, "quantity": quantity, "orders": orders })
}

#[test]
fn one_picture_has_ladder_and_trades() {
    let venue = Venue::start();
    let empty = &venue.json(&["watch", "AAPL", "--once", "--json"])[0];
    assert_eq!((&empty["bids"], &empty["asks"], &empty["trades"]), (&json!([]), &json!([]), &json!([])));
    for (side, quantity, price) in [
        ("buy", "100", "150.34"),
        ("buy", "50", "150.34"),
        ("buy", "10", "150"),
        ("sell", "70", "150.40"),
        ("sell", "20", "151"),
    ] {
        assert!(venue.run(&["order", side, "AAPL", quantity, "@", price]).status.success());
    }
    assert!(venue.run(&["order", "sell", "AAPL", "120", "@", "150.34", "--account", "DEMO02"]).status.success());
    let picture = &venue.json(&["watch", "AAPL", "--once", "--json"])[0];
    assert_eq!(picture["bids"], json!([level("150.34", "30", 1), level("150.00", "10", 1)]));
    assert_eq!(picture["asks"], json!([level("150.40", "70", 1), level("151.00", "20", 1)]));
    assert_eq!(picture["trading_state"], json!("T"));
    let trades: Vec<_> = picture["trades"].as_array().unwrap().iter().collect();
    let quantities: Vec<_> = trades.iter().map(|trade| trade["quantity"].as_str().unwrap()).collect();
    assert_eq!(quantities, ["20", "100"], "the latest first");
    assert!(trades.iter().all(|trade| trade["aggressor"] == "sell" && trade["price"] == "150.34"));
    let one = &venue.json(&["watch", "aapl", "--once", "--json", "--levels", "1", "--trades", "1"])[0];
    assert_eq!(one["bids"].as_array().unwrap().len(), 1);
    assert_eq!(one["trades"].as_array().unwrap().len(), 1);

    let words = venue.run(&["watch", "AAPL", "--once"]);
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.contains("AAPL  trading") && words.contains("150.34 | 150.40"), "{words}");
    assert!(!words.contains('\x1b'), "no escapes where nobody sees them");
    let other = &venue.json(&["watch", "MSFT", "--once", "--json"])[0];
    assert_eq!(other["bids"], json!([]));
}

#[test]
fn each_change_is_a_picture() {
    let venue = Venue::start();
    let watch = Running::start(&mut venue.command(&["watch", "BTC-USD", "--json"]));
    watch.line_with(|line| line.contains("\"bids\":[]"));
    assert!(venue.run(&["order", "buy", "BTC-USD", "0.5", "@", "104250.37"]).status.success());
    watch.line_with(|line| line.contains("104250.37") && line.contains("\"quantity\":\"0.5\""));
    assert!(venue.run(&["order", "sell", "BTC-USD", "0.5", "@", "market", "--account", "DEMO02"]).status.success());
    let last = watch.line_with(|line| line.contains("match_number"));
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["bids"], json!([]));
    assert_eq!(last["trades"][0]["aggressor"], json!("sell"));
}

#[test]
fn what_cannot_be_watched_is_said() {
    let venue = Venue::start();
    let unknown = venue.run(&["watch", "NONE", "--once"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(complaint(&unknown).contains("does not list NONE"));
    for args in [&["watch"][..], &["watch", "AAPL", "--levels", "0"], &["watch", "AAPL", "--levels", "few"]] {
        assert_eq!(venue.run(args).status.code(), Some(2), "{args:?}");
    }
    let offset = harness::free_offset().to_string();
    let nobody = harness::run(&["watch", "AAPL", "--once", "--port-offset", &offset]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(complaint(&nobody).contains("no venue at"));
}

#[test]
fn a_watcher_hears_of_the_end() {
    let venue = Venue::start();
    let watch = Running::start(&mut venue.command(&["watch", "AAPL", "--json"]));
    watch.line_with(|line| line.contains("\"bids\":[]"));
    venue.kill();
    let (code, stderr) = watch.finish();
    assert!(code == Some(1) && stderr.starts_with("hft: ") && stderr.contains("feed"), "{code:?} {stderr}");
}

/// The picture goes on with the feed of the next session.
#[test]
fn a_watcher_goes_over_to_the_next_session() {
    let venue = Venue::start();
    venue.json(&["order", "buy", "AAPL", "10", "@", "150.34", "--tif", "gtc", "--json"]);
    venue.json(&["order", "buy", "AAPL", "3", "@", "150.33", "--tif", "day", "--json"]);
    venue.json(&["order", "--account", "DEMO03", "sell", "AAPL", "4", "@", "150.34", "--tif", "ioc", "--json"]);
    let watch = Running::start(&mut venue.command(&["watch", "AAPL", "--json"]));
    watch.line_with(|line| line.contains("\"6\"") && line.contains("150.33"));
    venue.roll();
    let carried: Value = serde_json::from_str(
        &watch.line_with(|line| line.contains("\"6\"") && !line.contains("150.33") && line.contains("\"T\"")),
    )
    .unwrap();
    assert_eq!(carried["trades"][0]["quantity"], json!("4"), "the trades of the day before still show");
    venue.json(&["order", "--account", "DEMO03", "sell", "AAPL", "1", "@", "150.34", "--tif", "ioc", "--json"]);
    watch.line_with(|line| line.contains("\"5\""));
}

#[test]
fn the_example_bot_quotes_and_follows() {
    let tests = PathBuf::from(env!("CARGO_BIN_EXE_hft"));
    let bot = tests.with_file_name("examples").join("bot");
    let venue = Venue::start();
    let address = format!("127.0.0.1:{}", venue.order_port());
    let bot = Running::start(Command::new(bot).args([&address, "AAPL", "15000", "4"]));
    let bid = |price: &str| {
        let picture = &venue.json(&["watch", "AAPL", "--once", "--json"])[0];
        picture["bids"][0]["price"] == price && picture["asks"][0]["quantity"] == "100"
    };
    while !bid("149.95") {}
    assert!(venue.run(&["order", "buy", "AAPL", "100", "@", "150.05", "--tif", "ioc"]).status.success());
    assert!(bot.line().expect("it tells of the fill").contains("100 @ 1500500"));
    while !bid("149.96") {}
    let (code, stderr) = bot.finish();
    assert_eq!(code, Some(0), "{stderr}");
    let after = &venue.json(&["watch", "AAPL", "--once", "--json"])[0];
    assert_eq!((&after["bids"], &after["asks"]), (&json!([]), &json!([])), "it takes its quotes off");
}
