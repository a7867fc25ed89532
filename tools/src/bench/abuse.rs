//! `hft bench abuse`: how a well-behaved session fares while others misbehave. It sends by a schedule, as fast in every measurement: what
//! a closed loop sent less under attack would make each pause of the host weigh more. Its orders are timed inside the venue, from the read
//! of the socket to the write of the answer, without and with each attack; the same load on a bare echo is the yardstick.
//!
//! The attacks run against a venue of the bench's own on a loopback address, for a bounded time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use engine::runtime::stages::WHOLE;
use engine::runtime::topology::{self, Topology};
use hdrhistogram::Histogram;
use protocol::SessionName;
use protocol::moldudp64::Header;
use protocol::ouch::inbound::Inbound;
use protocol::soupbin::LoginRequest;

use crate::bench::load::{Offer, Session, Talk, offer};
use crate::bench::round_trip::histogram;
use crate::bench::trips::{enter, packet_of};
use crate::bench::venue::{BENCH_PASSWORD, BenchVenue, Template, add_accounts, bench_account, set};
use crate::bench::wire::{Bot, Mix, host, session};
use crate::clock::monotonic;
use crate::config::DurabilityMode;
use crate::counters::file::{Snapshot, Value};
use crate::output::print_line;
use crate::top::nanos;

/// The victim is the first account; the others attack.
const ACCOUNTS: u32 = 128;
/// Packets per second that one session may send.
const RATE_MAX: u64 = 50_000;
/// Orders per second of the victim; one in 64 of all commands is timed inside.
const VICTIM_PER_S: u64 = 10_000;
/// What the echo answers to each request for messages of the feed, as the venue does with a thousand messages.
const REPAIR_BYTES: usize = 38_000;
/// Such a request in its frame, and how it begins.
const REQUEST_BYTES: usize = 26;
const REQUEST_BEGINS: u8 = 0x82;
/// Bytes that the victim sends to the echo, and gets back.
const ECHO_BYTES: usize = 50;

/// A victim beside attacks.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds of each measurement
    #[arg(long, value_name = "N", default_value_t = 4)]
    seconds: u64,
    /// Only attacks with this word in their name
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    #[command(flatten)]
    venue: Template,
}

/// Where an attack goes: both ports of the venue, or the echo twice.
#[derive(Clone, Copy, Debug)]
struct Target {
    orders: SocketAddr,
    feed: SocketAddr,
}

/// What one attacker does again and again; it gets the number of its thread and looks at the flag.
type Attack = fn(Target, u32, &AtomicBool);

/// Name, work, threads.
const ATTACKS: [(&str, Attack, u32); 10] = [
    ("slow reader, 1", deaf, 1),
    ("slow readers, 50 of 100", half_deaf, 100),
    ("slow subscribers, 50 of 100", deaf_subscriber, 100),
    ("connection flood", flood, 4),
    ("login storm", storm, 8),
    ("slow login bytes", drip, 32),
    ("oversize frames", oversize, 4),
    ("garbage frames", garbage, 4),
    ("one session at 10x its rate", fast, 1),
    ("re-request storm", ask_again, 4),
];

/// p50 and p99 of the victim: inside, and as it sees them.
#[derive(Clone, Copy, Debug)]
struct Seen {
    inside: [u64; 2],
    outside: [u64; 2],
    samples: u64,
}

/// Runs every attack and prints what became of the victim.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(args.seconds > 0, "--seconds: expected at least 1");
    let topology = Topology::of_this_host();
    let plan = topology.plan(false);
    let venue = BenchVenue::start_changed(&args.venue, DurabilityMode::Journal, |table| {
        add_accounts(table, ACCOUNTS);
        set(table, "accounts", "demo", false.into());
        set(table, "order_entry", "messages_per_s_max", i64::try_from(RATE_MAX).unwrap_or(i64::MAX).into());
        set(table, "order_entry", "unsent_mib_max", 1.into());
        set(table, "order_entry", "logins_per_s_max", 100.into());
        set(table, "counters", "stages_of", bench_account(0).into());
    })?;
    for (name, what) in host(&topology) {
        print_line(&format!("{name:<14} {what}"));
    }
    if let Some(cpu) = topology.allowed.iter().find(|cpu| Some(**cpu) != plan.edge.cpu) {
        topology::run_on(&[*cpu])?;
    }
    let echo = Echo::start(plan.edge.cpu.into_iter().collect())?;
    // Where the venue's feed is.
    let echo_of_feed = Echo::start(plan.housekeeping.clone())?;
    let at_venue = Target { orders: venue.address, feed: venue.feed_address };
    let at_echo = Target { orders: echo.address, feed: echo_of_feed.address };
    let bot = Bot::after(0, Mix::Rest, false);
    let mut victim = [session(&venue, &bench_account(0), BENCH_PASSWORD, bot)?];
    let mut victim_of_echo = [echo.victim()?];
    let time = Duration::from_secs(args.seconds);
    print_line(
        "p50 and p99 of a well-behaved session, inside (read of the socket to write of the answer) | as it sees them",
    );
    // The first measurement warms up; calm is measured again beside each attack.
    in_venue(&venue, &mut victim, time)?;
    for (name, attack, threads) in ATTACKS {
        if args.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let calm = [in_venue(&venue, &mut victim, time)?, in_echo(&echo, &mut victim_of_echo, time)?];
        let under = Attackers::start(attack, threads, at_venue);
        let attacked = in_venue(&venue, &mut victim, time);
        under.stop();
        let under = Attackers::start(attack, threads, at_echo);
        let echoed = in_echo(&echo, &mut victim_of_echo, time);
        under.stop();
        let now = [attacked.with_context(|| name.to_owned())?, echoed.with_context(|| name.to_owned())?];
        tell(name, calm, now);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(name: &str, calm: [Seen; 2], now: [Seen; 2]) {
    let times = |seen: Seen| {
        let [p50, p99, out50, out99] = [seen.inside[0], seen.inside[1], seen.outside[0], seen.outside[1]].map(nanos);
        format!("{p50:>9} {p99:>9} | {out50:>9} {out99:>9}  ({} timed)", seen.samples)
    };
    print_line(name);
    for (what, seen) in
        [("venue, calm", calm[0]), ("venue, attacked", now[0]), ("echo, calm", calm[1]), ("echo, attacked", now[1])]
    {
        print_line(&format!("  {what:<16} {}", times(seen)));
    }
    let worse = |which: usize, inside: bool| {
        let at = |seen: Seen| if inside { seen.inside[1] } else { seen.outside[1] };
        let thousandths = match (calm.get(which), now.get(which)) {
            (Some(calm), Some(now)) => at(*now) * 1_000 / at(*calm).max(1),
            (None, _) | (_, None) => 0,
        };
        format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
    };
    print_line(&format!(
        "  p99 under attack: inside x{} in the venue, x{} in the echo; outside x{} and x{}",
        worse(0, true),
        worse(1, true),
        worse(0, false),
        worse(1, false)
    ));
}

fn quantiles(times: &Histogram<u64>) -> [u64; 2] {
    [0.5, 0.99].map(|quantile| times.value_at_quantile(quantile))
}

fn paced(time: Duration) -> Offer {
    Offer { per_second: VICTIM_PER_S, warm_up: Duration::ZERO, time }
}

fn in_venue(venue: &BenchVenue, victim: &mut [Session<Bot>], time: Duration) -> anyhow::Result<Seen> {
    let before = Snapshot::read(&venue.dir)?;
    let outcome = offer(victim, paced(time))?;
    let after = Snapshot::read(&venue.dir)?;
    let (Some(Value::Times(before)), Some(Value::Times(after))) = (before.values.get(WHOLE), after.values.get(WHOLE))
    else {
        anyhow::bail!("the venue does not time its stages");
    };
    let inside = after.since(before);
    Ok(Seen {
        inside: [inside.at(50_000), inside.at(99_000)],
        outside: quantiles(&outcome.times),
        samples: inside.count,
    })
}

fn in_echo(echo: &Echo, victim: &mut [Session<Bare>], time: Duration) -> anyhow::Result<Seen> {
    drop(echo.take()?);
    let outcome = offer(victim, paced(time))?;
    let inside = echo.take()?;
    Ok(Seen { inside: quantiles(&inside), outside: quantiles(&outcome.times), samples: inside.len() })
}

/// What the victim says to the echo.
#[derive(Debug)]
struct Bare;

impl Talk for Bare {
    fn request(&mut self, out: &mut Vec<u8>) -> anyhow::Result<()> {
        out.extend_from_slice(&[b'v'; ECHO_BYTES]);
        Ok(())
    }

    fn answers(&mut self, input: &mut Vec<u8>) -> anyhow::Result<u64> {
        let whole = input.len() / ECHO_BYTES;
        input.drain(..whole * ECHO_BYTES);
        Ok(whole as u64)
    }
}

/// Sends back what it gets, a thread for each connection, all on the cpus where the venue's thread would be; to a request for messages of
/// the feed it sends as much as the venue. Connections that begin with `v` are timed, from the read to the write.
struct Echo {
    address: SocketAddr,
    times: Mutex<Histogram<u64>>,
    open: AtomicU64,
}

impl Echo {
    /// Connections that it takes at once; it ends with the process.
    const OPEN_MAX: u64 = 512;

    fn start(cpus: Vec<usize>) -> anyhow::Result<Arc<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen for the echo")?;
        let times = Mutex::new(histogram()?);
        let echo = Arc::new(Self { address: listener.local_addr()?, times, open: AtomicU64::new(0) });
        let serving = Arc::clone(&echo);
        std::thread::spawn(move || {
            drop(topology::run_on(&cpus));
            for socket in listener.incoming().map_while(Result::ok) {
                if serving.open.fetch_add(1, Ordering::Relaxed) >= Self::OPEN_MAX {
                    serving.open.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                let echo = Arc::clone(&serving);
                std::thread::spawn(move || {
                    echo.serve(socket);
                    echo.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Ok(echo)
    }

    fn serve(&self, mut socket: TcpStream) {
        drop(socket.set_nodelay(true));
        let (mut room, repair) = (vec![0; 64 << 10], vec![0; REPAIR_BYTES]);
        while let Ok(read @ 1..) = socket.read(&mut room) {
            let begun = monotonic();
            let bytes = room.get(..read).unwrap_or_default();
            let written = if bytes.first() == Some(&REQUEST_BEGINS) {
                (0..read / REQUEST_BYTES).try_for_each(|_| socket.write_all(&repair))
            } else {
                socket.write_all(bytes)
            };
            if written.is_err() {
                return;
            }
            let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if bytes.first() == Some(&b'v')
                && let Ok(mut times) = self.times.lock()
            {
                times.saturating_record(took);
            }
        }
    }

    fn victim(&self) -> anyhow::Result<Session<Bare>> {
        Session::over(TcpStream::connect(self.address).context("cannot connect to the echo")?, Bare)
    }

    fn take(&self) -> anyhow::Result<Histogram<u64>> {
        let fresh = histogram()?;
        let mut times = self.times.lock().map_err(|_| anyhow::anyhow!("the echo has ended"))?;
        Ok(std::mem::replace(&mut *times, fresh))
    }
}

/// The threads of one attack.
struct Attackers {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Attackers {
    fn start(attack: Attack, threads: u32, target: Target) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let one = |number| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    attack(target, number, &stop);
                    nap(Duration::from_micros(500));
                }
            })
        };
        let threads = (0..threads).map(one).collect();
        // Until it is under way.
        nap(Duration::from_millis(300));
        Self { stop, threads }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            drop(thread.join());
        }
        // What it left behind is dealt with.
        nap(Duration::from_millis(500));
    }
}

fn nap(time: Duration) {
    let end = monotonic() + time;
    while monotonic() < end {
        std::thread::park_timeout(end.saturating_duration_since(monotonic()));
    }
}

/// True while the attack goes on, and for so long.
fn goes_on(stop: &AtomicBool, begun: Instant, time: Duration) -> bool {
    !stop.load(Ordering::Relaxed) && begun.elapsed() < time
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    let socket = TcpStream::connect(address).ok()?;
    socket.set_nodelay(true).ok()?;
    socket.set_read_timeout(Some(Duration::from_millis(20))).ok()?;
    socket.set_write_timeout(Some(Duration::from_millis(20))).ok()?;
    Some(socket)
}

fn login(account: u32, password: &str) -> Vec<u8> {
    let login = LoginRequest::new(&bench_account(account), password, SessionName::BLANK, 0);
    login.map_or_else(Vec::new, |login| login.to_packet().to_vec())
}

/// Orders that end at once, and are answered.
fn orders(first: u32, count: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in first..first.saturating_add(count) {
        let mut message = enter(number);
        if let Inbound::EnterOrder(order) = &mut message {
            order.time_in_force = b'3';
        }
        let mut packet = [0; 64];
        bytes.extend_from_slice(packet_of(&message, &mut packet).unwrap_or_default());
    }
    bytes
}

/// Trades for two seconds at a moderate rate; reads what is answered, or not.
fn trade(target: Target, number: u32, stop: &AtomicBool, reads: bool) {
    let Some(mut socket) = connect(target.orders) else { return };
    drop(socket.write_all(&login(number + 1, BENCH_PASSWORD)));
    drop(socket.set_nonblocking(true));
    let (begun, mut room, mut next) = (monotonic(), vec![0; 64 << 10], 1);
    while goes_on(stop, begun, Duration::from_secs(2)) {
        let burst = orders(next, 16);
        next += 16;
        drop(socket.write(&burst));
        if reads {
            while matches!(socket.read(&mut room), Ok(1..)) {}
        }
        nap(Duration::from_millis(20));
    }
}

/// One that reads nothing, and asks for as much as it can.
fn deaf(target: Target, number: u32, stop: &AtomicBool) {
    let Some(mut socket) = connect(target.orders) else { return };
    drop(socket.write_all(&login(number + 1, BENCH_PASSWORD)));
    drop(socket.set_nonblocking(true));
    let (begun, mut next) = (monotonic(), 1);
    while goes_on(stop, begun, Duration::from_secs(4)) {
        drop(socket.write(&orders(next, 64)));
        next += 64;
        nap(Duration::from_millis(4));
    }
}

fn half_deaf(target: Target, number: u32, stop: &AtomicBool) {
    trade(target, number, stop, number.is_multiple_of(2));
}

const UPGRADE: &str = "GET /itch HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Every second one follows the feed without reading it.
fn deaf_subscriber(target: Target, number: u32, stop: &AtomicBool) {
    let Some(mut socket) = connect(target.feed) else { return };
    drop(socket.write_all(UPGRADE.as_bytes()));
    let (begun, mut room) = (monotonic(), vec![0; 64 << 10]);
    while goes_on(stop, begun, Duration::from_secs(4)) {
        if number.is_multiple_of(2) {
            drop(socket.read(&mut room));
        } else {
            nap(Duration::from_millis(20));
        }
    }
}

fn flood(target: Target, _: u32, _: &AtomicBool) {
    drop(connect(target.orders));
    drop(connect(target.feed));
}

fn storm(target: Target, number: u32, _: &AtomicBool) {
    let Some(mut socket) = connect(target.orders) else { return };
    drop(socket.write_all(&login(number + 1, "guess")));
    drop(socket.read(&mut [0; 64]));
}

fn drip(target: Target, number: u32, stop: &AtomicBool) {
    let Some(mut socket) = connect(target.orders) else { return };
    for byte in login(number + 1, "guess") {
        if socket.write_all(&[byte]).is_err() || stop.load(Ordering::Relaxed) {
            return;
        }
        nap(Duration::from_millis(1));
    }
}

fn oversize(target: Target, number: u32, _: &AtomicBool) {
    let Some(mut socket) = connect(target.orders) else { return };
    drop(socket.write_all(&login(number + 1, BENCH_PASSWORD)));
    let mut longest = vec![b'x'; 65_537];
    if let Some(head) = longest.first_chunk_mut() {
        *head = [0xff, 0xff, b'+'];
    }
    for _ in 0..8 {
        drop(socket.write(&longest));
    }
}

fn garbage(target: Target, _: u32, _: &AtomicBool) {
    for address in [target.orders, target.feed] {
        let Some(mut socket) = connect(address) else { return };
        drop(socket.write(&[0xa5; 4_096]));
    }
}

/// As many messages as it can, ten times what its session may send.
fn fast(target: Target, number: u32, stop: &AtomicBool) {
    let Some(mut socket) = connect(target.orders) else { return };
    drop(socket.write_all(&login(number + 1, BENCH_PASSWORD)));
    drop(socket.set_nonblocking(true));
    let (begun, mut room, mut next) = (monotonic(), vec![0; 64 << 10], 1_u32);
    let due = |begun: Instant| RATE_MAX * 10 * u64::try_from(begun.elapsed().as_micros()).unwrap_or(0) / 1_000_000;
    while goes_on(stop, begun, Duration::from_secs(30)) {
        while u64::from(next) < due(begun) {
            drop(socket.write(&orders(next, 64)));
            next = next.saturating_add(64);
        }
        while matches!(socket.read(&mut room), Ok(1..)) {}
        nap(Duration::from_micros(300));
    }
}

/// Asks for all messages of the feed again and again, and reads them.
fn ask_again(target: Target, _: u32, stop: &AtomicBool) {
    let Some(mut socket) = connect(target.feed) else { return };
    drop(socket.write_all(UPGRADE.as_bytes()));
    let mut room = vec![0; 64 << 10];
    drop(socket.read(&mut room));
    // A masked binary frame of 20 bytes, with a mask of zeros.
    let mut request = vec![REQUEST_BEGINS, 0x94, 0, 0, 0, 0];
    request.extend_from_slice(&Header { session: SessionName(*b"S000000001"), sequence: 1, count: 1_000 }.to_bytes());
    let begun = monotonic();
    while goes_on(stop, begun, Duration::from_secs(2)) {
        for _ in 0..16 {
            drop(socket.write(&request));
        }
        drop(socket.read(&mut room));
    }
}
