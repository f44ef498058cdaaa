//! What is in Kafka: committed records with their headers, and offsets.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::Value as Json;

use super::recording::Recording;

/// How long the broker may take for one answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// The header that Debezium does not have.
const LSN_HEADER: &str = "rowcast.lsn";

/// A record as the broker has it.
pub(super) struct Written {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Written {
    /// Key and value, as far as there are.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Vec<u8>> {
        [&self.key, &self.value].into_iter().flatten()
    }
}

/// Avro bytes behind the number of their schema.
pub(super) fn frame(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), body].concat()
}

/// The number of the schema in a key or a value.
pub(super) fn frame_id(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[1..5].try_into().unwrap())
}

fn consumer(bootstrap: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "golden-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false")
        .create()
        .unwrap()
}

/// All committed records of the topics that begin so, in the order of each topic.
pub(super) fn written(bootstrap: &str, prefixes: &[String]) -> BTreeMap<String, Vec<Written>> {
    let consumer = consumer(bootstrap);
    let metadata = consumer.fetch_metadata(None, ANSWERED_WITHIN).unwrap();
    let mut partitions = TopicPartitionList::new();
    for topic in metadata.topics() {
        if prefixes.iter().any(|prefix| topic.name().starts_with(prefix)) {
            for partition in topic.partitions() {
                let (topic, partition) = (topic.name(), partition.id());
                partitions.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
            }
        }
    }
    let mut open = partitions.count();
    consumer.assign(&partitions).unwrap();
    let mut records: BTreeMap<String, Vec<Written>> = BTreeMap::new();
    while open > 0 {
        match consumer.poll(ANSWERED_WITHIN).expect("a broker that answers") {
            Ok(message) => {
                let headers = message.headers().into_iter().flat_map(Headers::iter);
                let headers = headers.filter(|header| header.key != LSN_HEADER);
                let record = Written {
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: headers
                        .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                        .collect(),
                };
                records.entry(message.topic().to_owned()).or_default().push(record);
            }
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{error}"),
        }
    }
    records
}

/// The connectors' offsets as far as they are committed.
pub(super) struct Offsets {
    consumer: BaseConsumer,
    topic: String,
    is_assigned: bool,
    /// By connector, then by partition: the stream's has no table.
    latest: HashMap<String, HashMap<String, Json>>,
}

impl Offsets {
    pub(super) fn new(bootstrap: &str, topic: &str) -> Self {
        let consumer = consumer(bootstrap);
        Self { consumer, topic: topic.to_owned(), is_assigned: false, latest: HashMap::new() }
    }

    /// Reads on to the end.
    pub(super) fn read(&mut self) {
        if !self.is_assigned && !self.assign() {
            return;
        }
        while let Some(polled) = self.consumer.poll(Duration::from_millis(20)) {
            match polled {
                Ok(message) => {
                    let key: Json = serde_json::from_slice(message.key().unwrap()).unwrap();
                    let value = serde_json::from_slice(message.payload().unwrap()).unwrap();
                    let connector = key[0].as_str().unwrap().to_owned();
                    let partition = key[1]["table"].as_str().unwrap_or_default().to_owned();
                    self.latest.entry(connector).or_default().insert(partition, value);
                }
                Err(KafkaError::PartitionEOF(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn assign(&mut self) -> bool {
        let metadata = self.consumer.fetch_metadata(None, ANSWERED_WITHIN).unwrap();
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == self.topic) else {
            return false;
        };
        let mut partitions = TopicPartitionList::new();
        for partition in topic.partitions() {
            let beginning = Offset::Beginning;
            partitions.add_partition_offset(&self.topic, partition.id(), beginning).unwrap();
        }
        self.consumer.assign(&partitions).unwrap();
        self.is_assigned = true;
        true
    }

    /// The connectors that have not begun yet, or are still copying a table.
    pub(super) fn copying(&mut self, recordings: &[Recording]) -> Vec<String> {
        self.read();
        let is_through = |offsets: &HashMap<String, Json>| {
            offsets.contains_key("") && offsets.values().all(|o| o["state"] != "snapshot")
        };
        let names = recordings.iter().map(|recording| &recording.name);
        names.filter(|name| !self.latest.get(*name).is_some_and(is_through)).cloned().collect()
    }

    /// The transactions that a connector has passed.
    pub(super) fn gtids(&self, connector: &str) -> &str {
        let stream = self.latest.get(connector).and_then(|offsets| offsets.get(""));
        stream.and_then(|offset| offset["gtids"].as_str()).unwrap_or_default()
    }
}
