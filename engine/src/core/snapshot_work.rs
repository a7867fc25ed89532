//! As bytes: how instruments match and what state they are in (reference, bands as four numbers, two times as flag u8 and u64,
//! collar and cross as flag u8 and, if there, their fields as declared), the trades that were broken, and the cancels that are not finished.
//!
//! Behind the orders: the last match number of which it is forgotten whether it was broken u64, broken trades (count u32, u64 each, ascending), cancels (count u32)
//! by their beginning: account u32 (2^32 - 1 = all), kind u8 (0 asked, 1 disconnect, 2 end of market hours, 3 of system hours, 4 killed, 5 roll), when
//! asked owner u32, instrument u16, side u8 (0 = any), group u16, tags u32; last reference u64, looked at last: account u32,
//! reference u64; cancels that wait for a cross (count u32; owner u32, number u32); market-wide halt u8, and if there is one level u8
//! and next instrument u16; when the session began u64; whether the schedule rolls the day u8; roll u8 (0 none, 1 settling, 2 restating), of the first the session 10, of the second
//! instruments told u16 and last reference told u64.

use super::Core;
use super::bands::{Bands, Collar};
use super::cross::{Crossing, Phase};
use super::instruments::{InstrumentTerms, unusual};
use super::jobs::{Asked, DAY_JOBS_MAX, Filter, JOBS_MAX, Job};
use super::roll::Roll;
use super::snapshot::{DecodeStateError, Reader, put_count};
use protocol::command::TagSet;
use protocol::limits::{BUSTS_MAX, CANCELS_PENDING_MAX};
use protocol::types::{
    AccountId, CrossType, Firm, InstrumentId, MatchingAlgorithm, Nanos, Owner, Price, SessionName, Side, TradingState,
    UserRefNum,
};

impl InstrumentTerms {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.algorithm.letter());
        out.extend_from_slice(&self.minimum.to_le_bytes());
        out.extend_from_slice(&self.elections_max.to_le_bytes());
        let Bands { static_ppm, dynamic_ppm, collar_ppm, auction_s } = self.bands;
        for number in [self.reference.0, static_ppm, dynamic_ppm, collar_ppm, auction_s] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for time in [self.until, self.imbalance_due] {
            out.push(u8::from(time.is_some()));
            out.extend_from_slice(&time.map_or(0, |time| time.0).to_le_bytes());
        }
        out.push(u8::from(self.collar.is_some()));
        if let Some(Collar { reference, lower, upper, step, extension }) = self.collar {
            for number in [reference, lower, upper, step, extension] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        out.push(u8::from(self.crossing.is_some()));
        if let Some(crossing) = self.crossing {
            out.extend_from_slice(&[crossing.kind.letter(), crossing.phase as u8]);
            out.extend_from_slice(&crossing.price.to_le_bytes());
            out.extend_from_slice(&crossing.left.to_le_bytes());
            out.extend_from_slice(&crossing.executed.to_le_bytes());
            out.extend_from_slice(&[crossing.from.letter(), crossing.next.letter()]);
            out.extend_from_slice(&crossing.reason.0);
        }
    }
}

impl Core {
    pub(super) fn decode_terms(&mut self, reader: &mut Reader<'_>, id: InstrumentId) -> Result<(), DecodeStateError> {
        let algorithm = MatchingAlgorithm::from_letter(reader.u8()?);
        let algorithm = reader.some(algorithm, "matching algorithm")?;
        let terms = self.instruments.terms_mut(id);
        terms.algorithm = algorithm;
        terms.minimum = reader.u32()?;
        terms.elections_max = u16::from_le_bytes(reader.array()?);
        let is_shared = algorithm != MatchingAlgorithm::PriceTime;
        self.instruments.instrument_mut(id).set_unusual(unusual::ALGORITHM, is_shared);
        self.decode_market(reader, id)
    }

    fn decode_market(&mut self, reader: &mut Reader<'_>, id: InstrumentId) -> Result<(), DecodeStateError> {
        let reference = Price(reader.u32()?);
        let bands = Bands {
            static_ppm: reader.u32()?,
            dynamic_ppm: reader.u32()?,
            collar_ppm: reader.u32()?,
            auction_s: reader.u32()?,
        };
        let (until, imbalance_due) = (reader.time()?, reader.time()?);
        let collar = if reader.flag("collar")? { Some(reader.collar()?) } else { None };
        let crossing = if reader.flag("cross")? { Some(reader.crossing()?) } else { None };
        let terms = self.instruments.terms_mut(id);
        (terms.reference, terms.bands, terms.collar, terms.crossing) = (reference, bands, collar, crossing);
        let has_bands = bands.static_ppm != 0 || bands.dynamic_ppm != 0 || bands.collar_ppm != 0;
        self.instruments.instrument_mut(id).set_unusual(unusual::BANDS, has_bands);
        let is_trading = self.instruments.instrument(id).is_trading();
        reader.check(crossing.is_none() || !is_trading, "cross while trading")?;
        self.crossings += u32::from(crossing.is_some());
        self.set_until(id, until);
        self.set_imbalance_due(id, imbalance_due);
        Ok(())
    }

    pub(super) fn encode_work(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.busts.forgotten.to_le_bytes());
        put_count(out, self.busts.broken.len());
        for number in &self.busts.broken {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_count(out, self.jobs.len());
        for job in &self.jobs {
            job.encode(out);
        }
        put_count(out, self.waiting_cancels.len());
        for (owner, number) in &self.waiting_cancels {
            out.extend_from_slice(&owner.to_bits().to_le_bytes());
            out.extend_from_slice(&number.0.to_le_bytes());
        }
        out.push(u8::from(self.halting.is_some()));
        if let Some((level, next)) = self.halting {
            out.push(level);
            out.extend_from_slice(&next.to_le_bytes());
        }
        out.extend_from_slice(&self.day.opened.0.to_le_bytes());
        out.push(u8::from(self.day.rolls));
        match self.day.roll {
            None => out.push(0),
            Some(Roll::Settling(session)) => {
                out.push(1);
                out.extend_from_slice(&session.0);
            }
            Some(Roll::Restating { instruments, told }) => {
                out.push(2);
                out.extend_from_slice(&instruments.to_le_bytes());
                out.extend_from_slice(&told.to_le_bytes());
            }
        }
    }

    fn decode_day(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeStateError> {
        self.day.opened = Nanos(reader.u64()?);
        self.day.rolls = reader.flag("rolled day")?;
        self.day.roll = match reader.u8()? {
            0 => None,
            1 => Some(Roll::Settling(SessionName(reader.array()?))),
            kind => {
                reader.check(kind == 2, "roll")?;
                let (instruments, told) = (u16::from_le_bytes(reader.array()?), reader.u64()?);
                let fits = usize::from(instruments) <= self.instruments.count() && told <= self.order_refs;
                reader.check(fits && self.crossings == 0, "roll")?;
                Some(Roll::Restating { instruments, told })
            }
        };
        if let Some(Roll::Restating { told, .. }) = self.day.roll {
            self.crossings += 1;
            self.collect(told);
            self.day.carried.reverse();
        }
        if self.is_rolling() {
            self.mark_rolling(true);
        }
        Ok(())
    }

    pub(super) fn decode_work(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeStateError> {
        self.busts.forgotten = reader.u64()?;
        let count = reader.u32()? as usize;
        reader.check(count <= BUSTS_MAX && self.busts.forgotten <= self.matches, "broken trades")?;
        let mut last = self.busts.forgotten;
        for _ in 0..count {
            let number = reader.u64()?;
            reader.check(number > last && number <= self.matches, "broken trade")?;
            self.busts.broken.push(number);
            last = number;
        }
        let count = reader.u32()? as usize;
        reader.check(count <= JOBS_MAX + DAY_JOBS_MAX, "cancels")?;
        for _ in 0..count {
            let job = reader.job()?;
            let is_known = job.account.is_none_or(|account| (account.0 as usize) < self.accounts.count());
            reader.check(is_known && job.last_ref <= self.order_refs, "cancel")?;
            self.jobs.push(job);
            if let Some(account) = job.account {
                self.accounts.set_being_cancelled(account, true);
            }
        }
        let count = reader.u32()? as usize;
        reader.check(count <= CANCELS_PENDING_MAX, "cancels that wait")?;
        for _ in 0..count {
            self.waiting_cancels.push_back((Owner::from_bits(reader.u32()?), UserRefNum(reader.u32()?)));
        }
        if reader.flag("market-wide halt")? {
            self.halting = Some((reader.u8()?, u16::from_le_bytes(reader.array()?)));
        }
        self.decode_day(reader)
    }
}

impl Job {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.account.map_or(u32::MAX, |account| account.0).to_le_bytes());
        match self.filter {
            Filter::Asked(asked) => {
                out.push(0);
                out.extend_from_slice(&asked.owner.to_bits().to_le_bytes());
                out.extend_from_slice(&asked.instrument.map_or(0, |instrument| instrument.0).to_le_bytes());
                out.push(asked.side.map_or(0, Side::letter));
                out.extend_from_slice(&asked.group_id.to_le_bytes());
                out.extend_from_slice(&asked.present.0.to_le_bytes());
            }
            Filter::Disconnect => out.push(1),
            Filter::Day(of_system) => out.push(2 + u8::from(of_system)),
            Filter::Killed => out.push(4),
            Filter::Roll => out.push(5),
        }
        out.extend_from_slice(&self.last_ref.to_le_bytes());
        out.extend_from_slice(&self.done.0.to_le_bytes());
        out.extend_from_slice(&self.done.1.to_le_bytes());
    }
}

impl Reader<'_> {
    fn time(&mut self) -> Result<Option<Nanos>, DecodeStateError> {
        let (is_some, time) = (self.flag("time")?, self.u64()?);
        self.check(is_some || time == 0, "time")?;
        Ok(is_some.then_some(Nanos(time)))
    }

    fn collar(&mut self) -> Result<Collar, DecodeStateError> {
        Ok(Collar {
            reference: self.u32()?,
            lower: self.u32()?,
            upper: self.u32()?,
            step: self.u32()?,
            extension: self.u32()?,
        })
    }

    fn crossing(&mut self) -> Result<Crossing, DecodeStateError> {
        let [kind, phase] = self.array()?;
        let phases = [Phase::Pair, Phase::Imbalance, Phase::Cancel, Phase::Refill];
        let kind = self.some(CrossType::from_letter(kind), "cross type")?;
        let phase = self.some(phases.get(usize::from(phase)).copied(), "phase of a cross")?;
        let (price, left, executed) = (self.u32()?, self.u64()?, self.u64()?);
        let [from, next] = self.array()?;
        let from = self.some(TradingState::from_letter(from), "trading state")?;
        let next = self.some(TradingState::from_letter(next), "trading state")?;
        Ok(Crossing { kind, price, left, executed, phase, from, next, reason: Firm(self.array()?) })
    }

    fn job(&mut self) -> Result<Job, DecodeStateError> {
        let account = self.u32()?;
        let account = (account != u32::MAX).then_some(AccountId(account));
        let filter = match self.u8()? {
            0 => Filter::Asked(self.asked()?),
            1 => Filter::Disconnect,
            4 => Filter::Killed,
            5 => Filter::Roll,
            kind => {
                self.check(kind < 4, "kind of a cancel")?;
                Filter::Day(kind == 3)
            }
        };
        Ok(Job { account, filter, last_ref: self.u64()?, done: (self.u32()?, self.u64()?) })
    }

    fn asked(&mut self) -> Result<Asked, DecodeStateError> {
        let owner = Owner::from_bits(self.u32()?);
        let instrument = u16::from_le_bytes(self.array()?);
        let side = self.u8()?;
        let side = if side == 0 { None } else { Some(self.some(Side::from_letter(side), "side")?) };
        Ok(Asked {
            owner,
            instrument: (instrument != 0).then_some(InstrumentId(instrument)),
            side,
            group_id: u16::from_le_bytes(self.array()?),
            present: TagSet(self.u32()?),
        })
    }
}
