//! The few answers of which the probe wants to know when they have been written to a socket. Bounded: when more wait than
//! there are places for, the newest is not followed.

use protocol::Sequence;

const PLACES: usize = 8;

/// An answer on its way.
#[derive(Clone, Copy, Debug)]
struct Followed {
    sequence: Sequence,
    slot: usize,
    /// Where its stream ended behind it.
    end: u64,
}

/// The answers that are followed.
#[derive(Debug, Default)]
pub(crate) struct Probed {
    places: [Option<Followed>; PLACES],
    /// Whose first answer was noted last: a command may have several.
    last: Sequence,
}

impl Probed {
    /// The first answer to `sequence` lies before `end` in the stream that the connection at `slot` is written from.
    pub(crate) fn note(&mut self, sequence: Sequence, slot: usize, end: u64) {
        if sequence == self.last {
            return;
        }
        self.last = sequence;
        if let Some(free) = self.places.iter_mut().find(|place| place.is_none()) {
            *free = Some(Followed { sequence, slot, end });
        }
    }

    /// The connection at `slot` has been written to: `done` is told each answer that `is_out`.
    #[inline]
    pub(crate) fn wrote(&mut self, slot: usize, is_out: impl Fn(u64) -> bool, mut done: impl FnMut(Sequence)) {
        for place in &mut self.places {
            if let Some(out) = place.take_if(|followed| followed.slot == slot && is_out(followed.end)) {
                done(out.sequence);
            }
        }
    }

    /// The connection at `slot` is gone.
    pub(crate) fn forget(&mut self, slot: usize) {
        for place in &mut self.places {
            place.take_if(|followed| followed.slot == slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_once_when_its_last_byte_is_out() {
        let mut probed = Probed::default();
        probed.note(Sequence(64), 3, 100);
        probed.note(Sequence(64), 4, 200);
        let mut told = Vec::new();
        probed.wrote(4, |_| true, |sequence| told.push(sequence.0));
        probed.wrote(3, |end| end <= 99, |sequence| told.push(sequence.0));
        assert_eq!(told, [0_u64; 0], "of another connection, and not whole");
        probed.wrote(3, |end| end <= 100, |sequence| told.push(sequence.0));
        probed.wrote(3, |_| true, |sequence| told.push(sequence.0));
        assert_eq!(told, [64]);
    }

    #[test]
    fn places_are_bounded_and_freed_with_the_connection() {
        let mut probed = Probed::default();
        for sequence in 1..=20 {
            probed.note(Sequence(sequence), 1, 0);
        }
        probed.forget(1);
        probed.note(Sequence(21), 1, 0);
        let mut told = Vec::new();
        probed.wrote(1, |_| true, |sequence| told.push(sequence.0));
        assert_eq!(told, [21]);
    }
}
