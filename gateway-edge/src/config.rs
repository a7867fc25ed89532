//! Bounds and times of the order port and of the feed. The defaults are those of the protocols and of the venue's rules;
//! tests shorten the times.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use protocol::limits::SOUP_PACKET_BYTES_MAX;

/// Bounds and times of the order port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Connections at the most, logged in or not; the next one is closed at once.
    pub connections_max: usize,
    /// Silence of ours after which a heartbeat goes out, ms.
    pub heartbeat_ms: u64,
    /// Silence of a logged-in client after which it is cut, ms.
    pub silence_ms: u64,
    /// Time for a login after connecting, ms.
    pub login_ms: u64,
    /// How long a connection that we ended may still drain, ms.
    pub linger_ms: u64,
    /// Time from the first byte of a packet to its last, ms.
    pub frame_ms: u64,
    /// Bytes of one packet of a client, its length included, at the most; 3..=65,537.
    pub frame_bytes_max: usize,
    /// Connections from one address (IPv6: one /64 network) at the most; 0 = as many as there are.
    pub connections_per_address_max: usize,
    /// Logins per second from one address that are looked at; the others wait. 0 = all.
    pub logins_per_s_max: u64,
    /// How long a login waits at the most before it is looked at, after wrong passwords from its address, ms.
    pub login_backoff_ms_max: u64,
    /// Packets per second that are taken from one session; a faster one is read more slowly. 0 = all.
    pub messages_per_s_max: u64,
    /// Connections accepted per turn, at the most; at least 1.
    pub accepts_per_turn: usize,
    /// Unsent bytes that were produced after the login at which a slow reader is cut.
    pub backlog_bytes_max: u64,
    /// Bytes read from one connection per turn, at the most.
    pub read_bytes_per_turn: usize,
    /// Packets taken from one connection per turn, at the most.
    pub packets_per_turn: usize,
    /// Bytes written to one connection per turn, at the most.
    pub write_bytes_per_turn: usize,
    /// Commands that are sequenced but whose answers have not left, at the most; a power of two.
    pub in_flight_max: usize,
    /// Events that wait for the journal, at the most.
    pub pending_events_max: usize,
    /// Events taken from the core per turn, at the most.
    pub events_per_turn: usize,
    /// Commands of the operator taken per turn, at the most.
    pub operator_per_turn: usize,
}

impl EdgeConfig {
    /// Takes over what a running port can change: times and limits. Its address and what its memory is sized by stay.
    pub fn adopt(&mut self, other: &Self) {
        let Self { listen, connections_max, in_flight_max, pending_events_max, .. } = *self;
        *self = Self { listen, connections_max, in_flight_max, pending_events_max, ..other.clone() };
    }
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9001)),
            connections_max: 1024,
            heartbeat_ms: 1_000,
            silence_ms: 15_000,
            login_ms: 30_000,
            linger_ms: 1_000,
            frame_ms: 30_000,
            frame_bytes_max: SOUP_PACKET_BYTES_MAX,
            connections_per_address_max: 0,
            logins_per_s_max: 0,
            login_backoff_ms_max: 1_000,
            messages_per_s_max: 0,
            accepts_per_turn: 2,
            backlog_bytes_max: 4 << 20,
            read_bytes_per_turn: 64 << 10,
            packets_per_turn: 256,
            write_bytes_per_turn: 256 << 10,
            in_flight_max: 1 << 15,
            pending_events_max: 1 << 16,
            events_per_turn: 1 << 12,
            operator_per_turn: 64,
        }
    }
}

/// The feed by UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// Where packets go: hosts, or multicast groups. At least one.
    pub destinations: Vec<SocketAddr>,
    /// The address of ours that packets leave from, which names the network card; unspecified: the system chooses.
    pub interface: IpAddr,
    /// Routers that a multicast packet may pass, and one; 1..=255.
    pub ttl: u32,
    /// Where requests for lost messages come.
    pub request_listen: SocketAddr,
    /// Requests that are answered per second, at the most; the others are ignored. 0 = all.
    pub requests_per_s_max: u64,
}

/// Bounds and times of the WebSocket feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Connections at the most, upgraded or not; the next one is closed at once.
    pub connections_max: usize,
    /// Time for the upgrade after connecting, ms.
    pub handshake_ms: u64,
    /// Bytes of an HTTP request head, at the most.
    pub request_head_bytes_max: usize,
    /// Idle time of the feed after which a heartbeat packet goes out, ms.
    pub heartbeat_ms: u64,
    /// How long a connection that we ended may still drain, ms.
    pub linger_ms: u64,
    /// Connections from one address (IPv6: one /64 network) at the most; 0 = as many as there are.
    pub connections_per_address_max: usize,
    /// Connections accepted per turn, at the most; at least 1.
    pub accepts_per_turn: usize,
    /// Unsent bytes that were produced after joining at which a slow subscriber is closed with 1008. `frame_log_bytes`
    /// must exceed this by what one turn can add.
    pub backlog_bytes_max: u64,
    /// Bytes of live frames that are kept for subscribers which lag; a power of two.
    pub frame_log_bytes: usize,
    /// The same packets by UDP, too. Then `packet_bytes_max` is at most 1,472.
    pub udp: Option<UdpConfig>,
    /// Bytes of one `MoldUDP64` packet, at the most.
    pub packet_bytes_max: usize,
    /// Bytes written to one subscriber per turn, at the most.
    pub write_bytes_per_turn: usize,
    /// Events that wait for the journal, at the most.
    pub pending_events_max: usize,
    /// Events taken from the core per turn, at the most.
    pub events_per_turn: usize,
    /// Snapshot requests that wait or are being sent, at the most; the next one is answered 503.
    pub snapshots_max: usize,
    /// How long a snapshot may stand still before its connection is closed, ms.
    pub snapshot_stall_ms: u64,
}

impl FeedConfig {
    /// Takes over what a running feed can change: times and limits. Its address and what its memory is sized by stay, and
    /// so does the bound of a slow subscriber, which the memory of live frames goes with.
    pub fn adopt(&mut self, other: &Self) {
        *self = Self {
            handshake_ms: other.handshake_ms,
            request_head_bytes_max: other.request_head_bytes_max,
            heartbeat_ms: other.heartbeat_ms,
            linger_ms: other.linger_ms,
            connections_per_address_max: other.connections_per_address_max,
            accepts_per_turn: other.accepts_per_turn,
            backlog_bytes_max: other.backlog_bytes_max.min(self.backlog_bytes_room()),
            write_bytes_per_turn: other.write_bytes_per_turn,
            snapshot_stall_ms: other.snapshot_stall_ms,
            ..self.clone()
        };
    }

    /// The highest bound of a slow subscriber that the memory of live frames allows: what one turn can add must not pass a
    /// subscriber that was within its bound before.
    pub(crate) fn backlog_bytes_room(&self) -> u64 {
        (self.frame_log_bytes as u64).saturating_sub(self.events_per_turn as u64 * 128)
    }
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9002)),
            connections_max: 2048,
            handshake_ms: 5_000,
            request_head_bytes_max: 8 << 10,
            heartbeat_ms: 1_000,
            linger_ms: 2_000,
            connections_per_address_max: 0,
            accepts_per_turn: 16,
            backlog_bytes_max: 4 << 20,
            frame_log_bytes: 16 << 20,
            udp: None,
            packet_bytes_max: 60_000,
            write_bytes_per_turn: 256 << 10,
            pending_events_max: 1 << 16,
            events_per_turn: 1 << 12,
            snapshots_max: 16,
            snapshot_stall_ms: 30_000,
        }
    }
}
