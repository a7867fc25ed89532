//! Which of the venue's rules beyond plain limit and market orders a naive model knows. The core gets them one after the
//! other; the differential tests switch on what both have.

/// A set of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(u32);

impl Features {
    /// None: limit, market, immediate and hidden orders while trading.
    pub const NONE: Self = Self(0);
    /// Icebergs.
    pub const ICEBERGS: Self = Self(1);
    /// Minimum quantity on resting hidden orders.
    pub const HIDDEN_MIN: Self = Self(1 << 1);
    /// Stops, stop-limits and trailing stops.
    pub const STOPS: Self = Self(1 << 2);
    /// Pegged orders.
    pub const PEGS: Self = Self(1 << 3);
    /// Good till time and good till date.
    pub const TIMED: Self = Self(1 << 4);
    /// Self-match prevention.
    pub const SELF_MATCH: Self = Self(1 << 5);
    /// Cancel on disconnect.
    pub const DISCONNECT: Self = Self(1 << 6);
    /// Mass cancels beyond what one command may touch.
    pub const MASS: Self = Self(1 << 7);
    /// States that collect orders, crosses and cross orders, halts, the end of the day.
    pub const STATES: Self = Self(1 << 8);
    /// Collars of market orders, price bands and volatility auctions; only with `STATES`.
    pub const BANDS: Self = Self(1 << 9);
    /// Pro-rata matching.
    pub const PRO_RATA: Self = Self(1 << 10);
    /// Broken trades.
    pub const BUSTS: Self = Self(1 << 11);
    /// The end of a trading day: new sessions.
    pub const ROLL: Self = Self(1 << 12);
    /// What the core has.
    pub const CORE: Self = Self::ALL;
    /// All of them.
    pub const ALL: Self = Self((1 << 13) - 1);

    /// True when all of `other` are here.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// From the word of a scenario.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let words = [
            ("icebergs", Self::ICEBERGS),
            ("hidden-min", Self::HIDDEN_MIN),
            ("stops", Self::STOPS),
            ("pegs", Self::PEGS),
            ("timed", Self::TIMED),
            ("self-match", Self::SELF_MATCH),
            ("disconnect", Self::DISCONNECT),
            ("mass", Self::MASS),
            ("states", Self::STATES),
            ("bands", Self::BANDS),
            ("pro-rata", Self::PRO_RATA),
            ("busts", Self::BUSTS),
            ("roll", Self::ROLL),
        ];
        words.iter().find(|(known, _)| *known == word).map(|(_, feature)| *feature)
    }
}
