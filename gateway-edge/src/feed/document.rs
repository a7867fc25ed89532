//! The directory document (widths.md, point 4): what each instrument is, and how to read its numbers. Kept whole as the HTTP
//! response that it is sent in, made again only when an instrument was listed or the session was named since.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use protocol::money::Legs;
use protocol::{InstrumentId, Price, Qty, SessionName, Symbol};

use crate::mailbox::Mailbox;

/// Full names by symbol; an instrument without one is called by its symbol.
pub type FullNames = BTreeMap<Symbol, String>;

/// What the document says of one instrument; numbers in wire units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) instrument: InstrumentId,
    pub(crate) symbol: Symbol,
    pub(crate) price_decimals: u8,
    pub(crate) qty_decimals: i8,
    pub(crate) tick: Price,
    pub(crate) lot: Qty,
    pub(crate) max_qty: Qty,
    pub(crate) legs: Legs,
}

/// The instruments of the session, and the response made of them.
#[derive(Debug, Default)]
pub(crate) struct Document {
    names: FullNames,
    listed: Vec<Listed>,
    /// The response, unless something changed since it was made.
    response: Option<Arc<[u8]>>,
    /// Where each new body is left for who keeps it as a file.
    copies: Mailbox<String>,
    is_copied: bool,
}

impl Document {
    /// What instruments are called.
    pub(crate) fn name(&mut self, names: FullNames) {
        self.names = names;
        self.outdate();
    }

    /// Where each new body is left.
    pub(crate) fn copies(&self) -> Mailbox<String> {
        self.copies.clone()
    }

    /// Leaves the body there, if it is another one than the last time.
    pub(crate) fn leave_copy(&mut self, session: SessionName) {
        if !std::mem::replace(&mut self.is_copied, true) {
            self.copies.leave(body(session, &self.listed, &self.names));
        }
    }

    /// Takes a listing; one that is known is replaced.
    pub(crate) fn list(&mut self, listed: Listed) {
        match self.listed.binary_search_by_key(&listed.instrument, |known| known.instrument) {
            Ok(place) => {
                if let Some(known) = self.listed.get_mut(place) {
                    *known = listed;
                }
            }
            Err(place) => self.listed.insert(place, listed),
        }
        self.outdate();
    }

    /// Something else that the document names has changed.
    pub(crate) fn outdate(&mut self) {
        (self.response, self.is_copied) = (None, false);
    }

    /// The whole HTTP response.
    pub(crate) fn response(&mut self, session: SessionName) -> Arc<[u8]> {
        let (listed, names) = (&self.listed, &self.names);
        Arc::clone(self.response.get_or_insert_with(|| {
            let body = body(session, listed, names);
            let length = body.len();
            format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nCache-Control: no-cache\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )
            .into_bytes()
            .into()
        }))
    }
}

fn body(session: SessionName, listed: &[Listed], names: &FullNames) -> String {
    let mut text = format!("{{\"session\":\"{}\",\"instruments\":[", escaped(session.as_text()));
    for (index, listed) in listed.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        // Writing to a string does not fail.
        let name = names.get(&listed.symbol).map_or(listed.symbol.as_text(), String::as_str);
        text.push_str(&instrument(listed, name).unwrap_or_default());
    }
    text.push_str("\n]}\n");
    text
}

fn instrument(listed: &Listed, name: &str) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let Listed { instrument, symbol, price_decimals, qty_decimals, tick, lot, max_qty, legs } = *listed;
    // Shares are an asset of their own, called as accounts hold them.
    let base = legs.base.map_or(symbol.as_text(), |currency| currency.code());
    // The highest price that an order may have: the standard's bound, on this instrument's grid.
    let max_price = Price::LIMIT_MAX.0 - Price::LIMIT_MAX.0.checked_rem(tick.0).unwrap_or_default();
    write!(
        text,
        "{{\"symbol\":\"{}\",\"locate\":{},\"name\":\"{}\",\"base\":\"{}\",\"quote\":\"{}\",\
         \"price_decimals\":{price_decimals},\"qty_decimals\":{qty_decimals}",
        escaped(symbol.as_text()),
        instrument.0,
        escaped(name),
        escaped(base),
        legs.quote
    )?;
    let price = i32::from(price_decimals);
    let quantity = i32::from(qty_decimals);
    for (name, units, decimals) in [
        ("tick", tick.0, price),
        ("lot", lot.0, quantity),
        ("min_qty", lot.0, quantity),
        ("max_qty", max_qty.0, quantity),
        ("max_price", max_price, price),
    ] {
        write!(text, ",\"{name}\":{{\"wire\":{units},\"decimal\":\"{}\"}}", decimal(units, decimals))?;
    }
    text.push('}');
    Ok(text)
}

/// `units` of 10^-`decimals` as people write them, without zeros at the end of a fraction.
fn decimal(units: u32, decimals: i32) -> String {
    let places = usize::try_from(decimals.unsigned_abs()).unwrap_or_default();
    if decimals <= 0 {
        let zeros = if units == 0 { 0 } else { places };
        return format!("{units}{:0<zeros$}", "");
    }
    let digits = format!("{units:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

/// Names have no control characters: only two characters mean something in JSON.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use protocol::Currency;

    use super::*;

    #[test]
    fn decimals_read_as_people_write_them() {
        for (units, decimals, expected) in [
            (100, 4, "0.01"),
            (1_999_999_900, 4, "199999.99"),
            (1_999_999_900, 2, "19999999"),
            (1, 12, "0.000000000001"),
            (1, 0, "1"),
            (u32::MAX, 5, "42949.67295"),
            (1, -3, "1000"),
            (4_294_967_295, -9, "4294967295000000000"),
            (0, -3, "0"),
            (0, 4, "0"),
            (10, 0, "10"),
        ] {
            assert_eq!(decimal(units, decimals), expected, "{units} of 10^-{decimals}");
        }
    }

    #[test]
    fn the_response_is_made_again_only_after_a_change() {
        let listed = Listed {
            instrument: InstrumentId(2),
            symbol: Symbol(*b"A\"\\     "),
            price_decimals: 4,
            qty_decimals: 0,
            tick: Price(300),
            lot: Qty(1),
            max_qty: Qty(10),
            legs: Legs { base: None, quote: Currency::Eur },
        };
        let mut document = Document::default();
        let session = SessionName(*b"S000000001");
        let empty = document.response(session);
        document.list(listed);
        document.list(Listed { instrument: InstrumentId(1), ..listed });
        let first = document.response(session);
        assert_ne!(first, empty);
        assert!(Arc::ptr_eq(&first, &document.response(session)));
        let text = String::from_utf8(first.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        let called = r#""symbol":"A\"\\","locate":1,"name":"A\"\\","base":"A\"\\","quote":"EUR","#;
        assert!(body.contains(called), "{body}");
        assert!(body.contains(r#""max_price":{"wire":1999999800,"decimal":"199999.98"}"#), "{body}");
        assert!(body.find("\"locate\":1").unwrap() < body.find("\"locate\":2").unwrap());
        document.list(Listed { max_qty: Qty(20), ..listed });
        let changed = document.response(session);
        assert!(!Arc::ptr_eq(&first, &changed));
        assert_eq!(changed.len(), first.len());
        document.name(FullNames::from([(listed.symbol, "A \"B\" Société".to_owned())]));
        let text = String::from_utf8(document.response(session).to_vec()).unwrap();
        assert!(text.contains(r#""name":"A \"B\" Société","base":"A\"\\""#), "{text}");
    }

    #[test]
    fn a_copy_is_left_after_each_change_and_only_then() {
        let (mut document, session) = (Document::default(), SessionName(*b"S000000001"));
        let copies = document.copies();
        assert_eq!(copies.take(), None);
        document.leave_copy(session);
        let first = copies.take().unwrap();
        assert!(document.response(session).ends_with(first.as_bytes()));
        document.leave_copy(session);
        assert_eq!(copies.take(), None);
        document.outdate();
        document.leave_copy(SessionName(*b"S000000002"));
        assert_eq!(copies.take(), Some(first.replace("S000000001", "S000000002")));
    }
}
