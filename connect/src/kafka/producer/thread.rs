//! What the producer's thread does: send, and commit at the right moment.
//!
//! librdkafka facts behind the timing, measured with 2.12.1 on Kafka 4.3.1: a transaction that
//! begins before the last one's markers are written meets a fixed retry (see `pause`); waiting for
//! answers takes more of the processor than sending, unless it is done as in `queue`; an abort with
//! queued messages blocks the next call unless they are purged and drained before.

mod commit;
mod left_open;
mod pause;
mod queue;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError as RdKafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use self::commit::{Next, OpenTransaction};
use self::pause::CommitPause;
use super::ProducerConfig;
use super::deliveries::Deliveries;
use crate::clock;
use crate::config::{Delivery, WorkerConfig};
use crate::java_client::Client;
use crate::kafka::batch::{RecordBatch, RecordSlot};
use crate::kafka::error::KafkaError;
use crate::kafka::log::tell;
use crate::kafka::{RecordLimit, client_config};

/// `transaction.timeout.ms`: how long a dead task can hold up readers.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait for `init_transactions`: the broker may first have to end an older transaction.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// One try of it, after which the wait is told of.
const INIT_SLICE: Duration = Duration::from_secs(5);

/// Bytes that wait in librdkafka, in KiB.
const QUEUE_KBYTES: usize = 32_768;

/// Longest time that a record may take without transactions: Kafka's `delivery.timeout.ms`. Until
/// then librdkafka repeats it without duplicates, which a new start could not.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// Messages that wait in librdkafka. Each takes some 200 bytes beside its own, more than a small row
/// has: a transaction of 5 million of them took 100 MB of memory with the default of 100,000, and
/// takes 62 MB with these. They are two full requests (`batch.num.messages`), which keep a broker
/// busy that answers within 10 ms up to 2 million messages a second.
const QUEUE_MESSAGES: usize = 20_000;

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
        let properties = self.worker.client(Client::Producer);
        let brokers = properties.get("bootstrap.servers").cloned().unwrap_or_default();
        let failed = |action, error| KafkaError::of(action, &brokers, error);
        let deliveries = Deliveries::default();
        let producer: BaseProducer<Deliveries> = self
            .client_config()
            .create_with_context(deliveries.clone())
            .map_err(|error| failed("create a producer", error))?;
        if self.config.delivery == Delivery::ExactlyOnce {
            start_transactions(&producer)
                .map_err(|error| failed("start transactions", error).explained(&properties))?;
        }
        Ok(Session {
            producer,
            deliveries,
            brokers,
            offset_topic: self.worker.offset_topic,
            properties,
            config: self.config,
            batches: self.batches,
            topic_queue: self.topics,
            topics: Vec::new(),
            offset_partitions: None,
            open: None,
            begun_at: Duration::ZERO,
            last_commit: None,
            pause: CommitPause::new(),
            committed: HashMap::new(),
            is_commit_unknown: false,
        })
    }

    fn client_config(&self) -> rdkafka::ClientConfig {
        let user = &self.worker.client(Client::Producer);
        let mut config = client_config(&self.config.transactional_id, user);
        if !user.contains_key("compression.type") {
            config.set("compression.type", "lz4");
        }
        let message_max_bytes = RecordLimit::of_producer(user).bytes();
        // A queue that is smaller than a record would be full for ever.
        let queue_kbytes = QUEUE_KBYTES.max(message_max_bytes.div_ceil(1024) + 1);
        match self.config.delivery {
            Delivery::ExactlyOnce => config
                .set("transactional.id", &self.config.transactional_id)
                .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string()),
            Delivery::AtLeastOnce => {
                config.set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
            }
        };
        config
            // No record twice, and none before an earlier one of its partition, while one client
            // writes; acknowledged by all copies that are in sync.
            .set("enable.idempotence", "true")
            .set("linger.ms", queue::LINGER.as_millis().to_string())
            // Nobody looks at the others, and a report costs as much as handing a record over.
            .set("delivery.report.only.error", "true")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", QUEUE_MESSAGES.to_string())
            .set("queue.buffering.max.kbytes", queue_kbytes.to_string())
            .set(RecordLimit::PROPERTY, message_max_bytes.to_string());
        config
    }
}

/// Ends what an earlier instance has left open. Without a broker it waits, and says so.
fn start_transactions(producer: &BaseProducer<Deliveries>) -> Result<(), RdKafkaError> {
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
        producer.poll(queue::LISTEN);
        tell(&RdKafkaError::Transaction(error), "no answer to the start of transactions");
    }
}

struct Session {
    producer: BaseProducer<Deliveries>,
    deliveries: Deliveries,
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
    pause: CommitPause,
    /// The offsets that this instance has committed.
    committed: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Whether the last commit had no answer: it may still happen, so it is not aborted.
    is_commit_unknown: bool,
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
                Some(RecordBatch { left_open: Some(left_open), .. }) => self.abort(left_open)?,
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
        self.begin(batch.bytes.len())?;
        // Else librdkafka asks for each record.
        let now = i64::try_from(clock::since_epoch().as_millis()).unwrap_or(i64::MAX);
        let mut was_full = false;
        for (index, record) in batch.records.iter().enumerate() {
            let time = batch.time(index).unwrap_or(now);
            was_full |= self.send(batch, record, time)?;
        }
        // Takes off what librdkafka has to say: errors.
        self.producer.poll(Duration::ZERO);
        if let Some(open) = &mut self.open {
            open.bytes += batch.bytes.len();
            open.records += batch.records.len();
            open.offsets.extend(batch.offsets.iter().cloned());
            open.is_at_boundary = batch.is_boundary;
            open.is_behind |= was_full;
        }
        Ok(())
    }

    /// Hands a record of a time, in milliseconds since 1970, to librdkafka; whether it had to wait for room.
    fn send(
        &self,
        batch: &RecordBatch,
        record: &RecordSlot,
        time: i64,
    ) -> Result<bool, KafkaError> {
        let topic = self.topics.get(record.topic.0).ok_or(KafkaError::Gone)?;
        let mut message = BaseRecord::to(topic).partition(record.partition).timestamp(time);
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
}
