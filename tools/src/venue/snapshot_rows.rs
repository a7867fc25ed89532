//! A snapshot from a core: the encoded state for recovery, and the same in rows for people.

use journal::{AccountRow, InstrumentRow, OrderRow, SnapshotError, SnapshotMeta, SnapshotRows, SnapshotStore};

use crate::clock::utc_now;
use crate::venue::recovery::Replica;

/// Version of `Core::encode_state`.
const STATE_VERSION: u32 = 1;

/// Writes the replica's state into the store, in one transaction.
///
/// # Errors
/// What the database says.
pub fn write(store: &mut SnapshotStore, replica: &Replica) -> Result<(), SnapshotError> {
    let core = &replica.core;
    let mut state = Vec::new();
    core.encode_state(&mut state);
    let meta = SnapshotMeta {
        sequence: core.last_sequence(),
        ingress: core.last_ingress(),
        // Core::state_hash would encode the state a second time.
        state_hash: *blake3::hash(&state).as_bytes(),
        event_hash: replica.hasher.finish(),
        state_version: STATE_VERSION,
        build: concat!("hft ", env!("CARGO_PKG_VERSION")).to_owned(),
        created: utc_now(),
    };
    store.write(SnapshotRows {
        meta,
        state: &state,
        instruments: &mut core.instruments().map(|view| InstrumentRow {
            instrument: view.listed.instrument,
            symbol: view.listed.symbol,
            price_decimals: view.listed.price_decimals,
            qty_decimals: view.listed.qty_decimals,
            tick: view.listed.tick,
            lot: view.listed.lot,
            max_qty: view.listed.max_qty,
            state: view.state,
        }),
        accounts: &mut core.accounts().map(|view| AccountRow {
            account: view.account,
            name: view.name,
            firm: view.firm,
            entry_enabled: !view.entry_disabled,
        }),
        orders: &mut core.orders().map(|view| OrderRow {
            order_ref: view.order_ref,
            instrument: view.instrument,
            account: view.owner.account(),
            channel: view.owner.channel(),
            user_ref_num: view.user_ref_num,
            side: view.side,
            price: view.price,
            leaves_qty: view.leaves_qty,
            tif: view.time_in_force,
        }),
        // Streams are completed from the journal alone so far: there is nothing of them to keep here.
        sessions: &mut std::iter::empty(),
    })
}
