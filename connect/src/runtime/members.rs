//! Which slots this worker has: partitions of an empty topic, shared out by Kafka's consumer group.

use std::collections::BTreeMap;

use crate::config::WorkerConfig;
use crate::kafka::consumer::{
    ConsumerConfig, ConsumerError, ConsumerEvent, RevokeDone, SinkConsumer, TopicPartition, Topics,
};

/// This worker's place in the group.
pub(crate) enum Members {
    /// There is no group: everything runs here.
    Alone,
    /// One of several.
    Group(Box<SinkConsumer>),
}

/// What has happened to the slots.
pub(crate) enum MemberEvent {
    Assigned(Vec<i32>),
    Revoked {
        slots: Vec<i32>,
        /// Somebody else has them already.
        lost: bool,
        /// To be used when nothing of them runs here any more.
        done: RevokeDone,
    },
    Failed(ConsumerError),
}

/// A worker that died is missed after 6 s: the least that brokers take by default
/// (`group.min.session.timeout.ms`), so that its tasks run elsewhere within 10 s.
const SESSION: [(&str, &str); 2] =
    [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "1500")];

impl Members {
    /// Joins the group of a cluster's workers.
    ///
    /// # Errors
    ///
    /// Returns [`ConsumerError`] when librdkafka refuses a property.
    pub(crate) fn join(worker: &WorkerConfig, slots_topic: &str) -> Result<Self, ConsumerError> {
        let mut kafka: BTreeMap<String, String> = worker.kafka.clone();
        for (key, value) in SESSION {
            kafka.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        let config = ConsumerConfig {
            client_id: format!("{}-worker", worker.group_id),
            group_id: worker.group_id.clone(),
            kafka,
            topics: Topics::List(vec![slots_topic.to_owned()]),
            headers: false,
        };
        Ok(Self::Group(Box::new(SinkConsumer::start(&config)?)))
    }

    /// Waits for the next event. Cancel safe.
    pub(crate) async fn next(&mut self) -> MemberEvent {
        let Self::Group(consumer) = self else { return std::future::pending().await };
        loop {
            match consumer.next().await {
                // Nobody writes to that topic.
                ConsumerEvent::Records(_) => {}
                ConsumerEvent::Assigned { partitions, .. } => {
                    return MemberEvent::Assigned(numbers(&partitions));
                }
                ConsumerEvent::Revoked { partitions, lost, done } => {
                    return MemberEvent::Revoked { slots: numbers(&partitions), lost, done };
                }
                ConsumerEvent::Failed(error) => return MemberEvent::Failed(error),
            }
        }
    }

    /// Leaves the group, so that others take over at once.
    pub(crate) async fn leave(self) {
        match self {
            Self::Alone => {}
            Self::Group(consumer) => consumer.close().await,
        }
    }
}

fn numbers(partitions: &[TopicPartition]) -> Vec<i32> {
    partitions.iter().map(|partition| partition.partition).collect()
}
