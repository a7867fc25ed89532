//! What comes from the connections of the order port: each that has something gets its share of the turn, from the read of the
//! socket to the input ring; who is too fast is left alone for a while.

use protocol::Nanos;

use crate::admission::{Intake, Taken};
use crate::connection::{Fill, State};
use crate::edge::Edge;
use crate::ports::{EdgePorts, EdgeTypes, Probe};

impl<T: EdgeTypes> Edge<T> {
    pub(crate) fn serve_ready(&mut self) -> usize {
        if !self.reactor.is_listening() {
            return 0;
        }
        let before = self.in_flight.last();
        let waiting = self.ready.len();
        for _ in 0..waiting {
            let Some(slot) = self.ready.pop_front() else { break };
            let again = self.serve(slot);
            if let Some(connection) = self.table.get_mut(slot) {
                connection.in_ready = again;
                if again {
                    self.ready.push_back(slot);
                }
            }
        }
        if self.in_flight.last() > before {
            let now = self.clock.read(&self.ports.clock);
            self.in_flight.stamp(before, now);
        }
        waiting
    }

    /// Takes packets of one connection, and reads more, within its share of the turn. True when it wants another one.
    fn serve(&mut self, slot: usize) -> bool {
        let mut bytes = self.config.read_bytes_per_turn;
        let mut share = self.config.packets_per_turn;
        loop {
            let now = self.clock.last();
            let Some(connection) = self.table.get_mut(slot) else { return false };
            if let State::Lingering { .. } = connection.state {
                return self.discard(slot, bytes);
            }
            if connection.is_ending {
                return self.discard(slot, bytes);
            }
            if connection.is_parked(now) {
                return false;
            }
            if connection.login.is_some() && !self.go_on_with_login(slot, now) {
                return false;
            }
            match self.take(slot, &mut share) {
                Taken::All if bytes == 0 => return true,
                Taken::All => match self.fill(slot, bytes) {
                    Fill::Bytes(read) => bytes -= read,
                    Fill::Nothing => return false,
                    Fill::Closed => {
                        self.remove(slot);
                        return false;
                    }
                    Fill::Ended(ending) => self.end(slot, ending),
                },
                Taken::Stalled | Taken::Share => return true,
                Taken::Early(until) => {
                    self.park(slot, until);
                    return false;
                }
                Taken::Login(login) => self.begin_login(slot, login, now),
                Taken::End(ending) => self.end(slot, ending),
            }
        }
    }

    fn take(&mut self, slot: usize, share: &mut usize) -> Taken {
        let Self { ports, in_flight, reporter, counters, last_ingress, table, .. } = self;
        let (rate, frame_bytes_max, now) = (self.rate, self.config.frame_bytes_max, self.clock.last());
        let Some(connection) = table.get_mut(slot) else { return Taken::All };
        let EdgePorts { commands, probe, .. } = ports;
        Intake::<T> { commands, in_flight, reporter, counters, last_ingress, rate, frame_bytes_max, now, probe }
            .take(connection, share)
    }

    /// Leaves a connection alone until then.
    pub(crate) fn park(&mut self, slot: usize, until: Nanos) {
        if let Some(connection) = self.table.get_mut(slot) {
            connection.parked_until = Some(until);
            self.parking.park(slot, until);
        }
    }

    /// Those whose time has come get their turn.
    pub(crate) fn unpark(&mut self, now: Nanos) {
        while let Some((slot, until)) = self.parking.due(now) {
            let parked = self.table.get_mut(slot).filter(|connection| connection.parked_until == Some(until));
            if let Some(connection) = parked {
                connection.parked_until = None;
                // It was we who did not listen.
                connection.heard_at = now;
                self.list_as_ready(slot);
            }
        }
    }

    pub(crate) fn list_as_ready(&mut self, slot: usize) {
        if let Some(connection) = self.table.get_mut(slot).filter(|connection| !connection.in_ready) {
            connection.in_ready = true;
            self.ready.push_back(slot);
        }
    }

    /// How long a turn may wait: to the next look at times, or to the next connection that goes on.
    pub(crate) fn nap_ns(&self) -> u64 {
        let parked = self.parking.next().map_or(u64::MAX, |at| at.0.saturating_sub(self.clock.last().0));
        self.scan_ns().min(parked)
    }

    pub(crate) fn intake(&mut self) -> Intake<'_, T> {
        let (rate, frame_bytes_max, now) = (self.rate, self.config.frame_bytes_max, self.clock.last());
        let Self { ports, in_flight, reporter, counters, last_ingress, .. } = self;
        let EdgePorts { commands, probe, .. } = ports;
        Intake { commands, in_flight, reporter, counters, last_ingress, rate, frame_bytes_max, now, probe }
    }

    fn fill(&mut self, slot: usize, limit: usize) -> Fill {
        let Some(connection) = self.table.get_mut(slot) else { return Fill::Closed };
        if !connection.readiness.readable {
            return Fill::Nothing;
        }
        let filled = connection.fill(limit);
        if let Fill::Bytes(read) = filled {
            connection.heard_at = self.clock.read(&self.ports.clock);
            connection.read_at = self.ports.probe.ticks();
            self.counters.bytes_in += read as u64;
        }
        if connection.has_frames() {
            self.outbox.list(slot);
        }
        filled
    }

    /// Reads and drops what comes on a connection that we ended. True when there may be more.
    fn discard(&mut self, slot: usize, limit: usize) -> bool {
        let Some(connection) = self.table.get_mut(slot) else { return false };
        let filled = connection.discard(limit);
        let again = connection.readiness.readable;
        if filled == Fill::Closed {
            self.remove(slot);
        }
        again && filled != Fill::Closed
    }
}
