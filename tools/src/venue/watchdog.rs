//! The watchdog: looks every few milliseconds whether the threads still beat. One that does not is named in the log and in a
//! counter, and the venue goes on or stops, as configured.
//!
//! A pause of the whole machine stops the watchdog, too: by how much it is late itself, it forgives the others, and counts
//! `watchdog.late`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::runtime::agent::Pulse;
use engine::runtime::counters::{Counter, CounterReader, Recording};
use engine::runtime::host;
use gateway_edge::notes;

use crate::clock::{monotonic, utc_now};
use crate::config::OnStall;
use crate::venue::fault::Fault;
use crate::venue::metrics::Metrics;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(10);
/// Lateness of its own that is worth counting; a look counts no more than this, so that 80 ms are noticed before 100 are over.
const LATE: Duration = Duration::from_millis(20);
/// Looks between two looks at the disk and at the memory.
const SLOW_EVERY: u32 = 100;
/// What `/proc/self/statm` counts in.
const PAGE_BYTES: u64 = 4_096;

/// A thread to watch.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its agents, in the order of their turns.
    pub agents: Vec<&'static str>,
    /// Its beat.
    pub beat: CounterReader,
}

/// What the watchdog knows of one thread.
#[derive(Debug)]
struct Seen {
    watched: Watched,
    beat: u64,
    /// How long it has not moved, without what the watchdog itself was late.
    still: Duration,
    is_stalled: bool,
    stalls: Vec<Counter>,
    longest_ms: Counter,
}

/// What one look found of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stall {
    agent: &'static str,
    still: Duration,
    /// It moves again.
    is_over: bool,
}

impl Seen {
    fn new(metrics: &Metrics, watched: Watched) -> Self {
        let stalls = watched.agents.iter().map(|agent| metrics.counter(&format!("watchdog.{agent}.stalls"))).collect();
        let first = watched.agents.first().copied().unwrap_or_default();
        let longest_ms = metrics.gauge(&format!("watchdog.{first}.longest_ms"));
        let beat = watched.beat.load();
        Self { watched, beat, still: Duration::ZERO, is_stalled: false, stalls, longest_ms }
    }

    /// `passed` since the last look.
    fn look(&mut self, passed: Duration, limit: Duration) -> Option<Stall> {
        let beat = self.watched.beat.load();
        let index = Pulse::agent_of(self.beat);
        let agent = self.watched.agents.get(index).copied().unwrap_or("unknown");
        if beat != self.beat {
            let over = Stall { agent, still: self.still, is_over: true };
            self.beat = beat;
            self.still = Duration::ZERO;
            return std::mem::take(&mut self.is_stalled).then_some(over);
        }
        self.still += passed;
        if self.still < limit {
            return None;
        }
        self.longest_ms.set(self.longest_ms.load().max(millis(self.still)));
        if std::mem::replace(&mut self.is_stalled, true) {
            return None;
        }
        if let Some(stalls) = self.stalls.get_mut(index) {
            stalls.add(1);
        }
        Some(Stall { agent, still: self.still, is_over: false })
    }
}

/// What it is told to do.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// How long a thread may stand still.
    pub limit: Duration,
    /// What happens then.
    pub on_stall: OnStall,
}

/// The watchdog on its thread.
#[derive(Debug)]
pub struct Watchdog {
    seen: Vec<Seen>,
    orders: Orders,
    fault: Arc<Fault>,
    data_dir: PathBuf,
    late: Counter,
    seen_at: Counter,
    disk_free: Counter,
    log_dropped: Counter,
    memory: Counter,
    recording: Recording,
}

impl Watchdog {
    /// Over these threads.
    pub fn new(metrics: &Metrics, watched: Vec<Watched>, orders: Orders, fault: Arc<Fault>, data_dir: PathBuf) -> Self {
        Self {
            seen: watched.into_iter().map(|watched| Seen::new(metrics, watched)).collect(),
            orders,
            fault,
            data_dir,
            late: metrics.counter("watchdog.late"),
            seen_at: metrics.gauge("watchdog.utc_ns"),
            disk_free: metrics.gauge("disk.free_bytes"),
            log_dropped: metrics.counter("log.dropped"),
            memory: metrics.gauge("process.resident_bytes"),
            recording: metrics.recording.clone(),
        }
    }

    /// Looks until `stop`.
    pub fn run(&mut self, stop: &AtomicBool) {
        notes::prepare();
        let mut last = monotonic();
        let mut looks = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            if looks.is_multiple_of(SLOW_EVERY) {
                self.look_at_host();
            }
            looks = looks.wrapping_add(1);
            std::thread::park_timeout(PERIOD);
            let now = monotonic();
            let passed = now.duration_since(last);
            last = now;
            self.seen_at.set(utc_now().0);
            if passed > LATE {
                self.late.add(1);
            }
            // Without beats there is nothing to look at.
            let is_beating = self.recording.is_on();
            self.look(if is_beating { passed.min(LATE) } else { Duration::ZERO });
        }
        log_notes();
    }

    fn look(&mut self, passed: Duration) {
        log_notes();
        let Self { seen, orders, fault, .. } = self;
        for stall in seen.iter_mut().filter_map(|seen| seen.look(passed, orders.limit)) {
            let ms = millis(stall.still);
            if stall.is_over {
                tracing::warn!(agent = stall.agent, ms, "a stalled thread moves again");
                continue;
            }
            tracing::error!(agent = stall.agent, ms, "a thread does not move: this agent's turn does not end");
            if orders.on_stall == OnStall::Stop {
                fault.raise(format!(
                    "the {} thread did not move for {ms} ms and watchdog.on_stall is \"stop\"",
                    stall.agent
                ));
            }
        }
    }

    fn look_at_host(&mut self) {
        self.log_dropped.set(crate::log::dropped() + notes::dropped());
        if let Ok(free) = host::free_bytes(&self.data_dir) {
            self.disk_free.set(free);
        }
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        if let Some(pages) = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()) {
            self.memory.set(pages * PAGE_BYTES);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What the threads of the ports had to say: the words are made here.
fn log_notes() {
    while let Some(note) = notes::take() {
        tracing::error!("{note}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_stands_still_is_named_once_and_then_told_to_move_again() {
        let metrics = Metrics::private();
        let (limit, step) = (Duration::from_millis(80), Duration::from_millis(10));
        let mut beat = metrics.counter("beat");
        beat.set(9);
        let watched = Watched { agents: vec!["edge", "journal", "core"], beat: beat.reader() };
        let mut seen = Seen::new(&metrics, watched);
        for turn in 2..5_u64 {
            beat.set(turn * Pulse::AGENTS_MAX as u64 + 2);
            assert_eq!(seen.look(limit, limit), None, "it moved");
        }
        for _ in 0..7 {
            assert_eq!(seen.look(step, limit), None);
        }
        let stall = Stall { agent: "core", still: limit, is_over: false };
        assert_eq!(seen.look(step, limit), Some(stall), "within 100 ms");
        assert_eq!(seen.look(step, limit), None, "once");
        assert_eq!((seen.stalls[2].load(), seen.stalls[0].load(), seen.longest_ms.load()), (1, 0, 90));
        beat.set(99);
        let over = Stall { is_over: true, still: limit + step, ..stall };
        assert_eq!(seen.look(step, limit), Some(over));
        assert_eq!(seen.look(step, limit), None);
    }
}
