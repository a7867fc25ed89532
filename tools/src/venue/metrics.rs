//! What the venue counts about itself while it runs: the entries of its counters file, each handed to the one thread that
//! writes it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use engine::core::Core;
use engine::runtime::agent::Pulse;
use engine::runtime::core_agent::CoreWatch;
use engine::runtime::counters::{Counter, CounterReader, Counters, FILE_NAME, HistogramWriter, Recording, Row};
use engine::runtime::stages::{StageTimer, StampWriter, stamps};
use engine::runtime::tsc::TickRate;
use gateway_edge::{EdgeCounters, FeedCounters, Probe};
use journal::DataPaths;
use protocol::{AccountId, InstrumentId, Sequence};

use crate::clock::{monotonic, utc_now};
use crate::config::Config;
use crate::venue::hash_marks::FollowerCounters;

/// Rows of books at the most: instruments beyond have none.
const BOOKS_MAX: usize = 1_024;

/// The counters of a venue, to which threads add their entries as they start. Cold: held for moments.
#[derive(Clone, Debug)]
pub struct Metrics {
    counters: Arc<Mutex<Counters>>,
    rate: TickRate,
    /// The last command that is durable, once there is a journal.
    durable: Arc<OnceLock<CounterReader>>,
    /// Whether the threads record anything.
    pub recording: Recording,
}

impl Metrics {
    /// In the data directory; where that cannot be, in memory, with a note in the log: counters stop no venue.
    pub fn open(config: &Config, paths: &DataPaths) -> Self {
        let rate = TickRate::calibrate();
        let file = paths.root().join(FILE_NAME);
        let mut counters = Counters::in_file(&file, utc_now(), rate).unwrap_or_else(|error| {
            tracing::warn!(%error, file = %file.display(), "the counters cannot be kept in a file");
            Counters::private()
        });
        counters.text("venue.version", env!("CARGO_PKG_VERSION"));
        counters.text("venue.durability", config.durability.name());
        counters.text("venue.order_entry", &config.order_entry_address.to_string());
        counters.text("venue.feed", &config.feed_address.to_string());
        counters.gauge("ring.commands.slots").set(config.rings().commands.into());
        counters.gauge("ring.events.slots").set(config.rings().events.into());
        Self { counters: Arc::new(Mutex::new(counters)), rate, durable: Arc::default(), recording: Recording::on() }
    }

    /// In memory that nobody else sees.
    #[cfg(test)]
    pub fn private() -> Self {
        let counters = Arc::new(Mutex::new(Counters::private()));
        Self { counters, rate: TickRate::NANOSECOND, durable: Arc::default(), recording: Recording::on() }
    }

    /// Adds entries.
    pub fn enter<T>(&self, add: impl FnOnce(&mut Counters) -> T) -> T {
        match self.counters.lock() {
            Ok(mut counters) => add(&mut counters),
            Err(poisoned) => add(&mut poisoned.into_inner()),
        }
    }

    /// One number that rises and falls.
    pub fn gauge(&self, name: &str) -> Counter {
        self.enter(|counters| counters.gauge(name))
    }

    /// One number that only rises.
    pub fn counter(&self, name: &str) -> Counter {
        self.enter(|counters| counters.counter(name))
    }

    /// The beat of a thread, and the same number for the watchdog.
    pub fn pulse(&self, thread: &str) -> (Pulse, CounterReader) {
        let counter = self.counter(&format!("thread.{thread}.beat"));
        let reader = counter.reader();
        (Pulse::new(counter, self.recording.clone()), reader)
    }

    /// What times the stages of sampled commands, of this account only or of all: for the core, for the journal, for the edge.
    pub fn stages(
        &self,
        in_flight_max: usize,
        last: Sequence,
        only: Option<AccountId>,
    ) -> (StampWriter, StampWriter, EdgeProbe) {
        let (matched, matched_at) = stamps(in_flight_max, last);
        let (durable, durable_at) = stamps(in_flight_max, last);
        let timer = self.enter(|counters| StageTimer::new(counters, matched_at, durable_at, self.rate));
        let timer = timer.recording(self.recording.clone());
        (matched, durable, EdgeProbe { timer, only })
    }

    /// The core's entries.
    pub fn core(&self, matched: StampWriter, last: Sequence) -> CoreWatch {
        self.enter(|counters| {
            let mut sequence = counters.gauge("core.sequence");
            sequence.set(last.0);
            CoreWatch {
                recording: self.recording.clone(),
                matched,
                sequence,
                events: counters.counter("core.events"),
                ring_full: counters.counter("core.ring_full_stalls"),
            }
        })
    }

    /// The journal's entries.
    pub fn journal(&self, durable: StampWriter, last: Sequence) -> JournalWatch {
        self.enter(|counters| {
            let mut sequence = counters.gauge("journal.sequence");
            sequence.set(last.0);
            // Set once: there is one journal.
            self.durable.get_or_init(|| sequence.reader());
            JournalWatch {
                recording: self.recording.clone(),
                durable,
                sequence,
                flush: counters.histogram("journal.flush"),
                flushes: counters.counter("journal.flushes"),
                flushed: counters.counter("journal.flushed_commands"),
                rate: self.rate,
            }
        })
    }
}

/// What the journal's thread tells about itself.
#[derive(Debug)]
pub struct JournalWatch {
    /// Whether it tells anything.
    pub recording: Recording,
    /// When sampled commands were durable.
    pub durable: StampWriter,
    /// The last command that is durable.
    pub sequence: Counter,
    /// How long flushes take.
    pub flush: HistogramWriter,
    /// Flushes that succeeded.
    pub flushes: Counter,
    /// Commands that they made durable.
    pub flushed: Counter,
    /// Of the ticks that flushes are timed with.
    pub rate: TickRate,
}

/// The edge's stage timer as a probe.
#[derive(Debug)]
pub struct EdgeProbe {
    timer: StageTimer,
    /// Whose commands are followed; `None` = everybody's.
    only: Option<AccountId>,
}

impl Probe for EdgeProbe {
    #[inline]
    fn ticks(&self) -> u64 {
        self.timer.read_now()
    }

    #[inline]
    fn sequenced(&mut self, sequence: Sequence, account: AccountId, read_at: u64) {
        if self.only.is_none_or(|only| only == account) {
            self.timer.sequenced(sequence, read_at);
        }
    }

    #[inline]
    fn wants(&self, sequence: Sequence) -> bool {
        self.timer.wants(sequence)
    }

    fn written(&mut self, sequence: Sequence) {
        self.timer.written(sequence);
    }
}

/// Copies the plain numbers of an agent into the counters file, now and then.
#[derive(Debug)]
pub struct Published<const N: usize> {
    places: [Counter; N],
    turns: u32,
    recording: Recording,
}

/// Turns between two copies.
const PUBLISH_EVERY: u32 = 256;
/// The same while there is nothing to do.
const PUBLISH_IDLE: u32 = 8;

impl<const N: usize> Published<N> {
    fn new(metrics: &Metrics, prefix: &str, names: &[&'static str; N]) -> Self {
        metrics.enter(|counters| Self {
            places: names.map(|name| {
                let name = format!("{prefix}.{name}");
                if name.ends_with("_open") { counters.gauge(&name) } else { counters.counter(&name) }
            }),
            turns: 0,
            recording: metrics.recording.clone(),
        })
    }

    /// True while anything is recorded.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.recording.is_on()
    }

    /// Every so many turns, and sooner when there was nothing to do.
    pub fn look(&mut self, done: usize, values: impl FnOnce() -> [u64; N]) {
        self.turns += 1;
        if self.turns >= PUBLISH_EVERY || (done == 0 && self.turns >= PUBLISH_IDLE) {
            self.turns = 0;
            if !self.recording.is_on() {
                return;
            }
            for (place, value) in self.places.iter_mut().zip(values()) {
                place.set(value);
            }
        }
    }
}

/// The order port's, or the drop-copy port's.
pub type EdgePublished = Published<{ EdgeCounters::COUNT }>;
/// The feed's.
pub type FeedPublished = Published<{ FeedCounters::COUNT }>;

impl EdgePublished {
    /// `prefix` says which port.
    pub fn edge(metrics: &Metrics, prefix: &str) -> Self {
        Self::new(metrics, prefix, &EdgeCounters::NAMES)
    }
}

impl FeedPublished {
    /// Of the feed.
    pub fn feed(metrics: &Metrics) -> Self {
        Self::new(metrics, "feed", &FeedCounters::NAMES)
    }
}

/// Best prices of each instrument, from a core that nobody waits for. A row has: best bid and its quantity, best ask and its
/// quantity, last price, decimals of prices, decimals of quantities (two's complement), trading
/// state as the letter of the feed.
#[derive(Debug)]
pub struct BookRows {
    metrics: Metrics,
    rows: Vec<Row>,
}

impl BookRows {
    /// Without rows: they come with their instruments.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, rows: Vec::new() }
    }

    /// Writes what `core` has now.
    pub fn write(&mut self, core: &Core) {
        for (index, view) in core.instruments().take(BOOKS_MAX).enumerate() {
            if self.rows.len() == index {
                let name = format!("book.{}", view.listed.symbol);
                self.rows.push(self.metrics.enter(|counters| counters.row(&name)));
            }
            let id: InstrumentId = view.listed.instrument;
            let best = |is_buy| {
                core.best_displayed(id, is_buy).map_or((0, 0), |level| (u64::from(level.price.0), level.displayed_qty))
            };
            let (bid, ask) = (best(true), best(false));
            if let Some(row) = self.rows.get_mut(index) {
                let qty_decimals = i64::from(view.listed.qty_decimals).cast_unsigned();
                row.set(&[
                    bid.0,
                    bid.1,
                    ask.0,
                    ask.1,
                    view.last_trade.0.into(),
                    view.listed.price_decimals.into(),
                    qty_decimals,
                    u64::from(view.state.feed_letter()),
                ]);
            }
        }
    }
}

/// How often the best prices are told.
const BOOKS_EVERY: Duration = Duration::from_millis(100);

/// What others see of the follower.
#[derive(Debug)]
pub struct FollowerSeen {
    sequence: Counter,
    lag: Counter,
    durable: Arc<OnceLock<CounterReader>>,
    compared: Counter,
    differences: Counter,
    same_at: Counter,
    snapshots: Counter,
    snapshot: Counter,
    snapshot_at: Counter,
    books: BookRows,
    books_at: Instant,
}

impl FollowerSeen {
    /// Its entries.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            sequence: metrics.gauge("follower.sequence"),
            lag: metrics.gauge("follower.lag"),
            durable: Arc::clone(&metrics.durable),
            compared: metrics.counter("follower.compared"),
            differences: metrics.counter("follower.differences"),
            same_at: metrics.gauge("follower.same_at_sequence"),
            snapshots: metrics.counter("follower.snapshots"),
            snapshot: metrics.gauge("follower.snapshot_sequence"),
            snapshot_at: metrics.gauge("follower.snapshot_utc_ns"),
            books: BookRows::new(metrics.clone()),
            books_at: monotonic(),
        }
    }

    /// Its core is here now; best prices only when it has caught up.
    pub fn note(&mut self, core: &Core, caught_up: bool) {
        let sequence = core.last_sequence().0;
        self.sequence.set(sequence);
        self.lag.set(self.durable.get().map_or(0, |durable| durable.load().saturating_sub(sequence)));
        if caught_up && monotonic() >= self.books_at {
            self.books.write(core);
            self.books_at = monotonic() + BOOKS_EVERY;
        }
    }

    /// What the comparison of hashes has come to.
    pub fn compared(&mut self, counters: &FollowerCounters) {
        self.compared.set(counters.compared.load(Ordering::Relaxed));
        self.differences.set(counters.differences.load(Ordering::Relaxed));
        self.same_at.set(counters.same_at.load(Ordering::Relaxed));
    }

    /// A snapshot was written.
    pub fn snapshot(&mut self, at: Sequence) {
        self.snapshots.add(1);
        self.snapshot.set(at.0);
        self.snapshot_at.set(utc_now().0);
    }
}
