//! From events to the streams of accounts: makes the OUCH answers and appends them. Live and in recovery alike, so that
//! a replay of the journal gives the same streams.

use std::io;

use protocol::{AccountId, AccountName, Command, Event, Firm, InstrumentId, Nanos, SessionName, Symbol};

use crate::ports::StreamStore;

/// Readings of the live clock that belong to an event; they reach the client only where it asked for details.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportTimes {
    /// When the command got its sequence; 0 = unknown.
    pub sequenced: Nanos,
    /// When the command was known to be durable; 0 = unknown.
    pub durable: Nanos,
}

impl ReportTimes {
    /// As in recovery.
    pub const UNKNOWN: Self = Self { sequenced: Nanos(0), durable: Nanos(0) };
}

/// Why an event could not be reported.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The stream of a new account cannot be opened.
    #[error("cannot open the stream of account {name}: {source}")]
    Open {
        /// Its login name.
        name: AccountName,
        /// What the store said.
        source: io::Error,
    },
    /// The stream of an account is full, or was never opened: the answer is not in it.
    #[error("the stream of account {name} takes no more messages")]
    Full {
        /// Its login name.
        name: AccountName,
    },
    /// The event names an account that no event opened.
    #[error("an event names account {account}, which was never opened")]
    AccountUnknown {
        /// The index it names.
        account: AccountId,
    },
}

/// The accounts with their streams, and the names of instruments: what events say about who is who.
#[derive(Debug)]
pub struct Reporter<S: StreamStore> {
    store: S,
}

impl<S: StreamStore> Reporter<S> {
    /// Of an empty venue.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// Takes one event of `command`: keeps what it says about accounts and instruments, and appends its answers to the
    /// streams of those whom it concerns; `addressed` is told each of them. Events come in their order.
    ///
    /// # Errors
    /// [`ReportError`]; in recovery it ends the start, live it is counted and the account's session is closed.
    pub fn report(
        &mut self,
        _command: &Command,
        _event: &Event,
        _times: ReportTimes,
        _addressed: impl FnMut(AccountId),
    ) -> Result<(), ReportError> {
        Ok(())
    }

    /// [`Reporter::report`] as recovery calls it.
    ///
    /// # Errors
    /// As [`Reporter::report`].
    pub fn replay(&mut self, command: &Command, event: &Event) -> Result<(), ReportError> {
        self.report(command, event, ReportTimes::UNKNOWN, |_| {})
    }

    /// Makes the session known without an event: for a start from a snapshot.
    pub fn restore_session(&mut self, _session: SessionName) {}

    /// Opens the stream of an account without an event: for a start from a snapshot.
    ///
    /// # Errors
    /// [`ReportError::Open`].
    pub fn restore_account(&mut self, _account: AccountId, _name: AccountName, _firm: Firm) -> Result<(), ReportError> {
        Ok(())
    }

    /// Makes an instrument known without an event: for a start from a snapshot.
    pub fn restore_instrument(&mut self, _instrument: InstrumentId, _symbol: Symbol) {}

    /// The streams of all accounts, in order of opening: to end a rebuild.
    pub fn streams_mut(&mut self) -> impl Iterator<Item = (AccountId, &mut S::Stream)> {
        let _ = &self.store;
        std::iter::empty()
    }
}
