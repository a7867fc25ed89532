//! Which thread runs on which cpu, why, and how it waits: the plan of the topology, and what the configuration may change
//! about it. A wish that cannot be met, or would do harm, is refused with the reason.

use core::fmt;

use super::sharing::{self, Measured, Sharing};
use super::topology::{Cpu, Topology};

/// Physical cores from which on edge, core and journal have one each.
const CORES_TO_SPREAD: usize = 4;
/// Thousandths of a cpu that three spinning threads and the rest need.
const QUOTA_TO_SPREAD: u64 = 4_000;
/// Below this a spinning thread would use up the time of all.
const QUOTA_TO_SPIN: u64 = 2_000;

/// Whether the hot agents share a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Edge, core and (without flushes) journal in turn on one thread.
    Shared,
    /// Edge, core and journal each on a thread of its own.
    Spread,
}

/// What a hot thread does while nothing is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Spins, always.
    Spin,
    /// Spins through the gaps of a busy day, then yields, then sleeps up to 1 ms.
    Adaptive,
    /// Gives the cpu away after each look, and never sleeps.
    Yield,
    /// Gives the cpu to the other hot threads on it after each look; after a while without work it sleeps up to 1 ms.
    Share,
    /// Sleeps up to 1 ms as soon as nothing is to do.
    Sleep,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spin => "spins",
            Self::Adaptive => "spins, then yields, then sleeps up to 1 ms",
            Self::Yield => "yields",
            Self::Share => "yields to the other hot threads, then sleeps up to 1 ms",
            Self::Sleep => "sleeps up to 1 ms",
        })
    }
}

/// Where one agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its cpu; `None` = wherever the kernel likes among the housekeeping cpus.
    pub cpu: Option<usize>,
    /// How it waits.
    pub wait: Wait,
}

impl Placement {
    const ANYWHERE: Self = Self { cpu: None, wait: Wait::Adaptive };
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cpu {
            Some(cpu) => write!(f, "cpu {cpu}"),
            None => f.write_str("housekeeping cpus"),
        }
    }
}

/// Which agent runs where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether they share.
    pub shape: Shape,
    /// The NUMA node that they and their memory are on.
    pub node: usize,
    /// The order port.
    pub edge: Placement,
    /// The matching core.
    pub core: Placement,
    /// The journal.
    pub journal: Placement,
    /// Why, one line each.
    pub reasons: Vec<String>,
    /// Cpus for everything else.
    pub housekeeping: Vec<usize>,
}

impl Plan {
    /// The hot agents with their names.
    pub fn hot(&self) -> [(&'static str, Placement); 3] {
        [("core", self.core), ("edge", self.edge), ("journal", self.journal)]
    }

    /// True when core and journal, of hot agents that are spread, take turns on one thread: not where each has a thread that yields.
    pub fn journal_runs_beside_core(&self) -> bool {
        self.core.cpu.is_some() && self.journal.cpu == self.core.cpu && self.core.wait != Wait::Share
    }

    /// True when a hot agent has an isolated cpu: somebody has tuned this host.
    pub fn is_tuned(&self, topology: &Topology) -> bool {
        self.core.cpu.is_some_and(|cpu| topology.is_isolated(cpu))
    }
}

/// What the configuration says about one agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// On this cpu.
    pub cpu: Option<usize>,
    /// Waiting so.
    pub wait: Option<Wait>,
}

/// What the configuration says about the threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The matching core.
    pub core: Wish,
    /// The order port.
    pub edge: Wish,
    /// The journal.
    pub journal: Wish,
    /// Cpus for everything else; none = what the hot agents leave.
    pub housekeeping: Vec<usize>,
    /// Priority under `SCHED_FIFO` of the hot threads; 0 = the ordinary scheduler.
    pub fifo_priority: u8,
    /// How the hot agents share a cpu where they must; none = as measured.
    pub sharing: Option<Sharing>,
    /// What was measured on this host.
    pub measured: Option<Measured>,
}

/// Why a wish is not met. The message names the key of the configuration and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what its fields are")]
pub enum Refusal {
    /// Not a cpu of this process.
    #[error("threads.{key} = {cpu}: this process may use cpus {allowed:?} only; choose one of these")]
    OutOfReach { key: &'static str, cpu: usize, allowed: Vec<usize> },
    /// Two hot threads on one cpu.
    #[error(
        "threads.{first}_cpu and threads.{second}_cpu = {cpu}: two spinning threads never share a cpu; choose another one"
    )]
    SameCpu { first: &'static str, second: &'static str, cpu: usize },
    /// Two hot threads on two hyper-threads of one core.
    #[error(
        "threads.{first}_cpu = {first_cpu} and threads.{second}_cpu = {second_cpu} are hyper-threads of one core: each would slow the other; choose another core"
    )]
    SameCore { first: &'static str, second: &'static str, first_cpu: usize, second_cpu: usize },
    /// Two hot threads on two nodes.
    #[error(
        "threads.{first}_cpu = {first_cpu} and threads.{second}_cpu = {second_cpu} are on NUMA nodes {nodes:?}: every hand-over would cross; choose cpus of one node"
    )]
    OtherNode { first: &'static str, second: &'static str, first_cpu: usize, second_cpu: usize, nodes: [usize; 2] },
    /// Spinning where everything else has to run.
    #[error("threads.{agent}_wait = \"spin\": cpu {cpu} is also needed for everything else; use \"adaptive\"")]
    SpinsOnSharedCpu { agent: &'static str, cpu: usize },
    /// Spinning under a limit of cpu time.
    #[error(
        "threads.{agent}_wait = \"spin\": the control group allows {thousandths} thousandths of a cpu, which spinning would use up; use \"adaptive\" or raise the limit"
    )]
    SpinsAgainstQuota { agent: &'static str, thousandths: u64 },
    /// Real-time priority for a thread without a cpu.
    #[error("host.fifo_priority: the {agent} thread has no cpu of its own; name one with threads.{agent}_cpu")]
    FifoWithoutCpu { agent: &'static str },
    /// Real-time priority on every cpu.
    #[error("host.fifo_priority: the hot threads have every cpu {cpus:?}, and nothing else could run; leave one free")]
    FifoEverywhere { cpus: Vec<usize> },
    /// Real-time threads that never sleep are stopped by the kernel.
    #[error(
        "host.fifo_priority: kernel.sched_rt_runtime_us is {runtime_us}, so a thread that always spins is stopped for the rest of every second; set it to -1 (scripts/tune-host.sh) or let the thread sleep"
    )]
    FifoThrottled { runtime_us: i64 },
}

impl Topology {
    /// Cpus for threads that must not share a physical core, on the node with the most of them: isolated ones first, then
    /// the highest allowed ones (the lowest take most interrupts), those that share the first one's cache before others.
    fn candidates(&self) -> Vec<Cpu> {
        let mut nodes: Vec<usize> = self.cpus.iter().map(|cpu| cpu.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let best = nodes.into_iter().map(|node| self.candidates_on(node)).reduce(|best, next| {
            let rank = |cpus: &[Cpu]| (cpus.iter().filter(|cpu| self.is_isolated(cpu.id)).count(), cpus.len());
            if rank(&next) > rank(&best) { next } else { best }
        });
        best.unwrap_or_default()
    }

    fn candidates_on(&self, node: usize) -> Vec<Cpu> {
        let on_node = |cpu: &&Cpu| cpu.node == node;
        let isolated = self.cpus.iter().filter(on_node).filter(|cpu| self.is_isolated(cpu.id));
        let others = self.cpus.iter().rev().filter(on_node).filter(|cpu| !self.is_isolated(cpu.id));
        let mut found: Vec<Cpu> = Vec::new();
        for cpu in isolated.chain(others) {
            if !found.iter().any(|taken| taken.core == cpu.core) {
                found.push(*cpu);
            }
        }
        if let Some(first) = found.first().copied() {
            found.sort_by_key(|cpu| (!self.is_isolated(cpu.id), cpu.cache_group != first.cache_group));
        }
        found
    }

    fn physical_cores(&self) -> usize {
        let mut cores: Vec<usize> = self.cpus.iter().map(|cpu| cpu.core).collect();
        cores.sort_unstable();
        cores.dedup();
        cores.len()
    }

    /// Plans where the hot agents run: on a host of four physical cores or more each has a cpu; below that they share one
    /// thread, so that no two spinning threads ever share a cpu. `journal_flushes` keeps the journal on a thread of its own.
    pub fn plan(&self, journal_flushes: bool) -> Plan {
        let cpus = self.candidates();
        let quota = self.limits.cpu_thousandths.unwrap_or(u64::MAX);
        let place = |index: usize| {
            let cpu = cpus.get(index).map(|cpu| cpu.id);
            let alone = cpu.is_some_and(|cpu| self.is_isolated(cpu)) && quota >= QUOTA_TO_SPREAD;
            let wait = match quota {
                0..QUOTA_TO_SPIN => Wait::Sleep,
                _ if alone => Wait::Spin,
                _ => Wait::Adaptive,
            };
            Placement { cpu, wait }
        };
        let node = cpus.first().map_or(0, |cpu| cpu.node);
        let cores = self.physical_cores();
        let mut reasons = Vec::new();
        if quota < QUOTA_TO_SPREAD {
            reasons.push(format!("the control group allows {quota} thousandths of a cpu: one hot thread"));
        } else if cores >= CORES_TO_SPREAD && cpus.len() >= 3 {
            reasons.push(format!("{cores} physical cores: edge, core and journal have one each, on node {node}"));
            // The journal works in bursts and may sleep between them: nobody waits for its first look.
            let journal = Placement { wait: place(2).wait.min_of(Wait::Adaptive), ..place(2) };
            self.explain(&cpus, &mut reasons);
            return self.with_housekeeping(Plan {
                shape: Shape::Spread,
                node,
                edge: place(1),
                core: place(0),
                journal,
                reasons,
                housekeeping: Vec::new(),
            });
        } else {
            reasons.push(format!("{cores} physical cores: edge and core take turns on one thread"));
        }
        self.explain(&cpus, &mut reasons);
        let hot = if cpus.len() > 1 { place(0) } else { Placement { cpu: None, ..place(0) } };
        let journal = if journal_flushes { Placement::ANYWHERE } else { hot };
        if journal_flushes {
            reasons.push("a flush stalls whoever makes it: the journal has a thread of its own".to_owned());
        }
        let housekeeping = Vec::new();
        self.with_housekeeping(Plan {
            shape: Shape::Shared,
            node,
            edge: hot,
            core: hot,
            journal,
            reasons,
            housekeeping,
        })
    }

    fn explain(&self, cpus: &[Cpu], reasons: &mut Vec<String>) {
        match cpus.first() {
            Some(first) if self.is_isolated(first.id) => {
                reasons.push("isolated cpus first: nothing else runs there, so a thread may spin".to_owned());
            }
            Some(_) if cpus.len() > 1 => {
                reasons.push("the highest cpus first: the lowest take most interrupts".to_owned());
            }
            Some(_) | None => reasons.push("one core for everything: no thread is pinned".to_owned()),
        }
    }

    fn with_housekeeping(&self, plan: Plan) -> Plan {
        let hot = plan.hot().map(|(_, placement)| placement.cpu);
        let hot_cores: Vec<usize> = hot.iter().flatten().filter_map(|cpu| self.cpu(*cpu)).map(|cpu| cpu.core).collect();
        let free = |cpu: &usize| !hot.contains(&Some(*cpu)) && !self.is_isolated(*cpu);
        let beside = |cpu: &usize| self.cpu(*cpu).is_some_and(|cpu| hot_cores.contains(&cpu.core));
        let rest: Vec<usize> = self.allowed.iter().copied().filter(free).collect();
        // Not on a hyper-thread beside a hot one, where that leaves any.
        let apart: Vec<usize> = rest.iter().copied().filter(|cpu| !beside(cpu)).collect();
        let housekeeping = [apart, rest, self.allowed.clone()].into_iter().find(|cpus| !cpus.is_empty());
        Plan { housekeeping: housekeeping.unwrap_or_default(), ..plan }
    }

    /// The plan with the wishes of the configuration.
    ///
    /// # Errors
    /// [`Refusal`] for the first wish that cannot be met or would do harm.
    pub fn plan_with(&self, wishes: &Wishes, journal_flushes: bool) -> Result<Plan, Refusal> {
        let mut plan = self.plan(journal_flushes);
        let asked = [("core", wishes.core), ("edge", wishes.edge), ("journal", wishes.journal)];
        for (agent, wish) in asked {
            let key = match agent {
                "core" => "core_cpu",
                "edge" => "edge_cpu",
                _ => "journal_cpu",
            };
            self.reach(key, wish.cpu)?;
        }
        for cpu in &wishes.housekeeping {
            self.reach("housekeeping_cpus", Some(*cpu))?;
        }
        let place = |wish: Wish, planned: Placement| {
            let own = wish.cpu.is_some_and(|cpu| self.is_isolated(cpu));
            let by_cpu = if own { Wait::Spin } else { Wait::Adaptive };
            let wait = wish.wait.unwrap_or(if wish.cpu.is_some() { by_cpu } else { planned.wait });
            Placement { cpu: wish.cpu.or(planned.cpu), wait }
        };
        plan.core = place(wishes.core, plan.core);
        plan.edge = place(wishes.edge, plan.edge);
        plan.journal = place(wishes.journal, plan.journal);
        if asked.iter().any(|(_, wish)| wish.cpu.is_some()) {
            self.reshape(&mut plan, wishes, journal_flushes);
            plan.reasons.push("cpus named in hft.toml ([threads])".to_owned());
        }
        if plan.shape == Shape::Shared {
            plan.edge = plan.core;
            if !journal_flushes && wishes.journal.cpu.is_none() {
                plan.journal = plan.core;
            }
        }
        sharing::decide(&mut plan, wishes.sharing, wishes.measured, journal_flushes);
        plan = self.with_housekeeping(plan);
        if !wishes.housekeeping.is_empty() {
            plan.housekeeping.clone_from(&wishes.housekeeping);
        }
        self.refuse_neighbours(&plan, journal_flushes)?;
        self.refuse_spinning(&plan)?;
        self.refuse_fifo(&plan, wishes.fifo_priority)?;
        plan.node = plan.core.cpu.and_then(|cpu| self.cpu(cpu)).map_or(plan.node, |cpu| cpu.node);
        Ok(plan)
    }

    fn reach(&self, key: &'static str, cpu: Option<usize>) -> Result<(), Refusal> {
        match cpu {
            Some(cpu) if self.cpu(cpu).is_none() => {
                Err(Refusal::OutOfReach { key, cpu, allowed: self.cpus.iter().map(|cpu| cpu.id).collect() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Core and edge on different cpus are two threads; else they take turns on one.
    fn reshape(&self, plan: &mut Plan, wishes: &Wishes, journal_flushes: bool) {
        match (plan.core.cpu, plan.edge.cpu) {
            (Some(core), Some(edge)) if core != edge => {
                plan.shape = Shape::Spread;
                let taken: Vec<Cpu> = [core, edge].iter().filter_map(|cpu| self.cpu(*cpu)).copied().collect();
                let is_free = |cpu: &Cpu| {
                    !taken.iter().any(|other| other.core == cpu.core)
                        && taken.iter().all(|other| other.node == cpu.node)
                };
                if wishes.journal.cpu.is_some() && plan.journal.cpu == plan.core.cpu {
                    plan.journal = plan.core;
                    plan.reasons.push("core and journal take turns on one thread".to_owned());
                    return;
                }
                let stays = plan.journal.cpu.and_then(|cpu| self.cpu(cpu)).is_none_or(is_free);
                if wishes.journal.cpu.is_none() && !stays {
                    plan.journal.cpu = self.cpus.iter().rev().find(|cpu| is_free(cpu)).map(|cpu| cpu.id);
                }
            }
            _ => {
                plan.shape = Shape::Shared;
                if journal_flushes && wishes.journal.cpu.is_none() {
                    plan.journal = Placement::ANYWHERE;
                }
            }
        }
    }

    fn refuse_neighbours(&self, plan: &Plan, journal_flushes: bool) -> Result<(), Refusal> {
        let mut threads = match plan.shape {
            Shape::Spread => vec![("core", plan.core), ("edge", plan.edge)],
            Shape::Shared => vec![("core", plan.core)],
        };
        if plan.shape == Shape::Spread || plan.journal != plan.core {
            threads.push(("journal", plan.journal));
        }
        for (at, (first, one)) in threads.iter().enumerate() {
            for (second, other) in threads.iter().skip(at + 1) {
                if one.wait == Wait::Share && other.wait == Wait::Share {
                    continue;
                }
                // They take turns on one thread; a flush would stall the core.
                if [*first, *second] == ["core", "journal"] && plan.journal_runs_beside_core() && !journal_flushes {
                    continue;
                }
                let found = one.cpu.and_then(|cpu| self.cpu(cpu)).zip(other.cpu.and_then(|cpu| self.cpu(cpu)));
                let Some((one, other)) = found else { continue };
                let (first_cpu, second_cpu) = (one.id, other.id);
                if first_cpu == second_cpu {
                    return Err(Refusal::SameCpu { first, second, cpu: first_cpu });
                }
                if one.core == other.core {
                    return Err(Refusal::SameCore { first, second, first_cpu, second_cpu });
                }
                if one.node != other.node {
                    return Err(Refusal::OtherNode {
                        first,
                        second,
                        first_cpu,
                        second_cpu,
                        nodes: [one.node, other.node],
                    });
                }
            }
        }
        Ok(())
    }

    fn refuse_spinning(&self, plan: &Plan) -> Result<(), Refusal> {
        for (agent, placement) in plan.hot() {
            if placement.wait != Wait::Spin {
                continue;
            }
            if let Some(cpu) = placement.cpu.or(self.allowed.first().copied())
                && plan.housekeeping.contains(&cpu)
            {
                return Err(Refusal::SpinsOnSharedCpu { agent, cpu });
            }
            if let Some(thousandths) = self.limits.cpu_thousandths.filter(|quota| *quota < QUOTA_TO_SPREAD) {
                return Err(Refusal::SpinsAgainstQuota { agent, thousandths });
            }
        }
        Ok(())
    }

    fn refuse_fifo(&self, plan: &Plan, priority: u8) -> Result<(), Refusal> {
        if priority == 0 {
            return Ok(());
        }
        let hot: Vec<usize> = plan.hot().iter().filter_map(|(_, placement)| placement.cpu).collect();
        if let Some((agent, _)) = plan.hot().iter().find(|(_, placement)| placement.cpu.is_none()) {
            return Err(Refusal::FifoWithoutCpu { agent });
        }
        if plan.housekeeping.iter().all(|cpu| hot.contains(cpu)) {
            return Err(Refusal::FifoEverywhere { cpus: self.allowed.clone() });
        }
        let never_sleeps = |placement: Placement| matches!(placement.wait, Wait::Spin | Wait::Yield);
        if self.rt_runtime_us >= 0 && plan.hot().iter().any(|(_, placement)| never_sleeps(*placement)) {
            return Err(Refusal::FifoThrottled { runtime_us: self.rt_runtime_us });
        }
        Ok(())
    }
}

impl Wait {
    /// The one that gives the cpu away sooner.
    fn min_of(self, other: Self) -> Self {
        if self == Self::Spin { other } else { self }
    }
}
