//! Records that a sink cannot use go to a topic of their own, with why, as Kafka Connect has it.
//!
//! It happens rarely and one record at a time, so nothing is kept for it: the record is read again
//! from its place, with all of its headers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::OnceCell;

use super::consumer::{KafkaOffset, TopicPartition};
use super::letters::{HEALED_HEADER, RecordPlace};
use super::log::LogContext;
use super::{Admin, KafkaError, client_config};
use crate::config::{KAFKA_REQUEST_TIMEOUT, TopicRules, WorkerConfig};
use crate::connector::ConnectorName;
use crate::java_client::Client;

/// Longest wait for a dead letter to be acknowledged.
const DELIVERED_WITHIN: Duration = Duration::from_secs(30);
/// The largest record that librdkafka sends. What the topic takes, the broker says.
const MESSAGE_MAX_BYTES: &str = "1000000000";

/// Where dead letters go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// `errors.deadletterqueue.topic.name`.
    pub topic: String,
    /// `errors.deadletterqueue.topic.replication.factor`, if rowcast makes the topic. Default -1:
    /// what the broker says.
    pub replication: i32,
    /// `errors.deadletterqueue.context.headers.enable`: whether a dead letter says where it is
    /// from and why. Default `true`.
    pub context_headers: bool,
}

impl DeadLetterConfig {
    /// How the topic is made.
    #[must_use]
    pub fn rules(&self, worker: &WorkerConfig) -> TopicRules {
        let mut rules = worker.topics.rules(&self.topic);
        let copies = Some(self.replication).filter(|copies| *copies > 0);
        rules.replication = copies.or(rules.replication);
        rules
    }
}

/// Why a record is a dead letter.
#[derive(Debug, Clone)]
pub struct Reason {
    /// What could not be done with it: one of Connect's stages, as `TASK_PUT`.
    pub stage: &'static str,
    /// The Java class in which Connect would do it: a converter's, a transform's or a task's.
    pub class: &'static str,
    /// What that class throws in Connect, or the kind of error where Connect has none.
    pub exception: &'static str,
    /// The error. No row value is in it.
    pub message: String,
    /// Further headers, in this order behind Connect's and with them only. A name of ours begins
    /// with `rowcast.`.
    pub headers: Vec<(&'static str, String)>,
}

/// A dead letter could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// Kafka failed.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The record has expired or was compacted away.
    #[error("the record is not in its topic any more")]
    Gone,
}

/// Writes the dead letters of one task.
pub struct DeadLetters {
    worker: WorkerConfig,
    config: DeadLetterConfig,
    connector: ConnectorName,
    task: usize,
    producer: OnceCell<FutureProducer<LogContext>>,
}

impl DeadLetters {
    /// Prepares for the dead letters of one task. Nothing is connected yet.
    #[must_use]
    pub fn new(
        worker: WorkerConfig,
        config: DeadLetterConfig,
        (connector, task): (ConnectorName, usize),
    ) -> Self {
        Self { worker, config, connector, task, producer: OnceCell::new() }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.config.topic
    }

    /// Copies a record to the topic and waits until the broker has it.
    ///
    /// Cancel safe in this sense: it may be there although nobody knows; the next try writes it
    /// once more.
    ///
    /// # Errors
    ///
    /// Returns [`DeadLetterError`] when Kafka refuses or does not answer, and when there is no such
    /// record.
    pub async fn write(
        &self,
        partition: &TopicPartition,
        offset: KafkaOffset,
        reason: &Reason,
    ) -> Result<(), DeadLetterError> {
        let producer = self.producer.get_or_try_init(|| self.start()).await?;
        let record = self.read(partition.clone(), offset).await?;
        let mut headers = record.headers().cloned().unwrap_or_else(OwnedHeaders::new);
        if self.config.context_headers {
            headers = self.with_context(headers, (partition, offset), reason);
        }
        let mut letter = FutureRecord::<[u8], [u8]>::to(&self.config.topic).headers(headers);
        letter.key = record.key();
        letter.payload = record.payload();
        letter.timestamp = record.timestamp().to_millis();
        let sent = producer.send(letter, DELIVERED_WITHIN).await;
        sent.map(drop).map_err(|(error, _)| self.refusal(error, &record).into())
    }

    /// Writes a marker: the letter of this record is void, because its document has a later version.
    /// It has the letter's key, if the record is still there, and no value. Cancel safe as
    /// [`DeadLetters::write`].
    ///
    /// # Errors
    ///
    /// Returns [`DeadLetterError`] when Kafka refuses or does not answer.
    pub async fn heal(
        &self,
        partition: &TopicPartition,
        offset: KafkaOffset,
    ) -> Result<(), DeadLetterError> {
        let producer = self.producer.get_or_try_init(|| self.start()).await?;
        let record = match self.read(partition.clone(), offset).await {
            Ok(record) => Some(record),
            Err(DeadLetterError::Gone) => None,
            Err(error) => return Err(error),
        };
        let place = RecordPlace { partition: partition.clone(), offset }.to_string();
        let header = Header { key: HEALED_HEADER, value: Some(&place) };
        let headers = OwnedHeaders::new().insert(header);
        let mut marker = FutureRecord::<[u8], [u8]>::to(&self.config.topic).headers(headers);
        marker.key = record.as_ref().and_then(|record| record.key());
        let sent = producer.send(marker, DELIVERED_WITHIN).await;
        let failed = |error| KafkaError::of("heal a dead letter", &self.brokers(), error);
        sent.map(drop).map_err(|(error, _)| failed(error).into())
    }

    async fn start(&self) -> Result<FutureProducer<LogContext>, KafkaError> {
        let topic = &self.config.topic;
        let rules = self.config.rules(&self.worker);
        Admin::new(&self.worker)?.ensure_record_topic(topic, &rules).await?;
        let client_id = format!("{}-{}-{}-dlq", self.worker.group_id, self.connector, self.task);
        client_config(&client_id, &self.worker.client(Client::Producer))
            .set("enable.idempotence", "true")
            .set("message.max.bytes", MESSAGE_MAX_BYTES)
            .set("message.timeout.ms", DELIVERED_WITHIN.as_millis().to_string())
            .create_with_context(LogContext)
            .map_err(|error| KafkaError::of("create a producer", &self.brokers(), error))
    }

    /// Reads the record again.
    async fn read(
        &self,
        partition: TopicPartition,
        offset: KafkaOffset,
    ) -> Result<OwnedMessage, DeadLetterError> {
        let properties = self.worker.client(Client::Consumer);
        let reading = tokio::task::spawn_blocking(move || {
            read_one(&reader(&properties)?, &partition, offset)
        });
        let read = reading.await.map_err(|_| KafkaError::Gone)?;
        let failed = |error| KafkaError::of("read a record again", &self.brokers(), error);
        read.map_err(failed)?.ok_or(DeadLetterError::Gone)
    }

    /// The headers that Connect's own dead letters have.
    fn with_context(
        &self,
        headers: OwnedHeaders,
        (partition, offset): (&TopicPartition, KafkaOffset),
        reason: &Reason,
    ) -> OwnedHeaders {
        let context = [
            ("topic", (*partition.topic).to_owned()),
            ("partition", partition.partition.to_string()),
            ("offset", offset.0.to_string()),
            ("connector.name", self.connector.to_string()),
            ("task.id", self.task.to_string()),
            ("stage", reason.stage.to_owned()),
            ("class.name", reason.class.to_owned()),
            ("exception.class.name", reason.exception.to_owned()),
            ("exception.message", reason.message.clone()),
            ("exception.stacktrace", reason.message.clone()),
        ];
        let headers = context.iter().fold(headers, |headers, (name, value)| {
            let key = format!("__connect.errors.{name}");
            headers.insert(Header { key: &key, value: Some(value.as_bytes()) })
        });
        reason.headers.iter().fold(headers, |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value.as_bytes()) })
        })
    }

    fn refusal(&self, error: RdKafkaError, record: &OwnedMessage) -> KafkaError {
        if error.rdkafka_error_code() == Some(Code::MessageSizeTooLarge) {
            let bytes = record.payload().map_or(0, <[u8]>::len);
            return KafkaError::TooLarge { topic: self.config.topic.clone(), bytes };
        }
        KafkaError::of("write a dead letter", &self.brokers(), error)
    }

    fn brokers(&self) -> String {
        self.worker.kafka.get("bootstrap.servers").cloned().unwrap_or_default()
    }
}

/// A consumer for single records that joins no group.
pub(super) fn reader(
    properties: &BTreeMap<String, String>,
) -> Result<BaseConsumer<LogContext>, RdKafkaError> {
    client_config("rowcast-dead-letters", properties)
        .set("group.id", "rowcast-dead-letters-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .create_with_context(LogContext)
}

pub(super) fn read_one(
    consumer: &BaseConsumer<LogContext>,
    partition: &TopicPartition,
    offset: KafkaOffset,
) -> Result<Option<OwnedMessage>, RdKafkaError> {
    let mut assignment = TopicPartitionList::with_capacity(1);
    let topic: &Arc<str> = &partition.topic;
    assignment.add_partition_offset(topic, partition.partition, Offset::Offset(offset.0))?;
    consumer.assign(&assignment)?;
    let deadline = Instant::now() + KAFKA_REQUEST_TIMEOUT;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Err(
                RdKafkaError::PartitionEOF(_)
                | RdKafkaError::MessageConsumption(Code::AutoOffsetReset | Code::OffsetOutOfRange),
            )) => return Ok(None),
            Some(Err(error)) => return Err(error),
            Some(Ok(message)) => {
                return Ok((message.offset() == offset.0).then(|| message.detach()));
            }
        }
    }
    Err(RdKafkaError::MessageConsumption(Code::OperationTimedOut))
}
