//! `hft replay --serve`: a recorded day on the WebSocket port, as if it were live. The same feed as the venue's, fed by a core that
//! replays; what is served goes into a file that is removed at the end. The data directory is only read.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use crossbeam_queue::ArrayQueue;
use engine::core::EventBuffer;
use engine::runtime::cursor::Cursor;
use engine::runtime::pipeline::{EventPublisher, EventRingPoller, output_ring};
use gateway_edge::clock::SystemClock;
use gateway_edge::{Feed, FeedPorts, Publisher, SnapshotAgent};
use journal::{JournalReader, StreamConfig};
use protocol::{Nanos, Sequence, SessionName};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::config::Config;
use crate::output::{hex, print_line};
use crate::venue::assembly::feed_config;
use crate::venue::fault::Fault;
use crate::venue::pace::Pace;
use crate::venue::ports::{FEED_FILE, JournalCursor, Kept, RingEvents, StreamFile, StreamFileReader, VenueFeed};
use crate::venue::reading::{self, Begin};
use crate::venue::recovery::{Commands, Replica};

/// Events between the core and the feed.
const RING: usize = 1 << 14;
/// How long one wait for anything takes at the most: how soon a signal is seen.
const LOOK: Duration = Duration::from_millis(20);

/// Serves until SIGINT or SIGTERM; says so when the record has come to its end.
///
/// # Errors
/// The journal cannot be read, the port not be listened on, the temporary file not be written.
pub fn run(config: &Config, data_dir: &Path, to: Option<Sequence>, pace: Pace) -> anyhow::Result<ExitCode> {
    let asked_to_stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&asked_to_stop)).context("cannot watch for signals")?;
    }
    let folder = std::env::temp_dir().join(format!("hft-replay-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let record = Record { data_dir, to };
    let served = serve(config, &record, &folder, pace, &asked_to_stop);
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    served.map(|()| ExitCode::SUCCESS)
}

/// What is played.
struct Record<'a> {
    data_dir: &'a Path,
    to: Option<Sequence>,
}

/// The core's side.
struct Playing<'a> {
    replica: Replica,
    commands: Commands,
    pace: Pace,
    events: EventPublisher,
    /// The places of readers that a replay has not.
    unread: [EventRingPoller; 2],
    applied: Arc<Cursor>,
    durable: Arc<Cursor>,
    stop: &'a AtomicBool,
}

fn serve(config: &Config, record: &Record<'_>, folder: &Path, pace: Pace, stop: &AtomicBool) -> anyhow::Result<()> {
    let journal_dir = record.data_dir.join("journal");
    let replica = reading::replica(record.data_dir, Begin::First, record.to)?;
    let from = replica.core.last_sequence();
    // The readers of the files of further sessions, for who makes snapshots: the last one counts.
    let readers = Arc::new(ArrayQueue::new(1));
    let mut publisher = publisher(config, &journal_dir, folder, &readers)?;
    let reader = publisher.stream_mut().reader();
    let (events, [feed_events, first, second]) = output_ring(RING);
    let (applied, durable) = (Arc::new(Cursor::new(from)), Arc::new(Cursor::new(from)));
    let ports = FeedPorts {
        events: RingEvents { poller: feed_events, applied: Arc::clone(&applied) },
        durable: JournalCursor(Arc::clone(&durable)),
        clock: SystemClock::new(),
    };
    let mut feed: Feed<VenueFeed> = Feed::new(feed_config(config), ports, publisher)?;
    let mut snapshots = feed.snapshot_agent(reader);
    snapshots.follow_next(readers);
    let commands = Commands::open(&journal_dir, from, record.to)?;
    let playing = Playing { replica, commands, pace, events, unread: [first, second], applied, durable, stop };
    print_line(&format!("serving {} on ws://{}/itch and /glimpse", journal_dir.display(), config.feed_address));
    std::thread::scope(|scope| {
        let player = scope.spawn(move || {
            let played = playing.run();
            if played.is_err() {
                stop.store(true, Ordering::Release);
            }
            played
        });
        let book = scope.spawn(|| keep_book(&mut snapshots, stop));
        while !stop.load(Ordering::Relaxed) && !feed.is_failed() {
            feed.turn(if feed.is_busy() { Duration::ZERO } else { Duration::from_millis(1) });
        }
        stop.store(true, Ordering::Release);
        drop(book.join());
        player.join().map_err(|_| anyhow::anyhow!("the replay panicked"))?
    })
}

/// The feed's stream in files of its own, one per session; those that are opened on the way have a reader in `readers`.
fn publisher(
    config: &Config,
    journal_dir: &Path,
    folder: &Path,
    readers: &Arc<ArrayQueue<StreamFileReader>>,
) -> anyhow::Result<Publisher<StreamFile>> {
    let mut reader = JournalReader::open_oldest(journal_dir)?;
    reader.next()?;
    let venue_id = reader.newest_header().map(|header| header.venue_id).context("the journal is empty")?;
    let capacity_bytes = config.streams().feed_mib_max << 20;
    let (folder, fault) = (folder.to_owned(), Arc::new(Fault::default()));
    let open = move |session: SessionName| {
        let mut stream = StreamConfig::feed(venue_id, session);
        stream.capacity_bytes = capacity_bytes;
        let path = folder.join(format!("{session}-{FEED_FILE}"));
        let opened = StreamFile::open(&path, &stream, Kept::of(0, |_, _| false), &fault);
        let mut file = opened.map_err(std::io::Error::other)?;
        file.end_rebuild().map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(file)
    };
    let first = open(SessionName::BLANK).context("cannot make the file that is served")?;
    let readers = Arc::clone(readers);
    Ok(Publisher::new(first).with_next(move |session| {
        let file = open(session)?;
        readers.force_push(file.reader());
        Ok(file)
    }))
}

fn keep_book(snapshots: &mut SnapshotAgent<StreamFileReader>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        if snapshots.turn() == 0 {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl Playing<'_> {
    /// Plays to the end, and says so.
    fn run(mut self) -> anyhow::Result<()> {
        let mut buffer = EventBuffer::default();
        let mut batch = Vec::new();
        loop {
            batch.clear();
            self.commands.read(&mut batch, 256)?;
            for command in &batch {
                if !self.wait_for(command.ingress) {
                    return Ok(());
                }
                self.replica.core.apply(command, &mut buffer);
                buffer.as_slice().iter().for_each(|event| self.replica.hasher.push(event));
                if !self.publish(buffer.as_slice()) {
                    return Ok(());
                }
                buffer.clear();
                self.applied.store(command.sequence);
                self.durable.store(command.sequence);
                if buffer.capacity() < self.events_max() {
                    buffer = EventBuffer::new(self.orders_per_command_max());
                }
            }
            if batch.is_empty() {
                break;
            }
        }
        let (last, hash) = (self.replica.core.last_sequence().0, hex(&self.replica.hasher.finish()));
        print_line(&json!({ "at_the_end": true, "last_sequence": last, "event_hash": hash }).to_string());
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::park_timeout(LOOK);
        }
        Ok(())
    }

    fn orders_per_command_max(&self) -> usize {
        self.replica.core.venue().map_or(0, |venue| venue.orders_per_command_max as usize)
    }

    fn events_max(&self) -> usize {
        engine::core::events_per_command_max(self.orders_per_command_max())
    }

    /// False when it is asked to stop meanwhile.
    fn wait_for(&mut self, ingress: Nanos) -> bool {
        loop {
            let wait = self.pace.wait(ingress);
            if wait.is_zero() || self.stop.load(Ordering::Relaxed) {
                return wait.is_zero();
            }
            std::thread::park_timeout(wait.min(LOOK));
        }
    }

    /// Hands the events to the feed; waits while that is behind. False when it is asked to stop meanwhile.
    fn publish(&mut self, events: &[protocol::Event]) -> bool {
        let mut at = 0;
        while at < events.len() {
            at += self.events.try_publish(events.get(at..).unwrap_or_default(), || Nanos(0));
            for poller in &mut self.unread {
                poller.poll(u64::MAX, |_| {});
            }
            if at < events.len() {
                if self.stop.load(Ordering::Relaxed) {
                    return false;
                }
                std::thread::yield_now();
            }
        }
        true
    }
}
