//! Asks a running venue: one connection, one request, one reply.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::request::{LINE_BYTES_MAX, Reply, Request, SOCKET};
use crate::output::print_line;

/// A venue that has said nothing for so long says nothing any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the venue is, and how to print: every operator's subcommand takes these.
#[derive(Clone, Debug, clap::Args)]
pub struct Where {
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Sends the request and waits for what became of it.
///
/// # Errors
/// No venue runs on this data directory, or it went away.
pub fn ask(data_dir: &Path, request: &Request) -> anyhow::Result<Reply> {
    let path = data_dir.join(SOCKET);
    let socket = UnixStream::connect(&path).with_context(|| {
        format!(
            "no venue answers at {}; start one with `hft serve`, or name its data directory with --data-dir",
            path.display()
        )
    })?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    (&socket).write_all(line.as_bytes()).context("the venue does not take the request")?;
    let mut reply = String::new();
    BufReader::new((&socket).take(LINE_BYTES_MAX)).read_line(&mut reply).context("the venue did not reply")?;
    ensure!(reply.ends_with('\n'), "the venue went away before it replied; look whether the request was done");
    Ok(serde_json::from_str(&reply)?)
}

/// Asks, prints the reply, and makes an exit code of it: 0 when it was done.
///
/// # Errors
/// As [`ask`], and when it was refused.
pub fn run(place: &Where, request: &Request) -> anyhow::Result<ExitCode> {
    let reply = ask(&place.data_dir, request)?;
    if place.json {
        print_line(&serde_json::to_string(&reply)?);
        return Ok(if reply.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    ensure!(reply.ok, "{}", reply.message);
    print_line(&reply.message);
    Ok(ExitCode::SUCCESS)
}
