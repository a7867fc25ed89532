//! The section `terms` against the real binary: pro-rata matching, self-match prevention and cancel on disconnect by default, each of
//! them a journaled command that is made once.

#![expect(clippy::unwrap_used, reason = "in a test, what should not happen fails it")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at the answers that it waits for")]

mod support;

use std::fs;

use protocol::ouch::outbound::Outbound;
use support::{Client, Venue, eventually, json, run};

const TERMS: &str = "[[terms.bands]]\ninstrument = \"INTC\"\ndynamic_percent = \"10\"\nauction_s = 1\n\n[[terms.matching]]\ninstrument = \"AAPL\"\nalgorithm = \"pro-rata\"\n\n[[terms.accounts]]\naccount = \"DEMO01\"\n\
                     self_match = \"newest\"\ncancel_on_disconnect = true\n\n";

fn config_with(terms: &str) -> String {
    let shipped = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    shipped.replacen("[[instruments]]", &(terms.to_owned() + "[[instruments]]"), 1)
}

/// Quantities of the executions that come next, as many as `count`.
fn executed(client: &mut Client, count: usize) -> Vec<u32> {
    let mut quantities = Vec::new();
    while quantities.len() < count {
        if let Outbound::Executed(done) = eventually("an execution", || Some(client.outbound())) {
            quantities.push(done.quantity.0);
        }
    }
    quantities
}

/// The next Canceled: its number and its reason.
fn canceled(client: &mut Client) -> (u32, char) {
    eventually("a cancel", || {
        let Outbound::Canceled(done) = client.outbound() else { return None };
        Some((done.user_ref_num.0, char::from(done.reason)))
    })
}

#[test]
fn terms_of_the_configuration_hold_and_are_journaled_once() {
    let temp = tempfile::tempdir().unwrap();
    let (config, dir) = (temp.path().join("hft.toml"), temp.path().join("data"));
    let config_path = config.to_str().unwrap();
    fs::write(&config, config_with(TERMS)).unwrap();
    let venue = Venue::start_with(&dir, &["--config", config_path]);
    let mut maker = Client::login(venue.order_port(), "DEMO02");
    let mut other = Client::login(venue.order_port(), "DEMO03");
    let mut own = Client::login(venue.order_port(), "DEMO01");

    // 40 among 20 and 60 are 10 and 30, in order of age.
    maker.enter_tif(1, b'S', 20, "AAPL", 1_000_000, b'0');
    maker.enter_tif(2, b'S', 60, "AAPL", 1_000_000, b'0');
    eventually("both rest", || {
        matches!(maker.outbound(), Outbound::Accepted(taken) if taken.user_ref_num.0 == 2).then_some(())
    });
    other.enter_tif(1, b'B', 40, "AAPL", 1_000_000, b'0');
    assert_eq!(executed(&mut other, 2), [10, 30]);

    // An order of DEMO01 ends where it meets another one of the same account.
    own.enter_tif(1, b'S', 5, "MSFT", 1_000_000, b'0');
    own.enter_tif(2, b'B', 5, "MSFT", 1_000_000, b'0');
    assert_eq!(canceled(&mut own), (2, 'Q'));

    // 20 % above the last trade is outside the band: the instrument pauses, and trades again when its auction is over.
    maker.enter_tif(3, b'S', 1, "INTC", 1_000_000, b'0');
    maker.enter_tif(4, b'S', 5, "INTC", 1_200_000, b'0');
    eventually("both rest", || {
        matches!(maker.outbound(), Outbound::Accepted(taken) if taken.user_ref_num.0 == 4).then_some(())
    });
    other.enter_tif(2, b'B', 1, "INTC", 1_000_000, b'0');
    assert_eq!(executed(&mut other, 1), [1]);
    let mut number = 2;
    let mut is_halted = |other: &mut Client| {
        number += 1;
        other.enter_tif(number, b'B', 1, "INTC", 1_200_000, b'3');
        eventually("an answer", || match other.outbound() {
            Outbound::Rejected(rejected) => Some(rejected.reason == 7),
            Outbound::Accepted(_) => Some(false),
            _ => None,
        })
    };
    assert!(!is_halted(&mut other), "accepted, and dead: it starts the auction");
    assert!(is_halted(&mut other));
    eventually("the end of the auction", || (!is_halted(&mut other)).then_some(()));

    // It goes with its session; the stream says so at the next login.
    drop(own);
    let mut again = Client::login(venue.order_port(), "DEMO01");
    assert_eq!(canceled(&mut again), (2, 'Q'));
    assert_eq!(canceled(&mut again), (1, 'S'));
    venue.stop("-INT");
    // The first start after that ends what sessions the stop cut off.
    Venue::start_with(&dir, &["--config", config_path]).stop("-INT");
    // All commands but those that only bring the time: something is due at any moment.
    let commands = || {
        let stats = json(&run(&["journal", "stats", "--data-dir", dir.to_str().unwrap(), "--json"]));
        stats["records"].as_u64().unwrap() - stats["commands"]["Tick"].as_u64().unwrap_or(0)
    };
    let before = commands();

    // Nothing differs at the next start.
    let venue = Venue::start_with(&dir, &["--config", config_path]);
    let path = venue.dir().to_owned();
    let unchanged = venue.stop("-INT");
    assert_eq!(commands(), before);
    assert_eq!(json(&run(&["replay", "--data-dir", &path, "--json"]))["state_hash"], unchanged["state_hash"]);

    // Without the terms, what was set is undone: one command each.
    fs::write(&config, config_with("")).unwrap();
    Venue::start_with(&dir, &["--config", config_path]).stop("-INT");
    assert_eq!(commands(), before + 3);
}

#[test]
fn terms_that_name_nothing_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let config = temp.path().join("hft.toml");
    for (terms, words) in [
        ("[[terms.matching]]\ninstrument = \"NONE\"\nalgorithm = \"pro-rata\"\n", "terms.matching"),
        ("[[terms.matching]]\ninstrument = \"AAPL\"\nalgorithm = \"lottery\"\n", "lottery"),
        ("[[terms.bands]]\ninstrument = \"AAPL\"\nstatic_percent = \"101\"\nauction_s = 1\n", "terms.bands"),
        ("[[terms.bands]]\ninstrument = \"AAPL\"\nstatic_percent = \"10\"\n", "terms.bands"),
        ("[[terms.accounts]]\naccount = \"DEMO01\"\nself_match = \"always\"\n", "always"),
        ("[[terms.accounts]]\naccount = \"DEMO01\"\nself_match_group = \"ABC\"\n", "self_match_group"),
        (
            "[[terms.accounts]]\naccount = \"DEMO01\"\nself_match = \"newest\"\nself_match_across_firms = true\n",
            "self_match_group",
        ),
        ("[[terms.accounts]]\naccount = \"DEMO01\"\n[[terms.accounts]]\naccount = \"DEMO01\"\n", "terms.accounts"),
    ] {
        fs::write(&config, config_with(terms)).unwrap();
        let refused = run(&["check-config", "--config", config.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(1));
        let said = support::stderr(&refused);
        assert!(said.contains(words), "{said}");
    }
}
