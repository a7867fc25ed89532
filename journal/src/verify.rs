//! Checks a whole journal: every byte of every segment is either what it should be, or reported.

use std::path::Path;
use std::thread;

use protocol::Sequence;

use crate::chain::{ChainError, ChainReport, check_chain};
use crate::error::{Damage, FileError, JournalError, OpenJournalError};
use crate::reader::JournalReader;
use crate::segment;
use crate::storage::Disk;

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// No damage. A torn tail is not damage.
    pub ok: bool,
    /// Segment files in the folder.
    pub segments: u64,
    /// Sequence of the first record: 1, unless what was before is archived. 0 for an empty journal.
    pub first_sequence: Sequence,
    /// Good records, from the first on; up to the damage when there is any.
    pub records: u64,
    /// Sequence of the last of them; 0 when there is none.
    pub last_sequence: Sequence,
    /// Bytes of the torn tail; 0 when there is none.
    pub torn_bytes: u64,
    /// The journal ends with a sealed segment: the venue was stopped in order.
    pub sealed: bool,
    /// The hash chain of the sealed segments; `None` when it was not asked for.
    pub chain: Option<ChainReport>,
    /// The first damage.
    pub damage: Option<Damage>,
}

/// Reads the journal in this folder from the oldest record to the end and, on a second thread, checks its hash chain. Works
/// while a venue writes it.
///
/// # Errors
/// When the folder is missing or a file cannot be read. Damage is not an error here.
pub fn verify(dir: &Path) -> Result<VerifyReport, VerifyError> {
    thread::scope(|scope| {
        let checking = scope.spawn(|| check_chain(dir));
        let mut report = verify_records(dir)?;
        let chain = checking.join().map_err(|_| VerifyError::Panicked)??;
        report.damage = report.damage.or_else(|| chain.damage.clone());
        report.ok = report.damage.is_none();
        report.sealed &= report.ok;
        report.chain = Some(chain);
        Ok(report)
    })
}

/// As [`verify`], without the hash chain: faster, and finds what a disk does, not what somebody did.
///
/// # Errors
/// As [`verify`].
pub fn verify_records(dir: &Path) -> Result<VerifyReport, VerifyError> {
    let mut report = verify_once(dir)?;
    // A venue that archives its old segments may have taken one from under the reader.
    for _ in 0..READS_MAX {
        if report.ok || crate::first_sequence(dir)?.is_none_or(|first| first == report.first_sequence) {
            break;
        }
        report = verify_once(dir)?;
    }
    Ok(report)
}

/// How often a journal is read again because segments were archived meanwhile.
const READS_MAX: usize = 3;

fn verify_once(dir: &Path) -> Result<VerifyReport, VerifyError> {
    let segments = segment::list(&Disk, dir)?;
    let first_sequence = crate::first_sequence(dir)?.unwrap_or(Sequence::ZERO);
    let mut reader = JournalReader::open_after(dir, Sequence(first_sequence.0.saturating_sub(1)))?;
    let mut records = 0;
    let damage = loop {
        match reader.next() {
            Ok(Some(_)) => records += 1,
            Ok(None) => break None,
            Err(JournalError::Damage(damage)) => break Some(damage),
            Err(JournalError::File(error)) => return Err(error.into()),
        }
    };
    Ok(VerifyReport {
        ok: damage.is_none(),
        segments: segments.len() as u64,
        first_sequence,
        records,
        last_sequence: reader.last_sequence(),
        torn_bytes: reader.torn_bytes(),
        sealed: damage.is_none() && reader.is_sealed(),
        chain: None,
        damage,
    })
}

/// Why a journal cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The folder is missing or cannot be listed.
    #[error(transparent)]
    Open(#[from] OpenJournalError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The check of the chain panicked, which it never should.
    #[error("the check of the hash chain panicked")]
    Panicked,
}

impl From<ChainError> for VerifyError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Open(error) => Self::Open(error),
            ChainError::File(error) => Self::File(error),
        }
    }
}
