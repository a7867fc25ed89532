//! `hft bench wire`: latency of orders under load, from the socket of a bot to the venue and back. Open loop: the schedule
//! does not wait for answers. A list of rates up to what the venue keeps up with, which is found by itself; several sessions;
//! the stages inside the venue; and in the same run the yardsticks. Starts a venue of its own in a temporary directory.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use engine::runtime::stages::{STAGES, WHOLE};
use engine::runtime::topology::{self, Topology};
use protocol::ouch::inbound::Inbound;
use protocol::soupbin::{self, Cut, LoginRequest};
use protocol::{Qty, SessionName};

use crate::bench::load::{Offer, Outcome, Session, Talk, offer};
use crate::bench::report::{Rate, Report, Yardstick, write_log};
use crate::bench::section::Section;
use crate::bench::table::table;
use crate::bench::trips::{self, Place, Trips, cancel_of, enter, packet_of};
use crate::bench::venue::{BenchVenue, Template, set};
use crate::bench::{budget, page, yardstick};
use crate::config::{DEMO_PASSWORD, DurabilityMode};
use crate::counters::file::Snapshot;
use crate::output::{print_line, rounds_bar};
use crate::topology_cmd::cpus;

/// What the bots do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mix {
    /// Each session enters an order that rests, then cancels it
    Rest,
    /// Every second session sells what the one before it buys: each pair of orders trades
    Trade,
}

/// Latency of orders under load.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Requests per second over all sessions, as 1000,5000; without: doubled until the venue does not keep up
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    rates: Vec<u64>,
    /// Seconds of each repeat of a rate that count
    #[arg(long, value_name = "N", default_value_t = 2)]
    seconds: u64,
    /// Repeats of each rate: what they differ by is the noise
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeats: u32,
    /// Sessions, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=4))]
    sessions: u8,
    /// What the bots do
    #[arg(long, value_enum, default_value_t = Mix::Rest)]
    mix: Mix,
    /// Orders per round of the round trips
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    orders: u32,
    /// Rounds of the round trips; the order of venue and echo alternates
    #[arg(long, value_name = "N", default_value_t = 4)]
    rounds: u32,
    /// Cpu of the bots. The one where the configuration puts the edge: then bot, edge and echo wait in the kernel for each other
    #[arg(long, value_name = "N")]
    client_cpu: Option<usize>,
    /// Only the round trips
    #[arg(long)]
    trips: bool,
    /// Only the round trips, in both placements: edge and core on one thread; the core on its own cpu, edge and bot sharing the other
    #[arg(long, conflicts_with_all = ["trips", "out", "json", "client_cpu"])]
    placements: bool,
    /// Durability of the venue
    #[arg(long, value_name = "MODE", default_value = "journal")]
    durability: DurabilityMode,
    #[command(flatten)]
    venue: Template,
    /// Folder for the report: report.json, report.html and one .hlog per rate
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The report as one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// One session of a bot.
#[derive(Debug)]
pub struct Bot {
    mix: Mix,
    sells: bool,
    number: u32,
    /// The order that is cancelled next.
    resting: Option<u32>,
}

impl Bot {
    /// One that has used all numbers up to this one.
    pub const fn after(number: u32, mix: Mix, sells: bool) -> Self {
        Self { mix, sells, number, resting: None }
    }

    fn message(&mut self) -> Inbound {
        if let Some(number) = self.resting.take() {
            return cancel_of(number);
        }
        self.number += 1;
        let mut message = enter(self.number);
        match self.mix {
            Mix::Rest => self.resting = Some(self.number),
            Mix::Trade => {
                if let Inbound::EnterOrder(order) = &mut message {
                    order.side = if self.sells { b'S' } else { b'B' };
                    order.price = 1_500_000;
                    order.quantity = Qty(100);
                }
            }
        }
        message
    }
}

impl Talk for Bot {
    fn request(&mut self, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut packet = [0; 64];
        let message = self.message();
        out.extend_from_slice(packet_of(&message, &mut packet)?);
        Ok(())
    }

    fn answers(&mut self, input: &mut Vec<u8>) -> anyhow::Result<u64> {
        let (mut answers, mut taken) = (0, 0);
        loop {
            match soupbin::cut(input.get(taken..).unwrap_or_default()) {
                Cut::Frame { frame, consumed } => {
                    // Accepted, canceled, rejected answer a request; an execution answers nobody.
                    let is_answer = matches!(frame.payload.first(), Some(b'A' | b'C' | b'J' | b'I'));
                    answers += u64::from(frame.packet_type == soupbin::SEQUENCED && is_answer);
                    taken += consumed;
                }
                Cut::Need => break,
                Cut::Bad => anyhow::bail!("the venue sent a broken packet"),
            }
        }
        input.drain(..taken);
        Ok(answers)
    }
}

/// Logs a demo account in, and goes on after the last number that it has used.
///
/// # Errors
/// When the venue does not let it.
pub fn log_in(venue: &BenchVenue, mix: Mix, index: u8) -> anyhow::Result<Session<Bot>> {
    // The round trips came first, on this account, with numbers from 1.
    let bot = Bot::after(10_000_000, mix, index % 2 == 1);
    session(venue, &format!("DEMO0{}", index + 1), DEMO_PASSWORD, bot)
}

/// Logs a bot in.
///
/// # Errors
/// When the venue does not let it.
pub fn session(venue: &BenchVenue, account: &str, password: &str, bot: Bot) -> anyhow::Result<Session<Bot>> {
    use std::io::{Read, Write};
    let mut socket = std::net::TcpStream::connect(venue.address).context("cannot connect to the venue")?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    // Sequence 0: only what is new.
    let login = LoginRequest::new(account, password, SessionName::BLANK, 0).context("a login")?;
    socket.write_all(&login.to_packet())?;
    let mut accepted = [0; 33];
    socket.read_exact(&mut accepted).context("the venue did not answer the login")?;
    ensure!(accepted.get(2) == Some(&soupbin::LOGIN_ACCEPTED), "the venue did not accept the login of {account}");
    Session::over(socket, bot)
}

/// Runs the rates and prints the report.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.placements { placements(args) } else { run_with(args, Vec::new()) }
}

/// Round trips beside the echo, for each way of sharing two cpus between bot, edge and core.
fn placements(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(args.rounds > 0, "--rounds: expected at least 1");
    let topology = Topology::of_this_host();
    let core = topology.plan(args.durability == DurabilityMode::Fdatasync).core.cpu;
    let other = topology.allowed.iter().copied().find(|cpu| Some(*cpu) != core);
    let (core, other) = core.zip(other).context("it takes two cpus")?;
    for (name, what) in host(&topology) {
        print_line(&format!("{name:<14} {what}"));
    }
    let tell = |name: &str, venue: &BenchVenue, place: Place| -> anyhow::Result<()> {
        let trips = trips::measure(venue.address, place, args.orders, args.rounds)?;
        let at = |times: &hdrhistogram::Histogram<u64>, quantile| crate::top::nanos(times.value_at_quantile(quantile));
        print_line(&format!(
            "{name}: order / echo {}; order p50 {} p99 {}, echo p50 {} p99 {}",
            trips.ratio(),
            at(&trips.orders, 0.5),
            at(&trips.orders, 0.99),
            at(&trips.echo, 0.5),
            at(&trips.echo, 0.99)
        ));
        Ok(())
    };
    {
        let venue = BenchVenue::start(&args.venue, args.durability)?;
        topology::run_on(&[other])?;
        let name = format!("edge, core and journal on cpu {core}, bot on cpu {other}");
        tell(&name, &venue, Place { cpu: Some(core), blocks: false })?;
    }
    topology::run_on(&topology.allowed)?;
    let cpu = |cpu: usize| toml::Value::from(i64::try_from(cpu).unwrap_or(0));
    let venue = BenchVenue::start_changed(&args.venue, args.durability, |table| {
        set(table, "threads", "core_cpu", cpu(core));
        set(table, "threads", "journal_cpu", cpu(core));
        set(table, "threads", "edge_cpu", cpu(other));
        set(table, "threads", "edge_wait", "yield".into());
        set(table, "threads", "housekeeping_cpus", vec![cpu(other)].into());
    })?;
    topology::run_on(&[other])?;
    let name = format!("core and journal on cpu {core}, edge and bot on cpu {other}");
    tell(&name, &venue, Place { cpu: Some(other), blocks: true })?;
    Ok(ExitCode::SUCCESS)
}

/// The same, with what other benches found.
pub fn run_with(args: &Args, sections: Vec<Section>) -> anyhow::Result<ExitCode> {
    let report = Report { sections, ..measure(args)? };
    if let Some(out) = &args.out {
        std::fs::write(out.join("report.json"), serde_json::to_string_pretty(&report)?)?;
        std::fs::write(out.join("report.html"), page::page(&report))?;
    }
    print_line(&if args.json { serde_json::to_string(&report)? } else { table(&report) });
    if let Some(out) = args.out.as_ref().filter(|_| !args.json) {
        print_line(&format!("report, page and logs are in {}", out.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args) -> anyhow::Result<Report> {
    ensure!(
        args.repeats > 0 && args.seconds > 0 && args.rounds > 0,
        "--repeats, --seconds and --rounds: expected at least 1"
    );
    ensure!(args.rates.iter().all(|rate| (1..=10_000_000).contains(rate)), "--rates: expected 1 to 10000000 each");
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    }
    let topology = Topology::of_this_host();
    let plan = topology.plan(args.durability == DurabilityMode::Fdatasync);
    let venue = BenchVenue::start(&args.venue, args.durability)?;
    let dir = venue.dir.clone();
    let hops = yardstick::two_ring_hops(20_000, &topology)?;
    let own = topology.allowed.iter().copied().find(|cpu| Some(*cpu) != plan.edge.cpu);
    let mut yardsticks = vec![Yardstick::of("two hops through rings", &hops)];
    for cpu in [plan.edge.cpu, own].into_iter().flatten() {
        let found = yardstick::jitter(cpu, Duration::from_millis(500), 1_000)?;
        yardsticks.push(Yardstick::of(&format!("pauses above 1 us of spinning cpu {cpu}"), &found));
    }
    let limits = budget::Limits::measure(&dir, args.durability)?;
    yardsticks.extend(limits.yardsticks());
    if let Some(cpu) = args.client_cpu.or(own) {
        topology::run_on(&[cpu])?;
    }
    // A bot that is put on a cpu by hand is put beside the edge.
    let cpu = args.client_cpu.or(plan.edge.cpu);
    let before = Snapshot::read(&dir)?;
    let place = Place { cpu, blocks: args.client_cpu.is_some() };
    let trips = trips::measure(venue.address, place, args.orders, args.rounds)?;
    let budget = limits.budget(&before, &Snapshot::read(&dir)?, &trips);
    yardsticks.push(Yardstick::of("bare TCP echo, one at a time", &trips.echo));
    yardsticks.push(Yardstick::of("order and answer, one at a time", &trips.orders));
    let mut sessions =
        (0..args.sessions).map(|index| log_in(&venue, args.mix, index)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut bench = Bench { args, venue: &venue, sessions: &mut sessions, rates: Vec::new() };
    if !args.trips {
        bench.all()?;
    }
    let rates = std::mem::take(&mut bench.rates);
    let sustained = rates.iter().filter(|rate| rate.is_sustained).map(|rate| rate.per_second).max();
    Ok(Report {
        host: host(&topology),
        load: load_lines(args, &trips),
        rates,
        sustained_per_s: sustained.unwrap_or(0),
        yardsticks,
        budget,
        sections: Vec::new(),
        not_included: vec![
            "a network: bots and venue are on one host, over the loopback device".to_owned(),
            "the encoding of a request, and what a bot makes of an answer".to_owned(),
            "market data: no subscriber is connected (hft bench feed)".to_owned(),
        ],
    })
}

/// The runs of one bench.
struct Bench<'a> {
    args: &'a Args,
    venue: &'a BenchVenue,
    sessions: &'a mut [Session<Bot>],
    rates: Vec<Rate>,
}

impl Bench<'_> {
    /// The list of rates, or from 1,000 on twice as many until the venue does not keep up, and then between.
    fn all(&mut self) -> anyhow::Result<()> {
        const FIRST: u64 = 1_000;
        const MOST: u64 = 4_000_000;
        if !self.args.rates.is_empty() {
            let mut rates = self.args.rates.clone();
            rates.sort_unstable();
            rates.dedup();
            return rates.into_iter().try_for_each(|rate| self.one(rate).map(drop));
        }
        let (mut good, mut bad) = (0, FIRST);
        while bad <= MOST && self.one(bad)? {
            (good, bad) = (bad, bad * 2);
        }
        for _ in 0..2 {
            let between = u64::midpoint(good, bad) / 1_000 * 1_000;
            if good == 0 || between <= good {
                break;
            }
            if self.one(between)? { good = between } else { bad = between }
        }
        self.rates.sort_by_key(|rate| rate.per_second);
        Ok(())
    }

    /// One rate with its repeats; true when the venue kept up with it each time.
    fn one(&mut self, per_second: u64) -> anyhow::Result<bool> {
        let bar = rounds_bar(u64::from(self.args.repeats));
        bar.set_message(format!("{per_second}/s"));
        let before = Snapshot::read(&self.venue.dir)?;
        let mut outcomes: Vec<Outcome> = Vec::new();
        for repeat in 0..self.args.repeats {
            let warm_up = Duration::from_millis(if repeat == 0 { 500 } else { 100 });
            let started = std::time::UNIX_EPOCH + Duration::from_nanos(crate::clock::utc_now().0) + warm_up;
            let offered = Offer { per_second, warm_up, time: Duration::from_secs(self.args.seconds) };
            let outcome = offer(self.sessions, offered)?;
            bar.inc(1);
            self.log(per_second, repeat, &outcome, started)?;
            // Once is enough for what it does not keep up with; its backlog must not spoil what follows.
            let is_over = outcome.unanswered > 0;
            outcomes.push(outcome);
            if is_over {
                self.reconnect()?;
                break;
            }
        }
        bar.finish_and_clear();
        let mut rate = Rate::of(&outcomes)?;
        self.add_stages(&mut rate, &before)?;
        let is_sustained = rate.is_sustained;
        self.rates.push(rate);
        Ok(is_sustained)
    }

    /// Answers to requests that were given up must not be taken for answers to others.
    fn reconnect(&mut self) -> anyhow::Result<()> {
        for (index, session) in (0..self.args.sessions).zip(self.sessions.iter_mut()) {
            let number = session.talk().number + 1;
            *session = log_in(self.venue, self.args.mix, index)?;
            session.talk_mut().number = number;
        }
        Ok(())
    }

    fn log(&self, per_second: u64, repeat: u32, outcome: &Outcome, started: SystemTime) -> anyhow::Result<()> {
        match &self.args.out {
            Some(out) => write_log(&out.join(format!("rate-{per_second}-{repeat}.hlog")), outcome, started),
            None => Ok(()),
        }
    }

    /// What the venue counted meanwhile about its stages.
    fn add_stages(&self, rate: &mut Rate, before: &Snapshot) -> anyhow::Result<()> {
        let now = Snapshot::read(&self.venue.dir)?;
        let since = |name: &str| Some(now.times(name)?.since(before.times(name)?));
        let stages = STAGES.iter().filter_map(|name| {
            Some((
                name.strip_prefix("stage.").unwrap_or(name).to_owned(),
                since(name).filter(|times| times.count > 0)?.mean(),
            ))
        });
        rate.stages = stages.collect();
        rate.stage_samples = since(WHOLE).map_or(0, |times| times.count);
        Ok(())
    }
}

fn load_lines(args: &Args, trips: &Trips) -> Vec<(String, String)> {
    let line = |name: &str, what: String| (name.to_owned(), what);
    vec![
        line(
            "load",
            format!(
                "open loop, {} sessions, mix {}, {} s and {} repeats per rate",
                args.sessions,
                format!("{:?}", args.mix).to_lowercase(),
                args.seconds,
                args.repeats
            ),
        ),
        line("durability", args.durability.promise().to_owned()),
        line("order / echo", format!("{} (round trips, one at a time)", trips.ratio())),
    ]
}

/// What the figures were taken on.
pub fn host(topology: &Topology) -> Vec<(String, String)> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let first = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value).trim().to_owned()
    };
    let trimmed = |path: &str| read(path).trim().to_owned();
    let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    let line = |name: &str, what: String| (name.to_owned(), what);
    let profile = if cfg!(debug_assertions) { "development build: no figures to quote" } else { "release build" };
    vec![
        line("program", format!("hft {}, {profile}", env!("CARGO_PKG_VERSION"))),
        line("cpu", first(&read("/proc/cpuinfo"), "model name")),
        line(
            "cpus",
            format!(
                "{} allowed, {} isolated, {} without tick",
                cpus(&topology.allowed),
                cpus(&topology.isolated),
                cpus(&topology.nohz_full)
            ),
        ),
        line("kernel", trimmed("/proc/sys/kernel/osrelease")),
        line("governor", or(trimmed("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), "not told")),
        line("hyper-threads", or(trimmed("/sys/devices/system/cpu/smt/control"), "not told")),
        line("clock source", trimmed("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        line("not tuned", topology.untuned.join("; ")),
        line("taken", crate::output::time_text(crate::clock::utc_now())),
    ]
}
