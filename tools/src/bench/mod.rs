//! `hft bench`: measures this machine with this venue on it. Every figure stands beside a yardstick of the same run.

mod core;
mod round_trip;
mod wire;

use std::process::ExitCode;

use clap::Subcommand;

/// Measure the venue on this machine.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The matching core beside an ordered map and the naive model, on six markets
    #[command(after_help = "Example:\n  hft bench core --regime itch-mix")]
    Core(core::Args),
    /// Order to acknowledgement over a socket, one at a time, beside a bare TCP echo of the same bytes
    #[command(after_help = "Example:\n  hft bench wire --orders 20000 --rounds 8")]
    Wire(wire::Args),
}

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Core(args) => core::run(args),
        What::Wire(args) => wire::run(args),
    }
}
