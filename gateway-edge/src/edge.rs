//! The order port: one thread's work, in two halves so that edge and core can take turns on one thread. `arrivals.rs` accepts,
//! `reading.rs` reads and submits, `order_port.rs` judges logins and sends answers; what the times say is done here.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::{CommandBody, Nanos, Sequence, VenueCommand};

use crate::clock::{Ratchet, millis, passed};
use crate::config::EdgeConfig;
use crate::connection::{Connection, State};
use crate::counters::EdgeCounters;
use crate::doorway::Doorway;
use crate::limits::Rate;
use crate::mailbox::Mailbox;
use crate::outbox::Outbox;
use crate::parking::Parking;
use crate::pending::{InFlight, PendingEvents};
use crate::ports::{EdgePorts, EdgeTypes, EventPort, StreamRead, StreamStore};
use crate::probed::Probed;
use crate::reactor::{OpenError, Reactor, WakeHandle};
use crate::reporter::Reporter;
use crate::table::Table;
use crate::wire::TlsSwitch;

/// The order port.
pub struct Edge<T: EdgeTypes> {
    pub(crate) config: EdgeConfig,
    pub(crate) ports: EdgePorts<T>,
    pub(crate) reporter: Reporter<T::Store>,
    pub(crate) counters: EdgeCounters,
    pub(crate) clock: Ratchet,
    pub(crate) in_flight: InFlight,
    pub(crate) pending: PendingEvents,
    /// The last half turn left events with the core.
    pub(crate) has_more_events: bool,
    pub(crate) table: Table,
    /// Connections that may have more to read or to take, in the order in which they get their turn.
    pub(crate) ready: VecDeque<usize>,
    /// Connections with something to write.
    pub(crate) outbox: Outbox,
    pub(crate) last_ingress: Nanos,
    /// Answers that the probe wants to see written.
    pub(crate) probed: Probed,
    /// A command of the operator for which the input ring had no room.
    held_operator: Option<CommandBody>,
    next_scan: Nanos,
    /// Packets of one session.
    pub(crate) rate: Rate,
    mailbox: Mailbox<EdgeConfig>,
    pub(crate) tls: TlsSwitch,
    /// Connections that wait for a time.
    pub(crate) parking: Parking,
    /// WebSocket connections that wait to be taken over.
    pub(crate) doorway: Doorway,
    pub(crate) reactor: Reactor,
}

impl<T: EdgeTypes> Edge<T> {
    /// Binds the port. `reporter` holds what recovery found; the core has applied everything before.
    ///
    /// # Errors
    /// [`OpenError`] naming the address.
    pub fn new(config: EdgeConfig, ports: EdgePorts<T>, reporter: Reporter<T::Store>) -> Result<Self, OpenError> {
        let reactor = Reactor::open(config.listen)?;
        let clock = Ratchet::new(&ports.clock);
        Ok(Self {
            in_flight: InFlight::new(config.in_flight_max, ports.events.applied()),
            pending: PendingEvents::new(config.pending_events_max),
            has_more_events: false,
            table: Table::new(config.connections_max),
            ready: VecDeque::with_capacity(2 * config.connections_max),
            outbox: Outbox::new(config.connections_max),
            last_ingress: Nanos(0),
            probed: Probed::default(),
            held_operator: None,
            next_scan: clock.last(),
            rate: Rate::new(config.messages_per_s_max),
            mailbox: Mailbox::new(),
            tls: TlsSwitch::default(),
            parking: Parking::new(2 * config.connections_max),
            doorway: Doorway::new(reactor.waker()),
            counters: EdgeCounters::default(),
            config,
            ports,
            reporter,
            clock,
            reactor,
        })
    }

    /// First half of a turn: waits at most `wait` for readiness (zero: only looks), accepts, reads, and submits commands.
    /// Answers how much was done; 0 = nothing.
    pub fn receive(&mut self, wait: Duration) -> usize {
        let wait = if self.is_busy() { Duration::ZERO } else { wait.min(Duration::from_nanos(self.nap_ns())) };
        let mut done = self.note_readiness(wait);
        let now = self.clock.read(&self.ports.clock);
        self.unpark(now);
        if self.reactor.is_listening() {
            done += self.hear_verdicts(now);
            done += self.tell_presence(now) + self.submit_operator(now);
            done += self.accept(now) + self.adopt(now);
        }
        done += self.serve_ready();
        if now >= self.next_scan {
            self.next_scan = Nanos(now.0 + self.scan_ns());
            done += self.scan(now);
        }
        done
    }

    /// True when there is work that no readiness event will announce: the next `receive` does not wait.
    pub fn is_busy(&self) -> bool {
        let taking = self.reactor.is_listening();
        let operator =
            self.held_operator.is_some() || !self.ports.operator.is_empty() || !self.table.presence.is_settled();
        !self.outbox.is_empty()
            || self.has_more_events
            || self.reactor.is_busy()
            || taking && (operator || !self.ready.is_empty() || !self.doorway.is_empty())
    }

    /// True while commands or events are between the edge and its clients: the core, or the journal, will have more for
    /// [`Edge::send`] soon.
    pub fn is_expecting(&self) -> bool {
        !self.pending.is_empty() || !self.in_flight.is_settled()
    }

    /// Begins an orderly stop: no more connections, no more commands; go on with `receive` and `send` until
    /// [`Edge::is_drained`], then drop the edge. No session ends by this.
    pub fn stop(&mut self) {
        self.reactor.stop_listening();
        self.ready.clear();
    }

    /// True when the answers to everything submitted have been written to those who are connected. A client that does not
    /// read keeps this from coming true.
    pub fn is_drained(&self) -> bool {
        !self.is_expecting()
            && self.table.slots.iter().all(|connection| {
                let stream = self.stream_of(connection);
                stream.is_none_or(|stream| connection.is_flushed(stream.end()))
            })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.reactor.address()
    }

    /// Ends a blocking [`Edge::receive`] from another thread.
    pub fn waker(&self) -> WakeHandle {
        self.reactor.waker()
    }

    /// Where a feed hands over its connections on `/ouch`.
    pub fn doorway(&self) -> Doorway {
        self.doorway.clone()
    }

    /// What new connections speak: plain TCP, until a certificate is set.
    pub fn tls(&self) -> TlsSwitch {
        self.tls.clone()
    }

    /// Where new times and limits are left for it; it takes them over within a scan.
    pub fn mailbox(&self) -> Mailbox<EdgeConfig> {
        self.mailbox.clone()
    }

    /// What happened so far.
    pub fn counters(&self) -> &EdgeCounters {
        &self.counters
    }

    /// The last command submitted.
    pub fn last_sequence(&self) -> Sequence {
        self.in_flight.last()
    }

    /// Accounts, instruments and streams, as far as they have been reported.
    pub fn reporter(&self) -> &Reporter<T::Store> {
        &self.reporter
    }

    /// How often times are looked at: a twentieth of the shortest one.
    pub(crate) fn scan_ns(&self) -> u64 {
        let EdgeConfig { heartbeat_ms, silence_ms, login_ms, linger_ms, frame_ms, .. } = self.config;
        millis(heartbeat_ms.min(silence_ms).min(login_ms).min(linger_ms).min(frame_ms)) / 20
    }

    /// Waits, and turns readiness into flags and places on the lists.
    fn note_readiness(&mut self, wait: Duration) -> usize {
        let Self { reactor, table, ready, outbox, .. } = self;
        reactor.wait(wait, |slot, event| {
            let Some(connection) = table.get_mut(slot) else { return };
            connection.readiness.note(event);
            if connection.readiness.readable && !connection.in_ready {
                connection.in_ready = true;
                ready.push_back(slot);
            }
            if event.is_writable() {
                outbox.list(slot);
            }
        })
    }

    /// The stream that a connection follows.
    fn stream_of(&self, connection: &Connection) -> Option<&<T::Store as StreamStore>::Stream> {
        let account = connection.account()?;
        if connection.is_ending { self.reporter.ended_stream(account) } else { self.reporter.stream(account) }
    }

    /// Every session was ended: who is logged in gets what is left of it. Who has not got all of the one before is cut.
    #[cold]
    pub(crate) fn end_sessions(&mut self) {
        for slot in 0..self.table.slots.len() {
            let Some(connection) = self.table.get_mut(slot).filter(|connection| connection.account().is_some()) else {
                continue;
            };
            if connection.is_ending {
                self.counters.slow_readers_cut += 1;
                self.remove(slot);
                continue;
            }
            connection.is_ending = true;
            self.outbox.list(slot);
        }
    }

    /// Lets the core know who has come and gone: orders may be cancelled when their session ends.
    pub(crate) fn tell_presence(&mut self, now: Nanos) -> usize {
        let mut told = 0;
        self.counters.sessions_open = self.table.logged_in();
        while let Some((account, was_connected)) = self.table.presence.first() {
            let is_connected = self.table.slot_of_account(account).is_some();
            if is_connected != was_connected {
                let change =
                    if is_connected { VenueCommand::Connected(account) } else { VenueCommand::Disconnected(account) };
                if self.intake().submit(&CommandBody::Venue(change), now).is_err() {
                    self.counters.ring_full_stalls += 1;
                    break;
                }
                told += 1;
            }
            self.table.presence.settle_first(is_connected);
        }
        told
    }

    fn submit_operator(&mut self, now: Nanos) -> usize {
        let mut taken = 0;
        while taken < self.config.operator_per_turn && self.in_flight.has_room() {
            let Some(body) = self.held_operator.take().or_else(|| self.ports.operator.pop()) else { break };
            taken += 1;
            if self.intake().submit(&body, now).is_err() {
                self.held_operator = Some(body);
                self.counters.ring_full_stalls += 1;
                break;
            }
            self.counters.operator_commands += 1;
        }
        taken
    }

    /// Looks at the times of all connections.
    fn scan(&mut self, now: Nanos) -> usize {
        let mut done = 0;
        self.table.origins.forget(now);
        if !self.table.slots.iter().any(|connection| connection.is_ending && connection.account().is_some()) {
            self.reporter.forget_ended();
        }
        if let Some(new) = self.mailbox.take() {
            self.config.adopt(&new);
            self.rate = Rate::new(self.config.messages_per_s_max);
        }
        for slot in 0..self.table.slots.len() {
            let Some(connection) = self.table.get_mut(slot) else { continue };
            let cut = match connection.state {
                State::Fresh if passed(connection.connected_at, now, self.config.login_ms) => {
                    self.counters.login_timeouts += 1;
                    true
                }
                State::LoggedIn(_) if connection.is_silent(now, self.config.silence_ms) => {
                    self.counters.silent_cut += 1;
                    true
                }
                State::Fresh | State::LoggedIn(_) if connection.is_half(now, self.config.frame_ms) => {
                    self.counters.half_frames_cut += 1;
                    true
                }
                State::Lingering { since } => passed(since, now, self.config.linger_ms),
                State::LoggedIn(_) if connection.is_ending => false,
                State::LoggedIn(account) => {
                    let stream = self.reporter.stream(account);
                    if passed(connection.sent_at, now, self.config.heartbeat_ms)
                        && stream.is_some_and(|stream| connection.push_heartbeat(stream.end()))
                    {
                        self.outbox.list(slot);
                        done += 1;
                    }
                    false
                }
                State::Fresh => false,
            };
            if cut {
                self.remove(slot);
                done += 1;
            }
        }
        done
    }
}

impl<T: EdgeTypes> fmt::Debug for Edge<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("config", &self.config).field("counters", &self.counters).finish_non_exhaustive()
    }
}
