//! Reads the counters file of a venue that runs or ran: no lock, no mapping, nothing that its writers could feel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use engine::runtime::counters::{
    BUCKETS, FILE_NAME, FORMAT, HISTOGRAM_HEAD_WORDS, Kind, MAGIC, NAME_BYTES_MAX, bucket_top,
};
use engine::runtime::shared_memory::Line;

/// One look at the file.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Process that writes or wrote it.
    pub process: u64,
    /// When it started, nanoseconds since the epoch.
    pub started_utc_ns: u64,
    /// Ticks per second of its clock.
    pub ticks_hz: u64,
    /// What one reading of that clock costs, in 0.01 ns.
    pub tick_cost_centinanos: u64,
    /// By name.
    pub values: BTreeMap<String, Value>,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number that only rises.
    Counter(u64),
    /// A number that rises and falls.
    Gauge(u64),
    /// Words.
    Text(String),
    /// Times.
    Times(Box<Times>),
    /// Eight numbers.
    Row([u64; Line::WORDS]),
}

/// A histogram of nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The least; 0 when there is none.
    pub least: u64,
    /// The greatest.
    pub greatest: u64,
    buckets: Vec<u64>,
}

/// Shares at which times are told, in 100,000ths.
pub const SHARES: [(&str, u64); 5] =
    [("p50", 50_000), ("p90", 90_000), ("p99", 99_000), ("p99.9", 99_900), ("p99.99", 99_990)];

impl Times {
    /// The value that `share` 100,000ths of all do not exceed, to 3 %; 0 when there is none.
    pub fn at(&self, share: u64) -> u64 {
        let total: u64 = self.buckets.iter().sum();
        let wanted = (u128::from(total) * u128::from(share)).div_ceil(100_000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= wanted {
                return bucket_top(bucket).min(self.greatest.max(1));
            }
        }
        0
    }

    /// The mean; 0 when there is none.
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count).unwrap_or(0)
    }

    /// What came after `earlier` was read. Least and greatest stay those of the whole run.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let buckets = self
            .buckets
            .iter()
            .enumerate()
            .map(|(at, count)| count.saturating_sub(earlier.buckets.get(at).copied().unwrap_or(0)))
            .collect();
        Self {
            count: self.count.saturating_sub(earlier.count),
            sum: self.sum.saturating_sub(earlier.sum),
            buckets,
            ..*self
        }
    }
}

/// Where the counters of a data directory are.
pub fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

impl Snapshot {
    /// Reads the file of a data directory.
    ///
    /// # Errors
    /// No such file, or one that is no counters file of this format.
    pub fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let path = path_in(data_dir);
        let bytes = std::fs::read(&path).with_context(|| {
            format!("cannot read {}; name the data directory of a venue with --data-dir", path.display())
        })?;
        Self::parse(&bytes).with_context(|| format!("{} is not usable", path.display()))
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let file = Words(bytes);
        ensure!(bytes.starts_with(&MAGIC), "it is no counters file");
        ensure!(file.word(0, 1) == FORMAT, "its format is {}, this program reads {FORMAT}", file.word(0, 1));
        let mut this = Self {
            process: file.word(0, 4),
            started_utc_ns: file.word(0, 5),
            ticks_hz: file.word(0, 6),
            tick_cost_centinanos: file.word(0, 7),
            values: BTreeMap::new(),
        };
        for entry in 1..=file.word(0, 2) {
            let at = file.line(entry);
            let name = text(at.get(..NAME_BYTES_MAX).unwrap_or_default());
            let value = file.value(Kind::from_code(file.word(entry, 5)), file.word(entry, 6));
            if let Some(value) = value {
                this.values.insert(name, value);
            }
        }
        Ok(this)
    }

    /// A number; 0 when there is no such entry.
    pub fn number(&self, name: &str) -> u64 {
        match self.values.get(name) {
            Some(Value::Counter(number) | Value::Gauge(number)) => *number,
            Some(Value::Text(_) | Value::Times(_) | Value::Row(_)) | None => 0,
        }
    }

    /// A text; empty when there is no such entry.
    pub fn text(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(Value::Text(text)) => text,
            Some(Value::Counter(_) | Value::Gauge(_) | Value::Times(_) | Value::Row(_)) | None => "",
        }
    }

    /// Times; `None` when there is no such entry.
    pub fn times(&self, name: &str) -> Option<&Times> {
        match self.values.get(name)? {
            Value::Times(times) => Some(times),
            Value::Counter(_) | Value::Gauge(_) | Value::Text(_) | Value::Row(_) => None,
        }
    }

    /// True while the process that writes it runs.
    pub fn is_live(&self) -> bool {
        // A dead process that nobody waited for still has its folder, but no program.
        let proc = format!("/proc/{}/exe", self.process);
        self.number("venue.ended") == 0 && std::fs::read_link(proc).is_ok()
    }
}

/// The file as words.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn line(&self, line: u64) -> &[u8] {
        let at = usize::try_from(line).unwrap_or(usize::MAX).saturating_mul(Line::BYTES);
        self.0.get(at..).unwrap_or_default()
    }

    fn word(&self, line: u64, word: usize) -> u64 {
        let bytes = self.line(line).get(word * 8..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    fn value(&self, kind: Option<Kind>, line: u64) -> Option<Value> {
        Some(match kind? {
            Kind::Counter => Value::Counter(self.word(line, 0)),
            Kind::Gauge => Value::Gauge(self.word(line, 0)),
            Kind::Text => Value::Text(text(self.line(line).get(..Line::BYTES)?)),
            Kind::Row => {
                let mut row = [0; Line::WORDS];
                row.iter_mut().enumerate().for_each(|(at, word)| *word = self.word(line, at));
                Value::Row(row)
            }
            Kind::Histogram => {
                let buckets = (0..BUCKETS).map(|bucket| self.word(line, HISTOGRAM_HEAD_WORDS + bucket)).collect();
                Value::Times(Box::new(Times {
                    count: self.word(line, 0),
                    sum: self.word(line, 1),
                    least: self.word(line, 2),
                    greatest: self.word(line, 3),
                    buckets,
                }))
            }
        })
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use engine::runtime::counters::Counters;
    use engine::runtime::tsc::TickRate;
    use protocol::Nanos;

    use super::*;

    #[test]
    fn what_was_counted_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut counters = Counters::in_file(&path_in(dir.path()), Nanos(5), TickRate::NANOSECOND).unwrap();
        counters.text("venue.durability", "journal");
        counters.counter("edge.commands").add(12);
        counters.gauge("edge.connections_open").set(3);
        counters.row("book.AAPL").set(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let mut times = counters.histogram("stage.matched");
        (1..=1_000).for_each(|nanos| times.record(nanos * 1_000));
        let first = Snapshot::read(dir.path()).unwrap();
        assert_eq!((first.started_utc_ns, first.ticks_hz), (5, 1_000_000_000));
        assert!(first.is_live());
        assert_eq!((first.text("venue.durability"), first.number("edge.commands")), ("journal", 12));
        assert_eq!(first.values["book.AAPL"], Value::Row([1, 2, 3, 4, 5, 6, 7, 8]));
        let found = first.times("stage.matched").unwrap();
        assert_eq!((found.count, found.least, found.greatest, found.mean()), (1_000, 1_000, 1_000_000, 500_500));
        for (share, exact) in [(50_000, 500_000), (99_000, 990_000), (100_000, 1_000_000)] {
            let at = found.at(share);
            assert!(at >= exact && at - exact <= exact / 32, "{share}: {at}");
        }
        times.record(5);
        let second = Snapshot::read(dir.path()).unwrap();
        let since = second.times("stage.matched").unwrap().since(found);
        assert_eq!((since.count, since.at(50_000)), (1, 5));
        assert_eq!(Times::default().at(50_000), 0);
    }

    #[test]
    fn another_file_is_refused_and_a_short_one_read_as_far_as_it_goes() {
        assert!(Snapshot::parse(b"something else").is_err());
        let mut bytes = MAGIC.to_vec();
        bytes.extend(9_u64.to_le_bytes());
        assert!(Snapshot::parse(&bytes).unwrap_err().to_string().contains("format is 9"));
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(1_000_u64.to_le_bytes());
        assert!(Snapshot::parse(&bytes).unwrap().values.is_empty());
    }
}
