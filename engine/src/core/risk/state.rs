//! The risk state as bytes, behind that of the books (`core/snapshot.rs`). Little-endian; amounts have 16 bytes. What follows from
//! the rest is left out: reservations, what is open, what holds.
//!
//! ```text
//! venue killed u8; day u32, 0 before the first that the venue began; account u32 that is looked at next for its loss; rate of each currency; fee account in each currency
//! fee rows u32: tier u8, maker ppm i32, taker ppm i32, threshold
//! limits of the venue
//! firms u32: name 4, killed u8, limits
//! instruments u32: mark u32, killed u8, base u8 or 0, quote u8, limits
//! restrictions u32: kind u8 (0 all, 1 firm, 2 account), who 4, instrument u16
//! accounts u32: firm u32, mode, cause u8 or 0 and time u64 of the kill switch, tier u8, day u32, day's notional, volumes and balances, messages (level u64,
//!     at u64), duplicates, messages and refusals for the kill switch (the same), day u32 and dollars where the loss of the day
//!     counts from (u8 whether there is one), last order (instrument u16, buy u8, price u32, quantity u32), limits
//! positions u32, by account and instrument: account u32, instrument u16, quantity, cost, realised, orders (level u64, at u64)
//!
//! limits: count u8, then kind u8 and value.   volumes: bits u32, then what is not 0.   balances: bits u8, then what is not 0.
//! ```

use super::gate::LastOrder;
use super::limits::{Limits, Restricted, is_value};
use super::positions::Position;
use super::{Amounts, FirmRisk, KILLED, Risk, TIER_DAYS};
use crate::core::money::Bucket;
use crate::core::snapshot::{DecodeStateError, Reader};
use protocol::money::{Amount, Currency, Legs};
use protocol::operator::{AccountMode, KillCause, LimitKind, SetFees};
use protocol::types::{AccountId, Firm, InstrumentId, Nanos};

type Decoded<T> = Result<T, DecodeStateError>;

impl Risk {
    /// Appends the canonical bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.venue_flags & KILLED != 0));
        out.extend_from_slice(&self.day.to_le_bytes());
        out.extend_from_slice(&self.notes.next().0.to_le_bytes());
        for amount in self.rates.iter().chain(&self.fee_account) {
            put(out, *amount);
        }
        put_count(out, self.fees.rows().count());
        for (tier, row) in self.fees.rows() {
            out.push(tier);
            out.extend_from_slice(&row.maker_ppm.to_le_bytes());
            out.extend_from_slice(&row.taker_ppm.to_le_bytes());
            put(out, row.threshold);
        }
        put_limits(out, &self.defaults);
        put_count(out, self.firms.len());
        for firm in &self.firms {
            out.extend_from_slice(&firm.firm.0);
            out.push(u8::from(firm.is_killed));
            put_limits(out, &firm.own);
        }
        put_count(out, self.instruments.len());
        for (id, instrument) in (1..).map(InstrumentId).zip(&self.instruments) {
            out.extend_from_slice(&self.mark(id).to_le_bytes());
            out.push(u8::from(instrument.is_killed));
            out.push(instrument.legs.base.map_or(0, Currency::number));
            out.push(instrument.legs.quote.number());
            put_limits(out, &instrument.own);
        }
        put_count(out, self.restrictions.iter().count());
        for (who, instrument) in self.restrictions.iter() {
            let (kind, who) = match who {
                Restricted::All => (0, [0; 4]),
                Restricted::Firm(firm) => (1, firm.0),
                Restricted::Account(account) => (2, account.0.to_le_bytes()),
            };
            out.push(kind);
            out.extend_from_slice(&who);
            out.extend_from_slice(&instrument.0.to_le_bytes());
        }
        self.encode_accounts(out);
        self.encode_positions(out);
    }

    fn encode_accounts(&self, out: &mut Vec<u8>) {
        put_count(out, self.accounts.len());
        for (account, hot) in self.accounts.iter().zip(self.hot.iter()) {
            out.extend_from_slice(&account.firm.to_le_bytes());
            let (cause, since) = account.killed.map_or((0, 0), |(cause, since)| (cause.letter(), since.0));
            out.extend_from_slice(&[account.mode.letter(), cause]);
            out.extend_from_slice(&since.to_le_bytes());
            out.push(account.tier);
            out.extend_from_slice(&hot.day.to_le_bytes());
            put(out, hot.day_notional);
            let mut volumes = account.volumes;
            volumes[hot.day as usize % TIER_DAYS] = hot.day_notional;
            put_sparse::<4>(out, &volumes);
            put_sparse::<1>(out, &account.balance);
            for bucket in [hot.messages(), account.duplicates, hot.floods(), account.rejects] {
                put_bucket(out, bucket);
            }
            let (day, stood) = account.stood.unwrap_or_default();
            out.push(u8::from(account.stood.is_some()));
            out.extend_from_slice(&day.to_le_bytes());
            put(out, stood);
            let LastOrder { price, quantity, instrument, is_buy } = hot.last;
            out.extend_from_slice(&instrument.0.to_le_bytes());
            out.push(u8::from(is_buy));
            out.extend_from_slice(&price.to_le_bytes());
            out.extend_from_slice(&quantity.to_le_bytes());
            put_limits(out, &account.own);
        }
    }

    fn encode_positions(&self, out: &mut Vec<u8>) {
        let mut positions: Vec<&Position> = self.positions.iter().collect();
        positions.sort_unstable_by_key(|position| (position.account, position.instrument));
        put_count(out, positions.len());
        for position in positions {
            out.extend_from_slice(&position.account.0.to_le_bytes());
            out.extend_from_slice(&position.instrument.0.to_le_bytes());
            for number in [position.quantity, position.cost, position.realised] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            put_bucket(out, position.orders);
        }
    }

    /// Reads what [`Risk::encode`] wrote, into a state whose accounts and instruments are there as they were opened. The open
    /// orders are to be told after that.
    ///
    /// # Errors
    /// Bytes that no state encodes to.
    pub(in crate::core) fn decode(&mut self, reader: &mut Reader<'_>) -> Decoded<()> {
        if reader.flag("killed")? {
            self.venue_flags |= KILLED;
        }
        self.day = reader.u32()?;
        self.notes.set_next(AccountId(reader.u32()?));
        for amount in self.rates.iter_mut().chain(&mut self.fee_account) {
            *amount = amount_of(reader)?;
        }
        for _ in 0..reader.u32()? {
            let (tier, maker_ppm) = (reader.u8()?, i32::from_le_bytes(reader.array()?));
            let taker_ppm = i32::from_le_bytes(reader.array()?);
            let threshold = amount_of(reader)?;
            let fits = self.fees.set(&SetFees { tier, maker_ppm, taker_ppm, threshold });
            reader.check(fits, "fees")?;
        }
        self.is_charging = self.fees.is_charging();
        self.defaults = limits_of(reader)?;
        self.decode_firms(reader)?;
        self.decode_instruments(reader)?;
        self.decode_restrictions(reader)?;
        self.note_counting();
        self.decode_accounts(reader)?;
        self.decode_positions(reader)?;
        for at in 0..self.accounts.len() {
            self.work_out(at);
        }
        self.note_scarcity();
        self.set_units();
        self.watch();
        Ok(())
    }

    fn decode_firms(&mut self, reader: &mut Reader<'_>) -> Decoded<()> {
        let count = reader.u32()?;
        reader.check(count as usize == self.firms.len(), "number of firms")?;
        for at in 0..self.firms.len() {
            let firm =
                FirmRisk { firm: Firm(reader.array()?), is_killed: reader.flag("killed")?, own: limits_of(reader)? };
            reader.check(firm.firm == self.firms[at].firm, "firm")?;
            self.firms[at] = firm;
        }
        Ok(())
    }

    fn decode_instruments(&mut self, reader: &mut Reader<'_>) -> Decoded<()> {
        let count = reader.u32()?;
        reader.check(count as usize == self.instruments.len(), "number of instruments")?;
        for id in (1..).take(self.instruments.len()).map(InstrumentId) {
            let mark = reader.u32()?;
            let is_killed = reader.flag("killed")?;
            let [base, quote] = reader.array()?;
            let known = (base == 0 || Currency::from_number(base).is_some()) && mark < 1 << 31;
            reader.check(known, "mark or base")?;
            let quote = reader.some(Currency::from_number(quote), "quote")?;
            let instrument = &mut self.instruments[usize::from(id.0) - 1];
            instrument.is_killed = is_killed;
            instrument.legs = Legs { base: Currency::from_number(base), quote };
            instrument.own = limits_of(reader)?;
            self.markets.at_mut(id.0.into()).mark = mark;
            self.work_out_instrument(id);
        }
        Ok(())
    }

    fn decode_restrictions(&mut self, reader: &mut Reader<'_>) -> Decoded<()> {
        let mut last = None;
        for _ in 0..reader.u32()? {
            let (kind, who) = (reader.u8()?, reader.array()?);
            let who = match kind {
                0 if who == [0; 4] => Some(Restricted::All),
                1 => Some(Restricted::Firm(Firm(who))),
                2 => Some(Restricted::Account(AccountId(u32::from_le_bytes(who)))),
                _ => None,
            };
            let who = reader.some(who, "restriction")?;
            let instrument = InstrumentId(u16::from_le_bytes(reader.array()?));
            let is_next = last < Some((who, instrument)) && self.is_listed(instrument);
            let fits = is_next && self.restrictions.set(who, instrument, true);
            reader.check(fits, "restriction")?;
            last = Some((who, instrument));
        }
        Ok(())
    }

    fn decode_accounts(&mut self, reader: &mut Reader<'_>) -> Decoded<()> {
        let count = reader.u32()?;
        reader.check(count as usize == self.accounts.len(), "number of accounts")?;
        for at in 0..self.accounts.len() {
            let (mut account, mut hot) = (self.accounts[at], *self.hot.at(at));
            let firm = reader.u32()?;
            reader.check(firm == account.firm, "firm of an account")?;
            let mode = AccountMode::from_letter(reader.u8()?);
            account.mode = reader.some(mode, "account mode")?;
            let (cause, since) = (reader.u8()?, Nanos(reader.u64()?));
            account.killed = match cause {
                0 => None,
                cause => Some((reader.some(KillCause::from_letter(cause), "cause of a kill")?, since)),
            };
            reader.check(account.killed.is_some() || since == Nanos(0), "time of a kill")?;
            account.tier = reader.u8()?;
            reader.check(usize::from(account.tier) < protocol::operator::FEE_TIERS_MAX, "tier")?;
            hot.day = reader.u32()?;
            hot.day_notional = amount_of(reader)?;
            account.volumes = sparse_of::<4, TIER_DAYS>(reader)?;
            let is_of_day = account.volumes[hot.day as usize % TIER_DAYS] == hot.day_notional;
            reader.check(is_of_day, "volume of the day")?;
            account.balance = sparse_of::<1, { Currency::COUNT }>(reader)?;
            let messages = bucket_of(reader)?;
            account.duplicates = bucket_of(reader)?;
            hot.set_buckets([messages, bucket_of(reader)?]);
            account.rejects = bucket_of(reader)?;
            let (is_some, day, stood) = (reader.flag("day")?, reader.u32()?, amount_of(reader)?);
            reader.check(is_some || (day == 0 && stood == Amount::ZERO), "a day that has not begun")?;
            account.stood = is_some.then_some((day, stood));
            let instrument = InstrumentId(u16::from_le_bytes(reader.array()?));
            let (is_buy, price, quantity) = (reader.flag("side")?, reader.u32()?, reader.u32()?);
            hot.last = LastOrder { price, quantity, instrument, is_buy };
            account.own = limits_of(reader)?;
            self.accounts[at] = account;
            *self.hot.at_mut(at) = hot;
        }
        Ok(())
    }

    fn decode_positions(&mut self, reader: &mut Reader<'_>) -> Decoded<()> {
        let mut last = None;
        for _ in 0..reader.u32()? {
            let account = AccountId(reader.u32()?);
            let instrument = InstrumentId(u16::from_le_bytes(reader.array()?));
            let known = (account.0 as usize) < self.accounts.len() && self.is_listed(instrument);
            let is_next = last < Some((account, instrument)) && known && self.positions.has_room();
            reader.check(is_next, "position")?;
            let mut position = Position::none(account, instrument);
            for number in [&mut position.quantity, &mut position.cost, &mut position.realised] {
                *number = i128::from_le_bytes(reader.array()?);
            }
            position.orders = bucket_of(reader)?;
            *self.positions.entry(account, instrument) = position;
            last = Some((account, instrument));
        }
        Ok(())
    }
}

fn put(out: &mut Vec<u8>, amount: Amount) {
    out.extend_from_slice(&amount.0.to_le_bytes());
}

fn put_bucket(out: &mut Vec<u8>, bucket: Bucket) {
    out.extend_from_slice(&bucket.level.to_le_bytes());
    out.extend_from_slice(&bucket.at.0.to_le_bytes());
}

fn bucket_of(reader: &mut Reader<'_>) -> Decoded<Bucket> {
    Ok(Bucket { level: reader.u64()?, at: Nanos(reader.u64()?) })
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // All counts are bounded by u32 fields of OpenVenue.
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_limits(out: &mut Vec<u8>, limits: &Limits) {
    out.push(u8::try_from(limits.set_values().count()).unwrap_or(u8::MAX));
    for (kind, value) in limits.set_values() {
        out.push(kind.number());
        put(out, value);
    }
}

/// `BYTES` of bits that say which amounts are not 0, then those.
fn put_sparse<const BYTES: usize>(out: &mut Vec<u8>, amounts: &[Amount]) {
    let bits = amounts.iter().rev().fold(0_u32, |bits, amount| bits << 1 | u32::from(*amount != Amount::ZERO));
    out.extend(bits.to_le_bytes().iter().take(BYTES));
    for amount in amounts.iter().filter(|amount| **amount != Amount::ZERO) {
        put(out, *amount);
    }
}

fn amount_of(reader: &mut Reader<'_>) -> Decoded<Amount> {
    Ok(Amount(i128::from_le_bytes(reader.array()?)))
}

fn sparse_of<const BYTES: usize, const N: usize>(reader: &mut Reader<'_>) -> Decoded<[Amount; N]> {
    let mut bits = [0; 4];
    let read: [u8; BYTES] = reader.array()?;
    bits.iter_mut().zip(read).for_each(|(to, from)| *to = from);
    let bits = u32::from_le_bytes(bits);
    reader.check(u64::from(bits) >> N == 0, "which amounts there are")?;
    let mut amounts = [Amount::ZERO; N];
    for (at, amount) in amounts.iter_mut().enumerate() {
        if bits >> at & 1 == 1 {
            *amount = amount_of(reader)?;
            reader.check(*amount != Amount::ZERO, "an amount that is not there")?;
        }
    }
    Ok(amounts)
}

fn limits_of(reader: &mut Reader<'_>) -> Decoded<Limits> {
    let mut limits = Limits::NONE;
    let mut last = None;
    for _ in 0..reader.u8()? {
        let kind = LimitKind::from_number(reader.u8()?);
        let kind = reader.some(kind, "limit")?;
        let value = amount_of(reader)?;
        reader.check(last < Some(kind) && value != Amount::UNSET && is_value(kind, value), "value of a limit")?;
        limits.set(kind, value);
        last = Some(kind);
    }
    Ok(limits)
}

const _: () = assert!(size_of::<Amounts>() == 16 * Currency::COUNT);
