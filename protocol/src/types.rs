//! Quantities, identities and enumerations. Each has its unit in its name or its doc, and only the arithmetic that means
//! something.

use core::fmt;

macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

newtype!(
    /// Position of a command in the journal: 1 for the first; 0 is an empty venue.
    Sequence(u64)
);
newtype!(
    /// Nanoseconds since the Unix epoch, UTC.
    Nanos(u64)
);
newtype!(
    /// A price in the instrument's wire units (price × 10^`price_decimals`).
    /// Limit prices are 1..=1,999,999,900; two values above mean "market" (ouch50.md §4).
    Price(u32)
);
newtype!(
    /// A quantity in the instrument's wire units (quantity × 10^`qty_decimals`).
    Qty(u32)
);
newtype!(
    /// The venue's reference of one order, unique over all instruments; the same on OUCH and ITCH. Starts at 1.
    OrderRef(u64)
);
newtype!(
    /// Number of one execution, the same on both sides and on ITCH. Starts at 1.
    MatchNumber(u64)
);
newtype!(
    /// The number a client gives to what it creates (ouch50.md §3). 0 names nothing.
    UserRefNum(u32)
);
newtype!(
    /// Index of an account, from 0 in order of creation; below [`ACCOUNTS_MAX`](crate::limits::ACCOUNTS_MAX).
    AccountId(u32)
);
newtype!(
    /// Index of an instrument, from 1 in order of listing: its ITCH `stock_locate`. 0 names none.
    InstrumentId(u16)
);
newtype!(
    /// Order-flow channel of an account: OUCH tag `UserRefIdx`. 0 when the tag is absent.
    Channel(u8)
);

impl Sequence {
    /// The sequence of an empty venue.
    pub const ZERO: Self = Self(0);

    /// The sequence that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Nanos {
    /// One UTC day.
    pub const DAY: u64 = 86_400_000_000_000;
}

/// From where the time stamps of a session count (venue-rules.md 2): from 00:00 UTC of the day on which it began, where the
/// trading day is rolled, else from each UTC midnight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Midnight(Nanos);

impl Midnight {
    /// From each UTC midnight.
    pub const EACH: Self = Self(Nanos(0));
    /// More nanoseconds than the 48 bits of the feed hold: three days and six hours.
    const STAMP_END: u64 = 1 << 48;

    /// That of the day of `opened`.
    #[must_use]
    pub const fn of(opened: Nanos) -> Self {
        Self(Nanos(opened.0 - opened.0 % Nanos::DAY))
    }

    /// That of a session which begins at `opened` where one ends that counts like this.
    #[must_use]
    pub const fn next(self, opened: Nanos) -> Self {
        if self.0.0 == 0 { Self::EACH } else { Self::of(opened) }
    }

    /// The time stamp of `at`. A session that lasts longer than the feed can count goes over to each UTC midnight; a time before
    /// the session's day, and an unknown one, is 0.
    #[must_use]
    #[inline]
    pub const fn stamp(self, at: Nanos) -> u64 {
        let since = at.0.saturating_sub(self.0.0);
        if since < Self::STAMP_END { since } else { at.0 % Nanos::DAY }
    }

    /// As a time, 0 for each midnight: how snapshots keep it.
    #[must_use]
    pub const fn time(self) -> Nanos {
        self.0
    }
}

impl Price {
    /// Highest limit price (ouch50.md §4).
    pub const LIMIT_MAX: Self = Self(1_999_999_900);
    /// "Market order" in the price field.
    pub const MARKET: Self = Self(2_000_000_000);
    /// "Market order for a cross" in the price field; the same as [`Price::MARKET`] outside a cross.
    pub const MARKET_CROSS: Self = Self(2_147_483_647);

    /// True for both market sentinels.
    pub const fn is_market(self) -> bool {
        self.0 == Self::MARKET.0 || self.0 == Self::MARKET_CROSS.0
    }

    /// True for a price that an order may rest at, whatever its tick.
    pub const fn is_limit(self) -> bool {
        self.0 >= 1 && self.0 <= Self::LIMIT_MAX.0
    }
}

impl Qty {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The smaller of two quantities.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }
}

impl core::ops::Add for Qty {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}
impl core::ops::Sub for Qty {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}
impl core::ops::AddAssign for Qty {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}
impl core::ops::SubAssign for Qty {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

/// Who an order belongs to: an account and one of its channels, in one word. Together with a [`UserRefNum`] it names an
/// order for as long as the venue lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Owner(u32);

impl Owner {
    /// Packs the two. `account` must be below `ACCOUNTS_MAX`.
    pub fn new(account: AccountId, channel: Channel) -> Self {
        assert!(account.0 < crate::limits::ACCOUNTS_MAX);
        Self(account.0 << 8 | u32::from(channel.0))
    }

    /// The account.
    pub const fn account(self) -> AccountId {
        AccountId(self.0 >> 8)
    }

    /// The channel within the account.
    pub const fn channel(self) -> Channel {
        Channel(self.0.to_le_bytes()[0])
    }

    /// The word itself, for records.
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// From the word of a record; every word is valid.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// All spaces.
            pub const BLANK: Self = Self([b' '; $len]);

            /// From text of at most this many printable ASCII characters; pads with spaces on the right.
            pub fn from_text(text: &str) -> Option<Self> {
                let mut bytes = [b' '; $len];
                let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
                bytes.get_mut(..text.len()).filter(|_| printable)?.copy_from_slice(text.as_bytes());
                Some(Self(bytes))
            }

            /// The text without the padding; `?` where it is not UTF-8.
            pub fn as_text(&self) -> &str {
                core::str::from_utf8(&self.0).map_or("?", str::trim_end)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::BLANK
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0.escape_ascii().to_string())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_text())
            }
        }
    };
}

text!(
    /// Name of an instrument: printable ASCII, padded on the right (widths.md §5).
    Symbol, 8
);
text!(
    /// Name of a firm (MPID).
    Firm, 4
);
text!(
    /// Login name of an account.
    AccountName, 6
);
text!(
    /// Text of the client for one order, echoed and never interpreted.
    ClOrdId, 14
);
text!(
    /// Name of a session, `SoupBinTCP` or `MoldUDP64`.
    SessionName, 10
);

macro_rules! letters {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $letter:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $letter),+ }

        impl $name {
            /// Every value, in the order of the fact sheet.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The letter on the wire.
            pub const fn letter(self) -> u8 {
                self as u8
            }

            /// From the letter on the wire; `None` for any other.
            pub const fn from_letter(letter: u8) -> Option<Self> {
                match letter {
                    $($letter => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

letters!(
    /// Side as the client marks it (ouch50.md §5); the book knows two, see [`Side::is_buy`].
    Side {
        /// Buy.
        Buy = b'B',
        /// Sell.
        Sell = b'S',
        /// Sell short.
        SellShort = b'T',
        /// Sell short, exempt.
        SellShortExempt = b'E',
    }
);

impl Side {
    /// True for the bid side of the book.
    pub const fn is_buy(self) -> bool {
        matches!(self, Self::Buy)
    }

    /// The letter ITCH uses: `B` or `S`.
    pub const fn book_letter(self) -> u8 {
        if self.is_buy() { b'B' } else { b'S' }
    }
}

letters!(
    /// Time in force (ouch50.md §5, ouch-extensions.md).
    TimeInForce {
        /// Regular hours.
        Day = b'0',
        /// Immediate or cancel.
        Ioc = b'3',
        /// Extended hours (GTX).
        Gtx = b'5',
        /// Good till time; needs tag `ExpireTime`.
        Gtt = b'6',
        /// After hours.
        AfterHours = b'E',
        /// Good till cancel.
        Gtc = b'G',
        /// Good till date; needs tag `ExpireAt`.
        Gtd = b'D',
        /// Fill or kill: immediate or cancel with a minimum quantity of the whole.
        Fok = b'F',
    }
);

impl TimeInForce {
    /// True when nothing of the order may rest.
    pub const fn is_immediate(self) -> bool {
        matches!(self, Self::Ioc | Self::Fok)
    }
}

letters!(
    /// How a resting order is shown (ouch50.md §5).
    Display {
        /// Visible, anonymous.
        Visible = b'Y',
        /// Hidden.
        Hidden = b'N',
        /// Visible with the firm's name.
        Attributable = b'A',
    }
);
letters!(
    /// In whose name (ouch50.md §5).
    Capacity {
        /// Agency.
        Agency = b'A',
        /// Principal.
        Principal = b'P',
        /// Riskless principal.
        Riskless = b'R',
        /// Other.
        Other = b'O',
    }
);
letters!(
    /// Which matching an order is for (ouch50.md §5).
    CrossType {
        /// Continuous.
        Continuous = b'N',
        /// Opening cross.
        Opening = b'O',
        /// Closing cross.
        Closing = b'C',
        /// Halt or IPO cross.
        Halt = b'H',
        /// Supplemental.
        Supplemental = b'S',
        /// Retail.
        Retail = b'R',
        /// Extended life.
        ExtendedLife = b'E',
        /// After-hours close.
        AfterHoursClose = b'A',
    }
);
letters!(
    /// Whether an accepted order can still do something (ouch50.md §5).
    OrderState {
        /// More may come.
        Live = b'L',
        /// Accepted and finished at once.
        Dead = b'D',
    }
);
letters!(
    /// Why quantity was taken off (ouch50.md §5, cancel reasons).
    CancelReason {
        /// Regulatory restriction.
        Regulatory = b'D',
        /// Closed.
        Closed = b'E',
        /// Post-only, away market.
        PostOnlyAway = b'F',
        /// Post-only would have taken.
        PostOnly = b'G',
        /// Halted.
        Halted = b'H',
        /// Remainder of an immediate order.
        Immediate = b'I',
        /// Collar, or cannot be executed.
        Collar = b'K',
        /// Self-match prevention.
        SelfMatch = b'Q',
        /// Venue staff or kill switch.
        Supervisory = b'S',
        /// Time in force expired.
        Expired = b'T',
        /// The client asked.
        User = b'U',
        /// Open protection.
        OpenProtection = b'X',
        /// System.
        System = b'Z',
    }
);
letters!(
    /// What an execution did to liquidity; the venue writes only these (ouch50.md §5).
    LiquidityFlag {
        /// Added, displayed.
        Added = b'A',
        /// Removed.
        Removed = b'R',
        /// Added, not displayed.
        AddedHidden = b'J',
        /// Added by the hidden part of a reserve order.
        AddedReserve = b'u',
        /// Opening cross.
        Opening = b'O',
        /// Closing cross.
        Closing = b'C',
        /// Halt cross.
        Halt = b'H',
    }
);
letters!(
    /// Venue-wide event of the day (itch50.md §3, `S`).
    SystemEventCode {
        /// Start of messages.
        StartOfMessages = b'O',
        /// Start of system hours.
        StartOfSystemHours = b'S',
        /// Start of market hours.
        StartOfMarketHours = b'Q',
        /// End of market hours.
        EndOfMarketHours = b'M',
        /// End of system hours.
        EndOfSystemHours = b'E',
        /// End of messages.
        EndOfMessages = b'C',
    }
);
letters!(
    /// Trading state of one instrument, in our own letters; the feed has four of them ([`TradingState::feed_letter`]).
    TradingState {
        /// Halted: orders are collected for the reopening cross.
        Halted = b'H',
        /// Volatility auction: orders are collected for its cross.
        Paused = b'P',
        /// Quotation only before a reopening: orders are collected for the cross.
        QuotationOnly = b'Q',
        /// Trading: orders are matched as they come.
        Trading = b'T',
        /// Before the opening: orders are collected for the opening cross.
        PreOpen = b'O',
        /// Before the close: orders are collected for the closing cross.
        PreClose = b'C',
        /// Closed: no orders.
        Closed = b'E',
    }
);

impl TradingState {
    /// The letter of ITCH `H` (itch50.md §3).
    pub const fn feed_letter(self) -> u8 {
        match self {
            Self::Trading => b'T',
            Self::Paused => b'P',
            Self::QuotationOnly | Self::PreOpen | Self::PreClose => b'Q',
            Self::Halted | Self::Closed => b'H',
        }
    }

    /// The cross that ends this state: opening, closing, or the reopening after a halt or a pause. `None` where no orders
    /// are collected.
    pub const fn cross_type(self) -> Option<CrossType> {
        match self {
            Self::PreOpen => Some(CrossType::Opening),
            Self::PreClose => Some(CrossType::Closing),
            Self::Halted | Self::Paused | Self::QuotationOnly => Some(CrossType::Halt),
            Self::Trading | Self::Closed => None,
        }
    }
}

letters!(
    /// How the quantity of an aggressor is shared among the displayed orders at one price.
    MatchingAlgorithm {
        /// Oldest first.
        PriceTime = b'P',
        /// In proportion to displayed quantity, what remains oldest first.
        ProRata = b'R',
        /// The oldest order first, the rest in proportion.
        TopThenProRata = b'T',
    }
);
letters!(
    /// Why a trade is void (ouch50.md §8, `B`).
    BustReason {
        /// Erroneous.
        Erroneous = b'E',
        /// Consent of both sides.
        Consent = b'C',
        /// Supervisory.
        Supervisory = b'S',
        /// External.
        External = b'X',
    }
);
letters!(
    /// Which way the imbalance of a cross goes (itch50.md §5, `I`).
    ImbalanceDirection {
        /// More to buy.
        Buy = b'B',
        /// More to sell.
        Sell = b'S',
        /// None.
        Balanced = b'N',
        /// Too few orders to say.
        Insufficient = b'O',
    }
);
