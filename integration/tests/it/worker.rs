//! Workers that share their connectors, driven as Kafka Connect's are: by its REST API.

mod bad;
mod clients;
mod cluster;
mod examples;
mod quickstart;
mod rest;
mod topics;

use std::path::Path;
use std::time::{Duration, Instant};

use integration::marks::{Kind, absent};
use integration::process::Rowcast;
use integration::stack::{MySql, Stack, shared};
use serde_json::{Value, json};

use crate::indices::has_documents;
use crate::scenario::{DEADLINE, LOG, Scenario, stop};
use crate::scene::{asked, endpoint};

/// One worker of a cluster.
pub(crate) struct Worker {
    pub(crate) process: Rowcast,
    url: String,
    /// How often it has been started.
    starts: usize,
}

impl Worker {
    /// Starts one with Kafka Connect's properties, and waits until it answers.
    async fn start(stack: &Stack, group: &str, folder: &Path, name: &str) -> Self {
        let avro = "io.confluent.connect.avro.AvroConverter";
        Self::start_with(stack, group, folder, (name, avro)).await
    }

    /// The same with another converter.
    async fn start_with(
        stack: &Stack,
        group: &str,
        folder: &Path,
        (name, converter): (&str, &str),
    ) -> Self {
        let file = folder.join("worker.properties");
        std::fs::write(&file, properties(stack, group, converter)).unwrap();
        Self::start_from(&file, folder, name).await
    }

    /// Starts one with a file that is there.
    pub(crate) async fn start_from(file: &Path, folder: &Path, name: &str) -> Self {
        Self::of(launch(file, folder, name).await).await
    }

    /// The worker of a process, when it answers.
    pub(crate) async fn of(process: Rowcast) -> Self {
        let mut worker = Self { process, url: String::new(), starts: 0 };
        worker.is_ready().await;
        worker
    }

    /// Starts it again, after it has ended.
    pub(crate) async fn start_again(&mut self) {
        self.process.start_again().unwrap();
        self.is_ready().await;
    }

    /// Waits until it answers; after each start its address is another one.
    async fn is_ready(&mut self) {
        self.starts += 1;
        let told = || self.process.log().unwrap().matches("http endpoint listens").count();
        let listens = crate::scenario::until(|| told() == self.starts).await;
        assert!(listens, "{}", self.process.log().unwrap());
        self.url = endpoint(&self.process).await.for_others().to_owned();
        self.until("/health", |health| health["status"] == "healthy").await;
    }

    /// Where its REST API is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        asked(method, &format!("{}{path}", self.url), body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null).await.1
    }

    /// Waits until an answer is as it should be.
    pub(crate) async fn until(&self, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let url = format!("{}{path}", self.url);
            let answer: Value = match reqwest::get(url).await {
                Ok(answer) => {
                    let text = answer.text().await.unwrap_or_default();
                    absent(Kind::Answer, &text);
                    serde_json::from_str(&text).unwrap_or_default()
                }
                Err(_) => Value::Null,
            };
            if is_it(&answer) {
                return answer;
            }
            let log = self.process.log().unwrap();
            assert!(Instant::now() < end, "{path}: {answer}\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Makes a connector.
    pub(crate) async fn make(&self, name: &str, config: Value) {
        let body = json!({ "name": name, "config": config });
        let (status, answer) = self.ask("POST", "/connectors", &body).await;
        assert_eq!(status, 201, "{answer}");
    }
}

/// A worker's properties, as Kafka Connect's own file has them.
pub(crate) fn properties(stack: &Stack, group: &str, converter: &str) -> String {
    let (kafka, registry) = (stack.kafka.bootstrap(), stack.registry.url());
    format!(
        "bootstrap.servers={kafka}\n\
         group.id={group}\n\
         # As Kafka Connect's own file has them.\n\
         key.converter={converter}\n\
         key.converter.schema.registry.url={registry}\n\
         value.converter={converter}\n\
         value.converter.schema.registry.url={registry}\n\
         offset.storage.topic={group}-offsets\n\
         offset.storage.replication.factor=1\n\
         offset.flush.interval.ms=10000\n\
         config.storage.topic={group}-configs\n\
         config.storage.replication.factor=1\n\
         status.storage.topic={group}-status\n\
         status.storage.replication.factor=1\n\
         plugin.path=/usr/share/java\n\
         listeners=http://127.0.0.1:0\n"
    )
}

/// Starts the process of one.
async fn launch(file: &Path, folder: &Path, name: &str) -> Rowcast {
    let log = folder.join(format!("{name}.log"));
    let arguments = ["worker", file.to_str().unwrap()];
    Rowcast::start(&arguments, &[LOG], &log).await.unwrap()
}

/// A configuration of Debezium, word for word as its tutorial has it but for addresses.
pub(crate) fn debezium(mysql: &MySql, stack: &Stack, (prefix, id): (&str, u32)) -> Value {
    let address = mysql.address();
    json!({
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "tasks.max": "1",
        "database.hostname": address.ip().to_string(),
        "database.port": address.port().to_string(),
        "database.user": MySql::USER,
        "database.password": "",
        "database.server.id": id.to_string(),
        "topic.prefix": prefix,
        "database.include.list": prefix,
        "schema.history.internal.kafka.bootstrap.servers": stack.kafka.bootstrap(),
        "schema.history.internal.kafka.topic": format!("schema-changes.{prefix}"),
    })
}

/// A configuration of Confluent's sink.
pub(crate) fn confluent(stack: &Stack, prefix: &str) -> Value {
    json!({
        "connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
        "tasks.max": "1",
        "topics.regex": format!("{prefix}\\.{prefix}\\..*"),
        "connection.url": stack.elasticsearch.url(),
        "type.name": "_doc",
        "key.ignore": "false",
        "schema.ignore": "false",
        "behavior.on.null.values": "delete",
    })
}

#[tokio::test]
async fn a_debezium_and_a_confluent_configuration_work_as_they_are() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::new("wk_example").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20))").await;
    scenario.sql("INSERT INTO t VALUES (1, 'zeile-1'), (2, 'zeile-2')").await;
    let worker = Worker::start(stack, "wk-example", folder.path(), "worker").await;

    worker.make("source", debezium(&stack.mysql, stack, ("wk_example", 7001))).await;
    worker.make("sink", confluent(stack, "wk_example")).await;

    let url = stack.elasticsearch.url();
    has_documents(&url, "wk_example.wk_example.t", 2).await;
    scenario.sql("DELETE FROM t WHERE id = 1").await;
    scenario.sql("INSERT INTO t VALUES (3, 'zeile-3'), (4, 'zeile-4')").await;
    has_documents(&url, "wk_example.wk_example.t", 3).await;
    scenario.topic_is_table("t").await;
    // Its offsets as Kafka Connect shows them.
    let offsets = worker.get("/connectors/source/offsets").await;
    assert!(offsets["offsets"][0]["offset"]["file"].is_string(), "{offsets}");
    let committed =
        worker.until("/connectors/sink/offsets", |it| it["offsets"][0]["offset"].is_object()).await;
    assert_eq!(committed["offsets"][0]["partition"]["kafka_topic"], "wk_example.wk_example.t");

    let (again, _) = worker.ask("PUT", "/connectors/sink/stop", &Value::Null).await;
    assert_eq!(again, 204);
    worker.until("/connectors/sink/status", |it| it["tasks"] == json!([])).await;
    let (reset, answer) = worker.ask("DELETE", "/connectors/sink/offsets", &Value::Null).await;
    assert_eq!(reset, 200, "{answer}");
    assert_eq!(worker.get("/connectors/sink/offsets").await, json!({ "offsets": [] }));
    stop(&worker.process).await;
}

/// What was there before a worker began is there when it is ready, and runs.
#[tokio::test]
async fn connectors_outlive_their_workers() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::new("wk_again").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    let mut worker = Worker::start(stack, "wk-again", folder.path(), "worker").await;
    worker.make("kept", debezium(&stack.mysql, stack, ("wk_again", 7002))).await;
    worker.make("gone", debezium(&stack.mysql, stack, ("wk_gone", 7003))).await;
    worker.ask("DELETE", "/connectors/gone", &Value::Null).await;
    worker.ask("PUT", "/connectors/kept/pause", &Value::Null).await;
    let topic = format!("{}-configs", "wk-again");
    damage(stack, &topic).await;
    stop(&worker.process).await;

    worker.start_again().await;

    assert_eq!(worker.get("/connectors").await, json!(["kept"]));
    worker.until("/connectors/kept/status", |it| it["tasks"][0]["state"] == "PAUSED").await;
    worker.ask("PUT", "/connectors/kept/resume", &Value::Null).await;
    worker.until("/connectors/kept/status", |it| it["tasks"][0]["state"] == "RUNNING").await;
    scenario.topic_is_table("t").await;
    let log = worker.process.log().unwrap();
    assert!(log.contains("a record of the config topic is passed over"), "{log}");
    stop(&worker.process).await;
}

/// A record that nobody understands, in the workers' own topic.
async fn damage(stack: &Stack, topic: &str) {
    use rdkafka::producer::{FutureProducer, FutureRecord};

    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", stack.kafka.bootstrap());
    let producer: FutureProducer = config.create().unwrap();
    let record = FutureRecord::to(topic).key("connector-damaged").payload("{");
    producer.send(record, Duration::from_secs(30)).await.unwrap();
}
