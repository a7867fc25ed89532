//! Ports, feed and the helpers around them as agents of a thread: a bounded turn each, how they wait, and how they take the stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::runtime::agent::Agent;
use engine::runtime::counters::Counter;
use gateway_edge::{DropCopy, Edge, Feed, Mailbox, SnapshotAgent};

use crate::venue::fault::Fault;
use crate::venue::metrics::{EdgePublished, FeedPublished};
use crate::venue::ports::{StreamFileReader, StreamPreparers, VenueEdge, VenueFeed};
use crate::venue::running::Signals;

/// The order port as an agent: its two halves with the rest of the thread's agents between two turns.
pub(super) struct EdgeAgent {
    pub(super) edge: Edge<VenueEdge>,
    pub(super) published: EdgePublished,
    pub(super) sequence: Counter,
    pub(super) signals: Arc<Signals>,
    pub(super) stopped: bool,
}

impl Agent for EdgeAgent {
    fn name(&self) -> &'static str {
        "edge"
    }

    fn turn(&mut self) -> usize {
        if self.signals.stopping.load(Ordering::Relaxed) {
            if !self.stopped {
                self.edge.stop();
                self.stopped = true;
            }
            self.signals.edge_drained.store(self.edge.is_drained(), Ordering::Release);
        }
        let done = self.edge.send() + self.edge.receive(Duration::ZERO);
        if self.published.is_recording() {
            self.sequence.set(self.edge.last_sequence().0);
        }
        self.published.look(done, || self.edge.counters().values());
        done
    }

    fn wait(&mut self, limit: Duration) {
        if !self.edge.is_busy() {
            self.edge.receive(limit);
        }
    }
}

/// The feed as an agent.
pub(super) struct FeedAgent {
    pub(super) feed: Feed<VenueFeed>,
    pub(super) published: FeedPublished,
    pub(super) signals: Arc<Signals>,
    pub(super) fault: Arc<Fault>,
    pub(super) stopped: bool,
}

impl Agent for FeedAgent {
    fn name(&self) -> &'static str {
        "feed"
    }

    fn turn(&mut self) -> usize {
        if self.signals.stopping.load(Ordering::Relaxed) {
            if !self.stopped {
                self.feed.stop();
                self.stopped = true;
            }
            self.signals.feed_drained.store(self.feed.is_drained(), Ordering::Release);
        }
        if self.feed.is_failed() {
            self.fault
                .raise("the feed's stream takes no more messages; see streams.feed_mib_max and the free space".into());
        }
        let done = self.feed.turn(Duration::ZERO);
        self.published.look(done, || self.feed.counters().values());
        done
    }

    fn wait(&mut self, limit: Duration) {
        if !self.feed.is_busy() {
            self.feed.turn(limit);
        }
    }
}

/// The drop-copy port as an agent.
pub(super) struct DropCopyAgent {
    pub(super) port: DropCopy<VenueEdge>,
    pub(super) published: EdgePublished,
    pub(super) signals: Arc<Signals>,
}

impl Agent for DropCopyAgent {
    fn name(&self) -> &'static str {
        "drop copy"
    }

    fn turn(&mut self) -> usize {
        if self.signals.stopping.load(Ordering::Relaxed) {
            self.port.stop();
        }
        let done = self.port.turn(Duration::ZERO);
        self.published.look(done, || self.port.counters().values());
        done
    }

    fn wait(&mut self, limit: Duration) {
        if !self.port.is_busy() {
            self.port.turn(limit);
        }
    }
}

/// Snapshots of the displayed book, made off the feed's thread.
pub(super) struct SnapshotBookAgent(pub(super) SnapshotAgent<StreamFileReader>);

impl Agent for SnapshotBookAgent {
    fn name(&self) -> &'static str {
        "snapshot book"
    }

    fn turn(&mut self) -> usize {
        self.0.turn()
    }
}

/// Keeps room on the disk ahead of every stream, so that no hot thread asks for it.
pub(super) struct StreamRoomAgent {
    pub(super) streams: StreamPreparers,
    /// The last failure was told.
    pub(super) has_told: bool,
}

impl Agent for StreamRoomAgent {
    fn name(&self) -> &'static str {
        "stream room"
    }

    fn turn(&mut self) -> usize {
        let Ok(preparers) = self.streams.lock() else { return 0 };
        let (mut grown, mut failed) = (0, None);
        for (_, preparer) in preparers.iter() {
            match preparer.prepare_ahead() {
                Ok(has_grown) => grown += usize::from(has_grown),
                Err(error) => failed = Some(error),
            }
        }
        if let (Some(error), false) = (&failed, self.has_told) {
            tracing::error!(%error, "no room can be made in a stream");
        }
        self.has_told = failed.is_some();
        grown
    }
}

/// The directory document as a file of the data directory, for who asks no port: written anew when it has changed.
#[derive(Debug)]
pub(super) struct DirectoryFileAgent {
    pub(super) copies: Mailbox<String>,
    pub(super) path: PathBuf,
}

impl Agent for DirectoryFileAgent {
    fn name(&self) -> &'static str {
        "directory file"
    }

    fn turn(&mut self) -> usize {
        let Some(text) = self.copies.take() else { return 0 };
        // Whoever reads it finds the old one or the new one.
        let unfinished = self.path.with_extension("tmp");
        let written = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, &self.path));
        if let Err(error) = written {
            tracing::error!(%error, "{} is out of date", self.path.display());
        }
        1
    }
}
