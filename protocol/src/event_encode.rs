//! The canonical bytes of events, which the venue's `event_hash` is made of.

use crate::event::{Event, EventBody};
use crate::limits::EVENT_BYTES;
use crate::money::{Amount, Asset};
use crate::operator::Scope;
use crate::types::{Owner, UserRefNum};
use crate::wire::put_at;

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
    ///                     43 reason  44 shown  45 concealed
    ///  7 Modified         17 owner  21 user_ref_num  25 quantity  29 removed  33 order_ref (8)  41 instrument (2)
    ///                     43 side  44 shown  45 concealed
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
    /// 19 PriorityUpdated  17 owner  21 user_ref_num  25 price  29 order_ref (8)  37 display
    /// 20 Restated         17 owner  21 user_ref_num  25 order_ref (8)  33 quantity  37 price  41 instrument (2)
    ///                     43 side  44 shown  45 firm (4)
    /// 21 SelfMatchPrevented    17 owner  21 user_ref_num  25 quantity  29 leaves  33 price  37 order_ref (8)
    ///                     45 concealed  49 instrument (2)  51 flag  52 strategy  53 shown
    /// 22 CancelPending    17 owner  21 user_ref_num
    /// 23 CancelRejected   17 owner  21 user_ref_num
    /// 24 CrossExecuted    17 owner  21 user_ref_num  25 match_number (8)  33 order_ref (8)  41 quantity  45 price
    ///                     49 instrument (2)  51 side  52 flag  53 shown
    /// 25 Crossed          17 match_number (8)  25 quantity (8)  33 price  37 instrument (2)  39 cross_type
    /// 26 Imbalance        17 paired (8)  25 imbalance (8)  33 far  37 near  41 reference  45 instrument (2)
    ///                     47 direction  48 cross_type
    /// 27 AuctionCollar    17 instrument (2)  19 reference  23 upper  27 lower  31 extension
    /// 28 OperationalHaltChanged  17 instrument (2)  19 is_halted
    /// 29 MarketWideLevels  17 level_1 (8)  25 level_2 (8)  33 level_3 (8)
    /// 30 MarketWideBreached  17 level
    /// 31 TradeBroken      17 match_number (8)  25 instrument (2)  27 reason  28 buyer  32 buyer_user_ref_num
    ///                     36 seller  40 seller_user_ref_num
    /// 32 OperatorRefused  17 reason (2), our own number
    /// 33 SessionRolled    17 session (10)
    /// 34 ReferenceChanged 17 instrument (2)  19 price
    /// 35 MidnightChanged  17 midnight (8), 0 = each
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
            Self::Canceled {
                owner,
                user_ref_num,
                quantity,
                leaves,
                order_ref,
                concealed,
                instrument,
                reason,
                shown,
            } => {
                to.of(6, owner, user_ref_num).u32(quantity.0).u32(leaves.0).u64(order_ref.0).u16(instrument.0);
                to.put([reason.letter(), u8::from(shown)]).u32(concealed.0);
            }
            Self::Modified {
                owner,
                user_ref_num,
                quantity,
                removed,
                concealed,
                order_ref,
                instrument,
                side,
                shown,
            } => {
                to.of(7, owner, user_ref_num).u32(quantity.0).u32(removed.0).u64(order_ref.0).u16(instrument.0);
                to.put([side.letter(), u8::from(shown)]).u32(concealed.0);
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
            Self::InstrumentListed { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty, .. } => {
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
            Self::PriorityUpdated { .. }
            | Self::Restated { .. }
            | Self::SelfMatchPrevented { .. }
            | Self::CancelPending { .. }
            | Self::CancelRejected { .. } => self.pack_order(to),
            Self::CrossExecuted { .. }
            | Self::Crossed { .. }
            | Self::Imbalance { .. }
            | Self::AuctionCollar { .. }
            | Self::OperationalHaltChanged { .. }
            | Self::MarketWideLevels { .. }
            | Self::MarketWideBreached { .. }
            | Self::TradeBroken { .. }
            | Self::OperatorRefused { .. }
            | Self::SessionRolled { .. }
            | Self::MidnightChanged { .. }
            | Self::ReferenceChanged { .. } => self.pack_market(to),
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

    /// What happens to orders beside the plain way.
    #[inline(never)]
    fn pack_order(&self, to: &mut Packer<'_>) {
        if let Self::PriorityUpdated { owner, user_ref_num, price, display, order_ref } = *self {
            to.of(19, owner, user_ref_num).u32(price.0).u64(order_ref.0).put([display.letter()]);
        }
        if let Self::Restated { owner, user_ref_num, order_ref, quantity, price, instrument, side, shown, firm } = *self
        {
            to.of(20, owner, user_ref_num).u64(order_ref.0).u32(quantity.0).u32(price.0).u16(instrument.0);
            to.put([side.letter(), shown as u8]).put(firm.0);
        }
        if let Self::SelfMatchPrevented {
            owner,
            user_ref_num,
            quantity,
            leaves,
            price,
            order_ref,
            concealed,
            instrument,
            flag,
            strategy,
            shown,
        } = *self
        {
            to.of(21, owner, user_ref_num).u32(quantity.0).u32(leaves.0).u32(price.0).u64(order_ref.0);
            to.u32(concealed.0).u16(instrument.0).put([flag.letter(), strategy, u8::from(shown)]);
        }
        if let Self::CancelPending { owner, user_ref_num } = *self {
            to.of(22, owner, user_ref_num);
        }
        if let Self::CancelRejected { owner, user_ref_num } = *self {
            to.of(23, owner, user_ref_num);
        }
    }

    /// What happens to a market.
    #[inline(never)]
    fn pack_market(&self, to: &mut Packer<'_>) {
        if let Self::CrossExecuted {
            match_number,
            order_ref,
            quantity,
            price,
            owner,
            user_ref_num,
            instrument,
            side,
            flag,
            shown,
        } = *self
        {
            to.of(24, owner, user_ref_num).u64(match_number.0).u64(order_ref.0).u32(quantity.0).u32(price.0);
            to.u16(instrument.0).put([side.letter(), flag.letter(), u8::from(shown)]);
        }
        if let Self::Crossed { match_number, quantity, price, instrument, cross_type } = *self {
            to.put([25]).u64(match_number.0).u64(quantity).u32(price.0).u16(instrument.0);
            to.put([cross_type.letter()]);
        }
        if let Self::Imbalance { paired, imbalance, far, near, reference, instrument, direction, cross_type } = *self {
            to.put([26]).u64(paired).u64(imbalance).u32(far.0).u32(near.0).u32(reference.0).u16(instrument.0);
            to.put([direction.letter(), cross_type.letter()]);
        }
        if let Self::AuctionCollar { instrument, reference, upper, lower, extension } = *self {
            to.put([27]).u16(instrument.0).u32(reference.0).u32(upper.0).u32(lower.0).u32(extension);
        }
        if let Self::OperationalHaltChanged { instrument, is_halted } = *self {
            to.put([28]).u16(instrument.0).put([u8::from(is_halted)]);
        }
        if let Self::MarketWideLevels { level_1, level_2, level_3 } = *self {
            to.put([29]).u64(level_1).u64(level_2).u64(level_3);
        }
        if let Self::MarketWideBreached { level } = *self {
            to.put([30, level]);
        }
        if let Self::TradeBroken {
            match_number,
            instrument,
            reason,
            buyer,
            buyer_user_ref_num,
            seller,
            seller_user_ref_num,
        } = *self
        {
            to.put([31]).u64(match_number.0).u16(instrument.0).put([reason.letter()]);
            to.u32(buyer.to_bits()).u32(buyer_user_ref_num.0).u32(seller.to_bits()).u32(seller_user_ref_num.0);
        }
        if let Self::OperatorRefused { reason } = *self {
            to.put([32]).u16(reason.number());
        }
        if let Self::SessionRolled { session } = *self {
            to.put([33]).put(session.0);
        }
        if let Self::ReferenceChanged { instrument, price } = *self {
            to.put([34]).u16(instrument.0).u32(price.0);
        }
        if let Self::MidnightChanged { midnight } = *self {
            to.put([35]).u64(midnight.time().0);
        }
    }
}
