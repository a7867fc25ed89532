//! `hft drive` against the real binary over real sockets: a generated day always, the start of a recorded one where it is.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, what should not happen fails it"
)]

#[path = "../src/drive/generate.rs"]
mod generate;
mod harness;

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use harness::{Venue, complaint, json_lines, run};

struct Files {
    messages: PathBuf,
    book: PathBuf,
    _folder: tempfile::TempDir,
}

fn files(messages: &str, book: &str) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let files =
        Files { messages: folder.path().join("messages.csv"), book: folder.path().join("book.csv"), _folder: folder };
    std::fs::write(&files.messages, messages).unwrap();
    std::fs::write(&files.book, book).unwrap();
    files
}

fn generated(seed: u64, rows: usize) -> Files {
    let day = generate::day(seed, rows);
    files(&day.messages, &day.book)
}

impl Files {
    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let paths = [&self.messages, &self.book].map(|path| path.to_str().unwrap());
        let mut args = vec!["drive", "--symbol", "AMZN", "--lobster", paths[0], "--orderbook", paths[1]];
        args.extend_from_slice(more);
        args
    }
}

fn count(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("{key} in {report}"))
}

fn sum(report: &Value, key: &str) -> u64 {
    let counts = report[key].as_object().unwrap_or_else(|| panic!("{key} in {report}"));
    counts.values().map(|count| count.as_u64().unwrap()).sum()
}

/// What must hold in every report.
fn check_sums(report: &Value) {
    assert_eq!(count(report, "rows"), count(report, "rows_compared") + sum(report, "rows_excluded"), "{report}");
    assert_eq!(count(report, "rows_compared"), count(report, "rows_equal") + sum(report, "rows_different"), "{report}");
    let comparable = count(report, "executions_comparable");
    assert_eq!(comparable, count(report, "executions_same_order") + sum(report, "executions_different"), "{report}");
    assert!(comparable <= count(report, "executions"), "{report}");
    for key in ["rows_different", "executions_different"] {
        assert!(report[key].get("venue").is_none(), "{report}");
    }
    assert!(count(report, "orders_per_second") > 0 && count(report, "messages") > 0, "{report}");
}

#[test]
fn a_generated_day_is_equal_in_every_row() {
    let venue = Venue::start();
    let files = generated(7, 20_000);
    let report = &venue.json(&files.args(&["--json"]))[0];
    check_sums(report);
    assert!(count(report, "rows_compared") >= 19_999, "{report}");
    assert_eq!(count(report, "rows_equal"), count(report, "rows_compared"), "{report}");
    assert_eq!(report["rows_excluded"], serde_json::json!({ "first_row": 1 }), "{report}");
    assert_eq!(report["first_difference"], Value::Null);
    assert!(count(report, "executions_comparable") > 500, "{report}");
    assert_eq!(count(report, "executions_same_order"), count(report, "executions_comparable"), "{report}");

    // The book is not empty now, and a second day would be compared with the orders of the first.
    let output = venue.run(&files.args(&[]));
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("not empty"), "{}", complaint(&output));
}

#[test]
fn a_recorded_day_reaches_its_aims() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    if !folder.exists() {
        println!("no recorded day at {}: skipped", folder.display());
        return;
    }
    let archive = std::fs::File::open(folder.join("LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    let mut unzip = |part: &str| {
        let name = archive.file_names().flatten().find(|name| name.contains(part)).unwrap().into_owned();
        let mut text = String::new();
        archive.by_name(&name).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let files = files(&unzip("_message_"), &unzip("_orderbook_"));
    let venue = Venue::start();
    let report = &venue.json(&files.args(&["--rows", "20000", "--json"]))[0];
    check_sums(report);
    assert_eq!(count(report, "rows"), 20_000);
    assert_eq!(count(report, "rows_compared"), 19_999);
    assert!(count(report, "rows_equal") * 1_000 >= count(report, "rows_compared") * 989, "{report}");
    let comparable = count(report, "executions_comparable");
    assert!(comparable >= 500, "{report}");
    assert!(count(report, "executions_same_order") * 1_000 >= comparable * 984, "{report}");
}

#[test]
fn a_venue_that_goes_away_is_one_clear_line() {
    let venue = Venue::start();
    let files = generated(3, 200_000);
    let drive = harness::Running::start(&mut venue.command(&files.args(&[])));
    loop {
        let picture = &venue.json(&["watch", "AMZN", "--once", "--json"])[0];
        if picture["bids"].as_array().unwrap().len() >= 5 {
            break;
        }
    }
    venue.kill();
    let (code, stderr) = drive.finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("connection") && stderr.contains("after"), "{stderr}");
}

#[test]
fn what_cannot_be_played_is_said() {
    let files = generated(1, 10);
    let offset = harness::free_offset().to_string();
    let nobody = run(&files.args(&["--port-offset", &offset]));
    assert_eq!(nobody.status.code(), Some(1));
    assert!(complaint(&nobody).contains("no venue at 127.0.0.1"), "{}", complaint(&nobody));
    for (args, code) in [
        (files.args(&["--rows", "0"]), 2),
        (files.args(&["--rows", "many"]), 2),
        (vec!["drive", "--lobster", "x", "--orderbook", "y", "--symbol", "MUCH TOO LONG"], 2),
        (vec!["drive", "--lobster", "x", "--symbol", "AMZN"], 2),
        (vec!["drive", "--lobster", "/nowhere/x", "--orderbook", "/nowhere/y", "--symbol", "AMZN"], 1),
        (vec!["drive", "--lobster", "/nowhere/x", "--orderbook", "/nowhere/y", "--symbol", "NONE"], 1),
    ] {
        assert_eq!(run(&args).status.code(), Some(code), "{args:?}");
    }

    let venue = Venue::start();
    let broken = self::files("1.0,5,0,1,1,1\n2.0,1,7,x,1000000,1\n", "1000100,5,999900,5\n1000100,5,999900,5\n");
    let output = venue.run(&broken.args(&[]));
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("line 2"), "{}", complaint(&output));
    let wrong = venue.run(&files.args(&["--password", "wrong"]));
    assert_eq!(wrong.status.code(), Some(1));
    assert!(complaint(&wrong).contains("refused the login"), "{}", complaint(&wrong));
    assert!(json_lines(&wrong).is_empty());
}
