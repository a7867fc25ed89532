//! What an operator wants to count: plain numbers, written by the thread that owns them.

use crate::table::NoPlace;

/// A struct of numbers that can also be listed by name, so that whoever publishes them forgets none.
macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: u64),+ }

        impl $name {
            /// How many there are.
            pub const COUNT: usize = [$(stringify!($field)),+].len();
            /// Their names, in the order of [`Self::values`].
            pub const NAMES: [&'static str; Self::COUNT] = [$(stringify!($field)),+];

            /// Their values now.
            pub const fn values(&self) -> [u64; Self::COUNT] {
                [$(self.$field),+]
            }
        }
    };
}

counters!(
/// Counters of the order port since it was opened.
EdgeCounters {
    /// Connections accepted.
    connections_accepted,
    /// Connections closed at once because every slot was taken.
    connections_refused,
    /// Connections closed at once because too many are open from their address.
    connections_over_address_limit,
    /// Failed accepts (out of file descriptors, aborted by the peer).
    accept_errors,
    /// Connections open now.
    connections_open,
    /// Sessions logged in now.
    sessions_open,
    /// WebSocket connections taken over from the feed's port.
    websockets_accepted,
    /// Logins accepted.
    logins_accepted,
    /// Logins rejected.
    logins_rejected,
    /// Connections closed because the same account logged in again.
    logins_displaced,
    /// Connections that got all of a session, and its end.
    sessions_ended,
    /// Connections closed because they broke the session protocol.
    protocol_violations,
    /// Connections without a login in time.
    login_timeouts,
    /// Logged-in connections cut because nothing came from them.
    silent_cut,
    /// Connections cut because they did not read.
    slow_readers_cut,
    /// Connections cut because a packet was begun and not ended in time.
    half_frames_cut,
    /// Connections cut because of a packet above the bound.
    oversize_frames_cut,
    /// Times a session had to wait because it sent faster than it may.
    rate_waits,
    /// Times a login had to wait: too many from its address, wrong passwords from there, or too many being looked at.
    login_waits,
    /// Times a message waited because the last eighth of the input ring is kept for cancels.
    entry_waits,
    /// Messages in which no user reference number can be read: dropped.
    messages_unreadable,
    /// Messages that the protocol says to ignore.
    messages_ignored,
    /// Commands sequenced for clients.
    commands,
    /// Commands sequenced for the operator.
    operator_commands,
    /// Times the input ring, or the table of commands in flight, had no room.
    ring_full_stalls,
    /// Events reported.
    events,
    /// Messages added to account streams.
    answers,
    /// Answers that could not be kept because a stream was full; its account cannot log in any more.
    answers_lost,
    /// Bytes read from clients.
    bytes_in,
    /// Bytes written to clients.
    bytes_out,
    /// Write calls.
    writes,
}
);

impl EdgeCounters {
    pub(crate) fn refuse(&mut self, why: NoPlace) {
        match why {
            NoPlace::AllTaken => self.connections_refused += 1,
            NoPlace::TooManyFromThere => self.connections_over_address_limit += 1,
        }
    }
}

counters!(
/// Counters of the feed since it was opened.
FeedCounters {
    /// Connections accepted.
    connections_accepted,
    /// Connections closed at once because every slot was taken.
    connections_refused,
    /// Connections closed at once because too many are open from their address.
    connections_over_address_limit,
    /// Failed accepts.
    accept_errors,
    /// Connections open now.
    connections_open,
    /// Connections on `/ouch` handed over to the order port.
    handed_over,
    /// Upgrades to WebSocket.
    upgrades,
    /// Requests answered with an HTTP error.
    requests_refused,
    /// Connections without a whole request in time.
    handshake_timeouts,
    /// Subscribers closed because they did not read.
    slow_subscribers_cut,
    /// Subscribers that got all of a session, and its end.
    sessions_ended,
    /// Subscribers closed because of what they sent.
    protocol_violations,
    /// Re-requests answered.
    rerequests,
    /// Re-requests ignored, as the protocol says.
    rerequests_ignored,
    /// Packets sent by UDP, one for each destination.
    datagrams,
    /// Packets that a destination could not be sent.
    datagrams_failed,
    /// Packets that were never sent by UDP because the system took none for too long.
    datagrams_skipped,
    /// Directory documents asked for.
    directories,
    /// Snapshots sent whole.
    snapshots,
    /// Events published.
    events,
    /// Messages added to the feed.
    messages,
    /// Packets made for live subscribers; each is made once for all.
    packets,
    /// Bytes written to subscribers.
    bytes_out,
    /// Write calls.
    writes,
}
);
