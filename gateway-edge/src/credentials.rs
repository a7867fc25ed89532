//! Names and passwords that are given at start.

use std::fmt;

use protocol::AccountName;
use protocol::soupbin::trim;

use crate::directory::canonical_name;
use crate::ports::{Credentials, Ticket, Verdict};

/// Accounts whose passwords are held in memory as they are: for demo accounts, on loopback only.
#[derive(Clone, Default)]
pub struct PasswordTable {
    entries: Vec<(AccountName, [u8; 10])>,
}

impl PasswordTable {
    /// Without any account.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an account. False when the password is longer than 10 characters: nobody could send it.
    pub fn insert(&mut self, name: &AccountName, password: &str) -> bool {
        let fits = password.len() <= 10;
        if fits {
            self.entries.push((canonical_name(&name.0), canonical_password(password.as_bytes())));
        }
        fits
    }
}

impl PasswordTable {
    /// True when this is the password of that account. Looks at every entry and every byte, whatever is found.
    pub fn matches(&self, name: &AccountName, password: &[u8; 10]) -> bool {
        let given = canonical_password(password);
        self.entries.iter().fold(false, |found, (known, wanted)| {
            let differing = wanted.iter().zip(&given).fold(0, |bits, (a, b)| bits | (a ^ b));
            let matching = differing == 0 && known == name;
            matching || found
        })
    }

    /// True when the account is here. `name` must be canonical.
    pub fn has(&self, name: &AccountName) -> bool {
        self.entries.iter().any(|(known, _)| known == name)
    }
}

impl Credentials for PasswordTable {
    fn check(&mut self, _: Ticket, name: &AccountName, password: &[u8; 10]) -> Verdict {
        if self.matches(name, password) { Verdict::Granted } else { Verdict::Denied }
    }
}

impl fmt::Debug for PasswordTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(name, _)| name)).finish()
    }
}

/// A password as it is compared: trimmed, without case, padded to the field of a login.
pub fn canonical_password(text: &[u8]) -> [u8; 10] {
    let mut password = [b' '; 10];
    for (to, from) in password.iter_mut().zip(trim(text)) {
        *to = from.to_ascii_lowercase();
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_trimmed_and_without_case() {
        let mut table = PasswordTable::new();
        assert!(table.insert(&AccountName(*b"DEMO01"), "demo-pass"));
        assert!(!table.insert(&AccountName(*b"DEMO02"), "much-too-long"));
        let name = AccountName(*b"DEMO01");
        assert!(table.matches(&name, b"demo-pass "));
        assert!(table.matches(&name, b" DEMO-Pass"));
        assert!(!table.matches(&name, b"demo-pas  "));
        assert!(!table.matches(&name, b"demo-pass1"));
        assert!(!table.matches(&name, b"          "));
        assert!(!table.matches(&AccountName(*b"DEMO02"), b"demo-pass "));
    }

    #[test]
    fn does_not_print_passwords() {
        let mut table = PasswordTable::new();
        table.insert(&AccountName(*b"DEMO01"), "demo-pass");
        assert!(!format!("{table:?}").contains("pass"));
    }
}
