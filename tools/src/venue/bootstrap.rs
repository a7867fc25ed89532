//! What of the configuration becomes commands: everything when the venue is first opened, the additions later. So a replay
//! needs only the data directory.

use std::collections::{BTreeMap, BTreeSet};

use engine::core::Core;
use protocol::command::{ListInstrument, OpenAccount, OpenVenue, SetShortSaleTest, SetTradingState};
use protocol::{
    AccountId, AccountName, CommandBody, Firm, InstrumentId, Nanos, Sequence, SessionName, SystemEventCode,
    TradingState, VenueCommand,
};

use crate::config::{Config, InstrumentConfig};
use crate::venue::scheduler;

/// The configuration contradicts what the venue was opened with.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A listed instrument cannot change.
    #[error(
        "instrument {symbol}: {field} is {configured} in the configuration but {listed} in the journal; an instrument is fixed once listed: restore the value or list it under a new symbol"
    )]
    InstrumentChanged { symbol: String, field: &'static str, configured: String, listed: String },
    /// An account cannot change its firm.
    #[error(
        "account {name}: firm is {configured} in the configuration but {opened} in the journal; restore the value or open another account"
    )]
    FirmChanged { name: String, configured: String, opened: String },
    /// More accounts or instruments than the venue was opened for.
    #[error(
        "{what}: the venue was opened for at most {max}; remove entries from the configuration or open a new data directory"
    )]
    TooMany { what: &'static str, max: usize },
}

/// The commands that bring `core` to what the configuration says; empty when nothing differs.
///
/// # Errors
/// [`BootstrapError`] names the first contradiction.
pub fn commands(
    core: &Core,
    config: &Config,
    session: SessionName,
    now: Nanos,
) -> Result<Vec<CommandBody>, BootstrapError> {
    let rolls = config.schedule.rolls();
    let roll_plan = (rolls != core.day_rolls()).then_some(CommandBody::Venue(VenueCommand::SetDayRolls(rolls)));
    let first = core.last_sequence() == Sequence::ZERO;
    let mut commands: Vec<CommandBody> = roll_plan.filter(|_| !first).into_iter().collect();
    commands.extend(scheduler::missed(&config.schedule, core, now));
    if first {
        let limits = config.limits();
        commands.push(CommandBody::OpenVenue(OpenVenue {
            session,
            orders_max: limits.orders_max,
            accounts_max: limits.accounts_max,
            channels_max: limits.channels_max,
            instruments_max: limits.instruments_max,
            orders_per_command_max: limits.orders_per_command_max,
        }));
        commands.extend(roll_plan);
        commands.push(CommandBody::SystemEvent(SystemEventCode::StartOfMessages));
    }
    list_instruments(core, config, now, &mut commands)?;
    if first {
        commands.push(CommandBody::SystemEvent(SystemEventCode::StartOfSystemHours));
        let trades = |instrument: &InstrumentConfig| {
            config.schedule.state_at(now, instrument.symbol).is_none_or(|state| state == TradingState::Trading)
        };
        if config.instruments.iter().any(trades) {
            commands.push(CommandBody::SystemEvent(SystemEventCode::StartOfMarketHours));
        }
    }
    open_accounts(core, config, &mut commands)?;
    let terms = config.terms.commands(core, &commands);
    commands.extend(terms);
    let ended = ended_sessions(core).into_iter();
    commands.extend(ended.map(|account| CommandBody::Venue(VenueCommand::Disconnected(account))));
    Ok(commands)
}

/// No connection outlives the process: accounts with orders that end with their session are disconnected now, as far as
/// the core knows, and have their time to come back.
fn ended_sessions(core: &Core) -> BTreeSet<AccountId> {
    let accounts = core.accounts().filter(|account| account.cancel_on_disconnect);
    let by_default: BTreeSet<AccountId> = accounts.map(|account| account.account).collect();
    let ending = core
        .orders()
        .filter(|order| order.cancel_on_disconnect.unwrap_or_else(|| by_default.contains(&order.owner.account())));
    ending.map(|order| order.owner.account()).collect()
}

/// What the configuration says and this venue will not do, one line each: bounds are fixed when it is opened, and what was
/// listed or opened stays.
pub fn notices(core: &Core, config: &Config, has_password: impl Fn(AccountName) -> bool) -> Vec<String> {
    let Some(opened) = core.venue() else { return Vec::new() };
    let limits = config.limits();
    let mut notices = Vec::new();
    for (key, configured, kept) in [
        ("orders_max", limits.orders_max, opened.orders_max),
        ("accounts_max", limits.accounts_max, opened.accounts_max),
        ("channels_max", limits.channels_max, opened.channels_max),
        ("instruments_max", limits.instruments_max.into(), opened.instruments_max.into()),
        ("orders_per_command_max", limits.orders_per_command_max, opened.orders_per_command_max),
    ] {
        if configured != kept {
            notices.push(format!("limits.{key} stays {kept} as when the venue was opened; {configured} is not used"));
        }
    }
    for view in core.instruments() {
        if !config.instruments.iter().any(|wanted| wanted.symbol == view.listed.symbol) {
            notices.push(format!("{} is not in the configuration any more and stays listed", view.listed.symbol));
        }
    }
    for view in core.accounts() {
        if !config.accounts.iter().any(|wanted| wanted.name == view.name) && !has_password(view.name) {
            notices.push(format!(
                "account {} is not in the configuration and has no password: it stays, and cannot log in",
                view.name
            ));
        }
    }
    notices
}

fn list_instruments(
    core: &Core,
    config: &Config,
    now: Nanos,
    commands: &mut Vec<CommandBody>,
) -> Result<(), BootstrapError> {
    let listed: BTreeMap<_, _> = core.instruments().map(|view| (view.listed.symbol, view.listed)).collect();
    let mut next = listed.len();
    let mut new = Vec::new();
    for wanted in &config.instruments {
        if let Some(listed) = listed.get(&wanted.symbol) {
            unchanged(wanted, listed)?;
            continue;
        }
        next += 1;
        new.push(ListInstrument {
            instrument: InstrumentId(u16::try_from(next).unwrap_or(u16::MAX)),
            symbol: wanted.symbol,
            price_decimals: wanted.price_decimals,
            qty_decimals: wanted.qty_decimals,
            tick: wanted.tick,
            lot: wanted.lot,
            max_qty: wanted.max_qty,
            reference_price: wanted.reference_price,
        });
    }
    let max = core.venue().map_or(usize::from(config.limits().instruments_max), |venue| venue.instruments_max.into());
    if next > max {
        return Err(BootstrapError::TooMany { what: "instruments", max });
    }
    commands.extend(new.iter().map(|list| CommandBody::ListInstrument(*list)));
    commands.extend(new.iter().map(|list| {
        CommandBody::SetTradingState(SetTradingState {
            instrument: list.instrument,
            state: config.schedule.state_at(now, list.symbol).unwrap_or(TradingState::Trading),
            reason: Firm::BLANK,
        })
    }));
    commands.extend(
        new.iter()
            .map(|list| CommandBody::SetShortSaleTest(SetShortSaleTest { instrument: list.instrument, action: b'0' })),
    );
    Ok(())
}

fn unchanged(wanted: &InstrumentConfig, listed: &ListInstrument) -> Result<(), BootstrapError> {
    let fields = [
        ("price_decimals", i64::from(wanted.price_decimals), i64::from(listed.price_decimals)),
        ("qty_decimals", i64::from(wanted.qty_decimals), i64::from(listed.qty_decimals)),
        ("tick", i64::from(wanted.tick.0), i64::from(listed.tick.0)),
        ("lot", i64::from(wanted.lot.0), i64::from(listed.lot.0)),
        ("max_qty", i64::from(wanted.max_qty.0), i64::from(listed.max_qty.0)),
        ("reference_price", i64::from(wanted.reference_price.0), i64::from(listed.reference_price.0)),
    ];
    for (field, configured, listed_value) in fields {
        if configured != listed_value {
            return Err(BootstrapError::InstrumentChanged {
                symbol: wanted.symbol.to_string(),
                field,
                configured: format!("{configured} wire units"),
                listed: format!("{listed_value} wire units"),
            });
        }
    }
    Ok(())
}

fn open_accounts(core: &Core, config: &Config, commands: &mut Vec<CommandBody>) -> Result<(), BootstrapError> {
    let opened: BTreeMap<_, _> = core.accounts().map(|account| (account.name, account.firm)).collect();
    let mut next = opened.len();
    for wanted in &config.accounts {
        match opened.get(&wanted.name) {
            Some(firm) if *firm == wanted.firm => {}
            Some(firm) => {
                return Err(BootstrapError::FirmChanged {
                    name: wanted.name.to_string(),
                    configured: wanted.firm.to_string(),
                    opened: firm.to_string(),
                });
            }
            None => {
                let account = AccountId(u32::try_from(next).unwrap_or(u32::MAX));
                commands.push(CommandBody::OpenAccount(OpenAccount { account, name: wanted.name, firm: wanted.firm }));
                next += 1;
            }
        }
    }
    let max = core.venue().map_or(config.limits().accounts_max, |venue| venue.accounts_max) as usize;
    if next > max { Err(BootstrapError::TooMany { what: "accounts", max }) } else { Ok(()) }
}

/// Name of the first session: the opening time in milliseconds, so that no name comes twice.
pub fn session_name(now: Nanos) -> SessionName {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut name = SessionName(*b"S000000000");
    let mut rest = now.0 / 1_000_000;
    for place in name.0.iter_mut().skip(1).rev() {
        if let Some(digit) = usize::try_from(rest % 36).ok().and_then(|digit| DIGITS.get(digit)) {
            *place = *digit;
        }
        rest /= 36;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_are_ten_characters_and_differ_by_the_millisecond() {
        let name = session_name(Nanos(1_795_219_200_000_000_000));
        assert!(name.0.iter().all(u8::is_ascii_alphanumeric), "{name}");
        assert_ne!(name, session_name(Nanos(1_795_219_200_001_000_000)));
        assert_eq!(name, session_name(Nanos(1_795_219_200_000_999_999)));
    }
}
