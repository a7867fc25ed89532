//! What an account's positions are worth at the marks, in US dollars: what they have made today, and how far the account is
//! beyond what it owns. Looks at every position of the account; what cannot be counted is `None`, and refuses.

use super::checks::Wish;
use super::observe::day_of;
use super::positions::Position;
use super::{Amounts, Risk};
use protocol::money::{Amount, Currency};
use protocol::operator::LimitKind;
use protocol::types::{AccountId, Nanos};

impl Risk {
    /// What the positions of an account have made and would make at the marks, over all its days.
    pub(super) fn profit(&self, account: AccountId) -> Option<Amount> {
        let mut sums = [Amount::ZERO; Currency::COUNT];
        for position in self.positions.of(account) {
            let (made, quote) = self.profit_of(position)?;
            sums[quote] = sums[quote].checked_add(made)?;
        }
        self.dollars_of(&sums)
    }

    /// What a position has made and would make at the mark, and the index of its currency.
    #[inline]
    fn profit_of(&self, position: &Position) -> Option<(Amount, usize)> {
        let instrument = self.instrument(position.instrument);
        let value = position.quantity.checked_mul(self.mark(position.instrument).into())?;
        let made = position.realised.checked_sub(position.cost)?.checked_add(value)?;
        Some((instrument.scale.notional(made)?, instrument.legs.quote.index()))
    }

    #[inline]
    pub(super) fn dollars_of(&self, sums: &Amounts) -> Option<Amount> {
        let each = Currency::ALL.iter().map(|currency| (*currency, sums[currency.index()]));
        each.filter(|(_, sum)| *sum != Amount::ZERO)
            .try_fold(Amount::ZERO, |all, (currency, sum)| all.checked_add(self.dollars(currency, sum)?))
    }

    /// The least that the positions of an account may have made, as long as every mark is within its band.
    pub(super) fn profit_at_worst(&self, account: AccountId) -> Option<Amount> {
        let mut sums = [Amount::ZERO; Currency::COUNT];
        for position in self.positions.of(account) {
            let instrument = self.instrument(position.instrument);
            let market = self.markets.at(position.instrument.0.into());
            let worst = if position.quantity > 0 { market.low } else { market.high };
            let made = position.realised.checked_sub(position.cost)?;
            let made = made.checked_add(position.quantity.checked_mul(worst.into())?)?;
            let sum = &mut sums[instrument.legs.quote.index()];
            *sum = sum.checked_add(instrument.scale.notional(made)?)?;
        }
        self.dollars_of(&sums)
    }

    /// What an account has lost today, below zero what it has made; a day that has not begun has lost nothing.
    pub(super) fn loss(&self, account: AccountId, now: Nanos) -> Option<Amount> {
        let profit = self.profit(account)?;
        match self.accounts[account.0 as usize].stood {
            Some((day, stood)) if day == self.today(now) => stood.checked_sub(profit),
            Some(_) | None => Some(Amount::ZERO),
        }
    }

    /// Begins the day of an account with a loss limit, when it has not begun.
    pub(super) fn begin_day_of(&mut self, account: AccountId, now: Nanos) {
        let today = self.today(now);
        let is_begun = self.accounts[account.0 as usize].stood.is_some_and(|(day, _)| day == today);
        if !is_begun && self.limit(account, LimitKind::DayLoss).is_some() {
            self.accounts[account.0 as usize].stood = self.profit(account).map(|stood| (today, stood));
        }
    }

    /// The venue begins a new day: every account moves to its tier, has traded nothing, and has lost nothing.
    pub(crate) fn begin_day(&mut self, now: Nanos) {
        self.day = day_of(now).max(self.today(now).saturating_add(1));
        self.shut_all();
        self.notes.forget_quiet();
        let fees = self.fees;
        for at in 0..self.accounts.len() {
            self.accounts[at].roll(self.hot.at_mut(at), self.day, |volume| fees.tier_of(volume));
            self.begin_day_of(AccountId(u32::try_from(at).unwrap_or(u32::MAX)), now);
        }
    }

    /// How far beyond what it owns an account would be with an order: for each instrument the larger of what it would hold if
    /// all its buys or all its sells traded, at the mark; less its balances and its profit.
    pub(super) fn credit_used(&self, wish: &Wish, replaced: u32) -> Option<Amount> {
        let id = wish.owner.account();
        let account = &self.accounts[id.0 as usize];
        let mut sums = [Amount::ZERO; Currency::COUNT];
        for (sum, balance) in sums.iter_mut().zip(account.balance) {
            *sum = sum.checked_sub(balance)?;
        }
        let mut wanted = Position::none(id, wish.instrument);
        for position in self.positions.of(id) {
            let (made, quote) = self.profit_of(position)?;
            sums[quote] = sums[quote].checked_sub(made)?;
            if position.instrument == wish.instrument {
                wanted = *position;
            } else {
                self.add_exposure(position, &mut sums)?;
            }
        }
        if self.mark(wish.instrument) == 0 {
            return None;
        }
        let open = &mut wanted.open[usize::from(wish.side.is_buy())];
        *open = *open + u64::from(wish.quantity) - u64::from(replaced);
        self.add_exposure(&wanted, &mut sums)?;
        self.dollars_of(&sums)
    }

    /// How far beyond what it owns an account may be, as long as every mark is within its band. Exposure grows with the mark at
    /// least as fast as profit does: the worst is the upper end.
    pub(super) fn credit_at_worst(&self, id: AccountId) -> Option<Amount> {
        let mut sums = self.accounts[id.0 as usize].balance.map(|balance| Amount(balance.0.saturating_neg()));
        for position in self.positions.of(id) {
            let instrument = self.instrument(position.instrument);
            let long = position.quantity + i128::from(position.open[1]);
            let short = position.quantity - i128::from(position.open[0]);
            let at_mark = long.abs().max(short.abs()).checked_sub(position.quantity)?;
            let used = at_mark.checked_mul(self.markets.at(position.instrument.0.into()).high.into())?;
            let used = used.checked_sub(position.realised)?.checked_add(position.cost)?;
            let sum = &mut sums[instrument.legs.quote.index()];
            *sum = sum.checked_add(instrument.scale.notional(used)?)?;
        }
        self.dollars_of(&sums)
    }

    fn add_exposure(&self, position: &Position, sums: &mut Amounts) -> Option<()> {
        let instrument = self.instrument(position.instrument);
        let long = position.quantity + i128::from(position.open[1]);
        let short = position.quantity - i128::from(position.open[0]);
        let most = long.abs().max(short.abs()).checked_mul(self.mark(position.instrument).into())?;
        let sum = &mut sums[instrument.legs.quote.index()];
        *sum = sum.checked_add(instrument.scale.notional(most)?)?;
        Some(())
    }
}
