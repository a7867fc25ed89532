//! The report as one page that needs nothing else: no network, no script. The answer comes first, then the pictures, then every
//! figure, and at the end what was measured on what. Readable on a telephone, in light and dark.

#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "places on a drawing")]
#![expect(clippy::format_collect, reason = "a page is made once")]

use crate::bench::chart::{Series, bars, lines, stacked};
use crate::bench::report::{BudgetLine, QUANTILES, Rate, Report, is_told};
use crate::bench::section::{Bar, Section};
use crate::top::nanos;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut body = String::new();
    let mut add = |text: &str| body.push_str(text);
    add("<h1>How fast this machine is with this venue</h1>");
    add(&format!("<p class=\"about\">{}</p>", escaped(&subtitle(report))));
    add(&cards(report));
    add(&untuned(report));
    add(&budget(report));
    if !report.rates.is_empty() {
        add(&under_load(report));
    }
    add("<h2>Yardsticks of the same run</h2>");
    add(&yardsticks(report));
    report.sections.iter().for_each(|one| add(&section(one)));
    add("<h2>Not included</h2><ul>");
    report.not_included.iter().for_each(|line| add(&format!("<li>{}</li>", escaped(line))));
    add("</ul><h2>What it was measured on</h2>");
    add(&pairs(report.host.iter().chain(&report.load)));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>hft bench</title><style>{STYLE}</style></head>\
         <body>{body}</body></html>\n"
    )
}

/// Text as HTML wants it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A time as a page writes it.
pub fn time(ns: u64) -> String {
    nanos(ns).replace(" us", " µs")
}

fn of<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(found, _)| found == name).map_or("", |(_, what)| what)
}

fn subtitle(report: &Report) -> String {
    let told = ["cpu", "kernel", "program", "taken"].map(|name| of(&report.host, name));
    let load = [of(&report.load, "load"), of(&report.load, "durability")];
    told.into_iter().chain(load).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn budget_line<'a>(report: &'a Report, stage: &str) -> Option<&'a BudgetLine> {
    report.budget.iter().find(|line| line.stage.starts_with(stage))
}

/// The answer, before anything is explained.
fn cards(report: &Report) -> String {
    let mut cards = Vec::new();
    let mut card = |figure: &str, what: &str| {
        cards.push(format!("<div><b>{}</b><span>{}</span></div>", escaped(figure), escaped(what)));
    };
    if let Some(trip) = budget_line(report, "round trip") {
        let over = trip.p50_ns * 100 / trip.limit_ns.max(1);
        let beside = format!("{}.{:02} of a bare TCP echo", over / 100, over % 100);
        card(&time(trip.p50_ns), &format!("an order and its answer, one at a time (p50): {beside}"));
    }
    if let Some(inside) = budget_line(report, "whole") {
        card(&time(inside.p50_ns), "of it inside the venue, from the read of the socket to the write of the answer");
    }
    if report.sustained_per_s > 0 {
        card(&format!("{} /s", thousands(report.sustained_per_s)), "requests per second that it kept up with");
    }
    if let Some(rate) = report.rates.iter().rfind(|rate| rate.is_sustained) {
        card(&time(rate.spread("p99")[1]), &format!("p99 at {} /s, under load", thousands(rate.per_second)));
    }
    let pauses = report.yardsticks.iter().filter(|yardstick| yardstick.name.starts_with("pauses"));
    if let Some(longest) = pauses.filter_map(|yardstick| yardstick.quantiles.get("max")).max() {
        card(&time(*longest), "the longest time that the machine took a cpu away from a thread that only spins");
    }
    format!("<div class=\"cards\">{}</div>", cards.concat())
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn untuned(report: &Report) -> String {
    let told = of(&report.host, "not tuned");
    if told.is_empty() {
        return String::new();
    }
    let list: String = told.split("; ").map(|line| format!("<li>{}</li>", escaped(line))).collect();
    format!("<details open><summary>What is not tuned here</summary><ul>{list}</ul></details>")
}

/// What one order costs: a bar cut into its stages, then each beside what it cannot be faster than.
fn budget(report: &Report) -> String {
    if report.budget.is_empty() {
        return String::new();
    }
    let part = |name: &str| budget_line(report, name).map(|line| (line.stage.clone(), line.p50_ns));
    let stages = ["sequenced", "matched", "durable", "written", "outside"];
    let whole = stacked(&[("round trip".to_owned(), stages.into_iter().filter_map(part).collect())]);
    let each: Vec<Bar> = report
        .budget
        .iter()
        .map(|line| Bar { name: line.stage.clone(), took_ns: line.p50_ns, beside_ns: line.limit_ns })
        .collect();
    let rows = report.budget.iter().map(|line| {
        let cells =
            [line.p50_ns, line.took_ns, line.limit_ns].map(time).map(|cell| format!("<td>{cell}</td>")).concat();
        format!("<tr><td>{}</td>{cells}<td class=\"text\">{}</td></tr>", escaped(&line.stage), escaped(&line.limit))
    });
    format!(
        "<h2>One order at a time, stage by stage</h2><p>The stages inside the venue and what lies outside of it are the \
         round trip. Drawn is the middle order (p50); the means in the table add up exactly, and a pause of the machine moves them.</p>{whole}<p>Each beside what it cannot be faster than on this machine, measured in the same run: the mark.</p>{}\
         <div class=\"wide\"><table><tr><th></th><th>p50</th><th>mean</th><th>limit</th><th class=\"text\">what the limit is</th></tr>{}</table></div>",
        bars(&each),
        rows.collect::<String>()
    )
}

fn under_load(report: &Report) -> String {
    let stages: Vec<(String, Vec<(String, u64)>)> = report
        .rates
        .iter()
        .filter(|rate| !rate.stages.is_empty())
        .map(|rate| (format!("{} /s", thousands(rate.per_second)), rate.stages.clone()))
        .collect();
    let stages = if stages.is_empty() { "<p>no command was sampled</p>".to_owned() } else { stacked(&stages) };
    [
        "<h2>Percentiles, one line per rate</h2><p>Latency counts from the time at which a request was <em>meant</em> to leave to \
         its answer: what waits behind a stall is charged for it. Scales of time are logarithmic.</p>",
        &curves(report),
        "<h2>Rate against percentile</h2>",
        &by_rate(report),
        "<h2>Stages inside the venue under load</h2><p>Mean of one command in 64, from the read of the socket to the write of the \
         answer.</p>",
        &stages,
        "<h2>Timeline of the highest rate that was kept up with</h2><p>Greatest latency of each 100 ms, and the longest round of \
         the load generator itself (hiccup): where both rise together, the machine stood still, not the venue.</p>",
        &timeline(report),
        "<h2>Figures</h2>",
        &figures(report),
    ]
    .concat()
}

fn pairs<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> String {
    let rows: String = pairs
        .map(|(name, what)| format!("<tr><td>{}</td><td class=\"text\">{}</td></tr>", escaped(name), escaped(what)))
        .collect();
    format!("<table>{rows}</table>")
}

fn curves(report: &Report) -> String {
    let series: Vec<Series> = report
        .rates
        .iter()
        .map(|rate| Series {
            name: format!("{}/s{}", rate.per_second, if rate.is_sustained { "" } else { " (not kept up with)" }),
            points: rate.curve.iter().map(|(nines, nanos)| (*nines, *nanos as f64)).collect(),
        })
        .collect();
    let end = series.iter().flat_map(|one| &one.points).map(|point| point.0).fold(0.0, f64::max);
    let ticks = [(0.3, "50%"), (1.0, "90%"), (2.0, "99%"), (3.0, "99.9%"), (4.0, "99.99%"), (5.0, "99.999%")];
    let ticks: Vec<(f64, String)> =
        ticks.iter().filter(|(at, _)| *at <= end).map(|(at, label)| (*at, (*label).to_owned())).collect();
    lines("latency by percentile, one line per rate", &series, &ticks)
}

fn by_rate(report: &Report) -> String {
    let across = |rate: &Rate| (rate.per_second.max(1) as f64).log10();
    let series: Vec<Series> = ["p50", "p99", "p99.9", "max"]
        .iter()
        .map(|name| Series {
            name: (*name).to_owned(),
            points: report.rates.iter().map(|rate| (across(rate), rate.spread(name)[1] as f64)).collect(),
        })
        .collect();
    let ticks: Vec<(f64, String)> =
        report.rates.iter().map(|rate| (across(rate), format!("{}/s", rate.per_second))).collect();
    lines("percentiles by rate", &series, &ticks)
}

fn timeline(report: &Report) -> String {
    let kept = report.rates.iter().rfind(|rate| rate.is_sustained).or(report.rates.last());
    let Some(rate) = kept else { return String::new() };
    let line = |name: &str, pick: fn(&(u64, u64)) -> u64| Series {
        name: name.to_owned(),
        points: rate.timeline.iter().enumerate().map(|(at, values)| (at as f64 / 10.0, pick(values) as f64)).collect(),
    };
    let seconds = rate.timeline.len().div_ceil(10);
    let ticks: Vec<(f64, String)> = (0..=seconds).map(|at| (at as f64, format!("{at} s"))).collect();
    let series = [line("greatest latency", |values| values.0), line("hiccup of the load generator", |values| values.1)];
    lines("latency and hiccups over time", &series, &ticks)
}

fn heads() -> String {
    QUANTILES.iter().map(|(name, _)| format!("<th>{name}</th>")).collect()
}

fn figures(report: &Report) -> String {
    let row = |rate: &Rate| {
        let cell = |(name, at): &(&str, f64)| {
            let told = if is_told(*at, rate.requests) { time(rate.spread(name)[1]) } else { "–".to_owned() };
            format!("<td>{told}</td>")
        };
        let cells: String = QUANTILES.iter().map(cell).collect();
        let (per_second, requests) = (thousands(rate.per_second), thousands(rate.requests));
        let note = if rate.is_sustained { "" } else { "not kept up with" };
        format!("<tr><td>{per_second}</td>{cells}<td>{requests}</td><td>{}</td><td>{note}</td></tr>", rate.unanswered)
    };
    let rows: String = report.rates.iter().map(row).collect();
    format!(
        "<div class=\"wide\"><table><tr><th>rate/s</th>{}<th>requests</th><th>unanswered</th><th></th></tr>{rows}</table></div>\
         <p>Kept up with {} per second.</p>",
        heads(),
        thousands(report.sustained_per_s)
    )
}

fn yardsticks(report: &Report) -> String {
    let row = |yardstick: &crate::bench::report::Yardstick| {
        let cell = |(name, at): &(&str, f64)| {
            let found = yardstick.quantiles.get(*name).filter(|_| is_told(*at, yardstick.count));
            format!("<td>{}</td>", found.map_or("–".to_owned(), |nanos| time(*nanos)))
        };
        let cells: String = QUANTILES.iter().map(cell).collect();
        format!("<tr><td>{}</td>{cells}</tr>", escaped(&yardstick.name))
    };
    let rows: String = report.yardsticks.iter().map(row).collect();
    format!("<div class=\"wide\"><table><tr><th></th>{}</tr>{rows}</table></div>", heads())
}

fn section(section: &Section) -> String {
    let columns = section.heads.len();
    let head: String = section.heads.iter().map(|head| format!("<th>{}</th>", escaped(head))).collect();
    let head = if columns == 0 { String::new() } else { format!("<tr><th></th>{head}</tr>") };
    let row = |(name, cells): &(String, Vec<String>)| {
        let told = |cell: &String| escaped(&cell.replace(" us", " µs"));
        let cells: String = if columns != 1 && cells.len() == 1 {
            cells
                .iter()
                .map(|cell| format!("<td class=\"text\" colspan=\"{}\">{}</td>", columns.max(1), told(cell)))
                .collect()
        } else {
            cells.iter().map(|cell| format!("<td>{}</td>", told(cell))).collect()
        };
        format!("<tr><td>{}</td>{cells}</tr>", escaped(name))
    };
    let rows: String = section.rows.iter().map(row).collect();
    let drawn = if section.bars.is_empty() { String::new() } else { bars(&section.bars) };
    let note = if section.note.is_empty() { String::new() } else { format!("<p>{}</p>", escaped(&section.note)) };
    format!("<h2>{}</h2>{drawn}<div class=\"wide\"><table>{head}{rows}</table></div>{note}", escaped(&section.title))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Yardstick;

    fn report() -> Report {
        let rate = |per_second: u64| Rate {
            per_second,
            is_sustained: per_second < 5_000,
            requests: 200,
            repeats: vec![QUANTILES.iter().map(|(name, _)| ((*name).to_owned(), 9_000)).collect()],
            curve: (0..80_i32)
                .map(|step| (f64::from(step) / 16.0, 9_000 + u64::from(step.unsigned_abs()) * 1_000))
                .collect(),
            stages: vec![("sequenced".into(), 500), ("written".into(), 2_500)],
            timeline: vec![(20_000, 700); 30],
            ..Rate::default()
        };
        let line = |stage: &str, p50_ns, limit: &str, limit_ns| BudgetLine {
            stage: stage.into(),
            took_ns: p50_ns,
            p50_ns,
            limit: limit.into(),
            limit_ns,
        };
        let mut section = Section::new("rings", &["p50"]);
        section.row("there and back", vec!["600 ns".into()]);
        Report {
            host: vec![
                ("cpu".into(), "<b>\"a & b\"".into()),
                ("not tuned".into(), "no cpu is isolated; swappiness is 60".into()),
            ],
            rates: (1..=10).map(|step| rate(step * 1_000)).collect(),
            sustained_per_s: 4_000,
            yardsticks: vec![Yardstick { name: "echo".into(), ..Yardstick::default() }],
            not_included: vec!["a network".into()],
            budget: vec![line("sequenced", 120, "a copy <b>", 5), line("round trip", 8_080, "an echo", 6_970)],
            sections: vec![section],
            ..Report::default()
        }
    }

    #[test]
    fn the_page_needs_nothing_else_and_is_small() {
        let page = page(&report());
        assert!(page.len() < 500_000, "{} bytes", page.len());
        assert!(!page.contains("<b>\"") && page.contains("&lt;b&gt;&quot;a &amp; b&quot;"));
        for banned in ["http", "<script", "src=", "href=", "url("] {
            assert!(!page.contains(banned), "{banned}");
        }
        for wanted in [
            "width=device-width",
            "99.99%",
            "greatest latency",
            "written",
            "not kept up with",
            "a network",
            "10000/s",
            "a copy &lt;b&gt;",
            "there and back",
            "<li>swappiness is 60</li>",
        ] {
            assert!(page.contains(wanted), "{wanted}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert_eq!(page.matches("<div").count(), page.matches("</div>").count());
    }

    #[test]
    fn the_answer_comes_first() {
        let page = page(&report());
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
        assert!(at("8.08 µs") < at("<svg") && at("1.15 of a bare TCP echo") < at("<svg"), "{page}");
        assert!(at("4,000 /s") < at("stage by stage"));
        // Of 200 requests, one in 100,000 is nothing that was seen.
        assert!(page.contains("<td>9.00 µs</td><td>–</td><td>–</td><td>–</td><td>9.00 µs</td>"), "{page}");
        assert_eq!(thousands(1_234_567), "1,234,567");
        let empty = super::page(&Report::default());
        assert!(empty.contains("Not included") && !empty.contains("<svg"));
    }
}
