//! Who may follow which firm's drop copy. Written where accounts are opened, read where a drop-copy login is judged: both
//! rare, so a lock is enough.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use protocol::{AccountName, Firm, SessionName};

use crate::directory::canonical_name;

/// A firm's stream as a drop-copy session has it.
#[derive(Clone, Debug)]
pub(crate) struct FirmStream<R> {
    pub(crate) session: SessionName,
    pub(crate) reader: R,
}

struct Roster<R> {
    accounts: Vec<(AccountName, usize)>,
    firms: Vec<(usize, Firm, FirmStream<R>)>,
}

/// What both ports have of it.
struct Shared<R> {
    roster: Mutex<Roster<R>>,
    /// Sessions that have ended. Written by the order port behind what the lock keeps; Release, paired with Acquire.
    ended: AtomicU64,
}

/// The roster, shared by the order port and the drop-copy port.
pub struct SharedRoster<R>(Arc<Shared<R>>);

impl<R: Clone> SharedRoster<R> {
    pub(crate) fn add_account(&self, name: AccountName, firm: usize) {
        if let Ok(mut roster) = self.0.roster.lock() {
            roster.accounts.push((canonical_name(&name.0), firm));
        }
    }

    pub(crate) fn add_firm(&self, index: usize, firm: Firm, session: SessionName, reader: R) {
        if let Ok(mut roster) = self.0.roster.lock() {
            roster.firms.push((index, firm, FirmStream { session, reader }));
        }
    }

    /// A firm has a new session.
    pub(crate) fn begin_session(&self, firm: Firm, session: SessionName, reader: R) {
        let Ok(mut roster) = self.0.roster.lock() else { return };
        if let Some((_, _, stream)) = roster.firms.iter_mut().find(|(_, known, _)| *known == firm) {
            *stream = FirmStream { session, reader };
        }
    }

    /// Every firm has its new session.
    pub(crate) fn end_roll(&self) {
        self.0.ended.fetch_add(1, Ordering::Release);
    }

    /// How many sessions have ended.
    pub(crate) fn sessions_ended(&self) -> u64 {
        self.0.ended.load(Ordering::Acquire)
    }

    /// True while this is the session of a firm.
    pub(crate) fn is_current(&self, session: SessionName) -> bool {
        self.0.roster.lock().is_ok_and(|roster| roster.firms.iter().any(|(_, _, stream)| stream.session == session))
    }

    /// The index of an account by its canonical name, and its firm's stream.
    pub(crate) fn find(&self, name: AccountName) -> Option<(u32, FirmStream<R>)> {
        let roster = self.0.roster.lock().ok()?;
        let index = roster.accounts.iter().position(|(known, _)| *known == name)?;
        let (_, firm) = roster.accounts.get(index)?;
        let (_, _, stream) = roster.firms.iter().find(|(known, _, _)| known == firm)?;
        Some((u32::try_from(index).ok()?, stream.clone()))
    }
}

impl<R> Default for SharedRoster<R> {
    fn default() -> Self {
        let roster = Mutex::new(Roster { accounts: Vec::new(), firms: Vec::new() });
        Self(Arc::new(Shared { roster, ended: AtomicU64::new(0) }))
    }
}

impl<R> Clone for SharedRoster<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> fmt::Debug for SharedRoster<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRoster").finish_non_exhaustive()
    }
}

/// The name of a firm's drop-copy session: its letters, filled up with `x`, then the last six of the accounts' session.
pub fn firm_session(session: SessionName, firm: Firm) -> SessionName {
    let mut name = session;
    for (to, from) in name.0.iter_mut().zip(firm.0) {
        *to = if from == b' ' { b'x' } else { from };
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_firm_has_a_session_name_of_its_own() {
        let session = SessionName(*b"S0MI5A8K2Q");
        assert_eq!(firm_session(session, Firm(*b"DEMA")), SessionName(*b"DEMA5A8K2Q"));
        assert_eq!(firm_session(session, Firm(*b"AB  ")), SessionName(*b"ABxx5A8K2Q"));
    }
}
