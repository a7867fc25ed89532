//! The round trip of an order, as a multiple of a bare TCP echo of the same bytes on the same cpus in the same run. These are
//! round trips, one at a time: not latency under load.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, ensure};
use engine::runtime::topology;
use hdrhistogram::Histogram;
use protocol::ouch::inbound::{CancelOrder, EnterOrder, Inbound};
use protocol::soupbin::{self, LoginRequest};
use protocol::{ClOrdId, Qty, SessionName, Symbol, UserRefNum};

use crate::bench::round_trip::{Spinning, histogram};
use crate::config::DEMO_PASSWORD;

/// An Enter Order in its packet, and its Accepted in its packet.
const REQUEST_BYTES: usize = 50;
const ANSWER_BYTES: usize = 67;
/// A Canceled in its packet.
const CANCELED_BYTES: usize = 21;
const LOGIN_ACCEPTED_BYTES: usize = 33;
const SYSTEM_EVENT_BYTES: usize = 13;

/// Orders and echoes, one at a time, in rounds of the one and the other.
#[derive(Debug)]
pub struct Trips {
    /// Round trips of orders.
    pub orders: Histogram<u64>,
    /// Round trips of as many bytes through a bare echo.
    pub echo: Histogram<u64>,
    ratios: Vec<[u64; 2]>,
}

/// Where the echo runs, as the venue's edge does.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its cpu.
    pub cpu: Option<usize>,
    /// The bot shares it: bot and echo wait in the kernel instead of spinning.
    pub blocks: bool,
}

/// Measures `rounds` rounds of `count` orders and of `count` echoes against the venue at `address`, the echo at `place`.
///
/// # Errors
/// When a connection breaks.
pub fn measure(address: SocketAddr, place: Place, count: u32, rounds: u32) -> anyhow::Result<Trips> {
    let echo = Echo::start(place)?;
    let mut orders = OrderLoop::login(address, place.blocks)?;
    let mut echo_socket = Spinning::connect(echo.address, place.blocks)?;
    let mut trips = Trips { orders: histogram()?, echo: histogram()?, ratios: Vec::new() };
    let warm_up = count.div_ceil(4);
    orders.round(warm_up, &mut histogram()?)?;
    echo_round(&mut echo_socket, warm_up, &mut histogram()?)?;
    for round in 0..rounds {
        let (mut order_round, mut echo_round_times) = (histogram()?, histogram()?);
        if round.is_multiple_of(2) {
            orders.round(count, &mut order_round)?;
            echo_round(&mut echo_socket, count, &mut echo_round_times)?;
        } else {
            echo_round(&mut echo_socket, count, &mut echo_round_times)?;
            orders.round(count, &mut order_round)?;
        }
        trips.ratios.push([0.5, 0.99].map(|at| thousandths(&order_round, &echo_round_times, at)));
        trips.orders.add(&order_round)?;
        trips.echo.add(&echo_round_times)?;
    }
    Ok(trips)
}

/// One over the other at a quantile, in thousandths.
fn thousandths(orders: &Histogram<u64>, echo: &Histogram<u64>, at: f64) -> u64 {
    orders.value_at_quantile(at) * 1_000 / echo.value_at_quantile(at).max(1)
}

impl Trips {
    /// Order over echo, medians of the rounds with least and greatest, for people.
    pub fn ratio(&self) -> String {
        let decimal = |thousandths: u64| format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
        let median = |which: usize| {
            let mut sorted: Vec<u64> = self.ratios.iter().filter_map(|ratio| ratio.get(which).copied()).collect();
            sorted.sort_unstable();
            let at = |index: usize| decimal(sorted.get(index).copied().unwrap_or(0));
            format!("{} [{}-{}]", at(sorted.len() / 2), at(0), at(sorted.len().saturating_sub(1)))
        };
        format!("p50 {}, p99 {}", median(0), median(1))
    }
}

fn echo_round(socket: &mut Spinning, orders: u32, times: &mut Histogram<u64>) -> anyhow::Result<()> {
    (0..orders).try_for_each(|_| socket.measure(&[b'x'; REQUEST_BYTES], ANSWER_BYTES, times))
}

/// Enters an order that rests, measures its acknowledgement, and cancels it.
#[derive(Debug)]
pub struct OrderLoop {
    socket: Spinning,
    number: u32,
}

impl OrderLoop {
    /// Logs in.
    ///
    /// # Errors
    /// When the venue does not let it.
    pub fn login(address: SocketAddr, blocks: bool) -> anyhow::Result<Self> {
        let mut socket = Spinning::connect(address, blocks)?;
        let login = LoginRequest::new("DEMO01", DEMO_PASSWORD, SessionName::BLANK, 1).context("a login")?;
        socket.send(&login.to_packet())?;
        let accepted = socket.receive(LOGIN_ACCEPTED_BYTES + SYSTEM_EVENT_BYTES)?;
        ensure!(accepted.get(2) == Some(&soupbin::LOGIN_ACCEPTED), "the venue did not accept the login");
        Ok(Self { socket, number: 0 })
    }

    /// Sends an order that rests, and waits for nothing.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn enter_only(&mut self) -> anyhow::Result<()> {
        let mut packet = [0; REQUEST_BYTES];
        self.number += 1;
        self.socket.drain()?;
        self.socket.send(packet_of(&enter(self.number), &mut packet)?)
    }

    /// Sends the end of the last order, and waits for nothing.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn cancel_only(&mut self) -> anyhow::Result<()> {
        let mut packet = [0; 16];
        self.socket.drain()?;
        self.socket.send(packet_of(&cancel_of(self.number), &mut packet)?)
    }

    /// Enters and cancels so many orders, and measures the answers to the entries.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn round(&mut self, orders: u32, times: &mut Histogram<u64>) -> anyhow::Result<()> {
        let mut packet = [0; REQUEST_BYTES];
        self.socket.drain()?;
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

/// A message in its packet.
///
/// # Errors
/// When it does not fit.
pub fn packet_of<'a>(message: &Inbound, out: &'a mut [u8]) -> anyhow::Result<&'a [u8]> {
    let mut bytes = [0; 64];
    let length = message.encode(None, &mut bytes).context("a message of at most 64 bytes")?;
    let payload = bytes.get(..length).unwrap_or_default();
    let length = soupbin::encode(soupbin::UNSEQUENCED, payload, out).context("a packet that fits")?;
    out.get(..length).context("a packet that fits")
}

/// An order that rests.
pub fn enter(number: u32) -> Inbound {
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

/// Its end.
pub fn cancel_of(number: u32) -> Inbound {
    Inbound::CancelOrder(CancelOrder { user_ref_num: UserRefNum(number), quantity: Qty(0) })
}

/// A bare echo on the cpu where the venue's edge would be: reads a request, writes an answer's worth of bytes.
struct Echo {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    fn start(place: Place) -> anyhow::Result<Self> {
        let Place { cpu, blocks } = place;
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen for the echo")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            if let Some(cpu) = cpu {
                drop(topology::run_on(&[cpu]));
            }
            drop(echo(&listener, &seen, blocks));
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

/// Spins while requests come; rests while the venue is measured, as the venue does while the echo is.
fn echo(listener: &TcpListener, stop: &AtomicBool, blocks: bool) -> std::io::Result<()> {
    const SPINS: u32 = 20_000;
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(!blocks)?;
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
