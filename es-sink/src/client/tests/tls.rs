//! HTTPS: whom the client trusts, and who it says that it is.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::*;

/// Certificates that an authority of ours has signed, and what else the client is told.
struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes `NAME.pem` and `NAME-key.pem`, a certificate for one host.
    fn sign(&self, name: &str, host: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}-key.pem")), key.serialize_pem()).unwrap();
    }

    /// A server with a certificate for a host, that may ask for one of the client's.
    async fn server(&self, host: &str, asks: bool) -> Scripted {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        self.sign("node", host);
        let certificate = |name: &str| {
            CertificateDer::from_pem_file(Path::new(&self.path(name))).unwrap().into_owned()
        };
        let key = PrivateKeyDer::from_pem_file(Path::new(&self.path("node-key.pem"))).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            roots.add(certificate("ca.pem")).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(vec![certificate("node.pem")], key).unwrap();
        Scripted::start_with(ok("{}"), Some(TlsAcceptor::from(Arc::new(config)))).await
    }
}

async fn asked(url: &str, settings: &[(&str, &str)]) -> Result<u16, String> {
    let all: Vec<_> = [("connection.url", url)].into_iter().chain(settings.to_vec()).collect();
    let answered = client(&all).send(&get("/")).await;
    answered.map(|answer| answer.status).map_err(|no_answer| no_answer.reason)
}

#[tokio::test]
async fn only_the_authority_that_is_named_is_trusted() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = ours.server("127.0.0.1", false).await;
    let (trusted, wrong) = (ours.path("ca.pem"), other.path("ca.pem"));
    fn ca(path: &str) -> [(&str, &str); 1] {
        [("connection.ssl.ca.location", path)]
    }

    assert_eq!(asked(&server.url, &ca(&trusted)).await, Ok(200));
    for settings in [&ca(&wrong)[..], &[]] {
        let reason = asked(&server.url, settings).await.unwrap_err();
        assert!(reason.contains("invalid peer certificate"), "{reason}");
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_taken_only_if_names_do_not_count() {
    let ours = Authority::new();
    let server = ours.server("elsewhere", false).await;
    let ca = ours.path("ca.pem");
    let ca = ("connection.ssl.ca.location", &*ca);
    let names = ("elastic.https.ssl.endpoint.identification.algorithm", "");

    let reason = asked(&server.url, &[ca]).await.unwrap_err();
    assert!(reason.contains("invalid peer certificate"), "{reason}");
    assert_eq!(asked(&server.url, &[ca, names]).await, Ok(200));

    // The authority counts all the same.
    let other = Authority::new();
    let wrong = other.path("ca.pem");
    let wrong = ("connection.ssl.ca.location", &*wrong);
    assert!(asked(&server.url, &[wrong, names]).await.is_err());
}

#[tokio::test]
async fn the_client_has_a_certificate_of_its_own() {
    let ours = Authority::new();
    let server = ours.server("127.0.0.1", true).await;
    ours.sign("client", "rowcast");
    ours.sign("another", "rowcast");
    let (ca, certificate) = (ours.path("ca.pem"), ours.path("client.pem"));
    let (key, other_key) = (ours.path("client-key.pem"), ours.path("another-key.pem"));
    let ca = ("connection.ssl.ca.location", &*ca);
    let certificate = ("connection.ssl.certificate.location", &*certificate);
    let key = ("connection.ssl.key.location", &*key);

    assert!(asked(&server.url, &[ca]).await.is_err());
    assert_eq!(asked(&server.url, &[ca, certificate, key]).await, Ok(200));

    let wrong = [
        ("connection.url", &*server.url),
        ca,
        certificate,
        ("connection.ssl.key.location", &*other_key),
    ];
    let error = EsClient::new(&connection(&wrong)).err().unwrap().to_string();
    assert_eq!(error, "`connection.ssl.key.location` is not the key of the certificate");
}
