//! `hft order`: trades by hand. One request and its answers, or a prompt.
//!
//! [`command`] is what can be said, [`desk`] says it to the venue, [`words`] says what came back.

mod command;
mod desk;
mod terms;
mod words;

use std::io::{BufRead, IsTerminal};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use clap::Parser;

use self::command::{Cancel, CancelTarget, Line, OrderCommand};
use self::desk::{Desk, Outcome};
use self::words::Words;
use crate::VenueArgs;
use crate::client::{Credentials, listed};
use crate::config::DEMO_PASSWORD;
use crate::control;
use crate::control::client::Where;
use crate::control::request::Request;

/// Lines typed ahead.
const LINES_MAX: usize = 64;
/// How long the prompt listens to the venue before it looks at the keyboard.
const LISTEN: Duration = Duration::from_millis(20);

/// Trade by hand: one request, or a prompt when none is given.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  hft order buy AAPL 100 @ 150.34\n  hft order sell BTC-USD 0.5 @ market\n  \
                  hft order buy AAPL 1000 @ 150 --max-floor 100\n  hft order sell AAPL 100 @ market --stop 149.50\n  \
                  hft order replace 1 --price 150.35\n  hft order cancel 1\n  hft order cancel DEMO02 1\n  hft order query\n  hft order --account DEMO02\n\n\
                  The exit code is 0 when the venue took the request and 1 when it refused or ignored it."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<OrderCommand>,
    /// Account to trade as
    #[arg(long, value_name = "NAME", default_value = "DEMO01", global = true)]
    account: String,
    /// Its password
    #[arg(long, default_value = DEMO_PASSWORD, hide_default_value = true, global = true)]
    password: String,
    /// Address of the venue, instead of the one in the configuration
    #[arg(long, value_name = "ADDRESS", global = true)]
    host: Option<IpAddr>,
    /// Configuration file
    #[arg(long, value_name = "PATH", default_value = "configs/hft.toml", global = true)]
    config: PathBuf,
    /// Data directory, instead of the one in the configuration
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Added to every port of the configuration
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = crate::units::whole::<u16>, default_value_t = 0, global = true)]
    port_offset: u16,
    /// One JSON object per line
    #[arg(long, global = true)]
    json: bool,
}

/// Sends the request, or reads requests from standard input, and prints everything that arrives.
///
/// # Errors
/// No venue, no login, a broken connection, a bad configuration.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // The same as everywhere, but valid behind the request as well as before it.
    let venue =
        VenueArgs { config: args.config.clone(), data_dir: args.data_dir.clone(), port_offset: args.port_offset };
    if let Some(OrderCommand::Cancel(cancel)) = &args.command
        && let Some(code) = for_operator(cancel, &venue, args.json)?
    {
        return Ok(code);
    }
    let config = venue.load()?;
    let address =
        SocketAddr::new(args.host.unwrap_or(config.order_entry_address.ip()), config.order_entry_address.port());
    let feed = SocketAddr::new(args.host.unwrap_or(config.feed_address.ip()), config.feed_address.port());
    let words = Words::new(listed(feed, &config.instruments), args.json);
    let who = Credentials { account: args.account.clone(), password: args.password.clone() };
    let mut desk = Desk::open(address, &who, words, needs_history(args.command.as_ref()))?;
    match &args.command {
        Some(command) => Ok(match desk.run(command)? {
            Outcome::Taken => ExitCode::SUCCESS,
            Outcome::Refused => ExitCode::FAILURE,
            Outcome::BadUsage => ExitCode::from(2),
        }),
        None => prompt(&mut desk),
    }
}

/// What names an account is a request of the operator, and goes to the venue's own socket. The configuration is needed only to find
/// that, so not where the data directory is named.
fn for_operator(cancel: &Cancel, venue: &VenueArgs, json: bool) -> anyhow::Result<Option<ExitCode>> {
    match cancel.target() {
        Some(CancelTarget::Own(_)) => Ok(None),
        Some(CancelTarget::Of(account, number)) if cancel.quantity.is_none() => {
            let request = Request::CancelOrder { account: account.to_owned(), channel: cancel.channel, number };
            let data_dir = match &venue.data_dir {
                Some(named) => named.clone(),
                None => venue.load()?.data_dir,
            };
            control::client::run(&Where { data_dir, json }, &request).map(Some)
        }
        Some(CancelTarget::Of(..)) | None => {
            eprintln!("hft: expected `cancel NUM`, `cancel NUM --qty QTY` or `cancel ACCOUNT NUM`");
            Ok(Some(ExitCode::from(2)))
        }
    }
}

/// A request that names an order needs to know it; so does the prompt.
fn needs_history(command: Option<&OrderCommand>) -> bool {
    match command {
        Some(OrderCommand::Buy(_) | OrderCommand::Sell(_)) => false,
        Some(OrderCommand::Replace(_) | OrderCommand::Cancel(_) | OrderCommand::Query) | None => true,
    }
}

/// Reads a request per line until the end of the input, and prints what arrives meanwhile. The exit code is 1 when the last
/// request was not taken.
fn prompt(desk: &mut Desk) -> anyhow::Result<ExitCode> {
    let lines = keyboard()?;
    let shows = std::io::stdin().is_terminal();
    if shows {
        eprintln!("{} orders are open. `help` lists the requests, `quit` ends.", desk.open_orders());
    }
    let mut last = ExitCode::SUCCESS;
    loop {
        desk.listen(LISTEN)?;
        let line = match lines.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Empty) => continue,
            Err(TryRecvError::Disconnected) => return Ok(last),
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        match Line::try_parse_from(words) {
            Ok(Line::Quit) => return Ok(last),
            Ok(Line::Order(command)) => {
                last = match desk.run(&command)? {
                    Outcome::Taken => ExitCode::SUCCESS,
                    Outcome::Refused => ExitCode::FAILURE,
                    Outcome::BadUsage => ExitCode::from(2),
                };
            }
            Err(error) => {
                if error.use_stderr() {
                    last = ExitCode::from(2);
                }
                eprint!("{}", for_the_prompt(&error));
            }
        }
    }
}

/// What was wrong with a line, without what is said of command lines only; a help text as it is.
fn for_the_prompt(error: &clap::Error) -> String {
    let text = error.to_string();
    if !error.use_stderr() {
        return text;
    }
    let wrong = ["\n\nUsage:", "\n\nFor more"]
        .iter()
        .fold(text.as_str(), |text, tail| text.split_once(tail).map_or(text, |(wrong, _)| wrong));
    format!("{}; `help` lists the requests\n", wrong.trim_start_matches("error: ").trim_end())
}

/// Standard input, line by line, on a thread of its own: reading it blocks.
fn keyboard() -> std::io::Result<Receiver<String>> {
    let (sender, receiver) = sync_channel(LINES_MAX);
    std::thread::Builder::new().name("keyboard".to_owned()).spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    })?;
    Ok(receiver)
}
