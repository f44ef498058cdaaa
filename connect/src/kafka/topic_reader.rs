//! Reads a topic from its beginning to its end, as it is at this moment.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as RdKafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::error::{KafkaError, is_denied};
use super::log::LogContext;
use super::partitions::{partitions, partitions_of_made};
use crate::config::KAFKA_REQUEST_TIMEOUT;

/// Longest wait for other tasks' open transactions to end. They end by themselves after their own
/// `transaction.timeout.ms`, whose largest default is a minute (Kafka Connect's).
const OPEN_TRANSACTIONS_MAX: Duration = Duration::from_secs(90);

/// Longest time without any record while reading. An end of partition is an answer too.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Whether a topic has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existence {
    /// It has been made: a broker that has not heard of it yet is asked again.
    Made,
    /// One that is not there has no records.
    Perhaps,
    /// It has been made, and is read as far as no transaction is open.
    LeftOpen,
}

/// The last value of each key. Blocks its thread.
///
/// Reads only what is committed, but up to the high watermark and not only to the last stable
/// offset: what a transaction that is still open hides would otherwise be missing without a trace.
/// So it first waits until the last stable offset has reached the high watermark of the start.
pub(crate) fn read_compacted(
    topic: &str,
    existence: Existence,
    properties: &BTreeMap<String, String>,
) -> Result<HashMap<Vec<u8>, Vec<u8>>, KafkaError> {
    let brokers = properties.get("bootstrap.servers").cloned().unwrap_or_default();
    let failed = |error| KafkaError::of("read the offsets topic", &brokers, error);
    let committed = consumer(properties, "read_committed").map_err(failed)?;
    let uncommitted = consumer(properties, "read_uncommitted").map_err(failed)?;
    let partitions = match existence {
        Existence::Made | Existence::LeftOpen => partitions_of_made(committed.client(), topic),
        Existence::Perhaps => partitions(committed.client(), topic),
    };
    let partitions = partitions.map_err(failed)?;
    let until_stable = if existence == Existence::LeftOpen { &[][..] } else { &*partitions };
    for partition in until_stable {
        let (readers, partition) = ((&committed, &uncommitted), *partition);
        if !is_stable_in_time(readers, topic, partition).map_err(failed)? {
            return Err(KafkaError::OpenTransaction { topic: topic.to_owned(), partition });
        }
    }
    let mut values = HashMap::new();
    let last = |key: Option<&[u8]>, value: Option<&[u8]>| {
        let key = key.unwrap_or_default().to_vec();
        match value {
            Some(value) => values.insert(key, value.to_vec()),
            None => values.remove(&key),
        };
    };
    read_to_end(&committed, topic, &partitions, last).map_err(failed)?;
    Ok(values)
}

/// Hands the committed values of a topic of one partition over, in their order, and says how many
/// partitions it has: 0 if there is no such topic. One of several has no order, so nothing of it is
/// read. Only what `each` keeps stays in memory.
///
/// # Errors
///
/// Returns [`KafkaError`] when no broker answers.
pub async fn read_in_order<T: Send + 'static>(
    topic: String,
    properties: BTreeMap<String, String>,
    mut kept: T,
    each: fn(&mut T, &[u8]),
) -> Result<(usize, T), KafkaError> {
    let read = move || {
        let brokers = properties.get("bootstrap.servers").cloned().unwrap_or_default();
        let failed = |error| KafkaError::of("read a topic from its beginning", &brokers, error);
        let consumer = consumer(&properties, "read_committed").map_err(failed)?;
        let partitions = match partitions(consumer.client(), &topic) {
            // Of a topic that is not there some brokers say so to whoever may not look at it.
            Err(error) if error.rdkafka_error_code().is_some_and(is_denied) => Vec::new(),
            found => found.map_err(failed)?,
        };
        if let [only] = partitions.as_slice() {
            let value = |_: Option<&[u8]>, value: Option<&[u8]>| {
                if let Some(value) = value {
                    each(&mut kept, value);
                }
            };
            read_to_end(&consumer, &topic, &[*only], value).map_err(failed)?;
        }
        Ok((partitions.len(), kept))
    };
    tokio::task::spawn_blocking(read).await.map_err(|_| KafkaError::Gone)?
}

pub(super) fn consumer(
    properties: &BTreeMap<String, String>,
    isolation: &str,
) -> Result<BaseConsumer<LogContext>, RdKafkaError> {
    super::client_config("rowcast-offsets", properties)
        // No group is joined and nothing is committed; librdkafka wants a name all the same.
        .set("group.id", "rowcast-offsets-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation)
        .create_with_context(LogContext)
}

/// Where the earliest open transaction of a partition begins, asked by two consumers: one that reads what
/// is committed, and one that reads all.
///
/// `ListOffsets` answers with the last stable offset to the first, and with the high watermark to the other.
pub(super) fn first_open(
    (committed, uncommitted): (&BaseConsumer<LogContext>, &BaseConsumer<LogContext>),
    topic: &str,
    partition: i32,
) -> Result<Option<i64>, RdKafkaError> {
    let (_, end) = uncommitted.fetch_watermarks(topic, partition, KAFKA_REQUEST_TIMEOUT)?;
    let (_, stable) = committed.fetch_watermarks(topic, partition, KAFKA_REQUEST_TIMEOUT)?;
    Ok((stable < end).then_some(stable))
}

/// Whether all that is in a partition now was committed or aborted in time.
fn is_stable_in_time(
    (committed, uncommitted): (&BaseConsumer<LogContext>, &BaseConsumer<LogContext>),
    topic: &str,
    partition: i32,
) -> Result<bool, RdKafkaError> {
    let (_, target) = uncommitted.fetch_watermarks(topic, partition, KAFKA_REQUEST_TIMEOUT)?;
    let deadline = Instant::now() + OPEN_TRANSACTIONS_MAX;
    let mut told = false;
    loop {
        let (_, stable) = committed.fetch_watermarks(topic, partition, KAFKA_REQUEST_TIMEOUT)?;
        if stable >= target {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        if !told {
            tracing::info!(topic, partition, "waiting for an open transaction to end");
            told = true;
        }
        // Nothing is assigned yet, so this only waits and serves callbacks.
        drop(committed.poll(Duration::from_millis(100)));
    }
}

/// Reads partitions to where they end now. A partition that somebody goes on writing to may never tell of its
/// end: that comes with an answer without records.
fn read_to_end(
    consumer: &BaseConsumer<LogContext>,
    topic: &str,
    partitions: &[i32],
    mut each: impl FnMut(Option<&[u8]>, Option<&[u8]>),
) -> Result<(), RdKafkaError> {
    let mut assignment = TopicPartitionList::new();
    let mut ends = HashMap::new();
    for partition in partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning)?;
        let (_, end) = consumer.fetch_watermarks(topic, *partition, KAFKA_REQUEST_TIMEOUT)?;
        ends.insert(*partition, end);
    }
    consumer.assign(&assignment)?;
    let mut open: HashSet<i32> = partitions.iter().copied().collect();
    while !open.is_empty() {
        match consumer.poll(SILENCE_MAX) {
            None => {
                let code = rdkafka::error::RDKafkaErrorCode::OperationTimedOut;
                return Err(RdKafkaError::MessageConsumption(code));
            }
            Some(Err(RdKafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => return Err(error),
            Some(Ok(message)) => {
                each(message.key(), message.payload());
                let end = ends.get(&message.partition());
                if end.is_some_and(|end| message.offset().saturating_add(1) >= *end) {
                    open.remove(&message.partition());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    use super::*;

    /// The end of a partition is told only to whoever finds nothing new there.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_topic_that_somebody_goes_on_writing_to_is_read_to_where_it_ended() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("busy", 1, 1).unwrap();
        let properties =
            BTreeMap::from([("bootstrap.servers".to_owned(), cluster.bootstrap_servers())]);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("linger.ms", "0");
        let producer: BaseProducer = config.create().unwrap();
        producer.send(BaseRecord::to("busy").key("k").payload("first")).unwrap();
        producer.flush(Duration::from_secs(30)).unwrap();
        let is_over = AtomicBool::new(false);

        let (partitions, values) = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    producer.send(BaseRecord::to("busy").key("k").payload("more")).unwrap();
                    producer.poll(Duration::from_millis(1));
                }
            });
            let each: fn(&mut Vec<Vec<u8>>, &[u8]) = |kept, value| kept.push(value.to_vec());
            let read = read_in_order("busy".to_owned(), properties, Vec::new(), each);
            let read = tokio::task::block_in_place(|| {
                let within = tokio::time::timeout(Duration::from_secs(60), read);
                tokio::runtime::Handle::current().block_on(within)
            });
            is_over.store(true, Ordering::Relaxed);
            read.unwrap().unwrap()
        });

        assert_eq!(partitions, 1);
        assert_eq!(values[0], b"first");
    }
}
