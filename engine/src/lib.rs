//! The deterministic matching core, and the pinned runtime around it.

mod cache;
pub mod core;
/// The core knows more than limit, market, immediate and hidden orders while trading. The example `order_types` of the benches compiles the core
/// without it, to see what the tests that lead other orders their own way cost those that are none.
const ORDER_TYPES: bool = true;
pub mod event_hash;
pub mod memory;
pub mod runtime;
#[cfg(feature = "testing")]
pub mod testing;
