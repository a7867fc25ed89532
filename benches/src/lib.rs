//! Harnesses that `cargo bench` and `hft bench` share.

pub mod matching;
