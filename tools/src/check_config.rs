//! `hft check-config`: reads the configuration as the venue would and prints the effective result, without secrets.

use std::process::ExitCode;

use crate::VenueArgs;
use crate::output::print_line;

/// Print the configuration as the venue would use it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hft check-config --config configs/hft.toml --port-offset 100")]
pub struct Args {
    #[command(flatten)]
    venue: VenueArgs,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints it; fails with the key that is wrong.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.venue.load()?;
    if args.json {
        print_line(&config.effective_json().to_string());
    } else {
        print_line(config.effective().trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
