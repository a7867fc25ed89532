//! Order flow for the benches: six market regimes from a fixed seed, and books of any number of instruments, accounts and
//! live orders.
//!
//! Quantities are 1 to 100; 15 % of new orders are immediate-or-cancel; of the rest 20 % are replaced once (80 % of those
//! by one tick) and 95 % cancelled, deeper ones later; 2 % of cancels are repeated. `itch-mix` has its own shares instead.
//! While it makes a flow, the generator plays it into a core, so that it names only orders that are still open.

use super::random::Random;
use crate::core::{Core, EventSink};
use protocol::command::{
    CancelOrder, EnterOrder, ListInstrument, OpenAccount, OpenVenue, OrderTags, ReplaceOrder, SetTradingState,
};
use protocol::types::{
    AccountId, AccountName, Capacity, Channel, ClOrdId, CrossType, Display, Firm, InstrumentId, Nanos, Owner, Price,
    Qty, Sequence, SessionName, Side, Symbol, TimeInForce, TradingState, UserRefNum,
};
use protocol::{Command, CommandBody, Event, EventBody};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Wire units of a tick.
const TICK: u32 = 100;
/// Steps for a swing down and up again.
const SWING_STEPS: u64 = 200_000;

/// A market.
#[derive(Clone, Copy, Debug)]
pub struct Regime {
    /// Its name in reports.
    pub name: &'static str,
    /// Where the price starts, in ticks.
    base: u32,
    /// How far it falls and comes back, in ticks.
    swing: u32,
    /// Mean distance of a new order from the middle, and the largest, in ticks.
    depth: (u32, u32),
    /// Orders that stand when the clock starts.
    standing: u32,
    /// New orders until an order near the middle is cancelled, on average.
    life: u32,
    /// Shares in percent: new, cancel, immediate, replace at random instead of order lives.
    mix: Option<(u32, u32, u32)>,
}

/// The six regimes of the benches.
pub const REGIMES: [Regime; 6] = [
    Regime { name: "static", base: 50_000, swing: 0, depth: (24, 48), standing: 40_000, life: 100, mix: None },
    Regime { name: "normal", base: 15_000, swing: 300, depth: (40, 150), standing: 10_000, life: 300, mix: None },
    Regime {
        name: "swing-25",
        base: 40_000,
        swing: 10_000,
        depth: (150, 3_000),
        standing: 10_000,
        life: 300,
        mix: None,
    },
    Regime {
        name: "swing-40",
        base: 40_000,
        swing: 16_000,
        depth: (300, 6_000),
        standing: 10_000,
        life: 300,
        mix: None,
    },
    Regime {
        name: "flash-crash",
        base: 60_000,
        swing: 36_000,
        depth: (1_000, 20_000),
        standing: 10_000,
        life: 300,
        mix: None,
    },
    Regime {
        name: "itch-mix",
        base: 50_000,
        swing: 0,
        depth: (150, 700),
        standing: 19_000,
        life: 0,
        mix: Some((49, 41, 5)),
    },
];

/// How large the venue is.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Instruments that trade, chosen at random by each new order.
    pub instruments: u16,
    /// Accounts, chosen at random by each new order.
    pub accounts: u32,
    /// Slots for open orders.
    pub orders_max: u32,
    /// Orders that stand at the start instead of the regime's own number.
    pub standing: Option<u32>,
}

impl Default for Scale {
    fn default() -> Self {
        Self { instruments: 1, accounts: 4, orders_max: 1 << 16, standing: None }
    }
}

/// A flow, ready to be played.
#[derive(Debug)]
pub struct Workload {
    /// Opens the venue and builds the standing book; not measured.
    pub opening: Vec<Command>,
    /// What is measured.
    pub commands: Vec<Command>,
    /// Instruments of the venue.
    pub instruments: u16,
    /// Open orders at the end of the opening, and at the end.
    pub live: (u32, u32),
    /// Price levels at the end of the opening, and at the end.
    pub levels: (usize, usize),
}

/// An order that the generator entered.
#[derive(Clone, Copy, Debug)]
struct Made {
    owner: Owner,
    number: u32,
    instrument: u16,
    is_buy: bool,
    tick: u32,
    leaves: u32,
    done: u32,
    /// Its place in the list of live orders.
    live_at: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Cancel,
    CancelAgain,
    Replace,
}

/// Events of one command that end or shrink an order.
#[derive(Default)]
struct Changes(Vec<EventBody>);

impl EventSink for Changes {
    fn push(&mut self, event: Event) {
        self.0.push(event.body);
    }
}

struct Generator {
    regime: Regime,
    scale: Scale,
    random: Random,
    core: Core,
    changes: Changes,
    commands: Vec<Command>,
    sequence: u64,
    /// Numbers used so far, and for each number the order it named, of each account.
    numbers: Vec<Vec<u32>>,
    made: Vec<Made>,
    /// Live orders, in no order.
    live: Vec<u32>,
    due: BinaryHeap<Reverse<(u64, Due, u32)>>,
}

const DEAD: u32 = u32::MAX;

/// Makes `count` commands of a regime.
#[must_use]
pub fn generate(regime: &Regime, scale: Scale, seed: u64, count: usize) -> Workload {
    let mut generator = Generator {
        regime: *regime,
        scale,
        random: Random::new(seed),
        core: Core::new(),
        changes: Changes::default(),
        commands: Vec::new(),
        sequence: 0,
        numbers: vec![Vec::new(); scale.accounts as usize],
        made: Vec::new(),
        live: Vec::new(),
        due: BinaryHeap::new(),
    };
    generator.open();
    for _ in 0..generator.standing() {
        generator.enter(0, false);
    }
    let opening = std::mem::take(&mut generator.commands);
    let (live, levels) = (generator.core.open_orders(), generator.levels());
    generator.commands.reserve(count);
    let mut step = 0;
    while generator.commands.len() < count {
        step += 1;
        generator.step(step);
    }
    generator.commands.truncate(count);
    Workload {
        opening,
        instruments: scale.instruments,
        live: (live, generator.core.open_orders()),
        levels: (levels, generator.levels()),
        commands: generator.commands,
    }
}

impl Generator {
    fn levels(&self) -> usize {
        let ids = (1..=self.scale.instruments).map(InstrumentId);
        ids.map(|id| self.core.levels(id, true).count() + self.core.levels(id, false).count()).sum()
    }

    /// Orders that stand at the start.
    fn standing(&self) -> u32 {
        self.scale.standing.unwrap_or(self.regime.standing)
    }

    fn apply(&mut self, body: CommandBody) {
        self.sequence += 1;
        let ingress = Nanos(1_000_000_000_000 + self.sequence * 100);
        let command = Command { sequence: Sequence(self.sequence), ingress, body };
        self.commands.push(command);
        self.changes.0.clear();
        self.core.apply(&command, &mut self.changes);
        for at in 0..self.changes.0.len() {
            let body = self.changes.0[at];
            if let EventBody::Traded { maker, maker_user_ref_num, taker, taker_user_ref_num, quantity, .. } = body {
                self.shrink(taker, taker_user_ref_num, quantity.0, true);
                self.shrink(maker, maker_user_ref_num, quantity.0, true);
            }
            if let EventBody::Canceled { owner, user_ref_num, quantity, .. } = body {
                self.shrink(owner, user_ref_num, quantity.0, false);
            }
        }
    }

    /// Takes quantity off an order; it is dead when nothing is left.
    fn shrink(&mut self, owner: Owner, number: UserRefNum, quantity: u32, is_trade: bool) {
        let numbers = &self.numbers[owner.account().0 as usize];
        let Some(&id) = numbers.get(number.0 as usize - 1) else {
            return;
        };
        let order = &mut self.made[id as usize];
        order.leaves -= quantity;
        if is_trade {
            order.done += quantity;
        }
        if order.leaves == 0 && order.live_at != DEAD {
            self.bury(id);
        }
    }

    fn bury(&mut self, id: u32) {
        let at = std::mem::replace(&mut self.made[id as usize].live_at, DEAD);
        self.live.swap_remove(at as usize);
        if let Some(moved) = self.live.get(at as usize) {
            self.made[*moved as usize].live_at = at;
        }
    }

    fn open(&mut self) {
        let scale = self.scale;
        self.apply(CommandBody::OpenVenue(OpenVenue {
            session: SessionName::BLANK,
            orders_max: scale.orders_max,
            accounts_max: scale.accounts,
            channels_max: 0,
            instruments_max: scale.instruments,
            orders_per_command_max: 16_384,
        }));
        for account in (0..scale.accounts).map(AccountId) {
            let open = OpenAccount { account, name: AccountName::BLANK, firm: Firm::BLANK };
            self.apply(CommandBody::OpenAccount(open));
        }
        for instrument in (1..=scale.instruments).map(InstrumentId) {
            self.apply(CommandBody::ListInstrument(ListInstrument {
                instrument,
                symbol: Symbol::BLANK,
                price_decimals: 4,
                qty_decimals: 0,
                tick: Price(TICK),
                lot: Qty(1),
                max_qty: Qty(999_999),
                reference_price: Price(0),
            }));
            let (state, reason) = (TradingState::Trading, Firm::BLANK);
            self.apply(CommandBody::SetTradingState(SetTradingState { instrument, state, reason }));
        }
    }

    /// One new order, after what is due; or, in a mix, one command.
    fn step(&mut self, step: u64) {
        if let Some(mix) = self.regime.mix {
            return self.mixed(mix);
        }
        while let Some(Reverse((at, due, id))) = self.due.peek().copied() {
            if at > step {
                break;
            }
            self.due.pop();
            self.act(step, due, id);
        }
        if self.random.chance(15) {
            self.take(step);
        } else {
            self.enter(step, true);
        }
    }

    fn mixed(&mut self, (new, cancel, immediate): (u32, u32, u32)) {
        let dice = self.random.below(100);
        if dice < new {
            return self.enter(0, false);
        }
        if dice >= new + cancel && dice < new + cancel + immediate {
            return self.take(0);
        }
        let Ok(live) = u32::try_from(self.live.len()) else {
            return;
        };
        if live == 0 {
            return self.enter(0, false);
        }
        // Younger orders are named more often, old ones too.
        let recent = u32::try_from(self.made.len()).unwrap_or(u32::MAX).min(4_000);
        let id = self.made.len() - 1 - self.random.below(recent) as usize;
        let id = if self.made[id].live_at == DEAD || self.random.chance(50) {
            self.live[self.random.below(live) as usize]
        } else {
            u32::try_from(id).unwrap_or(0)
        };
        if dice < new + cancel { self.cancel(id) } else { self.replace(0, id) }
    }

    fn act(&mut self, step: u64, due: Due, id: u32) {
        let is_live = self.made[id as usize].live_at != DEAD;
        match due {
            Due::Replace if is_live => self.replace(step, id),
            Due::Cancel if is_live => {
                self.cancel(id);
                if self.random.chance(2) {
                    self.due.push(Reverse((step + 10, Due::CancelAgain, id)));
                }
            }
            Due::CancelAgain => self.cancel(id),
            Due::Replace | Due::Cancel => {}
        }
    }

    /// Middle of the market: down and up again.
    fn middle(&self, step: u64) -> u32 {
        let at = step % SWING_STEPS;
        let half = SWING_STEPS / 2;
        let way = if at < half { at } else { SWING_STEPS - at };
        let fallen = u64::from(self.regime.swing) * way / half;
        self.regime.base - u32::try_from(fallen).unwrap_or(0)
    }

    /// Distance from the middle: about exponential, in whole halvings and a part of one.
    fn distance(&mut self) -> u32 {
        let (mean, most) = self.regime.depth;
        if self.regime.name == "static" {
            return self.random.between(1, most);
        }
        let halvings = self.random.bits().leading_zeros() * 256 + self.random.below(256);
        (1 + halvings * mean / 512).min(most)
    }

    fn owner(&mut self) -> Owner {
        Owner::new(AccountId(self.random.below(self.scale.accounts)), Channel(0))
    }

    /// Names the next order of an account.
    fn make(&mut self, made: Made) -> UserRefNum {
        let id = u32::try_from(self.made.len()).unwrap_or(u32::MAX);
        let numbers = &mut self.numbers[made.owner.account().0 as usize];
        numbers.push(id);
        let number = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        let live_at = u32::try_from(self.live.len()).unwrap_or(u32::MAX);
        self.made.push(Made { number, live_at, ..made });
        self.live.push(id);
        UserRefNum(number)
    }

    fn new_order(&mut self, is_buy: bool, tick: u32) -> Made {
        let instrument = u16::try_from(self.random.below(self.scale.instruments.into())).unwrap_or(0) + 1;
        let leaves = self.random.between(1, 100);
        Made { owner: self.owner(), number: 0, instrument, is_buy, tick, leaves, done: 0, live_at: 0 }
    }

    fn enter(&mut self, step: u64, lives: bool) {
        let is_buy = self.random.chance(50);
        let (middle, distance) = (self.middle(step), self.distance());
        let made = self.new_order(is_buy, if is_buy { middle - distance } else { middle + distance });
        let id = u32::try_from(self.made.len()).unwrap_or(u32::MAX);
        if lives {
            let mean = self.regime.life * (1 + 4 * distance / self.regime.depth.1.max(1));
            let end = step + u64::from(self.random.between(1, 2 * mean));
            if self.random.chance(20) {
                self.due.push(Reverse((step + (end - step) / 2, Due::Replace, id)));
            }
            if self.random.chance(95) {
                self.due.push(Reverse((end, Due::Cancel, id)));
            } else if self.live.len() > self.standing() as usize {
                // What stays takes the place of one that stood before: the book keeps its size.
                let old = self.live[self.random.below(self.standing()) as usize];
                self.cancel(old);
            }
        }
        self.send(made, TimeInForce::Day);
    }

    /// An immediate order through the middle.
    fn take(&mut self, step: u64) {
        let is_buy = self.random.chance(50);
        // In the mix only trades keep the number of orders where it is: they go deeper when there are many.
        let is_deep = self.regime.mix.is_some() && self.live.len() > self.standing() as usize;
        let (near, far) = self.regime.depth;
        let (middle, reach) = (self.middle(step), if is_deep { far } else { 2 + near / 10 });
        let mut made = self.new_order(is_buy, if is_buy { middle + reach } else { middle - reach });
        if is_deep {
            made.leaves *= 4;
        }
        self.send(made, TimeInForce::Ioc);
        // Nothing of it is left, whether the venue said so or it ended without an execution.
        if let Some(id) = self.live.last().copied().filter(|id| *id as usize + 1 == self.made.len()) {
            self.bury(id);
        }
    }

    fn send(&mut self, made: Made, time_in_force: TimeInForce) {
        let user_ref_num = self.make(made);
        let mut cl_ord_id = *b"ORDER         ";
        cl_ord_id[6..10].copy_from_slice(&user_ref_num.0.to_be_bytes());
        self.apply(CommandBody::Enter(EnterOrder {
            owner: made.owner,
            user_ref_num,
            quantity: Qty(made.leaves),
            price: Price(made.tick * TICK),
            instrument: InstrumentId(made.instrument),
            side: if made.is_buy { Side::Buy } else { Side::Sell },
            time_in_force,
            display: Display::Visible,
            capacity: Capacity::Principal,
            sweep: false,
            cross_type: CrossType::Continuous,
            cl_ord_id: ClOrdId(cl_ord_id),
            tags: OrderTags::NONE,
        }));
    }

    fn cancel(&mut self, id: u32) {
        let made = self.made[id as usize];
        let user_ref_num = UserRefNum(made.number);
        self.apply(CommandBody::Cancel(CancelOrder { owner: made.owner, user_ref_num, quantity: Qty::ZERO }));
    }

    /// Replaces an order; it stays the same order here, under a new number.
    fn replace(&mut self, step: u64, id: u32) {
        let made = self.made[id as usize];
        let tick = if self.random.chance(80) {
            if self.random.chance(50) { made.tick + 1 } else { made.tick - 1 }
        } else {
            let (middle, distance) = (self.middle(step), self.distance());
            if made.is_buy { middle - distance } else { middle + distance }
        };
        let numbers = &mut self.numbers[made.owner.account().0 as usize];
        numbers.push(id);
        let number = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        let orig_user_ref_num = UserRefNum(made.number);
        self.made[id as usize].number = number;
        self.made[id as usize].tick = tick;
        self.apply(CommandBody::Replace(ReplaceOrder {
            owner: made.owner,
            orig_user_ref_num,
            user_ref_num: UserRefNum(number),
            quantity: Qty(made.leaves + made.done),
            price: Price(tick * TICK),
            time_in_force: TimeInForce::Day,
            display: Display::Visible,
            sweep: false,
            cl_ord_id: ClOrdId::BLANK,
            tags: OrderTags::NONE,
        }));
    }
}
