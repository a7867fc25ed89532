//! Why a conversation with the venue failed, in one line that says what to do.

use std::net::SocketAddr;

use protocol::DecodeError;
use protocol::soupbin::LoginRejectReason;

use super::feed_book::Violation;

/// What can go wrong between a client and the venue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens there.
    #[error("no venue at {address}: {source}; start one with `hft serve`, or check --port-offset")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The login was refused.
    #[error("the venue refused the login of {account}: {}", reason_text(*reason))]
    LoginRejected {
        /// Who.
        account: String,
        /// Why.
        reason: LoginRejectReason,
    },
    /// Account, password or session do not fit their fields.
    #[error("account (at most 6 characters) or password (at most 10) does not fit a login")]
    LoginTooLong,
    /// The connection ended.
    #[error("the venue closed the {port} connection")]
    Closed {
        /// Which port.
        port: &'static str,
    },
    /// The trading day was rolled: a new login comes to the new session.
    #[error("the session of the {port} connection has ended; log in again for the next one")]
    SessionEnded {
        /// Which port.
        port: &'static str,
    },
    /// The operating system ended it.
    #[error("the {port} connection failed: {source}")]
    Broken {
        /// Which port.
        port: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The venue says nothing any more.
    #[error("the venue did not answer on the {port} connection within {seconds} s: {what}")]
    Silent {
        /// Which port.
        port: &'static str,
        /// How long.
        seconds: u64,
        /// What was waited for.
        what: String,
    },
    /// Bytes that are no message.
    #[error("the venue sent bytes on the {port} connection that are no message: {source}")]
    Malformed {
        /// Which port.
        port: &'static str,
        /// Why.
        source: DecodeError,
    },
    /// Framing is lost.
    #[error("the framing of the {port} connection is lost")]
    Framing {
        /// Which port.
        port: &'static str,
    },
    /// A request longer than the protocol's messages can be.
    #[error("the request does not fit a message")]
    RequestTooLong,
    /// The WebSocket was refused.
    #[error("the venue refused {url}: {what}")]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP status or the reason.
        what: String,
    },
    /// The feed contradicts itself.
    #[error("feed message {sequence} contradicts the ones before: {violation}")]
    Feed {
        /// Number of the message.
        sequence: u64,
        /// How.
        violation: Violation,
    },
}

fn reason_text(reason: LoginRejectReason) -> &'static str {
    match reason {
        LoginRejectReason::NotAuthorized => "unknown account or wrong password",
        LoginRejectReason::SessionNotAvailable => "the session or sequence number asked for is not available",
    }
}
