//! The part of `hft bench journal` that is about what the journal costs the matching thread. Both have a cpu of their own; the
//! commands were made before and lie in memory; the matching thread submits one, then its turn is timed. In turn, over many
//! rounds: with nobody beside, with a reader of the ring that keeps nothing, with the journal, and with the journal flushing.

use std::path::Path;

use anyhow::Context;
use engine::runtime::agent::Agent;
use engine::runtime::topology;
use engine::runtime::tsc::{TickRate, ticks};
use engine::testing::workload::{Regime, Scale, Workload, generate};
use hdrhistogram::Histogram;

use crate::bench::flush::Venue;
use crate::bench::journal::Tell;
use crate::config::DurabilityMode;

/// Commands of one round.
const COMMANDS: usize = 25_000;
/// Rounds of each kind; the median of their percentiles counts, so that a moment of the host does not.
const ROUNDS: usize = 20;
/// Commands after which a journal on the same thread takes what there is.
const TURN_EVERY: usize = 512;

/// Who is beside the matching thread.
struct Kind<'a> {
    name: &'static str,
    venue: Venue<'a>,
    /// On a cpu of its own; else nobody is.
    is_beside: bool,
    /// p50, p99 and p99.9 of each round, ns.
    rounds: Vec<[u64; 3]>,
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
                    let times = kind.round(*journal_cpu, rate)?;
                    kind.rounds.push([0.5, 0.99, 0.999].map(|share| times.value_at_quantile(share)));
                }
            }
            Ok(())
        });
        measured.join().map_err(|_| anyhow::anyhow!("the matching thread panicked"))?
    })?;
    let mut alone = None;
    for kind in &mut kinds {
        let [p50, p99, tail] = [0, 1, 2].map(|at| kind.median(at));
        let before = *alone.get_or_insert(tail);
        tell(kind.name, serde_json::json!({ "p50": p50, "p99": p99, "p99.9": tail }));
        if kind.is_beside {
            let more = i64::try_from(tail)? - i64::try_from(before)?;
            tell(&format!("{}_p999_more", kind.name), more.into());
        }
    }
    Ok(())
}

fn kinds<'a>(workload: &'a Workload, folder: &Path) -> anyhow::Result<Vec<Kind<'a>>> {
    [
        ("matching_alone_ns", DurabilityMode::Memory, false),
        ("matching_beside_reader_ns", DurabilityMode::Memory, true),
        ("matching_beside_journal_ns", DurabilityMode::Journal, true),
        ("matching_beside_fdatasync_ns", DurabilityMode::Fdatasync, true),
    ]
    .into_iter()
    .map(|(name, mode, is_beside)| {
        let venue = Venue::open(&folder.join(name), workload, mode)?;
        Ok(Kind { name, venue, is_beside, rounds: Vec::with_capacity(ROUNDS) })
    })
    .collect()
}

impl Kind<'_> {
    fn round(&mut self, journal_cpu: usize, rate: TickRate) -> anyhow::Result<Histogram<u64>> {
        let mut times = Histogram::new(3)?;
        if self.is_beside {
            self.venue.beside_a_journal(Some(journal_cpu), |venue| {
                (0..COMMANDS).try_for_each(|_| one(venue, &mut times, rate))
            })?;
            return Ok(times);
        }
        let mut journal = self.venue.journal.take().context("one journal at a time")?;
        for at in 0..COMMANDS {
            one(&mut self.venue, &mut times, rate)?;
            if at.is_multiple_of(TURN_EVERY) {
                journal.turn();
            }
        }
        journal.turn();
        self.venue.journal = Some(journal);
        Ok(times)
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
