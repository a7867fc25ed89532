//! Open-loop load: requests leave by a schedule that knows nothing of the answers, and each latency counts from the time at
//! which its request was meant to leave. A server that stalls is charged for every request that should have been answered
//! meanwhile: no coordinated omission.
//!
//! One thread sends and reads on all sessions, spinning. How long its own rounds take is recorded, too: what the load
//! generator itself missed cannot be told from what the server missed.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;

use crate::bench::round_trip::histogram;
use crate::clock::monotonic;

/// Requests handed out between two looks at the answers.
const BURST: u64 = 32;
/// How long answers are waited for after the last request.
const PATIENCE: Duration = Duration::from_secs(3);
/// Length of an interval of the timeline.
pub const INTERVAL_NS: u64 = 100_000_000;
/// Share of the requests, in thousandths, that may be unanswered when the schedule ends; what is due in 100 ms may always
/// be, so that a pause of the host at the end is not taken for saturation.
const BEHIND_MAX: u64 = 20;

/// What is said on one session: the load does not know the protocol.
pub trait Talk {
    /// Adds the next request to `out`.
    ///
    /// # Errors
    /// When it cannot be made.
    fn request(&mut self, out: &mut Vec<u8>) -> anyhow::Result<()>;

    /// Takes whole answers from the front of `input` and says how many there were: one per request, in order. What is no
    /// answer (heartbeats, executions of resting orders) is taken and not counted.
    ///
    /// # Errors
    /// When the other side does not keep to the protocol.
    fn answers(&mut self, input: &mut Vec<u8>) -> anyhow::Result<u64>;
}

/// One connection with its requests on their way.
#[derive(Debug)]
pub struct Session<T> {
    socket: TcpStream,
    talk: T,
    out: Vec<u8>,
    input: Vec<u8>,
    /// What one read brings.
    room: Box<[u8]>,
    /// When each unanswered request was meant to leave, and when it did.
    waiting: VecDeque<(u64, u64)>,
}

impl<T: Talk> Session<T> {
    /// Over a connection on which everything before the first request has been said.
    ///
    /// # Errors
    /// The operating system's.
    pub fn over(socket: TcpStream, talk: T) -> anyhow::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let room = vec![0; 32 << 10].into_boxed_slice();
        Ok(Self { socket, talk, out: Vec::new(), input: Vec::new(), room, waiting: VecDeque::new() })
    }

    /// What is said on it.
    pub const fn talk(&self) -> &T {
        &self.talk
    }

    /// The same, to be changed.
    pub const fn talk_mut(&mut self) -> &mut T {
        &mut self.talk
    }

    fn push(&mut self) -> anyhow::Result<()> {
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(0) => bail!("the other side is gone"),
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the other side is gone"),
            }
        }
        Ok(())
    }

    fn pull(&mut self) -> anyhow::Result<u64> {
        match self.socket.read(&mut self.room) {
            Ok(0) => bail!("the other side closed the connection"),
            Ok(read) => {
                self.input.extend_from_slice(self.room.get(..read).unwrap_or_default());
                self.talk.answers(&mut self.input)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error).context("the other side is gone"),
        }
    }
}

/// What is offered.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Requests per second, over all sessions.
    pub per_second: u64,
    /// Time that is thrown away first.
    pub warm_up: Duration,
    /// Time that counts.
    pub time: Duration,
}

/// One interval of the timeline.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Latencies of the requests that were meant to leave in it.
    pub times: Histogram<u64>,
    /// The longest round of the load generator in it, ns.
    pub hiccup_ns: u64,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Requests per second that were offered.
    pub per_second: u64,
    /// Requests that count.
    pub requests: u64,
    /// Of these, not answered when the schedule ended.
    pub behind: u64,
    /// Of these, never answered; each counts with the time that was waited for it.
    pub unanswered: u64,
    /// From the intended time of leaving to the answer, ns.
    pub times: Histogram<u64>,
    /// From the real time of leaving to the answer, ns: what a closed loop would have told.
    pub service: Histogram<u64>,
    /// In order.
    pub intervals: Vec<Interval>,
}

impl Outcome {
    /// True when the other side kept up with the schedule.
    pub const fn is_sustained(&self) -> bool {
        let by_share = self.behind * 1_000 <= self.requests * BEHIND_MAX;
        self.unanswered == 0 && (by_share || self.behind <= self.per_second / 10)
    }
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn span(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// One run: the schedule, and what has been seen so far.
struct Run {
    offer: Offer,
    start: Instant,
    warm_ns: u64,
    total: u64,
    warm: u64,
    outcome: Outcome,
}

impl Run {
    fn new(offer: Offer) -> anyhow::Result<Self> {
        let per = |time: Duration| u128::from(offer.per_second) * time.as_nanos() / 1_000_000_000;
        let warm = u64::try_from(per(offer.warm_up))?;
        let counted = u64::try_from(per(offer.time))?.max(1);
        let intervals = span(offer.time).div_ceil(INTERVAL_NS);
        let interval = || Ok(Interval { times: histogram()?, hiccup_ns: 0 });
        let outcome = Outcome {
            per_second: offer.per_second,
            requests: counted,
            behind: 0,
            unanswered: 0,
            times: histogram()?,
            service: histogram()?,
            intervals: (0..intervals).map(|_| interval()).collect::<anyhow::Result<_>>()?,
        };
        let (warm_ns, start) = (span(offer.warm_up), monotonic());
        Ok(Self { offer, start, warm_ns, total: warm + counted, warm, outcome })
    }

    /// When a request is meant to leave, ns after the start.
    fn intended(&self, request: u64) -> u64 {
        let at = u128::from(request) * 1_000_000_000 / u128::from(self.offer.per_second.max(1));
        u64::try_from(at).unwrap_or(u64::MAX)
    }

    fn interval(&mut self, at: u64) -> Option<&mut Interval> {
        let index = at.checked_sub(self.warm_ns)? / INTERVAL_NS;
        self.outcome.intervals.get_mut(usize::try_from(index).ok()?)
    }

    fn record(&mut self, intended: u64, sent: u64, now: u64) {
        if intended < self.warm_ns {
            return;
        }
        let latency = now.saturating_sub(intended);
        self.outcome.times.saturating_record(latency);
        self.outcome.service.saturating_record(now.saturating_sub(sent));
        if let Some(interval) = self.interval(intended) {
            interval.times.saturating_record(latency);
        }
    }

    fn hiccup(&mut self, at: u64, nanos: u64) {
        if let Some(interval) = self.interval(at) {
            interval.hiccup_ns = interval.hiccup_ns.max(nanos);
        }
    }
}

/// Offers the load to `sessions`, in turns, and waits for the answers.
///
/// # Errors
/// When a connection breaks.
pub fn offer<T: Talk>(sessions: &mut [Session<T>], offer: Offer) -> anyhow::Result<Outcome> {
    let mut run = Run::new(offer)?;
    let (mut next, mut answered, mut last) = (0, 0, 0);
    let mut is_scheduled = false;
    loop {
        let now = nanos(run.start);
        run.hiccup(now, now - last);
        last = now;
        let until = run.total.min(next + BURST);
        while next < until && run.intended(next) <= now {
            let turn = usize::try_from(next).unwrap_or(0) % sessions.len().max(1);
            let intended = run.intended(next);
            if let Some(session) = sessions.get_mut(turn) {
                session.talk.request(&mut session.out)?;
                session.push()?;
                session.waiting.push_back((intended, nanos(run.start)));
            }
            next += 1;
        }
        for session in &mut *sessions {
            session.push()?;
            let answers = session.pull()?;
            let now = nanos(run.start);
            for _ in 0..answers {
                let Some((intended, sent)) = session.waiting.pop_front() else { bail!("an answer to no request") };
                run.record(intended, sent, now);
                answered += 1;
            }
        }
        if next == run.total {
            if !is_scheduled {
                is_scheduled = true;
                run.outcome.behind = run.total - answered.max(run.warm);
            }
            let waited = nanos(run.start).saturating_sub(run.intended(run.total));
            if answered == run.total || waited > span(PATIENCE) {
                break;
            }
        }
    }
    let now = nanos(run.start);
    for session in sessions {
        for (intended, sent) in session.waiting.drain(..) {
            run.record(intended, sent, now);
            run.outcome.unanswered += 1;
        }
    }
    Ok(run.outcome)
}

/// What a closed loop brought.
#[derive(Clone, Debug)]
pub struct Flown {
    /// Answers per second, of all sessions.
    pub per_second: u64,
    /// Answers of the session with the fewest and of that with the most.
    pub spread: [u64; 2],
    /// From leaving to the answer, ns.
    pub times: Histogram<u64>,
}

/// Keeps `flight` requests on their way on each session for `time`, then waits for the last answers. What leaves in one round of
/// a session leaves in one write.
///
/// # Errors
/// When a connection breaks, or answers do not come.
pub fn fly<T: Talk>(sessions: &mut [Session<T>], flight: usize, time: Duration) -> anyhow::Result<Flown> {
    let (start, span) = (monotonic(), span(time));
    let mut times = histogram()?;
    let mut counts = vec![0_u64; sessions.len()];
    let mut end = None;
    loop {
        let (mut is_idle, mut is_flying) = (true, false);
        for (session, count) in sessions.iter_mut().zip(&mut counts) {
            let answers = session.pull()?;
            let now = nanos(start);
            for _ in 0..answers {
                let Some((_, sent)) = session.waiting.pop_front() else { bail!("an answer to no request") };
                times.saturating_record(now - sent);
            }
            if now < span {
                *count += answers;
                for _ in session.waiting.len()..flight {
                    session.talk.request(&mut session.out)?;
                    session.waiting.push_back((now, now));
                }
            }
            session.push()?;
            is_idle &= answers == 0;
            is_flying |= !session.waiting.is_empty();
        }
        let now = nanos(start);
        if now >= span {
            end.get_or_insert(now);
            if !is_flying {
                break;
            }
            anyhow::ensure!(now < span + self::span(PATIENCE), "answers are missing");
        }
        if is_idle {
            std::thread::yield_now();
        }
    }
    let total: u64 = counts.iter().sum();
    let per_second = u128::from(total) * 1_000_000_000 / u128::from(end.unwrap_or(1).max(1));
    let spread = [counts.iter().min(), counts.iter().max()].map(|count| count.copied().unwrap_or(0));
    Ok(Flown { per_second: u64::try_from(per_second)?, spread, times })
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    /// A byte each way.
    struct Bytes;

    impl Talk for Bytes {
        fn request(&mut self, out: &mut Vec<u8>) -> anyhow::Result<()> {
            out.push(b'?');
            Ok(())
        }
        fn answers(&mut self, input: &mut Vec<u8>) -> anyhow::Result<u64> {
            let answers = input.len() as u64;
            input.clear();
            Ok(answers)
        }
    }

    /// Answers each byte `delay` after it came, in order, and once stands still for `stall` after so many bytes.
    fn stub(delay: Duration, stall: Option<(usize, Duration)>) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.set_nodelay(true).unwrap();
            socket.set_nonblocking(true).unwrap();
            let (mut bytes, mut seen, mut stall) = ([0; 4_096], 0, stall);
            let mut due: VecDeque<Instant> = VecDeque::new();
            loop {
                match socket.read(&mut bytes) {
                    Ok(0) => return,
                    Ok(read) => {
                        seen += read;
                        due.extend((0..read).map(|_| monotonic() + delay));
                        if let Some((_, time)) = stall.take_if(|(at, _)| seen >= *at) {
                            let end = monotonic() + time;
                            while monotonic() < end {
                                std::thread::park_timeout(end.duration_since(monotonic()));
                            }
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
                while due.front().is_some_and(|due| *due <= monotonic()) {
                    due.pop_front();
                    if socket.write_all(b"!").is_err() {
                        return;
                    }
                }
                std::thread::yield_now();
            }
        });
        address
    }

    fn run(address: SocketAddr, per_second: u64, time: Duration) -> Outcome {
        let mut sessions = [Session::over(TcpStream::connect(address).unwrap(), Bytes).unwrap()];
        offer(&mut sessions, Offer { per_second, warm_up: Duration::from_millis(100), time }).unwrap()
    }

    #[test]
    fn a_known_delay_is_measured() {
        let outcome = run(stub(Duration::from_millis(5), None), 1_000, Duration::from_millis(500));
        assert_eq!((outcome.requests, outcome.unanswered, outcome.times.len()), (500, 0, 500));
        // Never less than the delay; how much more is this machine's affair.
        assert!(outcome.times.min() >= 4_990_000 && outcome.service.min() >= 4_990_000, "{}", outcome.times.min());
        let by_interval: u64 = outcome.intervals.iter().map(|interval| interval.times.len()).sum();
        assert_eq!((outcome.intervals.len(), by_interval), (5, 500));
    }

    #[test]
    fn a_stall_gives_the_percentiles_that_it_must() {
        let time = Duration::from_secs(1);
        let mut run = Run::new(Offer { per_second: 1_000, warm_up: Duration::from_millis(100), time }).unwrap();
        // Answers after 10 us, but none from 500 ms to 600 ms; what was due meanwhile leaves late, all at once.
        let (stall, end) = (500_000_000, 600_000_000);
        for request in 0..run.total {
            let intended = run.intended(request);
            let sent = if (stall..end).contains(&intended) { end } else { intended };
            run.record(intended, sent, sent + 10_000);
        }
        let at = |times: &Histogram<u64>, quantile| times.value_at_quantile(quantile) / 1_000;
        let Outcome { times, service, intervals, .. } = &run.outcome;
        assert_eq!((times.len(), service.len()), (1_000, 1_000));
        // 100 of 1,000 waited 100, 99, ... 1 ms: the tenth longest is the 99th percentile.
        for (quantile, expected) in
            [(0.5, 10), (0.9, 10), (0.95, 50_010), (0.99, 90_010), (0.999, 99_010), (1.0, 100_010)]
        {
            let found = at(times, quantile);
            assert!(
                found.abs_diff(expected) <= 1_000_u64.min(expected / 5 + 1),
                "{quantile}: {found} us, not {expected}"
            );
        }
        assert_eq!(at(service, 1.0), 10, "what a closed loop would have told");
        assert!(intervals.iter().filter(|interval| interval.times.max() > 1_000_000).count() == 1, "in its interval");
    }

    #[test]
    fn a_real_stall_is_charged_to_every_request_that_should_have_left_meanwhile() {
        let time = Duration::from_secs(1);
        let outcome = run(stub(Duration::ZERO, Some((400, Duration::from_millis(100)))), 1_000, time);
        assert_eq!(outcome.times.len(), 1_000);
        let at = |quantile| outcome.times.value_at_quantile(quantile) / 1_000_000;
        assert!(at(0.99) >= 88 && at(0.95) >= 48, "p99 {} ms, p95 {} ms", at(0.99), at(0.95));
        assert!(outcome.times.max() >= 99_000_000, "{}", outcome.times.max());
        let slow = outcome.times.count_between(10_000_000, 10_000_000_000);
        assert!(slow >= 85, "{slow} requests above 10 ms: a closed loop would have told of one");
    }

    #[test]
    fn a_server_that_is_too_slow_is_not_sustained() {
        let outcome = run(stub(Duration::from_secs(60), None), 200, Duration::from_millis(200));
        assert_eq!((outcome.unanswered, outcome.requests, outcome.behind), (60, 40, 40));
        assert!(!outcome.is_sustained());
        assert!(outcome.times.min() >= 2_900_000_000, "they count with what was waited for them");
    }
}
