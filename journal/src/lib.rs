//! Everything durable: the journal of commands ([`JournalWriter`], [`JournalReader`], [`verify`]), the streams of what was
//! sent ([`StreamWriter`], [`StreamReader`]), snapshots of the state ([`SnapshotStore`]) and the data directory they live in
//! ([`DataDir`]).
//!
//! Knows records and sequences, not books. The files are drawn in docs/journal-format.md.

mod backup;
mod chain;
mod data_dir;
mod error;
mod format;
mod mmap;
mod preparer;
mod reader;
mod recovery;
mod retention;
mod segment;
mod snapshots;
mod storage;
mod stream;
mod stream_index;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
mod verify;
mod writer;

pub use backup::{CopyError, JournalCopy, copy_journal};
pub use chain::{ChainError, ChainHash, ChainReport, check_chain, check_chain_on};
pub use data_dir::{DataDir, DataDirError, DataPaths};
pub use error::{
    AppendError, Damage, DamageKind, FileError, FlushError, JournalError, OpenJournalError, OpenWriterError,
};
pub use format::{
    BODY_BYTES_MAX, FORMAT_VERSION, HEADER_PAGE_BYTES, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN, SegmentHeader,
};
pub use mmap::{MapWindow, SegmentMap, free_bytes};
pub use preparer::{PreparerThread, PreparerWatch, SegmentPreparer};
pub use reader::{JournalReader, Record, first_sequence};
pub use retention::{OldSegments, ReleaseError, release_before};
pub use segment::about_last_sequence;
pub use snapshots::store::{
    Snapshot, SnapshotCheck, SnapshotError, SnapshotMeta, SnapshotReport, SnapshotRows, SnapshotStore,
};
pub use snapshots::tables::{AccountRow, BalanceRow, InstrumentRow, LimitRow, OrderRow, PositionRow, SessionRow};
pub use storage::{Disk, Storage, StorageFile, StorageMap};
pub use stream::{
    RebuildReport, STREAM_FIRST_STEP_BYTES, SameMessage, StreamConfig, StreamError, StreamPreparer, StreamReader,
    StreamWriter,
};
pub use verify::{VerifyError, VerifyReport, verify, verify_records};
pub use writer::{JournalConfig, JournalWriter};
