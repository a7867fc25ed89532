//! `hft topology`: what this host has, and which thread the venue would put where, why, and how it waits.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use engine::runtime::plan::{Plan, Shape};
use engine::runtime::topology::{Topology, parse_cpu_list};
use serde_json::json;

use crate::VenueArgs;
use crate::output::print_line;
use crate::{placement, sharing, tables};

/// The cpus of this host and the plan of threads.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hft topology\n  hft topology --json\n  hft topology --measure")]
pub struct Args {
    #[command(flatten)]
    venue: VenueArgs,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// Below four cores: measures whether edge, core and journal are faster in turns on one thread or as threads that yield,
    /// and keeps the result in the data directory, where the plan takes it from
    #[arg(long)]
    measure: bool,
    /// Orders of each quarter of a round of --measure
    #[arg(long, value_name = "N", default_value_t = 4_000, hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    orders: u32,
    /// Rounds of --measure; in each, both ways run twice
    #[arg(long, value_name = "N", default_value_t = 3, hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// For tests: a folder instead of /, with cpus instead of the mask of this process
    #[arg(long, hide = true, value_name = "DIR", requires = "allowed")]
    root: Option<PathBuf>,
    /// For tests
    #[arg(long, hide = true, value_name = "CPUS")]
    allowed: Option<String>,
}

/// Prints it; fails where the configuration asks for what cannot be.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.venue.load()?;
    let topology = match (&args.root, &args.allowed) {
        (Some(root), Some(allowed)) => Topology::read(root, parse_cpu_list(allowed)),
        _ => Topology::of_this_host(),
    };
    if args.measure {
        let plan = topology.plan(false);
        ensure!(
            plan.shape == Shape::Shared && plan.core.cpu.is_some(),
            "--measure: nothing to choose here, where the hot agents {}",
            if plan.shape == Shape::Shared { "have one cpu and no other" } else { "have a core each" }
        );
        let effort = sharing::Effort { orders: args.orders, rounds: args.rounds };
        sharing::measure(&args.venue, &topology, &config.data_dir, effort)?;
    }
    let plan = placement::plan(&topology, &config)?;
    let wanted = tables::huge_pages_of_one_core(&config);
    if args.json {
        print_line(&as_json(&topology, &plan, wanted).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = host_lines(&topology);
    lines.push(format!("huge pages {}", tables::line(&topology, wanted)));
    lines.iter().chain(&plan_lines(&plan)).for_each(|line| print_line(line));
    for line in &topology.untuned {
        print_line(&format!("not tuned  {line}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Numbers as the kernel writes them, "0-3,8"; "none" without any.
pub fn cpus(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            Some(_) | None => ranges.push((*number, *number)),
        }
    }
    let told =
        ranges.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    if ranges.is_empty() { "none".to_owned() } else { told.collect::<Vec<_>>().join(",") }
}

fn host_lines(topology: &Topology) -> Vec<String> {
    let mut lines = vec![format!(
        "cpus       {} allowed, {} isolated, {} without tick",
        cpus(&topology.allowed),
        cpus(&topology.isolated),
        cpus(&topology.nohz_full)
    )];
    for cpu in &topology.cpus {
        lines.push(format!(
            "  cpu {:<4} package {}, node {}, core of cpu {}, last-level cache of cpu {}",
            cpu.id, cpu.package, cpu.node, cpu.core, cpu.cache_group
        ));
    }
    for node in &topology.nodes {
        lines.push(format!(
            "node {:<5} cpus {}, {} MiB, {} MiB free, {} huge pages free",
            node.id,
            cpus(&node.cpus),
            node.memory_kib / 1_024,
            node.free_kib / 1_024,
            node.free_huge_pages
        ));
    }
    for cache in &topology.caches {
        lines.push(format!("cache      L{} {} {} of cpus {}", cache.level, cache.kind, cache.size, cpus(&cache.cpus)));
    }
    let cpu =
        topology.limits.cpu_thousandths.map_or("none".to_owned(), |limit| format!("{limit} thousandths of a cpu"));
    let memory = topology.limits.memory_bytes.map_or("none".to_owned(), |limit| format!("{} MiB", limit >> 20));
    lines.push(format!("limits     cpu {cpu}, memory {memory} (control groups)"));
    lines
}

/// The plan, one line per thread and reason; also in the banner of `hft serve`.
pub fn plan_lines(plan: &Plan) -> Vec<String> {
    let line = |what: &str, rest: String| format!("{what:<10} {rest}");
    let mut lines = match plan.shape {
        Shape::Shared if plan.journal == plan.core => {
            vec![line("plan", format!("edge, journal, core: one thread on {}, {}", plan.core, plan.core.wait))]
        }
        Shape::Shared => vec![
            line("plan", format!("edge, core: one thread on {}, {}", plan.core, plan.core.wait)),
            line("plan", format!("journal: {}, {}", plan.journal, plan.journal.wait)),
        ],
        Shape::Spread => plan
            .hot()
            .iter()
            .map(|(name, placement)| line("plan", format!("{name}: {placement}, {}", placement.wait)))
            .collect(),
    };
    lines.push(line("plan", format!("everything else: cpus {}, sleeps between looks", cpus(&plan.housekeeping))));
    lines.extend(plan.reasons.iter().map(|reason| line("because", reason.clone())));
    lines
}

fn as_json(topology: &Topology, plan: &Plan, wanted: u64) -> serde_json::Value {
    let hot: serde_json::Map<_, _> = plan
        .hot()
        .iter()
        .map(|(name, placement)| {
            ((*name).to_owned(), json!({ "cpu": placement.cpu, "waits": placement.wait.to_string() }))
        })
        .collect();
    json!({
        "allowed": topology.allowed,
        "isolated": topology.isolated,
        "nohz_full": topology.nohz_full,
        "nodes": topology.nodes.iter().map(|node| json!({ "node": node.id, "cpus": node.cpus })).collect::<Vec<_>>(),
        "huge_pages": {
            "set_aside": topology.huge_pages.set_aside,
            "free": topology.huge_pages.free,
            "transparent": topology.huge_pages.transparent,
            "tables_of_a_core": wanted,
        },
        "cpu_limit_thousandths": topology.limits.cpu_thousandths,
        "memory_limit_bytes": topology.limits.memory_bytes,
        "shape": match plan.shape { Shape::Shared => "shared", Shape::Spread => "spread" },
        "node": plan.node,
        "threads": hot,
        "housekeeping": plan.housekeeping,
        "reasons": plan.reasons,
        "untuned": topology.untuned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_written_as_the_kernel_does() {
        assert_eq!(cpus(&[]), "none");
        assert_eq!(cpus(&[0, 1, 2, 3, 8, 10, 11]), "0-3,8,10-11");
    }
}
