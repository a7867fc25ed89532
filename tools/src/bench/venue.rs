//! A venue of the bench's own, in a temporary directory.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};

use crate::config::{Config, DurabilityMode, Overrides};

/// Password of the accounts that a bench adds.
pub const BENCH_PASSWORD: &str = "bench-pass";

/// Name of the account with this index that a bench adds.
pub fn bench_account(index: u32) -> String {
    format!("B{index:05}")
}

/// What a venue of the bench's own is made after.
#[derive(Clone, Debug, clap::Args)]
pub struct Template {
    /// Configuration file of the venue
    #[arg(long, value_name = "PATH", default_value = "configs/hft.toml")]
    pub config: PathBuf,
    /// Added to the venue's ports
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub port_offset: u16,
}

/// A venue of our own, ended when dropped.
#[derive(Debug)]
pub struct BenchVenue {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<Lines<BufReader<ChildStdout>>>,
    /// Its order port.
    pub address: SocketAddr,
    /// Its WebSocket port.
    pub feed_address: SocketAddr,
    /// Its data directory.
    pub dir: PathBuf,
    /// A configuration of the bench's own.
    config: Option<PathBuf>,
}

impl BenchVenue {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// A configuration that cannot be used, or a venue that does not come up.
    pub fn start(template: &Template, durability: DurabilityMode) -> anyhow::Result<Self> {
        Self::start_with(template, durability, &[])
    }

    /// Starts one whose configuration is that of the file but for what `change` does to it, section by section.
    ///
    /// # Errors
    /// As [`BenchVenue::start`].
    pub fn start_changed(
        template: &Template,
        durability: DurabilityMode,
        change: impl FnOnce(&mut toml::Table),
    ) -> anyhow::Result<Self> {
        let config = &template.config;
        let text = std::fs::read_to_string(config).with_context(|| format!("cannot read {}", config.display()))?;
        let mut table: toml::Table = text.parse().with_context(|| format!("{} is no TOML", config.display()))?;
        change(&mut table);
        let changed = own_directory().with_extension("toml");
        std::fs::write(&changed, toml::to_string(&table)?)
            .with_context(|| format!("cannot write {}", changed.display()))?;
        let mut venue = Self::start(&Template { config: changed.clone(), ..*template }, durability)?;
        venue.config = Some(changed);
        Ok(venue)
    }

    /// As [`BenchVenue::start`], with more arguments.
    ///
    /// # Errors
    /// As [`BenchVenue::start`].
    pub fn start_with(template: &Template, durability: DurabilityMode, more: &[&str]) -> anyhow::Result<Self> {
        let Template { config, port_offset } = template;
        let dir = own_directory();
        let loaded = Config::load(config, &Overrides { port_offset: *port_offset, ..Default::default() })?;
        let mut command = Command::new(std::env::current_exe().context("the path of this program")?);
        command.arg("serve").arg("--config").arg(config).arg("--data-dir").arg(&dir);
        command.arg("--port-offset").arg(port_offset.to_string()).arg("--durability").arg(durability.name());
        // What else the bench runs must not draw on the venue's share of a cpu.
        command.arg("--own-session");
        command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the venue")?;
        let (address, feed_address) = (loaded.order_entry_address, loaded.feed_address);
        let (input, output) = (child.stdin.take(), child.stdout.take().map(|out| BufReader::new(out).lines()));
        let mut venue = Self { child, input, output, address, feed_address, dir, config: None };
        venue.wait_for("ready").context("the venue did not come up; what it said is above")?;
        Ok(venue)
    }

    fn wait_for(&mut self, line: &str) -> anyhow::Result<()> {
        let lines = self.output.as_mut().context("the venue's output")?;
        ensure!(lines.map_while(Result::ok).any(|found| found == line), "the venue did not say {line:?}");
        Ok(())
    }

    /// Says a line to a venue that listens, and waits until it repeats it.
    ///
    /// # Errors
    /// When it does not.
    pub fn say(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("the venue's input")?;
        writeln!(input, "{line}").context("the venue does not listen")?;
        self.wait_for(line)
    }
}

fn own_directory() -> PathBuf {
    std::env::temp_dir().join(format!("hft-bench-{}", std::process::id()))
}

impl Drop for BenchVenue {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
        drop(self.config.as_ref().map(std::fs::remove_file));
    }
}

/// Adds `count` accounts of a bench to a configuration, and lifts the limits that only their logins would meet.
pub fn add_accounts(table: &mut toml::Table, count: u32) {
    let entries = (0..count).map(|index| {
        let entry =
            [("name", bench_account(index)), ("firm", "BNCH".to_owned()), ("password", BENCH_PASSWORD.to_owned())];
        toml::Value::Table(entry.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect())
    });
    let entries: Vec<toml::Value> = entries.collect();
    let accounts_max = i64::from(count) + 64;
    set(table, "accounts", "list", toml::Value::Array(entries));
    set(table, "limits", "accounts_max", accounts_max.into());
    set(table, "passwords", "memory_kib", 1_024.into());
    set(table, "passwords", "iterations", 1.into());
    set(table, "order_entry", "logins_per_s_max", 1_000_000.into());
    set(table, "order_entry", "connections_per_address_max", 65_536.into());
    set(table, "streams", "account_mib_max", (if count > 64 { 256 } else { 4_096 }).into());
}

/// Sets one key of one section.
pub fn set(table: &mut toml::Table, section: &str, key: &str, value: toml::Value) {
    let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(section) = section.as_table_mut() {
        section.insert(key.to_owned(), value);
    }
}
