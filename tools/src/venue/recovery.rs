//! Brings a venue back from its journal: the same commands through the same `apply()`, the same answers into the same
//! streams. `serve` uses all of it; `replay` uses the core and the hash alone.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context;
use engine::core::{Core, EventBuffer, EventSink};
use engine::event_hash::EventHasher;
use gateway_edge::ports::{StreamStore, StreamWrite};
use gateway_edge::reporter::ReportError;
use gateway_edge::{Publisher, Reporter};
use indicatif::{ProgressBar, ProgressStyle};
use journal::{JournalReader, about_last_sequence};
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
    pub fn at_pace(&mut self, pace: Pace) {
        self.pace = pace;
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

    /// Replays the journal in `journal_dir` from where this core is, up to and including `to` (to its end when `None`). What
    /// the commands told is hashed, and handed to `told`, on a second thread beside: the core does not wait for it.
    ///
    /// `look` is called now and then with the number of commands so far, and may end it.
    ///
    /// # Errors
    /// Damage, named with file, offset and sequence; a record that is no command; what `look` and `told` answer.
    pub fn replay(
        &mut self,
        journal_dir: &Path,
        to: Option<Sequence>,
        look: impl FnMut(u64) -> anyhow::Result<()>,
        told: impl FnMut(&Command, &Event) -> anyhow::Result<()> + Send,
    ) -> anyhow::Result<Replayed> {
        let started = clock::monotonic();
        let commands = Commands::open(journal_dir, self.core.last_sequence(), to)?;
        let Self { core, hasher, pace, .. } = self;
        let (full, filled) = sync_channel(BATCHES);
        let (empty, emptied) = sync_channel(BATCHES);
        (0..BATCHES).for_each(|_| drop(empty.try_send(Batch::default())));
        let telling = Telling { hasher, told, filled, empty };
        let (applied, told) = std::thread::scope(|scope| {
            let teller = scope.spawn(move || telling.run());
            let applied = apply_all(core, pace, commands, look, &Batches { full, emptied });
            (applied, teller.join())
        });
        told.map_err(|_| anyhow::anyhow!("the thread that takes what is replayed panicked"))??;
        let (records, torn_bytes) = applied?;
        let orders = self.core.venue().map_or(0, |venue| venue.orders_per_command_max as usize);
        self.events = EventBuffer::new(orders);
        Ok(Replayed { records, elapsed: started.elapsed(), torn_bytes })
    }
}

/// Commands of one batch: few enough to stay in the cache on their way from thread to thread.
const BATCH: usize = 512;
/// Batches that are under way.
const BATCHES: usize = 6;

/// Commands and what they told.
#[derive(Debug, Default)]
struct Batch {
    commands: Vec<Command>,
    events: Events,
}

/// Events as they come.
#[derive(Debug, Default)]
struct Events(Vec<Event>);

impl EventSink for Events {
    #[inline]
    fn push(&mut self, event: Event) {
        self.0.push(event);
    }
}

/// The commands of a journal, up to an end.
#[derive(Debug)]
pub struct Commands {
    reader: JournalReader,
    to: Option<Sequence>,
    last: Sequence,
    /// About how many there are.
    expected: u64,
}

impl Commands {
    /// Those behind `after`.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn open(journal_dir: &Path, after: Sequence, to: Option<Sequence>) -> anyhow::Result<Self> {
        let reader = JournalReader::open_after(journal_dir, after)?;
        let end = about_last_sequence(journal_dir)?.unwrap_or(after);
        let expected = to.map_or(end, |to| to.min(end)).0.saturating_sub(after.0);
        Ok(Self { reader, to, last: after, expected })
    }

    /// Adds the next ones until there are `limit`; none at the end.
    ///
    /// # Errors
    /// Damage, named with file, offset and sequence; a record that is no command. What was before it is added.
    pub fn read(&mut self, commands: &mut Vec<Command>, limit: usize) -> anyhow::Result<()> {
        while commands.len() < limit && self.to.is_none_or(|to| self.last < to) {
            let Some(found) = self.reader.next()? else { break };
            let body = record::decode(found.body).map_err(|error| {
                anyhow::anyhow!("the record of sequence {} is whole but no command: {error}", found.sequence)
            })?;
            commands.push(Command { sequence: found.sequence, ingress: found.ingress, body });
            self.last = found.sequence;
        }
        Ok(())
    }
}

/// Where full batches go, and empty ones come from.
struct Batches {
    full: SyncSender<Batch>,
    emptied: Receiver<Batch>,
}

/// Reads and applies until the end; how many commands, and the bytes of a torn tail. A teller that has ended ends this, too.
fn apply_all(
    core: &mut Core,
    pace: &mut Pace,
    mut commands: Commands,
    mut look: impl FnMut(u64) -> anyhow::Result<()>,
    batches: &Batches,
) -> anyhow::Result<(u64, u64)> {
    let progress = progress_bar(commands.expected);
    let (mut records, mut looked) = (0_u64, 0);
    let limit = if pace.is_max() { BATCH } else { 1 };
    while let Ok(mut batch) = batches.emptied.recv() {
        let read = commands.read(&mut batch.commands, limit);
        core.prefetch_batch(&batch.commands);
        if let Some(first) = batch.commands.first() {
            pace.hold(first.ingress);
        }
        let applied = core.apply_some(&batch.commands, &mut batch.events, |_| false) as u64;
        records += applied;
        // What was read before a damaged place is told all the same.
        if batches.full.send(batch).is_err() || applied == 0 {
            read?;
            break;
        }
        read?;
        if records / LOOK_EVERY > looked {
            looked = records / LOOK_EVERY;
            progress.set_position(records);
            look(records)?;
        }
    }
    progress.finish_and_clear();
    Ok((records, commands.reader.torn_bytes()))
}

/// Commands between two looks.
const LOOK_EVERY: u64 = 65_536;

/// The second thread: hashes what was told, and tells it on.
struct Telling<'a, T> {
    hasher: &'a mut EventHasher,
    told: T,
    filled: Receiver<Batch>,
    empty: SyncSender<Batch>,
}

impl<T: FnMut(&Command, &Event) -> anyhow::Result<()>> Telling<'_, T> {
    fn run(mut self) -> anyhow::Result<()> {
        while let Ok(mut batch) = self.filled.recv() {
            let first = batch.commands.first().map_or(0, |first| first.sequence.0);
            for event in &batch.events.0 {
                self.hasher.push(event);
                let at = usize::try_from(event.sequence.0 - first)?;
                let command = batch.commands.get(at).context("an event names a command of another batch")?;
                (self.told)(command, event)?;
            }
            batch.commands.clear();
            batch.events.0.clear();
            // The other side may have read to the end and be gone; what it has sent is told all the same.
            drop(self.empty.send(batch));
        }
        Ok(())
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
        reporter.restore_midnight(core.midnight());
        publisher.restore_midnight(core.midnight());
    }
    for view in core.instruments() {
        let ListInstrument { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty, .. } = view.listed;
        reporter.restore_instrument(instrument, symbol);
        let listing = EventBody::InstrumentListed {
            instrument,
            symbol,
            price_decimals,
            qty_decimals,
            tick,
            lot,
            max_qty,
            legs: view.legs,
        };
        publisher.restore_instrument(&listing);
    }
    core.accounts().try_for_each(|view| reporter.restore_account(view.account, view.name, view.firm))
}

/// A bar on standard error, drawn only on a terminal.
fn progress_bar(commands: u64) -> ProgressBar {
    let bar = ProgressBar::new(commands);
    let style = ProgressStyle::with_template("replaying {wide_bar} {human_pos} commands  {per_sec}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
