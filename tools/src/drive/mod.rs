//! `hft drive`: plays a recorded day into the running venue over real sockets, and compares what the venue's feed then shows
//! with what was recorded.
//!
//! [`lobster`] reads the files, [`player`] decides what to send from them alone, [`sessions`] sends it, [`checker`] compares
//! the feed, [`report`] says what came of it.

mod checker;
#[cfg(test)]
mod generate;
mod lobster;
mod mirror;
mod player;
mod report;
mod sessions;
#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use protocol::{Qty, Symbol};

use self::checker::{CheckError, Checker};
use self::lobster::{LobsterReader, Step};
use self::mirror::Handle;
use self::player::{Check, InstrumentLimits, Played, Player};
use self::report::{ExecutionDifference, ExecutionTally, Report, RowTally};
use self::sessions::{Seat, Sessions};
use crate::VenueArgs;
use crate::client::{Credentials, FeedClient, OrderClient};
use crate::clock::monotonic;
use crate::config::DEMO_PASSWORD;
use crate::output::print_line;

/// Comparisons that may wait for the feed.
const CHECKS_MAX: usize = 8_192;
/// Rows between two updates of the progress bar and of the heartbeats.
const ROWS_PER_UPDATE: u64 = 256;

/// Play a recorded day into the running venue and compare its feed with the record.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hft serve &\n  hft drive --lobster AMZN_message_5.csv --orderbook AMZN_orderbook_5.csv --symbol AMZN\n\n\
                  The book of the symbol must be empty. Resting orders are entered by one account, aggressors by another."
)]
pub(crate) struct Args {
    /// LOBSTER message file
    #[arg(long, value_name = "MESSAGES.csv")]
    lobster: PathBuf,
    /// LOBSTER order book file of the same rows
    #[arg(long, value_name = "BOOK.csv")]
    orderbook: PathBuf,
    /// Instrument to play it in
    #[arg(long, value_parser = crate::units::symbol)]
    symbol: Symbol,
    /// Play only the first N rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rows: Option<u64>,
    /// Account whose orders rest
    #[arg(long, value_name = "NAME", default_value = "DEMO01")]
    account: String,
    /// Account of the aggressors
    #[arg(long, value_name = "NAME", default_value = "DEMO02")]
    aggressor_account: String,
    /// Password of both accounts
    #[arg(long, default_value = DEMO_PASSWORD, hide_default_value = true)]
    password: String,
    #[command(flatten)]
    venue: VenueArgs,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Plays the day and prints the report. The exit code is 1 when the venue differs from what it was told.
///
/// # Errors
/// Files that cannot be played, a venue that is not there or goes away, a book that is not empty.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.venue.load()?;
    let instrument = config.instruments.iter().find(|instrument| instrument.symbol == args.symbol);
    let instrument = instrument
        .with_context(|| format!("{} is not in {}; list it there", args.symbol, args.venue.config.display()))?;
    let limits = InstrumentLimits { tick: instrument.tick.0, quantity_max: instrument.max_qty };
    let rows_max = args.rows.unwrap_or(u64::MAX);
    let rows_due = count_lines(&args.lobster)?.min(rows_max);
    let reader = LobsterReader::open(&args.lobster, &args.orderbook, rows_max)?;
    let login = |account: &str| {
        let who = Credentials { account: account.to_owned(), password: args.password.clone() };
        OrderClient::login(config.order_entry_address, &who, 0)
    };
    let resting = Seat::new(login(&args.account)?)?;
    let taking = Seat::new(login(&args.aggressor_account)?)?;
    let (checks, checker) = subscribe(config.feed_address, args.symbol)?;
    let drive = Drive {
        reader,
        player: Player::new(limits),
        sessions: Sessions::new(args.symbol, resting, taking),
        checks,
        executions: ExecutionTally::default(),
        rows: 0,
        bar: progress_bar(rows_due),
    };
    let mut report = drive.run(checker)?;
    report.symbol = args.symbol.to_string();
    print_line(&if args.json { serde_json::to_string(&report)? } else { report.text() });
    Ok(if report.is_faithful() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts the comparing thread on a book that is empty.
fn subscribe(feed: SocketAddr, symbol: Symbol) -> anyhow::Result<(SyncSender<Check>, Comparing)> {
    let snapshot = FeedClient::snapshot(feed)?;
    let Some(locate) = snapshot.book.locate(symbol) else {
        bail!("the venue does not list {symbol}; start it with the same --config");
    };
    if !snapshot.book.is_empty(locate) {
        bail!(
            "the book of {symbol} is not empty, and a recorded day needs an empty one: \
             start the venue on an empty directory (hft serve --data-dir NEW), or cancel the orders first"
        );
    }
    let client = FeedClient::itch(feed, snapshot.next_sequence)?;
    let (sender, receiver) = sync_channel(CHECKS_MAX);
    let checker = Checker::new(snapshot.book, locate, receiver);
    let thread = std::thread::Builder::new().name("checker".to_owned()).spawn(move || checker.run(client))?;
    Ok((sender, thread))
}

type Comparing = JoinHandle<Result<RowTally, CheckError>>;

/// Everything that plays.
struct Drive {
    reader: LobsterReader,
    player: Player,
    sessions: Sessions,
    checks: SyncSender<Check>,
    executions: ExecutionTally,
    rows: u64,
    bar: ProgressBar,
}

impl Drive {
    /// Plays to the end of the files; the report without the symbol.
    #[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a rate for people")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is far below 2^53")]
    fn run(mut self, checker: Comparing) -> anyhow::Result<Report> {
        let started = monotonic();
        let played = self.play_all();
        let Self { player, sessions, checks, executions, rows, bar, .. } = self;
        let after = || format!("after {rows} rows");
        match played {
            // The comparing side knows why.
            Err(PlayError::ComparingEnded) | Ok(()) => drop(checks),
            Err(PlayError::Playing(error)) => return Err(error.context(after())),
        }
        let compared = checker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let rows_tally = compared.with_context(after)?;
        bar.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        let messages = sessions.messages();
        Ok(Report {
            symbol: String::new(),
            rows,
            messages,
            orders_entered: u64::from(player.entered()) + u64::from(sessions.aggressors()),
            seconds,
            orders_per_second: (messages as f64 / seconds.max(1e-9)) as u64,
            rows_tally,
            executions_tally: executions,
            adopted: player.adoptions(),
        })
    }

    fn play_all(&mut self) -> Result<(), PlayError> {
        let (mut step, mut played) = (Step::default(), Played::default());
        let mut executed = Vec::new();
        let mut shown = 0;
        while self.reader.next_step(&mut step)? {
            self.player.play(&step, &mut played);
            executed.clear();
            for instruction in &played.instructions {
                self.sessions.play(instruction, &mut executed)?;
            }
            judge(&played, &executed, &mut self.executions);
            for check in played.checks.drain(..) {
                self.submit(check)?;
            }
            self.rows += step.rows.len() as u64;
            if self.rows - shown >= ROWS_PER_UPDATE {
                shown = self.rows;
                self.bar.set_position(self.rows);
                self.sessions.flush()?;
            }
        }
        self.sessions.finish()?;
        Ok(())
    }

    /// Hands a comparison over. What it waits for must be on its way before this side waits.
    fn submit(&mut self, check: Check) -> Result<(), PlayError> {
        match self.checks.try_send(check) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(check)) => {
                self.sessions.flush()?;
                self.checks.send(check).map_err(|_| PlayError::ComparingEnded)
            }
            Err(TrySendError::Disconnected(_)) => Err(PlayError::ComparingEnded),
        }
    }
}

/// Why the playing side stopped.
enum PlayError {
    /// The files, or the conversation with the venue.
    Playing(anyhow::Error),
    /// The comparing side is gone.
    ComparingEnded,
}

impl<E: Into<anyhow::Error>> From<E> for PlayError {
    fn from(error: E) -> Self {
        Self::Playing(error.into())
    }
}

/// Looks for each recorded execution among those that the venue reported for its aggressor.
fn judge(played: &Played, executed: &[(Handle, Qty)], tally: &mut ExecutionTally) {
    tally.executions += played.recorded.len() as u64;
    let told = played.fills.iter().map(|fill| (fill.handle, fill.quantity));
    let as_told = told.eq(executed.iter().copied());
    for recorded in &played.recorded {
        let Some(handle) = recorded.handle else { continue };
        let found = executed.contains(&(handle, recorded.quantity));
        tally.count(if found {
            None
        } else if as_told {
            recorded.foreseen.or(Some(ExecutionDifference::NotFirstInFile))
        } else {
            Some(ExecutionDifference::Venue)
        });
    }
}

/// Lines of a file, for the progress bar.
fn count_lines(path: &Path) -> anyhow::Result<u64> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut reader = BufReader::new(file);
    let mut lines = 0;
    loop {
        let bytes = reader.fill_buf().with_context(|| format!("cannot read {}", path.display()))?;
        if bytes.is_empty() {
            return Ok(lines);
        }
        lines += bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
        let count = bytes.len();
        reader.consume(count);
    }
}

fn progress_bar(rows: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows);
    let template = "{bar:40} {human_pos}/{human_len} rows, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
