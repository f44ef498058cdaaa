//! Every `database.ssl.mode` against the right server and the wrong one. The server's certificates
//! are MySQL's own first, then ours.

use std::path::{Path, PathBuf};

use integration::stack::MySql;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

use super::login::ciphers;
use crate::scenario::own_server;
use crate::scene::{Scene, stop, wait_for_log};

/// Certificates that an authority of ours has signed.
struct Certificates {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self { folder, authority }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `NAME.pem` and `NAME-key.pem`, a certificate for one host.
    fn sign(&self, name: &str, host: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}-key.pem")), key.serialize_pem()).unwrap();
    }

    /// Makes the server use a certificate of ours.
    async fn install(&self, scene: &Scene, name: &str) {
        let set = |variable: &str, file: &str| {
            format!("SET GLOBAL {variable} = '{}'", self.path(file).display())
        };
        scene.sql(&set("ssl_ca", "ca.pem")).await;
        scene.sql(&set("ssl_cert", &format!("{name}.pem"))).await;
        scene.sql(&set("ssl_key", &format!("{name}-key.pem"))).await;
        scene.sql("ALTER INSTANCE RELOAD TLS").await;
    }
}

fn set(scene: &mut Scene, mode: &str, ca: Option<&Path>) {
    scene.set("database.ssl.mode", mode);
    scene.settings.remove("database.ssl.ca");
    if let Some(ca) = ca {
        scene.set("database.ssl.ca", ca.display().to_string());
    }
}

async fn is_refused(scene: &mut Scene, mode: &str, ca: Option<&Path>, reason: &str) {
    set(scene, mode, ca);
    let refusal = scene.refused().await;
    assert!(refusal.error.contains("TLS failed"), "{mode}: {refusal:?}");
    assert!(refusal.error.contains(reason), "{mode}: {refusal:?}");
    assert!(refusal.hint.contains("`database.ssl.ca`"), "{mode}: {refusal:?}");
}

async fn works(scene: &mut Scene, mysql: &MySql, mode: &str, ca: Option<&Path>) {
    set(scene, mode, ca);
    let rowcast = scene.start().await;
    wait_for_log(&rowcast, "source starts").await;
    scene.wait_for_rows(&rowcast, 3).await;
    let found = ciphers(&mysql.url(), &scene.name).await;
    assert!(found.iter().all(|cipher| cipher.starts_with("TLS_")), "{mode}: {found:?}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn each_mode_takes_the_right_server_and_no_other() {
    let mysql = own_server("mysql-tls", &[]).await;
    let mut scene = Scene::on(&mysql, "tls_modes").await;
    let (ours, others) = (Certificates::new(), Certificates::new());
    ours.sign("right", "127.0.0.1");
    ours.sign("wrong", "db.example");
    let (our_ca, other_ca) = (ours.path("ca.pem"), others.path("ca.pem"));

    // MySQL's own certificate names no host, and nobody knows its authority.
    works(&mut scene, &mysql, "preferred", None).await;
    works(&mut scene, &mysql, "required", None).await;
    is_refused(&mut scene, "verify_ca", None, "UnknownIssuer").await;
    is_refused(&mut scene, "verify_ca", Some(&our_ca), "invalid peer certificate").await;

    ours.install(&scene, "wrong").await;
    works(&mut scene, &mysql, "verify_ca", Some(&our_ca)).await;
    is_refused(&mut scene, "verify_identity", Some(&our_ca), "not valid for name").await;
    is_refused(&mut scene, "verify_ca", Some(&other_ca), "invalid peer certificate").await;

    ours.install(&scene, "right").await;
    works(&mut scene, &mysql, "verify_identity", Some(&our_ca)).await;
    is_refused(&mut scene, "verify_identity", Some(&other_ca), "invalid peer certificate").await;
    is_refused(&mut scene, "verify_identity", None, "UnknownIssuer").await;
}

#[tokio::test]
async fn mysqls_own_authority_is_enough_to_verify_it() {
    let mysql = own_server("mysql-own-ca", &[]).await;
    let mut scene = Scene::on(&mysql, "tls_own_ca").await;
    let ca = data_folder(&mysql).await.join("ca.pem");

    works(&mut scene, &mysql, "verify_ca", Some(&ca)).await;
    is_refused(&mut scene, "verify_identity", Some(&ca), "not valid for").await;
}

async fn data_folder(mysql: &MySql) -> PathBuf {
    use mysql_async::prelude::Queryable;
    let mut connection = crate::scenario::connect(mysql).await;
    let folder: Option<String> = connection.query_first("SELECT @@datadir").await.unwrap();
    PathBuf::from(folder.unwrap())
}

#[tokio::test]
async fn a_user_who_needs_a_certificate_shows_ours() {
    let mysql = own_server("mysql-x509", &[]).await;
    let mut scene = Scene::on(&mysql, "tls_client").await;
    let ours = Certificates::new();
    ours.sign("server", "127.0.0.1");
    ours.sign("client", "client");
    ours.install(&scene, "server").await;
    scene.sql("ALTER USER tls_client REQUIRE X509").await;

    let refusal = scene.refused().await;
    assert!(refusal.error.ends_with("refuses user `tls_client`"), "{refusal:?}");
    scene.set("database.ssl.cert", ours.path("client.pem").display().to_string());
    scene.set("database.ssl.key", ours.path("server-key.pem").display().to_string());
    let refusal = scene.refused().await;
    assert!(refusal.error.contains("`database.ssl.key` cannot be used"), "{refusal:?}");

    scene.set("database.ssl.key", ours.path("client-key.pem").display().to_string());
    works(&mut scene, &mysql, "verify_identity", Some(&ours.path("ca.pem"))).await;
}

#[tokio::test]
async fn a_server_without_tls_is_taken_by_preferred_and_by_no_mode_that_asks_for_more() {
    let mysql = own_server("mysql-without-tls", &["--tls-version="]).await;
    let mut scene = Scene::on(&mysql, "tls_none").await;
    for mode in ["required", "verify_ca", "verify_identity"] {
        set(&mut scene, mode, None);
        let refusal = scene.refused().await;
        assert!(refusal.error.contains("does not offer TLS"), "{mode}: {refusal:?}");
        assert!(refusal.hint.contains("`database.ssl.mode` to preferred"), "{mode}: {refusal:?}");
    }

    for mode in ["preferred", "disabled"] {
        set(&mut scene, mode, None);
        let rowcast = scene.start().await;
        scene.wait_for_rows(&rowcast, 3).await;
        stop(&rowcast).await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_its_setting() {
    let mut scene = Scene::new("tls_files").await;
    let empty = scene.path("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for file in [scene.path("missing.pem"), empty] {
        set(&mut scene, "verify_ca", Some(&file));
        let refusal = scene.refused().await;
        assert!(refusal.error.contains("`database.ssl.ca` cannot be used"), "{refusal:?}");
        assert!(refusal.error.contains(file.to_str().unwrap()), "{refusal:?}");
        assert!(refusal.hint.contains("correct the file"), "{refusal:?}");
    }
}
