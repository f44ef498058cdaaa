//! What the producer's thread does: send, and commit at the right moment.
//!
//! librdkafka facts behind the timing, measured with 2.12.1 on Kafka 4.3.1: a transaction that
//! begins less than 30 ms after the last commit meets that one's markers and a fixed retry;
//! `flush` has a floor of 101 ms unless the queue is drained by polling first; an abort with
//! queued messages blocks the next call unless they are purged and drained before.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};
use schema::fault::chain;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::ProducerConfig;
use crate::clock;
use crate::config::{KAFKA_REQUEST_TIMEOUT, WorkerConfig};
use crate::kafka::batch::{RecordBatch, RecordSlot};
use crate::kafka::error::KafkaError;
use crate::kafka::log::{LogContext, tell};
use crate::kafka::{RecordLimit, client_config, partition_of, read_compacted};

/// Least time between the end of a commit and the next begin, while no further batch waits.
const COMMIT_PAUSE: Duration = Duration::from_millis(30);

/// `transaction.timeout.ms`: how long a dead task can hold up readers.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// A transaction is committed well before the broker's timeout, even inside a MySQL transaction.
const OPEN_MAX: Duration = Duration::from_secs(5);

/// Longest wait for `init_transactions`: the broker may first have to end an older transaction.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// One try of it, after which the wait is told of.
const INIT_SLICE: Duration = Duration::from_secs(5);

/// Longest wait for a commit. Without an answer nobody knows here whether it happened: the next start
/// lets the broker end the transaction one way or the other and goes on from the offsets that it
/// then finds.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for an abort. Without one, the next start ends the transaction.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that wait in librdkafka, in KiB.
const QUEUE_KBYTES: usize = 32_768;

/// One slice of polling for delivery reports. Shorter ones spin.
const POLL_SLICE: Duration = Duration::from_millis(2);

/// Messages between two polls while sending, to take delivery reports off.
const POLL_EVERY: usize = 1000;

/// The thread before its client is there.
pub(super) struct ProducerThread {
    pub(super) worker: WorkerConfig,
    pub(super) config: ProducerConfig,
    pub(super) batches: mpsc::Receiver<RecordBatch>,
    pub(super) topics: mpsc::Receiver<String>,
}

impl ProducerThread {
    pub(super) fn run(
        self,
        runtime: &Handle,
        ready: oneshot::Sender<Result<(), KafkaError>>,
        failed: oneshot::Sender<KafkaError>,
    ) {
        let mut session = match self.open() {
            Ok(session) => session,
            Err(error) => return drop(ready.send(Err(error))),
        };
        if ready.send(Ok(())).is_err() {
            return;
        }
        if let Err(error) = session.work(runtime) {
            let error = session.abandon(error);
            drop(failed.send(session.explain(error)));
        }
    }

    fn open(self) -> Result<Session, KafkaError> {
        let brokers = self.worker.kafka.get("bootstrap.servers").cloned().unwrap_or_default();
        let failed = |action, error| KafkaError::of(action, &brokers, error);
        let producer: BaseProducer<LogContext> = self
            .client_config()
            .create_with_context(LogContext)
            .map_err(|error| failed("create a producer", error))?;
        start_transactions(&producer).map_err(|error| failed("start transactions", error))?;
        Ok(Session {
            producer,
            brokers,
            offset_topic: self.worker.offset_topic,
            properties: self.worker.kafka,
            config: self.config,
            batches: self.batches,
            topic_queue: self.topics,
            topics: Vec::new(),
            offset_partitions: None,
            open: None,
            begun_at: Duration::ZERO,
            last_commit: None,
            committed: HashMap::new(),
        })
    }

    fn client_config(&self) -> rdkafka::ClientConfig {
        let user = &self.worker.kafka;
        let mut config = client_config(&self.config.transactional_id, user);
        if !user.contains_key("compression.type") {
            config.set("compression.type", "lz4");
        }
        let message_max_bytes = RecordLimit::of_producer(user).bytes();
        // A queue that is smaller than a record would be full for ever.
        let queue_kbytes = QUEUE_KBYTES.max(message_max_bytes.div_ceil(1024) + 1);
        config
            .set("transactional.id", &self.config.transactional_id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            // Batches come whole, so there is little to wait for; more only delays the commit.
            .set("linger.ms", "1")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", queue_kbytes.to_string())
            .set(RecordLimit::PROPERTY, message_max_bytes.to_string());
        config
    }
}

/// Ends what an earlier instance has left open. Without a broker it waits, and says so.
fn start_transactions(producer: &BaseProducer<LogContext>) -> Result<(), RdKafkaError> {
    let deadline = Instant::now() + INIT_TIMEOUT;
    loop {
        let error = match producer.init_transactions(INIT_SLICE) {
            Err(RdKafkaError::Transaction(error)) if error.is_retriable() => error,
            ended => return ended,
        };
        if Instant::now() > deadline {
            return Err(RdKafkaError::Transaction(error));
        }
        // Errors of connections come by polling, which the call above does not do. Where there is
        // none, as with a broker that accepts and is silent, the wait itself is told of.
        producer.poll(POLL_SLICE);
        tell(&RdKafkaError::Transaction(error), "no answer to the start of transactions");
    }
}

struct Session {
    producer: BaseProducer<LogContext>,
    brokers: String,
    offset_topic: String,
    properties: BTreeMap<String, String>,
    config: ProducerConfig,
    batches: mpsc::Receiver<RecordBatch>,
    topic_queue: mpsc::Receiver<String>,
    topics: Vec<String>,
    offset_partitions: Option<i32>,
    open: Option<OpenTransaction>,
    /// When the last transaction began, by the wall clock: it goes on while the machine sleeps.
    begun_at: Duration,
    last_commit: Option<Instant>,
    /// The offsets that this instance has committed.
    committed: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

/// A Kafka transaction that has begun.
struct OpenTransaction {
    since: Instant,
    bytes: usize,
    records: usize,
    /// The offsets as of the last batch: they are sent once, at the end.
    offsets: HashMap<Vec<u8>, Option<Vec<u8>>>,
    is_at_boundary: bool,
}

/// What the thread does after a batch.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Commit,
    /// Take another batch; commit if there is none for so long.
    TakeWithin(Duration),
}

impl OpenTransaction {
    /// At a boundary it ends as soon as nothing waits; a busy one when it is old or large enough.
    /// Inside a MySQL transaction it ends only when it must.
    fn next(&self, age: Duration, config: &ProducerConfig) -> Next {
        let is_due = self.is_at_boundary && age >= config.commit_interval;
        if is_due || self.bytes >= config.transaction_max_bytes || age >= OPEN_MAX {
            Next::Commit
        } else if self.is_at_boundary {
            Next::TakeWithin(Duration::ZERO)
        } else {
            Next::TakeWithin(OPEN_MAX - age)
        }
    }
}

impl Session {
    /// Takes batches until the other side is gone, then commits what is open.
    fn work(&mut self, runtime: &Handle) -> Result<(), KafkaError> {
        loop {
            let next = self.open.as_ref().map(|open| open.next(open.since.elapsed(), &self.config));
            let wait = match next {
                Some(Next::Commit) => {
                    self.commit()?;
                    continue;
                }
                Some(Next::TakeWithin(wait)) => Some(wait),
                None => None,
            };
            let Some(batch) = self.receive(runtime, wait) else { return self.commit() };
            match batch {
                Some(batch) => self.take(&batch)?,
                None => self.commit()?,
            }
        }
    }

    /// The next batch; `Some(None)` when there is none within `wait`; `None` at the end.
    fn receive(&mut self, runtime: &Handle, wait: Option<Duration>) -> Option<Option<RecordBatch>> {
        match self.batches.try_recv() {
            Ok(batch) => return Some(Some(batch)),
            Err(mpsc::error::TryRecvError::Disconnected) => return None,
            Err(mpsc::error::TryRecvError::Empty) => {}
        }
        let Some(wait) = wait else { return runtime.block_on(self.batches.recv()).map(Some) };
        if wait.is_zero() {
            return Some(None);
        }
        let received =
            runtime.block_on(async { tokio::time::timeout(wait, self.batches.recv()).await });
        received.map_or(Some(None), |batch| batch.map(Some))
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<(), KafkaError> {
        while let Ok(topic) = self.topic_queue.try_recv() {
            self.topics.push(topic);
        }
        self.begin()?;
        for (index, record) in batch.records.iter().enumerate() {
            self.send(batch, record)?;
            if index % POLL_EVERY == POLL_EVERY - 1 {
                self.producer.poll(Duration::ZERO);
            }
        }
        if let Some(open) = &mut self.open {
            open.bytes += batch.bytes.len();
            open.records += batch.records.len();
            open.offsets.extend(batch.offsets.iter().cloned());
            open.is_at_boundary = batch.is_boundary;
        }
        Ok(())
    }

    /// Begins a transaction if none is open, not too soon after the last one unless work waits.
    fn begin(&mut self) -> Result<(), KafkaError> {
        if self.open.is_some() {
            return Ok(());
        }
        if let Some(last) = self.last_commit {
            while last.elapsed() < COMMIT_PAUSE && self.batches.is_empty() {
                self.producer.poll(POLL_SLICE);
            }
        }
        self.begun_at = clock::since_epoch();
        self.producer.begin_transaction().map_err(|error| self.judge("begin", error))?;
        self.open = Some(OpenTransaction {
            since: Instant::now(),
            bytes: 0,
            records: 0,
            offsets: HashMap::new(),
            is_at_boundary: false,
        });
        Ok(())
    }

    fn send(&self, batch: &RecordBatch, record: &RecordSlot) -> Result<(), KafkaError> {
        let topic = self.topics.get(record.topic.0).ok_or(KafkaError::Gone)?;
        let mut message = BaseRecord::to(topic).partition(record.partition);
        // An Avro key is never empty, so an empty one is a table without a key.
        let key = batch.slice(&record.key());
        if !key.is_empty() {
            message = message.key(key);
        }
        if let Some(value) = record.value() {
            message = message.payload(batch.slice(&value));
        }
        let named = batch.headers(record);
        if !named.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(named.len());
            for (key, value) in named {
                let key = key.as_str();
                let value = value.as_ref().map(|value| batch.slice(value));
                headers = headers.insert(Header { key, value });
            }
            message = message.headers(headers);
        }
        self.enqueue(message)
    }

    /// Hands a message to librdkafka, waiting while its queue is full.
    fn enqueue(&self, mut message: BaseRecord<'_, [u8], [u8]>) -> Result<(), KafkaError> {
        let deadline = Instant::now() + TRANSACTION_TIMEOUT;
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((RdKafkaError::MessageProduction(Code::QueueFull), back)) => {
                    if Instant::now() > deadline {
                        let source = RdKafkaError::MessageProduction(Code::MessageTimedOut);
                        return Err(self.judge("send records", source));
                    }
                    message = back;
                    self.producer.poll(POLL_SLICE);
                }
                Err((RdKafkaError::MessageProduction(Code::MessageSizeTooLarge), back)) => {
                    let bytes =
                        back.payload.map_or(0, <[u8]>::len) + back.key.map_or(0, <[u8]>::len);
                    return Err(KafkaError::TooLarge { topic: back.topic.to_owned(), bytes });
                }
                Err((error, _)) => return Err(self.judge("send records", error)),
            }
        }
    }

    /// Sends the offsets, waits for all deliveries, and commits.
    fn commit(&mut self) -> Result<(), KafkaError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let (records, bytes, split) = (open.records, open.bytes, !open.is_at_boundary);
        tracing::debug!(records, bytes, split, "transaction commit begins");
        let partitions = self.offset_partitions()?;
        for (key, value) in &open.offsets {
            let mut message = BaseRecord::to(&self.offset_topic)
                .partition(partition_of(key, partitions))
                .key(key.as_slice());
            message.payload = value.as_deref();
            self.enqueue(message)?;
        }
        self.drain()?;
        self.commit_transaction()?;
        self.last_commit = Some(Instant::now());
        self.committed.extend(open.offsets);
        let elapsed_ms = open.since.elapsed().as_millis();
        tracing::debug!(records, elapsed_ms, "transaction committed");
        Ok(())
    }

    /// Polls until librdkafka has nothing in flight. Its own flush would wait 101 ms.
    fn drain(&self) -> Result<(), KafkaError> {
        let deadline = Instant::now() + TRANSACTION_TIMEOUT;
        while self.producer.in_flight_count() > 0 {
            if Instant::now() > deadline {
                let source = RdKafkaError::Flush(Code::OperationTimedOut);
                return Err(self.judge("deliver records", source));
            }
            self.producer.poll(POLL_SLICE);
        }
        Ok(())
    }

    fn commit_transaction(&self) -> Result<(), KafkaError> {
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.producer.commit_transaction(left) {
                Ok(()) => return Ok(()),
                Err(RdKafkaError::Transaction(error))
                    if error.is_retriable() && Instant::now() < deadline =>
                {
                    tracing::debug!(error = %error, "no answer to a commit yet, asking again");
                }
                Err(error) => return Err(self.judge("commit", error)),
            }
        }
    }

    /// Gives an open transaction up as well as it can be; the next start ends it in any case.
    /// Returns the error that ends the thread: only the abort may tell that it was a successor's
    /// start that broke the transaction, and then there must be no next start.
    fn abandon(&self, error: KafkaError) -> KafkaError {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.producer.poll(POLL_SLICE);
        }
        let Err(refusal) = self.producer.abort_transaction(ABORT_TIMEOUT) else { return error };
        let refusal = self.judge("abort", refusal);
        if matches!(refusal, KafkaError::Fenced { .. }) {
            return refusal;
        }
        tracing::debug!(error = chain(&refusal), "transaction is left to the next start");
        error
    }

    /// To librdkafka a transaction that the broker has ended for its age looks like a successor.
    /// Two things tell them apart: only an old transaction is ended so, and a successor commits
    /// its first offsets soon.
    fn explain(&self, error: KafkaError) -> KafkaError {
        let age = clock::since_epoch().saturating_sub(self.begun_at);
        let is_fenced = matches!(error, KafkaError::Fenced { .. });
        if !is_fenced || age < TRANSACTION_TIMEOUT || self.committed.is_empty() {
            return error;
        }
        match read_compacted(&self.offset_topic, &self.properties) {
            Ok(stored)
                if self.committed.iter().all(|(key, value)| stored.get(key) == value.as_ref()) =>
            {
                KafkaError::Expired
            }
            Ok(_) => error,
            Err(failure) => {
                tracing::warn!(error = chain(&failure), "could not look for a successor's offsets");
                error
            }
        }
    }

    fn offset_partitions(&mut self) -> Result<i32, KafkaError> {
        if let Some(partitions) = self.offset_partitions {
            return Ok(partitions);
        }
        let metadata = self
            .producer
            .client()
            .fetch_metadata(Some(&self.offset_topic), KAFKA_REQUEST_TIMEOUT)
            .map_err(|error| self.judge("read the offsets topic's partitions", error))?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let partitions = i32::try_from(count).unwrap_or(0).max(1);
        self.offset_partitions = Some(partitions);
        Ok(partitions)
    }

    fn judge(&self, action: &'static str, error: RdKafkaError) -> KafkaError {
        let is_fenced =
            |code| matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch);
        let transaction = if let RdKafkaError::Transaction(transaction) = &error {
            Some(transaction)
        } else {
            None
        };
        let fatal = self.producer.client().fatal_error().map(|(code, _)| code);
        if transaction.map(RDKafkaError::code).or(fatal).is_some_and(is_fenced) {
            let transactional_id = self.config.transactional_id.clone();
            return KafkaError::Fenced { transactional_id };
        }
        if transaction.is_some_and(RDKafkaError::txn_requires_abort) {
            return KafkaError::Aborted { source: error };
        }
        KafkaError::of(action, &self.brokers, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: usize, is_at_boundary: bool) -> OpenTransaction {
        let since = Instant::now();
        OpenTransaction { since, bytes, records: 1, offsets: HashMap::new(), is_at_boundary }
    }

    #[test]
    fn a_transaction_ends_when_idle_at_a_boundary_or_when_it_must() {
        let config = ProducerConfig {
            transactional_id: "t".to_owned(),
            commit_interval: Duration::from_millis(100),
            transaction_max_bytes: 1000,
        };
        let young = Duration::from_millis(10);
        let old = Duration::from_millis(150);

        assert_eq!(open(1, true).next(young, &config), Next::TakeWithin(Duration::ZERO));
        assert_eq!(open(1, true).next(old, &config), Next::Commit);
        assert_eq!(open(1, false).next(old, &config), Next::TakeWithin(OPEN_MAX - old));
        assert_eq!(open(1000, false).next(young, &config), Next::Commit);
        assert_eq!(open(1, false).next(OPEN_MAX, &config), Next::Commit);
    }
}
