//! What accounts were told by a venue that is killed again and again: nothing of it may be lost or told otherwise.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use protocol::SessionName;

use super::{Client, Venue};

/// Length of a stream file's header.
const HEADER: usize = 4_096;

/// The account's stream of a session, as it stands in its file: the framed messages.
fn stream(dir: &Path, session: SessionName, file: &str) -> Vec<u8> {
    let path = dir.join("streams").join(session.to_string().trim()).join(file);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut end, messages) = (0, &bytes[HEADER.min(bytes.len())..]);
    while let Some(length) = messages.get(end..end + 2).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]]))) {
        if length == 0 || end + 2 + length > messages.len() {
            break;
        }
        end += 2 + length;
    }
    messages[..end].to_vec()
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    let frames = messages.iter().map(|message| {
        let length = u16::try_from(message.len() + 1).unwrap().to_be_bytes();
        [&length[..], b"S", message].concat()
    });
    frames.collect::<Vec<_>>().concat()
}

/// What an account was told, session by session.
pub struct Told {
    account: &'static str,
    sessions: Vec<(SessionName, Vec<Vec<u8>>)>,
}

impl Told {
    /// Nothing so far.
    pub fn of(account: &'static str) -> Self {
        Self { account, sessions: Vec::new() }
    }

    /// Comes back: what it was told of this session must be there, in its place.
    pub fn come_back(&mut self, port: u16) -> Client {
        let account = self.account;
        let mut client = Client::login(port, account);
        if self.sessions.last().is_none_or(|(session, _)| *session != client.session) {
            self.sessions.push((client.session, Vec::new()));
        }
        let told = &mut self.sessions.last_mut().unwrap().1;
        for (place, message) in told.iter().enumerate() {
            assert!(&client.message() == message, "{account}: message {} is another than it was told", place + 1);
        }
        client.ask(b"Q");
        loop {
            let message = client.message();
            told.push(message.clone());
            if message[0] == b'Q' {
                return client;
            }
        }
    }

    /// Keeps what the venue still said before it died.
    pub fn read_rest(&mut self, client: &mut Client) {
        let last = &mut self.sessions.last_mut().unwrap().1;
        while let Some((b'S', message)) = client.packet() {
            last.push(message);
        }
    }

    /// Kinds of the messages, executions with their flag: `T`, `R`, `EO`.
    pub fn kinds(&self) -> BTreeSet<String> {
        let messages = self.sessions.iter().flat_map(|(_, messages)| messages);
        let kind = |message: &Vec<u8>| match message[0] {
            b'E' => format!("E{}", char::from(message[25])),
            other => char::from(other).to_string(),
        };
        messages.map(kind).collect()
    }

    pub fn last_session(&self) -> SessionName {
        self.sessions.last().unwrap().0
    }

    /// The files of the sessions begin with what was told.
    pub fn check_files(&self, dir: &Path) {
        for (session, messages) in &self.sessions {
            // The files of sessions that no start needs any more are gone.
            if dir.join("streams").join(session.to_string()).exists() {
                let file = stream(dir, *session, &format!("account-{}.stream", self.account));
                assert!(file.starts_with(&framed(messages)), "{session}: what was told is not what is kept");
            }
        }
    }
}

/// A venue that has nothing but the journal makes the same bytes of the current session.
pub fn same_from_the_journal_alone(dir: &Path, again: &Path, session: SessionName) {
    fs::create_dir_all(again.join("journal")).unwrap();
    for entry in fs::read_dir(dir.join("journal")).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        fs::copy(&path, again.join("journal").join(path.file_name().unwrap())).unwrap();
    }
    for file in ["passwords"] {
        if dir.join(file).exists() {
            fs::copy(dir.join(file), again.join(file)).unwrap();
        }
    }
    Venue::start(again).stop("-INT");
    for file in ["feed.stream", "account-DEMO01.stream", "account-DEMO03.stream", "firm-DEMA.stream"] {
        let (first, second) = (stream(dir, session, file), stream(again, session, file));
        assert!(!first.is_empty() && second.starts_with(&first), "{file} is made otherwise from the journal");
    }
}
