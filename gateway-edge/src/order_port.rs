//! The other half of the order port: logins are judged, events whose commands are durable become answers, and each
//! connection is written to once per turn, straight from its account's stream.

use protocol::soupbin::{END_OF_SESSION, LoginAccepted, LoginRejectReason, LoginRequest};
use protocol::{AccountId, EventBody, Nanos, Sequence};

use crate::connection::Wrote;
use crate::edge::Edge;
use crate::limits::Rate;
use crate::login::{self, Desk, Judged};
use crate::notes;
use crate::outbox::{Outbox, Writes};
use crate::pending::Filled;
use crate::ports::{Credentials, DurableCursor, EdgeTypes, EventPort, Probe, StreamRead};
use crate::reporter::{ReportError, ReportTimes};
use crate::session::{self, Ending};
use crate::table::Table;

/// A good login.
struct Joined {
    account: AccountId,
    accepted: LoginAccepted,
    /// Where in the stream it starts, and where the stream ends now.
    from: u64,
    end: u64,
}

impl<T: EdgeTypes> Writes for Edge<T> {
    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Writes what its stream has for it. With more, and room for it, it stays listed.
    fn write(&mut self, slot: usize, now: Nanos) {
        let Some(connection) = self.table.get_mut(slot) else { return };
        let (account, is_ending) = (connection.account(), connection.is_ending);
        let stream = account.and_then(|account| {
            if is_ending { self.reporter.ended_stream(account) } else { self.reporter.stream(account) }
        });
        let Some(stream) = stream else {
            if connection.flush() == Wrote::Closed {
                self.remove(slot);
            }
            return;
        };
        let (is_old, old_left) = (connection.is_replaying(), self.outbox.old_left());
        if is_old && old_left == 0 {
            return self.outbox.list(slot);
        }
        let limit = self.config.write_bytes_per_turn;
        let limit = if is_old { limit.min(usize::try_from(old_left).unwrap_or(limit)) } else { limit };
        let Wrote::Bytes(bytes, calls) = connection.write(stream, limit) else {
            self.remove(slot);
            return;
        };
        if is_old {
            self.outbox.spend_old(bytes as u64);
        }
        if bytes > 0 {
            connection.sent_at = now;
        }
        self.counters.bytes_out += bytes as u64;
        self.counters.writes += calls;
        let Self { probed, ports, .. } = self;
        probed.wrote(slot, |end| connection.has_written(end), |sequence| ports.probe.written(sequence));
        let end = stream.end();
        if is_ending && connection.is_flushed(end) {
            self.end(slot, Ending::SessionOver);
        } else if connection.backlog(end) > self.config.backlog_bytes_max {
            self.counters.slow_readers_cut += 1;
            self.remove(slot);
        } else if connection.readiness.writable && !connection.is_flushed(end) {
            if is_old {
                self.outbox.list_last(slot);
            } else {
                self.outbox.list(slot);
            }
        }
    }
}

impl<T: EdgeTypes> Edge<T> {
    /// Second half of a turn: takes events, and of those that are durable makes answers and writes them out. Answers how
    /// much was done; 0 = nothing.
    pub fn send(&mut self) -> usize {
        let applied = self.ports.events.applied();
        let filled = self.pending.fill(&mut self.ports.events, self.config.events_per_turn);
        self.has_more_events = filled == Filled::Share;
        let (reported, last) = self.report_durable();
        self.in_flight.release(match self.pending.first() {
            Some(waiting) => Sequence(waiting.0.saturating_sub(1)),
            None if filled == Filled::All => applied,
            None => Sequence(last.0.saturating_sub(1)),
        });
        reported + self.write_outbox()
    }

    /// Reports every event that may leave. Answers how many, and the command of the last.
    fn report_durable(&mut self) -> (usize, Sequence) {
        let durable = self.ports.durable.durable();
        let (mut reported, mut last, mut now) = (0, Sequence::ZERO, None);
        while let Some(event) = self.pending.pop(durable) {
            let now = *now.get_or_insert_with(|| self.clock.read(&self.ports.clock));
            last = event.sequence;
            reported += 1;
            let found = self.in_flight.get(event.sequence);
            assert!(found.is_some(), "event of command {last} that is not in flight");
            let Some((command, sequenced)) = found else { break };
            let times = ReportTimes { sequenced, durable: now };
            let Self { reporter, table, outbox, counters, .. } = self;
            let mut first = None;
            let outcome = reporter.report(command, &event, times, |account| {
                counters.answers += 1;
                let slot = table.slot_of_account(account);
                first = first.or(slot.map(|slot| (account, slot)));
                if let Some(slot) = slot {
                    outbox.list(slot);
                }
            });
            if let Some((account, slot)) = first.filter(|_| self.ports.probe.wants(event.sequence)) {
                let end = self.reporter.stream(account).map_or(0, StreamRead::end);
                self.probed.note(event.sequence, slot, end);
            }
            if let Err(error) = outcome {
                self.lose_answer(&error);
            }
            if let EventBody::SessionRolled { .. } = event.body {
                self.end_sessions();
            }
        }
        self.counters.events += reported as u64;
        (reported, last)
    }

    /// An answer could not be kept: its account is cut, and cannot come back in this run.
    fn lose_answer(&mut self, error: &ReportError) {
        self.counters.answers_lost += 1;
        if self.counters.answers_lost.is_power_of_two() {
            notes::hand_over(error.into());
        }
        let slot = match error {
            ReportError::Full { account, .. } | ReportError::Open { account, .. } => {
                self.table.slot_of_account(*account)
            }
            ReportError::AccountOutOfTurn { .. } | ReportError::OpenFirm { .. } => None,
        };
        if let Some(slot) = slot {
            self.remove(slot);
        }
    }

    fn write_outbox(&mut self) -> usize {
        if self.outbox.is_empty() {
            return 0;
        }
        let now = self.clock.read(&self.ports.clock);
        self.write_all_listed(now)
    }

    /// A login has come.
    pub(crate) fn begin_login(&mut self, slot: usize, request: LoginRequest, now: Nanos) {
        if let Some(connection) = self.table.slots.get_mut(slot) {
            login::begin(connection, request, self.config.login_backoff_ms_max, &self.table.origins, now);
        }
    }

    /// Goes on with a login. True once it is judged.
    pub(crate) fn go_on_with_login(&mut self, slot: usize, now: Nanos) -> bool {
        let Self { table: Table { slots, origins, .. }, ports, config, .. } = self;
        let Some(connection) = slots.get_mut(slot) else { return true };
        let rate = Rate::new(config.logins_per_s_max);
        match login::go_on(connection, slot, Desk { rate, origins, credentials: &mut ports.credentials }, now) {
            Some(Judged::Wait(until)) => {
                self.counters.login_waits += 1;
                self.park(slot, until);
                false
            }
            Some(Judged::Asked) => false,
            Some(Judged::Done(request, granted)) => {
                self.login(slot, &request, granted);
                true
            }
            None => true,
        }
    }

    /// Takes what was found out about passwords meanwhile.
    pub(crate) fn hear_verdicts(&mut self, now: Nanos) -> usize {
        let mut heard = 0;
        while let Some((ticket, verdict)) = self.ports.credentials.verdict() {
            heard += 1;
            let Table { slots, origins, .. } = &mut self.table;
            let judged = slots
                .get_mut(ticket.slot)
                .and_then(|connection| login::hear(connection, ticket, verdict, origins, now));
            match judged {
                Some(Judged::Done(request, granted)) => {
                    self.login(ticket.slot, &request, granted);
                    self.list_as_ready(ticket.slot);
                }
                Some(Judged::Wait(until)) => {
                    self.counters.login_waits += 1;
                    self.park(ticket.slot, until);
                }
                Some(Judged::Asked) | None => {}
            }
        }
        heard
    }

    /// Judges a login; good: the connection gets its stream; bad: it is told and ended.
    fn login(&mut self, slot: usize, request: &LoginRequest, granted: bool) {
        match self.judge(request, granted) {
            Ok(Joined { account, accepted, from, end }) => {
                if let Some(old) = self.table.slot_of_account(account) {
                    self.counters.logins_displaced += 1;
                    self.remove(old);
                }
                let Some(connection) = self.table.get_mut(slot) else { return };
                connection.join(account, &accepted.to_packet(), from, end);
                self.outbox.list(slot);
                self.table.bind(account, slot);
                self.counters.logins_accepted += 1;
                // Before the first message of the session, when there is room.
                self.tell_presence(self.clock.last());
            }
            Err(reason) => self.end(slot, Ending::Rejected(reason)),
        }
    }

    fn judge(&self, request: &LoginRequest, granted: bool) -> Result<Joined, LoginRejectReason> {
        // The password was looked at for unknown names too: the time it takes does not tell which names exist.
        let account = self.reporter.account_named(login::name_of(request));
        let authorized = granted && account.is_some();
        let stream = account.and_then(|account| self.reporter.stream(account));
        let session = self.reporter.session();
        let messages = stream.map_or(0, StreamRead::messages);
        let next_sequence = session::first_sequence(request, authorized, session, messages)?;
        let account = account.ok_or(LoginRejectReason::NotAuthorized)?;
        let stream = stream.ok_or(LoginRejectReason::SessionNotAvailable)?;
        let from = stream.offset_of(next_sequence).ok_or(LoginRejectReason::SessionNotAvailable)?;
        Ok(Joined { account, accepted: LoginAccepted { session, next_sequence }, from, end: stream.end() })
    }

    /// Ends a connection; the session lives on.
    pub(crate) fn end(&mut self, slot: usize, ending: Ending) {
        let last_words = match ending {
            Ending::Logout => None,
            Ending::SessionOver => {
                self.counters.sessions_ended += 1;
                return self.linger(slot, &END_OF_SESSION);
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
        self.linger(slot, last_words.as_ref().map_or(&[], |packet| &packet[..]));
    }

    fn linger(&mut self, slot: usize, last_words: &[u8]) {
        self.table.unbind(slot);
        let now = self.clock.last();
        if let Some(connection) = self.table.get_mut(slot) {
            connection.linger(last_words, now);
        }
    }
}
