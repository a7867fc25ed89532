//! Commands and events of scenarios that are about money: requests of the operator, and what becomes of them.

use super::scenario::AAPL;
use super::scenario_words::Line;
use protocol::event::EventBody;
use protocol::money::{Amount, Asset, Currency};
use protocol::operator::{AccountMode, LimitKind, OperatorAction, OperatorCommand, Outcome, Scope, SetFees, SetLimit};
use protocol::types::{Firm, InstrumentId, Owner, UserRefNum};
use protocol::{AccountId, CommandBody};

/// The request that a line stands for; `None` when it is no request of the operator.
pub(super) fn request(line: &Line<'_>) -> Result<Option<CommandBody>, String> {
    let action = match line.word(0) {
        "limit" => OperatorAction::SetLimit(limit(line)?),
        "kill" => OperatorAction::Kill(scope(line)?),
        "resume" => OperatorAction::Resume(scope(line)?),
        "deposit" => moved(line, 1)?,
        "withdraw" => moved(line, -1)?,
        "mode" => OperatorAction::SetMode {
            account: line.account()?,
            mode: if line.has("cash") { AccountMode::Cash } else { AccountMode::Margin },
        },
        "fees" => OperatorAction::SetFees(SetFees {
            tier: u8::try_from(line.number(1)?).map_err(|_| line.wrong("tier"))?,
            maker_ppm: line.signed(2)?,
            taker_ppm: line.signed(3)?,
            threshold: if line.word(4).is_empty() { Amount::ZERO } else { amount(line, line.word(4))? },
        }),
        "rate" => {
            OperatorAction::SetRate { currency: currency(line, line.word(1))?, rate: amount(line, line.word(2))? }
        }
        "cancel-order" => OperatorAction::CancelOrder {
            owner: Owner::new(line.account()?, protocol::types::Channel(0)),
            user_ref_num: UserRefNum(line.number(1)?),
        },
        _ => return Ok(None),
    };
    Ok(Some(CommandBody::Operator(OperatorCommand { request: 1, action })))
}

/// `acct=1`, `firm=DEMA`, `instrument`, else the venue.
fn scope(line: &Line<'_>) -> Result<Scope, String> {
    Ok(match line.option("firm") {
        Some(firm) => Scope::Firm(Firm::from_text(firm).ok_or_else(|| line.wrong("firm"))?),
        None if line.has("instrument") => Scope::Instrument(AAPL),
        None if line.option("acct").is_some() => Scope::Account(line.account()?),
        None => Scope::Venue,
    })
}

/// `limit KIND VALUE [acct=N | firm=F | instrument]`; VALUE may be `none`.
fn limit(line: &Line<'_>) -> Result<SetLimit, String> {
    let limit = LimitKind::ALL.iter().copied().find(|kind| kind.as_text() == line.word(1));
    let limit = limit.ok_or_else(|| line.wrong("no such limit"))?;
    let value = if line.word(2) == "none" { Amount::UNSET } else { amount(line, line.word(2))? };
    let instrument = if limit == LimitKind::Restricted { AAPL } else { InstrumentId(0) };
    Ok(SetLimit { scope: scope(line)?, limit, instrument, value })
}

/// `deposit 12.5 USD [acct=N]`; `shares` for shares.
fn moved(line: &Line<'_>, sign: i128) -> Result<OperatorAction, String> {
    let asset = match line.word(2) {
        "shares" => Asset::Shares(AAPL),
        code => Asset::Currency(currency(line, code)?),
    };
    Ok(OperatorAction::MoveFunds {
        account: line.account()?,
        asset,
        amount: Amount(sign * amount(line, line.word(1))?.0),
    })
}

fn currency(line: &Line<'_>, code: &str) -> Result<Currency, String> {
    Currency::from_code(code).ok_or_else(|| line.wrong("a currency is expected"))
}

/// A plain decimal, or a percentage as a part of one.
pub(super) fn amount(line: &Line<'_>, text: &str) -> Result<Amount, String> {
    let wrong = || line.wrong("an amount is expected");
    let (text, decimals) = text.strip_suffix('%').map_or((text, 12_usize), |text| (text, 10));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = whole.chars().chain(part.chars()).collect();
    let zeros = decimals.checked_sub(part.len()).and_then(|zeros| u32::try_from(zeros).ok()).ok_or_else(wrong)?;
    let number: i128 = digits.parse().map_err(|_| wrong())?;
    Ok(Amount(number * 10_i128.pow(zeros)))
}

/// What happened to money and limits; nothing for what is done without more to say.
pub(super) fn told(body: &EventBody) -> Option<Vec<String>> {
    if let EventBody::Answered { outcome, .. } = *body {
        return Some(if outcome == Outcome::Done {
            Vec::new()
        } else {
            vec![format!("answered: {}", outcome.as_text())]
        });
    }
    if let EventBody::LimitChanged { .. } = *body {
        return Some(Vec::new());
    }
    if let EventBody::KillSwitched { scope, is_killed, cause } = *body {
        let (what, who) = (if is_killed { "killed" } else { "resumed" }, name(scope));
        return Some(vec![format!("{what} {who} by {}", char::from(cause.letter()))]);
    }
    if let EventBody::BalanceMoved { account, asset, balance, .. } = *body {
        let what = if let Asset::Currency(currency) = asset { currency.code() } else { "shares" };
        return Some(vec![format!("balance acct={} {balance} {what}", account.0)]);
    }
    if let EventBody::FeesCharged { maker, taker, currency, .. } = *body {
        return Some(vec![format!("fees maker {maker} taker {taker} {currency}")]);
    }
    None
}

fn name(scope: Scope) -> String {
    match scope {
        Scope::Venue => "venue".to_owned(),
        Scope::Firm(firm) => format!("firm={}", firm.as_text()),
        Scope::Account(AccountId(account)) => format!("acct={account}"),
        Scope::Instrument(_) => "instrument".to_owned(),
    }
}
