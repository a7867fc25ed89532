//! The deterministic matching core, and the pinned runtime around it.

pub mod core;
