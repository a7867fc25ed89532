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
    if model.stages.iter().all(|(_, times)| times.is_none()) {
        let lines =
            vec![Line::styled("time of each stage", HEAD), Line::from("no command was followed yet: one in 64 is")];
        frame.render_widget(Paragraph::new(lines), area);
        return;
    }
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
    // Border and head take two lines.
    let room = usize::from(area.height.saturating_sub(2));
    let count = model.books.len();
    let first = model.first_book.min(count.saturating_sub(room));
    let rows = model.books.iter().skip(first).take(room).map(
        |Book { symbol, state, cells: [bid, bid_qty, ask, ask_qty, last] }| {
            let side = |price: &str, qty: &str| {
                if price.is_empty() { "-".to_owned() } else { format!("{price} x {qty}") }
            };
            let style = if *state == "trading" { Style::new() } else { BAD };
            Row::new([symbol.clone(), side(bid, bid_qty), side(ask, ask_qty), last.clone(), (*state).to_owned()])
                .style(style)
        },
    );
    let widths =
        [Constraint::Length(8), Constraint::Min(15), Constraint::Min(15), Constraint::Length(8), Constraint::Length(7)];
    let mut block = Block::new().borders(Borders::TOP);
    if count > room {
        block = block.title(format!("{} to {} of {count} books, arrows move", first + 1, first + room));
    }
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

/// A time with three digits that count, in at most eight characters up to a thousand seconds.
pub fn nanos(nanos: u64) -> String {
    if nanos < 1_000 {
        return format!("{nanos} ns");
    }
    for (unit, name) in [(1_000, "us"), (1_000_000, "ms"), (1_000_000_000, "s")] {
        // Rounded to each number of decimals; one that does not fit any more takes the next.
        let of = |parts: u128| (u128::from(nanos) * parts + unit / 2) / unit;
        let (hundredths, tenths, whole) = (of(100), of(10), of(1));
        if hundredths < 1_000 {
            return format!("{}.{:02} {name}", hundredths / 100, hundredths % 100);
        }
        if tenths < 1_000 {
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
        if whole < 1_000 || name == "s" {
            return format!("{whole} {name}");
        }
    }
    String::new()
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
        let mut model = model::tests::sample();
        let unfollowed = frame(&model);
        assert!(unfollowed.iter().any(|line| line.contains("no command was followed yet")), "{unfollowed:#?}");
        let mut times = Times::default();
        (times.count, times.sum, times.least, times.greatest) = (3, 24_000, 7_000, 9_000);
        model.stages.last_mut().unwrap().1 = Some(times);
        let lines = frame(&model);
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
    fn books_that_find_no_room_are_told_and_reached() {
        let mut model = model::tests::sample();
        let book = model.books[0].clone();
        model.books = (0..9).map(|number| Book { symbol: format!("SYM{number}"), ..book.clone() }).collect();
        let lines = frame(&model);
        assert!(lines.iter().any(|line| line.contains("1 to 5 of 9 books")), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("SYM8")));
        model.first_book = 100;
        let lines = frame(&model);
        assert!(
            lines.iter().any(|line| line.contains("5 to 9 of 9 books"))
                && lines.iter().any(|line| line.contains("SYM8"))
        );
    }

    #[test]
    fn an_empty_model_is_drawn_too_and_numbers_stay_short() {
        assert!(frame(&Model::default()).iter().any(|line| line.contains("none")));
        for (number, told) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (8_075, "8.08 us"),
            (9_996, "10.0 us"),
            (99_960, "100 us"),
            (999_600, "1.00 ms"),
            (4_018_100, "4.02 ms"),
            (40_000_000, "40.0 ms"),
            (1_883_000_000, "1.88 s"),
            (123_456_789_012, "123 s"),
        ] {
            assert_eq!(nanos(number), told);
        }
        for number in [0, 99_999, 100_000, 9_999_999, u64::from(u32::MAX), 123_456_789_012] {
            assert!(short(number).len() <= 6, "{}", short(number));
            assert!(nanos(number).len() <= 9, "{}", nanos(number));
        }
    }
}
