//! What a command did, as the core tells it. Events are fixed-size and written in place; the edge makes OUCH answers of
//! them, the feed ITCH messages, and one streaming hash over their encodings is the venue's `event_hash`.
//!
//! An answer that echoes what the client sent (Accepted, Replaced, Rejected, Mass Cancel Response) is made from the event
//! *and* its command: the event does not repeat the request.

use crate::limits::EVENT_BYTES;
use crate::types::{
    AccountId, AccountName, CancelReason, Capacity, CrossType, Firm, InstrumentId, LiquidityFlag, MatchNumber, Nanos,
    OrderRef, OrderState, Owner, Price, Qty, Sequence, SessionName, Side, Symbol, SystemEventCode, TradingState,
    UserRefNum,
};
use crate::RejectReason;

/// One thing that happened. 64 bytes: one cache line, one ring slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Event {
    /// The command that caused it.
    pub sequence: Sequence,
    /// The ingress time of that command: the `timestamp` of every message made from this.
    pub ingress: Nanos,
    /// What happened.
    pub body: EventBody,
}

const _: () = assert!(size_of::<Event>() == EVENT_BYTES);

/// How a resting order looks on the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Shown {
    /// Not on the feed: it does not rest, or is hidden.
    No = 0,
    /// On the feed without a name: ITCH `A`.
    Anonymous = 1,
    /// On the feed with its firm's name: ITCH `F`.
    Attributed = 2,
}

/// What happened. Every number is in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventBody {
    /// Comes directly before an event whose owner asked for details (tag 205), never alone.
    Details {
        /// When the core finished the command, by the live clock; 0 in the core and in a replay, and in the hash.
        matched: Nanos,
        /// Displayed quantity ahead of the order, for a resting displayed order; else 0.
        quantity_ahead: u64,
        /// For the maker's side of the next event, when that is a trade.
        for_maker: bool,
        /// For the owner of the next event (the taker's side, when that is a trade).
        for_owner: bool,
    },
    /// A new order was accepted (OUCH `A`).
    Accepted {
        /// Account and channel.
        owner: Owner,
        /// Client's number.
        user_ref_num: UserRefNum,
        /// Accepted quantity.
        quantity: Qty,
        /// As entered: a limit or a market sentinel.
        price: Price,
        /// The venue's reference.
        order_ref: OrderRef,
        /// Instrument.
        instrument: InstrumentId,
        /// Side with marking.
        side: Side,
        /// `Dead` when it ended at once without an execution.
        state: OrderState,
        /// Not `No` when all of it now rests displayed: ITCH `A` or `F`. An order that trades first is followed by
        /// its trades and, when a rest stays, by `Rested`.
        shown: Shown,
        /// Name for `Attributed`.
        firm: Firm,
    },
    /// A live order was replaced (OUCH `U`).
    Replaced {
        /// Account and channel.
        owner: Owner,
        /// The order that is gone.
        orig_user_ref_num: UserRefNum,
        /// The replacement.
        user_ref_num: UserRefNum,
        /// Quantity open after the replace.
        quantity: Qty,
        /// Price of the replacement.
        price: Price,
        /// Its reference.
        order_ref: OrderRef,
        /// Reference of the order that is gone.
        old_order_ref: OrderRef,
        /// Instrument.
        instrument: InstrumentId,
        /// Side with marking.
        side: Side,
        /// Inherited.
        capacity: Capacity,
        /// Inherited.
        cross_type: CrossType,
        /// `Dead` when nothing is open.
        state: OrderState,
        /// Not `No` when all of it now rests displayed: with `old_shown` ITCH `U`, else `Rested` follows.
        shown: Shown,
        /// The order that is gone was on the feed: ITCH `U`, or `D` when `shown` is `No`.
        old_shown: bool,
    },
    /// Displayed quantity joined the book, and no other event says so (ITCH `A` or `F`).
    Rested {
        /// Its reference.
        order_ref: OrderRef,
        /// Displayed quantity.
        quantity: Qty,
        /// Display price.
        price: Price,
        /// Instrument.
        instrument: InstrumentId,
        /// Side of the book.
        side: Side,
        /// `Anonymous` or `Attributed`.
        shown: Shown,
        /// Name for `Attributed`.
        firm: Firm,
    },
    /// Two orders traded at the resting order's price (OUCH `E` twice, the maker's first; ITCH `E`, or `P` when the
    /// resting order was hidden).
    Traded {
        /// Number of this execution.
        match_number: MatchNumber,
        /// Reference of the resting order.
        maker_ref: OrderRef,
        /// Quantity of this execution.
        quantity: Qty,
        /// Price of this execution.
        price: Price,
        /// Owner of the resting order.
        maker: Owner,
        /// Its number.
        maker_user_ref_num: UserRefNum,
        /// Owner of the aggressor.
        taker: Owner,
        /// Its number.
        taker_user_ref_num: UserRefNum,
        /// Instrument.
        instrument: InstrumentId,
        /// Side of the resting order.
        maker_side: Side,
        /// Liquidity flag for the maker.
        maker_flag: LiquidityFlag,
        /// Liquidity flag for the taker.
        taker_flag: LiquidityFlag,
        /// The resting order was on the feed.
        maker_shown: bool,
    },
    /// Quantity was taken off an order (OUCH `C`; ITCH `X`, or `D` when nothing is left).
    Canceled {
        /// Account and channel.
        owner: Owner,
        /// The order.
        user_ref_num: UserRefNum,
        /// Quantity taken off now.
        quantity: Qty,
        /// Quantity still open.
        leaves: Qty,
        /// Its reference.
        order_ref: OrderRef,
        /// Instrument.
        instrument: InstrumentId,
        /// Why.
        reason: CancelReason,
        /// It was on the feed.
        shown: bool,
    },
    /// Marking or size changed with priority kept (OUCH `M`; ITCH `X` when `removed` is not zero).
    Modified {
        /// Account and channel.
        owner: Owner,
        /// The order.
        user_ref_num: UserRefNum,
        /// Quantity open now.
        quantity: Qty,
        /// Quantity taken off now.
        removed: Qty,
        /// Its reference.
        order_ref: OrderRef,
        /// Instrument.
        instrument: InstrumentId,
        /// Side with the new marking.
        side: Side,
        /// It is on the feed.
        shown: bool,
    },
    /// A request was refused (OUCH `J`).
    Rejected {
        /// Account and channel.
        owner: Owner,
        /// Number of the request.
        user_ref_num: UserRefNum,
        /// Why.
        reason: RejectReason,
    },
    /// Mass cancel was taken; one `Canceled` per order follows (OUCH `X`).
    MassCancelTaken {
        /// Account and channel.
        owner: Owner,
        /// Number of the request.
        user_ref_num: UserRefNum,
        /// Firm whose orders.
        firm: Firm,
    },
    /// Order entry was disabled (OUCH `G`).
    EntryDisabled {
        /// Account and channel.
        owner: Owner,
        /// Number of the request.
        user_ref_num: UserRefNum,
        /// Firm.
        firm: Firm,
    },
    /// Order entry was enabled (OUCH `K`).
    EntryEnabled {
        /// Account and channel.
        owner: Owner,
        /// Number of the request.
        user_ref_num: UserRefNum,
        /// Firm.
        firm: Firm,
    },
    /// Answer to a query (OUCH `Q`).
    NextUserRefNum {
        /// Account and channel.
        owner: Owner,
        /// Lowest number the channel may use next.
        next: UserRefNum,
    },
    /// The venue exists (ITCH `S` `O` comes as a `SystemEvent` of its own).
    VenueOpened {
        /// Name of the session of every stream.
        session: SessionName,
    },
    /// An instrument was listed (ITCH `R`).
    InstrumentListed {
        /// Its index.
        instrument: InstrumentId,
        /// Its name.
        symbol: Symbol,
        /// Decimals of a price.
        price_decimals: u8,
        /// Decimals of a quantity.
        qty_decimals: i8,
        /// Price step.
        tick: Price,
        /// Quantity step.
        lot: Qty,
        /// Largest order.
        max_qty: Qty,
    },
    /// Trading state changed (ITCH `H`).
    TradingStateChanged {
        /// Which.
        instrument: InstrumentId,
        /// State from now on.
        state: TradingState,
        /// ITCH reason code.
        reason: Firm,
    },
    /// Short-sale price test changed (ITCH `Y`).
    ShortSaleTestChanged {
        /// Which.
        instrument: InstrumentId,
        /// `0`, `1` or `2`.
        action: u8,
    },
    /// An account was opened; its stream begins with OUCH `S` `S`.
    AccountOpened {
        /// Its index.
        account: AccountId,
        /// Its login name.
        name: AccountName,
        /// Its firm.
        firm: Firm,
    },
    /// An event of the trading day (ITCH `S`).
    SystemEvent {
        /// Which.
        code: SystemEventCode,
    },
}
