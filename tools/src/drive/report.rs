//! What a played day comes to: the figures, and a category for everything that is not as recorded.

use std::collections::BTreeMap;

use serde::Serialize;

/// Why a row is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exclusion {
    /// The book of the first row is what the player starts from.
    FirstRow,
    /// The recorded book has a price that the instrument's tick does not allow.
    OffTick,
    /// The recorded best bid is not below the recorded best ask; no matching venue can show that.
    CrossedInFile,
}

/// Why a compared row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowDifference {
    /// Inside an aggressor's run: it hit other resting orders than recorded, and so in other portions.
    OtherOrderHit,
    /// Inside an aggressor's run: recorded orders that were never named stand together as one order here, which trades at once.
    NamelessPortion,
    /// The recorded book changed in sight without a message that says so.
    NoMessage,
    /// The venue's book is not the one that it was told to have.
    Venue,
}

/// Why a comparable execution is not on the recorded order with the recorded size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExecutionDifference {
    /// The recorded order traded, in another size: what stood ahead of it took or left part.
    OtherSize,
    /// Quantity adopted from the recorded book stood ahead.
    NamelessAhead,
    /// Another known order stood ahead in a queue that had been out of sight.
    GuessedQueue,
    /// The file itself names an order that was not first in its queue.
    NotFirstInFile,
    /// The venue hit another order than price-time priority asks for.
    Venue,
}

/// How often the recorded book, not a message, said what to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Adoptions {
    /// Levels that came into sight where nothing was held.
    pub(crate) levels_new: u64,
    /// Levels that came into sight with more than was held.
    pub(crate) levels_grown: u64,
    /// Levels that came into sight with less than was held.
    pub(crate) levels_shrunk: u64,
    /// Levels held that the file does not show.
    pub(crate) levels_gone: u64,
    /// Orders that lost the name of the recorded order they stood for.
    pub(crate) names_lost: u64,
}

/// The first row that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FirstDifference {
    /// Line in the files, from 1.
    pub(crate) line: u64,
    /// Why.
    pub(crate) category: RowDifference,
    /// The recorded book, best level first: `price x quantity`, wire units.
    pub(crate) recorded: String,
    /// The book from the feed.
    pub(crate) seen: String,
}

/// What comparing the rows came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RowTally {
    /// Rows compared in all recorded levels.
    pub(crate) rows_compared: u64,
    /// Of these, equal.
    pub(crate) rows_equal: u64,
    /// Rows not compared, and why.
    pub(crate) rows_excluded: BTreeMap<Exclusion, u64>,
    /// Compared and not equal, and why.
    pub(crate) rows_different: BTreeMap<RowDifference, u64>,
    /// The first of these.
    pub(crate) first_difference: Option<FirstDifference>,
    /// Feed messages of the instrument that were applied.
    pub(crate) feed_messages: u64,
}

/// What looking at the executions came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ExecutionTally {
    /// Executions in the file.
    pub(crate) executions: u64,
    /// Of these, the resting order was known at that moment.
    pub(crate) executions_comparable: u64,
    /// Of these, the same order traded with the same size.
    pub(crate) executions_same_order: u64,
    /// The others, and why.
    pub(crate) executions_different: BTreeMap<ExecutionDifference, u64>,
}

impl ExecutionTally {
    /// Counts one comparable execution.
    pub(crate) fn count(&mut self, difference: Option<ExecutionDifference>) {
        self.executions_comparable += 1;
        match difference {
            None => self.executions_same_order += 1,
            Some(why) => *self.executions_different.entry(why).or_default() += 1,
        }
    }
}

/// The whole report.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Instrument played.
    pub(crate) symbol: String,
    /// Rows of the files that were played.
    pub(crate) rows: u64,
    /// Requests sent to the venue: new orders, cancels, aggressors.
    pub(crate) messages: u64,
    /// Of these, orders entered.
    pub(crate) orders_entered: u64,
    /// From the first request to the last compared row.
    pub(crate) seconds: f64,
    /// Requests per second.
    pub(crate) orders_per_second: u64,
    /// Rows.
    #[serde(flatten)]
    pub(crate) rows_tally: RowTally,
    /// Executions.
    #[serde(flatten)]
    pub(crate) executions_tally: ExecutionTally,
    /// What was taken from the recorded book instead of from a message.
    pub(crate) adopted: Adoptions,
}

impl Report {
    /// True when everything that differs is explained by the file, not by the venue.
    pub(crate) fn is_faithful(&self) -> bool {
        !self.rows_tally.rows_different.contains_key(&RowDifference::Venue)
            && !self.executions_tally.executions_different.contains_key(&ExecutionDifference::Venue)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let rows = &self.rows_tally;
        let executions = &self.executions_tally;
        let mut lines = vec![
            format!("{} rows of {} played in {:.2} s", self.rows, self.symbol, self.seconds),
            format!(
                "  requests           {} ({} orders entered), {} per second",
                self.messages, self.orders_entered, self.orders_per_second
            ),
            format!("  feed messages      {}", rows.feed_messages),
            format!(
                "  rows               {} equal of {} compared ({})",
                rows.rows_equal,
                rows.rows_compared,
                percent(rows.rows_equal, rows.rows_compared)
            ),
        ];
        lines.extend(
            rows.rows_excluded.iter().map(|(why, count)| format!("    excluded         {count} {}", name(why))),
        );
        lines.extend(
            rows.rows_different.iter().map(|(why, count)| format!("    different        {count} {}", name(why))),
        );
        if let Some(first) = &rows.first_difference {
            lines.push(format!("    first difference line {}: {}", first.line, name(&first.category)));
            lines.push(format!("      recorded       {}", first.recorded));
            lines.push(format!("      from the feed  {}", first.seen));
        }
        lines.push(format!(
            "  executions         {} on the same order with the same size of {} comparable ({}), {} in the file",
            executions.executions_same_order,
            executions.executions_comparable,
            percent(executions.executions_same_order, executions.executions_comparable),
            executions.executions
        ));
        let different = executions.executions_different.iter();
        lines.extend(different.map(|(why, count)| format!("    different        {count} {}", name(why))));
        let adopted = self.adopted;
        lines.push(format!(
            "  taken from the recorded book: {} levels new in sight, {} with more, {} with less, {} gone; {} orders lost their name",
            adopted.levels_new, adopted.levels_grown, adopted.levels_shrunk, adopted.levels_gone, adopted.names_lost
        ));
        lines.join("\n")
    }
}

/// A share with two decimals, rounded down, so that 100 % means all.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = part.saturating_mul(10_000).checked_div(whole).unwrap_or(0);
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

/// The name of a category, as in the JSON form.
fn name(category: &impl Serialize) -> String {
    let value = serde_json::to_value(category).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}
