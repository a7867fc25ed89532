//! Who comes to the feed's port and who goes: readiness, new connections, turns of those who have something to say, times.

use std::time::Duration;

use protocol::Nanos;

use crate::clock::passed;
use crate::feed::reception::After;
use crate::feed::server::Feed;
use crate::feed::subscriber::{Stage, Subscriber};
use crate::ports::FeedTypes;
use crate::reactor::register;

impl<T: FeedTypes> Feed<T> {
    /// Waits, and turns readiness into flags and places on the lists.
    pub(super) fn note_readiness(&mut self, wait: Duration) -> usize {
        let Self { reactor, subscribers, ready, outbox, udp, .. } = self;
        reactor.wait(wait, |slot, event| {
            if slot == subscribers.len() {
                if let Some(udp) = udp {
                    udp.is_asked |= event.is_readable();
                }
                return;
            }
            let Some(subscriber) = subscribers.get_mut(slot) else { return };
            subscriber.socket.pipe().readiness.note(event);
            if subscriber.socket.is_readable() && !subscriber.in_ready && !subscriber.is_held {
                subscriber.in_ready = true;
                ready.push_back(slot);
            }
            if event.is_writable() {
                outbox.list(slot);
            }
        })
    }

    pub(super) fn accept(&mut self, now: Nanos) -> usize {
        let Self { reactor, subscribers, counters, guests, origins, config, tls, .. } = self;
        let (accepted, failed) = reactor.accept(config.accepts_per_turn, |socket, origin, registry| {
            *guests += 1;
            if subscribers.taken() == subscribers.len() {
                counters.connections_refused += 1;
                return;
            }
            if !origins.come(origin, config.connections_per_address_max) {
                counters.connections_over_address_limit += 1;
                return;
            }
            let Some(wire) = tls.wrap(socket) else { return origins.go(origin) };
            let Some((slot, subscriber)) = subscribers.insert(Subscriber::new(wire, origin, *guests, now)) else {
                return;
            };
            if register(&mut subscriber.socket.pipe().socket, slot, registry) {
                counters.connections_accepted += 1;
            } else {
                counters.accept_errors += 1;
                subscribers.remove(slot);
                origins.go(origin);
            }
        });
        self.counters.accept_errors += failed;
        self.counters.connections_open = self.subscribers.taken() as u64;
        accepted
    }

    pub(super) fn serve_ready(&mut self, now: Nanos) -> usize {
        if !self.reactor.is_listening() {
            return 0;
        }
        let waiting = self.ready.len();
        for _ in 0..waiting {
            let Some(slot) = self.ready.pop_front() else { break };
            let after = self.serve(slot, now);
            if after == After::Remove {
                self.remove(slot);
            } else if let Some(subscriber) = self.subscribers.get_mut(slot) {
                subscriber.in_ready = after == After::Again;
                if subscriber.in_ready {
                    self.ready.push_back(slot);
                }
            }
        }
        waiting
    }

    /// Lets go of a connection that lives on elsewhere.
    pub(crate) fn release(&mut self, slot: usize) -> Option<Subscriber> {
        let mut subscriber = self.subscribers.take(slot)?;
        self.origins.go(subscriber.origin);
        self.counters.connections_open = self.subscribers.taken() as u64;
        self.reactor.release(&mut subscriber.socket.pipe().socket).then_some(subscriber)
    }

    /// Closes a connection at once.
    pub(super) fn remove(&mut self, slot: usize) {
        self.forget_reader(slot);
        if let Some(gone) = self.subscribers.take(slot) {
            self.origins.go(gone.origin);
        }
        self.counters.connections_open = self.subscribers.taken() as u64;
    }

    /// Looks at the times of all connections.
    pub(super) fn scan(&mut self, now: Nanos) -> usize {
        let mut removed = 0;
        self.origins.forget(now);
        if let Some(new) = self.mailbox.take() {
            self.config.adopt(&new);
        }
        self.publisher.leave_directory_copy();
        for slot in 0..self.subscribers.len() {
            let Some(subscriber) = self.subscribers.get(slot) else { continue };
            let limit_ms = match subscriber.stage {
                Stage::Head => self.config.handshake_ms,
                Stage::Feed | Stage::Bbo { .. } => continue,
                Stage::AwaitsSnapshot | Stage::GetsSnapshot | Stage::GetsDirectory => self.config.snapshot_stall_ms,
                Stage::Ending { .. } | Stage::Lingering => self.config.linger_ms,
            };
            if passed(subscriber.since, now, limit_ms) {
                self.counters.handshake_timeouts += u64::from(subscriber.stage == Stage::Head);
                self.remove(slot);
                removed += 1;
            }
        }
        removed
    }
}
