//! SIGHUP: reads the configuration again. What can change while the venue runs changes; what cannot is named, and stays as it
//! was.

use std::collections::BTreeMap;

use gateway_edge::{Certificate, EdgeConfig, FeedConfig, Mailbox, TlsSwitch};
use serde_json::Value;

use crate::config::{Config, LoadConfigError};
use crate::logging;
use crate::output::print_line;
use crate::venue::assembly::{drop_copy_config, edge_config, feed_config};

/// Keys that change at once. Everything else takes a restart, or has a command of its own.
const LIVE: [&str; 17] = [
    "feed.connections_per_address_max",
    "feed.handshake_ms",
    "feed.request_bytes_max",
    "feed.unsent_mib_max",
    "log.level",
    "order_entry.connections_per_address_max",
    "order_entry.frame_bytes_max",
    "order_entry.frame_ms",
    "order_entry.login_backoff_ms_max",
    "order_entry.login_ms",
    "order_entry.logins_per_s_max",
    "order_entry.messages_per_s_max",
    "order_entry.messages_per_turn_max",
    "order_entry.silence_ms",
    "order_entry.unsent_mib_max",
    "tls.certificate",
    "tls.key",
];

/// What a running venue can be told.
#[derive(Debug)]
pub struct Knobs {
    /// The order port.
    pub edge: Mailbox<EdgeConfig>,
    /// The drop-copy port.
    pub drop_copy: Mailbox<EdgeConfig>,
    /// The feed.
    pub feed: Mailbox<FeedConfig>,
    /// Of the ports that speak TLS.
    pub tls: Vec<TlsSwitch>,
}

impl Knobs {
    /// Lets connections that come from now on have this certificate.
    pub fn certify(&self, certificate: Option<&Certificate>) {
        for port in &self.tls {
            port.set(certificate.cloned());
        }
    }
}

/// Takes over what the file says now; answers the configuration that holds from here on.
pub fn reload(running: Config, loaded: Result<Config, LoadConfigError>, knobs: &Knobs) -> Config {
    let new = match loaded {
        Ok(new) => new,
        Err(error) => {
            print_line(&format!("reload refused, nothing has changed: {error}"));
            return running;
        }
    };
    let (old_keys, new_keys) = (keys(&running), keys(&new));
    let mut changed = 0;
    for key in old_keys.keys().chain(new_keys.keys()).collect::<std::collections::BTreeSet<_>>() {
        let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
        let (old, new) = (old_keys.get(key), new_keys.get(key));
        if old == new {
            continue;
        }
        if LIVE.contains(&key.as_str()) {
            changed += 1;
            print_line(&format!("reload: {key} = {}, was {}", text(new), text(old)));
        } else {
            print_line(&format!("reload: {key} stays {}: {}", text(old), instead(key)));
        }
    }
    if let Err(error) = logging::set_level(&new.log().level) {
        print_line(&format!("reload: log.level stays as it was: {error}"));
    }
    match new.tls().read() {
        Ok(Some(certificate)) if !knobs.tls.is_empty() => {
            knobs.certify(Some(&certificate));
            print_line("reload: new connections get the certificate that is there now");
        }
        Ok(_) => {}
        Err(error) => print_line(&format!("reload: the certificate stays as it was: {error}")),
    }
    knobs.edge.leave(edge_config(&new));
    knobs.drop_copy.leave(drop_copy_config(&new));
    knobs.feed.leave(feed_config(&new));
    print_line(&format!("reloaded: {changed} changed"));
    // What did not change is compared with what runs the next time, too.
    running.with_live_keys_of(&new)
}

/// What to do about a key that does not change.
fn instead(key: &str) -> &'static str {
    match key.split(['.', '[']).next().unwrap_or_default() {
        "accounts" => "use `hft account create` and `hft account passwd`, or restart",
        "instruments" => "use `hft instrument add`, or restart",
        "limits" => "it is fixed when the venue is first opened",
        _ => "it takes a restart",
    }
}

/// Every key of the effective configuration with its value, lists as a whole. Secrets are masked.
fn keys(config: &Config) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    if let Value::Object(sections) = config.effective_json() {
        for (section, value) in sections {
            if let Value::Object(fields) = value {
                found.extend(fields.into_iter().map(|(field, value)| (format!("{section}.{field}"), value)));
            } else {
                found.insert(section, value);
            }
        }
    }
    found
}
