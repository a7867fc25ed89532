//! One connection of the feed's port: its socket, what it is being sent, and which stage it is in.

use protocol::Nanos;

use crate::feed::outlet::Outlet;
use crate::feed::websocket::Socket;
use crate::limits::Origin;
use crate::wire::Wire;

/// Where a connection of the feed's port stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its request has not come whole.
    Head,
    /// It follows the feed.
    Feed,
    /// It follows the top of every book: it was sent everything up to this version of the board.
    Bbo {
        /// The version.
        seen: u64,
    },
    /// It waits for a snapshot to be made.
    AwaitsSnapshot,
    /// It gets a snapshot.
    GetsSnapshot,
    /// It gets the directory document, by plain HTTP.
    GetsDirectory,
    /// It gets its last bytes: the frame under way, then an HTTP refusal or a WebSocket close.
    Ending {
        /// WebSocket: the peer has closed too, or is gone. HTTP: nothing is expected.
        answered: bool,
    },
    /// It has got them; what still comes is read and dropped, so that closing does not destroy what was sent.
    Lingering,
}

/// One connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what they say is independent: they are no states of one machine")]
pub(crate) struct Subscriber {
    pub(crate) socket: Socket,
    pub(crate) outlet: Outlet,
    pub(crate) stage: Stage,
    /// When the stage began, or last made progress.
    pub(crate) since: Nanos,
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// Tells it from others that had its place before.
    pub(crate) guest: u64,
    /// It spoke WebSocket: it ends with a close, not with a response.
    pub(crate) is_upgraded: bool,
    /// Nothing is heard from it until its re-requests are answered.
    pub(crate) is_held: bool,
    /// Its session was ended: it gets what is left of it, then a close.
    pub(crate) is_ending: bool,
    /// It is on the list of those to be read.
    pub(crate) in_ready: bool,
}

impl Subscriber {
    pub(crate) fn new(socket: Wire, origin: Origin, guest: u64, now: Nanos) -> Self {
        Self {
            socket: Socket::new(socket),
            outlet: Outlet::new(),
            stage: Stage::Head,
            since: now,
            origin,
            guest,
            is_upgraded: false,
            is_held: false,
            is_ending: false,
            in_ready: false,
        }
    }

    pub(crate) fn enter(&mut self, stage: Stage, now: Nanos) {
        self.stage = stage;
        self.since = now;
    }

    /// True when nothing that it says matters any more.
    pub(crate) fn is_deaf(&self) -> bool {
        !self.is_upgraded || self.stage == Stage::Ending { answered: true }
    }

    /// True while a snapshot is made for it or sent to it.
    pub(crate) fn is_snapshot(&self) -> bool {
        matches!(self.stage, Stage::AwaitsSnapshot | Stage::GetsSnapshot)
    }

    /// True once it has all it will ever get and nothing is expected from it.
    pub(crate) fn is_spoken_out(&self) -> bool {
        self.outlet.is_idle() && !self.socket.has_control() && !self.socket.is_pending()
    }
}
