//! Topics as they are, without making any.
//!
//! The broker is asked once for all topics: asked for one by its name it may make it.

use std::collections::HashMap;

use super::Admin;
use super::shape::{self, CLEANUP_POLICY, Shape, differences};
use crate::config::{KAFKA_REQUEST_TIMEOUT, TopicRules};
use crate::kafka::KafkaError;

/// All topics that we may see, as they were at one moment.
pub struct TopicCatalog {
    admin: Admin,
    brokers: i32,
    shapes: HashMap<String, Shape>,
}

/// What there is of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicOutlook {
    /// It exists.
    There {
        /// How many it has.
        partitions: i32,
        /// How many copies of each, at least.
        replication: i32,
        /// `cleanup.policy`, if it may be read.
        cleanup: Option<String>,
        /// What is other than its rules say.
        differences: Vec<String>,
    },
    /// It does not, or we may not see it.
    Absent,
}

impl Admin {
    /// Lists the topics.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers, or it does not let us in.
    pub async fn catalog(self) -> Result<TopicCatalog, KafkaError> {
        let asked = tokio::task::spawn_blocking(move || {
            let failed = |error| {
                KafkaError::of("list the topics", &self.brokers, error).explained(&self.properties)
            };
            let metadata = self.client.inner().fetch_metadata(None, KAFKA_REQUEST_TIMEOUT);
            let metadata = metadata.map_err(failed)?;
            let shape = |topic: &rdkafka::metadata::MetadataTopic| {
                Some((topic.name().to_owned(), Shape::of(topic)?))
            };
            let shapes = metadata.topics().iter().filter_map(shape).collect();
            let brokers = i32::try_from(metadata.brokers().len()).unwrap_or(i32::MAX);
            Ok(TopicCatalog { brokers, shapes, admin: self })
        });
        asked.await.map_err(|_| KafkaError::Gone)?
    }
}

impl TopicCatalog {
    /// How many brokers there are.
    #[must_use]
    pub fn brokers(&self) -> i32 {
        self.brokers
    }

    /// How many topics there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shapes.len()
    }

    /// How many partitions a topic has; none if it does not exist.
    #[must_use]
    pub fn partitions(&self, topic: &str) -> Option<i32> {
        self.shapes.get(topic).map(|shape| shape.partitions)
    }

    /// What there is of a topic, against its rules.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers.
    pub async fn outlook(
        &self,
        topic: &str,
        rules: &TopicRules,
    ) -> Result<TopicOutlook, KafkaError> {
        let Some(shape) = self.shapes.get(topic).copied() else { return Ok(TopicOutlook::Absent) };
        let settings = self.admin.settings(topic).await?;
        let value = |name: &str| settings.as_ref().and_then(|all| shape::setting(all, name));
        Ok(TopicOutlook::There {
            partitions: shape.partitions,
            replication: shape.replication,
            cleanup: value(CLEANUP_POLICY).map(str::to_owned),
            differences: differences(rules, shape, value),
        })
    }
}
