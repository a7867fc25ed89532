//! Scenarios: tables of commands and of what the venue must say, in plain text, played to anything that applies a command.
//!
//! A line with `>` is a command, every other line an event that it causes, in order; what follows `#` is a comment. Prices
//! are in ticks (`100.5` is half a tick above 100), times in seconds. `engine/tests/scenarios/README.md` lists the words.

use super::features::Features;
use super::scenario_text::{Shows, show};
use super::scenario_words::{Line, bodies};
use protocol::command::{ListInstrument, OpenAccount, OpenVenue, SetTradingState};
use protocol::types::{
    AccountId, AccountName, Firm, InstrumentId, Midnight, Nanos, Price, Qty, Sequence, SessionName, Symbol,
    TradingState,
};
use protocol::{Command, CommandBody, Event};

/// Wire units of a tick.
pub const TICK: u32 = 100;

/// The one instrument.
pub(super) const AAPL: InstrumentId = InstrumentId(1);

/// When a scenario begins: 00:00:10 of some day.
const START_NS: u64 = 20_000 * Nanos::DAY + 10_000_000_000;

/// One scenario, as it is written.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called in failures.
    pub name: String,
    /// The rules that it is about: a model that lacks one cannot play it.
    pub needs: Features,
    lines: Vec<String>,
}

impl Scenario {
    /// Reads the text of a scenario.
    ///
    /// # Errors
    /// An unknown word behind `needs`.
    pub fn read(name: &str, text: &str) -> Result<Self, String> {
        let mut scenario = Self { name: name.to_owned(), needs: Features::NONE, lines: Vec::new() };
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(words) = line.strip_prefix("needs ") {
                for word in words.split_whitespace() {
                    let feature = Features::from_word(word).ok_or_else(|| format!("{name}: no rule {word:?}"))?;
                    scenario.needs = scenario.needs.with(feature);
                }
            } else if !line.is_empty() {
                scenario.lines.push(line.to_owned());
            }
        }
        Ok(scenario)
    }

    /// Plays it to `apply`, which gives the events of each command.
    ///
    /// # Errors
    /// The first difference, and all that the venue said in the form of a scenario.
    pub fn play(&self, mut apply: impl FnMut(&Command) -> Vec<Event>) -> Result<(), String> {
        let mut stage = Stage { sequence: 0, now: START_NS, midnight: Midnight::EACH, shows: Shows::default() };
        let mut said = Vec::new();
        let mut wanted: Vec<&str> = Vec::new();
        let mut first = self.lines.first().map(String::as_str).filter(|line| line.starts_with("venue")).into_iter();
        for body in opening(first.next().unwrap_or_default())? {
            stage.apply(&body, &mut apply);
        }
        for line in self.lines.iter().filter(|line| !line.starts_with("venue")) {
            if let Some(command) = line.strip_prefix('>') {
                said.push(line.clone());
                wanted.push(line);
                said.extend(stage.command(command.trim(), &mut apply)?);
            } else {
                wanted.push(line);
            }
        }
        match said.iter().zip(&wanted).position(|(said, wanted)| said != wanted) {
            None if said.len() == wanted.len() => Ok(()),
            at => {
                let at = at.unwrap_or(said.len().min(wanted.len()));
                let (said_here, wanted_here) = (said.get(at), wanted.get(at));
                Err(format!(
                    "{}: line {at}: expected {wanted_here:?}, found {said_here:?}\nall that was said:\n{}",
                    self.name,
                    said.join("\n")
                ))
            }
        }
    }
}

/// What a scenario is played on.
struct Stage {
    sequence: u64,
    now: u64,
    midnight: Midnight,
    shows: Shows,
}

impl Stage {
    fn command(&mut self, text: &str, apply: &mut impl FnMut(&Command) -> Vec<Event>) -> Result<Vec<String>, String> {
        let line = Line::new(text);
        match line.word(0) {
            "wait" => self.now += line.nanos(1)?,
            "feed" => self.shows.feed = true,
            "stamps" => self.shows = Shows { feed: true, stamps: true },
            _ => {
                let mut said = Vec::new();
                for body in bodies(&line, self.now)? {
                    said.extend(self.apply(&body, apply));
                }
                return Ok(said);
            }
        }
        Ok(Vec::new())
    }

    fn apply(&mut self, body: &CommandBody, apply: &mut impl FnMut(&Command) -> Vec<Event>) -> Vec<String> {
        self.sequence += 1;
        let command = Command { sequence: Sequence(self.sequence), ingress: Nanos(self.now), body: *body };
        let mut said = Vec::new();
        for event in apply(&command) {
            self.midnight = event.midnight_after(self.midnight);
            said.extend(show(&event, self.midnight, self.shows));
        }
        said
    }
}

/// The commands that open the venue of a scenario: `venue orders=100 per-command=3 accounts=2 lot=1`, each with its default.
fn opening(words: &str) -> Result<Vec<CommandBody>, String> {
    let line = Line::new(words);
    let number = |name, default| line.number_of(name).map(|number| number.unwrap_or(default));
    let mut bodies = vec![CommandBody::OpenVenue(OpenVenue {
        session: SessionName::from_text("TEST").unwrap_or_default(),
        orders_max: number("orders", 1_000)?,
        accounts_max: 8,
        channels_max: 8,
        instruments_max: 4,
        orders_per_command_max: number("per-command", 1_000)?,
    })];
    for account in 0..number("accounts", 3)? {
        bodies.push(CommandBody::OpenAccount(OpenAccount {
            account: AccountId(account),
            name: AccountName::from_text("DEMO").unwrap_or_default(),
            // Accounts 0 and 1 are of one firm.
            firm: Firm::from_text(if account < 2 { "DEMA" } else { "DEMB" }).unwrap_or_default(),
        }));
    }
    bodies.push(CommandBody::ListInstrument(ListInstrument {
        instrument: AAPL,
        symbol: Symbol::from_text("AAPL").unwrap_or_default(),
        price_decimals: 4,
        qty_decimals: 0,
        tick: Price(TICK),
        lot: Qty(number("lot", 1)?),
        max_qty: Qty(999_999),
        reference_price: Price(number("reference", 0)? * TICK),
    }));
    if !line.has("halted") {
        let (instrument, reason) = (AAPL, Firm::BLANK);
        bodies.push(CommandBody::SetTradingState(SetTradingState { instrument, state: TradingState::Trading, reason }));
    }
    Ok(bodies)
}
