//! The part of `hft bench journal` that is about flushes: each way of writing one record, an acknowledgement after a flush, group
//! commit under continuous load.

#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use engine::core::Core;
use engine::runtime::agent::Agent;
use engine::runtime::core_agent::CoreAgent;
use engine::runtime::cursor::Cursor;
use engine::runtime::pipeline::{CommandPublisher, EventRingPoller, input_ring, output_ring};
use engine::runtime::topology;
use engine::testing::workload::{Regime, Scale, Workload, generate};
use hdrhistogram::Histogram;
use journal::{JournalWriter, PreparerThread};
use protocol::{Nanos, Sequence};

use crate::bench::journal::{Tell, append, journal_config, rounded};
use crate::clock::monotonic;
use crate::config::DurabilityMode;
use crate::venue::fault::Fault;
use crate::venue::journal_agent::JournalAgent;

/// Bytes of the record that is flushed bare: an order's.
const RECORD_BYTES: usize = 88;
/// Rounds of each figure; they alternate, so that a slow moment of the disk hits all of them.
const ROUNDS: u32 = 8;
/// Segments of a flush bench.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The cpus of the journal's and of the matching thread; where there is only one, they run anywhere.
#[derive(Clone, Copy)]
struct Places {
    journal: Option<usize>,
    matching: Option<usize>,
}

impl Places {
    fn here() -> Self {
        let cpus = topology::allowed_cpus();
        let places = cpus.first().zip(cpus.get(1));
        Self { journal: places.map(|(journal, _)| *journal), matching: places.map(|(_, matching)| *matching) }
    }

    /// Does the work on the matching thread's cpu; afterwards this thread runs where it ran before.
    fn on_matching_cpu(self, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let Some(cpu) = self.matching else { return work() };
        let before = topology::allowed_cpus();
        topology::run_on(&[cpu])?;
        let done = work();
        topology::run_on(&before)?;
        done
    }
}

/// Measures all of it.
///
/// # Errors
/// The disk refuses something.
pub fn measure(flushes: u32, regime: &Regime, folder: &Path, tell: &mut Tell<'_>) -> anyhow::Result<()> {
    let workload = generate(regime, Scale::default(), 1, 200_000);
    one_at_a_time(flushes, &workload, folder, tell)?;
    under_load(flushes, &workload, folder, tell)
}

/// Ways to make one record durable.
struct Bare {
    name: &'static str,
    file: File,
    syncs: bool,
    at: u64,
}

impl Bare {
    /// A file whose bytes are all written once, so that a flush writes data and nothing else.
    fn new(path: &Path, name: &'static str, flags: i32) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).custom_flags(flags).open(path)?;
        let zeros = vec![0; 1 << 20];
        for mib in 0..16 {
            file.write_all_at(&zeros, mib << 20)?;
        }
        file.sync_all()?;
        Ok(Self { name, file, syncs: flags == 0, at: 0 })
    }

    fn write(&mut self) -> anyhow::Result<()> {
        self.file.write_all_at(&[7; RECORD_BYTES], self.at % (15 << 20))?;
        self.at += RECORD_BYTES as u64;
        if self.syncs {
            self.file.sync_data()?;
        }
        Ok(())
    }
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new(3)?)
}

fn timed(histogram: &mut Histogram<u64>, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let started = monotonic();
    work()?;
    histogram.record(u64::try_from(started.elapsed().as_nanos())?)?;
    Ok(())
}

fn one_at_a_time(flushes: u32, workload: &Workload, folder: &Path, tell: &mut Tell<'_>) -> anyhow::Result<()> {
    let mut bare = [
        Bare::new(&folder.join("bare-sync"), "pwrite_fdatasync_us", 0)?,
        Bare::new(&folder.join("bare-dsync"), "pwrite_dsync_us", libc::O_DSYNC)?,
    ];
    let mut ways = [
        Way::open(folder, "mapped_append_fdatasync_us", false)?,
        Way::open(folder, "gathered_write_fdatasync_us", true)?,
    ];
    let mut times = [histogram()?, histogram()?, histogram()?];
    let mut venue = Venue::open(&folder.join("one"), workload, DurabilityMode::Fdatasync)?;
    for _ in 0..ROUNDS {
        for (bare, time) in bare.iter_mut().zip(&mut times) {
            for _ in 0..flushes / ROUNDS {
                timed(time, || bare.write())?;
            }
        }
        for way in &mut ways {
            for _ in 0..flushes / ROUNDS {
                way.flush_one(workload)?;
            }
        }
        let places = Places::here();
        places.on_matching_cpu(|| {
            venue.beside_a_journal(places.journal, |venue| {
                for _ in 0..flushes / ROUNDS {
                    timed(&mut times[2], || venue.acknowledged(1))?;
                }
                Ok(())
            })
        })?;
    }
    let p50 = |at: usize| times[at].value_at_quantile(0.5) as f64 / 1e3;
    for (at, bare) in bare.iter().enumerate() {
        tell(bare.name, spread(&times[at]));
    }
    for way in ways {
        tell(way.name, spread(&way.times));
        way.writer.seal()?;
    }
    tell("acknowledged_after_flush_us", spread(&times[2]));
    tell("acknowledged_over_bare_flush_p50", rounded(p50(2) / p50(0)));
    Ok(())
}

/// A way in which a journal gets its records to the disk.
struct Way {
    name: &'static str,
    writer: JournalWriter,
    times: Histogram<u64>,
}

impl Way {
    /// Through a mapping, or gathered and written. What comes first is flushed once: afterwards a flush writes records only.
    fn open(folder: &Path, name: &'static str, is_written: bool) -> anyhow::Result<Self> {
        let dir = folder.join(name);
        std::fs::create_dir(&dir)?;
        let writer = JournalWriter::open(&dir, &journal_config(SEGMENT_BYTES, is_written), Sequence::ZERO)?;
        Ok(Self { name, writer, times: histogram()? })
    }

    fn flush_one(&mut self, workload: &Workload) -> anyhow::Result<()> {
        let at = usize::try_from(self.writer.last_sequence().0)?;
        let is_first = at == 0;
        let command = workload.opening.iter().chain(&workload.commands).nth(at).context("the flow is too short")?;
        timed(&mut self.times, || {
            append(&mut self.writer, command)?;
            self.writer.flush()?;
            Ok(())
        })?;
        if is_first {
            self.times.reset();
        }
        Ok(())
    }
}

/// p50, p99 and the longest, in microseconds.
fn spread(times: &Histogram<u64>) -> serde_json::Value {
    let at = |quantile| rounded(times.value_at_quantile(quantile) as f64 / 1e3);
    serde_json::json!({ "p50": at(0.5), "p99": at(0.99), "max": rounded(times.max() as f64 / 1e3) })
}

/// A core and a journal on two threads, as a venue has them, without sockets.
pub struct Venue<'a> {
    workload: &'a Workload,
    at: usize,
    commands: CommandPublisher,
    /// The matching side.
    pub core: CoreAgent,
    pollers: [EventRingPoller; 3],
    /// The journal's side, while it is on no thread.
    pub journal: Option<JournalAgent>,
    durable: Arc<Cursor>,
    applied: Arc<Cursor>,
    _preparer: PreparerThread,
}

impl<'a> Venue<'a> {
    /// With its accounts and instruments open. In `memory` mode nothing is kept of the further commands.
    ///
    /// # Errors
    /// The disk refuses something.
    pub fn open(dir: &Path, workload: &'a Workload, mode: DurabilityMode) -> anyhow::Result<Self> {
        std::fs::create_dir(dir)?;
        let mut core = Core::new();
        let flushes = mode == DurabilityMode::Fdatasync;
        let mut writer = JournalWriter::open(dir, &journal_config(SEGMENT_BYTES, flushes), Sequence::ZERO)?;
        let mut events = engine::core::EventBuffer::default();
        for command in &workload.opening {
            append(&mut writer, command)?;
            core.apply(command, &mut events);
            events.clear();
        }
        writer.flush()?;
        let last = core.last_sequence();
        let (commands, journal, poller) = input_ring(1 << 14, last, core.last_ingress());
        let (publisher, pollers) = output_ring(1 << 16);
        let (applied, durable) = (Arc::new(Cursor::new(last)), Arc::new(Cursor::new(last)));
        let core = CoreAgent::new(core, poller, publisher, Arc::clone(&applied), || Nanos(0));
        let fault = Arc::new(Fault::default());
        let preparer = writer.preparer().spawn()?;
        let writer = (mode != DurabilityMode::Memory).then_some(writer);
        let journal = JournalAgent::new(journal, writer, mode, Arc::clone(&durable), fault);
        Ok(Self {
            workload,
            at: 0,
            commands,
            core,
            pollers,
            journal: Some(journal),
            durable,
            applied,
            _preparer: preparer,
        })
    }

    /// Runs the journal's agent on a thread of its own, on this cpu or anywhere, while `work` is done.
    ///
    /// # Errors
    /// What `work` answers.
    pub fn beside_a_journal(
        &mut self,
        cpu: Option<usize>,
        work: impl FnOnce(&mut Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut journal = self.journal.take().context("one journal at a time")?;
        let stop = AtomicBool::new(false);
        let (done, journal) = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                if let Some(Err(error)) = cpu.map(|cpu| topology::run_on(&[cpu])) {
                    tracing::warn!(%error, "the journal runs anywhere");
                }
                while !stop.load(Ordering::Acquire) {
                    if journal.turn() == 0 {
                        std::hint::spin_loop();
                    }
                }
                journal
            });
            let done = work(self);
            stop.store(true, Ordering::Release);
            (done, thread.join())
        });
        self.journal = journal.ok();
        done
    }

    /// Submits the next command, if there is room.
    pub fn submit(&mut self) -> bool {
        let Some(command) = self.workload.commands.get(self.at % self.workload.commands.len()) else { return false };
        let taken = self.commands.try_submit(Nanos(0), &command.body).is_ok();
        self.at += usize::from(taken);
        taken
    }

    /// Matches what was submitted, and takes the events away.
    pub fn match_and_drain(&mut self) -> usize {
        let done = self.core.turn();
        for poller in &mut self.pollers {
            poller.poll(4_096, |event| {
                std::hint::black_box(event);
            });
        }
        done
    }

    /// Submits `count` commands and waits until they are matched and durable.
    fn acknowledged(&mut self, count: usize) -> anyhow::Result<()> {
        for _ in 0..count {
            while !self.submit() {
                self.match_and_drain();
            }
        }
        let last = self.commands.last();
        let started = monotonic();
        while self.applied.load() < last || self.durable.load() < last {
            self.match_and_drain();
            anyhow::ensure!(started.elapsed().as_secs() < 30, "a flush takes longer than 30 seconds");
        }
        Ok(())
    }
}

/// Commands come all the time: each waits for the flush that is under way, and for its own.
fn under_load(flushes: u32, workload: &Workload, folder: &Path, tell: &mut Tell<'_>) -> anyhow::Result<()> {
    let mut venue = Venue::open(&folder.join("load"), workload, DurabilityMode::Fdatasync)?;
    let mut bare = Bare::new(&folder.join("bare-load"), "", 0)?;
    let (mut times, mut flushed, mut bare_times) = (histogram()?, 0, histogram()?);
    for _ in 0..flushes / 4 {
        timed(&mut bare_times, || bare.write())?;
    }
    let before = venue.commands.last();
    let places = Places::here();
    places.on_matching_cpu(|| {
        venue.beside_a_journal(places.journal, |venue| {
            flushed = commands_all_the_time(venue, flushes, &mut times)?;
            Ok(())
        })
    })?;
    let records = venue.commands.last().0 - before.0;
    tell("under_load_acknowledged_us", spread(&times));
    tell("under_load_records_per_flush", rounded(records as f64 / flushed.max(1) as f64));
    let ratio = times.value_at_quantile(0.5) as f64 / bare_times.value_at_quantile(0.5) as f64;
    tell("under_load_over_bare_flush_p50", rounded(ratio));
    Ok(())
}

/// One command every 2 microseconds, whether earlier ones are durable or not, until there were so many flushes; how many there were.
fn commands_all_the_time(venue: &mut Venue<'_>, flushes: u32, times: &mut Histogram<u64>) -> anyhow::Result<u64> {
    let mut waiting = std::collections::VecDeque::new();
    let (mut flushed, mut durable, mut next) = (0, venue.durable.load(), monotonic());
    while flushed < u64::from(flushes) {
        if monotonic() >= next && venue.submit() {
            waiting.push_back((venue.commands.last(), next));
            next += std::time::Duration::from_micros(2);
        }
        venue.match_and_drain();
        let now_durable = venue.durable.load();
        if now_durable > durable {
            (durable, flushed) = (now_durable, flushed + 1);
            while let Some((_, since)) = waiting.front().filter(|(sequence, _)| *sequence <= durable).copied() {
                waiting.pop_front();
                times.record(u64::try_from(since.elapsed().as_nanos())?)?;
            }
        }
    }
    Ok(flushed)
}
