//! What an aggressor does in the naive model: first the whole course is worked out on paper, then it is told and done.

use super::naive_book::{NaiveVenue, Order, price, qty};
use super::naive_market::{Collar, Limits};
use super::naive_pegs;
use super::naive_pro_rata::allocate;
use super::naive_smp::Prevention;
use protocol::EventBody;
use protocol::types::{
    CancelReason, Display, LiquidityFlag, MatchNumber, MatchingAlgorithm, Nanos, OrderRef, Qty, TradingState,
};

/// Which part of a resting order trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Displayed,
    Hidden,
    Reserve,
}

/// Something to trade with.
#[derive(Clone, Debug)]
struct Offer {
    resting: Order,
    part: Part,
    price: u64,
    quantity: u64,
}

impl Offer {
    /// Lower trades first.
    fn rank(&self) -> (i64, bool, u64) {
        let price = i64::try_from(self.price).unwrap_or(i64::MAX);
        let is_displayed = self.part == Part::Displayed;
        let reference = if is_displayed { self.resting.feed_ref } else { self.resting.order_ref };
        (if self.resting.is_buy() { -price } else { price }, !is_displayed, reference)
    }

    /// Its minimum quantity keeps an aggressor with so much left away.
    fn shuns(&self, left: u64) -> bool {
        self.resting.display == Display::Hidden && left < self.resting.min_qty.min(self.resting.open)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Trade { maker: Order, part: Part, price: u64, quantity: u64 },
    Prevent { resting: Order, prevention: Prevention, price: u64, part: Part },
}

/// How a course ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing is left of the order.
    Filled,
    /// Nothing within its limit is left for it.
    Open,
    /// Something is left that it may not reach: a collar, or the bound of one command.
    Collar,
    /// Its remainder is cancelled to prevent a self-match.
    Prevented,
    /// The next execution would be outside the price bands.
    Paused,
}

#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
    /// The volatility auction it starts.
    pub(super) pause: Option<Collar>,
}

impl Course {
    pub(super) fn traded(&self) -> u64 {
        let quantity = |step: &Step| if let Step::Trade { quantity, .. } = step { *quantity } else { 0 };
        self.steps.iter().map(quantity).sum()
    }
}

/// A course while it is worked out.
struct Draft<'a> {
    venue: &'a NaiveVenue,
    order: &'a Order,
    steps: Vec<Step>,
    left: u64,
    budget: u64,
    gone: Vec<u64>,
}

impl Draft<'_> {
    /// Deals with an offer that prevention is about: how the course ends by it, if it does.
    fn prevent(&mut self, offer: &Offer, prevention: Prevention) -> Option<End> {
        let (resting, price, part) = (offer.resting.clone(), offer.price, offer.part);
        if prevention != Prevention::Newest {
            self.gone.push(resting.order_ref);
        }
        let lost = resting.open.min(self.left);
        self.steps.push(Step::Prevent { resting, prevention, price, part });
        self.budget -= 1;
        match prevention {
            Prevention::Newest | Prevention::Both => Some(End::Prevented),
            Prevention::Oldest => None,
            Prevention::Decrement { .. } => {
                self.left -= lost;
                (self.left == 0).then_some(End::Filled)
            }
        }
    }

    fn trade(&mut self, offer: &Offer, quantity: u64) {
        let (maker, part, price) = (offer.resting.clone(), offer.part, offer.price);
        self.steps.push(Step::Trade { maker, part, price, quantity });
        self.left -= quantity;
        self.budget -= 1;
    }

    /// Shares what is left among the displayed orders of one price.
    fn share(&mut self, group: &[Offer], algorithm: MatchingAlgorithm) -> Option<End> {
        let mut sharing = Vec::new();
        for offer in group {
            match self.venue.prevention(self.order, &offer.resting) {
                Some(_) if self.budget == 0 => return Some(End::Collar),
                Some(prevention) => {
                    if let Some(end) = self.prevent(offer, prevention) {
                        return Some(end);
                    }
                }
                None => sharing.push(offer.clone()),
            }
        }
        let cut = sharing.len() as u64 > self.budget;
        sharing.truncate(usize::try_from(self.budget).unwrap_or(usize::MAX));
        let market = self.venue.market(self.order.instrument);
        let open: Vec<u64> = sharing.iter().map(|offer| offer.quantity).collect();
        let shares = allocate(self.left, &open, algorithm, (market.lot(), market.minimum));
        for (offer, share) in sharing.iter().zip(shares) {
            if share > 0 {
                self.trade(offer, share);
            }
        }
        if self.left == 0 {
            return Some(End::Filled);
        }
        cut.then_some(End::Collar)
    }
}

impl NaiveVenue {
    /// What an order could trade with, were there no limit, in order.
    fn offers(&self, order: &Order) -> Vec<Offer> {
        let market = self.market(order.instrument);
        let mut offers = Vec::new();
        for resting in if order.is_buy() { &market.asks } else { &market.bids } {
            let Some(price) = resting.price else { continue };
            let mut add = |part, quantity| {
                if quantity > 0 {
                    offers.push(Offer { resting: resting.clone(), part, price, quantity });
                }
            };
            let rest = if resting.display == Display::Hidden { Part::Hidden } else { Part::Reserve };
            add(Part::Displayed, resting.displayed);
            add(rest, resting.open - resting.displayed);
        }
        for peg in market.aside.iter().filter(|peg| peg.is_buy() != order.is_buy()) {
            if let Some(price) = naive_pegs::price_of(market, peg) {
                offers.push(Offer { resting: peg.clone(), part: Part::Hidden, price, quantity: peg.open });
            }
        }
        offers.sort_by_key(Offer::rank);
        offers
    }

    /// The offers within the order's own limit.
    fn reach(&self, order: &Order) -> Vec<Offer> {
        let limit = if order.peg.is_some() {
            let Some(price) = naive_pegs::price_of(self.market(order.instrument), order) else { return Vec::new() };
            Some(price)
        } else {
            order.price
        };
        let mut offers = self.offers(order);
        offers.retain(|offer| {
            limit.is_none_or(|limit| if order.is_buy() { offer.price <= limit } else { offer.price >= limit })
        });
        offers
    }

    /// True when the order would trade with anything at all.
    pub(super) fn would_take(&self, order: &Order) -> bool {
        self.reach(order).iter().any(|offer| !offer.shuns(order.open))
    }

    /// Works out what an order does. Changes nothing.
    pub(super) fn work_out(&self, order: &Order) -> Course {
        let limits = Limits::of(self.market(order.instrument), order);
        let algorithm = self.market(order.instrument).algorithm;
        let offers = self.reach(order);
        let (steps, gone) = (Vec::new(), Vec::new());
        let mut draft = Draft { venue: self, order, steps, left: order.open, budget: self.budget, gone };
        let mut pause = None;
        let mut end = End::Open;
        let mut at = 0;
        while let Some(offer) = offers.get(at) {
            if draft.left == 0 {
                break;
            }
            if draft.gone.contains(&offer.resting.order_ref) || offer.shuns(draft.left) {
                at += 1;
                continue;
            }
            if limits.is_beyond_collar(offer.price) {
                end = End::Collar;
                break;
            }
            pause = limits.band_left_at(offer.price);
            if pause.is_some() {
                end = End::Paused;
                break;
            }
            if draft.budget == 0 {
                end = End::Collar;
                break;
            }
            let mut count = 1;
            let ended = if offer.part == Part::Displayed && algorithm != MatchingAlgorithm::PriceTime {
                let is_alike = |other: &&Offer| other.part == Part::Displayed && other.price == offer.price;
                count = offers[at..].iter().take_while(is_alike).count();
                draft.share(&offers[at..at + count], algorithm)
            } else if let Some(prevention) = self.prevention(order, &offer.resting) {
                draft.prevent(offer, prevention)
            } else {
                draft.trade(offer, offer.quantity.min(draft.left));
                None
            };
            at += count;
            if let Some(ended) = ended {
                end = ended;
                break;
            }
        }
        if draft.left == 0 {
            end = End::Filled;
        }
        Course { steps: draft.steps, end, pause }
    }

    /// Does one step after the other; the order keeps what is left.
    pub(super) fn run(&mut self, order: &mut Order, steps: &[Step]) {
        for step in steps {
            self.budget -= 1;
            match step {
                Step::Trade { maker, part, price, quantity } => self.trade(order, maker, (*part, *price, *quantity)),
                Step::Prevent { resting, prevention, price, part } => {
                    self.prevent(order, resting, *prevention, (*price, *part));
                }
            }
        }
    }

    fn trade(&mut self, order: &mut Order, maker: &Order, terms: (Part, u64, u64)) {
        let (part, at, quantity) = terms;
        self.matches += 1;
        if maker.details || order.details {
            let (for_maker, for_owner) = (maker.details, order.details);
            self.tell(EventBody::Details { matched: Nanos(0), quantity_ahead: 0, for_maker, for_owner });
        }
        self.tell(EventBody::Traded {
            match_number: MatchNumber(self.matches),
            maker_ref: OrderRef(if part == Part::Displayed { maker.feed_ref } else { maker.order_ref }),
            quantity: qty(quantity),
            price: price(Some(at)),
            maker: maker.owner,
            maker_user_ref_num: maker.number,
            taker: order.owner,
            taker_user_ref_num: order.number,
            instrument: order.instrument,
            maker_side: maker.side,
            maker_flag: flag_of(part),
            taker_flag: LiquidityFlag::Removed,
            maker_shown: part == Part::Displayed,
        });
        order.open -= quantity;
        order.done += quantity;
        self.change(maker, |maker| {
            maker.open -= quantity;
            maker.done += quantity;
            if part == Part::Displayed {
                maker.displayed -= quantity;
            }
        });
        self.market_mut(order.instrument).last = at;
        self.sweep_out(maker);
    }

    /// Forgets an order of which nothing is open.
    fn sweep_out(&mut self, order: &Order) {
        if self.live(order.owner, order.number).is_some_and(|order| order.open == 0) {
            self.take(order.owner, order.number);
        }
    }

    fn prevent(&mut self, order: &mut Order, resting: &Order, prevention: Prevention, terms: (u64, Part)) {
        let (at, part) = terms;
        match prevention {
            Prevention::Newest => {}
            Prevention::Oldest | Prevention::Both => {
                self.cancel_rest_for(resting.owner, resting.number, CancelReason::SelfMatch);
            }
            Prevention::Decrement { details } => {
                let Some(mut resting) = self.live(resting.owner, resting.number).cloned() else { return };
                let lost = resting.open.min(order.open);
                let was_on_feed = resting.is_on_feed();
                let concealed = resting.reduce(lost);
                resting.done += lost;
                order.open -= lost;
                order.done += lost;
                let strategy = details.then_some(order.strategy);
                self.tell_lost(&resting, (lost, concealed, was_on_feed), (at, flag_of(part)), strategy);
                self.tell_lost(order, (lost, 0, false), (at, LiquidityFlag::Removed), strategy);
                let (open, displayed, done) = (resting.open, resting.displayed, resting.done);
                self.change(&resting, |found| {
                    (found.open, found.displayed, found.done) = (open, displayed, done);
                });
                self.sweep_out(&resting);
            }
        }
    }

    /// Tells what an order has lost to prevention.
    fn tell_lost(&mut self, order: &Order, lost: (u64, u64, bool), would: (u64, LiquidityFlag), strategy: Option<u8>) {
        let (quantity, concealed, shown) = lost;
        self.tell_details(order, 0);
        let (owner, user_ref_num, instrument) = (order.owner, order.number, order.instrument);
        let (quantity, leaves, concealed) = (qty(quantity), qty(order.open), qty(concealed));
        let order_ref = OrderRef(order.feed_ref);
        self.tell(match strategy {
            Some(strategy) => EventBody::SelfMatchPrevented {
                owner,
                user_ref_num,
                quantity,
                leaves,
                price: price(Some(would.0)),
                order_ref,
                concealed,
                instrument,
                flag: would.1,
                strategy,
                shown,
            },
            None => EventBody::Canceled {
                owner,
                user_ref_num,
                quantity,
                leaves,
                order_ref,
                concealed,
                instrument,
                reason: CancelReason::SelfMatch,
                shown,
            },
        });
    }

    /// Tells the end of an order that is not in the book.
    pub(super) fn tell_end(&mut self, order: &Order, reason: CancelReason) {
        self.tell_details(order, 0);
        self.tell(EventBody::Canceled {
            owner: order.owner,
            user_ref_num: order.number,
            quantity: qty(order.open),
            leaves: Qty::ZERO,
            order_ref: OrderRef(order.feed_ref),
            concealed: Qty::ZERO,
            instrument: order.instrument,
            reason,
            shown: false,
        });
    }

    /// Fills the displayed part of icebergs up again, in order of their age.
    pub(super) fn refill_side(&mut self, order: &Order, own: bool) {
        let mut empty: Vec<Order> = self
            .side(order.instrument, order.is_buy() == own)
            .iter()
            .filter(|resting| resting.floor > 0 && resting.displayed == 0)
            .cloned()
            .collect();
        empty.sort_by_key(|iceberg| iceberg.order_ref);
        for iceberg in &empty {
            self.refill(iceberg);
        }
    }

    pub(super) fn refill(&mut self, iceberg: &Order) {
        let size = self.refill_size(iceberg).min(iceberg.open);
        let feed_ref = self.next_ref();
        let ahead = self.ahead(iceberg);
        self.tell_details(iceberg, ahead);
        self.tell(EventBody::Restated {
            owner: iceberg.owner,
            user_ref_num: iceberg.number,
            order_ref: OrderRef(feed_ref),
            quantity: qty(size),
            price: price(iceberg.price),
            instrument: iceberg.instrument,
            side: iceberg.side,
            shown: iceberg.look(),
            firm: self.name_on_feed(iceberg),
        });
        self.change(iceberg, |iceberg| {
            iceberg.displayed = size;
            iceberg.feed_ref = feed_ref;
        });
        self.side(iceberg.instrument, iceberg.is_buy()).sort_by_key(Order::rank);
    }

    /// `MaxFloor`, or with `RandomReserves` any number of lots around it, by what the journal holds.
    fn refill_size(&self, iceberg: &Order) -> u64 {
        if iceberg.random == 0 {
            return iceberg.floor;
        }
        let lot = self.market(iceberg.instrument).lot();
        let least = (iceberg.floor.saturating_sub(iceberg.random) / lot).max(1);
        let most = (iceberg.floor + iceberg.random) / lot;
        let seed = self.last_ingress.0 ^ self.last_sequence.0.rotate_left(24) ^ iceberg.order_ref.rotate_left(48);
        (least + (split_mix(seed) >> 32) * (most - least + 1) / (1 << 32)) * lot
    }

    /// Matching is on.
    pub(super) fn matches_now(&self, order: &Order) -> bool {
        self.market(order.instrument).state == TradingState::Trading
    }
}

fn flag_of(part: Part) -> LiquidityFlag {
    match part {
        Part::Displayed => LiquidityFlag::Added,
        Part::Hidden => LiquidityFlag::AddedHidden,
        Part::Reserve => LiquidityFlag::AddedReserve,
    }
}

/// One step of splitmix64.
fn split_mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
