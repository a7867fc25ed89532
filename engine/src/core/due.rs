//! What becomes due with time: a `Tick` does the first thing that is, and the core says when the next one will be. Orders
//! never look at a clock: until its `Tick` is sequenced, an order that expires is as good as any other.

use super::Core;
use super::sink::{EventSink, Out};
use protocol::types::{CancelReason, InstrumentId, Nanos};

impl Core {
    /// When the next `Tick` is due: a time, 0 for what was left unfinished, or `None` for never.
    pub fn next_due(&self) -> Option<Nanos> {
        let has_unfinished = self.crossings != 0
            || self.instrument_to_elect().is_some()
            || self.halting.is_some()
            || !self.jobs.is_empty()
            || !self.waiting_cancels.is_empty()
            || self.is_rolling();
        if has_unfinished {
            return Some(Nanos(0));
        }
        let deadline = self.specials.next_deadline().map(|(_, deadline)| deadline);
        let others = [self.accounts.first_due(), self.auctions.first(), self.imbalances.first()];
        others.into_iter().chain([deadline]).flatten().min()
    }

    /// Does the first thing that is due.
    pub(super) fn tick(&mut self, out: &mut Out<'_, impl EventSink>) {
        if self.is_restating() {
            return self.roll_on(out);
        }
        if let Some(instrument) = self.instrument_to_elect() {
            return self.note_changed(instrument);
        }
        if self.crossings != 0 {
            return self.go_on_crossing(out);
        }
        if !self.waiting_cancels.is_empty() {
            return self.cancel_waiting(out);
        }
        if self.halting.is_some() {
            return self.halt_more(out);
        }
        if !self.jobs.is_empty() {
            return self.run_job(0, out);
        }
        if self.is_rolling() {
            return self.roll_on(out);
        }
        let now = out.ingress();
        if self.specials.next_deadline().is_some_and(|(_, deadline)| deadline <= now) {
            return self.expire(out);
        }
        if let Some(account) = self.accounts.due_at(now) {
            return self.end_grace(account, out);
        }
        let auction = self.auctions.due(now).next();
        if let Some(instrument) = auction {
            return self.end_auction(id_of(instrument), out);
        }
        let imbalance = self.imbalances.due(now).next();
        if let Some(instrument) = imbalance {
            self.tell_imbalance(id_of(instrument), out);
        }
    }

    fn instrument_to_elect(&self) -> Option<InstrumentId> {
        if self.specials.elected == 0 {
            return None;
        }
        (1..)
            .take(self.instruments.count())
            .map(InstrumentId)
            .find(|id| self.instruments.instrument(*id).is_trading() && !self.specials.watch(*id).elected.is_empty())
    }

    fn go_on_crossing(&mut self, out: &mut Out<'_, impl EventSink>) {
        let mut all = (1..).take(self.instruments.count()).map(InstrumentId);
        if let Some(instrument) = all.find(|id| self.instruments.terms(*id).crossing.is_some()) {
            self.cross_on(instrument, out);
        }
    }

    fn expire(&mut self, out: &mut Out<'_, impl EventSink>) {
        while self.touches_left() != 0 {
            let Some((slot, _)) = self.specials.next_deadline().filter(|(_, deadline)| *deadline <= out.ingress())
            else {
                break;
            };
            self.touched += 1;
            self.cancel_whole(slot, CancelReason::Expired, out);
        }
    }
}

/// The instrument of an index.
fn id_of(index: u32) -> InstrumentId {
    InstrumentId(u16::try_from(index).unwrap_or(0))
}
