//! Who may log in. Passwords are kept in the data directory as argon2id hashes, in a file of its own that only its owner may
//! read; the journal knows none. One helper thread looks at them, behind queues with a bound: no port ever hashes or waits.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, RwLock};

use anyhow::{Context, ensure};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use crossbeam_queue::ArrayQueue;
use gateway_edge::{Credentials, PasswordTable, Ticket, Verdict, canonical_password};
use protocol::AccountName;

/// Name of the file in the data directory: one line per account, its name and its hash.
pub const FILE: &str = "passwords";
/// Logins that may wait for the helper.
const QUESTIONS_MAX: usize = 256;
/// Of these, the ones that may wait for a hash.
const HASHES_MAX: usize = 32;
/// Answers that may wait for a port.
const ANSWERS_MAX: usize = 1_024;
/// Passwords found right that are recognised without a hash.
const RECOGNISED_MAX: usize = 4_096;

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
}

impl Cost {
    /// The most that a line of the file may ask for: what is above was not written by this program.
    const MAX: Self = Self { memory_kib: 1 << 20, iterations: 16 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    name: AccountName,
    cost: Cost,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Entry {
    fn new(name: AccountName, password: &[u8; 10], cost: Cost) -> anyhow::Result<Self> {
        let mut salt = [0; 16];
        random(&mut salt)?;
        let hash = Hasher::default().hash(cost, &salt, name, password).context("the password cannot be hashed")?;
        Ok(Self { name, cost, salt, hash })
    }

    fn line(&self) -> String {
        let Cost { memory_kib, iterations } = self.cost;
        let (salt, hash) = (crate::output::hex(&self.salt), crate::output::hex(&self.hash));
        format!("{} argon2id m={memory_kib},t={iterations},p=1 {salt} {hash}\n", self.name)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let name = AccountName::from_text(words.next()?)?;
        words.next().filter(|&algorithm| algorithm == "argon2id")?;
        let mut cost = words.next()?.split(',');
        let memory_kib = cost.next()?.strip_prefix("m=")?.parse().ok()?;
        let iterations = cost.next()?.strip_prefix("t=")?.parse().ok()?;
        cost.next().filter(|&lanes| lanes == "p=1")?;
        let within =
            (8..=Cost::MAX.memory_kib).contains(&memory_kib) && (1..=Cost::MAX.iterations).contains(&iterations);
        let cost = Cost { memory_kib, iterations };
        let entry = Self { name, cost, salt: unhex(words.next()?)?, hash: unhex(words.next()?)? };
        (within && words.next().is_none()).then_some(entry)
    }
}

/// Argon2id with its memory, which is kept for the next one.
#[derive(Default)]
struct Hasher {
    memory: Vec<Block>,
}

impl Hasher {
    fn hash(&mut self, cost: Cost, salt: &[u8; 16], name: AccountName, password: &[u8; 10]) -> Option<[u8; 32]> {
        let params = Params::new(cost.memory_kib, cost.iterations, 1, Some(32)).ok()?;
        self.memory.resize(self.memory.len().max(params.block_count()), Block::new());
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut salted = [0; 22];
        let (head, tail) = salted.split_at_mut(16);
        head.copy_from_slice(salt);
        tail.copy_from_slice(&name.0);
        let mut hash = [0; 32];
        argon.hash_password_into_with_memory(password, &salted, &mut hash, &mut self.memory).ok()?;
        Some(hash)
    }
}

/// True when both are equal; looks at every byte, whatever is found.
fn same<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b)) == 0
}

/// A login to be looked at.
struct Question {
    ticket: Ticket,
    name: AccountName,
    password: [u8; 10],
    answers: Arc<ArrayQueue<(Ticket, Verdict)>>,
}

impl Question {
    fn answer(&self, verdict: Verdict) {
        // A port that is gone reads no answers.
        self.answers.push((self.ticket, verdict)).unwrap_or_default();
    }
}

/// The table, shared by the helper that judges logins and the operator's socket that adds to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VenueCredentials {
    entries: Arc<RwLock<Vec<Entry>>>,
    cost: Cost,
    path: Arc<Mutex<PathBuf>>,
    questions: SyncSender<Question>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Question({})", self.name)
    }
}

/// One port's way to ask.
#[derive(Debug)]
pub struct PasswordPort {
    questions: SyncSender<Question>,
    answers: Arc<ArrayQueue<(Ticket, Verdict)>>,
}

impl Credentials for PasswordPort {
    fn check(&mut self, ticket: Ticket, name: &AccountName, password: &[u8; 10]) -> Verdict {
        let (name, password, answers) = (*name, canonical_password(password), Arc::clone(&self.answers));
        let asked = self.questions.try_send(Question { ticket, name, password, answers });
        if asked.is_ok() { Verdict::Later } else { Verdict::Busy }
    }

    fn verdict(&mut self) -> Option<(Ticket, Verdict)> {
        self.answers.pop()
    }
}

impl VenueCredentials {
    /// The accounts that the file in `data_dir` has, and demo accounts, whose passwords are no secret and are not hashed.
    /// Starts the helper; it ends with the last who can ask.
    ///
    /// # Errors
    /// The file cannot be read, or has a line that is none of ours; no thread can be started.
    pub fn open(demo: PasswordTable, cost: Cost, data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let mut entries = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let entry = Entry::parse(line).with_context(|| {
                format!(
                    "{}, line {number}: expected a name and an argon2id hash; restore the file, or remove the line and give the \
                     account a password with `hft account passwd`",
                    path.display()
                )
            })?;
            entries.push(entry);
        }
        let entries = Arc::new(RwLock::new(entries));
        let (questions, asked) = sync_channel(QUESTIONS_MAX);
        let mut key = [0; 32];
        random(&mut key)?;
        let helper = Helper {
            entries: Arc::clone(&entries),
            demo,
            hasher: Hasher::default(),
            stranger: Entry { name: AccountName::BLANK, cost, salt: [0; 16], hash: [0; 32] },
            key,
            recognised: VecDeque::with_capacity(RECOGNISED_MAX),
            waiting: VecDeque::with_capacity(HASHES_MAX),
        };
        let thread = std::thread::Builder::new().name("hft-passwords".into());
        thread.spawn(move || helper.run(&asked)).context("cannot start the thread that looks at passwords")?;
        Ok(Self { entries, cost, path: Arc::new(Mutex::new(path)), questions })
    }

    /// A way to ask, for one port.
    pub fn port(&self) -> PasswordPort {
        PasswordPort { questions: self.questions.clone(), answers: Arc::new(ArrayQueue::new(ANSWERS_MAX)) }
    }

    /// True when the file has a password of this account.
    pub fn knows(&self, name: AccountName) -> bool {
        self.entries.read().is_ok_and(|entries| entries.iter().any(|entry| entry.name == name))
    }

    /// Gives an account a password, instead of the one it may have. It is on the disk when this returns.
    ///
    /// # Errors
    /// No usable password, or a disk that does not take it.
    pub fn set(&self, name: AccountName, password: &str) -> anyhow::Result<()> {
        ensure!(is_usable(password), "the password must be 1 to 10 printable characters without spaces");
        let entry = Entry::new(name, &canonical_password(password.as_bytes()), self.cost)?;
        let Ok(path) = self.path.lock() else { anyhow::bail!("the table of passwords is lost") };
        let known = self.entries.read().map(|entries| entries.clone()).unwrap_or_default();
        let mut entries: Vec<Entry> = known.into_iter().filter(|known| known.name != name).collect();
        entries.push(entry);
        write(&path, &entries).with_context(|| format!("cannot write {}", path.display()))?;
        if let Ok(mut shared) = self.entries.write() {
            *shared = entries;
        }
        Ok(())
    }
}

fn write(path: &Path, entries: &[Entry]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let text: String = entries.iter().map(Entry::line).collect();
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::File::open(folder)?.sync_all()
}

/// Looks at passwords on a thread of its own. What needs no hash is answered before what needs one, so that many wrong guesses
/// do not keep out those who were here before.
struct Helper {
    entries: Arc<RwLock<Vec<Entry>>>,
    demo: PasswordTable,
    hasher: Hasher,
    /// What names that nobody has are compared with: the time tells nothing.
    stranger: Entry,
    /// Of this run only.
    key: [u8; 32],
    /// Keyed digests of passwords that were right, with the hash that they were compared with; the oldest first.
    recognised: VecDeque<[u8; 32]>,
    waiting: VecDeque<Question>,
}

impl Helper {
    fn run(mut self, asked: &Receiver<Question>) {
        loop {
            if self.waiting.is_empty() {
                match asked.recv() {
                    Ok(question) => self.sort(question),
                    Err(_) => return,
                }
            }
            while let Ok(question) = asked.try_recv() {
                self.sort(question);
            }
            if let Some(question) = self.waiting.pop_front() {
                self.look(&question);
            }
        }
    }

    fn entry(&self, name: AccountName) -> Option<Entry> {
        self.entries.read().ok()?.iter().find(|entry| entry.name == name).copied()
    }

    /// Answers at once what needs no hash; the rest waits, or is sent away for a moment.
    fn sort(&mut self, question: Question) {
        match self.entry(question.name) {
            Some(entry) if self.recognised.contains(&self.digest(&entry, &question.password)) => {
                question.answer(Verdict::Granted);
            }
            None if self.demo.has(&question.name) => {
                let right = self.demo.matches(&question.name, &question.password);
                question.answer(if right { Verdict::Granted } else { Verdict::Denied });
            }
            Some(_) | None if self.waiting.len() < HASHES_MAX => self.waiting.push_back(question),
            Some(_) | None => question.answer(Verdict::Busy),
        }
    }

    fn look(&mut self, question: &Question) {
        let entry = self.entry(question.name).unwrap_or(self.stranger);
        let hash = self.hasher.hash(entry.cost, &entry.salt, question.name, &question.password);
        let right = hash.is_some_and(|hash| same(&hash, &entry.hash)) && entry.name == question.name;
        if right {
            let digest = self.digest(&entry, &question.password);
            if self.recognised.len() == RECOGNISED_MAX {
                self.recognised.pop_front();
            }
            self.recognised.push_back(digest);
        }
        question.answer(if right { Verdict::Granted } else { Verdict::Denied });
    }

    fn digest(&self, entry: &Entry, password: &[u8; 10]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&entry.name.0).update(&entry.hash).update(password);
        *hasher.finalize().as_bytes()
    }
}

/// 1 to 10 printable characters without spaces.
pub fn is_usable(password: &str) -> bool {
    (1..=10).contains(&password.len()) && password.bytes().all(|byte| byte.is_ascii_graphic())
}

fn random(bytes: &mut [u8]) -> anyhow::Result<()> {
    fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(bytes)).context("no random bytes")
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const CHEAP: Cost = Cost { memory_kib: 64, iterations: 1 };
    const NAME: AccountName = AccountName(*b"ALPHA1");

    fn open(dir: &Path) -> VenueCredentials {
        let mut demo = PasswordTable::new();
        demo.insert(&AccountName(*b"DEMO01"), "demo-pass");
        VenueCredentials::open(demo, CHEAP, dir).unwrap()
    }

    /// Asks until there is an answer.
    fn check(table: &VenueCredentials, name: AccountName, password: &[u8; 10]) -> bool {
        let mut port = table.port();
        let ticket = Ticket { slot: 7, guest: 9 };
        loop {
            match port.check(ticket, &name, password) {
                Verdict::Later => break,
                Verdict::Busy => std::thread::yield_now(),
                verdict @ (Verdict::Granted | Verdict::Denied) => panic!("{verdict:?} without a look"),
            }
        }
        loop {
            match port.verdict() {
                Some((answered, verdict)) => {
                    assert_eq!(answered, ticket);
                    return verdict == Verdict::Granted;
                }
                None => std::thread::yield_now(),
            }
        }
    }

    #[test]
    fn passwords_survive_and_do_not_stand_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path());
        assert!(!check(&table, NAME, b"s3cret    ") && !table.knows(NAME));
        table.set(NAME, "other").unwrap();
        assert!(check(&table, NAME, b"other     "));
        table.set(NAME, "S3cret").unwrap();
        for table in [&table, &open(dir.path())] {
            for _ in 0..2 {
                assert!(check(table, NAME, b"s3cret    ") && check(table, NAME, b" S3CRET   ") && table.knows(NAME));
                assert!(!check(table, NAME, b"other     ") && !check(table, NAME, b"          "));
                assert!(!check(table, AccountName(*b"ALPHA2"), b"s3cret    "));
            }
        }
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(text.starts_with("ALPHA1 argon2id m=64,t=1,p=1 ") && text.lines().count() == 1, "{text}");
        assert!(!text.to_lowercase().contains("s3cret"), "{text}");
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_password_in_the_file_goes_before_that_of_a_demo_account() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path());
        let demo = AccountName(*b"DEMO01");
        assert!(check(&table, demo, b"demo-pass ") && !check(&table, demo, b"demo-past "));
        table.set(demo, "mine").unwrap();
        assert!(check(&table, demo, b"mine      ") && !check(&table, demo, b"demo-pass "));
    }

    #[test]
    fn wrong_guesses_do_not_keep_out_who_was_here_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut demo = PasswordTable::new();
        demo.insert(&AccountName(*b"DEMO01"), "demo-pass");
        let table = VenueCredentials::open(demo, Cost { memory_kib: 4_096, iterations: 2 }, dir.path()).unwrap();
        table.set(NAME, "s3cret").unwrap();
        assert!(check(&table, NAME, b"s3cret    "));
        let mut guesser = table.port();
        let mut sent = 0;
        while sent < QUESTIONS_MAX {
            let ticket = Ticket { slot: sent, guest: 1 };
            sent += usize::from(guesser.check(ticket, &NAME, b"guess     ") == Verdict::Later);
        }
        assert!(check(&table, NAME, b"s3cret    "));
        let mut heard = Vec::new();
        while heard.len() < sent {
            heard.extend(guesser.verdict().map(|(_, verdict)| verdict));
        }
        assert!(
            heard.contains(&Verdict::Busy) && heard.contains(&Verdict::Denied) && !heard.contains(&Verdict::Granted)
        );
    }

    #[test]
    fn passwords_that_nobody_could_send_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for password in ["", "much-too-long", "a b", "ä"] {
            assert!(open(dir.path()).set(NAME, password).is_err(), "{password:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_ours_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let zeros = "0".repeat(32);
        for cost in ["m=99999999,t=1,p=1", "m=64,t=99,p=1", "m=64,t=1,p=2", "m=4,t=1,p=1"] {
            let line = format!("ALPHA1 argon2id {cost} {zeros} {zeros}{zeros}\n");
            fs::write(dir.path().join(FILE), line).unwrap();
            let error = VenueCredentials::open(PasswordTable::new(), CHEAP, dir.path()).unwrap_err();
            assert!(error.to_string().contains("passwords, line 1"), "{error}");
        }
    }

    #[test]
    fn nothing_that_is_printed_has_a_password() {
        let answers = Arc::new(ArrayQueue::new(1));
        let question = Question { ticket: Ticket { slot: 0, guest: 0 }, name: NAME, password: *b"s3cret    ", answers };
        assert!(!format!("{question:?}").contains("s3cret"));
    }
}
