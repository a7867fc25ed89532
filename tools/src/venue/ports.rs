//! The edge's ports over the real things: rings, cursors and stream files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_queue::ArrayQueue;
use engine::runtime::cursor::Cursor;
use engine::runtime::pipeline::{CommandPublisher, EventRingPoller};
use gateway_edge::clock::SystemClock;
use gateway_edge::notes::{self, Note};
use gateway_edge::{
    CommandPort, DurableCursor, EdgeTypes, EventPort, FeedTypes, Full, StreamFull, StreamRead, StreamStore, StreamWrite,
};
use journal::{RebuildReport, SameMessage, StreamConfig, StreamError, StreamPreparer, StreamReader, StreamWriter};
use protocol::{AccountId, AccountName, CommandBody, Event, Firm, Nanos, Sequence, SessionName};

use crate::venue::credentials::PasswordPort;
use crate::venue::fault::Fault;
use crate::venue::metrics::EdgeProbe;
use crate::venue::restore_point::StreamLengths;

/// The types of this venue's order port.
#[derive(Debug)]
pub struct VenueEdge;

impl EdgeTypes for VenueEdge {
    type Commands = RingCommands;
    type Events = RingEvents;
    type Durable = JournalCursor;
    type Clock = SystemClock;
    type Credentials = PasswordPort;
    type Store = StreamFiles;
    type Probe = EdgeProbe;
}

/// The types of this venue's feed.
#[derive(Debug)]
pub struct VenueFeed;

impl FeedTypes for VenueFeed {
    type Events = RingEvents;
    type Durable = JournalCursor;
    type Clock = SystemClock;
    type Stream = StreamFile;
}

/// The input ring.
#[derive(Debug)]
pub struct RingCommands {
    /// Its writer.
    pub publisher: CommandPublisher,
    /// Set while the disk is nearly full.
    pub refusing: Arc<AtomicBool>,
}

impl CommandPort for RingCommands {
    fn try_submit(&mut self, ingress: Nanos, body: &CommandBody) -> Result<Sequence, Full> {
        self.publisher.try_submit(ingress, body).map_err(|_| Full)
    }

    fn refuses_new_orders(&self) -> bool {
        self.refusing.load(Ordering::Relaxed)
    }

    fn is_nearly_full(&mut self) -> bool {
        self.publisher.is_nearly_full()
    }
}

/// The output ring, and how far the core is.
#[derive(Debug)]
pub struct RingEvents {
    /// A reader of its own.
    pub poller: EventRingPoller,
    /// Moved by the core's agent.
    pub applied: Arc<Cursor>,
}

impl EventPort for RingEvents {
    fn poll(&mut self, limit: usize, each: impl FnMut(&Event)) -> usize {
        self.poller.poll(limit as u64, each)
    }

    fn applied(&self) -> Sequence {
        self.applied.load()
    }
}

/// How far the journal is durable.
#[derive(Clone, Debug)]
pub struct JournalCursor(pub Arc<Cursor>);

impl DurableCursor for JournalCursor {
    fn durable(&self) -> Sequence {
        self.0.load()
    }
}

/// A stream file with its one writer.
#[derive(Debug)]
pub struct StreamFile {
    writer: StreamWriter,
    reader: StreamReader,
    fault: Arc<Fault>,
}

/// What a stream has from before.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Messages that a restore point says are there.
    pub messages: u64,
    /// When a message that is made again counts as the one that is there.
    pub same: SameMessage,
}

impl Kept {
    /// From its parts.
    pub fn of(messages: u64, same: SameMessage) -> Self {
        Self { messages, same }
    }
}

impl StreamFile {
    /// Opens or creates the file and begins its rebuild: recovery makes every message again but for those that are `kept`. A
    /// disk that takes no more is a `fault`.
    ///
    /// # Errors
    /// What [`StreamWriter::open`] says.
    pub fn open(path: &Path, config: &StreamConfig, kept: Kept, fault: &Arc<Fault>) -> Result<Self, StreamError> {
        let mut writer = StreamWriter::open(path, config)?;
        writer.begin_rebuild(kept.messages, kept.same)?;
        let reader = writer.reader();
        Ok(Self { writer, reader, fault: Arc::clone(fault) })
    }

    /// Ends the rebuild.
    ///
    /// # Errors
    /// What [`StreamWriter::end_rebuild`] says.
    pub fn end_rebuild(&mut self) -> Result<RebuildReport, StreamError> {
        self.writer.end_rebuild()
    }

    /// Messages in the file that the journal did not make again so far.
    pub fn unexplained_messages(&self) -> u64 {
        self.writer.unexplained_messages()
    }

    /// A reader for another thread.
    pub fn reader(&self) -> StreamFileReader {
        StreamFileReader(self.reader.clone())
    }

    /// Keeps room ahead, for a housekeeping thread.
    pub fn preparer(&self) -> StreamPreparer {
        self.writer.preparer()
    }
}

/// A reader of a stream file.
#[derive(Clone, Debug)]
pub struct StreamFileReader(StreamReader);

macro_rules! stream_read {
    ($name:ty, $reader:tt) => {
        impl StreamRead for $name {
            fn messages(&self) -> u64 {
                self.$reader.messages()
            }
            fn end(&self) -> u64 {
                self.$reader.end()
            }
            fn offset_of(&self, number: u64) -> Option<u64> {
                self.$reader.offset_of(number)
            }
            fn bytes(&self, from: u64, to: u64) -> &[u8] {
                self.$reader.bytes(from, to)
            }
        }
    };
}
stream_read!(StreamFile, reader);
stream_read!(StreamFileReader, 0);

impl StreamWrite for StreamFile {
    fn append(&mut self, framed: &[u8]) -> Result<(), StreamFull> {
        self.writer.append(framed).map_err(|error| {
            if let StreamError::File(error) = &error {
                self.fault.raise(format!("a stream cannot be written: {error}"));
            }
            // Otherwise it is full, which whoever appends tells.
            StreamFull
        })
    }
}

/// The handles with which a housekeeping thread keeps room in every stream, each with its session.
pub type StreamPreparers = Arc<Mutex<Vec<(SessionName, StreamPreparer)>>>;

/// The stream files of the accounts, one per login name; each session has a folder of its own.
#[derive(Debug)]
pub struct StreamFiles {
    /// Folder of the streams.
    pub dir: PathBuf,
    /// The venue, as in the journal.
    pub venue_id: [u8; 16],
    /// The most bytes the file of an account may come to.
    pub capacity_bytes: u64,
    /// The most bytes the file of a firm may come to.
    pub firm_capacity_bytes: u64,
    /// Where each new file is entered.
    pub preparers: StreamPreparers,
    /// Messages that a restore point says are there in its session, by the name of the file.
    pub keep: StreamLengths,
    /// The session of what is opened now.
    pub session: SessionName,
    /// Folders of ended sessions go at once: nothing is ever made again from them.
    pub forgets: bool,
    /// Recovery is done: what is opened now is new.
    pub is_live: Arc<AtomicBool>,
    /// Where a disk that takes no more is told.
    pub fault: Arc<Fault>,
}

/// Name of the feed's file.
pub const FEED_FILE: &str = "feed.stream";

/// Name of an account's file.
pub fn account_file(name: AccountName) -> String {
    format!("account-{}.stream", name.as_text())
}

/// Name of a firm's file.
pub fn firm_file(firm: Firm) -> String {
    format!("firm-{}.stream", firm.as_text())
}

impl StreamStore for StreamFiles {
    type Stream = StreamFile;
    type Reader = StreamFileReader;

    fn begin_session(&mut self, session: &SessionName) {
        if self.session != SessionName::BLANK && self.session != *session {
            self.keep.clear();
            if let Ok(mut preparers) = self.preparers.lock() {
                preparers.retain(|(of, _)| of == session);
            }
            if self.forgets {
                remove_sessions_before(&self.dir, *session);
            }
        }
        self.session = *session;
    }

    fn open_account(&mut self, _: AccountId, name: &AccountName, session: &SessionName) -> io::Result<StreamFile> {
        self.open(&account_file(*name), *session, self.capacity_bytes)
    }

    fn open_firm(&mut self, firm: &Firm, session: &SessionName) -> io::Result<Option<(StreamFile, StreamFileReader)>> {
        let file = self.open(&firm_file(*firm), *session, self.firm_capacity_bytes)?;
        let reader = file.reader();
        Ok(Some((file, reader)))
    }
}

impl StreamFiles {
    fn open(&self, file_name: &str, session: SessionName, capacity_bytes: u64) -> io::Result<StreamFile> {
        let mut config = StreamConfig::account(self.venue_id, session);
        config.capacity_bytes = capacity_bytes;
        let keep = self.keep.get(file_name).map_or(0, |length| length.messages);
        let kept = Kept::of(keep, same_but_for_live_times);
        let folder = session_folder(&self.dir, self.session)?;
        let mut file =
            StreamFile::open(&folder.join(file_name), &config, kept, &self.fault).map_err(io::Error::other)?;
        if self.is_live.load(Ordering::Acquire) {
            file.end_rebuild().map_err(io::Error::other)?;
        }
        if let Ok(mut preparers) = self.preparers.lock() {
            preparers.push((self.session, file.preparer()));
        }
        Ok(file)
    }
}

/// The folder of a session below that of the streams; made when it is not there.
///
/// # Errors
/// It cannot be made.
pub fn session_folder(dir: &Path, session: SessionName) -> io::Result<PathBuf> {
    let folder = dir.join(session.to_string().trim());
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Removes the folders of sessions before this one: names grow with time. What is mapped stays readable until it is let go.
pub fn remove_sessions_before(dir: &Path, session: SessionName) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let keep = session.to_string();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_older = name.to_str().is_some_and(|name| name.len() == keep.len() && name < keep.as_str());
        if is_older
            && entry.path().is_dir()
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            // Also on the thread that writes the streams.
            notes::hand_over(Note::SessionsNotRemoved(session, error.kind()));
        }
    }
}

/// Opens the feed's file of each session.
#[derive(Debug)]
pub struct FeedFiles {
    /// Folder of the streams.
    pub dir: PathBuf,
    /// The venue, as in the journal.
    pub venue_id: [u8; 16],
    /// The most bytes the file may come to.
    pub capacity_bytes: u64,
    /// Where each new file is entered.
    pub preparers: StreamPreparers,
    /// Readers of new files, for who makes snapshots of the displayed book.
    pub readers: Arc<ArrayQueue<StreamFileReader>>,
    /// Recovery is done: what is opened now is new.
    pub is_live: Arc<AtomicBool>,
    /// Where a disk that takes no more is told.
    pub fault: Arc<Fault>,
}

impl FeedFiles {
    /// Opens the file of a session, of which a restore point knows so many messages.
    ///
    /// # Errors
    /// What [`StreamFile::open`] says.
    pub fn open(&self, session: SessionName, kept: u64) -> io::Result<StreamFile> {
        let mut config = StreamConfig::feed(self.venue_id, session);
        config.capacity_bytes = self.capacity_bytes;
        let path = session_folder(&self.dir, session)?.join(FEED_FILE);
        let mut file =
            StreamFile::open(&path, &config, Kept::of(kept, |_, _| false), &self.fault).map_err(io::Error::other)?;
        if self.is_live.load(Ordering::Acquire) {
            file.end_rebuild().map_err(io::Error::other)?;
        }
        if let Ok(mut preparers) = self.preparers.lock() {
            preparers.push((session, file.preparer()));
        }
        // Sessions that came and went before anybody looked are of no interest any more.
        self.readers.force_push(file.reader());
        Ok(file)
    }
}

/// Two answers are the same when they differ at most in readings of the live clock (tags 221 to 223), which a replay
/// cannot make again.
pub fn same_but_for_live_times(existing: &[u8], rebuilt: &[u8]) -> bool {
    const LIVE_TIMES: std::ops::RangeInclusive<u8> = 221..=223;
    if existing == rebuilt {
        return true;
    }
    if existing.len() != rebuilt.len() {
        return false;
    }
    // An element is its length (9), its tag, and eight bytes: what differs must lie in such a value on both sides.
    let is_live_value = |at: usize| {
        (2..=9).any(|back| {
            at.checked_sub(back).is_some_and(|start| {
                [existing, rebuilt].iter().all(|bytes| {
                    bytes.get(start) == Some(&9) && bytes.get(start + 1).is_some_and(|tag| LIVE_TIMES.contains(tag))
                })
            })
        })
    };
    existing.iter().zip(rebuilt).enumerate().all(|(at, (old, new))| old == new || is_live_value(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_live_times_may_differ() {
        let message = |time: u8, rest: u8| [0, 14, b'S', b'C', rest, 9, 221, 0, 0, 0, 0, 0, 0, 0, time, 2, 28, 5];
        assert!(same_but_for_live_times(&message(0, 1), &message(7, 1)));
        assert!(!same_but_for_live_times(&message(0, 1), &message(7, 2)));
        assert!(!same_but_for_live_times(&message(0, 1), &message(0, 1)[..17]));
        let mut other_tag = message(0, 1);
        other_tag[6] = 220;
        let mut later = other_tag;
        later[14] = 9;
        assert!(!same_but_for_live_times(&other_tag, &later));
    }
}
