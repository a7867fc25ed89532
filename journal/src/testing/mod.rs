//! A disk that fails, and the tortures that are done to a journal on it (feature `testing`). Everything follows from seeds.

mod full_disk;
mod sim_disk;
mod snapshot_damage;
mod torture;

pub use full_disk::full_disks;
pub use sim_disk::{Rng, SimDisk, SimFile, SimMap};
pub use snapshot_damage::{SnapshotFigures, every_page};
pub use torture::{Figures, every_bit, every_cut, failing_calls, power_cuts};
