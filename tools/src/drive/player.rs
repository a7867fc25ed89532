//! Turns a step of the recorded day into requests to the venue, and foresees what its book must then look like.
//!
//! A recorded window shows the levels near the spread only, and messages only about those. What comes into sight is therefore
//! adopted from the file: quantity nobody told us about becomes an order that stands for nobody in particular, orders that cannot
//! be there any more are taken off. All of it happens beyond the edge of the window, before the step itself, so that a
//! compared row shows it only together with the row that brought it into sight.
//!
//! Adopted quantity joins the back of its queue: what came while the level was out of sight is younger than what was known
//! before. (On the recorded Amazon day, entering it ahead of the known orders instead matches 3 executions fewer and takes 6 %
//! more requests.)

use protocol::{Price, Qty};

use super::lobster::{Row, RowKind, Step, Window};
use super::mirror::{Fill, Handle, Instruction, Mirror};
use super::report::{Adoptions, Exclusion, ExecutionDifference, RowDifference};

/// What the instrument allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InstrumentLimits {
    /// Price step, wire units.
    pub(crate) tick: u32,
    /// Largest order, wire units.
    pub(crate) quantity_max: Qty,
}

/// What a row must look like, as far as the player can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreseen {
    /// As recorded.
    Equal,
    /// Not compared.
    Excluded(Exclusion),
    /// Not as recorded, for this reason.
    Differs(RowDifference),
}

/// A row to compare with the book from the feed.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// Line in the files.
    pub(crate) line: u64,
    /// Compare when this many feed messages of the instrument have been applied, counted from the start.
    pub(crate) feed_messages: u64,
    /// The recorded book.
    pub(crate) window: Window,
    /// What to expect.
    pub(crate) foreseen: Foreseen,
    /// What the venue was told to have, where that differs from the recorded book.
    pub(crate) told: Option<Window>,
}

/// A recorded execution, to be looked for among those of its aggressor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded {
    /// Our order that stands for the one it names; `None`: not known, so not comparable.
    pub(crate) handle: Option<Handle>,
    /// Shares.
    pub(crate) quantity: Qty,
    /// Why our order may not be the one that trades.
    pub(crate) foreseen: Option<ExecutionDifference>,
}

/// What one step comes to.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// To be sent, in this order.
    pub(crate) instructions: Vec<Instruction>,
    /// To be compared, in this order.
    pub(crate) checks: Vec<Check>,
    /// Executions of the file.
    pub(crate) recorded: Vec<Recorded>,
    /// Executions that the venue must report for the step's aggressor, in this order.
    pub(crate) fills: Vec<Fill>,
}

/// The player. It owns no socket, reads no clock, and sees nothing that the venue answers.
#[derive(Debug)]
pub(crate) struct Player {
    limits: InstrumentLimits,
    mirror: Mirror,
    before: Option<Window>,
    feed_messages: u64,
    adoptions: Adoptions,
}

impl Player {
    /// Starts with an empty book.
    pub(crate) fn new(limits: InstrumentLimits) -> Self {
        Self { limits, mirror: Mirror::default(), before: None, feed_messages: 0, adoptions: Adoptions::default() }
    }

    /// What was taken from the recorded book instead of from a message.
    pub(crate) fn adoptions(&self) -> Adoptions {
        self.adoptions
    }

    /// Orders entered to rest so far.
    pub(crate) fn entered(&self) -> u32 {
        self.mirror.entered()
    }

    /// Plays one step. `played` is emptied first.
    pub(crate) fn play(&mut self, step: &Step, played: &mut Played) {
        played.instructions.clear();
        played.checks.clear();
        played.recorded.clear();
        played.fills.clear();
        let Some(last) = step.rows.last() else { return };
        if self.before.is_none() {
            self.seed(last, played);
        } else {
            self.adopt_entering(step, played);
            match last.kind {
                RowKind::New => self.enter(last, played),
                RowKind::PartialCancel | RowKind::Delete => self.take_off(last, played),
                RowKind::Execution => self.execute(step, played),
                RowKind::Other => {}
            }
            if last.kind != RowKind::Execution {
                self.check(last, played, RowDifference::NoMessage);
            }
            self.adopt_rest(&last.window, played);
        }
        self.before = Some(last.window.clone());
    }

    /// Sends one instruction about a resting order: one message on the feed.
    fn push(&mut self, instruction: Instruction, played: &mut Played) {
        self.feed_messages += 1;
        played.instructions.push(instruction);
    }

    /// The first row gives the book as it is after it; nothing is compared.
    fn seed(&mut self, row: &Row, played: &mut Played) {
        self.adopt_rest(&row.window, played);
        let foreseen = Foreseen::Excluded(Exclusion::FirstRow);
        let (window, feed_messages) = (row.window.clone(), self.feed_messages);
        played.checks.push(Check { line: row.line, feed_messages, window, foreseen, told: None });
    }

    /// Compares a row at this point of the feed; `otherwise` says why it may differ.
    fn check(&mut self, row: &Row, played: &mut Played, otherwise: RowDifference) {
        let foreseen = if row.window.is_crossed() {
            Foreseen::Excluded(Exclusion::CrossedInFile)
        } else if row.window.is_off_tick(self.limits.tick) {
            Foreseen::Excluded(Exclusion::OffTick)
        } else if self.mirror.shows(&row.window) {
            Foreseen::Equal
        } else {
            Foreseen::Differs(otherwise)
        };
        let told = matches!(foreseen, Foreseen::Differs(_)).then(|| self.mirror.window(row.window.depth));
        let (window, feed_messages) = (row.window.clone(), self.feed_messages);
        played.checks.push(Check { line: row.line, feed_messages, window, foreseen, told });
    }

    /// Adopts what the rows of the step bring into sight, beyond the window as it is now. A price that was in sight
    /// before the step, or during it, is left to the messages.
    fn adopt_entering(&mut self, step: &Step, played: &mut Played) {
        let before = self.before.take().unwrap_or_default();
        for is_buy in [true, false] {
            let mut seen: Vec<Price> = before.side(is_buy).iter().map(|level| level.price).collect();
            for row in step.rows.iter().filter(|row| !row.window.is_crossed()) {
                self.drop_ghosts(is_buy, &row.window, &seen, played);
                for level in row.window.side(is_buy) {
                    if seen.contains(&level.price) {
                        continue;
                    }
                    let is_own = row.kind == RowKind::New && row.is_buy == is_buy && row.price == level.price;
                    let own = if is_own { u64::from(row.quantity.0) } else { 0 };
                    self.adopt(is_buy, level.price, level.quantity.saturating_sub(own), played);
                    self.mirror.mark_guessed(is_buy, level.price);
                    seen.push(level.price);
                }
            }
        }
    }

    /// Takes off what is held at prices that the window reaches and does not show, except the prices in `seen`.
    fn drop_ghosts(&mut self, is_buy: bool, window: &Window, seen: &[Price], played: &mut Played) {
        let reached = self.mirror.prices(is_buy).take_while(|price| window.reaches(is_buy, *price));
        let is_ghost = |price: &Price| window.quantity(is_buy, *price) == 0 && !seen.contains(price);
        let ghosts: Vec<Price> = reached.filter(is_ghost).collect();
        for price in ghosts {
            self.adopt(is_buy, price, 0, played);
        }
    }

    /// Adopts whatever still differs from the recorded window, so that one difference is counted once.
    fn adopt_rest(&mut self, window: &Window, played: &mut Played) {
        if window.is_crossed() || self.mirror.shows(window) {
            return;
        }
        for is_buy in [true, false] {
            self.drop_ghosts(is_buy, window, &[], played);
        }
        for is_buy in [true, false] {
            for level in window.side(is_buy) {
                self.adopt(is_buy, level.price, level.quantity, played);
            }
        }
    }

    /// Makes the quantity at a price what the file shows.
    fn adopt(&mut self, is_buy: bool, price: Price, wanted: u64, played: &mut Played) {
        let held = self.mirror.quantity(is_buy, price);
        if held == wanted || !price.0.is_multiple_of(self.limits.tick) {
            return;
        }
        let mut missing = wanted.saturating_sub(held);
        match (held, wanted) {
            (0, _) => self.adoptions.levels_new += 1,
            (_, 0) => self.adoptions.levels_gone += 1,
            (held, wanted) if held < wanted => self.adoptions.levels_grown += 1,
            _ => self.adoptions.levels_shrunk += 1,
        }
        if held > wanted {
            let orders = self.mirror.queue(is_buy, price).map(|queue| queue.orders.clone()).unwrap_or_default();
            for order in orders {
                if let Some(instruction) = self.mirror.reduce(is_buy, price, order.handle, order.leaves) {
                    self.push(instruction, played);
                }
            }
            missing = wanted;
        }
        self.rest(is_buy, price, (missing, None), played);
    }

    /// Enters quantity that rests, as one order where the instrument's maximum allows.
    fn rest(&mut self, is_buy: bool, price: Price, (quantity, label): (u64, Option<u64>), played: &mut Played) {
        if self.mirror.would_trade(is_buy, price) {
            return;
        }
        let max = self.limits.quantity_max.0.max(1);
        let label = label.filter(|_| quantity <= u64::from(max));
        let mut left = quantity;
        while left > 0 {
            let part = u32::try_from(left).unwrap_or(u32::MAX).min(max);
            left -= u64::from(part);
            let instruction = self.mirror.rest(is_buy, price, Qty(part), label);
            self.push(instruction, played);
        }
    }

    fn enter(&mut self, row: &Row, played: &mut Played) {
        if !row.price.0.is_multiple_of(self.limits.tick) {
            return;
        }
        if self.mirror.place(row.order_id).is_some() {
            self.mirror.forget(row.order_id);
        }
        self.rest(row.is_buy, row.price, (u64::from(row.quantity.0), Some(row.order_id)), played);
    }

    /// The order of ours that a row names: at its price, with enough left. One that contradicts the row loses its name.
    fn named(&mut self, row: &Row) -> Option<(Handle, Qty)> {
        let place = self.mirror.place(row.order_id)?;
        let order = self.mirror.find(row.order_id)?;
        let whole = row.kind == RowKind::Delete;
        let fits = if whole { order.leaves == row.quantity } else { order.leaves >= row.quantity };
        if place == (row.is_buy, row.price) && fits {
            return Some((order.handle, order.leaves));
        }
        self.adoptions.names_lost += 1;
        self.mirror.forget(row.order_id);
        None
    }

    fn take_off(&mut self, row: &Row, played: &mut Played) {
        if let Some((handle, _)) = self.named(row) {
            if let Some(instruction) = self.mirror.reduce(row.is_buy, row.price, handle, row.quantity) {
                self.push(instruction, played);
            }
            return;
        }
        let wanted = u64::from(row.quantity.0);
        let anonymous = self.mirror.queue(row.is_buy, row.price).map_or(0, super::mirror::Queue::anonymous);
        if anonymous < wanted {
            self.adoptions.names_lost += self.mirror.forget_all(row.is_buy, row.price);
        }
        self.take_anonymous(row, played);
    }

    /// Takes quantity off orders that stand for nobody: off one of just that size, else off the oldest.
    fn take_anonymous(&mut self, row: &Row, played: &mut Played) {
        let mut left = row.quantity;
        while left > Qty::ZERO {
            let Some(queue) = self.mirror.queue(row.is_buy, row.price) else { return };
            let mut nameless = queue.orders.iter().filter(|order| order.label.is_none());
            let exact = nameless.clone().find(|order| order.leaves == left);
            let Some(order) = exact.or_else(|| nameless.next()).copied() else { return };
            let by = left.min(order.leaves);
            if let Some(instruction) = self.mirror.reduce(row.is_buy, row.price, order.handle, by) {
                self.push(instruction, played);
            }
            left -= by;
        }
    }

    /// One aggressor: one order at its worst price, or several where it exceeds the instrument's maximum.
    fn execute(&mut self, step: &Step, played: &mut Played) {
        let Some(first) = step.rows.first() else { return };
        let is_buy = first.is_buy;
        let playable = |row: &Row| row.price.0.is_multiple_of(self.limits.tick);
        let shares = |row: &Row| if playable(row) { u64::from(row.quantity.0) } else { 0 };
        let prices = step.rows.iter().filter(|row| playable(row)).map(|row| row.price);
        let worst = if is_buy { prices.min() } else { prices.max() };
        let due: Vec<u64> = step.rows.iter().map(shares).collect();
        let total: u64 = due.iter().sum();
        let known: Vec<_> = step.rows.iter().map(|row| self.named(row)).collect();
        let (mut wanted, mut filled) = (0, 0);
        let mut sent = 0;
        for (row, shares) in step.rows.iter().zip(due) {
            wanted += shares;
            while filled < wanted {
                let room = u64::from(self.limits.quantity_max.0.max(1)) - (filled - sent);
                let open = Qty(u32::try_from((total - filled).min(room)).unwrap_or(u32::MAX));
                let Some(fill) = worst.and_then(|worst| self.mirror.hit(is_buy, worst, open)) else { break };
                filled += u64::from(fill.quantity.0);
                self.feed_messages += 1;
                played.fills.push(fill);
                if u64::from(fill.quantity.0) == room {
                    push_sweep(is_buy, worst, &mut sent, filled, played);
                }
            }
            let cut_nameless = filled > wanted && played.fills.last().is_some_and(|fill| fill.label.is_none());
            let inside = if cut_nameless { RowDifference::NamelessPortion } else { RowDifference::OtherOrderHit };
            self.check(row, played, inside);
        }
        push_sweep(is_buy, worst, &mut sent, filled, played);
        self.settle(step, &known, played);
    }

    /// Notes what the file says about the orders that traded, and takes the name off every order that it contradicts.
    fn settle(&mut self, step: &Step, known: &[Option<(Handle, Qty)>], played: &mut Played) {
        for (row, known) in step.rows.iter().zip(known) {
            let handle = known.map(|(handle, _)| handle);
            let same = |fill: &&Fill| Some(fill.handle) == handle && fill.quantity == row.quantity;
            let foreseen = if played.fills.iter().any(|fill| same(&fill)) {
                None
            } else {
                let ahead = played.fills.iter().find(|fill| fill.price == row.price);
                Some(match ahead {
                    Some(fill) if Some(fill.handle) == handle => ExecutionDifference::OtherSize,
                    Some(fill) if fill.label.is_none() => ExecutionDifference::NamelessAhead,
                    Some(fill) if fill.guessed => ExecutionDifference::GuessedQueue,
                    _ => ExecutionDifference::NotFirstInFile,
                })
            };
            played.recorded.push(Recorded { handle, quantity: row.quantity, foreseen });
            if let Some((_, leaves)) = known {
                let wanted = *leaves - row.quantity;
                if self.mirror.find(row.order_id).is_some_and(|order| order.leaves != wanted) {
                    self.adoptions.names_lost += 1;
                    self.mirror.forget(row.order_id);
                }
            }
        }
        for fill in &played.fills {
            let Some(label) = fill.label else { continue };
            let meant = step.rows.iter().any(|row| row.order_id == label);
            if !meant && self.mirror.find(label).is_some() {
                self.adoptions.names_lost += 1;
                self.mirror.forget(label);
            }
        }
    }
}

/// Adds the request for the executions that no request asks for yet.
fn push_sweep(resting_buys: bool, worst: Option<Price>, sent: &mut u64, filled: u64, played: &mut Played) {
    let (Some(price), Ok(quantity @ 1..)) = (worst, u32::try_from(filled - *sent)) else { return };
    let asked: u32 = played.instructions.iter().map(Instruction::fills).sum();
    let fills = u32::try_from(played.fills.len()).unwrap_or(u32::MAX) - asked;
    *sent = filled;
    played.instructions.push(Instruction::Sweep { is_buy: !resting_buys, price, quantity: Qty(quantity), fills });
}
