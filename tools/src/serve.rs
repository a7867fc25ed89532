//! `hft serve`: the venue. Says what it is going to do, recovers, runs until a signal or a fault, stops orderly.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use engine::memory::TableBytes;
use engine::runtime::counters::Recording;
use engine::runtime::memory;
use engine::runtime::plan::Plan;
use engine::runtime::topology::Topology;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::VenueArgs;
use crate::clock;
use crate::config::{Config, DurabilityMode, SharingKey};
use crate::log::{self, Log};
use crate::logging;
use crate::output::print_line;
use crate::placement::{self, Prepared};
use crate::reload;
use crate::replay::summary_of;
use crate::topology_cmd::plan_lines;
use crate::venue::fault::Fault;
use crate::venue::hash_marks::HashMark;
use crate::venue::hot_loop::TestStall;
use crate::venue::recovery::Replayed;
use crate::venue::running::Running;
use crate::venue::threads::Layout;
use crate::venue::{assembly, follower, watchdog};

/// How long an orderly stop waits for those who are connected to read what they are owed.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// How often the main thread looks for signals and faults.
const LOOK: Duration = Duration::from_millis(20);

/// Start the venue.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hft serve\n  hft serve --data-dir /tmp/day1 --port-offset 100 --durability fdatasync"
)]
pub struct Args {
    #[command(flatten)]
    venue: VenueArgs,
    /// How durable a command is before anything that it caused leaves, instead of the configuration's mode
    #[arg(long, value_name = "MODE")]
    durability: Option<DurabilityMode>,
    /// How edge, core and journal share a cpu below four cores, instead of the configuration's way
    #[arg(long, value_name = "HOW")]
    sharing: Option<SharingKey>,
    /// For tests: an agent stands still when it first has work, as core:300
    #[arg(long, hide = true, value_name = "AGENT:MS")]
    test_stall: Option<TestStall>,
    /// For benches: in a session of its own, which the kernel may count as a group of its own; ends with who started it
    #[arg(long, hide = true)]
    own_session: bool,
    /// For the bench of the counters: lines "recording on" and "recording off" on standard input
    #[arg(long, hide = true)]
    bench_recording: bool,
}

/// Serves until SIGINT or SIGTERM; exit code 0 after an orderly stop. SIGHUP reads the configuration again.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.own_session {
        memory::leave_session().context("cannot begin a session of its own")?;
    }
    let mut overrides = args.venue.overrides();
    (overrides.durability, overrides.sharing) = (args.durability, args.sharing);
    let config = Config::load(&args.venue.config, &overrides)?;
    let _log = Log::start(config.log().format, config.log().file.as_deref())?;
    let topology = Topology::of_this_host();
    let plan = placement::plan(&topology, &config)?;
    banner(&config, &topology, &plan);
    let mut prepared = Prepared::before(&config, &plan, &topology)?;
    logging::set_level(&config.log().level)?;
    // Told before anything is recovered.
    config.tls().read()?;
    let asked_to_reload = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&asked_to_reload)).context("cannot watch for signals")?;
    let asked_to_stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&asked_to_stop)).context("cannot watch for signals")?;
    }
    free_port("order_entry.address", config.order_entry_address)?;
    free_port("feed.address", config.feed_address)?;
    free_port("drop_copy.address", config.drop_copy_address)?;

    let fault = Arc::new(Fault::default());
    let assembled = assembly::assemble(&config, &fault, &asked_to_stop);
    if assembled.as_ref().is_err_and(anyhow::Error::is::<assembly::StoppedEarly>) {
        print_line("stopped while recovering; the next start goes on from the journal");
        return Ok(ExitCode::SUCCESS);
    }
    let (agents, venue) = assembled?;
    let hasher = Arc::clone(&venue.hasher);
    let started = clock::monotonic();
    let layout = Layout {
        plan: &plan,
        fifo_priority: config.host().fifo_priority,
        watchdog: watchdog::Orders {
            limit: Duration::from_millis(config.watchdog().stall_ms),
            on_stall: config.watchdog().on_stall,
        },
        stall: args.test_stall.clone(),
        data_dir: config.data_dir.clone(),
    };
    let running = crate::venue::threads::start(agents, layout, &fault, hasher)?;
    let follower = follower::start(&config, &venue, &fault, &plan.housekeeping)?;
    prepared.after(&config, &plan, &topology)?;
    let tables = TableBytes::now();
    venue.metrics.gauge("memory.tables_explicit_bytes").set(tables.explicit);
    venue.metrics.gauge("memory.tables_transparent_bytes").set(tables.advised);
    prepared.lines.iter().for_each(|line| print_line(&format!("  host          {line}")));
    if args.bench_recording {
        switch_recording(venue.metrics.recording.clone())?;
    }
    print_line("ready");
    wait(
        &asked_to_stop,
        &running,
        &venue,
        |config| {
            if asked_to_reload.swap(false, Ordering::Relaxed) {
                log::reopen();
                *config = reload::reload(config.clone(), Config::load(&args.venue.config, &overrides), &venue.knobs);
            }
        },
        config.clone(),
    );
    print_line("stopping");
    stop(running, follower, &venue, started)
}

/// Does what standard input says, and says that it is done.
fn switch_recording(recording: Recording) -> anyhow::Result<()> {
    let switch = move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            recording.set(line == "recording on");
            print_line(&line);
        }
    };
    std::thread::Builder::new().name("hft-switch".into()).spawn(switch).context("cannot start a thread").map(drop)
}

fn banner(config: &Config, topology: &Topology, plan: &Plan) {
    print_line(&format!("TradSys hft {}", env!("CARGO_PKG_VERSION")));
    print_line(&format!("  order entry   {} (SoupBinTCP 3.0, OUCH 5.0)", config.order_entry_address));
    print_line(&format!("                ws://{}/ouch (one packet per binary frame)", config.feed_address));
    print_line(&format!(
        "  feed          ws://{0}/itch  ws://{0}/glimpse (ITCH 5.0 in MoldUDP64)",
        config.feed_address
    ));
    print_line(&format!("  top of book   ws://{}/bbo (conflated)", config.feed_address));
    if let Some(udp) = &config.udp {
        let destinations: Vec<_> = udp.destinations.iter().map(SocketAddr::to_string).collect();
        print_line(&format!("  by UDP        {} (MoldUDP64)", destinations.join(", ")));
        print_line(&format!("                requests for lost messages to {} (UDP)", udp.request_listen));
    }
    print_line(&format!("  directory     http://{}/directory.json", config.feed_address));
    print_line(&format!("  drop copy     {} (SoupBinTCP 3.0, OUCH 5.0, read-only)", config.drop_copy_address));
    print_line(&format!("  data          {}", config.data_dir.display()));
    print_line(&format!("  durability    {}", config.durability.promise()));
    for line in plan_lines(plan) {
        print_line(&format!("  threads       {line}"));
    }
    for line in &topology.untuned {
        print_line(&format!("  not tuned     {line}"));
    }
    print_line(&format!("recovering from {}", config.data_dir.join("journal").display()));
}

/// A busy port is told before anything is recovered.
fn free_port(key: &str, address: SocketAddr) -> anyhow::Result<()> {
    TcpListener::bind(address).map(drop).with_context(|| {
        format!(
            "{key} = {address} cannot be listened on; stop whoever uses it, or shift the ports with --port-offset N"
        )
    })
}

fn wait(
    asked_to_stop: &AtomicBool,
    running: &Running,
    venue: &assembly::Venue,
    look: impl Fn(&mut Config),
    mut config: Config,
) {
    while !asked_to_stop.load(Ordering::Relaxed) && running.fault().is_none() && !venue.preparer_failed() {
        look(&mut config);
        std::thread::park_timeout(LOOK);
    }
}

fn stop(
    running: Running,
    follower: Option<follower::Follower>,
    venue: &assembly::Venue,
    started: Instant,
) -> anyhow::Result<ExitCode> {
    let preparer_failed = venue.preparer_failed();
    let stopped = running.stop(DRAIN_MAX);
    if let Some(message) = stopped.fault {
        bail!("{message}; the venue has stopped: what it acknowledged is in the journal");
    }
    if preparer_failed {
        bail!("a full journal segment cannot be sealed; the venue has stopped: what it acknowledged is in the journal");
    }
    let core =
        stopped.core.context("the matching core ended without its state; start again: recovery reads the journal")?;
    if let Some(writer) = stopped.journal {
        writer.seal().context("the journal could not be sealed; the next start recovers it")?;
    }
    venue.metrics.gauge("venue.ended").set(1);
    let last = core.last_sequence();
    let counters = follower.map(|follower| follower.finish(HashMark { sequence: last, hash: stopped.event_hash }));
    let live = Replayed { records: last.0.saturating_sub(venue.ready_at.0), elapsed: started.elapsed(), torn_bytes: 0 };
    let mut summary = summary_of(live, last, &stopped.event_hash, &core.state_hash());
    if let Some(records) = summary.get_mut("records") {
        *records = last.0.into();
    }
    if let (Some(counters), Some(fields)) = (counters, summary.as_object_mut()) {
        fields.insert("hashes_compared".to_owned(), counters.compared.load(Ordering::Relaxed).into());
        fields.insert("hashes_different".to_owned(), counters.differences.load(Ordering::Relaxed).into());
    }
    print_line(&summary.to_string());
    Ok(ExitCode::SUCCESS)
}
