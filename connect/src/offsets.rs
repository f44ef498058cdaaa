//! A connector's offsets as the offsets topic holds them.

use std::collections::HashMap;

use schema::offset::SourcePartition;

use crate::config::WorkerConfig;
use crate::connector::ConnectorName;
use crate::kafka::{Admin, KafkaError, read_compacted};

/// Partitions of the offsets topic when rowcast makes it. One, not Kafka Connect's 25: each commit
/// writes a few offsets, and each partition that it touches costs a marker.
const OFFSET_TOPIC_PARTITIONS: i32 = 1;

/// Reads all committed offsets of a connector, making the topic if it does not exist.
///
/// Must run after the task's producer has started its transactions: that ends what a dead
/// predecessor has left open, whose offsets would be missed otherwise.
///
/// # Errors
///
/// Returns [`KafkaError`] when the topic cannot be made or read.
pub async fn read(
    worker: &WorkerConfig,
    connector: &ConnectorName,
) -> Result<HashMap<SourcePartition, Vec<u8>>, KafkaError> {
    let settings = [("cleanup.policy", "compact")];
    Admin::new(worker)?
        .ensure_topic(
            &worker.offset_topic,
            OFFSET_TOPIC_PARTITIONS,
            worker.topic_replication,
            &settings,
        )
        .await?;
    let (topic, properties) = (worker.offset_topic.clone(), worker.kafka.clone());
    let values = tokio::task::spawn_blocking(move || read_compacted(&topic, &properties))
        .await
        .map_err(|_| KafkaError::Gone)??;
    let own = |key: &[u8]| {
        let (owner, partition) = SourcePartition::parse_key(key)?;
        (owner == connector.as_str()).then_some(partition)
    };
    Ok(values.into_iter().filter_map(|(key, value)| Some((own(&key)?, value))).collect())
}
