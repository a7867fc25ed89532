//! From client bytes to commands: every row of ouch50.md §9, every check and the order of any two of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use protocol::command::{
    AccountQuery, CancelOrder, CommandBody, EnterOrder, EntrySwitch, MassCancel, ModifyOrder, OrderTags, Refuse,
    RefuseReplace, ReplaceOrder, TagSet,
};
use protocol::ouch::appendage::{AppendageBuffer, Element};
use protocol::ouch::inbound::{self, Admission, Inbound, admit};
use protocol::record;
use protocol::{
    AccountId, Capacity, Channel, ClOrdId, CrossType, Display, Firm, InstrumentId, Nanos, Owner, Price, Qty,
    RejectReason, Side, Symbol, TimeInForce, UserRefNum,
};

const ACCOUNT: AccountId = AccountId(3);

fn symbol() -> Symbol {
    Symbol::from_text("AAPL").expect("a symbol")
}

fn take(bytes: &[u8]) -> Admission {
    admit(bytes, ACCOUNT, |name| (name == symbol()).then_some(InstrumentId(7)))
}

fn owner(channel: u8) -> Owner {
    Owner::new(ACCOUNT, Channel(channel))
}

/// A message that can be spoiled: fixed bytes, and elements behind a right length.
#[derive(Clone)]
struct Draft {
    fixed: Vec<u8>,
    elements: Vec<u8>,
}

impl Draft {
    fn of(message: Inbound) -> Self {
        let mut fixed = vec![0; 64];
        let bytes = message.encode(None, &mut fixed).expect("room");
        fixed.truncate(bytes - if message.appendage_is_due() { 2 } else { 0 });
        Self { fixed, elements: Vec::new() }
    }

    fn with(mut self, element: Element) -> Self {
        let mut bytes = [0; 16];
        let written = element.write(&mut bytes).expect("room");
        self.elements.extend(&bytes[..written]);
        self
    }

    fn raw(mut self, tag: u8, value: &[u8]) -> Self {
        self.elements.push(u8::try_from(value.len() + 1).expect("short"));
        self.elements.push(tag);
        self.elements.extend(value);
        self
    }

    fn put(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.fixed[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let length = u16::try_from(self.elements.len()).expect("short").to_be_bytes();
        [&self.fixed[..], &length, &self.elements].concat()
    }

    fn take(&self) -> Admission {
        take(&self.bytes())
    }

    fn reason(&self) -> Option<RejectReason> {
        match self.take() {
            Admission::Command(CommandBody::Refuse(refuse)) => Some(refuse.reason),
            Admission::Command(CommandBody::RefuseReplace(refuse)) => Some(refuse.reason),
            Admission::Command(_) | Admission::Ignore | Admission::Unreadable => None,
        }
    }
}

fn cl_ord_id() -> ClOrdId {
    ClOrdId::from_text("order-1").expect("a text")
}

fn enter() -> Draft {
    Draft::of(Inbound::EnterOrder(inbound::EnterOrder {
        user_ref_num: UserRefNum(10),
        side: b'B',
        quantity: Qty(100),
        symbol: symbol(),
        price: 1_500_000,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: cl_ord_id(),
    }))
}

fn replace() -> Draft {
    Draft::of(Inbound::ReplaceOrder(inbound::ReplaceOrder {
        orig_user_ref_num: UserRefNum(10),
        user_ref_num: UserRefNum(11),
        quantity: Qty(100),
        price: 1_500_000,
        time_in_force: b'0',
        display: b'Y',
        intermarket_sweep: b'N',
        cl_ord_id: cl_ord_id(),
    }))
}

fn cancel() -> Draft {
    Draft::of(Inbound::CancelOrder(inbound::CancelOrder { user_ref_num: UserRefNum(10), quantity: Qty(5) }))
}

fn modify() -> Draft {
    Draft::of(Inbound::ModifyOrder(inbound::ModifyOrder { user_ref_num: UserRefNum(10), side: b'T', quantity: Qty(5) }))
}

fn mass_cancel() -> Draft {
    Draft::of(Inbound::MassCancel(inbound::MassCancel {
        user_ref_num: UserRefNum(10),
        firm: Firm::BLANK,
        symbol: symbol(),
    }))
}

fn disable() -> Draft {
    Draft::of(Inbound::DisableEntry(inbound::DisableEntry { user_ref_num: UserRefNum(10), firm: Firm(*b"DEMA") }))
}

fn enable() -> Draft {
    Draft::of(Inbound::EnableEntry(inbound::EnableEntry { user_ref_num: UserRefNum(10), firm: Firm(*b"DEMA") }))
}

fn query() -> Draft {
    Draft::of(Inbound::AccountQuery(inbound::AccountQuery {}))
}

fn everything() -> [Draft; 8] {
    [enter(), replace(), cancel(), modify(), mass_cancel(), disable(), enable(), query()]
}

fn entered() -> EnterOrder {
    EnterOrder {
        owner: owner(0),
        user_ref_num: UserRefNum(10),
        quantity: Qty(100),
        price: Price(1_500_000),
        instrument: InstrumentId(7),
        side: Side::Buy,
        time_in_force: TimeInForce::Day,
        display: Display::Visible,
        capacity: Capacity::Principal,
        sweep: false,
        cross_type: CrossType::Continuous,
        cl_ord_id: cl_ord_id(),
        tags: OrderTags::NONE,
    }
}

fn command(body: CommandBody) -> Admission {
    Admission::Command(body)
}

#[test]
fn valid_messages_become_their_commands() {
    assert_eq!(enter().take(), command(CommandBody::Enter(entered())));
    let replaced = ReplaceOrder {
        owner: owner(0),
        orig_user_ref_num: UserRefNum(10),
        user_ref_num: UserRefNum(11),
        quantity: Qty(0),
        price: Price::MARKET,
        time_in_force: TimeInForce::Day,
        display: Display::Visible,
        sweep: false,
        cl_ord_id: cl_ord_id(),
        tags: OrderTags::NONE,
    };
    let zero_at_market = replace().put(9, &[0; 4]).put(13, &2_000_000_000_u64.to_be_bytes());
    assert_eq!(zero_at_market.take(), command(CommandBody::Replace(replaced)));
    let canceled = CancelOrder { owner: owner(9), user_ref_num: UserRefNum(10), quantity: Qty(5) };
    let on_channel = cancel().with(Element::UserRefIdx(Channel(9)));
    assert_eq!(on_channel.take(), command(CommandBody::Cancel(canceled)));
    let modified = ModifyOrder {
        owner: owner(9),
        user_ref_num: UserRefNum(10),
        side: Side::SellShort,
        quantity: Qty(5),
        present: TagSet::SHARES_LOCATED.with(TagSet::LOCATE_BROKER).with(TagSet::USER_REF_IDX),
        shares_located: b'Y',
        locate_broker: Firm(*b"LOCB"),
    };
    let draft = modify()
        .with(Element::UserRefIdx(Channel(9)))
        .with(Element::SharesLocated(b'Y'))
        .with(Element::LocateBroker(Firm(*b"LOCB")));
    assert_eq!(draft.take(), command(CommandBody::Modify(modified)));
    let request = MassCancel {
        owner: owner(2),
        user_ref_num: UserRefNum(10),
        firm: Firm::BLANK,
        symbol: symbol(),
        instrument: Some(InstrumentId(7)),
        side: Some(Side::Sell),
        group_id: 77,
        present: TagSet::GROUP_ID.with(TagSet::SIDE).with(TagSet::USER_REF_IDX),
    };
    let draft =
        mass_cancel().with(Element::GroupId(77)).with(Element::Side(b'S')).with(Element::UserRefIdx(Channel(2)));
    assert_eq!(draft.take(), command(CommandBody::MassCancel(request)));
    let all = MassCancel {
        owner: owner(0),
        symbol: Symbol::BLANK,
        instrument: None,
        side: None,
        group_id: 0,
        present: TagSet::NONE,
        ..request
    };
    assert_eq!(mass_cancel().put(9, &[b' '; 8]).take(), command(CommandBody::MassCancel(all)));
    let switch = EntrySwitch { owner: owner(0), user_ref_num: UserRefNum(10), firm: Firm(*b"DEMA") };
    assert_eq!(disable().take(), command(CommandBody::DisableEntry(switch)));
    assert_eq!(enable().take(), command(CommandBody::EnableEntry(switch)));
    let draft = query().with(Element::UserRefIdx(Channel(255)));
    assert_eq!(draft.take(), command(CommandBody::Query(AccountQuery { owner: owner(255) })));
}

#[test]
fn every_tag_of_an_order_reaches_the_command() {
    let draft = enter()
        .put(26, b"6")
        .with(Element::ReportDetails(b'Y'))
        .with(Element::CancelOnDisconnect(b'Y'))
        .with(Element::TrailOffset(500))
        .with(Element::StopTrigger(b'Q'))
        .with(Element::StopPrice(1_600_000))
        .with(Element::AiqGroupId(*b"G1"))
        .with(Element::AiqStrategy(b'w'))
        .with(Element::UserRefIdx(Channel(4)))
        .with(Element::LocateBroker(Firm(*b"LOCB")))
        .with(Element::SharesLocated(b'Y'))
        .with(Element::GroupId(513))
        .with(Element::HandleInst(b'I'))
        .with(Element::TradeNow(b'Y'))
        .with(Element::ExpireTime(86_399))
        .with(Element::RandomReserves(Qty(3)))
        .with(Element::PostOnly(b'P'))
        .with(Element::PegOffset(-5))
        .with(Element::PriceType(b'm'))
        .with(Element::MaxFloor(Qty(10)))
        .with(Element::CustomerType(b'R'))
        .with(Element::MinQty(Qty(100)))
        .with(Element::Firm(Firm(*b"DEMA")));
    let sent = TagSet::BY_TAG.iter().fold(TagSet::NONE, |all, (_, tag)| all.with(*tag)).0;
    let tags = OrderTags {
        present: TagSet(sent & !TagSet::SIDE.0 & !TagSet::EXPIRE_AT.0),
        firm: Firm(*b"DEMA"),
        min_qty: Qty(100),
        max_floor: Qty(10),
        peg_offset: -5,
        random_reserves: Qty(3),
        expire_time_s: 86_399,
        locate_broker: Firm(*b"LOCB"),
        stop_price: Price(1_600_000),
        trail_offset: Price(500),
        expire_at: Nanos(0),
        group_id: 513,
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
    };
    let order = EnterOrder { owner: owner(4), time_in_force: TimeInForce::Gtt, tags, ..entered() };
    assert_eq!(draft.take(), command(CommandBody::Enter(order)));
    let dated = enter().put(26, b"D").with(Element::ExpireAt(Nanos(u64::MAX)));
    let Admission::Command(CommandBody::Enter(order)) = dated.take() else { panic!("a valid order") };
    assert_eq!((order.tags.present, order.tags.expire_at), (TagSet::EXPIRE_AT, Nanos(u64::MAX)));
    let marked = replace().with(Element::Side(b'E'));
    let Admission::Command(CommandBody::Replace(order)) = marked.take() else { panic!("a valid replace") };
    assert_eq!((order.tags.present, order.tags.side), (TagSet::SIDE, Some(Side::SellShortExempt)));
}

/// Something that can be wrong with a message.
type Fault = (RejectReason, fn(Draft) -> Draft);

/// Faults of an Enter outside the tags, in check order; the tags are judged before the last two.
const ENTER_FIXED: [Fault; 9] = [
    (RejectReason::Malformed, |draft| draft.raw(99, b"x")),
    (RejectReason::SideUnknown, |draft| draft.put(5, b"x")),
    (RejectReason::QuantityZero, |draft| draft.put(6, &[0; 4])),
    (RejectReason::PriceOutOfRange, |draft| draft.put(18, &[0; 8])),
    (RejectReason::TimeInForceUnknown, |draft| draft.put(26, b"1")),
    (RejectReason::DisplayUnknown, |draft| draft.put(27, b"Z")),
    (RejectReason::CapacityUnknown, |draft| draft.put(28, b"x")),
    (RejectReason::SweepUnknown, |draft| draft.put(29, b" ")),
    (RejectReason::CrossTypeUnknown, |draft| draft.put(30, b"x")),
];
const ENTER_LAST: [Fault; 2] = [
    (RejectReason::ExpiryInvalid, |draft| draft.put(26, b"6")),
    (RejectReason::SymbolUnknown, |draft| draft.put(10, b"MSFT    ")),
];

/// Faults in the value of one tag, with the tag appended.
const TAG_FAULTS: [Fault; 24] = [
    (RejectReason::MinQtyAboveQuantity, |draft| draft.with(Element::MinQty(Qty(101)))),
    (RejectReason::TagValueUnknown, |draft| draft.with(Element::CustomerType(b'r'))),
    (RejectReason::PriceTypeUnknown, |draft| draft.with(Element::PriceType(b'p'))),
    (RejectReason::Malformed, |draft| draft.with(Element::DiscretionPrice(1_500_000))),
    (RejectReason::Malformed, |draft| draft.with(Element::DiscretionPriceType(b'L'))),
    (RejectReason::Malformed, |draft| draft.with(Element::DiscretionPegOffset(1))),
    (RejectReason::TagValueUnknown, |draft| draft.with(Element::PostOnly(b'Y'))),
    (RejectReason::ExpiryInvalid, |draft| draft.with(Element::ExpireTime(10))),
    (RejectReason::TagValueUnknown, |draft| draft.with(Element::TradeNow(b'y'))),
    (RejectReason::HandleInstUnsupported, |draft| draft.with(Element::HandleInst(b'O'))),
    (RejectReason::HandleInstUnsupported, |draft| draft.with(Element::HandleInst(b'R'))),
    (RejectReason::TagValueUnknown, |draft| draft.with(Element::HandleInst(b'x'))),
    (RejectReason::TagValueUnknown, |draft| draft.with(Element::SharesLocated(b' '))),
    (RejectReason::AiqUnknown, |draft| draft.with(Element::AiqStrategy(b'3'))),
    (RejectReason::AiqUnknown, |draft| draft.with(Element::AiqGroupId([b'G', 0]))),
    (RejectReason::StopPriceOutOfRange, |draft| draft.with(Element::StopPrice(0))),
    (RejectReason::StopPriceOutOfRange, |draft| draft.with(Element::StopPrice(1_999_999_901))),
    (RejectReason::StopPriceOutOfRange, |draft| draft.with(Element::StopPrice(2_000_000_000))),
    (RejectReason::TagValueUnknown, |draft| draft.with(Element::StopTrigger(b'l'))),
    (RejectReason::StopPriceOutOfRange, |draft| draft.with(Element::TrailOffset(0))),
    (RejectReason::StopPriceOutOfRange, |draft| draft.with(Element::TrailOffset(1 << 32))),
    (RejectReason::ExpiryInvalid, |draft| draft.with(Element::ExpireAt(Nanos(1)))),
    (RejectReason::TagValueUnknown, |draft| draft.with(Element::CancelOnDisconnect(b' '))),
    (RejectReason::TagValueUnknown, |draft| draft.with(Element::ReportDetails(b'1'))),
];

#[test]
fn of_two_faults_the_first_in_check_order_is_told() {
    let fixed = ENTER_FIXED.iter().chain(&ENTER_LAST).collect::<Vec<_>>();
    for (place, (reason, spoil)) in fixed.iter().enumerate() {
        assert_eq!(spoil(enter()).reason(), Some(*reason));
        for (later, spoil_too) in &fixed[place + 1..] {
            // One byte cannot be unknown and need a tag.
            if (*reason, *later) != (RejectReason::TimeInForceUnknown, RejectReason::ExpiryInvalid) {
                assert_eq!(spoil_too(spoil(enter())).reason(), Some(*reason), "{reason:?} and {later:?}");
            }
        }
        for (of_tag, spoil_tag) in TAG_FAULTS {
            let first = if place < ENTER_FIXED.len() { *reason } else { of_tag };
            let told = spoil_tag(spoil(enter())).reason();
            let valid_now = *reason == RejectReason::ExpiryInvalid && of_tag == RejectReason::ExpiryInvalid;
            assert!(valid_now || told == Some(first), "{reason:?} and {of_tag:?}: {told:?}");
        }
    }
}

#[test]
fn tags_are_judged_as_they_come() {
    for (first, spoil) in TAG_FAULTS {
        assert_eq!(spoil(enter()).reason(), Some(first), "{first:?}");
        for (second, spoil_too) in TAG_FAULTS {
            let repeated = spoil(enter()).elements[1] == spoil_too(enter()).elements[1];
            let expected = if repeated { RejectReason::Malformed } else { first };
            assert_eq!(spoil_too(spoil(enter())).reason(), Some(expected), "{first:?} then {second:?}");
        }
    }
}

#[test]
fn every_known_letter_is_taken_and_no_other() {
    let fields: [(usize, &[u8]); 6] =
        [(5, b"BSTE"), (26, b"035EGF"), (27, b"YNA"), (28, b"APRO"), (29, b"YN"), (30, b"NOCHSREA")];
    for (offset, known) in fields {
        for letter in 0..=255 {
            let draft = enter().put(offset, &[letter]);
            // D and 6 are known, but need a tag.
            let needs_tag = offset == 26 && b"D6".contains(&letter);
            assert_eq!(draft.reason().is_none(), known.contains(&letter), "{offset} {letter}");
            assert_eq!(draft.reason() == Some(RejectReason::ExpiryInvalid), needs_tag);
        }
    }
    for letter in 0..=255 {
        let replace = replace().put(21, &[letter]).reason();
        // A replacement inherits the time that 6 and D need, so that they stand alone; E is not for it.
        assert_eq!(replace.is_none(), b"0356GDF".contains(&letter), "{letter}");
    }
    let tags: [(u8, &[u8]); 10] = [
        (4, b"RN "),
        (6, b"LPMRQm"),
        (12, b"PN"),
        (16, b"YN "),
        (17, b" IBD"),
        (25, b"YN"),
        (29, b"YyZ0DdE1OoP2WwX4RrS5N*"),
        (201, b"LQM"),
        (204, b"YN"),
        (205, b"YN"),
    ];
    for (tag, known) in tags {
        for letter in 0..=255 {
            assert_eq!(enter().raw(tag, &[letter]).reason().is_none(), known.contains(&letter), "{tag} {letter}");
        }
    }
    for letter in 0..=255 {
        assert_eq!(replace().raw(27, &[letter]).reason().is_none(), b"BSTE".contains(&letter));
        let modified = modify().put(5, &[letter]).take();
        assert_eq!(modified != Admission::Ignore, b"BSTE".contains(&letter));
    }
}

#[test]
fn prices_are_limits_or_sentinels() {
    for (wire, good) in [
        (0_u64, false),
        (1, true),
        (1_999_999_900, true),
        (1_999_999_901, false),
        (1_999_999_999, false),
        (2_000_000_000, true),
        (2_000_000_001, false),
        (2_147_483_646, false),
        (2_147_483_647, true),
        (2_147_483_648, false),
        (4_294_967_295, false),
        (1 << 32, false),
        ((1 << 32) + 1, false),
        (u64::MAX, false),
    ] {
        let expected = (!good).then_some(RejectReason::PriceOutOfRange);
        assert_eq!(enter().put(18, &wire.to_be_bytes()).reason(), expected, "{wire}");
        assert_eq!(replace().put(13, &wire.to_be_bytes()).reason(), expected, "{wire}");
    }
}

#[test]
fn times_go_with_their_time_in_force() {
    assert_eq!(enter().put(26, b"6").with(Element::ExpireTime(86_400)).reason(), Some(RejectReason::ExpiryInvalid));
    assert_eq!(enter().put(26, b"6").with(Element::ExpireTime(86_399)).reason(), None);
    assert_eq!(enter().put(26, b"D").reason(), Some(RejectReason::ExpiryInvalid));
    assert_eq!(enter().put(26, b"G").with(Element::ExpireAt(Nanos(1))).reason(), Some(RejectReason::ExpiryInvalid));
    assert_eq!(replace().with(Element::ExpireTime(1)).reason(), Some(RejectReason::ExpiryInvalid));
    assert_eq!(replace().put(21, b"6").with(Element::ExpireTime(1)).reason(), None);
}

/// Tags that the fact sheets allow on each message.
fn allowed(letter: u8) -> &'static [u8] {
    match letter {
        b'O' => {
            &[2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 24, 25, 26, 28, 29, 30, 200, 201, 202, 203, 204, 205]
        }
        b'U' => &[3, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 25, 26, 27, 28, 29, 30, 200, 201, 202, 203, 204, 205],
        b'M' => &[25, 26, 28],
        b'C' => &[24, 27, 28],
        _ => &[28],
    }
}

#[test]
fn sizes_repeats_and_foreign_tags_are_malformed() {
    for draft in everything() {
        let letter = draft.fixed[0];
        let malformed = |draft: &Draft| match draft.take() {
            Admission::Ignore => true,
            Admission::Unreadable => false,
            Admission::Command(_) => draft.reason() == Some(RejectReason::Malformed),
        };
        for tag in 0..=255 {
            let bytes = Element::value_bytes(tag);
            // A valid value for the letters; tags whose letter is wrong then are told apart by their reason.
            let value = vec![b'N'; bytes.unwrap_or(1)];
            let right = draft.clone().raw(tag, &value);
            if allowed(letter).contains(&tag) {
                let discretion = (9..=11).contains(&tag);
                let answered = letter != b'M' && letter != b'X' && letter != b'Q';
                assert!(discretion || !answered || !malformed(&right), "{} {tag}", char::from(letter));
                assert!(malformed(&right.clone().raw(tag, &value)), "{} {tag} twice", char::from(letter));
                for wrong in [value.len() - 1, value.len() + 1] {
                    assert!(malformed(&draft.clone().raw(tag, &vec![b'N'; wrong])), "{} {tag}", char::from(letter));
                }
            } else {
                assert!(malformed(&right), "{} {tag}", char::from(letter));
            }
        }
        let mut broken = draft.clone();
        broken.elements.push(0);
        assert!(malformed(&broken), "an element of length 0");
        let mut broken = draft.clone();
        broken.elements.extend([3, 28, 1]);
        assert!(malformed(&broken), "an element that runs past the end");
    }
}

/// What an invalid message is answered with, when its number can be read.
fn refused(bytes: &[u8], channel: u8, reason: RejectReason) -> Admission {
    let number = |at: usize| UserRefNum(u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")));
    match bytes[0] {
        b'X' | b'M' | b'Q' => Admission::Ignore,
        b'U' => command(CommandBody::RefuseReplace(RefuseReplace {
            owner: owner(channel),
            orig_user_ref_num: number(1),
            user_ref_num: number(5),
            reason,
        })),
        letter => {
            let echo = letter == b'O' && bytes.len() >= 45;
            let cl_ord_id = if echo { cl_ord_id() } else { ClOrdId::BLANK };
            command(CommandBody::Refuse(Refuse { owner: owner(channel), user_ref_num: number(1), reason, cl_ord_id }))
        }
    }
}

#[test]
fn every_truncation_is_refused_with_what_can_be_read() {
    for draft in everything() {
        let whole = draft.clone().with(Element::UserRefIdx(Channel(6))).bytes();
        let letter = whole[0];
        let fixed = draft.fixed.len();
        let numbers = match letter {
            b'Q' => 1,
            b'U' => 9,
            _ => 5,
        };
        for length in 0..whole.len() {
            let cut = &whole[..length];
            let optional = b"XMQ".contains(&letter) && length == fixed;
            if length < numbers {
                assert_eq!(take(cut), Admission::Unreadable, "{} cut to {length}", char::from(letter));
            } else if !optional {
                let expected = refused(cut, 0, RejectReason::Malformed);
                assert_eq!(take(cut), expected, "{} cut to {length}", char::from(letter));
            }
        }
        let more = [&whole[..], b"!"].concat();
        assert_eq!(take(&more), refused(&more, 6, RejectReason::Malformed), "a byte too many");
    }
}

#[test]
fn the_channel_is_read_as_far_as_it_can_be() {
    let after = enter().raw(28, &[5]).raw(99, &[1]);
    assert_eq!(after.take(), refused(&after.bytes(), 5, RejectReason::Malformed));
    let wrong_size = enter().raw(28, &[5, 5]);
    assert_eq!(wrong_size.take(), refused(&wrong_size.bytes(), 0, RejectReason::Malformed));
    let twice = enter().raw(28, &[5]).raw(28, &[6]);
    assert_eq!(twice.take(), refused(&twice.bytes(), 5, RejectReason::Malformed));
    let spoiled = enter().put(5, b"x").raw(28, &[5]);
    assert_eq!(spoiled.take(), refused(&spoiled.bytes(), 5, RejectReason::SideUnknown));
}

#[test]
fn unknown_types_and_nothing_are_unreadable() {
    assert_eq!(take(&[]), Admission::Unreadable);
    for letter in (0..=255).filter(|letter| !b"OUXMCDEQ".contains(letter)) {
        assert_eq!(enter().put(0, &[letter]).take(), Admission::Unreadable);
    }
}

#[test]
fn number_zero_is_left_to_the_core() {
    let Admission::Command(CommandBody::Enter(order)) = enter().put(1, &[0; 4]).take() else { panic!("admitted") };
    assert_eq!(order.user_ref_num, UserRefNum(0));
}

#[test]
fn mass_cancel_names_a_known_symbol_or_none() {
    let unknown = mass_cancel().put(9, b"MSFT    ");
    assert_eq!(unknown.take(), refused(&unknown.bytes(), 0, RejectReason::SymbolUnknown));
    let both = unknown.with(Element::Side(b'x'));
    assert_eq!(both.take(), refused(&both.bytes(), 0, RejectReason::SideUnknown));
}

/// A message of any direction's letters with any tail, near to valid ones.
fn near_valid() -> impl Strategy<Value = Vec<u8>> {
    let element = (prop::sample::select(Element::TAGS.to_vec()), any::<[u8; 8]>(), 0..20_usize);
    let letter = prop::sample::select(b"YNPLIBDGO *\0w".to_vec());
    let elements = prop::collection::vec((element, letter), 0..6);
    let spoil = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (0..8_usize, prop::sample::select(b"0356EGDF".to_vec()), elements, spoil).prop_map(
        |(which, time_in_force, elements, spoil)| {
            let mut draft = everything()[which].clone();
            match which {
                0 => draft = draft.put(26, &[time_in_force]),
                1 => draft = draft.put(21, &[time_in_force]),
                _ => {}
            }
            for (((tag, bytes), value, wrong), letter) in elements {
                let value = match bytes {
                    1 => vec![letter],
                    8 => (u64::from_be_bytes(value) % 3_000_000_000).to_be_bytes().to_vec(),
                    _ => value[..bytes].to_vec(),
                };
                let bytes = if wrong == 0 { bytes.saturating_sub(1) } else { bytes };
                draft = draft.raw(tag, &value[..bytes]);
            }
            let mut bytes = draft.bytes();
            for (at, byte) in spoil {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

/// What is admitted can be recorded, and read back as it was.
fn recorded(bytes: &[u8]) {
    if let Admission::Command(body) = take(bytes) {
        let mut to = [0xAA; record::BODY_BYTES_MAX];
        let written = record::encode(&body, &mut to);
        assert_eq!(written % 8, 0);
        assert_eq!(record::decode(&to[..written]), Ok(body));
        assert!(to[written..].iter().all(|byte| *byte == 0xAA));
    }
}

/// What decodes encodes to the same bytes.
fn decoded_and_encoded(bytes: &[u8]) {
    if let Ok((message, appendage)) = Inbound::decode(bytes) {
        let mut to = vec![0; 600];
        let written = message.encode(appendage, &mut to).expect("room");
        assert_eq!(&to[..written], bytes);
        assert_eq!(message.encode(appendage, &mut to[..written - 1]), None, "no room for the last byte");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        recorded(&bytes);
        decoded_and_encoded(&bytes);
    }

    #[test]
    fn what_is_admitted_can_be_recorded(bytes in near_valid()) {
        recorded(&bytes);
        decoded_and_encoded(&bytes);
    }

    #[test]
    fn an_appendage_holds_what_was_put_into_it(tags in prop::collection::vec(0..Element::TAGS.len(), 0..20)) {
        let mut buffer = AppendageBuffer::new();
        let mut expected = Vec::new();
        for place in tags {
            let (tag, bytes) = Element::TAGS[place];
            let element = Element::read(tag, &vec![tag; bytes]).expect("a value of its size");
            buffer.push(element);
            expected.push(element);
        }
        prop_assert_eq!(buffer.appendage().elements().collect::<Vec<_>>(), expected);
    }
}
