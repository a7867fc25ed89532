//! Journals and streams as each version of the format has written them, kept as files: they stay readable, and the version of
//! today writes them byte for byte. `JOURNAL_WRITE_FIXTURES=1 cargo test -p journal --test fixtures` writes those of a new version.

#![expect(clippy::unwrap_used, reason = "a step that fails, fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use journal::{FORMAT_VERSION, JournalConfig, JournalReader, JournalWriter, StreamConfig, StreamWriter, verify};
use protocol::{Nanos, Sequence, SessionName};

const LAST: u64 = 70;

fn body(sequence: u64) -> Vec<u8> {
    (0..=sequence % 7).flat_map(|word| (sequence << 32 | word).to_le_bytes()).collect()
}

/// Two starts: one without flushes that fills a segment and stops in order, one with flushes that is killed.
fn write(dir: &Path) {
    let mut config = JournalConfig {
        segment_bytes: 8192,
        venue_id: *b"fixture venue id",
        configuration_hash: [0xCF; 32],
        build_id: *b"fixture\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        created: Nanos(1_000_000),
        flush_on_roll: false,
    };
    let mut writer = JournalWriter::open(dir, &config, Sequence(0)).unwrap();
    for sequence in 1..=64 {
        writer.append(Sequence(sequence), Nanos(1_000_000 + sequence), &body(sequence)).unwrap();
    }
    writer.seal().unwrap();
    config.flush_on_roll = true;
    let mut writer = JournalWriter::open(dir, &config, Sequence(64)).unwrap();
    for sequence in 65..=LAST {
        writer.append(Sequence(sequence), Nanos(1_000_000 + sequence), &body(sequence)).unwrap();
        if sequence.is_multiple_of(3) {
            writer.flush().unwrap();
        }
    }
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

#[test]
fn the_journals_of_every_version_are_read() {
    for version in 1..=FORMAT_VERSION {
        let dir = fixtures().join(format!("v{version}"));
        let report = verify(&dir).unwrap();
        assert_eq!((report.ok, report.records, report.torn_bytes), (true, LAST, 0), "{report:?}");
        assert_eq!(report.chain.unwrap().last_sequence, Sequence(64));
        let mut reader = JournalReader::open(&dir).unwrap();
        while let Some(record) = reader.next().unwrap() {
            assert_eq!(record.body, body(record.sequence.0));
            assert_eq!(record.ingress, Nanos(1_000_000 + record.sequence.0));
        }
    }
}

#[test]
fn the_version_of_today_writes_these_very_bytes() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path());
    let kept = fixtures().join(format!("v{FORMAT_VERSION}"));
    if std::env::var_os("JOURNAL_WRITE_FIXTURES").is_some() {
        fs::create_dir_all(&kept).unwrap();
        for (name, bytes) in files(temp.path()) {
            fs::write(kept.join(name), bytes).unwrap();
        }
    }
    for ((name, now), (kept_name, kept)) in files(temp.path()).into_iter().zip(files(&kept)) {
        // What an open segment lacks is what was never flushed: it was in the file at once before, and waits for its flush today.
        let written = now.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        assert_eq!((&name, now.len()), (&kept_name, kept.len()));
        assert!(now[..written] == kept[..written], "{name}: another byte needs another version");
    }
    assert_eq!(verify(temp.path()).unwrap().records, LAST - 1, "all but the last were flushed");
}

/// A message of a stream, framed; its last byte is not zero.
fn message(number: u64) -> Vec<u8> {
    let payload = [&body(number)[..], b"."].concat();
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &payload].concat()
}

/// Opens the stream and makes its messages; how many of them were there as they are made now.
fn make_stream(path: &Path) -> u64 {
    let session = SessionName(*b"SESSION001");
    let config = StreamConfig { capacity_bytes: 1 << 20, ..StreamConfig::account(*b"fixture venue id", session) };
    let mut writer = StreamWriter::open(path, &config).unwrap();
    for number in 1..=LAST {
        writer.append(&message(number)).unwrap();
    }
    let report = writer.end_rebuild().unwrap();
    assert_eq!(report.dropped_bytes, 0);
    assert_eq!(writer.reader().messages(), LAST);
    report.kept
}

/// Without the zeros at the end, which are space that was allocated ahead.
fn used(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    bytes
}

#[test]
fn the_streams_of_every_version_go_on() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    let kept = fixtures().join(format!("streams/v{FORMAT_VERSION}.stream"));
    assert_eq!(make_stream(&path), 0);
    if std::env::var_os("JOURNAL_WRITE_FIXTURES").is_some() {
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::write(&kept, used(&path)).unwrap();
    }
    assert!(used(&path) == used(&kept), "another byte needs another version");
    for version in 1..=FORMAT_VERSION {
        fs::copy(fixtures().join(format!("streams/v{version}.stream")), &path).unwrap();
        assert_eq!(make_stream(&path), LAST, "each message is the one that is there: version {version}");
    }
}
