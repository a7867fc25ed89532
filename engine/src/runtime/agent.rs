//! What runs on a thread: agents with a bounded turn of work each, and how the thread waits when none has any.
//!
//! Several agents on one thread run in turn, through the same rings as if each had its own.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use super::counters::{Counter, Recording};

/// One duty with bounded turns. It is built anywhere and then lives on one thread.
pub trait Agent: Send {
    /// Name in logs and in the banner.
    fn name(&self) -> &'static str;

    /// Does at most one bounded turn of work and answers how much it did; 0 = nothing to do.
    fn turn(&mut self) -> usize;

    /// Waits for work of its own for at most `limit`, where it can (a socket poll). The first agent of a thread does this
    /// for all.
    fn wait(&mut self, limit: Duration) {
        std::thread::park_timeout(limit);
    }
}

/// What a thread does while nothing is to do: spins, then gives its cpu away between looks, then sleeps until its time or
/// its socket comes. Bounds are turns without work, counted from the last turn with any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Turns that only spin.
    pub spin_turns: u32,
    /// Turns after these that yield.
    pub yield_turns: u32,
    /// The longest sleep after that; zero = never sleep, go on yielding (or spinning, when `yield_turns` is 0).
    pub sleep_max: Duration,
}

impl Idle {
    /// Never gives the cpu away: for isolated cpus.
    pub const SPIN: Self = Self { spin_turns: u32::MAX, yield_turns: 0, sleep_max: Duration::ZERO };

    /// What to do after `idle_turns` turns without work.
    fn step(self, idle_turns: u32) -> Step {
        if idle_turns < self.spin_turns || (self.yield_turns == 0 && self.sleep_max.is_zero()) {
            Step::Spin
        } else if idle_turns - self.spin_turns < self.yield_turns || self.sleep_max.is_zero() {
            Step::Yield
        } else {
            Step::Sleep
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Spin,
    Yield,
    Sleep,
}

/// The beat of a thread: it moves at every turn of every agent, and says whose turn it is. Single writer.
#[derive(Debug)]
pub struct Pulse {
    counter: Counter,
    recording: Recording,
}

impl Pulse {
    /// Agents of one thread, at the most.
    pub const AGENTS_MAX: usize = 8;

    /// Written into `counter` while `recording` is on.
    pub const fn new(counter: Counter, recording: Recording) -> Self {
        Self { counter, recording }
    }

    /// One that nobody looks at.
    pub fn unseen() -> Self {
        Self::new(Counter::unseen(), Recording::on())
    }

    #[inline]
    fn beat(&mut self, agent: usize) {
        if !self.recording.is_on() {
            return;
        }
        let beats = self.counter.load() / Self::AGENTS_MAX as u64 + 1;
        self.counter.set(beats * Self::AGENTS_MAX as u64 + agent as u64);
    }

    /// The agent whose turn it was when the counter had this value.
    pub fn agent_of(value: u64) -> usize {
        usize::try_from(value % Self::AGENTS_MAX as u64).unwrap_or(0)
    }
}

/// Runs the agents in turn until `stop`, with nobody watching.
pub fn run(agents: &mut [&mut dyn Agent], idle: Idle, stop: &AtomicBool) {
    run_watched(agents, idle, stop, &mut Pulse::unseen());
}

/// Runs the agents in turn until `stop`. Every agent gets the same number of turns; a turn with work anywhere resets the
/// idle count. `pulse` beats at every turn, so that a turn that does not end is noticed.
pub fn run_watched(agents: &mut [&mut dyn Agent], idle: Idle, stop: &AtomicBool, pulse: &mut Pulse) {
    let mut idle_turns = 0_u32;
    // Relaxed: the flag carries nothing else; it is seen at the latest after one sleep.
    while !stop.load(Ordering::Relaxed) {
        let mut work = 0;
        for (index, agent) in agents.iter_mut().enumerate() {
            pulse.beat(index);
            work += agent.turn();
        }
        if work > 0 {
            idle_turns = 0;
            continue;
        }
        match idle.step(idle_turns) {
            Step::Spin => core::hint::spin_loop(),
            Step::Yield => std::thread::yield_now(),
            Step::Sleep => {
                if let Some(first) = agents.first_mut() {
                    pulse.beat(0);
                    first.wait(idle.sleep_max);
                }
            }
        }
        idle_turns = idle_turns.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_goes_from_spinning_over_yielding_to_sleep() {
        let idle = Idle { spin_turns: 2, yield_turns: 3, sleep_max: Duration::from_millis(1) };
        let steps: Vec<Step> = (0..7).map(|turns| idle.step(turns)).collect();
        assert_eq!(steps, [Step::Spin, Step::Spin, Step::Yield, Step::Yield, Step::Yield, Step::Sleep, Step::Sleep]);
        assert_eq!(Idle::SPIN.step(u32::MAX), Step::Spin);
        let never_sleeps = Idle { sleep_max: Duration::ZERO, ..idle };
        assert_eq!(never_sleeps.step(1_000), Step::Yield);
    }

    #[test]
    fn runs_every_agent_until_stopped() {
        struct Counting<'a>(u32, &'a AtomicBool);
        impl Agent for Counting<'_> {
            fn name(&self) -> &'static str {
                "counting"
            }
            fn turn(&mut self) -> usize {
                self.0 += 1;
                if self.0 == 10 {
                    self.1.store(true, Ordering::Relaxed);
                }
                0
            }
        }
        let stop = AtomicBool::new(false);
        let (mut first, mut second) = (Counting(0, &stop), Counting(100, &stop));
        run(&mut [&mut first, &mut second], Idle { spin_turns: 100, yield_turns: 0, sleep_max: Duration::ZERO }, &stop);
        assert_eq!((first.0, second.0), (10, 110));
        stop.store(false, Ordering::Relaxed);
        first.0 = 7;
        let counter = Counter::unseen();
        let beats = counter.reader();
        run_watched(&mut [&mut first, &mut second], Idle::SPIN, &stop, &mut Pulse::new(counter, Recording::on()));
        assert_eq!((beats.load() / Pulse::AGENTS_MAX as u64, Pulse::agent_of(beats.load())), (6, 1));
    }
}
