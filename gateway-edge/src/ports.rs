//! What the edge needs from the rest of the venue, as traits: where commands go, where events come from, how far the
//! journal is durable, what time it is, and where the numbered messages of a stream are kept. The composition root
//! implements them over rings and files; tests implement them over vectors. Everything is dispatched statically.

use std::fmt;
use std::io;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use protocol::{AccountId, AccountName, CommandBody, Event, Firm, Nanos, Sequence, SessionName};

/// The input ring has no room for this command now. It was not taken; offer it again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the input ring has no room")]
pub struct Full;

/// Where commands are sequenced.
pub trait CommandPort {
    /// Takes one command and gives it the next sequence, or refuses at once; never waits. `ingress` never goes back
    /// from one call to the next.
    ///
    /// # Errors
    /// [`Full`] when there is no room; nothing has happened then.
    fn try_submit(&mut self, ingress: Nanos, body: &CommandBody) -> Result<Sequence, Full>;

    /// True while new orders are to be refused with `VenueClosing`, because the disk is nearly full. Everything else goes
    /// on: cancels, replacements, queries.
    fn refuses_new_orders(&self) -> bool {
        false
    }

    /// True when no more than an eighth of the room is left: it is kept for what takes orders off the book, and for the
    /// operator.
    fn is_nearly_full(&mut self) -> bool;
}

/// Where the events of the core are read, in the order in which they happened.
pub trait EventPort {
    /// Hands at most `limit` events to `each` and answers how many. Fewer than `limit` means that no more were there.
    fn poll(&mut self, limit: usize, each: impl FnMut(&Event)) -> usize;

    /// The last command that the core has finished: all events of it and of those before it can be polled by now. May
    /// lag behind the truth, must never run ahead of it. (A command may have no event at all, so events alone do not
    /// tell.)
    fn applied(&self) -> Sequence;
}

/// How far the journal keeps the promise of the configured durability mode.
pub trait DurableCursor {
    /// The last command that is durable; may lag behind the truth. Only what commands up to here caused may leave.
    fn durable(&self) -> Sequence;
}

/// The time of day.
pub trait Clock {
    /// Nanoseconds since the Unix epoch, UTC. The edge never passes on a value below an earlier one.
    fn now(&self) -> Nanos;
}

/// Whose login a question is about: a place, and who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The place.
    pub slot: usize,
    /// Tells its holder from those before.
    pub guest: u64,
}

/// What is said about a password at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Granted,
    /// It is wrong, or there is no such account.
    Denied,
    /// [`Credentials::verdict`] will tell.
    Later,
    /// Too many are being looked at: ask again later.
    Busy,
}

/// Who may log in.
pub trait Credentials {
    /// Asks whether `password` is that of the account; never waits. `name` is trimmed, in capitals and padded on the right;
    /// `password` is as received: to be compared trimmed, case-insensitively and in constant time.
    fn check(&mut self, ticket: Ticket, name: &AccountName, password: &[u8; 10]) -> Verdict;

    /// The next answer that was promised.
    fn verdict(&mut self) -> Option<(Ticket, Verdict)> {
        None
    }
}

/// A stream can take no more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream file is full")]
pub struct StreamFull;

/// The messages of one stream, framed, back to back, numbered from 1. Whoever reads sees whole messages only.
pub trait StreamRead {
    /// How many messages there are: the number of the last one.
    fn messages(&self) -> u64;

    /// How many bytes all messages have together.
    fn end(&self) -> u64;

    /// Where message `number` starts, in bytes; `messages() + 1` starts at `end()`. `None` for 0, for numbers above that,
    /// and for messages that are no longer kept.
    fn offset_of(&self, number: u64) -> Option<u64>;

    /// The bytes `from..to`. Needs `from <= to <= end()`, and `from` at or above the start of the oldest message kept.
    fn bytes(&self, from: u64, to: u64) -> &[u8];
}

/// A stream with its one writer.
pub trait StreamWrite: StreamRead {
    /// Adds one message with its framing (its first two bytes are the big-endian length of the rest).
    ///
    /// # Errors
    /// [`StreamFull`] when there is no room; nothing was added then.
    fn append(&mut self, framed: &[u8]) -> Result<(), StreamFull>;
}

/// Where account streams come from.
pub trait StreamStore {
    /// A stream of an account or of a firm.
    type Stream: StreamWrite;
    /// The stream of a firm, as others read it.
    type Reader: StreamRead + Clone;

    /// The streams opened from now on are of this session.
    fn begin_session(&mut self, _: &SessionName) {}

    /// Opens the stream of an account, or makes an empty one. Called once per account and session, on the edge's thread.
    ///
    /// # Errors
    /// Whatever keeps the stream from being opened; the account can then not log in.
    fn open_account(
        &mut self,
        account: AccountId,
        name: &AccountName,
        session: &SessionName,
    ) -> io::Result<Self::Stream>;

    /// Opens the drop-copy stream of a firm, or makes an empty one; called once per firm and session. `None`, as here: firms get
    /// no drop copy.
    ///
    /// # Errors
    /// Whatever keeps the stream from being opened; the firm then has no drop copy.
    fn open_firm(&mut self, _: &Firm, _: &SessionName) -> io::Result<Option<(Self::Stream, Self::Reader)>> {
        Ok(None)
    }
}

/// Follows a few commands through the edge, to time its stages. `()` follows none and costs nothing.
pub trait Probe {
    /// The time now, in ticks of the probe's own clock. Read once per read of a socket.
    fn ticks(&self) -> u64;

    /// Command `sequence` of `account` has been sequenced; the bytes it came in were read from the socket at `read_at`.
    fn sequenced(&mut self, sequence: Sequence, account: AccountId, read_at: u64);

    /// True for commands whose answer it wants to see written.
    fn wants(&self, sequence: Sequence) -> bool;

    /// The first answer to command `sequence` has been written to its owner's socket.
    fn written(&mut self, sequence: Sequence);
}

impl Probe for () {
    #[inline]
    fn ticks(&self) -> u64 {
        0
    }
    #[inline]
    fn sequenced(&mut self, _: Sequence, _: AccountId, _: u64) {}
    #[inline]
    fn wants(&self, _: Sequence) -> bool {
        false
    }
    #[inline]
    fn written(&mut self, _: Sequence) {}
}

/// The types of the ports of one [`Edge`](crate::edge::Edge), so that it has one parameter instead of seven.
pub trait EdgeTypes {
    /// Where commands go.
    type Commands: CommandPort;
    /// Where events come from.
    type Events: EventPort;
    /// How far the journal is durable.
    type Durable: DurableCursor;
    /// The time.
    type Clock: Clock;
    /// Who may log in.
    type Credentials: Credentials;
    /// Where account streams are kept.
    type Store: StreamStore;
    /// What times the stages of sampled commands.
    type Probe: Probe;
}

/// The ports of one [`Edge`](crate::edge::Edge).
pub struct EdgePorts<T: EdgeTypes> {
    /// Where commands go. The edge is the only producer.
    pub commands: T::Commands,
    /// Where events come from.
    pub events: T::Events,
    /// How far the journal is durable.
    pub durable: T::Durable,
    /// The time.
    pub clock: T::Clock,
    /// Who may log in.
    pub credentials: T::Credentials,
    /// Commands of the operator and of timers, sequenced between those of clients. Wake the edge after a push.
    pub operator: Arc<ArrayQueue<CommandBody>>,
    /// What times the stages of sampled commands.
    pub probe: T::Probe,
}

/// The types of the ports of one [`Feed`](crate::feed::Feed).
pub trait FeedTypes {
    /// Where events come from; a consumer of its own.
    type Events: EventPort;
    /// How far the journal is durable.
    type Durable: DurableCursor;
    /// The time.
    type Clock: Clock;
    /// The feed's stream: `MoldUDP64` message blocks back to back.
    type Stream: StreamWrite;
}

/// The ports of one [`Feed`](crate::feed::Feed).
pub struct FeedPorts<T: FeedTypes> {
    /// Where events come from.
    pub events: T::Events,
    /// How far the journal is durable.
    pub durable: T::Durable,
    /// The time.
    pub clock: T::Clock,
}

impl<T: EdgeTypes> fmt::Debug for EdgePorts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgePorts").finish_non_exhaustive()
    }
}

impl<T: FeedTypes> fmt::Debug for FeedPorts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedPorts").finish_non_exhaustive()
    }
}
