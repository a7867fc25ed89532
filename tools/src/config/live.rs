//! The keys that a running venue can change: their bounds, and taking them over.

use super::sections::File;
use super::{Config, FeedSection, LoadConfigError, Log, OrderEntry, Passwords, TlsSection, UdpSection};

/// Checks them; `within` is told key, value, lowest and highest.
pub(super) fn bounds(
    file: &File,
    within: &impl Fn(&str, u64, u64, u64) -> Result<(), LoadConfigError>,
) -> Result<(), LoadConfigError> {
    let per_address = u64::from(file.order_entry.connections_per_address_max);
    within("order_entry.connections_per_address_max", per_address, 1, 65_536)?;
    within("order_entry.logins_per_s_max", file.order_entry.logins_per_s_max, 1, 1_000_000)?;
    within("order_entry.login_backoff_ms_max", file.order_entry.login_backoff_ms_max, 0, 10_000)?;
    within("order_entry.frame_ms", file.order_entry.frame_ms, 10, 3_600_000)?;
    within("order_entry.frame_bytes_max", u64::from(file.order_entry.frame_bytes_max), 64, 65_537)?;
    within("order_entry.messages_per_s_max", file.order_entry.messages_per_s_max, 1, 1_000_000_000)?;
    within("order_entry.messages_per_turn_max", u64::from(file.order_entry.messages_per_turn_max), 1, 65_536)?;
    let per_address = u64::from(file.feed.connections_per_address_max);
    within("feed.connections_per_address_max", per_address, 1, 65_536)?;
    within("feed.handshake_ms", file.feed.handshake_ms, 10, 3_600_000)?;
    within("feed.request_bytes_max", u64::from(file.feed.request_bytes_max), 256, 65_536)?;
    Ok(())
}

impl Config {
    /// What a hash of a password costs.
    pub fn passwords(&self) -> &Passwords {
        &self.file.passwords
    }
    /// TLS 1.3.
    pub fn tls(&self) -> &TlsSection {
        &self.file.tls
    }
    /// What is logged.
    pub fn log(&self) -> &Log {
        &self.file.log
    }
    /// The feed by UDP.
    pub fn udp(&self) -> &UdpSection {
        &self.file.udp
    }
    /// This configuration with those keys of another that a running venue takes over.
    pub fn with_live_keys_of(mut self, other: &Self) -> Self {
        let (mine, new) = (&mut self.file, &other.file);
        let OrderEntry { address, connections_max, .. } = mine.order_entry.clone();
        mine.order_entry = OrderEntry { address, connections_max, ..new.order_entry.clone() };
        let FeedSection { address, subscribers_max, .. } = mine.feed.clone();
        mine.feed = FeedSection { address, subscribers_max, ..new.feed.clone() };
        mine.log.level.clone_from(&new.log.level);
        mine.tls.certificate.clone_from(&new.tls.certificate);
        mine.tls.key.clone_from(&new.tls.key);
        self
    }
}
