//! The matching core against the textbook book and the naive model, on six markets. Three figures: (a) the book alone,
//! events counted; (b) events handed to another thread through the output ring; (c) the whole core path, from the input
//! ring to the output ring, where one other thread fills the one and drains the other.
//!
//! `cargo bench -p benches --bench book` prints nanoseconds per command and ratios; `-- --tiny` is the short run of CI;
//! `-- --regime NAME`, `--rounds N`, `--commands N` and `--only fast` narrow it down. All candidates of a regime get the
//! same commands in the same run, in turns (A B B A), and must tell the same events: their hash is printed. Commands are
//! copied to a small buffer before the clock starts, as a ring would hold them.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::float_arithmetic, reason = "figures of a report")]
#![expect(clippy::cast_precision_loss, reason = "figures of a report")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock itself")]

use engine::core::{Core, EventBuffer, EventSink};
use engine::event_hash::EventHasher;
use engine::runtime::agent::Agent;
use engine::runtime::core_agent::CoreAgent;
use engine::runtime::cursor::Cursor;
use engine::runtime::pipeline::{EventRingPoller, input_ring, output_ring};
use engine::testing::btree_book::BTreeBook;
use engine::testing::naive_book::NaiveVenue;
use engine::testing::workload::{REGIMES, Regime, Scale, Workload, generate};
use protocol::types::Nanos;
use protocol::{Command, Event};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Commands that wait when the clock starts: as many as a ring's worth in the second-level cache.
const CHUNK: usize = 512;
/// Commands of a batch: the caches are warned of all of them, then they are applied.
const AHEAD: usize = 32;
const SEED: u64 = 0x5eed;

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
trait Candidate {
    fn open(workload: &Workload) -> Self;
    fn apply(&mut self, command: &Command, sink: &mut impl EventSink);
    fn apply_all(&mut self, commands: &[Command], sink: &mut impl EventSink) {
        for command in commands {
            self.apply(command, sink);
        }
    }
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
fn time<C: Candidate>(workload: &Workload, warn: bool) -> f64 {
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
fn hash<C: Candidate>(workload: &Workload) -> (String, u64) {
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

fn spread(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    format!("{low:.1}-{high:.1}")
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

/// (c) Nanoseconds per command from the input ring to the output ring.
fn time_path(workload: &Workload) -> f64 {
    let core: Core = opened(workload);
    let last = (core.last_sequence(), core.last_ingress());
    let (mut commands, mut journal, poller) = input_ring(1 << 14, last.0, last.1);
    let (publisher, mut pollers) = output_ring(1 << 16);
    let applied = Arc::new(Cursor::new(last.0));
    let mut agent = CoreAgent::new(core, poller, publisher, Arc::clone(&applied), || Nanos(0));
    let end = last.0.0 + workload.commands.len() as u64;
    let start = Instant::now();
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
            if agent.turn() == 0 {
                std::thread::yield_now();
            }
        }
    });
    start.elapsed().as_nanos() as f64 / workload.commands.len() as f64
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

struct Options {
    commands: usize,
    rounds: usize,
    naive: Duration,
    regime: Option<String>,
    only: Option<String>,
    scale: Scale,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        commands: 2_000_000,
        rounds: 5,
        naive: Duration::from_secs(1),
        regime: None,
        only: None,
        scale: Scale::default(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut text = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        let number = |text: String| text.replace('_', "").parse().map_err(|error| format!("{text}: {error}"));
        let mut small = || number(text()?).map(|number: usize| u32::try_from(number).unwrap_or(1 << 24));
        match argument.as_str() {
            "--bench" => {}
            "--tiny" => (options.commands, options.rounds, options.naive) = (20_000, 1, Duration::from_millis(20)),
            "--commands" => options.commands = small()? as usize,
            "--rounds" => options.rounds = small()? as usize,
            "--regime" => options.regime = Some(text()?),
            "--only" => options.only = Some(text()?),
            "--instruments" => options.scale.instruments = u16::try_from(small()?).unwrap_or(u16::MAX),
            "--accounts" => options.scale.accounts = small()?,
            "--standing" => {
                let standing = small()?;
                options.scale.standing = Some(standing);
                options.scale.orders_max = (standing + standing / 2).next_power_of_two().max(1 << 16);
            }
            _ => return Err(format!("{argument}: see the head of benches/benches/book.rs")),
        }
    }
    Ok(options)
}

/// One candidate again and again, for a profiler.
fn run_only(only: &str, regime: &Regime, workload: &Workload, rounds: usize) {
    for _ in 0..rounds {
        let nanos = match only {
            "fast" => time::<Core>(workload, true),
            "cold" => time::<Core>(workload, false),
            "handed" => time_handed(workload),
            "path" => time_path(workload),
            _ => time::<BTreeBook>(workload, false),
        };
        println!("{:12} {only} {nanos:.2} ns", regime.name);
    }
}

fn run(regime: &Regime, options: &Options) -> bool {
    let workload = generate(regime, options.scale, SEED, options.commands);
    if let Some(only) = &options.only {
        run_only(only, regime, &workload, options.rounds);
        return true;
    }
    let (fast_hash, events) = hash::<Core>(&workload);
    let (btree_hash, _) = hash::<BTreeBook>(&workload);
    let (mut fast, mut btree, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut handed, mut path) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let (a, b) = (time::<Core>(&workload, true), time::<BTreeBook>(&workload, false));
        let (c, d) = (time::<BTreeBook>(&workload, false), time::<Core>(&workload, true));
        fast.extend([a, d]);
        btree.extend([b, c]);
        ratios.push((b + c) / (a + d));
        handed.push(time_handed(&workload));
        path.push(time_path(&workload));
    }
    let [p50, p99, p999, p9999, max] = latency(&workload);
    let (a, b, c) = (median(&mut fast), median(&mut handed), median(&mut path));
    let is_equal = fast_hash == btree_hash;
    println!(
        "{:12} (a) {a:.1} ns [{}] {:.1} M/s | btree {:.1} ns [{}] ratio {:.2} [{}] | naive {:.0} ns",
        regime.name,
        spread(&fast),
        1_000.0 / a,
        median(&mut btree),
        spread(&btree),
        median(&mut ratios),
        spread(&ratios),
        time_naive(&workload, options.naive),
    );
    println!(
        "{:12} (b) {b:.1} ns [{}] {:.1} M/s | (c) {c:.1} ns [{}] {:.1} M/s",
        "",
        spread(&handed),
        1_000.0 / b,
        spread(&path),
        1_000.0 / c,
    );
    println!("{:12} one command, clock included: p50 {p50} p99 {p99} p99.9 {p999} p99.99 {p9999} max {max} ns", "");
    println!(
        "{:12} live {} to {}, levels {} to {}, events per command {:.2}, event hash {fast_hash} {}",
        "",
        workload.live.0,
        workload.live.1,
        workload.levels.0,
        workload.levels.1,
        events as f64 / workload.commands.len() as f64,
        if is_equal { "equal" } else { "DIFFERENT" },
    );
    is_equal
}

/// Host, processor, kernel: no figure without them.
fn header() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo").lines().find_map(|line| line.strip_prefix("model name\t: ").map(str::to_owned));
    let isolated = read("/sys/devices/system/cpu/isolated");
    println!(
        "cpu {} x{} | kernel {} | isolated [{}] | load {} | {} build",
        model.unwrap_or_else(|| "unknown".to_owned()),
        std::thread::available_parallelism().map_or(0, usize::from),
        read("/proc/sys/kernel/osrelease").trim(),
        isolated.trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
        if cfg!(debug_assertions) { "debug" } else { "optimised" },
    );
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    header();
    let mut is_equal = true;
    for regime in &REGIMES {
        if options.regime.as_ref().is_none_or(|name| name == regime.name) {
            is_equal &= run(regime, &options);
        }
    }
    if is_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
