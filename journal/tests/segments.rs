//! The journal as a file format: what is written is read back, and what is cut, flipped, missing or swapped is found.

#![expect(clippy::unwrap_used, reason = "a step that fails, fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use journal::{
    AppendError, Damage, DamageKind, HEADER_PAGE_BYTES, JournalConfig, JournalError, JournalReader, JournalWriter,
    OpenJournalError, OpenWriterError, RECORD_HEADER_BYTES, VerifyReport, about_last_sequence, verify_records,
};
use protocol::{Nanos, Sequence};

const SEGMENT: u64 = 8192;

fn config() -> JournalConfig {
    JournalConfig {
        segment_bytes: SEGMENT,
        venue_id: [0x5A; 16],
        configuration_hash: [0xC0; 32],
        build_id: *b"test build\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        created: Nanos(1_000),
        flush_on_roll: false,
    }
}

/// A body that only this sequence has; of a length that varies.
fn body(sequence: u64) -> Vec<u8> {
    let words = 1 + sequence % 12;
    (0..words).flat_map(|word| (sequence * 31 + word).to_le_bytes()).collect()
}

fn append(writer: &mut JournalWriter, from: u64, to: u64) {
    for sequence in from..=to {
        writer.append(Sequence(sequence), Nanos(sequence * 10), &body(sequence)).unwrap();
    }
}

/// A journal of `records` that ends with a clean stop, or as a kill leaves it.
fn journal(dir: &Path, records: u64, is_sealed: bool) {
    let mut writer = JournalWriter::open(dir, &config(), Sequence(0)).unwrap();
    append(&mut writer, 1, records);
    if is_sealed {
        writer.seal().unwrap();
    }
}

/// Reads all there is, checks each record, and returns the last sequence.
fn read_all(reader: &mut JournalReader) -> Result<u64, JournalError> {
    let mut expected = reader.last_sequence().0;
    while let Some(record) = reader.next()? {
        expected += 1;
        assert_eq!((record.sequence, record.ingress), (Sequence(expected), Nanos(expected * 10)));
        assert_eq!(record.body, body(expected));
    }
    Ok(expected)
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "seg")).collect();
    found.sort();
    found
}

fn is_sealed(path: &Path) -> bool {
    fs::read(path).unwrap()[512..520] == *b"TSJ-SEAL"
}

fn checked(dir: &Path) -> VerifyReport {
    let report = verify_records(dir).unwrap();
    assert_eq!(report.ok, report.damage.is_none());
    assert_eq!(report.records, report.last_sequence.0);
    report
}

/// Verifies, and returns the damage that must be there.
fn damage(dir: &Path) -> Damage {
    let report = checked(dir);
    report.damage.unwrap()
}

/// Offset behind each of the first `records` records of a single segment, from the empty one on.
fn ends(records: u64) -> Vec<usize> {
    let mut ends = vec![HEADER_PAGE_BYTES];
    for sequence in 1..=records {
        ends.push(ends.last().unwrap() + RECORD_HEADER_BYTES + body(sequence).len());
    }
    ends
}

#[test]
fn what_is_appended_is_read_back_through_many_segments_and_starts() {
    let temp = tempfile::tempdir().unwrap();
    let mut last = 0;
    for (start, is_sealed) in [(1, true), (2, false), (3, true), (4, true)] {
        let mut writer = JournalWriter::open(temp.path(), &config(), Sequence(last)).unwrap();
        assert_eq!(writer.header().epoch, start);
        append(&mut writer, last + 1, last + 300);
        last += 300;
        if is_sealed {
            writer.seal().unwrap();
        }
        let report = checked(temp.path());
        assert_eq!((report.ok, report.records, report.torn_bytes, report.sealed), (true, last, 0, is_sealed));
        assert_eq!(report.segments, segments(temp.path()).len() as u64);
    }
    let mut reader = JournalReader::open(temp.path()).unwrap();
    assert_eq!(read_all(&mut reader).unwrap(), last);
    assert!(segments(temp.path()).len() > 20);
    for after in [0, 1, 299, 300, 301, 777, last - 1, last] {
        let mut reader = JournalReader::open_after(temp.path(), Sequence(after)).unwrap();
        let first = reader.next().unwrap().map(|record| record.sequence.0);
        assert_eq!(first, (after < last).then_some(after + 1));
    }
}

#[test]
fn about_how_long_a_journal_is_is_told_without_reading_it() {
    let temp = tempfile::tempdir().unwrap();
    assert_eq!(about_last_sequence(temp.path()).unwrap(), None);
    let mut writer = JournalWriter::open(temp.path(), &config(), Sequence(0)).unwrap();
    append(&mut writer, 1, 20);
    let about = |dir: &Path| about_last_sequence(dir).unwrap().unwrap().0;
    assert!((20..100).contains(&about(temp.path())), "one segment, not full: {}", about(temp.path()));
    append(&mut writer, 21, 1_000);
    writer.seal().unwrap();
    assert!((990..1_010).contains(&about(temp.path())), "{}", about(temp.path()));
    assert!(about_last_sequence(&temp.path().join("missing")).is_err());
}

#[test]
fn an_empty_journal_is_good_and_starts_without_commands_leave_nothing() {
    let temp = tempfile::tempdir().unwrap();
    assert_eq!(checked(temp.path()).segments, 0);
    for _ in 0..2 {
        let writer = JournalWriter::open(temp.path(), &config(), Sequence(0)).unwrap();
        assert_eq!(checked(temp.path()).records, 0);
        writer.seal().unwrap();
        assert!(segments(temp.path()).is_empty());
        drop(JournalWriter::open(temp.path(), &config(), Sequence(0)).unwrap());
        assert_eq!(segments(temp.path()).len(), 1);
    }
    let missing = temp.path().join("missing");
    assert!(matches!(JournalReader::open(&missing), Err(OpenJournalError::Missing(_))));
    assert!(matches!(JournalWriter::open(&missing, &config(), Sequence(0)), Err(OpenWriterError::Open(_))));
}

#[test]
fn the_writer_refuses_what_would_break_the_journal() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = JournalWriter::open(temp.path(), &config(), Sequence(0)).unwrap();
    append(&mut writer, 1, 3);
    for (sequence, bytes) in [(3, 8), (5, 8), (4, 0), (4, 7), (4, 1032)] {
        let refused = writer.append(Sequence(sequence), Nanos(0), &vec![1; bytes]).unwrap_err();
        assert!(matches!(refused, AppendError::OutOfSequence { .. } | AppendError::BodyBytes(_)), "{refused}");
    }
    append(&mut writer, 4, 4);
    writer.seal().unwrap();
    let opened = JournalWriter::open(temp.path(), &config(), Sequence(3));
    assert!(matches!(opened, Err(OpenWriterError::NotAtEnd { end: Sequence(4), recovered: Sequence(3) })));
    let stranger = JournalConfig { venue_id: [1; 16], ..config() };
    assert!(matches!(JournalWriter::open(temp.path(), &stranger, Sequence(4)), Err(OpenWriterError::OtherVenue(_))));
    let odd = JournalConfig { segment_bytes: 10_000, ..config() };
    assert!(matches!(JournalWriter::open(temp.path(), &odd, Sequence(4)), Err(OpenWriterError::SegmentBytes(10_000))));
}

#[test]
fn an_open_segment_cut_at_any_byte_has_its_longest_valid_prefix_and_can_be_continued() {
    let temp = tempfile::tempdir().unwrap();
    journal(temp.path(), 9, false);
    let path = &segments(temp.path())[0];
    let whole = fs::read(path).unwrap();
    let ends = ends(9);
    for cut in 0..=ends[9] + 16 {
        fs::write(path, &whole[..cut]).unwrap();
        let report = checked(temp.path());
        if cut < 640 {
            assert_eq!(report.damage.unwrap().kind, DamageKind::HeaderCut, "cut at {cut}");
            continue;
        }
        let records = ends.iter().rposition(|end| *end <= cut.max(HEADER_PAGE_BYTES)).unwrap();
        assert_eq!((report.ok, report.records), (true, records as u64), "cut at {cut}");
        let rest = whole.get(ends[records]..cut).unwrap_or_default();
        let used = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        assert_eq!(report.torn_bytes, used as u64, "cut at {cut}");
        if cut % 16 == 0 {
            continue_after(temp.path(), records as u64, used as u64);
        }
    }
}

/// Opens for writing, goes on, and puts the folder back to its single segment.
fn continue_after(dir: &Path, records: u64, torn_bytes: u64) {
    let mut writer = JournalWriter::open(dir, &config(), Sequence(records)).unwrap();
    assert_eq!(writer.torn_bytes(), torn_bytes);
    append(&mut writer, records + 1, records + 2);
    drop(writer);
    let report = checked(dir);
    assert_eq!((report.ok, report.records, report.torn_bytes), (true, records + 2, 0));
    for extra in segments(dir).into_iter().skip(1) {
        fs::remove_file(extra).unwrap();
    }
}

#[test]
fn a_sealed_segment_cut_or_lengthened_anywhere_is_damaged() {
    let temp = tempfile::tempdir().unwrap();
    journal(temp.path(), 9, true);
    let path = &segments(temp.path())[0];
    let whole = fs::read(path).unwrap();
    assert_eq!(whole.len(), ends(9)[9]);
    for cut in 0..whole.len() {
        fs::write(path, &whole[..cut]).unwrap();
        assert_eq!(damage(temp.path()).file, *path, "cut at {cut}");
    }
    for longer in [1, 8, 4096] {
        fs::write(path, [&whole[..], &vec![0; longer]].concat()).unwrap();
        assert!(matches!(damage(temp.path()).kind, DamageKind::NotAsSealed { .. }));
    }
    assert!(JournalWriter::open(temp.path(), &config(), Sequence(9)).is_err());
}

#[test]
fn every_flipped_bit_of_a_sealed_journal_is_damage() {
    flip_each(10, 13); // each bit: tests/torture.rs
    flip_each(200, 101); // bits of several segments, all eight of a byte in turn
}

fn flip_each(records: u64, step: usize) {
    let temp = tempfile::tempdir().unwrap();
    journal(temp.path(), records, true);
    for path in segments(temp.path()) {
        let mut bytes = fs::read(&path).unwrap();
        for bit in (0..bytes.len() * 8).step_by(step) {
            flip(&path, &mut bytes, bit);
            let found = damage(temp.path());
            assert!(found.file == path && found.offset <= bit as u64 / 8, "bit {bit}: {found}");
            flip(&path, &mut bytes, bit);
        }
    }
    assert!(checked(temp.path()).ok);
}

fn flip(path: &Path, bytes: &mut [u8], bit: usize) {
    use std::os::unix::fs::FileExt;
    bytes[bit / 8] ^= 1 << (bit % 8);
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&bytes[bit / 8..=bit / 8], bit as u64 / 8).unwrap();
}

#[test]
fn every_flipped_bit_of_an_open_journal_is_damage_or_a_torn_tail() {
    let temp = tempfile::tempdir().unwrap();
    journal(temp.path(), 20, false);
    let path = &segments(temp.path())[0];
    let mut bytes = fs::read(path).unwrap();
    let (last, end) = (ends(20)[19], ends(20)[20]);
    assert_eq!(bytes.len() as u64, SEGMENT);
    for bit in (0..bytes.len() * 8).step_by(13) {
        flip(path, &mut bytes, bit);
        let report = checked(temp.path());
        let at = bit / 8;
        let expected = match at {
            _ if at < last => (false, 0),
            _ if at < end => (true, end - last),
            _ => (true, at + 1 - end),
        };
        // A last byte of zero ends the torn part earlier.
        let torn = usize::try_from(report.torn_bytes).unwrap();
        let is_right = report.ok == expected.0 && (report.ok || torn == 0) && torn <= expected.1;
        assert!(is_right && (torn > 0) == (expected.1 > 0), "bit {bit}: {report:?}");
        flip(path, &mut bytes, bit);
    }
    assert_eq!(checked(temp.path()).torn_bytes, 0);
}

#[test]
fn missing_swapped_and_foreign_segments_are_damage() {
    let temp = tempfile::tempdir().unwrap();
    journal(temp.path(), 300, true);
    let files = segments(temp.path());
    assert!(files.len() > 4);
    let aside = temp.path().join("aside");
    for path in &files[..files.len() - 1] {
        fs::rename(path, &aside).unwrap();
        let found = damage(temp.path());
        assert!(matches!(found.kind, DamageKind::MissingSegment { .. }), "{found}");
        assert_eq!(found.file, *path);
        fs::rename(&aside, path).unwrap();
    }
    fs::rename(&files[1], &aside).unwrap();
    fs::rename(&files[2], &files[1]).unwrap();
    fs::rename(&aside, &files[2]).unwrap();
    let found = damage(temp.path());
    assert!(matches!(found.kind, DamageKind::OutOfSequence { .. }) && found.file == files[1], "{found}");

    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    journal(one.path(), 300, true);
    let mut writer =
        JournalWriter::open(other.path(), &JournalConfig { venue_id: [9; 16], ..config() }, Sequence(0)).unwrap();
    append(&mut writer, 1, 300);
    writer.seal().unwrap();
    let (mine, theirs) = (&segments(one.path())[2], &segments(other.path())[2]);
    fs::copy(theirs, mine).unwrap();
    assert_eq!(damage(one.path()).kind, DamageKind::OtherVenue);
}

#[test]
fn the_end_of_an_open_segment_before_another_is_not_torn() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = JournalWriter::open(temp.path(), &config(), Sequence(0)).unwrap();
    append(&mut writer, 1, 100); // nobody seals behind the writer, except when too many wait
    drop(writer);
    let files = segments(temp.path());
    let open = files.iter().rev().nth(1).unwrap();
    assert_eq!(fs::metadata(open).unwrap().len(), SEGMENT);
    let whole = fs::read(open).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for at in [used, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(open, &bytes).unwrap();
        assert_eq!(damage(temp.path()).file, *open);
        assert!(JournalWriter::open(temp.path(), &config(), Sequence(100)).is_err());
    }
    fs::write(open, &whole).unwrap();
    let writer = JournalWriter::open(temp.path(), &config(), Sequence(100)).unwrap();
    for path in files {
        assert!(is_sealed(&path));
    }
    writer.seal().unwrap();
    assert!(checked(temp.path()).sealed);
}

#[test]
fn a_last_segment_that_was_stopped_at_birth_counts_as_absent() {
    let temp = tempfile::tempdir().unwrap();
    journal(temp.path(), 5, true);
    fs::write(temp.path().join("00000000000000000006.seg"), vec![0; 8192]).unwrap();
    fs::write(temp.path().join("prepare-7.tmp"), vec![0; 8192]).unwrap();
    assert_eq!((checked(temp.path()).ok, checked(temp.path()).records), (true, 5));
    let mut writer = JournalWriter::open(temp.path(), &config(), Sequence(5)).unwrap();
    assert!(!temp.path().join("prepare-7.tmp").exists());
    append(&mut writer, 6, 7);
    drop(writer);
    assert_eq!(checked(temp.path()).records, 7);
}

#[test]
fn a_reader_follows_a_writer_that_rolls_and_stops() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = JournalWriter::open(temp.path(), &config(), Sequence(0)).unwrap();
    let helper = writer.preparer().spawn().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut reader = JournalReader::open(temp.path()).unwrap();
            loop {
                let is_done = done.load(Ordering::Acquire);
                let last = read_all(&mut reader).unwrap();
                if is_done {
                    assert_eq!(reader.torn_bytes(), 0);
                    return (last, reader.is_sealed());
                }
            }
        });
        append(&mut writer, 1, 5_000);
        writer.flush().unwrap();
        append(&mut writer, 5_001, 20_000);
        writer.seal().unwrap();
        done.store(true, Ordering::Release);
        assert_eq!(follower.join().unwrap(), (20_000, true));
    });
    assert!(!helper.watch().has_failed() && !helper.watch().is_short());
    drop(helper);
    let report = checked(temp.path());
    assert_eq!((report.ok, report.records, report.sealed), (true, 20_000, true));
    assert!(fs::read_dir(temp.path()).unwrap().all(|entry| entry.unwrap().path().extension().unwrap() == "seg"));
}

#[test]
fn a_prepared_segment_is_used_and_full_ones_are_sealed_in_turns() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = JournalWriter::open(temp.path(), &config(), Sequence(0)).unwrap();
    let preparer = writer.preparer();
    let mut last = 0;
    for _ in 0..10 {
        preparer.turn().unwrap();
        assert!(preparer.is_ready());
        let first = writer.header().first_sequence;
        while writer.header().first_sequence == first {
            append(&mut writer, last + 1, last + 1);
            last += 1;
        }
    }
    assert_eq!(writer.inline_segments(), 0);
    assert!(preparer.turn().unwrap() && !preparer.turn().unwrap());
    assert_eq!(writer.flush().unwrap(), Sequence(last));
    for path in segments(temp.path()).iter().rev().skip(1) {
        assert!(is_sealed(path));
    }
    drop(writer);
    assert_eq!(checked(temp.path()).records, last);
}

#[test]
fn with_flushes_each_segment_is_on_its_way_before_the_next() {
    let temp = tempfile::tempdir().unwrap();
    let durable = JournalConfig { flush_on_roll: true, ..config() };
    let mut writer = JournalWriter::open(temp.path(), &durable, Sequence(0)).unwrap();
    let preparer = writer.preparer();
    for last in (10..=300).step_by(10) {
        append(&mut writer, last - 9, last);
        assert_eq!(writer.flush().unwrap(), Sequence(last));
        preparer.turn().unwrap();
    }
    writer.seal().unwrap();
    let report = checked(temp.path());
    assert_eq!((report.ok, report.records, report.sealed), (true, 300, true));
}

#[test]
fn a_writer_that_failed_takes_no_more() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("journal");
    fs::create_dir(&dir).unwrap();
    let mut writer = JournalWriter::open(&dir, &config(), Sequence(0)).unwrap();
    fs::rename(&dir, temp.path().join("moved")).unwrap();
    assert!(writer.preparer().turn().is_err());
    let mut last = 0;
    let failed = loop {
        match writer.append(Sequence(last + 1), Nanos((last + 1) * 10), &body(last + 1)) {
            Ok(()) => last += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(failed, AppendError::File(_)), "{failed}");
    fs::rename(temp.path().join("moved"), &dir).unwrap();
    assert!(matches!(writer.append(Sequence(last + 1), Nanos(0), &body(1)), Err(AppendError::Failed)));
    assert!(writer.flush().is_err() && writer.seal().is_err());
    assert_eq!((checked(&dir).ok, checked(&dir).records), (true, last));
}

proptest::proptest! {
    #[test]
    fn any_bytes_in_place_of_a_segment_are_judged_without_panic(
        damage in proptest::collection::vec((0_usize..8192, proptest::num::u8::ANY), 1..40),
    ) {
        let temp = tempfile::tempdir().unwrap();
        journal(temp.path(), 30, false);
        let path = &segments(temp.path())[0];
        let whole = fs::read(path).unwrap();
        let mut bytes = whole.clone();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        fs::write(path, &bytes).unwrap();
        let report = checked(temp.path());
        proptest::prop_assert_eq!(bytes == whole, report.ok && report.torn_bytes == 0);
    }
}
