//! Connections that wait for a time: a session that was too fast, a login that is not looked at yet. Nothing is read from
//! them meanwhile.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use protocol::Nanos;

/// Slots by the time at which they go on. A slot may be here more than once; its connection knows which time counts.
#[derive(Debug)]
pub(crate) struct Parking {
    waiting: BinaryHeap<Reverse<(Nanos, usize)>>,
}

impl Parking {
    /// With room for so many.
    pub(crate) fn new(max: usize) -> Self {
        Self { waiting: BinaryHeap::with_capacity(max) }
    }

    /// Lets a slot wait.
    pub(crate) fn park(&mut self, slot: usize, until: Nanos) {
        self.waiting.push(Reverse((until, slot)));
    }

    /// The next slot whose time has come, and that time.
    pub(crate) fn due(&mut self, now: Nanos) -> Option<(usize, Nanos)> {
        let Reverse((until, _)) = self.waiting.peek()?;
        if *until > now {
            return None;
        }
        self.waiting.pop().map(|Reverse((until, slot))| (slot, until))
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Nanos> {
        self.waiting.peek().map(|Reverse((until, _))| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_go_on_in_the_order_of_their_times() {
        let mut parking = Parking::new(4);
        for (slot, until) in [(1, 30), (2, 10), (3, 20)] {
            parking.park(slot, Nanos(until));
        }
        assert_eq!((parking.next(), parking.due(Nanos(9))), (Some(Nanos(10)), None));
        assert_eq!(parking.due(Nanos(25)), Some((2, Nanos(10))));
        assert_eq!(parking.due(Nanos(25)), Some((3, Nanos(20))));
        assert_eq!(parking.due(Nanos(25)), None);
        assert_eq!(parking.due(Nanos(30)), Some((1, Nanos(30))));
        assert_eq!(parking.next(), None);
    }
}
