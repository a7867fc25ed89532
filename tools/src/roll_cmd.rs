//! `hft roll`: ends the trading day of a running venue by hand, as its schedule would.

use std::process::ExitCode;

use crate::control::client::{self, Where};
use crate::control::request::Request;

/// Ends the trading day: day orders are cancelled, every stream ends and begins anew, good-till orders are carried over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hft roll --data-dir ./data")]
pub struct Args {
    #[command(flatten)]
    place: Where,
}

/// Asks for it, prints the name of the new session.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    client::run(&args.place, &Request::Roll)
}
