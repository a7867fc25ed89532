//! Everything that can change the state of the venue, as the core takes it. A command is sequenced, journaled and then
//! applied; what is not in a command did not happen.
//!
//! The edge makes client commands from OUCH messages ([`crate::ouch::inbound`]); the operator's configuration makes the
//! rest. [`crate::record`] is the form on disk.

use crate::RejectReason;
use crate::operator::OperatorCommand;
use crate::types::{
    AccountId, AccountName, Capacity, ClOrdId, CrossType, Display, Firm, InstrumentId, Nanos, Owner, Price, Qty,
    Sequence, SessionName, Side, Symbol, SystemEventCode, TimeInForce, TradingState, UserRefNum,
};
use crate::venue_command::VenueCommand;

/// One sequenced request. 128 bytes, so that a ring slot is two cache lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Command {
    /// Its place in the journal.
    pub sequence: Sequence,
    /// When its bytes were read from the socket: the venue's time while it is applied. Never below that of the
    /// command before.
    pub ingress: Nanos,
    /// What is asked.
    pub body: CommandBody,
}

const _: () = assert!(size_of::<Command>() == 128);

/// What a command asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandBody {
    /// A new order.
    Enter(EnterOrder),
    /// Replace a live order.
    Replace(ReplaceOrder),
    /// Reduce or cancel a live order.
    Cancel(CancelOrder),
    /// Change the sell marking or reduce, keeping priority.
    Modify(ModifyOrder),
    /// Cancel all orders that pass the filters.
    MassCancel(MassCancel),
    /// Refuse new orders of this account until enabled again.
    DisableEntry(EntrySwitch),
    /// Undo `DisableEntry`.
    EnableEntry(EntrySwitch),
    /// Ask for the next usable user reference number.
    Query(AccountQuery),
    /// A message that the edge found invalid; the core checks the number and answers.
    Refuse(Refuse),
    /// A Replace that the edge found invalid: the original is cancelled when it is live.
    RefuseReplace(RefuseReplace),
    /// The first command of every journal.
    OpenVenue(OpenVenue),
    /// A new instrument.
    ListInstrument(ListInstrument),
    /// Trading state of an instrument.
    SetTradingState(SetTradingState),
    /// Short-sale price test of an instrument, as published on the feed.
    SetShortSaleTest(SetShortSaleTest),
    /// A new account, and with it its stream.
    OpenAccount(OpenAccount),
    /// An event of the trading day.
    SystemEvent(SystemEventCode),
    /// A request of the operator of a running venue.
    Operator(OperatorCommand),
    /// Time, connections, and what an operator decides beyond the configuration.
    Venue(VenueCommand),
}

/// Which optional fields a client sent: they are echoed, also when they hold the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagSet(pub u32);

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $tag:literal;)+) => {
        impl TagSet {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)+
            /// (wire tag, set of that one), ascending by tag.
            pub const BY_TAG: &'static [(u8, Self)] = &[$(($tag, Self::$name)),+];
        }
    };
}

tags! {
    /// Tag 2.
    FIRM = 0, 2;
    /// Tag 3.
    MIN_QTY = 1, 3;
    /// Tag 4.
    CUSTOMER_TYPE = 2, 4;
    /// Tag 5.
    MAX_FLOOR = 3, 5;
    /// Tag 6.
    PRICE_TYPE = 4, 6;
    /// Tag 7.
    PEG_OFFSET = 5, 7;
    /// Tag 12.
    POST_ONLY = 6, 12;
    /// Tag 13.
    RANDOM_RESERVES = 7, 13;
    /// Tag 15.
    EXPIRE_TIME = 8, 15;
    /// Tag 16.
    TRADE_NOW = 9, 16;
    /// Tag 17.
    HANDLE_INST = 10, 17;
    /// Tag 24.
    GROUP_ID = 11, 24;
    /// Tag 25.
    SHARES_LOCATED = 12, 25;
    /// Tag 26.
    LOCATE_BROKER = 13, 26;
    /// Tag 27.
    SIDE = 14, 27;
    /// Tag 28.
    USER_REF_IDX = 15, 28;
    /// Tag 29.
    AIQ_STRATEGY = 16, 29;
    /// Tag 30.
    AIQ_GROUP_ID = 17, 30;
    /// Tag 200.
    STOP_PRICE = 18, 200;
    /// Tag 201.
    STOP_TRIGGER = 19, 201;
    /// Tag 202.
    TRAIL_OFFSET = 20, 202;
    /// Tag 203.
    EXPIRE_AT = 21, 203;
    /// Tag 204.
    CANCEL_ON_DISCONNECT = 22, 204;
    /// Tag 205.
    REPORT_DETAILS = 23, 205;
}

impl TagSet {
    /// None.
    pub const NONE: Self = Self(0);

    /// True when all of `other` are here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Optional fields of Enter and Replace (ouch50.md §2, ouch-extensions.md). A field whose tag is not in `present` holds
/// its default. Fields that are only echoed stay the letters they were. What an order keeps while it rests stands together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct OrderTags {
    /// Which tags the client sent.
    pub present: TagSet,
    /// Tag 2; blank = the account's firm.
    pub firm: Firm,
    /// Tag 3; 0 = none.
    pub min_qty: Qty,
    /// Tag 5; 0 = no reserve.
    pub max_floor: Qty,
    /// Tag 7, wire units, signed.
    pub peg_offset: i32,
    /// Tag 13.
    pub random_reserves: Qty,
    /// Tag 15, seconds to live.
    pub expire_time_s: u32,
    /// Tag 26.
    pub locate_broker: Firm,
    /// Tag 200; 0 = none.
    pub stop_price: Price,
    /// Tag 202; 0 = none.
    pub trail_offset: Price,
    /// Tag 203; 0 = none.
    pub expire_at: Nanos,
    /// Tag 24; 0 = none.
    pub group_id: u16,
    /// Tag 4: `R`, `N` or space.
    pub customer_type: u8,
    /// Tag 204: `Y`, `N`, or a space when absent.
    pub cancel_on_disconnect: u8,
    /// Tag 30.
    pub aiq_group_id: [u8; 2],
    /// Tag 6: `L P M R Q m`.
    pub price_type: u8,
    /// Tag 12 is `P`.
    pub post_only: bool,
    /// Tag 16: `Y`, `N` or space.
    pub trade_now: u8,
    /// Tag 17; a space = none.
    pub handle_inst: u8,
    /// Tag 25: `Y` or `N`.
    pub shares_located: u8,
    /// Tag 27, on Replace only.
    pub side: Option<Side>,
    /// Tag 29, a letter of the AIQ table; `*` when absent: the account's default.
    pub aiq_strategy: u8,
    /// Tag 201: `L Q M`.
    pub stop_trigger: u8,
    /// Tag 205 is `Y`.
    pub report_details: bool,
}

impl OrderTags {
    /// No tag sent.
    pub const NONE: Self = Self {
        present: TagSet::NONE,
        firm: Firm::BLANK,
        min_qty: Qty::ZERO,
        max_floor: Qty::ZERO,
        peg_offset: 0,
        random_reserves: Qty::ZERO,
        expire_time_s: 0,
        locate_broker: Firm::BLANK,
        stop_price: Price(0),
        trail_offset: Price(0),
        expire_at: Nanos(0),
        group_id: 0,
        aiq_group_id: *b"  ",
        customer_type: b' ',
        price_type: b'L',
        post_only: false,
        trade_now: b' ',
        handle_inst: b' ',
        shares_located: b'N',
        side: None,
        aiq_strategy: b'*',
        stop_trigger: b'L',
        cancel_on_disconnect: b' ',
        report_details: false,
    };
}

impl Default for OrderTags {
    fn default() -> Self {
        Self::NONE
    }
}

/// A new order (OUCH `O`). What it keeps while it rests stands together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct EnterOrder {
    /// Account and channel.
    pub owner: Owner,
    /// The number the client gives it.
    pub user_ref_num: UserRefNum,
    /// 1 or more.
    pub quantity: Qty,
    /// A limit price or a market sentinel.
    pub price: Price,
    /// Resolved from the symbol by the edge; never 0.
    pub instrument: InstrumentId,
    /// Side with the sell marking.
    pub side: Side,
    /// How it is shown while it rests.
    pub display: Display,
    /// Time in force.
    pub time_in_force: TimeInForce,
    /// Capacity.
    pub capacity: Capacity,
    /// Cross type.
    pub cross_type: CrossType,
    /// Intermarket sweep, only echoed.
    pub sweep: bool,
    /// Text of the client.
    pub cl_ord_id: ClOrdId,
    /// Optional fields.
    pub tags: OrderTags,
}

/// Replace a live order (OUCH `U`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaceOrder {
    /// Account and channel.
    pub owner: Owner,
    /// The order to replace.
    pub orig_user_ref_num: UserRefNum,
    /// The number of the replacement.
    pub user_ref_num: UserRefNum,
    /// Total for the whole chain, executed shares included (ouch50.md §6).
    pub quantity: Qty,
    /// A limit price or a market sentinel.
    pub price: Price,
    /// Time in force of the replacement.
    pub time_in_force: TimeInForce,
    /// How it is shown while it rests.
    pub display: Display,
    /// Intermarket sweep, only echoed.
    pub sweep: bool,
    /// Text of the client for the replacement.
    pub cl_ord_id: ClOrdId,
    /// Optional fields.
    pub tags: OrderTags,
}

/// Reduce or cancel (OUCH `X`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelOrder {
    /// Account and channel.
    pub owner: Owner,
    /// The order.
    pub user_ref_num: UserRefNum,
    /// Intended total size of the order, executed shares included; 0 = cancel all that is open.
    pub quantity: Qty,
}

/// Change marking or reduce (OUCH `M`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModifyOrder {
    /// Account and channel.
    pub owner: Owner,
    /// The order.
    pub user_ref_num: UserRefNum,
    /// New sell marking.
    pub side: Side,
    /// Intended total size, executed shares included.
    pub quantity: Qty,
    /// Which of tags 25, 26, 28 were sent.
    pub present: TagSet,
    /// Tag 25: `Y` or `N`.
    pub shares_located: u8,
    /// Tag 26.
    pub locate_broker: Firm,
}

/// Cancel by filter (OUCH `C`). Filters AND together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassCancel {
    /// Account and channel. The channel filters only when tag 28 was sent.
    pub owner: Owner,
    /// Number of the request.
    pub user_ref_num: UserRefNum,
    /// Blank = the account's firm.
    pub firm: Firm,
    /// Blank = all; echoed.
    pub symbol: Symbol,
    /// What the symbol means; `None` when blank.
    pub instrument: Option<InstrumentId>,
    /// Tag 27.
    pub side: Option<Side>,
    /// Tag 24.
    pub group_id: u16,
    /// Which of tags 24, 27, 28 were sent.
    pub present: TagSet,
}

/// Disable or enable order entry (OUCH `D`, `E`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntrySwitch {
    /// Account and channel.
    pub owner: Owner,
    /// Number of the request.
    pub user_ref_num: UserRefNum,
    /// Blank = the account's firm.
    pub firm: Firm,
}

/// Ask for the next usable number of the owner's channel (OUCH `Q`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountQuery {
    /// Account and channel.
    pub owner: Owner,
}

/// An invalid `O`, `C`, `D` or `E` whose number could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// Account and channel (0 when tag 28 could not be read).
    pub owner: Owner,
    /// Number of the message.
    pub user_ref_num: UserRefNum,
    /// The first thing that is wrong, in check order.
    pub reason: RejectReason,
    /// Echoed when the message was long enough to hold one, else blank.
    pub cl_ord_id: ClOrdId,
}

/// An invalid `U` whose two numbers could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefuseReplace {
    /// Account and channel (0 when tag 28 could not be read).
    pub owner: Owner,
    /// The order to replace.
    pub orig_user_ref_num: UserRefNum,
    /// The number the replacement would have had.
    pub user_ref_num: UserRefNum,
    /// What was wrong; it is not told to the client.
    pub reason: RejectReason,
}

/// Opens an empty venue and fixes what its memory is sized by: these numbers change results, so they are journaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenVenue {
    /// Name of the first session of every stream.
    pub session: SessionName,
    /// Open orders at the most.
    pub orders_max: u32,
    /// Accounts at the most.
    pub accounts_max: u32,
    /// (account, channel) pairs other than channel 0, at the most.
    pub channels_max: u32,
    /// Instruments at the most.
    pub instruments_max: u16,
    /// Orders that one command may touch at the most.
    pub orders_per_command_max: u32,
}

/// A new instrument. Its index is one above the last; the command says it so that a reader need not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListInstrument {
    /// Its index, the ITCH `stock_locate`.
    pub instrument: InstrumentId,
    /// Its name.
    pub symbol: Symbol,
    /// Decimals of a price: wire price = price × 10^this; 0..=12.
    pub price_decimals: u8,
    /// Decimals of a quantity; −9..=12.
    pub qty_decimals: i8,
    /// Price step, wire units; at least 1.
    pub tick: Price,
    /// Quantity step, wire units; at least 1.
    pub lot: Qty,
    /// Largest order, wire units.
    pub max_qty: Qty,
    /// Reference price, wire units; 0 = none yet.
    pub reference_price: Price,
}

/// Sets the trading state of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetTradingState {
    /// Which.
    pub instrument: InstrumentId,
    /// Its state from now on.
    pub state: TradingState,
    /// ITCH reason code, blank = none.
    pub reason: Firm,
}

/// Sets what ITCH `Y` says of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetShortSaleTest {
    /// Which.
    pub instrument: InstrumentId,
    /// `0`, `1` or `2` (itch50.md §3, `Y`).
    pub action: u8,
}

/// Opens an account. Its index is the next free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAccount {
    /// Its index.
    pub account: AccountId,
    /// Its login name.
    pub name: AccountName,
    /// Its firm.
    pub firm: Firm,
}
