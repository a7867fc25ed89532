//! `hft bench crowd`: a whole venue with many order sessions and many subscribers of its feed at once, at given rates of messages.
//! One thread drives all sessions by a schedule that does not wait for answers, another reads for all subscribers and checks every
//! packet's number; both on the cpu that the venue's hot threads leave free.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use engine::runtime::topology::{self, Topology};

use crate::bench::load::{Offer, Outcome, offer};
use crate::bench::subscriber::Subscriber;
use crate::bench::venue::{BENCH_PASSWORD, BenchVenue, Template, add_accounts, bench_account, set};
use crate::bench::wire::{Bot, Mix, host, session};
use crate::clock::monotonic;
use crate::config::DurabilityMode;
use crate::counters::file::Snapshot;
use crate::output::print_line;
use crate::top::nanos;

/// How long subscribers may take to read what was sent once the last order has left.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

/// Many sessions and many subscribers.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Order sessions
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sessions: u32,
    /// Subscribers of the feed
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    subscribers: u32,
    /// Requests per second over all sessions, as 1000,100000: one run each; every request is one message of the feed
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1000,10000,100000")]
    rates: Vec<u64>,
    /// Seconds of each run
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u64,
    /// Durability of the venue
    #[arg(long, value_name = "MODE", default_value = "journal")]
    durability: DurabilityMode,
    #[command(flatten)]
    venue: Template,
}

/// Runs every rate and prints what came of it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(args.seconds > 0 && !args.rates.is_empty(), "--seconds and --rates: expected at least 1");
    ensure!(args.rates.iter().all(|rate| (1..=10_000_000).contains(rate)), "--rates: expected 1 to 10000000 each");
    let topology = Topology::of_this_host();
    let plan = topology.plan(args.durability == DurabilityMode::Fdatasync);
    let (sessions, subscribers) = (i64::from(args.sessions), i64::from(args.subscribers));
    let venue = BenchVenue::start_changed(&args.venue, args.durability, |table| {
        add_accounts(table, args.sessions);
        set(table, "accounts", "demo", false.into());
        set(table, "limits", "channels_max", (sessions * 2 + 1_024).into());
        set(table, "order_entry", "connections_max", (sessions + 64).into());
        set(table, "feed", "subscribers_max", (subscribers + 64).into());
        set(table, "feed", "connections_per_address_max", 65_536.into());
    })?;
    for (name, what) in host(&topology) {
        print_line(&format!("{name:<14} {what}"));
    }
    if let Some(cpu) = topology.allowed.iter().find(|cpu| Some(**cpu) != plan.edge.cpu) {
        topology::run_on(&[*cpu])?;
    }
    let log_in = |index: u32| {
        let bot = Bot::after(0, Mix::Rest, false);
        session(&venue, &bench_account(index), BENCH_PASSWORD, bot)
    };
    let more_files = "is there room for so many files (ulimit -n)?";
    let mut bots = (0..args.sessions).map(log_in).collect::<anyhow::Result<Vec<_>>>().context(more_files)?;
    let audience = Audience::gather(venue.feed_address, args.subscribers).context(more_files)?;
    print_line(&format!("{} sessions, {} subscribers", args.sessions, args.subscribers));
    for rate in &args.rates {
        let before = Snapshot::read(&venue.dir)?;
        let read_before = audience.read();
        let begun = monotonic();
        let time = Duration::from_secs(args.seconds);
        let outcome = offer(&mut bots, Offer { per_second: *rate, warm_up: Duration::ZERO, time })?;
        let sent = || Ok::<_, anyhow::Error>(since(&before, &Snapshot::read(&venue.dir)?, "feed.messages"));
        let wanted = |sent: u64| read_before + sent * u64::from(args.subscribers);
        let end = monotonic() + CATCH_UP_MAX;
        while audience.read() < wanted(sent()?) && !audience.has_failed() && monotonic() < end {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        let took = begun.elapsed();
        let after = Snapshot::read(&venue.dir)?;
        tell(*rate, &outcome, &Heard::of(args, [&before, &after], audience.read() - read_before, took));
        ensure!(!audience.has_failed(), "a subscriber missed a message");
        if outcome.unanswered > 0 {
            print_line("answers are missing: the venue does not keep up, and no further rate is tried");
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn since(before: &Snapshot, after: &Snapshot, name: &str) -> u64 {
    after.number(name).saturating_sub(before.number(name))
}

/// What the subscribers got.
struct Heard {
    /// Messages per second, by each.
    per_second: u128,
    sent: u64,
    missing: u64,
    /// Subscribers and sessions that were cut because they were too slow.
    cut: [u64; 2],
}

impl Heard {
    fn of(args: &Args, [before, after]: [&Snapshot; 2], read: u64, took: Duration) -> Self {
        let sent = since(before, after, "feed.messages");
        let subscribers = u64::from(args.subscribers);
        Self {
            per_second: u128::from(read / subscribers) * 1_000_000_000 / took.as_nanos().max(1),
            sent,
            missing: (sent * subscribers).saturating_sub(read),
            cut: ["feed.slow_subscribers_cut", "edge.slow_readers_cut"].map(|name| since(before, after, name)),
        }
    }
}

fn tell(rate: u64, outcome: &Outcome, heard: &Heard) {
    let at = |quantile| nanos(outcome.times.value_at_quantile(quantile));
    print_line(&format!(
        "{rate:>9}/s  orders {}: p50 {} p99 {} from the intended time, {} unanswered; feed {} messages, each read {}/s, {} missing; cut {} subscribers, {} sessions",
        if outcome.is_sustained() { "kept up" } else { "behind" },
        at(0.5),
        at(0.99),
        outcome.unanswered,
        heard.sent,
        heard.per_second,
        heard.missing,
        heard.cut[0],
        heard.cut[1],
    ));
}

/// All subscribers, read by a thread of their own until dropped.
struct Audience {
    read: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Audience {
    fn gather(address: SocketAddr, count: u32) -> anyhow::Result<Self> {
        let mut all = (0..count).map(|_| Subscriber::connect(address)).collect::<anyhow::Result<Vec<_>>>()?;
        let (read, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopping) = (Arc::clone(&read), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut room = vec![0; 1 << 20];
            while !stopping.load(Ordering::Relaxed) {
                let mut messages = 0;
                for subscriber in &mut all {
                    messages += subscriber.read(&mut room)?;
                }
                count.fetch_add(messages, Ordering::Relaxed);
                if messages == 0 {
                    std::thread::park_timeout(Duration::from_micros(500));
                }
            }
            Ok(())
        });
        Ok(Self { read, stop, thread: Some(thread) })
    }

    /// Messages that all of them have read together.
    fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The thread has ended: a message was missing.
    fn has_failed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}
