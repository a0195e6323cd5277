//! Whom to trust, and who we are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig, crypto::ring};

use super::Protocol;
use crate::export::settings::TlsFiles;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not what it should be.
    #[error("{what} in {path} cannot be used: {reason}", path = path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it. Never its contents.
        reason: String,
    },
    /// The system trusts nobody.
    #[error("this system has no trusted certificates; install ca-certificates, or add ca=FILE")]
    NoRoots,
    /// Certificate and key do not fit, or the like.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The configuration of all connections to one server.
///
/// # Errors
/// When a file is not what it should be.
pub fn config(files: &TlsFiles, protocol: Protocol) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = roots(files.ca.as_deref())?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match &files.own {
        Some((cert, key)) => {
            builder.with_client_auth_cert(certificates("the certificate", cert)?, key_of(key)?)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }];
    Ok(Arc::new(config))
}

/// The configuration of a server, which speaks HTTP/1.1 and HTTP/2.
///
/// # Errors
/// When a file is not what it should be.
pub fn server_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates("the certificate", cert)?, key_of(key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted(ca)?);
    Ok(roots)
}

/// The certificates to trust: those of a file, or the system's.
///
/// # Errors
/// When the file is not what it should be, or the system has none.
pub fn trusted(ca: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "the trusted certificate";
    let check = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone());
    let Some(path) = ca else {
        // A bad certificate among the system's is skipped, as every program does.
        let mut all = rustls_native_certs::load_native_certs().certs;
        all.retain(|certificate| check(certificate).is_ok());
        return if all.is_empty() { Err(TlsError::NoRoots) } else { Ok(all) };
    };
    let all = certificates(what, path)?;
    for certificate in &all {
        check(certificate).map_err(|error| TlsError::File {
            what,
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    Ok(all)
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |reason| TlsError::File { what, path: path.to_owned(), reason };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| wrong(told(&error)))?;
    let all: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| wrong(told(&error)))?;
    if all.is_empty() { Err(wrong("there is none in it".to_owned())) } else { Ok(all) }
}

fn key_of(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsError::File {
        what: "the key",
        path: path.to_owned(),
        reason: told(&error),
    })
}

/// Never shows what is in the file: it may be a key.
fn told(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        _ => "it is not PEM".to_owned(),
    }
}
