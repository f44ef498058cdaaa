//! Topics: made before they are written to, so that their shape is ours and not the broker's.

mod catalog;
mod shape;

use std::collections::BTreeMap;

use rdkafka::admin::ResourceSpecifier;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};

pub use self::catalog::{TopicCatalog, TopicOutlook};
use self::shape::{Shape, is_compacted, is_only_compacted, tell_differences};
use super::error::KafkaError;
use super::limit::RecordLimit;
use super::log::LogContext;
use super::partitions::ASK_AGAIN_AFTER;
use crate::config::{KAFKA_REQUEST_TIMEOUT, TopicRules, WorkerConfig};
use crate::java_client::Client;

/// Makes topics and asks for their shape.
pub struct Admin {
    client: AdminClient<LogContext>,
    brokers: String,
    properties: BTreeMap<String, String>,
    /// What our producer takes.
    producer_limit: RecordLimit,
}

/// A topic for records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordTopic {
    /// How many it has.
    pub partitions: i32,
    /// The largest record that it takes.
    pub limit: RecordLimit,
    /// Whether the broker compacts it, and then takes no record without a key.
    pub is_compacted: bool,
}

impl Admin {
    /// Prepares the client; it connects in the background.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError::Property`] for a property that librdkafka refuses.
    pub fn new(worker: &WorkerConfig) -> Result<Self, KafkaError> {
        let properties = worker.client(Client::Admin);
        let brokers = properties.get("bootstrap.servers").cloned().unwrap_or_default();
        let client = super::client_config("rowcast-admin", &properties)
            .create_with_context(LogContext)
            .map_err(|error| KafkaError::of("create a client", &brokers, error))?;
        let producer_limit = RecordLimit::of_producer(&worker.client(Client::Producer));
        Ok(Self { client, brokers, properties, producer_limit })
    }

    /// Makes a topic that does not exist yet, and returns its number of partitions.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers or the topic is refused.
    pub async fn ensure_topic(
        &self,
        name: &str,
        partitions: i32,
        replication: i32,
        settings: &[(&str, &str)],
    ) -> Result<i32, KafkaError> {
        if let Some(existing) = self.shape(name)? {
            return Ok(existing.partitions);
        }
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        self.create(name, &topic).await?;
        let made = self.shape(name)?.map_or(partitions, |made| made.partitions);
        // What the broker's default is, it has not told yet.
        Ok(made.max(1))
    }

    async fn create(&self, name: &str, topic: &NewTopic<'_>) -> Result<(), KafkaError> {
        let options = AdminOptions::new()
            .request_timeout(Some(KAFKA_REQUEST_TIMEOUT))
            .operation_timeout(Some(KAFKA_REQUEST_TIMEOUT));
        let failed = |error| KafkaError::of("create a topic", &self.brokers, error);
        let results = self.client.create_topics([topic], &options).await.map_err(failed)?;
        for result in results {
            match result {
                Ok(_) => {
                    let partitions = topic.num_partitions;
                    tracing::info!(topic = name, partitions, "topic created");
                }
                Err((_, Code::TopicAlreadyExists)) => {}
                Err((
                    _,
                    code @ (Code::PolicyViolation
                    | Code::InvalidConfig
                    | Code::InvalidPartitions
                    | Code::InvalidReplicationFactor),
                )) => return Err(KafkaError::TopicRefused { topic: name.to_owned(), code }),
                Err((_, code)) => return Err(failed(RdKafkaError::AdminOp(code))),
            }
        }
        Ok(())
    }

    /// Makes a topic for records that does not exist yet, and looks at one that does. A new one
    /// takes what our producer sends, unless its rules say otherwise or the broker has a policy
    /// against it. Where one is other than its rules, that is told of once.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers or the topic is refused.
    pub async fn ensure_record_topic(
        &self,
        name: &str,
        rules: &TopicRules,
    ) -> Result<RecordTopic, KafkaError> {
        let existing = self.shape(name)?;
        let shape = match existing {
            Some(shape) => shape,
            None => self.create_record_topic(name, rules).await?,
        };
        let settings = self.settings(name).await?;
        if existing.is_some() {
            tell_differences(name, rules, shape, settings.as_ref());
        }
        let partitions = shape.partitions;
        let Some(settings) = settings else {
            tracing::warn!(
                topic = name,
                hint = "allow DescribeConfigs on the topic, so that a record that is too large for \
                        it parks its table in place of stopping the connector",
                "the topic's settings cannot be read, only the producer's limit is known"
            );
            return Ok(RecordTopic { partitions, limit: self.producer_limit, is_compacted: false });
        };
        let bytes = shape::setting(&settings, RecordLimit::TOPIC_SETTING);
        let bytes = bytes.and_then(|bytes| bytes.parse().ok());
        let limit =
            bytes.map_or(self.producer_limit, |bytes| self.producer_limit.and_of_topic(bytes));
        Ok(RecordTopic { partitions, limit, is_compacted: is_compacted(&settings) })
    }

    async fn create_record_topic(
        &self,
        name: &str,
        rules: &TopicRules,
    ) -> Result<Shape, KafkaError> {
        let (partitions, replication) = (rules.partitions(), rules.replication());
        let chosen: Vec<_> = rules.settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let bytes = self.producer_limit.bytes().to_string();
        let mut settings = chosen.clone();
        let is_ours = !rules.settings.contains_key(RecordLimit::TOPIC_SETTING);
        if is_ours {
            settings.push((RecordLimit::TOPIC_SETTING, bytes.as_str()));
        }
        let made = self.ensure_topic(name, partitions, replication, &settings).await;
        let partitions = match made {
            Err(KafkaError::TopicRefused {
                code: Code::PolicyViolation | Code::InvalidConfig,
                ..
            }) if is_ours => {
                let made = self.ensure_topic(name, partitions, replication, &chosen).await?;
                tracing::warn!(
                    topic = name,
                    bytes,
                    hint = "a larger record parks its table; let max.message.bytes of the topic be \
                            that large, or lower `kafka: message.max.bytes`",
                    "kafka does not let a topic take our largest records"
                );
                made
            }
            made => made?,
        };
        Ok(Shape { partitions, replication })
    }

    /// Looks whether the topic of the offsets keeps them for ever.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError::OffsetTopicDeletes`] if it does not, as Kafka Connect.
    pub(crate) async fn check_offset_topic(&self, name: &str) -> Result<(), KafkaError> {
        match self.settings(name).await? {
            Some(settings) if is_only_compacted(&settings) => Ok(()),
            Some(settings) => {
                let found = shape::setting(&settings, shape::CLEANUP_POLICY).unwrap_or_default();
                let (topic, found) = (name.to_owned(), found.to_owned());
                Err(KafkaError::OffsetTopicDeletes { topic, found })
            }
            None => {
                tracing::warn!(
                    topic = name,
                    hint = "allow DescribeConfigs on the topic, or make sure that its \
                            cleanup.policy is compact: else offsets are lost after a while",
                    "the settings of the offsets topic cannot be read"
                );
                Ok(())
            }
        }
    }

    /// A topic's settings; none if they may not be read. A broker that has not heard of a new topic
    /// yet tells of one without settings, so it is asked again for a while.
    async fn settings(&self, topic: &str) -> Result<Option<ConfigResource>, KafkaError> {
        let options = AdminOptions::new().request_timeout(Some(KAFKA_REQUEST_TIMEOUT));
        let failed = |error| KafkaError::of("read a topic's settings", &self.brokers, error);
        let topic_resource = [ResourceSpecifier::Topic(topic)];
        let deadline = tokio::time::Instant::now() + KAFKA_REQUEST_TIMEOUT;
        loop {
            let resources = self.client.describe_configs(&topic_resource, &options);
            match resources.await.map_err(failed)?.pop() {
                Some(Ok(found)) if shape::setting(&found, shape::CLEANUP_POLICY).is_some() => {
                    return Ok(Some(found));
                }
                Some(Ok(_) | Err(Code::UnknownTopicOrPartition))
                    if tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(ASK_AGAIN_AFTER).await;
                }
                Some(Err(code)) => {
                    tracing::debug!(topic, code = %code, "a topic's settings are not told");
                    return Ok(None);
                }
                Some(Ok(_)) | None => return Ok(None),
            }
        }
    }

    /// The partitions and copies of a topic, or `None` if there is no such topic.
    fn shape(&self, name: &str) -> Result<Option<Shape>, KafkaError> {
        let failed = |error| {
            let action = "read a topic's partitions";
            KafkaError::of(action, &self.brokers, error).explained(&self.properties)
        };
        let metadata = self
            .client
            .inner()
            .fetch_metadata(Some(name), KAFKA_REQUEST_TIMEOUT)
            .map_err(failed)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        Ok(topic.and_then(Shape::of))
    }
}
