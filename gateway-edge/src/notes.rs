//! What the hot threads have to say: a few bytes handed over through a bounded queue, made into words by whoever keeps the
//! log. When the queue is full the note is dropped and counted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};

use crossbeam_queue::ArrayQueue;
use protocol::{AccountId, AccountName, Firm, Sequence, SessionName};

use crate::reporter::ReportError;

/// Notes that may wait.
const NOTES_MAX: usize = 256;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The stream of an account is full: an answer is not in it.
    AccountStreamFull(AccountName),
    /// The stream of an account cannot be opened.
    AccountNotOpened(AccountName),
    /// An event named an account before it was opened.
    AccountOutOfTurn(AccountId),
    /// The drop-copy stream of a firm is full.
    FirmStreamFull(Firm),
    /// The drop-copy stream of a firm cannot be opened.
    FirmNotOpened(Firm),
    /// The feed's stream is full: it stops at this command.
    FeedStopped(Sequence),
    /// The feed's stream of a new session cannot be opened.
    FeedNotOpened(SessionName, io::ErrorKind),
    /// The streams of sessions before this one cannot be removed.
    SessionsNotRemoved(SessionName, io::ErrorKind),
}

impl From<&ReportError> for Note {
    fn from(error: &ReportError) -> Self {
        match error {
            ReportError::Open { name, .. } => Self::AccountNotOpened(*name),
            ReportError::Full { name, .. } => Self::AccountStreamFull(*name),
            ReportError::OpenFirm { firm, .. } => Self::FirmNotOpened(*firm),
            ReportError::AccountOutOfTurn { account, .. } => Self::AccountOutOfTurn(*account),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountStreamFull(name) => write!(f, "the stream of account {name} takes no more messages"),
            Self::AccountNotOpened(name) => write!(f, "the stream of account {name} cannot be opened"),
            Self::AccountOutOfTurn(account) => write!(f, "an event names account {account} out of turn"),
            Self::FirmStreamFull(firm) => write!(f, "the drop-copy stream of firm {firm} takes no more messages"),
            Self::FirmNotOpened(firm) => write!(f, "the drop-copy stream of firm {firm} cannot be opened"),
            Self::FeedStopped(sequence) => {
                write!(f, "the feed stops at command {sequence}: its stream takes no more messages")
            }
            Self::FeedNotOpened(session, kind) => {
                write!(f, "the feed's stream of session {session} cannot be opened: {kind}")
            }
            Self::SessionsNotRemoved(session, kind) => {
                write!(f, "streams of sessions before {session} cannot be removed: {kind}")
            }
        }
    }
}

static NOTES: OnceLock<ArrayQueue<Note>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Makes the queue, so that no hot thread does.
pub fn prepare() {
    NOTES.get_or_init(|| ArrayQueue::new(NOTES_MAX));
}

/// Hands a note over; never waits. Before [`prepare`] it is only counted.
pub fn hand_over(note: Note) {
    if NOTES.get().is_none_or(|notes| notes.push(note).is_err()) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// The oldest note that waits.
pub fn take() -> Option<Note> {
    NOTES.get()?.pop()
}

/// Notes that found no room.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_wait_for_nobody() {
        let note = Note::AccountStreamFull(AccountName(*b"DEMO01"));
        hand_over(note);
        assert_eq!((take(), dropped()), (None, 1));
        prepare();
        for _ in 0..NOTES_MAX + 3 {
            hand_over(note);
        }
        assert_eq!((take(), dropped()), (Some(note), 4));
        while take().is_some() {}
        assert!(note.to_string().contains("DEMO01"));
    }
}
