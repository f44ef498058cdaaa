//! A worker that shows its broker tokens (SASL/OAUTHBEARER), which it gets from an endpoint over TLS.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use integration::process::Rowcast;
use integration::stack::{Kafka, KafkaOptions, Stack, shared};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{tells_nothing, tls};
use crate::scenario::{LOG, log_has, stop, until};
use crate::worker::Worker;

/// What the client proves itself by.
const CLIENT_SECRET: &str = "geheim-client-4716";

/// How every token begins that has a head of JSON.
const TOKEN_START: &str = "eyJ";

/// Seconds for which a token is valid: so short that it has to be replaced during the test.
const VALID_FOR: u64 = 10;

/// An endpoint that gives tokens nobody has signed, as Kafka's own validator for tests takes them.
struct Endpoint {
    /// Its address behind TLS.
    url: String,
    state: Arc<Mutex<Granted>>,
}

#[derive(Default)]
struct Granted {
    is_closed: bool,
    tokens: usize,
    scope: String,
}

impl Endpoint {
    async fn start(authority: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = tls::in_front_of(listener.local_addr().unwrap(), authority).await;
        let state = Arc::new(Mutex::new(Granted::default()));
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&served)));
            }
        });
        Self { url: format!("{url}/token"), state }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Granted) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }
}

async fn serve(mut client: TcpStream, state: Arc<Mutex<Granted>>) -> std::io::Result<()> {
    let mut text = String::new();
    while !is_whole(&text) {
        let mut part = [0; 4_096];
        let length = client.read(&mut part).await?;
        if length == 0 {
            return Ok(());
        }
        text += &String::from_utf8_lossy(&part[..length]);
    }
    let (status, body) = answer(&mut state.lock().unwrap(), &text);
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n");
    let head = format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all((head + &body).as_bytes()).await
}

/// Whether a request has its body.
fn is_whole(text: &str) -> bool {
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
        });
        body.len() >= length.unwrap_or(0)
    })
}

#[expect(clippy::disallowed_methods, reason = "the broker looks at the clock of the machine")]
fn answer(state: &mut Granted, text: &str) -> (u16, Value) {
    let login = format!("rowcast:{CLIENT_SECRET}");
    let login = format!("Basic {}", BASE64_STANDARD.encode(login));
    if state.is_closed || !text.contains(&login) || !text.contains("client_credentials") {
        // Some quote what they were asked with.
        let error = json!({ "error": "invalid_client", "error_description": CLIENT_SECRET });
        return (401, error);
    }
    state.tokens += 1;
    let scope = text.rsplit("scope=").next().unwrap_or_default();
    scope.split('&').next().unwrap_or_default().clone_into(&mut state.scope);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "sub": "rowcast", "iat": now, "exp": now + VALID_FOR });
    let encoded = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let token = format!("{}.{}.", encoded(&json!({ "alg": "none" })), encoded(&claims));
    (200, json!({ "access_token": token, "token_type": "bearer", "expires_in": VALID_FOR }))
}

/// A broker that wants tokens, and a new one of each client before the last one ends.
async fn broker(stack: &Stack, folder: &Path) -> Kafka {
    let mut options = KafkaOptions::default();
    options.listeners.push("SASL_PLAINTEXT".to_owned());
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                  unsecuredLoginStringClaim_sub=\"broker\";";
    let listener = "listener.name.sasl_plaintext.oauthbearer";
    for (key, value) in [
        ("sasl.enabled.mechanisms", "OAUTHBEARER"),
        (&*format!("{listener}.sasl.jaas.config"), module),
        (&*format!("{listener}.connections.max.reauth.ms"), "3600000"),
    ] {
        options.properties.push((key.to_owned(), value.to_owned()));
    }
    Kafka::start(&stack.installed, &folder.join("kafka"), &options).await.unwrap()
}

fn properties(kafka: &Kafka, endpoint: &Endpoint, authority: &Path) -> String {
    let (bootstrap, url) = (kafka.listener("SASL_PLAINTEXT").unwrap(), &endpoint.url);
    let oauth = "org.apache.kafka.common.security.oauthbearer";
    let (authority, group) = (authority.display(), "sec-oauth");
    let text = "org.apache.kafka.connect.storage.StringConverter";
    format!(
        "bootstrap.servers={bootstrap}\n\
         group.id={group}\n\
         security.protocol=SASL_PLAINTEXT\n\
         sasl.mechanism=OAUTHBEARER\n\
         sasl.login.callback.handler.class={oauth}.OAuthBearerLoginCallbackHandler\n\
         sasl.oauthbearer.token.endpoint.url={url}\n\
         sasl.jaas.config={oauth}.OAuthBearerLoginModule required clientId=\"rowcast\" \
         clientSecret=\"${{env:CLIENT_SECRET}}\" scope=\"kafka\";\n\
         kafka.https.ca.location={authority}\n\
         key.converter={text}\n\
         value.converter={text}\n\
         offset.storage.topic={group}-offsets\n\
         config.storage.topic={group}-configs\n\
         status.storage.topic={group}-status\n\
         offset.storage.replication.factor=1\n\
         config.storage.replication.factor=1\n\
         status.storage.replication.factor=1\n\
         listeners=http://127.0.0.1:0\n"
    )
}

async fn start(text: &str, folder: &Path, name: &str) -> Rowcast {
    let file = folder.join(format!("{name}.properties"));
    std::fs::write(&file, text).unwrap();
    let environment = [LOG, ("CLIENT_SECRET", CLIENT_SECRET)];
    let log = folder.join(format!("{name}.log"));
    Rowcast::start(&["worker", file.to_str().unwrap()], &environment, &log).await.unwrap()
}

/// Neither the client's secret nor a token.
fn has_no_token(rowcast: &Rowcast) {
    let log = rowcast.log().unwrap();
    tells_nothing(&log);
    assert!(!log.contains(TOKEN_START), "{log}");
}

/// All its clients of Kafka: of topics, of the workers' topics, of the group, a source's and a sink's.
#[tokio::test]
async fn a_worker_shows_tokens_that_it_replaces_before_they_end() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = folder.join("endpoint.pem");
    let (kafka, endpoint) = tokio::join!(broker(stack, folder), Endpoint::start(&authority));
    let text = properties(&kafka, &endpoint, &authority);
    endpoint.with(|state| state.is_closed = true);

    let rowcast = start(&text, folder, "worker").await;
    log_has(&rowcast, "the endpoint for tokens gives none").await;
    endpoint.with(|state| state.is_closed = false);
    let worker = Worker::of(rowcast).await;

    let (from, to) = (folder.join("from.txt"), folder.join("to.txt"));
    std::fs::write(&from, "zeile-1\n").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let source =
        json!({ "connector.class": "FileStreamSource", "file": path(&from), "topic": "sec-oauth" });
    let sink =
        json!({ "connector.class": "FileStreamSink", "file": path(&to), "topics": "sec-oauth" });
    worker.make("sec-oauth-source", source).await;
    worker.make("sec-oauth-sink", sink).await;
    let has = |lines: &str| std::fs::read_to_string(&to).is_ok_and(|found| found == lines);
    assert!(until(|| has("zeile-1\n")).await, "{}", worker.process.log().unwrap());
    assert_eq!(endpoint.with(|state| state.scope.clone()), "kafka");

    // Every token of now has ended before the second line.
    let first = endpoint.with(|state| state.tokens);
    assert!(until(|| endpoint.with(|state| state.tokens) > 3 * first).await);
    std::fs::write(&from, "zeile-1\nzeile-2\n").unwrap();
    assert!(until(|| has("zeile-1\nzeile-2\n")).await, "{}", worker.process.log().unwrap());
    for name in ["sec-oauth-source", "sec-oauth-sink"] {
        let status = worker.get(&format!("/connectors/{name}/status")).await;
        assert_eq!(status["tasks"][0]["state"], "RUNNING", "{status}");
    }
    has_no_token(&worker.process);
    stop(&worker.process).await;

    let distrusted = text.replace("endpoint.pem", "other.pem");
    tls::authority(&folder.join("other.pem"));
    let rowcast = start(&distrusted, folder, "distrusted").await;
    log_has(&rowcast, "the endpoint for tokens gives none").await;
    has_no_token(&rowcast);
    stop(&rowcast).await;
}
