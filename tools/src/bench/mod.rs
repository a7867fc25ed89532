//! `hft bench`: measures this machine with this venue on it. Every figure stands beside a yardstick of the same run.

mod abuse;
mod all;
mod beside;
mod budget;
mod chart;
mod core;
mod counters;
mod crowd;
mod fanout;
mod flight;
mod flush;
mod journal;
mod load;
mod middle;
mod page;
mod report;
pub mod round_trip;
mod section;
mod small;
mod subscriber;
mod table;
pub mod trips;
mod tuning;
pub mod venue;
mod wire;
pub mod yardstick;

#[cfg(test)]
mod stub_tests;

use std::process::ExitCode;

use clap::Subcommand;

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
    #[command(
        after_help = "Examples:\n  hft bench journal --commands 10000000 --dir /var/tmp\n  hft bench journal --only beside"
    )]
    Journal(journal::Args),
    /// Two hops through rings between two threads
    #[command(after_help = "Example:\n  hft bench ring")]
    Ring(small::RingArgs),
    /// Latency of orders under load: a schedule that does not wait for answers, rates up to what the venue keeps up with
    #[command(
        after_help = "Examples:\n  hft bench wire --out ./report\n  hft bench wire --rates 10000,50000 --seconds 5\n  hft bench wire --placements --orders 20000 --rounds 8"
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
    /// A whole venue with a thousand order sessions and a thousand subscribers at once
    #[command(
        after_help = "Examples:\n  ulimit -n 65536; hft bench crowd\n  hft bench crowd --sessions 100 --subscribers 100 --rates 100000"
    )]
    Crowd(crowd::Args),
    /// A well-behaved session beside floods, storms, garbage and slow readers, timed inside the venue, and a bare echo under the same
    #[command(after_help = "Examples:\n  hft bench abuse\n  hft bench abuse --only storm --seconds 8")]
    Abuse(abuse::Args),
    /// From an order to the market data that tells of it, one at a time
    #[command(after_help = "Example:\n  hft bench feed")]
    Feed(small::FeedArgs),
    /// Pauses of a spinning thread on each cpu: what the host takes away
    #[command(after_help = "Example:\n  hft bench jitter --seconds 10")]
    Jitter(small::JitterArgs),
    /// What the counters and the histograms of the stages cost
    #[command(after_help = "Example:\n  hft bench counters --instructions")]
    Counters(counters::Args),
    /// What each tuning step of the host and of the venue is worth here
    #[command(
        after_help = "Examples:\n  hft bench tuning --list\n  hft bench tuning --only 'swappiness,locked memory'"
    )]
    Tuning(tuning::Args),
    /// All of them, one after the other, in one report
    #[command(after_help = "Examples:\n  hft bench all --out ./report\n  hft bench all --quick")]
    All(all::Args),
    /// What changed from one report of `wire` to another, beyond the noise
    #[command(after_help = "Example:\n  hft bench compare before/report.json after/report.json")]
    Compare(small::CompareArgs),
}

/// Runs the one asked for.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Core(args) => core::run(args),
        What::Ring(args) => small::ring(args),
        What::Journal(args) => journal::run(args),
        What::Wire(args) => wire::run(args),
        What::Flight(args) => flight::run(args),
        What::Crowd(args) => crowd::run(args),
        What::Abuse(args) => abuse::run(args),
        What::Fanout(args) => fanout::run(args),
        What::Feed(args) => small::feed(args),
        What::Jitter(args) => small::jitter(args),
        What::Counters(args) => counters::run(args),
        What::Tuning(args) => tuning::run(args),
        What::All(args) => all::run(args),
        What::Compare(args) => small::compare(args),
    }
}
