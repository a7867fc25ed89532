//! Order to acknowledgement through the order port, with a core that accepts everything on the same thread, against a bare
//! TCP echo of the same sizes: `cargo run --release -p gateway-edge --example round_trip`. Both ends spin. Round trips,
//! one at a time: no latency under load.

#![expect(clippy::disallowed_methods, clippy::expect_used, clippy::print_stdout, reason = "an example that measures")]

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use gateway_edge::clock::SystemClock;
use gateway_edge::{
    CommandPort, DurableCursor, Edge, EdgeConfig, EdgePorts, EdgeTypes, EventPort, Full, PasswordTable, Reporter,
    StreamFull, StreamRead, StreamStore, StreamWrite,
};
use protocol::event::Shown;
use protocol::money::Legs;
use protocol::soupbin::LoginRequest;
use protocol::{
    AccountId, AccountName, Command, CommandBody, Event, EventBody, Firm, InstrumentId, Nanos, OrderRef, OrderState,
    Price, Qty, Sequence, SessionName, Symbol, SystemEventCode,
};

const ROUND_TRIPS: usize = 50_000;
const WARM_UP: usize = 5_000;

/// One command at a time, accepted at once.
#[derive(Clone, Default)]
struct Core {
    last: Rc<Cell<u64>>,
    event: Rc<Cell<Option<Event>>>,
}

impl CommandPort for Core {
    fn try_submit(&mut self, ingress: Nanos, body: &CommandBody) -> Result<Sequence, Full> {
        let CommandBody::Enter(enter) = body else { return Err(Full) };
        let sequence = Sequence(self.last.get() + 1);
        self.last.set(sequence.0);
        let accepted = EventBody::Accepted {
            owner: enter.owner,
            user_ref_num: enter.user_ref_num,
            quantity: enter.quantity,
            price: enter.price,
            order_ref: OrderRef(sequence.0),
            instrument: enter.instrument,
            side: enter.side,
            state: OrderState::Live,
            shown: Shown::Anonymous,
            firm: Firm::BLANK,
        };
        self.event.set(Some(Event { sequence, ingress, body: accepted }));
        Ok(sequence)
    }

    fn is_nearly_full(&mut self) -> bool {
        false
    }
}

impl EventPort for Core {
    fn poll(&mut self, _: usize, mut each: impl FnMut(&Event)) -> usize {
        self.event.take().map_or(0, |event| {
            each(&event);
            1
        })
    }

    fn applied(&self) -> Sequence {
        Sequence(self.last.get())
    }
}

impl DurableCursor for Core {
    fn durable(&self) -> Sequence {
        Sequence(self.last.get())
    }
}

/// A stream of answers of one length.
#[derive(Clone, Default)]
struct Answers(Vec<u8>, u64);

impl StreamRead for Answers {
    fn messages(&self) -> u64 {
        self.1
    }
    fn end(&self) -> u64 {
        self.0.len() as u64
    }
    fn offset_of(&self, number: u64) -> Option<u64> {
        (number == self.1 + 1).then(|| self.end())
    }
    fn bytes(&self, from: u64, to: u64) -> &[u8] {
        let index = |offset| usize::try_from(offset).unwrap_or_default();
        self.0.get(index(from)..index(to)).unwrap_or_default()
    }
}

impl StreamWrite for Answers {
    fn append(&mut self, framed: &[u8]) -> Result<(), StreamFull> {
        self.0.extend_from_slice(framed);
        self.1 += 1;
        Ok(())
    }
}

struct Memory;

impl StreamStore for Memory {
    type Stream = Answers;
    type Reader = Answers;
    fn open_account(&mut self, _: AccountId, _: &AccountName, _: &SessionName) -> std::io::Result<Answers> {
        Ok(Answers(Vec::with_capacity(16 << 20), 0))
    }
}

struct Types;

impl EdgeTypes for Types {
    type Commands = Core;
    type Events = Core;
    type Durable = Core;
    type Clock = SystemClock;
    type Credentials = PasswordTable;
    type Store = Memory;
    type Probe = ();
}

fn edge() -> Edge<Types> {
    let mut reporter = Reporter::new(Memory);
    let body = CommandBody::SystemEvent(SystemEventCode::StartOfMessages);
    let command = Command { sequence: Sequence(0), ingress: Nanos(0), body };
    let (name, symbol) = (AccountName(*b"DEMO01"), Symbol(*b"AAPL    "));
    let listed = EventBody::InstrumentListed {
        instrument: InstrumentId(1),
        symbol,
        price_decimals: 4,
        qty_decimals: 0,
        tick: Price(100),
        lot: Qty(1),
        max_qty: Qty(1_000),
        legs: Legs::of_symbol(&Symbol::BLANK),
    };
    let opened = EventBody::AccountOpened { account: AccountId(0), name, firm: Firm(*b"DEMA") };
    for body in [EventBody::VenueOpened { session: SessionName(*b"S000000001") }, listed, opened] {
        let event = Event { sequence: Sequence(0), ingress: Nanos(0), body };
        reporter.replay(&command, &event).expect("a stream in memory opens");
    }
    let mut credentials = PasswordTable::new();
    credentials.insert(&name, "demo-pass");
    let core = Core::default();
    let ports = EdgePorts {
        commands: core.clone(),
        events: core.clone(),
        durable: core,
        clock: SystemClock::new(),
        credentials,
        operator: Arc::new(ArrayQueue::new(1)),
        probe: (),
    };
    let listen = "127.0.0.1:0".parse().expect("an address");
    Edge::new(EdgeConfig { listen, ..EdgeConfig::default() }, ports, reporter).expect("a free port")
}

fn order(number: u32) -> Vec<u8> {
    let mut packet = vec![0, 48, b'U', b'O'];
    packet.extend(number.to_be_bytes());
    packet.extend(*b"B\0\0\0\x64AAPL    ");
    packet.extend(1_000_000_u64.to_be_bytes());
    packet.extend(*b"0YPNNclient-order  \0\0");
    packet
}

/// Sends `request`, and spins until `answer` bytes are there.
fn round_trip(socket: &mut TcpStream, request: &[u8], answer: &mut [u8]) -> Duration {
    let start = Instant::now();
    socket.write_all(request).expect("to send");
    let mut got = 0;
    while let Some(room) = answer.get_mut(got..).filter(|room| !room.is_empty()) {
        match socket.read(room) {
            Ok(read) => got += read,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    start.elapsed()
}

fn report(name: &str, mut samples: Vec<Duration>) -> Duration {
    samples.drain(..WARM_UP);
    samples.sort_unstable();
    let at = |share: usize| samples.get(samples.len() * share / 1000).copied().unwrap_or_default();
    println!("{name:12} p50 {:>9.2?}  p99 {:>9.2?}  p99.9 {:>9.2?}", at(500), at(990), at(999));
    at(500)
}

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("to connect");
    socket.set_nodelay(true).expect("no delay");
    socket
}

/// Echoes, with answers as long as those of the order port.
fn echo(listener: &TcpListener, answer_bytes: usize) {
    let (mut socket, _) = listener.accept().expect("a client");
    socket.set_nodelay(true).expect("no delay");
    socket.set_nonblocking(true).expect("non-blocking");
    let (mut request, answer) = ([0; 256], vec![0; answer_bytes]);
    loop {
        match socket.read(&mut request) {
            Ok(0) => return,
            Ok(_) => socket.write_all(&answer).expect("to answer"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

fn main() {
    let edge_address = RefCell::new(None);
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, told) = std::sync::mpsc::channel();
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let mut edge = edge();
        tell.send(edge.address()).expect("main waits");
        while !stopped.load(Ordering::Relaxed) {
            edge.receive(Duration::ZERO);
            edge.send();
        }
    });
    edge_address.replace(told.recv().ok());
    let address = edge_address.into_inner().expect("the edge has opened");
    let mut socket = connect(address);
    let login = LoginRequest::new("DEMO01", "demo-pass", SessionName::BLANK, 0).expect("texts fit");
    socket.write_all(&login.to_packet()).expect("to log in");
    let mut accepted = [0; 33];
    socket.read_exact(&mut accepted).expect("a login accepted");
    socket.write_all(&order(1)).expect("to send");
    let mut length = [0; 2];
    socket.read_exact(&mut length).expect("an answer");
    let answer_bytes = usize::from(u16::from_be_bytes(length)) + 2;
    let mut answer = vec![0; answer_bytes];
    socket.read_exact(answer.get_mut(2..).unwrap_or_default()).expect("an answer");
    socket.set_nonblocking(true).expect("non-blocking");
    let numbers = (2_u32..).take(ROUND_TRIPS);
    let orders = numbers.map(|number| round_trip(&mut socket, &order(number), &mut answer)).collect();
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the edge's thread");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let thread = std::thread::spawn(move || echo(&listener, answer_bytes));
    let mut socket = connect(address);
    socket.set_nonblocking(true).expect("non-blocking");
    let request = order(1);
    let echoes = (0..ROUND_TRIPS).map(|_| round_trip(&mut socket, &request, &mut answer)).collect();
    drop(socket);
    thread.join().expect("the echo's thread");

    println!("request {} bytes, answer {answer_bytes} bytes, {ROUND_TRIPS} round trips", request.len());
    let (edge, echo) = (report("order port", orders), report("echo", echoes));
    println!("order port / echo at p50: {}%", edge.as_nanos() * 100 / echo.as_nanos().max(1));
}
