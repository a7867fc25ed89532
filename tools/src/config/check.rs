//! What holds for every key: numbers within bounds, addresses that parse, and how a wrong value is told.

use std::net::SocketAddr;
use std::path::Path;

use super::sections::File;
use super::{LoadConfigError, live};

/// Checks with the path of the file at hand for the message.
pub(super) struct Check<'a> {
    pub path: &'a Path,
}

impl Check<'_> {
    /// What is wrong with a key.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and texts as they have them")]
    pub fn bad(&self, key: &str, found: impl ToString, expected: &str) -> LoadConfigError {
        LoadConfigError::BadValue {
            path: self.path.to_owned(),
            key: key.to_owned(),
            found: found.to_string(),
            expected: expected.to_owned(),
        }
    }

    /// Numbers are within their bounds.
    pub fn bounds(&self, file: &File) -> Result<(), LoadConfigError> {
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
        if !crate::logging::is_level(&file.log.level) {
            let expected = "off, error, warn, info, debug or trace, or a filter as \"warn,gateway_edge=info\"";
            return Err(self.bad("log.level", format!("{:?}", file.log.level), expected));
        }
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

    /// An address with its port shifted.
    pub fn address(&self, key: &str, text: &str, port_offset: u16) -> Result<SocketAddr, LoadConfigError> {
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
}
