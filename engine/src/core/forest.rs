//! Ordered sets of order slots: what waits for a price, for a time, or for a quote. Any number of sets share one arena,
//! because a slot is in at most one set of a forest; nothing is allocated after [`Forest::new`].
//!
//! A set is a treap: a search tree by key that is a heap by a hash of the slot. So every operation but the walk over a whole
//! set takes the logarithm of its length, whatever the order of arrival. The shape depends on slots, what is read from it
//! does not.

/// No slot, and an empty set.
pub(crate) const NONE: u32 = u32::MAX;

/// What a set is ordered by: lower first, then lower.
pub(crate) type Key = (u64, u64);

#[derive(Clone, Copy, Debug)]
struct Branch {
    left: u32,
    right: u32,
    key: Key,
}

const _: () = assert!(size_of::<Branch>() == 24);

/// A place that names a subtree: a root, or one side of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Root,
    Left(u32),
    Right(u32),
}

/// The arena of all sets.
#[derive(Debug)]
pub(crate) struct Forest {
    branches: Vec<Branch>,
}

/// One set: the root of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tree(u32);

impl Default for Tree {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Tree {
    /// The empty set.
    pub(crate) const EMPTY: Self = Self(NONE);

    /// Nothing is in it.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == NONE
    }
}

impl Forest {
    /// Reserves for slots below `slots`.
    pub(crate) fn new(slots: usize) -> Self {
        Self { branches: vec![Branch { left: NONE, right: NONE, key: (0, 0) }; slots] }
    }

    /// Place of a slot in the heap: its hash, so that the tree is balanced in all likelihood.
    fn rank(slot: u32) -> u64 {
        (u64::from(slot) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    fn at(&self, slot: u32) -> &Branch {
        &self.branches[slot as usize]
    }

    fn set(&mut self, tree: &mut Tree, link: Link, to: u32) {
        match link {
            Link::Root => tree.0 = to,
            Link::Left(slot) => self.branches[slot as usize].left = to,
            Link::Right(slot) => self.branches[slot as usize].right = to,
        }
    }

    /// Puts a slot that is in no set into this one. No other member has the same key.
    pub(crate) fn insert(&mut self, tree: &mut Tree, slot: u32, key: Key) {
        let (mut link, mut at) = (Link::Root, tree.0);
        while at != NONE && Self::rank(at) >= Self::rank(slot) {
            let branch = self.at(at);
            (link, at) = if branch.key < key { (Link::Right(at), branch.right) } else { (Link::Left(at), branch.left) };
        }
        self.set(tree, link, slot);
        self.branches[slot as usize] = Branch { left: NONE, right: NONE, key };
        // What was below is split by the key.
        let (mut lower, mut higher) = (Link::Left(slot), Link::Right(slot));
        while at != NONE {
            let branch = *self.at(at);
            if branch.key < key {
                self.set(tree, lower, at);
                (lower, at) = (Link::Right(at), branch.right);
            } else {
                self.set(tree, higher, at);
                (higher, at) = (Link::Left(at), branch.left);
            }
        }
        self.set(tree, lower, NONE);
        self.set(tree, higher, NONE);
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, tree: &mut Tree, slot: u32) {
        let key = self.key(slot);
        let (mut link, mut at) = (Link::Root, tree.0);
        while at != slot {
            assert!(at != NONE, "a member is in its set");
            let branch = self.at(at);
            (link, at) = if branch.key < key { (Link::Right(at), branch.right) } else { (Link::Left(at), branch.left) };
        }
        let Branch { mut left, mut right, .. } = *self.at(slot);
        while left != NONE && right != NONE {
            if Self::rank(left) > Self::rank(right) {
                self.set(tree, link, left);
                (link, left) = (Link::Right(left), self.at(left).right);
            } else {
                self.set(tree, link, right);
                (link, right) = (Link::Left(right), self.at(right).left);
            }
        }
        self.set(tree, link, if left == NONE { right } else { left });
    }

    /// Key of a member.
    pub(crate) fn key(&self, slot: u32) -> Key {
        self.at(slot).key
    }

    /// The member with the lowest key.
    pub(crate) fn first(&self, tree: Tree) -> Option<u32> {
        let (mut found, mut at) = (None, tree.0);
        while at != NONE {
            (found, at) = (Some(at), self.at(at).left);
        }
        found
    }

    /// The member with the lowest key above `key`.
    pub(crate) fn after(&self, tree: Tree, key: Key) -> Option<u32> {
        let (mut found, mut at) = (None, tree.0);
        while at != NONE {
            let branch = self.at(at);
            (found, at) = if branch.key > key { (Some(at), branch.left) } else { (found, branch.right) };
        }
        found
    }

    /// All members, lowest key first.
    pub(crate) fn members(&self, tree: Tree) -> impl Iterator<Item = u32> {
        std::iter::successors(self.first(tree), move |slot| self.after(tree, self.key(*slot)))
    }

    /// Checks a set and gives the number of its members.
    ///
    /// # Errors
    /// The first broken law, in words.
    pub(crate) fn verify(&self, tree: Tree) -> Result<u32, String> {
        let (mut count, mut last) = (0, None);
        for slot in self.members(tree) {
            if last.is_some_and(|last| self.key(last) >= self.key(slot)) {
                return Err(format!("slot {slot} is out of order in its set"));
            }
            let branch = self.at(slot);
            for child in [branch.left, branch.right] {
                if child != NONE && Self::rank(child) > Self::rank(slot) {
                    return Err(format!("slot {child} is below a lower rank"));
                }
            }
            (count, last) = (count + 1, Some(slot));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;
    use std::collections::BTreeMap;

    /// Three sets in one forest against three sorted maps.
    #[test]
    fn agrees_with_sorted_maps() {
        const SLOTS: u32 = 200;
        let mut random = Random::new(0x5eed);
        let mut forest = Forest::new(SLOTS as usize);
        let mut trees = [Tree::EMPTY; 3];
        let mut maps: [BTreeMap<Key, u32>; 3] = Default::default();
        let mut set_of: [Option<usize>; SLOTS as usize] = [None; SLOTS as usize];
        for step in 0..60_000_u64 {
            let slot = random.below(SLOTS);
            if let Some(set) = set_of[slot as usize].take() {
                let key = forest.key(slot);
                forest.remove(&mut trees[set], slot);
                assert_eq!(maps[set].remove(&key), Some(slot));
            } else {
                let set = random.below(3) as usize;
                let major = if random.chance(50) { 7 } else { u64::from(random.below(20)) };
                forest.insert(&mut trees[set], slot, (major, step));
                maps[set].insert((major, step), slot);
                set_of[slot as usize] = Some(set);
            }
            for (tree, map) in trees.iter().zip(&maps) {
                assert_eq!(forest.first(*tree), map.values().next().copied());
                assert_eq!(tree.is_empty(), map.is_empty());
                let key = (u64::from(random.below(20)), random.bits() % (step + 1));
                let after = map.range((std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded)).next();
                assert_eq!(forest.after(*tree, key), after.map(|(_, slot)| *slot));
                if step % 97 == 0 {
                    assert_eq!(forest.verify(*tree), Ok(u32::try_from(map.len()).unwrap()));
                    assert!(forest.members(*tree).eq(map.values().copied()));
                }
            }
        }
    }

    /// Keys in rising and in falling order do not make a list of the tree.
    #[test]
    fn stays_shallow() {
        const SLOTS: u32 = 100_000;
        let mut forest = Forest::new(SLOTS as usize);
        let mut tree = Tree::EMPTY;
        for slot in 0..SLOTS {
            let key = if slot % 2 == 0 { u64::from(slot) } else { u64::from(2 * SLOTS - slot) };
            forest.insert(&mut tree, slot, (key, 0));
        }
        let (mut deepest, mut open) = (0, vec![(tree.0, 1)]);
        while let Some((slot, depth)) = open.pop() {
            deepest = deepest.max(depth);
            let branch = forest.at(slot);
            open.extend([branch.left, branch.right].into_iter().filter(|at| *at != NONE).map(|at| (at, depth + 1)));
        }
        assert!(deepest <= 60, "{deepest} deep");
        assert_eq!(forest.verify(tree), Ok(SLOTS));
    }
}
