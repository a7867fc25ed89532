//! Stream files: numbered messages that readers see while the writer appends, and that a rebuild compares and repairs.

#![expect(clippy::unwrap_used, reason = "a step that fails, fails the test")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use journal::{
    HEADER_PAGE_BYTES, RebuildReport, STREAM_FIRST_STEP_BYTES, StreamConfig, StreamError, StreamReader, StreamWriter,
};
use protocol::SessionName;

fn config() -> StreamConfig {
    StreamConfig { capacity_bytes: 8 << 20, ..StreamConfig::account([3; 16], SessionName(*b"SESSION001")) }
}

/// A framed message that only this number has; its last byte stands for a clock reading.
fn message(number: u64) -> Vec<u8> {
    let payload = 9 + usize::try_from(number % 50).unwrap();
    let mut framed = u16::try_from(payload).unwrap().to_be_bytes().to_vec();
    framed.extend_from_slice(&number.to_be_bytes());
    framed.resize(2 + payload, 0xEE);
    framed
}

fn append(writer: &mut StreamWriter, from: u64, to: u64) {
    for number in from..=to {
        writer.append(&message(number)).unwrap();
    }
}

fn check(reader: &StreamReader, messages: u64) {
    assert_eq!(reader.messages(), messages);
    assert_eq!((reader.offset_of(0), reader.offset_of(messages + 2)), (None, None));
    let mut offset = 0;
    for number in 1..=messages {
        assert_eq!(reader.offset_of(number), Some(offset));
        let expected = message(number);
        let end = offset + expected.len() as u64;
        assert_eq!(reader.bytes(offset, end), expected);
        offset = end;
    }
    assert_eq!(reader.offset_of(messages + 1), Some(offset));
    assert_eq!(reader.end(), offset);
    assert!(reader.bytes(offset, u64::MAX).is_empty() && reader.bytes(u64::MAX, 0).is_empty());
}

/// Makes a file with these messages and closes it.
fn file(path: &Path, messages: u64) {
    let mut writer = StreamWriter::open(path, &config()).unwrap();
    writer.end_rebuild().unwrap();
    append(&mut writer, 1, messages);
}

/// Bytes of messages in the file: all up to the last that is not zero.
fn used(path: &Path) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1 - HEADER_PAGE_BYTES
}

#[test]
fn messages_are_numbered_found_and_kept_over_a_restart() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    let mut writer = StreamWriter::open(&path, &config()).unwrap();
    check(&writer.reader(), 0);
    append(&mut writer, 1, 20_000);
    check(&writer.reader(), 20_000);
    let end = writer.end();
    drop(writer);
    let mut writer = StreamWriter::open(&path, &config()).unwrap();
    check(&writer.reader(), 0);
    append(&mut writer, 1, 20_000);
    let report = writer.end_rebuild().unwrap();
    assert_eq!(report, RebuildReport { kept: 20_000, ..RebuildReport::default() });
    append(&mut writer, 20_001, 20_100);
    check(&writer.reader(), 20_100);
    assert!(writer.end() > end);
}

#[test]
fn an_idle_stream_is_small_and_a_busy_one_gets_room_ahead() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    let mut writer = StreamWriter::open(&path, &config()).unwrap();
    let preparer = writer.preparer();
    assert!(!preparer.prepare_ahead().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().len(), STREAM_FIRST_STEP_BYTES + HEADER_PAGE_BYTES as u64);
    for batch in 0..100 {
        append(&mut writer, batch * 500 + 1, batch * 500 + 500);
        preparer.prepare_ahead().unwrap();
    }
    assert_eq!(writer.inline_growths(), 0);
    assert!(writer.end() > 20 * STREAM_FIRST_STEP_BYTES);
    preparer.sync().unwrap();
    check(&writer.reader(), 50_000);
}

#[test]
fn a_full_stream_and_wrong_framing_are_errors_and_change_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let small = StreamConfig { capacity_bytes: 128 * 1024, ..config() };
    let mut writer = StreamWriter::open(&temp.path().join("stream"), &small).unwrap();
    for wrong in [&[][..], &[0], &[0, 0], &[0, 2, 1], &[0, 1, 1, 1]] {
        assert!(matches!(writer.append(wrong), Err(StreamError::Framing(_))));
    }
    let mut number = 1;
    let full = loop {
        match writer.append(&message(number)) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StreamError::Full(_)));
    check(&writer.reader(), number - 1);
    for capacity in [0, 4096, 128 * 1024 + 1, 1 << 41] {
        let config = StreamConfig { capacity_bytes: capacity, ..config() };
        let opened = StreamWriter::open(&temp.path().join("other"), &config);
        assert!(matches!(opened, Err(StreamError::Capacity(_))));
    }
}

#[test]
fn a_file_of_another_session_or_venue_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    file(&path, 10);
    let session = StreamConfig { session: SessionName(*b"SESSION002"), ..config() };
    let venue = StreamConfig { venue_id: [4; 16], ..config() };
    for other in [session, venue] {
        assert!(matches!(StreamWriter::open(&path, &other), Err(StreamError::OtherFile { .. })));
    }
    let mut bytes = fs::read(&path).unwrap();
    bytes[33] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(StreamWriter::open(&path, &config()), Err(StreamError::OtherFile { .. })));
}

#[test]
fn a_missing_tail_is_written_and_a_surplus_is_dropped() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    file(&path, 100);
    let end = used(&path);
    let mut writer = StreamWriter::open(&path, &config()).unwrap();
    append(&mut writer, 1, 150);
    let report = writer.end_rebuild().unwrap();
    assert_eq!(report, RebuildReport { kept: 100, written: 50, ..RebuildReport::default() });
    check(&writer.reader(), 150);
    drop(writer);

    let surplus = used(&path) - end;
    let mut writer = StreamWriter::open(&path, &config()).unwrap();
    append(&mut writer, 1, 100);
    let report = writer.end_rebuild().unwrap();
    assert_eq!(report, RebuildReport { kept: 100, dropped_bytes: surplus as u64, ..RebuildReport::default() });
    assert_eq!(used(&path), end);
    append(&mut writer, 101, 102);
    check(&writer.reader(), 102);
}

#[test]
fn a_file_cut_or_torn_at_any_byte_is_rebuilt() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    file(&path, 12);
    let end = HEADER_PAGE_BYTES + used(&path);
    let whole = fs::read(&path).unwrap();
    for cut in (0..=end).filter(|cut| cut % 512 == 0 || *cut >= HEADER_PAGE_BYTES) {
        for is_zeroed in [false, true] {
            let mut bytes = whole[..cut].to_vec();
            if is_zeroed && cut >= HEADER_PAGE_BYTES {
                bytes.resize(whole.len(), 0);
            }
            fs::write(&path, &bytes).unwrap();
            let mut writer = StreamWriter::open(&path, &config()).unwrap();
            append(&mut writer, 1, 12);
            let report = writer.end_rebuild().unwrap();
            assert_eq!(report.kept + report.written, 12);
            check(&writer.reader(), 12);
            drop(writer);
            assert_eq!(fs::read(&path).unwrap()[HEADER_PAGE_BYTES..end], whole[HEADER_PAGE_BYTES..end]);
        }
    }
}

#[test]
fn a_different_message_is_replaced_with_all_that_follows_unless_it_counts_as_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    file(&path, 100);
    let mut bytes = fs::read(&path).unwrap();
    let before: usize = (1..40).map(|number| message(number).len()).sum();
    bytes[HEADER_PAGE_BYTES + before + message(40).len() - 1] = 0; // the clock reading of message 40
    let until_40 = used(&path) - before;
    for accepts in [true, false] {
        fs::write(&path, &bytes).unwrap();
        let mut writer = StreamWriter::open(&path, &config()).unwrap();
        if accepts {
            let same = |existing: &[u8], rebuilt: &[u8]| existing[..10] == rebuilt[..10];
            writer.begin_rebuild(0, same).unwrap();
        }
        append(&mut writer, 1, 100);
        let report = writer.end_rebuild().unwrap();
        if accepts {
            assert_eq!(report, RebuildReport { kept: 100, accepted: 1, ..RebuildReport::default() });
            let at = before as u64 + message(40).len() as u64;
            assert_eq!(writer.reader().bytes(at - 1, at), [0]);
        } else {
            let dropped_bytes = until_40 as u64;
            assert_eq!(report, RebuildReport { kept: 39, written: 61, dropped_bytes, ..RebuildReport::default() });
            check(&writer.reader(), 100);
        }
    }
}

#[test]
fn messages_that_a_snapshot_vouches_for_stay_and_must_be_there() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    file(&path, 100);
    let mut writer = StreamWriter::open(&path, &config()).unwrap();
    writer.begin_rebuild(90, |_, _| false).unwrap();
    check(&writer.reader(), 90);
    append(&mut writer, 91, 110);
    let report = writer.end_rebuild().unwrap();
    assert_eq!(report, RebuildReport { kept: 100, written: 10, ..RebuildReport::default() });
    check(&writer.reader(), 110);
    assert!(matches!(writer.begin_rebuild(0, |_, _| true), Err(StreamError::NotAtStart(_))));
    drop(writer);
    let mut writer = StreamWriter::open(&path, &config()).unwrap();
    let missing = writer.begin_rebuild(111, |_, _| false);
    assert!(matches!(missing, Err(StreamError::MessagesMissing { expected: 111, found: 110, .. })));
}

#[test]
fn readers_see_whole_messages_while_the_writer_appends() {
    const MESSAGES: u64 = 100_000;
    let temp = tempfile::tempdir().unwrap();
    let mut writer = StreamWriter::open(&temp.path().join("stream"), &config()).unwrap();
    writer.end_rebuild().unwrap();
    let preparer = writer.preparer();
    let reader = writer.reader();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                preparer.prepare_ahead().unwrap();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| follow(&reader.clone(), MESSAGES));
        }
        append(&mut writer, 1, MESSAGES);
        done.store(true, Ordering::Release);
    });
    check(&reader, MESSAGES);
}

/// Reads every message as it comes, each once, and finds it by its number too.
fn follow(reader: &StreamReader, messages: u64) {
    let (mut seen, mut offset) = (0, 0);
    while seen < messages {
        let available = reader.messages();
        while seen < available {
            seen += 1;
            let expected = message(seen);
            let end = offset + expected.len() as u64;
            assert!(end <= reader.end());
            assert_eq!(reader.bytes(offset, end), expected);
            offset = end;
        }
        assert_eq!(reader.offset_of(seen + 1), Some(offset));
        std::thread::yield_now();
    }
}
