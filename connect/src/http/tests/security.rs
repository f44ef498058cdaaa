//! Logins, TLS and the audit log, over real connections.

use std::path::{Path, PathBuf};

use axum::routing::put;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use reqwest::{Certificate, Identity, Method};
use secrecy::SecretString;

use super::*;
use crate::config::{Authentication, ConfigError, HttpSecurity, HttpsFiles, KeyStore, TrustStore};

const DEADLINE: Duration = Duration::from_secs(60);

/// The password of `ann`, who may do everything.
const PASSWORD: &str = "geheim-4711";
/// The token of `grafana`, who only reads.
const TOKEN: &str = "geheim-0123456789abcdef";

/// A folder with certificates, users, tokens and the audit log.
struct Files {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self { folder: tempfile::tempdir().unwrap(), authority };
        std::fs::write(files.path("ca.pem"), files.authority.pem()).unwrap();
        std::fs::write(files.path("users"), format!("ann: {PASSWORD}\n")).unwrap();
        std::fs::write(files.path("tokens"), format!("grafana: {TOKEN}\n")).unwrap();
        files.sign("server");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `NAME.pem` with a certificate for 127.0.0.1 and its key.
    fn sign(&self, name: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let both = format!("{}{}", key.serialize_pem(), certificate.pem());
        std::fs::write(self.path(&format!("{name}.pem")), &both).unwrap();
        both
    }

    fn tls(&self, requires_certificate: bool) -> HttpsFiles {
        HttpsFiles {
            prefix: "",
            identity: KeyStore::File(self.path("server.pem")),
            clients: Some(TrustStore::File(self.path("ca.pem"))),
            requires_certificate,
            allows_tls12: true,
        }
    }

    fn logins(&self) -> Authentication {
        Authentication {
            users: Some(self.path("users")),
            tokens: Some(self.path("tokens")),
            readers: ["grafana".to_owned()].into(),
            exempt: vec!["/health".to_owned()],
            ..Authentication::default()
        }
    }

    fn security(&self) -> HttpSecurity {
        let audit_log = Some(self.path("audit.jsonl"));
        HttpSecurity { tls: None, authentication: self.logins(), audit_log }
    }

    /// The lines of the audit log, once there are so many.
    async fn audited(&self, count: usize) -> Vec<Value> {
        let lines = || {
            let text = std::fs::read_to_string(self.path("audit.jsonl")).unwrap_or_default();
            assert!(!text.contains("geheim"), "{text}");
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()
        };
        until(|| lines().len() >= count).await;
        assert_eq!(lines().len(), count, "{:#?}", lines());
        lines()
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap();
}

/// An endpoint without connectors, that ends when it is dropped.
struct Guarded {
    url: String,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Guarded {
    async fn start(security: HttpSecurity) -> Self {
        let listener = Listener { is_https: security.tls.is_some(), ..one_listener() };
        let listeners = Listeners { addresses: vec![listener], is_chosen: true, security };
        let sockets = bind(&listeners).await.unwrap();
        let scheme = if listeners.security.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", sockets[0].local_addr().unwrap());
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        serve(sockets, &cluster(Connectors::default(), String::new()), &tracker, &stop);
        tracker.close();
        Self { url, stop, tracker }
    }

    async fn ask(&self, method: Method, path: &str, login: &Login) -> reqwest::Response {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.url));
        let request = match login {
            Login::None => request,
            Login::Basic(name, password) => request.basic_auth(name, Some(password)),
            Login::Bearer(token) => request.bearer_auth(token),
        };
        request.send().await.unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.tracker.wait()).await.unwrap();
    }
}

fn one_listener() -> Listener {
    any_port().addresses.remove(0)
}

enum Login {
    None,
    Basic(&'static str, &'static str),
    Bearer(&'static str),
}

const ANN: Login = Login::Basic("ann", PASSWORD);
const GRAFANA: Login = Login::Bearer(TOKEN);

#[tokio::test]
async fn a_login_is_asked_for_and_refusals_have_connects_form() {
    let files = Files::new();
    let guarded = Guarded::start(files.security()).await;
    for (method, path, login, status, message) in [
        (Method::GET, "/connectors", Login::None, 401, "User cannot access the resource."),
        (Method::GET, "/nope", Login::None, 401, "User cannot access the resource."),
        (Method::GET, "/tables", Login::Basic("ann", "geheim"), 401, "User cannot access"),
        (Method::GET, "/tables", Login::Basic("geheim", ""), 401, "User cannot access"),
        (Method::GET, "/tables", Login::Bearer("geheim"), 401, "User cannot access"),
        (Method::PUT, "/connectors/a/pause", GRAFANA, 403, "This user may only read."),
        (Method::PUT, "/connectors/a/pause", Login::None, 401, "User cannot access"),
    ] {
        let answer = guarded.ask(method, path, &login).await;

        assert_eq!(answer.status().as_u16(), status, "{path}");
        let challenges: Vec<_> = answer.headers().get_all("www-authenticate").iter().collect();
        let expected = [r#"Basic realm="rowcast", charset="UTF-8""#, r#"Bearer realm="rowcast""#];
        assert_eq!(challenges, if status == 401 { &expected[..] } else { &[] });
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error_code"], status);
        assert!(body["message"].as_str().unwrap().starts_with(message), "{body}");
    }
    for (path, login, status) in [
        ("/connectors", ANN, 200),
        ("/connectors", GRAFANA, 200),
        ("/nope", ANN, 404),
        ("/health", Login::None, 200),
    ] {
        assert_eq!(guarded.ask(Method::GET, path, &login).await.status(), status, "{path}");
    }

    let lines = files.audited(7).await;
    assert!(lines.iter().all(|line| line["outcome"] == "refused"), "{lines:#?}");
    let told: Vec<_> = lines.iter().map(|line| (&line["user"], &line["reason"])).collect();
    let (null, no, wrong) = (Value::Null, json!("no login"), json!("wrong login"));
    let (ann, grafana) = (json!("ann"), json!("grafana"));
    let read_only = json!("readers change nothing");
    assert_eq!(
        told,
        [
            (&null, &no),
            (&null, &no),
            (&ann, &wrong),
            (&null, &wrong),
            (&null, &wrong),
            (&grafana, &read_only),
            (&null, &no),
        ]
    );
    guarded.end().await;
}

#[tokio::test]
async fn every_change_has_a_line_and_reading_has_none() {
    let files = Files::new();
    let guarded = Guarded::start(files.security()).await;
    let url = format!("{}/connectors/a/tables/b.c/pause?scope=x&password=geheim", guarded.url);
    let client = reqwest::Client::new();

    let read = guarded.ask(Method::GET, "/connectors", &ANN).await;
    assert_eq!(read.status(), 200);
    let change = client.post(&url).basic_auth("ann", Some(PASSWORD)).body("{}");
    assert_eq!(change.send().await.unwrap().status(), 404);

    let [line] = &*files.audited(1).await else { panic!("there is one") };
    for (key, value) in [
        ("outcome", json!("failed")),
        ("user", json!("ann")),
        ("role", json!("admin")),
        ("method", json!("POST")),
        ("path", json!("/connectors/a/tables/b.c/pause?scope=x")),
        ("status", json!(404)),
    ] {
        assert_eq!(line[key], value, "{line:#}");
    }
    assert!(line["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{line:#}");
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line:#}");
    guarded.end().await;
}

/// A guard around a route that takes a configuration.
async fn configured(files: &Files) -> (String, CancellationToken, TaskTracker) {
    let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
    let audit = audit::Audit::start(Some(&files.path("audit.jsonl")), &tracker);
    let gate = Arc::new(auth::Gate::open(&files.logins()).unwrap());
    let router = Router::new()
        .route("/connectors/{name}/config", put(|Json(config): Json<Value>| async { Json(config) }))
        .route("/connectors/{name}/stop", put(std::future::pending::<String>));
    let router = guard::Guard { gate, audit }.around(router);
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let (stopped, connections) = (stop.clone(), tracker.clone());
    tracker.spawn(async move {
        while let Some(Ok((stream, _))) = stopped.run_until_cancelled(socket.accept()).await {
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            connections.spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(hyper_util::rt::TokioIo::new(stream), service),
            );
        }
    });
    tracker.close();
    (url, stop, tracker)
}

#[tokio::test]
async fn a_configuration_is_written_down_by_its_keys_and_reaches_its_handler_whole() {
    let files = Files::new();
    let (url, stop, _) = configured(&files).await;
    let config = json!({ "connection.password": "geheim", "topics": "x".repeat(50_000) });

    let change = reqwest::Client::new().put(format!("{url}/connectors/a/config"));
    let answer = change.basic_auth("ann", Some(PASSWORD)).json(&config).send().await.unwrap();

    assert_eq!(answer.json::<Value>().await.unwrap(), config);
    let [line] = &*files.audited(1).await else { panic!("there is one") };
    assert_eq!(line["keys"], json!(["connection.password", "topics"]));
    assert_eq!((&line["outcome"], &line["status"]), (&json!("done"), &json!(200)));
    stop.cancel();
}

#[tokio::test]
async fn a_change_whose_client_goes_away_has_a_line_as_well() {
    let files = Files::new();
    let (url, stop, _) = configured(&files).await;

    let change = reqwest::Client::new().put(format!("{url}/connectors/a/stop"));
    let change = change.basic_auth("ann", Some(PASSWORD)).timeout(Duration::from_millis(300));
    assert!(change.send().await.unwrap_err().is_timeout());

    let [line] = &*files.audited(1).await else { panic!("there is one") };
    assert_eq!((&line["outcome"], &line["user"]), (&json!("unanswered"), &json!("ann")));
    assert_eq!(line.get("status"), None);
    stop.cancel();
}

#[tokio::test]
async fn users_and_tokens_are_read_again_when_their_files_change() {
    let files = Files::new();
    let guarded = Guarded::start(files.security()).await;
    let is_in =
        async |login: &Login| guarded.ask(Method::GET, "/connectors", login).await.status() == 200;
    assert!(is_in(&ANN).await && is_in(&GRAFANA).await);

    std::fs::write(files.path("users"), "ann: $apr1$no\n").unwrap();
    std::fs::write(files.path("tokens"), "grafana: 4711-4711-4711-4711\n").unwrap();
    let changed = async { while is_in(&GRAFANA).await {} };
    tokio::time::timeout(DEADLINE, changed).await.unwrap();
    assert!(is_in(&Login::Bearer("4711-4711-4711-4711")).await);
    // A file that is wrong shuts nobody out.
    assert!(is_in(&ANN).await);
    guarded.end().await;
}

/// A client that trusts the authority of the files, and may have a certificate.
fn https_client(files: &Files, own: Option<&str>) -> reqwest::Client {
    let authority = Certificate::from_pem(files.authority.pem().as_bytes()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only([authority]).no_proxy();
    let builder = match own {
        Some(pem) => builder.identity(Identity::from_pem(pem.as_bytes()).unwrap()),
        None => builder,
    };
    builder.build().unwrap()
}

#[tokio::test]
async fn a_client_is_known_by_the_common_name_of_its_certificate() {
    let files = Files::new();
    let authentication = Authentication {
        takes_certificates: true,
        readers: ["grafana".to_owned()].into(),
        ..Authentication::default()
    };
    let security = HttpSecurity { tls: Some(files.tls(false)), authentication, ..files.security() };
    let guarded = Guarded::start(security).await;
    let url = |path: &str| format!("{}{path}", guarded.url);
    let (ann, grafana) = (files.sign("ann"), files.sign("grafana"));
    let (ann, grafana) = (https_client(&files, Some(&ann)), https_client(&files, Some(&grafana)));

    assert_eq!(ann.get(url("/connectors")).send().await.unwrap().status(), 200);
    assert_eq!(ann.put(url("/nope")).send().await.unwrap().status(), 404);
    assert_eq!(grafana.get(url("/connectors")).send().await.unwrap().status(), 200);
    assert_eq!(grafana.put(url("/nope")).send().await.unwrap().status(), 403);
    let nobody = https_client(&files, None);
    assert_eq!(nobody.get(url("/connectors")).send().await.unwrap().status(), 403);

    let lines = files.audited(3).await;
    let users: Vec<_> = lines.iter().map(|line| line["user"].as_str()).collect();
    assert_eq!(users, [Some("ann"), Some("grafana"), None]);
    guarded.end().await;
}

#[tokio::test]
async fn connections_without_the_certificate_that_is_required_are_refused_and_written_down() {
    let (files, others) = (Files::new(), Files::new());
    let security = HttpSecurity {
        tls: Some(files.tls(true)),
        authentication: Authentication::default(),
        ..files.security()
    };
    let guarded = Guarded::start(security).await;
    let url = format!("{}/connectors", guarded.url);
    let (own, wrong) = (files.sign("ann"), others.sign("ann"));

    let taken = https_client(&files, Some(&own)).get(&url).send().await.unwrap();
    assert_eq!(taken.status(), 200);
    assert!(https_client(&files, None).get(&url).send().await.is_err());
    assert!(https_client(&files, Some(&wrong)).get(&url).send().await.is_err());

    let lines = files.audited(2).await;
    let reasons: Vec<_> = lines.iter().map(|line| line["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["no client certificate", "wrong client certificate"]);
    assert!(lines.iter().all(|line| line.get("method").is_none()), "{lines:#?}");
    guarded.end().await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let files = Files::new();
    let security = HttpSecurity { tls: Some(files.tls(false)), ..HttpSecurity::default() };
    let guarded = Guarded::start(security).await;
    let trusts = |files: &Files| https_client(files, None).get(&guarded.url).send();
    assert!(trusts(&files).await.is_ok());

    let others = Files::new();
    std::fs::copy(others.path("server.pem"), files.path("server.pem")).unwrap();

    // Some hundred handshakes a second would leave no time to look at the file.
    let shown = async {
        while trusts(&others).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, shown).await.unwrap();
    assert!(trusts(&files).await.is_err());
    guarded.end().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_an_error_before_anything_listens() {
    let files = Files::new();
    std::fs::write(files.path("store.jks"), [0xfe, 0xed, 0xfe, 0xed]).unwrap();
    let (own, other) = (files.sign("own"), files.sign("other"));
    let key_of = |pem: &str| pem.split_once("-----BEGIN CERT").unwrap().0.to_owned();
    let chain_of = |pem: &str| pem.replace(&key_of(pem), "");
    let text = |chain: &str, key: &str| KeyStore::Text {
        chain: chain.to_owned(),
        key: SecretString::from(key.to_owned()),
    };
    let opened = async |tls: HttpsFiles| -> Result<(), ConfigError> {
        let security = HttpSecurity { tls: Some(tls), ..HttpSecurity::default() };
        bind(&Listeners { security, ..any_port() }).await.map(drop)
    };
    let with = |identity| HttpsFiles { identity, ..files.tls(false) };

    for (identity, expected) in [
        (KeyStore::File(files.path("no.pem")), "`ssl.keystore.location` names"),
        (
            KeyStore::File(files.path("store.jks")),
            "`ssl.keystore.location` is not PEM; a key store",
        ),
        (KeyStore::File(files.path("ca.pem")), "`ssl.keystore.location` has no private key"),
        (text(&chain_of(&own), &key_of(&other)), "`ssl.keystore.key` has a key that is not"),
        (text("geheim", &key_of(&own)), "`ssl.keystore.certificate.chain` has no certificate"),
    ] {
        let error = opened(with(identity)).await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("geheim"), "{error}");
    }
    assert!(opened(with(text(&chain_of(&own), &key_of(&own).replace('\n', " ")))).await.is_ok());

    let audit_log = Some(Path::new("/no/such/folder/audit").to_owned());
    let security = HttpSecurity { audit_log, ..HttpSecurity::default() };
    let error = bind(&Listeners { security, ..any_port() }).await.unwrap_err().to_string();
    assert!(error.contains("`audit.log` names /no/such/folder/audit, which cannot"), "{error}");
}

#[tokio::test]
async fn commands_log_in_as_the_environment_says() {
    let files = Files::new();
    let security = HttpSecurity { tls: Some(files.tls(true)), ..files.security() };
    let guarded = Guarded::start(security).await;
    files.sign("own");
    let path = |name: &str| Some(files.path(name).to_str().unwrap().to_owned());
    let access = |login: &str| client::Access {
        login: Some(SecretString::from(login.to_owned())),
        authorities: path("ca.pem"),
        identity: path("own.pem"),
    };

    for login in [format!("ann:{PASSWORD}"), TOKEN.to_owned()] {
        let tables = client::tables_as(&guarded.url, &access(&login)).await.unwrap();
        assert_eq!(tables.connectors, []);
    }
    let denied = client::tables_as(&guarded.url, &access("ann:wrong")).await.unwrap_err();
    assert!(matches!(denied, client::AskError::Denied { .. }), "{denied}");
    let wrong = client::Access { identity: path("users"), ..access("x") };
    let wrong = client::tables_as(&guarded.url, &wrong).await.unwrap_err().to_string();
    assert!(wrong.starts_with("ROWCAST_HTTP_CERTIFICATE is not PEM"), "{wrong}");
    // Without the authority the endpoint is not trusted, but it is there.
    let stranger = client::tables_as(&guarded.url, &client::Access::default()).await.unwrap_err();
    assert!(matches!(stranger, client::AskError::Failed { .. }), "{stranger}");
    guarded.end().await;
}

#[tokio::test]
async fn the_router_has_what_the_openapi_document_says() {
    let running = running().await;
    let (status, document) = running.get("/openapi.json").await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));

    // The first asks Kafka, which there is none of.
    for (method, path) in openapi::operations().into_iter().filter(|(_, path)| path != "/") {
        let place: String = path
            .split('/')
            .map(|part| if part == "{task}" { "0" } else { part.trim_matches(['{', '}']) })
            .collect::<Vec<_>>()
            .join("/");
        let asked: Method = method.parse().unwrap();
        let request = reqwest::Client::new().request(asked, format!("{}{place}", running.url));
        let text = request.send().await.unwrap().text().await.unwrap();
        assert!(!text.contains("HTTP 40"), "{method} {place}: {text}");
    }
}
