//! Accounts: the numbers they have used up, whether they may enter orders, and the list of what they have open.

use super::book::slab::Slab;
use super::book::table::Table;
use super::timetable::Timetable;
use protocol::types::{AccountId, AccountName, Channel, Firm, Nanos, Owner, UserRefNum};

/// What every request reads. 8 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// Highest number used up on channel 0.
    consumed: u32,
    /// Open orders, and in the top bits whether entry is disabled, whether orders get something by default, and whether they
    /// are checked against limits.
    open: u32,
}

const _: () = assert!(size_of::<Account>() == 8);

const DISABLED: u32 = 1 << 31;
const UNUSUAL: u32 = 1 << 30;
const GUARDED: u32 = 1 << 29;
const _: () = assert!(Slab::ORDERS_MAX < GUARDED);

impl Account {
    /// Open orders.
    pub(crate) fn open_orders(self) -> u32 {
        self.open & !(DISABLED | UNUSUAL | GUARDED)
    }

    /// New orders are taken, and get nothing by default.
    #[inline]
    pub(crate) fn is_ordinary(self) -> bool {
        self.open & (DISABLED | UNUSUAL) == 0
    }

    /// Something is set for it: its orders are checked, and counted.
    #[inline]
    pub(crate) fn is_guarded(self) -> bool {
        self.open & GUARDED != 0
    }

    /// New orders get something by default.
    pub(crate) fn is_unusual(self) -> bool {
        self.open & UNUSUAL != 0
    }

    /// New orders are refused.
    pub(crate) fn is_disabled(self) -> bool {
        self.open & DISABLED != 0
    }
}

/// What is asked rarely.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountNames {
    pub(crate) name: AccountName,
    pub(crate) firm: Firm,
}

/// What the orders of an account do when they do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// Letter of the AIQ table.
    pub(crate) aiq: u8,
    /// Self-match group.
    pub(crate) aiq_group: [u8; 2],
    /// Orders are cancelled when the session ends.
    pub(crate) cancel_on_disconnect: bool,
    /// Time between that and the cancels.
    pub(crate) grace_ms: u32,
    /// When the cancels are due; 0 = they are not.
    pub(crate) due: Nanos,
    /// Its orders are being cancelled, and it enters none.
    pub(crate) is_being_cancelled: bool,
}

impl Defaults {
    /// Of a new account.
    const NONE: Self = Self {
        aiq: b'N',
        aiq_group: *b"  ",
        cancel_on_disconnect: false,
        grace_ms: 0,
        due: Nanos(0),
        is_being_cancelled: false,
    };
}

/// Whether a number may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Not above the highest one used: a retransmission.
    Stale,
    /// It was fresh and is used up now.
    Consumed,
    /// Fresh, but there is no room for another channel.
    ChannelsFull,
}

/// All accounts, and the channels other than 0.
#[derive(Debug)]
pub(crate) struct Accounts {
    accounts: Table<Account>,
    count: u32,
    names: Vec<AccountNames>,
    defaults: Vec<Defaults>,
    dues: Timetable,
    accounts_max: usize,
    /// (owner word, highest number used up), open addressing; the word 0 is free, and is no channel other than 0.
    channels: Vec<(u32, u32)>,
    channels_used: u32,
    channels_max: u32,
}

impl Accounts {
    /// Reserves everything.
    pub(crate) fn new(accounts_max: u32, channels_max: u32) -> Self {
        let capacity = (2 * channels_max as usize).next_power_of_two().max(2);
        Self {
            accounts: Table::new(accounts_max as usize, Account { consumed: 0, open: 0 }),
            count: 0,
            names: Vec::with_capacity(accounts_max as usize),
            defaults: Vec::with_capacity(accounts_max as usize),
            dues: Timetable::new(accounts_max as usize),
            accounts_max: accounts_max as usize,
            channels: vec![(0, 0); capacity],
            channels_used: 0,
            channels_max,
        }
    }

    /// Adds an account. Its index is the number of accounts before.
    pub(crate) fn open(&mut self, name: AccountName, firm: Firm) {
        assert!(self.count() < self.accounts_max, "accounts_max is reached");
        self.count += 1;
        self.names.push(AccountNames { name, firm });
        self.defaults.push(Defaults::NONE);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// One account. It exists: the edge names an account only after its login.
    pub(crate) fn account(&self, id: AccountId) -> &Account {
        self.accounts.at(id.0 as usize)
    }

    /// Its name and firm.
    pub(crate) fn names(&self, id: AccountId) -> &AccountNames {
        &self.names[id.0 as usize]
    }

    /// What its orders do when they do not say.
    pub(crate) fn defaults(&self, id: AccountId) -> &Defaults {
        &self.defaults[id.0 as usize]
    }

    /// Changes that.
    pub(crate) fn set_defaults(&mut self, id: AccountId, defaults: Defaults) {
        self.defaults[id.0 as usize] = defaults;
        let is_unusual = defaults.aiq != b'N' || defaults.aiq_group != *b"  " || defaults.is_being_cancelled;
        let account = self.accounts.at_mut(id.0 as usize);
        account.open = account.open & !UNUSUAL | if is_unusual { UNUSUAL } else { 0 };
    }

    /// Notes that its orders are being cancelled, or are not any more.
    pub(crate) fn set_being_cancelled(&mut self, id: AccountId, is_so: bool) {
        self.set_defaults(id, Defaults { is_being_cancelled: is_so, ..*self.defaults(id) });
    }

    /// Sets when the cancels after a disconnect are due; 0 = they are not.
    pub(crate) fn set_due(&mut self, id: AccountId, due: Nanos) {
        let some = |due: Nanos| (due.0 != 0).then_some(due);
        let old = std::mem::replace(&mut self.defaults[id.0 as usize].due, due);
        self.dues.set(id.0, (some(old), some(due)));
    }

    /// When the first of these cancels is due.
    pub(crate) fn first_due(&self) -> Option<Nanos> {
        self.dues.first()
    }

    /// Of the accounts with cancels that are due, the one with the lowest index.
    pub(crate) fn due_at(&self, now: Nanos) -> Option<AccountId> {
        self.dues.due(now).min().map(AccountId)
    }

    /// Sends its orders the long way, or allows the short one.
    pub(crate) fn set_guarded(&mut self, id: AccountId, guarded: bool) {
        let account = self.accounts.at_mut(id.0 as usize);
        account.open = account.open & !GUARDED | if guarded { GUARDED } else { 0 };
    }

    /// Allows or refuses new orders.
    pub(crate) fn set_disabled(&mut self, id: AccountId, disabled: bool) {
        let account = self.accounts.at_mut(id.0 as usize);
        account.open = account.open & !DISABLED | if disabled { DISABLED } else { 0 };
    }

    /// Highest number used up on a channel.
    pub(crate) fn consumed(&self, owner: Owner) -> UserRefNum {
        if owner.channel() == Channel(0) {
            return UserRefNum(self.account(owner.account()).consumed);
        }
        let (word, consumed) = self.channels[self.channel_place(owner)];
        UserRefNum(if word == 0 { 0 } else { consumed })
    }

    /// Uses a number up when it is fresh.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn consume(&mut self, owner: Owner, number: UserRefNum) -> Freshness {
        if owner.channel() != Channel(0) {
            return self.consume_on_channel(owner, number);
        }
        assert!(owner.account().0 < self.count, "a command names an account that exists");
        let account = self.accounts.at_mut(owner.account().0 as usize);
        if number.0 <= account.consumed {
            return Freshness::Stale;
        }
        account.consumed = number.0;
        Freshness::Consumed
    }

    #[cold]
    fn consume_on_channel(&mut self, owner: Owner, number: UserRefNum) -> Freshness {
        assert!((owner.account().0 as usize) < self.count());
        let place = self.channel_place(owner);
        let (word, consumed) = self.channels[place];
        if number.0 <= if word == 0 { 0 } else { consumed } {
            return Freshness::Stale;
        }
        if word == 0 {
            if self.channels_used == self.channels_max {
                return Freshness::ChannelsFull;
            }
            self.channels_used += 1;
        }
        self.channels[place] = (owner.to_bits(), number.0);
        Freshness::Consumed
    }

    /// Where a channel is, or the free place where it would be.
    fn channel_place(&self, owner: Owner) -> usize {
        let mask = self.channels.len() - 1;
        let hash = u64::from(owner.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        let mut place = u32::from_le_bytes([hash[4], hash[5], hash[6], hash[7]]) as usize;
        loop {
            let (word, _) = self.channels[place & mask];
            if word == 0 || word == owner.to_bits() {
                return place & mask;
            }
            place += 1;
        }
    }

    /// Channels other than 0 that used a number up, in order of (account, channel).
    pub(crate) fn channels(&self) -> Vec<(Owner, UserRefNum)> {
        let used = self.channels.iter().filter(|(word, _)| *word != 0);
        let mut channels: Vec<_> =
            used.map(|(word, consumed)| (Owner::from_bits(*word), UserRefNum(*consumed))).collect();
        channels.sort_unstable();
        channels
    }

    /// Appends an order to its account's list.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn link(&mut self, slab: &mut Slab, owner: Owner, slot: u32) {
        let id = owner.account();
        let account = self.accounts.at_mut(id.0 as usize);
        account.open = account.open.wrapping_add(1);
        slab.link_newest(id, slot);
    }

    /// Takes an order out of its account's list.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of nearly every command")]
    pub(crate) fn unlink(&mut self, slab: &mut Slab, owner: Owner, slot: u32) {
        let account = self.accounts.at_mut(owner.account().0 as usize);
        account.open = account.open.wrapping_sub(1);
        slab.unlink(slot);
    }

    /// Walks an account's list and checks its links.
    ///
    /// # Errors
    /// The first broken law, in words.
    pub(crate) fn verify(&self, id: AccountId, slab: &Slab, age: impl Fn(u32) -> u64) -> Result<u32, String> {
        let sentinel = slab.account_link(id);
        let (mut older, mut slot, mut count, mut last_ref) = (sentinel, slab.link(sentinel).newer, 0, 0);
        while slot != sentinel {
            let link = slab.link(slot);
            let order = slab.node(slot);
            if link.older != older || order.owner().account() != id || age(slot) <= last_ref {
                return Err(format!("account {id}: order {slot} is linked wrongly"));
            }
            (older, slot, last_ref) = (slot, link.newer, age(slot));
            count += 1;
        }
        let open = self.account(id).open_orders();
        if slab.link(sentinel).older != older || open != count {
            return Err(format!("account {id}: {open} open orders, {count} listed"));
        }
        Ok(count)
    }
}
