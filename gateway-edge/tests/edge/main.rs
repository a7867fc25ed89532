//! The order port and the feed over real loopback sockets, with a venue of vectors behind them. Each test drives the
//! turns itself and looks at a condition after each: nothing sleeps, time stands still unless a test moves it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that meets what it did not expect fails")]

mod back_pressure;
mod client;
mod descriptors;
mod drop_copy;
mod feed_bbo;
mod feed_client;
mod feed_glimpse;
mod feed_http;
mod feed_rig;
mod feed_rules;
mod feed_slow;
mod feed_udp;
mod fuzz;
mod limits;
mod no_alloc;
mod ouch;
mod replay;
mod rig;
mod session_rules;
mod splits;
mod times;
mod venue;
