//! Transactions that the brokers have left open for ever, found by their first records.
//!
//! A commit is decided by the coordinator, which then has a marker written into each partition. A broker
//! that is killed in between, and is the only one, may write at its next start that all markers are
//! there when none is (ADR 0130). Nobody ends such a transaction: what is behind it stays hidden from
//! whoever reads what is committed, until its producer's next marker commits or aborts it.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::OwnedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::Value;

use super::error::{KafkaError, is_denied, is_passing};
use super::log::LogContext;
use super::partitions::partitions;
use super::tails::Tail;
use super::topic_reader::{consumer, first_open};
use crate::config::{KAFKA_REQUEST_TIMEOUT, WorkerConfig};
use crate::connector::ConnectorName;

/// How long the markers of a transaction that has been ended in good order may take.
const MARKERS_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The first record of the earliest open transaction in a partition.
#[derive(Debug)]
pub struct OpenRecord(pub(super) OwnedMessage);

impl OpenRecord {
    /// Its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.0.topic()
    }

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
        let end = Instant::now() + KAFKA_REQUEST_TIMEOUT;
        let record = loop {
            match self.all.poll(LOOK_AGAIN) {
                Some(Ok(message)) => break Ok(Some(OpenRecord(message.detach()))),
                Some(Err(RdKafkaError::PartitionEOF(_))) => break Ok(None),
                // One of several brokers may be away.
                Some(Err(error)) if !error.rdkafka_error_code().is_some_and(is_passing) => {
                    break Err(error);
                }
                None | Some(Err(_)) if Instant::now() < end => {}
                None | Some(Err(_)) => {
                    break Err(RdKafkaError::MessageConsumption(Code::OperationTimedOut));
                }
            }
        };
        self.all.unassign()?;
        record
    }

    /// Those of all partitions of a topic.
    fn records(&self, topic: &str) -> Result<Vec<OpenRecord>, RdKafkaError> {
        let partitions = partitions(self.all.client(), topic)?;
        let records = partitions.into_iter().map(|partition| self.record(topic, partition));
        records.filter_map(Result::transpose).collect()
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

/// Where the offsets topic is open with an offset of this connector, which nobody else will end: its task
/// must have begun its transactions, by which all that the coordinator knows of is ended.
///
/// Only of a topic with one partition. Of several, one may have got its marker and others not, and then
/// an abort would take back a part of what was committed.
pub(crate) async fn open_offset(
    worker: &WorkerConfig,
    connector: &ConnectorName,
) -> Result<Option<OpenRecord>, KafkaError> {
    let (topic, connector) = (worker.offset_topic.clone(), connector.clone());
    ask(worker, move |readers| {
        let [partition] = *partitions(readers.all.client(), &topic)? else { return Ok(None) };
        let Some(record) = readers.record(&topic, partition)? else { return Ok(None) };
        let key = serde_json::from_slice::<(String, Value)>(record.0.key().unwrap_or_default());
        let is_own = key.is_ok_and(|(owner, _)| owner == connector.as_str());
        let stays = is_own && readers.stays_open(&record)?;
        Ok(stays.then_some(record))
    })
    .await
}

/// The first open records of these topics, as far as they may be read.
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
            match readers.records(topic) {
                Ok(records) => found.extend(records),
                Err(error) if error.rdkafka_error_code().is_some_and(is_denied) => {
                    tracing::warn!(topic, error = %error, "open transactions are not looked for");
                }
                Err(error) => return Err(error),
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
