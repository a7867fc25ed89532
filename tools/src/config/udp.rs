//! The section `udp`: where the feed goes by UDP.

use std::net::IpAddr;

use gateway_edge::UdpConfig;
use serde::{Deserialize, Serialize};

use super::LoadConfigError;
use super::check::Check;

/// The feed by UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UdpSection {
    /// Hosts and multicast groups; none: no UDP.
    pub destinations: Vec<String>,
    /// The address of ours that packets leave from.
    pub interface: String,
    /// Routers that a multicast packet may pass, and one.
    pub ttl: u32,
    /// Bytes of one packet, at the most.
    pub packet_bytes_max: u32,
    /// Where requests for lost messages come.
    pub request_address: String,
    /// Of which so many per second are answered.
    pub requests_per_s_max: u64,
}

impl Default for UdpSection {
    fn default() -> Self {
        Self {
            destinations: Vec::new(),
            interface: "127.0.0.1".to_owned(),
            ttl: 1,
            packet_bytes_max: 1_400,
            request_address: "127.0.0.1:9004".to_owned(),
            requests_per_s_max: 10_000,
        }
    }
}

impl Check<'_> {
    /// What the section says, if it says that there is UDP.
    pub(super) fn udp(&self, section: &UdpSection, port_offset: u16) -> Result<Option<UdpConfig>, LoadConfigError> {
        if section.destinations.is_empty() {
            return Ok(None);
        }
        let few = section.destinations.len() <= 16;
        if !few {
            return Err(self.bad("udp.destinations", section.destinations.len(), "at most 16"));
        }
        let interface: IpAddr = section
            .interface
            .parse()
            .map_err(|_| self.bad("udp.interface", &section.interface, "an address of this host"))?;
        let mut destinations = Vec::new();
        for text in &section.destinations {
            // As written: who listens there knows nothing of our offset.
            let address = self.address("udp.destinations", text, 0)?;
            if address.is_ipv4() != interface.is_ipv4() || address.port() == 0 {
                return Err(self.bad(
                    "udp.destinations",
                    text,
                    "an address and a port, of the same family as udp.interface",
                ));
            }
            destinations.push(address);
        }
        for (key, found, low, high) in [
            ("udp.ttl", u64::from(section.ttl), 1, 255),
            ("udp.packet_bytes_max", u64::from(section.packet_bytes_max), 256, 1_472),
            ("udp.requests_per_s_max", section.requests_per_s_max, 1, 10_000_000),
        ] {
            if !(low..=high).contains(&found) {
                return Err(self.bad(key, found, &format!("{low} to {high}")));
            }
        }
        Ok(Some(UdpConfig {
            destinations,
            interface,
            ttl: section.ttl,
            request_listen: self.address("udp.request_address", &section.request_address, port_offset)?,
            requests_per_s_max: section.requests_per_s_max,
        }))
    }
}
