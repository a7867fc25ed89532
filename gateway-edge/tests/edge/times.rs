//! Heartbeats and timeouts, on a clock that the test moves.

use crate::client::{enter, login};
use crate::rig::Rig;

#[test]
fn a_heartbeat_goes_out_after_each_idle_second() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    rig.venue.advance_ms(900);
    rig.turns(5);
    assert_eq!(client.next_packet(), None);
    for _ in 0..3 {
        rig.venue.advance_ms(1_000);
        assert_eq!(rig.packet(&mut client), (b'H', vec![]));
        rig.turns(5);
        assert_eq!(client.next_packet(), None);
    }
}

#[test]
fn an_answer_puts_the_heartbeat_off() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    rig.venue.advance_ms(900);
    client.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    assert_eq!(rig.message(&mut client)[0], b'A');
    rig.venue.advance_ms(900);
    rig.turns(5);
    assert_eq!(client.next_packet(), None);
    rig.venue.advance_ms(200);
    assert_eq!(rig.packet(&mut client), (b'H', vec![]));
}

#[test]
fn no_heartbeat_before_the_login() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    rig.until(|rig| (rig.edge.counters().connections_open == 1).then_some(()));
    rig.venue.advance_ms(20_000);
    rig.turns(5);
    client.pump();
    assert_eq!(client.received(), b"");
}

#[test]
fn a_silent_client_is_cut_after_fifteen_seconds() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    rig.venue.advance_ms(14_900);
    rig.turns(5);
    assert!(!client.is_closed());
    rig.venue.advance_ms(200);
    rig.until_closed(&mut client);
    assert_eq!(rig.edge.counters().silent_cut, 1);
    rig.log_in("DEMO01", 1);
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    for byte in [0, 1, b'R'] {
        let before = rig.edge.counters().bytes_in;
        rig.venue.advance_ms(14_000);
        client.send(&[byte]);
        rig.until(|rig| (rig.edge.counters().bytes_in > before).then_some(()));
        assert!(!client.is_closed());
    }
    assert_eq!(rig.edge.counters().silent_cut, 0);
}

#[test]
fn a_connection_without_a_login_is_cut_after_thirty_seconds() {
    let mut rig = Rig::new();
    let mut mute = rig.connect();
    let mut slow = rig.connect();
    rig.until(|rig| (rig.edge.counters().connections_open == 2).then_some(()));
    for byte in &login("DEMO01", 1)[..29] {
        let before = rig.edge.counters().bytes_in;
        slow.send(&[*byte]);
        rig.until(|rig| (rig.edge.counters().bytes_in > before).then_some(()));
        rig.venue.advance_ms(1_000);
    }
    rig.turns(5);
    assert!(!mute.is_closed() && !slow.is_closed());
    rig.venue.advance_ms(1_100);
    rig.until_closed_silently(&mut mute);
    rig.until_closed_silently(&mut slow);
    assert_eq!(rig.edge.counters().login_timeouts, 2);
}

#[test]
fn a_connection_that_was_ended_cannot_linger() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    client.send_packet(b'?', b"");
    rig.until(|rig| (rig.edge.counters().protocol_violations == 1).then_some(()));
    assert_eq!(rig.edge.counters().connections_open, 1);
    client.send(&[b'x'; 1000]);
    rig.turns(5);
    assert_eq!(rig.edge.counters().connections_open, 1);
    rig.venue.advance_ms(1_100);
    rig.until(|rig| (rig.edge.counters().connections_open == 0).then_some(()));
}

#[test]
fn time_that_goes_back_reaches_no_command() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    client.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    rig.message(&mut client);
    rig.venue.now.set(rig.venue.now.get() - 500_000_000);
    client.send_packet(b'U', &enter(2, b'B', 100, 1_000_000));
    rig.message(&mut client);
    let journal = rig.venue.journal.borrow();
    let times: Vec<u64> = journal.iter().rev().take(2).map(|command| command.ingress.0).collect();
    assert_eq!(times[0], times[1]);
}

#[test]
fn an_order_that_waited_for_room_is_not_older_than_the_command_before_it() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    rig.venue.input_max.set(0);
    client.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    rig.until(|rig| (rig.edge.counters().ring_full_stalls > 0).then_some(()));
    rig.venue.advance_ms(10);
    rig.operator.push(crate::venue::OPERATOR).unwrap();
    rig.venue.input_max.set(2);
    rig.until(|rig| (rig.edge.counters().commands == 1).then_some(()));
    let journal = rig.venue.journal.borrow();
    assert!(journal.is_sorted_by_key(|command| command.ingress));
    assert_eq!(rig.edge.counters().operator_commands, 1);
}
