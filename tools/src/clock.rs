//! The wall clock, read in one place. The core never reads it: time is a field of a command.

use protocol::Nanos;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, UTC.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn utc_now() -> Nanos {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A point on the monotonic clock, for durations.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn monotonic() -> Instant {
    Instant::now()
}
