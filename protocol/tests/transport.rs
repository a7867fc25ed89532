//! The two transports: what arrives in pieces, what is broken, and what a receiver makes of losses.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use protocol::itch::Message;
use protocol::moldudp64::{Header, Packet, PacketWriter, Received, Receiver, Request};
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{self, ClientPacket, Cut, Frame, LoginAccepted, LoginRejectReason, LoginRequest, ServerPacket};
use protocol::{DecodeError, SessionName};

fn session() -> SessionName {
    SessionName::from_text("SESSION01").expect("a name")
}

#[test]
fn a_packet_is_cut_once_it_is_whole() {
    let mut stream = [0; 64];
    let written = soupbin::encode(b'U', b"Q", &mut stream).expect("room");
    let second = soupbin::encode(b'R', b"", &mut stream[written..]).expect("room");
    for length in 0..written {
        assert_eq!(soupbin::cut(&stream[..length]), Cut::Need, "{length} bytes");
    }
    for length in written..written + second {
        let frame = Frame { packet_type: b'U', payload: b"Q" };
        assert_eq!(soupbin::cut(&stream[..length]), Cut::Frame { frame, consumed: 4 });
    }
    assert_eq!(soupbin::cut(&[0, 0, b'R']), Cut::Bad);
    assert_eq!(soupbin::cut(&[0, 0]), Cut::Bad);
}

#[test]
fn the_longest_packet_fits_and_no_longer_one() {
    let payload = vec![b'x'; soupbin::PAYLOAD_BYTES_MAX];
    let mut out = vec![0; soupbin::PAYLOAD_BYTES_MAX + 10];
    assert_eq!(soupbin::encode(b'+', &payload, &mut out), Some(65_537));
    assert!(matches!(soupbin::cut(&out), Cut::Frame { consumed: 65_537, .. }));
    assert_eq!(soupbin::encode(b'+', &[&payload[..], b"x"].concat(), &mut out), None);
    assert_eq!(soupbin::encode(b'+', b"abc", &mut out[..5]), None);
}

#[test]
fn logins_are_written_exactly_and_read_leniently() {
    let login = LoginRequest::new("DEMO01", "demo-pass", session(), 17).expect("short texts");
    assert_eq!(&login.session, b" SESSION01");
    assert_eq!(&login.sequence, b"                  17");
    assert_eq!(&login.password, b"demo-pass ");
    assert_eq!((login.session_name(), login.next_sequence()), (session(), Some(17)));
    let lenient = LoginRequest { session: *b"SESSION01 ", sequence: *b"17                  ", ..login };
    assert_eq!((lenient.session_name(), lenient.next_sequence()), (session(), Some(17)));
    let padded = LoginRequest { sequence: *b"00000000000000000017", ..login };
    assert_eq!(padded.next_sequence(), Some(17));
    for wrong in [b"                    ", b"                 -17", b"               1 7  "] {
        assert_eq!(LoginRequest { sequence: *wrong, ..login }.next_sequence(), None);
    }
    let beyond = LoginRequest { sequence: *b"99999999999999999999", ..login };
    assert_eq!(beyond.next_sequence(), Some(u64::MAX), "a number, and beyond every stream");
    assert_eq!(LoginRequest::new("TOOLONG", "x", session(), 1), None);
    assert_eq!(LoginRequest::new("name", "longer than ten", session(), 1), None);
    assert_eq!(LoginRequest::new("na\u{e9}", "x", session(), 1), None);
    let blank = LoginRequest::new("name", "x", SessionName::BLANK, 0).expect("short texts");
    assert_eq!((blank.session_name(), blank.next_sequence()), (SessionName::BLANK, Some(0)));
    assert!(!format!("{login:?}").contains("demo-pass"), "a password is not printed");
    let largest = LoginAccepted { session: session(), next_sequence: u64::MAX }.to_packet();
    assert_eq!(&largest[13..], b"18446744073709551615");
}

#[test]
fn packets_of_a_wrong_length_or_direction_are_told_apart() {
    let packet = |packet_type, payload| Frame { packet_type, payload };
    let short = ClientPacket::decode(packet(b'L', &[b' '; 45]));
    assert_eq!(short, Err(DecodeError::TooShort { message_type: b'L', expected: 46, found: 45 }));
    let long = ClientPacket::decode(packet(b'L', &[b' '; 47]));
    assert_eq!(long, Err(DecodeError::TooLong { message_type: b'L', expected: 46, found: 47 }));
    for letter in (0..=255).filter(|letter| !b"+LURO".contains(letter)) {
        assert_eq!(ClientPacket::decode(packet(letter, b"")), Err(DecodeError::UnknownType(letter)));
    }
    for letter in (0..=255).filter(|letter| !b"+AJSHZ".contains(letter)) {
        assert_eq!(ServerPacket::decode(packet(letter, b"")), Err(DecodeError::UnknownType(letter)));
    }
    assert_eq!(ClientPacket::decode(packet(b'R', b"ignored")), Ok(ClientPacket::Heartbeat));
    assert_eq!(ClientPacket::decode(packet(b'O', b"ignored")), Ok(ClientPacket::Logout));
    let rejected = ServerPacket::decode(packet(b'J', b"A"));
    assert_eq!(rejected, Ok(ServerPacket::LoginRejected(LoginRejectReason::NotAuthorized)));
    assert!(ServerPacket::decode(packet(b'J', b"x")).is_err());
    assert!(ServerPacket::decode(packet(b'A', &[b' '; 30])).is_err(), "a blank is no number");
}

/// A packet of messages whose text is their number.
fn packet_of(first: u64, count: u64) -> Vec<u8> {
    let mut bytes = vec![0; 2_000];
    let mut writer = PacketWriter::new(&mut bytes, session(), first).expect("room");
    for number in first..first + count {
        assert!(writer.push(number.to_string().as_bytes()));
    }
    let written = writer.finish();
    bytes.truncate(written);
    bytes
}

/// What the receiver hands on, as numbers; each message must carry its own.
fn numbers(received: Received<'_>) -> Vec<u64> {
    let Received::Messages(messages) = received else { panic!("no messages: {received:?}") };
    messages
        .map(|(number, message)| {
            assert_eq!(message, number.to_string().as_bytes());
            number
        })
        .collect()
}

#[test]
fn a_receiver_takes_each_message_once_and_names_gaps() {
    let mut receiver = Receiver::new(session(), 1);
    let take = |receiver: &mut Receiver, bytes: &[u8]| {
        let packet = Packet::decode(bytes).expect("a packet");
        match receiver.take(&packet) {
            Received::Messages(messages) => Ok(numbers(Received::Messages(messages))),
            Received::Nothing => Ok(vec![]),
            Received::Gap { next, missing } => Err(Some((next, missing))),
            Received::OtherSession | Received::Finished => Err(None),
        }
    };
    assert_eq!(take(&mut receiver, &packet_of(1, 3)), Ok(vec![1, 2, 3]));
    assert_eq!(take(&mut receiver, &packet_of(1, 3)), Ok(vec![]));
    assert_eq!(take(&mut receiver, &packet_of(2, 4)), Ok(vec![4, 5]));
    assert_eq!(take(&mut receiver, &packet_of(8, 2)), Err(Some((6, 2))));
    assert_eq!(receiver.request(2), Some(Request(Header { session: session(), sequence: 6, count: 2 })));
    assert_eq!(take(&mut receiver, &packet_of(6, 2)), Ok(vec![6, 7]));
    assert_eq!(take(&mut receiver, &packet_of(8, 2)), Ok(vec![8, 9]));
    assert_eq!(take(&mut receiver, &Header::heartbeat(session(), 10).to_bytes()), Ok(vec![]));
    assert_eq!(take(&mut receiver, &Header::heartbeat(session(), 12).to_bytes()), Err(Some((10, 2))));
    assert_eq!(take(&mut receiver, &Header::end_of_session(session(), 11).to_bytes()), Err(Some((10, 1))));
    assert_eq!(take(&mut receiver, &packet_of(10, 1)), Ok(vec![10]));
    assert_eq!(take(&mut receiver, &Header::heartbeat(SessionName::BLANK, 11).to_bytes()), Err(None));
    assert_eq!(receiver.next(), 11);
    let end = Header::end_of_session(session(), 11).to_bytes();
    let end = Packet::decode(&end).expect("a packet");
    assert_eq!(receiver.take(&end), Received::Finished);
}

#[test]
fn a_receiver_may_adopt_what_comes_first() {
    let mut receiver = Receiver::adopting();
    assert_eq!(receiver.request(1), None);
    let bytes = packet_of(40, 2);
    assert_eq!(numbers(receiver.take(&Packet::decode(&bytes).expect("a packet"))), [40, 41]);
    assert_eq!((receiver.session(), receiver.next()), (Some(session()), 42));
    assert_eq!(receiver.request(0), None);
    assert_eq!(receiver.request(1 << 40).map(|Request(header)| header.count), Some(65_534));
}

#[test]
fn every_truncation_and_every_extra_byte_of_a_packet_is_refused() {
    let bytes = packet_of(1, 3);
    for length in 0..bytes.len() {
        assert!(matches!(Packet::decode(&bytes[..length]), Err(DecodeError::TooShort { .. })), "{length} bytes");
    }
    let longer = [&bytes[..], b"!"].concat();
    let (expected, found) = (bytes.len(), bytes.len() + 1);
    assert_eq!(Packet::decode(&longer), Err(DecodeError::TooLong { message_type: 0, expected, found }));
}

#[test]
fn a_full_buffer_takes_no_more_messages() {
    let mut bytes = [0; 30];
    let mut writer = PacketWriter::new(&mut bytes, session(), 1).expect("room");
    assert!(writer.push(b"12345"));
    assert!(!writer.push(b"12"));
    assert!(writer.push(b"1"));
    assert_eq!((writer.count(), writer.finish()), (2, 30));
    assert!(PacketWriter::new(&mut bytes[..19], session(), 1).is_none());
}

#[test]
fn requests_that_ask_for_nothing_are_refused() {
    let request = |sequence, count| Request::decode(&Header { session: session(), sequence, count }.to_bytes()).is_ok();
    assert!(request(1, 1) && request(u64::MAX, 65_534));
    assert!(!request(0, 1) && !request(1, 0) && !request(1, 65_535));
    assert!(Request::decode(&[b' '; 19]).is_err() && Request::decode(&[b'1'; 21]).is_err());
}

/// Bytes that begin with a letter of one direction and have about its length.
fn near(types: &'static [(u8, usize)]) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(types), prop::collection::vec(any::<u8>(), 80), 0..3_usize).prop_map(
        |((letter, length), mut bytes, extra)| {
            bytes.truncate(length + extra);
            bytes[0] = letter;
            // An appendage length that fits, so that not all of these are refused.
            if extra == 2 {
                bytes[length..].fill(0);
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn feed_messages_encode_to_what_they_were_decoded_from(bytes in near(Message::TYPES)) {
        let whole = Message::TYPES.iter().any(|(letter, length)| *letter == bytes[0] && *length == bytes.len());
        let decoded = Message::decode(&bytes);
        prop_assert_eq!(decoded.is_ok(), whole);
        if let Ok(message) = decoded {
            let mut to = [0; 50];
            let written = message.encode(&mut to).expect("room");
            prop_assert_eq!(&to[..written], &bytes[..]);
            prop_assert_eq!(message.encode(&mut to[..written - 1]), None);
            for length in 0..bytes.len() {
                prop_assert!(Message::decode(&bytes[..length]).is_err());
            }
        }
    }

    #[test]
    fn venue_messages_encode_to_what_they_were_decoded_from(bytes in near(Outbound::TYPES)) {
        if let Ok((message, appendage)) = Outbound::decode(&bytes) {
            let mut to = [0; 100];
            let written = message.encode(appendage, &mut to).expect("room");
            let due = message.encode(None, &mut [0; 100]).expect("room");
            // An appendage that is due and was left out is written.
            let left_out = appendage.is_none() && due > bytes.len();
            prop_assert_eq!(&to[..bytes.len()], &bytes[..]);
            prop_assert!(written == bytes.len() || left_out);
        } else {
            prop_assert!(Outbound::TYPES.iter().all(|(letter, length)| *letter != bytes[0] || *length != bytes.len()));
        }
    }

    #[test]
    fn nothing_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Cut::Frame { frame, consumed } = soupbin::cut(&bytes) {
            prop_assert!(consumed <= bytes.len());
            let both = (ClientPacket::decode(frame).is_ok(), ServerPacket::decode(frame).is_ok());
            prop_assert!(!(both.0 && both.1) || frame.packet_type == b'+');
        }
        for start in 0..bytes.len() {
            let tail = &bytes[start..];
            if let Ok(message) = Message::decode(tail) {
                prop_assert_eq!(message.message_type(), tail[0]);
            }
            if let Ok((message, _)) = Outbound::decode(tail) {
                prop_assert_eq!(message.message_type(), tail[0]);
            }
        }
        if let Ok(packet) = Packet::decode(&bytes) {
            let _taken = Receiver::adopting().take(&packet);
            let _taken = Receiver::new(packet.header.session, u64::MAX).take(&packet);
        }
    }

    #[test]
    fn a_receiver_gets_everything_whatever_is_lost(
        order in prop::collection::vec((0..12_u64, 1..4_u64), 1..60),
    ) {
        let mut receiver = Receiver::new(session(), 1);
        let mut got = Vec::new();
        for (first, count) in order {
            let bytes = packet_of(first + 1, count);
            let packet = Packet::decode(&bytes).expect("a packet");
            let before = receiver.next();
            match receiver.take(&packet) {
                Received::Messages(messages) => got.extend(numbers(Received::Messages(messages))),
                Received::Gap { next, missing } => {
                    prop_assert_eq!((next, next + missing, receiver.next()), (before, first + 1, before));
                }
                Received::Nothing => prop_assert!(first + count < before),
                Received::OtherSession | Received::Finished => prop_assert!(false, "neither happened"),
            }
        }
        prop_assert_eq!(got, (1..receiver.next()).collect::<Vec<_>>());
    }
}
