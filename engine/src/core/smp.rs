//! Self-match prevention: which pairs may not trade, and what happens to them instead (ouch50.md §5).

use super::special::Extra;
use protocol::types::Firm;

/// What happens to a pair that may not trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prevention {
    /// The aggressor is cancelled.
    Newest,
    /// The resting order is cancelled.
    Oldest,
    /// Both are.
    Both,
    /// Both lose what would have traded, told with details or without.
    Decrement(bool),
}

/// Whose orders a letter means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Firm,
    Organization,
    Affiliate,
    Any,
}

/// The default of an account that cancels both; no client sends it.
pub(super) const CANCEL_BOTH: u8 = b'B';

fn level(letter: u8) -> Option<Level> {
    match letter {
        b'Y' | b'D' | b'O' | b'W' | b'R' | CANCEL_BOTH => Some(Level::Firm),
        b'y' | b'd' | b'o' | b'w' | b'r' => Some(Level::Organization),
        b'Z' | b'E' | b'P' | b'X' | b'S' => Some(Level::Affiliate),
        b'0' | b'1' | b'2' | b'4' | b'5' => Some(Level::Any),
        _ => None,
    }
}

fn prevention(letter: u8) -> Prevention {
    match letter {
        b'Y' | b'y' | b'Z' | b'0' => Prevention::Decrement(false),
        b'D' | b'd' | b'E' | b'1' => Prevention::Decrement(true),
        b'O' | b'o' | b'P' | b'2' => Prevention::Oldest,
        CANCEL_BOTH => Prevention::Both,
        _ => Prevention::Newest,
    }
}

/// What happens instead of a trade between an aggressor and a resting order, each with its firm; `None`: they may trade.
pub(super) fn prevented(aggressor: (&Extra, Firm), resting: (&Extra, Firm)) -> Option<Prevention> {
    let ((newer, firm), (older, other)) = (aggressor, resting);
    let level_of_both = level(newer.aiq).filter(|found| level(older.aiq) == Some(*found))?;
    let is_group = newer.aiq_group == older.aiq_group;
    let is_own = match level_of_both {
        Level::Firm | Level::Organization | Level::Affiliate => is_group && firm == other,
        Level::Any => is_group && newer.aiq_group != *b"  ",
    };
    is_own.then(|| prevention(newer.aiq))
}
