//! Layouts of all ITCH 5.0 messages (itch50.md §3 to §5), and of the one that ends a snapshot (§7). Numbers are in the
//! instrument's wire units; letters stay letters.

use crate::decode_error::DecodeError;
use crate::soupbin;
use crate::types::{Firm, InstrumentId, MatchNumber, OrderRef, Price, Qty, Symbol};
use crate::wire::{FieldValue, FieldView, Wire, array_at, message, message_enum, put_at};

/// What every message starts with, behind its type letter.
///
/// ```text
/// 1 2 stock_locate    3 2 tracking_number    5 6 timestamp
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The instrument; 0 when it is not about one.
    pub stock_locate: InstrumentId,
    /// Internal to a venue; this one writes 0.
    pub tracking_number: u16,
    /// Nanoseconds since midnight; the wire has room for 48 bits, more are cut off.
    pub timestamp_ns: u64,
}

impl Wire for Header {
    const BYTES: usize = 10;

    #[inline]
    fn read(bytes: &[u8], offset: usize) -> Self {
        let mut time = [0; 8];
        put_at::<6>(&mut time, 2, array_at(bytes, offset + 4));
        Self {
            stock_locate: InstrumentId::read(bytes, offset),
            tracking_number: u16::read(bytes, offset + 2),
            timestamp_ns: u64::from_be_bytes(time),
        }
    }

    #[inline]
    fn write(self, out: &mut [u8], offset: usize) {
        let [_, _, time @ ..] = self.timestamp_ns.to_be_bytes();
        self.stock_locate.write(out, offset);
        self.tracking_number.write(out, offset + 2);
        put_at::<6>(out, offset + 4, time);
    }

    fn view(self) -> FieldValue {
        FieldValue::Number(self.timestamp_ns)
    }

    fn visit(self, _: &'static str, offset: usize, visit: &mut dyn FnMut(FieldView)) {
        self.stock_locate.visit("stock_locate", offset, visit);
        self.tracking_number.visit("tracking_number", offset + 2, visit);
        visit(FieldView { name: "timestamp_ns", offset: offset + 4, bytes: 6, value: self.view() });
    }
}

message! {
    /// System Event.
    SystemEvent = b'S', 12 {
        /// Instrument and time.
        1 header: Header,
        /// `O S Q M E C`.
        11 event_code: u8,
    }
}

message! {
    /// Stock Directory.
    StockDirectory = b'R', 39 {
        /// Instrument and time.
        1 header: Header,
        /// Instrument.
        11 stock: Symbol,
        /// Listing market; space = none.
        19 market_category: u8,
        /// `N` normal; space = none.
        20 financial_status: u8,
        /// Round lot, wire units.
        21 round_lot_size: Qty,
        /// `Y`, `N`.
        25 round_lots_only: u8,
        /// `C` common stock, and others.
        26 issue_classification: u8,
        /// `Z ` = not applicable.
        27 issue_sub_type: [u8; 2],
        /// `P` production, `T` test.
        29 authenticity: u8,
        /// `Y`, `N`, space.
        30 short_sale_threshold: u8,
        /// `Y`, `N`, `Z`, space.
        31 ipo_flag: u8,
        /// `1`, `2`, space.
        32 luld_tier: u8,
        /// `Y`, `N`, space.
        33 etp_flag: u8,
        /// Rounded; 0 when it is no fund.
        34 etp_leverage_factor: u32,
        /// `Y`, `N`.
        38 inverse_indicator: u8,
    }
}

message! {
    /// Stock Trading Action.
    StockTradingAction = b'H', 25 {
        /// Instrument and time.
        1 header: Header,
        /// Instrument.
        11 stock: Symbol,
        /// `H P Q T`.
        19 trading_state: u8,
        /// A space.
        20 reserved: u8,
        /// Reason code; blank = none.
        21 reason: [u8; 4],
    }
}

message! {
    /// Reg SHO Short Sale Price Test Restricted Indicator.
    ShortSaleTest = b'Y', 20 {
        /// Instrument and time.
        1 header: Header,
        /// Instrument.
        11 stock: Symbol,
        /// `0`, `1`, `2`.
        19 action: u8,
    }
}

message! {
    /// Market Participant Position.
    ParticipantPosition = b'L', 26 {
        /// Instrument and time.
        1 header: Header,
        /// Participant.
        11 mpid: Firm,
        /// Instrument.
        15 stock: Symbol,
        /// `Y`, `N`.
        23 primary_market_maker: u8,
        /// `N P S R L`.
        24 market_maker_mode: u8,
        /// `A E W S D`.
        25 participant_state: u8,
    }
}

message! {
    /// Market-wide circuit breaker: decline levels, with 8 decimals.
    MwcbDeclineLevel = b'V', 35 {
        /// Instrument and time.
        1 header: Header,
        /// First level.
        11 level_1: u64,
        /// Second level.
        19 level_2: u64,
        /// Third level.
        27 level_3: u64,
    }
}

message! {
    /// Market-wide circuit breaker: level breached.
    MwcbStatus = b'W', 12 {
        /// Instrument and time.
        1 header: Header,
        /// `1`, `2`, `3`.
        11 breached_level: u8,
    }
}

message! {
    /// IPO Quoting Period Update.
    IpoQuotingPeriod = b'K', 28 {
        /// Instrument and time.
        1 header: Header,
        /// Instrument.
        11 stock: Symbol,
        /// Seconds since midnight.
        19 release_time_s: u32,
        /// `A`, `C`.
        23 release_qualifier: u8,
        /// Price of the IPO.
        24 ipo_price: Price,
    }
}

message! {
    /// LULD Auction Collar.
    LuldAuctionCollar = b'J', 35 {
        /// Instrument and time.
        1 header: Header,
        /// Instrument.
        11 stock: Symbol,
        /// Reference.
        19 reference_price: Price,
        /// Upper collar.
        23 upper_price: Price,
        /// Lower collar.
        27 lower_price: Price,
        /// Extensions so far.
        31 extension: u32,
    }
}

message! {
    /// Operational Halt.
    OperationalHalt = b'h', 21 {
        /// Instrument and time.
        1 header: Header,
        /// Instrument.
        11 stock: Symbol,
        /// `Q B X`.
        19 market_code: u8,
        /// `H` halted, `T` resumed.
        20 action: u8,
    }
}

message! {
    /// Add Order, no MPID.
    AddOrder = b'A', 36 {
        /// Instrument and time.
        1 header: Header,
        /// Reference.
        11 order_ref: OrderRef,
        /// `B`, `S`.
        19 side: u8,
        /// Displayed quantity.
        20 shares: Qty,
        /// Instrument.
        24 stock: Symbol,
        /// Display price.
        32 price: Price,
    }
}

message! {
    /// Add Order with MPID.
    AddOrderAttributed = b'F', 40 {
        /// Instrument and time.
        1 header: Header,
        /// Reference.
        11 order_ref: OrderRef,
        /// `B`, `S`.
        19 side: u8,
        /// Displayed quantity.
        20 shares: Qty,
        /// Instrument.
        24 stock: Symbol,
        /// Display price.
        32 price: Price,
        /// Whose it is.
        36 attribution: Firm,
    }
}

message! {
    /// Order Executed, at its own price.
    OrderExecuted = b'E', 31 {
        /// Instrument and time.
        1 header: Header,
        /// Reference.
        11 order_ref: OrderRef,
        /// Executed now.
        19 executed_shares: Qty,
        /// Number of the execution.
        23 match_number: MatchNumber,
    }
}

message! {
    /// Order Executed With Price.
    OrderExecutedWithPrice = b'C', 36 {
        /// Instrument and time.
        1 header: Header,
        /// Reference.
        11 order_ref: OrderRef,
        /// Executed now.
        19 executed_shares: Qty,
        /// Number of the execution.
        23 match_number: MatchNumber,
        /// `Y`, `N`.
        31 printable: u8,
        /// Price of this execution.
        32 execution_price: Price,
    }
}

message! {
    /// Order Cancel: a part of it.
    OrderCancel = b'X', 23 {
        /// Instrument and time.
        1 header: Header,
        /// Reference.
        11 order_ref: OrderRef,
        /// Taken off now.
        19 canceled_shares: Qty,
    }
}

message! {
    /// Order Delete: all that was left.
    OrderDelete = b'D', 19 {
        /// Instrument and time.
        1 header: Header,
        /// Reference.
        11 order_ref: OrderRef,
    }
}

message! {
    /// Order Replace.
    OrderReplace = b'U', 35 {
        /// Instrument and time.
        1 header: Header,
        /// Order removed.
        11 original_order_ref: OrderRef,
        /// Order added.
        19 new_order_ref: OrderRef,
        /// Displayed quantity of the new order.
        27 shares: Qty,
        /// Its price.
        31 price: Price,
    }
}

message! {
    /// Trade, non-cross, of an order that was not displayed.
    Trade = b'P', 44 {
        /// Instrument and time.
        1 header: Header,
        /// 0.
        11 order_ref: OrderRef,
        /// `B`.
        19 side: u8,
        /// Traded.
        20 shares: Qty,
        /// Instrument.
        24 stock: Symbol,
        /// Price of the execution.
        32 price: Price,
        /// Number of the execution.
        36 match_number: MatchNumber,
    }
}

message! {
    /// Cross Trade.
    CrossTrade = b'Q', 40 {
        /// Instrument and time.
        1 header: Header,
        /// Matched; 0 = no cross took place.
        11 shares: u64,
        /// Instrument.
        19 stock: Symbol,
        /// Price of the cross.
        27 cross_price: Price,
        /// Number of the execution.
        31 match_number: MatchNumber,
        /// `O C H A`.
        39 cross_type: u8,
    }
}

message! {
    /// Broken Trade.
    BrokenTrade = b'B', 19 {
        /// Instrument and time.
        1 header: Header,
        /// The execution that is void.
        11 match_number: MatchNumber,
    }
}

message! {
    /// Net Order Imbalance Indicator.
    NetOrderImbalance = b'I', 50 {
        /// Instrument and time.
        1 header: Header,
        /// Would match at the reference price.
        11 paired_shares: u64,
        /// Left over.
        19 imbalance_shares: u64,
        /// `B S N O P`.
        27 imbalance_direction: u8,
        /// Instrument.
        28 stock: Symbol,
        /// Clearing price of cross orders only.
        36 far_price: Price,
        /// Clearing price of all orders.
        40 near_price: Price,
        /// What the quantities are given for.
        44 reference_price: Price,
        /// `O C H A`.
        48 cross_type: u8,
        /// Distance of near price and reference.
        49 price_variation: u8,
    }
}

message! {
    /// Retail Price Improvement Indicator.
    RetailInterest = b'N', 20 {
        /// Instrument and time.
        1 header: Header,
        /// Instrument.
        11 stock: Symbol,
        /// `B S A N`.
        19 interest_flag: u8,
    }
}

message! {
    /// Direct Listing With Capital Raise Price Discovery.
    DirectListing = b'O', 48 {
        /// Instrument and time.
        1 header: Header,
        /// Instrument.
        11 stock: Symbol,
        /// `N`, `Y`.
        19 open_eligibility: u8,
        /// Lowest allowed.
        20 minimum_price: Price,
        /// Highest allowed.
        24 maximum_price: Price,
        /// Would execute at.
        28 near_execution_price: Price,
        /// Nanoseconds since midnight.
        32 near_execution_time_ns: u64,
        /// Lower end of the range.
        40 lower_collar: Price,
        /// Upper end of the range.
        44 upper_collar: Price,
    }
}

message! {
    /// End of a GLIMPSE snapshot: never on the live stream.
    EndOfSnapshot = b'G', 21 {
        /// Digits: first message of the live stream that the snapshot does not contain.
        1 sequence: [u8; 20],
    }
}

message_enum! {
    /// One message of the feed or of a snapshot.
    Message {
        /// `S`.
        SystemEvent,
        /// `R`.
        StockDirectory,
        /// `H`.
        StockTradingAction,
        /// `Y`.
        ShortSaleTest,
        /// `L`.
        ParticipantPosition,
        /// `V`.
        MwcbDeclineLevel,
        /// `W`.
        MwcbStatus,
        /// `K`.
        IpoQuotingPeriod,
        /// `J`.
        LuldAuctionCollar,
        /// `h`.
        OperationalHalt,
        /// `A`.
        AddOrder,
        /// `F`.
        AddOrderAttributed,
        /// `E`.
        OrderExecuted,
        /// `C`.
        OrderExecutedWithPrice,
        /// `X`.
        OrderCancel,
        /// `D`.
        OrderDelete,
        /// `U`.
        OrderReplace,
        /// `P`.
        Trade,
        /// `Q`.
        CrossTrade,
        /// `B`.
        BrokenTrade,
        /// `I`.
        NetOrderImbalance,
        /// `N`.
        RetailInterest,
        /// `O`.
        DirectListing,
        /// `G`.
        EndOfSnapshot,
    }
}

impl Message {
    /// The header of a message that changes what is displayed of a book; nothing for any other.
    pub fn book_header(&self) -> Option<Header> {
        if let Self::AddOrder(AddOrder { header, .. })
        | Self::AddOrderAttributed(AddOrderAttributed { header, .. })
        | Self::OrderExecuted(OrderExecuted { header, .. })
        | Self::OrderExecutedWithPrice(OrderExecutedWithPrice { header, .. })
        | Self::OrderCancel(OrderCancel { header, .. })
        | Self::OrderDelete(OrderDelete { header, .. })
        | Self::OrderReplace(OrderReplace { header, .. }) = self
        {
            Some(*header)
        } else {
            None
        }
    }

    /// Reads one message; every type has one length.
    ///
    /// # Errors
    /// Unknown type, wrong length.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (message, rest) = Self::split(bytes)?;
        if rest.is_empty() {
            return Ok(message);
        }
        let expected = bytes.len() - rest.len();
        Err(DecodeError::TooLong { message_type: message.message_type(), expected, found: bytes.len() })
    }

    /// Writes the message to the front of `out`; the bytes written, or `None` when it is too small.
    #[inline]
    pub fn encode(&self, out: &mut [u8]) -> Option<usize> {
        self.put(out)
    }
}

impl EndOfSnapshot {
    /// With the number of the first live message that the snapshot does not contain.
    pub fn new(next_sequence: u64) -> Self {
        Self { sequence: soupbin::sequence_text(next_sequence) }
    }

    /// The number; `None` when it is none. Padding on either side is taken.
    pub fn next_sequence(&self) -> Option<u64> {
        soupbin::number(&self.sequence)
    }
}
