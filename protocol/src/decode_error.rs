//! The one error of every decoder here.

/// Why bytes are not a message, and where. Offsets count from the first byte of what was given to the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than the fixed fields need.
    #[error("message type {message_type:#04x} needs {expected} bytes, found {found}")]
    TooShort {
        /// First byte, 0 when there is none.
        message_type: u8,
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// More bytes than the message and its appendage have.
    #[error("message type {message_type:#04x} has {expected} bytes, found {found}")]
    TooLong {
        /// First byte.
        message_type: u8,
        /// Bytes of the whole message.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// No message of this direction has this type.
    #[error("unknown message type {0:#04x}")]
    UnknownType(u8),
    /// A field holds a value that its enumeration does not have.
    #[error("field at offset {offset} holds {found:#x}, which it may not")]
    BadValue {
        /// Where the field starts.
        offset: usize,
        /// What it holds.
        found: u64,
    },
    /// An appendage element has a wrong length, is unknown, repeated, or not allowed here.
    #[error("appendage element at offset {offset} (tag {tag}) has a wrong length, is repeated, or is not allowed here")]
    BadAppendage {
        /// Where the element starts.
        offset: usize,
        /// Its tag, 0 when it has none.
        tag: u8,
    },
}
