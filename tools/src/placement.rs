//! From `[threads]` and `[host]` of the configuration to the plan of threads, and to what is asked of the host for them: used
//! by `hft serve`, which does it, and by `hft topology`, which only says it.

use engine::memory::{TableBytes, use_large_pages};
use engine::runtime::memory::{self, AwakeCpus};
use engine::runtime::plan::{Plan, Refusal, Wait, Wish, Wishes};
use engine::runtime::sharing::Sharing;
use engine::runtime::topology::Topology;
use serde::{Deserialize, Serialize};

use crate::config::{Config, DurabilityMode, HostSection, SharingKey, Threads};
use crate::sharing;

/// `[threads] *_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitKey {
    /// Never gives the cpu away.
    Spin,
    /// Spins, then yields, then sleeps.
    Adaptive,
    /// Gives the cpu away after each look.
    Yield,
    /// Sleeps as soon as nothing is to do.
    Sleep,
}

/// A step that is taken where the host is tuned for it, always, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Where the core has an isolated cpu.
    Auto,
    /// Always; where the system refuses, the venue does not start.
    On,
    /// Never.
    Off,
}

impl From<WaitKey> for Wait {
    fn from(key: WaitKey) -> Self {
        match key {
            WaitKey::Spin => Self::Spin,
            WaitKey::Adaptive => Self::Adaptive,
            WaitKey::Yield => Self::Yield,
            WaitKey::Sleep => Self::Sleep,
        }
    }
}

fn wishes(threads: &Threads, host: &HostSection) -> Wishes {
    let wish = |cpu, wait: Option<WaitKey>| Wish { cpu, wait: wait.map(Wait::from) };
    Wishes {
        core: wish(threads.core_cpu, threads.core_wait),
        edge: wish(threads.edge_cpu, threads.edge_wait),
        journal: wish(threads.journal_cpu, threads.journal_wait),
        housekeeping: threads.housekeeping_cpus.clone(),
        fifo_priority: host.fifo_priority,
        sharing: match threads.sharing {
            SharingKey::Auto => None,
            SharingKey::Turns => Some(Sharing::Turns),
            SharingKey::Yield => Some(Sharing::Yield),
        },
        measured: None,
    }
}

/// The plan of this configuration on this host.
///
/// # Errors
/// [`Refusal`] of the first wish that is not met.
pub fn plan(topology: &Topology, config: &Config) -> Result<Plan, Refusal> {
    let wishes =
        Wishes { measured: sharing::measured(&config.data_dir, topology), ..wishes(config.threads(), config.host()) };
    topology.plan_with(&wishes, config.durability == DurabilityMode::Fdatasync)
}

/// What the host did for the venue; some of it is held for as long as this lives.
#[derive(Debug, Default)]
pub struct Prepared {
    /// One line for each step: what was done, or why not.
    pub lines: Vec<String>,
    awake: Option<AwakeCpus>,
}

/// Whether a step is to be taken, and must succeed.
fn wanted(step: Step, plan: &Plan, topology: &Topology) -> Option<bool> {
    match step {
        Step::On => Some(true),
        Step::Auto if plan.is_tuned(topology) => Some(false),
        Step::Auto | Step::Off => None,
    }
}

impl Prepared {
    /// `what` was tried, and takes `takes`.
    fn note<T>(
        &mut self,
        (what, takes): (&str, &str),
        must: bool,
        outcome: std::io::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        match outcome {
            Ok(done) => Ok(Some(done)),
            Err(error) if must => Err(anyhow::anyhow!("cannot {what}, and [host] says on: {error}; it takes {takes}")),
            Err(error) => {
                self.lines.push(format!("did not {what}: {error}"));
                Ok(None)
            }
        }
    }

    /// Before anything is built: memory is taken on the node of the hot threads from here on.
    ///
    /// # Errors
    /// When a step that must succeed does not.
    pub fn before(config: &Config, plan: &Plan, topology: &Topology) -> anyhow::Result<Self> {
        let mut this = Self::default();
        use_large_pages(config.host().huge_pages != Step::Off);
        let priority = config.host().fifo_priority;
        if priority > 0 {
            // On a thread of its own, that ends with it: refused now, not when the venue already answers.
            let tried = std::thread::spawn(move || memory::schedule_fifo(priority)).join();
            if let Ok(Err(error)) = tried {
                anyhow::bail!(
                    "host.fifo_priority = {priority}: {error}; it takes CAP_SYS_NICE or ulimit -r {priority}"
                );
            }
        }
        let several = topology.nodes.len() > 1;
        let bind = match config.host().bind_memory {
            Step::Auto => (several || plan.is_tuned(topology)).then_some(false),
            Step::On => Some(true),
            Step::Off => None,
        };
        if let Some(must) = bind {
            let what = format!("bind memory to node {}", plan.node);
            if this
                .note(
                    (&what, "a kernel that lets a process choose its nodes"),
                    must,
                    memory::bind_thread_to_node(plan.node),
                )?
                .is_some()
            {
                let mut probe = vec![0; 1 << 20];
                let on = memory::nodes_of_bound(&mut probe, plan.node)
                    .map(|nodes| nodes.iter().all(|node| usize::try_from(*node) == Ok(plan.node)));
                this.lines.push(format!("memory is bound to node {} (pages asked after: {on:?})", plan.node));
            }
        }
        if let Some(must) = wanted(config.host().cpu_dma_latency, plan, topology) {
            this.awake = this.note(("hold /dev/cpu_dma_latency", "root"), must, AwakeCpus::hold())?;
            if this.awake.is_some() {
                this.lines.push("cpus are kept out of deep sleep (/dev/cpu_dma_latency)".to_owned());
            }
        }
        Ok(this)
    }

    /// When everything is built and the threads run: huge pages, then all of it present and locked.
    ///
    /// # Errors
    /// When a step that must succeed does not.
    pub fn after(&mut self, config: &Config, plan: &Plan, topology: &Topology) -> anyhow::Result<()> {
        let tables = TableBytes::now();
        self.lines.push(format!(
            "tables of the core: {} MiB in explicit huge pages, {} MiB in transparent ones, {} MiB in ordinary pages",
            tables.explicit >> 20,
            tables.advised >> 20,
            tables.ordinary >> 20
        ));
        if let Some(must) = wanted(config.host().huge_pages, plan, topology)
            && let Some(bytes) =
                self.note(("ask for huge pages", "/proc/self/maps"), must, memory::ask_for_huge_pages())?
        {
            let found = memory::kib_of("AnonHugePages") / 1_024;
            self.lines.push(format!("huge pages asked for {} MiB, {found} MiB in them", bytes >> 20));
        }
        if let Some(must) = wanted(config.host().lock_memory, plan, topology)
            && let Some(bytes) =
                self.note(("lock memory", "ulimit -l unlimited or CAP_IPC_LOCK"), must, memory::lock_private())?
        {
            self.lines.push(format!("{} MiB of memory present and locked", bytes >> 20));
        }
        Ok(())
    }
}
