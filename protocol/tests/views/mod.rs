//! Packets seen as lists of fields, and encoded again: what the golden tests compare.

use protocol::itch::Message;
use protocol::moldudp64::{Header, Packet, PacketWriter, Request};
use protocol::ouch::appendage::{Appendage, Element};
use protocol::ouch::inbound::Inbound;
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{self, ClientPacket, Cut, Frame, ServerPacket};
use protocol::{FieldValue, FieldView};

/// One field, with its offset in the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    pub(crate) value: Value,
}

/// What it holds. Texts are without the padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(i128),
    Text(Vec<u8>),
    /// Bytes of a payload that is no message.
    Opaque,
}

pub(crate) fn text(bytes: &[u8]) -> Value {
    Value::Text(soupbin::trim(bytes).to_vec())
}

/// Fields, and the packet encoded from what was decoded.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) encoded: Vec<u8>,
}

impl Seen {
    fn leaf(&mut self, name: &str, offset: usize, bytes: usize, value: Value) {
        self.leaves.push(Leaf { name: name.to_owned(), offset, bytes, value });
    }

    fn number(&mut self, name: &str, offset: usize, bytes: usize, value: impl Into<i128>) {
        self.leaf(name, offset, bytes, Value::Number(value.into()));
    }

    fn message_type(&mut self, name: &str, offset: usize, letter: u8) {
        self.leaf(name, offset, 1, text(&[letter]));
    }

    fn view(&mut self, base: usize, view: FieldView) {
        let value = match view.value {
            FieldValue::Number(number) => Value::Number(number.into()),
            FieldValue::Signed(number) => Value::Number(number.into()),
            FieldValue::Text { bytes, len } => text(&bytes[..len]),
        };
        self.leaf(view.name, base + view.offset, view.bytes, value);
    }

    fn appendage(&mut self, base: usize, fixed_bytes: usize, appendage: Option<Appendage<'_>>) {
        let Some(appendage) = appendage else { return };
        let length_at = base + fixed_bytes;
        self.number("appendage_length", length_at, 2, appendage.as_bytes().len() as i128);
        for raw in appendage.raw() {
            let at = length_at + 2 + raw.offset;
            let element = Element::read(raw.tag, raw.value).expect("a known tag with a value of its size");
            assert_eq!(element.tag(), raw.tag);
            let mut value = None;
            element.visit(at, &mut |view| value = Some(view));
            let value = value.expect("an element has one field");
            self.number(&format!("{}.length", value.name), at, 1, (raw.value.len() + 1) as i128);
            self.number(&format!("{}.tag", value.name), at + 1, 1, raw.tag);
            self.view(0, value);
        }
    }
}

/// A packet that a client or the venue sent.
pub(crate) fn soup(bytes: &[u8], from_client: bool) -> Seen {
    let Cut::Frame { frame, consumed } = soupbin::cut(bytes) else { panic!("no whole packet in {bytes:02x?}") };
    assert_eq!(consumed, bytes.len(), "one packet, no more");
    let mut seen = Seen { encoded: vec![0; bytes.len()], ..Seen::default() };
    seen.number("length", 0, 2, (frame.payload.len() + 1) as i128);
    seen.message_type("type", 2, frame.packet_type);
    let written = if from_client { client(frame, &mut seen) } else { server(frame, &mut seen) };
    assert_eq!(written, Some(bytes.len()));
    seen
}

fn client(frame: Frame<'_>, seen: &mut Seen) -> Option<usize> {
    let packet = ClientPacket::decode(frame).expect("a packet of a client");
    match packet {
        ClientPacket::Login(login) => {
            seen.leaf("username", 3, 6, text(&login.username));
            seen.leaf("password", 9, 10, text(&login.password));
            seen.leaf("session", 19, 10, text(&login.session));
            seen.number("sequence", 29, 20, login.next_sequence().expect("a number"));
        }
        ClientPacket::Debug(body) if !body.is_empty() => seen.leaf("text", 3, body.len(), Value::Opaque),
        ClientPacket::Unsequenced(body) => seen.leaf("message", 3, body.len(), Value::Opaque),
        ClientPacket::Debug(_) | ClientPacket::Heartbeat | ClientPacket::Logout => {}
    }
    packet.encode(&mut seen.encoded)
}

fn server(frame: Frame<'_>, seen: &mut Seen) -> Option<usize> {
    let packet = ServerPacket::decode(frame).expect("a packet of the venue");
    match packet {
        ServerPacket::LoginAccepted(accepted) => {
            seen.leaf("session", 3, 10, text(&accepted.session.0));
            seen.number("sequence", 13, 20, accepted.next_sequence);
        }
        ServerPacket::LoginRejected(reason) => seen.leaf("reason", 3, 1, text(&[reason as u8])),
        ServerPacket::Debug(body) if !body.is_empty() => seen.leaf("text", 3, body.len(), Value::Opaque),
        ServerPacket::Sequenced(body) => seen.leaf("message", 3, body.len(), Value::Opaque),
        ServerPacket::Debug(_) | ServerPacket::Heartbeat | ServerPacket::EndOfSession => {}
    }
    packet.encode(&mut seen.encoded)
}

/// An OUCH message that starts at `base` of its packet.
pub(crate) fn ouch(bytes: &[u8], base: usize, from_client: bool) -> Seen {
    let mut seen = Seen { encoded: vec![0; bytes.len()], ..Seen::default() };
    seen.message_type("message_type", base, bytes[0]);
    let written = if from_client {
        let (message, appendage) = Inbound::decode(bytes).expect("a message of a client");
        message.visit(&mut |view| seen.view(base, view));
        seen.appendage(base, fixed_bytes(Inbound::TYPES, bytes[0]), appendage);
        message.encode(appendage, &mut seen.encoded)
    } else {
        let (message, appendage) = Outbound::decode(bytes).expect("a message of the venue");
        message.visit(&mut |view| seen.view(base, view));
        seen.appendage(base, fixed_bytes(Outbound::TYPES, bytes[0]), appendage);
        message.encode(appendage, &mut seen.encoded)
    };
    assert_eq!(written, Some(bytes.len()));
    seen
}

fn fixed_bytes(types: &[(u8, usize)], letter: u8) -> usize {
    types.iter().find(|(message_type, _)| *message_type == letter).expect("a known type").1
}

/// An ITCH message that starts at `base` of its packet.
pub(crate) fn itch(bytes: &[u8], base: usize) -> Seen {
    let mut seen = Seen { encoded: vec![0; bytes.len()], ..Seen::default() };
    let message = Message::decode(bytes).expect("a message of the feed");
    seen.message_type("message_type", base, message.message_type());
    message.visit(&mut |view| seen.view(base, view));
    assert_eq!(message.encode(&mut seen.encoded), Some(bytes.len()));
    seen
}

/// A downstream packet; its messages are opaque.
pub(crate) fn moldudp64(bytes: &[u8]) -> Seen {
    let packet = Packet::decode(bytes).expect("a whole packet");
    let mut seen = Seen { encoded: vec![0; bytes.len()], ..Seen::default() };
    header(packet.header, &mut seen);
    let Header { session, sequence, count } = packet.header;
    let mut encoded = vec![0; bytes.len()];
    let mut writer = PacketWriter::new(&mut encoded, session, sequence).expect("room for a header");
    let mut offset = 20;
    for (place, (number, message)) in packet.messages().enumerate() {
        assert_eq!(number, sequence + place as u64);
        seen.number("length", offset, 2, message.len() as i128);
        seen.leaf("message", offset + 2, message.len(), Value::Opaque);
        assert!(writer.push(message), "what was read fits");
        offset += 2 + message.len();
    }
    assert_eq!(writer.finish(), bytes.len());
    if packet.is_end_of_session() {
        encoded.copy_from_slice(&Header::end_of_session(session, sequence).to_bytes());
    } else {
        assert_eq!(count, packet.header.messages());
    }
    seen.encoded = encoded;
    seen
}

/// A request.
pub(crate) fn request(bytes: &[u8]) -> Seen {
    let Request(wanted) = Request::decode(bytes).expect("a request");
    let mut seen = Seen::default();
    header(wanted, &mut seen);
    seen.encoded = wanted.to_bytes().to_vec();
    seen
}

fn header(header: Header, seen: &mut Seen) {
    let session: Vec<u8> = header.session.0.iter().copied().filter(|byte| *byte != 0).collect();
    seen.leaf("session", 0, 10, text(&session));
    seen.number("sequence", 10, 8, header.sequence);
    seen.number("count", 18, 2, header.count);
}
