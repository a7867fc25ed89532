//! The benches as their user starts them, small: what they print is whole. No figure is judged here.

mod support;

use serde_json::Value;
use support::{json, run, stdout};

#[test]
fn all_benches_come_in_one_report() {
    let temp = tempfile::tempdir().unwrap();
    let (out, dir) = (temp.path().join("report"), temp.path());
    let offset = support::free_offset().to_string();
    let args = ["bench", "all", "--quick", "--out", out.to_str().unwrap(), "--dir", dir.to_str().unwrap()];
    let told = stdout(&run(&[&args[..], &["--port-offset", &offset]].concat()));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    let titles: Vec<&str> =
        report["sections"].as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), 5, "jitter, ring, core, journal, feed: {titles:?}");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.len() < 500_000 && !page.contains("http"), "{} bytes", page.len());
    for wanted in titles.iter().chain(&["recovery all checks per second", "itch-mix", "stage by stage", "5000/s"]) {
        assert!(page.contains(wanted) && told.contains(wanted), "{wanted}: {told}");
    }
    // The stages of the budget add up to the whole, but for the rounding of their means.
    let took = |name: &str| {
        let line =
            report["budget"].as_array().unwrap().iter().find(|line| line["stage"].as_str().unwrap().starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}"))["took_ns"].as_u64().unwrap()
    };
    let parts: u64 = ["sequenced", "matched", "durable", "written"].iter().map(|name| took(name)).sum();
    assert!(took("whole").abs_diff(parts) <= 4, "{parts} of {}", took("whole"));
    assert!(took("round trip") >= took("outside"), "{report}");
    assert!(
        report["budget"]
            .as_array()
            .unwrap()
            .iter()
            .all(|line| line["limit"].as_str().is_some_and(|text| !text.is_empty()))
    );
    assert!(out.join("rate-1000-0.hlog").exists());
    let same = out.join("report.json");
    let compared = stdout(&run(&["bench", "compare", same.to_str().unwrap(), same.to_str().unwrap()]));
    assert!(compared.contains("within the noise") && !compared.contains("slower"), "{compared}");
}

#[test]
fn the_cost_of_the_counters_is_told() {
    let offset = support::free_offset().to_string();
    let args = ["bench", "counters", "--rounds", "2", "--orders", "100", "--commands", "20000", "--json"];
    let found = json(&run(&[&args[..], &["--port-offset", &offset]].concat()));
    for name in ["round_trip_ratio", "core_ratio"] {
        assert!(found[name]["median"].as_f64().is_some_and(|ratio| ratio > 0.0), "{name}: {found}");
    }
    assert!(found["within_bound"].is_boolean() || found["within_bound"].is_null(), "{found}");
}

#[test]
fn small_benches_speak_json_too() {
    for args in [&["bench", "ring", "--trips", "500"][..], &["bench", "jitter", "--seconds", "1"]] {
        let found = json(&run(&[args, &["--json"]].concat()));
        assert!(found["host"]["kernel"].is_string(), "{found}");
        assert!(found["found"]["rows"].as_object().is_some_and(|rows| !rows.is_empty()), "{found}");
    }
}
