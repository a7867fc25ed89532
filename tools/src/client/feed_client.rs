//! One WebSocket of the feed port: `MoldUDP64` packets in binary frames, ITCH messages in those.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use protocol::itch::Message;
use protocol::moldudp64::{HEADER_BYTES, Packet, Received, Receiver};
use protocol::{DecodeError, SessionName};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Bytes, HandshakeError, WebSocket};

use super::order_client::{ANSWER_MAX, is_timeout};
use super::{ClientError, FeedBook};
use crate::clock::monotonic;

const PORT: &str = "feed";
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The longest frame of the feed (moldudp64.md §5).
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// What one call of [`FeedClient::receive`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The wait is over.
    Nothing,
    /// Nothing new, but the venue is there: a heartbeat, for one.
    Alive,
    /// New messages.
    Messages,
    /// The stream is complete.
    Finished,
}

/// A subscription.
#[derive(Debug)]
pub(crate) struct FeedClient {
    socket: WebSocket<TcpStream>,
    receiver: Receiver,
    /// The number whose gap was last asked for, so that it is asked for once.
    requested: Option<u64>,
}

/// The state of all instruments at one point of the feed.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The book.
    pub(crate) book: FeedBook,
    /// Number of the first message that is not in it.
    pub(crate) next_sequence: u64,
}

impl FeedClient {
    /// Subscribes to the live stream from message number `from` on.
    ///
    /// # Errors
    /// Nobody listens, or the venue refuses the number.
    pub(crate) fn itch(address: SocketAddr, from: u64) -> Result<Self, ClientError> {
        Self::connect(address, &format!("/itch?from={from}"))
    }

    /// Takes a whole snapshot.
    ///
    /// # Errors
    /// Nobody listens, the connection fails, the snapshot has no end or contradicts itself.
    pub(crate) fn snapshot(address: SocketAddr) -> Result<Snapshot, ClientError> {
        let mut client = Self::connect(address, "/glimpse")?;
        let mut book = FeedBook::new();
        let mut next_sequence = None;
        let deadline = monotonic() + ANSWER_MAX;
        while next_sequence.is_none() {
            let mut violation = None;
            let progress = client.receive(Duration::from_secs(1), |sequence, message| {
                if let Message::EndOfSnapshot(end) = message {
                    next_sequence = end.next_sequence();
                } else if let Err(what) = book.apply(message) {
                    violation.get_or_insert(ClientError::Feed { sequence, violation: what });
                }
            })?;
            if let Some(error) = violation {
                return Err(error);
            }
            if progress == Progress::Finished && next_sequence.is_none() {
                return Err(ClientError::Closed { port: PORT });
            }
            if monotonic() >= deadline {
                return Err(silent("the end of the snapshot"));
            }
        }
        Ok(Snapshot { book, next_sequence: next_sequence.unwrap_or(1) })
    }

    fn connect(address: SocketAddr, path: &str) -> Result<Self, ClientError> {
        let connect = |source| ClientError::Connect { address, source };
        let stream = TcpStream::connect_timeout(&address, CONNECT_MAX).map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        stream.set_read_timeout(Some(CONNECT_MAX)).map_err(connect)?;
        stream.set_write_timeout(Some(CONNECT_MAX)).map_err(connect)?;
        let url = format!("ws://{address}{path}");
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX))
            .max_write_buffer_size(FRAME_BYTES_MAX * 4);
        let (socket, _) =
            tungstenite::client::client_with_config(url.as_str(), stream, Some(config)).map_err(|error| {
                let what = match error {
                    HandshakeError::Failure(tungstenite::Error::Http(response)) => {
                        format!("HTTP {}", response.status())
                    }
                    HandshakeError::Failure(error) => error.to_string(),
                    HandshakeError::Interrupted(_) => format!("no answer within {} s", CONNECT_MAX.as_secs()),
                };
                ClientError::Refused { url, what }
            })?;
        Ok(Self { socket, receiver: Receiver::adopting(), requested: None })
    }

    /// Number of the next message.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.receiver.next()
    }

    /// Name of the stream; blank before the first packet.
    pub(crate) fn session(&self) -> SessionName {
        self.receiver.session().unwrap_or_default()
    }

    /// Reads one frame, waiting at most `wait`, and gives each new message with its number to `each`. A gap is asked for;
    /// what follows it is dropped until it is closed.
    ///
    /// # Errors
    /// The connection failed or ended, or bytes came that are no message.
    pub(crate) fn receive(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(u64, &Message),
    ) -> Result<Progress, ClientError> {
        let wait = wait.max(Duration::from_micros(100));
        self.socket.get_ref().set_read_timeout(Some(wait)).map_err(broken)?;
        let frame = match self.socket.read() {
            Ok(tungstenite::Message::Binary(frame)) => frame,
            Ok(tungstenite::Message::Text(_)) => return Err(ClientError::Framing { port: PORT }),
            Ok(tungstenite::Message::Close(_)) => {
                // The answer to the close is queued; nobody is left to hear of a failure.
                drop(self.socket.flush());
                return Ok(Progress::Finished);
            }
            Ok(tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_) | tungstenite::Message::Frame(_)) => {
                return Ok(Progress::Alive);
            }
            Err(tungstenite::Error::Io(source)) if is_timeout(&source) => return Ok(Progress::Nothing),
            Err(tungstenite::Error::Io(source)) => return Err(broken(source)),
            Err(_) => return Err(ClientError::Closed { port: PORT }),
        };
        let packet = Packet::decode(&frame).map_err(malformed)?;
        match self.receiver.take(&packet) {
            Received::Messages(messages) => {
                self.requested = None;
                for (sequence, bytes) in messages {
                    // A block without bytes is legal and says nothing.
                    if !bytes.is_empty() {
                        each(sequence, &Message::decode(bytes).map_err(malformed)?);
                    }
                }
                Ok(Progress::Messages)
            }
            Received::Gap { next, missing } => {
                self.close_gap(next, missing.saturating_add(u64::from(packet.header.messages())))?;
                Ok(Progress::Alive)
            }
            Received::Finished => Ok(Progress::Finished),
            Received::Nothing | Received::OtherSession => Ok(Progress::Alive),
        }
    }

    /// Asks for what is missing, once per gap.
    fn close_gap(&mut self, next: u64, missing: u64) -> Result<(), ClientError> {
        let request = self.receiver.request(missing).filter(|_| self.requested != Some(next));
        let Some(request) = request else { return Ok(()) };
        self.requested = Some(next);
        let bytes: [u8; HEADER_BYTES] = request.0.to_bytes();
        let frame = tungstenite::Message::Binary(Bytes::copy_from_slice(&bytes));
        match self.socket.send(frame) {
            Ok(()) => Ok(()),
            Err(tungstenite::Error::Io(source)) if is_timeout(&source) => Ok(()),
            Err(tungstenite::Error::Io(source)) => Err(broken(source)),
            Err(_) => Err(ClientError::Closed { port: PORT }),
        }
    }
}

fn broken(source: std::io::Error) -> ClientError {
    ClientError::Broken { port: PORT, source }
}

fn malformed(source: DecodeError) -> ClientError {
    ClientError::Malformed { port: PORT, source }
}

fn silent(what: &str) -> ClientError {
    ClientError::Silent { port: PORT, seconds: ANSWER_MAX.as_secs(), what: what.to_owned() }
}
