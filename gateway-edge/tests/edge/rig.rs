//! An order port over a test venue, driven turn by turn.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use gateway_edge::{Edge, EdgeConfig, EdgePorts, PasswordTable, Reporter};
use protocol::{AccountName, CommandBody};

use crate::client::{Client, accepted_sequence};
use crate::venue::{Events, MemStore, Ports, Vectors, Venue};

/// Turns after which a condition is held to be never true. Loopback needs a handful.
const TURNS_MAX: u32 = 200_000;

pub(crate) struct Rig {
    pub(crate) edge: Edge<Vectors>,
    pub(crate) venue: Rc<Venue>,
    pub(crate) operator: Arc<ArrayQueue<CommandBody>>,
}

pub(crate) fn config() -> EdgeConfig {
    EdgeConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        connections_max: 64,
        in_flight_max: 1024,
        pending_events_max: 1024,
        // Time stands still here: nobody would stop waiting.
        login_backoff_ms_max: 0,
        ..EdgeConfig::default()
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(config(), 1 << 26)
    }

    pub(crate) fn with(config: EdgeConfig, stream_bytes_max: usize) -> Self {
        let venue = Venue::new();
        venue.open();
        Self::over(venue, config, stream_bytes_max)
    }

    /// As a start does it: what the journal holds is replayed into the streams, then the port opens.
    pub(crate) fn over(venue: Rc<Venue>, config: EdgeConfig, stream_bytes_max: usize) -> Self {
        let mut reporter = Reporter::new(MemStore { stream_bytes_max });
        for event in venue.events.borrow().iter() {
            let index = usize::try_from(event.sequence.0 - 1).unwrap();
            reporter.replay(&venue.journal.borrow()[index], event).unwrap();
        }
        let mut credentials = PasswordTable::new();
        for name in ["DEMO01", "DEMO02", "DEMO03", "DEMO04", "DEMO05", "DENIED"] {
            assert!(credentials.insert(&AccountName::from_text(name).unwrap(), "demo-pass"));
        }
        let operator = Arc::new(ArrayQueue::new(16));
        let ports = EdgePorts {
            commands: Ports(Rc::clone(&venue)),
            events: Events { venue: Rc::clone(&venue), taken: venue.events.borrow().len() },
            durable: Ports(Rc::clone(&venue)),
            clock: Ports(Rc::clone(&venue)),
            credentials,
            operator: Arc::clone(&operator),
            probe: (),
        };
        let edge = Edge::new(config, ports, reporter).unwrap();
        Self { edge, venue, operator }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.edge.address())
    }

    /// A client that is logged in, with the login accepted taken.
    pub(crate) fn log_in(&mut self, username: &str, sequence: u64) -> Client {
        let mut client = self.connect();
        client.log_in(username, sequence);
        let packet = self.packet(&mut client);
        accepted_sequence(&packet);
        client
    }

    pub(crate) fn turn(&mut self) {
        self.edge.receive(Duration::ZERO);
        self.venue.run_core();
        self.edge.send();
    }

    pub(crate) fn turns(&mut self, count: u32) {
        for _ in 0..count {
            self.turn();
        }
    }

    /// Turns until `condition` gives something.
    pub(crate) fn until<R>(&mut self, mut condition: impl FnMut(&mut Self) -> Option<R>) -> R {
        for _ in 0..TURNS_MAX {
            if let Some(found) = condition(self) {
                return found;
            }
            self.turn();
            std::thread::yield_now();
        }
        panic!("the condition never came true; {:?}", self.edge)
    }

    /// The next packet that `client` gets.
    pub(crate) fn packet(&mut self, client: &mut Client) -> (u8, Vec<u8>) {
        self.until(|_| {
            let packet = client.next_packet();
            assert!(packet.is_some() || !client.is_closed(), "the connection was closed instead");
            packet
        })
    }

    /// The next packet, which must be sequenced data.
    pub(crate) fn message(&mut self, client: &mut Client) -> Vec<u8> {
        let (packet_type, message) = self.packet(client);
        assert_eq!(char::from(packet_type), 'S');
        message
    }

    pub(crate) fn until_closed(&mut self, client: &mut Client) {
        self.until(|_| client.is_closed().then_some(()));
    }

    /// Closed, and not a byte was sent before.
    pub(crate) fn until_closed_silently(&mut self, client: &mut Client) {
        self.until_closed(client);
        assert_eq!(client.received(), b"");
    }
}
