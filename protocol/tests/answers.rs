//! From events to what clients and the feed read: answers with their echoes and details, and message blocks.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use protocol::command::{
    AccountQuery, CancelOrder, Command, CommandBody, EnterOrder, EntrySwitch, MassCancel, ModifyOrder, OpenAccount,
    OrderTags, Refuse, ReplaceOrder, TagSet,
};
use protocol::event::Shown;
use protocol::itch::{self, Message};
use protocol::money::Legs;
use protocol::ouch::answer::{self, AnswerBuffer, Details};
use protocol::ouch::appendage::{Appendage, Element};
use protocol::ouch::outbound::{self, Outbound};
use protocol::soupbin::{self, ClientPacket, Cut, ServerPacket};
use protocol::{
    AccountId, AccountName, CancelReason, Capacity, Channel, ClOrdId, CrossType, Display, Event, EventBody, Firm,
    InstrumentId, LiquidityFlag, MatchNumber, Midnight, Nanos, OrderRef, OrderState, Owner, Price, Qty, RejectReason,
    Sequence, SessionName, Side, Symbol, SystemEventCode, TimeInForce, TradingState, UserRefNum,
};

/// 00:00:05 of some day.
const INGRESS: Nanos = Nanos(20_000 * Nanos::DAY + 5_000_000_000);
const STAMP: u64 = 5_000_000_000;

fn symbol(instrument: InstrumentId) -> Symbol {
    Symbol::from_text(if instrument == InstrumentId(2) { "AAPL" } else { "MSFT" }).expect("a symbol")
}

fn owner(account: u32, channel: u8) -> Owner {
    Owner::new(AccountId(account), Channel(channel))
}

fn event(body: EventBody) -> Event {
    Event { sequence: Sequence(9), ingress: INGRESS, body }
}

fn caused_by(body: CommandBody) -> Command {
    Command { sequence: Sequence(9), ingress: INGRESS, body }
}

/// An answer as its addressee reads it: account, fixed fields, appendage.
type Read = (AccountId, Outbound, Option<Vec<Element>>);

fn answers_with(command: CommandBody, body: EventBody, details: Option<&Details>) -> Vec<Read> {
    let mut buffer = AnswerBuffer::new();
    answer::write(&caused_by(command), &event(body), details, symbol, &mut buffer);
    let read = |answer: answer::Answer<'_>| {
        let Cut::Frame { frame, consumed } = soupbin::cut(answer.packet) else { panic!("no whole packet") };
        assert_eq!(consumed, answer.packet.len());
        let Ok(ServerPacket::Sequenced(bytes)) = ServerPacket::decode(frame) else { panic!("no sequenced data") };
        let (message, appendage) = Outbound::decode(bytes).expect("a message");
        let elements = |appendage: Appendage<'_>| appendage.elements().collect();
        (answer.account, message, appendage.map(elements))
    };
    for answer in buffer.answers() {
        copies_name_the_account(&answer);
    }
    buffer.answers().map(read).collect()
}

/// The same message with tag 225 behind what it had.
fn copies_name_the_account(answer: &answer::Answer<'_>) {
    if answer.is_system_event() {
        assert_eq!(answer.packet[3], b'S');
        return;
    }
    let mut copy = [0xAA; answer::COPY_BYTES_MAX];
    let name = AccountName(*b"DEMO01");
    let len = answer.copy(name, &mut copy);
    let Cut::Frame { frame, consumed } = soupbin::cut(&copy[..len]) else { panic!("no whole packet") };
    assert_eq!(consumed, len);
    let (message, appendage) = Outbound::decode(frame.payload).expect("a message");
    let (original, original_appendage) = Outbound::decode(&answer.packet[3..]).expect("a message");
    let mut elements: Vec<Element> = original_appendage.into_iter().flat_map(Appendage::elements).collect();
    elements.push(Element::Account(name));
    assert_eq!(message, original);
    assert_eq!(appendage.map(|appendage| appendage.elements().collect()), Some(elements));
}

fn answers(command: CommandBody, body: EventBody) -> Vec<Read> {
    answers_with(command, body, None)
}

fn feed(body: EventBody) -> Option<Message> {
    let mut block = [0xAA; itch::BLOCK_BYTES_MAX];
    let written = itch::from_event(&event(body), Midnight::EACH, symbol, &mut block);
    assert!(block[written..].iter().all(|byte| *byte == 0xAA));
    let (length, message) = block[..written].split_first_chunk()?;
    assert_eq!(usize::from(u16::from_be_bytes(*length)), message.len());
    Some(Message::decode(message).expect("a message of the feed"))
}

fn header(instrument: u16) -> itch::Header {
    itch::Header { stock_locate: InstrumentId(instrument), tracking_number: 0, timestamp_ns: STAMP }
}

fn details() -> Details {
    Details {
        sequenced: Nanos(20_000 * Nanos::DAY + 7),
        matched: Nanos(0),
        durable: Nanos(20_001 * Nanos::DAY + 9),
        quantity_ahead: 300,
        for_maker: false,
        for_owner: true,
    }
}

fn details_elements() -> Vec<Element> {
    vec![Element::IngressTime(STAMP), Element::SequencedTime(7), Element::MatchedTime(0), Element::DurableTime(9)]
}

fn cl_ord_id() -> ClOrdId {
    ClOrdId::from_text("mine").expect("a text")
}

fn enter(tags: OrderTags) -> CommandBody {
    CommandBody::Enter(EnterOrder {
        owner: owner(1, 0),
        user_ref_num: UserRefNum(5),
        quantity: Qty(100),
        price: Price(1_000_000),
        instrument: InstrumentId(2),
        side: Side::SellShort,
        time_in_force: TimeInForce::Gtx,
        display: Display::Attributable,
        capacity: Capacity::Riskless,
        sweep: true,
        cross_type: CrossType::Continuous,
        cl_ord_id: cl_ord_id(),
        tags,
    })
}

fn replace(tags: OrderTags) -> CommandBody {
    CommandBody::Replace(ReplaceOrder {
        owner: owner(1, 0),
        orig_user_ref_num: UserRefNum(5),
        user_ref_num: UserRefNum(6),
        quantity: Qty(100),
        price: Price(1_000_100),
        time_in_force: TimeInForce::Ioc,
        display: Display::Visible,
        sweep: false,
        cl_ord_id: cl_ord_id(),
        tags,
    })
}

fn cancel() -> CommandBody {
    CommandBody::Cancel(CancelOrder { owner: owner(1, 0), user_ref_num: UserRefNum(5), quantity: Qty(0) })
}

fn accepted(channel: u8, shown: Shown) -> EventBody {
    EventBody::Accepted {
        owner: owner(1, channel),
        user_ref_num: UserRefNum(5),
        quantity: Qty(90),
        price: Price(1_000_000),
        order_ref: OrderRef(77),
        instrument: InstrumentId(2),
        side: Side::SellShort,
        state: OrderState::Live,
        shown,
        firm: Firm(*b"DEMA"),
    }
}

fn accepted_answer() -> Outbound {
    Outbound::Accepted(outbound::Accepted {
        timestamp_ns: STAMP,
        user_ref_num: UserRefNum(5),
        side: b'T',
        quantity: Qty(90),
        symbol: symbol(InstrumentId(2)),
        price: 1_000_000,
        time_in_force: b'5',
        display: b'A',
        order_ref: OrderRef(77),
        capacity: b'R',
        intermarket_sweep: b'Y',
        cross_type: b'N',
        order_state: b'L',
        cl_ord_id: cl_ord_id(),
    })
}

/// Every tag that the wire allows on an order, sent with a value of its own.
fn all_tags() -> OrderTags {
    OrderTags {
        present: TagSet((1 << 24) - 1),
        firm: Firm(*b"DEMA"),
        min_qty: Qty(1),
        max_floor: Qty(2),
        peg_offset: -3,
        random_reserves: Qty(4),
        expire_time_s: 5,
        locate_broker: Firm(*b"LOCB"),
        stop_price: Price(6),
        trail_offset: Price(7),
        expire_at: Nanos(8),
        group_id: 9,
        aiq_group_id: *b"G1",
        customer_type: b'N',
        price_type: b'L',
        post_only: false,
        trade_now: b'Y',
        handle_inst: b'I',
        shares_located: b'N',
        side: Some(Side::Sell),
        aiq_strategy: b'W',
        stop_trigger: b'L',
        cancel_on_disconnect: b'N',
        report_details: true,
    }
}

#[test]
fn accepted_echoes_what_was_sent_and_allowed_in_ascending_order() {
    let plain = answers(enter(OrderTags::NONE), accepted(0, Shown::Anonymous));
    assert_eq!(plain, [(AccountId(1), accepted_answer(), Some(vec![]))]);
    let mut echo = vec![
        Element::Firm(Firm(*b"DEMA")),
        Element::MinQty(Qty(1)),
        Element::CustomerType(b'N'),
        Element::MaxFloor(Qty(2)),
        Element::PriceType(b'L'),
        Element::PegOffset(-3),
        Element::PostOnly(b'N'),
        Element::RandomReserves(Qty(4)),
        Element::ExpireTime(5),
        Element::TradeNow(b'Y'),
        Element::HandleInst(b'I'),
        Element::GroupId(9),
        Element::SharesLocated(b'N'),
        Element::UserRefIdx(Channel(3)),
        Element::AiqStrategy(b'W'),
        Element::AiqGroupId(*b"G1"),
    ];
    let sent = answers(enter(all_tags()), accepted(3, Shown::Anonymous));
    assert_eq!(sent, [(AccountId(1), accepted_answer(), Some(echo.clone()))]);
    echo.extend(details_elements());
    let hidden = answers_with(enter(all_tags()), accepted(3, Shown::No), Some(&details()));
    assert_eq!(hidden, [(AccountId(1), accepted_answer(), Some(echo.clone()))]);
    echo.push(Element::QuantityAhead(300));
    let resting = answers_with(enter(all_tags()), accepted(3, Shown::Attributed), Some(&details()));
    assert_eq!(resting, [(AccountId(1), accepted_answer(), Some(echo))]);
}

fn replaced(old_shown: bool, shown: Shown) -> EventBody {
    EventBody::Replaced {
        owner: owner(1, 3),
        orig_user_ref_num: UserRefNum(5),
        user_ref_num: UserRefNum(6),
        quantity: Qty(80),
        price: Price(1_000_100),
        order_ref: OrderRef(78),
        old_order_ref: OrderRef(77),
        instrument: InstrumentId(2),
        side: Side::Sell,
        capacity: Capacity::Agency,
        cross_type: CrossType::Halt,
        state: OrderState::Dead,
        shown,
        old_shown,
    }
}

#[test]
fn replaced_takes_what_is_inherited_from_the_event() {
    let answer = Outbound::Replaced(outbound::Replaced {
        timestamp_ns: STAMP,
        orig_user_ref_num: UserRefNum(5),
        user_ref_num: UserRefNum(6),
        side: b'S',
        quantity: Qty(80),
        symbol: symbol(InstrumentId(2)),
        price: 1_000_100,
        time_in_force: b'3',
        display: b'Y',
        order_ref: OrderRef(78),
        capacity: b'A',
        intermarket_sweep: b'N',
        cross_type: b'H',
        order_state: b'D',
        cl_ord_id: cl_ord_id(),
    });
    let echo = vec![
        Element::Firm(Firm(*b"DEMA")),
        Element::MinQty(Qty(1)),
        Element::MaxFloor(Qty(2)),
        Element::PriceType(b'L'),
        Element::PostOnly(b'N'),
        Element::ExpireTime(5),
        Element::TradeNow(b'Y'),
        Element::HandleInst(b'I'),
        Element::UserRefIdx(Channel(3)),
        Element::AiqStrategy(b'W'),
        Element::AiqGroupId(*b"G1"),
    ];
    assert_eq!(answers(replace(all_tags()), replaced(true, Shown::No)), [(AccountId(1), answer, Some(echo))]);
}

fn traded(maker_shown: bool) -> EventBody {
    EventBody::Traded {
        match_number: MatchNumber(501),
        maker_ref: OrderRef(70),
        quantity: Qty(30),
        price: Price(1_000_000),
        maker: owner(4, 0),
        maker_user_ref_num: UserRefNum(12),
        taker: owner(1, 2),
        taker_user_ref_num: UserRefNum(5),
        instrument: InstrumentId(2),
        maker_side: Side::Sell,
        maker_flag: LiquidityFlag::Added,
        taker_flag: LiquidityFlag::Removed,
        maker_shown,
    }
}

fn executed(user_ref_num: u32, liquidity_flag: u8) -> Outbound {
    Outbound::Executed(outbound::Executed {
        timestamp_ns: STAMP,
        user_ref_num: UserRefNum(user_ref_num),
        quantity: Qty(30),
        price: 1_000_000,
        liquidity_flag,
        match_number: MatchNumber(501),
    })
}

#[test]
fn a_trade_is_told_to_the_maker_first() {
    let taker = (AccountId(1), executed(5, b'R'), Some(vec![Element::UserRefIdx(Channel(2))]));
    let maker = (AccountId(4), executed(12, b'A'), Some(vec![]));
    assert_eq!(answers(enter(OrderTags::NONE), traded(true)), [maker.clone(), taker.clone()]);
    let for_maker = Details { for_maker: true, for_owner: false, ..details() };
    let told = answers_with(enter(OrderTags::NONE), traded(true), Some(&for_maker));
    assert_eq!(told, [(maker.0, maker.1, Some(details_elements())), taker.clone()]);
    let told = answers_with(enter(OrderTags::NONE), traded(true), Some(&details()));
    let taker_elements = [vec![Element::UserRefIdx(Channel(2))], details_elements()].concat();
    assert_eq!(told, [maker, (taker.0, taker.1, Some(taker_elements))]);
}

#[test]
fn optional_appendages_are_there_only_when_they_say_something() {
    let canceled = |channel| EventBody::Canceled {
        owner: owner(1, channel),
        user_ref_num: UserRefNum(5),
        quantity: Qty(40),
        leaves: Qty(0),
        order_ref: OrderRef(77),
        concealed: Qty::ZERO,
        instrument: InstrumentId(2),
        reason: CancelReason::User,
        shown: true,
    };
    let answer = Outbound::Canceled(outbound::Canceled {
        timestamp_ns: STAMP,
        user_ref_num: UserRefNum(5),
        quantity: Qty(40),
        reason: b'U',
    });
    assert_eq!(answers(cancel(), canceled(0)), [(AccountId(1), answer, None)]);
    let on_channel = Some(vec![Element::UserRefIdx(Channel(8))]);
    assert_eq!(answers(cancel(), canceled(8)), [(AccountId(1), answer, on_channel)]);
    let told = answers_with(cancel(), canceled(0), Some(&details()));
    assert_eq!(told, [(AccountId(1), answer, Some(details_elements()))]);
    let not_asked = Details { for_owner: false, ..details() };
    assert_eq!(answers_with(cancel(), canceled(0), Some(&not_asked)), [(AccountId(1), answer, None)]);
}

#[test]
fn rejected_echoes_the_text_of_the_request_that_has_one() {
    let body =
        EventBody::Rejected { owner: owner(1, 0), user_ref_num: UserRefNum(5), reason: RejectReason::SymbolUnknown };
    let refuse = Refuse {
        owner: owner(1, 0),
        user_ref_num: UserRefNum(5),
        reason: RejectReason::SymbolUnknown,
        cl_ord_id: cl_ord_id(),
    };
    let disable = EntrySwitch { owner: owner(1, 0), user_ref_num: UserRefNum(5), firm: Firm::BLANK };
    for (command, cl_ord_id) in [
        (enter(OrderTags::NONE), cl_ord_id()),
        (replace(OrderTags::NONE), cl_ord_id()),
        (CommandBody::Refuse(refuse), cl_ord_id()),
        (CommandBody::DisableEntry(disable), ClOrdId::BLANK),
    ] {
        let answer = Outbound::Rejected(outbound::Rejected {
            timestamp_ns: STAMP,
            user_ref_num: UserRefNum(5),
            reason: 0x0017,
            cl_ord_id,
        });
        assert_eq!(answers(command, body), [(AccountId(1), answer, None)]);
    }
}

#[test]
fn administrative_answers_echo_their_requests() {
    let (timestamp_ns, user_ref_num, firm) = (STAMP, UserRefNum(5), Firm(*b"DEMA"));
    let request = MassCancel {
        owner: owner(1, 6),
        user_ref_num,
        firm: Firm::BLANK,
        symbol: symbol(InstrumentId(2)),
        instrument: Some(InstrumentId(2)),
        side: Some(Side::Sell),
        group_id: 40,
        present: TagSet::GROUP_ID.with(TagSet::SIDE).with(TagSet::USER_REF_IDX),
    };
    let echo = vec![Element::GroupId(40), Element::Side(b'S'), Element::UserRefIdx(Channel(6))];
    let symbol = symbol(InstrumentId(2));
    let answer =
        Outbound::MassCancelResponse(outbound::MassCancelResponse { timestamp_ns, user_ref_num, firm, symbol });
    let taken = EventBody::MassCancelTaken { owner: owner(1, 6), user_ref_num, firm };
    assert_eq!(answers(CommandBody::MassCancel(request), taken), [(AccountId(1), answer, Some(echo))]);

    let switch = EntrySwitch { owner: owner(1, 0), user_ref_num, firm: Firm::BLANK };
    let answer = Outbound::EntryDisabled(outbound::EntryDisabled { timestamp_ns, user_ref_num, firm });
    let disabled = EventBody::EntryDisabled { owner: owner(1, 0), user_ref_num, firm };
    assert_eq!(answers(CommandBody::DisableEntry(switch), disabled), [(AccountId(1), answer, Some(vec![]))]);
    let answer = Outbound::EntryEnabled(outbound::EntryEnabled { timestamp_ns, user_ref_num, firm });
    let enabled = EventBody::EntryEnabled { owner: owner(1, 0), user_ref_num, firm };
    assert_eq!(answers(CommandBody::EnableEntry(switch), enabled), [(AccountId(1), answer, Some(vec![]))]);

    let answer = Outbound::AccountQueryResponse(outbound::AccountQueryResponse {
        timestamp_ns,
        next_user_ref_num: UserRefNum(8),
    });
    let next = EventBody::NextUserRefNum { owner: owner(1, 0), next: UserRefNum(8) };
    let query = CommandBody::Query(AccountQuery { owner: owner(1, 0) });
    assert_eq!(answers(query, next), [(AccountId(1), answer, None)]);

    let modify = ModifyOrder {
        owner: owner(1, 2),
        user_ref_num,
        side: Side::SellShort,
        quantity: Qty(9),
        present: TagSet::LOCATE_BROKER.with(TagSet::SHARES_LOCATED).with(TagSet::USER_REF_IDX),
        shares_located: b'Y',
        locate_broker: Firm(*b"LOCB"),
    };
    let answer = Outbound::Modified(outbound::Modified { timestamp_ns, user_ref_num, side: b'T', quantity: Qty(9) });
    let echo =
        vec![Element::SharesLocated(b'Y'), Element::LocateBroker(Firm(*b"LOCB")), Element::UserRefIdx(Channel(2))];
    let told = answers(CommandBody::Modify(modify), modified(Qty(0), true));
    assert_eq!(told, [(AccountId(1), answer, Some(echo))]);
}

fn modified(removed: Qty, shown: bool) -> EventBody {
    EventBody::Modified {
        owner: owner(1, 2),
        user_ref_num: UserRefNum(5),
        quantity: Qty(9),
        removed,
        order_ref: OrderRef(77),
        concealed: Qty::ZERO,
        instrument: InstrumentId(2),
        side: Side::SellShort,
        shown,
    }
}

#[test]
fn a_stream_begins_with_the_start_of_the_day() {
    let open = OpenAccount {
        account: AccountId(4),
        name: AccountName::from_text("DEMO01").expect("a name"),
        firm: Firm(*b"DEMA"),
    };
    let body = EventBody::AccountOpened { account: open.account, name: open.name, firm: open.firm };
    let answer = Outbound::SystemEvent(outbound::SystemEvent { timestamp_ns: STAMP, event_code: b'S' });
    assert_eq!(answers(CommandBody::OpenAccount(open), body), [(AccountId(4), answer, None)]);
    assert_eq!(feed(body), None);
}

#[test]
fn what_concerns_no_account_has_no_answer() {
    let none = [
        EventBody::SystemEvent { code: SystemEventCode::StartOfMessages },
        EventBody::VenueOpened { session: SessionName::BLANK },
        EventBody::ShortSaleTestChanged { instrument: InstrumentId(2), action: b'0' },
        rested(Shown::Anonymous),
    ];
    for body in none {
        assert_eq!(answers(cancel(), body), []);
    }
}

fn rested(shown: Shown) -> EventBody {
    EventBody::Rested {
        order_ref: OrderRef(79),
        quantity: Qty(60),
        price: Price(999_900),
        instrument: InstrumentId(2),
        side: Side::Buy,
        shown,
        firm: Firm(*b"DEMB"),
    }
}

#[test]
fn orders_join_the_feed_with_or_without_their_firm() {
    let add = |order_ref, side, shares, price| itch::AddOrder {
        header: header(2),
        order_ref: OrderRef(order_ref),
        side,
        shares: Qty(shares),
        stock: symbol(InstrumentId(2)),
        price: Price(price),
    };
    assert_eq!(feed(accepted(0, Shown::No)), None);
    let expected = add(77, b'S', 90, 1_000_000);
    assert_eq!(feed(accepted(0, Shown::Anonymous)), Some(Message::AddOrder(expected)));
    let itch::AddOrder { header, order_ref, side, shares, stock, price } = add(79, b'B', 60, 999_900);
    assert_eq!(feed(rested(Shown::Anonymous)), Some(Message::AddOrder(add(79, b'B', 60, 999_900))));
    let attribution = Firm(*b"DEMB");
    let expected = itch::AddOrderAttributed { header, order_ref, side, shares, stock, price, attribution };
    assert_eq!(feed(rested(Shown::Attributed)), Some(Message::AddOrderAttributed(expected)));
}

#[test]
fn a_replace_is_one_message_a_delete_or_nothing() {
    let replace = itch::OrderReplace {
        header: header(2),
        original_order_ref: OrderRef(77),
        new_order_ref: OrderRef(78),
        shares: Qty(80),
        price: Price(1_000_100),
    };
    assert_eq!(feed(replaced(true, Shown::Anonymous)), Some(Message::OrderReplace(replace)));
    assert_eq!(feed(replaced(true, Shown::Attributed)), Some(Message::OrderReplace(replace)));
    let delete = itch::OrderDelete { header: header(2), order_ref: OrderRef(77) };
    assert_eq!(feed(replaced(true, Shown::No)), Some(Message::OrderDelete(delete)));
    // Of an order that was not on the feed, `Rested` tells.
    assert_eq!(feed(replaced(false, Shown::No)), None);
    assert_eq!(feed(replaced(false, Shown::Anonymous)), None);
}

#[test]
fn trades_and_reductions_reach_the_feed_as_far_as_it_knew_the_order() {
    let executed = itch::OrderExecuted {
        header: header(2),
        order_ref: OrderRef(70),
        executed_shares: Qty(30),
        match_number: MatchNumber(501),
    };
    assert_eq!(feed(traded(true)), Some(Message::OrderExecuted(executed)));
    let trade = itch::Trade {
        header: header(2),
        order_ref: OrderRef(0),
        side: b'B',
        shares: Qty(30),
        stock: symbol(InstrumentId(2)),
        price: Price(1_000_000),
        match_number: MatchNumber(501),
    };
    assert_eq!(feed(traded(false)), Some(Message::Trade(trade)));
    let canceled = |leaves, shown| EventBody::Canceled {
        owner: owner(1, 0),
        user_ref_num: UserRefNum(5),
        quantity: Qty(40),
        leaves: Qty(leaves),
        order_ref: OrderRef(77),
        concealed: Qty::ZERO,
        instrument: InstrumentId(2),
        reason: CancelReason::User,
        shown,
    };
    let delete = itch::OrderDelete { header: header(2), order_ref: OrderRef(77) };
    let reduce = |canceled_shares| itch::OrderCancel { header: header(2), order_ref: OrderRef(77), canceled_shares };
    assert_eq!(feed(canceled(0, true)), Some(Message::OrderDelete(delete)));
    assert_eq!(feed(canceled(1, true)), Some(Message::OrderCancel(reduce(Qty(40)))));
    assert_eq!(feed(canceled(0, false)), None);
    assert_eq!(feed(modified(Qty(4), true)), Some(Message::OrderCancel(reduce(Qty(4)))));
    assert_eq!(feed(modified(Qty(0), true)), None);
    assert_eq!(feed(modified(Qty(4), false)), None);
}

#[test]
fn instruments_and_the_day_reach_the_feed() {
    let listed = |lot| EventBody::InstrumentListed {
        instrument: InstrumentId(2),
        symbol: symbol(InstrumentId(2)),
        price_decimals: 4,
        qty_decimals: 0,
        tick: Price(100),
        lot: Qty(lot),
        max_qty: Qty(999_999),
        legs: Legs::of_symbol(&Symbol::BLANK),
    };
    let directory = itch::StockDirectory {
        header: header(2),
        stock: symbol(InstrumentId(2)),
        market_category: b' ',
        financial_status: b' ',
        round_lot_size: Qty(1),
        round_lots_only: b'N',
        issue_classification: b'C',
        issue_sub_type: *b"Z ",
        authenticity: b'P',
        short_sale_threshold: b' ',
        ipo_flag: b' ',
        luld_tier: b' ',
        etp_flag: b'N',
        etp_leverage_factor: 0,
        inverse_indicator: b'N',
    };
    assert_eq!(feed(listed(1)), Some(Message::StockDirectory(directory)));
    let in_lots = itch::StockDirectory { round_lot_size: Qty(10), round_lots_only: b'Y', ..directory };
    assert_eq!(feed(listed(10)), Some(Message::StockDirectory(in_lots)));
    let state = EventBody::TradingStateChanged {
        instrument: InstrumentId(2),
        state: TradingState::Halted,
        reason: Firm(*b"T1  "),
    };
    let action = itch::StockTradingAction {
        header: header(2),
        stock: symbol(InstrumentId(2)),
        trading_state: b'H',
        reserved: b' ',
        reason: *b"T1  ",
    };
    assert_eq!(feed(state), Some(Message::StockTradingAction(action)));
    let test = itch::ShortSaleTest { header: header(2), stock: symbol(InstrumentId(2)), action: b'1' };
    let changed = EventBody::ShortSaleTestChanged { instrument: InstrumentId(2), action: b'1' };
    assert_eq!(feed(changed), Some(Message::ShortSaleTest(test)));
    let event = itch::SystemEvent { header: header(0), event_code: b'Q' };
    let code = SystemEventCode::StartOfMarketHours;
    assert_eq!(feed(EventBody::SystemEvent { code }), Some(Message::SystemEvent(event)));
    assert_eq!(feed(EventBody::VenueOpened { session: SessionName::BLANK }), None);
}

#[test]
fn the_end_of_a_snapshot_names_the_next_message() {
    let end = itch::EndOfSnapshot::new(421);
    assert_eq!(&end.to_bytes(), b"G                 421");
    assert_eq!(end.next_sequence(), Some(421));
    let left = itch::EndOfSnapshot { sequence: *b"18446744073709551615" };
    assert_eq!(left.next_sequence(), Some(u64::MAX));
    let left = itch::EndOfSnapshot { sequence: *b"421                 " };
    assert_eq!(left.next_sequence(), Some(421));
    assert_eq!(itch::EndOfSnapshot { sequence: [b' '; 20] }.next_sequence(), None);
}

#[test]
fn a_client_packet_is_no_answer() {
    let Cut::Frame { frame, .. } = soupbin::cut(&soupbin::CLIENT_HEARTBEAT) else { panic!("a packet") };
    assert_eq!(ClientPacket::decode(frame), Ok(ClientPacket::Heartbeat));
    assert!(ServerPacket::decode(frame).is_err());
}

/// Where the day is rolled, a session counts on through midnight; else the count begins anew.
#[test]
fn stamps_count_from_the_day_of_the_session() {
    let body = EventBody::CancelPending { owner: owner(7, 0), user_ref_num: UserRefNum(3) };
    let next_day = Event { ingress: Nanos(INGRESS.0 + Nanos::DAY), ..event(body) };
    let command = caused_by(CommandBody::Query(AccountQuery { owner: owner(7, 0) }));
    let listed = EventBody::SystemEvent { code: SystemEventCode::EndOfMessages };
    let mut buffer = AnswerBuffer::new();
    for (midnight, stamp) in [(Midnight::EACH, STAMP), (Midnight::of(INGRESS), STAMP + Nanos::DAY)] {
        buffer.count_from(midnight);
        answer::write(&command, &next_day, None, symbol, &mut buffer);
        let packets: Vec<_> = buffer.answers().map(|answer| answer.packet[4..12].to_vec()).collect();
        assert_eq!(packets, [stamp.to_be_bytes()]);
        answer::write_session_event(AccountId(7), &next_day, false, &mut buffer);
        let packets: Vec<_> = buffer.answers().map(|answer| answer.packet[4..12].to_vec()).collect();
        assert_eq!(packets, [stamp.to_be_bytes()]);
        let mut block = [0; itch::BLOCK_BYTES_MAX];
        itch::from_event(&Event { body: listed, ..next_day }, midnight, symbol, &mut block);
        assert_eq!(block[7..13], stamp.to_be_bytes()[2..]);
    }
    let rolled = Event { body: EventBody::SessionRolled { session: SessionName(*b"S000000002") }, ..next_day };
    assert_eq!(rolled.midnight_after(Midnight::of(INGRESS)), Midnight::of(rolled.ingress));
    assert_eq!(rolled.midnight_after(Midnight::EACH), Midnight::EACH);
    assert_eq!(Midnight::of(INGRESS).stamp(Nanos(0)), 0, "a time that is not known");
}
