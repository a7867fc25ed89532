//! Counters that an operator reads from outside: a directory of named values in a mapped file. Each value has one writer
//! and a cache line of its own; writing is a plain load and store, and reading never disturbs the writer.
//!
//! ```text
//! line 0         magic (8 bytes), format (8), entries so far (8), lines (8), process id (8), start in ns since the
//!                epoch (8), ticks per second (8), cost of a reading of the clock in 0.01 ns (8)
//! lines 1..      one per entry: name (40 bytes, zero-padded), kind (8), first line of its value (8), lines of it (8)
//! from half      values: a counter has one line, its number in the first word; a text one line of UTF-8; a histogram two
//!                lines of count, sum, least, greatest and then its buckets, one word each
//! ```
//! Words are little-endian. An entry is whole before the number of entries says that it is there (Release, Acquire).

use core::sync::atomic::{AtomicBool, Ordering};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::{fmt, io};

use protocol::Nanos;

use super::shared_memory::{Line, file_lines, private_lines};
use super::tsc::TickRate;

/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"HFTCNTRS";
/// Version of the layout.
pub const FORMAT: u64 = 1;
/// Name of the file in the data directory.
pub const FILE_NAME: &str = "counters.bin";
/// Longest name of an entry, in bytes.
pub const NAME_BYTES_MAX: usize = 40;
/// Longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = Line::BYTES;
/// Lines of a file: 2 MiB.
const LINES: usize = 32_768;
/// Where values begin.
const VALUES: usize = LINES / 2;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A few words.
    Text,
    /// How often which value came, in nanoseconds.
    Histogram,
    /// Several numbers that belong together.
    Row,
}

impl Kind {
    /// As in the file.
    pub const fn code(self) -> u64 {
        match self {
            Self::Counter => 1,
            Self::Gauge => 2,
            Self::Text => 3,
            Self::Histogram => 4,
            Self::Row => 5,
        }
    }

    /// From the file.
    pub const fn from_code(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::Counter),
            2 => Some(Self::Gauge),
            3 => Some(Self::Text),
            4 => Some(Self::Histogram),
            5 => Some(Self::Row),
            _ => None,
        }
    }
}

/// Whether anything is recorded at all. It always is, but while `hft bench counters` measures what that costs. One writer,
/// whoever measures; the hot threads look at it before they record.
#[derive(Clone, Debug)]
pub struct Recording(Arc<AtomicBool>);

impl Recording {
    /// Everything is recorded.
    pub fn on() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// From now on, or no more. Relaxed: nothing else is told by it.
    pub fn set(&self, is_on: bool) {
        self.0.store(is_on, Ordering::Relaxed);
    }

    /// True while everything is recorded.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The writing side: entries are added while the venue is put together.
pub struct Counters {
    lines: &'static [Line],
    entries: usize,
    values: usize,
}

impl Counters {
    /// In a new file at `path`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn in_file(path: &Path, start: Nanos, rate: TickRate) -> io::Result<Self> {
        Ok(Self::over(file_lines(path, LINES)?, start, rate))
    }

    /// In memory that nobody else sees: for tests and benches.
    pub fn private() -> Self {
        Self::over(private_lines(LINES), Nanos(0), TickRate::NANOSECOND)
    }

    fn over(lines: &'static [Line], start: Nanos, rate: TickRate) -> Self {
        let this = Self { lines, entries: 0, values: VALUES };
        let words = [
            u64::from_le_bytes(MAGIC),
            FORMAT,
            0,
            LINES as u64,
            u64::from(std::process::id()),
            start.0,
            rate.hertz(),
            rate.cost_centinanos(),
        ];
        this.store(0, &words);
        this
    }

    fn store(&self, line: usize, words: &[u64]) {
        let Some(line) = self.lines.get(line) else { return };
        for (place, word) in line.0.iter().zip(words) {
            place.store(*word, Ordering::Relaxed);
        }
    }

    /// Enters `name` with `lines` lines of value, and answers these. Beyond the end of the file, or with a name that is
    /// too long, the value is kept where nobody reads it: a missing counter stops no venue.
    fn enter(&mut self, name: &str, kind: Kind, lines: usize) -> &'static [Line] {
        let found = self.lines.get(self.values..self.values + lines);
        let Some(values) = found.filter(|_| self.entries + 1 < VALUES && name.len() <= NAME_BYTES_MAX) else {
            return private_lines(lines);
        };
        let mut words = [0; Line::WORDS];
        for (word, bytes) in words.iter_mut().zip(name.as_bytes().chunks(8)) {
            *word = word_of(bytes);
        }
        words[5] = kind.code();
        words[6] = self.values as u64;
        words[7] = lines as u64;
        self.store(self.entries + 1, &words);
        self.entries += 1;
        self.values += lines;
        if let Some(header) = self.lines.first() {
            // Release: pairs with whoever reads the file, and sees the entry before its number.
            header.0[2].store(self.entries as u64, Ordering::Release);
        }
        values
    }

    /// A number that only rises.
    pub fn counter(&mut self, name: &str) -> Counter {
        Counter(self.enter(name, Kind::Counter, 1))
    }

    /// A number that rises and falls.
    pub fn gauge(&mut self, name: &str) -> Counter {
        Counter(self.enter(name, Kind::Gauge, 1))
    }

    /// A few words, cut to 64 bytes; fixed.
    pub fn text(&mut self, name: &str, text: &str) {
        let words: Vec<u64> = text.as_bytes().chunks(8).take(Line::WORDS).map(word_of).collect();
        let place = self.enter(name, Kind::Text, 1);
        for (place, word) in place.iter().flat_map(|line| &line.0).zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// Eight numbers that belong together.
    pub fn row(&mut self, name: &str) -> Row {
        Row(self.enter(name, Kind::Row, 1))
    }

    /// Times in nanoseconds.
    pub fn histogram(&mut self, name: &str) -> HistogramWriter {
        HistogramWriter(self.enter(name, Kind::Histogram, HISTOGRAM_LINES))
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("entries", &self.entries).finish_non_exhaustive()
    }
}

fn word_of(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    u64::from_le_bytes(word)
}

/// One number with one writer: whoever owns this value. Not `Clone`.
#[derive(Debug)]
pub struct Counter(&'static [Line]);

impl Counter {
    /// One that nobody reads.
    pub fn unseen() -> Self {
        Self(private_lines(1))
    }

    #[inline]
    fn word(&self) -> Option<&AtomicU64> {
        self.0.first().map(|line| &line.0[0])
    }

    /// Adds; wraps after 2^64. Relaxed, as nothing else is told by it; a plain load and store, as there is one writer.
    #[inline]
    pub fn add(&mut self, count: u64) {
        if let Some(word) = self.word() {
            word.store(word.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
        }
    }

    /// Sets.
    #[inline]
    pub fn set(&mut self, value: u64) {
        if let Some(word) = self.word() {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Its value now.
    #[inline]
    pub fn load(&self) -> u64 {
        self.word().map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// The same number for another thread to read.
    pub fn reader(&self) -> CounterReader {
        CounterReader(self.0)
    }
}

/// One number, to read.
#[derive(Clone, Copy, Debug)]
pub struct CounterReader(&'static [Line]);

impl CounterReader {
    /// Its value now.
    pub fn load(&self) -> u64 {
        self.0.first().map_or(0, |line| line.0[0].load(Ordering::Relaxed))
    }
}

/// Eight numbers with one writer. A reader may see some new and some old.
#[derive(Debug)]
pub struct Row(&'static [Line]);

impl Row {
    /// Sets all of them.
    pub fn set(&mut self, words: &[u64; Line::WORDS]) {
        for (place, word) in self.0.iter().flat_map(|line| &line.0).zip(words) {
            place.store(*word, Ordering::Relaxed);
        }
    }
}

/// Values below this have a bucket each.
const FINE: u64 = 64;
/// Buckets of each doubling above: values are kept to 3 %.
const PER_DOUBLING: u64 = 32;
/// The greatest value kept apart, 2^40 ns (18 minutes), and all above it share the last bucket.
const DOUBLINGS: u64 = 34;
/// Buckets of a histogram.
#[expect(clippy::cast_possible_truncation, reason = "1,152")]
pub const BUCKETS: usize = (FINE + DOUBLINGS * PER_DOUBLING) as usize;
/// Words before the buckets: count, sum, least, greatest, and room.
pub const HISTOGRAM_HEAD_WORDS: usize = 2 * Line::WORDS;
const HISTOGRAM_LINES: usize = (HISTOGRAM_HEAD_WORDS + BUCKETS).div_ceil(Line::WORDS);

/// The bucket of a value.
#[inline]
pub fn bucket_of(value: u64) -> usize {
    if value < FINE {
        return usize::try_from(value).unwrap_or(0);
    }
    let doubling = u64::from(value.ilog2());
    let bucket = FINE + (doubling - 6) * PER_DOUBLING + ((value >> (doubling - 5)) & (PER_DOUBLING - 1));
    usize::try_from(bucket).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The greatest value of a bucket.
pub fn bucket_top(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < FINE {
        return bucket;
    }
    let (doubling, step) = ((bucket - FINE) / PER_DOUBLING + 6, (bucket - FINE) % PER_DOUBLING);
    ((PER_DOUBLING + step + 1) << (doubling - 5)) - 1
}

/// A histogram with one writer: whoever owns this value.
#[derive(Debug)]
pub struct HistogramWriter(&'static [Line]);

impl HistogramWriter {
    #[inline]
    fn word(&self, index: usize) -> Option<&AtomicU64> {
        self.0.get(index / Line::WORDS).and_then(|line| line.0.get(index % Line::WORDS))
    }

    /// How many values there are, and their sum.
    pub fn count_and_sum(&self) -> (u64, u64) {
        let word = |index| self.word(index).map_or(0, |word| word.load(Ordering::Relaxed));
        (word(0), word(1))
    }

    /// Counts one value, in nanoseconds.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        let bump = |index: usize, change: &dyn Fn(u64) -> u64| {
            if let Some(word) = self.word(index) {
                word.store(change(word.load(Ordering::Relaxed)), Ordering::Relaxed);
            }
        };
        let is_first = self.word(0).is_some_and(|count| count.load(Ordering::Relaxed) == 0);
        bump(HISTOGRAM_HEAD_WORDS + bucket_of(nanos), &|count| count + 1);
        bump(1, &|sum| sum.wrapping_add(nanos));
        bump(2, &|least| if is_first { nanos } else { least.min(nanos) });
        bump(3, &|greatest| greatest.max(nanos));
        bump(0, &|count| count + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_keep_three_percent() {
        let mut last = 0;
        for bucket in 1..BUCKETS {
            let (low, top) = (bucket_top(bucket - 1) + 1, bucket_top(bucket));
            assert!(top >= low && low == last + 1, "bucket {bucket}: {low} to {top}");
            assert_eq!((bucket_of(low), bucket_of(top)), (bucket, bucket));
            assert!((top - low) * 32 <= low, "bucket {bucket}: {low} to {top}");
            last = top;
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(last, (1 << 40) - 1);
    }

    #[test]
    fn values_are_where_the_directory_says() {
        let path = std::env::temp_dir().join(format!("hft-counters-{}", std::process::id()));
        let mut counters = Counters::in_file(&path, Nanos(7), TickRate::NANOSECOND).unwrap();
        let (mut first, mut second) = (counters.counter("a.first"), counters.gauge("b.second"));
        counters.text("c.text", "journal");
        let mut times = counters.histogram("d.times");
        first.add(3);
        first.add(4);
        second.set(9);
        times.record(100);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let word =
            |line: usize, at: usize| u64::from_le_bytes(bytes[line * Line::BYTES + at * 8..][..8].try_into().unwrap());
        assert_eq!(bytes[..8], MAGIC);
        assert_eq!([word(0, 1), word(0, 2), word(0, 5)], [FORMAT, 4, 7]);
        assert!(bytes[Line::BYTES..].starts_with(b"a.first\0"));
        let place = |entry: usize| usize::try_from(word(entry, 6)).unwrap();
        assert_eq!((word(place(1), 0), word(place(2), 0)), (7, 9));
        assert!(bytes[place(3) * Line::BYTES..].starts_with(b"journal\0"));
        assert_eq!((word(place(4), 0), word(place(4), 1)), (1, 100));
        assert_eq!(word(place(4) + 2 + bucket_of(100) / 8, bucket_of(100) % 8), 1);
        assert_eq!((first.load(), first.reader().load()), (7, 7));
    }

    #[test]
    fn a_full_directory_stops_nobody() {
        let mut counters = Counters::private();
        for number in 0..VALUES + 10 {
            counters.counter(&format!("counter {number}")).add(1);
        }
        counters.histogram(&"x".repeat(NAME_BYTES_MAX + 1)).record(1);
    }
}
