//! The bytes of a command on disk. The journal puts a header of its own in front (checksum, length, sequence, ingress
//! time) and otherwise does not look inside. All numbers little-endian; every length a multiple of 8; bytes marked `-`
//! are zero, and checked when read. Kind numbers are stable and never reused.
//!
//! ```text
//! kind                 bytes
//!  1 Enter           40, 104  1 -  2 instrument  4 owner  8 user_ref_num  12 quantity  16 price  20 side
//!                             21 time_in_force  22 display  23 capacity  24 sweep  25 cross_type  26 cl_ord_id
//!  2 Replace         40, 104  1 time_in_force  2 display  3 sweep  4 owner  8 orig_user_ref_num  12 user_ref_num
//!                             16 quantity  20 price  24 cl_ord_id  38 -
//!  3 Cancel               16  1 -  4 owner  8 user_ref_num  12 quantity
//!  4 Modify               24  1 side  2 shares_located  3 -  4 owner  8 user_ref_num  12 quantity  16 present
//!                             20 locate_broker
//!  5 MassCancel           32  1 side or 0  2 group_id  4 owner  8 user_ref_num  12 firm  16 symbol  24 present
//!                             28 instrument or 0  30 -
//!  6 DisableEntry         16  1 -  4 owner  8 user_ref_num  12 firm
//!  7 EnableEntry          16  as DisableEntry
//!  8 Query                 8  1 -  4 owner
//!  9 Refuse               32  1 -  2 reason  4 owner  8 user_ref_num  12 cl_ord_id  26 -
//! 10 RefuseReplace        16  1 -  2 reason  4 owner  8 orig_user_ref_num  12 user_ref_num
//! 11 OpenVenue            32  1 -  2 instruments_max  4 orders_max  8 accounts_max  12 channels_max
//!                             16 orders_per_command_max  20 session  30 -
//! 12 ListInstrument       32  1 price_decimals  2 instrument  4 symbol  12 tick  16 lot  20 max_qty
//!                             24 reference_price  28 qty_decimals  29 -
//! 13 SetTradingState       8  1 state  2 instrument  4 reason
//! 14 SetShortSaleTest      8  1 action  2 instrument  4 -
//! 15 OpenAccount          24  1 -  4 account  8 name  14 firm  18 -
//! 16 SystemEvent           8  1 code  2 -
//! 17 Tick                  8  1 -
//! 18 SetMatching          16  1 algorithm  2 instrument  4 minimum  8 elections_per_command_max (2)  10 -
//! 19 SetBands             24  1 -  2 instrument  4 static_ppm  8 dynamic_ppm  12 collar_ppm  16 auction_s  20 -
//! 20 SetReferencePrice     8  1 -  2 instrument  4 price
//! 21 StartAuction         16  1 state  2 instrument  4 reason  8 until (8)
//! 22 SetAccountDefaults   16  1 aiq_strategy  2 aiq_group_id (2)  4 account  8 grace_ms  12 cancel_on_disconnect  13 -
//! 23 Connected             8  1 -  4 account
//! 24 Disconnected          8  1 -  4 account
//! 25 SetOperationalHalt    8  1 is_halted  2 instrument  4 -
//! 26 SetMarketWideLevels  32  1 -  8 level_1 (8)  16 level_2 (8)  24 level_3 (8)
//! 27 BreachMarketWide      8  1 level, 1..=3  2 -
//! 28 BustTrade            72  1 reason  2 instrument  4 quantity  8 match_number (8)  16 price  20 buyer's owner
//!                             24 user_ref_num  28 cl_ord_id  42 buyer's flag  43 seller's flag  44 seller's owner
//!                             48 user_ref_num  52 cl_ord_id  66 -; where fees were paid the record has 104 bytes:
//!                             66 buyer's fee (16)  82 seller's fee (16)  98 -
//! 29 RollDay             16  1 -  2 session (10)  12 -
//! 30 SetDayRolls          8  1 is_so  2 -
//! 64 Operator             40  as `record/operator.rs` draws it
//! ```
//!
//! The optional fields of Enter and Replace follow at 40 when the client sent any, else the record ends there:
//!
//! ```text
//! 40 present   44 firm   48 min_qty   52 max_floor   56 peg_offset   60 random_reserves   64 expire_time_s
//! 68 locate_broker   72 stop_price   76 trail_offset   80 expire_at (8)   88 group_id (2)   90 aiq_group_id (2)
//! 92 customer_type   93 price_type   94 post_only   95 trade_now   96 handle_inst   97 shares_located
//! 98 side or 0   99 aiq_strategy   100 stop_trigger   101 cancel_on_disconnect   102 report_details   103 -
//! ```

mod decode;
mod encode;
mod operator;
mod venue;

pub use decode::decode;
pub use encode::encode;

use crate::limits::COMMAND_RECORD_BYTES_MAX;

/// The longest body.
pub const BODY_BYTES_MAX: usize = 104;

const _: () = assert!(BODY_BYTES_MAX + 24 == COMMAND_RECORD_BYTES_MAX);

/// Kind of a Tick, the first of the venue's own commands.
const KIND_TICK: u8 = 17;

/// Bytes of Enter and Replace up to the optional fields.
const ORDER_BYTES: usize = 40;
