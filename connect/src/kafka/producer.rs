//! The producer of a source task: one thread that owns the client, fed with batches through a bounded
//! queue, so that rows are read and encoded while a commit is in flight.

mod deliveries;
mod thread;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::batch::{LeftOpen, RecordBatch, TopicIndex};
use super::error::KafkaError;
use super::open_records::OpenRecord;
use crate::config::{Delivery, WorkerConfig};
use crate::control::ActiveTopics;

/// Batches that wait for the producer's thread. With batches of up to 1 MiB they hold a few
/// milliseconds of work, enough to keep the thread busy while the next batch is encoded.
const WAITING_BATCHES: usize = 4;

/// Whether there are Kafka transactions, and when they end.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// Without transactions, offsets are written where one would end.
    pub delivery: Delivery,
    /// `transactional.id`, and `client.id`.
    pub transactional_id: String,
    /// Longest time that a busy transaction stays open. Default 100 ms.
    pub commit_interval: Duration,
    /// Bytes after which a transaction ends, even inside a MySQL transaction. Default 16 MiB.
    pub transaction_max_bytes: usize,
}

/// The async side of the producer, which is transactional unless its configuration says otherwise.
///
/// Dropping it ends the thread, which first commits what was handed over: each batch comes with
/// the offsets that are true after it.
pub struct TransactionalProducer {
    batches: mpsc::Sender<RecordBatch>,
    topics: mpsc::Sender<String>,
    topic_names: Vec<String>,
    tracked: ActiveTopics,
    failure: oneshot::Receiver<KafkaError>,
}

impl TransactionalProducer {
    /// Starts the thread and ends what an earlier instance has left open.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers in time or the client is refused.
    pub async fn start(worker: &WorkerConfig, config: ProducerConfig) -> Result<Self, KafkaError> {
        let (batches, batch_queue) = mpsc::channel(WAITING_BATCHES);
        let (topics, topic_queue) = mpsc::channel(TOPICS_MAX);
        let (ready, is_ready) = oneshot::channel();
        let (failed, failure) = oneshot::channel();
        let thread = thread::ProducerThread {
            worker: worker.clone(),
            config,
            batches: batch_queue,
            topics: topic_queue,
        };
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("kafka-producer".to_owned())
            .spawn(move || thread.run(&runtime, ready, failed))
            .map_err(|_| KafkaError::Gone)?;
        is_ready.await.map_err(|_| KafkaError::Gone)??;
        let tracked = ActiveTopics::default();
        Ok(Self { batches, topics, topic_names: Vec::new(), tracked, failure })
    }

    /// Aborts the transactions that these records are in: earlier ones of this transactional id, which
    /// the brokers have left open. One Kafka transaction for all of them.
    ///
    /// # Errors
    ///
    /// Returns the error that has ended the thread.
    pub async fn abort_open(&mut self, records: Vec<OpenRecord>) -> Result<(), KafkaError> {
        let (ended, has_ended) = oneshot::channel();
        self.send(RecordBatch::of_open(LeftOpen { records, ended })).await?;
        match has_ended.await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Adds a topic to the list of those that batches refer to.
    ///
    /// # Errors
    ///
    /// Returns the error that has ended the thread, and [`KafkaError::Gone`] for a topic too many.
    pub async fn add_topic(&mut self, name: &str) -> Result<TopicIndex, KafkaError> {
        if let Some(index) = self.topic_names.iter().position(|known| known == name) {
            return Ok(TopicIndex(index));
        }
        match self.topics.try_send(name.to_owned()) {
            Ok(()) => {}
            // Why it has ended decides whether there is a next start.
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.failure().await),
            Err(mpsc::error::TrySendError::Full(_)) => return Err(KafkaError::Gone),
        }
        self.topic_names.push(name.to_owned());
        Ok(TopicIndex(self.topic_names.len() - 1))
    }

    /// Says from now on in `tracked` which topics have got records, those so far among them.
    pub fn track(&mut self, tracked: ActiveTopics) {
        tracked.mark(self.tracked.all().iter().map(String::as_str));
        self.tracked = tracked;
    }

    /// Hands a batch over, waiting while the queue is full.
    ///
    /// Not cancel safe: a batch that was not handed over is lost.
    ///
    /// # Errors
    ///
    /// Returns the error that has ended the thread.
    pub async fn send(&mut self, batch: RecordBatch) -> Result<(), KafkaError> {
        let topics = batch.records.iter().filter_map(|it| self.topic_names.get(it.topic.0));
        self.tracked.mark(topics.map(String::as_str));
        if self.batches.send(batch).await.is_ok() {
            return Ok(());
        }
        Err(self.failure().await)
    }

    /// Waits until the thread fails. Never resolves while it works. Cancel safe.
    pub async fn failure(&mut self) -> KafkaError {
        (&mut self.failure).await.unwrap_or(KafkaError::Gone)
    }

    /// Commits what was handed over and ends the thread.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when the last commit fails.
    pub async fn finish(self) -> Result<(), KafkaError> {
        drop(self.batches);
        match self.failure.await {
            Ok(error) => Err(error),
            // The thread drops its sender when it has committed and ended in good order.
            Err(_) => Ok(()),
        }
    }
}

/// Most topics of one producer: one for each captured table and a few more.
const TOPICS_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// A producer whose thread has found a successor and ended.
    fn fenced() -> TransactionalProducer {
        let (failed, failure) = oneshot::channel();
        let transactional_id = "group-shop-0".to_owned();
        failed.send(KafkaError::Fenced { transactional_id }).unwrap();
        TransactionalProducer {
            batches: mpsc::channel(1).0,
            topics: mpsc::channel(1).0,
            topic_names: Vec::new(),
            tracked: ActiveTopics::default(),
            failure,
        }
    }

    /// A task that starts again would fence its successor in turn.
    #[tokio::test]
    async fn whoever_notices_first_that_the_thread_has_ended_is_told_why() {
        let is_fenced = |error: KafkaError| matches!(error, KafkaError::Fenced { .. });

        assert!(is_fenced(fenced().add_topic("shop.orders").await.unwrap_err()));
        assert!(is_fenced(fenced().send(RecordBatch::default()).await.unwrap_err()));
        assert!(is_fenced(fenced().failure().await));
        assert!(is_fenced(fenced().finish().await.unwrap_err()));
    }
}
