//! The client against servers that do as they are told.

mod tls;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connect::config::{Origin, Settings};
use schema::fault::Fault;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config::SinkConfig;

/// What a server answers: a status, headers and a body; no status cuts the connection, and
/// [`SILENCE`] is no answer at all.
#[derive(Clone)]
struct Script(Option<u16>, &'static str, String);

type Asked = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

const SILENCE: u16 = 0;

const ROOT: &str = r#"{"version":{"number":"9.5.3"},"tagline":"You Know, for Search"}"#;

fn ok(body: &str) -> Script {
    Script(Some(200), "", body.to_owned())
}

/// A server in this process, and the requests that it has read: heads in lower case, and bodies.
struct Scripted {
    url: String,
    script: Arc<Mutex<Script>>,
    asked: Asked,
}

impl Scripted {
    async fn start(script: Script) -> Self {
        Self::start_with(script, None).await
    }

    async fn start_with(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let server =
            Self { url, script: Arc::new(Mutex::new(script)), asked: Arc::new(Mutex::default()) };
        let (script, asked) = (Arc::clone(&server.script), Arc::clone(&server.asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, asked, tls) = (Arc::clone(&script), Arc::clone(&asked), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, script, asked).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, script, asked).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    fn answer(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn last(&self) -> (String, Vec<u8>) {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Arc<Mutex<Script>>,
    asked: Asked,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            let lower = line.to_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        asked.lock().unwrap().push((head, body));
        let Script(Some(status), headers, body) = script.lock().unwrap().clone() else { return };
        if status == SILENCE {
            return std::future::pending().await;
        }
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
        if stream.write_all((answer + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

fn connection(settings: &[(&str, &str)]) -> Connection {
    let mut all = BTreeMap::from([("topics".to_owned(), "t".to_owned())]);
    all.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let settings = Settings::new("connector `s`", Origin::PipelineFile, all);
    SinkConfig::from_settings(settings).unwrap().connection
}

fn client(settings: &[(&str, &str)]) -> EsClient {
    EsClient::new(&connection(settings)).unwrap()
}

fn get(path: &str) -> Request {
    Request::json(Method::Get, path.to_owned(), None)
}

async fn status(client: &EsClient) -> Option<u16> {
    client.send(&get("/_x")).await.ok().map(|answer| answer.status)
}

#[tokio::test]
async fn each_login_is_the_header_that_it_is_known_by() {
    let server = Scripted::start(ok("{}")).await;
    let with_user = server.url.replace("http://", "http://u:p@");
    for (settings, expected) in [
        (vec![], None),
        (
            vec![("connection.username", "elastic"), ("connection.password", "geheim")],
            Some("Basic ZWxhc3RpYzpnZWhlaW0="),
        ),
        (vec![("connection.api.key", "id:key")], Some("ApiKey aWQ6a2V5")),
        (vec![("connection.api.key", " aWQ6a2V5\n")], Some("ApiKey aWQ6a2V5")),
        (vec![("connection.bearer.token", "abc.def")], Some("Bearer abc.def")),
        (vec![("connection.url", &*with_user)], Some("Basic dTpw")),
    ] {
        let mut all = vec![("connection.url", &*server.url)];
        all.extend(settings);
        let client = client(&all);

        assert_eq!(status(&client).await, Some(200));

        let (head, _) = server.last();
        let sent = head.lines().find_map(|line| line.strip_prefix("authorization: "));
        assert_eq!(sent, expected, "{head}");
        assert!(!client.urls().contains('@'), "{}", client.urls());
    }
}

#[tokio::test]
async fn a_path_in_the_address_stays_in_front() {
    let server = Scripted::start(ok("{}")).await;
    let client = client(&[("connection.url", &format!("{}/search/", server.url))]);

    client.send(&get("/i/_mapping?x=1")).await.ok().unwrap();

    assert!(server.last().0.starts_with("GET /search/i/_mapping?x=1 HTTP/1.1"));
}

#[tokio::test]
async fn a_large_body_is_sent_with_gzip_if_that_is_asked_for() {
    let server = Scripted::start(ok("{}")).await;
    let body = "{\"index\":{}}\n{\"name\":\"a row\"}\n".repeat(10_000);
    for (compression, length) in [("true", 100..20_000), ("false", body.len()..body.len() + 1)] {
        let settings = [("connection.url", &*server.url), ("connection.compression", compression)];

        client(&settings).send(&Request::bulk(body.clone().into())).await.ok().unwrap();

        let (head, sent) = server.last();
        assert_eq!(head.contains("content-encoding: gzip"), compression == "true");
        assert!(length.contains(&sent.len()), "{}", sent.len());
        if compression == "true" {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&*sent).read_to_string(&mut text).unwrap();
            assert_eq!(text, body);
        }
    }
}

#[tokio::test]
async fn an_answer_that_has_no_end_is_no_answer() {
    let server = Scripted::start(ok(&"x".repeat((64 << 20) + 1))).await;
    let client = client(&[("connection.url", &server.url)]);

    let error = client.send(&get("/")).await.err().unwrap();

    assert!(error.reason.contains("more than 67108864 bytes"), "{}", error.reason);
    assert!(!error.was_cut);
}

/// A redirect would take the login to somebody else.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Scripted::start(ok("{}")).await;
    let location: &'static str = Box::leak(format!("location: {}/\r\n", other.url).into());
    let server = Scripted::start(Script(Some(302), location, String::new())).await;

    assert_eq!(status(&client(&[("connection.url", &server.url)])).await, Some(302));
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn a_node_without_an_answer_is_left_out_and_is_back_when_it_answers() {
    let (one, two) = (Scripted::start(ok("{}")).await, Scripted::start(ok("{}")).await);
    let urls = format!("{},{}", one.url, two.url);
    let client = client(&[("connection.url", &urls), ("read.timeout.ms", "2000")]);
    for broken in [None, Some(503), Some(SILENCE)].map(|status| Script(status, "", String::new())) {
        one.answer(broken);
        while status(&client).await == Some(200) {}
        let (asked, marked) = (one.count(), Instant::now());

        for _ in 0..5 {
            assert_eq!(status(&client).await, Some(200));
        }
        // Unless the machine was so busy that the second is over.
        if marked.elapsed() < Duration::from_millis(900) {
            assert_eq!(one.count(), asked);
        }

        one.answer(ok("{}"));
        tokio::time::timeout(Duration::from_secs(10), async {
            while one.count() < asked + 3 {
                assert_eq!(status(&client).await, Some(200));
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the node is used again");
    }
}

/// Only a connection that ends may be a refusal of what is too large.
#[tokio::test]
async fn silence_is_told_from_a_connection_that_is_cut() {
    let server = Scripted::start(Script(None, "", String::new())).await;
    let settings = [
        ("connection.url", &*server.url),
        ("connection.timeout.ms", "100"),
        ("read.timeout.ms", "100"),
    ];
    let client = client(&settings);

    assert!(client.send(&get("/")).await.err().unwrap().was_cut);
    server.answer(Script(Some(SILENCE), "", String::new()));
    assert!(!client.send(&get("/")).await.err().unwrap().was_cut);
}

#[tokio::test]
async fn a_proxy_is_told_where_to_and_who_we_are() {
    let proxy = Scripted::start(ok("{}")).await;
    let (_, port) = proxy.url.rsplit_once(':').unwrap();
    let client = client(&[
        ("connection.url", "http://elasticsearch.invalid:9200"),
        ("connection.api.key", "aWQ6a2V5"),
        ("proxy.host", "127.0.0.1"),
        ("proxy.port", port),
        ("proxy.username", "u"),
        ("proxy.password", "p"),
    ]);

    assert_eq!(status(&client).await, Some(200));

    let (head, _) = proxy.last();
    assert!(head.starts_with("GET http://elasticsearch.invalid:9200/_x HTTP/1.1"), "{head}");
    assert!(head.contains("proxy-authorization: Basic dTpw\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: ApiKey aWQ6a2V5\r\n"), "{head}");
}

#[tokio::test]
async fn the_only_node_is_tried_again_at_once() {
    let server = Scripted::start(Script(None, "", String::new())).await;
    let client = client(&[("connection.url", &server.url)]);
    for _ in 0..3 {
        assert_eq!(status(&client).await, None);
    }

    server.answer(ok("{}"));

    assert_eq!(status(&client).await, Some(200));
}

#[tokio::test]
async fn the_server_is_asked_once_who_it_is() {
    let server = Scripted::start(Script(Some(503), "", "{}".to_owned())).await;
    let client = client(&[("connection.url", &server.url)]);
    let (found, ()) = tokio::join!(client.server(), async {
        while server.count() < 2 {
            tokio::task::yield_now().await;
        }
        server.answer(ok(ROOT));
    });
    let asked = server.count();

    assert_eq!(found.unwrap().to_string(), "Elasticsearch 9.5.3");
    assert!(client.server().await.unwrap().has(Feature::UnsignedLong));
    assert_eq!(server.count(), asked);
}

#[tokio::test]
async fn a_server_that_may_not_be_asked_is_taken_for_an_old_one() {
    for (headers, expected) in
        [("X-Elastic-Product: Elasticsearch\r\n", "Elasticsearch 7.17.0"), ("", "OpenSearch 1.0.0")]
    {
        let server = Scripted::start(Script(Some(403), headers, "{}".to_owned())).await;
        let client = client(&[("connection.url", &server.url)]);

        assert_eq!(client.server().await.unwrap().to_string(), expected);
    }
}

#[tokio::test]
async fn a_server_that_is_none_is_named_with_the_remedy() {
    for (script, expected) in [
        (ok(r#"{"version":{"number":"6.8.0"}}"#), "is Elasticsearch 6.8.0, expected"),
        (ok("<html>"), "is something without a version number"),
        (Script(Some(401), "", "{}".to_owned()), "answered 401 to tell its version"),
        (Script(Some(404), "", "{}".to_owned()), "refuses to tell its version"),
    ] {
        let server = Scripted::start(script).await;
        let client = client(&[("connection.url", &server.url)]);

        let error = client.server().await.unwrap_err();

        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some());
    }
}

/// The hints name the setting, and the texts have no file's content.
#[test]
fn files_that_cannot_be_used_are_named_by_their_setting() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pem = |kind: &str| format!("-----BEGIN {kind}-----\nc2VjcmV0\n-----END {kind}-----\n");
    let text = file("text", "geheim");
    let certificate = file("certificate", &pem("CERTIFICATE"));
    let locked = file("locked", &pem("ENCRYPTED PRIVATE KEY"));
    let key = file("key", &pem("PRIVATE KEY"));
    let missing = folder.path().join("missing").to_str().unwrap().to_owned();
    let (ca, mine, private) = (
        "connection.ssl.ca.location",
        "connection.ssl.certificate.location",
        "connection.ssl.key.location",
    );
    for (settings, setting, problem) in [
        (vec![(ca, &missing)], ca, "cannot be read"),
        (vec![(ca, &text)], ca, "has no certificate of an authority"),
        (vec![(ca, &certificate)], ca, "has no certificate of an authority"),
        (vec![(mine, &text), (private, &key)], mine, "has no certificate in PEM"),
        (vec![(mine, &certificate), (private, &text)], private, "has no private key"),
        (vec![(mine, &certificate), (private, &locked)], private, "without a password"),
        (vec![(mine, &certificate), (private, &key)], private, "is not the key"),
    ] {
        let mut all = vec![("connection.url", "https://a:9200")];
        all.extend(settings.iter().map(|(key, value)| (*key, value.as_str())));

        let error = EsClient::new(&connection(&all)).err().unwrap();

        let (message, hint) = (error.to_string(), error.hint().unwrap());
        assert!(message.starts_with(&format!("`{setting}` ")), "{message}");
        assert!(message.contains(problem) && hint.contains(setting), "{message}");
        assert!(!message.contains("geheim"), "{message}");
    }
}
