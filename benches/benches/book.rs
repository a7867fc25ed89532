//! The matching core against the textbook book and the naive model, on six markets: see `benches::matching`.
//!
//! `cargo bench -p benches --bench book` prints nanoseconds per command and ratios; `-- --tiny` is the short run of CI;
//! `-- --regime NAME`, `--rounds N`, `--commands N`, `--instruments N`, `--accounts N`, `--standing N`, `--limits` and `--only fast`
//! (with `--limits`: `with` or `without`) narrow it down. `hft bench core` is the same for the users of the binary.

#![expect(clippy::print_stdout, reason = "a report")]

use benches::matching::{Options, REGIMES, host, measure, measure_only};
use benches::risk::{measure_risk, measure_risk_only};
use std::process::ExitCode;

struct Wanted {
    options: Options,
    regime: Option<String>,
    only: Option<String>,
    limits: bool,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted { options: Options::full(), regime: None, only: None, limits: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut text = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        let number = |text: String| text.replace('_', "").parse().map_err(|error| format!("{text}: {error}"));
        let mut small = || number(text()?).map(|number: usize| u32::try_from(number).unwrap_or(1 << 24));
        let options = &mut wanted.options;
        match argument.as_str() {
            "--bench" => {}
            "--tiny" => *options = Options { scale: options.scale, ..Options::tiny() },
            "--commands" => options.commands = small()? as usize,
            "--rounds" => options.rounds = small()? as usize,
            "--regime" => wanted.regime = Some(text()?),
            "--limits" => wanted.limits = true,
            "--only" => wanted.only = Some(text()?),
            "--instruments" => options.scale.instruments = u16::try_from(small()?).unwrap_or(u16::MAX),
            "--accounts" => options.scale.accounts = small()?,
            "--standing" => *options = options.standing(small()?),
            _ => return Err(format!("{argument}: see the head of benches/benches/book.rs")),
        }
    }
    Ok(wanted)
}

fn run(wanted: &Wanted) -> Result<bool, String> {
    let mut is_equal = true;
    for regime in REGIMES.iter().filter(|regime| wanted.regime.as_deref().is_none_or(|name| name == regime.name)) {
        if let (true, Some(only)) = (wanted.limits, &wanted.only) {
            for nanos in measure_risk_only(only == "with", regime, &wanted.options) {
                println!("{:12} limits, {only}: {nanos:.2} ns", regime.name);
            }
        } else if wanted.limits {
            let figures = measure_risk(regime, &wanted.options, || ());
            let [without, with, added] = [&figures.without, &figures.with, &figures.added].map(ToString::to_string);
            println!(
                "{:12} without limits {without} ns, with every kind {with} ns, added {added} ns, {}",
                regime.name,
                if figures.is_equal { "equal" } else { "DIFFERENT" }
            );
            is_equal &= figures.is_equal;
        } else if let Some(only) = &wanted.only {
            for nanos in measure_only(only, regime, &wanted.options)? {
                println!("{:12} {only} {nanos:.2} ns", regime.name);
            }
        } else {
            let figures = measure(regime, &wanted.options, || ());
            println!("{figures}");
            is_equal &= figures.is_equal;
        }
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
