//! Who has come and gone since the core was last told. A session that ends and begins again before that is no change: what
//! the core hears is journaled, and a client that only reconnects has not left.

use std::collections::VecDeque;

use protocol::AccountId;

/// What the core was told of one account.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// It was told that the account is connected.
    connected: bool,
    /// It is on the list of those to look at.
    listed: bool,
}

/// The accounts whose presence may differ from what the core was told, each once.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    known: Vec<Known>,
    changed: VecDeque<AccountId>,
}

impl Presence {
    /// An account logged in, or its session ended.
    pub(crate) fn note(&mut self, account: AccountId) {
        let Ok(index) = usize::try_from(account.0) else { return };
        if self.known.len() <= index {
            self.known.resize(index + 1, Known::default());
        }
        if let Some(known) = self.known.get_mut(index).filter(|known| !known.listed) {
            known.listed = true;
            self.changed.push_back(account);
        }
    }

    /// Nobody has to be looked at.
    pub(crate) fn is_settled(&self) -> bool {
        self.changed.is_empty()
    }

    /// The next account to look at, and whether the core takes it for connected.
    pub(crate) fn first(&self) -> Option<(AccountId, bool)> {
        let account = *self.changed.front()?;
        let known = self.known.get(usize::try_from(account.0).ok()?)?;
        Some((account, known.connected))
    }

    /// The account that [`Presence::first`] gave is dealt with: the core takes it for `connected` now.
    pub(crate) fn settle_first(&mut self, connected: bool) {
        let Some(account) = self.changed.pop_front() else { return };
        let Ok(index) = usize::try_from(account.0) else { return };
        if let Some(known) = self.known.get_mut(index) {
            *known = Known { connected, listed: false };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_is_looked_at_once() {
        let mut presence = Presence::default();
        for account in [3, 1, 3, 1] {
            presence.note(AccountId(account));
        }
        assert_eq!(presence.first(), Some((AccountId(3), false)));
        presence.settle_first(true);
        assert_eq!(presence.first(), Some((AccountId(1), false)));
        presence.settle_first(false);
        assert!(presence.is_settled());
        presence.note(AccountId(3));
        assert_eq!(presence.first(), Some((AccountId(3), true)));
    }
}
