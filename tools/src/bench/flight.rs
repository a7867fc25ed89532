//! `hft bench flight`: how many orders per second go in and out when each session keeps some on their way, as a multiple of a bare
//! TCP echo of as many bytes on as many connections in the same run. A closed loop: a throughput, and no latency under load.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use engine::runtime::topology::{self, Topology};

use crate::bench::load::{Flown, Session, Talk, fly};
use crate::bench::venue::{BENCH_PASSWORD, BenchVenue, Template, add_accounts, bench_account, set};
use crate::bench::wire::{Bot, Mix, host, session};
use crate::config::DurabilityMode;
use crate::output::print_line;
use crate::top::nanos;

/// An Enter Order in its packet, and its Accepted in its packet.
const REQUEST_BYTES: usize = 50;
const ANSWER_BYTES: usize = 67;
/// Before the first round counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// Throughput of orders.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sessions
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sessions: u32,
    /// Requests on their way on each session
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    flight: u32,
    /// Seconds of each round
    #[arg(long, value_name = "N", default_value_t = 2)]
    seconds: u64,
    /// Rounds; the order of venue and echo alternates
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: u32,
    /// What the bots do
    #[arg(long, value_enum, default_value_t = Mix::Rest)]
    mix: Mix,
    /// Durability of the venue
    #[arg(long, value_name = "MODE", default_value = "journal")]
    durability: DurabilityMode,
    #[command(flatten)]
    venue: Template,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// What is said to the echo.
#[derive(Debug)]
struct Bare;

impl Talk for Bare {
    fn request(&mut self, out: &mut Vec<u8>) -> anyhow::Result<()> {
        out.extend_from_slice(&[b'x'; REQUEST_BYTES]);
        Ok(())
    }

    fn answers(&mut self, input: &mut Vec<u8>) -> anyhow::Result<u64> {
        let whole = input.len() / ANSWER_BYTES;
        input.drain(..whole * ANSWER_BYTES);
        Ok(whole as u64)
    }
}

/// Runs both and prints what they came to.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(args.seconds > 0 && args.rounds > 0, "--seconds and --rounds: expected at least 1");
    let topology = Topology::of_this_host();
    let plan = topology.plan(args.durability == DurabilityMode::Fdatasync);
    let venue = BenchVenue::start_changed(&args.venue, args.durability, |table| {
        add_accounts(table, args.sessions);
        set(table, "accounts", "demo", false.into());
        set(table, "limits", "channels_max", (i64::from(args.sessions) * 2 + 1_024).into());
        set(table, "order_entry", "connections_max", (i64::from(args.sessions) + 64).into());
    })?;
    if let Some(cpu) = topology.allowed.iter().find(|cpu| Some(**cpu) != plan.edge.cpu) {
        topology::run_on(&[*cpu])?;
    }
    let echo = Echo::start(plan.edge.cpu)?;
    let log_in = |index: u32| {
        let bot = Bot::after(0, args.mix, index % 2 == 1);
        session(&venue, &bench_account(index), BENCH_PASSWORD, bot)
    };
    let mut bots = (0..args.sessions).map(log_in).collect::<anyhow::Result<Vec<_>>>()?;
    let connect = |_| Session::over(TcpStream::connect(echo.address).context("cannot connect to the echo")?, Bare);
    let mut bare = (0..args.sessions).map(connect).collect::<anyhow::Result<Vec<_>>>()?;
    let flight = args.flight as usize;
    fly(&mut bots, flight, WARM_UP)?;
    fly(&mut bare, flight, WARM_UP)?;
    let time = Duration::from_secs(args.seconds);
    let (mut orders, mut echoes) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        if round.is_multiple_of(2) {
            orders.push(fly(&mut bots, flight, time)?);
            echoes.push(fly(&mut bare, flight, time)?);
        } else {
            echoes.push(fly(&mut bare, flight, time)?);
            orders.push(fly(&mut bots, flight, time)?);
        }
    }
    report(args, &topology, &orders, &echoes);
    Ok(ExitCode::SUCCESS)
}

fn report(args: &Args, topology: &Topology, orders: &[Flown], echoes: &[Flown]) {
    let share: Vec<u64> =
        orders.iter().zip(echoes).map(|(order, echo)| order.per_second * 1_000 / echo.per_second.max(1)).collect();
    let (rates, bare) = (sorted(orders), sorted(echoes));
    if args.json {
        let all = serde_json::json!({
            "sessions": args.sessions, "flight": args.flight, "mix": format!("{:?}", args.mix),
            "requests_per_s": rates, "echoes_per_s": bare, "thousandths_of_echo": share,
        });
        return print_line(&all.to_string());
    }
    for (name, what) in host(topology) {
        print_line(&format!("{name:<14} {what}"));
    }
    let line = |name: &str, rates: &[u64], flown: &[Flown]| {
        let [median, least, most] =
            [rates.len() / 2, 0, rates.len().saturating_sub(1)].map(|at| rates.get(at).copied());
        let [median, least, most] = [median, least, most].map(Option::unwrap_or_default);
        let times = flown.last().map(|flown| {
            let at = |quantile| nanos(flown.times.value_at_quantile(quantile));
            format!("on their way p50 {} p99 {}", at(0.5), at(0.99))
        });
        let spread = flown.last().map_or([0, 0], |flown| flown.spread);
        print_line(&format!(
            "{name:<10} {median:>9}/s [{least}-{most}]  {}  answers per session {} to {}",
            times.unwrap_or_default(),
            spread[0],
            spread[1]
        ));
    };
    print_line(&format!("{} sessions, {} on their way on each, mix {:?}", args.sessions, args.flight, args.mix));
    line("requests", &rates, orders);
    line("bare echo", &bare, echoes);
    let mut share = share;
    share.sort_unstable();
    let share = share.get(share.len() / 2).copied().unwrap_or(0);
    print_line(&format!("requests / echo  0.{share:03} (median of the rounds)"));
}

fn sorted(flown: &[Flown]) -> Vec<u64> {
    let mut rates: Vec<u64> = flown.iter().map(|flown| flown.per_second).collect();
    rates.sort_unstable();
    rates
}

/// Answers every 50 bytes with 67, all connections in turn, on the cpu where the venue's edge would be.
struct Echo {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    fn start(cpu: Option<usize>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen for the echo")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            drop(cpu.map(|cpu| topology::run_on(&[cpu])));
            drop(echo(&listener, &seen));
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// One connection of the echo: bytes that are no whole request yet, and answers that the socket did not take.
struct Peer {
    socket: TcpStream,
    partial: usize,
    owed: usize,
}

fn echo(listener: &TcpListener, stop: &AtomicBool) -> std::io::Result<()> {
    const SPINS: u32 = 2_000;
    listener.set_nonblocking(true)?;
    let (mut peers, mut room, answer): (Vec<Peer>, _, _) = (Vec::new(), vec![0; 64 << 10], vec![b'y'; 64 << 10]);
    let mut idle = 0;
    while !stop.load(Ordering::Relaxed) {
        idle += 1;
        if idle > SPINS || peers.is_empty() {
            while let Ok((socket, _)) = listener.accept() {
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)?;
                peers.push(Peer { socket, partial: 0, owed: 0 });
            }
            std::thread::park_timeout(Duration::from_micros(200));
        }
        for peer in &mut peers {
            match peer.socket.read(&mut room) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    let bytes = peer.partial + read;
                    peer.owed += bytes / REQUEST_BYTES * ANSWER_BYTES;
                    (peer.partial, idle) = (bytes % REQUEST_BYTES, 0);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if peer.owed > 0 {
                match peer.socket.write(answer.get(..peer.owed.min(answer.len())).unwrap_or_default()) {
                    Ok(written) => peer.owed -= written,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}
