//! The live core and the follower compared: each says what its event hash is after every so many commands, and the two must be
//! the same. The live side's marks travel through a bounded queue to the follower, which compares.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use engine::event_hash::EventHasher;
use protocol::Sequence;

/// Marks that may wait; the oldest give way.
pub const MARKS_MAX: usize = 1_024;

/// The hash over the events of all commands up to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashMark {
    /// That command.
    pub sequence: Sequence,
    /// The hash.
    pub hash: [u8; 32],
}

/// From the live side to the follower.
pub type MarkQueue = Arc<ArrayQueue<HashMark>>;

/// The live side: looks at each event before it is hashed.
#[derive(Debug)]
pub struct Marker {
    every: u64,
    last: u64,
    queue: MarkQueue,
}

impl Marker {
    /// Marks the hash after every `every` commands, at least 1, behind `last`.
    pub fn new(every: u64, last: Sequence, queue: MarkQueue) -> Self {
        let every = every.max(1);
        Self { every, last: last.0 / every, queue }
    }

    /// `hasher` has taken everything before an event of this command.
    pub fn look(&mut self, hasher: &EventHasher, sequence: Sequence) {
        let done = sequence.0.saturating_sub(1) / self.every;
        if done > self.last {
            self.last = done;
            self.queue.force_push(HashMark { sequence: Sequence(done * self.every), hash: hasher.finish() });
        }
    }
}

/// What came of it, for whoever shows it. Written by the follower alone, Relaxed: counters.
#[derive(Debug, Default)]
pub struct FollowerCounters {
    /// Hashes compared.
    pub compared: AtomicU64,
    /// Of those, hashes that differed.
    pub differences: AtomicU64,
    /// The last command at which they were the same.
    pub same_at: AtomicU64,
}

/// A hash that is another than the live one: something between these two commands was told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// They were the same here; 0 when nothing was compared before.
    pub after: Sequence,
    /// And not here.
    pub at: Sequence,
}

/// The follower's side.
#[derive(Debug)]
pub struct Comparison {
    every: u64,
    live: MarkQueue,
    /// The live mark that was looked at last and waits for ours.
    waiting: Option<HashMark>,
    own: VecDeque<HashMark>,
    /// At the first mark from here on, a difference is made up; 0 = never.
    drill_at: u64,
    counters: Arc<FollowerCounters>,
}

impl Comparison {
    /// Compares what comes out of `live`.
    pub fn new(every: u64, live: MarkQueue, drill_at: u64, counters: Arc<FollowerCounters>) -> Self {
        Self { every: every.max(1), live, waiting: None, own: VecDeque::new(), drill_at, counters }
    }

    /// After each command.
    pub fn applied(&mut self, hasher: &EventHasher, sequence: Sequence) {
        if !sequence.0.is_multiple_of(self.every) {
            return;
        }
        if self.own.len() == MARKS_MAX {
            self.own.pop_front();
        }
        let mut hash = hasher.finish();
        if self.drill_at != 0 && sequence.0 >= self.drill_at {
            tracing::warn!("drill: the follower's hash at sequence {sequence} is made to differ");
            hash.iter_mut().take(1).for_each(|byte| *byte ^= 1);
            self.drill_at = 0;
        }
        self.own.push_back(HashMark { sequence, hash });
    }

    /// Compares what both sides have. The first difference, if there is any.
    pub fn compare(&mut self) -> Option<Difference> {
        let mut found = None;
        while let Some(live) = self.waiting.take().or_else(|| self.live.pop()) {
            while self.own.front().is_some_and(|own| own.sequence < live.sequence) {
                self.own.pop_front(); // before the live side began, or pushed out of its queue
            }
            let Some(own) = self.own.front().copied() else {
                self.waiting = Some(live);
                break;
            };
            if own.sequence == live.sequence {
                self.own.pop_front();
                found = found.or(self.judge(own, live));
            }
        }
        found
    }

    /// Compares the two hashes at the end, when the follower has come as far as the live side.
    pub fn judge(&self, own: HashMark, live: HashMark) -> Option<Difference> {
        self.counters.compared.fetch_add(1, Ordering::Relaxed);
        if own == live {
            self.counters.same_at.store(own.sequence.0, Ordering::Relaxed);
            return None;
        }
        self.counters.differences.fetch_add(1, Ordering::Relaxed);
        Some(Difference { after: Sequence(self.counters.same_at.load(Ordering::Relaxed)), at: own.sequence })
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Event, EventBody, Nanos, SystemEventCode};

    use super::*;

    const EVERY: u64 = 4;

    /// The events of one command: none, one or two.
    fn events(sequence: u64, is_changed: bool) -> impl Iterator<Item = Event> {
        let body = EventBody::SystemEvent { code: SystemEventCode::StartOfMessages };
        (0..sequence % 3).map(move |n| Event {
            sequence: Sequence(sequence),
            ingress: Nanos(n + u64::from(is_changed)),
            body,
        })
    }

    /// A live venue of 100 commands that begins to mark behind `first`, and a follower 7 commands behind it: the difference
    /// that is found, and how many hashes were compared.
    fn follow(changed: u64, drill_at: u64, first: u64) -> (Option<Difference>, u64) {
        let queue: MarkQueue = Arc::new(ArrayQueue::new(MARKS_MAX));
        let counters = Arc::new(FollowerCounters::default());
        let (mut live_hash, mut own_hash) = (EventHasher::new(), EventHasher::new());
        let mut marker = Marker::new(EVERY, Sequence(first), Arc::clone(&queue));
        let mut comparison = Comparison::new(EVERY, queue, drill_at, Arc::clone(&counters));
        let mut found = None;
        for step in 1..=107 {
            for event in events(step, step == changed).filter(|_| step <= 100) {
                if step > first {
                    marker.look(&live_hash, event.sequence);
                }
                live_hash.push(&event);
            }
            if let Some(sequence) = step.checked_sub(7).filter(|sequence| *sequence > 0) {
                events(sequence, false).for_each(|event| own_hash.push(&event));
                comparison.applied(&own_hash, Sequence(sequence));
            }
            found = found.or(comparison.compare());
        }
        (found, counters.compared.load(Ordering::Relaxed))
    }

    #[test]
    fn equal_venues_are_equal_at_every_mark_wherever_the_live_one_began() {
        for first in [0, 3, 4, 5] {
            let (found, compared) = follow(0, 0, first);
            assert_eq!(found, None, "{first}");
            assert_eq!(compared, 24 - first / EVERY, "{first}");
        }
    }

    #[test]
    fn one_event_told_otherwise_is_found_between_two_marks() {
        let (found, _) = follow(26, 0, 0);
        assert_eq!(found, Some(Difference { after: Sequence(24), at: Sequence(28) }));
        let (found, _) = follow(0, 29, 0);
        assert_eq!(found, Some(Difference { after: Sequence(28), at: Sequence(32) }), "a drill");
    }
}
