//! Streams that only count: with them the follower makes every answer and feed message again, and knows how many there were at
//! its snapshot, without a file.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gateway_edge::ports::{StreamFull, StreamRead, StreamStore, StreamWrite};
use protocol::{AccountId, AccountName, Firm, SessionName};

use crate::venue::ports::{account_file, firm_file};
use crate::venue::restore_point::{StreamLength, StreamLengths};

/// What a stream has come to. One writer; Relaxed, as all is read on the writer's thread.
#[derive(Debug, Default)]
struct Count {
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// A stream of numbers.
#[derive(Clone, Debug, Default)]
pub struct CountedStream(Arc<Count>);

impl StreamRead for CountedStream {
    fn messages(&self) -> u64 {
        self.0.messages.load(Ordering::Relaxed)
    }
    fn end(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
    fn offset_of(&self, _: u64) -> Option<u64> {
        None
    }
    fn bytes(&self, _: u64, _: u64) -> &[u8] {
        &[]
    }
}

impl StreamWrite for CountedStream {
    fn append(&mut self, framed: &[u8]) -> Result<(), StreamFull> {
        self.0.messages.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(framed.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// All streams of a venue, by the names of their files.
#[derive(Clone, Debug)]
pub struct CountedStreams {
    begin: Arc<StreamLengths>,
    opened: Arc<Mutex<BTreeMap<String, (SessionName, CountedStream)>>>,
}

impl CountedStreams {
    /// Streams that begin with these lengths; all others empty.
    pub fn from(begin: StreamLengths) -> Self {
        Self { begin: Arc::new(begin), opened: Arc::default() }
    }

    /// The stream of this file; of a further session when it was opened before.
    pub fn open(&self, file: String, session: SessionName) -> CountedStream {
        let stream = CountedStream::default();
        let Ok(mut opened) = self.opened.lock() else { return stream };
        if !opened.contains_key(&file) {
            let StreamLength { messages, bytes } = self.begin.get(&file).copied().unwrap_or_default();
            stream.0.messages.store(messages, Ordering::Relaxed);
            stream.0.bytes.store(bytes, Ordering::Relaxed);
        }
        opened.insert(file, (session, stream.clone()));
        stream
    }

    /// File, session and length of each stream now.
    pub fn all(&self) -> Vec<(String, SessionName, StreamLength)> {
        let Ok(opened) = self.opened.lock() else { return Vec::new() };
        let lengths = opened.iter().map(|(file, (session, stream))| {
            (file.clone(), *session, StreamLength { messages: stream.messages(), bytes: stream.end() })
        });
        lengths.collect()
    }
}

impl StreamStore for CountedStreams {
    type Stream = CountedStream;
    type Reader = CountedStream;

    fn open_account(&mut self, _: AccountId, name: &AccountName, session: &SessionName) -> io::Result<CountedStream> {
        Ok(self.open(account_file(*name), *session))
    }

    fn open_firm(&mut self, firm: &Firm, session: &SessionName) -> io::Result<Option<(CountedStream, CountedStream)>> {
        let stream = self.open(firm_file(*firm), *session);
        Ok(Some((stream.clone(), stream)))
    }
}
