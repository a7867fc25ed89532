//! Where messages begin in a stream: the offset of every 64th one, in chunks that double, so that an idle account costs
//! little and nothing is ever copied. One writer, any number of readers, no lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Messages from one entry to the next.
pub(crate) const STRIDE: u64 = 64;
/// Entries of the first chunk; each further one has twice as many as the one before.
const FIRST_ENTRIES: u64 = 64;
/// Enough for 2^44 messages.
const CHUNKS: usize = 32;

/// One chunk of entries.
type Chunk = Box<[AtomicU64]>;

#[derive(Debug)]
pub(crate) struct StreamIndex {
    /// Messages that readers may ask for. Written by the one writer with Release, after the entry and the bytes; readers
    /// load it with Acquire.
    messages: AtomicU64,
    chunks: [OnceLock<Chunk>; CHUNKS],
}

/// Chunk and place in it of the entry with this index.
fn place(entry: u64) -> (usize, usize) {
    let group = entry / FIRST_ENTRIES + 1;
    let chunk = group.ilog2();
    let begin = FIRST_ENTRIES * ((1 << chunk) - 1);
    (crate::format::index(u64::from(chunk)), crate::format::index(entry - begin))
}

fn new_chunk(chunk: usize) -> Chunk {
    let entries = crate::format::index(FIRST_ENTRIES) << chunk;
    std::iter::repeat_with(|| AtomicU64::new(0)).take(entries).collect()
}

impl StreamIndex {
    pub(crate) fn new() -> Self {
        Self { messages: AtomicU64::new(0), chunks: [const { OnceLock::new() }; CHUNKS] }
    }

    /// Messages so far.
    #[inline]
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Acquire)
    }

    /// Notes where the next message begins, and that there is one more. The writer only. False when the index is full.
    #[inline]
    pub(crate) fn push(&self, before: u64, offset: u64) -> bool {
        if before.is_multiple_of(STRIDE) && !self.note(before / STRIDE, offset) {
            return false;
        }
        self.messages.store(before + 1, Ordering::Release);
        true
    }

    fn note(&self, entry: u64, offset: u64) -> bool {
        let (chunk, at) = place(entry);
        let Some(slot) = self.chunks.get(chunk) else { return false };
        slot.get_or_init(|| new_chunk(chunk))[at].store(offset, Ordering::Relaxed);
        true
    }

    /// Offset of the message with index `entry * 64`, which is below [`StreamIndex::messages`].
    pub(crate) fn offset(&self, entry: u64) -> Option<u64> {
        let (chunk, at) = place(entry);
        Some(self.chunks.get(chunk)?.get()?.get(at)?.load(Ordering::Relaxed))
    }

    /// Allocates the next chunk once the last one is half used. Any thread but the writer's.
    pub(crate) fn prepare_ahead(&self) {
        let entry = self.messages() / STRIDE;
        let (chunk, at) = place(entry);
        let half = crate::format::index(FIRST_ENTRIES / 2) << chunk;
        let wanted = if at >= half { chunk + 1 } else { chunk };
        if let Some(slot) = self.chunks.get(wanted) {
            slot.get_or_init(|| new_chunk(wanted));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_follow_each_other_through_the_chunks() {
        let mut expected = (0, 0);
        for entry in 0..100_000 {
            assert_eq!(place(entry), expected);
            expected.1 += 1;
            if expected.1 == 64 << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }
}
