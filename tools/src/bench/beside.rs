//! The part of `hft bench journal` that is about what the journal costs the matching thread. Both have a cpu of their own; the
//! commands were made before and lie in memory; the matching thread submits one, then its turn is timed. In turn, over many
//! rounds: with nobody beside, with the journal on the same thread, with a thread that spins and touches nothing (two cpus of one host may share a core, and its caches), with
//! a reader of the ring that keeps nothing, with the journal, and with the journal flushing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use engine::runtime::agent::Agent;
use engine::runtime::topology;
use engine::runtime::tsc::{TickRate, ticks};
use engine::testing::workload::{Regime, Scale, Workload, generate};
use hdrhistogram::Histogram;

use crate::bench::flush::Venue;
use crate::bench::journal::Tell;
use crate::config::DurabilityMode;
use crate::venue::journal_agent::JournalAgent;

/// Commands of one round.
const COMMANDS: usize = 25_000;
/// Rounds of each kind; the median of their percentiles counts, so that a moment of the host does not.
const ROUNDS: usize = 40;
/// Commands after which a journal on the same thread takes what there is.
const TURN_EVERY: usize = 512;

/// Who is beside the matching thread.
struct Kind<'a> {
    name: &'static str,
    venue: Venue<'a>,
    who: Who,
    /// p50, p99 and p99.9 of each round, ns.
    rounds: Vec<[u64; 3]>,
    /// Interrupts of the matching cpu to forget pages, over all rounds; `None` where they are not counted.
    interrupts: Option<u64>,
}

/// Who is on the other cpu.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    /// Nobody; the journal takes its turns on the matching thread, and its time counts.
    SameThread,
    Spinner,
    Journal,
}

/// Measures and tells it; only tells why not where there is one cpu.
///
/// # Errors
/// The disk refuses something, or the kernel a cpu.
pub fn measure(regime: &Regime, folder: &Path, tell: &mut Tell<'_>) -> anyhow::Result<()> {
    let cpus = topology::allowed_cpus();
    let (Some(journal_cpu), Some(core_cpu)) = (cpus.first(), cpus.get(1)) else {
        tell("matching_beside_journal", "not measured: one cpu".into());
        return Ok(());
    };
    let workload = generate(regime, Scale::default(), 1, COMMANDS * ROUNDS);
    // On the journal's cpu, and so are the helpers that allocate segments.
    let opened = std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            topology::run_on(&[*journal_cpu])?;
            kinds(&workload, folder)
        });
        opening.join().map_err(|_| anyhow::anyhow!("the thread that opens the journals panicked"))
    });
    let mut kinds = opened??;
    let rate = TickRate::calibrate();
    std::thread::scope(|scope| {
        let measured = scope.spawn(|| -> anyhow::Result<()> {
            topology::run_on(&[*core_cpu])?;
            for _ in 0..ROUNDS {
                for kind in &mut kinds {
                    let before = shootdowns(*core_cpu);
                    let times = kind.round(*journal_cpu, rate)?;
                    let more = shootdowns(*core_cpu).zip(before).map(|(after, before)| after.saturating_sub(before));
                    kind.interrupts = kind.interrupts.zip(more).map(|(so_far, more)| so_far + more);
                    kind.rounds.push([0.5, 0.99, 0.999].map(|share| times.value_at_quantile(share)));
                }
            }
            Ok(())
        });
        measured.join().map_err(|_| anyhow::anyhow!("the matching thread panicked"))?
    })?;
    tell_all(&mut kinds, tell)
}

fn tell_all(kinds: &mut [Kind<'_>], tell: &mut Tell<'_>) -> anyhow::Result<()> {
    let (mut alone, mut spinner) = (0, 0);
    for kind in kinds {
        let [p50, p99, tail] = [0, 1, 2].map(|at| kind.median(at));
        tell(
            kind.name,
            serde_json::json!({ "p50": p50, "p99": p99, "p99.9": tail, "page_interrupts": kind.interrupts }),
        );
        let tail = i64::try_from(tail)?;
        match kind.who {
            Who::Nobody => alone = tail,
            Who::Spinner => spinner = tail,
            Who::SameThread | Who::Journal => {
                let name = kind.name.trim_end_matches("_ns");
                tell(&format!("{name}_p999_more_than_alone_ns"), (tail - alone).into());
                if kind.who == Who::Journal {
                    tell(&format!("{name}_p999_more_than_beside_a_spinner_ns"), (tail - spinner).into());
                }
            }
        }
    }
    Ok(())
}

/// Interrupts of this cpu so far to forget pages of memory (the kernel's TLB shootdowns).
fn shootdowns(cpu: usize) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/interrupts").ok()?;
    let place = text.lines().next()?.split_whitespace().position(|name| name == format!("CPU{cpu}"))?;
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("TLB:"))?;
    line.split_whitespace().nth(place)?.parse().ok()
}

fn kinds<'a>(workload: &'a Workload, folder: &Path) -> anyhow::Result<Vec<Kind<'a>>> {
    [
        ("matching_alone_ns", DurabilityMode::Memory, Who::Nobody),
        ("matching_and_journal_on_one_thread_ns", DurabilityMode::Journal, Who::SameThread),
        ("matching_beside_spinner_ns", DurabilityMode::Memory, Who::Spinner),
        ("matching_beside_reader_ns", DurabilityMode::Memory, Who::Journal),
        ("matching_beside_journal_ns", DurabilityMode::Journal, Who::Journal),
        ("matching_beside_fdatasync_ns", DurabilityMode::Fdatasync, Who::Journal),
    ]
    .into_iter()
    .map(|(name, mode, who)| {
        let venue = Venue::open(&folder.join(name), workload, mode)?;
        Ok(Kind { name, venue, who, rounds: Vec::with_capacity(ROUNDS), interrupts: Some(0) })
    })
    .collect()
}

impl Kind<'_> {
    fn round(&mut self, other_cpu: usize, rate: TickRate) -> anyhow::Result<Histogram<u64>> {
        let mut times = Histogram::new(3)?;
        match self.who {
            Who::Journal => self.venue.beside_a_journal(Some(other_cpu), |venue| {
                (0..COMMANDS).try_for_each(|_| one(venue, &mut times, rate))
            })?,
            Who::Spinner => beside_a_spinner(other_cpu, || self.alone(&mut times, rate))?,
            Who::Nobody | Who::SameThread => self.alone(&mut times, rate)?,
        }
        Ok(times)
    }

    /// The journal's side of the ring is emptied on this thread: now and then, or behind each command.
    fn alone(&mut self, times: &mut Histogram<u64>, rate: TickRate) -> anyhow::Result<()> {
        let mut journal = self.venue.journal.take().context("one journal at a time")?;
        for at in 0..COMMANDS {
            if self.who == Who::SameThread {
                one_and_journal(&mut self.venue, &mut journal, times, rate)?;
                continue;
            }
            one(&mut self.venue, times, rate)?;
            if at.is_multiple_of(TURN_EVERY) {
                journal.turn();
            }
        }
        journal.turn();
        self.venue.journal = Some(journal);
        Ok(())
    }

    /// The median of a percentile over the rounds.
    fn median(&mut self, at: usize) -> u64 {
        self.rounds.sort_unstable_by_key(|round| round[at]);
        self.rounds.get(self.rounds.len() / 2).map_or(0, |round| round[at])
    }
}

/// One command, submitted and matched; the turn of the core is timed.
fn one(venue: &mut Venue<'_>, times: &mut Histogram<u64>, rate: TickRate) -> anyhow::Result<()> {
    while !venue.submit() {
        std::hint::spin_loop();
    }
    let started = ticks();
    venue.core.turn();
    times.record(rate.between(started, ticks()))?;
    venue.match_and_drain();
    Ok(())
}

/// One command, submitted, matched and appended; both turns are timed.
fn one_and_journal(
    venue: &mut Venue<'_>,
    journal: &mut JournalAgent,
    times: &mut Histogram<u64>,
    rate: TickRate,
) -> anyhow::Result<()> {
    while !venue.submit() {
        std::hint::spin_loop();
    }
    let started = ticks();
    journal.turn();
    venue.core.turn();
    times.record(rate.between(started, ticks()))?;
    venue.match_and_drain();
    Ok(())
}

/// Does the work while a thread on that cpu is busy with nothing.
fn beside_a_spinner(cpu: usize, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if let Err(error) = topology::run_on(&[cpu]) {
                tracing::warn!(%error, "the spinning thread runs anywhere");
            }
            while !stop.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
        });
        let done = work();
        stop.store(true, Ordering::Release);
        done
    })
}
