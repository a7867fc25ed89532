//! Certificates for TLS 1.3, read from PEM files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, version};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of the kind.
    #[error("{path}: {cause}; expected a PEM file with {expected}")]
    File {
        /// Which.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// Certificate and key do not go together, or are of a kind that is not supported.
    #[error("certificate and key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

/// A certificate with its key, ready to be used. Cheap to clone; shows nothing of the key.
#[derive(Clone)]
pub struct Certificate(pub(crate) Arc<ServerConfig>);

impl Certificate {
    /// Reads a chain of certificates, the server's own first, and its private key.
    ///
    /// # Errors
    /// [`TlsError`] naming the file.
    pub fn read(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let fault = |path: &Path, expected, cause: String| TlsError::File { path: path.to_owned(), expected, cause };
        let unusable = |error: rustls::pki_types::pem::Error| fault(chain, "certificates", error.to_string());
        let certificates: Vec<_> =
            CertificateDer::pem_file_iter(chain).and_then(Iterator::collect::<Result<_, _>>).map_err(unusable)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, "a private key", error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(certificates, key)?;
        // Sessions are long, and nobody waits for a second one.
        config.send_tls13_tickets = 0;
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}
