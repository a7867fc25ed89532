//! The naive model's state as bytes, by the document at the head of `core/snapshot.rs`.

use super::naive_book::{Instrument, NaiveVenue, Order, price, qty};
use super::naive_time::{Filter, Job};
use protocol::money::Currency;
use protocol::operator::Scope;
use protocol::types::{AccountId, Channel, Firm, InstrumentId, Owner, Side};

impl NaiveVenue {
    /// The state as bytes, by the document at the head of `core/snapshot.rs`.
    #[must_use]
    pub fn encode_state(&self) -> Vec<u8> {
        let mut bytes = vec![8];
        for number in [self.last_sequence.0, self.last_ingress.0, self.order_refs, self.matches] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.push(self.venue.is_some().into());
        let Some(venue) = self.venue else {
            return bytes;
        };
        bytes.extend(venue.session.0);
        bytes.extend(venue.orders_max.to_le_bytes());
        bytes.extend(venue.accounts_max.to_le_bytes());
        bytes.extend(venue.channels_max.to_le_bytes());
        bytes.extend(venue.instruments_max.to_le_bytes());
        bytes.extend(venue.orders_per_command_max.to_le_bytes());
        bytes.extend(count(self.accounts.len()));
        for (index, account) in (0..).zip(&self.accounts) {
            bytes.extend(account.name.0);
            bytes.extend(account.firm.0);
            bytes.extend(self.highest(Owner::from_bits(index << 8)).to_le_bytes());
            bytes.push(account.is_disabled.into());
            bytes.push(account.strategy);
            bytes.extend(account.group);
            bytes.push(account.cancel_on_disconnect.into());
            bytes.extend(qty(account.grace_ns / 1_000_000).0.to_le_bytes());
            bytes.extend(account.disconnect_due.unwrap_or(0).to_le_bytes());
        }
        let channels: Vec<_> = self.consumed.iter().filter(|(owner, _)| owner.channel() != Channel(0)).collect();
        bytes.extend(count(channels.len()));
        for (owner, highest) in channels {
            bytes.extend(owner.to_bits().to_le_bytes());
            bytes.extend(highest.to_le_bytes());
        }
        bytes.extend(count(self.instruments.len()));
        for instrument in &self.instruments {
            instrument.encode(&mut bytes);
        }
        for instrument in &self.instruments {
            for list in [&instrument.bids, &instrument.asks, &instrument.aside] {
                bytes.extend(count(list.len()));
                for order in list {
                    order.encode(&mut bytes);
                }
            }
            bytes.extend(count(instrument.elected.len()));
            for elected in &instrument.elected {
                bytes.extend(elected.to_le_bytes());
            }
        }
        bytes.extend(self.busts_forgotten.to_le_bytes());
        bytes.extend(count(self.busts.len()));
        for number in &self.busts {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(count(self.jobs.len()));
        for job in &self.jobs {
            job.encode(&mut bytes);
        }
        bytes.extend(count(self.waiting_cancels.len()));
        for (owner, number) in &self.waiting_cancels {
            bytes.extend(owner.to_bits().to_le_bytes());
            bytes.extend(number.0.to_le_bytes());
        }
        bytes.push(self.halting.is_some().into());
        if let Some((level, next)) = self.halting {
            bytes.push(level);
            bytes.extend(u16::try_from(next).unwrap_or(0).to_le_bytes());
        }
        self.encode_roll(&mut bytes);
        self.encode_money(&mut bytes);
        bytes
    }

    /// By the document at the head of `core/risk/state.rs`.
    fn encode_money(&self, bytes: &mut Vec<u8>) {
        let (money, ledger) = (&self.money, &self.money.ledger);
        bytes.push(money.killed.contains(&Scope::Venue).into());
        bytes.extend(u32::try_from(ledger.day.unwrap_or(0)).unwrap_or(0).to_le_bytes());
        bytes.extend(money.looks_next.to_le_bytes());
        for table in [&ledger.rates, &ledger.fee_account] {
            for currency in Currency::ALL {
                bytes.extend(table.get(currency).copied().unwrap_or(0).to_le_bytes());
            }
        }
        bytes.extend(count(ledger.table.len()));
        for (tier, (maker, taker, threshold)) in &ledger.table {
            bytes.push(*tier);
            bytes.extend(maker.to_le_bytes());
            bytes.extend(taker.to_le_bytes());
            bytes.extend(threshold.to_le_bytes());
        }
        self.encode_limits(Scope::Venue, bytes);
        let mut firms: Vec<Firm> = Vec::new();
        for account in &self.accounts {
            if !firms.contains(&account.firm) {
                firms.push(account.firm);
            }
        }
        bytes.extend(count(firms.len()));
        for firm in &firms {
            bytes.extend(firm.0);
            bytes.push(money.killed.contains(&Scope::Firm(*firm)).into());
            self.encode_limits(Scope::Firm(*firm), bytes);
        }
        bytes.extend(count(ledger.markets.len()));
        for (instrument, market) in (1..).map(InstrumentId).zip(&ledger.markets) {
            bytes.extend(u32::try_from(market.mark).unwrap_or(0).to_le_bytes());
            bytes.push(money.killed.contains(&Scope::Instrument(instrument)).into());
            bytes.push(market.legs.base.map_or(0, Currency::number));
            bytes.push(market.legs.quote.number());
            self.encode_limits(Scope::Instrument(instrument), bytes);
        }
        bytes.extend(count(money.restricted.len()));
        for (scope, instrument) in &money.restricted {
            match scope {
                Scope::Venue | Scope::Instrument(_) => bytes.extend([0; 5]),
                Scope::Firm(firm) => {
                    bytes.push(1);
                    bytes.extend(firm.0);
                }
                Scope::Account(account) => {
                    bytes.push(2);
                    bytes.extend(account.0.to_le_bytes());
                }
            }
            bytes.extend(instrument.to_le_bytes());
        }
        bytes.extend(count(self.accounts.len()));
        for account in (0..).take(self.accounts.len()) {
            self.encode_funds(account, &firms, bytes);
        }
        bytes.extend(count(ledger.positions.len()));
        for ((account, instrument), position) in &ledger.positions {
            bytes.extend(account.to_le_bytes());
            bytes.extend(instrument.to_le_bytes());
            bytes.extend(position.quantity.to_le_bytes());
            bytes.extend(position.cost.to_le_bytes());
            bytes.extend(position.realised.to_le_bytes());
            encode_bucket(money.symbols.get(&(*account, *instrument)), bytes);
        }
    }

    fn encode_limits(&self, scope: Scope, bytes: &mut Vec<u8>) {
        let own: Vec<_> = self.money.limits.iter().filter(|((of, _), _)| *of == scope).collect();
        bytes.push(u8::try_from(own.len()).unwrap_or(0));
        for ((_, kind), value) in own {
            bytes.push(kind.number());
            bytes.extend(value.to_le_bytes());
        }
    }

    fn encode_funds(&self, account: u32, firms: &[Firm], bytes: &mut Vec<u8>) {
        let (money, ledger) = (&self.money, &self.money.ledger);
        let firm = firms.iter().position(|firm| *firm == self.accounts[account as usize].firm);
        bytes.extend(count(firm.unwrap_or(0)));
        bytes.push(ledger.mode(account).letter());
        let killed = money.killed.contains(&Scope::Account(AccountId(account)));
        let (cause, since) = money.causes.get(&account).filter(|_| killed).copied().unwrap_or((0, 0));
        bytes.push(cause);
        bytes.extend(since.to_le_bytes());
        bytes.push(ledger.tiers.get(&account).copied().unwrap_or(0));
        let day = ledger.days.get(&account).copied().unwrap_or(0);
        bytes.extend(u32::try_from(day).unwrap_or(0).to_le_bytes());
        let volume = |day: u64| ledger.volumes.get(&(account, day)).copied().unwrap_or(0);
        bytes.extend(volume(day).to_le_bytes());
        // The last 30 days, each at its place in a ring of 30.
        let ring: Vec<i128> = (0..30)
            .map(|place| (0..30).map(|back| day.wrapping_sub(back)).find(|day| day % 30 == place).map_or(0, volume))
            .collect();
        let bits = (0..).zip(&ring).fold(0_u32, |bits, (at, volume)| bits | u32::from(*volume != 0) << at);
        bytes.extend(bits.to_le_bytes());
        ring.iter().filter(|volume| **volume != 0).for_each(|volume| bytes.extend(volume.to_le_bytes()));
        let balance = |currency: &Currency| ledger.balances.get(&(account, *currency)).copied().unwrap_or(0);
        let bits = (0..).zip(Currency::ALL).fold(0_u8, |bits, (at, of)| bits | u8::from(balance(of) != 0) << at);
        bytes.push(bits);
        for currency in Currency::ALL.iter().filter(|currency| balance(currency) != 0) {
            bytes.extend(balance(currency).to_le_bytes());
        }
        for bucket in [&money.messages, &money.duplicates, &money.floods, &money.rejects] {
            encode_bucket(bucket.get(&account), bytes);
        }
        let stood = money.stood.get(&account);
        bytes.push(stood.is_some().into());
        let (day, stood) = stood.copied().unwrap_or_default();
        bytes.extend(u32::try_from(day).unwrap_or(0).to_le_bytes());
        bytes.extend(stood.to_le_bytes());
        let (instrument, is_buy, price, quantity) = money.last_orders.get(&account).copied().unwrap_or_default();
        bytes.extend(instrument.to_le_bytes());
        bytes.push(is_buy.into());
        bytes.extend(price.to_le_bytes());
        bytes.extend(quantity.to_le_bytes());
        self.encode_limits(Scope::Account(AccountId(account)), bytes);
    }
}

impl Instrument {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let listed = &self.listed;
        bytes.extend(listed.symbol.0);
        bytes.push(listed.price_decimals);
        bytes.extend(listed.qty_decimals.to_le_bytes());
        bytes.extend(listed.tick.0.to_le_bytes());
        bytes.extend(listed.lot.0.to_le_bytes());
        bytes.extend(listed.max_qty.0.to_le_bytes());
        bytes.extend(listed.reference_price.0.to_le_bytes());
        bytes.push(self.state.letter());
        bytes.push(self.short_sale_test);
        bytes.extend(price(Some(self.last)).0.to_le_bytes());
        bytes.push(self.algorithm.letter());
        bytes.extend(qty(self.minimum).0.to_le_bytes());
        bytes.extend(u16::try_from(self.elections_max).unwrap_or(0).to_le_bytes());
        let bands = &self.bands;
        for number in [self.reference, bands.static_ppm, bands.dynamic_ppm, bands.collar_ppm, bands.auction_s] {
            bytes.extend(qty(number).0.to_le_bytes());
        }
        for time in [self.until, self.imbalance_due] {
            bytes.push(time.is_some().into());
            bytes.extend(time.unwrap_or(0).to_le_bytes());
        }
        bytes.push(self.collar.is_some().into());
        if let Some(collar) = &self.collar {
            for number in [collar.reference, collar.lower, collar.upper, collar.step, collar.extension.into()] {
                bytes.extend(qty(number).0.to_le_bytes());
            }
        }
        bytes.push(self.crossing.is_some().into());
        if let Some(crossing) = &self.crossing {
            bytes.push(crossing.kind.letter());
            bytes.push(crossing.phase as u8);
            bytes.extend(qty(crossing.price).0.to_le_bytes());
            bytes.extend(crossing.left.to_le_bytes());
            bytes.extend(crossing.executed.to_le_bytes());
            bytes.extend([crossing.from.letter(), crossing.next.letter()]);
            bytes.extend(crossing.reason.0);
        }
    }
}

impl Job {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.account.map_or(u32::MAX, |account| account.0).to_le_bytes());
        match &self.filter {
            Filter::Asked(mass) => {
                bytes.push(0);
                bytes.extend(mass.owner.to_bits().to_le_bytes());
                bytes.extend(mass.instrument.map_or(0, |instrument| instrument.0).to_le_bytes());
                bytes.push(mass.side.map_or(0, Side::letter));
                bytes.extend(mass.group_id.to_le_bytes());
                bytes.extend(mass.present.0.to_le_bytes());
            }
            other @ (Filter::Disconnect | Filter::Day(_) | Filter::Killed) => bytes.push(other.number()),
        }
        bytes.extend(self.last_ref.to_le_bytes());
        bytes.extend(self.done.0.to_le_bytes());
        bytes.extend(self.done.1.to_le_bytes());
    }
}

impl Order {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(price(self.price).0.to_le_bytes());
        bytes.extend(self.owner.to_bits().to_le_bytes());
        bytes.extend(self.number.0.to_le_bytes());
        bytes.extend(qty(self.open).0.to_le_bytes());
        bytes.extend(qty(self.done).0.to_le_bytes());
        bytes.extend(self.tags.0.to_le_bytes());
        bytes.extend(self.order_ref.to_le_bytes());
        bytes.extend(self.group_id.to_le_bytes());
        bytes.extend(self.cl_ord_id.0);
        let side = match self.side {
            Side::Buy => 0,
            Side::Sell => 1,
            Side::SellShort => 2,
            Side::SellShortExempt => 3,
        };
        let shown = self.look() as u8;
        bytes.push(side + 4 * shown + 16 * u8::from(self.details) + 32 * u8::from(self.post_only));
        bytes.push(self.time_in_force.letter());
        bytes.push(self.capacity.letter());
        bytes.push(self.cross_type.letter());
        bytes.push(self.customer_type);
        bytes.push(self.cancel_on_disconnect);
        bytes.push(self.sweep.into());
        bytes.extend(self.feed_ref.to_le_bytes());
        for quantity in [self.displayed, self.min_qty, self.floor, self.random] {
            bytes.extend(qty(quantity).0.to_le_bytes());
        }
        bytes.extend(self.deadline.unwrap_or(0).to_le_bytes());
        bytes.push(self.strategy);
        bytes.extend(self.group);
        bytes.push(self.peg.map_or(b'L', |peg| peg.kind));
        bytes.extend(self.peg.map_or(0, |peg| i32::try_from(peg.offset).unwrap_or(0)).to_le_bytes());
        let stop = self.stop.as_ref();
        bytes.extend(price(stop.and_then(|stop| stop.price)).0.to_le_bytes());
        bytes.extend(price(stop.map(|stop| stop.trail)).0.to_le_bytes());
        bytes.push(stop.map_or(b'L', |stop| stop.source));
        bytes.push(if self.imbalance_only { b'I' } else { b' ' });
    }
}

fn encode_bucket(bucket: Option<&(u64, u64)>, bytes: &mut Vec<u8>) {
    let (level, at) = bucket.copied().unwrap_or((u64::MAX, 0));
    bytes.extend(level.to_le_bytes());
    bytes.extend(at.to_le_bytes());
}

fn count(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}
