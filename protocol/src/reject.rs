//! Why the core refuses. Our own stable numbers, in check order; `ouch_code` maps them to the wire.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal => $ouch:literal),+ $(,)?) => {
        /// A refusal. The number is stable and never reused; several reasons may share one OUCH code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum RejectReason { $($(#[$doc])* $name = $number),+ }

        impl RejectReason {
            /// Every reason, in check order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Our own number.
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// From our own number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The reason in an OUCH Rejected message (ouch50.md §5).
            pub const fn ouch_code(self) -> u16 {
                match self {
                    $(Self::$name => $ouch),+
                }
            }
        }
    };
}

reasons! {
    /// Lengths or appendage syntax are wrong, or a tag is not allowed on the message.
    Malformed = 1 => 0x000F,
    /// Side letter unknown.
    SideUnknown = 2 => 0x0009,
    /// Quantity is zero.
    QuantityZero = 3 => 0x0013,
    /// Price is neither a limit price nor a market sentinel.
    PriceOutOfRange = 4 => 0x001D,
    /// Time in force letter unknown, or not allowed here.
    TimeInForceUnknown = 5 => 0x000F,
    /// Display letter unknown.
    DisplayUnknown = 6 => 0x0003,
    /// Capacity letter unknown.
    CapacityUnknown = 7 => 0x000F,
    /// Intermarket sweep letter is neither `Y` nor `N`.
    SweepUnknown = 8 => 0x000F,
    /// Cross type letter unknown.
    CrossTypeUnknown = 9 => 0x0014,
    /// Price type tag holds an unknown letter.
    PriceTypeUnknown = 10 => 0x0005,
    /// A flag tag holds an unknown letter.
    TagValueUnknown = 11 => 0x000F,
    /// AIQ strategy letter unknown, or AIQ group malformed.
    AiqUnknown = 12 => 0x0040,
    /// Retail handling instructions are not offered.
    HandleInstUnsupported = 13 => 0x001A,
    /// A stop price or a trail offset is zero or out of range.
    StopPriceOutOfRange = 14 => 0x001D,
    /// Minimum quantity above the quantity.
    MinQtyAboveQuantity = 15 => 0x000D,
    /// A time tag is missing, forbidden here or in the past.
    ExpiryInvalid = 16 => 0x000F,
    /// No instrument has this symbol.
    SymbolUnknown = 17 => 0x0017,
    /// The firm is not the account's, or its order entry is disabled.
    FirmNotAuthorized = 18 => 0x000C,
    /// Orders of this account are being cancelled, or the order is frozen by a cross in progress.
    CancelPending = 37 => 0x000B,
    /// The instrument is closed.
    MarketClosed = 38 => 0x0002,
    /// The instrument is not trading, and the order cannot wait.
    TradingHalted = 19 => 0x0007,
    /// Quantity above the instrument's maximum.
    QuantityAboveMax = 20 => 0x0013,
    /// Quantity is no multiple of the lot.
    QuantityNotOnLot = 21 => 0x0013,
    /// Price is not on the tick grid.
    PriceNotOnTick = 22 => 0x001D,
    /// Stop price or trail offset is not on the tick grid.
    StopPriceNotOnTick = 23 => 0x001D,
    /// Peg offset is not on the tick grid.
    PegOffsetNotOnTick = 35 => 0x001D,
    /// Minimum quantity on a displayed order that could rest.
    MinQtyOnDisplayed = 24 => 0x000D,
    /// Max floor together with what excludes it.
    MaxFloorInvalid = 25 => 0x0004,
    /// Post-only together with what excludes it.
    PostOnlyInvalid = 26 => 0x000F,
    /// The order type or the message is not offered by this venue (yet).
    NotSupported = 27 => 0x000F,
    /// Pegging is not offered (yet).
    PegNotSupported = 28 => 0x0011,
    /// A pegged order that asks to be displayed.
    PegDisplayed = 34 => 0x0003,
    /// A cross order with terms that no cross order has, or at a time when its cross takes none.
    CrossInvalid = 36 => 0x0014,
    /// Cross orders are not offered (yet).
    CrossNotSupported = 29 => 0x0014,
    /// Hidden or reserve orders are not offered (yet).
    DisplayNotSupported = 30 => 0x0003,
    /// Every slot for open orders is taken.
    OrdersFull = 31 => 0x000A,
    /// The table of channels is full.
    ChannelsFull = 32 => 0x000A,
    /// The venue is closing, or its disk is nearly full.
    VenueClosing = 33 => 0x0002,
    /// No such trade to break, or it is broken already; told to the operator only.
    TradeUnknown = 39 => 0x000F,
    /// Quantity above a limit of the account or the instrument.
    LimitOrderQuantity = 64 => 0x0031,
    /// The account may not trade this instrument.
    InstrumentRestricted = 65 => 0x0022,
    /// Notional above a limit of the account or the instrument, or beyond what can be counted.
    LimitOrderNotional = 66 => 0x0030,
    /// The account may not sell short.
    ShortSaleNotPermitted = 67 => 0x002B,
    /// A short sale must name a locate.
    LocateMissing = 68 => 0x0027,
    /// The price is further from the reference price than the collar allows.
    PriceOutsideCollar = 69 => 0x0026,
    /// The account may not send market orders, or nothing bounds what one would cost it.
    MarketOrderNotPermitted = 70 => 0x002C,
    /// The account has as many open orders as it may.
    LimitOpenOrders = 71 => 0x0020,
    /// Notional of the open orders above the limit.
    LimitOpenNotional = 72 => 0x0020,
    /// The position could pass its limit.
    LimitPosition = 73 => 0x0020,
    /// Beyond the credit of the account.
    CreditExceeded = 74 => 0x0020,
    /// Less is held, and not reserved, than the order may cost.
    BalanceTooLow = 75 => 0x0020,
    /// The loss of the day has passed its limit.
    DayLossPassed = 76 => 0x0020,
    /// More messages per second than the account may send.
    MessageRate = 77 => 0x0029,
    /// More messages per second than may be sent for the instrument.
    SymbolRate = 78 => 0x0028,
    /// Notional traded today above the limit.
    LimitDayNotional = 79 => 0x0025,
    /// Too many equal orders per second.
    DuplicateRate = 80 => 0x002A,
    /// The kill switch of the account or of its firm is on.
    AccountKilled = 81 => 0x000C,
    /// The kill switch of the instrument or of the venue is on.
    InstrumentKilled = 82 => 0x0007,
    /// The table of positions is full.
    PositionsFull = 83 => 0x000A,
}

impl RejectReason {
    /// True when the same request may succeed later without being changed.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::TradingHalted
            | Self::MarketClosed
            | Self::CancelPending
            | Self::OrdersFull
            | Self::ChannelsFull
            | Self::VenueClosing
            | Self::LimitOpenOrders
            | Self::LimitOpenNotional
            | Self::LimitPosition
            | Self::CreditExceeded
            | Self::BalanceTooLow
            | Self::DayLossPassed
            | Self::MessageRate
            | Self::SymbolRate
            | Self::LimitDayNotional
            | Self::DuplicateRate
            | Self::AccountKilled
            | Self::InstrumentKilled
            | Self::PositionsFull => true,
            Self::Malformed
            | Self::SideUnknown
            | Self::QuantityZero
            | Self::PriceOutOfRange
            | Self::TimeInForceUnknown
            | Self::DisplayUnknown
            | Self::CapacityUnknown
            | Self::SweepUnknown
            | Self::CrossTypeUnknown
            | Self::PriceTypeUnknown
            | Self::TagValueUnknown
            | Self::AiqUnknown
            | Self::HandleInstUnsupported
            | Self::StopPriceOutOfRange
            | Self::MinQtyAboveQuantity
            | Self::ExpiryInvalid
            | Self::SymbolUnknown
            | Self::FirmNotAuthorized
            | Self::QuantityAboveMax
            | Self::QuantityNotOnLot
            | Self::PriceNotOnTick
            | Self::StopPriceNotOnTick
            | Self::PegOffsetNotOnTick
            | Self::MinQtyOnDisplayed
            | Self::MaxFloorInvalid
            | Self::PostOnlyInvalid
            | Self::NotSupported
            | Self::PegNotSupported
            | Self::PegDisplayed
            | Self::CrossInvalid
            | Self::TradeUnknown
            | Self::CrossNotSupported
            | Self::DisplayNotSupported
            | Self::LimitOrderQuantity
            | Self::InstrumentRestricted
            | Self::LimitOrderNotional
            | Self::ShortSaleNotPermitted
            | Self::LocateMissing
            | Self::PriceOutsideCollar
            | Self::MarketOrderNotPermitted => false,
        }
    }
}
