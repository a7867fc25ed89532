//! The first thing that went wrong for good: raised by whoever finds it, looked at by whoever runs the venue.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The first thing that went wrong for good. Raised once; whoever runs the venue looks at it and stops.
#[derive(Debug, Default)]
pub struct Fault {
    raised: AtomicBool,
    message: Mutex<Option<String>>,
}

impl Fault {
    /// Keeps the first message.
    pub fn raise(&self, message: String) {
        if let Ok(mut slot) = self.message.lock() {
            slot.get_or_insert(message);
        }
        self.raised.store(true, Ordering::Release);
    }

    /// True after the first `raise`.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// What was raised.
    pub fn message(&self) -> Option<String> {
        self.message.lock().ok().and_then(|message| message.clone())
    }
}
