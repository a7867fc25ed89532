//! The two small buffers of a connection of the order port: the one that bytes are read into and packets are cut from in place, and
//! the one for the few bytes that go out and are not in the stream.

use protocol::limits::SOUP_PACKET_BYTES_MAX;
use protocol::soupbin::{self, Cut};

/// Room for the longest packet and a little of what follows it.
const INBOUND_BYTES: usize = SOUP_PACKET_BYTES_MAX + 2048;
/// Room for a login accepted and a heartbeat behind it.
const CONTROL_BYTES: usize = 64;

/// What was read and not taken yet. Packets are cut in place; a partial one waits here for the rest.
#[derive(Debug)]
pub(crate) struct Inbound {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; INBOUND_BYTES].into_boxed_slice(), start: 0, end: 0 }
    }

    /// The first packet.
    #[inline]
    pub(crate) fn cut(&self) -> Cut<'_> {
        soupbin::cut(self.bytes.get(self.start..self.end).unwrap_or_default())
    }

    /// How long the first packet is or will be, as far as it says.
    #[inline]
    pub(crate) fn announced(&self) -> Option<usize> {
        let length = self.bytes.get(self.start..self.end)?.first_chunk()?;
        Some(2 + usize::from(u16::from_be_bytes(*length)))
    }

    /// Drops the first `count` bytes.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    /// Bytes that are here.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Adds bytes behind what is here. False when there is no room.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let room = self.room(bytes.len());
        let fits = room.len() == bytes.len();
        if fits {
            room.copy_from_slice(bytes);
            self.grow(bytes.len());
        }
        fits
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Room behind what is here, at most `limit` bytes; moves what is here to the front for it.
    pub(crate) fn room(&mut self, limit: usize) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let to = self.bytes.len().min(self.end + limit);
        self.bytes.get_mut(self.end..to).unwrap_or_default()
    }

    pub(crate) fn grow(&mut self, count: usize) {
        self.end = self.bytes.len().min(self.end + count);
    }
}

/// The few bytes that are not in the stream.
#[derive(Debug)]
pub(crate) struct Control {
    bytes: [u8; CONTROL_BYTES],
    start: usize,
    end: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self { bytes: [0; CONTROL_BYTES], start: 0, end: 0 }
    }
}

impl Control {
    pub(crate) fn push(&mut self, packet: &[u8]) {
        let to = self.end + packet.len();
        let slot = self.bytes.get_mut(self.end..to);
        assert!(slot.is_some(), "only a login and one heartbeat are ever queued");
        if let Some(slot) = slot {
            slot.copy_from_slice(packet);
            self.end = to;
        }
    }

    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn advance(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_cut_whole_whatever_the_pieces() {
        let packet = [0, 4, b'U', 1, 2, 3];
        let mut inbound = Inbound::new();
        for round in 0..100_000_usize {
            let (head, tail) = packet.split_at(round % packet.len());
            for piece in [head, tail] {
                assert!(matches!(inbound.cut(), Cut::Need));
                let room = inbound.room(piece.len());
                room.copy_from_slice(piece);
                inbound.grow(piece.len());
            }
            let Cut::Frame { frame, consumed } = inbound.cut() else { panic!("no packet in round {round}") };
            assert_eq!((frame.packet_type, frame.payload), (b'U', &[1, 2, 3][..]));
            inbound.consume(consumed);
        }
    }

    #[test]
    fn the_longest_packet_fits() {
        let mut inbound = Inbound::new();
        let mut packet = vec![b'+'; SOUP_PACKET_BYTES_MAX];
        packet[..2].copy_from_slice(&u16::MAX.to_be_bytes());
        let mut rest = &packet[..];
        while !rest.is_empty() {
            let room = inbound.room(1000);
            let count = room.len().min(rest.len());
            assert!(count > 0);
            room[..count].copy_from_slice(&rest[..count]);
            inbound.grow(count);
            rest = &rest[count..];
        }
        assert!(matches!(inbound.cut(), Cut::Frame { consumed, .. } if consumed == packet.len()));
    }
}
