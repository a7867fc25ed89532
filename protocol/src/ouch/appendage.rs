//! The optional fields at the end of OUCH messages (ouch50.md §2, ouch-extensions.md).
//!
//! ```text
//! message    fixed fields | appendage_length u16 | element | element | ...
//! element    length u8 (tag and value) | tag u8 | value
//! ```

use core::fmt;

use crate::decode_error::DecodeError;
use crate::types::{AccountName, Channel, Firm, Nanos, OrderRef, Qty};
use crate::wire::{FieldView, Wire};

macro_rules! elements {
    ($($(#[$doc:meta])* $name:ident($kind:ty) = $tag:literal;)+) => {
        /// One optional field. Letters stay letters: whether they are known is not said here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Element { $($(#[$doc])* $name($kind),)+ }

        impl Element {
            /// Every tag, ascending, with the bytes of its value.
            pub const TAGS: &'static [(u8, usize)] = &[$(($tag, <$kind as Wire>::BYTES)),+];

            /// The tag on the wire.
            #[inline]
            pub const fn tag(self) -> u8 {
                match self { $(Self::$name(_) => $tag),+ }
            }

            /// Bytes of the value of `tag`; `None` for a tag that nobody knows.
            #[inline]
            pub fn value_bytes(tag: u8) -> Option<usize> {
                match VALUE_BYTES.get(usize::from(tag)) {
                    Some(0) | None => None,
                    Some(&bytes) => Some(usize::from(bytes)),
                }
            }

            /// From tag and value; `None` when the tag is unknown or the value has another size.
            #[inline]
            pub fn read(tag: u8, value: &[u8]) -> Option<Self> {
                if Self::value_bytes(tag) != Some(value.len()) {
                    return None;
                }
                match tag {
                    $($tag => Some(Self::$name(<$kind as Wire>::read(value, 0))),)+
                    _ => None,
                }
            }

            /// Writes length, tag and value; the bytes written, or `None` when `out` is too small.
            #[inline]
            pub fn write(self, out: &mut [u8]) -> Option<usize> {
                match self {
                    $(Self::$name(value) => {
                        const BYTES: usize = 2 + <$kind as Wire>::BYTES;
                        let slot = out.first_chunk_mut::<BYTES>()?;
                        crate::wire::put_at(slot, 0, [LENGTH_OF[BYTES - 1], $tag]);
                        value.write(slot, 2);
                        Some(BYTES)
                    })+
                }
            }

            /// Tells of the value; `offset` is that of the element.
            pub fn visit(self, offset: usize, visit: &mut dyn FnMut(FieldView)) {
                match self { $(Self::$name(value) => value.visit(stringify!($name), offset + 2, visit)),+ }
            }
        }
    };
}

/// Bytes of the value of each tag, 0 for a tag that nobody knows: a look-up where a search would cost on every order.
#[cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "done by the compiler, which would refuse"))]
static VALUE_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut tags = Element::TAGS;
    while let [(tag, bytes), rest @ ..] = tags {
        table[*tag as usize] = LENGTH_OF[*bytes];
        tags = rest;
    }
    table
};

/// The length byte for each number of bytes after it.
const LENGTH_OF: [u8; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

elements! {
    /// Feed reference after a refresh.
    SecondaryOrdRefNum(OrderRef) = 1;
    /// Entering firm.
    Firm(Firm) = 2;
    /// Least quantity to execute.
    MinQty(Qty) = 3;
    /// `R`, `N`, space.
    CustomerType(u8) = 4;
    /// Displayed part of a reserve order.
    MaxFloor(Qty) = 5;
    /// `L P M R Q m`.
    PriceType(u8) = 6;
    /// Offset from the pegged price, wire units.
    PegOffset(i32) = 7;
    /// Discretion price, wire units.
    DiscretionPrice(u64) = 9;
    /// `L P M R`.
    DiscretionPriceType(u8) = 10;
    /// Wire units.
    DiscretionPegOffset(i32) = 11;
    /// `P`, `N`.
    PostOnly(u8) = 12;
    /// Spread of each refresh.
    RandomReserves(Qty) = 13;
    /// Where it was routed; from the venue only.
    Route([u8; 4]) = 14;
    /// Seconds to live.
    ExpireTime(u32) = 15;
    /// `Y`, `N`, space.
    TradeNow(u8) = 16;
    /// Handling instruction.
    HandleInst(u8) = 17;
    /// From the venue only.
    BboWeightIndicator(u8) = 18;
    /// Older revision, from the venue only; wire units.
    ReferencePrice(u64) = 19;
    /// Older revision, from the venue only.
    ReferencePriceType(u8) = 20;
    /// New displayed quantity; from the venue only.
    DisplayQuantity(Qty) = 22;
    /// New displayed price, wire units; from the venue only.
    DisplayPrice(u64) = 23;
    /// Group for mass cancel.
    GroupId(u16) = 24;
    /// `Y`, `N`.
    SharesLocated(u8) = 25;
    /// Where the shares were located.
    LocateBroker(Firm) = 26;
    /// `B S T E`.
    Side(u8) = 27;
    /// Channel within the account.
    UserRefIdx(Channel) = 28;
    /// Self-match prevention.
    AiqStrategy(u8) = 29;
    /// Self-match group.
    AiqGroupId([u8; 2]) = 30;
    /// Stop price, wire units.
    StopPrice(u64) = 200;
    /// `L Q M`.
    StopTrigger(u8) = 201;
    /// Distance of a trailing stop, wire units.
    TrailOffset(u64) = 202;
    /// When it expires.
    ExpireAt(Nanos) = 203;
    /// `Y`, `N`.
    CancelOnDisconnect(u8) = 204;
    /// `Y`: answers carry tags 220 to 224.
    ReportDetails(u8) = 205;
    /// Bytes read from the socket, ns since midnight; from the venue only.
    IngressTime(u64) = 220;
    /// Sequence given, ns since midnight; from the venue only.
    SequencedTime(u64) = 221;
    /// Command finished, ns since midnight; from the venue only.
    MatchedTime(u64) = 222;
    /// Durability reached, ns since midnight; from the venue only.
    DurableTime(u64) = 223;
    /// Displayed quantity ahead of it; from the venue only.
    QuantityAhead(u64) = 224;
    /// Whose message it is; on drop copy only.
    Account(AccountName) = 225;
}

/// A set of tags in one word, 0 for a tag that nobody knows: 1..=30, 200..=205 and 220..=225 have a bit each.
pub(crate) const fn tag_bit(tag: u8) -> u64 {
    match tag {
        1..=30 => 1 << tag,
        200..=205 => 1 << (tag - 168),
        220..=225 => 1 << (tag - 180),
        _ => 0,
    }
}

/// The set of several tags.
pub(crate) const fn tag_bits(mut tags: &[u8]) -> u64 {
    let mut bits = 0;
    while let [tag, rest @ ..] = tags {
        bits |= tag_bit(*tag);
        tags = rest;
    }
    bits
}

/// One element as it lies there, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawElement<'a> {
    /// Where it starts in the appendage.
    pub offset: usize,
    /// Its tag.
    pub tag: u8,
    /// Its value.
    pub value: &'a [u8],
}

/// Goes over elements until the end, or until one is broken; what is left then is in [`Elements::rest`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Elements<'a> {
    /// Over any bytes.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// What was not gone over yet: empty after the last of well-formed elements.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = RawElement<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawElement<'a>> {
        let (&length, rest) = self.rest.split_first()?;
        let (body, rest) = rest.split_at_checked(usize::from(length))?;
        let (&tag, value) = body.split_first()?;
        let element = RawElement { offset: self.offset, tag, value };
        self.offset += 1 + body.len();
        self.rest = rest;
        Some(element)
    }
}

/// Elements of which each has a length that fits. Their tags may be unknown.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Appendage<'a>(&'a [u8]);

impl<'a> Appendage<'a> {
    /// No element.
    pub const EMPTY: Self = Self(&[]);

    /// From the bytes after the appendage length; `offset` is where they start in the message, for the error.
    ///
    /// # Errors
    /// An element of length 0 or one that runs past the end.
    pub fn parse(bytes: &'a [u8], offset: usize) -> Result<Self, DecodeError> {
        let mut elements = Elements::of(bytes);
        while elements.next().is_some() {}
        match elements.rest() {
            [] => Ok(Self(bytes)),
            broken => Err(DecodeError::BadAppendage {
                offset: offset + elements.offset,
                tag: broken.get(1).copied().unwrap_or(0),
            }),
        }
    }

    /// The bytes after the appendage length.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Every element, known or not, in the order of the wire.
    pub const fn raw(self) -> Elements<'a> {
        Elements::of(self.0)
    }

    /// The elements whose tag is known and whose value has the size of that tag.
    pub fn elements(self) -> impl Iterator<Item = Element> + 'a {
        self.raw().filter_map(|raw| Element::read(raw.tag, raw.value))
    }

    /// The first element with this tag.
    pub fn find(self, tag: u8) -> Option<Element> {
        self.raw().find(|raw| raw.tag == tag).and_then(|raw| Element::read(raw.tag, raw.value))
    }

    /// Tag 28; channel 0 when it is not there.
    pub fn channel(self) -> Channel {
        match self.raw().find(|raw| raw.tag == 28) {
            Some(RawElement { value: &[channel], .. }) => Channel(channel),
            Some(_) | None => Channel(0),
        }
    }

    /// Reads what follows `fixed` bytes of a message: nothing at all (`None`), or a length and that many bytes.
    pub(crate) fn tail(message_type: u8, fixed: usize, rest: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        if rest.is_empty() {
            return Ok(None);
        }
        let found = fixed + rest.len();
        let too_short = |expected| DecodeError::TooShort { message_type, expected, found };
        let (length, elements) = rest.split_first_chunk().ok_or(too_short(fixed + 2))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let expected = fixed + 2 + length;
        if elements.len() < length {
            return Err(too_short(expected));
        }
        if elements.len() > length {
            return Err(DecodeError::TooLong { message_type, expected, found });
        }
        Self::parse(elements, fixed + 2).map(Some)
    }

    /// Writes length and elements to the front of `out`; the bytes written, or `None` when it does not fit.
    pub(crate) fn put(self, out: &mut [u8]) -> Option<usize> {
        let length = u16::try_from(self.0.len()).ok()?;
        let (to, rest) = out.split_first_chunk_mut()?;
        rest.get_mut(..self.0.len())?.copy_from_slice(self.0);
        *to = length.to_be_bytes();
        Some(2 + self.0.len())
    }
}

impl fmt::Debug for Appendage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.raw()).finish()
    }
}

/// Bytes of an [`AppendageBuffer`]: room for every tag once.
const BUFFER_BYTES: usize = 256;

const _: () = {
    let mut sum = 0;
    let mut tags = Element::TAGS;
    while let [(_, value_bytes), rest @ ..] = tags {
        sum += 2 + *value_bytes;
        tags = rest;
    }
    assert!(sum <= BUFFER_BYTES);
};

/// Elements to be sent, in the order in which they were added.
#[derive(Clone, Copy)]
pub struct AppendageBuffer {
    bytes: [u8; BUFFER_BYTES],
    len: usize,
}

impl AppendageBuffer {
    /// No element.
    pub const fn new() -> Self {
        Self { bytes: [0; BUFFER_BYTES], len: 0 }
    }

    /// Adds one. There is room for every tag once; beyond 256 bytes this panics.
    pub fn push(&mut self, element: Element) {
        let written = self.bytes.get_mut(self.len..).and_then(|out| element.write(out));
        assert!(written.is_some(), "an appendage has room for every tag once");
        self.len += written.unwrap_or(0);
    }

    /// With one more; see [`AppendageBuffer::push`].
    #[must_use]
    pub fn with(mut self, element: Element) -> Self {
        self.push(element);
        self
    }

    /// What was added.
    pub fn appendage(&self) -> Appendage<'_> {
        Appendage(self.bytes.get(..self.len).unwrap_or(&[]))
    }
}

impl Default for AppendageBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AppendageBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.appendage().fmt(f)
    }
}
