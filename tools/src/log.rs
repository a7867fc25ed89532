//! The log: lines of the cold threads to standard error, as text or JSON, without ever waiting for whoever reads it.
//!
//! A line is handed to a thread of its own through a bounded queue; when that is full the line is dropped and counted. The hot
//! threads make no lines at all: they hand over a few bytes, and this thread makes words of them.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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
    writer: OnceLock<Thread>,
}

impl Lines {
    fn new(max: usize) -> Self {
        Self {
            queue: ArrayQueue::new(max),
            dropped: AtomicU64::new(0),
            ended: AtomicBool::new(false),
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

    /// Writes what waits; false when whoever reads is gone.
    fn drain(&self, out: &mut impl Write) -> bool {
        while let Some(line) = self.queue.pop() {
            if out.write_all(&line).is_err() {
                return false;
            }
        }
        true
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
    /// From here on `tracing` goes to standard error: warnings and errors, or what `HFT_LOG` asks for (`info`,
    /// `gateway_edge=debug`), as text, or as JSON when `HFT_LOG_FORMAT` is `json`.
    pub fn start() -> Self {
        let lines = Arc::clone(LINES.get_or_init(|| Arc::new(Lines::new(LINES_MAX))));
        let filter = EnvFilter::try_from_env("HFT_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
        let build = tracing_subscriber::fmt().with_writer(ToLines(Arc::clone(&lines))).with_env_filter(filter);
        if std::env::var_os("HFT_LOG_FORMAT").is_some_and(|format| format == "json") {
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
            let mut is_read = true;
            loop {
                let is_last = writing.ended.load(Ordering::Acquire);
                is_read = is_read && writing.drain(&mut io::stderr().lock());
                if is_last {
                    return;
                }
                std::thread::park_timeout(NAP);
            }
        });
        if let Ok(thread) = &thread {
            drop(lines.writer.set(thread.thread().clone()));
        }
        Self { lines, thread: thread.ok() }
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
        assert!(lines.drain(&mut out));
        assert_eq!(String::from_utf8(out).unwrap(), "one\ntwo\n");
        lines.push(b"four\n".to_vec());
        assert!(!lines.drain(&mut Closed));
    }
}
