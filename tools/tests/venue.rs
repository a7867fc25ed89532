//! The venue as its user meets it: the real binary, real sockets, kills and restarts.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use protocol::SessionName;
use protocol::ouch::appendage::{AppendageBuffer, Element};
use protocol::ouch::outbound::Outbound;
use support::{Client, Venue, enter, free_offset, json, run, stderr, stdout};

fn data_dir() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("data");
    (temp, path)
}

fn only_segment(dir: &Path) -> PathBuf {
    let segments = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let mut segments = segments.filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    segments.next().unwrap()
}

/// Two accounts trade a little; answers come from both sides.
fn trade(venue: &Venue, first_number: u32) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut maker = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 0);
    let mut taker = Client::login_from(venue.order_port(), "DEMO02", SessionName::BLANK, 0);
    maker.enter(first_number, b'B', 100, "AAPL", 1_503_400);
    maker.enter(first_number + 1, b'B', 100, "AAPL", 1_503_300);
    let mut made = maker.messages(2);
    taker.enter(first_number, b'S', 150, "AAPL", 1_503_300);
    let taken = taker.messages(3);
    made.extend(maker.messages(2));
    (made, taken)
}

#[test]
fn trades_stops_and_replays_to_the_same_hashes() {
    let (_temp, dir) = data_dir();
    let mut venue = Venue::start(&dir);
    let banner = venue.printed.join("\n");
    for said in ["order entry", "feed", "data", "durability", "threads", "ready"] {
        assert!(banner.contains(said), "{said}: {banner}");
    }
    let (made, taken) = trade(&venue, 1);
    assert!(matches!(Outbound::decode(&made[2]).unwrap().0, Outbound::Executed(_)));
    assert!(matches!(Outbound::decode(&taken[0]).unwrap().0, Outbound::Accepted(_)));
    let path = venue.dir().to_owned();
    let while_running = json(&run(&["replay", "--data-dir", &path, "--json"]));
    venue.printed.clear();
    let stopped = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", &path, "--json"]));
    for key in ["records", "last_sequence", "event_hash", "state_hash"] {
        assert_eq!(stopped[key], replayed[key], "{key}");
        assert_eq!(while_running[key], replayed[key], "{key}");
    }
    assert!(replayed["commands_per_second"].is_u64());
    let verified = run(&["journal", "verify", "--data-dir", &path, "--json"]);
    assert!(verified.status.success());
    let verified = json(&verified);
    assert_eq!((verified["ok"].as_bool(), verified["torn_bytes"].as_u64()), (Some(true), Some(0)));
    assert_eq!(verified["last_sequence"], stopped["last_sequence"]);
    let dump = stdout(&run(&["journal", "dump", "--data-dir", &path]));
    assert_eq!(dump.lines().count() as u64, stopped["records"].as_u64().unwrap());
}

#[test]
fn protection_is_taken_over_the_wire() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let mut client = Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 0);
    let with = |number: u32, element: Element| {
        let mut message = enter(number, b'B', 1, "AAPL", 1_000_000, b'0');
        let appendage = AppendageBuffer::new().with(element);
        let tail = appendage.appendage().as_bytes();
        message.truncate(45);
        message.extend(u16::try_from(tail.len()).unwrap().to_be_bytes());
        message.extend(tail);
        message
    };
    client.ask(&with(1, Element::AiqStrategy(b'O')));
    client.ask(&with(2, Element::CancelOnDisconnect(b'Y')));
    client.ask(&with(3, Element::AiqStrategy(b'N')));
    client.ask(&with(4, Element::CancelOnDisconnect(b'N')));
    for _ in 0..4 {
        assert!(matches!(client.outbound(), Outbound::Accepted(_)));
    }
}

#[test]
fn replay_stops_where_it_is_told() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let before = json(&run(&["replay", "--data-dir", venue.dir(), "--json"]));
    trade(&venue, 1);
    let path = venue.dir().to_owned();
    let stopped = venue.stop("-TERM");
    let at = |to: u64| json(&run(&["replay", "--data-dir", &path, "--to", &to.to_string(), "--json"]));
    let again = at(before["last_sequence"].as_u64().unwrap());
    for key in ["last_sequence", "event_hash", "state_hash"] {
        assert_eq!(again[key], before[key], "{key}");
        assert_ne!(again[key], stopped[key], "{key}");
    }
    let empty = at(0);
    assert_eq!((empty["records"].as_u64(), empty["last_sequence"].as_u64()), (Some(0), Some(0)));
    let beyond = run(&["replay", "--data-dir", &path, "--to", "1000000", "--json"]);
    assert_eq!(beyond.status.code(), Some(1), "{}", stderr(&beyond));
}

#[test]
fn a_kill_loses_nothing_that_was_answered() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    trade(&venue, 1);
    let told = |venue: &Venue, messages: usize| {
        let mut clients = [Client::login(venue.order_port(), "DEMO01"), Client::login(venue.order_port(), "DEMO02")];
        let sessions = clients.each_ref().map(|client| client.session);
        (clients.each_mut().map(|client| client.messages(messages)), sessions)
    };
    let before = told(&venue, 4);
    venue.kill();
    let venue = Venue::start(&dir);
    assert_eq!(told(&venue, 4), before, "the same streams, byte for byte");
    // The rest of the second order is still there, numbers go on, and used ones are ignored.
    let mut taker = Client::login_from(venue.order_port(), "DEMO02", before.1[1], 5);
    assert_eq!(taker.next, 5);
    taker.enter(1, b'S', 50, "AAPL", 1_503_300);
    taker.enter_tif(7, b'S', 60, "AAPL", 1_503_300, b'3');
    let answers = [taker.outbound(), taker.outbound(), taker.outbound()];
    let Outbound::Accepted(accepted) = answers[0] else { panic!("{answers:?}") };
    assert_eq!((accepted.user_ref_num.0, accepted.order_ref.0), (7, 4));
    let Outbound::Executed(executed) = answers[1] else { panic!("{answers:?}") };
    assert_eq!((executed.quantity.0, executed.match_number.0), (50, 3));
    let Outbound::Canceled(canceled) = answers[2] else { panic!("{answers:?}") };
    assert_eq!((canceled.quantity.0, canceled.reason), (10, b'I'));
    let path = venue.dir().to_owned();
    let stopped = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", &path, "--json"]));
    assert_eq!(replayed["event_hash"], stopped["event_hash"]);
    assert_eq!(replayed["state_hash"], stopped["state_hash"]);
}

#[test]
fn every_durability_mode_trades() {
    for mode in ["memory", "journal", "fdatasync"] {
        let (_temp, dir) = data_dir();
        let venue = Venue::start_with(&dir, &["--durability", mode]);
        assert!(venue.printed.iter().any(|line| line.contains("durability") && line.contains(mode)));
        trade(&venue, 1);
        let path = venue.dir().to_owned();
        let stopped = venue.stop("-INT");
        let replayed = json(&run(&["replay", "--data-dir", &path, "--json"]));
        if mode == "memory" {
            assert_eq!(replayed["records"], 0, "nothing was written");
        } else {
            assert_eq!(replayed["state_hash"], stopped["state_hash"], "{mode}");
        }
    }
}

#[test]
fn what_cannot_start_says_why_and_exits_1() {
    let (temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    let second = run(&["serve", "--data-dir", venue.dir(), "--port-offset", &free_offset().to_string()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("in use by the venue"), "{}", stderr(&second));
    let other = temp.path().join("other");
    let busy = run(&["serve", "--data-dir", other.to_str().unwrap(), "--port-offset", &venue.offset.to_string()]);
    assert_eq!(busy.status.code(), Some(1));
    assert!(stderr(&busy).contains("--port-offset"), "{}", stderr(&busy));
    let orphan = temp.path().join("missing").join("data");
    let orphan = run(&["serve", "--data-dir", orphan.to_str().unwrap(), "--port-offset", &free_offset().to_string()]);
    assert_eq!(orphan.status.code(), Some(1));
    assert!(stderr(&orphan).contains("missing"), "{}", stderr(&orphan));
    for message in [stderr(&second), stderr(&busy), stderr(&orphan)] {
        assert_eq!(message.lines().count(), 1, "one line: {message}");
    }
}

#[test]
fn a_bad_configuration_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let config = temp.path().join("hft.toml");
    let shipped = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    let dir = temp.path().join("data");
    let serve = |text: &str| {
        fs::write(&config, text).unwrap();
        let offset = free_offset().to_string();
        let config = config.to_str().unwrap();
        run(&["serve", "--config", config, "--data-dir", dir.to_str().unwrap(), "--port-offset", &offset])
    };
    let unknown = serve(&shipped.replace("segment_mib", "segment_mb"));
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("segment_mb"), "{}", stderr(&unknown));
    let open = serve(&shipped.replace("127.0.0.1:9001", "0.0.0.0:9001"));
    assert_eq!(open.status.code(), Some(1));
    assert!(stderr(&open).contains("accounts.demo"), "{}", stderr(&open));
    assert!(!dir.exists(), "nothing was begun");
    let missing = run(&["check-config", "--config", "no-such-file.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("no-such-file.toml"), "{}", stderr(&missing));
}

#[test]
fn a_changed_instrument_is_refused_and_a_new_one_is_listed() {
    let temp = tempfile::tempdir().unwrap();
    let (config, dir) = (temp.path().join("hft.toml"), temp.path().join("data"));
    let shipped = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    let venue = Venue::start(&dir);
    let first = venue.stop("-INT");
    fs::write(&config, shipped.replacen("max_qty = \"999999\"", "max_qty = \"999998\"", 1)).unwrap();
    let (config_path, dir_path) = (config.to_str().unwrap(), dir.to_str().unwrap());
    let offset = free_offset().to_string();
    let changed = run(&["serve", "--config", config_path, "--data-dir", dir_path, "--port-offset", &offset]);
    assert_eq!(changed.status.code(), Some(1));
    assert!(stderr(&changed).contains("AAPL") && stderr(&changed).contains("max_qty"), "{}", stderr(&changed));
    let more = "\n[[instruments]]\nsymbol = \"TSLA\"\nprice_decimals = 4\nqty_decimals = 0\ntick = \"0.01\"\nlot = \"1\"\nmax_qty = \"999999\"\n";
    fs::write(&config, shipped + more).unwrap();
    let venue = Venue::start_with(&dir, &["--config", config_path]);
    let mut client = Client::login(venue.order_port(), "DEMO03");
    client.message();
    client.enter(1, b'B', 1, "TSLA", 1_000_000);
    assert!(matches!(client.outbound(), Outbound::Accepted(_)));
    let path = venue.dir().to_owned();
    let second = venue.stop("-INT");
    // Three for the instrument, the login, the order.
    assert_eq!(second["records"].as_u64().unwrap(), first["records"].as_u64().unwrap() + 5);
    let replayed = json(&run(&["replay", "--data-dir", &path, "--json"]));
    assert_eq!(replayed["state_hash"], second["state_hash"], "the data directory is enough");
}

#[test]
fn damage_stops_the_venue_and_a_torn_tail_does_not() {
    let (_temp, dir) = data_dir();
    let venue = Venue::start(&dir);
    trade(&venue, 1);
    venue.kill();
    let segment = only_segment(&dir);
    let sound = fs::read(&segment).unwrap();
    let last_byte = sound.iter().rposition(|byte| *byte != 0).unwrap();
    let verify = || run(&["journal", "verify", "--data-dir", dir.to_str().unwrap(), "--json"]);

    let mut torn = sound.clone();
    torn[last_byte] ^= 1;
    fs::write(&segment, &torn).unwrap();
    let report = json(&verify());
    assert_eq!(report["ok"].as_bool(), Some(true));
    assert!(report["torn_bytes"].as_u64().unwrap() > 0);

    let mut damaged = sound.clone();
    damaged[4_096 + 40] ^= 1;
    fs::write(&segment, &damaged).unwrap();
    let verified = verify();
    assert_eq!(verified.status.code(), Some(1));
    assert_eq!(json(&verified)["ok"].as_bool(), Some(false));
    let refused = run(&["serve", "--data-dir", dir.to_str().unwrap(), "--port-offset", &free_offset().to_string()]);
    assert_eq!(refused.status.code(), Some(1));
    let message = stderr(&refused);
    assert!(message.contains(".seg") && message.contains("4096") && message.contains("sequence"), "{message}");

    fs::write(&segment, &torn).unwrap();
    let venue = Venue::start(&dir);
    assert!(venue.printed.iter().any(|line| line.contains("cut a torn tail")), "{:#?}", venue.printed);
    assert!(venue.printed.iter().any(|line| line.contains("WARNING")), "what had left is told: {:#?}", venue.printed);
}

#[test]
fn a_journal_that_lost_its_end_is_not_gone_on_with() {
    let (_temp, dir) = data_dir();
    Venue::start(&dir).stop("-INT");
    let first = only_segment(&dir);
    let venue = Venue::start(&dir);
    trade(&venue, 1);
    venue.kill();
    let segments = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    for segment in segments.filter(|path| *path != first) {
        fs::remove_file(segment).unwrap();
    }
    let refused = run(&["serve", "--data-dir", dir.to_str().unwrap(), "--port-offset", &free_offset().to_string()]);
    assert_eq!(refused.status.code(), Some(1), "numbers that clients saw would be used again");
    assert!(stderr(&refused).contains("lost its end"), "{}", stderr(&refused));
}

#[test]
fn a_venue_without_a_journal_starts_anew_each_time() {
    let (_temp, dir) = data_dir();
    for _ in 0..2 {
        let venue = Venue::start_with(&dir, &["--durability", "memory"]);
        trade(&venue, 1);
        venue.stop("-INT");
    }
    trade(&Venue::start(&dir), 1);
}

#[test]
fn missing_directories_and_bad_usage_have_their_exit_codes() {
    for args in [
        &["replay", "--data-dir", "/nonexistent-data", "--json"][..],
        &["journal", "verify", "--data-dir", "/nonexistent-data", "--json"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
    for args in [
        &["journal"][..],
        &["serve", "--port-offset", "many"],
        &["serve", "--durability", "paper"],
        &["replay", "--to", "-1"],
        &["no-such-command"],
        &["serve", "--no-such-flag"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
    for args in [&["serve"][..], &["replay"], &["journal", "verify"], &["journal", "dump"], &["check-config"]] {
        let help = run(&[args, &["--help"]].concat());
        assert!(help.status.success() && stdout(&help).contains("Example"), "{args:?}");
    }
}
