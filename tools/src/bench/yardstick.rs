//! What this machine can do without the venue: the yardsticks beside which its figures stand. Two hops through rings between
//! two threads, one flush of a small write, and how long a spinning cpu is away.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use engine::runtime::pipeline::{input_ring, output_ring};
use engine::runtime::topology::{self, Topology};
use engine::runtime::tsc::{TickRate, ticks};
use hdrhistogram::Histogram;
use protocol::types::SystemEventCode;
use protocol::{CommandBody, Event, EventBody, Nanos, Sequence};

use crate::bench::round_trip::histogram;
use crate::clock::monotonic;

/// A command through one ring to another thread, and its event through another ring back: ns of both hops together.
///
/// # Errors
/// Histogram bounds.
pub fn two_ring_hops(trips: u32, topology: &Topology) -> anyhow::Result<Histogram<u64>> {
    let rate = TickRate::calibrate();
    let (mut commands, mut journal, mut there) = input_ring(1_024, Sequence(0), Nanos(0));
    let (mut back, [mut here, mut feed, mut projections]) = output_ring(1_024);
    let stop = AtomicBool::new(false);
    let mut times = histogram()?;
    let cpus = topology.allowed.clone();
    let far = cpus.last().copied();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            drop(far.map(|cpu| topology::run_on(&[cpu])));
            let body = EventBody::SystemEvent { code: SystemEventCode::StartOfMessages };
            while !stop.load(Ordering::Relaxed) {
                let mut event = None;
                there.poll(1, |command| event = Some(Event { sequence: command.sequence, ingress: Nanos(0), body }));
                match event {
                    Some(event) => while back.try_publish(&[event], || Nanos(0)) == 0 {},
                    None => rest(cpus.len()),
                }
            }
        });
        for _ in 0..trips {
            let start = ticks();
            let body = CommandBody::SystemEvent(SystemEventCode::StartOfMessages);
            while commands.try_submit(Nanos(0), &body).is_err() {}
            while here.poll(1, |_| {}) == 0 {
                rest(cpus.len());
            }
            times.saturating_record(rate.between(start, ticks()));
            journal.poll(64, |_| {});
            feed.poll(64, |_| {});
            projections.poll(64, |_| {});
        }
        stop.store(true, Ordering::Relaxed);
    });
    Ok(times)
}

/// Two spinners on one cpu would wait for the kernel's next tick each time.
fn rest(cpus: usize) {
    if cpus > 1 {
        core::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

/// A write of 4 KiB at the end of a file and its flush (`fdatasync`): ns of both.
///
/// # Errors
/// The operating system's.
pub fn flushes(dir: &Path, count: u32) -> anyhow::Result<Histogram<u64>> {
    let path = dir.join("flush-yardstick");
    let mut file = std::fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut times = histogram()?;
    for _ in 0..count {
        let start = monotonic();
        file.write_all(&[1; 4_096])?;
        file.sync_data()?;
        times.saturating_record(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    drop(std::fs::remove_file(&path));
    Ok(times)
}

/// Spins for `time` on `cpu` and records each pause between two readings of the clock that is longer than `from_ns`.
///
/// # Errors
/// Histogram bounds; a cpu that cannot be had.
pub fn jitter(cpu: usize, time: Duration, from_ns: u64) -> anyhow::Result<Histogram<u64>> {
    let rate = TickRate::calibrate();
    let spun = std::thread::spawn(move || {
        topology::run_on(&[cpu])?;
        let mut times = histogram()?;
        let end = monotonic() + time;
        while monotonic() < end {
            let mut last = ticks();
            for _ in 0..4_096 {
                let now = ticks();
                let pause = rate.between(last, now);
                if pause >= from_ns {
                    times.saturating_record(pause);
                }
                last = now;
            }
        }
        anyhow::Ok(times)
    });
    spun.join().unwrap_or_else(|_| anyhow::bail!("the spinning thread has ended"))
}
