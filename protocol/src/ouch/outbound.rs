//! Server → client messages (ouch50.md §8): their bytes, for clients and for tests. The venue writes its answers with
//! [`super::answer`], from these same layouts.

use super::appendage::Appendage;
use crate::decode_error::DecodeError;
use crate::types::{ClOrdId, Firm, MatchNumber, OrderRef, Qty, Symbol, UserRefNum};
use crate::wire::{message, message_enum};

message! {
    /// System Event.
    SystemEvent = b'S', 10 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// `S` start of day, `E` end of day.
        9 event_code: u8,
    }
}

message! {
    /// Order Accepted.
    Accepted = b'A', 62 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
        /// `B S T E`.
        13 side: u8,
        /// Accepted quantity.
        14 quantity: Qty,
        /// Instrument.
        18 symbol: Symbol,
        /// Accepted price, or a market sentinel.
        26 price: u64,
        /// Time in force.
        34 time_in_force: u8,
        /// Display.
        35 display: u8,
        /// The venue's reference; on the feed when displayed.
        36 order_ref: OrderRef,
        /// Capacity.
        44 capacity: u8,
        /// Intermarket sweep.
        45 intermarket_sweep: u8,
        /// Cross type.
        46 cross_type: u8,
        /// `L` live, `D` dead.
        47 order_state: u8,
        /// Echo.
        48 cl_ord_id: ClOrdId,
    }
}

message! {
    /// Order Replaced.
    Replaced = b'U', 66 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// The order that is gone.
        9 orig_user_ref_num: UserRefNum,
        /// The replacement.
        13 user_ref_num: UserRefNum,
        /// `B S T E`.
        17 side: u8,
        /// Open after the replace.
        18 quantity: Qty,
        /// Instrument.
        22 symbol: Symbol,
        /// Price, or a market sentinel.
        30 price: u64,
        /// Time in force.
        38 time_in_force: u8,
        /// Display.
        39 display: u8,
        /// The new reference.
        40 order_ref: OrderRef,
        /// Capacity.
        48 capacity: u8,
        /// Intermarket sweep.
        49 intermarket_sweep: u8,
        /// Cross type.
        50 cross_type: u8,
        /// `L` live, `D` dead.
        51 order_state: u8,
        /// Of the replacement.
        52 cl_ord_id: ClOrdId,
    }
}

message! {
    /// Order Canceled.
    Canceled = b'C', 18 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
        /// Taken off now.
        13 quantity: Qty,
        /// Cancel reason.
        17 reason: u8,
    }
}

message! {
    /// AIQ Canceled: self-match prevention, with details.
    AiqCanceled = b'D', 32 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
        /// Taken off now.
        13 decrement_shares: Qty,
        /// Always `Q`.
        17 reason: u8,
        /// What would have traded.
        18 quantity_prevented: Qty,
        /// Price it would have traded at.
        22 execution_price: u64,
        /// Flag it would have had.
        30 liquidity_flag: u8,
        /// Strategy applied.
        31 aiq_strategy: u8,
    }
}

message! {
    /// Order Executed.
    Executed = b'E', 34 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
        /// Executed now.
        13 quantity: Qty,
        /// Price of the execution.
        17 price: u64,
        /// Liquidity flag.
        25 liquidity_flag: u8,
        /// The same on both sides and on the feed.
        26 match_number: MatchNumber,
    }
}

message! {
    /// Broken Trade.
    BrokenTrade = b'B', 36 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
        /// The execution that is void.
        13 match_number: MatchNumber,
        /// `E C S X`.
        21 reason: u8,
        /// Text of the client.
        22 cl_ord_id: ClOrdId,
    }
}

message! {
    /// Rejected.
    Rejected = b'J', 29 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the request.
        9 user_ref_num: UserRefNum,
        /// Reject reason (ouch50.md §5).
        13 reason: u16,
        /// Echo; blank when the request had none.
        15 cl_ord_id: ClOrdId,
    }
}

message! {
    /// Cancel Pending.
    CancelPending = b'P', 13 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
    }
}

message! {
    /// Cancel Reject.
    CancelReject = b'I', 13 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
    }
}

message! {
    /// Order Priority Update.
    PriorityUpdate = b'T', 30 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
        /// Current price.
        13 price: u64,
        /// Current display.
        21 display: u8,
        /// The new reference.
        22 order_ref: OrderRef,
    }
}

message! {
    /// Order Modified.
    Modified = b'M', 18 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
        /// As modified.
        13 side: u8,
        /// Open now.
        14 quantity: Qty,
    }
}

message! {
    /// Order Restated.
    Restated = b'R', 14 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
        /// `R` refresh of display, `P` update of displayed price.
        13 reason: u8,
    }
}

message! {
    /// Mass Cancel Response.
    MassCancelResponse = b'X', 25 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the request.
        9 user_ref_num: UserRefNum,
        /// Whose orders.
        13 firm: Firm,
        /// Blank = all.
        17 symbol: Symbol,
    }
}

message! {
    /// Disable Order Entry Response.
    EntryDisabled = b'G', 17 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the request.
        9 user_ref_num: UserRefNum,
        /// Firm.
        13 firm: Firm,
    }
}

message! {
    /// Enable Order Entry Response.
    EntryEnabled = b'K', 17 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the request.
        9 user_ref_num: UserRefNum,
        /// Firm.
        13 firm: Firm,
    }
}

message! {
    /// Account Query Response.
    AccountQueryResponse = b'Q', 13 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Lowest number the channel may use next.
        9 next_user_ref_num: UserRefNum,
    }
}

message! {
    /// Trade Correction of an older revision: read, never sent by this venue.
    TradeCorrection = b'F', 49 {
        /// Nanoseconds since midnight.
        1 timestamp_ns: u64,
        /// Number of the order.
        9 user_ref_num: UserRefNum,
        /// Quantity.
        13 quantity: Qty,
        /// Corrected price.
        17 price: u64,
        /// Liquidity flag.
        25 liquidity_flag: u8,
        /// The execution.
        26 match_number: MatchNumber,
        /// `N` adjusted to NAV.
        34 reason: u8,
        /// Text of the client.
        35 cl_ord_id: ClOrdId,
    }
}

message_enum! {
    /// Fixed fields of what the venue sends; the appendage goes beside it.
    Outbound {
        /// `S`.
        SystemEvent,
        /// `A`.
        Accepted,
        /// `U`.
        Replaced,
        /// `C`.
        Canceled,
        /// `D`.
        AiqCanceled,
        /// `E`.
        Executed,
        /// `B`.
        BrokenTrade,
        /// `J`.
        Rejected,
        /// `P`.
        CancelPending,
        /// `I`.
        CancelReject,
        /// `T`.
        PriorityUpdate,
        /// `M`.
        Modified,
        /// `R`.
        Restated,
        /// `X`.
        MassCancelResponse,
        /// `G`.
        EntryDisabled,
        /// `K`.
        EntryEnabled,
        /// `Q`.
        AccountQueryResponse,
        /// `F`.
        TradeCorrection,
    }
}

/// When the appendage length is on the wire (ouch50.md §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendageRule {
    /// Always.
    Due,
    /// When there is something to say.
    Optional,
    /// Never.
    Never,
}

impl Outbound {
    /// Reads one message. Letters and tags are taken as they are, unknown tags are kept; an appendage that the sender
    /// left out is `None`, also where it is due.
    ///
    /// # Errors
    /// Unknown type, wrong length, a broken appendage.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Option<Appendage<'_>>), DecodeError> {
        let (fixed, rest) = Self::split(bytes)?;
        let message_type = fixed.message_type();
        let fixed_bytes = bytes.len() - rest.len();
        if fixed.appendage_rule() == AppendageRule::Never && !rest.is_empty() {
            return Err(DecodeError::TooLong { message_type, expected: fixed_bytes, found: bytes.len() });
        }
        Ok((fixed, Appendage::tail(message_type, fixed_bytes, rest)?))
    }

    /// Writes one message; the bytes written, or `None` when `out` is too small. Without an appendage, the length 0 is
    /// written where one is due; where there is never one, it is left out.
    pub fn encode(&self, appendage: Option<Appendage<'_>>, out: &mut [u8]) -> Option<usize> {
        let fixed_bytes = self.put(out)?;
        let appendage = match self.appendage_rule() {
            AppendageRule::Due => Some(appendage.unwrap_or(Appendage::EMPTY)),
            AppendageRule::Optional => appendage,
            AppendageRule::Never => None,
        };
        match appendage {
            None => Some(fixed_bytes),
            Some(appendage) => Some(fixed_bytes + appendage.put(out.get_mut(fixed_bytes..)?)?),
        }
    }

    /// When the appendage length is on the wire.
    pub const fn appendage_rule(&self) -> AppendageRule {
        match self {
            Self::Accepted(_)
            | Self::Replaced(_)
            | Self::Executed(_)
            | Self::Restated(_)
            | Self::MassCancelResponse(_)
            | Self::EntryDisabled(_)
            | Self::EntryEnabled(_) => AppendageRule::Due,
            Self::Canceled(_)
            | Self::AiqCanceled(_)
            | Self::BrokenTrade(_)
            | Self::Rejected(_)
            | Self::CancelPending(_)
            | Self::CancelReject(_)
            | Self::PriorityUpdate(_)
            | Self::Modified(_)
            | Self::AccountQueryResponse(_) => AppendageRule::Optional,
            Self::SystemEvent(_) | Self::TradeCorrection(_) => AppendageRule::Never,
        }
    }
}
