//! The WebSocket feed: ITCH messages of all instruments in `MoldUDP64` packets, one per binary frame, and snapshots.

mod publisher;
mod server;
mod snapshot;

pub use publisher::Publisher;
pub use server::Feed;
pub use snapshot::SnapshotAgent;
