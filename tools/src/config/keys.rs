//! The words that some keys take.

use serde::{Deserialize, Serialize};

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

/// How the hot agents share a cpu where there are fewer than four cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum SharingKey {
    /// As `hft topology --measure` found it faster; in turns until then.
    Auto,
    /// In turns on one thread.
    Turns,
    /// As threads that yield to each other.
    Yield,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
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
