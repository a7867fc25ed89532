//! Who may log in: the accounts of the configuration, and those that an operator created. The latter are kept in the data
//! directory, salted and hashed, in a file of its own that only its owner may read; the journal knows no passwords.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use anyhow::{Context, ensure};
use gateway_edge::{Credentials, PasswordTable, canonical_password};
use protocol::AccountName;

/// Name of the file in the data directory: one line per account, name, salt and hash.
pub const FILE: &str = "passwords";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    name: AccountName,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Entry {
    fn matches(&self, name: AccountName, password: &[u8; 10]) -> bool {
        let hash = hash(&self.salt, name, password);
        let differing = hash.iter().zip(&self.hash).fold(0, |bits, (a, b)| bits | (a ^ b));
        differing == 0 && self.name == name
    }

    fn line(&self) -> String {
        format!("{} {} {}\n", self.name, crate::output::hex(&self.salt), crate::output::hex(&self.hash))
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (name, salt, hash) = (words.next()?, words.next()?, words.next()?);
        let entry = Self { name: AccountName::from_text(name)?, salt: unhex(salt)?, hash: unhex(hash)? };
        words.next().is_none().then_some(entry)
    }
}

/// The table, shared by the ports that judge logins and the operator's socket that adds to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VenueCredentials {
    configured: PasswordTable,
    added: Arc<RwLock<Vec<Entry>>>,
    path: Arc<PathBuf>,
}

impl VenueCredentials {
    /// The accounts of the configuration, and those that the file in `data_dir` has.
    ///
    /// # Errors
    /// The file cannot be read, or has a line that is none of ours.
    pub fn open(configured: PasswordTable, data_dir: &Path) -> anyhow::Result<Self> {
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
                    "{}, line {number}: expected a name, a salt and a hash; restore the file or remove the line",
                    path.display()
                )
            })?;
            entries.push(entry);
        }
        Ok(Self { configured, added: Arc::new(RwLock::new(entries)), path: Arc::new(path) })
    }

    /// True when this account can log in with some password.
    pub fn knows(&self, name: AccountName) -> bool {
        self.added.read().is_ok_and(|added| added.iter().any(|entry| entry.name == name))
    }

    /// Gives an account a password, instead of the one it may have. It is on the disk when this returns.
    ///
    /// # Errors
    /// No usable password, or a disk that does not take it.
    pub fn set(&self, name: AccountName, password: &str) -> anyhow::Result<()> {
        ensure!(is_usable(password), "the password must be 1 to 10 printable characters without spaces");
        let mut salt = [0; 16];
        fs::File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut salt))
            .context("no random bytes")?;
        let entry = Entry { name, salt, hash: hash(&salt, name, &canonical_password(password.as_bytes())) };
        let Ok(mut added) = self.added.write() else { anyhow::bail!("the table of passwords is lost") };
        let mut entries: Vec<Entry> = added.iter().filter(|known| known.name != name).copied().collect();
        entries.push(entry);
        self.write(&entries).with_context(|| format!("cannot write {}", self.path.display()))?;
        *added = entries;
        Ok(())
    }

    fn write(&self, entries: &[Entry]) -> io::Result<()> {
        let temporary = self.path.with_extension("tmp");
        let text: String = entries.iter().map(Entry::line).collect();
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &*self.path)?;
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        fs::File::open(folder)?.sync_all()
    }
}

impl Credentials for VenueCredentials {
    fn check(&self, name: &AccountName, password: &[u8; 10]) -> bool {
        let password = canonical_password(password);
        let configured = self.configured.check(name, &password);
        // One hash, whether the name is known or not: the time tells little.
        let stranger = Entry { name: AccountName::BLANK, salt: [0; 16], hash: [0; 32] };
        let entry = self.added.read().ok().and_then(|added| added.iter().find(|entry| entry.name == *name).copied());
        configured | entry.unwrap_or(stranger).matches(*name, &password)
    }
}

/// 1 to 10 printable characters without spaces.
pub fn is_usable(password: &str) -> bool {
    (1..=10).contains(&password.len()) && password.bytes().all(|byte| byte.is_ascii_graphic())
}

fn hash(salt: &[u8; 16], name: AccountName, password: &[u8; 10]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("TradSys account password, version 1");
    hasher.update(salt).update(&name.0).update(password);
    *hasher.finalize().as_bytes()
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

    #[test]
    fn passwords_survive_and_do_not_stand_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let name = AccountName(*b"ALPHA1");
        let open = || VenueCredentials::open(PasswordTable::new(), dir.path()).unwrap();
        let table = open();
        let seen_by_another = table.clone();
        assert!(!table.check(&name, b"s3cret    ") && !table.knows(name));
        table.set(name, "other").unwrap();
        table.set(name, "S3cret").unwrap();
        for table in [&table, &seen_by_another, &open()] {
            assert!(table.check(&name, b"s3cret    ") && table.knows(name));
            assert!(!table.check(&name, b"other     ") && !table.check(&name, b"          "));
            assert!(!table.check(&AccountName(*b"ALPHA2"), b"s3cret    "));
        }
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(!text.to_lowercase().contains("s3cret") && text.lines().count() == 1, "{text}");
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn passwords_that_nobody_could_send_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let table = VenueCredentials::open(PasswordTable::new(), dir.path()).unwrap();
        for password in ["", "much-too-long", "a b", "ä"] {
            assert!(table.set(AccountName(*b"ALPHA1"), password).is_err(), "{password:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_ours_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "ALPHA1 00 11\n").unwrap();
        let error = VenueCredentials::open(PasswordTable::new(), dir.path()).unwrap_err();
        assert!(error.to_string().contains("passwords, line 1"), "{error}");
    }
}
