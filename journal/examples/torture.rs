//! Tortures a journal on a simulated disk and prints what it came to; the first rule that does not hold ends it with exit code 1
//! and what repeats it.
//!
//! `cargo run --release -p journal --example torture -- power-cuts [CASES] [FIRST SEED] | failing-calls [SEEDS] | bits [BYTES] [STEP] | cuts [BYTES] |
//! full-disks [SIZES] | snapshots [STEP OF BITS]`

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::io::ErrorKind;
use std::process::ExitCode;

use journal::testing::{Figures, every_bit, every_cut, every_page, failing_calls, full_disks, power_cuts};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let mut numbers = arguments.map_while(|text| text.parse::<u64>().ok());
    let first = numbers.next();
    let second = numbers.next();
    let done = match what.as_str() {
        "power-cuts" => cuts_of_power(first.unwrap_or(1_000_000), second.unwrap_or(0)),
        "failing-calls" => calls(first.unwrap_or(100)),
        "bits" => bits(first.unwrap_or(1 << 20), second.unwrap_or(1)),
        "cuts" => every_cut(first.unwrap_or(65_536)).map(|figures| println!("cuts: {figures:?}")),
        "full-disks" => full_disks(4..first.unwrap_or(400)).map(|figures| println!("full disks: {figures:?}")),
        "snapshots" => pages(first.unwrap_or(997)),
        _ => Err("name one of: power-cuts, failing-calls, bits, cuts, full-disks, snapshots".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// In portions, so that something is seen meanwhile; the last line has them all.
fn cuts_of_power(cases: u64, first: u64) -> Result<(), String> {
    let (mut all, mut seed) = (Figures::default(), first);
    while all.cases < cases {
        let figures = power_cuts(seed..seed + 10_000)?;
        all.cases += figures.cases;
        all.acknowledged += figures.acknowledged;
        all.lost_unacknowledged += figures.lost_unacknowledged;
        all.torn += figures.torn;
        seed += 10_000;
        println!("power cuts, seeds below {seed}: {all:?}");
    }
    Ok(())
}

fn calls(seeds: u64) -> Result<(), String> {
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        let (mut cases, mut failed) = (0, 0);
        for seed in 0..seeds {
            let figures = failing_calls(seed, kind)?;
            (cases, failed) = (cases + figures.cases, failed + figures.failed);
        }
        println!("failing calls, {kind}: {seeds} scenarios, {cases} cases, {failed} of them failed and recovered");
    }
    Ok(())
}

fn pages(step: u64) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let figures = every_page(folder.path(), usize::try_from(step).map_err(|error| error.to_string())?)?;
    println!("snapshots: {figures:?}");
    Ok(())
}

fn bits(bytes: u64, step: u64) -> Result<(), String> {
    let step = usize::try_from(step).map_err(|error| error.to_string())?;
    for (flushes, is_sealed) in [(false, true), (true, false)] {
        let figures = every_bit(bytes, step, flushes, is_sealed)?;
        println!("bits, flushes {flushes}, sealed {is_sealed}: {figures:?}");
    }
    Ok(())
}
