//! What is due at a time, by index: of instruments, of accounts. Nothing is allocated after [`Timetable::new`].

use super::forest::{Forest, Tree};
use protocol::types::Nanos;

/// At most one time for each index.
#[derive(Debug)]
pub(crate) struct Timetable {
    forest: Forest,
    tree: Tree,
}

impl Timetable {
    /// Reserves for indices below `count`.
    pub(crate) fn new(count: usize) -> Self {
        Self { forest: Forest::new(count), tree: Tree::EMPTY }
    }

    /// Changes the time of an index from the one it has.
    pub(crate) fn set(&mut self, index: u32, (old, new): (Option<Nanos>, Option<Nanos>)) {
        if old.is_some() {
            self.forest.remove(&mut self.tree, index);
        }
        if let Some(new) = new {
            self.forest.insert(&mut self.tree, index, (new.0, u64::from(index)));
        }
    }

    /// The earliest time.
    pub(crate) fn first(&self) -> Option<Nanos> {
        self.forest.first(self.tree).map(|index| Nanos(self.forest.key(index).0))
    }

    /// What is due at `now`, earliest first, then by index.
    pub(crate) fn due(&self, now: Nanos) -> impl Iterator<Item = u32> {
        self.forest.members(self.tree).take_while(move |index| self.forest.key(*index).0 <= now.0)
    }
}
