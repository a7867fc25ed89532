//! The WebSocket feed: ITCH messages of all instruments in `MoldUDP64` packets, one per binary frame, snapshots, the
//! conflated top of book, and the directory document.

mod bbo;
mod book;
mod document;
pub(crate) mod frame_log;
mod lobby;
mod outlet;
mod publisher;
mod publishing;
mod reception;
mod request;
mod server;
mod snapshot;
mod subscriber;
mod udp;
pub(crate) mod websocket;
mod writing;

pub use document::FullNames;
pub use publisher::Publisher;
pub use server::Feed;
pub use snapshot::SnapshotAgent;
