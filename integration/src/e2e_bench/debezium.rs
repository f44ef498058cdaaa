//! The other side: Debezium's connector on a worker of Kafka Connect.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Map, Value, json};

use super::BenchError;
use crate::stack::{ConnectOptions, KafkaConnect, MySql, Stack, Tuning};

/// The worker's heap, of which it takes all under load.
const HEAP_MB: u32 = 1_024;
/// Longest wait for an answer that is as it should be.
const DEADLINE: Duration = Duration::from_secs(120);
/// How often it is asked for.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often a task is looked at while it is measured: seldom, as the worker has to answer.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What its batches, its queue and its producer are set to: more of each than by default, from which it
/// gains most, and which more of does not make faster.
const FOR_RATE: [(&str, &str); 8] = [
    ("max.batch.size", "8192"),
    ("max.queue.size", "32768"),
    ("poll.interval.ms", "50"),
    ("producer.override.linger.ms", "20"),
    ("producer.override.batch.size", "524288"),
    ("producer.override.compression.type", "lz4"),
    ("producer.override.buffer.memory", "67108864"),
    ("producer.override.max.request.size", "4194304"),
];

/// And where each row is waited for.
const FOR_LATENCY: [(&str, &str); 2] =
    [("poll.interval.ms", "5"), ("producer.override.linger.ms", "0")];

/// A connector in the making.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) name: String,
    config: Map<String, Value>,
}

impl Connector {
    /// Captures a database under a topic prefix of the connector's name.
    pub(super) fn new(stack: &Stack, name: &str, database: &str) -> Self {
        let address = stack.mysql.address();
        let config = [
            ("connector.class", "io.debezium.connector.mysql.MySqlConnector".to_owned()),
            ("tasks.max", "1".to_owned()),
            ("database.hostname", address.ip().to_string()),
            ("database.port", address.port().to_string()),
            ("database.user", MySql::USER.to_owned()),
            ("database.password", String::new()),
            ("database.server.id", (6_000 + crc32fast::hash(name.as_bytes()) % 50_000).to_string()),
            ("topic.prefix", name.to_owned()),
            ("database.include.list", database.to_owned()),
            ("include.schema.changes", "false".to_owned()),
            ("schema.history.internal.kafka.bootstrap.servers", stack.kafka.bootstrap()),
            ("schema.history.internal.kafka.topic", format!("{name}-history")),
            ("schema.history.internal.store.only.captured.databases.ddl", "true".to_owned()),
            ("schema.history.internal.store.only.captured.tables.ddl", "true".to_owned()),
            ("topic.creation.default.partitions", "1".to_owned()),
            ("topic.creation.default.replication.factor", "1".to_owned()),
        ];
        let config = config.into_iter().map(|(key, value)| (key.to_owned(), json!(value)));
        Self { name: name.to_owned(), config: config.collect() }.with(&FOR_RATE)
    }

    pub(super) fn with(mut self, settings: &[(&str, &str)]) -> Self {
        self.config.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), json!(value))));
        self
    }

    /// Does not wait for more before it sends what there is.
    pub(super) fn for_latency(self) -> Self {
        self.with(&FOR_LATENCY)
    }
}

/// A worker, which is started anew for each run, so that its memory is that run's.
pub(super) struct Debezium {
    pub(super) connect: KafkaConnect,
    client: Client,
}

impl Debezium {
    pub(super) async fn start(stack: &Stack, folder: &Path) -> Result<Self, BenchError> {
        let mut options = ConnectOptions::new("e2e-connect");
        options.tuning = Tuning::Benchmark;
        options.heap_mb = HEAP_MB;
        let servers = (&stack.kafka, &stack.registry);
        let folder = folder.join("connect");
        let connect =
            Box::pin(KafkaConnect::start(&stack.installed, &folder, servers, &options)).await?;
        Ok(Self { connect, client: Client::new() })
    }

    /// Makes a connector, which runs at once.
    pub(super) async fn create(&self, connector: &Connector) -> Result<(), BenchError> {
        let body = json!({ "name": connector.name, "config": connector.config });
        let url = format!("{}/connectors", self.connect.url());
        self.until(&connector.name, "to be made", async || {
            Ok(self.client.post(&url).json(&body).send().await?.status().is_success())
        })
        .await
    }

    /// Ends its tasks; what it has done is stored then.
    pub(super) async fn stop(&self, name: &str) -> Result<(), BenchError> {
        self.put(name, "stop").await?;
        self.until(name, "to stop", async || {
            let status = self.get(name, "status").await?;
            let has_tasks = status.pointer("/tasks/0").is_some();
            Ok(status.pointer("/connector/state") == Some(&json!("STOPPED")) && !has_tasks)
        })
        .await
    }

    pub(super) async fn resume(&self, name: &str) -> Result<(), BenchError> {
        self.put(name, "resume").await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), BenchError> {
        let url = format!("{}/connectors/{name}", self.connect.url());
        self.until(name, "to be deleted", async || {
            Ok(self.client.delete(&url).send().await?.status().is_success())
        })
        .await
    }

    /// Waits until the worker has stored how far a connector is.
    pub(super) async fn has_offset(&self, name: &str) -> Result<(), BenchError> {
        self.until(name, "to store its offset", async || {
            Ok(self.get(name, "offsets").await?.pointer("/offsets/0/offset").is_some())
        })
        .await
    }

    /// Comes back if a task has failed.
    pub(super) async fn failure(&self, name: &str) -> BenchError {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Ok(status) = self.get(name, "status").await else { continue };
            let trace = status.pointer("/tasks/0/trace").or(status.pointer("/connector/trace"));
            if let Some(Value::String(trace)) = trace {
                return BenchError::Debezium { name: name.to_owned(), trace: trace.clone() };
            }
        }
    }

    async fn put(&self, name: &str, what: &str) -> Result<(), BenchError> {
        let url = format!("{}/connectors/{name}/{what}", self.connect.url());
        // A worker that has just begun may have to find its group first.
        self.until(name, what, async || {
            Ok(self.client.put(&url).send().await?.status().is_success())
        })
        .await
    }

    async fn get(&self, name: &str, what: &str) -> Result<Value, BenchError> {
        let url = format!("{}/connectors/{name}/{what}", self.connect.url());
        Ok(self.client.get(url).send().await?.json().await?)
    }

    async fn until(
        &self,
        name: &str,
        what: &str,
        mut is_so: impl AsyncFnMut() -> Result<bool, BenchError>,
    ) -> Result<(), BenchError> {
        let end = Instant::now() + DEADLINE;
        while !is_so().await? {
            if Instant::now() >= end {
                return Err(BenchError::Late { what: format!("{name} {what}") });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }
}
