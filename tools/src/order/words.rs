//! Says in words, or in JSON, what the venue answered. Amounts are decimals, as people write them.

use protocol::ouch::outbound::{Executed, Outbound, Rejected};
use protocol::{CancelReason, RejectReason, SessionName, Symbol, UserRefNum};
use serde_json::{Map, Value, json};

use super::desk::{UnitsBySymbol, Unsent};
use crate::client::OwnOrder;
use crate::output::print_line;
use crate::units::InstrumentUnits;

/// The printing side.
#[derive(Debug)]
pub(super) struct Words {
    units: UnitsBySymbol,
    json: bool,
}

impl Words {
    /// For these instruments; with `json`, one object per line.
    pub(super) fn new(instruments: Vec<InstrumentUnits>, json: bool) -> Self {
        Self { units: instruments.into_iter().map(|units| (units.symbol, units)).collect(), json }
    }

    /// The scale of an instrument.
    pub(super) fn units(&self, symbol: Symbol) -> Result<InstrumentUnits, Unsent> {
        let units = self.units.get(&symbol).copied();
        units.ok_or_else(|| {
            Unsent::Refused(format!("the venue does not list {symbol}; `hft instrument list` names what it does"))
        })
    }

    /// Prints one message; `about` is the order it is about, as it is afterwards.
    pub(super) fn say(&self, message: &Outbound, about: Option<OwnOrder>) {
        let scale = about.and_then(|order| self.units.get(&order.symbol).copied());
        let said = Said { scale, about };
        if let Some((event, text, fields)) = said.of(message) {
            self.print(event, &text, fields);
        }
    }

    /// Prints the open orders and the next number.
    pub(super) fn open_orders<'a>(&self, orders: impl Iterator<Item = &'a OwnOrder>, next: UserRefNum) {
        let mut count = 0_u64;
        for order in orders {
            count += 1;
            let said = Said { scale: self.units.get(&order.symbol).copied(), about: Some(*order) };
            let text = format!("open: {}", said.order_text(order));
            self.print("open", &text, said.order_fields(order));
        }
        let orders = if count == 1 { "order" } else { "orders" };
        let text = format!("{count} {orders} open, the next number is {next}");
        self.print("query", &text, fields([("open_orders", json!(count)), ("next_user_ref_num", json!(next.0))]));
    }

    /// Says that the day was rolled.
    pub(super) fn new_session(&self, session: SessionName) {
        let known = fields([("session", json!(session.to_string()))]);
        self.print("session", &format!("the trading day was rolled: session {session}"), known);
    }

    /// Says why nothing came of a request.
    pub(super) fn complain(&self, why: &str) {
        if self.json {
            print_line(&json!({ "event": "refused", "reason": why }).to_string());
        } else {
            eprintln!("hft order: {why}");
        }
    }

    fn print(&self, event: &str, text: &str, mut fields: Map<String, Value>) {
        if self.json {
            fields.insert("event".to_owned(), json!(event));
            print_line(&Value::Object(fields).to_string());
        } else {
            print_line(text);
        }
    }
}

fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One message with what is known of its order.
struct Said {
    scale: Option<InstrumentUnits>,
    about: Option<OwnOrder>,
}

type Sentence = (&'static str, String, Map<String, Value>);

impl Said {
    fn price(&self, price: u64) -> String {
        self.scale.map_or_else(|| format!("{price} (wire units)"), |scale| scale.price_text(price))
    }

    fn quantity(&self, quantity: protocol::Qty) -> String {
        let units = u64::from(quantity.0);
        self.scale.map_or_else(|| format!("{units} (wire units)"), |scale| scale.quantity_text(units))
    }

    fn order_text(&self, order: &OwnOrder) -> String {
        if order.is_carried {
            let (number, order_ref) = (order.user_ref_num, order.order_ref);
            return format!("order {number}: entered in a session before, reference {order_ref}");
        }
        format!(
            "order {}: {} {} {} @ {}, reference {}",
            order.user_ref_num,
            side_word(order.side),
            self.quantity(order.open),
            order.symbol,
            self.price(order.price),
            order.order_ref
        )
    }

    fn order_fields(&self, order: &OwnOrder) -> Map<String, Value> {
        fields([
            ("user_ref_num", json!(order.user_ref_num.0)),
            ("symbol", json!(order.symbol.as_text())),
            ("side", json!(side_word(order.side))),
            ("price", json!(self.price(order.price))),
            ("open", json!(self.quantity(order.open))),
            ("done", json!(self.quantity(order.done))),
            ("order_reference", json!(order.order_ref.0)),
        ])
    }

    /// What is still open of the order, for the end of a sentence.
    fn still_open(&self) -> String {
        self.about.filter(|order| !order.is_carried).map_or_else(String::new, |order| match order.open {
            protocol::Qty::ZERO => ", done".to_owned(),
            open => format!(", {} open", self.quantity(open)),
        })
    }

    fn open_field(&self) -> Value {
        let known = self.about.filter(|order| !order.is_carried);
        known.map_or(Value::Null, |order| json!(self.quantity(order.open)))
    }

    fn of(&self, message: &Outbound) -> Option<Sentence> {
        match message {
            Outbound::Accepted(accepted) => {
                let order = OwnOrder { open: accepted.quantity, ..self.about? };
                let dead = accepted.order_state == b'D';
                let end = if dead { ", and finished at once: nothing to trade with" } else { "" };
                let mut known = self.order_fields(&order);
                known.insert("live".to_owned(), json!(!dead));
                Some(("accepted", format!("accepted: {}{end}", self.order_text(&order)), known))
            }
            Outbound::Replaced(replaced) => {
                let order = OwnOrder { open: replaced.quantity, ..self.about? };
                let dead = replaced.order_state == b'D';
                let end = if dead { ", and nothing is open" } else { "" };
                let mut known = self.order_fields(&order);
                known.insert("replaces".to_owned(), json!(replaced.orig_user_ref_num.0));
                known.insert("live".to_owned(), json!(!dead));
                let text = format!("replaced {} by {}{end}", replaced.orig_user_ref_num, self.order_text(&order));
                Some(("replaced", text, known))
            }
            Outbound::Executed(done) => Some(self.executed(done)),
            Outbound::Canceled(canceled) => {
                Some(self.canceled(canceled.user_ref_num, canceled.quantity, canceled.reason))
            }
            Outbound::AiqCanceled(canceled) => {
                Some(self.canceled(canceled.user_ref_num, canceled.decrement_shares, canceled.reason))
            }
            Outbound::Rejected(rejected) => Some(rejected_words(rejected)),
            Outbound::BrokenTrade(broken) => {
                let text = format!("broken: match {} of order {} is void", broken.match_number, broken.user_ref_num);
                let number = json!(broken.match_number.0);
                Some((
                    "broken",
                    text,
                    fields([("user_ref_num", json!(broken.user_ref_num.0)), ("match_number", number)]),
                ))
            }
            Outbound::Modified(modified) => {
                let open = self.quantity(modified.quantity);
                let text = format!("modified: order {}, {open} open", modified.user_ref_num);
                Some((
                    "modified",
                    text,
                    fields([("user_ref_num", json!(modified.user_ref_num.0)), ("open", json!(open))]),
                ))
            }
            Outbound::CancelPending(pending) => Some(plain("cancel_pending", "cancel pending", pending.user_ref_num)),
            Outbound::CancelReject(reject) => Some(plain("cancel_reject", "cancel rejected", reject.user_ref_num)),
            Outbound::PriorityUpdate(update) => {
                let (number, order_ref) = (update.user_ref_num, update.order_ref);
                let text = format!("new place: order {number} @ {}, reference {order_ref}", self.price(update.price));
                let known = [("user_ref_num", json!(number.0)), ("order_reference", json!(order_ref.0))];
                Some(("priority", text, fields(known)))
            }
            Outbound::Restated(restated) => Some(plain("restated", "filled up again", restated.user_ref_num)),
            Outbound::MassCancelResponse(taken) => Some(plain("mass_cancel", "mass cancel taken", taken.user_ref_num)),
            Outbound::EntryDisabled(taken) => Some(plain("entry_disabled", "order entry disabled", taken.user_ref_num)),
            Outbound::EntryEnabled(taken) => Some(plain("entry_enabled", "order entry enabled", taken.user_ref_num)),
            Outbound::TradeCorrection(corrected) => Some(plain("corrected", "corrected", corrected.user_ref_num)),
            Outbound::SystemEvent(_) | Outbound::AccountQueryResponse(_) => None,
        }
    }

    fn executed(&self, done: &Executed) -> Sentence {
        let (quantity, price) = (self.quantity(done.quantity), self.price(done.price));
        let open = self.still_open();
        let text =
            format!("executed: order {} {quantity} @ {price}, match {}{open}", done.user_ref_num, done.match_number);
        let known = fields([
            ("user_ref_num", json!(done.user_ref_num.0)),
            ("quantity", json!(quantity)),
            ("price", json!(price)),
            ("match_number", json!(done.match_number.0)),
            ("open", self.open_field()),
        ]);
        ("executed", text, known)
    }

    fn canceled(&self, number: UserRefNum, quantity: protocol::Qty, reason: u8) -> Sentence {
        let (quantity, why) = (self.quantity(quantity), cancel_words(reason));
        let text = format!("canceled: order {number} {quantity}, {why}{}", self.still_open());
        let known = fields([
            ("user_ref_num", json!(number.0)),
            ("quantity", json!(quantity)),
            ("reason", json!(char::from(reason).to_string())),
            ("reason_text", json!(why)),
            ("open", self.open_field()),
        ]);
        ("canceled", text, known)
    }
}

fn rejected_words(rejected: &Rejected) -> Sentence {
    let why = reject_words(rejected.reason);
    let text = format!("rejected: order {}: {why} (reason {:04X})", rejected.user_ref_num, rejected.reason);
    let known = fields([
        ("user_ref_num", json!(rejected.user_ref_num.0)),
        ("reason", json!(format!("{:04X}", rejected.reason))),
        ("reason_text", json!(why)),
    ]);
    ("rejected", text, known)
}

fn plain(event: &'static str, words: &str, number: UserRefNum) -> Sentence {
    (event, format!("{words}: order {number}"), fields([("user_ref_num", json!(number.0))]))
}

fn side_word(side: u8) -> &'static str {
    match side {
        b'B' => "buy",
        b'S' => "sell",
        b'T' => "sell short",
        b'E' => "sell short exempt",
        _ => "unknown side",
    }
}

fn cancel_words(reason: u8) -> &'static str {
    let Some(reason) = CancelReason::from_letter(reason) else { return "for a reason unknown here" };
    match reason {
        CancelReason::Regulatory => "regulatory restriction",
        CancelReason::Closed => "the market closed",
        CancelReason::PostOnlyAway | CancelReason::PostOnly => "post only, and it would have traded",
        CancelReason::Halted => "halted",
        CancelReason::Immediate => "the rest of an immediate order",
        CancelReason::Collar => "it cannot be executed within its bounds",
        CancelReason::SelfMatch => "self-match prevention",
        CancelReason::Supervisory => "by the venue's staff",
        CancelReason::Expired => "its time is over",
        CancelReason::User => "as asked",
        CancelReason::OpenProtection => "open protection",
        CancelReason::System => "by the system",
    }
}

/// What an OUCH reject reason means. Several of the venue's own reasons share one; the first is the likeliest.
fn reject_words(code: u16) -> String {
    let words = match code {
        0x0002 => "the market or the venue is closed",
        0x0003 => "such an order cannot be displayed like this",
        0x0004 => "max floor does not fit",
        0x0005 => "unknown price type",
        0x0007 => "the instrument is halted",
        0x0009 => "unknown side",
        0x000A => "the venue cannot take more",
        0x000B => "orders are being cancelled, or a cross goes on",
        0x000C => "the firm may not enter orders",
        0x000D => "minimum quantity does not fit",
        0x000F => "malformed, or not offered by this venue",
        0x0011 => "this kind of peg is not offered",
        0x0013 => "quantity is zero, off the lot, or above the maximum",
        0x0014 => "no such cross, or not now",
        0x0017 => "no such symbol",
        0x001A => "retail orders are not offered",
        0x001D => "price is off the tick grid or out of range",
        0x0020 => "risk: exposure, position or open orders",
        0x0022 => "risk: restricted instrument",
        0x0025 => "risk: daily volume",
        0x0026 => "risk: too far from the market",
        0x0027 | 0x002B => "risk: short sale",
        0x0028 | 0x0029 => "risk: message rate",
        0x002A => "risk: duplicate orders",
        0x002C => "risk: market orders",
        0x0030 => "risk: value of the order",
        0x0031 => "risk: quantity of the order",
        0x0040 => "self-match prevention letters unknown",
        _ => "for a reason unknown here",
    };
    let transient = RejectReason::ALL.iter().any(|reason| reason.ouch_code() == code && reason.is_transient());
    if transient { format!("{words}; try again later") } else { words.to_owned() }
}
