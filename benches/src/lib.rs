//! Harnesses that `cargo bench` and `hft bench` share.

pub mod matching;
pub mod recording;
pub mod risk;
