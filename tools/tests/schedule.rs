//! The trading schedule against the real binary: a state that comes with its time, and one that was missed while the venue
//! was down.

#![expect(clippy::unwrap_used, reason = "in a test, what should not happen fails it")]
#![expect(clippy::disallowed_methods, reason = "the schedule is one of the wall clock")]

mod support;

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::ouch::outbound::Outbound;
use support::{Client, Venue, eventually, json, run};

/// Seconds of the day, UTC.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 86_400
}

fn config_with(events: &[(u64, &str)]) -> String {
    let shipped = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    let own = |line: &&str| !line.starts_with("zone = ") && !line.starts_with("roll_at = ");
    let shipped = shipped.lines().filter(own).collect::<Vec<_>>().join("\n");
    let events = events.iter().map(|(at, state)| {
        let at = at % 86_400;
        let (hour, minute, second) = (at / 3_600, at / 60 % 60, at % 60);
        format!(
            "[[schedule.events]]\nat = \"{hour:02}:{minute:02}:{second:02}\"\nstate = \"{state}\"\ninstruments = [\"AAPL\"]\n"
        )
    });
    let schedule = "[schedule]\nroll_at = \"never\"\n".to_owned() + &events.collect::<Vec<_>>().concat();
    shipped.replacen("[schedule]", &schedule, 1)
}

/// What an immediate order is told: state `D` while there is trading, rejected while there is none.
fn is_halted(client: &mut Client, number: u32, symbol: &str) -> bool {
    client.enter_tif(number, b'B', 1, symbol, 1_000_000, b'3');
    eventually("an answer", || {
        let answer = client.outbound();
        let is_rejected = matches!(answer, Outbound::Rejected(_));
        (is_rejected || matches!(answer, Outbound::Accepted(_))).then_some(is_rejected)
    })
}

#[test]
fn a_state_comes_with_its_time_and_a_missed_one_at_the_start() {
    let temp = tempfile::tempdir().unwrap();
    let (config, dir) = (temp.path().join("hft.toml"), temp.path().join("data"));
    let config_path = config.to_str().unwrap();
    // Trading since an hour ago; the halt is a few seconds ahead.
    let start = now_s();
    fs::write(&config, config_with(&[(start + 82_800, "trading"), (start + 3, "halted")])).unwrap();
    let venue = Venue::start_with(&dir, &["--config", config_path]);
    let mut client = Client::login(venue.order_port(), "DEMO01");
    let mut number = 0;
    let mut ask = |client: &mut Client, symbol| {
        number += 1;
        is_halted(client, number, symbol)
    };
    eventually("the halt", || ask(&mut client, "AAPL").then_some(()));
    assert!(!ask(&mut client, "MSFT"), "of AAPL only");
    venue.kill();

    // While it was down, trading was to begin again.
    fs::write(&config, config_with(&[(start + 82_800, "halted"), (now_s(), "trading")])).unwrap();
    let venue = Venue::start_with(&dir, &["--config", config_path]);
    let mut client = Client::login(venue.order_port(), "DEMO01");
    assert!(!ask(&mut client, "AAPL"));
    let path = venue.dir().to_owned();
    let stopped = venue.stop("-INT");
    assert_eq!(json(&run(&["replay", "--data-dir", &path, "--json"]))["state_hash"], stopped["state_hash"]);
}

#[test]
fn a_schedule_that_cannot_be_followed_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let config = temp.path().join("hft.toml");
    fs::write(&config, config_with(&[(0, "open")])).unwrap();
    let refused = run(&["check-config", "--config", config.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    let said = support::stderr(&refused);
    assert!(said.contains("schedule.events state") && said.contains("pre-open"), "{said}");
}
