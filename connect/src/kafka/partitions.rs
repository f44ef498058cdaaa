//! Which partitions a topic has, as a broker tells it that may not have heard of the topic yet.
//!
//! A topic that the controller has just made is known to each broker a moment later: until then they
//! say that there is none. Whoever believes that reads nothing of it, for ever and without an error.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::MetadataPartition;

use crate::config::KAFKA_REQUEST_TIMEOUT;

/// Pause before a broker is asked again for what it does not know yet.
pub(super) const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The partitions of a topic; none if there is no such topic, as far as the broker knows. Blocks its
/// thread.
pub(super) fn partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
) -> Result<Vec<i32>, RdKafkaError> {
    let metadata = client.fetch_metadata(Some(topic), KAFKA_REQUEST_TIMEOUT)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(Vec::new());
    };
    match found.error().map(Code::from) {
        None => Ok(found.partitions().iter().map(MetadataPartition::id).collect()),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(Vec::new()),
        Some(code) => Err(RdKafkaError::MetadataFetch(code)),
    }
}

/// The partitions of a topic that has been made: a broker that has not heard of it yet is asked again
/// for a while. Blocks its thread.
pub(super) fn partitions_of_made<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
) -> Result<Vec<i32>, RdKafkaError> {
    let end = Instant::now() + KAFKA_REQUEST_TIMEOUT;
    loop {
        let missing = match partitions(client, topic) {
            Ok(found) if !found.is_empty() => return Ok(found),
            Ok(_) => RdKafkaError::MetadataFetch(Code::UnknownTopicOrPartition),
            // It has heard of the topic, and not yet who leads it.
            Err(error @ RdKafkaError::MetadataFetch(Code::LeaderNotAvailable)) => error,
            Err(error) => return Err(error),
        };
        if Instant::now() > end {
            return Err(missing);
        }
        thread::park_timeout(ASK_AGAIN_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaRespErr as Answer;

    use super::*;

    fn consumer(cluster: &MockCluster<'_, impl ClientContext>) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("log_level", "0");
        config.create().unwrap()
    }

    #[test]
    fn a_topic_that_brokers_hear_of_later_is_waited_for() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 5, 1).unwrap();
        let consumer = consumer(&cluster);
        for answer in [
            Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            Answer::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        ] {
            cluster.topic_error("t", answer).unwrap();
            thread::scope(|scope| {
                let found = scope.spawn(|| partitions_of_made(consumer.client(), "t").unwrap());
                // It has asked at least once, and been told of none.
                thread::park_timeout(2 * ASK_AGAIN_AFTER);
                cluster.topic_error("t", Answer::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
                assert_eq!(found.join().unwrap().len(), 5);
            });
        }
    }

    #[test]
    fn no_topic_is_told_from_one_that_may_not_be_seen() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let consumer = consumer(&cluster);
        let told = |answer| {
            cluster.topic_error("t", answer).unwrap();
            partitions(consumer.client(), "t")
        };
        assert_eq!(told(Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), Ok(Vec::new()));
        assert_eq!(
            told(Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED),
            Err(RdKafkaError::MetadataFetch(Code::TopicAuthorizationFailed))
        );
        assert_eq!(told(Answer::RD_KAFKA_RESP_ERR_NO_ERROR), Ok(vec![0]));
    }
}
