//! The budget of one order: what each stage takes, one order at a time, beside what it cannot be faster than on this machine.
//! The limits are measured in the same run: a system call, a write to a socket, a ring, a flush, a miss of all caches.

use std::hint::black_box;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use anyhow::{Context, ensure};
use benches::matching::{Options, REGIMES, measure_only};
use engine::runtime::pipeline::input_ring;
use engine::runtime::stages::{STAGES, WHOLE};
use engine::runtime::tsc::{TickRate, ticks};
use hdrhistogram::Histogram;
use protocol::types::SystemEventCode;
use protocol::{CommandBody, Nanos, Sequence};

use crate::bench::report::{BudgetLine, Yardstick};
use crate::bench::round_trip::histogram;
use crate::bench::trips::Trips;
use crate::bench::yardstick;
use crate::config::DurabilityMode;
use crate::counters::file::Snapshot;

/// What this machine cannot do faster.
pub struct Limits {
    durability: DurabilityMode,
    stamp_centinanos: u64,
    call: Histogram<u64>,
    write: Histogram<u64>,
    ring: Histogram<u64>,
    flush: Histogram<u64>,
    miss: Histogram<u64>,
    core: Histogram<u64>,
}

impl Limits {
    /// Measures them: about a second.
    ///
    /// # Errors
    /// The operating system's.
    pub fn measure(dir: &Path, durability: DurabilityMode) -> anyhow::Result<Self> {
        let rate = TickRate::calibrate();
        let (call, write) = sockets(rate)?;
        let mut core = histogram()?;
        let market = REGIMES.iter().find(|market| market.name == "itch-mix").context("the bench has lost a market")?;
        let options = Options { commands: 50_000, rounds: 3, ..Options::tiny() };
        for nanos in measure_only("steps", market, &options).map_err(anyhow::Error::msg)? {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tens of nanoseconds")]
            core.saturating_record(nanos as u64);
        }
        Ok(Self {
            durability,
            stamp_centinanos: rate.cost_centinanos(),
            call,
            write,
            ring: one_ring(rate)?,
            flush: yardstick::flushes(dir, 50)?,
            miss: misses(rate)?,
            core,
        })
    }

    /// As yardsticks of a report.
    pub fn yardsticks(&self) -> Vec<Yardstick> {
        [
            ("system call: read of an empty socket", &self.call),
            ("write of an answer to a loopback socket", &self.write),
            ("into a ring and out, on one thread", &self.ring),
            ("a load that misses every cache", &self.miss),
            ("write of 4 KiB and flush", &self.flush),
        ]
        .map(|(name, times)| Yardstick::of(name, times))
        .into()
    }

    /// The budget: stages from the counters before and after the round trips, and what lies around them.
    pub fn budget(&self, before: &Snapshot, after: &Snapshot, trips: &Trips) -> Vec<BudgetLine> {
        let p50 = |times: &Histogram<u64>| times.value_at_quantile(0.5);
        let stage = |name: &str| {
            let times = after.times(name)?.since(before.times(name)?);
            Some([times.mean(), times.at(50_000)])
        };
        let appended = p50(&self.miss) * 2;
        let (durable, durable_ns) = match self.durability {
            DurabilityMode::Memory => ("nothing is kept", 0),
            DurabilityMode::Journal => ("two cache lines of a mapped file: two misses", appended),
            DurabilityMode::Fdatasync => ("a write of 4 KiB and its flush", p50(&self.flush)),
        };
        let limits = [
            ("into a ring and out, on one thread", p50(&self.ring)),
            ("the core from ring to ring, per command under load", p50(&self.core)),
            (durable, durable_ns),
            ("a write of as many bytes to a loopback socket", p50(&self.write)),
        ];
        let line = |stage: &str, [took_ns, p50_ns]: [u64; 2], limit: &str, limit_ns: u64| BudgetLine {
            stage: stage.to_owned(),
            took_ns,
            p50_ns,
            limit: limit.to_owned(),
            limit_ns,
        };
        let mut lines: Vec<BudgetLine> = STAGES
            .iter()
            .zip(limits)
            .filter_map(|(name, (limit, limit_ns))| {
                Some(line(name.strip_prefix("stage.").unwrap_or(name), stage(name)?, limit, limit_ns))
            })
            .collect();
        let inside = stage(WHOLE).unwrap_or_default();
        let limit: u64 = lines.iter().map(|line| line.limit_ns).sum();
        lines.push(line("whole, inside the venue", inside, "the sum of these", limit));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time")]
        let order = [trips.orders.mean() as u64, p50(&trips.orders)];
        let outside = [order[0].saturating_sub(inside[0]), order[1].saturating_sub(inside[1])];
        let calls = "a read and a write of the bot, a read of the venue, as system calls";
        lines.push(line("outside: kernel and bot", outside, calls, p50(&self.call) * 2 + p50(&self.write)));
        lines.push(line("round trip", order, "the bare TCP echo of the same run", p50(&trips.echo)));
        let stamps = "stamps: four for one command in 64, one per read of a socket; one stamp";
        let per_order = self.stamp_centinanos * (64 + 4) / 64 / 100;
        lines.push(line("of it, taking the times", [per_order; 2], stamps, self.stamp_centinanos / 100));
        lines
    }
}

/// A read that finds nothing, and a write of an answer's bytes.
fn sockets(rate: TickRate) -> anyhow::Result<(Histogram<u64>, Histogram<u64>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nonblocking(true)?;
    let (mut calls, mut writes, mut bytes) = (histogram()?, histogram()?, [0; 1_024]);
    for _ in 0..5_000 {
        let start = ticks();
        let found = far.read(&mut bytes);
        calls.saturating_record(rate.between(start, ticks()));
        ensure!(found.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "a socket has bytes that nobody sent");
        let start = ticks();
        near.write_all(&[b'y'; 67])?;
        writes.saturating_record(rate.between(start, ticks()));
        while far.read(&mut bytes).is_err() {}
    }
    Ok((calls, writes))
}

/// A command into a ring and out again on the same thread.
fn one_ring(rate: TickRate) -> anyhow::Result<Histogram<u64>> {
    const AT_ONCE: u64 = 32;
    let (mut commands, mut journal, mut core) = input_ring(1_024, Sequence(0), Nanos(0));
    let body = CommandBody::SystemEvent(SystemEventCode::StartOfMessages);
    let mut times = histogram()?;
    for _ in 0..2_000 {
        let start = ticks();
        for _ in 0..AT_ONCE {
            let submitted = commands.try_submit(Nanos(0), &body);
            black_box(submitted.is_ok());
            core.poll(1, |command| {
                black_box(command.sequence);
            });
        }
        times.saturating_record(rate.between(start, ticks()) / AT_ONCE);
        journal.poll(AT_ONCE, |_| {});
    }
    Ok(times)
}

/// Loads that depend on each other, all over 128 MiB.
fn misses(rate: TickRate) -> anyhow::Result<Histogram<u64>> {
    const LINES: usize = 1 << 21;
    const AT_ONCE: u64 = 64;
    /// Odd, and far from any pattern that a cache guesses: it visits every line once before the first again.
    const STRIDE: usize = 1_315_423_911;
    let lines: Vec<[usize; 8]> =
        (0..LINES).map(|line| [(line.wrapping_mul(5).wrapping_add(STRIDE)) % LINES; 8]).collect();
    let (mut at, mut times) = (0, histogram()?);
    for _ in 0..2_000 {
        let start = ticks();
        for _ in 0..AT_ONCE {
            at = lines.get(at).map_or(0, |line| line[0]);
        }
        times.saturating_record(rate.between(start, ticks()) / AT_ONCE);
    }
    black_box(at);
    Ok(times)
}
