//! What leaves the feed's port: each subscriber that has something due is written to once per turn, and ended once it has got all.

use std::sync::atomic::Ordering;

use protocol::Nanos;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::clock::passed;
use crate::feed::outlet::Sources;
use crate::feed::server::Feed;
use crate::feed::subscriber::Stage;
use crate::outbox::{Outbox, Writes};
use crate::ports::{FeedTypes, StreamRead};

impl<T: FeedTypes> Writes for Feed<T> {
    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Writes to one subscriber what is due; one that is too far behind is cut.
    fn write(&mut self, slot: usize, now: Nanos) {
        self.refill(slot);
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        let ended = self.publisher.ended().filter(|_| subscriber.is_ending);
        let (session, stream) = ended.unwrap_or((self.publisher.session(), self.publisher.stream()));
        if subscriber.outlet.backlog(&self.log, stream.end()) > self.config.backlog_bytes_max {
            self.counters.slow_subscribers_cut += 1;
            subscriber.socket.close(CloseCode::Policy, "too slow");
            self.end(slot, now);
            return;
        }
        if !subscriber.socket.pipe().readiness.writable {
            return;
        }
        let is_old = subscriber.outlet.is_old() || subscriber.stage == Stage::GetsSnapshot;
        let old_left = self.outbox.old_left();
        if is_old && old_left == 0 {
            return self.outbox.list(slot);
        }
        let sources = Sources { log: &self.log, stream, session, packet_bytes_max: self.config.packet_bytes_max };
        let limit = self.config.write_bytes_per_turn as u64;
        let limit = if is_old { limit.min(old_left) } else { limit };
        let Ok(written) = subscriber.outlet.write(&mut subscriber.socket, &sources, limit) else {
            self.remove(slot);
            return;
        };
        self.counters.bytes_out += written.bytes;
        self.counters.writes += written.calls;
        if is_old {
            self.outbox.spend_old(written.bytes);
        }
        if written.bytes > 0 && matches!(subscriber.stage, Stage::GetsSnapshot | Stage::GetsDirectory) {
            subscriber.since = now;
        }
        if subscriber.is_held && !subscriber.outlet.is_full_of_repairs() {
            subscriber.is_held = false;
            if !subscriber.in_ready {
                subscriber.in_ready = true;
                self.ready.push_back(slot);
            }
        }
        if written.more && is_old {
            self.outbox.list_last(slot);
        } else if written.more {
            self.outbox.list(slot);
        } else {
            self.after_writing(slot, now);
        }
    }
}

impl<T: FeedTypes> Feed<T> {
    pub(super) fn hand_out_snapshots(&mut self, now: Nanos) -> usize {
        let mut handed_out = 0;
        while let Some((requester, frames)) = self.link.finished.pop() {
            handed_out += 1;
            let Some(subscriber) = self.subscribers.get_mut(requester.slot) else { continue };
            if subscriber.guest == requester.guest && subscriber.stage == Stage::AwaitsSnapshot {
                subscriber.outlet.send_frames(frames);
                subscriber.enter(Stage::GetsSnapshot, now);
                self.outbox.list(requester.slot);
            }
        }
        handed_out
    }

    /// Takes quotes that changed, and lets those who wait for one have it.
    pub(super) fn quote(&mut self, now: Nanos) -> usize {
        let changed = self.bbo.take();
        let silent = passed(self.quoted_at, now, self.config.heartbeat_ms);
        if !changed && !silent {
            return 0;
        }
        self.quoted_at = now;
        for index in 0..self.watchers.len() {
            let Some(&slot) = self.watchers.get(index) else { break };
            if silent
                && !changed
                && let Some(subscriber) = self.subscribers.get_mut(slot).filter(|watcher| watcher.outlet.is_idle())
            {
                subscriber.outlet.send_frames(self.bbo.heartbeat(self.publisher.session()));
            }
            self.outbox.list(slot);
        }
        usize::from(changed)
    }

    /// Gives one who follows the top of the books what it has not seen, once it has got what it was sent before.
    pub(super) fn refill(&mut self, slot: usize) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        if let Stage::Bbo { seen } = &mut subscriber.stage
            && *seen < self.bbo.version()
            && subscriber.outlet.is_idle()
        {
            subscriber.outlet.send_frames(self.bbo.frames_since(*seen, self.publisher.session()));
            *seen = self.bbo.version();
        }
    }

    /// It gets no frames of the feed or of quotes any more.
    pub(crate) fn forget_reader(&mut self, slot: usize) {
        self.followers.retain(|&follower| follower != slot);
        self.watchers.retain(|&watcher| watcher != slot);
        self.count_watchers();
    }

    pub(crate) fn count_watchers(&self) {
        self.bbo.link.watchers.store(self.watchers.len(), Ordering::Relaxed);
    }

    /// Ends those who have got everything that was due to them.
    pub(super) fn after_writing(&mut self, slot: usize, now: Nanos) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        if !subscriber.is_spoken_out() {
            return;
        }
        match subscriber.stage {
            Stage::GetsSnapshot => {
                self.counters.snapshots += 1;
                subscriber.socket.close(CloseCode::Normal, "");
                self.end(slot, now);
            }
            Stage::GetsDirectory | Stage::Ending { answered: true } => Self::linger(subscriber, now),
            // What changed while it was being written is there at once.
            Stage::Bbo { seen } if seen < self.bbo.version() => self.outbox.list(slot),
            Stage::Feed if subscriber.is_ending => {
                self.counters.sessions_ended += 1;
                subscriber.socket.close(CloseCode::Normal, "");
                self.end(slot, now);
            }
            Stage::Head
            | Stage::Feed
            | Stage::Bbo { .. }
            | Stage::AwaitsSnapshot
            | Stage::Ending { .. }
            | Stage::Lingering => {}
        }
    }
}
