//! `hft top`: the venue on one screen, from its counters file alone. It asks the venue for nothing and cannot slow it down.

mod model;
mod screen;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{Event, KeyCode, KeyModifiers, poll, read};

use crate::VenueArgs;
use crate::clock::{monotonic, utc_now};
use crate::counters::file::Snapshot;
use crate::output::print_line;
use model::Model;
pub use model::book;
pub use screen::{nanos, short};

/// Time between two frames.
const EVERY: Duration = Duration::from_secs(1);
/// The size of the one frame of `--once`.
const ONCE: (u16, u16) = (80, 24);
/// Between the two looks of `--once`, so that there are rates.
const ONCE_APART: Duration = Duration::from_millis(250);

/// The venue on one screen.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hft top\n  hft top --once --data-dir ./data")]
pub struct Args {
    #[command(flatten)]
    venue: VenueArgs,
    /// Print one frame and end
    #[arg(long)]
    once: bool,
}

/// Draws every second until q.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let data_dir = args.venue.load()?.data_dir;
    let look = || anyhow::Ok((Snapshot::read(&data_dir)?, monotonic()));
    let mut before = look()?;
    if args.once {
        std::thread::park_timeout(ONCE_APART);
        let now = look()?;
        let nanos = u64::try_from(now.1.duration_since(before.1).as_nanos()).unwrap_or(u64::MAX);
        let model = Model::of(&now.0, Some((&before.0, nanos)), utc_now().0);
        let mut terminal = Terminal::new(TestBackend::new(ONCE.0, ONCE.1))?;
        terminal.draw(|frame| screen::draw(&model, frame))?;
        print_line(&lines_of(terminal.backend().buffer()).join("\n"));
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(std::io::stdout().is_terminal(), "standard output is no terminal; print one frame with --once");
    let mut terminal = ratatui::try_init().context("the terminal cannot be drawn on")?;
    let shown = (|| {
        let mut model = Model::of(&before.0, None, utc_now().0);
        let mut first_book = 0_usize;
        loop {
            model.first_book = first_book;
            terminal.draw(|frame| screen::draw(&model, frame))?;
            match pressed()? {
                Pressed::Nothing => {}
                Pressed::Quit => return anyhow::Ok(()),
                Pressed::Moved(by) => {
                    first_book = first_book.saturating_add_signed(by).min(model.books.len().saturating_sub(1));
                    continue;
                }
            }
            let now = look()?;
            let nanos = u64::try_from(now.1.duration_since(before.1).as_nanos()).unwrap_or(u64::MAX);
            // A restarted venue has a new file: its numbers begin again.
            let same = now.0.process == before.0.process && now.0.started_utc_ns == before.0.started_utc_ns;
            model = Model::of(&now.0, same.then_some((&before.0, nanos)), utc_now().0);
            before = now;
        }
    })();
    ratatui::restore();
    shown.map(|()| ExitCode::SUCCESS)
}

/// What came before the next frame was due.
enum Pressed {
    Nothing,
    Quit,
    /// Through the books, by so many.
    Moved(isize),
}

/// Waits for the next frame, or for a key.
fn pressed() -> anyhow::Result<Pressed> {
    let end = monotonic() + EVERY;
    loop {
        let left = end.saturating_duration_since(monotonic());
        if left.is_zero() || !poll(left)? {
            return Ok(Pressed::Nothing);
        }
        let key = match read()? {
            Event::Key(key) => key,
            Event::Resize(..) => return Ok(Pressed::Moved(0)),
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_) => continue,
        };
        let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if is_interrupt || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc) {
            return Ok(Pressed::Quit);
        }
        let steps = [
            (KeyCode::Down, 1),
            (KeyCode::Up, -1),
            (KeyCode::PageDown, 5),
            (KeyCode::PageUp, -5),
            (KeyCode::Home, isize::MIN),
        ];
        if let Some((_, by)) = steps.into_iter().find(|(code, _)| *code == key.code) {
            return Ok(Pressed::Moved(by));
        }
    }
}

/// The text of a drawn frame.
fn lines_of(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width.max(1));
    buffer
        .content
        .chunks(width)
        .map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned())
        .collect()
}
