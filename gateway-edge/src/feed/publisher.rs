//! From events to the feed's stream: makes the ITCH messages and appends them. Live and in recovery alike.

use protocol::{Event, InstrumentId, SessionName, Symbol};

use crate::ports::{StreamFull, StreamWrite};

/// The feed's stream with its one writer.
#[derive(Debug)]
pub struct Publisher<S: StreamWrite> {
    stream: S,
}

impl<S: StreamWrite> Publisher<S> {
    /// Over the feed's stream, of an empty venue.
    pub fn new(stream: S) -> Self {
        Self { stream }
    }

    /// Appends what this event shows on the feed, if anything. Events come in their order.
    ///
    /// # Errors
    /// [`StreamFull`]: the feed cannot go on.
    pub fn publish(&mut self, _event: &Event) -> Result<(), StreamFull> {
        Ok(())
    }

    /// Makes the session known without an event: for a start from a snapshot.
    pub fn restore_session(&mut self, _session: SessionName) {}

    /// Makes an instrument known without an event: for a start from a snapshot.
    pub fn restore_instrument(&mut self, _instrument: InstrumentId, _symbol: Symbol) {}

    /// The stream, to end a rebuild or to make a reader.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}
