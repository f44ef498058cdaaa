//! Topics: made before a run with the same settings for all, and looked at while they fill.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::BenchError;

/// How long the broker may take for one answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// How long it may take to make all topics of a run.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);
/// How often it is asked for those.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Makes topics of one partition, which take the records of any producer as they come.
pub(super) async fn make(bootstrap: &str, names: &[String]) -> Result<(), BenchError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let topic = |name| NewTopic::new(name, 1, TopicReplication::Fixed(1));
    let topics: Vec<_> = names.iter().map(|name| topic(name)).collect();
    let made = admin.create_topics(&topics, &AdminOptions::new()).await?;
    if let Some((topic, code)) = made.into_iter().find_map(Result::err) {
        return Err(BenchError::Topic { topic, code });
    }
    // The broker has answered before it knows all of them itself.
    let (watched, end) = (Watched::new(bootstrap, names)?, Instant::now() + KNOWN_WITHIN);
    while let Err(error) = watched.end() {
        if Instant::now() > end {
            return Err(error);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Topics of one partition, as a reader of committed records sees them.
pub(super) struct Watched {
    consumer: BaseConsumer,
    ends: TopicPartitionList,
    names: Vec<String>,
}

impl Watched {
    pub(super) fn new(bootstrap: &str, names: &[String]) -> Result<Self, BenchError> {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "bench-e2e")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .create()?;
        let mut ends = TopicPartitionList::new();
        for name in names {
            ends.add_partition_offset(name, 0, Offset::End)?;
        }
        Ok(Self { consumer, ends, names: names.to_vec() })
    }

    /// Where all of them end together: the last stable offsets, in one request. The markers of
    /// transactions count too.
    pub(super) fn end(&self) -> Result<u64, BenchError> {
        let ends = self.consumer.offsets_for_times(self.ends.clone(), ANSWERED_WITHIN)?;
        let mut sum = 0;
        for end in ends.elements() {
            end.error()?;
            let raw = end.offset().to_raw().unwrap_or_default();
            sum += u64::try_from(raw).unwrap_or_default();
        }
        Ok(sum)
    }

    /// How many records there are.
    pub(super) fn count(&self) -> Result<u64, BenchError> {
        let mut all = TopicPartitionList::new();
        for name in &self.names {
            all.add_partition_offset(name, 0, Offset::Beginning)?;
        }
        self.consumer.assign(&all)?;
        let (mut open, mut count) = (self.names.len(), 0);
        while open > 0 {
            match self.consumer.poll(ANSWERED_WITHIN) {
                Some(Ok(message)) => count += u64::from(message.payload().is_some()),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) => return Err(error.into()),
                None => return Err(BenchError::Late { what: "the end of a topic".to_owned() }),
            }
        }
        self.consumer.unassign()?;
        Ok(count)
    }
}
