//! `hft kill` and `hft resume`: the kill switches of accounts, firms, instruments and the venue.

use std::process::ExitCode;

use clap::Subcommand;

use crate::control::client::{Where, ask};
use crate::control::request::{Request, Target};
use crate::output::print_line;

/// Whose kill switch.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Examples:\n  hft kill account DEMO01\n  hft kill firm DEMA --data-dir ./data\n  hft kill venue\n  hft resume venue"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One account
    Account(Named),
    /// All accounts of a firm
    Firm(Named),
    /// One instrument, whoever trades it
    Instrument(Named),
    /// Everything
    Venue(Where),
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Its name
    name: String,
    #[command(flatten)]
    place: Where,
}

/// Kills or resumes, and says how many orders were cancelled.
pub fn run(args: &Args, kills: bool) -> anyhow::Result<ExitCode> {
    let (target, place) = match &args.what {
        What::Account(named) => (Target::Account(named.name.clone()), &named.place),
        What::Firm(named) => (Target::Firm(named.name.clone()), &named.place),
        What::Instrument(named) => (Target::Instrument(named.name.clone()), &named.place),
        What::Venue(place) => (Target::Venue, place),
    };
    let request = if kills { Request::Kill { target } } else { Request::Resume { target } };
    let reply = ask(&place.data_dir, &request)?;
    if place.json {
        print_line(&serde_json::to_string(&reply)?);
    } else {
        anyhow::ensure!(reply.ok, "{}", reply.message);
        print_line(&if kills { format!("killed: {} orders cancelled", reply.canceled) } else { "resumed".to_owned() });
    }
    Ok(if reply.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
