//! From the configuration to the bounds and times of the ports, and of the watch over the disk.

use gateway_edge::{EdgeConfig, FeedConfig};
use journal::DataPaths;

use super::MIB;
use crate::config::Config;
use crate::venue::space::SpaceNeeds;

/// Bounds and times of the order port.
pub fn edge_config(config: &Config) -> EdgeConfig {
    let section = config.order_entry();
    EdgeConfig {
        listen: config.order_entry_address,
        connections_max: section.connections_max as usize,
        connections_per_address_max: section.connections_per_address_max as usize,
        login_ms: section.login_ms,
        logins_per_s_max: section.logins_per_s_max,
        login_backoff_ms_max: section.login_backoff_ms_max,
        silence_ms: section.silence_ms,
        frame_ms: section.frame_ms,
        frame_bytes_max: section.frame_bytes_max as usize,
        messages_per_s_max: section.messages_per_s_max,
        packets_per_turn: section.messages_per_turn_max as usize,
        backlog_bytes_max: section.unsent_mib_max * MIB,
        in_flight_max: config.rings().commands as usize * 2,
        ..EdgeConfig::default()
    }
}

/// Bounds and times of the drop-copy port: those of the order port, but for its places.
pub fn drop_copy_config(config: &Config) -> EdgeConfig {
    EdgeConfig {
        listen: config.drop_copy_address,
        connections_max: config.drop_copy().connections_max as usize,
        ..edge_config(config)
    }
}

/// Bounds and times of the feed.
pub fn feed_config(config: &Config) -> FeedConfig {
    // What one turn can add must not pass a subscriber that was within its bound before.
    let frame_log_bytes = (config.feed().unsent_mib_max * MIB + 2 * MIB).next_power_of_two().max(16 * MIB);
    FeedConfig {
        packet_bytes_max: config
            .udp
            .as_ref()
            .map_or(FeedConfig::default().packet_bytes_max, |_| config.udp().packet_bytes_max as usize),
        udp: config.udp.clone(),
        frame_log_bytes: usize::try_from(frame_log_bytes).unwrap_or(1 << 29),
        handshake_ms: config.feed().handshake_ms,
        connections_per_address_max: config.feed().connections_per_address_max as usize,
        request_head_bytes_max: config.feed().request_bytes_max as usize,
        listen: config.feed_address,
        connections_max: config.feed().subscribers_max as usize,
        backlog_bytes_max: config.feed().unsent_mib_max * MIB,
        ..FeedConfig::default()
    }
}

/// What must stay free on the disk.
pub(super) fn space_needs(config: &Config, paths: &DataPaths) -> SpaceNeeds {
    let section = config.journal();
    SpaceNeeds {
        dir: paths.journal_dir(),
        reserve_bytes: section.free_mib_min * MIB,
        segment_bytes: section.segment_mib * MIB,
    }
}
