//! What one client may use up: connections, logins, time for a packet and its length, messages per second, and the last room in
//! the input ring.

use gateway_edge::EdgeConfig;
use protocol::SessionName;
use protocol::soupbin::LoginRequest;

use crate::client::{Client, enter, packet};
use crate::feed_rig::{FeedRig, feed_config};
use crate::rig::{Rig, config};

fn order(number: u32) -> Vec<u8> {
    packet(b'U', &enter(number, b'B', 100, 1_000_000))
}

/// The next message, past heartbeats.
fn data(rig: &mut Rig, client: &mut Client) -> Vec<u8> {
    loop {
        let (packet_type, message) = rig.packet(client);
        if packet_type == b'S' {
            return message;
        }
        assert_eq!(packet_type, b'H');
    }
}

fn wrong_login() -> [u8; 49] {
    LoginRequest::new("DEMO01", "guess", SessionName::BLANK, 1).unwrap().to_packet()
}

#[test]
fn connections_from_one_address_are_bounded() {
    let mut rig = Rig::with(EdgeConfig { connections_per_address_max: 2, ..config() }, 1 << 22);
    let mut first = rig.log_in("DEMO01", 0);
    let _second = rig.log_in("DEMO02", 0);
    let mut third = rig.connect();
    rig.until_closed_silently(&mut third);
    assert_eq!(rig.edge.counters().connections_over_address_limit, 1);
    first.send_packet(b'O', b"");
    rig.until_closed(&mut first);
    drop(first);
    rig.until(|rig| (rig.edge.counters().connections_open == 1).then_some(()));
    rig.log_in("DEMO03", 0);
}

#[test]
fn connections_to_the_feed_from_one_address_are_bounded() {
    let mut rig = FeedRig::with(gateway_edge::FeedConfig { connections_per_address_max: 1, ..feed_config() });
    let _first = crate::feed_client::FeedClient::connect(&mut rig, "/itch");
    let second = std::net::TcpStream::connect(rig.feed.address()).unwrap();
    rig.until(|rig| (rig.feed.counters().connections_over_address_limit == 1).then_some(()));
    drop(second);
}

#[test]
fn logins_per_second_wait_and_are_not_refused() {
    let mut rig = Rig::with(EdgeConfig { logins_per_s_max: 2, ..config() }, 1 << 22);
    let _first = rig.log_in("DEMO01", 0);
    let mut second = rig.connect();
    second.log_in("DEMO02", 0);
    rig.until(|rig| (rig.edge.counters().login_waits == 1).then_some(()));
    rig.venue.advance_ms(480);
    rig.turns(20);
    assert_eq!((second.next_packet(), rig.edge.counters().logins_accepted), (None, 1));
    rig.venue.advance_ms(20);
    assert_eq!(rig.packet(&mut second).0, b'A');
}

#[test]
fn wrong_passwords_slow_down_but_lock_nobody_out() {
    let mut rig = Rig::with(EdgeConfig { login_backoff_ms_max: 50, ..config() }, 1 << 22);
    for _ in 0..10 {
        let mut guesser = rig.connect();
        guesser.send(&wrong_login());
        rig.until(|rig| {
            rig.venue.advance_ms(1);
            guesser.is_closed().then_some(())
        });
        assert_eq!(guesser.received(), [0, 2, b'J', b'A']);
    }
    assert!(rig.edge.counters().login_waits >= 9);
    // The owner, from the same address, while others go on guessing: the longest wait, and in.
    let mut guessers: Vec<_> = (0..20).map(|_| rig.connect()).collect();
    for guesser in &mut guessers {
        guesser.send(&wrong_login());
    }
    let mut owner = rig.connect();
    owner.log_in("DEMO01", 0);
    rig.turns(20);
    assert_eq!(owner.next_packet(), None);
    rig.venue.advance_ms(51);
    assert_eq!(rig.packet(&mut owner).0, b'A');
}

#[test]
fn what_follows_a_waiting_login_is_kept() {
    let mut rig = Rig::with(EdgeConfig { logins_per_s_max: 1, ..config() }, 1 << 22);
    let _first = rig.log_in("DEMO01", 0);
    let mut second = rig.connect();
    second.log_in("DEMO02", 0);
    second.send(&order(1));
    rig.turns(20);
    rig.venue.advance_ms(1_000);
    assert_eq!(rig.packet(&mut second).0, b'A');
    assert_eq!(rig.message(&mut second)[0], b'A');
}

#[test]
fn half_packets_are_cut_in_time_whatever_drips_in() {
    let mut rig = Rig::with(EdgeConfig { frame_ms: 500, ..config() }, 1 << 22);
    let mut fresh = rig.connect();
    let mut dripping = rig.log_in("DEMO01", 0);
    let mut whole = rig.log_in("DEMO02", 0);
    let order = order(1);
    fresh.send(&[0]);
    for at in 0..10 {
        dripping.send(&order[at..=at]);
        whole.send_packet(b'R', b"");
        rig.turns(5);
        rig.venue.advance_ms(60);
    }
    rig.until_closed(&mut fresh);
    rig.until_closed(&mut dripping);
    assert_eq!(rig.edge.counters().half_frames_cut, 2);
    assert!(!whole.is_closed());
}

#[test]
fn a_packet_above_the_bound_is_cut_before_it_is_whole() {
    let mut rig = Rig::with(EdgeConfig { frame_bytes_max: 200, ..config() }, 1 << 22);
    let mut honest = rig.log_in("DEMO01", 0);
    let mut vandal = rig.log_in("DEMO02", 0);
    honest.send_packet(b'+', &[b'x'; 197]);
    honest.send(&order(1));
    assert_eq!(rig.message(&mut honest)[0], b'A');
    vandal.send(&[0, 199]);
    rig.until_closed(&mut vandal);
    assert_eq!(rig.edge.counters().oversize_frames_cut, 1);
}

#[test]
fn a_rate_is_kept_within_a_hundredth_and_nothing_is_lost() {
    let mut rig = Rig::with(EdgeConfig { messages_per_s_max: 1_000, ..config() }, 1 << 24);
    let mut fast = rig.log_in("DEMO01", 0);
    let mut modest = rig.log_in("DEMO02", 0);
    let before = rig.edge.counters().commands;
    fast.send(&(1..=4_000).flat_map(order).collect::<Vec<u8>>());
    rig.turns(50);
    for _ in 0..3_000 {
        rig.venue.advance_ms(1);
        rig.turns(2);
    }
    let taken = rig.edge.counters().commands - before;
    assert!(taken.abs_diff(3_000) <= 30, "{taken} in three seconds at 1,000 per second");
    assert!(rig.edge.counters().rate_waits > 100);
    modest.send(&order(1));
    assert_eq!(data(&mut rig, &mut modest)[0], b'A');
    // It was sent long ago and is only read late: that is no silence.
    for _ in 0..1_100 {
        rig.venue.advance_ms(1);
        rig.turns(2);
    }
    for number in 1..=4_000_u32 {
        assert_eq!(data(&mut rig, &mut fast)[9..13], number.to_be_bytes());
    }
}

#[test]
fn a_session_that_waits_for_its_rate_is_not_silent() {
    let mut rig = Rig::with(EdgeConfig { messages_per_s_max: 1, silence_ms: 2_000, ..config() }, 1 << 24);
    let mut client = rig.log_in("DEMO01", 0);
    client.send(&(1..=8).flat_map(order).collect::<Vec<u8>>());
    for _ in 0..90 {
        rig.turns(3);
        rig.venue.advance_ms(100);
    }
    for number in 1..=8_u32 {
        assert_eq!(data(&mut rig, &mut client)[9..13], number.to_be_bytes());
    }
}

#[test]
fn the_last_eighth_takes_cancels_only_and_no_session_is_reordered() {
    let mut rig = Rig::new();
    let mut greedy = rig.log_in("DEMO01", 0);
    let mut careful = rig.log_in("DEMO02", 0);
    careful.send(&order(1));
    assert_eq!(rig.message(&mut careful)[0], b'A');
    rig.until(|rig| (!rig.edge.is_expecting()).then_some(()));
    rig.venue.input_max.set(16);
    let cancel = packet(b'U', &[b'X', 0, 0, 0, 1, 0, 0, 0, 0]);
    greedy.send(&(1..=20).flat_map(order).collect::<Vec<u8>>());
    greedy.send(&cancel);
    // The core stands still.
    let receive = |rig: &mut Rig| {
        rig.edge.receive(std::time::Duration::ZERO);
    };
    for _ in 0..200 {
        receive(&mut rig);
    }
    assert_eq!(rig.venue.input.borrow().len(), 14, "two of sixteen are kept");
    careful.send(&cancel);
    careful.send(&order(2));
    for _ in 0..200 {
        receive(&mut rig);
    }
    let last = rig.venue.input.borrow().back().map(|command| command.body);
    assert!(matches!(last, Some(protocol::CommandBody::Cancel(_))), "{last:?}");
    assert_eq!(rig.venue.input.borrow().len(), 15);
    rig.operator.push(crate::venue::OPERATOR).unwrap();
    for _ in 0..10 {
        receive(&mut rig);
    }
    assert_eq!(rig.edge.counters().operator_commands, 1);
    assert!(rig.edge.counters().entry_waits > 0);
    // Then it goes on: what each sent comes in the order in which it was sent.
    assert_eq!(rig.message(&mut careful)[0], b'C');
    assert_eq!(rig.message(&mut careful)[9..13], 2_u32.to_be_bytes());
    for number in 1..=20_u32 {
        assert_eq!(rig.message(&mut greedy)[9..13], number.to_be_bytes());
    }
    assert_eq!(rig.message(&mut greedy)[0], b'C');
}
