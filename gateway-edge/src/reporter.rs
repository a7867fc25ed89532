//! From events to the streams of accounts: makes the OUCH answers and appends them. Live and in recovery alike, so that
//! a replay of the journal gives the same streams.

use std::fmt;
use std::io;

use protocol::ouch::answer::{self, AnswerBuffer, COPY_BYTES_MAX, Details};
use protocol::{
    AccountId, AccountName, Command, Event, EventBody, Firm, InstrumentId, Midnight, Nanos, SessionName, Symbol,
};

use crate::directory::{AccountNames, Instruments};
use crate::notes::{self, Note};
use crate::ports::{StreamStore, StreamWrite};
use crate::roster::{SharedRoster, firm_session};

/// Readings of the live clock that belong to an event; they reach the client only where it asked for details.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportTimes {
    /// When the command got its sequence; 0 = unknown.
    pub sequenced: Nanos,
    /// When the command was known to be durable; 0 = unknown.
    pub durable: Nanos,
}

impl ReportTimes {
    /// As in recovery.
    pub const UNKNOWN: Self = Self { sequenced: Nanos(0), durable: Nanos(0) };
}

/// Why an event could not be reported.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The stream of a new account cannot be opened.
    #[error("cannot open the stream of account {name}: {source}")]
    Open {
        /// Its index.
        account: AccountId,
        /// Its login name.
        name: AccountName,
        /// What the store said.
        source: io::Error,
    },
    /// The stream of an account is full, or could not be opened: an answer is not in it, and nothing after will be.
    #[error("the stream of account {name} takes no more messages")]
    Full {
        /// Its index.
        account: AccountId,
        /// Its login name.
        name: AccountName,
    },
    /// The drop-copy stream of a firm cannot be opened.
    #[error("cannot open the drop-copy stream of firm {firm}: {source}")]
    OpenFirm {
        /// Its name.
        firm: Firm,
        /// What the store said.
        source: io::Error,
    },
    /// Accounts are opened in the order of their indices, each before it is named.
    #[error("an event names account {account} out of turn: {accounts} accounts were opened before it")]
    AccountOutOfTurn {
        /// The index it names.
        account: AccountId,
        /// How many there are.
        accounts: usize,
    },
}

/// An account as its events tell of it.
#[derive(Debug)]
struct Account<W> {
    name: AccountName,
    firm: Firm,
    stream: Option<W>,
    /// Of the session before, for who has not got all of it.
    ended: Option<W>,
    /// An answer is missing: the stream must not grow any more, or its numbers would lie.
    broken: bool,
    /// Index of its firm.
    firm_index: usize,
    /// It is the first of its firm: its System Event is that of the firm's stream too.
    is_first: bool,
}

/// A firm with its drop-copy stream; none when firms get none, or once it takes no more.
#[derive(Debug)]
struct FirmCopy<W> {
    firm: Firm,
    stream: Option<W>,
    is_broken: bool,
}

/// The accounts with their streams, and the names of instruments: what events say about who is who.
pub struct Reporter<S: StreamStore> {
    store: S,
    session: SessionName,
    accounts: Vec<Account<S::Stream>>,
    firms: Vec<FirmCopy<S::Stream>>,
    roster: SharedRoster<S::Reader>,
    names: AccountNames,
    instruments: Instruments,
    /// What came before the next event.
    details: Option<Details>,
    midnight: Midnight,
    buffer: AnswerBuffer,
    copy: [u8; COPY_BYTES_MAX],
}

impl<S: StreamStore> Reporter<S> {
    /// Of an empty venue.
    pub fn new(store: S) -> Self {
        Self {
            store,
            session: SessionName::BLANK,
            accounts: Vec::new(),
            firms: Vec::new(),
            roster: SharedRoster::default(),
            names: AccountNames::default(),
            instruments: Instruments::default(),
            details: None,
            midnight: Midnight::EACH,
            buffer: AnswerBuffer::new(),
            copy: [0; COPY_BYTES_MAX],
        }
    }

    /// Takes one event of `command`: keeps what it says about accounts and instruments, and appends its answers to the
    /// streams of those whom it concerns; `addressed` is told each of them. Events come in their order.
    ///
    /// # Errors
    /// [`ReportError`]; in recovery it ends the start, live it is counted and the account's session is closed. Whoever
    /// else the event concerns has got its answer.
    pub fn report(
        &mut self,
        command: &Command,
        event: &Event,
        times: ReportTimes,
        addressed: impl FnMut(AccountId),
    ) -> Result<(), ReportError> {
        match event.body {
            EventBody::Details { matched, quantity_ahead, for_maker, for_owner } => {
                let ReportTimes { sequenced, durable } = times;
                self.details = Some(Details { sequenced, matched, durable, quantity_ahead, for_maker, for_owner });
                return Ok(());
            }
            EventBody::VenueOpened { session } => self.restore_session(session),
            EventBody::SessionRolled { session } => return self.roll(event, session, addressed),
            EventBody::MidnightChanged { midnight } => self.restore_midnight(midnight),
            EventBody::InstrumentListed { instrument, symbol, .. } => self.restore_instrument(instrument, symbol),
            EventBody::AccountOpened { account, name, firm } => self.restore_account(account, name, firm)?,
            EventBody::Accepted { .. }
            | EventBody::Replaced { .. }
            | EventBody::Rested { .. }
            | EventBody::Traded { .. }
            | EventBody::Canceled { .. }
            | EventBody::Modified { .. }
            | EventBody::Rejected { .. }
            | EventBody::MassCancelTaken { .. }
            | EventBody::EntryDisabled { .. }
            | EventBody::EntryEnabled { .. }
            | EventBody::NextUserRefNum { .. }
            | EventBody::TradingStateChanged { .. }
            | EventBody::ShortSaleTestChanged { .. }
            | EventBody::SystemEvent { .. }
            | EventBody::Answered { .. }
            | EventBody::BalanceMoved { .. }
            | EventBody::FeesCharged { .. }
            | EventBody::LimitChanged { .. }
            | EventBody::KillSwitched { .. }
            | EventBody::PriorityUpdated { .. }
            | EventBody::Restated { .. }
            | EventBody::SelfMatchPrevented { .. }
            | EventBody::CancelPending { .. }
            | EventBody::CancelRejected { .. }
            | EventBody::CrossExecuted { .. }
            | EventBody::Crossed { .. }
            | EventBody::Imbalance { .. }
            | EventBody::AuctionCollar { .. }
            | EventBody::OperationalHaltChanged { .. }
            | EventBody::MarketWideLevels { .. }
            | EventBody::MarketWideBreached { .. }
            | EventBody::TradeBroken { .. }
            | EventBody::ReferenceChanged { .. }
            | EventBody::OperatorRefused { .. } => {}
        }
        let details = self.details.take();
        let instruments = &self.instruments;
        answer::write(command, event, details.as_ref(), |id| instruments.symbol(id), &mut self.buffer);
        self.append_answers(addressed)
    }

    /// [`Reporter::report`] as recovery calls it.
    ///
    /// # Errors
    /// As [`Reporter::report`].
    pub fn replay(&mut self, command: &Command, event: &Event) -> Result<(), ReportError> {
        self.report(command, event, ReportTimes::UNKNOWN, |_| {})
    }

    fn append_answers(&mut self, mut addressed: impl FnMut(AccountId)) -> Result<(), ReportError> {
        let mut outcome = Ok(());
        for answer in self.buffer.answers() {
            let accounts = self.accounts.len();
            let index = usize::try_from(answer.account.0).unwrap_or(usize::MAX);
            let Some(account) = self.accounts.get_mut(index) else {
                outcome = Err(ReportError::AccountOutOfTurn { account: answer.account, accounts });
                continue;
            };
            let copied = self.firms.get_mut(account.firm_index).filter(|copied| !copied.is_broken);
            if let Some((copied, stream)) =
                copied.and_then(|copied| Some((&mut copied.is_broken, copied.stream.as_mut()?)))
            {
                let kept = if !answer.is_system_event() {
                    let len = answer.copy(account.name, &mut self.copy);
                    stream.append(self.copy.get(..len).unwrap_or_default())
                } else if account.is_first {
                    stream.append(answer.packet)
                } else {
                    Ok(())
                };
                if kept.is_err() {
                    // Its numbers would lie if it went on: it ends here, and trading does not.
                    *copied = true;
                    notes::hand_over(Note::FirmStreamFull(account.firm));
                }
            }
            let stream = account.stream.as_mut().filter(|_| !account.broken);
            if stream.is_some_and(|stream| stream.append(answer.packet).is_ok()) {
                addressed(answer.account);
            } else {
                account.broken = true;
                outcome = Err(ReportError::Full { account: answer.account, name: account.name });
            }
        }
        outcome
    }

    /// Makes the session known without an event: for a start from a snapshot.
    pub fn restore_session(&mut self, session: SessionName) {
        self.session = session;
        self.store.begin_session(&session);
    }

    /// Makes known from where time stamps count without an event: for a start from a snapshot.
    pub fn restore_midnight(&mut self, midnight: Midnight) {
        self.midnight = midnight;
        self.buffer.count_from(midnight);
    }

    /// Opens the stream of an account without an event: for a start from a snapshot.
    ///
    /// # Errors
    /// [`ReportError::Open`], [`ReportError::AccountOutOfTurn`].
    pub fn restore_account(&mut self, account: AccountId, name: AccountName, firm: Firm) -> Result<(), ReportError> {
        let accounts = self.accounts.len();
        if usize::try_from(account.0) != Ok(accounts) {
            return Err(ReportError::AccountOutOfTurn { account, accounts });
        }
        let opened = self.store.open_account(account, &name, &self.session);
        let (stream, outcome) = match opened {
            Ok(stream) => (Some(stream), Ok(())),
            Err(source) => (None, Err(ReportError::Open { account, name, source })),
        };
        let broken = stream.is_none();
        let (firm_index, is_first, opened) = self.join_firm(firm);
        self.accounts.push(Account { name, firm, stream, ended: None, broken, firm_index, is_first });
        self.names.insert(name, account);
        self.roster.add_account(name, firm_index);
        outcome.and(opened)
    }

    /// The index of a firm, and whether it is new; then its drop-copy stream is opened.
    fn join_firm(&mut self, firm: Firm) -> (usize, bool, Result<(), ReportError>) {
        if let Some(known) = self.firms.iter().position(|known| known.firm == firm) {
            return (known, false, Ok(()));
        }
        let index = self.firms.len();
        let session = firm_session(self.session, firm);
        let (stream, outcome) = match self.store.open_firm(&firm, &session) {
            Ok(Some((stream, reader))) => {
                self.roster.add_firm(index, firm, session, reader);
                (Some(stream), Ok(()))
            }
            Ok(None) => (None, Ok(())),
            Err(source) => (None, Err(ReportError::OpenFirm { firm, source })),
        };
        self.firms.push(FirmCopy { firm, stream, is_broken: false });
        (index, true, outcome)
    }

    /// Ends every stream, and begins those of the new session.
    #[cold]
    fn roll(
        &mut self,
        event: &Event,
        session: SessionName,
        mut addressed: impl FnMut(AccountId),
    ) -> Result<(), ReportError> {
        let mut outcome = Ok(());
        for at in (0..).take(self.accounts.len()).map(AccountId) {
            answer::write_session_event(at, event, false, &mut self.buffer);
            outcome = outcome.and(self.append_answers(&mut addressed));
        }
        self.restore_session(session);
        for firm in &mut self.firms {
            let FirmCopy { firm, stream, is_broken } = firm;
            let name = firm_session(session, *firm);
            (*stream, *is_broken) = (None, false);
            match self.store.open_firm(firm, &name) {
                Ok(Some((opened, reader))) => {
                    self.roster.begin_session(*firm, name, reader);
                    *stream = Some(opened);
                }
                Ok(None) => {}
                Err(source) => outcome = outcome.and(Err(ReportError::OpenFirm { firm: *firm, source })),
            }
        }
        for (index, account) in (0..).zip(&mut self.accounts) {
            let (account_id, name) = (AccountId(index), account.name);
            account.ended = account.stream.take();
            match self.store.open_account(account_id, &name, &session) {
                Ok(stream) => (account.stream, account.broken) = (Some(stream), false),
                Err(source) => {
                    account.broken = true;
                    outcome = outcome.and(Err(ReportError::Open { account: account_id, name, source }));
                }
            }
        }
        self.restore_midnight(event.midnight_after(self.midnight));
        for at in (0..).take(self.accounts.len()).map(AccountId) {
            answer::write_session_event(at, event, true, &mut self.buffer);
            outcome = outcome.and(self.append_answers(&mut addressed));
        }
        self.roster.end_roll();
        outcome
    }

    /// The stream of an account in the session that was ended last, while somebody may not have got all of it.
    pub(crate) fn ended_stream(&self, account: AccountId) -> Option<&S::Stream> {
        self.accounts.get(usize::try_from(account.0).ok()?)?.ended.as_ref()
    }

    /// Nobody follows a stream of the session before any more.
    pub(crate) fn forget_ended(&mut self) {
        for account in &mut self.accounts {
            account.ended = None;
        }
    }

    /// Who may follow which firm's drop copy: for a drop-copy port.
    pub fn roster(&self) -> SharedRoster<S::Reader> {
        self.roster.clone()
    }

    /// Makes an instrument known without an event: for a start from a snapshot.
    pub fn restore_instrument(&mut self, instrument: InstrumentId, symbol: Symbol) {
        self.instruments.insert(instrument, symbol);
    }

    /// The streams of all accounts and firms: to end a rebuild.
    pub fn streams_mut(&mut self) -> impl Iterator<Item = &mut S::Stream> {
        let accounts = self.accounts.iter_mut().filter_map(|account| account.stream.as_mut());
        accounts.chain(self.firms.iter_mut().filter_map(|firm| firm.stream.as_mut()))
    }

    /// The accounts that are known: index, login name, firm.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, AccountName, Firm)> {
        (0..).zip(&self.accounts).map(|(index, account)| (AccountId(index), account.name, account.firm))
    }

    /// The session of every stream; blank before the venue is opened.
    pub fn session(&self) -> SessionName {
        self.session
    }

    /// The instrument of this name.
    #[inline]
    pub(crate) fn instrument(&self, symbol: Symbol) -> Option<InstrumentId> {
        self.instruments.by_symbol(symbol)
    }

    /// The account of a canonical name.
    pub(crate) fn account_named(&self, name: AccountName) -> Option<AccountId> {
        self.names.find(name)
    }

    /// The stream of an account, unless an answer is missing from it.
    #[inline]
    pub(crate) fn stream(&self, account: AccountId) -> Option<&S::Stream> {
        let account = self.accounts.get(usize::try_from(account.0).ok()?)?;
        account.stream.as_ref().filter(|_| !account.broken)
    }
}

impl<S: StreamStore> fmt::Debug for Reporter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("session", &self.session)
            .field("accounts", &self.accounts.len())
            .finish_non_exhaustive()
    }
}
