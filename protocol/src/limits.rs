//! Bounds that several crates rely on. Each is checked against its neighbours here, at compile time.

/// Highest account index plus one: an [`Owner`](crate::Owner) keeps 24 bits for it.
pub const ACCOUNTS_MAX: u32 = 1 << 24;
/// Highest instrument index: an ITCH `stock_locate` is a u16 and 0 names none.
pub const INSTRUMENTS_MAX: usize = u16::MAX as usize;
/// Default bound on the orders that one command may touch.
pub const ORDERS_PER_COMMAND_MAX_DEFAULT: usize = 16_384;
/// Default bound on the stop orders that one command elects.
pub const ELECTIONS_PER_COMMAND_MAX_DEFAULT: u16 = 16;
/// Broken trades that are remembered: what is older than the oldest of so many cannot be broken any more.
pub const BUSTS_MAX: usize = 1_024;
/// Cancels by filter of accounts that may be unfinished at once: a client's further one is refused (000B), those of ended sessions
/// and tripped switches wait.
pub const CANCELS_UNFINISHED_MAX: usize = 4_096;
/// Cancels that can wait for the end of a cross, in the whole venue.
pub const CANCELS_PENDING_MAX: usize = 1_024;
/// A `SoupBinTCP` packet: the length field, and the most it can count.
pub const SOUP_PACKET_BYTES_MAX: usize = 2 + u16::MAX as usize;
/// The longest message that a client may send: fixed fields of Enter Order and an appendage with every tag once.
pub const OUCH_INBOUND_BYTES_MAX: usize = 512;
/// The longest message that the venue sends to a session.
pub const OUCH_OUTBOUND_BYTES_MAX: usize = 256;
/// The longest ITCH 5.0 message (`I`, 50 bytes).
pub const ITCH_MESSAGE_BYTES_MAX: usize = 50;
/// Bytes of a full command record body: two cache lines.
pub const COMMAND_RECORD_BYTES_MAX: usize = 128;
/// Bytes of the encoding of one event, as it is hashed.
pub const EVENT_BYTES: usize = 64;

const _: () = assert!(OUCH_INBOUND_BYTES_MAX < SOUP_PACKET_BYTES_MAX);
const _: () = assert!(OUCH_OUTBOUND_BYTES_MAX < SOUP_PACKET_BYTES_MAX);
