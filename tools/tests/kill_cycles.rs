//! `kill -9` under load, again and again: what a bot was told is there when it comes back, byte for byte, nothing is executed
//! twice, and an independent replay comes to the same hashes.
//!
//! 20 cycles; `cargo test --release -p tools --test kill_cycles -- --cycles 1000` for as many as one likes. It prints what was
//! compared and how long the restarts took. A venue lives through 50 of them, then a new one is begun.

#![expect(clippy::unwrap_used, reason = "in a test, what should not happen fails it")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "restarts are timed for people, and told")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use protocol::SessionName;
use protocol::ouch::outbound::Outbound;
use support::{Client, Venue, enter, json, run};

/// Orders sent at once.
const BURST: u32 = 20;
/// Messages that are compared at each return; all are at the end.
const LOOK_BACK: usize = 10_000;
/// Kills that one venue lives through: its files stay of a size that any disk has.
const PER_VENUE: u32 = 50;
/// Kills without arguments.
const CYCLES: u32 = 20;
/// The account query: tag-less, one byte.
const QUERY: &[u8] = b"Q";

/// What an account was told, and the next number it may use.
struct Bot {
    account: &'static str,
    side: u8,
    told: Vec<Vec<u8>>,
    next_number: u32,
}

impl Bot {
    fn new(account: &'static str, side: u8) -> Self {
        Self { account, side, told: Vec::new(), next_number: 1 }
    }

    /// Comes back: the last `look_back` messages that it was told must be there, in their places, and what follows is what
    /// it missed.
    fn come_back(&mut self, port: u16, look_back: usize) -> Client {
        let from = self.told.len().saturating_sub(look_back);
        let mut client = Client::login_from(port, self.account, SessionName::BLANK, from as u64 + 1);
        for (place, told) in self.told.iter().enumerate().skip(from) {
            assert!(&client.message() == told, "{}: message {} is another than it was told", self.account, place + 1);
        }
        client.ask(QUERY);
        loop {
            let message = client.message();
            let is_answer = message[0] == b'Q';
            if is_answer {
                self.next_number = u32::from_be_bytes(message[9..13].try_into().unwrap());
            }
            self.told.push(message);
            if is_answer {
                return client;
            }
        }
    }

    /// Trades until the venue is gone.
    fn trade(mut self, mut client: Client) -> Self {
        loop {
            for number in self.next_number..self.next_number + BURST {
                // Prices around each other: some rest, some trade.
                let price = 1_000_000 + u64::from(number % 7) * 100;
                if !client.try_ask(&enter(number, self.side, 1 + number % 5, "AAPL", price, b'0')) {
                    return self.listen(&mut client);
                }
            }
            self.next_number += BURST;
            for _ in 0..BURST {
                let Some((_, message)) = client.packet() else { return self };
                self.told.push(message);
            }
        }
    }

    /// Takes what is still on its way.
    fn listen(mut self, client: &mut Client) -> Self {
        while let Some((_, message)) = client.packet() {
            self.told.push(message);
        }
        self
    }

    /// No execution was told twice; answers how many there were.
    fn check_executions(&self) -> usize {
        let mut seen = BTreeSet::new();
        for message in &self.told {
            if let Ok((Outbound::Executed(executed), _)) = Outbound::decode(message) {
                assert!(
                    seen.insert(executed.match_number.0),
                    "{}: match {} twice",
                    self.account,
                    executed.match_number
                );
            }
        }
        seen.len()
    }
}

/// What the kills came to.
#[derive(Default)]
struct Figures {
    restarts: Vec<Duration>,
    answers: usize,
    executions: usize,
}

/// One venue from its first start to an orderly stop, killed so many times in between.
fn what_was_told_survives(cycles: u32, random: &mut impl FnMut() -> u64, figures: &mut Figures) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let mut bots = vec![Bot::new("DEMO01", b'B'), Bot::new("DEMO03", b'S')];
    for cycle in 0..cycles {
        let started = Instant::now();
        let venue = Venue::start(&dir);
        figures.restarts.push(started.elapsed());
        let port = venue.order_port();
        let clients: Vec<_> = bots.iter_mut().map(|bot| bot.come_back(port, LOOK_BACK)).collect();
        let trading: Vec<_> =
            bots.into_iter().zip(clients).map(|(bot, client)| std::thread::spawn(move || bot.trade(client))).collect();
        std::thread::park_timeout(Duration::from_millis(5 + random() % 120));
        venue.kill();
        bots = trading.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(bots.iter().all(|bot| !bot.told.is_empty()), "cycle {cycle}: nothing was told");
    }
    let venue = Venue::start(&dir);
    let path = venue.dir().to_owned();
    for bot in &mut bots {
        drop(bot.come_back(venue.order_port(), usize::MAX));
    }
    let executions: Vec<_> = bots.iter().map(Bot::check_executions).collect();
    assert!(executions[0] > 0 && executions[0] == executions[1], "both sides of every trade were told: {executions:?}");
    let stopped = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", &path, "--json"]));
    assert_eq!(
        (&stopped["event_hash"], &stopped["state_hash"]),
        (&replayed["event_hash"], &replayed["state_hash"]),
        "an independent replay"
    );
    figures.answers += bots.iter().map(|bot| bot.told.len()).sum::<usize>();
    figures.executions += executions[0];
}

/// The number behind `--cycles`; `None` when the arguments ask for another test than this one.
fn cycles() -> Option<u32> {
    let (mut cycles, mut arguments) = (CYCLES, std::env::args().skip(1));
    while let Some(argument) = arguments.next() {
        if argument == "--cycles" {
            cycles = arguments.next().unwrap().parse().unwrap();
        } else if argument == "--list" || !argument.starts_with('-') && !module_path!().contains(&argument) {
            return None;
        }
    }
    Some(cycles)
}

fn main() {
    let Some(cycles) = cycles() else { return };
    let (mut left, mut figures, mut seed) = (cycles, Figures::default(), 0x5eed_u64);
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    while left > 0 {
        let these = left.min(PER_VENUE);
        what_was_told_survives(these, &mut random, &mut figures);
        left -= these;
        // The first start of a venue has nothing to come back from, and is counted all the same.
        figures.restarts.sort_unstable();
        let at = |share: usize| figures.restarts[(figures.restarts.len() - 1) * share / 100];
        println!(
            "{} kills, {} answers, {} executions, 0 lost, 0 twice; restart p50 {:?} p99 {:?} max {:?}",
            cycles - left,
            figures.answers,
            figures.executions,
            at(50),
            at(99),
            at(100),
        );
    }
}
