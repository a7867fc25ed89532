//! The state of a venue as its data directory tells it: the newest snapshot that fits, and the journal behind it. Read-only;
//! works while the venue runs, and touches nothing of it.

use std::path::Path;

use engine::core::Core;
use journal::{DataPaths, SnapshotStore};

use crate::venue::recovery::Replica;
use crate::venue::restore_point;

/// A core at the end of the journal. Its event hash is of no use: it may not have begun at the beginning.
///
/// # Errors
/// No data directory, a damaged journal.
pub fn newest_state(data_dir: &Path) -> anyhow::Result<Core> {
    let paths = DataPaths::existing(data_dir)?;
    let mut replica = Replica::new();
    if let Some(core) = from_snapshot(&paths) {
        replica.go_on_from(core);
    }
    replica.replay(&paths.journal_dir(), None, |_| Ok(()), |_, _| Ok(()))?;
    Ok(replica.core)
}

/// The newest snapshot's state; `None` when there is none that this program can use: then the journal tells all.
fn from_snapshot(paths: &DataPaths) -> Option<Core> {
    if !paths.snapshots().exists() {
        return None;
    }
    let store = SnapshotStore::open_read_only(&paths.snapshots()).ok()?;
    let snapshot = store.newest_valid().ok()??;
    let core = Core::decode_state(restore_point::core_state(&snapshot)?).ok()?;
    (core.state_hash() == snapshot.meta.state_hash).then_some(core)
}
