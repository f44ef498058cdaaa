//! The last record of each partition of some topics.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::batch::LSN_HEADER;
use super::error::KafkaError;
use super::log::LogContext;
use crate::config::{KAFKA_REQUEST_TIMEOUT, WorkerConfig};

/// How far before its end a partition is read. Transaction markers and aborted records take
/// offsets as well; a transaction's worth of aborted records still leaves committed ones in reach.
const TAIL_RECORDS: i64 = 200_000;

/// Longest time without an answer while reading.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What the last record of a partition says about its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The header `rowcast.lsn`.
    pub lsn_header: Option<String>,
    /// The record's value, if it has one.
    pub value: Option<Vec<u8>>,
}

impl Tail {
    pub(super) fn of(message: &impl Message) -> Self {
        let lsn_header = message.headers().and_then(|headers| {
            let header = headers.iter().find(|header| header.key == LSN_HEADER)?;
            Some(std::str::from_utf8(header.value?).ok()?.to_owned())
        });
        Self { lsn_header, value: message.payload().map(<[u8]>::to_vec) }
    }
}

/// Reads the last committed record of each partition of the topics that exist.
///
/// # Errors
///
/// Returns [`KafkaError`] when no broker answers.
pub async fn read_tails(
    worker: &WorkerConfig,
    topics: Vec<String>,
) -> Result<Vec<Tail>, KafkaError> {
    let properties = worker.kafka.clone();
    tokio::task::spawn_blocking(move || read_blocking(&topics, &properties))
        .await
        .map_err(|_| KafkaError::Gone)?
}

fn read_blocking(
    topics: &[String],
    properties: &BTreeMap<String, String>,
) -> Result<Vec<Tail>, KafkaError> {
    let brokers = properties.get("bootstrap.servers").cloned().unwrap_or_default();
    let failed = |error| KafkaError::of("read the ends of the topics", &brokers, error);
    let consumer: BaseConsumer<LogContext> = super::client_config("rowcast-tails", properties)
        .set("group.id", "rowcast-tails-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create_with_context(LogContext)
        .map_err(failed)?;
    let assignment = ends(&consumer, topics).map_err(failed)?;
    consumer.assign(&assignment).map_err(failed)?;
    last_records(&consumer, &assignment).map_err(failed)
}

/// Where each partition that is not empty is read from.
fn ends(
    consumer: &BaseConsumer<LogContext>,
    topics: &[String],
) -> Result<TopicPartitionList, RdKafkaError> {
    let mut assignment = TopicPartitionList::new();
    let metadata = consumer.fetch_metadata(None, KAFKA_REQUEST_TIMEOUT)?;
    for topic in metadata.topics().iter().filter(|topic| topics.iter().any(|t| t == topic.name())) {
        for partition in topic.partitions() {
            let (low, high) =
                consumer.fetch_watermarks(topic.name(), partition.id(), KAFKA_REQUEST_TIMEOUT)?;
            if high > low {
                let from = Offset::Offset(low.max(high - TAIL_RECORDS));
                assignment.add_partition_offset(topic.name(), partition.id(), from)?;
            }
        }
    }
    Ok(assignment)
}

fn last_records(
    consumer: &BaseConsumer<LogContext>,
    assignment: &TopicPartitionList,
) -> Result<Vec<Tail>, RdKafkaError> {
    let mut open = assignment.count();
    let mut tails = HashMap::new();
    while open > 0 {
        match consumer.poll(SILENCE_MAX) {
            None => return Err(RdKafkaError::MessageConsumption(Code::OperationTimedOut)),
            // It names the partition's number only, not its topic, so ends are counted. Nothing is
            // appended meanwhile: the task's producer has begun, and nobody else writes there.
            Some(Err(RdKafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error),
            Some(Ok(message)) => {
                let tail = Tail::of(&message);
                tails.insert((message.topic().to_owned(), message.partition()), tail);
            }
        }
    }
    Ok(tails.into_values().collect())
}
