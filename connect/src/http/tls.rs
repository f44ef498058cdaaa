//! TLS of the endpoint's https addresses.

mod subject;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::watched::Watched;
use crate::config::{ConfigError, HttpsFiles, KeyStore, TrustStore};
use crate::pem::{self, PemError};

/// What takes a connection, made of files that are read again when they change.
pub(super) type Tls = Watched<TlsAcceptor>;

/// Reads the files.
///
/// # Errors
///
/// Returns [`ConfigError`] when one cannot be used.
pub(super) fn load(files: &HttpsFiles) -> Result<Tls, ConfigError> {
    let mut paths: Vec<PathBuf> = Vec::new();
    if let KeyStore::File(path) = &files.identity {
        paths.push(path.clone());
    }
    if let Some(TrustStore::File(path)) = &files.clients {
        paths.push(path.clone());
    }
    let files = files.clone();
    Watched::new(paths, move || acceptor(&files))
}

fn acceptor(files: &HttpsFiles) -> Result<TlsAcceptor, ConfigError> {
    let refused =
        |key: &str, problem: String| ConfigError::new(format!("{}{key}", files.prefix), problem);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut versions = vec![&TLS13];
    versions.extend(files.allows_tls12.then_some(&TLS12));
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| refused("ssl.enabled.protocols", error.to_string()))?;
    let builder = match &files.clients {
        None => builder.with_no_client_auth(),
        Some(trusted) => {
            let (key, text) = trusted_text(trusted);
            let problem = |error: PemError| refused(key, error.to_string());
            let roots = text.and_then(|text| pem::authorities(&text)).map_err(problem)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match files.requires_certificate {
                true => verifier,
                false => verifier.allow_unauthenticated(),
            };
            let built = verifier.build().map_err(|error| refused(key, error.to_string()))?;
            builder.with_client_cert_verifier(built)
        }
    };
    let (keys, chain, private) = identity_texts(&files.identity)
        .map_err(|error| refused("ssl.keystore.location", error.to_string()))?;
    let chain = pem::certificates(&chain).map_err(|error| refused(keys.0, error.to_string()))?;
    let private = pem::private_key(&private).map_err(|error| refused(keys.1, error.to_string()))?;
    let mut config = builder.with_single_cert(chain, private).map_err(|_| {
        refused(keys.1, "has a key that is not the one of its first certificate".to_owned())
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The text of the trusted authorities, and the setting that has it.
fn trusted_text(trusted: &TrustStore) -> (&'static str, Result<String, PemError>) {
    match trusted {
        TrustStore::File(path) => ("ssl.truststore.location", pem::read(path)),
        TrustStore::Text(text) => ("ssl.truststore.certificates", Ok(text.clone())),
    }
}

/// The texts of the certificates and of the key, and the settings that have them.
type IdentityTexts = ((&'static str, &'static str), String, String);

fn identity_texts(identity: &KeyStore) -> Result<IdentityTexts, PemError> {
    match identity {
        KeyStore::File(path) => {
            let text = pem::read(path)?;
            let key = "ssl.keystore.location";
            Ok(((key, key), text.clone(), text))
        }
        KeyStore::Text { chain, key } => {
            let keys = ("ssl.keystore.certificate.chain", "ssl.keystore.key");
            Ok((keys, chain.clone(), key.expose_secret().to_owned()))
        }
    }
}

/// The common name of the certificate that a client has shown, which TLS has verified.
pub(super) fn common_name(stream: &TlsStream<TcpStream>) -> Option<String> {
    let (_, session) = stream.get_ref();
    subject::common_name(session.peer_certificates()?.first()?)
}

/// Why a client's certificate was not taken; none if the handshake failed otherwise.
pub(super) fn refusal(error: &std::io::Error) -> Option<&'static str> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    if matches!(error, rustls::Error::NoCertificatesPresented) {
        return Some("no client certificate");
    }
    let is_certificate = matches!(error, rustls::Error::InvalidCertificate(_));
    is_certificate.then_some("wrong client certificate")
}
