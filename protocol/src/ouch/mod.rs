//! OUCH 5.0 (ouch50.md): messages of both directions and their appendages.

pub mod appendage;
pub mod inbound;
pub mod outbound;
