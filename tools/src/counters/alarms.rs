//! What an operator should look at now, worked out from the counters. Each alarm has a section of its name in
//! docs/operations.md.

use crate::counters::file::{Snapshot, Value};
use crate::venue::trips::GAUGES;

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its name in docs/operations.md.
    pub name: &'static str,
    /// What was found, in one line.
    pub found: String,
}

/// Free space below which the next segment or stream may find no room.
const DISK_LOW_BYTES: u64 = 1 << 30;
/// Commands that may wait for the journal or for the follower before it is worth telling.
const JOURNAL_LAG_MAX: u64 = 8_192;
const FOLLOWER_LAG_MAX: u64 = 100_000;
/// The watchdog looks every 10 ms.
const WATCHDOG_SILENCE_NS: u64 = 1_000_000_000;

/// The alarms of a snapshot taken at `utc_ns`, worst first.
pub fn alarms(now: &Snapshot, utc_ns: u64) -> Vec<Alarm> {
    let mut found = Vec::new();
    let mut raise = |name, text: String| found.push(Alarm { name, found: text });
    let is_live = now.is_live();
    if !is_live {
        let end = if now.number("venue.ended") == 1 { "stopped orderly" } else { "ended without a word" };
        raise("venue-down", format!("process {} {end}", now.process));
    } else if utc_ns.saturating_sub(now.number("watchdog.utc_ns")) > WATCHDOG_SILENCE_NS {
        raise("watchdog-silent", "the watchdog has not looked for a second".to_owned());
    }
    for (name, value) in &now.values {
        let agent = name.strip_prefix("watchdog.").and_then(|rest| rest.strip_suffix(".stalls"));
        if let (Some(agent), Value::Counter(stalls @ 1..)) = (agent, value) {
            raise("thread-stalled", format!("{agent} stood still {stalls} times"));
        }
    }
    let mut count = |name, counter: &str, what: &str| {
        let number = now.number(counter);
        if number > 0 {
            raise(name, format!("{number} {what}"));
        }
    };
    count("answers-lost", "edge.answers_lost", "answers found no room in their stream");
    count("accept-errors", "edge.accept_errors", "connections could not be accepted");
    count("log-dropped", "log.dropped", "lines of the log were dropped");
    count("slow-readers", "edge.slow_readers_cut", "sessions were cut because they did not read");
    count("slow-readers", "feed.slow_subscribers_cut", "subscribers were cut because they did not read");
    let free = now.number("disk.free_bytes");
    if is_live && free < DISK_LOW_BYTES {
        raise("disk-low", format!("{} MiB free", free >> 20));
    }
    if is_live && now.number("journal.refusing_orders") == 1 {
        raise("orders-refused", format!("{} MiB free, new orders are refused", now.number("journal.free_mib")));
    }
    if let Some(tripped) = tripped(now) {
        raise("switch-tripped", format!("kill switches of accounts: {tripped}"));
    }
    let lag = |ahead: &str, behind: &str| now.number(ahead).saturating_sub(now.number(behind));
    let journal = lag("edge.sequence", "journal.sequence");
    if journal > JOURNAL_LAG_MAX {
        raise("journal-lag", format!("{journal} commands wait for the journal"));
    }
    let follower = lag("journal.sequence", "follower.sequence");
    if now.text("venue.durability") != "memory" && follower > FOLLOWER_LAG_MAX {
        raise("follower-lag", format!("the follower is {follower} commands behind"));
    }
    let differences = now.number("follower.differences");
    if differences > 0 {
        raise("follower-difference", format!("the follower came to another result {differences} times"));
    }
    found
}

/// Kill switches of accounts that tripped by themselves and are on, by cause.
fn tripped(now: &Snapshot) -> Option<String> {
    let counted = GAUGES.iter().map(|(cause, gauge)| (cause.as_text(), now.number(gauge)));
    let on: Vec<String> =
        counted.filter(|(_, number)| *number > 0).map(|(cause, number)| format!("{number} by {cause}")).collect();
    (!on.is_empty()).then(|| on.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(now: &Snapshot) -> Vec<&'static str> {
        alarms(now, 2_000_000_000).iter().map(|alarm| alarm.name).collect()
    }

    #[test]
    fn alarms_say_what_is_wrong_and_nothing_else() {
        let mut now = Snapshot { process: std::process::id().into(), ..Snapshot::default() };
        let set = |now: &mut Snapshot, name: &str, number| {
            now.values.insert(name.to_owned(), Value::Counter(number));
        };
        set(&mut now, "watchdog.utc_ns", 1_990_000_000);
        set(&mut now, "disk.free_bytes", 5 << 30);
        set(&mut now, "watchdog.core.stalls", 0);
        assert_eq!(names(&now), [""; 0]);
        set(&mut now, "watchdog.core.stalls", 2);
        set(&mut now, "edge.answers_lost", 1);
        set(&mut now, "edge.sequence", 20_000);
        set(&mut now, "disk.free_bytes", 5 << 20);
        set(&mut now, "risk.tripped.loss", 1);
        assert_eq!(names(&now), ["thread-stalled", "answers-lost", "disk-low", "switch-tripped", "journal-lag"]);
        set(&mut now, "watchdog.utc_ns", 1);
        assert_eq!(names(&now)[0], "watchdog-silent");
        now.process = u64::MAX;
        assert_eq!(names(&now)[0], "venue-down");
    }

    #[test]
    fn every_alarm_is_in_the_handbook() {
        let source = include_str!("alarms.rs");
        let handbook = include_str!("../../../docs/operations.md");
        let named = source
            .split('"')
            .filter(|text| text.contains('-') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        let mut found = 0;
        for name in named {
            assert!(handbook.contains(&format!("### {name}\n")), "docs/operations.md has no section {name}");
            found += 1;
        }
        assert!(found >= 9);
    }
}
