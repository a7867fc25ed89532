//! The composition root: wires journal, core, edge and feed into one running venue.
//!
//! [`assembly`] builds it, [`recovery`] brings the state back, [`bootstrap`] says what the configuration adds to it, [`threads`] starts the agents, [`running`] stops them again,
//! [`ports`] gives the edge its rings and files, [`follower`] reads behind, compares hashes ([`hash_marks`]) and writes snapshots, [`control`] is the operator's socket ([`refusals`]: its words),
//! [`reading`] looks at the state from another process, at the [`pace`] that is asked for, [`scheduler`] follows the trading schedule, [`timer`] brings time to the core, [`space`] watches the disk,
//! [`metrics`] counts, [`watchdog`] notices threads that do not move.

pub mod assembly;
pub mod bootstrap;
pub mod control;
pub mod counted_streams;
pub mod credentials;
pub mod fault;
pub mod follower;
pub mod hash_marks;
pub mod hot_loop;
pub mod journal_agent;
pub mod metrics;
pub mod pace;
mod port_agents;
pub mod ports;
pub mod projection;
pub mod reading;
pub mod recovery;
pub mod refusals;
pub mod registry;
pub mod restore_point;
pub mod running;
pub mod scheduler;
pub mod snapshot_rows;
pub mod space;
pub mod threads;
pub mod timer;
pub mod trips;
pub mod watchdog;
