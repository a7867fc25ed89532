//! The section `terms` of the configuration: how instruments match, and what the orders of an account do when they do not say.
//! Each becomes a journaled command when the venue does not have it so already.

use std::collections::BTreeMap;

use engine::core::Core;
use protocol::venue_command::{SetAccountDefaults, SetBands, SetMatching};
use protocol::{
    AccountId, AccountName, CommandBody, InstrumentId, MatchingAlgorithm, Qty, Symbol, VenueCommand,
    limits::ELECTIONS_PER_COMMAND_MAX_DEFAULT,
};
use serde::{Deserialize, Serialize};

use crate::config::{InstrumentConfig, wire_units};

/// The section, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TermsSection {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matching: Vec<MatchingEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bands: Vec<BandsEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<AccountEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchingEntry {
    instrument: String,
    algorithm: Algorithm,
    #[serde(default)]
    minimum_lots: u32,
    #[serde(default)]
    elections_per_command_max: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BandsEntry {
    instrument: String,
    #[serde(default)]
    static_percent: String,
    #[serde(default)]
    dynamic_percent: String,
    #[serde(default)]
    collar_percent: String,
    #[serde(default)]
    auction_s: u32,
}

impl BandsEntry {
    /// For a message about it.
    fn in_words(&self) -> String {
        let Self { instrument, static_percent, dynamic_percent, collar_percent, auction_s } = self;
        format!(
            "{instrument:?} (static {static_percent:?}, dynamic {dynamic_percent:?}, collar {collar_percent:?}, auction_s {auction_s})"
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Algorithm {
    PriceTime,
    ProRata,
    TopProRata,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountEntry {
    account: String,
    #[serde(default)]
    self_match: SelfMatch,
    /// Up to two letters; orders of other groups trade with each other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    self_match_group: String,
    /// Between all accounts of the group, whatever their firm.
    #[serde(default)]
    self_match_across_firms: bool,
    #[serde(default)]
    cancel_on_disconnect: bool,
    #[serde(default)]
    grace_ms: u32,
}

/// What a self-match group may be.
const GROUP: &str = "one or two letters or digits; needed across firms";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SelfMatch {
    #[default]
    Allow,
    Newest,
    Oldest,
    Both,
    Decrement,
    DecrementDetails,
}

impl SelfMatch {
    /// Letter of the AIQ table: of the column for a firm, or of that for any. Cancel both has no letter for any.
    fn letter(self, across_firms: bool) -> Option<u8> {
        Some(match (self, across_firms) {
            (Self::Allow, _) => b'N',
            (Self::Newest, false) => b'W',
            (Self::Newest, true) => b'4',
            (Self::Oldest, false) => b'O',
            (Self::Oldest, true) => b'2',
            (Self::Both, false) => b'B',
            (Self::Both, true) => return None,
            (Self::Decrement, false) => b'Y',
            (Self::Decrement, true) => b'0',
            (Self::DecrementDetails, false) => b'D',
            (Self::DecrementDetails, true) => b'1',
        })
    }
}

/// How one instrument matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Matching {
    algorithm: MatchingAlgorithm,
    minimum: Qty,
    elections_max: u16,
}

impl Matching {
    const DEFAULT: Self = Self {
        algorithm: MatchingAlgorithm::PriceTime,
        minimum: Qty::ZERO,
        elections_max: ELECTIONS_PER_COMMAND_MAX_DEFAULT,
    };
}

/// How far prices may go, in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bands {
    static_ppm: u32,
    dynamic_ppm: u32,
    collar_ppm: u32,
    auction_s: u32,
}

impl Bands {
    /// `None` when a percentage is none, or there are bands without an auction.
    fn of(entry: &BandsEntry) -> Option<Self> {
        let bands = Self {
            static_ppm: ppm(&entry.static_percent)?,
            dynamic_ppm: ppm(&entry.dynamic_percent)?,
            collar_ppm: ppm(&entry.collar_percent)?,
            auction_s: entry.auction_s,
        };
        let has_bands = bands.static_ppm != 0 || bands.dynamic_ppm != 0;
        (bands.auction_s <= 86_400 && (bands.auction_s > 0 || !has_bands)).then_some(bands)
    }
}

/// A percentage from 0.0001 to 100 in parts per million; an empty text is 0.
fn ppm(text: &str) -> Option<u32> {
    if text.is_empty() { Some(0) } else { wire_units(text, 4, 1_000_000).ok() }
}

/// What the orders of one account do when they do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Defaults {
    self_match: u8,
    group: [u8; 2],
    cancel_on_disconnect: bool,
    grace_ms: u32,
}

impl Defaults {
    const NONE: Self = Self { self_match: b'N', group: *b"  ", cancel_on_disconnect: false, grace_ms: 0 };
}

/// Terms that can be used.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    matching: BTreeMap<Symbol, Matching>,
    bands: BTreeMap<Symbol, Bands>,
    accounts: BTreeMap<AccountName, Defaults>,
}

impl Terms {
    /// Checks the section.
    ///
    /// # Errors
    /// (key, what was found, what was expected).
    pub fn of(
        section: &TermsSection,
        instruments: &[InstrumentConfig],
    ) -> Result<Self, (&'static str, String, &'static str)> {
        let mut terms = Self::default();
        for entry in &section.matching {
            let wrong =
                || ("terms.matching", entry.instrument.clone(), "each instrument of the configuration at most once");
            let listed = Symbol::from_text(&entry.instrument)
                .and_then(|symbol| instruments.iter().find(|listed| listed.symbol == symbol))
                .ok_or_else(wrong)?;
            let minimum = entry.minimum_lots.checked_mul(listed.lot.0).ok_or((
                "terms.matching minimum_lots",
                entry.minimum_lots.to_string(),
                "a quantity that an order can have",
            ))?;
            let matching = Matching {
                algorithm: match entry.algorithm {
                    Algorithm::PriceTime => MatchingAlgorithm::PriceTime,
                    Algorithm::ProRata => MatchingAlgorithm::ProRata,
                    Algorithm::TopProRata => MatchingAlgorithm::TopThenProRata,
                },
                minimum: Qty(minimum),
                elections_max: match entry.elections_per_command_max {
                    0 => ELECTIONS_PER_COMMAND_MAX_DEFAULT,
                    most => most,
                },
            };
            if terms.matching.insert(listed.symbol, matching).is_some() {
                return Err(wrong());
            }
        }
        for entry in &section.bands {
            let wrong = || {
                (
                    "terms.bands",
                    entry.in_words(),
                    "an instrument of the configuration, once; percentages up to 100 with 4 decimals at most; auction_s 1 to 86400",
                )
            };
            let listed = |symbol: &Symbol| instruments.iter().any(|listed| listed.symbol == *symbol);
            let symbol = Symbol::from_text(&entry.instrument).filter(listed).ok_or_else(wrong)?;
            if terms.bands.insert(symbol, Bands::of(entry).ok_or_else(wrong)?).is_some() {
                return Err(wrong());
            }
        }
        for entry in &section.accounts {
            let wrong = || ("terms.accounts", entry.account.clone(), "the name of an account, at most once");
            let name = AccountName::from_text(&entry.account.to_ascii_uppercase()).ok_or_else(wrong)?;
            let group = || {
                let wrong = || ("terms.accounts.self_match_group", entry.self_match_group.clone(), GROUP);
                let letters = entry.self_match_group.as_bytes();
                let mut group = *b"  ";
                if letters.len() > group.len() || !letters.iter().all(u8::is_ascii_alphanumeric) {
                    return Err(wrong());
                }
                group.iter_mut().zip(letters).for_each(|(place, letter)| *place = *letter);
                if entry.self_match_across_firms && letters.is_empty() { Err(wrong()) } else { Ok(group) }
            };
            let across =
                || ("terms.accounts.self_match", "both".to_owned(), "newest, oldest or decrement across firms");
            let defaults = Defaults {
                self_match: entry.self_match.letter(entry.self_match_across_firms).ok_or_else(across)?,
                group: group()?,
                cancel_on_disconnect: entry.cancel_on_disconnect,
                grace_ms: entry.grace_ms,
            };
            if terms.accounts.insert(name, defaults).is_some() {
                return Err(wrong());
            }
        }
        Ok(terms)
    }

    /// The commands that bring `core` to these terms, once it has applied `before`.
    pub fn commands(&self, core: &Core, before: &[CommandBody]) -> Vec<CommandBody> {
        let mut instruments: Vec<(InstrumentId, Symbol, Matching, Bands)> = core
            .instruments()
            .map(|view| {
                let (algorithm, minimum, elections_max) = (view.algorithm, view.minimum, view.elections_max);
                let bands = Bands {
                    static_ppm: view.static_ppm,
                    dynamic_ppm: view.dynamic_ppm,
                    collar_ppm: view.collar_ppm,
                    auction_s: view.auction_s,
                };
                (view.listed.instrument, view.listed.symbol, Matching { algorithm, minimum, elections_max }, bands)
            })
            .collect();
        let mut accounts: Vec<(AccountId, AccountName, Defaults)> = core
            .accounts()
            .map(|view| {
                let (self_match, group) = (view.self_match, view.self_match_group);
                let (cancel_on_disconnect, grace_ms) = (view.cancel_on_disconnect, view.grace_ms);
                (view.account, view.name, Defaults { self_match, group, cancel_on_disconnect, grace_ms })
            })
            .collect();
        for body in before {
            if let CommandBody::ListInstrument(listed) = body {
                instruments.push((listed.instrument, listed.symbol, Matching::DEFAULT, Bands::default()));
            }
            if let CommandBody::OpenAccount(opened) = body {
                accounts.push((opened.account, opened.name, Defaults::NONE));
            }
        }
        let bands = instruments.iter().filter_map(|(instrument, symbol, _, is)| {
            let wanted = self.bands.get(symbol).copied().unwrap_or_default();
            (wanted != *is).then_some(VenueCommand::SetBands(SetBands {
                instrument: *instrument,
                static_ppm: wanted.static_ppm,
                dynamic_ppm: wanted.dynamic_ppm,
                collar_ppm: wanted.collar_ppm,
                auction_s: wanted.auction_s,
            }))
        });
        let matching = instruments.iter().filter_map(|(instrument, symbol, is, _)| {
            let wanted = self.matching.get(symbol).copied().unwrap_or(Matching::DEFAULT);
            (wanted != *is).then_some(VenueCommand::SetMatching(SetMatching {
                instrument: *instrument,
                algorithm: wanted.algorithm,
                minimum: wanted.minimum,
                elections_per_command_max: wanted.elections_max,
            }))
        });
        let defaults = accounts.into_iter().filter_map(|(account, name, is)| {
            let wanted = self.accounts.get(&name).copied().unwrap_or(Defaults::NONE);
            (wanted != is).then_some(VenueCommand::SetAccountDefaults(SetAccountDefaults {
                account,
                aiq_strategy: wanted.self_match,
                aiq_group_id: wanted.group,
                cancel_on_disconnect: wanted.cancel_on_disconnect,
                grace_ms: wanted.grace_ms,
            }))
        });
        matching.chain(bands).chain(defaults).map(CommandBody::Venue).collect()
    }
}
