//! What one thread moves and others read: how far the core has applied, how far the journal is durable, when the core's
//! next `Tick` is due.

use core::sync::atomic::{AtomicU64, Ordering};
use protocol::{Nanos, Sequence};

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

/// When the core's next `Tick` is due, in nanoseconds since the Unix epoch. Single writer: the core's thread; whoever keeps
/// time reads it.
#[derive(Debug)]
#[repr(align(64))]
pub struct DueTime(AtomicU64);

impl Default for DueTime {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl DueTime {
    /// The core says when; `None` = never. Relaxed: a reader that is late by one value asks again.
    pub fn store(&self, due: Option<Nanos>) {
        self.0.store(due.map_or(u64::MAX, |due| due.0), Ordering::Relaxed);
    }

    /// True when a `Tick` at `now` has something to do.
    pub fn is_due(&self, now: Nanos) -> bool {
        self.0.load(Ordering::Relaxed) <= now.0
    }
}
