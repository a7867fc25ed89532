//! Sockets in, frames out: the `SoupBinTCP` order port with its session streams, the drop-copy port, and the WebSocket
//! feed.
//!
//! [`edge::Edge`] is one thread's work (order port), [`feed::Feed`] and [`drop_copy::DropCopy`] that of others; both are driven turn by turn by whoever
//! owns the thread, and reach the rest of the venue only through the traits in [`ports`]. What a client has sent is never
//! trusted; what leaves was durable before.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod admission;
mod arrivals;
mod buffers;
pub mod clock;
pub mod config;
mod connection;
pub mod counters;
pub mod credentials;
mod directory;
mod doorway;
pub mod drop_copy;
pub mod edge;
pub mod feed;
mod limits;
mod login;
mod mailbox;
pub mod notes;
mod order_port;
mod outbox;
mod parking;
mod pending;
pub mod ports;
mod presence;
mod probed;
mod reactor;
mod reading;
pub mod reporter;
pub mod roster;
mod session;
mod slots;
mod table;
mod tls;
mod wire;
mod ws_link;

pub use config::{EdgeConfig, FeedConfig, UdpConfig};
pub use counters::{EdgeCounters, FeedCounters};
pub use credentials::{PasswordTable, canonical_password};
pub use doorway::Doorway;
pub use drop_copy::DropCopy;
pub use edge::Edge;
pub use feed::{Feed, FullNames, Publisher, SnapshotAgent};
pub use mailbox::Mailbox;
pub use ports::{
    Clock, CommandPort, Credentials, DurableCursor, EdgePorts, EdgeTypes, EventPort, FeedPorts, FeedTypes, Full, Probe,
    StreamFull, StreamRead, StreamStore, StreamWrite, Ticket, Verdict,
};
pub use reactor::{OpenError, WakeHandle};
pub use reporter::{ReportError, ReportTimes, Reporter};
pub use tls::{Certificate, TlsError};
pub use wire::TlsSwitch;
