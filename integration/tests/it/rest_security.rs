//! Who may ask the endpoint of a real process, and that the audit log tells of it.

use std::os::unix::fs::PermissionsExt;

use integration::marks::{Kind, absent as looked_through};
use integration::process::run_rowcast;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};

use crate::scene::{DEADLINE, SECRET, Scene, endpoint, stop, until, wait_for_log};

/// Begins every secret of these tests; it must be in no log.
const TOKEN: &str = "geheim-4711-x-0123456789abcdef";

/// A scene whose endpoint speaks TLS and knows `ann`, an admin, and `grafana`, a reader; and a
/// client that trusts it.
async fn guarded(name: &str) -> (Scene, Client) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "authority of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let own = own.signed_by(&key, &authority).unwrap();

    let mut scene = Scene::new(name).await;
    std::fs::write(scene.path("ca.pem"), authority.pem()).unwrap();
    for (file, text) in [
        ("server.pem", format!("{}{}", key.serialize_pem(), own.pem())),
        ("users", format!("ann: {SECRET}\n")),
        ("tokens", format!("grafana: {TOKEN}\n")),
    ] {
        std::fs::write(scene.path(file), text).unwrap();
    }
    let path = |file: &str| scene.path(file).to_str().unwrap().to_owned();
    let settings = [
        ("listeners", "https://127.0.0.1:0".to_owned()),
        ("listeners.https.ssl.keystore.location", path("server.pem")),
        ("rest.authentication", "basic,bearer".to_owned()),
        ("rest.authentication.users.file", path("users")),
        ("rest.authentication.tokens.file", path("tokens")),
        ("rest.authentication.exempt.paths", "/health".to_owned()),
        ("rest.authorization.readers", "grafana".to_owned()),
        ("audit.log", path("audit.jsonl")),
    ];
    scene.worker.extend(settings.map(|(key, value)| (key.to_owned(), value)));
    let trusted = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let client = Client::builder().tls_certs_only([trusted]).no_proxy().build().unwrap();
    (scene, client)
}

/// The lines of the audit log, once there are so many.
async fn audited(scene: &Scene, count: usize) -> Vec<Value> {
    let text = || std::fs::read_to_string(scene.path("audit.jsonl")).unwrap_or_default();
    assert!(until(|| async { text().lines().count() >= count }).await, "{}", text());
    assert!(!text().contains("geheim"), "{}", text());
    text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_refusal_has_a_line_without_a_secret() {
    let (scene, client) = guarded("rest_security").await;
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    let url = endpoint(&running).await.for_others().replace("http://", "https://");
    let pause = "/connectors/rest_security/tables/rest_security.t/pause";
    let ask = async |method: Method, path: &str, login: Option<(&str, &str)>| {
        let request = client.request(method, format!("{url}{path}"));
        let request = match login {
            Some((name, "")) => request.bearer_auth(name),
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        looked_through(Kind::Answer, &text);
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };

    let refusals = [
        (Method::GET, "/connectors", None, 401),
        (Method::GET, "/metrics", Some(("ann", "geheim-wrong")), 401),
        (Method::GET, "/tables", Some((SECRET, "geheim")), 401),
        (Method::GET, "/tables", Some(("geheim-0123456789abcdef", "")), 401),
        (Method::POST, pause, None, 401),
        (Method::POST, pause, Some((TOKEN, "")), 403),
        (Method::DELETE, "/connectors/rest_security", Some((TOKEN, "")), 403),
    ];
    for (method, path, login, status) in refusals.clone() {
        let (found, body) = ask(method, path, login).await;
        assert_eq!((found, &body["error_code"]), (status, &json!(status)), "{path} {body}");
    }
    assert_eq!(ask(Method::GET, "/health", None).await.0, 200);
    assert_eq!(ask(Method::GET, "/connectors", Some((TOKEN, ""))).await.0, 200);
    // An admin's change, of a table that is not there.
    let absent = "/connectors/rest_security/tables/rest_security.absent/pause";
    let (status, body) = ask(Method::POST, absent, Some(("ann", SECRET))).await;
    assert_eq!(status, 404, "{body}");

    let lines = audited(&scene, 8).await;
    for (line, (method, path, _, status)) in lines.iter().zip(&refusals) {
        let expected = json!(["refused", method.as_str(), path, status]);
        let found = ["outcome", "method", "path", "status"].map(|key| line[key].clone());
        assert_eq!(json!(found), expected, "{line:#}");
    }
    let last = lines.last().unwrap();
    assert_eq!((&last["user"], &last["outcome"]), (&json!("ann"), &json!("failed")), "{last:#}");
    let mode = std::fs::metadata(scene.path("audit.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let log = running.log().unwrap();
    assert_eq!(log.matches("rowcast::audit").count(), 8, "{log}");
    assert!(!log.contains("geheim"), "{log}");
    stop(&running).await;
}

#[tokio::test]
async fn a_command_logs_in_as_its_environment_says() {
    let (scene, _) = guarded("rest_security_command").await;
    let running = scene.start().await;
    let url = endpoint(&running).await.for_others().replace("http://", "https://");
    let ca = scene.path("ca.pem").to_str().unwrap().to_owned();
    let login = format!("ann:{SECRET}");
    let tables = async |environment: &[(&str, &str)]| {
        run_rowcast(&["tables", "--url", &url], environment, DEADLINE).await.unwrap()
    };

    let (ca, login) = (("ROWCAST_HTTP_CA", ca.as_str()), ("ROWCAST_HTTP_LOGIN", login.as_str()));
    let inside = tables(&[ca, login]).await;
    let outside = tables(&[ca]).await;

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(text(&inside.stdout).starts_with("rest_security_command: "), "{inside:?}");
    assert!(!outside.status.success());
    let told = text(&outside.stderr);
    assert!(told.contains("without a login") && told.contains("ROWCAST_HTTP_LOGIN"), "{told}");
    stop(&running).await;
}

#[tokio::test]
async fn an_endpoint_that_others_reach_without_a_login_is_warned_of() {
    let mut scene = Scene::new("rest_security_open").await;
    scene.worker.insert("listeners".to_owned(), "http://:0,http://:0".to_owned());
    let open = scene.start().await;
    wait_for_log(&open, "asks for no login").await;
    stop(&open).await;
    assert_eq!(open.log().unwrap().matches("asks for no login").count(), 1);

    scene.worker.insert("listeners".to_owned(), "http://127.0.0.1:0".to_owned());
    let closed = scene.start().await;
    wait_for_log(&closed, "http endpoint listens").await;
    stop(&closed).await;
    assert!(!closed.log().unwrap().contains("asks for no login"));
}
