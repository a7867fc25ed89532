//! What becomes due with time: a `Tick` does the first thing that is, and the core says when the next one will be. Orders
//! never look at a clock: until its `Tick` is sequenced, an order that expires is as good as any other.

use super::Core;
use super::sink::{EventSink, Out};
use protocol::types::{CancelReason, InstrumentId, Nanos};

impl Core {
    /// When the next `Tick` is due: a time, 0 for what was left unfinished, or `None` for never.
    pub fn next_due(&self) -> Option<Nanos> {
        if self.instrument_to_elect().is_some() {
            return Some(Nanos(0));
        }
        if !self.jobs.is_empty() {
            return Some(Nanos(0));
        }
        let deadline = self.specials.next_deadline().map(|(_, deadline)| deadline);
        [deadline, self.accounts.first_due()].into_iter().flatten().min()
    }

    /// Does the first thing that is due.
    pub(super) fn tick(&mut self, out: &mut Out<'_, impl EventSink>) {
        if let Some(instrument) = self.instrument_to_elect() {
            return self.note_changed(instrument);
        }
        if !self.jobs.is_empty() {
            return self.run_job(0, out);
        }
        let now = out.ingress();
        if self.specials.next_deadline().is_some_and(|(_, deadline)| deadline <= now) {
            return self.expire(out);
        }
        if let Some(account) = self.accounts.due_at(now) {
            self.end_grace(account, out);
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
