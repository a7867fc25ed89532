//! The deterministic matching core, and the pinned runtime around it.

mod cache;
pub mod core;
pub mod event_hash;
mod memory;
pub mod runtime;
#[cfg(feature = "testing")]
pub mod testing;
