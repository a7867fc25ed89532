//! The displayed book as the feed tells it, kept by a helper thread, and the snapshots made of it.

use crate::ports::StreamRead;

/// Tails the feed's stream and makes snapshots on request; owned by a housekeeping thread.
#[derive(Debug)]
pub struct SnapshotAgent<R: StreamRead> {
    reader: R,
}

impl<R: StreamRead> SnapshotAgent<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader }
    }

    /// Takes a bounded number of messages and serves waiting requests. Answers how much was done; 0 = the owner may
    /// sleep a few milliseconds.
    pub fn turn(&mut self) -> usize {
        let _ = &self.reader;
        0
    }
}
