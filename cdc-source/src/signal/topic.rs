//! The topic of signals.

use std::collections::VecDeque;

use connect::config::WorkerConfig;
use connect::java_client::Client;
use connect::kafka::consumer::{
    ConsumerConfig, ConsumerError, ConsumerEvent, KafkaOffset, Record, SinkConsumer, Topics,
};

use super::{Signal, SignalError, parse_json};
use crate::config::SourceConfig;
use crate::error::SourceError;
use crate::tables::Tables;

/// Reads the topic in a group of its own.
pub(crate) struct SignalTopicReader {
    consumer: SinkConsumer,
    /// Only records of this key are for us: `topic.prefix`.
    key: String,
    /// Read, and not yet handed over.
    waiting: VecDeque<Record>,
}

impl SignalTopicReader {
    /// Makes the topic, unless it is on other brokers, and joins the group; nothing where signals
    /// do not come from a topic.
    ///
    /// # Errors
    ///
    /// Returns [`SourceError`] when the topic cannot be made or the client is refused.
    pub(crate) async fn start(
        config: &SourceConfig,
        worker: &WorkerConfig,
        tables: &Tables,
    ) -> Result<Option<Self>, SourceError> {
        let Some(signal) = &config.signal.kafka else { return Ok(None) };
        let mut kafka = worker.client(Client::Consumer);
        match &signal.bootstrap {
            Some(bootstrap) => {
                kafka.insert("bootstrap.servers".to_owned(), bootstrap.clone());
            }
            None => tables.signal_topic(&signal.topic).await?,
        }
        let consumer = SinkConsumer::start(&ConsumerConfig {
            client_id: signal.group_id.clone(),
            group_id: signal.group_id.clone(),
            kafka,
            topics: Topics::List(vec![signal.topic.clone()]),
            headers: false,
        })
        .map_err(SourceError::Signals)?;
        let (key, waiting) = (config.topic_prefix.clone(), VecDeque::new());
        Ok(Some(Self { consumer, key, waiting }))
    }

    /// The next signal for us, or why it is none. Whatever was handed over before is done with.
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// Returns [`ConsumerError`] when the consumer has ended.
    pub(crate) async fn next(&mut self) -> Result<Result<Signal, SignalError>, ConsumerError> {
        loop {
            while let Some(record) = self.waiting.pop_front() {
                // A signal that is repeated after a crash does no harm: a copy begins again.
                let next = KafkaOffset(record.offset.0 + 1);
                self.consumer.commit_later(vec![(record.partition.clone(), next)]);
                if record.key.as_deref() == Some(self.key.as_bytes()) {
                    return Ok(parse_json(record.value.as_deref().unwrap_or_default()));
                }
            }
            match self.consumer.next().await {
                ConsumerEvent::Records(records) => self.waiting.extend(records),
                ConsumerEvent::Assigned { .. } => {}
                ConsumerEvent::Revoked { partitions, done, .. } => {
                    self.waiting.retain(|record| !partitions.contains(&record.partition));
                    done.done();
                }
                ConsumerEvent::Failed(error) => return Err(error),
            }
        }
    }
}
