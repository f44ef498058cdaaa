//! A compacted topic that all workers of a cluster read from its beginning and go on reading: what
//! one writes, all know in the same order.
//!
//! The reader has a thread of its own, as librdkafka's consumer blocks. It ends when nobody takes
//! records any more.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rdkafka::{Message, Offset, TopicPartitionList};
use schema::fault::chain;
use tokio::sync::mpsc;

use super::error::{KafkaError, is_passing};
use super::log::LogContext;
use super::partitions::partitions_of_made;

/// Records that wait for whoever takes them. The thread then waits as well.
const WAITING_RECORDS: usize = 1_024;

/// How long a poll waits: how late the thread notices that nobody listens any more.
const POLL: Duration = Duration::from_millis(100);

/// How long a record may take to be written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);

/// What the reader tells.
#[derive(Debug)]
pub(crate) enum LogEvent {
    /// The next record of a partition.
    Record {
        /// Its offset.
        position: i64,
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Option<Vec<u8>>,
    },
    /// All that was there at the start has been told. Comes once.
    CaughtUp,
    /// Nothing more comes.
    Failed(KafkaError),
}

/// Reads a topic from its beginning, and goes on.
pub(crate) fn read(topic: &str, properties: &BTreeMap<String, String>) -> mpsc::Receiver<LogEvent> {
    let (sender, events) = mpsc::channel(WAITING_RECORDS);
    let (topic, properties) = (topic.to_owned(), properties.clone());
    // Ends with its channel: there is nothing to join.
    drop(tokio::task::spawn_blocking(move || {
        if let Err(error) = follow(&topic, &properties, &sender) {
            drop(sender.blocking_send(LogEvent::Failed(error)));
        }
    }));
    events
}

fn follow(
    topic: &str,
    properties: &BTreeMap<String, String>,
    sender: &mpsc::Sender<LogEvent>,
) -> Result<(), KafkaError> {
    let brokers = properties.get("bootstrap.servers").cloned().unwrap_or_default();
    let failed = |error| KafkaError::of("read the workers' topic", &brokers, error);
    let consumer: BaseConsumer<LogContext> = super::client_config("rowcast-log", properties)
        // No group is joined and nothing is committed; librdkafka wants a name all the same.
        .set("group.id", "rowcast-log-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create_with_context(LogContext)
        .map_err(failed)?;
    let Some(partitions) = known_partitions(&consumer, topic, sender).map_err(failed)? else {
        return Ok(());
    };
    let mut open = partitions.into_iter().collect::<HashSet<i32>>();
    let mut assignment = TopicPartitionList::new();
    for partition in &open {
        let beginning = Offset::Beginning;
        assignment.add_partition_offset(topic, *partition, beginning).map_err(failed)?;
    }
    consumer.assign(&assignment).map_err(failed)?;
    let mut is_caught_up = false;
    while !sender.is_closed() {
        let event = match consumer.poll(POLL) {
            None => continue,
            Some(Err(RdKafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
                if !open.is_empty() || is_caught_up {
                    continue;
                }
                is_caught_up = true;
                LogEvent::CaughtUp
            }
            // The client goes on by itself, also where a login fails that was right before.
            Some(Err(error))
                if error.rdkafka_error_code().is_some_and(|code| {
                    is_passing(code) || matches!(code, Code::Authentication | Code::SSL)
                }) =>
            {
                continue;
            }
            Some(Err(error)) => return Err(failed(error)),
            Some(Ok(message)) => LogEvent::Record {
                position: message.offset(),
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().map(<[u8]>::to_vec),
            },
        };
        if sender.blocking_send(event).is_err() {
            break;
        }
    }
    Ok(())
}

/// The partitions of a topic that has been made, as soon as a broker knows them; none if nobody listens
/// any more.
fn known_partitions(
    consumer: &BaseConsumer<LogContext>,
    topic: &str,
    sender: &mpsc::Sender<LogEvent>,
) -> Result<Option<Vec<i32>>, RdKafkaError> {
    while !sender.is_closed() {
        match partitions_of_made(consumer.client(), topic) {
            Ok(found) => return Ok(Some(found)),
            Err(error) if error.rdkafka_error_code().is_some_and(is_passing) => {
                tracing::warn!(topic, error = chain(&error), "a workers' topic is waited for");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Writes to such a topic.
pub(crate) struct LogProducer {
    producer: FutureProducer<LogContext>,
    topic: String,
    brokers: String,
}

impl LogProducer {
    /// Prepares the client; it connects in the background.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError::Property`] for a property that librdkafka refuses.
    pub(crate) fn new(
        topic: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<Self, KafkaError> {
        let brokers = properties.get("bootstrap.servers").cloned().unwrap_or_default();
        let producer = super::client_config("rowcast-log", properties)
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", WRITTEN_WITHIN.as_millis().to_string())
            // Each is waited for.
            .set("linger.ms", "0")
            .create_with_context(LogContext)
            .map_err(|error| KafkaError::of("create a client", &brokers, error))?;
        Ok(Self { producer, topic: topic.to_owned(), brokers })
    }

    /// Writes a record; where it stands.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when the broker has not taken it in time.
    pub(crate) async fn write(&self, key: &[u8], value: Option<&[u8]>) -> Result<i64, KafkaError> {
        let mut record = FutureRecord::to(&self.topic).key(key);
        if let Some(value) = value {
            record = record.payload(value);
        }
        let sent = self.producer.send(record, Timeout::After(WRITTEN_WITHIN)).await;
        let failed = |error| KafkaError::of("write to the workers' topic", &self.brokers, error);
        sent.map(|delivery| delivery.offset).map_err(|(error, _)| failed(error))
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaRespErr as Answer;

    use super::*;

    /// It did nothing for ever, and nobody was told.
    #[tokio::test]
    async fn a_topic_that_the_broker_does_not_know_yet_is_read_when_it_does() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("log", 5, 1).unwrap();
        cluster.topic_error("log", Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
        let properties =
            BTreeMap::from([("bootstrap.servers".to_owned(), cluster.bootstrap_servers())]);
        let mut events = read("log", &properties);
        // It has been told of no such topic meanwhile.
        let nothing = tokio::time::timeout(Duration::from_millis(500), events.recv()).await;
        assert!(nothing.is_err(), "{nothing:?}");

        cluster.topic_error("log", Answer::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();

        let event = tokio::time::timeout(Duration::from_secs(60), events.recv()).await.unwrap();
        assert!(matches!(event, Some(LogEvent::CaughtUp)), "{event:?}");
    }
}
