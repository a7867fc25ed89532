//! A fixed number of places for connections, found by index.

/// The places.
#[derive(Debug)]
pub(crate) struct Slots<C> {
    slots: Vec<Option<C>>,
    free: Vec<usize>,
}

impl<C> Slots<C> {
    pub(crate) fn new(max: usize) -> Self {
        Self { slots: (0..max).map(|_| None).collect(), free: (0..max).rev().collect() }
    }

    /// A place for `connection`; `None` when all are taken.
    pub(crate) fn insert(&mut self, connection: C) -> Option<(usize, &mut C)> {
        let slot = self.free.pop()?;
        let place = self.slots.get_mut(slot)?;
        Some((slot, place.insert(connection)))
    }

    #[inline]
    pub(crate) fn get(&self, slot: usize) -> Option<&C> {
        self.slots.get(slot)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut C> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Frees a place. What was there is dropped, which closes its socket.
    pub(crate) fn remove(&mut self, slot: usize) {
        drop(self.take(slot));
    }

    /// Frees a place and answers what was there.
    pub(crate) fn take(&mut self, slot: usize) -> Option<C> {
        let taken = self.slots.get_mut(slot).and_then(Option::take)?;
        self.free.push(slot);
        Some(taken)
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many of them are taken.
    pub(crate) fn taken(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &C> {
        self.slots.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_bounded() {
        let mut slots = Slots::new(2);
        assert_eq!(slots.insert('a').map(|(slot, _)| slot), Some(0));
        assert_eq!(slots.insert('b').map(|(slot, _)| slot), Some(1));
        assert!(slots.insert('c').is_none());
        slots.remove(0);
        slots.remove(0);
        slots.remove(9);
        assert_eq!((slots.taken(), slots.get(0), slots.get(1)), (1, None, Some(&'b')));
        assert_eq!(slots.insert('d').map(|(slot, _)| slot), Some(0));
        assert!(slots.insert('e').is_none());
        assert!(slots.iter().eq(&['d', 'b']));
    }
}
