//! scripts/tune-host.sh on a host of files: it checks without changing, applies all or nothing, and takes back exactly that.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HOST: &[(&str, &str)] = &[
    ("sys/devices/system/cpu/online", "0-3"),
    ("sys/devices/system/cpu/isolated", "2-3"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave"),
    ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "0"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state3/disable", "0"),
    ("sys/devices/system/cpu/smt/control", "notsupported"),
    ("proc/irq/default_smp_affinity", "f"),
    ("proc/irq/24/smp_affinity_list", "0-3"),
    ("proc/irq/25/smp_affinity_list", "1"),
    ("proc/cmdline", "root=/dev/vda rcu_nocbs=2-3"),
    ("sys/class/net/eth0/device/uevent", "DRIVER=nic"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "0"),
    ("sys/class/net/eth0/queues/rx-1/rps_cpus", "3"),
    ("sys/class/net/lo/queues/rx-0/rps_cpus", "0"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
    ("sys/kernel/mm/transparent_hugepage/defrag", "[always] defer madvise never"),
    ("proc/sys/vm/swappiness", "60"),
    ("proc/sys/kernel/sched_rt_runtime_us", "950000"),
];

struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        for (path, text) in HOST {
            let path = this.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        this
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn run(&self, action: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/tune-host.sh");
        Command::new("bash").arg(script).args(action.split(": ")).env("TUNE_ROOT", self.0.path()).output().unwrap()
    }

    fn told(&self, action: &str) -> String {
        let output = self.run(action);
        assert!(output.status.success(), "{action}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// All settings as they are now.
    fn all(&self) -> BTreeMap<&'static str, String> {
        HOST.iter().map(|(path, _)| (*path, fs::read_to_string(self.path(path)).unwrap())).collect()
    }

    fn value(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap().trim().to_owned()
    }
}

#[test]
fn checking_changes_nothing_and_prints_the_kernel_command_line() {
    let host = Host::new();
    let before = host.all();
    let (check, dry) = (host.told("--check"), host.told("--dry-run"));
    assert_eq!(host.all(), before);
    assert!(!host.path("var").exists());
    for wanted in ["isolcpus=managed_irq,domain,2-3", "nohz_full=2-3", "rcu_nocbs=2-3", "irqaffinity=0,1 "] {
        assert!(check.contains(wanted), "{wanted}: {check}");
    }
    let row = |name: &str| check.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {check}"));
    assert!(row("cpu governor").starts_with("! ") && row("cpu governor").contains("powersave (1 of 2)"), "{check}");
    assert!(row("transparent huge pages").starts_with("  "), "{check}");
    assert!(row("hyper-threads").starts_with("  "), "a cpu without them: {check}");
    assert!(row("receive steering").contains("0 (1 of 2)"), "the same mask with other zeros is the same: {check}");
    assert!(row("cpus without rcu work").starts_with("  ") && row("cpus without tick").starts_with("! "), "{check}");
    assert!(dry.contains("would set /proc/sys/vm/swappiness from 60 to 0"), "{dry}");
    assert_eq!(String::from_utf8(host.run("--nonsense").stdout).unwrap(), "");
    assert_eq!(host.run("--nonsense").status.code(), Some(2));
}

#[test]
fn what_was_applied_is_taken_back_exactly() {
    let host = Host::new();
    let before = host.all();
    host.told("--apply");
    for (path, wanted) in [
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance"),
        ("sys/devices/system/cpu/cpu2/cpuidle/state3/disable", "1"),
        ("sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "0"),
        ("proc/irq/default_smp_affinity", "00000003"),
        ("proc/irq/24/smp_affinity_list", "0,1"),
        ("proc/irq/25/smp_affinity_list", "1"),
        ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000003"),
        ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000003"),
        ("sys/class/net/eth0/queues/rx-1/rps_cpus", "3"),
        ("sys/class/net/lo/queues/rx-0/rps_cpus", "0"),
        ("proc/sys/vm/swappiness", "0"),
        ("proc/sys/kernel/sched_rt_runtime_us", "-1"),
    ] {
        assert_eq!(host.value(path), wanted, "{path}");
    }
    assert!(host.told("--dry-run").contains("nothing to change"));
    assert_eq!(host.run("--apply").status.code(), Some(1), "not twice: what was there would be lost");
    // Somebody else's change in between is not ours to take back.
    fs::write(host.path("proc/irq/25/smp_affinity_list"), "0\n").unwrap();
    host.told("--revert");
    let mut after = host.all();
    assert_eq!(after.insert("proc/irq/25/smp_affinity_list", "1\n".into()), Some("0\n".into()));
    // A file that offers words now holds the one that was chosen: the kernel would mark it again.
    let chosen = after.insert(
        "sys/kernel/mm/transparent_hugepage/defrag",
        before["sys/kernel/mm/transparent_hugepage/defrag"].clone(),
    );
    assert_eq!(chosen, Some("always\n".into()));
    assert_eq!(after, before);
    assert!(host.told("--revert").contains("nothing was applied"));
}

#[test]
fn without_hot_cpus_it_says_what_to_choose() {
    let host = Host::new();
    fs::write(host.path("sys/devices/system/cpu/isolated"), "\n").unwrap();
    let check = host.told("--check");
    for wanted in ["interrupts on hot cpus", "receive steering"] {
        let row = check.lines().find(|line| line.contains(wanted)).unwrap_or_else(|| panic!("{wanted}: {check}"));
        assert!(row.contains("HOT_CPUS=..."), "{row}");
    }
    let isolated = check.lines().find(|line| line.contains("isolated cpus")).unwrap();
    assert!(isolated.starts_with("! ") && isolated.contains("none") && isolated.contains("the hot cpus"), "{isolated}");
    assert!(!host.told("--dry-run").contains("affinity"));
}

#[test]
fn a_file_that_cannot_be_read_is_left_alone() {
    let host = Host::new();
    let tx = host.path("sys/class/net/eth0/queues/tx-0");
    fs::create_dir_all(&tx).unwrap();
    // Opens, and every read fails: a queue that cannot be steered.
    std::os::unix::fs::symlink("/proc/self/mem", tx.join("xps_cpus")).unwrap();
    let output = host.run("--check");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let check = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = check.lines().find(|line| line.contains("send steering")).unwrap();
    assert!(row.starts_with("  ") && row.contains("n/a"), "{row}");
    assert!(!host.told("--dry-run").contains("xps_cpus"));
}

#[test]
fn one_setting_alone_is_applied_and_taken_back() {
    let host = Host::new();
    let before = host.all();
    let steps = host.told("--steps");
    for wanted in ["swappiness\tdiffers", "transparent huge pages\tas wanted", "hyper-threads\tnot here"] {
        assert!(steps.lines().any(|line| line == wanted), "{wanted}: {steps}");
    }
    host.told("--apply: swappiness");
    let changed: Vec<&str> =
        host.all().iter().filter(|(path, text)| before[*path] != **text).map(|(path, _)| *path).collect();
    assert_eq!(changed, ["proc/sys/vm/swappiness"]);
    host.told("--revert");
    assert_eq!(host.all(), before);
    assert_eq!(host.run("--apply: nonsense").status.code(), Some(2));
}

#[test]
fn a_setting_that_cannot_be_written_leaves_everything_as_it_was() {
    let host = Host::new();
    // Can be read, and every write fails: the kernel's way to say no.
    std::os::unix::fs::symlink("/proc/version", host.path("proc/sys/vm/stat_interval")).unwrap();
    let before = host.value("proc/sys/vm/swappiness");
    let output = host.run("--apply");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    // Root finds out when it writes, others before.
    assert!(told.contains("taking back") || told.contains("nothing was changed"), "{told}");
    assert_eq!(host.value("proc/sys/vm/swappiness"), before, "{told}");
    assert_eq!(host.value("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), "powersave");
    assert!(!host.path("var/lib/hft/tune-host.saved").exists());
}
