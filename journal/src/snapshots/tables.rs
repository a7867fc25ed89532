//! The readable tables of the snapshot database (docs/journal-format.md §6): for people and their queries; nothing is recovered
//! from them.

use protocol::{
    AccountId, AccountName, Channel, Firm, InstrumentId, OrderRef, Price, Qty, SessionName, Side, Symbol, TimeInForce,
    TradingState, UserRefNum,
};
use rusqlite::{Connection, Statement, params};

use crate::snapshots::store::{Outcome, SnapshotError, SnapshotRows, letter, signed};

/// What the first version of the database had.
pub(crate) const TABLES: &str = "
CREATE TABLE snapshots (
  sequence INTEGER PRIMARY KEY, ingress_ns INTEGER NOT NULL, created_ns INTEGER NOT NULL, state_version INTEGER NOT NULL,
  build TEXT NOT NULL, state_hash BLOB NOT NULL, event_hash BLOB NOT NULL, content_hash BLOB NOT NULL, state BLOB NOT NULL
) STRICT;
CREATE TABLE instruments (
  instrument INTEGER PRIMARY KEY, symbol TEXT NOT NULL, price_decimals INTEGER NOT NULL, qty_decimals INTEGER NOT NULL,
  tick INTEGER NOT NULL, lot INTEGER NOT NULL, max_qty INTEGER NOT NULL, trading_state TEXT NOT NULL
) STRICT;
CREATE TABLE accounts (
  account INTEGER PRIMARY KEY, name TEXT NOT NULL, firm TEXT NOT NULL, entry_enabled INTEGER NOT NULL
) STRICT;
CREATE TABLE orders (
  order_ref INTEGER PRIMARY KEY, instrument INTEGER NOT NULL, account INTEGER NOT NULL, channel INTEGER NOT NULL,
  user_ref_num INTEGER NOT NULL, side TEXT NOT NULL, price INTEGER NOT NULL, leaves_qty INTEGER NOT NULL, tif TEXT NOT NULL
) STRICT;
CREATE TABLE sessions (
  name TEXT PRIMARY KEY, session TEXT NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
";

/// What version 2 added.
pub(crate) const TABLES_OF_2: &str = "
CREATE TABLE balances (
  account INTEGER NOT NULL, currency TEXT NOT NULL, balance TEXT NOT NULL, reserved TEXT NOT NULL,
  PRIMARY KEY (account, currency)
) STRICT;
CREATE TABLE positions (
  account INTEGER NOT NULL, instrument INTEGER NOT NULL, quantity TEXT, cost TEXT, realised TEXT, unrealised TEXT,
  PRIMARY KEY (account, instrument)
) STRICT;
CREATE TABLE limits (
  scope TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (scope, name, kind)
) STRICT;
CREATE VIEW meta AS
  SELECT sequence, ingress_ns, created_ns, state_version, build, lower(hex(state_hash)) AS state_hash,
         lower(hex(event_hash)) AS event_hash
  FROM snapshots ORDER BY sequence DESC LIMIT 1;
";

/// Empties the readable tables.
pub(crate) const EMPTY: &str =
    "DELETE FROM instruments; DELETE FROM accounts; DELETE FROM orders; DELETE FROM sessions;
DELETE FROM balances; DELETE FROM positions; DELETE FROM limits;";

/// One instrument, for people. Prices and quantities are in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentRow {
    /// Its index.
    pub instrument: InstrumentId,
    /// Its name.
    pub symbol: Symbol,
    /// Decimals of a price in wire units.
    pub price_decimals: u8,
    /// Decimals of a quantity in wire units.
    pub qty_decimals: i8,
    /// Least price step.
    pub tick: Price,
    /// Least quantity step.
    pub lot: Qty,
    /// Largest quantity of an order.
    pub max_qty: Qty,
    /// Trading, halted ...
    pub state: TradingState,
}

/// One account, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its index.
    pub account: AccountId,
    /// Its login name.
    pub name: AccountName,
    /// Its firm.
    pub firm: Firm,
    /// False while its order entry is disabled.
    pub entry_enabled: bool,
}

/// One live order, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// The venue's reference.
    pub order_ref: OrderRef,
    /// What it is for.
    pub instrument: InstrumentId,
    /// Whose it is.
    pub account: AccountId,
    /// On which channel of that account.
    pub channel: Channel,
    /// The client's number for it.
    pub user_ref_num: UserRefNum,
    /// Buy or sell, as marked.
    pub side: Side,
    /// Limit price, wire units.
    pub price: Price,
    /// Open quantity, wire units.
    pub leaves_qty: Qty,
    /// Time in force.
    pub tif: TimeInForce,
}

/// One stream, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The account's name, or `feed`.
    pub name: String,
    /// Name of the session.
    pub session: SessionName,
    /// Messages so far.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What an account holds of one currency, for people. Amounts are decimal texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceRow {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub currency: String,
    /// What it holds.
    pub balance: String,
    /// What its open orders may cost.
    pub reserved: String,
}

/// One position, for people. Amounts are decimal texts; `None` where there is none to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRow {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub instrument: InstrumentId,
    /// Net quantity.
    pub quantity: Option<String>,
    /// What it has cost.
    pub cost: Option<String>,
    /// What closed quantity has made.
    pub realised: Option<String>,
    /// What it would make at the mark.
    pub unrealised: Option<String>,
}

/// One limit that is set, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// `venue`, `firm`, `instrument` or `account`.
    pub scope: &'static str,
    /// Which of them; empty for the venue.
    pub name: String,
    /// Which limit.
    pub kind: &'static str,
    /// Its value, a decimal text.
    pub value: String,
}

/// Replaces what the tables hold.
pub(crate) fn write(
    connection: &Connection,
    rows: &mut SnapshotRows<'_>,
    failed: &impl Fn(rusqlite::Error) -> SnapshotError,
) -> Result<(), SnapshotError> {
    connection.execute_batch(EMPTY).map_err(failed)?;
    write_instruments(connection, rows.instruments).map_err(failed)?;
    write_accounts(connection, rows.accounts).map_err(failed)?;
    write_orders(connection, rows.orders, failed)?;
    write_sessions(connection, rows.sessions, failed)?;
    write_balances(connection, rows.balances).map_err(failed)?;
    write_positions(connection, rows.positions).map_err(failed)?;
    write_limits(connection, rows.limits).map_err(failed)
}

fn write_balances(connection: &Connection, rows: &mut dyn Iterator<Item = BalanceRow>) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO balances VALUES (?1, ?2, ?3, ?4)")?;
    for row in rows {
        insert.execute(params![row.account.0, row.currency, row.balance, row.reserved])?;
    }
    Ok(())
}

fn write_positions(connection: &Connection, rows: &mut dyn Iterator<Item = PositionRow>) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO positions VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for row in rows {
        let PositionRow { account, instrument, quantity, cost, realised, unrealised } = row;
        insert.execute(params![account.0, instrument.0, quantity, cost, realised, unrealised])?;
    }
    Ok(())
}

fn write_limits(connection: &Connection, rows: &mut dyn Iterator<Item = LimitRow>) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO limits VALUES (?1, ?2, ?3, ?4)")?;
    for row in rows {
        insert.execute(params![row.scope, row.name, row.kind, row.value])?;
    }
    Ok(())
}

fn write_instruments(connection: &Connection, rows: &mut dyn Iterator<Item = InstrumentRow>) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO instruments VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for row in rows {
        insert.execute(params![
            row.instrument.0,
            row.symbol.as_text(),
            row.price_decimals,
            row.qty_decimals,
            row.tick.0,
            row.lot.0,
            row.max_qty.0,
            letter(row.state.letter()),
        ])?;
    }
    Ok(())
}

fn write_accounts(connection: &Connection, rows: &mut dyn Iterator<Item = AccountRow>) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO accounts VALUES (?1, ?2, ?3, ?4)")?;
    for row in rows {
        insert.execute(params![row.account.0, row.name.as_text(), row.firm.as_text(), row.entry_enabled])?;
    }
    Ok(())
}

fn write_orders(
    connection: &Connection,
    rows: &mut dyn Iterator<Item = OrderRow>,
    failed: &impl Fn(rusqlite::Error) -> SnapshotError,
) -> Outcome<()> {
    let prepared = connection.prepare("INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    let mut insert: Statement<'_> = prepared.map_err(failed)?;
    for row in rows {
        let values = params![
            signed("order reference", row.order_ref.0)?,
            row.instrument.0,
            row.account.0,
            row.channel.0,
            row.user_ref_num.0,
            letter(row.side.letter()),
            row.price.0,
            row.leaves_qty.0,
            letter(row.tif.letter()),
        ];
        insert.execute(values).map_err(failed)?;
    }
    Ok(())
}

fn write_sessions(
    connection: &Connection,
    rows: &mut dyn Iterator<Item = SessionRow>,
    failed: &impl Fn(rusqlite::Error) -> SnapshotError,
) -> Outcome<()> {
    let mut insert = connection.prepare("INSERT INTO sessions VALUES (?1, ?2, ?3, ?4)").map_err(failed)?;
    for row in rows {
        let (messages, bytes) = (signed("message count", row.messages)?, signed("stream length", row.bytes)?);
        insert.execute(params![row.name, row.session.as_text(), messages, bytes]).map_err(failed)?;
    }
    Ok(())
}
