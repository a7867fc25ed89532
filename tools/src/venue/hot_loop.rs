//! What a hot thread runs its agents with: how it waits, when it stops, where it beats; and, for tests of the watchdog, an
//! agent that stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::runtime::agent::{Agent, Idle, Pulse, run_watched};

use crate::clock::monotonic;

/// One agent stands still for a while when it first has work. Only tests ask for this.
#[derive(Clone, Debug)]
pub struct TestStall {
    agent: String,
    time: Duration,
    done: Arc<AtomicBool>,
}

impl std::str::FromStr for TestStall {
    type Err = String;

    /// `core:300`: the core, for 300 ms.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?}: expected an agent and milliseconds, as core:300");
        let (agent, ms) = text.split_once(':').ok_or_else(expected)?;
        let ms = ms.parse().map_err(|_| expected())?;
        Ok(Self { agent: agent.to_owned(), time: Duration::from_millis(ms), done: Arc::default() })
    }
}

/// The loop of one thread.
#[derive(Debug)]
pub struct HotLoop<'a> {
    /// How it waits.
    pub idle: Idle,
    /// When it ends.
    pub stop: &'a AtomicBool,
    /// Where it beats.
    pub pulse: Pulse,
    /// For tests.
    pub stall: Option<TestStall>,
}

impl HotLoop<'_> {
    /// Runs the agents until the stop.
    pub fn run(&mut self, agents: &mut [&mut dyn Agent]) {
        let Self { idle, stop, pulse, stall } = self;
        let Some(stall) = stall else { return run_watched(agents, *idle, stop, pulse) };
        let mut stalling: Vec<Stalling<'_>> =
            agents.iter_mut().map(|agent| Stalling { agent: &mut **agent, stall }).collect();
        let mut agents: Vec<&mut dyn Agent> = stalling.iter_mut().map(|agent| agent as &mut dyn Agent).collect();
        run_watched(&mut agents, *idle, stop, pulse);
    }
}

struct Stalling<'a> {
    agent: &'a mut dyn Agent,
    stall: &'a TestStall,
}

impl Agent for Stalling<'_> {
    fn name(&self) -> &'static str {
        self.agent.name()
    }

    fn turn(&mut self) -> usize {
        let done = self.agent.turn();
        if done > 0 && self.agent.name() == self.stall.agent && !self.stall.done.swap(true, Ordering::Relaxed) {
            let end = monotonic() + self.stall.time;
            while monotonic() < end {
                std::thread::park_timeout(end.duration_since(monotonic()));
            }
        }
        done
    }

    fn wait(&mut self, limit: Duration) {
        self.agent.wait(limit);
    }
}
