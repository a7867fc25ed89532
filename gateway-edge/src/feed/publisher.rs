//! From events to the feed's stream: makes the ITCH messages and appends them. Live and in recovery alike, so that a replay
//! of the journal gives the same feed.

use std::fmt;
use std::io;
use std::sync::Arc;

use protocol::itch::{self, BLOCK_BYTES_MAX};
use protocol::{Event, EventBody, Midnight, SessionName};

use crate::directory::Instruments;
use crate::feed::document::{Document, FullNames, Listed};
use crate::mailbox::Mailbox;
use crate::notes::{self, Note};
use crate::ports::{StreamFull, StreamWrite};

/// Opens the stream of a new session.
type OpenNext<S> = Box<dyn FnMut(SessionName) -> io::Result<S> + Send>;

/// The feed's stream with its one writer.
pub struct Publisher<S: StreamWrite> {
    stream: S,
    /// The session before, for who has not got all of it.
    ended: Option<(SessionName, S)>,
    open_next: Option<OpenNext<S>>,
    session: SessionName,
    midnight: Midnight,
    instruments: Instruments,
    document: Document,
    block: [u8; BLOCK_BYTES_MAX],
}

impl<S: StreamWrite> Publisher<S> {
    /// Over the feed's stream, of an empty venue.
    pub fn new(stream: S) -> Self {
        let (instruments, document) = (Instruments::default(), Document::default());
        Self {
            stream,
            ended: None,
            open_next: None,
            session: SessionName::BLANK,
            midnight: Midnight::EACH,
            instruments,
            document,
            block: [0; BLOCK_BYTES_MAX],
        }
    }

    /// The same, with what instruments are called in the directory document.
    #[must_use]
    pub fn with_names(mut self, names: FullNames) -> Self {
        self.document.name(names);
        self
    }

    /// Where a feed leaves the directory document each time it changes: for who keeps it as a file.
    pub fn directory_copies(&self) -> Mailbox<String> {
        self.document.copies()
    }

    /// Leaves the directory document there when it has changed.
    pub(crate) fn leave_directory_copy(&mut self) {
        self.document.leave_copy(self.session);
    }

    /// The same, with what opens the stream of each further session; without it the feed ends with its first one.
    #[must_use]
    pub fn with_next(mut self, open: impl FnMut(SessionName) -> io::Result<S> + Send + 'static) -> Self {
        self.open_next = Some(Box::new(open));
        self
    }

    /// Appends what this event shows on the feed, if anything. Events come in their order.
    ///
    /// # Errors
    /// [`StreamFull`]: the feed cannot go on.
    #[inline]
    pub fn publish(&mut self, event: &Event) -> Result<(), StreamFull> {
        if let EventBody::VenueOpened { session } = event.body {
            self.restore_session(session);
        }
        if let EventBody::SessionRolled { session } = event.body {
            self.midnight = event.midnight_after(self.midnight);
            return self.roll(session);
        }
        if let EventBody::MidnightChanged { midnight } = event.body {
            self.midnight = midnight;
        }
        if let EventBody::InstrumentListed { .. } = event.body {
            self.restore_instrument(&event.body);
        }
        let instruments = &self.instruments;
        let len = itch::from_event(event, self.midnight, |id| instruments.symbol(id), &mut self.block);
        match self.block.get(..len) {
            Some(block) if len > 0 => self.stream.append(block),
            Some(_) | None => Ok(()),
        }
    }

    /// Begins the stream of a new session.
    #[cold]
    fn roll(&mut self, session: SessionName) -> Result<(), StreamFull> {
        let opened = self.open_next.as_mut().map(|open| open(session));
        match opened {
            Some(Ok(stream)) => {
                self.ended = Some((self.session, std::mem::replace(&mut self.stream, stream)));
                self.restore_session(session);
                Ok(())
            }
            Some(Err(error)) => {
                notes::hand_over(Note::FeedNotOpened(session, error.kind()));
                Err(StreamFull)
            }
            None => Err(StreamFull),
        }
    }

    /// The session before this one with its stream: complete, for who has not got all of it.
    pub fn ended(&self) -> Option<(SessionName, &S)> {
        self.ended.as_ref().map(|(session, stream)| (*session, stream))
    }

    /// Makes the session known without an event: for a start from a snapshot.
    pub fn restore_session(&mut self, session: SessionName) {
        self.session = session;
        self.document.outdate();
    }

    /// Makes known from where time stamps count without an event: for a start from a snapshot.
    pub fn restore_midnight(&mut self, midnight: Midnight) {
        self.midnight = midnight;
    }

    /// Makes an instrument known by how it was listed; any other event says nothing here. For a start from a snapshot.
    pub fn restore_instrument(&mut self, listing: &EventBody) {
        let EventBody::InstrumentListed { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty, legs } =
            *listing
        else {
            return;
        };
        self.instruments.insert(instrument, symbol);
        self.document.list(Listed { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty, legs });
    }

    /// The directory document as a whole HTTP response.
    pub(crate) fn directory_response(&mut self) -> Arc<[u8]> {
        self.document.response(self.session)
    }

    /// The session of the feed; blank before the venue is opened.
    pub fn session(&self) -> SessionName {
        self.session
    }

    /// The stream, to read it.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream, to end a rebuild.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: StreamWrite> fmt::Debug for Publisher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("session", &self.session)
            .field("messages", &self.stream.messages())
            .finish_non_exhaustive()
    }
}
