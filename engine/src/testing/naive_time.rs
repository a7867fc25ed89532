//! The naive model's time: what a tick does, expiry, the end of a session and of the day, and cancels that are too many for
//! one command.

use super::features::Features;
use super::naive_book::{NaiveVenue, Order};
use protocol::command::{MassCancel, TagSet};
use protocol::limits::CANCELS_UNFINISHED_MAX;
use protocol::operator::Scope;
use protocol::types::{AccountId, CancelReason, InstrumentId, Owner, TimeInForce, UserRefNum};
use protocol::{EventBody, RejectReason};

/// A cancel by filter that may need more than one command.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Whose orders; `None` = everybody's.
    pub(super) account: Option<AccountId>,
    pub(super) filter: Filter,
    /// Later orders are left alone.
    pub(super) last_ref: u64,
    /// The order that was looked at last: account and reference.
    pub(super) done: (u32, u64),
}

#[derive(Clone, Debug)]
pub(super) enum Filter {
    /// What a client's Mass Cancel says.
    Asked(MassCancel),
    /// What does not outlive its session.
    Disconnect,
    /// What does not outlive the day.
    Day(Vec<TimeInForce>),
    /// Everything: a kill switch tripped.
    Killed,
}

impl Filter {
    /// In the state.
    pub(super) fn number(&self) -> u8 {
        match self {
            Self::Asked(_) => 0,
            Self::Disconnect => 1,
            Self::Day(ending) => match ending.len() {
                1 => 2,
                3 => 3,
                _ => 5,
            },
            Self::Killed => 4,
        }
    }
}

impl NaiveVenue {
    /// Does the first thing that is due.
    pub(super) fn tick(&mut self) {
        let now = self.now();
        if self.is_restating() {
            return self.restate();
        }
        if let Some(instrument) = self.waits_for_elections() {
            return self.touch(instrument);
        }
        let instruments = || (1..).map(InstrumentId);
        let frozen = instruments().zip(&self.instruments).find(|(_, market)| market.crossing.is_some());
        if let Some((instrument, _)) = frozen {
            return self.cross_on(instrument);
        }
        if !self.waiting_cancels.is_empty() {
            return self.cancel_waiting();
        }
        if self.halting.is_some() {
            return self.halt_more();
        }
        if !self.jobs.is_empty() {
            return self.run_job(0);
        }
        if self.roll.is_some() {
            return self.switch_day();
        }
        if self.orders().any(|order| order.deadline.is_some_and(|deadline| deadline <= now)) {
            return self.expire();
        }
        let left = self.accounts.iter().position(|account| account.disconnect_due.is_some_and(|due| due <= now));
        if let Some(at) = left {
            // Nothing is unfinished here.
            self.accounts[at].disconnect_due = None;
            self.begin_job(Some(AccountId(u32::try_from(at).unwrap_or(u32::MAX))), Filter::Disconnect);
            return;
        }
        let due = |at: Option<u64>| at.filter(|at| *at <= now);
        let ended =
            instruments().zip(&self.instruments).filter_map(|(id, market)| Some((due(market.until)?, id))).min();
        if let Some((_, instrument)) = ended {
            return self.end_auction(instrument);
        }
        let telling =
            instruments().zip(&self.instruments).filter_map(|(id, market)| Some((due(market.imbalance_due)?, id)));
        if let Some((_, instrument)) = telling.min() {
            self.market_mut(instrument).imbalance_due = Some(now + 1_000_000_000);
            self.tell_imbalance(instrument);
        }
    }

    fn expire(&mut self) {
        let now = self.now();
        let is_over = |order: &&Order| order.deadline.is_some_and(|deadline| deadline <= now);
        let mut over: Vec<Order> = self.orders().filter(is_over).cloned().collect();
        over.sort_by_key(|order| (order.deadline, order.order_ref));
        for order in over {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            self.cancel_rest_for(order.owner, order.number, CancelReason::Expired);
        }
    }

    /// The session of an account has ended.
    pub(super) fn disconnect(&mut self, account: AccountId) -> Result<(), RejectReason> {
        self.needs(Features::DISCONNECT)?;
        let now = self.now();
        let found = self.accounts.get_mut(account.0 as usize).ok_or(RejectReason::FirmNotAuthorized)?;
        let grace = found.grace_ns;
        if grace > 0 || !self.begin_job(Some(account), Filter::Disconnect) {
            self.accounts[account.0 as usize].disconnect_due = Some(now + grace);
        }
        Ok(())
    }

    /// Cancels what does not outlive the day.
    pub(super) fn end_day(&mut self, ending: &[TimeInForce]) {
        self.begin_job(None, Filter::Day(ending.to_vec()));
    }

    /// False when too many cancels of accounts are unfinished.
    pub(super) fn begin_job(&mut self, account: Option<AccountId>, filter: Filter) -> bool {
        if account.is_some() && self.are_cancels_full() {
            return false;
        }
        let is_asked = matches!(filter, Filter::Asked(_));
        let job = Job { account, filter, last_ref: self.order_refs, done: (0, 0) };
        // The end of a day that is asked for again begins anew.
        let is_same =
            |known: &Job| account.is_none() && known.account.is_none() && known.filter.number() == job.filter.number();
        let at = self.jobs.iter().position(is_same);
        match at {
            Some(at) => self.jobs[at] = job,
            None => self.jobs.push(job),
        }
        let is_crossing = self.instruments.iter().any(|market| market.crossing.is_some());
        let has_time = is_crossing && !is_asked;
        if !self.is_restating() && !has_time {
            self.run_job(at.unwrap_or(self.jobs.len() - 1));
        }
        true
    }

    pub(super) fn are_cancels_full(&self) -> bool {
        self.jobs.len() >= CANCELS_UNFINISHED_MAX
    }

    /// Looks at as many orders as the command may touch: by account, oldest first.
    fn run_job(&mut self, at: usize) {
        let job = self.jobs[at].clone();
        let key = |order: &Order| (order.owner.account().0, order.order_ref);
        let is_killed = |account| self.money.killed.contains(&Scope::Account(account));
        let is_of_killed = matches!(job.filter, Filter::Killed) && job.account.is_none();
        let concerns = |order: &&Order| {
            job.account.is_none_or(|account| account == order.owner.account())
                && (!is_of_killed || is_killed(order.owner.account()))
                && order.order_ref <= job.last_ref
                && key(order) > job.done
        };
        let mut left: Vec<Order> = self.orders().filter(concerns).cloned().collect();
        left.sort_by_key(key);
        for order in left {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            self.jobs[at].done = key(&order);
            if self.passes(&job.filter, &order) {
                let reason = match job.filter {
                    Filter::Asked(_) => CancelReason::User,
                    Filter::Disconnect | Filter::Killed => CancelReason::Supervisory,
                    Filter::Day(_) => CancelReason::Expired,
                };
                self.cancel_or_wait(&order, reason);
            }
        }
        self.jobs.remove(at);
    }

    fn passes(&self, filter: &Filter, order: &Order) -> bool {
        match filter {
            Filter::Asked(mass) => {
                mass.instrument.is_none_or(|instrument| instrument == order.instrument)
                    && mass.side.is_none_or(|side| side == order.side)
                    && (!mass.present.has(TagSet::GROUP_ID) || order.group_id == mass.group_id)
                    && (!mass.present.has(TagSet::USER_REF_IDX) || order.owner == mass.owner)
            }
            Filter::Disconnect => match order.cancel_on_disconnect {
                b'Y' => true,
                b'N' => false,
                _ => self.account(order.owner).cancel_on_disconnect,
            },
            Filter::Killed => true,
            Filter::Day(ending) => ending.contains(&order.time_in_force),
        }
    }

    /// Orders of this account are being cancelled, and the end of that is not yet reached.
    pub(super) fn is_being_cancelled(&self, account: AccountId) -> bool {
        self.jobs.iter().any(|job| job.account == Some(account))
    }

    /// Cancels all that is open of an order, after the cross when its instrument is frozen.
    pub(super) fn cancel_or_wait(&mut self, order: &Order, reason: CancelReason) {
        if !self.is_frozen(order.instrument) {
            return self.cancel_rest_for(order.owner, order.number, reason);
        }
        let (owner, user_ref_num) = (order.owner, order.number);
        if self.waiting_cancels.contains(&(owner, user_ref_num)) {
            return;
        }
        self.tell_details(order, 0);
        if self.waiting_cancels.len() < protocol::limits::CANCELS_PENDING_MAX {
            self.waiting_cancels.push((owner, user_ref_num));
            self.tell(EventBody::CancelPending { owner, user_ref_num });
        } else {
            self.tell(EventBody::CancelRejected { owner, user_ref_num });
        }
    }

    fn cancel_waiting(&mut self) {
        while let Some(&(owner, number)) = self.waiting_cancels.first() {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            self.waiting_cancels.remove(0);
            self.cancel_rest(owner, number);
        }
    }

    /// Cancels an order whose Replace is invalid; frozen, it stays and the Replace is refused.
    pub(super) fn cancel_for_replace(&mut self, owner: Owner, original: UserRefNum, number: UserRefNum) {
        let is_frozen = self.live(owner, original).is_some_and(|order| self.is_frozen(order.instrument));
        if is_frozen {
            self.consumed.insert(owner, number.0);
            self.reject(owner, number, RejectReason::CancelPending);
        } else {
            self.cancel_rest(owner, original);
        }
    }
}
