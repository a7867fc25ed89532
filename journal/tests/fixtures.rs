//! Journals as each version of the format has written them, kept as files: they stay readable, and the version of today writes
//! them byte for byte. `JOURNAL_WRITE_FIXTURES=1 cargo test -p journal --test fixtures` writes those of a new version.

#![expect(clippy::unwrap_used, reason = "a step that fails, fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use journal::{FORMAT_VERSION, JournalConfig, JournalReader, JournalWriter, verify};
use protocol::{Nanos, Sequence};

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
    assert!(files(temp.path()) == files(&kept), "another byte needs another version");
}
