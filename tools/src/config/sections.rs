//! `hft.toml` as it is written: its sections, their keys and what they are when they are left out. Nothing is checked here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::accounts::AccountEntry;
use super::instruments::InstrumentEntry;
use super::keys::{DurabilityMode, LogFormat, OldSegmentsKey, OnDifference, OnStall, SharingKey};
use super::{TlsSection, UdpSection};
use crate::placement::{Step, WaitKey};
use crate::schedule::ScheduleSection;
use crate::terms::TermsSection;

/// The file, as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub data: Data,
    #[serde(default)]
    pub order_entry: OrderEntry,
    #[serde(default)]
    pub feed: FeedSection,
    #[serde(default)]
    pub udp: UdpSection,
    #[serde(default)]
    pub drop_copy: DropCopySection,
    #[serde(default)]
    pub passwords: Passwords,
    #[serde(default)]
    pub log: Log,
    #[serde(default)]
    pub tls: TlsSection,
    #[serde(default)]
    pub durability: Durability,
    #[serde(default)]
    pub journal: JournalSection,
    #[serde(default)]
    pub streams: Streams,
    #[serde(default)]
    pub snapshots: Snapshots,
    #[serde(default)]
    pub follower: Follower,
    #[serde(default)]
    pub rings: Rings,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub threads: Threads,
    #[serde(default)]
    pub host: HostSection,
    #[serde(default)]
    pub watchdog: WatchdogSection,
    #[serde(default)]
    pub counters: CountersSection,
    #[serde(default)]
    pub accounts: Accounts,
    #[serde(default)]
    pub schedule: ScheduleSection,
    #[serde(default)]
    pub terms: TermsSection,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    pub instruments: Vec<InstrumentEntry>,
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

section!(
    /// Where everything is kept.
    Data { dir: PathBuf = PathBuf::from("./data") }
);
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
    Log {
        level: String = "warn".to_owned(),
        format: LogFormat = LogFormat::Text,
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<PathBuf> = None,
    }
);
section!(
    /// How durable a command is before anything that it caused may leave.
    Durability { mode: DurabilityMode = DurabilityMode::Journal }
);
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
        sharing: SharingKey = SharingKey::Auto,
    }
);
section!(
    /// What is asked of the host for the hot threads.
    HostSection {
        bind_memory: Step = Step::Auto,
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
section!(
    /// What is counted.
    CountersSection { stages_of: String = String::new() }
);
section!(
    /// Who may log in.
    Accounts { demo: bool = true, list: Vec<AccountEntry> = Vec::new() }
);
