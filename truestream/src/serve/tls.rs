//! The certificate of a service: whoever listens with one speaks to nobody in plain text.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::exit::Failure;

/// What PostgreSQL's clients call their protocol where they encrypt at once.
pub const POSTGRESQL: &[u8] = b"postgresql";
/// HTTP/1.1, as TLS calls it.
pub const HTTP: &[u8] = b"http/1.1";

/// Reads a chain of certificates and the key of the first one, both PEM; TLS 1.2 and 1.3.
///
/// # Errors
/// Names the file that cannot be read, or says that they do not fit together.
pub fn read(certificates: &Path, key: &Path) -> Result<ServerConfig, Failure> {
    let wrong = |option: &str, path: &Path, why: String| Failure::Input(format!("{option} {}: {why}", path.display()));
    let chain = CertificateDer::pem_file_iter(certificates).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| wrong("--tls-cert", certificates, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("--tls-cert", certificates, "no certificate in it; expected PEM".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("--tls-key", key, error.to_string()))?;
    let versions =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| Failure::Input(format!("TLS: {error}")))?;
    let config = builder.with_no_client_auth().with_single_cert(chain, private);
    config.map_err(|error| wrong("--tls-key", key, format!("it does not fit the certificate: {error}")))
}

/// The same for one protocol.
pub fn speaking(config: &ServerConfig, protocol: &[u8]) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}
