//! What the screen shows, worked out from two looks at the counters.

use engine::runtime::stages::{JOURNAL, STAGES, WHOLE};
use rust_decimal::Decimal;

use crate::counters::alarms::{Alarm, alarms};
use crate::counters::file::{Snapshot, Times, Value};

/// One frame.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Process, durability, ports, age.
    pub title: String,
    /// The venue runs.
    pub is_live: bool,
    /// Per second, and in all.
    pub rates: Vec<(&'static str, u64, u64)>,
    /// Times of each stage, of the last interval where something came, else of the whole run.
    pub stages: Vec<(String, Option<Times>)>,
    /// The stages are those of the last interval.
    pub is_recent: bool,
    /// Depths and lags.
    pub depths: Vec<Depth>,
    /// Numbers of sessions and connections.
    pub sessions: Vec<(&'static str, u64)>,
    /// Journal, follower and disk in one line.
    pub storage: String,
    /// Best prices.
    pub books: Vec<Book>,
    /// The first of them that is shown.
    pub first_book: usize,
    /// What to look at.
    pub alarms: Vec<Alarm>,
}

/// How full something is.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    /// What.
    pub name: &'static str,
    /// Commands or events that wait.
    pub waiting: u64,
    /// Its size; 0 = it has none.
    pub slots: u64,
}

/// The top of one book, as people write it.
#[derive(Clone, Debug)]
pub struct Book {
    /// Instrument.
    pub symbol: String,
    /// Trading state.
    pub state: &'static str,
    /// Best bid, its quantity, best ask, its quantity, last price; empty where there is none.
    pub cells: [String; 5],
}

impl Model {
    /// What changed between two looks, `nanos` apart; the first look has none before.
    pub fn of(now: &Snapshot, before: Option<(&Snapshot, u64)>, utc_ns: u64) -> Self {
        let rate = |name: &'static str, counter: &str| {
            let total = now.number(counter);
            let gone = before.map_or(0, |(before, nanos)| {
                let change = u128::from(total.saturating_sub(before.number(counter)));
                u64::try_from(change * 1_000_000_000 / u128::from(nanos.max(1))).unwrap_or(u64::MAX)
            });
            (name, gone, total)
        };
        let earlier = |name: &str| before.and_then(|(before, _)| before.times(name));
        let whole = now.times(WHOLE);
        let is_recent = earlier(WHOLE).zip(whole).is_some_and(|(earlier, whole)| whole.count > earlier.count);
        let stages = STAGES
            .iter()
            .chain(&[WHOLE, JOURNAL, "journal.flush"])
            .map(|name| {
                let times = now.times(name).map(|times| match earlier(name) {
                    Some(earlier) if is_recent => times.since(earlier),
                    Some(_) | None => times.clone(),
                });
                ((*name).to_owned(), times.filter(|times| times.count > 0))
            })
            .collect();
        Self {
            title: title(now, utc_ns),
            is_live: now.is_live(),
            rates: vec![
                rate("commands", "edge.commands"),
                rate("events", "core.events"),
                rate("answers", "edge.answers"),
                rate("feed msgs", "feed.messages"),
                rate("bytes in", "edge.bytes_in"),
                rate("bytes out", "edge.bytes_out"),
            ],
            stages,
            is_recent,
            depths: depths(now),
            sessions: [
                ("sessions", "edge.sessions_open"),
                ("connections", "edge.connections_open"),
                ("subscribers", "feed.connections_open"),
                ("drop copy", "drop_copy.connections_open"),
                ("ring full", "edge.ring_full_stalls"),
            ]
            .map(|(name, counter)| (name, now.number(counter)))
            .into(),
            storage: storage(now),
            books: books(now),
            first_book: 0,
            alarms: alarms(now, utc_ns),
        }
    }
}

fn title(now: &Snapshot, utc_ns: u64) -> String {
    let seconds = utc_ns.saturating_sub(now.started_utc_ns) / 1_000_000_000;
    let age = format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let state = if now.is_live() { format!("up {age}") } else { "DOWN".to_owned() };
    format!(
        "hft {} {} {} durability {} pid {}",
        now.text("venue.version"),
        now.text("venue.order_entry"),
        state,
        now.text("venue.durability"),
        now.process
    )
}

fn storage(now: &Snapshot) -> String {
    let number = |name: &str| now.number(name);
    if now.text("venue.durability") == "memory" {
        return "nothing is kept".to_owned();
    }
    let flushes = number("journal.flushes");
    let per_flush = number("journal.flushed_commands").checked_div(flushes);
    let flushed = per_flush.map_or_else(String::new, |commands| format!("flushes {flushes} of {commands}   "));
    format!(
        "{flushed}snapshots {}   hashes {}, different {}   disk {} MiB free",
        number("follower.snapshots"),
        number("follower.compared"),
        number("follower.differences"),
        number("journal.free_mib"),
    )
}

fn depths(now: &Snapshot) -> Vec<Depth> {
    let lag = |ahead: &str, behind: &str| now.number(ahead).saturating_sub(now.number(behind));
    let (commands, events) = (now.number("ring.commands.slots"), now.number("ring.events.slots"));
    let mut depths = vec![
        Depth { name: "to core", waiting: lag("edge.sequence", "core.sequence"), slots: commands },
        Depth { name: "to journal", waiting: lag("edge.sequence", "journal.sequence"), slots: commands },
        Depth { name: "to edge", waiting: lag("core.events", "edge.events"), slots: events },
        Depth { name: "to feed", waiting: lag("core.events", "feed.events"), slots: events },
        Depth { name: "to hash", waiting: lag("core.events", "projections.events"), slots: events },
    ];
    if now.text("venue.durability") != "memory" {
        depths.push(Depth { name: "follower", waiting: lag("journal.sequence", "follower.sequence"), slots: 0 });
    }
    depths
}

fn books(now: &Snapshot) -> Vec<Book> {
    let mut books: Vec<Book> = now
        .values
        .iter()
        .filter_map(|(name, value)| match value {
            Value::Row(row) if name.starts_with("book.") => Some(book(name, row)),
            Value::Row(_) | Value::Counter(_) | Value::Gauge(_) | Value::Text(_) | Value::Times(_) => None,
        })
        .collect();
    // Those with a price first: a small screen shows them.
    books.sort_by_key(|book| book.cells.iter().all(String::is_empty));
    books
}

/// The book of a row of the counters.
pub fn book(name: &str, row: &[u64; 8]) -> Book {
    let [bid, bid_qty, ask, ask_qty, last, price_decimals, qty_decimals, state] = *row;
    let qty_decimals = i32::try_from(qty_decimals.cast_signed()).unwrap_or(0);
    let price = |wire: u64| decimal(wire, i32::try_from(price_decimals).unwrap_or(0));
    let qty = |wire: u64| decimal(wire, qty_decimals).map_or_else(String::new, |value| value.to_string());
    let [bid, ask, last] = alike([bid, ask, last].map(price));
    Book {
        symbol: name.strip_prefix("book.").unwrap_or(name).trim().to_owned(),
        state: state_word(state),
        cells: [bid, qty(bid_qty), ask, qty(ask_qty), last],
    }
}

fn state_word(letter: u64) -> &'static str {
    match u8::try_from(letter) {
        Ok(b'T') => "trading",
        Ok(b'P') => "paused",
        Ok(b'Q') => "auction",
        Ok(b'H') => "halted",
        Ok(_) | Err(_) => "?",
    }
}

/// Prices with as many decimals as the one that needs most; nothing for those that are not.
fn alike(prices: [Option<Decimal>; 3]) -> [String; 3] {
    let scale = prices.iter().flatten().map(Decimal::scale).max().unwrap_or(0);
    prices.map(|price| {
        price.map_or_else(String::new, |mut price| {
            price.rescale(scale);
            price.to_string()
        })
    })
}

/// Wire units as people write them; `None` for 0.
fn decimal(wire: u64, decimals: i32) -> Option<Decimal> {
    if wire == 0 {
        return None;
    }
    let places = u32::try_from(decimals).unwrap_or(0);
    let value = i64::try_from(wire).ok().and_then(|wire| Decimal::try_new(wire, places).ok()).unwrap_or_default();
    let ten = 10_u64.checked_pow(decimals.min(0).unsigned_abs()).unwrap_or(1);
    Some(value.checked_mul(Decimal::from(ten)).unwrap_or_default().normalize())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A venue with some of everything.
    pub(crate) fn sample() -> Model {
        let mut now = Snapshot { process: u64::MAX, ..Snapshot::default() };
        let mut set = |name: &str, value| now.values.insert(name.to_owned(), value);
        set("venue.durability", Value::Text("journal".into()));
        set("venue.order_entry", Value::Text("127.0.0.1:9001".into()));
        set("edge.commands", Value::Counter(3_000));
        set("edge.sequence", Value::Gauge(5_000));
        set("core.sequence", Value::Gauge(4_990));
        set("journal.sequence", Value::Gauge(4_970));
        set("follower.sequence", Value::Gauge(4_000));
        set("follower.compared", Value::Counter(61));
        set("journal.flushes", Value::Counter(100));
        set("journal.flushed_commands", Value::Counter(2_350));
        set("journal.free_mib", Value::Gauge(57_311));
        set("ring.commands.slots", Value::Gauge(16_384));
        set("edge.sessions_open", Value::Gauge(4));
        set("book.AAPL", Value::Row([1_503_400, 60, 1_503_500, 10, 1_503_400, 4, 0, u64::from(b'T')]));
        set("book.BTC-USD", Value::Row([0, 0, 6_400_001, 150_000, 0, 2, 5, u64::from(b'H')]));
        let mut before = now.clone();
        before.values.insert("edge.commands".to_owned(), Value::Counter(1_000));
        Model::of(&now, Some((&before, 500_000_000)), 0)
    }

    #[test]
    fn rates_depths_and_books_are_worked_out() {
        let model = sample();
        assert_eq!(model.rates[0], ("commands", 4_000, 3_000));
        let waiting: Vec<_> = model.depths.iter().map(|depth| (depth.name, depth.waiting)).collect();
        assert_eq!(waiting[..2], [("to core", 10), ("to journal", 30)]);
        assert_eq!(waiting.last(), Some(&("follower", 970)));
        assert_eq!(model.books[0].cells, ["150.34", "60", "150.35", "10", "150.34"]);
        assert_eq!(model.books[1].cells, ["", "", "64000.01", "1.5", ""]);
        assert_eq!(model.books[1].state, "halted");
        assert_eq!(model.alarms[0].name, "venue-down");
        let prices = [1_500_000, 1_503_400, 0].map(|wire| decimal(wire, 4));
        assert_eq!(alike(prices), ["150.00", "150.34", ""], "one under the other");
        assert!(model.title.contains("DOWN"), "{}", model.title);
        assert_eq!(decimal(5, -2), Some(Decimal::from(500)));
        assert_eq!(model.storage, "flushes 100 of 23   snapshots 0   hashes 61, different 0   disk 57311 MiB free");
    }
}
