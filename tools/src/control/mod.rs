//! What an operator says to a running venue, over the Unix socket in its data directory: the requests and answers, and the
//! side that asks. The side that answers is `venue/control.rs`.

pub mod amount;
pub mod client;
pub mod request;
