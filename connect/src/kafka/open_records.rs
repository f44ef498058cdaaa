//! Transactions that the brokers have left open for ever, found by their first records.
//!
//! A commit is decided by the coordinator, which then has a marker written into each partition. A broker
//! that is killed in between, and is the only one, may write at its next start that all markers are
//! there when none is (ADR 0130). Nobody ends such a transaction: what is behind it stays hidden from
//! whoever reads what is committed, until its producer's next marker commits it.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::OwnedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::Value;

use super::error::KafkaError;
use super::log::LogContext;
use super::partitions::partitions;
use super::tails::Tail;
use super::topic_reader::{consumer, first_open};
use crate::config::{KAFKA_REQUEST_TIMEOUT, WorkerConfig};

/// How long the markers of a transaction that has been ended in good order may take.
const MARKERS_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The first record of the earliest open transaction in a partition.
#[derive(Debug)]
pub struct OpenRecord(pub(super) OwnedMessage);

impl OpenRecord {
    /// What it says about its order.
    #[must_use]
    pub fn tail(&self) -> Tail {
        Tail::of(&self.0)
    }
}

/// Consumers of one worker: of what is committed, and of all.
struct Readers {
    committed: BaseConsumer<LogContext>,
    all: BaseConsumer<LogContext>,
}

impl Readers {
    fn new(worker: &WorkerConfig) -> Result<Self, RdKafkaError> {
        let committed = consumer(&worker.kafka, "read_committed")?;
        Ok(Self { committed, all: consumer(&worker.kafka, "read_uncommitted")? })
    }

    fn first_open(&self, topic: &str, partition: i32) -> Result<Option<i64>, RdKafkaError> {
        first_open((&self.committed, &self.all), topic, partition)
    }

    /// The first record of the earliest open transaction; none where there is no such record.
    fn record(&self, topic: &str, partition: i32) -> Result<Option<OpenRecord>, RdKafkaError> {
        let Some(offset) = self.first_open(topic, partition)? else { return Ok(None) };
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        self.all.assign(&assignment)?;
        let record = match self.all.poll(KAFKA_REQUEST_TIMEOUT) {
            None => Err(RdKafkaError::MessageConsumption(Code::OperationTimedOut)),
            Some(Err(RdKafkaError::PartitionEOF(_))) => Ok(None),
            Some(Err(error)) => Err(error),
            Some(Ok(message)) => Ok(Some(OpenRecord(message.detach()))),
        };
        self.all.unassign()?;
        record
    }

    /// Whether a partition stays open at this record for longer than markers take.
    fn stays_open(&self, OpenRecord(record): &OpenRecord) -> Result<bool, RdKafkaError> {
        let end = Instant::now() + MARKERS_WITHIN;
        while Instant::now() < end {
            // Nothing is assigned: this only waits.
            drop(self.committed.poll(LOOK_AGAIN));
            if self.first_open(record.topic(), record.partition())? != Some(record.offset()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Those of the offsets topic that a task with this transactional id has written. It must have begun its
/// transactions: all that the coordinator knows of is ended by that.
pub(super) async fn of_offsets(
    worker: &WorkerConfig,
    transactional_id: &str,
) -> Result<Vec<OpenRecord>, KafkaError> {
    let (group, transactional_id) = (worker.group_id.clone(), transactional_id.to_owned());
    let is_own = move |OpenRecord(record): &OpenRecord| {
        let key = serde_json::from_slice::<(String, Value)>(record.key().unwrap_or_default());
        key.is_ok_and(|(connector, _)| transactional_id == format!("{group}-{connector}-0"))
    };
    let topic = worker.offset_topic.clone();
    ask(worker, move |readers| {
        let mut found = Vec::new();
        for partition in partitions(readers.all.client(), &topic)? {
            let Some(record) = readers.record(&topic, partition)?.filter(&is_own) else { continue };
            if readers.stays_open(&record)? {
                found.push(record);
            }
        }
        Ok(found)
    })
    .await
}

/// Those of other topics.
///
/// # Errors
///
/// Returns [`KafkaError`] when no broker answers.
pub async fn open_records(
    worker: &WorkerConfig,
    topics: Vec<String>,
) -> Result<Vec<OpenRecord>, KafkaError> {
    ask(worker, move |readers| {
        let mut found = Vec::new();
        for topic in &topics {
            for partition in partitions(readers.all.client(), topic)? {
                found.extend(readers.record(topic, partition)?);
            }
        }
        Ok(found)
    })
    .await
}

async fn ask<T: Send + 'static>(
    worker: &WorkerConfig,
    question: impl FnOnce(&Readers) -> Result<T, RdKafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    let worker = worker.clone();
    tokio::task::spawn_blocking(move || {
        let brokers = worker.kafka.get("bootstrap.servers").cloned().unwrap_or_default();
        let asked = Readers::new(&worker).and_then(|readers| question(&readers));
        asked.map_err(|error| KafkaError::of("look for open transactions", &brokers, error))
    })
    .await
    .map_err(|_| KafkaError::Gone)?
}
