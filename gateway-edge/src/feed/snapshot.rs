//! Snapshots (itch50.md §7, venue-rules.md 22) and the top of every book (docs/bbo.md), made by a helper thread that follows the
//! feed's stream: the feed's own thread only hands over a request and gets back frames that are ready to be written, and
//! quotes that changed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use protocol::itch::{EndOfSnapshot, Message};
use protocol::limits::ITCH_MESSAGE_BYTES_MAX;
use protocol::moldudp64::Header;
use protocol::soupbin::sequence_text;
use protocol::{InstrumentId, SessionName};

use crate::feed::bbo::{BboLink, Change, Quote};
use crate::feed::book::SnapshotBook;
use crate::feed::frame_log::frame_header;
use crate::ports::StreamRead;
use crate::reactor::WakeHandle;

/// Messages taken from the stream per turn, at the most.
const MESSAGES_PER_TURN: u64 = 16_384;
/// Bytes looked at in one step.
const STEP_BYTES: u64 = 64 << 10;

/// Whose snapshot it is: a place of the feed's connections, and its guest there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requester {
    pub(crate) slot: usize,
    pub(crate) guest: u64,
}

/// The two queues between feed and helper.
#[derive(Debug)]
pub(crate) struct SnapshotLink {
    pub(crate) requests: ArrayQueue<Requester>,
    pub(crate) finished: ArrayQueue<(Requester, Arc<[u8]>)>,
}

impl SnapshotLink {
    pub(crate) fn new(snapshots_max: usize) -> Arc<Self> {
        let places = snapshots_max.max(1);
        Arc::new(Self { requests: ArrayQueue::new(places), finished: ArrayQueue::new(places) })
    }
}

/// Follows the feed's stream and makes snapshots on request; owned by a housekeeping thread.
pub struct SnapshotAgent<R: StreamRead> {
    reader: R,
    /// Readers of the streams of further sessions, in their order.
    next_readers: Option<Arc<ArrayQueue<R>>>,
    link: Arc<SnapshotLink>,
    waker: WakeHandle,
    packet_bytes_max: usize,
    book: SnapshotBook,
    /// Number of the next message, and where it starts.
    next: u64,
    offset: u64,
    /// Requests that wait for the book to be where the stream was when they came.
    waiting: Vec<Requester>,
    target: u64,
    /// The last snapshot, for others who ask before the stream moves on.
    last: Option<(u64, Arc<[u8]>)>,
    bbo: Arc<BboLink>,
    /// Instruments whose top of book may have changed: time and number of the message that did it.
    dirty: BTreeMap<InstrumentId, (u64, u64)>,
    /// Quotes as they were told.
    told: BTreeMap<InstrumentId, Quote>,
    told_through: u64,
    /// The book was once as new as the stream: from then on quotes are told.
    is_current: bool,
}

impl<R: StreamRead> SnapshotAgent<R> {
    pub(crate) fn new(
        reader: R,
        link: Arc<SnapshotLink>,
        bbo: Arc<BboLink>,
        waker: WakeHandle,
        packet_bytes_max: usize,
    ) -> Self {
        let waiting = Vec::with_capacity(link.requests.capacity());
        let book = SnapshotBook::default();
        Self {
            reader,
            next_readers: None,
            link,
            waker,
            packet_bytes_max,
            book,
            next: 1,
            offset: 0,
            waiting,
            target: 0,
            last: None,
            bbo,
            dirty: BTreeMap::new(),
            told: BTreeMap::new(),
            told_through: 0,
            is_current: false,
        }
    }

    /// Follows the streams of further sessions, whose readers come here when they are opened.
    pub fn follow_next(&mut self, readers: Arc<ArrayQueue<R>>) {
        self.next_readers = Some(readers);
    }

    /// Goes over to a new session, when there is one.
    fn take_next(&mut self) {
        while let Some(reader) = self.next_readers.as_ref().and_then(|readers| readers.pop()) {
            self.reader = reader;
            self.book = SnapshotBook::default();
            (self.next, self.offset, self.target) = (1, 0, self.reader.messages());
            (self.last, self.told_through, self.is_current) = (None, 0, false);
            self.dirty.clear();
        }
    }

    /// Takes a bounded number of messages and serves waiting requests. Answers how much was done; 0 = the owner may
    /// sleep a few milliseconds.
    pub fn turn(&mut self) -> usize {
        self.take_next();
        if self.waiting.is_empty() {
            while let Some(request) = self.link.requests.pop() {
                self.waiting.push(request);
            }
            self.take_next();
            // After the requests: a snapshot holds at least what its requester can have seen of the live stream.
            self.target = self.reader.messages();
        }
        let taken = self.follow();
        let mut served = 0;
        if self.next > self.target {
            while let Some(requester) = self.waiting.pop() {
                let frames = self.snapshot();
                if self.link.finished.push((requester, frames)).is_err() {
                    self.waiting.push(requester);
                    break;
                }
                served += 1;
            }
        }
        let told = self.tell_quotes();
        if served > 0 || told > 0 && self.bbo.is_watched() {
            self.waker.wake();
        }
        taken + served + told
    }

    /// Tells the feed's thread the quotes that changed. What finds no room waits, and only its latest value is told then.
    fn tell_quotes(&mut self) -> usize {
        self.is_current |= self.next > self.reader.messages();
        if !self.is_current || (self.dirty.is_empty() && self.told_through + 1 == self.next) {
            return 0;
        }
        let mut told = 0;
        while let Some((&instrument, &(timestamp_ns, sequence))) = self.dirty.first_key_value() {
            let quote = Quote { timestamp_ns, sequence, ..self.book.quote(instrument) };
            if self.told.get(&instrument).is_none_or(|before| !quote.shows(before)) {
                if self.bbo.changes.push(Change::Quote(quote)).is_err() {
                    return told;
                }
                self.told.insert(instrument, quote);
                told += 1;
            }
            self.dirty.pop_first();
        }
        if self.bbo.changes.push(Change::Through(self.next - 1)).is_ok() {
            self.told_through = self.next - 1;
        }
        told
    }

    /// Takes messages from the stream.
    fn follow(&mut self) -> usize {
        let until = self.reader.messages().min(self.next + MESSAGES_PER_TURN);
        // Message `until` is whole, so the stream reaches at least to the one after it.
        let from = self.next;
        while self.next <= until {
            let end = self.reader.end().min(self.offset + STEP_BYTES);
            let mut blocks = self.reader.bytes(self.offset, end);
            let mut consumed = 0;
            while self.next <= until {
                let Some((length, rest)) = blocks.split_first_chunk() else { break };
                let bytes = usize::from(u16::from_be_bytes(*length));
                let Some((message, rest)) = rest.split_at_checked(bytes) else { break };
                let touched = Message::decode(message).ok().and_then(|message| self.book.take(&message));
                if let Some(header) = touched {
                    self.dirty.insert(header.stock_locate, (header.timestamp_ns, self.next));
                }
                blocks = rest;
                consumed += 2 + bytes as u64;
                self.next += 1;
            }
            assert!(consumed > 0, "the feed's stream ends within message {}", self.next);
            self.offset += consumed;
        }
        usize::try_from(self.next - from).unwrap_or_default()
    }

    /// The frames of a snapshot of the book as it is.
    fn snapshot(&mut self) -> Arc<[u8]> {
        if let Some((next, frames)) = &self.last
            && *next == self.next
        {
            return Arc::clone(frames);
        }
        let mut frames = Frames::new(session_of(self.next), self.packet_bytes_max, self.book.orders());
        for message in self.book.messages() {
            frames.push(&message);
        }
        frames.push(&Message::EndOfSnapshot(EndOfSnapshot { sequence: sequence_text(self.next) }));
        let frames: Arc<[u8]> = frames.finish().into();
        self.last = Some((self.next, Arc::clone(&frames)));
        frames
    }
}

impl<R: StreamRead> fmt::Debug for SnapshotAgent<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotAgent")
            .field("next", &self.next)
            .field("orders", &self.book.orders())
            .finish_non_exhaustive()
    }
}

/// A name of its own for each snapshot: `G` and the number of the message from which to continue.
fn session_of(next: u64) -> SessionName {
    let mut name = SessionName(*b"G000000000");
    for (to, from) in name.0.iter_mut().skip(1).rev().zip(sequence_text(next).iter().rev()) {
        if from.is_ascii_digit() {
            *to = *from;
        }
    }
    name
}

/// Packs messages into packets, and packets into frames.
struct Frames {
    session: SessionName,
    /// Number of the next message of the snapshot.
    next: u64,
    done: Vec<u8>,
    /// Messages of the packet under way, each with its length before it.
    blocks: Vec<u8>,
    count: u16,
    blocks_max: usize,
}

impl Frames {
    fn new(session: SessionName, packet_bytes_max: usize, orders: usize) -> Self {
        let blocks_max = packet_bytes_max - protocol::moldudp64::HEADER_BYTES;
        let done = Vec::with_capacity(orders.saturating_mul(2 + ITCH_MESSAGE_BYTES_MAX));
        Self { session, next: 1, done, blocks: Vec::with_capacity(blocks_max), count: 0, blocks_max }
    }

    fn push(&mut self, message: &Message) {
        let mut bytes = [0; ITCH_MESSAGE_BYTES_MAX];
        let message = message.encode(&mut bytes).and_then(|len| bytes.get(..len)).unwrap_or_default();
        if self.blocks.len() + 2 + message.len() > self.blocks_max {
            self.end_packet();
        }
        let length = u16::try_from(message.len()).unwrap_or_default();
        self.blocks.extend_from_slice(&length.to_be_bytes());
        self.blocks.extend_from_slice(message);
        self.count += 1;
    }

    fn end_packet(&mut self) {
        let header = Header { session: self.session, sequence: self.next, count: self.count };
        let payload = u16::try_from(protocol::moldudp64::HEADER_BYTES + self.blocks.len()).unwrap_or_default();
        self.next += u64::from(self.count);
        self.put_frame(payload, header);
        self.blocks.clear();
        self.count = 0;
    }

    fn put_frame(&mut self, payload: u16, header: Header) {
        let (frame, len) = frame_header(payload);
        self.done.extend_from_slice(frame.get(..len).unwrap_or_default());
        self.done.extend_from_slice(&header.to_bytes());
        self.done.extend_from_slice(&self.blocks);
    }

    /// All frames, the last of which ends the session.
    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.end_packet();
        }
        let header = Header::end_of_session(self.session, self.next);
        self.put_frame(20, header);
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_snapshots_are_named_after_their_end() {
        assert_eq!(session_of(1), SessionName(*b"G000000001"));
        assert_eq!(session_of(1_234_567_890), SessionName(*b"G234567890"));
    }
}
