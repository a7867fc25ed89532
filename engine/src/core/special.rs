//! What orders out of the ordinary keep, and the sets in which they wait: by deadline, by trigger price, by age. An order
//! without any of it has no record here, and nothing of this file is on its way.
//!
//! Memory is reserved for every slot when the venue opens; an order is in at most one set of each forest.

use super::book::slab::OrderFlags;
use super::forest::{Forest, Key, NONE, Tree};
use protocol::types::{CrossType, InstrumentId, Nanos, Price};

/// Where an order with a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Place {
    /// On the book, or beside it when it is pegged.
    Book = 0,
    /// Conditional, and its trigger price was not reached.
    Dormant = 1,
    /// Its trigger price was reached; it is elected when its turn comes.
    Elected = 2,
    /// No order: the reserve of the iceberg at `half`.
    Reserve = 3,
}

/// What an order out of the ordinary keeps beside its hot and its cold record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Extra {
    /// When it expires; 0 = by no time of its own.
    pub(crate) expire_at: Nanos,
    /// Its reference for its owner; the hot record has that of its displayed part.
    pub(crate) order_ref: u64,
    /// The price it was entered with: a limit or a market sentinel.
    pub(crate) price: Price,
    /// Tag 200, as it is now; 0 = none.
    pub(crate) stop_price: Price,
    /// Tag 202; 0 = none.
    pub(crate) trail_offset: Price,
    /// Tag 3, of an order that rests; 0 = none.
    pub(crate) min_qty: u32,
    /// Tag 5; 0 = no reserve.
    pub(crate) max_floor: u32,
    /// Tag 13.
    pub(crate) random_reserves: u32,
    /// Of an iceberg: the slot of its reserve, and of the reserve: that of the order.
    pub(crate) half: u32,
    /// Tag 7.
    pub(crate) peg_offset: i32,
    /// Tag 30 with the account's default filled in.
    pub(crate) aiq_group: [u8; 2],
    /// Tag 29 with the account's default filled in.
    pub(crate) aiq: u8,
    /// Tag 6.
    pub(crate) price_type: u8,
    /// Tag 201.
    pub(crate) stop_trigger: u8,
    /// Tag 17.
    pub(crate) handle_inst: u8,
    /// Where it is.
    pub(crate) place: Place,
    /// Which cross it is for.
    pub(crate) cross: CrossType,
}

const _: () = assert!(size_of::<Extra>() == 56);

impl Extra {
    /// Nothing out of the ordinary.
    pub(crate) const BLANK: Self = Self {
        expire_at: Nanos(0),
        order_ref: 0,
        price: Price(0),
        stop_price: Price(0),
        trail_offset: Price(0),
        min_qty: 0,
        max_floor: 0,
        random_reserves: 0,
        half: NONE,
        peg_offset: 0,
        aiq_group: *b"  ",
        aiq: b'N',
        price_type: b'L',
        stop_trigger: b'L',
        handle_inst: b' ',
        place: Place::Book,
        cross: CrossType::Continuous,
    };

    /// It waits for a trigger price.
    pub(crate) fn is_conditional(&self) -> bool {
        self.stop_price.0 != 0 || self.trail_offset.0 != 0
    }

    /// Its price follows the quote.
    pub(crate) fn is_pegged(&self) -> bool {
        matches!(self.price_type, b'P' | b'M' | b'R')
    }

    /// An order with it needs a record while it rests.
    pub(crate) fn is_special(&self) -> bool {
        self.expire_at.0 != 0
            || self.is_conditional()
            || self.is_pegged()
            || self.min_qty != 0
            || self.max_floor != 0
            || self.aiq != b'N'
            || self.aiq_group != *b"  "
            || self.cross != CrossType::Continuous
    }

    fn kind(&self) -> Kind {
        match self.place {
            Place::Dormant => Kind::Stop,
            Place::Elected => Kind::Elected,
            Place::Book if self.cross != CrossType::Continuous && self.handle_inst == b'I' => Kind::Only,
            Place::Book if self.cross != CrossType::Continuous => Kind::Cross,
            Place::Book if self.is_pegged() => Kind::Peg,
            Place::Book if self.max_floor != 0 => Kind::Iceberg,
            Place::Book if self.min_qty != 0 => Kind::Minimum,
            Place::Book | Place::Reserve => Kind::Plain,
        }
    }
}

/// Which set an order with a record is in, its deadline apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stop,
    Elected,
    Peg,
    Iceberg,
    Minimum,
    Cross,
    Only,
    Plain,
}

/// The price that a conditional order waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The last trade.
    Last = 0,
    /// The displayed quote on the other side.
    Quote = 1,
    /// The middle of the displayed quote.
    Middle = 2,
}

impl Source {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Last, Self::Quote, Self::Middle];

    /// From tag 201.
    pub(crate) fn of(letter: u8) -> Self {
        match letter {
            b'Q' => Self::Quote,
            b'M' => Self::Middle,
            _ => Self::Last,
        }
    }
}

/// What is out of the ordinary on one instrument. Where a set is kept by side, buys are at the odd place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    /// Conditional orders by source and side, next to be reached first.
    pub(crate) stops: [Tree; 6],
    /// Trailing ones among them, next to move first.
    pub(crate) trails: [Tree; 6],
    /// Orders whose trigger price was reached, first to be elected first.
    pub(crate) elected: Tree,
    /// Pegged orders, oldest first.
    pub(crate) pegs: [Tree; 2],
    /// Orders of a cross alone by cross and side, best price first, then oldest; those that want only its imbalance, oldest first.
    pub(crate) crosses: [Tree; 6],
    pub(crate) only: [Tree; 6],
    /// All of these by cross, oldest first.
    pub(crate) by_age: [Tree; 3],
    /// Icebergs whose displayed part is used up, oldest first: while an aggressor is at work, and while a cross goes on.
    pub(crate) used_up: Tree,
    /// Orders in `stops`, `trails` and `elected`.
    pub(crate) conditional: u32,
    /// Resting orders that only the slow matcher deals with: pegs, icebergs, and those with a minimum.
    pub(crate) resting: u32,
}

/// Place of a set of [`Watch::stops`].
pub(crate) fn set_of(source: Source, is_buy: bool) -> usize {
    2 * source as usize + usize::from(is_buy)
}

/// What the sets need to know of an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enlisted {
    pub(crate) instrument: InstrumentId,
    pub(crate) is_buy: bool,
}

/// All records and sets.
#[derive(Debug)]
pub(crate) struct Specials {
    extras: Vec<Extra>,
    expiry: Forest,
    deadlines: Tree,
    pub(crate) waiting: Forest,
    pub(crate) trailing: Forest,
    watches: Vec<Watch>,
    /// Place in its queue that the next order whose trigger price is reached gets.
    next_turn: u64,
    /// Conditional orders of all instruments: while there is none, no price is looked at after a command.
    pub(crate) conditional: u32,
    /// Those among them whose trigger price was reached.
    pub(crate) elected: u32,
}

impl Specials {
    /// Reserves everything.
    pub(crate) fn new(orders_max: u32, instruments_max: u16) -> Self {
        let slots = orders_max as usize;
        Self {
            extras: vec![Extra::BLANK; slots],
            expiry: Forest::new(slots),
            deadlines: Tree::EMPTY,
            waiting: Forest::new(slots),
            trailing: Forest::new(slots),
            watches: vec![Watch::default(); usize::from(instruments_max) + 1],
            next_turn: 1,
            conditional: 0,
            elected: 0,
        }
    }

    /// The record of an order that has one.
    pub(crate) fn extra(&self, slot: u32) -> &Extra {
        &self.extras[slot as usize]
    }

    /// The record of an order, when it has one.
    pub(crate) fn extra_of(&self, slot: u32, flags: OrderFlags) -> Option<&Extra> {
        flags.special().then(|| self.extra(slot))
    }

    /// The record of an order that has one; what its sets are ordered by is changed by [`Specials::change`] only.
    pub(crate) fn extra_mut(&mut self, slot: u32) -> &mut Extra {
        &mut self.extras[slot as usize]
    }

    /// What is out of the ordinary on an instrument.
    pub(crate) fn watch(&self, instrument: InstrumentId) -> &Watch {
        &self.watches[usize::from(instrument.0)]
    }

    /// Enters an order with its record into the sets that it belongs to.
    pub(crate) fn enlist(&mut self, slot: u32, order: Enlisted, extra: Extra) {
        self.extras[slot as usize] = extra;
        if extra.expire_at.0 != 0 {
            self.expiry.insert(&mut self.deadlines, slot, (extra.expire_at.0, extra.order_ref));
        }
        let watch = &mut self.watches[usize::from(order.instrument.0)];
        let side = usize::from(order.is_buy);
        let age = extra.order_ref;
        match extra.kind() {
            Kind::Stop => {
                let set = set_of(Source::of(extra.stop_trigger), order.is_buy);
                if extra.stop_price.0 != 0 {
                    self.waiting.insert(&mut watch.stops[set], slot, stop_key(&extra, order.is_buy));
                }
                if extra.trail_offset.0 != 0 {
                    self.trailing.insert(&mut watch.trails[set], slot, trail_key(&extra, order.is_buy));
                }
                watch.conditional += 1;
                self.conditional += 1;
            }
            Kind::Elected => {
                self.waiting.insert(&mut watch.elected, slot, (self.next_turn, age));
                self.next_turn += 1;
                self.elected += 1;
                watch.conditional += 1;
                self.conditional += 1;
            }
            Kind::Peg => {
                self.waiting.insert(&mut watch.pegs[side], slot, (age, 0));
                watch.resting += 1;
            }
            Kind::Cross | Kind::Only => {
                let set = cross_set(extra.cross, order.is_buy);
                if extra.kind() == Kind::Only {
                    self.waiting.insert(&mut watch.only[set], slot, (age, 0));
                } else {
                    self.waiting.insert(&mut watch.crosses[set], slot, cross_key(&extra, order.is_buy));
                }
                self.trailing.insert(&mut watch.by_age[set / 2], slot, (age, 0));
            }
            Kind::Iceberg | Kind::Minimum => watch.resting += 1,
            Kind::Plain => {}
        }
    }

    /// Takes an order out of all sets.
    pub(crate) fn dismiss(&mut self, slot: u32, order: Enlisted) {
        let extra = self.extras[slot as usize];
        if extra.expire_at.0 != 0 {
            self.expiry.remove(&mut self.deadlines, slot);
        }
        let watch = &mut self.watches[usize::from(order.instrument.0)];
        let side = usize::from(order.is_buy);
        match extra.kind() {
            Kind::Stop => {
                let set = set_of(Source::of(extra.stop_trigger), order.is_buy);
                if extra.stop_price.0 != 0 {
                    self.waiting.remove(&mut watch.stops[set], slot);
                }
                if extra.trail_offset.0 != 0 {
                    self.trailing.remove(&mut watch.trails[set], slot);
                }
                watch.conditional -= 1;
                self.conditional -= 1;
            }
            Kind::Elected => {
                self.waiting.remove(&mut watch.elected, slot);
                self.elected -= 1;
                watch.conditional -= 1;
                self.conditional -= 1;
            }
            Kind::Peg => {
                self.waiting.remove(&mut watch.pegs[side], slot);
                watch.resting -= 1;
            }
            Kind::Cross | Kind::Only => {
                let set = cross_set(extra.cross, order.is_buy);
                let sets = if extra.kind() == Kind::Only { &mut watch.only } else { &mut watch.crosses };
                self.waiting.remove(&mut sets[set], slot);
                self.trailing.remove(&mut watch.by_age[set / 2], slot);
            }
            Kind::Iceberg | Kind::Minimum => watch.resting -= 1,
            Kind::Plain => {}
        }
    }

    /// Changes a record, and the sets with it.
    pub(crate) fn change(&mut self, slot: u32, order: Enlisted, change: impl FnOnce(&mut Extra)) {
        let mut extra = self.extras[slot as usize];
        self.dismiss(slot, order);
        change(&mut extra);
        self.enlist(slot, order, extra);
    }

    /// Gives an order another reference, which is to all others as the old one was.
    pub(crate) fn renumber(&mut self, slot: u32, order: Enlisted, order_ref: u64) {
        let turn = (self.extra(slot).kind() == Kind::Elected).then(|| self.waiting.key(slot).0);
        let next_turn = self.next_turn;
        self.next_turn = turn.unwrap_or(next_turn);
        self.change(slot, order, |extra| extra.order_ref = order_ref);
        self.next_turn = next_turn;
    }

    /// The order that expires next, and when.
    pub(crate) fn next_deadline(&self) -> Option<(u32, Nanos)> {
        self.expiry.first(self.deadlines).map(|slot| (slot, Nanos(self.expiry.key(slot).0)))
    }

    /// Notes an iceberg whose displayed part is used up.
    pub(crate) fn note_used_up(&mut self, slot: u32, instrument: InstrumentId) {
        let age = self.extra(slot).order_ref;
        self.trailing.insert(&mut self.watches[usize::from(instrument.0)].used_up, slot, (age, 0));
    }

    /// Takes the oldest of them.
    pub(crate) fn next_used_up(&mut self, instrument: InstrumentId) -> Option<u32> {
        let slot = self.trailing.first(self.watch(instrument).used_up)?;
        self.forget_used_up(slot, instrument);
        Some(slot)
    }

    /// It is not one of them any more.
    pub(crate) fn forget_used_up(&mut self, slot: u32, instrument: InstrumentId) {
        self.trailing.remove(&mut self.watches[usize::from(instrument.0)].used_up, slot);
    }

    /// Checks all sets.
    ///
    /// # Errors
    /// The first broken law, in words.
    pub(crate) fn verify(&self) -> Result<(), String> {
        self.expiry.verify(self.deadlines)?;
        let mut conditional = 0;
        for watch in &self.watches {
            let mut members = self.waiting.verify(watch.elected)?;
            for (stops, trails) in watch.stops.iter().zip(&watch.trails) {
                let trailing = self.trailing.verify(*trails)?;
                let without_price =
                    self.trailing.members(*trails).filter(|slot| self.extra(*slot).stop_price.0 == 0).count();
                members += self.waiting.verify(*stops)? + u32::try_from(without_price).unwrap_or(trailing);
            }
            if members != watch.conditional {
                return Err(format!("{} conditional orders, {members} in sets", watch.conditional));
            }
            for set in &watch.pegs {
                self.waiting.verify(*set)?;
            }
            conditional += members;
        }
        if conditional == self.conditional {
            Ok(())
        } else {
            Err(format!("{} conditional orders in all, {conditional} in sets", self.conditional))
        }
    }
}

/// Place of a set of [`Watch::crosses`]; the continuous market has none and shares that of the halt cross.
pub(crate) fn cross_set(kind: CrossType, is_buy: bool) -> usize {
    let cross = match kind {
        CrossType::Opening => 0,
        CrossType::Closing => 1,
        CrossType::Halt
        | CrossType::Continuous
        | CrossType::Supplemental
        | CrossType::Retail
        | CrossType::ExtendedLife
        | CrossType::AfterHoursClose => 2,
    };
    2 * cross + usize::from(is_buy)
}

/// Market orders first, then the best price, then the oldest.
fn cross_key(extra: &Extra, is_buy: bool) -> Key {
    let price = u64::from(extra.price.0);
    let rank = match extra.price.is_limit() {
        false => 0,
        true if is_buy => u64::MAX - price,
        true => price,
    };
    (rank, extra.order_ref)
}

/// Buys wait for rising prices, sells for falling ones.
fn stop_key(extra: &Extra, is_buy: bool) -> Key {
    let price = u64::from(extra.stop_price.0);
    (if is_buy { price } else { u64::MAX - price }, extra.order_ref)
}

/// Buys trail falling prices, sells rising ones; those without a stop price yet move as soon as one is possible.
fn trail_key(extra: &Extra, is_buy: bool) -> Key {
    let (stop, offset) = (u64::from(extra.stop_price.0), u64::from(extra.trail_offset.0));
    let first_to_move = match (stop, is_buy) {
        (0, true) => 0,
        (_, true) => u64::MAX - stop.saturating_sub(offset),
        (_, false) => stop + offset,
    };
    (first_to_move, extra.order_ref)
}
