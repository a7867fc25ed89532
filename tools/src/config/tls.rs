//! The section `tls`: on which ports, and with which certificate.

use std::path::PathBuf;

use gateway_edge::{Certificate, TlsError};
use serde::{Deserialize, Serialize};

/// TLS 1.3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSection {
    /// PEM file with the certificate, and those that lead to a known one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM file with its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// On the order port.
    pub order_entry: bool,
    /// On the WebSocket port.
    pub feed: bool,
    /// On the drop-copy port.
    pub drop_copy: bool,
}

impl TlsSection {
    /// The certificate, if a port asks for one.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn read(&self) -> Result<Option<Certificate>, TlsError> {
        let (Some(chain), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        if self.is_used() { Certificate::read(chain, key).map(Some) } else { Ok(None) }
    }

    /// Some port speaks TLS.
    pub fn is_used(&self) -> bool {
        self.order_entry || self.feed || self.drop_copy
    }
}
