//! Compares the recorded book with the one that the venue's feed describes. It runs on a thread of its own, and of the
//! player it learns only how many feed messages precede each comparison.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use protocol::InstrumentId;
use protocol::itch::Message;

use super::lobster::{Level, Window};
use super::player::{Check, Foreseen};
use super::report::{FirstDifference, RowDifference, RowTally};
use crate::client::{ClientError, FeedBook, FeedClient, Progress};
use crate::clock::monotonic;

/// How long the feed may owe a message.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Why comparing ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// The feed broke, or contradicts itself.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A message that the player's requests call for does not come.
    #[error("the feed owes a message: {applied} of {due} came, and none for {} s", SILENCE_MAX.as_secs())]
    Owing {
        /// Messages applied.
        applied: u64,
        /// Messages that should have come.
        due: u64,
    },
}

/// The comparing side.
pub(crate) struct Checker {
    book: FeedBook,
    locate: InstrumentId,
    checks: Receiver<Check>,
    pending: Option<Check>,
    tally: RowTally,
}

impl Checker {
    /// Compares what `checks` brings with the book of `locate`.
    pub(crate) fn new(book: FeedBook, locate: InstrumentId, checks: Receiver<Check>) -> Self {
        Self { book, locate, checks, pending: None, tally: RowTally::default() }
    }

    /// Runs until the other end of `checks` is gone and everything that came through it was compared.
    ///
    /// # Errors
    /// The feed breaks, contradicts itself, or owes a message.
    pub(crate) fn run(mut self, mut feed: FeedClient) -> Result<RowTally, CheckError> {
        let mut heard_at = monotonic();
        self.compare_due();
        while let Some(due) = self.pending.as_ref().map(|check| check.feed_messages) {
            let mut failed = None;
            let progress = feed.receive(Duration::from_millis(200), |sequence, message| {
                if let Err(violation) = self.apply(message) {
                    failed.get_or_insert(ClientError::Feed { sequence, violation });
                }
            })?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            match progress {
                Progress::Messages => heard_at = monotonic(),
                Progress::Finished => return Err(ClientError::Closed { port: "feed" }.into()),
                Progress::Nothing | Progress::Alive if monotonic().duration_since(heard_at) >= SILENCE_MAX => {
                    return Err(CheckError::Owing { applied: self.tally.feed_messages, due });
                }
                Progress::Nothing | Progress::Alive => {}
            }
        }
        Ok(self.tally)
    }

    fn apply(&mut self, message: &Message) -> Result<(), crate::client::Violation> {
        self.book.apply(message)?;
        if message.book_header().map(|header| header.stock_locate) == Some(self.locate) {
            self.tally.feed_messages += 1;
            self.compare_due();
        }
        Ok(())
    }

    /// Compares everything that is due after the messages applied so far, and waits until it is known what comes next.
    fn compare_due(&mut self) {
        loop {
            if self.pending.is_none() {
                self.pending = self.checks.recv().ok();
            }
            match self.pending.take() {
                Some(check) if check.feed_messages <= self.tally.feed_messages => self.compare(&check),
                later => {
                    self.pending = later;
                    return;
                }
            }
        }
    }

    fn compare(&mut self, check: &Check) {
        if let Foreseen::Excluded(why) = check.foreseen {
            *self.tally.rows_excluded.entry(why).or_default() += 1;
            return;
        }
        self.tally.rows_compared += 1;
        if self.shows(&check.window) {
            self.tally.rows_equal += 1;
            return;
        }
        let as_told = check.told.as_ref().is_some_and(|told| self.shows(told));
        let category = match check.foreseen {
            Foreseen::Differs(why) if as_told => why,
            Foreseen::Differs(_) | Foreseen::Equal | Foreseen::Excluded(_) => RowDifference::Venue,
        };
        *self.tally.rows_different.entry(category).or_default() += 1;
        if self.tally.first_difference.is_none() {
            let depth = check.window.depth;
            let side = |is_buy| self.levels(is_buy).take(depth).collect::<Vec<_>>();
            let seen = Window { depth, bids: side(true), asks: side(false) };
            self.tally.first_difference =
                Some(FirstDifference { line: check.line, category, recorded: text(&check.window), seen: text(&seen) });
        }
    }

    fn levels(&self, is_buy: bool) -> impl Iterator<Item = Level> + '_ {
        self.book.levels(self.locate, is_buy).map(|level| Level { price: level.price, quantity: level.quantity })
    }

    fn shows(&self, window: &Window) -> bool {
        [true, false]
            .into_iter()
            .all(|is_buy| self.levels(is_buy).take(window.depth).eq(window.side(is_buy).iter().copied()))
    }
}

fn text(window: &Window) -> String {
    let side = |is_buy| {
        let levels = window.side(is_buy).iter().map(|level| format!("{} x {}", level.price, level.quantity));
        levels.collect::<Vec<_>>().join(", ")
    };
    format!("bids {} | asks {}", side(true), side(false))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use protocol::itch::{AddOrder, Header, StockDirectory};
    use protocol::{OrderRef, Price, Qty, Symbol};

    use super::super::report::Exclusion;
    use super::*;

    const LOCATE: InstrumentId = InstrumentId(2);

    fn header(stock_locate: InstrumentId) -> Header {
        Header { stock_locate, tracking_number: 0, timestamp_ns: 0 }
    }

    fn add(locate: InstrumentId, order_ref: u64, shares: u32) -> Message {
        let (order_ref, shares, stock) = (OrderRef(order_ref), Qty(shares), Symbol::BLANK);
        Message::AddOrder(AddOrder { header: header(locate), order_ref, side: b'B', shares, stock, price: Price(50) })
    }

    fn listed(locate: InstrumentId) -> Message {
        Message::StockDirectory(StockDirectory {
            header: header(locate),
            stock: Symbol::BLANK,
            market_category: b' ',
            financial_status: b' ',
            round_lot_size: Qty(1),
            round_lots_only: b'N',
            issue_classification: b'C',
            issue_sub_type: *b"Z ",
            authenticity: b'P',
            short_sale_threshold: b' ',
            ipo_flag: b' ',
            luld_tier: b' ',
            etp_flag: b' ',
            etp_leverage_factor: 0,
            inverse_indicator: b'N',
        })
    }

    fn window(quantity: u64) -> Window {
        Window { depth: 1, bids: vec![Level { price: Price(50), quantity }], asks: Vec::new() }
    }

    fn check(feed_messages: u64, recorded: u64, foreseen: Foreseen, told: Option<u64>) -> Check {
        Check { line: feed_messages, feed_messages, window: window(recorded), foreseen, told: told.map(window) }
    }

    #[test]
    fn what_only_the_venue_explains_counts_against_it() {
        let other = InstrumentId(1);
        let mut book = FeedBook::new();
        for locate in [other, LOCATE] {
            book.apply(&listed(locate)).unwrap();
        }
        let (sender, checks) = channel();
        let known = Foreseen::Differs(RowDifference::OtherOrderHit);
        for check in [
            check(0, 10, Foreseen::Excluded(Exclusion::FirstRow), None),
            check(1, 10, Foreseen::Equal, None),
            check(2, 11, known, Some(30)),
            check(2, 11, known, Some(12)),
            check(2, 31, Foreseen::Equal, None),
            check(2, 30, Foreseen::Equal, None),
        ] {
            sender.send(check).unwrap();
        }
        drop(sender);
        let mut checker = Checker::new(book, LOCATE, checks);
        checker.compare_due();
        for message in [add(LOCATE, 1, 10), add(other, 2, 99), add(LOCATE, 3, 20)] {
            checker.apply(&message).unwrap();
        }
        let tally = checker.tally;
        assert_eq!((tally.rows_compared, tally.rows_equal, tally.feed_messages), (5, 2, 2));
        assert_eq!(tally.rows_excluded.get(&Exclusion::FirstRow), Some(&1));
        assert_eq!(tally.rows_different.get(&RowDifference::OtherOrderHit), Some(&1));
        assert_eq!(tally.rows_different.get(&RowDifference::Venue), Some(&2));
        let first = tally.first_difference.unwrap();
        assert_eq!((first.line, first.category), (2, RowDifference::OtherOrderHit));
        assert_eq!((first.recorded.as_str(), first.seen.as_str()), ("bids 50 x 11 | asks ", "bids 50 x 30 | asks "));
    }
}
