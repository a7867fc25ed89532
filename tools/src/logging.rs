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

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// True for a level, or for a list of levels of parts of the program as `warn,gateway_edge=info`. The filter itself would take any other
/// word for a part of the program, and log nothing else.
pub fn is_level(text: &str) -> bool {
    let is_known = |part: &str| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level))
    };
    text.split(',').all(is_known) && EnvFilter::try_new(text).is_ok()
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
