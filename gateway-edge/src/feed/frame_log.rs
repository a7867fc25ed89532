//! Live WebSocket frames, made once for all subscribers: a ring of bytes with absolute offsets. Each subscriber has a
//! cursor into it. Who lags so far behind that the ring would pass it must have been cut before.

use protocol::moldudp64::{self, Header};

/// The longest header of a frame that the venue sends: two bytes, and a 16-bit length.
pub(crate) const FRAME_HEADER_BYTES_MAX: usize = 4;
/// FIN, binary.
const BINARY: u8 = 0x82;

/// The header of an unmasked binary frame with `payload` bytes, and how many bytes it has.
pub(crate) fn frame_header(payload: u16) -> ([u8; FRAME_HEADER_BYTES_MAX], usize) {
    let [high, low] = payload.to_be_bytes();
    if payload < 126 { ([BINARY, low, 0, 0], 2) } else { ([BINARY, 126, high, low], 4) }
}

/// The first message blocks of `blocks` that make one packet: at most `bytes_max` bytes and `messages_max` messages.
/// Answers their bytes and their number. One block is taken even when it alone is longer than `bytes_max`.
pub(crate) fn packet_of(blocks: &[u8], bytes_max: usize, messages_max: u64) -> (usize, u16) {
    let messages_max =
        u16::try_from(messages_max).map_or(moldudp64::MESSAGES_MAX, |max| max.min(moldudp64::MESSAGES_MAX));
    let (mut bytes, mut messages) = (0, 0);
    while messages < messages_max {
        let Some(length) = blocks.get(bytes..).and_then(<[u8]>::first_chunk) else { break };
        let next = bytes + 2 + usize::from(u16::from_be_bytes(*length));
        if next > blocks.len() || (next > bytes_max && messages > 0) {
            break;
        }
        (bytes, messages) = (next, messages + 1);
    }
    (bytes, messages)
}

/// The ring.
#[derive(Debug)]
pub(crate) struct FrameLog {
    bytes: Box<[u8]>,
    end: u64,
}

impl FrameLog {
    /// `capacity` must be a power of two.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity.is_power_of_two(), "bytes of live frames: {capacity} is no power of two");
        Self { bytes: vec![0; capacity].into_boxed_slice(), end: 0 }
    }

    /// How many bytes it keeps.
    pub(crate) fn capacity(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Where the next frame will start.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Adds one frame with one packet: `header`, then `blocks`, together at most 65,535 bytes.
    pub(crate) fn push(&mut self, header: Header, blocks: &[u8]) {
        let payload = u16::try_from(moldudp64::HEADER_BYTES + blocks.len());
        assert!(payload.is_ok(), "a packet of {} bytes is too long for a frame", blocks.len());
        let (frame_header, len) = frame_header(payload.unwrap_or_default());
        self.put(frame_header.get(..len).unwrap_or_default());
        self.put(&header.to_bytes());
        self.put(blocks);
    }

    fn put(&mut self, bytes: &[u8]) {
        let at = self.index(self.end);
        let (head, tail) = bytes.split_at(bytes.len().min(self.bytes.len() - at));
        if let Some(place) = self.bytes.get_mut(at..at + head.len()) {
            place.copy_from_slice(head);
        }
        if let Some(place) = self.bytes.get_mut(..tail.len()) {
            place.copy_from_slice(tail);
        }
        self.end += bytes.len() as u64;
    }

    /// The bytes `from..to`, which must still be there, in two pieces; the second is empty unless they wrap around.
    pub(crate) fn slices(&self, from: u64, to: u64) -> [&[u8]; 2] {
        let len = usize::try_from(to - from).unwrap_or_default();
        let at = self.index(from);
        let head = len.min(self.bytes.len() - at);
        let pieces = [self.bytes.get(at..at + head), self.bytes.get(..len - head)];
        pieces.map(Option::unwrap_or_default)
    }

    /// Where the frame that starts at `start` ends.
    pub(crate) fn frame_end(&self, start: u64) -> u64 {
        let byte = |offset| self.bytes.get(self.index(start + offset)).copied().unwrap_or_default();
        start
            + match byte(1) {
                126 => 4 + u64::from(u16::from_be_bytes([byte(2), byte(3)])),
                short => 2 + u64::from(short),
            }
    }

    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset).unwrap_or_default() & (self.bytes.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use protocol::SessionName;

    use super::*;

    fn read(log: &FrameLog, from: u64, to: u64) -> Vec<u8> {
        log.slices(from, to).concat()
    }

    #[test]
    fn frames_come_back_also_around_the_corner() {
        let mut log = FrameLog::new(1 << 10);
        for round in 0..200_u64 {
            let blocks = vec![u8::try_from(round % 251).unwrap(); usize::try_from(round * 7 % 300).unwrap()];
            let header = Header::heartbeat(SessionName(*b"S000000001"), round);
            let start = log.end();
            log.push(header, &blocks);
            assert_eq!(log.frame_end(start), log.end());
            let frame = read(&log, start, log.end());
            let payload = 20 + blocks.len();
            let prefix = if payload < 126 { 2 } else { 4 };
            assert_eq!(frame.len(), prefix + payload);
            assert_eq!(frame[0], 0x82);
            assert_eq!(frame[prefix..prefix + 20], header.to_bytes());
            assert_eq!(frame[prefix + 20..], blocks);
        }
    }

    #[test]
    fn packets_hold_whole_messages_within_both_bounds() {
        let blocks: Vec<u8> =
            [3_u8, 0, 5, 1].iter().flat_map(|&len| [vec![0, len], vec![7; usize::from(len)]].concat()).collect();
        assert_eq!(blocks.len(), 17);
        assert_eq!(packet_of(&blocks, 1000, u64::MAX), (17, 4));
        assert_eq!(packet_of(&blocks, 17, 100), (17, 4));
        assert_eq!(packet_of(&blocks, 16, 100), (14, 3));
        assert_eq!(packet_of(&blocks, 1000, 2), (7, 2));
        assert_eq!(packet_of(&blocks, 1, 100), (5, 1));
        assert_eq!(packet_of(&blocks[..16], 1000, 100), (14, 3));
        assert_eq!(packet_of(&blocks[..4], 1000, 100), (0, 0));
        assert_eq!(packet_of(&[], 1000, 100), (0, 0));
        let many = [0, 0].repeat(70_000);
        assert_eq!(packet_of(&many, 1 << 20, u64::MAX), (131_068, 65_534));
    }

    #[test]
    fn frame_headers_are_as_short_as_they_can_be() {
        assert_eq!(frame_header(20), ([0x82, 20, 0, 0], 2));
        assert_eq!(frame_header(125), ([0x82, 125, 0, 0], 2));
        assert_eq!(frame_header(126), ([0x82, 126, 0, 126], 4));
        assert_eq!(frame_header(65_535), ([0x82, 126, 255, 255], 4));
    }
}
