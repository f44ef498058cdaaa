//! The log of what is wanted: the config topic of a cluster, or memory in a process of its own.

use tokio::sync::{Mutex, mpsc};

use super::records::ConfigRecord;
use crate::config::WorkerConfig;
use crate::kafka::KafkaError;
use crate::kafka::shared_log::{self, LogEvent, LogProducer};

/// Records that wait for the herder, in memory.
const WAITING_RECORDS: usize = 64;

/// Adds to the log.
pub(crate) enum ConfigLog {
    /// Of one process.
    Memory(Mutex<Memory>),
    /// Of a cluster.
    Kafka(LogProducer),
}

pub(crate) struct Memory {
    next: i64,
    records: mpsc::Sender<LogEvent>,
}

impl ConfigLog {
    /// A log that is empty at first and gone with the process.
    pub(crate) fn in_memory() -> (Self, mpsc::Receiver<LogEvent>) {
        let (records, events) = mpsc::channel(WAITING_RECORDS);
        // Nothing was there: the channel has room for that.
        drop(records.try_send(LogEvent::CaughtUp));
        (Self::Memory(Mutex::new(Memory { next: 0, records })), events)
    }

    /// The log in a topic, which has to be there.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError::Property`] for a property that librdkafka refuses.
    pub(crate) fn in_topic(
        topic: &str,
        worker: &WorkerConfig,
    ) -> Result<(Self, mpsc::Receiver<LogEvent>), KafkaError> {
        let producer = LogProducer::new(topic, &worker.kafka)?;
        Ok((Self::Kafka(producer), shared_log::read(topic, &worker.kafka)))
    }

    /// Adds a record; where it stands.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when it could not be written.
    pub(crate) async fn append(&self, record: &ConfigRecord) -> Result<i64, KafkaError> {
        let (key, value) = record.render();
        match self {
            Self::Kafka(producer) => producer.write(&key, value.as_deref()).await,
            Self::Memory(memory) => {
                let mut memory = memory.lock().await;
                let position = memory.next;
                let event = LogEvent::Record { position, key, value };
                memory.records.send(event).await.map_err(|_| KafkaError::Gone)?;
                memory.next = position + 1;
                Ok(position)
            }
        }
    }
}
