//! TLS to databases: the words in an address that ask for it, and whom to trust.
//!
//! Owns: that a certificate is checked wherever TLS is used, by rustls. Refuses: connections that are secured only if the server likes (`prefer`), which
//! whoever is in between turns off, and those to whomever it may be.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::{StoreError, place};
use crate::export::http::{TlsError, trusted};
use crate::export::percent;

/// What an address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tls {
    /// Trusted instead of the system's.
    ca: Option<PathBuf>,
    /// The certificate may be of another name: only who signed it counts.
    any_name: bool,
}

/// The options of ours, as PostgreSQL's and MySQL's programs call them.
const MODES: [&str; 2] = ["sslmode", "ssl-mode"];
const FILES: [&str; 3] = ["ca", "sslrootcert", "ssl-ca"];

/// Takes the words about TLS out of an address; gives the address without them, and what they ask for.
///
/// # Errors
/// For a word that is not known, and for words that contradict each other.
pub(super) fn take(url: &str) -> Result<(String, Option<Tls>), StoreError> {
    let Some((bare, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let wrong = |reason: String| StoreError::Place { place: place::shown(url), reason };
    let (mut mode, mut ca, mut rest) = (None, None, Vec::new());
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some((name, word)) if MODES.contains(&name) => mode = Some(asked(word).map_err(&wrong)?),
            Some((name, path)) if FILES.contains(&name) => {
                let path = percent::decode(path);
                ca = Some(
                    path.ok_or_else(|| wrong(format!("{name} in its address has a % without two digits")))?,
                );
            }
            _ => rest.push(option),
        }
    }
    let tls = match (mode, ca) {
        (None | Some(None), None) => None,
        (Some(None), Some(_)) => {
            return Err(wrong(
                "its address names a certificate to trust, and turns TLS off; take one of them out"
                    .to_owned(),
            ));
        }
        (mode, ca) => {
            let ca = ca.filter(|path| path != "system").map(PathBuf::from);
            Some(Tls { ca, any_name: mode == Some(Some(true)) })
        }
    };
    let rest = rest.join("&");
    Ok((if rest.is_empty() { bare.to_owned() } else { format!("{bare}?{rest}") }, tls))
}

/// Whether TLS is asked for, and if so, whether the name does not count.
fn asked(word: &str) -> Result<Option<bool>, String> {
    match word.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => Ok(None),
        "require" | "required" | "verify-full" | "verify-identity" => Ok(Some(false)),
        "verify-ca" => Ok(Some(true)),
        "allow" | "prefer" | "preferred" => {
            Err("a connection that is secured only if the server likes is none; write sslmode=verify-full or sslmode=disable".to_owned())
        }
        _ => Err("sslmode in its address is none of disable, require, verify-ca, verify-full".to_owned()),
    }
}

impl Tls {
    /// Whether the certificate has to be of the host's name.
    pub(super) const fn checks_name(&self) -> bool {
        !self.any_name
    }

    /// The certificates to trust, DER. `at` is the address without secrets.
    pub(super) fn trusted(&self, at: &str) -> Result<Vec<CertificateDer<'static>>, StoreError> {
        trusted(self.ca.as_deref()).map_err(|error| told(at, &error))
    }

    /// What a client needs. `at` is the address without secrets.
    pub(super) fn config(&self, at: &str) -> Result<ClientConfig, StoreError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.trusted(at)?);
        let set_up = |error: Error| told(at, &TlsError::Setup(error));
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(set_up)?;
        if !self.any_name {
            return Ok(builder.with_root_certificates(roots).with_no_client_auth());
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = AnyName(verifier.map_err(|error| set_up(Error::General(error.to_string())))?);
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Ok(builder.with_no_client_auth())
    }
}

fn told(at: &str, error: &TlsError) -> StoreError {
    StoreError::Place { place: at.to_owned(), reason: error.to_string() }
}

/// Takes a certificate of another name, if it is good otherwise.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is what is checked last.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::{Tls, take};

    #[test]
    fn words_of_all_drivers_ask_for_it() {
        let full = |ca: Option<&str>| Some(Tls { ca: ca.map(Into::into), any_name: false });
        for (query, expected) in [
            ("", None),
            ("?sslmode=disable", None),
            ("?ssl-mode=DISABLED", None),
            ("?sslmode=require", full(None)),
            ("?ssl-mode=VERIFY_IDENTITY", full(None)),
            ("?sslmode=verify-full&sslrootcert=/a%20b.pem", full(Some("/a b.pem"))),
            ("?sslrootcert=system", full(None)),
            ("?ca=x.pem", full(Some("x.pem"))),
            ("?ssl-mode=VERIFY_CA&ssl-ca=x.pem", Some(Tls { ca: Some("x.pem".into()), any_name: true })),
        ] {
            let (url, tls) = take(&format!("postgres://u:hush@h/d{query}")).unwrap();
            assert_eq!((url.as_str(), tls), ("postgres://u:hush@h/d", expected), "{query}");
        }
        let (url, _) = take("mysql://h/d?pool=3&ca=x&a=b").unwrap();
        assert_eq!(url, "mysql://h/d?pool=3&a=b");
    }

    #[test]
    fn what_would_not_be_secure_is_refused_without_a_secret() {
        for (query, said) in [
            ("sslmode=prefer", "only if the server likes"),
            ("sslmode=no", "none of disable"),
            ("sslmode=disable&ca=x", "turns TLS off"),
            ("ca=%zz", "has a %"),
        ] {
            let error = take(&format!("postgres://u:hush@h/d?{query}")).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("hush"), "{query}: {error}");
        }
        let missing = Tls { ca: Some("/no/such/file".into()), any_name: false };
        let error = missing.trusted("postgres://u@h/d").unwrap_err().to_string();
        assert!(error.contains("/no/such/file") && error.contains("postgres://u@h/d"), "{error}");
    }
}
