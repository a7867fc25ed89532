//! ITCH 5.0 (itch50.md): the market data feed. [`messages`] has the layouts, [`from_event`] writes the feed.

mod from_event;
mod messages;

pub use from_event::{BLOCK_BYTES_MAX, from_event};
pub use messages::*;
