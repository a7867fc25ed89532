//! Commands that no client sends: time, connections, and what an operator or the trading schedule decides. They are
//! sequenced and journaled like any other, so that a replay needs nothing else.

use crate::money::Amount;
use crate::types::{
    AccountId, BustReason, ClOrdId, Firm, InstrumentId, LiquidityFlag, MatchNumber, MatchingAlgorithm, Nanos, Owner,
    Price, Qty, SessionName, TradingState, UserRefNum,
};

/// What the venue itself asks of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VenueCommand {
    /// Time has come to what the core said is due: it does the first thing that is, and tells the next due time.
    Tick,
    /// How an instrument matches.
    SetMatching(SetMatching),
    /// Price bands and the collar of market orders.
    SetBands(SetBands),
    /// The static reference price.
    SetReferencePrice(SetReferencePrice),
    /// Orders are collected from now on, and crossed at a time.
    StartAuction(StartAuction),
    /// What the orders of an account do when they do not say.
    SetAccountDefaults(SetAccountDefaults),
    /// A session of this account was logged in.
    Connected(AccountId),
    /// The session of this account ended, however.
    Disconnected(AccountId),
    /// Operational halt or its end: ITCH `h`, and the trading state with it.
    SetOperationalHalt(SetOperationalHalt),
    /// Decline levels of the market-wide circuit breaker.
    SetMarketWideLevels(SetMarketWideLevels),
    /// A decline level was breached: 1, 2 or 3. Every instrument is halted.
    BreachMarketWide(u8),
    /// A trade is void.
    BustTrade(BustTrade),
    /// The trading day ends, and the next one begins: what does not outlive the day is cancelled, every stream ends, and those of
    /// this session begin. It must differ from the one that ends; letters and digits only.
    RollDay(SessionName),
    /// Whether the trading day is rolled, by the schedule: from where time stamps count ([`Midnight`]). Until it is set: no.
    ///
    /// [`Midnight`]: crate::types::Midnight
    SetDayRolls(bool),
}

/// Matching of one instrument. Until it is set: price-time, and the default bound on elections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetMatching {
    /// Which.
    pub instrument: InstrumentId,
    /// How quantity is shared at a price.
    pub algorithm: MatchingAlgorithm,
    /// Pro-rata shares below this are 0; wire units.
    pub minimum: Qty,
    /// Stops elected by one command at the most; 0 = [`ELECTIONS_PER_COMMAND_MAX_DEFAULT`].
    ///
    /// [`ELECTIONS_PER_COMMAND_MAX_DEFAULT`]: crate::limits::ELECTIONS_PER_COMMAND_MAX_DEFAULT
    pub elections_per_command_max: u16,
}

/// Distances in parts per million of a reference price, at most 1,000,000; 0 = none. Until they are set: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetBands {
    /// Which.
    pub instrument: InstrumentId,
    /// Around the static reference: an execution outside starts a volatility auction.
    pub static_ppm: u32,
    /// Around the last trade.
    pub dynamic_ppm: u32,
    /// How far a market order trades from the last trade, or from the static reference before the first.
    pub collar_ppm: u32,
    /// Seconds of a volatility auction, and of each extension; 1..=86,400 when there are bands, else 0..=86,400.
    pub auction_s: u32,
}

/// The static reference price of one instrument. Each cross sets it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetReferencePrice {
    /// Which.
    pub instrument: InstrumentId,
    /// A limit price, wire units; 0 = none.
    pub price: Price,
}

/// Begins a state that collects orders, and says when its cross takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartAuction {
    /// Which.
    pub instrument: InstrumentId,
    /// `PreOpen`, `PreClose`, `QuotationOnly` or `Paused`.
    pub state: TradingState,
    /// ITCH reason code, blank = none.
    pub reason: Firm,
    /// The first `Tick` at or after this runs the cross.
    pub until: Nanos,
}

/// Defaults of an account. Until they are set: no self-match prevention, orders stay when the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetAccountDefaults {
    /// Which.
    pub account: AccountId,
    /// A letter of the AIQ table, `N` = none, `B` = cancel both.
    pub aiq_strategy: u8,
    /// Self-match group of orders without tag 30.
    pub aiq_group_id: [u8; 2],
    /// Orders without tag 204 are cancelled when the session ends.
    pub cancel_on_disconnect: bool,
    /// Time between the end of the session and the cancels, ms.
    pub grace_ms: u32,
}

/// Operational halt of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetOperationalHalt {
    /// Which.
    pub instrument: InstrumentId,
    /// Halted, else resumed.
    pub is_halted: bool,
}

/// Decline levels of the market-wide circuit breaker, with 8 decimals (itch50.md `V`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetMarketWideLevels {
    /// 7 %.
    pub level_1: u64,
    /// 13 %.
    pub level_2: u64,
    /// 20 %.
    pub level_3: u64,
}

/// An amount as its bytes: a command stays two cache lines long, whatever the alignment of an amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackedAmount([u8; 16]);

impl From<Amount> for PackedAmount {
    fn from(amount: Amount) -> Self {
        Self(amount.0.to_le_bytes())
    }
}

impl From<PackedAmount> for Amount {
    fn from(packed: PackedAmount) -> Self {
        Self(i128::from_le_bytes(packed.0))
    }
}

/// One side of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Account and channel.
    pub owner: Owner,
    /// The order.
    pub user_ref_num: UserRefNum,
    /// Text of the client for it.
    pub cl_ord_id: ClOrdId,
    /// What the execution said of liquidity.
    pub flag: LiquidityFlag,
}

/// A trade as it was told, found in the journal by its number: the core keeps no trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BustTrade {
    /// The execution that is void.
    pub match_number: MatchNumber,
    /// Instrument.
    pub instrument: InstrumentId,
    /// Its quantity.
    pub quantity: Qty,
    /// Its price.
    pub price: Price,
    /// Why.
    pub reason: BustReason,
    /// Who bought.
    pub buyer: Party,
    /// Who sold.
    pub seller: Party,
    /// What the buyer paid for it, in the currency of the price; negative = was paid. It is given back.
    pub buyer_fee: PackedAmount,
    /// What the seller paid.
    pub seller_fee: PackedAmount,
}
