//! The raw records of a topic.

use std::collections::HashSet;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::TopicError;

/// How long the broker may take for one answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// The header that has the Lsn where there is no envelope.
const LSN_HEADER: &str = "rowcast.lsn";

/// The header of a control record that sweeps.
const SWEEP_HEADER: &str = "rowcast.sweep.before";

/// A record as the broker has it.
#[derive(Clone, Debug)]
pub(super) struct RawRecord {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) lsn_header: Option<String>,
    pub(super) sweep_header: Option<String>,
}

impl RawRecord {
    /// The numbers of the schemas of key and value.
    pub(super) fn schema_ids(&self) -> impl Iterator<Item = u32> + '_ {
        [&self.key, &self.value].into_iter().flatten().filter_map(|bytes| Some(frame(bytes)?.0))
    }
}

/// Confluent's frame: a zero, the schema's number, and the Avro bytes.
pub(super) fn frame(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&[0, a, b, c, d], body) = bytes.split_first_chunk::<5>()? else { return None };
    Some((u32::from_be_bytes([a, b, c, d]), body))
}

/// All committed records of a topic up to their end now; none if the topic does not exist.
pub(super) async fn committed(bootstrap: &str, topic: &str) -> Result<Vec<RawRecord>, TopicError> {
    let (bootstrap, name) = (bootstrap.to_owned(), topic.to_owned());
    let reading = tokio::task::spawn_blocking(move || read(&bootstrap, &name));
    let failed = |source| TopicError::Kafka { topic: topic.to_owned(), source };
    reading.await?.map_err(failed)
}

/// Whether a partition of the topic holds records of a transaction that has not ended.
pub(super) async fn is_transaction_open(bootstrap: &str, topic: &str) -> Result<bool, TopicError> {
    let (bootstrap, name) = (bootstrap.to_owned(), topic.to_owned());
    let asking = tokio::task::spawn_blocking(move || {
        let committed = consumer(&bootstrap, "read_committed")?;
        let uncommitted = consumer(&bootstrap, "read_uncommitted")?;
        for partition in partitions(&committed, &name)? {
            // In this order: what begins and ends in between looks ended.
            let (_, end) = uncommitted.fetch_watermarks(&name, partition, ANSWERED_WITHIN)?;
            let (_, stable) = committed.fetch_watermarks(&name, partition, ANSWERED_WITHIN)?;
            if stable < end {
                return Ok(true);
            }
        }
        Ok(false)
    });
    let failed = |source| TopicError::Kafka { topic: topic.to_owned(), source };
    asking.await?.map_err(failed)
}

fn consumer(bootstrap: &str, isolation: &str) -> Result<BaseConsumer, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "integration-topic-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        // The end is told by an empty answer, for which the broker else takes half a second.
        .set("fetch.wait.max.ms", "10")
        .set("isolation.level", isolation)
        .set("allow.auto.create.topics", "false")
        .create()
}

/// The partitions of a topic; none if it does not exist.
fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<HashSet<i32>, KafkaError> {
    // All topics are asked for: asking for one that does not exist would make it.
    let metadata = consumer.fetch_metadata(None, ANSWERED_WITHIN)?;
    let known = metadata.topics().iter().filter(|known| known.name() == topic);
    Ok(known.flat_map(MetadataTopic::partitions).map(MetadataPartition::id).collect())
}

fn read(bootstrap: &str, topic: &str) -> Result<Vec<RawRecord>, KafkaError> {
    let consumer = consumer(bootstrap, "read_committed")?;
    let mut open = partitions(&consumer, topic)?;
    let mut assignment = TopicPartitionList::new();
    for partition in &open {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut records = Vec::new();
    while !open.is_empty() {
        match consumer.poll(ANSWERED_WITHIN) {
            Some(Ok(message)) => records.push(raw(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => return Err(error),
            None => {
                let code = rdkafka::error::RDKafkaErrorCode::OperationTimedOut;
                return Err(KafkaError::MessageConsumption(code));
            }
        }
    }
    // Records of a partition come in order, but partitions come mixed, and one whose end was met
    // may go on meanwhile: that does no harm.
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

fn raw(message: &rdkafka::message::BorrowedMessage<'_>) -> RawRecord {
    let header = |name: &str| {
        let mut all = message.headers()?.iter();
        let header = all.find(|header| header.key == name)?;
        Some(String::from_utf8_lossy(header.value?).into_owned())
    };
    let lsn_header = header(LSN_HEADER);
    RawRecord {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        sweep_header: header(SWEEP_HEADER),
        lsn_header,
    }
}
