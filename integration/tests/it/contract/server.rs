//! A server to be asked: a real one of its own, which may be restarted, or the fake.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use es_sink::testing::{FakeServer, Product};
use flate2::Compression;
use flate2::write::GzEncoder;
use integration::stack::{
    Cache, Elasticsearch, ElasticsearchOptions, OpenSearch, OpenSearchOptions, install,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The largest body that each of them takes.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;

const LIMIT: (&str, &str) = ("http.max_content_length", "1mb");

const DEADLINE: Duration = Duration::from_secs(60);

/// The server, and what it is.
pub(crate) struct Server {
    kind: Kind,
    pub(super) product: Product,
    client: reqwest::Client,
    names: AtomicU32,
    /// Where a real one has its data. It goes after the server.
    _folder: Option<TempDir>,
}

enum Kind {
    Fake(FakeServer),
    Elasticsearch(Elasticsearch),
    OpenSearch(OpenSearch),
}

/// What has become of one action.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) status: u64,
    /// Of the error; empty without one.
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) whole: Value,
}

impl Server {
    pub(super) async fn fake(product: Product) -> Self {
        let fake = FakeServer::start_as(product).await;
        fake.set_max_bytes(BODY_BYTES_MAX);
        Self::of(Kind::Fake(fake), product, None)
    }

    pub(super) async fn elasticsearch() -> Self {
        let (installed, folder) = place().await;
        let mut options = ElasticsearchOptions::default();
        options.settings.push((LIMIT.0.to_owned(), LIMIT.1.to_owned()));
        let node = Elasticsearch::start(&installed, folder.path(), &options).await.unwrap();
        Self::of(Kind::Elasticsearch(node), Product::Elasticsearch9, Some(folder))
    }

    pub(super) async fn opensearch() -> Self {
        let (installed, folder) = place().await;
        let mut options = OpenSearchOptions::default();
        options.settings.push((LIMIT.0.to_owned(), LIMIT.1.to_owned()));
        let node = OpenSearch::start(&installed, folder.path(), &options).await.unwrap();
        Self::of(Kind::OpenSearch(node), Product::OpenSearch3, Some(folder))
    }

    fn of(kind: Kind, product: Product, folder: Option<TempDir>) -> Self {
        let (client, names) = (reqwest::Client::new(), AtomicU32::new(0));
        Self { kind, product, client, names, _folder: folder }
    }

    pub(super) fn name(&self) -> &'static str {
        match (&self.kind, self.product) {
            (Kind::Elasticsearch(_), _) => "Elasticsearch",
            (Kind::OpenSearch(_), _) => "OpenSearch",
            (Kind::Fake(_), Product::Elasticsearch7) => "the fake as Elasticsearch 7",
            (Kind::Fake(_), Product::Elasticsearch8) => "the fake as Elasticsearch 8",
            (Kind::Fake(_), Product::Elasticsearch9) => "the fake as Elasticsearch 9",
            (Kind::Fake(_), Product::Serverless) => "the fake as serverless",
            (Kind::Fake(_), Product::OpenSearch2) => "the fake as OpenSearch 2",
            (Kind::Fake(_), Product::OpenSearch3) => "the fake as OpenSearch 3",
        }
    }

    /// A name for an index that no other fact has.
    pub(super) fn new_name(&self) -> String {
        format!("i{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes an index; its name.
    pub(super) async fn index(&self, body: Value) -> String {
        let name = self.new_name();
        let (status, answer) = self.call("PUT", &format!("/{name}"), Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        name
    }

    /// Sends a request; the status, and the answer if it is JSON.
    pub(super) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// Sends lines as one bulk request.
    pub(super) async fn bulk(&self, lines: &[Value]) -> (u16, Value) {
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.send_bulk("", body.into_bytes(), None).await.unwrap()
    }

    /// Sends bytes as a bulk request; `None` if there is no answer.
    pub(super) async fn send_bulk(
        &self,
        query: &str,
        body: Vec<u8>,
        encoding: Option<&str>,
    ) -> Option<(u16, Value)> {
        let mut request = self.client.post(format!("{}/_bulk{query}", self.url()));
        request = request.header("content-type", "application/x-ndjson").body(body);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let response = request.send().await.ok()?;
        Some((response.status().as_u16(), response.json().await.unwrap_or_default()))
    }

    /// The items of a bulk request that is not refused as a whole.
    pub(super) async fn items(&self, lines: &[Value]) -> Vec<Item> {
        let (status, answer) = self.bulk(lines).await;
        assert_eq!(status, 200, "{answer}");
        let items = answer["items"].as_array().unwrap().iter();
        items.map(|item| Item::of(item.as_object().unwrap().values().next().unwrap())).collect()
    }

    /// Writes one document with an external version.
    pub(super) async fn write(&self, index: &str, id: &str, (version, row): (u64, Value)) -> Item {
        self.items(&[line("index", index, id, version), row]).await.remove(0)
    }

    /// Deletes one with an external version.
    pub(super) async fn delete(&self, index: &str, id: &str, version: u64) -> Item {
        self.items(&[line("delete", index, id, version)]).await.remove(0)
    }

    pub(super) async fn refresh(&self, index: &str) {
        let (status, _) = self.call("POST", &format!("/{index}/_refresh"), None).await;
        assert_eq!(status, 200);
    }

    pub(super) async fn count(&self, index: &str) -> u64 {
        let (_, answer) = self.call("GET", &format!("/{index}/_count"), None).await;
        answer["count"].as_u64().unwrap()
    }

    /// Ends the server in good order and starts it again.
    pub(super) async fn restart(&self) {
        match &self.kind {
            Kind::Fake(fake) => fake.restart(),
            Kind::Elasticsearch(node) => node.server.restart().await.unwrap(),
            Kind::OpenSearch(node) => node.server.restart().await.unwrap(),
        }
    }

    /// Kills the server and starts it again.
    pub(super) async fn crash(&self) {
        let server = match &self.kind {
            Kind::Fake(fake) => return fake.crash(),
            Kind::Elasticsearch(node) => &node.server,
            Kind::OpenSearch(node) => &node.server,
        };
        server.kill().unwrap();
        server.start_again().await.unwrap();
    }

    /// Lets time pass where it is the test's, and asks until it is so.
    pub(super) async fn until<F: Future<Output = bool>>(&self, is_so: impl Fn() -> F) {
        let end = Instant::now() + DEADLINE;
        while !is_so().await {
            assert!(Instant::now() < end, "waited for {DEADLINE:?}");
            match &self.kind {
                Kind::Fake(fake) => fake.advance(Duration::from_secs(1)),
                Kind::Elasticsearch(_) | Kind::OpenSearch(_) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn url(&self) -> String {
        match &self.kind {
            Kind::Fake(fake) => fake.url.clone(),
            Kind::Elasticsearch(node) => node.url(),
            Kind::OpenSearch(node) => node.url(),
        }
    }
}

impl Item {
    fn of(item: &Value) -> Self {
        let text = |key: &str| item["error"][key].as_str().unwrap_or_default().to_owned();
        Self {
            status: item["status"].as_u64().unwrap(),
            kind: text("type"),
            reason: text("reason"),
            whole: item.clone(),
        }
    }

    pub(super) fn is_conflict(&self) -> bool {
        (self.status, &*self.kind) == (409, "version_conflict_engine_exception")
    }
}

/// The line of an action with an external version.
pub(super) fn line(verb: &str, index: &str, id: &str, version: u64) -> Value {
    let header =
        json!({ "_index": index, "_id": id, "version": version, "version_type": "external" });
    json!({ verb: header })
}

/// The same with further parameters.
pub(super) fn line_with(mut line: Value, more: &[(&str, Value)]) -> Value {
    let header = line.as_object_mut().unwrap().values_mut().next().unwrap();
    for (key, value) in more {
        header[key] = value.clone();
    }
    line
}

pub(super) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// `error.type` and `error.reason` of a request that is refused as a whole.
pub(super) fn error(answer: &Value) -> (&str, &str) {
    let text = |key: &str| answer["error"][key].as_str().unwrap_or_default();
    (text("type"), text("reason"))
}

async fn place() -> (integration::stack::Installed, TempDir) {
    let installed = install(&Cache::open().unwrap()).await.unwrap();
    (installed, tempfile::tempdir().unwrap())
}
