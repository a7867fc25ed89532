//! A snapshot from a core: the encoded state for recovery, and the same in rows for people.

use engine::core::Core;
use journal::{
    AccountRow, BalanceRow, InstrumentRow, LimitRow, OrderRow, PositionRow, SessionRow, SnapshotError, SnapshotMeta,
    SnapshotRows, SnapshotStore,
};
use protocol::operator::Scope;
use protocol::{AccountId, Amount, SessionName};

use crate::clock::utc_now;
use crate::venue::counted_streams::CountedStreams;
use crate::venue::recovery::Replica;
use crate::venue::restore_point;

/// Writes the replica's state, and what the streams have come to, into the store, in one transaction.
///
/// # Errors
/// What the database says.
pub fn write(store: &mut SnapshotStore, replica: &Replica, streams: &CountedStreams) -> Result<(), SnapshotError> {
    let core = &replica.core;
    let mut core_state = Vec::new();
    core.encode_state(&mut core_state);
    let streams = streams.all();
    let lengths = streams.iter().map(|(file, _, length)| (file.clone(), *length)).collect();
    let state = restore_point::encode(&core_state, &replica.hasher, &lengths);
    let opened = core.venue().map_or(SessionName::BLANK, |venue| venue.session);
    let meta = SnapshotMeta {
        sequence: core.last_sequence(),
        ingress: core.last_ingress(),
        // Core::state_hash would encode the state a second time.
        state_hash: *blake3::hash(&core_state).as_bytes(),
        event_hash: replica.hasher.finish(),
        state_version: restore_point::STATE_VERSION,
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
        sessions: &mut streams.into_iter().map(|(file, session, length)| SessionRow {
            name: file.trim_end_matches(".stream").to_owned(),
            // The feed's stream is opened before its session has a name.
            session: if session == SessionName::BLANK { opened } else { session },
            messages: length.messages,
            bytes: length.bytes,
        }),
        balances: &mut accounts(core).flat_map(|account| balances(core, account)),
        positions: &mut accounts(core).flat_map(|account| positions(core, account)),
        limits: &mut limits(core).into_iter(),
    })
}

fn accounts(core: &Core) -> impl Iterator<Item = AccountId> {
    core.accounts().map(|view| view.account)
}

fn balances(core: &Core, account: AccountId) -> Vec<BalanceRow> {
    let risk = core.risk();
    let rows = risk.funds(account).map(|funds| BalanceRow {
        account,
        currency: funds.currency.code().to_owned(),
        balance: funds.balance.to_string(),
        reserved: funds.reserved.to_string(),
    });
    rows.collect()
}

fn positions(core: &Core, account: AccountId) -> Vec<PositionRow> {
    let text = |amount: Option<Amount>| amount.map(|amount| amount.to_string());
    let rows = core.risk().positions(account).into_iter().map(|view| PositionRow {
        account,
        instrument: view.instrument,
        quantity: text(view.quantity),
        cost: text(view.cost),
        realised: text(view.realised),
        unrealised: text(view.unrealised),
    });
    rows.collect()
}

/// The limits of the venue, of its firms, of its instruments and of its accounts.
fn limits(core: &Core) -> Vec<LimitRow> {
    let mut firms: Vec<_> = core.accounts().map(|view| view.firm).collect();
    firms.sort_unstable();
    firms.dedup();
    let venue = std::iter::once((Scope::Venue, "venue", String::new()));
    let firms = firms.into_iter().map(|firm| (Scope::Firm(firm), "firm", firm.to_string()));
    let instruments = core
        .instruments()
        .map(|view| (Scope::Instrument(view.listed.instrument), "instrument", view.listed.symbol.to_string()));
    let accounts = core.accounts().map(|view| (Scope::Account(view.account), "account", view.name.to_string()));
    let scopes = venue.chain(firms).chain(instruments).chain(accounts);
    let rows = scopes.flat_map(|(scope, kind_of_scope, name)| {
        core.risk().limits(scope).into_iter().map(move |view| LimitRow {
            scope: kind_of_scope,
            name: name.clone(),
            kind: view.limit.as_text(),
            value: view.value.to_string(),
        })
    });
    rows.collect()
}
