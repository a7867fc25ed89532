//! A login between its packet and its answer, the same on every port: it waits its turn, its password is looked at, perhaps on
//! another thread, and then it is judged.

use protocol::soupbin::LoginRequest;
use protocol::{AccountName, Nanos};

use crate::clock::millis;
use crate::connection::Connection;
use crate::directory::canonical_name;
use crate::limits::{Origins, Rate};
use crate::ports::{Credentials, Ticket, Verdict};

/// After so long a login is offered again to whoever looks at passwords.
const AGAIN_MS: u64 = 10;

/// How far a login is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is looked at then.
    Waits(Nanos),
    /// It may be looked at.
    Admitted,
    /// It is being looked at.
    Asked,
}

/// A login that is not judged yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingLogin {
    request: LoginRequest,
    stage: Stage,
}

/// What becomes of a login now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Judged {
    /// It goes on then.
    Wait(Nanos),
    /// Its answer will come.
    Asked,
    /// The password is right, or not.
    Done(LoginRequest, bool),
}

/// What logins of a port are looked at with.
pub(crate) struct Desk<'a, C> {
    /// Logins from one address.
    pub(crate) rate: Rate,
    pub(crate) origins: &'a mut Origins,
    pub(crate) credentials: &'a mut C,
}

/// The name in a login, as accounts are known by.
pub(crate) fn name_of(request: &LoginRequest) -> AccountName {
    canonical_name(&request.username)
}

/// A login has come on `connection`.
pub(crate) fn begin(
    connection: &mut Connection,
    request: LoginRequest,
    backoff_ms_max: u64,
    origins: &Origins,
    now: Nanos,
) {
    let wait_ms = origins.backoff_ms(connection.origin, backoff_ms_max, now);
    let stage = Stage::Waits(Nanos(now.0 + millis(wait_ms)));
    connection.login = Some(PendingLogin { request, stage });
}

/// Goes on with the login of `connection`, which is at `slot`. Never waits.
pub(crate) fn go_on(
    connection: &mut Connection,
    slot: usize,
    desk: Desk<'_, impl Credentials>,
    now: Nanos,
) -> Option<Judged> {
    let Desk { rate, origins, credentials } = desk;
    let ticket = Ticket { slot, guest: connection.guest };
    let login = connection.login.as_mut()?;
    if let Stage::Waits(until) = login.stage {
        if until > now {
            return Some(Judged::Wait(until));
        }
        if let Some(until) = origins.login(connection.origin, rate, now) {
            return Some(Judged::Wait(until));
        }
        login.stage = Stage::Admitted;
    }
    if login.stage == Stage::Asked {
        return Some(Judged::Asked);
    }
    let request = login.request;
    Some(match credentials.check(ticket, &name_of(&request), &request.password) {
        Verdict::Granted => done(connection, origins, true, now)?,
        Verdict::Denied => done(connection, origins, false, now)?,
        Verdict::Busy => Judged::Wait(Nanos(now.0 + millis(AGAIN_MS))),
        Verdict::Later => {
            login.stage = Stage::Asked;
            Judged::Asked
        }
    })
}

/// The answer about the login of `connection` has come. `None`: it was about another one.
pub(crate) fn hear(
    connection: &mut Connection,
    ticket: Ticket,
    verdict: Verdict,
    origins: &mut Origins,
    now: Nanos,
) -> Option<Judged> {
    let is_it = connection.guest == ticket.guest;
    let login = connection.login.as_mut().filter(|login| is_it && login.stage == Stage::Asked)?;
    match verdict {
        Verdict::Granted => done(connection, origins, true, now),
        Verdict::Denied => done(connection, origins, false, now),
        Verdict::Busy => {
            login.stage = Stage::Admitted;
            Some(Judged::Wait(Nanos(now.0 + millis(AGAIN_MS))))
        }
        Verdict::Later => Some(Judged::Asked),
    }
}

fn done(connection: &mut Connection, origins: &mut Origins, granted: bool, now: Nanos) -> Option<Judged> {
    let login = connection.login.take()?;
    if !granted {
        origins.wrong(connection.origin, now);
    }
    Some(Judged::Done(login.request, granted))
}
