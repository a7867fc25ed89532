//! What order types, auctions and trading states cost the orders that use none of them: the core as it is against the same sources
//! compiled without the tests that lead other orders their own way, in one run, in turns (A B B A), on the markets of `book.rs`.
//!
//! `cargo run --release -p benches --example order_types` prints nanoseconds per command and the ratio of each market, with its spread; `-- --tiny`,
//! `--regime NAME`, `--rounds N` and `--commands N` narrow it down; `--only with` or `--only without` runs one of them once, for a profiler.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::float_arithmetic, reason = "figures of a report")]

use crate::core::{Core as Plain, EventSink as PlainSink};
use benches::matching::{Candidate, Options, REGIMES, Regime, SEED, Spread, Workload, generate, hash, host, time};
use engine::core::{Core, EventSink};
use protocol::{Command, Event};
use std::process::ExitCode;

/// Only limit, market, immediate and hidden orders while trading: right for these flows, for no others.
const ORDER_TYPES: bool = false;

#[path = "../../engine/src/cache.rs"]
#[expect(dead_code, reason = "the core gives some of the hints only")]
mod cache;
#[path = "../../engine/src/core/mod.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::trivially_copy_pass_by_ref,
    reason = "the whole core, of which one function is called"
)]
mod core;
#[path = "../../engine/src/memory.rs"]
#[expect(dead_code, unreachable_pub, reason = "the core needs the tables only")]
mod memory;

/// The core without.
struct Without(Plain);

/// Hands on to the sink of the other crate.
struct Through<'a, S>(&'a mut S);

impl<S: EventSink> PlainSink for Through<'_, S> {
    #[inline]
    fn push(&mut self, event: Event) {
        self.0.push(event);
    }
}

impl Candidate for Without {
    fn open(_: &Workload) -> Self {
        Self(Plain::new())
    }

    fn apply(&mut self, command: &Command, sink: &mut impl EventSink) {
        self.0.apply(command, &mut Through(sink));
    }

    fn apply_all(&mut self, commands: &[Command], sink: &mut impl EventSink) {
        self.0.apply_some(commands, &mut Through(sink), |_| false);
    }

    fn warn(&self, commands: &[Command]) {
        self.0.prefetch_batch(commands);
    }
}

struct Wanted {
    options: Options,
    regime: Option<String>,
    only: Option<String>,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted { options: Options::full(), regime: None, only: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut text = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        let number = |text: String| text.replace('_', "").parse().map_err(|error| format!("{text}: {error}"));
        match argument.as_str() {
            "--tiny" => wanted.options = Options::tiny(),
            "--commands" => wanted.options.commands = number(text()?)?,
            "--rounds" => wanted.options.rounds = number(text()?)?,
            "--regime" => wanted.regime = Some(text()?),
            "--only" => wanted.only = Some(text()?),
            _ => return Err(format!("{argument}: see the head of benches/examples/order_types.rs")),
        }
    }
    Ok(wanted)
}

/// Both in turns; false when they tell different events.
fn compare(regime: &Regime, options: &Options) -> bool {
    let workload = generate(regime, options.scale, SEED, options.commands);
    let is_equal = hash::<Core>(&workload) == hash::<Without>(&workload);
    let (mut with, mut without, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let (a, b) = (time::<Core>(&workload, true), time::<Without>(&workload, true));
        let (c, d) = (time::<Without>(&workload, true), time::<Core>(&workload, true));
        with.extend([a, d]);
        without.extend([b, c]);
        ratio.push((a + d) / (b + c));
    }
    let [with, without, ratio] = [with, without, ratio].map(|mut values| Spread::of(&mut values));
    println!(
        "{:12} with order types {with} ns, without {without} ns, ratio {:.3} [{:.3}-{:.3}], {}",
        regime.name,
        ratio.median,
        ratio.low,
        ratio.high,
        if is_equal { "equal" } else { "DIFFERENT" }
    );
    is_equal
}

fn run(wanted: &Wanted) -> Result<bool, String> {
    let mut is_equal = true;
    for regime in REGIMES.iter().filter(|regime| wanted.regime.as_deref().is_none_or(|name| name == regime.name)) {
        let options = &wanted.options;
        let one: fn(&Workload) -> f64 = match wanted.only.as_deref() {
            None => {
                is_equal &= compare(regime, options);
                continue;
            }
            Some("with") => |workload| time::<Core>(workload, true),
            Some("without") => |workload| time::<Without>(workload, true),
            Some(other) => return Err(format!("--only {other}: expected with or without")),
        };
        println!("{:12} {:.2} ns", regime.name, one(&generate(regime, options.scale, SEED, options.commands)));
    }
    Ok(is_equal)
}

fn main() -> ExitCode {
    println!("{}", host());
    match wanted().and_then(|wanted| run(&wanted)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
