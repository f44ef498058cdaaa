//! The topics that records end up in. Transforms choose them record by record, so each is made when
//! its first record comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use connect::config::{TopicRules, WorkerConfig};
use connect::kafka::batch::TopicIndex;
use connect::kafka::producer::TransactionalProducer;
use connect::kafka::{Admin, RecordLimit};

use super::failure::{RecordFailure, Trouble};
use crate::config::SourceConfig;
use crate::error::SourceError;

/// Longest name of a topic (`org.apache.kafka.common.internals.Topic`).
const NAME_MAX: usize = 249;

/// A topic in Kafka.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlet {
    pub(super) topic: TopicIndex,
    pub(super) partitions: i32,
    /// The largest record that it takes.
    pub(super) limit: RecordLimit,
    pub(super) is_compacted: bool,
}

/// The topics that are known.
pub(super) struct Outlets {
    config: Arc<SourceConfig>,
    admin: Admin,
    known: HashMap<Arc<str>, Outlet>,
}

impl Outlets {
    pub(super) fn new(
        config: &Arc<SourceConfig>,
        worker: &WorkerConfig,
    ) -> Result<Self, SourceError> {
        let (config, admin) = (Arc::clone(config), Admin::new(worker)?);
        Ok(Self { config, admin, known: HashMap::new() })
    }

    /// A topic, made if it is not there.
    pub(super) async fn get(
        &mut self,
        (name, is_side): (&Arc<str>, bool),
        producer: &mut TransactionalProducer,
    ) -> Result<Outlet, Trouble> {
        if let Some(outlet) = self.known.get(name) {
            return Ok(*outlet);
        }
        if !is_topic(name) {
            return Err(RecordFailure::Topic.into());
        }
        let made = self.admin.ensure_record_topic(name, &self.rules(name, is_side)).await;
        let made = made.map_err(SourceError::from)?;
        let topic = producer.add_topic(name).await.map_err(SourceError::from)?;
        let outlet = Outlet {
            topic,
            partitions: made.partitions,
            limit: made.limit,
            is_compacted: made.is_compacted,
        };
        self.known.insert(Arc::clone(name), outlet);
        Ok(outlet)
    }

    fn rules(&self, name: &str, is_side: bool) -> TopicRules {
        let topics = &self.config.topics;
        if !is_side {
            return topics.rules(name);
        }
        let replication = Some(topics.replication());
        TopicRules { partitions: Some(1), replication, settings: BTreeMap::new() }
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
