//! Client → server messages (ouch50.md §7): their bytes, for clients and for tests. The venue goes from bytes to
//! commands with [`admit`], which knows the whole order of checks.

use super::appendage::Appendage;
use crate::decode_error::DecodeError;
use crate::types::{ClOrdId, Firm, Qty, Symbol, UserRefNum};
use crate::wire::{message, message_enum};

pub use super::admit::{Admission, admit};

message! {
    /// Enter Order.
    EnterOrder = b'O', 45 {
        /// A new number.
        1 user_ref_num: UserRefNum,
        /// `B S T E`.
        5 side: u8,
        /// 1 or more, wire units.
        6 quantity: Qty,
        /// Instrument.
        10 symbol: Symbol,
        /// Wire units, or a market sentinel.
        18 price: u64,
        /// Time in force.
        26 time_in_force: u8,
        /// `Y N A`.
        27 display: u8,
        /// `A P R O`.
        28 capacity: u8,
        /// `Y N`.
        29 intermarket_sweep: u8,
        /// Cross type.
        30 cross_type: u8,
        /// Text of the client.
        31 cl_ord_id: ClOrdId,
    }
}

message! {
    /// Replace Order Request.
    ReplaceOrder = b'U', 38 {
        /// The order to replace.
        1 orig_user_ref_num: UserRefNum,
        /// A new number for the replacement.
        5 user_ref_num: UserRefNum,
        /// Total for the whole chain, executed shares included.
        9 quantity: Qty,
        /// Wire units, or a market sentinel.
        13 price: u64,
        /// Time in force.
        21 time_in_force: u8,
        /// `Y N A`.
        22 display: u8,
        /// `Y N`.
        23 intermarket_sweep: u8,
        /// Text of the client for the replacement.
        24 cl_ord_id: ClOrdId,
    }
}

message! {
    /// Cancel Order Request.
    CancelOrder = b'X', 9 {
        /// The order.
        1 user_ref_num: UserRefNum,
        /// Intended total size, executed shares included; 0 = cancel all that is open.
        5 quantity: Qty,
    }
}

message! {
    /// Modify Order Request.
    ModifyOrder = b'M', 10 {
        /// The order.
        1 user_ref_num: UserRefNum,
        /// New sell marking.
        5 side: u8,
        /// Intended total size, executed shares included.
        6 quantity: Qty,
    }
}

message! {
    /// Mass Cancel Request.
    MassCancel = b'C', 17 {
        /// A new number.
        1 user_ref_num: UserRefNum,
        /// Whose orders; blank = the account's firm.
        5 firm: Firm,
        /// Blank = all.
        9 symbol: Symbol,
    }
}

message! {
    /// Disable Order Entry Request.
    DisableEntry = b'D', 9 {
        /// A new number.
        1 user_ref_num: UserRefNum,
        /// Blank = the account's firm.
        5 firm: Firm,
    }
}

message! {
    /// Enable Order Entry Request.
    EnableEntry = b'E', 9 {
        /// A new number.
        1 user_ref_num: UserRefNum,
        /// Blank = the account's firm.
        5 firm: Firm,
    }
}

message! {
    /// Account Query Request.
    AccountQuery = b'Q', 1 {
    }
}

message_enum! {
    /// Fixed fields of what a client sends; the appendage goes beside it.
    Inbound {
        /// `O`.
        EnterOrder,
        /// `U`.
        ReplaceOrder,
        /// `X`.
        CancelOrder,
        /// `M`.
        ModifyOrder,
        /// `C`.
        MassCancel,
        /// `D`.
        DisableEntry,
        /// `E`.
        EnableEntry,
        /// `Q`.
        AccountQuery,
    }
}

impl Inbound {
    /// Reads one message. Letters and tags are taken as they are: only lengths are judged.
    ///
    /// # Errors
    /// Unknown type; wrong length; an appendage that is missing where it is due, or broken.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Option<Appendage<'_>>), DecodeError> {
        let (fixed, rest) = Self::split(bytes)?;
        let message_type = fixed.message_type();
        let fixed_bytes = bytes.len() - rest.len();
        let appendage = Appendage::tail(message_type, fixed_bytes, rest)?;
        if appendage.is_none() && fixed.appendage_is_due() {
            return Err(DecodeError::TooShort { message_type, expected: fixed_bytes + 2, found: bytes.len() });
        }
        Ok((fixed, appendage))
    }

    /// Writes one message; the bytes written, or `None` when `out` is too small. Without an appendage, the length 0 is
    /// written where one is due and nothing where it is optional.
    pub fn encode(&self, appendage: Option<Appendage<'_>>, out: &mut [u8]) -> Option<usize> {
        let fixed_bytes = self.put(out)?;
        let due = self.appendage_is_due().then_some(Appendage::EMPTY);
        match appendage.or(due) {
            None => Some(fixed_bytes),
            Some(appendage) => Some(fixed_bytes + appendage.put(out.get_mut(fixed_bytes..)?)?),
        }
    }

    /// True when the appendage length is always on the wire.
    pub const fn appendage_is_due(&self) -> bool {
        match self {
            Self::EnterOrder(_)
            | Self::ReplaceOrder(_)
            | Self::MassCancel(_)
            | Self::DisableEntry(_)
            | Self::EnableEntry(_) => true,
            Self::CancelOrder(_) | Self::ModifyOrder(_) | Self::AccountQuery(_) => false,
        }
    }
}
