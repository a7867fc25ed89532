//! `hft replay --with-orders`: what would have come of a few more orders on a recorded day. Two cores take the same commands; one of
//! them gets the extra orders at their times as well, and what differs is told. Nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use engine::core::{Core, EventSink};
use protocol::command::{CancelOrder, EnterOrder, OrderTags};
use protocol::{
    AccountId, AccountName, Capacity, Channel, ClOrdId, Command, CommandBody, CrossType, Display, Event, EventBody,
    InstrumentId, Nanos, Owner, Price, Qty, RejectReason, Side, Symbol, TimeInForce, UserRefNum, VenueCommand,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::output::print_line;
use crate::replay;
use crate::units::{self, InstrumentUnits};
use crate::venue::reading::{self, Begin};
use crate::venue::recovery::Commands;

/// The channel of the extra orders: their numbers meet none of the recorded ones.
const CHANNEL: Channel = Channel(u8::MAX);
/// Extra orders at the most.
const ORDERS_MAX: usize = 100_000;

/// Plays the day twice and prints what differs.
///
/// # Errors
/// The file or the journal cannot be read, or an order names an account or an instrument that is not there at its time.
pub fn run(data_dir: &Path, file: &Path, to: Option<protocol::Sequence>, as_json: bool) -> anyhow::Result<ExitCode> {
    let orders = read(file)?;
    let mut day = Day::begin(data_dir, orders, to)?;
    let mut commands = Commands::open(&data_dir.join("journal"), day.recorded.core.last_sequence(), to)?;
    let mut batch = Vec::new();
    loop {
        batch.clear();
        commands.read(&mut batch, 1_024)?;
        for command in &batch {
            day.play(command)?;
        }
        if batch.is_empty() {
            break;
        }
    }
    day.insert_before(None)?;
    let report = day.report();
    if as_json {
        print_line(&report.to_string());
    } else {
        print_text(&report);
    }
    Ok(ExitCode::SUCCESS)
}

/// A line of the file.
#[derive(Clone, Debug)]
struct Wanted {
    line: usize,
    time: Nanos,
    account: AccountName,
    symbol: Symbol,
    side: Side,
    quantity: Decimal,
    /// `None` at the market.
    price: Option<Decimal>,
    tif: TimeInForce,
    cancel_at: Option<Nanos>,
}

const COLUMNS: [&str; 8] = ["time", "account", "symbol", "side", "quantity", "price", "tif", "cancel_at"];

/// Reads the orders, in order of their times.
fn read(file: &Path) -> anyhow::Result<Vec<Wanted>> {
    let cannot = || format!("cannot read {}", file.display());
    let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).with_context(cannot)?;
    let header = table.headers().with_context(cannot)?.clone();
    ensure!(
        header.iter().eq(COLUMNS),
        "{}: its first line must be {}, but is {}",
        file.display(),
        COLUMNS.join(","),
        header.iter().collect::<Vec<_>>().join(",")
    );
    let mut orders = Vec::new();
    for (at, row) in table.records().enumerate() {
        let line = at + 2;
        let row = row.with_context(cannot)?;
        let field = |column: usize| row.get(column).unwrap_or_default();
        let wanted =
            wanted(line, field).map_err(|wrong| anyhow::anyhow!("{}, line {line}: {wrong}", file.display()))?;
        orders.push(wanted);
        ensure!(orders.len() <= ORDERS_MAX, "{}: more than {ORDERS_MAX} orders", file.display());
    }
    ensure!(!orders.is_empty(), "{}: no orders", file.display());
    orders.sort_by_key(|order| order.time);
    Ok(orders)
}

fn wanted<'a>(line: usize, field: impl Fn(usize) -> &'a str) -> Result<Wanted, String> {
    let account = field(1);
    let price = field(5);
    Ok(Wanted {
        line,
        time: replay::time(field(0))?,
        account: AccountName::from_text(&account.to_ascii_uppercase())
            .filter(|_| !account.is_empty())
            .ok_or_else(|| format!("{account:?} is no account"))?,
        symbol: units::symbol(field(2))?,
        side: match field(3) {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            "short" => Side::SellShort,
            other => return Err(format!("side {other:?}: expected buy, sell or short")),
        },
        quantity: units::decimal(field(4)).map_err(|error| format!("quantity: {error}"))?,
        price: if price == "market" {
            None
        } else {
            Some(units::decimal(price).map_err(|error| format!("price: {error}, or market"))?)
        },
        tif: match field(6) {
            "day" | "" => TimeInForce::Day,
            "gtc" => TimeInForce::Gtc,
            "ioc" => TimeInForce::Ioc,
            other => return Err(format!("tif {other:?}: expected day, gtc or ioc")),
        },
        cancel_at: if field(7).is_empty() { None } else { Some(replay::time(field(7))?) },
    })
}

/// Events of one command.
#[derive(Debug, Default)]
struct Told(Vec<Event>);

impl EventSink for Told {
    fn push(&mut self, event: Event) {
        self.0.push(event);
    }
}

/// One of the two cores.
#[derive(Debug)]
struct Played {
    core: Core,
    told: Told,
}

impl Played {
    /// Applies a command under this core's next sequence.
    fn apply(&mut self, ingress: Nanos, body: CommandBody) {
        let ingress = ingress.max(self.core.last_ingress());
        self.told.0.clear();
        self.core.apply(&Command { sequence: self.core.last_sequence().next(), ingress, body }, &mut self.told);
    }
}

/// An extra order, and what came of it.
#[derive(Debug)]
struct Extra {
    wanted: Wanted,
    number: UserRefNum,
    owner: Owner,
    units: InstrumentUnits,
    entered: Option<Entered>,
    rejected: Option<RejectReason>,
    fills: Vec<(Nanos, Qty, Price)>,
    canceled: u64,
}

/// The book when it came.
#[derive(Clone, Copy, Debug)]
struct Entered {
    at: Nanos,
    quantity: Qty,
    bid: Option<Price>,
    ask: Option<Price>,
    /// Quantity at better prices, at its own price, and orders at its own price, on its own side.
    better: u64,
    ahead: u64,
    orders_ahead: u32,
}

/// What an order of somebody else traded, here and there.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    recorded: u64,
    with_orders: u64,
}

/// The day, twice.
struct Day {
    recorded: Played,
    altered: Played,
    waiting: std::vec::IntoIter<Wanted>,
    next: Option<Wanted>,
    extras: Vec<Extra>,
    /// Cancels that are due: time and extra order.
    cancels: BTreeSet<(Nanos, usize)>,
    /// Orders whose trades differ so far.
    changes: BTreeMap<(Owner, UserRefNum), Change>,
    records: u64,
    trades: Change,
    skipped: u64,
}

impl Day {
    fn begin(data_dir: &Path, orders: Vec<Wanted>, to: Option<protocol::Sequence>) -> anyhow::Result<Self> {
        let core = || {
            let core = reading::replica(data_dir, Begin::First, to)?.core;
            Ok::<_, anyhow::Error>(Played { core, told: Told::default() })
        };
        let mut waiting = orders.into_iter();
        Ok(Self {
            recorded: core()?,
            altered: core()?,
            next: waiting.next(),
            waiting,
            extras: Vec::new(),
            cancels: BTreeSet::new(),
            changes: BTreeMap::new(),
            records: 0,
            trades: Change::default(),
            skipped: 0,
        })
    }

    /// Plays a recorded command into both, after the extra ones that come before it.
    fn play(&mut self, command: &Command) -> anyhow::Result<()> {
        self.insert_before(Some(command.ingress))?;
        self.records += 1;
        self.recorded.apply(command.ingress, command.body);
        let told = std::mem::take(&mut self.recorded.told);
        self.count(&told, false);
        self.recorded.told = told;
        // Its match number names another execution there.
        if matches!(command.body, CommandBody::Venue(VenueCommand::BustTrade(_))) {
            self.skipped += 1;
            return Ok(());
        }
        self.apply_altered(command.ingress, command.body);
        Ok(())
    }

    fn apply_altered(&mut self, ingress: Nanos, body: CommandBody) {
        self.altered.apply(ingress, body);
        let told = std::mem::take(&mut self.altered.told);
        self.count(&told, true);
        for event in &told.0 {
            self.note(event);
        }
        self.altered.told = told;
    }

    /// Inserts what is due before a command of this time; all of it without one.
    fn insert_before(&mut self, time: Option<Nanos>) -> anyhow::Result<()> {
        loop {
            let order = self.next.as_ref().map(|order| order.time);
            let cancel = self.cancels.first().map(|(at, _)| *at);
            let due = |at: Nanos| time.is_none_or(|time| at < time);
            match (order.filter(|at| due(*at)), cancel.filter(|at| due(*at))) {
                (None, None) => return Ok(()),
                (Some(order), cancel) if cancel.is_none_or(|cancel| order <= cancel) => self.enter()?,
                (Some(_) | None, _) => self.cancel(),
            }
        }
    }

    fn enter(&mut self) -> anyhow::Result<()> {
        let Some(wanted) = std::mem::replace(&mut self.next, self.waiting.next()) else { return Ok(()) };
        let line = wanted.line;
        let core = &self.altered.core;
        let account = core.accounts().find(|view| view.name == wanted.account).map(|view| view.account);
        let account = account.with_context(|| format!("line {line}: no account {} at that time", wanted.account))?;
        let listed = core.instruments().map(|view| view.listed).find(|listed| listed.symbol == wanted.symbol);
        let listed = listed.with_context(|| format!("line {line}: {} is not listed at that time", wanted.symbol))?;
        let units = InstrumentUnits {
            symbol: listed.symbol,
            price_decimals: listed.price_decimals,
            qty_decimals: listed.qty_decimals,
            tick: listed.tick.0.max(1),
            lot: listed.lot.0.max(1),
            max_qty: listed.max_qty.0,
        };
        let number = UserRefNum(u32::try_from(self.extras.len() + 1)?);
        let order = enter_order(&wanted, account, (listed.instrument, number), &units)
            .with_context(|| format!("line {line}"))?;
        let entered = entered(core, &order, wanted.time);
        if let Some(at) = wanted.cancel_at {
            self.cancels.insert((at.max(wanted.time), self.extras.len()));
        }
        let (time, owner) = (wanted.time, order.owner);
        self.extras.push(Extra {
            wanted,
            number,
            owner,
            units,
            entered: Some(entered),
            rejected: None,
            fills: Vec::new(),
            canceled: 0,
        });
        self.apply_altered(time, CommandBody::Enter(order));
        Ok(())
    }

    fn cancel(&mut self) {
        let Some((at, index)) = self.cancels.pop_first() else { return };
        let Some(extra) = self.extras.get(index) else { return };
        let cancel = CancelOrder { owner: extra.owner, user_ref_num: extra.number, quantity: Qty::ZERO };
        self.apply_altered(at, CommandBody::Cancel(cancel));
    }

    /// Trades of everybody, and those of each recorded order that are others than they were.
    fn count(&mut self, told: &Told, is_altered: bool) {
        for event in &told.0 {
            let (quantity, parties) =
                if let EventBody::Traded { quantity, maker, maker_user_ref_num, taker, taker_user_ref_num, .. } =
                    event.body
                {
                    (quantity, [Some((maker, maker_user_ref_num)), Some((taker, taker_user_ref_num))])
                } else if let EventBody::CrossExecuted { quantity, owner, user_ref_num, .. } = event.body {
                    (quantity, [Some((owner, user_ref_num)), None])
                } else {
                    continue;
                };
            let quantity = u64::from(quantity.0);
            let total = if is_altered { &mut self.trades.with_orders } else { &mut self.trades.recorded };
            *total += 1;
            for party in parties.into_iter().flatten().filter(|(owner, _)| owner.channel() != CHANNEL) {
                let change = self.changes.entry(party).or_default();
                *(if is_altered { &mut change.with_orders } else { &mut change.recorded }) += quantity;
                if change.recorded == change.with_orders {
                    self.changes.remove(&party);
                }
            }
        }
    }

    /// What an event says about an extra order.
    fn note(&mut self, event: &Event) {
        let ingress = event.ingress;
        let mut filled = |owner, number, quantity, price| {
            if let Some(extra) = self.extra(owner, number) {
                extra.fills.push((ingress, quantity, price));
            }
        };
        if let EventBody::Traded { maker, maker_user_ref_num, taker, taker_user_ref_num, quantity, price, .. } =
            event.body
        {
            filled(maker, maker_user_ref_num, quantity, price);
            filled(taker, taker_user_ref_num, quantity, price);
        } else if let EventBody::CrossExecuted { owner, user_ref_num, quantity, price, .. } = event.body {
            filled(owner, user_ref_num, quantity, price);
        } else if let EventBody::Canceled { owner, user_ref_num, quantity, .. } = event.body {
            if let Some(extra) = self.extra(owner, user_ref_num) {
                extra.canceled += u64::from(quantity.0);
            }
        } else if let EventBody::Rejected { owner, user_ref_num, reason } = event.body
            && let Some(extra) = self.extra(owner, user_ref_num)
        {
            extra.rejected = Some(reason);
        }
    }

    fn extra(&mut self, owner: Owner, number: UserRefNum) -> Option<&mut Extra> {
        let index = usize::try_from(number.0).ok()?.checked_sub(1)?;
        self.extras.get_mut(index).filter(|extra| extra.owner == owner)
    }

    fn report(&self) -> Value {
        let (mut more, mut less) = ((0_u64, 0_u64), (0_u64, 0_u64));
        for change in self.changes.values() {
            let (side, by) = if change.with_orders > change.recorded {
                (&mut more, change.with_orders - change.recorded)
            } else {
                (&mut less, change.recorded - change.with_orders)
            };
            side.0 += 1;
            side.1 += by;
        }
        json!({
            "records": self.records,
            "orders": self.extras.iter().map(Extra::report).collect::<Vec<_>>(),
            "executions": { "recorded": self.trades.recorded, "with_orders": self.trades.with_orders },
            "others": {
                "orders_filled_more": more.0, "quantity_more": more.1,
                "orders_filled_less": less.0, "quantity_less": less.1,
            },
            "broken_trades_left_out": self.skipped,
            "state_differs": self.recorded.core.state_hash() != self.altered.core.state_hash(),
        })
    }
}

fn enter_order(
    wanted: &Wanted,
    account: AccountId,
    (instrument, user_ref_num): (InstrumentId, UserRefNum),
    units: &InstrumentUnits,
) -> anyhow::Result<EnterOrder> {
    Ok(EnterOrder {
        owner: Owner::new(account, CHANNEL),
        user_ref_num,
        quantity: units.quantity("quantity", wanted.quantity)?,
        price: wanted.price.map_or(Ok(Price::MARKET), |price| units.price("price", price))?,
        instrument,
        side: wanted.side,
        time_in_force: wanted.tif,
        display: Display::Visible,
        capacity: Capacity::Principal,
        cross_type: CrossType::Continuous,
        sweep: false,
        cl_ord_id: ClOrdId::BLANK,
        tags: OrderTags::NONE,
    })
}

/// The book as the order finds it.
fn entered(core: &Core, order: &EnterOrder, at: Nanos) -> Entered {
    let is_buy = order.side == Side::Buy;
    let best = |is_buy| core.levels(order.instrument, is_buy).map(|level| level.price).next();
    let (mut better, mut ahead, mut orders_ahead) = (0, 0, 0);
    for level in core.levels(order.instrument, is_buy) {
        let quantity = level.displayed_qty + level.hidden_qty;
        if level.price == order.price {
            (ahead, orders_ahead) = (quantity, level.orders);
        }
        let is_better = if is_buy { level.price > order.price } else { level.price < order.price };
        if !is_better {
            break;
        }
        better += quantity;
    }
    let better = if order.price.is_market() { 0 } else { better };
    Entered { at, quantity: order.quantity, bid: best(true), ask: best(false), better, ahead, orders_ahead }
}

impl Extra {
    fn report(&self) -> Value {
        let price = |price: Option<Price>| price.map(|price| self.units.price_text(u64::from(price.0)));
        let quantity = |quantity: u64| self.units.quantity_text(quantity);
        let filled: u64 = self.fills.iter().map(|(_, quantity, _)| u64::from(quantity.0)).sum();
        let fills = self.fills.iter().map(|(at, filled, at_price)| {
            json!({ "ingress_ns": at.0, "quantity": quantity(filled.0.into()), "price": price(Some(*at_price)) })
        });
        let Some(entered) = &self.entered else { return Value::Null };
        let average = self.average(filled);
        let first = self.fills.first().map(|(at, _, _)| at.0.saturating_sub(entered.at.0));
        let open = u64::from(entered.quantity.0).saturating_sub(filled + self.canceled);
        json!({
            "line": self.wanted.line,
            "account": self.wanted.account.to_string(),
            "symbol": self.wanted.symbol.to_string(),
            "side": if self.wanted.side == Side::Buy { "buy" } else { "sell" },
            "rejected": self.rejected.map(|reason| format!("{:04X} {reason:?}", reason.ouch_code())),
            "quantity": quantity(entered.quantity.0.into()),
            "filled": quantity(filled),
            "canceled": quantity(self.canceled),
            "open": if self.rejected.is_some() { quantity(0) } else { quantity(open) },
            "average_price": average.map(|average| average.normalize().to_string()),
            "best_bid": price(entered.bid),
            "best_ask": price(entered.ask),
            "slippage": average.and_then(|average| self.slippage(entered, average)),
            "queue": {
                "orders_ahead": entered.orders_ahead, "quantity_ahead": quantity(entered.ahead),
                "quantity_at_better_prices": quantity(entered.better),
            },
            "first_fill_after_ns": first,
            "fills": fills.collect::<Vec<_>>(),
        })
    }

    /// Mean price of the fills, weighted by their quantities, in currency.
    fn average(&self, filled: u64) -> Option<Decimal> {
        let paid: i128 =
            self.fills.iter().map(|(_, quantity, price)| i128::from(quantity.0) * i128::from(price.0)).sum();
        let paid = Decimal::try_from_i128_with_scale(paid, self.units.price_decimals.into()).ok()?;
        paid.checked_div(Decimal::from(filled))
            .map(|average| average.round_dp(u32::from(self.units.price_decimals) + 4))
    }

    /// How much worse than the middle of the book, and than its best opposite price, the fills were; negative when better.
    fn slippage(&self, entered: &Entered, average: Decimal) -> Option<Value> {
        let scale = u32::from(self.units.price_decimals);
        let decimal = |price: Price| Decimal::new(i64::from(price.0), scale);
        let is_buy = self.wanted.side == Side::Buy;
        let worse = |than: Decimal| if is_buy { average - than } else { than - average };
        let (bid, ask) = (decimal(entered.bid?), decimal(entered.ask?));
        let middle = (bid + ask) / Decimal::TWO;
        let touch = if is_buy { ask } else { bid };
        let points = worse(middle).checked_mul(Decimal::from(10_000))?.checked_div(middle)?;
        Some(json!({
            "to_middle": worse(middle).normalize().to_string(),
            "to_best_opposite": worse(touch).normalize().to_string(),
            "basis_points": points.round_dp(2).normalize().to_string(),
        }))
    }
}

/// The report for people: a line per order, and one for everybody else.
fn print_text(report: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for order in report["orders"].as_array().into_iter().flatten() {
        let head = format!(
            "line {}: {} {} {} {} by {}",
            order["line"],
            text(&order["side"]),
            text(&order["quantity"]),
            text(&order["symbol"]),
            order["rejected"].as_str().map_or_else(String::new, |reason| format!("rejected {reason}")),
            text(&order["account"])
        );
        print_line(head.replace("  ", " ").trim_end());
        if !order["rejected"].is_null() {
            continue;
        }
        print_line(&format!(
            "  found {} / {}, {} orders with {} ahead of it and {} at better prices",
            text(&order["best_bid"]),
            text(&order["best_ask"]),
            order["queue"]["orders_ahead"],
            text(&order["queue"]["quantity_ahead"]),
            text(&order["queue"]["quantity_at_better_prices"])
        ));
        print_line(&format!(
            "  filled {} in {} executions, canceled {}, open {}",
            text(&order["filled"]),
            order["fills"].as_array().map_or(0, Vec::len),
            text(&order["canceled"]),
            text(&order["open"])
        ));
        if !order["slippage"].is_null() {
            print_line(&format!(
                "  average price {}, slippage {} to the middle ({} basis points), {} to the best opposite price",
                text(&order["average_price"]),
                text(&order["slippage"]["to_middle"]),
                text(&order["slippage"]["basis_points"]),
                text(&order["slippage"]["to_best_opposite"])
            ));
        }
    }
    let (executions, others) = (&report["executions"], &report["others"]);
    print_line(&format!(
        "{} commands: {} executions as recorded, {} with these orders; of the recorded orders {} traded more (by {} wire units) and {} less (by {})",
        report["records"],
        executions["recorded"],
        executions["with_orders"],
        others["orders_filled_more"],
        others["quantity_more"],
        others["orders_filled_less"],
        others["quantity_less"]
    ));
}
