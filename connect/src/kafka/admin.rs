//! Topics: made before they are written to, so that their shape is ours and not the broker's.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};

use super::error::KafkaError;
use super::limit::RecordLimit;
use super::log::LogContext;
use crate::config::{KAFKA_REQUEST_TIMEOUT, WorkerConfig};

/// Makes topics and asks for their shape.
pub struct Admin {
    client: AdminClient<LogContext>,
    brokers: String,
    /// What our producer takes.
    producer_limit: RecordLimit,
}

impl Admin {
    /// Prepares the client; it connects in the background.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError::Property`] for a property that librdkafka refuses.
    pub fn new(worker: &WorkerConfig) -> Result<Self, KafkaError> {
        let brokers = worker.kafka.get("bootstrap.servers").cloned().unwrap_or_default();
        let client = super::client_config("rowcast-admin", &worker.kafka)
            .create_with_context(LogContext)
            .map_err(|error| KafkaError::of("create a client", &brokers, error))?;
        Ok(Self { client, brokers, producer_limit: RecordLimit::of_producer(&worker.kafka) })
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
        if let Some(existing) = self.partitions(name)? {
            return Ok(existing);
        }
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new()
            .request_timeout(Some(KAFKA_REQUEST_TIMEOUT))
            .operation_timeout(Some(KAFKA_REQUEST_TIMEOUT));
        let failed = |error| KafkaError::of("create a topic", &self.brokers, error);
        let results = self.client.create_topics([&topic], &options).await.map_err(failed)?;
        for result in results {
            match result {
                Ok(_) => tracing::info!(topic = name, partitions, "topic created"),
                Err((_, Code::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(failed(rdkafka::error::KafkaError::AdminOp(code))),
            }
        }
        Ok(self.partitions(name)?.unwrap_or(partitions))
    }

    /// Makes a topic for records that does not exist yet, and returns its number of partitions and
    /// the largest record that it takes. A new one takes what our producer sends, unless the broker
    /// has a policy against it.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers or the topic is refused.
    pub async fn ensure_record_topic(
        &self,
        name: &str,
        partitions: i32,
        replication: i32,
    ) -> Result<(i32, RecordLimit), KafkaError> {
        let bytes = self.producer_limit.bytes().to_string();
        let settings = [(RecordLimit::TOPIC_SETTING, bytes.as_str())];
        let made = self.ensure_topic(name, partitions, replication, &settings).await;
        let partitions = match made {
            Err(KafkaError::Other {
                source: RdKafkaError::AdminOp(Code::PolicyViolation | Code::InvalidConfig),
                ..
            }) => {
                tracing::warn!(
                    topic = name,
                    bytes,
                    hint = "a larger record parks its table; let max.message.bytes of the topic be \
                            that large, or lower `kafka: message.max.bytes`",
                    "kafka does not let a topic take our largest records"
                );
                self.ensure_topic(name, partitions, replication, &[]).await?
            }
            made => made?,
        };
        Ok((partitions, self.record_limit(name).await?))
    }

    /// The largest record of a topic; only the producer's limit if the topic's may not be read.
    async fn record_limit(&self, topic: &str) -> Result<RecordLimit, KafkaError> {
        let options = AdminOptions::new().request_timeout(Some(KAFKA_REQUEST_TIMEOUT));
        let failed = |error| KafkaError::of("read a topic's settings", &self.brokers, error);
        let topic_resource = [ResourceSpecifier::Topic(topic)];
        let resources = self.client.describe_configs(&topic_resource, &options);
        let resource = match resources.await.map_err(failed)?.pop() {
            Some(Ok(resource)) => resource,
            Some(Err(code)) => {
                tracing::warn!(
                    topic,
                    code = %code,
                    hint = "allow DescribeConfigs on the topic, so that a record that is too large \
                            for it parks its table in place of stopping the connector",
                    "the topic's settings cannot be read, only the producer's limit is known"
                );
                return Ok(self.producer_limit);
            }
            None => return Ok(self.producer_limit),
        };
        let value = resource.get(RecordLimit::TOPIC_SETTING).and_then(|entry| entry.value.as_ref());
        let bytes = value.and_then(|bytes| bytes.parse().ok());
        Ok(bytes.map_or(self.producer_limit, |bytes| self.producer_limit.and_of_topic(bytes)))
    }

    /// The number of partitions of a topic, or `None` if there is no such topic.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers.
    fn partitions(&self, name: &str) -> Result<Option<i32>, KafkaError> {
        let failed = |error| KafkaError::of("read a topic's partitions", &self.brokers, error);
        let metadata = self
            .client
            .inner()
            .fetch_metadata(Some(name), KAFKA_REQUEST_TIMEOUT)
            .map_err(failed)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        let count = topic.map_or(0, |topic| topic.partitions().len());
        Ok(i32::try_from(count).ok().filter(|count| *count > 0))
    }
}
