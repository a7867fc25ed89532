//! Programs that run beside a test: the venue on free ports and an empty directory, and subcommands that keep talking.

#![allow(dead_code, clippy::allow_attributes, unreachable_pub, reason = "each test file uses a part of it")]

#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use serde_json::Value;

pub use support::{free_offset, hft, run};

/// A running program and the lines of its standard output.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    stdin: Option<ChildStdin>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stdin = child.stdin.take();
        Self { child, lines, stdin }
    }

    /// The next line; `None` when the program ended its output.
    pub fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(support::PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {:?}", support::PATIENCE),
        }
    }

    /// Lines up to the first that fits, which is the answer.
    pub fn line_with(&self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.line().expect("the program ended first");
            if fits(&line) {
                return line;
            }
        }
    }

    pub fn type_line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Ends its standard input and waits for it: exit code and standard error.
    pub fn finish(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        while self.line().is_some() {}
        let output = std::io::read_to_string(self.child.stderr.take().unwrap()).unwrap();
        (self.child.wait().unwrap().code(), output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A venue that accepts connections, on a directory of its own.
pub struct Venue {
    inner: support::Venue,
    _folder: tempfile::TempDir,
}

impl Venue {
    /// Starts one and waits for its `ready`.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = support::Venue::start(&folder.path().join("data"));
        Self { inner, _folder: folder }
    }

    pub fn order_port(&self) -> u16 {
        self.inner.order_port()
    }

    /// `kill -9`.
    pub fn kill(self) {
        self.inner.kill();
    }

    /// A subcommand against this venue.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = hft(args);
        command.args(["--port-offset", &self.inner.offset.to_string()]);
        command
    }

    /// Runs a subcommand against this venue to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Ends the trading day.
    pub fn roll(&self) {
        let rolled = support::run(&["roll", "--data-dir", self.inner.dir()]);
        assert!(rolled.status.success(), "{}", complaint(&rolled));
    }

    /// Runs a subcommand that must succeed; its output as JSON, one value per line.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        json_lines(&output)
    }
}

/// Standard output as JSON, one value per line.
pub fn json_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

/// Standard error, which must be one line for an error.
pub fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.trim_end().lines().count(), 1, "one line, not {text:?}");
    text
}
