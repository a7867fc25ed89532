//! Who may log in: the demo accounts, and those that the file lists.

use std::collections::BTreeSet;

use protocol::{AccountName, Firm};
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::sections::File;
use super::{LoadConfigError, MASKED};

/// Password of the demo accounts. They exist on loopback addresses only.
pub const DEMO_PASSWORD: &str = "demo-pass";

/// An account as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    pub(super) name: String,
    pub(super) firm: String,
    pub(super) password: String,
}

/// One account that may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountConfig {
    /// Login name.
    pub name: AccountName,
    /// Firm.
    pub firm: Firm,
    /// At most ten characters; never printed. The first one: what is in the data directory goes before.
    pub password: String,
    /// It is one of those that everybody knows.
    pub is_demo: bool,
}

impl std::fmt::Debug for AccountConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountConfig {{ {:?}, {:?}, {MASKED} }}", self.name, self.firm)
    }
}

impl Check<'_> {
    /// All accounts, the demo ones first.
    pub(super) fn accounts(&self, file: &File) -> Result<Vec<AccountConfig>, LoadConfigError> {
        let demo = [("DEMO01", "DEMA"), ("DEMO02", "DEMA"), ("DEMO03", "DEMB"), ("DEMO04", "DEMB")]
            .iter()
            .filter(|_| file.accounts.demo)
            .map(|(name, firm)| {
                let password = DEMO_PASSWORD.to_owned();
                (AccountEntry { name: (*name).to_owned(), firm: (*firm).to_owned(), password }, true)
            });
        let listed = file.accounts.list.iter().map(|entry| (entry.clone(), false));
        let mut names = BTreeSet::new();
        let mut accounts = Vec::new();
        for (entry, is_demo) in demo.chain(listed) {
            let key = format!("accounts {}", entry.name);
            let letters = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let upper = entry.name.to_ascii_uppercase();
            let name = AccountName::from_text(&upper).filter(|_| letters(&upper));
            let firm = Firm::from_text(&entry.firm)
                .filter(|_| letters(&entry.firm) && !entry.firm.bytes().any(|byte| byte.is_ascii_lowercase()));
            let name = name.ok_or_else(|| self.bad(&key, &entry.name, "a name of 1 to 6 letters and digits"))?;
            let firm = firm.ok_or_else(|| self.bad(&key, &entry.firm, "a firm of 1 to 4 capitals and digits"))?;
            let usable =
                (1..=10).contains(&entry.password.len()) && entry.password.bytes().all(|byte| byte.is_ascii_graphic());
            if !usable {
                return Err(self.bad(&key, MASKED, "a password of 1 to 10 printable characters without spaces"));
            }
            if !names.insert(name) {
                return Err(self.bad(&key, &entry.name, "each account once"));
            }
            accounts.push(AccountConfig { name, firm, password: entry.password, is_demo });
        }
        if accounts.len() > file.limits.accounts_max as usize {
            return Err(self.bad("limits.accounts_max", file.limits.accounts_max, "at least the accounts listed"));
        }
        Ok(accounts)
    }
}
