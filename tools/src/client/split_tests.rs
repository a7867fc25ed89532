//! What the venue sends may come in any pieces: the clients must not notice. Streams of every golden message are split at every byte,
//! and the rest leaves only once the client has had what came before.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use protocol::SessionName;
use protocol::itch::Message;
use protocol::moldudp64::PacketWriter;
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{self, Cut, ServerPacket};

use super::tests::{accept_login, demo, packet, serve};
use super::{FeedClient, OrderClient, Progress};

const PATIENCE: Duration = Duration::from_secs(10);

/// The messages of a golden table.
fn golden(text: &str) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            messages.push(Vec::new());
        } else if let (Some(message), Some(digits)) = (messages.last_mut(), line.split_whitespace().nth(1))
            && !line.starts_with('#')
            && digits != "-"
        {
            message
                .extend((0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()));
        }
    }
    messages
}

/// Sends `stream(n)` for each `n`, split after `n + 1` bytes; goes on when it is told.
fn send_split(mut socket: &TcpStream, rounds: usize, go_on: &Receiver<()>, stream: impl Fn(usize) -> Vec<u8>) {
    socket.set_nodelay(true).unwrap();
    for round in 0..rounds {
        let bytes = stream(round);
        let (head, tail) = bytes.split_at(round + 1);
        for piece in [head, tail] {
            socket.write_all(piece).unwrap();
            go_on.recv().unwrap();
        }
    }
}

#[test]
fn every_split_of_a_session_stream_gives_the_same_messages() {
    let messages = golden(include_str!("../../../protocol/tests/golden/ouch_outbound.hex"));
    assert!(messages.len() > 20, "{}", messages.len());
    let mut stream = Vec::new();
    for message in &messages {
        stream.extend(packet(&ServerPacket::Sequenced(message)));
        stream.extend(packet(&ServerPacket::Heartbeat));
        stream.extend(packet(&ServerPacket::Debug(b"a word")));
    }
    let expected: Vec<Outbound> = messages.iter().map(|message| Outbound::decode(message).unwrap().0).collect();
    let (go_on, wait): (Sender<()>, _) = channel();
    let (rounds, sent) = (stream.len() - 1, stream.clone());
    let (address, server) = serve(move |mut socket| {
        accept_login(&mut socket);
        send_split(&socket, rounds, &wait, |_| sent.clone());
    });
    let mut client = OrderClient::login(address, &demo(), 1).unwrap();
    for at in 1..stream.len() {
        let mut found = Vec::new();
        for _ in 0..whole_messages(&stream[..at]) {
            found.push(client.receive(PATIENCE).unwrap().unwrap());
        }
        assert_eq!(client.receive(Duration::ZERO).unwrap(), None, "the part of one is none: split at {at}");
        go_on.send(()).unwrap();
        while found.len() < expected.len() {
            found.push(client.receive(PATIENCE).unwrap().unwrap());
        }
        assert_eq!(found, expected, "split at {at}");
        go_on.send(()).unwrap();
    }
    drop(client);
    server.join().unwrap();
}

/// Sequenced messages that are whole in `bytes`.
fn whole_messages(mut bytes: &[u8]) -> usize {
    let mut whole = 0;
    while let Cut::Frame { frame, consumed } = soupbin::cut(bytes) {
        whole += usize::from(frame.packet_type == soupbin::SEQUENCED);
        bytes = &bytes[consumed..];
    }
    whole
}

/// A frame with a packet of one message.
fn frame(number: u64, message: &[u8]) -> Vec<u8> {
    let mut packet = [0; 200];
    let mut writer = PacketWriter::new(&mut packet, SessionName(*b"S000000001"), number).unwrap();
    assert!(writer.push(message));
    let length = writer.finish();
    let short = u8::try_from(length).unwrap();
    assert!(short < 126);
    [&[0x82, short], &packet[..length]].concat()
}

#[test]
fn every_split_of_the_feed_gives_the_same_messages() {
    let messages = golden(include_str!("../../../protocol/tests/golden/itch.hex"));
    assert!(messages.len() > 20, "{}", messages.len());
    let count = messages.len() as u64;
    let stream = move |round: usize, messages: &[Vec<u8>]| -> Vec<u8> {
        (round as u64 * count + 1..).zip(messages).flat_map(|(number, message)| frame(number, message)).collect()
    };
    let lengths: Vec<usize> = messages.iter().map(|message| frame(1, message).len()).collect();
    let bytes: usize = lengths.iter().sum();
    let expected: Vec<Message> = messages.iter().map(|message| Message::decode(message).unwrap()).collect();
    let (go_on, wait): (Sender<()>, _) = channel();
    let sent = messages.clone();
    let (address, server) = serve(move |socket| {
        let mut socket = tungstenite::accept(socket).unwrap();
        send_split(socket.get_mut(), bytes - 1, &wait, |round| stream(round, &sent));
    });
    let mut feed = FeedClient::itch(address, 1).unwrap();
    for at in 1..bytes {
        let mut end = 0;
        let is_whole = |length: &&usize| {
            end += **length;
            end <= at
        };
        let whole = lengths.iter().filter(is_whole).count();
        let mut found = Vec::new();
        while found.len() < whole {
            feed.receive(PATIENCE, |_, message| found.push(*message)).unwrap();
        }
        let progress = feed.receive(Duration::ZERO, |_, message| found.push(*message)).unwrap();
        assert_eq!((progress, found.len()), (Progress::Nothing, whole), "the part of one is none: split at {at}");
        go_on.send(()).unwrap();
        while found.len() < expected.len() {
            feed.receive(PATIENCE, |_, message| found.push(*message)).unwrap();
        }
        assert_eq!(found, expected, "split at {at}");
        go_on.send(()).unwrap();
    }
    drop(feed);
    server.join().unwrap();
}
