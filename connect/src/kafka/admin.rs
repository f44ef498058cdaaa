//! Topics: made before they are written to, so that their shape is ours and not the broker's.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode as Code;

use super::error::KafkaError;
use super::log::LogContext;
use crate::config::{KAFKA_REQUEST_TIMEOUT, WorkerConfig};

/// Makes topics and asks for their shape.
pub struct Admin {
    client: AdminClient<LogContext>,
    brokers: String,
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
        Ok(Self { client, brokers })
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
