//! The deterministic core: commands in, events out. The same commands give the same events and the same state on any
//! machine, in any build, with any batch boundaries.
//!
//! It reads no clock, no file, no socket and no random source, and starts no thread: time is the `ingress` of a command.
//! All memory is reserved when `OpenVenue` is applied; after that nothing is allocated. What a client sends can make it
//! answer or ignore, never panic; a broken law of our own, and an operator's command that contradicts the state, is an
//! assertion.
//!
//! | File | Its step |
//! |---|---|
//! | `orders.rs` | Enter and Replace: number, checks, answer |
//! | `plain.rs` | the short way of most of them |
//! | `validate.rs` | all refusals |
//! | `matcher.rs` | trades and rests |
//! | `orders_special.rs`, `sweep.rs`, `makers.rs`, `smp.rs` | the long way: icebergs, pegs, minimums, self-match prevention |
//! | `special.rs`, `forest.rs` | what such orders keep, and the sets in which they wait |
//! | `triggers.rs`, `due.rs`, `jobs.rs` | elections of stops; what becomes due with time; cancels in parts |
//! | `roll.rs` | the end of a trading day, and what the next one begins with |
//! | `states.rs`, `cross.rs`, `interest.rs`, `auction.rs`, `bands.rs` | trading states, crosses and their price, bands and collars |
//! | `shared.rs`, `allocation.rs` | levels whose quantity is shared |
//! | `requests.rs`, `requests_special.rs` | Cancel, Modify and the other requests of clients |
//! | `risk/`, `money.rs` | limits, kill switches, balances, positions, fees |
//! | `operator.rs`, `venue.rs` | requests of the operator: checked, done, answered; commands of the venue itself |
//! | `book/` | price levels, orders, the index |
//! | `accounts.rs`, `instruments.rs` | tables |
//! | `prefetch.rs` | hints to the caches |
//! | `snapshot.rs`, `snapshot_orders.rs`, `snapshot_work.rs`, `view.rs` | state as bytes, and for reading |

mod accounts;
mod allocation;
mod auction;
mod bands;
pub(crate) mod book;
mod cross;
mod due;
mod forest;
mod instruments;
mod interest;
mod jobs;
mod makers;
mod matcher;
mod money;
mod operator;
mod orders;
mod orders_special;
mod plain;
mod prefetch;
mod requests;
mod requests_special;
mod risk;
mod roll;
mod shared;
mod sink;
mod smp;
mod snapshot;
mod snapshot_orders;
mod snapshot_work;
mod special;
mod states;
mod sweep;
mod timetable;
mod triggers;
mod validate;
mod venue;
mod view;

pub use risk::{FundsView, LimitView, PositionView, RiskView, TierView};
pub use sink::{EventBuffer, EventSink, events_per_command_max};
pub use snapshot::DecodeStateError;
pub use view::{AccountView, InstrumentView, LevelView, OrderView};

use crate::ORDER_TYPES;
use accounts::Accounts;
use book::Books;
use book::index::OrderIndex;
use instruments::Instruments;
use jobs::{DAY_JOBS_MAX, JOBS_MAX, Job};
use makers::Peg;
use protocol::command::OpenVenue;
use protocol::limits::CANCELS_PENDING_MAX;
use protocol::money::Legs;
use protocol::types::{AccountId, InstrumentId, Midnight, Nanos, Owner, Sequence, SessionName, UserRefNum};
use protocol::{Command, CommandBody, EventBody};
use risk::{OpenOrder, Risk};
use roll::Day;
use sink::Out;
use special::Specials;
use std::collections::VecDeque;
use timetable::Timetable;
use triggers::Touched;
use venue::Busts;

/// Before the venue is opened there is room for nothing.
const NO_VENUE: OpenVenue = OpenVenue {
    session: SessionName::BLANK,
    orders_max: 0,
    accounts_max: 0,
    channels_max: 0,
    instruments_max: 0,
    orders_per_command_max: 1,
};

/// The state of a venue, and the one way to change it. Owned by one thread.
#[derive(Debug)]
pub struct Core {
    last_sequence: Sequence,
    last_ingress: Nanos,
    venue: Option<OpenVenue>,
    accounts: Accounts,
    instruments: Instruments,
    books: Books,
    index: OrderIndex,
    specials: Specials,
    /// Pegged orders with their prices for the aggressor at work.
    pegs: Vec<Peg>,
    /// Orders that this command has touched.
    touched: u32,
    /// One bit for each instrument that a command changed in passing.
    changed: Vec<u64>,
    /// Cancels by filter that are not finished, oldest first.
    jobs: Vec<Job>,
    busts: Busts,
    day: Day,
    /// Crosses that are not finished.
    crossings: u32,
    /// Cancels that wait for the end of a cross, in order of request.
    waiting_cancels: VecDeque<(Owner, UserRefNum)>,
    /// A market-wide halt that is not finished: its level, and the index of the next instrument.
    halting: Option<(u8, u16)>,
    /// When auctions end, and when imbalance messages are due.
    auctions: Timetable,
    imbalances: Timetable,
    /// Order references given so far.
    order_refs: u64,
    /// Match numbers given so far.
    matches: u64,
    /// Money and limits.
    risk: Box<Risk>,
    /// The risk state noted something that is looked at when the command ends.
    has_noted: bool,
}

impl Core {
    /// An empty venue at sequence 0. Its memory is reserved when `OpenVenue` is applied.
    #[must_use]
    pub fn new() -> Self {
        Self {
            last_sequence: Sequence::ZERO,
            last_ingress: Nanos(0),
            venue: None,
            accounts: Accounts::new(0, 0),
            instruments: Instruments::new(0),
            books: Books::new(0, 0, 0),
            index: OrderIndex::new(0),
            specials: Specials::new(0, 0),
            pegs: Vec::new(),
            touched: 0,
            changed: Vec::new(),
            jobs: Vec::with_capacity(JOBS_MAX + DAY_JOBS_MAX),
            busts: Busts::default(),
            day: Day::new(0),
            crossings: 0,
            waiting_cancels: VecDeque::with_capacity(CANCELS_PENDING_MAX),
            halting: None,
            auctions: Timetable::new(0),
            imbalances: Timetable::new(0),
            order_refs: 0,
            matches: 0,
            risk: Box::new(Risk::new(&NO_VENUE)),
            has_noted: false,
        }
    }

    /// Applies the next command and pushes what it did, in order; at most
    /// [`events_per_command_max`]`(orders_per_command_max)` events.
    ///
    /// Asserts what the sequencer and the operator's side owe: the sequence is the last one plus 1, time does not go
    /// back, the venue is opened first and once, accounts and instruments get the next index within the bounds of
    /// `OpenVenue`, and a command names only accounts that exist.
    pub fn apply(&mut self, command: &Command, events: &mut impl EventSink) {
        self.apply_inline(command, events);
    }

    /// Applies commands from the front, until all are applied or `is_enough` says so after one; answers how many.
    pub fn apply_some<'c, S: EventSink>(
        &mut self,
        commands: impl IntoIterator<Item = &'c Command>,
        events: &mut S,
        is_enough: impl Fn(&S) -> bool,
    ) -> usize {
        let mut applied = 0;
        for command in commands {
            self.apply_inline(command, events);
            applied += 1;
            if is_enough(events) {
                break;
            }
        }
        applied
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "in the loop over a batch, nothing is saved and restored per command")]
    fn apply_inline(&mut self, command: &Command, events: &mut impl EventSink) {
        assert!(command.sequence == self.last_sequence.next(), "commands come in sequence");
        assert!(command.ingress >= self.last_ingress, "time does not go back");
        self.last_sequence = command.sequence;
        self.last_ingress = command.ingress;
        self.touched = 0;
        let out = &mut Out::new(events, command.sequence, command.ingress);
        if ORDER_TYPES && self.specials.conditional != 0 {
            return self.apply_watched(command, out);
        }
        self.dispatch(command, out);
        if self.has_noted && !self.look_in_passing(out.ingress()) {
            return self.apply_noted(command, None, out);
        }
        if ORDER_TYPES && self.specials.conditional != 0 {
            // The first order that waits for a price: it has taken a reference.
            self.look_after(&command.body, (None, self.order_refs.wrapping_sub(1)), out);
            if self.has_noted {
                self.look_at_noted(out);
            }
        }
    }

    /// The same while orders wait for a price: what the command touched is looked at afterwards.
    #[inline(never)]
    fn apply_watched(&mut self, command: &Command, out: &mut Out<'_, impl EventSink>) {
        let (named, refs) = (self.instrument_named(&command.body), self.order_refs);
        self.dispatch(command, out);
        if self.has_noted && !self.look_in_passing(out.ingress()) {
            return self.apply_noted(command, Some((named, refs)), out);
        }
        if self.specials.conditional != 0 {
            self.look_after(&command.body, (named, refs), out);
            if self.has_noted {
                self.look_at_noted(out);
            }
        }
    }

    /// The rest of a command that gave the risk state something to look at; `before` is what is known when orders waited for a
    /// price before it. Switches trip before stops are elected, and behind that what
    /// those did. What the last cancels reach is elected by the next command that touches its instrument.
    #[cold]
    #[inline(never)]
    fn apply_noted(
        &mut self,
        command: &Command,
        before: Option<(Option<InstrumentId>, u64)>,
        out: &mut Out<'_, impl EventSink>,
    ) {
        if before.is_none() {
            self.changed.fill(0);
        }
        let before = before.unwrap_or((None, self.order_refs.wrapping_sub(1)));
        let has_tripped = self.look_at_noted(out);
        if self.specials.conditional == 0 {
            return;
        }
        let touched = self.touched_by(&command.body, before, out.told());
        match touched {
            Touched::One(instrument) if has_tripped => {
                self.note_changed(instrument);
                self.look_everywhere(out);
            }
            Touched::None if has_tripped => self.look_everywhere(out),
            Touched::One(instrument) => self.look(instrument, out),
            Touched::None => {}
            Touched::Changed => self.look_everywhere(out),
        }
        if self.has_noted {
            self.look_at_noted(out);
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "in the loop over a batch, nothing is saved and restored per command")]
    fn dispatch(&mut self, command: &Command, out: &mut Out<'_, impl EventSink>) {
        match &command.body {
            CommandBody::Enter(enter) => self.enter(enter, out),
            CommandBody::Cancel(cancel) => self.cancel(cancel, out),
            CommandBody::Replace(replace) => self.replace(replace, out),
            CommandBody::Modify(modify) => self.modify(modify, out),
            CommandBody::MassCancel(mass) => self.mass_cancel(mass, out),
            CommandBody::DisableEntry(switch) => self.switch_entry(switch, true, out),
            CommandBody::EnableEntry(switch) => self.switch_entry(switch, false, out),
            CommandBody::Query(query) => self.query(*query, out),
            CommandBody::Refuse(refuse) => self.refuse(refuse, out),
            CommandBody::RefuseReplace(refuse) => self.refuse_replace(refuse, out),
            CommandBody::OpenVenue(_)
            | CommandBody::ListInstrument(_)
            | CommandBody::SetTradingState(_)
            | CommandBody::SetShortSaleTest(_)
            | CommandBody::OpenAccount(_)
            | CommandBody::SystemEvent(_)
            | CommandBody::Venue(_) => self.operate(&command.body, out),
            CommandBody::Operator(request) => self.answer(request, out),
        }
    }

    /// Commands of the operator's configuration.
    #[cold]
    fn operate(&mut self, body: &CommandBody, out: &mut Out<'_, impl EventSink>) {
        match body {
            CommandBody::OpenVenue(open) => {
                assert!(self.venue.is_none(), "the venue is opened once");
                self.reserve(open);
                self.day.opened = out.ingress();
                out.push(EventBody::VenueOpened { session: open.session });
            }
            CommandBody::ListInstrument(listed) => {
                self.instruments.list(listed);
                let legs = Legs::of_symbol(&listed.symbol);
                self.risk.list(listed, legs);
                self.sync_guards();
                if self.is_rolling() {
                    self.mark_rolling(true);
                }
                assert!(usize::from(listed.instrument.0) == self.instruments.count(), "instruments are counted from 1");
                out.push(EventBody::InstrumentListed {
                    instrument: listed.instrument,
                    symbol: listed.symbol,
                    price_decimals: listed.price_decimals,
                    qty_decimals: listed.qty_decimals,
                    tick: listed.tick,
                    lot: listed.lot,
                    max_qty: listed.max_qty,
                    legs,
                });
            }
            CommandBody::SetTradingState(set) => {
                if let Err(reason) = self.enter_state(set.instrument, (set.state, set.reason), out) {
                    out.push(EventBody::OperatorRefused { reason });
                }
            }
            CommandBody::SetShortSaleTest(set) => {
                self.instruments.terms_mut(set.instrument).short_sale_test = set.action;
                out.push(EventBody::ShortSaleTestChanged { instrument: set.instrument, action: set.action });
            }
            CommandBody::OpenAccount(open) => {
                assert!(open.account.0 as usize == self.accounts.count(), "accounts are counted from 0");
                self.accounts.open(open.name, open.firm);
                self.risk.open_account(open.firm);
                self.sync_guards();
                out.push(EventBody::AccountOpened { account: open.account, name: open.name, firm: open.firm });
            }
            CommandBody::SystemEvent(code) => {
                out.push(EventBody::SystemEvent { code: *code });
                self.pass_of_day(*code, out);
            }
            CommandBody::Venue(command) => self.obey(command, out),
            CommandBody::Enter(_)
            | CommandBody::Replace(_)
            | CommandBody::Cancel(_)
            | CommandBody::Modify(_)
            | CommandBody::MassCancel(_)
            | CommandBody::DisableEntry(_)
            | CommandBody::EnableEntry(_)
            | CommandBody::Query(_)
            | CommandBody::Refuse(_)
            | CommandBody::RefuseReplace(_)
            | CommandBody::Operator(_) => unreachable!("these have their own functions"),
        }
    }

    /// Reserves all memory of a venue.
    fn reserve(&mut self, open: &OpenVenue) {
        assert!(open.orders_per_command_max >= 1, "a command may touch an order");
        self.venue = Some(*open);
        self.accounts = Accounts::new(open.accounts_max, open.channels_max);
        self.instruments = Instruments::new(open.instruments_max);
        self.books = Books::new(open.orders_max, open.instruments_max, open.accounts_max);
        self.index = OrderIndex::new(open.orders_max);
        self.specials = Specials::new(open.orders_max, open.instruments_max);
        self.pegs = Vec::with_capacity(open.orders_max as usize);
        self.day = Day::new(open.orders_max);
        let instruments = usize::from(open.instruments_max) + 1;
        (self.auctions, self.imbalances) = (Timetable::new(instruments), Timetable::new(instruments));
        self.changed = vec![0; usize::from(open.instruments_max) / 64 + 1];
        *self.risk = Risk::new(open);
    }

    /// Tells an event that changes an order or trades, so that the risk state learns it, and what that has to say.
    pub(super) fn tell(&mut self, body: EventBody, out: &mut Out<'_, impl EventSink>) {
        let resting = self.resting_in(&body);
        self.tell_of(body, resting, out);
    }

    /// The same, about these open orders.
    pub(super) fn tell_of(
        &mut self,
        body: EventBody,
        resting: [Option<OpenOrder>; 2],
        out: &mut Out<'_, impl EventSink>,
    ) {
        out.push(body);
        if let Some(more) = self.risk.observe(&body, resting, out.ingress()) {
            out.push(more);
        }
        if self.risk.is_sync_due() {
            self.sync_guards();
        }
    }

    /// When the session of every stream began; 0 before the venue is opened.
    pub fn session_opened(&self) -> Nanos {
        self.day.opened
    }

    /// From where the time stamps of this session count.
    pub fn midnight(&self) -> Midnight {
        if self.day.rolls { Midnight::of(self.day.opened) } else { Midnight::EACH }
    }

    /// The schedule rolls the trading day, as far as the core was told.
    pub fn day_rolls(&self) -> bool {
        self.day.rolls
    }

    /// The end of a trading day has begun, and is not finished.
    pub fn is_day_ending(&self) -> bool {
        self.is_rolling()
    }

    /// Money, limits and switches, for reading.
    pub fn risk(&self) -> RiskView<'_> {
        RiskView(&self.risk)
    }

    /// Sequence of the last command applied; 0 before the first.
    pub fn last_sequence(&self) -> Sequence {
        self.last_sequence
    }

    /// Ingress time of the last command applied; 0 before the first.
    pub fn last_ingress(&self) -> Nanos {
        self.last_ingress
    }

    fn orders_per_command_max(&self) -> u32 {
        self.venue.as_ref().map_or(1, |venue| venue.orders_per_command_max)
    }

    /// Checks every law of the state, the slow way: for tests and the soak run.
    ///
    /// # Errors
    /// The first broken law, in words.
    pub fn verify(&self) -> Result<(), String> {
        self.specials.verify()?;
        let (mut resting, mut reserves) = (0, 0);
        for instrument in 1..=self.instruments.count() {
            let bid = u32::try_from(instrument << 1 | 1).map_err(|error| error.to_string())?;
            for side in [bid, bid ^ 1] {
                resting += self.books.verify_side(side)?.0;
                reserves += u32::try_from(self.reserves(side)).map_err(|error| error.to_string())?;
                for slot in self.books.orders(side).filter(|slot| !self.is_reserve(*slot)) {
                    let node = self.books.slab.node(slot);
                    if self.find(node.owner(), node.user_ref_num()) != Some(slot) {
                        return Err(format!("order {slot} rests and is not in the index"));
                    }
                }
            }
            if self.is_crossed(u16::try_from(instrument).map_err(|error| error.to_string())?) {
                return Err(format!("instrument {instrument} is crossed"));
            }
        }
        let mut listed = 0;
        for account in 0..self.accounts.count() {
            let id = AccountId(u32::try_from(account).map_err(|error| error.to_string())?);
            listed += self.accounts.verify(id, &self.books.slab, |slot| self.age_of(slot))?;
        }
        let (on_slab, in_index) = (self.books.slab.orders(), self.index.count());
        if resting != on_slab || listed + reserves != on_slab || in_index + reserves as usize != on_slab as usize {
            return Err(format!(
                "{on_slab} orders on the slab, {resting} rest, {listed} listed, {in_index} in the index"
            ));
        }
        Ok(())
    }
}

impl Default for Core {
    fn default() -> Self {
        Self::new()
    }
}
