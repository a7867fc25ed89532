//! Reads the two CSV files of a LOBSTER day side by side, one row of each at a time, and joins the rows of one aggressor
//! into a step. It keeps one step in memory and decides nothing.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use protocol::{Price, Qty};

/// Levels of a side that a book file may record; a bound on the columns of a line.
pub(crate) const DEPTH_MAX: usize = 1_000;

/// Rows that one step may join; a longer run of executions at one time is no market data.
const ROWS_PER_STEP_MAX: usize = 100_000;

/// Price of an unoccupied level, without its sign.
const NO_PRICE: i64 = 9_999_999_999;

/// What happened to the book in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// A limit order joined the book.
    New,
    /// Part of a resting order was taken off.
    PartialCancel,
    /// All of a resting order was taken off.
    Delete,
    /// A visible resting order traded.
    Execution,
    /// A hidden order traded, a cross, a halt: no visible order is named.
    Other,
}

/// One level of the recorded book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// Price, wire units.
    pub(crate) price: Price,
    /// All that rests there, wire units.
    pub(crate) quantity: u64,
}

/// The recorded book around the spread, best level first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Levels per side that the file has room for.
    pub(crate) depth: usize,
    /// Buy side.
    pub(crate) bids: Vec<Level>,
    /// Sell side.
    pub(crate) asks: Vec<Level>,
}

impl Window {
    /// One side, best first.
    pub(crate) fn side(&self, is_buy: bool) -> &[Level] {
        if is_buy { &self.bids } else { &self.asks }
    }

    /// Quantity at a price; 0 when the window does not show it.
    pub(crate) fn quantity(&self, is_buy: bool, price: Price) -> u64 {
        self.side(is_buy).iter().find(|level| level.price == price).map_or(0, |level| level.quantity)
    }

    /// True when every order at this price would show: the price is not beyond the last level, or the side is not full.
    pub(crate) fn reaches(&self, is_buy: bool, price: Price) -> bool {
        let side = self.side(is_buy);
        let Some(last) = side.last().filter(|_| side.len() >= self.depth) else { return true };
        if is_buy { price >= last.price } else { price <= last.price }
    }

    /// True when the best bid is not below the best ask.
    pub(crate) fn is_crossed(&self) -> bool {
        matches!((self.bids.first(), self.asks.first()), (Some(bid), Some(ask)) if bid.price >= ask.price)
    }

    /// True when some level is not on the tick grid.
    pub(crate) fn is_off_tick(&self, tick: u32) -> bool {
        self.bids.iter().chain(&self.asks).any(|level| !level.price.0.is_multiple_of(tick))
    }
}

/// One row of both files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Line in the files, from 1.
    pub(crate) line: u64,
    /// Nanoseconds after midnight.
    pub(crate) time_ns: u64,
    /// What happened.
    pub(crate) kind: RowKind,
    /// Order of the file that it happened to; 0 for [`RowKind::Other`].
    pub(crate) order_id: u64,
    /// Shares; 0 for [`RowKind::Other`].
    pub(crate) quantity: Qty,
    /// Price of the order; 0 for [`RowKind::Other`].
    pub(crate) price: Price,
    /// The resting order buys.
    pub(crate) is_buy: bool,
    /// The book after it.
    pub(crate) window: Window,
}

/// Rows that belong together: one aggressor's executions, or a single row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    /// At least one row; more than one only for executions with equal time and direction.
    pub(crate) rows: Vec<Row>,
}

/// Why the files cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LobsterError {
    /// The operating system or the CSV syntax.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// A line does not hold what the format asks for.
    #[error("{} line {line}: {what}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What was expected.
        what: String,
    },
    /// One file ends before the other.
    #[error("{} ends at line {line}, the other file goes on; both need one row per event", path.display())]
    Shorter {
        /// The shorter file.
        path: PathBuf,
        /// Its lines.
        line: u64,
    },
}

/// One of the two files.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    reader: csv::Reader<File>,
    record: ByteRecord,
    line: u64,
}

impl Source {
    fn open(path: &Path) -> Result<Self, LobsterError> {
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path);
        let reader = reader.map_err(|source| LobsterError::Read { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), reader, record: ByteRecord::new(), line: 0 })
    }

    /// Reads the next line into `record`; false at the end.
    fn advance(&mut self) -> Result<bool, LobsterError> {
        let more = self.reader.read_byte_record(&mut self.record);
        let more = more.map_err(|source| LobsterError::Read { path: self.path.clone(), source })?;
        self.line += u64::from(more);
        Ok(more)
    }

    fn wrong(&self, what: impl Into<String>) -> LobsterError {
        LobsterError::Line { path: self.path.clone(), line: self.line, what: what.into() }
    }

    fn text(&self, column: usize) -> Result<&str, LobsterError> {
        let field = self.record.get(column).and_then(|bytes| std::str::from_utf8(bytes).ok());
        field.map(str::trim).ok_or_else(|| self.wrong(format!("column {} is missing or not text", column + 1)))
    }

    fn number<T: std::str::FromStr>(&self, column: usize, name: &str) -> Result<T, LobsterError> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.wrong(format!("column {} ({name}) holds {text:?}", column + 1)))
    }

    /// Seconds in nanoseconds. Files made through floating point carry more than nine decimals here and there: rounded.
    fn time_ns(&self) -> Result<u64, LobsterError> {
        let text = self.text(0)?;
        let wrong = || self.wrong(format!("column 1 (time) holds {text:?}, expected seconds after midnight"));
        let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
        if !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let seconds: u64 = seconds.parse().map_err(|_| wrong())?;
        let tenths: u64 = format!("{decimals:0<10.10}").parse().map_err(|_| wrong())?;
        let nanos = (tenths + 5) / 10;
        seconds.checked_mul(1_000_000_000).and_then(|time| time.checked_add(nanos)).ok_or_else(wrong)
    }

    fn price(&self, column: usize) -> Result<Price, LobsterError> {
        let price = Price(self.number(column, "price")?);
        if price.is_limit() { Ok(price) } else { Err(self.wrong(format!("price {price} cannot be a limit price"))) }
    }
}

/// Both files, read in step.
#[derive(Debug)]
pub(crate) struct LobsterReader {
    messages: Source,
    book: Source,
    columns: usize,
    ahead: Option<Row>,
    rows_left: u64,
}

impl LobsterReader {
    /// Opens both files; at most `rows_max` rows will be given.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub(crate) fn open(messages: &Path, book: &Path, rows_max: u64) -> Result<Self, LobsterError> {
        let (messages, book) = (Source::open(messages)?, Source::open(book)?);
        Ok(Self { messages, book, columns: 0, ahead: None, rows_left: rows_max })
    }

    /// Puts the next step into `step`; false at the end.
    ///
    /// # Errors
    /// When a line is not what the format asks for, or one file is shorter.
    pub(crate) fn next_step(&mut self, step: &mut Step) -> Result<bool, LobsterError> {
        step.rows.clear();
        let Some(first) = self.take_row()? else { return Ok(false) };
        let (kind, time_ns, is_buy) = (first.kind, first.time_ns, first.is_buy);
        step.rows.push(first);
        if kind != RowKind::Execution {
            return Ok(true);
        }
        while let Some(row) = self.take_row()? {
            if row.kind != kind || row.time_ns != time_ns || row.is_buy != is_buy {
                self.ahead = Some(row);
                break;
            }
            step.rows.push(row);
            if step.rows.len() > ROWS_PER_STEP_MAX {
                return Err(self.messages.wrong(format!("more than {ROWS_PER_STEP_MAX} executions of one aggressor")));
            }
        }
        Ok(true)
    }

    fn take_row(&mut self) -> Result<Option<Row>, LobsterError> {
        if let Some(row) = self.ahead.take() {
            return Ok(Some(row));
        }
        if self.rows_left == 0 {
            return Ok(None);
        }
        self.rows_left -= 1;
        match (self.messages.advance()?, self.book.advance()?) {
            (true, true) => self.parse().map(Some),
            (false, false) => Ok(None),
            (more, _) => {
                let shorter = if more { &self.book } else { &self.messages };
                Err(LobsterError::Shorter { path: shorter.path.clone(), line: shorter.line })
            }
        }
    }

    fn parse(&mut self) -> Result<Row, LobsterError> {
        let source = &self.messages;
        let kind = match source.number::<u8>(1, "type")? {
            1 => RowKind::New,
            2 => RowKind::PartialCancel,
            3 => RowKind::Delete,
            4 => RowKind::Execution,
            5..=7 => RowKind::Other,
            other => return Err(source.wrong(format!("column 2 (type) holds {other}, expected 1 to 7"))),
        };
        let time_ns = source.time_ns()?;
        let mut row = Row {
            line: source.line,
            time_ns,
            kind,
            order_id: 0,
            quantity: Qty(0),
            price: Price(0),
            is_buy: false,
            window: Window::default(),
        };
        if kind != RowKind::Other {
            row.order_id = source.number(2, "order id")?;
            row.quantity = Qty(source.number(3, "size")?);
            row.price = source.price(4)?;
            row.is_buy = match source.number::<i8>(5, "direction")? {
                1 => true,
                -1 => false,
                other => return Err(source.wrong(format!("column 6 (direction) holds {other}, expected 1 or -1"))),
            };
            if row.quantity == Qty::ZERO || row.order_id == 0 {
                return Err(source.wrong("order id and size must be above zero"));
            }
        }
        row.window = self.parse_window()?;
        Ok(row)
    }

    fn parse_window(&mut self) -> Result<Window, LobsterError> {
        let source = &self.book;
        let columns = source.record.len();
        if self.columns == 0 {
            if columns == 0 || !columns.is_multiple_of(4) || columns / 4 > DEPTH_MAX {
                return Err(
                    source.wrong(format!("{columns} columns; expected 4 per level, at most {DEPTH_MAX} levels"))
                );
            }
            self.columns = columns;
        }
        if columns != self.columns {
            return Err(source.wrong(format!("{columns} columns, the lines before have {}", self.columns)));
        }
        let depth = columns / 4;
        let mut window = Window { depth, bids: Vec::with_capacity(depth), asks: Vec::with_capacity(depth) };
        for level in 0..depth {
            for (offset, side) in [(0, &mut window.asks), (2, &mut window.bids)] {
                let column = level * 4 + offset;
                let quantity = source.number::<u64>(column + 1, "size")?;
                let price = source.number::<i64>(column, "price")?;
                if price.abs() == NO_PRICE || quantity == 0 {
                    continue;
                }
                side.push(Level { price: source.price(column)?, quantity });
            }
        }
        let falls = |side: &[Level]| side.windows(2).all(|pair| matches!(pair, [a, b] if a.price > b.price));
        let rises = |side: &[Level]| side.windows(2).all(|pair| matches!(pair, [a, b] if a.price < b.price));
        if falls(&window.bids) && rises(&window.asks) {
            Ok(window)
        } else {
            Err(source.wrong("levels are not sorted from the best outwards"))
        }
    }
}
