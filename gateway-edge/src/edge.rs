//! The order port: one thread's work, in two halves so that edge and core can take turns on one thread.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::EdgeConfig;
use crate::counters::EdgeCounters;
use crate::listener::{OpenError, WakeHandle};
use crate::ports::{EdgePorts, EdgeTypes};
use crate::reporter::Reporter;

/// The order port.
pub struct Edge<T: EdgeTypes> {
    config: EdgeConfig,
    ports: EdgePorts<T>,
    reporter: Reporter<T::Store>,
    counters: EdgeCounters,
    waker: WakeHandle,
}

impl<T: EdgeTypes> Edge<T> {
    /// Binds the port. `reporter` holds what recovery found; the core has applied everything before.
    ///
    /// # Errors
    /// [`OpenError`] naming the address.
    pub fn new(config: EdgeConfig, ports: EdgePorts<T>, reporter: Reporter<T::Store>) -> Result<Self, OpenError> {
        let poll = mio::Poll::new().map_err(OpenError::Poll)?;
        let waker = WakeHandle::new(poll.registry(), mio::Token(0))?;
        Ok(Self { config, ports, reporter, counters: EdgeCounters::default(), waker })
    }

    /// First half of a turn: waits at most `wait` for readiness (zero: only looks), accepts, reads, and submits commands.
    /// Answers how much was done; 0 = nothing.
    pub fn receive(&mut self, _wait: Duration) -> usize {
        0
    }

    /// Second half: takes events, and of those that are durable makes answers and writes them out. Answers how much was
    /// done; 0 = nothing.
    pub fn send(&mut self) -> usize {
        let _ = (&self.ports, &self.reporter);
        0
    }

    /// True when there is work that no readiness event will announce: the next `receive` should not wait.
    pub fn is_busy(&self) -> bool {
        false
    }

    /// Begins an orderly stop: no more connections, no more commands; go on with `receive` and `send` until
    /// [`Edge::is_drained`], then drop the edge. No session ends by this.
    pub fn stop(&mut self) {}

    /// True when everything that was taken from the core has been written to those who are connected.
    pub fn is_drained(&self) -> bool {
        true
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.config.listen
    }

    /// Ends a blocking [`Edge::receive`] from another thread.
    pub fn waker(&self) -> WakeHandle {
        self.waker.clone()
    }

    /// What happened so far.
    pub fn counters(&self) -> &EdgeCounters {
        &self.counters
    }
}

impl<T: EdgeTypes> fmt::Debug for Edge<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("config", &self.config).field("counters", &self.counters).finish_non_exhaustive()
    }
}
