//! Money and risk against the naive model: commands that are mostly about limits, balances and fees, on venues of every kind of
//! account. Events after every command, the whole state as bytes now and then, and conservation by the naive ledger.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use engine::core::{Core, EventBuffer};
use engine::testing::differential::Pair;
use engine::testing::random::Random;
use protocol::command::{CancelOrder, EnterOrder, ListInstrument, ModifyOrder, OpenAccount, OpenVenue, ReplaceOrder};
use protocol::command::{OrderTags, SetTradingState, TagSet};
use protocol::money::{Amount, Asset, Currency};
use protocol::operator::{AccountMode, LimitKind, OperatorAction, OperatorCommand, Outcome, Scope, SetFees, SetLimit};
use protocol::types::{
    AccountId, AccountName, BustReason, CancelReason, Capacity, Channel, ClOrdId, CrossType, Display, Firm,
    InstrumentId, LiquidityFlag, Owner, Price, Qty, SessionName, Side, Symbol, TimeInForce, TradingState, UserRefNum,
};
use protocol::venue_command::{BustTrade, PackedAmount, Party, VenueCommand};
use protocol::{Command, CommandBody, Event, EventBody, Nanos, RejectReason, Sequence};
use std::collections::BTreeMap;

const ACCOUNTS: u32 = 5;
/// Symbol, decimals of price and quantity, middle of the prices, largest usual quantity.
const MARKETS: [(&str, u8, i8, u32, u32); 4] = [
    ("AAPL", 4, 0, 1_500_000, 300),
    ("BTC-USD", 2, 5, 10_400_000, 40_000),
    ("ETH-BTC", 6, 4, 35_000, 50_000),
    ("HUGE", 0, -9, 1_000, 5),
];

fn opening() -> Vec<CommandBody> {
    let mut bodies = vec![CommandBody::OpenVenue(OpenVenue {
        session: SessionName::from_text("TEST").unwrap(),
        orders_max: 300,
        accounts_max: ACCOUNTS,
        channels_max: 3,
        instruments_max: 4,
        orders_per_command_max: 40,
    })];
    for account in 0..ACCOUNTS {
        bodies.push(CommandBody::OpenAccount(OpenAccount {
            account: AccountId(account),
            name: AccountName::from_text(["ONE", "TWO", "THREE", "FOUR", "FIVE"][account as usize]).unwrap(),
            firm: Firm::from_text(if account < 3 { "FRMA" } else { "FRMB" }).unwrap(),
        }));
    }
    for (instrument, (symbol, price_decimals, qty_decimals, middle, _)) in (1..).map(InstrumentId).zip(MARKETS) {
        bodies.push(CommandBody::ListInstrument(ListInstrument {
            instrument,
            symbol: Symbol::from_text(symbol).unwrap(),
            price_decimals,
            qty_decimals,
            tick: Price(1),
            lot: Qty(1),
            max_qty: Qty(u32::MAX),
            reference_price: Price(if symbol == "HUGE" { 0 } else { middle }),
        }));
        let (state, reason) = (TradingState::Trading, Firm::BLANK);
        bodies.push(CommandBody::SetTradingState(SetTradingState { instrument, state, reason }));
    }
    let operator = |action| CommandBody::Operator(OperatorCommand { request: 1, action });
    for (account, mode) in [(0, AccountMode::Cash), (1, AccountMode::Cash), (3, AccountMode::Cash)] {
        bodies.push(operator(OperatorAction::SetMode { account: AccountId(account), mode }));
    }
    for account in 0..ACCOUNTS {
        for (currency, units) in [(Currency::Usd, 3_000_000), (Currency::Btc, 30), (Currency::Eth, 500)] {
            let (account, asset) = (AccountId(account), Asset::Currency(currency));
            bodies.push(operator(OperatorAction::MoveFunds { account, asset, amount: units_of(units) }));
        }
        let asset = Asset::Shares(InstrumentId(1));
        let amount = units_of(2_000);
        bodies.push(operator(OperatorAction::MoveFunds { account: AccountId(account), asset, amount }));
    }
    bodies.push(operator(OperatorAction::SetRate { currency: Currency::Btc, rate: units_of(100_000) }));
    bodies
}

fn units_of(units: i128) -> Amount {
    Amount(units * Amount::ONE.0)
}

/// What happens, from a seed.
struct Flow {
    random: Random,
    numbers: BTreeMap<u32, u32>,
    last: Option<CommandBody>,
    trades: Vec<BustTrade>,
    rolls: u32,
    /// Requests of the operator are rare, limits mostly far away, and prices wander: most orders pass without a close look.
    is_calm: bool,
    /// Percent that prices have wandered from where they began, by market.
    drift: [u32; 4],
}

impl Flow {
    fn new(seed: u64, is_calm: bool) -> Self {
        Self {
            random: Random::new(seed),
            numbers: BTreeMap::new(),
            last: None,
            trades: Vec::new(),
            rolls: 0,
            is_calm,
            drift: [100; 4],
        }
    }

    fn next(&mut self) -> CommandBody {
        if self.is_calm && self.random.chance(3) {
            let drift = self.random.pick(&[0, 1, 2, 3]);
            let step = self.random.between(90, 111);
            self.drift[drift] = (self.drift[drift] * step / 100).clamp(20, 900);
        }
        match self.random.below(100) {
            0 if self.random.chance(5) => self.roll(),
            88.. if self.is_calm && !self.random.chance(4) => self.enter(),
            2..4 if self.is_calm && !self.random.chance(10) => self.cancel(),
            0..2 => CommandBody::Venue(VenueCommand::Tick),
            2..4 => self.bust(),
            4..55 => self.enter(),
            55..70 => self.replace(),
            70..82 => self.cancel(),
            82..85 => self.modify(),
            85..88 => self.again(),
            _ => self.operator(),
        }
    }

    fn owner(&mut self) -> Owner {
        Owner::new(AccountId(self.random.below(ACCOUNTS)), Channel(0))
    }

    fn fresh(&mut self, owner: Owner) -> UserRefNum {
        let number = self.numbers.entry(owner.account().0).or_default();
        *number += 1;
        UserRefNum(*number)
    }

    /// A number that was used lately.
    fn recent(&mut self, owner: Owner) -> UserRefNum {
        let highest = self.numbers.get(&owner.account().0).copied().unwrap_or(0);
        UserRefNum(highest.saturating_sub(self.random.below(25)))
    }

    fn price(&mut self, market: usize) -> Price {
        let middle = u32::try_from(u64::from(MARKETS[market].3) * u64::from(self.drift[market]) / 100).unwrap();
        match self.random.below(40) {
            0 => Price::MARKET,
            1 => Price(self.random.between(1, 1_999_999_900)),
            _ => Price(middle - middle / 50 + self.random.below(middle / 25) / (middle / 500 + 1) * (middle / 500 + 1)),
        }
    }

    fn quantity(&mut self, market: usize) -> Qty {
        let usual = MARKETS[market].4;
        Qty(if self.random.below(60) == 0 { self.random.between(1, u32::MAX) } else { self.random.between(1, usual) })
    }

    fn enter(&mut self) -> CommandBody {
        let owner = self.owner();
        let market = self.random.pick(&[0, 0, 1, 1, 2, 3]);
        let mut tags = OrderTags::NONE;
        if self.random.chance(3) {
            tags.present = TagSet::SHARES_LOCATED;
            tags.shares_located = b'Y';
        }
        if self.random.chance(8) {
            tags.present = TagSet::STOP_PRICE;
            tags.stop_price = self.price(market);
        }
        let body = CommandBody::Enter(EnterOrder {
            owner,
            user_ref_num: self.fresh(owner),
            quantity: self.quantity(market),
            price: self.price(market),
            instrument: InstrumentId(u16::try_from(market + 1).unwrap()),
            side: self.random.pick(&[Side::Buy, Side::Buy, Side::Buy, Side::Sell, Side::Sell, Side::SellShort]),
            time_in_force: self.random.pick(&[TimeInForce::Day, TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Ioc]),
            display: self.random.pick(&[Display::Visible, Display::Visible, Display::Hidden, Display::Attributable]),
            capacity: Capacity::Principal,
            sweep: false,
            cross_type: CrossType::Continuous,
            cl_ord_id: ClOrdId::BLANK,
            tags,
        });
        self.last = Some(body);
        body
    }

    /// The order before once more, under a new number.
    fn again(&mut self) -> CommandBody {
        let Some(CommandBody::Enter(mut enter)) = self.last else {
            return self.enter();
        };
        enter.user_ref_num = self.fresh(enter.owner);
        CommandBody::Enter(enter)
    }

    /// The daily roll.
    fn roll(&mut self) -> CommandBody {
        self.rolls += 1;
        let session = SessionName::from_text(&format!("DAY{}", self.rolls)).unwrap();
        CommandBody::Venue(VenueCommand::RollDay(session))
    }

    /// A trade of lately, or one that there never was.
    fn bust(&mut self) -> CommandBody {
        let Some(bust) = self.trades.pop() else { return CommandBody::Venue(VenueCommand::Tick) };
        CommandBody::Venue(VenueCommand::BustTrade(bust))
    }

    fn learn(&mut self, event: &EventBody) {
        if let EventBody::FeesCharged { match_number, maker, taker, .. } = *event
            && let Some(last) = self.trades.last_mut().filter(|last| last.match_number == match_number)
        {
            let is_maker = |party: &Party| party.flag == LiquidityFlag::Added;
            let (buyer, seller) = if is_maker(&last.buyer) { (maker, taker) } else { (taker, maker) };
            (last.buyer_fee, last.seller_fee) = (buyer.into(), seller.into());
        }
        let EventBody::Traded {
            match_number,
            instrument,
            quantity,
            price,
            maker,
            maker_user_ref_num,
            taker,
            taker_user_ref_num,
            maker_side,
            ..
        } = *event
        else {
            return;
        };
        let party = |owner, user_ref_num, flag| Party { owner, user_ref_num, cl_ord_id: ClOrdId::BLANK, flag };
        let maker = party(maker, maker_user_ref_num, LiquidityFlag::Added);
        let taker = party(taker, taker_user_ref_num, LiquidityFlag::Removed);
        let (buyer, seller) = if maker_side.is_buy() { (maker, taker) } else { (taker, maker) };
        let reason = BustReason::Supervisory;
        let (buyer_fee, seller_fee) = (PackedAmount::default(), PackedAmount::default());
        self.trades.push(BustTrade {
            match_number,
            instrument,
            quantity,
            price,
            reason,
            buyer,
            seller,
            buyer_fee,
            seller_fee,
        });
    }

    fn replace(&mut self) -> CommandBody {
        let owner = self.owner();
        let market = self.random.below(4) as usize;
        CommandBody::Replace(ReplaceOrder {
            owner,
            orig_user_ref_num: self.recent(owner),
            user_ref_num: self.fresh(owner),
            quantity: self.quantity(market),
            price: self.price(market),
            time_in_force: self.random.pick(&[TimeInForce::Day, TimeInForce::Day, TimeInForce::Ioc]),
            display: Display::Visible,
            sweep: false,
            cl_ord_id: ClOrdId::BLANK,
            tags: OrderTags::NONE,
        })
    }

    fn cancel(&mut self) -> CommandBody {
        let owner = self.owner();
        let quantity = Qty(if self.random.chance(70) { 0 } else { self.random.below(200) });
        CommandBody::Cancel(CancelOrder { owner, user_ref_num: self.recent(owner), quantity })
    }

    fn modify(&mut self) -> CommandBody {
        let owner = self.owner();
        CommandBody::Modify(ModifyOrder {
            owner,
            user_ref_num: self.recent(owner),
            side: self.random.pick(Side::ALL),
            quantity: Qty(self.random.below(300)),
            present: TagSet::SHARES_LOCATED,
            shares_located: self.random.pick(b"YNNN"),
            locate_broker: Firm::BLANK,
        })
    }

    fn scope(&mut self) -> Scope {
        match self.random.below(10) {
            0 => Scope::Venue,
            1 => Scope::Firm(Firm::from_text(self.random.pick(&["FRMA", "FRMB"])).unwrap()),
            2 => Scope::Instrument(InstrumentId(self.random.pick(&[1, 2, 3]))),
            _ => Scope::Account(AccountId(self.random.below(ACCOUNTS))),
        }
    }

    fn operator(&mut self) -> CommandBody {
        let account = AccountId(self.random.below(ACCOUNTS));
        let action = match self.random.below(20) {
            0 => OperatorAction::Kill(self.scope()),
            1..5 => OperatorAction::Resume(self.scope()),
            5..7 => {
                let asset = match self.random.below(4) {
                    0 => Asset::Shares(InstrumentId(self.random.pick(&[1, 2, 4]))),
                    1 => Asset::Currency(Currency::Btc),
                    _ => Asset::Currency(Currency::Usd),
                };
                let units = i128::from(self.random.below(40_000));
                let sign = if self.random.chance(40) { -1 } else { 1 };
                let divisor = self.random.pick(&[1, 1, 1_000, 1_000_000_000_000]);
                OperatorAction::MoveFunds { account, asset, amount: Amount(sign * units * Amount::ONE.0 / divisor) }
            }
            7 => OperatorAction::SetFees(SetFees {
                tier: u8::try_from(self.random.below(4)).unwrap(),
                maker_ppm: self.random.pick(&[0, 0, -50, 333, 1_000]),
                taker_ppm: self.random.pick(&[0, 0, 50, 777, 2_000]),
                threshold: units_of(self.random.pick(&[0, 0, 5_000_000, 80_000_000])),
            }),
            8 => OperatorAction::SetRate {
                currency: self.random.pick(&[Currency::Btc, Currency::Eth]),
                rate: units_of(i128::from(self.random.between(1, 150_000))),
            },
            9 => OperatorAction::SetMode { account, mode: self.random.pick(&[AccountMode::Cash, AccountMode::Margin]) },
            _ => OperatorAction::SetLimit(self.limit()),
        };
        CommandBody::Operator(OperatorCommand { request: self.random.below(9), action })
    }

    fn limit(&mut self) -> SetLimit {
        let scope = self.scope();
        let limit = self.random.pick(LimitKind::ALL);
        let sizes: &[i128] = match limit {
            LimitKind::OrderQuantity => &[1, 200, 5_000],
            LimitKind::OrderNotional => &[10_000, 40_000, 1_000_000],
            LimitKind::OpenNotional => &[20_000, 200_000, 5_000_000],
            LimitKind::DayNotional => &[100_000, 10_000_000, 1_000_000_000],
            LimitKind::OpenOrders | LimitKind::MessageRate | LimitKind::DuplicateRate | LimitKind::SymbolRate => {
                &[0, 1, 3, 10, 50]
            }
            LimitKind::KillMessageRate | LimitKind::KillRejectRate => &[1, 10, 40],
            LimitKind::Credit => &[0, 300_000, 5_000_000],
            LimitKind::DayLoss => &[0, 500, 20_000, 300_000],
            LimitKind::PositionLong | LimitKind::PositionShort => &[0, 300, 2_000],
            LimitKind::ShortSale | LimitKind::LocateRequired | LimitKind::MarketOrders | LimitKind::Restricted => {
                &[0, 1]
            }
            LimitKind::PriceCollar => &[1, 5],
        };
        let mut value = units_of(self.random.pick(sizes));
        if self.is_calm && limit_is_size(limit) {
            value.0 = value.0.max(10 * Amount::ONE.0) * self.random.pick(&[10, 1_000, 100_000]);
        }
        let value = if limit == LimitKind::PriceCollar { Amount(value.0 / 100) } else { value };
        let value = if self.random.chance(65) { Amount::UNSET } else { value };
        let of = InstrumentId(u16::try_from(self.random.between(1, 4)).unwrap());
        let instrument = if limit == LimitKind::Restricted { of } else { InstrumentId(0) };
        SetLimit { scope, limit, instrument, value }
    }
}

/// More of it is another size of the same.
fn limit_is_size(limit: LimitKind) -> bool {
    !matches!(
        limit,
        LimitKind::ShortSale
            | LimitKind::LocateRequired
            | LimitKind::MarketOrders
            | LimitKind::Restricted
            | LimitKind::PriceCollar
    )
}

/// How often each answer came.
fn play(seed: u64, steps: u64, is_calm: bool, counts: &mut BTreeMap<String, u64>) {
    let mut pair = Pair::default();
    let mut flow = Flow::new(seed, is_calm);
    let is_mode = |body: &CommandBody| matches!(body, CommandBody::Operator(asked) if matches!(asked.action, OperatorAction::SetMode { .. }));
    // Cash accounts are always looked at closely.
    for body in opening().into_iter().filter(|body| !is_calm || !is_mode(body)) {
        pair.apply(&body).unwrap();
    }
    for step in 1..=steps {
        let body = flow.next();
        // Mostly microseconds, now and then a long time, so that rates recover and days pass.
        let pause = match flow.random.below(400) {
            0 => 3_600_000_000_000 * u64::from(flow.random.between(1, 60)),
            1..20 => 400_000_000,
            _ => 20_000,
        };
        let applied = pair.apply_after(pause, &body);
        assert!(applied.is_ok(), "seed {seed}, command {step}: {}", applied.unwrap_err());
        for event in pair.told() {
            flow.learn(&event.body);
            let name = if let EventBody::Rejected { reason, .. } = event.body {
                format!("{reason:?}")
            } else if let EventBody::Answered { outcome, .. } = event.body {
                format!("{outcome:?}")
            } else if let EventBody::FeesCharged { .. } = event.body {
                "fees".to_owned()
            } else if let EventBody::Canceled { reason: CancelReason::Collar, .. } = event.body {
                "refused at its election".to_owned()
            } else if let EventBody::SessionRolled { .. } = event.body {
                "rolled".to_owned()
            } else if let EventBody::TradeBroken { .. } = event.body {
                "broken".to_owned()
            } else if let EventBody::Traded { .. } = event.body {
                "traded".to_owned()
            } else if let EventBody::KillSwitched { cause, is_killed: true, .. } = event.body {
                format!("killed by {cause:?}")
            } else {
                continue;
            };
            *counts.entry(name).or_default() += 1;
        }
        if step % 97 == 0 || step == steps {
            let compared = pair.compare_states().and_then(|()| pair.verify());
            assert!(compared.is_ok(), "seed {seed}, command {step}: {}", compared.unwrap_err());
        }
    }
}

#[test]
fn balances_positions_and_refusals_are_those_of_the_naive_model() {
    let mut counts = BTreeMap::new();
    for seed in 1..=80 {
        play(seed, 5_000, false, &mut counts);
    }
    let often = [
        "LimitOrderQuantity",
        "InstrumentRestricted",
        "LimitOrderNotional",
        "ShortSaleNotPermitted",
        "LocateMissing",
        "PriceOutsideCollar",
        "MarketOrderNotPermitted",
        "LimitOpenOrders",
        "LimitOpenNotional",
        "LimitPosition",
        "CreditExceeded",
        "BalanceTooLow",
        "DayLossPassed",
        "MessageRate",
        "SymbolRate",
        "LimitDayNotional",
        "DuplicateRate",
        "AccountKilled",
        "InstrumentKilled",
        "NotAvailable",
        "InUse",
        "killed by DayLoss",
        "killed by MessageRate",
        "killed by Rejects",
        "killed by Position",
        "refused at its election",
        "broken",
        "rolled",
        "fees",
        "traded",
    ];
    for name in often {
        assert!(counts.get(name).copied().unwrap_or(0) >= 20, "{name}: {counts:?}");
    }
    assert_eq!(counts.get(&format!("{:?}", Outcome::Full)), None);
}

/// Most orders are far from every limit: what is decided in passing is what the naive model decides at length.
#[test]
fn orders_far_from_their_limits_are_counted_as_those_near_them() {
    let mut counts = BTreeMap::new();
    for seed in 1_001..=1_080 {
        play(seed, 5_000, true, &mut counts);
    }
    for name in
        ["LimitOpenNotional", "LimitPosition", "CreditExceeded", "LimitDayNotional", "killed by DayLoss", "traded"]
    {
        assert!(counts.get(name).copied().unwrap_or(0) >= 20, "{name}: {counts:?}");
    }
}

/// A switch that trips while there is no place for another unfinished cancel cancels all the same.
#[test]
fn a_trip_among_as_many_unfinished_cancels_as_there_may_be_cancels() {
    let mut pair = Pair::default();
    for mut body in opening() {
        if let CommandBody::OpenVenue(open) = &mut body {
            open.orders_per_command_max = 1;
        }
        pair.apply(&body).unwrap();
    }
    let mut flow = Flow::new(1, true);
    let mut rest = |pair: &mut Pair, account, price, count| {
        for _ in 0..count {
            let owner = Owner::new(AccountId(account), Channel(0));
            let CommandBody::Enter(enter) = flow.enter() else { unreachable!() };
            let mut tags = OrderTags::NONE;
            (tags.present, tags.cancel_on_disconnect) = (TagSet::CANCEL_ON_DISCONNECT, b'N');
            let enter = EnterOrder {
                owner,
                user_ref_num: flow.fresh(owner),
                price: Price(price),
                quantity: Qty(1),
                side: Side::Buy,
                instrument: InstrumentId(1),
                time_in_force: TimeInForce::Day,
                display: Display::Visible,
                tags,
                ..enter
            };
            pair.apply(&CommandBody::Enter(enter)).unwrap();
        }
    };
    rest(&mut pair, 2, 100, 2);
    rest(&mut pair, 4, 200, 3);
    // Each looks at one order, leaves it alone, and is not finished.
    for _ in 0..4_096 {
        pair.apply(&CommandBody::Venue(VenueCommand::Disconnected(AccountId(2)))).unwrap();
    }
    let scope = Scope::Account(AccountId(4));
    for (limit, units) in [(LimitKind::KillRejectRate, 1), (LimitKind::OpenOrders, 1)] {
        let set = SetLimit { scope, limit, instrument: InstrumentId(0), value: units_of(units) };
        let action = OperatorAction::SetLimit(set);
        pair.apply(&CommandBody::Operator(OperatorCommand { request: 1, action })).unwrap();
    }
    rest(&mut pair, 4, 200, 2);
    let is_trip = |event: &Event| matches!(event.body, EventBody::KillSwitched { is_killed: true, .. });
    assert!(pair.told().iter().any(is_trip), "{:?}", pair.told());
    pair.compare_states().and_then(|()| pair.verify()).unwrap();
    let mut canceled = 0;
    for _ in 0..5_000 {
        let is_one = |event: &&Event| matches!(event.body, EventBody::Canceled { .. });
        canceled += pair.told().iter().filter(is_one).count();
        pair.apply(&CommandBody::Venue(VenueCommand::Tick)).unwrap();
    }
    assert_eq!(canceled, 3, "those of the account whose switch tripped, and nobody else's");
}

/// A venue that trades, one order after the other.
struct Day {
    core: Core,
    events: EventBuffer,
    sequence: u64,
    numbers: BTreeMap<u32, u32>,
}

impl Day {
    fn tell(&mut self, body: CommandBody) -> &[Event] {
        self.sequence += 1;
        let command = Command { sequence: Sequence(self.sequence), ingress: Nanos(self.sequence), body };
        self.events.clear();
        self.core.apply(&command, &mut self.events);
        self.events.as_slice()
    }

    /// Enters one share; the reason when that is refused.
    fn enter(&mut self, account: u32, instrument: u16, side: Side) -> Option<RejectReason> {
        let number = self.numbers.entry(account).or_default();
        *number += 1;
        let body = CommandBody::Enter(EnterOrder {
            owner: Owner::new(AccountId(account), Channel(0)),
            user_ref_num: UserRefNum(*number),
            quantity: Qty(1),
            price: Price(100),
            instrument: InstrumentId(instrument),
            side,
            time_in_force: TimeInForce::Day,
            display: Display::Visible,
            capacity: Capacity::Principal,
            sweep: false,
            cross_type: CrossType::Continuous,
            cl_ord_id: ClOrdId::BLANK,
            tags: OrderTags::NONE,
        });
        self.tell(body)
            .iter()
            .find_map(|event| if let EventBody::Rejected { reason, .. } = event.body { Some(reason) } else { None })
    }
}

/// The table of positions is bounded: once it is full, who trades what already goes on, and nobody else begins.
#[test]
fn a_full_table_of_positions_refuses_new_pairs() {
    let mut day = Day { core: Core::new(), events: EventBuffer::default(), sequence: 0, numbers: BTreeMap::new() };
    let (accounts, instruments) = (200_u32, 30_u16);
    day.tell(CommandBody::OpenVenue(OpenVenue {
        session: SessionName::from_text("TEST").unwrap(),
        orders_max: 4,
        accounts_max: accounts,
        channels_max: 1,
        instruments_max: instruments,
        orders_per_command_max: 4,
    }));
    for account in 0..accounts {
        day.tell(CommandBody::OpenAccount(OpenAccount {
            account: AccountId(account),
            name: AccountName::from_text(&format!("A{account}")).unwrap(),
            firm: Firm::from_text("FIRM").unwrap(),
        }));
    }
    for instrument in (1..=instruments).map(InstrumentId) {
        day.tell(CommandBody::ListInstrument(ListInstrument {
            instrument,
            symbol: Symbol::from_text(&format!("S{}", instrument.0)).unwrap(),
            price_decimals: 4,
            qty_decimals: 0,
            tick: Price(1),
            lot: Qty(1),
            max_qty: Qty(10),
            reference_price: Price(0),
        }));
        let (state, reason) = (TradingState::Trading, Firm::BLANK);
        day.tell(CommandBody::SetTradingState(SetTradingState { instrument, state, reason }));
    }
    let mut refused = None;
    let pairs = (1..accounts).step_by(2).flat_map(|account| (1..=instruments).map(move |of| (account, of)));
    for (account, instrument) in pairs {
        // Each of the two has traded this instrument from here on.
        let outcome = day.enter(account, instrument, Side::Buy).or(day.enter(account - 1, instrument, Side::Sell));
        if outcome.is_some() {
            refused = Some((outcome, account, instrument));
            break;
        }
    }
    let (reason, account, instrument) = refused.unwrap();
    assert_eq!(reason, Some(RejectReason::PositionsFull));
    assert_eq!((account - 1) / 2 * 30 + u32::from(instrument), 2_051, "4,096 and one for each open order were taken");
    assert_eq!(day.enter(1, 1, Side::Buy), None);
    assert_eq!(day.enter(0, 1, Side::Sell), None);
    assert_eq!(day.enter(accounts - 1, 1, Side::Buy), Some(RejectReason::PositionsFull));
    let mut bytes = Vec::new();
    day.core.encode_state(&mut bytes);
    day.core = Core::decode_state(&bytes).unwrap();
    assert_eq!(day.enter(accounts - 1, 1, Side::Buy), Some(RejectReason::PositionsFull));
    assert_eq!(day.enter(1, 1, Side::Buy), None);
    day.core.verify().unwrap();
}

/// The largest price times the largest quantity, again and again, with the largest fees and balances at the bounds of the
/// domain: everything is counted exactly or refused, as the naive model does, and nothing wraps or panics.
#[test]
fn nothing_wraps_at_the_extremes() {
    const PRICE_MAX: u32 = 1_999_999_900;
    let mut pair = Pair::default();
    for body in opening() {
        pair.apply(&body).unwrap();
    }
    let operator = |action| CommandBody::Operator(OperatorCommand { request: 1, action });
    let fees = SetFees { tier: 0, maker_ppm: 100_000, taker_ppm: 100_000, threshold: Amount::ZERO };
    pair.apply(&operator(OperatorAction::SetFees(fees))).unwrap();
    for account in 0..ACCOUNTS {
        for currency in [Currency::Usd, Currency::Eth] {
            for _ in 0..3 {
                let (account, asset) = (AccountId(account), Asset::Currency(currency));
                pair.apply(&operator(OperatorAction::MoveFunds { account, asset, amount: Amount::MAX })).unwrap();
            }
        }
    }
    let mut numbers = [0; ACCOUNTS as usize];
    let mut trade = |pair: &mut Pair, market: u16, price: u32, (buyer, seller): (u32, u32)| {
        for (account, side) in [(seller, Side::Sell), (buyer, Side::Buy)] {
            let number = &mut numbers[account as usize];
            *number += 1;
            pair.apply(&CommandBody::Enter(EnterOrder {
                owner: Owner::new(AccountId(account), Channel(0)),
                user_ref_num: UserRefNum(*number),
                quantity: Qty(u32::MAX),
                price: Price(price),
                instrument: InstrumentId(market),
                side,
                time_in_force: TimeInForce::Day,
                display: Display::Visible,
                capacity: Capacity::Principal,
                sweep: false,
                cross_type: CrossType::Continuous,
                cl_ord_id: ClOrdId::BLANK,
                tags: OrderTags::NONE,
            }))
            .unwrap();
        }
    };
    let set = |pair: &mut Pair, limit, value| {
        let scope = Scope::Venue;
        let set = SetLimit { scope, limit, instrument: InstrumentId(0), value };
        pair.apply(&operator(OperatorAction::SetLimit(set))).unwrap();
    };
    let parties = [(2, 4), (4, 2), (0, 1), (0, 2), (4, 1), (2, 4)];
    for round in 0..40 {
        for market in 1..=4 {
            trade(&mut pair, market, if round % 7 == 6 { 1 } else { PRICE_MAX }, parties[round % parties.len()]);
        }
        // Limits come and go, on positions that cannot be counted by then.
        let kinds = [LimitKind::DayLoss, LimitKind::Credit, LimitKind::PositionLong, LimitKind::OpenNotional];
        let values = [Amount::MAX, Amount::UNSET, Amount::ZERO, Amount::UNSET];
        set(&mut pair, kinds[round % 4], values[round / 4 % 4]);
        pair.compare_states().unwrap();
        pair.verify().unwrap();
    }
}
