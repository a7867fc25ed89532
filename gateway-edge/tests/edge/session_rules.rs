//! Each row of soupbintcp.md §3 (logins) and §7 (what the server must do).

use protocol::soupbin::LoginRequest;
use protocol::{AccountId, CommandBody, VenueCommand};

use crate::client::{accepted_sequence, enter, login, packet};
use crate::rig::{Rig, config};
use crate::venue::{OPERATOR, open_account};

const REJECTED_A: &[u8] = &[0, 2, b'J', b'A'];
const REJECTED_S: &[u8] = &[0, 2, b'J', b'S'];

/// A login packet with its fields as they are given.
fn raw_login(username: [u8; 6], password: &[u8; 10], session: &[u8; 10], sequence: &[u8; 20]) -> Vec<u8> {
    let login = LoginRequest { username, password: *password, session: *session, sequence: *sequence };
    login.to_packet().to_vec()
}

fn answer_to(rig: &mut Rig, bytes: &[u8]) -> Vec<u8> {
    let mut client = rig.connect();
    client.send(bytes);
    rig.until_closed(&mut client);
    client.received().to_vec()
}

#[test]
fn a_good_login_is_accepted_and_the_stream_follows() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    client.log_in("DEMO01", 1);
    let accepted = rig.packet(&mut client);
    assert_eq!(accepted.0, b'A');
    assert_eq!(accepted.1, b"S000000001                   1");
    let message = rig.message(&mut client);
    assert_eq!((message.len(), message[0], message[9]), (10, b'S', b'S'));
    assert_eq!(rig.edge.counters().logins_accepted, 1);
}

#[test]
fn names_and_passwords_are_compared_without_case_and_padding() {
    let mut rig = Rig::new();
    for username in [*b"DEMO01", *b"demo01", *b"dEmO01"] {
        for password in [b"demo-pass ", b" demo-pass", b"DEMO-PASS "] {
            let mut client = rig.connect();
            client.send(&raw_login(username, password, b"          ", b"1                   "));
            assert_eq!(accepted_sequence(&rig.packet(&mut client)), 1);
        }
    }
}

#[test]
fn bad_logins_are_told_why_and_closed() {
    let mut rig = Rig::new();
    let blank = b"          ";
    let one = b"                   1";
    let table: &[(&str, Vec<u8>, &[u8])] = &[
        ("unknown user", raw_login(*b"DEMO09", b"demo-pass ", blank, one), REJECTED_A),
        ("wrong password", raw_login(*b"DEMO01", b"demo-past ", blank, one), REJECTED_A),
        ("blank password", raw_login(*b"DEMO01", blank, blank, one), REJECTED_A),
        ("blank user", raw_login(*b"      ", b"demo-pass ", blank, one), REJECTED_A),
        ("password without account", raw_login(*b"DENIED", b"demo-pass ", blank, one), REJECTED_A),
        ("no number", raw_login(*b"DEMO01", b"demo-pass ", blank, b"                 one"), REJECTED_A),
        ("blank number", raw_login(*b"DEMO01", b"demo-pass ", blank, b"                    "), REJECTED_A),
        ("negative number", raw_login(*b"DEMO01", b"demo-pass ", blank, b"                  -1"), REJECTED_A),
        ("beyond the end", raw_login(*b"DEMO01", b"demo-pass ", blank, b"                   3"), REJECTED_S),
        ("beyond 64 bits", raw_login(*b"DEMO01", b"demo-pass ", blank, b"99999999999999999999"), REJECTED_S),
        ("unknown session", raw_login(*b"DEMO01", b"demo-pass ", b"S000000002", one), REJECTED_S),
        ("too short", packet(b'L', &[b' '; 45]), REJECTED_A),
        ("too long", packet(b'L', &[b' '; 47]), REJECTED_A),
        ("empty", packet(b'L', b""), REJECTED_A),
    ];
    for (name, bytes, expected) in table {
        assert_eq!(answer_to(&mut rig, bytes), *expected, "{name}");
        assert!(rig.edge.counters().logins_accepted == 0, "{name}");
    }
    assert_eq!(rig.edge.counters().logins_rejected, table.len() as u64);
}

#[test]
fn a_reject_arrives_although_more_was_sent() {
    let mut rig = Rig::new();
    let mut bytes = raw_login(*b"DEMO01", b"wrong     ", b"          ", b"                   1");
    for number in 1..200 {
        bytes.extend(packet(b'U', &enter(number, b'B', 100, 1_000_000)));
    }
    assert_eq!(answer_to(&mut rig, &bytes), REJECTED_A);
    assert_eq!(rig.edge.counters().commands, 0);
}

#[test]
fn sessions_and_sequences_of_good_logins() {
    let mut rig = Rig::new();
    let sessions = [b"          ", b"S000000001"];
    let table = [(b"                   1", 1), (b"                   2", 2), (b"                   0", 2)];
    for session in sessions {
        for (sequence, expected) in table {
            let mut client = rig.connect();
            client.send(&raw_login(*b"DEMO01", b"demo-pass ", session, sequence));
            assert_eq!(accepted_sequence(&rig.packet(&mut client)), expected);
        }
    }
}

#[test]
fn debug_is_ignored_before_and_after_the_login() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    client.send_packet(b'+', b"hello");
    client.log_in("DEMO01", 0);
    client.send_packet(b'+', b"");
    client.send_packet(b'+', &b"x".repeat(65_534));
    assert_eq!(accepted_sequence(&rig.packet(&mut client)), 2);
    client.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    assert_eq!(rig.message(&mut client)[0], b'A');
}

#[test]
fn what_must_not_come_first_closes_without_an_answer() {
    let mut rig = Rig::new();
    let first = [
        packet(b'U', &enter(1, b'B', 100, 1_000_000)),
        packet(b'R', b""),
        packet(b'O', b""),
        packet(b'A', b""),
        packet(b'S', b""),
        packet(b'H', b""),
        packet(b'Z', b""),
        packet(b'?', b""),
        vec![0, 0],
        vec![0, 0, b'L'],
        b"GET / HTTP/1.1\r\n\r\n".repeat(5000),
    ];
    for bytes in &first {
        let mut client = rig.connect();
        let mut sent = 0;
        rig.until(|_| {
            sent += if client.is_closed() { bytes.len() - sent } else { client.send_some(&bytes[sent..]) };
            (sent == bytes.len()).then_some(())
        });
        rig.until_closed_silently(&mut client);
    }
    assert_eq!(rig.edge.counters().commands, 0);
    assert_eq!(rig.edge.counters().protocol_violations, first.len() as u64);
}

#[test]
fn what_must_not_come_after_the_login_closes() {
    let mut rig = Rig::new();
    let later = [
        login("DEMO01", 1),
        packet(b'L', b"short"),
        packet(b'A', b""),
        packet(b'J', b"A"),
        packet(b'S', b"x"),
        packet(b'H', b""),
        packet(b'Z', b""),
        packet(b'u', b""),
        packet(0, b""),
        packet(255, b""),
        vec![0, 0],
    ];
    for bytes in &later {
        let mut client = rig.log_in("DEMO01", 0);
        let before = client.received().len();
        client.send(bytes);
        rig.until_closed(&mut client);
        assert_eq!(client.received().len(), before);
    }
    assert_eq!(rig.edge.counters().protocol_violations, later.len() as u64);
}

#[test]
fn heartbeat_and_logout_may_carry_a_payload() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    client.send_packet(b'R', b"payload");
    client.send_packet(b'R', b"");
    client.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    assert_eq!(rig.message(&mut client)[0], b'A');
    client.send_packet(b'O', b"payload");
    rig.until_closed(&mut client);
    assert_eq!(rig.edge.counters().protocol_violations, 0);
    rig.until(|rig| (rig.edge.counters().connections_open == 1).then_some(()));
}

#[test]
fn a_new_login_of_the_same_account_wins() {
    let mut rig = Rig::new();
    let mut old = rig.log_in("DEMO01", 0);
    let mut other = rig.log_in("DEMO02", 0);
    let mut new = rig.log_in("DEMO01", 0);
    rig.until_closed(&mut old);
    assert_eq!(rig.edge.counters().logins_displaced, 1);
    new.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    other.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    assert_eq!(rig.message(&mut new)[0], b'A');
    assert_eq!(rig.message(&mut other)[0], b'A');
}

#[test]
fn a_failed_login_displaces_nobody() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    let wrong = raw_login(*b"DEMO01", b"wrong     ", b"          ", b"                   1");
    assert_eq!(answer_to(&mut rig, &wrong), REJECTED_A);
    client.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    assert_eq!(rig.message(&mut client)[0], b'A');
}

#[test]
fn messages_that_are_no_messages_leave_the_connection_alone() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    client.send_packet(b'U', b"");
    client.send_packet(b'U', b"?");
    client.send_packet(b'U', b"O\0\0");
    client.send_packet(b'U', &b"?".repeat(60_000));
    client.send_packet(b'U', b"M\0\0\0\x01");
    client.send_packet(b'U', &enter(1, b'?', 100, 1_000_000));
    let rejected = rig.message(&mut client);
    assert_eq!((rejected[0], &rejected[13..15], &rejected[15..29]), (b'J', &[0, 9][..], &b"client-order  "[..]));
    let mut long = enter(2, b'B', 100, 1_000_000);
    long.resize(65_000, 0);
    client.send_packet(b'U', &long);
    let rejected = rig.message(&mut client);
    assert_eq!((rejected[0], &rejected[13..15]), (b'J', &[0, 15][..]));
    assert_eq!(rig.edge.counters().messages_unreadable, 4);
    assert_eq!(rig.edge.counters().messages_ignored, 1);
}

#[test]
fn a_connection_cut_in_the_middle_of_a_packet_leaves_no_trace() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    let order = packet(b'U', &enter(1, b'B', 100, 1_000_000));
    client.send(&order[..order.len() - 1]);
    client.hang_up();
    rig.until(|rig| (rig.edge.counters().connections_open == 0).then_some(()));
    assert_eq!(entered(&rig), 0);
    let mut client = rig.log_in("DEMO01", 0);
    client.send(&order);
    assert_eq!(rig.message(&mut client)[0], b'A');
    assert_eq!(entered(&rig), 1);
}

/// New orders in the journal.
fn entered(rig: &Rig) -> usize {
    rig.venue.journal.borrow().iter().filter(|command| matches!(command.body, CommandBody::Enter(_))).count()
}

/// What the core was told of who has come and gone.
fn told_of_presence(rig: &Rig) -> Vec<VenueCommand> {
    let journal = rig.venue.journal.borrow();
    let told = journal
        .iter()
        .filter_map(|command| if let CommandBody::Venue(told) = command.body { Some(told) } else { None });
    told.collect()
}

#[test]
fn the_core_is_told_who_has_come_and_gone() {
    let (in_, out) = (VenueCommand::Connected, VenueCommand::Disconnected);
    let (first, second) = (AccountId(0), AccountId(1));
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    assert_eq!(told_of_presence(&rig), [in_(first)]);
    // Another login of the same account: the session goes on.
    let mut again = rig.log_in("DEMO01", 0);
    let mut other = rig.log_in("DEMO02", 0);
    assert_eq!(told_of_presence(&rig), [in_(first), in_(second)]);
    client.hang_up();
    rig.turns(5);
    assert_eq!(told_of_presence(&rig).len(), 2);
    other.send_packet(b'O', b"");
    rig.until(|rig| (told_of_presence(rig).len() == 3).then_some(()));
    again.hang_up();
    rig.until(|rig| (told_of_presence(rig).len() == 4).then_some(()));
    assert_eq!(told_of_presence(&rig)[2..], [out(second), out(first)]);
}

#[test]
fn what_was_sent_before_hanging_up_is_sequenced() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    for number in 1..=3 {
        client.send_packet(b'U', &enter(number, b'B', 100, 1_000_000));
    }
    client.hang_up();
    rig.until(|rig| (rig.edge.counters().connections_open == 0).then_some(()));
    assert_eq!(rig.edge.counters().commands, 3);
}

#[test]
fn both_sides_of_a_trade_are_told() {
    let mut rig = Rig::new();
    let mut maker = rig.log_in("DEMO01", 0);
    let mut taker = rig.log_in("DEMO03", 0);
    maker.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    assert_eq!(rig.message(&mut maker)[0], b'A');
    taker.send_packet(b'U', &enter(1, b'S', 100, 1_000_000));
    assert_eq!(rig.message(&mut taker)[0], b'A');
    assert_eq!(rig.message(&mut taker)[0], b'E');
    assert_eq!(rig.message(&mut maker)[0], b'E');
}

#[test]
fn details_carry_the_times() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    let plain = enter(1, b'B', 100, 1_000_000);
    client.send_packet(b'U', &plain);
    let plain = rig.message(&mut client);
    client.send_packet(b'U', &crate::client::enter_with(2, b'B', 100, 1_000_000, &[2, 205, b'Y']));
    let detailed = rig.message(&mut client);
    let since_midnight = (rig.venue.now.get() - crate::venue::MIDNIGHT).to_be_bytes();
    let tags: Vec<&[u8]> = detailed[plain.len()..].chunks(10).collect();
    let expected: Vec<Vec<u8>> = (220..224).map(|tag| [&[9, tag][..], &since_midnight].concat()).collect();
    assert_eq!(tags[..4], expected.iter().map(Vec::as_slice).collect::<Vec<_>>()[..]);
    assert_eq!(tags[4], [9, 224, 0, 0, 0, 0, 0, 0, 0, 5]);
}

#[test]
fn operator_commands_are_sequenced_and_new_accounts_have_streams() {
    let mut rig = Rig::new();
    rig.operator.push(OPERATOR).unwrap();
    rig.operator.push(open_account(4, "DEMO05")).unwrap();
    rig.operator.push(open_account(5, "DENIED")).unwrap();
    rig.until(|rig| (rig.edge.counters().operator_commands == 3).then_some(()));
    assert_eq!(rig.venue.journal.borrow().last().map(|command| command.body), Some(open_account(5, "DENIED")));
    rig.until(|rig| (rig.edge.counters().events == 3).then_some(()));
    // The second stream could not be opened: the account exists, but has no session to join.
    assert_eq!(rig.edge.counters().answers_lost, 1);
    let denied = raw_login(*b"DENIED", b"demo-pass ", b"          ", b"                   1");
    assert_eq!(answer_to(&mut rig, &denied), REJECTED_S);
    let mut client = rig.log_in("DEMO05", 1);
    assert_eq!(rig.message(&mut client)[0], b'S');
}

#[test]
fn connections_beyond_the_bound_are_closed_and_the_others_live() {
    let mut rig = Rig::with(gateway_edge::EdgeConfig { connections_max: 2, ..config() }, 1 << 20);
    let mut first = rig.log_in("DEMO01", 0);
    let mut second = rig.log_in("DEMO02", 0);
    let mut third = rig.connect();
    rig.until_closed_silently(&mut third);
    assert_eq!(rig.edge.counters().connections_refused, 1);
    drop(second.next_packet());
    drop(second);
    rig.until(|rig| (rig.edge.counters().connections_open == 1).then_some(()));
    let mut third = rig.log_in("DEMO03", 0);
    for client in [&mut first, &mut third] {
        client.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
        assert_eq!(rig.message(client)[0], b'A');
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let rig = Rig::new();
    let taken = gateway_edge::EdgeConfig { listen: rig.edge.address(), ..config() };
    let venue = crate::venue::Venue::new();
    let reporter = gateway_edge::Reporter::new(crate::venue::MemStore { stream_bytes_max: 0 });
    let ports = gateway_edge::EdgePorts::<crate::venue::Vectors> {
        commands: crate::venue::Ports(venue.clone()),
        events: crate::venue::Events { venue: venue.clone(), taken: 0 },
        durable: crate::venue::Ports(venue.clone()),
        clock: crate::venue::Ports(venue),
        credentials: gateway_edge::PasswordTable::new(),
        operator: rig.operator.clone(),
        probe: (),
    };
    let error = gateway_edge::Edge::new(taken, ports, reporter).unwrap_err().to_string();
    assert!(error.contains(&rig.edge.address().to_string()), "{error}");
    assert!(error.contains("in use"), "{error}");
}
