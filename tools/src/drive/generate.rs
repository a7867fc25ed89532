//! Makes a day in the LOBSTER format from a seed: a book deeper than the recorded window, new orders, partial cancels,
//! deletions, aggressors over one and several prices, hidden executions. Only what happens in sight changes the book, and what is
//! out of sight at first is one order per level, so that a faithful venue must show every row. For tests; uses nothing but `std`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

const DEPTH: usize = 5;
const TICK: u64 = 100;
const MIDDLE: u64 = 1_000_000;

/// Both files, as text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Day {
    /// Message file.
    pub(crate) messages: String,
    /// Order book file.
    pub(crate) book: String,
}

type Side = BTreeMap<u64, VecDeque<(u64, u64)>>;

struct Maker {
    state: u64,
    bids: Side,
    asks: Side,
    next_id: u64,
    time_ns: u64,
    rows: usize,
    day: Day,
}

/// `rows` rows or a few more: an aggressor is not cut.
pub(crate) fn day(seed: u64, rows: usize) -> Day {
    let mut maker = Maker {
        state: seed | 1,
        bids: Side::new(),
        asks: Side::new(),
        next_id: 1,
        time_ns: 34_200_000_000_000,
        rows: 0,
        day: Day::default(),
    };
    for level in 1..=400 {
        for (is_buy, price) in [(true, MIDDLE - level * TICK), (false, MIDDLE + level * TICK)] {
            let order = (maker.next_id, 1 + maker.random(900));
            maker.next_id += 1;
            maker.side(is_buy).entry(price).or_default().push_back(order);
        }
    }
    maker.emit(5, (0, 1, MIDDLE), true);
    while maker.rows < rows {
        maker.time_ns += 1 + maker.random(5_000_000);
        let is_buy = maker.random(2) == 0;
        match maker.random(100) {
            0..=46 => maker.enter(is_buy),
            47..=52 => maker.cancel(is_buy, false),
            53..=88 => maker.cancel(is_buy, true),
            89..=96 => maker.aggress(is_buy),
            _ => maker.emit(5, (0, 1 + maker.time_ns % 100, MIDDLE + 50), is_buy),
        }
    }
    maker.day
}

impl Maker {
    /// Xorshift; below `bound`.
    fn random(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.random(bound as u64)).expect("below a usize")
    }

    fn side(&mut self, is_buy: bool) -> &mut Side {
        if is_buy { &mut self.bids } else { &mut self.asks }
    }

    /// Prices in sight, best first.
    fn shown(&self, is_buy: bool) -> Vec<u64> {
        if is_buy {
            self.bids.keys().rev().take(DEPTH).copied().collect()
        } else {
            self.asks.keys().take(DEPTH).copied().collect()
        }
    }

    /// A new order in sight: at a shown level, between two, or inside the spread.
    fn enter(&mut self, is_buy: bool) {
        let (own, other) = (self.shown(is_buy), self.shown(!is_buy));
        let (Some(best), Some(worst), Some(against)) = (own.first(), own.last(), other.first()) else { return };
        let (low, high) = if is_buy { (*worst, against - TICK) } else { (against + TICK, *worst) };
        // Near the best price more often than not.
        let price = if self.random(3) == 0 { low + self.random((high - low) / TICK + 1) * TICK } else { *best };
        let (id, size) = (self.next_id, 1 + self.random(300));
        self.next_id += 1;
        self.side(is_buy).entry(price).or_default().push_back((id, size));
        self.emit(1, (id, size, price), is_buy);
    }

    /// Takes an order in sight off, or part of it.
    fn cancel(&mut self, is_buy: bool, whole: bool) {
        let shown = self.shown(is_buy);
        if self.side(is_buy).len() <= DEPTH + 1 {
            return;
        }
        let price = shown[self.index(shown.len())];
        let (place, part) = (self.index(1 << 20), self.random(1 << 20));
        let queue = self.side(is_buy).get_mut(&price).expect("shown prices have orders");
        let index = place % queue.len();
        let (id, size) = queue[index];
        let off = if whole || size == 1 { size } else { 1 + part % (size - 1) };
        if off == size {
            queue.remove(index);
        } else {
            queue[index].1 -= off;
        }
        if queue.is_empty() {
            self.side(is_buy).remove(&price);
        }
        self.emit(if off == size { 3 } else { 2 }, (id, off, price), is_buy);
    }

    /// Trades against the resting side `is_buy`: one row per resting order.
    fn aggress(&mut self, is_buy: bool) {
        let mut left = 1 + self.random(700);
        while left > 0 && self.side(is_buy).len() > DEPTH + 1 {
            let price = self.shown(is_buy)[0];
            let queue = self.side(is_buy).get_mut(&price).expect("shown prices have orders");
            let (id, size) = queue[0];
            let traded = left.min(size);
            left -= traded;
            if traded == size {
                queue.pop_front();
            } else {
                queue[0].1 -= traded;
            }
            if queue.is_empty() {
                self.side(is_buy).remove(&price);
            }
            self.emit(4, (id, traded, price), is_buy);
        }
    }

    fn emit(&mut self, kind: u8, (id, size, price): (u64, u64, u64), is_buy: bool) {
        let direction = if is_buy { 1 } else { -1 };
        let (seconds, nanos) = (self.time_ns / 1_000_000_000, self.time_ns % 1_000_000_000);
        let messages = &mut self.day.messages;
        writeln!(messages, "{seconds}.{nanos:09},{kind},{id},{size},{price},{direction}").expect("text grows");
        let total = |side: &Side, price: &u64| side[price].iter().map(|order| order.1).sum::<u64>();
        let asks = self.shown(false);
        let bids = self.shown(true);
        let mut cells = Vec::new();
        for level in 0..DEPTH {
            match asks.get(level) {
                Some(price) => cells.push(format!("{price},{}", total(&self.asks, price))),
                None => cells.push("9999999999,0".to_owned()),
            }
            match bids.get(level) {
                Some(price) => cells.push(format!("{price},{}", total(&self.bids, price))),
                None => cells.push("-9999999999,0".to_owned()),
            }
        }
        writeln!(self.day.book, "{}", cells.join(",")).expect("text grows");
        self.rows += 1;
    }
}
