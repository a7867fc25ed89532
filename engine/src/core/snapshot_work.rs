//! As bytes: how instruments match, the trades that were broken, and the cancels that are not finished.
//!
//! Behind the orders: last match number of the day before u64, broken trades (count u32, u64 each, ascending), cancels (count u32)
//! by their beginning: account u32 (2^32 - 1 = all), kind u8 (0 asked, 1 disconnect, 2 end of market hours, 3 of system hours), when
//! asked owner u32, instrument u16, side u8 (0 = any), group u16, tags u32; last reference u64, looked at last: account u32,
//! reference u64.

use super::Core;
use super::instruments::{InstrumentTerms, unusual};
use super::jobs::{Asked, Filter, JOBS_MAX, Job};
use super::snapshot::{DecodeStateError, Reader, put_count};
use protocol::command::TagSet;
use protocol::limits::BUSTS_MAX;
use protocol::types::{AccountId, InstrumentId, MatchingAlgorithm, Owner, Side};

impl InstrumentTerms {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.algorithm.letter());
        out.extend_from_slice(&self.minimum.to_le_bytes());
        out.extend_from_slice(&self.elections_max.to_le_bytes());
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
        Ok(())
    }

    pub(super) fn encode_work(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.busts.day_began_at.to_le_bytes());
        put_count(out, self.busts.broken.len());
        for number in &self.busts.broken {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_count(out, self.jobs.len());
        for job in &self.jobs {
            job.encode(out);
        }
    }

    pub(super) fn decode_work(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeStateError> {
        self.busts.day_began_at = reader.u64()?;
        let count = reader.u32()? as usize;
        reader.check(count <= BUSTS_MAX && self.busts.day_began_at <= self.matches, "broken trades")?;
        let mut last = self.busts.day_began_at;
        for _ in 0..count {
            let number = reader.u64()?;
            reader.check(number > last && number <= self.matches, "broken trade")?;
            self.busts.broken.push(number);
            last = number;
        }
        let count = reader.u32()? as usize;
        reader.check(count <= JOBS_MAX, "cancels")?;
        for _ in 0..count {
            let job = reader.job()?;
            let is_known = job.account.is_none_or(|account| (account.0 as usize) < self.accounts.count());
            reader.check(is_known && job.last_ref <= self.order_refs, "cancel")?;
            self.jobs.push(job);
            if let Some(account) = job.account {
                self.accounts.set_being_cancelled(account, true);
            }
        }
        Ok(())
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
        }
        out.extend_from_slice(&self.last_ref.to_le_bytes());
        out.extend_from_slice(&self.done.0.to_le_bytes());
        out.extend_from_slice(&self.done.1.to_le_bytes());
    }
}

impl Reader<'_> {
    fn job(&mut self) -> Result<Job, DecodeStateError> {
        let account = self.u32()?;
        let account = (account != u32::MAX).then_some(AccountId(account));
        let filter = match self.u8()? {
            0 => Filter::Asked(self.asked()?),
            1 => Filter::Disconnect,
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
