//! The naive model's self-match prevention: the AIQ table of ouch50.md §5, read column by column.

use super::naive_book::{NaiveVenue, Order};
use protocol::types::Firm;

/// What is done about two orders of one party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prevention {
    /// The aggressor's remainder is cancelled.
    Newest,
    /// The resting order is cancelled.
    Oldest,
    /// Both are.
    Both,
    /// Both lose what would have traded.
    Decrement {
        /// Told as AIQ Canceled.
        details: bool,
    },
}

/// Columns: firm, organization, affiliate, match any. Rows as in the table; `B` is an account's default only.
const COLUMNS: [&[u8]; 4] = [b"YDOWRB", b"ydowr", b"ZEPXS", b"01245"];

/// The column of a letter; `None` = no prevention.
fn column(letter: u8) -> Option<usize> {
    COLUMNS.iter().position(|letters| letters.contains(&letter))
}

fn row(letter: u8) -> Prevention {
    match letter {
        b'B' => Prevention::Both,
        b'Y' | b'y' | b'Z' | b'0' => Prevention::Decrement { details: false },
        b'D' | b'd' | b'E' | b'1' => Prevention::Decrement { details: true },
        b'O' | b'o' | b'P' | b'2' => Prevention::Oldest,
        // Newest; and "the remover's strategy" of the remover itself, which is nobody's.
        _ => Prevention::Newest,
    }
}

impl NaiveVenue {
    /// What keeps these two from trading, if anything does.
    pub(super) fn prevention(&self, aggressor: &Order, resting: &Order) -> Option<Prevention> {
        let level = column(aggressor.strategy)?;
        if column(resting.strategy) != Some(level) {
            return None;
        }
        let firm = |order: &Order| -> Firm { self.account(order.owner).firm };
        let same_group = aggressor.group == resting.group;
        let is_any = level == 3;
        let is_one_party = if is_any {
            same_group && aggressor.group != *b"  "
        } else {
            same_group && firm(aggressor) == firm(resting)
        };
        is_one_party.then(|| row(aggressor.strategy))
    }
}
