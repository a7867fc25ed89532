//! How much memory the core's tables take with a configuration, and how many huge pages that would be: asked by
//! `hft topology` and `hft doctor`.

use engine::core::{Core, EventBuffer};
use engine::memory::TableBytes;
use engine::runtime::topology::Topology;
use protocol::{Command, Nanos, SessionName};

use crate::config::Config;
use crate::venue::bootstrap;

/// Bytes of a huge page.
const HUGE_PAGE: u64 = 2 << 20;

/// Huge pages that one core's large tables fill; a venue has two cores, the live one and the follower's. 0 when this
/// configuration opens no venue.
pub fn huge_pages_of_one_core(config: &Config) -> u64 {
    let before = TableBytes::now().large();
    let mut core = Core::new();
    let mut events = EventBuffer::default();
    let Ok(bodies) = bootstrap::commands(&core, config, SessionName::BLANK, Nanos(1)) else { return 0 };
    for body in bodies {
        let command = Command { sequence: core.last_sequence().next(), ingress: Nanos(1), body };
        core.apply(&command, &mut events);
        events.clear();
    }
    TableBytes::now().large().saturating_sub(before).div_ceil(HUGE_PAGE)
}

/// One line: what there is, and what the tables would take.
pub fn line(topology: &Topology, wanted: u64) -> String {
    let pages = &topology.huge_pages;
    format!(
        "{} of 2 MiB set aside, {} free; the tables of a core fill {wanted}, and the follower has as many; transparent ones: {}",
        pages.set_aside,
        pages.free,
        if pages.transparent.is_empty() { "not told" } else { &pages.transparent }
    )
}
