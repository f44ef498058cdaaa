//! The records of a topic as texts.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::scene::DEADLINE;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) headers: Vec<(String, Option<String>)>,
    /// Milliseconds since 1970.
    pub(super) time: i64,
}

impl Found {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name)?;
        found.1.as_deref()
    }
}

/// What is committed of a topic, in the order of its one partition; nothing without a topic.
pub(super) fn found(bootstrap: &str, topic: &str) -> Vec<Found> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "source-transforms")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false")
        .create()
        .unwrap();
    // All topics are asked for: asking for one that does not exist could make it.
    let metadata = consumer.fetch_metadata(None, DEADLINE).unwrap();
    if !metadata.topics().iter().any(|known| known.name() == topic) {
        return Vec::new();
    }
    let (_, until) = consumer.fetch_watermarks(topic, 0, DEADLINE).unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    let (mut records, end) = (Vec::new(), Instant::now() + DEADLINE);
    loop {
        match consumer.poll(Duration::from_secs(1)) {
            None => assert!(Instant::now() < end, "no answer from {topic}"),
            // More may come all the time, so that there is no end to be met.
            Some(Ok(message)) if message.offset() >= until => return records,
            Some(Ok(message)) => records.push(record(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => return records,
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

fn record(message: &rdkafka::message::BorrowedMessage<'_>) -> Found {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Found {
        key: message.key().map(text),
        value: message.payload().map(text),
        headers: headers.map(|it| (it.key.to_owned(), it.value.map(text))).collect(),
        time: message.timestamp().to_millis().unwrap(),
    }
}
