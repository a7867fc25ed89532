//! Order flow for the differential tests: every command kind, every tag, right and wrong, on venues that are small enough
//! to be full, deep enough to sweep, and with prices from one tick to both ends of the domain.

use super::features::Features;
use super::naive_book::NaiveVenue;
use super::operator_flow;
use super::random::Random;
use protocol::command::{
    AccountQuery, CancelOrder, EnterOrder, EntrySwitch, ListInstrument, MassCancel, ModifyOrder, OpenAccount,
    OpenVenue, OrderTags, Refuse, RefuseReplace, ReplaceOrder, SetShortSaleTest, SetTradingState, TagSet,
};
use protocol::types::{
    AccountId, AccountName, Capacity, Channel, ClOrdId, CrossType, Display, Firm, InstrumentId, Nanos, Owner, Price,
    Qty, SessionName, Side, Symbol, SystemEventCode, TimeInForce, TradingState, UserRefNum,
};
use protocol::{CommandBody, RejectReason};
use std::collections::BTreeMap;

const ACCOUNTS: u32 = 3;
/// (tick, lot, largest quantity) of the instruments.
pub(super) const GRIDS: [(u32, u32, u32); 3] = [(100, 1, 999_999), (1, 1, u32::MAX), (7, 10, 5_000)];

/// The states that a plain venue knows.
pub(super) const STATES: [TradingState; 4] =
    [TradingState::Halted, TradingState::Paused, TradingState::QuotationOnly, TradingState::Trading];

/// What is different from one seed to the next.
#[derive(Clone, Copy, Debug)]
struct Profile {
    orders_max: u32,
    orders_per_command_max: u32,
    /// Ticks on either side of the middle.
    spread: u32,
    /// Where the middle is, in per mille of the price domain.
    middle: u32,
    /// Percent of prices that are anywhere.
    far: u32,
    quantity_max: u32,
    /// Percent of commands that ask for something out of the ordinary.
    odd: u32,
}

impl Profile {
    fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x0070_726f_6669_6c65);
        Self {
            orders_max: random.pick(&[1, 5, 30, 200, 1_000]),
            orders_per_command_max: random.pick(&[1, 2, 7, 50, 16_384]),
            spread: random.pick(&[1, 3, 10, 40, 2_000]),
            middle: random.pick(&[0, 1, 500, 999, 1_000]),
            far: random.pick(&[0, 0, 5, 50]),
            quantity_max: random.pick(&[1, 3, 20, 100, 5_000]),
            odd: random.pick(&[0, 3, 30]),
        }
    }
}

/// The commands that open the venue of a seed.
#[must_use]
pub fn opening(seed: u64) -> Vec<CommandBody> {
    let profile = Profile::of(seed);
    let mut bodies = vec![CommandBody::OpenVenue(OpenVenue {
        session: SessionName::from_text("TEST").unwrap_or_default(),
        orders_max: profile.orders_max,
        // Room for one more of each, which an operator adds.
        accounts_max: ACCOUNTS + 1,
        channels_max: 3,
        instruments_max: 4,
        orders_per_command_max: profile.orders_per_command_max,
    })];
    for account in 0..ACCOUNTS {
        bodies.push(CommandBody::OpenAccount(OpenAccount {
            account: AccountId(account),
            name: AccountName::from_text(["ONE", "TWO", "THREE"][account as usize]).unwrap_or_default(),
            firm: firm(if account == 2 { "FRMB" } else { "FRMA" }),
        }));
    }
    for (instrument, (tick, lot, max_qty)) in (1..).map(InstrumentId).zip(GRIDS) {
        bodies.push(CommandBody::ListInstrument(ListInstrument {
            instrument,
            symbol: Symbol::from_text(["AAA", "BBB", "CCC"][usize::from(instrument.0) - 1]).unwrap_or_default(),
            price_decimals: 4,
            qty_decimals: -1,
            tick: Price(tick),
            lot: Qty(lot),
            max_qty: Qty(max_qty),
            reference_price: Price(0),
        }));
        bodies.push(trading_state(instrument, TradingState::Trading));
    }
    bodies
}

pub(super) fn firm(name: &str) -> Firm {
    Firm::from_text(name).unwrap_or_default()
}

fn trading_state(instrument: InstrumentId, state: TradingState) -> CommandBody {
    CommandBody::SetTradingState(SetTradingState { instrument, state, reason: firm("T1") })
}

/// A source of commands that knows what is open.
#[derive(Debug)]
pub struct OrderFlow {
    pub(super) random: Random,
    profile: Profile,
    pub(super) features: Features,
    /// Percent of commands that are of the venue itself, when it knows more than plain orders.
    unrest: u32,
    /// Highest number used so far, of each owner.
    numbers: BTreeMap<Owner, u32>,
}

impl OrderFlow {
    /// The flow of a seed, for the venue that [`opening`] opens.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_features(seed, Features::CORE)
    }

    /// The same for a venue that knows these rules: orders of every type they allow, and the commands that go with them.
    #[must_use]
    pub fn with_features(seed: u64, features: Features) -> Self {
        let unrest = Random::new(seed ^ 0x756e_7265_7374).pick(&[1, 3, 12]);
        Self { random: Random::new(seed), profile: Profile::of(seed), features, unrest, numbers: BTreeMap::new() }
    }

    /// The venue starts anew.
    pub fn forget(&mut self) {
        self.numbers.clear();
    }

    /// The next command. `venue` is where names of live orders come from.
    pub fn next(&mut self, venue: &NaiveVenue) -> CommandBody {
        let odd = self.random.chance(self.profile.odd);
        if self.features != Features::NONE {
            if let Some(due) = self.due(venue) {
                return due;
            }
            if self.random.chance(self.unrest) {
                return self.of_venue(venue);
            }
        }
        match self.random.below(100) {
            0..50 => {
                let mut enter = self.enter(odd);
                self.widen_enter(&mut enter, venue);
                CommandBody::Enter(enter)
            }
            50..72 => self.cancel(venue),
            72..88 => {
                let mut replace = self.replace(venue, odd);
                if let CommandBody::Replace(replace) = &mut replace {
                    self.widen_replace(replace, venue);
                }
                replace
            }
            88..94 => self.modify(venue),
            94..96 => self.mass_cancel(odd),
            96 => CommandBody::Query(AccountQuery { owner: self.owner() }),
            97 => self.refusal(venue),
            _ if odd => self.operator(venue),
            _ => CommandBody::Enter(self.enter(false)),
        }
    }

    fn owner(&mut self) -> Owner {
        let channel = if self.random.chance(75) { 0 } else { self.random.pick(&[0, 1, 255]) };
        Owner::new(AccountId(self.random.below(ACCOUNTS)), Channel(channel))
    }

    /// A number to create something with: mostly the next one, now and then one that is used, or far ahead.
    fn number(&mut self, owner: Owner) -> UserRefNum {
        let highest = self.numbers.entry(owner).or_insert(0);
        let number = match self.random.below(100) {
            0..92 => *highest + 1,
            92..97 => *highest + self.random.between(1, 40),
            97..99 => self.random.below(*highest + 1),
            _ => *highest,
        };
        *highest = number.max(*highest);
        UserRefNum(number)
    }

    /// The name of a live order, mostly.
    fn live(&mut self, venue: &NaiveVenue) -> (Owner, UserRefNum, u64, u64) {
        let count = u32::try_from(venue.open().count()).unwrap_or(0);
        if count > 0 && self.random.chance(92) {
            let at = self.random.below(count) as usize;
            if let Some(order) = venue.open().nth(at) {
                return order;
            }
        }
        let owner = self.owner();
        let highest = self.numbers.get(&owner).copied().unwrap_or(0);
        (owner, UserRefNum(self.random.below(highest + 2)), 10, 0)
    }

    fn instrument(&mut self) -> InstrumentId {
        InstrumentId(self.random.pick(&[1, 1, 1, 2, 2, 3]))
    }

    pub(super) fn price(&mut self, instrument: InstrumentId, side: Side, odd: bool) -> Price {
        let (tick, _, _) = GRIDS[usize::from(instrument.0.clamp(1, 3)) - 1];
        let last = 1_999_999_900 / tick;
        if self.random.chance(3) {
            return self.random.pick(&[Price::MARKET, Price::MARKET_CROSS]);
        }
        if odd && self.random.chance(20) {
            let wrong = [0, 1, 101, 1_999_999_900, 1_999_999_901, 2_000_000_001, u32::MAX];
            return Price(self.random.pick(&wrong));
        }
        if self.random.chance(self.profile.far) {
            return Price(self.random.between(1, last) * tick);
        }
        let spread = self.profile.spread.min(last / 2);
        let middle = (u64::from(last) * u64::from(self.profile.middle) / 1_000).try_into().unwrap_or(last);
        let middle = u32::clamp(middle, 1 + spread, last - spread);
        let distance = self.random.between(0, spread);
        // Mostly on its own side of the middle.
        let above = side.is_buy() == self.random.chance(25);
        Price(tick * if above { middle + distance } else { middle - distance })
    }

    fn quantity(&mut self, instrument: InstrumentId, odd: bool) -> Qty {
        let (_, lot, max_qty) = GRIDS[usize::from(instrument.0.clamp(1, 3)) - 1];
        if odd && self.random.chance(20) {
            return Qty(self.random.pick(&[0, 5, 999_999, 1_000_000, u32::MAX]));
        }
        Qty((self.random.between(1, self.profile.quantity_max) * lot).min(max_qty))
    }

    fn time_in_force(&mut self, odd: bool) -> TimeInForce {
        if odd && self.random.chance(30) {
            return self.random.pick(TimeInForce::ALL);
        }
        match self.random.below(100) {
            0..12 => TimeInForce::Ioc,
            12..18 => TimeInForce::Fok,
            18..24 => TimeInForce::Gtc,
            _ => TimeInForce::Day,
        }
    }

    fn display(&mut self) -> Display {
        self.random.pick(&[
            Display::Visible,
            Display::Visible,
            Display::Visible,
            Display::Visible,
            Display::Hidden,
            Display::Attributable,
        ])
    }

    fn enter(&mut self, odd: bool) -> EnterOrder {
        let owner = self.owner();
        let user_ref_num = self.number(owner);
        let instrument = self.instrument();
        let side =
            self.random.pick(&[Side::Buy, Side::Buy, Side::Buy, Side::Sell, Side::SellShort, Side::SellShortExempt]);
        let quantity = self.quantity(instrument, odd);
        let time_in_force = self.time_in_force(odd);
        EnterOrder {
            owner,
            user_ref_num,
            quantity,
            price: self.price(instrument, side, odd),
            instrument: if odd && self.random.chance(5) {
                InstrumentId(self.random.pick(&[0, 4, u16::MAX]))
            } else {
                instrument
            },
            side,
            time_in_force,
            display: self.display(),
            capacity: self.random.pick(Capacity::ALL),
            sweep: self.random.chance(50),
            cross_type: if odd && self.random.chance(10) {
                self.random.pick(CrossType::ALL)
            } else {
                CrossType::Continuous
            },
            cl_ord_id: self.cl_ord_id(),
            tags: self.tags(quantity, time_in_force, odd),
        }
    }

    fn cl_ord_id(&mut self) -> ClOrdId {
        let mut text = [b' '; 14];
        for byte in text.iter_mut().take(4) {
            *byte = b'A' + u8::try_from(self.random.below(26)).unwrap_or(0);
        }
        ClOrdId(text)
    }

    /// Tags that are in order, and when `odd` also such as are not.
    fn tags(&mut self, quantity: Qty, time_in_force: TimeInForce, odd: bool) -> OrderTags {
        let mut tags = OrderTags::NONE;
        let random = &mut self.random;
        let mut send = |tags: &mut OrderTags, tag, percent| {
            let sent = random.chance(percent);
            if sent {
                tags.present = tags.present.with(tag);
            }
            sent
        };
        tags.post_only = send(&mut tags, TagSet::POST_ONLY, 10);
        tags.report_details = send(&mut tags, TagSet::REPORT_DETAILS, 15);
        let min = send(&mut tags, TagSet::MIN_QTY, if time_in_force == TimeInForce::Ioc { 50 } else { 1 });
        let group = send(&mut tags, TagSet::GROUP_ID, 20);
        let customer = send(&mut tags, TagSet::CUSTOMER_TYPE, 5);
        let disconnect = send(&mut tags, TagSet::CANCEL_ON_DISCONNECT, 5);
        let named = send(&mut tags, TagSet::FIRM, 5);
        let expires = send(&mut tags, TagSet::EXPIRE_TIME, if time_in_force == TimeInForce::Gtt { 80 } else { 0 });
        let dated = send(&mut tags, TagSet::EXPIRE_AT, if time_in_force == TimeInForce::Gtd { 80 } else { 0 });
        if min {
            tags.min_qty = Qty(self.random.between(0, quantity.0));
        }
        if group {
            tags.group_id = self.random.pick(&[0, 1, 2, 65_535]);
        }
        if customer {
            tags.customer_type = self.random.pick(b"RN ");
        }
        if disconnect {
            tags.cancel_on_disconnect = self.random.pick(b"NNNNNNNY");
        }
        if named {
            tags.firm = self.random.pick(&[Firm::BLANK, firm("FRMA"), firm("FRMB")]);
        }
        if expires {
            tags.expire_time_s = self.random.pick(&[0, 1, 86_399, 86_400]);
        }
        if dated {
            tags.expire_at = Nanos(self.random.pick(&[0, 1_000_000_000, u64::MAX]));
        }
        if odd {
            self.odd_tags(&mut tags, quantity);
        }
        tags
    }

    fn odd_tags(&mut self, tags: &mut OrderTags, quantity: Qty) {
        let near = quantity.0.saturating_add(self.random.below(3)).saturating_sub(1);
        let (tag, random) = (self.random.below(8), &mut self.random);
        let present = match tag {
            0 => {
                tags.max_floor = Qty(random.pick(&[0, 1, near]));
                TagSet::MAX_FLOOR
            }
            1 => {
                tags.price_type = random.pick(b"LPMRQm");
                TagSet::PRICE_TYPE
            }
            2 => {
                tags.handle_inst = random.pick(b" IOTQBDR");
                TagSet::HANDLE_INST
            }
            3 => {
                tags.stop_price = Price(random.pick(&[0, 100, 700, 101, 2_000_000_000]));
                TagSet::STOP_PRICE
            }
            4 => {
                tags.trail_offset = Price(random.pick(&[0, 100, 700, 101]));
                TagSet::TRAIL_OFFSET
            }
            5 => {
                tags.stop_trigger = random.pick(b"LQM");
                TagSet::STOP_TRIGGER
            }
            6 => {
                tags.min_qty = Qty(near);
                TagSet::MIN_QTY
            }
            _ => {
                tags.expire_time_s = 10;
                TagSet::EXPIRE_TIME
            }
        };
        tags.present = tags.present.with(present);
    }

    fn cancel(&mut self, venue: &NaiveVenue) -> CommandBody {
        let (owner, user_ref_num, open, done) = self.live(venue);
        let quantity = if self.random.chance(60) { Qty::ZERO } else { self.total(open, done) };
        CommandBody::Cancel(CancelOrder { owner, user_ref_num, quantity })
    }

    /// A total size around what an order has open and done.
    fn total(&mut self, open: u64, done: u64) -> Qty {
        let most = u32::try_from(open + done + 2).unwrap_or(u32::MAX);
        Qty(self.random.below(most.max(1)))
    }

    fn replace(&mut self, venue: &NaiveVenue, odd: bool) -> CommandBody {
        let (owner, orig_user_ref_num, open, done) = self.live(venue);
        let user_ref_num = self.number(owner);
        let instrument = self.instrument();
        let quantity = match self.random.below(4) {
            0 => self.total(open, done),
            1 => Qty(u32::try_from(open + done).unwrap_or(u32::MAX)),
            _ => self.quantity(instrument, odd),
        };
        let time_in_force = self.time_in_force(odd);
        let side = if self.random.chance(50) { Side::Buy } else { Side::Sell };
        let mut tags = self.tags(quantity, time_in_force, odd);
        if self.random.chance(10) {
            tags.present = tags.present.with(TagSet::SIDE);
            tags.side = Some(self.random.pick(Side::ALL));
        }
        CommandBody::Replace(ReplaceOrder {
            owner,
            orig_user_ref_num,
            user_ref_num,
            quantity,
            price: self.price(instrument, side, odd),
            time_in_force,
            display: self.display(),
            sweep: self.random.chance(50),
            cl_ord_id: self.cl_ord_id(),
            tags,
        })
    }

    fn modify(&mut self, venue: &NaiveVenue) -> CommandBody {
        let (owner, user_ref_num, open, done) = self.live(venue);
        CommandBody::Modify(ModifyOrder {
            owner,
            user_ref_num,
            side: self.random.pick(Side::ALL),
            quantity: self.total(open, done),
            present: TagSet::NONE,
            shares_located: b'N',
            locate_broker: Firm::BLANK,
        })
    }

    fn mass_cancel(&mut self, odd: bool) -> CommandBody {
        let owner = self.owner();
        let mut present = TagSet::NONE;
        let (by_group, by_channel, by_side) = (self.random.chance(40), self.random.chance(40), self.random.chance(40));
        for (sent, tag) in [(by_group, TagSet::GROUP_ID), (by_channel, TagSet::USER_REF_IDX), (by_side, TagSet::SIDE)] {
            if sent {
                present = present.with(tag);
            }
        }
        let instrument = self.random.pick(&[None, Some(InstrumentId(1)), Some(InstrumentId(2))]);
        CommandBody::MassCancel(MassCancel {
            owner,
            user_ref_num: self.number(owner),
            firm: if odd { self.random.pick(&[firm("FRMA"), firm("FRMB")]) } else { Firm::BLANK },
            symbol: Symbol::BLANK,
            instrument: if odd && self.random.chance(10) { Some(InstrumentId(9)) } else { instrument },
            side: by_side.then(|| self.random.pick(Side::ALL)),
            group_id: if by_group { self.random.pick(&[0, 1, 2]) } else { 0 },
            present,
        })
    }

    fn refusal(&mut self, venue: &NaiveVenue) -> CommandBody {
        let reason = self.random.pick(RejectReason::ALL);
        if self.random.chance(50) {
            let owner = self.owner();
            let user_ref_num = self.number(owner);
            return CommandBody::Refuse(Refuse { owner, user_ref_num, reason, cl_ord_id: ClOrdId::BLANK });
        }
        let (owner, orig_user_ref_num, _, _) = self.live(venue);
        // It uses no number up, whatever happens.
        let highest = self.numbers.get(&owner).copied().unwrap_or(0);
        let user_ref_num = UserRefNum(highest + self.random.below(2));
        CommandBody::RefuseReplace(RefuseReplace { owner, orig_user_ref_num, user_ref_num, reason })
    }

    fn operator(&mut self, venue: &NaiveVenue) -> CommandBody {
        let instrument = InstrumentId(self.random.pick(&[1, 2, 3]));
        let owner = self.owner();
        match self.random.below(12) {
            0 => trading_state(instrument, self.random.pick(&STATES)),
            1..4 => trading_state(instrument, TradingState::Trading),
            4 => CommandBody::SetShortSaleTest(SetShortSaleTest { instrument, action: self.random.pick(b"012") }),
            5 => CommandBody::SystemEvent(self.random.pick(SystemEventCode::ALL)),
            6 => CommandBody::DisableEntry(self.switch(owner)),
            7..10 => CommandBody::EnableEntry(self.switch(owner)),
            _ => {
                let (owner, number, ..) =
                    if self.random.chance(80) { self.live(venue) } else { (owner, UserRefNum(1), 0, 0) };
                operator_flow::request(&mut self.random, owner, number)
            }
        }
    }

    fn switch(&mut self, owner: Owner) -> EntrySwitch {
        let firm = self.random.pick(&[Firm::BLANK, firm("FRMA"), firm("FRMB")]);
        EntrySwitch { owner, user_ref_num: self.number(owner), firm }
    }
}
