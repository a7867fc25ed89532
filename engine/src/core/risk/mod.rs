//! Accounts' money and the checks before a trade: limits, kill switches, balances, positions and fees.
//!
//! The core asks [`Risk::check`] last of all checks, and hands every event to [`Risk::observe`] as it tells it; what changes
//! here changes by an event or by a request of the operator, and by nothing else. An account that nothing is set for pays one
//! test per event, and a position per side of a trade.
//!
//! | File | Its job |
//! |---|---|
//! | `checks.rs` | every refusal, in the order of venue-rules.md |
//! | `gate.rs`, `market.rs` | the short way through them, for orders that are far from every limit |
//! | `observe.rs` | what an event changes |
//! | `worth.rs` | what an account's positions are worth: loss of the day, credit |
//! | `trips.rs` | kill switches that nobody turned |
//! | `requests.rs` | what an operator sets, pays in, kills |
//! | `limits.rs`, `fees.rs`, `positions.rs`, `open_orders.rs`, `map.rs` | tables |
//! | `state.rs` | all of it as bytes; `view.rs`: for people |

mod checks;
mod fees;
mod gate;
mod limits;
mod map;
mod market;
mod observe;
mod open_orders;
mod positions;
mod requests;
mod state;
mod trips;
mod view;
mod worth;

pub(crate) use checks::Wish;
pub(crate) use gate::Entrant;
pub(crate) use observe::{Fill, Party};
pub(crate) use open_orders::OpenOrder;
pub use view::{FundsView, LimitView, PositionView, RiskView, TierView};

use crate::core::book::table::Table;
use crate::core::money::{Bucket, Scale};
use crate::memory::advise_large;
use fees::FeeTable;
use gate::Hot;
use limits::{Counts, Limits, Restricted, Restrictions, counts_everybody};
use market::Market;
use positions::Positions;
use protocol::command::{ListInstrument, OpenVenue};
use protocol::money::{Amount, Currency, Legs};
use protocol::operator::{AccountMode, KillCause, LimitKind, Scope};
use protocol::types::{AccountId, Firm, InstrumentId, Nanos};
use trips::Notes;

/// Something is set for this account: its orders are counted.
const LIMITED: u8 = 1;
/// It trades with what it holds: its orders are counted.
const CASH: u8 = 2;
/// Its kill switch is on, or that of its firm.
const KILLED: u8 = 4;
/// Everybody: new pairs of account and instrument are not taken any more.
const SCARCE: u8 = 8;
/// Accounts whose orders are counted.
const COUNTED: u8 = LIMITED | CASH;

/// Positions from which hints to the caches pay: with fewer all of this stays in the second-level cache.
const POSITIONS_WORTH: usize = 1 << 12;

/// Days of the volume that decides the tier.
const TIER_DAYS: usize = 30;

/// An amount of each currency.
pub(super) type Amounts = [Amount; Currency::COUNT];

/// What is kept of an account beside its flags.
#[derive(Clone, Copy, Debug)]
struct Account {
    firm: u32,
    mode: AccountMode,
    /// Its own kill switch: why and since when it is on.
    killed: Option<(KillCause, Nanos)>,
    tier: u8,
    /// US dollars traded on each of the last days, by day modulo their number; the place of [`Hot::day`] is not used.
    volumes: [Amount; TIER_DAYS],
    /// What it was paid in less what it was paid out, and fees; for cash accounts also what trades paid.
    balance: Amounts,
    /// What open orders of a cash account may cost.
    reserved: Amounts,
    duplicates: Bucket,
    /// Refusals, for the kill switch.
    rejects: Bucket,
    /// Where its positions stood when its day began: the day, US dollars.
    stood: Option<(u32, Amount)>,
    /// What is set for it.
    own: Limits,
    /// What holds for it.
    limits: Limits,
    counts: Counts,
    /// A restriction may concern it.
    is_restricted: bool,
}

#[derive(Clone, Copy, Debug)]
struct FirmRisk {
    firm: Firm,
    is_killed: bool,
    own: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Instrument {
    scale: Scale,
    legs: Legs,
    is_killed: bool,
    own: Limits,
    counts: Counts,
}

/// All of it. Owned by the core; memory is reserved when the venue is opened.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what holds for the venue, and what the core is to do")]
pub(crate) struct Risk {
    /// By account: what is out of the ordinary about it.
    flags: Vec<u8>,
    /// By instrument, from index 1: something is set for it.
    instrument_flags: Vec<u8>,
    /// For everybody.
    venue_flags: u8,
    /// The day, once the venue has begun one; before that days are those of UTC.
    day: u32,
    is_charging: bool,
    /// Somebody has limits: what moves a mark is noted.
    is_watching: bool,
    /// Somebody's orders are, or were, counted.
    is_counting: bool,
    /// An instrument has limits for which everybody's orders are counted.
    counts_everybody: bool,
    positions: Positions,
    instruments: Vec<Instrument>,
    /// By instrument, from index 1: what every order and trade needs of it.
    markets: Table<Market>,
    accounts: Vec<Account>,
    firms: Vec<FirmRisk>,
    defaults: Limits,
    restrictions: Restrictions,
    /// By account: what every order needs of it.
    hot: Table<Hot>,
    /// Gates that were opened with another number are shut; from 1.
    epoch: u64,
    /// All gates are shut from here on.
    day_end: Nanos,
    /// The day until then.
    gate_day: u32,
    /// The order at work: accepted or elected, and not at rest.
    flight: OpenOrder,
    /// It is counted; else what is left of it is, once it rests.
    is_flight_counted: bool,
    fees: FeeTable,
    /// US dollars per unit; 0 = not known.
    rates: Amounts,
    /// What the venue received in fees.
    fee_account: Amounts,
    /// What the core looks at when the command ends.
    notes: Notes,
    /// There is something new for the core: flags that it keeps a copy of, or notes.
    is_sync_due: bool,
    /// Flags changed that the core keeps a copy of.
    are_flags_new: bool,
    /// Somebody's orders began or ceased to be counted: the core must tell them all again.
    is_recount_due: bool,
}

/// Room for the accounts, on large pages where there are many.
fn room(accounts: usize) -> Vec<Account> {
    let room = Vec::with_capacity(accounts);
    advise_large(&room);
    room
}

impl Risk {
    /// Of a venue with these bounds.
    pub(crate) fn new(open: &OpenVenue) -> Self {
        let accounts = open.accounts_max as usize;
        let instruments = usize::from(open.instruments_max);
        let mut rates = [Amount::ZERO; Currency::COUNT];
        rates[Currency::Usd.index()] = Amount::ONE;
        Self {
            flags: Vec::with_capacity(accounts),
            instrument_flags: Vec::with_capacity(instruments + 1),
            venue_flags: 0,
            day: 0,
            is_charging: false,
            is_watching: false,
            is_counting: false,
            counts_everybody: false,
            positions: Positions::new(open.orders_max as usize, accounts),
            instruments: Vec::with_capacity(instruments),
            markets: Table::new(instruments + 1, Market::NONE),
            accounts: room(accounts),
            firms: Vec::with_capacity(accounts),
            defaults: Limits::NONE,
            restrictions: Restrictions::new(),
            hot: Table::new(accounts, Hot::NEW),
            epoch: 1,
            day_end: Nanos(0),
            gate_day: 0,
            flight: OpenOrder::NONE,
            is_flight_counted: true,
            fees: FeeTable::FREE,
            rates,
            fee_account: [Amount::ZERO; Currency::COUNT],
            notes: Notes::new(accounts, open.orders_per_command_max as usize),
            is_sync_due: false,
            are_flags_new: false,
            is_recount_due: false,
        }
    }

    /// A new account, the next one: in margin, with what is set for its firm and the venue.
    pub(crate) fn open_account(&mut self, firm: Firm) {
        let known = self.firms.iter().position(|known| known.firm == firm);
        let firm = known.unwrap_or_else(|| {
            self.firms.push(FirmRisk { firm, is_killed: false, own: Limits::NONE });
            self.firms.len() - 1
        });
        self.accounts.push(Account {
            firm: u32::try_from(firm).unwrap_or(u32::MAX),
            mode: AccountMode::Margin,
            killed: None,
            tier: 0,
            volumes: [Amount::ZERO; TIER_DAYS],
            balance: [Amount::ZERO; Currency::COUNT],
            reserved: [Amount::ZERO; Currency::COUNT],
            duplicates: Bucket::FULL,
            rejects: Bucket::FULL,
            stood: None,
            own: Limits::NONE,
            limits: Limits::NONE,
            counts: Counts::default(),
            is_restricted: false,
        });
        self.flags.push(0);
        self.work_out(self.accounts.len() - 1);
        if self.defaults.get(LimitKind::DayLoss).is_some() || self.notes.watches_some() {
            self.watch();
        }
    }

    /// A new instrument, the next one.
    pub(crate) fn list(&mut self, listed: &ListInstrument, legs: Legs) {
        if self.instrument_flags.is_empty() {
            self.instrument_flags.push(0);
        }
        self.instrument_flags.push(0);
        let instrument = Instrument {
            scale: Scale::new(listed.price_decimals, listed.qty_decimals),
            legs,
            is_killed: false,
            own: Limits::NONE,
            counts: Counts::default(),
        };
        let market = self.markets.at_mut(self.instruments.len() + 1);
        market.mark = listed.reference_price.0;
        market.set_rate(&instrument, self.rates[legs.quote.index()]);
        if self.is_watching {
            market.centre();
        }
        self.instruments.push(instrument);
    }

    /// What a trade of an instrument exchanges.
    pub(crate) fn legs(&self, instrument: InstrumentId) -> Legs {
        self.instrument(instrument).legs
    }

    /// True when something is set for an account.
    pub(crate) fn is_account_guarded(&self, account: AccountId) -> bool {
        self.flags[account.0 as usize] != 0
    }

    /// True when the kill switch of an account is on; that of its firm apart.
    pub(crate) fn is_killed_itself(&self, account: AccountId) -> bool {
        self.accounts[account.0 as usize].killed.is_some()
    }

    /// True when something is set for an instrument, or for everybody.
    pub(crate) fn is_instrument_guarded(&self, instrument: InstrumentId) -> bool {
        self.instrument_flags[usize::from(instrument.0)] | self.venue_flags != 0
    }

    /// True when there is something new for the core.
    #[inline]
    pub(crate) fn is_sync_due(&self) -> bool {
        self.is_sync_due
    }

    /// The core knows what is new; true when it must copy the flags.
    pub(crate) fn take_sync(&mut self) -> bool {
        self.is_sync_due = false;
        std::mem::take(&mut self.are_flags_new)
    }

    fn flags_changed(&mut self) {
        (self.is_sync_due, self.are_flags_new) = (true, true);
    }

    /// True when an order of this account in this instrument must be checked.
    pub(crate) fn is_guarded(&self, account: AccountId, instrument: InstrumentId) -> bool {
        let (flags, of_instrument) = (self.flags[account.0 as usize], self.instrument_flags[usize::from(instrument.0)]);
        flags | of_instrument | self.venue_flags != 0
    }

    /// So many positions that they, and what is kept of their accounts, do not stay in the caches.
    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        self.is_counting && self.positions.count() >= POSITIONS_WORTH
    }

    /// Calls `touch` with the lines that every order of a counted account needs, and with that which leads to its position in
    /// an instrument when there are several.
    #[inline]
    pub(crate) fn touch(&self, account: AccountId, instrument: InstrumentId, mut touch: impl FnMut(*const u8)) {
        let hot = std::ptr::from_ref(self.hot.at(account.0 as usize & self.hot.mask())).cast::<u8>();
        touch(hot);
        touch(hot.wrapping_add(64));
        if self.instruments.len() > 1 {
            self.positions.touch_home(account, instrument, touch);
        }
    }

    /// Calls `touch` with the two lines of a position, once that which leads to it is there.
    #[inline]
    pub(crate) fn touch_position(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        mut touch: impl FnMut(*const u8),
    ) {
        let position = if self.instruments.len() > 1 {
            self.positions.find(account, instrument)
        } else {
            self.positions.at(self.hot.at(account.0 as usize & self.hot.mask()).position())
        };
        if let Some(position) = position {
            let position = std::ptr::from_ref(position).cast::<u8>();
            touch(position);
            touch(position.wrapping_add(64));
        }
    }

    /// Works out what holds for an account after something was set.
    fn work_out(&mut self, at: usize) {
        let account = &self.accounts[at];
        let firm = &self.firms[account.firm as usize];
        let limits = account.own.or(&firm.own).or(&self.defaults);
        let id = AccountId(u32::try_from(at).unwrap_or(u32::MAX));
        let concerned = [Restricted::Account(id), Restricted::Firm(firm.firm), Restricted::All];
        let is_restricted = concerned.into_iter().any(|who| self.restrictions.concerns(who));
        let is_free = limits.is_none() && !is_restricted && !self.counts_everybody;
        let mut flags = if is_free { 0 } else { LIMITED };
        if account.mode == AccountMode::Cash {
            flags |= CASH;
        }
        if account.killed.is_some() || firm.is_killed {
            flags |= KILLED;
        }
        self.is_recount_due |= (flags & COUNTED == 0) != (self.flags[at] & COUNTED == 0);
        if (flags == 0) != (self.flags[at] == 0) {
            self.flags_changed();
        }
        self.flags[at] = flags;
        self.shut(at);
        if flags & LIMITED != 0 && !self.is_watching {
            self.is_watching = true;
            (1..=self.instruments.len()).for_each(|at| self.markets.at_mut(at).centre());
        }
        let hot = self.hot.at_mut(at);
        hot.is_watched = limits.get(LimitKind::DayLoss).is_some();
        (hot.is_counted, hot.is_cash) = (flags & COUNTED != 0, flags & CASH != 0);
        self.is_counting |= flags & COUNTED != 0;
        let account = &mut self.accounts[at];
        (account.limits, account.is_restricted) = (limits, is_restricted);
        account.counts = Counts::of(&limits);
    }

    /// The mark of an instrument: last trade, else the reference price; 0 = none.
    fn mark(&self, id: InstrumentId) -> u32 {
        self.markets.at(id.0.into()).mark
    }

    fn instrument(&self, id: InstrumentId) -> &Instrument {
        &self.instruments[usize::from(id.0) - 1]
    }

    /// The index of a firm that some account is of.
    fn firm_index(&self, firm: Firm) -> Option<usize> {
        self.firms.iter().position(|known| known.firm == firm)
    }

    /// True when a scope is about this account.
    pub(crate) fn is_in(&self, scope: Scope, at: usize) -> bool {
        match scope {
            Scope::Venue | Scope::Instrument(_) => true,
            Scope::Firm(firm) => self.firms[self.accounts[at].firm as usize].firm == firm,
            Scope::Account(account) => at == account.0 as usize,
        }
    }

    /// The number of the day: that of the last day which the venue began, or the UTC day from 1970 on.
    fn today(&self, now: Nanos) -> u32 {
        if self.day == 0 { observe::day_of(now) } else { self.day }
    }

    /// A limit of a kind that holds for an account.
    fn limit(&self, account: AccountId, kind: LimitKind) -> Option<Amount> {
        self.accounts[account.0 as usize].limits.get(kind)
    }

    /// The tighter one of what holds for an account and for an instrument.
    fn tighter(&self, account: AccountId, instrument: InstrumentId, kind: LimitKind) -> Option<Amount> {
        self.limit(account, kind).into_iter().chain(self.instrument(instrument).own.get(kind)).min()
    }

    /// Works out whether everybody's orders are counted; true when that changed.
    fn note_counting(&mut self) -> bool {
        let counts = self.instruments.iter().any(|instrument| counts_everybody(&instrument.own));
        std::mem::replace(&mut self.counts_everybody, counts) != counts
    }
}
