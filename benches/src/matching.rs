//! The matching core against the textbook book and the naive model, on six markets. Three figures: (a) the book alone,
//! events counted; (b) events handed to another thread through the output ring; (c) the whole core path, from the input
//! ring to the output ring, where one other thread fills the one and drains the other.
//!
//! All candidates of a market get the same commands in the same run, in turns (A B B A), and must tell the same events: their
//! hash is compared. Commands are copied to a small buffer before the clock starts, as a ring would hold them.

#![expect(clippy::float_arithmetic, reason = "figures of a report")]
#![expect(clippy::cast_precision_loss, reason = "figures of a report")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock itself")]

use engine::core::{Core, EventBuffer, EventSink};
use engine::event_hash::EventHasher;
use engine::runtime::agent::Agent;
use engine::runtime::core_agent::{CoreAgent, CoreWatch};
use engine::runtime::counters::{Counters, Recording};
use engine::runtime::cursor::Cursor;
use engine::runtime::pipeline::{EventRingPoller, input_ring, output_ring};
use engine::runtime::stages::stamps;
use engine::testing::btree_book::BTreeBook;
use engine::testing::naive_book::NaiveVenue;
pub use engine::testing::workload::{REGIMES, Regime, Scale};
pub use engine::testing::workload::{Workload, generate};
use protocol::types::{Nanos, Sequence};
use protocol::{Command, Event};
use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Commands that wait when the clock starts: as many as a ring's worth in the second-level cache.
const CHUNK: usize = 512;
/// Commands of a batch: the caches are warned of all of them, then they are applied.
const AHEAD: usize = 32;
/// Of every flow.
pub const SEED: u64 = 0x5eed;

/// Counts events.
struct Count(u64);

impl EventSink for Count {
    #[inline]
    fn push(&mut self, _: Event) {
        self.0 += 1;
    }
}

/// Hashes events.
struct Hash(EventHasher, u64);

impl EventSink for Hash {
    fn push(&mut self, event: Event) {
        self.0.push(&event);
        self.1 += 1;
    }
}

/// What is measured.
pub trait Candidate {
    /// Of an empty venue, for this flow.
    fn open(workload: &Workload) -> Self;
    /// Applies one command.
    fn apply(&mut self, command: &Command, sink: &mut impl EventSink);
    /// Applies a batch.
    fn apply_all(&mut self, commands: &[Command], sink: &mut impl EventSink) {
        for command in commands {
            self.apply(command, sink);
        }
    }
    /// Warns the caches of a batch.
    fn warn(&self, commands: &[Command]);
}

impl Candidate for Core {
    fn open(_: &Workload) -> Self {
        Self::new()
    }

    fn apply(&mut self, command: &Command, sink: &mut impl EventSink) {
        Self::apply(self, command, sink);
    }

    fn apply_all(&mut self, commands: &[Command], sink: &mut impl EventSink) {
        self.apply_some(commands, sink, |_| false);
    }

    fn warn(&self, commands: &[Command]) {
        self.prefetch_batch(commands);
    }
}

impl Candidate for BTreeBook {
    fn open(workload: &Workload) -> Self {
        Self::new(workload.instruments)
    }

    fn apply(&mut self, command: &Command, sink: &mut impl EventSink) {
        Self::apply(self, command, sink);
    }

    fn warn(&self, _: &[Command]) {}
}

impl Candidate for NaiveVenue {
    fn open(_: &Workload) -> Self {
        Self::new()
    }

    fn apply(&mut self, command: &Command, sink: &mut impl EventSink) {
        for event in Self::apply(self, command) {
            sink.push(*event);
        }
    }

    fn warn(&self, _: &[Command]) {}
}

fn opened<C: Candidate>(workload: &Workload) -> C {
    let mut candidate = C::open(workload);
    for command in &workload.opening {
        candidate.apply(command, &mut Count(0));
    }
    candidate
}

/// What is timed. Not inlined, so that a profiler can count it alone.
#[inline(never)]
fn play<C: Candidate>(candidate: &mut C, chunk: &[Command], warn: bool, sink: &mut impl EventSink) {
    for batch in chunk.chunks(AHEAD) {
        if warn {
            candidate.warn(batch);
        }
        candidate.apply_all(batch, sink);
    }
}

/// Nanoseconds per command, events counted only.
pub fn time<C: Candidate>(workload: &Workload, warn: bool) -> f64 {
    let mut candidate: C = opened(workload);
    let mut sink = Count(0);
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut chunks = Vec::with_capacity(workload.commands.len() / CHUNK + 1);
    for commands in workload.commands.chunks(CHUNK) {
        chunk.clear();
        chunk.extend_from_slice(commands);
        let start = Instant::now();
        play(&mut candidate, &chunk, warn, &mut sink);
        chunks.push(start.elapsed().as_nanos() as f64 / chunk.len() as f64);
    }
    black_box(sink.0);
    trimmed(&mut chunks)
}

/// Hash and number of events.
pub fn hash<C: Candidate>(workload: &Workload) -> (String, u64) {
    let mut candidate: C = opened(workload);
    let mut sink = Hash(EventHasher::new(), 0);
    for command in &workload.commands {
        candidate.apply(command, &mut sink);
    }
    let hex = sink.0.finish().iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    (hex, sink.1)
}

/// Mean without the slowest 5 %: on a shared machine those are chunks during which another program had the cpu.
fn trimmed(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let kept = &values[..(values.len() * 19).div_ceil(20)];
    kept.iter().sum::<f64>() / kept.len() as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Median, lowest and highest of some rounds.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Spread {
    /// Of these values.
    pub fn of(values: &mut [f64]) -> Self {
        let median = median(values);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        Self { median, low, high: values.iter().copied().fold(0.0, f64::max) }
    }

    /// Millions per second, when these are nanoseconds.
    #[must_use]
    pub fn millions_per_second(&self) -> f64 {
        1_000.0 / self.median
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} [{:.1}-{:.1}]", self.median, self.low, self.high)
    }
}

/// Nanoseconds per command of the naive model, over as much of the opening and the flow as it does in a second.
fn time_naive(workload: &Workload, limit: Duration) -> f64 {
    let mut naive = NaiveVenue::new();
    let start = Instant::now();
    let mut applied = 0;
    for command in workload.opening.iter().chain(&workload.commands) {
        Candidate::apply(&mut naive, command, &mut Count(0));
        applied += 1;
        if start.elapsed() > limit {
            break;
        }
    }
    start.elapsed().as_nanos() as f64 / f64::from(applied)
}

/// Reads all three pollers of the output ring until told to stop and nothing more comes; gives the number of events.
fn drain(pollers: &mut [EventRingPoller; 3], stop: &AtomicBool) -> usize {
    let mut events = 0;
    loop {
        let is_last = stop.load(Ordering::Acquire);
        let [edge, feed, projections] = pollers;
        let found = edge.poll(1_024, |event| {
            black_box(event.sequence);
        });
        feed.poll(1_024, |_| {});
        projections.poll(1_024, |_| {});
        events += found;
        if found == 0 {
            if is_last {
                return events;
            }
            std::thread::yield_now();
        }
    }
}

/// (b) Nanoseconds per command when the events go to another thread.
fn time_handed(workload: &Workload) -> f64 {
    let mut core: Core = opened(workload);
    let mut events = EventBuffer::default();
    let (mut publisher, mut pollers) = output_ring(1 << 16);
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let reader = std::thread::spawn(move || drain(&mut pollers, &told));
    let mut chunks = Vec::with_capacity(workload.commands.len() / CHUNK + 1);
    let mut chunk = Vec::with_capacity(CHUNK);
    for commands in workload.commands.chunks(CHUNK) {
        chunk.clear();
        chunk.extend_from_slice(commands);
        let start = Instant::now();
        for batch in chunk.chunks(AHEAD) {
            play(&mut core, batch, true, &mut events);
            let mut rest = events.as_slice();
            while !rest.is_empty() {
                let published = publisher.try_publish(rest, || Nanos(0));
                rest = rest.get(published..).unwrap_or_default();
            }
            events.clear();
        }
        chunks.push(start.elapsed().as_nanos() as f64 / chunk.len() as f64);
    }
    stop.store(true, Ordering::Release);
    black_box(reader.join().unwrap_or(0));
    trimmed(&mut chunks)
}

/// What a core in a venue tells about itself, into counters that nobody else sees.
fn watch(last: Sequence) -> CoreWatch {
    let mut counters = Counters::private();
    CoreWatch {
        recording: Recording::on(),
        matched: stamps(1 << 15, last).0,
        sequence: counters.gauge("core.sequence"),
        events: counters.counter("core.events"),
        ring_full: counters.counter("core.ring_full_stalls"),
    }
}

/// (c) Nanoseconds per command from the input ring to the output ring; recorded as in a venue, or not.
pub(crate) fn time_path(workload: &Workload, is_recorded: bool) -> f64 {
    let core: Core = opened(workload);
    let last = (core.last_sequence(), core.last_ingress());
    let (mut commands, mut journal, poller) = input_ring(1 << 14, last.0, last.1);
    let (publisher, mut pollers) = output_ring(1 << 16);
    let applied = Arc::new(Cursor::new(last.0));
    let mut agent = CoreAgent::new(core, poller, publisher, Arc::clone(&applied), || Nanos(0));
    if is_recorded {
        agent = agent.watched_by(watch(last.0));
    }
    let end = last.0.0 + workload.commands.len() as u64;
    let mut chunks = Vec::with_capacity(workload.commands.len() / CHUNK + 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut waiting = workload.commands.iter().peekable();
            let stop = AtomicBool::new(true);
            while applied.load().0 < end {
                for _ in 0..256 {
                    let Some(command) = waiting.peek() else {
                        break;
                    };
                    if commands.try_submit(command.ingress, &command.body).is_err() {
                        break;
                    }
                    waiting.next();
                }
                journal.poll(1_024, |_| {});
                black_box(drain(&mut pollers, &stop));
            }
        });
        while applied.load().0 < end {
            let (start, mut done) = (Instant::now(), 0);
            while done < CHUNK && applied.load().0 < end {
                let turn = agent.turn();
                done += turn;
                if turn == 0 {
                    std::thread::yield_now();
                }
            }
            chunks.push(start.elapsed().as_nanos() as f64 / done.max(1) as f64);
        }
    });
    trimmed(&mut chunks)
}

/// The path on one thread, in steps of a batch each: for a profiler, to which threads that wait are noise.
fn step_path(workload: &Workload, is_recorded: bool) -> f64 {
    let core: Core = opened(workload);
    let last = (core.last_sequence(), core.last_ingress());
    let (mut commands, mut journal, poller) = input_ring(1 << 14, last.0, last.1);
    let (publisher, mut pollers) = output_ring(1 << 16);
    let mut agent = CoreAgent::new(core, poller, publisher, Arc::new(Cursor::new(last.0)), || Nanos(0));
    if is_recorded {
        agent = agent.watched_by(watch(last.0));
    }
    let (start, stop) = (Instant::now(), AtomicBool::new(true));
    for batch in workload.commands.chunks(AHEAD) {
        for command in batch {
            let submitted = commands.try_submit(command.ingress, &command.body);
            assert!(submitted.is_ok(), "the ring was emptied before");
        }
        apply_waiting(&mut agent);
        journal.poll(1_024, |_| {});
        black_box(drain(&mut pollers, &stop));
    }
    start.elapsed().as_nanos() as f64 / workload.commands.len() as f64
}

/// Everything that waits, from ring to ring. Not inlined, so that a profiler can count it alone.
#[inline(never)]
fn apply_waiting(agent: &mut CoreAgent) {
    while agent.turn() > 0 {}
}

/// Nanoseconds of single commands, the clock included: p50, p99, p99.9, p99.99 and the longest.
fn latency(workload: &Workload) -> [u64; 5] {
    let mut core: Core = opened(workload);
    let mut sink = Count(0);
    let mut nanos = Vec::with_capacity(workload.commands.len());
    for command in &workload.commands {
        let start = Instant::now();
        core.apply(command, &mut sink);
        nanos.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    nanos.sort_unstable();
    let at = |share: usize| nanos.get((nanos.len() - 1) * share / 10_000).copied().unwrap_or(0);
    [at(5_000), at(9_900), at(9_990), at(9_999), at(10_000)]
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Commands of a market.
    pub commands: usize,
    /// Rounds of each figure.
    pub rounds: usize,
    /// Time for the naive model, which is slow.
    pub naive: Duration,
    /// Size of the venue.
    pub scale: Scale,
}

impl Options {
    /// Two million commands, five rounds.
    #[must_use]
    pub fn full() -> Self {
        Self { commands: 2_000_000, rounds: 5, naive: Duration::from_secs(1), scale: Scale::default() }
    }

    /// A look at whether everything works: 20,000 commands, one round.
    #[must_use]
    pub fn tiny() -> Self {
        Self { commands: 20_000, rounds: 1, naive: Duration::from_millis(20), scale: Scale::default() }
    }

    /// With this many orders on the books when the clock starts, and room for half as many more.
    #[must_use]
    pub fn standing(self, standing: u32) -> Self {
        let orders_max = (standing + standing / 2).next_power_of_two().max(1 << 16);
        Self { scale: Scale { standing: Some(standing), orders_max, ..self.scale }, ..self }
    }
}

/// What was measured in one market. Times are nanoseconds per command.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The market.
    pub regime: &'static str,
    /// (a) The core, events counted.
    pub counted: Spread,
    /// The ordered map, events counted.
    pub btree: Spread,
    /// Time of the ordered map over that of the core, of each round.
    pub ratio: Spread,
    /// The naive model, events counted.
    pub naive: f64,
    /// (b) The core, events handed to another thread.
    pub handed: Spread,
    /// (c) From the input ring to the output ring.
    pub path: Spread,
    /// One command, the clock included: p50, p99, p99.9, p99.99, max.
    pub latency: [u64; 5],
    /// Open orders at the start and at the end.
    pub live: (u32, u32),
    /// Price levels at the start and at the end.
    pub levels: (usize, usize),
    /// Events per command.
    pub events_per_command: f64,
    /// First bytes of the hash of all events, in hexadecimal.
    pub event_hash: String,
    /// The ordered map told the same events.
    pub is_equal: bool,
}

/// Measures one market; `tick` is called after each round.
pub fn measure(regime: &Regime, options: &Options, mut tick: impl FnMut()) -> Figures {
    let workload = generate(regime, options.scale, SEED, options.commands);
    let (event_hash, events) = hash::<Core>(&workload);
    let (btree_hash, _) = hash::<BTreeBook>(&workload);
    let (mut counted, mut btree, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    let (mut handed, mut path) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let (a, b) = (time::<Core>(&workload, true), time::<BTreeBook>(&workload, false));
        let (c, d) = (time::<BTreeBook>(&workload, false), time::<Core>(&workload, true));
        counted.extend([a, d]);
        btree.extend([b, c]);
        ratio.push((b + c) / (a + d));
        handed.push(time_handed(&workload));
        path.push(time_path(&workload, false));
        tick();
    }
    Figures {
        regime: regime.name,
        counted: Spread::of(&mut counted),
        btree: Spread::of(&mut btree),
        ratio: Spread::of(&mut ratio),
        naive: time_naive(&workload, options.naive),
        handed: Spread::of(&mut handed),
        path: Spread::of(&mut path),
        latency: latency(&workload),
        live: workload.live,
        levels: workload.levels,
        events_per_command: events as f64 / workload.commands.len() as f64,
        is_equal: event_hash == btree_hash,
        event_hash,
    }
}

/// One candidate once, for a profiler: `fast`, `cold` (without hints to the caches), `handed`, `path`, `btree`; `steps` and
/// `steps-recorded` (the path on one thread, without and with what a venue records).
///
/// # Errors
/// An unknown candidate.
pub fn measure_only(candidate: &str, regime: &Regime, options: &Options) -> Result<Vec<f64>, String> {
    let workload = generate(regime, options.scale, SEED, options.commands);
    let one: fn(&Workload) -> f64 = match candidate {
        "fast" => |workload| time::<Core>(workload, true),
        "cold" => |workload| time::<Core>(workload, false),
        "handed" => time_handed,
        "path" => |workload| time_path(workload, false),
        "steps" => |workload| step_path(workload, false),
        "steps-recorded" => |workload| step_path(workload, true),
        "btree" => |workload| time::<BTreeBook>(workload, false),
        _ => {
            return Err(format!(
                "candidate {candidate}: expected fast, cold, handed, path, btree, steps or steps-recorded"
            ));
        }
    };
    Ok((0..options.rounds).map(|_| one(&workload)).collect())
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { regime, counted, btree, ratio, naive, handed, path, live, levels, event_hash, .. } = self;
        let m = Spread::millions_per_second;
        writeln!(
            f,
            "{regime:12} (a) {counted} ns {:.1} M/s | btree {btree} ns ratio {:.2} [{:.2}-{:.2}] | naive {naive:.0} ns",
            m(counted),
            ratio.median,
            ratio.low,
            ratio.high
        )?;
        writeln!(f, "{:12} (b) {handed} ns {:.1} M/s | (c) {path} ns {:.1} M/s", "", m(handed), m(path))?;
        let [p50, p99, p999, p9999, max] = self.latency;
        writeln!(
            f,
            "{:12} one command, clock included: p50 {p50} p99 {p99} p99.9 {p999} p99.99 {p9999} max {max} ns",
            ""
        )?;
        write!(
            f,
            "{:12} live {} to {}, levels {} to {}, events per command {:.2}, event hash {event_hash} {}",
            "",
            live.0,
            live.1,
            levels.0,
            levels.1,
            self.events_per_command,
            if self.is_equal { "equal" } else { "DIFFERENT" }
        )
    }
}

/// Processor, kernel, load: no figure without them.
#[must_use]
pub fn host() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo").lines().find_map(|line| line.strip_prefix("model name\t: ").map(str::to_owned));
    let isolated = read("/sys/devices/system/cpu/isolated");
    format!(
        "cpu {} x{} | kernel {} | isolated [{}] | load {} | {} build",
        model.unwrap_or_else(|| "unknown".to_owned()),
        std::thread::available_parallelism().map_or(0, usize::from),
        read("/proc/sys/kernel/osrelease").trim(),
        isolated.trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
        if cfg!(debug_assertions) { "debug" } else { "optimised" },
    )
}
