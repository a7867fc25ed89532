//! What a killed process leaves behind: this test binary starts itself as a venue that appends, kills it at any moment, and
//! recovers. Nothing that was reported as appended may be missing.

#![expect(clippy::unwrap_used, reason = "a step that fails, fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use journal::{DataDir, DataPaths, JournalConfig, JournalReader, JournalWriter, StreamConfig, StreamWriter, verify};
use protocol::{Nanos, Sequence, SessionName};

const DIR: &str = "JOURNAL_CRASH_DIR";
const CYCLES: u64 = 12;

fn config() -> JournalConfig {
    JournalConfig {
        segment_bytes: 64 * 1024,
        venue_id: [8; 16],
        configuration_hash: [0; 32],
        build_id: [0; 32],
        created: Nanos(0),
        flush_on_roll: false,
    }
}

fn body(sequence: u64) -> [u8; 64] {
    let mut body = [0; 64];
    for (at, byte) in body.iter_mut().enumerate() {
        *byte = (sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (at % 8 * 8)).to_le_bytes()[0];
    }
    body
}

fn message(sequence: u64) -> [u8; 18] {
    let mut framed = [0xAB; 18];
    framed[..2].copy_from_slice(&16_u16.to_be_bytes());
    framed[2..10].copy_from_slice(&sequence.to_be_bytes());
    framed
}

/// Reads the journal, checks every record, makes the stream again, and answers the last sequence and the writers.
fn recover(data_dir: &DataDir) -> (u64, StreamWriter) {
    let stream_config = StreamConfig::account([8; 16], SessionName::BLANK);
    let mut stream = StreamWriter::open(&data_dir.paths().streams_dir().join("one"), &stream_config).unwrap();
    let mut reader = JournalReader::open(&data_dir.paths().journal_dir()).unwrap();
    while let Some(record) = reader.next().unwrap() {
        assert_eq!(record.body, body(record.sequence.0));
        stream.append(&message(record.sequence.0)).unwrap();
    }
    let report = stream.end_rebuild().unwrap();
    assert!(
        report.kept + 1 >= reader.last_sequence().0,
        "at most the message of the last record is missing: {report:?}"
    );
    (reader.last_sequence().0, stream)
}

/// The venue: does nothing unless the parent below has started it.
#[test]
fn child_appends_until_killed() {
    let Some(root) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let data_dir = DataDir::open(&root).unwrap();
    let (mut last, mut stream) = recover(&data_dir);
    let mut writer = JournalWriter::open(&data_dir.paths().journal_dir(), &config(), Sequence(last)).unwrap();
    let _helper = writer.preparer().spawn().unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        for _ in 0..50 {
            last += 1;
            writer.append(Sequence(last), Nanos(last), &body(last)).unwrap();
            stream.append(&message(last)).unwrap();
        }
        if last % 1_000 == 0 {
            assert_eq!(writer.flush().unwrap(), Sequence(last));
        }
        writeln!(out, "reported {last}").unwrap();
    }
}

/// Holds the lock until its standard input ends; does nothing unless the parent below has started it.
#[test]
fn child_holds_the_lock() {
    let Some(root) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let _data_dir = DataDir::open(&root).unwrap();
    writeln!(std::io::stdout(), "reported 0").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn start(child: &str, root: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([child, "--exact", "--nocapture"]).env(DIR, root);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Reads what the child reports: `lines` lines, and then what is still in the pipe once it is killed.
fn kill_after(mut child: Child, lines: u64) -> u64 {
    let mut reported = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .filter_map(|line| line.ok()?.strip_prefix("reported ")?.parse::<u64>().ok());
    let mut last = 0;
    for _ in 0..lines {
        last = reported.next().unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // A line that the kill cut in the middle could read as a smaller number.
    reported.fold(last, u64::max)
}

#[test]
fn nothing_that_was_reported_is_lost_when_the_process_is_killed() {
    if std::env::var_os(DIR).is_some() {
        return; // within a child
    }
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("data");
    let mut before = 0;
    for cycle in 0..CYCLES {
        let reported = kill_after(start("child_appends_until_killed", &root), 1 + cycle * cycle * 7);
        let paths = DataPaths::existing(&root).unwrap();
        let report = verify(&paths.journal_dir()).unwrap();
        assert!(report.ok && !report.sealed, "{report:?}");
        assert!(report.last_sequence.0 >= reported && reported > before, "{report:?}, but {reported} were reported");
        before = report.last_sequence.0;
    }
    let data_dir = DataDir::open(&root).unwrap();
    let (last, _stream) = recover(&data_dir);
    let writer = JournalWriter::open(&data_dir.paths().journal_dir(), &config(), Sequence(last)).unwrap();
    assert_eq!((last, writer.header().epoch), (before, CYCLES + 1));
    writer.seal().unwrap();
    assert!(verify(&data_dir.paths().journal_dir()).unwrap().sealed);
}

#[test]
fn the_lock_of_another_process_is_named_and_ends_with_it() {
    if std::env::var_os(DIR).is_some() {
        return; // within a child
    }
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("data");
    let mut child = start("child_holds_the_lock", &root);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("reported")));
    let error = DataDir::open(&root).unwrap_err().to_string();
    assert!(error.contains(&format!("process id {}", child.id())), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    DataDir::open(&root).unwrap();
}
