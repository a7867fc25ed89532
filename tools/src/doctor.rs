//! `hft doctor`: looks at this host, this configuration and this data directory, and says what to fix first. It changes
//! nothing, and may be asked while the venue runs.

use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use engine::runtime::host;
use engine::runtime::topology::Topology;
use serde_json::json;

use crate::VenueArgs;
use crate::bench::yardstick;
use crate::clock::utc_now;
use crate::config::{Config, DurabilityMode};
use crate::counters::alarms::alarms;
use crate::counters::file::Snapshot;
use crate::output::print_line;
use crate::top::nanos;
use crate::{placement, tables};

/// What to fix first on this host.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hft doctor --config configs/hft.toml")]
pub struct Args {
    #[command(flatten)]
    venue: VenueArgs,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// The venue does not start, or loses what it should keep.
    Broken,
    /// It runs, slower than it could.
    Slow,
    /// As it should be.
    Fine,
}

impl Weight {
    const fn word(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Slow => "slow",
            Self::Fine => "fine",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
struct Finding {
    weight: Weight,
    what: &'static str,
    found: String,
    /// What to do; empty when it is fine.
    fix: String,
}

/// All findings.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, weight: Weight, what: &'static str, found: impl Into<String>, fix: &str) {
        self.0.push(Finding { weight, what, found: found.into(), fix: fix.to_owned() });
    }

    /// Fine, or else.
    #[expect(clippy::too_many_arguments, reason = "a line of a table")]
    fn check(&mut self, is_fine: bool, weight: Weight, what: &'static str, found: impl Into<String>, fix: &str) {
        if is_fine { self.add(Weight::Fine, what, found, "") } else { self.add(weight, what, found, fix) }
    }
}

/// Looks at everything, worst first; exit code 1 when something is broken.
#[expect(clippy::unnecessary_wraps, reason = "as every subcommand")]
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    let topology = Topology::of_this_host();
    match args.venue.load() {
        Ok(config) => {
            findings.add(Weight::Fine, "configuration", args.venue.config.display().to_string(), "");
            look_at_plan(&mut findings, &topology, &config);
            look_at_data(&mut findings, &config);
            look_at_limits(&mut findings, &config);
            look_at_huge_pages(&mut findings, &topology, &config);
        }
        Err(error) => findings.add(Weight::Broken, "configuration", error.to_string(), "correct that key"),
    }
    look_at_clock(&mut findings, Path::new("/"));
    look_at_pauses(&mut findings, &topology);
    for line in &topology.untuned {
        // The number of cpus is nothing that a setting changes.
        let is_small = line.ends_with("share one thread");
        let fix = if is_small {
            "more cpus, a core each for edge, core and journal; until then hft topology --measure finds the faster way to share"
        } else {
            "scripts/tune-host.sh --check"
        };
        findings.add(Weight::Slow, "host", line.clone(), fix);
    }
    let mut found = findings.0;
    found.sort_by_key(|finding| finding.weight);
    let is_broken = found.iter().any(|finding| finding.weight == Weight::Broken);
    if args.json {
        let list: Vec<_> = found
            .iter()
            .map(|one| json!({ "weight": one.weight.word(), "what": one.what, "found": one.found, "fix": one.fix }))
            .collect();
        print_line(&json!({ "broken": is_broken, "findings": list }).to_string());
    } else {
        print_line(&table(&found));
    }
    Ok(if is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn table(found: &[Finding]) -> String {
    let mut lines: Vec<String> = found
        .iter()
        .map(|one| {
            let fix = if one.fix.is_empty() { String::new() } else { format!("\n{:<23} -> {}", "", one.fix) };
            format!("{:<7} {:<14} {}{fix}", one.weight.word(), one.what, one.found)
        })
        .collect();
    let count = |weight| found.iter().filter(|one| one.weight == weight).count();
    match found.first().filter(|one| one.weight != Weight::Fine) {
        Some(first) => lines.push(format!(
            "\n{} broken, {} slow, {} fine; fix first: {}: {}",
            count(Weight::Broken),
            count(Weight::Slow),
            count(Weight::Fine),
            first.what,
            first.fix
        )),
        None => lines.push("nothing to fix".to_owned()),
    }
    lines.join("\n")
}

fn look_at_plan(findings: &mut Findings, topology: &Topology, config: &Config) {
    match placement::plan(topology, config) {
        Ok(plan) => findings.add(Weight::Fine, "threads", plan.reasons.join("; "), ""),
        Err(refusal) => findings.add(Weight::Broken, "threads", refusal.to_string(), "see hft topology"),
    }
}

fn look_at_data(findings: &mut Findings, config: &Config) {
    /// Below this the next segments and streams may find no room.
    const FREE_MIN: u64 = 4 << 30;
    let dir = &config.data_dir;
    let live = Snapshot::read(dir).ok();
    let runs = live.as_ref().is_some_and(Snapshot::is_live);
    if let Some(snapshot) = live.filter(|_| runs) {
        findings.add(Weight::Fine, "venue", format!("runs, process {}", snapshot.process), "");
        for alarm in alarms(&snapshot, utc_now().0) {
            let fix = format!("docs/operations.md, {}", alarm.name);
            findings.add(Weight::Slow, "alarm", format!("{}: {}", alarm.name, alarm.found), &fix);
        }
    } else {
        for (what, address) in [
            ("order entry", config.order_entry_address),
            ("feed", config.feed_address),
            ("drop copy", config.drop_copy_address),
        ] {
            match TcpListener::bind(address) {
                Ok(_) => findings.add(Weight::Fine, what, format!("{address} is free"), ""),
                Err(error) => {
                    let fix = "stop whoever uses it, or shift the ports with --port-offset N";
                    findings.add(Weight::Broken, what, format!("{address}: {error}"), fix);
                }
            }
        }
    }
    let existing = dir.ancestors().find(|folder| folder.is_dir()).unwrap_or_else(|| Path::new("."));
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    match host::free_bytes(existing) {
        Ok(free) => {
            let found = format!("{} MiB free for {}", free >> 20, dir.display());
            findings.check(free >= FREE_MIN, Weight::Broken, "disk space", found, "make room: 4 GiB are a day's worth");
        }
        Err(error) => {
            findings.add(Weight::Broken, "disk space", error.to_string(), "name a data directory that can be used");
        }
    }
    let flushes = tempfile_free_probe(existing);
    match flushes {
        Ok(times) => {
            let (p50, p99) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
            let needs = config.durability == DurabilityMode::Fdatasync;
            let found = format!("a flush takes {} (p50), {} (p99)", nanos(p50), nanos(p99));
            let fix =
                "every answer waits for a flush: a disk with power-loss protection, or durability.mode = \"journal\"";
            findings.check(!needs || p99 < 5_000_000, Weight::Slow, "disk speed", found, fix);
        }
        Err(error) => {
            findings.add(Weight::Broken, "disk speed", format!("{error:#}"), "the data directory must be writable");
        }
    }
}

/// Flushes in a folder of our own, so that nothing of the venue is touched.
fn tempfile_free_probe(folder: &Path) -> anyhow::Result<hdrhistogram::Histogram<u64>> {
    let probe = folder.join(format!(".hft-doctor-{}", std::process::id()));
    std::fs::create_dir(&probe)?;
    let times = yardstick::flushes(&probe, 20);
    drop(std::fs::remove_dir_all(&probe));
    times
}

fn look_at_limits(findings: &mut Findings, config: &Config) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name))?;
        let word = line.strip_prefix(name)?.split_whitespace().next()?;
        Some(word.parse().unwrap_or(u64::MAX))
    };
    let files = soft("Max open files").unwrap_or(u64::MAX);
    let wanted = u64::from(config.order_entry().connections_max)
        + u64::from(config.feed().subscribers_max)
        + u64::from(config.drop_copy().connections_max)
        + 256;
    let found = format!("{files} allowed, {wanted} may be needed");
    findings.check(files >= wanted, Weight::Broken, "open files", found, "ulimit -n, or lower connections_max");
    let locked = soft("Max locked memory").unwrap_or(u64::MAX);
    if config.host().lock_memory == placement::Step::On {
        let found = format!("{} MiB may be locked", locked >> 20);
        findings.check(locked == u64::MAX, Weight::Slow, "locked memory", found, "ulimit -l unlimited");
    }
}

fn look_at_huge_pages(findings: &mut Findings, topology: &Topology, config: &Config) {
    if config.host().huge_pages == placement::Step::Off {
        findings.add(Weight::Fine, "huge pages", "not wanted (host.huge_pages)", "");
        return;
    }
    let running = Snapshot::read(&config.data_dir).ok().filter(Snapshot::is_live);
    if let Some(running) = running {
        let mib = |name: &str| running.number(name) >> 20;
        let (explicit, transparent) = (mib("memory.tables_explicit_bytes"), mib("memory.tables_transparent_bytes"));
        let found = format!("tables: {explicit} MiB in explicit ones, {transparent} MiB in transparent ones");
        findings.add(Weight::Fine, "huge pages", found, "");
        return;
    }
    let wanted = tables::huge_pages_of_one_core(config);
    let is_fine = topology.huge_pages.free >= wanted || topology.huge_pages.transparent != "never";
    let fix = format!("echo {} > /proc/sys/vm/nr_hugepages before the start", wanted * 2);
    findings.check(is_fine, Weight::Slow, "huge pages", tables::line(topology, wanted), &fix);
}

fn look_at_clock(findings: &mut Findings, root: &Path) {
    let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let source = text("sys/devices/system/clocksource/clocksource0/current_clocksource");
    let source = source.trim();
    let fix = "clocksource=tsc on the kernel command line: another source is a system call per reading";
    findings.check(source == "tsc" || source.is_empty(), Weight::Slow, "clock source", source, fix);
    let flags = text("proc/cpuinfo");
    let steady = ["constant_tsc", "nonstop_tsc"].iter().all(|flag| flags.contains(flag));
    if cfg!(target_arch = "x86_64") {
        let found = if steady { "runs at a constant rate" } else { "may stop or change its rate" };
        let fix = "stages and benches are timed with it: take their figures on another machine";
        findings.check(steady, Weight::Slow, "time stamps", found, fix);
    }
}

fn look_at_pauses(findings: &mut Findings, topology: &Topology) {
    const LOOK: Duration = Duration::from_millis(200);
    const LONG_NS: u64 = 100_000;
    let Some(cpu) = topology.plan(false).core.cpu.or(topology.allowed.first().copied()) else { return };
    match yardstick::jitter(cpu, LOOK, 1_000) {
        Ok(pauses) => {
            let found = format!("cpu {cpu} was away {} times in 200 ms, at most {}", pauses.len(), nanos(pauses.max()));
            let fix = "hft bench jitter; isolate the cpu, move interrupts (scripts/tune-host.sh)";
            findings.check(pauses.max() < LONG_NS, Weight::Slow, "pauses", found, fix);
        }
        Err(error) => findings.add(Weight::Slow, "pauses", format!("{error:#}"), "choose another cpu"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_is_what_to_fix() {
        let mut findings = Findings::default();
        findings.check(true, Weight::Broken, "space", "enough", "unused");
        findings.check(false, Weight::Slow, "clock", "acpi_pm", "use tsc");
        findings.add(Weight::Broken, "port", "in use", "free it");
        let mut found = findings.0;
        found.sort_by_key(|finding| finding.weight);
        let text = table(&found);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("broken  port") && lines[2].starts_with("slow    clock"), "{text}");
        assert_eq!(lines.last(), Some(&"1 broken, 1 slow, 1 fine; fix first: port: free it"));
        assert!(table(&[]).contains("nothing to fix"));
    }
}
