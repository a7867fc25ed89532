//! Where events go. The core writes each event once, in place, through a type that is known when it is compiled.

use protocol::limits::ORDERS_PER_COMMAND_MAX_DEFAULT;
use protocol::types::{Nanos, Sequence};
use protocol::{Event, EventBody};

/// Takes the events of a command, in order.
pub trait EventSink {
    /// Takes the next event.
    fn push(&mut self, event: Event);
}

/// Events at the most that one command makes, when it may touch `orders_per_command_max` orders: per order a trade or a
/// prevention with details for both sides, or a part of an iceberg displayed; the aggressor's own messages; and those of the
/// stops that it elects.
#[must_use]
pub const fn events_per_command_max(orders_per_command_max: usize) -> usize {
    6 * orders_per_command_max + 128
}

/// The events of one command (or of a few), in memory that is reserved once.
#[derive(Debug)]
pub struct EventBuffer {
    slots: Box<[Event]>,
    len: usize,
}

impl EventBuffer {
    /// Reserves room for the worst command of a venue with this `orders_per_command_max`.
    #[must_use]
    pub fn new(orders_per_command_max: usize) -> Self {
        let blank = Event {
            sequence: Sequence::ZERO,
            ingress: Nanos(0),
            body: EventBody::Details { matched: Nanos(0), quantity_ahead: 0, for_maker: false, for_owner: false },
        };
        Self { slots: vec![blank; events_per_command_max(orders_per_command_max)].into_boxed_slice(), len: 0 }
    }

    /// The events since the last clear.
    #[must_use]
    pub fn as_slice(&self) -> &[Event] {
        &self.slots[..self.len]
    }

    /// Forgets all events.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Events it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }
}

impl Default for EventBuffer {
    fn default() -> Self {
        Self::new(ORDERS_PER_COMMAND_MAX_DEFAULT)
    }
}

impl EventSink for EventBuffer {
    #[inline]
    fn push(&mut self, event: Event) {
        self.slots[self.len] = event;
        self.len += 1;
    }
}

/// A sink, and what all events of a command have in common.
#[derive(Debug)]
pub(crate) struct Out<'a, S> {
    sink: &'a mut S,
    sequence: Sequence,
    ingress: Nanos,
    told: u32,
}

impl<'a, S: EventSink> Out<'a, S> {
    pub(crate) fn new(sink: &'a mut S, sequence: Sequence, ingress: Nanos) -> Self {
        Self { sink, sequence, ingress, told: 0 }
    }

    /// Time of the command.
    pub(crate) fn ingress(&self) -> Nanos {
        self.ingress
    }

    /// Events of this command so far.
    pub(crate) fn told(&self) -> u32 {
        self.told
    }

    /// The command.
    pub(crate) fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Writes one event.
    #[inline]
    pub(crate) fn push(&mut self, body: EventBody) {
        self.told = self.told.wrapping_add(1);
        self.sink.push(Event { sequence: self.sequence, ingress: self.ingress, body });
    }

    /// Writes the details that precede an event of an order whose owner asked for them.
    #[inline]
    pub(crate) fn details(&mut self, wanted: bool, quantity_ahead: impl FnOnce() -> u64) {
        if wanted {
            let quantity_ahead = quantity_ahead();
            self.push(EventBody::Details { matched: Nanos(0), quantity_ahead, for_maker: false, for_owner: true });
        }
    }
}
