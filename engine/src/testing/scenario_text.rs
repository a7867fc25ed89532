//! Events of scenarios, in words.

#![expect(clippy::wildcard_enum_match_arm, reason = "what no scenario names is shown as it is")]

use super::scenario::TICK;
use protocol::event::{Event, EventBody, Shown};
use protocol::itch::{self, Message};
use protocol::types::{CrossType, LiquidityFlag, Midnight, Nanos, OrderState, Price, Symbol, TradingState};

/// What stands in the text beside the events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shows {
    /// What the feed says of each.
    pub(super) feed: bool,
    /// With its time stamp.
    pub(super) stamps: bool,
}

/// One event, and behind it what the feed says of it when that is wanted.
pub(super) fn show(event: &Event, midnight: Midnight, what: Shows) -> Vec<String> {
    if let Some(lines) = super::scenario_money::told(&event.body) {
        return lines;
    }
    let mut lines = vec![of_order(&event.body).or_else(|| of_market(&event.body)).unwrap_or_default()];
    if lines == [String::new()] {
        lines = vec![format!("{:?}", event.body)];
    }
    if what.feed {
        let mut block = [0; itch::BLOCK_BYTES_MAX];
        let written = itch::from_event(event, midnight, |_| Symbol::BLANK, &mut block);
        let message = block.get(2..written).and_then(|bytes| Message::decode(bytes).ok());
        let time = |ns: u64| {
            let seconds = ns / 1_000_000_000;
            format!(" at {:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        };
        let stamp = if what.stamps { time(midnight.stamp(event.ingress)) } else { String::new() };
        lines.extend(message.map(|message| format!("feed {}{stamp}", of_feed(&message))));
    }
    lines
}

/// A price in ticks, with as many decimals as it needs.
fn ticks(price: Price) -> String {
    if price.is_market() {
        return "market".to_owned();
    }
    let (whole, part) = (price.0 / TICK, price.0 % TICK);
    if part == 0 {
        return whole.to_string();
    }
    format!("{whole}.{part:02}").trim_end_matches('0').to_owned()
}

fn looks(shown: Shown) -> &'static str {
    match shown {
        Shown::No => "",
        Shown::Anonymous => " shown",
        Shown::Attributed => " named",
    }
}

fn ends(state: OrderState) -> &'static str {
    match state {
        OrderState::Live => "live",
        OrderState::Dead => "dead",
    }
}

fn part(flag: LiquidityFlag) -> &'static str {
    match flag {
        LiquidityFlag::AddedHidden => " hidden",
        LiquidityFlag::AddedReserve => " reserve",
        LiquidityFlag::Added
        | LiquidityFlag::Removed
        | LiquidityFlag::Opening
        | LiquidityFlag::Closing
        | LiquidityFlag::Halt => "",
    }
}

fn state_word(state: TradingState) -> &'static str {
    match state {
        TradingState::Halted => "halted",
        TradingState::Paused => "paused",
        TradingState::QuotationOnly => "quotation",
        TradingState::Trading => "trading",
        TradingState::PreOpen => "pre-open",
        TradingState::PreClose => "pre-close",
        TradingState::Closed => "closed",
    }
}

fn cross_word(kind: CrossType) -> &'static str {
    match kind {
        CrossType::Opening => "opening",
        CrossType::Closing => "closing",
        CrossType::Halt
        | CrossType::Continuous
        | CrossType::Supplemental
        | CrossType::Retail
        | CrossType::ExtendedLife
        | CrossType::AfterHoursClose => "reopening",
    }
}

/// What happens to orders.
fn of_order(body: &EventBody) -> Option<String> {
    Some(match *body {
        EventBody::Details { quantity_ahead, .. } => format!("details ahead={quantity_ahead}"),
        EventBody::Accepted { user_ref_num, quantity, price, state, shown, .. } => {
            format!("accepted {user_ref_num} {} {quantity}@{}{}", ends(state), ticks(price), looks(shown))
        }
        EventBody::Replaced { orig_user_ref_num, user_ref_num, quantity, price, state, shown, .. } => {
            let (state, price) = (ends(state), ticks(price));
            format!("replaced {orig_user_ref_num}>{user_ref_num} {state} {quantity}@{price}{}", looks(shown))
        }
        EventBody::Rested { order_ref, quantity, price, shown, .. } => {
            format!("rested ref={order_ref} {quantity}@{}{}", ticks(price), looks(shown))
        }
        EventBody::Traded { quantity, price, maker_user_ref_num, taker_user_ref_num, maker_flag, .. } => {
            format!("traded {maker_user_ref_num}<{taker_user_ref_num} {quantity}@{}{}", ticks(price), part(maker_flag))
        }
        EventBody::Canceled { user_ref_num, quantity, leaves, reason, .. } => {
            format!("canceled {user_ref_num} {quantity} leaves {leaves} {}", char::from(reason.letter()))
        }
        EventBody::Modified { user_ref_num, quantity, removed, side, .. } => {
            format!("modified {user_ref_num} {} {quantity} removed {removed}", char::from(side.letter()))
        }
        EventBody::Rejected { user_ref_num, reason, .. } => {
            format!("rejected {user_ref_num} {reason:?} {:04X}", reason.ouch_code())
        }
        EventBody::PriorityUpdated { user_ref_num, price, order_ref, .. } => {
            format!("priority {user_ref_num} ref={order_ref} @{}", ticks(price))
        }
        EventBody::Restated { user_ref_num, order_ref, quantity, price, .. } => {
            format!("restated {user_ref_num} ref={order_ref} {quantity}@{}", ticks(price))
        }
        EventBody::SelfMatchPrevented { user_ref_num, quantity, leaves, price, strategy, .. } => {
            let (price, strategy) = (ticks(price), char::from(strategy));
            format!("prevented {user_ref_num} {quantity}@{price} leaves {leaves} by {strategy}")
        }
        EventBody::CancelPending { user_ref_num, .. } => format!("cancel-pending {user_ref_num}"),
        EventBody::CancelRejected { user_ref_num, .. } => format!("cancel-rejected {user_ref_num}"),
        EventBody::CrossExecuted { match_number, quantity, price, user_ref_num, shown, .. } => {
            let hidden = if shown { "" } else { " hidden" };
            format!("crossed {user_ref_num} {quantity}@{}{hidden} match={match_number}", ticks(price))
        }
        EventBody::MassCancelTaken { user_ref_num, .. } => format!("mass {user_ref_num}"),
        EventBody::EntryDisabled { user_ref_num, .. } => format!("disabled {user_ref_num}"),
        EventBody::EntryEnabled { user_ref_num, .. } => format!("enabled {user_ref_num}"),
        EventBody::NextUserRefNum { next, .. } => format!("next {next}"),
        _ => return None,
    })
}

/// What happens to the market.
fn of_market(body: &EventBody) -> Option<String> {
    Some(match *body {
        EventBody::Crossed { quantity, price, cross_type, match_number, .. } => {
            format!("cross {} {quantity}@{} match={match_number}", cross_word(cross_type), ticks(price))
        }
        EventBody::Imbalance { paired, imbalance, far, near, reference, direction, cross_type, .. } => {
            let (far, near, reference) = (ticks(far), ticks(near), ticks(reference));
            let (kind, side) = (cross_word(cross_type), char::from(direction.letter()));
            format!("imbalance {kind} paired={paired} {side}={imbalance} far={far} near={near} reference={reference}")
        }
        EventBody::AuctionCollar { reference, upper, lower, extension, .. } => {
            let [reference, upper, lower] = [reference, upper, lower].map(ticks);
            format!("collar {lower}..{upper} around {reference} extension {extension}")
        }
        EventBody::TradingStateChanged { state, reason, .. } => {
            format!("state {} {}", state_word(state), reason.as_text()).trim_end().to_owned()
        }
        EventBody::OperationalHaltChanged { is_halted, .. } => {
            if is_halted { "operational-halt" } else { "operational-resume" }.to_owned()
        }
        EventBody::MarketWideLevels { level_1, level_2, level_3 } => format!("levels {level_1} {level_2} {level_3}"),
        EventBody::MarketWideBreached { level } => format!("breached {level}"),
        EventBody::TradeBroken { match_number, buyer_user_ref_num, seller_user_ref_num, .. } => {
            format!("broken match={match_number} buyer={buyer_user_ref_num} seller={seller_user_ref_num}")
        }
        EventBody::OperatorRefused { reason } => format!("refused {reason:?}"),
        EventBody::InstrumentListed { symbol, .. } => format!("listed {symbol}"),
        EventBody::ShortSaleTestChanged { action, .. } => format!("short-sale-test {}", char::from(action)),
        EventBody::ReferenceChanged { price, .. } => format!("reference {}", ticks(price)),
        EventBody::SessionRolled { session } => format!("session {session}"),
        EventBody::MidnightChanged { midnight } if midnight == Midnight::EACH => "midnight each".to_owned(),
        EventBody::MidnightChanged { midnight } => format!("midnight of day {}", midnight.time().0 / Nanos::DAY),
        EventBody::SystemEvent { code } => format!("day {}", char::from(code.letter())),
        _ => return None,
    })
}

/// A message of the feed, as far as a book or a tape needs it.
fn of_feed(message: &Message) -> String {
    match message {
        Message::AddOrder(add) => {
            format!("A ref={} {} {}@{}", add.order_ref, char::from(add.side), add.shares, ticks(add.price))
        }
        Message::AddOrderAttributed(add) => {
            let (side, price) = (char::from(add.side), ticks(add.price));
            format!("F ref={} {side} {}@{price} {}", add.order_ref, add.shares, add.attribution)
        }
        Message::OrderExecuted(done) => format!("E ref={} {}", done.order_ref, done.executed_shares),
        Message::OrderExecutedWithPrice(done) => {
            let (printable, price) = (char::from(done.printable), ticks(done.execution_price));
            format!("C ref={} {}@{price} printable={printable}", done.order_ref, done.executed_shares)
        }
        Message::OrderCancel(cancel) => format!("X ref={} {}", cancel.order_ref, cancel.canceled_shares),
        Message::OrderDelete(delete) => format!("D ref={}", delete.order_ref),
        Message::OrderReplace(replace) => {
            let (old, new) = (replace.original_order_ref, replace.new_order_ref);
            format!("U ref={old}>{new} {}@{}", replace.shares, ticks(replace.price))
        }
        Message::Trade(trade) => format!("P {}@{}", trade.shares, ticks(trade.price)),
        Message::CrossTrade(cross) => {
            format!("Q {} {}@{}", char::from(cross.cross_type), cross.shares, ticks(cross.cross_price))
        }
        Message::StockTradingAction(action) => format!("H {}", char::from(action.trading_state)),
        other => char::from(other.message_type()).to_string(),
    }
}
