//! The player's own price-time book: what it has told the venue to hold, and which order of the file each of them stands for.
//!
//! It exists so that every decision of the player depends on the file alone. The book that is compared with the file is another one,
//! built from the venue's feed.

use std::collections::{BTreeMap, VecDeque};

use protocol::{Price, Qty};

use super::lobster::{Level, Window};

/// A resting order of the player: its place in the order of entry, from 0. The user reference number is this plus the
/// first usable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle(pub(crate) u32);

/// One request to the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// Enter a day order that rests.
    Rest {
        /// Its name from now on.
        handle: Handle,
        /// Side.
        is_buy: bool,
        /// Limit.
        price: Price,
        /// Size.
        quantity: Qty,
    },
    /// Take quantity off a resting order.
    Reduce {
        /// Which.
        handle: Handle,
        /// Intended total size including what was executed, as OUCH asks for it; 0 takes off all.
        total: Qty,
    },
    /// Enter an immediate-or-cancel order that fills completely.
    Sweep {
        /// Side of the aggressor.
        is_buy: bool,
        /// Its limit: the worst price it trades at.
        price: Price,
        /// Size.
        quantity: Qty,
        /// Resting orders that it hits.
        fills: u32,
    },
}

impl Instruction {
    /// Executions that it causes.
    pub(crate) fn fills(&self) -> u32 {
        match self {
            Self::Rest { .. } | Self::Reduce { .. } => 0,
            Self::Sweep { fills, .. } => *fills,
        }
    }
}

/// One resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resting {
    /// Its name.
    pub(crate) handle: Handle,
    /// The order of the file it stands for; `None`: nobody in particular.
    pub(crate) label: Option<u64>,
    /// Quantity that rests.
    pub(crate) leaves: Qty,
    /// Quantity that traded.
    pub(crate) done: Qty,
}

/// All orders at one price, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    /// Oldest first.
    pub(crate) orders: VecDeque<Resting>,
    /// The order of the queue is a guess: something here was out of sight, or lost its name.
    pub(crate) guessed: bool,
}

impl Queue {
    /// All that rests here.
    pub(crate) fn quantity(&self) -> u64 {
        self.orders.iter().map(|order| u64::from(order.leaves.0)).sum()
    }

    /// What of it stands for nobody in particular.
    pub(crate) fn anonymous(&self) -> u64 {
        self.orders.iter().filter(|order| order.label.is_none()).map(|order| u64::from(order.leaves.0)).sum()
    }
}

/// One execution that an aggressor will cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fill {
    /// Resting order.
    pub(crate) handle: Handle,
    /// The order of the file it stands for.
    pub(crate) label: Option<u64>,
    /// Quantity.
    pub(crate) quantity: Qty,
    /// Price.
    pub(crate) price: Price,
    /// The queue it stood in was in a guessed order.
    pub(crate) guessed: bool,
}

/// The player's copy of the venue's book in one instrument.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    bids: BTreeMap<Price, Queue>,
    asks: BTreeMap<Price, Queue>,
    /// Where each order of the file rests.
    places: BTreeMap<u64, (bool, Price)>,
    entered: u32,
}

impl Mirror {
    fn side(&self, is_buy: bool) -> &BTreeMap<Price, Queue> {
        if is_buy { &self.bids } else { &self.asks }
    }

    fn side_mut(&mut self, is_buy: bool) -> &mut BTreeMap<Price, Queue> {
        if is_buy { &mut self.bids } else { &mut self.asks }
    }

    /// Orders entered so far.
    pub(crate) fn entered(&self) -> u32 {
        self.entered
    }

    /// The queue at a price.
    pub(crate) fn queue(&self, is_buy: bool, price: Price) -> Option<&Queue> {
        self.side(is_buy).get(&price)
    }

    /// Quantity at a price.
    pub(crate) fn quantity(&self, is_buy: bool, price: Price) -> u64 {
        self.queue(is_buy, price).map_or(0, Queue::quantity)
    }

    /// The price at which an order of the file rests.
    pub(crate) fn place(&self, label: u64) -> Option<(bool, Price)> {
        self.places.get(&label).copied()
    }

    /// The resting order that stands for an order of the file.
    pub(crate) fn find(&self, label: u64) -> Option<Resting> {
        let (is_buy, price) = self.place(label)?;
        let queue = self.queue(is_buy, price)?;
        queue.orders.iter().find(|order| order.label == Some(label)).copied()
    }

    /// Prices held on one side, best first.
    pub(crate) fn prices(&self, is_buy: bool) -> impl Iterator<Item = Price> + '_ {
        let (bids, asks) = if is_buy { (Some(&self.bids), None) } else { (None, Some(&self.asks)) };
        let bids = bids.into_iter().flat_map(|side| side.keys().rev());
        bids.chain(asks.into_iter().flat_map(|side| side.keys())).copied()
    }

    /// True when an order to rest at this price would trade instead.
    pub(crate) fn would_trade(&self, is_buy: bool, price: Price) -> bool {
        self.prices(!is_buy).next().is_some_and(|best| if is_buy { best <= price } else { best >= price })
    }

    /// The best levels of both sides.
    pub(crate) fn window(&self, depth: usize) -> Window {
        let side = |is_buy| {
            let levels = self.prices(is_buy).map(|price| Level { price, quantity: self.quantity(is_buy, price) });
            levels.take(depth).collect()
        };
        Window { depth, bids: side(true), asks: side(false) }
    }

    /// True when the best levels are those of the window: same prices, same quantities, and no more of them than it shows.
    pub(crate) fn shows(&self, window: &Window) -> bool {
        [true, false].into_iter().all(|is_buy| {
            let held = self.prices(is_buy).map(|price| Level { price, quantity: self.quantity(is_buy, price) });
            held.take(window.depth).eq(window.side(is_buy).iter().copied())
        })
    }

    /// Adds an order at the back of its queue.
    pub(crate) fn rest(&mut self, is_buy: bool, price: Price, quantity: Qty, label: Option<u64>) -> Instruction {
        let handle = Handle(self.entered);
        self.entered += 1;
        let order = Resting { handle, label, leaves: quantity, done: Qty::ZERO };
        self.side_mut(is_buy).entry(price).or_default().orders.push_back(order);
        if let Some(label) = label {
            self.places.insert(label, (is_buy, price));
        }
        Instruction::Rest { handle, is_buy, price, quantity }
    }

    /// Takes `by` off one order of a queue; at most what rests.
    pub(crate) fn reduce(&mut self, is_buy: bool, price: Price, handle: Handle, by: Qty) -> Option<Instruction> {
        let queue = self.side_mut(is_buy).get_mut(&price)?;
        let index = queue.orders.iter().position(|order| order.handle == handle)?;
        let order = queue.orders.get_mut(index)?;
        if by < order.leaves {
            order.leaves -= by;
            return Some(Instruction::Reduce { handle, total: order.done + order.leaves });
        }
        let gone = queue.orders.remove(index)?;
        if let Some(label) = gone.label {
            self.places.remove(&label);
        }
        self.drop_if_empty(is_buy, price);
        Some(Instruction::Reduce { handle, total: Qty::ZERO })
    }

    fn drop_if_empty(&mut self, is_buy: bool, price: Price) {
        let side = self.side_mut(is_buy);
        if side.get(&price).is_some_and(|queue| queue.orders.is_empty()) {
            side.remove(&price);
        }
    }

    /// Trades up to `quantity` against the oldest order of the best price of the resting side `is_buy`; `None` when that
    /// price is worse than `worst` or nothing rests.
    pub(crate) fn hit(&mut self, is_buy: bool, worst: Price, quantity: Qty) -> Option<Fill> {
        let price = self.prices(is_buy).next()?;
        if if is_buy { price < worst } else { price > worst } {
            return None;
        }
        let queue = self.side_mut(is_buy).get_mut(&price)?;
        let guessed = queue.guessed;
        let order = queue.orders.front_mut()?;
        let (handle, label, quantity) = (order.handle, order.label, quantity.min(order.leaves));
        order.leaves -= quantity;
        order.done += quantity;
        if order.leaves == Qty::ZERO {
            queue.orders.pop_front();
            if let Some(label) = label {
                self.places.remove(&label);
            }
            self.drop_if_empty(is_buy, price);
        }
        Some(Fill { handle, label, quantity, price, guessed })
    }

    /// Marks the order of a queue as guessed, until the queue empties.
    pub(crate) fn mark_guessed(&mut self, is_buy: bool, price: Price) {
        if let Some(queue) = self.side_mut(is_buy).get_mut(&price) {
            queue.guessed = true;
        }
    }

    /// Takes the name off one order; it stays as it is.
    pub(crate) fn forget(&mut self, label: u64) {
        let Some((is_buy, price)) = self.places.remove(&label) else { return };
        if let Some(queue) = self.side_mut(is_buy).get_mut(&price) {
            queue.guessed = true;
            queue.orders.iter_mut().filter(|order| order.label == Some(label)).for_each(|order| order.label = None);
        }
    }

    /// Takes the names off all orders at a price; how many there were.
    pub(crate) fn forget_all(&mut self, is_buy: bool, price: Price) -> u64 {
        let labels: Vec<u64> = self
            .queue(is_buy, price)
            .into_iter()
            .flat_map(|queue| queue.orders.iter().filter_map(|order| order.label))
            .collect();
        for label in &labels {
            self.forget(*label);
        }
        labels.len() as u64
    }
}
