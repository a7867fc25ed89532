//! `hft.toml`: reads it, checks it, and turns what people write into what the venue uses. After [`Config::load`] every
//! value is possible: addresses parse, ticks are on the wire's scale, no account comes twice.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gateway_edge::{FullNames, UdpConfig};
use protocol::AccountName;

mod accounts;
mod check;
mod instruments;
mod keys;
mod live;
mod sections;
mod tls;
mod udp;

pub use accounts::{AccountConfig, DEMO_PASSWORD};
pub use instruments::{InstrumentConfig, wire_units};
pub use keys::{DurabilityMode, LogFormat, OldSegmentsKey, OnDifference, OnStall, SharingKey};
pub use sections::{
    DropCopySection, FeedSection, Follower, HostSection, JournalSection, Limits, Log, OrderEntry, Passwords, Rings,
    Snapshots, Streams, Threads, WatchdogSection,
};
pub use tls::TlsSection;
pub use udp::UdpSection;

use crate::schedule::Schedule;
use crate::terms::Terms;
use check::Check;
use sections::File;

/// What a masked secret looks like in every output.
const MASKED: &str = "********";

/// Why a configuration cannot be used. One line: what was expected, what was found, what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {cause}; name another with --config PATH")]
    Unreadable { path: PathBuf, cause: std::io::Error },
    /// The file is no TOML of this shape.
    #[error("{path}, line {line}: {cause}")]
    Malformed { path: PathBuf, line: usize, cause: String },
    /// One key holds what it may not.
    #[error("{path}: {key} = {found}: expected {expected}")]
    BadValue { path: PathBuf, key: String, found: String, expected: String },
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Config {
    file: File,
    /// Data directory.
    pub data_dir: PathBuf,
    /// Address of the order port.
    pub order_entry_address: SocketAddr,
    /// Address of the WebSocket port.
    pub feed_address: SocketAddr,
    /// Address of the drop-copy port.
    pub drop_copy_address: SocketAddr,
    /// Where the feed goes by UDP; none = it does not.
    pub udp: Option<UdpConfig>,
    /// In listing order.
    pub instruments: Vec<InstrumentConfig>,
    /// What instruments are called in the directory document.
    pub names: FullNames,
    /// Demo accounts first.
    pub accounts: Vec<AccountConfig>,
    /// How durable.
    pub durability: DurabilityMode,
    /// When trading states change.
    pub schedule: Schedule,
    /// How instruments match, and what accounts leave unsaid.
    pub terms: Terms,
}

/// What the command line says over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--port-offset`: added to every port.
    pub port_offset: u16,
    /// `--durability`.
    pub durability: Option<DurabilityMode>,
    /// `--sharing`.
    pub sharing: Option<SharingKey>,
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// [`LoadConfigError`] with the file and, where it is one key, that key.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, LoadConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| LoadConfigError::Unreadable { path: path.to_owned(), cause })?;
        Self::parse(path, &text, overrides)
    }

    fn parse(path: &Path, text: &str, overrides: &Overrides) -> Result<Self, LoadConfigError> {
        let mut file: File = toml::from_str(text).map_err(|cause| LoadConfigError::Malformed {
            path: path.to_owned(),
            line: cause
                .span()
                .map_or(1, |span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()),
            cause: cause.message().replace('\n', " "),
        })?;
        file.threads.sharing = overrides.sharing.unwrap_or(file.threads.sharing);
        let check = Check { path };
        check.bounds(&file)?;
        let order_entry_address =
            check.address("order_entry.address", &file.order_entry.address, overrides.port_offset)?;
        let feed_address = check.address("feed.address", &file.feed.address, overrides.port_offset)?;
        let drop_copy_address = check.address("drop_copy.address", &file.drop_copy.address, overrides.port_offset)?;
        if [order_entry_address, feed_address].contains(&drop_copy_address) {
            return Err(check.bad("drop_copy.address", drop_copy_address, "an address of its own"));
        }
        if order_entry_address == feed_address {
            return Err(check.bad("feed.address", feed_address, "another address than order_entry.address"));
        }
        let loopback = [order_entry_address, feed_address, drop_copy_address].iter().all(|at| at.ip().is_loopback());
        let durability = overrides.durability.unwrap_or(file.durability.mode);
        if file.accounts.demo && !loopback {
            return Err(check.bad(
                "accounts.demo",
                "true",
                "false where order_entry.address or feed.address is not a loopback address: the password of the demo accounts is public",
            ));
        }
        if durability == DurabilityMode::Memory && !loopback {
            return Err(check.bad(
                "durability.mode",
                "memory",
                "journal or fdatasync on an address that is not loopback",
            ));
        }
        if file.tls.is_used() && (file.tls.certificate.is_none() || file.tls.key.is_none()) {
            return Err(check.bad("tls.certificate", "nothing", "certificate and key, where a port speaks TLS"));
        }
        let udp = check.udp(&file.udp, overrides.port_offset)?;
        let instruments = check.instruments(&file)?;
        let is_listed = |symbol| instruments.iter().any(|listed: &InstrumentConfig| listed.symbol == symbol);
        let schedule = Schedule::of(&file.schedule, is_listed)
            .map_err(|(key, found, expected)| check.bad(&key, format!("{found:?}"), expected))?;
        let terms = Terms::of(&file.terms, &instruments)
            .map_err(|(key, found, expected)| check.bad(key, format!("{found:?}"), expected))?;
        Ok(Self {
            schedule,
            terms,
            data_dir: overrides.data_dir.clone().unwrap_or_else(|| file.data.dir.clone()),
            order_entry_address,
            feed_address,
            drop_copy_address,
            udp,
            instruments,
            names: check.names(&file)?,
            accounts: check.accounts(&file)?,
            durability,
            file,
        })
    }

    /// The order port.
    pub fn order_entry(&self) -> &OrderEntry {
        &self.file.order_entry
    }
    /// The WebSocket port.
    pub fn feed(&self) -> &FeedSection {
        &self.file.feed
    }
    /// The drop-copy port.
    pub fn drop_copy(&self) -> &DropCopySection {
        &self.file.drop_copy
    }
    /// Segments.
    pub fn journal(&self) -> &JournalSection {
        &self.file.journal
    }
    /// Stream files.
    pub fn streams(&self) -> &Streams {
        &self.file.streams
    }
    /// Snapshots.
    pub fn snapshots(&self) -> &Snapshots {
        &self.file.snapshots
    }
    /// How the follower compares.
    pub fn follower(&self) -> &Follower {
        &self.file.follower
    }
    /// Rings.
    pub fn rings(&self) -> &Rings {
        &self.file.rings
    }
    /// Limits.
    pub fn limits(&self) -> &Limits {
        &self.file.limits
    }
    /// What is asked of the host for the hot threads.
    pub fn host(&self) -> &HostSection {
        &self.file.host
    }
    /// When a thread counts as stalled, and what happens then.
    pub fn watchdog(&self) -> &WatchdogSection {
        &self.file.watchdog
    }
    /// The account whose orders alone are timed stage by stage; `None` = everybody's.
    pub fn stages_of(&self) -> Option<AccountName> {
        AccountName::from_text(&self.file.counters.stages_of.to_ascii_uppercase())
            .filter(|_| !self.file.counters.stages_of.is_empty())
    }
    /// Cpus chosen by hand.
    pub fn threads(&self) -> &Threads {
        &self.file.threads
    }

    /// The effective configuration as TOML, without secrets.
    pub fn effective(&self) -> String {
        toml::to_string(&self.masked()).unwrap_or_default()
    }

    /// The effective configuration as JSON, without secrets.
    pub fn effective_json(&self) -> serde_json::Value {
        serde_json::to_value(self.masked()).unwrap_or_default()
    }

    /// BLAKE3 of the effective configuration, without secrets: names it in the journal's segments.
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(self.effective().as_bytes()).as_bytes()
    }

    fn masked(&self) -> File {
        let mut file = self.file.clone();
        file.data.dir.clone_from(&self.data_dir);
        file.order_entry.address = self.order_entry_address.to_string();
        file.feed.address = self.feed_address.to_string();
        file.drop_copy.address = self.drop_copy_address.to_string();
        if let Some(udp) = &self.udp {
            file.udp.request_address = udp.request_listen.to_string();
        }
        file.durability.mode = self.durability;
        for account in &mut file.accounts.list {
            MASKED.clone_into(&mut account.password);
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Price, Qty};

    use super::*;

    const SHIPPED: &str = include_str!("../../configs/hft.toml");

    fn parse(text: &str) -> Result<Config, LoadConfigError> {
        Config::parse(Path::new("hft.toml"), text, &Overrides::default())
    }

    #[test]
    fn the_shipped_file_is_the_default() {
        let config = parse(SHIPPED).unwrap();
        assert_eq!(config.order_entry_address.to_string(), "127.0.0.1:9001");
        assert_eq!(config.feed_address.to_string(), "127.0.0.1:9002");
        assert_eq!(config.drop_copy_address.to_string(), "127.0.0.1:9003");
        assert_eq!(config.data_dir, Path::new("./data"));
        assert_eq!(config.durability, DurabilityMode::Journal);
        let names: Vec<_> = config.accounts.iter().map(|account| account.name.as_text()).collect();
        assert_eq!(names, ["DEMO01", "DEMO02", "DEMO03", "DEMO04"]);
        let symbols: Vec<_> = config.instruments.iter().map(|instrument| instrument.symbol.to_string()).collect();
        assert_eq!(symbols, ["AAPL", "AMZN", "GOOG", "INTC", "MSFT", "BTC-USD", "ETH-BTC"]);
        let bitcoin = config.instruments[5];
        assert_eq!((bitcoin.tick, bitcoin.lot, bitcoin.max_qty), (Price(1), Qty(1), Qty(u32::MAX)));
        assert_eq!(config.names[&bitcoin.symbol], "Bitcoin in US dollars");
        let (_, instruments) = SHIPPED.split_once("[[instruments]]").unwrap();
        let (_, names) = SHIPPED.split_once("\n[names]").unwrap();
        let (names, _) = names.split_once("\n\n").unwrap();
        let minimal = parse(&format!("[names]{names}\n[[instruments]]{instruments}")).unwrap();
        assert_eq!(minimal.effective(), config.effective(), "every key in the file is the default");
    }

    #[test]
    fn wrong_values_are_named() {
        let demo = 1 + SHIPPED.lines().position(|line| line.starts_with("demo = true")).unwrap();
        for (from, to, expected) in [
            ("segment_mib = 64", "segment_mb = 64", "segment_mb"),
            ("demo = true", "demo = 1", &format!("line {demo}: invalid type: integer `1`, expected a boolean")),
            ("level = \"warn\"", "level = \"loud\"", "log.level = \"loud\": expected off, error, warn"),
            ("level = \"warn\"", "level = \"warn,gateway_edge\"", "log.level = \"warn,gateway_edge\": expected off"),
            ("commands = 16384", "commands = 1000", "rings.commands = 1000: expected a power of two"),
            ("tick = \"0.01\"", "tick = \"0.00001\"", "AAPL tick"),
            ("tick = \"0.01\"", "tick = \"1e-2\"", "AAPL tick"),
            ("tick = \"0.01\"", "tick = \"-0.01\"", "AAPL tick"),
            ("max_qty = \"42949.67295\"", "max_qty = \"42949.67296\"", "BTC-USD max_qty"),
            ("symbol = \"AAPL\"", "symbol = \"AMZN\"", "each symbol once"),
            ("127.0.0.1:9002", "0.0.0.0:9002", "accounts.demo = true: expected false"),
            ("127.0.0.1:9001", "localhost", "order_entry.address"),
            ("127.0.0.1:9003", "0.0.0.0:9003", "accounts.demo = true: expected false"),
            ("127.0.0.1:9003", "127.0.0.1:9001", "drop_copy.address = 127.0.0.1:9001: expected an address"),
            ("127.0.0.1:9001", "127.0.0.1:9002", "feed.address = 127.0.0.1:9002: expected another"),
            ("INTC = \"", "INTC = \"\\n", "names.INTC"),
            ("INTC = \"", "INTELCORP = \"", "names.INTELCORP"),
            ("mode = \"journal\"", "mode = \"disk\"", "disk"),
        ] {
            let text = SHIPPED.replacen(from, to, 1);
            assert_ne!(text, SHIPPED, "{from}");
            let message = parse(&text).unwrap_err().to_string();
            assert_eq!(message.lines().count(), 1, "{message}");
            assert!(message.contains(expected) && message.contains("hft.toml"), "{from} -> {to}: {message}");
        }
    }

    #[test]
    fn secrets_stay_in() {
        let text = format!("{SHIPPED}\n").replacen(
            "# [[accounts.list]]\n# name = \"ALPHA1\"\n# firm = \"ALPH\"\n# password = \"change-me\"",
            "[[accounts.list]]\nname = \"alpha1\"\nfirm = \"ALPH\"\npassword = \"s3cret\"",
            1,
        );
        let config = parse(&text).unwrap();
        assert_eq!(config.accounts[4].password, "s3cret");
        assert_eq!(config.accounts[4].name.as_text(), "ALPHA1");
        for shown in [config.effective(), config.effective_json().to_string(), format!("{:?}", config.accounts)] {
            assert!(!shown.contains("s3cret") && shown.contains("ALPH"), "{shown}");
        }
    }

    #[test]
    fn ports_shift_together() {
        let overrides = Overrides { port_offset: 50_000, ..Overrides::default() };
        let config = Config::parse(Path::new("hft.toml"), SHIPPED, &overrides).unwrap();
        assert_eq!((config.order_entry_address.port(), config.feed_address.port()), (59_001, 59_002));
        let overrides = Overrides { port_offset: 60_000, ..Overrides::default() };
        assert!(Config::parse(Path::new("hft.toml"), SHIPPED, &overrides).is_err());
    }
}
