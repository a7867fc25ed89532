//! The naive model's money: balances, positions, volumes and fees, moved by the events that it tells. Double entry: what one
//! side of a trade pays the other gets, and fees go to the fee account; [`Ledger::is_conserved`] is asked after every command.

use protocol::money::{Amount, Asset, Currency, Legs};
use protocol::operator::{AccountMode, SetFees};
use protocol::types::{AccountId, InstrumentId};
use protocol::{EventBody, types::MatchNumber};
use std::collections::{BTreeMap, BTreeSet};

const DAY_NS: u64 = 86_400_000_000_000;
const UNIT: i128 = 1_000_000_000_000;

/// What an instrument's wire units come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Market {
    pub(super) quantity_unit: i128,
    pub(super) notional_unit: i128,
    pub(super) legs: Legs,
    pub(super) mark: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) quantity: i128,
    pub(super) cost: i128,
    pub(super) realised: i128,
}

/// All money of the venue.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) markets: Vec<Market>,
    pub(super) cash_accounts: BTreeSet<u32>,
    pub(super) balances: BTreeMap<(u32, Currency), i128>,
    pub(super) positions: BTreeMap<(u32, u16), Position>,
    /// US dollars traded, by account and UTC day.
    pub(super) volumes: BTreeMap<(u32, u64), i128>,
    /// Last day of trading, by account.
    pub(super) days: BTreeMap<u32, u64>,
    /// The day that the venue began last.
    pub(super) day: Option<u64>,
    pub(super) tiers: BTreeMap<u32, u8>,
    pub(super) table: BTreeMap<u8, (i32, i32, i128)>,
    pub(super) rates: BTreeMap<Currency, i128>,
    pub(super) fee_account: BTreeMap<Currency, i128>,
    /// Everything ever paid in, less what was paid out; shares in wire units.
    paid_in: BTreeMap<Asset, i128>,
    /// Something moved since conservation was looked at.
    moved: bool,
}

/// One side of a trade.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) account: AccountId,
    pub(super) is_buy: bool,
    /// Its volume and tier are counted.
    pub(super) is_counted: bool,
}

/// A trade.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trade {
    pub(super) instrument: InstrumentId,
    pub(super) quantity: u64,
    pub(super) price: u64,
    pub(super) now: u64,
}

impl Ledger {
    pub(super) fn new() -> Self {
        let mut ledger = Self::default();
        ledger.rates.insert(Currency::Usd, UNIT);
        ledger.table.insert(0, (0, 0, 0));
        ledger
    }

    pub(super) fn market(&self, instrument: InstrumentId) -> Market {
        self.markets[usize::from(instrument.0) - 1]
    }

    pub(super) fn list(&mut self, price_decimals: u8, qty_decimals: i8, legs: Legs, mark: u64) {
        let (mut quantity_unit, mut notional_unit) = (1, 1);
        for _ in 0..12 - i32::from(qty_decimals) {
            quantity_unit *= 10;
        }
        for _ in 0..12 - i32::from(qty_decimals) - i32::from(price_decimals) {
            notional_unit *= 10;
        }
        self.markets.push(Market { quantity_unit, notional_unit, legs, mark });
    }

    pub(super) fn position(&self, account: AccountId, instrument: InstrumentId) -> Position {
        self.positions.get(&(account.0, instrument.0)).copied().unwrap_or_default()
    }

    pub(super) fn is_charging(&self) -> bool {
        self.table.values().any(|(maker, taker, _)| *maker != 0 || *taker != 0)
    }

    /// The notional of wire units, unless it is beyond the integer.
    pub(super) fn notional(&self, instrument: InstrumentId, price: u64, quantity: u64) -> Option<i128> {
        (i128::from(price) * i128::from(quantity)).checked_mul(self.market(instrument).notional_unit)
    }

    pub(super) fn dollars(&self, currency: Currency, amount: i128) -> Option<i128> {
        let rate = *self.rates.get(&currency)?;
        (amount / UNIT).checked_mul(rate)?.checked_add((amount % UNIT).checked_mul(rate)? / UNIT)
    }

    /// One side of a trade.
    pub(super) fn settle(&mut self, side: Side, trade: Trade) {
        self.moved = true;
        let market = self.market(trade.instrument);
        let key = (side.account.0, trade.instrument.0);
        let position = self.positions.entry(key).or_default();
        // One unit of average cost after the other would be the same, but slow: closing first, then opening.
        let sign = if side.is_buy { 1 } else { -1 };
        let (quantity, price) = (i128::from(trade.quantity), i128::from(trade.price));
        let closes = if position.quantity * sign < 0 { quantity.min(position.quantity.abs()) } else { 0 };
        if closes > 0 {
            let cost = position.cost * closes / position.quantity.abs();
            position.cost -= cost;
            position.quantity += sign * closes;
            position.realised += -sign * closes * price - cost;
        }
        position.quantity += sign * (quantity - closes);
        position.cost += sign * (quantity - closes) * price;
        if self.cash_accounts.contains(&side.account.0) {
            let paid = self.notional(trade.instrument, trade.price, trade.quantity).unwrap_or(0);
            self.book(side.account, market.legs.quote, -sign * paid);
            if let Some(base) = market.legs.base {
                self.book(side.account, base, sign * quantity * market.quantity_unit);
            }
        }
        if side.is_counted {
            self.count_volume(side.account, trade);
        }
    }

    fn book(&mut self, account: AccountId, currency: Currency, amount: i128) {
        self.moved = true;
        *self.balances.entry((account.0, currency)).or_default() += amount;
    }

    /// The day of a time: as the venue counts them, else that of UTC.
    pub(super) fn today(&self, now: u64) -> u64 {
        self.day.unwrap_or(now / DAY_NS)
    }

    pub(super) fn begin_day(&mut self, now: u64) {
        self.day = Some((self.today(now) + 1).max(now / DAY_NS));
    }

    /// Moves an account to the tier of the 30 days before, on each day once.
    pub(super) fn roll(&mut self, account: AccountId, now: u64) {
        let today = self.today(now);
        let last = self.days.get(&account.0).copied().unwrap_or(0);
        if today > last {
            let before: i128 = (today.saturating_sub(30)..today)
                .map(|day| self.volumes.get(&(account.0, day)).copied().unwrap_or(0))
                .sum();
            let reached = self.table.iter().filter(|(_, (_, _, threshold))| *threshold <= before);
            self.tiers.insert(account.0, reached.map(|(tier, _)| *tier).max().unwrap_or(0));
            self.days.insert(account.0, today);
        }
    }

    fn count_volume(&mut self, account: AccountId, trade: Trade) {
        self.roll(account, trade.now);
        let quote = self.market(trade.instrument).legs.quote;
        let notional = self.notional(trade.instrument, trade.price, trade.quantity);
        if let Some(dollars) = notional.and_then(|notional| self.dollars(quote, notional)) {
            let day = self.days.get(&account.0).copied().unwrap_or(0);
            *self.volumes.entry((account.0, day)).or_default() += dollars;
        }
    }

    /// US dollars traded on the day of this time.
    pub(super) fn traded_on(&self, account: AccountId, now: u64) -> i128 {
        self.volumes.get(&(account.0, self.today(now))).copied().unwrap_or(0)
    }

    /// Takes the fees of a trade; what is told of them.
    pub(super) fn charge(
        &mut self,
        number: MatchNumber,
        trade: Trade,
        maker: Option<AccountId>,
        taker: Option<AccountId>,
    ) -> Option<EventBody> {
        let currency = self.market(trade.instrument).legs.quote;
        let notional = self.notional(trade.instrument, trade.price, trade.quantity)?;
        if notional > Amount::MAX.0 {
            return None;
        }
        let mut paid = [0; 2];
        for (at, account) in [maker, taker].into_iter().enumerate() {
            let Some(account) = account else { continue };
            let tier = self.tiers.get(&account.0).copied().unwrap_or(0);
            let (maker_ppm, taker_ppm, _) = self.table.get(&tier).copied().unwrap_or((0, 0, 0));
            let parts = notional * i128::from(if at == 0 { maker_ppm } else { taker_ppm });
            // The fee in millionths, up to the next whole unit.
            let fee = parts.div_euclid(1_000_000) + i128::from(parts.rem_euclid(1_000_000) > 0);
            self.book(account, currency, -fee);
            *self.fee_account.entry(currency).or_default() += fee;
            paid[at] = fee;
        }
        let [maker, taker] = paid.map(Amount);
        (paid != [0; 2]).then_some(EventBody::FeesCharged { match_number: number, currency, maker, taker })
    }

    /// Returns a fee to who paid it.
    pub(super) fn give_back(&mut self, account: AccountId, currency: Currency, fee: i128) {
        self.book(account, currency, fee);
        *self.fee_account.entry(currency).or_default() -= fee;
    }

    pub(super) fn set_fees(&mut self, row: &SetFees) -> bool {
        let in_range = |ppm: i32| ppm.abs() <= 100_000;
        let is_row = row.tier < 8 && in_range(row.maker_ppm) && in_range(row.taker_ppm);
        let mut table = self.table.clone();
        table.insert(row.tier, (row.maker_ppm, row.taker_ppm, row.threshold.0));
        let thresholds: Vec<_> = table.values().map(|(_, _, threshold)| *threshold).collect();
        let rises = thresholds[0] == 0 && thresholds.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = is_row && rises && row.threshold <= Amount::MAX;
        if fits {
            self.table = table;
        }
        fits
    }

    /// What an account has of a currency, trades included.
    pub(super) fn held(&self, account: AccountId, currency: Currency) -> Option<i128> {
        let balance = self.balances.get(&(account.0, currency)).copied().unwrap_or(0);
        if self.cash_accounts.contains(&account.0) {
            return Some(balance);
        }
        let own = self.positions.iter().filter(|((owner, _), _)| *owner == account.0);
        own.filter(|((_, instrument), _)| self.market(InstrumentId(*instrument)).legs.quote == currency).try_fold(
            balance,
            |sum, ((_, instrument), position)| {
                let unit = self.market(InstrumentId(*instrument)).notional_unit;
                sum.checked_add((position.realised - position.cost).checked_mul(unit)?)
            },
        )
    }

    pub(super) fn pay_in(&mut self, account: AccountId, asset: Asset, amount: i128) {
        if let Asset::Currency(currency) = asset {
            self.book(account, currency, amount);
        }
        self.moved = true;
        *self.paid_in.entry(asset).or_default() += amount;
    }

    pub(super) fn mode(&self, account: u32) -> AccountMode {
        if self.cash_accounts.contains(&account) { AccountMode::Cash } else { AccountMode::Margin }
    }

    /// Nothing was made and nothing was lost: per currency and per instrument.
    pub(super) fn is_conserved(&mut self) -> bool {
        if !std::mem::take(&mut self.moved) {
            return true;
        }
        let accounts: BTreeSet<u32> = self
            .balances
            .keys()
            .map(|(account, _)| *account)
            .chain(self.positions.keys().map(|(account, _)| *account))
            .collect();
        let currencies = Currency::ALL.iter().all(|currency| {
            let held = accounts
                .iter()
                .try_fold(0_i128, |sum, account| sum.checked_add(self.held(AccountId(*account), *currency)?));
            // A pair that a margin account trades is its position in the base.
            let positions = self.positions.iter().try_fold(0_i128, |sum, ((account, instrument), position)| {
                let market = self.market(InstrumentId(*instrument));
                let is_base = market.legs.base == Some(*currency) && !self.cash_accounts.contains(account);
                if is_base { sum.checked_add(position.quantity.checked_mul(market.quantity_unit)?) } else { Some(sum) }
            });
            let fees = self.fee_account.get(currency).copied().unwrap_or(0);
            let paid_in = self.paid_in.get(&Asset::Currency(*currency)).copied().unwrap_or(0);
            // Sums beyond the integer cannot be asked; each single amount is checked where it moves.
            held.zip(positions).is_none_or(|(held, positions)| held + positions + fees == paid_in)
        });
        let shares = (1..).map(InstrumentId).zip(&self.markets).all(|(instrument, _)| {
            let own = self.positions.iter().filter(|((_, of), _)| *of == instrument.0);
            let sum: i128 = own.map(|(_, position)| position.quantity).sum();
            sum == self.paid_in.get(&Asset::Shares(instrument)).copied().unwrap_or(0)
        });
        currencies && shares
    }
}
