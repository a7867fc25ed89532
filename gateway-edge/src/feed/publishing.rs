//! What the feed sends to all: events whose commands are durable become messages of its stream, and these become frames, made once
//! for all subscribers and for UDP.

use std::sync::Arc;

use protocol::moldudp64::{HEADER_BYTES, Header, MESSAGES_MAX};
use protocol::{EventBody, Nanos, SessionName};

use crate::clock::passed;
use crate::feed::frame_log::packet_of;
use crate::feed::server::Feed;
use crate::feed::subscriber::Stage;
use crate::notes::{self, Note};
use crate::pending::Filled;
use crate::ports::{DurableCursor, FeedTypes, StreamRead};

impl<T: FeedTypes> Feed<T> {
    /// Publishes every event that may leave, makes the frames, and lists those who follow for writing.
    pub(super) fn publish(&mut self, now: Nanos) -> usize {
        if self.is_failed {
            return 0;
        }
        let filled = self.pending.fill(&mut self.ports.events, self.config.events_per_turn);
        let durable = self.ports.durable.durable();
        let mut published = 0;
        // Frames of one turn are bounded by the events of one turn, also when many waited for the journal.
        while published < self.config.events_per_turn
            && let Some(event) = self.pending.pop(durable)
        {
            published += 1;
            let rolls = matches!(event.body, EventBody::SessionRolled { .. });
            if rolls {
                self.make_frames(now);
            }
            if self.publisher.publish(&event).is_err() {
                notes::hand_over(Note::FeedStopped(event.sequence));
                self.is_failed = true;
                break;
            }
            if rolls {
                self.end_session(now);
            }
        }
        self.has_more_events = filled == Filled::Share || published == self.config.events_per_turn;
        self.counters.events += published as u64;
        let before = self.log.end();
        self.make_frames(now);
        if self.log.end() > before {
            for index in 0..self.followers.len() {
                let Some(&slot) = self.followers.get(index) else { break };
                self.outbox.list(slot);
            }
        }
        published
    }

    /// The session was ended, and a new one begins: who follows gets what is left, the end of session, and a close. Who has not got
    /// all of the one before is cut.
    #[cold]
    pub(super) fn end_session(&mut self, now: Nanos) {
        let ended = self.publisher.ended().map_or(SessionName::BLANK, |(session, _)| session);
        let header = Header::end_of_session(ended, self.framed_messages + 1);
        let from = self.log.end();
        self.log.push(header, &[]);
        if let Some(udp) = &mut self.udp {
            udp.end_session(header, now);
        }
        let ending: Arc<[u8]> = self.log.slices(from, self.log.end()).concat().into();
        for slot in 0..self.subscribers.len() {
            let Some(subscriber) = self.subscribers.get_mut(slot).filter(|found| found.stage == Stage::Feed) else {
                continue;
            };
            if subscriber.is_ending {
                self.counters.slow_subscribers_cut += 1;
                self.remove(slot);
                continue;
            }
            subscriber.is_ending = true;
            subscriber.outlet.end_session(&self.log, &ending);
            self.outbox.list(slot);
        }
        self.followers.clear();
        (self.framed_messages, self.framed_bytes) = (0, 0);
        self.framed_at = now;
    }

    /// Packs the messages that are not in frames yet; a heartbeat when there was nothing for long.
    pub(super) fn make_frames(&mut self, now: Nanos) {
        let stream = self.publisher.stream();
        let session = self.publisher.session();
        let (messages, end) = (stream.messages(), stream.end());
        let room = self.config.packet_bytes_max - HEADER_BYTES;
        while self.framed_messages < messages {
            let left = messages - self.framed_messages;
            let blocks = stream.bytes(self.framed_bytes, end.min(self.framed_bytes + room as u64));
            let whole = u16::try_from(left)
                .ok()
                .filter(|&left| left <= MESSAGES_MAX && self.framed_bytes + blocks.len() as u64 == end);
            let (bytes, count) = whole.map_or_else(|| packet_of(blocks, room, left), |left| (blocks.len(), left));
            assert!(count > 0, "the feed's stream ends within message {}", self.framed_messages + 1);
            let header = Header { session, sequence: self.framed_messages + 1, count };
            self.log.push(header, blocks.get(..bytes).unwrap_or_default());
            self.framed_messages += u64::from(count);
            self.framed_bytes += bytes as u64;
            self.framed_at = now;
            self.counters.messages += u64::from(count);
            self.counters.packets += 1;
        }
        if passed(self.framed_at, now, self.config.heartbeat_ms) {
            self.log.push(Header::heartbeat(session, self.framed_messages + 1), &[]);
            self.framed_at = now;
        }
    }

    /// Sends by UDP what is new, and answers who asks again.
    pub(super) fn serve_udp(&mut self, now: Nanos) -> usize {
        let Some(udp) = &mut self.udp else { return 0 };
        let current = (self.publisher.session(), self.publisher.stream());
        let sessions = [current, self.publisher.ended().unwrap_or(current)];
        udp.tell_end(now, &mut self.counters);
        udp.send(&self.log, &mut self.counters) + udp.answer(&sessions, now, &mut self.counters)
    }
}
