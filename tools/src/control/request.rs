//! What goes over the operator's socket: one line of JSON each way. Names are as people write them, amounts are decimal
//! strings; the venue looks both up and checks them again.

use serde::{Deserialize, Serialize};

/// The longest line.
pub const LINE_BYTES_MAX: u64 = 64 << 10;

/// Name of the socket in the data directory.
pub const SOCKET: &str = "control.sock";

/// A request of the operator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// A new account.
    CreateAccount { name: String, firm: String, mode: Mode, password: String },
    /// Another password.
    SetPassword { name: String, password: String },
    /// How an account trades.
    SetMode { name: String, mode: Mode },
    /// Pays in.
    Deposit { name: String, asset: String, amount: String },
    /// Pays out.
    Withdraw { name: String, asset: String, amount: String },
    /// Sets limits, one after the other.
    SetLimits { target: Target, limits: Vec<Limit> },
    /// Blocks and cancels.
    Kill { target: Target },
    /// Undoes that.
    Resume { target: Target },
    /// A new instrument.
    AddInstrument(Instrument),
    /// Trading state of an instrument: its ITCH letter.
    SetState { symbol: String, state: char, reason: String },
    /// One row of the fee table.
    SetFees { tier: u8, maker_ppm: i32, taker_ppm: i32, threshold: String },
    /// Reference rate of a currency.
    SetRate { currency: String, rate: String },
    /// Cancels one order.
    CancelOrder { account: String, channel: u8, number: u32 },
    /// Voids an execution: the command as its record in the journal, in hexadecimal.
    BustTrade { record: String },
    /// Ends the trading day.
    Roll,
    /// Collects orders from now on and crosses them after so many seconds; `state` is an ITCH letter.
    StartAuction { symbol: String, state: char, reason: String, seconds: u32 },
    /// Halts for operational reasons, or lets it go on.
    OperationalHalt { symbol: String, is_halted: bool },
    /// The static reference price, wire units; 0 = none.
    ReferencePrice { symbol: String, price: u32 },
    /// Decline levels of the circuit breaker, with 8 decimals.
    MarketLevels { levels: [u64; 3] },
    /// A level was breached: everything is halted.
    MarketBreach { level: u8 },
}

/// Who or what is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Everything.
    Venue,
    /// All accounts of a firm.
    Firm(String),
    /// One account.
    Account(String),
    /// One instrument.
    Instrument(String),
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Its name, as on the command line.
    pub name: String,
    /// Its value, or `none`.
    pub value: String,
    /// For a restriction: of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
}

/// A new instrument; prices and quantities are wire units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    pub symbol: String,
    pub price_decimals: u8,
    pub qty_decimals: i8,
    pub tick: u32,
    pub lot: u32,
    pub max_qty: u32,
    pub reference_price: u32,
    /// What is bought and sold; none = shares of the instrument, or what the symbol says.
    #[serde(default)]
    pub base: Option<String>,
    /// What it is paid in; none = what the symbol says, else USD.
    #[serde(default)]
    pub quote: Option<String>,
}

/// How an account trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// With what it holds
    Cash,
    /// With positions, within its limits
    Margin,
}

/// Without the password.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(password) = value.get_mut("password") {
            *password = "********".into();
        }
        write!(f, "{value}")
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// It was done.
    pub ok: bool,
    /// In words.
    pub message: String,
    /// The command that did it, or that was refused; 0 when it did not come to one.
    pub sequence: u64,
    /// Orders that were cancelled.
    pub canceled: u32,
}

impl Reply {
    /// A request that did not come to a command.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { ok: false, message: message.into(), sequence: 0, canceled: 0 }
    }
}
