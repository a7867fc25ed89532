//! Brings a venue back from its journal: the same commands through the same `apply()`, the same answers into the same
//! streams. `serve` uses all of it; `replay` uses the core and the hash alone.

use std::path::Path;
use std::time::Duration;

use engine::core::{Core, EventBuffer};
use engine::event_hash::EventHasher;
use gateway_edge::ports::{StreamStore, StreamWrite};
use gateway_edge::reporter::ReportError;
use gateway_edge::{Publisher, Reporter};
use indicatif::{ProgressBar, ProgressStyle};
use journal::JournalReader;
use protocol::command::ListInstrument;
use protocol::{Command, CommandBody, Event, EventBody, Sequence, record};

use crate::clock;
use crate::venue::pace::{Pace, Speed};

/// What a replay found.
#[derive(Clone, Copy, Debug)]
pub struct Replayed {
    /// Commands applied.
    pub records: u64,
    /// Time it took.
    pub elapsed: Duration,
    /// Bytes of a torn tail behind the last command.
    pub torn_bytes: u64,
}

impl Replayed {
    /// Commands applied per second; 0 when there were none.
    pub fn commands_per_second(&self) -> u64 {
        let nanos = self.elapsed.as_nanos().max(1);
        u64::try_from(u128::from(self.records) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
    }
}

/// A core that is fed commands, with the hash over what it tells.
#[derive(Debug)]
pub struct Replica {
    /// The core.
    pub core: Core,
    /// The hash.
    pub hasher: EventHasher,
    events: EventBuffer,
    pace: Pace,
}

impl Replica {
    /// Of an empty venue.
    pub fn new() -> Self {
        Self { core: Core::new(), hasher: EventHasher::new(), events: EventBuffer::new(0), pace: Pace::new(Speed::Max) }
    }

    /// From now on each command waits for its time.
    pub fn at_speed(&mut self, speed: Speed) {
        self.pace = Pace::new(speed);
    }

    /// Goes on where a snapshot was made.
    pub fn go_on_at(&mut self, core: Core, hasher: EventHasher) {
        self.go_on_from(core);
        self.hasher = hasher;
    }

    /// Takes the place of a core that has come further. The hash over its events is not known and stays that of none.
    pub fn go_on_from(&mut self, core: Core) {
        let orders = core.venue().map_or(0, |venue| venue.orders_per_command_max as usize);
        self.events = EventBuffer::new(orders);
        self.core = core;
    }

    /// Applies one command and hands its events to `told`, in order.
    ///
    /// # Errors
    /// What `told` answers.
    pub fn apply(
        &mut self,
        command: &Command,
        mut told: impl FnMut(&Command, &Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.core.apply(command, &mut self.events);
        for event in self.events.as_slice() {
            self.hasher.push(event);
            told(command, event)?;
        }
        self.events.clear();
        if let CommandBody::OpenVenue(limits) = &command.body {
            self.events = EventBuffer::new(limits.orders_per_command_max as usize);
        }
        Ok(())
    }

    /// Replays the journal in `journal_dir` from where this core is, up to and including `to` (to its end when `None`).
    ///
    /// `look` is called now and then with the number of commands so far, and may end it.
    ///
    /// # Errors
    /// Damage, named with file, offset and sequence; a record that is no command; what `look` and `told` answer.
    pub fn replay(
        &mut self,
        journal_dir: &Path,
        to: Option<Sequence>,
        mut look: impl FnMut(u64) -> anyhow::Result<()>,
        mut told: impl FnMut(&Command, &Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<Replayed> {
        let started = clock::monotonic();
        let mut reader = JournalReader::open_after(journal_dir, self.core.last_sequence())?;
        let progress = progress_bar(to);
        let mut records = 0_u64;
        while to.is_none_or(|to| self.core.last_sequence() < to) {
            let Some(found) = reader.next()? else { break };
            let body = record::decode(found.body).map_err(|error| {
                anyhow::anyhow!("the record of sequence {} is whole but no command: {error}", found.sequence)
            })?;
            let command = Command { sequence: found.sequence, ingress: found.ingress, body };
            self.pace.hold(command.ingress);
            self.apply(&command, &mut told)?;
            records += 1;
            if records.is_multiple_of(65_536) {
                progress.set_position(records);
                look(records)?;
            }
        }
        progress.finish_and_clear();
        Ok(Replayed { records, elapsed: started.elapsed(), torn_bytes: reader.torn_bytes() })
    }
}

impl Default for Replica {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells reporter and publisher who is who in `core`, as the events up to here would have.
///
/// # Errors
/// A stream cannot be opened, or has fewer messages than it must have.
pub fn introduce<S: StreamStore, W: StreamWrite>(
    core: &Core,
    reporter: &mut Reporter<S>,
    publisher: &mut Publisher<W>,
) -> Result<(), ReportError> {
    if let Some(venue) = core.venue() {
        reporter.restore_session(venue.session);
        publisher.restore_session(venue.session);
    }
    for view in core.instruments() {
        let ListInstrument { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty, .. } = view.listed;
        reporter.restore_instrument(instrument, symbol);
        let listing =
            EventBody::InstrumentListed { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty };
        publisher.restore_instrument(&listing);
    }
    core.accounts().try_for_each(|view| reporter.restore_account(view.account, view.name, view.firm))
}

/// A bar on standard error, drawn only on a terminal and only when it takes a while.
fn progress_bar(to: Option<Sequence>) -> ProgressBar {
    let bar = to.map_or_else(ProgressBar::new_spinner, |to| ProgressBar::new(to.0));
    let style = ProgressStyle::with_template("replaying {wide_bar} {human_pos} commands  {per_sec}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
