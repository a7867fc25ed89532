//! Each row of soupbintcp.md §7 (what the server must do) and of its login table against the real binary.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use protocol::SessionName;
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{self, LoginRequest};
use support::{Client, PATIENCE, Venue, enter, eventually, run, stderr, stdout};

const BLANK: &[u8; 10] = b"          ";
const ONE: &[u8; 20] = b"                   1";

fn packet(packet_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; payload.len() + 3];
    soupbin::encode(packet_type, payload, &mut bytes).unwrap();
    bytes
}

fn raw_login(user: [u8; 6], password: &[u8; 10], session: &[u8; 10], sequence: &[u8; 20]) -> Vec<u8> {
    LoginRequest { username: user, password: *password, session: *session, sequence: *sequence }.to_packet().to_vec()
}

/// A venue on the shipped configuration with other values for some keys.
fn venue_with(folder: &Path, changes: &[(&str, &str)]) -> Venue {
    let mut text = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let config: PathBuf = folder.join("hft.toml");
    fs::write(&config, text).unwrap();
    Venue::start_with(&folder.join("data"), &["--config", config.to_str().unwrap()])
}

/// Logged in, with the System Event read.
fn session(venue: &Venue, account: &str) -> Client {
    let mut client = Client::login(venue.order_port(), account);
    assert_eq!(client.message()[0], b'S');
    client
}

/// What is answered to these first bytes before the venue closes.
fn answer_to(venue: &Venue, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut client = Client::connect(venue.order_port());
    client.try_send(bytes);
    let answer = client.packet();
    assert!(answer.is_none() || client.packet().is_none(), "nothing follows");
    answer.map(|(packet_type, payload)| [&[packet_type][..], &payload].concat())
}

#[test]
fn what_comes_first_and_who_may_log_in() {
    let temp = tempfile::tempdir().unwrap();
    let venue = venue_with(temp.path(), &[("login_backoff_ms_max = 1000", "login_backoff_ms_max = 0")]);
    let current = session(&venue, "DEMO01").session;
    // Neither L nor +: closed without J.
    let closed = [
        packet(b'U', &enter(1, b'B', 1, "AAPL", 1_000_000, b'0')),
        packet(b'R', b""),
        packet(b'O', b""),
        packet(b'A', b""),
        packet(b'S', b"x"),
        packet(b'?', b""),
        vec![0, 0],
        b"GET / HTTP/1.1\r\n\r\n".repeat(1_100),
    ];
    for bytes in &closed {
        assert_eq!(answer_to(&venue, bytes), None, "{bytes:?}");
    }
    let beyond = b"                   3";
    let judged: [(&str, Vec<u8>, &[u8]); 13] = [
        ("45 bytes", packet(b'L', &[b' '; 45]), b"JA"),
        ("47 bytes", packet(b'L', &[b' '; 47]), b"JA"),
        ("no bytes", packet(b'L', b""), b"JA"),
        ("unknown user", raw_login(*b"NOBODY", b"demo-pass ", BLANK, ONE), b"JA"),
        ("wrong password", raw_login(*b"DEMO01", b"demo-past ", BLANK, ONE), b"JA"),
        ("blank user", raw_login(*b"      ", b"demo-pass ", BLANK, ONE), b"JA"),
        ("blank password", raw_login(*b"DEMO01", BLANK, BLANK, ONE), b"JA"),
        ("no number", raw_login(*b"DEMO01", b"demo-pass ", BLANK, b"                 one"), b"JA"),
        ("blank number", raw_login(*b"DEMO01", b"demo-pass ", BLANK, &[b' '; 20]), b"JA"),
        ("negative", raw_login(*b"DEMO01", b"demo-pass ", BLANK, b"                  -1"), b"JA"),
        ("beyond the end", raw_login(*b"DEMO01", b"demo-pass ", BLANK, beyond), b"JS"),
        ("beyond the end of the current", raw_login(*b"DEMO01", b"demo-pass ", &current.0, beyond), b"JS"),
        ("unknown session", raw_login(*b"DEMO01", b"demo-pass ", b"S999999999", ONE), b"JS"),
    ];
    for (name, bytes, expected) in &judged {
        assert_eq!(answer_to(&venue, bytes).as_deref(), Some(*expected), "{name}");
    }
    // The good ones: blank or current, 1 to last + 1, 0 = nothing old; padded on either side, in any case, after a Debug.
    for session in [BLANK, &current.0] {
        for (sequence, answered) in [(ONE, 1), (b"2                   ", 2), (b"                   0", 2)] {
            let mut client = Client::connect(venue.order_port());
            client.send(&packet(b'+', b"hello"));
            client.send(&raw_login(*b"demo01", b" DEMO-Pass", session, sequence));
            let (packet_type, payload) = client.packet().unwrap();
            assert_eq!((packet_type, &payload[..10]), (b'A', &current.0[..]));
            assert_eq!(payload[10..], *format!("{answered:>20}").as_bytes(), "right-justified");
            if answered == 1 {
                assert_eq!(client.message()[0], b'S');
            }
        }
    }
    venue.stop("-TERM");
}

#[test]
fn what_ends_a_session_and_what_does_not() {
    let temp = tempfile::tempdir().unwrap();
    let venue = venue_with(temp.path(), &[]);
    let cut = [
        raw_login(*b"DEMO01", b"demo-pass ", BLANK, ONE),
        packet(b'L', b"short"),
        packet(b'A', &[b' '; 30]),
        packet(b'J', b"A"),
        packet(b'S', b"x"),
        packet(b'H', b""),
        packet(b'Z', b""),
        packet(b'?', b""),
        packet(0, b""),
        vec![0, 0],
    ];
    for bytes in &cut {
        let mut client = session(&venue, "DEMO01");
        client.send(bytes);
        assert!(client.is_closed(), "{bytes:?}");
    }
    // These do not: text, heartbeats with a payload, empty and unreadable messages.
    let mut client = session(&venue, "DEMO01");
    for bytes in [
        packet(b'+', b""),
        packet(b'+', &[b'x'; 2_000]),
        packet(b'R', b""),
        packet(b'R', b"payload"),
        packet(b'U', b""),
        packet(b'U', b"?"),
        packet(b'U', b"O"),
        packet(b'U', &[0xff; 200]),
    ] {
        client.send(&bytes);
    }
    client.enter(1, b'B', 1, "AAPL", 1_000_000);
    let answered = client.message();
    assert_eq!((answered[0], &answered[9..13]), (b'A', &[0, 0, 0, 1][..]));
    // The newest login wins, and the session goes on where it was; a bad login displaces nobody.
    assert_eq!(answer_to(&venue, &raw_login(*b"DEMO01", b"wrong     ", BLANK, ONE)).as_deref(), Some(&b"JA"[..]));
    client.enter(2, b'B', 1, "AAPL", 1_000_000);
    assert_eq!(client.message()[0], b'A');
    let mut newer = Client::login_from(venue.order_port(), "DEMO01", client.session, client.next);
    assert!(client.is_closed(), "displaced");
    newer.enter(3, b'B', 1, "AAPL", 1_000_000);
    assert_eq!(newer.message()[0], b'A');
    // Logout, with a payload too: closed at once, without an answer; orders rest.
    newer.send(&packet(b'O', b"payload"));
    assert!(newer.is_closed());
    let mut last = Client::login_from(venue.order_port(), "DEMO01", newer.session, newer.next);
    last.ask(&[b'X', 0, 0, 0, 1, 0, 0, 0, 0]);
    assert!(matches!(last.outbound(), Outbound::Canceled(_)), "the order was there");
    venue.stop("-TERM");
}

#[test]
fn times_are_kept_and_the_session_outlives_them() {
    let temp = tempfile::tempdir().unwrap();
    let changes = [("login_ms = 30000", "login_ms = 1000"), ("silence_ms = 15000", "silence_ms = 2000")];
    let venue = venue_with(temp.path(), &changes);
    let mut mute = Client::connect(venue.order_port());
    let mut text_only = Client::connect(venue.order_port());
    text_only.send(&packet(b'+', b"hello"));
    assert!(mute.is_closed() && text_only.is_closed(), "no login in time");
    let mut silent = session(&venue, "DEMO01");
    silent.enter(1, b'B', 1, "AAPL", 1_000_000);
    let kept = silent.message();
    assert!(silent.is_closed(), "nothing was received for the time of silence");
    let mut again = Client::login_from(venue.order_port(), "DEMO01", silent.session, 2);
    assert_eq!(again.message(), kept, "the session and its history are kept");
    // Any byte is a sign of life; an idle venue sends a heartbeat after a second, and none before a login.
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", venue.order_port())).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let login = raw_login(*b"DEMO02", b"demo-pass ", BLANK, b"                   0");
    std::io::Write::write_all(&mut socket, &login).unwrap();
    let (mut received, mut room) = (Vec::new(), [0; 256]);
    let mut beats = 0_u32;
    socket.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    eventually("two heartbeats while we say something now and then", || {
        std::io::Write::write_all(&mut socket, if beats.is_multiple_of(2) { b"\0\x01" } else { b"R" }).unwrap();
        beats += 1;
        match std::io::Read::read(&mut socket, &mut room) {
            Ok(read) => {
                assert!(read > 0, "cut although it spoke");
                received.extend_from_slice(&room[..read]);
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        (received.len() >= 33 + 6).then_some(())
    });
    assert_eq!(received[33..39], [0, 1, b'H', 0, 1, b'H']);
    venue.stop("-TERM");
}

#[test]
fn a_reader_that_is_too_slow_is_cut_and_replays_on_its_return() {
    let temp = tempfile::tempdir().unwrap();
    let venue = venue_with(temp.path(), &[("unsent_mib_max = 4", "unsent_mib_max = 1")]);
    let mut other = session(&venue, "DEMO02");
    let mut slow = session(&venue, "DEMO01");
    // It sends orders that end at once, and never reads: 67 bytes of answer for 50 of request.
    let mut sent = 0_u32;
    let burst = |sent: u32| -> Vec<u8> {
        (1..=500).flat_map(|n| packet(b'U', &enter(sent + n, b'B', 1, "AAPL", 1_000_000, b'3'))).collect()
    };
    while slow.try_send(&burst(sent)) {
        sent += 500;
        assert!(sent < 5_000_000, "it is never cut");
    }
    other.enter(1, b'B', 1, "AAPL", 1_000_000);
    assert_eq!(other.message()[0], b'A', "the other does not notice");
    // Back again: everything that was answered, in order, once.
    let last = Client::login_from(venue.order_port(), "DEMO01", slow.session, 0).next - 1;
    assert!(last > 1_000, "{last}");
    let mut back = Client::login_from(venue.order_port(), "DEMO01", slow.session, 1);
    assert_eq!(back.message()[0], b'S');
    for number in (1_u32..).take(usize::try_from(last).unwrap() - 1) {
        let answer = back.message();
        assert_eq!((answer[0], &answer[9..13]), (b'A', &number.to_be_bytes()[..]));
    }
    venue.stop("-TERM");
}

#[test]
fn a_full_sized_packet_passes_in_pieces_and_the_end_of_the_day_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let venue = venue_with(temp.path(), &[]);
    let mut client = session(&venue, "DEMO01");
    // The longest packet there is, in pieces of every size.
    let longest = packet(b'+', &vec![b'x'; 65_534]);
    let mut rest = &longest[..];
    let mut piece = 1;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(piece));
        client.send(now);
        (rest, piece) = (later, piece % 4_099 + 97);
    }
    client.enter_tif(1, b'B', 1, "AAPL", 1_000_000, b'0');
    assert_eq!(client.message()[0], b'A');
    let rolled = run(&["roll", "--data-dir", venue.dir()]);
    assert!(rolled.status.success(), "{}{}", stdout(&rolled), stderr(&rolled));
    // The day order ends, then the session, then the connection.
    assert!(matches!(client.outbound(), Outbound::Canceled(_)));
    let mut last = client.packet().unwrap();
    while last.0 == b'S' {
        last = client.packet().unwrap();
    }
    assert_eq!(last, (b'Z', Vec::new()));
    assert!(client.is_closed());
    let old = LoginRequest::new("DEMO01", "demo-pass", client.session, 1).unwrap();
    assert_eq!(answer_to(&venue, &old.to_packet()).as_deref(), Some(&b"JS"[..]), "it can no longer be joined");
    assert_ne!(Client::login_from(venue.order_port(), "DEMO01", SessionName::BLANK, 1).session, client.session);
    venue.stop("-TERM");
}
