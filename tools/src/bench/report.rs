//! The report of `hft bench wire`: what was measured, as JSON that `hft bench compare` reads again, and as `HdrHistogram` logs. Times are
//! nanoseconds.

#![expect(clippy::float_arithmetic, reason = "quantiles")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use serde::{Deserialize, Serialize};

use crate::bench::load::{INTERVAL_NS, Outcome};
use crate::bench::section::Section;
use crate::top::nanos as time;
use crate::top::short;

/// Where distributions are told.
pub const QUANTILES: [(&str, f64); 7] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("p99.999", 0.99999),
    ("max", 1.0),
];

/// Whether so many samples say anything about a quantile: at least one of them must lie beyond it. The greatest always counts.
pub fn is_told(quantile: f64, samples: u64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a share of samples")]
    let beyond = (1.0 - quantile) * samples as f64;
    quantile >= 1.0 || beyond >= 0.999
}

/// One run of the bench.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Lines about the host.
    pub host: Vec<(String, String)>,
    /// What was offered: sessions, mix, durability.
    pub load: Vec<(String, String)>,
    /// By rate, ascending.
    pub rates: Vec<Rate>,
    /// The highest rate that was kept up with, per second; 0 = none.
    pub sustained_per_s: u64,
    /// Without the venue.
    pub yardsticks: Vec<Yardstick>,
    /// One order at a time, stage by stage.
    #[serde(default)]
    pub budget: Vec<BudgetLine>,
    /// What the other benches of the same run found.
    #[serde(default)]
    pub sections: Vec<Section>,
    /// What the figures do not include.
    pub not_included: Vec<String>,
}

/// One stage of an order on its way, beside what it cannot be faster than on this machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BudgetLine {
    /// The stage.
    pub stage: String,
    /// Mean, ns: means add up.
    pub took_ns: u64,
    /// The middle one, ns: what a pause of the machine does not move.
    #[serde(default)]
    pub p50_ns: u64,
    /// What its limit is made of.
    pub limit: String,
    /// That limit, ns, measured in the same run.
    pub limit_ns: u64,
}

/// Two decimals.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// What one rate gave, over its repeats.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rate {
    /// Requests per second offered.
    pub per_second: u64,
    /// All repeats were kept up with.
    pub is_sustained: bool,
    /// Requests that count, of all repeats.
    pub requests: u64,
    /// Never answered.
    pub unanswered: u64,
    /// Of each repeat, from the intended time of leaving.
    pub repeats: Vec<BTreeMap<String, u64>>,
    /// Of all repeats, from the intended time of leaving: quantile in 100,000ths of `1 - q` on a line of its own kind, and time.
    pub curve: Vec<(f64, u64)>,
    /// Median of the time from the real leaving to the answer.
    pub service_p50: u64,
    /// Inside the venue, of sampled commands: mean of each stage.
    pub stages: Vec<(String, u64)>,
    /// Samples of the stages.
    pub stage_samples: u64,
    /// Per interval of the last repeat: greatest latency, and longest round of the load generator.
    pub timeline: Vec<(u64, u64)>,
}

/// Something to compare with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Yardstick {
    /// What it is.
    pub name: String,
    /// Its quantiles.
    pub quantiles: BTreeMap<String, u64>,
    /// How often it was measured.
    #[serde(default)]
    pub count: u64,
}

/// The quantiles of a histogram by name.
pub fn quantiles(times: &Histogram<u64>) -> BTreeMap<String, u64> {
    QUANTILES.iter().map(|(name, at)| ((*name).to_owned(), times.value_at_quantile(*at))).collect()
}

impl Yardstick {
    /// Of a histogram.
    pub fn of(name: &str, times: &Histogram<u64>) -> Self {
        Self { name: name.to_owned(), quantiles: quantiles(times), count: times.len() }
    }
}

impl Rate {
    /// Of the repeats of one rate.
    ///
    /// # Errors
    /// Histogram bounds.
    pub fn of(outcomes: &[Outcome]) -> anyhow::Result<Self> {
        let mut all = crate::bench::round_trip::histogram()?;
        let mut service = crate::bench::round_trip::histogram()?;
        for outcome in outcomes {
            all.add(&outcome.times)?;
            service.add(&outcome.service)?;
        }
        let timeline = outcomes.last().map(|outcome| {
            outcome.intervals.iter().map(|interval| (interval.times.max(), interval.hiccup_ns)).collect()
        });
        Ok(Self {
            per_second: outcomes.first().map_or(0, |outcome| outcome.per_second),
            is_sustained: outcomes.iter().all(Outcome::is_sustained),
            requests: outcomes.iter().map(|outcome| outcome.requests).sum(),
            unanswered: outcomes.iter().map(|outcome| outcome.unanswered).sum(),
            repeats: outcomes.iter().map(|outcome| quantiles(&outcome.times)).collect(),
            curve: curve(&all),
            service_p50: service.value_at_quantile(0.5),
            stages: Vec::new(),
            stage_samples: 0,
            timeline: timeline.unwrap_or_default(),
        })
    }

    /// Least, middle and greatest of the repeats at a quantile.
    pub fn spread(&self, quantile: &str) -> [u64; 3] {
        let mut found: Vec<u64> = self.repeats.iter().filter_map(|repeat| repeat.get(quantile).copied()).collect();
        found.sort_unstable();
        let at = |index: usize| found.get(index).copied().unwrap_or(0);
        [at(0), at(found.len() / 2), at(found.len().saturating_sub(1))]
    }
}

/// Points of the percentile curve: 16 from each nine to the next, as far as the samples tell, and the greatest at its end.
fn curve(times: &Histogram<u64>) -> Vec<(f64, u64)> {
    let points = (0..=80_u32).map(|step| f64::from(step) / 16.0).filter_map(|nines| {
        let quantile = 1.0 - 10_f64.powf(-nines);
        is_told(quantile, times.len()).then(|| (nines, times.value_at_quantile(quantile)))
    });
    let mut points: Vec<(f64, u64)> = points.collect();
    let end = points.last().map_or(0.0, |(nines, _)| nines + 0.2);
    points.push((end, times.max()));
    points
}

/// Writes the intervals of a run as a log that the tools of `HdrHistogram` read.
///
/// # Errors
/// The operating system's.
pub fn write_log(path: &Path, outcome: &Outcome, started: SystemTime) -> anyhow::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut bytes = Vec::new();
    let failed = |what: &str| format!("cannot write {what} of {}", path.display());
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("hft bench wire: ns from the intended time of leaving to the answer")
        .with_start_time(started)
        .with_base_time(started)
        .begin_log_with(&mut bytes, &mut serializer)
        .with_context(|| failed("the head"))?;
    let length = Duration::from_nanos(INTERVAL_NS);
    for (index, interval) in (0_u32..).zip(&outcome.intervals) {
        log.write_histogram(&interval.times, length * index, length, None)
            .map_err(|error| anyhow::anyhow!("{}: {error:?}", failed("an interval")))?;
    }
    std::fs::write(path, bytes).with_context(|| failed("the whole"))
}

/// What changed from one report to another, beyond what the repeats of each differ by.
pub fn compare(before: &Report, after: &Report) -> Vec<String> {
    let mut lines = vec![format!("{:>9} {:<8} {:>24} {:>24}  {}", "rate/s", "", "before", "after", "change")];
    for old in &before.rates {
        let Some(new) = after.rates.iter().find(|rate| rate.per_second == old.per_second) else { continue };
        for (name, _) in QUANTILES {
            let (a, b) = (old.spread(name), new.spread(name));
            let apart = a[2] < b[0] || b[2] < a[0];
            let percent = b[1].abs_diff(a[1]) * 100 / a[1].max(1);
            let verdict = match (apart && percent >= 5, b[1] > a[1]) {
                (true, true) => format!("{percent}% slower"),
                (true, false) => format!("{percent}% faster"),
                (false, _) => "within the noise".to_owned(),
            };
            let cell = |[low, middle, high]: [u64; 3]| format!("{} [{}-{}]", time(middle), time(low), time(high));
            lines.push(format!("{:>9} {name:<8} {:>24} {:>24}  {verdict}", short(old.per_second), cell(a), cell(b)));
        }
    }
    if lines.len() == 1 {
        lines.push("the reports have no rate in common: nothing to compare".to_owned());
    }
    lines.push(format!("kept up with {} per second before, {} after", before.sustained_per_s, after.sustained_per_s));
    for (name, what) in &before.host {
        let now = after.host.iter().find(|(other, _)| other == name).map_or("", |(_, what)| what);
        if now != what && name != "taken" {
            lines.push(format!("another host: {name} was {what:?}, is {now:?}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::bench::load::Interval;
    use crate::bench::round_trip::histogram;

    pub(super) fn outcome(shift: u64) -> Outcome {
        let (mut times, mut intervals) = (histogram().unwrap(), Vec::new());
        for interval in 0..3 {
            let mut part = histogram().unwrap();
            (1..=1_000).for_each(|nanos| part.saturating_record((nanos + interval * 1_000) * 100 + shift));
            times.add(&part).unwrap();
            intervals.push(Interval { times: part, hiccup_ns: 77 });
        }
        Outcome {
            per_second: 1_000,
            requests: 3_000,
            behind: 0,
            unanswered: 0,
            service: times.clone(),
            times,
            intervals,
        }
    }

    fn report(shifts: &[u64]) -> Report {
        let outcomes: Vec<Outcome> = shifts.iter().map(|shift| outcome(*shift)).collect();
        Report { rates: vec![Rate::of(&outcomes).unwrap()], sustained_per_s: 1_000, ..Report::default() }
    }

    #[test]
    fn noise_is_told_apart_from_change() {
        let (old, same, slow) = (report(&[0, 9_000, 20_000]), report(&[10_000, 15_000]), report(&[90_000, 100_000]));
        assert!(
            compare(&old, &same).iter().filter(|line| line.contains("within the noise")).count() == QUANTILES.len()
        );
        let changed = compare(&old, &slow);
        assert!(changed.iter().any(|line| line.contains("p50") && line.contains("% slower")), "{changed:#?}");
        assert!(compare(&slow, &old).iter().any(|line| line.contains("% faster")));
        let other = Report::default();
        assert!(compare(&old, &other).iter().any(|line| line.contains("no rate in common")));
    }

    #[test]
    fn a_report_survives_its_json() {
        let old = report(&[0, 1]);
        let again: Report = serde_json::from_str(&serde_json::to_string(&old).unwrap()).unwrap();
        assert_eq!(again.rates[0].spread("p99"), old.rates[0].spread("p99"));
        assert_eq!(again.rates[0].curve.last().map(|(_, most)| *most), Some(old.rates[0].spread("max")[2]));
        // 6,000 samples say nothing of one in 100,000.
        assert!(old.rates[0].curve.iter().all(|(nines, _)| *nines < 4.1), "{:?}", old.rates[0].curve);
        assert!(is_told(0.99, 100) && !is_told(0.999, 100) && is_told(1.0, 1));
    }

    #[test]
    fn the_log_is_what_the_standard_tools_read() {
        let path = std::env::temp_dir().join(format!("hft-bench-{}.hlog", std::process::id()));
        let outcome = outcome(0);
        write_log(&path, &outcome, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(bytes.starts_with(b"#"), "comments and times first");
        let mut found = Vec::new();
        for entry in IntervalLogIterator::new(&bytes) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let packed = interval.encoded_histogram();
                let raw = decoded(packed);
                let read: Histogram<u64> = Deserializer::new().deserialize(&mut raw.as_slice()).unwrap();
                found.push((interval.start_timestamp(), read.len(), read.max()));
            }
        }
        let starts: Vec<Duration> = found.iter().map(|(start, _, _)| *start).collect();
        assert_eq!(starts, [0, 100, 200].map(Duration::from_millis));
        assert!(
            found
                .iter()
                .zip(&outcome.intervals)
                .all(|((_, count, max), interval)| { (*count, *max) == (interval.times.len(), interval.times.max()) })
        );
    }

    /// Base 64, as the log holds its histograms.
    fn decoded(text: &str) -> Vec<u8> {
        let digit = |letter: u8| match letter {
            b'A'..=b'Z' => u32::from(letter - b'A'),
            b'a'..=b'z' => u32::from(letter - b'a') + 26,
            b'0'..=b'9' => u32::from(letter - b'0') + 52,
            b'+' => 62,
            _ => 63,
        };
        let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').collect();
        letters
            .chunks(4)
            .flat_map(|chunk| {
                let bits = chunk.iter().fold(0, |bits, letter| bits << 6 | digit(*letter)) << (6 * (4 - chunk.len()));
                bits.to_be_bytes()[1..chunk.len()].to_vec()
            })
            .collect()
    }
}
