//! Which cpus there are, which of them this process may use, and how a thread gets onto one. The only place that asks for
//! affinity.
//!
//! `core_affinity` lists the mask of the caller, and off Linux does the pinning. On Linux the mask is set directly: isolated
//! cpus are exactly those that are not in the mask, and that crate pins to none outside it.

#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "affinity is a system call without a safe wrapper here"))]

use core::fmt;
use std::path::Path;

/// What the planner knows of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Cpus this process may run on, ascending.
    pub allowed: Vec<usize>,
    /// Cpus the kernel keeps free of other work (`isolcpus=`), ascending; they need not be in `allowed`.
    pub isolated: Vec<usize>,
    /// For each cpu of either list: the lowest cpu of its physical core.
    pub physical_core: Vec<(usize, usize)>,
    /// What is not as a low-latency host would have it, one line each.
    pub untuned: Vec<String>,
}

impl Topology {
    /// Reads the running host.
    pub fn of_this_host() -> Self {
        Self::read(Path::new("/"), allowed_cpus())
    }

    /// Reads sysfs and procfs below `root`; `allowed` is the mask of the process.
    pub fn read(root: &Path, allowed: Vec<usize>) -> Self {
        let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default().trim().to_owned();
        let isolated = parse_cpu_list(&text("sys/devices/system/cpu/isolated"));
        let physical_core = allowed
            .iter()
            .chain(&isolated)
            .map(|&cpu| {
                let siblings = text(&format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"));
                (cpu, parse_cpu_list(&siblings).first().copied().unwrap_or(cpu))
            })
            .collect();
        let mut untuned = Vec::new();
        if isolated.is_empty() {
            untuned.push("no cpu is isolated (isolcpus=): other work can interrupt the hot thread".to_owned());
        }
        let governor = text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        if !governor.is_empty() && governor != "performance" {
            untuned.push(format!("cpu frequency governor is {governor}, wanted performance"));
        }
        if text("sys/devices/system/cpu/smt/active") == "1" {
            untuned.push("hyper-threads are on: a sibling shares the core of the hot thread".to_owned());
        }
        let huge_pages = text("sys/kernel/mm/transparent_hugepage/enabled");
        if huge_pages.contains("[never]") {
            untuned.push("transparent huge pages are off: more TLB misses in the book".to_owned());
        }
        if allowed.len() < 4 {
            untuned.push(format!("{} cpus: the hot agents share one thread", allowed.len()));
        }
        Self { allowed, isolated, physical_core, untuned }
    }

    fn core_of(&self, cpu: usize) -> usize {
        self.physical_core.iter().find(|(of, _)| *of == cpu).map_or(cpu, |&(_, core)| core)
    }

    /// Cpus for threads that must not share a physical core: isolated ones first, then the highest allowed ones (the
    /// lowest take most interrupts). One per physical core.
    fn candidates(&self) -> Vec<usize> {
        let mut taken = Vec::new();
        let mut cpus = Vec::new();
        for &cpu in self.isolated.iter().chain(self.allowed.iter().rev()) {
            let core = self.core_of(cpu);
            if !taken.contains(&core) {
                taken.push(core);
                cpus.push(cpu);
            }
        }
        cpus
    }

    /// Plans where the hot agents run: on a host of four physical cores or more each has a cpu; below that they share one
    /// thread, so that no two spinning threads ever share a cpu. `journal_flushes` keeps the journal on a thread of its own.
    pub fn plan(&self, journal_flushes: bool) -> Plan {
        let cpus = self.candidates();
        let cpu = |index: usize| cpus.get(index).copied();
        let spins = |cpu: Option<usize>| cpu.is_some_and(|cpu| self.isolated.contains(&cpu));
        if cpus.len() >= 4 {
            return Plan {
                shape: Shape::Spread,
                edge: Placement { cpu: cpu(1), spins_always: spins(cpu(1)) },
                core: Placement { cpu: cpu(0), spins_always: spins(cpu(0)) },
                journal: Placement { cpu: cpu(2), spins_always: false },
                feed: Placement { cpu: None, spins_always: false },
            };
        }
        let hot = Placement { cpu: if cpus.len() > 1 { cpu(0) } else { None }, spins_always: spins(cpu(0)) };
        let own = Placement { cpu: None, spins_always: false };
        Plan { shape: Shape::Shared, edge: hot, core: hot, journal: if journal_flushes { own } else { hot }, feed: own }
    }

    /// The allowed cpus without those that the plan gives to one thread alone; all of them when none would remain.
    pub fn housekeeping(&self, plan: &Plan) -> Vec<usize> {
        let hot = [plan.edge.cpu, plan.core.cpu, plan.journal.cpu];
        let rest: Vec<usize> = self.allowed.iter().copied().filter(|&cpu| !hot.contains(&Some(cpu))).collect();
        if rest.is_empty() { self.allowed.clone() } else { rest }
    }
}

/// Whether the hot agents share a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Edge, core and (without flushes) journal in turn on one thread.
    Shared,
    /// Edge, core and journal each on a thread of its own.
    Spread,
}

/// Where one agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its cpu; `None` = wherever the kernel likes among the housekeeping cpus.
    pub cpu: Option<usize>,
    /// Never gives the cpu away, because nobody else wants it.
    pub spins_always: bool,
}

/// Which agent runs where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether they share.
    pub shape: Shape,
    /// The order port.
    pub edge: Placement,
    /// The matching core.
    pub core: Placement,
    /// The journal.
    pub journal: Placement,
    /// The feed.
    pub feed: Placement,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cpu {
            Some(cpu) => write!(f, "cpu {cpu}"),
            None => f.write_str("housekeeping cpus"),
        }
    }
}

/// Parses the kernel's list form: `0-2,5`. What is no number is left out.
pub fn parse_cpu_list(text: &str) -> Vec<usize> {
    const CPUS_MAX: usize = 4_096;
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let mut ends = part.trim().splitn(2, '-').map(str::parse::<usize>);
        match (ends.next(), ends.next()) {
            (Some(Ok(first)), None) => cpus.push(first),
            (Some(Ok(first)), Some(Ok(last))) if last < CPUS_MAX => cpus.extend(first..=last),
            _ => {}
        }
    }
    cpus.sort_unstable();
    cpus.dedup();
    cpus
}

/// The thread could not be put where it was wanted.
#[derive(Debug, thiserror::Error)]
#[error("cannot run on cpus {cpus:?}: {cause}; choose cpus of `hft topology` or leave the choice to the plan")]
pub struct PinError {
    cpus: Vec<usize>,
    cause: std::io::Error,
}

/// Cpus that the calling thread may run on, ascending.
pub fn allowed_cpus() -> Vec<usize> {
    let mut cpus: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    cpus.sort_unstable();
    cpus
}

/// Lets the calling thread run on exactly these cpus. Threads it starts later inherit that: start first, then pin.
///
/// # Errors
/// [`PinError`] when the kernel refuses, or a cpu number is out of range.
#[cfg(target_os = "linux")]
pub fn run_on(cpus: &[usize]) -> Result<(), PinError> {
    let refused = |cause| PinError { cpus: cpus.to_vec(), cause };
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    for &cpu in cpus {
        if cpu >= libc::CPU_SETSIZE.unsigned_abs() as usize {
            return Err(refused(std::io::ErrorKind::InvalidInput.into()));
        }
        // SAFETY: `cpu` is below CPU_SETSIZE, so the bit is inside the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: `set` is a cpu_set_t of exactly the size given; 0 is the calling thread.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } {
        0 => Ok(()),
        _ => Err(refused(std::io::Error::last_os_error())),
    }
}

/// Lets the calling thread run on the first of these cpus.
///
/// # Errors
/// [`PinError`] when the system refuses.
#[cfg(not(target_os = "linux"))]
pub fn run_on(cpus: &[usize]) -> Result<(), PinError> {
    let pinned = cpus.first().is_none_or(|&id| core_affinity::set_for_current(core_affinity::CoreId { id }));
    if pinned {
        return Ok(());
    }
    Err(PinError { cpus: cpus.to_vec(), cause: std::io::ErrorKind::Unsupported.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(allowed: usize, isolated: &[usize], threads_per_core: usize) -> Topology {
        Topology {
            allowed: (0..allowed).filter(|cpu| !isolated.contains(cpu)).collect(),
            isolated: isolated.to_vec(),
            physical_core: (0..allowed).map(|cpu| (cpu, cpu - cpu % threads_per_core)).collect(),
            untuned: Vec::new(),
        }
    }

    #[test]
    fn cpu_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_cpu_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parse_cpu_list("3"), [3]);
        assert_eq!(parse_cpu_list(""), [0_usize; 0]);
        assert_eq!(parse_cpu_list("x,2-,9999999-99999999999"), [0_usize; 0]);
    }

    #[test]
    fn two_cpus_have_one_hot_thread() {
        let plan = host(2, &[], 1).plan(false);
        assert_eq!(plan.shape, Shape::Shared);
        assert_eq!(plan.core.cpu, Some(1));
        assert_eq!(plan.edge, plan.core);
        assert_eq!(plan.journal, plan.core);
        assert_eq!(host(2, &[], 1).housekeeping(&plan), [0]);
        assert_eq!(host(2, &[], 1).plan(true).journal.cpu, None, "flushes stall whoever makes them");
    }

    #[test]
    fn one_cpu_is_not_pinned_to() {
        let plan = host(1, &[], 1).plan(false);
        assert_eq!((plan.shape, plan.core.cpu), (Shape::Shared, None));
        assert_eq!(host(1, &[], 1).housekeeping(&plan), [0]);
    }

    #[test]
    fn hot_threads_never_share_a_physical_core() {
        assert_eq!(host(4, &[], 2).plan(false).shape, Shape::Shared, "four hyper-threads are two cores");
        let plan = host(8, &[], 2).plan(false);
        assert_eq!(plan.shape, Shape::Spread);
        let cores: Vec<_> = [plan.core, plan.edge, plan.journal].iter().map(|p| p.cpu.unwrap() / 2).collect();
        assert_eq!(cores, [3, 2, 1]);
    }

    #[test]
    fn isolated_cpus_are_taken_first_and_spun_on() {
        let plan = host(8, &[4, 5], 1).plan(false);
        assert_eq!((plan.core.cpu, plan.edge.cpu), (Some(4), Some(5)));
        assert!(plan.core.spins_always && plan.edge.spins_always && !plan.journal.spins_always);
    }

    #[test]
    fn a_thread_runs_where_it_was_put() {
        let cpus = allowed_cpus();
        let last = *cpus.last().unwrap();
        let seen = std::thread::spawn(move || {
            run_on(&[last]).unwrap();
            allowed_cpus()
        });
        assert_eq!(seen.join().unwrap(), [last]);
        assert!(run_on(&[usize::MAX]).is_err());
        assert_eq!(allowed_cpus(), cpus);
    }
}
