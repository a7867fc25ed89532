//! The report as one page that needs nothing else: no network, no script, drawings as SVG.

#![expect(clippy::float_arithmetic, reason = "places on a drawing")]
#![expect(clippy::cast_precision_loss, reason = "places on a drawing")]
#![expect(clippy::format_collect, reason = "a page is made once")]

use std::fmt::Write;

use crate::bench::report::{QUANTILES, Report};
use crate::top::nanos as time;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 80.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 12.0;
const COLOURS: [&str; 10] =
    ["#0b62a4", "#d1495b", "#2e8b57", "#e08e0b", "#6a4c93", "#00798c", "#8d6a4f", "#c2185b", "#5f7d00", "#444444"];

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut body = String::new();
    let mut add = |text: &str| body.push_str(text);
    add("<h1>hft bench wire</h1>");
    add(&pairs(&report.host));
    add(&pairs(&report.load));
    add(
        "<p>Latency counts from the time at which a request was <em>meant</em> to leave to its answer: what waits behind a stall is charged for it. Scales of time are logarithmic.</p>",
    );
    add("<h2>Percentiles, one line per rate</h2>");
    add(&curves(report));
    add("<h2>Rate against percentile</h2>");
    add(&by_rate(report));
    add(
        "<h2>Stages inside the venue</h2><p>Mean of one command in 64, from the read of the socket to the write of the answer; the stages add up to the whole.</p>",
    );
    add(&stages(report));
    add(
        "<h2>Timeline of the highest rate that was kept up with</h2><p>Greatest latency of each 100 ms, and the longest round of the load generator itself (hiccup): where both rise together, the machine stood still, not the venue.</p>",
    );
    add(&timeline(report));
    add("<h2>Figures</h2>");
    add(&figures(report));
    add("<h2>Yardsticks of the same run</h2>");
    add(&yardsticks(report));
    add(
        "<h2>One order at a time, stage by stage</h2><p>Means, beside what each cannot be faster than on this machine.</p>",
    );
    add(&budget(report));
    for section in &report.sections {
        add(&format!("<h2>{}</h2>", escaped(&section.title)));
        add(&pairs(&section.rows));
    }
    add("<h2>Not included</h2><ul>");
    for line in &report.not_included {
        add(&format!("<li>{}</li>", escaped(line)));
    }
    add("</ul>");
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>hft bench wire</title><style>\
         body{{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#222}}\
         h1,h2{{line-height:1.2}}table{{border-collapse:collapse;margin:.5em 0}}\
         td,th{{padding:2px 10px;text-align:right;border-bottom:1px solid #ddd}}\
         td{{white-space:nowrap}}td:first-child,th:first-child{{text-align:left}}.about td{{white-space:normal;text-align:left}}svg{{max-width:100%;height:auto}}\
         svg text{{font:12px system-ui,sans-serif;fill:#444}}.key span{{margin-right:1.2em;white-space:nowrap}}\
         .key i{{display:inline-block;width:1em;height:.6em;margin-right:.3em}}</style></head><body>{body}</body></html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn pairs(pairs: &[(String, String)]) -> String {
    let rows: String = pairs
        .iter()
        .map(|(name, what)| format!("<tr><td>{}</td><td>{}</td></tr>", escaped(name), escaped(what)))
        .collect();
    format!("<table class=\"about\">{rows}</table>")
}

/// A line with its name.
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

/// A drawing with lines: across as it is, up logarithmic nanoseconds.
fn chart(series: &[Series], ticks: &[(f64, String)]) -> String {
    let across = series.iter().flat_map(|one| &one.points).map(|point| point.0).chain(ticks.iter().map(|tick| tick.0));
    let (low_x, high_x) = across.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let up = series.iter().flat_map(|one| &one.points).map(|point| point.1.max(1.0).log10());
    let (low_y, high_y) = up.fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
    if low_x > high_x || low_y > high_y {
        return "<p>nothing was measured</p>".to_owned();
    }
    let (low_y, high_y) = (low_y.floor(), high_y.ceil().max(low_y.floor() + 1.0));
    let x = |value: f64| LEFT + (value - low_x) / (high_x - low_x).max(1e-9) * (WIDTH - LEFT - 30.0);
    let y = |value: f64| HEIGHT - BOTTOM - (value - low_y) / (high_y - low_y) * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    let mut line = |text: String| svg.push_str(&text);
    let mut decade = low_y;
    while decade <= high_y {
        let label = decade_name(decade);
        line(format!(
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#ddd\"/><text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{label}</text>",
            y(decade),
            LEFT - 6.0,
            y(decade) + 4.0
        ));
        decade += 1.0;
    }
    for (at, label) in ticks {
        line(format!(
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(*at),
            HEIGHT - BOTTOM + 18.0,
            escaped(label)
        ));
    }
    for (one, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<String> =
            one.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1.max(1.0).log10()))).collect();
        line(format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/>",
            points.join(" ")
        ));
    }
    line("</svg>".to_owned());
    svg + &key(series.iter().map(|one| one.name.as_str()))
}

fn key<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let entries: String = names
        .zip(COLOURS.iter().cycle())
        .map(|(name, colour)| format!("<span><i style=\"background:{colour}\"></i>{}</span>", escaped(name)))
        .collect();
    format!("<p class=\"key\">{entries}</p>")
}

fn decade_name(decade: f64) -> &'static str {
    const NAMES: [&str; 11] =
        ["1 ns", "10 ns", "100 ns", "1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s", "10 s"];
    let mut names = NAMES.iter();
    let mut at = 0.0;
    while at < decade {
        names.next();
        at += 1.0;
    }
    names.next().unwrap_or(&"")
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
    let ticks = [(0.3, "50%"), (1.0, "90%"), (2.0, "99%"), (3.0, "99.9%"), (4.0, "99.99%"), (5.0, "99.999%")];
    chart(&series, &ticks.map(|(at, label)| (at, label.to_owned())))
}

fn by_rate(report: &Report) -> String {
    let series: Vec<Series> = ["p50", "p99", "p99.9", "max"]
        .iter()
        .map(|name| Series {
            name: (*name).to_owned(),
            points: report
                .rates
                .iter()
                .map(|rate| ((rate.per_second.max(1) as f64).log10(), rate.spread(name)[1] as f64))
                .collect(),
        })
        .collect();
    let ticks: Vec<(f64, String)> = report
        .rates
        .iter()
        .map(|rate| ((rate.per_second.max(1) as f64).log10(), rate.per_second.to_string()))
        .collect();
    chart(&series, &ticks)
}

fn stages(report: &Report) -> String {
    let measured: Vec<_> = report.rates.iter().filter(|rate| !rate.stages.is_empty()).collect();
    let total = |rate: &&crate::bench::report::Rate| rate.stages.iter().map(|(_, mean)| *mean).sum::<u64>();
    let most = measured.iter().map(total).max().unwrap_or(0).max(1) as f64;
    let height = measured.len() as f64 * 26.0 + 10.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    for (row, rate) in measured.iter().enumerate() {
        let top = row as f64 * 26.0 + 4.0;
        let mut left = LEFT;
        let label =
            format!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}/s</text>", LEFT - 6.0, top + 14.0, rate.per_second);
        svg.push_str(&label);
        for ((name, mean), colour) in rate.stages.iter().zip(COLOURS) {
            let width = *mean as f64 / most * (WIDTH - LEFT - 30.0);
            let bar = format!(
                "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"20\" fill=\"{colour}\"><title>{}: {}</title></rect>",
                escaped(name),
                time(*mean)
            );
            svg.push_str(&bar);
            left += width;
        }
    }
    let names = measured.first().map(|rate| rate.stages.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    svg + "</svg>" + &key(names.unwrap_or_default().into_iter())
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
    chart(
        &[line("greatest latency", |values| values.0), line("hiccup of the load generator", |values| values.1)],
        &ticks,
    )
}

fn figures(report: &Report) -> String {
    let heads: String = QUANTILES.iter().map(|(name, _)| format!("<th>{name}</th>")).collect();
    let mut rows = format!("<tr><th>rate/s</th>{heads}<th>requests</th><th>unanswered</th></tr>");
    for rate in &report.rates {
        let cells: String =
            QUANTILES.iter().map(|(name, _)| format!("<td>{}</td>", time(rate.spread(name)[1]))).collect();
        write!(
            rows,
            "<tr><td>{}</td>{cells}<td>{}</td><td>{}</td></tr>",
            rate.per_second, rate.requests, rate.unanswered
        )
        .unwrap_or_default();
    }
    format!("<table>{rows}</table><p>Kept up with {} per second.</p>", report.sustained_per_s)
}

fn budget(report: &Report) -> String {
    let mut rows = "<tr><th>stage</th><th>took</th><th>limit</th><th>what that is</th></tr>".to_owned();
    for line in &report.budget {
        let (took, limit) = (time(line.took_ns), time(line.limit_ns));
        let (stage, what) = (escaped(&line.stage), escaped(&line.limit));
        write!(rows, "<tr><td>{stage}</td><td>{took}</td><td>{limit}</td><td>{what}</td></tr>").unwrap_or_default();
    }
    format!("<table>{rows}</table>")
}

fn yardsticks(report: &Report) -> String {
    let heads: String = QUANTILES.iter().map(|(name, _)| format!("<th>{name}</th>")).collect();
    let mut rows = format!("<tr><th></th>{heads}</tr>");
    for yardstick in &report.yardsticks {
        let at = |name: &str| yardstick.quantiles.get(name).copied().unwrap_or(0);
        let cells: String = QUANTILES.iter().map(|(name, _)| format!("<td>{}</td>", time(at(name)))).collect();
        write!(rows, "<tr><td>{}</td>{cells}</tr>", escaped(&yardstick.name)).unwrap_or_default();
    }
    format!("<table>{rows}</table>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::{BudgetLine, Rate, Section, Yardstick};

    #[test]
    fn the_page_needs_nothing_else_and_is_small() {
        let rate = |per_second: u64| Rate {
            per_second,
            is_sustained: per_second < 5_000,
            requests: 100,
            repeats: vec![QUANTILES.iter().map(|(name, _)| ((*name).to_owned(), 9_000)).collect()],
            curve: (0..80_i32)
                .map(|step| (f64::from(step) / 16.0, 9_000 + u64::from(step.unsigned_abs()) * 1_000))
                .collect(),
            stages: vec![("sequenced".into(), 500), ("written".into(), 2_500)],
            timeline: vec![(20_000, 700); 30],
            ..Rate::default()
        };
        let report = Report {
            host: vec![("cpu".into(), "<b>\"a & b\"".into())],
            rates: (1..=10).map(|step| rate(step * 1_000)).collect(),
            yardsticks: vec![Yardstick { name: "echo".into(), ..Yardstick::default() }],
            not_included: vec!["a network".into()],
            budget: vec![BudgetLine { stage: "sequenced".into(), limit: "a copy <b>".into(), ..BudgetLine::default() }],
            sections: vec![Section { title: "rings".into(), rows: vec![("there and back".into(), "600 ns".into())] }],
            ..Report::default()
        };
        let page = page(&report);
        assert!(page.len() < 500_000, "{} bytes", page.len());
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;&quot;a &amp; b&quot;"));
        for banned in ["http", "<script", "src=", "href="] {
            assert!(!page.contains(banned), "{banned}");
        }
        for wanted in [
            "99.99%",
            "greatest latency",
            "written",
            "not kept up with",
            "a network",
            "10000/s",
            "a copy &lt;b&gt;",
            "there and back",
        ] {
            assert!(page.contains(wanted), "{wanted}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(super::page(&Report::default()).contains("nothing was measured"));
    }
}
