//! `hft bench fanout`: the feed alone, with its own files and sockets, over made-up events: how many messages per second reach how
//! many subscribers, and what one subscriber costs as a multiple of one bare write of the same bytes in the same run.
//!
//! The feed runs where a hot thread would; one thread reads for all subscribers on another cpu, and checks every packet's number.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use engine::runtime::topology::{self, Topology};
use gateway_edge::clock::SystemClock;
use gateway_edge::{DurableCursor, EventPort, Feed, FeedConfig, FeedPorts, FeedTypes, Publisher};
use hdrhistogram::Histogram;
use journal::StreamConfig;
use protocol::event::Shown;
use protocol::money::Legs;
use protocol::{
    Event, EventBody, Firm, InstrumentId, Nanos, OrderRef, Price, Qty, Sequence, SessionName, Side, Symbol,
};

use crate::bench::round_trip::histogram;
use crate::bench::subscriber::{HEAD_BYTES, PATIENCE, Subscriber};
use crate::bench::wire::host;
use crate::clock::monotonic;
use crate::output::print_line;
use crate::top::nanos;
use crate::venue::fault::Fault;
use crate::venue::ports::{Kept, StreamFile, same_but_for_live_times};

/// A message that adds an order, in its block.
const BLOCK_BYTES: usize = 38;
/// Messages per turn of the runs that are compared with bare writes.
const BATCHES: [u64; 3] = [1, 16, 256];

/// The feed to many.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Subscribers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    subscribers: u32,
    /// Messages per second, as 100000,5000000: one run each
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1000000,2000000,5000000")]
    rates: Vec<u64>,
    /// Seconds of each run
    #[arg(long, value_name = "N", default_value_t = 3)]
    seconds: u64,
    /// Turns of each kind when a subscriber is compared with a bare write; 0 = not compared
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    turns: u32,
    /// Folder for the stream's file
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The feed's types, with events from nowhere.
#[derive(Debug)]
struct MadeUp;

impl FeedTypes for MadeUp {
    type Events = Made;
    type Durable = Always;
    type Clock = SystemClock;
    type Stream = StreamFile;
}

/// Everything is durable.
#[derive(Debug)]
struct Always;

impl DurableCursor for Always {
    fn durable(&self) -> Sequence {
        Sequence(u64::MAX)
    }
}

/// Orders that rest, as many as allowed.
#[derive(Debug)]
struct Made {
    allowed: Arc<AtomicU64>,
    made: u64,
}

impl EventPort for Made {
    fn poll(&mut self, limit: usize, mut each: impl FnMut(&Event)) -> usize {
        let due = self.allowed.load(Ordering::Relaxed) - self.made;
        let count = usize::try_from(due).unwrap_or(limit).min(limit);
        for _ in 0..count {
            self.made += 1;
            let body = EventBody::Rested {
                order_ref: OrderRef(self.made),
                quantity: Qty(100),
                price: Price(1_500_000),
                instrument: InstrumentId(1),
                side: Side::Buy,
                shown: Shown::Anonymous,
                firm: Firm::BLANK,
            };
            each(&Event { sequence: Sequence(self.made), ingress: Nanos(1_700_000_000_000_000_000), body });
        }
        count
    }

    fn applied(&self) -> Sequence {
        Sequence(self.made)
    }
}

/// What the feed's thread is asked to do.
#[derive(Clone, Copy, Debug)]
enum Job {
    /// Lets so many events through per second for so long.
    Rate(u64, Duration),
    /// So many turns of so many messages, each beside a bare write to as many connections.
    Turns(u32, u64),
}

/// What it found.
#[derive(Debug)]
enum Found {
    /// Events let through, subscribers that were cut.
    Rate(u64, u64),
    /// Nanoseconds of a turn without subscribers; per subscriber, of a turn and of a bare write.
    Turns(Box<[Histogram<u64>; 3]>),
}

/// What both threads know.
#[derive(Debug, Default)]
struct Shared {
    allowed: Arc<AtomicU64>,
    /// Messages that all subscribers have read together, and the bytes read from bare connections.
    read: AtomicU64,
    bare_read: AtomicU64,
    /// Subscribers may come.
    ready: AtomicBool,
    stop: AtomicBool,
}

/// A file for the stream, removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs everything and prints it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(args.seconds > 0 && !args.rates.is_empty(), "--seconds and --rates: expected at least 1");
    let topology = Topology::of_this_host();
    let plan = topology.plan(false);
    let at = args.dir.clone().unwrap_or_else(std::env::temp_dir).join(format!("hft-fanout-{}", std::process::id()));
    std::fs::create_dir_all(&at).with_context(|| format!("cannot create {}", at.display()))?;
    let folder = Folder(at);
    for (name, what) in host(&topology) {
        print_line(&format!("{name:<14} {what}"));
    }
    if let Some(cpu) = topology.allowed.iter().find(|cpu| Some(**cpu) != plan.edge.cpu) {
        topology::run_on(&[*cpu])?;
    }
    let shared = Arc::new(Shared::default());
    let jobs = args.rates.iter().map(|rate| Job::Rate(*rate, Duration::from_secs(args.seconds)));
    let turns = BATCHES.iter().filter(|_| args.turns > 0).map(|batch| Job::Turns(args.turns, *batch));
    let jobs: Vec<Job> = turns.chain(jobs).collect();
    for job in jobs {
        let mut feed = Feeder::start(args.subscribers, &folder.0, plan.edge.cpu, &shared, job)?;
        let (read, longest) = feed.read_out()?;
        print_line(&say(job, &feed.join()?, args, read, longest));
    }
    Ok(ExitCode::SUCCESS)
}

fn say(job: Job, found: &Found, args: &Args, read: u64, longest: Duration) -> String {
    match (job, found) {
        (Job::Rate(rate, time), Found::Rate(allowed, cut)) => {
            let subscribers = u64::from(args.subscribers);
            let each = u128::from(read / subscribers) * 1_000_000_000 / longest.as_nanos().max(1);
            format!(
                "{rate:>9}/s for {} s to {subscribers} subscribers: {each} messages/s read by each ({allowed} sent, {} missing, {cut} cut)",
                time.as_secs(),
                allowed * subscribers - read.min(allowed * subscribers)
            )
        }
        (Job::Turns(_, batch), Found::Turns(both)) => {
            let at = |which: usize| both.get(which).map_or(0, |times| times.value_at_quantile(0.5));
            let (alone, turn, bare) = (at(0), at(1), at(2));
            let cost = turn.saturating_sub(alone / u64::from(args.subscribers));
            let ratio = cost * 1_000 / bare.max(1);
            format!(
                "{batch:>4} messages per turn: publishing {}; one of {} subscribers {}, one bare write {}: {}.{:03} (p50)",
                nanos(alone),
                args.subscribers,
                nanos(cost),
                nanos(bare),
                ratio / 1_000,
                ratio % 1_000
            )
        }
        (Job::Rate(..), Found::Turns(_)) | (Job::Turns(..), Found::Rate(..)) => String::new(),
    }
}

/// The feed on its thread, and who reads it.
struct Feeder {
    thread: Option<JoinHandle<anyhow::Result<Found>>>,
    shared: Arc<Shared>,
    readers: Vec<Subscriber>,
    bare: Vec<TcpStream>,
}

impl Feeder {
    fn start(
        subscribers: u32,
        folder: &std::path::Path,
        cpu: Option<usize>,
        shared: &Arc<Shared>,
        job: Job,
    ) -> anyhow::Result<Self> {
        let session = SessionName(*b"S000000001");
        shared.allowed.store(0, Ordering::Relaxed);
        shared.read.store(0, Ordering::Relaxed);
        shared.bare_read.store(0, Ordering::Relaxed);
        shared.stop.store(false, Ordering::Relaxed);
        shared.ready.store(false, Ordering::Relaxed);
        let path = folder.join("feed.stream");
        drop(std::fs::remove_file(&path));
        let stream = StreamConfig::feed([7; 16], session);
        let mut file =
            StreamFile::open(&path, &stream, Kept::of(0, same_but_for_live_times), &Arc::new(Fault::default()))?;
        file.end_rebuild()?;
        let preparer = file.preparer();
        let mut publisher = Publisher::new(file);
        publisher.restore_session(session);
        let (instrument, symbol) = (InstrumentId(1), Symbol(*b"AAPL    "));
        let listed = EventBody::InstrumentListed {
            instrument,
            symbol,
            price_decimals: 4,
            qty_decimals: 0,
            tick: Price(100),
            lot: Qty(1),
            max_qty: Qty(999_999),
            legs: Legs::of_symbol(&symbol),
        };
        publisher.restore_instrument(&listed);
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let connections_max = subscribers as usize + 8;
        let config = FeedConfig { listen, connections_max, ..FeedConfig::default() };
        let events = Made { allowed: Arc::clone(&shared.allowed), made: 0 };
        let feed =
            Feed::<MadeUp>::new(config, FeedPorts { events, durable: Always, clock: SystemClock::new() }, publisher)?;
        let (address, bare_listener) = (feed.address(), TcpListener::bind(listen)?);
        let bare_address = bare_listener.local_addr()?;
        let known = Arc::clone(shared);
        let thread = std::thread::spawn(move || {
            drop(cpu.map(|cpu| topology::run_on(&[cpu])));
            let mut work = Work { feed, shared: known, subscribers, bare: Vec::new() };
            work.run(job, &bare_listener)
        });
        // As in the venue, somebody else keeps room ahead of the stream.
        let room = Arc::clone(shared);
        std::thread::spawn(move || {
            while !room.stop.load(Ordering::Relaxed) {
                drop(preparer.prepare_ahead());
                std::thread::park_timeout(Duration::from_millis(2));
            }
        });
        let mut this = Self { thread: Some(thread), shared: Arc::clone(shared), readers: Vec::new(), bare: Vec::new() };
        for _ in (0..subscribers).filter(|_| matches!(job, Job::Turns(..))) {
            let socket = TcpStream::connect(bare_address)?;
            socket.set_nonblocking(true)?;
            this.bare.push(socket);
        }
        while !shared.ready.load(Ordering::Acquire) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        for _ in 0..subscribers {
            this.readers.push(Subscriber::connect(address)?);
        }
        Ok(this)
    }

    /// Reads for all until the feed's thread has ended: messages, and the time from the first to the last.
    fn read_out(&mut self) -> anyhow::Result<(u64, Duration)> {
        let mut room = vec![0; 1 << 20];
        let (mut first, mut last, mut total) = (None, monotonic(), 0);
        while !self.shared.stop.load(Ordering::Acquire) {
            let mut read = 0;
            for reader in &mut self.readers {
                read += reader.read(&mut room)?;
            }
            let bare: u64 = self.bare.iter_mut().map(|socket| socket.read(&mut room).unwrap_or(0) as u64).sum();
            if read > 0 {
                last = monotonic();
                first.get_or_insert(last);
                total += read;
                self.shared.read.store(total, Ordering::Release);
            }
            if bare > 0 {
                self.shared.bare_read.fetch_add(bare, Ordering::Release);
            }
            if read + bare == 0 {
                std::thread::yield_now();
            }
        }
        Ok((total, first.map_or(Duration::ZERO, |first| last.duration_since(first))))
    }

    fn join(mut self) -> anyhow::Result<Found> {
        self.thread
            .take()
            .map_or_else(|| bail!("no thread"), |thread| thread.join().unwrap_or_else(|_| bail!("the feed has ended")))
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// The feed's thread.
struct Work {
    feed: Feed<MadeUp>,
    shared: Arc<Shared>,
    subscribers: u32,
    bare: Vec<TcpStream>,
}

impl Work {
    fn run(&mut self, job: Job, bare: &TcpListener) -> anyhow::Result<Found> {
        if matches!(job, Job::Turns(..)) {
            for _ in 0..self.subscribers {
                let (socket, _) = bare.accept()?;
                socket.set_nodelay(true)?;
                self.bare.push(socket);
                self.feed.turn(Duration::ZERO);
            }
        }
        let alone = if let Job::Turns(turns, batch) = job { Some(self.alone(turns, batch)?) } else { None };
        self.shared.ready.store(true, Ordering::Release);
        let end = monotonic() + PATIENCE;
        while self.feed.counters().upgrades < u64::from(self.subscribers) {
            self.feed.turn(Duration::from_millis(1));
            ensure!(monotonic() < end, "the subscribers do not come");
        }
        let found = match job {
            Job::Rate(rate, time) => self.rate(rate, time),
            Job::Turns(turns, batch) => self.turns(turns, batch, alone.unwrap_or(histogram()?)),
        };
        self.shared.stop.store(true, Ordering::Release);
        found
    }

    fn rate(&mut self, per_second: u64, time: Duration) -> anyhow::Result<Found> {
        let begun = monotonic();
        let total = u64::try_from(u128::from(per_second) * time.as_nanos() / 1_000_000_000)?;
        let mut allowed = 0;
        while allowed < total {
            let due = u128::from(per_second) * begun.elapsed().as_nanos() / 1_000_000_000;
            allowed = u64::try_from(due)?.min(total);
            self.shared.allowed.store(allowed, Ordering::Relaxed);
            self.feed.turn(Duration::ZERO);
        }
        // What is on its way arrives, unless somebody was cut.
        let end = monotonic() + Duration::from_secs(2);
        let wanted = total * u64::from(self.subscribers);
        while self.shared.read.load(Ordering::Acquire) < wanted && monotonic() < end {
            self.feed.turn(Duration::ZERO);
        }
        Ok(Found::Rate(total, self.feed.counters().slow_subscribers_cut))
    }

    /// Turns that publish to nobody.
    fn alone(&mut self, turns: u32, batch: u64) -> anyhow::Result<Histogram<u64>> {
        let mut times = histogram()?;
        for _ in 0..turns {
            self.shared.allowed.fetch_add(batch, Ordering::Relaxed);
            let begun = monotonic();
            self.feed.turn(Duration::ZERO);
            times.saturating_record(u64::try_from(begun.elapsed().as_nanos())?);
        }
        Ok(times)
    }

    fn turns(&mut self, turns: u32, batch: u64, alone: Histogram<u64>) -> anyhow::Result<Found> {
        let mut both = Box::new([alone, histogram()?, histogram()?]);
        let subscribers = u64::from(self.subscribers);
        let before = self.shared.allowed.load(Ordering::Relaxed);
        let bytes = vec![0x5a; usize::try_from(batch)? * BLOCK_BYTES + HEAD_BYTES];
        let (mut allowed, mut bare) = (0, 0);
        for _ in 0..turns {
            allowed += batch;
            self.shared.allowed.store(before + allowed, Ordering::Relaxed);
            let begun = monotonic();
            self.feed.turn(Duration::ZERO);
            let took = u64::try_from(begun.elapsed().as_nanos())?;
            both[1].saturating_record(took / subscribers);
            while self.shared.read.load(Ordering::Acquire) < allowed * subscribers {
                std::hint::spin_loop();
            }
            let begun = monotonic();
            for socket in &mut self.bare {
                socket.write_all(&bytes)?;
            }
            let took = u64::try_from(begun.elapsed().as_nanos())?;
            both[2].saturating_record(took / subscribers);
            bare += bytes.len() as u64 * subscribers;
            while self.shared.bare_read.load(Ordering::Acquire) < bare {
                std::hint::spin_loop();
            }
        }
        Ok(Found::Turns(both))
    }
}
