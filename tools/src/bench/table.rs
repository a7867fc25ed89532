//! The report of `hft bench wire` for a terminal: what was measured on what, the rates, the stages, the yardsticks, the budget of one
//! order, and at the end the whole of it in a few lines.

use crate::bench::report::{BudgetLine, QUANTILES, Report, is_told};
use crate::bench::section::Section;
use crate::top::nanos as time;
use crate::top::short;

/// Width of the longest bar, in characters.
const BAR: u64 = 24;

/// The report for a terminal.
pub fn table(report: &Report) -> String {
    let head = report.host.iter().chain(&report.load).map(|(name, what)| format!("{name:<14} {what}"));
    let mut parts = vec![head.collect::<Vec<_>>().join("\n")];
    parts.extend(report.sections.iter().map(Section::text));
    if !report.rates.is_empty() {
        parts.push(rates(report));
        parts.push(stages(report).text());
    }
    parts.push(yardsticks(report).text());
    if !report.budget.is_empty() {
        parts.push(budget(&report.budget));
    }
    parts.push(in_short(report));
    parts.join("\n\n")
}

fn rates(report: &Report) -> String {
    let mut section = Section::new(
        "Latency from the intended time of leaving to the answer; least and greatest of the repeats in brackets",
        &["p50", "p99", "p99.9", "max", ""],
    );
    for rate in &report.rates {
        let cell = |quantile: &str, at: f64| {
            let [low, middle, high] = rate.spread(quantile);
            if is_told(at, rate.requests) {
                format!("{} [{} - {}]", time(middle), time(low), time(high))
            } else {
                "-".to_owned()
            }
        };
        let note = if rate.is_sustained { "" } else { "not kept up with" };
        section.row(
            &format!("{}/s", short(rate.per_second)),
            vec![
                cell("p50", 0.5),
                cell("p99", 0.99),
                cell("p99.9", 0.999),
                time(rate.spread("max")[2]),
                note.to_owned(),
            ],
        );
    }
    section.text()
}

/// Means, so that they add up.
fn stages(report: &Report) -> Section {
    let measured = || report.rates.iter().filter(|rate| !rate.stages.is_empty());
    let names: Vec<&str> = measured().next().map_or_else(Vec::new, |rate| {
        rate.stages.iter().map(|(name, _)| name.as_str()).chain(["whole", "samples"]).collect()
    });
    let mut section = Section::new(
        "Inside the venue, from the read of the socket on: mean of one command in 64, stages that add up",
        &names,
    );
    for rate in measured() {
        let whole = rate.stages.iter().map(|(_, mean)| *mean).sum();
        let cells =
            rate.stages.iter().map(|(_, mean)| time(*mean)).chain([time(whole), rate.stage_samples.to_string()]);
        section.row(&format!("{}/s", short(rate.per_second)), cells.collect());
    }
    section
}

fn yardsticks(report: &Report) -> Section {
    let shown: Vec<&(&str, f64)> =
        QUANTILES.iter().filter(|(name, _)| ["p50", "p99", "p99.9", "max"].contains(name)).collect();
    let heads: Vec<&str> = shown.iter().map(|(name, _)| *name).collect();
    let mut section = Section::new("Yardsticks of the same run", &heads);
    for yardstick in &report.yardsticks {
        let cell = |(name, at): &&(&str, f64)| {
            let found = yardstick.quantiles.get(*name).filter(|_| is_told(*at, yardstick.count));
            found.map_or_else(|| "-".to_owned(), |nanos| time(*nanos))
        };
        section.row(&yardstick.name, shown.iter().map(cell).collect());
    }
    section
}

/// The stages with a bar each, as long as they took.
fn budget(lines: &[BudgetLine]) -> String {
    let most = lines.iter().map(|line| line.p50_ns).max().unwrap_or(0).max(1);
    let mut out = vec![
        "One order at a time, stage by stage, beside what it cannot be faster than here; means add up exactly, p50 nearly"
            .to_owned(),
        format!("  {:<23} {:>8} {:>8}  {:<24} {:>8}  {}", "", "mean", "p50", "", "limit", "what the limit is"),
    ];
    for line in lines {
        let long = usize::try_from((line.p50_ns * BAR).div_ceil(most)).unwrap_or(0);
        out.push(format!(
            "  {:<23} {:>8} {:>8}  {:<24} {:>8}  {}",
            line.stage,
            time(line.took_ns),
            time(line.p50_ns),
            "█".repeat(long),
            time(line.limit_ns),
            line.limit
        ));
    }
    out.join("\n")
}

/// What a reader takes away.
fn in_short(report: &Report) -> String {
    let mut lines = vec!["In short".to_owned()];
    let mut line = |name: &str, what: String| lines.push(format!("  {name:<16} {what}"));
    for (name, what) in report.load.iter().filter(|(name, _)| name == "order / echo") {
        line(name, what.clone());
    }
    let of = |stage: &str| report.budget.iter().find(|line| line.stage.starts_with(stage)).map(|line| line.p50_ns);
    if let (Some(trip), Some(inside)) = (of("round trip"), of("whole")) {
        line("one order", format!("{} there and back (p50), {} of it inside the venue", time(trip), time(inside)));
    }
    match report.rates.iter().rfind(|rate| rate.is_sustained) {
        Some(rate) => line(
            "under load",
            format!(
                "kept up with {} requests per second: p50 {}, p99 {}, longest {}",
                report.sustained_per_s,
                time(rate.spread("p50")[1]),
                time(rate.spread("p99")[1]),
                time(rate.spread("max")[2])
            ),
        ),
        None if report.rates.is_empty() => {}
        None => line("under load", "no rate was kept up with".to_owned()),
    }
    let pauses = report.yardsticks.iter().filter(|yardstick| yardstick.name.starts_with("pauses"));
    if let Some(longest) = pauses.filter_map(|yardstick| yardstick.quantiles.get("max")).max() {
        line(
            "the machine",
            format!("took a spinning cpu away for up to {} (hft doctor says what to do)", time(*longest)),
        );
    }
    report.not_included.iter().for_each(|what| line("not included", what.clone()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Rate;

    #[test]
    fn the_last_lines_say_it_in_short() {
        let quantiles = QUANTILES.iter().map(|(name, _)| ((*name).to_owned(), 9_000)).collect();
        let rate = Rate {
            per_second: 1_000,
            is_sustained: true,
            requests: 500,
            repeats: vec![quantiles],
            stages: vec![("sequenced".into(), 300), ("matched".into(), 700)],
            stage_samples: 7,
            ..Rate::default()
        };
        let line = |stage: &str, p50_ns| BudgetLine { stage: stage.into(), p50_ns, ..BudgetLine::default() };
        let report = Report {
            rates: vec![rate],
            sustained_per_s: 1_000,
            budget: vec![line("sequenced", 100), line("whole", 400), line("round trip", 800)],
            not_included: vec!["a network".into()],
            ..Report::default()
        };
        let text = table(&report);
        let short = text.split("In short").last().unwrap_or_default();
        assert!(short.contains("800 ns there and back (p50), 400 ns of it inside"), "{text}");
        assert!(short.contains("kept up with 1000 requests") && short.contains("a network"), "{text}");
        assert!(text.contains("1.00 us        7"), "the stages have a sum: {text}");
        assert!(text.lines().any(|line| line.contains("round trip") && line.contains(&"█".repeat(24))), "{text}");
        // 500 requests say nothing of one in a thousand.
        assert!(text.lines().any(|line| line.contains("1000/s") && line.contains("  -  ")), "{text}");
        assert!(table(&Report::default()).contains("In short"));
    }
}
