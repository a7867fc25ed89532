//! OUCH 5.0 (ouch50.md): messages of both directions and their appendages. The same letter means different messages in
//! the two directions: decode by direction.

mod admit;
pub mod answer;
pub mod appendage;
pub mod inbound;
pub mod outbound;
pub(crate) mod tags;
