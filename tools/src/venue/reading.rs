//! The state of a venue as its data directory tells it: a snapshot that fits, or none, and the journal behind it. Read-only;
//! works while the venue runs, and touches nothing of it.

use std::path::Path;

use anyhow::ensure;
use engine::core::Core;
use journal::{DataPaths, SnapshotStore, first_sequence};
use protocol::Sequence;

use crate::venue::recovery::Replica;
use crate::venue::restore_point::{self, RestorePoint};

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the first command; where that is archived, at the oldest snapshot.
    First,
    /// At the newest snapshot that is not beyond the end that is asked for; without one, as `First`.
    Newest,
    /// At the snapshot of this sequence.
    At(Sequence),
}

/// A replica that stands where the replay of `data_dir` begins, at or before `to`.
///
/// # Errors
/// No data directory; no such snapshot; or none, where the journal has lost its beginning.
pub fn replica(data_dir: &Path, begin: Begin, to: Option<Sequence>) -> anyhow::Result<Replica> {
    let paths = DataPaths::existing(data_dir)?;
    let begins_at = first_sequence(&paths.journal_dir())?.unwrap_or(Sequence(1));
    let mut replica = Replica::new();
    if begin == Begin::First && begins_at == Sequence(1) {
        return Ok(replica);
    }
    let is_within = |sequence: Sequence| to.is_none_or(|to| sequence <= to) && sequence.next() >= begins_at;
    match (snapshot(&paths, begin, is_within), begin) {
        (Some(point), _) => replica.go_on_at(point.core, point.hasher),
        (None, Begin::At(sequence)) => {
            anyhow::bail!(
                "no snapshot {sequence} can be begun at; `hft snapshot list` and `verify` say which there are"
            )
        }
        (None, Begin::First | Begin::Newest) => ensure!(
            begins_at == Sequence(1),
            "the journal begins at sequence {begins_at}, and no snapshot before the end that is asked for stands for what \
             is missing; move the archived segments back into the folder journal/"
        ),
    }
    Ok(replica)
}

/// The snapshot to begin at; `None` when there is none that this program can use.
fn snapshot(paths: &DataPaths, begin: Begin, is_within: impl Fn(Sequence) -> bool) -> Option<RestorePoint> {
    if !paths.snapshots().exists() {
        return None;
    }
    let store = SnapshotStore::open_read_only(&paths.snapshots()).ok()?;
    let mut sequences: Vec<Sequence> = store.list().ok()?.into_iter().map(|meta| meta.sequence).collect();
    match begin {
        Begin::First => sequences.reverse(),
        Begin::Newest => {}
        Begin::At(wanted) => sequences.retain(|sequence| *sequence == wanted),
    }
    let usable = |sequence| restore_point::decode(&store.snapshot(sequence).ok()?).ok();
    sequences.into_iter().filter(|sequence| is_within(*sequence)).find_map(usable)
}

/// A core at the end of the journal.
///
/// # Errors
/// No data directory, a damaged journal.
pub fn newest_state(data_dir: &Path) -> anyhow::Result<Core> {
    let mut replica = replica(data_dir, Begin::Newest, None)?;
    replica.replay(&data_dir.join("journal"), None, |_| Ok(()), |_, _| Ok(()))?;
    Ok(replica.core)
}
