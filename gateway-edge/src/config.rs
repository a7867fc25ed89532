//! Bounds and times of the order port and of the feed. The defaults are those of the protocols and of the venue's rules;
//! tests shorten the times.

use std::net::{Ipv4Addr, SocketAddr};

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

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9001)),
            connections_max: 1024,
            heartbeat_ms: 1_000,
            silence_ms: 15_000,
            login_ms: 30_000,
            linger_ms: 1_000,
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
    /// Unsent bytes that were produced after joining at which a slow subscriber is closed with 1008. `frame_log_bytes`
    /// must exceed this by what one turn can add.
    pub backlog_bytes_max: u64,
    /// Bytes of live frames that are kept for subscribers which lag; a power of two.
    pub frame_log_bytes: usize,
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

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9002)),
            connections_max: 2048,
            handshake_ms: 5_000,
            request_head_bytes_max: 8 << 10,
            heartbeat_ms: 1_000,
            linger_ms: 2_000,
            backlog_bytes_max: 4 << 20,
            frame_log_bytes: 16 << 20,
            packet_bytes_max: 60_000,
            write_bytes_per_turn: 256 << 10,
            pending_events_max: 1 << 16,
            events_per_turn: 1 << 12,
            snapshots_max: 16,
            snapshot_stall_ms: 30_000,
        }
    }
}
