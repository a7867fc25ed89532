//! The connections of the order port by slot, and which account is logged in where.

use protocol::AccountId;

use crate::connection::Connection;
use crate::presence::Presence;
use crate::slots::Slots;

/// The connections.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) slots: Slots<Connection>,
    by_account: Vec<Option<usize>>,
    pub(crate) presence: Presence,
}

impl Table {
    pub(crate) fn new(connections_max: usize) -> Self {
        Self { slots: Slots::new(connections_max), by_account: Vec::new(), presence: Presence::default() }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut Connection> {
        self.slots.get_mut(slot)
    }

    /// Where an account is logged in.
    #[inline]
    pub(crate) fn slot_of_account(&self, account: AccountId) -> Option<usize> {
        *self.by_account.get(usize::try_from(account.0).ok()?)?
    }

    /// Notes that `account` is logged in at `slot`.
    pub(crate) fn bind(&mut self, account: AccountId, slot: usize) {
        let Ok(index) = usize::try_from(account.0) else { return };
        if self.by_account.len() <= index {
            self.by_account.resize(index + 1, None);
        }
        if let Some(place) = self.by_account.get_mut(index) {
            *place = Some(slot);
        }
        self.presence.note(account);
    }

    /// Ends the login at `slot`, if there is one.
    pub(crate) fn unbind(&mut self, slot: usize) {
        let Some(account) = self.slots.get(slot).and_then(Connection::account) else { return };
        let place = usize::try_from(account.0).ok().and_then(|index| self.by_account.get_mut(index));
        if let Some(place) = place.filter(|place| **place == Some(slot)) {
            *place = None;
            self.presence.note(account);
        }
    }

    /// Closes a connection and frees its slot.
    pub(crate) fn remove(&mut self, slot: usize) {
        self.unbind(slot);
        self.slots.remove(slot);
    }
}
