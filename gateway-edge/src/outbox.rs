//! The connections of a port with something to be written, each listed once: they are written to once per turn, all together. Of
//! what is sent again (replays, re-requests, catching up) a turn has a share that all connections have together, so that however
//! many ask for it, what is new leaves on time.

use bumpalo::Bump;

use protocol::Nanos;

/// Bytes of old messages per turn and port, give or take one write: about a tenth of a millisecond of copying.
const OLD_BYTES_PER_TURN: u64 = 1 << 20;

/// The list.
#[derive(Debug)]
pub(crate) struct Outbox {
    slots: Vec<usize>,
    /// Those that had their share of this turn: in the next one they come behind those that had none.
    served: Vec<usize>,
    /// Bytes of old messages that may still be sent in this turn.
    old_left: u64,
    is_listed: Box<[bool]>,
    /// The list of the turn that is under way.
    scratch: Bump,
}

impl Outbox {
    /// For connections at slots `0..connections_max`.
    pub(crate) fn new(connections_max: usize) -> Self {
        Self {
            slots: Vec::with_capacity(connections_max),
            served: Vec::with_capacity(connections_max),
            old_left: 0,
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

    /// The same, behind all who are listed until the end of this turn.
    pub(crate) fn list_last(&mut self, slot: usize) {
        if let Some(is_listed) = self.is_listed.get_mut(slot)
            && !*is_listed
        {
            *is_listed = true;
            self.served.push(slot);
        }
    }

    /// Bytes of old messages that may still be sent in this turn.
    pub(crate) fn old_left(&self) -> u64 {
        self.old_left
    }

    /// So many of them were.
    pub(crate) fn spend_old(&mut self, bytes: u64) {
        self.old_left = self.old_left.saturating_sub(bytes);
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
        outbox.old_left = OLD_BYTES_PER_TURN;
        for &mut slot in due.iter_mut() {
            if let Some(is_listed) = self.outbox().is_listed.get_mut(slot) {
                *is_listed = false;
            }
            self.write(slot, now);
        }
        let done = due.len();
        scratch.reset();
        let outbox = self.outbox();
        outbox.scratch = scratch;
        outbox.slots.append(&mut outbox.served);
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

    /// Sends old messages of any number of connections that never have enough.
    struct Storm {
        outbox: Outbox,
        sent: [u64; 5],
    }

    impl Writes for Storm {
        fn outbox(&mut self) -> &mut Outbox {
            &mut self.outbox
        }

        fn write(&mut self, slot: usize, _: Nanos) {
            if self.outbox.old_left() == 0 {
                return self.outbox.list(slot);
            }
            self.outbox.spend_old(OLD_BYTES_PER_TURN / 2);
            self.sent[slot] += 1;
            self.outbox.list_last(slot);
        }
    }

    #[test]
    fn old_messages_have_their_share_of_a_turn_and_all_get_some_of_it() {
        let mut storm = Storm { outbox: Outbox::new(5), sent: [0; 5] };
        for slot in 0..5 {
            storm.outbox.list(slot);
        }
        for turn in 1..=25 {
            assert_eq!(storm.write_all_listed(Nanos(1)), 5);
            assert_eq!(storm.sent.iter().sum::<u64>(), 2 * turn);
        }
        assert_eq!(storm.sent, [10; 5]);
    }
}
