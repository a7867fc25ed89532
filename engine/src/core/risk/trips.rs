//! Kill switches that nobody turned: what is noted while a command goes on is looked at when it ends, because then the marks
//! are what they are, and no order is on its way.

use super::Risk;
use crate::core::money::Bucket;
use protocol::operator::{KillCause, LimitKind};
use protocol::types::{AccountId, InstrumentId, Nanos};

/// Why an account is looked at.
#[derive(Clone, Copy, Debug)]
enum Note {
    /// It has traded, or was refused for its loss.
    Loss,
    /// A rate was passed.
    Rate(KillCause),
    /// A trade of this instrument was broken.
    Broken(InstrumentId),
}

/// What is noted, in order.
#[derive(Debug)]
pub(super) struct Notes {
    list: Vec<(AccountId, Note)>,
    /// Of those, looked at.
    done: usize,
    /// A mark moved.
    has_moved: bool,
    /// Accounts with a loss limit, in order.
    watched: Vec<AccountId>,
    /// Those below it were looked at in this round.
    next: AccountId,
    /// Where the first of the others most likely is.
    place: usize,
    /// Commands that moved a mark while the gates of all watched accounts were open: for each of them it is somebody else's turn.
    passed: usize,
    /// Watched accounts whose gate is open.
    open: usize,
    /// The trades of one aggressor for which nothing was noted because of that.
    quiet: Quiet,
}

/// The trades of one aggressor, as long as nothing is noted of them.
#[derive(Debug)]
struct Quiet {
    /// Its reference; 0 = none.
    aggressor: u64,
    taker: AccountId,
    makers: Vec<AccountId>,
}

/// Accounts with a loss limit that are looked at by a command that moved a mark, beside those that traded.
const LOOKS: usize = 2;

impl Notes {
    /// Each account may trade once, and the two of a broken trade or the one that sent a message come on top.
    pub(super) fn new(accounts: usize, orders_per_command: usize) -> Self {
        let (list, watched) = (Vec::with_capacity(2 * accounts + 4), Vec::with_capacity(accounts));
        let quiet = Quiet { aggressor: 0, taker: AccountId(0), makers: Vec::with_capacity(orders_per_command) };
        Self { list, done: 0, has_moved: false, watched, next: AccountId(0), place: 0, passed: 0, open: 0, quiet }
    }

    /// Somebody has a loss limit.
    pub(super) fn watches_some(&self) -> bool {
        !self.watched.is_empty()
    }

    /// All gates are shut.
    pub(super) fn none_is_open(&mut self) {
        self.open = 0;
    }

    /// References of orders begin anew.
    pub(super) fn forget_quiet(&mut self) {
        self.quiet.aggressor = 0;
    }

    /// The gate of an account with a loss limit is open.
    pub(super) fn one_is_open(&mut self) {
        self.open += 1;
    }

    /// The gate of an account with a loss limit is shut, which was open.
    pub(super) fn one_is_shut(&mut self) {
        self.open -= 1;
    }

    /// A trade of two accounts whose gates are open needs no note: those of all accounts with a loss limit are open, too, and
    /// nothing was noted in this command. Then it is kept in mind, should anything be noted of the same aggressor later.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "for every trade while somebody has limits")]
    pub(super) fn pass_over(&mut self, aggressor: u64, maker: AccountId, taker: AccountId) -> bool {
        if self.watched.is_empty() {
            return true;
        }
        let quiet = &mut self.quiet;
        if self.open != self.watched.len() || self.has_moved || !self.list.is_empty() {
            return false;
        }
        if quiet.aggressor != aggressor {
            (quiet.aggressor, quiet.taker) = (aggressor, taker);
            quiet.makers.clear();
            self.passed += 1;
        }
        if quiet.makers.len() == quiet.makers.capacity() {
            return false;
        }
        quiet.makers.push(maker);
        true
    }

    /// The account whose turn it is, after those that were passed over.
    pub(super) fn next(&self) -> AccountId {
        self.after_passed().0
    }

    /// Those below it were looked at.
    pub(super) fn set_next(&mut self, next: AccountId) {
        self.next = next;
    }

    /// The same, and its place.
    fn after_passed(&self) -> (AccountId, usize) {
        let count = self.watched.len();
        if self.passed == 0 || count == 0 {
            return (self.next, self.place);
        }
        let turns = self.passed * LOOKS.min(count);
        let last = (self.turn() + (turns - 1) % count) % count;
        (AccountId(self.watched[last].0 + 1), last + 1)
    }

    /// Gives those whose turn has passed theirs.
    fn settle_turns(&mut self) {
        if self.passed != 0 {
            (self.next, self.place) = self.after_passed();
            self.passed = 0;
        }
    }
    /// The place of the account whose turn it is.
    fn turn(&self) -> usize {
        let is_there = self.watched.get(self.place).is_some_and(|id| *id >= self.next)
            && self.place.checked_sub(1).is_none_or(|before| self.watched[before] < self.next);
        let place = if is_there { self.place } else { self.watched.partition_point(|id| *id < self.next) };
        if place == self.watched.len() { 0 } else { place }
    }

    /// The account whose turn it is; then it is that of the next one. There is one.
    fn take_turn(&mut self) -> AccountId {
        self.settle_turns();
        let place = self.turn();
        let id = self.watched[place];
        (self.next, self.place) = (AccountId(id.0 + 1), place + 1);
        id
    }
}

impl Risk {
    fn note(&mut self, account: AccountId, note: Note) {
        self.notes.list.push((account, note));
        self.is_sync_due = true;
    }

    /// There is something to look at.
    pub(crate) fn has_noted(&self) -> bool {
        !self.notes.list.is_empty() || self.notes.has_moved
    }

    /// Finds the accounts with a loss limit after limits were set.
    pub(super) fn watch(&mut self) {
        let all = (0..).map(AccountId).zip(&self.accounts);
        let watched = all.filter(|(_, account)| account.limits.get(LimitKind::DayLoss).is_some());
        self.notes.settle_turns();
        self.notes.watched.clear();
        self.notes.watched.extend(watched.map(|(id, _)| id));
        self.shut_all();
    }

    /// Something is to be noted of a trade of this aggressor: so are those before it.
    pub(crate) fn note_quiet(&mut self, aggressor: u64) {
        let quiet = &mut self.notes.quiet;
        if quiet.aggressor != aggressor || quiet.makers.is_empty() {
            return;
        }
        let (taker, mut makers) = (quiet.taker, std::mem::take(&mut quiet.makers));
        quiet.aggressor = 0;
        self.notes.passed -= 1;
        for (at, maker) in makers.iter().enumerate() {
            self.note_loss(*maker);
            if at == 0 {
                self.note_loss(taker);
            }
        }
        makers.clear();
        self.notes.quiet.makers = makers;
    }

    /// A mark moved while somebody has limits.
    #[inline]
    pub(super) fn note_moved(&mut self, instrument: InstrumentId) {
        let market = self.markets.at_mut(instrument.0.into());
        if !market.is_near() && market.follow() {
            self.shut_all();
        }
        if !self.notes.watched.is_empty() {
            self.notes.has_moved = true;
            self.is_sync_due = true;
        }
    }

    /// Looks at what was noted in this command when that takes no close look: the gates of all whose loss is asked for are open. False
    /// when one is shut, or something else was noted; then nothing is done.
    pub(crate) fn look_in_passing(&mut self, now: Nanos) -> bool {
        let is_quiet = |(id, note): &(AccountId, Note)| matches!(note, Note::Loss) && self.is_open(*id, now);
        if !self.notes.list.iter().all(is_quiet) {
            return false;
        }
        let mut turns = 0;
        self.notes.settle_turns();
        if self.notes.has_moved {
            let Notes { watched, .. } = &self.notes;
            let from = self.notes.turn();
            turns = LOOKS.min(watched.len());
            let is_open = |at| self.is_open(watched[(from + at) % watched.len()], now);
            if !(0..turns).all(is_open) {
                return false;
            }
        }
        for (id, _) in &self.notes.list {
            self.hot.at_mut(id.0 as usize).is_noted = false;
        }
        self.notes.list.clear();
        self.notes.has_moved = false;
        for _ in 0..turns {
            self.notes.take_turn();
        }
        true
    }

    /// Notes the next accounts with a loss limit, in turn.
    fn note_watched(&mut self) {
        self.notes.has_moved = false;
        for _ in 0..LOOKS.min(self.notes.watched.len()) {
            let id = self.notes.take_turn();
            self.note_loss(id);
        }
    }

    /// An account has traded, or was refused for its loss: it is looked at when it has a limit.
    pub(crate) fn note_loss(&mut self, id: AccountId) {
        let hot = self.hot.at_mut(id.0 as usize);
        if hot.is_watched && !hot.is_noted {
            hot.is_noted = true;
            self.note(id, Note::Loss);
        }
    }

    /// A trade of two accounts was broken.
    pub(super) fn note_broken(&mut self, account: AccountId, instrument: InstrumentId) {
        self.note(account, Note::Broken(instrument));
    }

    /// Counts a message, refused or not.
    pub(super) fn note_message(&mut self, id: AccountId, is_refused: bool, now: Nanos) {
        let (account, hot) = (&mut self.accounts[id.0 as usize], self.hot.at_mut(id.0 as usize));
        let [_, floods] = hot.buckets_mut();
        let passes = |rate: Option<u64>, bucket: &mut Bucket| {
            rate.is_some_and(|rate| {
                let is_passed = !bucket.allows(rate, now);
                bucket.take(rate, now);
                is_passed
            })
        };
        let is_flood = passes(account.counts.floods, floods);
        let is_wrong = is_refused && passes(account.counts.rejects, &mut account.rejects);
        for (is_passed, cause) in [(is_flood, KillCause::MessageRate), (is_wrong, KillCause::Rejects)] {
            if is_passed {
                self.note(id, Note::Rate(cause));
            }
        }
    }

    /// The next switch that trips by what was noted: it is on when this returns.
    pub(crate) fn next_trip(&mut self, now: Nanos) -> Option<(AccountId, KillCause)> {
        loop {
            let Some((id, note)) = self.notes.list.get(self.notes.done).copied() else {
                if self.notes.has_moved {
                    self.note_watched();
                    continue;
                }
                self.notes.list.clear();
                self.notes.done = 0;
                return None;
            };
            self.notes.done += 1;
            let cause = match note {
                Note::Loss => self.loss_passed(id, now),
                Note::Rate(cause) => Some(cause),
                Note::Broken(instrument) => self.is_beyond(id, instrument).then_some(KillCause::Position),
            };
            if let Some(cause) = cause
                && self.accounts[id.0 as usize].killed.is_none()
            {
                self.accounts[id.0 as usize].killed = Some((cause, now));
                self.work_out(id.0 as usize);
                return Some((id, cause));
            }
        }
    }

    fn loss_passed(&mut self, id: AccountId, now: Nanos) -> Option<KillCause> {
        self.hot.at_mut(id.0 as usize).is_noted = false;
        self.begin_day_of(id, now);
        let limit = self.limit(id, LimitKind::DayLoss)?;
        if self.loss(id, now)? > limit {
            return Some(KillCause::DayLoss);
        }
        self.open_gate(id, now);
        None
    }

    /// A position is beyond what it may be.
    fn is_beyond(&self, account: AccountId, instrument: InstrumentId) -> bool {
        let held = self.positions.find(account, instrument).map_or(0, |position| position.quantity);
        let kind = if held > 0 { LimitKind::PositionLong } else { LimitKind::PositionShort };
        let amount = self.instrument(instrument).scale.quantity(held.abs());
        let limit = self.tighter(account, instrument, kind);
        held != 0 && limit.is_some_and(|limit| amount.is_none_or(|amount| amount > limit))
    }
}
