//! ITCH 5.0 (itch50.md): the market data feed. its layouts, and [`from_event()`], which writes it.

mod from_event;
mod messages;

pub use from_event::{BLOCK_BYTES_MAX, from_event};
pub use messages::*;
