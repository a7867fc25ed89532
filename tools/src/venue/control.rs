//! The operator's socket: `control.sock` in the data directory, for its owner alone. A request becomes commands in the
//! journal, in turn with those of clients; the reply goes out once the core has answered and that is durable. The thread
//! does nothing else, so that it also works when everything else is busy.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use engine::runtime::agent::Agent;
use engine::runtime::cursor::Cursor;
use gateway_edge::WakeHandle;
use protocol::operator::{KillCause, OperatorAction, OperatorCommand, Outcome};
use protocol::{CommandBody, EventBody, Sequence, VenueCommand, record};

use crate::clock::{monotonic, utc_now};
use crate::control::request::{LINE_BYTES_MAX, Reply, Request, SOCKET};
use crate::venue::credentials::{VenueCredentials, is_usable};
use crate::venue::refusals;
use crate::venue::registry::{Registry, account_name};
use crate::venue::trips::Trips;

/// How long a client may take to say what it wants.
const REQUEST_MAX: Duration = Duration::from_secs(2);
/// How long the core may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long to wait between two looks for an answer.
const LOOK: Duration = Duration::from_micros(100);

/// Something the core told that concerns the operator.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The command.
    pub sequence: Sequence,
    /// What it told.
    pub body: EventBody,
    /// Orders cancelled so far by the same command.
    pub canceled: u32,
}

/// What the core tells the operator, from the projections to the socket's thread. A reader that is not there loses the
/// oldest.
pub type ToldQueue = Arc<ArrayQueue<Told>>;

/// Events that may wait.
pub const TOLD_MAX: usize = 4_096;

/// How the socket reaches the venue.
#[derive(Debug)]
pub struct ControlPorts {
    /// Commands for the order port to sequence.
    pub commands: Arc<ArrayQueue<CommandBody>>,
    /// Wakes it.
    pub waker: WakeHandle,
    /// What came of them.
    pub told: ToldQueue,
    /// How far the journal is durable.
    pub durable: Arc<Cursor>,
    /// Passwords of accounts.
    pub credentials: VenueCredentials,
}

/// The socket, and who is who.
#[derive(Debug)]
pub struct Control {
    listener: Option<UnixListener>,
    path: PathBuf,
    ports: ControlPorts,
    registry: Registry,
    trips: Trips,
    last_request: u32,
    stopping: Arc<AtomicBool>,
}

impl Control {
    /// Opens the socket in `data_dir`, where no other venue runs. What cannot be opened is told, and the venue goes on
    /// without.
    pub fn open(data_dir: &Path, ports: ControlPorts, (registry, trips): (Registry, Trips)) -> Self {
        let path = data_dir.join(SOCKET);
        let listener = match listen(&path) {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "no operator's socket: accounts, limits and kill switches cannot be reached");
                None
            }
        };
        Self { listener, path, ports, registry, trips, last_request: 0, stopping: Arc::default() }
    }

    /// Set when the venue stops: nothing is taken any more.
    pub fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    fn learn(&mut self) -> Option<Told> {
        let told = self.ports.told.pop()?;
        self.registry.learn(&told.body);
        self.trips.learn(&told.body);
        if let EventBody::KillSwitched { scope, is_killed: true, cause } = told.body
            && cause != KillCause::Operator
        {
            let (who, why) = (self.registry.name_of(scope), cause.as_text());
            tracing::warn!(
                sequence = told.sequence.0,
                "the kill switch of {who} tripped: {why}; `hft resume` clears it"
            );
        }
        Some(told)
    }

    fn serve(&mut self, socket: &UnixStream) -> io::Result<()> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(REQUEST_MAX))?;
        socket.set_write_timeout(Some(REQUEST_MAX))?;
        let mut line = String::new();
        BufReader::new(socket.take(LINE_BYTES_MAX)).read_line(&mut line)?;
        let reply = match serde_json::from_str(&line) {
            Ok(request) => self.reply(&request),
            Err(error) => Reply::refused(format!("no request: {error}")),
        };
        let mut text = serde_json::to_string(&reply).map_err(io::Error::other)?;
        text.push('\n');
        let mut socket = socket;
        socket.write_all(text.as_bytes())
    }

    fn reply(&mut self, request: &Request) -> Reply {
        while self.learn().is_some() {}
        if let Request::CreateAccount { password, .. } | Request::SetPassword { password, .. } = request
            && !is_usable(password)
        {
            return Reply::refused("password: expected 1 to 10 printable characters without spaces");
        }
        if let Request::BustTrade { record } = request {
            return self.bust(record);
        }
        match self.registry.venue_command(request, utc_now()) {
            Ok(Some(command)) => return self.command(command),
            Ok(None) => {}
            Err(wrong) => return Reply::refused(wrong),
        }
        let actions = match self.registry.actions(request) {
            Ok(actions) => actions,
            Err(wrong) => return Reply::refused(wrong),
        };
        let mut reply = Reply { ok: true, message: "done".to_owned(), sequence: 0, canceled: 0 };
        for action in actions {
            if !self.act(request, action, &mut reply) {
                return reply;
            }
        }
        if let Request::CreateAccount { name, password, .. } | Request::SetPassword { name, password } = request {
            let kept = account_name(name)
                .map_err(anyhow::Error::msg)
                .and_then(|name| self.ports.credentials.set(name, password));
            if let Err(error) = kept {
                reply.ok = false;
                reply.message = format!("the account is there, but its password was not kept: {error:#}");
            }
        }
        reply
    }

    /// One action, again and again while there is more of it to do. False when it was refused.
    fn act(&mut self, request: &Request, action: OperatorAction, reply: &mut Reply) -> bool {
        loop {
            let Some((told, outcome)) = self.submit(action) else {
                reply.ok = false;
                reply.message = String::from("the core did not answer in time: look whether the request was done");
                return false;
            };
            reply.sequence = told.sequence.0;
            reply.canceled = reply.canceled.saturating_add(told.canceled);
            reply.ok = outcome.is_done();
            reply.message = refusals::text(request, outcome);
            if outcome != Outcome::More {
                return reply.ok;
            }
        }
    }

    /// Voids a trade that the asker has found in the journal.
    fn bust(&mut self, record: &str) -> Reply {
        let body = unhex(record).and_then(|bytes| record::decode(&bytes).ok());
        let Some(command @ CommandBody::Venue(VenueCommand::BustTrade(bust))) = body else {
            return Reply::refused("no record of a broken trade");
        };
        let answer = self.sequence(command, |told| {
            if let EventBody::TradeBroken { match_number, .. } = told {
                return (*match_number == bust.match_number).then_some(true);
            }
            matches!(told, EventBody::OperatorRefused { .. }).then_some(false)
        });
        match answer {
            Some((told, true)) => {
                let message = format!("broken: execution {}", bust.match_number);
                Reply { ok: true, message, sequence: told.sequence.0, canceled: 0 }
            }
            Some((told, false)) => Reply {
                sequence: told.sequence.0,
                ..Reply::refused("it is broken already, or so long ago that this is not known any more")
            },
            None => Reply::refused("the core did not answer in time: look whether the request was done"),
        }
    }

    /// Has the core do what no account is concerned with, and waits for what says that it was done.
    fn command(&mut self, command: VenueCommand) -> Reply {
        let answer = self.sequence(CommandBody::Venue(command), |told| {
            if let EventBody::OperatorRefused { .. } = told {
                return Some(None);
            }
            said(&command, told).map(Some)
        });
        match answer {
            Some((told, Some(message))) => Reply { ok: true, message, sequence: told.sequence.0, canceled: 0 },
            Some((told, None)) => Reply {
                sequence: told.sequence.0,
                ..Reply::refused("refused: a cross or the roll of the day goes on; ask again in a moment")
            },
            None => Reply::refused("the core did not answer in time: look whether the request was done"),
        }
    }

    /// Sequences one action and waits for its durable answer.
    fn submit(&mut self, action: OperatorAction) -> Option<(Told, Outcome)> {
        self.last_request = self.last_request.wrapping_add(1);
        let request = self.last_request;
        self.sequence(CommandBody::Operator(OperatorCommand { request, action }), |told| {
            let EventBody::Answered { request: answered, outcome } = told else { return None };
            (*answered == request).then_some(*outcome)
        })
    }

    /// Sequences one command and waits for its durable answer.
    fn sequence<T>(&mut self, mut command: CommandBody, answer: impl Fn(&EventBody) -> Option<T>) -> Option<(Told, T)> {
        let end = monotonic() + ANSWER_MAX;
        while let Err(back) = self.ports.commands.push(command) {
            command = back;
            self.rest(end)?;
        }
        self.ports.waker.wake();
        let (told, outcome) = loop {
            match self.learn() {
                Some(told) => {
                    if let Some(outcome) = answer(&told.body) {
                        break (told, outcome);
                    }
                }
                None => self.rest(end)?,
            }
        };
        while self.ports.durable.load() < told.sequence {
            self.rest(end)?;
        }
        Some((told, outcome))
    }

    /// Waits a moment; `None` when there is no time left.
    fn rest(&self, end: std::time::Instant) -> Option<()> {
        if monotonic() > end || self.stopping.load(Ordering::Relaxed) {
            return None;
        }
        std::thread::park_timeout(LOOK);
        Some(())
    }
}

impl Agent for Control {
    fn name(&self) -> &'static str {
        "control"
    }

    fn turn(&mut self) -> usize {
        if self.stopping.load(Ordering::Relaxed) {
            self.listener = None;
            return 0;
        }
        while self.learn().is_some() {}
        match self.listener.as_ref().map(UnixListener::accept) {
            Some(Ok((socket, _))) => {
                if let Err(error) = self.serve(&socket) {
                    tracing::warn!(%error, "a request of the operator was not read or its reply not taken");
                }
                1
            }
            Some(Err(_)) | None => 0,
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

/// What an event says of a command, when it says that it was done.
fn said(command: &VenueCommand, told: &EventBody) -> Option<String> {
    match (command, told) {
        (VenueCommand::RollDay(_), EventBody::SessionRolled { session }) => Some(format!("rolled: session {session}")),
        (VenueCommand::StartAuction(auction), EventBody::TradingStateChanged { instrument, state, .. }) => {
            (auction.instrument == *instrument && auction.state == *state).then(|| "orders are collected".to_owned())
        }
        (VenueCommand::SetOperationalHalt(set), EventBody::OperationalHaltChanged { instrument, is_halted }) => {
            let is_it = set.instrument == *instrument && set.is_halted == *is_halted;
            is_it.then(|| if set.is_halted { "halted" } else { "resumed" }.to_owned())
        }
        (VenueCommand::SetReferencePrice(set), EventBody::ReferenceChanged { instrument, price }) => {
            (set.instrument == *instrument && set.price == *price).then(|| "set".to_owned())
        }
        (VenueCommand::SetMarketWideLevels(_), EventBody::MarketWideLevels { .. }) => Some("set".to_owned()),
        (VenueCommand::BreachMarketWide(level), EventBody::MarketWideBreached { level: told }) => {
            (level == told).then(|| format!("level {level} breached: every instrument is halted"))
        }
        _ => None,
    }
}

/// Bytes of lower-case or upper-case hexadecimal.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let digits: Vec<u8> = digits.collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Listens at `path`, which only the owner can open: it gets its name once it has its permissions.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let unnamed = path.with_extension("new");
    for old in [path, &unnamed] {
        match fs::remove_file(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    let listener = UnixListener::bind(&unnamed)?;
    fs::set_permissions(&unnamed, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    fs::rename(&unnamed, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_the_owners_and_replaces_what_a_crash_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        for _ in 0..2 {
            let listener = listen(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let client = UnixStream::connect(&path).unwrap();
            assert!(listener.accept().is_ok());
            drop(client);
        }
        assert!(!dir.path().join("control.new").exists());
    }
}
