//! The state as bytes: canonical, so that equal states have equal bytes however they came about.
//!
//! Little-endian, no padding, counts before lists. In order: format 1 (u8); sequence, ingress, order references, match
//! numbers (u64 each); opened (u8, 0 or 1), and if opened the fields of `OpenVenue` as declared; accounts by index (count
//! u32; name 6, firm 4, number u32, disabled u8); channels other than 0 by owner (count u32; owner u32, number u32);
//! instruments by index (count u32; symbol 8, price decimals u8, quantity decimals i8, tick, lot, `max_qty`, reference
//! price u32 each, state u8, short-sale test u8); then for each instrument bids and asks (count u32 each), best price
//! first, displayed before hidden at a price, oldest first: price u32, and the order (owner u32, number u32, open u32, done
//! u32, tags u32, reference u64, group u16, `cl_ord_id` 14, then u8 each: flags, time in force, capacity, cross type,
//! customer type, cancel on disconnect, sweep).

use super::Core;
use super::accounts::Freshness;
use super::book::is_crossed;
use super::book::ladder::{key_of, side_id};
use super::book::slab::{Cold, Node, OrderFlags, Slab};
use protocol::command::{ListInstrument, OpenVenue};
use protocol::limits::ACCOUNTS_MAX;
use protocol::types::{
    AccountId, AccountName, Capacity, Channel, ClOrdId, CrossType, Firm, InstrumentId, Nanos, OrderRef, Owner, Price,
    Qty, Sequence, SessionName, Symbol, TimeInForce, TradingState, UserRefNum,
};

/// First byte of every encoded state.
const FORMAT: u8 = 1;

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
        for id in (1..).take(self.instruments.count()) {
            self.encode_side(id, true, out);
            self.encode_side(id, false, out);
        }
    }

    fn encode_accounts(&self, out: &mut Vec<u8>) {
        put_count(out, self.accounts.count());
        for account in self.accounts() {
            out.extend_from_slice(&account.name.0);
            out.extend_from_slice(&account.firm.0);
            out.extend_from_slice(&account.consumed.0.to_le_bytes());
            out.push(u8::from(account.entry_disabled));
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
        }
    }

    fn encode_side(&self, id: u16, is_buy: bool, out: &mut Vec<u8>) {
        let side = side_id(id, is_buy);
        put_count(out, self.books.orders(side).count());
        for slot in self.books.orders(side) {
            let node = self.books.slab.node(slot);
            let cold = self.books.slab.cold(slot);
            let price = self.price_at(InstrumentId(id), side, self.books.slab.node(node.level).key());
            let (owner, number) = (node.owner().to_bits(), node.user_ref_num().0);
            for number in [price.0, owner, number, node.leaves, cold.done, cold.tags] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(&node.order_ref().0.to_le_bytes());
            out.extend_from_slice(&cold.group_id.to_le_bytes());
            out.extend_from_slice(&cold.cl_ord_id.0);
            out.extend_from_slice(&[
                node.flags().0,
                cold.time_in_force.letter(),
                cold.capacity.letter(),
                cold.cross_type.letter(),
                cold.customer_type,
                cold.cancel_on_disconnect,
                u8::from(cold.sweep),
            ]);
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
        }
        if reader.offset == bytes.len() {
            Ok(core)
        } else {
            Err(DecodeStateError::TrailingBytes { end: reader.offset, len: bytes.len() })
        }
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
            self.instruments.instrument_mut(instrument).state = reader.some(state, "trading state")?;
            self.instruments.terms_mut(instrument).short_sale_test = reader.u8()?;
        }
        Ok(())
    }

    fn decode_orders(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeStateError> {
        let mut by_ref = Vec::new();
        for id in (1..).take(self.instruments.count()) {
            for is_buy in [true, false] {
                for _ in 0..reader.u32()? {
                    by_ref.push(self.decode_order(reader, id, is_buy)?);
                }
            }
            let (bid, ask) = (side_id(id, true), side_id(id, false));
            let is_crossed = is_crossed((bid, self.books.side(bid).best_key), (ask, self.books.side(ask).best_key));
            reader.check(!is_crossed, "a book that is crossed")?;
        }
        by_ref.sort_unstable();
        reader.check(by_ref.windows(2).all(|pair| pair[0].0 < pair[1].0), "order reference")?;
        for (_, slot) in by_ref {
            let owner = self.books.slab.node(slot).owner();
            self.accounts.link(&mut self.books.slab, owner, slot);
        }
        Ok(())
    }

    /// One resting order; gives its reference and slot.
    fn decode_order(&mut self, reader: &mut Reader<'_>, id: u16, is_buy: bool) -> Result<(u64, u32), DecodeStateError> {
        let price = Price(reader.u32()?);
        let owner = Owner::from_bits(reader.u32()?);
        let (number, leaves, done, tags) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
        let order_ref = reader.u64()?;
        let cold = Cold {
            done,
            tags,
            group_id: u16::from_le_bytes(reader.array()?),
            cl_ord_id: ClOrdId(reader.array()?),
            ..Cold::BLANK
        };
        let flags = reader.u8()?;
        let cold = reader.letters(cold)?;
        let tick = self.instruments.instrument(InstrumentId(id)).tick_of(price).filter(|_| price.is_limit());
        let tick = reader.some(tick, "price")?;
        let flags =
            reader.some(OrderFlags::from_bits(flags).filter(|flags| flags.side().is_buy() == is_buy), "flags")?;
        let known = (owner.account().0 as usize) < self.accounts.count();
        reader.check(known && number != 0 && UserRefNum(number) <= self.accounts.consumed(owner), "owner or number")?;
        reader.check(self.find(owner, UserRefNum(number)).is_none(), "a number that is there twice")?;
        reader.check(leaves != 0 && done.checked_add(leaves).is_some(), "quantity")?;
        reader.check(order_ref != 0 && order_ref <= self.order_refs && order_ref >> 56 == 0, "order reference")?;
        reader.check(!self.books.slab.is_full(), "number of orders")?;
        let side = side_id(id, is_buy);
        let key = key_of(side, tick, flags.shown());
        let last = self.books.worst(side);
        let is_after = last == 0 || key <= last;
        reader.check(is_after, "order of the orders")?;
        let node = Node::order(owner, UserRefNum(number), leaves, OrderRef(order_ref), flags);
        let slot = self.books.rest(side, key, &node, || cold);
        self.index.insert(node.name, slot);
        Ok((order_ref, slot))
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // All counts are bounded by u32 fields of OpenVenue.
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

/// Reads from the front.
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeStateError> {
        let rest = self.bytes.get(self.offset..).unwrap_or(&[]);
        let array = rest.first_chunk().ok_or(DecodeStateError::Truncated { offset: self.offset, needed: N })?;
        self.offset += N;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, DecodeStateError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, DecodeStateError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, DecodeStateError> {
        self.array().map(u64::from_le_bytes)
    }

    fn check(&self, is_right: bool, what: &'static str) -> Result<(), DecodeStateError> {
        if is_right { Ok(()) } else { Err(DecodeStateError::BadValue { offset: self.offset, what }) }
    }

    fn some<T>(&self, value: Option<T>, what: &'static str) -> Result<T, DecodeStateError> {
        value.ok_or(DecodeStateError::BadValue { offset: self.offset, what })
    }

    fn flag(&mut self, what: &'static str) -> Result<bool, DecodeStateError> {
        let byte = self.u8()?;
        self.check(byte <= 1, what)?;
        Ok(byte == 1)
    }

    fn venue(&mut self) -> Result<OpenVenue, DecodeStateError> {
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

    fn letters(&mut self, cold: Cold) -> Result<Cold, DecodeStateError> {
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
