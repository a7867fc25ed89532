//! The agent that makes commands durable: takes them from the input ring beside the core, appends them, flushes where the
//! mode asks for it, and moves the cursor that every answer and all market data wait for.
//!
//! A write or a flush that fails is never tried again: the cursor stays, the venue stops.

use std::sync::Arc;

use engine::runtime::agent::Agent;
use engine::runtime::cursor::Cursor;
use engine::runtime::pipeline::CommandPoller;
use engine::runtime::tsc::ticks;
use journal::{FlushError, JournalWriter};
use protocol::{Sequence, record};

use crate::config::DurabilityMode;
use crate::venue::fault::Fault;
use crate::venue::metrics::JournalWatch;

/// Commands of one turn, and so of one flush at the most.
const BATCH_MAX: u64 = 1_024;

/// The journal on its thread.
#[derive(Debug)]
pub struct JournalAgent {
    commands: CommandPoller,
    writer: Option<JournalWriter>,
    mode: DurabilityMode,
    durable: Arc<Cursor>,
    last: Sequence,
    fault: Arc<Fault>,
    watch: Option<JournalWatch>,
}

impl JournalAgent {
    /// Without a writer (mode `memory`) commands are only counted.
    pub fn new(
        commands: CommandPoller,
        writer: Option<JournalWriter>,
        mode: DurabilityMode,
        durable: Arc<Cursor>,
        fault: Arc<Fault>,
    ) -> Self {
        let last = durable.load();
        Self { commands, writer, mode, durable, last, fault, watch: None }
    }

    /// Tells `watch` from now on.
    pub fn watched_by(self, watch: JournalWatch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// The writer, to seal the journal after the venue has stopped.
    pub fn into_writer(self) -> Option<JournalWriter> {
        self.writer
    }

    fn flush(&mut self) -> bool {
        match (&mut self.writer, self.mode) {
            (Some(writer), DurabilityMode::Fdatasync) => match timed_flush(writer, self.watch.as_mut(), self.last) {
                Ok(()) => true,
                Err(error) => {
                    self.fault.raise(format!("the journal cannot be flushed: {error}"));
                    false
                }
            },
            (Some(_) | None, _) => true,
        }
    }
}

/// Flushes everything up to `last`.
fn timed_flush(writer: &mut JournalWriter, watch: Option<&mut JournalWatch>, last: Sequence) -> Result<(), FlushError> {
    let start = ticks();
    writer.flush()?;
    if let Some(watch) = watch.filter(|watch| watch.recording.is_on()) {
        watch.flushes.add(1);
        watch.flushed.add(last.0.saturating_sub(watch.sequence.load()));
        watch.flush.record(watch.rate.between(start, ticks()));
    }
    Ok(())
}

impl Agent for JournalAgent {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn turn(&mut self) -> usize {
        if self.fault.is_raised() {
            return 0;
        }
        let Self { commands, writer, last, fault, .. } = self;
        let taken = commands.poll(BATCH_MAX, |command| {
            if fault.is_raised() {
                return;
            }
            if let Some(writer) = writer {
                let mut body = [0; record::BODY_BYTES_MAX];
                let bytes = record::encode(&command.body, &mut body);
                let appended = writer.append(command.sequence, command.ingress, body.get(..bytes).unwrap_or_default());
                if let Err(error) = appended {
                    fault.raise(format!("the journal cannot be written: {error}"));
                    return;
                }
            }
            *last = command.sequence;
        });
        if taken > 0 && self.flush() && self.last > self.durable.load() {
            if let Some(watch) = self.watch.as_mut().filter(|watch| watch.recording.is_on()) {
                watch.durable.done(self.last);
                watch.sequence.set(self.last.0);
            }
            self.durable.store(self.last);
        }
        taken
    }
}
