//! What is done to a snapshot database, page by page and bit by bit, and what must hold: what is loaded is a snapshot as it
//! was written, an older one where the newest is hurt, or none; never another one, and never a panic.

use std::fs;
use std::path::{Path, PathBuf};

use protocol::{
    AccountId, Channel, InstrumentId, Nanos, OrderRef, Price, Qty, Sequence, Side, TimeInForce, UserRefNum,
};

use crate::snapshots::store::{Snapshot, SnapshotMeta, SnapshotRows, SnapshotStore};
use crate::snapshots::tables::OrderRow;
use crate::testing::torture::Outcome;

/// Bytes of a page, as `SQLite` makes them.
const PAGE: usize = 4096;
/// Snapshots in the database.
const SNAPSHOTS: u64 = 3;
/// Bytes of the state of each.
const STATE_BYTES: u64 = 64 << 10;
/// Rows of the readable table.
const ORDERS: u64 = 100;

/// What it came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFigures {
    /// Pages of the database.
    pub pages: u64,
    /// Cases tried.
    pub cases: u64,
    /// Of these, such that the newest snapshot was loaded, as it was written.
    pub newest: u64,
    /// An older one, as it was written.
    pub older: u64,
    /// None: a start goes through the whole journal.
    pub none: u64,
}

fn snapshot(sequence: u64) -> Snapshot {
    let meta = SnapshotMeta {
        sequence: Sequence(sequence),
        ingress: Nanos(sequence * 7),
        state_hash: [1; 32],
        event_hash: [2; 32],
        state_version: 2,
        build: "torture".to_owned(),
        created: Nanos(sequence * 7 + 1),
    };
    let state = (0..STATE_BYTES / 8).flat_map(|word| (word ^ (sequence << 40)).to_le_bytes()).collect();
    Snapshot { meta, state }
}

fn order(number: u64) -> OrderRow {
    OrderRow {
        order_ref: OrderRef(number),
        instrument: InstrumentId(1),
        account: AccountId(2),
        channel: Channel(0),
        user_ref_num: UserRefNum(7),
        side: Side::Buy,
        price: Price(100),
        leaves_qty: Qty(5),
        tif: TimeInForce::Gtc,
    }
}

/// The database, as an orderly end leaves it.
fn write(path: &Path) -> Outcome<Vec<u8>> {
    let failed = |error: crate::SnapshotError| error.to_string();
    let mut store = SnapshotStore::open(path, 8).map_err(failed)?;
    for sequence in 1..=SNAPSHOTS {
        let Snapshot { meta, state } = snapshot(sequence);
        let rows = SnapshotRows {
            meta,
            state: &state,
            instruments: &mut std::iter::empty(),
            accounts: &mut std::iter::empty(),
            orders: &mut (1..=ORDERS).map(order),
            sessions: &mut std::iter::empty(),
            balances: &mut std::iter::empty(),
            positions: &mut std::iter::empty(),
            limits: &mut std::iter::empty(),
        };
        store.write(rows).map_err(failed)?;
    }
    drop(store);
    fs::read(path).map_err(|error| error.to_string())
}

/// The place where it is hurt.
struct Bench {
    path: PathBuf,
    figures: SnapshotFigures,
}

impl Bench {
    /// Loads from these bytes, as a start does, and as whoever goes on writing.
    fn load(&mut self, bytes: &[u8], what: &dyn Fn() -> String) -> Outcome<()> {
        for suffix in ["-wal", "-shm"] {
            let mut beside = self.path.clone().into_os_string();
            beside.push(suffix);
            drop(fs::remove_file(beside));
        }
        fs::write(&self.path, bytes).map_err(|error| error.to_string())?;
        let found = SnapshotStore::open_read_only(&self.path).and_then(|store| store.newest_valid());
        let sequence = match &found {
            Ok(Some(found)) if *found == snapshot(found.meta.sequence.0) => found.meta.sequence.0,
            Ok(Some(found)) => {
                return Err(format!("{}: snapshot {} was never written so", what(), found.meta.sequence));
            }
            Ok(None) | Err(_) => 0,
        };
        drop(SnapshotStore::open(&self.path, 8).map(|store| store.oldest_valid()));
        let SnapshotFigures { cases, newest, older, none, .. } = &mut self.figures;
        *cases += 1;
        *match sequence {
            SNAPSHOTS => newest,
            0 => none,
            _ => older,
        } += 1;
        Ok(())
    }
}

/// Each page of a database inverted, zeroed, put in place of the next one, and the file cut before it and within it; then every
/// `step`th bit flipped. The files are made in `folder`.
///
/// # Errors
/// The case after which something was loaded that was never written.
pub fn every_page(folder: &Path, step: usize) -> Outcome<SnapshotFigures> {
    let path = folder.join("snapshots.sqlite");
    let whole = write(&path)?;
    let mut bench = Bench { path, figures: SnapshotFigures::default() };
    bench.load(&whole, &|| "unhurt".to_owned())?;
    if bench.figures.newest != 1 {
        return Err("the newest snapshot is not loaded from a database that nobody hurt".to_owned());
    }
    for page in 0..whole.len() / PAGE {
        let at = page * PAGE;
        let range = at..at + PAGE;
        let mut hurt = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = whole.clone();
            change(&mut bytes);
            bench.load(&bytes, &|| format!("page {page} {what}"))
        };
        hurt("inverted", &|bytes| bytes[range.clone()].iter_mut().for_each(|byte| *byte = !*byte))?;
        hurt("zeroed", &|bytes| bytes[range.clone()].fill(0))?;
        hurt("twice", &|bytes| bytes.copy_within(range.clone(), (at + PAGE).min(whole.len() - PAGE)))?;
        hurt("cut before", &|bytes| bytes.truncate(at))?;
        hurt("cut within", &|bytes| bytes.truncate(at + 1_234))?;
    }
    bench.figures.pages = (whole.len() / PAGE) as u64;
    let mut bytes = whole;
    for bit in (0..bytes.len() * 8).step_by(step.max(1)) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        bench.load(&bytes, &|| format!("bit {bit} flipped"))?;
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    Ok(bench.figures)
}
