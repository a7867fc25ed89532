//! A venue of the bench's own, in a temporary directory.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use crate::config::{Config, DurabilityMode, Overrides};

/// A venue of our own, ended when dropped.
#[derive(Debug)]
pub struct BenchVenue {
    child: Child,
    /// Its order port.
    pub address: SocketAddr,
    /// Its WebSocket port.
    pub feed_address: SocketAddr,
    /// Its data directory.
    pub dir: PathBuf,
}

impl BenchVenue {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// A configuration that cannot be used, or a venue that does not come up.
    pub fn start(config: &Path, port_offset: u16, durability: DurabilityMode) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("hft-bench-{}", std::process::id()));
        let loaded = Config::load(config, &Overrides { port_offset, ..Default::default() })?;
        let mut command = Command::new(std::env::current_exe().context("the path of this program")?);
        command.arg("serve").arg("--config").arg(config).arg("--data-dir").arg(&dir);
        command.arg("--port-offset").arg(port_offset.to_string()).arg("--durability").arg(durability.name());
        let child = command.stdout(Stdio::piped()).spawn().context("cannot start the venue")?;
        let (address, feed_address) = (loaded.order_entry_address, loaded.feed_address);
        let mut venue = Self { child, address, feed_address, dir };
        let out = venue.child.stdout.take().context("the venue's output")?;
        let ready = BufReader::new(out).lines().map_while(Result::ok).any(|line| line == "ready");
        ensure!(ready, "the venue did not come up; what it said is above");
        Ok(venue)
    }
}

impl Drop for BenchVenue {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}
