//! From the events of stops, icebergs, crosses, halts and broken trades to what clients and the feed read.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use protocol::command::{AccountQuery, Command, CommandBody};
use protocol::event::Shown;
use protocol::itch::{self, Message};
use protocol::ouch::answer::{self, AnswerBuffer, Details};
use protocol::ouch::appendage::{Appendage, Element};
use protocol::ouch::outbound::{self, Outbound};
use protocol::soupbin::{self, Cut, ServerPacket};
use protocol::venue_command::{BustTrade, PackedAmount, Party, VenueCommand};
use protocol::{
    AccountId, BustReason, CancelReason, Channel, ClOrdId, CrossType, Display, Event, EventBody, Firm,
    ImbalanceDirection, InstrumentId, LiquidityFlag, MatchNumber, Midnight, Nanos, OrderRef, Owner, Price, Qty,
    RejectReason, Sequence, Side, Symbol, TradingState, UserRefNum,
};

/// 00:00:05 of some day.
const INGRESS: Nanos = Nanos(20_000 * Nanos::DAY + 5_000_000_000);
const STAMP: u64 = 5_000_000_000;
const AAPL: InstrumentId = InstrumentId(2);
const STOCK: Symbol = Symbol(*b"AAPL    ");
const NUMBER: UserRefNum = UserRefNum(5);

fn owner(account: u32, channel: u8) -> Owner {
    Owner::new(AccountId(account), Channel(channel))
}

fn event(body: EventBody) -> Event {
    Event { sequence: Sequence(9), ingress: INGRESS, body }
}

/// An answer as its addressee reads it: account, fixed fields, appendage.
type Read = (AccountId, Outbound, Option<Vec<Element>>);

fn answers_to(command: CommandBody, body: EventBody, details: Option<&Details>) -> Vec<Read> {
    let command = Command { sequence: Sequence(9), ingress: INGRESS, body: command };
    let mut buffer = AnswerBuffer::new();
    answer::write(&command, &event(body), details, |_| STOCK, &mut buffer);
    let read = |answer: answer::Answer<'_>| {
        let Cut::Frame { frame, consumed } = soupbin::cut(answer.packet) else { panic!("no whole packet") };
        assert_eq!(consumed, answer.packet.len());
        let Ok(ServerPacket::Sequenced(bytes)) = ServerPacket::decode(frame) else { panic!("no sequenced data") };
        let (message, appendage) = Outbound::decode(bytes).expect("a message");
        let elements = |appendage: Appendage<'_>| appendage.elements().collect();
        (answer.account, message, appendage.map(elements))
    };
    buffer.answers().map(read).collect()
}

/// Answers to what a command of the venue or of another client caused.
fn answers(body: EventBody) -> Vec<Read> {
    answers_to(CommandBody::Query(AccountQuery { owner: owner(7, 0) }), body, None)
}

fn feed(body: EventBody) -> Option<Message> {
    let mut block = [0xAA; itch::BLOCK_BYTES_MAX];
    let written = itch::from_event(&event(body), Midnight::EACH, |_| STOCK, &mut block);
    let (length, message) = block[..written].split_first_chunk()?;
    assert_eq!(usize::from(u16::from_be_bytes(*length)), message.len());
    Some(Message::decode(message).expect("a message of the feed"))
}

fn header(instrument: u16) -> itch::Header {
    itch::Header { stock_locate: InstrumentId(instrument), tracking_number: 0, timestamp_ns: STAMP }
}

#[test]
fn an_elected_stop_learns_its_reference_and_the_feed_nothing() {
    let body = EventBody::PriorityUpdated {
        owner: owner(1, 3),
        user_ref_num: NUMBER,
        price: Price::MARKET,
        display: Display::Visible,
        order_ref: OrderRef(78),
    };
    let answer = Outbound::PriorityUpdate(outbound::PriorityUpdate {
        timestamp_ns: STAMP,
        user_ref_num: NUMBER,
        price: 2_000_000_000,
        display: b'Y',
        order_ref: OrderRef(78),
    });
    assert_eq!(answers(body), [(AccountId(1), answer, Some(vec![Element::UserRefIdx(Channel(3))]))]);
    assert_eq!(feed(body), None);
}

#[test]
fn a_refilled_iceberg_is_restated_and_added() {
    let body = |shown, channel| EventBody::Restated {
        owner: owner(1, channel),
        user_ref_num: NUMBER,
        order_ref: OrderRef(78),
        quantity: Qty(10),
        price: Price(1_000_000),
        instrument: AAPL,
        side: Side::SellShort,
        shown,
        firm: Firm(*b"DEMA"),
    };
    let answer = Outbound::Restated(outbound::Restated { timestamp_ns: STAMP, user_ref_num: NUMBER, reason: b'R' });
    let tags = vec![Element::SecondaryOrdRefNum(OrderRef(78)), Element::DisplayQuantity(Qty(10))];
    assert_eq!(answers(body(Shown::Anonymous, 0)), [(AccountId(1), answer, Some(tags.clone()))]);
    let asked = Details { quantity_ahead: 300, for_owner: true, ..Details::default() };
    let query = CommandBody::Query(AccountQuery { owner: owner(7, 0) });
    let mut told = tags;
    told.push(Element::UserRefIdx(Channel(3)));
    told.extend([Element::IngressTime(STAMP), Element::SequencedTime(0), Element::MatchedTime(0)]);
    told.extend([Element::DurableTime(0), Element::QuantityAhead(300)]);
    assert_eq!(answers_to(query, body(Shown::Anonymous, 3), Some(&asked)), [(AccountId(1), answer, Some(told))]);
    let add = itch::AddOrder {
        header: header(2),
        order_ref: OrderRef(78),
        side: b'S',
        shares: Qty(10),
        stock: STOCK,
        price: Price(1_000_000),
    };
    assert_eq!(feed(body(Shown::Anonymous, 0)), Some(Message::AddOrder(add)));
    let named = itch::AddOrderAttributed {
        header: header(2),
        order_ref: OrderRef(78),
        side: b'S',
        shares: Qty(10),
        stock: STOCK,
        price: Price(1_000_000),
        attribution: Firm(*b"DEMA"),
    };
    assert_eq!(feed(body(Shown::Attributed, 0)), Some(Message::AddOrderAttributed(named)));
}

#[test]
fn the_feed_hears_only_of_what_was_displayed() {
    let canceled = |quantity, leaves, concealed, shown| EventBody::Canceled {
        owner: owner(1, 0),
        user_ref_num: NUMBER,
        quantity: Qty(quantity),
        leaves: Qty(leaves),
        order_ref: OrderRef(77),
        concealed: Qty(concealed),
        instrument: AAPL,
        reason: CancelReason::User,
        shown,
    };
    let delete = itch::OrderDelete { header: header(2), order_ref: OrderRef(77) };
    let reduce = itch::OrderCancel { header: header(2), order_ref: OrderRef(77), canceled_shares: Qty(3) };
    assert_eq!(feed(canceled(40, 10, 40, true)), None, "all of it came off the reserve");
    assert_eq!(feed(canceled(43, 7, 40, true)), Some(Message::OrderCancel(reduce)));
    assert_eq!(feed(canceled(50, 0, 40, true)), Some(Message::OrderDelete(delete)));
    let modified = |removed, concealed| EventBody::Modified {
        owner: owner(1, 0),
        user_ref_num: NUMBER,
        quantity: Qty(7),
        removed: Qty(removed),
        concealed: Qty(concealed),
        order_ref: OrderRef(77),
        instrument: AAPL,
        side: Side::Buy,
        shown: true,
    };
    assert_eq!(feed(modified(40, 40)), None);
    assert_eq!(feed(modified(43, 40)), Some(Message::OrderCancel(reduce)));
}

#[test]
fn a_prevented_self_match_says_what_would_have_been() {
    let body = |leaves, shown| EventBody::SelfMatchPrevented {
        owner: owner(1, 0),
        user_ref_num: NUMBER,
        quantity: Qty(3),
        leaves: Qty(leaves),
        price: Price(1_000_000),
        order_ref: OrderRef(77),
        concealed: Qty(0),
        instrument: AAPL,
        flag: LiquidityFlag::Added,
        strategy: b'D',
        shown,
    };
    let answer = Outbound::AiqCanceled(outbound::AiqCanceled {
        timestamp_ns: STAMP,
        user_ref_num: NUMBER,
        decrement_shares: Qty(3),
        reason: b'Q',
        quantity_prevented: Qty(3),
        execution_price: 1_000_000,
        liquidity_flag: b'A',
        aiq_strategy: b'D',
    });
    assert_eq!(answers(body(4, true)), [(AccountId(1), answer, None)]);
    let reduce = itch::OrderCancel { header: header(2), order_ref: OrderRef(77), canceled_shares: Qty(3) };
    assert_eq!(feed(body(4, true)), Some(Message::OrderCancel(reduce)));
    let delete = itch::OrderDelete { header: header(2), order_ref: OrderRef(77) };
    assert_eq!(feed(body(0, true)), Some(Message::OrderDelete(delete)));
    assert_eq!(feed(body(0, false)), None);
}

#[test]
fn a_cancel_waits_for_a_cross_or_is_refused() {
    let (owner, user_ref_num, timestamp_ns) = (owner(1, 0), NUMBER, STAMP);
    let pending = Outbound::CancelPending(outbound::CancelPending { timestamp_ns, user_ref_num });
    assert_eq!(answers(EventBody::CancelPending { owner, user_ref_num }), [(AccountId(1), pending, None)]);
    let refused = Outbound::CancelReject(outbound::CancelReject { timestamp_ns, user_ref_num });
    assert_eq!(answers(EventBody::CancelRejected { owner, user_ref_num }), [(AccountId(1), refused, None)]);
    assert_eq!(feed(EventBody::CancelPending { owner, user_ref_num }), None);
}

#[test]
fn a_cross_is_printed_once() {
    let body = |shown| EventBody::CrossExecuted {
        match_number: MatchNumber(501),
        order_ref: OrderRef(70),
        quantity: Qty(30),
        price: Price(1_000_000),
        owner: owner(4, 2),
        user_ref_num: NUMBER,
        instrument: AAPL,
        side: Side::Sell,
        flag: LiquidityFlag::Opening,
        shown,
    };
    let answer = Outbound::Executed(outbound::Executed {
        timestamp_ns: STAMP,
        user_ref_num: NUMBER,
        quantity: Qty(30),
        price: 1_000_000,
        liquidity_flag: b'O',
        match_number: MatchNumber(501),
    });
    assert_eq!(answers(body(true)), [(AccountId(4), answer, Some(vec![Element::UserRefIdx(Channel(2))]))]);
    let executed = itch::OrderExecutedWithPrice {
        header: header(2),
        order_ref: OrderRef(70),
        executed_shares: Qty(30),
        match_number: MatchNumber(501),
        printable: b'N',
        execution_price: Price(1_000_000),
    };
    assert_eq!(feed(body(true)), Some(Message::OrderExecutedWithPrice(executed)));
    assert_eq!(feed(body(false)), None);
    let crossed = EventBody::Crossed {
        match_number: MatchNumber(502),
        quantity: 5_000_000_000,
        price: Price(1_000_000),
        instrument: AAPL,
        cross_type: CrossType::Opening,
    };
    let print = itch::CrossTrade {
        header: header(2),
        shares: 5_000_000_000,
        stock: STOCK,
        cross_price: Price(1_000_000),
        match_number: MatchNumber(502),
        cross_type: b'O',
    };
    assert_eq!(feed(crossed), Some(Message::CrossTrade(print)));
    assert_eq!(answers(crossed), []);
}

#[test]
fn an_imbalance_says_how_far_the_price_has_moved() {
    let body = |near, reference| EventBody::Imbalance {
        paired: 7,
        imbalance: 8,
        far: Price(99),
        near: Price(near),
        reference: Price(reference),
        instrument: AAPL,
        direction: ImbalanceDirection::Sell,
        cross_type: CrossType::Closing,
    };
    let letter = |near, reference| match feed(body(near, reference)) {
        Some(Message::NetOrderImbalance(noii)) => {
            let expected = itch::NetOrderImbalance {
                header: header(2),
                paired_shares: 7,
                imbalance_shares: 8,
                imbalance_direction: b'S',
                stock: STOCK,
                far_price: Price(99),
                near_price: Price(near),
                reference_price: Price(reference),
                cross_type: b'C',
                price_variation: noii.price_variation,
            };
            assert_eq!(noii, expected);
            char::from(noii.price_variation)
        }
        other => panic!("{other:?}"),
    };
    for (near, expected) in
        [(1_000, 'L'), (1_009, 'L'), (1_010, '1'), (901, '9'), (900, 'A'), (1_200, 'B'), (1_300, 'C'), (9_000, 'C')]
    {
        assert_eq!(letter(near, 1_000), expected, "{near}");
    }
    assert_eq!((letter(0, 1_000), letter(1_000, 0)), (' ', ' '));
}

#[test]
fn states_halts_and_levels_reach_the_feed() {
    let state = |state| EventBody::TradingStateChanged { instrument: AAPL, state, reason: Firm(*b"LUDP") };
    for (ours, theirs) in [
        (TradingState::PreOpen, b'Q'),
        (TradingState::PreClose, b'Q'),
        (TradingState::QuotationOnly, b'Q'),
        (TradingState::Paused, b'P'),
        (TradingState::Trading, b'T'),
        (TradingState::Halted, b'H'),
        (TradingState::Closed, b'H'),
    ] {
        let action = itch::StockTradingAction {
            header: header(2),
            stock: STOCK,
            trading_state: theirs,
            reserved: b' ',
            reason: *b"LUDP",
        };
        assert_eq!(feed(state(ours)), Some(Message::StockTradingAction(action)), "{ours:?}");
    }
    let (reference, upper, lower) = (Price(100), Price(105), Price(95));
    let collar = itch::LuldAuctionCollar {
        header: header(2),
        stock: STOCK,
        reference_price: reference,
        upper_price: upper,
        lower_price: lower,
        extension: 2,
    };
    let body = EventBody::AuctionCollar { instrument: AAPL, reference, upper, lower, extension: 2 };
    assert_eq!(feed(body), Some(Message::LuldAuctionCollar(collar)));
    for (is_halted, action) in [(true, b'H'), (false, b'T')] {
        let halt = itch::OperationalHalt { header: header(2), stock: STOCK, market_code: b'Q', action };
        let body = EventBody::OperationalHaltChanged { instrument: AAPL, is_halted };
        assert_eq!(feed(body), Some(Message::OperationalHalt(halt)));
    }
    let levels = itch::MwcbDeclineLevel { header: header(0), level_1: 3, level_2: 2, level_3: 1 };
    let body = EventBody::MarketWideLevels { level_1: 3, level_2: 2, level_3: 1 };
    assert_eq!(feed(body), Some(Message::MwcbDeclineLevel(levels)));
    let status = itch::MwcbStatus { header: header(0), breached_level: b'2' };
    assert_eq!(feed(EventBody::MarketWideBreached { level: 2 }), Some(Message::MwcbStatus(status)));
    assert_eq!(feed(EventBody::OperatorRefused { reason: RejectReason::TradeUnknown }), None);
}

#[test]
fn a_broken_trade_is_told_to_both_sides_and_to_the_feed() {
    let party = |account, number, text: &str| Party {
        owner: owner(account, 0),
        user_ref_num: UserRefNum(number),
        cl_ord_id: ClOrdId::from_text(text).expect("a text"),
        flag: LiquidityFlag::Added,
    };
    let bust = BustTrade {
        match_number: MatchNumber(501),
        instrument: AAPL,
        quantity: Qty(30),
        price: Price(1_000_000),
        reason: BustReason::Erroneous,
        buyer: party(4, 12, "bought"),
        seller: party(1, 5, "sold"),
        buyer_fee: PackedAmount::default(),
        seller_fee: PackedAmount::default(),
    };
    let body = EventBody::TradeBroken {
        match_number: MatchNumber(501),
        instrument: AAPL,
        reason: BustReason::Erroneous,
        buyer: owner(4, 0),
        buyer_user_ref_num: UserRefNum(12),
        seller: owner(1, 0),
        seller_user_ref_num: UserRefNum(5),
    };
    let answer = |number, text: &str| {
        Outbound::BrokenTrade(outbound::BrokenTrade {
            timestamp_ns: STAMP,
            user_ref_num: UserRefNum(number),
            match_number: MatchNumber(501),
            reason: b'E',
            cl_ord_id: ClOrdId::from_text(text).expect("a text"),
        })
    };
    let told = answers_to(CommandBody::Venue(VenueCommand::BustTrade(bust)), body, None);
    assert_eq!(told, [(AccountId(4), answer(12, "bought"), None), (AccountId(1), answer(5, "sold"), None)]);
    let broken = itch::BrokenTrade { header: header(2), match_number: MatchNumber(501) };
    assert_eq!(feed(body), Some(Message::BrokenTrade(broken)));
}
