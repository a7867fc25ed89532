//! Full rings, slow readers, greedy senders, and the release of answers only once their commands are durable.

use gateway_edge::EdgeConfig;

use crate::client::{enter, packet};
use crate::rig::{Rig, config};

fn order(number: u32) -> Vec<u8> {
    packet(b'U', &enter(number, b'B', 100, 1_000_000))
}

/// The client's numbers of the next `count` Accepted messages.
fn numbers(rig: &mut Rig, client: &mut crate::client::Client, count: u32) -> Vec<u32> {
    let number = |message: Vec<u8>| {
        assert_eq!(message[0], b'A');
        u32::from_be_bytes(message[9..13].try_into().unwrap())
    };
    (0..count).map(|_| number(rig.message(client))).collect()
}

#[test]
fn a_full_ring_stops_reading_and_loses_nothing() {
    let mut rig = Rig::new();
    let mut first = rig.log_in("DEMO01", 0);
    let mut second = rig.log_in("DEMO02", 0);
    rig.venue.input_max.set(0);
    let orders: Vec<u8> = (1..=500).flat_map(order).collect();
    first.send(&orders);
    second.send(&orders);
    rig.turns(20);
    assert!(rig.edge.counters().ring_full_stalls > 0);
    assert_eq!(rig.edge.counters().commands, 0);
    assert!(rig.edge.is_busy());
    rig.venue.input_max.set(3);
    assert!(numbers(&mut rig, &mut first, 500).into_iter().eq(1..=500));
    assert!(numbers(&mut rig, &mut second, 500).into_iter().eq(1..=500));
    rig.until(|rig| (!rig.edge.is_busy()).then_some(()));
}

#[test]
fn a_full_ring_keeps_the_operators_command() {
    let mut rig = Rig::new();
    rig.venue.input_max.set(0);
    rig.operator.push(crate::venue::OPERATOR).unwrap();
    rig.turns(5);
    assert_eq!(rig.edge.counters().operator_commands, 0);
    rig.venue.input_max.set(1);
    rig.until(|rig| (rig.edge.counters().operator_commands == 1).then_some(()));
    assert_eq!(rig.venue.journal.borrow().last().map(|command| command.body), Some(crate::venue::OPERATOR));
}

#[test]
fn commands_in_flight_are_bounded_and_their_echoes_right() {
    let mut rig = Rig::with(EdgeConfig { in_flight_max: 8, pending_events_max: 3, ..config() }, 1 << 22);
    let mut client = rig.log_in("DEMO01", 0);
    let durable = rig.venue.journal.borrow().len() as u64;
    rig.venue.durable_limit.set(durable);
    client.send(&(1..=100).flat_map(order).collect::<Vec<u8>>());
    rig.turns(20);
    assert_eq!(rig.edge.counters().commands, 7, "the last eighth is kept for cancels");
    assert!(rig.edge.is_expecting());
    rig.venue.durable_limit.set(u64::MAX);
    assert!(numbers(&mut rig, &mut client, 100).into_iter().eq(1..=100));
    rig.until(|rig| (!rig.edge.is_expecting()).then_some(()));
}

#[test]
fn commands_without_events_do_not_fill_the_flight() {
    let mut rig = Rig::with(EdgeConfig { in_flight_max: 4, ..config() }, 1 << 22);
    let mut client = rig.log_in("DEMO01", 0);
    let modify = packet(b'U', &[b'M', 0, 0, 0, 1, b'S', 0, 0, 0, 1]);
    client.send(&modify.repeat(100));
    client.send(&order(7));
    assert_eq!(numbers(&mut rig, &mut client, 1), [7]);
    assert_eq!(rig.edge.counters().commands, 101);
}

#[test]
fn nothing_leaves_before_it_is_durable() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    let before = rig.venue.journal.borrow().len() as u64;
    rig.venue.durable_limit.set(before);
    client.send(&(1..=10).flat_map(order).collect::<Vec<u8>>());
    rig.until(|rig| (rig.edge.counters().commands == 10).then_some(()));
    let bytes_out = rig.edge.counters().bytes_out;
    for released in 0..=10 {
        rig.venue.durable_limit.set(before + released);
        rig.turns(5);
        assert_eq!(rig.edge.counters().answers, released);
    }
    assert!(numbers(&mut rig, &mut client, 10).into_iter().eq(1..=10));
    assert!(rig.edge.counters().bytes_out > bytes_out);
}

#[test]
fn one_write_per_turn_and_connection() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    let writes = rig.edge.counters().writes;
    client.send(&(1..=100).flat_map(order).collect::<Vec<u8>>());
    rig.until(|rig| (rig.edge.counters().answers == 100).then_some(()));
    numbers(&mut rig, &mut client, 100);
    assert!(rig.edge.counters().writes - writes <= 2, "{:?}", rig.edge.counters());
}

#[test]
fn a_slow_reader_is_cut_and_the_others_are_not() {
    let mut rig = Rig::with(EdgeConfig { backlog_bytes_max: 100_000, ..config() }, 1 << 27);
    let mut slow = rig.log_in("DEMO01", 0);
    let mut good = rig.log_in("DEMO02", 0);
    let orders: Vec<u8> = (1..=1000).flat_map(order).collect();
    let mut number = 0;
    // Answers are longer than orders: the sockets between fill up, then the backlog grows. The slow one never reads.
    rig.until(|rig| {
        for _ in 0..20 {
            let _ = slow.send_some(&orders);
        }
        number += 1;
        good.send(&order(number));
        assert_eq!(numbers(rig, &mut good, 1), [number]);
        (rig.edge.counters().slow_readers_cut == 1).then_some(())
    });
    rig.until_closed(&mut slow);
    let mut slow = rig.connect();
    slow.log_in("DEMO01", 1);
    rig.packet(&mut slow);
    assert_eq!(rig.message(&mut slow)[0], b'S');
    assert_eq!(rig.message(&mut slow)[0], b'A');
}

#[test]
fn no_heartbeat_goes_into_the_middle_of_a_packet() {
    let mut rig = Rig::with(EdgeConfig { backlog_bytes_max: 64 << 20, ..config() }, 1 << 27);
    let mut client = rig.log_in("DEMO01", 0);
    let mut sent = 0;
    // Until the sockets between are full: then a packet has gone out in part.
    rig.until(|rig| {
        let before = rig.edge.counters().bytes_out;
        client.send(&(sent + 1..=sent + 1000).flat_map(order).collect::<Vec<u8>>());
        sent += 1000;
        rig.until(|rig| (rig.edge.counters().answers == u64::from(sent)).then_some(()));
        rig.turns(2);
        (rig.edge.counters().bytes_out == before).then_some(())
    });
    rig.venue.advance_ms(1_100);
    rig.turns(5);
    assert!(numbers(&mut rig, &mut client, sent).into_iter().eq(1..=sent));
}

#[test]
fn history_is_not_held_against_a_reader() {
    let mut rig = Rig::with(EdgeConfig { backlog_bytes_max: 1_000, write_bytes_per_turn: 200, ..config() }, 1 << 22);
    let mut client = rig.log_in("DEMO01", 0);
    for hundred in 0..10 {
        for number in 1..=10 {
            client.send(&order(hundred * 10 + number));
            numbers(&mut rig, &mut client, 1);
        }
    }
    let mut client = rig.log_in("DEMO01", 1);
    assert_eq!(rig.message(&mut client)[0], b'S');
    assert!(numbers(&mut rig, &mut client, 100).into_iter().eq(1..=100));
    assert_eq!(rig.edge.counters().slow_readers_cut, 0);
}

#[test]
fn a_greedy_sender_does_not_starve_another() {
    let mut rig = Rig::with(EdgeConfig { packets_per_turn: 4, ..config() }, 1 << 24);
    let mut greedy = rig.log_in("DEMO01", 0);
    let mut modest = rig.log_in("DEMO02", 0);
    greedy.send(&(1..=1000).flat_map(order).collect::<Vec<u8>>());
    rig.turns(2);
    modest.send(&order(1));
    assert_eq!(numbers(&mut rig, &mut modest, 1), [1]);
    assert!(rig.edge.counters().commands < 200, "{:?}", rig.edge.counters());
    assert!(numbers(&mut rig, &mut greedy, 1000).into_iter().eq(1..=1000));
}

#[test]
fn a_full_stream_closes_its_session_and_no_other() {
    let mut rig = Rig::with(config(), 1000);
    let mut client = rig.log_in("DEMO01", 1);
    let mut other = rig.log_in("DEMO02", 0);
    client.send(&(1..=20).flat_map(order).collect::<Vec<u8>>());
    rig.until_closed(&mut client);
    assert!(rig.edge.counters().answers_lost > 0);
    let mut again = rig.connect();
    again.log_in("DEMO01", 1);
    rig.until_closed(&mut again);
    assert_eq!(again.received(), [0, 2, b'J', b'S']);
    other.send(&order(1));
    assert_eq!(numbers(&mut rig, &mut other, 1), [1]);
}

#[test]
fn an_orderly_stop_sends_what_is_owed_and_ends_no_session() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    let before = rig.venue.journal.borrow().len() as u64;
    rig.venue.durable_limit.set(before);
    client.send(&(1..=10).flat_map(order).collect::<Vec<u8>>());
    rig.until(|rig| (rig.edge.counters().commands == 10).then_some(()));
    rig.edge.stop();
    client.send(&order(11));
    rig.turns(5);
    assert!(!rig.edge.is_drained());
    rig.venue.durable_limit.set(u64::MAX);
    rig.until(|rig| rig.edge.is_drained().then_some(()));
    assert_eq!(rig.edge.counters().commands, 10);
    let address = rig.edge.address();
    assert!(std::net::TcpStream::connect(address).is_err());
    drop(rig);
    client.pump();
    let sent: Vec<u8> = std::iter::from_fn(|| client.next_packet()).map(|(packet_type, _)| packet_type).collect();
    assert_eq!(sent, [b'S'; 10]);
}
