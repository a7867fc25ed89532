//! A small venue that is driven and observed in text: one line per command, one per event. Prices are in ticks.
//!
//! Commands: `enter 1 buy 10@100 ioc`, `replace 1 2 10@100`, `cancel 1 0`, `modify 1 short 5`, `mass 3`, `query`,
//! `disable 4`, `enable 5`, `refuse 6`, `refuse-replace 1 7`. Options of orders: `ioc fok post hidden named details
//! min=5 acct=1 ch=2 group=7`.

use engine::core::{Core, EventBuffer};
use protocol::command::{
    AccountQuery, CancelOrder, EnterOrder, EntrySwitch, ListInstrument, MassCancel, ModifyOrder, OpenAccount,
    OpenVenue, OrderTags, Refuse, RefuseReplace, ReplaceOrder, SetTradingState, TagSet,
};
use protocol::event::Shown;
use protocol::types::{
    AccountId, AccountName, Capacity, Channel, ClOrdId, CrossType, Display, Firm, InstrumentId, Nanos, OrderState,
    Owner, Price, Qty, Sequence, SessionName, Side, Symbol, TimeInForce, TradingState, UserRefNum,
};
use protocol::{Command, CommandBody, EventBody, RejectReason};

/// Wire units of a tick.
pub(crate) const TICK: u32 = 100;
const AAPL: InstrumentId = InstrumentId(1);

/// A venue with two accounts and one instrument that trades.
pub(crate) struct Venue {
    pub(crate) core: Core,
    pub(crate) events: EventBuffer,
    sequence: u64,
    /// Laws are checked after each command.
    pub(crate) is_checked: bool,
}

impl Venue {
    /// Room for many orders.
    pub(crate) fn new() -> Self {
        Self::with_bounds(16_000, 16_384)
    }

    /// Room for `orders_max` orders, of which one command touches at most `orders_per_command_max`.
    pub(crate) fn with_bounds(orders_max: u32, orders_per_command_max: u32) -> Self {
        let mut venue = Self { core: Core::new(), events: EventBuffer::default(), sequence: 0, is_checked: true };
        venue.apply(CommandBody::OpenVenue(OpenVenue {
            session: SessionName::from_text("TEST").unwrap(),
            orders_max,
            accounts_max: 8,
            channels_max: 1,
            instruments_max: 1,
            orders_per_command_max,
        }));
        for account in 0..2 {
            venue.apply(CommandBody::OpenAccount(OpenAccount {
                account: AccountId(account),
                name: AccountName::from_text("DEMO").unwrap(),
                firm: Firm::from_text("DEMA").unwrap(),
            }));
        }
        venue.apply(CommandBody::ListInstrument(ListInstrument {
            instrument: AAPL,
            symbol: Symbol::from_text("AAPL").unwrap(),
            price_decimals: 4,
            qty_decimals: 0,
            tick: Price(TICK),
            lot: Qty(1),
            max_qty: Qty(999_999),
            reference_price: Price(0),
        }));
        venue.set_state(TradingState::Trading);
        venue
    }

    /// Halts or opens the instrument.
    pub(crate) fn set_state(&mut self, state: TradingState) {
        self.apply(CommandBody::SetTradingState(SetTradingState { instrument: AAPL, state, reason: Firm::BLANK }));
    }

    /// Applies a command; gives its events as text.
    pub(crate) fn apply(&mut self, body: CommandBody) -> Vec<String> {
        self.sequence += 1;
        self.events.clear();
        let command = Command { sequence: Sequence(self.sequence), ingress: Nanos(self.sequence), body };
        self.core.apply(&command, &mut self.events);
        if self.is_checked {
            self.core.verify().unwrap();
        }
        for event in self.events.as_slice() {
            assert_eq!((event.sequence, event.ingress), (command.sequence, command.ingress));
        }
        self.events.as_slice().iter().map(|event| show(&event.body)).collect()
    }

    /// Applies a command in text.
    pub(crate) fn run(&mut self, line: &str) -> Vec<String> {
        self.apply(parse(line))
    }

    /// Plays a table: lines with `>` are commands, the others what the venue says.
    pub(crate) fn check(&mut self, table: &str) {
        let mut left: Vec<String> = Vec::new();
        let mut last = "";
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(command) = line.strip_prefix('>') {
                assert!(left.is_empty(), "after {last:?}: not expected {left:?}");
                left = self.run(command.trim());
                last = command;
            } else {
                assert!(!left.is_empty(), "after {last:?}: expected {line:?}, nothing more came");
                assert_eq!(left.remove(0), line, "after {last:?}");
            }
        }
        assert!(left.is_empty(), "after {last:?}: not expected {left:?}");
    }

    /// Best bid and ask, in ticks.
    pub(crate) fn best(&self) -> (Option<u32>, Option<u32>) {
        let best = |is_buy| self.core.best(AAPL, is_buy).map(|level| level.price.0 / TICK);
        (best(true), best(false))
    }

    /// Displayed and hidden quantity at a price, in ticks.
    pub(crate) fn quantity_at(&self, is_buy: bool, ticks: u32) -> (u64, u64) {
        self.core
            .levels(AAPL, is_buy)
            .find(|level| level.price.0 == ticks * TICK)
            .map_or((0, 0), |level| (level.displayed_qty, level.hidden_qty))
    }
}

fn owner(line: &str) -> Owner {
    let option = |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok());
    Owner::new(AccountId(option("acct=").unwrap_or(0)), Channel(u8::try_from(option("ch=").unwrap_or(0)).unwrap()))
}

fn side(word: &str) -> Side {
    match word {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        "short" => Side::SellShort,
        "exempt" => Side::SellShortExempt,
        _ => panic!("no side {word}"),
    }
}

fn tags(line: &str) -> OrderTags {
    let mut tags = OrderTags::NONE;
    for word in line.split(' ') {
        let present = match word.split_once('=').unwrap_or((word, "0")) {
            ("post", _) => {
                tags.post_only = true;
                TagSet::POST_ONLY
            }
            ("details", _) => {
                tags.report_details = true;
                TagSet::REPORT_DETAILS
            }
            ("min", number) => {
                tags.min_qty = Qty(number.parse().unwrap());
                TagSet::MIN_QTY
            }
            ("group", number) => {
                tags.group_id = number.parse().unwrap();
                TagSet::GROUP_ID
            }
            ("mark", name) => {
                tags.side = Some(side(name));
                TagSet::SIDE
            }
            _ => TagSet::NONE,
        };
        tags.present = tags.present.with(present);
    }
    tags
}

fn has(line: &str, word: &str) -> bool {
    line.split(' ').any(|found| found == word)
}

fn time_in_force(line: &str) -> TimeInForce {
    if has(line, "ioc") {
        TimeInForce::Ioc
    } else if has(line, "fok") {
        TimeInForce::Fok
    } else {
        TimeInForce::Day
    }
}

fn display(line: &str) -> Display {
    if has(line, "hidden") {
        Display::Hidden
    } else if has(line, "named") {
        Display::Attributable
    } else {
        Display::Visible
    }
}

/// A command in text.
pub(crate) fn parse(line: &str) -> CommandBody {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| UserRefNum(words[at].parse().unwrap());
    let terms = |at: usize| {
        let (quantity, price) = words[at].split_once('@').unwrap();
        let price = if price == "market" { Price::MARKET } else { Price(price.parse::<u32>().unwrap() * TICK) };
        (Qty(quantity.parse().unwrap()), price)
    };
    let owner = owner(line);
    let switch = || EntrySwitch { owner, user_ref_num: number(1), firm: Firm::BLANK };
    match words[0] {
        "enter" => CommandBody::Enter(EnterOrder {
            owner,
            user_ref_num: number(1),
            quantity: terms(3).0,
            price: terms(3).1,
            instrument: AAPL,
            side: side(words[2]),
            time_in_force: time_in_force(line),
            display: display(line),
            capacity: Capacity::Principal,
            sweep: false,
            cross_type: CrossType::Continuous,
            cl_ord_id: ClOrdId::BLANK,
            tags: tags(line),
        }),
        "replace" => CommandBody::Replace(ReplaceOrder {
            owner,
            orig_user_ref_num: number(1),
            user_ref_num: number(2),
            quantity: terms(3).0,
            price: terms(3).1,
            time_in_force: time_in_force(line),
            display: display(line),
            sweep: false,
            cl_ord_id: ClOrdId::BLANK,
            tags: tags(line),
        }),
        "cancel" => CommandBody::Cancel(CancelOrder { owner, user_ref_num: number(1), quantity: Qty(number(2).0) }),
        "modify" => CommandBody::Modify(ModifyOrder {
            owner,
            user_ref_num: number(1),
            side: side(words[2]),
            quantity: Qty(number(3).0),
            present: TagSet::NONE,
            shares_located: b'N',
            locate_broker: Firm::BLANK,
        }),
        "mass" => CommandBody::MassCancel(MassCancel {
            owner,
            user_ref_num: number(1),
            firm: Firm::BLANK,
            symbol: Symbol::BLANK,
            instrument: None,
            side: tags(line).side,
            group_id: tags(line).group_id,
            present: tags(line).present,
        }),
        "disable" => CommandBody::DisableEntry(switch()),
        "enable" => CommandBody::EnableEntry(switch()),
        "query" => CommandBody::Query(AccountQuery { owner }),
        "refuse" => {
            let (reason, cl_ord_id) = (RejectReason::Malformed, ClOrdId::BLANK);
            CommandBody::Refuse(Refuse { owner, user_ref_num: number(1), reason, cl_ord_id })
        }
        "refuse-replace" => {
            let (reason, orig_user_ref_num) = (RejectReason::Malformed, number(1));
            CommandBody::RefuseReplace(RefuseReplace { owner, orig_user_ref_num, user_ref_num: number(2), reason })
        }
        _ => panic!("no command {line}"),
    }
}

fn ticks(price: Price) -> String {
    if price.is_market() { "market".to_owned() } else { (price.0 / TICK).to_string() }
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

/// An event in text.
fn show(body: &EventBody) -> String {
    match *body {
        EventBody::Details { quantity_ahead, for_maker, for_owner, .. } => {
            format!("details ahead={quantity_ahead} maker={for_maker} owner={for_owner}")
        }
        EventBody::Accepted { user_ref_num, quantity, price, state, shown, .. } => {
            format!("accepted {user_ref_num} {} {quantity}@{}{}", ends(state), ticks(price), looks(shown))
        }
        EventBody::Replaced { orig_user_ref_num, user_ref_num, quantity, price, state, shown, old_shown, .. } => {
            let old = if old_shown { " was-shown" } else { "" };
            let (state, price) = (ends(state), ticks(price));
            format!("replaced {orig_user_ref_num}>{user_ref_num} {state} {quantity}@{price}{}{old}", looks(shown))
        }
        EventBody::Rested { order_ref, quantity, price, shown, .. } => {
            format!("rested ref={order_ref} {quantity}@{}{}", ticks(price), looks(shown))
        }
        EventBody::Traded { quantity, price, maker_user_ref_num, taker_user_ref_num, maker_shown, .. } => {
            let hidden = if maker_shown { "" } else { " hidden" };
            format!("traded {maker_user_ref_num}<{taker_user_ref_num} {quantity}@{}{hidden}", ticks(price))
        }
        EventBody::Canceled { user_ref_num, quantity, leaves, reason, .. } => {
            format!("canceled {user_ref_num} {quantity} leaves {leaves} {}", char::from(reason.letter()))
        }
        EventBody::Modified { user_ref_num, quantity, removed, side, .. } => {
            format!("modified {user_ref_num} {} {quantity} removed {removed}", char::from(side.letter()))
        }
        EventBody::Rejected { user_ref_num, reason, .. } => format!("rejected {user_ref_num} {reason:?}"),
        EventBody::MassCancelTaken { user_ref_num, .. } => format!("mass {user_ref_num}"),
        EventBody::EntryDisabled { user_ref_num, .. } => format!("disabled {user_ref_num}"),
        EventBody::EntryEnabled { user_ref_num, .. } => format!("enabled {user_ref_num}"),
        EventBody::NextUserRefNum { next, .. } => format!("next {next}"),
        EventBody::VenueOpened { .. }
        | EventBody::InstrumentListed { .. }
        | EventBody::TradingStateChanged { .. }
        | EventBody::ShortSaleTestChanged { .. }
        | EventBody::AccountOpened { .. }
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
        | EventBody::ReferenceChanged { .. } => "operator".to_owned(),
    }
}
