//! What a command did, as the core tells it. Events are fixed-size and written in place; the edge makes OUCH answers of
//! them, the feed ITCH messages, and one streaming hash over their encodings is the venue's `event_hash`.
//!
//! An answer that echoes what the client sent (Accepted, Replaced, Rejected, Mass Cancel Response) is made from the event
//! *and* its command: the event does not repeat the request.

use crate::RejectReason;
use crate::limits::EVENT_BYTES;
use crate::money::{Amount, Asset, Currency, Legs};
use crate::operator::{KillCause, LimitKind, Outcome, Scope};
use crate::types::{
    AccountId, AccountName, BustReason, CancelReason, Capacity, CrossType, Display, Firm, ImbalanceDirection,
    InstrumentId, LiquidityFlag, MatchNumber, Midnight, Nanos, OrderRef, OrderState, Owner, Price, Qty, Sequence,
    SessionName, Side, Symbol, SystemEventCode, TradingState, UserRefNum,
};

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

impl Event {
    /// From where the time stamps behind this event count, where they counted from `midnight` up to it.
    #[must_use]
    pub fn midnight_after(&self, midnight: Midnight) -> Midnight {
        if let EventBody::MidnightChanged { midnight } = self.body {
            return midnight;
        }
        if let EventBody::SessionRolled { .. } = self.body {
            return midnight.next(self.ingress);
        }
        midnight
    }
}

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
        /// Of `quantity`, what was not displayed: it came off the reserve of an iceberg. 0 for every other order.
        concealed: Qty,
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
        /// Of `removed`, what came off the reserve of an iceberg.
        concealed: Qty,
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
        /// As in the request: blank = the account's own.
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
        /// What a trade exchanges. Not in the canonical bytes: the state, which is hashed too, has it.
        legs: Legs,
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
    /// An order got a new reference and a new place without its owner asking, as a stop does when it is elected (OUCH `T`).
    PriorityUpdated {
        /// Account and channel.
        owner: Owner,
        /// The order.
        user_ref_num: UserRefNum,
        /// Its price: a limit or a market sentinel.
        price: Price,
        /// How it is shown while it rests.
        display: Display,
        /// The new reference, the one of the feed.
        order_ref: OrderRef,
    },
    /// The displayed part of an iceberg was filled up again (OUCH `R`; ITCH `A` or `F`).
    Restated {
        /// Account and channel.
        owner: Owner,
        /// The order.
        user_ref_num: UserRefNum,
        /// The reference of its displayed part on the feed, new.
        order_ref: OrderRef,
        /// Displayed quantity now.
        quantity: Qty,
        /// Its price.
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
    /// Quantity was taken off to prevent a self-match, with details (OUCH `D`; ITCH `X`, or `D` when nothing is left).
    SelfMatchPrevented {
        /// Account and channel.
        owner: Owner,
        /// The order.
        user_ref_num: UserRefNum,
        /// Quantity taken off now, which is what would have traded.
        quantity: Qty,
        /// Quantity still open.
        leaves: Qty,
        /// Price it would have traded at.
        price: Price,
        /// Its reference.
        order_ref: OrderRef,
        /// As in `Canceled`.
        concealed: Qty,
        /// Instrument.
        instrument: InstrumentId,
        /// Liquidity flag it would have had.
        flag: LiquidityFlag,
        /// Letter of the strategy that was applied.
        strategy: u8,
        /// It was on the feed.
        shown: bool,
    },
    /// A cancel waits for the end of a cross (OUCH `P`).
    CancelPending {
        /// Account and channel.
        owner: Owner,
        /// The order.
        user_ref_num: UserRefNum,
    },
    /// A cancel is refused while a cross goes on (OUCH `I`).
    CancelRejected {
        /// Account and channel.
        owner: Owner,
        /// The order.
        user_ref_num: UserRefNum,
    },
    /// One side of an execution in a cross; the other one is told next to it, under the same number (OUCH `E`; ITCH `C` not
    /// to be printed, when it was on the feed).
    CrossExecuted {
        /// Number of this execution.
        match_number: MatchNumber,
        /// Reference of the order; that of the displayed part when `shown`.
        order_ref: OrderRef,
        /// Quantity of this execution.
        quantity: Qty,
        /// Price of the cross.
        price: Price,
        /// Account and channel.
        owner: Owner,
        /// The order.
        user_ref_num: UserRefNum,
        /// Instrument.
        instrument: InstrumentId,
        /// Side with marking.
        side: Side,
        /// Liquidity flag: which cross.
        flag: LiquidityFlag,
        /// What executed was on the feed.
        shown: bool,
    },
    /// A cross is complete (ITCH `Q`).
    Crossed {
        /// Number of the cross: of no single execution.
        match_number: MatchNumber,
        /// Quantity executed on each side; 0 when nothing was paired.
        quantity: u64,
        /// Price; 0 when nothing was paired.
        price: Price,
        /// Instrument.
        instrument: InstrumentId,
        /// `Opening`, `Closing` or `Halt`.
        cross_type: CrossType,
    },
    /// What a cross would do now (ITCH `I`).
    Imbalance {
        /// Quantity that would be paired at the reference price.
        paired: u64,
        /// Quantity that would be left there.
        imbalance: u64,
        /// Price at which the orders of this cross alone would cross; 0 = none.
        far: Price,
        /// Price at which all would cross; 0 = none.
        near: Price,
        /// The price that `paired` and `imbalance` are given for; 0 = none.
        reference: Price,
        /// Instrument.
        instrument: InstrumentId,
        /// Side of the imbalance.
        direction: ImbalanceDirection,
        /// `Opening`, `Closing` or `Halt`.
        cross_type: CrossType,
    },
    /// Prices between which a volatility auction may cross (ITCH `J`).
    AuctionCollar {
        /// Instrument.
        instrument: InstrumentId,
        /// Reference.
        reference: Price,
        /// Highest.
        upper: Price,
        /// Lowest.
        lower: Price,
        /// Extensions so far.
        extension: u32,
    },
    /// Operational halt or its end (ITCH `h`).
    OperationalHaltChanged {
        /// Instrument.
        instrument: InstrumentId,
        /// Halted, else resumed.
        is_halted: bool,
    },
    /// Decline levels of the market-wide circuit breaker (ITCH `V`).
    MarketWideLevels {
        /// With 8 decimals.
        level_1: u64,
        /// With 8 decimals.
        level_2: u64,
        /// With 8 decimals.
        level_3: u64,
    },
    /// A decline level was breached (ITCH `W`).
    MarketWideBreached {
        /// 1, 2 or 3.
        level: u8,
    },
    /// A trade is void (OUCH `B` twice, the buyer's first; ITCH `B`).
    TradeBroken {
        /// The execution.
        match_number: MatchNumber,
        /// Instrument.
        instrument: InstrumentId,
        /// Why.
        reason: BustReason,
        /// Who bought.
        buyer: Owner,
        /// With which order.
        buyer_user_ref_num: UserRefNum,
        /// Who sold.
        seller: Owner,
        /// With which order.
        seller_user_ref_num: UserRefNum,
    },
    /// What an operator asked for cannot be done; nothing changed.
    OperatorRefused {
        /// Why.
        reason: RejectReason,
    },
    /// The trading day has ended and the next one begins: every stream ends here (OUCH `S` `E`, Soup `Z`, MoldUDP64 FFFF), and those of
    /// the new session begin (OUCH `S` `S`).
    SessionRolled {
        /// Name of the new session of every stream.
        session: SessionName,
    },
    /// From where the time stamps count: of this message on, and of every session that begins from now on its own day.
    MidnightChanged {
        /// Of this session.
        midnight: Midnight,
    },
    /// The static reference price was set by an operator.
    ReferenceChanged {
        /// Which.
        instrument: InstrumentId,
        /// From now on; 0 = none.
        price: Price,
    },
    /// A request of the operator was done or refused: the last event of its command.
    Answered {
        /// As in the request.
        request: u32,
        /// What became of it.
        outcome: Outcome,
    },
    /// The operator paid in or out.
    BalanceMoved {
        /// Whose.
        account: AccountId,
        /// Of what.
        asset: Asset,
        /// Paid in; below zero: paid out.
        amount: Amount,
        /// Balance from now on.
        balance: Amount,
    },
    /// The fees of the trade before, when there are any; behind [`Self::TradeBroken`] those that are given back, with the other sign,
    /// the buyer's as the maker's and the seller's as the taker's.
    FeesCharged {
        /// The execution.
        match_number: MatchNumber,
        /// What they are paid in.
        currency: Currency,
        /// What the maker pays; below zero it gets that.
        maker: Amount,
        /// What the taker pays; below zero it gets that.
        taker: Amount,
    },
    /// A limit holds from now on.
    LimitChanged {
        /// Whose.
        scope: Scope,
        /// Which.
        limit: LimitKind,
        /// For a restriction, the instrument; else none.
        instrument: InstrumentId,
        /// Its value; [`Amount::UNSET`] when it was removed.
        value: Amount,
    },
    /// A kill switch moved; what it cancels follows.
    KillSwitched {
        /// What it is about.
        scope: Scope,
        /// New orders are refused; false: they are taken again.
        is_killed: bool,
        /// Why.
        cause: KillCause,
    },
}
