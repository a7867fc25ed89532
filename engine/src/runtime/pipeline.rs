//! The two rings: commands in, events out. The only place that knows the disruptor.
//!
//! Pollers are read on threads of ours; the cursor of a poller moves at the end of a batch, so batches stay small. A poller
//! that is dropped while its ring lives would stall the producer for ever: whoever owns one runs until the venue stops.

use crate::cache::own_at;
use core::fmt;
use disruptor::{
    BusySpin, EventPoller, MissingFreeSlots, MultiConsumerBarrier, Producer, SingleProducer, SingleProducerBarrier,
    build_single_producer,
};
use protocol::{Command, CommandBody, Event, EventBody, Nanos, Sequence, SystemEventCode};

/// Slots behind the one written that are asked for, so that a write does not wait for another cpu's cache. At the end of the ring
/// this names lines that are not its own, which costs a few of them once per lap.
const SLOTS_AHEAD: usize = 64;
/// Most commands that [`CommandPoller::poll_in_place`] hands over.
pub const COMMANDS_AT_ONCE: usize = 32;

/// What stands where no command is handed over.
static NO_COMMAND: Command = Command {
    sequence: Sequence::ZERO,
    ingress: Nanos(0),
    body: CommandBody::SystemEvent(SystemEventCode::StartOfMessages),
};

/// The ring has no free slot now; try again at the next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFull;

/// Writes commands into the input ring and gives each its sequence. One thread owns it: the edge's.
pub struct CommandPublisher {
    producer: SingleProducer<Command, MultiConsumerBarrier>,
    slots: usize,
    /// Slots that are free for certain; more may be.
    free_at_least: usize,
    last: Sequence,
    last_ingress: Nanos,
}

/// Reads commands from the input ring: one for the journal, one for the core.
pub struct CommandPoller(EventPoller<Command, SingleProducerBarrier>);

/// Writes events into the output ring. One thread owns it: the core's.
pub struct EventPublisher(SingleProducer<Event, MultiConsumerBarrier>);

/// Reads events from the output ring: the edge, the feed, the projections.
pub struct EventRingPoller(EventPoller<Event, SingleProducerBarrier>);

/// The input ring, of `slots` (a power of two) commands: its writer, and its readers for the journal and the core.
///
/// `last` and `last_ingress` are those of the last command that recovery applied.
pub fn input_ring(
    slots: usize,
    last: Sequence,
    last_ingress: Nanos,
) -> (CommandPublisher, CommandPoller, CommandPoller) {
    let empty = || NO_COMMAND;
    let (journal, builder) = build_single_producer(slots, empty, BusySpin).new_event_poller();
    let (core, builder) = builder.new_event_poller();
    let producer = builder.build();
    let publisher = CommandPublisher { producer, slots, free_at_least: slots, last, last_ingress };
    (publisher, CommandPoller(journal), CommandPoller(core))
}

/// The output ring, of `slots` (a power of two) events: its writer, and its readers for the edge, the feed and the
/// projections.
pub fn output_ring(slots: usize) -> (EventPublisher, [EventRingPoller; 3]) {
    let empty = || Event {
        sequence: Sequence::ZERO,
        ingress: Nanos(0),
        body: EventBody::SystemEvent { code: SystemEventCode::StartOfMessages },
    };
    let (edge, builder) = build_single_producer(slots, empty, BusySpin).new_event_poller();
    let (feed, builder) = builder.new_event_poller();
    let (projections, builder) = builder.new_event_poller();
    (EventPublisher(builder.build()), [EventRingPoller(edge), EventRingPoller(feed), EventRingPoller(projections)])
}

impl CommandPublisher {
    /// Gives the command the next sequence and a time not below that of the command before, and publishes it.
    ///
    /// # Errors
    /// [`RingFull`] when the slowest reader is a whole ring behind; nothing was taken.
    pub fn try_submit(&mut self, ingress: Nanos, body: &CommandBody) -> Result<Sequence, RingFull> {
        let sequence = self.last.next();
        let ingress = ingress.max(self.last_ingress);
        self.producer.try_publish(|slot| *slot = Command { sequence, ingress, body: *body }).map_err(|_| RingFull)?;
        self.last = sequence;
        self.last_ingress = ingress;
        self.free_at_least = self.free_at_least.saturating_sub(1);
        Ok(sequence)
    }

    /// True when no more than an eighth of the slots is free. Looks at the readers only when it must.
    pub fn is_nearly_full(&mut self) -> bool {
        let reserve = self.slots / 8;
        if self.free_at_least <= reserve {
            // One more slot than there are is never granted: the refusal tells how many are free.
            let asked = self.slots + 1;
            if let Err(MissingFreeSlots(missing)) = self.producer.try_batch_publish(asked, |_| ()) {
                self.free_at_least = asked.saturating_sub(usize::try_from(missing).unwrap_or(asked));
            }
        }
        self.free_at_least <= reserve
    }

    /// Sequence of the last command submitted.
    pub const fn last(&self) -> Sequence {
        self.last
    }

    /// Time of the last command submitted: the next one's is not below.
    pub const fn last_ingress(&self) -> Nanos {
        self.last_ingress
    }
}

impl CommandPoller {
    /// Hands at most [`COMMANDS_AT_ONCE`] commands to `all`, in order and where they lie in the ring; answers how many. The
    /// ring is told at the end. Nothing of a command is read here: a reader that asks early for the later ones finds them at
    /// hand.
    pub fn poll_in_place(&mut self, all: impl FnOnce(&[&Command])) -> usize {
        let Ok(mut batch) = self.0.take(COMMANDS_AT_ONCE as u64) else { return 0 };
        let mut waiting = [&NO_COMMAND; COMMANDS_AT_ONCE];
        let mut commands = 0;
        for (place, command) in waiting.iter_mut().zip(&mut batch) {
            *place = command;
            commands += 1;
        }
        all(waiting.get(..commands).unwrap_or_default());
        commands
    }

    /// Hands at most `limit` commands to `each`, in order; answers how many. The ring is told at the end.
    pub fn poll(&mut self, limit: u64, mut each: impl FnMut(&Command)) -> usize {
        let Ok(mut batch) = self.0.take(limit) else { return 0 };
        let mut commands = 0;
        for command in &mut batch {
            each(command);
            commands += 1;
        }
        commands
    }
}

impl EventPublisher {
    /// Publishes as many of `events` as have room, from the front; answers how many. The core has no clock: `now` is read
    /// here, once for each event that carries the time of matching, and for no other.
    pub fn try_publish(&mut self, events: &[Event], now: fn() -> Nanos) -> usize {
        let fitting = match self.try_publish_all(events, now) {
            Ok(()) => return events.len(),
            Err(missing) => events.len().saturating_sub(missing),
        };
        match events.get(..fitting) {
            Some(events) if !events.is_empty() && self.try_publish_all(events, now).is_ok() => fitting,
            _ => 0,
        }
    }

    /// All or nothing: the number of missing slots otherwise.
    fn try_publish_all(&mut self, events: &[Event], now: fn() -> Nanos) -> Result<(), usize> {
        self.0
            .try_batch_publish(events.len(), |slots| {
                for (slot, event) in slots.zip(events) {
                    own_at(std::ptr::from_mut(slot).wrapping_add(SLOTS_AHEAD).cast());
                    *slot = *event;
                    if let EventBody::Details { matched, .. } = &mut slot.body {
                        *matched = now();
                    }
                }
            })
            .map(|_| ())
            .map_err(|MissingFreeSlots(missing)| usize::try_from(missing).unwrap_or(usize::MAX))
    }
}

impl EventRingPoller {
    /// Hands at most `limit` events to `each`, in order; answers how many. The ring is told at the end.
    pub fn poll(&mut self, limit: u64, mut each: impl FnMut(&Event)) -> usize {
        let Ok(mut batch) = self.0.take(limit) else { return 0 };
        let mut events = 0;
        for event in &mut batch {
            each(event);
            events += 1;
        }
        events
    }
}

macro_rules! opaque_debug {
    ($($name:ident),+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })+
    };
}
opaque_debug!(CommandPublisher, CommandPoller, EventPublisher, EventRingPoller);

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: CommandBody = CommandBody::SystemEvent(SystemEventCode::StartOfMarketHours);

    #[test]
    fn a_full_input_ring_answers_and_loses_nothing() {
        let (mut publisher, mut journal, mut core) = input_ring(8, Sequence(10), Nanos(100));
        for n in 0..8 {
            assert_eq!(publisher.try_submit(Nanos(n), &BODY), Ok(Sequence(11 + n)));
        }
        assert_eq!(publisher.try_submit(Nanos(1), &BODY), Err(RingFull));
        let mut seen = Vec::new();
        assert_eq!(core.poll(5, |command| seen.push(command.sequence.0)), 5);
        assert_eq!(publisher.try_submit(Nanos(1), &BODY), Err(RingFull), "the journal has read nothing yet");
        assert_eq!(journal.poll(3, |_| ()), 3);
        assert_eq!(publisher.try_submit(Nanos(500), &BODY), Ok(Sequence(19)));
        core.poll(100, |command| seen.push(command.sequence.0));
        assert_eq!(seen, (11..=19).collect::<Vec<_>>());
    }

    #[test]
    fn commands_are_handed_over_where_they_lie() {
        let (mut publisher, mut journal, mut core) = input_ring(64, Sequence::ZERO, Nanos(0));
        let (mut seen, mut places) = (Vec::new(), Vec::new());
        for lap in 0..3 {
            for _ in 0..40 {
                publisher.try_submit(Nanos(lap), &BODY).unwrap();
            }
            while journal.poll(64, |command| places.push(std::ptr::from_ref(command).addr())) > 0 {}
            for expected in [COMMANDS_AT_ONCE, 40 - COMMANDS_AT_ONCE, 0] {
                let mut found = Vec::new();
                let polled = core.poll_in_place(|commands| {
                    seen.extend(commands.iter().map(|command| command.sequence.0));
                    found.extend(commands.iter().map(|command| std::ptr::from_ref(*command).addr()));
                });
                assert_eq!(polled, expected);
                assert_eq!(found, places.drain(..expected).collect::<Vec<_>>(), "nothing is copied");
            }
        }
        assert_eq!(seen, (1..=120).collect::<Vec<_>>());
    }

    #[test]
    fn the_last_eighth_is_told_of() {
        let (mut publisher, mut journal, mut core) = input_ring(16, Sequence::ZERO, Nanos(0));
        for _ in 0..14 {
            assert!(!publisher.is_nearly_full());
            publisher.try_submit(Nanos(1), &BODY).unwrap();
        }
        assert!(publisher.is_nearly_full());
        publisher.try_submit(Nanos(1), &BODY).unwrap();
        assert!(publisher.is_nearly_full());
        core.poll(5, |_| ());
        assert!(publisher.is_nearly_full(), "the journal has read nothing yet");
        journal.poll(2, |_| ());
        assert!(!publisher.is_nearly_full());
        publisher.try_submit(Nanos(1), &BODY).unwrap();
        assert!(publisher.is_nearly_full());
        let mut seen = 0;
        while core.poll(16, |command| seen = command.sequence.0) > 0 {}
        assert_eq!((seen, publisher.last()), (16, Sequence(16)), "asking publishes nothing");
    }

    #[test]
    fn time_never_goes_back() {
        let (mut publisher, _journal, mut core) = input_ring(8, Sequence::ZERO, Nanos(100));
        for time in [50, 200, 150] {
            publisher.try_submit(Nanos(time), &BODY).unwrap();
        }
        let mut times = Vec::new();
        core.poll(8, |command| times.push(command.ingress.0));
        assert_eq!(times, [100, 200, 200]);
    }

    fn never() -> Nanos {
        panic!("no event here carries a time")
    }

    #[test]
    fn the_time_of_matching_is_filled_in_on_the_way_out() {
        let (mut publisher, mut pollers) = output_ring(8);
        let details = EventBody::Details { matched: Nanos(0), quantity_ahead: 5, for_maker: false, for_owner: true };
        let event = Event { sequence: Sequence(1), ingress: Nanos(1), body: details };
        assert_eq!(publisher.try_publish(&[event], || Nanos(77)), 1);
        pollers[0].poll(1, |event| {
            assert!(matches!(event.body, EventBody::Details { matched: Nanos(77), quantity_ahead: 5, .. }));
        });
    }

    #[test]
    fn events_go_out_as_far_as_there_is_room() {
        let (mut publisher, mut pollers) = output_ring(8);
        let events: Vec<Event> = (0..13)
            .map(|n| Event {
                sequence: Sequence(n),
                ingress: Nanos(n),
                body: EventBody::SystemEvent { code: SystemEventCode::StartOfMarketHours },
            })
            .collect();
        assert_eq!(publisher.try_publish(&events, never), 8);
        assert_eq!(publisher.try_publish(&events[8..], never), 0);
        let mut seen = Vec::new();
        for poller in &mut pollers {
            seen.clear();
            poller.poll(6, |event| seen.push(event.sequence.0));
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
        assert_eq!(publisher.try_publish(&events[8..], never), 5);
        for poller in &mut pollers {
            seen.clear();
            while poller.poll(3, |event| seen.push(event.sequence.0)) > 0 {}
        }
        assert_eq!(seen, [6, 7, 8, 9, 10, 11, 12]);
    }
}
