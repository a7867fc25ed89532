//! A place for one message between a port and another thread: the newest counts. Who takes it looks now and then; cold.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

/// The place; cheap to clone.
#[derive(Debug)]
pub struct Mailbox<T>(Arc<ArrayQueue<T>>);

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self(Arc::new(ArrayQueue::new(1)))
    }
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Leaves a message, instead of one that was not taken yet.
    pub fn leave(&self, message: T) {
        drop(self.0.force_push(message));
    }

    /// The message that was left last, unless it was taken.
    pub fn take(&self) -> Option<T> {
        self.0.pop()
    }
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
