//! A venue of vectors: a core that accepts every order, cancels what it is asked to, and trades equal and opposite prices.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use gateway_edge::{
    Clock, CommandPort, DurableCursor, EdgeTypes, EventPort, FeedTypes, Full, PasswordTable, StreamFull, StreamRead,
    StreamStore, StreamWrite,
};
use protocol::command::{EnterOrder, ListInstrument, OpenAccount, OpenVenue};
use protocol::event::Shown;
use protocol::money::Legs;
use protocol::{
    AccountId, AccountName, CancelReason, Command, CommandBody, Event, EventBody, Firm, InstrumentId, LiquidityFlag,
    MatchNumber, Nanos, OrderRef, OrderState, Price, Qty, Sequence, SessionName, Symbol, SystemEventCode, UserRefNum,
};

pub(crate) const SESSION: SessionName = SessionName(*b"S000000001");
pub(crate) const MIDNIGHT: u64 = 1_700_006_400_000_000_000;

/// Instrument, is a bid, price.
type Level = (u16, bool, u32);

/// Everything that the ports share with the test.
pub(crate) struct Venue {
    /// Commands that wait for the core.
    pub(crate) input: RefCell<VecDeque<Command>>,
    /// How many may wait.
    pub(crate) input_max: Cell<usize>,
    /// All commands ever taken.
    pub(crate) journal: RefCell<Vec<Command>>,
    /// Events, and how many of them each consumer has taken.
    pub(crate) events: RefCell<Vec<Event>>,
    pub(crate) applied: Cell<u64>,
    /// Durable up to here at the most.
    pub(crate) durable_limit: Cell<u64>,
    pub(crate) now: Cell<u64>,
    resting: RefCell<BTreeMap<Level, VecDeque<(OrderRef, EnterOrder)>>>,
    matches: Cell<u64>,
}

impl Venue {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            input: RefCell::default(),
            input_max: Cell::new(1 << 16),
            journal: RefCell::default(),
            events: RefCell::default(),
            applied: Cell::new(0),
            durable_limit: Cell::new(u64::MAX),
            now: Cell::new(MIDNIGHT + 1_000_000_000),
            resting: RefCell::default(),
            matches: Cell::new(0),
        })
    }

    /// Makes room for this many more commands, so that none of them needs memory of the venue.
    pub(crate) fn reserve(&self, commands: usize) {
        self.input.borrow_mut().reserve(commands);
        self.journal.borrow_mut().reserve(commands);
        self.events.borrow_mut().reserve(2 * commands);
        self.resting.borrow_mut().entry((1, true, 1_000_000)).or_default().reserve(commands);
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.now.set(self.now.get() + ms * 1_000_000);
    }

    pub(crate) fn submit(&self, ingress: Nanos, body: &CommandBody) -> Result<Sequence, Full> {
        if self.input.borrow().len() >= self.input_max.get() {
            return Err(Full);
        }
        let sequence = Sequence(self.journal.borrow().len() as u64 + 1);
        let command = Command { sequence, ingress, body: *body };
        self.journal.borrow_mut().push(command);
        self.input.borrow_mut().push_back(command);
        Ok(sequence)
    }

    /// Opens the venue with accounts DEMO01 to DEMO04 and the instruments AAPL and BTC-USD.
    pub(crate) fn open(&self) {
        let now = Nanos(self.now.get());
        let open = OpenVenue {
            session: SESSION,
            orders_max: 1 << 16,
            accounts_max: 16,
            channels_max: 16,
            instruments_max: 16,
            orders_per_command_max: 1024,
        };
        self.submit(now, &CommandBody::OpenVenue(open)).unwrap();
        for (account, name) in (0..).zip(["DEMO01", "DEMO02", "DEMO03", "DEMO04"]) {
            self.submit(now, &open_account(account, name)).unwrap();
        }
        for (instrument, name) in (1..).zip(["AAPL", "BTC-USD"]) {
            self.submit(now, &CommandBody::ListInstrument(instrument_named(instrument, name))).unwrap();
        }
        self.run_core();
    }

    /// Applies everything that waits.
    pub(crate) fn run_core(&self) {
        loop {
            let Some(command) = self.input.borrow_mut().pop_front() else { break };
            self.apply(&command);
            self.applied.set(command.sequence.0);
        }
    }

    fn tell(&self, command: &Command, body: EventBody) {
        self.events.borrow_mut().push(Event { sequence: command.sequence, ingress: command.ingress, body });
    }

    fn apply(&self, command: &Command) {
        match command.body {
            CommandBody::OpenVenue(open) => self.tell(command, EventBody::VenueOpened { session: open.session }),
            CommandBody::OpenAccount(OpenAccount { account, name, firm }) => {
                self.tell(command, EventBody::AccountOpened { account, name, firm });
            }
            CommandBody::ListInstrument(listed) => self.tell(
                command,
                EventBody::InstrumentListed {
                    instrument: listed.instrument,
                    symbol: listed.symbol,
                    price_decimals: listed.price_decimals,
                    qty_decimals: listed.qty_decimals,
                    tick: listed.tick,
                    lot: listed.lot,
                    max_qty: listed.max_qty,
                    legs: Legs::of_symbol(&listed.symbol),
                },
            ),
            CommandBody::SetTradingState(set) => self.tell(
                command,
                EventBody::TradingStateChanged { instrument: set.instrument, state: set.state, reason: set.reason },
            ),
            CommandBody::Enter(enter) => self.enter(command, &enter),
            CommandBody::Cancel(cancel) => {
                let mut resting = self.resting.borrow_mut();
                let taken = resting.values_mut().find_map(|queue| {
                    let wanted = |(_, order): &(OrderRef, EnterOrder)| {
                        order.owner == cancel.owner && order.user_ref_num == cancel.user_ref_num
                    };
                    queue.iter().position(wanted).and_then(|index| queue.remove(index))
                });
                if let Some((order_ref, order)) = taken {
                    let body = EventBody::Canceled {
                        owner: order.owner,
                        user_ref_num: order.user_ref_num,
                        quantity: order.quantity,
                        leaves: Qty::ZERO,
                        order_ref,
                        concealed: Qty::ZERO,
                        instrument: order.instrument,
                        reason: CancelReason::User,
                        shown: true,
                    };
                    self.tell(command, body);
                }
            }
            CommandBody::Refuse(refuse) => self.tell(
                command,
                EventBody::Rejected { owner: refuse.owner, user_ref_num: refuse.user_ref_num, reason: refuse.reason },
            ),
            CommandBody::Query(query) => {
                self.tell(command, EventBody::NextUserRefNum { owner: query.owner, next: UserRefNum(7) });
            }
            CommandBody::SystemEvent(code) => self.tell(command, EventBody::SystemEvent { code }),
            CommandBody::Replace(_)
            | CommandBody::Modify(_)
            | CommandBody::MassCancel(_)
            | CommandBody::DisableEntry(_)
            | CommandBody::EnableEntry(_)
            | CommandBody::RefuseReplace(_)
            | CommandBody::SetShortSaleTest(_)
            | CommandBody::Operator(_)
            | CommandBody::Venue(_) => {}
        }
    }

    fn enter(&self, command: &Command, enter: &EnterOrder) {
        let order_ref = OrderRef(command.sequence.0);
        let mut resting = self.resting.borrow_mut();
        let level = |is_bid| (enter.instrument.0, is_bid, enter.price.0);
        let maker = resting.get_mut(&level(!enter.side.is_buy())).and_then(VecDeque::pop_front);
        if enter.tags.report_details {
            let body = EventBody::Details {
                matched: Nanos(self.now.get()),
                quantity_ahead: 5,
                for_maker: false,
                for_owner: true,
            };
            self.tell(command, body);
        }
        self.tell(
            command,
            EventBody::Accepted {
                owner: enter.owner,
                user_ref_num: enter.user_ref_num,
                quantity: enter.quantity,
                price: enter.price,
                order_ref,
                instrument: enter.instrument,
                side: enter.side,
                state: OrderState::Live,
                shown: if maker.is_none() { Shown::Anonymous } else { Shown::No },
                firm: Firm::BLANK,
            },
        );
        let Some((maker_ref, maker)) = maker else {
            resting.entry(level(enter.side.is_buy())).or_default().push_back((order_ref, *enter));
            return;
        };
        self.matches.set(self.matches.get() + 1);
        self.tell(
            command,
            EventBody::Traded {
                match_number: MatchNumber(self.matches.get()),
                maker_ref,
                quantity: maker.quantity,
                price: enter.price,
                maker: maker.owner,
                maker_user_ref_num: maker.user_ref_num,
                taker: enter.owner,
                taker_user_ref_num: enter.user_ref_num,
                instrument: enter.instrument,
                maker_side: maker.side,
                maker_flag: LiquidityFlag::Added,
                taker_flag: LiquidityFlag::Removed,
                maker_shown: true,
            },
        );
    }
}

pub(crate) fn open_account(account: u32, name: &str) -> CommandBody {
    let name = AccountName::from_text(name).unwrap();
    let firm = Firm(if account < 2 { *b"DEMA" } else { *b"DEMB" });
    CommandBody::OpenAccount(OpenAccount { account: AccountId(account), name, firm })
}

pub(crate) fn instrument_named(instrument: u16, name: &str) -> ListInstrument {
    ListInstrument {
        instrument: InstrumentId(instrument),
        symbol: Symbol::from_text(name).unwrap(),
        price_decimals: 4,
        qty_decimals: 0,
        tick: Price(100),
        lot: Qty(1),
        max_qty: Qty(999_999),
        reference_price: Price(0),
    }
}

/// The types of a test venue.
pub(crate) struct Vectors;

impl EdgeTypes for Vectors {
    type Commands = Ports;
    type Events = Events;
    type Durable = Ports;
    type Clock = Ports;
    type Credentials = PasswordTable;
    type Store = MemStore;
    type Probe = ();
}

impl FeedTypes for Vectors {
    type Events = Events;
    type Durable = Ports;
    type Clock = Ports;
    type Stream = MemStream;
}

#[derive(Clone)]
pub(crate) struct Ports(pub(crate) Rc<Venue>);

impl CommandPort for Ports {
    fn try_submit(&mut self, ingress: Nanos, body: &CommandBody) -> Result<Sequence, Full> {
        self.0.submit(ingress, body)
    }

    fn is_nearly_full(&mut self) -> bool {
        let max = self.0.input_max.get();
        self.0.input.borrow().len() >= max - max / 8
    }
}

impl DurableCursor for Ports {
    fn durable(&self) -> Sequence {
        Sequence(self.0.durable_limit.get().min(self.0.journal.borrow().len() as u64))
    }
}

impl Clock for Ports {
    fn now(&self) -> Nanos {
        Nanos(self.0.now.get())
    }
}

/// One consumer of events.
pub(crate) struct Events {
    pub(crate) venue: Rc<Venue>,
    pub(crate) taken: usize,
}

impl EventPort for Events {
    fn poll(&mut self, limit: usize, mut each: impl FnMut(&Event)) -> usize {
        let events = self.venue.events.borrow();
        let fresh = events.iter().skip(self.taken).take(limit);
        let count = fresh.clone().count();
        fresh.for_each(&mut each);
        self.taken += count;
        count
    }

    fn applied(&self) -> Sequence {
        Sequence(self.venue.applied.get())
    }
}

/// A stream in memory. What it holds can be looked at, and read elsewhere, through `shared`.
pub(crate) struct MemStream {
    bytes: Vec<u8>,
    starts: Vec<u64>,
    bytes_max: usize,
    shared: Arc<Mutex<(Vec<u8>, Vec<u64>)>>,
}

impl MemStream {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let room = bytes_max.min(1 << 20);
        let shared = Arc::new(Mutex::new((Vec::with_capacity(room), Vec::with_capacity(room / 16))));
        Self { bytes: Vec::with_capacity(room), starts: Vec::with_capacity(room / 16), bytes_max, shared }
    }

    pub(crate) fn reader(&self) -> MemReader {
        MemReader(Arc::clone(&self.shared))
    }
}

fn offset_of(starts: &[u64], end: u64, number: u64) -> Option<u64> {
    let index = usize::try_from(number).unwrap().checked_sub(1)?;
    starts.get(index).copied().or_else(|| (index == starts.len()).then_some(end))
}

impl StreamRead for MemStream {
    fn messages(&self) -> u64 {
        self.starts.len() as u64
    }
    fn end(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn offset_of(&self, number: u64) -> Option<u64> {
        offset_of(&self.starts, self.end(), number)
    }
    fn bytes(&self, from: u64, to: u64) -> &[u8] {
        &self.bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]
    }
}

impl StreamWrite for MemStream {
    fn append(&mut self, framed: &[u8]) -> Result<(), StreamFull> {
        if self.bytes.len() + framed.len() > self.bytes_max {
            return Err(StreamFull);
        }
        assert_eq!(usize::from(u16::from_be_bytes([framed[0], framed[1]])) + 2, framed.len());
        self.starts.push(self.bytes.len() as u64);
        self.bytes.extend_from_slice(framed);
        let mut shared = self.shared.lock().unwrap();
        shared.0.extend_from_slice(framed);
        shared.1.push(self.starts[self.starts.len() - 1]);
        Ok(())
    }
}

/// A reader of a [`MemStream`]. Gives out copies that live for ever: good enough for a test.
#[derive(Clone)]
pub(crate) struct MemReader(Arc<Mutex<(Vec<u8>, Vec<u64>)>>);

impl StreamRead for MemReader {
    fn messages(&self) -> u64 {
        self.0.lock().unwrap().1.len() as u64
    }
    fn end(&self) -> u64 {
        self.0.lock().unwrap().0.len() as u64
    }
    fn offset_of(&self, number: u64) -> Option<u64> {
        let end = self.end();
        offset_of(&self.0.lock().unwrap().1, end, number)
    }
    fn bytes(&self, from: u64, to: u64) -> &[u8] {
        let copy = self.0.lock().unwrap().0[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()].to_vec();
        copy.leak()
    }
}

/// Streams in memory, each of at most `stream_bytes_max` bytes. Opening `DENIED` fails.
pub(crate) struct MemStore {
    pub(crate) stream_bytes_max: usize,
}

impl StreamStore for MemStore {
    type Stream = MemStream;
    type Reader = MemReader;

    fn open_account(&mut self, _: AccountId, name: &AccountName, session: &SessionName) -> io::Result<MemStream> {
        assert_eq!(*session, SESSION);
        if name.as_text() == "DENIED" {
            return Err(io::Error::other("no room for another file"));
        }
        Ok(MemStream::new(self.stream_bytes_max))
    }

    fn open_firm(&mut self, _: &Firm, session: &SessionName) -> io::Result<Option<(MemStream, MemReader)>> {
        assert_ne!(*session, SESSION);
        let stream = MemStream::new(self.stream_bytes_max);
        let reader = stream.reader();
        Ok(Some((stream, reader)))
    }
}

/// A command of the operator that is easy to tell.
pub(crate) const OPERATOR: CommandBody = CommandBody::SystemEvent(SystemEventCode::StartOfMarketHours);
