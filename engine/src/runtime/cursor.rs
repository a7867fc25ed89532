//! A sequence that one thread moves forward and others read: how far the core has applied, how far the journal is durable.

use core::sync::atomic::{AtomicU64, Ordering};
use protocol::Sequence;

/// One padded atomic, alone on its cache line. Single writer.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Cursor(AtomicU64);

impl Cursor {
    /// Starts at `sequence`.
    pub const fn new(sequence: Sequence) -> Self {
        Self(AtomicU64::new(sequence.0))
    }

    /// Everything up to and including `sequence` is done. Only the one writer calls this, with rising values.
    /// Release: pairs with the Acquire of [`Cursor::load`], so that what was done is seen with the cursor.
    pub fn store(&self, sequence: Sequence) {
        self.0.store(sequence.0, Ordering::Release);
    }

    /// The last sequence known to be done; may lag behind the truth.
    pub fn load(&self) -> Sequence {
        Sequence(self.0.load(Ordering::Acquire))
    }
}
