//! What one client may use up of the real binary, and what becomes of passwords: limits from the configuration, argon2id hashes in
//! the data directory, and no secret in anything that is printed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use protocol::SessionName;
use protocol::soupbin::LoginRequest;
use support::{Client, Venue, eventually, hft, run, stderr, stdout};

/// A configuration with other values for some keys, and more sections.
fn config(folder: &Path, changes: &[(&str, &str)], more: &str) -> PathBuf {
    let mut text = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let path = folder.join("hft.toml");
    fs::write(&path, text.replacen("[[instruments]]", &format!("{more}\n[[instruments]]"), 1)).unwrap();
    path
}

fn login_with(venue: &Venue, account: &str, password: &str) -> char {
    let mut client = Client::connect(venue.order_port());
    client.send(&LoginRequest::new(account, password, SessionName::BLANK, 1).unwrap().to_packet());
    char::from(client.packet().unwrap().0)
}

#[test]
fn a_fast_session_waits_and_loses_nothing_and_connections_are_bounded() {
    let temp = tempfile::tempdir().unwrap();
    let changes = [
        ("messages_per_s_max = 1000000", "messages_per_s_max = 400"),
        ("connections_per_address_max = 1024", "connections_per_address_max = 3"),
        ("frame_ms = 30000", "frame_ms = 100"),
        ("frame_bytes_max = 65537", "frame_bytes_max = 500"),
    ];
    let config = config(temp.path(), &changes, "");
    let venue = Venue::start_with(&temp.path().join("data"), &["--config", config.to_str().unwrap()]);
    let mut fast = Client::login(venue.order_port(), "DEMO01");
    for number in 1..=200 {
        fast.enter(number, b'B', 1, "AAPL", 1_000_000);
    }
    let answers = fast.messages(201);
    assert!(answers[1..].iter().zip(1_u32..).all(|(answer, number)| answer[9..13] == number.to_be_bytes()));

    let mut long = Client::login(venue.order_port(), "DEMO02");
    long.messages(1);
    long.send(&[1, 243]);
    assert!(long.is_closed(), "a packet above the bound");
    let mut half = Client::connect(venue.order_port());
    half.send(&[0, 47, b'L']);
    assert!(half.is_closed(), "half a packet");

    drop((long, half));
    let mut others = Vec::new();
    for account in ["DEMO03", "DEMO04"] {
        others.push(eventually("a place for another session", || {
            let mut client = Client::connect(venue.order_port());
            let login = LoginRequest::new(account, "demo-pass", SessionName::BLANK, 1).unwrap();
            (client.try_send(&login.to_packet()) && client.packet().is_some()).then_some(client)
        }));
    }
    assert!(Client::connect(venue.order_port()).is_closed(), "the fourth from one address");
    venue.stop("-TERM");
}

#[test]
fn passwords_are_hashed_changed_and_never_shown() {
    let temp = tempfile::tempdir().unwrap();
    let account = "[[accounts.list]]\nname = \"ALPHA1\"\nfirm = \"ALPH\"\npassword = \"s3cret\"\n";
    let config = config(temp.path(), &[("memory_kib = 19456", "memory_kib = 2048")], account);
    let (config, dir) = (config.to_str().unwrap(), temp.path().join("data"));
    let mut venue = Venue::start_with(&dir, &["--config", config]);
    for _ in 0..5 {
        assert_eq!(login_with(&venue, "ALPHA1", "wrong"), 'J');
    }
    assert_eq!(login_with(&venue, "ALPHA1", "S3CRET"), 'A', "wrong guesses lock nobody out");
    assert_eq!(login_with(&venue, "NOBODY", "s3cret"), 'J');
    let hashes = fs::read_to_string(dir.join("passwords")).unwrap();
    assert!(hashes.starts_with("ALPHA1 argon2id m=2048,t=2,p=1 "), "{hashes}");

    let mut passwd = hft(&["account", "passwd", "ALPHA1", "--data-dir", venue.dir()]);
    let mut child = passwd.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"n3w-pass\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert_eq!((login_with(&venue, "ALPHA1", "s3cret"), login_with(&venue, "ALPHA1", "n3w-pass")), ('J', 'A'));
    assert_ne!(fs::read_to_string(dir.join("passwords")).unwrap(), hashes);

    let checked = run(&["check-config", "--config", config]);
    let mut shown = vec![stdout(&checked), stderr(&checked), stdout(&output), stderr(&output)];
    shown.push(fs::read_to_string(dir.join("passwords")).unwrap());
    shown.push(stdout(&run(&["journal", "dump", "--data-dir", venue.dir()])));
    shown.push(stdout(&run(&["account", "list", "--data-dir", venue.dir(), "--json"])));
    shown.append(&mut venue.printed);
    venue.kill();

    // The data directory goes before the configuration from the second start on.
    let mut venue = Venue::start_with(&dir, &["--config", config]);
    assert_eq!((login_with(&venue, "ALPHA1", "s3cret"), login_with(&venue, "ALPHA1", "n3w-pass")), ('J', 'A'));
    shown.append(&mut venue.printed);
    venue.stop("-INT");
    assert!(shown.iter().any(|text| text.contains("ALPHA1")));
    for text in shown {
        assert!(!text.contains("s3cret") && !text.contains("n3w-pass"), "{text}");
    }
}

#[test]
fn a_hangup_changes_what_can_change_and_names_the_rest() {
    let temp = tempfile::tempdir().unwrap();
    let path = config(temp.path(), &[], "");
    let mut venue = Venue::start_with(&temp.path().join("data"), &["--config", path.to_str().unwrap()]);
    let mut session = Client::login(venue.order_port(), "DEMO01");
    session.messages(1);
    let hang_up = |venue: &Venue| {
        let pid = venue.pid().to_string();
        assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    };
    config(
        temp.path(),
        &[("frame_bytes_max = 65537", "frame_bytes_max = 300"), ("commands = 16384", "commands = 8192")],
        "",
    );
    hang_up(&venue);
    venue.wait_for("reloaded: 1 changed");
    let told = venue.printed.join("\n");
    assert!(told.contains("reload: order_entry.frame_bytes_max = 300, was 65537"), "{told}");
    assert!(told.contains("reload: rings.commands stays 16384: it takes a restart"), "{told}");
    // The session goes on under the new limit.
    session.enter(1, b'B', 1, "AAPL", 1_000_000);
    assert_eq!(session.message()[0], b'A');
    eventually("the new limit", || {
        let mut long = Client::connect(venue.order_port());
        long.send(&[2, 0, b'+']);
        long.try_send(&[b'x'; 511]).then(|| long.is_closed_now()).filter(|closed| *closed)
    });
    fs::write(&path, "nonsense").unwrap();
    hang_up(&venue);
    eventually("the refusal", || {
        venue.next_line().filter(|line| line.starts_with("reload refused, nothing has changed"))
    });
    session.enter(2, b'B', 1, "AAPL", 1_000_000);
    assert_eq!(session.message()[0], b'A');
    venue.stop("-TERM");
}
