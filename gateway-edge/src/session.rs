//! The rules of a `SoupBinTCP` session (soupbintcp.md §3 and §7), without sockets, streams or clocks: what one packet of a
//! client means in the state its connection is in, and whether a login is good.

use protocol::soupbin::{ClientPacket, Frame, LOGIN_REQUEST, LoginRejectReason, LoginRequest};
use protocol::{AccountId, SessionName};

/// Why the venue ends a connection on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client asked.
    Logout,
    /// The session is complete.
    SessionOver,
    /// The client broke the protocol.
    Violation,
    /// A login was bad: it is told why.
    Rejected(LoginRejectReason),
}

/// What a packet asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Nothing: a heartbeat, or text for people.
    Nothing,
    /// Log in.
    Login(LoginRequest),
    /// One OUCH message of this account.
    Message(AccountId, &'a [u8]),
    /// End the connection.
    End(Ending),
}

/// What `frame` asks for on a connection that is logged in as `account`, or not yet.
#[inline]
pub(crate) fn step(account: Option<AccountId>, frame: Frame<'_>) -> Step<'_> {
    match (account, ClientPacket::decode(frame)) {
        (_, Ok(ClientPacket::Debug(_))) | (Some(_), Ok(ClientPacket::Heartbeat)) => Step::Nothing,
        (Some(account), Ok(ClientPacket::Unsequenced(message))) => Step::Message(account, message),
        (Some(_), Ok(ClientPacket::Logout)) => Step::End(Ending::Logout),
        (None, Ok(ClientPacket::Login(login))) => Step::Login(login),
        (None, Err(_)) if frame.packet_type == LOGIN_REQUEST => {
            Step::End(Ending::Rejected(LoginRejectReason::NotAuthorized))
        }
        (None, Ok(ClientPacket::Unsequenced(_) | ClientPacket::Heartbeat | ClientPacket::Logout) | Err(_))
        | (Some(_), Ok(ClientPacket::Login(_)) | Err(_)) => Step::End(Ending::Violation),
    }
}

/// The number with which a good login starts, given the session that is current and how many messages it has. `authorized`
/// says whether name and password are right.
///
/// # Errors
/// The reason that the client is told.
pub(crate) fn first_sequence(
    login: &LoginRequest,
    authorized: bool,
    current: SessionName,
    messages: u64,
) -> Result<u64, LoginRejectReason> {
    let wanted = login.next_sequence().filter(|_| authorized).ok_or(LoginRejectReason::NotAuthorized)?;
    let session = login.session_name();
    if session != SessionName::BLANK && session != current {
        return Err(LoginRejectReason::SessionNotAvailable);
    }
    match wanted {
        0 => Ok(messages + 1),
        wanted if wanted <= messages + 1 => Ok(wanted),
        _ => Err(LoginRejectReason::SessionNotAvailable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN: Option<AccountId> = Some(AccountId(3));
    const BAD: Step<'_> = Step::End(Ending::Violation);

    fn frame(packet_type: u8, payload: &[u8]) -> Frame<'_> {
        Frame { packet_type, payload }
    }

    #[test]
    fn every_packet_type_in_both_states() {
        let login = LoginRequest::new("DEMO01", "demo-pass", SessionName::BLANK, 1).unwrap();
        let packet = login.to_packet();
        let rejected = Step::End(Ending::Rejected(LoginRejectReason::NotAuthorized));
        let table: &[(u8, &[u8], Step<'_>, Step<'_>)] = &[
            (b'+', b"hello", Step::Nothing, Step::Nothing),
            (b'+', b"", Step::Nothing, Step::Nothing),
            (b'L', &packet[3..], Step::Login(login), BAD),
            (b'L', &packet[4..], rejected, BAD),
            (b'L', b"", rejected, BAD),
            (b'U', b"x", BAD, Step::Message(AccountId(3), b"x")),
            (b'U', b"", BAD, Step::Message(AccountId(3), b"")),
            (b'R', b"", BAD, Step::Nothing),
            (b'R', b"payload", BAD, Step::Nothing),
            (b'O', b"", BAD, Step::End(Ending::Logout)),
            (b'O', b"payload", BAD, Step::End(Ending::Logout)),
        ];
        for (packet_type, payload, fresh, logged_in) in table {
            assert_eq!(step(None, frame(*packet_type, payload)), *fresh, "{packet_type} before the login");
            assert_eq!(step(IN, frame(*packet_type, payload)), *logged_in, "{packet_type} after the login");
        }
        for packet_type in (0..=255).filter(|packet_type| !b"+LURO".contains(packet_type)) {
            assert_eq!(step(None, frame(packet_type, b"")), BAD, "{packet_type} before the login");
            assert_eq!(step(IN, frame(packet_type, b"")), BAD, "{packet_type} after the login");
        }
    }

    #[test]
    fn every_row_of_the_login_table() {
        let current = SessionName(*b"S000000001");
        let other = SessionName(*b"S000000002");
        let stranger = Err(LoginRejectReason::NotAuthorized);
        let gone = Err(LoginRejectReason::SessionNotAvailable);
        let ask = |session, sequence: &[u8; 20], authorized| {
            let mut login = LoginRequest::new("DEMO01", "demo-pass", session, 1).unwrap();
            login.sequence = *sequence;
            first_sequence(&login, authorized, current, 7)
        };
        for session in [SessionName::BLANK, current] {
            assert_eq!(ask(session, b"                   1", true), Ok(1));
            assert_eq!(ask(session, b"7                   ", true), Ok(7));
            assert_eq!(ask(session, b"                   8", true), Ok(8));
            assert_eq!(ask(session, b"                   0", true), Ok(8));
            assert_eq!(ask(session, b"                   9", true), gone);
            assert_eq!(ask(session, b"18446744073709551615", true), gone);
            assert_eq!(ask(session, b"18446744073709551616", true), gone);
            assert_eq!(ask(session, b"                 1 2", true), stranger);
            assert_eq!(ask(session, b"                  -1", true), stranger);
            assert_eq!(ask(session, b"                    ", true), stranger);
            assert_eq!(ask(session, b"                   1", false), stranger);
        }
        assert_eq!(ask(other, b"                   1", true), gone);
        assert_eq!(ask(other, b"                   1", false), stranger);
    }
}
