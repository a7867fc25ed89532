//! The pinned threads around the core: rings between agents, what an agent is, where it runs and how it waits.

pub mod agent;
pub mod core_agent;
pub mod counters;
pub mod cursor;
pub mod host;
pub mod memory;
pub mod pipeline;
pub mod plan;
pub mod shared_memory;
pub mod sharing;
pub mod stages;
pub mod topology;
pub mod tsc;
