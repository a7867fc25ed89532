//! The trading schedule of the configuration: what happens at which time of day, in the venue's own time zone. It only says
//! when; what happens is a journaled command, so a replay does not need the schedule.
//!
//! The one place that knows time zones.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use protocol::{Nanos, Symbol, SystemEventCode, TradingState};
use serde::{Deserialize, Serialize};

/// Days that are looked through for an event that has taken place, or will.
const DAYS_MAX: i32 = 400;

/// Of `roll_at`: the day does not roll.
const NEVER: &str = "never";

/// The section `schedule` of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSection {
    /// IANA name: of this place are all times.
    zone: String,
    /// Days of the week with events; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    days: Vec<String>,
    /// Days without, as `2026-12-25`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holidays: Vec<String>,
    /// Time of day at which the trading day rolls and every stream begins anew, or `never`.
    roll_at: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventEntry>,
}

impl Default for ScheduleSection {
    fn default() -> Self {
        let (days, holidays, events) = (Vec::new(), Vec::new(), Vec::new());
        Self { zone: "UTC".to_owned(), days, holidays, roll_at: "00:00".to_owned(), events }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventEntry {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_event: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    instruments: Vec<String>,
}

/// What takes place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The trading state of these instruments; all when empty.
    State(TradingState, Vec<Symbol>),
    /// An event of the trading day.
    System(SystemEventCode),
    /// The trading day ends and the next one begins. Of what takes place at one time it is the last.
    Roll,
}

/// One event of each day with events.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DailyEvent {
    at: Time,
    happening: Happening,
}

/// A schedule that can be followed.
#[derive(Clone, Debug)]
pub struct Schedule {
    zone: TimeZone,
    days: Vec<Weekday>,
    holidays: BTreeSet<Date>,
    /// In order of time; those of one time in order of the file.
    events: Vec<DailyEvent>,
}

/// Which key is wrong, what it holds, and what it may hold.
pub type Wrong = (String, String, &'static str);

impl Schedule {
    /// Checks the section; `is_listed` knows the configured instruments.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn of(section: &ScheduleSection, is_listed: impl Fn(Symbol) -> bool) -> Result<Self, Wrong> {
        let name = &section.zone;
        let zone = TimeZone::get(name).map_err(|_| {
            ("schedule.zone".into(), name.clone(), "the name of a time zone, as America/New_York or UTC")
        })?;
        let mut days = Vec::new();
        for day in &section.days {
            days.push(
                weekday(day).ok_or_else(|| ("schedule.days".into(), day.clone(), "Mon Tue Wed Thu Fri Sat Sun"))?,
            );
        }
        let mut holidays = BTreeSet::new();
        for day in &section.holidays {
            let date = day.parse().map_err(|_| ("schedule.holidays".into(), day.clone(), "dates as 2026-12-25"))?;
            holidays.insert(date);
        }
        let mut events = Vec::new();
        for entry in &section.events {
            events.push(entry.check(&is_listed)?);
        }
        let text = &section.roll_at;
        if text != NEVER {
            let expected = "a time of day as 00:00 or 00:00:00, or never";
            let at = text.parse().map_err(|_| ("schedule.roll_at".to_owned(), text.clone(), expected))?;
            events.push(DailyEvent { at, happening: Happening::Roll });
        }
        events.sort_by_key(|event| event.at);
        Ok(Self { zone, days, holidays, events })
    }

    /// There is nothing to follow.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The trading day rolls.
    pub fn rolls(&self) -> bool {
        self.events.iter().any(|event| event.happening == Happening::Roll)
    }

    /// The first time after `now` at which something takes place, and all of it, in order. `None` when nothing will.
    pub fn next(&self, now: Nanos) -> Option<(Nanos, Vec<&Happening>)> {
        let from = self.local(now)?.date();
        let mut day = from.checked_sub(1.day()).ok()?;
        for _ in 0..DAYS_MAX {
            let times = self.times(day);
            let first = times.iter().map(|(at, _)| *at).filter(|at| *at > now).min();
            if let Some(first) = first {
                let happenings = times.into_iter().filter(|(at, _)| *at == first).map(|(_, what)| what).collect();
                return Some((first, happenings));
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// The state that the schedule wants an instrument to be in at `now`: that of the last event at or before. `None` when
    /// there was none.
    pub fn state_at(&self, now: Nanos, symbol: Symbol) -> Option<TradingState> {
        if !self.events.iter().any(|event| matches!(event.happening, Happening::State(..))) {
            return None;
        }
        let mut day = self.local(now)?.date().tomorrow().ok()?;
        for _ in 0..DAYS_MAX {
            let past = self.times(day).into_iter().filter(|(at, _)| *at <= now);
            let mut states = past.filter_map(|(_, what)| match what {
                Happening::State(state, of) if of.is_empty() || of.contains(&symbol) => Some(*state),
                Happening::State(..) | Happening::System(_) | Happening::Roll => None,
            });
            if let Some(state) = states.next_back() {
                return Some(state);
            }
            day = day.yesterday().ok()?;
        }
        None
    }

    /// The last time at or before `now` at which the day was to roll. `None` when it does not, or did not so far.
    pub fn last_roll(&self, now: Nanos) -> Option<Nanos> {
        if !self.rolls() {
            return None;
        }
        let mut day = self.local(now)?.date().tomorrow().ok()?;
        for _ in 0..DAYS_MAX {
            let mut rolls = self.times(day).into_iter().filter(|(at, what)| *at <= now && **what == Happening::Roll);
            if let Some((at, _)) = rolls.next_back() {
                return Some(at);
            }
            day = day.yesterday().ok()?;
        }
        None
    }

    fn local(&self, now: Nanos) -> Option<DateTime> {
        Some(Timestamp::from_nanosecond(i128::from(now.0)).ok()?.to_zoned(self.zone.clone()).datetime())
    }

    /// The events of a day in order. Where the clock is put forward over one of them, it takes place that much later; where it
    /// is put back, the first time counts.
    fn times(&self, day: Date) -> Vec<(Nanos, &Happening)> {
        let has_events = self.days.is_empty() || self.days.contains(&day.weekday());
        if !has_events || self.holidays.contains(&day) {
            return Vec::new();
        }
        let times = self.events.iter().filter_map(|event| {
            let at = self.zone.to_ambiguous_zoned(day.to_datetime(event.at)).compatible().ok()?;
            Some((Nanos(u64::try_from(at.timestamp().as_nanosecond()).ok()?), &event.happening))
        });
        times.collect()
    }
}

impl EventEntry {
    fn check(&self, is_listed: impl Fn(Symbol) -> bool) -> Result<DailyEvent, Wrong> {
        let wrong = |key: &str, found: &str, expected| (format!("schedule.events {key}"), found.to_owned(), expected);
        let at = self.at.parse::<Time>().map_err(|_| wrong("at", &self.at, "a time of day as 09:30 or 09:30:00"))?;
        let mut of = Vec::new();
        for symbol in &self.instruments {
            let known = Symbol::from_text(symbol).filter(|symbol| is_listed(*symbol));
            of.push(known.ok_or_else(|| wrong("instruments", symbol, "symbols of configured instruments"))?);
        }
        let happening = match (&self.state, &self.system_event) {
            (Some(state), None) => Happening::State(
                state_named(state)
                    .ok_or_else(|| wrong("state", state, "pre-open, trading, pre-close, closed or halted"))?,
                of,
            ),
            (None, Some(event)) if of.is_empty() => Happening::System(system_event_named(event).ok_or_else(|| {
                wrong(
                    "system_event",
                    event,
                    "start-of-system-hours, start-of-market-hours, end-of-market-hours or end-of-system-hours",
                )
            })?),
            (None, Some(_)) => {
                return Err(wrong(
                    "instruments",
                    &self.instruments.join(", "),
                    "none: a system event is of the whole venue",
                ));
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(wrong("at", &self.at, "either state or system_event beside it"));
            }
        };
        Ok(DailyEvent { at, happening })
    }
}

fn weekday(name: &str) -> Option<Weekday> {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let place = days.iter().position(|day| *day == name)?;
    Weekday::from_monday_zero_offset(i8::try_from(place).ok()?).ok()
}

fn state_named(name: &str) -> Option<TradingState> {
    Some(match name {
        "pre-open" => TradingState::PreOpen,
        "trading" => TradingState::Trading,
        "pre-close" => TradingState::PreClose,
        "closed" => TradingState::Closed,
        "halted" => TradingState::Halted,
        _ => return None,
    })
}

fn system_event_named(name: &str) -> Option<SystemEventCode> {
    Some(match name {
        "start-of-system-hours" => SystemEventCode::StartOfSystemHours,
        "start-of-market-hours" => SystemEventCode::StartOfMarketHours,
        "end-of-market-hours" => SystemEventCode::EndOfMarketHours,
        "end-of-system-hours" => SystemEventCode::EndOfSystemHours,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YORK: &str = r#"
        zone = "America/New_York"
        roll_at = "never"
        days = ["Mon", "Tue", "Wed", "Thu", "Fri"]
        holidays = ["2026-11-26"]
        [[events]]
        at = "16:00"
        state = "closed"
        [[events]]
        at = "09:30"
        state = "trading"
        [[events]]
        at = "09:30"
        system_event = "start-of-market-hours"
        [[events]]
        at = "15:50"
        state = "pre-close"
        instruments = ["AAPL"]
    "#;

    fn aapl() -> Symbol {
        Symbol::from_text("AAPL").unwrap()
    }

    fn schedule(text: &str) -> Result<Schedule, Wrong> {
        Schedule::of(&toml::from_str(text).unwrap(), |symbol| symbol == aapl())
    }

    fn at(text: &str) -> Nanos {
        Nanos(u64::try_from(text.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap())
    }

    #[test]
    fn a_day_in_new_york() {
        let schedule = schedule(NEW_YORK).unwrap();
        // Friday, standard time: UTC - 5.
        let (time, what) = schedule.next(at("2026-11-20T10:00:00Z")).unwrap();
        assert_eq!(time, at("2026-11-20T14:30:00Z"));
        assert_eq!(
            what,
            [
                &Happening::State(TradingState::Trading, Vec::new()),
                &Happening::System(SystemEventCode::StartOfMarketHours)
            ]
        );
        let (time, what) = schedule.next(time).unwrap();
        assert_eq!(time, at("2026-11-20T20:50:00Z"));
        assert_eq!(what, [&Happening::State(TradingState::PreClose, vec![aapl()])]);
        assert_eq!(schedule.next(time).unwrap().0, at("2026-11-20T21:00:00Z"));
        // Over the weekend, and over a holiday.
        assert_eq!(schedule.next(at("2026-11-20T21:00:00Z")).unwrap().0, at("2026-11-23T14:30:00Z"));
        assert_eq!(schedule.next(at("2026-11-25T21:00:00Z")).unwrap().0, at("2026-11-27T14:30:00Z"));
        // In summer the same local time is an hour earlier.
        assert_eq!(schedule.next(at("2026-07-01T01:00:00Z")).unwrap().0, at("2026-07-01T13:30:00Z"));
    }

    #[test]
    fn the_state_is_that_of_the_last_event() {
        let schedule = schedule(NEW_YORK).unwrap();
        let other = Symbol::from_text("MSFT").unwrap();
        for (time, of_aapl, of_other) in [
            ("2026-11-20T14:29:59Z", TradingState::Closed, TradingState::Closed),
            ("2026-11-20T14:30:00Z", TradingState::Trading, TradingState::Trading),
            ("2026-11-20T20:50:00Z", TradingState::PreClose, TradingState::Trading),
            ("2026-11-20T21:00:00Z", TradingState::Closed, TradingState::Closed),
            ("2026-11-22T12:00:00Z", TradingState::Closed, TradingState::Closed),
        ] {
            assert_eq!(schedule.state_at(at(time), aapl()), Some(of_aapl), "{time}");
            assert_eq!(schedule.state_at(at(time), other), Some(of_other), "{time}");
        }
    }

    #[test]
    fn the_day_rolls_behind_everything_else_of_its_time() {
        let text = "zone = \"UTC\"\nroll_at = \"00:00\"\n[[events]]\nat = \"00:00\"\nstate = \"halted\"";
        let schedule = schedule(text).unwrap();
        let (time, what) = schedule.next(at("2026-11-20T10:00:00Z")).unwrap();
        assert_eq!(time, at("2026-11-21T00:00:00Z"));
        assert_eq!(what, [&Happening::State(TradingState::Halted, Vec::new()), &Happening::Roll]);
        assert_eq!(schedule.last_roll(at("2026-11-21T00:00:00Z")), Some(time));
        assert_eq!(schedule.last_roll(at("2026-11-21T23:59:59Z")), Some(time));
        assert_eq!(schedule.last_roll(at("2026-11-20T23:59:59Z")), Some(at("2026-11-20T00:00:00Z")));
    }

    #[test]
    fn the_clock_is_put_forward_and_back() {
        let schedule =
            schedule("zone = \"Europe/Berlin\"\nroll_at = \"never\"\n[[events]]\nat = \"02:30\"\nstate = \"halted\"")
                .unwrap();
        // 2026-03-29: there is no 02:30; 03:30 summer time is 01:30 UTC.
        assert_eq!(schedule.next(at("2026-03-28T12:00:00Z")).unwrap().0, at("2026-03-29T01:30:00Z"));
        // 2026-10-25: 02:30 comes twice; the first one is 00:30 UTC, and it is not done again.
        assert_eq!(schedule.next(at("2026-10-24T12:00:00Z")).unwrap().0, at("2026-10-25T00:30:00Z"));
        assert_eq!(schedule.next(at("2026-10-25T00:30:00Z")).unwrap().0, at("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn without_events_and_roll_nothing_happens() {
        let schedule = schedule("roll_at = \"never\"").unwrap();
        assert!(schedule.is_empty() && schedule.next(Nanos(0)).is_none());
        assert_eq!(schedule.state_at(Nanos(1 << 60), aapl()), None);
        assert_eq!(schedule.last_roll(Nanos(1 << 60)), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, key) in [
            ("zone = \"Mars/Olympus\"", "schedule.zone"),
            ("zone = \"UTC\"\ndays = [\"Monday\"]", "schedule.days"),
            ("zone = \"UTC\"\nholidays = [\"25.12.\"]", "schedule.holidays"),
            ("zone = \"UTC\"\n[[events]]\nat = \"25:00\"\nstate = \"closed\"", "schedule.events at"),
            ("zone = \"UTC\"\nroll_at = \"midnight\"", "schedule.roll_at"),
            ("zone = \"UTC\"\n[[events]]\nat = \"12:00\"", "schedule.events at"),
            ("zone = \"UTC\"\n[[events]]\nat = \"12:00\"\nstate = \"open\"", "schedule.events state"),
            ("zone = \"UTC\"\n[[events]]\nat = \"12:00\"\nsystem_event = \"noon\"", "schedule.events system_event"),
            (
                "zone = \"UTC\"\n[[events]]\nat = \"12:00\"\nstate = \"closed\"\ninstruments = [\"NONE\"]",
                "schedule.events instruments",
            ),
            (
                "zone = \"UTC\"\n[[events]]\nat = \"12:00\"\nsystem_event = \"end-of-market-hours\"\ninstruments = [\"AAPL\"]",
                "schedule.events instruments",
            ),
        ] {
            assert_eq!(schedule(text).unwrap_err().0, key, "{text}");
        }
    }
}
