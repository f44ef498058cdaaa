//! How far a consumer group is in one topic, asked from beside the group.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::{ConsumerConfig, KafkaOffset, TopicPartition};
use crate::config::KAFKA_REQUEST_TIMEOUT;
use crate::kafka::KafkaError;
use crate::kafka::log::LogContext;
use crate::kafka::partitions::partitions_of_made;

/// Watches a group's committed offsets in one topic. It is no member of the group.
pub struct GroupWatch(Arc<Inner>);

struct Inner {
    /// Reads what members read, and sees the last stable offset as the end.
    committed: BaseConsumer<LogContext>,
    /// Sees the end of all records.
    uncommitted: BaseConsumer<LogContext>,
    topic: Arc<str>,
    brokers: String,
}

/// Places in partitions that a group has to pass.
pub type Ends = Vec<(TopicPartition, KafkaOffset)>;

impl GroupWatch {
    /// Prepares the clients; they connect in the background.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when librdkafka refuses a property.
    pub fn start(config: &ConsumerConfig, topic: Arc<str>) -> Result<Self, KafkaError> {
        let brokers = config.kafka.get("bootstrap.servers").cloned().unwrap_or_default();
        let consumer = |isolation: &str| -> Result<BaseConsumer<LogContext>, KafkaError> {
            crate::kafka::client_config(&format!("{}-watch", config.client_id), &config.kafka)
                .set("group.id", &config.group_id)
                .set("enable.auto.commit", "false")
                .set("enable.partition.eof", "true")
                .set("auto.offset.reset", "error")
                .set("isolation.level", isolation)
                // One record is all that is ever looked at.
                .set("fetch.message.max.bytes", "1024")
                .set("queued.max.messages.kbytes", "1024")
                .create_with_context(LogContext)
                .map_err(|error| KafkaError::of("create a consumer", &brokers, error))
        };
        let (committed, uncommitted) = (consumer("read_committed")?, consumer("read_uncommitted")?);
        Ok(Self(Arc::new(Inner { committed, uncommitted, topic, brokers })))
    }

    /// Where each partition of the topic ends now, open transactions included.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers.
    pub async fn ends(&self) -> Result<Ends, KafkaError> {
        self.ask("read a topic's ends", Inner::ends).await
    }

    /// Those of these places that the group has not passed yet.
    ///
    /// A place is passed when no record is left between what is committed and it: an offset alone
    /// does not say so, as transactions end with markers that nobody ever reads.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers.
    pub async fn not_passed(&self, ends: Ends) -> Result<Ends, KafkaError> {
        self.ask("read a group's offsets", move |inner| inner.not_passed(ends)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        action: &'static str,
        question: impl FnOnce(&Inner) -> Result<T, RdKafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            question(&inner).map_err(|error| KafkaError::of(action, &inner.brokers, error))
        })
        .await
        .map_err(|_| KafkaError::Gone)?
    }
}

impl Inner {
    fn ends(&self) -> Result<Ends, RdKafkaError> {
        let topic = &self.topic;
        let mut ends = Ends::new();
        // No ends at all would be passed at once.
        for partition in partitions_of_made(self.uncommitted.client(), topic)? {
            let (_, end) =
                self.uncommitted.fetch_watermarks(topic, partition, KAFKA_REQUEST_TIMEOUT)?;
            let partition = TopicPartition { topic: Arc::clone(topic), partition };
            ends.push((partition, KafkaOffset(end)));
        }
        Ok(ends)
    }

    fn not_passed(&self, ends: Ends) -> Result<Ends, RdKafkaError> {
        let mut list = TopicPartitionList::with_capacity(ends.len());
        for (partition, _) in &ends {
            list.add_partition(&partition.topic, partition.partition);
        }
        let committed = self.committed.committed_offsets(list, KAFKA_REQUEST_TIMEOUT)?;
        let committed: HashMap<i32, Offset> = committed
            .elements()
            .iter()
            .map(|element| element.error().map(|()| (element.partition(), element.offset())))
            .collect::<Result<_, _>>()?;
        let mut left = Ends::new();
        for (partition, end) in ends {
            let offset = committed.get(&partition.partition).copied().unwrap_or(Offset::Invalid);
            if !self.is_passed(partition.partition, offset, end.0)? {
                left.push((partition, end));
            }
        }
        Ok(left)
    }

    fn is_passed(&self, partition: i32, committed: Offset, end: i64) -> Result<bool, RdKafkaError> {
        // Where nothing is committed, members begin at the beginning.
        let committed = if let Offset::Offset(offset) = committed { offset } else { 0 };
        if committed >= end {
            return Ok(true);
        }
        let watermarks =
            self.committed.fetch_watermarks(&self.topic, partition, KAFKA_REQUEST_TIMEOUT)?;
        let (low, stable) = watermarks;
        if low >= end {
            return Ok(true);
        }
        // What a transaction that is still open has written comes later.
        if stable < end {
            return Ok(false);
        }
        self.has_no_record(partition, committed.max(low)..end)
    }

    /// Whether members find no record in this range, all of which is stable.
    fn has_no_record(
        &self,
        partition: i32,
        range: std::ops::Range<i64>,
    ) -> Result<bool, RdKafkaError> {
        let mut assignment = TopicPartitionList::with_capacity(1);
        assignment.add_partition_offset(&self.topic, partition, Offset::Offset(range.start))?;
        self.committed.assign(&assignment)?;
        let found = self.first_record(partition, range.start);
        self.committed.unassign()?;
        Ok(found?.is_none_or(|offset| offset >= range.end))
    }

    /// The first record from an offset on; none if the partition ends before there is one.
    fn first_record(&self, partition: i32, from: i64) -> Result<Option<i64>, RdKafkaError> {
        let deadline = Instant::now() + KAFKA_REQUEST_TIMEOUT;
        while Instant::now() < deadline {
            match self.committed.poll(Duration::from_millis(100)) {
                None => {}
                Some(Err(RdKafkaError::PartitionEOF(ended))) if ended == partition => {
                    return Ok(None);
                }
                Some(Err(RdKafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => return Err(error),
                Some(Ok(message))
                    if message.partition() == partition && message.offset() >= from =>
                {
                    return Ok(Some(message.offset()));
                }
                Some(Ok(_)) => {}
            }
        }
        Err(RdKafkaError::MessageConsumption(Code::OperationTimedOut))
    }
}
