//! The connections of a port with something to be written, each listed once: they are written to once per turn, all together.

use bumpalo::Bump;

use protocol::Nanos;

/// The list.
#[derive(Debug)]
pub(crate) struct Outbox {
    slots: Vec<usize>,
    is_listed: Box<[bool]>,
    /// The list of the turn that is under way.
    scratch: Bump,
}

impl Outbox {
    /// For connections at slots `0..connections_max`.
    pub(crate) fn new(connections_max: usize) -> Self {
        Self {
            slots: Vec::with_capacity(connections_max),
            is_listed: vec![false; connections_max].into_boxed_slice(),
            scratch: Bump::with_capacity(connections_max * size_of::<usize>() + 1024),
        }
    }

    /// The connection at this slot is written to in the next turn.
    #[inline]
    pub(crate) fn list(&mut self, slot: usize) {
        if let Some(is_listed) = self.is_listed.get_mut(slot)
            && !*is_listed
        {
            *is_listed = true;
            self.slots.push(slot);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// A port that writes to those on its list.
pub(crate) trait Writes {
    /// Its list.
    fn outbox(&mut self) -> &mut Outbox;

    /// Writes once to the connection at this slot, if there is one. It may be listed again, for the next turn.
    fn write(&mut self, slot: usize, now: Nanos);

    /// Writes once to each connection that was listed before this call. Answers how many there were.
    fn write_all_listed(&mut self, now: Nanos) -> usize {
        let outbox = self.outbox();
        let mut scratch = std::mem::take(&mut outbox.scratch);
        let due = scratch.alloc_slice_copy(&outbox.slots);
        outbox.slots.clear();
        for &mut slot in due.iter_mut() {
            if let Some(is_listed) = self.outbox().is_listed.get_mut(slot) {
                *is_listed = false;
            }
            self.write(slot, now);
        }
        let done = due.len();
        scratch.reset();
        self.outbox().scratch = scratch;
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Port {
        outbox: Outbox,
        written: Vec<usize>,
        more: usize,
    }

    impl Writes for Port {
        fn outbox(&mut self) -> &mut Outbox {
            &mut self.outbox
        }

        fn write(&mut self, slot: usize, _: Nanos) {
            self.written.push(slot);
            if slot == self.more {
                self.outbox.list(slot);
            }
        }
    }

    #[test]
    fn each_is_written_once_per_turn_in_the_order_of_listing() {
        let mut port = Port { outbox: Outbox::new(8), written: Vec::new(), more: 3 };
        for slot in [5, 3, 5, 0, 3, 8, usize::MAX] {
            port.outbox.list(slot);
        }
        assert_eq!(port.write_all_listed(Nanos(1)), 3);
        assert_eq!(port.written, [5, 3, 0]);
        assert_eq!(port.write_all_listed(Nanos(1)), 1, "who has more is there again");
        port.more = usize::MAX;
        assert_eq!((port.write_all_listed(Nanos(1)), port.outbox.is_empty()), (1, true));
        assert_eq!(port.written, [5, 3, 0, 3, 3]);
        assert_eq!(port.write_all_listed(Nanos(1)), 0);
    }
}
