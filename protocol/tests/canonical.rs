//! The bytes of commands on disk and of events in the hash: written down by hand from the tables in the docs, so that
//! a change of format cannot go unnoticed, and taken through every damage of one byte.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use protocol::command::{
    AccountQuery, CancelOrder, CommandBody, EnterOrder, EntrySwitch, ListInstrument, MassCancel, ModifyOrder,
    OpenAccount, OpenVenue, OrderTags, Refuse, RefuseReplace, ReplaceOrder, SetShortSaleTest, SetTradingState, TagSet,
};
use protocol::event::Shown;
use protocol::money::Legs;
use protocol::record::{self, BODY_BYTES_MAX};
use protocol::venue_command::{
    BustTrade, PackedAmount, Party, SetAccountDefaults, SetBands, SetMarketWideLevels, SetMatching, SetOperationalHalt,
    SetReferencePrice, StartAuction, VenueCommand,
};
use protocol::{
    AccountId, AccountName, Amount, BustReason, CancelReason, Capacity, Channel, ClOrdId, CrossType, DecodeError,
    Display, Event, EventBody, Firm, ImbalanceDirection, InstrumentId, LiquidityFlag, MatchNumber, MatchingAlgorithm,
    Midnight, Nanos, OrderRef, OrderState, Owner, Price, Qty, RejectReason, Sequence, SessionName, Side, Symbol,
    SystemEventCode, TimeInForce, TradingState, UserRefNum,
};

const FIRM: Firm = Firm(*b"DEMA");
const TEXT: ClOrdId = ClOrdId(*b"abcdefghijklmn");

fn owner() -> Owner {
    Owner::new(AccountId(0x01_02_03), Channel(4))
}

fn enter(tags: OrderTags, time_in_force: TimeInForce) -> CommandBody {
    CommandBody::Enter(EnterOrder {
        owner: owner(),
        user_ref_num: UserRefNum(0x1112_1314),
        quantity: Qty(0x2122_2324),
        price: Price(0x3132_3334),
        instrument: InstrumentId(0x4142),
        side: Side::SellShort,
        time_in_force,
        display: Display::Attributable,
        capacity: Capacity::Riskless,
        sweep: true,
        cross_type: CrossType::Retail,
        cl_ord_id: TEXT,
        tags,
    })
}

fn replace(tags: OrderTags) -> CommandBody {
    CommandBody::Replace(ReplaceOrder {
        owner: owner(),
        orig_user_ref_num: UserRefNum(0x0A0B_0C0D),
        user_ref_num: UserRefNum(0x1112_1314),
        quantity: Qty(0),
        price: Price::MARKET_CROSS,
        time_in_force: TimeInForce::Gtd,
        display: Display::Hidden,
        sweep: false,
        cl_ord_id: TEXT,
        tags,
    })
}

fn tags() -> OrderTags {
    OrderTags {
        present: TagSet(((1 << 24) - 1) & !TagSet::SIDE.0 & !TagSet::EXPIRE_AT.0),
        firm: FIRM,
        min_qty: Qty(0x0102_0304),
        max_floor: Qty(0x1112_1314),
        peg_offset: -2,
        random_reserves: Qty(0x2122_2324),
        expire_time_s: 86_399,
        locate_broker: Firm(*b"LOCB"),
        stop_price: Price(0x3132_3334),
        trail_offset: Price(0x4142_4344),
        expire_at: Nanos(0),
        group_id: 0x5152,
        aiq_group_id: *b"G1",
        customer_type: b'R',
        price_type: b'm',
        post_only: true,
        trade_now: b'Y',
        handle_inst: b'I',
        shares_located: b'Y',
        side: None,
        aiq_strategy: b'w',
        stop_trigger: b'Q',
        cancel_on_disconnect: b'Y',
        report_details: true,
    }
}

fn replace_tags() -> OrderTags {
    OrderTags {
        present: TagSet::SIDE.with(TagSet::EXPIRE_AT).with(TagSet::USER_REF_IDX),
        expire_at: Nanos(0x0102_0304_0506_0708),
        side: Some(Side::SellShortExempt),
        ..OrderTags::NONE
    }
}

/// Every kind of command with its bytes.
#[expect(clippy::too_many_lines, reason = "a flat table")]
fn commands() -> Vec<(CommandBody, &'static str)> {
    let user_ref_num = UserRefNum(0x1112_1314);
    let switch = EntrySwitch { owner: owner(), user_ref_num, firm: FIRM };
    vec![
        (
            enter(OrderTags::NONE, TimeInForce::Day),
            "01 00 4241 04030201 14131211 24232221 34333231 54 30 41 52 01 52 6162636465666768696a6b6c6d6e",
        ),
        (
            enter(tags(), TimeInForce::Gtt),
            "01 00 4241 04030201 14131211 24232221 34333231 54 36 41 52 01 52 6162636465666768696a6b6c6d6e \
             ffbfdf00 44454d41 04030201 14131211 feffffff 24232221 7f510100 4c4f4342 34333231 44434241 \
             0000000000000000 5251 4731 52 6d 01 59 49 59 00 77 51 59 01 00",
        ),
        (
            replace(OrderTags::NONE),
            "02 44 4e 00 04030201 0d0c0b0a 14131211 00000000 ffffff7f 6162636465666768696a6b6c6d6e 0000",
        ),
        (
            replace(replace_tags()),
            "02 44 4e 00 04030201 0d0c0b0a 14131211 00000000 ffffff7f 6162636465666768696a6b6c6d6e 0000 \
             00c02000 20202020 00000000 00000000 00000000 00000000 00000000 20202020 00000000 00000000 \
             0807060504030201 0000 2020 20 4c 00 20 20 4e 45 2a 4c 20 00 00",
        ),
        (
            CommandBody::Cancel(CancelOrder { owner: owner(), user_ref_num, quantity: Qty(7) }),
            "03 000000 04030201 14131211 07000000",
        ),
        (
            CommandBody::Modify(ModifyOrder {
                owner: owner(),
                user_ref_num,
                side: Side::SellShort,
                quantity: Qty(7),
                present: TagSet::SHARES_LOCATED.with(TagSet::LOCATE_BROKER),
                shares_located: b'Y',
                locate_broker: FIRM,
            }),
            "04 54 59 00 04030201 14131211 07000000 00300000 44454d41",
        ),
        (
            CommandBody::MassCancel(MassCancel {
                owner: owner(),
                user_ref_num,
                firm: FIRM,
                symbol: Symbol(*b"AAPL    "),
                instrument: Some(InstrumentId(0x4142)),
                side: Some(Side::Buy),
                group_id: 0x5152,
                present: TagSet::GROUP_ID.with(TagSet::SIDE).with(TagSet::USER_REF_IDX),
            }),
            "05 42 5251 04030201 14131211 44454d41 4141504c20202020 00c80000 4241 0000",
        ),
        (CommandBody::DisableEntry(switch), "06 000000 04030201 14131211 44454d41"),
        (CommandBody::EnableEntry(switch), "07 000000 04030201 14131211 44454d41"),
        (CommandBody::Query(AccountQuery { owner: owner() }), "08 000000 04030201"),
        (
            CommandBody::Refuse(Refuse {
                owner: owner(),
                user_ref_num,
                reason: RejectReason::SymbolUnknown,
                cl_ord_id: TEXT,
            }),
            "09 00 1100 04030201 14131211 6162636465666768696a6b6c6d6e 000000000000",
        ),
        (
            CommandBody::RefuseReplace(RefuseReplace {
                owner: owner(),
                orig_user_ref_num: UserRefNum(0x0A0B_0C0D),
                user_ref_num,
                reason: RejectReason::Malformed,
            }),
            "0a 00 0100 04030201 0d0c0b0a 14131211",
        ),
        (
            CommandBody::OpenVenue(OpenVenue {
                session: SessionName(*b"SESSION01 "),
                orders_max: 0x0102_0304,
                accounts_max: 0x1112_1314,
                channels_max: 0x2122_2324,
                instruments_max: 0x3132,
                orders_per_command_max: 0x4142_4344,
            }),
            "0b 00 3231 04030201 14131211 24232221 44434241 53455353494f4e303120 0000",
        ),
        (
            CommandBody::ListInstrument(ListInstrument {
                instrument: InstrumentId(0x4142),
                symbol: Symbol(*b"BTC-USD "),
                price_decimals: 2,
                qty_decimals: -3,
                tick: Price(1),
                lot: Qty(2),
                max_qty: Qty(u32::MAX),
                reference_price: Price(0x0102_0304),
            }),
            "0c 02 4241 4254432d55534420 01000000 02000000 ffffffff 04030201 fd 000000",
        ),
        (
            CommandBody::SetTradingState(SetTradingState {
                instrument: InstrumentId(0x4142),
                state: TradingState::Halted,
                reason: Firm(*b"T1  "),
            }),
            "0d 48 4241 54312020",
        ),
        (
            CommandBody::SetShortSaleTest(SetShortSaleTest { instrument: InstrumentId(0x4142), action: b'2' }),
            "0e 32 4241 00000000",
        ),
        (
            CommandBody::OpenAccount(OpenAccount {
                account: AccountId(0x01_02_03),
                name: AccountName(*b"DEMO01"),
                firm: FIRM,
            }),
            "0f 000000 03020100 44454d4f3031 44454d41 000000000000",
        ),
        (CommandBody::SystemEvent(SystemEventCode::StartOfMarketHours), "10 51 000000000000"),
    ]
    .into_iter()
    .chain(venue_commands().into_iter().map(|(command, bytes)| (CommandBody::Venue(command), bytes)))
    .collect()
}

/// Every kind of command of the venue itself with its bytes.
#[expect(clippy::too_many_lines, reason = "a flat table")]
fn venue_commands() -> Vec<(VenueCommand, &'static str)> {
    let instrument = InstrumentId(0x4142);
    let party = |owner, number, flag| Party {
        owner: Owner::from_bits(owner),
        user_ref_num: UserRefNum(number),
        cl_ord_id: TEXT,
        flag,
    };
    vec![
        (VenueCommand::Tick, "11 00000000000000"),
        (
            VenueCommand::SetMatching(SetMatching {
                instrument,
                algorithm: MatchingAlgorithm::TopThenProRata,
                minimum: Qty(0x2122_2324),
                elections_per_command_max: 0x0102,
            }),
            "12 54 4241 24232221 0201 000000000000",
        ),
        (
            VenueCommand::SetBands(SetBands {
                instrument,
                static_ppm: 1_000_000,
                dynamic_ppm: 50_000,
                collar_ppm: 0,
                auction_s: 86_400,
            }),
            "13 00 4241 40420f00 50c30000 00000000 80510100 00000000",
        ),
        (
            VenueCommand::SetReferencePrice(SetReferencePrice { instrument, price: Price(0x3132_3334) }),
            "14 00 4241 34333231",
        ),
        (
            VenueCommand::StartAuction(StartAuction {
                instrument,
                state: TradingState::PreOpen,
                reason: FIRM,
                until: Nanos(0x0102_0304_0506_0708),
            }),
            "15 4f 4241 44454d41 0807060504030201",
        ),
        (
            VenueCommand::SetAccountDefaults(SetAccountDefaults {
                account: AccountId(0x01_02_03),
                aiq_strategy: b'B',
                aiq_group_id: *b"G1",
                cancel_on_disconnect: true,
                grace_ms: 0x0102_0304,
            }),
            "16 42 4731 03020100 04030201 01 000000",
        ),
        (VenueCommand::Connected(AccountId(0x01_02_03)), "17 000000 03020100"),
        (VenueCommand::Disconnected(AccountId(0x01_02_03)), "18 000000 03020100"),
        (VenueCommand::SetOperationalHalt(SetOperationalHalt { instrument, is_halted: true }), "19 01 4241 00000000"),
        (
            VenueCommand::SetMarketWideLevels(SetMarketWideLevels { level_1: 3, level_2: 2, level_3: 1 }),
            "1a 00000000000000 0300000000000000 0200000000000000 0100000000000000",
        ),
        (VenueCommand::RollDay(SessionName(*b"S00ABCDEFG")), "1d 00 53303041424344454647 00000000"),
        (VenueCommand::SetDayRolls(true), "1e 01 000000000000"),
        (VenueCommand::BreachMarketWide(3), "1b 03 000000000000"),
        (
            VenueCommand::BustTrade(BustTrade {
                match_number: MatchNumber(0x0102_0304_0506_0708),
                instrument,
                quantity: Qty(0x2122_2324),
                price: Price(0x3132_3334),
                reason: BustReason::Consent,
                buyer: party(0x0506_0708, 9, LiquidityFlag::Added),
                seller: party(0x0506_0709, 10, LiquidityFlag::Removed),
                buyer_fee: PackedAmount::default(),
                seller_fee: PackedAmount::default(),
            }),
            "1c 43 4241 24232221 0807060504030201 34333231 08070605 09000000 6162636465666768696a6b6c6d6e 41 52 \
             09070605 0a000000 6162636465666768696a6b6c6d6e 000000000000",
        ),
        (
            VenueCommand::BustTrade(BustTrade {
                match_number: MatchNumber(0x0102_0304_0506_0708),
                instrument,
                quantity: Qty(0x2122_2324),
                price: Price(0x3132_3334),
                reason: BustReason::Consent,
                buyer: party(0x0506_0708, 9, LiquidityFlag::Added),
                seller: party(0x0506_0709, 10, LiquidityFlag::Removed),
                buyer_fee: Amount(-2).into(),
                seller_fee: Amount(0x0102).into(),
            }),
            "1c 43 4241 24232221 0807060504030201 34333231 08070605 09000000 6162636465666768696a6b6c6d6e 41 52 \
             09070605 0a000000 6162636465666768696a6b6c6d6e feffffffffffffffffffffffffffffff \
             02010000000000000000000000000000 000000000000",
        ),
    ]
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits")).collect()
}

#[test]
fn commands_have_the_bytes_of_the_table() {
    for (body, bytes) in commands() {
        let mut out = [0xAA; BODY_BYTES_MAX];
        let written = record::encode(&body, &mut out);
        assert_eq!(out[..written], hex(bytes), "{body:?}");
        assert_eq!(record::decode(&out[..written]), Ok(body));
        assert_eq!(written % 8, 0);
    }
}

#[test]
fn every_command_of_a_wrong_length_is_refused() {
    for (body, bytes) in commands() {
        let bytes = hex(bytes);
        for length in 0..bytes.len() {
            // The first 40 bytes of an order with tags are an order without.
            if length != 40 {
                assert!(record::decode(&bytes[..length]).is_err(), "{body:?} cut to {length}");
            }
        }
        assert!(record::decode(&[&bytes[..], &[0]].concat()).is_err(), "{body:?} and a byte");
    }
    assert_eq!(record::decode(&[0; 8]), Err(DecodeError::UnknownType(0)));
    assert_eq!(record::decode(&[63; 8]), Err(DecodeError::UnknownType(63)));
}

/// A body that decodes must be the only one that encodes to its bytes.
fn canonical(bytes: &[u8]) {
    if let Ok(body) = record::decode(bytes) {
        let mut out = [0; BODY_BYTES_MAX];
        let written = record::encode(&body, &mut out);
        assert_eq!(&out[..written], bytes, "{body:?}");
    }
}

#[test]
fn no_damage_of_one_byte_makes_an_impossible_command() {
    for (_, bytes) in commands() {
        let mut bytes = hex(bytes);
        for at in 0..bytes.len() {
            let kept = bytes[at];
            for damaged in 0..=255 {
                bytes[at] = damaged;
                canonical(&bytes);
            }
            bytes[at] = kept;
        }
    }
}

#[test]
fn values_out_of_their_ranges_are_refused() {
    let spoiled = |which: usize, at: usize, with: &str| {
        let mut bytes = hex(commands()[which].1);
        let with = hex(with);
        bytes[at..at + with.len()].copy_from_slice(&with);
        record::decode(&bytes)
    };
    let bad = |offset, found| Err(DecodeError::BadValue { offset, found });
    assert_eq!(spoiled(0, 12, "00000000"), bad(12, 0), "quantity 0");
    assert_eq!(spoiled(0, 16, "00000000"), bad(16, 0), "price 0");
    assert_eq!(spoiled(0, 2, "0000"), bad(2, 0), "instrument 0");
    assert_eq!(spoiled(0, 21, "36"), bad(40, 0), "no expire time");
    assert_eq!(spoiled(1, 40, "00000000"), bad(40, 0), "tags, but none present");
    assert_eq!(spoiled(1, 40, "ffbfdf01"), bad(40, 0xff), "an unknown tag");
    assert_eq!(spoiled(1, 40, "fffffd00"), bad(40, 0xff), "a tag that no Enter has");
    assert_eq!(spoiled(3, 44, "44454d41"), bad(40, 0), "a value without its tag");
    assert_eq!(spoiled(1, 64, "80510100"), bad(40, 0xff), "86,400 seconds");
    assert_eq!(spoiled(2, 1, "45"), bad(1, 0x45), "a replacement after hours");
    assert_eq!(spoiled(6, 28, "0000"), bad(28, 0), "a symbol without its instrument");
    assert_eq!(spoiled(16, 7, "01"), bad(4, 3), "an account that no owner can name");
    assert_eq!(spoiled(20, 4, "41420f00"), bad(4, 0x41), "a band wider than the price");
    assert_eq!(spoiled(20, 16, "00000000"), bad(16, 0), "bands without an auction");
    assert_eq!(spoiled(21, 4, "ffffff7f"), bad(4, 0xff), "a reference that is no limit price");
    assert_eq!(spoiled(22, 1, "54"), bad(1, 0x54), "an auction that trades");
    assert_eq!(spoiled(23, 1, "2a"), bad(1, 0x2a), "a default that means the default");
    assert_eq!(spoiled(23, 7, "01"), bad(4, 3), "an account that no owner can name");
    assert_eq!(spoiled(28, 1, "04"), bad(1, 4), "a level that is none");
}

/// Every kind of event with its bytes from offset 16 on.
#[expect(clippy::too_many_lines, reason = "a flat table")]
fn events() -> Vec<(EventBody, &'static str)> {
    let (user_ref_num, instrument) = (UserRefNum(0x1112_1314), InstrumentId(0x4142));
    let (quantity, price, order_ref) = (Qty(0x2122_2324), Price(0x3132_3334), OrderRef(0x0102_0304_0506_0708));
    vec![
        (
            EventBody::Details { matched: Nanos(99), quantity_ahead: 258, for_maker: false, for_owner: true },
            "01 0201000000000000 00 01",
        ),
        (
            EventBody::Accepted {
                owner: owner(),
                user_ref_num,
                quantity,
                price,
                order_ref,
                instrument,
                side: Side::Buy,
                state: OrderState::Live,
                shown: Shown::Attributed,
                firm: FIRM,
            },
            "02 04030201 14131211 24232221 34333231 0807060504030201 4241 42 4c 02 44454d41",
        ),
        (
            EventBody::Replaced {
                owner: owner(),
                orig_user_ref_num: UserRefNum(1),
                user_ref_num,
                quantity,
                price,
                order_ref,
                old_order_ref: OrderRef(2),
                instrument,
                side: Side::Sell,
                capacity: Capacity::Other,
                cross_type: CrossType::Opening,
                state: OrderState::Dead,
                shown: Shown::No,
                old_shown: true,
            },
            "03 04030201 01000000 14131211 24232221 34333231 0807060504030201 0200000000000000 4241 53 4f 4f 44 00 01",
        ),
        (
            EventBody::Rested {
                order_ref,
                quantity,
                price,
                instrument,
                side: Side::SellShortExempt,
                shown: Shown::Anonymous,
                firm: FIRM,
            },
            "04 0807060504030201 24232221 34333231 4241 45 01 44454d41",
        ),
        (
            EventBody::Traded {
                match_number: MatchNumber(3),
                maker_ref: order_ref,
                quantity,
                price,
                maker: owner(),
                maker_user_ref_num: UserRefNum(4),
                taker: Owner::new(AccountId(5), Channel(0)),
                taker_user_ref_num: user_ref_num,
                instrument,
                maker_side: Side::Buy,
                maker_flag: LiquidityFlag::Added,
                taker_flag: LiquidityFlag::Removed,
                maker_shown: true,
            },
            "05 0300000000000000 0807060504030201 24232221 34333231 04030201 04000000 00050000 14131211 4241 \
             42 41 52 01",
        ),
        (
            EventBody::Canceled {
                owner: owner(),
                user_ref_num,
                quantity,
                leaves: Qty(6),
                order_ref,
                concealed: Qty::ZERO,
                instrument,
                reason: CancelReason::Immediate,
                shown: false,
            },
            "06 04030201 14131211 24232221 06000000 0807060504030201 4241 49 00 00000000",
        ),
        (
            EventBody::Modified {
                owner: owner(),
                user_ref_num,
                quantity,
                removed: Qty(6),
                order_ref,
                concealed: Qty::ZERO,
                instrument,
                side: Side::SellShort,
                shown: true,
            },
            "07 04030201 14131211 24232221 06000000 0807060504030201 4241 54 01 00000000",
        ),
        (
            EventBody::Rejected { owner: owner(), user_ref_num, reason: RejectReason::VenueClosing },
            "08 04030201 14131211 2100",
        ),
        (EventBody::MassCancelTaken { owner: owner(), user_ref_num, firm: FIRM }, "09 04030201 14131211 44454d41"),
        (EventBody::EntryDisabled { owner: owner(), user_ref_num, firm: FIRM }, "0a 04030201 14131211 44454d41"),
        (EventBody::EntryEnabled { owner: owner(), user_ref_num, firm: FIRM }, "0b 04030201 14131211 44454d41"),
        (EventBody::NextUserRefNum { owner: owner(), next: user_ref_num }, "0c 04030201 14131211"),
        (EventBody::VenueOpened { session: SessionName(*b"SESSION01 ") }, "0d 53455353494f4e303120"),
        (
            EventBody::InstrumentListed {
                instrument,
                symbol: Symbol(*b"BTC-USD "),
                price_decimals: 2,
                qty_decimals: -3,
                tick: Price(1),
                lot: Qty(2),
                max_qty: Qty(u32::MAX),
                legs: Legs::of_symbol(&Symbol::BLANK),
            },
            "0e 4241 4254432d55534420 02 fd 01000000 02000000 ffffffff",
        ),
        (
            EventBody::TradingStateChanged { instrument, state: TradingState::Paused, reason: Firm(*b"LUDP") },
            "0f 4241 50 4c554450",
        ),
        (EventBody::ShortSaleTestChanged { instrument, action: b'1' }, "10 4241 31"),
        (
            EventBody::AccountOpened { account: AccountId(0x01_02_03), name: AccountName(*b"DEMO01"), firm: FIRM },
            "11 03020100 44454d4f3031 44454d41",
        ),
        (EventBody::SystemEvent { code: SystemEventCode::EndOfMessages }, "12 43"),
    ]
}

/// The same for what happens to orders and markets beside the plain way.
#[expect(clippy::too_many_lines, reason = "a flat table")]
fn venue_events() -> Vec<(EventBody, &'static str)> {
    let (user_ref_num, instrument) = (UserRefNum(0x1112_1314), InstrumentId(0x4142));
    let (quantity, price, order_ref) = (Qty(0x2122_2324), Price(0x3132_3334), OrderRef(0x0102_0304_0506_0708));
    vec![
        (
            EventBody::PriorityUpdated { owner: owner(), user_ref_num, price, display: Display::Hidden, order_ref },
            "13 04030201 14131211 34333231 0807060504030201 4e",
        ),
        (
            EventBody::Restated {
                owner: owner(),
                user_ref_num,
                order_ref,
                quantity,
                price,
                instrument,
                side: Side::Buy,
                shown: Shown::Attributed,
                firm: FIRM,
            },
            "14 04030201 14131211 0807060504030201 24232221 34333231 4241 42 02 44454d41",
        ),
        (
            EventBody::SelfMatchPrevented {
                owner: owner(),
                user_ref_num,
                quantity,
                leaves: Qty(6),
                price,
                order_ref,
                concealed: Qty(5),
                instrument,
                flag: LiquidityFlag::Removed,
                strategy: b'd',
                shown: true,
            },
            "15 04030201 14131211 24232221 06000000 34333231 0807060504030201 05000000 4241 52 64 01",
        ),
        (EventBody::CancelPending { owner: owner(), user_ref_num }, "16 04030201 14131211"),
        (EventBody::CancelRejected { owner: owner(), user_ref_num }, "17 04030201 14131211"),
        (
            EventBody::CrossExecuted {
                match_number: MatchNumber(3),
                order_ref,
                quantity,
                price,
                owner: owner(),
                user_ref_num,
                instrument,
                side: Side::Sell,
                flag: LiquidityFlag::Opening,
                shown: true,
            },
            "18 04030201 14131211 0300000000000000 0807060504030201 24232221 34333231 4241 53 4f 01",
        ),
        (
            EventBody::Crossed {
                match_number: MatchNumber(3),
                quantity: 0x0102_0304_0506_0708,
                price,
                instrument,
                cross_type: CrossType::Closing,
            },
            "19 0300000000000000 0807060504030201 34333231 4241 43",
        ),
        (
            EventBody::Imbalance {
                paired: 0x0102_0304_0506_0708,
                imbalance: 9,
                far: Price(1),
                near: Price(2),
                reference: Price(3),
                instrument,
                direction: ImbalanceDirection::Insufficient,
                cross_type: CrossType::Halt,
            },
            "1a 0807060504030201 0900000000000000 01000000 02000000 03000000 4241 4f 48",
        ),
        (
            EventBody::AuctionCollar {
                instrument,
                reference: Price(1),
                upper: Price(2),
                lower: Price(3),
                extension: 4,
            },
            "1b 4241 01000000 02000000 03000000 04000000",
        ),
        (EventBody::OperationalHaltChanged { instrument, is_halted: true }, "1c 4241 01"),
        (
            EventBody::MarketWideLevels { level_1: 3, level_2: 2, level_3: 1 },
            "1d 0300000000000000 0200000000000000 0100000000000000",
        ),
        (EventBody::MarketWideBreached { level: 2 }, "1e 02"),
        (
            EventBody::TradeBroken {
                match_number: MatchNumber(3),
                instrument,
                reason: BustReason::External,
                buyer: owner(),
                buyer_user_ref_num: user_ref_num,
                seller: Owner::new(AccountId(5), Channel(0)),
                seller_user_ref_num: UserRefNum(1),
            },
            "1f 0300000000000000 4241 58 04030201 14131211 00050000 01000000",
        ),
        (EventBody::OperatorRefused { reason: RejectReason::TradeUnknown }, "20 2700"),
        (EventBody::SessionRolled { session: SessionName(*b"S00ABCDEFG") }, "21 53303041424344454647"),
        (EventBody::ReferenceChanged { instrument, price: Price(0x3132_3334) }, "22 4241 34333231"),
        (EventBody::MidnightChanged { midnight: Midnight::of(Nanos(20_000 * Nanos::DAY + 1)) }, "23 0000e03bd816fb17"),
    ]
}

#[test]
fn events_have_the_bytes_of_the_table() {
    for (body, bytes) in events().into_iter().chain(venue_events()) {
        let event = Event { sequence: Sequence(0x0102_0304_0506_0708), ingress: Nanos(0x1112_1314_1516_1718), body };
        let mut expected = hex("0807060504030201 1817161514131211");
        expected.extend(hex(bytes));
        expected.resize(64, 0);
        assert_eq!(event.encode().to_vec(), expected, "{body:?}");
    }
}

#[test]
fn the_live_clock_is_not_in_the_hash() {
    let details = |matched, quantity_ahead| {
        let body = EventBody::Details { matched: Nanos(matched), quantity_ahead, for_maker: true, for_owner: false };
        Event { sequence: Sequence(1), ingress: Nanos(2), body }.encode()
    };
    assert_eq!(details(1, 5), details(2, 5));
    assert_ne!(details(1, 5), details(1, 6));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_bytes_are_refused_or_canonical(
        mut bytes in prop::collection::vec(any::<u8>(), 0..120),
        kind in 0..31_u8,
        length in prop::sample::select(vec![8_usize, 16, 24, 32, 40, 72, 104]),
    ) {
        canonical(&bytes);
        bytes.resize(length, 0);
        bytes[0] = kind;
        canonical(&bytes);
    }

    #[test]
    fn damaged_commands_are_refused_or_canonical(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = hex(which.get(&commands()).1);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        canonical(&bytes);
    }
}
