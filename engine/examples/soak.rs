//! Compares the core with the naive model for as long as one likes.
//!
//! `cargo run --release -p engine --example soak -- --seed 1 --commands 1_000_000_000`
//!
//! Seeds count up from `--seed`; each plays `--length` commands (default 20,000), so any failure is reproduced by its
//! own seed alone. Ends with 0 when all agreed, with 1 and the fewest commands that differ when not.

#![expect(clippy::print_stdout, reason = "a command-line program")]

use engine::testing::differential::{Pace, run};
use std::process::ExitCode;

struct Options {
    seed: u64,
    commands: u64,
    length: u64,
    verify_every: u64,
}

fn options() -> Result<Options, String> {
    let mut options = Options { seed: 1, commands: 10_000_000, length: 20_000, verify_every: 1_000 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} wants a number"))?;
        let digits = value.replace('_', "");
        let number = digits
            .strip_prefix("0x")
            .map_or_else(|| digits.parse(), |hex| u64::from_str_radix(hex, 16))
            .map_err(|error| format!("{name} {value}: {error}"))?;
        match name.as_str() {
            "--seed" => options.seed = number,
            "--commands" | "--steps" => options.commands = number,
            "--length" => options.length = number.max(1),
            "--verify-every" => options.verify_every = number,
            _ => return Err(format!("{name}: there are --seed, --commands, --length, --verify-every")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let pace = Pace { state_every: options.verify_every, verify_every: options.verify_every };
    let (mut seed, mut played, mut next_line) = (options.seed, 0, 1_000_000);
    while played < options.commands {
        let steps = options.length.min(options.commands - played);
        if let Err(failure) = run(seed, steps, pace) {
            println!("{}\nfewest commands: {:#?}", failure.message, failure.commands);
            println!("seed {:#x} differs at command {}; again:", failure.seed, failure.steps);
            println!(
                "cargo run --release -p engine --example soak -- --seed {:#x} --commands {} --length {}",
                failure.seed, failure.steps, options.length
            );
            return ExitCode::FAILURE;
        }
        played += steps;
        seed = seed.wrapping_add(1);
        if played >= next_line {
            println!("{played} commands agree, next seed {seed}");
            next_line = played + 1_000_000;
        }
    }
    println!("{played} commands agree");
    ExitCode::SUCCESS
}
