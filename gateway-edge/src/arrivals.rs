//! Who comes to the order port and who goes: connections are accepted, taken over from the feed's port, and closed.

use protocol::Nanos;

use crate::connection::Connection;
use crate::edge::Edge;
use crate::ports::EdgeTypes;
use crate::reactor::register;
use crate::ws_link::WsLink;

/// Connections taken over from the feed per turn, at the most.
const ADOPTED_PER_TURN: usize = 16;

impl<T: EdgeTypes> Edge<T> {
    pub(crate) fn accept(&mut self, now: Nanos) -> usize {
        let Self { reactor, table, counters, config, tls, .. } = self;
        let (accepted, failed) = reactor.accept(config.accepts_per_turn, |socket, origin, registry| {
            let Some(wire) = tls.wrap(socket) else { return counters.accept_errors += 1 };
            let placed = table.insert(Connection::new(wire, origin, now), config.connections_per_address_max);
            let (slot, connection) = match placed {
                Ok(placed) => placed,
                Err(why) => return counters.refuse(why),
            };
            if register(connection.socket_mut(), slot, registry) {
                counters.connections_accepted += 1;
            } else {
                counters.accept_errors += 1;
                table.remove(slot);
            }
        });
        self.counters.accept_errors += failed;
        self.counters.connections_open = self.table.slots.taken() as u64;
        accepted
    }

    /// Takes over WebSocket connections; from here on they are sessions like any other.
    pub(crate) fn adopt(&mut self, now: Nanos) -> usize {
        let mut adopted = 0;
        while adopted < ADOPTED_PER_TURN
            && let Some(arrival) = self.doorway.arrivals.pop()
        {
            adopted += 1;
            let link = WsLink::new(arrival.socket, &arrival.response);
            let connection = Connection::on_websocket(link, arrival.origin, now);
            let (slot, connection) = match self.table.insert(connection, self.config.connections_per_address_max) {
                Ok(placed) => placed,
                Err(why) => {
                    self.counters.refuse(why);
                    continue;
                }
            };
            if !self.reactor.adopt(connection.socket_mut(), slot) {
                self.counters.accept_errors += 1;
                self.remove(slot);
                continue;
            }
            // What came behind the request is announced by nobody.
            connection.in_ready = true;
            self.ready.push_back(slot);
            self.outbox.list(slot);
            self.counters.websockets_accepted += 1;
        }
        self.counters.connections_open = self.table.slots.taken() as u64;
        adopted
    }

    /// Closes a connection at once.
    pub(crate) fn remove(&mut self, slot: usize) {
        self.table.remove(slot);
        self.probed.forget(slot);
        self.counters.connections_open = self.table.slots.taken() as u64;
    }
}
