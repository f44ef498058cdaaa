//! A sink's consumer group, seen and changed from outside while it has no members.

mod subscriptions;

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

pub(crate) use subscriptions::Subscriptions;

use super::error::KafkaError;
use super::log::LogContext;
use crate::config::{KAFKA_REQUEST_TIMEOUT, WorkerConfig};

/// The offset of a group in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupOffset {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// The next record; none takes the offset away, so that the group begins at the beginning.
    pub(crate) offset: Option<i64>,
}

/// A consumer group.
#[derive(Clone)]
pub(crate) struct Group {
    id: String,
    properties: Arc<BTreeMap<String, String>>,
}

impl Group {
    pub(crate) fn new(worker: &WorkerConfig, id: String) -> Self {
        Self { id, properties: Arc::new(worker.kafka.clone()) }
    }

    /// Where the group is in each partition in which it has committed something.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers.
    pub(crate) async fn committed(&self) -> Result<Vec<GroupOffset>, KafkaError> {
        self.ask("read a group's offsets", |consumer| committed(&consumer)).await
    }

    /// What its members have subscribed to.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers.
    pub(crate) async fn subscriptions(&self) -> Result<Subscriptions, KafkaError> {
        let id = self.id.clone();
        self.ask("look at a group's members", move |consumer| {
            let list = consumer.fetch_group_list(Some(&id), KAFKA_REQUEST_TIMEOUT)?;
            Ok(subscriptions::of_group(list.groups().iter().find(|group| group.name() == id)))
        })
        .await
    }

    /// Sets offsets. The group must have no members.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when the broker does not take them.
    pub(crate) async fn alter(&self, offsets: Vec<GroupOffset>) -> Result<(), KafkaError> {
        self.ask("change a group's offsets", move |consumer| {
            let mut list = TopicPartitionList::with_capacity(offsets.len());
            for GroupOffset { topic, partition, offset } in &offsets {
                // Without an offset a sink begins at the beginning.
                let offset = Offset::Offset(offset.unwrap_or_default());
                list.add_partition_offset(topic, *partition, offset)?;
            }
            consumer.commit(&list, CommitMode::Sync)
        })
        .await
    }

    /// Takes all offsets away. The group must have no members.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when the broker does not do it.
    pub(crate) async fn reset(&self) -> Result<(), KafkaError> {
        let brokers = self.brokers();
        let failed = |error| KafkaError::of("take a group's offsets away", &brokers, error);
        let client: AdminClient<LogContext> =
            super::client_config("rowcast-admin", &self.properties)
                .create_with_context(LogContext)
                .map_err(failed)?;
        let options = AdminOptions::new().request_timeout(Some(KAFKA_REQUEST_TIMEOUT));
        let results = client.delete_groups(&[&self.id], &options).await.map_err(failed)?;
        match results.into_iter().next() {
            None | Some(Ok(_)) | Some(Err((_, Code::GroupIdNotFound))) => Ok(()),
            Some(Err((_, code))) => Err(failed(RdKafkaError::AdminOp(code))),
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        action: &'static str,
        question: impl FnOnce(BaseConsumer<LogContext>) -> Result<T, RdKafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let asked = super::client_config("rowcast-group", &this.properties)
                .set("group.id", &this.id)
                .set("enable.auto.commit", "false")
                .create_with_context(LogContext)
                .and_then(question);
            asked.map_err(|error| KafkaError::of(action, &this.brokers(), error))
        })
        .await
        .map_err(|_| KafkaError::Gone)?
    }

    fn brokers(&self) -> String {
        self.properties.get("bootstrap.servers").cloned().unwrap_or_default()
    }
}

/// The broker is asked for all partitions of all topics: it says only by request which of them a
/// group has offsets of.
fn committed(consumer: &BaseConsumer<LogContext>) -> Result<Vec<GroupOffset>, RdKafkaError> {
    let metadata = consumer.fetch_metadata(None, KAFKA_REQUEST_TIMEOUT)?;
    let mut list = TopicPartitionList::new();
    for topic in metadata.topics() {
        for partition in topic.partitions() {
            list.add_partition(topic.name(), partition.id());
        }
    }
    let committed = consumer.committed_offsets(list, KAFKA_REQUEST_TIMEOUT)?;
    let mut offsets = Vec::new();
    for element in committed.elements() {
        if let Offset::Offset(offset) = element.offset() {
            offsets.push(GroupOffset {
                topic: element.topic().to_owned(),
                partition: element.partition(),
                offset: Some(offset),
            });
        }
    }
    Ok(offsets)
}

/// The id of the Kafka cluster.
///
/// # Errors
///
/// Returns [`KafkaError`] when no broker answers.
pub(crate) async fn cluster_id(worker: &WorkerConfig) -> Result<String, KafkaError> {
    let group = Group::new(worker, "rowcast-cluster-id".to_owned());
    let action = "ask for the cluster's id";
    group
        .ask(action, |consumer| {
            let id = consumer.client().fetch_cluster_id(KAFKA_REQUEST_TIMEOUT);
            id.ok_or(RdKafkaError::MetadataFetch(Code::OperationTimedOut))
        })
        .await
}
