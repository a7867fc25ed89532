//! Every refusal of the risk checks, in the order of venue-rules.md. Changes nothing.

use super::gate::LastOrder;
use super::limits::tighter;
use super::open_orders::OpenOrder;
use super::{Account, CASH, Instrument, KILLED, Restricted, Risk, SCARCE};
use crate::core::money::{at_rate, fee, is_beyond};
use protocol::RejectReason;
use protocol::money::{Amount, Currency};
use protocol::operator::LimitKind;
use protocol::types::{AccountId, InstrumentId, Nanos, Owner, Price, Side};

/// An order that wants to be accepted, new or as a replacement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) owner: Owner,
    pub(crate) instrument: InstrumentId,
    /// With the sell marking.
    pub(crate) side: Side,
    /// What would be open.
    pub(crate) quantity: u32,
    /// A limit or a market sentinel.
    pub(crate) price: Price,
    /// Nothing of it may rest.
    pub(crate) is_immediate: bool,
    /// A locate is named (tags 25 or 26).
    pub(crate) has_locate: bool,
    /// The open order that it takes the place of.
    pub(crate) replaces: Option<OpenOrder>,
    /// It was accepted before, and is checked again because it is elected: no message came for it.
    pub(crate) is_election: bool,
}

impl Wish {
    fn account(&self) -> AccountId {
        self.owner.account()
    }
}

/// What an order comes to.
struct Size {
    /// Its notional in US dollars, a market order's at the mark; `None` without a rate.
    dollars: Option<Amount>,
}

type Checked = Result<(), RejectReason>;

impl Risk {
    /// Everything that may be wrong with an order, the first thing in check order.
    ///
    /// # Errors
    /// The reason.
    #[cold]
    pub(crate) fn check(&self, wish: &Wish, now: Nanos) -> Checked {
        let (account, instrument) = (&self.accounts[wish.account().0 as usize], self.instrument(wish.instrument));
        let (size, mark) = (self.size(wish, instrument), self.mark(wish.instrument));
        check_quantity(wish, account, instrument)?;
        if account.is_restricted && self.is_restricted(wish) {
            return Err(RejectReason::InstrumentRestricted);
        }
        check_order_notional(wish, (account, instrument), mark, size.as_ref())?;
        check_short_sale((wish.side, wish.has_locate), account, instrument)?;
        check_price(wish, (account, instrument), mark)?;
        self.check_market(wish, account)?;
        if let Some(size) = &size {
            self.check_exposure(wish, account, size)?;
        }
        self.check_balance(wish, account, instrument)?;
        self.check_loss(wish, account, now)?;
        if !wish.is_election {
            self.check_message_rate(wish, account, now)?;
            self.check_symbol_rate(wish, account, now)?;
        }
        self.check_day_notional(wish, account, size.as_ref(), now)?;
        if !wish.is_election {
            self.check_duplicate(wish, account, now)?;
        }
        self.check_switches(wish)
    }

    /// An open order may be marked so: the short-sale checks allow it.
    #[cold]
    pub(crate) fn may_mark(&self, account: AccountId, instrument: InstrumentId, marking: (Side, bool)) -> bool {
        let (of_account, of_instrument) = (&self.accounts[account.0 as usize], self.instrument(instrument));
        check_short_sale(marking, of_account, of_instrument).is_ok()
    }

    fn size(&self, wish: &Wish, instrument: &Instrument) -> Option<Size> {
        let price = if wish.price.is_market() { self.mark(wish.instrument) } else { wish.price.0 };
        let notional = instrument.scale.notional_of(price, wish.quantity).filter(|size| size.is_in_range())?;
        instrument.scale.quantity(wish.quantity.into()).filter(|size| size.is_in_range())?;
        Some(Size { dollars: self.dollars(instrument.legs.quote, notional) })
    }

    /// What an amount comes to in US dollars; `None` without a rate, or when it is beyond counting.
    pub(super) fn dollars(&self, currency: Currency, amount: Amount) -> Option<Amount> {
        let rate = self.rates[currency.index()];
        if rate == Amount::ZERO { None } else { at_rate(amount, rate) }
    }

    fn is_restricted(&self, wish: &Wish) -> bool {
        let account = wish.account();
        let firm = self.firms[self.accounts[account.0 as usize].firm as usize].firm;
        [Restricted::Account(account), Restricted::Firm(firm), Restricted::All]
            .into_iter()
            .any(|who| self.restrictions.has(who, wish.instrument))
    }

    fn check_market(&self, wish: &Wish, account: &Account) -> Checked {
        let is_cash = self.flags[wish.account().0 as usize] & CASH != 0;
        let instrument = self.instrument(wish.instrument);
        let collars = [&account.limits, &instrument.own].map(|limits| limits.get(LimitKind::PriceCollar));
        let is_collared = self.mark(wish.instrument) != 0 && collars != [None; 2];
        let may = [&account.limits, &instrument.own]
            .iter()
            .all(|limits| limits.get(LimitKind::MarketOrders) != Some(Amount::ZERO));
        // Nothing bounds what a market order trades at: it is not for those who must hold what it costs, nor under a collar.
        if !wish.price.is_market() || (may && !is_collared && !(is_cash && wish.side.is_buy())) {
            Ok(())
        } else {
            Err(RejectReason::MarketOrderNotPermitted)
        }
    }

    fn check_exposure(&self, wish: &Wish, account: &Account, size: &Size) -> Checked {
        let replaced = wish.replaces;
        if let Some(limit) = account.counts.open_orders {
            let open = self.hot.at(wish.account().0 as usize).open_orders;
            let others = u64::from(open) - u64::from(replaced.is_some());
            if !wish.is_immediate && others >= limit {
                return Err(RejectReason::LimitOpenOrders);
            }
        }
        if let Some(limit) = account.limits.get(LimitKind::OpenNotional) {
            let freed = replaced.and_then(|order| {
                let instrument = self.instrument(order.instrument);
                let notional = instrument.scale.notional_of(order.price, order.leaves)?;
                self.dollars(instrument.legs.quote, notional)
            });
            let after = self
                .open_notional(wish.account())
                .zip(size.dollars)
                .and_then(|(open, more)| open.checked_sub(freed.unwrap_or_default())?.checked_add(more));
            if after.is_none_or(|after| after > limit) {
                return Err(RejectReason::LimitOpenNotional);
            }
        }
        let replaced = replaced.map_or(0, |order| order.leaves);
        self.check_position(wish, replaced)?;
        self.check_credit(wish, account, replaced)
    }

    /// What the open orders of an account come to in dollars. Looks at every position of it.
    pub(super) fn open_notional(&self, account: AccountId) -> Option<Amount> {
        let mut sums = [Amount::ZERO; Currency::COUNT];
        for position in self.positions.of(account) {
            let instrument = self.instrument(position.instrument);
            let sum = &mut sums[instrument.legs.quote.index()];
            *sum = sum.checked_add(instrument.scale.notional(position.open_notional())?)?;
        }
        self.dollars_of(&sums)
    }

    /// What the account would be beyond what it owns.
    fn check_credit(&self, wish: &Wish, account: &Account, replaced: u32) -> Checked {
        let is_cash = self.flags[wish.account().0 as usize] & CASH != 0;
        let Some(limit) = account.limits.get(LimitKind::Credit).filter(|_| !is_cash) else {
            return Ok(());
        };
        let used = self.credit_used(wish, replaced);
        if used.is_none_or(|used| used > limit) { Err(RejectReason::CreditExceeded) } else { Ok(()) }
    }

    fn check_loss(&self, wish: &Wish, account: &Account, now: Nanos) -> Checked {
        let Some(limit) = account.limits.get(LimitKind::DayLoss) else {
            return Ok(());
        };
        let loss = self.loss(wish.account(), now);
        if loss.is_none_or(|loss| loss > limit) { Err(RejectReason::DayLossPassed) } else { Ok(()) }
    }

    fn check_day_notional(&self, wish: &Wish, account: &Account, size: Option<&Size>, now: Nanos) -> Checked {
        let Some(limit) = account.limits.get(LimitKind::DayNotional) else {
            return Ok(());
        };
        let hot = self.hot.at(wish.account().0 as usize);
        let traded = if hot.day == self.today(now) { hot.day_notional } else { Amount::ZERO };
        let after = size.and_then(|size| size.dollars).and_then(|more| traded.checked_add(more));
        if after.is_none_or(|after| after > limit) { Err(RejectReason::LimitDayNotional) } else { Ok(()) }
    }

    fn check_message_rate(&self, wish: &Wish, account: &Account, now: Nanos) -> Checked {
        let messages = self.hot.at(wish.account().0 as usize).messages();
        if account.counts.messages.is_some_and(|rate| !messages.allows(rate, now)) {
            return Err(RejectReason::MessageRate);
        }
        Ok(())
    }

    fn check_symbol_rate(&self, wish: &Wish, account: &Account, now: Nanos) -> Checked {
        let rate = tighter(account.counts.symbol, self.instrument(wish.instrument).counts.symbol);
        let position = self.positions.find(wish.account(), wish.instrument);
        let is_allowed = |rate| rate != 0 && position.is_none_or(|position| position.orders.allows(rate, now));
        if rate.is_none_or(is_allowed) { Ok(()) } else { Err(RejectReason::SymbolRate) }
    }

    fn check_duplicate(&self, wish: &Wish, account: &Account, now: Nanos) -> Checked {
        let rate = tighter(account.counts.duplicates, self.instrument(wish.instrument).counts.duplicates);
        let (price, instrument, is_buy) = (wish.price.0, wish.instrument, wish.side.is_buy());
        let this = LastOrder { price, quantity: wish.quantity, instrument, is_buy };
        let is_equal = self.hot.at(wish.account().0 as usize).last == this;
        if is_equal && rate.is_some_and(|rate| !account.duplicates.allows(rate, now)) {
            return Err(RejectReason::DuplicateRate);
        }
        Ok(())
    }

    /// The position if everything that is open on this side traded.
    fn check_position(&self, wish: &Wish, replaced: u32) -> Checked {
        let is_buy = wish.side.is_buy();
        let kind = if is_buy { LimitKind::PositionLong } else { LimitKind::PositionShort };
        let Some(limit) = self.tighter(wish.account(), wish.instrument, kind) else {
            return Ok(());
        };
        let position = self.positions.find(wish.account(), wish.instrument);
        let (held, open) = position.map_or((0, 0), |position| {
            if is_buy { (position.quantity, position.open[1]) } else { (-position.quantity, position.open[0]) }
        });
        let after = held + i128::from(open) - i128::from(replaced) + i128::from(wish.quantity);
        let amount = self.instrument(wish.instrument).scale.quantity(after);
        if amount.is_none_or(|amount| amount > limit) { Err(RejectReason::LimitPosition) } else { Ok(()) }
    }

    /// A cash account holds what the order may cost.
    fn check_balance(&self, wish: &Wish, account: &Account, instrument: &Instrument) -> Checked {
        if self.flags[wish.account().0 as usize] & CASH == 0 {
            return Ok(());
        }
        let replaced = wish.replaces;
        let refused = Err(RejectReason::BalanceTooLow);
        if !wish.side.is_buy() && instrument.legs.base.is_none() {
            let position = self.positions.find(wish.account(), wish.instrument);
            let (held, open) = position.map_or((0, 0), |position| (position.quantity, position.open[0]));
            let open = i128::from(open) - i128::from(replaced.map_or(0, |order| order.leaves));
            return if held - open >= i128::from(wish.quantity) { Ok(()) } else { refused };
        }
        let Some((currency, needed)) =
            self.reservation(wish.instrument, wish.side.is_buy(), wish.price.0, wish.quantity)
        else {
            return refused;
        };
        let freed = replaced.and_then(|order| {
            let (freed_currency, freed) =
                self.reservation(order.instrument, order.is_buy, order.price, order.leaves)?;
            (freed_currency == currency).then_some(freed)
        });
        let at = currency.index();
        let free = account.balance[at].checked_sub(account.reserved[at]);
        let free = free.and_then(|free| free.checked_add(freed.unwrap_or_default()));
        if free.is_some_and(|free| free >= needed) { Ok(()) } else { refused }
    }

    /// What a cash account sets aside for an order, fees included; `None` for shares, and beyond counting.
    pub(super) fn reservation(
        &self,
        instrument: InstrumentId,
        is_buy: bool,
        price: u32,
        quantity: u32,
    ) -> Option<(Currency, Amount)> {
        let instrument = self.instrument(instrument);
        if !is_buy {
            return Some((instrument.legs.base?, instrument.scale.quantity(quantity.into())?));
        }
        // Fees are rounded up per trade, and a trade is of one unit at least: so is what is set aside.
        let unit = instrument.scale.notional(price.into())?;
        let unit = unit.checked_add(fee(unit, self.fees.highest_ppm())?)?;
        Some((instrument.legs.quote, Amount(unit.0.checked_mul(quantity.into())?)))
    }

    fn check_switches(&self, wish: &Wish) -> Checked {
        if self.flags[wish.account().0 as usize] & KILLED != 0 {
            return Err(RejectReason::AccountKilled);
        }
        if self.instrument(wish.instrument).is_killed || self.venue_flags & KILLED != 0 {
            return Err(RejectReason::InstrumentKilled);
        }
        let is_known = || self.positions.find(wish.account(), wish.instrument).is_some();
        if self.venue_flags & SCARCE != 0 && !is_known() {
            return Err(RejectReason::PositionsFull);
        }
        Ok(())
    }
}

fn check_quantity(wish: &Wish, account: &Account, instrument: &Instrument) -> Checked {
    let limits = [account.limits.get(LimitKind::OrderQuantity), instrument.own.get(LimitKind::OrderQuantity)];
    let quantity = instrument.scale.quantity(wish.quantity.into());
    let is_above = |limit: Amount| quantity.is_none_or(|quantity| quantity > limit);
    if limits.into_iter().flatten().any(is_above) { Err(RejectReason::LimitOrderQuantity) } else { Ok(()) }
}

fn check_order_notional(
    wish: &Wish,
    (account, instrument): (&Account, &Instrument),
    mark: u32,
    size: Option<&Size>,
) -> Checked {
    let refused = Err(RejectReason::LimitOrderNotional);
    // Beyond counting: neither limits nor balances could hold.
    let Some(size) = size else {
        return refused;
    };
    let limits = [account.limits.get(LimitKind::OrderNotional), instrument.own.get(LimitKind::OrderNotional)];
    let mut limits = limits.into_iter().flatten().peekable();
    // What a market order comes to is known at a mark only; what has no rate is not known at all.
    let is_unknown = wish.price.is_market() && mark == 0;
    if limits.peek().is_some() && is_unknown {
        return refused;
    }
    let is_above = |limit: Amount| size.dollars.is_none_or(|dollars| dollars > limit);
    if limits.any(is_above) { refused } else { Ok(()) }
}

fn check_short_sale((side, has_locate): (Side, bool), account: &Account, instrument: &Instrument) -> Checked {
    if !matches!(side, Side::SellShort | Side::SellShortExempt) {
        return Ok(());
    }
    let is_set = |kind, value| [&account.limits, &instrument.own].iter().any(|limits| limits.get(kind) == Some(value));
    if is_set(LimitKind::ShortSale, Amount::ZERO) {
        return Err(RejectReason::ShortSaleNotPermitted);
    }
    if is_set(LimitKind::LocateRequired, Amount::ONE) && !has_locate {
        return Err(RejectReason::LocateMissing);
    }
    Ok(())
}

/// The collar: how far a limit price may be from the mark, either way. Without a mark there is none.
fn check_price(wish: &Wish, (account, instrument): (&Account, &Instrument), mark: u32) -> Checked {
    let collars = [account.limits.get(LimitKind::PriceCollar), instrument.own.get(LimitKind::PriceCollar)];
    if wish.price.is_market() || mark == 0 {
        return Ok(());
    }
    let is_outside = |collar| is_beyond(wish.price.0, mark, collar);
    if collars.into_iter().flatten().any(is_outside) { Err(RejectReason::PriceOutsideCollar) } else { Ok(()) }
}
