//! The feed's port: one thread's work, turn by turn. What is durable is published and framed once (`publishing.rs`), and written
//! to all (`writing.rs`); who comes and goes is seen to by `lobby.rs`, and [`crate::feed::reception`] hears those who are connected.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::Nanos;

use crate::clock::{Ratchet, millis};
use crate::config::{FeedConfig, UdpConfig};
use crate::counters::FeedCounters;
use crate::doorway::Doorway;
use crate::feed::bbo::BboBoard;
use crate::feed::frame_log::{FRAME_HEADER_BYTES_MAX, FrameLog};
use crate::feed::publisher::Publisher;
use crate::feed::snapshot::{SnapshotAgent, SnapshotLink};
use crate::feed::subscriber::Subscriber;
use crate::feed::udp::{self, Udp};
use crate::limits::Origins;
use crate::mailbox::Mailbox;
use crate::outbox::{Outbox, Writes};
use crate::pending::PendingEvents;
use crate::ports::{FeedPorts, FeedTypes, StreamRead};
use crate::reactor::{OpenError, Reactor, WakeHandle};
use crate::slots::Slots;
use crate::wire::TlsSwitch;

/// The longest packet whose frame has at most 64 KiB.
const PACKET_BYTES_MAX: usize = (64 << 10) - FRAME_HEADER_BYTES_MAX;

/// The feed.
pub struct Feed<T: FeedTypes> {
    pub(crate) config: FeedConfig,
    pub(super) ports: FeedPorts<T>,
    pub(crate) publisher: Publisher<T::Stream>,
    pub(crate) counters: FeedCounters,
    pub(super) clock: Ratchet,
    pub(super) pending: PendingEvents,
    /// The last turn left events that may be published.
    pub(super) has_more_events: bool,
    pub(crate) log: FrameLog,
    pub(super) udp: Option<Udp>,
    /// Messages of the stream that are in frames of the log, or were there before this run, and where they end.
    pub(crate) framed_messages: u64,
    pub(super) framed_bytes: u64,
    /// When the last live frame was made.
    pub(super) framed_at: Nanos,
    pub(crate) subscribers: Slots<Subscriber>,
    pub(crate) origins: Origins,
    pub(super) mailbox: Mailbox<FeedConfig>,
    pub(super) tls: TlsSwitch,
    /// Those that follow the feed.
    pub(crate) followers: Vec<usize>,
    /// Those that follow the top of every book.
    pub(crate) watchers: Vec<usize>,
    pub(super) bbo: BboBoard,
    /// When quotes or a sign of life were last due to them.
    pub(super) quoted_at: Nanos,
    /// Those that may have something to say, in the order in which they get their turn.
    pub(crate) ready: VecDeque<usize>,
    /// Those with something to be written.
    pub(super) outbox: Outbox,
    pub(crate) link: Arc<SnapshotLink>,
    /// Where sessions on `/ouch` go.
    pub(crate) doorway: Option<Doorway>,
    pub(super) guests: u64,
    next_scan: Nanos,
    pub(super) is_failed: bool,
    pub(super) reactor: Reactor,
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
            // By UDP the first packet comes at once: a receiver learns from it which numbers there are.
            framed_at: if config.udp.is_some() { Nanos(0) } else { clock.last() },
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
            outbox: Outbox::new(config.connections_max),
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
        done += self.write_all_listed(now);
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

    /// The address of the re-request port.
    pub fn request_address(&self) -> Option<SocketAddr> {
        self.udp.as_ref().and_then(|udp| udp.repairs.local_addr().ok())
    }

    /// How often times are looked at: a twentieth of the shortest one.
    pub(super) fn scan_ns(&self) -> u64 {
        let FeedConfig { heartbeat_ms, handshake_ms, linger_ms, snapshot_stall_ms, .. } = self.config;
        millis(heartbeat_ms.min(handshake_ms).min(linger_ms).min(snapshot_stall_ms)) / 20
    }
}

impl<T: FeedTypes> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("config", &self.config).field("counters", &self.counters).finish_non_exhaustive()
    }
}
