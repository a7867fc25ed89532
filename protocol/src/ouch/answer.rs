//! The venue's answers on the hot path: from an event, and the command that caused it, to whole `SoupBinTCP` Sequenced
//! Data packets in a buffer that is used again and again. Layouts are those of [`super::outbound`].
//!
//! Optional fields of an answer (ouch50.md §10 "Tags on Enter", venue-rules.md 6 and 19), ascending by tag: the tags
//! the client sent that this answer allows; tag 28 when the channel is not 0; tags 220 to 224 when the order asked for
//! details. Messages on which the appendage is optional leave it out when the channel is 0 and no details are due.

use super::appendage::Element;
use super::outbound::{
    Accepted, AccountQueryResponse, AiqCanceled, BrokenTrade, CancelPending, CancelReject, Canceled, EntryDisabled,
    EntryEnabled, Executed, MassCancelResponse, Modified, PriorityUpdate, Rejected, Replaced, Restated, SystemEvent,
};
use super::tags;
use crate::command::{Command, CommandBody, EnterOrder, OrderTags, ReplaceOrder, TagSet};
use crate::event::{Event, EventBody, Shown};
use crate::limits::OUCH_OUTBOUND_BYTES_MAX;
use crate::soupbin;
use crate::types::{
    AccountId, AccountName, Channel, ClOrdId, InstrumentId, Midnight, Nanos, OrderRef, Owner, Qty, Symbol,
};
use crate::venue_command::VenueCommand;
use crate::wire::put_at;

/// The longest answer, as a packet.
pub const PACKET_BYTES_MAX: usize = soupbin::PREFIX_BYTES + OUCH_OUTBOUND_BYTES_MAX;

/// The longest answer as a drop copy has it: one element more, and the length before it.
pub const COPY_BYTES_MAX: usize = PACKET_BYTES_MAX + 10;

/// What an event's owner asked to be told besides (tag 205). Times are UTC; 0 when unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The command got its sequence.
    pub sequenced: Nanos,
    /// The core finished the command.
    pub matched: Nanos,
    /// The promised durability was reached.
    pub durable: Nanos,
    /// From [`EventBody::Details`].
    pub quantity_ahead: u64,
    /// From [`EventBody::Details`].
    pub for_maker: bool,
    /// From [`EventBody::Details`].
    pub for_owner: bool,
}

/// One packet and the account whose stream it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Addressee.
    pub account: AccountId,
    /// A whole Sequenced Data packet.
    pub packet: &'a [u8],
    /// Where its fixed fields end.
    fixed_end: usize,
}

impl Answer<'_> {
    /// True for a System Event: a drop copy has none but its own first one.
    pub fn is_system_event(&self) -> bool {
        self.packet.get(soupbin::PREFIX_BYTES) == Some(&b'S')
    }

    /// The packet as a drop copy carries it, with tag 225 behind the other optional fields: written to `out`, and how many
    /// bytes it has. `name` is the login name of its account.
    #[inline]
    pub fn copy(&self, name: AccountName, out: &mut [u8; COPY_BYTES_MAX]) -> usize {
        let mut end = self.packet.len();
        if let Some(room) = out.get_mut(..end) {
            room.copy_from_slice(self.packet);
        }
        if end == self.fixed_end {
            end += 2;
        }
        let element = out.get_mut(end..).and_then(|out| Element::Account(name).write(out));
        end += element.unwrap_or_default();
        put_at(out, self.fixed_end, length_of(end - self.fixed_end - 2));
        put_at(out, 0, length_of(end - 2));
        end
    }
}

/// Room for the answers to one event. Make one and use it for ever.
#[derive(Clone, Debug)]
pub struct AnswerBuffer {
    slots: [Slot; 2],
    count: usize,
}

#[derive(Clone, Debug)]
struct Slot {
    account: AccountId,
    midnight: Midnight,
    len: usize,
    fixed_end: usize,
    bytes: [u8; PACKET_BYTES_MAX],
}

impl AnswerBuffer {
    /// Empty.
    pub const fn new() -> Self {
        const EMPTY: Slot = Slot {
            account: AccountId(0),
            midnight: Midnight::EACH,
            len: 0,
            fixed_end: 0,
            bytes: [0; PACKET_BYTES_MAX],
        };
        Self { slots: [EMPTY; 2], count: 0 }
    }

    /// The time stamps of all further answers count from `midnight`; until then from each.
    pub fn count_from(&mut self, midnight: Midnight) {
        for slot in &mut self.slots {
            slot.midnight = midnight;
        }
    }

    /// The answers of the last [`write()`], in the order in which they are sent.
    pub fn answers(&self) -> impl Iterator<Item = Answer<'_>> {
        self.slots.iter().take(self.count).map(|slot| Answer {
            account: slot.account,
            packet: slot.bytes.get(..slot.len).unwrap_or(&[]),
            fixed_end: slot.fixed_end,
        })
    }
}

impl Default for AnswerBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Replaces what is in `out` by the answers to `event`: none, one, or two for a trade, the maker's first. `command` is
/// the one that caused it, `details` is what came before it as [`EventBody::Details`], `symbol` names an instrument.
///
/// Panics when `command` is not of a kind that can have caused `event`.
#[inline]
pub fn write(
    command: &Command,
    event: &Event,
    details: Option<&Details>,
    symbol: impl Fn(InstrumentId) -> Symbol,
    out: &mut AnswerBuffer,
) {
    let [first, second] = &mut out.slots;
    let for_owner = details.filter(|details| details.for_owner);
    out.count = match event.body {
        EventBody::Details { .. }
        | EventBody::Rested { .. }
        | EventBody::VenueOpened { .. }
        | EventBody::InstrumentListed { .. }
        | EventBody::TradingStateChanged { .. }
        | EventBody::ShortSaleTestChanged { .. }
        | EventBody::SystemEvent { .. }
        | EventBody::Answered { .. }
        | EventBody::BalanceMoved { .. }
        | EventBody::FeesCharged { .. }
        | EventBody::LimitChanged { .. }
        | EventBody::KillSwitched { .. }
        | EventBody::Crossed { .. }
        | EventBody::Imbalance { .. }
        | EventBody::AuctionCollar { .. }
        | EventBody::OperationalHaltChanged { .. }
        | EventBody::MarketWideLevels { .. }
        | EventBody::MarketWideBreached { .. }
        | EventBody::OperatorRefused { .. }
        | EventBody::SessionRolled { .. }
        | EventBody::MidnightChanged { .. }
        | EventBody::ReferenceChanged { .. } => 0,
        EventBody::Accepted { instrument, .. } => accepted(command, event, for_owner, symbol(instrument), first),
        EventBody::Replaced { instrument, .. } => replaced(command, event, for_owner, symbol(instrument), first),
        EventBody::Traded { .. } => {
            let for_maker = details.filter(|details| details.for_maker);
            traded(event, for_maker, for_owner, first, second)
        }
        EventBody::Rejected { .. }
        | EventBody::Canceled { .. }
        | EventBody::Modified { .. }
        | EventBody::MassCancelTaken { .. }
        | EventBody::EntryDisabled { .. }
        | EventBody::EntryEnabled { .. }
        | EventBody::NextUserRefNum { .. }
        | EventBody::AccountOpened { .. } => short(command, event, for_owner, first),
        EventBody::PriorityUpdated { .. }
        | EventBody::Restated { .. }
        | EventBody::SelfMatchPrevented { .. }
        | EventBody::CancelPending { .. }
        | EventBody::CancelRejected { .. }
        | EventBody::CrossExecuted { .. } => unasked(event, for_owner, first),
        EventBody::TradeBroken { .. } => broken(command, event, first, second),
    };
}

const ACCEPTED_TAGS: TagSet = TagSet::FIRM
    .with(TagSet::MIN_QTY)
    .with(TagSet::CUSTOMER_TYPE)
    .with(TagSet::MAX_FLOOR)
    .with(TagSet::PRICE_TYPE)
    .with(TagSet::PEG_OFFSET)
    .with(TagSet::POST_ONLY)
    .with(TagSet::RANDOM_RESERVES)
    .with(TagSet::EXPIRE_TIME)
    .with(TagSet::TRADE_NOW)
    .with(TagSet::HANDLE_INST)
    .with(TagSet::GROUP_ID)
    .with(TagSet::SHARES_LOCATED)
    .with(TagSet::AIQ_STRATEGY)
    .with(TagSet::AIQ_GROUP_ID);
const REPLACED_TAGS: TagSet = TagSet::FIRM
    .with(TagSet::MIN_QTY)
    .with(TagSet::MAX_FLOOR)
    .with(TagSet::PRICE_TYPE)
    .with(TagSet::POST_ONLY)
    .with(TagSet::EXPIRE_TIME)
    .with(TagSet::TRADE_NOW)
    .with(TagSet::HANDLE_INST)
    .with(TagSet::AIQ_STRATEGY)
    .with(TagSet::AIQ_GROUP_ID);
const MODIFIED_TAGS: TagSet = TagSet::SHARES_LOCATED.with(TagSet::LOCATE_BROKER);
const MASS_CANCEL_TAGS: TagSet = TagSet::GROUP_ID.with(TagSet::SIDE);

/// Tags below 28, which come before the channel in an ascending echo.
const BEFORE_CHANNEL: TagSet = TagSet(TagSet::USER_REF_IDX.0 - 1);

/// The optional fields of one answer.
struct Tail<'a> {
    /// Written even when it is empty.
    due: bool,
    /// What the client sent.
    sent: &'a OrderTags,
    /// Which of that is echoed.
    echoed: TagSet,
    /// Tag 28 when not 0.
    channel: Channel,
    /// Tags 220 to 223: ingress time and the rest.
    report: Option<(Nanos, &'a Details)>,
    /// Tag 224 too.
    rests_displayed: bool,
    /// Tags 1 and 22 of Restated.
    restated: Option<(OrderRef, Qty)>,
}

impl<'a> Tail<'a> {
    fn due(event: &Event, owner: Owner, details: Option<&'a Details>) -> Self {
        Self { due: true, ..Self::optional(event, owner, details) }
    }

    fn optional(event: &Event, owner: Owner, details: Option<&'a Details>) -> Self {
        Self {
            due: false,
            sent: &OrderTags::NONE,
            echoed: TagSet::NONE,
            channel: owner.channel(),
            report: details.map(|details| (event.ingress, details)),
            rests_displayed: false,
            restated: None,
        }
    }

    /// Writes length and elements at `at`; where they end.
    #[inline]
    fn write(&self, midnight: Midnight, out: &mut [u8; PACKET_BYTES_MAX], at: usize) -> usize {
        let mut end = at;
        if !self.due && self.channel == Channel(0) && self.report.is_none() {
            return end;
        }
        end += 2;
        let mut put = |element: Element| {
            let written = out.get_mut(end..).and_then(|out| element.write(out));
            end += written.unwrap_or(0);
        };
        if let Some((order_ref, quantity)) = self.restated {
            put(Element::SecondaryOrdRefNum(order_ref));
            put(Element::DisplayQuantity(quantity));
        }
        let echoed = self.echoed.0;
        tags::for_each(self.sent, TagSet(echoed & BEFORE_CHANNEL.0), &mut put);
        if self.channel != Channel(0) {
            put(Element::UserRefIdx(self.channel));
        }
        tags::for_each(self.sent, TagSet(echoed & !BEFORE_CHANNEL.0), &mut put);
        if let Some((ingress, details)) = self.report {
            put(Element::IngressTime(midnight.stamp(ingress)));
            put(Element::SequencedTime(midnight.stamp(details.sequenced)));
            put(Element::MatchedTime(midnight.stamp(details.matched)));
            put(Element::DurableTime(midnight.stamp(details.durable)));
            if self.rests_displayed {
                put(Element::QuantityAhead(details.quantity_ahead));
            }
        }
        put_at(out, at, length_of(end - at - 2));
        end
    }
}

/// A length field. Answers are shorter than a packet may be by far.
#[inline]
fn length_of(bytes: usize) -> [u8; 2] {
    let [.., high, low] = bytes.to_be_bytes();
    [high, low]
}

/// Makes a packet of the fixed fields and the optional ones; answers 1, the count of answers made.
#[inline]
fn finish<const N: usize>(slot: &mut Slot, owner: Owner, fixed: &[u8; N], tail: &Tail<'_>) -> usize {
    let start = soupbin::PREFIX_BYTES;
    put_at(&mut slot.bytes, start, *fixed);
    let end = tail.write(slot.midnight, &mut slot.bytes, start + N);
    let [high, low] = length_of(end - 2);
    put_at(&mut slot.bytes, 0, [high, low, soupbin::SEQUENCED]);
    slot.account = owner.account();
    slot.len = end;
    slot.fixed_end = start + N;
    1
}

/// The letters and the text that Accepted takes from its command.
fn enter_of(body: &CommandBody) -> Option<&EnterOrder> {
    if let CommandBody::Enter(order) = body { Some(order) } else { None }
}

fn replace_of(body: &CommandBody) -> Option<&ReplaceOrder> {
    if let CommandBody::Replace(order) = body { Some(order) } else { None }
}

const fn yes_or_no(flag: bool) -> u8 {
    if flag { b'Y' } else { b'N' }
}

#[inline]
fn accepted(command: &Command, event: &Event, details: Option<&Details>, symbol: Symbol, slot: &mut Slot) -> usize {
    let order = enter_of(&command.body);
    assert!(order.is_some(), "only an Enter is accepted");
    let EventBody::Accepted { owner, user_ref_num, quantity, price, order_ref, side, state, shown, .. } = event.body
    else {
        return 0;
    };
    let Some(order) = order else { return 0 };
    let answer = Accepted {
        timestamp_ns: slot.midnight.stamp(event.ingress),
        user_ref_num,
        side: side.letter(),
        quantity,
        symbol,
        price: u64::from(price.0),
        time_in_force: order.time_in_force.letter(),
        display: order.display.letter(),
        order_ref,
        capacity: order.capacity.letter(),
        intermarket_sweep: yes_or_no(order.sweep),
        cross_type: order.cross_type.letter(),
        order_state: state.letter(),
        cl_ord_id: order.cl_ord_id,
    };
    let tail = Tail {
        sent: &order.tags,
        echoed: ACCEPTED_TAGS,
        rests_displayed: shown != Shown::No,
        ..Tail::due(event, owner, details)
    };
    finish(slot, owner, &answer.to_bytes(), &tail)
}

#[inline]
fn replaced(command: &Command, event: &Event, details: Option<&Details>, symbol: Symbol, slot: &mut Slot) -> usize {
    let order = replace_of(&command.body);
    assert!(order.is_some(), "only a Replace replaces");
    let Some(order) = order else { return 0 };
    let EventBody::Replaced {
        owner,
        orig_user_ref_num,
        user_ref_num,
        quantity,
        price,
        order_ref,
        side,
        capacity,
        cross_type,
        state,
        shown,
        ..
    } = event.body
    else {
        return 0;
    };
    let answer = Replaced {
        timestamp_ns: slot.midnight.stamp(event.ingress),
        orig_user_ref_num,
        user_ref_num,
        side: side.letter(),
        quantity,
        symbol,
        price: u64::from(price.0),
        time_in_force: order.time_in_force.letter(),
        display: order.display.letter(),
        order_ref,
        capacity: capacity.letter(),
        intermarket_sweep: yes_or_no(order.sweep),
        cross_type: cross_type.letter(),
        order_state: state.letter(),
        cl_ord_id: order.cl_ord_id,
    };
    let tail = Tail {
        sent: &order.tags,
        echoed: REPLACED_TAGS,
        rests_displayed: shown != Shown::No,
        ..Tail::due(event, owner, details)
    };
    finish(slot, owner, &answer.to_bytes(), &tail)
}

#[inline]
fn traded(
    event: &Event,
    for_maker: Option<&Details>,
    for_taker: Option<&Details>,
    first: &mut Slot,
    second: &mut Slot,
) -> usize {
    let EventBody::Traded {
        match_number,
        quantity,
        price,
        maker,
        maker_user_ref_num,
        maker_flag,
        taker,
        taker_user_ref_num,
        taker_flag,
        ..
    } = event.body
    else {
        return 0;
    };
    let answer = Executed {
        timestamp_ns: first.midnight.stamp(event.ingress),
        user_ref_num: maker_user_ref_num,
        quantity,
        price: u64::from(price.0),
        liquidity_flag: maker_flag.letter(),
        match_number,
    };
    let count = finish(first, maker, &answer.to_bytes(), &Tail::due(event, maker, for_maker));
    let answer = Executed { user_ref_num: taker_user_ref_num, liquidity_flag: taker_flag.letter(), ..answer };
    count + finish(second, taker, &answer.to_bytes(), &Tail::due(event, taker, for_taker))
}

/// The text that a refusal echoes.
fn cl_ord_id_of(body: &CommandBody) -> ClOrdId {
    match body {
        CommandBody::Enter(order) => order.cl_ord_id,
        CommandBody::Replace(order) => order.cl_ord_id,
        CommandBody::Refuse(refuse) => refuse.cl_ord_id,
        CommandBody::Cancel(_)
        | CommandBody::Modify(_)
        | CommandBody::MassCancel(_)
        | CommandBody::DisableEntry(_)
        | CommandBody::EnableEntry(_)
        | CommandBody::Query(_)
        | CommandBody::RefuseReplace(_)
        | CommandBody::OpenVenue(_)
        | CommandBody::ListInstrument(_)
        | CommandBody::SetTradingState(_)
        | CommandBody::SetShortSaleTest(_)
        | CommandBody::OpenAccount(_)
        | CommandBody::SystemEvent(_)
        | CommandBody::Operator(_)
        | CommandBody::Venue(_) => ClOrdId::BLANK,
    }
}

/// Replaces what is in `out` by the System Event with which the session of an account begins or ends.
#[inline(never)]
pub fn write_session_event(account: AccountId, event: &Event, is_begin: bool, out: &mut AnswerBuffer) {
    let [first, _] = &mut out.slots;
    let owner = Owner::new(account, Channel(0));
    let event_code = if is_begin { b'S' } else { b'E' };
    let answer = SystemEvent { timestamp_ns: first.midnight.stamp(event.ingress), event_code };
    out.count = finish(first, owner, &answer.to_bytes(), &Tail::optional(event, owner, None));
}

/// The answers that need little of their command.
#[expect(clippy::too_many_lines, reason = "a flat list: one arm per kind")]
fn short(command: &Command, event: &Event, details: Option<&Details>, slot: &mut Slot) -> usize {
    let timestamp_ns = slot.midnight.stamp(event.ingress);
    match event.body {
        EventBody::Canceled { owner, user_ref_num, quantity, reason, .. } => {
            let answer = Canceled { timestamp_ns, user_ref_num, quantity, reason: reason.letter() };
            finish(slot, owner, &answer.to_bytes(), &Tail::optional(event, owner, details))
        }
        EventBody::Rejected { owner, user_ref_num, reason } => {
            let (reason, cl_ord_id) = (reason.ouch_code(), cl_ord_id_of(&command.body));
            let answer = Rejected { timestamp_ns, user_ref_num, reason, cl_ord_id };
            finish(slot, owner, &answer.to_bytes(), &Tail::optional(event, owner, details))
        }
        EventBody::Modified { owner, user_ref_num, quantity, side, .. } => {
            let answer = Modified { timestamp_ns, user_ref_num, side: side.letter(), quantity };
            let sent = modify_tags(&command.body);
            let tail = Tail { sent: &sent, echoed: MODIFIED_TAGS, ..Tail::optional(event, owner, details) };
            finish(slot, owner, &answer.to_bytes(), &tail)
        }
        EventBody::MassCancelTaken { owner, user_ref_num, firm } => {
            let (symbol, sent) = mass_cancel_tags(&command.body);
            let answer = MassCancelResponse { timestamp_ns, user_ref_num, firm, symbol };
            let tail = Tail { sent: &sent, echoed: MASS_CANCEL_TAGS, ..Tail::due(event, owner, details) };
            finish(slot, owner, &answer.to_bytes(), &tail)
        }
        EventBody::EntryDisabled { owner, user_ref_num, firm } => {
            let answer = EntryDisabled { timestamp_ns, user_ref_num, firm };
            finish(slot, owner, &answer.to_bytes(), &Tail::due(event, owner, details))
        }
        EventBody::EntryEnabled { owner, user_ref_num, firm } => {
            let answer = EntryEnabled { timestamp_ns, user_ref_num, firm };
            finish(slot, owner, &answer.to_bytes(), &Tail::due(event, owner, details))
        }
        EventBody::NextUserRefNum { owner, next } => {
            let answer = AccountQueryResponse { timestamp_ns, next_user_ref_num: next };
            finish(slot, owner, &answer.to_bytes(), &Tail::optional(event, owner, details))
        }
        EventBody::AccountOpened { account, .. } => {
            let owner = Owner::new(account, Channel(0));
            let answer = SystemEvent { timestamp_ns, event_code: b'S' };
            finish(slot, owner, &answer.to_bytes(), &Tail::optional(event, owner, None))
        }
        EventBody::Details { .. }
        | EventBody::Accepted { .. }
        | EventBody::Replaced { .. }
        | EventBody::Traded { .. }
        | EventBody::Rested { .. }
        | EventBody::VenueOpened { .. }
        | EventBody::InstrumentListed { .. }
        | EventBody::TradingStateChanged { .. }
        | EventBody::ShortSaleTestChanged { .. }
        | EventBody::SystemEvent { .. }
        | EventBody::Answered { .. }
        | EventBody::BalanceMoved { .. }
        | EventBody::FeesCharged { .. }
        | EventBody::LimitChanged { .. }
        | EventBody::KillSwitched { .. }
        | EventBody::PriorityUpdated { .. }
        | EventBody::Restated { .. }
        | EventBody::SelfMatchPrevented { .. }
        | EventBody::CancelPending { .. }
        | EventBody::CancelRejected { .. }
        | EventBody::CrossExecuted { .. }
        | EventBody::Crossed { .. }
        | EventBody::Imbalance { .. }
        | EventBody::AuctionCollar { .. }
        | EventBody::OperationalHaltChanged { .. }
        | EventBody::MarketWideLevels { .. }
        | EventBody::MarketWideBreached { .. }
        | EventBody::TradeBroken { .. }
        | EventBody::OperatorRefused { .. }
        | EventBody::SessionRolled { .. }
        | EventBody::MidnightChanged { .. }
        | EventBody::ReferenceChanged { .. } => 0,
    }
}

/// What is told to the owner of an order although he asked for nothing.
#[inline(never)]
fn unasked(event: &Event, details: Option<&Details>, slot: &mut Slot) -> usize {
    let timestamp_ns = slot.midnight.stamp(event.ingress);
    if let EventBody::PriorityUpdated { owner, user_ref_num, price, display, order_ref } = event.body {
        let (price, display) = (u64::from(price.0), display.letter());
        let answer = PriorityUpdate { timestamp_ns, user_ref_num, price, display, order_ref };
        return finish(slot, owner, &answer.to_bytes(), &Tail::optional(event, owner, details));
    }
    if let EventBody::Restated { owner, user_ref_num, order_ref, quantity, .. } = event.body {
        let answer = Restated { timestamp_ns, user_ref_num, reason: b'R' };
        let restated = Some((order_ref, quantity));
        let tail = Tail { restated, rests_displayed: true, ..Tail::due(event, owner, details) };
        return finish(slot, owner, &answer.to_bytes(), &tail);
    }
    if let EventBody::SelfMatchPrevented { owner, user_ref_num, quantity, price, flag, strategy, .. } = event.body {
        let answer = AiqCanceled {
            timestamp_ns,
            user_ref_num,
            decrement_shares: quantity,
            reason: b'Q',
            quantity_prevented: quantity,
            execution_price: u64::from(price.0),
            liquidity_flag: flag.letter(),
            aiq_strategy: strategy,
        };
        return finish(slot, owner, &answer.to_bytes(), &Tail::optional(event, owner, details));
    }
    if let EventBody::CancelPending { owner, user_ref_num } = event.body {
        let answer = CancelPending { timestamp_ns, user_ref_num };
        return finish(slot, owner, &answer.to_bytes(), &Tail::optional(event, owner, details));
    }
    if let EventBody::CancelRejected { owner, user_ref_num } = event.body {
        let answer = CancelReject { timestamp_ns, user_ref_num };
        return finish(slot, owner, &answer.to_bytes(), &Tail::optional(event, owner, details));
    }
    let EventBody::CrossExecuted { match_number, quantity, price, owner, user_ref_num, flag, .. } = event.body else {
        return 0;
    };
    let (price, liquidity_flag) = (u64::from(price.0), flag.letter());
    let answer = Executed { timestamp_ns, user_ref_num, quantity, price, liquidity_flag, match_number };
    finish(slot, owner, &answer.to_bytes(), &Tail::due(event, owner, details))
}

/// Tells both sides that their trade is void, the buyer first.
#[inline(never)]
fn broken(command: &Command, event: &Event, first: &mut Slot, second: &mut Slot) -> usize {
    let EventBody::TradeBroken { match_number, reason, buyer, buyer_user_ref_num, seller, seller_user_ref_num, .. } =
        event.body
    else {
        return 0;
    };
    let bust = if let CommandBody::Venue(VenueCommand::BustTrade(bust)) = &command.body { Some(bust) } else { None };
    assert!(bust.is_some(), "only a BustTrade breaks a trade");
    let Some(bust) = bust else { return 0 };
    let answer = BrokenTrade {
        timestamp_ns: first.midnight.stamp(event.ingress),
        user_ref_num: buyer_user_ref_num,
        match_number,
        reason: reason.letter(),
        cl_ord_id: bust.buyer.cl_ord_id,
    };
    let count = finish(first, buyer, &answer.to_bytes(), &Tail::optional(event, buyer, None));
    let answer = BrokenTrade { user_ref_num: seller_user_ref_num, cl_ord_id: bust.seller.cl_ord_id, ..answer };
    count + finish(second, seller, &answer.to_bytes(), &Tail::optional(event, seller, None))
}

/// What a Modify sent, as tags.
fn modify_tags(body: &CommandBody) -> OrderTags {
    let CommandBody::Modify(modify) = body else { return OrderTags::NONE };
    OrderTags {
        present: modify.present,
        shares_located: modify.shares_located,
        locate_broker: modify.locate_broker,
        ..OrderTags::NONE
    }
}

/// What a Mass Cancel sent: its symbol, and its tags. Blank for a mass cancel that no client sent.
fn mass_cancel_tags(body: &CommandBody) -> (Symbol, OrderTags) {
    let CommandBody::MassCancel(request) = body else { return (Symbol::BLANK, OrderTags::NONE) };
    let sent =
        OrderTags { present: request.present, group_id: request.group_id, side: request.side, ..OrderTags::NONE };
    (request.symbol, sent)
}
