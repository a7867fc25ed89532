//! The feed's port: one thread's work, turn by turn. What is durable is published, framed once, and written to all;
//! [`crate::feed::reception`] hears those who are connected.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bumpalo::Bump;
use protocol::moldudp64::{HEADER_BYTES, Header, MESSAGES_MAX};
use protocol::{EventBody, Nanos, SessionName};
use tungstenite::protocol::frame::coding::CloseCode;

use crate::clock::{Ratchet, millis, passed};
use crate::config::{FeedConfig, UdpConfig};
use crate::counters::FeedCounters;
use crate::doorway::Doorway;
use crate::feed::bbo::BboBoard;
use crate::feed::frame_log::{FRAME_HEADER_BYTES_MAX, FrameLog, packet_of};
use crate::feed::outlet::Sources;
use crate::feed::publisher::Publisher;
use crate::feed::reception::After;
use crate::feed::snapshot::{SnapshotAgent, SnapshotLink};
use crate::feed::subscriber::{Stage, Subscriber};
use crate::feed::udp::{self, Udp};
use crate::limits::Origins;
use crate::mailbox::Mailbox;
use crate::pending::{Filled, PendingEvents};
use crate::ports::{DurableCursor, FeedPorts, FeedTypes, StreamRead};
use crate::reactor::{OpenError, Reactor, WakeHandle, register};
use crate::slots::Slots;
use crate::wire::TlsSwitch;

/// The lists of one turn.
const SCRATCH_BYTES: usize = 64 << 10;
/// The longest packet whose frame has at most 64 KiB.
const PACKET_BYTES_MAX: usize = (64 << 10) - FRAME_HEADER_BYTES_MAX;

/// The feed.
pub struct Feed<T: FeedTypes> {
    pub(crate) config: FeedConfig,
    ports: FeedPorts<T>,
    pub(crate) publisher: Publisher<T::Stream>,
    pub(crate) counters: FeedCounters,
    clock: Ratchet,
    pending: PendingEvents,
    /// The last turn left events that may be published.
    has_more_events: bool,
    pub(crate) log: FrameLog,
    udp: Option<Udp>,
    /// Messages of the stream that are in frames of the log, or were there before this run, and where they end.
    pub(crate) framed_messages: u64,
    framed_bytes: u64,
    /// When the last live frame was made.
    framed_at: Nanos,
    pub(crate) subscribers: Slots<Subscriber>,
    pub(crate) origins: Origins,
    mailbox: Mailbox<FeedConfig>,
    tls: TlsSwitch,
    /// Those that follow the feed.
    pub(crate) followers: Vec<usize>,
    /// Those that follow the top of every book.
    pub(crate) watchers: Vec<usize>,
    bbo: BboBoard,
    /// When quotes or a sign of life were last due to them.
    quoted_at: Nanos,
    /// Those that may have something to say, in the order in which they get their turn.
    pub(crate) ready: VecDeque<usize>,
    /// Those with something to be written.
    outbox: Vec<usize>,
    scratch: Bump,
    pub(crate) link: Arc<SnapshotLink>,
    /// Where sessions on `/ouch` go.
    pub(crate) doorway: Option<Doorway>,
    guests: u64,
    next_scan: Nanos,
    is_failed: bool,
    reactor: Reactor,
}

impl<T: FeedTypes> Feed<T> {
    /// Binds the port. `publisher` holds what recovery found.
    ///
    /// # Errors
    /// [`OpenError`] naming the address.
    pub fn new(config: FeedConfig, ports: FeedPorts<T>, publisher: Publisher<T::Stream>) -> Result<Self, OpenError> {
        assert!(config.packet_bytes_max <= PACKET_BYTES_MAX, "a packet must fit a frame of 64 KiB");
        assert!(config.packet_bytes_max >= 256, "a packet must hold any message");
        // What one turn can add must not pass a subscriber that was within its bound before.
        assert!(config.backlog_bytes_max <= config.backlog_bytes_room(), "the frame log is too short");
        let reactor = Reactor::open(config.listen)?;
        let udp = config.udp.as_ref().map(|udp| Self::open_udp(udp, &config, &reactor)).transpose()?;
        let clock = Ratchet::new(&ports.clock);
        Ok(Self {
            udp,
            log: FrameLog::new(config.frame_log_bytes),
            framed_messages: publisher.stream().messages(),
            framed_bytes: publisher.stream().end(),
            framed_at: clock.last(),
            pending: PendingEvents::new(config.pending_events_max),
            has_more_events: false,
            subscribers: Slots::new(config.connections_max),
            origins: Origins::new(config.connections_max),
            mailbox: Mailbox::new(),
            tls: TlsSwitch::default(),
            followers: Vec::with_capacity(config.connections_max),
            watchers: Vec::with_capacity(config.connections_max),
            bbo: BboBoard::new(),
            quoted_at: clock.last(),
            ready: VecDeque::with_capacity(2 * config.connections_max),
            outbox: Vec::with_capacity(2 * config.connections_max),
            scratch: Bump::with_capacity(SCRATCH_BYTES),
            link: SnapshotLink::new(config.snapshots_max),
            doorway: None,
            guests: 0,
            next_scan: clock.last(),
            is_failed: false,
            counters: FeedCounters::default(),
            config,
            ports,
            publisher,
            clock,
            reactor,
        })
    }

    fn open_udp(udp: &UdpConfig, config: &FeedConfig, reactor: &Reactor) -> Result<Udp, OpenError> {
        assert!(config.packet_bytes_max <= udp::PACKET_BYTES_MAX, "a packet must fit a UDP packet");
        let mut udp = Udp::open(udp, config.packet_bytes_max)?;
        // Behind the last place of a connection.
        if reactor.adopt(&mut udp.repairs, config.connections_max) {
            return Ok(udp);
        }
        Err(OpenError::Poll(io::Error::other("no readiness for the re-request port")))
    }

    /// The helper that makes this feed's snapshots, over a reader of the feed's stream: for a housekeeping thread.
    pub fn snapshot_agent<R: StreamRead>(&self, reader: R) -> SnapshotAgent<R> {
        let (link, bbo) = (Arc::clone(&self.link), Arc::clone(&self.bbo.link));
        SnapshotAgent::new(reader, link, bbo, self.waker(), self.config.packet_bytes_max)
    }

    /// Hands connections on `/ouch` over to the order port from now on; without this there is no such path.
    pub fn hand_orders_to(&mut self, doorway: Doorway) {
        self.doorway = Some(doorway);
    }

    /// One turn: waits at most `wait` for readiness (zero: only looks), publishes what is durable, writes to subscribers,
    /// accepts and hears. Answers how much was done; 0 = nothing.
    pub fn turn(&mut self, wait: Duration) -> usize {
        let wait = if self.is_busy() { Duration::ZERO } else { wait.min(Duration::from_nanos(self.scan_ns())) };
        let mut done = self.note_readiness(wait);
        let now = self.clock.read(&self.ports.clock);
        done += self.publish(now);
        done += self.serve_udp(now);
        done += self.hand_out_snapshots(now) + self.quote(now);
        done += self.write_outbox(now);
        if self.reactor.is_listening() {
            done += self.accept(now);
        }
        done += self.serve_ready(now);
        if now >= self.next_scan {
            self.next_scan = Nanos(now.0 + self.scan_ns());
            done += self.scan(now);
        }
        done
    }

    /// True when there is work that no readiness event will announce: the next `turn` does not wait.
    pub fn is_busy(&self) -> bool {
        let hearing = self.reactor.is_listening() && !self.ready.is_empty();
        let by_udp = self.udp.as_ref().is_some_and(|udp| udp.is_asked);
        by_udp || !self.outbox.is_empty() || self.has_more_events || self.reactor.is_busy() || hearing
    }

    /// True while events wait for the journal: the next `turn` will have more to publish soon.
    pub fn is_expecting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// True once the feed's stream took no more messages: the feed has stopped taking events, and the venue must stop.
    pub fn is_failed(&self) -> bool {
        self.is_failed
    }

    /// Begins an orderly stop: no more connections, nothing is heard any more; go on with `turn` until
    /// [`Feed::is_drained`], then drop the feed. The session does not end by this.
    pub fn stop(&mut self) {
        self.reactor.stop_listening();
        self.ready.clear();
    }

    /// True when everything that was taken from the core has been written to all who follow. One that does not read keeps
    /// this from coming true.
    pub fn is_drained(&self) -> bool {
        let mut following = self.followers.iter().filter_map(|&slot| self.subscribers.get(slot));
        let by_udp = self.udp.as_ref().is_none_or(|udp| !udp.is_behind(&self.log));
        by_udp && self.pending.is_empty() && following.all(|subscriber| subscriber.outlet.is_flushed(&self.log))
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.reactor.address()
    }

    /// Ends a blocking [`Feed::turn`] from another thread.
    pub fn waker(&self) -> WakeHandle {
        self.reactor.waker()
    }

    /// What new connections speak: plain TCP, until a certificate is set.
    pub fn tls(&self) -> TlsSwitch {
        self.tls.clone()
    }

    /// Where new times and limits are left for it; it takes them over within a scan.
    pub fn mailbox(&self) -> Mailbox<FeedConfig> {
        self.mailbox.clone()
    }

    /// What happened so far.
    pub fn counters(&self) -> &FeedCounters {
        &self.counters
    }

    /// The publisher with the feed's stream.
    pub fn publisher(&self) -> &Publisher<T::Stream> {
        &self.publisher
    }

    /// How often times are looked at: a twentieth of the shortest one.
    fn scan_ns(&self) -> u64 {
        let FeedConfig { heartbeat_ms, handshake_ms, linger_ms, snapshot_stall_ms, .. } = self.config;
        millis(heartbeat_ms.min(handshake_ms).min(linger_ms).min(snapshot_stall_ms)) / 20
    }

    /// Waits, and turns readiness into flags and places on the lists.
    fn note_readiness(&mut self, wait: Duration) -> usize {
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
            if event.is_writable() && !subscriber.in_outbox {
                subscriber.in_outbox = true;
                outbox.push(slot);
            }
        })
    }

    fn accept(&mut self, now: Nanos) -> usize {
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

    /// Publishes every event that may leave, makes the frames, and lists those who follow for writing.
    fn publish(&mut self, now: Nanos) -> usize {
        if self.is_failed {
            return 0;
        }
        let filled = self.pending.fill(&mut self.ports.events, self.config.events_per_turn);
        let durable = self.ports.durable.durable();
        let mut published = 0;
        // Frames of one turn are bounded by the events of one turn, also when many waited for the journal.
        while published < self.config.events_per_turn
            && let Some(event) = self.pending.pop(durable)
        {
            published += 1;
            let rolls = matches!(event.body, EventBody::SessionRolled { .. });
            if rolls {
                self.make_frames(now);
            }
            if let Err(error) = self.publisher.publish(&event) {
                tracing::error!("the feed stops at command {}: {error}", event.sequence);
                self.is_failed = true;
                break;
            }
            if rolls {
                self.end_session(now);
            }
        }
        self.has_more_events = filled == Filled::Share || published == self.config.events_per_turn;
        self.counters.events += published as u64;
        let before = self.log.end();
        self.make_frames(now);
        if self.log.end() > before {
            for index in 0..self.followers.len() {
                let Some(&slot) = self.followers.get(index) else { break };
                self.list_for_writing(slot);
            }
        }
        published
    }

    /// The session was ended, and a new one begins: who follows gets what is left, the end of session, and a close. Who has not got
    /// all of the one before is cut.
    #[cold]
    fn end_session(&mut self, now: Nanos) {
        let ended = self.publisher.ended().map_or(SessionName::BLANK, |(session, _)| session);
        let header = Header::end_of_session(ended, self.framed_messages + 1);
        let from = self.log.end();
        self.log.push(header, &[]);
        if let Some(udp) = &mut self.udp {
            udp.end_session(header, now);
        }
        let ending: Arc<[u8]> = self.log.slices(from, self.log.end()).concat().into();
        for slot in 0..self.subscribers.len() {
            let Some(subscriber) = self.subscribers.get_mut(slot).filter(|found| found.stage == Stage::Feed) else {
                continue;
            };
            if subscriber.is_ending {
                self.counters.slow_subscribers_cut += 1;
                self.remove(slot);
                continue;
            }
            subscriber.is_ending = true;
            subscriber.outlet.end_session(&self.log, &ending);
            self.list_for_writing(slot);
        }
        self.followers.clear();
        (self.framed_messages, self.framed_bytes) = (0, 0);
        self.framed_at = now;
    }

    /// Packs the messages that are not in frames yet; a heartbeat when there was nothing for long.
    fn make_frames(&mut self, now: Nanos) {
        let stream = self.publisher.stream();
        let session = self.publisher.session();
        let (messages, end) = (stream.messages(), stream.end());
        let room = self.config.packet_bytes_max - HEADER_BYTES;
        while self.framed_messages < messages {
            let left = messages - self.framed_messages;
            let blocks = stream.bytes(self.framed_bytes, end.min(self.framed_bytes + room as u64));
            let whole = u16::try_from(left)
                .ok()
                .filter(|&left| left <= MESSAGES_MAX && self.framed_bytes + blocks.len() as u64 == end);
            let (bytes, count) = whole.map_or_else(|| packet_of(blocks, room, left), |left| (blocks.len(), left));
            assert!(count > 0, "the feed's stream ends within message {}", self.framed_messages + 1);
            let header = Header { session, sequence: self.framed_messages + 1, count };
            self.log.push(header, blocks.get(..bytes).unwrap_or_default());
            self.framed_messages += u64::from(count);
            self.framed_bytes += bytes as u64;
            self.framed_at = now;
            self.counters.messages += u64::from(count);
            self.counters.packets += 1;
        }
        if passed(self.framed_at, now, self.config.heartbeat_ms) {
            self.log.push(Header::heartbeat(session, self.framed_messages + 1), &[]);
            self.framed_at = now;
        }
    }

    fn hand_out_snapshots(&mut self, now: Nanos) -> usize {
        let mut handed_out = 0;
        while let Some((requester, frames)) = self.link.finished.pop() {
            handed_out += 1;
            let Some(subscriber) = self.subscribers.get_mut(requester.slot) else { continue };
            if subscriber.guest == requester.guest && subscriber.stage == Stage::AwaitsSnapshot {
                subscriber.outlet.send_frames(frames);
                subscriber.enter(Stage::GetsSnapshot, now);
                self.list_for_writing(requester.slot);
            }
        }
        handed_out
    }

    /// Sends by UDP what is new, and answers who asks again.
    fn serve_udp(&mut self, now: Nanos) -> usize {
        let Some(udp) = &mut self.udp else { return 0 };
        let current = (self.publisher.session(), self.publisher.stream());
        let sessions = [current, self.publisher.ended().unwrap_or(current)];
        udp.tell_end(now, &mut self.counters);
        udp.send(&self.log, &mut self.counters) + udp.answer(&sessions, now, &mut self.counters)
    }

    /// The address of the re-request port.
    pub fn request_address(&self) -> Option<SocketAddr> {
        self.udp.as_ref().and_then(|udp| udp.repairs.local_addr().ok())
    }

    /// Takes quotes that changed, and lets those who wait for one have it.
    fn quote(&mut self, now: Nanos) -> usize {
        let changed = self.bbo.take();
        let silent = passed(self.quoted_at, now, self.config.heartbeat_ms);
        if !changed && !silent {
            return 0;
        }
        self.quoted_at = now;
        for index in 0..self.watchers.len() {
            let Some(&slot) = self.watchers.get(index) else { break };
            if silent
                && !changed
                && let Some(subscriber) = self.subscribers.get_mut(slot).filter(|watcher| watcher.outlet.is_idle())
            {
                subscriber.outlet.send_frames(self.bbo.heartbeat(self.publisher.session()));
            }
            self.list_for_writing(slot);
        }
        usize::from(changed)
    }

    /// Gives one who follows the top of the books what it has not seen, once it has got what it was sent before.
    fn refill(&mut self, slot: usize) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        if let Stage::Bbo { seen } = &mut subscriber.stage
            && *seen < self.bbo.version()
            && subscriber.outlet.is_idle()
        {
            subscriber.outlet.send_frames(self.bbo.frames_since(*seen, self.publisher.session()));
            *seen = self.bbo.version();
        }
    }

    /// It gets no frames of the feed or of quotes any more.
    pub(crate) fn forget_reader(&mut self, slot: usize) {
        self.followers.retain(|&follower| follower != slot);
        self.watchers.retain(|&watcher| watcher != slot);
        self.count_watchers();
    }

    pub(crate) fn count_watchers(&self) {
        self.bbo.link.watchers.store(self.watchers.len(), Ordering::Relaxed);
    }

    pub(crate) fn list_for_writing(&mut self, slot: usize) {
        if let Some(subscriber) = self.subscribers.get_mut(slot).filter(|subscriber| !subscriber.in_outbox) {
            subscriber.in_outbox = true;
            self.outbox.push(slot);
        }
    }

    fn write_outbox(&mut self, now: Nanos) -> usize {
        if self.outbox.is_empty() {
            return 0;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let due = scratch.alloc_slice_copy(&self.outbox);
        self.outbox.clear();
        for &mut slot in due.iter_mut() {
            self.write(slot, now);
        }
        let done = due.len();
        scratch.reset();
        self.scratch = scratch;
        done
    }

    /// Writes to one subscriber what is due; one that is too far behind is cut.
    fn write(&mut self, slot: usize, now: Nanos) {
        self.refill(slot);
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        subscriber.in_outbox = false;
        let ended = self.publisher.ended().filter(|_| subscriber.is_ending);
        let (session, stream) = ended.unwrap_or((self.publisher.session(), self.publisher.stream()));
        if subscriber.outlet.backlog(&self.log, stream.end()) > self.config.backlog_bytes_max {
            self.counters.slow_subscribers_cut += 1;
            subscriber.socket.close(CloseCode::Policy, "too slow");
            self.end(slot, now);
            return;
        }
        if !subscriber.socket.pipe().readiness.writable {
            return;
        }
        let sources = Sources { log: &self.log, stream, session, packet_bytes_max: self.config.packet_bytes_max };
        let limit = self.config.write_bytes_per_turn as u64;
        let Ok(written) = subscriber.outlet.write(&mut subscriber.socket, &sources, limit) else {
            self.remove(slot);
            return;
        };
        self.counters.bytes_out += written.bytes;
        self.counters.writes += written.calls;
        if written.bytes > 0 && matches!(subscriber.stage, Stage::GetsSnapshot | Stage::GetsDirectory) {
            subscriber.since = now;
        }
        if subscriber.is_held && !subscriber.outlet.is_full_of_repairs() {
            subscriber.is_held = false;
            if !subscriber.in_ready {
                subscriber.in_ready = true;
                self.ready.push_back(slot);
            }
        }
        if written.more {
            self.list_for_writing(slot);
        } else {
            self.after_writing(slot, now);
        }
    }

    /// Ends those who have got everything that was due to them.
    fn after_writing(&mut self, slot: usize, now: Nanos) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        if !subscriber.is_spoken_out() {
            return;
        }
        match subscriber.stage {
            Stage::GetsSnapshot => {
                self.counters.snapshots += 1;
                subscriber.socket.close(CloseCode::Normal, "");
                self.end(slot, now);
            }
            Stage::GetsDirectory | Stage::Ending { answered: true } => Self::linger(subscriber, now),
            // What changed while it was being written is there at once.
            Stage::Bbo { seen } if seen < self.bbo.version() => self.list_for_writing(slot),
            Stage::Feed if subscriber.is_ending => {
                self.counters.sessions_ended += 1;
                subscriber.socket.close(CloseCode::Normal, "");
                self.end(slot, now);
            }
            Stage::Head
            | Stage::Feed
            | Stage::Bbo { .. }
            | Stage::AwaitsSnapshot
            | Stage::Ending { .. }
            | Stage::Lingering => {}
        }
    }

    fn serve_ready(&mut self, now: Nanos) -> usize {
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
    fn remove(&mut self, slot: usize) {
        self.forget_reader(slot);
        if let Some(gone) = self.subscribers.take(slot) {
            self.origins.go(gone.origin);
        }
        self.counters.connections_open = self.subscribers.taken() as u64;
    }

    /// Looks at the times of all connections.
    fn scan(&mut self, now: Nanos) -> usize {
        let mut removed = 0;
        self.origins.forget(now);
        if let Some(new) = self.mailbox.take() {
            self.config.adopt(&new);
        }
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

impl<T: FeedTypes> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("config", &self.config).field("counters", &self.counters).finish_non_exhaustive()
    }
}
