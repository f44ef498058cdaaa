//! What a sweep asks of Kafka.

use std::pin::Pin;
use std::sync::Arc;

use connect::kafka::KafkaError;
use connect::kafka::consumer::{ConsumerConfig, ConsumerError, Ends, GroupWatch};

/// An answer of Kafka.
pub(crate) type Asked<'a> = Pin<Box<dyn Future<Output = Result<Ends, KafkaError>> + Send + 'a>>;

/// How far a group is in one topic.
pub(crate) trait Group: Send + Sync {
    /// Where its partitions end now.
    fn ends(&self) -> Asked<'_>;

    /// Those of these places that the group's committed offsets have not passed.
    fn not_passed(&self, ends: Ends) -> Asked<'_>;
}

impl Group for GroupWatch {
    fn ends(&self) -> Asked<'_> {
        Box::pin(Self::ends(self))
    }

    fn not_passed(&self, ends: Ends) -> Asked<'_> {
        Box::pin(Self::not_passed(self, ends))
    }
}

/// Begins to watch the group of a task in a topic.
pub(crate) type WatchGroup =
    Box<dyn Fn(&Arc<str>) -> Result<Box<dyn Group>, ConsumerError> + Send + Sync>;

/// Watches the group of a consumer.
pub(crate) fn watch(config: ConsumerConfig) -> WatchGroup {
    Box::new(move |topic| Ok(Box::new(GroupWatch::start(&config, Arc::clone(topic))?)))
}
