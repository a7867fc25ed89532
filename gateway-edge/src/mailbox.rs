//! A place for one message to a port that runs on another thread: the newest counts. The port looks now and then; cold.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

/// The place; cheap to clone.
#[derive(Debug)]
pub struct Mailbox<T>(Arc<ArrayQueue<T>>);

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(ArrayQueue::new(1)))
    }

    /// Leaves a message, instead of one that was not taken yet.
    pub fn leave(&self, message: T) {
        drop(self.0.force_push(message));
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.pop()
    }
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
