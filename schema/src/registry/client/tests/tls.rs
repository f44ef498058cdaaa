//! HTTPS: whom the client trusts, and who it says that it is.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::super::super::TlsFiles;
use super::*;

/// Certificates that an authority of ours has signed, each in one file with its key.
pub(super) struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sign(&self, name: &str, host: &str) -> PathBuf {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = self.path(&format!("{name}.pem"));
        std::fs::write(&path, format!("{}{}", key.serialize_pem(), certificate.pem())).unwrap();
        path
    }

    /// An issuer of tokens with a certificate for a host.
    pub(super) async fn issuer(&self, host: &str) -> Fake {
        self.registry(host).await
    }

    /// A registry with a certificate for a host, that asks for one of the client's.
    async fn registry(&self, host: &str) -> Fake {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let own = self.sign("node", host);
        let certificate = |path: &Path| CertificateDer::from_pem_file(path).unwrap().into_owned();
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.path("ca.pem"))).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![certificate(&own)], PrivateKeyDer::from_pem_file(&own).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Fake::start_with(|_| (200, r#"{"mode":"READWRITE"}"#), Some(acceptor)).await
    }
}

async fn mode(fake: &Fake, tls: TlsFiles) -> Result<Option<String>, String> {
    let registry = fake.registry(|config| config.tls = tls.clone());
    registry.mode().await.map_err(|error| crate::fault::chain(&error))
}

#[tokio::test]
async fn the_registry_and_the_client_know_each_other_by_certificates() {
    let (ours, other) = (Authority::new(), Authority::new());
    let fake = ours.registry("127.0.0.1").await;
    let own = ours.sign("client", "rowcast");
    let identity = Some((own.clone(), own));
    let ca = Some(ours.path("ca.pem"));
    let both = TlsFiles { ca, identity, ignores_host: false };

    assert_eq!(mode(&fake, both.clone()).await, Ok(Some("READWRITE".to_owned())));
    assert!(mode(&fake, TlsFiles { identity: None, ..both.clone() }).await.is_err());
    let wrong = TlsFiles { ca: Some(other.path("ca.pem")), ..both.clone() };
    let refused = mode(&fake, wrong).await.unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let elsewhere = ours.registry("elsewhere").await;
    assert!(mode(&elsewhere, both.clone()).await.unwrap_err().contains("certificate"));
    let lenient = TlsFiles { ignores_host: true, ..both };
    assert_eq!(mode(&elsewhere, lenient).await, Ok(Some("READWRITE".to_owned())));
}

#[test]
fn a_file_without_a_certificate_is_named() {
    let ours = Authority::new();
    std::fs::write(ours.path("empty.pem"), "").unwrap();
    let refused = |tls: TlsFiles| {
        let config = RegistryConfig { tls, ..RegistryConfig::default() };
        Client::new(&config).err().unwrap().to_string()
    };

    let empty = ours.path("empty.pem");
    let ca = refused(TlsFiles { ca: Some(empty.clone()), ..TlsFiles::default() });
    assert!(ca.contains("truststore.location` has no certificate of an authority"), "{ca}");
    let identity = Some((empty.clone(), empty));
    let own = refused(TlsFiles { identity, ..TlsFiles::default() });
    assert!(own.contains("keystore.location` has no certificate and private key"), "{own}");
}
