//! The connections of the order port by slot, and which account is logged in where. Fixed in number.

use mio::Token;
use mio::net::TcpStream;
use protocol::{AccountId, Nanos};

use crate::connection::{Connection, State};

/// Tokens below are the waker's and the listener's.
const FIRST_TOKEN: usize = 2;

/// The connections.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    by_account: Vec<Option<usize>>,
}

impl Table {
    pub(crate) fn new(connections_max: usize) -> Self {
        Self {
            slots: (0..connections_max).map(|_| None).collect(),
            free: (0..connections_max).rev().collect(),
            by_account: Vec::new(),
        }
    }

    /// The readiness token of a slot.
    pub(crate) fn token(slot: usize) -> Token {
        Token(slot + FIRST_TOKEN)
    }

    /// The slot of a readiness token.
    pub(crate) fn slot_of(token: Token) -> Option<usize> {
        token.0.checked_sub(FIRST_TOKEN)
    }

    /// A slot for a new connection; `None` when all are taken.
    pub(crate) fn insert(&mut self, socket: TcpStream, now: Nanos) -> Option<(usize, &mut Connection)> {
        let slot = self.free.pop()?;
        let place = self.slots.get_mut(slot)?;
        Some((slot, place.insert(Connection::new(socket, now))))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut Connection> {
        self.slots.get_mut(slot)?.as_mut()
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
    }

    /// Ends the login at `slot`, if there is one.
    pub(crate) fn unbind(&mut self, slot: usize) {
        let account = self.slots.get(slot).and_then(Option::as_ref).and_then(Connection::account);
        let place = account.and_then(|account| self.by_account.get_mut(usize::try_from(account.0).ok()?));
        if let Some(place) = place.filter(|place| **place == Some(slot)) {
            *place = None;
        }
    }

    /// Closes a connection and frees its slot.
    pub(crate) fn remove(&mut self, slot: usize) {
        self.unbind(slot);
        if self.slots.get_mut(slot).and_then(Option::take).is_some() {
            self.free.push(slot);
        }
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// How many connections there are.
    pub(crate) fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Those that are not lingering.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().flatten().filter(|connection| !matches!(connection.state, State::Lingering { .. }))
    }
}
