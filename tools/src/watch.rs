//! `hft watch`: the book of one instrument and its latest trades, from the feed alone, redrawn in place.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use protocol::itch::Message;
use protocol::{InstrumentId, Symbol};
use serde_json::json;

use crate::VenueArgs;
use crate::client::{Change, ClientError, FeedBook, FeedClient, Print, Progress, listed};
use crate::clock::monotonic;
use crate::output::print_line;
use crate::units::InstrumentUnits;

/// A feed no longer than this is read from its start, so that earlier trades show; otherwise the snapshot is the start.
const HISTORY_MAX: u64 = 500_000;
/// Pictures per second at most.
const REDRAW: Duration = Duration::from_millis(100);
/// How long the feed may say nothing; the venue sends a heartbeat each second.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long the feed of a new session may be waited for.
const REJOIN_MAX: Duration = Duration::from_secs(10);
/// Levels and trades that a picture may have.
const LINES_MAX: u16 = 1_000;

/// Show the book of one instrument and its trades.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hft watch AAPL\n  hft watch BTC-USD --levels 20\n  hft watch AAPL --once --json")]
pub(crate) struct Args {
    /// Instrument
    #[arg(value_parser = crate::units::symbol)]
    symbol: Symbol,
    /// Print one picture and end
    #[arg(long)]
    once: bool,
    /// Levels per side
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=i64::from(LINES_MAX)))]
    levels: u16,
    /// Latest trades
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=i64::from(LINES_MAX)))]
    trades: u16,
    /// Address of the venue, instead of the one in the configuration
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    #[command(flatten)]
    venue: VenueArgs,
    /// One JSON object per picture
    #[arg(long)]
    json: bool,
}

/// Draws until the venue is gone, or once.
///
/// # Errors
/// No venue, an unknown instrument, a feed that breaks or contradicts itself.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.venue.load()?;
    let address = SocketAddr::new(args.host.unwrap_or(config.feed_address.ip()), config.feed_address.port());
    let units = listed(address, &config.instruments).into_iter().find(|units| units.symbol == args.symbol);
    let mut watch = Watch::open(address, args, units)?;
    if args.once {
        watch.draw(false);
        return Ok(ExitCode::SUCCESS);
    }
    watch.follow()
}

/// What is shown.
struct Watch<'a> {
    address: SocketAddr,
    args: &'a Args,
    units: InstrumentUnits,
    feed: FeedClient,
    book: FeedBook,
    locate: InstrumentId,
    trades: VecDeque<Print>,
    /// When the venue last gave a sign of life.
    heard_at: Instant,
}

impl<'a> Watch<'a> {
    /// Joins the feed and catches up with it.
    fn open(address: SocketAddr, args: &'a Args, units: Option<InstrumentUnits>) -> anyhow::Result<Self> {
        let snapshot = FeedClient::snapshot(address)?;
        let (Some(units), Some(locate)) = (units, snapshot.book.locate(args.symbol)) else {
            bail!("the venue does not list {}; `hft instrument list` names what it does", args.symbol);
        };
        let now = snapshot.next_sequence;
        let (from, book) = if now <= HISTORY_MAX { (1, FeedBook::new()) } else { (now, snapshot.book) };
        let feed = FeedClient::itch(address, from)?;
        let trades = VecDeque::with_capacity(usize::from(args.trades) + 1);
        let mut watch = Self { address, args, units, feed, book, locate, trades, heard_at: monotonic() };
        while from < now && watch.feed.next_sequence() < now {
            if watch.receive(REDRAW)?.0 == Progress::Finished {
                bail!("the venue ended the feed");
            }
        }
        Ok(watch)
    }

    /// Reads once; whether the picture changed.
    fn receive(&mut self, wait: Duration) -> anyhow::Result<(Progress, bool)> {
        let Self { feed, book, trades, locate, args, .. } = self;
        let (locate, trades_max) = (*locate, usize::from(args.trades));
        let mut violated = None;
        let mut changed = false;
        let progress = feed.receive(wait, |sequence, message: &Message| match book.apply(message) {
            Ok(Change::Book(at)) => changed |= at == locate,
            Ok(Change::Trade(print)) if print.locate == locate => {
                changed = true;
                trades.push_front(print);
                trades.truncate(trades_max);
            }
            Ok(Change::Broken(number)) => {
                changed |= trades.iter().any(|print| print.match_number == number);
                trades.retain(|print| print.match_number != number);
            }
            Ok(Change::None | Change::Trade(_)) => {}
            Err(violation) => {
                violated.get_or_insert(ClientError::Feed { sequence, violation });
            }
        })?;
        if let Some(error) = violated {
            return Err(error.into());
        }
        if progress != Progress::Nothing {
            self.heard_at = monotonic();
        } else if monotonic().duration_since(self.heard_at) >= SILENCE_MAX {
            bail!("the venue says nothing any more: no heartbeat for {} s", SILENCE_MAX.as_secs());
        }
        Ok((progress, changed))
    }

    fn follow(&mut self) -> anyhow::Result<ExitCode> {
        let in_place = std::io::stdout().is_terminal() && !self.args.json;
        let mut drawn_at: Option<Instant> = None;
        let mut stale = true;
        loop {
            let now = monotonic();
            if stale && drawn_at.is_none_or(|at| now.duration_since(at) >= REDRAW) {
                if !self.draw(in_place) {
                    return Ok(ExitCode::SUCCESS);
                }
                (stale, drawn_at) = (false, Some(now));
            }
            let (progress, changed) = self.receive(REDRAW)?;
            stale |= changed;
            if progress == Progress::Finished {
                self.rejoin()?;
                stale = true;
            }
        }
    }

    /// The day was rolled: joins the feed of the new session. The trades stay on the picture.
    fn rejoin(&mut self) -> anyhow::Result<()> {
        let deadline = monotonic() + REJOIN_MAX;
        loop {
            match Self::open(self.address, self.args, Some(self.units)) {
                Ok(mut next) if next.feed.session() != self.feed.session() => {
                    next.trades.extend(self.trades.drain(..));
                    next.trades.truncate(usize::from(self.args.trades));
                    *self = next;
                    return Ok(());
                }
                Err(error) if monotonic() >= deadline => return Err(error),
                Ok(_) if monotonic() >= deadline => bail!("the venue ended the feed, and began no other"),
                Ok(_) | Err(_) => std::thread::park_timeout(REDRAW),
            }
        }
    }

    /// Writes one picture; false when nobody reads any more.
    fn draw(&self, in_place: bool) -> bool {
        if self.args.json {
            print_line(&self.json().to_string());
            return true;
        }
        // Home, then each line with the rest of the old one erased, then the rest of the old picture erased.
        let (start, line_end, end) = if in_place { ("\x1b[H", "\x1b[K\n", "\x1b[J") } else { ("", "\n", "") };
        let text = self.picture().iter().fold(start.to_owned(), |text, line| text + line + line_end) + end;
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    }

    /// The ladder and the trades, one line each.
    fn picture(&self) -> Vec<String> {
        let levels = usize::from(self.args.levels);
        let state = match self.book.trading_state(self.locate) {
            b'T' => "trading",
            b'H' => "halted",
            b'P' => "paused",
            b'Q' => "quotation only",
            _ => "unknown state",
        };
        let feed = (self.feed.session(), self.feed.next_sequence().saturating_sub(1));
        let mut lines = vec![
            format!("{}  {state}  feed {} message {}", self.args.symbol, feed.0.as_text(), feed.1),
            format!("{:>6} {:>14} {:>14} | {:<14} {:<14} {:<6}", "orders", "size", "bid", "ask", "size", "orders"),
        ];
        let mut bids = self.book.levels(self.locate, true).take(levels);
        let mut asks = self.book.levels(self.locate, false).take(levels);
        loop {
            let (bid, ask) = (bids.next(), asks.next());
            if bid.is_none() && ask.is_none() {
                break;
            }
            let cells = |level: Option<crate::client::LevelView>| {
                level.map_or_else(Default::default, |level| {
                    (
                        self.units.price_text(u64::from(level.price.0)),
                        self.units.quantity_text(level.quantity),
                        level.orders.to_string(),
                    )
                })
            };
            let (bid, ask): ((String, String, String), (String, String, String)) = (cells(bid), cells(ask));
            lines.push(format!("{:>6} {:>14} {:>14} | {:<14} {:<14} {:<6}", bid.2, bid.1, bid.0, ask.0, ask.1, ask.2));
        }
        if self.args.trades > 0 {
            lines.push("trades".to_owned());
        }
        for print in &self.trades {
            let (price, quantity) = self.amounts(print);
            let side = match print.aggressor_buys {
                Some(true) => "buy",
                Some(false) => "sell",
                None => "",
            };
            lines.push(format!("  {}  {side:<4} {quantity:>14} @ {price}", time_text(print.timestamp_ns)));
        }
        lines
    }

    fn amounts(&self, print: &Print) -> (String, String) {
        (self.units.price_text(u64::from(print.price.0)), self.units.quantity_text(print.quantity))
    }

    fn json(&self) -> serde_json::Value {
        let side = |is_buy: bool| -> Vec<serde_json::Value> {
            let levels = self.book.levels(self.locate, is_buy).take(usize::from(self.args.levels));
            levels
                .map(|level| {
                    json!({
                        "price": self.units.price_text(u64::from(level.price.0)),
                        "quantity": self.units.quantity_text(level.quantity),
                        "orders": level.orders,
                    })
                })
                .collect()
        };
        let trades = self.trades.iter().map(|print| {
            let (price, quantity) = self.amounts(print);
            json!({
                "time": time_text(print.timestamp_ns),
                "price": price,
                "quantity": quantity,
                "aggressor": print.aggressor_buys.map(|buys| if buys { "buy" } else { "sell" }),
                "match_number": print.match_number.0,
            })
        });
        json!({
            "symbol": self.args.symbol.as_text(),
            "trading_state": char::from(self.book.trading_state(self.locate)).to_string(),
            "next_sequence": self.feed.next_sequence(),
            "bids": side(true),
            "asks": side(false),
            "trades": trades.collect::<Vec<_>>(),
        })
    }
}

/// Time of day with microseconds; a session may count on through midnight.
fn time_text(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    let micros = nanos / 1_000 % 1_000_000;
    format!("{:02}:{:02}:{:02}.{micros:06}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}
