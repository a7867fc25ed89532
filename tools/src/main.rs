//! `hft`: the one binary of the venue. Each subcommand lives in a file of its own.
//!
//! This file only parses the command line and turns errors into one line and an exit code: 0 done, 1 failed, 2 bad usage.

#![expect(unreachable_pub, reason = "in a binary nothing is reachable; `pub` marks what a module offers its siblings")]

mod account_cmd;
mod backup;
mod bench;
mod book_cmd;
mod check_config;
mod clock;
mod config;
mod control;
mod counterfactual;
mod counters;
mod doctor;
mod export;
mod export_parquet;
mod instrument_cmd;
mod journal_cmd;
mod kill_cmd;
mod limits_cmd;
mod log;
mod logging;
mod market_cmd;
mod output;
mod placement;
mod rates_cmd;
mod reload;
mod replay;
mod replay_serve;
mod roll_cmd;
mod schedule;
mod serve;
mod sharing;
mod snapshot_cmd;
mod statement;
mod tables;
mod terms;
mod top;
mod topology_cmd;
mod trade_cmd;
mod venue;
// Client-side subcommands and what they stand on.
mod client;
mod drive;
mod order;
mod units;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A trading venue in one process: order entry over SoupBinTCP and OUCH 5.0, market data as ITCH 5.0 on WebSockets, and
/// a journal that replays to the same state.
#[derive(Debug, Parser)]
#[command(name = "hft", version, arg_required_else_help = true)]
#[command(after_help = "Examples:\n  hft serve\n  hft order buy AAPL 100 @ 150.34\n  hft watch AAPL")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the venue
    Serve(serve::Args),
    /// Replay the journal and print its hashes
    Replay(replay::Args),
    /// Show the book of one instrument as it was after any command
    Book(book_cmd::Args),
    /// Check and print the journal
    Journal(journal_cmd::Args),
    /// List, check and compare the snapshots
    Snapshot(snapshot_cmd::Args),
    /// Accounts: create, list, money, limits
    Account(account_cmd::Args),
    /// Instruments: add, halt, resume, state, auction, reference, list
    Instrument(instrument_cmd::Args),
    /// Limits of a firm, an instrument, or the defaults of the venue
    Limits(limits_cmd::Args),
    /// The fee table
    Fees(rates_cmd::FeesArgs),
    /// Reference rate of a currency, in US dollars
    Rate(rates_cmd::RateArgs),
    /// Executions: void one
    Trade(trade_cmd::Args),
    /// The market-wide circuit breaker: levels, breach
    Market(market_cmd::Args),
    /// End the trading day: every stream begins anew
    Roll(roll_cmd::Args),
    /// Block new orders and cancel resting ones, at once
    Kill(kill_cmd::Args),
    /// Undo a kill
    Resume(kill_cmd::Args),
    /// Copy the data directory, also while the venue runs
    Backup(backup::Args),
    /// Play a recorded day into the running venue and compare its feed with the record
    Drive(drive::Args),
    /// Trade by hand: one request, or a prompt
    Order(order::Args),
    /// Show the book of one instrument and its trades
    Watch(watch::Args),
    /// What the venue counts, while it runs and after
    Counters(counters::Args),
    /// The venue on one screen
    Top(top::Args),
    /// What to fix first on this host
    Doctor(doctor::Args),
    /// The cpus of this host and the plan of threads
    Topology(topology_cmd::Args),
    /// Measure the venue on this machine
    Bench(bench::Args),
    /// Print the configuration as the venue would use it
    CheckConfig(check_config::Args),
}

/// Which venue is meant: every subcommand that names one takes these.
#[derive(Clone, Debug, clap::Args)]
pub struct VenueArgs {
    /// Configuration file
    #[arg(long, value_name = "PATH", default_value = "configs/hft.toml")]
    pub config: PathBuf,
    /// Data directory, instead of the one in the configuration
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Added to every port of the configuration
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = crate::units::whole::<u16>, default_value_t = 0)]
    pub port_offset: u16,
}

impl VenueArgs {
    /// Reads the configuration with these overrides.
    ///
    /// # Errors
    /// [`config::LoadConfigError`], ready to be shown.
    pub fn load(&self) -> Result<config::Config, config::LoadConfigError> {
        config::Config::load(&self.config, &self.overrides())
    }

    /// The overrides alone.
    pub fn overrides(&self) -> config::Overrides {
        config::Overrides {
            data_dir: self.data_dir.clone(),
            port_offset: self.port_offset,
            ..config::Overrides::default()
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The venue starts its own, as its configuration says.
    let is_venue = matches!(cli.command, Command::Serve(_));
    let _log = (!is_venue).then(|| log::Log::start(config::LogFormat::Text, None));
    let done = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Book(args) => book_cmd::run(&args),
        Command::Journal(args) => journal_cmd::run(&args),
        Command::Snapshot(args) => snapshot_cmd::run(&args),
        Command::Account(args) => account_cmd::run(&args),
        Command::Instrument(args) => instrument_cmd::run(&args),
        Command::Limits(args) => limits_cmd::run(&args),
        Command::Fees(args) => rates_cmd::fees(&args),
        Command::Rate(args) => rates_cmd::rate(&args),
        Command::Trade(args) => trade_cmd::run(&args),
        Command::Market(args) => market_cmd::run(&args),
        Command::Roll(args) => roll_cmd::run(&args),
        Command::Kill(args) => kill_cmd::run(&args, true),
        Command::Resume(args) => kill_cmd::run(&args, false),
        Command::Backup(args) => backup::run(&args),
        Command::Drive(args) => drive::run(&args),
        Command::Order(args) => order::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Counters(args) => counters::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Topology(args) => topology_cmd::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("hft: {}", one_line(&error));
        ExitCode::FAILURE
    })
}

/// The error and its causes in one line; a cause that the line already tells is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    line.replace('\n', " ")
}
