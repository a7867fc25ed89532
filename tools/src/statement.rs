//! `hft account statement`: what happened to an account's money, by replay of the journal. Read-only; works while the venue
//! runs.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use engine::core::Core;
use journal::JournalReader;
use protocol::money::{Asset, Currency};
use protocol::operator::{OperatorAction, Scope};
use protocol::{
    AccountId, AccountName, Amount, Command, CommandBody, Event, EventBody, InstrumentId, MatchNumber, Nanos, Sequence,
    VenueCommand, record,
};
use serde_json::json;

use crate::control::client::Where;
use crate::output::{print_line, time_text};
use crate::venue::recovery::Replica;

/// One line of the statement.
#[derive(Debug, Default)]
struct Line {
    time: Nanos,
    sequence: u64,
    kind: &'static str,
    symbol: String,
    side: &'static str,
    quantity: String,
    price: String,
    amount: String,
    currency: String,
    match_number: String,
}

/// Follows the events of one account.
struct Follower {
    name: AccountName,
    account: Option<AccountId>,
    instruments: BTreeMap<InstrumentId, (String, u8, i8)>,
    /// Sides of the last trade: whether the account made, and whether it took.
    last_trade: (MatchNumber, bool, bool),
    lines: Vec<Line>,
    /// Trades of the day, and its fees by currency.
    trades: u64,
    fees: BTreeMap<Currency, i128>,
    /// Something happened since the last balances.
    has_moved: bool,
}

/// The UTC day of a time.
fn day_of(time: Nanos) -> u64 {
    time.0 / Nanos::DAY
}

/// Prints the statement: as text, as CSV, or as one JSON object per line. Each UTC day ends with its trades, fees
/// and balances; the last lines are those of now.
pub fn run(name: AccountName, place: &Where, csv: bool) -> anyhow::Result<ExitCode> {
    let mut follower = Follower {
        name,
        account: None,
        instruments: BTreeMap::new(),
        last_trade: (MatchNumber(0), false, false),
        lines: Vec::new(),
        trades: 0,
        fees: BTreeMap::new(),
        has_moved: false,
    };
    let mut replica = Replica::new();
    let mut reader = JournalReader::open_after(&place.data_dir.join("journal"), Sequence::ZERO)?;
    while let Some(found) = reader.next()? {
        let body = record::decode(found.body)
            .with_context(|| format!("the record of sequence {} is whole but no command", found.sequence))?;
        if day_of(found.ingress) != day_of(replica.core.last_ingress()) {
            follower.close_day(&replica.core);
        }
        let command = Command { sequence: found.sequence, ingress: found.ingress, body };
        replica.apply(&command, |command, event| {
            follower.learn(command, event);
            Ok(())
        })?;
    }
    follower.account.with_context(|| format!("no account has the name {name}"))?;
    follower.has_moved = true;
    follower.close_day(&replica.core);
    print(&follower.lines, place.json, csv)?;
    Ok(ExitCode::SUCCESS)
}

impl Follower {
    /// Ends a UTC day on which something happened: how many trades and which fees it had, and what was there at its end.
    fn close_day(&mut self, core: &Core) {
        let Some(account) = self.account.filter(|_| self.has_moved || self.trades != 0) else { return };
        let (time, sequence) = (core.last_ingress(), core.last_sequence().0);
        let line = |kind| Line { time, sequence, kind, ..Line::default() };
        self.lines.push(Line { quantity: std::mem::take(&mut self.trades).to_string(), ..line("day trades") });
        for (currency, fees) in std::mem::take(&mut self.fees) {
            let (amount, currency) = (Amount(-fees).to_string(), currency.code().to_owned());
            self.lines.push(Line { amount, currency, ..line("day fees") });
        }
        for funds in core.risk().funds(account) {
            let (amount, currency) = (funds.balance.to_string(), funds.currency.code().to_owned());
            self.lines.push(Line { amount, currency, ..line("balance") });
        }
        self.has_moved = false;
    }

    fn learn(&mut self, command: &Command, event: &Event) {
        let before = self.lines.len();
        self.look(command, event);
        self.has_moved |= self.lines.len() != before;
    }

    fn look(&mut self, command: &Command, event: &Event) {
        let line = |kind| Line { time: event.ingress, sequence: event.sequence.0, kind, ..Line::default() };
        if let EventBody::AccountOpened { account, name, .. } = event.body
            && name == self.name
        {
            self.account = Some(account);
            self.lines.push(line("opened"));
        }
        if let EventBody::InstrumentListed { instrument, symbol, price_decimals, qty_decimals, .. } = event.body {
            self.instruments.insert(instrument, (symbol.to_string(), price_decimals, qty_decimals));
        }
        let Some(own) = self.account else { return };
        if let EventBody::BalanceMoved { account, asset, amount, .. } = event.body
            && account == own
        {
            let (currency, symbol) = match asset {
                Asset::Currency(currency) => (currency.code().to_owned(), String::new()),
                Asset::Shares(instrument) => (String::new(), self.symbol(instrument)),
            };
            let kind = if amount < Amount::ZERO { "withdrawal" } else { "deposit" };
            self.lines.push(Line { amount: amount.to_string(), currency, symbol, ..line(kind) });
        }
        if let EventBody::Traded { match_number, quantity, price, maker, taker, instrument, maker_side, .. } =
            event.body
        {
            self.last_trade = (match_number, maker.account() == own, taker.account() == own);
            for (owner, is_buy) in [(maker, maker_side.is_buy()), (taker, !maker_side.is_buy())] {
                if owner.account() == own {
                    let (quantity, price) = self.texts(instrument, (quantity.0, price.0));
                    self.trades += 1;
                    let side = if is_buy { "buy" } else { "sell" };
                    let (symbol, match_number) = (self.symbol(instrument), match_number.to_string());
                    self.lines.push(Line { symbol, side, quantity, price, match_number, ..line("trade") });
                }
            }
        }
        if let EventBody::TradeBroken { match_number, buyer, seller, instrument, .. } = event.body
            && let CommandBody::Venue(VenueCommand::BustTrade(bust)) = &command.body
        {
            // Its fees come behind it: the buyer's, then the seller's.
            self.last_trade = (match_number, buyer.account() == own, seller.account() == own);
            for (owner, side) in [(buyer, "buy"), (seller, "sell")] {
                if owner.account() == own {
                    let (quantity, price) = self.texts(instrument, (bust.quantity.0, bust.price.0));
                    let (symbol, match_number) = (self.symbol(instrument), match_number.to_string());
                    self.lines.push(Line { symbol, side, quantity, price, match_number, ..line("broken") });
                }
            }
        }
        if let EventBody::FeesCharged { match_number, currency, maker, taker } = event.body
            && match_number == self.last_trade.0
        {
            self.fee((currency, match_number), (self.last_trade.1, maker), &line);
            self.fee((currency, match_number), (self.last_trade.2, taker), &line);
        }
        if let EventBody::KillSwitched { scope: Scope::Account(account), is_killed, cause } = event.body
            && account == own
        {
            let (kind, symbol) = if is_killed { ("killed", cause.as_text()) } else { ("resumed", "") };
            self.lines.push(Line { symbol: symbol.to_owned(), ..line(kind) });
        }
        if let CommandBody::Operator(request) = &command.body
            && let OperatorAction::SetMode { account, .. } = request.action
            && account == own
            && matches!(event.body, EventBody::Answered { outcome, .. } if outcome.is_done())
        {
            self.lines.push(line("mode"));
        }
    }

    fn fee(
        &mut self,
        (currency, match_number): (Currency, MatchNumber),
        (is_own, fee): (bool, Amount),
        line: &impl Fn(&'static str) -> Line,
    ) {
        if is_own && fee != Amount::ZERO {
            *self.fees.entry(currency).or_default() += fee.0;
            let (amount, currency) = (Amount(-fee.0).to_string(), currency.code().to_owned());
            self.lines.push(Line { amount, currency, match_number: match_number.to_string(), ..line("fee") });
        }
    }

    fn symbol(&self, instrument: InstrumentId) -> String {
        self.instruments.get(&instrument).map_or_else(|| instrument.to_string(), |(symbol, ..)| symbol.clone())
    }

    /// Quantity and price in decimals.
    fn texts(&self, instrument: InstrumentId, (quantity, price): (u32, u32)) -> (String, String) {
        let (price_decimals, qty_decimals) =
            self.instruments.get(&instrument).map_or((0, 0), |(_, price, qty)| (i32::from(*price), i32::from(*qty)));
        let decimal = |units: u32, decimals: i32| {
            let exponent = u32::try_from(12 - decimals).unwrap_or(0);
            Amount(i128::from(units) * 10_i128.pow(exponent)).to_string()
        };
        (decimal(quantity, qty_decimals), decimal(price, price_decimals))
    }
}

const HEADER: [&str; 11] = [
    "date",
    "time_ns",
    "sequence",
    "kind",
    "symbol",
    "side",
    "quantity",
    "price",
    "amount",
    "currency",
    "match_number",
];

fn print(lines: &[Line], as_json: bool, as_csv: bool) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if as_csv {
        writer.write_record(HEADER)?;
    } else if !as_json {
        print_line(&format!("{:<20} {:>10}  {:<10}  what, match number", "time", "sequence", "kind"));
    }
    for line in lines {
        let (time, sequence) = (line.time.0.to_string(), line.sequence.to_string());
        let date = time_text(line.time);
        let fields: [&str; 11] = [
            date.split('T').next().unwrap_or_default(),
            &time,
            &sequence,
            line.kind,
            &line.symbol,
            line.side,
            &line.quantity,
            &line.price,
            &line.amount,
            &line.currency,
            &line.match_number,
        ];
        if as_csv {
            writer.write_record(fields)?;
        } else if as_json {
            let pairs = HEADER.iter().zip(fields).filter(|(_, field)| !field.is_empty());
            let object: serde_json::Map<_, _> = pairs.map(|(name, field)| ((*name).to_owned(), json!(field))).collect();
            print_line(&serde_json::Value::Object(object).to_string());
        } else {
            let [_, _, _, kind, what @ ..] = fields;
            let what: Vec<&str> = what.into_iter().filter(|field| !field.is_empty()).collect();
            print_line(format!("{date:<20} {sequence:>10}  {kind:<10}  {}", what.join("  ")).trim_end());
        }
    }
    if as_csv {
        print_line(String::from_utf8(writer.into_inner()?)?.trim_end());
    }
    Ok(())
}
