//! The client side of both ports: what every tool that talks to a running venue stands on. Blocking sockets with timeouts; no
//! thread of its own.

mod directory;
mod error;
mod feed_book;
mod feed_client;
mod order_client;
mod own_orders;
#[cfg(test)]
mod split_tests;
#[cfg(test)]
mod tests;

pub(crate) use directory::listed;
pub(crate) use error::ClientError;
pub(crate) use feed_book::{Change, FeedBook, LevelView, Print, Violation};
pub(crate) use feed_client::{FeedClient, Progress};
pub(crate) use order_client::{Credentials, OrderClient};
pub(crate) use own_orders::{OwnOrder, OwnOrders};
