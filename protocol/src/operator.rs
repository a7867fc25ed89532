//! What an operator asks of a running venue. Such a request can be wrong, because somebody types it: the core checks it
//! like any other, does it or refuses it, and says which in [`EventBody::Answered`](crate::EventBody::Answered), the last event
//! of the command. Configuration at start uses the commands of [`crate::command`], which assert instead.

use crate::money::{Amount, Asset, Currency, Legs};
use crate::types::{AccountId, AccountName, Firm, InstrumentId, Owner, Price, Qty, Symbol, TradingState, UserRefNum};

/// A request of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorCommand {
    /// Number of whoever asks; the answer repeats it.
    pub request: u32,
    /// What is asked.
    pub action: OperatorAction,
}

/// What an operator can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorAction {
    /// A new account.
    CreateAccount(CreateAccount),
    /// A new instrument; it is listed halted.
    AddInstrument(AddInstrument),
    /// Halts or resumes one instrument.
    SetState {
        /// Which.
        instrument: InstrumentId,
        /// Its state from now on.
        state: TradingState,
        /// ITCH reason code, blank = none.
        reason: Firm,
    },
    /// How an account trades; only while it holds nothing and has no open orders.
    SetMode {
        /// Which.
        account: AccountId,
        /// From now on.
        mode: AccountMode,
    },
    /// Pays in (above zero) or out (below).
    MoveFunds {
        /// Whose.
        account: AccountId,
        /// Of what.
        asset: Asset,
        /// How much; not 0.
        amount: Amount,
    },
    /// Sets or removes one limit.
    SetLimit(SetLimit),
    /// Blocks new orders, and cancels resting ones up to the bound of a command; `More` says that some are left.
    Kill(Scope),
    /// Undoes `Kill`.
    Resume(Scope),
    /// One row of the fee table.
    SetFees(SetFees),
    /// Reference rate of a currency.
    SetRate {
        /// Which.
        currency: Currency,
        /// US dollars per unit; above 0.
        rate: Amount,
    },
    /// Cancels one order (reason `S`).
    CancelOrder {
        /// Account and channel.
        owner: Owner,
        /// The order.
        user_ref_num: UserRefNum,
    },
}

/// A new account. The venue gives it the next index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateAccount {
    /// Its login name.
    pub name: AccountName,
    /// Its firm.
    pub firm: Firm,
    /// How it trades.
    pub mode: AccountMode,
}

/// A new instrument. The venue gives it the next index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddInstrument {
    /// Its name.
    pub symbol: Symbol,
    /// Decimals of a price, 0..=12.
    pub price_decimals: u8,
    /// Decimals of a quantity, −9..=12; with those of the price at most 12.
    pub qty_decimals: i8,
    /// Price step, wire units; at least 1.
    pub tick: Price,
    /// Quantity step, wire units; at least 1.
    pub lot: Qty,
    /// Largest order, wire units.
    pub max_qty: Qty,
    /// Reference price, wire units; 0 = none yet.
    pub reference_price: Price,
    /// What a trade exchanges.
    pub legs: Legs,
}

/// How an account trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AccountMode {
    /// With what it holds: an order reserves what it may cost, a trade settles at once.
    Cash = b'C',
    /// With positions: nothing is reserved, balances may go below zero within the limits.
    Margin = b'M',
}

impl AccountMode {
    /// From its letter, `C` or `M`.
    pub const fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'C' => Some(Self::Cash),
            b'M' => Some(Self::Margin),
            _ => None,
        }
    }

    /// Its letter.
    pub const fn letter(self) -> u8 {
        self as u8
    }
}

/// What a limit or a kill switch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The whole venue; in a limit: the default of every account.
    Venue,
    /// All accounts of a firm.
    Firm(Firm),
    /// One account.
    Account(AccountId),
    /// One instrument, whoever trades it.
    Instrument(InstrumentId),
}

impl Scope {
    /// Kind (0 = venue, 1 = firm, 2 = account, 3 = instrument) and who: its form in records and events.
    pub(crate) fn to_words(self) -> (u8, [u8; 4]) {
        match self {
            Self::Venue => (0, [0; 4]),
            Self::Firm(firm) => (1, firm.0),
            Self::Account(account) => (2, account.0.to_le_bytes()),
            Self::Instrument(instrument) => (3, u32::from(instrument.0).to_le_bytes()),
        }
    }
}

/// Sets or removes one limit of one scope. An account has its own value, else its firm's, else the venue's default; the
/// value of an instrument holds besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLimit {
    /// Whose.
    pub scope: Scope,
    /// Which.
    pub limit: LimitKind,
    /// For [`LimitKind::Restricted`] the instrument; else none (0).
    pub instrument: InstrumentId,
    /// The value, 0 to [`Amount::MAX`]; [`Amount::UNSET`] removes it.
    pub value: Amount,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)+) => {
        /// A limit. The number is stable and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum LimitKind { $($(#[$doc])* $name = $number),+ }

        impl LimitKind {
            /// Every limit, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// From its number, from 0; `None` for any other.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Its number.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// Its name on the command line.
            pub const fn as_text(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }
        }
    };
}

limits! {
    /// Quantity of one order, in units of what is traded.
    OrderQuantity = 0, "max-order-quantity";
    /// Notional of one order, in US dollars.
    OrderNotional = 1, "max-order-notional";
    /// 0 = short sales are refused.
    ShortSale = 2, "short-sale";
    /// 1 = a short sale must name a locate.
    LocateRequired = 3, "locate-required";
    /// Distance of a price from the reference price, in parts of it (an amount of 0.05 is 5 %).
    PriceCollar = 4, "price-collar";
    /// 0 = market orders are refused.
    MarketOrders = 5, "market-orders";
    /// Open orders.
    OpenOrders = 6, "max-open-orders";
    /// Notional of all open orders, in US dollars.
    OpenNotional = 7, "max-open-notional";
    /// Position of one instrument if all open buys traded, in units of what is traded.
    PositionLong = 8, "max-position-long";
    /// The same if all open sells traded, below zero.
    PositionShort = 9, "max-position-short";
    /// Value at the marks of what all positions could become, beyond what the account owns, in US dollars; margin accounts
    /// only.
    Credit = 10, "credit";
    /// Loss of the day, realised and unrealised at the marks, in US dollars; beyond it the kill switch of the account trips.
    DayLoss = 11, "loss-limit";
    /// Messages per second.
    MessageRate = 12, "max-message-rate";
    /// Orders and replaces per second that are accepted, of one account in one instrument.
    SymbolRate = 13, "max-symbol-rate";
    /// Notional traded in a UTC day, in US dollars.
    DayNotional = 14, "max-day-notional";
    /// Orders per second that are equal to the one before.
    DuplicateRate = 15, "max-duplicate-rate";
    /// 1 = the instrument named may not be traded.
    Restricted = 16, "restrict";
    /// Messages per second, however they are answered, above which the kill switch of the account trips.
    KillMessageRate = 17, "kill-message-rate";
    /// Refusals per second above which the kill switch of the account trips.
    KillRejectRate = 18, "kill-reject-rate";
}

impl LimitKind {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
}

/// One row of the fee table. An account is in the highest tier whose threshold its notional of the last 30 days reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetFees {
    /// 0 is for everybody; up to [`FEE_TIERS_MAX`] − 1.
    pub tier: u8,
    /// Parts per million of the notional that a maker pays; below zero it gets them.
    pub maker_ppm: i32,
    /// The same for a taker.
    pub taker_ppm: i32,
    /// Notional of 30 days from which the tier holds, in US dollars; 0 for tier 0, ascending by tier.
    pub threshold: Amount,
}

/// Rows of the fee table.
pub const FEE_TIERS_MAX: usize = 8;

/// The largest fee, either way: all of the notional would be 1,000,000.
pub const FEE_PPM_MAX: i32 = 100_000;

/// Why a kill switch moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KillCause {
    /// The operator asked.
    Operator = b'O',
    /// The loss limit of the day was passed.
    DayLoss = b'L',
    /// More messages per second than an account may send before that.
    MessageRate = b'M',
    /// More refusals per second than an account may cause before that.
    Rejects = b'R',
    /// A voided execution left a position beyond its limit.
    Position = b'P',
}

impl KillCause {
    /// Its letter.
    pub const fn letter(self) -> u8 {
        self as u8
    }

    /// From its letter.
    pub const fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'O' => Some(Self::Operator),
            b'L' => Some(Self::DayLoss),
            b'M' => Some(Self::MessageRate),
            b'R' => Some(Self::Rejects),
            b'P' => Some(Self::Position),
            _ => None,
        }
    }

    /// In words.
    pub const fn as_text(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::DayLoss => "loss of the day",
            Self::MessageRate => "message rate",
            Self::Rejects => "rejected orders",
            Self::Position => "position after a broken trade",
        }
    }
}

macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)+) => {
        /// What became of a request of the operator. The number is stable and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Outcome { $($(#[$doc])* $name = $number),+ }

        impl Outcome {
            /// Every outcome, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its number.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// In words.
            pub const fn as_text(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }
        }
    };
}

outcomes! {
    /// Done.
    Done = 0, "done";
    /// Done as far as one command may go: the same request again goes on.
    More = 1, "done in part: more orders are to be cancelled";
    /// The account does not exist.
    AccountUnknown = 2, "no such account";
    /// The firm does not exist.
    FirmUnknown = 3, "no such firm";
    /// The instrument does not exist.
    InstrumentUnknown = 4, "no such instrument";
    /// The order is not live.
    OrderUnknown = 5, "no such open order";
    /// The execution is not known (any more).
    TradeUnknown = 6, "no such execution";
    /// An account or instrument of this name exists.
    NameTaken = 7, "the name is taken";
    /// The venue was opened for no more of these.
    Full = 8, "the venue was opened for no more of these";
    /// A value is out of its range.
    BadValue = 9, "a value is out of its range";
    /// The balance that is not reserved is smaller.
    NotAvailable = 10, "more than is held and not reserved";
    /// The account holds something, or has open orders.
    InUse = 11, "the account holds something or has open orders";
    /// This venue does not do that.
    NotSupported = 12, "not supported";
}

impl Outcome {
    /// True when the state was changed as asked.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::More)
    }
}
