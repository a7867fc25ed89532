//! The pinned threads around the core: rings between agents, what an agent is, where it runs and how it waits.

pub mod agent;
pub mod core_agent;
pub mod cursor;
pub mod pipeline;
pub mod topology;
