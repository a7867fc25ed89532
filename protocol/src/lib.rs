//! The vocabulary that every part of the venue shares, and the four wire formats it speaks.
//!
//! Domain types ([`types`], [`command`], [`event`], [`reject`]) say what is asked and what happened; the codecs
//! ([`soupbin`], [`ouch`], [`itch`], [`moldudp64`]) say how it looks on a wire; [`record`] says how a command looks on
//! disk. Nothing here does I/O, owns a thread or reads a clock.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod command;
pub mod decode_error;
pub mod event;
mod event_encode;
pub mod itch;
pub mod limits;
pub mod moldudp64;
pub mod money;
pub mod operator;
pub mod ouch;
pub mod record;
pub mod reject;
pub mod soupbin;
pub mod types;
pub mod venue_command;
mod wire;

pub use command::{Command, CommandBody};
pub use decode_error::DecodeError;
pub use event::{Event, EventBody};
pub use money::{Amount, Currency};
pub use reject::RejectReason;
pub use types::*;
pub use venue_command::VenueCommand;
pub use wire::{FieldValue, FieldView};
