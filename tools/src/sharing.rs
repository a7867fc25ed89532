//! `hft topology --measure`: starts a venue whose hot agents take turns on one thread, and one whose threads yield to each
//! other, measures an order's round trip in both in turns (A B B A), and keeps the result in the data directory, where the
//! plan of threads finds it.

use std::path::Path;

use anyhow::Context;
use engine::runtime::sharing::Measured;
use engine::runtime::topology::{self, Topology};
use serde::{Deserialize, Serialize};

use crate::VenueArgs;
use crate::bench::round_trip::histogram;
use crate::bench::trips::OrderLoop;
use crate::bench::venue::{BenchVenue, Template};
use crate::config::DurabilityMode;
use crate::output::rounds_bar;

/// Name of the file in the data directory.
const FILE_NAME: &str = "placement.json";
/// How long it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Orders of each quarter of a round.
    pub orders: u32,
    /// Rounds; in each every candidate runs twice.
    pub rounds: u32,
}

/// The venues that are measured listen about this far from the configured ports.
const PORT_OFFSET: u16 = 20_000;

/// The file: what was found, and on which machine.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    cpu: String,
    cpus: Vec<usize>,
    turns_p50_ns: u64,
    yield_p50_ns: u64,
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name")).unwrap_or_default();
    line.split_once(':').map_or("", |(_, model)| model).trim().to_owned()
}

/// What was measured, if that was on this machine with these cpus.
pub fn measured(data_dir: &Path, topology: &Topology) -> Option<Measured> {
    let text = std::fs::read_to_string(data_dir.join(FILE_NAME)).ok()?;
    let kept: Kept = serde_json::from_str(&text).ok()?;
    let is_here = kept.cpu == cpu_model() && kept.cpus == topology.allowed;
    is_here.then_some(Measured { turns_ns: kept.turns_p50_ns, yield_ns: kept.yield_p50_ns })
}

/// Measures and keeps it.
///
/// # Errors
/// A venue that does not come up, a data directory that cannot be written.
pub fn measure(args: &VenueArgs, topology: &Topology, data_dir: &Path, effort: Effort) -> anyhow::Result<Measured> {
    let hot = topology.plan(false).core.cpu;
    let own = topology.allowed.iter().copied().find(|cpu| Some(*cpu) != hot);
    // Away from the venue that may run, and inside what ports there are.
    let offset = if args.port_offset < 2 * PORT_OFFSET {
        args.port_offset + PORT_OFFSET / 2
    } else {
        args.port_offset - PORT_OFFSET
    };
    let bar = rounds_bar(effort.rounds.into());
    let one = |sharing: &str| {
        let durability = DurabilityMode::Journal;
        let venue = BenchVenue::start_with(
            &Template { config: args.config.clone(), port_offset: offset },
            durability,
            &["--sharing", sharing],
        )?;
        // After the venue has started: it would inherit the place.
        topology::run_on(&own.map_or_else(|| topology.allowed.clone(), |cpu| vec![cpu]))?;
        let mut orders = OrderLoop::login(venue.address, false)?;
        orders.round(effort.orders / 4, &mut histogram()?)?;
        let mut times = histogram()?;
        orders.round(effort.orders, &mut times)?;
        topology::run_on(&topology.allowed)?;
        anyhow::Ok(times.value_at_quantile(0.5))
    };
    let (mut turns, mut yields) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        turns.push(one("turns")?);
        yields.push(one("yield")?);
        yields.push(one("yield")?);
        turns.push(one("turns")?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let median = |times: &mut Vec<u64>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(u64::MAX)
    };
    let found = Measured { turns_ns: median(&mut turns), yield_ns: median(&mut yields) };
    keep(data_dir, topology, found)?;
    Ok(found)
}

fn keep(data_dir: &Path, topology: &Topology, found: Measured) -> anyhow::Result<()> {
    if !data_dir.exists() {
        std::fs::create_dir(data_dir).with_context(|| format!("cannot create {}", data_dir.display()))?;
    }
    let kept = Kept {
        cpu: cpu_model(),
        cpus: topology.allowed.clone(),
        turns_p50_ns: found.turns_ns,
        yield_p50_ns: found.yield_ns,
    };
    let path = data_dir.join(FILE_NAME);
    std::fs::write(&path, serde_json::to_string_pretty(&kept)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_counts_on_that_machine_only() {
        let dir = tempfile::tempdir().unwrap();
        let here = Topology { allowed: vec![0, 1], ..Topology::default() };
        assert_eq!(measured(dir.path(), &here), None);
        let found = Measured { turns_ns: 7_000, yield_ns: 9_000 };
        keep(dir.path(), &here, found).unwrap();
        assert_eq!(measured(dir.path(), &here), Some(found));
        let other = Topology { allowed: vec![0, 1, 2], ..Topology::default() };
        assert_eq!(measured(dir.path(), &other), None);
        std::fs::write(dir.path().join(FILE_NAME), "{").unwrap();
        assert_eq!(measured(dir.path(), &here), None);
    }
}
