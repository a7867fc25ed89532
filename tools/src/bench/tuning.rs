//! `hft bench tuning`: what each tuning step is worth on this machine. Each is taken alone, measured beside the machine as it
//! is (A B B A, a venue of its own each time), and taken back. Steps of the host are those of scripts/tune-host.sh; steps of
//! the venue are keys of hft.toml. What this machine has not, or does not allow, is named.

#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]
#![expect(clippy::format_collect, reason = "a table is made once")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, ensure};
use engine::runtime::topology::{self, Topology};
use serde_json::json;

use crate::bench::load::{Offer, offer};
use crate::bench::middle::Middle;
use crate::bench::round_trip::histogram;
use crate::bench::trips::OrderLoop;
use crate::bench::venue::{BenchVenue, Template};
use crate::bench::wire::{self, Mix, host};
use crate::config::DurabilityMode;
use crate::output::{print_line, rounds_bar};

/// What each tuning step is worth.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these steps, as "swappiness,locked memory"
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    only: Vec<String>,
    /// Print the steps and whether they can be measured here, and end
    #[arg(long)]
    list: bool,
    /// Times that base, step, step, base are measured
    #[arg(long, value_name = "N", default_value_t = 8)]
    rounds: u32,
    /// Orders one at a time of each quarter
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    orders: u32,
    /// Requests per second of the open loop of each quarter: few, so that there are quiet moments
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    rate: u64,
    /// Milliseconds of that open loop
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    open_ms: u64,
    /// The script that changes the host
    #[arg(long, value_name = "PATH", default_value = "scripts/tune-host.sh")]
    script: PathBuf,
    #[command(flatten)]
    venue: Template,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// A step of the venue: keys without it, and with it.
struct VenueStep {
    name: &'static str,
    without: &'static [(&'static str, &'static str, &'static str)],
    with: &'static [(&'static str, &'static str, &'static str)],
}

/// Section, key, value in TOML.
const VENUE_STEPS: [VenueStep; 6] = [
    VenueStep {
        name: "huge pages for tables",
        without: &[("host", "huge_pages", "\"off\"")],
        with: &[("host", "huge_pages", "\"auto\"")],
    },
    VenueStep { name: "huge pages for all large memory", without: &[], with: &[("host", "huge_pages", "\"on\"")] },
    VenueStep { name: "locked memory", without: &[], with: &[("host", "lock_memory", "\"on\"")] },
    VenueStep { name: "cpus kept awake", without: &[], with: &[("host", "cpu_dma_latency", "\"on\"")] },
    VenueStep { name: "SCHED_FIFO", without: &[], with: &[("host", "fifo_priority", "50")] },
    VenueStep { name: "hot thread always spins", without: &[], with: &[("threads", "core_wait", "\"spin\"")] },
];

/// A step and what is known of it before it is measured.
struct Step {
    name: String,
    /// `None` for one of the host's.
    venue: Option<&'static VenueStep>,
    /// Why it is not measured.
    left_out: Option<String>,
}

/// Quantiles of one quarter: round trip p50 and p99, open loop p50 and p99, ns.
type Quarter = [u64; 4];
const NAMES: [&str; 4] = ["trip p50", "trip p99", "open p50", "open p99"];

/// What a step came to.
struct Worth {
    name: String,
    outcome: Result<Ratios, String>,
}

/// With the step over without it, and the base over itself, of all rounds.
struct Ratios {
    step: [Middle; 4],
    base: [Middle; 4],
}

/// Measures all steps, or those asked for, and prints a table.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(args.rounds > 0 && args.orders > 0 && args.rate > 0, "--rounds, --orders and --rate: expected at least 1");
    let topology = Topology::of_this_host();
    let hot = topology.plan(false).core.cpu;
    let script = Script { path: args.script.clone(), hot };
    let mut steps = script.steps()?;
    steps.extend(VENUE_STEPS.iter().map(|step| Step { name: step.name.to_owned(), venue: Some(step), left_out: None }));
    for name in &args.only {
        ensure!(steps.iter().any(|step| step.name == *name), "--only {name}: no such step; --list names them");
    }
    steps.retain(|step| args.only.is_empty() || args.only.contains(&step.name));
    if args.list {
        for step in &steps {
            print_line(&format!("{:<34} {}", step.name, step.left_out.as_deref().unwrap_or("can be measured")));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let bar = rounds_bar(steps.iter().filter(|step| step.left_out.is_none()).count() as u64 * u64::from(args.rounds));
    let mut worths = Vec::new();
    for step in steps {
        bar.set_message(step.name.clone());
        let outcome = match &step.left_out {
            Some(why) => Err(why.clone()),
            None => measure(args, &script, &step, || bar.inc(1)).map_err(|error| format!("refused here: {error:#}")),
        };
        worths.push(Worth { name: step.name, outcome });
    }
    bar.finish_and_clear();
    if args.json {
        print_line(&as_json(&worths).to_string());
    } else {
        for (name, what) in host(&topology) {
            print_line(&format!("{name:<14} {what}"));
        }
        print_line(&table(&worths));
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args, script: &Script, step: &Step, mut tick: impl FnMut()) -> anyhow::Result<Ratios> {
    let folder = std::env::temp_dir().join(format!("hft-tuning-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (base, tuned) = (folder.join("base.toml"), folder.join("step.toml"));
    write_config(&args.venue.config, &base, step.venue.map_or(&[], |venue| venue.without))?;
    write_config(&args.venue.config, &tuned, step.venue.map_or(&[], |venue| venue.with))?;
    let with = || {
        let _applied = if step.venue.is_none() { Some(script.apply(&step.name)?) } else { None };
        quarter(args, &tuned)
    };
    let (mut step, mut base_alone) = ([const { Vec::new() }; 4], [const { Vec::new() }; 4]);
    for _ in 0..args.rounds {
        let [a, b, c, d] = [quarter(args, &base)?, with()?, with()?, quarter(args, &base)?];
        for (at, (step, base_alone)) in step.iter_mut().zip(&mut base_alone).enumerate() {
            let [a, b, c, d] = [a, b, c, d].map(|quarter| quarter.get(at).map_or(1.0, |nanos| (*nanos).max(1) as f64));
            step.push((b + c) / (a + d));
            base_alone.push(d / a);
        }
        tick();
    }
    drop(std::fs::remove_dir_all(&folder));
    Ok(Ratios { step: step.map(Middle::of), base: base_alone.map(Middle::of) })
}

/// A venue of its own, orders one at a time, then an open loop.
fn quarter(args: &Args, config: &Path) -> anyhow::Result<Quarter> {
    let venue = BenchVenue::start(&Template { config: config.to_owned(), ..args.venue }, DurabilityMode::Journal)?;
    // After the venue has started: it would inherit the place.
    let topology = Topology::of_this_host();
    let hot = topology.plan(false).core.cpu;
    if let Some(cpu) = topology.allowed.iter().find(|cpu| Some(**cpu) != hot) {
        topology::run_on(&[*cpu])?;
    }
    let mut orders = OrderLoop::login(venue.address, false)?;
    orders.round(args.orders / 4, &mut histogram()?)?;
    let mut times = histogram()?;
    orders.round(args.orders, &mut times)?;
    drop(orders);
    let mut sessions = [wire::log_in(&venue, Mix::Rest, 1)?];
    let warm_up = Duration::from_millis(100);
    let open =
        offer(&mut sessions, Offer { per_second: args.rate, warm_up, time: Duration::from_millis(args.open_ms) })?
            .times;
    topology::run_on(&topology.allowed)?;
    let at = |quantile| [times.value_at_quantile(quantile), open.value_at_quantile(quantile)];
    let ([trip50, open50], [trip99, open99]) = (at(0.5), at(0.99));
    Ok([trip50, trip99, open50, open99])
}

/// The configuration with some keys changed.
fn write_config(from: &Path, to: &Path, keys: &[(&str, &str, &str)]) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut table: toml::Table = text.parse().with_context(|| format!("{} is no TOML", from.display()))?;
    for (section, key, value) in keys {
        let section = table.entry(*section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let value: toml::Table = format!("value = {value}").parse()?;
        let value = value.get("value").context("a value")?.clone();
        section.as_table_mut().context("a section")?.insert((*key).to_owned(), value);
    }
    std::fs::write(to, toml::to_string(&table)?).with_context(|| format!("cannot write {}", to.display()))
}

/// scripts/tune-host.sh.
struct Script {
    path: PathBuf,
    hot: Option<usize>,
}

/// A step that was applied; taken back when dropped.
struct Applied<'a>(&'a Script);

impl Script {
    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("bash");
        command.arg(&self.path).args(arguments);
        if let Some(cpu) = self.hot {
            command.env("HOT_CPUS", cpu.to_string());
        }
        let output = command.output().context("bash cannot be started")?;
        let complaint = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
        ensure!(output.status.success(), "{} {}: {complaint}", self.path.display(), arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn steps(&self) -> anyhow::Result<Vec<Step>> {
        let told = self.run(&["--steps"])?;
        let step = |line: &str| {
            let (name, state) = line.split_once('\t')?;
            let left_out = match state {
                "differs" => None,
                "as wanted" => Some("is so already".to_owned()),
                _ => Some("not on this machine".to_owned()),
            };
            Some(Step { name: name.to_owned(), venue: None, left_out })
        };
        Ok(told.lines().filter_map(step).collect())
    }

    fn apply(&self, name: &str) -> anyhow::Result<Applied<'_>> {
        self.run(&["--apply", name]).map(|_| Applied(self))
    }
}

impl Drop for Applied<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.run(&["--revert"]) {
            eprintln!("{error:#}; take it back with scripts/tune-host.sh --revert");
        }
    }
}

fn table(worths: &[Worth]) -> String {
    let heads: String = NAMES.iter().map(|name| format!("  {name:>18}")).collect();
    let mut lines = vec![format!("{:<34}{heads}", "step: with it over without it")];
    let cells = |ratios: &[Middle; 4]| -> String {
        let cell = |ratio: &Middle| format!("{:.2} [{:.2}-{:.2}]", ratio.median, ratio.low, ratio.high);
        ratios.iter().map(|ratio| format!("  {:>18}", cell(ratio))).collect()
    };
    for worth in worths {
        match &worth.outcome {
            Ok(ratios) => {
                let verdict = if ratios.step.iter().any(|ratio| ratio.differs()) { "" } else { "  noise" };
                lines.push(format!("{:<34}{}{verdict}", worth.name, cells(&ratios.step)));
                lines.push(format!("{:<34}{}", "    the machine as it is, twice", cells(&ratios.base)));
            }
            Err(why) => lines.push(format!("{:<34}  {why}", worth.name)),
        }
    }
    lines.push(
        "below 1 is faster; medians of the rounds with an interval of 95 %: one that holds 1 tells no difference"
            .to_owned(),
    );
    lines.join("\n")
}

fn as_json(worths: &[Worth]) -> serde_json::Value {
    let list = worths.iter().map(|worth| match &worth.outcome {
        Ok(ratios) => {
            let named = |values: &[Middle; 4]| -> serde_json::Map<String, serde_json::Value> {
                NAMES.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value.json())).collect()
            };
            json!({ "step": worth.name, "with_over_without": named(&ratios.step), "base_over_base": named(&ratios.base) })
        }
        Err(why) => json!({ "step": worth.name, "left_out": why }),
    });
    json!({ "steps": list.collect::<Vec<_>>() })
}
