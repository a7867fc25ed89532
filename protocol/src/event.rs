//! What a command did, as the core tells it. Events are fixed-size and written in place; the edge makes OUCH answers of
//! them, the feed ITCH messages, and one streaming hash over their encodings is the venue's `event_hash`.
//!
//! An answer that echoes what the client sent (Accepted, Replaced, Rejected, Mass Cancel Response) is made from the event
//! *and* its command: the event does not repeat the request.

use crate::RejectReason;
use crate::limits::EVENT_BYTES;
use crate::money::{Amount, Asset, Currency};
use crate::operator::{KillCause, LimitKind, Outcome, Scope};
use crate::types::{
    AccountId, AccountName, CancelReason, Capacity, CrossType, Firm, InstrumentId, LiquidityFlag, MatchNumber, Nanos,
    OrderRef, OrderState, Owner, Price, Qty, Sequence, SessionName, Side, Symbol, SystemEventCode, TradingState,
    UserRefNum,
};
use crate::wire::put_at;

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
    /// The fees of the trade before, when there are any.
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

impl Event {
    /// The canonical bytes that the venue's event hash is made of: little-endian, unused bytes zero. `Details.matched`
    /// is left out, because it is a reading of the live clock.
    ///
    /// ```text
    ///  0 sequence (8)   8 ingress (8)   16 kind (1), then by kind, each packed behind the one before:
    ///  1 Details          17 quantity_ahead (8)   25 for_maker   26 for_owner
    ///  2 Accepted         17 owner  21 user_ref_num  25 quantity  29 price  33 order_ref (8)  41 instrument (2)
    ///                     43 side  44 state  45 shown  46 firm (4)
    ///  3 Replaced         17 owner  21 orig_user_ref_num  25 user_ref_num  29 quantity  33 price  37 order_ref (8)
    ///                     45 old_order_ref (8)  53 instrument (2)  55 side  56 capacity  57 cross_type  58 state
    ///                     59 shown  60 old_shown
    ///  4 Rested           17 order_ref (8)  25 quantity  29 price  33 instrument (2)  35 side  36 shown  37 firm (4)
    ///  5 Traded           17 match_number (8)  25 maker_ref (8)  33 quantity  37 price  41 maker
    ///                     45 maker_user_ref_num  49 taker  53 taker_user_ref_num  57 instrument (2)  59 maker_side
    ///                     60 maker_flag  61 taker_flag  62 maker_shown
    ///  6 Canceled         17 owner  21 user_ref_num  25 quantity  29 leaves  33 order_ref (8)  41 instrument (2)
    ///                     43 reason  44 shown
    ///  7 Modified         17 owner  21 user_ref_num  25 quantity  29 removed  33 order_ref (8)  41 instrument (2)
    ///                     43 side  44 shown
    ///  8 Rejected         17 owner  21 user_ref_num  25 reason (2), our own number
    ///  9 MassCancelTaken  17 owner  21 user_ref_num  25 firm (4)
    /// 10 EntryDisabled    as 9
    /// 11 EntryEnabled     as 9
    /// 12 NextUserRefNum   17 owner  21 next
    /// 13 VenueOpened      17 session (10)
    /// 14 InstrumentListed 17 instrument (2)  19 symbol (8)  27 price_decimals  28 qty_decimals  29 tick  33 lot
    ///                     37 max_qty
    /// 15 TradingStateChanged   17 instrument (2)  19 state  20 reason (4)
    /// 16 ShortSaleTestChanged  17 instrument (2)  19 action
    /// 17 AccountOpened    17 account  21 name (6)  27 firm (4)
    /// 18 SystemEvent      17 code
    /// 64 Answered         17 request  21 outcome
    /// 65 BalanceMoved     17 account  21 currency or 0 (1)  22 instrument or 0 (2)  24 amount (16)  40 balance (16)
    /// 66 FeesCharged      17 match_number (8)  25 currency (1)  26 maker (16)  42 taker (16)
    /// 67 LimitChanged     17 scope (1, then 4)  22 limit (1)  23 instrument (2)  25 value (16)
    /// 68 KillSwitched     17 scope (1, then 4)  22 is_killed  23 cause
    /// ```
    /// A scope is its kind and who, as in `record/operator.rs`. Where no size is given, numbers have 4 bytes, letters and flags 1.
    #[inline]
    pub fn encode(&self) -> [u8; EVENT_BYTES] {
        let mut bytes = [0; EVENT_BYTES];
        let mut to = Packer { bytes: &mut bytes, at: 0 };
        to.u64(self.sequence.0).u64(self.ingress.0);
        self.body.pack(&mut to);
        bytes
    }
}

/// Packs values one behind the other. With constant positions, which they are once this is inlined, each is one store.
struct Packer<'a> {
    bytes: &'a mut [u8; EVENT_BYTES],
    at: usize,
}

impl Packer<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, value: [u8; N]) -> &mut Self {
        put_at(self.bytes, self.at, value);
        self.at += N;
        self
    }

    #[inline]
    fn u64(&mut self, value: u64) -> &mut Self {
        self.put(value.to_le_bytes())
    }

    #[inline]
    fn u32(&mut self, value: u32) -> &mut Self {
        self.put(value.to_le_bytes())
    }

    #[inline]
    fn u16(&mut self, value: u16) -> &mut Self {
        self.put(value.to_le_bytes())
    }

    fn amount(&mut self, value: Amount) -> &mut Self {
        self.put(value.0.to_le_bytes())
    }

    fn scope(&mut self, scope: Scope) -> &mut Self {
        let (kind, who) = scope.to_words();
        self.put([kind]).put(who)
    }

    /// Kind, owner, number.
    #[inline]
    fn of(&mut self, kind: u8, owner: Owner, user_ref_num: UserRefNum) -> &mut Self {
        self.put([kind]).u32(owner.to_bits()).u32(user_ref_num.0)
    }
}

impl EventBody {
    #[inline]
    #[expect(clippy::too_many_lines, reason = "a flat list: one arm per kind")]
    fn pack(&self, to: &mut Packer<'_>) {
        match *self {
            Self::Details { matched: _, quantity_ahead, for_maker, for_owner } => {
                to.put([1]).u64(quantity_ahead).put([u8::from(for_maker), u8::from(for_owner)]);
            }
            Self::Accepted {
                owner,
                user_ref_num,
                quantity,
                price,
                order_ref,
                instrument,
                side,
                state,
                shown,
                firm,
            } => {
                to.of(2, owner, user_ref_num).u32(quantity.0).u32(price.0).u64(order_ref.0).u16(instrument.0);
                to.put([side.letter(), state.letter(), shown as u8]).put(firm.0);
            }
            Self::Replaced {
                owner,
                orig_user_ref_num,
                user_ref_num,
                quantity,
                price,
                order_ref,
                old_order_ref,
                instrument,
                side,
                capacity,
                cross_type,
                state,
                shown,
                old_shown,
            } => {
                to.of(3, owner, orig_user_ref_num).u32(user_ref_num.0).u32(quantity.0).u32(price.0);
                to.u64(order_ref.0).u64(old_order_ref.0).u16(instrument.0);
                to.put([side.letter(), capacity.letter(), cross_type.letter(), state.letter()]);
                to.put([shown as u8, u8::from(old_shown)]);
            }
            Self::Rested { order_ref, quantity, price, instrument, side, shown, firm } => {
                to.put([4]).u64(order_ref.0).u32(quantity.0).u32(price.0).u16(instrument.0);
                to.put([side.letter(), shown as u8]).put(firm.0);
            }
            Self::Traded {
                match_number,
                maker_ref,
                quantity,
                price,
                maker,
                maker_user_ref_num,
                taker,
                taker_user_ref_num,
                instrument,
                maker_side,
                maker_flag,
                taker_flag,
                maker_shown,
            } => {
                to.put([5]).u64(match_number.0).u64(maker_ref.0).u32(quantity.0).u32(price.0);
                to.u32(maker.to_bits()).u32(maker_user_ref_num.0).u32(taker.to_bits()).u32(taker_user_ref_num.0);
                to.u16(instrument.0);
                to.put([maker_side.letter(), maker_flag.letter(), taker_flag.letter(), u8::from(maker_shown)]);
            }
            Self::Canceled { owner, user_ref_num, quantity, leaves, order_ref, instrument, reason, shown } => {
                to.of(6, owner, user_ref_num).u32(quantity.0).u32(leaves.0).u64(order_ref.0).u16(instrument.0);
                to.put([reason.letter(), u8::from(shown)]);
            }
            Self::Modified { owner, user_ref_num, quantity, removed, order_ref, instrument, side, shown } => {
                to.of(7, owner, user_ref_num).u32(quantity.0).u32(removed.0).u64(order_ref.0).u16(instrument.0);
                to.put([side.letter(), u8::from(shown)]);
            }
            Self::Rejected { owner, user_ref_num, reason } => {
                to.of(8, owner, user_ref_num).u16(reason.number());
            }
            Self::MassCancelTaken { owner, user_ref_num, firm } => {
                to.of(9, owner, user_ref_num).put(firm.0);
            }
            Self::EntryDisabled { owner, user_ref_num, firm } => {
                to.of(10, owner, user_ref_num).put(firm.0);
            }
            Self::EntryEnabled { owner, user_ref_num, firm } => {
                to.of(11, owner, user_ref_num).put(firm.0);
            }
            Self::NextUserRefNum { owner, next } => {
                to.of(12, owner, next);
            }
            Self::VenueOpened { session } => {
                to.put([13]).put(session.0);
            }
            Self::InstrumentListed { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty } => {
                to.put([14]).u16(instrument.0).put(symbol.0).put([price_decimals]).put(qty_decimals.to_le_bytes());
                to.u32(tick.0).u32(lot.0).u32(max_qty.0);
            }
            Self::TradingStateChanged { instrument, state, reason } => {
                to.put([15]).u16(instrument.0).put([state.letter()]).put(reason.0);
            }
            Self::ShortSaleTestChanged { instrument, action } => {
                to.put([16]).u16(instrument.0).put([action]);
            }
            Self::AccountOpened { account, name, firm } => {
                to.put([17]).u32(account.0).put(name.0).put(firm.0);
            }
            Self::SystemEvent { code } => {
                to.put([18]).put([code.letter()]);
            }
            Self::Answered { request, outcome } => {
                to.put([64]).u32(request).put([outcome.number()]);
            }
            Self::BalanceMoved { account, asset, amount, balance } => {
                let (currency, instrument) = match asset {
                    Asset::Currency(currency) => (currency.number(), 0),
                    Asset::Shares(instrument) => (0, instrument.0),
                };
                to.put([65]).u32(account.0).put([currency]).u16(instrument).amount(amount).amount(balance);
            }
            Self::FeesCharged { match_number, currency, maker, taker } => {
                to.put([66]).u64(match_number.0).put([currency.number()]).amount(maker).amount(taker);
            }
            Self::LimitChanged { scope, limit, instrument, value } => {
                to.put([67]).scope(scope).put([limit.number()]).u16(instrument.0).amount(value);
            }
            Self::KillSwitched { scope, is_killed, cause } => {
                to.put([68]).scope(scope).put([u8::from(is_killed), cause.letter()]);
            }
        }
    }
}
