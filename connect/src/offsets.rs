//! A connector's offsets as the offsets topic holds them.

use std::collections::HashMap;
use std::time::Duration;

use schema::offset::SourcePartition;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::{Delivery, WorkerConfig};
use crate::connector::ConnectorName;
use crate::kafka::batch::RecordBatch;
use crate::kafka::producer::{ProducerConfig, TransactionalProducer};
use crate::kafka::{Admin, Existence, KafkaError, OpenRecord, open_offset, read_compacted};

/// Reads all committed offsets of a connector, making the topic if it does not exist.
///
/// Must run after the task's producer has started its transactions: that ends what a dead
/// predecessor has left open, whose offsets would be missed otherwise.
///
/// # Errors
///
/// Returns [`KafkaError`] when the topic cannot be made or read, or would lose offsets.
pub async fn read(
    worker: &WorkerConfig,
    connector: &ConnectorName,
) -> Result<HashMap<SourcePartition, Vec<u8>>, KafkaError> {
    make_topic(worker).await?;
    of_partitions(worker, connector, Existence::Made).await
}

/// Where the offsets topic is open with an offset of this connector that nobody but its producer can end;
/// with what was committed before it. The task's producer must have started its transactions.
///
/// # Errors
///
/// Returns [`KafkaError`] when the topic cannot be read.
pub async fn left_open(
    worker: &WorkerConfig,
    connector: &ConnectorName,
) -> Result<Option<(OpenRecord, HashMap<SourcePartition, Vec<u8>>)>, KafkaError> {
    let Some(open) = open_offset(worker, connector).await? else { return Ok(None) };
    let before = of_partitions(worker, connector, Existence::LeftOpen).await?;
    Ok(Some((open, before)))
}

/// As [`read`], writing nothing: the topic may not exist, and what a dead predecessor has left open is
/// not seen.
///
/// # Errors
///
/// Returns [`KafkaError`] when the topic cannot be read.
pub async fn peek(
    worker: &WorkerConfig,
    connector: &ConnectorName,
) -> Result<HashMap<SourcePartition, Vec<u8>>, KafkaError> {
    of_partitions(worker, connector, Existence::Perhaps).await
}

async fn of_partitions(
    worker: &WorkerConfig,
    connector: &ConnectorName,
    existence: Existence,
) -> Result<HashMap<SourcePartition, Vec<u8>>, KafkaError> {
    let own = |key: &[u8]| {
        let (owner, partition) = SourcePartition::parse_key(key)?;
        (owner == connector.as_str()).then_some(partition)
    };
    let values = read_topic(worker, existence).await?;
    Ok(values.into_iter().filter_map(|(key, value)| Some((own(&key)?, value))).collect())
}

/// As [`read`], for a source whose partitions are its own matter.
///
/// # Errors
///
/// As [`read`].
pub async fn committed(
    worker: &WorkerConfig,
    connector: &ConnectorName,
) -> Result<Vec<StoredOffset>, KafkaError> {
    make_topic(worker).await?;
    stored_in(worker, connector, Existence::Made).await
}

async fn make_topic(worker: &WorkerConfig) -> Result<(), KafkaError> {
    let admin = Admin::new(worker)?;
    let (topic, partitions) = (&worker.offset_topic, worker.offset_partitions);
    let compacted = [("cleanup.policy", "compact")];
    admin.ensure_topic(topic, partitions, worker.offset_replication, &compacted).await?;
    admin.check_offset_topic(topic).await
}

async fn read_topic(
    worker: &WorkerConfig,
    existence: Existence,
) -> Result<HashMap<Vec<u8>, Vec<u8>>, KafkaError> {
    let (topic, properties) = (worker.offset_topic.clone(), worker.kafka.clone());
    tokio::task::spawn_blocking(move || read_compacted(&topic, existence, &properties))
        .await
        .map_err(|_| KafkaError::Gone)?
}

/// One offset record, whoever wrote it and whatever is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOffset {
    /// The record's key.
    key: Vec<u8>,
    /// The partition in its key.
    pub partition: Value,
    /// The record's value, which may be damaged.
    pub value: Vec<u8>,
}

impl StoredOffset {
    /// A record's connector and the record, if its key is one of Kafka Connect's.
    pub(crate) fn of(key: Vec<u8>, value: Vec<u8>) -> Option<(String, Self)> {
        let (owner, partition) = serde_json::from_slice(&key).ok()?;
        Some((owner, Self { key, partition, value }))
    }

    /// The record's key, which the offset is taken away by.
    pub(crate) fn into_key(self) -> Vec<u8> {
        self.key
    }
}

/// All committed offset records of a connector, in the order of their keys. Writes nothing, so it
/// may run beside the connector.
///
/// # Errors
///
/// Returns [`KafkaError`] when the topic cannot be read. One that does not exist has no records.
pub async fn stored(
    worker: &WorkerConfig,
    connector: &ConnectorName,
) -> Result<Vec<StoredOffset>, KafkaError> {
    stored_in(worker, connector, Existence::Perhaps).await
}

async fn stored_in(
    worker: &WorkerConfig,
    connector: &ConnectorName,
    existence: Existence,
) -> Result<Vec<StoredOffset>, KafkaError> {
    let records = read_topic(worker, existence).await?;
    let records = records.into_iter().filter_map(|(key, value)| StoredOffset::of(key, value));
    let own = records.filter(|(owner, _)| owner == connector.as_str());
    let mut offsets: Vec<_> = own.map(|(_, stored)| stored).collect();
    offsets.sort_by(|a, b| (a.key.len(), &a.key).cmp(&(b.key.len(), &b.key)));
    Ok(offsets)
}

/// Offsets as Kafka Connect's REST API has them: `GET` and `PATCH /connectors/{name}/offsets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorOffsets {
    /// One entry for each partition.
    pub offsets: Vec<ConnectorOffset>,
}

/// The offset of one partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorOffset {
    /// What the offset is about.
    pub partition: Map<String, Value>,
    /// The offset; none (`null`) takes it away. It has to be said: a field that was forgotten is
    /// no wish to begin anew.
    #[serde(deserialize_with = "said")]
    pub offset: Option<Map<String, Value>>,
}

fn said<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Map<String, Value>>, D::Error> {
    Option::deserialize(deserializer)
}

/// What to write for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetChange {
    /// The partition's key as rowcast writes it.
    pub key: Vec<u8>,
    /// The offset; none takes it away.
    pub value: Option<Vec<u8>>,
}

/// Changes the offsets of one source in place of its task.
///
/// It takes the task's transactional id over, so a task that still runs cannot commit any more and
/// halts: two can never write at the same time.
pub struct OffsetsWriter {
    producer: TransactionalProducer,
    stored: Vec<StoredOffset>,
}

impl OffsetsWriter {
    /// Fences the task, and reads what it has committed last.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers or the topic cannot be made or read.
    pub async fn start(
        worker: &WorkerConfig,
        connector: &ConnectorName,
    ) -> Result<Self, KafkaError> {
        let config = ProducerConfig {
            delivery: Delivery::ExactlyOnce,
            transactional_id: transactional_id(worker, connector),
            // Everything is written at once.
            commit_interval: Duration::from_secs(10),
            transaction_max_bytes: usize::MAX,
        };
        let producer = TransactionalProducer::start(worker, config).await?;
        let stored = committed(worker, connector).await?;
        Ok(Self { producer, stored })
    }

    /// What is stored now, and stays so until somebody else takes over.
    #[must_use]
    pub fn stored(&self) -> &[StoredOffset] {
        &self.stored
    }

    /// Writes all changes in one Kafka transaction.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when it was not committed; [`KafkaError::Fenced`] when the task was
    /// started in the meantime.
    pub async fn write(mut self, changes: Vec<OffsetChange>) -> Result<(), KafkaError> {
        let mut batch = RecordBatch::default();
        for OffsetChange { key, value } in changes {
            // The same partition under a key that is written in another way, such as with its
            // fields in another order, would be a second offset of it.
            let partition = StoredOffset::of(key.clone(), Vec::new()).map(|(_, it)| it.partition);
            let others = self.stored.iter().filter(|it| Some(&it.partition) == partition.as_ref());
            for other in others.filter(|other| other.key != key) {
                batch.reset_offset(other.key.clone());
            }
            match value {
                Some(value) => batch.set_offset(key, value),
                None => batch.reset_offset(key),
            }
        }
        batch.end_at_boundary();
        self.producer.send(batch).await?;
        self.producer.finish().await
    }

    /// Writes all stored offsets once more, in one Kafka transaction. Then nothing that was
    /// aborted stands behind them, which a Kafka Connect worker without exactly-once would read.
    ///
    /// # Errors
    ///
    /// As [`OffsetsWriter::write`].
    pub async fn write_again(mut self) -> Result<(), KafkaError> {
        let mut batch = RecordBatch::default();
        for StoredOffset { key, value, .. } in &self.stored {
            batch.set_offset(key.clone(), value.clone());
        }
        batch.end_at_boundary();
        self.producer.send(batch).await?;
        self.producer.finish().await
    }
}

/// The transactional id of a source's only task: Kafka Connect's form, so that it also fences a
/// Java task.
#[must_use]
pub fn transactional_id(worker: &WorkerConfig, connector: &ConnectorName) -> String {
    format!("{}-{connector}-0", worker.group_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<ConnectorOffsets, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn requests_are_kafka_connects_and_a_reset_has_to_be_said() {
        let set = parse(r#"{"offsets":[{"partition":{"server":"s"},"offset":{"pos":4}}]}"#);
        assert!(set.unwrap().offsets[0].offset.is_some());
        let reset = parse(r#"{"offsets":[{"partition":{"server":"s"},"offset":null}]}"#);
        assert!(reset.unwrap().offsets[0].offset.is_none());
        for wrong in [
            r#"{"offsets":[{"partition":{"server":"s"}}]}"#,
            r#"{"offsets":[{"partition":"s","offset":null}]}"#,
            r#"{"offsets":[{"partition":{},"offset":7}]}"#,
            r#"{"bogus":1}"#,
            "[]",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_of_others_are_left_alone() {
        let key = br#"["shop",{"db":"a","server":"s"}]"#.to_vec();

        let (owner, stored) = StoredOffset::of(key, b"{".to_vec()).unwrap();

        assert_eq!((owner.as_str(), &stored.partition["db"]), ("shop", &Value::from("a")));
        assert_eq!(StoredOffset::of(b"shop".to_vec(), Vec::new()), None);
        assert_eq!(StoredOffset::of(b"[\"shop\"]".to_vec(), Vec::new()), None);
    }
}
