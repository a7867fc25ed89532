//! Cancels by filter: what a client's Mass Cancel, the end of a session or the end of a day names. One command looks at as many
//! orders as it may touch; what is left is done by `Tick`, in the order in which the cancels were begun. An account whose orders are
//! being cancelled enters none until that is done.

use super::Core;
use super::sink::{EventSink, Out};
use protocol::RejectReason;
use protocol::command::{MassCancel, TagSet};
use protocol::limits::CANCELS_UNFINISHED_MAX;
use protocol::types::{AccountId, CancelReason, InstrumentId, Nanos, Owner, Side, TimeInForce};

/// Cancels of accounts that may be unfinished at once.
pub(super) const JOBS_MAX: usize = CANCELS_UNFINISHED_MAX;
/// Those of the whole venue come on top: one of each kind, which begins anew when it is asked for again.
pub(super) const DAY_JOBS_MAX: usize = 4;

/// A cancel by filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// Whose orders; `None` = everybody's.
    pub(super) account: Option<AccountId>,
    pub(super) filter: Filter,
    /// Later orders are left alone.
    pub(super) last_ref: u64,
    /// The order that was looked at last: account and reference.
    pub(super) done: (u32, u64),
}

/// Which orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// What a client named.
    Asked(Asked),
    /// What does not outlive its session.
    Disconnect,
    /// What does not outlive the market hours, or the system hours.
    Day(bool),
    /// Everything: the kill switch of the account tripped. Of the whole venue: of every account whose own switch is on.
    Killed,
    /// What does not outlive the trading day.
    Roll,
}

/// What a client's Mass Cancel names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) owner: Owner,
    pub(super) instrument: Option<InstrumentId>,
    pub(super) side: Option<Side>,
    pub(super) group_id: u16,
    pub(super) present: TagSet,
}

impl Asked {
    pub(super) fn of(mass: &MassCancel) -> Self {
        let MassCancel { owner, instrument, side, group_id, present, .. } = *mass;
        Self { owner, instrument, side, group_id, present }
    }
}

impl Core {
    /// Begins a cancel. False when there are too many unfinished ones of accounts. While carried orders are told again it only
    /// waits, and so does one that no client asked for while a cross goes on: no more orders can be pending than there are places.
    pub(super) fn begin_job(
        &mut self,
        account: Option<AccountId>,
        filter: Filter,
        out: &mut Out<'_, impl EventSink>,
    ) -> bool {
        if account.is_some() && self.jobs.len() >= JOBS_MAX {
            return false;
        }
        let job = Job { account, filter, last_ref: self.order_refs, done: (0, 0) };
        let same =
            self.jobs.iter().position(|known| account.is_none() && known.account.is_none() && known.filter == filter);
        let at = same.unwrap_or(self.jobs.len());
        match same {
            Some(at) => self.jobs[at] = job,
            None => self.jobs.push(job),
        }
        let is_asked = matches!(filter, Filter::Asked(_));
        // What a client asks for during a cross is answered at once: frozen orders are pending. The rest has time.
        if self.is_restating() || (self.crossings != 0 && !is_asked) {
            self.note_cancelling(account);
        } else {
            self.run_job(at, out);
        }
        true
    }

    /// Looks at as many orders as the command may touch: by account, oldest first.
    pub(super) fn run_job(&mut self, at: usize, out: &mut Out<'_, impl EventSink>) {
        let job = self.jobs[at];
        let last = u32::try_from(self.accounts.count()).unwrap_or(u32::MAX);
        let accounts = match job.account {
            Some(account) => account.0..account.0 + 1,
            None => job.done.0..last,
        };
        for account in accounts {
            let is_of_killed = job.account.is_none() && job.filter == Filter::Killed;
            if is_of_killed && !self.risk.is_killed_itself(AccountId(account)) {
                continue;
            }
            if !self.run_on_account(at, AccountId(account), out) {
                return self.note_cancelling(job.account);
            }
        }
        self.jobs.remove(at);
        self.note_cancelling(job.account);
    }

    /// False when the command may touch no more.
    fn run_on_account(&mut self, at: usize, account: AccountId, out: &mut Out<'_, impl EventSink>) -> bool {
        let Job { filter, last_ref, done, .. } = self.jobs[at];
        let sentinel = self.books.slab.account_link(account);
        let mut slot = self.books.slab.link(sentinel).newer;
        while slot != sentinel {
            let newer = self.books.slab.link(slot).newer;
            let age = self.age_of(slot);
            if age > last_ref {
                break;
            }
            if (account.0, age) > done {
                if self.touches_left() == 0 {
                    return false;
                }
                self.touched += 1;
                self.jobs[at].done = (account.0, age);
                if self.passes(&filter, slot) {
                    self.cancel_or_wait(slot, filter.reason(), out);
                }
            }
            slot = newer;
        }
        true
    }

    fn passes(&self, filter: &Filter, slot: u32) -> bool {
        let node = self.books.slab.node(slot);
        let cold = self.books.slab.cold(slot);
        match filter {
            Filter::Asked(asked) => {
                let has = |tag| asked.present.has(tag);
                asked.instrument.is_none_or(|instrument| instrument == self.instrument_of(slot))
                    && asked.side.is_none_or(|side| side == node.flags().side())
                    && (!has(TagSet::GROUP_ID) || asked.group_id == cold.group_id)
                    && (!has(TagSet::USER_REF_IDX) || asked.owner == node.owner())
            }
            Filter::Disconnect => match cold.cancel_on_disconnect {
                b'Y' => true,
                b'N' => false,
                _ => self.accounts.defaults(node.owner().account()).cancel_on_disconnect,
            },
            Filter::Killed => true,
            Filter::Day(_) | Filter::Roll => match cold.time_in_force {
                TimeInForce::Day => true,
                TimeInForce::Gtx | TimeInForce::AfterHours => *filter != Filter::Day(false),
                TimeInForce::Ioc | TimeInForce::Fok => *filter == Filter::Roll,
                TimeInForce::Gtt | TimeInForce::Gtc | TimeInForce::Gtd => false,
            },
        }
    }

    fn note_cancelling(&mut self, account: Option<AccountId>) {
        if let Some(account) = account {
            let is_so = self.jobs.iter().any(|job| job.account == Some(account));
            self.accounts.set_being_cancelled(account, is_so);
        }
    }

    /// The session of an account began: what was due for the end of the last one is not any more.
    pub(super) fn connected(&mut self, account: AccountId) -> Result<(), RejectReason> {
        let account = self.known(account)?;
        self.accounts.set_due(account, Nanos(0));
        Ok(())
    }

    /// The session of an account ended.
    pub(super) fn disconnected(
        &mut self,
        account: AccountId,
        out: &mut Out<'_, impl EventSink>,
    ) -> Result<(), RejectReason> {
        let account = self.known(account)?;
        let grace = u64::from(self.accounts.defaults(account).grace_ms) * 1_000_000;
        if grace != 0 || !self.begin_job(Some(account), Filter::Disconnect, out) {
            self.accounts.set_due(account, Nanos(out.ingress().0 + grace));
        }
        Ok(())
    }

    /// The grace of a disconnected account is over, or there is room for a cancel that waited.
    pub(super) fn end_grace(&mut self, account: AccountId, out: &mut Out<'_, impl EventSink>) {
        if self.begin_job(Some(account), Filter::Disconnect, out) {
            self.accounts.set_due(account, Nanos(0));
        }
    }
}

impl Filter {
    fn reason(self) -> CancelReason {
        match self {
            Self::Asked(_) => CancelReason::User,
            Self::Disconnect | Self::Killed => CancelReason::Supervisory,
            Self::Day(_) | Self::Roll => CancelReason::Expired,
        }
    }
}
