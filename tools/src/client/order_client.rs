//! One logged-in connection to the order port: `SoupBinTCP` outside, OUCH inside.
//!
//! Requests are collected and leave with [`OrderClient::flush`], so that many share one system call. Heartbeats go out
//! whenever the client waits.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use protocol::limits::{OUCH_INBOUND_BYTES_MAX, SOUP_PACKET_BYTES_MAX};
use protocol::ouch::appendage::Appendage;
use protocol::ouch::inbound::{AccountQuery, Inbound};
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{self, ClientPacket, Cut, LoginRequest, ServerPacket};
use protocol::{SessionName, UserRefNum};

use super::ClientError;
use crate::clock::monotonic;

const PORT: &str = "order";
/// How long a connect and a login may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long an answer may take before the venue counts as gone.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(15);
/// A client that sent nothing for this long sends a heartbeat (soupbintcp.md §4).
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Answers that fit the read buffer; it never grows.
const INBOX_BYTES: usize = 2 * SOUP_PACKET_BYTES_MAX;
/// Requests are sent on their own when this many bytes wait.
const OUTBOX_BYTES: usize = 16 * 1024;

/// Who logs in.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// Account, at most 6 characters.
    pub(crate) account: String,
    /// Password, at most 10 characters.
    pub(crate) password: String,
}

/// Says who, and never the password.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials {{ account: {:?} }}", self.account)
    }
}

/// A logged-in session.
#[derive(Debug)]
pub(crate) struct OrderClient {
    stream: TcpStream,
    inbox: Box<[u8]>,
    start: usize,
    end: usize,
    outbox: Vec<u8>,
    sent_at: Instant,
    session: SessionName,
    next_sequence: u64,
}

/// What the front of the inbox holds: where the payload of a sequenced message lies.
enum Next {
    Message { from: usize, to: usize },
    Need,
}

impl OrderClient {
    /// Connects and logs in to the current session; the first message received is number `from`, or the next new one
    /// when `from` is 0.
    ///
    /// # Errors
    /// Nobody listens, the login is refused, or no answer came within 5 s.
    pub(crate) fn login(address: SocketAddr, who: &Credentials, from: u64) -> Result<Self, ClientError> {
        let request = LoginRequest::new(&who.account, &who.password, SessionName::BLANK, from);
        let request = request.ok_or(ClientError::LoginTooLong)?;
        let connect = |source| ClientError::Connect { address, source };
        let stream = TcpStream::connect_timeout(&address, CONNECT_MAX).map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        stream.set_write_timeout(Some(ANSWER_MAX)).map_err(connect)?;
        let mut client = Self {
            stream,
            inbox: vec![0; INBOX_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            outbox: Vec::with_capacity(OUTBOX_BYTES + SOUP_PACKET_BYTES_MAX),
            sent_at: monotonic(),
            session: SessionName::BLANK,
            next_sequence: 0,
        };
        client.outbox.extend_from_slice(&request.to_packet());
        client.flush()?;
        client.await_login(&who.account)?;
        Ok(client)
    }

    fn await_login(&mut self, account: &str) -> Result<(), ClientError> {
        let deadline = monotonic() + CONNECT_MAX;
        loop {
            while let Cut::Frame { frame, consumed } = self.front()? {
                let packet = ServerPacket::decode(frame).map_err(malformed)?;
                let accepted = match packet {
                    ServerPacket::LoginAccepted(accepted) => Some((accepted.session, accepted.next_sequence)),
                    ServerPacket::LoginRejected(reason) => {
                        return Err(ClientError::LoginRejected { account: account.to_owned(), reason });
                    }
                    ServerPacket::EndOfSession => return Err(ClientError::SessionEnded { port: PORT }),
                    ServerPacket::Debug(_) | ServerPacket::Heartbeat | ServerPacket::Sequenced(_) => None,
                };
                self.start += consumed;
                if let Some((session, next_sequence)) = accepted {
                    (self.session, self.next_sequence) = (session, next_sequence);
                    return Ok(());
                }
            }
            if monotonic() >= deadline {
                return Err(silent(CONNECT_MAX, "an answer to the login"));
            }
            self.fill(HEARTBEAT)?;
        }
    }

    /// The session.
    pub(crate) fn session(&self) -> SessionName {
        self.session
    }

    /// Number of the next message of the session.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Collects a request; it leaves with the next [`flush`](Self::flush), or when enough of them wait.
    ///
    /// # Errors
    /// The connection failed, or the request does not fit a message.
    pub(crate) fn send(&mut self, message: &Inbound, appendage: Option<Appendage<'_>>) -> Result<(), ClientError> {
        let mut bytes = [0; OUCH_INBOUND_BYTES_MAX];
        let length = message.encode(appendage, &mut bytes).ok_or(ClientError::RequestTooLong)?;
        let message = bytes.get(..length).ok_or(ClientError::RequestTooLong)?;
        let mut packet = [0; OUCH_INBOUND_BYTES_MAX + soupbin::PREFIX_BYTES];
        let length = ClientPacket::Unsequenced(message).encode(&mut packet).ok_or(ClientError::RequestTooLong)?;
        self.outbox.extend_from_slice(packet.get(..length).ok_or(ClientError::RequestTooLong)?);
        if self.outbox.len() >= OUTBOX_BYTES { self.flush() } else { Ok(()) }
    }

    /// Sends what was collected.
    ///
    /// # Errors
    /// The connection failed.
    pub(crate) fn flush(&mut self) -> Result<(), ClientError> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.outbox).map_err(broken)?;
        self.outbox.clear();
        self.sent_at = monotonic();
        Ok(())
    }

    /// The next message, without its appendage; `None` when none came within `wait`. Sends what was collected first, and heartbeats as they are due.
    ///
    /// # Errors
    /// The connection failed or ended, or bytes came that are no message.
    pub(crate) fn receive(&mut self, wait: Duration) -> Result<Option<Outbound>, ClientError> {
        let (from, to) = match self.next()? {
            Next::Message { from, to } => (from, to),
            Next::Need => {
                self.flush()?;
                let deadline = monotonic() + wait;
                loop {
                    self.heartbeat()?;
                    let left = deadline.saturating_duration_since(monotonic());
                    self.fill(left.min(HEARTBEAT))?;
                    if let Next::Message { from, to } = self.next()? {
                        break (from, to);
                    }
                    if monotonic() >= deadline {
                        return Ok(None);
                    }
                }
            }
        };
        self.next_sequence += 1;
        let payload = self.inbox.get(from..to).unwrap_or(&[]);
        let (message, _) = Outbound::decode(payload).map_err(malformed)?;
        Ok(Some(message))
    }

    /// As [`receive`](Self::receive), where an answer is due: `what` names it for the error.
    ///
    /// # Errors
    /// Also when none came within 15 s.
    pub(crate) fn expect(&mut self, what: &str) -> Result<Outbound, ClientError> {
        self.receive(ANSWER_MAX)?.ok_or_else(|| silent(ANSWER_MAX, what))
    }

    /// The lowest user reference number that may be used next. Messages that come before the answer are given to `each`.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub(crate) fn query(&mut self, mut each: impl FnMut(&Outbound)) -> Result<UserRefNum, ClientError> {
        self.send(&Inbound::AccountQuery(AccountQuery {}), None)?;
        loop {
            let message = self.expect("the answer to an account query")?;
            if let Outbound::AccountQueryResponse(response) = message {
                return Ok(response.next_user_ref_num);
            }
            each(&message);
        }
    }

    /// Sends a heartbeat when one is due.
    ///
    /// # Errors
    /// The connection failed.
    pub(crate) fn heartbeat(&mut self) -> Result<(), ClientError> {
        if monotonic().duration_since(self.sent_at) >= HEARTBEAT {
            self.outbox.extend_from_slice(&soupbin::CLIENT_HEARTBEAT);
            self.flush()?;
        }
        Ok(())
    }

    /// The packet at the front of the inbox.
    fn front(&self) -> Result<Cut<'_>, ClientError> {
        match soupbin::cut(self.inbox.get(self.start..self.end).unwrap_or(&[])) {
            Cut::Bad => Err(ClientError::Framing { port: PORT }),
            cut @ (Cut::Need | Cut::Frame { .. }) => Ok(cut),
        }
    }

    /// Goes over packets until one carries a message.
    fn next(&mut self) -> Result<Next, ClientError> {
        loop {
            let Cut::Frame { frame, consumed } = self.front()? else { return Ok(Next::Need) };
            let packet = ServerPacket::decode(frame).map_err(malformed)?;
            let from = self.start + soupbin::PREFIX_BYTES;
            let to = self.start + consumed;
            match packet {
                ServerPacket::Sequenced(_) => {
                    self.start = to;
                    return Ok(Next::Message { from, to });
                }
                ServerPacket::EndOfSession => return Err(ClientError::SessionEnded { port: PORT }),
                ServerPacket::Debug(_)
                | ServerPacket::Heartbeat
                | ServerPacket::LoginAccepted(_)
                | ServerPacket::LoginRejected(_) => self.start = to,
            }
        }
    }

    /// Reads once, waiting at most `wait` for the first byte.
    fn fill(&mut self, wait: Duration) -> Result<(), ClientError> {
        self.inbox.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        // A timeout of zero would mean "for ever".
        let wait = wait.max(Duration::from_micros(100));
        self.stream.set_read_timeout(Some(wait)).map_err(broken)?;
        let room = self.inbox.get_mut(self.end..).unwrap_or(&mut []);
        match self.stream.read(room) {
            Ok(0) => Err(ClientError::Closed { port: PORT }),
            Ok(count) => {
                self.end += count;
                Ok(())
            }
            Err(source) if is_timeout(&source) => Ok(()),
            Err(source) => Err(broken(source)),
        }
    }
}

/// Ends the connection as a client should; the orders stay.
impl Drop for OrderClient {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure.
        drop(self.stream.write_all(&soupbin::LOGOUT_REQUEST));
    }
}

/// True when a read ended because of its timeout, or may simply be tried again.
pub(super) fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn broken(source: std::io::Error) -> ClientError {
    ClientError::Broken { port: PORT, source }
}

fn malformed(source: protocol::DecodeError) -> ClientError {
    ClientError::Malformed { port: PORT, source }
}

fn silent(waited: Duration, what: &str) -> ClientError {
    ClientError::Silent { port: PORT, seconds: waited.as_secs(), what: what.to_owned() }
}
