//! TLS as `database.ssl.mode` asks for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use connect::pem::{self, PemError};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_rustls::TlsConnector;

/// `database.ssl.mode`, as MySQL's own clients have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// Never.
    Disabled,
    /// If the server offers it; whoever the server is.
    Preferred,
    /// Always; whoever the server is.
    Required,
    /// Always, and the server's certificate is of an authority that is trusted.
    VerifyCa,
    /// As `VerifyCa`, and it names the host that is connected to.
    VerifyIdentity,
}

/// What TLS needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) mode: TlsMode,
    /// Certificates of the trusted authorities, as PEM; without any, Mozilla's.
    pub(crate) ca: Option<PathBuf>,
    /// Our certificate with those that signed it, and its key, as PEM.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// A file that TLS needs cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` cannot be used: {problem} ({})", .path.display())]
pub(crate) struct TlsFileError {
    pub(crate) setting: &'static str,
    path: PathBuf,
    problem: &'static str,
}

impl TlsSettings {
    /// Reads the files, so that new ones are taken without a restart.
    pub(crate) fn connector(&self) -> Result<TlsConnector, TlsFileError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier {
            chain: self.chain(&provider)?,
            checks_name: self.mode == TlsMode::VerifyIdentity,
            provider: Arc::clone(&provider),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| self.error("database.ssl.mode", Path::new(""), "no TLS is built in"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("database.ssl.cert", certificate)?;
                let private = pem::read(key)
                    .and_then(|text| pem::private_key(&text))
                    .map_err(|_| self.error("database.ssl.key", key, "no private key in PEM"))?;
                builder.with_client_auth_cert(chain, private).map_err(|_| {
                    self.error("database.ssl.key", key, "it is not the key of database.ssl.cert")
                })?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// What looks at the chain of certificates, if the mode wants it looked at.
    fn chain(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<WebPkiServerVerifier>>, TlsFileError> {
        match self.mode {
            TlsMode::Disabled | TlsMode::Preferred | TlsMode::Required => return Ok(None),
            TlsMode::VerifyCa | TlsMode::VerifyIdentity => {}
        }
        const SETTING: &str = "database.ssl.ca";
        let path = self.ca.as_deref().unwrap_or(Path::new(""));
        let mut roots = RootCertStore::empty();
        if self.ca.is_none() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        } else {
            for certificate in certificates(SETTING, path)? {
                roots.add(certificate).map_err(|_| {
                    self.error(SETTING, path, "a certificate in it is no authority's")
                })?;
            }
        }
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let verifier = builder
            .build()
            .map_err(|_| self.error(SETTING, path, "it has no certificate of an authority"))?;
        Ok(Some(verifier))
    }

    fn error(&self, setting: &'static str, path: &Path, problem: &'static str) -> TlsFileError {
        TlsFileError { setting, path: path.to_owned(), problem }
    }
}

fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let found = pem::read(path).and_then(|text| pem::certificates(&text));
    found.map_err(|problem| {
        let problem = match problem {
            PemError::Unreadable { .. } | PemError::TooLarge => "it cannot be read",
            PemError::NotPem
            | PemError::NoCertificate
            | PemError::NoAuthority
            | PemError::NoKey
            | PemError::EncryptedKey => "no certificate in PEM",
        };
        TlsFileError { setting, path: path.to_owned(), problem }
    })
}

/// The name that the certificate has to be for. A name that no certificate can have is left to the
/// modes that do not look at it.
pub(super) fn server_name(mode: TlsMode, host: &str) -> Result<ServerName<'static>, Error> {
    match ServerName::try_from(host.to_owned()) {
        Ok(name) => Ok(name),
        Err(_) if mode == TlsMode::VerifyIdentity => {
            Err(Error::InvalidCertificate(CertificateError::NotValidForName))
        }
        Err(_) => ServerName::try_from("mysql").map_err(|_| Error::UnsupportedNameType),
    }
}

/// Whether an error of the connection says that TLS could not be agreed on, and not that the
/// network failed.
pub(crate) fn is_disagreement(error: &std::io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).is_some()
}

/// Looks at as much of the server's certificate as the mode says. That the server has its key is
/// looked at in every mode.
#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
