//! The topics that records end up in. Transforms choose them record by record, so each is made when
//! its first record comes.

use std::collections::HashMap;
use std::sync::Arc;

use super::Rules;
use super::failure::{RecordFailure, Trouble};
use crate::config::WorkerConfig;
use crate::kafka::batch::TopicIndex;
use crate::kafka::producer::TransactionalProducer;
use crate::kafka::{Admin, RecordLimit};

/// Longest name of a topic (`org.apache.kafka.common.internals.Topic`).
const NAME_MAX: usize = 249;

/// A topic in Kafka.
#[derive(Debug, Clone, Copy)]
pub struct Outlet {
    /// Its place among the producer's topics.
    pub topic: TopicIndex,
    /// How many partitions it has.
    pub partitions: i32,
    /// The largest record that it takes.
    pub limit: RecordLimit,
    /// Whether it is compacted, and then takes no record without a key.
    pub is_compacted: bool,
}

/// The topics that are known.
pub(super) struct Outlets {
    admin: Admin,
    known: HashMap<Arc<str>, Outlet>,
}

impl Outlets {
    pub(super) fn new(worker: &WorkerConfig) -> Result<Self, Trouble> {
        Ok(Self { admin: Admin::new(worker).map_err(Trouble::Kafka)?, known: HashMap::new() })
    }

    /// A topic, made if it is not there.
    pub(super) async fn get(
        &mut self,
        (name, rules): (&Arc<str>, Rules<'_>),
        producer: &mut TransactionalProducer,
    ) -> Result<Outlet, Trouble> {
        if let Some(outlet) = self.known.get(name) {
            return Ok(*outlet);
        }
        if !is_topic(name) {
            return Err(RecordFailure::Topic.into());
        }
        let made = self.admin.ensure_record_topic(name, &rules(name)).await;
        let made = made.map_err(Trouble::Kafka)?;
        let topic = producer.add_topic(name).await.map_err(Trouble::Kafka)?;
        let outlet = Outlet {
            topic,
            partitions: made.partitions,
            limit: made.limit,
            is_compacted: made.is_compacted,
        };
        self.known.insert(Arc::clone(name), outlet);
        Ok(outlet)
    }
}

/// Whether Kafka takes a name.
fn is_topic(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_dots = name == "." || name == "..";
    !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(fits) && !is_dots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        assert!(is_topic("outbox.event.order-1_x") && is_topic(&"x".repeat(249)));
        for name in ["", ".", "..", "a b", "ä", &"x".repeat(250)] {
            assert!(!is_topic(name), "{name}");
        }
    }
}
