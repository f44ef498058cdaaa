//! HTTPS to the registry: whom we trust, and who we are.

use std::io::Read;
use std::path::Path;

use reqwest::{Certificate, Identity};

use super::{RegistryConfig, RegistryError};

/// Largest file of certificates: our choice; all authorities of a system are 220 kB.
const PEM_MAX_BYTES: u64 = 4 << 20;

const CA: &str = "schema.registry.ssl.truststore.location";
const CERTIFICATE: &str = "schema.registry.ssl.keystore.location";

/// A client with the certificates that the settings name.
pub(super) fn client(config: &RegistryConfig) -> Result<reqwest::Client, RegistryError> {
    let mut builder = reqwest::Client::builder();
    if let Some(ca) = &config.tls.ca {
        let found = Certificate::from_pem_bundle(&pem(CA, ca)?).unwrap_or_default();
        if found.is_empty() {
            return Err(wrong(CA, "has no certificate of an authority in PEM"));
        }
        builder = builder
            .tls_certs_only(found)
            .tls_danger_accept_invalid_hostnames(config.tls.ignores_host);
    }
    if let Some((certificate, key)) = &config.tls.identity {
        let mut both = pem(CERTIFICATE, certificate)?;
        if key != certificate {
            both.push(b'\n');
            both.extend(pem(CERTIFICATE, key)?);
        }
        let invalid = |_| wrong(CERTIFICATE, "has no certificate and private key in PEM");
        builder = builder.identity(Identity::from_pem(&both).map_err(invalid)?);
    }
    builder.build().map_err(|_| wrong(CA, "or that of the keystore makes no client"))
}

fn pem(setting: &str, path: &Path) -> Result<Vec<u8>, RegistryError> {
    let mut pem = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(PEM_MAX_BYTES).read_to_end(&mut pem))
        .map_err(|error| wrong(setting, &format!("cannot be read: {error}")));
    read.map(|_| pem)
}

fn wrong(setting: &str, problem: &str) -> RegistryError {
    RegistryError::Settings { problem: format!("`{setting}` {problem}").into() }
}
