//! `hft.toml`: reads it, checks it, and turns what people write into what the venue uses. After [`Config::load`] every
//! value is possible: addresses parse, ticks are on the wire's scale, no account comes twice.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gateway_edge::UdpConfig;
use protocol::{AccountName, Firm, Price, Qty, Symbol};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

mod live;
mod tls;
mod udp;

pub use tls::TlsSection;
pub use udp::UdpSection;

use crate::placement::{Step, WaitKey};
use crate::schedule::{Schedule, ScheduleSection};
use crate::terms::{Terms, TermsSection};

/// Password of the demo accounts. They exist on loopback addresses only.
pub const DEMO_PASSWORD: &str = "demo-pass";

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

/// How durable a command is before anything that it caused may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum DurabilityMode {
    /// Nothing is written: for benches, on loopback only.
    Memory,
    /// In the mapped journal file: survives a kill of the process.
    Journal,
    /// Flushed to the disk: survives a loss of power.
    Fdatasync,
}

impl DurabilityMode {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Journal => "journal",
            Self::Fdatasync => "fdatasync",
        }
    }

    /// What it promises, for the banner.
    pub fn promise(self) -> &'static str {
        match self {
            Self::Memory => "memory (nothing survives a stop)",
            Self::Journal => "journal (what was answered survives kill -9)",
            Self::Fdatasync => "fdatasync (what was answered survives a loss of power)",
        }
    }
}

/// What becomes of journal segments that no kept snapshot needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldSegmentsKey {
    /// They stay.
    Keep,
    /// They are moved to the folder `archive` of the data directory.
    Archive,
    /// They are deleted.
    Delete,
}

/// What the venue does when the follower's hash is another than the live core's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDifference {
    /// It tells and counts, and trades on.
    GoOn,
    /// It tells and stops.
    Stop,
}

/// What happens when a thread does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStall {
    /// It is told in the log and counted; the venue goes on.
    Log,
    /// The venue stops as well.
    Stop,
}

/// The file, as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    data: Data,
    #[serde(default)]
    order_entry: OrderEntry,
    #[serde(default)]
    feed: FeedSection,
    #[serde(default)]
    udp: UdpSection,
    #[serde(default)]
    drop_copy: DropCopySection,
    #[serde(default)]
    passwords: Passwords,
    #[serde(default)]
    log: Log,
    #[serde(default)]
    tls: TlsSection,
    #[serde(default)]
    durability: Durability,
    #[serde(default)]
    journal: JournalSection,
    #[serde(default)]
    streams: Streams,
    #[serde(default)]
    snapshots: Snapshots,
    #[serde(default)]
    follower: Follower,
    #[serde(default)]
    rings: Rings,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    threads: Threads,
    #[serde(default)]
    host: HostSection,
    #[serde(default)]
    watchdog: WatchdogSection,
    #[serde(default)]
    accounts: Accounts,
    #[serde(default)]
    schedule: ScheduleSection,
    #[serde(default)]
    terms: TermsSection,
    instruments: Vec<InstrumentEntry>,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty = $default:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$fdoc])* pub $field: $ty),+ }
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }
    };
}

section!(Data { dir: PathBuf = PathBuf::from("./data") });
section!(
    /// The order port.
    OrderEntry {
        address: String = "127.0.0.1:9001".to_owned(),
        connections_max: u32 = 2_048,
        connections_per_address_max: u32 = 1_024,
        login_ms: u64 = 30_000,
        logins_per_s_max: u64 = 100,
        login_backoff_ms_max: u64 = 1_000,
        silence_ms: u64 = 15_000,
        frame_ms: u64 = 30_000,
        frame_bytes_max: u32 = 65_537,
        messages_per_s_max: u64 = 1_000_000,
        messages_per_turn_max: u32 = 256,
        unsent_mib_max: u64 = 4,
    }
);
section!(
    /// The WebSocket port.
    FeedSection {
        address: String = "127.0.0.1:9002".to_owned(),
        subscribers_max: u32 = 2_048,
        connections_per_address_max: u32 = 1_024,
        handshake_ms: u64 = 5_000,
        request_bytes_max: u32 = 8_192,
        unsent_mib_max: u64 = 4,
    }
);
section!(
    /// The drop-copy port.
    DropCopySection { address: String = "127.0.0.1:9003".to_owned(), connections_max: u32 = 64 }
);
section!(
    /// What a hash of a password costs.
    Passwords { memory_kib: u32 = 19_456, iterations: u32 = 2 }
);
section!(
    /// What is logged.
    Log { level: String = "warn".to_owned() }
);
section!(Durability { mode: DurabilityMode = DurabilityMode::Journal });
section!(
    /// Segments.
    JournalSection { segment_mib: u64 = 64, free_mib_min: u64 = 16, old_segments: OldSegmentsKey = OldSegmentsKey::Keep }
);
section!(
    /// How the follower compares itself with the live core.
    Follower { compare_every: u64 = 65_536, on_difference: OnDifference = OnDifference::GoOn, drill_at: u64 = 0 }
);
section!(
    /// Bounds of the stream files.
    Streams { account_mib_max: u64 = 4_096, firm_mib_max: u64 = 16_384, feed_mib_max: u64 = 65_536 }
);
section!(
    /// What the follower writes.
    Snapshots { every_s: u64 = 60, keep: u32 = 3 }
);
section!(
    /// Slots of the two rings.
    Rings { commands: u32 = 16_384, events: u32 = 32_768 }
);
section!(
    /// What memory is sized by and results depend on.
    Limits {
        orders_max: u32 = 1 << 18,
        accounts_max: u32 = 1_024,
        channels_max: u32 = 4_096,
        instruments_max: u16 = 1_024,
        orders_per_command_max: u32 = 16_384,
    }
);
section!(
    /// Cpus chosen by hand.
    Threads {
        #[serde(skip_serializing_if = "Option::is_none")]
        core_cpu: Option<usize> = None,
        #[serde(skip_serializing_if = "Option::is_none")]
        core_wait: Option<WaitKey> = None,
        #[serde(skip_serializing_if = "Option::is_none")]
        edge_cpu: Option<usize> = None,
        #[serde(skip_serializing_if = "Option::is_none")]
        edge_wait: Option<WaitKey> = None,
        #[serde(skip_serializing_if = "Option::is_none")]
        journal_cpu: Option<usize> = None,
        #[serde(skip_serializing_if = "Option::is_none")]
        journal_wait: Option<WaitKey> = None,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        housekeeping_cpus: Vec<usize> = Vec::new(),
    }
);
section!(
    /// What is asked of the host for the hot threads.
    HostSection {
        bind_memory: bool = true,
        huge_pages: Step = Step::Auto,
        lock_memory: Step = Step::Auto,
        cpu_dma_latency: Step = Step::Auto,
        fifo_priority: u8 = 0,
    }
);
section!(
    /// When a thread counts as stalled.
    WatchdogSection { stall_ms: u64 = 80, on_stall: OnStall = OnStall::Log }
);
section!(Accounts { demo: bool = true, list: Vec<AccountEntry> = Vec::new() });

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    name: String,
    firm: String,
    password: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InstrumentEntry {
    symbol: String,
    price_decimals: u8,
    qty_decimals: i8,
    tick: String,
    lot: String,
    max_qty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference_price: Option<String>,
}

/// One instrument, in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentConfig {
    /// Its name.
    pub symbol: Symbol,
    /// Decimals of a price, 0..=12.
    pub price_decimals: u8,
    /// Decimals of a quantity, −9..=12.
    pub qty_decimals: i8,
    /// Price step.
    pub tick: Price,
    /// Quantity step.
    pub lot: Qty,
    /// Largest order.
    pub max_qty: Qty,
    /// 0 = none.
    pub reference_price: Price,
}

/// One account that may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountConfig {
    /// Login name.
    pub name: AccountName,
    /// Firm.
    pub firm: Firm,
    /// At most ten characters; never printed. The first one: what is in the data directory goes before.
    pub password: String,
    /// It is one of those that everybody knows.
    pub is_demo: bool,
}

impl std::fmt::Debug for AccountConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountConfig {{ {:?}, {:?}, {MASKED} }}", self.name, self.firm)
    }
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
        let file: File = toml::from_str(text).map_err(|cause| LoadConfigError::Malformed {
            path: path.to_owned(),
            line: cause
                .span()
                .map_or(1, |span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()),
            cause: cause.message().replace('\n', " "),
        })?;
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

/// Checks with the path of the file at hand for the message.
struct Check<'a> {
    path: &'a Path,
}

impl Check<'_> {
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and texts as they have them")]
    fn bad(&self, key: &str, found: impl ToString, expected: &str) -> LoadConfigError {
        LoadConfigError::BadValue {
            path: self.path.to_owned(),
            key: key.to_owned(),
            found: found.to_string(),
            expected: expected.to_owned(),
        }
    }

    fn bounds(&self, file: &File) -> Result<(), LoadConfigError> {
        let within = |key: &str, found: u64, low: u64, high: u64| {
            if (low..=high).contains(&found) {
                return Ok(());
            }
            Err(self.bad(key, found, &format!("{low} to {high}")))
        };
        let power = |key: &str, found: u32| {
            within(key, u64::from(found), 64, 1 << 22)?;
            if found.is_power_of_two() { Ok(()) } else { Err(self.bad(key, found, "a power of two")) }
        };
        power("rings.commands", file.rings.commands)?;
        power("rings.events", file.rings.events)?;
        within("journal.segment_mib", file.journal.segment_mib, 1, 4_096)?;
        within("journal.free_mib_min", file.journal.free_mib_min, 1, 1 << 30)?;
        within("order_entry.connections_max", u64::from(file.order_entry.connections_max), 1, 65_536)?;
        within("order_entry.unsent_mib_max", file.order_entry.unsent_mib_max, 1, 1_024)?;
        within("order_entry.login_ms", file.order_entry.login_ms, 10, 3_600_000)?;
        within("order_entry.silence_ms", file.order_entry.silence_ms, 10, 3_600_000)?;
        live::bounds(file, &within)?;
        within("passwords.memory_kib", u64::from(file.passwords.memory_kib), 1_024, 1 << 20)?;
        within("passwords.iterations", u64::from(file.passwords.iterations), 1, 16)?;
        within("feed.subscribers_max", u64::from(file.feed.subscribers_max), 1, 65_536)?;
        within("feed.unsent_mib_max", file.feed.unsent_mib_max, 1, 256)?;
        within("drop_copy.connections_max", u64::from(file.drop_copy.connections_max), 1, 4_096)?;
        within("streams.firm_mib_max", file.streams.firm_mib_max, 1, 1 << 20)?;
        within("streams.account_mib_max", file.streams.account_mib_max, 1, 1 << 20)?;
        within("streams.feed_mib_max", file.streams.feed_mib_max, 1, 1 << 22)?;
        within("follower.compare_every", file.follower.compare_every, 1, 1 << 40)?;
        within("host.fifo_priority", u64::from(file.host.fifo_priority), 0, 98)?;
        within("watchdog.stall_ms", file.watchdog.stall_ms, 20, 60_000)?;
        within("snapshots.keep", u64::from(file.snapshots.keep), 1, 1_000)?;
        within("limits.orders_max", u64::from(file.limits.orders_max), 1, 1 << 27)?;
        within("limits.accounts_max", u64::from(file.limits.accounts_max), 1, 1 << 20)?;
        within("limits.channels_max", u64::from(file.limits.channels_max), 0, 1 << 24)?;
        within("limits.instruments_max", u64::from(file.limits.instruments_max), 1, 65_535)?;
        within("limits.orders_per_command_max", u64::from(file.limits.orders_per_command_max), 1, 1 << 20)
    }

    fn address(&self, key: &str, text: &str, port_offset: u16) -> Result<SocketAddr, LoadConfigError> {
        let mut address: SocketAddr =
            text.parse().map_err(|_| self.bad(key, format!("{text:?}"), "an address and a port, as 127.0.0.1:9001"))?;
        let port = address.port().checked_add(port_offset).ok_or_else(|| {
            self.bad(
                key,
                format!("{text:?}"),
                &format!("a port that stays below 65536 with --port-offset {port_offset}"),
            )
        })?;
        address.set_port(port);
        Ok(address)
    }

    fn accounts(&self, file: &File) -> Result<Vec<AccountConfig>, LoadConfigError> {
        let demo = [("DEMO01", "DEMA"), ("DEMO02", "DEMA"), ("DEMO03", "DEMB"), ("DEMO04", "DEMB")]
            .iter()
            .filter(|_| file.accounts.demo)
            .map(|(name, firm)| {
                let password = DEMO_PASSWORD.to_owned();
                (AccountEntry { name: (*name).to_owned(), firm: (*firm).to_owned(), password }, true)
            });
        let listed = file.accounts.list.iter().map(|entry| (entry.clone(), false));
        let mut names = BTreeSet::new();
        let mut accounts = Vec::new();
        for (entry, is_demo) in demo.chain(listed) {
            let key = format!("accounts {}", entry.name);
            let letters = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let upper = entry.name.to_ascii_uppercase();
            let name = AccountName::from_text(&upper).filter(|_| letters(&upper));
            let firm = Firm::from_text(&entry.firm)
                .filter(|_| letters(&entry.firm) && !entry.firm.bytes().any(|byte| byte.is_ascii_lowercase()));
            let name = name.ok_or_else(|| self.bad(&key, &entry.name, "a name of 1 to 6 letters and digits"))?;
            let firm = firm.ok_or_else(|| self.bad(&key, &entry.firm, "a firm of 1 to 4 capitals and digits"))?;
            let usable =
                (1..=10).contains(&entry.password.len()) && entry.password.bytes().all(|byte| byte.is_ascii_graphic());
            if !usable {
                return Err(self.bad(&key, MASKED, "a password of 1 to 10 printable characters without spaces"));
            }
            if !names.insert(name) {
                return Err(self.bad(&key, &entry.name, "each account once"));
            }
            accounts.push(AccountConfig { name, firm, password: entry.password, is_demo });
        }
        if accounts.len() > file.limits.accounts_max as usize {
            return Err(self.bad("limits.accounts_max", file.limits.accounts_max, "at least the accounts listed"));
        }
        Ok(accounts)
    }

    fn instruments(&self, file: &File) -> Result<Vec<InstrumentConfig>, LoadConfigError> {
        let mut symbols = BTreeSet::new();
        let mut instruments = Vec::new();
        for entry in &file.instruments {
            let instrument = self.instrument(entry)?;
            if !symbols.insert(instrument.symbol) {
                return Err(self.bad("instruments.symbol", &entry.symbol, "each symbol once"));
            }
            instruments.push(instrument);
        }
        if instruments.is_empty() || instruments.len() > usize::from(file.limits.instruments_max) {
            return Err(self.bad(
                "instruments",
                instruments.len(),
                &format!("1 to {} instruments (limits.instruments_max)", file.limits.instruments_max),
            ));
        }
        Ok(instruments)
    }

    /// The listing check of widths.md, points 1 and 2.
    fn instrument(&self, entry: &InstrumentEntry) -> Result<InstrumentConfig, LoadConfigError> {
        let key = |field: &str| format!("instruments {} {field}", entry.symbol);
        let symbol = Symbol::from_text(&entry.symbol)
            .filter(|_| !entry.symbol.is_empty() && entry.symbol.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| self.bad(&key("symbol"), &entry.symbol, "1 to 8 printable characters without spaces"))?;
        let (price_decimals, qty_decimals) = (entry.price_decimals, entry.qty_decimals);
        if price_decimals > 12 || !(-9..=12).contains(&qty_decimals) {
            return Err(self.bad(
                &key("decimals"),
                format!("{price_decimals} and {qty_decimals}"),
                "price_decimals 0 to 12, qty_decimals -9 to 12",
            ));
        }
        if i16::from(price_decimals) + i16::from(qty_decimals) > 12 {
            return Err(self.bad(
                &key("decimals"),
                format!("{price_decimals} and {qty_decimals}"),
                "price_decimals + qty_decimals at most 12",
            ));
        }
        let price = |field: &str, text: &str| {
            wire_units(text, i32::from(price_decimals), u64::from(Price::LIMIT_MAX.0))
                .map_err(|expected| self.bad(&key(field), format!("{text:?}"), &expected))
        };
        let qty = |field: &str, text: &str| {
            wire_units(text, i32::from(qty_decimals), u64::from(u32::MAX))
                .map_err(|expected| self.bad(&key(field), format!("{text:?}"), &expected))
        };
        let tick = Price(price("tick", &entry.tick)?);
        let lot = Qty(qty("lot", &entry.lot)?);
        let max_qty = Qty(qty("max_qty", &entry.max_qty)?);
        let reference_price =
            Price(entry.reference_price.as_ref().map_or(Ok(0), |text| price("reference_price", text))?);
        if max_qty < lot {
            return Err(self.bad(&key("max_qty"), &entry.max_qty, "at least the lot"));
        }
        if !reference_price.0.is_multiple_of(tick.0) {
            return Err(self.bad(&key("reference_price"), reference_price, "a multiple of the tick"));
        }
        Ok(InstrumentConfig { symbol, price_decimals, qty_decimals, tick, lot, max_qty, reference_price })
    }
}

/// A positive decimal as an integer of `10^-decimals` units, at most `max`; else what was expected.
pub fn wire_units(text: &str, decimals: i32, max: u64) -> Result<u32, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value =
        plain.then(|| Decimal::from_str_exact(text).ok()).flatten().ok_or("a positive decimal number, as \"0.01\"")?;
    let power = Decimal::from(10_u64.pow(decimals.unsigned_abs()));
    let units = if decimals >= 0 { value.checked_mul(power) } else { value.checked_div(power) };
    let units = units.filter(|units| units.is_integer() && !units.is_zero());
    let units = units.and_then(|units| u64::try_from(units).ok()).filter(|&units| units <= max);
    units
        .and_then(|units| u32::try_from(units).ok())
        .ok_or_else(|| format!("1 to {max} units of 10^{} without a remainder", -decimals))
}

#[cfg(test)]
mod tests {
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
        let (_, instruments) = SHIPPED.split_once("[[instruments]]").unwrap();
        let minimal = parse(&format!("[[instruments]]{instruments}")).unwrap();
        assert_eq!(minimal.effective(), config.effective(), "every key in the file is the default");
    }

    #[test]
    fn wrong_values_are_named() {
        let demo = 1 + SHIPPED.lines().position(|line| line.starts_with("demo = true")).unwrap();
        for (from, to, expected) in [
            ("segment_mib = 64", "segment_mb = 64", "segment_mb"),
            ("demo = true", "demo = 1", &format!("line {demo}: invalid type: integer `1`, expected a boolean")),
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
