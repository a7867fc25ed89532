//! `hft bench all`: every bench, one after the other, in one report.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::FromArgMatches;

use crate::bench::section::Section;
use crate::bench::venue::Template;
use crate::bench::{core, journal, small, wire};
use crate::output::rounds_bar;

/// All benches.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for the report: report.json, report.html and one .hlog per rate and repeat
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Short runs: whether everything works, and no figures to quote
    #[arg(long)]
    quick: bool,
    /// The report as one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// An existing folder on the disk that is measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    venue: Template,
}

/// The arguments of a bench as its command line would have them.
fn parsed<A: clap::Args + FromArgMatches>(words: &[&str]) -> anyhow::Result<A> {
    let command = A::augment_args(clap::Command::new("bench"));
    let matches = command.try_get_matches_from(["bench"].iter().chain(words))?;
    Ok(A::from_arg_matches(&matches)?)
}

/// Runs all of them: how far it is on standard error, the report at the end.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut sections: Vec<Section> = Vec::new();
    let bar = rounds_bar(6);
    bar.set_message("jitter");
    let mut done = |section: Section, next: &'static str| {
        bar.inc(1);
        bar.set_message(next);
        sections.push(section);
    };
    let short = |words: &'static [&'static str]| if args.quick { words } else { &[] };
    let (config, dir) = (args.venue.config.display().to_string(), args.dir.display().to_string());
    let offset = args.venue.port_offset.to_string();
    let venue = ["--config", config.as_str(), "--port-offset", offset.as_str()];
    done(small::jitter_section(&parsed(short(&["--seconds", "1"]))?)?, "ring");
    done(small::ring_section(&parsed(short(&["--trips", "2000"]))?)?, "core");
    done(core::section(&parsed(short(&["--commands", "20000", "--rounds", "1"]))?)?, "journal");
    let few = short(&["--commands", "50000", "--orders", "10000", "--flushes", "16", "--rounds", "1"]);
    done(journal::section(&parsed(&[few, &["--dir", dir.as_str(), "--config", config.as_str()]].concat())?)?, "feed");
    done(small::feed_section(&parsed(&[short(&["--orders", "200"]), &venue[..]].concat())?)?, "wire");
    bar.finish_and_clear();
    let few = short(&["--rates", "1000,5000", "--seconds", "1", "--repeats", "2", "--orders", "300", "--rounds", "2"]);
    let out = args.out.as_ref().map(|out| out.display().to_string());
    let out: Vec<&str> = out.iter().flat_map(|out| ["--out", out.as_str()]).collect();
    let json = if args.json { &["--json"][..] } else { &[] };
    let wire: wire::Args = parsed(&[few, &venue[..], &out, json].concat()).context("the arguments of wire")?;
    wire::run_with(&wire, sections)
}
