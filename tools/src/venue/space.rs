//! Watches the disk: warns while there is room, has new orders refused once it is nearly full, and lets them in again when
//! space returns. What is already taken keeps its room: segments are allocated ahead of use.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::runtime::agent::Agent;
use engine::runtime::counters::Counter;
use journal::{PreparerWatch, free_bytes};

use crate::clock::monotonic;
use crate::venue::metrics::Metrics;

/// How often the disk is asked.
const LOOK: Duration = Duration::from_millis(50);

/// How the disk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// Room for more than one further segment.
    Enough,
    /// The segment behind the one that is ready would not fit.
    Low,
    /// No segment is ready, or the reserve is touched.
    NearlyFull,
}

/// What the disk must keep.
#[derive(Clone, Debug)]
pub struct SpaceNeeds {
    /// The folder whose disk is watched.
    pub dir: PathBuf,
    /// Bytes that are kept free for streams and snapshots.
    pub reserve_bytes: u64,
    /// Bytes of a segment.
    pub segment_bytes: u64,
}

impl SpaceNeeds {
    /// To come back from a level takes a quarter of the reserve more than to fall to it.
    fn level(&self, free: u64, is_short: bool, before: Level) -> Level {
        let enough = |level, wanted: u64| free >= wanted + if before >= level { self.reserve_bytes / 4 } else { 0 };
        if is_short || !enough(Level::NearlyFull, self.reserve_bytes) {
            Level::NearlyFull
        } else if !enough(Level::Low, self.reserve_bytes + self.segment_bytes) {
            Level::Low
        } else {
            Level::Enough
        }
    }
}

/// What others see of the disk.
#[derive(Debug)]
pub struct SpaceSeen {
    free_mib: Counter,
    refusing: Counter,
}

impl SpaceSeen {
    /// Its entries.
    pub fn new(metrics: &Metrics) -> Self {
        Self { free_mib: metrics.gauge("journal.free_mib"), refusing: metrics.gauge("journal.refusing_orders") }
    }
}

/// The watch as an agent of a housekeeping thread.
#[derive(Debug)]
pub struct SpaceAgent {
    needs: SpaceNeeds,
    preparer: PreparerWatch,
    /// Written here only, Relaxed: one flag that stands alone. The edge reads it.
    refusing: Arc<AtomicBool>,
    seen: SpaceSeen,
    level: Level,
    looked: Option<Instant>,
}

impl SpaceAgent {
    /// Sets `refusing` while new orders are to be refused. The first look is taken at once.
    pub fn new(needs: SpaceNeeds, preparer: PreparerWatch, refusing: Arc<AtomicBool>, seen: SpaceSeen) -> Self {
        let mut agent = Self { needs, preparer, refusing, seen, level: Level::Enough, looked: None };
        agent.turn();
        agent
    }

    fn tell(&self, free: u64, before: Level) {
        let (dir, mib) = (self.needs.dir.display(), free >> 20);
        match (self.level, before) {
            (Level::NearlyFull, _) => tracing::error!(
                "disk nearly full: {mib} MiB free for {dir}; new orders are refused, cancels go on; free some space"
            ),
            (Level::Low, Level::Enough) => tracing::warn!(
                "disk getting full: {mib} MiB free for {dir}; new orders will be refused when the next segment does not fit"
            ),
            (Level::Low | Level::Enough, Level::NearlyFull) => {
                tracing::warn!("disk has space again: {mib} MiB free for {dir}; new orders are taken");
            }
            (Level::Low | Level::Enough, Level::Low | Level::Enough) => {}
        }
    }
}

impl Agent for SpaceAgent {
    fn name(&self) -> &'static str {
        "space"
    }

    fn turn(&mut self) -> usize {
        let now = monotonic();
        if self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
            return 0;
        }
        self.looked = Some(now);
        // A disk that does not answer is as good as full.
        let free = free_bytes(&self.needs.dir).unwrap_or(0);
        let before = self.level;
        self.level = self.needs.level(free, self.preparer.is_short(), before);
        self.seen.free_mib.set(free >> 20);
        self.seen.refusing.set(u64::from(self.level == Level::NearlyFull));
        if self.level != before {
            self.refusing.store(self.level == Level::NearlyFull, Ordering::Relaxed);
            self.tell(free, before);
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_left_with_a_margin() {
        let needs = SpaceNeeds { dir: PathBuf::new(), reserve_bytes: 16, segment_bytes: 64 };
        let (enough, low, full) = (Level::Enough, Level::Low, Level::NearlyFull);
        for (free, short, before, after) in [
            (80, false, enough, enough),
            (79, false, enough, low),
            (83, false, low, low),
            (84, false, low, enough),
            (16, false, low, low),
            (15, false, low, full),
            (15, false, enough, full),
            (19, false, full, full),
            (20, false, full, low),
            (84, false, full, enough),
            (1_000, true, enough, full),
            (1_000, true, full, full),
        ] {
            assert_eq!(needs.level(free, short, before), after, "{free} {short} {before:?}");
        }
    }
}
