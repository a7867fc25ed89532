//! Builds a venue from its configuration and its data directory: recovers, adds what the configuration adds, makes the
//! rings and the agents. Nothing runs yet when this is done.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::ensure;
use crossbeam_queue::ArrayQueue;
use engine::event_hash::EventHasher;
use gateway_edge::PasswordTable;
use journal::{DataDir, DataPaths, JournalWriter, PreparerThread};
use protocol::{Command, Sequence, record};

mod agents;
mod bounds;
mod chain_check;
mod identity;
mod recover;

pub use bounds::{drop_copy_config, edge_config, feed_config};
pub use recover::{StoppedEarly, recover_only};

use agents::{Shared, agents};
use identity::{Identity, open_writer, spawn_preparer};
use recover::{Recovered, Recovering, recover};

use crate::clock::utc_now;
use crate::config::{Config, DurabilityMode};
use crate::output::print_line;
use crate::reload::Knobs;
use crate::venue::bootstrap;
use crate::venue::credentials::{Cost, VenueCredentials};
use crate::venue::fault::Fault;
use crate::venue::hash_marks::{MARKS_MAX, MarkQueue};
use crate::venue::metrics::Metrics;
use crate::venue::ports::remove_sessions_before;
use crate::venue::threads::Agents;

const MIB: u64 = 1 << 20;

/// What outlives the agents: helpers, locks, and what recovery found.
#[derive(Debug)]
pub struct Venue {
    /// Hash over the events, also after recovery.
    pub hasher: Arc<Mutex<EventHasher>>,
    /// Last sequence when the venue was ready.
    pub ready_at: Sequence,
    /// Where everything is.
    pub paths: DataPaths,
    /// What the live side's event hash was, for the follower.
    pub marks: MarkQueue,
    /// What the venue counts.
    pub metrics: Metrics,
    /// What it can be told while it runs.
    pub knobs: Knobs,
    preparer: Option<PreparerThread>,
    _data_dir: DataDir,
}

impl Venue {
    /// True once a full journal segment could not be sealed.
    pub fn preparer_failed(&self) -> bool {
        self.preparer.as_ref().is_some_and(|preparer| preparer.watch().has_failed())
    }
}

/// Does all of it.
///
/// # Errors
/// Each says what was expected, what was found and what to do.
pub fn assemble(config: &Config, fault: &Arc<Fault>, asked_to_stop: &AtomicBool) -> anyhow::Result<(Agents, Venue)> {
    let data_dir = DataDir::open(&config.data_dir)?;
    let paths = data_dir.paths().clone();
    let memory = config.durability == DurabilityMode::Memory;
    let is_live = Arc::new(AtomicBool::new(false));
    let recovered = recover(config, &paths, fault, &is_live, asked_to_stop)?;
    let Recovered { identity, mut recovering, stream_preparers, streams_dir, begins_in, feed_readers, .. } = recovered;
    let recovered_to = recovering.replica.core.last_sequence();
    ensure!(
        !memory || recovered_to == Sequence::ZERO,
        "{} holds a journal, and durability memory would not continue it; name an empty --data-dir",
        config.data_dir.display()
    );
    let mut writer = if memory { None } else { Some(open_writer(config, &paths, &identity, recovered_to)?) };
    let preparer = writer.as_ref().map(|writer| spawn_preparer(config, writer)).transpose()?;
    let credentials = credentials(config, paths.root())?;
    open_venue(config, &identity, &mut recovering, writer.as_mut(), &credentials)?;
    recovering.end_rebuild()?;
    is_live.store(true, Ordering::Release);
    let session = recovering.reporter.session();
    remove_sessions_before(&streams_dir, begins_in.map_or(session, |begun| begun.min(session)));

    let hasher = Arc::new(Mutex::new(recovering.replica.hasher.clone()));
    let ready_at = recovering.replica.core.last_sequence();
    let metrics = Metrics::open(config, &paths);
    let watch = preparer.as_ref().map(PreparerThread::watch);
    let marks: MarkQueue = Arc::new(ArrayQueue::new(MARKS_MAX));
    let for_agents = Arc::clone(&marks);
    let shared = Shared {
        hasher: &hasher,
        fault,
        stream_preparers,
        credentials,
        paths: &paths,
        preparer: watch,
        marks: for_agents,
        metrics: metrics.clone(),
        feed_readers,
    };
    let agents = agents(config, recovering, writer, shared)?;
    let knobs = knobs(config, &agents)?;
    Ok((agents, Venue { hasher, ready_at, paths, marks, metrics, knobs, preparer, _data_dir: data_dir }))
}

/// What the ports can be told while they run.
fn knobs(config: &Config, agents: &Agents) -> anyhow::Result<Knobs> {
    let knobs = Knobs {
        edge: agents.edge.mailbox(),
        drop_copy: agents.drop_copy.mailbox(),
        feed: agents.feed.mailbox(),
        tls: [
            (config.tls().order_entry, agents.edge.tls()),
            (config.tls().feed, agents.feed.tls()),
            (config.tls().drop_copy, agents.drop_copy.tls()),
        ]
        .into_iter()
        .filter_map(|(is_used, port)| is_used.then_some(port))
        .collect(),
    };
    knobs.certify(config.tls().read()?.as_ref());
    Ok(knobs)
}

/// Journals and applies what the configuration adds.
fn open_venue(
    config: &Config,
    identity: &Identity,
    recovering: &mut Recovering<'_>,
    mut writer: Option<&mut JournalWriter>,
    credentials: &VenueCredentials,
) -> anyhow::Result<()> {
    for notice in bootstrap::notices(&recovering.replica.core, config, |name| credentials.knows(name)) {
        print_line(&format!("note: {notice}"));
    }
    let ingress = utc_now().max(recovering.replica.core.last_ingress());
    for body in bootstrap::commands(&recovering.replica.core, config, identity.session, ingress)? {
        let command = Command { sequence: recovering.replica.core.last_sequence().next(), ingress, body };
        if let Some(writer) = writer.as_deref_mut() {
            let mut bytes = [0; record::BODY_BYTES_MAX];
            let length = record::encode(&body, &mut bytes);
            writer.append(command.sequence, ingress, bytes.get(..length).unwrap_or_default())?;
        }
        recovering.apply(&command)?;
    }
    if let Some(writer) = writer {
        writer.flush()?;
    }
    Ok(())
}

/// Who may log in. An account of the configuration gets its first password from there; the demo accounts keep theirs.
fn credentials(config: &Config, data_dir: &Path) -> anyhow::Result<VenueCredentials> {
    let mut demo = PasswordTable::new();
    for account in config.accounts.iter().filter(|account| account.is_demo) {
        demo.insert(&account.name, &account.password);
    }
    let section = config.passwords();
    let cost = Cost { memory_kib: section.memory_kib, iterations: section.iterations };
    let credentials = VenueCredentials::open(demo, cost, data_dir)?;
    for account in config.accounts.iter().filter(|account| !account.is_demo) {
        if !credentials.knows(account.name) {
            credentials.set(account.name, &account.password)?;
        }
    }
    Ok(credentials)
}
