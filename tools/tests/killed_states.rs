//! The real binary killed again and again while an auction and a volatility auction collect orders, stops wait, pegs follow, icebergs are
//! filled up at random and the day rolls: whoever comes back finds what he was told, and the journal alone makes the same bytes.

#![expect(clippy::unwrap_used, reason = "in a test, what should not happen fails it")]

mod support;

use std::fs;
use std::time::Duration;

use protocol::ouch::appendage::{AppendageBuffer, Element};
use protocol::ouch::inbound::{self, Inbound};
use protocol::{ClOrdId, Qty, Symbol, UserRefNum};
use support::told::{Told, same_from_the_journal_alone};
use support::{Client, Venue, hft, json, run, stderr, stdout};

const MARKET: u64 = 2_000_000_000;
/// Of a tick, in wire units.
const TICK: u64 = 100;

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// One account with its numbers.
struct Trader {
    told: Told,
    number: u32,
}

impl Trader {
    fn of(account: &'static str) -> Self {
        Self { told: Told::of(account), number: 0 }
    }

    fn enter(&mut self, client: &mut Client, terms: (u8, u32, &str, u64), tif: u8, tags: &[Element]) {
        let (side, quantity, symbol, price) = terms;
        self.number += 1;
        let has = |wanted: fn(&Element) -> bool| tags.iter().any(wanted);
        let message = Inbound::EnterOrder(inbound::EnterOrder {
            user_ref_num: UserRefNum(self.number),
            side,
            quantity: Qty(quantity),
            symbol: Symbol::from_text(symbol).unwrap(),
            price,
            time_in_force: tif,
            display: if has(|tag| matches!(tag, Element::PriceType(_))) { b'N' } else { b'Y' },
            capacity: b'P',
            intermarket_sweep: b'N',
            cross_type: b'N',
            cl_ord_id: ClOrdId::from_text("killed").unwrap(),
        });
        let mut appendage = AppendageBuffer::new();
        for tag in tags {
            appendage.push(*tag);
        }
        let mut bytes = vec![0; 128];
        let length = message.encode(Some(appendage.appendage()), &mut bytes).unwrap();
        client.try_ask(&bytes[..length]);
    }

    /// One order of whatever kind.
    fn enter_any(&mut self, client: &mut Client, dice: &mut Dice) {
        let symbol = ["AAPL", "AAPL", "MSFT", "INTC"][usize::try_from(dice.below(4)).unwrap()];
        let (side, other) = if dice.below(2) == 0 { (b'B', 1) } else { (b'S', -1) };
        let off = i64::try_from(dice.below(8)).unwrap() * other;
        let near = 1_000_000_u64.saturating_add_signed(off * i64::try_from(TICK).unwrap());
        let quantity = 1 + u32::try_from(dice.below(20)).unwrap();
        let tif = [b'0', b'G', b'3'][usize::try_from(dice.below(3)).unwrap()];
        let resting = if tif == b'3' { b'G' } else { tif };
        match dice.below(10) {
            0 => {
                let tags = [Element::MaxFloor(Qty(5)), Element::RandomReserves(Qty(3))];
                self.enter(client, (side, 40 + quantity, symbol, near), resting, &tags);
            }
            1 => {
                let stop = 1_000_000_u64.saturating_add_signed(2 * other * i64::try_from(TICK).unwrap());
                self.enter(client, (side, quantity, symbol, MARKET), resting, &[Element::StopPrice(stop)]);
            }
            2 => self.enter(client, (side, quantity, symbol, MARKET), resting, &[Element::TrailOffset(3 * TICK)]),
            3 => self.enter(client, (side, quantity, symbol, MARKET), resting, &[Element::PriceType(b'M')]),
            _ => self.enter(client, (side, quantity, symbol, near), tif, &[]),
        }
    }
}

fn done(venue: &Venue, args: &[&str]) {
    let output = run(&[args, &["--data-dir", venue.dir()]].concat());
    assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
}

const BANDS: &str = "[[terms.bands]]\ninstrument = \"INTC\"\ndynamic_percent = \"5\"\nauction_s = 3600\n\n";

#[test]
fn killed_in_every_state() {
    let temp = tempfile::tempdir().unwrap();
    let (config, dir) = (temp.path().join("hft.toml"), temp.path().join("data"));
    let shipped = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    fs::write(&config, shipped.replacen("[[instruments]]", &format!("{BANDS}[[instruments]]"), 1)).unwrap();
    let more = ["--config", config.to_str().unwrap()];
    let mut dice = Dice(7);
    let (mut first, mut second) = (Trader::of("DEMO01"), Trader::of("DEMO03"));
    for cycle in 0..10_u64 {
        let venue = Venue::start_with(&dir, &more);
        let mut one = first.told.come_back(venue.order_port());
        let mut two = second.told.come_back(venue.order_port());
        match cycle {
            1 => done(&venue, &["instrument", "auction", "MSFT", "pre-open", "--seconds", "3600"]),
            2 => {
                // 10 % above the last trade: the instrument pauses.
                first.enter(&mut one, (b'S', 5, "INTC", 1_000_000), b'0', &[]);
                second.enter(&mut two, (b'B', 500, "INTC", 1_000_900), b'0', &[]);
                first.enter(&mut one, (b'S', 5, "INTC", 1_100_000), b'0', &[]);
                second.enter(&mut two, (b'B', 900, "INTC", 1_100_000), b'0', &[]);
            }
            6 => {
                done(&venue, &["instrument", "state", "MSFT", "trading"]);
                done(&venue, &["instrument", "state", "INTC", "trading"]);
            }
            8 => done(&venue, &["instrument", "auction", "AAPL", "quotation", "--seconds", "1"]),
            _ => {}
        }
        for _ in 0..60 {
            first.enter_any(&mut one, &mut dice);
            second.enter_any(&mut two, &mut dice);
        }
        let rolling = (cycle == 4).then(|| hft(&["roll", "--data-dir", venue.dir()]).spawn().unwrap());
        std::thread::park_timeout(Duration::from_millis(2 + cycle * 5 % 13));
        venue.kill();
        if let Some(mut rolling) = rolling {
            drop(rolling.wait());
        }
        first.told.read_rest(&mut one);
        second.told.read_rest(&mut two);
    }
    let venue = Venue::start_with(&dir, &more);
    for trader in [&mut first, &mut second] {
        drop(trader.told.come_back(venue.order_port()));
        trader.told.check_files(&dir);
    }
    let kinds: Vec<String> = first.told.kinds().union(&second.told.kinds()).cloned().collect();
    for wanted in ["A", "C", "T", "R", "J", "EA", "ER", "Eu", "EO", "EH"] {
        assert!(kinds.iter().any(|kind| kind == wanted), "nothing of kind {wanted} was told: {kinds:?}");
    }
    let stopped = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", dir.to_str().unwrap(), "--json"]));
    assert_eq!((&stopped["event_hash"], &stopped["state_hash"]), (&replayed["event_hash"], &replayed["state_hash"]));
    same_from_the_journal_alone(&dir, &temp.path().join("again"), first.told.last_session());
}
