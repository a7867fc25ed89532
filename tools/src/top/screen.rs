//! Draws the model: 80 columns by 24 lines are enough.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table};

use crate::counters::file::Times;
use crate::top::model::{Book, Depth, Model};

const GOOD: Style = Style::new().fg(Color::Green);
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);

/// Draws one frame.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let [title, sessions, storage, rates, stages, lower, alarms] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Length(8),
        Constraint::Min(4),
        Constraint::Length(3),
    ])
    .areas(frame.area());
    let style = if model.is_live { GOOD } else { BAD };
    frame.render_widget(Paragraph::new(model.title.as_str()).style(style), title);
    draw_sessions(model, frame, sessions);
    frame.render_widget(Paragraph::new(model.storage.as_str()), storage);
    draw_rates(model, frame, rates);
    draw_stages(model, frame, stages);
    let [left, right] = Layout::horizontal([Constraint::Length(23), Constraint::Min(40)]).areas(lower);
    draw_depths(model, frame, left);
    draw_books(model, frame, right);
    draw_alarms(model, frame, alarms);
}

fn draw_sessions(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let line: Vec<String> = model.sessions.iter().map(|(name, count)| format!("{name} {}", short(*count))).collect();
    frame.render_widget(Paragraph::new(line.join("   ")), area);
}

fn draw_rates(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let cells = |pick: fn(&(&'static str, u64, u64)) -> String, style: Style| {
        let spans: Vec<Span<'_>> =
            model.rates.iter().map(|rate| Span::styled(format!("{:>12} ", pick(rate)), style)).collect();
        Line::from(spans)
    };
    let lines = vec![
        cells(|rate| rate.0.to_owned(), HEAD),
        cells(|rate| format!("{}/s", short(rate.1)), Style::new()),
        cells(|rate| short(rate.2), DIM),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_stages(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let since = if model.is_recent { "last second" } else { "since the start" };
    let head = Row::new([since, "samples", "p50", "p90", "p99", "p99.9", "max"].map(str::to_owned)).style(HEAD);
    let rows = model.stages.iter().map(|(name, times)| {
        let name = name.strip_prefix("stage.").unwrap_or(name).to_owned();
        let style = if name == "whole" { HEAD } else { Style::new() };
        let cells = match times {
            Some(times) => stage_cells(name, times),
            None => [name, "-".into(), String::new(), String::new(), String::new(), String::new(), String::new()],
        };
        Row::new(cells).style(style)
    });
    let widths = [16, 9, 9, 9, 9, 9, 9].map(Constraint::Length);
    frame.render_widget(Table::new(rows, widths).header(head), area);
}

fn stage_cells(name: String, times: &Times) -> [String; 7] {
    let at = |share| nanos(times.at(share));
    [name, times.count.to_string(), at(50_000), at(90_000), at(99_000), at(99_900), nanos(times.greatest)]
}

fn draw_depths(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let block = Block::new().borders(Borders::TOP | Borders::RIGHT).title("waiting");
    let lines: Vec<Line<'_>> = model.depths.iter().map(depth_line).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn depth_line(depth: &Depth) -> Line<'static> {
    let share = (depth.waiting * 100).checked_div(depth.slots).unwrap_or(0);
    let text = format!("{:<11}{:>7} {share:>2}%", depth.name, short(depth.waiting));
    Line::styled(text, if share >= 50 { BAD } else { Style::new() })
}

fn draw_books(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let head = Row::new(["book", "bid", "ask", "last", "state"]).style(HEAD);
    let rows = model.books.iter().map(|Book { symbol, state, cells: [bid, bid_qty, ask, ask_qty, last] }| {
        let side = |price: &str, qty: &str| {
            if price.is_empty() { "-".to_owned() } else { format!("{price} x {qty}") }
        };
        let style = if *state == "trading" { Style::new() } else { BAD };
        Row::new([symbol.clone(), side(bid, bid_qty), side(ask, ask_qty), last.clone(), (*state).to_owned()])
            .style(style)
    });
    let widths =
        [Constraint::Length(8), Constraint::Min(15), Constraint::Min(15), Constraint::Length(8), Constraint::Length(7)];
    let block = Block::new().borders(Borders::TOP);
    frame.render_widget(Table::new(rows, widths).header(head).block(block), area);
}

fn draw_alarms(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let block = Block::new().borders(Borders::TOP).title("alarms").title(Line::from("q quits").right_aligned());
    let mut lines: Vec<Line<'_>> =
        model.alarms.iter().map(|alarm| Line::styled(format!("{}: {}", alarm.name, alarm.found), BAD)).collect();
    if lines.is_empty() {
        lines.push(Line::styled("none", GOOD));
    }
    if lines.len() > 2 {
        let hidden = lines.len() - 1;
        lines.truncate(1);
        lines.push(Line::styled(format!("and {hidden} more: hft counters"), BAD));
    }
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// A number in at most six characters.
pub fn short(number: u64) -> String {
    match number {
        0..100_000 => number.to_string(),
        100_000..10_000_000 => format!("{}k", number / 1_000),
        10_000_000..10_000_000_000 => format!("{}M", number / 1_000_000),
        _ => format!("{}G", number / 1_000_000_000),
    }
}

/// A time in at most eight characters.
pub fn nanos(nanos: u64) -> String {
    match nanos {
        0..10_000 => format!("{nanos} ns"),
        10_000..10_000_000 => format!("{}.{} us", nanos / 1_000, nanos / 100 % 10),
        10_000_000..10_000_000_000 => format!("{}.{} ms", nanos / 1_000_000, nanos / 100_000 % 10),
        _ => format!("{} s", nanos / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::top::model;

    fn frame(model: &Model) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(model, frame)).unwrap();
        crate::top::lines_of(terminal.backend().buffer())
    }

    #[test]
    fn everything_fits_into_80_by_24() {
        let lines = frame(&model::tests::sample());
        assert_eq!(lines.len(), 24);
        for wanted in [
            "durability journal",
            "4000/s",
            "sequenced",
            "written",
            "whole",
            "to journal",
            "flushes 100 of 23 ",
            "57311 MiB free",
            "follower",
            "sessions",
            "150.34 x 60",
            "64000.01 x 1.5",
            "halted",
            "venue-down",
            "q quits",
        ] {
            assert!(lines.iter().any(|line| line.contains(wanted)), "{wanted}: {lines:#?}");
        }
    }

    #[test]
    fn an_empty_model_is_drawn_too_and_numbers_stay_short() {
        assert!(frame(&Model::default()).iter().any(|line| line.contains("none")));
        for number in [0, 99_999, 100_000, 9_999_999, u64::from(u32::MAX), 123_456_789_012] {
            assert!(short(number).len() <= 6, "{}", short(number));
            assert!(nanos(number).len() <= 9, "{}", nanos(number));
        }
    }
}
