//! The feed's port: one thread's work.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::FeedConfig;
use crate::counters::FeedCounters;
use crate::feed::publisher::Publisher;
use crate::feed::snapshot::SnapshotAgent;
use crate::listener::{OpenError, WakeHandle};
use crate::ports::{FeedPorts, FeedTypes, StreamRead};

/// The feed.
pub struct Feed<T: FeedTypes> {
    config: FeedConfig,
    ports: FeedPorts<T>,
    publisher: Publisher<T::Stream>,
    counters: FeedCounters,
    waker: WakeHandle,
}

impl<T: FeedTypes> Feed<T> {
    /// Binds the port. `publisher` holds what recovery found.
    ///
    /// # Errors
    /// [`OpenError`] naming the address.
    pub fn new(config: FeedConfig, ports: FeedPorts<T>, publisher: Publisher<T::Stream>) -> Result<Self, OpenError> {
        let poll = mio::Poll::new().map_err(OpenError::Poll)?;
        let waker = WakeHandle::new(poll.registry(), mio::Token(0))?;
        Ok(Self { config, ports, publisher, counters: FeedCounters::default(), waker })
    }

    /// The helper that makes this feed's snapshots, over a reader of the feed's stream: for a housekeeping thread.
    pub fn snapshot_agent<R: StreamRead>(&self, reader: R) -> SnapshotAgent<R> {
        SnapshotAgent::new(reader)
    }

    /// One turn: waits at most `wait` for readiness (zero: only looks), accepts and reads, publishes what is durable, and
    /// writes to subscribers. Answers how much was done; 0 = nothing.
    pub fn turn(&mut self, _wait: Duration) -> usize {
        let _ = (&self.ports, &self.publisher);
        0
    }

    /// True when there is work that no readiness event will announce: the next `turn` should not wait.
    pub fn is_busy(&self) -> bool {
        false
    }

    /// True once the feed's stream took no more messages: the feed has stopped taking events, and the venue must stop.
    pub fn is_failed(&self) -> bool {
        false
    }

    /// Begins an orderly stop: no more connections and requests; go on with `turn` until [`Feed::is_drained`], then drop
    /// the feed. The session does not end by this.
    pub fn stop(&mut self) {}

    /// True when everything that was taken from the core has been written to all subscribers.
    pub fn is_drained(&self) -> bool {
        true
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.config.listen
    }

    /// Ends a blocking [`Feed::turn`] from another thread.
    pub fn waker(&self) -> WakeHandle {
        self.waker.clone()
    }

    /// What happened so far.
    pub fn counters(&self) -> &FeedCounters {
        &self.counters
    }
}

impl<T: FeedTypes> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("config", &self.config).field("counters", &self.counters).finish_non_exhaustive()
    }
}
