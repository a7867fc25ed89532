//! What an operator wants to count: plain numbers, written by the thread that owns them.

use crate::table::NoPlace;

/// Counters of the order port since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeCounters {
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections closed at once because every slot was taken.
    pub connections_refused: u64,
    /// Connections closed at once because too many are open from their address.
    pub connections_over_address_limit: u64,
    /// Failed accepts (out of file descriptors, aborted by the peer).
    pub accept_errors: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// WebSocket connections taken over from the feed's port.
    pub websockets_accepted: u64,
    /// Logins accepted.
    pub logins_accepted: u64,
    /// Logins rejected.
    pub logins_rejected: u64,
    /// Connections closed because the same account logged in again.
    pub logins_displaced: u64,
    /// Connections closed because they broke the session protocol.
    pub protocol_violations: u64,
    /// Connections without a login in time.
    pub login_timeouts: u64,
    /// Logged-in connections cut because nothing came from them.
    pub silent_cut: u64,
    /// Connections cut because they did not read.
    pub slow_readers_cut: u64,
    /// Connections cut because a packet was begun and not ended in time.
    pub half_frames_cut: u64,
    /// Connections cut because of a packet above the bound.
    pub oversize_frames_cut: u64,
    /// Times a session had to wait because it sent faster than it may.
    pub rate_waits: u64,
    /// Times a login had to wait: too many from its address, wrong passwords from there, or too many being looked at.
    pub login_waits: u64,
    /// Times a message waited because the last eighth of the input ring is kept for cancels.
    pub entry_waits: u64,
    /// Messages in which no user reference number can be read: dropped.
    pub messages_unreadable: u64,
    /// Messages that the protocol says to ignore.
    pub messages_ignored: u64,
    /// Commands sequenced for clients.
    pub commands: u64,
    /// Commands sequenced for the operator.
    pub operator_commands: u64,
    /// Times the input ring, or the table of commands in flight, had no room.
    pub ring_full_stalls: u64,
    /// Events reported.
    pub events: u64,
    /// Messages added to account streams.
    pub answers: u64,
    /// Answers that could not be kept because a stream was full; its account cannot log in any more.
    pub answers_lost: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Write calls.
    pub writes: u64,
}

impl EdgeCounters {
    pub(crate) fn refuse(&mut self, why: NoPlace) {
        match why {
            NoPlace::AllTaken => self.connections_refused += 1,
            NoPlace::TooManyFromThere => self.connections_over_address_limit += 1,
        }
    }
}

/// Counters of the feed since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounters {
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections closed at once because every slot was taken.
    pub connections_refused: u64,
    /// Connections closed at once because too many are open from their address.
    pub connections_over_address_limit: u64,
    /// Failed accepts.
    pub accept_errors: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Connections on `/ouch` handed over to the order port.
    pub handed_over: u64,
    /// Upgrades to WebSocket.
    pub upgrades: u64,
    /// Requests answered with an HTTP error.
    pub requests_refused: u64,
    /// Connections without a whole request in time.
    pub handshake_timeouts: u64,
    /// Subscribers closed because they did not read.
    pub slow_subscribers_cut: u64,
    /// Subscribers closed because of what they sent.
    pub protocol_violations: u64,
    /// Re-requests answered.
    pub rerequests: u64,
    /// Re-requests ignored, as the protocol says.
    pub rerequests_ignored: u64,
    /// Directory documents asked for.
    pub directories: u64,
    /// Snapshots sent whole.
    pub snapshots: u64,
    /// Events published.
    pub events: u64,
    /// Messages added to the feed.
    pub messages: u64,
    /// Packets made for live subscribers; each is made once for all.
    pub packets: u64,
    /// Bytes written to subscribers.
    pub bytes_out: u64,
    /// Write calls.
    pub writes: u64,
}
