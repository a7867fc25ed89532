//! The check of the journal's hash chain beside a recovery.

use std::path::Path;
use std::thread::JoinHandle;

use anyhow::Context;
use journal::{ChainError, ChainReport, check_chain};

/// The hash chain is checked on a thread of its own while the journal is replayed: it also covers what the replay does not
/// read, because a snapshot stands for it.
pub(super) struct ChainCheck(JoinHandle<Result<ChainReport, ChainError>>);

impl ChainCheck {
    /// Begins.
    pub(super) fn begin(journal_dir: &Path) -> anyhow::Result<Self> {
        let dir = journal_dir.to_owned();
        let thread = std::thread::Builder::new().name("hft-chain".into()).spawn(move || check_chain(&dir));
        Ok(Self(thread.context("cannot start the thread that checks the journal's chain")?))
    }

    /// Waits for its answer: an error when the chain is broken.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let Ok(checked) = self.0.join() else {
            anyhow::bail!("the check of the journal's chain has ended without an answer")
        };
        match checked?.damage {
            Some(damage) => Err(anyhow::Error::new(damage).context("the journal is not what was sealed")),
            None => Ok(()),
        }
    }
}
