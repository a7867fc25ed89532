//! Names to indices, for the operator's socket: what the core told about accounts and instruments, and how a request in
//! people's words becomes one that the core takes.

use std::collections::{BTreeMap, BTreeSet};

use engine::core::Core;
use protocol::money::{Asset, Legs};
use protocol::operator::{
    AccountMode, AddInstrument, CreateAccount, LimitKind, OperatorAction, Scope, SetFees, SetLimit,
};
use protocol::venue_command::{SetMarketWideLevels, SetOperationalHalt, SetReferencePrice, StartAuction};
use protocol::{
    AccountId, AccountName, Amount, Channel, Currency, EventBody, Firm, InstrumentId, Nanos, Owner, Price, Qty, Symbol,
    TradingState, UserRefNum, VenueCommand,
};

use crate::control::amount;
use crate::control::request::{Instrument, Limit, Mode, Request, Target};
use crate::units;
use crate::venue::bootstrap::session_name;

/// Who is who.
#[derive(Debug, Default)]
pub struct Registry {
    accounts: BTreeMap<AccountName, AccountId>,
    firms: BTreeSet<Firm>,
    instruments: BTreeMap<Symbol, InstrumentId>,
}

/// Why a request is no command. A sentence for people.
type Wrong = String;

impl Registry {
    /// What a core knows.
    pub fn of(core: &Core) -> Self {
        let mut registry = Self::default();
        for view in core.accounts() {
            registry.accounts.insert(view.name, view.account);
            registry.firms.insert(view.firm);
        }
        for view in core.instruments() {
            registry.instruments.insert(view.listed.symbol, view.listed.instrument);
        }
        registry
    }

    /// Takes what an event says.
    pub fn learn(&mut self, event: &EventBody) {
        if let EventBody::AccountOpened { account, name, firm } = *event {
            self.accounts.insert(name, account);
            self.firms.insert(firm);
        }
        if let EventBody::InstrumentListed { instrument, symbol, .. } = *event {
            self.instruments.insert(symbol, instrument);
        }
    }

    /// The commands that do what is asked, in order.
    ///
    /// # Errors
    /// What is wrong with it, naming the field.
    pub fn actions(&self, request: &Request) -> Result<Vec<OperatorAction>, Wrong> {
        Ok(vec![match request {
            Request::SetLimits { target, limits } => return self.limits(target, limits),
            Request::SetPassword { name, .. } => {
                self.account(name)?;
                return Ok(Vec::new());
            }
            Request::CreateAccount { name, firm, mode, .. } => OperatorAction::CreateAccount(CreateAccount {
                name: account_name(name)?,
                firm: firm_name(firm)?,
                mode: account_mode(*mode),
            }),
            Request::SetMode { name, mode } => {
                OperatorAction::SetMode { account: self.account(name)?, mode: account_mode(*mode) }
            }
            Request::Deposit { name, asset, amount } => self.funds(name, asset, amount, 1)?,
            Request::Withdraw { name, asset, amount } => self.funds(name, asset, amount, -1)?,
            Request::Kill { target } => OperatorAction::Kill(self.scope(target)?),
            Request::Resume { target } => OperatorAction::Resume(self.scope(target)?),
            Request::AddInstrument(instrument) => OperatorAction::AddInstrument(added(instrument)?),
            Request::SetState { symbol, state, reason } => {
                let letter = u8::try_from(*state).ok().and_then(TradingState::from_letter);
                let state = letter.ok_or_else(|| format!("state {state:?} is no trading state"))?;
                let reason = Firm::from_text(reason).ok_or_else(|| format!("reason {reason:?}: at most 4 letters"))?;
                OperatorAction::SetState { instrument: self.instrument(symbol)?, state, reason }
            }
            Request::SetFees { tier, maker_ppm, taker_ppm, threshold } => OperatorAction::SetFees(SetFees {
                tier: *tier,
                maker_ppm: *maker_ppm,
                taker_ppm: *taker_ppm,
                threshold: amount::amount(threshold).map_err(|wrong| format!("threshold: {wrong}"))?,
            }),
            Request::SetRate { currency, rate } => OperatorAction::SetRate {
                currency: currency_of(currency).ok_or_else(|| format!("{currency:?} is no currency"))?,
                rate: amount::positive(rate).map_err(|wrong| format!("rate: {wrong}"))?,
            },
            Request::CancelOrder { account, channel, number } => OperatorAction::CancelOrder {
                owner: Owner::new(self.account(account)?, Channel(*channel)),
                user_ref_num: UserRefNum(*number),
            },
            Request::BustTrade { .. }
            | Request::Roll
            | Request::StartAuction { .. }
            | Request::OperationalHalt { .. }
            | Request::ReferencePrice { .. }
            | Request::MarketLevels { .. }
            | Request::MarketBreach { .. } => return Err("it is a command of its own".to_owned()),
        }])
    }

    /// The command of the venue itself that a request asks for at `now`, if it does. An auction ends so many seconds later.
    ///
    /// # Errors
    /// What is wrong with it, naming the field.
    pub fn venue_command(&self, request: &Request, now: Nanos) -> Result<Option<VenueCommand>, Wrong> {
        let command = match request {
            Request::Roll => VenueCommand::RollDay(session_name(now)),
            Request::StartAuction { symbol, state, reason, seconds } => {
                let letter = u8::try_from(*state).ok().and_then(TradingState::from_letter);
                let collects = |state: &TradingState| {
                    !matches!(state, TradingState::Trading | TradingState::Closed | TradingState::Halted)
                };
                let state = letter.filter(collects).ok_or_else(|| format!("state {state:?} collects no orders"))?;
                let reason = Firm::from_text(reason).ok_or_else(|| format!("reason {reason:?}: at most 4 letters"))?;
                let until = Nanos(now.0 + u64::from(*seconds) * 1_000_000_000);
                VenueCommand::StartAuction(StartAuction { instrument: self.instrument(symbol)?, state, reason, until })
            }
            Request::OperationalHalt { symbol, is_halted } => VenueCommand::SetOperationalHalt(SetOperationalHalt {
                instrument: self.instrument(symbol)?,
                is_halted: *is_halted,
            }),
            Request::ReferencePrice { symbol, price } => {
                let price = Price(*price);
                if price != Price(0) && !price.is_limit() {
                    return Err(format!("price {price}: no limit price"));
                }
                VenueCommand::SetReferencePrice(SetReferencePrice { instrument: self.instrument(symbol)?, price })
            }
            Request::MarketLevels { levels: [level_1, level_2, level_3] } => {
                VenueCommand::SetMarketWideLevels(SetMarketWideLevels {
                    level_1: *level_1,
                    level_2: *level_2,
                    level_3: *level_3,
                })
            }
            Request::MarketBreach { level } if (1..=3).contains(level) => VenueCommand::BreachMarketWide(*level),
            Request::MarketBreach { level } => return Err(format!("level {level}: 1, 2 or 3")),
            Request::SetLimits { .. }
            | Request::SetPassword { .. }
            | Request::CreateAccount { .. }
            | Request::SetMode { .. }
            | Request::Deposit { .. }
            | Request::Withdraw { .. }
            | Request::Kill { .. }
            | Request::Resume { .. }
            | Request::AddInstrument(_)
            | Request::SetState { .. }
            | Request::SetFees { .. }
            | Request::SetRate { .. }
            | Request::CancelOrder { .. }
            | Request::BustTrade { .. } => return Ok(None),
        };
        Ok(Some(command))
    }

    /// What people call it.
    pub fn name_of(&self, scope: Scope) -> String {
        match scope {
            Scope::Venue => "the venue".to_owned(),
            Scope::Firm(firm) => format!("firm {firm}"),
            Scope::Account(account) => {
                let found = self.accounts.iter().find(|(_, id)| **id == account);
                found.map_or_else(|| format!("account {account}"), |(name, _)| format!("account {name}"))
            }
            Scope::Instrument(instrument) => {
                let found = self.instruments.iter().find(|(_, id)| **id == instrument);
                found.map_or_else(|| format!("instrument {instrument}"), |(symbol, _)| format!("instrument {symbol}"))
            }
        }
    }

    fn account(&self, name: &str) -> Result<AccountId, Wrong> {
        let known = self.accounts.get(&account_name(name)?);
        known.copied().ok_or_else(|| format!("no account has the name {name}; `hft account list` names them"))
    }

    fn instrument(&self, symbol: &str) -> Result<InstrumentId, Wrong> {
        let known = self.instruments.get(&units::symbol(symbol)?);
        known.copied().ok_or_else(|| format!("no instrument has the symbol {symbol}; `hft instrument list` names them"))
    }

    fn scope(&self, target: &Target) -> Result<Scope, Wrong> {
        Ok(match target {
            Target::Venue => Scope::Venue,
            Target::Account(name) => Scope::Account(self.account(name)?),
            Target::Instrument(symbol) => Scope::Instrument(self.instrument(symbol)?),
            Target::Firm(firm) => {
                let name = firm_name(firm)?;
                if !self.firms.contains(&name) {
                    return Err(format!("no account is of the firm {firm}"));
                }
                Scope::Firm(name)
            }
        })
    }

    fn funds(&self, name: &str, asset: &str, text: &str, sign: i128) -> Result<OperatorAction, Wrong> {
        let amount = amount::positive(text).map_err(|wrong| format!("amount: {wrong}"))?;
        let asset = match currency_of(asset) {
            Some(currency) => Asset::Currency(currency),
            None => Asset::Shares(self.instrument(asset).map_err(|_| {
                let codes: Vec<_> = Currency::ALL.iter().map(|currency| currency.code()).collect();
                format!("{asset:?} is neither a currency ({}) nor the symbol of an instrument", codes.join(", "))
            })?),
        };
        Ok(OperatorAction::MoveFunds { account: self.account(name)?, asset, amount: Amount(sign * amount.0) })
    }

    fn limits(&self, target: &Target, limits: &[Limit]) -> Result<Vec<OperatorAction>, Wrong> {
        let scope = self.scope(target)?;
        let each = limits.iter().map(|limit| {
            let kind = LimitKind::ALL.iter().copied().find(|kind| kind.as_text() == limit.name);
            let kind = kind.ok_or_else(|| format!("{:?} is no limit", limit.name))?;
            let instrument = limit.symbol.as_deref().map_or(Ok(InstrumentId(0)), |symbol| self.instrument(symbol))?;
            let value = amount::limit(&limit.value).map_err(|wrong| format!("{}: {wrong}", limit.name))?;
            Ok(OperatorAction::SetLimit(SetLimit { scope, limit: kind, instrument, value }))
        });
        each.collect()
    }
}

/// 1 to 6 letters and digits; small letters are taken as capitals.
///
/// # Errors
/// What is wrong with it.
pub fn account_name(text: &str) -> Result<AccountName, Wrong> {
    let usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let name = AccountName::from_text(&text.to_ascii_uppercase()).filter(|_| usable);
    name.ok_or_else(|| format!("account {text:?}: expected 1 to 6 letters and digits"))
}

fn firm_name(text: &str) -> Result<Firm, Wrong> {
    let usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let name = Firm::from_text(&text.to_ascii_uppercase()).filter(|_| usable);
    name.ok_or_else(|| format!("firm {text:?}: expected 1 to 4 letters and digits"))
}

fn currency_of(text: &str) -> Option<Currency> {
    Currency::from_code(&text.to_ascii_uppercase())
}

fn account_mode(mode: Mode) -> AccountMode {
    match mode {
        Mode::Cash => AccountMode::Cash,
        Mode::Margin => AccountMode::Margin,
    }
}

fn added(instrument: &Instrument) -> Result<AddInstrument, Wrong> {
    let symbol = units::symbol(&instrument.symbol)?;
    let named = Legs::of_symbol(&symbol);
    let known = |field: &str, text: &str| currency_of(text).ok_or_else(|| format!("{field}: {text:?} is no currency"));
    Ok(AddInstrument {
        symbol,
        price_decimals: instrument.price_decimals,
        qty_decimals: instrument.qty_decimals,
        tick: Price(instrument.tick),
        lot: Qty(instrument.lot),
        max_qty: Qty(instrument.max_qty),
        reference_price: Price(instrument.reference_price),
        legs: Legs {
            base: instrument.base.as_deref().map(|text| known("base", text)).transpose()?.or(named.base),
            quote: instrument.quote.as_deref().map(|text| known("quote", text)).transpose()?.unwrap_or(named.quote),
        },
    })
}
