//! Which lines are logged: those that `HFT_LOG` asks for, or else the configuration, also while the venue runs.

use std::sync::OnceLock;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

type Set = Box<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>;

static SET: OnceLock<Set> = OnceLock::new();

/// Keeps the handle with which the filter is changed.
pub fn keep<S: 'static>(handle: Handle<EnvFilter, S>) {
    SET.get_or_init(|| Box::new(move |filter| handle.reload(filter).context("the log cannot be changed")));
}

/// Logs at this level from now on, unless `HFT_LOG` says otherwise.
///
/// # Errors
/// It is no level or filter.
pub fn set_level(level: &str) -> anyhow::Result<()> {
    if std::env::var_os("HFT_LOG").is_some() {
        return Ok(());
    }
    let filter = EnvFilter::try_new(level).with_context(|| format!("{level:?} is no log filter"))?;
    SET.get().map_or(Ok(()), |set| set(filter))
}
