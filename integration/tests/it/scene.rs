//! One connector with its own database, user, topics and pipeline file, on servers that may be
//! broken, and what `rowcast` makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use integration::marks::{self, Kind, absent};
use integration::process::Rowcast;
use integration::stack::{MySql, shared};
use mysql_async::prelude::Queryable;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tempfile::TempDir;

/// For anything that has to happen: far more than it takes on a machine that is busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(240);

/// Every password has it; no log may.
pub(crate) const SECRET: &str = "geheim-4711-x";

/// Every row has it; no log may.
pub(crate) const ROW_MARK: &str = "zeile-0815-y";

/// A connector and where it runs.
pub(crate) struct Scene {
    /// Its name, and that of its database, its user and its topic prefix.
    pub(crate) name: String,
    /// The worker's settings.
    pub(crate) worker: BTreeMap<String, String>,
    /// The connector's settings.
    pub(crate) settings: BTreeMap<String, String>,
    /// The settings of a sink beside it; none without any.
    pub(crate) sink: BTreeMap<String, String>,
    folder: TempDir,
    mysql_url: String,
}

/// How `rowcast` ended by itself.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    pub(crate) hint: String,
    pub(crate) log: String,
}

impl Scene {
    /// A connector that would run, with a table `t` of three rows, on servers of the shared stack.
    pub(crate) async fn new(name: &str) -> Self {
        Self::on(&shared().await.unwrap().mysql, name).await
    }

    /// As [`Scene::new`], with another MySQL.
    pub(crate) async fn on(mysql: &MySql, name: &str) -> Self {
        Self::at(mysql.address(), mysql.url(), name).await
    }

    /// As [`Scene::new`], with whatever speaks MySQL's protocol there; `mysql_url` is root's.
    pub(crate) async fn at(address: SocketAddr, mysql_url: String, name: &str) -> Self {
        let stack = shared().await.unwrap();
        let pair = |key: &str, value: String| (key.to_owned(), value);
        let worker = [
            pair("bootstrap.servers", stack.kafka.bootstrap()),
            pair("schema.registry.url", stack.registry.url()),
            pair("group.id", name.to_owned()),
            pair("offset.storage.topic", format!("{name}-offsets")),
            // Many run at the same time.
            pair("listeners", "http://127.0.0.1:0".to_owned()),
        ];
        let settings = [
            pair("connector.class", "mysql".to_owned()),
            pair("database.hostname", address.ip().to_string()),
            pair("database.port", address.port().to_string()),
            pair("database.user", name.to_owned()),
            pair("database.password", SECRET.to_owned()),
            pair("topic.prefix", name.to_owned()),
            pair("table.include.list", format!("{name}.t")),
        ];
        let scene = Self {
            name: name.to_owned(),
            worker: worker.into(),
            settings: settings.into(),
            sink: BTreeMap::new(),
            folder: tempfile::tempdir().unwrap(),
            mysql_url,
        };
        scene.sql(&format!("CREATE DATABASE IF NOT EXISTS {name}")).await;
        scene.sql(&format!("CREATE TABLE {name}.t (id INT PRIMARY KEY, note VARCHAR(99))")).await;
        scene.insert(1..=3).await;
        scene.sql(&format!("CREATE USER {name} IDENTIFIED BY '{SECRET}'")).await;
        for privilege in ["SELECT", "REPLICATION SLAVE", "REPLICATION CLIENT"] {
            scene.sql(&format!("GRANT {privilege} ON *.* TO {name}")).await;
        }
        scene
    }

    /// Changes one of the connector's settings.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.settings.insert(key.to_owned(), value.into());
    }

    /// Adds a sink into indices named as the tables.
    pub(crate) fn add_sink(&mut self, connection_url: &str) {
        let name = &self.name;
        self.sink = [
            ("connector.class", "elasticsearch".to_owned()),
            ("connection.url", connection_url.to_owned()),
            ("topics.regex", format!("{name}\\.{name}\\..*")),
            ("index.name", "{database}.{table}".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
    }

    /// A session of root.
    pub(crate) async fn connect(&self) -> mysql_async::Conn {
        let options = mysql_async::Opts::from_url(&format!("{}/", self.mysql_url)).unwrap();
        mysql_async::Conn::new(options).await.unwrap()
    }

    /// Runs statements as root, each on its own, in one session.
    pub(crate) async fn session(&self, statements: &[&str]) {
        let options = mysql_async::Opts::from_url(&format!("{}/", self.mysql_url)).unwrap();
        let mut connection = mysql_async::Conn::new(options).await.unwrap();
        for statement in statements {
            connection.query_drop(*statement).await.unwrap();
        }
        connection.disconnect().await.unwrap();
    }

    /// Runs a statement as root.
    pub(crate) async fn sql(&self, statement: &str) {
        self.session(&[statement]).await;
    }

    /// Inserts rows, each in a transaction of its own.
    pub(crate) async fn insert(&self, ids: std::ops::RangeInclusive<u32>) {
        let insert = |id: u32| format!("INSERT INTO {}.t VALUES ({id}, '{ROW_MARK}')", self.name);
        let statements: Vec<String> = ids.map(insert).collect();
        self.session(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    /// The pipeline file's text. JSON is YAML.
    pub(crate) fn pipeline(&self) -> String {
        let mut file = json!(self.worker);
        file["connectors"] = json!({ &self.name: self.settings });
        if !self.sink.is_empty() {
            file["connectors"][format!("{}-sink", self.name)] = json!(self.sink);
        }
        format!("{file:#}")
    }

    /// Writes the pipeline file and gives its path, for commands.
    pub(crate) fn write_pipeline(&self) -> String {
        let file = self.path("pipeline.yaml");
        std::fs::write(&file, self.pipeline()).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Starts `rowcast` with all that it can log.
    pub(crate) async fn start(&self) -> Rowcast {
        self.start_with(&self.pipeline(), &[]).await
    }

    /// Starts `rowcast` with this text as its pipeline file, in a log of its own.
    pub(crate) async fn start_with(&self, text: &str, environment: &[(&str, &str)]) -> Rowcast {
        let file = self.path("pipeline.yaml");
        std::fs::write(&file, text).unwrap();
        let runs = std::fs::read_dir(self.folder.path()).unwrap().count();
        let log = self.path(&format!("rowcast-{runs}.log"));
        Rowcast::start(&["run", file.to_str().unwrap()], environment, &log).await.unwrap()
    }

    /// Runs `rowcast`, which must refuse.
    pub(crate) async fn refused(&self) -> Refusal {
        refusal(&self.start().await).await
    }

    /// A path in the folder of this scene.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The topic of table `t`.
    pub(crate) fn topic(&self) -> String {
        format!("{0}.{0}.t", self.name)
    }

    /// Waits until the topic of `t` has `count` rows, each in one record, in what is committed.
    pub(crate) async fn wait_for_rows(&self, rowcast: &Rowcast, count: usize) {
        self.wait_for_records(rowcast, count, count).await;
    }

    /// Waits until the topic of `t` has so many keys in so many records, in what is committed.
    pub(crate) async fn wait_for_records(&self, rowcast: &Rowcast, keys: usize, count: usize) {
        let records = || records(&self.worker["bootstrap.servers"], &self.topic());
        let arrived = until(|| async { records().len() >= count }).await;
        let records = records();
        let found: BTreeSet<_> = records.iter().map(|(key, _)| key).collect();
        let log = rowcast.log().unwrap();
        assert!(arrived, "{} of {count} records came:\n{log}", records.len());
        assert_eq!((found.len(), records.len()), (keys, count), "{log}");
    }

    /// The number of rows of a table; nothing if there is no such table.
    pub(crate) async fn count(&self, table: &str) -> Option<u64> {
        let options = mysql_async::Opts::from_url(&format!("{}/", self.mysql_url)).unwrap();
        let mut connection = mysql_async::Conn::new(options).await.unwrap();
        let count = connection.query_first(format!("SELECT COUNT(*) FROM {table}")).await;
        connection.disconnect().await.unwrap();
        count.ok().flatten()
    }

    /// The connector's committed offsets: partition and value of each, the last one counts.
    pub(crate) fn offsets(&self) -> BTreeMap<String, Value> {
        let all = records(&self.worker["bootstrap.servers"], &self.worker["offset.storage.topic"]);
        let mut offsets = BTreeMap::new();
        for (key, value) in all {
            let key: Value = serde_json::from_slice(&key).unwrap();
            assert_eq!(key[0], *self.name);
            match value {
                Some(value) => {
                    offsets.insert(key[1].to_string(), serde_json::from_slice(&value).unwrap())
                }
                None => offsets.remove(&key[1].to_string()),
            };
        }
        offsets
    }
}

/// Waits for `rowcast`'s end and reads the one error that it must have given: exit code 1, and the
/// only line at ERROR is the last one, with what is wrong and what to do.
pub(crate) async fn refusal(rowcast: &Rowcast) -> Refusal {
    let status = rowcast.wait(DEADLINE).await;
    let log = clean_log(rowcast);
    let status = status.unwrap_or_else(|error| panic!("{error}:\n{log}"));
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains(" ERROR "), "the last line is no error:\n{log}");
    assert_eq!(log.matches(" ERROR ").count(), 1, "not one error:\n{log}");
    let field = |name: &str| {
        field(last, name).unwrap_or_else(|| panic!("the last line has no {name}:\n{log}"))
    };
    let (error, hint) = (field("error"), field("hint"));
    // What to do is said once.
    assert!(!error.contains(hint.as_str()), "{last}");
    Refusal { error, hint, log: log.clone() }
}

/// Stops `rowcast`, which must end in good order.
pub(crate) async fn stop(rowcast: &Rowcast) -> String {
    let status = rowcast.stop(DEADLINE).await.unwrap();
    let log = clean_log(rowcast);
    assert!(status.success(), "{log}");
    log
}

/// Waits until the log has a text.
pub(crate) async fn wait_for_log(rowcast: &Rowcast, text: &str) {
    let found = until(|| async { rowcast.log().unwrap().contains(text) }).await;
    assert!(found, "no {text:?} in:\n{}", rowcast.log().unwrap());
}

/// Where a process listens for HTTP. Whatever it answers is looked through for what nobody may see.
pub(crate) struct Endpoint(String);

impl Endpoint {
    /// Its address, for commands, and for clients that log in or are called by another name: who asks by
    /// it looks through the answers himself.
    pub(crate) fn for_others(&self) -> &str {
        &self.0
    }

    /// What it answers.
    pub(crate) async fn text(&self, path: &str) -> String {
        told(&format!("{}{path}", self.0)).await
    }

    /// What it answers in JSON.
    pub(crate) async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }

    /// What it answers to a request, which has no body if that is null.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        asked(method, &format!("{}{path}", self.0), body).await
    }
}

/// Where the process listens for HTTP, by its log: since its last start.
pub(crate) async fn endpoint(rowcast: &Rowcast) -> Endpoint {
    wait_for_log(rowcast, "http endpoint listens").await;
    let log = rowcast.log().unwrap();
    // The last start's.
    let line = log.lines().rfind(|line| line.contains("http endpoint listens")).unwrap();
    let (_, address) = line.split_once("address=").unwrap();
    let address = address.split_whitespace().next().unwrap().trim_matches('"');
    Endpoint(format!("http://{address}"))
}

/// What a process answers at this address, in which nothing stands that nobody may see.
pub(crate) async fn told(url: &str) -> String {
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    absent(Kind::Answer, &text);
    text
}

/// What a process answers to a request, in which nothing stands that nobody may see.
pub(crate) async fn asked(method: &str, url: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().request(method.parse().unwrap(), url);
    let request = if body.is_null() { request } else { request.json(body) };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    absent(Kind::Answer, &text);
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// Waits until `/metrics` of a process has these lines.
pub(crate) async fn metrics_have(rowcast: &Rowcast, lines: &[&str]) {
    let endpoint = endpoint(rowcast).await;
    let text = || endpoint.text("/metrics");
    let have = until(|| async {
        let text = text().await;
        lines.iter().all(|line| text.lines().any(|found| found == *line))
    });
    assert!(have.await, "not all of {lines:?} in:\n{}", text().await);
}

/// The log, in which nothing may stand that must not.
pub(crate) fn clean_log(rowcast: &Rowcast) -> String {
    let log = rowcast.log().unwrap();
    for forbidden in ["panicked", marks::SECRET, marks::ROW] {
        assert!(!log.contains(forbidden), "the log has {forbidden:?}:\n{log}");
    }
    log
}

/// Waits for a condition; says whether it came true in time.
pub(crate) async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) -> bool {
    let end = Instant::now() + DEADLINE;
    while !condition().await {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

/// The text of a quoted field of a log line.
fn field(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!(" {name}="))?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    values.next()?.ok()
}

/// Keys and values of a topic, as far as they are committed; empty if there is no such topic.
pub(crate) fn records(bootstrap: &str, topic: &str) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "bad-input")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
    let mut open = metadata.topics()[0].partitions().len();
    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let mut records = Vec::new();
    let end = Instant::now() + DEADLINE;
    while open > 0 {
        // It also returns after an event that is not for us.
        let Some(polled) = consumer.poll(Duration::from_secs(1)) else {
            assert!(Instant::now() < end, "no answer from {topic}");
            continue;
        };
        match polled {
            Ok(record) => records.push((
                record.key().unwrap_or_default().to_vec(),
                record.payload().map(<[u8]>::to_vec),
            )),
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown,
            )) => {}
            Err(error) => panic!("{error}"),
        }
    }
    records
}
