//! How a fixed message layout is written down: once, as a table of offsets that the compiler checks, from which come
//! the struct, its reader and its writer. Used by [`crate::ouch`], [`crate::itch`], [`crate::soupbin`] and
//! [`crate::moldudp64`].
//!
//! The readers and writers here take offsets that the tables have proven to lie inside; they are total all the same:
//! a read beyond the end gives zeros, a write beyond the end does nothing.

use crate::types::{
    AccountName, Channel, ClOrdId, Firm, InstrumentId, MatchNumber, Nanos, OrderRef, Price, Qty, SessionName, Symbol,
    UserRefNum,
};

/// What one field of a wire message holds, for tools that print it and tests that compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// An unsigned number.
    Number(u64),
    /// A signed number.
    Signed(i64),
    /// Letters, as they are on the wire: the first `len` of `bytes`.
    Text {
        /// The letters, zeros behind them.
        bytes: [u8; 20],
        /// How many there are.
        len: usize,
    },
}

impl FieldValue {
    fn text(from: &[u8]) -> Self {
        let mut bytes = [0; 20];
        let len = from.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = *from;
        }
        Self::Text { bytes, len }
    }
}

/// One field of a layout: its name, where it starts, how many bytes it has, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldView {
    /// Name of the field.
    pub name: &'static str,
    /// First byte, from the type byte of the message.
    pub offset: usize,
    /// How many bytes.
    pub bytes: usize,
    /// What they say.
    pub value: FieldValue,
}

/// The `N` bytes at `offset`.
#[inline]
pub(crate) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// Puts `value` at `offset`.
#[inline]
pub(crate) fn put_at<const N: usize>(out: &mut [u8], offset: usize, value: [u8; N]) {
    if let Some(slot) = out.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) {
        *slot = value;
    }
}

/// A value with one form on the wire, big-endian.
pub(crate) trait Wire: Copy {
    /// Bytes it takes.
    const BYTES: usize;
    /// Reads it at `offset`.
    fn read(bytes: &[u8], offset: usize) -> Self;
    /// Writes it at `offset`.
    fn write(self, out: &mut [u8], offset: usize);
    /// For printing and comparing.
    fn view(self) -> FieldValue;
    /// Tells of the fields inside, or of itself as one.
    fn visit(self, name: &'static str, offset: usize, visit: &mut dyn FnMut(FieldView)) {
        visit(FieldView { name, offset, bytes: Self::BYTES, value: self.view() });
    }
}

macro_rules! wire_numbers {
    ($($number:ty),+) => {$(
        impl Wire for $number {
            const BYTES: usize = size_of::<$number>();
            #[inline]
            fn read(bytes: &[u8], offset: usize) -> Self {
                Self::from_be_bytes(array_at(bytes, offset))
            }
            #[inline]
            fn write(self, out: &mut [u8], offset: usize) {
                put_at(out, offset, self.to_be_bytes());
            }
            fn view(self) -> FieldValue {
                FieldValue::Number(u64::from(self))
            }
        }
    )+};
}

wire_numbers!(u16, u32, u64);

/// One letter.
impl Wire for u8 {
    const BYTES: usize = 1;
    #[inline]
    fn read(bytes: &[u8], offset: usize) -> Self {
        bytes.get(offset).copied().unwrap_or(0)
    }
    #[inline]
    fn write(self, out: &mut [u8], offset: usize) {
        put_at(out, offset, [self]);
    }
    fn view(self) -> FieldValue {
        FieldValue::text(&[self])
    }
}

impl Wire for i32 {
    const BYTES: usize = 4;
    #[inline]
    fn read(bytes: &[u8], offset: usize) -> Self {
        Self::from_be_bytes(array_at(bytes, offset))
    }
    #[inline]
    fn write(self, out: &mut [u8], offset: usize) {
        put_at(out, offset, self.to_be_bytes());
    }
    fn view(self) -> FieldValue {
        FieldValue::Signed(i64::from(self))
    }
}

impl<const N: usize> Wire for [u8; N] {
    const BYTES: usize = N;
    #[inline]
    fn read(bytes: &[u8], offset: usize) -> Self {
        array_at(bytes, offset)
    }
    #[inline]
    fn write(self, out: &mut [u8], offset: usize) {
        put_at(out, offset, self);
    }
    fn view(self) -> FieldValue {
        FieldValue::text(&self)
    }
}

macro_rules! wire_newtypes {
    ($($name:ident($inner:ty)),+) => {$(
        impl Wire for $name {
            const BYTES: usize = <$inner as Wire>::BYTES;
            #[inline]
            fn read(bytes: &[u8], offset: usize) -> Self {
                Self(<$inner as Wire>::read(bytes, offset))
            }
            #[inline]
            fn write(self, out: &mut [u8], offset: usize) {
                self.0.write(out, offset);
            }
            fn view(self) -> FieldValue {
                self.0.view()
            }
        }
    )+};
}

wire_newtypes!(
    Price(u32),
    Qty(u32),
    OrderRef(u64),
    MatchNumber(u64),
    UserRefNum(u32),
    InstrumentId(u16),
    Nanos(u64),
    Symbol([u8; 8]),
    Firm([u8; 4]),
    AccountName([u8; 6]),
    ClOrdId([u8; 14]),
    SessionName([u8; 10])
);

/// One byte that is a number.
impl Wire for Channel {
    const BYTES: usize = 1;
    #[inline]
    fn read(bytes: &[u8], offset: usize) -> Self {
        Self(<u8 as Wire>::read(bytes, offset))
    }
    #[inline]
    fn write(self, out: &mut [u8], offset: usize) {
        self.0.write(out, offset);
    }
    fn view(self) -> FieldValue {
        FieldValue::Number(u64::from(self.0))
    }
}

/// A message of fixed layout: `Name = type letter, bytes { offset field: Type, ... }`, the type byte at offset 0.
/// Offsets and length are checked by the compiler to follow from the sizes of the fields.
macro_rules! message {
    ($(#[$doc:meta])* $name:ident = $letter:literal, $len:literal {
        $($(#[$field_doc:meta])* $offset:literal $field:ident: $kind:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        const _: () = {
            let end = 1;
            $(
                assert!($offset == end, "the field does not start where the one before ends");
                let end = $offset + <$kind as $crate::wire::Wire>::BYTES;
            )*
            assert!($len == end, "the length is not the end of the last field");
        };

        impl $name {
            /// The type letter of the message.
            pub const TYPE: u8 = $letter;
            /// Bytes of the fixed fields, type letter included.
            pub const BYTES: usize = $len;

            /// The fields; the first byte is not looked at.
            #[inline]
            pub fn read(bytes: &[u8; $len]) -> Self {
                let all: &[u8] = bytes;
                let _no_fields = all;
                Self { $($field: <$kind as $crate::wire::Wire>::read(all, $offset),)* }
            }

            /// The bytes, type letter first.
            #[inline]
            pub fn to_bytes(&self) -> [u8; $len] {
                let mut bytes = [0; $len];
                $crate::wire::put_at(&mut bytes, 0, [$letter]);
                $($crate::wire::Wire::write(self.$field, &mut bytes, $offset);)*
                bytes
            }

            /// Tells of each field, in the order of the wire.
            pub fn visit(&self, visit: &mut dyn FnMut($crate::FieldView)) {
                let _no_fields = &visit;
                $($crate::wire::Wire::visit(self.$field, stringify!($field), $offset, visit);)*
            }
        }
    };
}

/// The messages of one direction: an enum, and the way from and to bytes of their fixed fields.
macro_rules! message_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant($variant),)+
        }

        impl $name {
            /// (type letter, bytes of the fixed fields) of every message.
            pub const TYPES: &'static [(u8, usize)] = &[$(($variant::TYPE, $variant::BYTES)),+];

            /// The type letter.
            pub const fn message_type(&self) -> u8 {
                match self { $(Self::$variant(_) => $variant::TYPE),+ }
            }

            /// Tells of each fixed field, in the order of the wire.
            pub fn visit(&self, visit: &mut dyn FnMut($crate::FieldView)) {
                match self { $(Self::$variant(message) => message.visit(visit)),+ }
            }

            /// The fixed fields, and what follows them.
            #[inline]
            fn split(bytes: &[u8]) -> Result<(Self, &[u8]), $crate::DecodeError> {
                let too_short = |message_type, expected| $crate::DecodeError::TooShort {
                    message_type,
                    expected,
                    found: bytes.len(),
                };
                match bytes.first() {
                    None => Err(too_short(0, 1)),
                    $(Some(&$variant::TYPE) => bytes
                        .split_first_chunk::<{ $variant::BYTES }>()
                        .map(|(fixed, rest)| (Self::$variant($variant::read(fixed)), rest))
                        .ok_or(too_short($variant::TYPE, $variant::BYTES)),)+
                    Some(&other) => Err($crate::DecodeError::UnknownType(other)),
                }
            }

            /// Writes the fixed fields to the front of `out`; the bytes written, or `None` when it is too small.
            #[inline]
            fn put(&self, out: &mut [u8]) -> Option<usize> {
                match self {
                    $(Self::$variant(message) => {
                        *out.first_chunk_mut()? = message.to_bytes();
                        Some($variant::BYTES)
                    })+
                }
            }
        }
    };
}

pub(crate) use {message, message_enum};
