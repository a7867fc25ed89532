//! `SoupBinTCP` 3.0 (soupbintcp.md): cutting packets out of a stream, in place, and writing them.
//!
//! ```text
//! offset size
//!      0    2  length, big-endian: type byte + payload, at least 1
//!      2    1  type
//!      3    n  payload
//! ```
//!
//! Readers are lenient with padding, writers are exact. Which packet is allowed when belongs to the edge.

use crate::decode_error::DecodeError;
use crate::limits::SOUP_PACKET_BYTES_MAX;
use crate::types::SessionName;
use crate::wire::array_at;

/// Bytes before the payload: length and type.
pub const PREFIX_BYTES: usize = 3;
/// The longest payload.
pub const PAYLOAD_BYTES_MAX: usize = SOUP_PACKET_BYTES_MAX - PREFIX_BYTES;

/// Debug, both directions.
pub const DEBUG: u8 = b'+';
/// Login Accepted.
pub const LOGIN_ACCEPTED: u8 = b'A';
/// Login Rejected.
pub const LOGIN_REJECTED: u8 = b'J';
/// Sequenced Data.
pub const SEQUENCED: u8 = b'S';
/// Login Request.
pub const LOGIN_REQUEST: u8 = b'L';
/// Unsequenced Data.
pub const UNSEQUENCED: u8 = b'U';

/// The whole packet of a server heartbeat.
pub const SERVER_HEARTBEAT: [u8; 3] = [0, 1, b'H'];
/// The whole packet of an end of session.
pub const END_OF_SESSION: [u8; 3] = [0, 1, b'Z'];
/// The whole packet of a client heartbeat.
pub const CLIENT_HEARTBEAT: [u8; 3] = [0, 1, b'R'];
/// The whole packet of a logout request.
pub const LOGOUT_REQUEST: [u8; 3] = [0, 1, b'O'];

/// One packet, where it lies in the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Type byte.
    pub packet_type: u8,
    /// What follows it.
    pub payload: &'a [u8],
}

/// What the front of a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut<'a> {
    /// Part of a packet: read more.
    Need,
    /// Length 0: framing is lost, nothing after it can be read.
    Bad,
    /// A whole packet.
    Frame {
        /// The packet.
        frame: Frame<'a>,
        /// Bytes it takes, prefix included; the next packet starts there.
        consumed: usize,
    },
}

/// Cuts the first packet of `bytes`. Waits for no more than 65,537 bytes, whatever the length field says.
#[inline]
pub fn cut(bytes: &[u8]) -> Cut<'_> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Cut::Need };
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 {
        return Cut::Bad;
    }
    match rest.get(..length).and_then(<[u8]>::split_first) {
        None => Cut::Need,
        Some((&packet_type, payload)) => Cut::Frame { frame: Frame { packet_type, payload }, consumed: 2 + length },
    }
}

/// Writes a packet of any type; the bytes written, or `None` when `out` or the length field is too small.
#[inline]
pub fn encode(packet_type: u8, payload: &[u8], out: &mut [u8]) -> Option<usize> {
    let length = u16::try_from(payload.len() + 1).ok()?;
    let (prefix, rest) = out.split_first_chunk_mut::<PREFIX_BYTES>()?;
    rest.get_mut(..payload.len())?.copy_from_slice(payload);
    *prefix = prefix_of(packet_type, length);
    Some(PREFIX_BYTES + payload.len())
}

/// The three bytes before a payload. `length` counts the type byte and the payload.
#[inline]
pub(crate) fn prefix_of(packet_type: u8, length: u16) -> [u8; PREFIX_BYTES] {
    let [high, low] = length.to_be_bytes();
    [high, low, packet_type]
}

/// Without the spaces on both sides.
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

/// A decimal number of ASCII digits, spaces on both sides allowed. `None` for anything else, and above `u64`.
pub fn number(text: &[u8]) -> Option<u64> {
    let digits = trim(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, &digit| match digit {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Right-justified, spaces on the left. Keeps the last `N` bytes of a longer text.
fn right_justified<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut field = [b' '; N];
    for (to, from) in field.iter_mut().rev().zip(text.iter().rev()) {
        *to = *from;
    }
    field
}

/// Left-justified, spaces on the right; `None` when it is longer than `N` or not printable ASCII.
fn left_justified<const N: usize>(text: &str) -> Option<[u8; N]> {
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let mut field = [b' '; N];
    field.get_mut(..text.len()).filter(|_| printable)?.copy_from_slice(text.as_bytes());
    Some(field)
}

/// A number in ASCII digits, right-justified, spaces on the left: 20 bytes, which is room for every `u64`.
pub fn sequence_text(mut sequence: u64) -> [u8; 20] {
    let mut field = [b' '; 20];
    for slot in field.iter_mut().rev() {
        let [digit, ..] = (sequence % 10).to_le_bytes();
        *slot = b'0' + digit;
        sequence /= 10;
        if sequence == 0 {
            break;
        }
    }
    field
}

/// A session name without its padding, left-justified as a [`SessionName`] is.
fn session_name(field: [u8; 10]) -> SessionName {
    let mut name = SessionName::BLANK;
    for (to, from) in name.0.iter_mut().zip(trim(&field)) {
        *to = *from;
    }
    name
}

/// Payload of a Login Request, as it is on the wire.
///
/// ```text
///  0  6 username    6 10 password    16 10 session    26 20 sequence
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoginRequest {
    /// Left-justified.
    pub username: [u8; 6],
    /// Left-justified.
    pub password: [u8; 10],
    /// Right-justified; blank = the current one.
    pub session: [u8; 10],
    /// Digits, right-justified.
    pub sequence: [u8; 20],
}

impl LoginRequest {
    /// Bytes of the payload.
    pub const BYTES: usize = 46;

    /// A login as a client writes it. `None` when a text is too long or not printable ASCII.
    pub fn new(username: &str, password: &str, session: SessionName, next_sequence: u64) -> Option<Self> {
        Some(Self {
            username: left_justified(username)?,
            password: left_justified(password)?,
            session: right_justified(trim(&session.0)),
            sequence: sequence_text(next_sequence),
        })
    }

    /// Reads a payload.
    pub fn read(payload: &[u8; Self::BYTES]) -> Self {
        Self {
            username: array_at(payload, 0),
            password: array_at(payload, 6),
            session: array_at(payload, 16),
            sequence: array_at(payload, 26),
        }
    }

    /// The session asked for, without padding; blank = the current one.
    pub fn session_name(&self) -> SessionName {
        session_name(self.session)
    }

    /// The next number wanted; `None` when it is no number. One that 64 bits do not hold is beyond every stream: the largest.
    pub fn next_sequence(&self) -> Option<u64> {
        let digits = trim(&self.sequence);
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| number(digits).unwrap_or(u64::MAX))
    }

    /// The whole packet.
    pub fn to_packet(&self) -> [u8; PREFIX_BYTES + Self::BYTES] {
        let mut packet = [0; PREFIX_BYTES + Self::BYTES];
        crate::wire::put_at(&mut packet, 0, [0, 47, LOGIN_REQUEST]);
        crate::wire::put_at(&mut packet, 3, self.username);
        crate::wire::put_at(&mut packet, 9, self.password);
        crate::wire::put_at(&mut packet, 19, self.session);
        crate::wire::put_at(&mut packet, 29, self.sequence);
        packet
    }
}

/// Says who wants what, and never the password.
impl core::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "LoginRequest {{ username: \"{}\", session: \"{}\", sequence: \"{}\" }}",
            self.username.escape_ascii(),
            self.session.escape_ascii(),
            self.sequence.escape_ascii()
        )
    }
}

/// Payload of a Login Accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginAccepted {
    /// The session joined.
    pub session: SessionName,
    /// Number of the next Sequenced Data packet on this connection.
    pub next_sequence: u64,
}

impl LoginAccepted {
    /// Bytes of the payload.
    pub const BYTES: usize = 30;

    /// The whole packet.
    pub fn to_packet(&self) -> [u8; PREFIX_BYTES + Self::BYTES] {
        let mut packet = [0; PREFIX_BYTES + Self::BYTES];
        crate::wire::put_at(&mut packet, 0, [0, 31, LOGIN_ACCEPTED]);
        crate::wire::put_at(&mut packet, 3, right_justified::<10>(trim(&self.session.0)));
        crate::wire::put_at(&mut packet, 13, sequence_text(self.next_sequence));
        packet
    }
}

/// Why a login was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LoginRejectReason {
    /// Bad username or password, or not for this port.
    NotAuthorized = b'A',
    /// The session asked for is not there.
    SessionNotAvailable = b'S',
}

impl LoginRejectReason {
    /// The whole packet.
    pub const fn to_packet(self) -> [u8; PREFIX_BYTES + 1] {
        [0, 2, LOGIN_REJECTED, self as u8]
    }
}

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientPacket<'a> {
    /// Free text for people.
    Debug(&'a [u8]),
    /// The first thing on a connection.
    Login(LoginRequest),
    /// One message.
    Unsequenced(&'a [u8]),
    /// Still here.
    Heartbeat,
    /// End this connection.
    Logout,
}

impl<'a> ClientPacket<'a> {
    /// What a packet says. The payload of heartbeat and logout is not looked at.
    ///
    /// # Errors
    /// A type that no client sends, and a login of a wrong length.
    pub fn decode(frame: Frame<'a>) -> Result<Self, DecodeError> {
        match frame.packet_type {
            DEBUG => Ok(Self::Debug(frame.payload)),
            LOGIN_REQUEST => exact(frame).map(|payload| Self::Login(LoginRequest::read(payload))),
            UNSEQUENCED => Ok(Self::Unsequenced(frame.payload)),
            b'R' => Ok(Self::Heartbeat),
            b'O' => Ok(Self::Logout),
            other => Err(DecodeError::UnknownType(other)),
        }
    }

    /// Writes the packet; the bytes written, or `None` when it does not fit.
    pub fn encode(&self, out: &mut [u8]) -> Option<usize> {
        match self {
            Self::Debug(text) => encode(DEBUG, text, out),
            Self::Login(login) => copy(&login.to_packet(), out),
            Self::Unsequenced(message) => encode(UNSEQUENCED, message, out),
            Self::Heartbeat => copy(&CLIENT_HEARTBEAT, out),
            Self::Logout => copy(&LOGOUT_REQUEST, out),
        }
    }
}

/// What the venue sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerPacket<'a> {
    /// Free text for people.
    Debug(&'a [u8]),
    /// The login was good.
    LoginAccepted(LoginAccepted),
    /// The login was bad.
    LoginRejected(LoginRejectReason),
    /// The next message of the session's stream.
    Sequenced(&'a [u8]),
    /// Still here.
    Heartbeat,
    /// The stream is complete.
    EndOfSession,
}

impl<'a> ServerPacket<'a> {
    /// What a packet says. The payload of heartbeat and end of session is not looked at.
    ///
    /// # Errors
    /// A type that no server sends, a wrong length, a sequence that is no number, an unknown reject reason.
    pub fn decode(frame: Frame<'a>) -> Result<Self, DecodeError> {
        match frame.packet_type {
            DEBUG => Ok(Self::Debug(frame.payload)),
            LOGIN_ACCEPTED => {
                let payload = exact::<{ LoginAccepted::BYTES }>(frame)?;
                let digits: [u8; 20] = array_at(payload, 10);
                let bad = DecodeError::BadValue { offset: 10, found: u64::from(digits[19]) };
                let next_sequence = number(&digits).ok_or(bad)?;
                Ok(Self::LoginAccepted(LoginAccepted { session: session_name(array_at(payload, 0)), next_sequence }))
            }
            LOGIN_REJECTED => match exact::<1>(frame)? {
                b"A" => Ok(Self::LoginRejected(LoginRejectReason::NotAuthorized)),
                b"S" => Ok(Self::LoginRejected(LoginRejectReason::SessionNotAvailable)),
                [other] => Err(DecodeError::BadValue { offset: 0, found: u64::from(*other) }),
            },
            SEQUENCED => Ok(Self::Sequenced(frame.payload)),
            b'H' => Ok(Self::Heartbeat),
            b'Z' => Ok(Self::EndOfSession),
            other => Err(DecodeError::UnknownType(other)),
        }
    }

    /// Writes the packet; the bytes written, or `None` when it does not fit.
    pub fn encode(&self, out: &mut [u8]) -> Option<usize> {
        match self {
            Self::Debug(text) => encode(DEBUG, text, out),
            Self::LoginAccepted(accepted) => copy(&accepted.to_packet(), out),
            Self::LoginRejected(reason) => copy(&reason.to_packet(), out),
            Self::Sequenced(message) => encode(SEQUENCED, message, out),
            Self::Heartbeat => copy(&SERVER_HEARTBEAT, out),
            Self::EndOfSession => copy(&END_OF_SESSION, out),
        }
    }
}

/// The payload when it has exactly `N` bytes.
fn exact<const N: usize>(frame: Frame<'_>) -> Result<&[u8; N], DecodeError> {
    let (message_type, found) = (frame.packet_type, frame.payload.len());
    frame.payload.try_into().map_err(|_| {
        if found < N {
            DecodeError::TooShort { message_type, expected: N, found }
        } else {
            DecodeError::TooLong { message_type, expected: N, found }
        }
    })
}

fn copy(packet: &[u8], out: &mut [u8]) -> Option<usize> {
    out.get_mut(..packet.len())?.copy_from_slice(packet);
    Some(packet.len())
}
