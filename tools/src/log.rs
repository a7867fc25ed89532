//! The log: lines of the cold threads to standard error or to a file, as text or JSON, without ever waiting for whoever reads it.
//!
//! A line is handed to a thread of its own through a bounded queue; when that is full the line is dropped and counted. The hot
//! threads make no lines at all: they hand over a few bytes, and this thread makes words of them.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use anyhow::Context;
use crossbeam_queue::ArrayQueue;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogFormat;
use crate::logging;

/// Lines that may wait.
const LINES_MAX: usize = 4_096;
/// How long the writing thread sleeps when nobody wakes it.
const NAP: Duration = Duration::from_millis(50);

/// Lines on their way.
#[derive(Debug)]
struct Lines {
    queue: ArrayQueue<Vec<u8>>,
    dropped: AtomicU64,
    ended: AtomicBool,
    /// The file is to be opened again: somebody has moved it away.
    reopen: AtomicBool,
    writer: OnceLock<Thread>,
}

impl Lines {
    fn new(max: usize) -> Self {
        Self {
            queue: ArrayQueue::new(max),
            dropped: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            writer: OnceLock::new(),
        }
    }

    fn push(&self, line: Vec<u8>) {
        if self.queue.push(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Writes what waits; a line that cannot be written is counted as dropped.
    fn drain(&self, out: &mut impl Write) {
        while let Some(line) = self.queue.pop() {
            if out.write_all(&line).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Where lines go.
#[derive(Debug)]
enum Out {
    Stderr,
    File(PathBuf, File),
}

impl Out {
    fn open(file: Option<&Path>) -> io::Result<Self> {
        Ok(match file {
            Some(path) => Self::File(path.to_owned(), append_to(path)?),
            None => Self::Stderr,
        })
    }

    /// The file of that name is another one now. Where it cannot be opened, the old one goes on.
    fn reopen(&mut self) {
        if let Self::File(path, file) = self
            && let Ok(new) = append_to(path)
        {
            *file = new;
        }
    }

    fn drain(&mut self, lines: &Lines) {
        match self {
            Self::Stderr => lines.drain(&mut io::stderr().lock()),
            Self::File(_, file) => lines.drain(file),
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// Opens the log's file again, soon: for whoever has moved it away.
pub fn reopen() {
    if let Some(lines) = LINES.get() {
        lines.reopen.store(true, Ordering::Relaxed);
    }
}

static LINES: OnceLock<Arc<Lines>> = OnceLock::new();

/// Lines dropped so far.
pub fn dropped() -> u64 {
    LINES.get().map_or(0, |lines| lines.dropped.load(Ordering::Relaxed))
}

/// Makes the writer of one line.
#[derive(Clone, Debug)]
struct ToLines(Arc<Lines>);

/// One line being written; handed over when dropped.
struct Line {
    bytes: Vec<u8>,
    lines: Arc<Lines>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.lines.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl<'a> MakeWriter<'a> for ToLines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { bytes: Vec::new(), lines: Arc::clone(&self.0) }
    }
}

/// Keeps the writing thread; what waits is written when this is dropped.
#[derive(Debug)]
pub struct Log {
    lines: Arc<Lines>,
    thread: Option<JoinHandle<()>>,
}

impl Log {
    /// From here on `tracing` goes to `file`, else to standard error: warnings and errors, or what `HFT_LOG` asks for (`info`,
    /// `gateway_edge=debug`), in this format unless `HFT_LOG_FORMAT` names another one.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn start(format: LogFormat, file: Option<&Path>) -> anyhow::Result<Self> {
        let mut out = Out::open(file).with_context(|| {
            let path = file.unwrap_or_else(|| Path::new("")).display();
            format!("log.file = {path:?} cannot be opened: choose a file in a folder that is there and can be written")
        })?;
        let lines = Arc::clone(LINES.get_or_init(|| Arc::new(Lines::new(LINES_MAX))));
        let filter = EnvFilter::try_from_env("HFT_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
        let build = tracing_subscriber::fmt().with_writer(ToLines(Arc::clone(&lines))).with_env_filter(filter);
        let format = match std::env::var("HFT_LOG_FORMAT").as_deref() {
            Ok("json") => LogFormat::Json,
            Ok("text") => LogFormat::Text,
            Ok(_) | Err(_) => format,
        };
        if format == LogFormat::Json {
            let build = build.json().with_filter_reloading();
            logging::keep(build.reload_handle());
            build.init();
        } else {
            let build = build.with_ansi(false).with_filter_reloading();
            logging::keep(build.reload_handle());
            build.init();
        }
        let writing = Arc::clone(&lines);
        let thread = std::thread::Builder::new().name("hft-log".into()).spawn(move || {
            loop {
                let is_last = writing.ended.load(Ordering::Acquire);
                if writing.reopen.swap(false, Ordering::Relaxed) {
                    out.reopen();
                }
                out.drain(&writing);
                if is_last {
                    return;
                }
                std::thread::park_timeout(NAP);
            }
        });
        if let Ok(thread) = &thread {
            drop(lines.writer.set(thread.thread().clone()));
        }
        Ok(Self { lines, thread: thread.ok() })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_wait_for_nobody_and_are_counted_when_dropped() {
        let lines = Arc::new(Lines::new(2));
        for text in ["one\n", "two\n", "three\n"] {
            let mut line = ToLines(Arc::clone(&lines)).make_writer();
            line.write_all(text.as_bytes()).unwrap();
            line.flush().unwrap();
        }
        drop(ToLines(Arc::clone(&lines)).make_writer());
        assert_eq!(lines.dropped.load(Ordering::Relaxed), 1);
        let mut out = Vec::new();
        lines.drain(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "one\ntwo\n");
        lines.push(b"four\n".to_vec());
        lines.drain(&mut Closed);
        assert_eq!(lines.dropped.load(Ordering::Relaxed), 2, "nobody has read it");
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("hft.log"), dir.path().join("hft.log.1"));
        std::fs::write(&path, "before\n").unwrap();
        let lines = Lines::new(8);
        let mut out = Out::open(Some(&path)).unwrap();
        let say = |out: &mut Out, text: &str| {
            lines.push(text.as_bytes().to_vec());
            out.drain(&lines);
        };
        say(&mut out, "one\n");
        std::fs::rename(&path, &moved).unwrap();
        say(&mut out, "two\n");
        out.reopen();
        say(&mut out, "three\n");
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "before\none\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        assert!(Out::open(Some(dir.path())).is_err(), "a folder is no file");
    }
}
