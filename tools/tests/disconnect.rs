//! Orders that end with their session, also when it is the venue that goes.

mod support;

use std::fs;

use protocol::SessionName;
use protocol::ouch::outbound::Outbound;
use support::{Client, Venue, json, run};

/// Reads up to the next Canceled; answers its reason.
fn canceled(client: &mut Client) -> char {
    loop {
        if let Outbound::Canceled(canceled) = client.outbound() {
            return char::from(canceled.reason);
        }
    }
}

#[test]
fn orders_end_with_their_session_where_the_account_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let (config, dir) = (temp.path().join("hft.toml"), temp.path().join("data"));
    let shipped = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    let terms = "\n[[terms.accounts]]\naccount = \"DEMO03\"\ncancel_on_disconnect = true\n";
    fs::write(&config, shipped + terms).unwrap();
    let config = config.to_str().unwrap();
    let venue = Venue::start_with(&dir, &["--config", config]);
    let (mut leaving, mut staying) =
        (Client::login(venue.order_port(), "DEMO03"), Client::login(venue.order_port(), "DEMO01"));
    for client in [&mut leaving, &mut staying] {
        client.enter(1, b'B', 10, "AAPL", 1_000_000);
        client.messages(2);
    }
    drop((leaving, staying));
    let mut back = Client::login_from(venue.order_port(), "DEMO03", SessionName::BLANK, 3);
    assert_eq!(canceled(&mut back), 'S');
    // Now it is the venue that goes, without a word.
    back.enter(2, b'B', 10, "AAPL", 1_000_000);
    back.message();
    let seen = back.next;
    venue.kill();
    let venue = Venue::start_with(&dir, &["--config", config]);
    let path = venue.dir().to_owned();
    let mut back = Client::login_from(venue.order_port(), "DEMO03", SessionName::BLANK, seen);
    assert_eq!(canceled(&mut back), 'S');
    let book = json(&run(&["book", "AAPL", "--data-dir", &path, "--json"]));
    assert_eq!(book["bids"][0]["displayed"], "10", "that of DEMO01 stays: {book}");
    let stopped = venue.stop("-INT");
    assert_eq!(json(&run(&["replay", "--data-dir", &path, "--json"]))["state_hash"], stopped["state_hash"]);
}
