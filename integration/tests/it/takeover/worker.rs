//! Kafka Connect's side.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use integration::stack::{ConnectOptions, KafkaConnect, shared};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::scenario::{DEADLINE, until_async};

/// A worker of Kafka Connect that tests share.
pub(super) struct Worker {
    connect: KafkaConnect,
    options: ConnectOptions,
    bootstrap: String,
}

impl Worker {
    /// The one of its kind.
    pub(super) async fn shared(is_exactly_once: bool) -> &'static Self {
        static ONCE: OnceCell<Worker> = OnceCell::const_new();
        static OFTEN: OnceCell<Worker> = OnceCell::const_new();
        let cell = if is_exactly_once { &ONCE } else { &OFTEN };
        let name = if is_exactly_once { "connect-once" } else { "connect-often" };
        cell.get_or_init(|| Box::pin(Self::start(name, is_exactly_once))).await
    }

    /// One of this group.
    pub(super) async fn start(name: &str, is_exactly_once: bool) -> Self {
        let stack = shared().await.unwrap();
        let mut options = ConnectOptions::new(name);
        options.is_exactly_once = is_exactly_once;
        let servers = (&stack.kafka, &stack.registry);
        let folder = stack.directory().join(name);
        let connect =
            KafkaConnect::start(&stack.installed, &folder, servers, &options).await.unwrap();
        Self { connect, options, bootstrap: stack.kafka.bootstrap() }
    }

    pub(super) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(super) fn group(&self) -> &str {
        &self.options.group_id
    }

    pub(super) fn offset_topic(&self) -> String {
        self.options.offset_topic()
    }

    /// The address of its REST API.
    pub(super) fn url(&self) -> String {
        self.connect.url()
    }

    /// The file that it is started with.
    pub(super) fn properties(&self) -> PathBuf {
        self.connect.server.directory().join("worker.properties")
    }

    /// Ends the whole worker; its connectors stay in its topics, and are to run.
    pub(super) async fn leave(&self) {
        self.connect.server.stop().await.unwrap();
    }

    /// Starts it again, and waits until these connectors run, which it has from its topics.
    pub(super) async fn come_back(&self, connectors: [&str; 2]) {
        self.connect.server.start_again().await.unwrap();
        for name in connectors {
            self.wait_for(name, "RUNNING", 1).await;
        }
    }

    /// Deletes a connector. Its offsets stay.
    pub(super) async fn delete(&self, name: &str) {
        let url = format!("{}/connectors/{name}", self.url());
        let answer = reqwest::Client::new().delete(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Makes a connector and waits until its task runs.
    pub(super) async fn create(&self, name: &str, config: &Value) {
        let body = json!({ "name": name, "config": config });
        let request = reqwest::Client::new().post(format!("{}/connectors", self.url())).json(&body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        self.wait_for(name, "RUNNING", 1).await;
    }

    /// Stops a connector and waits until its task is gone: its offsets are stored then.
    pub(super) async fn stop(&self, name: &str) {
        self.put(name, "stop").await;
        self.wait_for(name, "STOPPED", 0).await;
    }

    pub(super) async fn resume(&self, name: &str) {
        self.put(name, "resume").await;
        self.wait_for(name, "RUNNING", 1).await;
    }

    async fn put(&self, name: &str, what: &str) {
        let url = format!("{}/connectors/{name}/{what}", self.url());
        let answer = reqwest::Client::new().put(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn wait_for(&self, name: &str, state: &str, tasks: usize) {
        let url = format!("{}/connectors/{name}/status", self.url());
        until_async(async || {
            let answer = reqwest::get(&url).await.unwrap();
            let status: Value = answer.json().await.unwrap();
            let all = status["tasks"].as_array().cloned().unwrap_or_default();
            let failed = all.iter().find(|task| task["state"] == "FAILED");
            assert!(failed.is_none(), "{failed:?}");
            status["connector"]["state"] == state
                && all.len() == tasks
                && all.iter().all(|task| task["state"] == state)
        })
        .await;
    }
}

/// The committed values of a topic of one partition that were there at the beginning of this call: more
/// may come all the time, so that there is no end to be met. None if there is no topic.
pub(super) fn values(bootstrap: &str, topic: &str) -> Vec<Vec<u8>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "takeover")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
    if metadata.topics()[0].partitions().is_empty() {
        return Vec::new();
    }
    let (_, end) = consumer.fetch_watermarks(topic, 0, DEADLINE).unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    let mut values = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    loop {
        assert!(Instant::now() < deadline, "no end of {topic} at {end}");
        match consumer.poll(Duration::from_secs(1)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return values,
            Some(Err(error)) => panic!("{error}"),
            // The last place may be a marker, which is no record.
            Some(Ok(record)) if record.offset() >= end => return values,
            Some(Ok(record)) => {
                values.extend(record.payload().map(<[u8]>::to_vec));
                if record.offset() + 1 == end {
                    return values;
                }
            }
        }
    }
}

/// Where a topic of one partition ends.
pub(super) fn end(bootstrap: &str, topic: &str) -> i64 {
    let mut config = ClientConfig::new();
    let consumer: BaseConsumer = config.set("bootstrap.servers", bootstrap).create().unwrap();
    consumer.fetch_watermarks(topic, 0, DEADLINE).unwrap().1
}

/// The committed envelopes of a topic in its order, without tombstones.
pub(super) async fn envelopes(topic: &str) -> Vec<Value> {
    let stack = shared().await.unwrap();
    let records = values(&stack.kafka.bootstrap(), topic);
    let mut schemas: BTreeMap<u32, Schema> = BTreeMap::new();
    let mut values = Vec::new();
    for value in records {
        let id = u32::from_be_bytes(value[1..5].try_into().unwrap());
        if let std::collections::btree_map::Entry::Vacant(place) = schemas.entry(id) {
            let url = format!("{}/schemas/ids/{id}", stack.registry.url());
            let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
            place.insert(Schema::parse_str(answer["schema"].as_str().unwrap()).unwrap());
        }
        let reader = GenericDatumReader::builder(&schemas[&id]).build().unwrap();
        let mut body = &value[5..];
        values.push(Value::try_from(reader.read_value(&mut body).unwrap()).unwrap());
    }
    values
}
