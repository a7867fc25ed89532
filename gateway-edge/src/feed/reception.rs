//! What comes from those who are connected to the feed's port: requests, re-requests, closes.

use protocol::Nanos;
use protocol::moldudp64::{HEADER_BYTES, Header, Request};
use tungstenite::protocol::frame::coding::CloseCode;

use crate::doorway::Arrival;
use crate::feed::request::{Head, Path, Refusal, read_head};
use crate::feed::server::Feed;
use crate::feed::snapshot::Requester;
use crate::feed::subscriber::{Stage, Subscriber};
use crate::feed::websocket::{Heard, READ_BYTES_PER_TURN};
use crate::ports::{FeedTypes, StreamRead};

/// What a connection wants after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Another turn.
    Again,
    /// To wait for readiness.
    Wait,
    /// To be removed.
    Remove,
}

impl<T: FeedTypes> Feed<T> {
    /// Gives one connection its share of the turn.
    pub(crate) fn serve(&mut self, slot: usize, now: Nanos) -> After {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return After::Wait };
        subscriber.socket.begin_reading(READ_BYTES_PER_TURN);
        match subscriber.stage {
            Stage::Head => self.read_request(slot, now),
            Stage::Feed
            | Stage::Bbo { .. }
            | Stage::AwaitsSnapshot
            | Stage::GetsSnapshot
            | Stage::GetsDirectory
            | Stage::Ending { .. } => self.hear(slot, now),
            Stage::Lingering => {
                if !subscriber.socket.discard() {
                    After::Remove
                } else if subscriber.socket.is_readable() {
                    After::Again
                } else {
                    After::Wait
                }
            }
        }
    }

    fn read_request(&mut self, slot: usize, now: Nanos) -> After {
        let bytes_max = self.config.request_head_bytes_max;
        loop {
            let Some(subscriber) = self.subscribers.get_mut(slot) else { return After::Wait };
            match read_head(&subscriber.socket.pipe().ahead, bytes_max) {
                Head::Part => match subscriber.socket.read_ahead(bytes_max + 1) {
                    Ok(true) => {}
                    Ok(false) if subscriber.socket.is_readable() => return After::Again,
                    Ok(false) => return After::Wait,
                    Err(_) => return After::Remove,
                },
                Head::Refused(refusal) => {
                    self.refuse(slot, refusal, now);
                    return After::Again;
                }
                Head::Directory => {
                    let response = self.publisher.directory_response();
                    subscriber.outlet.send_frames(response);
                    subscriber.enter(Stage::GetsDirectory, now);
                    self.counters.directories += 1;
                    self.outbox.list(slot);
                    return After::Again;
                }
                Head::Upgrade { path: Path::Ouch, response, bytes } => {
                    subscriber.socket.pipe().ahead.drain(..bytes);
                    return self.hand_over(slot, response, now);
                }
                Head::Upgrade { path, response, bytes } => {
                    subscriber.socket.pipe().ahead.drain(..bytes);
                    match self.join(slot, path, now) {
                        Ok(()) => self.upgrade(slot, &response),
                        Err(refusal) => self.refuse(slot, refusal, now),
                    }
                    return After::Again;
                }
            }
        }
    }

    /// Gives a connection its place in the stream, or its place among those who wait for a snapshot.
    fn join(&mut self, slot: usize, path: Path, now: Nanos) -> Result<(), Refusal> {
        match path {
            Path::Itch { from } => {
                let stream = self.publisher.stream();
                let (end, next) = (stream.end(), stream.messages() + 1);
                let from = from.unwrap_or(next);
                let offset = if from <= next { stream.offset_of(from) } else { return Err(Refusal::BadRequest) };
                let offset = offset.ok_or(Refusal::Gone)?;
                let Some(subscriber) = self.subscribers.get_mut(slot) else { return Ok(()) };
                subscriber.enter(Stage::Feed, now);
                if from == self.framed_messages + 1 {
                    subscriber.outlet.join_live(&self.log);
                } else {
                    subscriber.outlet.join_at(from, offset, end);
                }
                self.followers.push(slot);
            }
            Path::Bbo => {
                let Some(subscriber) = self.subscribers.get_mut(slot) else { return Ok(()) };
                subscriber.enter(Stage::Bbo { seen: 0 }, now);
                self.watchers.push(slot);
                self.count_watchers();
            }
            // Dealt with before this.
            Path::Directory | Path::Ouch => return Err(Refusal::NotFound),
            Path::Glimpse => {
                if self.subscribers.iter().filter(|other| other.is_snapshot()).count() >= self.config.snapshots_max {
                    return Err(Refusal::Unavailable);
                }
                let Some(subscriber) = self.subscribers.get_mut(slot) else { return Ok(()) };
                let requester = Requester { slot, guest: subscriber.guest };
                self.link.requests.push(requester).map_err(|_| Refusal::Unavailable)?;
                subscriber.enter(Stage::AwaitsSnapshot, now);
            }
        }
        Ok(())
    }

    /// Hands a session over to the order port; from here on nothing is known of it.
    fn hand_over(&mut self, slot: usize, response: Vec<u8>, now: Nanos) -> After {
        let Some(doorway) = self.doorway.clone() else {
            self.refuse(slot, Refusal::NotFound, now);
            return After::Again;
        };
        let Some(subscriber) = self.release(slot) else { return After::Wait };
        let taken = doorway.hand_over(Arrival { socket: subscriber.socket, origin: subscriber.origin, response });
        self.counters.handed_over += u64::from(taken);
        After::Wait
    }

    fn upgrade(&mut self, slot: usize, response: &[u8]) {
        self.counters.upgrades += 1;
        if let Some(subscriber) = self.subscribers.get_mut(slot) {
            subscriber.is_upgraded = true;
            subscriber.socket.say(response);
        }
        self.outbox.list(slot);
    }

    fn refuse(&mut self, slot: usize, refusal: Refusal, now: Nanos) {
        self.counters.requests_refused += 1;
        if let Some(subscriber) = self.subscribers.get_mut(slot) {
            subscriber.socket.say(&refusal.response());
            subscriber.enter(Stage::Ending { answered: true }, now);
        }
        self.outbox.list(slot);
    }

    /// Hears what a WebSocket client has to say.
    fn hear(&mut self, slot: usize, now: Nanos) -> After {
        loop {
            let Some(subscriber) = self.subscribers.get_mut(slot) else { return After::Wait };
            if subscriber.is_deaf() {
                return if subscriber.socket.discard() { After::Wait } else { After::Remove };
            }
            if subscriber.outlet.is_full_of_repairs() {
                subscriber.is_held = true;
                return After::Wait;
            }
            let watches = matches!(subscriber.stage, Stage::Bbo { .. });
            let heard = subscriber.socket.hear();
            if subscriber.socket.has_control() {
                self.outbox.list(slot);
            }
            match heard {
                Heard::Nothing => return After::Wait,
                Heard::Share => return After::Again,
                Heard::Message(_) if watches => self.reproach(slot, CloseCode::Protocol, now),
                Heard::Message(message) => match <&[u8; HEADER_BYTES]>::try_from(&message[..]) {
                    Ok(request) => self.ask_again(slot, Header::read(request)),
                    Err(_) => self.reproach(slot, CloseCode::Protocol, now),
                },
                Heard::Wrong(code) => self.reproach(slot, code, now),
                Heard::Broken(code) => {
                    self.reproach(slot, code, now);
                    self.expect_nothing(slot);
                }
                Heard::Closing => self.end(slot, now),
                Heard::Ended => {
                    let Some(subscriber) = self.subscribers.get_mut(slot) else { return After::Wait };
                    if !matches!(subscriber.stage, Stage::Ending { .. }) {
                        return After::Remove;
                    }
                    if subscriber.is_spoken_out() || subscriber.socket.pipe().readiness.read_closed {
                        return After::Remove;
                    }
                    self.expect_nothing(slot);
                    self.outbox.list(slot);
                    return After::Wait;
                }
            }
        }
    }

    /// Takes a re-request; what cannot be answered is ignored silently.
    fn ask_again(&mut self, slot: usize, request: Header) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        let stream = self.publisher.stream();
        let messages = stream.messages();
        let served = Request::decode(&request.to_bytes()).is_ok_and(|_| request.session == self.publisher.session())
            && request.sequence <= messages
            && !subscriber.is_ending
            && stream.offset_of(request.sequence).is_some()
            && subscriber.stage == Stage::Feed;
        if served {
            let count = u64::from(request.count).min(messages + 1 - request.sequence);
            subscriber.outlet.repair(request.sequence, count);
            self.counters.rerequests += 1;
            self.outbox.list(slot);
        } else {
            self.counters.rerequests_ignored += 1;
        }
    }

    /// Closes because of what the client sent.
    fn reproach(&mut self, slot: usize, code: CloseCode, now: Nanos) {
        self.counters.protocol_violations += 1;
        if let Some(subscriber) = self.subscribers.get_mut(slot) {
            subscriber.socket.close(code, "");
        }
        self.end(slot, now);
    }

    /// Sends nothing more but the frame under way and what the WebSocket protocol still has to say.
    pub(crate) fn end(&mut self, slot: usize, now: Nanos) {
        self.outbox.list(slot);
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        if matches!(subscriber.stage, Stage::Ending { .. }) {
            return;
        }
        subscriber.outlet.finish(&self.log);
        subscriber.enter(Stage::Ending { answered: false }, now);
        self.forget_reader(slot);
    }

    /// Its answer to a close will not be waited for.
    fn expect_nothing(&mut self, slot: usize) {
        if let Some(Stage::Ending { answered }) = self.subscribers.get_mut(slot).map(|subscriber| &mut subscriber.stage)
        {
            *answered = true;
        }
    }

    /// Its last byte is out: says so, and waits for the peer to go.
    pub(crate) fn linger(subscriber: &mut Subscriber, now: Nanos) {
        subscriber.socket.pipe().socket.end();
        subscriber.enter(Stage::Lingering, now);
    }
}
