//! What is on its way through the venue: commands whose answers have not left, and events that wait for the journal.

use std::collections::VecDeque;

use protocol::{Command, CommandBody, Event, Nanos, Sequence, SystemEventCode};

use crate::ports::EventPort;

/// The commands between submission and the release of their last event, kept because answers echo them. A fixed ring by
/// sequence.
#[derive(Debug)]
pub(crate) struct InFlight {
    commands: Box<[Command]>,
    sequenced: Box<[Nanos]>,
    /// Everything up to here has been reported.
    floor: Sequence,
    /// The last one submitted.
    last: Sequence,
}

impl InFlight {
    /// `capacity` must be a power of two; `last` is where the venue stands.
    pub(crate) fn new(capacity: usize, last: Sequence) -> Self {
        assert!(capacity.is_power_of_two(), "commands in flight at the most: {capacity} is no power of two");
        let body = CommandBody::SystemEvent(SystemEventCode::EndOfMessages);
        let unused = Command { sequence: Sequence::ZERO, ingress: Nanos(0), body };
        Self {
            commands: vec![unused; capacity].into_boxed_slice(),
            sequenced: vec![Nanos(0); capacity].into_boxed_slice(),
            floor: last,
            last,
        }
    }

    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.last.0 - self.floor.0 < self.mask() + 1
    }

    /// True when no more than an eighth of the room is left.
    #[inline]
    pub(crate) fn is_nearly_full(&self) -> bool {
        let capacity = self.mask() + 1;
        self.last.0 - self.floor.0 >= capacity - capacity / 8
    }

    /// True when every command has been reported.
    pub(crate) fn is_settled(&self) -> bool {
        self.last == self.floor
    }

    /// Keeps a command that was just sequenced. There must be room, and sequences follow each other.
    #[inline]
    pub(crate) fn push(&mut self, command: Command) {
        assert!(command.sequence == self.last.next(), "the edge is the only one to submit commands");
        let index = self.index(command.sequence);
        if let Some(slot) = self.commands.get_mut(index) {
            *slot = command;
        }
        if let Some(slot) = self.sequenced.get_mut(index) {
            *slot = Nanos(0);
        }
        self.last = command.sequence;
    }

    /// Notes when the commands after `before` got their sequences.
    pub(crate) fn stamp(&mut self, before: Sequence, now: Nanos) {
        for sequence in before.0 + 1..=self.last.0 {
            let index = self.index(Sequence(sequence));
            if let Some(slot) = self.sequenced.get_mut(index) {
                *slot = now;
            }
        }
    }

    /// The last one submitted.
    pub(crate) fn last(&self) -> Sequence {
        self.last
    }

    /// A command whose events are being reported, and when it was sequenced.
    #[inline]
    pub(crate) fn get(&self, sequence: Sequence) -> Option<(&Command, Nanos)> {
        let index = self.index(sequence);
        let command = self.commands.get(index).filter(|command| command.sequence == sequence)?;
        Some((command, self.sequenced.get(index).copied().unwrap_or_default()))
    }

    /// Everything up to `floor` has been reported.
    pub(crate) fn release(&mut self, floor: Sequence) {
        self.floor = self.floor.max(floor.min(self.last));
    }

    #[inline]
    fn mask(&self) -> u64 {
        self.commands.len() as u64 - 1
    }

    #[inline]
    fn index(&self, sequence: Sequence) -> usize {
        usize::try_from(sequence.0 & self.mask()).unwrap_or_default()
    }
}

/// Why taking events ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// There were no more.
    All,
    /// The share of the turn was taken; there may be more.
    Share,
    /// There is no room before the journal moves on.
    NoRoom,
}

/// Events that were taken from the core and wait until their commands are durable. Bounded: when it is full, no more are
/// taken, and the core waits.
#[derive(Debug)]
pub(crate) struct PendingEvents {
    queue: VecDeque<Event>,
    max: usize,
}

impl PendingEvents {
    pub(crate) fn new(max: usize) -> Self {
        Self { queue: VecDeque::with_capacity(max), max }
    }

    /// Takes at most `limit` events, and no more than there is room for.
    pub(crate) fn fill(&mut self, port: &mut impl EventPort, limit: usize) -> Filled {
        let limit = limit.min(self.max - self.queue.len());
        if limit == 0 {
            return Filled::NoRoom;
        }
        let queue = &mut self.queue;
        if port.poll(limit, |event| queue.push_back(*event)) < limit { Filled::All } else { Filled::Share }
    }

    /// The next event whose command is durable.
    #[inline]
    pub(crate) fn pop(&mut self, durable: Sequence) -> Option<Event> {
        if self.queue.front()?.sequence <= durable { self.queue.pop_front() } else { None }
    }

    /// The command of the first event that waits.
    pub(crate) fn first(&self) -> Option<Sequence> {
        self.queue.front().map(|event| event.sequence)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use protocol::EventBody;

    use super::*;

    fn command(sequence: u64) -> Command {
        let body = CommandBody::SystemEvent(SystemEventCode::StartOfMessages);
        Command { sequence: Sequence(sequence), ingress: Nanos(sequence), body }
    }

    #[test]
    fn a_command_is_found_until_its_place_is_needed() {
        let mut flight = InFlight::new(4, Sequence(10));
        assert!(flight.is_settled());
        for sequence in 11..=14 {
            assert!(flight.has_room());
            flight.push(command(sequence));
        }
        assert!(!flight.has_room());
        flight.stamp(Sequence(12), Nanos(99));
        assert_eq!(flight.get(Sequence(12)), Some((&command(12), Nanos(0))));
        assert_eq!(flight.get(Sequence(13)), Some((&command(13), Nanos(99))));
        flight.release(Sequence(11));
        assert!(flight.has_room());
        flight.push(command(15));
        assert_eq!(flight.get(Sequence(11)), None);
        flight.release(Sequence(99));
        assert!(flight.is_settled());
    }

    struct Source(u64);

    impl EventPort for Source {
        fn poll(&mut self, limit: usize, mut each: impl FnMut(&Event)) -> usize {
            let body = EventBody::SystemEvent { code: SystemEventCode::StartOfMessages };
            let mut count = 0;
            while self.0 < 10 && count < limit {
                self.0 += 1;
                count += 1;
                each(&Event { sequence: Sequence(self.0), ingress: Nanos(0), body });
            }
            count
        }

        fn applied(&self) -> Sequence {
            Sequence(self.0)
        }
    }

    #[test]
    fn events_wait_for_the_journal_and_for_room() {
        let mut source = Source(0);
        let mut pending = PendingEvents::new(6);
        assert_eq!(pending.fill(&mut source, 4), Filled::Share);
        assert_eq!(pending.fill(&mut source, 4), Filled::Share);
        assert_eq!(pending.fill(&mut source, 4), Filled::NoRoom);
        assert_eq!(source.0, 6);
        assert_eq!(pending.pop(Sequence(0)), None);
        for sequence in 1..=3 {
            assert_eq!(pending.pop(Sequence(3)).map(|event| event.sequence), Some(Sequence(sequence)));
        }
        assert_eq!(pending.pop(Sequence(3)), None);
        assert_eq!(pending.first(), Some(Sequence(4)));
        assert_eq!(pending.fill(&mut source, 3), Filled::Share);
        while pending.pop(Sequence(100)).is_some() {}
        assert_eq!(pending.fill(&mut source, 4), Filled::All);
    }
}
