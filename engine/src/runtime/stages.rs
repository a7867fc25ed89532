//! How long sampled commands spend in each stage inside the venue: one in 64 is stamped where it is read, sequenced,
//! matched, made durable and answered, and the differences go into histograms.
//!
//! The stamps of a command are put in order before they are subtracted: matching and journaling go on side by side, and
//! what counts for the answer is whatever comes last. So the stages of one command add up to its whole time, and
//! `stage.durable` is only what it waited for the journal after it was matched; `stage.journal` is the journal's time from
//! the sequencing, beside the sum.

use core::sync::atomic::Ordering;

use protocol::Sequence;

use super::counters::{Counters, HistogramWriter, Recording};
use super::shared_memory::{Line, private_lines};
use super::tsc::{TickRate, ticks};

/// One command in this many is followed; a power of two.
pub const SAMPLE_EVERY: u64 = 64;

/// The stages that add up, in order, by the names of their histograms.
pub const STAGES: [&str; 4] = ["stage.sequenced", "stage.matched", "stage.durable", "stage.written"];
/// Their sum: from the read of the socket to the write of the answer.
pub const WHOLE: &str = "stage.whole";
/// Beside the sum: from sequencing to durable.
pub const JOURNAL: &str = "stage.journal";

/// True for commands that are followed.
#[inline]
pub const fn is_sampled(sequence: Sequence) -> bool {
    sequence.0.is_multiple_of(SAMPLE_EVERY)
}

/// The stamps that one thread gives, by sequence. Single writer, one reader.
#[derive(Clone, Copy, Debug)]
struct Stamps(&'static [Line]);

impl Stamps {
    fn line(self, sequence: Sequence) -> Option<&'static Line> {
        let index = (sequence.0 / SAMPLE_EVERY) & (self.0.len() as u64 - 1);
        self.0.get(usize::try_from(index).ok()?)
    }
}

/// Where a thread notes that it is done with a command.
#[derive(Debug)]
pub struct StampWriter {
    stamps: Stamps,
    last: Sequence,
}

impl StampWriter {
    /// Everything up to and including `upto` is done, now; called before that is told to others.
    #[inline]
    pub fn done(&mut self, upto: Sequence) {
        if upto.0 / SAMPLE_EVERY != self.last.0 / SAMPLE_EVERY {
            self.stamp(upto);
        }
        self.last = upto;
    }

    #[cold]
    fn stamp(&mut self, upto: Sequence) {
        let (now, first) = (ticks(), self.last.0 / SAMPLE_EVERY + 1);
        let last = upto.0 / SAMPLE_EVERY;
        // No more than there are places for: a recovery's worth of commands is one step.
        for sample in first.max(last.saturating_sub(self.stamps.0.len() as u64))..=last {
            let sequence = Sequence(sample * SAMPLE_EVERY);
            if let Some(line) = self.stamps.line(sequence) {
                line.0[1].store(now, Ordering::Relaxed);
                // Release: pairs with the Acquire of the reader, which sees the time with its sequence.
                line.0[0].store(sequence.0, Ordering::Release);
            }
        }
    }
}

/// Where the edge reads what the other threads noted.
#[derive(Clone, Copy, Debug)]
pub struct StampReader(Stamps);

impl StampReader {
    fn get(self, sequence: Sequence) -> Option<u64> {
        let line = self.0.line(sequence)?;
        (line.0[0].load(Ordering::Acquire) == sequence.0).then(|| line.0[1].load(Ordering::Relaxed))
    }
}

/// A pair for commands after `last`, of which at most `in_flight_max` are under way at once.
pub fn stamps(in_flight_max: usize, last: Sequence) -> (StampWriter, StampReader) {
    let every = usize::try_from(SAMPLE_EVERY).unwrap_or(1);
    let stamps = Stamps(private_lines((in_flight_max / every + 1).next_power_of_two()));
    (StampWriter { stamps, last }, StampReader(stamps))
}

#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    sequence: Sequence,
    read: u64,
    sequenced: u64,
}

/// The edge's side: stamps what it does itself, and works the stages out when an answer is written. Lives on its thread.
#[derive(Debug)]
pub struct StageTimer {
    begun: Vec<Begun>,
    matched: StampReader,
    durable: StampReader,
    rate: TickRate,
    stages: [HistogramWriter; STAGES.len()],
    whole: HistogramWriter,
    journal: HistogramWriter,
    recording: Recording,
}

impl StageTimer {
    /// With its histograms in `counters`.
    pub fn new(counters: &mut Counters, matched: StampReader, durable: StampReader, rate: TickRate) -> Self {
        let begun = vec![Begun::default(); matched.0.0.len()];
        let stages = STAGES.map(|name| counters.histogram(name));
        let (whole, journal) = (counters.histogram(WHOLE), counters.histogram(JOURNAL));
        Self { begun, matched, durable, rate, stages, whole, journal, recording: Recording::on() }
    }

    /// Records only while `recording` is on.
    #[must_use]
    pub fn recording(self, recording: Recording) -> Self {
        Self { recording, ..self }
    }

    /// When bytes were read: the time now, or 0 while nothing is recorded.
    #[inline]
    pub fn read_now(&self) -> u64 {
        if self.recording.is_on() { ticks() } else { 0 }
    }

    /// True for a command whose answer is to be told of.
    #[inline]
    pub fn wants(&self, sequence: Sequence) -> bool {
        is_sampled(sequence) && self.recording.is_on()
    }

    fn place(&mut self, sequence: Sequence) -> Option<&mut Begun> {
        let index = (sequence.0 / SAMPLE_EVERY) & (self.begun.len() as u64 - 1);
        self.begun.get_mut(usize::try_from(index).ok()?)
    }

    /// The command was sequenced now; its bytes were read at tick `read`.
    #[inline]
    pub fn sequenced(&mut self, sequence: Sequence, read: u64) {
        if self.wants(sequence) {
            let sequenced = ticks();
            if let Some(place) = self.place(sequence) {
                *place = Begun { sequence, read, sequenced };
            }
        }
    }

    /// Its answer was written now.
    pub fn written(&mut self, sequence: Sequence) {
        self.written_at(sequence, ticks());
    }

    fn written_at(&mut self, sequence: Sequence, written: u64) {
        let (Some(matched), Some(durable)) = (self.matched.get(sequence), self.durable.get(sequence)) else { return };
        let Some(begun) = self.place(sequence).copied().filter(|begun| begun.sequence == sequence) else { return };
        if begun.read == 0 {
            return;
        }
        let sequenced = begun.sequenced.max(begun.read);
        let matched = matched.max(sequenced);
        let released = durable.max(matched);
        let marks = [begun.read, sequenced, matched, released, written.max(released)];
        // Each mark as nanoseconds since the first, so that the rounded stages still add up.
        let marks = marks.map(|mark| self.rate.between(begun.read, mark));
        for (stage, pair) in self.stages.iter_mut().zip(marks.windows(2)) {
            if let [from, to] = *pair {
                stage.record(to - from);
            }
        }
        self.whole.record(marks[4]);
        self.journal.record(self.rate.between(sequenced, durable));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_of_every_64th_command_and_last_a_ring() {
        let (mut writer, reader) = stamps(256, Sequence(60));
        writer.done(Sequence(63));
        assert_eq!(reader.get(Sequence(64)), None);
        writer.done(Sequence(200));
        for (sequence, is_there) in [(64, true), (128, true), (192, true), (256, false)] {
            assert_eq!(reader.get(Sequence(sequence)).is_some(), is_there, "{sequence}");
        }
        writer.done(Sequence(1 << 40));
        assert!(reader.get(Sequence(1 << 40)).is_some());
        assert_eq!(reader.get(Sequence(64)), None, "its place was needed");
        assert!(is_sampled(Sequence(128)) && !is_sampled(Sequence(129)));
    }

    #[test]
    fn stages_add_up_whatever_comes_last() {
        let mut counters = Counters::private();
        let ((_, matched), (_, durable)) = (stamps(256, Sequence(0)), stamps(256, Sequence(0)));
        let mut timer = StageTimer::new(&mut counters, matched, durable, TickRate::NANOSECOND);
        let set = |reader: StampReader, sequence: u64, at: u64| {
            let line = reader.0.line(Sequence(sequence)).unwrap();
            line.0[1].store(at, Ordering::Relaxed);
            line.0[0].store(sequence, Ordering::Release);
        };
        // Read at 100, sequenced at 130; matched and durable in either order; written at 900.
        for (sequence, matched_at, durable_at) in [(64, 200, 500), (128, 500, 200)] {
            *timer.place(Sequence(sequence)).unwrap() =
                Begun { sequence: Sequence(sequence), read: 100, sequenced: 130 };
            set(matched, sequence, matched_at);
            set(durable, sequence, durable_at);
            timer.written_at(Sequence(sequence), 900);
        }
        timer.written_at(Sequence(192), 900);
        let sums: Vec<_> = timer.stages.iter().map(HistogramWriter::count_and_sum).collect();
        assert_eq!(sums, [(2, 60), (2, 70 + 370), (2, 300), (2, 800)]);
        assert_eq!(timer.whole.count_and_sum(), (2, sums.iter().map(|(_, sum)| sum).sum()));
        assert_eq!(timer.journal.count_and_sum(), (2, 370 + 70));
    }
}
