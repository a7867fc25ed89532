//! What can be wrong with a journal, for people: each message names the file and says what was expected and found.

use std::io;
use std::path::{Path, PathBuf};

use protocol::Sequence;

use crate::format::{FORMAT_VERSION, PageFault};

/// A place in the journal that is neither good nor a torn tail (docs/journal-format.md §2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: damaged at offset {offset}, where sequence {sequence} was expected: {kind}", file.display())]
pub struct Damage {
    /// The segment.
    pub file: PathBuf,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The sequence that was expected there.
    pub sequence: Sequence,
    /// What is wrong.
    pub kind: DamageKind,
}

/// What is wrong at a place of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// The file ends within the header page.
    #[error("the file ends within its header page")]
    HeaderCut,
    /// The header fails its checksum.
    #[error("the header fails its checksum")]
    HeaderChecksum,
    /// The file does not begin with the mark of a segment.
    #[error("the file is not a journal segment")]
    NotASegment,
    /// Written by another version of the format.
    #[error("format version {0}, but this program reads version {FORMAT_VERSION}")]
    Version(u32),
    /// A field of the header has an impossible value.
    #[error("impossible value in the header: {0}")]
    HeaderField(&'static str),
    /// A byte that must be zero is not.
    #[error("bytes that must be zero are not")]
    UnusedNotZero,
    /// The seal fails its checksum.
    #[error("the seal fails its checksum")]
    Seal,
    /// The records do not end where the seal says, or are not those that it counts.
    #[error(
        "the seal says {records} records up to sequence {last_sequence} and byte {end}, which is not what is there"
    )]
    NotAsSealed {
        /// End of the file according to the seal.
        end: u64,
        /// Last sequence according to the seal.
        last_sequence: u64,
        /// Count according to the seal.
        records: u64,
    },
    /// The bytes of a sealed segment are not those that were sealed.
    #[error("the hash chain does not match: the segment is not what was sealed")]
    Chain,
    /// A sealed segment was sealed on top of another one than the one before it.
    #[error("the hash chain does not follow from the segment before")]
    ChainBefore,
    /// A record fails its checksum although later ones are good, or in a sealed segment.
    #[error("the record fails its checksum and is not the torn end of the journal")]
    Record,
    /// A whole record of a kind that this version does not know.
    #[error("record of unknown kind {0}")]
    UnknownKind(u8),
    /// A whole record with another sequence than the next one.
    #[error("a record with sequence {found}")]
    OutOfSequence {
        /// The sequence it has.
        found: u64,
    },
    /// A whole record of another batch than the one that is due.
    #[error("a record of flush batch {found} where batch {expected} was due")]
    OtherBatch {
        /// The batch that was due.
        expected: u8,
        /// The batch it has.
        found: u8,
    },
    /// What should follow is not there, but a later segment is.
    #[error("records are missing here; the next segment begins with sequence {next}")]
    MissingSegment {
        /// First sequence of the next segment that exists.
        next: u64,
    },
    /// The segment belongs to another venue.
    #[error("the segment has the id of another venue")]
    OtherVenue,
    /// The segment is from an earlier start of the venue than the one before it.
    #[error("epoch {found} after epoch {before}")]
    Epoch {
        /// Epoch of the segment before.
        before: u64,
        /// Epoch of this one.
        found: u64,
    },
}

impl From<PageFault> for DamageKind {
    fn from(fault: PageFault) -> Self {
        match fault {
            PageFault::Checksum => Self::HeaderChecksum,
            PageFault::Magic => Self::NotASegment,
            PageFault::Version(version) => Self::Version(version),
            PageFault::Field(name) => Self::HeaderField(name),
            PageFault::Unused { .. } => Self::UnusedNotZero,
            PageFault::Seal => Self::Seal,
        }
    }
}

/// The operating system refused something.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot {action}: {source}", path.display())]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was tried.
    pub action: &'static str,
    /// Its answer.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: names the file and what was tried.
    pub(crate) fn at(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), action, source }
    }
}

/// Why a journal cannot be opened for reading.
#[derive(Debug, thiserror::Error)]
pub enum OpenJournalError {
    /// The folder does not exist.
    #[error("{}: there is no journal here; name the data directory of a venue", .0.display())]
    Missing(PathBuf),
    /// The folder cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why no further record can be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal is damaged here.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a journal cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum OpenWriterError {
    /// `segment_bytes` is not possible.
    #[error("segments of {0} bytes are not possible; a multiple of 4096 from 8192 to 17179869184 is")]
    SegmentBytes(u64),
    /// The journal ends elsewhere than the caller recovered to.
    #[error("the journal ends at sequence {end}, but recovery ended at {recovered}")]
    NotAtEnd {
        /// Last sequence in the files.
        end: Sequence,
        /// Where the caller is.
        recovered: Sequence,
    },
    /// The journal belongs to another venue than the configuration names.
    #[error("{}: the journal here has the id of another venue", .0.display())]
    OtherVenue(PathBuf),
    /// The folder is missing or cannot be read.
    #[error(transparent)]
    Open(#[from] OpenJournalError),
    /// The end of the journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a record was not appended; nothing was written. After `File` and `Failed` the writer takes no more.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The sequence is not the next one.
    #[error("sequence {found} cannot be appended, {expected} is next")]
    OutOfSequence {
        /// The next one.
        expected: Sequence,
        /// The one given.
        found: Sequence,
    },
    /// The body is empty, too long or not a multiple of 8.
    #[error("a body of {0} bytes cannot be appended; 8 to 1024 in steps of 8 are")]
    BodyBytes(usize),
    /// The next segment cannot be allocated or begun: most often, the disk is full.
    #[error(transparent)]
    File(#[from] FileError),
    /// A write or flush failed earlier; it is not repeated, as its outcome is unknown.
    #[error("the journal failed before; stop, repair the cause and start again")]
    Failed,
}

/// Why a flush did not succeed. The records since the last good one may or may not be on disk, and no later flush can
/// tell: stop.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// The disk answered with an error.
    #[error(transparent)]
    File(#[from] FileError),
    /// A write or flush failed earlier.
    #[error("the journal failed before; stop, repair the cause and start again")]
    Failed,
}
