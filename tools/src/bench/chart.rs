//! Drawings of the report: lines as SVG, bars as boxes of the page. They need no script and take the page's colours.

#![expect(clippy::float_arithmetic, reason = "places on a drawing")]
#![expect(clippy::cast_precision_loss, reason = "places on a drawing")]
#![expect(clippy::format_collect, reason = "a page is made once")]

use std::fmt::Write;

use crate::bench::page::{escaped, time};
use crate::bench::section::Bar;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 12.0;
/// Of lines and stages, in order.
pub const COLOURS: [&str; 10] =
    ["#2f7fc1", "#d1495b", "#2e9b63", "#e08e0b", "#8a63b8", "#00899c", "#a37f58", "#d63c78", "#7d9a1c", "#808080"];

/// A line with its name.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Across, and up in nanoseconds.
    pub points: Vec<(f64, f64)>,
}

/// A drawing with lines: across as it is, up logarithmic nanoseconds.
pub fn lines(what: &str, series: &[Series], ticks: &[(f64, String)]) -> String {
    let across = series.iter().flat_map(|one| &one.points).map(|point| point.0).chain(ticks.iter().map(|tick| tick.0));
    let (low_x, high_x) = across.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let up = series.iter().flat_map(|one| &one.points).map(|point| point.1.max(1.0).log10());
    let (low_y, high_y) = up.fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
    if low_x > high_x || low_y > high_y {
        return "<p>nothing was measured</p>".to_owned();
    }
    let (low_y, high_y) = (low_y.floor(), high_y.ceil().max(low_y.floor() + 1.0));
    let x = |value: f64| LEFT + (value - low_x) / (high_x - low_x).max(1e-9) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value - low_y) / (high_y - low_y) * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<div class=\"wide\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(what)
    );
    let mut add = |text: String| svg.push_str(&text);
    let mut decade = low_y;
    while decade <= high_y {
        add(format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/><text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{3}</text>",
            y(decade),
            LEFT - 6.0,
            y(decade) + 4.0,
            decade_name(decade)
        ));
        decade += 1.0;
    }
    // Names that would stand on each other are left out.
    let mut free_from = f64::MIN;
    for (at, label) in ticks {
        let place = x(*at);
        let half = label.chars().count() as f64 * 4.0;
        if place - half < free_from {
            continue;
        }
        free_from = place + half + 6.0;
        add(format!("<text x=\"{place:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", HEIGHT - 8.0, escaped(label)));
    }
    for (one, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let places: Vec<(f64, f64)> =
            one.points.iter().map(|point| (x(point.0), y(point.1.max(1.0).log10()))).collect();
        let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        add(format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"><title>{}</title></polyline>",
            points.join(" "),
            escaped(&one.name)
        ));
        // Few points are seen as such; one alone is no line at all.
        if places.len() <= 16 {
            let dots = places.iter().zip(&one.points).map(|((x, y), point)| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nanoseconds again")]
                let told = time(point.1 as u64);
                format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"><title>{told}</title></circle>")
            });
            add(dots.collect());
        }
    }
    add("</svg></div>".to_owned());
    svg + &key(series.iter().map(|one| one.name.as_str()))
}

/// Which colour is what.
pub fn key<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let entries: String = names
        .zip(COLOURS.iter().cycle())
        .map(|(name, colour)| format!("<span><i style=\"background:{colour}\"></i>{}</span>", escaped(name)))
        .collect();
    format!("<p class=\"key\">{entries}</p>")
}

fn decade_name(decade: f64) -> &'static str {
    const NAMES: [&str; 11] =
        ["1 ns", "10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"];
    let mut names = NAMES.iter();
    let mut at = 0.0;
    while at < decade {
        names.next();
        at += 1.0;
    }
    names.next().unwrap_or(&"")
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// Bars side by side: what each took, and a mark at what it stands beside.
pub fn bars(bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.took_ns.max(bar.beside_ns)).max().unwrap_or(0);
    let rows: String = bars
        .iter()
        .map(|bar| {
            let mark = if bar.beside_ns == 0 {
                String::new()
            } else {
                format!("<u style=\"left:{:.2}%\" title=\"{}\"></u>", percent(bar.beside_ns, most), time(bar.beside_ns))
            };
            format!(
                "<div><span>{}</span><span class=\"track\"><i style=\"width:{:.2}%\"></i>{mark}</span><b>{}</b></div>",
                escaped(&bar.name),
                percent(bar.took_ns, most),
                time(bar.took_ns)
            )
        })
        .collect();
    format!("<div class=\"bars\">{rows}</div>")
}

/// One bar per row, cut into parts that add up to it. The parts of all rows have the same names.
pub fn stacked(rows: &[(String, Vec<(String, u64)>)]) -> String {
    let sum = |parts: &[(String, u64)]| parts.iter().map(|(_, part)| *part).sum::<u64>();
    let most = rows.iter().map(|(_, parts)| sum(parts)).max().unwrap_or(0);
    let mut out = "<div class=\"bars\">".to_owned();
    for (name, parts) in rows {
        let pieces: String = parts
            .iter()
            .zip(COLOURS)
            .map(|((part, nanos), colour)| {
                format!(
                    "<i style=\"width:{:.2}%;background:{colour}\" title=\"{}: {}\"></i>",
                    percent(*nanos, most),
                    escaped(part),
                    time(*nanos)
                )
            })
            .collect();
        let whole = time(sum(parts));
        write!(out, "<div><span>{}</span><span class=\"track\">{pieces}</span><b>{whole}</b></div>", escaped(name))
            .unwrap_or_default();
    }
    let names = rows.first().map(|(_, parts)| parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    out + "</div>" + &key(names.unwrap_or_default().into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_they_say() {
        let bar = |name: &str, took_ns, beside_ns| Bar { name: name.into(), took_ns, beside_ns };
        let drawn = bars(&[bar("a <b>", 500, 1_000), bar("c", 250, 0)]);
        assert!(
            drawn.contains("a &lt;b&gt;") && drawn.contains("width:50.00%") && drawn.contains("width:25.00%"),
            "{drawn}"
        );
        assert_eq!(drawn.matches("<u ").count(), 1, "nothing beside the second");
        let parts = |first, second| vec![("x".to_owned(), first), ("y".to_owned(), second)];
        let drawn = stacked(&[("1/s".into(), parts(300, 100)), ("2/s".into(), parts(100, 100))]);
        assert!(drawn.contains("width:75.00%") && drawn.contains("<b>400 ns</b>"), "{drawn}");
    }

    #[test]
    fn one_point_is_drawn_and_nothing_is_said_to_be_nothing() {
        let one = Series { name: "p50".into(), points: vec![(3.0, 9_000.0)] };
        let drawn = lines("times", &[one], &[(3.0, "1000".into()), (3.01, "1010".into()), (5.0, "100000".into())]);
        assert!(drawn.contains("<circle") && drawn.contains("9.00 µs") && drawn.contains("1000"), "{drawn}");
        assert!(!drawn.contains(">1010<"), "it would stand on the other");
        assert!(lines("times", &[], &[]).contains("nothing was measured"));
    }
}
