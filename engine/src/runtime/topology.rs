//! Which cpus there are, how they lie to each other, which of them this process may use, and how a thread gets onto one. The
//! only place that asks for affinity; what to do with it all is planned in `plan.rs`.
//!
//! `core_affinity` lists the mask of the caller, and off Linux does the pinning. On Linux the mask is set directly: isolated
//! cpus are exactly those that are not in the mask, and that crate pins to none outside it.

#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "affinity is a system call without a safe wrapper here"))]

use std::path::Path;

/// What the planner knows of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Cpus this process may run on, ascending.
    pub allowed: Vec<usize>,
    /// Cpus the kernel keeps free of other work (`isolcpus=`), ascending; they need not be in `allowed`.
    pub isolated: Vec<usize>,
    /// Cpus without a timer tick while one thread runs on them (`nohz_full=`), ascending.
    pub nohz_full: Vec<usize>,
    /// Each cpu of the first two lists, ascending.
    pub cpus: Vec<Cpu>,
    /// NUMA nodes, ascending; none where the kernel tells of none.
    pub nodes: Vec<Node>,
    /// Large pages.
    pub huge_pages: HugePages,
    /// Caches of the first cpu.
    pub caches: Vec<Cache>,
    /// What the control groups of this process allow.
    pub limits: Limits,
    /// Microseconds of every second that real-time threads may run; negative = all of it; 0 = not told.
    pub rt_runtime_us: i64,
    /// What is not as a low-latency host would have it, one line each.
    pub untuned: Vec<String>,
}

/// Where one cpu is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Its number.
    pub id: usize,
    /// The lowest cpu of its physical core: itself, or a hyper-thread beside it.
    pub core: usize,
    /// Its socket.
    pub package: usize,
    /// Its NUMA node.
    pub node: usize,
    /// The lowest cpu that shares its last-level cache.
    pub cache_group: usize,
}

/// Memory with the cpus beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub id: usize,
    /// Its cpus.
    pub cpus: Vec<usize>,
    /// Its memory, KiB.
    pub memory_kib: u64,
    /// What of it is free, KiB.
    pub free_kib: u64,
    /// Huge pages of 2 MiB that were set aside and are free.
    pub free_huge_pages: u64,
}

/// Pages of 2 MiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HugePages {
    /// Set aside by an operator (`/proc/sys/vm/nr_hugepages`).
    pub set_aside: u64,
    /// Those of them that nobody uses.
    pub free: u64,
    /// When the kernel makes them by itself: `always`, `madvise`, `never`.
    pub transparent: String,
}

/// One cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// 1, 2, 3.
    pub level: u32,
    /// Data, Instruction, Unified.
    pub kind: String,
    /// As the kernel writes it: `48K`.
    pub size: String,
    /// Who shares it.
    pub cpus: Vec<usize>,
}

/// Limits of the control groups; `None` = none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Cpu time, in thousandths of a cpu.
    pub cpu_thousandths: Option<u64>,
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
}

/// Files below a root that may be another one than `/`.
struct Tree<'a>(&'a Path);

impl Tree<'_> {
    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap_or_default().trim().to_owned()
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.text(path).parse().ok()
    }

    fn cpus(&self, path: &str) -> Vec<usize> {
        parse_cpu_list(&self.text(path))
    }

    fn nodes(&self) -> Vec<Node> {
        let ids = self.cpus("sys/devices/system/node/online");
        ids.into_iter()
            .map(|id| {
                let folder = format!("sys/devices/system/node/node{id}");
                let memory = self.text(&format!("{folder}/meminfo"));
                let kib = |name: &str| {
                    let line = memory.lines().find(|line| line.contains(name))?;
                    line.split_whitespace().rev().nth(1)?.parse().ok()
                };
                let huge = format!("{folder}/hugepages/hugepages-2048kB/free_hugepages");
                Node {
                    id,
                    cpus: self.cpus(&format!("{folder}/cpulist")),
                    memory_kib: kib("MemTotal:").unwrap_or(0),
                    free_kib: kib("MemFree:").unwrap_or(0),
                    free_huge_pages: self.number(&huge).unwrap_or(0),
                }
            })
            .collect()
    }

    fn huge_pages(&self) -> HugePages {
        let folder = "sys/kernel/mm/hugepages/hugepages-2048kB";
        let words = self.text("sys/kernel/mm/transparent_hugepage/enabled");
        let chosen = words.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(word, _)| word);
        HugePages {
            set_aside: self.number(&format!("{folder}/nr_hugepages")).unwrap_or(0),
            free: self.number(&format!("{folder}/free_hugepages")).unwrap_or(0),
            transparent: chosen.to_owned(),
        }
    }

    fn cpu(&self, id: usize, nodes: &[Node]) -> Cpu {
        let folder = format!("sys/devices/system/cpu/cpu{id}");
        let lowest = |path: String| self.cpus(&path).first().copied().unwrap_or(id);
        let last_level = (0..8_u32)
            .rev()
            .map(|index| format!("{folder}/cache/index{index}/shared_cpu_list"))
            .find(|path| self.0.join(path).exists());
        let package = self.number(&format!("{folder}/topology/physical_package_id"));
        Cpu {
            id,
            core: lowest(format!("{folder}/topology/thread_siblings_list")),
            package: package.and_then(|package| usize::try_from(package).ok()).unwrap_or(0),
            node: nodes.iter().find(|node| node.cpus.contains(&id)).map_or(0, |node| node.id),
            cache_group: last_level.map_or(id, lowest),
        }
    }

    fn caches(&self) -> Vec<Cache> {
        (0..8)
            .map(|index| format!("sys/devices/system/cpu/cpu0/cache/index{index}"))
            .filter_map(|folder| {
                Some(Cache {
                    level: self.text(&format!("{folder}/level")).parse().ok()?,
                    kind: self.text(&format!("{folder}/type")),
                    size: self.text(&format!("{folder}/size")),
                    cpus: self.cpus(&format!("{folder}/shared_cpu_list")),
                })
            })
            .collect()
    }

    /// Of the process's own control group and of all above it: the tightest counts.
    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        let groups = self.text("proc/self/cgroup");
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(kinds), Some(group)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let base = if kinds.is_empty() { "sys/fs/cgroup".to_owned() } else { format!("sys/fs/cgroup/{kinds}") };
            let mut group = group.trim_matches('/');
            loop {
                let folder = if group.is_empty() { base.clone() } else { format!("{base}/{group}") };
                limits.tighten(self.cpu_limit(&folder), self.memory_limit(&folder));
                let Some((above, _)) = group.rsplit_once('/').or((!group.is_empty()).then_some(("", ""))) else {
                    break;
                };
                group = above;
            }
        }
        limits
    }

    fn cpu_limit(&self, folder: &str) -> Option<u64> {
        let text = self.text(&format!("{folder}/cpu.max"));
        let (quota, period) = match text.split_once(' ') {
            Some((quota, period)) => (quota.parse().ok()?, period.parse().ok()?),
            None => (
                self.number(&format!("{folder}/cpu.cfs_quota_us"))?,
                self.number(&format!("{folder}/cpu.cfs_period_us"))?,
            ),
        };
        u64::checked_mul(quota, 1_000)?.checked_div(period)
    }

    fn memory_limit(&self, folder: &str) -> Option<u64> {
        /// Groups of the old kind write no limit as a number near this one.
        const UNLIMITED: u64 = 1 << 62;
        self.number(&format!("{folder}/memory.max"))
            .or_else(|| self.number(&format!("{folder}/memory.limit_in_bytes")))
            .filter(|bytes| *bytes < UNLIMITED)
    }
}

impl Limits {
    fn tighten(&mut self, cpu: Option<u64>, memory: Option<u64>) {
        let least = |now: Option<u64>, found: Option<u64>| now.into_iter().chain(found).min();
        self.cpu_thousandths = least(self.cpu_thousandths, cpu);
        self.memory_bytes = least(self.memory_bytes, memory);
    }
}

impl Topology {
    /// Reads the running host.
    pub fn of_this_host() -> Self {
        Self::read(Path::new("/"), allowed_cpus())
    }

    /// Reads sysfs and procfs below `root`; `allowed` is the mask of the process.
    pub fn read(root: &Path, allowed: Vec<usize>) -> Self {
        let tree = Tree(root);
        let isolated = tree.cpus("sys/devices/system/cpu/isolated");
        let nodes = tree.nodes();
        let mut ids: Vec<usize> = allowed.iter().chain(&isolated).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut this = Self {
            cpus: ids.into_iter().map(|id| tree.cpu(id, &nodes)).collect(),
            nohz_full: tree.cpus("sys/devices/system/cpu/nohz_full"),
            huge_pages: tree.huge_pages(),
            caches: tree.caches(),
            limits: tree.limits(),
            rt_runtime_us: tree.text("proc/sys/kernel/sched_rt_runtime_us").parse().unwrap_or(0),
            untuned: Vec::new(),
            allowed,
            isolated,
            nodes,
        };
        this.untuned = this.find_untuned(&tree);
        this
    }

    fn find_untuned(&self, tree: &Tree<'_>) -> Vec<String> {
        let mut untuned = Vec::new();
        if self.isolated.is_empty() {
            untuned.push("no cpu is isolated (isolcpus=): other work can interrupt the hot thread".to_owned());
        }
        let governor = tree.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        if !governor.is_empty() && governor != "performance" {
            untuned.push(format!("cpu frequency governor is {governor}, wanted performance"));
        }
        if tree.text("sys/devices/system/cpu/smt/active") == "1" {
            untuned.push("hyper-threads are on: a sibling shares the core of the hot thread".to_owned());
        }
        if self.huge_pages.transparent == "never" && self.huge_pages.set_aside == 0 {
            untuned.push("no huge pages, neither set aside nor transparent: more TLB misses in the book".to_owned());
        }
        let swappiness = tree.number("proc/sys/vm/swappiness").unwrap_or(0);
        if swappiness > 10 {
            untuned
                .push(format!("vm.swappiness is {swappiness}, wanted 0: a page of the book on disk is milliseconds"));
        }
        if tree.text("proc/sys/kernel/numa_balancing") == "1" {
            untuned.push("kernel.numa_balancing is on: pages move under the hot thread".to_owned());
        }
        if self.allowed.len() < 4 {
            untuned.push(format!("{} cpus: the hot agents share one thread", self.allowed.len()));
        }
        untuned
    }

    /// Where a cpu is; `None` for one that this process cannot have.
    pub fn cpu(&self, id: usize) -> Option<&Cpu> {
        self.cpus.iter().find(|cpu| cpu.id == id)
    }

    /// True for cpus that the kernel keeps free of other work.
    pub fn is_isolated(&self, cpu: usize) -> bool {
        self.isolated.contains(&cpu)
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

    #[test]
    fn cpu_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_cpu_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parse_cpu_list("3"), [3]);
        assert_eq!(parse_cpu_list(""), [0_usize; 0]);
        assert_eq!(parse_cpu_list("(null)"), [0_usize; 0]);
        assert_eq!(parse_cpu_list("x,2-,9999999-99999999999"), [0_usize; 0]);
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

    #[test]
    fn this_host_is_read() {
        let host = Topology::of_this_host();
        assert_eq!(host.allowed, allowed_cpus());
        assert!(host.allowed.iter().all(|cpu| host.cpu(*cpu).is_some_and(|found| found.core <= *cpu)));
        assert!(host.nodes.iter().all(|node| node.free_kib <= node.memory_kib));
    }
}
