//! The drop-copy port: a firm's read-only view of everything its accounts are told, from the firm's own stream. One
//! housekeeping thread's work, turn by turn; it reads streams that the order port writes, and touches nothing else of it.
//!
//! The session rules are those of the order port, but for messages of a client: who sends one here believes that it is
//! taken, so the connection is closed.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::soupbin::{Cut, END_OF_SESSION, LoginAccepted, LoginRejectReason, LoginRequest};
use protocol::{AccountId, Nanos, SessionName};

use crate::clock::{Ratchet, millis, passed};
use crate::config::EdgeConfig;
use crate::connection::{Connection, Fill, State, Wrote};
use crate::counters::EdgeCounters;
use crate::limits::{Origins, Rate};
use crate::login::{self, Desk, Judged};
use crate::mailbox::Mailbox;
use crate::ports::{Credentials as _, EdgeTypes, StreamRead, StreamStore};
use crate::reactor::{OpenError, Reactor, WakeHandle, register};
use crate::roster::SharedRoster;
use crate::session::{self, Ending, Step};
use crate::slots::Slots;
use crate::table::NoPlace;
use crate::wire::TlsSwitch;

type Reader<T> = <<T as EdgeTypes>::Store as StreamStore>::Reader;

/// One connection, and after its login the stream it follows.
struct Guest<R> {
    connection: Connection,
    reader: Option<R>,
    session: SessionName,
}

/// The drop-copy port.
pub struct DropCopy<T: EdgeTypes> {
    /// Those of its fields that are about connections.
    config: EdgeConfig,
    time: T::Clock,
    credentials: T::Credentials,
    roster: SharedRoster<Reader<T>>,
    clock: Ratchet,
    guests: Slots<Guest<Reader<T>>>,
    origins: Origins,
    guests_so_far: u64,
    mailbox: Mailbox<EdgeConfig>,
    tls: TlsSwitch,
    ready: VecDeque<usize>,
    counters: EdgeCounters,
    next_scan: Nanos,
    /// Sessions whose end was seen.
    sessions_ended: u64,
    reactor: Reactor,
}

impl<T: EdgeTypes> DropCopy<T> {
    /// Binds the port. `roster` is that of the order port's reporter; of `config` what concerns connections is used.
    ///
    /// # Errors
    /// [`OpenError`] naming the address.
    pub fn new(
        config: EdgeConfig,
        time: T::Clock,
        credentials: T::Credentials,
        roster: SharedRoster<Reader<T>>,
    ) -> Result<Self, OpenError> {
        let reactor = Reactor::open(config.listen)?;
        let clock = Ratchet::new(&time);
        Ok(Self {
            guests: Slots::new(config.connections_max),
            origins: Origins::new(config.connections_max),
            guests_so_far: 0,
            mailbox: Mailbox::new(),
            tls: TlsSwitch::default(),
            ready: VecDeque::with_capacity(2 * config.connections_max),
            counters: EdgeCounters::default(),
            next_scan: clock.last(),
            sessions_ended: roster.sessions_ended(),
            config,
            time,
            credentials,
            roster,
            clock,
            reactor,
        })
    }

    /// One turn: waits at most `wait` for readiness (zero: only looks), accepts, reads, and writes what is new. Answers how
    /// much was done; 0 = nothing. New messages wake nobody: they are found at the next turn.
    pub fn turn(&mut self, wait: Duration) -> usize {
        let wait = if self.is_busy() { Duration::ZERO } else { wait.min(Duration::from_nanos(self.scan_ns())) };
        let Self { reactor, guests, ready, .. } = self;
        let mut done = reactor.wait(wait, |slot, event| {
            let Some(Guest { connection, .. }) = guests.get_mut(slot) else { return };
            connection.readiness.note(event);
            if connection.readiness.readable && !connection.in_ready {
                connection.in_ready = true;
                ready.push_back(slot);
            }
        });
        let now = self.clock.read(&self.time);
        if self.reactor.is_listening() {
            done += self.accept(now);
        }
        for _ in 0..self.ready.len() {
            let Some(slot) = self.ready.pop_front() else { break };
            done += 1;
            let again = self.serve(slot, now);
            if let Some(Guest { connection, .. }) = self.guests.get_mut(slot) {
                connection.in_ready = again;
                if again {
                    self.ready.push_back(slot);
                }
            }
        }
        let scans = now >= self.next_scan;
        if scans {
            self.next_scan = Nanos(now.0 + self.scan_ns());
        }
        if scans {
            self.origins.forget(now);
            if let Some(new) = self.mailbox.take() {
                self.config.adopt(&new);
            }
        }
        done += self.hear_verdicts(now) + self.end_sessions();
        for slot in 0..self.guests.len() {
            if scans && self.is_overdue(slot, now) {
                self.remove(slot);
            }
            done += self.go_on_with_login(slot, now) + self.write(slot, now);
        }
        done
    }

    /// True when the next turn does not wait.
    pub fn is_busy(&self) -> bool {
        !self.ready.is_empty() || self.reactor.is_busy()
    }

    /// Takes no more connections; those that are there go on.
    pub fn stop(&mut self) {
        self.reactor.stop_listening();
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.reactor.address()
    }

    /// Ends a blocking [`DropCopy::turn`] from another thread.
    pub fn waker(&self) -> WakeHandle {
        self.reactor.waker()
    }

    /// What new connections speak: plain TCP, until a certificate is set.
    pub fn tls(&self) -> TlsSwitch {
        self.tls.clone()
    }

    /// Where new times and limits are left for it; it takes them over within a scan.
    pub fn mailbox(&self) -> Mailbox<EdgeConfig> {
        self.mailbox.clone()
    }

    /// What happened so far; what is about commands and events stays 0.
    pub fn counters(&self) -> &EdgeCounters {
        &self.counters
    }

    fn scan_ns(&self) -> u64 {
        let EdgeConfig { heartbeat_ms, silence_ms, login_ms, linger_ms, frame_ms, .. } = self.config;
        millis(heartbeat_ms.min(silence_ms).min(login_ms).min(linger_ms).min(frame_ms)) / 20
    }

    fn accept(&mut self, now: Nanos) -> usize {
        let Self { reactor, guests, counters, origins, guests_so_far, config, tls, .. } = self;
        let (accepted, failed) = reactor.accept(config.accepts_per_turn, |socket, origin, registry| {
            if guests.taken() == guests.len() {
                return counters.refuse(NoPlace::AllTaken);
            }
            if !origins.come(origin, config.connections_per_address_max) {
                return counters.refuse(NoPlace::TooManyFromThere);
            }
            let Some(wire) = tls.wrap(socket) else { return origins.go(origin) };
            *guests_so_far += 1;
            let mut connection = Connection::new(wire, origin, now);
            connection.guest = *guests_so_far;
            let Some((slot, guest)) = guests.insert(Guest { connection, reader: None, session: SessionName::BLANK })
            else {
                return;
            };
            if register(guest.connection.socket_mut(), slot, registry) {
                counters.connections_accepted += 1;
            } else {
                counters.accept_errors += 1;
                guests.remove(slot);
                origins.go(origin);
            }
        });
        self.counters.accept_errors += failed;
        self.counters.connections_open = self.guests.taken() as u64;
        accepted
    }

    /// Takes what a client sent, within its share of the turn. True when it wants another one.
    fn serve(&mut self, slot: usize, now: Nanos) -> bool {
        let mut packets = self.config.packets_per_turn;
        loop {
            let Some(Guest { connection, .. }) = self.guests.get_mut(slot) else { return false };
            let filled = if let State::Lingering { .. } = connection.state {
                connection.discard(self.config.read_bytes_per_turn)
            } else if connection.is_ending {
                connection.discard(self.config.read_bytes_per_turn)
            } else if connection.login.is_some() {
                return false;
            } else {
                match Self::step(connection, self.config.frame_bytes_max, now) {
                    Some(Step::Login(login)) => {
                        login::begin(connection, login, self.config.login_backoff_ms_max, &self.origins, now);
                        return false;
                    }
                    Some(Step::Message(..)) => {
                        self.end(slot, Ending::Violation, now);
                        continue;
                    }
                    Some(Step::End(ending)) => {
                        self.end(slot, ending, now);
                        continue;
                    }
                    Some(Step::Nothing) if packets > 0 => {
                        packets -= 1;
                        continue;
                    }
                    Some(Step::Nothing) => return true,
                    None if connection.readiness.readable => connection.fill(self.config.read_bytes_per_turn),
                    None => Fill::Nothing,
                }
            };
            match filled {
                Fill::Bytes(read) => {
                    connection.heard_at = now;
                    self.counters.bytes_in += read as u64;
                    if packets == 0 {
                        return true;
                    }
                    packets -= 1;
                }
                Fill::Nothing => return false,
                Fill::Closed | Fill::Ended(_) => {
                    self.remove(slot);
                    return false;
                }
            }
        }
    }

    /// What the next whole packet asks for; it is taken.
    fn step(connection: &mut Connection, frame_bytes_max: usize, now: Nanos) -> Option<Step<'static>> {
        if connection.inbound.announced().is_some_and(|bytes| bytes > frame_bytes_max) {
            return Some(Step::End(Ending::Violation));
        }
        let (step, consumed) = match connection.inbound.cut() {
            Cut::Need => {
                connection.note_partial(now);
                return None;
            }
            Cut::Bad => return Some(Step::End(Ending::Violation)),
            Cut::Frame { frame, consumed } => {
                let step = match session::step(connection.account(), frame) {
                    Step::Nothing => Step::Nothing,
                    Step::Login(login) => Step::Login(login),
                    Step::Message(account, _) => Step::Message(account, &[]),
                    Step::End(ending) => Step::End(ending),
                };
                (step, consumed)
            }
        };
        connection.inbound.consume(consumed);
        connection.partial_since = None;
        Some(step)
    }

    /// Goes on with the login of a connection, if it has one whose time has come. Answers 1 when it was judged.
    fn go_on_with_login(&mut self, slot: usize, now: Nanos) -> usize {
        let Self { guests, origins, credentials, config, .. } = self;
        let Some(Guest { connection, .. }) = guests.get_mut(slot) else { return 0 };
        if connection.login.is_none() || connection.is_parked(now) {
            return 0;
        }
        let rate = Rate::new(config.logins_per_s_max);
        match login::go_on(connection, slot, Desk { rate, origins, credentials }, now) {
            Some(Judged::Wait(until)) => {
                connection.parked_until = Some(until);
                self.counters.login_waits += 1;
                0
            }
            Some(Judged::Asked) | None => 0,
            Some(Judged::Done(request, granted)) => {
                self.login(slot, &request, granted, now);
                1
            }
        }
    }

    /// Takes what was found out about passwords meanwhile.
    fn hear_verdicts(&mut self, now: Nanos) -> usize {
        let mut heard = 0;
        while let Some((ticket, verdict)) = self.credentials.verdict() {
            heard += 1;
            let Self { guests, origins, counters, .. } = self;
            let Some(Guest { connection, .. }) = guests.get_mut(ticket.slot) else { continue };
            match login::hear(connection, ticket, verdict, origins, now) {
                Some(Judged::Done(request, granted)) => self.login(ticket.slot, &request, granted, now),
                Some(Judged::Wait(until)) => {
                    counters.login_waits += 1;
                    connection.parked_until = Some(until);
                }
                Some(Judged::Asked) | None => {}
            }
        }
        heard
    }

    /// Judges a login; good: the connection gets its firm's stream; bad: it is told and ended.
    fn login(&mut self, slot: usize, request: &LoginRequest, granted: bool, now: Nanos) {
        let found = self.roster.find(login::name_of(request));
        let authorized = granted && found.is_some();
        let (session, messages) =
            found.as_ref().map_or_else(Default::default, |(_, firm)| (Some(firm.session), firm.reader.messages()));
        let session = session.unwrap_or(SessionName::BLANK);
        let joined = session::first_sequence(request, authorized, session, messages).and_then(|next_sequence| {
            let (account, firm) = found.ok_or(LoginRejectReason::NotAuthorized)?;
            let from = firm.reader.offset_of(next_sequence).ok_or(LoginRejectReason::SessionNotAvailable)?;
            Ok((AccountId(account), LoginAccepted { session, next_sequence }, from, firm.reader))
        });
        let (account, accepted, from, reader) = match joined {
            Ok(joined) => joined,
            Err(reason) => return self.end(slot, Ending::Rejected(reason), now),
        };
        let older = (0..self.guests.len())
            .find(|&other| self.guests.get(other).and_then(|guest| guest.connection.account()) == Some(account));
        if let Some(older) = older {
            self.counters.logins_displaced += 1;
            self.remove(older);
        }
        let Some(guest) = self.guests.get_mut(slot) else { return };
        guest.connection.join(account, &accepted.to_packet(), from, reader.end());
        guest.reader = Some(reader);
        guest.session = session;
        self.counters.logins_accepted += 1;
        // What came behind the login is announced by nobody.
        if !guest.connection.in_ready {
            guest.connection.in_ready = true;
            self.ready.push_back(slot);
        }
    }

    fn end(&mut self, slot: usize, ending: Ending, now: Nanos) {
        let last_words = match ending {
            Ending::Logout => None,
            Ending::SessionOver => {
                self.counters.sessions_ended += 1;
                return self.linger(slot, &END_OF_SESSION, now);
            }
            Ending::Violation => {
                self.counters.protocol_violations += 1;
                None
            }
            Ending::Rejected(reason) => {
                self.counters.logins_rejected += 1;
                Some(reason.to_packet())
            }
        };
        self.linger(slot, last_words.as_ref().map_or(&[], |packet| &packet[..]), now);
    }

    fn linger(&mut self, slot: usize, last_words: &[u8], now: Nanos) {
        let Some(guest) = self.guests.get_mut(slot) else { return };
        guest.reader = None;
        guest.connection.linger(last_words, now);
        if !guest.connection.in_ready {
            guest.connection.in_ready = true;
            self.ready.push_back(slot);
        }
    }

    /// Lets those whose session was ended have what is left of it. Answers how many; who has not got all of the one before is cut.
    fn end_sessions(&mut self) -> usize {
        let ended = self.roster.sessions_ended();
        if ended == self.sessions_ended {
            return 0;
        }
        self.sessions_ended = ended;
        let mut done = 0;
        for slot in 0..self.guests.len() {
            let Some(Guest { connection, reader: Some(_), session }) = self.guests.get_mut(slot) else { continue };
            if self.roster.is_current(*session) {
                continue;
            }
            done += 1;
            if connection.is_ending {
                self.counters.slow_readers_cut += 1;
                self.remove(slot);
            } else {
                connection.is_ending = true;
            }
        }
        done
    }

    /// Writes what is due to one connection, and cuts it when it is too far behind. Answers 1 when bytes went out.
    fn write(&mut self, slot: usize, now: Nanos) -> usize {
        let Some(Guest { connection, reader: Some(reader), .. }) = self.guests.get_mut(slot) else { return 0 };
        let end = reader.end();
        let mut written = 0;
        if connection.readiness.writable && !connection.is_flushed(end) {
            let Wrote::Bytes(bytes, calls) = connection.write(reader, self.config.write_bytes_per_turn) else {
                self.remove(slot);
                return 1;
            };
            if bytes > 0 {
                connection.sent_at = now;
            }
            written = bytes;
            self.counters.bytes_out += bytes as u64;
            self.counters.writes += calls;
        }
        if connection.is_ending && connection.is_flushed(end) {
            self.end(slot, Ending::SessionOver, now);
        } else if connection.backlog(end) > self.config.backlog_bytes_max {
            self.counters.slow_readers_cut += 1;
            self.remove(slot);
        }
        usize::from(written > 0)
    }

    /// Looks at the times of one connection. True when it is to be cut.
    fn is_overdue(&mut self, slot: usize, now: Nanos) -> bool {
        let Some(Guest { connection, reader, .. }) = self.guests.get_mut(slot) else { return false };
        match connection.state {
            State::Fresh => {
                let late = passed(connection.connected_at, now, self.config.login_ms);
                let half = !late && connection.is_half(now, self.config.frame_ms);
                self.counters.login_timeouts += u64::from(late);
                self.counters.half_frames_cut += u64::from(half);
                late || half
            }
            State::Lingering { since } => passed(since, now, self.config.linger_ms),
            State::LoggedIn(_) => {
                let silent = passed(connection.heard_at, now, self.config.silence_ms);
                self.counters.silent_cut += u64::from(silent);
                let half = connection.is_half(now, self.config.frame_ms);
                self.counters.half_frames_cut += u64::from(half);
                if let Some(reader) = reader.as_ref().filter(|_| !silent)
                    && passed(connection.sent_at, now, self.config.heartbeat_ms)
                {
                    connection.push_heartbeat(reader.end());
                }
                silent || half
            }
        }
    }

    fn remove(&mut self, slot: usize) {
        if let Some(gone) = self.guests.take(slot) {
            self.origins.go(gone.connection.origin);
        }
        self.counters.connections_open = self.guests.taken() as u64;
    }
}

impl<T: EdgeTypes> fmt::Debug for DropCopy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DropCopy")
            .field("config", &self.config)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
