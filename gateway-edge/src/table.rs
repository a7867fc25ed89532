//! The connections of the order port by slot, and which account is logged in where.

use protocol::AccountId;

use crate::connection::Connection;
use crate::limits::Origins;
use crate::presence::Presence;
use crate::slots::Slots;

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    AllTaken,
    TooManyFromThere,
}

/// The connections.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) slots: Slots<Connection>,
    by_account: Vec<Option<usize>>,
    logged_in: u64,
    pub(crate) presence: Presence,
    pub(crate) origins: Origins,
    guests: u64,
}

impl Table {
    pub(crate) fn new(connections_max: usize) -> Self {
        Self {
            slots: Slots::new(connections_max),
            by_account: Vec::new(),
            logged_in: 0,
            presence: Presence::default(),
            origins: Origins::new(connections_max),
            guests: 0,
        }
    }

    /// A place for a connection, if there is one and not too many (`per_address_max`, 0 = no bound) are open from where it
    /// comes.
    pub(crate) fn insert(
        &mut self,
        mut connection: Connection,
        per_address_max: usize,
    ) -> Result<(usize, &mut Connection), NoPlace> {
        let origin = connection.origin;
        self.guests += 1;
        connection.guest = self.guests;
        if self.slots.taken() == self.slots.len() {
            return Err(NoPlace::AllTaken);
        }
        if !self.origins.come(origin, per_address_max) {
            return Err(NoPlace::TooManyFromThere);
        }
        self.slots.insert(connection).ok_or(NoPlace::AllTaken)
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
            self.logged_in += u64::from(place.is_none());
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
            self.logged_in = self.logged_in.saturating_sub(1);
            self.presence.note(account);
        }
    }

    /// How many accounts are logged in.
    pub(crate) fn logged_in(&self) -> u64 {
        self.logged_in
    }

    /// Closes a connection and frees its slot.
    pub(crate) fn remove(&mut self, slot: usize) {
        self.unbind(slot);
        if let Some(gone) = self.slots.take(slot) {
            self.origins.go(gone.origin);
        }
    }
}
