//! Top of book, conflated (docs/bbo.md): a record of fixed layout per instrument, of which the latest value counts. The helper
//! that keeps the displayed book makes the records; the feed's thread keeps them by the order in which they changed, and
//! frames what a subscriber has not seen. Those who have seen the same get the same bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use protocol::{InstrumentId, SessionName};

use crate::feed::frame_log::frame_header;

/// Version of the layout.
const VERSION: u16 = 1;
/// Bytes of a frame's header.
pub(crate) const HEADER_BYTES: usize = 32;
/// Bytes of a record.
pub(crate) const RECORD_BYTES: usize = 64;
/// Records of one frame, at the most: it stays below 64 KiB.
pub(crate) const RECORDS_PER_FRAME_MAX: usize = 1_000;
/// Changes that may wait for the feed's thread.
const CHANGES_MAX: usize = 4_096;

const _: () = assert!(HEADER_BYTES + RECORDS_PER_FRAME_MAX * RECORD_BYTES < 65_536);

/// One side of the top of a book; all zero when nobody is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Top {
    pub(crate) price: u32,
    pub(crate) shares: u64,
    pub(crate) orders: u32,
}

/// What is shown of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quote {
    pub(crate) instrument: InstrumentId,
    /// As in the last Stock Trading Action; a space before the first.
    pub(crate) state: u8,
    pub(crate) bid: Top,
    pub(crate) ask: Top,
    /// The last execution; 0 before the first.
    pub(crate) last_price: u32,
    pub(crate) last_shares: u64,
    /// Time of the last message that changed it, nanoseconds since midnight as on the feed.
    pub(crate) timestamp_ns: u64,
    /// Number of that message.
    pub(crate) sequence: u64,
}

impl Quote {
    /// True when both show the same, whenever that was.
    pub(crate) fn shows(&self, other: &Self) -> bool {
        let timeless = |quote: &Self| Self { timestamp_ns: 0, sequence: 0, ..*quote };
        timeless(self) == timeless(other)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.instrument.0.to_be_bytes());
        out.extend_from_slice(&[self.state, 0]);
        out.extend_from_slice(&self.last_price.to_be_bytes());
        out.extend_from_slice(&self.bid.shares.to_be_bytes());
        out.extend_from_slice(&self.ask.shares.to_be_bytes());
        out.extend_from_slice(&self.bid.price.to_be_bytes());
        out.extend_from_slice(&self.ask.price.to_be_bytes());
        out.extend_from_slice(&self.bid.orders.to_be_bytes());
        out.extend_from_slice(&self.ask.orders.to_be_bytes());
        out.extend_from_slice(&self.last_shares.to_be_bytes());
        out.extend_from_slice(&self.timestamp_ns.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
    }
}

/// What the helper tells the feed's thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Quote(Quote),
    /// All messages up to this one are in the quotes told before.
    Through(u64),
}

/// The way from the helper to the feed's thread.
#[derive(Debug)]
pub(crate) struct BboLink {
    pub(crate) changes: ArrayQueue<Change>,
    /// How many follow.
    pub(crate) watchers: AtomicUsize,
}

impl BboLink {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { changes: ArrayQueue::new(CHANGES_MAX), watchers: AtomicUsize::new(0) })
    }

    /// Somebody follows. Only a hint: whether to wake the feed's thread for a change.
    pub(crate) fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }
}

/// An instrument's quote, and its neighbours in the order of change.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    quote: Quote,
    /// The version of the board that this change made; 0 = never told.
    version: u64,
    earlier: u16,
    later: u16,
}

/// The quotes as the feed's thread has them. Index 0 is no instrument: it is the end of the list on both sides.
#[derive(Debug)]
pub(crate) struct BboBoard {
    pub(crate) link: Arc<BboLink>,
    places: Vec<Place>,
    version: u64,
    through: u64,
    /// The frames made last, and for whom.
    made: Option<(u64, u64, Arc<[u8]>)>,
    /// How often frames were made.
    pub(crate) frames_made: u64,
}

impl BboBoard {
    pub(crate) fn new() -> Self {
        let places = vec![Place::default()];
        Self { link: BboLink::new(), places, version: 1, through: 0, made: None, frames_made: 0 }
    }

    /// The version that has everything told so far: 1 or more.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Takes what the helper told. True when something changed.
    pub(crate) fn take(&mut self) -> bool {
        let before = self.version;
        for _ in 0..CHANGES_MAX {
            match self.link.changes.pop() {
                Some(Change::Quote(quote)) => {
                    if self.version == before {
                        self.version += 1;
                    }
                    self.put(quote);
                }
                Some(Change::Through(sequence)) => self.through = sequence,
                None => break,
            }
        }
        self.version > before
    }

    fn put(&mut self, quote: Quote) {
        let index = usize::from(quote.instrument.0);
        if self.places.len() <= index {
            self.places.resize(index + 1, Place::default());
        }
        let Some(old) = self.places.get(index).copied().filter(|_| index > 0) else { return };
        if old.version > 0 {
            self.place(old.earlier).later = old.later;
            self.place(old.later).earlier = old.earlier;
        }
        // Behind the one that changed last.
        let latest = self.place(0).earlier;
        self.place(latest).later = quote.instrument.0;
        self.place(0).earlier = quote.instrument.0;
        let version = self.version;
        *self.place(quote.instrument.0) = Place { quote, version, earlier: latest, later: 0 };
    }

    fn place(&mut self, index: u16) -> &mut Place {
        let last = self.places.len() - 1;
        // Every index here was given by this list.
        #[expect(clippy::indexing_slicing, reason = "bounded by the line above")]
        &mut self.places[usize::from(index).min(last)]
    }

    /// Frames with every quote that changed after version `seen`; a single one without quotes when there is none. Made once
    /// for all who have seen the same.
    pub(crate) fn frames_since(&mut self, seen: u64, session: SessionName) -> Arc<[u8]> {
        if let Some((from, to, frames)) = &self.made
            && (*from, *to) == (seen, self.version)
        {
            return Arc::clone(frames);
        }
        let mut quotes = Vec::new();
        let mut index = self.places.first().map_or(0, |end| end.earlier);
        while let Some(place) = self.places.get(usize::from(index)).filter(|place| index > 0 && place.version > seen) {
            quotes.push(place.quote);
            index = place.earlier;
        }
        // The one that changed first comes first.
        quotes.reverse();
        let mut frames = Vec::with_capacity(HEADER_BYTES + 4 + quotes.len() * RECORD_BYTES);
        for part in quotes.chunks(RECORDS_PER_FRAME_MAX) {
            self.frame(part, session, &mut frames);
        }
        if quotes.is_empty() {
            self.frame(&[], session, &mut frames);
        }
        self.frames_made += 1;
        let frames: Arc<[u8]> = frames.into();
        self.made = Some((seen, self.version, Arc::clone(&frames)));
        frames
    }

    /// A frame without quotes: a sign of life.
    pub(crate) fn heartbeat(&self, session: SessionName) -> Arc<[u8]> {
        let mut frame = Vec::with_capacity(HEADER_BYTES + 4);
        self.frame(&[], session, &mut frame);
        frame.into()
    }

    fn frame(&self, quotes: &[Quote], session: SessionName, out: &mut Vec<u8>) {
        let payload = u16::try_from(HEADER_BYTES + quotes.len() * RECORD_BYTES).unwrap_or_default();
        let (frame, len) = frame_header(payload);
        out.extend_from_slice(frame.get(..len).unwrap_or_default());
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&u16::try_from(quotes.len()).unwrap_or_default().to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.through.to_be_bytes());
        out.extend_from_slice(&session.0);
        out.extend_from_slice(&[0; 6]);
        for quote in quotes {
            quote.put(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionName = SessionName(*b"S000000001");

    fn quote(instrument: u16, price: u32) -> Quote {
        let bid = Top { price, shares: 5, orders: 1 };
        Quote { instrument: InstrumentId(instrument), state: b'T', bid, ..Quote::default() }
    }

    fn tell(board: &mut BboBoard, quotes: &[(u16, u32)]) {
        for &(instrument, price) in quotes {
            board.link.changes.push(Change::Quote(quote(instrument, price))).unwrap();
        }
        board.link.changes.push(Change::Through(9)).unwrap();
        assert!(board.take());
    }

    /// Instruments and bid prices in these frames.
    fn read(frames: &[u8]) -> Vec<(u16, u32)> {
        let (mut rest, mut found) = (frames, Vec::new());
        while !rest.is_empty() {
            let (head, len) = if rest[1] == 126 {
                (4, usize::from(u16::from_be_bytes([rest[2], rest[3]])))
            } else {
                (2, usize::from(rest[1]))
            };
            let payload = &rest[head..head + len];
            assert_eq!((&payload[..2], &payload[16..26]), (&[0, 1][..], &SESSION.0[..]));
            let count = usize::from(u16::from_be_bytes([payload[2], payload[3]]));
            assert_eq!(payload.len(), HEADER_BYTES + count * RECORD_BYTES);
            for record in payload[HEADER_BYTES..].chunks(RECORD_BYTES) {
                found.push((
                    u16::from_be_bytes([record[0], record[1]]),
                    u32::from_be_bytes(record[24..28].try_into().unwrap()),
                ));
            }
            rest = &rest[head + len..];
        }
        found
    }

    #[test]
    fn each_gets_what_it_has_not_seen_and_only_the_latest_of_it() {
        let mut board = BboBoard::new();
        assert_eq!(read(&board.frames_since(0, SESSION)), []);
        tell(&mut board, &[(3, 30), (1, 10), (2, 20)]);
        let first = board.version();
        assert_eq!(read(&board.frames_since(0, SESSION)), [(3, 30), (1, 10), (2, 20)]);
        tell(&mut board, &[(1, 11), (1, 12)]);
        assert_eq!(read(&board.frames_since(first, SESSION)), [(1, 12)]);
        tell(&mut board, &[(3, 31)]);
        assert_eq!(read(&board.frames_since(first, SESSION)), [(1, 12), (3, 31)]);
        assert_eq!(read(&board.frames_since(0, SESSION)), [(2, 20), (1, 12), (3, 31)]);
        assert_eq!(read(&board.frames_since(board.version(), SESSION)), []);
    }

    #[test]
    fn those_who_have_seen_the_same_get_the_same_bytes() {
        let mut board = BboBoard::new();
        tell(&mut board, &[(1, 10)]);
        let made = board.frames_made;
        let frames: Vec<_> = (0..100).map(|_| board.frames_since(1, SESSION)).collect();
        assert!(frames.iter().all(|other| Arc::ptr_eq(other, &frames[0])));
        assert_eq!(board.frames_made, made + 1);
    }

    #[test]
    fn many_instruments_are_split_over_frames() {
        let mut board = BboBoard::new();
        let all: Vec<_> = (1..=2_500).map(|n| (n, u32::from(n))).collect();
        for part in all.chunks(1_000) {
            tell(&mut board, part);
        }
        assert_eq!(read(&board.frames_since(0, SESSION)), all);
    }

    #[test]
    fn the_layout_is_that_of_the_document() {
        let mut board = BboBoard::new();
        let told = Quote {
            instrument: InstrumentId(0x0102),
            state: b'T',
            bid: Top { price: 0x1112_1314, shares: 0x21, orders: 0x31 },
            ask: Top { price: 0x4142_4344, shares: 0x51, orders: 0x61 },
            last_price: 0x7172_7374,
            last_shares: 0x81,
            timestamp_ns: 0x91,
            sequence: 0xA1,
        };
        board.link.changes.push(Change::Quote(told)).unwrap();
        board.link.changes.push(Change::Through(0xB1)).unwrap();
        board.take();
        let frames = board.frames_since(0, SESSION);
        let eight = |byte: u8| [0, 0, 0, 0, 0, 0, 0, byte];
        let four = |byte: u8| [0, 0, 0, byte];
        let mut expected = vec![0x82, 96, 0, 1, 0, 1, 0, 0, 0, 0];
        expected.extend(eight(0xB1));
        expected.extend(b"S000000001\0\0\0\0\0\0");
        expected.extend([1, 2, b'T', 0, 0x71, 0x72, 0x73, 0x74]);
        expected.extend([eight(0x21), eight(0x51)].concat());
        expected.extend([0x11, 0x12, 0x13, 0x14, 0x41, 0x42, 0x43, 0x44]);
        expected.extend([four(0x31), four(0x61)].concat());
        expected.extend([eight(0x81), eight(0x91), eight(0xA1)].concat());
        assert_eq!(frames[..], expected[..]);
    }
}
