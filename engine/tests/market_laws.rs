//! Laws that hold whatever the order type, the state or the auction: checked on the naive model, which defines the rules.

#![expect(
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at few kinds"
)]

use engine::testing::features::Features;
use engine::testing::naive_book::NaiveVenue;
use engine::testing::order_flow::{OrderFlow, opening};
use protocol::itch::{self, Message};
use protocol::types::{Firm, InstrumentId, Nanos, OrderRef, Sequence, Symbol};
use protocol::venue_command::VenueCommand;
use protocol::{Command, CommandBody, Event, EventBody};
use std::collections::{BTreeMap, BTreeSet};

/// A book built from nothing but the feed: reference -> instrument, side, price, quantity, name.
#[derive(Default)]
struct FeedBook(BTreeMap<u64, Displayed>);

type Displayed = (u16, u8, u32, u32, Option<Firm>);

impl FeedBook {
    fn reduce(&mut self, order_ref: OrderRef, quantity: u32) {
        let left = &mut self.0.get_mut(&order_ref.0).expect("the feed names an order that it knows").3;
        *left = left.checked_sub(quantity).expect("the feed never takes off more than there is");
        if *left == 0 {
            self.0.remove(&order_ref.0);
        }
    }

    fn add(&mut self, order_ref: OrderRef, order: Displayed) {
        assert!(order.3 > 0, "nothing is added with quantity zero");
        assert!(self.0.insert(order_ref.0, order).is_none(), "references are used once");
    }

    fn apply(&mut self, event: &Event) {
        let mut block = [0; itch::BLOCK_BYTES_MAX];
        let written = itch::from_event(event, protocol::Midnight::EACH, |_| Symbol::BLANK, &mut block);
        if written == 0 {
            return;
        }
        match Message::decode(&block[2..written]).expect("a message") {
            Message::AddOrder(add) => {
                let order = (add.header.stock_locate.0, add.side, add.price.0, add.shares.0, None);
                self.add(add.order_ref, order);
            }
            Message::AddOrderAttributed(add) => {
                let order = (add.header.stock_locate.0, add.side, add.price.0, add.shares.0, Some(add.attribution));
                self.add(add.order_ref, order);
            }
            Message::OrderExecuted(executed) => self.reduce(executed.order_ref, executed.executed_shares.0),
            Message::OrderExecutedWithPrice(executed) => self.reduce(executed.order_ref, executed.executed_shares.0),
            Message::OrderCancel(cancel) => self.reduce(cancel.order_ref, cancel.canceled_shares.0),
            Message::OrderDelete(delete) => {
                assert!(self.0.remove(&delete.order_ref.0).is_some(), "the feed deletes what it knows");
            }
            Message::OrderReplace(replace) => {
                let (instrument, side, _, _, name) =
                    self.0.remove(&replace.original_order_ref.0).expect("the feed replaces what it knows");
                self.add(replace.new_order_ref, (instrument, side, replace.price.0, replace.shares.0, name));
            }
            _ => {}
        }
    }
}

/// What every order was entered with, and what became of it.
#[derive(Default)]
struct Ledger(BTreeMap<(u32, u32), i64>);

impl Ledger {
    fn open(&mut self, owner: u32, number: u32, change: i64) {
        let open = self.0.entry((owner, number)).or_default();
        *open += change;
        assert!(*open >= 0, "more was taken off an order than it had");
    }

    fn apply(&mut self, event: &Event) {
        match event.body {
            EventBody::Accepted { owner, user_ref_num, quantity, state, .. } => {
                let lives = state == protocol::OrderState::Live;
                self.open(owner.to_bits(), user_ref_num.0, if lives { quantity.0.into() } else { 0 });
            }
            EventBody::Replaced { owner, orig_user_ref_num, user_ref_num, quantity, state, .. } => {
                self.0.remove(&(owner.to_bits(), orig_user_ref_num.0));
                let lives = state == protocol::OrderState::Live;
                self.open(owner.to_bits(), user_ref_num.0, if lives { quantity.0.into() } else { 0 });
            }
            EventBody::Traded { maker, maker_user_ref_num, taker, taker_user_ref_num, quantity, .. } => {
                self.open(maker.to_bits(), maker_user_ref_num.0, -i64::from(quantity.0));
                self.open(taker.to_bits(), taker_user_ref_num.0, -i64::from(quantity.0));
            }
            EventBody::CrossExecuted { owner, user_ref_num, quantity, .. }
            | EventBody::SelfMatchPrevented { owner, user_ref_num, quantity, .. }
            | EventBody::Canceled { owner, user_ref_num, quantity, .. } => {
                self.open(owner.to_bits(), user_ref_num.0, -i64::from(quantity.0));
            }
            EventBody::Modified { owner, user_ref_num, removed, .. } => {
                self.open(owner.to_bits(), user_ref_num.0, -i64::from(removed.0));
            }
            _ => {}
        }
    }
}

struct Rig {
    naive: NaiveVenue,
    feed: FeedBook,
    ledger: Ledger,
    sequence: u64,
    seen: BTreeSet<String>,
}

impl Rig {
    fn new(features: Features) -> Self {
        let naive = NaiveVenue::with_features(features);
        Self { naive, feed: FeedBook::default(), ledger: Ledger::default(), sequence: 0, seen: BTreeSet::new() }
    }

    fn apply(&mut self, body: CommandBody) {
        self.sequence += 1;
        let ingress = Nanos(1_000_000_000 + self.sequence * 20_000_000);
        let events = self.naive.apply(&Command { sequence: Sequence(self.sequence), ingress, body });
        for event in events {
            if let EventBody::SessionRolled { .. } = event.body {
                self.feed = FeedBook::default();
            }
            self.feed.apply(event);
            self.ledger.apply(event);
            let text = format!("{:?}", event.body);
            self.seen.insert(text.split([' ', '{']).next().unwrap_or_default().to_owned());
        }
    }

    fn check(&self, why: &str) {
        let mut expected = BTreeMap::new();
        for (order_ref, order) in self.naive.displayed() {
            expected.insert(order_ref.0, order);
        }
        if self.naive.is_day_beginning() {
            // Carried orders are being told one after the other.
            expected.retain(|order_ref, _| self.feed.0.contains_key(order_ref));
        }
        assert_eq!(self.feed.0, expected, "the feed's book is the displayed book: {why}");
        for instrument in 1..=3 {
            assert!(
                !self.naive.is_crossed(InstrumentId(instrument)),
                "displayed orders never cross while trading: {why}"
            );
        }
        let open: BTreeMap<(u32, u32), i64> = self
            .naive
            .open()
            .map(|(owner, number, open, _)| ((owner.to_bits(), number.0), i64::try_from(open).expect("it fits")))
            .collect();
        let told: BTreeMap<(u32, u32), i64> =
            self.ledger.0.iter().filter(|(_, open)| **open > 0).map(|(key, open)| (*key, *open)).collect();
        assert_eq!(told, open, "what owners were told adds up: {why}");
    }
}

fn play(seeds: std::ops::Range<u64>, steps: u64, features: Features) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for seed in seeds {
        let mut rig = Rig::new(features);
        let mut flow = OrderFlow::with_features(seed, features);
        for body in opening(seed) {
            rig.apply(body);
        }
        for step in 0..steps {
            let body = flow.next(&rig.naive);
            rig.apply(body);
            rig.check(&format!("seed {seed}, step {step}, {body:?}"));
        }
        // Whatever is due at once comes to an end.
        let mut ticks = 0;
        while rig.naive.next_due() == Some(Nanos(0)) {
            rig.apply(CommandBody::Venue(VenueCommand::Tick));
            ticks += 1;
            assert!(ticks < 100_000, "seed {seed}: ticks go on for ever");
        }
        rig.check(&format!("seed {seed}, at the end"));
        seen.extend(rig.seen);
    }
    seen
}

#[test]
fn laws_hold_with_all_order_types_mixed() {
    let seen = play(1..120, 1_200, Features::ALL);
    let expected = [
        "PriorityUpdated",
        "Restated",
        "SelfMatchPrevented",
        "CancelPending",
        "CancelRejected",
        "CrossExecuted",
        "Crossed",
        "Imbalance",
        "AuctionCollar",
        "OperationalHaltChanged",
        "MarketWideLevels",
        "MarketWideBreached",
        "TradeBroken",
        "OperatorRefused",
        "SessionRolled",
    ];
    for kind in expected {
        assert!(seen.contains(kind), "never seen: {kind}");
    }
}

#[test]
fn laws_hold_with_each_rule_alone() {
    let rules = [
        Features::ICEBERGS,
        Features::HIDDEN_MIN,
        Features::STOPS,
        Features::PEGS,
        Features::TIMED,
        Features::SELF_MATCH,
        Features::DISCONNECT,
        Features::MASS,
        Features::STATES,
        Features::STATES.with(Features::BANDS),
        Features::PRO_RATA,
        Features::BUSTS,
        Features::ROLL,
    ];
    for (at, rule) in (0..).zip(rules) {
        play(at * 100 + 1..at * 100 + 9, 600, rule);
    }
}
