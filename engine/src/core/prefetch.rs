//! Hints to the caches for commands that wait. A batch is walked in stages, because the place of a record is known only
//! from the one before: table entry, order or page, level and neighbours. Changes nothing, reads only what is there.

use super::Core;
use super::book::ladder::{instrument_of, side_id};
use super::book::slab::{NONE, name_of};
use crate::cache::{touch, touch_at};
use protocol::types::{AccountId, InstrumentId, Owner, UserRefNum};
use protocol::{Command, CommandBody};
use std::borrow::Borrow;

/// Commands that are walked at once: enough to have all loads of a stage on their way together.
const BATCH: usize = 32;

/// Open orders from which hints pay: with fewer the tables stay in the second-level cache, and the hints only cost.
const ORDERS_WORTH: u32 = 1 << 18;

impl Core {
    /// Hints that all of `commands` will be applied next: the first [`BATCH`] of them are walked in three stages. Changes
    /// nothing.
    pub fn prefetch_batch(&self, commands: &[impl Borrow<Command>]) {
        if self.books.slab.orders() >= ORDERS_WORTH {
            self.walk(commands);
        }
        if self.risk.is_large() {
            self.touch_risk(commands);
        }
    }

    /// What the risk checks need: what is kept of accounts, then their positions.
    #[inline(never)]
    fn touch_risk(&self, commands: &[impl Borrow<Command>]) {
        let mut pairs = [None; BATCH];
        for (pair, command) in pairs.iter_mut().zip(commands.iter().map(Borrow::borrow)) {
            *pair = self.pair_of(command);
            if let Some((account, instrument)) = *pair {
                self.risk.touch(account, instrument, touch_at);
            }
        }
        for (account, instrument) in pairs.into_iter().flatten() {
            self.risk.touch_position(account, instrument, touch_at);
        }
    }

    /// The account and the instrument that a command is about, as far as it can be seen now.
    fn pair_of(&self, command: &Command) -> Option<(AccountId, InstrumentId)> {
        if let CommandBody::Enter(enter) = &command.body {
            return Some((enter.owner.account(), enter.instrument));
        }
        let (owner, number) = named(command)?;
        let slot = self.index.guess(name_of(owner, number))?;
        let level = self.books.slab.node(slot).level;
        if level == NONE {
            return None;
        }
        Some((owner.account(), InstrumentId(instrument_of(self.books.slab.node(level).side()))))
    }

    #[inline(never)]
    fn walk(&self, commands: &[impl Borrow<Command>]) {
        let mut slots = [NONE; BATCH];
        for command in commands.iter().take(BATCH).map(Borrow::borrow) {
            self.touch_first(command);
        }
        for (slot, command) in slots.iter_mut().zip(commands.iter().map(Borrow::borrow)) {
            *slot = self.touch_second(command);
        }
        for slot in slots.into_iter().filter(|slot| *slot != NONE) {
            self.touch_neighbours(slot);
        }
    }

    /// What the command itself names.
    fn touch_first(&self, command: &Command) {
        if let CommandBody::Enter(enter) = &command.body {
            self.touch_name(enter.owner, enter.user_ref_num);
            if let Some(instrument) = self.instruments.find(enter.instrument) {
                touch(instrument);
                touch(self.books.side(side_id(enter.instrument.0, enter.side.is_buy())));
            }
            touch(self.books.slab.link(self.books.slab.account_link(enter.owner.account())));
            touch(self.accounts.account(enter.owner.account()));
        } else if let Some((owner, number)) = named(command) {
            self.touch_name(owner, number);
            touch(self.accounts.account(owner.account()));
        }
    }

    /// What that leads to: the level at the best price, or the order, whose slot it gives.
    fn touch_second(&self, command: &Command) -> u32 {
        if let CommandBody::Enter(enter) = &command.body {
            let side = self.books.side(side_id(enter.instrument.0, enter.side.is_buy()));
            touch(self.books.slab.node(side.best_level()));
            let newest = self.books.slab.link(self.books.slab.account_link(enter.owner.account())).older;
            touch(self.books.slab.link(newest));
            return NONE;
        }
        let Some(found) = named(command).and_then(|(owner, number)| self.index.guess(name_of(owner, number))) else {
            return NONE;
        };
        touch(self.books.slab.node(found));
        touch(self.books.slab.link(found));
        found
    }

    fn touch_name(&self, owner: Owner, number: UserRefNum) {
        touch(self.index.home_entry(name_of(owner, number)));
    }

    fn touch_neighbours(&self, slot: u32) {
        let slab = &self.books.slab;
        let node = slab.node(slot);
        // The order may be gone by now: then its links lead nowhere.
        for neighbour in [node.prev, node.next, node.level] {
            if neighbour != NONE {
                touch(slab.node(neighbour));
            }
        }
        let link = slab.link(slot);
        touch(slab.link(link.older));
        touch(slab.link(link.newer));
    }
}

/// The live order that a command names.
fn named(command: &Command) -> Option<(Owner, UserRefNum)> {
    match &command.body {
        CommandBody::Cancel(cancel) => Some((cancel.owner, cancel.user_ref_num)),
        CommandBody::Modify(modify) => Some((modify.owner, modify.user_ref_num)),
        CommandBody::Replace(replace) => Some((replace.owner, replace.orig_user_ref_num)),
        CommandBody::Enter(_)
        | CommandBody::MassCancel(_)
        | CommandBody::DisableEntry(_)
        | CommandBody::EnableEntry(_)
        | CommandBody::Query(_)
        | CommandBody::Refuse(_)
        | CommandBody::RefuseReplace(_)
        | CommandBody::OpenVenue(_)
        | CommandBody::ListInstrument(_)
        | CommandBody::SetTradingState(_)
        | CommandBody::SetShortSaleTest(_)
        | CommandBody::OpenAccount(_)
        | CommandBody::SystemEvent(_)
        | CommandBody::Operator(_)
        | CommandBody::Venue(_) => None,
    }
}
