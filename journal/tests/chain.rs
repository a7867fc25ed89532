//! The hash chain: what is forged so well that every checksum, sequence and count is right is found all the same.

#![expect(clippy::unwrap_used, reason = "a step that fails, fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use journal::{DamageKind, JournalConfig, JournalWriter, check_chain, verify, verify_records};
use protocol::{Nanos, Sequence};

const RECORD: usize = 24 + 40;
const FIRST: usize = 4096;

fn config() -> JournalConfig {
    JournalConfig {
        segment_bytes: 8192,
        venue_id: [0x5A; 16],
        configuration_hash: [0xC0; 32],
        build_id: [0; 32],
        created: Nanos(1_000),
        flush_on_roll: false,
    }
}

/// A sealed journal of four segments of 64 records, less the last one's.
fn journal(dir: &Path) -> Vec<PathBuf> {
    let mut writer = JournalWriter::open(dir, &config(), Sequence(0)).unwrap();
    for sequence in 1..=250_u64 {
        writer.append(Sequence(sequence), Nanos(sequence), &[sequence.to_le_bytes()[0]; 40]).unwrap();
    }
    writer.seal().unwrap();
    let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert_eq!(found.len(), 4);
    found
}

fn set_crc(bytes: &mut [u8], at: usize, covered: std::ops::Range<usize>) {
    let sum = crc_fast::crc32_iscsi(&bytes[covered]);
    bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
}

fn record_crc(bytes: &mut [u8], number: usize) {
    let at = FIRST + number * RECORD;
    set_crc(bytes, at, at + 4..at + RECORD);
}

fn seal_crc(bytes: &mut [u8]) {
    set_crc(bytes, 636, 512..636);
}

/// Makes sequences, checksums and the seal of a segment fit what the records are now.
fn make_right(bytes: &mut [u8], first: u64) {
    let records = (bytes.len() - FIRST) / RECORD;
    for number in 0..records {
        let at = FIRST + number * RECORD;
        bytes[at + 8..at + 16].copy_from_slice(&(first + number as u64).to_le_bytes());
        record_crc(bytes, number);
    }
    let end = bytes.len() as u64;
    bytes[520..528].copy_from_slice(&end.to_le_bytes());
    bytes[528..536].copy_from_slice(&(first + records as u64 - 1).to_le_bytes());
    bytes[536..544].copy_from_slice(&(records as u64).to_le_bytes());
    seal_crc(bytes);
}

/// Forges a segment in this way; the checksums must not notice, and the chain must.
fn forged(index: usize, forge: impl FnOnce(&mut Vec<u8>)) {
    let temp = tempfile::tempdir().unwrap();
    let files = journal(temp.path());
    let before = verify(temp.path()).unwrap();
    assert!(before.ok && before.chain.unwrap().segments == 4);
    let mut bytes = fs::read(&files[index]).unwrap();
    forge(&mut bytes);
    fs::write(&files[index], &bytes).unwrap();
    let blind = verify_records(temp.path()).unwrap();
    assert!(blind.ok && blind.chain.is_none(), "{blind:?}");
    let report = verify(temp.path()).unwrap();
    let damage = report.damage.unwrap();
    assert!(!report.ok && !report.sealed);
    assert_eq!((damage.kind, &damage.file), (DamageKind::Chain, &files[index]));
    let chain = report.chain.unwrap();
    assert_eq!((chain.segments, chain.last_sequence.0), (index as u64, index as u64 * 64));
}

#[test]
fn a_changed_record_is_found() {
    for (index, number) in [(0, 0), (1, 63), (3, 7)] {
        forged(index, |bytes| {
            bytes[FIRST + number * RECORD + 24] ^= 1;
            record_crc(bytes, number);
        });
    }
}

#[test]
fn a_changed_header_is_found() {
    forged(2, |bytes| {
        bytes[64] ^= 1; // the hash of the configuration
        set_crc(bytes, 252, 0..252);
    });
}

#[test]
fn removed_inserted_and_reordered_records_are_found() {
    forged(3, |bytes| {
        bytes.drain(FIRST + 5 * RECORD..FIRST + 6 * RECORD);
        make_right(bytes, 193);
    });
    forged(3, |bytes| {
        let copy = bytes[FIRST..FIRST + RECORD].to_vec();
        bytes.splice(FIRST + RECORD..FIRST + RECORD, copy);
        make_right(bytes, 193);
    });
    forged(1, |bytes| {
        bytes[FIRST..].rotate_left(RECORD);
        make_right(bytes, 65);
    });
}

#[test]
fn a_segment_that_was_sealed_anew_does_not_follow_or_is_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let files = journal(temp.path());
    let other = tempfile::tempdir().unwrap();
    // The same history but for one record, written by the program itself: right in every way but its place.
    let mut writer = JournalWriter::open(other.path(), &config(), Sequence(0)).unwrap();
    for sequence in 1..=250_u64 {
        let body = if sequence == 70 { [0xEE; 40] } else { [sequence.to_le_bytes()[0]; 40] };
        writer.append(Sequence(sequence), Nanos(sequence), &body).unwrap();
    }
    writer.seal().unwrap();
    let theirs = other.path().join(files[1].file_name().unwrap());
    assert!(verify(other.path()).unwrap().ok);
    assert_ne!(check_chain(other.path()).unwrap().head, check_chain(temp.path()).unwrap().head);
    fs::copy(theirs, &files[1]).unwrap();
    assert!(verify_records(temp.path()).unwrap().ok);
    let damage = verify(temp.path()).unwrap().damage.unwrap();
    assert_eq!((damage.kind, damage.file), (DamageKind::ChainBefore, files[2].clone()));
}

#[test]
fn the_chain_goes_on_through_kills_starts_and_rolls() {
    let temp = tempfile::tempdir().unwrap();
    let mut heads = vec![[0; 32]];
    let mut last = 0;
    for start in 0..6 {
        let mut writer = JournalWriter::open(temp.path(), &config(), Sequence(last)).unwrap();
        let helper = writer.preparer().spawn().unwrap();
        for _ in 0..=start * 90 {
            last += 1;
            writer.append(Sequence(last), Nanos(last), &[7; 40]).unwrap();
        }
        if start % 2 == 0 {
            drop((helper, writer));
            continue; // as a kill leaves it
        }
        writer.seal().unwrap();
        drop(helper);
        let chain = check_chain(temp.path()).unwrap();
        assert_eq!((chain.damage, chain.last_sequence.0), (None, last));
        assert!(!heads.contains(&chain.head));
        heads.push(chain.head);
    }
    let report = verify(temp.path()).unwrap();
    assert_eq!((report.ok, report.chain.unwrap().segments), (true, report.segments));
}
