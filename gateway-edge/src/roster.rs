//! Who may follow which firm's drop copy. Written where accounts are opened, read where a drop-copy login is judged: both
//! rare, so a lock is enough.

use std::fmt;
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
    firms: Vec<(usize, FirmStream<R>)>,
}

/// The roster, shared by the order port and the drop-copy port.
pub struct SharedRoster<R>(Arc<Mutex<Roster<R>>>);

impl<R: Clone> SharedRoster<R> {
    pub(crate) fn add_account(&self, name: AccountName, firm: usize) {
        if let Ok(mut roster) = self.0.lock() {
            roster.accounts.push((canonical_name(&name.0), firm));
        }
    }

    pub(crate) fn add_firm(&self, firm: usize, session: SessionName, reader: R) {
        if let Ok(mut roster) = self.0.lock() {
            roster.firms.push((firm, FirmStream { session, reader }));
        }
    }

    /// The index of an account by its canonical name, and its firm's stream.
    pub(crate) fn find(&self, name: AccountName) -> Option<(u32, FirmStream<R>)> {
        let roster = self.0.lock().ok()?;
        let index = roster.accounts.iter().position(|(known, _)| *known == name)?;
        let (_, firm) = roster.accounts.get(index)?;
        let (_, stream) = roster.firms.iter().find(|(known, _)| known == firm)?;
        Some((u32::try_from(index).ok()?, stream.clone()))
    }
}

impl<R> Default for SharedRoster<R> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Roster { accounts: Vec::new(), firms: Vec::new() })))
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
