//! `hft bench wire`: the round trip of an order, as a multiple of a bare TCP echo of the same bytes on the same cpus in the
//! same run. Starts a venue of its own in a temporary directory. These are round trips, one at a time: not latency under
//! load.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, ensure};
use engine::runtime::topology::{self, Topology};
use hdrhistogram::Histogram;
use protocol::ouch::inbound::{CancelOrder, EnterOrder, Inbound};
use protocol::soupbin::{self, LoginRequest};
use protocol::{ClOrdId, Qty, SessionName, Symbol, UserRefNum};
use serde_json::json;

use crate::bench::round_trip::{Spinning, histogram};
use crate::config::{DEMO_PASSWORD, DurabilityMode};
use crate::output::print_line;

/// An Enter Order in its packet, and its Accepted in its packet.
const REQUEST_BYTES: usize = 50;
const ANSWER_BYTES: usize = 67;
/// A Canceled in its packet.
const CANCELED_BYTES: usize = 21;
const LOGIN_ACCEPTED_BYTES: usize = 33;
const SYSTEM_EVENT_BYTES: usize = 13;

/// Order to acknowledgement, beside a bare TCP echo.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Orders per round
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    orders: u32,
    /// Rounds; the order of venue and echo alternates
    #[arg(long, value_name = "N", default_value_t = 8)]
    rounds: u32,
    /// Durability of the venue
    #[arg(long, value_name = "MODE", default_value = "journal")]
    durability: DurabilityMode,
    /// Configuration file of the venue
    #[arg(long, value_name = "PATH", default_value = "configs/hft.toml")]
    config: PathBuf,
    /// Added to the venue's ports
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    port_offset: u16,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the rounds and prints both distributions and their ratio.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let topology = Topology::of_this_host();
    let hot_cpu = topology.plan(args.durability == DurabilityMode::Fdatasync).edge.cpu;
    let venue = BenchVenue::start(args)?;
    let echo = Echo::start(hot_cpu)?;
    if let Some(cpu) = topology.allowed.iter().find(|cpu| Some(**cpu) != hot_cpu) {
        topology::run_on(&[*cpu])?;
    }
    let mut orders = OrderLoop::login(venue.address)?;
    let mut echo_socket = Spinning::connect(echo.address)?;
    let (mut order_times, mut echo_times) = (histogram()?, histogram()?);
    let mut ratios = Vec::new();
    let warm_up = args.orders.div_ceil(4);
    orders.round(warm_up, &mut histogram()?)?;
    echo_round(&mut echo_socket, warm_up, &mut histogram()?)?;
    for round in 0..args.rounds {
        let (mut order_round, mut echo_round_times) = (histogram()?, histogram()?);
        if round.is_multiple_of(2) {
            orders.round(args.orders, &mut order_round)?;
            echo_round(&mut echo_socket, args.orders, &mut echo_round_times)?;
        } else {
            echo_round(&mut echo_socket, args.orders, &mut echo_round_times)?;
            orders.round(args.orders, &mut order_round)?;
        }
        ratios.push([0.5, 0.99].map(|at| thousandths(&order_round, &echo_round_times, at)));
        order_times.add(&order_round)?;
        echo_times.add(&echo_round_times)?;
    }
    report(args, &order_times, &echo_times, &ratios);
    Ok(ExitCode::SUCCESS)
}

/// One over the other at a quantile, in thousandths.
fn thousandths(orders: &Histogram<u64>, echo: &Histogram<u64>, at: f64) -> u64 {
    orders.value_at_quantile(at) * 1_000 / echo.value_at_quantile(at).max(1)
}

const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

fn report(args: &Args, orders: &Histogram<u64>, echo: &Histogram<u64>, ratios: &[[u64; 2]]) {
    let decimal = |thousandths: u64| format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    let median = |which: usize| {
        let mut sorted: Vec<u64> = ratios.iter().filter_map(|ratio| ratio.get(which).copied()).collect();
        sorted.sort_unstable();
        (
            sorted.first().copied().unwrap_or(0),
            sorted.get(sorted.len() / 2).copied().unwrap_or(0),
            sorted.last().copied().unwrap_or(0),
        )
    };
    let (p50, p99) = (median(0), median(1));
    if args.json {
        let of = |times: &Histogram<u64>| {
            QUANTILES.iter().map(|(name, at)| ((*name).to_owned(), times.value_at_quantile(*at).into())).collect()
        };
        let (orders, echo): (serde_json::Map<_, _>, serde_json::Map<_, _>) = (of(orders), of(echo));
        let line = json!({
            "what": "round trip, one order at a time, ns",
            "orders": args.orders * args.rounds,
            "durability": args.durability,
            "order_ns": orders,
            "echo_ns": echo,
            "ratio_p50": decimal(p50.1),
            "ratio_p99": decimal(p99.1),
        });
        print_line(&line.to_string());
        return;
    }
    print_line(&format!(
        "round trip of one order at a time, {} orders in {} rounds, durability {}, ns",
        args.orders * args.rounds,
        args.rounds,
        args.durability.promise()
    ));
    print_line(&format!("{:<8} {:>12} {:>12} {:>8}", "", "order", "echo", "ratio"));
    for (name, at) in QUANTILES {
        let (order, bare) = (orders.value_at_quantile(at), echo.value_at_quantile(at));
        print_line(&format!("{name:<8} {order:>12} {bare:>12} {:>8}", decimal(order * 1_000 / bare.max(1))));
    }
    print_line(&format!(
        "ratio per round: p50 {} (least {}, most {}), p99 {} (least {}, most {})",
        decimal(p50.1),
        decimal(p50.0),
        decimal(p50.2),
        decimal(p99.1),
        decimal(p99.0),
        decimal(p99.2)
    ));
}

fn echo_round(socket: &mut Spinning, orders: u32, times: &mut Histogram<u64>) -> anyhow::Result<()> {
    (0..orders).try_for_each(|_| socket.measure(&[b'x'; REQUEST_BYTES], ANSWER_BYTES, times))
}

/// Enters an order that rests, measures its acknowledgement, and cancels it.
struct OrderLoop {
    socket: Spinning,
    number: u32,
}

impl OrderLoop {
    fn login(address: SocketAddr) -> anyhow::Result<Self> {
        let mut socket = Spinning::connect(address)?;
        let login = LoginRequest::new("DEMO01", DEMO_PASSWORD, SessionName::BLANK, 1).context("a login")?;
        socket.send(&login.to_packet())?;
        let accepted = socket.receive(LOGIN_ACCEPTED_BYTES + SYSTEM_EVENT_BYTES)?;
        ensure!(accepted.get(2) == Some(&soupbin::LOGIN_ACCEPTED), "the venue did not accept the login");
        Ok(Self { socket, number: 0 })
    }

    fn round(&mut self, orders: u32, times: &mut Histogram<u64>) -> anyhow::Result<()> {
        let mut packet = [0; REQUEST_BYTES];
        self.socket.drain();
        for _ in 0..orders {
            self.number += 1;
            let enter = packet_of(&enter(self.number), &mut packet)?;
            self.socket.measure(enter, ANSWER_BYTES, times)?;
            let mut cancel = [0; 16];
            let cancel = packet_of(&cancel_of(self.number), &mut cancel)?;
            self.socket.send(cancel)?;
            self.socket.receive(CANCELED_BYTES)?;
        }
        Ok(())
    }
}

fn packet_of<'a>(message: &Inbound, out: &'a mut [u8]) -> anyhow::Result<&'a [u8]> {
    let mut bytes = [0; 64];
    let length = message.encode(None, &mut bytes).context("a message of at most 64 bytes")?;
    let payload = bytes.get(..length).unwrap_or_default();
    let length = soupbin::encode(soupbin::UNSEQUENCED, payload, out).context("a packet that fits")?;
    out.get(..length).context("a packet that fits")
}

fn enter(number: u32) -> Inbound {
    Inbound::EnterOrder(EnterOrder {
        user_ref_num: UserRefNum(number),
        side: b'B',
        quantity: Qty(100),
        symbol: Symbol(*b"AAPL    "),
        price: 1_000_000 + u64::from(number % 64) * 100,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: ClOrdId::BLANK,
    })
}

fn cancel_of(number: u32) -> Inbound {
    Inbound::CancelOrder(CancelOrder { user_ref_num: UserRefNum(number), quantity: Qty(0) })
}

/// A venue of our own, ended when dropped.
struct BenchVenue {
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
}

impl BenchVenue {
    fn start(args: &Args) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("hft-bench-{}", std::process::id()));
        let config = crate::config::Config::load(
            &args.config,
            &crate::config::Overrides { port_offset: args.port_offset, ..Default::default() },
        )?;
        let mut command = Command::new(std::env::current_exe().context("the path of this program")?);
        command.arg("serve").arg("--config").arg(&args.config).arg("--data-dir").arg(&dir);
        command.arg("--port-offset").arg(args.port_offset.to_string()).arg("--durability").arg(match args.durability {
            DurabilityMode::Memory => "memory",
            DurabilityMode::Journal => "journal",
            DurabilityMode::Fdatasync => "fdatasync",
        });
        let child = command.stdout(Stdio::piped()).spawn().context("cannot start the venue")?;
        let mut venue = Self { child, address: config.order_entry_address, dir };
        let out = venue.child.stdout.take().context("the venue's output")?;
        let ready = BufReader::new(out).lines().map_while(Result::ok).any(|line| line == "ready");
        ensure!(ready, "the venue did not come up; what it said is above");
        Ok(venue)
    }
}

impl Drop for BenchVenue {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// A bare echo on the cpu where the venue's edge would be: reads a request, writes an answer's worth of bytes.
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
            if let Some(cpu) = cpu {
                drop(topology::run_on(&[cpu]));
            }
            drop(echo(&listener, &seen));
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

/// Spins while requests come; rests while the venue is measured, as the venue does while the echo is.
fn echo(listener: &TcpListener, stop: &AtomicBool) -> std::io::Result<()> {
    const SPINS: u32 = 20_000;
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    let (mut request, answer) = ([0; REQUEST_BYTES], [b'y'; ANSWER_BYTES]);
    let (mut filled, mut idle) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        match socket.read(request.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => {
                (filled, idle) = (filled + read, 0);
                if filled == REQUEST_BYTES {
                    filled = 0;
                    socket.write_all(&answer)?;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                idle += 1;
                if idle < SPINS {
                    core::hint::spin_loop();
                } else {
                    std::thread::park_timeout(std::time::Duration::from_micros(200));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The thread ends at its next look; if nobody ever connected it waits in accept, and ends with the process.
        drop(self.thread.take());
    }
}
