//! From events to the feed: each event that the feed speaks of becomes one `MoldUDP64` message block. Reads no book and
//! keeps no state: what the feed must know of an order stands in the event (`shown`, `maker_shown`, `old_shown`).

use super::messages::{
    AddOrder, AddOrderAttributed, BrokenTrade, CrossTrade, Header, LuldAuctionCollar, MwcbDeclineLevel, MwcbStatus,
    NetOrderImbalance, OperationalHalt, OrderCancel, OrderDelete, OrderExecuted, OrderExecutedWithPrice, OrderReplace,
    ShortSaleTest, StockDirectory, StockTradingAction, SystemEvent, Trade,
};
use crate::event::{Event, EventBody, Shown};
use crate::limits::ITCH_MESSAGE_BYTES_MAX;
use crate::types::{Firm, InstrumentId, Midnight, OrderRef, Price, Qty, Side, Symbol};
use crate::wire::{Wire, put_at};

/// The longest block: its length field and the longest message.
pub const BLOCK_BYTES_MAX: usize = 2 + ITCH_MESSAGE_BYTES_MAX;

/// Writes what the feed says of `event` to the front of `out`, as one message block (length, then the message); the
/// bytes written, 0 when it says nothing. Time stamps count from `midnight`; `symbol` names an instrument.
#[inline]
#[expect(clippy::too_many_lines, reason = "a flat list: one arm per kind")]
pub fn from_event(
    event: &Event,
    midnight: Midnight,
    symbol: impl Fn(InstrumentId) -> Symbol,
    out: &mut [u8; BLOCK_BYTES_MAX],
) -> usize {
    let header = |instrument| Header {
        stock_locate: instrument,
        tracking_number: 0,
        timestamp_ns: midnight.stamp(event.ingress),
    };
    match event.body {
        EventBody::Accepted { order_ref, quantity, price, instrument, side, shown, firm, .. }
        | EventBody::Rested { order_ref, quantity, price, instrument, side, shown, firm }
        | EventBody::Restated { order_ref, quantity, price, instrument, side, shown, firm, .. } => {
            let order = Shape { order_ref, quantity, price, side, shown, firm };
            order.add(header(instrument), &symbol, out)
        }
        EventBody::Replaced { order_ref, old_order_ref, quantity, price, instrument, shown, old_shown, .. } => {
            match (old_shown, shown) {
                (false, _) => 0,
                (true, Shown::No) => {
                    block(OrderDelete { header: header(instrument), order_ref: old_order_ref }.to_bytes(), out)
                }
                (true, Shown::Anonymous | Shown::Attributed) => {
                    let replace = OrderReplace {
                        header: header(instrument),
                        original_order_ref: old_order_ref,
                        new_order_ref: order_ref,
                        shares: quantity,
                        price,
                    };
                    block(replace.to_bytes(), out)
                }
            }
        }
        EventBody::Traded { match_number, maker_ref, quantity, price, instrument, maker_shown, .. } => {
            let header = header(instrument);
            if maker_shown {
                let executed = OrderExecuted { header, order_ref: maker_ref, executed_shares: quantity, match_number };
                return block(executed.to_bytes(), out);
            }
            let (order_ref, side, stock) = (OrderRef(0), b'B', symbol(instrument));
            block(Trade { header, order_ref, side, shares: quantity, stock, price, match_number }.to_bytes(), out)
        }
        EventBody::Canceled { quantity, leaves, order_ref, concealed, instrument, shown, .. }
        | EventBody::SelfMatchPrevented { quantity, leaves, order_ref, concealed, instrument, shown, .. } => {
            reduce(header(instrument), order_ref, if shown { quantity - concealed } else { Qty::ZERO }, leaves, out)
        }
        EventBody::Modified { quantity, removed, concealed, order_ref, instrument, shown, .. } => {
            reduce(header(instrument), order_ref, if shown { removed - concealed } else { Qty::ZERO }, quantity, out)
        }
        EventBody::InstrumentListed { instrument, symbol: stock, lot, .. } => {
            block(directory(header(instrument), stock, lot).to_bytes(), out)
        }
        EventBody::TradingStateChanged { instrument, state, reason } => {
            let (header, stock) = (header(instrument), symbol(instrument));
            let trading_state = state.feed_letter();
            block(StockTradingAction { header, stock, trading_state, reserved: b' ', reason: reason.0 }.to_bytes(), out)
        }
        EventBody::ShortSaleTestChanged { instrument, action } => {
            let (header, stock) = (header(instrument), symbol(instrument));
            block(ShortSaleTest { header, stock, action }.to_bytes(), out)
        }
        EventBody::SystemEvent { code } => {
            block(SystemEvent { header: header(InstrumentId(0)), event_code: code.letter() }.to_bytes(), out)
        }
        EventBody::Details { .. }
        | EventBody::Rejected { .. }
        | EventBody::MassCancelTaken { .. }
        | EventBody::EntryDisabled { .. }
        | EventBody::EntryEnabled { .. }
        | EventBody::NextUserRefNum { .. }
        | EventBody::VenueOpened { .. }
        | EventBody::AccountOpened { .. }
        | EventBody::Answered { .. }
        | EventBody::BalanceMoved { .. }
        | EventBody::FeesCharged { .. }
        | EventBody::LimitChanged { .. }
        | EventBody::KillSwitched { .. }
        | EventBody::PriorityUpdated { .. }
        | EventBody::CancelPending { .. }
        | EventBody::CancelRejected { .. }
        | EventBody::OperatorRefused { .. }
        | EventBody::SessionRolled { .. }
        | EventBody::MidnightChanged { .. }
        | EventBody::ReferenceChanged { .. } => 0,
        EventBody::CrossExecuted { .. }
        | EventBody::Crossed { .. }
        | EventBody::Imbalance { .. }
        | EventBody::AuctionCollar { .. }
        | EventBody::OperationalHaltChanged { .. }
        | EventBody::MarketWideLevels { .. }
        | EventBody::MarketWideBreached { .. }
        | EventBody::TradeBroken { .. } => of_market((event, midnight), symbol, out),
    }
}

/// What the feed says of crosses and of the market as a whole.
#[inline(never)]
fn of_market(
    (event, midnight): (&Event, Midnight),
    symbol: impl Fn(InstrumentId) -> Symbol,
    out: &mut [u8; BLOCK_BYTES_MAX],
) -> usize {
    let timestamp_ns = midnight.stamp(event.ingress);
    let header = |stock_locate| Header { stock_locate, tracking_number: 0, timestamp_ns };
    if let EventBody::CrossExecuted { match_number, order_ref, quantity, price, instrument, shown, .. } = event.body {
        if !shown {
            return 0;
        }
        let (header, executed_shares) = (header(instrument), quantity);
        // The cross itself is printed once, by its `Q`.
        let (printable, execution_price) = (b'N', price);
        let executed =
            OrderExecutedWithPrice { header, order_ref, executed_shares, match_number, printable, execution_price };
        return block(executed.to_bytes(), out);
    }
    if let EventBody::Crossed { match_number, quantity, price, instrument, cross_type } = event.body {
        let (header, stock) = (header(instrument), symbol(instrument));
        let (shares, cross_price, cross_type) = (quantity, price, cross_type.letter());
        return block(CrossTrade { header, shares, stock, cross_price, match_number, cross_type }.to_bytes(), out);
    }
    if let EventBody::Imbalance { paired, imbalance, far, near, reference, instrument, direction, cross_type } =
        event.body
    {
        let noii = NetOrderImbalance {
            header: header(instrument),
            paired_shares: paired,
            imbalance_shares: imbalance,
            imbalance_direction: direction.letter(),
            stock: symbol(instrument),
            far_price: far,
            near_price: near,
            reference_price: reference,
            cross_type: cross_type.letter(),
            price_variation: price_variation(near, reference),
        };
        return block(noii.to_bytes(), out);
    }
    if let EventBody::AuctionCollar { instrument, reference, upper, lower, extension } = event.body {
        let (header, stock) = (header(instrument), symbol(instrument));
        let (reference_price, upper_price, lower_price) = (reference, upper, lower);
        let collar = LuldAuctionCollar { header, stock, reference_price, upper_price, lower_price, extension };
        return block(collar.to_bytes(), out);
    }
    if let EventBody::OperationalHaltChanged { instrument, is_halted } = event.body {
        let (header, stock) = (header(instrument), symbol(instrument));
        let action = if is_halted { b'H' } else { b'T' };
        return block(OperationalHalt { header, stock, market_code: b'Q', action }.to_bytes(), out);
    }
    if let EventBody::MarketWideLevels { level_1, level_2, level_3 } = event.body {
        let header = header(InstrumentId(0));
        return block(MwcbDeclineLevel { header, level_1, level_2, level_3 }.to_bytes(), out);
    }
    if let EventBody::MarketWideBreached { level } = event.body {
        let (header, breached_level) = (header(InstrumentId(0)), b'0'.saturating_add(level));
        return block(MwcbStatus { header, breached_level }.to_bytes(), out);
    }
    let EventBody::TradeBroken { match_number, instrument, .. } = event.body else { return 0 };
    block(BrokenTrade { header: header(instrument), match_number }.to_bytes(), out)
}

/// How far the near price is from the reference, as a letter (itch50.md §5, `I`).
fn price_variation(near: Price, reference: Price) -> u8 {
    if near == Price(0) || reference == Price(0) {
        return b' ';
    }
    let percent = u64::from(near.0.abs_diff(reference.0)) * 100 / u64::from(reference.0);
    match percent {
        0 => b'L',
        1..=9 => b'0' + percent.to_le_bytes()[0],
        10..=19 => b'A',
        20..=29 => b'B',
        _ => b'C',
    }
}

/// An order that joins the displayed book.
struct Shape {
    order_ref: OrderRef,
    quantity: Qty,
    price: Price,
    side: Side,
    shown: Shown,
    firm: Firm,
}

impl Shape {
    #[inline]
    fn add(&self, header: Header, symbol: impl Fn(InstrumentId) -> Symbol, out: &mut [u8; BLOCK_BYTES_MAX]) -> usize {
        let Self { order_ref, quantity: shares, price, .. } = *self;
        let side = self.side.book_letter();
        match self.shown {
            Shown::No => 0,
            Shown::Anonymous => {
                let stock = symbol(header.stock_locate);
                block(AddOrder { header, order_ref, side, shares, stock, price }.to_bytes(), out)
            }
            Shown::Attributed => {
                let (stock, attribution) = (symbol(header.stock_locate), self.firm);
                block(AddOrderAttributed { header, order_ref, side, shares, stock, price, attribution }.to_bytes(), out)
            }
        }
    }
}

/// Displayed quantity that was taken off without a trade: nothing when `removed` is 0.
#[inline]
fn reduce(header: Header, order_ref: OrderRef, removed: Qty, leaves: Qty, out: &mut [u8; BLOCK_BYTES_MAX]) -> usize {
    if removed == Qty::ZERO {
        0
    } else if leaves == Qty::ZERO {
        block(OrderDelete { header, order_ref }.to_bytes(), out)
    } else {
        block(OrderCancel { header, order_ref, canceled_shares: removed }.to_bytes(), out)
    }
}

/// What the feed says of a new instrument: decimals and tick are in the directory document (widths.md §4).
fn directory(header: Header, stock: Symbol, lot: Qty) -> StockDirectory {
    StockDirectory {
        header,
        stock,
        market_category: b' ',
        financial_status: b' ',
        round_lot_size: lot,
        round_lots_only: if lot > Qty(1) { b'Y' } else { b'N' },
        issue_classification: b'C',
        issue_sub_type: *b"Z ",
        authenticity: b'P',
        short_sale_threshold: b' ',
        ipo_flag: b' ',
        luld_tier: b' ',
        etp_flag: b'N',
        etp_leverage_factor: 0,
        inverse_indicator: b'N',
    }
}

#[inline]
fn block<const N: usize>(message: [u8; N], out: &mut [u8; BLOCK_BYTES_MAX]) -> usize {
    const { assert!(N <= ITCH_MESSAGE_BYTES_MAX) };
    let [.., high, low] = N.to_be_bytes();
    u16::from_be_bytes([high, low]).write(out, 0);
    put_at(out, 2, message);
    2 + N
}
