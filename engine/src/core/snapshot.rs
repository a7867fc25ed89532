//! The state as bytes: canonical, so that equal states have equal bytes however they came about.
//!
//! Little-endian, no padding, counts before lists. In order: format 8 (u8); sequence, ingress, order references, match
//! numbers (u64 each); opened (u8, 0 or 1), and if opened the fields of `OpenVenue` as declared; accounts by index (count
//! u32; name 6, firm 4, number u32, disabled u8, self-match
//! strategy u8 and group 2, cancel on disconnect u8, grace ms u32, cancels due u64); channels other than 0 by owner (count u32; owner u32, number u32);
//! instruments by index (count u32; symbol 8, price decimals u8, quantity decimals i8, tick, lot, `max_qty`, reference
//! price u32 each, state u8, short-sale test u8, last trade u32, matching algorithm u8, least share
//! u32, elections u16); then for each instrument
//! bids and asks (count u32 each), best price first, displayed before hidden at a price, oldest first, what waits
//! beside the book (count u32) by reference, and the references of the elected ones in their turn (count u32, u64 each). An order:
//! price u32 (0 = market), owner u32, number u32, open u32, done u32, tags u32, reference u64, group u16, `cl_ord_id` 14, then u8
//! each: flags, time in force, capacity, cross type, customer type, cancel on disconnect, sweep; reference of the displayed part
//! u64, displayed u32, minimum u32, floor u32, random reserves u32, deadline u64, self-match strategy u8 and group 2, price type
//! u8, peg offset i32, stop price u32, trail offset u32, trigger u8, handling u8. Numbers that say nothing are 0. Last (`snapshot_work.rs`)
//! the broken trades of the day, the cancels that are not finished, and the trading day; then money (`risk/state.rs`).

use super::Core;
use super::accounts::{Defaults, Freshness};
use super::book::slab::{Cold, Slab};
use protocol::command::{ListInstrument, OpenVenue};
use protocol::limits::ACCOUNTS_MAX;
use protocol::money::Legs;
use protocol::types::{
    AccountId, AccountName, Capacity, Channel, CrossType, Firm, InstrumentId, Nanos, Owner, Price, Qty, Sequence,
    SessionName, Symbol, TimeInForce, TradingState, UserRefNum,
};

/// First byte of every encoded state.
const FORMAT: u8 = 8;

/// Why bytes are not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeStateError {
    /// The bytes end too soon.
    #[error("state ends at byte {offset}, {needed} more were expected there")]
    Truncated {
        /// Where.
        offset: usize,
        /// How many bytes were wanted there.
        needed: usize,
    },
    /// There are bytes after the end of the state.
    #[error("state ends at byte {end}, but there are {len} bytes")]
    TrailingBytes {
        /// Where it ends.
        end: usize,
        /// How many there are.
        len: usize,
    },
    /// A value that no state has.
    #[error("state byte {offset}: {what} is not what it may be")]
    BadValue {
        /// First byte after the value.
        offset: usize,
        /// Which value.
        what: &'static str,
    },
}

impl Core {
    /// Appends the canonical bytes of the state. Time and length grow with accounts, instruments and open orders.
    pub fn encode_state(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        for number in [self.last_sequence.0, self.last_ingress.0, self.order_refs, self.matches] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let Some(venue) = &self.venue else {
            out.push(0);
            return;
        };
        out.push(1);
        out.extend_from_slice(&venue.session.0);
        for number in [venue.orders_max, venue.accounts_max, venue.channels_max] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&venue.instruments_max.to_le_bytes());
        out.extend_from_slice(&venue.orders_per_command_max.to_le_bytes());
        self.encode_accounts(out);
        self.encode_instruments(out);
        self.encode_orders(out);
        self.encode_work(out);
        self.risk.encode(out);
    }

    fn encode_accounts(&self, out: &mut Vec<u8>) {
        put_count(out, self.accounts.count());
        for account in self.accounts() {
            out.extend_from_slice(&account.name.0);
            out.extend_from_slice(&account.firm.0);
            out.extend_from_slice(&account.consumed.0.to_le_bytes());
            out.push(u8::from(account.entry_disabled));
            self.accounts.defaults(account.account).encode(out);
        }
        let channels = self.accounts.channels();
        put_count(out, channels.len());
        for (owner, consumed) in channels {
            out.extend_from_slice(&owner.to_bits().to_le_bytes());
            out.extend_from_slice(&consumed.0.to_le_bytes());
        }
    }

    fn encode_instruments(&self, out: &mut Vec<u8>) {
        put_count(out, self.instruments.count());
        for instrument in self.instruments() {
            let listed = &instrument.listed;
            out.extend_from_slice(&listed.symbol.0);
            out.push(listed.price_decimals);
            out.extend_from_slice(&listed.qty_decimals.to_le_bytes());
            for number in [listed.tick.0, listed.lot.0, listed.max_qty.0, listed.reference_price.0] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.push(instrument.state.letter());
            out.push(instrument.short_sale_test);
            out.extend_from_slice(&instrument.last_trade.0.to_le_bytes());
            self.instruments.terms(listed.instrument).encode(out);
        }
    }

    /// BLAKE3 of [`Core::encode_state`]. Allocates; never on the hot path.
    pub fn state_hash(&self) -> [u8; 32] {
        let mut bytes = Vec::new();
        self.encode_state(&mut bytes);
        *blake3::hash(&bytes).as_bytes()
    }

    /// Builds a core from the bytes of [`Core::encode_state`]; encoding it again gives the same bytes.
    ///
    /// # Errors
    /// Any bytes that no state encodes to: cut short, too long, values out of their range, orders that break a law of the
    /// book. Nothing is reserved by a number that the bytes only claim, except by the fields of `OpenVenue`.
    pub fn decode_state(bytes: &[u8]) -> Result<Self, DecodeStateError> {
        let mut reader = Reader { bytes, offset: 0 };
        let mut core = Self::new();
        let format = reader.u8()?;
        reader.check(format == FORMAT, "format")?;
        core.last_sequence = Sequence(reader.u64()?);
        core.last_ingress = Nanos(reader.u64()?);
        core.order_refs = reader.u64()?;
        core.matches = reader.u64()?;
        if reader.flag("opened")? {
            let open = reader.venue()?;
            core.reserve(&open);
            core.decode_accounts(&mut reader)?;
            core.decode_instruments(&mut reader)?;
            core.decode_orders(&mut reader)?;
            core.decode_work(&mut reader)?;
            core.decode_risk(&mut reader)?;
        }
        if reader.offset == bytes.len() {
            Ok(core)
        } else {
            Err(DecodeStateError::TrailingBytes { end: reader.offset, len: bytes.len() })
        }
    }

    /// Money and limits, once accounts, instruments and orders are there.
    fn decode_risk(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeStateError> {
        for account in (0..).take(self.accounts.count()).map(AccountId) {
            self.risk.open_account(self.accounts.names(account).firm);
        }
        for id in (1..).take(self.instruments.count()).map(InstrumentId) {
            let listed = self.instruments.terms(id).listed;
            self.risk.list(&listed, Legs::of_symbol(&listed.symbol));
        }
        self.risk.decode(reader)?;
        self.recount();
        self.sync_guards();
        Ok(())
    }

    fn decode_accounts(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeStateError> {
        let (accounts_max, channels_max) = self.venue.map_or((0, 0), |venue| (venue.accounts_max, venue.channels_max));
        let count = reader.u32()?;
        reader.check(count <= accounts_max.min(ACCOUNTS_MAX), "number of accounts")?;
        for account in (0..count).map(AccountId) {
            self.accounts.open(AccountName(reader.array()?), Firm(reader.array()?));
            let consumed = UserRefNum(reader.u32()?);
            self.accounts.consume(Owner::new(account, Channel(0)), consumed);
            let disabled = reader.flag("entry disabled")?;
            self.accounts.set_disabled(account, disabled);
            let defaults = reader.defaults()?;
            self.accounts.set_defaults(account, Defaults { due: Nanos(0), ..defaults });
            self.accounts.set_due(account, defaults.due);
        }
        let channels = reader.u32()?;
        reader.check(channels <= channels_max, "number of channels")?;
        let mut last = Owner::from_bits(0);
        for _ in 0..channels {
            let owner = Owner::from_bits(reader.u32()?);
            let fits = owner > last && owner.account().0 < count && owner.channel() != Channel(0);
            reader.check(fits, "channel")?;
            let consumed = UserRefNum(reader.u32()?);
            reader.check(self.accounts.consume(owner, consumed) == Freshness::Consumed, "number of a channel")?;
            last = owner;
        }
        Ok(())
    }

    fn decode_instruments(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeStateError> {
        let count = reader.u32()?;
        let most = self.venue.map_or(0, |venue| venue.instruments_max);
        reader.check(count <= u32::from(most), "number of instruments")?;
        for instrument in (1..).take(count as usize).map(InstrumentId) {
            let listed = ListInstrument {
                instrument,
                symbol: Symbol(reader.array()?),
                price_decimals: reader.u8()?,
                qty_decimals: i8::from_le_bytes(reader.array()?),
                tick: Price(reader.u32()?),
                lot: Qty(reader.u32()?),
                max_qty: Qty(reader.u32()?),
                reference_price: Price(reader.u32()?),
            };
            reader.check(listed.tick.0 != 0 && listed.lot.0 != 0, "tick or lot")?;
            self.instruments.list(&listed);
            let state = TradingState::from_letter(reader.u8()?);
            let state = reader.some(state, "trading state")?;
            self.instruments.instrument_mut(instrument).set_state(state);
            self.instruments.terms_mut(instrument).short_sale_test = reader.u8()?;
            self.instruments.instrument_mut(instrument).last_trade = Price(reader.u32()?);
            self.decode_terms(reader, instrument)?;
        }
        Ok(())
    }
}

pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    // All counts are bounded by u32 fields of OpenVenue.
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

/// Reads from the front.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Defaults {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.aiq, self.aiq_group[0], self.aiq_group[1], u8::from(self.cancel_on_disconnect)]);
        out.extend_from_slice(&self.grace_ms.to_le_bytes());
        out.extend_from_slice(&self.due.0.to_le_bytes());
    }
}

impl Reader<'_> {
    fn defaults(&mut self) -> Result<Defaults, DecodeStateError> {
        let [aiq, first, second] = self.array()?;
        Ok(Defaults {
            aiq,
            aiq_group: [first, second],
            cancel_on_disconnect: self.flag("cancel on disconnect")?,
            grace_ms: self.u32()?,
            due: Nanos(self.u64()?),
            is_being_cancelled: false,
        })
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeStateError> {
        let rest = self.bytes.get(self.offset..).unwrap_or(&[]);
        let array = rest.first_chunk().ok_or(DecodeStateError::Truncated { offset: self.offset, needed: N })?;
        self.offset += N;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeStateError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeStateError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeStateError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn check(&self, is_right: bool, what: &'static str) -> Result<(), DecodeStateError> {
        if is_right { Ok(()) } else { Err(DecodeStateError::BadValue { offset: self.offset, what }) }
    }

    pub(super) fn some<T>(&self, value: Option<T>, what: &'static str) -> Result<T, DecodeStateError> {
        value.ok_or(DecodeStateError::BadValue { offset: self.offset, what })
    }

    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, DecodeStateError> {
        let byte = self.u8()?;
        self.check(byte <= 1, what)?;
        Ok(byte == 1)
    }

    pub(super) fn venue(&mut self) -> Result<OpenVenue, DecodeStateError> {
        let open = OpenVenue {
            session: SessionName(self.array()?),
            orders_max: self.u32()?,
            accounts_max: self.u32()?,
            channels_max: self.u32()?,
            instruments_max: u16::from_le_bytes(self.array()?),
            orders_per_command_max: self.u32()?,
        };
        self.check(open.orders_per_command_max != 0 && open.orders_max <= Slab::ORDERS_MAX, "bounds of the venue")?;
        Ok(open)
    }

    pub(super) fn letters(&mut self, cold: Cold) -> Result<Cold, DecodeStateError> {
        let [time_in_force, capacity, cross_type, customer_type, cancel_on_disconnect] = self.array()?;
        Ok(Cold {
            time_in_force: self.some(TimeInForce::from_letter(time_in_force), "time in force")?,
            capacity: self.some(Capacity::from_letter(capacity), "capacity")?,
            cross_type: self.some(CrossType::from_letter(cross_type), "cross type")?,
            customer_type,
            cancel_on_disconnect,
            sweep: self.flag("sweep")?,
            ..cold
        })
    }
}
