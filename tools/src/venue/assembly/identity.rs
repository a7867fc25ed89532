//! Who this venue is: read from its journal, or made up when it is first opened; and the journal's writer, which writes it
//! into every segment.

use std::path::Path;

use anyhow::Context;
use journal::{DataPaths, JournalConfig, JournalReader, JournalWriter, PreparerThread};
use protocol::{CommandBody, Sequence, SessionName, record};

use super::MIB;
use crate::clock::utc_now;
use crate::config::{Config, DurabilityMode};
use crate::output::print_line;
use crate::venue::bootstrap;
use crate::venue::restore_point::RestorePoint;

/// Who this venue is: fixed when it is first opened.
pub(super) struct Identity {
    pub(super) venue_id: [u8; 16],
    pub(super) session: SessionName,
}

/// Why a start fails for which the snapshot is no good and the journal too short.
pub(super) fn beginning_is_gone(begins_at: Sequence) -> String {
    format!(
        "the journal begins at sequence {begins_at} and no snapshot can be used that covers what is before; move the archived \
         segments back into the folder journal/, or start from a backup"
    )
}

/// From the first record and the newest segment; from the snapshot where the first records are not kept; made up for an empty
/// journal.
pub(super) fn identity(journal_dir: &Path, point: Option<&RestorePoint>) -> anyhow::Result<Identity> {
    let mut reader = JournalReader::open_oldest(journal_dir)?;
    let first = reader.next()?;
    let sequence = first.map_or(Sequence(1), |first| first.sequence);
    let first = first.map(|first| record::decode(first.body)).transpose();
    let first = first.context("the first record of the journal is whole but no command")?;
    if sequence > Sequence(1) {
        let venue = point.and_then(|point| point.core.venue()).with_context(|| beginning_is_gone(sequence))?;
        let header = reader.newest_header().context("a record came from a segment without a header")?;
        return Ok(Identity { venue_id: header.venue_id, session: venue.session });
    }
    match (first, reader.newest_header()) {
        (Some(CommandBody::OpenVenue(open)), Some(header)) => {
            Ok(Identity { venue_id: header.venue_id, session: open.session })
        }
        (None, _) => {
            let now = utc_now();
            let seed = blake3::hash(format!("{} {} {}", now.0, std::process::id(), journal_dir.display()).as_bytes());
            let mut venue_id = [0; 16];
            venue_id.iter_mut().zip(seed.as_bytes()).for_each(|(place, byte)| *place = *byte);
            Ok(Identity { venue_id, session: bootstrap::session_name(now) })
        }
        (Some(other), _) => anyhow::bail!(
            "the journal in {} begins with {other:?}: expected the opening of a venue; it is no journal of this program",
            journal_dir.display()
        ),
    }
}

/// The journal, to go on behind `after`.
pub(super) fn open_writer(
    config: &Config,
    paths: &DataPaths,
    identity: &Identity,
    after: Sequence,
) -> anyhow::Result<JournalWriter> {
    let mut build_id = [0; 32];
    build_id.iter_mut().zip(concat!("hft ", env!("CARGO_PKG_VERSION")).bytes()).for_each(|(place, byte)| *place = byte);
    let journal = JournalConfig {
        segment_bytes: config.journal().segment_mib * MIB,
        venue_id: identity.venue_id,
        configuration_hash: config.hash(),
        build_id,
        created: utc_now(),
        flush_on_roll: config.durability == DurabilityMode::Fdatasync,
    };
    let writer = JournalWriter::open(&paths.journal_dir(), &journal, after)?;
    if writer.torn_bytes() > 0 {
        print_line(&format!("cut a torn tail of {} bytes: nothing of it was acknowledged", writer.torn_bytes()));
    }
    Ok(writer)
}

/// The thread that allocates its segments.
pub(super) fn spawn_preparer(config: &Config, writer: &JournalWriter) -> anyhow::Result<PreparerThread> {
    let preparer = writer.preparer();
    preparer.keep_free(config.journal().free_mib_min * MIB);
    preparer.spawn().context("cannot start the thread that allocates journal segments")
}
