//! `hft bench`: measures this machine with this venue on it. Every figure stands beside a yardstick of the same run.

mod abuse;
mod beside;
mod core;
mod fanout;
mod flight;
mod flush;
mod journal;
mod load;
mod page;
mod report;
mod round_trip;
mod small;
mod trips;
mod venue;
mod wire;
pub mod yardstick;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{FromArgMatches, Subcommand};

use crate::output::print_line;

/// Measure the venue on this machine.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = "Example:\n  hft bench all --out ./report")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The matching core beside an ordered map and the naive model, on six markets
    #[command(after_help = "Example:\n  hft bench core --regime itch-mix")]
    Core(core::Args),
    /// Recovery, replay, the load of a snapshot, flushes: each beside its yardstick
    #[command(after_help = "Example:\n  hft bench journal --commands 10000000 --dir /var/tmp")]
    Journal(journal::Args),
    /// Two hops through rings between two threads
    #[command(after_help = "Example:\n  hft bench ring")]
    Ring(small::RingArgs),
    /// Latency of orders under load: a schedule that does not wait for answers, rates up to what the venue keeps up with
    #[command(
        after_help = "Examples:\n  hft bench wire --out ./report\n  hft bench wire --rates 10000,50000 --seconds 5"
    )]
    Wire(wire::Args),
    /// Throughput: as many orders on their way on each session as asked for, beside a bare echo under the same load
    #[command(
        after_help = "Examples:\n  hft bench flight --sessions 8 --flight 64\n  hft bench flight --sessions 1000 --flight 1"
    )]
    Flight(flight::Args),
    /// The feed alone: messages per second to so many subscribers, and one of them beside one bare write
    #[command(
        after_help = "Examples:\n  hft bench fanout --rates 5000000\n  hft bench fanout --subscribers 1000 --rates 100000"
    )]
    Fanout(fanout::Args),
    /// A well-behaved session beside floods, storms, garbage and slow readers, timed inside the venue, and a bare echo under the same
    #[command(after_help = "Examples:\n  hft bench abuse\n  hft bench abuse --only storm --seconds 8")]
    Abuse(abuse::Args),
    /// From an order to the market data that tells of it, one at a time
    #[command(after_help = "Example:\n  hft bench feed")]
    Feed(small::FeedArgs),
    /// Pauses of a spinning thread on each cpu: what the host takes away
    #[command(after_help = "Example:\n  hft bench jitter --seconds 10")]
    Jitter(small::JitterArgs),
    /// All of them, one after the other
    #[command(after_help = "Example:\n  hft bench all --out ./report")]
    All(AllArgs),
    /// What changed from one report of `wire` to another, beyond the noise
    #[command(after_help = "Example:\n  hft bench compare before/report.json after/report.json")]
    Compare(small::CompareArgs),
}

/// All benches.
#[derive(Debug, clap::Args)]
struct AllArgs {
    /// Folder for the report of `wire`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Core(args) => core::run(args),
        What::Ring(args) => small::ring(args),
        What::Journal(args) => journal::run(args),
        What::Wire(args) => wire::run(args),
        What::Flight(args) => flight::run(args),
        What::Abuse(args) => abuse::run(args),
        What::Fanout(args) => fanout::run(args),
        What::Feed(args) => small::feed(args),
        What::Jitter(args) => small::jitter(args),
        What::All(args) => all(args),
        What::Compare(args) => small::compare(args),
    }
}

fn all(args: &AllArgs) -> anyhow::Result<ExitCode> {
    let out = args.out.as_ref().map(|out| out.display().to_string());
    let out: Vec<&str> = out.iter().flat_map(|out| ["--out", out.as_str()]).collect();
    for (name, more) in [("jitter", &[][..]), ("ring", &[]), ("core", &[]), ("feed", &[]), ("wire", &out)] {
        print_line(&format!("\n== {name}"));
        let command = What::augment_subcommands(clap::Command::new("bench"));
        let matches = command.try_get_matches_from(["bench", name].iter().chain(more))?;
        run(&Args { what: What::from_arg_matches(&matches)? })?;
    }
    Ok(ExitCode::SUCCESS)
}
