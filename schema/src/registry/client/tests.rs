mod oauth;
mod tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::{BearerConfig, Registering, Registry, TokenSource};
use super::*;
use crate::fault::Fault;

/// A registry that answers as a function says, and remembers what it was asked.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

type Answers = fn(&str) -> (u16, &'static str);

impl Fake {
    async fn start(answers: Answers) -> Self {
        Self::start_with(answers, None).await
    }

    async fn start_with(answers: Answers, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/apis/ccompat/v7", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let said = match &tls {
                    None => serve(stream, answers).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(stream, answers).await,
                        Err(_) => continue,
                    },
                };
                log.lock().unwrap().extend(said);
            }
        };
        drop(tokio::task::spawn(serving));
        Self { url, asked }
    }

    fn registry(&self, change: impl Fn(&mut RegistryConfig)) -> Registry {
        let mut config =
            RegistryConfig { urls: vec![self.url.clone()], ..RegistryConfig::default() };
        change(&mut config);
        Registry::new(&config).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().drain(..).collect()
    }
}

/// Answers the one request of a connection: `METHOD PATH`, the body, and the login.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: Answers,
) -> Option<String> {
    let (mut text, mut part) = (String::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        text.push_str(&String::from_utf8_lossy(&part[..read]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.split(' ');
    let asked = format!("{} {}", words.next()?, words.next()?);
    let login = head.lines().find(|line| line.to_lowercase().starts_with("authorization"));
    let (status, answer) = answers(&asked);
    let length = answer.len();
    let said = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
    );
    stream.write_all(said.as_bytes()).await.ok()?;
    let confluents = ["target-sr-cluster: ", "confluent-identity-pool-id: "];
    let confluents = confluents.iter().filter_map(|name| {
        head.lines().find_map(|line| Some(format!(" {}", line.strip_prefix(name)?)))
    });
    let confluents: String = confluents.collect();
    Some(format!("{asked} {body}{}{confluents}", login.unwrap_or("")))
}

const RECORD: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;

fn registering(auto: bool, use_latest: bool) -> impl Fn(&mut RegistryConfig) {
    move |config| config.registering = Registering { auto, use_latest, ..Registering::default() }
}

#[tokio::test]
async fn a_schema_is_registered_with_its_type_and_once() {
    let fake = Fake::start(|_| (200, r#"{"id":7}"#)).await;
    let registry = fake.registry(|config| config.registering.normalize = true);

    assert_eq!(registry.register("a/b-value", "\"int\"").await.unwrap(), SchemaId(7));
    assert_eq!(registry.register("a/b-value", "\"int\"").await.unwrap(), SchemaId(7));
    registry.identify("p", (SchemaKind::Protobuf, "x")).await.unwrap();

    let path = "/apis/ccompat/v7/subjects";
    let avro = format!(r#"POST {path}/a%2Fb-value/versions?normalize=true {{"schema":"\"int\""}}"#);
    let protobuf = format!(
        r#"POST {path}/p/versions?normalize=true {{"schema":"x","schemaType":"PROTOBUF"}}"#
    );
    assert_eq!(fake.asked(), [avro, protobuf]);
}

#[tokio::test]
async fn without_registering_a_schema_has_to_be_there() {
    let fake = Fake::start(|asked| match asked {
        "POST /apis/ccompat/v7/subjects/there" => (200, r#"{"id":3,"version":1}"#),
        _ => (404, r#"{"error_code":40403,"message":"Schema not found"}"#),
    });
    let fake = fake.await;
    let registry = fake.registry(registering(false, false));

    assert_eq!(registry.register("there", RECORD).await.unwrap(), SchemaId(3));
    let missing = registry.register("missing", RECORD).await.unwrap_err();
    let expected = "subject missing does not have the schema, and `auto.register.schemas` is false";
    assert_eq!(missing.to_string(), expected);
    assert!(missing.hint().unwrap().contains("register the schema under that subject"));
    assert!(fake.asked().iter().all(|asked| !asked.contains("/versions")));
}

#[tokio::test]
async fn the_latest_version_is_taken_if_it_is_the_records() {
    let fake = Fake::start(|asked| match asked.rsplit_once("subjects/").unwrap().1 {
        // The same schema by other words.
        "same/versions/latest" => (
            200,
            r#"{"id":4,"schema":"{\"name\":\"R\",\"doc\":\"d\",\"type\":\"record\",\"fields\":[{\"type\":\"int\",\"name\":\"a\"}]}"}"#,
        ),
        "other/versions/latest" => (200, r#"{"id":5,"schema":"\"int\""}"#),
        "json/versions/latest" if asked.starts_with("GET") => {
            (200, r#"{"id":6,"schemaType":"JSON","schema":"{}"}"#)
        }
        "json/versions/latest" => (200, r#"{"is_compatible":false}"#),
        _ => (404, "{}"),
    });
    let fake = fake.await;
    let registry = fake.registry(registering(false, true));

    assert_eq!(registry.register("same", RECORD).await.unwrap(), SchemaId(4));
    let other = registry.register("other", RECORD).await.unwrap_err();
    assert!(matches!(other, RegistryError::NotLatest { .. }), "{other}");
    let missing = registry.register("missing", RECORD).await.unwrap_err();
    assert!(matches!(missing, RegistryError::NotRegistered { .. }), "{missing}");
    let json = registry.identify("json", (SchemaKind::Json, "{\"type\":\"string\"}")).await;
    assert!(matches!(json.unwrap_err(), RegistryError::NotLatest { .. }));
    let lenient = fake.registry(|config| {
        config.registering.auto = false;
        config.registering.use_latest = true;
        config.registering.strict = false;
    });
    let (id, latest) = lenient.identify("json", (SchemaKind::Json, "{}")).await.unwrap();
    assert_eq!((id, &*latest.unwrap().text), (SchemaId(6), "{}"));
}

#[tokio::test]
async fn a_schema_comes_with_all_that_it_refers_to() {
    let fake = Fake::start(|asked| match asked.rsplit_once("v7/").unwrap().1 {
        "schemas/ids/9" => (
            200,
            r#"{"schemaType":"PROTOBUF","schema":"m","references":[{"name":"a.proto","subject":"A","version":2}]}"#,
        ),
        "subjects/A/versions/2" => (
            200,
            r#"{"id":1,"schema":"a","references":[{"name":"b.proto","subject":"B","version":1},{"name":"a.proto","subject":"A","version":2}]}"#,
        ),
        "subjects/B/versions/1" => (200, r#"{"id":2,"schema":"b"}"#),
        "schemas/ids/8" => {
            (200, r#"{"schema":"m","references":[{"name":"x","subject":"X","version":1}]}"#)
        }
        _ => (404, r#"{"message":"not found"}"#),
    });
    let registry = fake.await.registry(|_| {});

    let found = registry.registered(SchemaId(9)).await.unwrap();
    assert_eq!((found.kind, &*found.text), (SchemaKind::Protobuf, "m"));
    let imports = found.imports.iter().map(|(name, text)| (&**name, &**text));
    assert_eq!(imports.collect::<Vec<_>>(), [("a.proto", "a"), ("b.proto", "b")]);
    let broken = registry.registered(SchemaId(8)).await.unwrap_err();
    assert!(broken.to_string().contains("reference x, version 1 of subject X"), "{broken}");
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_passed_over() {
    let down = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", down.local_addr().unwrap());
    drop(down);
    let busy = Fake::start(|_| (503, r#"{"message":"later"}"#)).await;
    let fake = Fake::start(|_| (200, r#"{"mode":"READWRITE"}"#)).await;
    let all = vec![closed, busy.url.clone(), fake.url.clone()];
    let registry = fake.registry(|config| {
        config.urls.clone_from(&all);
        config.bearer = Some(BearerConfig {
            source: TokenSource::Static("t1".to_owned()),
            logical_cluster: None,
            identity_pool: None,
        });
    });

    assert_eq!(registry.mode().await.unwrap().as_deref(), Some("READWRITE"));
    assert_eq!(busy.asked().len(), 1);
    assert!(fake.asked()[0].contains("Bearer t1"));
    let down = fake.registry(|config| {
        config.urls = vec![busy.url.clone()];
        config.basic_auth = Some(("u".to_owned(), "p".to_owned()));
    });
    let error = down.mode().await.unwrap_err();
    let expected = format!("could not reach the schema registry at {}: it answered 503", busy.url);
    assert!(crate::fault::chain(&error).starts_with(&expected), "{error}");
    assert!(busy.asked()[0].contains("Basic dTpw"));
}

#[tokio::test]
async fn only_a_verdict_on_the_schema_is_a_refusal() {
    let answers: [(u16, Answers); 8] = [
        (409, |_| {
            (409, r#"{"error_code":409,"message":"Schema being registered is incompatible"}"#)
        }),
        (422, |_| (422, "{}")),
        (401, |_| (401, "{}")),
        (403, |_| (403, "")),
        (404, |_| (404, "<html>")),
        (405, |_| (405, "")),
        (429, |_| (429, "")),
        (503, |_| (503, "")),
    ];
    for (status, answers) in answers {
        let registry = Fake::start(answers).await.registry(|_| {});
        let error = registry.register("s", "\"int\"").await.unwrap_err();
        let is_right = match status {
            409 => matches!(error, RegistryError::Incompatible { .. }),
            422 => matches!(error, RegistryError::Refused { .. }),
            // A wrong path or login must never park a table.
            401..=405 => matches!(error, RegistryError::Unusable { .. }),
            _ => matches!(error, RegistryError::Unavailable { .. }),
        };
        assert!(is_right, "{status}: {error}");
        if status == 409 {
            let told = crate::fault::chain(&error);
            assert!(told.ends_with("Schema being registered is incompatible"), "{told}");
            assert!(error.hint().unwrap().contains("PUT /config/<subject>"));
        }
    }
    let registry = Fake::start(|_| (200, "<html>")).await.registry(|_| {});
    let error = registry.register("s", "\"int\"").await.unwrap_err();
    assert!(matches!(error, RegistryError::Unusable { .. }), "{error}");
}

#[test]
fn what_makes_no_client_is_named() {
    let refused = |change: fn(&mut RegistryConfig)| {
        let mut config = RegistryConfig { timeout: Duration::from_secs(1), ..Default::default() };
        change(&mut config);
        Client::new(&config).err().unwrap().to_string()
    };

    let ca = refused(|config| config.tls.ca = Some("/none/ca.pem".into()));
    assert!(ca.contains("`schema.registry.ssl.truststore.location` cannot be read"), "{ca}");
    let url = refused(|config| config.urls = vec!["http://".to_owned()]);
    assert!(url.contains("no address"), "{url}");
}
