//! From packets in a connection's buffer to sequenced commands. A packet leaves the buffer only once it is dealt with: when
//! the input ring is full it stays where it is, and the socket is not read meanwhile.

use protocol::command::Refuse;
use protocol::ouch::inbound::{self, Admission};
use protocol::soupbin::{Cut, LoginRequest};
use protocol::{AccountId, Command, CommandBody, Nanos, RejectReason};

use crate::connection::Connection;
use crate::counters::EdgeCounters;
use crate::limits::Rate;
use crate::pending::InFlight;
use crate::ports::{CommandPort, EdgeTypes, Full, Probe};
use crate::reporter::Reporter;
use crate::session::{self, Ending, Step};

/// Why taking packets ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// No whole packet is left.
    All,
    /// The input ring has no room for the next one.
    Stalled,
    /// The connection has had its share of this turn.
    Share,
    /// The session is too fast: its next packet may be taken then.
    Early(Nanos),
    /// A login has been taken and must be judged.
    Login(LoginRequest),
    /// The connection must end.
    End(Ending),
}

/// Where commands are sequenced, with everything that doing so takes.
pub(crate) struct Intake<'a, T: EdgeTypes> {
    pub(crate) commands: &'a mut T::Commands,
    pub(crate) in_flight: &'a mut InFlight,
    pub(crate) reporter: &'a Reporter<T::Store>,
    pub(crate) counters: &'a mut EdgeCounters,
    /// Ingress time of the command before.
    pub(crate) last_ingress: &'a mut Nanos,
    /// Packets of one session.
    pub(crate) rate: Rate,
    /// Bytes of one packet, at the most.
    pub(crate) frame_bytes_max: usize,
    /// The last reading of the edge's clock.
    pub(crate) now: Nanos,
    pub(crate) probe: &'a mut T::Probe,
}

impl<T: EdgeTypes> Intake<'_, T> {
    /// Deals with the packets of a connection, at most `share` of them, which is lowered by each.
    pub(crate) fn take(&mut self, connection: &mut Connection, share: &mut usize) -> Taken {
        while let Some(rest) = share.checked_sub(1) {
            if connection.inbound.announced().is_some_and(|bytes| bytes > self.frame_bytes_max) {
                self.counters.oversize_frames_cut += 1;
                return Taken::End(Ending::Violation);
            }
            let is_session = connection.account().is_some();
            let (taken, consumed) = match connection.inbound.cut() {
                Cut::Need => {
                    connection.note_partial(self.now);
                    return Taken::All;
                }
                Cut::Bad => return Taken::End(Ending::Violation),
                Cut::Frame { .. } if is_session && self.rate.early(connection.meter, self.now).is_some() => {
                    self.counters.rate_waits += 1;
                    return self.rate.early(connection.meter, self.now).map_or(Taken::Share, Taken::Early);
                }
                Cut::Frame { frame, consumed } => match session::step(connection.account(), frame) {
                    Step::Nothing => (None, consumed),
                    Step::Message(account, message) => {
                        let read_at = (connection.heard_at, connection.read_at);
                        if self.message(account, message, read_at).is_err() {
                            self.counters.ring_full_stalls += 1;
                            return Taken::Stalled;
                        }
                        (None, consumed)
                    }
                    Step::Login(login) => (Some(Taken::Login(login)), consumed),
                    Step::End(ending) => (Some(Taken::End(ending)), consumed),
                },
            };
            connection.inbound.consume(consumed);
            connection.partial_since = None;
            if is_session {
                self.rate.count(&mut connection.meter, self.now);
            }
            *share = rest;
            if let Some(taken) = taken {
                return taken;
            }
        }
        Taken::Share
    }

    /// `read_at`: by the clock, and in ticks of the probe.
    fn message(&mut self, account: AccountId, message: &[u8], read_at: (Nanos, u64)) -> Result<(), Full> {
        match inbound::admit(message, account, |symbol| self.reporter.instrument(symbol)) {
            Admission::Command(body) => {
                let body = if self.commands.refuses_new_orders() { refused_if_new(body) } else { body };
                if !takes_off(&body) && (self.in_flight.is_nearly_full() || self.commands.is_nearly_full()) {
                    self.counters.entry_waits += 1;
                    return Err(Full);
                }
                self.submit(&body, read_at.0)?;
                self.probe.sequenced(self.in_flight.last(), account, read_at.1);
                self.counters.commands += 1;
            }
            Admission::Ignore => self.counters.messages_ignored += 1,
            Admission::Unreadable => self.counters.messages_unreadable += 1,
        }
        Ok(())
    }

    /// Sequences one command. `at` is raised to the time of the command before.
    pub(crate) fn submit(&mut self, body: &CommandBody, at: Nanos) -> Result<(), Full> {
        if !self.in_flight.has_room() {
            return Err(Full);
        }
        let ingress = at.max(*self.last_ingress);
        let sequence = self.commands.try_submit(ingress, body)?;
        *self.last_ingress = ingress;
        self.in_flight.push(Command { sequence, ingress, body: *body });
        Ok(())
    }
}

/// What is journaled in place of a new order while none is taken; every other command as it is.
#[cold]
fn refused_if_new(body: CommandBody) -> CommandBody {
    let CommandBody::Enter(order) = body else { return body };
    CommandBody::Refuse(Refuse {
        owner: order.owner,
        user_ref_num: order.user_ref_num,
        reason: RejectReason::VenueClosing,
        cl_ord_id: order.cl_ord_id,
    })
}

/// What takes orders off the book passes when little room is left.
fn takes_off(body: &CommandBody) -> bool {
    matches!(body, CommandBody::Cancel(_) | CommandBody::MassCancel(_))
}
