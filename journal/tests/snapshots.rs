//! The snapshot database: what is written is loaded, the newest whole one wins, and only the newest few stay.

#![expect(clippy::unwrap_used, reason = "a step that fails, fails the test")]

use std::fs;
use std::path::Path;

use journal::{
    AccountRow, BalanceRow, InstrumentRow, LimitRow, OrderRow, PositionRow, SessionRow, Snapshot, SnapshotError,
    SnapshotMeta, SnapshotRows, SnapshotStore,
};
use protocol::{
    AccountId, AccountName, Channel, Firm, InstrumentId, Nanos, OrderRef, Price, Qty, Sequence, SessionName, Side,
    Symbol, TimeInForce, TradingState, UserRefNum,
};
use rusqlite::Connection;

fn meta(sequence: u64) -> SnapshotMeta {
    SnapshotMeta {
        sequence: Sequence(sequence),
        ingress: Nanos(sequence * 7),
        state_hash: [1; 32],
        event_hash: [2; 32],
        state_version: 3,
        build: "test".into(),
        created: Nanos(sequence * 7 + 1),
    }
}

fn state(sequence: u64) -> Vec<u8> {
    (0..10_000).flat_map(|word: u64| (word * sequence).to_le_bytes()).collect()
}

fn order(number: u64) -> OrderRow {
    OrderRow {
        order_ref: OrderRef(number),
        instrument: InstrumentId(1),
        account: AccountId(2),
        channel: Channel(0),
        user_ref_num: UserRefNum(7),
        side: Side::SellShort,
        price: Price(1_999_999_900),
        leaves_qty: Qty(u32::MAX),
        tif: TimeInForce::Gtc,
    }
}

fn write(store: &mut SnapshotStore, sequence: u64) -> Result<(), SnapshotError> {
    let instrument = InstrumentRow {
        instrument: InstrumentId(1),
        symbol: Symbol::from_text("AAPL").unwrap(),
        price_decimals: 4,
        qty_decimals: 0,
        tick: Price(100),
        lot: Qty(1),
        max_qty: Qty(999_999),
        state: TradingState::Trading,
    };
    let account = AccountRow {
        account: AccountId(0),
        name: AccountName::from_text("DEMO01").unwrap(),
        firm: Firm::from_text("DEMA").unwrap(),
        entry_enabled: true,
    };
    let balance =
        BalanceRow { account: AccountId(0), currency: "USD".into(), balance: "12.5".into(), reserved: "0".into() };
    let position = PositionRow {
        account: AccountId(0),
        instrument: InstrumentId(1),
        quantity: Some("100".into()),
        cost: Some("15034".into()),
        realised: None,
        unrealised: None,
    };
    let limit = LimitRow { scope: "firm", name: "DEMA".into(), kind: "max-open-orders", value: "5".into() };
    let session = SessionRow { name: "feed".into(), session: SessionName::BLANK, messages: 5, bytes: 99 };
    store.write(SnapshotRows {
        meta: meta(sequence),
        state: &state(sequence),
        instruments: &mut [instrument].into_iter(),
        accounts: &mut [account].into_iter(),
        orders: &mut (1..=sequence).map(order),
        sessions: &mut [session].into_iter(),
        balances: &mut [balance].into_iter(),
        positions: &mut [position].into_iter(),
        limits: &mut [limit].into_iter(),
    })
}

fn sequences(store: &SnapshotStore) -> Vec<u64> {
    store.list().unwrap().iter().map(|meta| meta.sequence.0).collect()
}

#[test]
fn the_newest_is_loaded_after_reopening_and_only_the_newest_few_stay() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("snapshots.sqlite");
    let mut store = SnapshotStore::open(&path, 3).unwrap();
    assert_eq!(store.newest_valid().unwrap(), None);
    for sequence in [10, 20, 30, 40, 50] {
        write(&mut store, sequence).unwrap();
    }
    drop(store);
    let store = SnapshotStore::open_read_only(&path).unwrap();
    assert_eq!(sequences(&store), [50, 40, 30]);
    assert_eq!(store.list().unwrap()[0], meta(50));
    assert_eq!(store.newest_valid().unwrap(), Some(Snapshot { meta: meta(50), state: state(50) }));
    let report = store.verify().unwrap();
    assert!(report.integrity.is_empty() && report.snapshots.iter().all(|check| check.fault.is_none()), "{report:?}");
    let connection = Connection::open(&path).unwrap();
    let count = |table| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, u32>(0));
    let tables = ["instruments", "accounts", "orders", "sessions", "balances", "positions", "limits", "meta"];
    assert_eq!(tables.map(|table| count(table).unwrap()), [1, 1, 50, 1, 1, 1, 1, 1]);
    let newest =
        connection.query_row("SELECT sequence, event_hash FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(newest.unwrap(), (50, "02".repeat(32)));
    assert_eq!(store.oldest_valid().unwrap(), Some(Sequence(30)));
}

#[test]
fn snapshots_of_a_state_that_turned_out_wrong_are_dropped() {
    let temp = tempfile::tempdir().unwrap();
    let mut store = SnapshotStore::open(&temp.path().join("snapshots.sqlite"), 8).unwrap();
    for sequence in [10, 20, 30] {
        write(&mut store, sequence).unwrap();
    }
    assert_eq!(store.remove_after(Sequence(10)).unwrap(), 2);
    assert_eq!(sequences(&store), [10]);
    assert_eq!(store.remove_after(Sequence(10)).unwrap(), 0);
}

/// A database as each version wrote it: read as it is, and brought up to date by the first writer.
#[test]
fn a_database_of_every_version_is_read_and_brought_up_to_date() {
    for version in 1..=2 {
        database_of_version(version);
    }
}

fn database_of_version(written: i32) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("snapshots.sqlite");
    let kept = format!("tests/fixtures/other/snapshots-v{written}.sqlite");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(kept), &path).unwrap();
    let version =
        |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0));
    assert_eq!(version(&Connection::open(&path).unwrap()).unwrap(), written);
    let kept = SnapshotStore::open_read_only(&path).unwrap().newest_valid().unwrap().unwrap();
    assert_eq!((kept.meta, kept.state), (meta(2), format!("the state of version {written}").into_bytes()));
    let mut store = SnapshotStore::open(&path, 3).unwrap();
    assert_eq!(version(&Connection::open(&path).unwrap()).unwrap(), 2);
    write(&mut store, 3).unwrap();
    assert_eq!(sequences(&store), [3, 2]);
    assert!(store.verify().unwrap().integrity.is_empty());
}

#[test]
fn a_snapshot_whose_content_changed_is_passed_over() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("snapshots.sqlite");
    let mut store = SnapshotStore::open(&path, 8).unwrap();
    for sequence in 1..=5 {
        write(&mut store, sequence).unwrap();
    }
    let connection = Connection::open(&path).unwrap();
    connection.execute("UPDATE snapshots SET state = zeroblob(80000) WHERE sequence = 5", []).unwrap();
    connection.execute("UPDATE snapshots SET ingress_ns = 8 WHERE sequence = 4", []).unwrap();
    connection.execute("UPDATE snapshots SET event_hash = zeroblob(31) WHERE sequence = 3", []).unwrap();
    assert_eq!(store.newest_valid().unwrap().unwrap().meta.sequence, Sequence(2));
    let report = store.verify().unwrap();
    let faults: Vec<_> = report.snapshots.iter().map(|check| check.fault.is_some()).collect();
    assert_eq!(faults, [true, true, true, false, false]);
}

#[test]
fn a_failed_write_leaves_what_was_there() {
    let temp = tempfile::tempdir().unwrap();
    let mut store = SnapshotStore::open(&temp.path().join("snapshots.sqlite"), 2).unwrap();
    write(&mut store, 1).unwrap();
    let refused = store.write(SnapshotRows {
        meta: meta(2),
        state: &[],
        instruments: &mut std::iter::empty(),
        accounts: &mut std::iter::empty(),
        orders: &mut [1, u64::MAX].map(order).into_iter(),
        sessions: &mut std::iter::empty(),
        balances: &mut std::iter::empty(),
        positions: &mut std::iter::empty(),
        limits: &mut std::iter::empty(),
    });
    assert!(matches!(refused, Err(SnapshotError::TooLarge { .. })));
    assert_eq!(sequences(&store), [1]);
    write(&mut store, 2).unwrap();
    assert_eq!(sequences(&store), [2, 1]);
}

#[test]
fn each_flipped_page_is_found_or_leaves_the_content_right() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("snapshots.sqlite");
    let mut store = SnapshotStore::open(&path, 8).unwrap();
    for sequence in 1..=3 {
        write(&mut store, sequence).unwrap();
    }
    drop(store);
    let whole = fs::read(&path).unwrap();
    let mut older = 0;
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..][..4096].iter_mut().for_each(|byte| *byte ^= 0x10);
        older += u32::from(load(&path, &bytes) < 3);
    }
    assert!(older > 20, "the pages of the newest state lead to an older one: {older}");
    for cut in (0..whole.len()).step_by(1000) {
        load(&path, &whole[..cut]);
    }
}

/// Opens this database and loads what it has: 0 for none, otherwise the sequence of a snapshot that must be right.
fn load(path: &Path, bytes: &[u8]) -> u64 {
    fs::write(path, bytes).unwrap();
    let Ok(store) = SnapshotStore::open(path, 8) else { return 0 };
    let Ok(Some(snapshot)) = store.newest_valid() else { return 0 };
    let sequence = snapshot.meta.sequence.0;
    assert_eq!(snapshot, Snapshot { meta: meta(sequence), state: state(sequence) });
    sequence
}

#[test]
fn a_database_that_cannot_be_written_is_moved_aside_and_begun_anew() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("snapshots.sqlite");
    let (mut store, moved) = SnapshotStore::open_or_replace(&path, 2).unwrap();
    assert_eq!(moved, None);
    write(&mut store, 1).unwrap();
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    bytes[..4096].fill(7);
    fs::write(&path, &bytes).unwrap();
    let (mut store, moved) = SnapshotStore::open_or_replace(&path, 2).unwrap();
    assert_eq!(fs::read(moved.unwrap()).unwrap(), bytes);
    assert_eq!(sequences(&store), [0; 0]);
    write(&mut store, 2).unwrap();
    assert_eq!(sequences(&store), [2]);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("snapshots.sqlite");
    assert!(SnapshotStore::open_read_only(&path).is_err());
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(SnapshotStore::open(&path, 2), Err(SnapshotError::OtherDatabase { .. })));
    assert!(SnapshotStore::open_or_replace(&path, 2).is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(&path, [7; 5000]).unwrap();
    assert!(matches!(SnapshotStore::open(&path, 2), Err(SnapshotError::Sqlite { .. })));
}

/// Writes the fixture again: `SNAPSHOT_WRITE_FIXTURE=1`, with the program of that version.
#[test]
fn writes_the_fixture_when_asked_to() {
    let Some(path) = std::env::var_os("SNAPSHOT_WRITE_FIXTURE") else { return };
    let mut store = SnapshotStore::open(Path::new(&path), 3).unwrap();
    store
        .write(SnapshotRows {
            meta: meta(2),
            state: b"the state of version 2",
            instruments: &mut std::iter::empty(),
            accounts: &mut std::iter::empty(),
            orders: &mut [1].map(order).into_iter(),
            sessions: &mut std::iter::empty(),
            balances: &mut std::iter::empty(),
            positions: &mut std::iter::empty(),
            limits: &mut std::iter::empty(),
        })
        .unwrap();
}
