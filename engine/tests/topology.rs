//! The plan of threads on hosts that are not here: small trees of files as the kernel would show them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::{Path, PathBuf};

use engine::runtime::plan::{Refusal, Shape, Wait, Wish, Wishes};
use engine::runtime::sharing::{Measured, Sharing};
use engine::runtime::topology::Topology;

/// A host made of files; gone when dropped.
struct Host {
    root: PathBuf,
    allowed: Vec<usize>,
}

impl Host {
    /// `cpus` cpus in `nodes` sockets with a node each; with `threads` 2, cpu n and n + cpus/2 are hyper-threads of one core.
    fn new(name: &str, cpus: usize, nodes: usize, threads: usize) -> Self {
        let root = std::env::temp_dir().join(format!("hft-host-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        let this = Self { root, allowed: (0..cpus).collect() };
        let cores = cpus / threads;
        let (per_node, numbers) =
            (cores / nodes, |list: &[usize]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
        let siblings = |core: usize| (0..threads).map(|thread| core + thread * cores).collect::<Vec<_>>();
        for cpu in 0..cpus {
            let (core, folder) = (cpu % cores, format!("sys/devices/system/cpu/cpu{cpu}"));
            let node = core / per_node;
            let beside: Vec<usize> = (node * per_node..(node + 1) * per_node).flat_map(siblings).collect();
            this.put(&format!("{folder}/topology/thread_siblings_list"), &numbers(&siblings(core)));
            this.put(&format!("{folder}/topology/physical_package_id"), &node.to_string());
            this.put(&format!("{folder}/cache/index3/shared_cpu_list"), &numbers(&beside));
            this.put(&format!("{folder}/cache/index3/level"), "3");
        }
        for node in 0..nodes {
            let beside: Vec<usize> = (node * per_node..(node + 1) * per_node).flat_map(siblings).collect();
            let folder = format!("sys/devices/system/node/node{node}");
            this.put(&format!("{folder}/cpulist"), &numbers(&beside));
            this.put(&format!("{folder}/meminfo"), "Node 0 MemTotal:  1000 kB\nNode 0 MemFree:  400 kB\n");
            this.put(&format!("{folder}/hugepages/hugepages-2048kB/free_hugepages"), "7");
        }
        this.put("sys/devices/system/node/online", &format!("0-{}", nodes - 1));
        this.put("proc/sys/kernel/sched_rt_runtime_us", "950000");
        this
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn isolate(&mut self, cpus: &str, list: &[usize]) {
        self.put("sys/devices/system/cpu/isolated", cpus);
        self.put("sys/devices/system/cpu/nohz_full", cpus);
        self.allowed.retain(|cpu| !list.contains(cpu));
    }

    fn read(&self) -> Topology {
        Topology::read(Path::new(&self.root), self.allowed.clone())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

fn on(cpu: usize) -> Wish {
    Wish { cpu: Some(cpu), wait: None }
}

fn refused(host: &Topology, wishes: &Wishes) -> Refusal {
    let refusal = host.plan_with(wishes, false).unwrap_err();
    let message = refusal.to_string();
    let names_its_key = message.starts_with("threads.") || message.starts_with("host.");
    assert!(names_its_key && message.lines().count() == 1, "{message}");
    refusal
}

#[test]
fn one_cpu_pins_nobody() {
    let plan = Host::new("one", 1, 1, 1).read().plan(false);
    assert_eq!((plan.shape, plan.core.cpu, plan.core.wait), (Shape::Shared, None, Wait::Adaptive));
    assert_eq!(plan.housekeeping, [0]);
}

#[test]
fn two_cpus_have_one_hot_thread() {
    let host = Host::new("two", 2, 1, 1).read();
    let plan = host.plan(false);
    assert_eq!((plan.shape, plan.core.cpu, &plan.housekeeping[..]), (Shape::Shared, Some(1), &[0][..]));
    assert_eq!((plan.edge, plan.journal), (plan.core, plan.core));
    let flushing = host.plan(true);
    assert_eq!(flushing.journal.cpu, None, "flushes stall whoever makes them");
    assert!(flushing.reasons.iter().any(|reason| reason.contains("flush")), "{:?}", flushing.reasons);
}

#[test]
fn below_four_cores_the_faster_way_to_share_is_taken() {
    let host = Host::new("sharing", 2, 1, 1).read();
    let planned = |wishes: Wishes, flushes| host.plan_with(&wishes, flushes).unwrap();
    let why = |plan: &engine::runtime::plan::Plan, text: &str| plan.reasons.iter().any(|reason| reason.contains(text));
    let unmeasured = planned(Wishes::default(), false);
    assert!(unmeasured.shape == Shape::Shared && why(&unmeasured, "not measured here yet"), "{unmeasured:?}");
    let measured = |turns_ns, yield_ns| Wishes { measured: Some(Measured { turns_ns, yield_ns }), ..Wishes::default() };
    let turns = planned(measured(7_000, 9_000), false);
    assert!(turns.shape == Shape::Shared && why(&turns, "measured 7000 ns an order with turns"), "{turns:?}");
    let yields = planned(measured(9_000, 7_000), false);
    assert_eq!((yields.shape, yields.core.cpu, yields.core.wait), (Shape::Spread, Some(1), Wait::Share));
    assert_eq!((yields.edge, yields.journal, &yields.housekeeping[..]), (yields.core, yields.core, &[0][..]));
    assert_eq!(planned(measured(9_000, 7_000), true).journal.cpu, None, "who flushes shares with nobody");
    let asked = Wishes { sharing: Some(Sharing::Yield), ..measured(7_000, 9_000) };
    assert_eq!(planned(asked, false).shape, Shape::Spread);
    let roomy = Host::new("sharing-roomy", 4, 1, 1).read();
    let wishes = Wishes { sharing: Some(Sharing::Yield), ..Wishes::default() };
    assert_eq!(roomy.plan_with(&wishes, false).unwrap().core.wait, Wait::Adaptive, "nobody shares");
}

#[test]
fn huge_pages_are_counted() {
    let host = Host::new("huge", 2, 1, 1);
    host.put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "64");
    host.put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "60");
    host.put("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]");
    let found = host.read();
    assert_eq!((found.huge_pages.set_aside, found.huge_pages.free), (64, 60));
    assert!(!found.untuned.iter().any(|line| line.contains("huge pages")), "{:?}", found.untuned);
    host.put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0");
    assert!(host.read().untuned.iter().any(|line| line.contains("huge pages")));
}

#[test]
fn four_cpus_have_three_hot_threads() {
    let plan = Host::new("four", 4, 1, 1).read().plan(false);
    assert_eq!(plan.shape, Shape::Spread);
    assert_eq!((plan.core.cpu, plan.edge.cpu, plan.journal.cpu), (Some(3), Some(2), Some(1)));
    assert_eq!(plan.housekeeping, [0]);
}

#[test]
fn hyper_threads_are_not_cores() {
    let four = Host::new("four-smt", 4, 1, 2).read().plan(false);
    assert_eq!(four.shape, Shape::Shared, "four hyper-threads are two cores");
    let host = Host::new("eight-smt", 8, 1, 2).read();
    let plan = host.plan(false);
    assert_eq!(plan.shape, Shape::Spread);
    let cores: Vec<usize> = plan.hot().iter().map(|(_, place)| host.cpu(place.cpu.unwrap()).unwrap().core).collect();
    assert_eq!(cores, [3, 2, 1], "{plan:?}");
    assert_eq!(plan.housekeeping, [0, 4], "not on the hyper-threads beside the hot ones");
}

#[test]
fn hot_threads_stay_on_one_node() {
    let mut host = Host::new("two-sockets", 16, 2, 2);
    let free = host.read();
    assert_eq!(free.nodes.len(), 2);
    assert_eq!((free.nodes[1].memory_kib, free.nodes[1].free_kib, free.nodes[1].free_huge_pages), (1_000, 400, 7));
    let nodes = |topology: &Topology, plan: &engine::runtime::plan::Plan| {
        plan.hot().map(|(_, place)| topology.cpu(place.cpu.unwrap()).unwrap().node)
    };
    let plan = free.plan(false);
    assert_eq!(nodes(&free, &plan), [0, 0, 0]);
    host.isolate("5,6,13,14", &[5, 6, 13, 14]);
    let isolated = host.read();
    let plan = isolated.plan(false);
    assert_eq!(nodes(&isolated, &plan), [1, 1, 1], "where isolated cpus are");
    assert_eq!((plan.core.cpu, plan.edge.cpu, plan.node), (Some(5), Some(6), 1));
    assert_eq!((plan.core.wait, plan.edge.wait, plan.journal.wait), (Wait::Spin, Wait::Spin, Wait::Adaptive));
    assert!(plan.is_tuned(&isolated) && isolated.nohz_full == [5, 6, 13, 14]);
    let refusal = refused(&isolated, &Wishes { core: on(5), edge: on(1), ..Wishes::default() });
    assert!(matches!(refusal, Refusal::OtherNode { nodes: [1, 0], .. }), "{refusal}");
}

#[test]
fn control_groups_are_obeyed() {
    let host = Host::new("quota", 8, 1, 1);
    host.put("proc/self/cgroup", "0::/a/b");
    host.put("sys/fs/cgroup/a/cpu.max", "150000 100000");
    host.put("sys/fs/cgroup/a/b/cpu.max", "max 100000");
    host.put("sys/fs/cgroup/a/memory.max", "1048576");
    let read = host.read();
    assert_eq!((read.limits.cpu_thousandths, read.limits.memory_bytes), (Some(1_500), Some(1 << 20)));
    let plan = read.plan(false);
    assert_eq!((plan.shape, plan.core.wait), (Shape::Shared, Wait::Sleep));
    let spin = Wish { cpu: Some(7), wait: Some(Wait::Spin) };
    let refusal = refused(&read, &Wishes { core: spin, edge: spin, ..Wishes::default() });
    assert!(matches!(refusal, Refusal::SpinsAgainstQuota { thousandths: 1_500, .. }), "{refusal}");
    host.put("proc/self/cgroup", "4:cpu:/old\n5:memory:/");
    host.put("sys/fs/cgroup/cpu/old/cpu.cfs_quota_us", "-1");
    host.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
    assert_eq!(host.read().limits, engine::runtime::topology::Limits::default());
}

#[test]
fn wishes_are_met_or_refused_with_the_reason() {
    let host = Host::new("wishes", 8, 1, 2).read();
    let plan = host.plan_with(&Wishes { core: on(1), ..Wishes::default() }, false).unwrap();
    assert_eq!((plan.shape, plan.core.cpu, plan.edge.cpu), (Shape::Spread, Some(1), Some(6)));
    assert_ne!(host.cpu(plan.journal.cpu.unwrap()).unwrap().core, 1, "the journal makes room");
    let shared = host.plan_with(&Wishes { core: on(2), edge: on(2), ..Wishes::default() }, false).unwrap();
    assert_eq!((shared.shape, shared.journal), (Shape::Shared, shared.core));
    let waits = Wishes { core: Wish { cpu: None, wait: Some(Wait::Yield) }, ..Wishes::default() };
    assert_eq!(host.plan_with(&waits, false).unwrap().core.wait, Wait::Yield);
    let chosen = Wishes { housekeeping: vec![0], ..Wishes::default() };
    assert_eq!(host.plan_with(&chosen, false).unwrap().housekeeping, [0]);
    let out = refused(&host, &Wishes { edge: on(99), ..Wishes::default() });
    assert!(matches!(out, Refusal::OutOfReach { key: "edge_cpu", cpu: 99, .. }), "{out}");
    let same = refused(&host, &Wishes { core: on(1), edge: on(2), journal: on(2), ..Wishes::default() });
    assert_eq!(same, Refusal::SameCpu { first: "edge", second: "journal", cpu: 2 });
    let beside = Wishes { core: on(1), edge: on(2), journal: on(1), ..Wishes::default() };
    let plan = host.plan_with(&beside, false).unwrap();
    assert_eq!((plan.shape, plan.journal, plan.journal_runs_beside_core()), (Shape::Spread, plan.core, true));
    let flushing = host.plan_with(&beside, true).unwrap_err();
    assert_eq!(flushing, Refusal::SameCpu { first: "core", second: "journal", cpu: 1 });
    let smt = refused(&host, &Wishes { core: on(1), edge: on(5), ..Wishes::default() });
    assert!(matches!(smt, Refusal::SameCore { first_cpu: 1, second_cpu: 5, .. }), "{smt}");
    let one = Host::new("one-wish", 1, 1, 1).read();
    let spin = Wish { cpu: Some(0), wait: Some(Wait::Spin) };
    let starving = refused(&one, &Wishes { core: spin, edge: spin, ..Wishes::default() });
    assert_eq!(starving, Refusal::SpinsOnSharedCpu { agent: "core", cpu: 0 });
}

#[test]
fn real_time_priority_has_conditions() {
    let fifo = Wishes { fifo_priority: 50, ..Wishes::default() };
    let mut host = Host::new("fifo", 8, 1, 1);
    assert!(host.read().plan_with(&fifo, false).is_ok(), "threads that sleep are not stopped");
    host.isolate("6,7", &[6, 7]);
    let throttled = refused(&host.read(), &fifo);
    assert_eq!(throttled, Refusal::FifoThrottled { runtime_us: 950_000 });
    host.put("proc/sys/kernel/sched_rt_runtime_us", "-1");
    assert!(host.read().plan_with(&fifo, false).is_ok());
    let one = Host::new("fifo-one", 1, 1, 1);
    assert!(matches!(refused(&one.read(), &fifo), Refusal::FifoWithoutCpu { .. }));
    let two = Host::new("fifo-two", 2, 1, 1).read();
    let everywhere = Wishes { core: on(0), edge: on(0), journal: on(1), ..fifo };
    assert!(matches!(refused(&two, &everywhere), Refusal::FifoEverywhere { .. }));
}
