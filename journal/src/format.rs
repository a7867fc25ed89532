//! The bytes of a segment: header, seal and record, as drawn in docs/journal-format.md §1. Pure functions over slices;
//! no file is opened here.

/// Bytes of the header page of segments and stream files.
pub const HEADER_PAGE_BYTES: usize = 4096;
/// Bytes before the body of each record.
pub const RECORD_HEADER_BYTES: usize = 24;
/// The longest body of a record. Bodies are multiples of 8, from 8 on.
pub const BODY_BYTES_MAX: usize = 1024;
/// The longest record.
pub const RECORD_BYTES_MAX: usize = RECORD_HEADER_BYTES + BODY_BYTES_MAX;
/// The version that this code writes and reads.
pub const FORMAT_VERSION: u32 = 1;
/// The least a segment can be: its header page, and one page for records.
pub const SEGMENT_BYTES_MIN: u64 = 2 * 4096;
/// The most a segment can be.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 34;

pub(crate) const HEADER_BYTES: usize = 256;
pub(crate) const SEAL_AT: usize = 512;
pub(crate) const SEAL_BYTES: usize = 128;
pub(crate) const KIND_COMMAND: u8 = 1;
/// Ends a batch: what precedes it is about to be flushed.
pub(crate) const KIND_BATCH_END: u8 = 2;
/// Begins a batch: what precedes it is on disk.
pub(crate) const KIND_FLUSHED: u8 = 3;
/// A record of kind 2 or 3.
pub(crate) const MARK_BYTES: usize = RECORD_HEADER_BYTES + 8;

const SEGMENT_MAGIC: [u8; 8] = *b"TSJOURNL";
const SEAL_MAGIC: [u8; 8] = *b"TSJ-SEAL";
const HEADER_CRC_AT: usize = HEADER_BYTES - 4;
const SEAL_CRC_AT: usize = SEAL_BYTES - 4;

const _: () = assert!(RECORD_BYTES_MAX < HEADER_PAGE_BYTES); // a record always fits into the least segment
const _: () = assert!(HEADER_BYTES <= 512 && SEAL_AT.is_multiple_of(512) && SEAL_BYTES <= 512); // one sector each
const _: () = assert!(size_of::<usize>() == 8); // files are mapped whole

/// CRC-32C, as every checksum of these files.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// A length or offset of a file as an index. Lossless: the compile-time check above.
#[expect(clippy::cast_possible_truncation, reason = "usize has 64 bits, checked at compile time")]
pub(crate) const fn index(value: u64) -> usize {
    value as usize
}

/// The `N` bytes at `at`, which the caller keeps within `bytes`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(crate) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// True when every byte is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let mut words = bytes.chunks_exact(8);
    let any = words.by_ref().fold(0, |any, word| any | u64_at(word, 0));
    any == 0 && words.remainder().iter().all(|byte| *byte == 0)
}

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Which venue wrote it; the same in all segments of a journal.
    pub venue_id: [u8; 16],
    /// Counts the starts of the venue, from 1.
    pub epoch: u64,
    /// Sequence of the first record.
    pub first_sequence: u64,
    /// Length of the file while it is not sealed.
    pub segment_bytes: u64,
    /// When it was begun, ns since 1970 UTC.
    pub created_ns: u64,
    /// Hash of the configuration of the venue that began it.
    pub configuration_hash: [u8; 32],
    /// Build of the venue that began it: text, zero-padded.
    pub build_id: [u8; 32],
    /// Batch of the first record: 1..=255; 0 where the writer does not mark what it flushes.
    pub first_batch: u8,
}

/// What a seal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) end: u64,
    pub(crate) last_sequence: u64,
    pub(crate) records: u64,
    /// The chain before this segment.
    pub(crate) chain_before: [u8; 32],
    /// The chain over this segment, too.
    pub(crate) chain: [u8; 32],
}

/// Why a header page is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageFault {
    Checksum,
    Magic,
    Version(u32),
    Field(&'static str),
    Unused { at: usize },
    Seal,
}

impl SegmentHeader {
    /// Writes the header block into the first bytes of `page`; the rest of the page is taken to be zero.
    pub(crate) fn encode(&self, page: &mut [u8]) {
        put(page, 0, &SEGMENT_MAGIC);
        put(page, 8, &FORMAT_VERSION.to_le_bytes());
        put(page, 12, &4096_u32.to_le_bytes());
        put(page, 16, &self.venue_id);
        put(page, 32, &self.epoch.to_le_bytes());
        put(page, 40, &self.first_sequence.to_le_bytes());
        put(page, 48, &self.segment_bytes.to_le_bytes());
        put(page, 56, &self.created_ns.to_le_bytes());
        put(page, 64, &self.configuration_hash);
        put(page, 96, &self.build_id);
        put(page, 128, &[self.first_batch]);
        let sum = crc(&page[..HEADER_CRC_AT]);
        put(page, HEADER_CRC_AT, &sum.to_le_bytes());
    }

    fn decode(page: &[u8]) -> Result<Self, PageFault> {
        if crc(&page[..HEADER_CRC_AT]) != u32_at(page, HEADER_CRC_AT) {
            return Err(PageFault::Checksum);
        }
        if page[..8] != SEGMENT_MAGIC {
            return Err(PageFault::Magic);
        }
        if u32_at(page, 8) != FORMAT_VERSION {
            return Err(PageFault::Version(u32_at(page, 8)));
        }
        if u32_at(page, 12) != 4096 {
            return Err(PageFault::Field("bytes of the header page"));
        }
        let header = Self {
            venue_id: array(page, 16),
            epoch: u64_at(page, 32),
            first_sequence: u64_at(page, 40),
            segment_bytes: u64_at(page, 48),
            created_ns: u64_at(page, 56),
            configuration_hash: array(page, 64),
            build_id: array(page, 96),
            first_batch: page[128],
        };
        if !is_segment_bytes(header.segment_bytes) {
            return Err(PageFault::Field("segment bytes"));
        }
        if header.first_sequence == 0 {
            return Err(PageFault::Field("first sequence"));
        }
        if !is_zero(&page[129..HEADER_CRC_AT]) {
            return Err(PageFault::Field("reserved bytes"));
        }
        Ok(header)
    }
}

/// True for a length that a segment may have while it is written.
pub(crate) const fn is_segment_bytes(bytes: u64) -> bool {
    bytes >= SEGMENT_BYTES_MIN && bytes <= SEGMENT_BYTES_MAX && bytes.is_multiple_of(4096)
}

impl Seal {
    /// The seal block, to be written at [`SEAL_AT`].
    pub(crate) fn encode(&self) -> [u8; SEAL_BYTES] {
        let mut block = [0; SEAL_BYTES];
        put(&mut block, 0, &SEAL_MAGIC);
        put(&mut block, 8, &self.end.to_le_bytes());
        put(&mut block, 16, &self.last_sequence.to_le_bytes());
        put(&mut block, 24, &self.records.to_le_bytes());
        put(&mut block, 32, &self.chain);
        put(&mut block, 64, &self.chain_before);
        let sum = crc(&block[..SEAL_CRC_AT]);
        put(&mut block, SEAL_CRC_AT, &sum.to_le_bytes());
        block
    }

    /// `None` for an empty slot.
    fn decode(block: &[u8]) -> Result<Option<Self>, PageFault> {
        if is_zero(block) {
            return Ok(None);
        }
        let whole = crc(&block[..SEAL_CRC_AT]) == u32_at(block, SEAL_CRC_AT);
        if !whole || block[..8] != SEAL_MAGIC || !is_zero(&block[96..SEAL_CRC_AT]) {
            return Err(PageFault::Seal);
        }
        Ok(Some(Self {
            end: u64_at(block, 8),
            last_sequence: u64_at(block, 16),
            records: u64_at(block, 24),
            chain: array(block, 32),
            chain_before: array(block, 64),
        }))
    }
}

/// Reads a header page of 4096 bytes: the header, and the seal if it is sealed.
pub(crate) fn decode_page(page: &[u8]) -> Result<(SegmentHeader, Option<Seal>), PageFault> {
    let header = SegmentHeader::decode(&page[..HEADER_BYTES])?;
    let seal = Seal::decode(&page[SEAL_AT..SEAL_AT + SEAL_BYTES])?;
    for (from, to) in [(HEADER_BYTES, SEAL_AT), (SEAL_AT + SEAL_BYTES, HEADER_PAGE_BYTES)] {
        if !is_zero(&page[from..to]) {
            return Err(PageFault::Unused { at: from });
        }
    }
    Ok((header, seal))
}

/// The header of a record whose length and checksum are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) sequence: u64,
    pub(crate) ingress_ns: u64,
    pub(crate) kind: u8,
    pub(crate) batch: u8,
    pub(crate) body_bytes: usize,
}

impl RecordHeader {
    /// Bytes of header and body.
    pub(crate) const fn record_bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.body_bytes
    }

    /// True for a record that says what was flushed, and is no command.
    pub(crate) const fn is_mark(&self) -> bool {
        self.kind == KIND_BATCH_END || self.kind == KIND_FLUSHED
    }
}

/// True for a length that a body may have.
pub(crate) const fn is_body_bytes(bytes: usize) -> bool {
    bytes >= 8 && bytes <= BODY_BYTES_MAX && bytes.is_multiple_of(8)
}

/// The record at the start of `bytes`; `None` when it is not whole, not one, or fails its checksum.
pub(crate) fn parse_record(bytes: &[u8]) -> Option<RecordHeader> {
    let head = bytes.first_chunk::<RECORD_HEADER_BYTES>()?;
    let body_bytes = usize::from(u16::from_le_bytes([head[4], head[5]]));
    if !is_body_bytes(body_bytes) {
        return None;
    }
    let covered = bytes.get(4..RECORD_HEADER_BYTES + body_bytes)?;
    if crc(covered) != u32_at(head, 0) {
        return None;
    }
    let (sequence, ingress_ns) = (u64_at(head, 8), u64_at(head, 16));
    Some(RecordHeader { sequence, ingress_ns, kind: head[6], batch: head[7], body_bytes })
}

/// The batch after this one; batches count from 1 to 255 and again from 1, and 0 stays 0.
pub(crate) const fn next_batch(batch: u8) -> u8 {
    match batch {
        0 => 0,
        255 => 1,
        batch => batch + 1,
    }
}

/// Writes a record over the whole of `slot`, which is a header and `body` long; the checksum last, so that who reads the
/// file meanwhile does not take half a record for one. `header.body_bytes` is the length of `body`.
#[inline]
pub(crate) fn encode_record(slot: &mut [u8], header: &RecordHeader, body: &[u8]) {
    assert!(is_body_bytes(body.len()) && header.body_bytes == body.len());
    assert!(slot.len() == RECORD_HEADER_BYTES + body.len());
    #[expect(clippy::cast_possible_truncation, reason = "at most 1024, asserted above")]
    let body_bytes = body.len() as u16;
    let [low, high] = body_bytes.to_le_bytes();
    put(slot, 4, &[low, high, header.kind, header.batch]);
    put(slot, 8, &header.sequence.to_le_bytes());
    put(slot, 16, &header.ingress_ns.to_le_bytes());
    put(slot, RECORD_HEADER_BYTES, body);
    let sum = crc(&slot[4..]);
    put(slot, 0, &sum.to_le_bytes());
}

/// File name of the segment that begins with this sequence.
pub(crate) fn segment_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}.seg")
}

/// The first sequence that a file name tells; `None` when it is not the name of a segment. Sequences stay below 2^63.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|first| *first < 1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            venue_id: [7; 16],
            epoch: 3,
            first_sequence: 42,
            segment_bytes: 65_536,
            created_ns: 9,
            configuration_hash: [1; 32],
            build_id: [2; 32],
            first_batch: 4,
        }
    }

    #[test]
    fn a_page_decodes_to_what_was_encoded_and_any_flipped_bit_of_it_is_refused() {
        let seal = Seal { end: 8192, last_sequence: 99, records: 58, chain_before: [3; 32], chain: [4; 32] };
        let mut page = [0; HEADER_PAGE_BYTES];
        header().encode(&mut page);
        assert_eq!(decode_page(&page), Ok((header(), None)));
        put(&mut page, SEAL_AT, &seal.encode());
        assert_eq!(decode_page(&page), Ok((header(), Some(seal))));
        for bit in 0..HEADER_PAGE_BYTES * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_page(&page).is_err(), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn record_golden_bytes() {
        let mut slot = [0xFF; 32];
        let header = RecordHeader { sequence: 0x0102, ingress_ns: 0x0304, kind: 1, batch: 9, body_bytes: 8 };
        encode_record(&mut slot, &header, &[1, 2, 3, 4, 5, 6, 7, 8]);
        let mut expected = [0; 32];
        put(&mut expected, 4, &[8, 0, 1, 9, 2, 1, 0, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(slot[4..], expected[4..]);
        assert_eq!(u32_at(&slot, 0), reference_crc(&expected[4..]));
        assert_eq!(parse_record(&slot), Some(header));
        for cut in 0..32 {
            assert_eq!(parse_record(&slot[..cut]), None);
        }
        assert_eq!(parse_record(&[0; 64]), None);
    }

    /// CRC-32C bit by bit, from its polynomial.
    fn reference_crc(bytes: &[u8]) -> u32 {
        let mut state = u32::MAX;
        for byte in bytes {
            state ^= u32::from(*byte);
            for _ in 0..8 {
                state = (state >> 1) ^ (0x82F6_3B78 * (state & 1));
            }
        }
        !state
    }

    #[test]
    fn names() {
        assert_eq!(segment_name(7), "00000000000000000007.seg");
        assert_eq!(parse_segment_name("00000000000000000007.seg"), Some(7));
        for bad in ["7.seg", "+0000000000000000007.seg", "00000000000000000007.tmp", "09999999999999999999.seg"] {
            assert_eq!(parse_segment_name(bad), None, "{bad}");
        }
    }
}
