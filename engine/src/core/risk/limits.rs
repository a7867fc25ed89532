//! Limits: what is set where, and what holds for an account. Its own value, else its firm's, else the venue's default; what is
//! set for an instrument holds besides. Cold: the checks read what was worked out here.

use crate::core::money::Bucket;
use protocol::Amount;
use protocol::operator::LimitKind;
use protocol::types::{AccountId, Firm, InstrumentId};

/// One value per kind; [`Amount::UNSET`] where none is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits([Amount; LimitKind::COUNT]);

impl Limits {
    /// None set.
    pub(super) const NONE: Self = Self([Amount::UNSET; LimitKind::COUNT]);

    /// The value of one kind, when it is set.
    pub(super) fn get(&self, kind: LimitKind) -> Option<Amount> {
        let value = self.0[usize::from(kind.number())];
        (value != Amount::UNSET).then_some(value)
    }

    /// Sets or removes it.
    pub(super) fn set(&mut self, kind: LimitKind, value: Amount) {
        self.0[usize::from(kind.number())] = value;
    }

    /// Nothing is set.
    pub(super) fn is_none(&self) -> bool {
        self.0.iter().all(|value| *value == Amount::UNSET)
    }

    /// This, and where it has nothing, `other`.
    pub(super) fn or(&self, other: &Self) -> Self {
        let mut both = *self;
        for (mine, theirs) in both.0.iter_mut().zip(&other.0) {
            if *mine == Amount::UNSET {
                *mine = *theirs;
            }
        }
        both
    }

    /// What is set, by kind.
    pub(super) fn set_values(&self) -> impl Iterator<Item = (LimitKind, Amount)> {
        LimitKind::ALL.iter().filter_map(|kind| Some((*kind, self.get(*kind)?)))
    }
}

/// What is set of the kinds that count things, as numbers: a division of 128 bits is too dear for each order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) open_orders: Option<u64>,
    pub(super) messages: Option<u64>,
    pub(super) symbol: Option<u64>,
    pub(super) duplicates: Option<u64>,
    pub(super) floods: Option<u64>,
    pub(super) rejects: Option<u64>,
}

impl Counts {
    pub(super) fn of(limits: &Limits) -> Self {
        let count = |kind| limits.get(kind).map(|value| u64::try_from(value.0 / Amount::ONE.0).unwrap_or(0));
        Self {
            open_orders: count(LimitKind::OpenOrders),
            messages: count(LimitKind::MessageRate),
            symbol: count(LimitKind::SymbolRate),
            duplicates: count(LimitKind::DuplicateRate),
            floods: count(LimitKind::KillMessageRate),
            rejects: count(LimitKind::KillRejectRate),
        }
    }
}

/// The smaller one of those that are set.
#[inline]
pub(super) fn tighter(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// True when a limit of this kind may have this value.
pub(super) fn is_value(kind: LimitKind, value: Amount) -> bool {
    if value == Amount::UNSET {
        return true;
    }
    let is_flag = value == Amount::ZERO || value == Amount::ONE;
    let is_count = value.0 % Amount::ONE.0 == 0;
    value.is_in_range()
        && match kind {
            LimitKind::ShortSale | LimitKind::LocateRequired | LimitKind::MarketOrders | LimitKind::Restricted => {
                is_flag
            }
            LimitKind::OpenOrders => is_count,
            LimitKind::MessageRate
            | LimitKind::SymbolRate
            | LimitKind::DuplicateRate
            | LimitKind::KillMessageRate
            | LimitKind::KillRejectRate => is_count && value.0 <= i128::from(Bucket::RATE_MAX) * Amount::ONE.0,
            LimitKind::PriceCollar => value.0 <= 1_000 * Amount::ONE.0,
            LimitKind::OrderQuantity
            | LimitKind::OrderNotional
            | LimitKind::OpenNotional
            | LimitKind::PositionLong
            | LimitKind::PositionShort
            | LimitKind::Credit
            | LimitKind::DayLoss
            | LimitKind::DayNotional => true,
        }
}

/// True for limits that an instrument may have: those of one order, and of one account in one instrument.
pub(super) fn is_of_instrument(kind: LimitKind) -> bool {
    match kind {
        LimitKind::OrderQuantity
        | LimitKind::OrderNotional
        | LimitKind::ShortSale
        | LimitKind::LocateRequired
        | LimitKind::PriceCollar
        | LimitKind::MarketOrders
        | LimitKind::PositionLong
        | LimitKind::PositionShort
        | LimitKind::SymbolRate
        | LimitKind::DuplicateRate => true,
        LimitKind::OpenOrders
        | LimitKind::OpenNotional
        | LimitKind::Credit
        | LimitKind::DayLoss
        | LimitKind::MessageRate
        | LimitKind::DayNotional
        | LimitKind::Restricted
        | LimitKind::KillMessageRate
        | LimitKind::KillRejectRate => false,
    }
}

/// True when an instrument has limits that everybody's orders are counted for.
pub(super) fn counts_everybody(of_instrument: &Limits) -> bool {
    let counting = [LimitKind::PositionLong, LimitKind::PositionShort, LimitKind::SymbolRate, LimitKind::DuplicateRate];
    counting.into_iter().any(|kind| of_instrument.get(kind).is_some())
}

/// Who may not trade what. A list in order, of bounded length.
#[derive(Debug)]
pub(super) struct Restrictions(Vec<(Restricted, InstrumentId)>);

/// Whom a restriction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Restricted {
    /// Everybody.
    All,
    /// The accounts of a firm.
    Firm(Firm),
    /// One account.
    Account(AccountId),
}

impl Restrictions {
    /// The most of them.
    const MAX: usize = 1 << 14;

    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(Self::MAX))
    }

    /// Adds or removes one. False when there is no room.
    pub(super) fn set(&mut self, who: Restricted, instrument: InstrumentId, is_restricted: bool) -> bool {
        match (self.0.binary_search(&(who, instrument)), is_restricted) {
            (Ok(at), false) => {
                self.0.remove(at);
            }
            (Err(_), true) if self.0.len() == Self::MAX => return false,
            (Err(at), true) => self.0.insert(at, (who, instrument)),
            (Ok(_), true) | (Err(_), false) => {}
        }
        true
    }

    pub(super) fn has(&self, who: Restricted, instrument: InstrumentId) -> bool {
        !self.0.is_empty() && self.0.binary_search(&(who, instrument)).is_ok()
    }

    /// True when there is one about these.
    pub(super) fn concerns(&self, who: Restricted) -> bool {
        let at = self.0.partition_point(|(known, _)| *known < who);
        self.0.get(at).is_some_and(|(known, _)| *known == who)
    }

    /// In order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Restricted, InstrumentId)> {
        self.0.iter()
    }
}
